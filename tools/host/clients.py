# SPDX-License-Identifier: GPL-2.0
"""Tests with other people's programs (clients/): what they need in the emulated host, and
the table of what each did on lodge and on kvm_intel."""

import collections
import os
import subprocess
import sys

import guest
import ktap
import paths
import vmms

LIST = os.path.join(paths.CLIENTS, "kvm-selftests.list")

# group, name, cpus, seconds, what is expected on each device, arguments, note
Kernel = collections.namedtuple("Kernel", "group name cpus seconds lodge kvm args note")


def kernel_tests(path=LIST):
    """The rows of clients/kvm-selftests.list, whose head tells the format."""
    rows = []
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            head, _, note = line.strip().partition(";")
            words = head.split(None, 6)
            if not words or line.startswith("#"):
                continue
            if len(words) < 6 or not {words[4], words[5]} <= {"pass", "skip", "fail"}:
                raise ValueError("%s:%d: GROUP NAME CPUS SECONDS LODGE KVM expected"
                                 % (path, number))
            cpus = {int(c) for c in words[2].split(",")}
            rows.append(Kernel(words[0], words[1], cpus, int(words[3]), words[4], words[5],
                               " ".join(words[6:]).strip(), note.strip()))
    return rows


def _kernel_files(rows):
    """The list, and those of the kernel's tests that the rows run: they are large."""
    groups = {a for r in rows for o, a in zip(r.args, r.args[1:]) if o == "-g"}
    names = {t.name for t in kernel_tests() if not groups or t.group in groups}
    folder = os.path.realpath(os.path.join(paths.BUILD, "kvm-selftests"))
    return [("clients/kvm-selftests.list", LIST)] + [
        ("clients/kvm-selftests/" + n, os.path.join(folder, n)) for n in sorted(names)
        if os.path.exists(os.path.join(folder, n))]


def _check_kernel_tests():
    """All that was built is listed, and nothing else."""
    built = set(os.listdir(os.path.join(paths.BUILD, "kvm-selftests")))
    listed = {t.name for t in kernel_tests()}
    for names, what in ((built - listed, "is not in clients/kvm-selftests.list"),
                        (listed - built, "of clients/kvm-selftests.list was not built")):
        if names:
            sys.exit("lodge: %s %s" % (", ".join(sorted(names)), what))


def vhost():
    """What has the host's kernel move a guest's packets; not every kernel has it."""
    folder = os.path.join(paths.kernel_dir(), "vhost")
    return [("clients/vhost/" + name, os.path.join(folder, name))
            for name in (sorted(os.listdir(folder)) if os.path.isdir(folder) else ())]


def _qemu_files(rows):
    """Linux is large: only for those who boot it."""
    if all("boots*" in r.args for r in rows):
        return vmms.files(["qemu"])
    return vmms.files(["qemu"]) + vmms.linux() + guest.debugger() + vhost()


def _libvirt_files(_rows):
    return vmms.files(["qemu", "libvirt"])


# program: the script of tools/ that fetches or builds, what is to be checked after it, and
# the files for the host
PARTS = {
    "kvm-selftests": ("kvm-selftests.sh", _check_kernel_tests, _kernel_files),
    "qemu": ("clients.sh", vmms.check, _qemu_files),
    "libvirt": ("clients.sh", vmms.check, _libvirt_files),
}


def _used(rows):
    return [(what, [r for r in rows if r.program == name])
            for name, what in PARTS.items() if any(r.program == name for r in rows)]


def prepare(rows):
    """Fetches or builds what the rows' programs are about."""
    for (script, check, _), _mine in _used(rows):
        if subprocess.run([os.path.join(paths.TOP, "tools", script)], check=False).returncode:
            sys.exit(1)
        check()


def files(rows):
    """For image.build()."""
    used = _used(rows)
    found = [("clients/lib.sh", os.path.join(paths.CLIENTS, "lib.sh"))] if used else []
    for (_, _, collect), mine in used:
        found += [f for f in collect(mine) if f not in found]
    return found


# ---- the table ---------------------------------------------------------------------

DEVICES = (("lodge", "lodge"), ("kvm", "kvm_intel"))


def results(reports):
    """{(row, CPUs, subtest): {device: (verdict, remark)}} in the order they came."""
    found = {}
    for name, device, cpus, report in reports:
        for leaf, verdict, remark in report.leaves:
            found.setdefault((name, cpus, leaf), {})[device] = (verdict, remark)
        for fault in report.faults:
            found.setdefault((name, cpus, "(all)"), {})[device] = (ktap.FAIL, fault)
    return found


def _note(verdicts):
    """What was remarked; once, where it is the same on both."""
    remarks = [(title, verdicts[device][1]) for device, title in DEVICES
               if verdicts.get(device, ("", ""))[1]]
    if len(remarks) == 2 and remarks[0][1] == remarks[1][1]:
        return remarks[0][1]
    return "; ".join("%s: %s" % r for r in remarks)


def table(reports):
    """The lines of a table: subtest, CPUs, what it did on each device, remarks."""
    lines = [("test", "CPUs") + tuple(t for _, t in DEVICES) + ("note",)]
    for (name, cpus, leaf), verdicts in sorted(
            results(reports).items(), key=lambda r: (r[0][0].partition(":")[0], r[0][1])):
        lines.append((leaf if leaf != "(all)" else name, str(cpus)) + tuple(
            verdicts.get(device, ("-", ""))[0] for device, _ in DEVICES) + (_note(verdicts),))
    wide = [max(len(line[i]) for line in lines) for i in range(4)]
    return ["  ".join(c.ljust(w) for c, w in zip(line, wide + [0])).rstrip() for line in lines]
