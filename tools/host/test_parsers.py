# SPDX-License-Identifier: GPL-2.0
"""What the harness reads, read right: KTAP, the kernel's log, the plan, what the guest
of the demonstration says, the list of the kernel's tests.

Run by `make check`.
"""

import argparse
import json
import os
import re
import struct
import tempfile
import unittest

import bench
import clients
import demo
import emulog
import kallsyms
import klog
import ktap
import machine
import plan


def judged(text, how="exit:0"):
    """Counts of passes, failures, skips and the faults."""
    report = ktap.judge(text.splitlines(), how)
    return ([report.count(v) for v in (ktap.PASS, ktap.FAIL, ktap.SKIP)], report.faults)


class Ktap(unittest.TestCase):
    def test_plain(self):
        self.assertEqual(judged("KTAP version 1\n1..2\nok 1 a\nok 2 - b # SKIP why\n"),
                         ([1, 0, 1], []))

    def test_known_failure(self):
        report = ktap.judge(["1..1", "ok 1 a # XFAIL it needs what is not there"], "exit:0")
        self.assertEqual(report.leaves, [("a", ktap.XFAIL, "it needs what is not there")])
        self.assertEqual(report.faults, [])

    def test_plan_at_the_end(self):
        self.assertEqual(judged("TAP version 13\nok 1 a\nok 2 b\n1..2"), ([2, 0, 0], []))

    def test_diagnostics_are_no_results(self):
        self.assertEqual(judged("1..1\n# ok 7 no\nokay\nnot okay\nok 1 a"), ([1, 0, 0], []))

    def test_failures(self):
        self.assertEqual(judged("1..2\nok 1 a\nnot ok 2 b", "exit:1"), ([1, 1, 0], []))

    def test_nested(self):
        text = ("1..2\n    KTAP version 1\n    1..2\n    ok 1 x\n    not ok 2 y\n"
                "not ok 1 a\nok 2 b")
        report = ktap.judge(text.splitlines(), "exit:1")
        self.assertEqual(report.leaves, [("a.x", ktap.PASS, ""), ("a.y", ktap.FAIL, ""),
                                         ("b", ktap.PASS, "")])
        self.assertEqual(report.faults, [])

    def test_nested_sum_lies(self):
        text = "1..1\n  1..1\n  not ok 1 x\nok 1 a"
        self.assertIn("a says ok, a subtest of it does not", judged(text, "exit:1")[1])

    def test_nested_plan_short(self):
        text = "1..1\n  1..3\n  ok 1 x\nok 1 a"
        self.assertEqual(judged(text)[1], ["planned 3 results in a subtest, reported 1"])

    def test_plan_short_and_long(self):
        self.assertEqual(judged("1..3\nok 1 a")[1], ["planned 3 results, reported 1"])
        self.assertEqual(judged("1..1\nok 1 a\nok 2 b")[1], ["planned 1 results, reported 2"])

    def test_numbers_out_of_order(self):
        self.assertEqual(judged("1..2\nok 2 a\nok 1 b")[1],
                         ["result 1 is numbered 2", "result 2 is numbered 1"])

    def test_no_plan(self):
        self.assertEqual(judged("ok 1 a")[1], ["no plan (1..N)"])

    def test_no_output(self):
        self.assertEqual(judged("")[1], ["no output; no plan (1..N)"])

    def test_status_against_lines(self):
        self.assertEqual(judged("1..1\nok 1 a", "exit:1")[1],
                         ["exit status 1, but no result is not ok"])
        self.assertEqual(judged("1..1\nnot ok 1 a", "exit:0")[1],
                         ["exit status 0, but 1 results are not ok"])
        self.assertEqual(judged("1..1\nok 1 a", "exit:4")[1],
                         ["exit status 4 (skipped), but not every result is a skip"])
        self.assertEqual(judged("1..1\nok 1 a", "exit:3")[1], ["exit status 3"])

    def test_ends_by_force(self):
        self.assertEqual(judged("1..1\nok 1 a", "signal:11")[1], ["killed by signal 11"])
        self.assertEqual(judged("1..1\nok 1 a", "timeout")[1],
                         ["timeout: killed at its time limit"])

    def test_skip_of_the_whole(self):
        self.assertEqual(judged("1..0 # SKIP not here", "exit:4"), ([0, 0, 1], []))
        self.assertEqual(judged("# no device", "exit:4"), ([0, 0, 1], []))
        self.assertEqual(judged("1..1\nok 1 a # SKIP no", "exit:4"), ([0, 0, 1], []))

    def test_nothing_run_is_a_skip_not_a_pass(self):
        self.assertEqual(judged("1..0 # SKIP not here", "exit:0"), ([0, 0, 1], []))


