// SPDX-License-Identifier: GPL-2.0
/*
 * pitapi - ticks of the 8254 that the guest did not take in time, ticks as ExtINT and as
 * NMI, and the state of the chip: KVM_GET_PIT2, KVM_SET_PIT2, their elder calls, states
 * that no chip has, and all of it while a guest uses the ports.
 */
#include "pit.h"

/* ---- ticks not taken in time ---------------------------------------------------- */

enum { LATE = 10 };			/* so many periods of LATE ms each */

/* How long the guest takes for what it missed. */
static u64 time_for_late_ticks(struct vcpu *vcpu)
{
	program(vcpu, 0, 2, LATE * MS);
	pass_time(LATE * count_ns(LATE * MS));
	return wait_ticks(vcpu, LATE);
}

SUBTEST(late_ticks_are_made_up_for)
{
	struct vcpu *vcpu = pit_machine();

	CHECK(time_for_late_ticks(vcpu) < limit_ns(LATE * LATE / 2));
	/* Asked for again: the same. */
	CHECK_EQ(set_reinject(vcpu->vm, true), 0);
	CHECK(time_for_late_ticks(vcpu) < limit_ns(LATE * LATE / 2));
}

/* The first waits in IRR, the others are lost. */
SUBTEST(late_ticks_are_lost_without_reinjection)
{
	struct vcpu *vcpu = pit_machine();

	CHECK_EQ(set_reinject(vcpu->vm, false), 0);
	CHECK(time_for_late_ticks(vcpu) >= (LATE - 2) * count_ns(LATE * MS));
	CHECK_EQ(set_reinject(vcpu->vm, false), 0);
	/* Whose EOIs count is found out anew, and then once more. */
	set_entry(vcpu, 5, MASKED | (VECTOR + 1));
	CHECK_EQ(set_reinject(vcpu->vm, true), 0);
	CHECK(time_for_late_ticks(vcpu) < limit_ns(LATE * LATE / 2));
}

/* What was masked when it came is not made up for when it is unmasked. */
SUBTEST(ticks_while_masked_are_lost)
{
	struct vcpu *vcpu = pit_machine();
	u64 start;

	program(vcpu, 0, 2, LATE * MS);
	wait_ticks(vcpu, 1);
	set_entry(vcpu, 0, MASKED | VECTOR);
	pass_time(LATE * count_ns(LATE * MS));
	guest_var(vcpu->vm, guest_irqs)[0][VECTOR] = 0;
	CHECK_EQ(taken(vcpu, VECTOR), 0);
	start = now_ns();
	set_entry(vcpu, 0, VECTOR);
	wait_ticks(vcpu, 5);
	CHECK(now_ns() - start >= 4 * count_ns(LATE * MS) - count_ns(LATE * MS) / 2);
}

/* A tick is in service, and ten more came, when the guest masks the pin and unmasks it. */
static struct vcpu *unmasked_with_late_ticks(void)
{
	struct vcpu *vcpu = pit_machine();

	keep_in_service(vcpu->vm, VECTOR);
	program(vcpu, 0, 2, LATE * MS);
	wait_ticks(vcpu, 1);
	pass_time(LATE * count_ns(LATE * MS));
	set_entry(vcpu, 0, MASKED | VECTOR);
	set_entry(vcpu, 0, VECTOR);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	return vcpu;
}

/* Nothing is made up for then, and the next tick waits for nobody. */
SUBTEST(unmasking_forgets_late_ticks)
{
	struct vcpu *vcpu = unmasked_with_late_ticks();

	lapic_eoi(vcpu);
	CHECK_EQ(taken(vcpu, VECTOR), 0);
	vcpu = unmasked_with_late_ticks();
	pass_time(2 * count_ns(LATE * MS));
	lapic_eoi(vcpu);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
}

