#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes a C header of the tables of support in Documentation/api.rst, for host/support.c.

Usage: selftests/support.py > support.h
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "tools", "check"))

import docs  # noqa: E402 (where it lies was not known before)

KINDS = {"device": "SYS", "machine": "VM", "vCPU": "VCPU"}


def bounds(value):
    """Text of the column "value" -> least and greatest answer; (CPUs): none."""
    least, other, named = docs.VALUE.match(value).groups()
    if named:
        return "ONLINE", "ONLINE"
    return least, "INT_MAX" if other == "more" else other or least


def capabilities():
    for number, name, value, _support, _remark in docs.Table(docs.API, "capabilities").rows:
        least, most = bounds(value)
        yield '\t{ "%s", %s, %s, %s },' % (name, number, least, most)


def ioctls():
    cards = docs.cards_of(docs.read(docs.API).split("\n"))
    for name, _kinds, support, _remark in docs.Table(docs.API, "ioctls").rows:
        kinds = set() if support == "absent" else cards[name][1]
        mask = " | ".join(KINDS[k] for k in sorted(kinds)) or "0"
        # a header of another age may lack a number
        yield '#ifdef %s\n\t{ "%s", %s, %s },\n#endif' % (name, name, name, mask)


def main():
    out = ["/* SPDX-License-Identifier: GPL-2.0 */",
           "/* Made by selftests/support.py from Documentation/api.rst. */",
           "static const struct cap caps[] = {", *capabilities(), "};", "",
           "static const struct call calls[] = {", *ioctls(), "};"]
    if docs.problems:
        sys.exit("\n".join(docs.problems))
    print("\n".join(out))


if __name__ == "__main__":
    main()
