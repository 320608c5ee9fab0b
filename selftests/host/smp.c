// SPDX-License-Identifier: GPL-2.0
/*
 * smp - several vCPUs: at once on several CPUs, more of them than CPUs, in one
 * machine and in several, their threads moved about all the time. The guest
 * code checks its registers, its memory and its MSRs itself.
 */
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "selftest.h"

#define MAX_VCPUS	8

static volatile u64 total;		/* by LOCK ADD, of all vCPUs */
static volatile u64 own[MAX_VCPUS][8];	/* a cache line each */
static volatile u64 stop;
static u64 vm_id;			/* the same address in every VM */
static u64 rounds;

struct cpu_thread {
	struct thread t;
	struct vcpu *vcpu;
	pid_t tid;
	u64 exits;
};

/* Runs the vCPU to its GUEST_DONE. */
static void *run_to_the_end(void *arg)
{
	struct cpu_thread *c = arg;
	struct ucall uc;
	int ret;

	__atomic_store_n(&c->tid, gettid(), __ATOMIC_RELEASE);
	do {
		ret = vcpu_run_raw(c->vcpu);
		if (ret != -EINTR)
			CHECK_EQ(ret, 0);
		c->exits++;
		if (get_ucall(c->vcpu, &uc) == UCALL_NONE)
			FAIL("vCPU %d: unexpected exit %s", c->vcpu->id,
			     exit_name(c->vcpu->run->exit_reason));
	} while (uc.cmd != UCALL_DONE);
	return NULL;
}

static void start(struct cpu_thread *c, struct vcpu *vcpu, int cpu)
{
	*c = (struct cpu_thread){ .vcpu = vcpu };
	thread_start(&c->t, cpu, run_to_the_end, c);
}

/* Moves the threads about until all are done; returns the number of moves. */
static u64 move_until_done(struct cpu_thread *c, int n)
{
	u64 moves = 0;
	cpu_set_t set;
	bool done;

	do {
		done = true;
		for (int i = 0; i < n; i++) {
			pid_t tid = __atomic_load_n(&c[i].tid, __ATOMIC_ACQUIRE);

			if (__atomic_load_n(&c[i].t.done, __ATOMIC_ACQUIRE))
				continue;
			done = false;
			if (!tid)
				continue;
			CPU_ZERO(&set);
			CPU_SET((moves + i) % nr_cpus(), &set);
			/* It may have ended just now. */
			if (sched_setaffinity(tid, sizeof(set), &set))
				CHECK_EQ(errno, ESRCH);
		}
		moves++;
		sched_yield();
	} while (!done);
	for (int i = 0; i < n; i++)
		thread_join(&c[i].t);
	return moves;
}

/* ---- a counter --------------------------------------------------------- */

static void guest_add(u64 id)
{
	for (u64 i = 0; i < rounds; i++) {
		asm volatile("lock addq $1, %0" : "+m"(total));
		own[id][0]++;
		if (!(i & 0x3ff))
			GUEST_SYNC(1);
	}
}

static void count_together(int vcpus, u64 each)
{
	struct cpu_thread c[MAX_VCPUS];
	struct vm *vm;

	rounds = each;
	vm = vm_create();
	for (int i = 0; i < vcpus; i++)
		vcpu_long_mode(vcpu_create(vm, i), guest_add, i);
	for (int i = 0; i < vcpus; i++)
		start(&c[i], vm->vcpus[i], i % nr_cpus());
	for (int i = 0; i < vcpus; i++)
		thread_join(&c[i].t);
	CHECK_EQ(guest_var(vm, total), vcpus * each);
	for (int i = 0; i < vcpus; i++)
		CHECK_EQ(guest_var(vm, own)[i][0], each);
}

SUBTEST(two_vcpus_count)
{
	count_together(2, 200000);
}

SUBTEST(more_vcpus_than_cpus_count)
{
	count_together(MAX_VCPUS, 30000);
}

