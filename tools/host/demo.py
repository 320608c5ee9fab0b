#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs the demonstration's guest, Debian's own kernel with two CPUs, a disk and a
network, and judges it: see tools/demo.sh.  What the guest does is in
selftests/linux/demo.sh."""

import argparse
import functools
import http.server
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time

import disk
import guest
import image
import klog
import machine
import paths
import slots

SECONDS = 120           # of the emulated clock, or of this machine's
LABEL = "demo"          # of the disk
PORT = 8080             # of the page in the emulated host
NOTE = "This file came with the disk.\n"
PAGE = "This page came from the host.\n"
# loglevel: more silent than quiet. cryptomgr: its self-tests would be half of the boot.
KERNEL_ARGS = "loglevel=3 cryptomgr.notests page=http://10.0.2.2:%d/"
# What the guest must have said, in this order.
SAID = (
    ("its kernel", r"Linux \d+\.\d+\.\d+\S*-cloud-amd64"),
    ("its first CPU", r"processor\s*: 0"),
    ("its second CPU", r"processor\s*: 1"),
    ("a file of its disk", re.escape(NOTE.strip())),
    ("its lease of an address", r"udhcpc: lease of 10\.0\.2\.15 obtained .*"),
    ("the host's page", re.escape(PAGE.strip())),
    ("interrupts on two CPUs", r"\s*CPU0\s+CPU1\s*"),
    ("its disk's interrupts", r" *\d+: +(\d+ +[1-9]|[1-9]\d* +\d).*virtio\d-req\.\d"),
    ("its timers' interrupts", r"LOC: +[1-9]\d* +[1-9]\d* .*"),
    ("what sqlite3 added up", r"all together: CPU 0 [1-9]\d*, CPU 1 [1-9]\d*"),
    ("that the database is whole", r"ok"),
    ("that the disk is whole", LABEL + r": \d+/\d+ files .*blocks"),
    ("that it powers down", r"# poweroff -f"),
)
# What the command's words for its exits mean.
EXITS = {"io": " (ports)", "mmio": " (device memory)", "hlt": " (halts)"}


def argv(device, port):
    """The command; its files are in its folder."""
    return ["lodge", "run", "vmlinuz", "--unpack", "--initrd", "initrd", "--cpus", "2",
            "--disk", "disk"] + ([] if device == "/dev/lodge" else ["--device", device]) + [
                "--append", KERNEL_ARGS % port]


def typed(words):
    """A command as one would type it, the last option on a line of its own."""
    return shlex.join(words[:-2]) + " \\\n           " + shlex.join(words[-2:])


def make_files(folder):
    """vmlinuz, initrd and disk of the guest."""
    lane = "6.1" if paths.DEBUG else paths.LANE
    with tempfile.TemporaryDirectory() as tmp:
        parts = {
            "vmlinuz": image.read(os.path.join(paths.BUILD, "kernel-" + lane, "vmlinuz")),
            "initrd": guest.initrd(lane, tmp, [("guest.sh", image.read(
                os.path.join(guest.SOURCE, "demo.sh")), 0o644)]),
        }
    for name, data in parts.items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)
    disk.build(os.path.join(folder, "disk"), guest.programs(["sqlite3", "e2fsck"]) + [
        ("NOTE", NOTE.encode(), 0o644), ("dev", None, 0o755)], LABEL)


class Words:
    """What the guest and the command say; the command's own last line is JSON."""

    def __init__(self, show=lambda text: print(text, flush=True)):
        self.lines = []
        self.report = None
        self.show = show

    def hear(self, line):
        line = line.rstrip("\r\n")
        if line.startswith('{"end":'):
            self.report = json.loads(line)
            return
        self.lines.append(line)
        self.show("guest | " + line)

    def verdict(self, how):
        """What is wrong with the guest's run; nothing if all is well."""
        wrong, rest = [], iter(self.lines)
        for what, pattern in SAID:
            if not any(re.fullmatch(pattern, line) for line in rest):
                wrong.append("the guest did not say " + what)
                break
        wrong += [line for line in self.lines if line.startswith("demo: failed")]
        if how != "exit:0":
            wrong.append("lodge run ended with " + how)
        if not self.report or self.report["end"] != "power-off":
            wrong.append("the guest did not power down")
        return wrong

    def summary(self, times):
        """Tells the times that it took, and its exits."""
        exits = self.report["exits"] if self.report else {}
        print("lodge: the guest took " + ", ".join(times))
        print("lodge: it came out to the command %d times: %s" % (sum(exits.values()), ", ".join(
            "%s %d%s" % (name, n, EXITS.get(name, "")) for name, n in
            sorted(exits.items(), key=lambda pair: -pair[1])) or "it was not asked"))


