#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs the tests of selftests/plan in emulated hosts and tells how they went.

One boot runs all tests for one CPU and one all tests for two, side by side;
each machine that must be refused has a small boot of its own; unit tests run
here.  The last line is `N passed, N failed, N skipped`, counted in KTAP results.
"""

import argparse
import collections
import glob
import os
import shlex
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import clients
import emulog
import guest
import image
import klog
import ktap
import machine
import paths
import plan
import slots

MAX_DEATHS = 3          # of one boot's hosts, before its rest is not tried
KEEP_LOG_LINES = 200 if paths.DEBUG else 60     # a report of lockdep is long
KEEP_OUTPUT_LINES = 200
# By its full name: busybox's shell would take its own insmod for the bare word.
LOAD_KVM = ("for m in irqbypass kvm kvm-intel; do "
            "/bin/insmod $KVM_KO_DIR/$m.ko || exit 1; done")

LEAKS_SECONDS = 30      # times paths.SLOWER

Step = collections.namedtuple("Step", "kind id seconds argv row device")


class Tally:
    """Counts and prints; the boots run in threads."""

    def __init__(self, verbose):
        self.lock = threading.Lock()
        self.verbose = verbose
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.reports = []       # of the programs in the hosts: (row, device, CPUs, report)

    def say(self, text):
        with self.lock:
            print(text, flush=True)

    def note(self, what, report, where, lines=None, took=None, path=None):
        """One test's report; prints its line, and all it said if it failed."""
        good, bad, skip = (report.count(v) for v in (ktap.PASS, ktap.FAIL, ktap.SKIP))
        bad += len(report.faults)
        skip += report.count(ktap.XFAIL)        # no result that counts
        with self.lock:
            self.passed += good
            self.failed += bad
            self.skipped += skip
            word = "FAIL" if bad else "ok  " if good or not skip else "skip"
            counts = "%d ok" % good + (", %d not" % bad if bad else "") + \
                     (", %d skipped" % skip if skip else "")
            took = ", %.1f s" % took if took is not None else ""
            print("%s %-40s %s (%s%s)" % (word, what, where, counts, took), flush=True)
            if skip and not bad:
                for name, verdict, remark in report.leaves:
                    if verdict in (ktap.SKIP, ktap.XFAIL):
                        print("       %s: %s: %s" % (
                            {ktap.SKIP: "skipped"}.get(verdict, "fails, as known"), name,
                            remark or "no reason given"))
            if not bad:
                if self.verbose and lines:
                    print("\n".join("     | " + line for line in lines))
                return
            self.failures += ["%s, %s: %s" % (what, where, f) for f in report.faults]
            self.failures += ["%s, %s: not ok: %s" % (what, where, name)
                              for name, verdict, _ in report.leaves if verdict == ktap.FAIL]
            for fault in report.faults:
                print("     ! " + fault)
            shown = (lines or [])[-KEEP_OUTPUT_LINES:]
            if lines and len(shown) < len(lines):
                print("     | ... (%d lines more in %s)" % (len(lines) - len(shown), path))
            print("\n".join("     | " + line for line in shown), flush=True)

    def fault(self, what, where, text, lines=()):
        report = ktap.Report()
        report.faults.append(text)
        self.note(what, report, where, list(lines))


