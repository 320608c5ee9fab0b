// SPDX-License-Identifier: GPL-2.0
/*
 * ioapic - the IOAPIC of KVM_CREATE_IRQCHIP: its registers, how edges and levels become
 * interrupts, where they go, and what an EOI of the local APIC does. What user space sees
 * of it is in ioapicapi.c.
 */
#include "ioapic.h"

enum { VECTOR = 0x61, OTHER = 0x72 };

/* ---- registers -------------------------------------------------------------- */

SUBTEST(registers_of_a_new_chip)
{
	struct vcpu *vcpu = ioapic_machine(1)->vcpus[0];

	CHECK_EQ(ioapic_read(vcpu, REG_ID), 0);
	CHECK_EQ(ioapic_read(vcpu, REG_VERSION), (PINS - 1) << 16 | 0x11);
	CHECK_EQ(ioapic_read(vcpu, REG_ARB), 0);
	for (u32 pin = 0; pin < PINS; pin++)
		CHECK_EQ(get_entry(vcpu, pin), MASKED);
}

SUBTEST(id_version_arbitration)
{
	struct vcpu *vcpu = ioapic_machine(1)->vcpus[0];
	struct kvm_ioapic_state s;

	ioapic_write(vcpu, REG_ID, 0xffffffff);
	CHECK_EQ(ioapic_read(vcpu, REG_ID), 0x0f000000);
	get_ioapic(vcpu->vm, &s);
	CHECK_EQ(s.id, 0xf);
	CHECK_EQ(ioapic_read(vcpu, REG_ARB), 0x0f000000);
	ioapic_write(vcpu, REG_ARB, 0x03000000);
	CHECK_EQ(ioapic_read(vcpu, REG_ARB), 0x0f000000);
	ioapic_write(vcpu, REG_VERSION, 0xffffffff);
	CHECK_EQ(ioapic_read(vcpu, REG_VERSION), (PINS - 1) << 16 | 0x11);
	ioapic_write(vcpu, REG_ID, 0x05000000);
	CHECK_EQ(ioapic_read(vcpu, REG_ID), 0x05000000);
	/* The index has 8 bits. */
	agent_writel(vcpu, IOAPIC, 0xffffff01);
	CHECK_EQ(agent_readl(vcpu, IOAPIC), 1);
	CHECK_EQ(agent_readl(vcpu, WINDOW), (PINS - 1) << 16 | 0x11);
}

static bool is_register(u32 index)
{
	return index <= REG_ARB || (index >= REG_ENTRY && index < REG_ENTRY + 2 * PINS);
}

/* Beyond the registers: ones when read, nothing when written. */
SUBTEST(class09_every_index)
{
	struct vm *vm = ioapic_machine(1);
	struct kvm_ioapic_state before, after;
	struct vcpu *vcpu = vm->vcpus[0];

	for (u32 pin = 0; pin < PINS; pin++)
		set_entry(vcpu, pin, TO(0x80 + pin) | MASKED | (0x30 + pin));
	get_ioapic(vm, &before);
	for (u32 index = 0; index < 256; index++) {
		const u32 value = ioapic_read(vcpu, index);

		test_doing("index %#x", index);
		CHECK_EQ(agent_readl(vcpu, IOAPIC), index);
		if (!is_register(index))
			CHECK_EQ(value, ~0u);
		agent_writel(vcpu, WINDOW, is_register(index) ? value : test_rand());
		CHECK_EQ(agent_readl(vcpu, WINDOW), value);
	}
	get_ioapic(vm, &after);
	after.ioregsel = before.ioregsel;
	CHECK_EQ(memcmp(&before, &after, sizeof(after)), 0);
}

