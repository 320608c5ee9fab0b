// SPDX-License-Identifier: GPL-2.0
/*
 * events - KVM_GET_VCPU_EVENTS and KVM_SET_VCPU_EVENTS: exceptions, interrupts and
 * NMIs that are on their way into the guest, the shadows that keep them out, and
 * the two extensions by KVM_ENABLE_CAP (payloads, triple faults).
 */
#include "selftest.h"
#include "state.h"

#define NMI_PENDING	KVM_VCPUEVENT_VALID_NMI_PENDING
#define SHADOW		KVM_VCPUEVENT_VALID_SHADOW
#define PAYLOAD		KVM_VCPUEVENT_VALID_PAYLOAD
#define TRIPLE		KVM_VCPUEVENT_VALID_TRIPLE_FAULT
#define SIPI		KVM_VCPUEVENT_VALID_SIPI_VECTOR
#define SMM		KVM_VCPUEVENT_VALID_SMM

static u64 cr2_seen, dr6_seen;

/* Reports 1, where the host puts something in, then the vector that came. */
static void guest_waits(u64 arg)
{
	for (;;) {
		GUEST_TRY("mov $1, %%al\n\t"
			  "out %%al, $0xe7\n\t"
			  "nop\n\t"
			  "nop\n\t"
			  "nop", : : "rax", "memory");
		asm volatile("mov %%cr2, %0" : "=r"(cr2_seen));
		asm volatile("mov %%dr6, %0" : "=r"(dr6_seen));
		GUEST_SYNC_VALUE(2, guest_ex()->vector);
	}
}

static struct vcpu *new_vcpu(void)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	CHECK(check_cap(vm, KVM_CAP_VCPU_EVENTS) > 0);
	vcpu_long_mode(vcpu, guest_waits, 0);
	return vcpu;
}

/* To the first "nop", with nothing half done. */
static void to_the_nop(struct vcpu *vcpu)
{
	vcpu_expect_sync(vcpu, 1);
	vcpu_complete(vcpu);
}

static struct guest_ex *exception_of(struct vcpu *vcpu)
{
	return &((struct guest_percpu *)vm_ptr(vcpu->vm, vcpu->percpu))->ex;
}

static int try_events(struct vcpu *vcpu, const struct kvm_vcpu_events *e)
{
	return xioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, (uintptr_t)e);
}

static void set_if(struct vcpu *vcpu, bool on)
{
	struct kvm_regs regs;

	get_regs(vcpu, &regs);
	regs.rflags = on ? regs.rflags | X86_EFLAGS_IF : regs.rflags & ~X86_EFLAGS_IF;
	set_regs(vcpu, &regs);
}

/* ---- what a GET says ------------------------------------------------------- */

SUBTEST(events_of_a_new_vcpu)
{
	static const u8 zeros[sizeof(struct kvm_vcpu_events)];
	struct vcpu *vcpu = new_vcpu();
	struct kvm_vcpu_events e;

	memset(&e, 0x5a, sizeof(e));
	get_events(vcpu, &e);
	CHECK_EQ(e.flags & ~SMM, NMI_PENDING | SHADOW);
	e.flags = 0;
	if (device_is_kvm())	/* left as it is while it is not enabled */
		e.triple_fault.pending = 0;
	CHECK(!memcmp(&e, zeros, sizeof(e)));
}

SUBTEST(class28_events_are_filled_in)
{
	struct vcpu *vcpu = new_vcpu();
	struct kvm_vcpu_events a, b;

	memset(&a, 0x5a, sizeof(a));
	memset(&b, 0xa5, sizeof(b));
	get_events(vcpu, &a);
	get_events(vcpu, &b);
	if (device_is_kvm())
		a.triple_fault.pending = b.triple_fault.pending;
	CHECK(!memcmp(&a, &b, sizeof(a)));
	check_get_writes_all(vcpu->fd, KVM_GET_DEBUGREGS, sizeof(struct kvm_debugregs));
	check_get_writes_all(vcpu->fd, KVM_GET_SREGS2, sizeof(struct kvm_sregs2));
	check_get_writes_all(vcpu->fd, KVM_GET_MP_STATE, sizeof(struct kvm_mp_state));
}

