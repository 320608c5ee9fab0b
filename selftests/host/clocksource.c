// SPDX-License-Identifier: GPL-2.0
/*
 * clocksource - kvmclock when the host's clock is no longer its time stamp counter, and
 * when it is again. Each subtest changes the host's clock source, which is everybody's,
 * and puts it back whatever becomes of it.
 */
#include <sys/wait.h>

#include "clock.h"

#define MSR_TIME_NEW	0x4b564d01
#define STABLE		BIT(0)
#define CLOCK_PAIRING	9
#define EOPNOTSUPP_PV	95
#define SECOND		1000000000ull

struct time_info {
	u32 version, pad0;
	u64 tsc, time;
	u32 mul;
	signed char shift;
	u8 flags, pad[2];
};

static volatile struct time_info page __aligned(64);
static volatile u8 pair[64] __aligned(64);

/* ---- the host's clock source ----------------------------------------------------- */

#define SOURCES	"/sys/devices/system/clocksource/clocksource0/"

static void read_line(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "r");

	line[0] = 0;
	if (!f)
		return;
	if (!fgets(line, size, f))
		line[0] = 0;
	line[strcspn(line, "\n")] = 0;
	fclose(f);
}

static void use_source(const char *name)
{
	char now[32];

	CHECK(write_text(SOURCES "current_clocksource", name));
	read_line(SOURCES "current_clocksource", now, sizeof(now));
	CHECK(!strcmp(now, name));
}

/* One that is not the TSC. */
static const char *other_source(void)
{
	static char names[128];
	char *name;

	/* soon after the boot the kernel is still measuring it */
	do {
		sched_yield();
		read_line(SOURCES "current_clocksource", names, sizeof(names));
	} while (!strcmp(names, "tsc-early"));
	if (strcmp(names, "tsc"))
		SKIP("the host's clock is not its TSC");
	read_line(SOURCES "available_clocksource", names, sizeof(names));
	for (name = strtok(names, " "); name; name = strtok(NULL, " "))
		if (strcmp(name, "tsc"))
			return name;
	SKIP("the host has no other clock");
}

/* The rest of the subtest in a child, so that the TSC comes back when it fails, too. */
static void with_source(void (*fn)(const char *name))
{
	const char *name = other_source();
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		fn(name);
		fflush(stdout);
		_exit(EXIT_PASS);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	use_source("tsc");
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_PASS);
}

/* ---- a guest with a clock ---------------------------------------------------------- */

static void guest_pairs(u64 arg)
{
	wrmsr_try(MSR_TIME_NEW, (uintptr_t)&page | 1);
	GUEST_ASSERT_EQ(guest_ex()->vector, NO_EXCEPTION);
	for (;;) {
		long ret;

		asm volatile("vmcall" : "=a"(ret) : "a"(CLOCK_PAIRING), "b"(&pair), "c"(0)
			     : "memory");
		GUEST_SYNC_VALUE(1, ret);
	}
}

static struct kvm_clock_data get_clock(struct vm *vm)
{
	struct kvm_clock_data data;

	CHECK_EQ(xioctl(vm->fd, KVM_GET_CLOCK, (uintptr_t)&data), 0);
	return data;
}

/* Until the guest's page says so: the kernel tells the vCPUs when it comes to it. */
static void run_until_flags(struct vcpu *vcpu, u8 flags)
{
	do {
		sched_yield();
		vcpu_expect_sync(vcpu, 1);
	} while (guest_var(vcpu->vm, page).flags != flags);
}

/* A second of the guest's counter is a second. */
static void check_pace(struct vcpu *vcpu)
{
	volatile struct time_info *p = &guest_var(vcpu->vm, page);
	u64 ticks = tsc_khz(vcpu) * 1000, ns;

	ns = p->shift < 0 ? ticks >> -p->shift : ticks << p->shift;
	ns = mul_shr32(ns, p->mul);
	CHECK(ns > SECOND - SECOND / 10000 && ns < SECOND + SECOND / 10000);
}

static struct vcpu *stable_vcpu(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	vcpu_long_mode(vcpu, guest_pairs, 0);
	run_until_flags(vcpu, STABLE);
	CHECK_EQ(vcpu_expect_sync(vcpu, 1), 0);
	CHECK(get_clock(vcpu->vm).flags & KVM_CLOCK_TSC_STABLE);
	check_pace(vcpu);
	return vcpu;
}

static void lose_and_find(const char *name)
{
	struct vcpu *vcpu = stable_vcpu();
	struct vm *vm = vcpu->vm;
	struct kvm_clock_data data;
	u64 before = get_clock(vm).clock;

	use_source(name);
	run_until_flags(vcpu, 0);
	check_pace(vcpu);
	CHECK_EQ((int)vcpu_expect_sync(vcpu, 1), -EOPNOTSUPP_PV);
	data = get_clock(vm);
	CHECK_EQ(data.flags, 0);
	CHECK(data.clock > before && data.clock < before + 10 * SECOND);
	use_source("tsc");
	/* KVM looks again only when something is set */
	data = get_clock(vm);
	data.flags = 0;
	CHECK_EQ(xioctl(vm->fd, KVM_SET_CLOCK, (uintptr_t)&data), 0);
	run_until_flags(vcpu, STABLE);
	CHECK_EQ(vcpu_expect_sync(vcpu, 1), 0);
	CHECK(get_clock(vm).flags & KVM_CLOCK_TSC_STABLE);
	check_pace(vcpu);
}

/* Running guests are told, by their page, that it is not stable any more. */
SUBTEST(the_hosts_clock_is_not_its_counter)
{
	with_source(lose_and_find);
}

/* And machines that are made then have no stable clock, nor any pairs. */
static void make_one(const char *name)
{
	struct vcpu *vcpu;

	use_source(name);
	vcpu = vcpu_create(vm_create(), 0);
	vcpu_long_mode(vcpu, guest_pairs, 0);
	CHECK_EQ((int)vcpu_expect_sync(vcpu, 1), -EOPNOTSUPP_PV);
	CHECK_EQ(guest_var(vcpu->vm, page).flags, 0);
	check_pace(vcpu);
	CHECK_EQ(get_clock(vcpu->vm).flags, 0);
}

SUBTEST(machine_made_with_another_clock)
{
	with_source(make_one);
}
