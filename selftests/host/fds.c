// SPDX-License-Identifier: GPL-2.0
/*
 * fds - the life of the three kinds of file descriptors: closed in every order
 * and at the worst moment, held by processes that the VM does not belong to,
 * left by processes that die, and refused when there is no room for more.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "leak.h"

static volatile u64 count, counts[2];

static void guest_loop(u64 arg)
{
	for (;;)
		count++;
}

static void guest_loops(u64 id)
{
	for (;;)
		counts[id]++;
}

static void guest_count_outs(u64 arg)
{
	for (;;) {
		count++;
		outb(SYNC_PORT, count);
	}
}

static void wait_for_change(volatile u64 *p)
{
	u64 old = *p;

	while (*p == old)
		sched_yield();
}

static void *run_forever(void *arg)
{
	struct vcpu *vcpu = arg;

	while (vcpu_run_raw(vcpu) != -EINTR)
		;
	return NULL;
}

/* The device still works: a whole new machine runs. */
static void check_device(void)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, guest_count_outs, 0);
	for (int i = 1; i <= 3; i++)
		vcpu_expect_sync(vcpu, i);
	vm_free(vm);
}

/* ---- closing ---------------------------------------------------------- */

enum { DEV, VM, VCPU };

static void check_open(struct vm *vm, struct vcpu *vcpu, unsigned int open, u64 *syncs)
{
	if (open & BIT(DEV))
		CHECK_EQ(xioctl(vm->dev_fd, KVM_GET_API_VERSION, 0), 12);
	else
		CHECK_EQ(xioctl(vm->dev_fd, KVM_GET_API_VERSION, 0), -EBADF);
	if (open & BIT(VM))
		CHECK_EQ(xioctl(vm->fd, KVM_CREATE_VCPU, 0), -EEXIST);
	else
		CHECK_EQ(xioctl(vm->fd, KVM_CREATE_VCPU, 0), -EBADF);
	if (open & BIT(VCPU))
		vcpu_expect_sync(vcpu, ++*syncs);
	else
		CHECK_EQ(xioctl(vcpu->fd, KVM_RUN, 0), -EBADF);
}

SUBTEST(close_in_every_order)
{
	static const u8 orders[][3] = {
		{ DEV, VM, VCPU }, { DEV, VCPU, VM }, { VM, DEV, VCPU },
		{ VM, VCPU, DEV }, { VCPU, DEV, VM }, { VCPU, VM, DEV },
	};

	for (u64 i = 0; i < ARRAY_SIZE(orders); i++) {
		struct vm *vm = vm_create();
		struct vcpu *vcpu = vcpu_create(vm, 0);
		unsigned int open = BIT(DEV) | BIT(VM) | BIT(VCPU);
		u64 syncs = 0;

		vcpu_long_mode(vcpu, guest_count_outs, 0);
		for (int j = 0; j < 3; j++) {
			int fds[] = { vm->dev_fd, vm->fd, vcpu->fd };

			test_doing("order %d%d%d, step %d", orders[i][0],
				   orders[i][1], orders[i][2], j);
			check_open(vm, vcpu, open, &syncs);
			CHECK_EQ(close(fds[orders[i][j]]), 0);
			open &= ~BIT(orders[i][j]);
			check_open(vm, vcpu, open, &syncs);
		}
	}
	check_device();
}

/* @how is called with the descriptors while a thread is in the guest. */
static void while_running(void (*how)(struct vm *vm, struct vcpu *vcpu))
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct thread t;

	vcpu_long_mode(vcpu, guest_loop, 0);
	thread_start(&t, -1, run_forever, vcpu);
	wait_for_change(&guest_var(vm, count));
	how(vm, vcpu);
	wait_for_change(&guest_var(vm, count));
	thread_stop(&t);
	check_device();
}

static void close_vcpu(struct vm *vm, struct vcpu *vcpu)
{
	CHECK_EQ(close(vcpu->fd), 0);
}

static void close_vm(struct vm *vm, struct vcpu *vcpu)
{
	CHECK_EQ(close(vm->fd), 0);
}

static void close_all(struct vm *vm, struct vcpu *vcpu)
{
	CHECK_EQ(close(vm->dev_fd), 0);
	CHECK_EQ(close(vm->fd), 0);
	CHECK_EQ(close(vcpu->fd), 0);
}

static void replace_all(struct vm *vm, struct vcpu *vcpu)
{
	int null = open("/dev/null", O_RDWR);

	CHECK_EQ(dup2(null, vcpu->fd), vcpu->fd);
	CHECK_EQ(dup2(null, vm->fd), vm->fd);
	CHECK_EQ(dup2(null, vm->dev_fd), vm->dev_fd);
}