SUBTEST(class27_flags_and_vectors_that_cannot_be)
{
	struct vcpu *vcpu = new_vcpu();
	struct kvm_vcpu_events good, e;

	to_the_nop(vcpu);
	get_events(vcpu, &good);
	for (int bit = 0; bit < 32; bit++) {
		bool ok = BIT(bit) & (NMI_PENDING | SHADOW | SIPI | SMM);

		test_doing("flag %d", bit);
		e = good;
		e.flags = BIT(bit);
		/* The flags of an extension need the extension. */
		CHECK_EQ(try_events(vcpu, &e), ok ? 0 : -EINVAL);
	}
	for (int nr = 0; nr < 256; nr++) {
		test_doing("vector %d", nr);
		e = good;
		e.exception.nr = nr;
		CHECK_EQ(try_events(vcpu, &e), 0);	/* it is none */
		e.exception.injected = 1;
		CHECK_EQ(try_events(vcpu, &e), nr > 31 || nr == 2 ? -EINVAL : 0);
	}
	set_events(vcpu, &good);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
}

/* ---- exceptions ---------------------------------------------------------------- */

static const struct exception {
	u8 nr, has_error;
	u32 error;
} exceptions[] = {
	{ 0 }, { DB }, { BR }, { UD }, { NM }, { TS, 1, 0x48 }, { NP, 1, 0x10 },
	{ SS, 1, 0 }, { GP, 1, 0xfff8 }, { PF, 1, 0x15 }, { 16 }, { AC, 1, 0 },
	{ 18 }, { 19 },
};

SUBTEST(exceptions_are_delivered)
{
	struct vcpu *vcpu = new_vcpu();
	struct kvm_vcpu_events e, got;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	for (u64 i = 0; i < ARRAY_SIZE(exceptions); i++) {
		const struct exception *x = &exceptions[i];

		test_doing("exception %d", x->nr);
		to_the_nop(vcpu);
		get_regs(vcpu, &regs);
		get_sregs(vcpu, &sregs);
		sregs.cr2 = 0xabc000 + i;
		set_sregs(vcpu, &sregs);
		get_events(vcpu, &e);
		e.exception.injected = 1;
		e.exception.nr = x->nr;
		e.exception.has_error_code = x->has_error;
		e.exception.error_code = x->error;
		set_events(vcpu, &e);
		get_events(vcpu, &got);
		CHECK(!memcmp(&got, &e, offsetof(struct kvm_vcpu_events, triple_fault)));
		CHECK_EQ(vcpu_expect_sync(vcpu, 2), x->nr);
		CHECK_EQ(exception_of(vcpu)->error, x->error);
		CHECK_EQ(exception_of(vcpu)->rip, regs.rip);
		CHECK_EQ(guest_var(vcpu->vm, cr2_seen), 0xabc000 + i);
		get_events(vcpu, &got);
		CHECK_EQ(got.exception.injected | got.exception.pending, 0);
	}
}

/* Without the extension there is but one kind, and "pending" is not looked at. */
SUBTEST(pending_without_payload_extension)
{
	struct vcpu *vcpu = new_vcpu();
	struct kvm_vcpu_events e;

	to_the_nop(vcpu);
	get_events(vcpu, &e);
	e.exception.pending = 1;
	e.exception.nr = UD;
	e.exception_has_payload = 1;
	e.exception_payload = 5;
	set_events(vcpu, &e);
	get_events(vcpu, &e);
	CHECK_EQ(e.exception.pending, 0);
	CHECK_EQ(e.exception.injected, 0);
	CHECK_EQ(e.exception_has_payload, 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
}

/* INT3 and INTO come again by themselves, so they are not told. */
SUBTEST(software_exceptions_are_not_told)
{
	static const u8 soft[] = { BP, OF };
	struct vcpu *vcpu = new_vcpu();
	struct kvm_vcpu_events good, e;

	to_the_nop(vcpu);
	get_events(vcpu, &good);
	for (u64 i = 0; i < ARRAY_SIZE(soft); i++) {
		e = good;
		e.exception.injected = 1;
		e.exception.nr = soft[i];
		set_events(vcpu, &e);
		get_events(vcpu, &e);
		CHECK_EQ(e.exception.injected, 0);
		CHECK_EQ(e.exception.pending, 0);
	}
	set_events(vcpu, &good);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
}

/* KVM_SET_REGS drops what is pending; what is injected has happened already. */
SUBTEST(set_regs_and_exceptions)
{
	struct vcpu *vcpu = new_vcpu();
	struct kvm_vcpu_events e;
	struct kvm_regs regs;

	CHECK_EQ(vm_enable_cap(vcpu->vm, KVM_CAP_EXCEPTION_PAYLOAD, 1), 0);
	to_the_nop(vcpu);
	get_regs(vcpu, &regs);
	get_events(vcpu, &e);
	e.exception.pending = 1;
	e.exception.nr = UD;
	set_events(vcpu, &e);
	set_regs(vcpu, &regs);
	get_events(vcpu, &e);
	CHECK_EQ(e.exception.pending, 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);

	to_the_nop(vcpu);
	get_regs(vcpu, &regs);
	e.exception.pending = 0;
	e.exception.injected = 1;
	e.exception.nr = GP;
	e.exception.has_error_code = 1;
	e.exception.error_code = 0x18;
	set_events(vcpu, &e);
	set_regs(vcpu, &regs);
	get_events(vcpu, &e);
	CHECK_EQ(e.exception.injected, 1);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), GP);
	CHECK_EQ(exception_of(vcpu)->error, 0x18);
}