class EmulatorLog(unittest.TestCase):
    LOG = ("00000000100i[BIOS  ] VMFAIL: of no CPU, but an entry\n"
           "00000000200e[CPU0  ] VMENTER FAIL: VMCS guest invalid CR0\n"
           "00000000250e[CPU0  ] interrupt(): gate not present\n"
           "00000000300e[CPU1  ] VMFAIL: VMCS host CS selector 0\n"
           "00000000300e[CPU1  ] VMFAIL: VMCS host CS selector 0\n")

    def setUp(self):
        with tempfile.NamedTemporaryFile("w", delete=False) as f:
            f.write(self.LOG)
        self.path = f.name
        self.addCleanup(os.unlink, self.path)

    def unmet(self, *demands):
        return len(emulog.unmet(self.path, ["# emulator " + d for d in demands]))

    def test_summary(self):
        self.assertEqual(emulog.summary(self.path, 200, 300),
                         ["emulator: VMENTER FAIL: VMCS guest invalid CR0",
                          "emulator: VMFAIL: VMCS host CS selector 0 (2 times)"])
        self.assertEqual(emulog.summary(self.path + "x", 0, 300), [])

    def test_demands(self):
        self.assertEqual(self.unmet("150 250 guest invalid CR0", "100 100 VMFAIL"), 0)
        self.assertEqual(self.unmet("150 250 guest invalid CR3 | guest invalid CR0"), 0)
        self.assertEqual(emulog.unmet(self.path, ["ok 1 a", "# emulator is a word"]), [])

    def test_demands_not_met(self):
        self.assertEqual(self.unmet("150 250 guest invalid CR3"), 1)    # another
        self.assertEqual(self.unmet("201 299 guest invalid CR0"), 1)    # not then
        self.assertEqual(self.unmet("300 300 host CS selector"), 1)     # more than one
        self.assertEqual(self.unmet("100 250 guest invalid CR0"), 1)
        self.assertEqual(len(emulog.unmet(self.path + "x", ["# emulator 1 2 a"])), 1)


