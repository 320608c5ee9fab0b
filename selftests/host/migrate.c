// SPDX-License-Identifier: GPL-2.0
/*
 * migrate - a guest is stopped at random points, all its state is read, its machine
 * closed, a new one made and given that state, and the guest must not notice. It
 * keeps one number in every kind of register there is, looks at all of them before
 * each step, and computes the next number with what user space gives it; the host
 * computes the same. In real mode, in protected mode with and without paging, and
 * in long mode.
 */
#include <signal.h>
#include <sys/time.h>

#include "selftest.h"
#include "state.h"

#define BLOB		0x8000		/* code of real mode, as 0x800:0 */
#define DATA		0xa000u
#define FS_BASE		0x20000u
#define WINDOW		0x40000000u	/* what the guest maps to and fro */
#define PAGE_A		0x800000u	/* RAM that is nobody's: 8 MiB on */
#define PAGE_B		0xc00000u

enum {					/* ports */
	GIVE = 0x70, TELL, STRING_OUT, STRING_IN, FAILED
};

#define STRING		32		/* bytes of each string access */
#define SPIN		400		/* rounds without an exit */
#define FACTOR		0x9e3779b1u

/*
 * The code is one text for all modes. EBX is the number. Data, with DS of base 0:
 * a000 the number, a004 scratch, a008 the number before, a010 the last TSC, a020
 * what the CPU has (below), a024 where the entry of WINDOW is, a028 what changes
 * its page, a030 and a034 control words, a100 and a200 strings; fs:40 the number.
 */
enum { HAS_AVX = 1, HAS_AVX512 = 2 };

#define BAD_IF_NOT(code)	"mov $" #code ", %al\n jne 99f\n"
#define SAME(reg, code)		"cmp " reg ", %ebx\n" BAD_IF_NOT(code)

#define CHECK_COMMON							\
	"cmp %ebx, %fs:0x40\n"		BAD_IF_NOT(2)			\
	"fistl 0xa004\n mov 0xa004, %ecx\n"	SAME("%ecx", 3)		\
	"fxch\n fistl 0xa004\n fxch\n mov 0xa004, %ecx\n"		\
	"cmp %ecx, 0xa008\n"		BAD_IF_NOT(4)			\
	"movd %xmm0, %ecx\n"		SAME("%ecx", 5)			\
	"pshufd $0x4e, %xmm7, %xmm1\n movd %xmm1, %ecx\n" SAME("%ecx", 6) \
	"fnstcw 0xa004\n mov 0xa004, %cx\n"				\
	"cmp %cx, 0xa030\n"		BAD_IF_NOT(7)			\
	"stmxcsr 0xa004\n mov 0xa004, %ecx\n"				\
	"cmp %ecx, 0xa034\n"		BAD_IF_NOT(8)			\
	"mov $0x175, %ecx\n rdmsr\n cmp %eax, %ebx\n" BAD_IF_NOT(9)	\
	"mov $0xc0000102, %ecx\n rdmsr\n cmp %eax, %ebx\n" BAD_IF_NOT(10) \
	"mov $0x200, %ecx\n rdmsr\n mov %ebx, %ecx\n"			\
	"and $0xfffff000, %ecx\n cmp %eax, %ecx\n" BAD_IF_NOT(1)	\
	"rdtsc\n mov %eax, %esi\n mov %edx, %edi\n"			\
	"sub 0xa010, %esi\n sbb 0xa014, %edi\n"				\
	"mov %eax, 0xa010\n mov %edx, 0xa014\n"				\
	"mov $11, %al\n jc 99f\n"

/* Rounding modes come from the number too. */
#define STORE_COMMON							\
	"mov 0xa000, %eax\n mov %eax, 0xa008\n"				\
	"mov %ebx, 0xa000\n mov %ebx, %fs:0x40\n"			\
	"fxch\n fstp %st(0)\n fildl 0xa000\n"				\
	"movd %ebx, %xmm0\n pshufd $0, %xmm0, %xmm7\n"			\
	"mov %bx, %ax\n and $0x0c00, %ax\n or $0x037f, %ax\n"		\
	"mov %ax, 0xa030\n fldcw 0xa030\n"				\
	"mov %ebx, %eax\n and $0x6000, %eax\n or $0x1f80, %eax\n"	\
	"mov %eax, 0xa034\n ldmxcsr 0xa034\n"				\
	"mov %ebx, %eax\n xor %edx, %edx\n"				\
	"mov $0x175, %ecx\n wrmsr\n"					\
	"mov $0xc0000102, %ecx\n wrmsr\n"				\
	"and $0xfffff000, %eax\n mov $0x200, %ecx\n wrmsr\n"

