/* SPDX-License-Identifier: GPL-2.0 */
/* VMX operation per CPU: on while VMs exist, off at every other time. */
#ifndef LODGE_VMX_CPU_H
#define LODGE_VMX_CPU_H

#include "../lodge.h"

int vmx_cpus_init(void);
void vmx_cpus_exit(void);

/* First user turns VMX on everywhere, last one turns it off. */
int vmx_cpus_get(void);
void vmx_cpus_put(void);

/* The machine is going down: no guest may be entered any more. */
extern bool vmx_goes_down;	/* set once */

static inline bool vmx_going_down(void)
{
	return READ_ONCE(vmx_goes_down);
}

/*
 * Make a VMCS current and active on this CPU, or inactive wherever it is.
 * Both are called with preemption off; vmx_activate() expects that the VMCS is
 * active nowhere else.
 */
void vmx_activate(struct vmcs_ctx *ctx);
void vmx_deactivate_here(struct vmcs_ctx *ctx);
/* May sleep; asks the CPU where it is active by IPI. */
void vmx_deactivate(struct vmcs_ctx *ctx);
/* A vCPU's task leaves this CPU: if the CPU is going offline, leave VMX too. */
void vmx_leave_cpu(void);

#endif
