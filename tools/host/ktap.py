# SPDX-License-Identifier: GPL-2.0
"""Reads what a test program printed (KTAP, which TAP is a part of) and says how
it stands: its leaf results, and every way in which program and output disagree.
"""

import re

VERSION = re.compile(r"^(K?TAP) version \d+$")
PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*SKIP\s*(.*))?$", re.IGNORECASE)
RESULT = re.compile(r"^(ok|not ok)\b(?:\s+(\d+))?(?:\s+-)?\s*(.*?)(?:\s+#\s*(\w+)\s*:?\s*(.*))?$")

PASS, FAIL, SKIP = "pass", "fail", "skip"
XFAIL = "xfail"         # it fails, and that is known


class Level:
    """The results of one indentation."""

    def __init__(self, indent):
        self.indent = indent
        self.plan = None
        self.skip_all = None
        self.count = 0
        self.leaves = []


class Report:
    """leaves: [(name, PASS|FAIL|SKIP|XFAIL, remark)]; faults: what is wrong beyond a
    result that says `not ok`."""

    def __init__(self):
        self.leaves = []
        self.faults = []

    def count(self, verdict):
        return sum(1 for leaf in self.leaves if leaf[1] == verdict)


def _check_plan(level, where, report):
    if level.plan is None:
        report.faults.append("no plan (1..N)%s" % where)
    elif level.plan != level.count:
        report.faults.append("planned %d results%s, reported %d"
                             % (level.plan, where, level.count))


def _result(match, stack, report):
    good, number, name, directive, remark = match.groups()
    level = stack[-1]
    level.count += 1
    name = name or "(result %d)" % level.count
    if number and int(number) != level.count:
        report.faults.append("result %d is numbered %s" % (level.count, number))
    verdict = PASS if good == "ok" else FAIL
    if verdict == PASS:
        verdict = {"SKIP": SKIP, "XFAIL": XFAIL}.get((directive or "").upper(), PASS)
    return name, verdict, remark or ""


def _close(stack, indent, report):
    """Ends the levels deeper than indent; their leaves are returned."""
    leaves = []
    while len(stack) > 1 and stack[-1].indent > indent:
        level = stack.pop()
        _check_plan(level, " in a subtest", report)
        leaves = level.leaves + leaves
    return leaves


def parse(lines):
    """The report of a program's output lines, without its exit status."""
    report = Report()
    stack = [Level(0)]
    for line in lines:
        text = line.strip()
        indent = len(line) - len(line.lstrip(" "))
        plan = PLAN.match(text)
        result = RESULT.match(text)
        if not plan and not result and not VERSION.match(text):
            continue
        if indent > stack[-1].indent:
            stack.append(Level(indent))
        below = _close(stack, indent, report)
        if plan:
            stack[-1].plan = int(plan.group(1))
            stack[-1].skip_all = plan.group(2)
        elif result:
            name, verdict, remark = _result(result, stack, report)
            if below:
                # The line sums up the subtests above it; they are the leaves.
                if verdict == PASS and any(leaf[1] == FAIL for leaf in below):
                    report.faults.append("%s says ok, a subtest of it does not" % name)
                elif verdict == FAIL and all(leaf[1] != FAIL for leaf in below):
                    report.faults.append("%s says not ok, no subtest of it does" % name)
                stack[-1].leaves += [("%s.%s" % (name, n), v, r) for n, v, r in below]
            else:
                stack[-1].leaves.append((name, verdict, remark))
        elif below:
            stack[-1].leaves += below
    stack[0].leaves += _close(stack, 0, report)
    report.leaves = stack[0].leaves
    _check_plan(stack[0], "", report)
    if stack[0].plan == 0 and not report.leaves:
        report.leaves.append(("(all)", SKIP, stack[0].skip_all or ""))
    return report


def judge(lines, how):
    """The report of a program that printed lines and ended `how`: exit:N,
    signal:N or timeout, as the agent tells it."""
    report = parse(lines)
    kind, _, value = how.partition(":")
    failed = report.count(FAIL)
    if how == "exit:4" and not report.leaves:
        # The kselftest way to skip a whole program; the plan is optional then.
        report.faults = []
        said = " ".join(line.lstrip("# ") for line in lines[-1:])
        report.leaves.append(("(all)", SKIP, said))
        return report
    if kind == "timeout":
        report.faults.append("timeout: killed at its time limit")
    elif kind == "signal":
        report.faults.append("killed by signal %s" % value)
    elif value == "0" and failed:
        report.faults.append("exit status 0, but %d results are not ok" % failed)
    elif value == "1" and not failed:
        report.faults.append("exit status 1, but no result is not ok")
    elif value == "4" and report.count(SKIP) != len(report.leaves):
        report.faults.append("exit status 4 (skipped), but not every result is a skip")
    elif value not in ("0", "1", "4"):
        report.faults.append("exit status %s" % value)
    if not lines:
        report.faults = ["no output; " + f for f in report.faults[-1:]]
    return report