/* @bx: RBX in 64-bit code, as these moves have no other size there. */
#define CHECK_DR(cx)							\
	"mov %dr1, %" #cx "\n"		SAME("%ecx", 12)		\
	"mov %dr7, %" #cx "\n cmp $0x50000400, %ecx\n" BAD_IF_NOT(13)
#define STORE_DR(bx)	"mov %" #bx ", %dr1\n"

#define CHECK_AVX							\
	"testb $1, 0xa020\n jz 3f\n"					\
	"vextractf128 $1, %ymm6, %xmm5\n vmovd %xmm5, %ecx\n" SAME("%ecx", 14) \
	"3: testb $2, 0xa020\n jz 3f\n"					\
	"vextracti32x4 $3, %zmm4, %xmm3\n vmovd %xmm3, %ecx\n" SAME("%ecx", 15) \
	"kmovw %k1, %ecx\n cmp %cx, %bx\n" BAD_IF_NOT(16)		\
	"3:\n"
#define STORE_AVX							\
	"testb $1, 0xa020\n jz 3f\n"					\
	"vmovd %ebx, %xmm6\n vpshufd $0, %xmm6, %xmm6\n"		\
	"vinsertf128 $1, %xmm6, %ymm6, %ymm6\n"				\
	"3: testb $2, 0xa020\n jz 3f\n"					\
	"vpbroadcastd %ebx, %zmm4\n kmovw %ebx, %k1\n"			\
	"3:\n"

/* The number is written by way of WINDOW, whose page changes at each step. */
#define CHECK_PAGING							\
	"cmp %ebx, 0x40000010\n"	BAD_IF_NOT(17)			\
	"mov 0xa024, %edi\n mov (%edi), %esi\n and $0xffc00000, %esi\n"	\
	"cmp %ebx, 0x10(%esi)\n"	BAD_IF_NOT(18)
#define STORE_PAGING(ax)						\
	"mov 0xa024, %edi\n mov 0xa028, %eax\n xor %eax, (%edi)\n"	\
	"mov %cr3, %" #ax "\n mov %" #ax ", %cr3\n"			\
	"mov %ebx, 0x40000010\n"

#define CHECK_64							\
	"mov %r8, %rcx\n shr $32, %rcx\n" SAME("%ecx", 19)		\
	"cmp %r8, %r15\n"		BAD_IF_NOT(20)			\
	"cmp %r11, %r12\n"		BAD_IF_NOT(21)			\
	"movd %xmm15, %ecx\n"		SAME("%ecx", 22)		\
	"mov $0xc0000082, %ecx\n rdmsr\n cmp %eax, %ebx\n" BAD_IF_NOT(23)
#define STORE_64							\
	"mov %rbx, %r8\n shl $32, %r8\n or %rbx, %r8\n"			\
	"mov %r8, %r9\n mov %r8, %r10\n mov %r8, %r11\n mov %r8, %r12\n" \
	"mov %r8, %r13\n mov %r8, %r14\n mov %r8, %r15\n"		\
	"movd %ebx, %xmm15\n"						\
	"mov %ebx, %eax\n xor %edx, %edx\n mov $0xc0000082, %ecx\n wrmsr\n"

#define INIT(ax)							\
	"cld\n mov $1, %ebx\n fninit\n fldz\n fldz\n"			\
	"mov $0x50000400, %" #ax "\n mov %" #ax ", %dr7\n"

/* One step: a number, rounds without an exit, strings out and in, the result. */
#define STEP(bx, cx)							\
	"in $0x70, %eax\n add %eax, %ebx\n"				\
	"mov $400, %ecx\n"						\
	"2: imul $0x9e3779b1, %ebx, %ebx\n rol $5, %ebx\n"		\
	"xor %ecx, %ebx\n dec %ecx\n jnz 2b\n"				\
	"mov $0xa100, %edi\n mov %ebx, %eax\n mov $8, %ecx\n rep stosl\n" \
	"mov $0xa100, %esi\n mov $32, %ecx\n mov $0x72, %dx\n rep outsb\n" \
	"mov $0xa200, %edi\n mov $32, %ecx\n mov $0x73, %dx\n rep insb\n" \
	"mov $0xa200, %esi\n mov $8, %ecx\n"				\
	"2: lodsl\n add %eax, %ebx\n rol $3, %ebx\n dec %ecx\n jnz 2b\n" \
	"push %" #bx "\n mov %ebx, %eax\n stc\n"			\
	"out %eax, $0x71\n"						\
	"mov $24, %al\n jnc 99f\n"					\
	"pop %" #cx "\n"		SAME("%ecx", 25)

