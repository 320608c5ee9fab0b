# SPDX-License-Identifier: GPL-2.0
"""Other people's programs for the emulated host (tools/clients.sh): those asked for, the
libraries they are linked with and the files they read, as a root folder of their own at
/clients/root, in which clients/machines.sh runs them."""

import glob
import os
import re
import subprocess
import tempfile

import guest
import machine
import paths

ROOT = os.path.join(paths.BUILD, "clients")
LIBRARIES = "usr/lib/x86_64-linux-gnu"
LIBRARY_PLACES = ("lib/x86_64-linux-gnu", LIBRARIES)
LOADER = "lib64/ld-linux-x86-64.so.2"
NEEDED = re.compile(r"\(NEEDED\).*\[(.+)\]")
FIRMWARE = ("bios-microvm", "linuxboot_dma", "multiboot_dma", "pvh", "kvmvapic")

# What a set of programs consists of, by the pattern of its files' names.
SETS = {
    "qemu": ["usr/bin/qemu-system-x86_64", "usr/share/seabios/bios-256k.bin"] +
            ["usr/share/qemu/%s.bin" % name for name in FIRMWARE],
    "libvirt": ["usr/sbin/libvirtd", "usr/bin/virsh", "usr/bin/virt-host-validate",
                LIBRARIES + "/libvirt/connection-driver/libvirt_driver_qemu.so",
                LIBRARIES + "/qemu/accel-tcg-x86_64.so",
                "usr/share/libvirt/cpu_map/*", "usr/share/libvirt/schemas/*"],
}


def _is_elf(path):
    with open(path, "rb") as f:
        return f.read(4) == b"\x7fELF"


def _library(name):
    for place in LIBRARY_PLACES:
        path = os.path.realpath(os.path.join(ROOT, place, name))
        # An absolute link would be one to this machine's own.
        if os.path.exists(path) and path.startswith(os.path.realpath(ROOT) + "/"):
            return path
    raise machine.Trouble("%s is not in %s: see tools/clients.sh" % (name, ROOT))


def _with_libraries(found):
    """Adds the libraries of all programs in found, and these ones' libraries."""
    todo = [path for path in found.values() if _is_elf(path)]
    while todo:
        said = subprocess.run(["readelf", "-d", todo.pop()], check=True, text=True,
                              stdout=subprocess.PIPE).stdout
        for library in NEEDED.findall(said):
            name = LIBRARIES + "/" + library
            if name not in found and library != os.path.basename(LOADER):
                found[name] = _library(library)
                todo.append(found[name])
    found[LOADER] = _library(os.path.basename(LOADER))


def _own():
    """The scripts that the tests share, and our guests for them."""
    found = [("clients/machines.sh", os.path.join(paths.CLIENTS, "machines.sh")),
             ("clients/subtests.sh", os.path.join(paths.TOP, "selftests", "cli", "lib.sh"))]
    guests = os.path.join(paths.BUILD, "clients-guest")
    return found + [("clients/root/guest/" + name, os.path.join(guests, name))
                    for name in ("guest.elf", "sector.bin")]


def linux():
    """Debian's kernel and an initramfs, for guests."""
    initrd = os.path.join(paths.BUILD, "clients-guest", "initrd")
    with tempfile.TemporaryDirectory() as tmp, open(initrd + ".new", "wb") as f:
        f.write(guest.initrd("6.1", tmp))
    os.rename(initrd + ".new", initrd)
    kernel = os.path.realpath(os.path.join(paths.BUILD, "kernel-6.1", "vmlinuz"))
    return [("clients/root/guest/vmlinuz", kernel, 0o644),
            ("clients/root/guest/initrd", initrd, 0o644)]


def check():
    """Nothing is missing that a program is linked with."""
    files(SETS)


def files(names):
    """For image.build(): the sets of these names."""
    found = {}
    for pattern in sum((SETS[name] for name in names), []):
        matches = glob.glob(os.path.join(ROOT, pattern))
        if not matches:
            raise machine.Trouble("%s is not in %s: see tools/clients.sh" % (pattern, ROOT))
        for path in matches:
            found[os.path.relpath(path, ROOT)] = os.path.realpath(path)
    _with_libraries(found)
    return [(name, path, 0o755 if os.access(path, os.X_OK) else 0o644)
            for name, path in _own() + [("clients/root/" + name, path)
                                        for name, path in sorted(found.items())]]
