// SPDX-License-Identifier: GPL-2.0
/*
 * inject.c - events into the guest: exceptions, NMIs, external interrupts.  An
 * exit may come while the CPU is delivering one; it then reports the event in
 * the IDT-vectoring fields and leaves it to us to deliver it again, or to merge
 * it with the fault that we raise ourselves.  Software interrupts need neither:
 * the guest still stands at its INT n, which simply runs again.
 * SDM vol. 3A 6.15 (double faults), vol. 3C 24.8.3, 26.6.1, 27.2.4.
 */
#include <linux/kernel.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "../lodge.h"
#include "../trace.h"
#include "caps.h"
#include "inject.h"
#include "regs.h"
#include "vmcs.h"

/* Raised by INT3 and INTO alone; their instructions are one byte long. */
#define SOFT_EXCEPTIONS	(BIT(X86_TRAP_BP) | BIT(X86_TRAP_OF))

/* Everything else in 0..31 but aborts is a fault: vol. 3A table 6-1. */
#define NO_FAULTS	(SOFT_EXCEPTIONS | BIT(X86_TRAP_DB) | BIT(X86_TRAP_NMI) | \
			 BIT(X86_TRAP_DF) | BIT(X86_TRAP_MC))

#define SHADOWS		(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)

bool inject_is_soft(u8 vector)
{
	return vector < 32 && (SOFT_EXCEPTIONS & BIT(vector));
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
	struct lodge_exception *ex = &vcpu->ex;
	bool second = ex->pending || ex->injected;

	if (second && ex->vector == X86_TRAP_DF) {
		vcpu_shuts_down(vcpu);
		return;
	}
	if (second && doubles(ex->vector, vector)) {
		vector = X86_TRAP_DF;
		has_error = true;
		error = 0;
	}
	/* otherwise the later one wins: the instruction runs again after its handler */
	*ex = (struct lodge_exception) {
		.pending = true,
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

static void set_dr6(struct lodge_vcpu *vcpu, unsigned long bits)
{
	/* B0 to B3 are replaced, BD, BS and BT stay until software clears them */
	vcpu->dr6 = (vcpu->dr6 & ~(unsigned long)DR_TRAP_BITS) | (bits & DR6_WRITABLE);
	/* the CPU disables general detect so that the handler may use the registers */
	if (vcpu->dr7 & DR7_GD)
		regs_set_dr7(vcpu, vcpu->dr7 & ~DR7_GD);
}

void inject_db(struct lodge_vcpu *vcpu, unsigned long bits)
{
	set_dr6(vcpu, bits);
	queue(vcpu, X86_TRAP_DB, false, 0);
}

/* What user space handed over with an exception takes effect when it is delivered. */
static void use_payload(struct lodge_vcpu *vcpu)
{
	struct lodge_exception *ex = &vcpu->ex;

	if (!ex->has_payload)
		return;
	ex->has_payload = false;
	if (ex->vector == X86_TRAP_DB)
		set_dr6(vcpu, ex->payload);
	else if (ex->vector == X86_TRAP_PF)
		vcpu->cr2 = ex->payload;
}

static void write_info(struct lodge_vcpu *vcpu, u32 info)
{
	vcpu->entry_info = INTR_INFO_VALID_MASK | info;
	vmwrite32(VM_ENTRY_INTR_INFO_FIELD, vcpu->entry_info);
}

static void write_exception(struct lodge_vcpu *vcpu)
{
	struct lodge_exception *ex = &vcpu->ex;
	u32 info = ex->vector;

	if (ex->pending) {
		use_payload(vcpu);
		/* entry pushes RFLAGS as they are; a fault's image has RF: 17.3.1.1 */
		if (!(NO_FAULTS & BIT(ex->vector)))
			regs_set_rflags(vcpu, regs_rflags(vcpu) | X86_EFLAGS_RF);
		ex->pending = false;
		ex->injected = true;
	}
	/* real mode pushes no error code, and VM entry insists: vol. 3C 26.2.1.3 */
	if (ex->has_error && (vcpu->cr0 & X86_CR0_PE)) {
		info |= INTR_INFO_DELIVER_CODE_MASK;
		/* shadow stack and SGX bits may be set in 31:16 only by the CPU itself */
		vmwrite32(VM_ENTRY_EXCEPTION_ERROR_CODE, ex->error & 0xffff);
	}
	if (inject_is_soft(ex->vector)) {
		vmwrite32(VM_ENTRY_INSTRUCTION_LEN, 1);
		info |= INTR_TYPE_SOFT_EXCEPTION;
	} else {
		info |= INTR_TYPE_HARD_EXCEPTION;
	}
	write_info(vcpu, info);
}

/* May an external interrupt be delivered now?  SDM vol. 3C 26.3.1.5. */
static bool irq_allowed(struct lodge_vcpu *vcpu)
{
	return (regs_rflags(vcpu) & X86_EFLAGS_IF) &&
	       !(vmread32(GUEST_INTERRUPTIBILITY_INFO) & SHADOWS);
}

/*
 * With virtual NMIs the CPU sees the IRET that ends a handler.  Without them nobody does:
 * a guest that takes interrupts is taken for one that is through, and so is one whose
 * handler keeps the next NMI waiting for a second.
 */
bool inject_nmi_blocked(struct lodge_vcpu *vcpu)
{
	return vmx_has_vnmi() ? vmread32(GUEST_INTERRUPTIBILITY_INFO) & GUEST_INTR_STATE_NMI :
			    vcpu->nmi_blocked;
}

void inject_block_nmi(struct lodge_vcpu *vcpu, bool block)
{
	u32 state = vmread32(GUEST_INTERRUPTIBILITY_INFO) & ~GUEST_INTR_STATE_NMI;

	if (vmx_has_vnmi()) {
		vmwrite32(GUEST_INTERRUPTIBILITY_INFO, state | (block ? GUEST_INTR_STATE_NMI : 0));
		return;
	}
	vcpu->nmi_blocked = block;
	vcpu->nmi_blocked_ns = ktime_get_ns();
}

static void guess_unblocked(struct lodge_vcpu *vcpu)
{
	if (irq_allowed(vcpu) ||
	    (vcpu->nmi_pending && ktime_get_ns() - vcpu->nmi_blocked_ns > NSEC_PER_SEC))
		vcpu->nmi_blocked = false;
}

static bool nmi_allowed(struct lodge_vcpu *vcpu)
{
	return !(vmread32(GUEST_INTERRUPTIBILITY_INFO) & SHADOWS) && !inject_nmi_blocked(vcpu);
}

/* A debugger that steps does not want to find itself in a handler. */
static bool irqs_held(const struct lodge_vcpu *vcpu)
{
	return vcpu->debug.control & KVM_GUESTDBG_BLOCKIRQ;
}

/* One event can go in with each entry: this picks it, and writes it. */
static enum lodge_event write_event(struct lodge_vcpu *vcpu)
{
	if (vcpu->ex.pending || vcpu->ex.injected) {
		trace_lodge_inj_exception(vcpu->ex.vector, vcpu->ex.has_error, vcpu->ex.error,
					  vcpu->ex.injected);
		write_exception(vcpu);
		return EVENT_EXCEPTION;
	}
	if (vcpu->nmi_pending && !vcpu->nmi_injected && nmi_allowed(vcpu) && !irqs_held(vcpu)) {
		vcpu->nmi_pending--;
		vcpu->nmi_injected = true;
	}
	if (vcpu->nmi_injected) {
		trace_lodge_inj_nmi(vcpu->id);
		/* with virtual NMIs the CPU does so itself */
		if (!vmx_has_vnmi())
			inject_block_nmi(vcpu, true);
		write_info(vcpu, INTR_TYPE_NMI_INTR | X86_TRAP_NMI);
		return EVENT_NMI;
	}
	if (vcpu->irq_injected && irq_allowed(vcpu)) {
		trace_lodge_inj_virq(vcpu->irq, vcpu->idt_info & VECTORING_INFO_VALID_MASK);
		write_info(vcpu, INTR_TYPE_EXT_INTR | vcpu->irq);
		return EVENT_IRQ;
	}
	return EVENT_NONE;
}

/* The windows through which those come that have to wait. */
static u32 windows(struct lodge_vcpu *vcpu)
{
	u32 open = 0;

	if ((vcpu->irq_injected && vcpu->entering != EVENT_IRQ) || vcpu->irq_waiting ||
	    vcpu->user_waits)
		open = CPU_BASED_INTR_WINDOW_EXITING;
	if (likely(!vcpu->nmi_pending) || irqs_held(vcpu))
		return open;
	/*
	 * An NMI window may open in the shadow of STI, where entry takes no NMI; and
	 * without virtual NMIs there is none.
	 */
	if (!vmx_has_vnmi() || vmread32(GUEST_INTERRUPTIBILITY_INFO) & GUEST_INTR_STATE_STI)
		return open | CPU_BASED_INTR_WINDOW_EXITING;
	return open | CPU_BASED_NMI_WINDOW_EXITING;
}

/* A guest that halts without an exit is woken by what is injected. */
static void wake(struct lodge_vcpu *vcpu)
{
	if (unlikely(vcpu->vm->exits_off & KVM_X86_DISABLE_EXITS_HLT))
		vmwrite32(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
}

void inject_commit_some(struct lodge_vcpu *vcpu)
{
	u32 proc = vcpu->vmcs.proc & ~(u32)INJECT_WINDOWS;

	vcpu->entering = write_event(vcpu);
	if (unlikely(vcpu->entering)) {
		vcpu->stats.events[vcpu->entering]++;
		wake(vcpu);
	}
	vmcs_set_proc(&vcpu->vmcs, proc | windows(vcpu));
}

static void recover(struct lodge_vcpu *vcpu, u32 info)
{
	u8 vector = info & VECTORING_INFO_VECTOR_MASK;

	switch (info & VECTORING_INFO_TYPE_MASK) {
	case INTR_TYPE_EXT_INTR:
		vcpu->irq_injected = true;
		vcpu->irq = vector;
		return;
	case INTR_TYPE_NMI_INTR:
		vcpu->nmi_injected = true;
		/* the aborted delivery has blocked NMIs; delivering again does so itself */
		inject_block_nmi(vcpu, false);
		return;
	case INTR_TYPE_HARD_EXCEPTION:
	case INTR_TYPE_SOFT_EXCEPTION:	/* INT3 and INTO; or it was injected: 26.6.1.2 */
		vcpu->ex = (struct lodge_exception) {
			.injected = true,
			.vector = vector,
			.has_error = info & VECTORING_INFO_DELIVER_CODE_MASK,
		};
		if (vcpu->ex.has_error)
			vcpu->ex.error = vmread32(IDT_VECTORING_ERROR_CODE);
		return;
	}
}

void inject_recover_some(struct lodge_vcpu *vcpu)
{
	/* what went in has arrived, unless the exit says otherwise */
	switch (vcpu->entering) {
	case EVENT_NONE:
		break;
	case EVENT_EXCEPTION:
		vcpu->ex.injected = false;
		break;
	case EVENT_NMI:
		vcpu->nmi_injected = false;
		break;
	case EVENT_IRQ:
		vcpu->irq_injected = false;
		break;
	}
	if (unlikely(vcpu->nmi_blocked))
		guess_unblocked(vcpu);
	if (unlikely(vcpu->idt_info & VECTORING_INFO_VALID_MASK))
		recover(vcpu, vcpu->idt_info);
}

/* Bit 12 of an exit's information: vol. 3C 27.2.3. */
void inject_iret_faulted(struct lodge_vcpu *vcpu, bool nmi_unblocked)
{
	/* the bit means something with virtual NMIs only */
	if (unlikely(nmi_unblocked) && vmx_has_vnmi() &&
	    !(vcpu->idt_info & VECTORING_INFO_VALID_MASK))
		inject_block_nmi(vcpu, true);
}

bool inject_irq_now(struct lodge_vcpu *vcpu)
{
	return !vcpu->ex.pending && !vcpu->ex.injected && !vcpu->nmi_injected &&
	       !vcpu->irq_injected && irq_allowed(vcpu);
}

bool inject_nmi_allowed(struct lodge_vcpu *vcpu)
{
	return !vcpu->nmi_injected && nmi_allowed(vcpu);
}

bool inject_nmi(struct lodge_vcpu *vcpu)
{
	/* one is being handled, one waits behind it; more are lost, as on the CPU */
	u8 limit = inject_nmi_blocked(vcpu) || vcpu->nmi_injected ? 1 : 2;

	if (vcpu->nmi_pending >= limit)
		return false;
	vcpu->nmi_pending++;
	return true;
}
