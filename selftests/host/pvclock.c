// SPDX-License-Identifier: GPL-2.0
/*
 * pvclock - kvmclock: the time that a guest reads from its page, the wall clock
 * beside it, KVM_GET_CLOCK and KVM_SET_CLOCK, and that no vCPU sees another's past.
 * Where the page may lie is clockpage.c's.
 */
#include "pvclock.h"

static volatile struct wall_info wall __aligned(16);

SUBTEST(capabilities)
{
	struct vm *vm = vm_create();
	u32 features = cpuid_leaf(vm->cpuid, 0x40000001, 0)->eax;

	CHECK_EQ(check_cap(vm, KVM_CAP_ADJUST_CLOCK), CLOCK_FLAGS);
	CHECK_EQ(check_cap(vm, KVM_CAP_KVMCLOCK_CTRL), 1);
	CHECK(features & BIT(0));	/* the first pair of MSRs */
	CHECK(features & BIT(3));	/* the second */
	CHECK(features & BIT(24));	/* the flag "stable" means something */
	/* no vCPU, no counters that could agree */
	CHECK_EQ(clock_data(vm).flags, 0);
}

/* ---- the page ------------------------------------------------------------------- */

static void check_pair(u32 msr, u32 flags)
{
	struct vcpu *vcpu = new_vcpu(msr);
	volatile struct time_info *page = &guest_var(vcpu->vm, pages[0]);

	test_doing("MSR %#x", msr);
	check_clock(vcpu);
	CHECK_EQ(page->version & 1, 0);
	CHECK(page->version >= 2);
	CHECK_EQ(page->flags, flags);
	CHECK_EQ(page->pad0, 0);
	CHECK_EQ(page->pad[0] | page->pad[1], 0);
	CHECK(page->mul & BIT(31));
	/* both MSRs of the one and the other pair are one */
	CHECK_EQ(get_msr(vcpu, MSR_TIME_OLD), get_msr(vcpu, MSR_TIME_NEW));
	CHECK_EQ(get_msr(vcpu, MSR_TIME_OLD), (uintptr_t)&pages[0] | 1);
	check_clock(vcpu);
	vm_free(vcpu->vm);
}

SUBTEST(both_pairs)
{
	check_pair(MSR_TIME_NEW, stable_here());
	/* old guests do not know the flag: vCPU 0 decides that for all */
	check_pair(MSR_TIME_OLD, 0);
}

/* The page says of its counter what KVM_GET_TSC_KHZ says. */
SUBTEST(pace_of_the_page)
{
	struct vcpu *vcpu = new_vcpu(MSR_TIME_NEW);
	volatile struct time_info *page = &guest_var(vcpu->vm, pages[0]);
	u64 ticks = tsc_khz(vcpu) * 1000, ns;

	vcpu_expect_sync(vcpu, 1);
	ns = page->shift < 0 ? ticks >> -page->shift : ticks << page->shift;
	ns = mul_shr32(ns, page->mul);
	CHECK(ns > SECOND - SECOND / 100000 && ns < SECOND + SECOND / 100000);
}

/* User space that restores a vCPU starts its clock with the same MSR. */
SUBTEST(armed_by_user_space)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct msr_list list;
	int found = 0;

	get_msr_list(vm->dev_fd, KVM_GET_MSR_INDEX_LIST, &list);
	for (u32 i = 0; i < list.nmsrs; i++)
		found += list.index[i] == MSR_WALL_OLD || list.index[i] == MSR_TIME_OLD ||
			 list.index[i] == MSR_WALL_NEW || list.index[i] == MSR_TIME_NEW;
	CHECK_EQ(found, 4);
	vcpu_long_mode(vcpu, guest_tells_clock, MSR_TIME_NEW);
	set_msr(vcpu, MSR_TIME_NEW, (uintptr_t)&pages[1] | 1);
	vcpu_complete(vcpu);
	CHECK_EQ(guest_var(vm, pages[1]).version, 0);	/* not before the guest runs */
	vcpu_expect_sync(vcpu, 1);
	CHECK(guest_var(vm, pages[1]).version);
	CHECK(guest_var(vm, pages[0]).version);
	/* its choice of a pair says nothing of the guest */
	set_msr(vcpu, MSR_TIME_OLD, (uintptr_t)&pages[0] | 1);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(guest_var(vm, pages[0]).flags, stable_here());
}