/* What is checked is the number before the step, what is stored that after it. */
#define OLD_NUMBER	"mov %ebx, %ebp\n mov 0xa000, %ebx\n"
#define NEW_NUMBER	"mov %ebp, %ebx\n"

/* With a label 1 to begin at, where everything holds the number. */
#define LOOP(bx, cx, store, check)					\
	store "1:\n" STEP(bx, cx) OLD_NUMBER check NEW_NUMBER store	\
	"jmp 1b\n"

#define FAIL_END	"99: out %al, $0x74\n jmp 99b\n"

GUEST_ASM(real_code,
	  ".code16\n" INIT(eax)
	  LOOP(ebx, ecx, STORE_COMMON STORE_DR(ebx), CHECK_COMMON CHECK_DR(ecx))
	  FAIL_END);

GUEST_ASM(flat_code,
	  ".code32\n" INIT(eax)
	  LOOP(ebx, ecx, STORE_COMMON STORE_DR(ebx) STORE_AVX,
	       CHECK_COMMON CHECK_DR(ecx) CHECK_AVX)
	  FAIL_END);

GUEST_ASM(paging_code,
	  ".code32\n" INIT(eax)
	  LOOP(ebx, ecx, STORE_COMMON STORE_DR(ebx) STORE_AVX STORE_PAGING(eax),
	       CHECK_COMMON CHECK_DR(ecx) CHECK_AVX CHECK_PAGING)
	  FAIL_END);

GUEST_ASM(long_code,
	  INIT(rax)
	  LOOP(rbx, rcx,
	       STORE_COMMON STORE_DR(rbx) STORE_AVX STORE_PAGING(rax) STORE_64,
	       CHECK_COMMON CHECK_DR(rcx) CHECK_AVX CHECK_PAGING CHECK_64)
	  FAIL_END);

enum mode { REAL, FLAT, FLAT_32, FLAT_PAE, LONG };

/* The guest, and the same computation in the host. */
struct model {
	struct vm *vm;
	struct vcpu *vcpu;
	u32 number;
	u8 in[STRING];			/* bytes given to the guest */
	u32 nr_in, nr_out;
	u32 steps, exits, moves;
};

static u32 rol(u32 v, int n)
{
	return v << n | v >> (32 - n);
}

static void enable_vectors(struct vcpu *vcpu, enum mode mode)
{
	u8 *has = vm_ptr(vcpu->vm, DATA + 0x20);
	struct kvm_cpuid_entry2 *e = cpuid_leaf(vcpu->vm->cpuid, 0xd, 0);
	struct kvm_sregs s;

	get_sregs(vcpu, &s);
	s.fs.base = FS_BASE;
	s.cr4 |= X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	if (e && (e->eax & 4) && mode != REAL) {
		s.cr4 |= X86_CR4_OSXSAVE;
		*has = HAS_AVX | ((e->eax & 0xe0) == 0xe0 ? HAS_AVX512 : 0);
	}
	set_sregs(vcpu, &s);
	if (*has)
		CHECK_EQ(set_xcr0(vcpu, *has & HAS_AVX512 ? 0xe7 : 7), 0);
}

/* WINDOW is the first entry of a directory, or the 256th of the only one. */
static void make_window(struct vm *vm, enum mode mode)
{
	u64 *pdpt = vm_ptr(vm, vm->pae_pdpt);
	u64 entry = mode == FLAT_32 ? vm->pd32 + 4 * (WINDOW >> 22) :
		    pdpt[1] & PTE_ADDR;

	*(u32 *)vm_ptr(vm, entry) = PAGE_A | PTE_P | PTE_W | PTE_PS;
	*(u32 *)vm_ptr(vm, DATA + 0x24) = entry;
	*(u32 *)vm_ptr(vm, DATA + 0x28) = PAGE_A ^ PAGE_B;
}

