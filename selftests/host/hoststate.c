// SPDX-License-Identifier: GPL-2.0
/*
 * hoststate - what user space sees of the CPU is the same before and after
 * KVM_RUN, whatever the guest did to it, and the guest's own state is there
 * again when it goes on: after exits, signals, moves to another CPU, and other
 * threads that use the same registers (bug class 24).
 */
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#undef PAGE_SIZE

#include "selftest.h"

#define XSAVE_SIZE	8192
#define FIRST_EXTENDED	2
#define PKRU_COMPONENT	9
#define HOST_FLAGS	0x240cd7	/* CF PF AF ZF SF DF OF AC ID */

/* ---- the extended state, in host and guest ---------------------------- */

struct xlayout {
	u64 mask;			/* XCR0 */
	u32 offset[16], size[16];
};

struct xarea {
	u8 b[XSAVE_SIZE];
} __attribute__((aligned(64)));

static inline u64 xgetbv(void)
{
	u32 lo, hi;

	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (u64)hi << 32 | lo;
}

static inline void xsetbv(u64 v)
{
	asm volatile("xsetbv" : : "c"(0), "a"((u32)v), "d"((u32)(v >> 32)));
}

static inline void cpuid_count(u32 leaf, u32 index, u32 *r)
{
	asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
		     : "a"(leaf), "c"(index));
}

static void xlayout_init(struct xlayout *x, u64 mask)
{
	u32 r[4];

	x->mask = mask;
	for (int i = FIRST_EXTENDED; i < 16; i++) {
		if (!(mask & BIT(i)))
			continue;
		cpuid_count(0xd, i, r);
		x->size[i] = r[0];
		x->offset[i] = r[1];
		CHECK(x->offset[i] + x->size[i] <= XSAVE_SIZE);
	}
}

static u64 next_random(u64 *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 24;
}

static void fill(u8 *p, u32 n, u64 *state)
{
	for (u32 i = 0; i < n; i += 2) {
		u64 v = next_random(state);

		p[i] = v;
		p[i + 1] = v >> 8;
	}
}

/* A random state that XRSTOR takes: SDM volume 1, sections 10.5 and 13.4. */
static void xarea_fill(struct xarea *a, const struct xlayout *x, u64 *state)
{
	for (u32 i = 0; i < sizeof(a->b); i++)
		a->b[i] = 0;
	*(u16 *)a->b = 0x37f ^ (next_random(state) & 0xc00);	/* FCW: rounding */
	a->b[4] = 0xff;						/* no empty register */
	*(u32 *)(a->b + 24) = 0x1f80 | (next_random(state) & 0xe040);	/* MXCSR */
	for (int i = 0; i < 8; i++)
		fill(a->b + 32 + 16 * i, 10, state);
	fill(a->b + 160, 256, state);
	*(u64 *)(a->b + 512) = x->mask;
	for (int i = FIRST_EXTENDED; i < 16; i++)
		if (i != PKRU_COMPONENT)
			fill(a->b + x->offset[i], x->size[i], state);
	if (x->size[PKRU_COMPONENT])		/* key 0 is this program's memory */
		*(u32 *)(a->b + x->offset[PKRU_COMPONENT]) = next_random(state) & ~3u;
}

static int bytes_differ(const struct xarea *a, const struct xarea *b, u32 from, u32 n)
{
	for (u32 i = from; i < from + n; i++)
		if (a->b[i] != b->b[i])
			return i;
	return 0;
}

/* The offset of the first byte that is not the same, or 0. */
static int xarea_differ(const struct xarea *a, const struct xarea *b,
			const struct xlayout *x)
{
	int at = bytes_differ(a, b, 1, 4);

	if (!at)
		at = bytes_differ(a, b, 24, 4);
	for (int i = 0; !at && i < 8; i++)
		at = bytes_differ(a, b, 32 + 16 * i, 10);
	if (!at)
		at = bytes_differ(a, b, 160, 256);
	for (int i = FIRST_EXTENDED; !at && i < 16; i++)
		at = bytes_differ(a, b, x->offset[i], x->size[i]);
	return at;
}

static inline void xrstor(const struct xarea *a, u64 mask)
{
	asm volatile("xrstor64 (%0)" : : "r"(a), "a"((u32)mask), "d"((u32)(mask >> 32))
		     : "memory");
}

static inline void xsave(struct xarea *a, u64 mask)
{
	asm volatile("xsave64 (%0)" : : "r"(a), "a"((u32)mask), "d"((u32)(mask >> 32))
		     : "memory");
}

