// SPDX-License-Identifier: GPL-2.0
/*
 * stats - KVM_GET_STATS_FD: the binary format, read whole and in pieces, and that what
 * is counted is what has happened.
 */
#include <fcntl.h>

#include "lapic.h"
#include "stats.h"
#include "vthread.h"

static void check_format(int of, const char *id_has)
{
	struct stats s = open_stats(of);
	char id[256] = "";
	u32 at = 0, size = 0;

	CHECK_EQ(s.head.flags, 0);
	CHECK(s.head.name_size <= sizeof(id));
	CHECK_EQ(pread(s.fd, id, s.head.name_size, s.head.id_offset), s.head.name_size);
	CHECK(!strncmp(id, "kvm-", 4));
	CHECK(strstr(id, id_has));
	CHECK(s.head.num_desc);
	for (u32 i = 0; i < s.head.num_desc; i++) {
		struct kvm_stats_desc *d = desc_of(&s, i);

		test_doing("%s", d->name);
		CHECK(d->size);
		CHECK_EQ(!!d->bucket_size, (d->flags & KVM_STATS_TYPE_MASK) ==
					   KVM_STATS_TYPE_LINEAR_HIST);
		CHECK((d->flags & KVM_STATS_UNIT_MASK) <= KVM_STATS_UNIT_MAX);
		/* in whatever order */
		if (at < d->offset + d->size * 8)
			at = d->offset + d->size * 8;
		free(d);
	}
	CHECK_EQ(pread(s.fd, &size, 1, s.head.data_offset + at - 1), 1);
	CHECK_EQ(pread(s.fd, &size, 1, s.head.data_offset + at), 0);
	close(s.fd);
}

SUBTEST(format)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 3);

	CHECK_EQ(check_cap(vm, KVM_CAP_BINARY_STATS_FD), 1);
	check_format(vm->fd, "kvm-");
	check_format(vcpu->fd, "/vcpu-3");
}

