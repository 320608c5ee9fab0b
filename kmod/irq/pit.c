// SPDX-License-Identifier: GPL-2.0
/*
 * pit.c - the 8254 interval timer of a PC.  Guests come through ports 40h to 43h, and
 * 61h, where the speaker hung on its third counter; the first counter's ticks go to GSI
 * 0 by route.c.  What counters show is i8254.c's; here are the ports, the timer behind
 * the first counter and the book of ticks.
 *
 * A guest may count ticks.  One that comes before the guest has served the last is owed
 * to it: each time that it has served one, one that is owed follows.  Ticks that nobody
 * takes are owed to nobody.  KVM_REINJECT_CONTROL does away with the book.
 *
 * Two locks, both outside of vm->irq_lock.  pit->lock, a mutex, has the registers and
 * the timer's settings; the timer is stopped with it held, so the timer's callback never
 * takes it.  pit->tick_lock has the book; it is held while a tick goes down the line, so
 * that nobody serves a tick before it is written down what became of it.
 */
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../lodge.h"
#include "../io/bus.h"
#include "i8254.h"
#include "lapic.h"
#include "pit.h"
#include "route.h"

#define COUNTERS	0x40
#define CONTROL		3		/* offset of the control port */
#define SPEAKER		0x61

/* Bits of the speaker's port. */
enum { SPEAKER_GATE = 0x01, SPEAKER_DATA = 0x02, SPEAKER_REFRESH = 0x10, SPEAKER_OUT = 0x20 };

/* Nobody throttles what is done in a timer's interrupt: a guest gets no more than this. */
#define MIN_PERIOD_NS	200000

enum { PORTS_COUNTERS, PORTS_SPEAKER, NR_PORTS };

struct pit_ports {
	struct io_dev dev;		/* (C) */
	struct lodge_pit *pit;		/* (C) */
};

struct lodge_pit {
	struct lodge_vm *vm;		/* (C) */
	struct pit_ports ports[NR_PORTS];	/* (C) */
	int users;			/* creator, and ports on the bus; bus.c's order */
	struct mutex lock;		/* the next four */
	struct kvm_pit_channel_state channel[I8254_CHANNELS];
	u32 flags;			/* KVM_PIT_FLAGS_* */
	struct hrtimer timer;
	u64 period;			/* in ns, or 0; constant while the timer runs */
	spinlock_t tick_lock;		/* with interrupts off: the next three */
	bool reinject;			/* also read without */
	bool waiting;			/* for the guest to serve the last tick */
	u64 owed;			/* ticks that came meanwhile */
	bool unmasked;			/* (A) these two have become void */
};

static struct lodge_pit *pit_of(struct lodge_vm *vm)
{
	/* pairs with the release in pit_create() */
	return smp_load_acquire(&vm->pit);
}

/* Under tick_lock: one tick for the guest. */
static void pulse(struct lodge_pit *pit)
{
	lockdep_assert_held(&pit->tick_lock);
	pit->waiting = route_line(pit->vm, 0, SOURCE_PIT, true) > 0;
	route_line(pit->vm, 0, SOURCE_PIT, false);
}

static void forget(struct lodge_pit *pit)
{
	WRITE_ONCE(pit->unmasked, false);
	pit->waiting = false;
	pit->owed = 0;
}

/*
 * How many periods are over.  A host that is late gets as much time again before the next
 * tick, which then stands for several: at most half of a CPU goes into a guest's ticks.
 */
static u64 forward(struct hrtimer *timer, u64 period)
{
	ktime_t now = ktime_get(), late = ktime_sub(now, hrtimer_get_expires(timer));

	return max_t(u64, hrtimer_forward(timer, ktime_add(now, late), ns_to_ktime(period)), 1);
}

static enum hrtimer_restart timer_fired(struct hrtimer *timer)
{
	struct lodge_pit *pit = container_of(timer, struct lodge_pit, timer);
	u64 period = pit->period, ticks = 1;
	unsigned long flags;

	spin_lock_irqsave(&pit->tick_lock, flags);
	if (READ_ONCE(pit->unmasked))
		forget(pit);
	if (!pit->waiting || !pit->reinject) {
		pulse(pit);
		ticks--;
	}
	/* last, so that the time which this one took counts as late */
	if (period)
		ticks += forward(timer, period) - 1;
	if (pit->waiting && pit->reinject)
		pit->owed += ticks;
	spin_unlock_irqrestore(&pit->tick_lock, flags);
	lapic_lint0_nmi(pit->vm);
	return period ? HRTIMER_RESTART : HRTIMER_NORESTART;
}