/* The end of another pin's interrupt is nobody's tick. */
SUBTEST(late_ticks_wait_for_their_own_eoi)
{
	enum { OTHER = 0x81, OTHER_PIN = 5 };
	struct vcpu *vcpu = pit_machine();
	struct kvm_lapic_state s;

	keep_in_service(vcpu->vm, VECTOR);
	set_entry(vcpu, OTHER_PIN, LEVEL | OTHER);
	program(vcpu, 0, 2, LATE * MS);
	wait_ticks(vcpu, 1);
	pass_time(3 * count_ns(LATE * MS));
	CHECK_EQ(irq_line(vcpu->vm, OTHER_PIN, 1), 1);
	CHECK(irq_line(vcpu->vm, OTHER_PIN, 0) >= 0);
	guest_var(vcpu->vm, guest_irqs)[0][VECTOR] = 0;
	CHECK_EQ(taken(vcpu, OTHER), 1);
	get_lapic(vcpu, &s);
	CHECK(lapic_bit(&s, APIC_ISR, VECTOR));
	CHECK(!lapic_bit(&s, APIC_IRR, VECTOR));
}

/* A chip that comes late, when the guest has set up the pin already, sees its EOIs. */
SUBTEST(late_ticks_of_a_late_chip)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	set_entry(vcpu, 0, VECTOR);
	agent_window(vcpu);
	CHECK_EQ(create_pit(vm, 0), 0);
	CHECK(time_for_late_ticks(vcpu) < limit_ns(LATE * LATE / 2));
}

/* ---- other ways to the CPU ----------------------------------------------------------- */

/* With the 8259A: its EOI is what the next tick waits for. */
SUBTEST(ticks_through_the_8259)
{
	struct vcpu *vcpu = machine();
	u64 start;

	CHECK_EQ(create_pit(vcpu->vm, 0), 0);
	for (int rounds = 0; rounds < 2; rounds++) {
		program(vcpu, 0, 2, LATE * MS);
		pass_time(LATE * count_ns(LATE * MS));
		start = now_ns();
		for (int i = 0; i < LATE; i++) {
			guest_var(vcpu->vm, guest_nr_events) = 0;
			agent_halt(vcpu);
			vm_expect_events(vcpu->vm, BASE);
			agent_outb(vcpu, MASTER, EOI);
		}
		if (rounds == 0)
			CHECK(now_ns() - start < limit_ns(LATE * LATE / 2));
		else
			CHECK(now_ns() - start >= (LATE - 2) * count_ns(LATE * MS));
		CHECK_EQ(set_reinject(vcpu->vm, false), 0);
		program(vcpu, 0, 0, 0);
		agent_window(vcpu);
		agent_outb(vcpu, MASTER, EOI);
	}
}

static u64 guest_wait_events(u64 n)
{
	while (READ_ONCE(guest_nr_events) < n)
		cpu_relax();
	return 0;
}

/* LINT0 in NMI mode makes an NMI watchdog of the ticks, of every vCPU that has it so. */
SUBTEST(ticks_as_nmi)
{
	struct vcpu *vcpu = pit_machine();
	struct vm *vm = vcpu->vm;
	u64 start = now_ns();

	CHECK_EQ(set_reinject(vm, false), 0);
	set_entry(vcpu, 0, MASKED);
	lapic_write(vcpu, APIC_LVT0, APIC_DM_NMI);
	program(vcpu, 0, 2, 2 * MS);
	agent_call(vcpu, guest_wait_events, 3);
	program(vcpu, 0, 0, 0);
	CHECK(now_ns() - start >= 3 * count_ns(2 * MS));
	for (int i = 0; i < 3; i++)
		CHECK_EQ(guest_var(vm, guest_events)[i].vector, NMI);
	lapic_write(vcpu, APIC_LVT0, APIC_DM_NMI | APIC_LVT_MASKED);
	guest_var(vm, guest_nr_events) = 0;
	program(vcpu, 0, 2, 2 * MS);
	pass_time(3 * count_ns(2 * MS));
	agent_window(vcpu);
	vm_expect_events(vm);
}

/* ---- state ------------------------------------------------------------------------------ */

static struct kvm_pit_state2 some_state(void)
{
	struct kvm_pit_state2 s = { .flags = KVM_PIT_FLAGS_SPEAKER_DATA_ON };