class Boot:
    """One host and the steps it is to run."""

    def __init__(self, name, cpus, steps, files, tally, out, **options):
        self.name = name
        self.cpus = cpus
        self.steps = steps
        self.files = files
        self.tally = tally
        self.out = out
        self.options = options
        self.deaths = 0
        self.steps_by_id = {}
        self.ended = set()
        self.unhappy = False        # a step of this host has failed

    def run(self):
        """Boots until every step was run or the hosts died too often."""
        todo, number = self.steps, 0
        while todo:
            number += 1
            where = self.out if number == 1 else "%s.%d" % (self.out, number)
            left = self.run_host(todo, where)
            if not left:
                return
            if self.deaths >= MAX_DEATHS:
                for step in left:
                    if step.row:
                        self.tally.fault(step.id, self.name,
                                         "not run: %d hosts died before it" % self.deaths)
                return
            self.tally.say("---- %s: the host died; booting again for what is left" % self.name)
            todo = left

    def run_host(self, steps, out):
        """Boots once.  Returns the steps to try again, after a death."""
        host = machine.Machine(out, cpus=self.cpus, **self.options)
        image.build(host.initrd(), self.files, [
            [s.kind, s.id, str(s.seconds * paths.SLOWER)] + s.argv for s in steps])
        slot = slots.Slot()
        slot.acquire(lambda: self.tally.say("waiting for an emulator slot (%s)" % self.name))
        started = time.time()
        log = klog.Log(os.path.join(out, "kernel.log"))
        self.steps_by_id = {s.id: s for s in steps}
        self.ended = set()
        self.unhappy = False
        current = None
        try:
            host.start(slot)
            limit = machine.BOOT_LIMIT + 4 * paths.SLOWER * sum(s.seconds for s in steps)
            current = self.listen(host, log, limit)
        finally:
            host.stop()
            slot.release()
        return self.finish(host, log, steps, current, time.time() - started)

    def listen(self, host, log, limit):
        """Takes the agent's words; returns the step that ran when they ended."""
        current, lines, remarks, begin = None, [], [], 0
        for line in host.events(limit):
            if log.feed(line):
                continue
            word, _, rest = line.partition(" ")
            fields = rest.split(" ")
            if word == ">":
                lines.append(rest)
            elif word == "@begin":
                current, lines, remarks = self.steps_by_id.get(fields[0]), [], []
                begin = int(fields[1])
            elif word == "@stray":
                remarks.append("# the harness had to kill processes this test left behind")
            elif word == "@busy":
                remarks.append("!the module is still in use (%s times) after the test" % fields[1])
            elif word == "@skip":
                self.ended.add(fields[0])
                self.skipped(self.steps_by_id[fields[0]])
            elif word == "@end" and current:
                self.ended.add(fields[0])
                self.ended_step(host, current, fields[1], lines, remarks,
                                (begin, int(fields[2])), int(fields[3]) / 1000)
                current = None
        if current:
            current = (current, lines)
        return current

    def ended_step(self, host, step, how, lines, remarks, ticks, took):
        faults = [r[1:] for r in remarks if r.startswith("!")]
        lines = lines + [r for r in remarks if not r.startswith("!")]
        if step.row is None:
            # The harness's own step: loading and unloading modules.
            if how != "exit:0" or faults:
                self.unhappy = True
                self.tally.fault(step.id, self.name,
                                 "; ".join(["ended with %s" % how] + faults),
                                 lines + emulog.summary(host.path("bochs.log"), *ticks))
            return
        report = self.judge(step, lines, how)
        report.faults += faults + emulog.unmet(host.path("bochs.log"), lines)
        if report.faults or report.count(ktap.FAIL):
            self.unhappy = True
            lines = lines + emulog.summary(host.path("bochs.log"), *ticks)
        self.tally.reports.append((step.row.name, step.device, self.cpus, report))
        self.tally.note(step.id, report, self.name, lines, took,
                        os.path.join(self.out, "report.log"))

    def judge(self, step, lines, how):      # a boot of another kind has its own
        _ = step
        return ktap.judge(lines, how)

    def skipped(self, step):
        if step.row:
            self.tally.fault(step.id, self.name, "not run: %s" % (
                "kvm_intel did not load" if step.device == "kvm" else "lodge.ko did not load"))

    def finish(self, host, log, steps, current, took):
        """Judges the host itself.  Returns the steps to try again."""
        left = []
        if host.death:
            self.deaths += 1
            log.add_console(host.path("console.log"))
            if current:
                step, lines = current
                self.ended.add(step.id)
                self.tally.fault(step.id, self.name, "the host died in it: " + host.death, lines)
            left = self.rest(steps, current)
        log.close()
        if not host.death and not self.unhappy and not host.keep:
            host.drop_emulator_log()
        report = ktap.Report()
        by_step = collections.Counter(log.complaints)
        for (step, text), n in by_step.items():
            report.faults.append("kernel log%s: %s%s" % (
                " in %s" % step if step else "", text, " (%d times)" % n if n > 1 else ""))
        if host.death and not current:
            report.faults.append(host.death)
        missing = [s.id for s in steps if s.row and s.id not in self.ended]
        if missing and not left:
            report.faults.append("planned but not reported: " + ", ".join(missing))
        if not report.faults and not host.death:
            report.leaves.append(("host", ktap.PASS, ""))
        lines = []
        if report.faults or host.death:
            lines = ["kernel log, last %d lines (all of it: %s)" % (KEEP_LOG_LINES, log.path)]
            lines += log.lines[-KEEP_LOG_LINES:]
            if not log.lines:
                lines.append(host.last_words())
        if report.faults or report.leaves:
            self.tally.note("host", report, self.name, lines, took)
        else:
            self.tally.say("\n".join("     | " + line for line in lines))
        return left

    def rest(self, steps, current):
        """The steps a fresh host has to run after one that died: those not
        ended, with the loading of modules that they need."""
        if not current and not self.ended:
            return []           # it never came so far as to run one
        open_steps = [s for s in steps if s.row and s.id not in self.ended]
        devices = {s.device for s in open_steps}
        return [s for s in steps
                if s in open_steps or (not s.row and s.device in devices)]


