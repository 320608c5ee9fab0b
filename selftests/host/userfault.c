// SPDX-License-Identifier: GPL-2.0
/*
 * userfault - guest memory whose pages user space makes when they are asked for
 * (userfaultfd): the guest waits for them, sees what it is given, and does not keep
 * a process that waits from being killed.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "memory.h"

#define SIZE	SZ_2M
#define GPA	TEST_GPA

static int userfault_open(u64 *mem, size_t size, u64 mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)mem, size }, .mode = mode };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		SKIP("no userfaultfd: %s", strerror(errno));
	if (mode & UFFDIO_REGISTER_MODE_WP)
		api.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP;
	CHECK_EQ(xioctl(fd, UFFDIO_API, (uintptr_t)&api), 0);
	CHECK_EQ(xioctl(fd, UFFDIO_REGISTER, (uintptr_t)&reg), 0);
	return fd;
}

/* Waits for a fault, whose page it tells. */
static u64 *userfault_wait(int fd, u64 flags)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct uffd_msg msg;

	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(read(fd, &msg, sizeof(msg)), sizeof(msg));
	CHECK_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
	CHECK_EQ(msg.arg.pagefault.flags & flags, flags);
	return (u64 *)(msg.arg.pagefault.address & -PAGE_SIZE);
}

static void userfault_fill(int fd, u64 *page, u64 value)
{
	static u64 content[512] __aligned(4096);
	struct uffdio_copy copy = { .dst = (uintptr_t)page, .src = (uintptr_t)content,
		.len = PAGE_SIZE };

	content[0] = value;
	CHECK_EQ(xioctl(fd, UFFDIO_COPY, (uintptr_t)&copy), 0);
}

/* Reads each page of the slot, and checks that it holds its number. */
#define FAULTS	24u

static void guest_read_pages(u64 gpa)
{
	for (;;) {
		for (u64 i = 0; i < FAULTS; i++)
			GUEST_ASSERT_EQ(*(volatile u64 *)(gpa + i * PAGE_SIZE), i + 1);
		WRITE_ONCE(guest_rounds[guest_percpu()->id],
			   guest_rounds[guest_percpu()->id] + 1);
	}
}

/* Each page is made when the guest asks for it, then taken away again. */
static void check_userfault(int nr)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vm *vm = vm_create();
	int fd = userfault_open(mem, SIZE, UFFDIO_REGISTER_MODE_MISSING);
	struct runner r[2] = { 0 };

	CHECK_EQ(set_region(vm, MEM_SLOT, 0, GPA, SIZE, mem), 0);
	for (int i = 0; i < nr; i++) {
		struct vcpu *vcpu = vcpu_create(vm, i);

		vcpu_long_mode(vcpu, guest_read_pages, GPA);
		runner_start(&r[i], vcpu, i);
	}
	for (int round = 0; round < 3; round++) {
		u64 have = 0;

		while (have != BIT(FAULTS) - 1) {
			u64 *page = userfault_wait(fd, 0), i = (page - mem) / 512;

			/* The other vCPU may ask for what was just given. */
			if (!(have & BIT(i)))
				userfault_fill(fd, page, i + 1);
			have |= BIT(i);
		}
		for (int i = 0; i < nr; i++)
			wait_rounds(r[i].vcpu, 1);
		if (round < 2)
			CHECK_EQ(madvise(mem, SIZE, MADV_DONTNEED), 0);
	}
	for (int i = 0; i < nr; i++)
		runner_stop(&r[i]);
}

SUBTEST(userfault)
{
	check_userfault(1);
}

SUBTEST(userfault_of_two_vcpus)
{
	check_userfault(2);
}

static void guest_count_up(u64 gpa)
{
	for (;;)
		++*(volatile u64 *)gpa;
}

/* A page is there, and may not be written until user space has seen to it. */
SUBTEST(class17_userfault_write_protection)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, 0);
	struct uffdio_writeprotect wp = { .range = { (uintptr_t)mem, PAGE_SIZE } };
	u64 *count = mem, frozen;
	struct runner r = { 0 };
	int fd;

	mem[0] = 1;
	fd = userfault_open(mem, SIZE, UFFDIO_REGISTER_MODE_WP);
	vcpu_long_mode(vcpu, guest_count_up, GPA);
	runner_start(&r, vcpu, 1);
	for (int i = 0; i < 20; i++) {
		frozen = READ_ONCE(*count);
		while (READ_ONCE(*count) == frozen)
			sched_yield();
		wp.mode = UFFDIO_WRITEPROTECT_MODE_WP;
		CHECK_EQ(xioctl(fd, UFFDIO_WRITEPROTECT, (uintptr_t)&wp), 0);
		frozen = READ_ONCE(*count);
		CHECK(userfault_wait(fd, UFFD_PAGEFAULT_FLAG_WP) == mem);
		CHECK_EQ(READ_ONCE(*count), frozen);
		wp.mode = 0;
		CHECK_EQ(xioctl(fd, UFFDIO_WRITEPROTECT, (uintptr_t)&wp), 0);
	}
	runner_stop(&r);
}

static void *read_once(void *arg)
{
	struct vcpu *vcpu = arg;
	u64 value = ~0ull;
	int ret = guest_read(vcpu, GPA, &value);

	return (void *)(ret ? (long)ret : (long)value);
}

enum ending { CLOSE_FD, UNMAP, KILL };

/* The guest waits for a page that user space will not give. */
static void check_blocked(enum ending ending)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, 0);
	int fd = userfault_open(mem, SIZE, UFFDIO_REGISTER_MODE_MISSING);
	struct thread t;
	void *ret;

	thread_start(&t, nr_cpus() - 1, read_once, vcpu);
	CHECK(userfault_wait(fd, 0) == mem);
	if (ending == KILL) {
		kill(getpid(), SIGKILL);
	} else if (ending == CLOSE_FD) {
		close(fd);
	} else {
		struct uffdio_range range = { (uintptr_t)mem, SIZE };

		munmap(mem, SIZE);
		xioctl(fd, UFFDIO_WAKE, (uintptr_t)&range);
	}
	CHECK_EQ(pthread_join(t.id, &ret), 0);
	/* Nobody handles it any more: zeros. Or nothing is there any more. */
	CHECK_EQ((long)ret, ending == CLOSE_FD ? 0 : -EFAULT);
}

SUBTEST(userfault_ends_with_its_descriptor)
{
	check_blocked(CLOSE_FD);
}

SUBTEST(userfault_ends_with_the_memory)
{
	check_blocked(UNMAP);
}

SUBTEST(killed_while_waiting_for_a_page)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		check_blocked(KILL);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP)
		SKIP("no userfaultfd");
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGKILL);
}