SUBTEST(entries)
{
	struct vcpu *vcpu = ioapic_machine(1)->vcpus[0];
	const u64 writable = ENTRY_BITS & ~(SEND_PENDING | REMOTE_IRR);

	for (u32 pin = 0; pin < PINS; pin++) {
		const u64 mark = TO(pin) | MASKED | pin;

		test_doing("pin %u", pin);
		set_entry(vcpu, pin, ~0ull);
		CHECK_EQ(get_entry(vcpu, pin) & ENTRY_BITS, writable);
		for (int bit = 0; bit < 16; bit++) {
			if (!(BIT(bit) & writable))
				continue;
			set_entry(vcpu, pin, MASKED | BIT(bit));
			CHECK_EQ(get_entry(vcpu, pin), MASKED | BIT(bit));
		}
		set_entry(vcpu, pin, MASKED | SEND_PENDING | REMOTE_IRR);
		CHECK_EQ(get_entry(vcpu, pin), MASKED);
		set_entry(vcpu, pin, mark);
		/* Each half alone. */
		ioapic_write(vcpu, REG_ENTRY + 2 * pin + 1, 0);
		CHECK_EQ(get_entry(vcpu, pin), MASKED | pin);
		set_entry(vcpu, pin, mark);
		ioapic_write(vcpu, REG_ENTRY + 2 * pin, 0);
		CHECK_EQ(get_entry(vcpu, pin), TO(pin));
		set_entry(vcpu, pin, mark);
	}
	for (u32 pin = 0; pin < PINS; pin++)
		CHECK_EQ(get_entry(vcpu, pin), TO(pin) | MASKED | pin);
}

/* ---- edges --------------------------------------------------------------------- */

SUBTEST(edges_at_every_pin)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	for (u32 pin = 0; pin < PINS; pin++) {
		test_doing("pin %u", pin);
		CHECK_EQ(irq_line(vm, pin, 1), -1);	/* masked */
		CHECK_EQ(irq_line(vm, pin, 0), 1);
		set_entry(vcpu, pin, 0x30 + pin);
		CHECK_EQ(irq_line(vm, pin, 1), 1);
		CHECK_EQ(irq_line(vm, pin, 1), 0);	/* still high: no edge */
		CHECK_EQ(taken(vcpu, 0x30 + pin), 1);
		CHECK_EQ(irq_line(vm, pin, 1), 0);
		CHECK_EQ(taken(vcpu, 0x30 + pin), 0);
		CHECK_EQ(irq_line(vm, pin, 0), 1);
		CHECK_EQ(taken(vcpu, 0x30 + pin), 0);
		CHECK_EQ(get_entry(vcpu, pin), 0x30 + pin);
		CHECK_EQ(irq_line(vm, pin, 1), 1);
		CHECK_EQ(taken(vcpu, 0x30 + pin), 1);
		irq_line(vm, pin, 0);
	}
}

/* One bit in the local APIC's IRR: what comes before it is taken is the same one. */
SUBTEST(edges_before_the_first_is_taken)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	set_entry(vcpu, 5, VECTOR);
	keep_in_service(vm, VECTOR);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(irq_line(vm, 5, 1), 1);
		CHECK_EQ(irq_line(vm, 5, 0), 1);
	}
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	/* In service, one more may wait. */
	CHECK_EQ(irq_line(vm, 5, 1), 1);
	CHECK_EQ(irq_line(vm, 5, 0), 1);
	CHECK_EQ(taken(vcpu, VECTOR), 0);
	lapic_eoi(vcpu);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	lapic_eoi(vcpu);
	CHECK_EQ(taken(vcpu, VECTOR), 0);
}

SUBTEST(edge_while_masked_is_lost)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	set_entry(vcpu, 5, MASKED | VECTOR);
	CHECK_EQ(irq_line(vm, 5, 1), -1);
	set_entry(vcpu, 5, VECTOR);
	CHECK_EQ(taken(vcpu, VECTOR), 0);
	CHECK_EQ(irq_line(vm, 5, 0), 1);
	CHECK_EQ(taken(vcpu, VECTOR), 0);
	CHECK_EQ(irq_line(vm, 5, 1), 1);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
}

