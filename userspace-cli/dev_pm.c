// SPDX-License-Identifier: GPL-2.0
/*
 * ACPI's fixed hardware: the power button, the way to turn the machine off, a timer that
 * only counts, and the interrupt (SCI) that tells of the first and the last. The registers
 * are those of the ACPI specification's chapter "ACPI Hardware"; the FADT (acpi.c) says
 * where they are.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "devices.h"
#include "err.h"

/* Offsets from PORT_PM1_EVENT. */
#define REG_STATUS		0
#define REG_ENABLE		2
#define REG_CONTROL		(PORT_PM1_CONTROL - PORT_PM1_EVENT)
#define REG_TIMER		(PORT_PM_TIMER - PORT_PM1_EVENT)
#define REGS			(REG_TIMER + 4)

/* In status and enable. */
#define PM1_TIMER		0x0001	/* its highest bit changed */
#define PM1_GLOBAL		0x0020	/* firmware gave up the global lock: never */
#define PM1_POWER_BUTTON	0x0100
#define PM1_CLOCK		0x0400	/* the CMOS clock's alarm: comes by its own interrupt */
#define PM1_BITS		(PM1_TIMER | PM1_GLOBAL | PM1_POWER_BUTTON | PM1_CLOCK)

#define CONTROL_SCI		0x0001	/* ACPI is on, as ever */
#define CONTROL_BUS_MASTER	0x0002
#define CONTROL_TYPE_SHIFT	10
#define CONTROL_TYPE_MASK	7
#define CONTROL_SLEEP		0x2000
#define CONTROL_BITS		(CONTROL_BUS_MASTER | CONTROL_TYPE_MASK << CONTROL_TYPE_SHIFT)

#define RESET_CPU		0x04	/* in PORT_RESET */

#define TIMER_HZ		3579545

struct pm {
	struct machine *machine;
	unsigned int source;
	int timer_fd;			/* expires when the timer's highest bit changes */
	pthread_mutex_t lock;		/* of all below */
	u64 born;			/* when the timer was 0, on the host's clock */
	u64 turns;			/* of the highest bit that were seen */
	u64 awaits;			/* the turn that timer_fd is set for, or 0 */
	u16 status, enable, control;
};

static u64 ticks(const struct pm *p)
{
	u64 ns = now_ns() - p->born;

	return ns / NS_PER_SECOND * TIMER_HZ + ns % NS_PER_SECOND * TIMER_HZ / NS_PER_SECOND;
}

/* The first moment with so many ticks, on the host's clock. */
static u64 when(const struct pm *p, u64 nr)
{
	return p->born + nr / TIMER_HZ * NS_PER_SECOND +
	       (nr % TIMER_HZ * NS_PER_SECOND + TIMER_HZ - 1) / TIMER_HZ;
}

/* Wakes the main thread at the next turn, if one is to be told of. */
static void set_timer(struct pm *p)
{
	bool wanted = p->enable & PM1_TIMER && !(p->status & PM1_TIMER);
	u64 next = wanted ? p->turns + 1 : 0;
	struct itimerspec its = { .it_value = { 0, 0 } };
	u64 at;

	if (next == p->awaits)
		return;
	p->awaits = next;
	if (next) {
		at = when(p, next << 31);
		its.it_value.tv_sec = at / NS_PER_SECOND;
		its.it_value.tv_nsec = at % NS_PER_SECOND;
	}
	timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
}

/* With the lock, before registers are looked at and after they have changed. */
static void update(struct pm *p)
{
	u64 turns = ticks(p) >> 31;

	if (turns != p->turns)
		p->status |= PM1_TIMER;
	p->turns = turns;
	set_timer(p);
	if (p->machine->irqs)
		irqs_line(p->machine->irqs, IRQ_SCI, p->source, p->status & p->enable & PM1_BITS);
}

static void put(u8 *regs, unsigned int reg, u32 value, unsigned int len)
{
	memcpy(regs + reg, &value, len);
}

