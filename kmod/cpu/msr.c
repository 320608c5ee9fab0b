// SPDX-License-Identifier: GPL-2.0
/*
 * msr.c - every MSR that a guest can name, as one table sorted by number: how it
 * is read, how it is written, what a write must look like.  An MSR that is not
 * in the table does not exist, so that no host MSR is reached by accident.
 * Those that guests use without an exit stand here as well, for the sake of
 * whoever else reads them.  SDM vol. 4.
 */
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <asm/apicdef.h>
#include <asm/msr.h>
#include <asm/mtrr.h>

#include "../lodge.h"
#include "../vmx/msr.h"
#include "../vmx/regs.h"
#include "../vmx/run.h"
#include "cpuid.h"
#include "cr.h"
#include "msr.h"

#define MTRR_VARIABLE	8
#define MTRR_CAP	(MTRR_VARIABLE | BIT(8) | BIT(10))	/* fixed ranges, WC */

struct msr_row {
	u32 first, last;
	bool (*read)(struct lodge_vcpu *vcpu, u32 index, u64 *value);
	bool (*write)(struct lodge_vcpu *vcpu, u32 index, u64 value);
	u64 fixed;		/* for read_fixed */
};

static const struct msr_row *find_row(u32 index);

static bool read_fixed(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	*value = find_row(index)->fixed;
	return true;
}

static bool write_ignored(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	return true;
}

static bool write_zero(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	return !value;
}

static bool read_tsc(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	*value = rdtsc() + vcpu->tsc_offset;
	return true;
}

static void set_tsc_offset(struct lodge_vcpu *vcpu, u64 offset)
{
	vcpu->tsc_offset = offset;
	vmwrite64(TSC_OFFSET, offset);
}

/* A write moves TSC_ADJUST by as much: vol. 3B 17.17.3. */
static bool write_tsc(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	u64 offset = value - rdtsc();

	vcpu->tsc_adjust += offset - vcpu->tsc_offset;
	set_tsc_offset(vcpu, offset);
	return true;
}

static bool read_tsc_adjust(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	*value = vcpu->tsc_adjust;
	return cpuid_guest_has(vcpu, X86_FEATURE_TSC_ADJUST);
}

static bool write_tsc_adjust(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	if (!cpuid_guest_has(vcpu, X86_FEATURE_TSC_ADJUST))
		return false;
	set_tsc_offset(vcpu, vcpu->tsc_offset + value - vcpu->tsc_adjust);
	vcpu->tsc_adjust = value;
	return true;
}

bool msr_apic_base_valid(struct lodge_vcpu *vcpu, u64 value)
{
	u64 allowed = GENMASK_ULL(vcpu->maxphyaddr - 1, 12) | MSR_IA32_APICBASE_BSP |
		      MSR_IA32_APICBASE_ENABLE;

	/* x2APIC mode needs the x2APIC that CPUID does not offer yet */
	return !(value & ~allowed);
}

static bool read_apic_base(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	*value = vcpu->apic_base;
	return true;
}

static bool write_apic_base(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	if (!msr_apic_base_valid(vcpu, value))
		return false;
	vcpu->apic_base = value;
	return true;
}

static bool read_sysenter(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	if (index == MSR_IA32_SYSENTER_CS)
		*value = vmread32(GUEST_SYSENTER_CS);
	else if (index == MSR_IA32_SYSENTER_ESP)
		*value = vmreadl(GUEST_SYSENTER_ESP);
	else
		*value = vmreadl(GUEST_SYSENTER_EIP);
	return true;
}

static bool write_sysenter(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	if (index == MSR_IA32_SYSENTER_CS) {
		vmwrite32(GUEST_SYSENTER_CS, value);
		return true;
	}
	if (!is_canonical(value))
		return false;
	if (index == MSR_IA32_SYSENTER_ESP)
		vmwritel(GUEST_SYSENTER_ESP, value);
	else
		vmwritel(GUEST_SYSENTER_EIP, value);
	return true;
}

static bool read_ucode(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	*value = vcpu->ucode_rev;
	return true;
}

static bool read_misc_enable(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	*value = vcpu->misc_enable;
	return true;
}