/*
 * The clock's interrupt, GSI 8: whoever asks with KVM_IRQ_LINE_STATUS is told that one
 * before has not had its EOI, and then it is not sent again.
 */
SUBTEST(rtc_waits_for_its_eoi)
{
	struct kvm_irq_level line = { .irq = 8, .level = 1 };
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	set_entry(vcpu, 8, VECTOR);
	keep_in_service(vm, VECTOR);
	CHECK_EQ(irq_line(vm, 8, 1), 1);
	CHECK_EQ(irq_line(vm, 8, 0), 1);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	CHECK_EQ(irq_line(vm, 8, 1), 0);
	CHECK_EQ(irq_line(vm, 8, 0), 1);
	lapic_eoi(vcpu);
	CHECK_EQ(taken(vcpu, VECTOR), 0);
	CHECK_EQ(irq_line(vm, 8, 1), 1);
	CHECK_EQ(irq_line(vm, 8, 0), 1);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	/* Who does not ask is not held back. */
	CHECK_EQ(xioctl(vm->fd, KVM_IRQ_LINE, (uintptr_t)&line), 0);
	lapic_eoi(vcpu);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
}

/* ---- levels ---------------------------------------------------------------------- */

static bool remote_irr(struct vcpu *vcpu, u32 pin)
{
	return get_entry(vcpu, pin) & REMOTE_IRR;
}

SUBTEST(level_until_eoi)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	keep_in_service(vm, VECTOR);
	set_entry(vcpu, 9, LEVEL | VECTOR);
	CHECK_EQ(irq_line(vm, 9, 1), 1);
	CHECK(remote_irr(vcpu, 9));
	CHECK_EQ(irq_line(vm, 9, 1), -1);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	CHECK(remote_irr(vcpu, 9));
	CHECK_EQ(taken(vcpu, VECTOR), 0);
	/* Still high: the EOI brings the next one, at once. */
	lapic_eoi(vcpu);
	CHECK(remote_irr(vcpu, 9));
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	CHECK_EQ(irq_line(vm, 9, 0), 1);
	CHECK(remote_irr(vcpu, 9));
	lapic_eoi(vcpu);
	CHECK(!remote_irr(vcpu, 9));
	CHECK_EQ(taken(vcpu, VECTOR), 0);
	/* Down and up again before the EOI: one more. */
	CHECK_EQ(irq_line(vm, 9, 1), 1);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	CHECK_EQ(irq_line(vm, 9, 0), 1);
	CHECK_EQ(irq_line(vm, 9, 1), -1);
	lapic_eoi(vcpu);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
}

SUBTEST(level_at_every_pin)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	for (u32 pin = 0; pin < PINS; pin++) {
		const u8 vector = 0x30 + 5 * pin;

		test_doing("pin %u", pin);
		keep_in_service(vm, vector);
		set_entry(vcpu, pin, LEVEL | vector);
		irq_line(vm, pin, 1);
		CHECK_EQ(taken(vcpu, vector), 1);
		irq_line(vm, pin, 0);
		lapic_eoi(vcpu);
		CHECK(!remote_irr(vcpu, pin));
		CHECK_EQ(taken(vcpu, vector), 0);
	}
}

SUBTEST(level_and_mask)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	keep_in_service(vm, VECTOR);
	set_entry(vcpu, 9, MASKED | LEVEL | VECTOR);
	CHECK_EQ(irq_line(vm, 9, 1), -1);
	CHECK_EQ(taken(vcpu, VECTOR), 0);
	CHECK(!remote_irr(vcpu, 9));
	set_entry(vcpu, 9, LEVEL | VECTOR);
	CHECK(remote_irr(vcpu, 9));
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	/* Masked in service: the EOI counts, the line does not. */
	set_entry(vcpu, 9, MASKED | LEVEL | VECTOR);
	CHECK(remote_irr(vcpu, 9));
	lapic_eoi(vcpu);
	CHECK(!remote_irr(vcpu, 9));
	CHECK_EQ(taken(vcpu, VECTOR), 0);
	set_entry(vcpu, 9, LEVEL | VECTOR);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	/* A line that was low meanwhile is forgotten. */
	set_entry(vcpu, 9, MASKED | LEVEL | VECTOR);
	lapic_eoi(vcpu);
	irq_line(vm, 9, 0);
	set_entry(vcpu, 9, LEVEL | VECTOR);
	CHECK_EQ(taken(vcpu, VECTOR), 0);
}

