/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pvclock.h - kvmclock as guest and user space use it: the MSRs, the page that the
 * guest reads the time from and how it is read, KVM_GET_CLOCK and KVM_SET_CLOCK.
 */
#ifndef PVCLOCK_H
#define PVCLOCK_H

#include "clock.h"

#define MSR_WALL_OLD	0x11
#define MSR_TIME_OLD	0x12
#define MSR_WALL_NEW	0x4b564d00
#define MSR_TIME_NEW	0x4b564d01

#define STABLE		BIT(0)		/* flags of the page */
#define STOPPED		BIT(1)
#define SECOND		1000000000ull
#define SLACK		1000ull		/* ns: counters and clocks round */

#define CLOCK_FLAGS	(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

struct time_info {
	u32 version, pad0;
	u64 tsc, time;
	u32 mul;
	signed char shift;
	u8 flags, pad[2];
};

struct wall_info {
	u32 version, sec, nsec;
};

/* Where the guest has them; of each machine its copy. */
static volatile struct time_info pages[2] __aligned(64);

/* ---- the guest's side ----------------------------------------------------------- */

/* As the interface says it is read. */
static inline u64 clock_of(const volatile struct time_info *p)
{
	u64 delta, ns;
	u32 version;

	do {
		version = READ_ONCE(p->version);
		asm volatile("" : : : "memory");
		delta = rdtsc() - p->tsc;
		delta = p->shift < 0 ? delta >> -p->shift : delta << p->shift;
		ns = p->time + mul_shr32(delta, p->mul);
		asm volatile("" : : : "memory");
	} while ((version & 1) || version != READ_ONCE(p->version));
	return ns;
}

static inline void arm(u32 msr, const volatile void *page)
{
	wrmsr_try(msr, (uintptr_t)page | 1);
	GUEST_ASSERT_EQ(guest_ex()->vector, NO_EXCEPTION);
	GUEST_ASSERT_EQ(rdmsr_try(msr), (uintptr_t)page | 1);
}

static inline void guest_tells_clock(u64 msr)
{
	arm(msr, &pages[0]);
	for (;;)
		GUEST_SYNC_VALUE(1, clock_of(&pages[0]));
}

/* ---- the host's side ------------------------------------------------------------ */

static inline int set_clock(struct vm *vm, u64 clock, u32 flags, u64 realtime)
{
	struct kvm_clock_data data = {
		.clock = clock, .flags = flags, .realtime = realtime,
	};

	return xioctl(vm->fd, KVM_SET_CLOCK, (uintptr_t)&data);
}

static inline struct kvm_clock_data clock_data(struct vm *vm)
{
	struct kvm_clock_data data;

	memset(&data, 0xa5, sizeof(data));
	CHECK_EQ(xioctl(vm->fd, KVM_GET_CLOCK, (uintptr_t)&data), 0);
	CHECK_EQ(data.pad0, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(data.pad); i++)
		CHECK_EQ(data.pad[i], 0);
	CHECK(!(data.flags & ~CLOCK_FLAGS));
	return data;
}

static inline u64 get_clock(struct vm *vm)
{
	return clock_data(vm).clock;
}

/* Can the clocks of this host's guests be stable at all? */
static inline bool host_has_tsc_clock(void)
{
	char name[16] = "";
	FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");

	if (f) {
		if (!fgets(name, sizeof(name), f))
			name[0] = 0;
		fclose(f);
	}
	return !strcmp(name, "tsc\n");
}

static inline u32 stable_here(void)
{
	return host_has_tsc_clock() ? STABLE : 0;
}

/* What the guest reads lies between what the host reads before and after. */
static inline u64 check_clock(struct vcpu *vcpu)
{
	u64 before = get_clock(vcpu->vm), value, after;

	value = vcpu_expect_sync(vcpu, 1);
	after = get_clock(vcpu->vm);
	if (value + SLACK < before || value > after + SLACK)
		FAIL("%llu is not between %llu and %llu", (unsigned long long)value,
		     (unsigned long long)before, (unsigned long long)after);
	return value;
}

static inline struct vcpu *new_vcpu(u32 msr)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	vcpu_long_mode(vcpu, guest_tells_clock, msr);
	return vcpu;
}

#endif /* PVCLOCK_H */
