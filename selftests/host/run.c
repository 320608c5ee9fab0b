// SPDX-License-Identifier: GPL-2.0
/*
 * run - KVM_RUN as a system call: interrupted by signals and by immediate_exit,
 * called from any thread and through any descriptor of the vCPU, the mapping of
 * its kvm_run, and user space that changes kvm_run while the guest runs.
 */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "clock.h"
#include "selftest.h"

static volatile u64 count;		/* of the guest's loop */
static volatile int signals;

static void on_signal(int sig)
{
	signals++;
}

/* SIGUSR2 is caught and does nothing else; the lib's SIGUSR1 is for kicks. */
static void catch_usr2(int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

	CHECK_EQ(sigaction(SIGUSR2, &sa, NULL), 0);
}

static void guest_loop(u64 arg)
{
	for (;;)
		count++;
}

/* Returns when the guest has been seen to make a step from now on. */
static void wait_for_guest(struct vm *vm)
{
	volatile u64 *p = &guest_var(vm, count);
	u64 old = *p;

	while (*p == old)
		sched_yield();
}

struct runner {
	struct thread t;
	struct vcpu *vcpu;
	int ret;
	u32 reason;
	pid_t tid;
};

static void *run_once(void *arg)
{
	struct runner *r = arg;

	__atomic_store_n(&r->tid, gettid(), __ATOMIC_RELEASE);
	r->ret = vcpu_run_raw(r->vcpu);
	r->reason = r->vcpu->run->exit_reason;
	return NULL;
}

static void runner_start(struct runner *r, struct vcpu *vcpu)
{
	*r = (struct runner){ .vcpu = vcpu };
	thread_start(&r->t, -1, run_once, r);
}

static void runner_signal(struct runner *r)
{
	CHECK_EQ(pthread_kill(r->t.id, SIGUSR2), 0);
}

/* ---- signals ---------------------------------------------------------- */

static void signal_in_guest(int flags)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs a, b;
	struct runner r;

	catch_usr2(flags);
	vcpu_long_mode(vcpu, guest_loop, 0);
	for (int i = 0; i < 50; i++) {
		test_doing("signal %d", i);
		vcpu->run->exit_reason = ~0u;
		runner_start(&r, vcpu);
		wait_for_guest(vm);
		runner_signal(&r);
		thread_join(&r.t);
		CHECK_EQ(r.ret, -EINTR);
		CHECK_EQ(r.reason, KVM_EXIT_INTR);
		CHECK_EQ(signals, i + 1);
	}
	/* Out of KVM_RUN the guest stands still, and its state can be read. */
	get_regs(vcpu, &a);
	get_regs(vcpu, &b);
	CHECK_EQ(memcmp(&a, &b, sizeof(a)), 0);
	CHECK_EQ(a.rsp & ~0xfffull, (vcpu->stack - 1) & ~0xfffull);
}

SUBTEST(signal_while_in_guest)
{
	signal_in_guest(0);
}

SUBTEST(signal_while_in_guest_is_not_restarted)
{
	signal_in_guest(SA_RESTART);
}

/* A signal that is pending already: KVM_SET_SIGNAL_MASK lets it in. */
SUBTEST(signal_pending_before_run)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct {
		struct kvm_signal_mask m;
		u64 set;
	} mask = { .m.len = 8 };
	sigset_t set;

	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_SIGNAL_MASK, (uintptr_t)&mask), 0);
	catch_usr2(0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR2);
	vcpu_long_mode(vcpu, guest_loop, 0);
	CHECK_EQ(vcpu_run_raw(vcpu), -EINTR);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_INTR);
	CHECK_EQ(guest_var(vm, count), 0);
}

static void guest_count_syncs(u64 n)
{
	for (u64 i = 0; i < n; i++)
		GUEST_SYNC_VALUE(i & 0xff, i);
}

