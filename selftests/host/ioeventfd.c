// SPDX-License-Identifier: GPL-2.0
/*
 * ioeventfd - writes of a guest that signal an eventfd instead of making an exit
 * (KVM_IOEVENTFD): each matching write counts once, every other write comes out as
 * it always does.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/eventfd.h>

#include "selftest.h"

#define PORT	0x5a0
#define PIO	KVM_IOEVENTFD_FLAG_PIO
#define MATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define GO	KVM_IOEVENTFD_FLAG_DEASSIGN

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static int assign(struct vm *vm, int fd, u64 addr, u32 len, u32 flags, u64 data)
{
	struct kvm_ioeventfd e = {
		.datamatch = data, .addr = addr, .len = len, .fd = fd, .flags = flags,
	};

	return xioctl(vm->fd, KVM_IOEVENTFD, (uintptr_t)&e);
}

/* How often it was signalled since the last look. */
static u64 signals(int fd)
{
	u64 n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

enum { W8 = 1, W16 = 2, W32 = 4, W64 = 8 };

struct job { u64 addr, value; u32 len; };

static void do_write(const struct job *j)
{
	if (j->addr < 0x10000 && j->len == W8)
		asm volatile("outb %b0, %w1" : : "a"(j->value), "d"(j->addr));
	else if (j->addr < 0x10000 && j->len == W16)
		asm volatile("outw %w0, %w1" : : "a"(j->value), "d"(j->addr));
	else if (j->addr < 0x10000)
		asm volatile("outl %k0, %w1" : : "a"(j->value), "d"(j->addr));
	else if (j->len == W8)
		asm volatile("movb %b0, (%1)" : : "q"(j->value), "r"(j->addr) : "memory");
	else if (j->len == W16)
		asm volatile("movw %w0, (%1)" : : "r"(j->value), "r"(j->addr) : "memory");
	else if (j->len == W32)
		asm volatile("movl %k0, (%1)" : : "r"(j->value), "r"(j->addr) : "memory");
	else
		asm volatile("movq %0, (%1)" : : "r"(j->value), "r"(j->addr) : "memory");
}

static struct job job;

static void guest_writes(u64 arg)
{
	for (;;) {
		GUEST_SYNC(1);
		do_write(&job);
		GUEST_SYNC(2);
	}
}

static struct vcpu *writer(struct vm *vm)
{
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, guest_writes, 0);
	return vcpu;
}

static void start_write(struct vcpu *vcpu, u64 addr, u32 len, u64 value)
{
	test_doing("%u bytes of %#llx to %#llx", len, (unsigned long long)value,
		   (unsigned long long)addr);
	vcpu_expect_sync(vcpu, 1);
	guest_var(vcpu->vm, job) = (struct job){ addr, value, len };
}

/* A write that nobody but the eventfds sees. */
static void write_quietly(struct vcpu *vcpu, u64 addr, u32 len, u64 value)
{
	start_write(vcpu, addr, len, value);
	vcpu_expect_sync(vcpu, 2);
}

/* One that comes out, with its data. */
static void write_loudly(struct vcpu *vcpu, u64 addr, u32 len, u64 value)
{
	u8 *data;

	start_write(vcpu, addr, len, value);
	if (addr < 0x10000)
		data = vcpu_expect_out(vcpu, addr, len, 1);
	else
		data = vcpu_expect_mmio_write(vcpu, addr, len);
	CHECK(!memcmp(data, &value, len));
	vcpu_expect_sync(vcpu, 2);
}

static void one_length(u64 addr, u32 flags, u32 len)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = writer(vm);
	int fd = new_eventfd();

	write_loudly(vcpu, addr, len, 5);
	CHECK_EQ(assign(vm, fd, addr, len, flags, 0), 0);
	for (u64 i = 0; i < 7; i++)
		write_quietly(vcpu, addr, len, i);
	CHECK_EQ(signals(fd), 7);
	write_loudly(vcpu, addr + len, len, 1);
	if (len > 1)
		write_loudly(vcpu, addr, len / 2, 1);
	CHECK_EQ(assign(vm, fd, addr, len, flags | GO, 0), 0);
	write_loudly(vcpu, addr, len, 5);
	CHECK_EQ(signals(fd), 0);
	vm_free(vm);
}

SUBTEST(each_length)
{
	for (u32 len = 1; len <= 8; len *= 2) {
		one_length(MMIO_GPA + 0x100, 0, len);
		if (len < 8)
			one_length(PORT, PIO, len);
	}
}