SUBTEST(close_vcpu_while_running)
{
	while_running(close_vcpu);
}

SUBTEST(close_vm_while_running)
{
	while_running(close_vm);
}

SUBTEST(close_all_while_running)
{
	while_running(close_all);
}

SUBTEST(replace_all_while_running)
{
	while_running(replace_all);
}

SUBTEST(fds_are_closed_on_exec)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	CHECK_EQ(fcntl(vm->fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	CHECK_EQ(fcntl(vcpu->fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

/* ---- processes that end while their vCPUs run ------------------------- */

/* In a child: two vCPUs in endless loops, both known to be in the guest. */
static struct vm *start_two(struct thread t[2])
{
	struct vm *vm = vm_create();

	for (int i = 0; i < 2; i++) {
		vcpu_create(vm, i);
		vcpu_long_mode(vm->vcpus[i], guest_loops, i);
	}
	for (int i = 0; i < 2; i++) {
		thread_start(&t[i], -1, run_forever, vm->vcpus[i]);
		wait_for_change(&guest_var(vm, counts[i]));
	}
	return vm;
}

static void wait_status(pid_t pid, int want)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, want);
}

SUBTEST(kill9_while_running)
{
	for (int i = 0; i < 10; i++) {
		struct thread t[2];
		struct chan ready;
		pid_t pid;

		chan_open(&ready);
		pid = fork();
		if (!pid) {
			start_two(t);
			chan_put(&ready, 1);
			for (;;)
				pause();
		}
		chan_wait(&ready, 1);
		CHECK_EQ(kill(pid, SIGKILL), 0);
		wait_status(pid, SIGKILL);
		close(ready.fd[0]);
		close(ready.fd[1]);
	}
	check_device();
}

/* At any point of making, running and freeing a machine. */
SUBTEST(kill9_at_random_points)
{
	for (int i = 0; i < 30; i++) {
		pid_t pid = fork();

		if (!pid) {
			struct thread t[2];

			for (;;) {
				struct vm *vm = start_two(t);

				thread_stop(&t[0]);
				thread_stop(&t[1]);
				vm_free(vm);
			}
		}
		usleep(test_rand() % 60000);	/* when, is what is random */
		CHECK_EQ(kill(pid, SIGKILL), 0);
		wait_status(pid, SIGKILL);
	}
	check_device();
}

/* A thread that waits for its turn on a vCPU can be killed as well. */
SUBTEST(kill9_while_waiting_for_vcpu)
{
	struct chan ready;
	pid_t pid;

	chan_open(&ready);
	pid = fork();
	if (!pid) {
		struct thread t[2], more[3];
		struct vm *vm = start_two(t);

		for (int i = 0; i < 3; i++)
			thread_start(&more[i], -1, run_forever, vm->vcpus[0]);
		wait_for_change(&guest_var(vm, counts[0]));
		chan_put(&ready, 1);
		for (;;)
			pause();
	}
	chan_wait(&ready, 1);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	wait_status(pid, SIGKILL);
	check_device();
}

SUBTEST(exit_while_running)
{
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();
		struct thread t[2];

		if (!pid) {
			start_two(t);
			_exit(7);
		}
		wait_status(pid, 7 << 8);
	}
	check_device();
}

/* exec() ends the other threads and the memory the VM belongs to. */
SUBTEST(exec_while_running)
{
	pid_t pid = fork();
	struct thread t[2];

	if (!pid) {
		struct vm *vm = start_two(t);

		/* These two live on in the new program, without their VM's memory. */
		CHECK(dup(vm->fd) >= 0);
		CHECK(dup(vm->vcpus[0]->fd) >= 0);
		if (!freopen("/dev/null", "w", stdout))
			_exit(EXIT_FAIL);
		execl("/proc/self/exe", "fds", "-l", NULL);
		_exit(EXIT_FAIL);
	}
	wait_status(pid, 0);
	check_device();
}

/* ---- descriptors in another process ----------------------------------- */

static void check_foreign(int dev_fd, int vm_fd, int vcpu_fd)
{
	struct kvm_userspace_memory_region r = { .slot = 3 };
	struct kvm_sregs s;

	CHECK_EQ(xioctl(vcpu_fd, KVM_RUN, 0), -EIO);
	CHECK_EQ(xioctl(vcpu_fd, KVM_GET_SREGS, (uintptr_t)&s), -EIO);
	CHECK_EQ(xioctl(vm_fd, KVM_CREATE_VCPU, 5), -EIO);
	CHECK_EQ(xioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, (uintptr_t)&r), -EIO);
	CHECK_EQ(xioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY), -EIO);
	CHECK_EQ(xioctl(dev_fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY), 1);
}

