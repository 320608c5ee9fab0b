#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compares Documentation/ with the sources, wherever both say the same thing.

Tables that are compared carry a comment `.. lodge-table: NAME` above them and are
simple tables of reStructuredText.  Some columns come from the source: with --write
those are written anew, the others keep their text by the row's key.  Prints one
line for each difference.

Usage: tools/check/docs.py [--write]
"""

import os
import re
import sys
import textwrap

import floors

TOP = floors.TOP
DOCS = "Documentation"
WIDTH = 98

problems = []


def problem(path, line, text):
    problems.append("%s:%d: %s" % (path, line, text))


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def walk(folder, endings):
    found = []
    for root, dirs, names in os.walk(os.path.join(TOP, folder)):
        dirs[:] = sorted(d for d in dirs if not d.startswith("."))
        found += [os.path.relpath(os.path.join(root, n), TOP) for n in sorted(names)
                  if n.endswith(endings) and not n.endswith(".mod.c")]
    return found


# ---- simple tables ---------------------------------------------------------

class Table:
    """Rows of cells; a row whose first cell is empty continues the one above."""

    def __init__(self, doc, name):
        self.doc, self.name = doc, name
        self.lines = read(doc).split("\n")
        self.rows, self.at, self.head = [], [], []
        marker = ".. lodge-table: " + name
        if marker not in self.lines:
            problem(doc, 1, "has no table %s" % name)
            self.first = self.last = None
            return
        self.mark = self.lines.index(marker)
        bars = [i for i in range(self.mark, len(self.lines))
                if re.match(r"=+( +=+)+$", self.lines[i])][:3]
        if len(bars) < 3:
            problem(doc, self.mark + 1, "table %s is not complete" % name)
            self.first = self.last = None
            return
        self.first, self.last = bars[0], bars[2]
        edges = [m.span() for m in re.finditer("=+", self.lines[bars[0]])]
        self.head = self._cells(self.lines[bars[0] + 1], edges)
        for i in range(bars[1] + 1, bars[2]):
            cells = self._cells(self.lines[i], edges)
            if cells[0]:
                self.rows.append(cells)
                self.at.append(i + 1)
            elif self.rows:
                self.rows[-1] = [(a + " " + b).strip() for a, b in zip(self.rows[-1], cells)]

    @staticmethod
    def _cells(line, edges):
        stops = [e[0] for e in edges[1:]] + [None]
        cells = [line[e[0]:s].strip() for e, s in zip(edges, stops)]
        return ["" if c == "\\" else c for c in cells]

    def render(self, rows):
        """The table's text with these rows, the last column wrapped."""
        count = len(self.head)
        wide = [max([len(r[i]) for r in rows + [self.head]] + [1]) for i in range(count - 1)]
        room = WIDTH - sum(wide) - len(wide)
        body = []
        for row in rows:
            parts = textwrap.wrap(row[-1], room, break_on_hyphens=False) or ["\\"]
            for n, part in enumerate(parts):
                cells = row[:-1] if n == 0 else [""] * (count - 1)
                body.append(" ".join(c.ljust(w) for c, w in zip(cells, wide)) + " " + part)
        longest = max([len(b) for b in body] + [WIDTH - room + len(self.head[-1])])
        bar = " ".join("=" * w for w in wide)
        bar += " " + "=" * (longest - len(bar) - 1)
        head = " ".join(h.ljust(w) for h, w in zip(self.head, wide)) + " " + self.head[-1]
        return [bar, head, bar] + [b.rstrip() for b in body] + [bar]

    def settle(self, rows, key, write):
        """rows: what the source says, None where the document has the word.
        The key columns find the old row."""
        if self.first is None:
            return
        old = {tuple(r[i] for i in key): r for r in self.rows}
        new = []
        for row in rows:
            had = old.get(tuple(row[i] for i in key))
            new.append([c if c is not None else had[i] if had else "?"
                        for i, c in enumerate(row)])
            if "?" in new[-1]:
                problem(self.doc, self.mark + 1, "table %s: %s has no words yet" % (
                    self.name, row[0]))
        if new == self.rows:
            return
        if write:
            self.lines[self.first:self.last + 1] = self.render(new)
            with open(os.path.join(TOP, self.doc), "w", encoding="utf-8") as f:
                f.write("\n".join(self.lines))
            return
        problem(self.doc, self.mark + 1,
                "table %s is not what the source says: tools/check/docs.py --write" % self.name)


