/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lapictimer.h - what the tests of the local APIC's timer share.
 *
 * That a timer does not fire too early, or not at all, or again, is checked exactly;
 * how late it may be is not: that is the host's load. Guests that wait do so by
 * their TSC, and give up after a while.
 */
#ifndef SELFTEST_LAPICTIMER_H
#define SELFTEST_LAPICTIMER_H

#include <sched.h>
#include <time.h>

#include "lapic.h"
#include "state.h"

#define TIMER		0x71
#define DIV_1		0xb
#define LATE_US		50000	/* a timer that is later than this is not coming */
#define MASKED		APIC_LVT_MASKED
#define PERIODIC	APIC_LVT_TIMER_PERIODIC
#define DEADLINE	APIC_LVT_TIMER_TSCDEADLINE

static u64 tsc_khz;
static u64 slow = 1;	/* what is disarmed in time must be armed for that much longer */

/* A machine whose CPUID has the third mode of the timer. */
static inline struct vm *timer_vm(void)
{
	struct vm *vm = lapic_vm();

	cpuid_leaf(vm->cpuid, 1, 0)->ecx |= 1u << 24;
	return vm;
}

static inline struct vcpu *timer_new(bool x2apic)
{
	struct vcpu *vcpu = lapic_vcpu(timer_vm(), 0);

	guest_var(vcpu->vm, tsc_khz) = xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	guest_var(vcpu->vm, slow) = patience(1);
	CHECK((long)guest_var(vcpu->vm, tsc_khz) > 0);
	apic_enable(vcpu, x2apic);
	apic_wr(vcpu, APIC_TDCR, DIV_1);
	return vcpu;
}

static inline void call(struct vcpu *vcpu, void (*fn)(u64 arg), u64 arg)
{
	remote_ok(vcpu, OP_CALL, (uintptr_t)fn, arg);
}

static inline u64 host_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static inline void host_passes(u64 us)
{
	u64 end = host_ns() + us * 1000;

	while (host_ns() < end)
		sched_yield();
}

/* ---- guest side -------------------------------------------------------- */

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	asm volatile("lfence; rdtsc; lfence" : "=a"(lo), "=d"(hi) : : "memory");
	return lo | (u64)hi << 32;
}

static inline u64 to_ns(u64 ticks)
{
	return ticks * 1000000 / tsc_khz;
}

static inline u64 to_ticks(u64 ns)
{
	return ns * tsc_khz / 1000000;
}

static inline u64 fired(void)
{
	return READ_ONCE(guest_irqs[guest_percpu()->id % 64][TIMER]);
}

static inline void guest_passes(u64 us)
{
	u64 start = rdtsc(), ticks = to_ticks(us * 1000);

	while (rdtsc() - start < ticks)
		cpu_relax();
}

/* Spins with interrupts on until there are n in all. */
static inline void guest_await(u64 n)
{
	u64 start = rdtsc(), ticks = to_ticks(LATE_US * 1000);

	guest_sti();
	while (fired() < n)
		GUEST_ASSERT(rdtsc() - start < ticks);
	guest_cli();
}

/* Time by the kernel's clock and by the TSC may differ a little. */
static inline void guest_not_before(u64 start, u64 ns)
{
	GUEST_ASSERT(to_ns(rdtsc() - start) >= ns - ns / 50);
}

static inline void guest_quiet(u64 us)
{
	u64 n = fired();

	guest_sti();
	guest_passes(us);
	guest_cli();
	GUEST_ASSERT_EQ(fired(), n);
}

static u64 fired_at;

static inline bool guest_notes_time(u64 vector)
{
	fired_at = rdtsc();
	return false;
}

static inline u64 deadline(void)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(MSR_IA32_TSC_DEADLINE) : "memory");
	return lo | (u64)hi << 32;
}

static inline void set_deadline(u64 v)
{
	asm volatile("wrmsr" : : "c"(MSR_IA32_TSC_DEADLINE), "a"((u32)v), "d"((u32)(v >> 32))
		     : "memory");
}

#endif /* SELFTEST_LAPICTIMER_H */
