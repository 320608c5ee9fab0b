// SPDX-License-Identifier: GPL-2.0
/*
 * nxhuge - large pages from which no code is run: the first instruction fetched splits
 * one, what was split is large again after a while, and a machine may be made without
 * all this by whoever may also restart the host (bug class 18).
 */
#include <fcntl.h>
#include <unistd.h>

#include "memory.h"
#include "stats.h"

#define PAGES	3
#define GPA	TEST_GPA

static const char *const names[] = {
	"nx_huge_pages", "nx_huge_pages_recovery_ratio", "nx_huge_pages_recovery_period_ms",
};

static char *path_of(int param)
{
	static char path[100];

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s",
		 device_is_kvm() ? "kvm" : "lodge", names[param]);
	return path;
}

static void params_as_ever(void)
{
	write_text(path_of(0), device_is_kvm() ? "auto" : "-1");
	write_text(path_of(1), "60");
	write_text(path_of(2), "0");
	write_text("/proc/sys/vm/nr_hugepages", "0");
}

static void set_params(const char *on, const char *ratio, const char *period)
{
	CHECK(write_text(path_of(0), on));
	CHECK(write_text(path_of(1), ratio));
	CHECK(write_text(path_of(2), period));
}

/* Large pages with code at the beginning of each. */
static u8 *add_code(struct vm *vm)
{
	u8 *mem;

	write_text("/proc/sys/vm/nr_hugepages", "3");
	mem = mmap(NULL, PAGES * SZ_2M, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (mem == MAP_FAILED)
		SKIP("the host has no huge pages");
	for (int i = 0; i < PAGES; i++)
		put_code(mem + i * SZ_2M, i);
	CHECK_EQ(set_region(vm, MEM_SLOT, 0, GPA, PAGES * SZ_2M, mem), 0);
	return mem;
}

/* What the machine has of its own, the guest's program, is small and is not split. */
static void check_counts(struct stats *s, u64 large, u64 splits)
{
	CHECK_EQ(stat_of(s, "pages_2m", 0), large);
	CHECK_EQ(stat_of(s, "nx_lpage_splits", 0), splits);
}

static void check_runs(struct vcpu *vcpu, int page)
{
	u64 value;

	CHECK_EQ(guest_execute(vcpu, GPA + page * SZ_2M, &value), 0);
	CHECK_EQ(value, page);
}

static void check_reads(struct vcpu *vcpu, int page)
{
	u64 value;

	CHECK_EQ(guest_read(vcpu, GPA + page * SZ_2M, &value), 0);
	CHECK_EQ(value & 0xff, 0xb8);		/* mov $value, %eax */
}

SUBTEST(class18_code_splits_a_large_page)
{
	struct stats s;
	struct vcpu *vcpu;
	struct vm *vm;

	set_params("1", "0", "0");
	vm = vm_create();
	vcpu = vcpu_create(vm, 0);
	s = open_stats(vm->fd);
	add_code(vm);
	check_reads(vcpu, 0);
	check_reads(vcpu, 1);
	check_counts(&s, 2, 0);
	check_runs(vcpu, 0);			/* it was large */
	check_counts(&s, 1, 1);
	check_runs(vcpu, 2);			/* it was not there */
	check_counts(&s, 1, 2);
	check_reads(vcpu, 2);			/* its neighbours stay small */
	check_runs(vcpu, 0);
	check_counts(&s, 1, 2);
	/* with the memory goes what was counted of it */
	CHECK_EQ(set_region(vm, MEM_SLOT, 0, GPA, 0, NULL), 0);
	CHECK_EQ(stat_of(&s, "nx_lpage_splits", 0), 0);
	params_as_ever();
}

static void await_splits(struct stats *s, long long want)
{
	while (stat_of(s, "nx_lpage_splits", 0) != want)
		usleep(1000);
}

SUBTEST(what_was_split_is_large_again)
{
	struct stats s;
	struct vcpu *vcpu;
	struct vm *vm;

	set_params("1", "1", "20");
	vm = vm_create();
	vcpu = vcpu_create(vm, 0);
	s = open_stats(vm->fd);
	add_code(vm);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < PAGES; i++)
			check_runs(vcpu, i);
		await_splits(&s, 0);
		for (int i = 0; i < PAGES; i++)
			check_reads(vcpu, i);
		check_counts(&s, PAGES, 0);
	}
	params_as_ever();
}

/* With the log, pages are small for another reason, which recovery leaves alone. */
SUBTEST(what_is_logged_stays_small)
{
	struct stats s;
	struct vcpu *vcpu;
	struct vm *vm;
	u8 *mem;

	set_params("1", "1", "20");
	vm = vm_create();
	vcpu = vcpu_create(vm, 0);
	s = open_stats(vm->fd);
	mem = add_code(vm);
	CHECK_EQ(set_region(vm, MEM_SLOT, KVM_MEM_LOG_DIRTY_PAGES, GPA, PAGES * SZ_2M, mem), 0);
	check_runs(vcpu, 0);
	CHECK_EQ(guest_write(vcpu, GPA + SZ_2M + 8, 1), 0);
	check_counts(&s, 0, 0);
	/* and afterwards it is as it was */
	CHECK_EQ(set_region(vm, MEM_SLOT, 0, GPA, PAGES * SZ_2M, mem), 0);
	check_reads(vcpu, 1);
	CHECK_EQ(stat_of(&s, "pages_2m", 0), 1);
	params_as_ever();
}

SUBTEST(a_machine_without)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_VM_DISABLE_NX_HUGE_PAGES };
	struct stats s;
	struct vcpu *vcpu;
	struct vm *vm;

	set_params("1", "1", "20");
	vm = vm_create();
	CHECK_EQ(xioctl(vm->fd, KVM_CHECK_EXTENSION, cap.cap), 1);
	cap.args[0] = 1;
	CHECK_EQ(xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&cap), -EINVAL);
	cap.args[0] = 0;
	CHECK_EQ(xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&cap), 0);
	vcpu = vcpu_create(vm, 0);
	s = open_stats(vm->fd);
	add_code(vm);
	for (int i = 0; i < PAGES; i++)
		check_runs(vcpu, i);
	check_counts(&s, PAGES, 0);
	/* too late */
	CHECK_EQ(xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&cap), -EINVAL);
	params_as_ever();
}

/* The host's safety is not for everybody to give away. */
SUBTEST(class18_an_ordinary_user_asks)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_VM_DISABLE_NX_HUGE_PAGES };
	struct vm *vm = vm_create();
	int err;

	CHECK_EQ(seteuid(65534), 0);
	err = xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&cap);
	CHECK_EQ(seteuid(0), 0);
	CHECK_EQ(err, -EPERM);
}

/* Recovery waits when the machine goes, and has a page to withdraw. */
SUBTEST(class18_a_machine_that_goes)
{
	set_params("1", "1", "1");
	for (int round = 0; round < 20; round++) {
		struct vm *vm = vm_create();
		struct vcpu *vcpu = vcpu_create(vm, 0);
		u8 *mem = add_code(vm);

		for (int i = 0; i < PAGES; i++)
			check_runs(vcpu, i);
		vm_free(vm);
		munmap(mem, PAGES * SZ_2M);
	}
	params_as_ever();
}
