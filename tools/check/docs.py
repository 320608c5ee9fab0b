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
            parts = textwrap.wrap(row[-1], room, break_on_hyphens=False,
                                  break_long_words=False) or ["\\"]
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


def split_commas(text):
    """The parts between commas that are in no bracket."""
    parts, depth = [""], 0
    for c in text:
        depth += (c in "({[") - (c in ")}]")
        if c == "," and not depth:
            parts.append("")
        else:
            parts[-1] += c
    return [" ".join(p.split()) for p in parts if p.strip()]


def initialisers(source, declaration):
    """The rows of a table, each as a list; ONE(x, ...) stands for { x, x, ... }."""
    body = body_of(source, declaration)
    body = re.sub(r"/\*.*?\*/", "", body[body.index("{") + 1:], flags=re.S)
    rows = []
    for item in split_commas(body):
        match = re.match(r"(ONE\(|\{)(.*)[)}]$", item)
        if not match:
            raise ValueError("%s: what is %s?" % (declaration, item))
        row = split_commas(match.group(2))
        rows.append(row[:1] + row if match.group(1) == "ONE(" else row)
    return rows


# ---- what is compared ------------------------------------------------------

def expand(name):
    """vmx/caps.[ch] -> vmx/caps.c, vmx/caps.h"""
    match = re.match(r"(.*)\[(\w+)\]$", name)
    return [match.group(1) + c for c in match.group(2)] if match else [name]


def check_files(_):
    """Every file of the module, and of the command, is in its table."""
    compare_files("Documentation/README.rst", "files", "kmod", (".c", ".h", ".S", "Makefile"))
    compare_files("Documentation/vmm.rst", "cli-files", "userspace-cli",
                  (".c", ".h", ".S", ".asl", "Makefile", ".bash-completion"))


def compare_files(doc, name, folder, endings):
    table = Table(doc, name)
    if table.first is None:
        return
    have = [f for r in table.rows for f in expand(r[0])]
    for name in sorted({f for f in have if have.count(f) > 1}):
        problem(table.doc, table.mark + 1, "%s is listed twice" % name)
    want = {os.path.relpath(f, folder) for f in walk(folder, endings)}
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


def cards_of(lines):
    """{ioctl: (line, set of descriptors)} of the cards in api.rst"""
    cards = {}
    for i in range(1, len(lines) - 2):
        if re.match(r"~+$", lines[i]) and re.match(r"[A-Z]+_[A-Z0-9_]+$", lines[i - 1]):
            for line in lines[i:i + 6]:
                if line.startswith(":Descriptor: "):
                    cards[lines[i - 1]] = (i, set(line[13:].split(", ")))
    return cards


def check_ioctls(write):
    doc = API
    calls = rows_of_ioctls(read("kmod/ioctl.c") + read("kmod/ioctl_vcpu.c"))
    cards = cards_of(read(doc).split("\n"))
    for name, kinds in sorted(calls.items()):
        if name not in cards:
            problem(doc, 1, "no card for %s" % name)
        elif cards[name][1] != kinds:
            problem(doc, cards[name][0], "%s is a call on: %s" % (name, ", ".join(sorted(kinds))))
    for name in sorted(set(cards) - set(calls)):
        problem(doc, cards[name][0], "a card for %s, which kmod/ioctl.c does not know" % name)
    table = Table(doc, "ioctls")
    for (name, kinds, support, remark), at in zip(table.rows, table.at):
        if support not in SUPPORT:
            problem(doc, at, "%s: support is full, partial or absent" % name)
        if (support == "absent") == (name in calls):
            problem(doc, at, "%s is called %s, and kmod/ioctl.c %s it" % (
                name, support, "has" if name in calls else "does not have"))
        elif support == "full" and calls[name] != set(kinds.split(", ")):
            problem(doc, at, "%s is not full: lodge has it on: %s" % (
                name, ", ".join(sorted(calls[name]))))
        if support == "partial" and not remark:
            problem(doc, at, "%s: what is missing?" % name)
    for name in sorted(set(calls) - {r[0] for r in table.rows}):
        problem(doc, table.mark + 1, "%s is not in the table of ioctls" % name)
    header = kvm_header()
    if header:
        names = [n for n, _ in re.findall(r"#define\s+(KVM_\w+)\s+_IO\w*\(\s*KVMIO,\s*(0x\w+)",
                                          header)]
        check_foreign("foreign-ioctls", names, {r[0] for r in table.rows}, write)


