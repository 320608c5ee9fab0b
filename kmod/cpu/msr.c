// SPDX-License-Identifier: GPL-2.0
/*
 * msr.c - every MSR that a guest can name, as one table sorted by number: how it
 * is read, how it is written, what a write must look like, whether it needs an
 * exit, and whether user space saves it with a machine.  An MSR that is not in
 * the table does not exist, so that no host MSR is reached by accident.
 * SDM vol. 4.
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <asm/apicdef.h>
#include <asm/kvm_para.h>
#include <asm/msr.h>
#include <asm/mtrr.h>
#include <asm/processor.h>

#include "../lodge.h"
#include "../irq/lapic.h"
#include "../irq/pv_eoi.h"
#include "../kick.h"
#include "../vmx/apicv.h"
#include "../vmx/mitigate.h"
#include "../vmx/msr.h"
#include "../vmx/regs.h"
#include "../vmx/run.h"
#include "../vmx/tsc.h"
#include "async_pf.h"
#include "clock.h"
#include "cpuid.h"
#include "cr.h"
#include "mce.h"
#include "msr.h"
#include "msr_filter.h"
#include "pvclock.h"
#include "steal.h"

static bool ignore_msrs;
module_param(ignore_msrs, bool, 0644);
MODULE_PARM_DESC(ignore_msrs, "unknown MSRs read as zero and swallow writes (default off)");

static bool report_ignored_msrs = true;
module_param(report_ignored_msrs, bool, 0644);
MODULE_PARM_DESC(report_ignored_msrs, "log what ignore_msrs hides (default on)");

#define UCODE_REV	0x100000000ull
#define MTRR_VARIABLE	8
#define MTRR_CAP	(MTRR_VARIABLE | BIT(8) | BIT(10))	/* fixed ranges, WC */

enum msr_flags {
	SAVED = BIT(0),		/* part of a machine: KVM_GET_MSR_INDEX_LIST */
	FEATURE = BIT(1),	/* tells of the host: KVM_GET_MSR_FEATURE_INDEX_LIST */
	OPEN = BIT(2),		/* no exit: the VMCS or vmx/run.c switches it */
	HOST_WRITES = BIT(3),	/* the guest may only read it */
};

struct msr_row {
	u32 first, last;
	u8 flags;
	bool (*read)(struct lodge_vcpu *vcpu, struct msr_access *a);
	bool (*write)(struct lodge_vcpu *vcpu, const struct msr_access *a);
	u16 home;		/* for read_home and write_home: offset in the vCPU */
	u64 fixed;		/* for read_fixed: the value; for write_home: writable bits */
	bool (*there)(void);	/* on this host; NULL: always */
};

#define HOME(field) offsetof(struct lodge_vcpu, field)

static bool read_fixed(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = a->row->fixed;
	return true;
}

/* User space puts back what it has read; nobody changes it. */
static bool write_fixed(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	return a->value == a->row->fixed;
}

static u64 *home_of(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	return (void *)vcpu + a->row->home;
}

static bool read_home(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = *home_of(vcpu, a);
	return true;
}

static bool write_home(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if (a->value & ~a->row->fixed)
		return false;
	*home_of(vcpu, a) = a->value;
	return true;
}

static bool read_tsc(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = tsc_of_guest(vcpu);
	return true;
}

/* A guest's write moves TSC_ADJUST by as much: vol. 3B 17.17.3. */
static bool write_tsc(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if (a->host)
		clock_host_sets(vcpu, a->value);
	else
		vcpu->tsc_adjust += clock_guest_sets(vcpu, a->value);
	return true;
}

static bool read_tsc_adjust(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = vcpu->tsc_adjust;
	return a->host || cpuid_guest_has(vcpu, X86_FEATURE_TSC_ADJUST);
}

/* User space restores the counter itself, and this beside it. */
static bool write_tsc_adjust(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if (!a->host) {
		if (!cpuid_guest_has(vcpu, X86_FEATURE_TSC_ADJUST))
			return false;
		clock_add_tsc(vcpu, a->value - vcpu->tsc_adjust);
	}
	vcpu->tsc_adjust = a->value;
	return true;
}