class Log(unittest.TestCase):
    def complaints(self, *texts, allowed=()):
        with tempfile.TemporaryDirectory() as folder:
            log = klog.Log(os.path.join(folder, "log"), list(allowed))
            for text in texts:
                self.assertTrue(log.feed("k4 1000000 " + text))
            log.close()
            return log.complaints

    def test_each_kind(self):
        for text in (
                "WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1/0x2",
                "BUG: scheduling while atomic: test/1/0x2",
                "BUG: kernel NULL pointer dereference, address: 0000000000000008",
                "BUG lodge_vcpu (Not tainted): Objects remaining in lodge_vcpu",
                "Oops: 0002 [#1] PREEMPT SMP",
                "general protection fault, probably for non-canonical address 0x1: 0000 [#1]",
                "unchecked MSR access error: RDMSR from 0x3a at rIP: 0x1 (f+0x1/0x2)",
                "WARNING: suspicious RCU usage",
                "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
                "rcu: INFO: rcu_preempt self-detected stall on CPU",
                "WARNING: possible recursive locking detected",
                "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [test:1]",
                "INFO: task test:1 blocked for more than 20 seconds.",
                "unreferenced object 0xffff888000000000 (size 64):",
                "refcount_t: underflow; use-after-free.",
                "BUG: Bad page state in process test  pfn:00001",
                "BUG: Bad rss-counter state mm:0 type:MM_ANONPAGES val:1",
                "list_del corruption, 0->next is LIST_POISON1",
                "BUG: KASAN: use-after-free in f+0x1/0x2 [lodge]",
                "UBSAN: shift-out-of-bounds in kernel/x.c:1:2",
                "ODEBUG: free active (active state 0) object type: timer_list hint: f+0x0/0x1",
                "BUG: sleeping function called from invalid context at kernel/x.c:1",
                "BUG: using smp_processor_id() in preemptible [00000000] code: test/1",
                "WARNING: possible circular locking dependency detected",
                "WARNING: possible irq lock inversion dependency detected",
                "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected",
                "WARNING: inconsistent lock state",
                "WARNING: bad unlock balance detected!",
                "WARNING: lock held when returning to user space!",
                "[ BUG: Invalid wait context ]",
                "INFO: trying to register non-static key.",
                "BUG: MAX_LOCKDEP_CHAINS too low!",
                "turning off the locking correctness validator.",
                "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
                "kmemleak: Kernel memory leak detector disabled",
                "kmemleak: Freeing unknown object at 0xffff888000000000",
                "test invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
                "Out of memory: Killed process 1 (test) total-vm:1kB, anon-rss:1kB",
                "Memory cgroup out of memory: Killed process 1 (test) total-vm:1kB",
                "test: page allocation failure: order:4, mode:0xcc0(GFP_KERNEL)",
                "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!",
                "Kernel panic - not syncing: x"):
            self.assertEqual(len(self.complaints(text)), 1, text)

    def test_harmless(self):
        for text in (
                "[Firmware Bug]: TSC_DEADLINE disabled due to Errata; please update microcode",
                "NMI watchdog: Perf NMI watchdog permanently disabled",
                "\tRCU CPU stall warnings timeout set to 15 (rcu_cpu_stall_timeout).",
                "PCI: use \"pci=nocrs\" and report a bug",
                "lodge: loading out-of-tree module taints kernel.",
                "kmemleak: Kernel memory leak detector initialized (mem pool available: 39083)",
                "Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
                "kasan: KernelAddressSanitizer initialized",
                "DEBUG_LOCKS is off"):
            self.assertEqual(self.complaints(text), [], text)

    def test_allowed(self):
        self.assertEqual(self.complaints("WARNING: it is nothing", allowed=[
            (re.compile("it is nothing"), "really", None)]), [])

    def test_allowed_in_one_test(self):
        self.assertEqual(
            self.complaints("WARNING: a", "lodge-test: begin pio@lodge", "WARNING: a",
                            "lodge-test: end pio@lodge", "lodge-test: begin mmio@lodge",
                            "WARNING: a", "WARNING: b", "lodge-test: end mmio@lodge",
                            "WARNING: a",
                            allowed=[(re.compile("WARNING: a"), "really", "mmio@*")]),
            [(None, "WARNING: a"), ("pio@lodge", "WARNING: a"), ("mmio@lodge", "WARNING: b"),
             (None, "WARNING: a")])

    def test_allow_list(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "allow")
            with open(path, "w", encoding="utf-8") as f:
                f.write("# why\n# so\nabc\n\n# else\nin pio@*: def: x\n")
            self.assertEqual([(p.pattern, why, test) for p, why, test in klog.load_allowed(path)],
                             [("abc", "why so", None), ("def: x", "else", "pio@*")])

    def test_named_after_the_test(self):
        self.assertEqual(
            self.complaints("WARNING: a", "lodge-test: begin pio@lodge", "WARNING: b",
                            "lodge-test: end pio@lodge", "WARNING: c"),
            [(None, "WARNING: a"), ("pio@lodge", "WARNING: b"), (None, "WARNING: c")])

    def test_what_is_no_record(self):
        with tempfile.TemporaryDirectory() as folder:
            log = klog.Log(os.path.join(folder, "log"), [])
            self.assertFalse(log.feed("> k4 1 WARNING: a test printed it"))
            self.assertEqual(log.complaints, [])
            log.close()

    def test_an_overrun_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            log = klog.Log(os.path.join(folder, "log"), [])
            self.assertTrue(log.feed("@lost"))
            self.assertEqual(len(log.complaints), 1)
            log.close()

    def test_allow_list_wants_reasons(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "allow")
            with open(path, "w", encoding="utf-8") as f:
                f.write("# why\nabc\n\ndef\n")
            self.assertRaises(ValueError, klog.load_allowed, path)


