// SPDX-License-Identifier: GPL-2.0
/*
 * lapic_timer.c - the timer of the local APIC: one-shot, periodic, and until a
 * moment of the guest's TSC.  It counts nanoseconds of CLOCK_MONOTONIC (the bus
 * clock of this APIC is 1 GHz, as KVM's), by an hrtimer whose callback posts the
 * interrupt from the host's interrupt context.  A moment of the TSC is left to the
 * CPU's own timer (vmx/timer.h) while the guest runs; the hrtimer takes over while the
 * vCPU sleeps.  SDM vol. 3A 10.5.4.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/module.h>

#include "../lodge.h"
#include "../trace.h"
#include "../vmx/timer.h"
#include "../vmx/tsc.h"
#include "lapic_priv.h"

/*
 * From the end of the CPU's timer to the guest's handler it takes the host a while, so the
 * timer ends that much early, and the entry waits for what is left: kvm's parameter.
 */
static int lapic_timer_advance_ns __ro_after_init = -1;
module_param(lapic_timer_advance_ns, int, 0444);
MODULE_PARM_DESC(lapic_timer_advance_ns,
		 "how early a TSC deadline ends, to be on time; -1: each vCPU finds out (default)");

#define FIRST_ADVANCE_NS	1000
#define MAX_ADVANCE_NS		5000

/* The host's own timer interrupts are not to be the guest's to multiply. */
static unsigned int min_timer_period_us = 200;
module_param(min_timer_period_us, uint, 0644);
MODULE_PARM_DESC(min_timer_period_us, "shortest period of a guest's timer (default 200)");

static bool is_periodic(const struct lodge_lapic *apic)
{
	return apic->timer.mode == APIC_LVT_TIMER_PERIODIC;
}

static bool is_deadline(const struct lodge_lapic *apic)
{
	return apic->timer.mode == APIC_LVT_TIMER_TSCDEADLINE;
}

static struct lodge_lapic *apic_of(struct hrtimer *hr)
{
	return container_of(hr, struct lodge_lapic, timer.hr);
}

static enum hrtimer_restart expired(struct hrtimer *hr)
{
	struct lodge_lapic *apic = apic_of(hr);
	struct lapic_timer *t = &apic->timer;

	if (is_deadline(apic))
		WRITE_ONCE(t->deadline, 0);
	lapic_local(apic, APIC_LVTT);
	if (!is_periodic(apic))
		return HRTIMER_NORESTART;
	/* periods that the host slept through are one interrupt, as on a busy CPU */
	hrtimer_forward_now(hr, ns_to_ktime(t->period));
	t->expires = hrtimer_get_expires(hr);
	return HRTIMER_RESTART;
}

/* Ticks of the TSC. */
static u32 ticks_of(u32 ns)
{
	return div_u64((u64)ns * tsc_khz, NSEC_PER_MSEC);
}

void timer_init(struct lodge_lapic *apic)
{
	int ns = lapic_timer_advance_ns;

	apic->vcpu->timer_advance = ticks_of(ns < 0 ? FIRST_ADVANCE_NS : min(ns, MAX_ADVANCE_NS));
	hrtimer_init(&apic->timer.hr, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);
	apic->timer.hr.function = expired;
}

static void start(struct lodge_lapic *apic)
{
	hrtimer_start(&apic->timer.hr, apic->timer.expires, HRTIMER_MODE_ABS_HARD);
}

void timer_stop(struct lodge_lapic *apic)
{
	/* it has not been started since it was last stopped, if it has no moment to end at */
	if (apic->timer.expires)
		hrtimer_cancel(&apic->timer.hr);
	apic->timer.expires = 0;
	apic->vcpu->timer_tsc = 0;
}

static u64 count_to_ns(const struct lodge_lapic *apic, u32 count)
{
	return (u64)count << apic->timer.shift;
}

static void set_period(struct lodge_lapic *apic)
{
	struct lapic_timer *t = &apic->timer;

	t->period = count_to_ns(apic, lapic_get(apic, APIC_TMICT));
	if (t->period && is_periodic(apic))
		t->period = max_t(u64, t->period, READ_ONCE(min_timer_period_us) * 1000ull);
}

/* Count from here; with nothing to count, stand still. */
static void begin(struct lodge_lapic *apic, u64 ns)
{
	if (!apic->timer.period)
		return;
	apic->timer.expires = ktime_add_ns(ktime_get(), ns);
	start(apic);
}

void timer_set_count(struct lodge_lapic *apic, u32 count)
{
	/* ignored in this mode: 10.5.4.1 */
	if (is_deadline(apic))
		return;
	timer_stop(apic);
	lapic_put(apic, APIC_TMICT, count);
	set_period(apic);
	begin(apic, apic->timer.period);
}

/* Nanoseconds to go; 0 if it stands. */
static u64 remaining(const struct lodge_lapic *apic)
{
	const struct lapic_timer *t = &apic->timer;
	s64 ns = ktime_to_ns(ktime_sub(READ_ONCE(t->expires), ktime_get()));

	if (!t->period || ns <= 0)
		return 0;
	return is_periodic(apic) ? ns % t->period : ns;
}

u32 timer_count(struct lodge_lapic *apic)
{
	if (is_deadline(apic))
		return 0;
	return min_t(u64, remaining(apic) >> apic->timer.shift, U32_MAX);
}