SUBTEST(kill9_of_a_forked_holder)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct chan ready;
	u64 syncs = 0;

	chan_open(&ready);
	vcpu_long_mode(vcpu, guest_count_outs, 0);
	for (int i = 0; i < 5; i++) {
		pid_t pid;

		vcpu_expect_sync(vcpu, ++syncs);
		pid = fork();
		if (!pid) {
			chan_put(&ready, 1);
			for (;;)
				xioctl(vcpu->fd, KVM_RUN, 0);
		}
		chan_wait(&ready, 1);
		vcpu_expect_sync(vcpu, ++syncs);
		CHECK_EQ(kill(pid, SIGKILL), 0);
		wait_status(pid, SIGKILL);
		vcpu_expect_sync(vcpu, ++syncs);
	}
}

/* The owner dies in the guest; who holds the descriptors keeps a dead VM. */
SUBTEST(owner_dies_and_a_child_holds_fds)
{
	struct chan from_owner, from_child, go;
	struct thread t[2];
	pid_t owner;

	chan_open(&from_owner);
	chan_open(&from_child);
	chan_open(&go);
	owner = fork();
	if (!owner) {
		struct vm *vm = start_two(t);

		if (!fork()) {
			int fd = open_device();

			chan_wait(&go, 1);
			check_foreign(fd, vm->fd, vm->vcpus[1]->fd);
			close(vm->fd);
			CHECK_EQ(xioctl(vm->vcpus[1]->fd, KVM_RUN, 0), -EIO);
			chan_put(&from_child, 1);
			_exit(EXIT_PASS);
		}
		chan_put(&from_owner, 1);
		for (;;)
			pause();
	}
	chan_wait(&from_owner, 1);
	CHECK_EQ(kill(owner, SIGKILL), 0);
	wait_status(owner, SIGKILL);
	chan_put(&go, 1);
	close(from_child.fd[1]);	/* a child that failed gives end of file */
	chan_wait(&from_child, 1);
	check_device();
}

static void send_fds(int sock, const int *fds)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(2 * sizeof(int))];
	} u = { .h = { .cmsg_len = CMSG_LEN(2 * sizeof(int)),
		       .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	char byte = 1;
	struct iovec io = { &byte, 1 };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &u,
		.msg_controllen = sizeof(u) };

	memcpy(CMSG_DATA(&u.h), fds, 2 * sizeof(int));
	CHECK_EQ(sendmsg(sock, &m, 0), 1);
}

static void receive_fds(int sock, int *fds)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(2 * sizeof(int))];
	} u;
	char byte;
	struct iovec io = { &byte, 1 };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &u,
		.msg_controllen = sizeof(u) };

	CHECK_EQ(recvmsg(sock, &m, 0), 1);
	CHECK_EQ(u.h.cmsg_type, SCM_RIGHTS);
	memcpy(fds, CMSG_DATA(&u.h), 2 * sizeof(int));
}

/* The receiver was there before the VM and shares nothing with its owner. */
SUBTEST(fds_passed_over_a_socket)
{
	struct vcpu *vcpu;
	struct vm *vm;
	int sock[2], fds[2];
	pid_t pid;
	char end;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
	pid = fork();
	if (!pid) {
		int dev = open_device();

		close(sock[1]);
		for (int i = 0; i < 3; i++) {
			receive_fds(sock[0], fds);
			check_foreign(dev, fds[0], fds[1]);
			/* An own machine beside it is of course an own one. */
			check_device();
			CHECK_EQ(write(sock[0], "", 1), 1);
		}
		/* The owner's memory is gone by now. */
		CHECK_EQ(read(sock[0], &end, 1), 0);
		check_foreign(dev, fds[0], fds[1]);
		_exit(EXIT_PASS);
	}
	close(sock[0]);
	if (!fork()) {
		vm = vm_create();
		vcpu = vcpu_create(vm, 0);
		vcpu_long_mode(vcpu, guest_count_outs, 0);
		for (int i = 0; i < 3; i++) {
			send_fds(sock[1], (int []){ vm->fd, vcpu->fd });
			CHECK_EQ(read(sock[1], &end, 1), 1);
			vcpu_expect_sync(vcpu, i + 1);
		}
		_exit(EXIT_PASS);
	}
	close(sock[1]);
	child_join(pid);
	check_device();
}

