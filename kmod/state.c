// SPDX-License-Identifier: GPL-2.0
/*
 * state.c - registers between a vCPU and the structs of KVM's ABI, and the
 * state after a reset (SDM vol. 3A table 9-1).  Callers hold the vCPU's lock
 * and have it loaded; user memory is ioctl.c's business.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "lodge.h"
#include "cpu/cpuid.h"
#include "cpu/cr.h"
#include "cpu/fpu.h"
#include "cpu/mce.h"
#include "cpu/msr.h"
#include "irq/lapic.h"
#include "kick.h"
#include "mem/gva.h"
#include "state.h"
#include "vmx/inject.h"
#include "vmx/regs.h"
#include "vmx/vmcs.h"

/* What struct kvm_regs begins with, in its order. */
static const u8 gprs[NR_GPRS] = {
	GPR_RAX, GPR_RBX, GPR_RCX, GPR_RDX, GPR_RSI, GPR_RDI, GPR_RSP, GPR_RBP,
	GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15,
};

static_assert(offsetof(struct kvm_regs, rip) == NR_GPRS * sizeof(__u64));

/* Where each segment of struct kvm_sregs lives in ours. */
static const struct { u16 offset; u8 seg; } segments[] = {
#define SEG(field, seg) { offsetof(struct kvm_sregs, field), seg }
	SEG(cs, SEG_CS), SEG(ds, SEG_DS), SEG(es, SEG_ES), SEG(fs, SEG_FS),
	SEG(gs, SEG_GS), SEG(ss, SEG_SS), SEG(tr, SEG_TR), SEG(ldt, SEG_LDTR),
#undef SEG
};

/* RFLAGS without the trap flag that single-stepping put there. */
static unsigned long guest_rflags(struct lodge_vcpu *vcpu)
{
	unsigned long rflags = regs_rflags(vcpu);

	if ((vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP) && !vcpu->debug.guest_tf)
		rflags &= ~X86_EFLAGS_TF;
	return rflags;
}

int state_get_regs(struct lodge_vcpu *vcpu, struct kvm_regs *r)
{
	__u64 *out = (__u64 *)r;
	int i;

	regs_rsp(vcpu);			/* is among them now */
	for (i = 0; i < NR_GPRS; i++)
		out[i] = vcpu->regs[gprs[i]];
	r->rip = regs_rip(vcpu);
	r->rflags = guest_rflags(vcpu);
	return 0;
}

int state_set_regs(struct lodge_vcpu *vcpu, const struct kvm_regs *r)
{
	const __u64 *in = (const __u64 *)r;
	int i;

	for (i = 0; i < NR_GPRS; i++)
		vcpu->regs[gprs[i]] = in[i];
	regs_set_rsp(vcpu, r->rsp);
	regs_set_rip(vcpu, r->rip);
	/* bit 1 is always one, and VM entry insists: vol. 3C 26.3.1.4 */
	regs_set_rflags(vcpu, r->rflags | X86_EFLAGS_FIXED);
	/* who gives it another place to go wakes it */
	vmwrite32(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	/* an exception that was to be raised belonged to the old state */
	vcpu->ex.pending = false;
	if (vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP) {
		vcpu->debug.guest_tf = r->rflags & X86_EFLAGS_TF;
		/* elsewhere a handler may be at work that is not to be stepped through */
		vcpu->debug.arm |= regs_linear_rip(vcpu) == vcpu->debug.step_rip;
	}
	return 0;
}

/* All of struct kvm_sregs but its last field, which struct kvm_sregs2 has not. */
static void get_sregs_common(struct lodge_vcpu *vcpu, struct kvm_sregs *s)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(segments); i++)
		regs_get_segment(vcpu, segments[i].seg, (void *)s + segments[i].offset);
	s->gdt.base = vmreadl(GUEST_GDTR_BASE);
	s->gdt.limit = vmread32(GUEST_GDTR_LIMIT);
	s->idt.base = vmreadl(GUEST_IDTR_BASE);
	s->idt.limit = vmread32(GUEST_IDTR_LIMIT);
	s->cr0 = regs_cr0(vcpu);
	s->cr2 = vcpu->cr2;
	s->cr3 = regs_cr3(vcpu);
	s->cr4 = regs_cr4(vcpu);
	s->cr8 = cr8_read(vcpu);
	s->efer = vcpu->efer;
	s->apic_base = vcpu->apic_base;
}