/* ---- turns: each waits for the other ----------------------------------- */

static volatile u64 turn;

static void guest_turns(u64 id)
{
	for (u64 i = 0; i < rounds; i++) {
		while ((turn & 1) != id)
			asm volatile("pause");
		own[id][0] += turn;
		turn++;
	}
}

SUBTEST(vcpus_take_turns)
{
	struct cpu_thread c[2];
	struct vm *vm;
	u64 n;

	/* With one CPU a turn lasts until the scheduler's next tick. */
	n = nr_cpus() > 1 ? 20000 : 40;
	rounds = n;
	vm = vm_create();
	for (int i = 0; i < 2; i++)
		vcpu_long_mode(vcpu_create(vm, i), guest_turns, i);
	for (int i = 0; i < 2; i++)
		start(&c[i], vm->vcpus[i], i % nr_cpus());
	for (int i = 0; i < 2; i++)
		thread_join(&c[i].t);
	CHECK_EQ(guest_var(vm, turn), 2 * n);
	CHECK_EQ(guest_var(vm, own)[0][0], n * (n - 1));
	CHECK_EQ(guest_var(vm, own)[1][0], n * n);
}

/* ---- own state --------------------------------------------------------- */

static inline void wrmsr(u32 msr, u64 v)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)));
}

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}

static const u32 own_msrs[] = {
	0x174, 0x175, 0x176,				/* SYSENTER */
	0xc0000081, 0xc0000082, 0xc0000084,		/* STAR LSTAR FMASK */
	0xc0000100, 0xc0000102,				/* FS, kernel GS base */
};

/* All 15 registers but RSP hold @id's pattern over a while of the guest's time. */
static u64 registers_hold(u64 id)
{
	u64 wrong;

	asm volatile("push %%rbp\n	push %%rbx\n	mov %1, %%rax\n"
		     "lea 1(%%rax), %%rbx\n	lea 2(%%rax), %%rdx\n"
		     "lea 3(%%rax), %%rsi\n	lea 4(%%rax), %%rdi\n"
		     "lea 5(%%rax), %%rbp\n	lea 6(%%rax), %%r8\n"
		     "lea 7(%%rax), %%r9\n	lea 8(%%rax), %%r10\n"
		     "lea 9(%%rax), %%r11\n	lea 10(%%rax), %%r12\n"
		     "lea 11(%%rax), %%r13\n	lea 12(%%rax), %%r14\n"
		     "lea 13(%%rax), %%r15\n"
		     "mov $200, %%ecx\n"
		     "1: pause\n	dec %%ecx\n	jnz 1b\n"
		     "mov %%rax, %%rcx\n"
		     "sub %%rax, %%rbx\n	sub %%rax, %%rdx\n	sub %%rax, %%rsi\n"
		     "sub %%rax, %%rdi\n	sub %%rax, %%rbp\n	sub %%rax, %%r8\n"
		     "sub %%rax, %%r9\n	sub %%rax, %%r10\n	sub %%rax, %%r11\n"
		     "sub %%rax, %%r12\n	sub %%rax, %%r13\n	sub %%rax, %%r14\n"
		     "sub %%rax, %%r15\n"
		     /* The differences are 1 to 13; their squares tell them apart. */
		     "imul %%rbx, %%rbx\n	imul %%rdx, %%rdx\n	imul %%rsi, %%rsi\n"
		     "imul %%rdi, %%rdi\n	imul %%rbp, %%rbp\n	imul %%r8, %%r8\n"
		     "imul %%r9, %%r9\n	imul %%r10, %%r10\n	imul %%r11, %%r11\n"
		     "imul %%r12, %%r12\n	imul %%r13, %%r13\n	imul %%r14, %%r14\n"
		     "imul %%r15, %%r15\n"
		     "lea -819(%%rbx,%%rdx), %%rax\n"
		     "add %%rsi, %%rax\n	add %%rdi, %%rax\n	add %%rbp, %%rax\n"
		     "add %%r8, %%rax\n	add %%r9, %%rax\n	add %%r10, %%rax\n"
		     "add %%r11, %%rax\n	add %%r12, %%rax\n	add %%r13, %%rax\n"
		     "add %%r14, %%rax\n	add %%r15, %%rax\n"
		     "pop %%rbx\n	pop %%rbp\n"
		     : "=a"(wrong) : "r"(id)
		     : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
		       "r13", "r14", "r15", "memory", "cc");
	return wrong;
}

