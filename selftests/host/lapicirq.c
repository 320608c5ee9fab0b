// SPDX-License-Identifier: GPL-2.0
/*
 * lapicirq - interrupts of the local APIC in the kernel: when they are delivered by
 * their priority, and what the registers say meanwhile.
 */
#include "lapic.h"

/* What came since the last call, in the order of delivery. */
static u8 order[64];
static u64 nr_order;

static bool guest_notes_order(u64 vector)
{
	order[nr_order++ % sizeof(order)] = vector;
	return false;
}

static void note_order(struct vm *vm)
{
	guest_var(vm, guest_on_irq) = guest_notes_order;
}

static void check_order(struct vm *vm, const u8 *want, u64 n)
{
	for (u64 i = 0; i < n; i++)
		if (guest_var(vm, order)[i] != want[i])
			FAIL("interrupt %d: expected vector %#x, got %#x", (int)i, want[i],
			     guest_var(vm, order)[i]);
	CHECK_EQ(guest_var(vm, nr_order), n);
	guest_var(vm, nr_order) = 0;
}

#define CHECK_ORDER(vm, ...) do {					\
	const u8 want__[] = { __VA_ARGS__ };				\
	check_order(vm, want__, sizeof(want__));			\
} while (0)

/* ---- priorities -------------------------------------------------------- */

SUBTEST(cr8_and_tpr_are_one)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);
		struct kvm_sregs sregs;

		for (u64 v = 0; v < 16; v++) {
			remote_ok(vcpu, OP_WRCR8, 0, v);
			CHECK_EQ(apic_rd(vcpu, APIC_TASKPRI), v << 4);
			CHECK_EQ(apic_rd(vcpu, APIC_PROCPRI), v << 4);
			CHECK_EQ(remote_ok(vcpu, OP_RDCR8, 0, 0), v);
			CHECK_EQ(vcpu->run->cr8, v);
			apic_wr(vcpu, APIC_TASKPRI, 0xf7 - (v << 4));
			CHECK_EQ(apic_rd(vcpu, APIC_TASKPRI), 0xf7 - (v << 4));
			CHECK_EQ(apic_rd(vcpu, APIC_PROCPRI), 0xf7 - (v << 4));
			CHECK_EQ(remote_ok(vcpu, OP_RDCR8, 0, 0), 15 - v);
			get_sregs(vcpu, &sregs);
			CHECK_EQ(sregs.cr8, 15 - v);
		}
		for (int bit = 4; bit < 64; bit++)
			CHECK_EQ(remote(vcpu, OP_WRCR8, 0, BIT(bit))->vector, GP);
		/* With a local APIC in the kernel kvm_run's is output only. */
		vcpu->run->cr8 = 9;
		CHECK_EQ(remote_ok(vcpu, OP_RDCR8, 0, 0), 0);
		vm_free(vcpu->vm);
	}
}

SUBTEST(tpr_holds_back_its_class_and_below)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		apic_wr(vcpu, APIC_TASKPRI, 0x4f);
		self_ipi(vcpu, 0x41);
		self_ipi(vcpu, 0x4f);
		self_ipi(vcpu, 0x31);
		take_irqs(vcpu);
		CHECK_BITS(vcpu, APIC_IRR, 0x31, 0x41, 0x4f);
		self_ipi(vcpu, 0x50);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x50), 1);
		CHECK_BITS(vcpu, APIC_IRR, 0x31, 0x41, 0x4f);
		apic_wr(vcpu, APIC_TASKPRI, 0x3f);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x41), 1);
		CHECK_EQ(irqs(vcpu, 0x4f), 1);
		CHECK_EQ(irqs(vcpu, 0x31), 0);
		remote_ok(vcpu, OP_WRCR8, 0, 2);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x31), 1);
		CHECK_BITS(vcpu, APIC_IRR);
		CHECK_BITS(vcpu, APIC_ISR);
		vm_free(vcpu->vm);
	}
}