#define APIC_MODE	(MSR_IA32_APICBASE_ENABLE | X2APIC_ENABLE)

/* SDM vol. 3A 10.12.5, figure 10-27; user space may go anywhere at once. */
static bool apic_base_valid(struct lodge_vcpu *vcpu, u64 value, bool host)
{
	u64 allowed = GENMASK_ULL(vcpu->maxphyaddr - 1, 12) | MSR_IA32_APICBASE_BSP |
		      MSR_IA32_APICBASE_ENABLE;
	u64 from = vcpu->apic_base & APIC_MODE, to = value & APIC_MODE;

	if (cpuid_guest_has(vcpu, X86_FEATURE_X2APIC))
		allowed |= X2APIC_ENABLE;
	if ((value & ~allowed) || to == X2APIC_ENABLE)
		return false;
	if (host)
		return true;
	return !(from == APIC_MODE && to == MSR_IA32_APICBASE_ENABLE) &&
	       !(!from && to == APIC_MODE);
}

bool msr_set_apic_base(struct lodge_vcpu *vcpu, u64 value, bool host)
{
	u64 old = vcpu->apic_base;

	if (!apic_base_valid(vcpu, value, host))
		return false;
	WRITE_ONCE(vcpu->apic_base, value);
	if (vcpu->apic)
		lapic_base_changed(vcpu, old, host);
	return true;
}

static bool read_apic_base(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = vcpu->apic_base;
	return true;
}

static bool write_apic_base(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	return msr_set_apic_base(vcpu, a->value, a->host);
}

/* Not filtered: what an APIC's page gives it cannot be kept from an x2APIC. */
static bool is_x2apic(u32 index)
{
	return index >= APIC_BASE_MSR && index <= APIC_BASE_MSR + 0xff;
}

static bool read_x2apic(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	return lapic_msr_read(vcpu, a->index, &a->value);
}

static bool write_x2apic(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	return lapic_msr_write(vcpu, a->index, a->value);
}

static bool read_deadline(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = lapic_get_deadline(vcpu);
	return true;
}

static bool write_deadline(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	lapic_set_deadline(vcpu, a->value);
	return true;
}

static bool read_sysenter(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	if (a->index == MSR_IA32_SYSENTER_CS)
		a->value = vmread32(GUEST_SYSENTER_CS);
	else if (a->index == MSR_IA32_SYSENTER_ESP)
		a->value = vmreadl(GUEST_SYSENTER_ESP);
	else
		a->value = vmreadl(GUEST_SYSENTER_EIP);
	return true;
}

static bool write_sysenter(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if (a->index == MSR_IA32_SYSENTER_CS) {
		vmwrite32(GUEST_SYSENTER_CS, a->value);
		return true;
	}
	if (!a->host && !is_canonical(a->value))
		return false;
	/* a machine that was saved on an AMD host may have any address */
	if (a->index == MSR_IA32_SYSENTER_ESP)
		vmwritel(GUEST_SYSENTER_ESP, make_canonical(a->value));
	else
		vmwritel(GUEST_SYSENTER_EIP, make_canonical(a->value));
	return true;
}

/* Which update is loaded is for user space to say; the guest cannot load one. */
static bool write_ucode(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if (a->host)
		vcpu->ucode_rev = a->value;
	return true;
}

static bool write_misc_enable(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	u64 read_only = MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL;

	/* MONITOR and MWAIT go with CPUID's bit, where user space wants that */
	if ((vcpu->vm->quirks_off & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT) &&
	    ((a->value ^ vcpu->misc_enable) & MSR_IA32_MISC_ENABLE_MWAIT) &&
	    !cpuid_guest_has(vcpu, X86_FEATURE_XMM3))
		return false;
	vcpu->misc_enable = (a->value & ~read_only) | (vcpu->misc_enable & read_only);
	return true;
}

static bool read_platform_info(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = vcpu->platform_info;
	return a->host || !vcpu->vm->platform_info_hidden;
}

/* The guest may not keep CPUID faulting on when the means for it go. */
static bool write_platform_info(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if (!(a->value & MSR_PLATFORM_INFO_CPUID_FAULT) && vcpu->misc_features)
		return false;
	vcpu->platform_info = a->value;
	return true;
}

