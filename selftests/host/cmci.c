// SPDX-License-Identifier: GPL-2.0
/*
 * cmci - the interrupt that tells of a machine check which needs no action at once
 * (SDM volume 3B, 15.5): the registers that turn it on for a bank, the entry of the
 * local APIC's that says which vector it is, and when it comes.
 */
#include "lapic.h"
#include "state.h"

#define MCG_CMCI_P	BIT(10)
#define CTL2(bank)	(0x280 + (bank))
#define CTL2_EN		BIT(30)
#define STATUS(bank)	(0x401 + 4 * (bank))
#define BANKS		4
#define VECTOR		0x71

#define STATUS_VAL	BIT(63)
#define STATUS_UC	BIT(61)
#define STATUS_EN	BIT(60)
#define STATUS_PCC	BIT(57)
#define STATUS_S	BIT(56)
#define UCNA		(STATUS_VAL | STATUS_UC | STATUS_EN | 0x9f)

static struct vcpu *new_vcpu(u64 cap, bool x2apic)
{
	struct vcpu *vcpu = lapic_new(x2apic);

	cap |= BANKS;
	CHECK_EQ(xioctl(vcpu->fd, KVM_X86_SETUP_MCE, (uintptr_t)&cap), 0);
	return vcpu;
}

static void stage(struct vcpu *vcpu, u8 bank, u64 status)
{
	struct kvm_x86_mce m = { .status = status, .addr = 0x1234, .misc = 0x8c, .bank = bank };

	CHECK_EQ(xioctl(vcpu->fd, KVM_X86_SET_MCE, (uintptr_t)&m), 0);
}

SUBTEST(offered)
{
	struct vcpu *vcpu = lapic_new(false);
	u64 cap = 0;

	CHECK_EQ(xioctl(vcpu->vm->dev_fd, KVM_X86_GET_MCE_CAP_SUPPORTED, (uintptr_t)&cap), 0);
	CHECK(cap & MCG_CMCI_P);
}

SUBTEST(interrupt_comes)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = new_vcpu(MCG_CMCI_P, x2apic);

		apic_wr(vcpu, APIC_LVTCMCI, VECTOR);
		msr_wr(vcpu, CTL2(2), CTL2_EN);
		stage(vcpu, 2, UCNA);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, VECTOR), 1);
		CHECK_EQ(msr_rd(vcpu, STATUS(2)), UCNA);
		stage(vcpu, 2, UCNA);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, VECTOR), 2);
	}
}

SUBTEST(nobody_wants_it)
{
	struct vcpu *vcpu = new_vcpu(MCG_CMCI_P, false);

	/* off for that bank, on for another */
	apic_wr(vcpu, APIC_LVTCMCI, VECTOR);
	msr_wr(vcpu, CTL2(1), CTL2_EN);
	stage(vcpu, 2, UCNA);
	take_irqs(vcpu);
	CHECK_EQ(irqs(vcpu, VECTOR), 0);
	CHECK_EQ(msr_rd(vcpu, STATUS(2)), UCNA);
	/* masked */
	apic_wr(vcpu, APIC_LVTCMCI, APIC_LVT_MASKED | VECTOR);
	stage(vcpu, 1, UCNA);
	take_irqs(vcpu);
	CHECK_EQ(irqs(vcpu, VECTOR), 0);
	/* corrected: counted, not told */
	apic_wr(vcpu, APIC_LVTCMCI, VECTOR);
	msr_wr(vcpu, CTL2(3), CTL2_EN);
	stage(vcpu, 3, STATUS_VAL | STATUS_EN | 0x10);
	take_irqs(vcpu);
	CHECK_EQ(irqs(vcpu, VECTOR), 0);
}

SUBTEST(class08_registers)
{
	struct vcpu *vcpu = new_vcpu(MCG_CMCI_P, false);

	for (u32 bank = 0; bank < BANKS; bank++) {
		test_doing("bank %u", bank);
		CHECK_EQ(msr_rd(vcpu, CTL2(bank)), 0);
		msr_wr(vcpu, CTL2(bank), CTL2_EN | 0x7fff);
		CHECK_EQ(msr_rd(vcpu, CTL2(bank)), CTL2_EN | 0x7fff);
		CHECK_EQ(msr_wr_vector(vcpu, CTL2(bank), 0x8000), GP);
		CHECK_EQ(msr_wr_vector(vcpu, CTL2(bank), BIT(31)), GP);
		CHECK_EQ(msr_wr_vector(vcpu, CTL2(bank), ~0ull), GP);
		CHECK_EQ(msr_rd(vcpu, CTL2(bank)), CTL2_EN | 0x7fff);
		/* user space saves it, and is held to the same */
		CHECK_EQ(get_msr(vcpu, CTL2(bank)), CTL2_EN | 0x7fff);
		CHECK_EQ(set_msr_raw(vcpu, CTL2(bank), BIT(31)), 0);
	}
	CHECK_EQ(msr_rd_vector(vcpu, CTL2(BANKS)), GP);
	CHECK_EQ(msr_wr_vector(vcpu, CTL2(BANKS), 0), GP);
	CHECK_EQ(msr_rd_vector(vcpu, CTL2(31)), GP);
}

/* What user space has not set up is not there, for the guest. */
SUBTEST(class08_registers_without_cmci)
{
	struct vcpu *vcpu = new_vcpu(0, false);
	u64 value = 1;

	CHECK_EQ(msr_rd_vector(vcpu, CTL2(0)), GP);
	CHECK_EQ(msr_wr_vector(vcpu, CTL2(0), 0), GP);
	CHECK_EQ(msr_wr_vector(vcpu, CTL2(0), CTL2_EN), GP);
	CHECK_EQ(get_msr_raw(vcpu->fd, CTL2(0), &value), 1);
	CHECK_EQ(value, 0);
	CHECK_EQ(set_msr_raw(vcpu, CTL2(0), 0), 1);
	CHECK_EQ(set_msr_raw(vcpu, CTL2(0), CTL2_EN), 0);
	/* nor is the entry of the local APIC's */
	apic_wr(vcpu, APIC_LVTCMCI, VECTOR);
	CHECK_EQ(apic_rd(vcpu, APIC_LVTCMCI), 0);
}

/* Set up again, nothing is left of before. */
SUBTEST(set_up_again)
{
	struct vcpu *vcpu = new_vcpu(MCG_CMCI_P, false);
	u64 cap = MCG_CMCI_P | BANKS;

	msr_wr(vcpu, CTL2(0), CTL2_EN);
	CHECK_EQ(xioctl(vcpu->fd, KVM_X86_SETUP_MCE, (uintptr_t)&cap), 0);
	CHECK_EQ(msr_rd(vcpu, CTL2(0)), 0);
	CHECK_EQ(apic_rd(vcpu, APIC_LVTCMCI), APIC_LVT_MASKED);
}
