// SPDX-License-Identifier: GPL-2.0
/*
 * ioapicapi - the IOAPIC as memory (widths, offsets, a window that user space moved),
 * its state in KVM_GET_IRQCHIP and KVM_SET_IRQCHIP, and what it stands: lines that are
 * never served, states that no chip has, everything at once.
 */
#include "ioapic.h"

enum { VECTOR = 0x61, OTHER = 0x72, STORM_PIN = 9 };

/* ---- memory accesses ---------------------------------------------------------- */

SUBTEST(class06_access_widths)
{
	struct vcpu *vcpu = ioapic_machine(1)->vcpus[0];
	const u64 reg = REG_ENTRY + 1;

	for (u32 size = 1; size <= 8; size *= 2) {
		const u64 mask = size == 8 ? ~0u : BIT(8 * size) - 1;

		test_doing("%u bytes", size);
		/* A write of less has zeros above, one of 8 bytes loses the upper half. */
		agent_do(vcpu, AGENT_WRITE, size, IOAPIC, 0x1122334400000000 | reg);
		CHECK_EQ(agent_readl(vcpu, IOAPIC), reg);
		agent_do(vcpu, AGENT_WRITE, size, WINDOW, 0x11223344a5b6c7d8);
		CHECK_EQ(agent_readl(vcpu, WINDOW), 0xa5b6c7d8 & mask);
		agent_writel(vcpu, WINDOW, 0x98765432);
		CHECK_EQ(agent_do(vcpu, AGENT_READ, size, WINDOW, 0), 0x98765432 & mask);
		CHECK_EQ(agent_do(vcpu, AGENT_READ, size, IOAPIC, 0), reg);
	}
}

/* Only 0 and 0x10 are anything; the rest of the 256 bytes reads as 0. */
SUBTEST(class06_offsets)
{
	struct vcpu *vcpu = ioapic_machine(1)->vcpus[0];

	set_entry(vcpu, 0, TO(0x12) | MASKED | 0x34);
	agent_writel(vcpu, IOAPIC, REG_ENTRY);
	for (u32 off = 1; off < 0x100; off++) {
		if (off == 0x10)
			continue;
		test_doing("offset %#x", off);
		if (off <= 0xfc) {
			CHECK_EQ(agent_readl(vcpu, IOAPIC + off), 0);
			agent_writel(vcpu, IOAPIC + off, ~0u);
		}
		if (off % 16 == 3) {
			CHECK_EQ(agent_do(vcpu, AGENT_READ, 1, IOAPIC + off, 0), 0);
			agent_do(vcpu, AGENT_WRITE, 1, IOAPIC + off, 0xff);
		}
	}
	CHECK_EQ(agent_readl(vcpu, IOAPIC), REG_ENTRY);
	CHECK_EQ(get_entry(vcpu, 0), TO(0x12) | MASKED | 0x34);
}

/* Beyond, or across the end: user space's. */
SUBTEST(class06_the_end_of_the_window)
{
	static const struct {
		u32 off, size;
	} cases[] = { { 0x100, 4 }, { 0xfd, 4 }, { 0xff, 2 }, { 0xfc, 8 }, { 0x110, 1 } };
	struct vcpu *vcpu = ioapic_machine(1)->vcpus[0];

	for (u64 i = 0; i < ARRAY_SIZE(cases); i++) {
		const u64 gpa = IOAPIC + cases[i].off;

		test_doing("%u bytes at %#x", cases[i].size, cases[i].off);
		agent_order(vcpu, AGENT_WRITE, cases[i].size, gpa, 0x1122334455667788);
		vcpu_expect_mmio_write(vcpu, gpa, cases[i].size);
		vcpu_expect_sync(vcpu, AGENT_SYNC);
		agent_order(vcpu, AGENT_READ, cases[i].size, gpa, 0);
		memset(vcpu_expect_mmio_read(vcpu, gpa, cases[i].size), 0x77, 8);
		CHECK_EQ((u8)vcpu_expect_sync(vcpu, AGENT_SYNC), 0x77);
	}
	agent_order(vcpu, AGENT_READ, 4, IOAPIC - 4, 0);
	vcpu_expect_mmio_read(vcpu, IOAPIC - 4, 4);
	vcpu_expect_sync(vcpu, AGENT_SYNC);
}

