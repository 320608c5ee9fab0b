// SPDX-License-Identifier: GPL-2.0
/*
 * injection - what reaches a guest through its IDT without an interrupt controller in
 * the kernel: interrupts and NMIs that user space injects, exceptions, double and
 * triple faults. Each arrives exactly once, also when its delivery itself causes an
 * exit (SDM volume 3, chapter 6, and 26.5).
 */
#include "events.h"

static struct vm *recording_vm(void)
{
	struct vm *vm = vm_create();

	CHECK_EQ(check_cap(vm, KVM_CAP_USER_NMI), 1);
	vm_record_events(vm);
	return vm;
}

static struct vcpu *code_vcpu(struct vm *vm, const void *code)
{
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, code, 0);
	return vcpu;
}

static const struct guest_event *event(struct vm *vm, int n)
{
	return &guest_var(vm, guest_events)[n];
}

static u64 rip_of(struct vcpu *vcpu)
{
	struct kvm_regs regs;

	get_regs(vcpu, &regs);
	return regs.rip;
}

/* ---- interrupts ----------------------------------------------------------- */

GUEST_ASM(irq_code, ".code64\n"
	  SYNC_ASM(1)
	  "sti\n"
	  "irq_1: nop\n"
	  "irq_2: nop\n"
	  SYNC_ASM(2)
	  "irq_3: hlt\n"
	  "irq_4: cli\n"
	  SYNC_ASM(3)
	  "sti\n"
	  "mov %ss, %ecx\n"
	  "cli\n"
	  SYNC_ASM(4)
	  "sti\n"
	  "mov %ecx, %ss\n"
	  "nop\n"
	  "irq_5: nop\n"
	  SYNC_ASM(5));
extern const char irq_1[], irq_2[], irq_3[], irq_4[], irq_5[];

SUBTEST(interrupt_vectors)
{
	struct vm *vm = recording_vm();
	struct vcpu *vcpu = code_vcpu(vm, irq_code);
	static const u32 bad[] = { 256, 257, 0x10000, 0x80000000, ~0u };
	static const u8 good[] = { 32, 33, 0x40, 0x80, 0xfe, 0xff };

	for (u64 i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_EQ(vcpu_interrupt(vcpu, bad[i]), -EINVAL);
	CHECK_EQ(xioctl(vcpu->fd, KVM_INTERRUPT, 0), -EFAULT);
	for (u64 i = 0; i < ARRAY_SIZE(good); i++) {
		test_doing("vector %d", good[i]);
		vcpu_long_mode(vcpu, irq_code, 0);
		guest_var(vm, guest_nr_events) = 0;
		vcpu_expect_sync(vcpu, 1);
		vcpu_expect_sync(vcpu, 2);
		CHECK_EQ(vcpu_interrupt(vcpu, good[i]), 0);
		vcpu_run(vcpu, KVM_EXIT_HLT);
		vm_expect_events(vm, good[i]);
		CHECK_EQ(event(vm, 0)->rip, (uintptr_t)irq_3);
		CHECK_EQ(event(vm, 0)->error, 0);
		CHECK_EQ(event(vm, 0)->rflags & X86_EFLAGS_IF, X86_EFLAGS_IF);
	}
}

SUBTEST(interrupt_with_irqchip_in_kernel)
{
	struct vm *vm = recording_vm();
	struct vcpu *vcpu;

	if (check_cap(vm, KVM_CAP_IRQCHIP) <= 0)
		SKIP("no interrupt controllers in the kernel");
	CHECK_EQ(xioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), 0);
	vcpu = code_vcpu(vm, irq_code);
	CHECK_EQ(vcpu_interrupt(vcpu, IRQ), -ENXIO);
	CHECK_EQ(vcpu_interrupt(vcpu, 256), -EINVAL);
	CHECK_EQ(vcpu_nmi(vcpu), 0);
	vcpu_expect_sync(vcpu, 1);
	vm_expect_events(vm, NMI);
}

