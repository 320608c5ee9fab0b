// SPDX-License-Identifier: GPL-2.0
/*
 * async_pf.c - the registers of asynchronous page faults.  A host may tell a guest that
 * memory is on its way and let it run something else meanwhile; lodge serves each fault
 * before the guest goes on, and so has never anything to tell.  The interface is offered
 * because clients set it up for every processor model, and carry its registers along
 * when a machine moves from a host that uses them.
 */
#include <linux/bits.h>
#include <linux/kernel.h>
#include <asm/kvm_para.h>

#include "../lodge.h"
#include "../mem/slots.h"
#include "async_pf.h"
#include "cpuid.h"
#include "msr.h"

#define ADDRESS		(~(u64)0x3f)
#define RESERVED	0x30
#define WANTED		(KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_DELIVERY_AS_INT)

bool async_pf_read(struct lodge_vcpu *vcpu, struct msr_access *a)
{
	if (a->index == MSR_KVM_ASYNC_PF_EN) {
		a->value = vcpu->async_pf_msr;
		return cpuid_pv_allows(vcpu, KVM_FEATURE_ASYNC_PF);
	}
	a->value = a->index == MSR_KVM_ASYNC_PF_INT ? vcpu->async_pf_vector : 0;
	return cpuid_pv_allows(vcpu, KVM_FEATURE_ASYNC_PF_INT);
}

static bool write_enable(struct lodge_vcpu *vcpu, u64 value)
{
	if (!cpuid_pv_allows(vcpu, KVM_FEATURE_ASYNC_PF) || (value & RESERVED))
		return false;
	/* nobody has nested guests here that could take it as a VM exit */
	if (value & KVM_ASYNC_PF_DELIVERY_AS_PF_VMEXIT)
		return false;
	if ((value & KVM_ASYNC_PF_DELIVERY_AS_INT) &&
	    !cpuid_pv_allows(vcpu, KVM_FEATURE_ASYNC_PF_INT))
		return false;
	/* without a local APIC in the kernel nobody could send anything */
	if (!vcpu->apic)
		return !value;
	/* only both together ask for events, and those are interrupts */
	if ((value & WANTED) == WANTED && !mem_is_ram(vcpu->vm, value & ADDRESS, true))
		return false;
	vcpu->async_pf_msr = value;
	return true;
}

bool async_pf_write(struct lodge_vcpu *vcpu, const struct msr_access *a)
{
	if (a->index == MSR_KVM_ASYNC_PF_EN)
		return write_enable(vcpu, a->value);
	if (!cpuid_pv_allows(vcpu, KVM_FEATURE_ASYNC_PF_INT))
		return false;
	/* it says that what was never sent has been seen */
	if (a->index == MSR_KVM_ASYNC_PF_ACK)
		return true;
	if (a->value > 0xff || (a->value && !vcpu->apic))
		return false;
	vcpu->async_pf_vector = a->value;
	return true;
}