/* With interrupts on, what a lower TPR lets through comes at the next instruction. */
static void guest_lowers_tpr(u64 by_cr8)
{
	u64 id = guest_percpu()->id;

	for (int round = 1; round < 20; round++) {
		guest_apic_write(APIC_TASKPRI, 0xf0);
		guest_sti();
		guest_apic_icr(0, APIC_DEST_SELF | 0x71);
		asm volatile("nop; nop" : : : "memory");
		GUEST_ASSERT_EQ(READ_ONCE(guest_irqs[id][0x71]), round - 1);
		if (by_cr8)
			asm volatile("mov %0, %%cr8; nop; cli" : : "r"(6ul) : "memory");
		else
			guest_apic_write(APIC_TASKPRI, 0x6f);
		asm volatile("nop; cli" : : : "memory");
		GUEST_ASSERT_EQ(READ_ONCE(guest_irqs[id][0x71]), round);
	}
}

SUBTEST(a_lower_tpr_lets_them_through_at_once)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		for (int by_cr8 = 0; by_cr8 < 2; by_cr8++) {
			guest_var(vcpu->vm, guest_irqs)[0][0x71] = 0;
			remote_ok(vcpu, OP_CALL, (uintptr_t)guest_lowers_tpr, by_cr8);
		}
		CHECK_EQ(irqs(vcpu, 0x71), 19);
		vm_free(vcpu->vm);
	}
}

/* PPR: the higher of TPR and the class in service (SDM volume 3, 11.8.3.1). */
SUBTEST(processor_priority)
{
	static const struct {
		u8 tpr, isr, ppr;
	} cases[] = {
		{ 0, 0x65, 0x60 }, { 0x35, 0x65, 0x60 }, { 0x5f, 0x60, 0x60 },
		{ 0x6f, 0x60, 0x6f }, { 0x60, 0x6f, 0x60 }, { 0x71, 0x65, 0x71 },
	};

	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		memset(guest_var(vcpu->vm, guest_irq_no_eoi), 1, 256);
		for (u64 i = 0; i < ARRAY_SIZE(cases); i++) {
			test_doing("TPR %#x, in service %#x, x2APIC %d", cases[i].tpr,
				   cases[i].isr, x2apic);
			self_ipi(vcpu, cases[i].isr);
			take_irqs(vcpu);
			CHECK_BITS(vcpu, APIC_ISR, cases[i].isr);
			apic_wr(vcpu, APIC_TASKPRI, cases[i].tpr);
			CHECK_EQ(apic_rd(vcpu, APIC_PROCPRI), cases[i].ppr);
			apic_wr(vcpu, APIC_EOI, 0);
			CHECK_EQ(apic_rd(vcpu, APIC_PROCPRI), cases[i].tpr);
			apic_wr(vcpu, APIC_TASKPRI, 0);
			CHECK_EQ(apic_rd(vcpu, APIC_PROCPRI), 0);
			CHECK_BITS(vcpu, APIC_ISR);
		}
		vm_free(vcpu->vm);
	}
}

SUBTEST(the_highest_goes_first)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		note_order(vcpu->vm);
		self_ipi(vcpu, 0x41);
		self_ipi(vcpu, 0xe1);
		self_ipi(vcpu, 0x55);
		self_ipi(vcpu, 0x41);
		self_ipi(vcpu, 0x5f);
		self_ipi(vcpu, 0x20);
		CHECK_BITS(vcpu, APIC_IRR, 0x20, 0x41, 0x55, 0x5f, 0xe1);
		CHECK_EQ(apic_rd(vcpu, APIC_IRR + 0x20), BIT(1) | BIT(0x15) | BIT(0x1f));
		CHECK_EQ(apic_rd(vcpu, APIC_IRR + 0x70), BIT(1));
		take_irqs(vcpu);
		CHECK_ORDER(vcpu->vm, 0xe1, 0x5f, 0x55, 0x41, 0x20);
		CHECK_BITS(vcpu, APIC_IRR);
		CHECK_BITS(vcpu, APIC_ISR);
		vm_free(vcpu->vm);
	}
}

