# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# A VM entry that the CPU refuses
begin 'lodge step --flat hello.bin --at io'
shows 'IN of 1 byte, port 0x3fd'
type 'v tr'
shows 'rights 0x0000008b'
type 'r tr.type 3'
beside 'lodge vmcs | grep "  tr "'
shows 'rights 0x00000083'
type 's'
shows 'VM entry failed on CPU 0 in 64-bit mode'
shows 'guest.tr.type: '
shows 'INVALID_STATE (the entry failed)'
ends 69
run 'lodge explain 0x80000021'
shows 'INVALID_STATE, the entry failed'
run 'dmesg | grep "VM entry of"'
shows 'guest.tr.type: guest_tr_access_rights is 0x83'