/* Signals at any instruction of host and guest: no exit is lost or doubled. */
SUBTEST(signals_at_random_points)
{
	struct itimerval timer = { { 0, 700 }, { 0, 700 } };
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct sigaction sa = { .sa_handler = on_signal };
	u64 want = 0, n = 3000;
	struct ucall uc;
	int ret, eintr = 0;

	sigaction(SIGALRM, &sa, NULL);
	vcpu_long_mode(vcpu, guest_count_syncs, n);
	CHECK_EQ(setitimer(ITIMER_REAL, &timer, NULL), 0);
	for (;;) {
		ret = vcpu_run_raw(vcpu);
		if (ret == -EINTR) {
			CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_INTR);
			eintr++;
			continue;
		}
		CHECK_EQ(ret, 0);
		if (get_ucall(vcpu, &uc) != UCALL_SYNC)
			break;
		CHECK_EQ(uc.b, want);
		want++;
	}
	CHECK_EQ(uc.cmd, UCALL_DONE);
	CHECK_EQ(want, n);
	test_diag("%d signals, %d of them in KVM_RUN", signals, eintr);
	CHECK(signals > 0);
}

/* A stop signal is one as any other; the guest goes on after SIGCONT. */
SUBTEST(stop_and_continue)
{
	struct chan ready;
	int status;
	pid_t pid;

	chan_open(&ready);
	pid = fork();
	if (!pid) {
		struct vm *vm = vm_create();
		struct vcpu *vcpu = vcpu_create(vm, 0);
		struct runner r;

		catch_usr2(0);
		vcpu_long_mode(vcpu, guest_loop, 0);
		runner_start(&r, vcpu);
		wait_for_guest(vm);
		chan_put(&ready, 1);
		while (!__atomic_load_n(&r.t.done, __ATOMIC_ACQUIRE))
			sched_yield();
		thread_join(&r.t);
		CHECK_EQ(r.ret, -EINTR);
		runner_start(&r, vcpu);
		wait_for_guest(vm);
		runner_signal(&r);
		thread_join(&r.t);
		CHECK_EQ(r.ret, -EINTR);
		_exit(EXIT_PASS);
	}
	chan_wait(&ready, 1);
	CHECK_EQ(kill(pid, SIGSTOP), 0);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(kill(pid, SIGCONT), 0);
	child_join(pid);
}

/* ---- immediate_exit --------------------------------------------------- */

static void guest_spins_for(u64 ticks)
{
	u64 start = rdtsc();

	while (rdtsc() - start < ticks)
		cpu_relax();
	GUEST_SYNC(0);
}

/* What the kernel has to do in the task's time meanwhile is no concern of its. */
SUBTEST(nothing_but_a_signal_interrupts)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int khz = xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);

	CHECK(khz > 0);
	vcpu_long_mode(vcpu, guest_spins_for, 500 * (u64)khz);
	vcpu_expect_sync(vcpu, 0);
}

SUBTEST(immediate_exit_before_run)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs a, b;

	vcpu_long_mode(vcpu, guest_count_syncs, 3);
	get_regs(vcpu, &a);
	vcpu->run->immediate_exit = 1;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(vcpu_run_raw(vcpu), -EINTR);
	CHECK_EQ(vcpu->run->immediate_exit, 1);	/* it is user space's */
	get_regs(vcpu, &b);
	CHECK_EQ(memcmp(&a, &b, sizeof(a)), 0);
	vcpu->run->immediate_exit = 0;
	vcpu_expect_sync(vcpu, 0);

	/* Completes the OUT, but does not enter the guest. */
	get_regs(vcpu, &a);
	vcpu->run->immediate_exit = 255;
	CHECK_EQ(vcpu_run_raw(vcpu), -EINTR);
	get_regs(vcpu, &a);
	CHECK_EQ(vcpu_run_raw(vcpu), -EINTR);
	get_regs(vcpu, &b);
	CHECK_EQ(memcmp(&a, &b, sizeof(a)), 0);
	vcpu->run->immediate_exit = 0;
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_sync(vcpu, 2);
	vcpu_expect_done(vcpu);
}

struct kicked {
	struct thread t;
	struct vcpu *vcpu;
	bool stop;
	int wrong;			/* the first result that was not EINTR */
	u64 returns;
};