/* Active low is what the board makes of it: the ABI's 1 is "asserted" in either case. */
SUBTEST(polarity_is_not_the_lines)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	for (u64 trigger = 0; trigger <= LEVEL; trigger += LEVEL) {
		set_entry(vcpu, 9, ACTIVE_LOW | trigger | VECTOR);
		CHECK_EQ(taken(vcpu, VECTOR), 0);
		keep_in_service(vm, VECTOR);
		CHECK_EQ(irq_line(vm, 9, 1), 1);
		CHECK_EQ(taken(vcpu, VECTOR), 1);
		CHECK_EQ(irq_line(vm, 9, 0), 1);
		lapic_eoi(vcpu);
		CHECK_EQ(taken(vcpu, VECTOR), 0);
	}
}

/* Guests make an EOI register out of this: to edge and back, and remote IRR is clear. */
SUBTEST(edge_trigger_clears_remote_irr)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	keep_in_service(vm, VECTOR);
	set_entry(vcpu, 9, LEVEL | VECTOR);
	irq_line(vm, 9, 1);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	irq_line(vm, 9, 0);
	CHECK(remote_irr(vcpu, 9));
	set_entry(vcpu, 9, MASKED | VECTOR);
	CHECK(!remote_irr(vcpu, 9));
	set_entry(vcpu, 9, LEVEL | VECTOR);
	CHECK(!remote_irr(vcpu, 9));
	irq_line(vm, 9, 1);
	CHECK(remote_irr(vcpu, 9));
}

/* An EOI is for all entries of the vector. */
SUBTEST(pins_that_share_a_vector)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	keep_in_service(vm, VECTOR);
	set_entry(vcpu, 9, LEVEL | VECTOR);
	set_entry(vcpu, 17, LEVEL | VECTOR);
	CHECK_EQ(irq_line(vm, 9, 1), 1);
	CHECK_EQ(irq_line(vm, 17, 1), 1);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	irq_line(vm, 9, 0);
	lapic_eoi(vcpu);
	CHECK(!remote_irr(vcpu, 9));
	CHECK(remote_irr(vcpu, 17));
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	irq_line(vm, 17, 0);
	lapic_eoi(vcpu);
	CHECK(!remote_irr(vcpu, 17));
	CHECK_EQ(taken(vcpu, VECTOR), 0);
}

/* ---- delivery modes and destinations ----------------------------------------------- */

static int pulse(struct vm *vm, u32 pin)
{
	int status = irq_line(vm, pin, 1);

	irq_line(vm, pin, 0);
	return status;
}

SUBTEST(nmi)
{
	struct vm *vm = ioapic_machine(2);

	set_entry(vm->vcpus[0], 4, TO(1) | APIC_DM_NMI | VECTOR);
	CHECK_EQ(pulse(vm, 4), 1);
	agent_inb(vm->vcpus[0], 0x20);
	vm_expect_events(vm);
	agent_inb(vm->vcpus[1], 0x20);		/* with interrupts off */
	vm_expect_events(vm, NMI);
	CHECK_EQ(taken(vm->vcpus[1], VECTOR), 0);
	vm_expect_events(vm, NMI);
}

