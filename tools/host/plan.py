# SPDX-License-Identifier: GPL-2.0
"""Reads selftests/plan, the table of all tests (its format is told there)."""

import fnmatch
import re
import shlex

DEVICES = ("none", "lodge", "kvm", "host", "boot")
LONG = "long"             # among the devices: not run by default
BOOT_KEYS = ("model", "exclude", "add", "firmware", "args", "log")


class Row:
    """One line of the table.

    name: PROGRAM or PROGRAM:VARIANT; cpus: {1, 2}; devices: see DEVICES; long: only when
    it is asked for;
    seconds: time limit, of the emulated clock; args: for the program; boot: for
    devices=boot, what is wanted of the machine and the log.
    """

    def __init__(self, name, cpus, devices, seconds, args, boot=None):
        self.long = LONG in devices
        self.name = name
        self.program = name.partition(":")[0]
        self.cpus = cpus
        self.devices = [d for d in devices if d != LONG]
        self.seconds = seconds
        self.args = args
        self.boot = boot or {}

    def matches(self, wanted):
        """wanted: a name, a program, or a shell pattern; several with commas."""
        names = (self.name,) if self.long else (self.name, self.program)
        return any(fnmatch.fnmatchcase(n, w.strip()) for w in wanted.split(",")
                   for n in names)


class BadPlan(Exception):
    """A line of the table that cannot be read; the message names it."""


def _boot(rest):
    """model=... exclude=... firmware=... log=REGEX; log takes the rest."""
    boot = {}
    head, found, regex = rest.partition("log=")
    if not found or not regex.strip():
        raise ValueError("a boot row needs log=EXPRESSION at its end")
    boot["log"] = re.compile(regex.strip())
    for word in shlex.split(head):
        key, _, value = word.partition("=")
        if key not in BOOT_KEYS:
            raise ValueError("unknown word %s" % key)
        boot[key] = value
    return boot


def _row(line):
    fields = line.split(None, 4)
    if len(fields) < 4:
        raise ValueError("needs NAME CPUS DEVICES SECONDS")
    rest = fields[4] if len(fields) > 4 else ""
    if not re.match(r"^[\w.:+-]+$", fields[0]):
        raise ValueError("bad name %s" % fields[0])
    cpus = {int(c) for c in fields[1].split(",")}
    devices = fields[2].split(",")
    if not cpus <= {1, 2} or not set(devices) - {LONG} <= set(DEVICES):
        raise ValueError("cpus are 1, 2 or 1,2; devices are " + ", ".join(DEVICES))
    if "boot" in devices:
        return Row(fields[0], cpus, devices, int(fields[3]), [], _boot(rest))
    return Row(fields[0], cpus, devices, int(fields[3]), shlex.split(rest))


def load(path):
    rows, seen = [], set()
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            line = line.partition(" #")[0].strip()
            if not line or line.startswith("#"):
                continue
            try:
                row = _row(line)
                if row.name in seen:
                    raise ValueError("%s is there twice; call one %s:SOMETHING"
                                     % (row.name, row.program))
            except ValueError as e:
                raise BadPlan("%s:%d: %s" % (path, number, e)) from e
            seen.add(row.name)
            rows.append(row)
    return rows