class Demo(unittest.TestCase):
    SAID = ["Linux 6.1.0-1-cloud-amd64", "processor\t: 0", "processor\t: 1", demo.NOTE,
            "udhcpc: lease of 10.0.2.15 obtained from 10.0.2.2", demo.PAGE,
            "      CPU0       CPU1   ", " 25:  8  0  PCI-MSI 16385-edge  virtio0-req.0",
            "LOC:   16    7   Local timer interrupts", "all together: CPU 0 21, CPU 1 12",
            "ok", "demo: 34/2816 files (11.8% non-contiguous), 8419/11264 blocks",
            "# poweroff -f"]
    END = '{"end":"power-off","status":0,"message":"","exits":{"io":2}}'

    @staticmethod
    def wrong(lines, how="exit:0"):
        words = demo.Words(show=lambda _: None)
        for line in lines:
            words.hear(line + "\r")
        return words.verdict(how)

    def test_all_is_well(self):
        self.assertEqual(self.wrong(self.SAID + [self.END]), [])

    def test_each_line_is_wanted(self):
        for n in range(len(self.SAID)):
            lines = self.SAID[:n] + self.SAID[n + 1:] + [self.END]
            self.assertEqual(len(self.wrong(lines)), 1, self.SAID[n])

    def test_the_end(self):
        self.assertTrue(self.wrong(self.SAID))
        self.assertTrue(self.wrong(self.SAID + [self.END.replace("power-off", "halt")]))
        self.assertTrue(self.wrong(self.SAID + [self.END], "exit:124"))

    def test_a_failed_command(self):
        self.assertTrue(self.wrong(["demo: failed, status 1: x"] + self.SAID + [self.END]))


class Plan(unittest.TestCase):
    def load(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "plan")
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            return plan.load(path)

    def test_rows(self):
        rows = self.load("# all\n\npio 1,2 lodge,kvm 60 -t 'a b'  # why\npio:x 1 none 5\n")
        self.assertEqual([(r.name, r.program, r.cpus, r.devices, r.seconds, r.args)
                          for r in rows],
                         [("pio", "pio", {1, 2}, ["lodge", "kvm"], 60, ["-t", "a b"]),
                          ("pio:x", "pio", {1}, ["none"], 5, [])])

    def test_boot_row(self):
        row = self.load("r 1 boot 60 exclude=vmx args='a b' log=x: .* y=z$\n")[0]
        self.assertEqual(row.boot["exclude"], "vmx")
        self.assertEqual(row.boot["args"], "a b")
        self.assertTrue(row.boot["log"].search("x: whatever y=z"))

    def test_names(self):
        row = self.load("pio:x 1 lodge 60\n")[0]
        self.assertTrue(row.matches("pio") and row.matches("pio:x") and row.matches("a,p*"))
        self.assertFalse(row.matches("pi") or row.matches("pio:y"))

    def test_long_rows(self):
        plain, row = self.load("pio 1 lodge 60\npio:all 1 lodge,long 600\n")
        self.assertEqual((plain.long, row.long, row.devices), (False, True, ["lodge"]))
        self.assertFalse(row.matches("pio") or row.matches("p*o"))
        self.assertTrue(row.matches("pio:all"))

    def test_bad_lines(self):
        for text in ("pio 1 lodge", "pio 3 lodge 60", "pio 1 qemu 60", "pio x lodge 60",
                     "pio 1 lodge soon", "a/b 1 lodge 60", "r 1 boot 60 exclude=vmx",
                     "r 1 boot 60 colour=red log=x", "pio 1 lodge 60\npio 2 lodge 60"):
            self.assertRaises(plan.BadPlan, self.load, text + "\n")


class Kallsyms(unittest.TestCase):
    BASE = 0xffffffff81000000
    WORDS = [chr(c) if 32 <= c < 127 else "word%d_" % c for c in range(256)]
    # The first is a CPU's own; one name is longer than a byte can say.
    NAMES = [("fixed", "A", 0x1000)] + [
        ("x" * 200 if n == 7 else "some_%d" % n, "Tt"[n % 2], 0xffffffff81000000 + 16 * n)
        for n in range(kallsyms.FEWEST)]

    def tables(self, late):
        """As the kernel's build lays them out: late is the order of 6.4 and later."""
        packed, marks = bytearray(), []
        for n, (name, kind, _) in enumerate(self.NAMES):
            if n % kallsyms.MARKED == 0:
                marks.append(len(packed))
            name = kind.encode() + name.encode().replace(b"some_", bytes([200]) + b"o")
            size = len(name)
            packed += bytes([size] if size < 128 else [size & 0x7f | 0x80, size >> 7]) + name
        words = [w.encode() for w in self.WORDS]
        words[200] = b"s"
        words[ord("o")] = b"ome_"
        places = [sum(len(w) + 1 for w in words[:n]) for n in range(256)]

        def whole(data):
            return bytes(data) + bytes(-len(data) % 8)

        offsets = whole(b"".join(struct.pack("<i", a if a < self.BASE else self.BASE - 1 - a)
                                 for _, _, a in self.NAMES)) + struct.pack("<Q", self.BASE)
        names = struct.pack("<Q", len(self.NAMES)) + whole(packed) + \
            whole(struct.pack("<%dI" % len(marks), *marks))
        dictionary = whole(b"".join(w + b"\0" for w in words)) + struct.pack("<256H", *places)
        parts = [names, dictionary, offsets] if late else [offsets, names, dictionary]
        noise = bytes(n * n >> 3 & 0xff for n in range(4096))
        return b"".join([noise] + parts + [noise])

    def test_both_orders(self):
        for late in (False, True):
            self.assertEqual(kallsyms.symbols(self.tables(late)), self.NAMES)

    def test_nothing_there(self):
        good = self.tables(False)
        for data in (b"", good[:5000], good[-9000:], good.replace(b"ome_\0", b"ome\0_")):
            self.assertRaises(kallsyms.Trouble, kallsyms.symbols, data)


