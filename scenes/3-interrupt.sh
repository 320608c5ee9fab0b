# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2016
# An interrupt's way into a guest, without and with APICv
run 'rmmod lodge'
run 'insmod $LODGE_KO enable_apicv=0'
begin 'lodge step ticks-boot.bin --net none --at io'
shows 'OUT of 1 byte, port 0xf4'
beside 'cat /sys/kernel/debug/lodge/*/vcpu0/exits'
shows 'INTERRUPT_WINDOW         20'
shows 'APIC_ACCESS              26'
type 'b 9'
shows 'qualification 0x10b0; went in: interrupt 64'
type 'v pin_controls'
shows 'external-interrupt exiting'
type 'q'
ends 0
run 'rmmod lodge'
run 'insmod $LODGE_KO enable_apicv=1'
begin 'lodge step ticks-boot.bin --net none --at io'
shows 'OUT of 1 byte, port 0xf4'
beside 'cat /sys/kernel/debug/lodge/*/vcpu0/exits'
shows 'EXTERNAL_INTERRUPT '
shows 'APIC_WRITE               6'
type 'b 9'
shows 'EXTERNAL_INTERRUPT rip'
type 'v pin_controls'
shows 'posted interrupts'
type 'q'
ends 0
