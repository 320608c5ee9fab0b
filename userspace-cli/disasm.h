/* SPDX-License-Identifier: GPL-2.0 */
/* The guest's instructions in words, by libcapstone. */
#ifndef LODGE_CLI_DISASM_H
#define LODGE_CLI_DISASM_H

#include "machine.h"

#define DISASM_MOST	15	/* bytes of the longest instruction */

/*
 * The instruction at the beginning of @bytes, which stands at @address in code of @bits (16,
 * 32 or 64), into @text. Its length, or 0 with no text if there is none.
 */
unsigned int disasm(unsigned int bits, u64 address, const u8 *bytes, size_t len, char *text,
		    size_t room);

/* 16, 32 or 64: how code is read that runs with these segments. */
unsigned int disasm_bits(const struct kvm_sregs *sregs, u64 rflags);

/*
 * The instruction at a vCPU's RIP, with its bytes, as "0f a2  cpuid"; its length or 0, with a
 * text that says so. The vCPU stands still.
 */
unsigned int disasm_at(struct cpu *cpu, const struct kvm_regs *regs,
		       const struct kvm_sregs *sregs, char *text, size_t room);

#endif