def compare(table, have, want, what):
    """Two sets of names, with a problem for each that is in one only."""
    for name in sorted(want - have):
        problem(table.doc, table.mark + 1, "%s %s is missing" % (what, name))
    for name in sorted(have - want):
        problem(table.doc, table.mark + 1, "%s %s is not in the source" % (what, name))


def body_of(source, declaration):
    """The text between the braces of an initialiser."""
    at = source.index(declaration)
    return source[at:source.index("\n};", at)]


# ---- what is compared ------------------------------------------------------

def expand(name):
    """vmx/caps.[ch] -> vmx/caps.c, vmx/caps.h"""
    match = re.match(r"(.*)\[(\w+)\]$", name)
    return [match.group(1) + c for c in match.group(2)] if match else [name]


def check_files(_):
    table = Table("Documentation/README.rst", "files")
    if table.first is None:
        return
    have = [f for r in table.rows for f in expand(r[0])]
    for name in sorted({f for f in have if have.count(f) > 1}):
        problem(table.doc, table.mark + 1, "%s is listed twice" % name)
    want = {os.path.relpath(f, "kmod") for f in walk("kmod", (".c", ".h", ".S", "Makefile"))}
    compare(table, set(have), want, "file")


def check_floors(_):
    table = Table("Documentation/architecture.rst", "floors")
    want = [[str(n), name, ", ".join(p)] for n, name, p in floors.FLOORS]
    have = [[c.replace("``", "") for c in r] for r in table.rows]
    if table.first is not None and have != want:
        problem(table.doc, table.mark + 1, "floors are not those of tools/check/floors.py")


def check_exits(_):
    table = Table("Documentation/exits.rst", "exits")
    if table.first is None:
        return
    text = body_of(read("kmod/exit.c"), "(*const handlers[])")
    code = dict(re.findall(r"^\s*\[(\w+)\]\s*=\s*(\w+),", text, re.M))
    numbers = {}
    for path in ("/usr/include/x86_64-linux-gnu/asm/vmx.h", "/usr/include/asm/vmx.h"):
        if os.path.exists(path):
            numbers = dict(re.findall(r"#define\s+(EXIT_REASON_\w+)\s+(\d+)", read(path)))
    seen = set()
    for (number, name, handler, _fate, _sdm), at in zip(table.rows, table.at):
        key = "EXIT_REASON_" + name if "EXIT_REASON_" + name in code else number
        if code.get(key, "none") != handler:
            problem(table.doc, at, "exit reason %s (%s): the handler is %s" % (
                number, name, code.get(key, "none")))
        if numbers.get(key, number) != number:
            problem(table.doc, at, "%s is number %s" % (key, numbers[key]))
        seen.add(key)
    compare(table, {k for k in seen if k in code}, set(code), "exit reason")
    listed = [int(r[0]) for r in table.rows]
    if listed != list(range(listed[-1] + 1)):
        problem(table.doc, table.mark + 1, "the numbers are not 0, 1, 2, ...")


def rows_of_ioctls(source):
    """{ioctl: set of descriptors}"""
    found = {}
    for table, kind in (("dev_rows", "device"), ("vm_rows", "machine"), ("vcpu_rows", "vCPU")):
        text = body_of(source, "ioctl_row %s[]" % table)
        for name in re.findall(r"\{\s*(\w+),\s*\w+\s*\}", text):
            found.setdefault(name, set()).add(kind)
    return found


