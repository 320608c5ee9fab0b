# SPDX-License-Identifier: GPL-2.0
"""Where things are: the tree, its build folder, the cache shared by clones."""

import os
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, "build")
CACHE = os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"),
    "lodge")
LANE = os.environ.get("LODGE_LANE") or os.environ.get("KERNEL") or "6.1"
# The debugging kernel: detectors of bugs in it, which cost it most of its time.
DEBUG = LANE == "debug"
SLOWER = 10 if DEBUG else 1     # time limits are for the kernels of the packages
PLAN = os.path.join(TOP, "selftests", "plan")
# Where the programs that the plan names may be, in this order.
PROGRAM_DIRS = [os.path.join(BUILD, "selftests", d) for d in
                ("host", "cli", "unit", "guest", "")]
# Tests with other people's programs: scripts and their tables.
CLIENTS = os.path.join(TOP, "clients")
CLI = os.path.join(BUILD, "userspace-cli", "lodge")
AGENT = os.path.join(BUILD, "host", "agent")


def kernel_dir():
    """The unpacked kernel of the lane."""
    return os.path.realpath(os.path.join(BUILD, "kernel-" + LANE))


def kernel_release():
    with open(os.path.join(kernel_dir(), "release"), encoding="ascii") as f:
        return f.read().strip()


def module():
    """The lodge.ko built for the lane's kernel."""
    return os.path.join(BUILD, "kmod-" + kernel_release(), "kmod", "lodge.ko")


def program(name):
    """The built program of that name, or None."""
    for folder in PROGRAM_DIRS:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    client = os.path.join(CLIENTS, name + ".sh")
    return client if os.access(client, os.X_OK) else None


def in_host(name):
    """Where that program lies in the emulated host."""
    client = os.path.dirname(program(name) or "") == CLIENTS
    return "clients/%s.sh" % name if client else "selftests/" + name


def new_out(kind):
    """A fresh folder for one invocation's boots; several may run at a time."""
    out = os.path.join(BUILD, "out", "%s-%s-%d" % (
        kind, time.strftime("%Y%m%d-%H%M%S"), os.getpid()))
    os.makedirs(out)
    return out


def drop_old_outs(keep=20):
    """Removes the folders of all but the last invocations."""
    base = os.path.join(BUILD, "out")
    try:
        names = [n for n in os.listdir(base) if not n.startswith(".")]
    except FileNotFoundError:
        return
    dirs = sorted((os.path.join(base, n) for n in names), key=os.path.getmtime)
    for old in dirs[:-keep]:
        # A running invocation touches its folder; an hour without is the past.
        if time.time() - os.path.getmtime(old) > 3600:
            for root, _, files in os.walk(old, topdown=False):
                for name in files:
                    os.unlink(os.path.join(root, name))
                os.rmdir(root)
