// SPDX-License-Identifier: GPL-2.0
/*
 * entry_check.c - walks the tables of the rules of VM entry, and answers the
 * questions that are asked in all of them.  What the rules are is in the tables,
 * in the order of SDM vol. 3C 26.2 to 26.4.
 */
#include "entry_check_priv.h"

/* SDM vol. 3A 4.5.3: a linear address is sign-extended. */
bool entry_is_canonical(const struct entry_cpu *cpu, u64 address)
{
	unsigned int shift = 64 - cpu->linear_bits;

	return shift >= 64 || (u64)((s64)(address << shift) >> shift) == address;
}

/* SDM vol. 3A 11.12.2: UC, WC, WT, WP, WB and UC-. */
bool entry_is_pat(u64 value)
{
	const u8 types = BIT(0) | BIT(1) | BIT(4) | BIT(5) | BIT(6) | BIT(7);
	unsigned int i;

	for (i = 0; i < 64; i += 8) {
		u8 type = value >> i;

		if (type > 7 || !(types >> type & 1))
			return false;
	}
	return true;
}

u64 entry_beyond(const struct entry_cpu *cpu)
{
	return cpu->physical_bits < 64 ? ~0ull << cpu->physical_bits : 0;
}

bool entry_zeros(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & row->arg);
}

bool entry_ones(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return (value & row->arg) == row->arg;
}

bool entry_nonzero(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return value;
}

bool entry_canonical(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return entry_is_canonical(s->cpu, value);
}

/* Some CPUs keep all that VMX uses below 4 GiB, SDM vol. 3D A.1. */
bool entry_width(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	u64 beyond = entry_beyond(s->cpu);

	if (s->cpu->basic & BASIC_32BIT)
		beyond |= HIGH_HALF;
	return !(value & beyond);
}

bool entry_pat(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return entry_is_pat(value);
}

/* Bits 9:6 are reserved; SUPPRESS and TRACKER exclude each other. */
bool entry_cet(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	const u64 both = BIT(10) | BIT(11);

	return !(value & GENMASK_ULL(9, 6)) && (value & both) != both;
}

bool entry_cr3(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & entry_beyond(s->cpu) & ~s->cpu->cr3_high);
}

/* The two that neither entries nor exits load. */
#define CR0_UNCHECKED (X86_CR0_NW | X86_CR0_CD)

/* arg: bits that may be zero all the same. */
bool entry_cr0_ones(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	u64 exempt = CR0_UNCHECKED;

	if (s->unrestricted)
		exempt |= row->arg;
	return !(~value & s->cpu->cr0_fixed0 & ~exempt);
}

bool entry_cr0_zeros(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & ~s->cpu->cr0_fixed1 & ~CR0_UNCHECKED);
}

bool entry_cr4_ones(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(~value & s->cpu->cr4_fixed0);
}

bool entry_cr4_zeros(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & ~s->cpu->cr4_fixed1);
}

bool entry_efer(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & ~s->cpu->efer);
}

bool entry_perf_global_ctrl(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & ~s->cpu->perf_global_ctrl);
}

bool entry_on(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return entry_has(s, row->with.word, row->with.bits);
}

bool entry_off(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(s->control[row->with.word] & row->with.bits);
}

static void look_at(struct entry_state *s, const struct vmcs_image *vmcs,
		    const struct entry_cpu *cpu)
{
	u32 event;

	memset(s, 0, sizeof(*s));
	s->vmcs = vmcs;
	s->cpu = cpu;
	s->control[ENTRY_PIN] = entry_get(s, PIN_BASED_VM_EXEC_CONTROL);
	s->control[ENTRY_PROC] = entry_get(s, CPU_BASED_VM_EXEC_CONTROL);
	if (entry_has(s, ENTRY_PROC, CPU_BASED_ACTIVATE_SECONDARY_CONTROLS))
		s->control[ENTRY_PROC2] = entry_get(s, SECONDARY_VM_EXEC_CONTROL);
	if (entry_has(s, ENTRY_PROC, CPU_BASED_ACTIVATE_TERTIARY_CONTROLS))
		s->control[ENTRY_PROC3] = entry_get(s, TERTIARY_VM_EXEC_CONTROL);
	s->control[ENTRY_EXIT] = entry_get(s, VM_EXIT_CONTROLS);
	if (entry_has(s, ENTRY_EXIT, EXIT_SECONDARY))
		s->control[ENTRY_EXIT2] = entry_get(s, FIELD_EXIT_CONTROLS2);
	s->control[ENTRY_ENTRY] = entry_get(s, VM_ENTRY_CONTROLS);

	event = entry_get(s, VM_ENTRY_INTR_INFO_FIELD);
	s->event = event & INTR_INFO_VALID_MASK ? event : 0;
	s->ia32e = entry_has(s, ENTRY_ENTRY, VM_ENTRY_IA32E_MODE);
	s->v8086 = entry_get(s, GUEST_RFLAGS) & X86_EFLAGS_VM;
	s->unrestricted = entry_has(s, ENTRY_PROC2, SECONDARY_EXEC_UNRESTRICTED_GUEST);
}

static bool applies(const struct entry_state *s, const struct entry_row *row)
{
	return entry_has(s, row->when.word, row->when.bits) &&
	       !(s->control[row->unless.word] & row->unless.bits);
}

static int check_table(const struct entry_state *s, const struct entry_table *table,
		       struct entry_finding *out, int max)
{
	unsigned int i;
	int n = 0;

	for (i = 0; i < table->count && n < max; i++) {
		const struct entry_row *row = &table->rows[i];
		int index = vmcs_field_index(row->field);
		u64 value;

		if (index < 0 || !vmcs_image_has(s->vmcs, index) || !applies(s, row))
			continue;
		value = s->vmcs->value[index];
		if (!row->holds(s, row, value))
			out[n++] = (struct entry_finding) {
				.rule = &row->rule, .field = row->field, .value = value,
			};
	}
	return n;
}

static const struct entry_table *const tables[] = {
	&entry_controls, &entry_host,
	&entry_guest_registers, &entry_segments, &entry_guest_state,
};

int entry_check(const struct vmcs_image *vmcs, const struct entry_cpu *cpu,
		struct entry_finding *out, int max)
{
	struct entry_state s;
	unsigned int i;
	int n = 0;

	look_at(&s, vmcs, cpu);
	for (i = 0; i < ARRAY_SIZE(tables); i++)
		n += check_table(&s, tables[i], out + n, max - n);
	return n + entry_check_msrs(&s, out + n, max - n);
}

const struct entry_rule *entry_rule(unsigned int index)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tables); i++) {
		if (index < tables[i]->count)
			return &tables[i]->rows[index].rule;
		index -= tables[i]->count;
	}
	return entry_msr_rule(index);
}