GUEST_ASM(real_waits,
	  ".code16\n"
	  SYNC_ASM(1)
	  "nop\n"
	  SYNC_ASM(4));

GUEST_ASM(real_handler,
	  ".code16\n"
	  "mov %sp, %bx\n"
	  "pop %cx\n"
	  "pop %dx\n"
	  SYNC_ASM(5));

/* Real mode knows no error codes: SDM volume 3, 20.1.4. */
SUBTEST(exceptions_in_real_mode)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_vcpu_events e;
	struct kvm_regs regs;
	u16 ip;

	vm_load(vm, 0x8000, real_waits, real_waits_end);
	vm_load(vm, 0x9000, real_handler, real_handler_end);
	for (u64 i = 0; i < ARRAY_SIZE(exceptions); i++) {
		test_doing("exception %d", exceptions[i].nr);
		*(u32 *)vm_ptr(vm, 4 * exceptions[i].nr) = 0x9000;
		vcpu_real_mode(vcpu, 0x800, 0);
		to_the_nop(vcpu);
		get_regs(vcpu, &regs);
		ip = regs.rip;
		get_events(vcpu, &e);
		e.exception.injected = 1;
		e.exception.nr = exceptions[i].nr;
		e.exception.has_error_code = exceptions[i].has_error;
		e.exception.error_code = exceptions[i].error;
		set_events(vcpu, &e);
		vcpu_expect_sync(vcpu, 5);
		get_regs(vcpu, &regs);
		CHECK_EQ(regs.rbx, 0x7000 - 6);
		CHECK_EQ(regs.rcx, ip);
		CHECK_EQ(regs.rdx, 0x800);
	}
}

/* ---- payloads: what an exception does to CR2 or DR6 when it is delivered --------- */

static struct vcpu *vcpu_with_payloads(struct kvm_vcpu_events *e)
{
	struct vcpu *vcpu = new_vcpu();

	CHECK(check_cap(vcpu->vm, KVM_CAP_EXCEPTION_PAYLOAD) > 0);
	CHECK_EQ(vm_enable_cap(vcpu->vm, KVM_CAP_EXCEPTION_PAYLOAD, 1), 0);
	to_the_nop(vcpu);
	memset(e, 0x5a, sizeof(*e));
	get_events(vcpu, e);
	CHECK_EQ(e->flags & ~SMM, NMI_PENDING | SHADOW | PAYLOAD);
	CHECK_EQ(e->exception_has_payload, 0);
	return vcpu;
}