/* Every vector that may be, once, all pending at the same time. */
SUBTEST(class08_all_vectors_at_once)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		for (int v = 0x20; v < 0x100; v++)
			self_ipi(vcpu, v);
		for (u32 reg = APIC_IRR + 0x10; reg < APIC_ESR; reg += 0x10)
			CHECK_EQ(apic_rd(vcpu, reg), 0xffffffff);
		/* The library does no EOI for the spurious vector, which is none here. */
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0xff), 1);
		CHECK_BITS(vcpu, APIC_ISR, 0xff);
		apic_wr(vcpu, APIC_EOI, 0);
		take_irqs(vcpu);
		for (int v = 0x20; v < 0x100; v++) {
			test_doing("vector %#x", v);
			CHECK_EQ(irqs(vcpu, v), 1);
		}
		CHECK_BITS(vcpu, APIC_IRR);
		CHECK_BITS(vcpu, APIC_ISR);
		vm_free(vcpu->vm);
	}
}

/* Vector 0x51 in service: 0x41 and 0x5f wait for its EOI, 0x61 does not. */
static bool guest_nests(u64 vector)
{
	u32 isr = APIC_ISR + 0x20;

	order[nr_order++ % sizeof(order)] = vector;
	if (vector == 0x61) {
		GUEST_ASSERT_EQ(guest_apic_read(isr), BIT(0x11));
		GUEST_ASSERT_EQ(guest_apic_read(isr + 0x10), BIT(1));
		GUEST_ASSERT_EQ(guest_apic_read(APIC_PROCPRI), 0x60);
		guest_apic_eoi();
		GUEST_ASSERT_EQ(guest_apic_read(isr), BIT(0x11));
		GUEST_ASSERT_EQ(guest_apic_read(isr + 0x10), 0);
		GUEST_ASSERT_EQ(guest_apic_read(APIC_PROCPRI), 0x50);
		return true;
	}
	if (vector != 0x51)
		return false;
	guest_sti();
	guest_apic_icr(0, APIC_DEST_SELF | 0x41);
	guest_apic_icr(0, APIC_DEST_SELF | 0x5f);
	guest_apic_icr(0, APIC_DEST_SELF | 0x61);
	asm volatile("nop; nop" : : : "memory");
	GUEST_ASSERT_EQ(nr_order, 2);
	GUEST_ASSERT_EQ(guest_apic_read(APIC_IRR + 0x20), BIT(1) | BIT(0x1f));
	guest_cli();
	return false;
}

SUBTEST(a_higher_class_interrupts_a_lower)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		guest_var(vcpu->vm, guest_on_irq) = guest_nests;
		for (int i = 0; i < 5; i++) {
			self_ipi(vcpu, 0x51);
			take_irqs(vcpu);
			CHECK_ORDER(vcpu->vm, 0x51, 0x61, 0x5f, 0x41);
		}
		CHECK_BITS(vcpu, APIC_ISR);
		vm_free(vcpu->vm);
	}
}

/* One in service and one pending of the same vector: two, not three. */
SUBTEST(one_vector_pending_while_in_service)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		guest_var(vcpu->vm, guest_irq_no_eoi)[0x51] = 1;
		self_ipi(vcpu, 0x51);
		take_irqs(vcpu);
		for (int i = 0; i < 3; i++)
			self_ipi(vcpu, 0x51);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x51), 1);
		CHECK_BITS(vcpu, APIC_ISR, 0x51);
		CHECK_BITS(vcpu, APIC_IRR, 0x51);
		apic_wr(vcpu, APIC_EOI, 0);
		CHECK_BITS(vcpu, APIC_ISR);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x51), 2);
		apic_wr(vcpu, APIC_EOI, 0);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x51), 2);
		/* An EOI of nothing does nothing. */
		for (int i = 0; i < 5; i++)
			apic_wr(vcpu, APIC_EOI, 0);
		CHECK_BITS(vcpu, APIC_ISR);
		vm_free(vcpu->vm);
	}
}

