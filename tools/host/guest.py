# SPDX-License-Identifier: GPL-2.0
"""Linux guests for tests and the demonstration: a kernel of Debian's and an initramfs
with busybox, the drivers of the machine's devices and selftests/linux/init."""

import os
import tempfile

import image
import paths

LANES = ("6.1", "6.12")
SOURCE = os.path.join(paths.TOP, "selftests", "linux")
PROGRAMS = os.path.join(paths.BUILD, "selftests", "linux")


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
    cpio.add("bin/status", image.read(os.path.join(PROGRAMS, "status")), 0o755)
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
    found = [("guest/multiboot.elf", image.read(os.path.join(PROGRAMS, "multiboot.elf")))]
    with tempfile.TemporaryDirectory() as tmp:
        for lane in lanes():
            kernel = os.path.join(paths.BUILD, "kernel-" + lane, "vmlinuz")
            found.append(("guest/vmlinuz-" + lane, image.read(kernel)))
            found.append(("guest/initrd-" + lane, initrd(lane, tmp)))
    return found
