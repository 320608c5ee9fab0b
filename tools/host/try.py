#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Boots the emulated host, loads the module, runs shell commands in it, and
prints what they say and what the kernel logged meanwhile.

	tools/host/try.sh [-q] [-s CPUS] [-t SECONDS] [-f FILE]... -- 'commands'

In the host: lodge.ko at $LODGE_KO (loaded), kvm's modules in $KVM_KO_DIR, all
programs of selftests/plan in /selftests, the CLI as `lodge`, guest images in
/guest, each FILE in /files.  Exit status: that of the commands; 99 if the host
died or its log has a complaint.
"""

import argparse
import os
import sys

import clients
import guest
import image
import klog
import machine
import paths
import slots
import vmms

PRELUDE = """cd /files
export PATH=/bin:/lodge:/selftests
%s
%s
"""


def arguments():
    parser = argparse.ArgumentParser(
        prog="tools/host/try.sh", description="runs shell commands in the emulated host")
    parser.add_argument("-s", "--cpus", type=int, default=1)
    parser.add_argument("-m", "--memory", type=int, default=1024, help="MiB")
    parser.add_argument("-t", "--seconds", type=int, default=60,
                        help="time limit, of the emulated clock")
    parser.add_argument("-f", "--file", action="append", default=[],
                        help="a file or folder, put in /files")
    parser.add_argument("-a", "--args", default="", help="more kernel arguments")
    parser.add_argument("-c", "--model", default="corei7_skylake_x", help="the emulator's CPU")
    parser.add_argument("-x", "--exclude", default="", help="CPU features it shall not have")
    parser.add_argument("-A", "--add", default="", help="CPU features it shall have on top")
    parser.add_argument("-w", "--firmware", default="", help="novmx: VT-x locked off")
    parser.add_argument("-g", "--guests", action="store_true",
                        help="Linux for guests, in /guest, and gdb with its symbols")
    parser.add_argument("-C", "--clients", action="append", default=[],
                        choices=sorted(vmms.SETS),
                        help="other people's programs, in /clients (see clients/lib.sh)")
    parser.add_argument("-n", "--no-load", action="store_true", help="do not load lodge.ko")
    parser.add_argument("-q", "--quiet", action="store_true",
                        help="the commands' output and nothing else, if all is well")
    parser.add_argument("-l", "--full-log", action="store_true",
                        help="print the kernel's log from its first line")
    parser.add_argument("command", nargs="+", help="shell commands, after --")
    return parser.parse_args()


def files(options):
    found = [("files/.keep", b"")]
    for path in options.file:
        if not os.path.exists(path):
            raise machine.Trouble("there is no %s" % path)
        found.append(("files/" + os.path.basename(os.path.abspath(path)), path))
    if os.path.exists(paths.module()):
        found.append(("lib/lodge/lodge.ko", paths.module()))
    if os.path.exists(paths.CLI):
        found.append(("lodge/lodge", paths.CLI))
    for folder in paths.PROGRAM_DIRS:
        if os.path.basename(folder) in ("host", "cli"):
            for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
                if paths.program(name):
                    found.append(("selftests/" + name, paths.program(name)))
                elif name.endswith(".ko"):
                    found.append(("selftests/" + name, os.path.join(folder, name)))
    guests = os.path.join(paths.BUILD, "selftests", "guest")
    if os.path.isdir(guests):
        found.append(("guest", guests))
    if options.guests:
        found += guest.files() + guest.debugger()
    if options.clients:
        found += vmms.files(options.clients) + vmms.linux() + clients.vhost() + [
            ("clients/%s.sh" % name, os.path.join(paths.CLIENTS, name + ".sh"))
            for name in options.clients + ["lib"]]
    return found


def watch(host, log, limit, quiet):
    """Prints the commands' output as it comes; returns how they ended, and
    where the log stood when they began."""
    how, first = None, 0
    for line in host.events(limit):
        if log.feed(line):
            continue
        if line.startswith("> "):
            print(line[2:], flush=True)
        elif line.startswith("@begin"):
            first = len(log.lines)
        elif line.startswith("@end"):
            how = line.split(" ")[2]
            if int(line.split(" ")[4]) > 0 and not quiet:
                sys.stderr.write("-- %s after %.2f s of the host's time, %d instructions\n" % (
                    how, int(line.split(" ")[4]) / 1000,
                    int(line.split(" ")[3]) - host.begin_tsc))
        if line.startswith("@begin"):
            host.begin_tsc = int(line.split(" ")[2])
        if line.startswith("@busy"):
            sys.stderr.write("-- lodge is still in use after the commands\n")
    return how, first


def main():
    options = arguments()
    out = paths.new_out("try")
    paths.drop_old_outs()
    features = ", ".join("%s_features=\"%s\"" % pair for pair in (
        ("add", options.add), ("exclude", options.exclude)) if pair[1])
    host = machine.Machine(out, cpus=options.cpus, memory=options.memory, model=options.model,
                           features=features, args=options.args,
                           firmware=options.firmware)
    load = "" if options.no_load else "/bin/insmod $LODGE_KO || exit"
    image.build(host.initrd(), files(options) + [
        ("command", (PRELUDE % (load, " ".join(options.command))).encode())],
        [["run", "command", str(options.seconds * paths.SLOWER), "sh", "/command"]])
    slot = slots.Slot()
    slot.acquire(lambda: sys.stderr.write("-- waiting for an emulator slot\n"))
    log = klog.Log(os.path.join(out, "kernel.log"))
    try:
        host.start(slot)
        how, first = watch(host, log, machine.BOOT_LIMIT + 4 * paths.SLOWER * options.seconds,
                           options.quiet)
    finally:
        host.stop()
        slot.release()
    if host.death:
        log.add_console(host.path("console.log"))
    log.close()
    if options.quiet and how == "exit:0" and not host.death and not log.complaints:
        return 0
    sys.stderr.write("-- kernel log%s\n" % ("" if options.full_log else " of that time"))
    sys.stderr.write("".join(line + "\n" for line in
                             log.lines[0 if options.full_log else first:]))
    for _, text in log.complaints:
        sys.stderr.write("-- COMPLAINT: %s\n" % text)
    if host.death:
        sys.stderr.write("-- %s\n" % host.death)
    sys.stderr.write("-- all logs: %s\n" % os.path.relpath(out))
    if host.death or log.complaints or not how:
        return 99
    kind, _, value = how.partition(":")
    return int(value) if kind == "exit" else 124 if kind == "timeout" else 128 + int(value)


if __name__ == "__main__":
    machine.run_program(main)