/* Off again: nobody writes there any more. */
SUBTEST(disarmed)
{
	struct vcpu *vcpu = new_vcpu(MSR_TIME_NEW);
	struct vm *vm = vcpu->vm;
	u32 version;

	check_clock(vcpu);
	version = guest_var(vm, pages[0]).version;
	CHECK_EQ(set_clock(vm, SECOND, 0, 0), 0);
	check_clock(vcpu);
	CHECK(guest_var(vm, pages[0]).version != version);
	version = guest_var(vm, pages[0]).version;
	set_msr(vcpu, MSR_TIME_NEW, (uintptr_t)&pages[0]);
	CHECK_EQ(set_clock(vm, 5 * SECOND, 0, 0), 0);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(guest_var(vm, pages[0]).version, version);
	CHECK_EQ(get_msr(vcpu, MSR_TIME_NEW), (uintptr_t)&pages[0]);
}

/* ---- time ----------------------------------------------------------------------- */

/* A guest that does not run for a while sees that while, at the pace of the host. */
SUBTEST(runs_on_while_stopped)
{
	struct vcpu *vcpu = new_vcpu(MSR_TIME_NEW);
	u64 host[4], first, second;

	check_clock(vcpu);
	host[0] = clock_ns(CLOCK_MONOTONIC_RAW);
	first = vcpu_expect_sync(vcpu, 1);
	host[1] = clock_ns(CLOCK_MONOTONIC_RAW);
	spin_ticks(tsc_khz(vcpu) * 100);
	host[2] = clock_ns(CLOCK_MONOTONIC_RAW);
	second = vcpu_expect_sync(vcpu, 1);
	host[3] = clock_ns(CLOCK_MONOTONIC_RAW);
	CHECK(second - first + SLACK >= host[2] - host[1]);
	CHECK(second - first <= host[3] - host[0] + SLACK);
	check_clock(vcpu);
}

/* It begins with the machine. */
SUBTEST(begins_at_zero)
{
	u64 start = clock_ns(CLOCK_MONOTONIC_RAW);
	struct vm *vm = vm_create();
	u64 now = get_clock(vm);

	CHECK(now <= clock_ns(CLOCK_MONOTONIC_RAW) - start + SLACK);
	CHECK(get_clock(vm) >= now);
}

static void guest_tells_wall(u64 msr)
{
	arm(MSR_TIME_NEW, &pages[0]);
	for (;;) {
		wrmsr_try(msr, (uintptr_t)&wall);
		GUEST_ASSERT_EQ(guest_ex()->vector, NO_EXCEPTION);
		GUEST_ASSERT_EQ(rdmsr_try(msr), (uintptr_t)&wall);
		GUEST_ASSERT_EQ(wall.version & 1, 0);
		GUEST_ASSERT(wall.nsec < SECOND);
		GUEST_SYNC_VALUE(1, wall.sec * SECOND + wall.nsec + clock_of(&pages[0]));
	}
}

static void check_wall(u32 msr)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0), *other = vcpu_create(vm, 1);
	u32 version = 0;

	test_doing("MSR %#x", msr);
	vcpu_long_mode(vcpu, guest_tells_wall, msr);
	for (int i = 0; i < 2; i++) {
		u64 before = clock_ns(CLOCK_REALTIME), value, after;

		value = vcpu_expect_sync(vcpu, 1);
		after = clock_ns(CLOCK_REALTIME);
		CHECK(value + SLACK >= before && value <= after + SLACK);
		CHECK(guest_var(vm, wall).version > version);
		version = guest_var(vm, wall).version;
		/* a clock that was set has another wall clock */
		CHECK_EQ(set_clock(vm, 77 * SECOND, 0, 0), 0);
	}
	/* the machine has one wall clock, and the address is read back by all */
	CHECK_EQ(get_msr(other, MSR_WALL_OLD), (uintptr_t)&wall);
	CHECK_EQ(get_msr(other, MSR_WALL_NEW), (uintptr_t)&wall);
	vm_free(vm);
}