static void *run_until_stopped(void *arg)
{
	struct kicked *k = arg;
	int ret;

	while (!__atomic_load_n(&k->stop, __ATOMIC_ACQUIRE)) {
		ret = vcpu_run_raw(k->vcpu);
		if (ret != -EINTR && !k->wrong)
			k->wrong = ret ? ret : 1;
		/* A kick from here on finds no vCPU: it counts for the next. */
		__atomic_store_n(&k->vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&k->returns, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* The handler sets immediate_exit, so a kick on the way into the guest counts. */
SUBTEST(immediate_exit_from_signal_handler)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kicked k = { .vcpu = vcpu };

	vcpu_long_mode(vcpu, guest_loop, 0);
	thread_start(&k.t, -1, run_until_stopped, &k);
	for (int i = 0; i < 300; i++) {
		u64 seen = __atomic_load_n(&k.returns, __ATOMIC_SEQ_CST);

		while (__atomic_load_n(&k.returns, __ATOMIC_SEQ_CST) == seen) {
			thread_kick(&k.t);
			sched_yield();
		}
	}
	__atomic_store_n(&k.stop, true, __ATOMIC_RELEASE);
	thread_stop(&k.t);
	CHECK_EQ(k.wrong, 0);
}

/* ---- threads and descriptors ------------------------------------------ */

struct counted {
	struct thread t;
	int fd, runs, got, error;
};

static void *run_n_times(void *arg)
{
	struct counted *c = arg;
	int ret;

	for (int i = 0; i < c->runs; i++) {
		ret = xioctl(c->fd, KVM_RUN, 0);
		if (ret)
			c->error = ret;
		else
			c->got++;
	}
	return NULL;
}

static void guest_count_outs(u64 arg)
{
	for (;;) {
		count++;
		outb(SYNC_PORT, count);
	}
}

SUBTEST(run_from_other_threads)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct counted c = { .fd = vcpu->fd, .runs = 10 };

	vcpu_long_mode(vcpu, guest_count_outs, 0);
	for (int i = 1; i <= 20; i++) {
		c.got = 0;
		thread_start(&c.t, i % nr_cpus(), run_n_times, &c);
		thread_join(&c.t);
		CHECK_EQ(c.got, 10);
		CHECK_EQ(guest_var(vm, count), 11 * i - 1);
		vcpu_expect_sync(vcpu, 11 * i & 0xff);
	}
}

/* Created, set up and first run each in a thread of their own, all ended. */
static void *create_in_thread(void *arg)
{
	struct vm **vm = arg;

	*vm = vm_create();
	vcpu_create(*vm, 0);
	return NULL;
}

SUBTEST(creator_thread_is_gone)
{
	struct thread t;
	struct vm *vm;

	thread_start(&t, -1, create_in_thread, &vm);
	thread_join(&t);
	vcpu_long_mode(vm->vcpus[0], guest_count_syncs, 2);
	vcpu_expect_sync(vm->vcpus[0], 0);
	vcpu_expect_sync(vm->vcpus[0], 1);
	vcpu_expect_done(vm->vcpus[0]);
}

SUBTEST(run_by_process_that_shares_memory)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	pid_t pid;

	vcpu_long_mode(vcpu, guest_count_outs, 0);
	vcpu_expect_sync(vcpu, 1);
	pid = vfork();
	if (!pid)
		_exit(xioctl(vcpu->fd, KVM_RUN, 0) ? EXIT_FAIL : EXIT_PASS);
	child_join(pid);
	CHECK_EQ(guest_var(vm, count), 2);
	vcpu_expect_sync(vcpu, 3);
}

SUBTEST(duplicated_vcpu_fd)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int original = vcpu->fd, copy = dup(original);
	struct kvm_run *run;

	CHECK(copy >= 0);
	vcpu_long_mode(vcpu, guest_count_outs, 0);
	for (int i = 1; i <= 20; i++) {
		vcpu->fd = i & 1 ? copy : original;
		vcpu_expect_sync(vcpu, i);
	}
	close(original);
	vcpu->fd = copy;
	for (int i = 21; i <= 30; i++)
		vcpu_expect_sync(vcpu, i);
	run = mmap(NULL, vm->mmap_size, PROT_READ, MAP_SHARED, copy, 0);
	CHECK(run != MAP_FAILED);
	CHECK_EQ(memcmp(run, vcpu->run, sizeof(*run)), 0);
	CHECK_EQ(xioctl(original, KVM_RUN, 0), -EBADF);
}