static bool write_misc_enable(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	u64 read_only = MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL;

	vcpu->misc_enable = (value & ~read_only) | (vcpu->misc_enable & read_only);
	return true;
}

static bool read_debugctl(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	*value = vmread64(GUEST_IA32_DEBUGCTL);
	return true;
}

/* Single-step on branches works; last-branch records are not kept, bit 0 is lost. */
static bool write_debugctl(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	if (value & ~(u64)(DEBUGCTLMSR_LBR | DEBUGCTLMSR_BTF))
		return false;
	vmwrite64(GUEST_IA32_DEBUGCTL, value & DEBUGCTLMSR_BTF);
	return true;
}

static bool is_memory_type(u8 type, bool pat)
{
	return type == MTRR_TYPE_UNCACHABLE || type == MTRR_TYPE_WRCOMB ||
	       type == MTRR_TYPE_WRTHROUGH || type == MTRR_TYPE_WRPROT ||
	       type == MTRR_TYPE_WRBACK || (pat && type == 7);
}

static bool all_memory_types(u64 value, bool pat)
{
	int i;

	for (i = 0; i < 8; i++)
		if (!is_memory_type(value >> (8 * i), pat))
			return false;
	return true;
}

static bool read_pat(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	*value = vmread64(GUEST_IA32_PAT);
	return true;
}