void pit_acked(struct lodge_vm *vm)
{
	struct lodge_pit *pit = pit_of(vm);
	unsigned long flags;

	if (!pit || !READ_ONCE(pit->reinject))
		return;
	spin_lock_irqsave(&pit->tick_lock, flags);
	if (READ_ONCE(pit->unmasked))
		forget(pit);
	pit->waiting = false;
	if (pit->owed) {
		pit->owed--;
		pulse(pit);
	}
	spin_unlock_irqrestore(&pit->tick_lock, flags);
}

bool pit_wants_ack(struct lodge_vm *vm)
{
	struct lodge_pit *pit = pit_of(vm);

	return pit && READ_ONCE(pit->reinject);
}

void pit_unmasked(struct lodge_vm *vm)
{
	struct lodge_pit *pit = pit_of(vm);

	if (pit)
		WRITE_ONCE(pit->unmasked, true);
}

/* Nothing is owed from now on; whether anything will be. */
static void begin_book(struct lodge_pit *pit, bool reinject)
{
	unsigned long flags;

	spin_lock_irqsave(&pit->tick_lock, flags);
	forget(pit);
	WRITE_ONCE(pit->reinject, reinject);
	spin_unlock_irqrestore(&pit->tick_lock, flags);
}

int pit_set_reinject(struct lodge_vm *vm, bool reinject)
{
	struct lodge_pit *pit = pit_of(vm);

	if (!pit)
		return -ENXIO;
	mutex_lock(&pit->lock);
	if (pit->reinject != reinject) {
		begin_book(pit, reinject);
		lapic_rescan(vm);
	}
	mutex_unlock(&pit->lock);
	return 0;
}

/* The first counter has a new count. */
static void arm(struct lodge_pit *pit)
{
	const struct kvm_pit_channel_state *c = &pit->channel[0];
	enum i8254_end end = i8254_end(c);
	u64 interval = mul_u64_u32_div(c->count, NSEC_PER_SEC, I8254_HZ);

	hrtimer_cancel(&pit->timer);
	begin_book(pit, pit->reinject);
	/* in legacy mode a client's HPET has taken over */
	if (end == I8254_NOTHING || pit->flags & KVM_PIT_FLAGS_HPET_LEGACY)
		return;
	pit->period = end == I8254_AGAIN ? max_t(u64, interval, MIN_PERIOD_NS) : 0;
	hrtimer_start(&pit->timer, ktime_add_ns(ktime_get(), interval), HRTIMER_MODE_ABS);
}

static struct lodge_pit *of(struct io_dev *dev)
{
	return container_of(dev, struct pit_ports, dev)->pit;
}

/* Wider accesses than a byte are those of their first port, if the chip has them all. */
static bool covers(const struct io_dev *dev, u64 port, unsigned int len)
{
	return port + len <= dev->base + dev->len;
}

static struct kvm_pit_channel_state *counter(struct lodge_pit *pit, unsigned int n)
{
	return &pit->channel[array_index_nospec(n, I8254_CHANNELS)];
}

static bool read_counter(struct io_dev *dev, struct lodge_vcpu *vcpu, u64 port,
			 void *data, unsigned int len)
{
	struct lodge_pit *pit = of(dev);
	unsigned int n = port - COUNTERS;
	u8 value = 0;

	if (!covers(dev, port, len))
		return false;
	mutex_lock(&pit->lock);
	if (n != CONTROL)
		value = i8254_read(counter(pit, n), ktime_get_ns());
	mutex_unlock(&pit->lock);
	memset(data, 0, len);
	*(u8 *)data = value;
	return true;
}

static bool write_counter(struct io_dev *dev, struct lodge_vcpu *vcpu, u64 port,
			  const void *data, unsigned int len)
{
	struct lodge_pit *pit = of(dev);
	unsigned int n = port - COUNTERS;
	u8 value = *(const u8 *)data;

	if (!covers(dev, port, len))
		return false;
	mutex_lock(&pit->lock);
	if (n == CONTROL)
		i8254_control(pit->channel, value, ktime_get_ns());
	else if (i8254_write(counter(pit, n), value, ktime_get_ns()) && n == 0)
		arm(pit);
	mutex_unlock(&pit->lock);
	return true;
}

static bool read_speaker(struct io_dev *dev, struct lodge_vcpu *vcpu, u64 port,
			 void *data, unsigned int len)
{
	struct lodge_pit *pit = of(dev);
	const struct kvm_pit_channel_state *c = &pit->channel[2];
	u64 now = ktime_get_ns();
	u8 value = 0;

	mutex_lock(&pit->lock);
	if (c->gate)
		value |= SPEAKER_GATE;
	if (pit->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON)
		value |= SPEAKER_DATA;
	/* toggled with each refresh of the memory, every 15 us: 2^14 ns are near */
	if (now & BIT(14))
		value |= SPEAKER_REFRESH;
	if (i8254_out(c, now))
		value |= SPEAKER_OUT;
	mutex_unlock(&pit->lock);
	memset(data, 0, len);
	*(u8 *)data = value;
	return true;
}

