// SPDX-License-Identifier: GPL-2.0
/*
 * lapictimer - the timer of the local APIC in the kernel as the guest programs it:
 * one-shot, periodic and by TSC deadline, at each speed, masked.
 */
#include "lapictimer.h"

/* ---- one-shot ---------------------------------------------------------- */

static void guest_one_shot(u64 count)
{
	u64 n = fired(), start;

	guest_apic_write(APIC_LVTT, TIMER);
	start = rdtsc();
	guest_apic_write(APIC_TMICT, count);
	guest_await(n + 1);
	guest_not_before(start, count);
	GUEST_ASSERT_EQ(guest_apic_read(APIC_TMCCT), 0);
	GUEST_ASSERT_EQ(guest_apic_read(APIC_TMICT), count);
	guest_quiet(2 * count / 1000 + 100);
}

SUBTEST(one_shot_fires_once)
{
	static const u32 counts[] = { 1, 2, 100, 10000, 250000, 1000000 };

	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic);

		for (u64 i = 0; i < ARRAY_SIZE(counts); i++)
			call(vcpu, guest_one_shot, counts[i]);
		CHECK_EQ(irqs(vcpu, TIMER), ARRAY_SIZE(counts));
		vm_free(vcpu->vm);
	}
}

/* Written again while it runs, it starts anew; with 0 it stops. */
static void guest_rewrites(u64 arg)
{
	u64 start;

	guest_apic_write(APIC_LVTT, TIMER);
	for (int i = 0; i < 5; i++) {
		start = rdtsc();
		guest_apic_write(APIC_TMICT, 600000 * slow);
		guest_passes(300);
	}
	GUEST_ASSERT_EQ(fired(), 0);
	guest_await(1);
	guest_not_before(start, 600000 * slow);
	guest_apic_write(APIC_TMICT, 300000 * slow);
	guest_apic_write(APIC_TMICT, 0);
	GUEST_ASSERT_EQ(guest_apic_read(APIC_TMCCT), 0);
	GUEST_ASSERT_EQ(guest_apic_read(APIC_TMICT), 0);
	guest_quiet(1000 * slow);
}

SUBTEST(initial_count_written_again)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic);

		call(vcpu, guest_rewrites, 0);
		vm_free(vcpu->vm);
	}
}

static void guest_watches_count(u64 count)
{
	u64 n = fired(), start = rdtsc(), ticks = to_ticks(LATE_US * 1000);
	u32 before = count, now;

	guest_apic_write(APIC_LVTT, TIMER);
	guest_apic_write(APIC_TMICT, count);
	do {
		now = guest_apic_read(APIC_TMCCT);
		GUEST_ASSERT(now <= before);
		before = now;
		GUEST_ASSERT(rdtsc() - start < ticks);
	} while (now);
	for (int i = 0; i < 50; i++)
		GUEST_ASSERT_EQ(guest_apic_read(APIC_TMCCT), 0);
	guest_not_before(start, count);
	guest_await(n + 1);
}

SUBTEST(current_count_goes_down)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic);

		call(vcpu, guest_watches_count, 3000000);
		vm_free(vcpu->vm);
	}
}

static void guest_longest(u64 arg)
{
	u32 a, b;

	guest_apic_write(APIC_LVTT, TIMER);
	for (u32 tdcr = 0; tdcr < 16; tdcr++) {
		guest_apic_write(APIC_TDCR, tdcr);
		guest_apic_write(APIC_TMICT, 0xffffffff);
		a = guest_apic_read(APIC_TMCCT);
		guest_passes(5);
		b = guest_apic_read(APIC_TMCCT);
		/* Half a second has not passed. */
		GUEST_ASSERT(a > 0xffffffff - 500000000);
		GUEST_ASSERT(b < a);
	}
	guest_quiet(100);
	guest_apic_write(APIC_TMICT, 0);
}

SUBTEST(class08_longest_count)
{
	struct vcpu *vcpu = timer_new(false);

	call(vcpu, guest_longest, 0);
	CHECK_EQ(irqs(vcpu, TIMER), 0);
}

/* ---- divide configuration ---------------------------------------------- */

static void guest_speed(u64 divide)
{
	u64 t[4], least, most;
	u32 a, b;

	t[0] = rdtsc();
	a = guest_apic_read(APIC_TMCCT);
	t[1] = rdtsc();
	guest_passes(300);
	t[2] = rdtsc();
	b = guest_apic_read(APIC_TMCCT);
	t[3] = rdtsc();
	/* Each reading was made between two of the clock's; 1 % for rounding. */
	least = to_ns(t[2] - t[1]) / divide;
	most = to_ns(t[3] - t[0]) / divide;
	GUEST_ASSERT(a - b + 2 >= least - least / 100);
	GUEST_ASSERT(a - b <= most + most / 100 + 2);
}

