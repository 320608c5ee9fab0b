#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measures lodge beside kvm_intel in emulated hosts, and writes the table into
Documentation/performance.rst.

In each host both modules are loaded and `lodge bench exits` measures each row on both, one
after the other.  Hosts with one CPU, in which a tick of the time stamp counter is an
instruction, without and with mitigations; then two with two CPUs for the rows that take
them.  With --only nothing is written: the table goes to stdout.
"""

import argparse
import json
import os
import shlex
import sys
import time

import image
import klog
import machine
import paths
import slots

SECONDS = 120           # of the emulated clock, for one host's rows
PAGE = os.path.join(paths.TOP, "Documentation", "performance.rst")
BEGIN, END = ".. lodge-bench: begin", ".. lodge-bench: end"
MITIGATIONS = ("off", "auto")
MODULES = ("lib/lodge/lodge.ko", "lib/kvm/irqbypass.ko", "lib/kvm/kvm.ko", "lib/kvm/kvm-intel.ko")
DEVICES = ("/dev/lodge", "/dev/kvm")
# A line that the agent had to cut.
CUT = 4096
# Further from the median than this the quartiles are worth a mark.
SPREAD = 0.05


class Bad(Exception):
    """What keeps a host's figures from being used."""


def heard(lines):
    """The JSON in what the command said, which comes in pieces."""
    text = "".join(line if len(line) == CUT else line + "\n" for line in lines)
    at = text.find('{"unit":')
    if at < 0:
        raise Bad("the command said: " + (text.strip() or "nothing"))
    report, end = json.JSONDecoder().raw_decode(text[at:])
    return report, (text[:at] + text[at + end:]).strip()


def failures(report):
    """The rows that went wrong, in words."""
    return ["%s on %s: %s" % (row["name"], device, result["reason"])
            for row in report["rows"] for device, result in zip(report["devices"], row["results"])
            if result["state"] == "failed"]


def skipped(report):
    """The names of the rows that no device was asked for."""
    return [row["name"] for row in report["rows"]
            if all(r["state"] == "skipped" for r in row["results"])]


class Host:
    """One boot: what is run, and what came of it."""

    def __init__(self, out, cpus, args, options):
        self.log_path = os.path.join(out, "kernel.log")
        self.lines, self.ends = [], {}
        self.started = 0
        self.machine = machine.Machine(out, cpus=cpus, args=args)
        command = ["lodge", "bench", "exits", "--vs", DEVICES[1], "--json",
                   "--rounds", str(options.rounds)]
        if options.only:
            command += ["--only", options.only]
        steps = [["gate", "load-" + os.path.basename(m), "30", "insmod", "/" + m]
                 for m in MODULES]
        steps.append(["run", "bench", str(SECONDS * paths.SLOWER), "sh", "-c",
                      shlex.join(command)])
        steps += [["gate", "unload-" + m, "30", "rmmod", m]
                  for m in ("kvm_intel", "kvm", "irqbypass", "lodge")]
        image.build(self.machine.initrd(), [("lodge/lodge", paths.CLI),
                                            ("lib/lodge/lodge.ko", paths.module())], steps)

    def _listen(self, log):
        step = None
        limit = machine.BOOT_LIMIT + 4 * paths.SLOWER * SECONDS
        for line in self.machine.events(limit):
            if log.feed(line):
                continue
            word, _, rest = line.partition(" ")
            if word == "@begin":
                step = rest.split(" ")[0]
            elif word == ">" and step == "bench":
                self.lines.append(rest)
            elif word == "@end":
                self.ends[rest.split(" ")[0]] = rest.split(" ")[1]

    def run(self):
        """Boots it; returns the command's report."""
        slot = slots.Slot()
        slot.acquire(lambda: print("lodge: waiting for an emulator slot", flush=True))
        log = klog.Log(self.log_path)
        self.started = time.time()
        try:
            self.machine.start(slot)
            self._listen(log)
        finally:
            self.machine.stop()
            slot.release()
        if self.machine.death:
            log.add_console(self.machine.path("console.log"))
        log.close()
        # What the kernel says of its mitigations while it boots is not about this.
        complaints = [text for step, text in log.complaints if step]
        if self.machine.death or complaints:
            raise Bad("\n".join(complaints +
                                [self.machine.death or "", "the kernel's log: " + log.path]))
        for step, how in self.ends.items():
            if how != "exit:0" and step != "bench":
                raise Bad("%s ended with %s" % (step, how))
        report, words = heard(self.lines)
        wrong = failures(report)
        if wrong or words or self.ends.get("bench") != "exit:0":
            raise Bad("\n".join(wrong + [words]))
        return report