/* It goes on with as many counts as were left, at the new rate. */
void timer_set_divider(struct lodge_lapic *apic, u32 tdcr)
{
	static const u8 shifts[] = { 1, 2, 3, 4, 5, 6, 7, 0 };	/* figure 10-10 */
	u8 shift = shifts[(tdcr & 3) | (tdcr & 8) >> 1];
	u32 left = timer_count(apic);

	if (shift == apic->timer.shift)
		return;
	timer_stop(apic);
	apic->timer.shift = shift;
	if (is_deadline(apic))
		return;
	set_period(apic);
	if (left)
		begin(apic, count_to_ns(apic, left));
}

/*
 * Between one-shot and periodic it counts on; to and from the deadline mode it
 * stops and forgets: 10.5.4.1.
 */
void timer_set_mode(struct lodge_lapic *apic)
{
	struct lapic_timer *t = &apic->timer;
	u32 mode = lapic_get(apic, APIC_LVTT) & (3 << 17);
	bool to_deadline = mode == APIC_LVT_TIMER_TSCDEADLINE;

	if (mode == t->mode)
		return;
	if (to_deadline == is_deadline(apic)) {
		WRITE_ONCE(t->mode, mode);
		set_period(apic);
		return;
	}
	timer_stop(apic);
	WRITE_ONCE(t->mode, mode);
	lapic_put(apic, APIC_TMICT, 0);
	t->period = 0;
	t->deadline = 0;
}

void timer_restore(struct lodge_lapic *apic, u32 count)
{
	struct lapic_timer *t = &apic->timer;
	u64 deadline = t->deadline;

	timer_stop(apic);
	t->mode = lapic_get(apic, APIC_LVTT) & (3 << 17);
	t->period = 0;
	timer_set_divider(apic, lapic_get(apic, APIC_TDCR));
	if (is_deadline(apic)) {
		/* which moment that is comes as an MSR, before this or after */
		lapic_set_deadline(apic->vcpu, deadline);
		return;
	}
	set_period(apic);
	if (count || is_periodic(apic))
		begin(apic, count ? min(count_to_ns(apic, count), t->period) : t->period);
}

/* So many ticks of the guest's counter from now. */
static void start_in(struct lodge_lapic *apic, u64 ticks)
{
	apic->timer.expires = ktime_add_ns(ktime_get(), tsc_to_ns(apic->vcpu, ticks));
	start(apic);
}

u64 lapic_get_deadline(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *apic = vcpu->apic;

	return apic && is_deadline(apic) ? READ_ONCE(apic->timer.deadline) : 0;
}

void lapic_set_deadline(struct lodge_vcpu *vcpu, u64 deadline)
{
	struct lodge_lapic *apic = vcpu->apic;
	u64 now;

	if (!apic || !is_deadline(apic))
		return;
	timer_stop(apic);
	WRITE_ONCE(apic->timer.deadline, deadline);
	if (!deadline)
		return;
	now = tsc_of_guest(vcpu);
	if (deadline <= now) {
		lapic_timer_ended(vcpu);
		return;
	}
	/* its ticks are the host's, unless they are scaled */
	if (!vcpu->tsc_mult && vmx_timer_can(deadline - now))
		vcpu->timer_tsc = deadline - vcpu->tsc_offset;
	else
		start_in(apic, deadline - now);
	trace_lodge_timer(vcpu->id, deadline, vcpu->timer_tsc);
}

void lapic_timer_ended(struct lodge_vcpu *vcpu)
{
	vcpu->timer_tsc = 0;
	WRITE_ONCE(vcpu->apic->timer.deadline, 0);
	lapic_local(vcpu->apic, APIC_LVTT);
}

void lapic_timer_exit(struct lodge_vcpu *vcpu)
{
	vcpu->timer_due = vcpu->timer_tsc;
	lapic_timer_ended(vcpu);
}

/* What made it later than this had other reasons than the way in. */
#define LATE_BY_ACCIDENT	10000

/* In small steps: one entry that took longer is not the rule. */
static void learn(struct lodge_vcpu *vcpu, s64 late)
{
	if (lapic_timer_advance_ns >= 0 || abs(late) > LATE_BY_ACCIDENT)
		return;
	vcpu->timer_advance = clamp(vcpu->timer_advance + late / 8, 0ll,
				    (s64)ticks_of(MAX_ADVANCE_NS));
}

void lapic_timer_wait(struct lodge_vcpu *vcpu)
{
	u64 due = vcpu->timer_due, now = rdtsc();

	vcpu->timer_due = 0;
	learn(vcpu, now - due);
	/* a guest that looks at its TSC would not believe an interrupt from the future */
	if (now < due && due - now <= ticks_of(MAX_ADVANCE_NS) + LATE_BY_ACCIDENT)
		while (rdtsc() < due)
			cpu_relax();
}

void lapic_timer_sleep(struct lodge_vcpu *vcpu)
{
	u64 now = rdtsc();

	vcpu->apic->timer.lent = vcpu->timer_tsc;
	if (vcpu->apic->timer.lent)
		start_in(vcpu->apic, vcpu->timer_tsc > now ? vcpu->timer_tsc - now : 0);
}

void lapic_timer_wake(struct lodge_vcpu *vcpu)
{
	struct lapic_timer *t = &vcpu->apic->timer;

	if (!t->lent)
		return;
	t->lent = false;
	hrtimer_cancel(&t->hr);
	/* one of the two has done it, or both: the guest has not run since */
	if (!READ_ONCE(t->deadline))
		vcpu->timer_tsc = 0;
}

void lapic_clock_changed(struct lodge_vcpu *vcpu)
{
	u64 deadline = lapic_get_deadline(vcpu);

	if (deadline)
		lapic_set_deadline(vcpu, deadline);
}