SUBTEST(eoi_takes_the_highest_in_service)
{
	static const u8 vectors[] = { 0x31, 0x42, 0x53, 0x64, 0xf5 };

	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		memset(guest_var(vcpu->vm, guest_irq_no_eoi), 1, 256);
		for (int i = 0; i < 5; i++) {
			self_ipi(vcpu, vectors[i]);
			take_irqs(vcpu);
			check_bits(vcpu, APIC_ISR, vectors, i + 1);
		}
		for (int i = 4; i >= 0; i--) {
			CHECK_EQ(apic_rd(vcpu, APIC_PROCPRI), vectors[i] & 0xf0);
			apic_wr(vcpu, APIC_EOI, 0);
			check_bits(vcpu, APIC_ISR, vectors, i);
		}
		vm_free(vcpu->vm);
	}
}

/* ---- software disable -------------------------------------------------- */

/* What was pending stays; nothing fixed comes in; NMIs do. */
SUBTEST(a_disabled_apic_keeps_what_it_has)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		self_ipi(vcpu, 0x51);
		apic_wr(vcpu, APIC_SPIV, 0xff);
		/* Not by shorthand: what the hardware virtualises does not ask the SVR. */
		apic_icr(vcpu, 0, 0x61);
		CHECK_EQ(signal_msi(vcpu->vm, MSI_ADDR, 0x62), 0);
		CHECK_BITS(vcpu, APIC_IRR, 0x51);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x51), 1);
		CHECK_EQ(guest_var(vcpu->vm, guest_nr_events), 0);
		apic_icr(vcpu, 0, APIC_DEST_SELF | APIC_DM_NMI);
		take_irqs(vcpu);
		vm_expect_events(vcpu->vm, NMI);
		apic_wr(vcpu, APIC_SPIV, 0x1ff);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x61), 0);
		CHECK_EQ(irqs(vcpu, 0x62), 0);
		self_ipi(vcpu, 0x61);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x61), 1);
		CHECK_EQ(irqs(vcpu, 0xff), 0);
		vm_free(vcpu->vm);
	}
}

/* ---- what comes in at LINT0 and LINT1 ------------------------------------- */

#define PIC_VECTOR	0x40

/* The first PIC with all lines open (ICW1 to ICW4, OCW1). */
static void guest_starts_pic(u64 arg)
{
	outb(0x20, 0x11);
	outb(0x21, PIC_VECTOR);
	outb(0x21, 4);
	outb(0x21, 1);
	outb(0x21, 0);
}

static void guest_ends_pic(u64 arg)
{
	outb(0x20, 0x20);
}

/* An edge at the PIC; does it come through with the local APIC as it is? */
static void check_pic(struct vcpu *vcpu, bool through)
{
	u64 n = irqs(vcpu, PIC_VECTOR + 5);

	CHECK(irq_line(vcpu->vm, 5, 1) >= 0);
	take_irqs(vcpu);
	CHECK_EQ(irqs(vcpu, PIC_VECTOR + 5), n + through);
	CHECK(irq_line(vcpu->vm, 5, 0) >= 0);
	/* One that is left in the PIC would come later: it is made to forget. */
	remote_ok(vcpu, OP_CALL, (uintptr_t)guest_ends_pic, 0);
	remote_ok(vcpu, OP_CALL, (uintptr_t)guest_starts_pic, 0);
}