/* 'R', 'S', 'D' of a thread of this process. */
static char thread_state(pid_t tid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	CHECK(f);
	CHECK_EQ(fscanf(f, "%*d (%*[^)]) %c", &state), 1);
	fclose(f);
	return state;
}

/* The second KVM_RUN of a vCPU waits until the first has left. */
SUBTEST(second_run_waits)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct runner first, second;

	catch_usr2(0);
	vcpu_long_mode(vcpu, guest_loop, 0);
	runner_start(&first, vcpu);
	wait_for_guest(vm);
	runner_start(&second, vcpu);
	while (!__atomic_load_n(&second.tid, __ATOMIC_ACQUIRE))
		sched_yield();
	while (thread_state(second.tid) == 'R')
		sched_yield();
	/* Still waiting, although the guest had time to run. */
	wait_for_guest(vm);
	CHECK(!__atomic_load_n(&second.t.done, __ATOMIC_ACQUIRE));
	runner_signal(&first);
	thread_join(&first.t);
	CHECK_EQ(first.ret, -EINTR);
	wait_for_guest(vm);		/* now it is the second that runs it */
	runner_signal(&second);
	thread_join(&second.t);
	CHECK_EQ(second.ret, -EINTR);
}

SUBTEST(class37_two_threads_run_one_vcpu)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct counted c[2];
	int copy = dup(vcpu->fd);

	vcpu_long_mode(vcpu, guest_count_outs, 0);
	for (int i = 0; i < 2; i++) {
		c[i] = (struct counted){ .fd = i ? copy : vcpu->fd, .runs = 300 };
		thread_start(&c[i].t, i % nr_cpus(), run_n_times, &c[i]);
	}
	for (int i = 0; i < 2; i++) {
		thread_join(&c[i].t);
		CHECK_EQ(c[i].error, 0);
	}
	CHECK_EQ(c[0].got + c[1].got, 600);
	CHECK_EQ(guest_var(vm, count), 600);
}

SUBTEST(run_after_vm_and_device_are_closed)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, guest_count_outs, 0);
	vcpu_expect_sync(vcpu, 1);
	close(vm->fd);
	vcpu_expect_sync(vcpu, 2);
	close(vm->dev_fd);
	for (int i = 3; i < 100; i++)
		vcpu_expect_sync(vcpu, i);
}

/* A VM belongs to the memory it was made in: a forked child's is another. */
SUBTEST(run_in_forked_child)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;
	pid_t pid;

	vcpu_long_mode(vcpu, guest_count_outs, 0);
	vcpu_expect_sync(vcpu, 1);
	pid = fork();
	if (!pid) {
		CHECK_EQ(xioctl(vcpu->fd, KVM_RUN, 0), -EIO);
		CHECK_EQ(xioctl(vcpu->fd, KVM_GET_REGS, (uintptr_t)&regs), -EIO);
		CHECK_EQ(xioctl(vcpu->fd, KVM_SET_REGS, (uintptr_t)&regs), -EIO);
		CHECK_EQ(xioctl(vm->fd, KVM_CREATE_VCPU, 1), -EIO);
		CHECK_EQ(set_region(vm, 5, 0, TEST_GPA, PAGE_SIZE, vm->ram), -EIO);
		CHECK_EQ(xioctl(vm->dev_fd, KVM_GET_API_VERSION, 0), 12);
		_exit(EXIT_PASS);
	}
	child_join(pid);
	for (int i = 2; i < 20; i++)
		vcpu_expect_sync(vcpu, i);
}

/* ---- the mapping of kvm_run ------------------------------------------- */

static sigjmp_buf fault_jmp;

static void on_fault(int sig)
{
	siglongjmp(fault_jmp, sig);
}

/* The signal that touching @p raises, or 0. */
static int touch(volatile u8 *p, bool write)
{
	struct sigaction sa = { .sa_handler = on_fault };
	int sig;

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sig = sigsetjmp(fault_jmp, 1);
	if (!sig) {
		if (write)
			*p = 0;
		else
			(void)*p;
	}
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	return sig;
}