/* What kvm_run says about interrupts at each exit. */
SUBTEST(interrupt_state_in_kvm_run)
{
	struct vm *vm = recording_vm();
	struct vcpu *vcpu = code_vcpu(vm, irq_code);
	struct kvm_run *r = vcpu->run;

	memset(&r->ready_for_interrupt_injection, 0x55, 2);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(r->if_flag, 0);
	CHECK_EQ(r->ready_for_interrupt_injection, 0);
	vcpu_expect_sync(vcpu, 2);
	CHECK_EQ(r->if_flag, 1);
	CHECK_EQ(r->ready_for_interrupt_injection, 1);
	CHECK_EQ(vcpu_interrupt(vcpu, IRQ), 0);
	vcpu_run(vcpu, KVM_EXIT_HLT);
	vm_expect_events(vm, IRQ);
	CHECK_EQ(r->if_flag, 1);
	CHECK_EQ(r->ready_for_interrupt_injection, 1);
	vcpu_expect_sync(vcpu, 3);
	CHECK_EQ(r->if_flag, 0);
	CHECK_EQ(r->ready_for_interrupt_injection, 0);
}

SUBTEST(interrupt_window)
{
	struct vm *vm = recording_vm();
	struct vcpu *vcpu = code_vcpu(vm, irq_code);
	struct kvm_run *r = vcpu->run;

	vcpu_expect_sync(vcpu, 1);
	r->request_interrupt_window = 1;
	vcpu_run(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	/* One instruction behind STI (SDM 2, STI). */
	CHECK_EQ(rip_of(vcpu), (uintptr_t)irq_2);
	CHECK_EQ(r->ready_for_interrupt_injection, 1);
	CHECK_EQ(r->if_flag, 1);
	/* Still open: the guest does not move. */
	vcpu_run(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(rip_of(vcpu), (uintptr_t)irq_2);
	CHECK_EQ(vcpu_interrupt(vcpu, IRQ), 0);
	r->request_interrupt_window = 0;
	vcpu_expect_sync(vcpu, 2);
	vm_expect_events(vm, IRQ);
	CHECK_EQ(event(vm, 0)->rip, (uintptr_t)irq_2);
	vcpu_run(vcpu, KVM_EXIT_HLT);
	vcpu_expect_sync(vcpu, 3);
	vcpu_expect_sync(vcpu, 4);
	/* MOV SS behind STI holds interrupts back for one more. */
	r->request_interrupt_window = 1;
	vcpu_run(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(rip_of(vcpu), (uintptr_t)irq_5);
}

/* With an interrupt under way the window opens behind it, in the handler or after. */
SUBTEST(interrupt_window_while_injecting)
{
	struct vm *vm = recording_vm();
	struct vcpu *vcpu = code_vcpu(vm, irq_code);

	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_sync(vcpu, 2);
	CHECK_EQ(vcpu_interrupt(vcpu, IRQ), 0);
	vcpu->run->request_interrupt_window = 1;
	vcpu_run(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	vm_expect_events(vm, IRQ);
	CHECK_EQ(rip_of(vcpu), (uintptr_t)irq_3);
	CHECK_EQ(vcpu_interrupt(vcpu, IRQ + 1), 0);
	vcpu->run->request_interrupt_window = 0;
	vcpu_run(vcpu, KVM_EXIT_HLT);
	vm_expect_events(vm, IRQ, IRQ + 1);
}

SUBTEST(halt_woken_by_interrupt)
{
	struct vm *vm = recording_vm();
	struct vcpu *vcpu = code_vcpu(vm, irq_code);

	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_sync(vcpu, 2);
	vcpu_run(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vcpu_interrupt(vcpu, IRQ), 0);
	vcpu_expect_sync(vcpu, 3);
	vm_expect_events(vm, IRQ);
	CHECK_EQ(event(vm, 0)->rip, (uintptr_t)irq_4);
}

SUBTEST(halt_woken_by_nmi)
{
	struct vm *vm = recording_vm();
	struct vcpu *vcpu = code_vcpu(vm, irq_code);

	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_sync(vcpu, 2);
	vcpu_run(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vcpu_nmi(vcpu), 0);
	vcpu_expect_sync(vcpu, 3);
	vm_expect_events(vm, NMI);
	CHECK_EQ(event(vm, 0)->rip, (uintptr_t)irq_4);
}

/*
 * User space that does not ask whether the guest is ready: the entry may fail or
 * the interrupt may wait, but the guest does not take it with IF = 0.
 */
SUBTEST(class27_interrupt_while_masked)
{
	struct vm *vm = recording_vm();
	struct vcpu *vcpu = code_vcpu(vm, irq_code);

	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(vcpu_interrupt(vcpu, IRQ), 0);
	CHECK_EQ(vcpu_run_raw(vcpu), 0);
	CHECK(vcpu->run->exit_reason == KVM_EXIT_FAIL_ENTRY ||
	      vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR ||
	      vcpu->run->exit_reason == KVM_EXIT_IO);
	if (vcpu->run->exit_reason == KVM_EXIT_IO) {
		vm_expect_events(vm, IRQ);
		CHECK_EQ(event(vm, 0)->rflags & X86_EFLAGS_IF, X86_EFLAGS_IF);
	} else {
		vm_expect_events(vm);
	}
	/* Another VM does not notice. */
	vm = recording_vm();
	vcpu = code_vcpu(vm, irq_code);
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_sync(vcpu, 2);
}

SUBTEST(interrupt_and_nmi_at_once)
{
	struct vm *vm = recording_vm();
	struct vcpu *vcpu = code_vcpu(vm, irq_code);
	u64 a, b;

	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_sync(vcpu, 2);
	CHECK_EQ(vcpu_interrupt(vcpu, IRQ), 0);
	CHECK_EQ(vcpu_nmi(vcpu), 0);
	vcpu_run(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(guest_var(vm, guest_nr_events), 2);
	a = event(vm, 0)->vector;
	b = event(vm, 1)->vector;
	CHECK((a == NMI && b == IRQ) || (a == IRQ && b == NMI));
}

/* KVM of Linux 6.1 forgets the interrupt when it has an exception to inject. */
SUBTEST(interrupt_and_exception_at_once)
{
	struct kvm_guest_debug inject = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_DB };
	struct vm *vm = recording_vm();
	struct vcpu *vcpu = code_vcpu(vm, irq_code);

	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_sync(vcpu, 2);
	CHECK_EQ(vcpu_interrupt(vcpu, IRQ), 0);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, (uintptr_t)&inject), 0);
	vcpu_run(vcpu, KVM_EXIT_HLT);
	if (device_is_kvm() && guest_var(vm, guest_nr_events) == 1) {
		vm_expect_events(vm, DB);
		return;
	}
	CHECK_EQ(guest_var(vm, guest_nr_events), 2);
	CHECK(event(vm, 0)->vector == DB || event(vm, 1)->vector == DB);
	CHECK(event(vm, 0)->vector == IRQ || event(vm, 1)->vector == IRQ);
}

/* ---- NMIs ------------------------------------------------------------------ */

static u64 in_handler;

static bool report_first_nmi(struct event_frame *f)
{
	if (f->vector == NMI && guest_nr_events == 1) {
		GUEST_SYNC(5);
		in_handler = guest_nr_events;
		GUEST_SYNC(6);
	}
	return f->vector == NMI;
}

/* While one is handled, another waits, and more are lost. */
SUBTEST(nmi_blocked_until_iret)
{
	struct vm *vm = recording_vm();
	struct vcpu *vcpu = code_vcpu(vm, irq_code);

	guest_var(vm, guest_on_event) = report_first_nmi;
	CHECK_EQ(vcpu_nmi(vcpu), 0);
	vcpu_expect_sync(vcpu, 5);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(vcpu_nmi(vcpu), 0);
	vcpu_expect_sync(vcpu, 6);
	CHECK_EQ(guest_var(vm, in_handler), 1);
	vcpu_expect_sync(vcpu, 1);
	vm_expect_events(vm, NMI, NMI);
	CHECK_EQ(event(vm, 0)->rip, (uintptr_t)irq_code);
	CHECK_EQ(event(vm, 1)->rip, (uintptr_t)irq_code);
}

/* Without a handler under way two wait. */
SUBTEST(two_nmis_before_the_guest_runs)
{
	struct vm *vm = recording_vm();
	struct vcpu *vcpu = code_vcpu(vm, irq_code);

	for (int i = 0; i < 5; i++)
		CHECK_EQ(vcpu_nmi(vcpu), 0);
	vcpu_expect_sync(vcpu, 1);
	vm_expect_events(vm, NMI, NMI);
}

/* Any IRET ends the blocking, also that of an exception in the handler. */
static bool fault_in_nmi(struct event_frame *f)
{
	if (f->vector == UD) {
		f->rip += 2;
		return true;
	}
	if (f->vector == NMI && guest_nr_events == 1) {
		GUEST_SYNC(5);
		asm volatile("ud2" : : : "memory");
		in_handler = guest_nr_events;
	}
	return f->vector == NMI;
}

SUBTEST(nmi_after_iret_of_an_exception)
{
	struct vm *vm = recording_vm();
	struct vcpu *vcpu = code_vcpu(vm, irq_code);

	guest_var(vm, guest_on_event) = fault_in_nmi;
	CHECK_EQ(vcpu_nmi(vcpu), 0);
	vcpu_expect_sync(vcpu, 5);
	CHECK_EQ(vcpu_nmi(vcpu), 0);
	vcpu_expect_sync(vcpu, 1);
	vm_expect_events(vm, NMI, UD, NMI);
	CHECK_EQ(guest_var(vm, in_handler), 3);
	CHECK_EQ(event(vm, 2)->rip, event(vm, 1)->rip + 2);
}

GUEST_ASM(shadow_code, ".code64\n	nop\nshadow_1: nop\n" SYNC_ASM(1));
extern const char shadow_1[];

SUBTEST(nmi_in_the_shadow_of_mov_ss)
{
	struct vm *vm = recording_vm();
	struct vcpu *vcpu = code_vcpu(vm, shadow_code);
	struct kvm_vcpu_events ev;

	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, (uintptr_t)&ev), 0);
	ev.flags = KVM_VCPUEVENT_VALID_SHADOW;
	ev.interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS;
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, (uintptr_t)&ev), 0);
	CHECK_EQ(vcpu_nmi(vcpu), 0);
	vcpu_expect_sync(vcpu, 1);
	vm_expect_events(vm, NMI);
	CHECK_EQ(event(vm, 0)->rip, (uintptr_t)shadow_1);
}