	for (int i = 0; i < 3; i++)
		s.channels[i] = (struct kvm_pit_channel_state){
			.count = 0x8000 + i, .latched_count = 0x1234 + i,
			.count_latched = i, .status_latched = i & 1, .status = 0x34,
			.read_state = 3, .write_state = 4, .write_latch = 0x56,
			.rw_mode = 3, .mode = i ? i + 1 : 0, .bcd = i == 2, .gate = i & 1,
		};
	return s;
}

static void check_channels(const struct kvm_pit_channel_state *a,
			   const struct kvm_pit_channel_state *b)
{
	for (int i = 0; i < 3; i++)
		CHECK_EQ(memcmp(&a[i], &b[i],
				offsetof(struct kvm_pit_channel_state, count_load_time)), 0);
}

SUBTEST(state_round_trip)
{
	struct vcpu *vcpu = pit_machine();
	struct kvm_pit_state2 s = some_state(), got;

	for (u32 i = 0; i < ARRAY_SIZE(s.reserved); i++)
		s.reserved[i] = i + 1;
	CHECK_EQ(set_pit(vcpu->vm, &s), 0);
	got = get_pit(vcpu->vm);
	check_channels(s.channels, got.channels);
	CHECK_EQ(got.flags, s.flags);
	for (u32 i = 0; i < ARRAY_SIZE(s.reserved); i++)
		CHECK_EQ(got.reserved[i], 0);
	CHECK_EQ(agent_inb(vcpu, SPEAKER) & 3, SPEAKER_ON);
	CHECK_EQ(agent_inb(vcpu, PIT + 2), 0x12);	/* what is left of its latched count */
	s.flags = 0;
	CHECK_EQ(set_pit(vcpu->vm, &s), 0);
	CHECK_EQ(get_pit(vcpu->vm).flags, 0);
	CHECK_EQ(agent_inb(vcpu, SPEAKER) & 3, 0);
}

/* KVM_GET_PIT and KVM_SET_PIT: the same without the flags. */
SUBTEST(state_by_the_elder_calls)
{
	struct vcpu *vcpu = pit_machine();
	struct kvm_pit_state2 s = some_state();
	struct kvm_pit_state old;
	struct vm *vm = vcpu->vm;

	CHECK_EQ(set_pit(vm, &s), 0);
	CHECK_EQ(xioctl(vm->fd, KVM_GET_PIT, (uintptr_t)&old), 0);
	check_channels(old.channels, s.channels);
	old.channels[1].count = 0x4321;
	old.channels[2].gate = 1;
	CHECK_EQ(xioctl(vm->fd, KVM_SET_PIT, (uintptr_t)&old), 0);
	s = get_pit(vm);
	check_channels(old.channels, s.channels);
	CHECK_EQ(s.flags, KVM_PIT_FLAGS_SPEAKER_DATA_ON);
	old.channels[0].mode = 2;
	old.channels[0].count = 2 * MS;
	CHECK_EQ(xioctl(vm->fd, KVM_SET_PIT, (uintptr_t)&old), 0);
	wait_ticks(vcpu, 3);
}

SUBTEST(state_moved_to_another_machine)
{
	struct vcpu *from = pit_machine(), *to = pit_machine();
	struct kvm_pit_state2 s;
	u64 start;

	program(from, 0, 2, 2 * MS);
	program(from, 2, 2, 0x7000);
	wait_ticks(from, 2);
	s = get_pit(from->vm);
	CHECK_EQ(s.channels[0].count, 2 * MS);
	start = now_ns();
	CHECK_EQ(set_pit(to->vm, &s), 0);
	wait_ticks(to, 5);
	CHECK(now_ns() - start >= 5 * count_ns(2 * MS));
	CHECK(latched(to, 2) <= 0x7000);
}