static bool write_speaker(struct io_dev *dev, struct lodge_vcpu *vcpu, u64 port,
			  const void *data, unsigned int len)
{
	struct lodge_pit *pit = of(dev);
	u8 value = *(const u8 *)data;

	mutex_lock(&pit->lock);
	pit->flags &= ~KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	if (value & SPEAKER_DATA)
		pit->flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	i8254_set_gate(&pit->channel[2], value & SPEAKER_GATE, ktime_get_ns());
	mutex_unlock(&pit->lock);
	return true;
}

static void put(struct lodge_pit *pit)
{
	if (--pit->users)
		return;
	hrtimer_cancel(&pit->timer);
	kfree(pit);
}

static void destroy(struct io_dev *dev)
{
	put(of(dev));
}

static const struct io_ops counter_ops = {
	.read = read_counter,
	.write = write_counter,
	.destroy = destroy,
};

static const struct io_ops speaker_ops = {
	.read = read_speaker,
	.write = write_speaker,
	.destroy = destroy,
};

static const struct io_dev port_devs[NR_PORTS] = {
	[PORTS_COUNTERS] = { .ops = &counter_ops, .base = COUNTERS, .len = 4, .space = IO_PORTS },
	[PORTS_SPEAKER] = { .ops = &speaker_ops, .base = SPEAKER, .len = 1, .space = IO_PORTS },
};

/* The first @nr of them. */
static int add_ports(struct lodge_pit *pit, int nr)
{
	int i, err;

	for (i = 0; i < nr; i++) {
		pit->ports[i] = (struct pit_ports) { port_devs[i], pit };
		err = bus_add(pit->vm, &pit->ports[i].dev);
		if (err)
			goto fail;
		pit->users++;
	}
	return 0;
fail:
	while (--i >= 0)
		bus_remove(pit->vm, &pit->ports[i].dev);
	return err;
}

static void reset(struct lodge_pit *pit)
{
	int i;

	for (i = 0; i < I8254_CHANNELS; i++) {
		pit->channel[i].mode = 0xff;	/* none, until there is a control word */
		pit->channel[i].gate = i != 2;	/* the others' are wired to be high */
		i8254_load(&pit->channel[i], 0, ktime_get_ns());
	}
}

int pit_create(struct lodge_vm *vm, const struct kvm_pit_config *config)
{
	struct lodge_pit *pit;
	int err;

	lockdep_assert_held(&vm->lock);
	if (vm->pit)
		return -EEXIST;
	if (vm->irqchip != IRQCHIP_KERNEL)
		return -ENOENT;
	pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);
	if (!pit)
		return -ENOMEM;
	pit->vm = vm;
	pit->users = 1;
	pit->reinject = true;
	mutex_init(&pit->lock);
	spin_lock_init(&pit->tick_lock);
	hrtimer_init(&pit->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	pit->timer.function = timer_fired;
	reset(pit);
	mutex_lock(&vm->io_lock);
	err = add_ports(pit, config->flags & KVM_PIT_SPEAKER_DUMMY ? NR_PORTS : PORTS_SPEAKER);
	if (!err) {
		/* pairs with the acquire in pit_of() */
		smp_store_release(&vm->pit, pit);
		lapic_rescan(vm);
	}
	put(pit);
	mutex_unlock(&vm->io_lock);
	return err;
}

void pit_stop(struct lodge_vm *vm)
{
	hrtimer_cancel(&vm->pit->timer);
}

void pit_get(struct lodge_vm *vm, struct kvm_pit_state2 *out)
{
	struct lodge_pit *pit = pit_of(vm);

	memset(out, 0, sizeof(*out));
	mutex_lock(&pit->lock);
	BUILD_BUG_ON(sizeof(out->channels) != sizeof(pit->channel));
	memcpy(out->channels, pit->channel, sizeof(out->channels));
	out->flags = pit->flags;
	mutex_unlock(&pit->lock);
}

int pit_set(struct lodge_vm *vm, const struct kvm_pit_state2 *in, bool with_flags)
{
	struct lodge_pit *pit = pit_of(vm);
	int i;

	if (!pit)
		return -ENXIO;
	mutex_lock(&pit->lock);
	memcpy(pit->channel, in->channels, sizeof(pit->channel));
	if (with_flags)
		pit->flags = in->flags;
	for (i = 0; i < I8254_CHANNELS; i++)
		i8254_load(&pit->channel[i], pit->channel[i].count, ktime_get_ns());
	arm(pit);
	mutex_unlock(&pit->lock);
	return 0;
}