static bool write_misc_features(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if ((a->value & MSR_MISC_FEATURES_ENABLES_CPUID_FAULT) &&
	    !(vcpu->platform_info & MSR_PLATFORM_INFO_CPUID_FAULT))
		return false;
	return write_home(vcpu, a);
}

static bool read_mce(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	return mce_read(vcpu, a->index, &a->value, a->host);
}

static bool write_mce(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	return mce_write(vcpu, a->index, a->value, a->host);
}

static bool read_pvclock(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	return pvclock_read_msr(vcpu, a->index, &a->value);
}

static bool write_pvclock(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	return pvclock_write_msr(vcpu, a->index, a->value, a->host);
}

static bool read_steal(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = vcpu->steal_msr;
	return cpuid_pv_allows(vcpu, KVM_FEATURE_STEAL_TIME);
}

static bool write_steal(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	return cpuid_pv_allows(vcpu, KVM_FEATURE_STEAL_TIME) && steal_write_msr(vcpu, a->value);
}

static bool read_pv_eoi(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	return cpuid_pv_allows(vcpu, KVM_FEATURE_PV_EOI) && read_home(vcpu, a);
}

static bool write_pv_eoi(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	return cpuid_pv_allows(vcpu, KVM_FEATURE_PV_EOI) && pv_eoi_write_msr(vcpu, a->value);
}

static bool read_poll_control(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	return cpuid_pv_allows(vcpu, KVM_FEATURE_POLL_CONTROL) && read_home(vcpu, a);
}

static bool write_poll_control(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	return cpuid_pv_allows(vcpu, KVM_FEATURE_POLL_CONTROL) && write_home(vcpu, a);
}

static bool has_spec_ctrl(void)
{
	return mitigate_spec_ctrl_bits();
}

static bool has_flush_l1d(void)
{
	return boot_cpu_has(X86_FEATURE_FLUSH_L1D);
}

static bool guest_has_spec_ctrl(struct lodge_vcpu *vcpu)
{
	return cpuid_guest_has(vcpu, X86_FEATURE_SPEC_CTRL) ||
	       cpuid_guest_has(vcpu, X86_FEATURE_INTEL_STIBP) ||
	       cpuid_guest_has(vcpu, X86_FEATURE_SPEC_CTRL_SSBD);
}

static bool read_spec_ctrl(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = vcpu->spec_ctrl;
	return a->host || guest_has_spec_ctrl(vcpu);
}

/* A guest that writes it once will do so at every one of its context switches. */
static bool write_spec_ctrl(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if (!a->host && !guest_has_spec_ctrl(vcpu))
		return false;
	if (a->value & ~mitigate_spec_ctrl_bits())
		return false;
	vcpu->spec_ctrl = a->value;
	if (a->value && !vcpu->spec_ctrl_open) {
		vcpu->spec_ctrl_open = true;
		vcpu_request(vcpu, REQ_MSR_FILTER);
	}
	return true;
}

static bool read_command(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = 0;
	return a->host;
}

