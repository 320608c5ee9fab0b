// SPDX-License-Identifier: GPL-2.0
/*
 * mitigate.c - keeping the host's data out of a guest's speculation, and the
 * guest out of the host's.  It follows what the kernel has decided for this
 * machine (the mitigations= family of boot parameters) and decides nothing
 * itself.  Four moments matter: a vCPU replaces another on a CPU (branch
 * predictors of one guest must not steer another: IBPB), the entry (data left in
 * L1 must not be reached through stale guest-visible page tables: L1TF), the
 * last instruction before it (buffers: VERW, in enter.S), and the exit (return
 * predictors and branch history: enter.S; IBRS: here).  SDM vol. 3A 18 and the
 * kernel's Documentation/admin-guide/hw-vuln.
 */
#include <linux/hardirq.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <asm/barrier.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/processor.h>

#include "../lodge.h"
#include "mitigate.h"

/* L1D of every affected CPU is smaller than this. */
#define FLUSH_ORDER	4
#define FLUSH_BYTES	(PAGE_SIZE << FLUSH_ORDER)
#define LINE_BYTES	64

bool mitigate_flush_l1d __ro_after_init;
static bool flush_always __ro_after_init;	/* not only when there is something to hide */
static const u8 *flush_buffer __ro_after_init;	/* where there is no command for it */

static bool l1tf_needs_flush(void)
{
	u64 cap = 0;

	if (!boot_cpu_has_bug(X86_BUG_L1TF) || l1tf_mitigation == L1TF_MITIGATION_OFF)
		return false;
	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl_safe(MSR_IA32_ARCH_CAPABILITIES, &cap);
	return !(cap & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH);
}

int mitigate_init(void)
{
	struct page *page;

	if (!l1tf_needs_flush())
		return 0;
	if (!boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		page = alloc_pages(GFP_KERNEL | __GFP_ZERO, FLUSH_ORDER);
		if (!page)
			return -ENOMEM;
		flush_buffer = page_address(page);
	}
	mitigate_flush_l1d = true;
	flush_always = l1tf_mitigation == L1TF_MITIGATION_FULL ||
		       l1tf_mitigation == L1TF_MITIGATION_FULL_FORCE;
	return 0;
}

void mitigate_free(void)
{
	free_pages((unsigned long)flush_buffer, FLUSH_ORDER);
}

/* Reading as much as L1D holds replaces what it held; translations come first. */
static void flush_by_reading(void)
{
	unsigned long i;

	for (i = 0; i < FLUSH_BYTES; i += PAGE_SIZE)
		READ_ONCE(flush_buffer[i]);
	barrier_nospec();
	for (i = 0; i < FLUSH_BYTES; i += LINE_BYTES)
		READ_ONCE(flush_buffer[i]);
	barrier_nospec();
}

/*
 * What the host has touched since the last entry that no guest may see: memory of other
 * tasks, where this one was scheduled or an interrupt came, and what user space or the
 * emulator had to look at.  An EPT violation is served with the process's own page tables
 * and pages, which the kernel's own hypervisor does not count either; if it had to sleep,
 * this task was scheduled.  A kernel without KVM does not note interrupts.
 */
static bool host_data_is_cached(struct lodge_vcpu *vcpu)
{
	bool cached = vcpu->l1d_used || flush_always;

	vcpu->l1d_used = false;
#if IS_ENABLED(CONFIG_KVM_INTEL)
	cached |= kvm_get_cpu_l1tf_flush_l1d();
	kvm_clear_cpu_l1tf_flush_l1d();
#else
	cached = true;
#endif
	return cached;
}

/* Costly where it is needed, and it is needed on old CPUs only. */
void mitigate_flush(struct lodge_vcpu *vcpu)
{
	if (!host_data_is_cached(vcpu))
		return;
	if (flush_buffer)
		flush_by_reading();
	else
		native_wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
}

void mitigate_switch(void)
{
	indirect_branch_prediction_barrier();
}

u64 mitigate_spec_ctrl_bits(void)
{
	u64 bits = 0;

	if (boot_cpu_has(X86_FEATURE_SPEC_CTRL))
		bits |= SPEC_CTRL_IBRS;
	if (boot_cpu_has(X86_FEATURE_INTEL_STIBP))
		bits |= SPEC_CTRL_STIBP;
	if (boot_cpu_has(X86_FEATURE_SPEC_CTRL_SSBD))
		bits |= SPEC_CTRL_SSBD;
	return bits;
}

/* What a guest may conclude about its CPU, of all that the host's CPU says. */
#define ARCH_CAPABILITIES_TOLD						\
	(ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_RSBA |		\
	 ARCH_CAP_SKIP_VMENTRY_L1DFLUSH | ARCH_CAP_SSB_NO | ARCH_CAP_MDS_NO | \
	 ARCH_CAP_PSCHANGE_MC_NO | ARCH_CAP_TAA_NO | ARCH_CAP_SBDR_SSDP_NO | \
	 ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO | ARCH_CAP_FB_CLEAR |	\
	 ARCH_CAP_RRSBA | ARCH_CAP_BHI_NO | ARCH_CAP_PBRSB_NO | ARCH_CAP_GDS_NO)

u64 mitigate_arch_capabilities(void)
{
	u64 cap = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, cap);
	cap &= ARCH_CAPABILITIES_TOLD;
	/* the entry flushes L1D where that is needed, so a nested guest need not */
	if (l1tf_mitigation != L1TF_MITIGATION_OFF || !boot_cpu_has_bug(X86_BUG_L1TF))
		cap |= ARCH_CAP_SKIP_VMENTRY_L1DFLUSH;
	if (!boot_cpu_has_bug(X86_BUG_CPU_MELTDOWN))
		cap |= ARCH_CAP_RDCL_NO;
	if (!boot_cpu_has_bug(X86_BUG_SPEC_STORE_BYPASS))
		cap |= ARCH_CAP_SSB_NO;
	if (!boot_cpu_has_bug(X86_BUG_MDS))
		cap |= ARCH_CAP_MDS_NO;
	return cap;
}

/* Right before the entry: all that follows may run under the guest's choice. */
noinstr void mitigate_load_guest(struct lodge_vcpu *vcpu)
{
	if (!cpu_feature_enabled(X86_FEATURE_MSR_SPEC_CTRL))
		return;
	if (vcpu->spec_ctrl != this_cpu_read(x86_spec_ctrl_current))
		native_wrmsrl(MSR_IA32_SPEC_CTRL, vcpu->spec_ctrl);
}

/*
 * The older form of IBRS protects only from what ran before it was last written,
 * so there the write is made even if it changes nothing.
 */
noinstr void mitigate_exit(struct lodge_vcpu *vcpu)
{
	u64 host;

#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	/* the VMM's own predictions: the kernel cleans up on its way to user space */
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
	if (!cpu_feature_enabled(X86_FEATURE_MSR_SPEC_CTRL))
		return;
	host = this_cpu_read(x86_spec_ctrl_current);
	if (vcpu->spec_ctrl_open)
		vcpu->spec_ctrl = __rdmsr(MSR_IA32_SPEC_CTRL);
	if (cpu_feature_enabled(X86_FEATURE_KERNEL_IBRS) || vcpu->spec_ctrl != host)
		native_wrmsrl(MSR_IA32_SPEC_CTRL, host);
	barrier_nospec();
}