static void guest_own_state(u64 id)
{
	u64 base = (id + 1) << 20 | vm_id << 32, cr2;

	for (u64 i = 0; i < ARRAY_SIZE(own_msrs); i++)
		wrmsr(own_msrs[i], (base + i) & 0x7fffffff);
	for (u64 n = 0; n < rounds; n++) {
		asm volatile("mov %0, %%cr2" : : "r"(base + n));
		own[id][1] = base + n;
		GUEST_ASSERT_EQ(registers_hold(base * 77), 0);
		asm volatile("mov %%cr2, %0" : "=r"(cr2));
		GUEST_ASSERT_EQ(cr2, base + n);
		GUEST_ASSERT_EQ(own[id][1], base + n);
		for (u64 i = 0; i < ARRAY_SIZE(own_msrs); i++)
			GUEST_ASSERT_EQ(rdmsr(own_msrs[i]), (base + i) & 0x7fffffff);
		asm volatile("lock addq $1, %0" : "+m"(total));
		if (!(n & 63))
			GUEST_SYNC(2);
	}
}

SUBTEST(class37_two_vcpus_moved_about)
{
	struct cpu_thread c[2];
	struct vm *vm;
	u64 n, moves;

	n = 40000;
	rounds = n;
	vm = vm_create();
	for (int i = 0; i < 2; i++)
		vcpu_long_mode(vcpu_create(vm, i), guest_own_state, i);
	for (int i = 0; i < 2; i++)
		start(&c[i], vm->vcpus[i], i % nr_cpus());
	moves = move_until_done(c, 2);
	test_diag("%llu moves of both threads", (unsigned long long)moves);
	CHECK_EQ(guest_var(vm, total), 2 * n);
	CHECK(moves > 100);
}

SUBTEST(class37_many_vcpus_of_two_machines_moved_about)
{
	struct cpu_thread c[MAX_VCPUS];
	struct vm *vm[2];
	u64 n, moves;

	n = 6000;
	rounds = n;
	for (int i = 0; i < 2; i++) {
		vm_id = i + 1;
		vm[i] = vm_create();
	}
	for (int i = 0; i < MAX_VCPUS; i++)
		vcpu_long_mode(vcpu_create(vm[i & 1], i / 2), guest_own_state, i / 2);
	for (int i = 0; i < MAX_VCPUS; i++)
		start(&c[i], vm[i & 1]->vcpus[i / 2], -1);
	moves = move_until_done(c, MAX_VCPUS);
	test_diag("%llu moves of all threads", (unsigned long long)moves);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(guest_var(vm[i], total), MAX_VCPUS / 2 * n);
}

/* ---- one thread, many machines: nothing of one is seen in the other ----- */

#define MACHINES	12
#define OTHER_GVA	(TEST_GVA + (1ull << 39))	/* in a PML4 entry of its own */

static void guest_reads_id(u64 id)
{
	for (;;) {
		for (int i = 0; i < 20; i++)
			GUEST_ASSERT_EQ(*(volatile u64 *)&vm_id, id);
		own[0][0]++;
		GUEST_SYNC_VALUE(3, *(volatile u64 *)&vm_id);
	}
}

