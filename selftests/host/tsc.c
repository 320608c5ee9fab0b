// SPDX-License-Identifier: GPL-2.0
/*
 * tsc - the guest's time stamp counter: how it follows the host's, what writes of
 * it by the guest and by user space do, which writes keep the counters of several
 * vCPUs in step, and that it never goes back, wherever its thread runs.
 */
#include <sched.h>

#include "clock.h"

/* ---- as an attribute of the vCPU ------------------------------------------------ */

SUBTEST(offset_is_an_attribute)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 before, value, after, offset;

	CHECK_EQ(check_cap(vm, KVM_CAP_VCPU_ATTRIBUTES), 1);
	CHECK_EQ(tsc_attr(vcpu, KVM_HAS_DEVICE_ATTR, NULL), 0);
	for (int i = 0; i < 3; i++) {
		offset = get_offset(vcpu);
		before = rdtsc();
		value = get_msr(vcpu, MSR_TSC);
		after = rdtsc();
		CHECK(value - (before + offset) <= after - before);
		offset = test_rand();
		set_offset(vcpu, offset);
		CHECK_EQ(get_offset(vcpu), offset);
	}
}

SUBTEST(unknown_attributes)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	static const unsigned long cmds[] = {
		KVM_HAS_DEVICE_ATTR, KVM_GET_DEVICE_ATTR, KVM_SET_DEVICE_ATTR,
	};
	struct kvm_device_attr attr;
	u64 value = 0, offset = get_offset(vcpu);

	for (unsigned int i = 0; i < ARRAY_SIZE(cmds); i++) {
		attr = (struct kvm_device_attr){ .addr = (uintptr_t)&value };
		attr.group = 1;
		CHECK_EQ(xioctl(vcpu->fd, cmds[i], (uintptr_t)&attr), -ENXIO);
		attr.group = ~0u;
		CHECK_EQ(xioctl(vcpu->fd, cmds[i], (uintptr_t)&attr), -ENXIO);
		attr.group = KVM_VCPU_TSC_CTRL;
		attr.attr = KVM_VCPU_TSC_OFFSET + 1;
		CHECK_EQ(xioctl(vcpu->fd, cmds[i], (uintptr_t)&attr), -ENXIO);
		attr.attr = BIT(32);
		CHECK_EQ(xioctl(vcpu->fd, cmds[i], (uintptr_t)&attr), -ENXIO);
		CHECK_EQ(xioctl(vcpu->fd, cmds[i], 8), -EFAULT);
	}
	CHECK_EQ(tsc_attr(vcpu, KVM_GET_DEVICE_ATTR, (u64 *)8), -EFAULT);
	CHECK_EQ(tsc_attr(vcpu, KVM_SET_DEVICE_ATTR, (u64 *)8), -EFAULT);
	CHECK_EQ(get_offset(vcpu), offset);
}

/* ---- vCPUs in step -------------------------------------------------------------- */

static void make_vcpus(struct vm *vm, struct vcpu **vcpus, int n)
{
	for (int i = 0; i < n; i++) {
		vcpus[i] = vcpu_create(vm, i);
		spin_ticks(100000);
	}
}

SUBTEST(new_vcpus_are_in_step)
{
	struct vcpu *vcpus[4];
	struct vm *vm = vm_create();

	make_vcpus(vm, vcpus, 4);
	for (int i = 1; i < 4; i++)
		CHECK_EQ(get_offset(vcpus[i]), get_offset(vcpus[0]));
	/* the counter began with the first of them, at zero */
	CHECK(get_msr(vcpus[0], MSR_TSC) < 60 * 1000 * tsc_khz(vcpus[0]));
}

/* User space restores one vCPU after the other; the same value means the same time. */
SUBTEST(equal_writes_are_in_step)
{
	struct vcpu *vcpus[3];
	struct vm *vm = vm_create();
	u64 value = BIT(50) + 12345, before;

	make_vcpus(vm, vcpus, 3);
	before = get_offset(vcpus[0]);
	for (int i = 0; i < 3; i++) {
		set_msr(vcpus[i], MSR_TSC, value);
		spin_ticks(1000000);
	}
	CHECK(get_offset(vcpus[0]) != before);
	CHECK_EQ(get_offset(vcpus[1]), get_offset(vcpus[0]));
	CHECK_EQ(get_offset(vcpus[2]), get_offset(vcpus[0]));
	CHECK(get_msr(vcpus[2], MSR_TSC) - value >= 2000000);
}