/* ---- the probe: known registers around one system call ----------------- */

enum { PROBE_REGS = 12 };

struct probe {
	u64 fd, cmd, mask;
	struct xarea *load, *back;
	u64 flags_out, ret;
	u64 in[PROBE_REGS], out[PROBE_REGS];	/* rbx rbp r8-r10 r12-r15 rdi rsi rdx */
	struct xlayout *layout;
	u64 random;
};

void probe_call(struct probe *p);

/* Field offsets of struct probe are checked below. */
asm(".pushsection .text\n"
    "probe_call:\n"
    "	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n"
    "	push %r14\n	push %r15\n	push %rdi\n"
    "	mov 16(%rdi), %eax\n	mov 20(%rdi), %edx\n	mov 24(%rdi), %rcx\n"
    "	xrstor64 (%rcx)\n"
    "	mov 56(%rdi), %rbx\n	mov 64(%rdi), %rbp\n	mov 72(%rdi), %r8\n"
    "	mov 80(%rdi), %r9\n	mov 88(%rdi), %r10\n	mov 96(%rdi), %r12\n"
    "	mov 104(%rdi), %r13\n	mov 112(%rdi), %r14\n	mov 120(%rdi), %r15\n"
    "	mov 136(%rdi), %rsi\n	mov 144(%rdi), %rdx\n	mov 128(%rdi), %rdi\n"
    "	pushq $0x240cd7\n	popfq\n"
    "	mov $16, %eax\n"			/* ioctl */
    "	syscall\n"
    "	pushfq\n	popq %r11\n	pushq $2\n	popfq\n"
    "	mov (%rsp), %rcx\n"
    "	mov %r11, 40(%rcx)\n	mov %rax, 48(%rcx)\n"
    "	mov %rbx, 152(%rcx)\n	mov %rbp, 160(%rcx)\n	mov %r8, 168(%rcx)\n"
    "	mov %r9, 176(%rcx)\n	mov %r10, 184(%rcx)\n	mov %r12, 192(%rcx)\n"
    "	mov %r13, 200(%rcx)\n	mov %r14, 208(%rcx)\n	mov %r15, 216(%rcx)\n"
    "	mov %rdi, 224(%rcx)\n	mov %rsi, 232(%rcx)\n	mov %rdx, 240(%rcx)\n"
    "	mov 16(%rcx), %eax\n	mov 20(%rcx), %edx\n	mov 32(%rcx), %rcx\n"
    "	xsave64 (%rcx)\n"
    "	pop %rdi\n	pop %r15\n	pop %r14\n	pop %r13\n"
    "	pop %r12\n	pop %rbp\n	pop %rbx\n"
    "	ret\n"
    ".popsection\n");

_Static_assert(offsetof(struct probe, mask) == 16 && offsetof(struct probe, load) == 24 &&
	       offsetof(struct probe, flags_out) == 40 && offsetof(struct probe, in) == 56 &&
	       offsetof(struct probe, out) == 152, "probe_call() knows these");

static void probe_init(struct probe *p, struct xlayout *x, int fd, u64 seed)
{
	*p = (struct probe){ .fd = fd, .cmd = KVM_RUN, .mask = x->mask, .layout = x,
			     .random = seed };
	p->load = aligned_alloc(64, sizeof(*p->load));
	p->back = aligned_alloc(64, sizeof(*p->back));
	CHECK(p->load && p->back);
}

/* One call between two looks at all registers; returns what it returned. */
static int probe(struct probe *p)
{
	int at;

	xarea_fill(p->load, p->layout, &p->random);
	memset(p->back, 0, sizeof(*p->back));
	for (int i = 0; i < PROBE_REGS; i++)
		p->in[i] = next_random(&p->random) << 32 ^ next_random(&p->random);
	p->in[9] = p->fd;
	p->in[10] = p->cmd;
	p->in[11] = 0;
	probe_call(p);
	CHECK_EQ(p->flags_out & HOST_FLAGS, HOST_FLAGS);
	for (int i = 0; i < PROBE_REGS; i++) {
		test_doing("register %d", i);
		CHECK_EQ(p->out[i], p->in[i]);
	}
	test_doing("extended state");
	at = xarea_differ(p->load, p->back, p->layout);
	if (at)
		FAIL("XSAVE area, byte %#x: was %#x, is %#x", at, p->load->b[at],
		     p->back->b[at]);
	test_doing("%s", "");
	return p->ret;
}

/* ---- the guest -------------------------------------------------------- */

