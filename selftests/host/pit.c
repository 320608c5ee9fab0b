// SPDX-License-Identifier: GPL-2.0
/*
 * pit - the 8254 of KVM_CREATE_PIT2: its three counters through ports 0x40 to 0x43, the
 * speaker's port 0x61, ticks of counter 0 at GSI 0. Times are lower bounds where one can
 * be had: n ticks after n periods, never before. Lost ticks and what user space does to
 * the chip's state are in pitapi.c.
 */
#include "pit.h"

/* ---- making one ------------------------------------------------------------------ */

SUBTEST(state_of_a_new_chip)
{
	struct vm *vm = ioapic_machine(1);
	struct kvm_pit_state2 s;

	CHECK_EQ(create_pit(vm, 0), 0);
	memset(&s, 0xa5, sizeof(s));
	CHECK_EQ(xioctl(vm->fd, KVM_GET_PIT2, (uintptr_t)&s), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(s.channels[i].count, 0x10000);
		CHECK_EQ(s.channels[i].gate, i != 2);
		CHECK_EQ(s.channels[i].mode, 0xff);	/* none until a control word */
		CHECK_EQ(s.channels[i].rw_mode, 0);
		CHECK_EQ(s.channels[i].status_latched, 0);
		CHECK_EQ(s.channels[i].count_latched, 0);
	}
	CHECK_EQ(s.flags, 0);
	for (u64 i = 0; i < ARRAY_SIZE(s.reserved); i++)
		CHECK_EQ(s.reserved[i], 0);		/* class 28 */
}

SUBTEST(class12_created_twice)
{
	struct vm *vm = ioapic_machine(0);

	CHECK_EQ(xioctl(vm->fd, KVM_CREATE_PIT2, 8), -EFAULT);
	CHECK_EQ(create_pit(vm, 0), 0);
	CHECK_EQ(create_pit(vm, 0), -EEXIST);
	CHECK_EQ(create_pit(vm, ~0u), -EEXIST);
	CHECK_EQ(xioctl(vm->fd, KVM_CREATE_PIT, 0), -EEXIST);
	vm = ioapic_machine(0);
	CHECK_EQ(xioctl(vm->fd, KVM_CREATE_PIT, 0), 0);
	CHECK_EQ(create_pit(vm, 0), -EEXIST);
}

SUBTEST(class12_calls_without_a_chip)
{
	struct kvm_pit_state2 s = { };
	struct vm *vm = ioapic_machine(0);

	CHECK_EQ(xioctl(vm->fd, KVM_GET_PIT, (uintptr_t)&s), -ENXIO);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_PIT, (uintptr_t)&s), -ENXIO);
	CHECK_EQ(xioctl(vm->fd, KVM_GET_PIT2, (uintptr_t)&s), -ENXIO);
	CHECK_EQ(set_pit(vm, &s), -ENXIO);
	CHECK_EQ(set_reinject(vm, false), -ENXIO);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_PIT, 8), -EFAULT);
	CHECK_EQ(xioctl(vm->fd, KVM_GET_PIT2, 8), -ENXIO);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_PIT2, 8), -EFAULT);
	CHECK_EQ(xioctl(vm->fd, KVM_REINJECT_CONTROL, 8), -EFAULT);
	CHECK_EQ(create_pit(vm, 0), 0);
	CHECK_EQ(xioctl(vm->fd, KVM_GET_PIT, 8), -EFAULT);
	CHECK_EQ(xioctl(vm->fd, KVM_GET_PIT2, 8), -EFAULT);
}

/*
 * Without the interrupt controllers there is nothing to tick at: KVM of Linux 6.1 makes
 * one all the same, later ones refuse. Either way nothing falls over, in any order.
 */
