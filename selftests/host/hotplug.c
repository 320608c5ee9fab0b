// SPDX-License-Identifier: GPL-2.0
/*
 * hotplug - CPU 1 goes and comes while machines exist: idle ones that ran there,
 * running ones, and ones that are made or freed while it is away (bug class 43).
 * Suspend is not tried: the emulated host has none.
 */
#include <sched.h>
#include <signal.h>

#include "selftest.h"

#define ONLINE	"/sys/devices/system/cpu/cpu1/online"

static volatile u64 counts[4];

static void set_online(bool online)
{
	if (!write_text(ONLINE, online ? "1\n" : "0\n"))
		FAIL("cannot take CPU 1 %s: %s", online ? "online" : "offline",
		     strerror(errno));
	CHECK_EQ(read_number(ONLINE, -1), online);
}

/* Every subtest starts with both CPUs, whatever a failed one has left. */
static void need_hotplug(void)
{
	if (read_number(ONLINE, -1) < 0)
		SKIP("no CPU 1, or it cannot be taken offline");
	if (!read_number(ONLINE, -1))
		set_online(true);
}

static bool on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

static void guest_count(u64 id)
{
	for (;;) {
		counts[id]++;
		GUEST_SYNC_VALUE(1, counts[id]);
	}
}

static void guest_loop(u64 id)
{
	u32 eax, ebx, ecx, edx;

	for (;;) {
		counts[id]++;
		if (!(counts[id] & 0xfff)) {
			eax = 0;
			ecx = 0;
			asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
		}
	}
}

static struct vcpu *machine(void (*fn)(u64 id), int id)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	vcpu_long_mode(vcpu, fn, id);
	return vcpu;
}

static u64 counted(struct vcpu *vcpu, int id)
{
	return *(volatile u64 *)&guest_var(vcpu->vm, counts)[id];
}

static void wait_for_guest(struct vcpu *vcpu, int id)
{
	u64 old = counted(vcpu, id);

	while (counted(vcpu, id) == old)
		sched_yield();
}

/* A new machine works, on every CPU that is online. */
static void check_device(void)
{
	struct vcpu *vcpu = machine(guest_count, 0);

	for (u64 i = 1; i < 6; i++) {
		on_cpu(i & 1);		/* CPU 1 may be away */
		CHECK_EQ(vcpu_expect_sync(vcpu, 1), i);
	}
	vm_free(vcpu->vm);
	CHECK(on_cpu(0));
}

/* Last run on CPU 1, whose VMCS must leave that CPU before it goes. */
SUBTEST(class43_idle_vcpu_of_a_cpu_that_goes)
{
	struct vcpu *vcpu;
	u64 n = 0;

	need_hotplug();
	vcpu = machine(guest_count, 0);
	for (int round = 0; round < 4; round++) {
		test_doing("round %d", round);
		CHECK(on_cpu(1));
		CHECK_EQ(vcpu_expect_sync(vcpu, 1), ++n);
		CHECK(on_cpu(0));
		set_online(false);
		CHECK_EQ(vcpu_expect_sync(vcpu, 1), ++n);
		CHECK_EQ(vcpu_expect_sync(vcpu, 1), ++n);
		set_online(true);
		CHECK_EQ(vcpu_expect_sync(vcpu, 1), ++n);
		CHECK(on_cpu(1));
		CHECK_EQ(vcpu_expect_sync(vcpu, 1), ++n);
	}
	check_device();
}

/* State is read, and the machine freed, while the vCPU's last CPU is away. */
SUBTEST(class43_freed_while_its_cpu_is_away)
{
	struct kvm_regs a, b;
	struct vcpu *vcpu;

	need_hotplug();
	vcpu = machine(guest_count, 0);
	CHECK(on_cpu(1));
	CHECK_EQ(vcpu_expect_sync(vcpu, 1), 1);
	get_regs(vcpu, &a);
	CHECK(on_cpu(0));
	set_online(false);
	get_regs(vcpu, &b);
	CHECK_EQ(memcmp(&a, &b, sizeof(a)), 0);
	vm_free(vcpu->vm);
	check_device();
	set_online(true);
	check_device();
}