static void by_data(u64 addr, u32 flags)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = writer(vm);
	int fd[4];

	for (u64 i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = new_eventfd();
		CHECK_EQ(assign(vm, fd[i], addr, 2, flags | MATCH, 10 + i), 0);
		CHECK_EQ(assign(vm, fd[i], addr, 2, flags | MATCH, 10 + i), -EEXIST);
		CHECK_EQ(assign(vm, fd[i], addr, 2, flags, 0), -EEXIST);
	}
	for (u64 i = 0; i < ARRAY_SIZE(fd); i++)
		for (u64 k = 0; k <= i; k++)
			write_quietly(vcpu, addr, 2, 10 + i);
	write_loudly(vcpu, addr, 2, 9);
	write_loudly(vcpu, addr, 2, 14);
	for (u64 i = 0; i < ARRAY_SIZE(fd); i++)
		CHECK_EQ(signals(fd[i]), i + 1);
	CHECK_EQ(assign(vm, fd[1], addr, 2, flags | MATCH | GO, 11), 0);
	write_loudly(vcpu, addr, 2, 11);
	write_quietly(vcpu, addr, 2, 12);
	vm_free(vm);
}

SUBTEST(each_value)
{
	by_data(MMIO_GPA, 0);
	by_data(PORT, PIO);
}

SUBTEST(any_length)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = writer(vm);
	int fd = new_eventfd();

	CHECK_EQ(assign(vm, fd, MMIO_GPA, 0, 0, 0), 0);
	CHECK_EQ(assign(vm, fd, PORT, 0, PIO, 0), 0);
	for (u32 len = 1; len <= 8; len *= 2)
		write_quietly(vcpu, MMIO_GPA, len, len);
	for (u32 len = 1; len <= 4; len *= 2)
		write_quietly(vcpu, PORT, len, len);
	CHECK_EQ(signals(fd), 7);
	write_loudly(vcpu, MMIO_GPA + 1, 1, 1);
	CHECK_EQ(assign(vm, fd, MMIO_GPA, 4, 0, 0), -EEXIST);
}

SUBTEST(class31_bad_arguments)
{
	struct vm *vm = vm_create();
	int fd = new_eventfd(), other = open("/dev/null", O_RDWR);
	static const u32 lengths[] = { 3, 5, 7, 9, 16, ~0u };

	for (u64 i = 0; i < ARRAY_SIZE(lengths); i++)
		CHECK_EQ(assign(vm, fd, MMIO_GPA, lengths[i], 0, 0), -EINVAL);
	CHECK_EQ(assign(vm, fd, ~0ull, 4, 0, 0), -EINVAL);
	CHECK_EQ(assign(vm, fd, MMIO_GPA, 4, BIT(31), 0), -EINVAL);
	CHECK_EQ(assign(vm, fd, MMIO_GPA, 0, MATCH, 1), -EINVAL);
	CHECK_EQ(assign(vm, -1, MMIO_GPA, 4, 0, 0), -EBADF);
	CHECK_EQ(assign(vm, other, MMIO_GPA, 4, 0, 0), -EINVAL);
	CHECK_EQ(assign(vm, fd, MMIO_GPA, 4, GO, 0), -ENOENT);
	CHECK_EQ(assign(vm, fd, MMIO_GPA, 4, 0, 0), 0);
	CHECK_EQ(assign(vm, new_eventfd(), MMIO_GPA, 4, GO, 0), -ENOENT);
	CHECK_EQ(assign(vm, fd, MMIO_GPA, 2, GO, 0), -ENOENT);
	CHECK_EQ(assign(vm, fd, MMIO_GPA, 4, GO | PIO, 0), -ENOENT);
	CHECK_EQ(assign(vm, fd, MMIO_GPA, 4, GO | MATCH, 0), -ENOENT);
	CHECK_EQ(assign(vm, fd, MMIO_GPA, 4, GO, 0), 0);
}