SUBTEST(class12_without_interrupt_controllers)
{
	struct kvm_pit_state2 s = { .channels = { { .mode = 2, .count = 1 } } };
	struct vm *vm;

	for (int split = 0; split < 2; split++) {
		int ret;

		vm = vm_create();
		if (split)
			vm_split_irqchip(vm, 24);
		ret = create_pit(vm, 0);
		CHECK(ret == 0 || ret == -ENOENT);
		CHECK_EQ(set_pit(vm, &s), ret ? -ENXIO : 0);
		CHECK_EQ(set_reinject(vm, false), ret ? -ENXIO : 0);
		CHECK_EQ(set_reinject(vm, true), ret ? -ENXIO : 0);
		CHECK_EQ(xioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), split ? -EEXIST : 0);
		CHECK_EQ(set_pit(vm, &s), ret ? -ENXIO : 0);
		vcpu_create(vm, 0);
		CHECK_EQ(create_pit(vm, 0), ret ? (split ? -ENOENT : 0) : -EEXIST);
		vm_free(vm);
	}
	vm = ioapic_machine(1);			/* behind the vCPUs: as good */
	CHECK_EQ(create_pit(vm, 0), 0);
	CHECK_EQ(set_pit(vm, &s), 0);
}

/* Flags beyond the speaker's are ignored. */
SUBTEST(flags_decide_about_the_speaker)
{
	static const u32 flags[] = { 0, KVM_PIT_SPEAKER_DUMMY, ~0u, ~1u };

	for (u64 i = 0; i < ARRAY_SIZE(flags); i++) {
		struct vm *vm = ioapic_machine(1);
		struct vcpu *vcpu = vm->vcpus[0];

		test_doing("flags %#x", flags[i]);
		CHECK_EQ(create_pit(vm, flags[i]), 0);
		if (flags[i] & KVM_PIT_SPEAKER_DUMMY) {
			CHECK_EQ(agent_inb(vcpu, SPEAKER) & ~REFRESH & ~OUT2, 0);
		} else {
			agent_order(vcpu, AGENT_IN, 1, SPEAKER, 0);
			*vcpu_expect_in(vcpu, SPEAKER, 1, 1) = 0x77;
			CHECK_EQ(vcpu_expect_sync(vcpu, AGENT_SYNC), 0x77);
		}
		for (u16 port = SPEAKER + 1; port < SPEAKER + 4; port++) {
			agent_order(vcpu, AGENT_OUT, 1, port, 0);
			vcpu_expect_out(vcpu, port, 1, 1);
			vcpu_expect_sync(vcpu, AGENT_SYNC);
		}
		vm_free(vm);
	}
}

/* The first way to make one, which has no flags, makes one with a speaker. */
SUBTEST(made_without_flags)
{
	struct vm *vm = ioapic_machine(1);

	CHECK_EQ(xioctl(vm->fd, KVM_CREATE_PIT, 0), 0);
	CHECK_EQ(get_pit(vm).flags, 0);
	agent_outb(vm->vcpus[0], SPEAKER, SPEAKER_ON);
	CHECK_EQ(agent_inb(vm->vcpus[0], SPEAKER) & (SPEAKER_ON | GATE2), SPEAKER_ON);
	CHECK_EQ(get_pit(vm).flags, KVM_PIT_FLAGS_SPEAKER_DATA_ON);
}

/* ---- control words, counts ---------------------------------------------------------- */

SUBTEST(control_words)
{
	struct vcpu *vcpu = pit_machine();

	for (int channel = 0; channel < 3; channel++) {
		for (int word = LOW; word < 0x40; word++) {
			const int mode = word >> 1 & 7;
			struct kvm_pit_channel_state c;

			test_doing("channel %d, control word %#x", channel, word);
			agent_outb(vcpu, CONTROL, channel << 6 | word);
			c = get_pit(vcpu->vm).channels[channel];
			CHECK_EQ(c.mode, mode > 5 ? mode - 4 : mode);
			CHECK_EQ(c.rw_mode, word >> 4);
			CHECK_EQ(c.bcd, word & 1);
			CHECK_EQ(c.read_state, word >> 4);
			CHECK_EQ(c.write_state, word >> 4);
		}
	}
}

