/* SPDX-License-Identifier: GPL-2.0 */
/* Model-specific registers that guest and host share and that must be switched. */
#ifndef LODGE_VMX_MSR_H
#define LODGE_VMX_MSR_H

#include "../lodge.h"

void vmx_msrs_init(void);

/* Index into lodge_vcpu.switched_msrs, or -1. */
int vmx_msr_slot(u32 index);
/* Is the MSR there on this host? */
bool vmx_msr_present(int slot);

/* With interrupts off: the guest's values into the CPU, only where they differ. */
void vmx_msrs_to_guest(struct lodge_vcpu *vcpu);
/* With interrupts off: the host's values back; idempotent. */
void vmx_msrs_to_host(void);

/* The host's IA32_XSS; zero where there is none. */
u64 vmx_host_xss(void);

/* Nothing is reached without an exit; then one MSR at a time. */
void vmx_msr_bitmap_init(unsigned long *bitmap);
void vmx_msr_intercept(unsigned long *bitmap, u32 msr, bool read, bool write);

#endif