static void guest_divides(u64 tdcr)
{
	static const u8 divides[] = { 2, 4, 8, 16, 32, 64, 128, 1 };
	u32 set = tdcr & 0xb;

	guest_apic_write(APIC_LVTT, MASKED | TIMER);
	guest_apic_write(APIC_TDCR, tdcr);
	GUEST_ASSERT_EQ(guest_apic_read(APIC_TDCR), set);
	guest_apic_write(APIC_TMICT, 0x10000000);
	guest_speed(divides[(set & 3) | (set & 8) >> 1]);
}

SUBTEST(class08_divide_configuration)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic);

		for (u32 tdcr = 0; tdcr < 16; tdcr++) {
			test_doing("TDCR %#x, x2APIC %d", tdcr, x2apic);
			/* Bit 2 is reserved, which faults there. */
			if (!x2apic || !(tdcr & 4))
				call(vcpu, guest_divides, tdcr);
		}
		if (!x2apic) {
			call(vcpu, guest_divides, 0xfffffff5);
			call(vcpu, guest_divides, 0xffffffff);
		}
		vm_free(vcpu->vm);
	}
}

/* Changed while it counts, it counts on from there at the other speed. */
static void guest_changes_divider(u64 arg)
{
	u32 before, now;

	guest_apic_write(APIC_LVTT, MASKED | TIMER);
	guest_apic_write(APIC_TDCR, DIV_1);
	guest_apic_write(APIC_TMICT, 0x10000000);
	guest_passes(500);
	before = guest_apic_read(APIC_TMCCT);
	guest_apic_write(APIC_TDCR, 3);
	now = guest_apic_read(APIC_TMCCT);
	GUEST_ASSERT(now <= before);
	GUEST_ASSERT(now > before - 0x1000000);
	guest_speed(16);
	guest_apic_write(APIC_TDCR, 0);
	guest_speed(2);
	guest_apic_write(APIC_TMICT, 0);
}

SUBTEST(divider_changed_on_the_way)
{
	struct vcpu *vcpu = timer_new(false);

	call(vcpu, guest_changes_divider, 0);
}

/* ---- periodic ---------------------------------------------------------- */

static void guest_periods(u64 count)
{
	u64 n = fired(), start;

	guest_apic_write(APIC_LVTT, PERIODIC | TIMER);
	start = rdtsc();
	guest_apic_write(APIC_TMICT, count);
	for (int i = 1; i <= 8; i++) {
		guest_await(n + i);
		guest_not_before(start, i * count);
		GUEST_ASSERT(guest_apic_read(APIC_TMCCT) <= count);
	}
	guest_apic_write(APIC_TMICT, 0);
	guest_sti();
	guest_cli();
	guest_quiet(2 * count / 1000);
	GUEST_ASSERT_EQ(guest_apic_read(APIC_TMCCT), 0);
}

SUBTEST(periodic_fires_again)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic);

		call(vcpu, guest_periods, patience(300000));
		call(vcpu, guest_periods, patience(1000000));
		vm_free(vcpu->vm);
	}
}

/* Between these two modes the timer goes on: it fires once more, as one-shot. */
static void guest_periodic_to_one_shot(u64 arg)
{
	u64 n;

	guest_apic_write(APIC_LVTT, PERIODIC | TIMER);
	guest_apic_write(APIC_TMICT, 500000 * slow);
	guest_await(2);
	guest_apic_write(APIC_LVTT, TIMER);
	guest_sti();
	guest_passes(1500 * slow);
	guest_cli();
	n = fired();
	GUEST_ASSERT(n >= 2 && n <= 4);
	guest_quiet(1500 * slow);
}

SUBTEST(periodic_becomes_one_shot)
{
	struct vcpu *vcpu = timer_new(false);

	call(vcpu, guest_periodic_to_one_shot, 0);
}

/* A handler that takes the host longer than a period leaves the guest no time: it stops it. */
static u64 shortest_until;

static bool guest_stops_shortest(u64 vector)
{
	if (rdtsc() >= shortest_until)
		guest_apic_write(APIC_TMICT, 0);
	return false;
}

/* The shortest period there is must not keep the host busy: KVM allows 200 us. */
static void guest_shortest_period(u64 tdcr)
{
	u64 n = fired();

	guest_on_irq = guest_stops_shortest;
	shortest_until = rdtsc() + to_ticks(5000 * 1000);
	guest_apic_write(APIC_LVTT, PERIODIC | TIMER);
	guest_apic_write(APIC_TDCR, tdcr);
	guest_apic_write(APIC_TMICT, 1);
	guest_sti();
	guest_passes(5000);
	guest_apic_write(APIC_TMICT, 0);
	guest_passes(20);
	guest_cli();
	GUEST_ASSERT(fired() > n);
	GUEST_ASSERT(fired() < n + 100);
}

