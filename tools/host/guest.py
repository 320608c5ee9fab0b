# SPDX-License-Identifier: GPL-2.0
"""Linux guests for tests and the demonstration: a kernel of Debian's and an initramfs
with busybox, the drivers of the machine's devices and selftests/linux/init; and real
programs with their libraries (tools/programs.sh)."""

import os
import re
import subprocess
import tempfile

import image
import kallsyms
import machine
import paths

LANES = ("6.1", "6.12")
SOURCE = os.path.join(paths.TOP, "selftests", "linux")
OWN = os.path.join(paths.BUILD, "selftests", "linux")
PROGRAMS = os.path.join(paths.BUILD, "programs")
PLACES = ("usr/bin", "usr/sbin", "bin", "sbin")
LIBRARIES = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
LOADER = "lib64/ld-linux-x86-64.so.2"
NEEDED = re.compile(r"\(NEEDED\).*\[(.+)\]")


def lanes():
    """The kernels that are there."""
    return [lane for lane in LANES
            if os.path.isdir(os.path.join(paths.BUILD, "kernel-" + lane, "guest"))]


def initrd(lane, tmp, extra=()):
    """The initramfs as bytes; extra: (name, bytes, mode) more files."""
    cpio = image.Cpio()
    cpio.device("dev/console", 5, 1)
    cpio.device("dev/null", 1, 3)
    cpio.folder("etc")
    cpio.add("bin/busybox", image.read(os.path.join(paths.BUILD, "parts", "busybox")), 0o755)
    cpio.add("init", image.read(os.path.join(SOURCE, "init")), 0o755)
    cpio.add("dhcp", image.read(os.path.join(SOURCE, "dhcp")), 0o755)
    cpio.add("bin/status", image.read(os.path.join(OWN, "status")), 0o755)
    modules = os.path.join(paths.BUILD, "kernel-" + lane, "guest")
    for name in sorted(os.listdir(modules)):
        cpio.add("modules/" + name, image.stripped(os.path.join(modules, name), tmp))
    for name, data, mode in extra:
        cpio.add(name, data, mode)
    path = os.path.join(tmp, "initrd-" + lane)
    cpio.save(path)
    return image.read(path)


def files():
    """For image.build(): guest/vmlinuz-LANE and guest/initrd-LANE of all kernels, and a
    multiboot image."""
    found = [("guest/multiboot.elf", image.read(os.path.join(OWN, "multiboot.elf")))]
    with tempfile.TemporaryDirectory() as tmp:
        for lane in lanes():
            kernel = os.path.join(paths.BUILD, "kernel-" + lane, "vmlinuz")
            found.append(("guest/vmlinuz-" + lane, image.read(kernel)))
            found.append(("guest/initrd-" + lane, initrd(lane, tmp)))
    return found


def symbols(lane):
    """The file with the names of the kernel's functions and variables; it is made once."""
    kernel = os.path.realpath(os.path.join(paths.BUILD, "kernel-" + lane))
    made = os.path.join(paths.BUILD, "host", "symbols-" + os.path.basename(kernel))
    tools = [os.path.join(paths.BUILD, "host", "vmlinux"), kallsyms.__file__]
    if os.path.exists(made) and all(os.path.getmtime(t) < os.path.getmtime(made) for t in tools):
        return made
    with tempfile.TemporaryDirectory(dir=os.path.dirname(made)) as tmp:
        vmlinux, new = os.path.join(tmp, "vmlinux"), os.path.join(tmp, "symbols")
        subprocess.run([tools[0], os.path.join(kernel, "vmlinuz"), vmlinux], check=True)
        kallsyms.convert(vmlinux, new)
        os.rename(new, made)
    return made


def debugger():
    """For image.build(): gdb and guest/symbols-LANE."""
    return [("bin/gdb", os.path.realpath(os.path.join(paths.BUILD, "gdb")))] + \
        [("guest/symbols-" + lane, symbols(lane)) for lane in lanes()]
def _find(name, folders):
    top = os.path.realpath(PROGRAMS)
    for folder in folders:
        path = os.path.realpath(os.path.join(top, folder, name))
        # An absolute link would be one to this machine's own.
        if os.path.exists(path) and path.startswith(top + "/"):
            return path
    raise machine.Trouble("%s is not in %s: see tools/programs.sh" % (name, PROGRAMS))


def programs(names):
    """The programs, their libraries and these ones' libraries, as they lie in a root of
    their own: (name there, file here, mode)."""
    found = {"bin/" + name: _find(name, PLACES) for name in names}
    todo = list(found.values())
    while todo:
        said = subprocess.run(["readelf", "-d", todo.pop()], check=True, text=True,
                              stdout=subprocess.PIPE).stdout
        for library in NEEDED.findall(said):
            name = LIBRARIES[0] + "/" + library
            if name not in found and library != os.path.basename(LOADER):
                found[name] = _find(library, LIBRARIES)
                todo.append(found[name])
    found[LOADER] = _find(os.path.basename(LOADER), LIBRARIES)
    return [(name, path, 0o755) for name, path in sorted(found.items())]