static bool is_pae(const struct kvm_sregs *s)
{
	return (s->cr0 & X86_CR0_PG) && (s->cr4 & X86_CR4_PAE) && !(s->efer & EFER_LMA);
}

static int set_sregs_common(struct lodge_vcpu *vcpu, const struct kvm_sregs *s)
{
	int i;

	if (!cr_state_valid(vcpu, s) || !msr_set_apic_base(vcpu, s->apic_base, true))
		return -EINVAL;
	vmwritel(GUEST_GDTR_BASE, s->gdt.base);
	vmwrite32(GUEST_GDTR_LIMIT, s->gdt.limit);
	vmwritel(GUEST_IDTR_BASE, s->idt.base);
	vmwrite32(GUEST_IDTR_LIMIT, s->idt.limit);
	for (i = 0; i < ARRAY_SIZE(segments); i++)
		regs_set_segment(vcpu, segments[i].seg, (void *)s + segments[i].offset);
	vcpu->cr2 = s->cr2;
	cr8_write(vcpu, s->cr8);
	regs_set_cr3(vcpu, s->cr3);
	regs_set_cr0(vcpu, s->cr0 | X86_CR0_ET);
	regs_set_cr4(vcpu, s->cr4);
	regs_set_efer(vcpu, s->efer);
	vcpu_request(vcpu, REQ_FLUSH_GUEST_TLB);
	return 0;
}

int state_get_sregs(struct lodge_vcpu *vcpu, struct kvm_sregs *s)
{
	memset(s, 0, sizeof(*s));
	get_sregs_common(vcpu, s);
	if (vcpu->irq_injected)
		s->interrupt_bitmap[vcpu->irq / 64] |= BIT_ULL(vcpu->irq % 64);
	return 0;
}

int state_set_sregs(struct lodge_vcpu *vcpu, const struct kvm_sregs *s)
{
	int err = set_sregs_common(vcpu, s);
	int i;

	if (err)
		return err;
	/* malformed entries are the guest's to meet; absent memory is no error here */
	if (is_pae(s))
		gva_load_pdptrs(vcpu, s->cr3);
	for (i = 0; i < ARRAY_SIZE(s->interrupt_bitmap); i++) {
		if (!s->interrupt_bitmap[i])
			continue;
		vcpu->irq_injected = true;
		vcpu->irq = 64 * i + __ffs64(s->interrupt_bitmap[i]);
		break;
	}
	return 0;
}

static_assert(offsetof(struct kvm_sregs, interrupt_bitmap) ==
	      offsetof(struct kvm_sregs2, flags));

int state_get_sregs2(struct lodge_vcpu *vcpu, struct kvm_sregs2 *s)
{
	int i;

	memset(s, 0, sizeof(*s));
	get_sregs_common(vcpu, (struct kvm_sregs *)s);
	if (!is_pae((struct kvm_sregs *)s))
		return 0;
	for (i = 0; i < 4; i++)
		s->pdptrs[i] = gva_pdptr(i);
	s->flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	return 0;
}

int state_set_sregs2(struct lodge_vcpu *vcpu, const struct kvm_sregs2 *s)
{
	const struct kvm_sregs *common = (const struct kvm_sregs *)s;
	bool given = s->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;
	int err, i;

	if ((s->flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID) || (given && !is_pae(common)))
		return -EINVAL;
	err = set_sregs_common(vcpu, common);
	if (err)
		return err;
	if (!given && is_pae(common))
		gva_load_pdptrs(vcpu, s->cr3);
	for (i = 0; given && i < 4; i++)
		gva_set_pdptr(i, s->pdptrs[i]);
	return 0;
}

int state_get_debugregs(struct lodge_vcpu *vcpu, struct kvm_debugregs *d)
{
	memset(d, 0, sizeof(*d));
	memcpy(d->db, vcpu->dr, sizeof(d->db));
	d->dr6 = vcpu->dr6;
	d->dr7 = vcpu->dr7;
	return 0;
}