SUBTEST(class35_shortest_period)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic);

		call(vcpu, guest_shortest_period, DIV_1);
		call(vcpu, guest_shortest_period, 0);
		test_diag("%d interrupts in 10 ms", (int)irqs(vcpu, TIMER));
		vm_free(vcpu->vm);
	}
}

/* ---- by TSC deadline --------------------------------------------------- */

static void guest_deadlines(u64 us)
{
	u64 at, n = fired();

	guest_on_irq = guest_notes_time;
	guest_apic_write(APIC_LVTT, DEADLINE | TIMER);
	GUEST_ASSERT_EQ(deadline(), 0);
	for (int i = 1; i <= 5; i++) {
		at = rdtsc() + to_ticks(us * 1000);
		set_deadline(at);
		if (us > 100)		/* it is not over yet */
			GUEST_ASSERT_EQ(deadline(), at);
		guest_await(n + i);
		GUEST_ASSERT(fired_at >= at);
		GUEST_ASSERT_EQ(deadline(), 0);
	}
	guest_quiet(2 * us);
}

SUBTEST(deadline_fires_once)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic);

		call(vcpu, guest_deadlines, 5);
		call(vcpu, guest_deadlines, 50);
		call(vcpu, guest_deadlines, patience(400));
		vm_free(vcpu->vm);
	}
}

static u64 late_at_first, late_at_best;

/* How late its handler is: a host that ends the guest a little early can be in time. */
static void guest_deadlines_in_time(u64 rounds)
{
	u64 at, n = fired(), first = 0, best = ~0ull;

	guest_on_irq = guest_notes_time;
	guest_apic_write(APIC_LVTT, DEADLINE | TIMER);
	for (u64 i = 1; i <= rounds; i++) {
		at = rdtsc() + to_ticks(30000);
		set_deadline(at);
		guest_await(n + i);
		GUEST_ASSERT(fired_at >= at);
		if (i == 1)
			first = fired_at - at;
		else if (i > rounds / 2 && fired_at - at < best)
			best = fired_at - at;
	}
	late_at_first = first;
	late_at_best = best;
}

/* At least as good as at first; what is the load's no host can learn. */
SUBTEST(deadlines_come_closer)
{
	struct vcpu *vcpu = timer_new(true);
	u64 first, best;

	call(vcpu, guest_deadlines_in_time, 100);
	first = guest_var(vcpu->vm, late_at_first);
	best = guest_var(vcpu->vm, late_at_best);
	test_diag("late by %llu ticks at first, by %llu at the end", (unsigned long long)first,
		  (unsigned long long)best);
	CHECK(best <= first);
}

static void guest_odd_deadlines(u64 arg)
{
	u64 n = fired(), future[] = { ~0ull, rdtsc() + BIT(40), 1ull << 63 };

	guest_apic_write(APIC_LVTT, DEADLINE | TIMER);
	set_deadline(1);		/* over: fires now */
	guest_await(n + 1);
	set_deadline(rdtsc());
	guest_await(n + 2);
	GUEST_ASSERT_EQ(deadline(), 0);
	set_deadline(rdtsc() + to_ticks(500000 * slow));
	set_deadline(0);		/* disarms */
	GUEST_ASSERT_EQ(deadline(), 0);
	guest_quiet(1000 * slow);
	for (u64 i = 0; i < ARRAY_SIZE(future); i++) {
		set_deadline(future[i]);
		GUEST_ASSERT_EQ(deadline(), future[i]);
		guest_quiet(200);
		GUEST_ASSERT_EQ(deadline(), future[i]);
	}
	set_deadline(rdtsc() + to_ticks(100000));
	guest_await(n + 3);
	/* In this mode the other counters do nothing. */
	guest_apic_write(APIC_TMICT, 100000);
	GUEST_ASSERT_EQ(guest_apic_read(APIC_TMCCT), 0);
	guest_quiet(300);
}

SUBTEST(class08_deadlines_past_and_far)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic);

		call(vcpu, guest_odd_deadlines, 0);
		vm_free(vcpu->vm);
	}
}

/* In the other modes the MSR is there, reads 0 and does not take a value. */
static void guest_deadline_in_other_modes(u64 lvtt)
{
	guest_apic_write(APIC_LVTT, lvtt | TIMER);
	set_deadline(rdtsc() + to_ticks(10000));
	GUEST_ASSERT_EQ(deadline(), 0);
	guest_quiet(200);
	set_deadline(1);
	guest_quiet(10);
}