static u64 guest_or_window(u64 bits)
{
	asm volatile("orl %k0, (%1)" : : "r"(bits), "r"(WINDOW) : "memory");
	return 0;
}

SUBTEST(read_and_write_by_one_instruction)
{
	struct vcpu *vcpu = ioapic_machine(1)->vcpus[0];

	set_entry(vcpu, 3, 0x45);
	agent_writel(vcpu, IOAPIC, REG_ENTRY + 2 * 3);
	agent_call(vcpu, guest_or_window, MASKED);
	CHECK_EQ(get_entry(vcpu, 3), MASKED | 0x45);
}

/* ---- state ------------------------------------------------------------------------ */

SUBTEST(state_of_a_new_chip)
{
	struct vm *vm = ioapic_machine(1);
	struct kvm_ioapic_state s;

	get_ioapic(vm, &s);
	CHECK_EQ(s.base_address, IOAPIC);
	CHECK_EQ(s.ioregsel, 0);
	CHECK_EQ(s.id, 0);
	CHECK_EQ(s.irr, 0);
	for (int pin = 0; pin < PINS; pin++)
		CHECK_EQ(s.redirtbl[pin].bits, MASKED);
}

SUBTEST(state_follows_the_registers)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];
	struct kvm_ioapic_state s;

	set_entry(vcpu, 7, TO(3) | LOGICAL | LEVEL | ACTIVE_LOW | APIC_DM_LOWEST | MASKED | 0x99);
	ioapic_write(vcpu, REG_ID, 0x0a000000);
	agent_writel(vcpu, IOAPIC, 0x77);
	irq_line(vm, 7, 1);
	irq_line(vm, 11, 1);
	get_ioapic(vm, &s);
	CHECK_EQ(s.ioregsel, 0x77);
	CHECK_EQ(s.id, 0xa);
	CHECK_EQ(s.irr, BIT(7) | BIT(11));
	CHECK_EQ(s.redirtbl[7].fields.vector, 0x99);
	CHECK_EQ(s.redirtbl[7].fields.delivery_mode, 1);
	CHECK_EQ(s.redirtbl[7].fields.dest_mode, 1);
	CHECK_EQ(s.redirtbl[7].fields.polarity, 1);
	CHECK_EQ(s.redirtbl[7].fields.trig_mode, 1);
	CHECK_EQ(s.redirtbl[7].fields.mask, 1);
	CHECK_EQ(s.redirtbl[7].fields.dest_id, 3);
	irq_line(vm, 7, 0);
	irq_line(vm, 11, 0);
	get_ioapic(vm, &s);
	CHECK_EQ(s.irr, 0);
	/* An edge that was sent is no request any more, though the line is high. */
	set_entry(vcpu, 11, VECTOR);
	CHECK_EQ(irq_line(vm, 11, 1), 1);
	get_ioapic(vm, &s);
	CHECK_EQ(s.irr, 0);
	set_entry(vcpu, 12, LEVEL | OTHER);
	CHECK_EQ(irq_line(vm, 12, 1), 1);
	get_ioapic(vm, &s);
	CHECK_EQ(s.irr, BIT(12));
	CHECK_EQ(s.redirtbl[12].fields.remote_irr, 1);
}

SUBTEST(state_round_trip)
{
	struct vm *vm = ioapic_machine(1);
	struct kvm_ioapic_state s = { .base_address = IOAPIC }, got;

	for (int i = 0; i < 50; i++) {
		s.ioregsel = test_rand() & 0xff;
		s.id = test_rand() & 0xf;
		for (int pin = 0; pin < PINS; pin++)
			s.redirtbl[pin].bits = (test_rand() & ENTRY_BITS) | MASKED;
		CHECK_EQ(set_ioapic(vm, &s), 0);
		get_ioapic(vm, &got);
		CHECK_EQ(memcmp(&s, &got, sizeof(s)), 0);
		for (u32 pin = 0; pin < PINS && i == 0; pin++)
			CHECK_EQ(get_entry(vm->vcpus[0], pin), s.redirtbl[pin].bits);
	}
}

