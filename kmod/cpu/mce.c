// SPDX-License-Identifier: GPL-2.0
/*
 * mce.c - the machine-check registers of a guest.  Nothing in them is the
 * host's: user space stages an error (KVM_X86_SET_MCE), the guest finds it here
 * and, if it is grave, gets #MC.  SDM vol. 3B 15.3.
 */
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <linux/string.h>
#include <asm/mce.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "../lodge.h"
#include "../irq/lapic.h"
#include "../vmx/inject.h"
#include "../vmx/regs.h"
#include "mce.h"

/* Registers of one bank, in the order of their numbers. */
enum { CTL, STATUS, ADDR, MISC, PER_BANK };

#define CTL2_VALID	(MCI_CTL2_CMCI_EN | MCI_CTL2_CMCI_THRESHOLD_MASK)

static unsigned int nr_banks(const struct lodge_vcpu *vcpu)
{
	return vcpu->mcg_cap & MCG_BANKCNT_MASK;
}

static bool has_cmci(const struct lodge_vcpu *vcpu)
{
	return vcpu->mcg_cap & MCG_CMCI_P;
}

/* The register behind an MSR number, or NULL if the guest has no such bank. */
static u64 *find(struct lodge_vcpu *vcpu, u32 index, bool host)
{
	unsigned int reg = index - MSR_IA32_MCx_CTL(0);
	unsigned int bank = index - MSR_IA32_MCx_CTL2(0);

	switch (index) {
	case MSR_IA32_MCG_CAP:
		return &vcpu->mcg_cap;
	case MSR_IA32_MCG_STATUS:
		return &vcpu->mcg_status;
	case MSR_IA32_MCG_CTL:
		/* user space may list it: it finds a zero where there is none */
		return host || (vcpu->mcg_cap & MCG_CTL_P) ? &vcpu->mcg_ctl : NULL;
	}
	if (bank < nr_banks(vcpu) && (host || has_cmci(vcpu)))
		return &vcpu->mce_ctl2[array_index_nospec(bank, LODGE_MCE_BANKS)];
	if (reg >= nr_banks(vcpu) * PER_BANK)
		return NULL;
	return &vcpu->mce_banks[array_index_nospec(reg, ARRAY_SIZE(vcpu->mce_banks))];
}

bool mce_read(struct lodge_vcpu *vcpu, u32 index, u64 *value, bool host)
{
	u64 *reg = find(vcpu, index, host);

	if (reg)
		*value = *reg;
	return reg;
}

static bool writable(const struct lodge_vcpu *vcpu, u32 index, u64 value, bool host)
{
	switch (index) {
	case MSR_IA32_MCG_CAP:
		return false;
	case MSR_IA32_MCG_STATUS:
		return host || !(value & ~(u64)(MCG_STATUS_RIPV | MCG_STATUS_EIPV |
						MCG_STATUS_MCIP | MCG_STATUS_LMCES));
	case MSR_IA32_MCG_CTL:
		return !value || (value == ~0ull && (vcpu->mcg_cap & MCG_CTL_P));
	}
	if (index < MSR_IA32_MCx_CTL(0))	/* one of MCi_CTL2 */
		return !value || (has_cmci(vcpu) && !(value & ~(u64)CTL2_VALID));
	switch ((index - MSR_IA32_MCx_CTL(0)) % PER_BANK) {
	case CTL:
		/* Linux leaves bit 10 or bit 0 clear on some old CPUs' account */
		return !value || (value | BIT(10) | BIT(0)) == ~0ull;
	case STATUS:
		return host || !value;
	default:
		return true;
	}
}

bool mce_write(struct lodge_vcpu *vcpu, u32 index, u64 value, bool host)
{
	u64 *reg = find(vcpu, index, host);

	if (!reg || !writable(vcpu, index, value, host))
		return false;
	*reg = value;
	return true;
}