static struct xlayout guest_x, host_x;
static struct xarea guest_load, guest_back;
static u64 guest_rounds;
static bool guest_pkru, guest_rdtscp;
static volatile u64 progress;

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

#define READ_REG(name)	({ u64 v__; asm volatile("mov %%" name ", %0" : "=r"(v__)); v__; })
#define WRITE_REG(name, v) asm volatile("mov %0, %%" name : : "r"((u64)(v)))

enum {
	MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,
	MSR_PAT = 0x277, MSR_XSS = 0xda0, MSR_EFER = 0xc0000080, MSR_STAR, MSR_LSTAR,
	MSR_CSTAR, MSR_FMASK, MSR_FS_BASE = 0xc0000100, MSR_GS_BASE,
	MSR_KERNEL_GS_BASE, MSR_TSC_AUX,
};

/* Bits that each may have: an address is canonical, the others are reserved. */
static const struct { u32 msr; u64 bits; } guest_msrs[] = {
	{ MSR_SYSENTER_CS, 0xffff }, { MSR_SYSENTER_ESP, 0x7fffffffffff },
	{ MSR_SYSENTER_EIP, 0x7fffffffffff }, { MSR_STAR, ~0ull },
	{ MSR_LSTAR, 0x7fffffffffff }, { MSR_CSTAR, 0x7fffffffffff },
	{ MSR_FMASK, 0xffffffff }, { MSR_FS_BASE, 0x7fffffffffff },
	{ MSR_KERNEL_GS_BASE, 0x7fffffffffff }, { MSR_TSC_AUX, 0xffffffff },
	{ MSR_PAT, 0x0101010101010101 },
};

static void guest_set_msrs(u64 *values, u64 *random)
{
	for (u64 i = 0; i < ARRAY_SIZE(guest_msrs); i++) {
		values[i] = (next_random(random) ^ next_random(random) << 32) &
			    guest_msrs[i].bits;
		if (guest_msrs[i].msr != MSR_TSC_AUX || guest_rdtscp)
			wrmsr(guest_msrs[i].msr, values[i]);
	}
}

static void guest_check_msrs(const u64 *values)
{
	for (u64 i = 0; i < ARRAY_SIZE(guest_msrs); i++)
		if (guest_msrs[i].msr != MSR_TSC_AUX || guest_rdtscp)
			GUEST_ASSERT_EQ(rdmsr(guest_msrs[i].msr), values[i]);
}

static void guest_set_debug(u64 base)
{
	WRITE_REG("dr0", base);
	WRITE_REG("dr1", base + 8);
	WRITE_REG("dr2", base + 16);
	WRITE_REG("dr3", base + 24);
	WRITE_REG("dr7", 0x111104aa);		/* all four, writes of one byte */
}

static void guest_check_debug(u64 base)
{
	GUEST_ASSERT_EQ(READ_REG("dr0"), base);
	GUEST_ASSERT_EQ(READ_REG("dr1"), base + 8);
	GUEST_ASSERT_EQ(READ_REG("dr2"), base + 16);
	GUEST_ASSERT_EQ(READ_REG("dr3"), base + 24);
	GUEST_ASSERT_EQ(READ_REG("dr7"), 0x111104aa);
	GUEST_ASSERT_EQ(READ_REG("dr6"), 0xffff0ff0);
}

/* An exit to user space and one that the module serves, with flags set. */
static void guest_exits(u64 round)
{
	u32 eax = 0, ebx, ecx = 0, edx;
	u64 flags;

	asm volatile("pushq %1\n	popfq\n"
		     "outb %%al, %2\n"
		     "pushfq\n	popq %0\n	pushq $2\n	popfq"
		     : "=r"(flags) : "i"(HOST_FLAGS), "i"(SYNC_PORT) : "memory", "cc");
	GUEST_ASSERT_EQ(flags, HOST_FLAGS);
	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
}

static void guest_round(u64 round, u64 *random)
{
	u64 msrs[ARRAY_SIZE(guest_msrs)], cr0 = READ_REG("cr0");
	u64 xcr0 = round & 1 ? guest_x.mask : 3, cr2 = next_random(random);

	xarea_fill(&guest_load, &guest_x, random);
	xrstor(&guest_load, guest_x.mask);
	guest_set_msrs(msrs, random);
	guest_set_debug(0x500 + 64 * (round & 15));
	WRITE_REG("cr2", cr2);
	xsetbv(xcr0);
	if (round & 2)
		WRITE_REG("cr0", cr0 | X86_CR0_TS);
	guest_exits(round);
	GUEST_ASSERT_EQ(READ_REG("cr0"), round & 2 ? cr0 | X86_CR0_TS : cr0);
	WRITE_REG("cr0", cr0);
	GUEST_ASSERT_EQ(xgetbv(), xcr0);
	xsetbv(guest_x.mask);
	GUEST_ASSERT_EQ(READ_REG("cr2"), cr2);
	GUEST_ASSERT_EQ(READ_REG("cr8"), 9);
	guest_check_debug(0x500 + 64 * (round & 15));
	guest_check_msrs(msrs);
	xsave(&guest_back, guest_x.mask);
	GUEST_ASSERT_EQ(xarea_differ(&guest_load, &guest_back, &guest_x), 0);
}

