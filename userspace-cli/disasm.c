// SPDX-License-Identifier: GPL-2.0
/* Takes an instruction apart: what bytes there are, in which mode, and what they say. */
#include <capstone/capstone.h>
#include <stdio.h>

#include "disasm.h"
#include "paging.h"

#define CR0_PE		BIT_ULL(0)
#define EFER_LMA	BIT_ULL(10)
#define RFLAGS_VM	BIT_ULL(17)

unsigned int disasm(unsigned int bits, u64 address, const u8 *bytes, size_t len, char *text,
		    size_t room)
{
	cs_mode mode = bits == 64 ? CS_MODE_64 : bits == 32 ? CS_MODE_32 : CS_MODE_16;
	unsigned int length = 0;
	cs_insn *insn;
	csh handle;

	text[0] = '\0';
	if (cs_open(CS_ARCH_X86, mode, &handle) != CS_ERR_OK)
		return 0;
	cs_option(handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
	if (cs_disasm(handle, bytes, len, address, 1, &insn)) {
		length = insn->size;
		snprintf(text, room, "%s%s%s", insn->mnemonic, *insn->op_str ? " " : "",
			 insn->op_str);
		cs_free(insn, 1);
	}
	cs_close(&handle);
	return length;
}

unsigned int disasm_bits(const struct kvm_sregs *sregs, u64 rflags)
{
	if (!(sregs->cr0 & CR0_PE) || rflags & RFLAGS_VM)
		return 16;
	if (sregs->efer & EFER_LMA && sregs->cs.l)
		return 64;
	return sregs->cs.db ? 32 : 16;
}

unsigned int disasm_at(struct cpu *cpu, const struct kvm_regs *regs,
		       const struct kvm_sregs *sregs, char *text, size_t room)
{
	unsigned int i, length, bits = disasm_bits(sregs, regs->rflags);
	u64 at = bits == 64 ? regs->rip : (u32)(sregs->cs.base + regs->rip);
	u8 bytes[DISASM_MOST] = { 0 };
	struct paging_copy copy = { .bytes = bytes, .len = sizeof(bytes) };
	char words[160];
	size_t len = 0;
	u64 there;

	there = paging_copy(cpu, at, &copy);
	if (!there) {
		snprintf(text, room, "(no memory is there)");
		return 0;
	}
	length = disasm(bits, regs->rip, bytes, there, words, sizeof(words));
	for (i = 0; i < (length ? length : there) && len + 4 < room; i++)
		len += snprintf(text + len, room - len, "%02x ", bytes[i]);
	snprintf(text + len, room - len, " %s", length ? words : "(no instruction)");
	return length;
}