SUBTEST(init)
{
	struct vm *vm = ioapic_machine(2);
	struct kvm_mp_state s;

	set_entry(vm->vcpus[0], 4, TO(1) | APIC_DM_INIT);
	CHECK_EQ(pulse(vm, 4), 1);
	CHECK_EQ(xioctl(vm->vcpus[1]->fd, KVM_GET_MP_STATE, (uintptr_t)&s), 0);
	CHECK_EQ(s.mp_state, KVM_MP_STATE_INIT_RECEIVED);
	CHECK_EQ(xioctl(vm->vcpus[0]->fd, KVM_GET_MP_STATE, (uintptr_t)&s), 0);
	CHECK_EQ(s.mp_state, KVM_MP_STATE_RUNNABLE);
}

/* ExtINT would have the CPU ask an 8259A at this pin: nobody is there, nothing comes. */
SUBTEST(extint)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	set_entry(vcpu, 0, APIC_DM_EXTINT | VECTOR);
	CHECK_EQ(pulse(vm, 0), 0);
	CHECK_EQ(taken(vcpu, VECTOR), 0);
	set_entry(vcpu, 0, VECTOR);
	CHECK_EQ(pulse(vm, 0), 1);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
}

SUBTEST(physical_destinations)
{
	struct vm *vm = ioapic_machine(3);

	for (u32 id = 0; id < 256; id++) {
		const int want = id < 3 ? 1 : id == 0xff ? 3 : 0;

		test_doing("destination %u", id);
		set_entry(vm->vcpus[0], 4, TO(id) | VECTOR);
		CHECK_EQ(pulse(vm, 4), want);
		if (id > 3 && id != 0xff && id != 128)
			continue;
		for (u32 i = 0; i < 3; i++)
			CHECK_EQ(taken(vm->vcpus[i], VECTOR), id == i || id == 0xff);
	}
	/* Nobody there: nobody will do an EOI, so none is waited for. */
	set_entry(vm->vcpus[0], 4, TO(77) | LEVEL | VECTOR);
	CHECK_EQ(irq_line(vm, 4, 1), 0);
	CHECK(!remote_irr(vm->vcpus[0], 4));
}

SUBTEST(local_apic_off)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	set_entry(vcpu, 4, VECTOR);
	lapic_write(vcpu, APIC_SPIV, 0xff);
	CHECK_EQ(pulse(vm, 4), 0);
	lapic_write(vcpu, APIC_SPIV, 0x1ff);
	CHECK_EQ(taken(vcpu, VECTOR), 0);
	CHECK_EQ(pulse(vm, 4), 1);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
}

static void check_logical(struct vm *vm, u8 dest, u32 who)
{
	test_doing("destination %#x", dest);
	set_entry(vm->vcpus[0], 4, TO(dest) | LOGICAL | VECTOR);
	CHECK_EQ(pulse(vm, 4), __builtin_popcount(who));
	for (u32 i = 0; i < 3; i++)
		CHECK_EQ(taken(vm->vcpus[i], VECTOR), who >> i & 1);
}

SUBTEST(logical_destinations)
{
	struct vm *vm = ioapic_machine(3);

	for (u32 i = 0; i < 3; i++)
		lapic_write(vm->vcpus[i], APIC_LDR, BIT(i + 4) << 24);
	for (u32 i = 0; i < 8; i++)
		check_logical(vm, i << 4, i);
	check_logical(vm, 0x8f, 0);
	check_logical(vm, 0xff, 7);
	/* Clusters: the first and second vCPU are in 1, the third is in 2. */
	for (u32 i = 0; i < 3; i++) {
		lapic_write(vm->vcpus[i], APIC_DFR, APIC_DFR_CLUSTER);
		lapic_write(vm->vcpus[i], APIC_LDR, (i == 2 ? 0x21u : 0x11u << i) << 24);
	}
	lapic_write(vm->vcpus[1], APIC_LDR, 0x12 << 24);
	check_logical(vm, 0x11, 1);
	check_logical(vm, 0x12, 2);
	check_logical(vm, 0x1f, 3);
	check_logical(vm, 0x21, 4);
	check_logical(vm, 0x2e, 0);
	check_logical(vm, 0x31, 0);
	check_logical(vm, 0xff, 7);
}