class Clients(unittest.TestCase):
    def kernel_tests(self, text):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as f:
            f.write(text)
            f.flush()
            return clients.kernel_tests(f.name)

    def test_a_row(self):
        rows = self.kernel_tests("# no row\n\nquick\ta_test 1,2 30 skip pass -b 64M  ; why\n"
                                 "last b 2 5 pass fail\n")
        self.assertEqual(rows, [
            clients.Kernel("quick", "a_test", {1, 2}, 30, "skip", "pass", "-b 64M", "why"),
            clients.Kernel("last", "b", {2}, 5, "pass", "fail", "", "")])

    def test_bad_rows(self):
        for text in ("quick a 1 30 pass", "quick a 1 30 pass maybe", "quick a x 30 pass pass"):
            with self.assertRaises(ValueError):
                self.kernel_tests(text)

    def test_the_list_itself(self):
        rows = clients.kernel_tests()
        self.assertEqual(len({r.name for r in rows}), len(rows))
        self.assertEqual(len([r for r in rows if r.group == "quick"]), 12)

    def test_table(self):
        def report(text, how="exit:0"):
            return ktap.judge(text.splitlines(), how)

        table = clients.table([
            ("t:a", "lodge", 1, report("1..2\nok 1 x # SKIP no bit\nok 2 y")),
            ("t:a", "kvm", 1, report("1..2\nok 1 x\nnot ok 2 y", "exit:1")),
            ("t:b", "lodge", 2, report("1..1\nok 1 z", "timeout"))])
        self.assertEqual([line.split(None, 4) for line in table[1:]], [
            ["x", "1", "skip", "pass", "lodge: no bit"],
            ["y", "1", "pass", "fail"],
            ["z", "2", "pass", "-"],
            ["t:b", "2", "fail", "-", "lodge: timeout: killed at its time limit"]])


