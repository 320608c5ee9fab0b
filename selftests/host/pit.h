/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pit.h - a machine with the 8254 of KVM_CREATE_PIT2 at pin 0 of the IOAPIC, and how its
 * tests talk to it and measure its time.
 */
#ifndef PIT_H
#define PIT_H

#include <time.h>

#include "ioapic.h"
#include "pic.h"

enum { PIT = 0x40, CONTROL = 0x43, SPEAKER = 0x61, VECTOR = 0x61 };
enum { PIT_HZ = 1193181, MS = PIT_HZ / 1000 };		/* MS: a count of 1 ms */
/* The control word: which bytes, mode, BCD; or latches. */
enum { LOW = 0x10, HIGH = 0x20, BOTH = 0x30, BCD = 1, READ_BACK = 0xc0, NO_COUNT = 0x20,
       NO_STATUS = 0x10 };
enum { GATE2 = 1, SPEAKER_ON = 2, REFRESH = 0x10, OUT2 = 0x20 };

static inline u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static inline u64 count_ns(u64 count)
{
	return count * 1000000000ull / PIT_HZ;
}

/* As long as it may take, in ns; with a debugging kernel that is much longer. */
static inline u64 limit_ns(u32 ms)
{
	return patience(ms) * 1000000ull;
}

static inline int create_pit(struct vm *vm, u32 flags)
{
	struct kvm_pit_config config = { .flags = flags };

	return xioctl(vm->fd, KVM_CREATE_PIT2, (uintptr_t)&config);
}

static inline struct kvm_pit_state2 get_pit(struct vm *vm)
{
	struct kvm_pit_state2 s;

	CHECK_EQ(xioctl(vm->fd, KVM_GET_PIT2, (uintptr_t)&s), 0);
	return s;
}

static inline int set_pit(struct vm *vm, const struct kvm_pit_state2 *s)
{
	return xioctl(vm->fd, KVM_SET_PIT2, (uintptr_t)s);
}

static inline int set_reinject(struct vm *vm, bool on)
{
	struct kvm_reinject_control c = { .pit_reinject = on };

	return xioctl(vm->fd, KVM_REINJECT_CONTROL, (uintptr_t)&c);
}

/* Counter 0 leads to pin 0 of the IOAPIC, whose interrupts are counted. */
static inline struct vcpu *pit_machine(void)
{
	struct vm *vm = ioapic_machine(1);

	CHECK_EQ(create_pit(vm, KVM_PIT_SPEAKER_DUMMY), 0);
	set_entry(vm->vcpus[0], 0, VECTOR);
	return vm->vcpus[0];
}

static inline void program(struct vcpu *vcpu, int channel, int mode, u16 count)
{
	agent_outb(vcpu, CONTROL, channel << 6 | BOTH | mode << 1);
	agent_outb(vcpu, PIT + channel, count);
	agent_outb(vcpu, PIT + channel, count >> 8);
}

static inline u64 ticks(struct vcpu *vcpu)
{
	return guest_var(vcpu->vm, guest_irqs)[vcpu->id][VECTOR];
}

/* The guest halts until @n more ticks came; returns how long that took. */
static inline u64 wait_ticks(struct vcpu *vcpu, u64 n)
{
	const u64 start = now_ns(), want = ticks(vcpu) + n;

	while (ticks(vcpu) < want)
		agent_halt(vcpu);
	return now_ns() - start;
}

static inline void pass_time(u64 ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL), 0);
}

static inline u16 latched(struct vcpu *vcpu, int channel)
{
	u16 low;

	agent_outb(vcpu, CONTROL, channel << 6);
	low = agent_inb(vcpu, PIT + channel);
	return low | agent_inb(vcpu, PIT + channel) << 8;
}

static inline u32 count_of(struct vcpu *vcpu, int channel)
{
	return get_pit(vcpu->vm).channels[channel].count;
}

#endif /* PIT_H */