/* ---- exits in the middle of a delivery --------------------------------------- */

enum { PAGE_IDT, PAGE_GDT, PAGE_TSS, PAGE_STACK, NR_PAGES };
static const char *const page_names[] = { "IDT", "GDT", "TSS", "stack" };

enum kind { BY_UD2, BY_GP, BY_PF_READ, BY_PF_WRITE, BY_INT_N, BY_INT3, BY_ICEBP, BY_IRQ,
	    BY_NMI, NR_KINDS };

static const struct {
	u8 vector;
	u64 error, cr2;
	u64 back;			/* RIP is so far behind the instruction */
} kinds[] = {
	[BY_UD2] = { UD }, [BY_GP] = { GP, 0x68 },
	[BY_PF_READ] = { PF, 0, TEST_GVA + 0x123 }, [BY_PF_WRITE] = { PF, 2, TEST_GVA + 8 },
	[BY_INT_N] = { 0x50, .back = 2 }, [BY_INT3] = { BP, .back = 1 },
	[BY_ICEBP] = { DB, .back = 1 }, [BY_IRQ] = { IRQ, .back = 2 },
	[BY_NMI] = { NMI, .back = 2 },
};

#define TRIGGER(name, insn)						\
	GUEST_ASM(trigger_##name, ".code64\n" insn "\n" SYNC_ASM(2))
TRIGGER(ud2, "ud2");
TRIGGER(gp, "mov %ecx, %ds");
TRIGGER(read, "mov (%rsi), %al");
TRIGGER(write, "mov %al, (%rsi)");
TRIGGER(int_n, "int $0x50");
TRIGGER(int3, "int3");
TRIGGER(icebp, ".byte 0xf1");
TRIGGER(wait, "out %al, $0x80");

static const char *const triggers[] = { trigger_ud2, trigger_gp, trigger_read,
	trigger_write, trigger_int_n, trigger_int3, trigger_icebp, trigger_wait,
	trigger_wait };

static bool end_attempt(struct event_frame *f)
{
	GUEST_SYNC(1);
	return true;
}

/* Moves the tables that a delivery reads, and its stack, to a slot of their own. */
static u8 *move_tables(struct vm *vm)
{
	u8 *mem = vm_add_mem(vm, 1, TEST_GPA, NR_PAGES * PAGE_SIZE, MEM_MEMFD);
	u64 desc = *((u64 *)vm_ptr(vm, vm->gdt) + SEL_TSS / 8);
	u64 tss = (desc >> 16 & 0xffffff) | (desc >> 56) << 24;

	for (int i = 0; i < 256; i++)
		vm_set_gate(vm, i, event_stub(i), 2, 3);
	vm_set_ist(vm, 2, TEST_GPA + NR_PAGES * PAGE_SIZE);
	memcpy(mem + PAGE_IDT * PAGE_SIZE, vm_ptr(vm, vm->idt), PAGE_SIZE);
	memcpy(mem + PAGE_GDT * PAGE_SIZE, vm_ptr(vm, vm->gdt), PAGE_SIZE);
	memcpy(mem + PAGE_TSS * PAGE_SIZE, vm_ptr(vm, tss), PAGE_SIZE);
	guest_var(vm, guest_on_event) = end_attempt;
	return mem;
}

static void use_moved_tables(struct vcpu *vcpu, enum kind kind)
{
	struct kvm_sregs s;
	struct kvm_regs regs;

	vcpu_long_mode(vcpu, triggers[kind], 0);
	get_sregs(vcpu, &s);
	s.idt.base = TEST_GPA + PAGE_IDT * PAGE_SIZE;
	s.gdt.base = TEST_GPA + PAGE_GDT * PAGE_SIZE;
	s.tr.base = TEST_GPA + PAGE_TSS * PAGE_SIZE;
	set_sregs(vcpu, &s);
	get_regs(vcpu, &regs);
	regs.rsi = kinds[kind].cr2;
	regs.rcx = 0x68;		/* beyond the GDT's limit */
	regs.rflags |= X86_EFLAGS_IF;
	set_regs(vcpu, &regs);
	guest_var(vcpu->vm, guest_nr_events) = 0;
}

static void deliver(struct vcpu *vcpu, enum kind kind)
{
	if (kind == BY_IRQ || kind == BY_NMI) {
		vcpu_expect_out(vcpu, 0x80, 1, 1);
		if (kind == BY_IRQ)
			CHECK_EQ(vcpu_interrupt(vcpu, IRQ), 0);
		else
			CHECK_EQ(vcpu_nmi(vcpu), 0);
	}
}

static void check_delivery(struct vcpu *vcpu, enum kind kind)
{
	struct vm *vm = vcpu->vm;

	vcpu_expect_sync(vcpu, 1);
	vm_expect_events(vm, kinds[kind].vector);
	CHECK_EQ(event(vm, 0)->error, kinds[kind].error);
	CHECK_EQ(event(vm, 0)->rip, (uintptr_t)triggers[kind] + kinds[kind].back);
	if (kinds[kind].cr2)
		CHECK_EQ(event(vm, 0)->cr2, kinds[kind].cr2);
	/* The NMI and the traps are over when their handler has returned. */
	if (kinds[kind].back) {
		vcpu_expect_sync(vcpu, 2);
		vm_expect_events(vm, kinds[kind].vector);
	}
}

static void deliver_with_pages_gone(u32 pages)
{
	struct vm *vm = recording_vm();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *mem = move_tables(vm);

	for (enum kind kind = 0; kind < NR_KINDS; kind++) {
		test_doing("event %d, pages %#x (first: %s)", kind, pages,
			   page_names[__builtin_ctz(pages)]);
		use_moved_tables(vcpu, kind);
		deliver(vcpu, kind);
		for (u32 page = 0; page < NR_PAGES; page++)
			if (pages & BIT(page))
				CHECK_EQ(madvise(mem + page * PAGE_SIZE, PAGE_SIZE,
						 MADV_DONTNEED), 0);
		check_delivery(vcpu, kind);
	}
}

SUBTEST(delivery_with_idt_unmapped)
{
	deliver_with_pages_gone(BIT(PAGE_IDT));
}

SUBTEST(delivery_with_stack_unmapped)
{
	deliver_with_pages_gone(BIT(PAGE_STACK));
}

SUBTEST(delivery_with_gdt_or_tss_unmapped)
{
	deliver_with_pages_gone(BIT(PAGE_GDT));
	deliver_with_pages_gone(BIT(PAGE_TSS));
}

SUBTEST(delivery_with_everything_unmapped)
{
	deliver_with_pages_gone(BIT(NR_PAGES) - 1);
}

/* An IDT or a handler's stack where no memory is: nothing to deliver the event by. */
static void deliver_to_nowhere(u64 idt, u64 stack)
{
	struct vm *vm = recording_vm();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_vcpu_events ev;
	struct kvm_sregs s;

	move_tables(vm);
	use_moved_tables(vcpu, BY_UD2);
	get_sregs(vcpu, &s);
	if (idt)
		s.idt.base = idt;
	set_sregs(vcpu, &s);
	if (stack)
		memcpy((u8 *)vm_ptr(vm, TEST_GPA + PAGE_TSS * PAGE_SIZE) + 36 + 8, &stack, 8);
	CHECK_EQ(vcpu_run_raw(vcpu), 0);
	if (vcpu->run->exit_reason != KVM_EXIT_INTERNAL_ERROR)
		FAIL("expected exit INTERNAL_ERROR, got %s",
		     exit_name(vcpu->run->exit_reason));
	CHECK(vcpu->run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION ||
	      vcpu->run->internal.suberror == KVM_INTERNAL_ERROR_DELIVERY_EV);
	CHECK(vcpu->run->internal.ndata <= 16);
	vm_expect_events(vm);
	/* The vCPU is as good as new with new state: the event is part of it. */
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, (uintptr_t)&ev), 0);
	ev.exception.injected = 0;
	ev.exception.pending = 0;
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, (uintptr_t)&ev), 0);
	vm_record_events(vm);
	guest_var(vm, guest_on_event) = NULL;
	vcpu_long_mode(vcpu, irq_code, 0);
	vcpu_expect_sync(vcpu, 1);
}