class Bench(unittest.TestCase):
    ROW = {"name": "out", "what": "OUT", "batch": 16, "cpus": 1, "ratio": 0.5, "results": [
        {"state": "measured", "median": 1000.4, "min": 1, "q1": 990, "q3": 1010, "max": 2000},
        {"state": "measured", "median": 2000.4, "min": 1, "q1": 1000, "q3": 2010, "max": 4000}]}
    OTHER = {"name": "ipi", "what": "IPI", "batch": 16, "cpus": 2, "ratio": None, "results": [
        {"state": "skipped", "reason": "no"}, {"state": "skipped", "reason": "no"}]}

    def test_pieces_are_put_together(self):
        text = json.dumps({"unit": "tsc-ticks", "rows": ["x" * 5000]}).replace(" ", "")
        lines = ["before", text[:4096], text[4096:], "after"]
        report, words = bench.heard(lines)
        self.assertEqual(len(report["rows"][0]), 5000)
        self.assertEqual(words, "before\n\nafter")

    def test_no_report(self):
        with self.assertRaisesRegex(bench.Bad, "lodge: no"):
            bench.heard(["lodge: no"])

    def test_failures_and_skips(self):
        bad = dict(self.ROW, results=[self.ROW["results"][0], {"state": "failed", "reason": "x"}])
        report = {"devices": ["/dev/a", "/dev/b"], "rows": [self.ROW, self.OTHER, bad]}
        self.assertEqual(bench.failures(report), ["out on /dev/b: x"])
        self.assertEqual(bench.skipped(report), ["ipi"])

    def test_figures(self):
        self.assertEqual([bench.figure(r) for r in self.ROW["results"]], ["1,000", "~2,000"])
        self.assertEqual(bench.figure(self.OTHER["results"][0]), "none")
        self.assertAlmostEqual(bench.mean([{"ratio": 0.25}, {"ratio": None}, {"ratio": 4}]), 1)
        self.assertIsNone(bench.mean([self.OTHER]))

    def test_table_between_the_markers(self):
        found = {m: {"out": self.ROW, "ipi": self.OTHER} for m in bench.MITIGATIONS}
        lines = bench.tables(found, ["out", "ipi"])
        with tempfile.NamedTemporaryFile("w", suffix=".rst") as f:
            f.write("a\n%s\nold\n%s\nb\n" % (bench.BEGIN, bench.END))
            f.flush()
            bench.write(f.name, lines)
            with open(f.name, encoding="utf-8") as g:
                text = g.read()
        self.assertNotIn("old", text)
        self.assertTrue(text.startswith("a\n" + bench.BEGIN + "\n\n==="))
        self.assertTrue(text.endswith("===\n\n" + bench.END + "\nb\n"))
        self.assertRegex(text, r"\nout +1,000 +~2,000 +0.50 +1,000 +~2,000 +0.50\n")
        self.assertRegex(text, r"\nipi \(2 CPUs\) +none +none +none +none\n")
        self.assertRegex(text, r"\ngeometric mean +0.50 +0.50\n")

    def test_no_markers(self):
        with tempfile.NamedTemporaryFile("w", suffix=".rst") as f:
            for what in bench.WHAT:
                with self.assertRaises(machine.Trouble):
                    bench.write(f.name, [], what)

    def test_each_table_has_its_markers(self):
        with open(bench.PAGE, encoding="utf-8") as f:
            text = f.read()
        for begin, end in bench.MARKS.values():
            self.assertEqual([text.count(begin + "\n"), text.count(end + "\n")], [1, 1])

    def test_what_is_measured(self):
        self.assertEqual(bench.chosen("memory,exits"), ["exits", "memory"])
        with self.assertRaises(argparse.ArgumentTypeError):
            bench.chosen("exits,walk")
        options = argparse.Namespace(rounds=3, only="out")
        found = bench.commands(options, ["exits", "memory"])
        self.assertEqual(list(found), ["exits", "memory"])
        self.assertEqual(found["exits"][-4:], ["--rounds", "3", "--only", "out"])
        self.assertNotIn("--only", found["memory"])

    def test_table_of_boots(self):
        def row(of, name, values, ratio=None):
            return {"of": of, "name": name, "values": values, "ratio": ratio}
        first = [row("time", "ticks", [1e9, 2e9], 0.5), row("time", "seconds", [0.1, 0.2], 0.5),
                 row("counters", "exits", [3, 4], 0.75), row("counters", "mine", [5, None])]
        other = [row("time", "ticks", [3e9, None]), row("cpu-exits", "HLT", [7, None]),
                 row("counters", "exits", [3, 0])]
        lines = bench.boot_table({"off": {"rows": first}, "auto": {"rows": other}})
        self.assertEqual([line.split() for line in lines[3:-1]], [
            ["time:", "million", "ticks", "1,000.0", "2,000.0", "0.50", "3,000.0", "-"],
            ["counters:", "exits", "3", "4", "0.75", "3", "0"],
            ["counters:", "mine", "5", "-", "0", "-"],
            ["cpu-exits:", "HLT", "0", "-", "7", "-"]])

    def test_table_of_memory(self):
        lines = bench.memory_table({
            "rows": [{"name": "slab", "what": "x", "values": [30.04, None], "ratio": None},
                     {"name": "sum", "what": "x", "values": [100, 400.5], "ratio": 0.25}],
            "spread": [{"min": 99, "max": 101}, {"min": 400, "max": 410.25}]})
        self.assertEqual([line.split() for line in lines[3:-1]], [
            ["slab", "30.0", "-"], ["sum", "100.0", "400.5", "0.25"],
            ["sum,", "least", "99.0", "400.0"], ["sum,", "most", "101.0", "410.2"]])


if __name__ == "__main__":
    unittest.main()