/* The time when a count began is the other machine's: here it begins with the call. */
SUBTEST(counts_begin_when_the_state_is_set)
{
	static const u64 times[] = { 0, 1, ~0ull >> 1, ~0ull };
	struct vcpu *vcpu = pit_machine();
	struct kvm_pit_state2 s;
	u64 start, passed;

	program(vcpu, 2, 2, 0);
	s = get_pit(vcpu->vm);
	for (u64 i = 0; i < ARRAY_SIZE(times); i++) {
		s.channels[2].count_load_time = times[i];
		start = now_ns();
		CHECK_EQ(set_pit(vcpu->vm, &s), 0);
		passed = 0x10000 - latched(vcpu, 2);
		CHECK(passed <= (now_ns() - start) * PIT_HZ / 1000000000 + 1);
	}
}

/* With the legacy flag an HPET of user space makes the ticks: counter 0 makes none. */
SUBTEST(hpet_in_legacy_mode)
{
	struct vcpu *vcpu = pit_machine();
	struct kvm_pit_state2 s;

	program(vcpu, 0, 2, 2 * MS);
	wait_ticks(vcpu, 1);
	s = get_pit(vcpu->vm);
	s.flags |= KVM_PIT_FLAGS_HPET_LEGACY;
	CHECK_EQ(set_pit(vcpu->vm, &s), 0);
	agent_window(vcpu);
	guest_var(vcpu->vm, guest_irqs)[0][VECTOR] = 0;
	pass_time(3 * count_ns(2 * MS));
	CHECK_EQ(taken(vcpu, VECTOR), 0);
	program(vcpu, 0, 2, 2 * MS);
	pass_time(3 * count_ns(2 * MS));
	CHECK_EQ(taken(vcpu, VECTOR), 0);
	s = get_pit(vcpu->vm);
	CHECK_EQ(s.flags, KVM_PIT_FLAGS_HPET_LEGACY);
	CHECK_EQ(s.channels[0].mode, 2);
	s.flags = 0;
	CHECK_EQ(set_pit(vcpu->vm, &s), 0);
	wait_ticks(vcpu, 3);
}

/* ---- counts and states that hurt ------------------------------------------------------------ */

/* A count of 1 or 2 would be hundreds of thousands of ticks a second: the host limits them. */
SUBTEST(class10_smallest_counts)
{
	struct vcpu *vcpu = pit_machine();

	CHECK_EQ(set_reinject(vcpu->vm, false), 0);
	for (u16 count = 1; count <= 2; count++) {
		for (int mode = 0; mode <= 5; mode++) {
			u64 start;

			test_doing("mode %d, count %u", mode, count);
			program(vcpu, 0, mode, count);
			program(vcpu, 2, mode, count);
			CHECK_EQ(count_of(vcpu, 0), count);
			latched(vcpu, 0);
			latched(vcpu, 2);
			agent_outb(vcpu, CONTROL, READ_BACK | 2 | 8);
			for (int i = 0; i < 6; i++)
				agent_inb(vcpu, PIT + (i & 2));
			if (mode == 2 || mode == 3) {
				wait_ticks(vcpu, 1);
				start = now_ns();
				wait_ticks(vcpu, 10);
				/* 200 us each; some may have waited already */
				CHECK(now_ns() - start >= 6 * 200000);
			}
		}
	}
	program(vcpu, 0, 0, 0);
	agent_window(vcpu);
}

static void read_all(struct vcpu *vcpu)
{
	agent_outb(vcpu, CONTROL, READ_BACK | 14);
	for (int channel = 0; channel < 3; channel++) {
		for (int i = 0; i < 4; i++)
			agent_inb(vcpu, PIT + channel);
		agent_outb(vcpu, CONTROL, channel << 6);
		agent_inb(vcpu, PIT + channel);
	}
	agent_inb(vcpu, SPEAKER);
}

/* A count of 0 in the state is 65536, as through the ports, in every mode. */
SUBTEST(class10_state_of_zeros)
{
	struct vcpu *vcpu = pit_machine();
	struct kvm_pit_state2 s = { };
	struct kvm_pit_state old = { };

	for (int mode = 0; mode < 8; mode++) {
		test_doing("mode %d", mode);
		for (int i = 0; i < 3; i++) {
			s.channels[i].mode = mode;
			old.channels[i].mode = mode;
		}
		CHECK_EQ(set_pit(vcpu->vm, &s), 0);
		for (int i = 0; i < 3; i++)
			CHECK_EQ(count_of(vcpu, i), 0x10000);
		read_all(vcpu);
		CHECK_EQ(xioctl(vcpu->vm->fd, KVM_SET_PIT, (uintptr_t)&old), 0);
		read_all(vcpu);
	}
	program(vcpu, 0, 2, 2 * MS);
	wait_ticks(vcpu, 2);
}