static void guest_state(u64 random)
{
	u64 cr4 = READ_REG("cr4") | X86_CR4_OSXSAVE;

	WRITE_REG("cr4", guest_pkru ? cr4 | X86_CR4_PKE : cr4);
	xsetbv(guest_x.mask);
	WRITE_REG("cr8", 9);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 1);		/* SYSCALL */
	for (u64 i = 0; i < guest_rounds; i++) {
		guest_round(i, &random);
		progress++;
	}
}

static struct kvm_cpuid_entry2 *cpuid_entry(struct vm *vm, u32 leaf, u32 index)
{
	for (u32 i = 0; i < vm->cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &vm->cpuid->entries[i];

		if (e->function == leaf && e->index == index)
			return e;
	}
	return NULL;
}

/* A machine with guest_state() in it, of as much state as the device offers. */
static struct vcpu *start_guest(u64 rounds)
{
	struct kvm_cpuid_entry2 *e;
	struct vcpu *vcpu;
	struct vm *vm;
	u32 r[4];

	cpuid_count(1, 0, r);
	if (!(r[2] & BIT(27)))
		SKIP("no XSAVE on this host");
	xlayout_init(&host_x, xgetbv());
	guest_rounds = rounds;
	vm = vm_create();
	vcpu = vcpu_create(vm, 0);
	e = cpuid_entry(vm, 0xd, 0);
	if (!e)
		SKIP("the device offers no XSAVE");
	xlayout_init(&guest_var(vm, guest_x), (e->eax | (u64)e->edx << 32) & host_x.mask);
	e = cpuid_entry(vm, 7, 0);
	guest_var(vm, guest_pkru) = e && (e->ecx & BIT(3)) &&
				    (guest_var(vm, guest_x).mask & BIT(PKRU_COMPONENT));
	if (!guest_var(vm, guest_pkru))
		guest_var(vm, guest_x).mask &= ~BIT(PKRU_COMPONENT);
	e = cpuid_entry(vm, 0x80000001, 0);
	guest_var(vm, guest_rdtscp) = e && (e->edx & BIT(27));
	vcpu_long_mode(vcpu, guest_state, test_rand());
	return vcpu;
}

/* Runs the guest to its end; every KVM_RUN is probed. Returns their number. */
static u64 run_probed(struct vcpu *vcpu)
{
	struct probe p;
	struct ucall uc;
	u64 runs = 0;
	int ret;

	probe_init(&p, &host_x, vcpu->fd, test_rand());
	do {
		ret = probe(&p);
		runs++;
		if (ret != -EINTR)
			CHECK_EQ(ret, 0);
	} while (ret || get_ucall(vcpu, &uc) != UCALL_DONE);
	CHECK_EQ(guest_var(vcpu->vm, progress), guest_var(vcpu->vm, guest_rounds));
	return runs;
}

/* ---- all registers, under rising trouble ------------------------------- */

SUBTEST(class24_registers)
{
	struct vcpu *vcpu = start_guest(300);

	test_diag("XCR0 of the host %#llx, of the guest %#llx",
		  (unsigned long long)host_x.mask,
		  (unsigned long long)guest_var(vcpu->vm, guest_x).mask);
	run_probed(vcpu);
}

static volatile int alarms;

static void on_alarm(int sig)
{
	alarms++;
}

/* A signal's frame is where the kernel keeps the registers: all must be there. */
SUBTEST(class24_registers_with_signals)
{
	struct itimerval timer = { { 0, 900 }, { 0, 900 } };
	struct sigaction sa = { .sa_handler = on_alarm };
	struct vcpu *vcpu = start_guest(200);

	sigaction(SIGALRM, &sa, NULL);
	CHECK_EQ(setitimer(ITIMER_REAL, &timer, NULL), 0);
	run_probed(vcpu);
	test_diag("%d signals", alarms);
	CHECK(alarms > 0);
}

