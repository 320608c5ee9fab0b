#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Holds Documentation/scenes.rst against the scripts of scenes/: each block behind a comment
`.. lodge-scene: N` is what scene N printed, so it has the commands of its script in their
order, behind each the texts that the script looks for, and none that must not be there.
Prints one line for each difference.

Usage: tools/check/scenes.py [--write N FILE]	puts the output in FILE into the page
"""

import glob
import os
import re
import sys
import textwrap

import floors

PAGE = os.path.join(floors.TOP, "Documentation", "scenes.rst")
MARKER = ".. lodge-scene: "
# How a call of scenes/scene.sh is shown.
PROMPTS = {"run": "host # ", "begin": "host # ", "beside": "other # ", "type": "(step) "}
CALL = re.compile(r"(run|begin|beside|type|shows|lacks)(?: -s \d+)? '([^']*)'$")


def scripts():
    """{number: (name, its calls)}"""
    found = {}
    for path in sorted(glob.glob(os.path.join(floors.TOP, "scenes", "[0-9]*-*.sh"))):
        name = os.path.basename(path)
        with open(path, encoding="utf-8") as f:
            found[name.split("-")[0]] = (name, [
                m.groups() for m in map(CALL.match, f.read().split("\n")) if m])
    return found


def block(lines, number):
    """The first and the last line of a scene's block, behind its marker and `::`."""
    if MARKER + number not in lines:
        return None
    first = lines.index(MARKER + number) + 4
    last = first
    while last < len(lines) and (not lines[last] or lines[last].startswith("    ")):
        last += 1
    while not lines[last - 1]:
        last -= 1
    return first, last


def differences(name, calls, shown):
    """What the script says and the page does not: its calls one by one, the output of a
    command up to the next one."""
    at, end = -1, 0
    heads = [i for i, line in enumerate(shown) if line.startswith(tuple(PROMPTS.values()))]
    commands = [(PROMPTS[word] + text).rstrip() for word, text in calls if word in PROMPTS]
    if [shown[i] for i in heads] != commands:
        odd = [c for c in commands if c not in shown] or ["their order"]
        return ["its commands are not those of scenes/%s: %s" % (name, odd[0])]
    said = []
    for word, text in calls:
        if word in PROMPTS:
            at += 1
            end = heads[at + 1] if at + 1 < len(heads) else len(shown)
        elif any(text in line for line in shown[heads[at] + 1:end]) != (word == "shows"):
            said.append("behind '%s' it %s '%s'" % (
                shown[heads[at]], "does not have" if word == "shows" else "has", text))
    return said


def write(lines, number, path):
    with open(path, encoding="utf-8") as f:
        text = f.read().split("\n")
    # The first two lines are the scene's name.
    text = "\n".join(line.rstrip() for line in text[2:]).rstrip() + "\n"
    first, last = block(lines, number)
    lines[first:last] = textwrap.indent(text, "    ").rstrip("\n").split("\n")
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write("\n".join(lines))


def main():
    with open(PAGE, encoding="utf-8") as f:
        lines = f.read().split("\n")
    if sys.argv[1:2] == ["--write"]:
        write(lines, *sys.argv[2:4])
    wrong = []
    for number, (name, calls) in scripts().items():
        span = block(lines, number)
        if not span:
            wrong.append("scene %s is missing" % number)
            continue
        shown = [line[4:] for line in lines[span[0]:span[1]]]
        wrong += ["scene %s: %s" % (number, text) for text in differences(name, calls, shown)]
    for text in wrong:
        print("Documentation/scenes.rst:1: " + text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