SUBTEST(counts_by_bytes)
{
	struct vcpu *vcpu = pit_machine();

	for (int channel = 0; channel < 3; channel++) {
		const u16 port = PIT + channel;
		const u8 word = channel << 6 | 2 << 1;

		test_doing("channel %d", channel);
		agent_outb(vcpu, CONTROL, word | BOTH);
		agent_outb(vcpu, port, 0x34);
		CHECK_EQ(count_of(vcpu, channel), 0x10000);	/* one byte is no count */
		CHECK_EQ(get_pit(vcpu->vm).channels[channel].write_latch, 0x34);
		agent_outb(vcpu, port, 0x92);
		CHECK_EQ(count_of(vcpu, channel), 0x9234);
		agent_outb(vcpu, port, 0);
		CHECK_EQ(count_of(vcpu, channel), 0x9234);
		agent_outb(vcpu, port, 0);
		CHECK_EQ(count_of(vcpu, channel), 0x10000);	/* 0 is the largest */
		agent_outb(vcpu, CONTROL, word | LOW);
		agent_outb(vcpu, port, 0x81);
		CHECK_EQ(count_of(vcpu, channel), 0x81);
		agent_outb(vcpu, port, 0);
		CHECK_EQ(count_of(vcpu, channel), 0x10000);
		agent_outb(vcpu, CONTROL, word | HIGH);
		agent_outb(vcpu, port, 0x81);
		CHECK_EQ(count_of(vcpu, channel), 0x8100);
		/* A control word between two bytes begins anew. */
		agent_outb(vcpu, CONTROL, word | BOTH);
		agent_outb(vcpu, port, 0x11);
		agent_outb(vcpu, CONTROL, word | BOTH);
		agent_outb(vcpu, port, 0x22);
		agent_outb(vcpu, port, 0x33);
		CHECK_EQ(count_of(vcpu, channel), 0x3322);
	}
}

/* BCD is a bit of the status. Counts are binary all the same. */
SUBTEST(bcd_is_noted_only)
{
	struct vcpu *vcpu = pit_machine();

	agent_outb(vcpu, CONTROL, 2 << 6 | BOTH | 2 << 1 | BCD);
	agent_outb(vcpu, PIT + 2, 0);
	agent_outb(vcpu, PIT + 2, 0);
	CHECK_EQ(count_of(vcpu, 2), 0x10000);
	agent_outb(vcpu, CONTROL, READ_BACK | NO_COUNT | 8);
	CHECK_EQ(agent_inb(vcpu, PIT + 2) & 0x3f, BOTH | 2 << 1 | BCD);
	CHECK_EQ(get_pit(vcpu->vm).channels[2].bcd, 1);
}

SUBTEST(latched_counts)
{
	struct vcpu *vcpu = pit_machine();

	for (int channel = 0; channel < 3; channel++) {
		struct kvm_pit_channel_state c;
		u16 a, b;

		test_doing("channel %d", channel);
		program(vcpu, channel, 2, 0xffff);
		agent_outb(vcpu, CONTROL, channel << 6);
		c = get_pit(vcpu->vm).channels[channel];
		CHECK_EQ(c.count_latched, 3);
		CHECK(c.latched_count > 0);
		/* Time passes, a second latch is ignored: the first count is read. */
		pass_time(200000);
		agent_outb(vcpu, CONTROL, channel << 6);
		CHECK_EQ(agent_inb(vcpu, PIT + channel), c.latched_count & 0xff);
		CHECK_EQ(get_pit(vcpu->vm).channels[channel].count_latched, 2);
		CHECK_EQ(agent_inb(vcpu, PIT + channel), c.latched_count >> 8);
		CHECK_EQ(get_pit(vcpu->vm).channels[channel].count_latched, 0);
		a = latched(vcpu, channel);
		pass_time(200000);
		b = latched(vcpu, channel);
		CHECK((u16)(c.latched_count - a) >= MS / 5);
		CHECK((u16)(a - b) >= MS / 5);
		CHECK((u16)(a - b) < 0xf000);
	}
}