SUBTEST(payload_of_a_page_fault)
{
	struct kvm_vcpu_events e, got;
	struct vcpu *vcpu = vcpu_with_payloads(&e);
	struct kvm_sregs sregs;

	e.exception.pending = 1;
	e.exception.injected = 1;	/* pending has precedence */
	e.exception.nr = PF;
	e.exception.has_error_code = 1;
	e.exception.error_code = 2;
	e.exception_has_payload = 1;
	e.exception_payload = 0xdead1234;
	set_events(vcpu, &e);
	get_events(vcpu, &got);
	CHECK_EQ(got.exception.pending, 1);
	CHECK_EQ(got.exception.injected, 0);
	CHECK_EQ(got.exception_has_payload, 1);
	CHECK_EQ(got.exception_payload, 0xdead1234);
	get_sregs(vcpu, &sregs);
	CHECK_EQ(sregs.cr2, 0);		/* not yet */
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), PF);
	CHECK_EQ(guest_var(vcpu->vm, cr2_seen), 0xdead1234);
	CHECK_EQ(exception_of(vcpu)->error, 2);
	get_events(vcpu, &got);
	CHECK_EQ(got.exception.pending, 0);
}

SUBTEST(payload_of_a_debug_exception)
{
	struct kvm_debugregs d;
	struct kvm_vcpu_events e;
	struct vcpu *vcpu = vcpu_with_payloads(&e);

	e.exception.pending = 1;
	e.exception.nr = DB;
	e.exception_has_payload = 1;
	e.exception_payload = 0x4002;	/* BS, B1 */
	set_events(vcpu, &e);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_DEBUGREGS, (uintptr_t)&d), 0);
	CHECK_EQ(d.dr6, 0xffff0ff0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), DB);
	CHECK_EQ(guest_var(vcpu->vm, dr6_seen), 0xffff4ff2);
}

SUBTEST(payload_needs_flag_and_pending)
{
	struct kvm_vcpu_events e, got;
	struct vcpu *vcpu = vcpu_with_payloads(&e);

	e.exception.injected = 1;
	e.exception.nr = UD;
	e.exception_has_payload = 1;
	set_events(vcpu, &e);
	get_events(vcpu, &got);
	CHECK_EQ(got.exception.injected, 1);
	CHECK_EQ(got.exception_has_payload, 0);
	e.exception.injected = 0;
	e.exception.pending = 1;
	e.flags &= ~PAYLOAD;
	set_events(vcpu, &e);
	get_events(vcpu, &got);
	CHECK_EQ(got.exception.pending, 0);
	CHECK_EQ(got.exception_has_payload, 0);
	e.flags |= PAYLOAD;
	e.exception.nr = 32;
	CHECK_EQ(try_events(vcpu, &e), -EINVAL);
	e.exception.nr = 2;
	CHECK_EQ(try_events(vcpu, &e), -EINVAL);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
}

/* ---- triple faults ---------------------------------------------------------------- */

SUBTEST(triple_fault_event)
{
	struct vcpu *vcpu = new_vcpu();
	struct kvm_vcpu_events e;

	CHECK(check_cap(vcpu->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT) > 0);
	CHECK_EQ(vm_enable_cap(vcpu->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1), 0);
	to_the_nop(vcpu);
	memset(&e, 0x5a, sizeof(e));
	get_events(vcpu, &e);
	CHECK_EQ(e.flags & ~SMM, NMI_PENDING | SHADOW | TRIPLE);
	CHECK_EQ(e.triple_fault.pending, 0);
	e.triple_fault.pending = 1;
	set_events(vcpu, &e);
	get_events(vcpu, &e);
	CHECK_EQ(e.triple_fault.pending, 1);
	e.triple_fault.pending = 0;	/* taken back */
	set_events(vcpu, &e);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
	vcpu_complete(vcpu);
	e.triple_fault.pending = 1;
	e.flags &= ~TRIPLE;		/* not looked at */
	set_events(vcpu, &e);
	get_events(vcpu, &e);
	CHECK_EQ(e.triple_fault.pending, 0);
	e.triple_fault.pending = 1;
	set_events(vcpu, &e);
	vcpu_run(vcpu, KVM_EXIT_SHUTDOWN);
	get_events(vcpu, &e);
	CHECK_EQ(e.triple_fault.pending, 0);
}

/* ---- interrupts and their shadow ------------------------------------------------- */

