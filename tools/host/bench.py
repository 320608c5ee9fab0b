#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measures lodge beside kvm_intel in emulated hosts, and writes the tables into
Documentation/performance.rst.

In each host both modules are loaded and `lodge bench` measures on both, one after the other:
exits row by row, then a boot of Linux, then memory.  Hosts with one CPU, in which a tick of
the time stamp counter is an instruction, without and with mitigations; then two with two CPUs
for the rows of exits that take them.  Memory is the same with mitigations, and measured once.
With --only nothing is written: the table goes to stdout.
"""

import argparse
import json
import os
import shlex
import sys
import tempfile
import time

import guest
import image
import klog
import machine
import paths
import slots

WHAT = ("exits", "boot", "memory")
SECONDS = 120           # of the emulated clock, for each of these in one host
PAGE = os.path.join(paths.TOP, "Documentation", "performance.rst")
BEGIN, END = ".. lodge-bench: begin", ".. lodge-bench: end"
MARKS = {"exits": (BEGIN, END)}
MARKS.update((what, tuple(".. lodge-bench-%s: %s" % (what, side) for side in ("begin", "end")))
             for what in WHAT[1:])
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


def commands(options, what):
    """The command for each of these measurements."""
    found = {}
    for name in what:
        words = ["lodge", "bench", name, "--vs", DEVICES[1], "--json"]
        if name == "exits":
            words += ["--rounds", str(options.rounds)]
            words += ["--only", options.only] if options.only else []
        elif name == "boot":
            # One round: the emulator does the same again.
            words += ["/guest/vmlinuz", "--initrd", "/guest/initrd", "--append", "quiet nokaslr"]
        found[name] = words
    return found


def guest_files():
    """A kernel, and an init that ends the guest at once."""
    lane = "6.1" if paths.DEBUG else paths.LANE
    with tempfile.TemporaryDirectory() as tmp:
        initrd = guest.initrd(lane, tmp, [("guest.sh", b"", 0o644)])
    kernel = image.read(os.path.join(paths.BUILD, "kernel-" + lane, "vmlinuz"))
    return [("guest/vmlinuz", kernel), ("guest/initrd", initrd)]


class Host:
    """One boot: what is run, and what came of it."""

    def __init__(self, out, cpus, args, measures):
        self.log_path = os.path.join(out, "kernel.log")
        self.measures = measures
        self.lines, self.ends = {name: [] for name in measures}, {}
        self.started = 0
        self.machine = machine.Machine(out, cpus=cpus, args=args)
        steps = [["gate", "load-" + os.path.basename(m), "30", "insmod", "/" + m]
                 for m in MODULES]
        steps += [["run", name, str(SECONDS * paths.SLOWER), "sh", "-c", shlex.join(command)]
                  for name, command in measures.items()]
        steps += [["gate", "unload-" + m, "30", "rmmod", m]
                  for m in ("kvm_intel", "kvm", "irqbypass", "lodge")]
        image.build(self.machine.initrd(), [("lodge/lodge", paths.CLI),
                                            ("lib/lodge/lodge.ko", paths.module())] +
                    (guest_files() if "boot" in measures else []), steps)

    def _listen(self, log):
        step = None
        limit = machine.BOOT_LIMIT + 4 * paths.SLOWER * SECONDS * len(self.measures)
        for line in self.machine.events(limit):
            if log.feed(line):
                continue
            word, _, rest = line.partition(" ")
            if word == "@begin":
                step = rest.split(" ")[0]
            elif word == ">" and step in self.lines:
                self.lines[step].append(rest)
            elif word == "@end":
                self.ends[rest.split(" ")[0]] = rest.split(" ")[1]

    def _report(self, name):
        report, words = heard(self.lines[name])
        wrong = failures(report) if name == "exits" else []
        if wrong or words or self.ends.get(name) != "exit:0":
            raise Bad("\n".join(["lodge bench %s:" % name] + wrong + [words]))
        return report

    def run(self):
        """Boots it; returns the commands' reports by their names."""
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
            if how != "exit:0" and step not in self.measures:
                raise Bad("%s ended with %s" % (step, how))
        return {name: self._report(name) for name in self.measures}


def run_host(out, cpus, mitigations, options, measures):
    """Boots one; its reports, which are kept as files as well."""
    print("lodge: mitigations=%s, %d CPU%s" % (mitigations, cpus, "s"[:cpus - 1]), flush=True)
    folder = os.path.join(out, "%s-%d" % (mitigations, cpus))
    host = Host(folder, cpus, "mitigations=%s %s" % (mitigations, options.args), measures)
    reports = host.run()
    for name, report in reports.items():
        with open(os.path.join(folder, name + ".json"), "w", encoding="ascii") as f:
            json.dump(report, f, indent=1)
    print("lodge: %s in %.0f s" % (", ".join(reports), time.time() - host.started), flush=True)
    return reports


def rows_of(report, cpus):
    """{name: row} of the rows that were measured in a host with so many CPUs."""
    return {row["name"]: dict(row, cpus=cpus) for row in report["rows"]}