SUBTEST(lint0_connects_the_pic)
{
	static const struct {
		u32 lvt0;
		bool through;
	} cases[] = {
		{ APIC_DM_EXTINT, true }, { APIC_DM_EXTINT | APIC_LVT_MASKED, false },
		{ APIC_DM_EXTINT | 0x99, true }, { 0x99, false },
		{ APIC_DM_NMI | APIC_LVT_MASKED, false }, { APIC_DM_EXTINT, true },
	};

	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		guest_var(vcpu->vm, guest_irq_no_eoi)[PIC_VECTOR + 5] = 1;
		remote_ok(vcpu, OP_CALL, (uintptr_t)guest_starts_pic, 0);
		for (u64 i = 0; i < ARRAY_SIZE(cases); i++) {
			test_doing("LVT0 %#x, x2APIC %d", cases[i].lvt0, x2apic);
			apic_wr(vcpu, APIC_LVT0, cases[i].lvt0);
			check_pic(vcpu, cases[i].through);
		}
		/* It is no interrupt of the local APIC: no priority, no ISR bit. */
		apic_wr(vcpu, APIC_TASKPRI, 0xff);
		check_pic(vcpu, true);
		apic_wr(vcpu, APIC_TASKPRI, 0);
		CHECK_BITS(vcpu, APIC_ISR);
		apic_wr(vcpu, APIC_SPIV, 0xff);
		check_pic(vcpu, false);
		msr_wr(vcpu, MSR_IA32_APICBASE, APIC_DEFAULT_BASE | APIC_BASE_BSP);
		check_pic(vcpu, true);
		vm_free(vcpu->vm);
	}
}

/* The pin of KVM_NMI is not LINT1. */
SUBTEST(kvm_nmi_is_not_masked_by_lint1)
{
	struct vcpu *vcpu = lapic_new(false);

	apic_wr(vcpu, APIC_LVT1, APIC_DM_NMI | APIC_LVT_MASKED);
	CHECK_EQ(vcpu_nmi(vcpu), 0);
	take_irqs(vcpu);
	vm_expect_events(vcpu->vm, NMI);
}

/* Channel 0 of the PIT, with a period of 1 ms, until it has ticked a few times. */
static void guest_lets_pit_tick(u64 nmis)
{
	u64 n = guest_nr_events;
	u32 left;

	outb(0x43, 0x34);
	outb(0x40, 1193 & 0xff);
	outb(0x40, 1193 >> 8);
	for (int ticks = 0; ticks < 4 || READ_ONCE(guest_nr_events) - n < nmis; ticks++) {
		for (u32 last = 0xffff; ; last = left) {
			outb(0x43, 0);
			left = inb(0x40);
			left |= inb(0x40) << 8;
			if (left > last)
				break;
		}
		GUEST_ASSERT(ticks < 100);
	}
	outb(0x43, 0x30);	/* waits for a count that does not come */
}

/* The PIT's ticks are NMIs where LINT0 has that mode: the watchdog of old kernels. */
SUBTEST(pit_ticks_as_nmis_by_lint0)
{
	struct kvm_reinject_control reinject = { .pit_reinject = 0 };
	struct kvm_pit_config config = { 0 };
	struct vcpu *vcpu;
	struct vm *vm = lapic_vm();

	if (check_cap(vm, KVM_CAP_PIT2) <= 0)
		SKIP("no PIT");
	CHECK_EQ(xioctl(vm->fd, KVM_CREATE_PIT2, (uintptr_t)&config), 0);
	CHECK_EQ(xioctl(vm->fd, KVM_REINJECT_CONTROL, (uintptr_t)&reinject), 0);
	vcpu = lapic_vcpu(vm, 0);
	apic_enable(vcpu, false);
	apic_wr(vcpu, APIC_LVT0, APIC_DM_NMI | APIC_LVT_MASKED);
	remote_ok(vcpu, OP_CALL, (uintptr_t)guest_lets_pit_tick, 0);
	CHECK_EQ(guest_var(vm, guest_nr_events), 0);
	apic_wr(vcpu, APIC_LVT0, APIC_DM_NMI);
	remote_ok(vcpu, OP_CALL, (uintptr_t)guest_lets_pit_tick, 2);
	CHECK(guest_var(vm, guest_nr_events) >= 2);
	CHECK_EQ(guest_var(vm, guest_events)[0].vector, NMI);
	apic_wr(vcpu, APIC_LVT0, APIC_DM_EXTINT);
}
