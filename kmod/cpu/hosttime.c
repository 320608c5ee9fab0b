// SPDX-License-Identifier: GPL-2.0
/*
 * hosttime.c - what is known of the host's clock: how long it has been running,
 * and which reading of its time stamp counter belongs to which moment.  Where the
 * host's own clock source is that counter, the kernel tells both as one; the
 * timekeeper's notifier says when that is so.
 */
#include <linux/clocksource.h>
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/pvclock_gtod.h>
#include <linux/seqlock.h>
#include <linux/timekeeper_internal.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "../lodge.h"
#include "hosttime.h"

/* What the notifier has seen last; written with interrupts off. */
static struct {
	seqcount_t seq;
	bool tsc;		/* the clock source is the counter */
	u8 changes;		/* the timekeeper's count of clock sources it has had */
	u32 mult, shift;	/* nanoseconds a tick: mult / 2^shift */
	ktime_t asleep;		/* time in suspend */
} seen = { .seq = SEQCNT_ZERO(seen.seq) };

static void (*tell)(void);

static void tell_work(struct work_struct *work)
{
	tell();
}

static DECLARE_WORK(work, tell_work);

/* The notifier runs inside the timekeeper's lock, where no work can be queued. */
static void queue_tell(struct irq_work *unused)
{
	queue_work(system_long_wq, &work);
}

static DEFINE_IRQ_WORK(irq_work, queue_tell);

/* At every tick, so that it looks before it does anything. */
static int timekeeper_moved(struct notifier_block *nb, unsigned long unused, void *timekeeper)
{
	const struct timekeeper *tk = timekeeper;
	const struct tk_read_base *raw = &tk->tkr_raw;
	bool tsc = raw->clock->vdso_clock_mode == VDSO_CLOCKMODE_TSC;

	if (likely(tsc == seen.tsc && tk->cs_was_changed_seq == seen.changes &&
		   raw->mult == seen.mult && raw->shift == seen.shift &&
		   tk->offs_boot == seen.asleep))
		return NOTIFY_OK;
	write_seqcount_begin(&seen.seq);
	seen.tsc = tsc;
	seen.changes = tk->cs_was_changed_seq;
	seen.mult = raw->mult;
	seen.shift = raw->shift;
	seen.asleep = tk->offs_boot;
	write_seqcount_end(&seen.seq);
	irq_work_queue(&irq_work);
	return NOTIFY_OK;
}

static struct notifier_block timekeeper_nb = { .notifier_call = timekeeper_moved };

static u64 ns_asleep(void)
{
	return ktime_to_ns(ktime_mono_to_any(0, TK_OFFS_BOOT));
}

u64 hosttime_ns(void)
{
	return ktime_get_raw_ns() + ns_asleep();
}

struct lodge_pace hosttime_pace(u64 num, u64 den)
{
	struct lodge_pace p = { };

	for (; num >= den; den <<= 1)
		p.shift++;
	for (; num < den / 2; num <<= 1)
		p.shift--;
	p.mul = mul_u64_u64_div_u64(num, BIT_ULL(32), den);
	return p;
}

void hosttime_sample(struct hosttime *t)
{
	struct system_time_snapshot snap;
	unsigned long flags;
	unsigned int seq;
	u64 num, den;

	do {
		seq = read_seqcount_begin(&seen.seq);
		ktime_get_snapshot(&snap);
		t->exact = seen.tsc && seen.changes == snap.cs_was_changed_seq;
		num = seen.mult;
		den = BIT_ULL(seen.shift);
	} while (read_seqcount_retry(&seen.seq, seq));
	t->tsc = snap.cycles;
	t->ns = ktime_to_ns(snap.raw) + ns_asleep();
	t->real_ns = ktime_to_ns(snap.real);
	if (!t->exact) {
		num = 1000000;
		den = tsc_khz ?: 1;
		local_irq_save(flags);
		t->tsc = rdtsc();
		t->ns = hosttime_ns();
		t->real_ns = ktime_get_real_ns();
		local_irq_restore(flags);
	}
	t->pace = hosttime_pace(num, den);
}

int hosttime_init(void (*changed)(void))
{
	tell = changed;
	return pvclock_gtod_register_notifier(&timekeeper_nb);
}

void hosttime_exit(void)
{
	pvclock_gtod_unregister_notifier(&timekeeper_nb);
	irq_work_sync(&irq_work);
	cancel_work_sync(&work);
}