void mce_reset(struct lodge_vcpu *vcpu)
{
	/* registers that nobody set up answer, and hold nothing */
	vcpu->mcg_cap = LODGE_MCE_BANKS;
}

int mce_configure(struct lodge_vcpu *vcpu, u64 cap)
{
	unsigned int banks = cap & MCG_BANKCNT_MASK, i;

	if (!banks || banks > LODGE_MCE_BANKS)
		return -EINVAL;
	if (cap & ~(MCE_CAP_SUPPORTED | MCG_BANKCNT_MASK | MCG_EXT_CNT_MASK))
		return -EINVAL;
	vcpu->mcg_cap = cap;
	if (vcpu->apic)
		lapic_mce_changed(vcpu);
	if (cap & MCG_CTL_P)
		vcpu->mcg_ctl = ~0ull;
	for (i = 0; i < banks; i++)
		vcpu->mce_banks[i * PER_BANK + CTL] = ~0ull;
	memset(vcpu->mce_ctl2, 0, sizeof(vcpu->mce_ctl2));
	return 0;
}

static void store(struct lodge_vcpu *vcpu, u64 *bank, const struct kvm_x86_mce *m)
{
	u64 overflow = (bank[STATUS] & MCI_STATUS_VAL) ? MCI_STATUS_OVER : 0;

	bank[STATUS] = m->status | overflow;
	bank[ADDR] = m->addr;
	bank[MISC] = m->misc;
}

/* Uncorrected, but nothing has to be done at once: no #MC tells of it, CMCI may. */
static bool is_ucna(const struct kvm_x86_mce *m)
{
	return !m->mcg_status &&
	       (m->status & (MCI_STATUS_UC | MCI_STATUS_PCC | MCI_STATUS_S | MCI_STATUS_AR)) ==
	       MCI_STATUS_UC;
}

static void raise(struct lodge_vcpu *vcpu, u64 *bank, const struct kvm_x86_mce *m)
{
	/* software may have turned the reporting of such errors off */
	if (((vcpu->mcg_cap & MCG_CTL_P) && vcpu->mcg_ctl != ~0ull) || bank[CTL] != ~0ull)
		return;
	if ((vcpu->mcg_status & MCG_STATUS_MCIP) || !(regs_cr4(vcpu) & X86_CR4_MCE)) {
		vcpu_shuts_down(vcpu);
		return;
	}
	store(vcpu, bank, m);
	vcpu->mcg_status = m->mcg_status;
	inject_exception(vcpu, X86_TRAP_MC);
}

static void stage_ucna(struct lodge_vcpu *vcpu, u64 *bank, u64 ctl2,
		       const struct kvm_x86_mce *m)
{
	bank[STATUS] = m->status;
	bank[ADDR] = m->addr;
	bank[MISC] = m->misc;
	vcpu->mcg_status = 0;
	if (vcpu->apic && has_cmci(vcpu) && (ctl2 & MCI_CTL2_CMCI_EN))
		lapic_cmci(vcpu);
}

int mce_stage(struct lodge_vcpu *vcpu, const struct kvm_x86_mce *m)
{
	u64 *bank;
	u8 nr;

	if (m->bank >= nr_banks(vcpu) || !(m->status & MCI_STATUS_VAL))
		return -EINVAL;
	nr = array_index_nospec(m->bank, LODGE_MCE_BANKS);
	bank = &vcpu->mce_banks[PER_BANK * nr];
	if (is_ucna(m)) {
		stage_ucna(vcpu, bank, vcpu->mce_ctl2[nr], m);
	} else if (m->status & MCI_STATUS_UC) {
		raise(vcpu, bank, m);
	} else if (!(bank[STATUS] & MCI_STATUS_VAL) || !(bank[STATUS] & MCI_STATUS_UC)) {
		store(vcpu, bank, m);
	} else {
		/* a corrected error does not push an uncorrected one out */
		bank[STATUS] |= MCI_STATUS_OVER;
	}
	return 0;
}