SUBTEST(injected_interrupt)
{
	struct vcpu *vcpu = new_vcpu();
	struct kvm_vcpu_events e, got;
	struct kvm_sregs sregs;

	to_the_nop(vcpu);
	set_if(vcpu, true);
	get_events(vcpu, &e);
	e.interrupt.injected = 1;
	e.interrupt.nr = 0x45;
	set_events(vcpu, &e);
	get_events(vcpu, &got);
	CHECK_EQ(got.interrupt.injected, 1);
	CHECK_EQ(got.interrupt.nr, 0x45);
	get_sregs(vcpu, &sregs);	/* the same, in the older place */
	for (int i = 0; i < 4; i++)
		CHECK_EQ(sregs.interrupt_bitmap[i], i == 1 ? BIT(5) : 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), 0x45);
	get_events(vcpu, &got);
	CHECK_EQ(got.interrupt.injected, 0);
}

SUBTEST(interrupt_in_the_bitmap_of_sregs)
{
	struct vcpu *vcpu = new_vcpu();
	struct kvm_vcpu_events e;
	struct kvm_sregs sregs;

	to_the_nop(vcpu);
	set_if(vcpu, true);
	get_sregs(vcpu, &sregs);
	sregs.interrupt_bitmap[3] = BIT(7);
	set_sregs(vcpu, &sregs);
	get_events(vcpu, &e);
	CHECK_EQ(e.interrupt.injected, 1);
	CHECK_EQ(e.interrupt.nr, 3 * 64 + 7);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), 3 * 64 + 7);
}

SUBTEST(interrupt_shadow_round_trip)
{
	/* What is set, and what is read: one shadow hides the other. */
	static const u8 pairs[][2] = { { 0, 0 },
		{ KVM_X86_SHADOW_INT_MOV_SS, KVM_X86_SHADOW_INT_MOV_SS },
		{ KVM_X86_SHADOW_INT_STI, KVM_X86_SHADOW_INT_STI }, { 3, 1 },
		{ 0, 0 } };
	struct vcpu *vcpu = new_vcpu();
	struct kvm_vcpu_events e;

	to_the_nop(vcpu);
	for (u64 i = 0; i < ARRAY_SIZE(pairs); i++) {
		test_doing("shadow %d", pairs[i][0]);
		get_events(vcpu, &e);
		e.interrupt.shadow = pairs[i][0];
		set_events(vcpu, &e);
		get_events(vcpu, &e);
		CHECK_EQ(e.interrupt.shadow, pairs[i][1]);
		e.interrupt.shadow ^= 1;
		e.flags &= ~SHADOW;	/* not looked at */
		set_events(vcpu, &e);
		get_events(vcpu, &e);
		CHECK_EQ(e.interrupt.shadow, pairs[i][1]);
	}
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
}

GUEST_ASM(counts_up,
	  "mov $0, %ebx\n"
	  "out %al, $0xe8\n"
	  "inc %ebx\n"
	  "inc %ebx\n"
	  "inc %ebx\n"
	  "out %al, $0xe8\n"
	  "hlt\n");

/* Asks for an interrupt window: how many instructions later does it open? */
static void check_window(u8 shadow, u64 want)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_vcpu_events e;
	struct kvm_regs regs;

	test_doing("shadow %d", shadow);
	vcpu_long_mode(vcpu, counts_up, 0);
	vcpu_expect_out(vcpu, 0xe8, 1, 1);
	vcpu_complete(vcpu);
	set_if(vcpu, true);
	get_events(vcpu, &e);
	CHECK_EQ(e.interrupt.shadow, 0);
	e.interrupt.shadow = shadow;
	set_events(vcpu, &e);
	vcpu_complete(vcpu);
	CHECK_EQ(vcpu->run->if_flag, 1);
	CHECK_EQ(vcpu->run->ready_for_interrupt_injection, !shadow);
	vcpu->run->request_interrupt_window = 1;
	vcpu_run(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(vcpu->run->ready_for_interrupt_injection, 1);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rbx, want);
	get_events(vcpu, &e);
	CHECK_EQ(e.interrupt.shadow, 0);
	vcpu->run->request_interrupt_window = 0;
	vcpu_expect_out(vcpu, 0xe8, 1, 1);
}

SUBTEST(interrupt_shadow_holds_for_one_instruction)
{
	check_window(KVM_X86_SHADOW_INT_STI, 1);
	check_window(KVM_X86_SHADOW_INT_MOV_SS, 1);
	check_window(0, 0);
}

GUEST_ASM(makes_shadows,
	  "sti\n"
	  "out %al, $0xe8\n"
	  "cli\n"
	  "mov %ss, %ebx\n"
	  "mov %ebx, %ss\n"
	  "out %al, $0xe8\n"
	  "hlt\n");

