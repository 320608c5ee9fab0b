/* SPDX-License-Identifier: GPL-2.0 */
/* Model-specific registers that guest and host share and that must be switched. */
#ifndef LODGE_VMX_MSR_H
#define LODGE_VMX_MSR_H

#include <linux/percpu.h>

#include "../lodge.h"

void vmx_msrs_init(void);

/* Index into lodge_vcpu.switched_msrs, or -1. */
int vmx_msr_slot(u32 index);
/* Is the MSR there on this host? */
bool vmx_msr_present(int slot);

/* The vCPU whose values the CPU has; NULL: the host's, or some of both. */
DECLARE_PER_CPU(struct lodge_vcpu *, vmx_msrs_of);

void vmx_msrs_load(struct lodge_vcpu *vcpu);

/* With interrupts off: the guest's values into the CPU, only where they differ. */
static inline void vmx_msrs_to_guest(struct lodge_vcpu *vcpu)
{
	if (unlikely(__this_cpu_read(vmx_msrs_of) != vcpu))
		vmx_msrs_load(vcpu);
}

/* The vCPU, which is loaded here, has new ones. */
void vmx_msrs_changed(void);
/* With interrupts off, when VMX has been turned on: the host's values. */
void vmx_msrs_learn(void);
/* With interrupts off: the host's values back; idempotent. */
void vmx_msrs_to_host(void);

/* The host's XCR0 and IA32_XSS; zero where there is none. */
extern u64 vmx_host_xcr0, vmx_host_xss;

/* Nothing is reached without an exit; then one MSR at a time. */
void vmx_msr_bitmap_init(unsigned long *bitmap);
void vmx_msr_intercept(unsigned long *bitmap, u32 msr, bool read, bool write);

#endif
