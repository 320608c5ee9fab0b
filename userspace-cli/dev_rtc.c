// SPDX-License-Identifier: GPL-2.0
/*
 * The CMOS clock: an MC146818 with a century, and its battery-backed RAM. The time is the
 * host's plus what the guest set it off by; nothing is kept going for it.
 *
 * All is counted in ticks of the chip's crystal (32768 Hz), as seconds, periodic rates and
 * the time that an update takes are whole numbers of these. What has happened is worked out
 * when somebody looks or when a timer expires, and the timer is set only for what is to
 * interrupt and has not yet: a guest that does not look gets one interrupt, not a storm.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices.h"
#include "err.h"
#include "rtc_time.h"

#define NVRAM			128
#define INDEX_BITS		0x7f	/* the highest masks NMI on a PC */

/* Registers; those of the time are in rtc_time.h. */
#define REG_A			0x0a
#define REG_B			0x0b
#define REG_C			0x0c
#define REG_D			0x0d

#define A_UPDATING		0x80
#define A_DIVIDER		0x70
#define A_DIVIDER_RUNS		0x20
#define A_RATE			0x0f

#define B_SET			0x80	/* the time stands still, to be set */
#define B_UPDATE		0x10
#define B_SQUARE_WAVE		0x08

/* Flags in C, enabled by the same bits of B. */
#define C_INTERRUPT		0x80
#define C_PERIODIC		0x40
#define C_ALARM			0x20
#define C_UPDATE		B_UPDATE
#define C_FLAGS			(C_PERIODIC | C_ALARM | C_UPDATE)

#define D_POWER_WAS_GOOD	0x80

/* What firmware leaves in the RAM: sizes of memory and a sum of bytes. */
#define CMOS_BASE_KIB		0x15
#define CMOS_HIGH_KIB		0x17
#define CMOS_HIGH_KIB_2		0x30
#define CMOS_ABOVE_16M		0x34	/* in 64 KiB */
#define CMOS_ABOVE_4G		0x5b	/* in 64 KiB */
#define CMOS_SUMMED		0x10
#define CMOS_SUM		0x2e	/* of all between, high byte first */

/* UIP rises 244 microseconds before an update, which takes 1984. */
#define UPDATE_TICKS		73
/* The first update comes half a second after the divider is let go. */
#define HALF_SECOND		(TICKS / 2)

struct rtc {
	struct machine *machine;
	unsigned int source;
	int timer_fd;
	pthread_mutex_t lock;		/* of all below */
	s64 offset;			/* ticks that the guest's time is ahead of the host's */
	s64 seen;			/* the guest's time up to which C is right */
	s64 armed;			/* what timer_fd is set for, NEVER: it is not */
	u8 index;
	u8 ram[NVRAM];			/* time registers: only while the time stands still */
};

/* ---- what time does ----------------------------------------------------------- */

static s64 now(const struct rtc *r)
{
	return rtc_host_ticks() + r->offset;
}

static bool divider_runs(const struct rtc *r)
{
	return (r->ram[REG_A] & A_DIVIDER) == A_DIVIDER_RUNS;
}

static bool time_runs(const struct rtc *r)
{
	return divider_runs(r) && !(r->ram[REG_B] & B_SET);
}

/* Ticks of a periodic interrupt are two to the power of this; -1: there is none. */
static int rate_shift(const struct rtc *r)
{
	int rate = r->ram[REG_A] & A_RATE;

	if (!rate || !divider_runs(r))
		return -1;
	return rate < 3 ? rate + 6 : rate - 1;
}

static s64 next_alarm(const struct rtc *r, s64 second)
{
	return rtc_next_alarm(r->ram, r->ram[REG_B], second);
}

static s64 earlier(s64 a, s64 b)
{
	return a < b ? a : b;
}

/* When the next interrupt is due; NEVER also while one waits to be seen. */
static s64 next_interrupt(const struct rtc *r)
{
	u8 enabled = r->ram[REG_B] & C_FLAGS;
	s64 due = NEVER, second = r->seen >> TICKS_SHIFT;
	int shift = rate_shift(r);

	if (r->ram[REG_C] & enabled)
		return NEVER;
	if (enabled & C_PERIODIC && shift >= 0)
		due = ((r->seen >> shift) + 1) * (1 << shift);
	if (!time_runs(r))
		return due;
	if (enabled & C_UPDATE)
		due = earlier(due, (second + 1) * TICKS);
	if (enabled & C_ALARM && next_alarm(r, second) != NEVER)
		due = earlier(due, next_alarm(r, second) * TICKS);
	return due;
}

