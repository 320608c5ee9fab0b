# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# A triple fault, and what led to it
run -s 68 'lodge run --flat triple.bin --dump-on-crash /tmp/core'
shows 'triple fault on CPU 0 in 64-bit mode at 0x10012'
shows 'IO_INSTRUCTION rip 0x10034 cr3 0x2000 qualification 0x3f80000'
shows 'EXCEPTION_NMI rip 0x10012'
shows 'TRIPLE_FAULT rip 0x10012 cr3 0x2000; went in: exception 6'
run 'lodge explain 2'
shows 'TRIPLE_FAULT'
run 'lodge explain 30 --qualification 0x3f80000'
shows 'OUT of 1 byte, port 0x3f8'
run 'strings -t x /tmp/core | grep LODGE'
shows '424 LODGE'
run 'hexdump -C -s 0x418 -n 80 /tmp/core'
shows '|..... ......LODG|'
run 'rm /tmp/core'