int state_set_debugregs(struct lodge_vcpu *vcpu, const struct kvm_debugregs *d)
{
	if (d->flags || d->dr6 >> 32 || d->dr7 >> 32)
		return -EINVAL;
	memcpy(vcpu->dr, d->db, sizeof(d->db));
	vcpu->dr6 = (d->dr6 & DR6_WRITABLE) | DR6_ALWAYS_ONE;
	regs_set_dr7(vcpu, (d->dr7 & DR7_WRITABLE) | DR7_ALWAYS_ONE);
	return 0;
}

static u8 get_shadow(void)
{
	u32 state = vmread32(GUEST_INTERRUPTIBILITY_INFO);

	return ((state & GUEST_INTR_STATE_STI) ? KVM_X86_SHADOW_INT_STI : 0) |
	       ((state & GUEST_INTR_STATE_MOV_SS) ? KVM_X86_SHADOW_INT_MOV_SS : 0);
}

static u32 shadow_bits(u8 shadow)
{
	/* both at once is refused by VM entry: vol. 3C 26.3.1.5 */
	if (shadow & KVM_X86_SHADOW_INT_MOV_SS)
		return GUEST_INTR_STATE_MOV_SS;
	return (shadow & KVM_X86_SHADOW_INT_STI) ? GUEST_INTR_STATE_STI : 0;
}

static void get_exception(struct lodge_vcpu *vcpu, struct kvm_vcpu_events *e)
{
	const struct lodge_exception *ex = &vcpu->ex;

	/* one that an instruction raises comes again when that runs again */
	if (!inject_is_soft(ex->vector)) {
		e->exception.injected = ex->injected;
		e->exception.pending = ex->pending;
		/* clients that did not ask for the difference see one of the two */
		if (!vcpu->vm->exception_payload)
			e->exception.injected |= ex->pending;
	}
	e->exception.nr = ex->vector;
	e->exception.has_error_code = ex->has_error;
	e->exception.error_code = ex->error;
	e->exception_has_payload = ex->has_payload;
	e->exception_payload = ex->payload;
}

static void take_nmis(struct lodge_vcpu *vcpu)
{
	int n = atomic_xchg(&vcpu->nmi_arrived, 0);

	while (n-- > 0 && inject_nmi(vcpu))
		;
}

int state_get_events(struct lodge_vcpu *vcpu, struct kvm_vcpu_events *e)
{
	memset(e, 0, sizeof(*e));
	take_nmis(vcpu);
	get_exception(vcpu, e);
	e->interrupt.injected = vcpu->irq_injected;
	e->interrupt.nr = vcpu->irq;
	e->interrupt.shadow = get_shadow();
	e->nmi.injected = vcpu->nmi_injected;
	e->nmi.pending = !!vcpu->nmi_pending;
	e->nmi.masked = inject_nmi_blocked(vcpu);
	e->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	/* an INIT that waits is latched as it would be in SMM */
	if (vcpu->apic) {
		e->flags |= KVM_VCPUEVENT_VALID_SMM;
		e->smi.latched_init = lapic_has_init(vcpu);
	}
	if (vcpu->vm->exception_payload)
		e->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (vcpu->vm->triple_fault_event) {
		e->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
		e->triple_fault.pending = vcpu->triple_fault;
	}
	return 0;
}