SUBTEST(lowest_priority)
{
	struct vm *vm = ioapic_machine(3);

	for (u32 i = 0; i < 3; i++)
		lapic_write(vm->vcpus[i], APIC_LDR, BIT(i) << 24);
	for (u32 i = 0; i < 12; i++) {
		const u8 vector = 0x50 + i, dest = i % 8;
		u32 who = 0;

		test_doing("vector %#x, destination %#x", vector, dest);
		set_entry(vm->vcpus[0], 4, TO(dest) | LOGICAL | APIC_DM_LOWEST | vector);
		CHECK_EQ(pulse(vm, 4), dest != 0);
		for (u32 k = 0; k < 3; k++)
			who |= taken(vm->vcpus[k], vector) << k;
		/* One of those it was for, no matter which. */
		CHECK_EQ(__builtin_popcount(who), dest != 0);
		CHECK_EQ(who & ~dest, 0);
	}
}

SUBTEST(x2apic_destinations)
{
	struct vm *vm = ioapic_machine(2);

	for (int i = 0; i < 2; i++)
		agent_call(vm->vcpus[i], guest_x2apic_enable, 0);
	for (u32 id = 0; id < 2; id++) {
		set_entry(vm->vcpus[0], 4, TO(id) | VECTOR);
		CHECK_EQ(pulse(vm, 4), 1);
		CHECK_EQ(taken(vm->vcpus[id], VECTOR), 1);
		CHECK_EQ(taken(vm->vcpus[!id], VECTOR), 0);
		/* Cluster 0: the bit of the id. */
		set_entry(vm->vcpus[0], 4, TO(BIT(id)) | LOGICAL | VECTOR);
		CHECK_EQ(pulse(vm, 4), 1);
		CHECK_EQ(taken(vm->vcpus[id], VECTOR), 1);
		CHECK_EQ(taken(vm->vcpus[!id], VECTOR), 0);
	}
	set_entry(vm->vcpus[0], 4, TO(0xff) | VECTOR);
	CHECK_EQ(pulse(vm, 4), 2);
	CHECK_EQ(taken(vm->vcpus[0], VECTOR), 1);
	CHECK_EQ(taken(vm->vcpus[1], VECTOR), 1);
}

/* A level that went to several: each has its own EOI, the first counts. */
SUBTEST(level_for_several_cpus)
{
	struct vm *vm = ioapic_machine(2);

	keep_in_service(vm, VECTOR);
	set_entry(vm->vcpus[0], 4, TO(0xff) | LEVEL | VECTOR);
	CHECK_EQ(irq_line(vm, 4, 1), 2);
	CHECK_EQ(taken(vm->vcpus[0], VECTOR), 1);
	CHECK_EQ(taken(vm->vcpus[1], VECTOR), 1);
	irq_line(vm, 4, 0);
	lapic_eoi(vm->vcpus[1]);
	CHECK(!remote_irr(vm->vcpus[0], 4));
	lapic_eoi(vm->vcpus[0]);
	CHECK_EQ(taken(vm->vcpus[0], VECTOR), 0);
	CHECK_EQ(taken(vm->vcpus[1], VECTOR), 0);
}

/* The pins' order is that of their vectors in the local APIC. */
SUBTEST(priorities)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	set_entry(vcpu, 3, VECTOR);
	set_entry(vcpu, 4, OTHER);
	keep_in_service(vm, VECTOR);
	keep_in_service(vm, OTHER);
	CHECK_EQ(pulse(vm, 3), 1);
	CHECK_EQ(pulse(vm, 4), 1);
	CHECK_EQ(taken(vcpu, OTHER), 1);
	lapic_eoi(vcpu);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	lapic_write(vcpu, APIC_TASKPRI, OTHER);
	lapic_eoi(vcpu);
	CHECK_EQ(pulse(vm, 3), 1);
	CHECK_EQ(taken(vcpu, VECTOR), 0);
	lapic_write(vcpu, APIC_TASKPRI, 0);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
}

