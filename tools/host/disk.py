# SPDX-License-Identifier: GPL-2.0
"""Disks of Linux guests: ext4 in a file, the same bytes for the same files.

mke2fs -d would take times and the order of names from the machine that it runs on;
here debugfs, of the same package, puts in one file after the other.
"""

import os
import shutil
import subprocess
import tempfile

import machine

# Of everything on it, and of the file system itself.
TIME = 1700000000
UUID = "6c6f6467-6500-4000-8000-000000000001"
SPARE = 4 << 20         # for the file system's own, and for what a guest writes
GRAIN = 1 << 20


def _run(tool, arguments, script=None):
    """Runs a tool of e2fsprogs, which ordinary users do not have in their PATH."""
    path = shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise machine.Trouble("%s is missing: run tools/deps.sh guest" % tool)
    done = subprocess.run([path] + arguments, input=script, text=True, check=False,
                          capture_output=True,
                          env=dict(os.environ, E2FSPROGS_FAKE_TIME=str(TIME)))
    # debugfs ends with 0 whatever happened; its first line is its version.
    said = done.stderr.splitlines()
    said = said[1:] if said and said[0].startswith(tool) else said
    if done.returncode or said:
        raise machine.Trouble("%s: %s" % (tool, "; ".join(said) or done.returncode))


def _script(files, tmp):
    """The words for debugfs that make the files and the folders they are in."""
    lines, folders = [], set()

    def folder(name):
        if name in ("", "/") or name in folders:
            return
        folder(os.path.dirname(name))
        folders.add(name)
        lines.append("mkdir " + name)

    for name, source, mode in files:
        name = "/" + name.strip("/")
        if source is None:
            folder(name)
            continue
        folder(os.path.dirname(name))
        data = source
        if not isinstance(source, bytes):
            with open(source, "rb") as f:
                data = f.read()
        # By a name without blanks, wherever it was.
        with open(os.path.join(tmp, str(len(lines))), "wb") as f:
            f.write(data)
        lines.append("write %d %s" % (len(lines), name))
        lines.append("set_inode_field %s mode 0%o" % (name, 0o100000 | mode))
    return "\n".join(lines) + "\n"


def build(path, files, label):
    """Writes the image.  files: (name, a path here or bytes or None, mode); None makes an
    empty folder."""
    size = SPARE
    for _, source, _ in files:
        if isinstance(source, bytes):
            size += len(source)
        elif source:
            size += os.path.getsize(source)
    size = (size + GRAIN - 1) // GRAIN * GRAIN
    with open(path, "wb") as f:
        f.truncate(size)
    _run("mke2fs", ["-q", "-F", "-t", "ext4", "-L", label, "-U", UUID,
                    "-E", "hash_seed=" + UUID + ",lazy_itable_init=0,root_owner=0:0", path])
    with tempfile.TemporaryDirectory() as tmp:
        script = _script(files, tmp)
        here = os.path.join(tmp, "script")
        with open(here, "w", encoding="utf-8") as f:
            f.write("lcd %s\n%s" % (tmp, script))
        _run("debugfs", ["-w", "-f", here, path])