def serve():
    """A server of the page on this machine: its port."""
    folder = tempfile.TemporaryDirectory()
    with open(os.path.join(folder.name, "index.html"), "w", encoding="ascii") as f:
        f.write(PAGE)

    class Handler(http.server.SimpleHTTPRequestHandler):
        keep = folder

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=folder.name))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def local(device):
    words = Words()
    with tempfile.TemporaryDirectory() as folder:
        make_files(folder)
        command = argv(device, serve())
        print("$ " + typed(command), flush=True)
        started = time.time()
        child = subprocess.Popen(
            [paths.CLI] + command[1:] + ["--json", "--timeout", str(SECONDS)], cwd=folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace")
        for line in child.stdout:
            words.hear(line)
        how = "exit:%d" % child.wait()
    words.summary(["%.1f s" % (time.time() - started)])
    return words.verdict(how)


class Host:
    """The emulated host's steps, shown as they go."""

    def __init__(self, device):
        name = os.path.basename(device)
        modules = {"lodge": ["/lib/lodge/lodge.ko"],
                   "kvm": ["/lib/kvm/%s.ko" % m for m in ("irqbypass", "kvm", "kvm-intel")]}
        if name not in modules:
            raise machine.Trouble("DEVICE=%s: /dev/lodge or /dev/kvm" % device)
        limit = SECONDS * paths.SLOWER
        command = argv(device, PORT)
        self.script = ("cd /demo || exit\nhttpd -f -p 127.0.0.1:%d -h /www &\n"
                       "%s </dev/null\nstatus=$?\nkill $!\nexit $status\n" % (
                           PORT, shlex.join(command + ["--json", "--timeout", str(limit)])))
        # name, seconds, what is run, what is shown
        self.steps = [("load-" + os.path.basename(m), 30, ["insmod", m],
                       ["insmod " + os.path.basename(m)]) for m in modules[name]]
        self.steps.append(("guest", limit + 10, ["sh", "/demo.sh"], [
            "httpd -p 127.0.0.1:%d -h /www" % PORT, typed(command)]))
        self.steps += [("unload-" + os.path.basename(m), 30, ["rmmod", m],
                        ["rmmod " + os.path.basename(m)[:-3]])
                       for m in reversed(modules[name])]
        self.words = Words()
        self.ends = {}
        self.begin = self.cost = None
        self.wall = 0

    def list(self):
        """The agent's list."""
        return [["run" if name == "guest" else "gate", name, str(seconds)] + what
                for name, seconds, what, _ in self.steps]

    def _begin(self, name, tsc):
        self.begin = int(tsc), time.time()
        for text in next(shown for step, _, _, shown in self.steps if step == name):
            print("host # " + text, flush=True)

    def _end(self, name, how, tsc, msec):
        self.ends[name] = how
        if name == "guest":
            self.cost = int(tsc) - self.begin[0], int(msec) / 1000
            self.wall = time.time() - self.begin[1]

    def show(self, host, log, limit):
        started, step = time.time(), None
        for line in host.events(limit):
            if log.feed(line):
                text = log.lines[-1].split("] ", 1)[-1]
                # The details behind it are for dmesg, that of every module too.
                if text.startswith("lodge: ") and "out-of-tree" not in text:
                    print("host's kernel | " + text.split(";")[0], flush=True)
                continue
            word, _, rest = line.partition(" ")
            if word == "@hello":
                print("lodge: the host is up after %.0f s" % (time.time() - started))
            elif word == "@begin":
                step = rest.split(" ")[0]
                self._begin(*rest.split(" "))
            elif word == ">" and step == "guest":
                self.words.hear(rest)
            elif word == ">":
                print(rest, flush=True)
            elif word == "@end":
                self._end(*rest.split(" "))

    def verdict(self):
        if self.cost:
            self.words.summary([
                "%.0f s" % self.wall, "%.1f s of the host's clock" % self.cost[1],
                "%.1f billion instructions of host and guest" % (self.cost[0] / 1e9)])
        wrong = self.words.verdict(self.ends.get("guest", "nothing: it was not run"))
        return wrong + ["%s failed" % " ".join(what) for name, _, what, _ in self.steps
                        if name != "guest" and self.ends.get(name) != "exit:0"]


def emulated(device, cpus):
    demo = Host(device)
    out = paths.new_out("demo")
    host = machine.Machine(out, cpus=cpus)
    with tempfile.TemporaryDirectory() as folder:
        make_files(folder)
        files = [("demo/" + name, os.path.join(folder, name)) for name in os.listdir(folder)]
        files += [("lodge/lodge", paths.CLI), ("demo.sh", demo.script.encode()),
                  ("www/index.html", PAGE.encode())]
        if os.path.exists(paths.module()):
            files.append(("lib/lodge/lodge.ko", paths.module()))
        image.build(host.initrd(), files, demo.list())
    slot = slots.Slot()
    slot.acquire(lambda: print("lodge: waiting for an emulator slot", flush=True))
    log = klog.Log(os.path.join(out, "kernel.log"))
    print("lodge: booting Linux %s on an emulated CPU with VT-x (5 to 20 s)"
          % paths.kernel_release(), flush=True)
    try:
        host.start(slot)
        demo.show(host, log, machine.BOOT_LIMIT + 4 * paths.SLOWER * SECONDS)
    finally:
        host.stop()
        slot.release()
    wrong = demo.verdict()
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
    parser.add_argument("--device", default="/dev/lodge")
    parser.add_argument("--cpus", type=int, default=1, choices=(1, 2),
                        help="of the emulated host")
    options = parser.parse_args()
    if options.local:
        wrong = local(options.device)
    else:
        wrong = emulated(options.device, options.cpus)
    for text in wrong:
        print("lodge: demo failed: " + text, file=sys.stderr)
    if not wrong:
        print("lodge: the guest did and said all that it should, on " + options.device)
    return 1 if wrong else 0


if __name__ == "__main__":
    machine.run_program(main)