static void model_create(struct model *m, enum mode mode)
{
	*m = (struct model){ .vm = vm_create(), .number = 1 };
	m->vcpu = vcpu_create(m->vm, 0);
	switch (mode) {
	case REAL:
		vm_load(m->vm, BLOB, real_code, real_code_end);
		vcpu_real_mode(m->vcpu, BLOB >> 4, 0);
		break;
	case FLAT:
		vcpu_protected_mode(m->vcpu, flat_code, 0, NO_PAGING);
		break;
	case FLAT_32:
		vcpu_protected_mode(m->vcpu, paging_code, 0, PAGING_32);
		break;
	case FLAT_PAE:
		vcpu_protected_mode(m->vcpu, paging_code, 0, PAGING_PAE);
		break;
	case LONG:
		vcpu_long_mode(m->vcpu, long_code, 0);
		break;
	}
	if (mode >= FLAT_32)
		make_window(m->vm, mode);
	enable_vectors(m->vcpu, mode);
	/*
	 * Far from a new machine's: KVM takes a write of less than a second's
	 * difference as one that means to make vCPUs equal, and ignores it.
	 */
	set_msr(m->vcpu, MSR_TSC, BIT(40));
}

static void give(struct model *m, u8 *data)
{
	u32 v = test_rand();

	memcpy(data, &v, sizeof(v));
	m->number += v;
	for (u32 i = SPIN; i; i--)
		m->number = rol(m->number * FACTOR, 5) ^ i;
}

static void string_out(struct model *m, const u8 *data, u32 n)
{
	for (u32 i = 0; i < n; i++, m->nr_out++)
		CHECK_EQ(data[i], m->number >> 8 * (m->nr_out & 3) & 0xff);
	CHECK(m->nr_out <= STRING);
}

static void string_in(struct model *m, u8 *data, u32 n)
{
	CHECK_EQ(m->nr_out, STRING);
	CHECK(m->nr_in + n <= STRING);
	for (u32 i = 0; i < n; i++) {
		data[i] = test_rand() >> 9;
		m->in[m->nr_in++] = data[i];
	}
	for (u32 i = 0; m->nr_in == STRING && i < STRING; i += 4) {
		u32 word;

		memcpy(&word, m->in + i, sizeof(word));
		m->number = rol(m->number + word, 3);
	}
}

static void tell(struct model *m, u32 number)
{
	CHECK_EQ(number, m->number);
	CHECK_EQ(m->nr_in, STRING);
	m->nr_in = 0;
	m->nr_out = 0;
	m->steps++;
}

static void serve(struct model *m)
{
	struct kvm_run *r = m->vcpu->run;
	u8 *data = (u8 *)r + r->io.data_offset;
	u32 n = r->io.size * r->io.count;

	m->exits++;
	test_doing("step %u, %u exits and %u moves so far", m->steps, m->exits, m->moves);
	CHECK_EQ(r->exit_reason, KVM_EXIT_IO);
	switch (r->io.port) {
	case GIVE:
		give(m, data);
		break;
	case TELL:
		tell(m, *(u32 *)data);
		break;
	case STRING_OUT:
		string_out(m, data, n);
		break;
	case STRING_IN:
		string_in(m, data, n);
		break;
	case FAILED:
		FAIL("the guest's check %d failed", *data);
	default:
		FAIL("port %#x", r->io.port);
	}
}

static void move(struct model *m)
{
	int ret;

	/* What is half done is to be done first: maybe several parts of a string. */
	m->vcpu->run->immediate_exit = 1;
	while (!(ret = vcpu_run_raw(m->vcpu)))
		serve(m);
	CHECK_EQ(ret, -EINTR);
	/* Read on another CPU than it ran on, now and then. */
	pin_to_cpu(test_rand() % nr_cpus());
	vm_rebuild(m->vm);
	pin_to_cpu(test_rand() % nr_cpus());
	m->moves++;
}

static void report(const struct model *m)
{
	test_diag("%u moves in %u steps and %u exits", m->moves, m->steps, m->exits);
}

/* ---- moved at exits ------------------------------------------------------------ */

static void moved_after_exits(enum mode mode)
{
	struct model m;
	u32 left = 0;

	model_create(&m, mode);
	while (m.moves < 12) {
		CHECK_EQ(vcpu_run_raw(m.vcpu), 0);
		serve(&m);
		if (left--)
			continue;
		move(&m);
		left = test_rand() % 40;
	}
	report(&m);
}

SUBTEST(real_mode_moved_after_exits)
{
	moved_after_exits(REAL);
}