struct helper {
	struct thread t;
	pid_t tid;			/* of the thread to be moved */
	bool stop;
	u64 rounds;
};

/* Uses all registers too, with a call that has nothing to do with the VM. */
static void *bystander(void *arg)
{
	struct helper *h = arg;
	struct probe p;

	probe_init(&p, &host_x, -1, 12345);
	while (!__atomic_load_n(&h->stop, __ATOMIC_ACQUIRE)) {
		CHECK_EQ(probe(&p), -EBADF);
		h->rounds++;
		sched_yield();
	}
	return NULL;
}

static void helper_stop(struct helper *h)
{
	__atomic_store_n(&h->stop, true, __ATOMIC_RELEASE);
	thread_join(&h->t);
	CHECK(h->rounds > 0);
}

SUBTEST(class24_registers_beside_another_thread)
{
	struct vcpu *vcpu = start_guest(200);
	struct helper h = { 0 };

	pin_to_cpu(0);
	thread_start(&h.t, 0, bystander, &h);
	run_probed(vcpu);
	helper_stop(&h);
}

static void *mover(void *arg)
{
	struct helper *h = arg;
	cpu_set_t set;

	while (!__atomic_load_n(&h->stop, __ATOMIC_ACQUIRE)) {
		CPU_ZERO(&set);
		CPU_SET(h->rounds++ & 1, &set);
		CHECK_EQ(sched_setaffinity(h->tid, sizeof(set), &set), 0);
		sched_yield();
	}
	return NULL;
}

SUBTEST(class24_registers_with_migration)
{
	struct vcpu *vcpu = start_guest(300);
	struct helper move = { .tid = gettid() }, by = { 0 };

	if (nr_cpus() < 2)
		SKIP("one CPU");
	thread_start(&move.t, -1, mover, &move);
	thread_start(&by.t, 0, bystander, &by);
	run_probed(vcpu);
	helper_stop(&move);
	helper_stop(&by);
	test_diag("%llu moves", (unsigned long long)move.rounds);
}

/* ---- what has no place in the probe ------------------------------------ */

/* Calls @check before, between and after KVM_RUNs of guest_state(). */
static void around_runs(struct vcpu *vcpu, void (*check)(void))
{
	struct ucall uc;

	do {
		check();
		vcpu_run(vcpu, KVM_EXIT_IO);
		check();
	} while (get_ucall(vcpu, &uc) != UCALL_DONE);
}

static u64 xcr0_before;
static u32 cpuid_before[4], cpuid7_before[4];

static void check_xcr0(void)
{
	u32 r[4];

	CHECK_EQ(xgetbv(), xcr0_before);
	cpuid_count(1, 0, r);
	r[1] = cpuid_before[1];			/* holds the APIC id */
	CHECK_EQ(memcmp(r, cpuid_before, sizeof(r)), 0);
	cpuid_count(7, 0, r);
	CHECK_EQ(memcmp(r, cpuid7_before, sizeof(r)), 0);
}

/* CPUID mirrors CR4's OSXSAVE and PKE. */
SUBTEST(class24_xcr0_and_cpuid)
{
	struct vcpu *vcpu = start_guest(50);

	pin_to_cpu(0);
	xcr0_before = xgetbv();
	cpuid_count(1, 0, cpuid_before);
	cpuid_count(7, 0, cpuid7_before);
	around_runs(vcpu, check_xcr0);
}

static struct system_regs {
	u64 cr0;
	u16 tr, ldt;
	struct { u16 limit; u64 base; } __attribute__((packed)) gdt, idt;
} system_before;

static sigjmp_buf fault_jmp;

static void on_fault(int sig)
{
	siglongjmp(fault_jmp, 1);
}

static void catch_segv(void)
{
	struct sigaction sa = { .sa_handler = on_fault };

	sigaction(SIGSEGV, &sa, NULL);
}

static void read_system_regs(struct system_regs *r)
{
	memset(r, 0, sizeof(*r));
	asm volatile("smsw %0" : "=r"(r->cr0));
	asm volatile("sgdt %0" : "=m"(r->gdt));
	asm volatile("sidt %0" : "=m"(r->idt));
	asm volatile("str %0" : "=m"(r->tr));
	asm volatile("sldt %0" : "=m"(r->ldt));
	r->idt.limit = 0;		/* VM exits set it to 0xffff, which is no harm */
}

static void check_system_regs(void)
{
	struct system_regs now;

	read_system_regs(&now);
	CHECK_EQ(now.cr0, system_before.cr0);
	CHECK_EQ(now.tr, system_before.tr);
	CHECK_EQ(now.ldt, system_before.ldt);
	CHECK_EQ(now.gdt.base, system_before.gdt.base);
	CHECK_EQ(now.gdt.limit, system_before.gdt.limit);
	CHECK_EQ(now.idt.base, system_before.idt.base);
}