static void set_timer(struct rtc *r)
{
	s64 due = next_interrupt(r);
	struct itimerspec its = { .it_value = { 0, 0 } };

	if (due == r->armed)
		return;
	r->armed = due;
	if (due != NEVER)
		its.it_value = rtc_host_time(due - r->offset);
	/* Whoever sets the host's clock makes it readable, too. */
	timerfd_settime(r->timer_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &its, NULL);
}

/* Flags of all that was due until now, the line, and the timer for what comes. */
static void update(struct rtc *r)
{
	s64 t = now(r), before = r->seen;
	int shift = rate_shift(r);
	u8 flags = 0;

	/* The host's clock may have been set back: nothing is due twice. */
	if (t > before) {
		if (shift >= 0 && t >> shift != before >> shift)
			flags |= C_PERIODIC;
		if (time_runs(r) && t >> TICKS_SHIFT != before >> TICKS_SHIFT)
			flags |= C_UPDATE;
		if (time_runs(r) &&
		    next_alarm(r, before >> TICKS_SHIFT) <= t >> TICKS_SHIFT)
			flags |= C_ALARM;
	}
	r->seen = t;
	r->ram[REG_C] |= flags;
	if (r->machine->irqs)
		irqs_line(r->machine->irqs, IRQ_RTC, r->source,
			  r->ram[REG_C] & r->ram[REG_B] & C_FLAGS);
	set_timer(r);
}

static void timer_expired(void *arg, short revents)
{
	struct rtc *r = arg;
	u64 count;

	(void)revents;
	/* An error says that the host's clock was set. */
	if (read(r->timer_fd, &count, sizeof(count)) < 0)
		count = 0;
	pthread_mutex_lock(&r->lock);
	r->armed = NEVER;
	update(r);
	pthread_mutex_unlock(&r->lock);
}

/* ---- registers ---------------------------------------------------------------- */

/* The time registers say what time it is. */
static void latch(struct rtc *r)
{
	rtc_encode(now(r) >> TICKS_SHIFT, r->ram[REG_B], r->ram);
}

/* It is the time that the registers say, @phase ticks into that second. */
static void set_time(struct rtc *r, s64 phase)
{
	s64 t = rtc_decode(r->ram, r->ram[REG_B]) * TICKS + phase;

	r->offset += t - now(r);
	r->seen = t;
}

static s64 phase(const struct rtc *r)
{
	return now(r) & (TICKS - 1);
}

static void write_time(struct rtc *r, unsigned int reg, u8 value)
{
	if (!time_runs(r)) {
		r->ram[reg] = value;
		return;
	}
	latch(r);
	r->ram[reg] = value;
	set_time(r, phase(r));
}

/* A and B decide whether the time goes on: as it stops it goes into the registers. */
static void write_control(struct rtc *r, unsigned int reg, u8 value)
{
	bool ran = time_runs(r), divided = divider_runs(r);

	if (ran)
		latch(r);
	r->ram[reg] = value;
	if (reg == REG_B && value & B_SET)
		r->ram[REG_B] &= ~B_UPDATE;
	if (!divided && divider_runs(r))
		set_time(r, HALF_SECOND);
	else if (!ran && time_runs(r))
		set_time(r, phase(r));
}

static void write_reg(struct rtc *r, unsigned int reg, u8 value)
{
	update(r);
	if (rtc_is_time(reg))
		write_time(r, reg, value);
	else if (reg == REG_A)
		write_control(r, reg, value & ~A_UPDATING);
	else if (reg == REG_B)
		write_control(r, reg, value);
	else if (reg != REG_C && reg != REG_D)
		r->ram[reg] = value;
	update(r);
}

static u8 read_c(struct rtc *r)
{
	u8 flags = r->ram[REG_C];

	if (flags & r->ram[REG_B] & C_FLAGS)
		flags |= C_INTERRUPT;
	r->ram[REG_C] = 0;
	update(r);
	return flags;
}

static u8 read_reg(struct rtc *r, unsigned int reg)
{
	update(r);
	if (rtc_is_time(reg) && time_runs(r))
		latch(r);
	if (reg == REG_A && time_runs(r) && phase(r) >= TICKS - UPDATE_TICKS)
		return r->ram[REG_A] | A_UPDATING;
	if (reg == REG_C)
		return read_c(r);
	return r->ram[reg];
}