SUBTEST(wall_clock)
{
	check_wall(MSR_WALL_NEW);
	check_wall(MSR_WALL_OLD);
}

SUBTEST(set_clock_sets)
{
	static const u64 values[] = { 1000 * SECOND, 0, 1ull << 60, 12345 };
	struct vcpu *vcpu = new_vcpu(MSR_TIME_NEW);
	struct vm *vm = vcpu->vm;

	for (unsigned int i = 0; i < ARRAY_SIZE(values); i++) {
		u64 start = clock_ns(CLOCK_MONOTONIC_RAW), ns;

		CHECK_EQ(set_clock(vm, values[i], 0, 0), 0);
		ns = i & 1 ? check_clock(vcpu) : get_clock(vm);
		CHECK(ns >= values[i]);
		CHECK(ns - values[i] <= clock_ns(CLOCK_MONOTONIC_RAW) - start + SLACK);
		check_clock(vcpu);
	}
}

SUBTEST(set_clock_refuses)
{
	struct vm *vm = vm_create();
	struct kvm_clock_data data = { };

	for (int bit = 0; bit < 32; bit++) {
		if (CLOCK_FLAGS & BIT(bit))
			continue;
		CHECK_EQ(set_clock(vm, 1ull << 50, BIT(bit), 0), -EINVAL);
		CHECK_EQ(set_clock(vm, 1ull << 50, BIT(bit) | CLOCK_FLAGS, 0), -EINVAL);
	}
	CHECK(get_clock(vm) < 1ull << 50);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_CLOCK, 8), -EFAULT);
	CHECK_EQ(xioctl(vm->fd, KVM_GET_CLOCK, 8), -EFAULT);
	/* what was read may be given back, whatever else is in it */
	memset(&data, 0xff, sizeof(data));
	data.clock = 5;
	data.flags = KVM_CLOCK_TSC_STABLE | KVM_CLOCK_HOST_TSC;
	CHECK_EQ(xioctl(vm->fd, KVM_SET_CLOCK, (uintptr_t)&data), 0);
	CHECK(get_clock(vm) < 1ull << 50);
}

/* The three that are read together are of one moment. */
SUBTEST(get_clock_with_realtime)
{
	struct vcpu *vcpu = new_vcpu(MSR_TIME_NEW);
	struct kvm_clock_data data[2];
	u64 real, tsc;

	if (!host_has_tsc_clock())
		SKIP("the host's clock is not the TSC");
	check_clock(vcpu);
	for (int i = 0; i < 2; i++) {
		real = clock_ns(CLOCK_REALTIME);
		tsc = rdtsc();
		data[i] = clock_data(vcpu->vm);
		CHECK_EQ(data[i].flags, CLOCK_FLAGS);
		CHECK(data[i].host_tsc >= tsc && data[i].host_tsc <= rdtsc());
		CHECK(data[i].realtime + SLACK >= real);
		CHECK(data[i].realtime <= clock_ns(CLOCK_REALTIME) + SLACK);
	}
	/* nobody steers the host's wall clock here */
	CHECK(data[1].clock - data[0].clock + SLACK >= data[1].realtime - data[0].realtime);
	CHECK(data[1].clock - data[0].clock <= data[1].realtime - data[0].realtime + SLACK);
}

/* A machine that was elsewhere meanwhile: its clock goes on by what the wall clock did. */
SUBTEST(set_clock_with_realtime)
{
	struct vcpu *vcpu = new_vcpu(MSR_TIME_NEW);
	struct vm *vm = vcpu->vm;
	u64 real = clock_ns(CLOCK_REALTIME), ns;

	CHECK_EQ(set_clock(vm, 100 * SECOND, KVM_CLOCK_REALTIME, real - 7 * SECOND), 0);
	ns = check_clock(vcpu);
	CHECK(ns >= 107 * SECOND && ns < 108 * SECOND);
	/* but not by less than nothing */
	CHECK_EQ(set_clock(vm, 100 * SECOND, KVM_CLOCK_REALTIME, real + 70 * SECOND), 0);
	ns = check_clock(vcpu);
	CHECK(ns >= 100 * SECOND && ns < 101 * SECOND);
	/* without the flag it is not looked at */
	CHECK_EQ(set_clock(vm, 100 * SECOND, 0, real - 7 * SECOND), 0);
	ns = check_clock(vcpu);
	CHECK(ns >= 100 * SECOND && ns < 101 * SECOND);
}

