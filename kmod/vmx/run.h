/* SPDX-License-Identifier: GPL-2.0 */
/* One VM entry, and the host state around it. */
#ifndef LODGE_VMX_RUN_H
#define LODGE_VMX_RUN_H

#include <uapi/asm/vmx.h>

#include "../lodge.h"

/* enter.S */
bool vmx_enter(unsigned long *regs, bool launched, unsigned long *host_rsp);
void vmx_exited(void);
void vmx_call_gate(unsigned long handler);

/*
 * Bring the vCPU to this CPU; called with preemption off, from an ioctl or from
 * the scheduler, which pairs it with vmx_unload().
 */
void vmx_load(struct lodge_vcpu *vcpu);
void vmx_unload(struct lodge_vcpu *vcpu);

/*
 * With preemption off and the vCPU loaded: what the next entry would find to be written
 * of registers and of the host's state is in the VMCS then.
 */
void vmx_settle(struct lodge_vcpu *vcpu);

/* With interrupts off and the vCPU loaded: enter once, read why it came out. */
void vmx_run(struct lodge_vcpu *vcpu);
/* Still with interrupts off: the host's own interrupt that ended the guest, if any. */
void vmx_call_interrupt(void);

static inline void vmx_take_interrupt(struct lodge_vcpu *vcpu)
{
	if ((u16)vcpu->exit_reason == EXIT_REASON_EXTERNAL_INTERRUPT)
		vmx_call_interrupt();
}

/* With preemption off: the guest's KERNEL_GS_BASE wherever it lives now. */
u64 vmx_get_kernel_gs_base(struct lodge_vcpu *vcpu);
void vmx_set_kernel_gs_base(struct lodge_vcpu *vcpu, u64 base);

#endif
