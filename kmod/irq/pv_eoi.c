// SPDX-License-Identifier: GPL-2.0
/*
 * pv_eoi.c - an end of interrupt without an exit, for CPUs that do not virtualise the
 * EOI register.  Where nothing but the in-service bit would change by it, the host
 * sets a bit in the guest's memory; a guest that finds it set clears it, and is done.
 * Any exit takes the offer back: then the bit that is clear was an EOI.  A new
 * interrupt causes an exit, so that it finds things as they are.
 */
#include <linux/align.h>
#include <linux/kernel.h>
#include <asm/kvm_para.h>

#include "../mem/slots.h"
#include "../vmx/apicv.h"
#include "lapic_priv.h"
#include "pv_eoi.h"

static const u8 offered = KVM_PV_EOI_ENABLED, taken_back = KVM_PV_EOI_DISABLED;

static gpa_t place(const struct lodge_vcpu *vcpu)
{
	return vcpu->pv_eoi_msr & ~(u64)KVM_MSR_ENABLED;
}

bool pv_eoi_write_msr(struct lodge_vcpu *vcpu, u64 value)
{
	u64 addr = value & ~(u64)KVM_MSR_ENABLED;

	if (!IS_ALIGNED(addr, 4))
		return false;
	if ((value & KVM_MSR_ENABLED) && !mem_is_ram(vcpu->vm, addr, true))
		return false;
	vcpu->pv_eoi_msr = value;
	return true;
}

void pv_eoi_offer(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *apic = vcpu->apic;
	int isr;

	if (!(vcpu->pv_eoi_msr & KVM_MSR_ENABLED) || apicv_delivers(vcpu))
		return;
	isr = vector_highest(apic, APIC_ISR);
	/* somebody else wants to know, or another interrupt waits for this one's end */
	if (isr < 0 || test_bit(isr, apic->eoi_vectors) || vector_highest(apic, APIC_IRR) >= 0)
		return;
	vcpu->pv_eoi_offered =
		mem_write_nofault(vcpu, place(vcpu), &offered, sizeof(offered)) == MEM_OK;
}

void pv_eoi_collect(struct lodge_vcpu *vcpu)
{
	u8 found;

	vcpu->pv_eoi_offered = false;
	if (mem_read(vcpu->vm, place(vcpu), &found, sizeof(found)) != MEM_OK)
		return;
	if (found & KVM_PV_EOI_ENABLED)
		mem_write(vcpu, place(vcpu), &taken_back, sizeof(taken_back));
	else
		lapic_eoi(vcpu);
}
