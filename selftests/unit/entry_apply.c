// SPDX-License-Identifier: GPL-2.0
/*
 * entry_apply.c - a VMCS broken as a row of entry_mutations.h says. The kernel's headers
 * of VMX are needed here, and nowhere beyond entry_apply.h.
 */
#include "vmx_shim.h"

#include "../../uapi/linux/lodge.h"
#include "entry_apply.h"
#include "entry_mutations.h"

static const u32 word_fields[ENTRY_WORDS] = {
	[ENTRY_PIN] = PIN_BASED_VM_EXEC_CONTROL, [ENTRY_PROC] = CPU_BASED_VM_EXEC_CONTROL,
	[ENTRY_PROC2] = SECONDARY_VM_EXEC_CONTROL, [ENTRY_PROC3] = TERTIARY_VM_EXEC_CONTROL,
	[ENTRY_EXIT] = VM_EXIT_CONTROLS, [ENTRY_EXIT2] = FIELD_EXIT_CONTROLS2,
	[ENTRY_ENTRY] = VM_ENTRY_CONTROLS,
};

static void put(struct vmcs_image *vmcs, u32 field, u64 value)
{
	int index = vmcs_field_index(field);

	if (vmcs_image_has(vmcs, index))
		vmcs_image_put(vmcs, index, value);
}

void entry_prepare(const struct entry_mutation *m, struct vmcs_image *vmcs)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(m->off); i++) {
		u32 word = word_fields[m->off[i].word];

		put(vmcs, word, vmcs_image_get(vmcs, word) & ~(u64)m->off[i].bits);
	}
	for (i = 0; i < ARRAY_SIZE(m->on); i++) {
		u32 word = word_fields[m->on[i].word];

		put(vmcs, word, vmcs_image_get(vmcs, word) | m->on[i].bits);
	}
	for (i = 0; i < ARRAY_SIZE(m->also); i++)
		if (m->also[i].field)
			put(vmcs, m->also[i].field, m->also[i].value);
}

void entry_break(const struct entry_mutation *m, struct vmcs_image *vmcs,
		 const struct entry_place *place)
{
	u64 value = vmcs_image_get(vmcs, m->field);

	switch (m->how) {
	case SET_TO:
		value = m->value;
		break;
	case SET_TO_PAGE:
		value = place->page(place->opaque, m->value & ~0xfffull) + (m->value & 0xfff);
		break;
	case SET_TO_END:
		value = (1ull << place->physical_bits) - m->value;
		break;
	case SET_BITS:
		value |= m->value;
		break;
	case CLEAR_BITS:
		value &= ~m->value;
		break;
	default:
		value ^= m->value;
	}
	put(vmcs, m->field, value);
}

bool entry_case(unsigned int i, struct entry_case *c)
{
	const struct entry_mutation *m = &entry_mutations[i];

	if (i >= ARRAY_SIZE(entry_mutations))
		return false;
	*c = (struct entry_case) {
		.rule = m->rule, .field = m->field, .from = m->from, .cpu = m->cpu,
		.lax = m->lax, .page = m->how == SET_TO_PAGE ? m->value & ~0xfffull : 0,
	};
	return true;
}

int entry_changes(unsigned int i, const struct lodge_vmcs_field *fields, u32 count,
		  const struct entry_place *place, struct lodge_vmcs_field *out, int max)
{
	static struct vmcs_image old, new;
	int index, n = 0;
	u32 j;

	memset(&old, 0, sizeof(old));
	for (j = 0; j < count; j++) {
		index = vmcs_field_index(fields[j].encoding);
		if (index >= 0)
			vmcs_image_put(&old, index, fields[j].value);
	}
	new = old;
	entry_prepare(&entry_mutations[i], &new);
	entry_break(&entry_mutations[i], &new, place);
	for (index = 0; index < VMCS_FIELDS; index++) {
		if (new.value[index] == old.value[index])
			continue;
		if (n == max)
			return -1;
		out[n++] = (struct lodge_vmcs_field) {
			.encoding = vmcs_fields[index].encoding, .value = new.value[index],
		};
	}
	return n;
}

const void *entry_page(u64 at, unsigned long *size)
{
	switch (at) {
	case AT_OTHER_VMCS:
		*size = sizeof(entry_other_vmcs);
		return entry_other_vmcs;
	case AT_BAD_PDPTES:
		*size = sizeof(entry_bad_pdptes);
		return entry_bad_pdptes;
	case AT_BAD_MSRS:
		*size = sizeof(entry_bad_msrs);
		return entry_bad_msrs;
	}
	return NULL;
}