def measure(out, options):
    """{what: {mitigations: {row's name: row}}}; the reports of boots and of memory are as
    they came."""
    found = {what: {} for what in options.what}
    for mitigations in MITIGATIONS:
        first = mitigations == MITIGATIONS[0]
        what = [w for w in options.what if w != "memory" or first]
        if not what:
            continue
        reports = run_host(out, 1, mitigations, options, commands(options, what))
        for name in what:
            found[name][mitigations] = reports[name]
        if "exits" in what:
            rows = rows_of(reports["exits"], 1)
            only = ",".join(skipped(reports["exits"]))
            if only:
                again = argparse.Namespace(rounds=options.rounds, only=only)
                rows.update(rows_of(run_host(out, 2, mitigations, options, commands(
                    again, ["exits"]))["exits"], 2))
            found["exits"][mitigations] = rows
    return found


# ---- the tables -------------------------------------------------------------

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


def number(value, places=0):
    """As it stands in a table of boots or of memory; "-" is what a device does not tell."""
    return "-" if value is None else "{:,.{}f}".format(value, int(places))


def boot_table(reports):
    """Of {mitigations: report}: all rows but seconds, which are ticks by another name; those
    by the million."""
    names, rows, zero = [], {}, {}
    for mitigations, report in reports.items():
        for row in report["rows"]:
            name = row["of"], row["name"]
            if row["name"].startswith("seconds"):
                continue
            if row["of"] == "time":
                name = "time", "million " + row["name"]
                row = dict(row, values=[v and v / 1e6 for v in row["values"]])
            names += [] if name in names else [name]
            rows[mitigations, name] = row
            zero[name] = {"values": [None if v is None else 0 for v in row["values"]],
                          "ratio": None}
    # A row that only the other hosts have goes to the others of its kind.
    kinds = list(dict.fromkeys(of for of, _ in names))
    lines = []
    for name in sorted(names, key=lambda n: kinds.index(n[0])):
        cells = ["%s: %s" % name]
        for mitigations in reports:
            row = rows.get((mitigations, name), zero[name])
            cells += [number(v, name[0] == "time") for v in row["values"]] + \
                [ratio_of(row["ratio"])]
        lines.append(cells)
    head = ["row"]
    for mark in ("", ", m.")[:len(reports)]:
        head += [word + mark for word in ("lodge", "kvm_intel", "ratio")]
    return render(head, lines)


def memory_table(report):
    """KiB for a machine, by its parts."""
    rows = [[row["name"]] + [number(v, 1) for v in row["values"]] + [ratio_of(row["ratio"])]
            for row in report["rows"]]
    for side, words in (("min", "sum, least"), ("max", "sum, most")):
        rows.append([words] + [number(s[side], 1) for s in report["spread"]] + [""])
    return render(["part", "lodge", "kvm_intel", "ratio"], rows)


def all_tables(found):
    """{what: its table's lines}"""
    lines = {}
    for what, reports in found.items():
        if what == "exits":
            lines[what] = tables(reports, list(reports[MITIGATIONS[0]]))
        elif what == "boot":
            lines[what] = boot_table(reports)
        else:
            lines[what] = memory_table(reports[MITIGATIONS[0]])
    return lines


def write(path, lines, what="exits"):
    """Puts the lines between the markers of a file."""
    begin, end = MARKS[what]
    with open(path, encoding="utf-8") as f:
        text = f.read()
    before, found, rest = text.partition(begin + "\n")
    _, also, after = rest.partition(end + "\n")
    if not found or not also:
        raise machine.Trouble("%s has not both of %s and %s" % (path, begin, end))
    with open(path, "w", encoding="utf-8") as f:
        f.write(before + begin + "\n\n" + "\n".join(lines) + "\n\n" + end + "\n" + after)


def chosen(text):
    """Words with commas between them, in their order here."""
    words = text.split(",")
    for word in words:
        if word not in WHAT:
            raise argparse.ArgumentTypeError("there is no '%s', but %s" % (word, ", ".join(WHAT)))
    return [w for w in WHAT if w in words]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--what", type=chosen, default=list(WHAT),
                        help="exits, boot, memory, with commas between them")
    parser.add_argument("--rounds", type=int, default=15, help="of each row of exits")
    parser.add_argument("--only", default="", help="rows of exits; the page is left alone")
    parser.add_argument("--args", default="", help="more arguments for the host's kernel")
    options = parser.parse_args()
    if options.only:
        options.what = ["exits"]
    out = paths.new_out("bench")
    paths.drop_old_outs()
    try:
        found = measure(out, options)
    except Bad as e:
        print("lodge: bench failed:\n%s" % e, file=sys.stderr)
        return 1
    for what, lines in all_tables(found).items():
        print("\n".join([what + ":"] + lines + [""]))
        if not options.only:
            write(PAGE, lines, what)
            print("lodge: written into %s" % os.path.relpath(PAGE))
    print("lodge: all figures: %s" % os.path.relpath(out))
    return 0


if __name__ == "__main__":
    machine.run_program(main)