/* In flight when both ends go: the last reference is dropped by the kernel. */
SUBTEST(fds_left_in_a_socket)
{
	for (int i = 0; i < 5; i++) {
		struct vm *vm = vm_create();
		struct vcpu *vcpu = vcpu_create(vm, 0);
		int sock[2];

		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
		send_fds(sock[1], (int []){ vm->fd, vcpu->fd });
		vm_free(vm);
		close(sock[0]);
		close(sock[1]);
	}
	check_device();
}

/* ---- limits ----------------------------------------------------------- */

static void limit_fds(int n)
{
	struct rlimit r = { n, 4096 };

	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &r), 0);
}

struct no_room {
	struct vm *vm;
	int first_free;
};

static void create_without_room(void *arg)
{
	struct no_room *n = arg;

	limit_fds(n->first_free);
	CHECK_EQ(xioctl(n->vm->dev_fd, KVM_CREATE_VM, 0), -EMFILE);
	CHECK_EQ(xioctl(n->vm->fd, KVM_CREATE_VCPU, 0), -EMFILE);
	limit_fds(256);
}

SUBTEST(class35_no_descriptor_left)
{
	struct no_room n = { .vm = vm_create() };

	n.first_free = dup(0);
	close(n.first_free);
	leak_test(create_without_room, &n, 60, 1);
	/* The id was not taken by those that failed. */
	vcpu_create(n.vm, 0);
	vcpu_long_mode(n.vm->vcpus[0], guest_count_outs, 0);
	vcpu_expect_sync(n.vm->vcpus[0], 1);
	check_device();
}

static void make_and_free(void *arg)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_create(vm, 1);
	vcpu_long_mode(vcpu, guest_count_outs, 0);
	vcpu_expect_sync(vcpu, 1);
	vm_free(vm);
}

SUBTEST(class35_machines_made_and_freed)
{
	leak_test(make_and_free, NULL, 60, 1);
}

/* As many as one machine may have. */
static void make_all_vcpus(void *arg)
{
	struct vm *vm = vm_create_bare();
	int max = check_cap(vm, KVM_CAP_MAX_VCPUS);
	int fd;

	CHECK(max >= 16);
	for (int i = 0; i < max; i++) {
		fd = xioctl(vm->fd, KVM_CREATE_VCPU, i);
		CHECK(fd >= 0);
		CHECK_EQ(close(fd), 0);
	}
	/* A vCPU whose descriptor is closed is still the machine's. */
	CHECK(xioctl(vm->fd, KVM_CREATE_VCPU, 0) < 0);
	CHECK_EQ(xioctl(vm->fd, KVM_CREATE_VCPU, max), -EINVAL);
	vm_free(vm);
}

SUBTEST(class35_as_many_vcpus_as_allowed)
{
	struct vm *vm = vm_create_bare();

	leak_test(make_all_vcpus, NULL, 1, check_cap(vm, KVM_CAP_MAX_VCPUS));
	check_device();
}

SUBTEST(class35_many_machines_at_once)
{
	struct vm *vms[60];

	for (u64 i = 0; i < ARRAY_SIZE(vms); i++) {
		vms[i] = vm_create_bare();
		vcpu_create_bare(vms[i], 0);
	}
	check_device();
	for (u64 i = 0; i < ARRAY_SIZE(vms); i += 2)
		vm_free(vms[i]);
	check_device();
	for (u64 i = 1; i < ARRAY_SIZE(vms); i += 2)
		vm_free(vms[i]);
	check_device();
}

/* ---- order and numbers of creation ------------------------------------ */