def measure(out, options):
    """{mitigations: {row's name: row}} and the names in their order."""
    found, names = {}, []
    for mitigations in MITIGATIONS:
        rows, only = {}, options.only
        for cpus in (1, 2):
            print("lodge: mitigations=%s, %d CPU%s" % (mitigations, cpus, "s"[:cpus - 1]),
                  flush=True)
            folder = os.path.join(out, "%s-%d" % (mitigations, cpus))
            host = Host(folder, cpus, "mitigations=%s %s" % (mitigations, options.args),
                        argparse.Namespace(rounds=options.rounds, only=only))
            report = host.run()
            with open(os.path.join(folder, "report.json"), "w", encoding="ascii") as f:
                json.dump(report, f, indent=1)
            for row in report["rows"]:
                row["cpus"] = cpus
                rows[row["name"]] = row
            names = names or [row["name"] for row in report["rows"]]
            print("lodge: %d rows in %.0f s" % (len(report["rows"]), time.time() - host.started),
                  flush=True)
            only = ",".join(skipped(report))
            if not only:
                break
        found[mitigations] = rows
    return found, names


# ---- the table --------------------------------------------------------------

def figure(result):
    """A median; marked where the quartiles are far from it."""
    if result["state"] != "measured":
        return "none"
    far = max(result["q3"] - result["median"], result["median"] - result["q1"])
    mark = "~" if far > 1 and far > SPREAD * result["median"] else ""
    return mark + "{:,.0f}".format(result["median"])


def mean(rows):
    """The geometric mean of the ratios of these rows."""
    ratios = [row["ratio"] for row in rows if row["ratio"]]
    product = 1.0
    for ratio in ratios:
        product *= ratio ** (1 / len(ratios))
    return product if ratios else None


def ratio_of(value):
    return ("%.2f" if value >= 0.1 else "%.4f") % value if value else ""


def render(head, rows):
    """A simple table; the first column to the left, the others to the right."""
    wide = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    bar = " ".join("=" * w for w in wide)

    def line(row):
        cells = [row[0].ljust(wide[0])] + [c.rjust(w) for c, w in zip(row[1:], wide[1:])]
        return " ".join(cells).rstrip()
    return [bar, line(head), bar] + [line(r) for r in rows] + [bar]


def tables(found, names):
    """The lines between the markers."""
    rows = []
    for name in names:
        cells = [name + (" (2 CPUs)" if found[MITIGATIONS[0]][name]["cpus"] == 2 else "")]
        for mitigations in MITIGATIONS:
            row = found[mitigations][name]
            cells += [figure(r) for r in row["results"]] + [ratio_of(row["ratio"])]
        rows.append(cells)
    means = ["geometric mean"]
    for mitigations in MITIGATIONS:
        means += ["", "", ratio_of(mean(found[mitigations].values()))]
    head = ["row", "lodge", "kvm_intel", "ratio", "lodge, m.", "kvm_intel, m.", "ratio, m."]
    lines = render(head, rows + [means])
    whats = [(name, found[MITIGATIONS[0]][name]["what"]) for name in names]
    wide = [max(len(w[i]) for w in whats) for i in range(2)]
    bar = "=" * wide[0] + " " + "=" * wide[1]
    lines += ["", bar, "row".ljust(wide[0]) + " what one is", bar]
    lines += [(name.ljust(wide[0]) + " " + what) for name, what in whats] + [bar]
    return lines


def write(path, lines):
    """Puts the lines between the markers of a file."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    before, found, rest = text.partition(BEGIN + "\n")
    _, also, after = rest.partition(END + "\n")
    if not found or not also:
        raise machine.Trouble("%s has not both of %s and %s" % (path, BEGIN, END))
    with open(path, "w", encoding="utf-8") as f:
        f.write(before + BEGIN + "\n\n" + "\n".join(lines) + "\n\n" + END + "\n" + after)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", help="rows; the page is left alone")
    parser.add_argument("--args", default="", help="more arguments for the host's kernel")
    options = parser.parse_args()
    out = paths.new_out("bench")
    paths.drop_old_outs()
    try:
        found, names = measure(out, options)
    except Bad as e:
        print("lodge: bench failed:\n%s" % e, file=sys.stderr)
        return 1
    lines = tables(found, names)
    print("\n".join(lines))
    if not options.only:
        write(PAGE, lines)
        print("lodge: written into %s" % os.path.relpath(PAGE))
    print("lodge: all figures: %s" % os.path.relpath(out))
    return 0


if __name__ == "__main__":
    machine.run_program(main)
