/* SPDX-License-Identifier: GPL-2.0 */
/* Events on their way into the guest. */
#ifndef LODGE_VMX_INJECT_H
#define LODGE_VMX_INJECT_H

#include <asm/trapnr.h>

#include "../lodge.h"

/* Queue an exception as the CPU would raise it; two in a row become #DF. */
void inject_exception(struct lodge_vcpu *vcpu, u8 vector);
void inject_exception_error(struct lodge_vcpu *vcpu, u8 vector, u32 error);
void inject_page_fault(struct lodge_vcpu *vcpu, u32 error, unsigned long cr2);
/* bits: DR6 bits that describe the cause */
void inject_db(struct lodge_vcpu *vcpu, unsigned long bits);

static inline void inject_ud(struct lodge_vcpu *vcpu)
{
	inject_exception(vcpu, X86_TRAP_UD);
}

static inline void inject_gp(struct lodge_vcpu *vcpu)
{
	inject_exception_error(vcpu, X86_TRAP_GP, 0);
}

/* Before an entry, with interrupts off: what is queued goes into the VMCS. */
void inject_commit(struct lodge_vcpu *vcpu);
/* After an exit: what was being delivered is queued again. */
void inject_recover(struct lodge_vcpu *vcpu);

#endif