# The tables of support are those of this header, and docs.py looks into it.
UAPI = ("/usr/include/linux/kvm.h", "/usr/include/x86_64-linux-gnu/asm/kvm.h",
        "/usr/include/asm/kvm.h")
FOREIGN = re.compile(r"KVM_(CAP_)?(S390|PPC|ARM|MIPS|SPAPR|RISCV)_")
SUPPORT = ("full", "partial", "absent")
API = "Documentation/api.rst"


def kvm_header():
    """<linux/kvm.h>, with what it includes of the architecture; empty if it is not here."""
    return "".join(read(p) for p in UAPI if os.path.exists(p))


def check_foreign(name, header, listed, write):
    """What the header has and the table has not stands in the list below the marker:
    the names of other architectures by themselves, others where somebody put them."""
    lines = read(API).split("\n")
    marker = ".. lodge-list: " + name
    if marker not in lines:
        problem(API, 1, "has no list %s" % name)
        return
    first = lines.index(marker) + 2
    last = lines.index("", first)
    have = re.findall(r"\bKVM_\w+", " ".join(lines[first:last]))
    for n in sorted(set(have) & listed):
        problem(API, first + 1, "%s is in the table, too" % n)
    want = [n for n in header if n not in listed and (FOREIGN.match(n) or n in have)]
    for n in sorted(set(header) - listed - set(want)):
        problem(API, first + 1, "%s of <linux/kvm.h> is nowhere" % n)
    text = textwrap.wrap(", ".join(want) + ".", 88, break_on_hyphens=False)
    if text == lines[first:last]:
        return
    if not write:
        problem(API, first + 1, "list %s is not that of the header: --write" % name)
        return
    lines[first:last] = text
    with open(os.path.join(TOP, API), "w", encoding="utf-8") as f:
        f.write("\n".join(lines))


# Sizes of structs of <linux/kvm.h> that constants are made of.
SIZES = {"kvm_dirty_gfn": "16"}


def number_of(expression, defines, depth=0):
    """The value of a constant expression of C, None where it cannot be told."""
    def replace(match):
        word = match.group(0)
        if re.match(r"0[xX]|\d", word):
            return re.sub(r"[uUlL]+$", "", word)
        value = number_of(defines[word], defines, depth + 1) if word in defines else None
        return str(value) if value is not None else "?"

    if depth > 20:
        return None
    text = re.sub(r"\bBIT\((\d+)\)", r"(1 << \1)", expression)
    text = re.sub(r"\bsizeof\(struct (\w+)\)", lambda m: SIZES.get(m.group(1), "?"), text)
    text = re.sub(r"\b\w+\b", replace, text)
    if not re.fullmatch(r"[\s()|<&~+*\d-]*|\s*0[xX][\da-fA-F]+\s*", re.sub(
            r"0[xX][\da-fA-F]+", "0", text)):
        return None
    return eval(text, {})


def defines_of(*sources):
    """{name: expression} of the macros without arguments"""
    joined = re.sub(r"/\*.*?\*/", "", "".join(sources), flags=re.S).replace("\\\n", " ")
    return dict(re.findall(r"(?m)^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(\S.*)$", joined))


def known_capabilities():
    """{capability: its value as text, or None where it is worked out}"""
    source = read("kmod/extension.c")
    defines = defines_of(kvm_header(), read("kmod/lodge.h"), source)
    caps = {}
    for row in initialisers(source, "caps[] = {"):
        value = number_of(row[1], defines)
        if len(row) > 2 and row[2] != "NULL":
            caps[row[0]] = None
        elif value is not None:
            caps[row[0]] = str(value)
        elif kvm_header():
            problem("kmod/extension.c", 1, "%s: what is %s?" % (row[0], row[1]))
    return caps


VALUE = re.compile(r"(\d+)(?: or (\d+|more))?$|\((CPUs)\)$")