SUBTEST(class24_cr0_and_table_registers)
{
	struct vcpu *vcpu = start_guest(50);

	pin_to_cpu(0);
	catch_segv();
	if (sigsetjmp(fault_jmp, 1))
		SKIP("UMIP hides the system registers from programs");
	read_system_regs(&system_before);
	signal(SIGSEGV, SIG_DFL);
	test_diag("CR0 %#llx, GDT limit %#x", (unsigned long long)system_before.cr0,
		  system_before.gdt.limit);
	around_runs(vcpu, check_system_regs);
}

/* ---- segments --------------------------------------------------------- */

#define LDT_SEL(n)	((n) << 3 | 7)
#define GS_BASE		0x12345000ul

static u16 sel_ds, sel_es, sel_fs, sel_gs;
static u64 fs_base, gs_base;

static void ldt_entry(int n, u32 base)
{
	struct user_desc d = { .entry_number = n, .base_addr = base, .limit = 0xfffff,
		.seg_32bit = 1, .limit_in_pages = 1, .useable = 1 };

	if (syscall(SYS_modify_ldt, 1, &d, sizeof(d)))
		SKIP("no modify_ldt: %s", strerror(errno));
}

static inline u64 rdfsbase(void)
{
	u64 v;

	asm volatile("rdfsbase %0" : "=r"(v));
	return v;
}

static inline u64 rdgsbase(void)
{
	u64 v;

	asm volatile("rdgsbase %0" : "=r"(v));
	return v;
}

#define READ_SEL(name)	({ u16 s__; asm volatile("mov %%" name ", %0" : "=r"(s__)); s__; })

static void check_segments(void)
{
	u64 fs = rdfsbase(), gs = rdgsbase();
	u16 f = READ_SEL("fs"), g = READ_SEL("gs");

	CHECK_EQ(READ_SEL("ds"), sel_ds);
	CHECK_EQ(READ_SEL("es"), sel_es);
	CHECK_EQ(f, sel_fs);
	CHECK_EQ(g, sel_gs);
	CHECK_EQ(fs, fs_base);
	CHECK_EQ(gs, gs_base);
	/* The LDT is still there: its entries can be loaded. */
	asm volatile("mov %0, %%es" : : "r"((u16)LDT_SEL(2)));
	asm volatile("mov %0, %%es" : : "r"(sel_es));
}

static void need_fsgsbase(void)
{
	if (!(getauxval(AT_HWCAP2) & 2))
		SKIP("programs may not use RDFSBASE here");
}

/* DS, ES and GS by LDT entries, GS with the entry's base. */
SUBTEST(class24_ldt_selectors)
{
	struct vcpu *vcpu = start_guest(50);

	need_fsgsbase();
	ldt_entry(0, 0);
	ldt_entry(1, GS_BASE);
	ldt_entry(2, 0);
	asm volatile("mov %0, %%ds\n	mov %0, %%es" : : "r"((u16)LDT_SEL(0)));
	asm volatile("mov %0, %%gs" : : "r"((u16)LDT_SEL(1)));
	sel_ds = LDT_SEL(0);
	sel_es = LDT_SEL(0);
	sel_gs = LDT_SEL(1);
	sel_fs = READ_SEL("fs");
	fs_base = rdfsbase();
	gs_base = GS_BASE;
	around_runs(vcpu, check_segments);
}

/* FS with the selector of an entry, whose base is this thread's own or not. */
static void fs_selector(u32 entry_base)
{
	struct vcpu *vcpu = start_guest(50);

	ldt_entry(1, entry_base);
	ldt_entry(2, 0);
	sel_fs = LDT_SEL(1);
	asm volatile("mov %0, %%fs\n	wrfsbase %1" : : "r"(sel_fs), "r"(fs_base));
	around_runs(vcpu, check_segments);
	asm volatile("mov %0, %%fs\n	wrfsbase %1" : : "r"(0), "r"(fs_base));
}

SUBTEST(class24_fs_selector)
{
	need_fsgsbase();
	fs_base = rdfsbase();
	if (fs_base >= SZ_4G)
		SKIP("this thread's data is above 4 GiB, where no LDT entry reaches");
	fs_selector(fs_base);
}

