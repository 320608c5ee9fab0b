// SPDX-License-Identifier: GPL-2.0
/*
 * asyncpf - the registers of asynchronous page faults: what may be written into them,
 * what user space saves of them, and which bits of CPUID they hang on.
 */
#include "lapic.h"
#include "state.h"

#define MSR_EN		0x4b564d02
#define MSR_INT		0x4b564d06
#define MSR_ACK		0x4b564d07
#define ENABLED		BIT(0)
#define BY_INTERRUPT	BIT(3)
#define ASYNC_PF	BIT(4)
#define ASYNC_PF_INT	BIT(14)

static u8 area[64] __aligned(64);

SUBTEST(offered)
{
	struct vm *vm = vm_create();
	u32 eax = cpuid_leaf(vm->cpuid, 0x40000001, 0)->eax;

	CHECK(eax & ASYNC_PF);
	CHECK(eax & ASYNC_PF_INT);
	CHECK_EQ(check_cap(vm, KVM_CAP_ASYNC_PF), 1);
	CHECK_EQ(check_cap(vm, KVM_CAP_ASYNC_PF_INT), 1);
}

SUBTEST(class13_values)
{
	struct vcpu *vcpu = lapic_new(false);
	u64 here = (uintptr_t)area;

	CHECK_EQ(msr_rd(vcpu, MSR_EN), 0);
	CHECK_EQ(msr_rd(vcpu, MSR_INT), 0);
	msr_wr(vcpu, MSR_INT, 0x55);
	CHECK_EQ(msr_rd(vcpu, MSR_INT), 0x55);
	CHECK_EQ(msr_wr_vector(vcpu, MSR_INT, 0x100), GP);
	msr_wr(vcpu, MSR_EN, here | ENABLED | BY_INTERRUPT);
	CHECK_EQ(msr_rd(vcpu, MSR_EN), here | ENABLED | BY_INTERRUPT);
	/* reserved bits, and where no memory is */
	CHECK_EQ(msr_wr_vector(vcpu, MSR_EN, here | ENABLED | 0x10), GP);
	CHECK_EQ(msr_wr_vector(vcpu, MSR_EN, here | ENABLED | 0x20), GP);
	CHECK_EQ(msr_wr_vector(vcpu, MSR_EN, MMIO_GPA | ENABLED | BY_INTERRUPT), GP);
	msr_wr(vcpu, MSR_EN, MMIO_GPA | ENABLED);
	msr_wr(vcpu, MSR_EN, 0);
	CHECK_EQ(msr_rd(vcpu, MSR_EN), 0);
	msr_wr(vcpu, MSR_ACK, 1);
	CHECK_EQ(msr_rd(vcpu, MSR_ACK), 0);
}

/* As a machine is moved: user space puts back what it has read. */
SUBTEST(saved_and_restored)
{
	struct vcpu *vcpu = lapic_new(false);
	u64 here = (uintptr_t)area;

	set_msr(vcpu, MSR_INT, 0x66);
	set_msr(vcpu, MSR_EN, here | ENABLED | BY_INTERRUPT);
	CHECK_EQ(get_msr(vcpu, MSR_INT), 0x66);
	CHECK_EQ(get_msr(vcpu, MSR_EN), here | ENABLED | BY_INTERRUPT);
	CHECK_EQ(msr_rd(vcpu, MSR_EN), here | ENABLED | BY_INTERRUPT);
}

/* Who has the local APIC itself gets no events, and may say so. */
SUBTEST(without_a_local_apic)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	CHECK_EQ(set_msr_raw(vcpu, MSR_EN, 0), 1);
	CHECK_EQ(set_msr_raw(vcpu, MSR_EN, (uintptr_t)area | ENABLED), 0);
	CHECK_EQ(set_msr_raw(vcpu, MSR_INT, 0x55), 0);
}

/* With the features enforced, what CPUID does not name is not there. */
SUBTEST(class08_enforced)
{
	struct vm *vm = lapic_vm();
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args[0] = 1,
	};
	struct vcpu *vcpu;

	cpuid_leaf(vm->cpuid, 0x40000001, 0)->eax &= ~(u32)(ASYNC_PF | ASYNC_PF_INT);
	vcpu = lapic_vcpu(vm, 0);
	CHECK_EQ(xioctl(vcpu->fd, KVM_ENABLE_CAP, (uintptr_t)&cap), 0);
	CHECK_EQ(msr_rd_vector(vcpu, MSR_EN), GP);
	CHECK_EQ(msr_wr_vector(vcpu, MSR_EN, 0), GP);
	CHECK_EQ(msr_rd_vector(vcpu, MSR_INT), GP);
	CHECK_EQ(msr_wr_vector(vcpu, MSR_INT, 0), GP);
	CHECK_EQ(msr_wr_vector(vcpu, MSR_ACK, 1), GP);
}