static bool write_pat(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	if (!all_memory_types(value, true))
		return false;
	vmwrite64(GUEST_IA32_PAT, value);
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

static bool read_mtrr(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	*value = *mtrr_slot(vcpu, index);
	return true;
}

static bool write_mtrr_fixed(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	if (!all_memory_types(value, false))
		return false;
	*mtrr_slot(vcpu, index) = value;
	return true;
}

static bool write_mtrr_def(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	if ((value & ~0xcffull) || !is_memory_type(value & 0xff, false))
		return false;
	vcpu->mtrr_def_type = value;
	return true;
}

static bool write_mtrr_var(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	u64 addr = GENMASK_ULL(vcpu->maxphyaddr - 1, 12);

	if (index & 1) {
		if (value & ~(addr | BIT(11)))
			return false;
	} else if ((value & ~(addr | 0xff)) || !is_memory_type(value & 0xff, false)) {
		return false;
	}
	*mtrr_slot(vcpu, index) = value;
	return true;
}

/* No supervisor component is offered, so zero is the only value. */
static bool read_xss(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	*value = 0;
	return cpuid_guest_has(vcpu, X86_FEATURE_XSAVES);
}

static bool write_xss(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	return !value && cpuid_guest_has(vcpu, X86_FEATURE_XSAVES);
}

static bool read_efer(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	*value = vcpu->efer;
	return true;
}

static bool do_write_efer(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	return efer_write(vcpu, value);
}

static bool switched_exists(struct lodge_vcpu *vcpu, u32 index)
{
	if (!vmx_msr_present(vmx_msr_slot(index)))
		return false;
	if (index == MSR_TSC_AUX)
		return cpuid_guest_has(vcpu, X86_FEATURE_RDTSCP) ||
		       cpuid_guest_has(vcpu, X86_FEATURE_RDPID);
	return true;
}

static bool read_switched(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	if (!switched_exists(vcpu, index))
		return false;
	*value = vcpu->switched_msrs[vmx_msr_slot(index)];
	return true;
}

/* What is stored here is loaded into the CPU as it is: it must not fault there. */
static bool write_switched(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	if (!switched_exists(vcpu, index))
		return false;
	if ((index == MSR_LSTAR || index == MSR_CSTAR) && !is_canonical(value))
		return false;
	if ((index == MSR_SYSCALL_MASK || index == MSR_TSC_AUX) && (value >> 32))
		return false;
	vcpu->switched_msrs[vmx_msr_slot(index)] = value;
	return true;
}

static bool read_base(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	if (index == MSR_FS_BASE)
		*value = vmreadl(GUEST_FS_BASE);
	else if (index == MSR_GS_BASE)
		*value = vmreadl(GUEST_GS_BASE);
	else
		*value = vmx_get_kernel_gs_base(vcpu);
	return true;
}

static bool write_base(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	if (!is_canonical(value))
		return false;
	if (index == MSR_FS_BASE)
		vmwritel(GUEST_FS_BASE, value);
	else if (index == MSR_GS_BASE)
		vmwritel(GUEST_GS_BASE, value);
	else
		vmx_set_kernel_gs_base(vcpu, value);
	return true;
}

/* Sorted by number, no two overlap; write NULL: read-only. */
static const struct msr_row rows[] = {
	{ MSR_IA32_TSC, MSR_IA32_TSC, read_tsc, write_tsc },
	{ MSR_IA32_PLATFORM_ID, MSR_IA32_PLATFORM_ID, read_fixed, NULL, 0 },
	{ MSR_IA32_APICBASE, MSR_IA32_APICBASE, read_apic_base, write_apic_base },
	{ MSR_IA32_FEAT_CTL, MSR_IA32_FEAT_CTL, read_fixed, NULL, FEAT_CTL_LOCKED },
	{ MSR_IA32_TSC_ADJUST, MSR_IA32_TSC_ADJUST, read_tsc_adjust, write_tsc_adjust },
	{ MSR_IA32_UCODE_REV, MSR_IA32_UCODE_REV, read_ucode, write_ignored },
	{ MSR_MTRRcap, MSR_MTRRcap, read_fixed, NULL, MTRR_CAP },
	{ MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_EIP, read_sysenter, write_sysenter },
	{ MSR_IA32_MCG_CAP, MSR_IA32_MCG_CAP, read_fixed, NULL, 0 },
	{ MSR_IA32_MCG_STATUS, MSR_IA32_MCG_STATUS, read_fixed, write_zero, 0 },
	{ MSR_IA32_MISC_ENABLE, MSR_IA32_MISC_ENABLE, read_misc_enable, write_misc_enable },
	{ MSR_IA32_DEBUGCTLMSR, MSR_IA32_DEBUGCTLMSR, read_debugctl, write_debugctl },
	{ MTRRphysBase_MSR(0), MTRRphysMask_MSR(MTRR_VARIABLE - 1), read_mtrr, write_mtrr_var },
	{ MSR_MTRRfix64K_00000, MSR_MTRRfix64K_00000, read_mtrr, write_mtrr_fixed },
	{ MSR_MTRRfix16K_80000, MSR_MTRRfix16K_A0000, read_mtrr, write_mtrr_fixed },
	{ MSR_MTRRfix4K_C0000, MSR_MTRRfix4K_F8000, read_mtrr, write_mtrr_fixed },
	{ MSR_IA32_CR_PAT, MSR_IA32_CR_PAT, read_pat, write_pat },
	{ MSR_MTRRdefType, MSR_MTRRdefType, read_mtrr, write_mtrr_def },
	{ MSR_IA32_XSS, MSR_IA32_XSS, read_xss, write_xss },
	{ MSR_EFER, MSR_EFER, read_efer, do_write_efer },
	{ MSR_STAR, MSR_SYSCALL_MASK, read_switched, write_switched },
	{ MSR_FS_BASE, MSR_KERNEL_GS_BASE, read_base, write_base },
	{ MSR_TSC_AUX, MSR_TSC_AUX, read_switched, write_switched },
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
			return &rows[mid];
	}
	return NULL;
}

bool msr_read(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	const struct msr_row *row = find_row(index);

	return row && row->read(vcpu, index, value);
}

bool msr_write(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	const struct msr_row *row = find_row(index);

	return row && row->write && row->write(vcpu, index, value);
}

void msr_reset(struct lodge_vcpu *vcpu)
{
	vcpu->apic_base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE;
	if (!vcpu->id)
		vcpu->apic_base |= MSR_IA32_APICBASE_BSP;
	vcpu->misc_enable = MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL;
	vcpu->ucode_rev = 0x100000000ull;
	vcpu->tsc_adjust = 0;
	/* the guest's counter begins at zero */
	vcpu->tsc_offset = -rdtsc();
	vmwrite64(GUEST_IA32_PAT, 0x0007040600070406ull);	/* vol. 3A 11.12.4 */
}
