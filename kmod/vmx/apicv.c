// SPDX-License-Identifier: GPL-2.0
/*
 * apicv.c - what the CPU does of a local APIC by itself: keep the task priority
 * (TPR shadow), recognise accesses to the APIC's page or MSRs, answer reads from
 * the page of its registers, deliver what is pending and take EOIs, and receive
 * posted interrupts without an exit.  Each is used where it is there, and the
 * parameters of caps.c can take each away.  irq/lapic.c decides what is pending.
 * SDM vol. 3C 24.6.8 and 29.
 */
#include <linux/bitmap.h>
#include <linux/kernel.h>
#include <linux/smp.h>

#include "../lodge.h"
#include "../compat.h"
#include "../kick.h"
#include "apicv.h"
#include "vmcs.h"

#define DELIVERY (SECONDARY_EXEC_APIC_REGISTER_VIRT | SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY)

static bool has_posted(void)
{
	return vmx_caps.pin & PIN_BASED_POSTED_INTR;
}

void apicv_init(struct lodge_vcpu *vcpu, void *page)
{
	struct vmcs_ctx *ctx = &vcpu->vmcs;

	if (vmx_caps.proc & CPU_BASED_TPR_SHADOW) {
		vmcs_set_proc(ctx, (ctx->proc | CPU_BASED_TPR_SHADOW) &
				   ~(CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING));
		vmwrite64(VIRTUAL_APIC_PAGE_ADDR, __pa(page));
		vmwrite32(TPR_THRESHOLD, 0);
	}
	if (apicv_has_access_page())
		vmwrite64(APIC_ACCESS_ADDR, page_to_phys(vcpu->vm->apic_access));
	if (vmx_caps.proc2 & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY)
		vmwrite16(GUEST_INTR_STATUS, 0);
	if (has_posted()) {
		vmwrite16(POSTED_INTR_NV, COMPAT_POSTED_VECTOR);
		vmwrite64(POSTED_INTR_DESC_ADDR, __pa(&vcpu->posted));
	}
}

/* The CPU cannot serve both ways at once: vol. 3C 26.2.1.1. */
static u32 mode_controls(enum apicv_mode mode)
{
	u32 x2 = vmx_caps.proc2 & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE;

	if (mode == APICV_XAPIC)
		return vmx_caps.proc2 & (SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES | DELIVERY);
	if (mode == APICV_X2APIC && x2)
		return vmx_caps.proc2 & (SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE | DELIVERY);
	return 0;
}

void apicv_set_mode(struct lodge_vcpu *vcpu, enum apicv_mode mode)
{
	struct vmcs_ctx *ctx = &vcpu->vmcs;
	u32 all = SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES |
		  SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE | DELIVERY;
	u32 controls = mode_controls(mode);

	vmcs_set_proc2(ctx, (ctx->proc2 & ~all) | controls);
	/* posting needs delivery: vol. 3C 26.2.1.1 */
	vmcs_set_pin(ctx, (ctx->pin & ~PIN_BASED_POSTED_INTR) |
		     (apicv_delivers(vcpu) && has_posted() ? PIN_BASED_POSTED_INTR : 0));
	vcpu->posting = ctx->pin & PIN_BASED_POSTED_INTR;
	if (vmx_caps.proc & CPU_BASED_TPR_SHADOW)
		vmwrite32(TPR_THRESHOLD, 0);
	vcpu->tpr_threshold = 0;
}

void apicv_set_rvi(struct lodge_vcpu *vcpu, int vector)
{
	u16 status = vmread16(GUEST_INTR_STATUS);
	u8 rvi = vector < 0 ? 0 : vector;

	if ((status & 0xff) != rvi)
		vmwrite16(GUEST_INTR_STATUS, (status & 0xff00) | rvi);
}

void apicv_set_svi(struct lodge_vcpu *vcpu, int vector)
{
	u16 status = vmread16(GUEST_INTR_STATUS);
	u8 svi = vector < 0 ? 0 : vector;

	if (status >> 8 != svi)
		vmwrite16(GUEST_INTR_STATUS, (status & 0xff) | svi << 8);
}

void apicv_set_eoi_vectors(struct lodge_vcpu *vcpu, const unsigned long *vectors)
{
	if (!(vmx_caps.proc2 & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY))
		return;
	vmwrite64(EOI_EXIT_BITMAP0, vectors[0]);
	vmwrite64(EOI_EXIT_BITMAP1, vectors[1]);
	vmwrite64(EOI_EXIT_BITMAP2, vectors[2]);
	vmwrite64(EOI_EXIT_BITMAP3, vectors[3]);
}

void apicv_set_threshold(struct lodge_vcpu *vcpu, u8 class)
{
	if (class == vcpu->tpr_threshold || !(vcpu->vmcs.proc & CPU_BASED_TPR_SHADOW))
		return;
	vmwrite32(TPR_THRESHOLD, class);
	vcpu->tpr_threshold = class;
}

void apicv_notify(struct lodge_vcpu *vcpu)
{
	/*
	 * The descriptor was written with a full barrier, which pairs with that of
	 * vcpu_mode_in_guest().  A CPU that leaves the guest at this moment takes the
	 * vector as an interrupt without meaning, and the vCPU looks before it enters.
	 * The mode is read before the CPU: a vCPU that has moved since looks, too.
	 */
	if (READ_ONCE(vcpu->posting) && smp_load_acquire(&vcpu->mode) == VCPU_IN_GUEST)
		compat_send_posted(READ_ONCE(vcpu->last_cpu));
	else
		vcpu_kick(vcpu);
}
