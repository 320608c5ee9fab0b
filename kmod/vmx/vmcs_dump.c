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
#include "insn.h"
#include "vmcs_dump.h"

#define ENUM_MAX_INDEX	GENMASK_ULL(9, 1)

static u32 field_number(u32 width, u32 type, u32 index)
{
	return width << 13 | type << 10 | index << 1;
}

int vmcs_dump(struct lodge_vcpu *vcpu, struct lodge_vmcs_field *out, int max)
{
	u32 width, type, index, last, field;
	unsigned long value;
	u64 numbers;
	int n = 0;

	rdmsrl(MSR_IA32_VMX_VMCS_ENUM, numbers);
	last = FIELD_GET(ENUM_MAX_INDEX, numbers);
	for (type = 0; type < 4; type++) {
		for (width = 0; width < 4; width++) {
			for (index = 0; index <= last; index++) {
				field = field_number(width, type, index);
				if (!vmread_try(field, &value))
					continue;
				/* those that were not there have changed it */
				if (field == VM_INSTRUCTION_ERROR)
					value = vcpu->insn_error;
				if (n < max)
					out[n] = (struct lodge_vmcs_field) {
						.encoding = field, .value = value,
					};
				n++;
			}
		}
	}
	return n;
}