/* Levels in service and waiting go on in another machine with the local APIC's state. */
SUBTEST(state_moved_to_another_machine)
{
	struct vm *from = ioapic_machine(1), *to = ioapic_machine(1);
	struct vcpu *a = from->vcpus[0], *b = to->vcpus[0];
	struct kvm_ioapic_state s;
	struct kvm_lapic_state l;

	for (int i = 0; i < 2; i++) {
		keep_in_service(i ? to : from, VECTOR);
		keep_in_service(i ? to : from, OTHER);
	}
	set_entry(a, 9, LEVEL | VECTOR);
	set_entry(a, 10, MASKED | LEVEL | OTHER);
	irq_line(from, 9, 1);
	irq_line(from, 10, 1);
	CHECK_EQ(taken(a, VECTOR), 1);
	get_ioapic(from, &s);
	CHECK_EQ(s.irr, BIT(9) | BIT(10));
	get_lapic(a, &l);
	CHECK_EQ(set_ioapic(to, &s), 0);
	set_lapic(b, &l);
	CHECK_EQ(taken(b, VECTOR), 0);
	CHECK(get_entry(b, 9) & REMOTE_IRR);
	set_entry(b, 10, LEVEL | OTHER);
	CHECK_EQ(taken(b, OTHER), 1);
	irq_line(to, 10, 0);
	lapic_eoi(b);
	lapic_eoi(b);
	CHECK_EQ(taken(b, VECTOR), 1);	/* the line of 9 came along */
	irq_line(to, 9, 0);
	lapic_eoi(b);
	CHECK_EQ(taken(b, VECTOR), 0);
	CHECK(!(get_entry(b, 9) & REMOTE_IRR));
}

/* A request that user space sets is sent at once. */
SUBTEST(state_with_requests)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];
	struct kvm_ioapic_state s;

	keep_in_service(vm, OTHER);
	get_ioapic(vm, &s);
	s.redirtbl[4].bits = VECTOR;
	s.irr = BIT(4);
	CHECK_EQ(set_ioapic(vm, &s), 0);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	s.redirtbl[4].bits = LEVEL | OTHER;
	CHECK_EQ(set_ioapic(vm, &s), 0);
	CHECK_EQ(taken(vcpu, OTHER), 1);
	CHECK(get_entry(vcpu, 4) & REMOTE_IRR);
	/* Without a request remote IRR alone waits for its EOI. */
	s.irr = 0;
	s.redirtbl[4].fields.remote_irr = 1;
	CHECK_EQ(set_ioapic(vm, &s), 0);
	lapic_eoi(vcpu);
	CHECK(!(get_entry(vcpu, 4) & REMOTE_IRR));
	CHECK_EQ(taken(vcpu, OTHER), 0);
}

/*
 * The window is where it was made: with another base in its state the chip is nowhere,
 * and the guest's accesses go to user space.
 */
SUBTEST(moved_window)
{
	const u64 moved = IOAPIC + 0x10000;
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];
	struct kvm_ioapic_state s;

	get_ioapic(vm, &s);
	s.base_address = moved;
	CHECK_EQ(set_ioapic(vm, &s), 0);
	get_ioapic(vm, &s);
	CHECK_EQ(s.base_address, moved);
	for (u64 gpa = IOAPIC; gpa <= moved; gpa += moved - IOAPIC) {
		agent_order(vcpu, AGENT_READ, 4, gpa, 0);
		vcpu_expect_mmio_read(vcpu, gpa, 4);
		vcpu_expect_sync(vcpu, AGENT_SYNC);
		agent_order(vcpu, AGENT_WRITE, 4, gpa, 1);
		vcpu_expect_mmio_write(vcpu, gpa, 4);
		vcpu_expect_sync(vcpu, AGENT_SYNC);
	}
	/* Its pins work. */
	s.redirtbl[4].bits = VECTOR;
	CHECK_EQ(set_ioapic(vm, &s), 0);
	CHECK_EQ(irq_line(vm, 4, 1), 1);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	s.base_address = IOAPIC;
	CHECK_EQ(set_ioapic(vm, &s), 0);
	CHECK_EQ(ioapic_read(vcpu, REG_VERSION), (PINS - 1) << 16 | 0x11);
}