static bool events_valid(const struct lodge_vm *vm, const struct kvm_vcpu_events *e)
{
	u32 known = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |
		    KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM;
	bool pending = (e->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && e->exception.pending;

	if (vm->exception_payload)
		known |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (vm->triple_fault_event)
		known |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	if (e->flags & ~known)
		return false;
	/* there is no SMM here to be in */
	if ((e->flags & KVM_VCPUEVENT_VALID_SMM) && (e->smi.smm || e->smi.pending))
		return false;
	return !(e->exception.injected || pending) ||
	       (e->exception.nr < 32 && e->exception.nr != X86_TRAP_NMI);
}

static void set_exception(struct lodge_vcpu *vcpu, const struct kvm_vcpu_events *e)
{
	bool pending = (e->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && e->exception.pending;

	vcpu->ex = (struct lodge_exception) {
		.pending = pending,
		.injected = !pending && e->exception.injected,
		.vector = e->exception.nr & 31,
		.has_error = e->exception.has_error_code,
		.error = e->exception.error_code,
		.has_payload = pending && e->exception_has_payload,
		.payload = e->exception_payload,
	};
}

int state_set_events(struct lodge_vcpu *vcpu, const struct kvm_vcpu_events *e)
{
	u32 state = vmread32(GUEST_INTERRUPTIBILITY_INFO);

	if (!events_valid(vcpu->vm, e))
		return -EINVAL;
	set_exception(vcpu, e);
	vcpu->irq_injected = e->interrupt.injected && !e->interrupt.soft;
	vcpu->irq = e->interrupt.nr;
	if (e->flags & KVM_VCPUEVENT_VALID_SHADOW) {
		state &= ~(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS);
		state |= shadow_bits(e->interrupt.shadow);
	}
	vcpu->nmi_injected = e->nmi.injected;
	if (e->flags & KVM_VCPUEVENT_VALID_NMI_PENDING)
		vcpu->nmi_pending = !!e->nmi.pending;
	vmwrite32(GUEST_INTERRUPTIBILITY_INFO, state);
	inject_block_nmi(vcpu, e->nmi.masked);
	if (e->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) {
		vcpu->triple_fault = e->triple_fault.pending;
		vcpu->to_tell |= vcpu->triple_fault;
	}
	if (vcpu->apic && (e->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR))
		lapic_set_sipi_vector(vcpu, e->sipi_vector);
	if (vcpu->apic && (e->flags & KVM_VCPUEVENT_VALID_SMM))
		lapic_set_init(vcpu, e->smi.latched_init);
	return 0;
}

int state_interrupt(struct lodge_vcpu *vcpu, const struct kvm_interrupt *irq)
{
	if (irq->irq > 255)
		return -EINVAL;
	if (vcpu->vm->pic)
		return -ENXIO;
	if (!vcpu->apic) {
		vcpu->irq_injected = true;
		vcpu->irq = irq->irq;
		return 0;
	}
	/* the client's PIC has been acknowledged: this one must not be lost */
	if (vcpu->user_extint >= 0)
		return -EEXIST;
	vcpu->user_extint = irq->irq;
	return 0;
}

bool state_listens_to_user(struct lodge_vcpu *vcpu)
{
	return !vcpu->apic || (vcpu->user_extint < 0 && lapic_takes_extint(vcpu));
}

int state_get_lapic(struct lodge_vcpu *vcpu, struct kvm_lapic_state *s)
{
	if (!vcpu->apic)
		return -EINVAL;
	lapic_get_state(vcpu, s);
	return 0;
}

int state_set_lapic(struct lodge_vcpu *vcpu, const struct kvm_lapic_state *s)
{
	return vcpu->apic ? lapic_set_state(vcpu, s) : -EINVAL;
}

int state_get_mp_state(struct lodge_vcpu *vcpu, struct kvm_mp_state *s)
{
	/* a saved state has no place for an INIT or SIPI that is on its way */
	if (vcpu->apic && lapic_has_arrivals(vcpu))
		state_arrivals(vcpu);
	s->mp_state = vcpu->mp_state;
	return 0;
}

int state_set_mp_state(struct lodge_vcpu *vcpu, const struct kvm_mp_state *s)
{
	switch (s->mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_HALTED:
	case KVM_MP_STATE_AP_RESET_HOLD:
	case KVM_MP_STATE_SIPI_RECEIVED:
		/* user space halts and starts vCPUs that have no local APIC */
		if (vcpu->apic)
			break;
		fallthrough;
	default:
		return -EINVAL;
	}
	vcpu->mp_state = s->mp_state;
	if (s->mp_state == KVM_MP_STATE_SIPI_RECEIVED) {
		vcpu->mp_state = KVM_MP_STATE_INIT_RECEIVED;
		lapic_set_sipi(vcpu);
	}
	return 0;
}

/* SDM vol. 3A 8.4. */
void state_arrivals(struct lodge_vcpu *vcpu)
{
	u8 vector;

	take_nmis(vcpu);
	if (!vcpu->apic)
		return;
	if (lapic_take_init(vcpu))
		state_reset(vcpu, true);
	/* a processor that does not wait for one ignores it */
	if (lapic_take_sipi(vcpu, &vector) && vcpu->mp_state == KVM_MP_STATE_INIT_RECEIVED)
		state_startup(vcpu, vector);
}

int state_get_xcrs(struct lodge_vcpu *vcpu, struct kvm_xcrs *x)
{
	memset(x, 0, sizeof(*x));
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return 0;
	x->nr_xcrs = 1;
	x->xcrs[0].value = vcpu->xcr0;
	return 0;
}

int state_set_xcrs(struct lodge_vcpu *vcpu, const struct kvm_xcrs *x)
{
	int i;

	if (!boot_cpu_has(X86_FEATURE_XSAVE) || x->nr_xcrs > KVM_MAX_XCRS || x->flags)
		return -EINVAL;
	/* XCR0 is the only one that there is */
	for (i = 0; i < x->nr_xcrs; i++)
		if (!x->xcrs[i].xcr)
			return xcr_write(vcpu, 0, x->xcrs[i].value) ? 0 : -EINVAL;
	return 0;
}

int state_get_fpu(struct lodge_vcpu *vcpu, struct kvm_fpu *f)
{
	return fpu_get(vcpu, f);
}

int state_set_fpu(struct lodge_vcpu *vcpu, const struct kvm_fpu *f)
{
	return fpu_set(vcpu, f);
}

int state_set_mce(struct lodge_vcpu *vcpu, const struct kvm_x86_mce *m)
{
	return mce_stage(vcpu, m);
}

int state_translate(struct lodge_vcpu *vcpu, struct kvm_translation *t)
{
	gpa_t gpa = ~0ull;
	u32 error;

	/* not mapped, or by tables that are not there: both are "not valid" */
	gva_translate(vcpu, t->linear_address, PF_PEEK, &gpa, &error);
	t->physical_address = gpa;
	t->valid = gpa != ~0ull;
	t->writeable = 1;
	t->usermode = 0;
	return 0;
}

static void step_on(struct lodge_vcpu *vcpu)
{
	if (!(vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP))
		vcpu->debug.guest_tf = regs_rflags(vcpu) & X86_EFLAGS_TF;
	vcpu->debug.step_rip = regs_linear_rip(vcpu);
	vcpu->debug.arm = true;
}

static void step_off(struct lodge_vcpu *vcpu)
{
	regs_set_rflags(vcpu, guest_rflags(vcpu));
	vcpu->debug.arm = false;
	vcpu->debug.stepped = false;
}

#define DEBUG_CONTROLS (KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | \
			KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW_BP | \
			KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP | \
			KVM_GUESTDBG_BLOCKIRQ)

int state_set_guest_debug(struct lodge_vcpu *vcpu, const struct kvm_guest_debug *d)
{
	u32 control = (d->control & KVM_GUESTDBG_ENABLE) ? d->control : 0;
	u32 changed = control ^ vcpu->debug.control;

	if (d->control & ~(u32)DEBUG_CONTROLS)
		return -EINVAL;
	if (d->control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)) {
		if (vcpu->ex.pending)
			return -EBUSY;
		inject_exception(vcpu, (d->control & KVM_GUESTDBG_INJECT_DB) ?
				 X86_TRAP_DB : X86_TRAP_BP);
	}
	if (control & KVM_GUESTDBG_SINGLESTEP)
		step_on(vcpu);
	else
		step_off(vcpu);
	vcpu->debug.control = control;
	memcpy(vcpu->debug.dr, d->arch.debugreg, sizeof(vcpu->debug.dr));
	vcpu->debug.dr7 = (d->arch.debugreg[7] & DR7_WRITABLE) | DR7_ALWAYS_ONE;
	regs_set_dr7(vcpu, vcpu->dr7);
	vmcs_set_exceptions(vcpu);
	/* interrupts that are held must not be delivered by the CPU either */
	if (vcpu->apic && (changed & KVM_GUESTDBG_BLOCKIRQ))
		lapic_debug_changed(vcpu);
	return 0;
}

