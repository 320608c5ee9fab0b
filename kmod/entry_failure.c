// SPDX-License-Identifier: GPL-2.0
/*
 * entry_failure.c - why a VM entry failed.  The CPU says no more than that controls,
 * host state or guest state are wrong; the model of its checks (vmx/entry_check.c) is
 * shown the same VMCS and names the rules that are broken.  What it finds is kept with
 * the vCPU for whoever asks, and the first of it is a line of the log.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/tlbflush.h>
#include <uapi/linux/lodge.h>

#include "entry_failure.h"
#include "lodge.h"
#include "vmx/caps.h"
#include "vmx/entry_check.h"
#include "vmx/fields.h"
#include "vmx/insn.h"
#include "vmx/vmcs_dump.h"

struct lodge_entry_note {
	u32 reason;
	bool vmfail;
	int findings;
	struct entry_finding finding[LODGE_MAX_FINDINGS];
	struct vmcs_image vmcs;		/* the model's copy, while it looks */
};

/* IA32_DEBUGCTL: SDM vol. 3B 17.4.1; bit 13 is a PMI of the uncore's counters. */
#define DEBUGCTL_BITS	(DEBUGCTLMSR_LBR | DEBUGCTLMSR_BTF | DEBUGCTLMSR_BUS_LOCK_DETECT | \
			 DEBUGCTLMSR_TR | DEBUGCTLMSR_BTS | DEBUGCTLMSR_BTINT | \
			 DEBUGCTLMSR_BTS_OFF_OS | DEBUGCTLMSR_BTS_OFF_USR | \
			 DEBUGCTLMSR_FREEZE_LBRS_ON_PMI | DEBUGCTLMSR_FREEZE_PERFMON_ON_PMI | \
			 BIT(13) | DEBUGCTLMSR_FREEZE_IN_SMM | BIT(15))

/* 0 where the CPU has no such MSR. */
static u64 msr_or_0(u32 msr)
{
	u64 value = 0;

	rdmsrl_safe(msr, &value);
	return value;
}

/* The word of controls: what may be, and what must be. */
static u64 allowed(bool has_true, u32 true_msr, u32 msr)
{
	return msr_or_0(has_true ? true_msr : msr);
}

/* Of the pages that a VMCS points to; a pointer that is wrong points anywhere. */
static bool read_physical(void *unused, u64 address, void *to, unsigned int len)
{
	return pfn_valid(PHYS_PFN(address)) && pfn_valid(PHYS_PFN(address + len - 1)) &&
	       !copy_from_kernel_nofault(to, __va(address), len);
}

/* Counters that there are: CPUID leaf 0Ah, SDM vol. 3B 18.2.2. */
static u64 perf_global_ctrl(void)
{
	u32 eax, ebx, ecx, edx;

	if (boot_cpu_data.cpuid_level < 0xa)
		return 0;
	cpuid(0xa, &eax, &ebx, &ecx, &edx);
	if ((eax & 0xff) < 2)
		return 0;
	return (BIT_ULL((eax >> 8) & 0xff) - 1) | (BIT_ULL(edx & 0x1f) - 1) << 32;
}

/* Bits of CR3 that are no address: LAM, CPUID leaf 7, subleaf 1, EAX[26]. */
static u64 cr3_high(void)
{
	u32 eax = 0, ebx, ecx, edx;

	if (boot_cpu_data.cpuid_level >= 7)
		cpuid_count(7, 1, &eax, &ebx, &ecx, &edx);
	return eax & BIT(26) ? BIT_ULL(62) | BIT_ULL(61) : 0;
}

/* Of those that a trap may leave: RTM, a bus lock. */
static u64 pending_debug(void)
{
	return (boot_cpu_has(X86_FEATURE_RTM) ? BIT(16) : 0) |
	       (boot_cpu_has(X86_FEATURE_BUS_LOCK_DETECT) ? BIT(11) : 0);
}