static bool write_pred_cmd(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if (a->value & ~(u64)PRED_CMD_IBPB || (!a->host && !guest_has_spec_ctrl(vcpu)))
		return false;
	if (a->value && !a->host)
		wrmsrl(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	return true;
}

static bool write_flush_cmd(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if (a->value & ~(u64)L1D_FLUSH ||
	    (!a->host && !cpuid_guest_has(vcpu, X86_FEATURE_FLUSH_L1D)))
		return false;
	if (a->value && !a->host)
		wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
	return true;
}

static bool read_arch_capabilities(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = vcpu->arch_capabilities;
	return a->host || cpuid_guest_has(vcpu, X86_FEATURE_ARCH_CAPABILITIES);
}

/* There is no performance counter, and so nothing that one could do. */
static bool read_perf_capabilities(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = 0;
	return a->host || cpuid_guest_has(vcpu, X86_FEATURE_PDCM);
}

static bool read_debugctl(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = vmread64(GUEST_IA32_DEBUGCTL);
	return true;
}

/* Single-step on branches works; last-branch records are not kept, bit 0 is lost. */
static bool write_debugctl(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if (a->value & ~(u64)(DEBUGCTLMSR_LBR | DEBUGCTLMSR_BTF))
		return false;
	vmwrite64(GUEST_IA32_DEBUGCTL, a->value & DEBUGCTLMSR_BTF);
	return true;
}

/* Eight at once, a byte each: 0, 1, 4, 5, 6, and 7 in the PAT.  Vol. 3A 11.11.2.1, 11.12.2. */
static bool all_memory_types(u64 value, bool pat)
{
	const u64 each = 0x0101010101010101ull;
	u64 bit0 = value & each, bit1 = (value >> 1) & each, bit2 = (value >> 2) & each;

	return !(value & ~(7 * each)) && !(bit1 & ~bit2) && (pat || !(bit0 & bit1));
}

static bool read_pat(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = vmread64(GUEST_IA32_PAT);
	return true;
}

static bool write_pat(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if (!all_memory_types(a->value, true))
		return false;
	vmwrite64(GUEST_IA32_PAT, a->value);
	return true;
}

/* MTRRs: kept for the guest's own use; EPT decides what memory is like. */
static u64 *mtrr_slot(struct lodge_vcpu *vcpu, u32 index)
{
	if (index >= MTRRphysBase_MSR(0) && index <= MTRRphysMask_MSR(MTRR_VARIABLE - 1))
		return &vcpu->mtrr_var[array_index_nospec(index - MTRRphysBase_MSR(0), 16)];
	if (index == MSR_MTRRfix64K_00000)
		return &vcpu->mtrr_fixed[0];
	if (index == MSR_MTRRfix16K_80000 || index == MSR_MTRRfix16K_A0000)
		return &vcpu->mtrr_fixed[1 + array_index_nospec(index - MSR_MTRRfix16K_80000, 2)];
	if (index >= MSR_MTRRfix4K_C0000 && index <= MSR_MTRRfix4K_F8000)
		return &vcpu->mtrr_fixed[3 + array_index_nospec(index - MSR_MTRRfix4K_C0000, 8)];
	return &vcpu->mtrr_def_type;
}

static bool read_mtrr(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = *mtrr_slot(vcpu, a->index);
	return true;
}

static bool write_mtrr_fixed(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if (!all_memory_types(a->value, false))
		return false;
	*mtrr_slot(vcpu, a->index) = a->value;
	return true;
}

static bool write_mtrr_def(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if ((a->value & ~0xcffull) || !all_memory_types((u8)a->value, false))
		return false;
	vcpu->mtrr_def_type = a->value;
	return true;
}

static bool write_mtrr_var(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	u64 addr = GENMASK_ULL(vcpu->maxphyaddr - 1, 12);

	if (a->index & 1) {
		if (a->value & ~(addr | BIT(11)))
			return false;
	} else if ((a->value & ~(addr | 0xff)) || !all_memory_types((u8)a->value, false)) {
		return false;
	}
	*mtrr_slot(vcpu, a->index) = a->value;
	return true;
}

/* No supervisor component is offered, so zero is the only value. */
static bool read_xss(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = 0;
	return a->host || cpuid_guest_has(vcpu, X86_FEATURE_XSAVES);
}

static bool write_xss(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	return !a->value && (a->host || cpuid_guest_has(vcpu, X86_FEATURE_XSAVES));
}

static bool read_efer(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = vcpu->efer;
	return true;
}

static bool do_write_efer(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	return efer_write(vcpu, a->value);
}

static bool has_tsc_aux(void)
{
	return vmx_msr_present(vmx_msr_slot(MSR_TSC_AUX));
}

static bool allows_tsc_aux(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	return a->host || cpuid_guest_has(vcpu, X86_FEATURE_RDTSCP) ||
	       cpuid_guest_has(vcpu, X86_FEATURE_RDPID);
}

static bool read_switched(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	if (a->index == MSR_TSC_AUX && !allows_tsc_aux(vcpu, a))
		return false;
	a->value = vcpu->switched_msrs[vmx_msr_slot(a->index)];
	return true;
}

/* What is stored here is loaded into the CPU as it is: it must not fault there. */
static bool write_switched(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if (a->index == MSR_TSC_AUX && !allows_tsc_aux(vcpu, a))
		return false;
	if ((a->index == MSR_LSTAR || a->index == MSR_CSTAR) && !is_canonical(a->value))
		return false;
	if ((a->index == MSR_SYSCALL_MASK || a->index == MSR_TSC_AUX) && (a->value >> 32))
		return false;
	vcpu->switched_msrs[vmx_msr_slot(a->index)] = a->value;
	vmx_msrs_changed();
	return true;
}

static bool read_base(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	if (a->index == MSR_FS_BASE)
		a->value = vmreadl(GUEST_FS_BASE);
	else if (a->index == MSR_GS_BASE)
		a->value = vmreadl(GUEST_GS_BASE);
	else
		a->value = vmx_get_kernel_gs_base(vcpu);
	return true;
}

static bool write_base(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if (!is_canonical(a->value))
		return false;
	if (a->index == MSR_FS_BASE)
		vmwritel(GUEST_FS_BASE, a->value);
	else if (a->index == MSR_GS_BASE)
		vmwritel(GUEST_GS_BASE, a->value);
	else
		vmx_set_kernel_gs_base(vcpu, a->value);
	return true;
}

#define ONE(msr, ...) { msr, msr, __VA_ARGS__ }
#define MC_LAST (MSR_IA32_MCx_CTL(LODGE_MCE_BANKS) - 1)

/* Sorted by number, no two overlap; write NULL: read-only. */
static const struct msr_row rows[] = {
	ONE(MSR_IA32_TSC, SAVED, read_tsc, write_tsc),
	{ MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME, SAVED, read_pvclock, write_pvclock },
	ONE(MSR_IA32_PLATFORM_ID, 0, read_fixed, NULL),
	ONE(MSR_IA32_APICBASE, 0, read_apic_base, write_apic_base),
	ONE(MSR_IA32_EBL_CR_POWERON, 0, read_fixed, NULL),
	ONE(MSR_SMI_COUNT, SAVED | HOST_WRITES, read_fixed, write_fixed),
	ONE(MSR_IA32_FEAT_CTL, SAVED | HOST_WRITES, read_fixed, write_fixed, 0,
	    FEAT_CTL_LOCKED),
	ONE(MSR_IA32_TSC_ADJUST, SAVED, read_tsc_adjust, write_tsc_adjust),
	ONE(MSR_IA32_SPEC_CTRL, SAVED, read_spec_ctrl, write_spec_ctrl, .there = has_spec_ctrl),
	ONE(MSR_IA32_PRED_CMD, 0, read_command, write_pred_cmd, .there = has_spec_ctrl),
	ONE(MSR_IA32_UCODE_REV, SAVED | FEATURE, read_home, write_ucode, HOME(ucode_rev)),
	ONE(MSR_PLATFORM_INFO, SAVED | HOST_WRITES, read_platform_info, write_platform_info),
	ONE(MSR_MTRRcap, 0, read_fixed, NULL, 0, MTRR_CAP),
	ONE(MSR_IA32_ARCH_CAPABILITIES, SAVED | FEATURE | HOST_WRITES,
	    read_arch_capabilities, write_home, HOME(arch_capabilities), ~0ull),
	ONE(MSR_IA32_FLUSH_CMD, 0, read_command, write_flush_cmd, .there = has_flush_l1d),
	ONE(MSR_MISC_FEATURES_ENABLES, SAVED, read_home, write_misc_features,
	    HOME(misc_features), MSR_MISC_FEATURES_ENABLES_CPUID_FAULT),
	{ MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_EIP, SAVED | OPEN,
	  read_sysenter, write_sysenter },
	ONE(MSR_IA32_MCG_CAP, 0, read_mce, write_mce),
	{ MSR_IA32_MCG_STATUS, MSR_IA32_MCG_CTL, SAVED, read_mce, write_mce },
	ONE(MSR_IA32_PERF_STATUS, 0, read_fixed, NULL),
	ONE(MSR_IA32_MISC_ENABLE, SAVED, read_home, write_misc_enable, HOME(misc_enable)),
	ONE(MSR_IA32_DEBUGCTLMSR, SAVED, read_debugctl, write_debugctl),
	ONE(MSR_IA32_POWER_CTL, SAVED, read_home, write_home, HOME(power_ctl), ~0ull),
	{ MTRRphysBase_MSR(0), MTRRphysMask_MSR(MTRR_VARIABLE - 1), SAVED,
	  read_mtrr, write_mtrr_var },
	ONE(MSR_MTRRfix64K_00000, SAVED, read_mtrr, write_mtrr_fixed),
	{ MSR_MTRRfix16K_80000, MSR_MTRRfix16K_A0000, SAVED, read_mtrr, write_mtrr_fixed },
	{ MSR_MTRRfix4K_C0000, MSR_MTRRfix4K_F8000, SAVED, read_mtrr, write_mtrr_fixed },
	ONE(MSR_IA32_CR_PAT, SAVED, read_pat, write_pat),
	{ MSR_IA32_MCx_CTL2(0), MSR_IA32_MCx_CTL2(LODGE_MCE_BANKS) - 1, 0, read_mce, write_mce },
	ONE(MSR_MTRRdefType, SAVED, read_mtrr, write_mtrr_def),
	ONE(MSR_IA32_PERF_CAPABILITIES, SAVED | FEATURE | HOST_WRITES,
	    read_perf_capabilities, write_fixed),
	{ MSR_IA32_MCx_CTL(0), MC_LAST, 0, read_mce, write_mce },
	ONE(MSR_IA32_TSC_DEADLINE, SAVED, read_deadline, write_deadline),
	{ APIC_BASE_MSR, APIC_BASE_MSR + 0xff, 0, read_x2apic, write_x2apic },
	ONE(MSR_IA32_XSS, SAVED, read_xss, write_xss, .there = cpuid_offers_xsaves),
	{ MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW, SAVED, read_pvclock, write_pvclock },
	ONE(MSR_KVM_ASYNC_PF_EN, SAVED, async_pf_read, async_pf_write),
	ONE(MSR_KVM_STEAL_TIME, SAVED, read_steal, write_steal, .there = steal_is_known),
	ONE(MSR_KVM_PV_EOI_EN, SAVED, read_pv_eoi, write_pv_eoi, HOME(pv_eoi_msr)),
	ONE(MSR_KVM_POLL_CONTROL, SAVED, read_poll_control, write_poll_control,
	    HOME(poll_control), 1),
	{ MSR_KVM_ASYNC_PF_INT, MSR_KVM_ASYNC_PF_ACK, SAVED, async_pf_read, async_pf_write },
	ONE(MSR_EFER, 0, read_efer, do_write_efer),
	{ MSR_STAR, MSR_SYSCALL_MASK, SAVED, read_switched, write_switched },
	{ MSR_FS_BASE, MSR_GS_BASE, OPEN, read_base, write_base },
	ONE(MSR_KERNEL_GS_BASE, SAVED | OPEN, read_base, write_base),
	ONE(MSR_TSC_AUX, SAVED, read_switched, write_switched, .there = has_tsc_aux),
};

static const struct msr_row *find_row(u32 index)
{
	int lo = 0, hi = ARRAY_SIZE(rows);

	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (index < rows[mid].first)
			hi = mid;
		else if (index > rows[mid].last)
			lo = mid + 1;
		else
			return !rows[mid].there || rows[mid].there() ? &rows[mid] : NULL;
	}
	return NULL;
}