/* Unlatched, the bytes are those of the running count; LOW and HIGH are one each. */
SUBTEST(unlatched_counts)
{
	struct vcpu *vcpu = pit_machine();

	program(vcpu, 1, 2, 0);
	CHECK_EQ(get_pit(vcpu->vm).channels[1].read_state, 3);
	agent_inb(vcpu, PIT + 1);
	CHECK_EQ(get_pit(vcpu->vm).channels[1].read_state, 4);
	agent_inb(vcpu, PIT + 1);
	CHECK_EQ(get_pit(vcpu->vm).channels[1].read_state, 3);
	agent_outb(vcpu, CONTROL, 1 << 6 | HIGH | 2 << 1);
	agent_outb(vcpu, PIT + 1, 0x40);
	for (int i = 0; i < 3; i++)
		CHECK(agent_inb(vcpu, PIT + 1) <= 0x40);
	agent_outb(vcpu, CONTROL, 1 << 6 | LOW | 2 << 1);
	agent_outb(vcpu, PIT + 1, 2);
	for (int i = 0; i < 3; i++) {
		const u8 n = agent_inb(vcpu, PIT + 1);

		CHECK(n == 1 || n == 2);
	}
	agent_outb(vcpu, CONTROL, 1 << 6);
	CHECK_EQ(get_pit(vcpu->vm).channels[1].count_latched, 1);
	agent_inb(vcpu, PIT + 1);
	CHECK_EQ(get_pit(vcpu->vm).channels[1].count_latched, 0);
}

SUBTEST(read_back)
{
	struct vcpu *vcpu = pit_machine();
	struct kvm_pit_state2 s;

	program(vcpu, 1, 2, 0x8000);
	program(vcpu, 2, 3, 0x4000);
	agent_outb(vcpu, CONTROL, READ_BACK | 4 | 8);		/* 1 and 2, all */
	s = get_pit(vcpu->vm);
	CHECK_EQ(s.channels[0].status_latched | s.channels[0].count_latched, 0);
	for (int channel = 1; channel < 3; channel++) {
		struct kvm_pit_channel_state *c = &s.channels[channel];

		test_doing("channel %d", channel);
		CHECK_EQ(c->status_latched, 1);
		CHECK_EQ(c->count_latched, 3);
		CHECK_EQ(c->status & 0x3f, BOTH | (channel + 1) << 1);
		CHECK_EQ(agent_inb(vcpu, PIT + channel), c->status);
		CHECK_EQ(agent_inb(vcpu, PIT + channel), c->latched_count & 0xff);
		CHECK_EQ(agent_inb(vcpu, PIT + channel), c->latched_count >> 8);
	}
	s = get_pit(vcpu->vm);
	CHECK_EQ(s.channels[1].status_latched | s.channels[2].count_latched, 0);
	agent_outb(vcpu, CONTROL, READ_BACK | NO_STATUS | 2);
	s = get_pit(vcpu->vm);
	CHECK_EQ(s.channels[0].status_latched, 0);
	CHECK_EQ(s.channels[1].status_latched | s.channels[1].count_latched, 0);
	agent_outb(vcpu, CONTROL, READ_BACK | NO_COUNT | NO_STATUS | 14);
	CHECK_EQ(get_pit(vcpu->vm).channels[2].status_latched, 0);
	/* Mode 0: OUT rises when the count is over. */
	program(vcpu, 2, 0, MS);
	agent_outb(vcpu, CONTROL, READ_BACK | NO_COUNT | 8);
	CHECK_EQ(agent_inb(vcpu, PIT + 2) & 0xbf, BOTH);
	pass_time(count_ns(MS) + 1);
	agent_outb(vcpu, CONTROL, READ_BACK | NO_COUNT | 8);
	CHECK_EQ(agent_inb(vcpu, PIT + 2) & 0xbf, 0x80 | BOTH);
}