static void describe_cpu(const struct lodge_vcpu *vcpu, struct entry_cpu *cpu)
{
	u64 basic = msr_or_0(MSR_IA32_VMX_BASIC);
	bool has_true = basic & VMX_BASIC_TRUE_CTLS;
	u64 proc = allowed(has_true, MSR_IA32_VMX_TRUE_PROCBASED_CTLS, MSR_IA32_VMX_PROCBASED_CTLS);

	*cpu = (struct entry_cpu) {
		.allowed = {
			[ENTRY_PIN] = allowed(has_true, MSR_IA32_VMX_TRUE_PINBASED_CTLS,
					      MSR_IA32_VMX_PINBASED_CTLS),
			[ENTRY_PROC] = proc,
			[ENTRY_PROC2] = msr_or_0(MSR_IA32_VMX_PROCBASED_CTLS2),
			[ENTRY_PROC3] = msr_or_0(MSR_IA32_VMX_PROCBASED_CTLS3),
			[ENTRY_EXIT] = allowed(has_true, MSR_IA32_VMX_TRUE_EXIT_CTLS,
					       MSR_IA32_VMX_EXIT_CTLS),
			[ENTRY_ENTRY] = allowed(has_true, MSR_IA32_VMX_TRUE_ENTRY_CTLS,
						MSR_IA32_VMX_ENTRY_CTLS),
		},
		.basic = basic, .misc = msr_or_0(MSR_IA32_VMX_MISC),
		.ept_vpid = msr_or_0(MSR_IA32_VMX_EPT_VPID_CAP),
		.vmfunc = msr_or_0(MSR_IA32_VMX_VMFUNC),
		.cr0_fixed0 = msr_or_0(MSR_IA32_VMX_CR0_FIXED0),
		.cr0_fixed1 = msr_or_0(MSR_IA32_VMX_CR0_FIXED1),
		.cr4_fixed0 = msr_or_0(MSR_IA32_VMX_CR4_FIXED0),
		.cr4_fixed1 = msr_or_0(MSR_IA32_VMX_CR4_FIXED1),
		.efer = EFER_SCE | EFER_LME | EFER_LMA |
			(boot_cpu_has(X86_FEATURE_NX) ? EFER_NX : 0),
		.debugctl = DEBUGCTL_BITS, .perf_global_ctrl = perf_global_ctrl(),
		.pending_debug = pending_debug(), .cr3_high = cr3_high(),
		.sti_blocks_nmi = true,		/* where it does not, no entry fails by it */
		.physical_bits = boot_cpu_data.x86_phys_bits,
		.linear_bits = cr4_read_shadow() & X86_CR4_LA57 ? 57 : 48,
		.long_mode = true, .sgx = boot_cpu_has(X86_FEATURE_SGX),
		.current_vmcs = __pa(vcpu->vmcs.page), .read = read_physical,
	};
}

static void copy_vmcs(struct vmcs_image *image)
{
	unsigned long value;
	int i;

	memset(image, 0, sizeof(*image));
	for (i = 0; i < VMCS_FIELDS; i++)
		if (vmread_try(vmcs_fields[i].encoding, &value))
			vmcs_image_put(image, i, value);
}

static const char *field_name(u32 field)
{
	int i = vmcs_field_index(field);

	return i < 0 ? "?" : vmcs_fields[i].name;
}

static void log_failure(const struct lodge_vcpu *vcpu, const struct lodge_entry_note *note)
{
	const struct entry_finding *f = note->finding;
	int task = task_tgid_nr(current);

	if (!note->findings)
		pr_info_ratelimited("VM entry of vCPU %d of task %d failed (%#x): no rule is known to be broken\n",
				    vcpu->id, task, note->reason);
	else if (vmcs_is_secret(f->field))
		pr_info_ratelimited("VM entry of vCPU %d of task %d failed (%#x): %s: %s (SDM vol. 3C %s)\n",
				    vcpu->id, task, note->reason, f->rule->name,
				    field_name(f->field), f->rule->sdm);
	else
		pr_info_ratelimited("VM entry of vCPU %d of task %d failed (%#x): %s: %s is %#llx (SDM vol. 3C %s)\n",
				    vcpu->id, task, note->reason, f->rule->name,
				    field_name(f->field), f->value, f->rule->sdm);
}

void entry_failure_look(struct lodge_vcpu *vcpu, u32 reason)
{
	struct lodge_entry_note *note = vcpu->entry_note;
	struct entry_cpu cpu;

	/* without memory it is not explained, and that is all */
	if (!note)
		note = kvzalloc(sizeof(*note), GFP_KERNEL_ACCOUNT);
	if (!note)
		return;
	vcpu->entry_note = note;
	note->reason = reason;
	note->vmfail = vcpu->fail;
	describe_cpu(vcpu, &cpu);
	copy_vmcs(&note->vmcs);
	note->findings = entry_check(&note->vmcs, &cpu, note->finding, LODGE_MAX_FINDINGS);
}

void entry_failure_note(struct lodge_vcpu *vcpu, u32 reason)
{
	entry_failure_look(vcpu, reason);
	if (vcpu->entry_note)
		log_failure(vcpu, vcpu->entry_note);
}

void entry_failure_free(struct lodge_vcpu *vcpu)
{
	kvfree(vcpu->entry_note);
}

int entry_failure_get(struct lodge_vcpu *vcpu, struct lodge_entry_failure *head)
{
	const struct lodge_entry_note *note = vcpu->entry_note;

	if (!note)
		return -ENOENT;
	head->reason = note->reason;
	head->flags = note->vmfail ? LODGE_ENTRY_VMFAIL : 0;
	return note->findings;
}

void entry_failure_finding(struct lodge_vcpu *vcpu, int n, bool hide,
			   struct lodge_entry_finding *out)
{
	const struct entry_finding *f = &vcpu->entry_note->finding[n];

	memset(out, 0, sizeof(*out));
	out->field = f->field;
	out->index = f->index;
	if (hide && vmcs_is_secret(f->field))
		out->flags = LODGE_VMCS_HIDDEN;
	else
		out->value = f->value;
	strscpy(out->rule, f->rule->name, sizeof(out->rule));
	strscpy(out->sdm, f->rule->sdm, sizeof(out->sdm));
	strscpy(out->text, f->rule->text, sizeof(out->text));
}