SUBTEST(class27_idt_where_no_memory_is)
{
	deliver_to_nowhere(MMIO_GPA, 0);
}

SUBTEST(class27_stack_where_no_memory_is)
{
	deliver_to_nowhere(0, MMIO_GPA + PAGE_SIZE);
}

/* ---- double and triple faults (SDM 3, table 6-5) ------------------------------ */

enum second { NOT_PRESENT, BAD_SELECTOR, NO_STACK };

static const struct {
	const char *text;
	enum kind first;
	enum second second;
	u8 vector;
	u64 error;
} pairs[] = {
	/* EXT is set, unless the first event was an instruction that asked for it. */
	{ "benign, contributory", BY_UD2, NOT_PRESENT, NP, UD << 3 | 3 },
	{ "benign, contributory", BY_UD2, BAD_SELECTOR, GP, 0x68 | 1 },
	{ "benign, page fault", BY_UD2, NO_STACK, PF, 2 },
	{ "INT3, contributory", BY_INT3, NOT_PRESENT, NP, BP << 3 | 2 },
	{ "INT3, page fault", BY_INT3, NO_STACK, PF, 2 },
	{ "INT n, contributory", BY_INT_N, NOT_PRESENT, NP, 0x50 << 3 | 2 },
	{ "INT n, contributory", BY_INT_N, BAD_SELECTOR, GP, 0x68 },
	{ "INT n, page fault", BY_INT_N, NO_STACK, PF, 2 },
	{ "interrupt, contributory", BY_IRQ, NOT_PRESENT, NP, IRQ << 3 | 3 },
	{ "interrupt, page fault", BY_IRQ, NO_STACK, PF, 2 },
	{ "NMI, contributory", BY_NMI, NOT_PRESENT, NP, NMI << 3 | 3 },
	{ "NMI, page fault", BY_NMI, NO_STACK, PF, 2 },
	{ "contributory, contributory", BY_GP, NOT_PRESENT, DF, 0 },
	{ "contributory, page fault", BY_GP, NO_STACK, PF, 2 },
	{ "page fault, contributory", BY_PF_READ, NOT_PRESENT, DF, 0 },
	{ "page fault, contributory", BY_PF_READ, BAD_SELECTOR, DF, 0 },
};