SUBTEST(deadline_in_other_modes)
{
	struct vcpu *vcpu = timer_new(false);

	call(vcpu, guest_deadline_in_other_modes, 0);
	call(vcpu, guest_deadline_in_other_modes, PERIODIC);
	CHECK_EQ(irqs(vcpu, TIMER), 0);
	CHECK_EQ(get_msr(vcpu, MSR_IA32_TSC_DEADLINE), 0);
}

/* To and from the deadline mode, what was armed is not any more. */
static void guest_switches_modes(u64 lvtt)
{
	guest_apic_write(APIC_LVTT, lvtt | TIMER);
	guest_apic_write(APIC_TMICT, 500000 * slow);
	guest_apic_write(APIC_LVTT, DEADLINE | TIMER);
	GUEST_ASSERT_EQ(deadline(), 0);
	GUEST_ASSERT_EQ(guest_apic_read(APIC_TMCCT), 0);
	guest_quiet(1000 * slow);
	guest_apic_write(APIC_LVTT, lvtt | TIMER);
	GUEST_ASSERT_EQ(guest_apic_read(APIC_TMICT), 0);
	GUEST_ASSERT_EQ(guest_apic_read(APIC_TMCCT), 0);
	guest_quiet(200);
	guest_apic_write(APIC_LVTT, DEADLINE | TIMER);
	set_deadline(rdtsc() + to_ticks(500000 * slow));
	guest_apic_write(APIC_LVTT, lvtt | TIMER);
	GUEST_ASSERT_EQ(deadline(), 0);
	guest_quiet(1000 * slow);
	guest_apic_write(APIC_LVTT, DEADLINE | TIMER);
	GUEST_ASSERT_EQ(deadline(), 0);
	guest_quiet(200);
}

SUBTEST(another_mode_stops_the_timer)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic);

		call(vcpu, guest_switches_modes, 0);
		call(vcpu, guest_switches_modes, PERIODIC);
		CHECK_EQ(irqs(vcpu, TIMER), 0);
		vm_free(vcpu->vm);
	}
}

/* ---- masked, disabled -------------------------------------------------- */

static void guest_masked(u64 ns)
{
	guest_apic_write(APIC_LVTT, MASKED | TIMER);
	guest_apic_write(APIC_TMICT, ns);
	guest_quiet(ns / 500);
	GUEST_ASSERT_EQ(guest_apic_read(APIC_TMCCT), 0);
	guest_apic_write(APIC_LVTT, MASKED | PERIODIC | TIMER);
	guest_apic_write(APIC_TMICT, ns);
	guest_quiet(ns / 300);
	GUEST_ASSERT(guest_apic_read(APIC_TMCCT) <= ns);
	guest_apic_write(APIC_TMICT, 0);
	guest_apic_write(APIC_LVTT, MASKED | DEADLINE | TIMER);
	set_deadline(rdtsc() + to_ticks(ns));
	guest_quiet(ns / 500);
	/* Masked while it runs; and by the software disable of the whole APIC. */
	guest_apic_write(APIC_LVTT, TIMER);
	guest_apic_write(APIC_TMICT, ns);
	guest_apic_write(APIC_LVTT, MASKED | TIMER);
	guest_quiet(ns / 500);
	guest_apic_write(APIC_TMICT, 0);
	guest_apic_write(APIC_LVTT, TIMER);
	guest_apic_write(APIC_TMICT, ns);
	guest_apic_write(APIC_SPIV, 0xff);
	guest_quiet(ns / 500);
	guest_apic_write(APIC_SPIV, 0x1ff);
	GUEST_ASSERT_EQ(guest_apic_read(APIC_LVTT), MASKED | TIMER);
	guest_quiet(ns / 1000);
	GUEST_ASSERT_EQ(fired(), 0);
}

SUBTEST(a_masked_timer_is_silent)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic);

		call(vcpu, guest_masked, patience(300000));
		vm_free(vcpu->vm);
	}
}

/* With an illegal vector there is nothing to deliver; the host does not mind. */
SUBTEST(class08_timer_with_an_illegal_vector)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic);

		for (u32 v = 0; v < 16; v += 5) {
			apic_wr(vcpu, APIC_LVTT, v);
			apic_wr(vcpu, APIC_TMICT, 1000);
			call(vcpu, guest_quiet, 100);
		}
		call(vcpu, guest_one_shot, 1000);
		CHECK_EQ(guest_var(vcpu->vm, guest_nr_events), 0);
		vm_free(vcpu->vm);
	}
}