/* There is no such MSR; a client may have asked that nobody notices. */
static enum msr_result unknown(const struct msr_access *a, const char *what)
{
	if (!ignore_msrs)
		return MSR_UNKNOWN;
	if (report_ignored_msrs)
		pr_info_ratelimited("ignored %s of MSR %#x\n", what, a->index);
	return MSR_OK;
}

static bool filtered(struct lodge_vcpu *vcpu, const struct msr_access *a, u32 access)
{
	return !a->host && !is_x2apic(a->index) && !msr_filter_allows(vcpu->vm, a->index, access);
}

enum msr_result msr_read(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	a->value = 0;
	if (filtered(vcpu, a, KVM_MSR_FILTER_READ))
		return MSR_FILTERED;
	a->row = find_row(a->index);
	if (!a->row)
		return unknown(a, "read");
	return a->row->read(vcpu, a) ? MSR_OK : MSR_INVALID;
}

enum msr_result msr_write(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	const struct msr_row *row;

	if (filtered(vcpu, a, KVM_MSR_FILTER_WRITE))
		return MSR_FILTERED;
	row = find_row(a->index);
	if (!row)
		return unknown(a, "write");
	if (!row->write || ((row->flags & HOST_WRITES) && !a->host))
		return MSR_INVALID;
	a->row = row;
	return row->write(vcpu, a) ? MSR_OK : MSR_INVALID;
}