def check_ioctls(_):
    doc = "Documentation/api.rst"
    calls = rows_of_ioctls(read("kmod/ioctl.c"))
    lines = read(doc).split("\n")
    cards = {}
    for i in range(1, len(lines) - 2):
        if re.match(r"~+$", lines[i]) and re.match(r"[A-Z]+_[A-Z0-9_]+$", lines[i - 1]):
            for line in lines[i:i + 6]:
                if line.startswith(":Descriptor: "):
                    cards[lines[i - 1]] = (i, set(line[13:].split(", ")))
    for name, kinds in sorted(calls.items()):
        if name not in cards:
            problem(doc, 1, "no card for %s" % name)
        elif cards[name][1] != kinds:
            problem(doc, cards[name][0], "%s is a call on: %s" % (name, ", ".join(sorted(kinds))))
    for name in sorted(set(cards) - set(calls)):
        problem(doc, cards[name][0], "a card for %s, which kmod/ioctl.c does not know" % name)
    table = Table(doc, "ioctls")
    for (name, _kinds, support, _), at in zip(table.rows, table.at):
        if support not in ("full", "partial", "absent"):
            problem(doc, at, "%s: support is full, partial or absent" % name)
        if (support == "absent") == (name in calls):
            problem(doc, at, "%s is called %s, and kmod/ioctl.c %s it" % (
                name, support, "has" if name in calls else "does not have"))
    for name in sorted(set(calls) - {r[0] for r in table.rows}):
        problem(doc, table.mark + 1, "%s is not in the table of ioctls" % name)


def check_capabilities(_):
    table = Table("Documentation/api.rst", "capabilities")
    source = read("kmod/ioctl.c")
    values = dict(re.findall(r"^#define\s+(LODGE_\w+)\s+(\d+)", read("kmod/lodge.h"), re.M))
    caps = {name: values.get(value, value) for name, value in
            re.findall(r"\{\s*(KVM_CAP_\w+),\s*(\w+)\s*\}", body_of(source, "caps[] = {"))}
    for name in re.findall(r"arg == (KVM_CAP_\w+)", source):
        caps[name] = None       # worked out, not constant
    for (_number, name, value, support, _), at in zip(table.rows, table.at):
        if (support == "absent") == (name in caps):
            problem(table.doc, at, "%s is called %s, and kmod/ioctl.c %s it" % (
                name, support, "has" if name in caps else "does not have"))
        elif caps.get(name, "0") not in (None, value):
            problem(table.doc, at, "%s is %s" % (name, caps.get(name, "0")))
    for name in sorted(set(caps) - {r[1] for r in table.rows}):
        problem(table.doc, table.mark + 1, "%s is not in the table of capabilities" % name)
    header = "/usr/include/linux/kvm.h"
    if not os.path.exists(header):
        return
    numbers = dict(re.findall(r"#define\s+(KVM_CAP_\w+)\s+(\d+)", read(header)))
    for (number, name, _v, _s, _r), at in zip(table.rows, table.at):
        if numbers.get(name, number) != number:
            problem(table.doc, at, "%s is number %s" % (name, numbers[name]))


def check_parameters(_):
    table = Table("Documentation/api.rst", "parameters")
    want = set()
    for path in walk("kmod", (".c",)):
        want |= set(re.findall(r"^module_param(?:_named)?\((\w+),", read(path), re.M))
    if table.first is not None:
        compare(table, {r[0] for r in table.rows}, want, "module parameter")


