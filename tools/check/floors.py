#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The rule of the house: an arrow points down only.

Every file of kmod/ stands on a floor and may include headers of its own floor
or of one below (Documentation/architecture.rst).  Prints one line for each
include that points up, for each file that has no floor, and for each `extern`
in a .c file, which would be a way around the headers.

Usage: tools/check/floors.py [KMOD-FOLDER]
"""

import fnmatch
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# The first pattern that fits names the floor; a pattern's * crosses no slash.
FLOORS = (
    (0, "words", ("lodge.h", "compat.h", "stats.h", "trace.[ch]", "kick.[ch]", "yield.[ch]")),
    (1, "VT-x", ("vmx/*.[chS]",)),
    (2, "memory", ("mem/*.[ch]",)),
    (3, "I/O and interrupts", ("io/*.[ch]", "irq/*.[ch]")),
    (4, "CPU model", ("cpu/*.[ch]",)),
    (5, "rooms", ("exit*.[ch]", "halt.[ch]", "irqchip.[ch]", "vcpu.[ch]", "state.[ch]",
                    "vm.[ch]", "extension.[ch]", "flight.[ch]", "entry_failure.[ch]",
                    "break.[ch]")),
    (6, "door", ("ioctl*.[ch]", "attr.[ch]", "stats.c", "main.c")),
)

# Headers from outside kmod/ that a file may include in quotes, and why.
OUTSIDE = {
    # The emulator also builds in user space, with this in place of <linux/...>.
    "cpu/emulate_priv.h": ("shim.h",),
    # So does the model of VM entry's checks.
    "vmx/entry_check_priv.h": ("vmx_shim.h",),
    "vmx/fields.c": ("vmx_shim.h",),
}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
EXTERN = re.compile(r"^extern\b")


def floor_of(name):
    """The number of a file's floor, or None."""
    for number, _, patterns in FLOORS:
        for pattern in patterns:
            if name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern):
                return number
    return None


def floor_name(number):
    return "floor %d (%s)" % (number, FLOORS[number][1])


def sources(kmod):
    for folder, dirs, names in os.walk(kmod):
        dirs[:] = sorted(d for d in dirs if not d.startswith("."))
        for name in sorted(names):
            if name.endswith((".c", ".h", ".S")) and not name.endswith(".mod.c"):
                yield os.path.relpath(os.path.join(folder, name), kmod)


def check_file(kmod, name):
    """Problems of one file, as (line, text)."""
    mine = floor_of(name)
    if mine is None:
        yield 1, "stands on no floor: give it one in FLOORS of tools/check/floors.py"
        return
    with open(os.path.join(kmod, name), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if name.endswith(".c") and EXTERN.match(line):
                yield number, "extern in a .c file: include the header that declares it"
            match = INCLUDE.match(line)
            if not match or match.group(1) in OUTSIDE.get(name, ()):
                continue
            target = os.path.normpath(os.path.join(os.path.dirname(name), match.group(1)))
            if not os.path.exists(os.path.join(kmod, target)):
                yield number, "includes %s, which is not in kmod/" % match.group(1)
                continue
            theirs = floor_of(target)
            if theirs is not None and theirs > mine:
                yield number, "%s includes %s of %s: an arrow points down only" % (
                    floor_name(mine), target, floor_name(theirs))


def main():
    kmod = sys.argv[1] if len(sys.argv) > 1 else os.path.join(TOP, "kmod")
    bad = 0
    for name in sources(kmod):
        for line, text in check_file(kmod, name):
            print("%s:%d: %s" % (os.path.join(os.path.relpath(kmod), name), line, text))
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