static void pm_read(void *dev, u64 off, void *data, unsigned int size)
{
	struct pm *p = dev;
	u8 regs[REGS] = { 0 };

	pthread_mutex_lock(&p->lock);
	update(p);
	put(regs, REG_STATUS, p->status, 2);
	put(regs, REG_ENABLE, p->enable, 2);
	put(regs, REG_CONTROL, p->control | CONTROL_SCI, 2);
	put(regs, REG_TIMER, ticks(p), 4);
	pthread_mutex_unlock(&p->lock);
	memcpy(data, regs + off, size);
}

/* One byte of a register that is as @now; the others stay. */
static u16 with_byte(u16 now, unsigned int at, u8 byte)
{
	return (now & ~(0xff << 8 * at)) | byte << 8 * at;
}

/* True: the guest turns itself off. */
static bool write_byte(struct pm *p, unsigned int at, u8 byte)
{
	u16 value;

	switch (at & ~1u) {
	case REG_STATUS:
		p->status &= ~with_byte(0, at & 1, byte);
		break;
	case REG_ENABLE:
		p->enable = with_byte(p->enable, at & 1, byte) & PM1_BITS;
		break;
	case REG_CONTROL:
		value = with_byte(p->control, at & 1, byte);
		p->control = value & CONTROL_BITS;
		return value & CONTROL_SLEEP &&
		       (value >> CONTROL_TYPE_SHIFT & CONTROL_TYPE_MASK) == PM_SLEEP_TYPE_S5;
	}
	return false;
}

static void pm_write(void *dev, u64 off, const void *data, unsigned int size)
{
	struct pm *p = dev;
	const u8 *bytes = data;
	bool turned_off = false;
	unsigned int i;

	pthread_mutex_lock(&p->lock);
	update(p);
	for (i = 0; i < size; i++)
		turned_off |= write_byte(p, off + i, bytes[i]);
	update(p);
	pthread_mutex_unlock(&p->lock);
	if (turned_off)
		machine_stop(p->machine, END_POWER_OFF, STATUS_OK, NULL);
}

void pm_reset_write(struct machine *m, u8 value)
{
	if (value & RESET_CPU)
		machine_reset(m);
}

static void press(void *arg)
{
	struct pm *p = arg;

	pthread_mutex_lock(&p->lock);
	p->status |= PM1_POWER_BUTTON;
	update(p);
	pthread_mutex_unlock(&p->lock);
}

static void timer_turned(void *arg, short revents)
{
	struct pm *p = arg;
	u64 count;

	(void)revents;
	/* Set anew meanwhile: nothing to read, and nothing to do. */
	if (read(p->timer_fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&p->lock);
	p->awaits = 0;
	update(p);
	pthread_mutex_unlock(&p->lock);
}

static void pm_reset(void *arg)
{
	struct pm *p = arg;

	pthread_mutex_lock(&p->lock);
	p->born = now_ns();
	p->turns = 0;
	p->status = 0;
	p->enable = 0;
	p->control = 0;
	update(p);
	pthread_mutex_unlock(&p->lock);
}

static void pm_free(void *arg)
{
	struct pm *p = arg;

	if (p->timer_fd >= 0)
		close(p->timer_fd);
	free(p);
}

static bool put_into(struct machine *m, struct pm *p)
{
	struct bus_range ports = {
		.base = PORT_PM1_EVENT,
		.len = REGS,
		.read = pm_read,
		.write = pm_write,
		.dev = p,
	};
	struct event_source timer = { .fd = p->timer_fd, .ready = timer_turned, .arg = p };
	struct machine_part part = { .reset = pm_reset, .free = pm_free, .arg = p };

	return p->timer_fd >= 0 && bus_add(&m->ports, &ports) &&
	       events_add(&m->events, &timer) && machine_add(m, &part);
}

bool pm_create(struct machine *m)
{
	struct pm *p = calloc(1, sizeof(*p));

	if (!p)
		return !err(STATUS_HOST, "power management: no memory");
	p->machine = m;
	if (m->irqs)
		p->source = irqs_source(m->irqs);
	p->born = now_ns();
	pthread_mutex_init(&p->lock, NULL);
	p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (!put_into(m, p)) {
		pm_free(p);
		return !err(STATUS_HOST,
			    "power management: no timer, or no room in the machine");
	}
	m->power_button = press;
	m->power_button_arg = p;
	return true;
}
