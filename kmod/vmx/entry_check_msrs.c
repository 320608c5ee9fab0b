// SPDX-License-Identifier: GPL-2.0
/*
 * entry_check_msrs.c - what VM entry demands of the MSRs that it is told to load
 * (SDM vol. 3C 26.4): rules for each entry of the area, and what WRMSR would say
 * to the values of MSRs that are architectural and that VMMs load.  A broken rule
 * is exit reason 34.  Of MSRs that are not in these tables nothing is said.
 */
#include "entry_check_priv.h"

struct msr_row {
	struct entry_rule rule;
	bool (*holds)(const struct entry_state *s, const struct vmx_msr_entry *e);
};

static bool not_base(const struct entry_state *s, const struct vmx_msr_entry *e)
{
	return e->index != MSR_FS_BASE && e->index != MSR_GS_BASE;
}

static bool not_x2apic(const struct entry_state *s, const struct vmx_msr_entry *e)
{
	return e->index >> 8 != 8;
}

static bool not_smm(const struct entry_state *s, const struct vmx_msr_entry *e)
{
	return e->index != MSR_IA32_SMM_MONITOR_CTL;
}

/* SDM vol. 4: IA32_BIOS_UPDT_TRIG and IA32_BIOS_SIGN_ID are not loaded by entries. */
static bool not_microcode(const struct entry_state *s, const struct vmx_msr_entry *e)
{
	return e->index != MSR_IA32_UCODE_WRITE && e->index != MSR_IA32_UCODE_REV;
}

static bool no_reserved(const struct entry_state *s, const struct vmx_msr_entry *e)
{
	return !e->reserved;
}

static bool writable(const struct entry_state *s, const struct vmx_msr_entry *e)
{
	static const u32 read_only[] = {
		MSR_IA32_PLATFORM_ID, MSR_MTRRcap, MSR_IA32_ARCH_CAPABILITIES,
		MSR_IA32_PERF_CAPABILITIES,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(read_only); i++)
		if (e->index == read_only[i])
			return false;
	return e->index < MSR_IA32_VMX_BASIC || e->index > MSR_IA32_VMX_VMFUNC;
}

static bool address(const struct entry_state *s, const struct vmx_msr_entry *e)
{
	static const u32 addresses[] = {
		MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP, MSR_LSTAR, MSR_CSTAR,
		MSR_KERNEL_GS_BASE, MSR_IA32_DS_AREA,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(addresses); i++)
		if (e->index == addresses[i])
			return entry_is_canonical(s->cpu, e->value);
	return true;
}

static bool pat(const struct entry_state *s, const struct vmx_msr_entry *e)
{
	return e->index != MSR_IA32_CR_PAT || entry_is_pat(e->value);
}

static bool efer_reserved(const struct entry_state *s, const struct vmx_msr_entry *e)
{
	return e->index != MSR_EFER || !(e->value & ~s->cpu->efer);
}

/* WRMSR does not change LME while paging is on; it is as the mode is then. */
static bool efer_lme(const struct entry_state *s, const struct vmx_msr_entry *e)
{
	return e->index != MSR_EFER || !(entry_get(s, GUEST_CR0) & X86_CR0_PG) ||
	       !(e->value & EFER_LME) == !s->ia32e;
}

/* And of the others: the bits that the CPU has. */
static bool known_bits(const struct entry_state *s, const struct vmx_msr_entry *e)
{
	switch (e->index) {
	case MSR_TSC_AUX:
		return !(e->value & HIGH_HALF);
	case MSR_IA32_DEBUGCTLMSR:
		return !(e->value & ~s->cpu->debugctl);
	case MSR_CORE_PERF_GLOBAL_CTRL:
		return !(e->value & ~s->cpu->perf_global_ctrl);
	default:
		return true;
	}
}

#define RULE(n, t) \
	.rule = { .name = "msr_load." n, .text = t, .sdm = "26.4", .class = ENTRY_MSR_LOAD }

static const struct msr_row rows[] = {
	{ RULE("base", "the MSR is not IA32_FS_BASE or IA32_GS_BASE"), .holds = not_base },
	{ RULE("x2apic", "the MSR is none of the x2APIC's, 800 to 8ff"), .holds = not_x2apic },
	{ RULE("smm", "the MSR is not one that only SMM can write"), .holds = not_smm },
	{ RULE("microcode", "the MSR is none that loads microcode"), .holds = not_microcode },
	{ RULE("reserved", "bits 63:32 of the entry are 0"), .holds = no_reserved },
	{ RULE("read_only", "the MSR is one that can be written"), .holds = writable },
	{ RULE("canonical", "an address that the MSR takes is canonical"), .holds = address },
	{ RULE("pat", "each byte of IA32_PAT is a memory type: 0, 1 or 4 to 7"), .holds = pat },
	{ RULE("efer.reserved", "bits of IA32_EFER that the CPU does not have are 0"),
	  .holds = efer_reserved },
	{ RULE("efer.lme", "IA32_EFER.LME stays as it is if CR0.PG is 1"), .holds = efer_lme },
	{ RULE("bits", "bits that the CPU does not have in the MSR are 0"), .holds = known_bits },
};

/* The first rule that an entry breaks. */
static const struct entry_rule *broken_by(const struct entry_state *s,
					  const struct vmx_msr_entry *e)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (!rows[i].holds(s, e))
			return &rows[i].rule;
	return NULL;
}

/*
 * No more entries than a CPU can be relied on to load, SDM vol. 3D A.6: with more
 * it may do anything, so that there is no rule to name.
 */
static u32 entries(const struct entry_state *s)
{
	u32 most = VMX_MISC_MSR_LIST_MULTIPLIER * ((s->cpu->misc >> 25 & 7) + 1);
	u32 count = entry_get(s, VM_ENTRY_MSR_LOAD_COUNT);

	return count < most ? count : most;
}

int entry_check_msrs(const struct entry_state *s, struct entry_finding *out, int max)
{
	u64 area = entry_get(s, VM_ENTRY_MSR_LOAD_ADDR);
	u32 i, count = entries(s);
	int n = 0;

	for (i = 0; i < count && n < max; i++) {
		struct vmx_msr_entry e;
		const struct entry_rule *rule;

		if (!s->cpu->read(s->cpu->opaque, area + 16 * (u64)i, &e, sizeof(e)))
			continue;
		rule = broken_by(s, &e);
		if (rule)
			out[n++] = (struct entry_finding) {
				.rule = rule, .field = VM_ENTRY_MSR_LOAD_ADDR,
				.index = i + 1, .value = e.value,
			};
	}
	return n;
}

const struct entry_rule *entry_msr_rule(unsigned int index)
{
	return index < ARRAY_SIZE(rows) ? &rows[index].rule : NULL;
}