def check_cpuid(write):
    doc, source = "Documentation/cpuid-msr.rst", read("kmod/cpu/cpuid.c")
    rows = []
    for leaf, index, reg, keep in re.findall(
            r"\{\s*(0x\w+),\s*(\d+),\s*(E[A-D]X),\s*[-\w]+,\s*([^}]*?),?\s*\}",
            body_of(source, "masks[] __ro_after_init")):
        names = re.findall(r"F\((\w+)\)", keep)
        rows.append([leaf, index, reg, " ".join(names) or
                     ("none" if keep.strip() == "0" else keep.strip())])
    Table(doc, "cpuid-masks").settle(rows, (0, 1, 2), write)
    rows = []
    for leaf, last, indexed, passed in re.findall(
            r"\{\s*(0x\w+),\s*(\d+),\s*(\w+),\s*([^}]*?)\s*\}", body_of(source, "leaves[] = {")):
        regs = "all" if "PASS_ALL" in passed else " ".join(re.findall(r"PASS\((\w+)\)", passed))
        rows.append([leaf, "0 to " + last if indexed == "true" else "none", regs or "none", None])
    Table(doc, "cpuid-leaves").settle(rows, (0,), write)
    rows = [[" ".join(b[8:] for b in re.findall(r"X86_CR4_\w+", bits)), feature]
            for bits, feature in re.findall(r"\{\s*([^{},]*?),\s*X86_FEATURE_(\w+)\s*\}",
                                            body_of(source, "cr4_features[] = {"))]
    Table(doc, "cr4-features").settle(rows, (0,), write)


def check_msrs(write):
    doc = "Documentation/cpuid-msr.rst"
    rows = []
    for line in body_of(read("kmod/cpu/msr.c"), "msr_row rows[]").split("\n")[1:]:
        match = re.match(r"\s*\{ (.*?), ((?:MSR_|MTRR).*?), read_(\w+), (\w+)", line)
        if match:
            first, last, get, put = match.groups()
            name = first if first == last else first + " .."
            put = "none" if put == "NULL" else put.replace("do_", "").replace("write_", "")
            rows.append([name, None, get, put, None])
    Table(doc, "msrs").settle(rows, (0,), write)
    source = read("kmod/vmx/msr.c")
    rows = []
    for array, how in (("u32 passed_through[]", "direct"), ("u32 switched[", "kept")):
        rows += [[name, how, None] for name in
                 re.findall(r"\bMSR_\w+", body_of(source, array))]
    Table(doc, "msr-switching").settle(rows, (0,), write)


def check_refusals(_):
    """Each reason for not loading is in host-requirements.rst, word by word."""
    doc = "Documentation/host-requirements.rst"
    text = re.sub(r"\s+", " ", read(doc))
    for path in walk("kmod", (".c",)):
        source = read(path)
        said = re.findall(r'\brefuse\("([^"]+)"', source)
        said += re.findall(r'"cannot load: ([^"%]*)[^"]*"', source)
        for words in said:
            if words.strip() not in text:
                problem(doc, 1, "does not have a reason of %s: %s" % (path, words))


def check_symbols(_):
    """Kernel symbols with a horizon: the files that use them are those listed."""
    table = Table("Documentation/host-requirements.rst", "symbols")
    sources = {os.path.relpath(p, "kmod"): read(p) for p in walk("kmod", (".c", ".h", ".S"))}
    for row, at in zip(table.rows, table.at):
        users = {p for p, s in sources.items() if re.search(r"\b%s\b" % row[0], s)}
        if users != set(row[1].split(", ")):
            problem(table.doc, at, "%s is used in: %s" % (row[0], ", ".join(sorted(users))))


def class_tests():
    """{class: {program: [test]}}"""
    found = {}
    for path in walk("selftests", (".c", ".sh", ".S")):
        source = read(path)
        program = os.path.splitext(os.path.basename(path))[0]
        names = set(re.findall(r"SUBTEST\((class\d\d_\w+)", source))
        names |= set(re.findall(r'"((?:class\d\d_\w+|\w+_class_\d+))"', source))
        if path.endswith(".sh") or "/unit/" in path:
            names |= set(re.findall(r"\bclass\d\d_\w+", source))
        for name in names:
            for number in re.findall(r"class_?(\d+)", name):
                found.setdefault(int(number), {}).setdefault(program, []).append(name)
    return found