SUBTEST(protected_mode_moved_after_exits)
{
	moved_after_exits(FLAT);
}

SUBTEST(paging_32_moved_after_exits)
{
	moved_after_exits(FLAT_32);
}

SUBTEST(paging_pae_moved_after_exits)
{
	moved_after_exits(FLAT_PAE);
}

SUBTEST(long_mode_moved_after_exits)
{
	moved_after_exits(LONG);
}

/* ---- moved at any instruction ---------------------------------------------------- */

static struct vcpu *timed;

static void on_alarm(int sig)
{
	WRITE_ONCE(timed->run->immediate_exit, 1);
}

static void set_timer(u32 microseconds)
{
	struct itimerval t = { .it_value.tv_usec = microseconds };

	CHECK_EQ(setitimer(ITIMER_REAL, &t, NULL), 0);
}

/* Runs until the alarm, wherever the guest is then. */
static void run_to_alarm(struct model *m)
{
	int ret;

	while ((ret = vcpu_run_raw(m->vcpu)) == 0)
		serve(m);
	CHECK_EQ(ret, -EINTR);
}

static void moved_anywhere(enum mode mode)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct model m;

	model_create(&m, mode);
	timed = m.vcpu;
	sigaction(SIGALRM, &sa, NULL);
	while (m.moves < 12) {
		m.vcpu->run->immediate_exit = 0;
		set_timer(500 + test_rand() % 3000);
		run_to_alarm(&m);
		move(&m);
	}
	report(&m);
	CHECK(m.steps);
}

SUBTEST(real_mode_moved_anywhere)
{
	moved_anywhere(REAL);
}

SUBTEST(protected_mode_moved_anywhere)
{
	moved_anywhere(FLAT);
}

SUBTEST(paging_32_moved_anywhere)
{
	moved_anywhere(FLAT_32);
}

SUBTEST(paging_pae_moved_anywhere)
{
	moved_anywhere(FLAT_PAE);
}

SUBTEST(long_mode_moved_anywhere)
{
	moved_anywhere(LONG);
}

/* ---- moved with events on their way ------------------------------------------------ */

static void guest_waits(u64 arg)
{
	for (;;) {
		GUEST_TRY("mov $1, %%al\n\t"
			  "out %%al, $0xe7\n\t"
			  "nop\n\t"
			  "nop", : : "rax", "memory");
		GUEST_SYNC_VALUE(2, guest_ex()->vector);
	}
}

/* One more event on its way, and the vector that has to come of it. */
static u64 add_event(struct kvm_vcpu_events *e, int kind)
{
	switch (kind) {
	case 0:
		e->exception.injected = 1;
		e->exception.nr = PF;
		e->exception.has_error_code = 1;
		return PF;
	case 1:
		e->interrupt.injected = 1;
		e->interrupt.nr = 0x77;
		return 0x77;
	case 2:
		e->nmi.pending = 1;
		return 2;
	case 3:
		e->nmi.injected = 1;
		return 2;
	case 4:				/* waits for the end of the mask */
		e->nmi.pending = 1;
		e->nmi.masked = 1;
		return NO_EXCEPTION;
	default:
		return NO_EXCEPTION;
	}
}

SUBTEST(events_on_their_way_are_moved)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_vcpu_events e;
	struct kvm_regs regs;
	u64 vector;

	for (int kind = 0; kind < 6; kind++) {
		test_doing("event %d", kind);
		vcpu_long_mode(vcpu, guest_waits, 0);
		if (!kind)
			set_msr(vcpu, MSR_TSC, BIT(40));
		vcpu_expect_sync(vcpu, 1);
		vcpu_complete(vcpu);
		get_regs(vcpu, &regs);
		regs.rflags |= X86_EFLAGS_IF;
		set_regs(vcpu, &regs);
		get_events(vcpu, &e);
		vector = add_event(&e, kind);
		set_events(vcpu, &e);
		vm_rebuild(vm);
		CHECK_EQ(vcpu_expect_sync(vcpu, 2), vector);
		vcpu_complete(vcpu);
		vm_rebuild(vm);
		get_events(vcpu, &e);
		CHECK_EQ(e.nmi.pending, kind == 4);
		CHECK_EQ(e.nmi.masked, kind == 4);
		e.nmi.pending = 0;
		e.nmi.masked = 0;
		set_events(vcpu, &e);
	}
}