/* An instruction that user space completes ends the shadow it was in. */
SUBTEST(interrupt_shadow_ends_with_an_access)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_vcpu_events e;

	vcpu_long_mode(vcpu, makes_shadows, 0);
	for (int i = 0; i < 2; i++) {
		vcpu_expect_out(vcpu, 0xe8, 1, 1);
		vcpu_complete(vcpu);
		get_events(vcpu, &e);
		CHECK_EQ(e.interrupt.shadow, 0);
	}
	vcpu_run(vcpu, KVM_EXIT_HLT);
}

/* ---- NMIs ----------------------------------------------------------------------------- */

GUEST_ASM(nmi_handler,
	  "push %rax\n"
	  "mov $3, %al\n"
	  "out %al, $0xe7\n"
	  "pop %rax\n"
	  "iretq\n");

/* Has the handler of NMIs report 3 from inside. */
static struct vcpu *vcpu_with_nmi_handler(void)
{
	struct vcpu *vcpu = new_vcpu();
	u8 *gate = (u8 *)vm_ptr(vcpu->vm, vcpu->vm->idt) + 2 * 16;

	*(u16 *)gate = (uintptr_t)nmi_handler;
	*(u16 *)(gate + 6) = (uintptr_t)nmi_handler >> 16;
	to_the_nop(vcpu);
	return vcpu;
}

SUBTEST(pending_nmi)
{
	struct vcpu *vcpu = vcpu_with_nmi_handler();
	struct kvm_vcpu_events e, got;

	get_events(vcpu, &e);
	e.nmi.pending = 1;
	e.flags &= ~NMI_PENDING;	/* not looked at */
	set_events(vcpu, &e);
	get_events(vcpu, &got);
	CHECK_EQ(got.nmi.pending, 0);
	e.flags |= NMI_PENDING;
	set_events(vcpu, &e);
	get_events(vcpu, &got);
	CHECK_EQ(got.nmi.pending, 1);
	CHECK_EQ(got.nmi.masked, 0);
	vcpu_expect_sync(vcpu, 3);
	get_events(vcpu, &got);
	CHECK_EQ(got.nmi.pending, 0);
	CHECK_EQ(got.nmi.masked, 1);	/* until its IRET */
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
	get_events(vcpu, &got);
	CHECK_EQ(got.nmi.masked, 0);
}

SUBTEST(masked_nmi_waits)
{
	struct vcpu *vcpu = vcpu_with_nmi_handler();
	struct kvm_vcpu_events e;

	get_events(vcpu, &e);
	e.nmi.masked = 1;
	e.nmi.pending = 1;
	set_events(vcpu, &e);
	get_events(vcpu, &e);
	CHECK_EQ(e.nmi.masked, 1);
	CHECK_EQ(e.nmi.pending, 1);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
	to_the_nop(vcpu);
	get_events(vcpu, &e);
	CHECK_EQ(e.nmi.masked, 1);
	CHECK_EQ(e.nmi.pending, 1);
	e.nmi.masked = 0;
	set_events(vcpu, &e);
	vcpu_expect_sync(vcpu, 3);
	/* A second one while the first is handled comes after its IRET. */
	vcpu_complete(vcpu);
	get_events(vcpu, &e);
	CHECK_EQ(e.nmi.pending, 0);
	e.nmi.pending = 1;
	set_events(vcpu, &e);
	vcpu_expect_sync(vcpu, 3);
	get_events(vcpu, &e);
	CHECK_EQ(e.nmi.pending, 0);
	CHECK_EQ(e.nmi.masked, 1);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
}

/* Injected: its delivery has begun, so the mask does not matter. */
SUBTEST(injected_nmi)
{
	struct vcpu *vcpu = vcpu_with_nmi_handler();
	struct kvm_vcpu_events e;

	get_events(vcpu, &e);
	e.nmi.injected = 1;
	set_events(vcpu, &e);
	get_events(vcpu, &e);
	CHECK_EQ(e.nmi.injected, 1);
	vcpu_expect_sync(vcpu, 3);
	get_events(vcpu, &e);
	CHECK_EQ(e.nmi.injected, 0);
	CHECK_EQ(e.nmi.masked, 1);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
}