def check_capabilities(write):
    table = Table(API, "capabilities")
    caps = known_capabilities()
    for (_number, name, value, support, remark), at in zip(table.rows, table.at):
        if support not in SUPPORT:
            problem(table.doc, at, "%s: support is full, partial or absent" % name)
        if not VALUE.match(value):
            problem(table.doc, at, "%s: a value is N, N or M, N or more, (CPUs)" % name)
        if (support == "absent") == (name in caps):
            problem(table.doc, at, "%s is called %s, and kmod/extension.c %s it" % (
                name, support, "has" if name in caps else "does not have"))
        elif caps.get(name, "0") is None:
            if value.isdigit():
                problem(table.doc, at, "%s is worked out, not %s" % (name, value))
        elif caps.get(name, "0") != value:
            problem(table.doc, at, "%s is %s" % (name, caps.get(name, "0")))
        if support == "partial" and not remark:
            problem(table.doc, at, "%s: what is missing?" % name)
    for name in sorted(set(caps) - {r[1] for r in table.rows}):
        problem(table.doc, table.mark + 1, "%s is not in the table of capabilities" % name)
    order = [int(r[0]) for r in table.rows]
    if order != sorted(set(order)):
        problem(table.doc, table.mark + 1, "the capabilities are not sorted")
    header = kvm_header()
    if not header:
        return
    numbers = dict(re.findall(r"#define\s+(KVM_CAP_\w+)\s+(\d+)", header))
    for (number, name, _v, _s, _r), at in zip(table.rows, table.at):
        if numbers.get(name, number) != number:
            problem(table.doc, at, "%s is number %s" % (name, numbers[name]))
    check_foreign("foreign-capabilities", list(numbers), {r[1] for r in table.rows}, write)


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


def name_of_row(row):
    name = re.sub("^MSR_", "", row[0])
    return name if row[0] == row[1] else name + " .."


MSR_FLAGS = {"SAVED": "S", "FEATURE": "F", "OPEN": "O", "HOST_WRITES": "U", "0": ""}


def msr_functions(row):
    """read_x and write_x, without these words; one where they are the same"""
    words = [re.sub("^(do_)?(read|write)_", "", f) for f in row[3:5]]
    words[1] = "none" if words[1] == "NULL" else words[1]
    return words[0] if words[0] == words[1] else "/".join(words)


def check_msrs(write):
    doc = "Documentation/cpuid-msr.rst"
    source = initialisers(read("kmod/cpu/msr.c"), "msr_row rows[]")
    rows = []
    for row in source:
        flags = "".join(MSR_FLAGS[f] for f in row[2].split(" | "))
        rows.append([name_of_row(row), None, flags or "none", msr_functions(row), None])
    Table(doc, "msrs").settle(rows, (0,), write)
    rows = [[name_of_row(row), "direct", None] for row in source if "OPEN" in row[2]]
    rows += [[name[4:], "kept", None] for name in
             re.findall(r"\bMSR_\w+", body_of(read("kmod/vmx/msr.c"), "u32 switched["))]
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


RUN_PAGE = "Documentation/lodge-run.1"


def string_of(source, field):
    """The string that an initialiser gives a field, of its pieces between quotes."""
    at = source.index("." + field + " =")
    pieces = re.findall(r'"((?:[^"\\]|\\.)*)"', source[at:source.index(",\n", at)])
    return "".join(pieces).replace("\\n", "\n")


def check_run_options(_):
    """The table of options is the manual page, the help and the completion."""
    source = read("userspace-cli/run_options.c")
    want = set(re.findall(r'\{ "([\w-]+)", \w+_argument,', body_of(source, "} table[] = {")))
    page = read(RUN_PAGE).replace("\\-", "-")
    completion = read("userspace-cli/lodge.bash-completion")
    at = completion.index("_lodge_run()")
    places = {
        RUN_PAGE: page,
        "userspace-cli/cmd_run.c": string_of(read("userspace-cli/cmd_run.c"), "help"),
        "userspace-cli/lodge.bash-completion": completion[at:completion.index("\n}", at)],
    }
    lines = places["userspace-cli/cmd_run.c"].splitlines()
    if len(lines) > 24 or max(map(len, lines)) > 79:
        problem("userspace-cli/cmd_run.c", 1, "the help does not fit a screen of 80 x 24")
    described = set(re.findall(r"(?m)^(?:\.BI? |\\fB)--([a-z][a-z-]*)", page))
    for path, text in places.items():
        have = set(re.findall(r"--([a-z][a-z-]*)", text))
        for name in sorted(want - (described if path == RUN_PAGE else have)):
            problem(path, 1, "does not tell of --%s" % name)
        for name in sorted(have - want):
            problem(path, 1, "tells of --%s, which lodge run has not" % name)


