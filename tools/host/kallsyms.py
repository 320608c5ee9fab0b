#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The names of a kernel that was stripped: Linux carries its symbols in tables of its own
(kallsyms), packed with a dictionary of 256 words. They are found in the unpacked kernel by
what must be true of them, as nothing says where they are. Out comes a small ELF file with a
symbol table and nothing else, which debuggers read.

	kallsyms.py VMLINUX SYMBOLS

The two orders of the tables that are known are those of Linux 6.1 to 6.3 and of 6.4 and
later; both with addresses relative to a base.
"""

import array
import struct
import sys

DIGITS = b"".join(b"%d\0" % n for n in range(10))
WORDS = 256
MARKED = 256                    # of so many names the place of the first is in a table
KERNEL = 0xffffffff80000000     # where its text and data are
FEWEST, MOST = 4096, 1 << 20    # names


class Trouble(Exception):
    """There are no such tables, or they are of a kind that is not known here."""


def aligned(n):
    return n + 7 & ~7


def find_words(data):
    """The dictionary: its words, where it begins, and the end of its index."""
    at = data.find(DIGITS)
    while at >= 0:
        # The digits are words for themselves, in their places of ASCII.
        for start in range((at - 2 * ord("0")) & ~7, max(0, at - 4096), -8):
            words = data[start:start + 16384].split(b"\0", WORDS)[:WORDS]
            if start + sum(len(w) + 1 for w in words[:ord("0")]) != at:
                continue
            places, end = [], 0
            for word in words:
                places.append(end)
                end += len(word) + 1
            index = aligned(start + end)
            if data[index:index + 2 * WORDS] == struct.pack("<%dH" % WORDS, *places):
                return words, start, index + 2 * WORDS
        at = data.find(DIGITS, at + 1)
    raise Trouble("no dictionary of symbols")


def entry(data, at):
    """Where the packed name at that place begins, and where it ends."""
    size = data[at]
    at += 1
    if size & 0x80:
        size = size & 0x7f | data[at] << 7
        at += 1
    return at, at + size


def walk(data, start, count):
    """The places of each 256th name, relative to the first, and the end of all."""
    marks, at = [], start
    for n in range(count):
        if n % MARKED == 0:
            marks.append(at - start)
        at = entry(data, at)[1]
        if at + 1 >= len(data):
            return None, at
    return marks, at


def find_names(data, before):
    """How many names there are, and where: in front of the dictionary, behind their
    number; with their marks behind them."""
    numbers = array.array("Q", data[:before & ~7])
    for i in range(len(numbers) - 1, 0, -1):
        count, start = numbers[i], 8 * i + 8
        if not FEWEST <= count < MOST or start + 4 * count > before:
            continue
        marks, _ = walk(data, start, 3 * MARKED)
        if not marks or data.find(struct.pack("<3I", *marks), start, before) < 0:
            continue
        marks, end = walk(data, start, count)
        if marks and data.startswith(struct.pack("<%dI" % len(marks), *marks), aligned(end)):
            return count, start
    raise Trouble("no names of symbols")


def addresses(data, count, offsets, base):
    """From the table of offsets and the base; None if that is not what is there."""
    if offsets < 0 or base + 8 > len(data):
        return None
    base = struct.unpack_from("<Q", data, base)[0]
    if base < KERNEL or base % 4096:
        return None
    # Those above zero are no places in the kernel but in a CPU's own data.
    found = [v if v >= 0 else base - 1 - v
             for v in struct.unpack_from("<%di" % count, data, offsets)]
    return found if found == sorted(found) else None


def symbols(data):
    """A list of (name, type as nm has it, address)."""
    words, words_start, words_end = find_words(data)
    count, start = find_names(data, words_start)
    # The number of names is in 8 bytes; in front of it, or behind the dictionary.
    found = addresses(data, count, start - 16 - aligned(4 * count), start - 16) or \
        addresses(data, count, words_end, words_end + aligned(4 * count))
    if not found:
        raise Trouble("no addresses of symbols")
    names = []
    for address in found:
        at, start = entry(data, start)
        name = b"".join(words[c] for c in data[at:start]).decode("ascii")
        names.append((name[1:], name[0], address))
    return names


# ---- the ELF file -------------------------------------------------------------------

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
SEGMENT = struct.Struct("<IIQQQQQQ")
LOAD = 1                                # type of a segment
SYMTAB, STRTAB, NOBITS = 2, 3, 8        # types of sections
ALLOC = 2                               # flag of one: it is in memory
ABSOLUTE = 0xfff1                       # number of a section
OBJECT, FUNCTION = 1, 2                 # types of symbols
EXECUTABLE, X86_64 = 2, 62


class Strings:
    """A string table in the making."""

    def __init__(self):
        self.data = bytearray(b"\0")

    def add(self, text):
        at = len(self.data)
        self.data += text.encode("ascii") + b"\0"
        return at


def sections(vmlinux):
    """The kernel's own sections that are in memory: (name, flags, address, size)."""
    header = HEADER.unpack_from(vmlinux)
    shoff, count, names = header[6], header[12], header[13]
    table = [SECTION.unpack_from(vmlinux, shoff + SECTION.size * n) for n in range(count)]
    found = []
    for s in table:
        if s[2] & ALLOC and s[3] >= KERNEL:
            at = table[names][4] + s[0]
            name = vmlinux[at:vmlinux.index(b"\0", at)].decode("ascii")
            found.append((name, s[2], s[3], s[5]))
    return found


