/* SPDX-License-Identifier: GPL-2.0 */
/* clock.h - the time stamp counter, for host and guest, and what can be asked of a vCPU's. */
#ifndef SELFTEST_CLOCK_H
#define SELFTEST_CLOCK_H

#include <time.h>

#include "selftest.h"
#include "state.h"

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	/* nothing before it may wait until after it */
	asm volatile("lfence\n rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return lo | (u64)hi << 32;
}

/* a * b / 2^32, all of its bits. */
static inline u64 mul_shr32(u64 a, u32 b)
{
	return (a >> 32) * b + ((a & 0xffffffff) * b >> 32);
}

static inline u64 clock_ns(clockid_t id)
{
	struct timespec ts;

	CHECK_EQ(clock_gettime(id, &ts), 0);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* Lets time pass without a sleep: the host's counter runs on for so many ticks. */
static inline void spin_ticks(u64 ticks)
{
	for (u64 start = rdtsc(); rdtsc() - start < ticks; )
		cpu_relax();
}

static inline int tsc_attr(struct vcpu *vcpu, unsigned long cmd, u64 *value)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)value,
	};

	return xioctl(vcpu->fd, cmd, (uintptr_t)&attr);
}

static inline u64 get_offset(struct vcpu *vcpu)
{
	u64 offset = 0;

	CHECK_EQ(tsc_attr(vcpu, KVM_GET_DEVICE_ATTR, &offset), 0);
	return offset;
}

static inline void set_offset(struct vcpu *vcpu, u64 offset)
{
	CHECK_EQ(tsc_attr(vcpu, KVM_SET_DEVICE_ATTR, &offset), 0);
}

static inline u64 tsc_khz(struct vcpu *vcpu)
{
	int khz = xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);

	CHECK(khz > 0);
	return khz;
}

/* In the guest; what came of it is in guest_ex(). */
static inline u64 rdmsr_try(u32 msr)
{
	u32 lo = 0, hi = 0;

	GUEST_TRY("rdmsr", "+a"(lo), "+d"(hi) : "c"(msr) : "memory");
	return lo | (u64)hi << 32;
}

static inline void wrmsr_try(u32 msr, u64 v)
{
	GUEST_TRY("wrmsr", : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

#endif /* SELFTEST_CLOCK_H */