#define NO_STACK_TOP	(TEST_GVA + 0x10000)

static void break_gate(struct vm *vm, u8 vector, enum second second)
{
	u64 *gate = (u64 *)vm_ptr(vm, TEST_GPA + PAGE_IDT * PAGE_SIZE) + 2 * vector;

	if (second == NOT_PRESENT)
		gate[0] &= ~BIT(47);
	else if (second == BAD_SELECTOR)
		gate[0] = (gate[0] & ~(0xffffull << 16)) | 0x68 << 16;
	else
		gate[0] = (gate[0] & ~(7ull << 32)) | 3ull << 32;
}

static void try_pair(struct vm *vm, struct vcpu *vcpu, u8 *mem, u64 i, bool unmapped)
{
	const u64 top = NO_STACK_TOP;

	test_doing("%s%s, case %d", pairs[i].text, unmapped ? ", unmapped" : "", (int)i);
	memcpy(mem + PAGE_IDT * PAGE_SIZE, vm_ptr(vm, vm->idt), PAGE_SIZE);
	memcpy(mem + PAGE_TSS * PAGE_SIZE + 36 + 16, &top, 8);
	break_gate(vm, kinds[pairs[i].first].vector, pairs[i].second);
	use_moved_tables(vcpu, pairs[i].first);
	deliver(vcpu, pairs[i].first);
	if (unmapped)
		CHECK_EQ(madvise(mem, NR_PAGES * PAGE_SIZE, MADV_DONTNEED), 0);
	vcpu_expect_sync(vcpu, 1);
	vm_expect_events(vm, pairs[i].vector);
	CHECK_EQ(event(vm, 0)->error, pairs[i].error);
	if (pairs[i].vector == PF)
		CHECK_EQ(event(vm, 0)->cr2, NO_STACK_TOP - 8);
}