/* ---- the counter below ---------------------------------------------------------- */

static void guest_moves_counter(u64 msr)
{
	arm(MSR_TIME_NEW, &pages[0]);
	for (int i = 0; i < 4; i++) {
		u64 before = clock_of(&pages[0]), after;

		wrmsr_try(msr, rdmsr_try(msr) + (i & 1 ? BIT(44) : -BIT(43)));
		GUEST_ASSERT_EQ(guest_ex()->vector, NO_EXCEPTION);
		after = clock_of(&pages[0]);
		GUEST_ASSERT(after - before < SECOND);
		GUEST_SYNC_VALUE(1, after);
	}
}

/* When the guest writes its counter, its clock goes on. */
SUBTEST(counter_moved_by_guest)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	if (!cpuid_has(vcpu->vm, 7, 1, 1))
		SKIP("no TSC_ADJUST");
	vcpu_long_mode(vcpu, guest_moves_counter, MSR_TSC_ADJUST);
	for (int i = 0; i < 4; i++)
		check_clock(vcpu);
	vcpu_expect_done(vcpu);
	/* KVM of Linux 6.1 forgets the page when IA32_TSC is written */
	if (device_is_kvm())
		return;
	vcpu_long_mode(vcpu, guest_moves_counter, MSR_TSC);
	for (int i = 0; i < 4; i++)
		check_clock(vcpu);
	vcpu_expect_done(vcpu);
}

SUBTEST(counter_moved_by_host)
{
	struct vcpu *vcpu = new_vcpu(MSR_TIME_NEW);

	check_clock(vcpu);
	set_msr(vcpu, MSR_TSC, BIT(50));
	check_clock(vcpu);
	set_offset(vcpu, get_offset(vcpu) - BIT(40));
	check_clock(vcpu);
}

SUBTEST(scaled_counter)
{
	struct vm *vm = vm_create();
	int khz = xioctl(vm->fd, KVM_GET_TSC_KHZ, 0);
	static const int tenths[] = { 20, 5, 13 };

	if (check_cap(vm, KVM_CAP_VM_TSC_CONTROL) <= 0)
		SKIP("no TSC scaling");
	for (unsigned int i = 0; i < ARRAY_SIZE(tenths); i++) {
		struct vcpu *vcpu;

		test_doing("pace %d / 10", tenths[i]);
		vm = vm_create();
		CHECK_EQ(xioctl(vm->fd, KVM_SET_TSC_KHZ, khz / 10 * tenths[i]), 0);
		vcpu = vcpu_create(vm, 0);
		vcpu_long_mode(vcpu, guest_tells_clock, MSR_TIME_NEW);
		check_clock(vcpu);
		spin_ticks(khz * 20);
		check_clock(vcpu);
		CHECK_EQ(guest_var(vm, pages[0]).flags, stable_here());
		vm_free(vm);
	}
}

static void guest_own_page(u64 id)
{
	arm(MSR_TIME_NEW, &pages[id]);
	for (;;)
		GUEST_SYNC_VALUE(1, clock_of(&pages[id]));
}

static void make_two(struct vcpu **vcpus)
{
	struct vm *vm = vm_create();

	for (int i = 0; i < 2; i++) {
		vcpus[i] = vcpu_create(vm, i);
		vcpu_long_mode(vcpus[i], guest_own_page, i);
	}
}

