/* SPDX-License-Identifier: GPL-2.0 */
/* Counters of an 8254: pure logic, under their owner's lock. */
#ifndef LODGE_IRQ_I8254_H
#define LODGE_IRQ_I8254_H

#include "irq.h"

#define I8254_HZ	1193181		/* 105/88 MHz */
#define I8254_CHANNELS	3

/* What a counter does when its count is over. */
enum i8254_end { I8254_NOTHING, I8254_ONCE, I8254_AGAIN };

/*
 * A counter is what KVM_GET_PIT2 shows of it; any content will do.  Times are in ns of
 * the clock that count_load_time was taken from.
 */
enum i8254_end i8254_end(const struct kvm_pit_channel_state *c);
bool i8254_out(const struct kvm_pit_channel_state *c, s64 now);

/* Begins a count; 0 stands for 65536. */
void i8254_load(struct kvm_pit_channel_state *c, u32 count, s64 now);
void i8254_set_gate(struct kvm_pit_channel_state *c, bool gate, s64 now);

/* A byte of the control port, for all counters. */
void i8254_control(struct kvm_pit_channel_state *channels, u8 value, s64 now);
/* Bytes of a counter's port; true: that was a new count. */
bool i8254_write(struct kvm_pit_channel_state *c, u8 value, s64 now);
u8 i8254_read(struct kvm_pit_channel_state *c, s64 now);

#endif