def check_classes(write):
    doc = "Documentation/bug-classes.rst"
    tests = class_tests()
    sections = re.split(r"(?m)^(?=\d+\. .*\n-+\n)", read(doc))
    seen = set()
    for i, section in enumerate(sections[1:], 1):
        number = int(section.split(".")[0])
        seen.add(number)
        programs = tests.get(number, {})
        lines = ["``%s``: %s" % (p, ", ".join(sorted(t))) for p, t in sorted(programs.items())]
        field = textwrap.fill("; ".join(lines) or "none", 88, initial_indent=":Tests: ",
                              subsequent_indent="    ", break_on_hyphens=False) + "\n"
        field = field.replace("; ``", ";\n    ``")
        now = re.search(r"(?m)^:Tests:.*\n(?:    .*\n)*", section)
        if not now:
            problem(doc, 1, "class %d has no :Tests:" % number)
            continue
        if bool(programs) == ("\n:Missing: " in section):
            problem(doc, 1, "class %d %s" % (number, "has tests: what is missing beside them "
                    "belongs into its text" if programs else "has no test: :Missing: must say why"))
        if re.sub(r"\s+", " ", now.group(0)) != re.sub(r"\s+", " ", field):
            if write:
                sections[i] = section[:now.start()] + field + section[now.end():]
            else:
                problem(doc, 1, "class %d: the tests in selftests/ are others: "
                        "tools/check/docs.py --write" % number)
    for number in sorted(set(tests) - seen):
        problem(doc, 1, "class %d has tests and is not listed" % number)
    planned = set(re.findall(r"(?m)^([\w.+-]+)", read("selftests/plan")))
    for program in sorted({p for programs in tests.values() for p in programs} - planned):
        problem("selftests/plan", 1, "%s has tests for bug classes and is not planned" % program)
    if write:
        with open(os.path.join(TOP, doc), "w", encoding="utf-8") as f:
            f.write("".join(sections))


PLACES = ("", "kmod", DOCS, "tools", "tools/host", "tools/check", "selftests", "selftests/host",
          "selftests/lib", "selftests/unit", "userspace-cli", "uapi")


def exists(path):
    return any(os.path.exists(os.path.join(TOP, p, f)) for p in PLACES for f in expand(path))


def check_words(_):
    """Functions and files that the text names are there."""
    identifiers = set()
    for folder in ("kmod", "uapi", "userspace-cli", "selftests", "tools"):
        for path in walk(folder, (".c", ".h", ".S", ".py", ".sh")):
            identifiers |= set(re.findall(r"\w+", read(path)))
    for path in walk(DOCS, (".rst",)) + ["README.md"]:
        for at, line in enumerate(read(path).split("\n"), 1):
            for name in re.findall(r"`([A-Za-z_]\w*)\(\)`", line):
                if name not in identifiers:
                    problem(path, at, "%s() is nowhere in the sources" % name)
            for name in re.findall(r"`((?:[\w.*-]+/)*[\w.*-]+\.(?:\[?[chS]+\]?|py|sh|rst|1))`",
                                   line):
                if "*" not in name and not exists(name) and name not in KERNEL_FILES:
                    problem(path, at, "there is no file %s" % name)
            for name in re.findall(r"\]\((Documentation/[^)#]+|\w[\w.-]*\.rst)\)", line):
                if not exists(name):
                    problem(path, at, "there is no file %s" % name)


# Files of the kernel or of the build that the text may name.
KERNEL_FILES = {"Documentation/virt/kvm/api.rst"}

CHECKS = (check_files, check_floors, check_exits, check_ioctls, check_capabilities,
          check_parameters, check_cpuid, check_msrs, check_refusals, check_symbols,
          check_classes, check_words)


def main():
    write = "--write" in sys.argv[1:]
    for check in CHECKS:
        try:
            check(write)
        except (OSError, ValueError) as e:
            problem("tools/check/docs.py", 1, "%s: %s" % (check.__name__, e))
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