/* A wider access is the byte at its first port, if it fits into the four. */
SUBTEST(class06_wide_port_accesses)
{
	struct vcpu *vcpu = pit_machine();

	agent_do(vcpu, AGENT_OUT, 4, PIT, 0x11223344);
	agent_do(vcpu, AGENT_OUT, 2, PIT + 2, 0x1234);
	agent_outb(vcpu, CONTROL, 1 << 6 | BOTH | 2 << 1);
	agent_do(vcpu, AGENT_OUT, 2, PIT + 1, 0x5534);
	agent_do(vcpu, AGENT_OUT, 2, PIT + 1, 0x5512);
	CHECK_EQ(count_of(vcpu, 1), 0x1234);
	agent_outb(vcpu, CONTROL, 1 << 6);
	CHECK(agent_do(vcpu, AGENT_IN, 2, PIT + 1, 0) < 0x100);
	agent_inb(vcpu, CONTROL);			/* the control word is not read */
	agent_order(vcpu, AGENT_OUT, 2, CONTROL, 0x7755);
	vcpu_expect_out(vcpu, CONTROL, 2, 1);
	vcpu_expect_sync(vcpu, AGENT_SYNC);
	agent_order(vcpu, AGENT_IN, 4, PIT + 1, 0);
	vcpu_expect_in(vcpu, PIT + 1, 4, 1);
	vcpu_expect_sync(vcpu, AGENT_SYNC);
}

/* ---- the speaker's port --------------------------------------------------------------- */

SUBTEST(gate_and_speaker)
{
	static const u8 values[] = { 0, 1, 2, 3, 2, 1, 0, 3, 0 };
	struct vcpu *vcpu = pit_machine();
	u32 seen = 0;

	for (u64 i = 0; i < ARRAY_SIZE(values); i++) {
		const u32 v = values[i];

		agent_outb(vcpu, SPEAKER, 0xfc | v);
		CHECK_EQ(agent_inb(vcpu, SPEAKER) & 0xcf, v);
		CHECK_EQ(get_pit(vcpu->vm).channels[2].gate, v & GATE2);
		CHECK_EQ(get_pit(vcpu->vm).flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON,
			 v & SPEAKER_ON ? KVM_PIT_FLAGS_SPEAKER_DATA_ON : 0);
	}
	/* Memory refresh, as it was: a bit that toggles every 15 us. */
	for (u64 start = now_ns(); now_ns() - start < limit_ns(10) && seen != 3;)
		seen |= agent_inb(vcpu, SPEAKER) & REFRESH ? 1 : 2;
	CHECK_EQ(seen, 3);
}

static u64 guest_wait_out2(u64 arg)
{
	u64 polls = 1;

	while (!(inb(SPEAKER) & OUT2))
		polls++;
	return polls;
}

/* How guests measure their TSC: counter 2 in mode 0, and OUT of it. */
SUBTEST(counter_2_measures_time)
{
	struct vcpu *vcpu = pit_machine();
	u64 start, ns;

	agent_outb(vcpu, SPEAKER, GATE2);
	program(vcpu, 2, 0, 0xffff);
	CHECK_EQ(agent_inb(vcpu, SPEAKER) & OUT2, 0);
	start = now_ns();
	program(vcpu, 2, 0, 5 * MS);
	CHECK(agent_call(vcpu, guest_wait_out2, 0) > 1);
	ns = now_ns() - start;
	CHECK(ns >= count_ns(5 * MS));
	CHECK(ns < limit_ns(10));
	CHECK(agent_inb(vcpu, SPEAKER) & OUT2);
}

/* In mode 1 and the periodic ones a rising gate starts the counter again. */
SUBTEST(gate_starts_counter_2)
{
	struct vcpu *vcpu = pit_machine();
	u16 n;

	for (int mode = 1; mode <= 5; mode += mode == 3 ? 2 : 1) {
		test_doing("mode %d", mode);
		agent_outb(vcpu, SPEAKER, 0);
		program(vcpu, 2, mode, 0xf000);
		pass_time(count_ns(0x4000));
		agent_outb(vcpu, SPEAKER, GATE2);
		n = latched(vcpu, 2);
		CHECK(n > 0xf000 - 0x3000 && n <= 0xf000);
		pass_time(count_ns(0x4000));
		agent_outb(vcpu, SPEAKER, GATE2);	/* no edge */
		CHECK(latched(vcpu, 2) < 0xf000 - 0x3000);
	}
	/* Square wave: OUT is both. */
	program(vcpu, 2, 3, 2 * MS);
	agent_call(vcpu, guest_wait_out2, 0);
	for (u64 start = now_ns(); agent_inb(vcpu, SPEAKER) & OUT2;)
		CHECK(now_ns() - start < limit_ns(20));
}

