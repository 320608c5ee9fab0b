/* SPDX-License-Identifier: GPL-2.0 */
/* Events on their way into the guest. */
#ifndef LODGE_VMX_INJECT_H
#define LODGE_VMX_INJECT_H

#include <asm/trapnr.h>
#include <asm/vmx.h>

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

/* An external interrupt is queued by vcpu->irq; could one go in at once? */
bool inject_irq_now(struct lodge_vcpu *vcpu);
/* Would an NMI be taken now? */
bool inject_nmi_allowed(struct lodge_vcpu *vcpu);
/* From the delivery of one to its handler's IRET. */
bool inject_nmi_blocked(struct lodge_vcpu *vcpu);
void inject_block_nmi(struct lodge_vcpu *vcpu, bool block);
/* False: two are on their way already. */
bool inject_nmi(struct lodge_vcpu *vcpu);
/* #BP and #OF come from an instruction that they complete. */
bool inject_is_soft(u8 vector);
/* An IRET that faulted has unblocked NMIs: block them again. */
void inject_iret_faulted(struct lodge_vcpu *vcpu, bool nmi_unblocked);

#define INJECT_WINDOWS	(CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING)

void inject_commit_some(struct lodge_vcpu *vcpu);
void inject_recover_some(struct lodge_vcpu *vcpu);

/* Before an entry, with interrupts off: what is queued goes into the VMCS. */
static inline void inject_commit(struct lodge_vcpu *vcpu)
{
	vcpu->entering = EVENT_NONE;
	if (unlikely((vcpu->ex.pending | vcpu->ex.injected | vcpu->nmi_pending |
		      vcpu->nmi_injected | vcpu->irq_injected | vcpu->irq_waiting |
		      vcpu->user_waits) || (vcpu->vmcs.proc & INJECT_WINDOWS)))
		inject_commit_some(vcpu);
}

/* After an exit: what was being delivered is queued again. */
static inline void inject_recover(struct lodge_vcpu *vcpu)
{
	if (unlikely(vcpu->entering || vcpu->nmi_blocked ||
		     (vcpu->idt_info & VECTORING_INFO_VALID_MASK)))
		inject_recover_some(vcpu);
}

#endif
