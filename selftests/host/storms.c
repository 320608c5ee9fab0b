// SPDX-License-Identifier: GPL-2.0
/*
 * storms - guests and hosts that give the CPU no rest: guests that halt, shut
 * down, single-step or fault for ever, memory that is taken away as fast as the
 * guest touches it, and NMIs on the host. Each guest must stop for a signal, die
 * with its process, and both soon. The loops that stay in the guest are in
 * loops.c.
 */
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include "selftest.h"

#define SOON_MS		1000		/* of the emulated clock */

static volatile u64 count;

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

struct runner {
	struct thread t;
	struct vcpu *vcpu;
	u32 want;			/* the exits it makes; KVM_EXIT_UNKNOWN: none */
	u64 exits;
};

static void *run_until_kicked(void *arg)
{
	struct runner *r = arg;
	int ret;

	while ((ret = vcpu_run_raw(r->vcpu)) == 0) {
		if (r->vcpu->run->exit_reason != r->want)
			FAIL("unexpected exit %s", exit_name(r->vcpu->run->exit_reason));
		__atomic_add_fetch(&r->exits, 1, __ATOMIC_RELEASE);
	}
	CHECK_EQ(ret, -EINTR);
	return NULL;
}

/* Returns when the storm blows: exits are counted, or the guest's own count. */
static void start(struct runner *r, struct vcpu *vcpu, u32 want)
{
	volatile u64 *counter;
	u64 old;

	*r = (struct runner){ .vcpu = vcpu, .want = want };
	counter = want == KVM_EXIT_UNKNOWN ? &guest_var(vcpu->vm, count) : &r->exits;
	thread_start(&r->t, -1, run_until_kicked, r);
	for (int i = 0; i < 3; i++) {
		old = *counter;
		while (*counter < old + 10)
			sched_yield();
	}
}

static void stopped_by_signal(struct vcpu *(*make)(struct vm *vm), u32 want)
{
	struct vcpu *vcpu = make(vm_create());
	struct runner r;
	long long t;

	for (int i = 0; i < 3; i++) {
		start(&r, vcpu, want);
		t = now_ms();
		thread_stop(&r.t);
		t = now_ms() - t;
		if (t > patience(SOON_MS))
			FAIL("a signal took %lld ms", t);
		vcpu->run->immediate_exit = 0;
	}
}

static void dies_with_its_process(struct vcpu *(*make)(struct vm *vm), u32 want)
{
	struct chan ready;
	long long t;
	int status;
	pid_t pid;

	chan_open(&ready);
	pid = fork();
	if (!pid) {
		struct runner r;

		start(&r, make(vm_create()), want);
		chan_put(&ready, 1);
		for (;;)
			pause();
	}
	close(ready.fd[1]);
	chan_wait(&ready, 1);
	t = now_ms();
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	t = now_ms() - t;
	CHECK_EQ(status, SIGKILL);
	if (t > patience(SOON_MS))
		FAIL("its death took %lld ms", t);
}

#define STORM(name, make, want)						\
	SUBTEST(name)							\
	{								\
		stopped_by_signal(make, want);				\
		dies_with_its_process(make, want);			\
	}

static struct vcpu *long_mode(struct vm *vm, void (*fn)(u64 arg), u64 arg)
{
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, fn, arg);
	return vcpu;
}

/* ---- guests ------------------------------------------------------------ */

static void guest_halt(u64 arg)
{
	for (;;)
		asm volatile("hlt");
}

static struct vcpu *make_halt(struct vm *vm)
{
	return long_mode(vm, guest_halt, 0);
}

STORM(halt_for_ever, make_halt, KVM_EXIT_HLT)

static void guest_triple_fault(u64 arg)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) idt = { 0, 0 };

	asm volatile("lidt %0\n	1: ud2\n	jmp 1b" : : "m"(idt));
}

static struct vcpu *make_triple_fault(struct vm *vm)
{
	return long_mode(vm, guest_triple_fault, 0);
}

/* A vCPU that shut down and is run again shuts down again. */
STORM(class25_triple_fault_for_ever, make_triple_fault, KVM_EXIT_SHUTDOWN)

static void guest_port(u64 arg)
{
	for (;;)
		outb(0x80, 1);
}

static struct vcpu *make_port(struct vm *vm)
{
	return long_mode(vm, guest_port, 0);
}