static u8 *map_vcpu(struct vcpu *vcpu, size_t size, int prot, off_t offset)
{
	return mmap(NULL, size, prot, MAP_SHARED, vcpu->fd, offset);
}

SUBTEST(mmap_size)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *whole = (u8 *)vcpu->run, *p;

	CHECK_EQ(vm->mmap_size % PAGE_SIZE, 0);
	CHECK(vm->mmap_size >= (int)(2 * PAGE_SIZE));	/* kvm_run, port data */
	for (int i = 0; i < vm->mmap_size; i += PAGE_SIZE) {
		test_doing("page %ld", i / PAGE_SIZE);
		CHECK_EQ(touch(whole + i, false), 0);
		CHECK_EQ(touch(whole + i, true), 0);
		p = map_vcpu(vcpu, PAGE_SIZE, PROT_READ | PROT_WRITE, i);
		CHECK(p != MAP_FAILED);
		whole[i + 100] = 0x5a;
		CHECK_EQ(p[100], 0x5a);
		p[100] = 0;
		CHECK_EQ(whole[i + 100], 0);
		munmap(p, PAGE_SIZE);
	}
}

SUBTEST(mmap_beyond_the_end)
{
	static const u64 pages[] = { 0, 1, 2, 100, 1 << 20, 1ull << 40 };
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 end = vm->mmap_size;
	u8 *p;

	for (u64 i = 0; i < ARRAY_SIZE(pages); i++) {
		u64 offset = end + pages[i] * PAGE_SIZE;

		test_doing("offset %#llx", (unsigned long long)offset);
		p = map_vcpu(vcpu, PAGE_SIZE, PROT_READ | PROT_WRITE, offset);
		if (p == MAP_FAILED) {
			CHECK(errno == EINVAL || errno == EOVERFLOW);
			continue;
		}
		CHECK_EQ(touch(p, false), SIGBUS);
		CHECK_EQ(touch(p, true), SIGBUS);
		munmap(p, PAGE_SIZE);
	}
	p = map_vcpu(vcpu, end + 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0);
	if (p == MAP_FAILED)
		return;
	CHECK_EQ(touch(p + end - 1, true), 0);
	CHECK_EQ(touch(p + end, true), SIGBUS);
	CHECK_EQ(touch(p + end + 3 * PAGE_SIZE, false), SIGBUS);
}

SUBTEST(mmap_read_only)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *p = map_vcpu(vcpu, vm->mmap_size, PROT_READ, 0);

	CHECK(p != MAP_FAILED);
	CHECK_EQ(touch(p, false), 0);
	CHECK_EQ(touch(p, true), SIGSEGV);
	vcpu->run->immediate_exit = 0;
	vcpu_long_mode(vcpu, guest_count_outs, 0);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(((struct kvm_run *)p)->exit_reason, KVM_EXIT_IO);
}

SUBTEST(mmap_of_vm_and_device_fails)
{
	struct vm *vm = vm_create();

	CHECK(mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, vm->fd, 0) == MAP_FAILED);
	CHECK_EQ(errno, ENODEV);
	CHECK(mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, vm->dev_fd, 0) ==
	      MAP_FAILED);
	CHECK_EQ(errno, ENODEV);
}

SUBTEST(munmap_while_running)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_run *run = vcpu->run;
	struct counted c = { .fd = vcpu->fd, .runs = 1 };

	catch_usr2(0);
	vcpu_long_mode(vcpu, guest_loop, 0);
	thread_start(&c.t, -1, run_n_times, &c);
	wait_for_guest(vm);
	munmap(run, vm->mmap_size);
	wait_for_guest(vm);
	CHECK_EQ(pthread_kill(c.t.id, SIGUSR2), 0);
	thread_join(&c.t);
	CHECK_EQ(c.error, -EINTR);
	vcpu->run = (void *)map_vcpu(vcpu, vm->mmap_size, PROT_READ | PROT_WRITE, 0);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_INTR);
	vcpu_long_mode(vcpu, guest_count_syncs, 1);
	vcpu_expect_sync(vcpu, 0);
	vcpu_expect_done(vcpu);
}