/* Stable only as long as all counters agree. */
SUBTEST(stable_while_in_step)
{
	struct vcpu *vcpus[2];
	struct vm *vm;

	if (!host_has_tsc_clock())
		SKIP("the host's clock is not the TSC");
	make_two(vcpus);
	vm = vcpus[0]->vm;
	for (int round = 0; round < 3; round++) {
		bool in_step = round != 1;

		test_doing("counters %s", in_step ? "in step" : "apart");
		set_msr(vcpus[0], MSR_TSC, BIT(50) * (round + 1));
		set_msr(vcpus[1], MSR_TSC, BIT(50) * (round + 1) + (in_step ? 0 : BIT(45)));
		/* KVM renews the first one's page when the second runs, if at all */
		for (int i = 0; i < 2; i++)
			for (int k = 0; k < 2; k++)
				if (i || !device_is_kvm())
					check_clock(vcpus[k]);
				else
					vcpu_expect_sync(vcpus[k], 1);
		for (int i = 0; i < 2; i++)
			CHECK_EQ(guest_var(vm, pages[i]).flags, in_step ? STABLE : 0);
		CHECK_EQ(clock_data(vm).flags, in_step ? CLOCK_FLAGS : 0);
		if (in_step) {
			CHECK_EQ(guest_var(vm, pages[0]).tsc, guest_var(vm, pages[1]).tsc);
			CHECK_EQ(guest_var(vm, pages[0]).time, guest_var(vm, pages[1]).time);
		}
	}
}

static volatile u64 last_ns, lock, reads;

/* By its own page in one round, by its neighbour's in the next. */
static void guest_watches(u64 id)
{
	arm(MSR_TIME_NEW, &pages[id]);
	while (!READ_ONCE(pages[!id].version))
		cpu_relax();
	for (u64 i = 0; i < 3000; i++) {
		u64 ns;

		while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
			cpu_relax();
		ns = clock_of(&pages[id ^ (i & 1)]);
		GUEST_ASSERT(ns >= last_ns);
		last_ns = ns;
		reads++;
		__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
	}
}

static void *run_watcher(void *vcpu)
{
	vcpu_expect_done(vcpu);
	return NULL;
}

static void watch(int steps)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpus[2];
	struct thread t[2];

	if (nr_cpus() < 2)
		SKIP("needs two CPUs");
	if (!host_has_tsc_clock())
		SKIP("the host's clock is not the TSC");
	for (int i = 0; i < 2; i++) {
		vcpus[i] = vcpu_create(vm, i);
		vcpu_long_mode(vcpus[i], guest_watches, i);
	}
	for (int i = 0; i < 2; i++)
		thread_start(&t[i], i, run_watcher, vcpus[i]);
	while (steps--) {
		u64 now = get_clock(vm);

		CHECK_EQ(set_clock(vm, now + 1000000, 0, 0), 0);
		CHECK(get_clock(vm) > now);
	}
	for (int i = 0; i < 2; i++)
		thread_join(&t[i]);
	CHECK_EQ(guest_var(vm, reads), 6000);
}

SUBTEST(never_back_across_vcpus)
{
	watch(0);
}

/* The clock steps forward; no vCPU shall be ahead of that step. */
SUBTEST(never_back_when_it_is_set)
{
	watch(30);
}

/* ---- a guest that was stopped --------------------------------------------------- */

static void guest_clears_stopped(u64 a)
{
	arm(MSR_TIME_NEW, &pages[0]);
	GUEST_SYNC_VALUE(1, pages[0].flags);
	GUEST_SYNC_VALUE(2, pages[0].flags);
	GUEST_SYNC_VALUE(3, pages[0].flags);
	pages[0].flags &= ~STOPPED;
	GUEST_SYNC_VALUE(4, pages[0].flags);
}

SUBTEST(kvmclock_ctrl)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	CHECK_EQ(xioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0), -EINVAL);
	vcpu_long_mode(vcpu, guest_clears_stopped, 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 1) & STOPPED, 0);
	CHECK_EQ(xioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0), 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2) & STOPPED, STOPPED);
	/* it stays through a new page until the guest has seen it */
	CHECK_EQ(set_clock(vm, SECOND, 0, 0), 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 3) & STOPPED, STOPPED);
	CHECK_EQ(vcpu_expect_sync(vcpu, 4) & STOPPED, 0);
	CHECK_EQ(set_clock(vm, 2 * SECOND, 0, 0), 0);
	vcpu_expect_done(vcpu);
	CHECK_EQ(guest_var(vm, pages[0]).flags & STOPPED, 0);
	set_msr(vcpu, MSR_TIME_NEW, 0);
	CHECK_EQ(xioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0), -EINVAL);
}
