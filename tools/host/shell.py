#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A root shell in the emulated host, on this terminal.

The emulator's first serial port is a pseudo terminal; this bridges it to the
terminal the user sits at, byte by byte, so that Ctrl-C goes to the host.  The
terminal is put back however it ends.  `exit` switches the host off; Ctrl-]
pulls its plug.
"""

import argparse
import os
import select
import sys
import termios
import tty

import image
import machine
import paths
import slots
import test

WELCOME = """/bin/insmod $LODGE_KO && echo "lodge.ko is loaded: /dev/lodge"
echo "The CLI is lodge, guest images are in /guest, tests in /selftests,"
echo "kvm's modules in /lib/kvm. exit switches the host off."
"""
PULL = b"\x1d"


def bridge(master, process):
    """Copies both ways until the emulator is gone or its plug is pulled."""
    watch = [master, 0]
    while True:
        ready, _, _ = select.select(watch, [], [], 0.5)
        if master in ready:
            data = os.read(master, 4096)
            os.write(1, data)
        if 0 in ready:
            data = os.read(0, 4096)
            if not data:
                watch.remove(0)         # the end of a script on standard input
            elif PULL in data:
                return
            else:
                os.write(master, data)
        if process.poll() is not None and not ready:
            return


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cpus", type=int, default=1, choices=(1, 2))
    options = parser.parse_args()
    master, slave = os.openpty()
    # Bytes as they are: the host's own terminal does the echo and the editing.
    tty.setraw(slave)
    out = paths.new_out("shell")
    host = machine.Machine(out, cpus=options.cpus, console=os.ttyname(slave))
    files = test.common_files(test.plan.load(paths.PLAN))
    image.build(host.initrd(), files + [("welcome", WELCOME.encode())])
    slot = slots.Slot()
    slot.acquire(lambda: print("lodge: waiting for an emulator slot", flush=True))
    print("lodge: booting the emulated host; Ctrl-] pulls its plug", flush=True)
    terminal = termios.tcgetattr(0) if os.isatty(0) else None
    try:
        host.start(slot)
        if terminal:
            tty.setraw(0)
        bridge(master, host.process)
    finally:
        if terminal:
            termios.tcsetattr(0, termios.TCSADRAIN, terminal)
        host.stop()
        slot.release()
    print("\nlodge: the host is off")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except machine.Trouble as e:
        sys.exit("lodge: %s" % e)