STORM(port_for_ever, make_port, KVM_EXIT_IO)

static void guest_mmio(u64 arg)
{
	for (;;)
		*(volatile u32 *)MMIO_GPA = 1;
}

static struct vcpu *make_mmio(struct vm *vm)
{
	return long_mode(vm, guest_mmio, 0);
}

STORM(mmio_for_ever, make_mmio, KVM_EXIT_MMIO)

static void guest_exits(u64 arg)
{
	u32 eax, ebx, ecx, edx;
	u64 cr;

	for (;;) {
		eax = 0;
		ecx = 0;
		asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
		ecx = 0x277;
		asm volatile("rdmsr\n	wrmsr" : "=a"(eax), "=d"(edx) : "c"(ecx));
		asm volatile("mov %%cr0, %0\n	mov %0, %%cr0" : "=r"(cr));
		asm volatile("mov %%cr4, %0\n	mov %0, %%cr4" : "=r"(cr));
		asm volatile("mov %%cr3, %0\n	mov %0, %%cr3" : "=r"(cr));
		asm volatile("wbinvd\n	invlpg (%0)" : : "r"(0) : "memory");
		count++;
	}
}

static struct vcpu *make_exits(struct vm *vm)
{
	return long_mode(vm, guest_exits, 0);
}

STORM(exits_of_all_kinds_for_ever, make_exits, KVM_EXIT_UNKNOWN)

/* An interrupt gate of the test's own; the lib's handler would end the test. */
extern const char storm_handler[];
asm(".pushsection .text\n"
    "storm_handler:\n"
    "	incq count\n"
    "	iretq\n"
    ".popsection\n");

static void set_gate(struct vm *vm, int vector)
{
	u64 *gate = (u64 *)vm_ptr(vm, vm->idt) + 2 * vector;
	u64 to = (uintptr_t)storm_handler;

	gate[0] = (to & 0xffff) | (u64)SEL_CODE64 << 16 | 0x8eull << 40 |
		  (to >> 16 & 0xffff) << 48;
	gate[1] = to >> 32;
}

static void guest_step(u64 arg)
{
	asm volatile("pushfq\n	orq $0x100, (%rsp)\n	popfq\n"
		     "1: jmp 1b");
}

static struct vcpu *make_step(struct vm *vm)
{
	set_gate(vm, DB);
	return long_mode(vm, guest_step, 0);
}

STORM(class25_single_step_for_ever, make_step, KVM_EXIT_UNKNOWN)

static void guest_int(u64 arg)
{
	for (;;)
		asm volatile("int $0x40\n	int3\n	int $1");
}

static struct vcpu *make_int(struct vm *vm)
{
	set_gate(vm, 0x40);
	set_gate(vm, BP);
	set_gate(vm, DB);
	return long_mode(vm, guest_int, 0);
}

STORM(class25_software_interrupts_for_ever, make_int, KVM_EXIT_UNKNOWN)

static void guest_step_over_exits(u64 arg)
{
	asm volatile("pushfq\n	orq $0x100, (%%rsp)\n	popfq\n"
		     "1: xor %%eax, %%eax\n	cpuid\n	jmp 1b"
		     : : : "rax", "rbx", "rcx", "rdx");
}

static struct vcpu *make_step_over_exits(struct vm *vm)
{
	set_gate(vm, DB);
	return long_mode(vm, guest_step_over_exits, 0);
}

STORM(class25_single_step_over_exits_for_ever, make_step_over_exits, KVM_EXIT_UNKNOWN)

/* ---- memory that comes and goes ----------------------------------------- */

#define STORM_PAGES	64

static void guest_touch(u64 arg)
{
	for (;;) {
		for (u64 i = 0; i < STORM_PAGES; i++)
			*(volatile u64 *)(TEST_GPA + i * PAGE_SIZE) += 1;
		count++;
	}
}

static struct vcpu *make_touch(struct vm *vm)
{
	vm_add_mem(vm, 1, TEST_GPA, STORM_PAGES * PAGE_SIZE, MEM_ANON);
	return long_mode(vm, guest_touch, 0);
}

struct taker {
	struct thread t;
	void *mem;
	bool stop;
	u64 rounds;
};