/* ---- ticks ------------------------------------------------------------------------------- */

SUBTEST(periodic_ticks)
{
	struct vcpu *vcpu = pit_machine();

	for (int mode = 2; mode <= 3; mode++) {
		u64 start, before;

		test_doing("mode %d", mode);
		program(vcpu, 0, 5, 0);		/* stops the one before, whose last ... */
		agent_window(vcpu);		/* ... may have waited */
		start = now_ns();
		before = ticks(vcpu);
		program(vcpu, 0, mode, 2 * MS);
		wait_ticks(vcpu, 10);
		CHECK(now_ns() - start >= (ticks(vcpu) - before) * count_ns(2 * MS));
		CHECK(now_ns() - start < limit_ns(200));
	}
}

/* Modes 0, 1 and 4: one tick, then no more until a count is loaded. Mode 5: none. */
SUBTEST(single_ticks)
{
	struct vcpu *vcpu = pit_machine();
	static const u8 modes[] = { 0, 1, 4 };

	for (u64 i = 0; i < 2 * ARRAY_SIZE(modes); i++) {
		const u64 start = now_ns();

		test_doing("mode %d", modes[i / 2]);
		program(vcpu, 0, modes[i / 2], 3 * MS);
		CHECK_EQ(taken(vcpu, VECTOR), 0);
		wait_ticks(vcpu, 1);
		CHECK(now_ns() - start >= count_ns(3 * MS));
		CHECK_EQ(taken(vcpu, VECTOR), 1);
		pass_time(3 * count_ns(3 * MS));
		CHECK_EQ(taken(vcpu, VECTOR), 0);
	}
	program(vcpu, 0, 2, 3 * MS);
	program(vcpu, 0, 5, 3 * MS);
	guest_var(vcpu->vm, guest_irqs)[0][VECTOR] = 0;
	pass_time(3 * count_ns(3 * MS));
	CHECK_EQ(taken(vcpu, VECTOR), 0);
}

SUBTEST(new_count_ends_the_old_one)
{
	struct vcpu *vcpu = pit_machine();
	u64 start;

	program(vcpu, 0, 2, 1 * MS);
	wait_ticks(vcpu, 3);
	program(vcpu, 0, 2, 0);			/* 55 ms */
	start = now_ns();
	agent_window(vcpu);			/* one that was on its way */
	guest_var(vcpu->vm, guest_irqs)[0][VECTOR] = 0;
	wait_ticks(vcpu, 1);
	CHECK(now_ns() - start >= count_ns(0x10000) / 2);
}

/* Also what the guest has not taken yet: of many ticks there is the one that waits. */
SUBTEST(new_count_forgets_late_ticks)
{
	struct vcpu *vcpu = pit_machine();

	program(vcpu, 0, 2, 2 * MS);
	pass_time(10 * count_ns(2 * MS));
	program(vcpu, 0, 0, 0);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	CHECK_EQ(taken(vcpu, VECTOR), 0);
}

SUBTEST(ticks_follow_the_route_of_gsi_0)
{
	struct vcpu *vcpu = pit_machine();
	struct route_table t = { .head.nr = 1 };

	t.e[0] = chip_route(0, KVM_IRQCHIP_IOAPIC, 2);
	CHECK_EQ(set_routes(vcpu->vm, &t), 0);
	set_entry(vcpu, 0, MASKED);
	set_entry(vcpu, 2, VECTOR);
	program(vcpu, 0, 2, 2 * MS);
	wait_ticks(vcpu, 2);
	t.head.nr = 0;
	CHECK_EQ(set_routes(vcpu->vm, &t), 0);
	agent_window(vcpu);
	guest_var(vcpu->vm, guest_irqs)[0][VECTOR] = 0;
	pass_time(5 * count_ns(2 * MS));
	CHECK_EQ(taken(vcpu, VECTOR), 0);
}
