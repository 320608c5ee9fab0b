# SPDX-License-Identifier: GPL-2.0
"""At most two emulators of one user at a time, whoever starts them.

A slot is a lock on a file in the cache folder.  The emulator inherits it, so
that the slot is taken for as long as the emulator lives, even when the runner
that started it is gone.
"""

import fcntl
import os
import time

import paths

SLOTS = 2


class Slot:
    """Holds a slot from acquire() to release()."""

    def __init__(self):
        self.fd = -1

    def acquire(self, waiting=lambda: None):
        """Waits for a free slot, first come first served; calls waiting() once
        if there is none at first."""
        folder = os.path.join(paths.CACHE, "slots")
        os.makedirs(folder, exist_ok=True)
        queue = os.open(os.path.join(folder, "queue"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            told = False
            try:
                fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                told = True
                waiting()
                fcntl.flock(queue, fcntl.LOCK_EX)
            while not self._try(folder):
                if not told:
                    told = True
                    waiting()
                time.sleep(0.1)
        finally:
            os.close(queue)

    def _try(self, folder):
        for n in range(SLOTS):
            fd = os.open(os.path.join(folder, str(n)), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                continue
            self.fd = fd
            return True
        return False

    def release(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