static int list(u32 *out, int max, u8 flag)
{
	int i, n = 0;
	u32 msr;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!(rows[i].flags & flag) || (rows[i].there && !rows[i].there()))
			continue;
		for (msr = rows[i].first; msr <= rows[i].last; msr++, n++)
			if (n < max)
				out[n] = msr;
	}
	return n;
}

int msr_list_saved(u32 *out, int max)
{
	return list(out, max, SAVED);
}

int msr_list_features(u32 *out, int max)
{
	return list(out, max, FEATURE);
}

bool msr_read_feature(u32 index, u64 *value)
{
	const struct msr_row *row = find_row(index);

	if (!row || !(row->flags & FEATURE))
		return false;
	switch (index) {
	case MSR_IA32_UCODE_REV:	/* which guests take for "new enough" */
		*value = UCODE_REV;
		break;
	case MSR_IA32_ARCH_CAPABILITIES:
		*value = mitigate_arch_capabilities();
		break;
	default:
		*value = row->fixed;
	}
	return true;
}

static void open_row(struct lodge_vcpu *vcpu, const struct msr_row *row)
{
	struct lodge_vm *vm = vcpu->vm;
	u32 msr;

	for (msr = row->first; msr <= row->last; msr++)
		vmx_msr_intercept(vcpu->vmcs.msr_bitmap, msr,
				  !msr_filter_allows(vm, msr, KVM_MSR_FILTER_READ),
				  !msr_filter_allows(vm, msr, KVM_MSR_FILTER_WRITE));
}