SUBTEST(class10_states_that_no_chip_has)
{
	struct vcpu *vcpu = pit_machine();
	struct kvm_pit_state2 s;

	for (int i = 0; i < 60; i++) {
		u8 *p = (u8 *)&s;

		test_doing("state %d", i);
		for (u64 k = 0; k < sizeof(s); k++)
			p[k] = i ? test_rand() >> 16 : 0xff;
		if (i & 1)
			for (int k = 0; k < 3; k++) {
				s.channels[k].mode &= 7;
				s.channels[k].count &= 0x3ffff;
			}
		CHECK_EQ(set_pit(vcpu->vm, &s), 0);
		get_pit(vcpu->vm);
		read_all(vcpu);
		agent_window(vcpu);
	}
	memset(&s, 0, sizeof(s));
	CHECK_EQ(set_pit(vcpu->vm, &s), 0);
	program(vcpu, 0, 2, 2 * MS);
	wait_ticks(vcpu, 3);
}

static void guest_hammer(u64 n)
{
	asm volatile("sti" : : : "memory");
	for (u64 i = 0; i < n; i++) {
		outb(CONTROL, i << 4 | (i & 0xe));
		outb(PIT, i);
		outb(PIT + 2, 0);
		inb(PIT + 1);
		inb(PIT + i % 3);
		outb(CONTROL, READ_BACK | 14);
		outb(SPEAKER, i);
		inb(SPEAKER);
	}
	asm volatile("cli" : : : "memory");
}

static void *hammering_vcpu(void *arg)
{
	agent_call((struct vcpu *)arg, guest_hammer, 500);
	return NULL;
}

/* Zeros and other states are set while two vCPUs use the ports and take the ticks. */
SUBTEST(class10_ports_and_states_at_once)
{
	struct kvm_pit_state2 zeros = { }, s;
	struct vcpu *vcpu = pit_machine();
	struct vcpu *other = vcpu_create(vcpu->vm, 1);
	struct thread t[2];
	u32 n = 0;

	agent_start(other);
	agent_call(other, guest_xapic_enable, 0);
	thread_start(&t[0], 0, hammering_vcpu, vcpu);
	thread_start(&t[1], nr_cpus() - 1, hammering_vcpu, other);
	while (!__atomic_load_n(&t[0].done, __ATOMIC_ACQUIRE) ||
	       !__atomic_load_n(&t[1].done, __ATOMIC_ACQUIRE)) {
		s = get_pit(vcpu->vm);
		zeros.channels[0].mode = n & 7;
		zeros.channels[2].mode = n >> 3 & 7;
		CHECK_EQ(set_pit(vcpu->vm, n & 1 ? &zeros : &s), 0);
		CHECK_EQ(set_reinject(vcpu->vm, n & 2), 0);
		if (n++ % 8 == 0)
			sched_yield();
	}
	thread_join(&t[0]);
	thread_join(&t[1]);
	CHECK_EQ(set_reinject(vcpu->vm, false), 0);
	program(vcpu, 0, 0, 0);
	agent_window(vcpu);
	program(vcpu, 0, 2, 2 * MS);
	wait_ticks(vcpu, 3);
}

/*
 * A machine that goes away in the middle of its ticks. Those that come as fast as they can
 * are not waited for: a guest on a slow host does nothing but serve them.
 */
SUBTEST(machine_freed_while_ticking)
{
	for (int i = 0; i < 10; i++) {
		struct vcpu *vcpu = pit_machine();

		program(vcpu, 0, 2, i & 1 ? 1 : patience(MS));
		if (!(i & 1) && (i & 2))
			wait_ticks(vcpu, 2);
		vm_free(vcpu->vm);
	}
}