/* The index cannot be read, as in the chip. */
static void rtc_read(void *dev, u64 off, void *data, unsigned int size)
{
	struct rtc *r = dev;
	u8 *bytes = data;
	unsigned int i;

	pthread_mutex_lock(&r->lock);
	for (i = 0; i < size; i++)
		bytes[i] = off + i ? read_reg(r, r->index) : 0xff;
	pthread_mutex_unlock(&r->lock);
}

static void rtc_write(void *dev, u64 off, const void *data, unsigned int size)
{
	struct rtc *r = dev;
	const u8 *bytes = data;
	unsigned int i;

	pthread_mutex_lock(&r->lock);
	for (i = 0; i < size; i++) {
		if (off + i)
			write_reg(r, r->index, bytes[i]);
		else
			r->index = bytes[i] & INDEX_BITS;
	}
	pthread_mutex_unlock(&r->lock);
}

/* ---- a machine's clock ----------------------------------------------------------- */

static void put(struct rtc *r, unsigned int at, u64 value, unsigned int len)
{
	memcpy(r->ram + at, &value, len);
}

static u64 at_most(u64 value, u64 most)
{
	return value < most ? value : most;
}

/* The size of memory, for who asks no E820. */
static void firmware_wrote(struct rtc *r, const struct memory *mem)
{
	u64 low = mem->ram[0].size, high_kib, above_16m;
	unsigned int i, sum = 0;

	high_kib = low > MIB ? (low - MIB) / KIB : 0;
	above_16m = low > 16 * MIB ? (low - 16 * MIB) / (64 * KIB) : 0;
	put(r, CMOS_BASE_KIB, at_most(low / KIB, 640), 2);
	put(r, CMOS_HIGH_KIB, at_most(high_kib, 0xffff), 2);
	put(r, CMOS_HIGH_KIB_2, at_most(high_kib, 0xffff), 2);
	put(r, CMOS_ABOVE_16M, at_most(above_16m, 0xffff), 2);
	put(r, CMOS_ABOVE_4G, at_most(mem->ram[1].size / (64 * KIB), 0xffffff), 3);
	for (i = CMOS_SUMMED; i < CMOS_SUM; i++)
		sum += r->ram[i];
	r->ram[CMOS_SUM] = sum >> 8;
	r->ram[CMOS_SUM + 1] = sum;
}

/* The battery keeps time and RAM; interrupts are off and forgotten. */
static void rtc_reset(void *arg)
{
	struct rtc *r = arg;

	pthread_mutex_lock(&r->lock);
	r->ram[REG_B] &= ~(C_FLAGS | B_SQUARE_WAVE);
	r->ram[REG_C] = 0;
	r->index = 0;
	r->seen = now(r);
	update(r);
	pthread_mutex_unlock(&r->lock);
}

static void rtc_free(void *arg)
{
	struct rtc *r = arg;

	if (r->timer_fd >= 0)
		close(r->timer_fd);
	free(r);
}

static bool put_into(struct machine *m, struct rtc *r)
{
	struct bus_range ports = {
		.base = PORT_RTC,
		.len = 2,
		.read = rtc_read,
		.write = rtc_write,
		.dev = r,
	};
	struct event_source timer = { .fd = r->timer_fd, .ready = timer_expired, .arg = r };
	struct machine_part part = { .reset = rtc_reset, .free = rtc_free, .arg = r };

	return r->timer_fd >= 0 && bus_add(&m->ports, &ports) &&
	       events_add(&m->events, &timer) && machine_add(m, &part);
}

bool rtc_create(struct machine *m)
{
	struct rtc *r = calloc(1, sizeof(*r));

	if (!r)
		return !err(STATUS_HOST, "clock: no memory");
	r->machine = m;
	if (m->irqs)
		r->source = irqs_source(m->irqs);
	pthread_mutex_init(&r->lock, NULL);
	r->timer_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	r->armed = NEVER;
	r->seen = now(r);
	/* BCD and 24 hours, 1024 Hz, as firmware has it. */
	r->ram[REG_A] = A_DIVIDER_RUNS | 6;
	r->ram[REG_B] = RTC_24_HOURS;
	r->ram[REG_D] = D_POWER_WAS_GOOD;
	firmware_wrote(r, &m->memory);
	if (put_into(m, r))
		return true;
	rtc_free(r);
	return !err(STATUS_HOST, "clock: no timer, or no room in the machine");
}