void state_arm_step(struct lodge_vcpu *vcpu)
{
	u32 shadow = GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS;

	if (likely(!vcpu->debug.arm))
		return;
	vcpu->debug.arm = false;
	if (!(vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP))
		return;
	/* POPF and IRET may have cleared it; then that is what the guest believes */
	if (!(regs_rflags(vcpu) & X86_EFLAGS_TF))
		vcpu->debug.guest_tf = false;
	regs_set_rflags(vcpu, regs_rflags(vcpu) | X86_EFLAGS_TF);
	/* in a shadow, entry would insist on a pending trap: vol. 3C 26.3.1.5 */
	vmwrite32(GUEST_INTERRUPTIBILITY_INFO,
		  vmread32(GUEST_INTERRUPTIBILITY_INFO) & ~shadow);
	vmwritel(GUEST_PENDING_DBG_EXCEPTIONS, 0);
}

static struct kvm_segment real_segment(u16 selector, u64 base, u8 type)
{
	return (struct kvm_segment) {
		.base = base, .limit = 0xffff, .selector = selector,
		.type = type, .present = 1, .s = 1,
	};
}

void state_startup(struct lodge_vcpu *vcpu, u8 page)
{
	struct kvm_segment code = real_segment(page << 8, page << 12, 11);

	regs_set_segment(vcpu, SEG_CS, &code);
	regs_set_rip(vcpu, 0);
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
}