/* Off by less than a second of the guest's counter, it is what the other has by now. */
SUBTEST(a_second_apart)
{
	struct vcpu *vcpus[2];
	struct vm *vm = vm_create();
	u64 second, first, offset;

	make_vcpus(vm, vcpus, 2);
	second = tsc_khz(vcpus[0]) * 1000;
	for (int half = -4; half <= 4; half++) {
		bool near = half > -2 && half < 2;

		if (half == -2 || half == 2)
			continue;	/* on the border, as time passes meanwhile */
		test_doing("%d half seconds apart", half);
		first = BIT(50) + (half + 5) * BIT(40);
		set_msr(vcpus[0], MSR_TSC, first);
		offset = get_offset(vcpus[0]);
		set_msr(vcpus[1], MSR_TSC, first + half * (long long)(second / 2));
		CHECK_EQ(get_offset(vcpus[1]) == offset, near);
		CHECK_EQ(get_offset(vcpus[0]), offset);
		if (!near)
			CHECK(get_msr(vcpus[1], MSR_TSC) -
			      (first + half * (long long)(second / 2)) < second);
	}
}

/* Zero is what a vCPU that is reset is given: it stays with the others. */
SUBTEST(zero_joins_the_others)
{
	struct vcpu *vcpus[2];
	struct vm *vm = vm_create();

	make_vcpus(vm, vcpus, 2);
	set_msr(vcpus[0], MSR_TSC, BIT(50));
	CHECK(get_offset(vcpus[0]) != get_offset(vcpus[1]));
	set_msr(vcpus[1], MSR_TSC, 0);
	CHECK_EQ(get_offset(vcpus[1]), get_offset(vcpus[0]));
	CHECK(get_msr(vcpus[1], MSR_TSC) >= BIT(50));
	/* even the last of them that was written stays */
	set_msr(vcpus[0], MSR_TSC, BIT(51));
	set_msr(vcpus[0], MSR_TSC, 0);
	CHECK(get_msr(vcpus[0], MSR_TSC) >= BIT(51));
}

/* The attribute is exact, and the value that it gives counts for later writes. */
SUBTEST(offset_takes_part)
{
	struct vcpu *vcpus[2];
	struct vm *vm = vm_create();
	u64 offset;

	make_vcpus(vm, vcpus, 2);
	offset = get_offset(vcpus[0]) + BIT(45);
	set_offset(vcpus[0], offset);
	CHECK(get_offset(vcpus[1]) != offset);
	set_msr(vcpus[1], MSR_TSC, get_msr(vcpus[0], MSR_TSC));
	CHECK_EQ(get_offset(vcpus[1]), offset);
	set_offset(vcpus[1], offset + 1);
	CHECK_EQ(get_offset(vcpus[1]), offset + 1);
	CHECK_EQ(get_offset(vcpus[0]), offset);
}

/* A machine's counters are its own. */
SUBTEST(machines_are_strangers)
{
	struct vcpu *a = vcpu_create(vm_create(), 0);
	struct vcpu *b = vcpu_create(vm_create(), 0);
	u64 offset = get_offset(b);

	set_msr(a, MSR_TSC, BIT(50));
	CHECK_EQ(get_offset(b), offset);
	set_msr(b, MSR_TSC, BIT(50));
	CHECK(get_offset(a) != get_offset(b));
}

/* ---- writes by the guest -------------------------------------------------------- */