SUBTEST(class17_machines_share_no_translation)
{
	struct vcpu *vcpu[MACHINES];

	for (u64 i = 0; i < MACHINES; i++) {
		vm_id = 0x1000 + i;
		vcpu[i] = vcpu_create(vm_create(), 0);
		vcpu_long_mode(vcpu[i], guest_reads_id, vm_id);
	}
	for (int round = 0; round < 40; round++) {
		pin_to_cpu(round / 3 % nr_cpus());
		for (u64 i = 0; i < MACHINES; i++) {
			test_doing("machine %llu, round %d", (unsigned long long)i, round);
			CHECK_EQ(vcpu_expect_sync(vcpu[i], 3), 0x1000 + i);
		}
	}
	for (u64 i = 0; i < MACHINES; i++)
		CHECK_EQ(guest_var(vcpu[i]->vm, own)[0][0], 40);
}

/* Each vCPU of one machine has page tables of its own for the same address. */
static void guest_reads_mapping(u64 want)
{
	for (;;) {
		GUEST_ASSERT_EQ(*(volatile u64 *)OTHER_GVA, want);
		GUEST_SYNC(4);
	}
}

SUBTEST(class17_vcpus_share_no_translation)
{
	struct vm *vm = vm_create();
	u64 first_pml4 = vm->pml4;
	struct kvm_sregs s;

	vm_add_mem(vm, 1, TEST_GPA, MAX_VCPUS * PAGE_SIZE, MEM_ANON);
	for (int i = 0; i < MAX_VCPUS; i++) {
		struct vcpu *vcpu = vcpu_create(vm, i);

		vm->pml4 = vm_alloc_page(vm);
		memcpy(vm_ptr(vm, vm->pml4), vm_ptr(vm, first_pml4), 8);
		vm_map(vm, OTHER_GVA, TEST_GPA + i * PAGE_SIZE, PAGE_SIZE, PTE_P | PTE_W);
		*(u64 *)vm_ptr(vm, TEST_GPA + i * PAGE_SIZE) = 0xab00 + i;
		vcpu_long_mode(vcpu, guest_reads_mapping, 0xab00 + i);
		get_sregs(vcpu, &s);
		CHECK_EQ(s.cr3, vm->pml4);
	}
	for (int round = 0; round < 60; round++) {
		pin_to_cpu(round / 7 % nr_cpus());
		for (int i = 0; i < MAX_VCPUS; i++)
			vcpu_expect_sync(vm->vcpus[i], 4);
	}
}

/* ---- one vCPU to and fro between two CPUs ------------------------------- */

static void guest_count_outs(u64 arg)
{
	for (;;)
		GUEST_SYNC_VALUE(5, total++);
}

SUBTEST(vcpu_changes_cpu_at_every_run)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	if (nr_cpus() < 2)
		SKIP("one CPU");
	vcpu_long_mode(vcpu, guest_count_outs, 0);
	for (u64 i = 0; i < 1500; i++) {
		pin_to_cpu(i & 1);
		CHECK_EQ(vcpu_expect_sync(vcpu, 5), i);
	}
}

/* Its state is read on another CPU than the one it last ran on. */
SUBTEST(state_is_read_on_another_cpu)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs a, b;
	struct kvm_sregs s, t;

	if (nr_cpus() < 2)
		SKIP("one CPU");
	vcpu_long_mode(vcpu, guest_count_outs, 0);
	for (u64 i = 0; i < 200; i++) {
		pin_to_cpu(i & 1);
		CHECK_EQ(vcpu_expect_sync(vcpu, 5), i);
		get_regs(vcpu, &a);
		get_sregs(vcpu, &s);
		pin_to_cpu(~i & 1);
		get_regs(vcpu, &b);
		get_sregs(vcpu, &t);
		CHECK_EQ(memcmp(&a, &b, sizeof(a)), 0);
		CHECK_EQ(memcmp(&s, &t, sizeof(s)), 0);
		set_sregs(vcpu, &t);
		set_regs(vcpu, &b);
	}
}