static void random_state(struct kvm_ioapic_state *s, bool all_ones)
{
	u8 *p = (u8 *)s;

	for (u64 i = 0; i < sizeof(*s); i++)
		p[i] = all_ones ? 0xff : test_rand() >> 16;
}

/* Any state, any delivery mode, lines and reads of the state: no harm to the host. */
SUBTEST(class09_states_that_no_chip_has)
{
	struct kvm_ioapic_state s;
	struct vm *vm = ioapic_machine(2);

	for (int i = 0; i < 200; i++) {
		random_state(&s, i == 0);
		CHECK_EQ(set_ioapic(vm, &s), 0);
		for (u32 pin = 0; pin < PINS; pin++) {
			irq_line(vm, pin, 1);
			irq_line(vm, pin, i & 1);
		}
		get_ioapic(vm, &s);
	}
}

/* The same with a guest that uses it, so with interrupts that it can take. */
SUBTEST(class09_states_that_no_chip_has_in_use)
{
	struct kvm_ioapic_state s;
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	for (int i = 0; i < 30; i++) {
		random_state(&s, i == 0);
		s.base_address = IOAPIC;
		for (int pin = 0; pin < PINS; pin++) {
			s.redirtbl[pin].fields.delivery_mode &= 1;
			s.redirtbl[pin].fields.vector |= 0x40;
			/* the spurious vector's handler would leave it in service */
			if (s.redirtbl[pin].fields.vector == 0xff)
				s.redirtbl[pin].fields.vector = 0x40;
		}
		CHECK_EQ(set_ioapic(vm, &s), 0);
		agent_readl(vcpu, WINDOW);
		agent_writel(vcpu, WINDOW, MASKED | VECTOR);
		CHECK_EQ(ioapic_read(vcpu, REG_VERSION), (PINS - 1) << 16 | 0x11);
		for (u32 pin = 0; pin < PINS; pin++) {
			irq_line(vm, pin, 1);
			irq_line(vm, pin, 0);
		}
		agent_window(vcpu);
	}
	for (u32 pin = 0; pin < PINS; pin++)
		set_entry(vcpu, pin, MASKED);
	agent_window(vcpu);
	memset(guest_var(vm, guest_irqs), 0, sizeof(guest_irqs));
	set_entry(vcpu, 9, LEVEL | VECTOR);
	CHECK_EQ(irq_line(vm, 9, 1), 1);
	irq_line(vm, 9, 0);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
}

/* ---- storms and races ---------------------------------------------------------------- */

enum { STEPS = 200 };
static u64 steps, storm_over;

static bool count_storm(u64 vector)
{
	return false;			/* the EOI, and nothing for the device */
}

/* Works on in spite of the interrupt that comes back with every EOI. */
static u64 guest_work(u64 arg)
{
	asm volatile("sti" : : : "memory");
	while (READ_ONCE(steps) < STEPS)
		WRITE_ONCE(steps, steps + 1);
	asm volatile("cli" : : : "memory");
	return 0;
}

/*
 * A line that is never served: the interrupt comes again with each EOI, which real
 * hardware takes its time for, so that the guest gets somewhere between.
 */
