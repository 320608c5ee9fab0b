#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Breaks everything once on purpose and sees whether the harness notices.

Boots hosts with a test program and a module that go wrong in every way the
harness promises to catch, and compares what it said with what it had to say.
`make check-harness`; not part of `make test`, for a dead host takes its time.
With KERNEL=debug it is the detectors of the debugging kernel that have to notice.
"""

import os
import re
import shutil
import subprocess
import sys

import paths

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bad")
WORK = os.path.join(paths.BUILD, "bad")

# What has to stand in the output, each a regular expression of one line.
WANTED = (
    r"ok   bad.sh:good@none +1 cpu \(1 ok",
    r"skip bad.sh:skip@none +1 cpu \(0 ok, 1 skipped",
    r"FAIL bad.sh:notok@none +1 cpu \(1 ok, 1 not",
    r"bad.sh:lies@none, 1 cpu: exit status 0, but 1 results are not ok",
    r"bad.sh:short@none, 1 cpu: planned 3 results, reported 2",
    r"bad.sh:silent@none, 1 cpu: no output",
    r"bad.sh:status@none, 1 cpu: exit status 7",
    r"bad.sh:crash@none, 1 cpu: killed by signal 11",
    r"bad.sh:hang@none, 1 cpu: timeout",
    r"bad.sh:deaf@none, 1 cpu: timeout",
    r"ok   bad.sh:stray@none",
    r"ok   bad.sh:flood@none",
    r"ok   bad.sh:binary@none",
    r"bad.sh:words@none, 1 cpu: the emulator's log does not have .* but nothing",
    r"host, 1 cpu: kernel log in bad.sh:warn@none: WARNING: ",
    r"host, 1 cpu: kernel log in bad.sh:leak@none: .*Objects remaining",
    r"ok   bad.sh:after@none",
    r"bad.sh:oops@none, 1 cpu: the host died in it: the host panicked",
    r"host, 1 cpu: kernel log in bad.sh:oops@none: BUG: kernel NULL pointer",
    r"ok   bad.sh:after2@none",
    r"absent@none, 1 cpu: no such program",
    r"FAIL bad.sh:here +here \(1 ok, 1 not",
    r"bad.sh:late, here: timeout",
    r"host, 2 cpus: kernel log in bad.sh:atomic@none: BUG: scheduling while atomic",
    r"bad.sh:panic@none, 2 cpus: the host died in it: the host panicked",
    r"bad.sh:dead@none, 2 cpus: (timeout|the host died in it: the host hangs)",
    r"(ok   bad.sh:after3@none|bad.sh:after3@none, 2 cpus: not run: )",
    r"kernel log, last 60 lines \(all of it: .*\)",
    r"\d+ passed, \d+ failed, 1 skipped",
)

WANTED_DEBUG = (
    r"ok   bad.sh:good@none +1 cpu \(1 ok",
    r"host, 1 cpu: kernel log in bad.sh:rcu@none: WARNING: suspicious RCU usage",
    r"host, 1 cpu: kernel log in bad.sh:sleep@none: BUG: sleeping function called",
    r"host, 1 cpu: kernel log in bad.sh:odebug@none: ODEBUG: free active .*timer_list",
    r"host, 1 cpu: kernel log in bad.sh:ubsan@none: UBSAN: shift-out-of-bounds",
    r"host, 1 cpu: kernel log in leaks-none: kmemleak: \d+ new suspected memory leaks",
    r"leaks-none, 1 cpu: ended with exit:1",
    r"\| unreferenced object 0x[0-9a-f]+ \(size 128\):",
    r"ok   bad.sh:after@none",
    r"host, 2 cpus: kernel log in bad.sh:locks@none: WARNING: possible circular locking",
    r"host, 2 cpus: kernel log in bad.sh:kasan@none: BUG: KASAN: use-after-free",
    r"leaks-none, 2 cpus: ended with exit:1",
    r"\| lockdep is off",
    r"ok   bad.sh:after2@none",
    r"\d+ passed, \d+ failed, 0 skipped",
)


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.copytree(HERE, WORK)
    subprocess.run(["make", "-s", "-C", os.path.join(paths.BUILD, "headers-" + paths.LANE),
                    "M=" + WORK, "modules"], check=True)
    for name in os.listdir(WORK):
        if not name.endswith((".sh", ".ko", "plan")):
            path = os.path.join(WORK, name)
            if os.path.isfile(path):
                os.unlink(path)
    wanted, table = (WANTED_DEBUG, "debug-plan") if paths.DEBUG else (WANTED, "plan")
    done = subprocess.run([sys.executable, "-B", os.path.join(os.path.dirname(HERE), "test.py"),
                           "--plan", os.path.join(WORK, table), "--programs", WORK],
                          stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout)
    lines = done.stdout.splitlines()
    missed = [w for w in wanted if not any(re.search(w, line) for line in lines)]
    for want in missed:
        print("lodge: the harness did not say: " + want)
    if done.returncode != 1:
        print("lodge: the harness ended with %d, not 1" % done.returncode)
    if missed or done.returncode != 1:
        return 1
    print("lodge: the harness noticed all %d" % len(wanted))
    return 0


if __name__ == "__main__":
    sys.exit(main())