static void *take_away(void *arg)
{
	struct taker *k = arg;

	while (!__atomic_load_n(&k->stop, __ATOMIC_ACQUIRE)) {
		CHECK_EQ(madvise(k->mem, STORM_PAGES * PAGE_SIZE, MADV_DONTNEED), 0);
		k->rounds++;
		sched_yield();
	}
	return NULL;
}

SUBTEST(class17_memory_faults_for_ever)
{
	struct vcpu *vcpu = make_touch(vm_create());
	struct taker k = { .mem = vm_ptr(vcpu->vm, TEST_GPA) };
	struct runner r;
	long long t;

	thread_start(&k.t, nr_cpus() - 1, take_away, &k);
	for (int i = 0; i < 5; i++) {
		start(&r, vcpu, KVM_EXIT_UNKNOWN);
		t = now_ms();
		thread_stop(&r.t);
		t = now_ms() - t;
		if (t > patience(SOON_MS))
			FAIL("a signal took %lld ms", t);
		vcpu->run->immediate_exit = 0;
	}
	__atomic_store_n(&k.stop, true, __ATOMIC_RELEASE);
	thread_join(&k.t);
	CHECK(k.rounds > 10);
	test_diag("taken away %llu times", (unsigned long long)k.rounds);
}

/* ---- bug class 41: NMIs ------------------------------------------------- */

/* A counter of this CPU's cycles that overflows, by an NMI, every @period. */
static int open_cycles(u64 period)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_HARDWARE, .size = sizeof(a),
		.config = PERF_COUNT_HW_CPU_CYCLES, .sample_period = period,
		.sample_type = PERF_SAMPLE_IP,
	};

	return syscall(SYS_perf_event_open, &a, 0, -1, -1, 0);
}

SUBTEST(class41_nmis_while_in_the_guest)
{
	struct vcpu *vcpu = make_exits(vm_create());
	int fd = open_cycles(20000);
	u64 before, n = 0;
	struct runner r;

	if (fd < 0)
		SKIP("no cycle counter raises NMIs on this host: %s", strerror(errno));
	for (int i = 0; i < 5; i++) {
		before = guest_var(vcpu->vm, count);
		start(&r, vcpu, KVM_EXIT_UNKNOWN);
		thread_stop(&r.t);
		vcpu->run->immediate_exit = 0;
		CHECK(guest_var(vcpu->vm, count) > before);
	}
	CHECK_EQ(read(fd, &n, sizeof(n)), sizeof(n));
	test_diag("%llu cycles counted", (unsigned long long)n);
	CHECK(n > 0);
}

static void guest_count(u64 arg)
{
	for (;;)
		count++;
}

/* The NMIs that @cpu has taken, by the line of /proc/interrupts. */
static u64 nmis_of_cpu(int cpu)
{
	FILE *f = fopen("/proc/interrupts", "r");
	char line[1024], *at = NULL;
	u64 n = 0;

	CHECK(f);
	while (!at && fgets(line, sizeof(line), f))
		at = strstr(line, "NMI:");
	CHECK(at);
	at += strlen("NMI:");
	for (int i = 0; i <= cpu; i++)
		n = strtoull(at, &at, 10);
	fclose(f);
	return n;
}

/*
 * Where no counter raises NMIs, another CPU does, by asking for a backtrace. The
 * guest makes no exit of its own, so that they end its run.
 */
SUBTEST(class41_nmis_from_another_cpu)
{
	struct vm *vm = vm_create();
	struct runner r = { .vcpu = long_mode(vm, guest_count, 0), .want = KVM_EXIT_UNKNOWN };
	u64 before, nmis;

	if (nr_cpus() < 2)
		SKIP("one CPU");
	pin_to_cpu(0);
	thread_start(&r.t, 1, run_until_kicked, &r);
	while (!guest_var(vm, count))
		sched_yield();
	nmis = nmis_of_cpu(1);
	for (int i = 0; i < 10; i++) {
		before = guest_var(vm, count);
		if (!write_text("/proc/sysrq-trigger", "l"))
			SKIP("this kernel has no SysRq");
		/* it still runs, and without having been sent anywhere */
		while (guest_var(vm, count) == before)
			sched_yield();
	}
	nmis = nmis_of_cpu(1) - nmis;
	thread_stop(&r.t);
	test_diag("%llu NMIs", (unsigned long long)nmis);
	CHECK(nmis >= 10);
}
