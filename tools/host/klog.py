# SPDX-License-Identifier: GPL-2.0
"""The kernel's log of a host, and what in it makes a boot fail."""

import fnmatch
import os
import re

# What a healthy host never says.
COMPLAINTS = [re.compile(p) for p in (
    r"\bWARNING: ",
    r"\bBUG\b",
    r"\bOops\b",
    r"\bKernel panic\b",
    r"\bgeneral protection\b",
    r"\bdouble fault\b",
    r"\bstack segment\b.*\[#",
    r"unchecked MSR access",
    r"unable to handle",
    r"possible (recursive|circular|irq lock inversion|deadlock)",
    r"\b(inconsistent lock state|INFO: lockdep|held lock freed|bad unlock balance)\b",
    r"lock held when returning to user space",
    r"trying to register non-static key",
    r"MAX_\w+ too low|turning off the locking",
    r"\bsuspicious RCU\b",
    r"\brcu:.*(stall|detected)",
    r"\bsuspicious rcu_dereference",
    r"Illegal context switch in RCU",
    r"Voluntary context switch within RCU",
    r"scheduling while atomic",
    r"sleeping function called from invalid context",
    r"\bsoft lockup\b",
    r"\bhard LOCKUP\b",
    r"blocked for more than \d+ seconds",
    r"unreferenced object",
    r"\bkmemleak: (?!Kernel memory leak detector initialized)",
    r"Objects remaining",
    r"\bSlab cache still has objects\b",
    r"refcount_t:",
    r"Bad (page|rss-counter|swap)",
    r"non-zero (pgtables_bytes|bytes)",
    r"list_(add|del) corruption",
    r"\bUBSAN\b",
    r"\bKASAN\b",
    r"\bKFENCE\b",
    r"\bKCSAN\b",
    r"ODEBUG",
    r"workqueue lockup",
    r"hung task",
    r"\bcorrupt(ed|ion)\b",
    r"nobody cared",
    r"\boom-killer\b|\bOut of memory\b|\bout of memory:|page allocation failure",
    r"NMI: (IOCK|PCI) error|Uhhuh\. NMI received",
    r"module .* has been unloaded",
)]

MARK = re.compile(r"^lodge-test: (begin|end) (\S+)$")
RECORD = re.compile(r"^k(\d) (\d+) (.*)$")


IN_TEST = re.compile(r"^in (\S+): (.*)$")


def load_allowed(path):
    """[(regex, reason, test)]: the reason is the comment above the expression, the test
    the pattern of a step's name, or None."""
    allowed, reason = [], []
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if line.startswith("#"):
                reason.append(line.lstrip("# "))
            elif line.strip():
                if not reason:
                    raise ValueError("%s:%d: no comment above says why" % (path, number))
                match = IN_TEST.match(line)
                test, line = match.groups() if match else (None, line)
                allowed.append((re.compile(line), " ".join(reason), test))
            else:
                reason = []
    return allowed


class Log:
    """Records come in through feed(); complaints are kept with the test that
    ran at the time."""

    def __init__(self, path, allowed=None):
        if allowed is None:
            allowed = load_allowed(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                "klog-allow"))
        self.path = path
        self.allowed = allowed
        self.lines = []
        self.complaints = []    # (step or None, text)
        self.step = None
        self.file = open(path, "w", encoding="utf-8")

    def feed(self, line):
        """Takes one of the agent's lines; True if it was a log record."""
        match = RECORD.match(line)
        if not match:
            if line == "@lost":
                self._keep("(the kernel logged faster than the agent could read: lines are lost)")
                self.complaints.append((self.step, "kernel log overrun"))
                return True
            return False
        usec, text = int(match.group(2)), match.group(3)
        self._keep("[%5d.%06d] %s" % (usec // 1000000, usec % 1000000, text))
        mark = MARK.match(text)
        if mark:
            self.step = mark.group(2) if mark.group(1) == "begin" else None
        else:
            self.check(text)
        return True

    def _keep(self, text):
        self.lines.append(text)
        self.file.write(text + "\n")
        self.file.flush()

    def check(self, text):
        if any(p.search(text) for p in COMPLAINTS) and not self.is_allowed(text):
            self.complaints.append((self.step, text))

    def is_allowed(self, text):
        return any(p.search(text) and (not test or fnmatch.fnmatch(self.step or "", test))
                   for p, _, test in self.allowed)

    def add_console(self, path):
        """What only the console has: the last words of a host that died."""
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                console = [line.rstrip("\r\n") for line in f]
        except FileNotFoundError:
            return
        known = set(line.split("] ", 1)[-1] for line in self.lines)
        fresh = [line for line in console if line.split("] ", 1)[-1] not in known]
        for line in fresh:
            self._keep(line)
            self.check(line.split("] ", 1)[-1])

    def close(self):
        self.file.close()