/* Made while CPU 1 is away, run on it when it has come. */
SUBTEST(class43_made_while_a_cpu_is_away)
{
	struct vcpu *vcpu;

	need_hotplug();
	for (int round = 0; round < 3; round++) {
		test_doing("round %d", round);
		CHECK(on_cpu(0));
		set_online(false);
		vcpu = machine(guest_count, 0);
		CHECK_EQ(vcpu_expect_sync(vcpu, 1), 1);
		set_online(true);
		CHECK(on_cpu(1));
		CHECK_EQ(vcpu_expect_sync(vcpu, 1), 2);
		CHECK(on_cpu(0));
		CHECK_EQ(vcpu_expect_sync(vcpu, 1), 3);
		vm_free(vcpu->vm);
	}
	check_device();
}

static void *run_until_kicked(void *arg)
{
	struct vcpu *vcpu = arg;
	int ret;

	do
		ret = vcpu_run_raw(vcpu);
	while (!ret);
	CHECK_EQ(ret, -EINTR);
	return NULL;
}

/* Running on CPU 1 when it goes: the thread is moved, the guest notices nothing. */
SUBTEST(class43_running_vcpu_of_a_cpu_that_goes)
{
	struct vcpu *vcpu[2];
	struct thread t[2];
	cpu_set_t set;

	need_hotplug();
	for (int i = 0; i < 2; i++) {
		vcpu[i] = machine(guest_loop, i);
		thread_start(&t[i], i, run_until_kicked, vcpu[i]);
		wait_for_guest(vcpu[i], i);
	}
	for (int round = 0; round < 6; round++) {
		test_doing("round %d", round);
		CPU_ZERO(&set);
		CPU_SET(1, &set);
		CHECK_EQ(pthread_setaffinity_np(t[1].id, sizeof(set), &set), 0);
		wait_for_guest(vcpu[1], 1);
		set_online(false);
		for (int i = 0; i < 2; i++)
			wait_for_guest(vcpu[i], i);
		set_online(true);
		for (int i = 0; i < 2; i++)
			wait_for_guest(vcpu[i], i);
	}
	for (int i = 0; i < 2; i++)
		thread_stop(&t[i]);
	check_device();
}

struct mover {
	struct thread t;
	pthread_t who;
	bool stop;
	u64 moves;
};

static void *move_about(void *arg)
{
	struct mover *m = arg;
	cpu_set_t set;

	while (!__atomic_load_n(&m->stop, __ATOMIC_ACQUIRE)) {
		CPU_ZERO(&set);
		CPU_SET(m->moves++ & 1, &set);
		pthread_setaffinity_np(m->who, sizeof(set), &set);
		sched_yield();
	}
	return NULL;
}

SUBTEST(class43_moved_about_while_a_cpu_comes_and_goes)
{
	struct mover m = { 0 };
	struct vcpu *vcpu;
	struct thread t;

	need_hotplug();
	vcpu = machine(guest_loop, 0);
	thread_start(&t, 0, run_until_kicked, vcpu);
	m.who = t.id;
	thread_start(&m.t, 0, move_about, &m);
	for (int round = 0; round < 6; round++) {
		set_online(false);
		wait_for_guest(vcpu, 0);
		set_online(true);
		wait_for_guest(vcpu, 0);
	}
	__atomic_store_n(&m.stop, true, __ATOMIC_RELEASE);
	thread_join(&m.t);
	thread_stop(&t);
	CHECK(m.moves > 10);
	check_device();
}

/* Machines come and go at the same time as the CPU. */
static void *make_and_free(void *arg)
{
	struct mover *m = arg;

	while (!__atomic_load_n(&m->stop, __ATOMIC_ACQUIRE)) {
		check_device();
		m->moves++;
	}
	return NULL;
}

SUBTEST(class43_machines_come_and_go_with_a_cpu)
{
	struct mover m = { 0 };

	need_hotplug();
	thread_start(&m.t, 0, make_and_free, &m);
	for (int round = 0; round < 6; round++) {
		set_online(false);
		set_online(true);
	}
	__atomic_store_n(&m.stop, true, __ATOMIC_RELEASE);
	thread_join(&m.t);
	CHECK(m.moves > 0);
	check_device();
}
