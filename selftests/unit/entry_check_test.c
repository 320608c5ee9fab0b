// SPDX-License-Identifier: GPL-2.0
/*
 * entry_check_test.c - the unit tests of the model of VM entry's checks,
 * kmod/vmx/entry_check*.c, and of the table of the VMCS's fields, in user space and
 * under the sanitizers. Valid states must pass, a state with one thing broken must
 * be told by just the rule that names it, and nothing that a VMCS can hold may do
 * the model harm. The seed of random ones is taken with -s, and printed; -n
 * multiplies their number.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "entry_unit.h"

#define REPORTS	10
#define STATES	40000		/* valid ones */
#define NOISE	20000
#define MOST	400		/* more than there are rules */

static unsigned long failures, times = 1;

static __attribute__((format(printf, 3, 4)))
void fail_at(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	if (failures++ >= REPORTS)
		return;
	printf("# %s:%d: ", file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

#define FAIL(...)	fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(cond)	do {						\
	if (!(cond))							\
		FAIL("expected: %s", #cond);				\
} while (0)

static const char *const from_names[NR_FROM] = {
	"64-bit code", "compatibility mode", "PAE", "protected mode", "virtual-8086", "real mode",
};

static int check(const struct sample *s, struct entry_finding *out, int max)
{
	return entry_check(&s->vmcs, &s->cpu, out, max);
}

static const char *field_name(u32 encoding)
{
	int index = vmcs_field_index(encoding);

	return index < 0 ? "no field" : vmcs_fields[index].name;
}

/* ---- the tables ---- */

static void fields_are_in_order(void)
{
	unsigned int i, j;

	for (i = 0; i < VMCS_FIELDS; i++) {
		if (i && vmcs_fields[i].encoding <= vmcs_fields[i - 1].encoding)
			FAIL("%s is out of order", vmcs_fields[i].name);
		if (vmcs_fields[i].encoding & 1)
			FAIL("%s is an upper half", vmcs_fields[i].name);
		CHECK(vmcs_field_index(vmcs_fields[i].encoding) == (int)i);
		CHECK(vmcs_field_index(vmcs_fields[i].encoding + 1) == -1);
		for (j = 0; j < i; j++)
			if (!strcmp(vmcs_fields[i].name, vmcs_fields[j].name))
				FAIL("two fields are called %s", vmcs_fields[i].name);
	}
	CHECK(vmcs_field_index(0xffffffff) == -1);
}

/* Bits 11:10 of an encoding are the area: control, information, guest, host. */
static void fields_are_in_their_group(void)
{
	static const u8 areas[] = {
		[VMCS_GUEST] = 2, [VMCS_HOST] = 3, [VMCS_EXECUTION] = 0, [VMCS_EXIT] = 0,
		[VMCS_ENTRY] = 0, [VMCS_INFORMATION] = 1,
	};
	unsigned int i;

	for (i = 0; i < VMCS_FIELDS; i++) {
		const struct vmcs_field_info *f = &vmcs_fields[i];

		CHECK(f->group < ARRAY_SIZE(areas));
		if (areas[f->group] != (f->encoding >> 10 & 3))
			FAIL("%s is in another group", f->name);
		if (strncmp(f->name, "host_", 5) ? f->group == VMCS_HOST : f->group != VMCS_HOST)
			FAIL("%s has a name of another group", f->name);
	}
}

static void rules_are_whole(void)
{
	static const char *const prefixes[] = {
		[ENTRY_CONTROLS] = "controls.", [ENTRY_HOST] = "host.", [ENTRY_GUEST] = "guest.",
		[ENTRY_MSR_LOAD] = "msr_load.",
	};
	const struct entry_rule *rule, *other, *before = NULL;
	unsigned int i, j;

	for (i = 0; (rule = entry_rule(i)); i++, before = rule) {
		const char *prefix = prefixes[rule->class];

		if (strncmp(rule->name, prefix, strlen(prefix)))
			FAIL("%s is of class %u", rule->name, rule->class);
		if (strncmp(rule->sdm, "26.", 3) || strlen(rule->text) < 6)
			FAIL("%s has no text", rule->name);
		if (before && before->class > rule->class)
			FAIL("%s is of an earlier class than %s", rule->name, before->name);
		if (rule->qualification && rule->class != ENTRY_GUEST)
			FAIL("%s has an exit qualification", rule->name);
		for (j = 0; j < i; j++) {
			other = entry_rule(j);
			if (!strcmp(rule->name, other->name))
				FAIL("two rules are called %s", rule->name);
		}
	}
	CHECK(i > 250 && i < MOST);
	printf("# %u rules, %u fields\n", i, VMCS_FIELDS);
}

/* ---- valid states ---- */

static void report(const struct sample *s, u64 state_seed, const struct entry_finding *f)
{
	FAIL("%s, -s %llu: %s, %s is %#llx", from_names[s->from], state_seed, f->rule->name,
	     field_name(f->field), f->value);
}

/* Any CPU that can have a guest in this mode. */
static u64 any_state(struct sample *s)
{
	u64 state_seed = seed;
	enum entry_from from = below(NR_FROM);
	bool wide = from <= FROM_COMPATIBLE || !one_in(4);

	build_any_cpu(s, wide);
	build_any(s, from);
	return state_seed;
}

static void valid_states_pass(void)
{
	struct entry_finding out[4];
	struct sample s;
	unsigned long i;

	for (i = 0; i < STATES * times; i++) {
		u64 state_seed = any_state(&s);

		if (check(&s, out, ARRAY_SIZE(out)))
			report(&s, state_seed, &out[0]);
	}
}

static void plain_states_pass(void)
{
	struct entry_finding out[4];
	struct sample s;
	int from, i;

	for (from = 0; from < NR_FROM; from++) {
		for (i = 0; i < 100; i++) {
			u64 state_seed = seed;

			build_whole_cpu(&s, true);
			build_plain(&s, from);
			if (check(&s, out, ARRAY_SIZE(out)))
				report(&s, state_seed, &out[0]);
		}
	}
	build_whole_cpu(&s, false);
	build_plain(&s, FROM_PROTECTED);
	if (check(&s, out, ARRAY_SIZE(out)))
		report(&s, 0, &out[0]);
}

/* Fields that mean something only under a control. */
static const struct {
	u32 field;
	u32 word;		/* the field with the control */
	u32 control;
} conditional[] = {
	{ IO_BITMAP_A, CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_USE_IO_BITMAPS },
	{ IO_BITMAP_B, CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_USE_IO_BITMAPS },
	{ MSR_BITMAP, CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_USE_MSR_BITMAPS },
	{ VIRTUAL_APIC_PAGE_ADDR, CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_TPR_SHADOW },
	{ TPR_THRESHOLD, CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_TPR_SHADOW },
	{ APIC_ACCESS_ADDR, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES },
	{ POSTED_INTR_NV, PIN_BASED_VM_EXEC_CONTROL, PIN_BASED_POSTED_INTR },
	{ POSTED_INTR_DESC_ADDR, PIN_BASED_VM_EXEC_CONTROL, PIN_BASED_POSTED_INTR },
	{ VIRTUAL_PROCESSOR_ID, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_ENABLE_VPID },
	{ EPT_POINTER, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_ENABLE_EPT },
	{ GUEST_PDPTR0, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_ENABLE_EPT },
	{ PML_ADDRESS, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_ENABLE_PML },
	{ FIELD_SPP_TABLE, SECONDARY_VM_EXEC_CONTROL, PROC2_SPP },
	{ VM_FUNCTION_CONTROL, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_ENABLE_VMFUNC },
	{ EPTP_LIST_ADDRESS, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_ENABLE_VMFUNC },
	{ VMREAD_BITMAP, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_SHADOW_VMCS },
	{ VMWRITE_BITMAP, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_SHADOW_VMCS },
	{ FIELD_VE_INFORMATION, SECONDARY_VM_EXEC_CONTROL, PROC2_VE },
	{ TSC_MULTIPLIER, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_TSC_SCALING },
	{ FIELD_LOW_PASID_DIRECTORY, SECONDARY_VM_EXEC_CONTROL, PROC2_PASID },
	{ FIELD_HIGH_PASID_DIRECTORY, SECONDARY_VM_EXEC_CONTROL, PROC2_PASID },
	{ SECONDARY_VM_EXEC_CONTROL, CPU_BASED_VM_EXEC_CONTROL,
	  CPU_BASED_ACTIVATE_SECONDARY_CONTROLS },
	{ TERTIARY_VM_EXEC_CONTROL, CPU_BASED_VM_EXEC_CONTROL,
	  CPU_BASED_ACTIVATE_TERTIARY_CONTROLS },
	{ FIELD_HLAT_POINTER, CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_ACTIVATE_TERTIARY_CONTROLS },
	{ PID_POINTER_TABLE, CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_ACTIVATE_TERTIARY_CONTROLS },
	{ FIELD_EXIT_CONTROLS2, VM_EXIT_CONTROLS, EXIT_SECONDARY },
	{ HOST_IA32_PERF_GLOBAL_CTRL, VM_EXIT_CONTROLS, VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL },
	{ HOST_IA32_PAT, VM_EXIT_CONTROLS, VM_EXIT_LOAD_IA32_PAT },
	{ HOST_IA32_EFER, VM_EXIT_CONTROLS, VM_EXIT_LOAD_IA32_EFER },
	{ FIELD_HOST_S_CET, VM_EXIT_CONTROLS, EXIT_LOAD_CET },
	{ FIELD_HOST_SSP, VM_EXIT_CONTROLS, EXIT_LOAD_CET },
	{ FIELD_HOST_SSP_TABLE, VM_EXIT_CONTROLS, EXIT_LOAD_CET },
	{ FIELD_HOST_PKRS, VM_EXIT_CONTROLS, EXIT_LOAD_PKRS },
	{ GUEST_DR7, VM_ENTRY_CONTROLS, VM_ENTRY_LOAD_DEBUG_CONTROLS },
	{ GUEST_IA32_PERF_GLOBAL_CTRL, VM_ENTRY_CONTROLS, VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL },
	{ GUEST_IA32_PAT, VM_ENTRY_CONTROLS, VM_ENTRY_LOAD_IA32_PAT },
	{ GUEST_IA32_EFER, VM_ENTRY_CONTROLS, VM_ENTRY_LOAD_IA32_EFER },
	{ GUEST_BNDCFGS, VM_ENTRY_CONTROLS, VM_ENTRY_LOAD_BNDCFGS },
	{ GUEST_IA32_RTIT_CTL, VM_ENTRY_CONTROLS, VM_ENTRY_LOAD_IA32_RTIT_CTL },
	{ FIELD_GUEST_LBR_CTL, VM_ENTRY_CONTROLS, ENTRY_LOAD_LBR_CTL },
	{ FIELD_GUEST_PKRS, VM_ENTRY_CONTROLS, ENTRY_LOAD_PKRS },
	{ FIELD_GUEST_UINV, VM_ENTRY_CONTROLS, ENTRY_LOAD_UINV },
	{ FIELD_GUEST_S_CET, VM_ENTRY_CONTROLS, ENTRY_LOAD_CET },
	{ FIELD_GUEST_SSP, VM_ENTRY_CONTROLS, ENTRY_LOAD_CET },
	{ FIELD_GUEST_SSP_TABLE, VM_ENTRY_CONTROLS, ENTRY_LOAD_CET },
};

static void make_absent(struct sample *s, u32 field)
{
	int index = vmcs_field_index(field);

	s->vmcs.present[index / 64] &= ~(1ull << index % 64);
	s->vmcs.value[index] = rnd();		/* of no account */
}

/* Without its control a field may hold anything, or not be there at all. */
static void fields_without_their_control(void)
{
	struct entry_finding out[4];
	struct sample s;
	unsigned long i;
	unsigned int j;

	for (i = 0; i < STATES / 4 * times; i++) {
		u64 state_seed = any_state(&s);
		bool absent = one_in(2);

		for (j = 0; j < ARRAY_SIZE(conditional); j++) {
			if (get(&s, conditional[j].word) & conditional[j].control)
				continue;
			if (absent)
				make_absent(&s, conditional[j].field);
			else
				set(&s, conditional[j].field, rnd());
		}
		if (check(&s, out, ARRAY_SIZE(out)))
			report(&s, state_seed, &out[0]);
	}
}

/* ---- one thing broken ---- */

static void limit_cpu(struct entry_cpu *cpu, u8 how)
{
	if (how & CPU_NO_AD)
		cpu->ept_vpid &= ~VMX_EPT_AD_BIT;
	if (how & CPU_NO_ENFORCE)
		cpu->ept_vpid &= ~(u64)EPT_CAP_SHADOW_STACK;
	if (how & CPU_TRACES)
		cpu->tracing = true;
	if (how & CPU_NO_SGX)
		cpu->sgx = false;
	if (how & CPU_NO_LENGTH_0)
		cpu->misc &= ~(u64)MISC_ZERO_LENGTH;
	if (how & CPU_ACTIVE_ONLY)
		cpu->misc &= ~(u64)(BIT(6) | BIT(7) | BIT(8));
}

/* Everything but the field itself. */
static void prepare(struct sample *s, const struct entry_mutation *m)
{
	build_whole_cpu(s, !(m->cpu & CPU_OLD));
	limit_cpu(&s->cpu, m->cpu);
	build_plain(s, m->from);
	entry_prepare(m, &s->vmcs);
}

/* The sample's memory is where it says. */
static u64 same_page(void *opaque, u64 at)
{
	return at;
}

static void mutate(struct sample *s, const struct entry_mutation *m)
{
	struct entry_place place = { .physical_bits = s->cpu.physical_bits, .page = same_page };

	entry_break(m, &s->vmcs, &place);
}

static void each_mutation_is_named(void)
{
	struct entry_finding out[8];
	struct sample s;
	unsigned int i;
	int n;

	for (i = 0; i < ARRAY_SIZE(entry_mutations); i++) {
		const struct entry_mutation *m = &entry_mutations[i];

		prepare(&s, m);
		mutate(&s, m);
		n = check(&s, out, ARRAY_SIZE(out));
		if (!n)
			FAIL("%s (row %u): nothing was found", m->rule, i);
		else if (strcmp(out[0].rule->name, m->rule))
			FAIL("%s (row %u): found %s, %s is %#llx", m->rule, i, out[0].rule->name,
			     field_name(out[0].field), out[0].value);
		else if (vmcs_field_index(out[0].field) < 0)
			FAIL("%s: no field is blamed", m->rule);
		else if (out[0].rule->class != ENTRY_MSR_LOAD &&
			 out[0].value != get(&s, out[0].field))
			FAIL("%s: not the field's value", m->rule);
	}
	printf("# %zu mutations\n", ARRAY_SIZE(entry_mutations));
}

/* What is done before the field is broken breaks nothing. */
static void mutations_break_one_thing(void)
{
	struct entry_finding out[1];
	struct sample s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(entry_mutations); i++) {
		const struct entry_mutation *m = &entry_mutations[i];

		prepare(&s, m);
		if (check(&s, out, 1))
			FAIL("%s: already before, %s", m->rule, out[0].rule->name);
	}
}

static void each_rule_can_be_broken(void)
{
	const struct entry_rule *rule;
	unsigned int i, j;

	for (i = 0; (rule = entry_rule(i)); i++) {
		for (j = 0; j < ARRAY_SIZE(entry_mutations); j++)
			if (!strcmp(entry_mutations[j].rule, rule->name))
				break;
		if (j == ARRAY_SIZE(entry_mutations))
			FAIL("no mutation breaks %s", rule->name);
	}
}

/* A broken control is found before anything of the host, and so on. */
static void classes_in_order(void)
{
	struct entry_finding out[MOST];
	struct sample s;
	unsigned int i, j;
	int n, k;

	for (i = 0; i < 2000 * times; i++) {
		any_state(&s);
		for (j = 0; j < 8; j++)
			set(&s, vmcs_fields[below(VMCS_FIELDS)].encoding, rnd());
		n = check(&s, out, ARRAY_SIZE(out));
		for (k = 1; k < n; k++)
			CHECK(out[k - 1].rule->class <= out[k].rule->class);
	}
}

/* The CPU counts entries from 1. */
static void msr_entries_are_counted(void)
{
	struct entry_finding out[MSRS + 1];
	struct sample s;
	int i;

	for (i = 0; i < MSRS; i++) {
		build_whole_cpu(&s, true);
		build_plain(&s, FROM_64);
		set(&s, VM_ENTRY_MSR_LOAD_COUNT, MSRS);
		s.msr[i].reserved = 0x100;
		s.msr[i].value = 0x123;
		CHECK(check(&s, out, ARRAY_SIZE(out)) == 1);
		CHECK(!strcmp(out[0].rule->name, "msr_load.reserved"));
		CHECK(out[0].index == (u32)i + 1);
		CHECK(out[0].value == 0x123);
		set(&s, VM_ENTRY_MSR_LOAD_COUNT, i);
		CHECK(check(&s, out, ARRAY_SIZE(out)) == 0);
	}
}

static void exit_qualifications(void)
{
	const struct entry_rule *rule;
	unsigned int i, seen = 0;

	for (i = 0; (rule = entry_rule(i)); i++) {
		unsigned int want = 0;

		if (strstr(rule->name, "link_pointer"))
			want = 4;
		else if (strstr(rule->name, "pdpte"))
			want = 2;
		else if (!strcmp(rule->name, "guest.interruptibility.nmi_sti"))
			want = 3;
		CHECK(rule->qualification == want);
		seen += !!want;
	}
	CHECK(seen == 11);
}

/* ---- what a VMCS must not do to the model ---- */

static bool read_nothing(void *opaque, u64 address, void *to, unsigned int len)
{
	return false;
}

static bool read_noise(void *opaque, u64 address, void *to, unsigned int len)
{
	u8 *bytes = to;

	while (len--)
		*bytes++ = rnd();
	return true;
}

static void fill_cpu(struct entry_cpu *cpu, u64 (*value)(void))
{
	unsigned int i;

	for (i = 0; i < ENTRY_WORDS; i++)
		cpu->allowed[i] = value();
	cpu->basic = value();
	cpu->misc = value();
	cpu->ept_vpid = value();
	cpu->cr0_fixed0 = value();
	cpu->cr4_fixed1 = value();
	cpu->physical_bits = value();
	cpu->linear_bits = value();
	cpu->long_mode = value() & 1;
}

static u64 all_ones(void)
{
	return ~0ull;
}

static u64 zero(void)
{
	return 0;
}

static u64 (*const values[])(void) = { rnd, all_ones, zero };

/* With one more element than it may write. */
static void limit_is_kept(struct sample *s, int max)
{
	struct entry_finding *out = malloc((max + 1) * sizeof(*out));
	int n;

	memset(&out[max], 0x5a, sizeof(*out));
	n = check(s, out, max);
	CHECK(n >= 0 && n <= max);
	CHECK(out[max].field == 0x5a5a5a5a && out[max].index == 0x5a5a5a5a);
	while (n--)
		CHECK(out[n].rule && vmcs_field_index(out[n].field) >= 0);
	free(out);
}

static void hostile_values_end(void)
{
	struct sample s;
	unsigned long i;
	unsigned int j;

	for (i = 0; i < NOISE * times; i++) {
		u64 (*value)(void) = values[below(3)];
		u64 (*some)(void) = values[below(3)];

		any_state(&s);
		for (j = 0; j < VMCS_FIELDS; j++)
			if (one_in(2))
				set(&s, vmcs_fields[j].encoding, one_in(2) ? value() : some());
		for (j = 0; j < ARRAY_SIZE(s.vmcs.present); j++)
			if (one_in(8))
				s.vmcs.present[j] = value();
		if (one_in(4))
			fill_cpu(&s.cpu, some);
		s.cpu.read = one_in(2) ? read_noise : one_in(2) ? read_nothing : s.cpu.read;
		if (i % 64)	/* else thousands of MSRs */
			set(&s, VM_ENTRY_MSR_LOAD_COUNT, below(32));
		limit_is_kept(&s, below(8));
	}
	for (j = 0; j < ARRAY_SIZE(values); j++) {
		build_whole_cpu(&s, true);
		for (i = 0; i < VMCS_FIELDS; i++)
			set(&s, vmcs_fields[i].encoding, values[j]());
		limit_is_kept(&s, MOST);
		limit_is_kept(&s, 0);
	}
}

static void no_field_at_all(void)
{
	struct entry_finding out[MOST];
	struct sample s;

	build_whole_cpu(&s, true);
	CHECK(check(&s, out, ARRAY_SIZE(out)) == 0);
	CHECK(vmcs_image_get(&s.vmcs, GUEST_RIP) == 0);
	CHECK(!vmcs_image_has(&s.vmcs, VMCS_FIELDS));
	vmcs_image_put(&s.vmcs, VMCS_FIELDS, 1);
	CHECK(vmcs_image_get(&s.vmcs, 0x7fff) == 0);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
#define TEST(name) { #name, name }
	TEST(fields_are_in_order),
	TEST(fields_are_in_their_group),
	TEST(rules_are_whole),
	TEST(plain_states_pass),
	TEST(valid_states_pass),
	TEST(fields_without_their_control),
	TEST(each_mutation_is_named),
	TEST(mutations_break_one_thing),
	TEST(each_rule_can_be_broken),
	TEST(classes_in_order),
	TEST(msr_entries_are_counted),
	TEST(exit_qualifications),
	TEST(hostile_values_end),
	TEST(no_field_at_all),
};

int main(int argc, char **argv)
{
	unsigned int i, bad = 0;
	u64 start;
	int c;

	seed = (u64)time(NULL) << 16 ^ getpid();
	while ((c = getopt(argc, argv, "d:s:n:")) != -1) {
		if (c == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (c == 'n')
			times = strtoul(optarg, NULL, 0);
		else if (c != 'd')
			return 1;
	}
	start = seed + !seed;		/* 0 would stay 0 */
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%zu\n# seed %llu\n", ARRAY_SIZE(tests), seed);
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		failures = 0;
		seed = start;	/* so that a state's own seed makes it the first one */
		tests[i].run();
		if (failures > REPORTS)
			printf("# %lu failures in all\n", failures);
		printf("%s %u %s\n", failures ? "not ok" : "ok", i + 1, tests[i].name);
		bad += !!failures;
	}
	return bad ? 1 : 0;
}