static void guest_writes(u64 a)
{
	u64 before, tsc;

	wrmsr_try(MSR_TSC, BIT(52));
	GUEST_ASSERT_EQ(guest_ex()->vector, NO_EXCEPTION);
	tsc = rdtsc();
	GUEST_ASSERT(tsc >= BIT(52) && tsc - BIT(52) < BIT(40));
	GUEST_SYNC_VALUE(1, rdmsr_try(MSR_TSC_ADJUST));

	before = rdtsc();
	wrmsr_try(MSR_TSC_ADJUST, rdmsr_try(MSR_TSC_ADJUST) + BIT(53));
	GUEST_ASSERT_EQ(guest_ex()->vector, NO_EXCEPTION);
	tsc = rdtsc();
	GUEST_ASSERT(tsc - before - BIT(53) < BIT(40));
	GUEST_SYNC_VALUE(2, rdmsr_try(MSR_TSC_ADJUST));
	/* back to nothing */
	wrmsr_try(MSR_TSC_ADJUST, 0);
	GUEST_SYNC_VALUE(3, rdmsr_try(MSR_TSC_ADJUST));
}

/* SDM volume 3, 18.17.3: both are one; a guest's write concerns its own CPU alone. */
SUBTEST(guest_writes_move_one)
{
	struct vcpu *vcpus[2];
	struct vm *vm = vm_create();
	u64 offset, adjust;

	if (!cpuid_has(vm, 7, 1, 1))
		SKIP("no TSC_ADJUST");
	make_vcpus(vm, vcpus, 2);
	offset = get_offset(vcpus[0]);
	vcpu_long_mode(vcpus[0], guest_writes, 0);
	adjust = vcpu_expect_sync(vcpus[0], 1);
	CHECK_EQ(get_offset(vcpus[0]) - offset, adjust);
	CHECK_EQ(get_msr(vcpus[0], MSR_TSC_ADJUST), adjust);
	CHECK_EQ(vcpu_expect_sync(vcpus[0], 2), adjust + BIT(53));
	CHECK_EQ(get_offset(vcpus[0]) - offset, adjust + BIT(53));
	CHECK_EQ(get_offset(vcpus[1]), offset);
	CHECK_EQ(vcpu_expect_sync(vcpus[0], 3), 0);
	CHECK_EQ(get_offset(vcpus[0]), offset);
	vcpu_expect_done(vcpus[0]);
}

static void guest_reads_adjust(u64 a)
{
	GUEST_SYNC_VALUE(1, rdmsr_try(MSR_TSC_ADJUST));
}

/* User space restores both, each for itself. */
SUBTEST(host_writes_of_adjust)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 offset = get_offset(vcpu);

	if (!cpuid_has(vm, 7, 1, 1))
		SKIP("no TSC_ADJUST");
	set_msr(vcpu, MSR_TSC_ADJUST, BIT(33));
	CHECK_EQ(get_offset(vcpu), offset);
	set_msr(vcpu, MSR_TSC, BIT(50));
	CHECK_EQ(get_msr(vcpu, MSR_TSC_ADJUST), BIT(33));
	vcpu_long_mode(vcpu, guest_reads_adjust, 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 1), BIT(33));
	vcpu_expect_done(vcpu);
}

/* ---- frequencies ---------------------------------------------------------------- */

static void guest_tells_tsc(u64 a)
{
	for (;;)
		GUEST_SYNC_VALUE(1, rdtsc());
}

/* The guest's counter at double pace: 2 * host + offset, here and there. */
SUBTEST(scaled_counter)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpus[3];
	int khz = xioctl(vm->fd, KVM_GET_TSC_KHZ, 0);
	u64 before, value, after;

	if (check_cap(vm, KVM_CAP_VM_TSC_CONTROL) <= 0)
		SKIP("no TSC scaling");
	CHECK_EQ(xioctl(vm->fd, KVM_SET_TSC_KHZ, 2 * khz), 0);
	make_vcpus(vm, vcpus, 2);
	CHECK_EQ(tsc_khz(vcpus[0]), 2 * khz);
	CHECK_EQ(get_offset(vcpus[0]), get_offset(vcpus[1]));
	vcpu_long_mode(vcpus[1], guest_tells_tsc, 0);
	for (int i = 0; i < 2; i++) {
		before = rdtsc();
		value = i ? get_msr(vcpus[1], MSR_TSC) : vcpu_expect_sync(vcpus[1], 1);
		after = rdtsc();
		CHECK(value - (2 * before + get_offset(vcpus[1])) <= 2 * (after - before));
	}
	/* one at another pace is never in step with them */
	CHECK_EQ(xioctl(vm->fd, KVM_SET_TSC_KHZ, khz), 0);
	vcpus[2] = vcpu_create(vm, 2);
	CHECK_EQ(tsc_khz(vcpus[2]), khz);
	CHECK(get_msr(vcpus[2], MSR_TSC) < 1000 * (u64)khz);
	set_msr(vcpus[2], MSR_TSC, BIT(50));
	set_msr(vcpus[1], MSR_TSC, BIT(50));
	CHECK(get_msr(vcpus[1], MSR_TSC) - BIT(50) < 1000 * (u64)khz);
	CHECK(get_offset(vcpus[1]) != get_offset(vcpus[2]));
}