static bool boots(const struct lodge_vcpu *vcpu)
{
	return vcpu->id == vcpu->vm->boot_id;
}

/* What was on its way into the guest is void. */
static void reset_events(struct lodge_vcpu *vcpu)
{
	vcpu->ex = (struct lodge_exception) { };
	vcpu->irq_injected = false;
	vcpu->nmi_injected = false;
	vcpu->nmi_pending = 0;
	vcpu->nmi_blocked = false;
	vcpu->user_extint = -1;
	vcpu->unhalted = false;
	vmwrite32(GUEST_INTERRUPTIBILITY_INFO, 0);
	vmwrite32(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmwritel(GUEST_PENDING_DBG_EXCEPTIONS, 0);
}

/* SDM vol. 3A table 9-1. */
void state_reset(struct lodge_vcpu *vcpu, bool init)
{
	unsigned long cache = init ? regs_cr0(vcpu) & (X86_CR0_CD | X86_CR0_NW) :
				     X86_CR0_CD | X86_CR0_NW;
	struct kvm_segment code = real_segment(0xf000, 0xffff0000, 11);
	struct kvm_segment data = real_segment(0, 0, 3);
	struct kvm_segment ldt = { .limit = 0xffff, .type = 2, .present = 1 };
	struct kvm_segment tss = { .limit = 0xffff, .type = 11, .present = 1 };
	int seg;

	memset(vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs[GPR_RDX] = cpuid_signature(vcpu);
	regs_set_rsp(vcpu, 0);
	regs_set_rip(vcpu, 0xfff0);
	regs_set_rflags(vcpu, X86_EFLAGS_FIXED);
	for (seg = SEG_ES; seg <= SEG_GS; seg++)
		regs_set_segment(vcpu, seg, seg == SEG_CS ? &code : &data);
	regs_set_segment(vcpu, SEG_LDTR, &ldt);
	regs_set_segment(vcpu, SEG_TR, &tss);
	vmwritel(GUEST_GDTR_BASE, 0);
	vmwrite32(GUEST_GDTR_LIMIT, 0xffff);
	vmwritel(GUEST_IDTR_BASE, 0);
	vmwrite32(GUEST_IDTR_LIMIT, 0xffff);
	vcpu->cr2 = 0;
	if (!init)
		vcpu->xcr0 = XFEATURE_MASK_FP;
	regs_set_cr3(vcpu, 0);
	regs_set_cr0(vcpu, cache | X86_CR0_ET);
	regs_set_cr4(vcpu, 0);
	regs_set_efer(vcpu, 0);
	vcpu->dr6 = DR6_ALWAYS_ONE;
	regs_set_dr7(vcpu, DR7_ALWAYS_ONE);
	memset(vcpu->dr, 0, sizeof(vcpu->dr));
	reset_events(vcpu);
	if (!init)
		msr_reset(vcpu);
	/* who asked for these is not there any more */
	vcpu->pvclock_msr = 0;
	vcpu->steal_msr = 0;
	vcpu->pv_eoi_msr = 0;
	vcpu->cr8 = 0;
	vcpu->mp_state = boots(vcpu) || !vcpu->apic ? KVM_MP_STATE_RUNNABLE :
			 init ? KVM_MP_STATE_INIT_RECEIVED : KVM_MP_STATE_UNINITIALIZED;
	if (vcpu->apic)
		lapic_reset(vcpu, init);
	vcpu_request(vcpu, REQ_FLUSH_GUEST_TLB);
}