/* With a virtualised x2APIC: what the CPU answers from the page of registers. */
static void open_x2apic(struct lodge_vcpu *vcpu)
{
	unsigned long *bitmap = vcpu->vmcs.msr_bitmap;
	bool x2 = apicv_has_x2apic(vcpu);
	u32 msr;

	for (msr = APIC_BASE_MSR; msr <= APIC_BASE_MSR + 0xff; msr++)
		vmx_msr_intercept(bitmap, msr, !x2 || !apicv_has_registers(vcpu) ||
				  !lapic_msr_readable(vcpu, msr), true);
	if (!x2)
		return;
	vmx_msr_intercept(bitmap, APIC_BASE_MSR + (APIC_TASKPRI >> 4), false, false);
	if (!apicv_delivers(vcpu))
		return;
	vmx_msr_intercept(bitmap, APIC_BASE_MSR + (APIC_EOI >> 4), true, false);
	vmx_msr_intercept(bitmap, APIC_BASE_MSR + (APIC_SELF_IPI >> 4), true, false);
}

void msr_update_bitmap(struct lodge_vcpu *vcpu)
{
	int i;

	if (vcpu->apic)
		open_x2apic(vcpu);

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if ((rows[i].flags & OPEN) ||
		    (rows[i].first == MSR_IA32_SPEC_CTRL && vcpu->spec_ctrl_open))
			open_row(vcpu, &rows[i]);
}

void msr_reset(struct lodge_vcpu *vcpu)
{
	vcpu->apic_base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE;
	if (vcpu->id == vcpu->vm->boot_id)
		vcpu->apic_base |= MSR_IA32_APICBASE_BSP;
	vcpu->misc_enable = MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL;
	vcpu->ucode_rev = UCODE_REV;
	vcpu->poll_control = 1;
	vcpu->platform_info = MSR_PLATFORM_INFO_CPUID_FAULT;
	vcpu->arch_capabilities = mitigate_arch_capabilities();
	mce_reset(vcpu);
	vmwrite64(GUEST_IA32_PAT, 0x0007040600070406ull);	/* vol. 3A 11.12.4 */
	msr_update_bitmap(vcpu);
}