/* ---- entries changed while an interrupt is in service -------------------------------- */

/* The CPU of old does its EOI, and the interrupt that follows goes to the new one. */
SUBTEST(class09_destination_changed_in_service)
{
	struct vm *vm = ioapic_machine(2);
	struct vcpu *a = vm->vcpus[0], *b = vm->vcpus[1];

	keep_in_service(vm, VECTOR);
	for (int i = 0; i < 4; i++) {
		struct vcpu *from = i & 1 ? b : a, *to = i & 1 ? a : b;

		set_entry(a, 9, TO(from->id) | LEVEL | VECTOR);
		CHECK_EQ(irq_line(vm, 9, 1), 1);
		CHECK_EQ(taken(from, VECTOR), 1);
		set_entry(a, 9, TO(to->id) | LEVEL | VECTOR);
		CHECK(remote_irr(a, 9));
		CHECK_EQ(taken(to, VECTOR), 0);
		lapic_eoi(from);
		CHECK_EQ(taken(from, VECTOR), 0);
		CHECK_EQ(taken(to, VECTOR), 1);
		irq_line(vm, 9, 0);
		lapic_eoi(to);
		CHECK(!remote_irr(a, 9));
	}
}

/* An EOI of a vector that the entry no longer has is not its EOI. */
SUBTEST(class09_vector_changed_in_service)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	keep_in_service(vm, VECTOR);
	keep_in_service(vm, OTHER);
	set_entry(vcpu, 9, LEVEL | VECTOR);
	irq_line(vm, 9, 1);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	set_entry(vcpu, 9, LEVEL | OTHER);
	lapic_eoi(vcpu);
	CHECK(remote_irr(vcpu, 9));
	CHECK_EQ(taken(vcpu, OTHER), 0);
	/* The way out. */
	set_entry(vcpu, 9, MASKED | OTHER);
	set_entry(vcpu, 9, LEVEL | OTHER);
	CHECK_EQ(taken(vcpu, OTHER), 1);
	irq_line(vm, 9, 0);
	lapic_eoi(vcpu);
	CHECK(!remote_irr(vcpu, 9));
}

static u32 rewrites;

static bool rewrite_entry(u64 vector)
{
	volatile u32 *select = (u32 *)IOAPIC, *window = (u32 *)WINDOW;
	const u32 n = ++rewrites;

	*select = REG_ENTRY + 2 * 9;
	*window = (n & 2 ? LEVEL : 0) | (n & 4 ? MASKED : 0) | (n & 8 ? VECTOR : OTHER);
	guest_apic_eoi();
	*window = n % 32 ? LEVEL | (n & 1 ? VECTOR : OTHER) : MASKED;
	return true;
}

/* The handler itself changes its entry around the EOI while the line stays high. */
SUBTEST(class09_entry_changed_around_eoi)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];
	u64 *irqs = guest_var(vm, guest_irqs)[0];

	guest_var(vm, guest_on_irq) = rewrite_entry;
	for (int i = 0; i < 40; i++) {
		set_entry(vcpu, 9, LEVEL | (i & 1 ? VECTOR : OTHER));
		irq_line(vm, 9, 1);
		agent_window(vcpu);
		irq_line(vm, 9, 0);
		set_entry(vcpu, 9, MASKED);
		CHECK_EQ(get_entry(vcpu, 9), MASKED);
		agent_window(vcpu);
	}
	CHECK(guest_var(vm, rewrites) >= 40);
	CHECK_EQ(irqs[VECTOR] + irqs[OTHER], guest_var(vm, rewrites));
	guest_var(vm, guest_on_irq) = NULL;
	irqs[VECTOR] = 0;
	irqs[OTHER] = 0;
	set_entry(vcpu, 9, VECTOR);
	CHECK_EQ(pulse(vm, 9), 1);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
}