static void try_pairs(bool unmapped)
{
	for (u64 i = 0; i < ARRAY_SIZE(pairs); i++) {
		/* A VM each: what blocks NMIs is not in the registers. */
		struct vm *vm = recording_vm();
		struct vcpu *vcpu = vcpu_create(vm, 0);

		try_pair(vm, vcpu, move_tables(vm), i, unmapped);
		vm_free(vm);
	}
}

SUBTEST(double_faults)
{
	try_pairs(false);
}

SUBTEST(double_faults_with_exits_in_between)
{
	try_pairs(true);
}

/* Two page faults, and a third event: shutdown, as often as it is run. */
static void triple_fault(bool unmapped)
{
	struct vm *vm = recording_vm();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *mem = move_tables(vm);

	break_gate(vm, PF, NO_STACK);
	break_gate(vm, DF, NOT_PRESENT);
	use_moved_tables(vcpu, BY_PF_WRITE);
	for (int i = 0; i < 3; i++) {
		if (unmapped)
			CHECK_EQ(madvise(mem, NR_PAGES * PAGE_SIZE, MADV_DONTNEED), 0);
		vcpu_run(vcpu, KVM_EXIT_SHUTDOWN);
		vm_expect_events(vm);
	}
	guest_var(vm, guest_on_event) = NULL;
	vcpu_long_mode(vcpu, irq_code, 0);
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_sync(vcpu, 2);
	vm_expect_events(vm);
}

SUBTEST(triple_fault_shuts_down)
{
	triple_fault(false);
}

SUBTEST(triple_fault_with_exits_in_between)
{
	triple_fault(true);
}