/* The page lives as long as it is mapped. */
SUBTEST(mapping_outlives_the_descriptors)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_run *run = vcpu->run;

	vcpu_long_mode(vcpu, guest_count_outs, 0);
	vcpu_expect_sync(vcpu, 1);
	close(vcpu->fd);
	close(vm->fd);
	close(vm->dev_fd);
	CHECK_EQ(run->exit_reason, KVM_EXIT_IO);
	memset(run, 0x5a, vm->mmap_size);
	CHECK_EQ(((u8 *)run)[vm->mmap_size - 1], 0x5a);
	CHECK_EQ(munmap(run, vm->mmap_size), 0);
}

/* ---- fields that are wrong -------------------------------------------- */

/* Without an in-kernel local APIC, user space gives the TPR with each run. */
SUBTEST(bad_cr8_in_kvm_run)
{
	static const u64 bad[] = { 16, 0x100, 1ull << 63, ~0ull };
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs s;

	vcpu_long_mode(vcpu, guest_count_syncs, 2);
	for (u64 i = 0; i < ARRAY_SIZE(bad); i++) {
		vcpu->run->cr8 = bad[i];
		CHECK_EQ(vcpu_run_raw(vcpu), -EINVAL);
	}
	vcpu->run->cr8 = 15;
	vcpu_expect_sync(vcpu, 0);
	CHECK_EQ(vcpu->run->cr8, 15);
	get_sregs(vcpu, &s);
	CHECK_EQ(s.cr8, 15);
	vcpu_expect_sync(vcpu, 1);
}

/* Registers by kvm_run: taken if the device offers them, refused if not. */
SUBTEST(bad_sync_regs_in_kvm_run)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 offered = check_cap(vm, KVM_CAP_SYNC_REGS);

	vcpu_long_mode(vcpu, guest_count_syncs, 2);
	for (int bit = 0; bit < 64; bit++) {
		test_doing("bit %d", bit);
		if (offered & BIT(bit))
			continue;
		vcpu->run->kvm_valid_regs = BIT(bit);
		CHECK_EQ(vcpu_run_raw(vcpu), -EINVAL);
		vcpu->run->kvm_valid_regs = 0;
		vcpu->run->kvm_dirty_regs = BIT(bit);
		CHECK_EQ(vcpu_run_raw(vcpu), -EINVAL);
		vcpu->run->kvm_dirty_regs = 0;
	}
	vcpu_expect_sync(vcpu, 0);
}

/* ---- bug class 7 ------------------------------------------------------ */

#define SCRIBBLE_ROUNDS	60
#define SCRIBBLE_MMIO	MMIO_GPA
#define CANARY		0x5ca1ab1ecafef00dull

static struct {
	u64 before;
	u8 data[64];
	u64 after;
} buffer = { .before = CANARY, .after = CANARY };
static volatile bool finished;

static volatile u64 wrong_line, wrong_got;

/* A report would go through kvm_run, so the guest keeps its first complaint. */
#define SCRIBBLE_CHECK(got, want) do {					\
	u64 got__ = (u64)(got);						\
	if (got__ != (u64)(want) && !wrong_line) {			\
		wrong_line = __LINE__;					\
		wrong_got = got__;					\
	}								\
} while (0)

static void guest_scribbled_io(void)
{
	u64 rax = CANARY, rdi, rcx;

	asm volatile("inb $0x70, %%al" : "+a"(rax));
	SCRIBBLE_CHECK(rax & ~0xffull, CANARY & ~0xffull);
	rax = CANARY;
	asm volatile("inw $0x70, %%ax" : "+a"(rax));
	SCRIBBLE_CHECK(rax & ~0xffffull, CANARY & ~0xffffull);
	rax = CANARY;
	asm volatile("inl $0x70, %%eax" : "+a"(rax));
	SCRIBBLE_CHECK(rax >> 32, 0);

	rdi = (uintptr_t)buffer.data;
	rcx = sizeof(buffer.data);
	asm volatile("rep insb" : "+D"(rdi), "+c"(rcx) : "d"(0x71) : "memory");
	SCRIBBLE_CHECK(rcx, 0);
	SCRIBBLE_CHECK(rdi, (uintptr_t)buffer.data + sizeof(buffer.data));
	rdi = (uintptr_t)buffer.data;
	rcx = sizeof(buffer.data) / 4;
	asm volatile("rep outsl" : "+S"(rdi), "+c"(rcx) : "d"(0x72) : "memory");
	SCRIBBLE_CHECK(rcx, 0);
	SCRIBBLE_CHECK(rdi, (uintptr_t)buffer.data + sizeof(buffer.data));
	SCRIBBLE_CHECK(buffer.before, CANARY);
	SCRIBBLE_CHECK(buffer.after, CANARY);
}

