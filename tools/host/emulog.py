# SPDX-License-Identifier: GPL-2.0
"""The emulator's own log: what it wrote about VM entries that it refused.

Each line begins with the emulated clock, which is also what RDTSC gives in the host.
A test can so demand what the emulator has to say of an entry, by a line

    # emulator FROM TO WORDS | OTHER WORDS

between these two ticks it wrote one thing about a VM entry, and that has WORDS, or
OTHER WORDS, in it.
"""

import re

ENTRY = re.compile(r"^(\d+)\w\[.*?\] (.*(?:VMFAIL|VMENTER|VMABORT|VMX LoadMSRs).*)$")
DEMAND = re.compile(r"^\s*# emulator (\d+) (\d+) (.+)$")


def words(path, first, last):
    """[(tick, text)] about VM entries from one tick to another."""
    found = []
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            for line in f:
                match = ENTRY.match(line)
                if match and first <= int(match.group(1)) <= last:
                    found.append((int(match.group(1)), match.group(2)))
    except FileNotFoundError:
        pass
    return found


def summary(path, first, last):
    """The same for people: each text once, and how often."""
    times = {}
    for _, text in words(path, first, last):
        times[text] = times.get(text, 0) + 1
    return ["emulator: %s%s" % (text, " (%d times)" % n if n > 1 else "")
            for text, n in list(times.items())[:20]]


def unmet(path, lines):
    """What a test demanded by its lines and the emulator did not write."""
    demands = [(int(m.group(1)), int(m.group(2)), m.group(3).split(" | "))
               for m in map(DEMAND.match, lines) if m]
    if not demands:
        return []
    said = words(path, min(d[0] for d in demands), max(d[1] for d in demands))
    faults = []
    for first, last, wanted in demands:
        texts = [text for tick, text in said if first <= tick <= last]
        if len(texts) != 1 or not any(w in texts[0] for w in wanted):
            faults.append("the emulator's log does not have \"%s\" alone, but %s" % (
                "\" or \"".join(wanted), "; ".join(texts) or "nothing"))
    return faults