SUBTEST(read_in_pieces)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	struct stats s = open_stats(vcpu->fd);
	char whole[16384], byte, *volatile nowhere = (char *)8;
	ssize_t size = read(s.fd, whole, sizeof(whole));

	CHECK(size > s.head.data_offset);
	CHECK_EQ(read(s.fd, &byte, 1), 0);
	for (ssize_t i = 0; i < size; i += 97) {
		CHECK_EQ(pread(s.fd, &byte, 1, i), 1);
		CHECK_EQ(byte, whole[i]);
	}
	CHECK_EQ(pread(s.fd, &byte, 1, size), 0);
	CHECK_EQ(pread(s.fd, &byte, 1, 1ll << 40), 0);
	CHECK(pread(s.fd, &byte, 1, -1) < 0);
	CHECK(pread(s.fd, nowhere, 64, 0) < 0);
	CHECK(write(s.fd, &byte, 1) < 0);
	CHECK_EQ(fcntl(s.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

/* Registers of one exit of each kind. */
static void guest_exits(u64 unused)
{
	u32 a = 1, c = 0;

	for (int i = 0; i < 7; i++)
		asm volatile("cpuid" : "+a"(a), "+c"(c) : : "ebx", "edx");
	for (int i = 0; i < 3; i++)
		asm volatile("outb %%al, $0x11" : : "a"(0));
	*(volatile u32 *)MMIO_GPA = 1;
	GUEST_DONE();
}

SUBTEST(exits_are_counted)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	struct stats s = open_stats(vcpu->fd);

	CHECK_EQ(stat_of(&s, "exits", 0), 0);
	vcpu_long_mode(vcpu, guest_exits, 0);
	for (int i = 0; i < 3; i++)
		vcpu_expect_out(vcpu, 0x11, 1, 1);
	vcpu_expect_mmio_write(vcpu, MMIO_GPA, 4);
	vcpu_expect_done(vcpu);
	CHECK(stat_of(&s, "exits", 0) >= 7 + 3 + 1 + 1);
	/* the last one is GUEST_DONE's */
	CHECK_EQ(stat_of(&s, "io_exits", 0), 4);
	CHECK_EQ(stat_of(&s, "mmio_exits", 0), 1);
	CHECK_EQ(stat_of(&s, "signal_exits", 0), 0);
	CHECK(stat_of(&s, "insn_emulation", 0) >= 1);
	CHECK_EQ(stat_of(&s, "insn_emulation_fail", 0), 0);
	if (device_is_kvm())
		return;
	CHECK_EQ(stat_of(&s, "exits_by_reason", 10), 7);	/* CPUID */
	CHECK_EQ(stat_of(&s, "exits_by_reason", 30), 4);	/* I/O instruction */
	CHECK_EQ(stat_of(&s, "user_exits_by_reason", KVM_EXIT_IO), 4);
	CHECK_EQ(stat_of(&s, "user_exits_by_reason", KVM_EXIT_MMIO), 1);
}

SUBTEST(sleep_is_counted)
{
	struct vcpu *vcpu = lapic_new(false);
	struct stats s = open_stats(vcpu->fd);
	struct vthread r = { 0 };

	remote_set(vcpu, OP_HALT, 0, 0, 0);
	vthread_start_once(&r, vcpu, -1);
	vthread_wait_asleep(&r);
	CHECK_EQ(stat_of(&s, "blocking", 0), 1);
	CHECK_EQ(signal_msi(vcpu->vm, MSI_ADDR, 0x55), 1);
	vthread_join(&r);
	CHECK_EQ(stat_of(&s, "blocking", 0), 0);
	CHECK_EQ(stat_of(&s, "halt_exits", 0), 1);
	CHECK(stat_of(&s, "halt_wait_ns", 0) > 0);
}

SUBTEST(machine_is_counted)
{
	struct vm *vm = vm_create();
	struct stats s = open_stats(vm->fd);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	long long before;

	vm_add_mem(vm, 5, TEST_GPA, PAGE_SIZE, MEM_ANON);
	vcpu_long_mode(vcpu, guest_exits, 0);
	vcpu_expect_out(vcpu, 0x11, 1, 1);
	before = stat_of(&s, "remote_tlb_flush", 0);
	vm_del_mem(vm, 0);
	/* with one CPU KVM has nothing to flush */
	if (!device_is_kvm())
		CHECK(stat_of(&s, "remote_tlb_flush", 0) > before);
}

static void guest_touches(u64 pages)
{
	for (u64 i = 0; i < pages; i++)
		*(volatile u32 *)(TEST_GPA + i * PAGE_SIZE) = 1;
	GUEST_DONE();
}

SUBTEST(mapped_pages_are_counted)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct stats s = open_stats(vm->fd);
	long long before;

	/* no larger page fits into it */
	vm_add_mem(vm, 5, TEST_GPA, 64 * PAGE_SIZE, MEM_ANON);
	vcpu_long_mode(vcpu, guest_touches, 1);
	vcpu_expect_done(vcpu);
	before = stat_of(&s, "pages_4k", 0);
	vcpu_long_mode(vcpu, guest_touches, 33);
	vcpu_expect_done(vcpu);
	CHECK_EQ(stat_of(&s, "pages_4k", 0), before + 32);
	vm_del_mem(vm, 5);
	/* KVM of Linux 6.1 withdraws all that the machine has mapped */
	if (!device_is_kvm())
		CHECK_EQ(stat_of(&s, "pages_4k", 0), before - 1);
	CHECK_EQ(stat_of(&s, "pages_1g", 0), 0);
}