SUBTEST(class09_eoi_storm_lets_the_guest_work)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	guest_var(vm, guest_on_irq) = count_storm;
	set_entry(vcpu, STORM_PIN, LEVEL | VECTOR);
	irq_line(vm, STORM_PIN, 1);
	agent_call(vcpu, guest_work, 0);
	CHECK(guest_var(vm, guest_irqs)[0][VECTOR] > 1);
	CHECK_EQ(guest_var(vm, steps), STEPS);
	irq_line(vm, STORM_PIN, 0);
	agent_window(vcpu);
	guest_var(vm, guest_irqs)[0][VECTOR] = 0;
	CHECK_EQ(taken(vcpu, VECTOR), 0);
	irq_line(vm, STORM_PIN, 1);
	irq_line(vm, STORM_PIN, 0);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
}

static u64 guest_spin(u64 arg)
{
	asm volatile("sti" : : : "memory");
	while (!READ_ONCE(storm_over))
		cpu_relax();
	asm volatile("cli" : : : "memory");
	return 0;
}

static void *run_until_kicked(void *arg)
{
	CHECK_EQ(vcpu_run_raw(arg), -EINTR);
	return NULL;
}

/* And user space gets it out of there. */
SUBTEST(class09_eoi_storm_can_be_stopped)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];
	struct thread t;

	set_entry(vcpu, STORM_PIN, LEVEL | VECTOR);
	for (int i = 0; i < 3; i++) {
		irq_line(vm, STORM_PIN, 1);
		guest_var(vm, storm_over) = 0;
		agent_order(vcpu, AGENT_CALL, 0, (uintptr_t)guest_spin, 0);
		thread_start(&t, -1, run_until_kicked, vcpu);
		while (READ_ONCE(guest_var(vm, guest_irqs)[0][VECTOR]) < 50u * (i + 1))
			sched_yield();
		thread_stop(&t);
		vcpu->run->immediate_exit = 0;
		guest_var(vm, storm_over) = 1;
		irq_line(vm, STORM_PIN, 0);
		vcpu_expect_sync(vcpu, AGENT_SYNC);
	}
}

static void *spinning_vcpu(void *arg)
{
	agent_call((struct vcpu *)arg, guest_spin, 0);
	return NULL;
}

/* Lines, routes and states change while the guest's EOIs walk the entries. */
SUBTEST(class09_routing_changed_during_eoi)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];
	struct kvm_ioapic_state s;
	struct route_table none = { .head.nr = 0 };
	struct thread t;

	set_entry(vcpu, STORM_PIN, LEVEL | VECTOR);
	set_entry(vcpu, STORM_PIN + 1, LEVEL | OTHER);
	thread_start(&t, -1, spinning_vcpu, vcpu);
	for (int i = 0; i < 100; i++) {
		irq_line(vm, STORM_PIN, 1);
		irq_line(vm, STORM_PIN + 1, i & 1);
		if (i % 4 == 0)
			CHECK_EQ(set_routes(vm, &none), 0);
		if (i % 8 == 3) {
			get_ioapic(vm, &s);
			s.redirtbl[STORM_PIN].fields.vector ^= VECTOR ^ OTHER;
			s.redirtbl[STORM_PIN].fields.trig_mode = i & 16 ? 1 : 0;
			CHECK_EQ(set_ioapic(vm, &s), 0);
		}
		if (i % 4 == 2)
			route_to_ioapic(vm);
		sched_yield();
	}
	route_to_ioapic(vm);
	irq_line(vm, STORM_PIN, 0);
	irq_line(vm, STORM_PIN + 1, 0);
	guest_var(vm, storm_over) = 1;
	thread_join(&t);
	set_entry(vcpu, STORM_PIN, MASKED);
	set_entry(vcpu, STORM_PIN + 1, MASKED);
	agent_window(vcpu);
	memset(guest_var(vm, guest_irqs), 0, sizeof(guest_irqs));
	set_entry(vcpu, STORM_PIN, LEVEL | VECTOR);
	CHECK_EQ(irq_line(vm, STORM_PIN, 1), 1);
	irq_line(vm, STORM_PIN, 0);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
}