def check_run_ends(_):
    """How a guest can end, and with which status, stands in the manual page."""
    page = read(RUN_PAGE)
    statuses = page[page.index(".SH EXIT STATUS"):page.index(".SH JSON")]
    names = page[page.index(".SH JSON"):page.index(".SH EXAMPLES")]
    source = read("userspace-cli/run_report.c")
    source = source[source.index("end_name("):]
    # END_NONE is that of a machine that has not ended.
    ends = dict(re.findall(r'\[(END_\w+)\] = "([\w-]+)"', source[:source.index("};")]))
    ends.pop("END_NONE")
    have = set(re.findall(r"(?m)^\.B ([\w-]+)$", names[names.index(".RS"):names.index(".RE")]))
    for name in sorted(set(ends.values()) ^ have):
        problem(RUN_PAGE, 1, "%s: the page and run_report.c do not both have this end" % name)
    header = read("userspace-cli/err.h")
    codes = dict(re.findall(r"\b(STATUS_\w+) = (\d+)", header))
    # That of `lodge doctor` is in lodge.1.
    codes.pop("STATUS_NOT_READY")
    have = set(re.findall(r"(?m)^\.BI? (\d+)", statuses))
    for number in sorted(set(codes.values()) ^ have, key=int):
        problem(RUN_PAGE, 1, "%s: the page and err.h do not both have this status" % number)
    have = set(re.findall(r"(?m)^\.B (\d+)", read("Documentation/lodge.1")))
    for number in sorted(have - set(re.findall(r"STATUS_\w+ = (\d+)", header)), key=int):
        problem("Documentation/lodge.1", 1, "%s: err.h has no such status" % number)


def check_clients(write):
    """The KVM selftests of the kernel, as the list says that they are run."""
    source = read("clients/kvm-selftests.list")
    rows = []
    for line in re.findall(r"(?m)^[a-z].*", source):
        head, _, note = line.partition(";")
        _, name, cpus, _, lodge, kvm = head.split()[:6]
        rows.append([name, cpus, lodge, kvm, note.strip()])
    Table("Documentation/clients.rst", "kvm-selftests").settle(sorted(rows), (0,), write)


PLACES = ("", "kmod", DOCS, "clients", "tools", "tools/host", "tools/check", "selftests",
          "selftests/host", "selftests/lib", "selftests/unit", "userspace-cli", "uapi")


FILE_NAME = re.compile(
    r"`((?:[\w.*-]+/)*[\w.*-]+\.(?:\[?[chS]+\]?|asl|py|sh|rst|[1-8]))`")


def exists(path):
    return any(os.path.exists(os.path.join(TOP, p, f)) for p in PLACES for f in expand(path))


def check_words(_):
    """Functions and files that the text names are there."""
    identifiers = set()
    for folder in ("kmod", "uapi", "userspace-cli", "selftests", "tools", "clients"):
        for path in walk(folder, (".c", ".h", ".S", ".py", ".sh")):
            identifiers |= set(re.findall(r"\w+", read(path)))
    for path in walk(DOCS, (".rst",)) + ["README.md"]:
        for at, line in enumerate(read(path).split("\n"), 1):
            for name in re.findall(r"`([A-Za-z_]\w*)\(\)`", line):
                if name not in identifiers:
                    problem(path, at, "%s() is nowhere in the sources" % name)
            for name in FILE_NAME.findall(line):
                if "*" not in name and not exists(name) and name not in KERNEL_FILES:
                    problem(path, at, "there is no file %s" % name)
            for name in re.findall(r"\]\((Documentation/[^)#]+|\w[\w.-]*\.rst)\)", line):
                if not exists(name):
                    problem(path, at, "there is no file %s" % name)


# Files of the kernel or of the build that the text may name.
KERNEL_FILES = {"Documentation/virt/kvm/api.rst"}

CHECKS = (check_files, check_floors, check_exits, check_ioctls, check_capabilities,
          check_parameters, check_cpuid, check_msrs, check_refusals, check_symbols,
          check_classes, check_clients, check_run_options, check_run_ends, check_words)


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
