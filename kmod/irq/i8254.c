// SPDX-License-Identifier: GPL-2.0
/*
 * i8254.c - the counters of an 8254 interval timer: what their ports take and give,
 * and what they show at a given time.  Called by pit.c, which has the lock, the clock
 * and the interrupts; nothing here knows a machine or waits for anything.  "Data
 * sheet" is Intel's, order number 231164.  As in KVM, counts are binary whatever the
 * control word says, and a gate that is low stops nothing: one that rises starts the
 * count again in the modes that it triggers.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/nospec.h>
#include <linux/time64.h>

#include "i8254.h"
#include "irq.h"

/* The control port; data sheet, "Programming the 8254", "Read Operations". */
enum { CONTROL_BCD = 0x01, CONTROL_MODE = 1, CONTROL_BYTES = 4, CONTROL_CHANNEL = 6 };
enum { READ_BACK = 3, READ_BACK_NO_COUNT = 0x20, READ_BACK_NO_STATUS = 0x10 };

/* rw_mode, and which byte comes next: read_state, write_state, count_latched */
enum { NO_BYTE, LOW_BYTE, HIGH_BYTE, WORD, WORD_HIGH };

/* Modes, by what makes them different. */
static const struct {
	u8 end;			/* enum i8254_end, when nobody touches the gate */
	bool gate_starts;
} modes[] = {
	{ I8254_ONCE, false },		/* 0: interrupt on terminal count */
	{ I8254_ONCE, true },		/* 1: one-shot; as in KVM, loading it is a trigger */
	{ I8254_AGAIN, true },		/* 2: rate generator */
	{ I8254_AGAIN, true },		/* 3: square wave */
	{ I8254_ONCE, false },		/* 4: strobe */
	{ I8254_NOTHING, true },	/* 5: strobe, triggered by the gate */
	{ I8254_NOTHING, false },	/* none: there was no control word yet */
};

/* Any value: the state may be user space's. */
static unsigned int mode_of(const struct kvm_pit_channel_state *c)
{
	unsigned int none = ARRAY_SIZE(modes) - 1;

	return c->mode < none ? array_index_nospec(c->mode, none) : none;
}

enum i8254_end i8254_end(const struct kvm_pit_channel_state *c)
{
	return modes[mode_of(c)].end;
}

/* Clocks since the count began. */
static u64 clocks(const struct kvm_pit_channel_state *c, s64 now)
{
	u64 ns = now - c->count_load_time;

	return mul_u64_u32_div(ns, I8254_HZ, NSEC_PER_SEC);
}

static u16 count_at(const struct kvm_pit_channel_state *c, s64 now)
{
	u64 passed = clocks(c, now);

	switch (mode_of(c)) {
	case 0:
	case 1:
	case 4:
	case 5:
		return c->count - passed;
	case 3:		/* by two, twice */
		return c->count - 2 * passed % c->count;
	default:
		return c->count - passed % c->count;
	}
}

/* Data sheet, "Mode Definitions". */
bool i8254_out(const struct kvm_pit_channel_state *c, s64 now)
{
	u64 passed = clocks(c, now);

	switch (mode_of(c)) {
	case 0:
	case 1:
		return passed >= c->count;
	case 2:
		return passed % c->count != c->count - 1;
	case 3:
		return passed % c->count < c->count - c->count / 2;
	case 4:
	case 5:
		return passed != c->count;
	default:
		return false;
	}
}

void i8254_load(struct kvm_pit_channel_state *c, u32 count, s64 now)
{
	c->count = count ?: 0x10000;
	c->count_load_time = now;
}

void i8254_set_gate(struct kvm_pit_channel_state *c, bool gate, s64 now)
{
	if (gate && !c->gate && modes[mode_of(c)].gate_starts)
		c->count_load_time = now;
	c->gate = gate;
}

static void latch_count(struct kvm_pit_channel_state *c, s64 now)
{
	if (c->count_latched)
		return;
	c->latched_count = count_at(c, now);
	c->count_latched = c->rw_mode;
}

static void latch_status(struct kvm_pit_channel_state *c, s64 now)
{
	if (c->status_latched)
		return;
	c->status = i8254_out(c, now) << 7 | c->rw_mode << CONTROL_BYTES |
		    c->mode << CONTROL_MODE | c->bcd;
	c->status_latched = 1;
}

static void read_back(struct kvm_pit_channel_state *channels, u8 value, s64 now)
{
	unsigned int i;

	for (i = 0; i < I8254_CHANNELS; i++) {
		if (!(value & 2 << i))
			continue;
		if (!(value & READ_BACK_NO_COUNT))
			latch_count(&channels[i], now);
		if (!(value & READ_BACK_NO_STATUS))
			latch_status(&channels[i], now);
	}
}

void i8254_control(struct kvm_pit_channel_state *channels, u8 value, s64 now)
{
	unsigned int n = value >> CONTROL_CHANNEL, mode = value >> CONTROL_MODE & 7;
	u8 bytes = value >> CONTROL_BYTES & 3;
	struct kvm_pit_channel_state *c;

	if (n == READ_BACK) {
		read_back(channels, value, now);
		return;
	}
	c = &channels[array_index_nospec(n, I8254_CHANNELS)];
	if (bytes == NO_BYTE) {		/* the counter latch command */
		latch_count(c, now);
		return;
	}
	c->rw_mode = bytes;
	c->read_state = bytes;
	c->write_state = bytes;
	c->mode = mode > 5 ? mode - 4 : mode;
	c->bcd = value & CONTROL_BCD;
}

bool i8254_write(struct kvm_pit_channel_state *c, u8 value, s64 now)
{
	switch (c->write_state) {
	case HIGH_BYTE:
		i8254_load(c, value << 8, now);
		return true;
	case WORD:
		c->write_latch = value;
		c->write_state = WORD_HIGH;
		return false;
	case WORD_HIGH:
		i8254_load(c, c->write_latch | value << 8, now);
		c->write_state = WORD;
		return true;
	default:
		i8254_load(c, value, now);
		return true;
	}
}

static u8 read_latched(struct kvm_pit_channel_state *c)
{
	bool high = c->count_latched == HIGH_BYTE;

	c->count_latched = c->count_latched == WORD ? HIGH_BYTE : 0;
	return high ? c->latched_count >> 8 : c->latched_count;
}

u8 i8254_read(struct kvm_pit_channel_state *c, s64 now)
{
	bool high = c->read_state == HIGH_BYTE || c->read_state == WORD_HIGH;
	u16 count;

	if (c->status_latched) {
		c->status_latched = 0;
		return c->status;
	}
	if (c->count_latched)
		return read_latched(c);
	if (c->read_state == WORD || c->read_state == WORD_HIGH)
		c->read_state = high ? WORD : WORD_HIGH;
	count = count_at(c, now);
	return high ? count >> 8 : count;
}