class RefusalBoot(Boot):
    """A machine on which the module must refuse to load, and say why."""

    def judge(self, step, lines, how):
        report = ktap.Report()
        report.leaves.append((step.row.name, ktap.PASS, ""))
        if how == "exit:0":
            report.faults.append("the module loaded, it had to refuse")
        elif how == "exit:99":
            report.faults.append("insmod failed and left the module loaded")
        elif how != "exit:1":
            report.faults.append("insmod ended with %s" % how)
        if not any(step.row.boot["log"].search(line) for line in lines):
            report.faults.append("the kernel log has no line that matches %s"
                                 % step.row.boot["log"].pattern)
        if report.faults:
            report.leaves = []
        return report


def test_steps(rows, cpus):
    """The steps of the boot with that many CPUs, and the files they need."""
    steps, missing = [], []

    def tests(device):
        wanted = [r for r in rows if cpus in r.cpus and device in r.devices]
        for row in wanted:
            argv = ["/" + paths.in_host(row.program)]
            if device != "none":
                argv += ["-d", "/dev/" + device]
            step = Step("run", "%s@%s" % (row.name, device), row.seconds,
                        argv + row.args, row, device)
            (steps if paths.program(row.program) else missing).append(step)
        return bool(wanted)

    def leaks(when, device):
        """Last words of the debugging kernel's detectors."""
        if paths.DEBUG:
            steps.append(Step("run", "leaks-" + when, LEAKS_SECONDS, ["leaks"], None, device))

    if tests("none"):
        leaks("none", "none")
    for device, load, unload in (
            ("lodge", ["insmod", "/lib/lodge/lodge.ko"], ["rmmod", "lodge"]),
            ("kvm", ["sh", "-c", LOAD_KVM], ["rmmod", "kvm_intel", "kvm", "irqbypass"])):
        at = len(steps)
        if tests(device):
            steps.insert(at, Step("gate", "load-" + device, 30, load, None, device))
            # Before, because only a loaded module's functions have names.
            leaks(device, device)
            steps.append(Step("gate", "unload-" + device, 30, unload, None, device))
            leaks("unloaded-" + device, device)
    return steps, missing


def module_file():
    """Without it (DEVICE=kvm needs none) insmod says what is missing."""
    return [("lib/lodge/lodge.ko", paths.module())] if os.path.exists(paths.module()) else []