SUBTEST(class24_fs_base_that_is_not_its_selectors)
{
	need_fsgsbase();
	fs_base = rdfsbase();
	if (device_is_kvm())
		SKIP("KVM loads the base of the selector's entry");
	fs_selector(0);
}

SUBTEST(class24_gs_base)
{
	struct vcpu *vcpu = start_guest(50);

	need_fsgsbase();
	ldt_entry(2, 0);
	fs_base = rdfsbase();
	sel_gs = READ_SEL("gs");
	gs_base = 0x7abcdef01230ul;
	CHECK_EQ(syscall(SYS_arch_prctl, ARCH_SET_GS, gs_base), 0);
	around_runs(vcpu, check_segments);
}

/* ---- the I/O bitmap of the TSS, CR4.TSD, TSC_AUX ------------------------ */

static bool io_faults(u16 port)
{
	if (sigsetjmp(fault_jmp, 1))
		return true;
	asm volatile("inb %w0, %%al" : : "d"(port) : "rax");
	return false;
}

static void check_io(void)
{
	CHECK(!io_faults(0x80));
	CHECK(io_faults(0x81));
	CHECK(io_faults(0x70));
}

SUBTEST(class24_io_bitmap)
{
	struct vcpu *vcpu = start_guest(50);
	pid_t pid;

	pin_to_cpu(0);
	if (syscall(SYS_ioperm, 0x80, 1, 1))
		SKIP("no ioperm: %s", strerror(errno));
	catch_segv();
	around_runs(vcpu, check_io);
	pid = fork();
	if (!pid) {
		syscall(SYS_ioperm, 0x80, 1, 0);
		_exit(io_faults(0x80) ? EXIT_PASS : EXIT_FAIL);
	}
	child_join(pid);
	check_io();
}

static bool rdtsc_faults(void)
{
	if (sigsetjmp(fault_jmp, 1))
		return true;
	asm volatile("rdtsc" : : : "rax", "rdx");
	return false;
}

static void check_tsd(void)
{
	CHECK(rdtsc_faults());
	CHECK_EQ(prctl(PR_SET_TSC, PR_TSC_ENABLE), 0);
	CHECK(!rdtsc_faults());
	CHECK_EQ(prctl(PR_SET_TSC, PR_TSC_SIGSEGV), 0);
}

/* CR4.TSD is this thread's own choice, and changes between two KVM_RUNs. */
SUBTEST(class24_time_stamp_disable)
{
	struct vcpu *vcpu = start_guest(50);

	catch_segv();
	CHECK_EQ(prctl(PR_SET_TSC, PR_TSC_SIGSEGV), 0);
	around_runs(vcpu, check_tsd);
}

static void check_tsc_aux(void)
{
	unsigned int cpu, node, later;
	u32 aux, lo, hi;

	do {		/* as long as this thread is moved meanwhile */
		CHECK_EQ(syscall(SYS_getcpu, &cpu, &node, NULL), 0);
		asm volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux));
		CHECK_EQ(syscall(SYS_getcpu, &later, NULL, NULL), 0);
	} while (cpu != later);
	CHECK_EQ(aux & 0xfff, cpu);
	CHECK_EQ(aux >> 12, node);
}

SUBTEST(class24_tsc_aux)
{
	struct vcpu *vcpu = start_guest(50);
	struct helper move = { .tid = gettid() };
	u32 r[4];

	cpuid_count(0x80000001, 0, r);
	if (!(r[3] & BIT(27)))
		SKIP("no RDTSCP");
	if (nr_cpus() > 1)
		thread_start(&move.t, -1, mover, &move);
	around_runs(vcpu, check_tsc_aux);
	if (nr_cpus() > 1)
		helper_stop(&move);
}

/* ---- breakpoints of a debugger ----------------------------------------- */

static volatile u64 watched[4];
#define WATCH_ROUNDS	20

/* Runs under a debugger that watches these four words. */
static void debugged_child(void)
{
	struct vcpu *vcpu = start_guest(WATCH_ROUNDS);

	pin_to_cpu(0);
	CHECK_EQ(ptrace(PTRACE_TRACEME, 0, 0, 0), 0);
	raise(SIGSTOP);
	for (int i = 0; i < WATCH_ROUNDS; i++) {
		vcpu_run(vcpu, KVM_EXIT_IO);
		for (int j = 0; j < 4; j++)
			watched[j] = i;
	}
	vcpu_expect_done(vcpu);
	_exit(EXIT_PASS);
}

static void set_watch(pid_t pid, int n, u64 addr)
{
	CHECK_EQ(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[n]), addr), 0);
}

