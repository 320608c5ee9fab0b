// SPDX-License-Identifier: GPL-2.0
/*
 * vmcs_dump.c - a VMCS as a list of numbers and values, for whoever wants to look at
 * it.  Which fields there are the CPU says itself: each number that the SDM's scheme
 * allows is tried, up to the largest index that the CPU knows (vol. 3C 24.11.2,
 * A.9).  Nothing here writes.
 */
#include <linux/bitfield.h>
#include <linux/kernel.h>
#include <asm/msr.h>

#include "../lodge.h"
#include "fields.h"
#include "insn.h"
#include "vmcs_dump.h"

#define ENUM_MAX_INDEX	GENMASK_ULL(9, 1)

static u32 field_number(u32 width, u32 type, u32 index)
{
	return width << 13 | type << 10 | index << 1;
}

/*
 * Addresses of the host, virtual or physical: they are nobody's but root's.  Of the
 * host's natural-width fields all but CR0 and CR4; of the 64-bit controls those that
 * point somewhere.
 */
bool vmcs_is_secret(u32 field)
{
	static const u32 pointers[] = {
		IO_BITMAP_A, IO_BITMAP_B, MSR_BITMAP, VM_EXIT_MSR_STORE_ADDR,
		VM_EXIT_MSR_LOAD_ADDR, VM_ENTRY_MSR_LOAD_ADDR, PML_ADDRESS,
		VIRTUAL_APIC_PAGE_ADDR, APIC_ACCESS_ADDR, POSTED_INTR_DESC_ADDR, EPT_POINTER,
		EPTP_LIST_ADDRESS, VMREAD_BITMAP, VMWRITE_BITMAP, FIELD_EXECUTIVE_VMCS,
		FIELD_VE_INFORMATION, FIELD_SPP_TABLE,
	};
	int i;

	if (field >= HOST_CR0)
		return field != HOST_CR0 && field != HOST_CR4;
	for (i = 0; i < ARRAY_SIZE(pointers); i++)
		if (field == pointers[i])
			return true;
	return false;
}

static struct lodge_vmcs_field show(const struct lodge_vcpu *vcpu, u32 field, u64 value, bool hide)
{
	if (hide && vmcs_is_secret(field))
		return (struct lodge_vmcs_field) { .encoding = field, .flags = LODGE_VMCS_HIDDEN };
	/* tries of fields that were not there have changed it */
	if (field == VM_INSTRUCTION_ERROR)
		value = vcpu->insn_error;
	return (struct lodge_vmcs_field) { .encoding = field, .value = value };
}

int vmcs_dump(struct lodge_vcpu *vcpu, bool hide, struct lodge_vmcs_field *out, int max)
{
	u32 kind, index, last, field;
	unsigned long value;
	u64 numbers;
	int n = 0;

	rdmsrl(MSR_IA32_VMX_VMCS_ENUM, numbers);
	last = FIELD_GET(ENUM_MAX_INDEX, numbers);
	for (kind = 0; kind < 16; kind++) {
		for (index = 0; index <= last; index++) {
			field = field_number(kind & 3, kind >> 2, index);
			if (!vmread_try(field, &value))
				continue;
			if (n < max)
				out[n] = show(vcpu, field, value, hide);
			n++;
		}
	}
	return n;
}