/* As clients do that restore a machine from a host with another frequency. */
SUBTEST(scaled_one_by_one)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpus[2];
	u64 khz, before;

	if (check_cap(vm, KVM_CAP_TSC_CONTROL) <= 0)
		SKIP("no TSC scaling");
	make_vcpus(vm, vcpus, 2);
	khz = tsc_khz(vcpus[0]);
	for (int i = 0; i < 2; i++) {
		before = get_msr(vcpus[i], MSR_TSC);
		CHECK_EQ(xioctl(vcpus[i]->fd, KVM_SET_TSC_KHZ, khz / 2), 0);
		/*
		 * KVM leaves the offset as it is, so that the counter leaps. Else it
		 * runs on, but that the second joins the first, who is slower by now.
		 */
		if (!device_is_kvm())
			CHECK(get_msr(vcpus[i], MSR_TSC) - before + 500 * khz < 1000 * khz);
	}
	CHECK_EQ(get_offset(vcpus[1]), get_offset(vcpus[0]));
	for (int i = 0; i < 2; i++)
		set_msr(vcpus[i], MSR_TSC, BIT(50));
	CHECK_EQ(get_offset(vcpus[1]), get_offset(vcpus[0]));
	CHECK(get_msr(vcpus[1], MSR_TSC) - BIT(50) < 1000 * khz);
}

/* ---- time goes on --------------------------------------------------------------- */

/* A guest that does not run for a while sees that while. */
SUBTEST(runs_on_while_stopped)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	u64 ticks = tsc_khz(vcpu) * 20, before, value, host;

	vcpu_long_mode(vcpu, guest_tells_tsc, 0);
	host = rdtsc();
	before = vcpu_expect_sync(vcpu, 1);
	spin_ticks(ticks);
	value = vcpu_expect_sync(vcpu, 1);
	CHECK(value - before >= ticks);
	CHECK(value - before <= rdtsc() - host);
}

static volatile u64 last_tsc, lock, reads;

static void guest_watches(u64 rounds)
{
	for (u64 i = 0; i < rounds; i++) {
		u64 tsc;

		while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
			cpu_relax();
		tsc = rdtsc();
		GUEST_ASSERT(tsc >= last_tsc);
		last_tsc = tsc;
		reads++;
		__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
	}
}

static void *run_watcher(void *vcpu)
{
	vcpu_expect_done(vcpu);
	return NULL;
}

/* What one vCPU has read is not the future for the other. */
SUBTEST(never_back_across_vcpus)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpus[2];
	struct thread t[2];

	if (nr_cpus() < 2)
		SKIP("needs two CPUs");
	make_vcpus(vm, vcpus, 2);
	for (int i = 0; i < 2; i++) {
		vcpu_long_mode(vcpus[i], guest_watches, 3000);
		thread_start(&t[i], i, run_watcher, vcpus[i]);
	}
	for (int i = 0; i < 2; i++)
		thread_join(&t[i]);
	CHECK_EQ(guest_var(vm, reads), 6000);
}

/* Nor for itself, when its thread moves. */
SUBTEST(never_back_on_another_cpu)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	u64 last = 0, tsc;

	if (nr_cpus() < 2)
		SKIP("needs two CPUs");
	vcpu_long_mode(vcpu, guest_tells_tsc, 0);
	for (int i = 0; i < 200; i++) {
		pin_to_cpu(i & 1);
		tsc = vcpu_expect_sync(vcpu, 1);
		CHECK(tsc > last);
		last = tsc;
		tsc = get_msr(vcpu, MSR_TSC);
		CHECK(tsc > last);
		last = tsc;
	}
}