static void guest_scribbled_mmio(void)
{
	u64 rbx = CANARY, addr = SCRIBBLE_MMIO;

	asm volatile("movb (%1), %%bl" : "+b"(rbx) : "r"(addr));
	SCRIBBLE_CHECK(rbx & ~0xffull, CANARY & ~0xffull);
	asm volatile("movl (%1), %%ebx" : "+b"(rbx) : "r"(addr));
	SCRIBBLE_CHECK(rbx >> 32, 0);
	asm volatile("movq %0, (%1)" : : "b"(rbx), "r"(addr) : "memory");
	asm volatile("movzbl 7(%1), %%ebx" : "=b"(rbx) : "r"(addr));
	SCRIBBLE_CHECK(rbx >> 8, 0);
}

static void guest_scribbled(u64 arg)
{
	for (int i = 0; i < SCRIBBLE_ROUNDS; i++) {
		guest_scribbled_io();
		guest_scribbled_mmio();
		count++;
	}
	finished = true;
	for (;;)
		GUEST_DONE();
}

struct scribbler {
	struct thread t;
	u8 *run;
	int size;
	u64 state;
	bool stop;
};

/*
 * Random words over all of the mapping. Half of them are zero, since a KVM_RUN
 * with a bad field does nothing. A word in kvm_dirty_regs that the device takes
 * would load the scribbled registers, which is no bug: its bit 63 avoids that.
 */
static void *scribble(void *arg)
{
	struct scribbler *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		for (int i = 0; i < s->size; i += 8) {
			u64 v;

			s->state = s->state * 6364136223846793005ull + 1442695040888963407ull;
			v = s->state >> 63 ? s->state << 1 ^ s->state >> 31 : 0;
			if (v && (i == offsetof(struct kvm_run, kvm_valid_regs) ||
				  i == offsetof(struct kvm_run, kvm_dirty_regs)))
				v |= BIT(63);
			*(volatile u64 *)(s->run + i) = v;
		}
		sched_yield();
	}
	return NULL;
}

SUBTEST(class07_kvm_run_scribbled_while_running)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct scribbler s = { .run = (u8 *)vcpu->run, .size = vm->mmap_size,
		.state = test_rand() };
	u64 runs = 0, ok = 0;
	int ret;

	vcpu_long_mode(vcpu, guest_scribbled, 0);
	thread_start(&s.t, nr_cpus() - 1, scribble, &s);
	while (!*(volatile bool *)&guest_var(vm, finished)) {
		ret = xioctl(vcpu->fd, KVM_RUN, 0);
		runs++;
		ok += !ret;
		if (ret && ret != -EINTR && ret != -EINVAL)
			FAIL("KVM_RUN: unexpected %s", strerrorname_np(-ret));
		if (runs > 2000000)
			FAIL("no end: %llu rounds of %d",
			     (unsigned long long)guest_var(vm, count), SCRIBBLE_ROUNDS);
		sched_yield();
	}
	__atomic_store_n(&s.stop, true, __ATOMIC_RELEASE);
	thread_join(&s.t);
	test_diag("%llu runs, %llu of them done", (unsigned long long)runs,
		  (unsigned long long)ok);
	if (guest_var(vm, wrong_line))
		FAIL("guest: line %llu: got %#llx",
		     (unsigned long long)guest_var(vm, wrong_line),
		     (unsigned long long)guest_var(vm, wrong_got));
	CHECK_EQ(guest_var(vm, count), SCRIBBLE_ROUNDS);
	memset(vcpu->run, 0, sizeof(*vcpu->run));
	vcpu_expect_done(vcpu);
}