def programs(rows):
    """The rows' own. Some that load modules by themselves then run others of their folder."""
    names = {r.program for r in rows}
    folder = paths.PROGRAM_DIRS[0]
    if any("none" in r.devices and os.path.exists(os.path.join(folder, r.program)) for r in rows):
        names |= set(os.listdir(folder))
    return sorted(n for n in names if paths.program(n))


def common_files(rows):
    files = module_file()
    if os.path.exists(paths.CLI):
        files.append(("lodge/lodge", paths.CLI))
    files += [(paths.in_host(program), paths.program(program)) for program in programs(rows)]
    # The harness's test of itself has a module among its programs.
    for extra in glob.glob(os.path.join(paths.PROGRAM_DIRS[0], "*.ko")):
        files.append(("selftests/" + os.path.basename(extra), extra))
    guests = os.path.join(paths.BUILD, "selftests", "guest")
    if os.path.isdir(guests):
        files.append(("guest", guests))
    if any(r.program == "cli-scenes" for r in rows):
        files.append(("scenes", os.path.join(paths.TOP, "scenes")))
    # Kernels are large: only for those who boot them.
    if any(r.program.startswith("cli-linux") for r in rows):
        files += guest.files()
    if any(r.program in ("cli-linuxgdb", "cli-linuxlook") for r in rows):
        files += guest.debugger()
    return files + clients.files(rows)


def plan_boots(rows, tally, out, options):
    boots = []
    for cpus in (2, 1):         # the longer one first
        steps, missing = test_steps(rows, cpus)
        where = "%d cpu%s" % (cpus, "s" if cpus > 1 else "")
        for step in missing:
            tally.fault(step.id, where, "no such program: build/selftests/*/%s" % step.row.program)
        if steps:
            mine = [r for r in rows if cpus in r.cpus and "host" not in r.devices]
            boots.append(Boot(where, cpus, steps, common_files(mine), tally,
                              os.path.join(out, "%dcpu" % cpus), args=options.args,
                              keep=options.keep, memory=options.memory))
    for row in rows:
        if "boot" not in row.devices:
            continue
        features = "".join(", %s_features=\"%s\"" % (k, row.boot[k]) for k in ("add", "exclude")
                           if k in row.boot)[2:]
        # The log is part of the answer; insmod's own status is the step's, but
        # for 99: it failed and the module is there all the same.
        argv = ["sh", "-c", "/bin/insmod /lib/lodge/lodge.ko; s=$?; dmesg; "
                "[ $s = 0 ] || ! grep -q ^lodge /proc/modules || exit 99; exit $s"]
        for cpus in sorted(row.cpus):
            step = Step("run", row.name, row.seconds, argv, row, "boot")
            where = "%d cpu%s" % (cpus, "s" if cpus > 1 else "")
            boots.append(RefusalBoot(
                where, cpus, [step], module_file(), tally,
                os.path.join(out, "%s-%d" % (row.name.replace(":", "-"), cpus)),
                memory=512, model=row.boot.get("model", "corei7_skylake_x"),
                features=features, firmware=row.boot.get("firmware", ""),
                args=row.boot.get("args", "") + " " + options.args, keep=options.keep))
    return boots


def run_here(row, tally, argv, where):
    """Runs a program on this machine."""
    started = time.time()
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=row.seconds, check=False,
                              start_new_session=True)
        output, status = done.stdout, done.returncode
        how = "signal:%d" % -status if status < 0 else "exit:%d" % status
    except subprocess.TimeoutExpired as e:
        output, how = e.stdout or b"", "timeout"
    lines = output.decode("utf-8", "replace").splitlines()
    tally.note(row.name, ktap.judge(lines, how), where, lines, time.time() - started)


def run_units(rows, tally):
    for row in rows:
        if "host" not in row.devices:
            continue
        program = paths.program(row.program)
        if program:
            run_here(row, tally, [program] + row.args, "here")
        else:
            tally.fault(row.name, "here", "no such program: build/selftests/unit/%s" % row.program)