SUBTEST(class24_breakpoints_of_a_debugger)
{
	int status, hits[4] = { 0 };
	pid_t pid = fork();
	u64 dr6;

	if (!pid)
		debugged_child();
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));	/* skipped, or said why not */
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	for (int i = 0; i < 4; i++)
		set_watch(pid, i, (uintptr_t)&watched[i]);
	set_watch(pid, 7, 0xdddd0055);	/* all four, on a write, of four bytes */
	for (;;) {
		CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		if (!WIFSTOPPED(status))
			break;
		CHECK_EQ(WSTOPSIG(status), SIGTRAP);
		dr6 = ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[6]), 0);
		for (int i = 0; i < 4; i++)
			hits[i] += !!(dr6 & BIT(i));
		CHECK_EQ(ptrace(PTRACE_PEEKUSER, pid,
				offsetof(struct user, u_debugreg[1]), 0),
			 (uintptr_t)&watched[1]);
	}
	CHECK_EQ(status, 0);
	for (int i = 0; i < 4; i++) {
		test_doing("breakpoint %d", i);
		CHECK_EQ(hits[i], WATCH_ROUNDS);
	}
}

/* ---- MSRs -------------------------------------------------------------- */

static const struct { u32 msr; const char *name; } host_msrs[] = {
	{ 0x1a0, "MISC_ENABLE" }, { 0x1d9, "DEBUGCTL" }, { MSR_SYSENTER_CS, "SYSENTER_CS" },
	{ MSR_SYSENTER_ESP, "SYSENTER_ESP" }, { MSR_SYSENTER_EIP, "SYSENTER_EIP" },
	{ MSR_PAT, "PAT" }, { MSR_XSS, "XSS" }, { 0x48, "SPEC_CTRL" },
	{ MSR_EFER, "EFER" }, { MSR_STAR, "STAR" }, { MSR_LSTAR, "LSTAR" },
	{ MSR_CSTAR, "CSTAR" }, { MSR_FMASK, "FMASK" }, { MSR_TSC_AUX, "TSC_AUX" },
};

#define MSR_CPUS	8

static struct {
	int fd;
	bool there[ARRAY_SIZE(host_msrs)];
	u64 value[ARRAY_SIZE(host_msrs)];
} msr_cpu[MSR_CPUS];

/* The msr module is loaded if it lies beside kvm's. */
static void load_msr_module(void)
{
	const char *dir = getenv("KVM_KO_DIR");
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/msr.ko", dir ? dir : "");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	syscall(SYS_finit_module, fd, "", 0);
	close(fd);
}

static void read_msrs_before(void)
{
	char path[64];

	for (int cpu = 0; cpu < nr_cpus() && cpu < MSR_CPUS; cpu++) {
		snprintf(path, sizeof(path), "/dev/cpu/%d/msr", cpu);
		msr_cpu[cpu].fd = open(path, O_RDONLY | O_CLOEXEC);
		if (msr_cpu[cpu].fd < 0)
			SKIP("no %s: the msr module is not there", path);
		for (u64 i = 0; i < ARRAY_SIZE(host_msrs); i++)
			msr_cpu[cpu].there[i] =
				pread(msr_cpu[cpu].fd, &msr_cpu[cpu].value[i], 8,
				      host_msrs[i].msr) == 8;
	}
}

static void check_msrs(void)
{
	u64 now;

	for (int cpu = 0; cpu < nr_cpus() && cpu < MSR_CPUS; cpu++) {
		for (u64 i = 0; i < ARRAY_SIZE(host_msrs); i++) {
			if (!msr_cpu[cpu].there[i])
				continue;
			test_doing("MSR %s of CPU %d", host_msrs[i].name, cpu);
			CHECK_EQ(pread(msr_cpu[cpu].fd, &now, 8, host_msrs[i].msr), 8);
			CHECK_EQ(now, msr_cpu[cpu].value[i]);
		}
	}
}

SUBTEST(class24_msrs)
{
	struct vcpu *vcpu = start_guest(40);
	struct helper move = { .tid = gettid() };

	load_msr_module();
	read_msrs_before();
	if (nr_cpus() > 1)
		thread_start(&move.t, -1, mover, &move);
	around_runs(vcpu, check_msrs);
	if (nr_cpus() > 1)
		helper_stop(&move);
	vm_free(vcpu->vm);
	check_msrs();
	for (int cpu = 0; cpu < nr_cpus() && cpu < MSR_CPUS; cpu++)
		close(msr_cpu[cpu].fd);
	syscall(SYS_delete_module, "msr", O_NONBLOCK);	/* if it was ours to load */
}
