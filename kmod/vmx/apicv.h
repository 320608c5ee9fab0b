/* SPDX-License-Identifier: GPL-2.0 */
/* What the CPU does of a local APIC by itself. */
#ifndef LODGE_VMX_APICV_H
#define LODGE_VMX_APICV_H

#include "../lodge.h"
#include "caps.h"

/* How the guest reaches its APIC, as far as the CPU can help with that. */
enum apicv_mode { APICV_NONE, APICV_XAPIC, APICV_X2APIC };

/* With the VMCS loaded, once, when the vCPU has an APIC: the page of its registers. */
void apicv_init(struct lodge_vcpu *vcpu, void *page);
void apicv_set_mode(struct lodge_vcpu *vcpu, enum apicv_mode mode);

/* Does the CPU deliver what is pending, without an exit? */
static inline bool apicv_delivers(const struct lodge_vcpu *vcpu)
{
	return vcpu->vmcs.proc2 & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY;
}

/* Does it answer reads of all plain registers, and store writes? */
static inline bool apicv_has_registers(const struct lodge_vcpu *vcpu)
{
	return vcpu->vmcs.proc2 & SECONDARY_EXEC_APIC_REGISTER_VIRT;
}

/* Are MSRs 800h to 8ffh the APIC's registers for it? */
static inline bool apicv_has_x2apic(const struct lodge_vcpu *vcpu)
{
	return vcpu->vmcs.proc2 & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE;
}

/* The highest vector that is requested, or in service; -1: none. */
void apicv_set_rvi(struct lodge_vcpu *vcpu, int vector);
void apicv_set_svi(struct lodge_vcpu *vcpu, int vector);
/* These vectors' EOIs exit. */
void apicv_set_eoi_vectors(struct lodge_vcpu *vcpu, const unsigned long *vectors);
/* A TPR below this class exits. */
void apicv_set_threshold(struct lodge_vcpu *vcpu, u8 class);

/*
 * Any context, after vcpu->posted was written: the vCPU looks at it now, by the
 * CPU's own means if it is in the guest and can.
 */
void apicv_notify(struct lodge_vcpu *vcpu);

/* Is there a page whose accesses the CPU recognises as the APIC's? */
static inline bool apicv_has_access_page(void)
{
	return vmx_caps.proc2 & SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES;
}

#endif