/* It belongs to the local APIC, which is not here: taken, and never told. */
SUBTEST(sipi_vector)
{
	struct vcpu *vcpu = new_vcpu();
	struct kvm_vcpu_events e;

	to_the_nop(vcpu);
	get_events(vcpu, &e);
	e.sipi_vector = 0x12;
	e.flags |= SIPI;
	set_events(vcpu, &e);
	get_events(vcpu, &e);
	CHECK_EQ(e.sipi_vector, 0);
	CHECK_EQ(e.flags & SIPI, 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
}

/* ---- a delivery that takes more than one entry ------------------------------------------ */

#define STACKS		4		/* pages that nobody has touched yet */

static struct kvm_vcpu_events one_event(struct vcpu *vcpu, int kind)
{
	struct kvm_vcpu_events e;

	get_events(vcpu, &e);
	if (kind == 0) {
		e.exception.injected = 1;
		e.exception.nr = GP;
		e.exception.has_error_code = 1;
		e.exception.error_code = 0x1230;
	} else if (kind == 1) {
		e.interrupt.injected = 1;
		e.interrupt.nr = 0x46;
	} else if (kind == 2) {
		e.nmi.pending = 1;
	} else {
		e.nmi.injected = 1;
	}
	return e;
}

/*
 * The CPU pushes on a stack that is in no EPT yet: the delivery is broken off,
 * and has to be done once more, and only once (SDM volume 3, 27.2.4).
 */
SUBTEST(delivery_to_memory_that_is_not_there_yet)
{
	static const u64 vectors[STACKS] = { GP, 0x46, 2, 2 };
	struct vcpu *vcpu = new_vcpu();
	struct kvm_vcpu_events e;
	struct kvm_regs regs;

	vm_add_mem(vcpu->vm, 1, TEST_GPA, SZ_2M, MEM_ANON);
	for (int i = 0; i < STACKS; i++) {
		test_doing("kind %d", i);
		to_the_nop(vcpu);
		get_regs(vcpu, &regs);
		regs.rsp = TEST_GPA + (2 * i + 1) * PAGE_SIZE + 16;	/* over two pages */
		regs.rflags |= X86_EFLAGS_IF;
		set_regs(vcpu, &regs);
		e = one_event(vcpu, i);
		set_events(vcpu, &e);
		CHECK_EQ(vcpu_expect_sync(vcpu, 2), vectors[i]);
		CHECK_EQ(exception_of(vcpu)->rip, regs.rip);
		CHECK_EQ(exception_of(vcpu)->error, i ? 0 : 0x1230);
		get_events(vcpu, &e);
		CHECK_EQ(e.exception.injected | e.interrupt.injected | e.nmi.injected |
			 e.nmi.pending | e.nmi.masked, 0);
		vcpu_complete(vcpu);
		vcpu_long_mode(vcpu, guest_waits, 0);
	}
}

/* ---- any values at all ------------------------------------------------------------------ */

/*
 * Whatever is taken, the host lives and the vCPU can be brought back. KVM has the
 * CPU refuse an event that cannot be (VM entry fails), and goes on trying it when
 * user space has set others: so there nothing is run.
 */
SUBTEST(class27_random_events)
{
	struct vcpu *vcpu = new_vcpu();
	struct kvm_vcpu_events good, e;
	struct kvm_sregs sregs;

	to_the_nop(vcpu);
	get_events(vcpu, &good);
	get_sregs(vcpu, &sregs);
	for (int i = 0; i < 300; i++) {
		u8 *p = (u8 *)&e;

		for (u64 k = 0; k < sizeof(e); k++)
			p[k] = (test_rand() >> 20) & (test_rand() & 1 ? 1 : 0xff);
		e.flags = test_rand() & (NMI_PENDING | SHADOW | SIPI);
		if (try_events(vcpu, &e))
			continue;
		vcpu->run->immediate_exit = device_is_kvm() || test_rand() & 1;
		vcpu_run_raw(vcpu);
		vcpu->run->immediate_exit = 0;
		set_sregs(vcpu, &sregs);
		vcpu_long_mode(vcpu, guest_waits, 0);
		set_events(vcpu, &good);
	}
	vcpu_complete(vcpu);
	vcpu_long_mode(vcpu, guest_waits, 0);
	set_events(vcpu, &good);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
}