SUBTEST(large_pages_are_counted)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct stats s = open_stats(vm->fd);
	void *mem = vm_add_mem(vm, 5, TEST_GPA, 2 * SZ_2M, MEM_THP);
	long long small, large;

	vcpu_long_mode(vcpu, guest_touches, 2 * 512);
	vcpu_expect_done(vcpu);
	large = stat_of(&s, "pages_2m", 0);
	small = stat_of(&s, "pages_4k", 0);
	if (large < 2)
		SKIP("no large pages are to be had");
	/* logged, they are split at the first write */
	CHECK_EQ(set_region(vm, 5, KVM_MEM_LOG_DIRTY_PAGES, TEST_GPA, 2 * SZ_2M, mem), 0);
	vcpu_long_mode(vcpu, guest_touches, 2 * 512);
	vcpu_expect_done(vcpu);
	CHECK(stat_of(&s, "pages_2m", 0) <= large - 2);
	CHECK(stat_of(&s, "pages_4k", 0) >= small + 2 * 512);
	vm_del_mem(vm, 5);
	if (!device_is_kvm()) {
		CHECK_EQ(stat_of(&s, "pages_2m", 0), large - 2);
		CHECK_EQ(stat_of(&s, "pages_4k", 0), small);
	}
}

/* The number behind @name in a file of debugfs; -1: no such file, -2: no such line. */
static long long text_of(const char *path, const char *name)
{
	char line[256], got[128];
	long long value, found = -2;
	FILE *f = fopen(path, "r");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%127s %lld", got, &value) == 2 && !strcmp(got, name))
			found = value;
	fclose(f);
	return found;
}

SUBTEST(as_text)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 3);
	char machine[128], stats[160], exits[160];

	if (device_is_kvm())
		SKIP("KVM has a file for each value");
	if (access("/sys/kernel/debug/lodge", F_OK))
		SKIP("debugfs is not mounted");
	snprintf(machine, sizeof(machine), "/sys/kernel/debug/lodge/%d-%d", getpid(), vm->fd);
	snprintf(stats, sizeof(stats), "%s/vcpu3/stats", machine);
	snprintf(exits, sizeof(exits), "%s/vcpu3/exits", machine);
	vcpu_long_mode(vcpu, guest_exits, 0);
	vcpu_expect_out(vcpu, 0x11, 1, 1);
	CHECK_EQ(text_of(stats, "io_exits"), 1);
	CHECK_EQ(text_of(stats, "exits_by_reason[10]"), 7);
	CHECK_EQ(text_of(stats, "exits_by_reason[11]"), -2);
	CHECK_EQ(text_of(exits, "CPUID"), 7);
	CHECK_EQ(text_of(exits, "IO_INSTRUCTION"), 1);
	strcat(machine, "/stats");
	CHECK_EQ(text_of(machine, "vcpus"), 1);
	vm_free(vm);
	CHECK_EQ(text_of(machine, "vcpus"), -1);
	CHECK_EQ(text_of(stats, "io_exits"), -1);
}

/* A machine that lives on by its vCPU keeps its folder; the next one has none, and runs. */
SUBTEST(class30_two_machines_of_one_descriptor)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int fd = vm->fd, other;

	close(fd);
	other = xioctl(vm->dev_fd, KVM_CREATE_VM, 0);
	CHECK_EQ(other, fd);
	CHECK(xioctl(other, KVM_CREATE_VCPU, 0) >= 0);
	vcpu_long_mode(vcpu, guest_exits, 0);
	vcpu_expect_out(vcpu, 0x11, 1, 1);
}

/* The file outlives the descriptors of what it tells of, and can still be read. */
SUBTEST(class30_file_outlives_its_machine)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct stats of_vcpu = open_stats(vcpu->fd), of_vm = open_stats(vm->fd);

	vcpu_long_mode(vcpu, guest_exits, 0);
	vcpu_expect_out(vcpu, 0x11, 1, 1);
	vm_free(vm);
	CHECK_EQ(stat_of(&of_vcpu, "io_exits", 0), 1);
	CHECK(stat_of(&of_vm, "remote_tlb_flush", 0) >= 0);
	close(of_vcpu.fd);
	close(of_vm.fd);
}

/* No descriptor is left: the call says so, and nothing is lost by it. */
SUBTEST(class30_no_descriptor_left)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	int fd, last = -1;

	while ((fd = dup(vcpu->fd)) >= 0)
		last = fd;
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_STATS_FD, 0), -EMFILE);
	CHECK_EQ(xioctl(vcpu->vm->fd, KVM_GET_STATS_FD, 0), -EMFILE);
	close(last);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_STATS_FD, 0), last);
}
