# SPDX-License-Identifier: GPL-2.0
"""The initramfs of the emulated host, written as a cpio archive.

No compression: the emulator reads the boot image faster than the emulated
processor could unpack one.  Programs are stripped of their debug information.
"""

import fcntl
import os
import stat
import subprocess

import paths

HERE = os.path.dirname(os.path.abspath(__file__))


class Cpio:
    """An archive in the kernel's `newc` format; everything belongs to root."""

    def __init__(self):
        self.parts = []
        self.dirs = set()
        self.inode = 0

    def _entry(self, name, mode, data=b"", rdev=(0, 0)):
        self.inode += 1
        raw = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, rdev[0], rdev[1], len(raw), 0)
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + raw
        self.parts += [head, b"\0" * (-len(head) % 4), data, b"\0" * (-len(data) % 4)]

    def folder(self, name):
        name = name.strip("/")
        if not name or name in self.dirs:
            return
        self.folder(os.path.dirname(name))
        self.dirs.add(name)
        self._entry(name, stat.S_IFDIR | 0o755)

    def add(self, name, data, mode=0o644):
        name = name.strip("/")
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, data)

    def device(self, name, major, minor):
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFCHR | 0o600, rdev=(major, minor))

    def link(self, name, target):
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def save(self, path):
        self._entry("TRAILER!!!", 0)
        with open(path, "wb") as f:
            f.writelines(self.parts)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def stripped(path, tmp):
    """The program or module without its debug information, which the host never
    reads.  Kernel modules lose their signature with it: checking that of kvm.ko
    would take the emulated processor longer than all the rest of loading it."""
    how = "--strip-debug" if path.endswith(".ko") else "--strip-all"
    target = os.path.join(tmp, "strip.%d.%s" % (os.getpid(), os.path.basename(path)))
    done = subprocess.run(["strip", how, "-o", target, path], check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if done.returncode:
        return read(path)       # a script
    data = read(target)
    os.unlink(target)
    return data


def libraries(path):
    """The shared libraries of a program, and its loader; none of a static one's, or of
    a script's."""
    done = subprocess.run(["ldd", path], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
    found = []
    for line in done.stdout.decode().splitlines():
        words = line.split()
        if "=>" in words and len(words) > 2 and words[2].startswith("/"):
            found.append(("lib/" + words[0], os.path.realpath(words[2])))
        elif words and words[0].startswith("/lib64/ld-"):
            found.append((words[0], os.path.realpath(words[0])))
    return found


def base(tmp):
    """What every image holds: busybox, the agent, /init, the kernel's modules."""
    cpio = Cpio()
    # The kernel opens the first process's console before it mounts devtmpfs.
    cpio.device("dev/console", 5, 1)
    cpio.device("dev/null", 1, 3)
    cpio.add("bin/busybox", read(os.path.join(paths.BUILD, "parts", "busybox")), 0o755)
    cpio.add("bin/agent", read(paths.AGENT), 0o755)
    cpio.add("init", read(os.path.join(HERE, "init")), 0o755)
    if paths.DEBUG:
        cpio.add("bin/leaks", read(os.path.join(HERE, "leaks")), 0o755)
    for name in sorted(os.listdir(paths.kernel_dir())):
        if name.endswith(".ko"):
            cpio.add("lib/kvm/" + name, stripped(os.path.join(paths.kernel_dir(), name), tmp))
    return cpio


def build(path, files, steps=None):
    """Writes an image to path.

    files: (name in the image, file here) or (name, bytes); executables keep
    their mode, are stripped and have their libraries added. (name, file here,
    mode) is taken as it is.  steps: the agent's list, or None for a shell on the console.
    """
    # Not while another make writes what is read here.
    with open(os.path.join(paths.BUILD, ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        _build(path, files, steps)


def _build(path, files, steps):
    tmp = os.path.dirname(path)
    cpio = base(tmp)
    for name, source, mode in (f for f in files if len(f) == 3):
        cpio.add(name, read(source), mode)
    files = [f for f in files if len(f) == 2]
    for name, source in files:
        if isinstance(source, bytes):
            cpio.add(name, source)
            continue
        if os.path.isdir(source):
            for root, _, names in sorted(os.walk(source)):
                rel = os.path.relpath(root, source)
                for n in sorted(names):
                    full = os.path.join(root, n)
                    cpio.add(os.path.normpath(os.path.join(name, rel, n)), read(full),
                             0o755 if os.access(full, os.X_OK) else 0o644)
            continue
        mode = 0o755 if os.access(source, os.X_OK) else 0o644
        if mode == 0o755 or source.endswith(".ko"):
            data = stripped(source, tmp)
        else:
            data = read(source)
        cpio.add(name, data, mode)
    shared = {}
    for _, source in files:
        if not isinstance(source, bytes) and not os.path.isdir(source) \
                and os.access(source, os.X_OK):
            shared.update(libraries(source))
    for name, source in sorted(shared.items()):
        cpio.add(name, stripped(source, tmp), 0o755)
    if steps is not None:
        cpio.add("steps", "".join("\t".join(s) + "\n" for s in steps).encode())
    cpio.save(path)
