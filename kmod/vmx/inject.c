// SPDX-License-Identifier: GPL-2.0
/*
 * inject.c - events into the guest.  An exit may come while the CPU is
 * delivering an event; it then reports the event in the IDT-vectoring fields
 * and leaves it to us to deliver it again, or to merge it with the fault that
 * we raise ourselves.  SDM vol. 3A 6.15 (double faults), vol. 3C 24.8.3,
 * 26.6.1, 27.2.4.
 */
#include <linux/kernel.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "../lodge.h"
#include "inject.h"
#include "regs.h"
#include "vmcs.h"

static bool is_exception(const struct lodge_event *e)
{
	return e->valid && e->type == INTR_TYPE_HARD_EXCEPTION;
}

static bool is_software(const struct lodge_event *e)
{
	return e->type == INTR_TYPE_SOFT_INTR || e->type == INTR_TYPE_SOFT_EXCEPTION ||
	       e->type == INTR_TYPE_PRIV_SW_EXCEPTION;
}

static bool is_contributory(u8 vector)
{
	return vector == X86_TRAP_DE || (vector >= X86_TRAP_TS && vector <= X86_TRAP_GP) ||
	       vector == X86_TRAP_CP;
}

/* Table 6-5 of SDM vol. 3A: does the second make a double fault of the first? */
static bool doubles(u8 first, u8 second)
{
	if (is_contributory(first))
		return is_contributory(second);
	return first == X86_TRAP_PF &&
	       (second == X86_TRAP_PF || is_contributory(second));
}

static void queue(struct lodge_vcpu *vcpu, u8 vector, bool has_error, u32 error)
{
	struct lodge_event *first = is_exception(&vcpu->event) ? &vcpu->event :
				    is_exception(&vcpu->requeued) ? &vcpu->requeued : NULL;

	if (first && first->vector == X86_TRAP_DF) {
		vcpu->triple_fault = true;
		return;
	}
	if (first && doubles(first->vector, vector)) {
		vector = X86_TRAP_DF;
		has_error = true;
		error = 0;
	}
	/*
	 * Otherwise the later fault wins: the instruction runs again after its
	 * handler, and so does an INT n whose delivery was cut short.
	 */
	if (is_exception(&vcpu->requeued) || is_software(&vcpu->requeued))
		vcpu->requeued.valid = false;
	vcpu->event = (struct lodge_event) {
		.valid = true,
		.type = INTR_TYPE_HARD_EXCEPTION,
		.vector = vector,
		.has_error = has_error,
		.error = error,
	};
}

void inject_exception(struct lodge_vcpu *vcpu, u8 vector)
{
	queue(vcpu, vector, false, 0);
}

void inject_exception_error(struct lodge_vcpu *vcpu, u8 vector, u32 error)
{
	queue(vcpu, vector, true, error);
}

void inject_page_fault(struct lodge_vcpu *vcpu, u32 error, unsigned long cr2)
{
	vcpu->cr2 = cr2;
	queue(vcpu, X86_TRAP_PF, true, error);
}

void inject_db(struct lodge_vcpu *vcpu, unsigned long bits)
{
	/* B0 to B3 are replaced, BD, BS and BT stay until software clears them */
	vcpu->dr6 = (vcpu->dr6 & ~(unsigned long)DR_TRAP_BITS) | bits;
	/* the CPU disables general detect so that the handler may use the registers */
	if (vcpu->dr7 & DR7_GD)
		regs_set_dr7(vcpu, vcpu->dr7 & ~DR7_GD);
	queue(vcpu, X86_TRAP_DB, false, 0);
}

static void write_event(struct lodge_vcpu *vcpu, struct lodge_event *e)
{
	u32 info = INTR_INFO_VALID_MASK | e->type | e->vector;

	/* real mode pushes no error code, and VM entry insists: vol. 3C 26.2.1.3 */
	if (e->has_error && (vcpu->cr0 & X86_CR0_PE)) {
		info |= INTR_INFO_DELIVER_CODE_MASK;
		/* shadow stack and SGX bits may be set in 31:16 only by the CPU itself */
		vmwrite32(VM_ENTRY_EXCEPTION_ERROR_CODE, e->error & 0xffff);
	}
	if (is_software(e))
		vmwrite32(VM_ENTRY_INSTRUCTION_LEN, e->insn_len);
	vmwrite32(VM_ENTRY_INTR_INFO_FIELD, info);
	e->valid = false;
}

/* May an external interrupt be delivered now?  SDM vol. 3C 26.3.1.5. */
static bool interruptible(struct lodge_vcpu *vcpu)
{
	return (regs_rflags(vcpu) & X86_EFLAGS_IF) &&
	       !(vmread32(GUEST_INTERRUPTIBILITY_INFO) &
		 (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS));
}

void inject_commit(struct lodge_vcpu *vcpu)
{
	struct lodge_event *again = &vcpu->requeued;
	u32 proc = vcpu->vmcs.proc & ~CPU_BASED_INTR_WINDOW_EXITING;

	if (vcpu->event.valid)
		write_event(vcpu, &vcpu->event);
	else if (again->valid && (again->type != INTR_TYPE_EXT_INTR || interruptible(vcpu)))
		write_event(vcpu, again);
	/* an interrupt that lost to an exception waits until it may be delivered */
	if (unlikely(again->valid))
		proc |= CPU_BASED_INTR_WINDOW_EXITING;
	vmcs_set_proc(&vcpu->vmcs, proc);
}

void inject_recover(struct lodge_vcpu *vcpu)
{
	u32 info = vcpu->idt_info;
	struct lodge_event *e = &vcpu->requeued;

	if (likely(!(info & VECTORING_INFO_VALID_MASK)))
		return;
	*e = (struct lodge_event) {
		.valid = true,
		.vector = info & VECTORING_INFO_VECTOR_MASK,
		.type = info & VECTORING_INFO_TYPE_MASK,
		.has_error = info & VECTORING_INFO_DELIVER_CODE_MASK,
	};
	if (e->has_error)
		e->error = vmread32(IDT_VECTORING_ERROR_CODE);
	if (is_software(e))
		e->insn_len = vcpu->exit_insn_len;
	/* the aborted delivery has blocked NMIs; delivering again does so itself */
	if (e->type == INTR_TYPE_NMI_INTR)
		vmwrite32(GUEST_INTERRUPTIBILITY_INFO,
			  vmread32(GUEST_INTERRUPTIBILITY_INFO) & ~GUEST_INTR_STATE_NMI);
}