def symbol_table(names, places, strings):
    """The table's bytes and how many of its symbols are local, which come first."""
    local, others = [SYMBOL.pack(0, 0, 0, 0, 0, 0)], []
    ends = [a for _, _, a in names[1:]] + [0]
    for (name, kind, address), end in zip(names, ends):
        number = next((n for n, (_, _, start, size) in enumerate(places, 1)
                       if start <= address < start + size), ABSOLUTE)
        what = FUNCTION if kind in "tTwW" else OBJECT
        size = end - address if number != ABSOLUTE and end > address else 0
        weak = kind in "wWvV"
        bind = 2 if weak else 1 if kind.isupper() else 0
        (others if bind else local).append(
            SYMBOL.pack(strings.add(name), bind << 4 | what, 0, number, address, size))
    return b"".join(local + others), len(local)


def symbol_file(vmlinux, names):
    """The file as bytes: the kernel's sections without what is in them, and the names."""
    places, strings, titles = sections(vmlinux), Strings(), Strings()
    table, local = symbol_table(names, places, strings)
    offset = HEADER.size
    parts, headers = [], [bytes(SECTION.size)]
    for name, flags, address, size in places:
        headers.append(SECTION.pack(titles.add(name), NOBITS, flags, address, offset, size,
                                    0, 0, 16, 0))

    def contents(name, kind, data, link=0, info=0, each=0):
        nonlocal offset
        headers.append(SECTION.pack(titles.add(name), kind, 0, 0, offset, len(data),
                                    link, info, 8, each))
        data += bytes(-len(data) % 8)
        parts.append(data)
        offset += len(data)

    contents(".symtab", SYMTAB, table, len(headers) + 1, local, SYMBOL.size)
    contents(".strtab", STRTAB, bytes(strings.data))
    names_at = titles.add(".shstrtab")
    headers.append(SECTION.pack(names_at, STRTAB, 0, 0, offset, len(titles.data), 0, 0, 1, 0))
    parts.append(bytes(titles.data) + bytes(-len(titles.data) % 8))
    offset += len(parts[-1])
    header = HEADER.pack(b"\x7fELF\2\1\1", EXECUTABLE, X86_64, 1, 0, 0, offset, 0,
                         HEADER.size, 0, 0, SECTION.size, len(headers), len(headers) - 1)
    return b"".join([header] + parts + headers)


def check(vmlinux, names):
    """What is known of one: the kernel's banner is where its name says."""
    banner = next((a for n, _, a in names if n == "linux_banner"), 0)
    header = HEADER.unpack_from(vmlinux)
    for n in range(header[10]):
        kind, _, offset, address, _, size = SEGMENT.unpack_from(
            vmlinux, header[5] + SEGMENT.size * n)[:6]
        if kind == LOAD and address <= banner < address + size and \
                vmlinux.startswith(b"Linux version ", offset + banner - address):
            return
    raise Trouble("the addresses of symbols are wrong")


def convert(vmlinux, to):
    """From one file to another. Data that are a source file's own are left out, which are
    nearly half of all and most of them the build's, and the room in front of functions."""
    with open(vmlinux, "rb") as f:
        data = f.read()
    names = symbols(data)
    check(data, names)
    data = symbol_file(data, [n for n in names if n[1] not in "bdr" and
                              not n[0].startswith("__pfx_")])
    with open(to, "wb") as f:
        f.write(data)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: kallsyms.py VMLINUX SYMBOLS")
    try:
        convert(sys.argv[1], sys.argv[2])
    except Trouble as e:
        sys.exit("lodge: %s: %s" % (sys.argv[1], e))


if __name__ == "__main__":
    main()