SUBTEST(class12_vcpu_ids)
{
	struct vm *vm = vm_create_bare();
	long max = check_cap(vm, KVM_CAP_MAX_VCPU_ID);
	const long bad[] = { max, max + 1, -1, -2, 0x80000000l, 0xffffffffl,
		0x7fffffffl };
	int fd;

	CHECK(max >= check_cap(vm, KVM_CAP_MAX_VCPUS));
	for (u64 i = 0; i < ARRAY_SIZE(bad); i++) {
		test_doing("id %ld", bad[i]);
		CHECK_EQ(xioctl(vm->fd, KVM_CREATE_VCPU, bad[i]), -EINVAL);
	}
	test_doing("good ids");
	CHECK((fd = xioctl(vm->fd, KVM_CREATE_VCPU, max - 1)) >= 0);
	CHECK_EQ(xioctl(vm->fd, KVM_CREATE_VCPU, max - 1), -EEXIST);
	CHECK(xioctl(vm->fd, KVM_CREATE_VCPU, 0) >= 0);
	CHECK_EQ(xioctl(vm->fd, KVM_CREATE_VCPU, 0), -EEXIST);
	close(fd);
	CHECK_EQ(xioctl(vm->fd, KVM_CREATE_VCPU, max - 1), -EEXIST);
	CHECK(xioctl(vm->fd, KVM_CREATE_VCPU, 7) >= 0);
	for (u64 i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_EQ(xioctl(vm->fd, KVM_CREATE_VCPU, bad[i]), -EINVAL);
}

struct racer {
	struct thread t;
	struct vm *vm;
	int made, refused, other;
};

#define RACE_IDS	100

static void *create_all(void *arg)
{
	struct racer *r = arg;

	for (int i = 0; i < RACE_IDS; i++) {
		int fd = xioctl(r->vm->fd, KVM_CREATE_VCPU, i);

		r->made += fd >= 0;
		r->refused += fd == -EEXIST;
		r->other += fd < 0 && fd != -EEXIST;
	}
	return NULL;
}

SUBTEST(class12_two_threads_create_the_same_ids)
{
	struct vm *vm = vm_create_bare();
	struct racer r[2];

	for (int i = 0; i < 2; i++) {
		r[i] = (struct racer){ .vm = vm };
		thread_start(&r[i].t, i % nr_cpus(), create_all, &r[i]);
	}
	for (int i = 0; i < 2; i++)
		thread_join(&r[i].t);
	CHECK_EQ(r[0].other + r[1].other, 0);
	CHECK_EQ(r[0].made + r[1].made, RACE_IDS);
	CHECK_EQ(r[0].refused + r[1].refused, RACE_IDS);
}

/* Where no memory is, no instruction can be fetched. */
static void check_no_fetch(struct vcpu *vcpu, u64 rip)
{
	struct kvm_regs regs;

	for (int i = 0; i < 3; i++) {
		vcpu_run(vcpu, KVM_EXIT_INTERNAL_ERROR);
		get_regs(vcpu, &regs);
		CHECK_EQ(regs.rip, rip);
	}
}

SUBTEST(class12_run_without_memory)
{
	struct vm *vm = vm_create_bare();
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);
	int ret = vcpu_run_raw(vcpu);

	/* KVM without any slot cannot even make a page table. */
	if (ret != -ENOSPC)
		CHECK_EQ(ret, 0);
	vm_add_mem(vm, 0, TEST_GPA, PAGE_SIZE, MEM_ANON);
	check_no_fetch(vcpu, 0xfff0);
}

/* A vCPU made before the memory, and before any CPUID, runs all the same. */
SUBTEST(class12_vcpu_before_memory)
{
	struct vm *vm = vm_create_bare();
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);
	u8 *mem;

	vm_add_mem(vm, 1, TEST_GPA, PAGE_SIZE, MEM_ANON);
	check_no_fetch(vcpu, 0xfff0);
	mem = vm_add_mem(vm, 0, 0, SZ_2M, MEM_ANON);
	memcpy(mem + 0x8000, "\xe6\xe7\xf4", 3);	/* out %al,$0xe7; hlt */
	vcpu_real_mode(vcpu, 0x800, 0);
	vcpu_run(vcpu, KVM_EXIT_IO);
	vcpu_run(vcpu, KVM_EXIT_HLT);
	vm_del_mem(vm, 0);
	vcpu_real_mode(vcpu, 0x800, 0);
	check_no_fetch(vcpu, 0);
}

/* ---- bug class 30: closed while it is being made ----------------------- */

struct closer {
	struct thread t;
	int first, last;
	bool stop;
	u64 closed;
};

static void *close_always(void *arg)
{
	struct closer *c = arg;

	while (!__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE)) {
		for (int fd = c->first; fd <= c->last; fd++)
			c->closed += !close(fd);
		sched_yield();
	}
	return NULL;
}

SUBTEST(class30_closed_while_being_made)
{
	struct closer c = { 0 };
	int dev = open_device(), vm, vcpu;

	c.first = dup(dev);
	close(c.first);
	c.last = c.first + 3;
	thread_start(&c.t, nr_cpus() - 1, close_always, &c);
	for (int i = 0; i < 150; i++) {
		/* Each may be closed, or another thing, when it is used here. */
		vm = xioctl(dev, KVM_CREATE_VM, 0);
		CHECK(vm >= 0);
		vcpu = xioctl(vm, KVM_CREATE_VCPU, 0);
		CHECK(vcpu >= 0 || vcpu == -EBADF);
		xioctl(vcpu, KVM_RUN, 0);
	}
	__atomic_store_n(&c.stop, true, __ATOMIC_RELEASE);
	thread_join(&c.t);
	test_diag("%llu closed by the other thread", (unsigned long long)c.closed);
	for (int fd = c.first; fd <= c.last + 8; fd++)
		close(fd);
	check_device();
}
