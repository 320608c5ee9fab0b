#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs the demonstration's guest and judges it: see tools/demo.sh."""

import argparse
import os
import re
import subprocess
import sys
import time

import image
import klog
import machine
import paths
import slots

GUEST = os.path.join(paths.BUILD, "selftests", "guest", "hello.bin")
# What the guest says when its own checks of the machine it is in are through.
GREETING = re.compile(r"Hello from a guest in long mode\. CPUs: 1, memory: \d+ KiB\.")
STATUS = 0              # what the guest writes to the exit port
RUN = ["lodge", "run", "--flat"]
SECONDS = 60


def verdict(lines, how):
    """What is wrong with the guest's run; nothing if all is well."""
    wrong = []
    if not any(GREETING.fullmatch(line.strip()) for line in lines):
        wrong.append("the guest did not say what it should: \"Hello from a guest...\"")
    if how != "exit:%d" % STATUS:
        wrong.append("the CLI ended with %s, the guest's own status is %d" % (how, STATUS))
    return wrong


def local():
    argv = [paths.CLI] + RUN[1:] + [GUEST]
    print("$ " + " ".join(argv), flush=True)
    done = subprocess.run(argv, stdout=subprocess.PIPE, timeout=SECONDS, check=False)
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    print("\n".join(lines))
    return verdict(lines, "exit:%d" % done.returncode)


def show(host, log, limit):
    """Shows what happens in the host; returns the guest's lines, how each step
    ended."""
    lines, ends, step = [], {}, None
    started = time.time()
    for line in host.events(limit):
        if log.feed(line):
            if "] lodge: " in log.lines[-1]:
                print("host's kernel | " + log.lines[-1].split("] ", 1)[1], flush=True)
            continue
        word, _, rest = line.partition(" ")
        if word == "@begin":
            step = rest.split(" ")[0]
            if not ends:
                print("lodge: the host is up after %.0f s" % (time.time() - started))
            print({"load": "host # insmod lodge.ko",
                   "guest": "host # " + " ".join(RUN + ["/demo.bin"]),
                   "unload": "host # rmmod lodge"}[step], flush=True)
        elif word == ">":
            print("guest | " + rest if step == "guest" else rest, flush=True)
            if step == "guest":
                lines.append(rest)
        elif word == "@end":
            ends[step] = rest.split(" ")[1]
    return lines, ends


def emulated():
    out = paths.new_out("demo")
    host = machine.Machine(out)
    image.build(host.initrd(), [
        ("lib/lodge/lodge.ko", paths.module()), ("lodge/lodge", paths.CLI), ("demo.bin", GUEST)],
        [["gate", "load", "30", "insmod", "/lib/lodge/lodge.ko"],
         ["run", "guest", str(SECONDS * paths.SLOWER)] + RUN + ["/demo.bin"],
         ["gate", "unload", "30", "rmmod", "lodge"]])
    slot = slots.Slot()
    slot.acquire(lambda: print("lodge: waiting for an emulator slot", flush=True))
    log = klog.Log(os.path.join(out, "kernel.log"))
    print("lodge: booting Linux %s on an emulated CPU with VT-x (5 to 20 s)"
          % paths.kernel_release(), flush=True)
    try:
        host.start(slot)
        lines, ends = show(host, log, machine.BOOT_LIMIT + 4 * paths.SLOWER * SECONDS)
    finally:
        host.stop()
        slot.release()
    wrong = verdict(lines, ends.get("guest", "nothing: it was not run"))
    for step in ("load", "unload"):
        if ends.get(step) != "exit:0":
            wrong.append("the module could not be %sed" % step)
    if host.death:
        log.add_console(host.path("console.log"))
        wrong.append(host.death)
    log.close()
    wrong += ["kernel log: " + text for _, text in log.complaints]
    if wrong:
        print("kernel log, last 60 lines (all of it: %s)" % log.path)
        print("\n".join("  " + line for line in log.lines[-60:]))
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--local", action="store_true")
    wrong = local() if parser.parse_args().local else emulated()
    for text in wrong:
        print("lodge: demo failed: " + text, file=sys.stderr)
    if not wrong:
        print("lodge: the guest ran and said what it should")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except machine.Trouble as e:
        sys.exit("lodge: %s" % e)
    except KeyboardInterrupt:
        os._exit(130)