/* QEMU asks like this whether a machine takes many of them. */
SUBTEST(many)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = writer(vm);
	int fd[7], all = new_eventfd();

	for (u64 i = 0; i < 7; i++) {
		fd[i] = new_eventfd();
		CHECK_EQ(assign(vm, fd[i], 0, 2, PIO | MATCH, i), 0);
	}
	for (u64 i = 0; i < 7; i++)
		CHECK_EQ(assign(vm, fd[i], 0, 2, PIO | MATCH | GO, i), 0);
	for (u64 i = 0; i < 500; i++)
		CHECK_EQ(assign(vm, all, MMIO_GPA + (i * 37 % 500) * 8, 4, 0, 0), 0);
	for (u64 i = 0; i < 500; i += 7)
		write_quietly(vcpu, MMIO_GPA + i * 8, 4, i);
	CHECK_EQ(signals(all), 72);
	write_loudly(vcpu, MMIO_GPA + 500 * 8, 4, 0);
	write_loudly(vcpu, MMIO_GPA + 4, 4, 0);
}

/* Memory has the last word. */
SUBTEST(memory_over_it)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = writer(vm);
	int fd = new_eventfd();

	vm_add_mem(vm, 1, TEST_GPA, PAGE_SIZE, MEM_ANON);
	CHECK_EQ(assign(vm, fd, TEST_GPA, 4, 0, 0), 0);
	write_quietly(vcpu, TEST_GPA, 4, 0x1234);
	CHECK_EQ(signals(fd), 0);
	CHECK_EQ(*(u32 *)vm_ptr(vm, TEST_GPA), 0x1234);
	vm_del_mem(vm, 1);
	write_quietly(vcpu, TEST_GPA, 4, 0x5678);
	CHECK_EQ(signals(fd), 1);
}

/* The kernel holds on to what it needs, and lets go of all with the machine. */
SUBTEST(class32_closed_in_every_order)
{
	for (int order = 0; order < 3; order++) {
		struct vm *vm = vm_create();
		struct vcpu *vcpu = writer(vm);
		int fd = new_eventfd(), copy = dup(fd);

		CHECK_EQ(assign(vm, fd, MMIO_GPA, 4, 0, 0), 0);
		close(fd);
		if (order == 1)
			close(copy);
		write_quietly(vcpu, MMIO_GPA, 4, 1);
		if (order != 1)
			CHECK_EQ(signals(copy), 1);
		if (order == 2)
			CHECK_EQ(assign(vm, copy, MMIO_GPA, 4, GO, 0), 0);
		vm_free(vm);
	}
}

struct churn {
	struct thread t;
	struct vm *vm;
	bool stop;
	u64 rounds;
};

/* Neighbours come and go; the one in the middle stays. */
static void *come_and_go(void *arg)
{
	struct churn *c = arg;
	int fd = new_eventfd();

	while (!__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE)) {
		CHECK_EQ(assign(c->vm, fd, MMIO_GPA + 8, 4, 0, 0), 0);
		CHECK_EQ(assign(c->vm, fd, MMIO_GPA - 8, 4, 0, 0), 0);
		CHECK_EQ(assign(c->vm, fd, MMIO_GPA + 8, 4, GO, 0), 0);
		CHECK_EQ(assign(c->vm, fd, MMIO_GPA - 8, 4, GO, 0), 0);
		c->rounds++;
		sched_yield();
	}
	return NULL;
}

SUBTEST(class31_no_signal_is_lost_while_others_come_and_go)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = writer(vm);
	struct churn c = { .vm = vm };
	int fd = new_eventfd();
	u64 n = 0;

	CHECK_EQ(assign(vm, fd, MMIO_GPA, 4, 0, 0), 0);
	thread_start(&c.t, nr_cpus() - 1, come_and_go, &c);
	while (n < 300 || __atomic_load_n(&c.rounds, __ATOMIC_ACQUIRE) < 20) {
		write_quietly(vcpu, MMIO_GPA, 4, n++);
		if (!(n % 16))
			sched_yield();
	}
	__atomic_store_n(&c.stop, true, __ATOMIC_RELEASE);
	thread_join(&c.t);
	CHECK_EQ(signals(fd), n);
}

GUEST_ASM(outs_code, ".code64\n	mov $4, %ecx\n	mov $0x5a0, %edx\n	cld\n"
	  "	rep outsb\n" SYNC_ASM(1));

/* A string of writes: each element is one. */
SUBTEST(string)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int fd = new_eventfd();
	struct kvm_regs regs;

	CHECK_EQ(assign(vm, fd, PORT, 1, PIO, 0), 0);
	vcpu_long_mode(vcpu, outs_code, 0);
	get_regs(vcpu, &regs);
	regs.rsi = 0x1000;
	set_regs(vcpu, &regs);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(signals(fd), 4);
}