def run_local(rows, tally, device):
    """The tests of one device on this machine's own hardware."""
    cpus = min(2, os.cpu_count() or 1)
    for row in rows:
        if device not in row.devices or cpus not in row.cpus:
            continue
        program = paths.program(row.program)
        name = "%s@%s" % (row.name, device)
        if program:
            run_here(row, tally, [program, "-d", "/dev/" + device] + row.args, "this machine")
        else:
            tally.fault(name, "this machine", "no such program")


def select(rows, options):
    if not options.test and not options.long:
        rows = [r for r in rows if not r.long]
    if options.test:
        rows = [r for r in rows if r.matches(options.test)]
        if not rows:
            sys.exit("lodge: no test in %s is called %s" % (
                os.path.relpath(options.plan), options.test))
    chosen = []
    for row in rows:
        cpus = row.cpus & ({options.cpus} if options.cpus else {1, 2})
        devices = [d for d in row.devices if not options.device or d == options.device]
        if cpus and devices:
            chosen.append(plan.Row(row.name, cpus, devices, row.seconds, row.args, row.boot))
    if not chosen:
        sys.exit("lodge: no test is left with CPUS=%s DEVICE=%s" % (
            options.cpus or "any", options.device or "any"))
    return chosen


def arguments():
    parser = argparse.ArgumentParser(description="runs the tests of selftests/plan")
    parser.add_argument("--test", default="", help="a name, program or pattern; commas between")
    parser.add_argument("--cpus", type=int, choices=(1, 2), help="only with that many CPUs")
    parser.add_argument("--device", default="", help="only on that: " + ", ".join(plan.DEVICES))
    parser.add_argument("--long", action="store_true", help="also what takes minutes")
    parser.add_argument("--host", default="emulated", choices=("emulated", "local"))
    parser.add_argument("--plan", default=paths.PLAN, help="another table")
    parser.add_argument("--memory", type=int, default=1024, help="MiB of the hosts")
    parser.add_argument("--table", action="store_true",
                        help="print at the end what each subtest did on each device")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the output of all tests")
    parser.add_argument("--programs", help="another folder of programs, for --plan")
    parser.add_argument("--args", default="", help="more arguments for the hosts' kernel")
    parser.add_argument("--keep", action="store_true",
                        help="keep the boot images, to boot one again by hand")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    return parser.parse_args()


def main():
    options = arguments()
    if options.programs:
        paths.PROGRAM_DIRS[:] = [options.programs]
    try:
        rows = select(plan.load(options.plan), options)
    except (plan.BadPlan, OSError) as e:
        sys.exit("lodge: %s" % e)
    if options.list:
        print("\n".join(r.name for r in rows))
        return 0
    started = time.time()
    clients.prepare(rows)
    tally = Tally(options.verbose)
    if options.host == "local":
        run_local(rows, tally, options.device or "lodge")
    else:
        paths.drop_old_outs()
        out = paths.new_out("test")
        tally.say("test hosts: Linux %s in the emulator; logs in %s"
                  % (paths.kernel_release(), shlex.quote(os.path.relpath(out))))
        boots = plan_boots(rows, tally, out, options)
        with ThreadPoolExecutor(max_workers=slots.SLOTS) as pool:
            jobs = [pool.submit(b.run) for b in boots]
            run_units(rows, tally)
            for boot, job in zip(boots, jobs):
                try:
                    job.result()
                except machine.Trouble as e:
                    tally.fault("host", boot.name, str(e))
    if options.table:
        print("\n" + "\n".join(clients.table(tally.reports)))
    if tally.failures:
        print("\nFailures:")
        print("\n".join("  " + f for f in tally.failures))
    print("\n%d s" % (time.time() - started))
    print("%d passed, %d failed, %d skipped" % (tally.passed, tally.failed, tally.skipped))
    return 1 if tally.failed or not tally.passed + tally.skipped else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        os._exit(130)
