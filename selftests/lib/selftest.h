/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selftest.h - the library that the tests of host/ are written with.
 *
 * A test is one static program: host code and guest code in one C file.
 *
 *	#include "selftest.h"
 *
 *	static void guest_add(u64 a)		// runs in the guest, 64-bit, CPL 0
 *	{
 *		GUEST_ASSERT_EQ(a + 1, 42);
 *		GUEST_SYNC(1);
 *		GUEST_DONE();
 *	}
 *
 *	SUBTEST(addition_works)			// runs in a process of its own
 *	{
 *		struct vm *vm = vm_create();
 *		struct vcpu *vcpu = vcpu_create(vm, 0);
 *
 *		vcpu_long_mode(vcpu, guest_add, 41);
 *		vcpu_expect_sync(vcpu, 1);
 *		vcpu_expect_done(vcpu);
 *	}
 *
 * Harness (ktap.c). SUBTEST()s run in the order of their lines, each in a child
 * process: a failed check, a crash or a time-out ends that subtest alone, and
 * whatever it left open is closed by its end. Output is KTAP; the exit status is
 * 0 pass, 1 fail, 4 all skipped. Arguments: -d DEVICE (default /dev/lodge),
 * -t PATTERN (which subtests, as a shell pattern), -s SEED, -T SECONDS (limit
 * for one subtest), -l (list). Host checks: CHECK(), CHECK_EQ(got, want), FAIL(),
 * SKIP(). Any thread and any child process may use them; test_rand() is seeded
 * and the seed printed.
 *
 * Guest memory (vm.c). vm_create() gives RAM_SIZE bytes of RAM at guest physical
 * 0 in slot 0: the first MiB is the test's (real-mode code), then lib pages
 * (page tables, descriptors, stacks), and from the program's link address on a
 * COPY of this program, so that guest code and guest data have the same address
 * in the guest as in the host. The copy is taken by vm_create(): a global set
 * before is seen by the guest; afterwards use guest_var(vm, global) to reach the
 * guest's copy. Paging modes map the lower 4 GiB one to one (2 MiB pages, user,
 * writable), so an MMIO address below 4 GiB needs no mapping; vm_map() adds 4 KiB
 * pages above 4 GiB.
 *
 * Guest code (guest.c). Files are compiled without SSE and red zone. Guest code
 * must not call the C library (no memcpy, no struct assignment) nor use
 * thread-local data. It reports by a 32-bit OUT of the address of a struct ucall
 * to UCALL_PORT; code without a stack reports by "out %al, $SYNC_PORT", which the
 * host sees as GUEST_SYNC(al). An exception in long mode ends the test unless it
 * comes in GUEST_TRY(), which records it in guest_ex().
 *
 * Modes (modes.c). vcpu_real_mode(), vcpu_protected_mode(), vcpu_long_mode() load
 * a state by SET_SREGS and SET_REGS. GUEST_ASM(name, code) defines a blob that is
 * in the copy of the program (for 32-bit code: run it in place) or may be put
 * elsewhere with vm_load() (16-bit code).
 *
 * Threads (thread.c). thread_start() pins and starts, thread_kick() makes a
 * KVM_RUN of that thread return -EINTR, also when the signal comes before the
 * ioctl: the handler sets immediate_exit of the thread's vCPU.
 */
#ifndef SELFTEST_H
#define SELFTEST_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asm/processor-flags.h>
#include <linux/kvm.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

/* The kernel's names of attributes. */
#ifndef __packed
#define __packed		__attribute__((__packed__))
#endif
#ifndef __used
#define __used			__attribute__((__used__))
#endif
#ifndef __aligned
#define __aligned(n)		__attribute__((__aligned__(n)))
#endif
#ifndef __section
#define __section(name)		__attribute__((__section__(name)))
#endif
#ifndef __noreturn
#define __noreturn		__attribute__((__noreturn__))
#endif
#ifndef __printf
#define __printf(f, args)	__attribute__((__format__(printf, f, args)))
#endif

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT(n)		(1ull << (n))
#ifndef PAGE_SIZE
#define PAGE_SIZE	4096ul
#endif
#define SZ_2M		(2ul << 20)
#define SZ_4G		(4ull << 30)
#define EFER_LME	BIT(8)
#define EFER_LMA	BIT(10)
#define EFER_NX		BIT(11)

/* ---- harness -------------------------------------------------------- */

struct subtest {
	const char *name;
	void (*fn)(void);
	int line;
};

/* Defines and registers one subtest. */
#define SUBTEST(id)							\
	static void id(void);						\
	static const struct subtest subtest_##id			\
		__used __section("subtests") __aligned(8) =		\
			{ #id, id, __LINE__ };				\
	static void id(void)

enum { EXIT_PASS = 0, EXIT_FAIL = 1, EXIT_SKIP = 4 };

extern const char *device;		/* path given by -d */
extern u64 seed;

u64 test_rand(void);
/* Is the device under test kvm's own? For messages and documented differences. */
bool device_is_kvm(void);
/* Text and a decimal of @path, e.g. of sysfs; @missing when it cannot be read. */
long read_number(const char *path, long missing);
bool write_text(const char *path, const char *text);

/* A kernel with KASAN and the like: it stores stacks, and takes its time. */
bool kernel_is_debugging(void);
/* How long something may take: @limit, or much more with such a kernel. */
long patience(long limit);

void test_diag(const char *fmt, ...) __printf(1, 2);
void test_fail(const char *file, int line, const char *fmt, ...)
	__noreturn __printf(3, 4);
void test_skip(const char *fmt, ...) __noreturn __printf(1, 2);
void check_eq(const char *file, int line, const char *what, long long got,
	      long long want);

/* Names the case at work; a failed check prints it. */
void test_doing(const char *fmt, ...) __printf(1, 2);

#define FAIL(...)	test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define SKIP(...)	test_skip(__VA_ARGS__)
#define CHECK(cond)	do {						\
	if (!(cond))							\
		test_fail(__FILE__, __LINE__,				\
			  "expected %s, got the opposite", #cond);	\
} while (0)
#define CHECK_EQ(got, want)						\
	check_eq(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))

/* ---- machines and memory -------------------------------------------- */

#define RAM_SIZE	(16ul << 20)
#define LIB_PAGES	0x100000ul	/* the lib's pages: to 0x300000 */
#define LIB_PAGES_END	0x300000ul
#define TEST_GPA	0x10000000ul	/* free for the tests' own slots */
#define TEST_GVA	0x4000000000ul	/* free for the tests' own vm_map() */
#define MMIO_GPA	0xd0000000ul	/* nothing is ever there */

#define PTE_P		BIT(0)
#define PTE_W		BIT(1)
#define PTE_U		BIT(2)
#define PTE_PS		BIT(7)
#define PTE_NX		BIT(63)
#define PTE_ADDR	0x000ffffffffff000ull

enum backing { MEM_ANON, MEM_MEMFD, MEM_THP, MEM_HUGETLB };

struct region {
	u32 slot, flags;
	u64 gpa, size;
	void *hva;
	int fd;				/* of MEM_MEMFD, else -1 */
};

struct vcpu {
	struct vm *vm;
	int id, fd;
	struct kvm_run *run;
	u64 percpu;			/* gpa of its struct guest_percpu */
	u64 stack;			/* gpa just above its stack */
};

struct vm {
	int dev_fd, fd;
	u8 *ram;
	u64 next_page;			/* of the lib's pages */
	u64 pml4, pae_pdpt, pd32, gdt, idt;
	struct region regions[32];
	int nr_regions;
	struct vcpu *vcpus[64];
	int nr_vcpus, mmap_size;
	struct kvm_cpuid2 *cpuid;
};

int open_device(void);
/* ioctl() that returns -errno instead of -1. */
int xioctl(int fd, unsigned long cmd, unsigned long arg);
int check_cap(struct vm *vm, long cap);

struct vm *vm_create(void);
/* A VM without memory or anything else but its file descriptors. */
struct vm *vm_create_bare(void);
void vm_free(struct vm *vm);
/* A vCPU with the supported CPUID set; bare: as the device made it. */
struct vcpu *vcpu_create(struct vm *vm, int id);
struct vcpu *vcpu_create_bare(struct vm *vm, int id);
/* The first of a new machine, for what KVM has nothing like: on KVM the subtest skips. */
struct vcpu *vcpu_of_lodge(void);
void vcpu_free(struct vcpu *vcpu);

/* SET_USER_MEMORY_REGION, returning 0 or -errno and remembering nothing. */
int set_region(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, void *hva);
/* Memory of a chosen backing, aligned to its page size; fails or skips. */
void *mem_alloc(size_t size, enum backing backing, int *fd);
/* A slot with new memory (kept in vm->regions); returns the memory. */
void *vm_add_mem(struct vm *vm, u32 slot, u64 gpa, size_t size,
		 enum backing backing);
void vm_del_mem(struct vm *vm, u32 slot);
/* Where guest physical @gpa is in this process, by vm->ram and vm->regions. */
void *vm_ptr(struct vm *vm, u64 gpa);
/* The VM's copy of a global variable of this program. */
#define guest_var(vm, var)						\
	(*(__typeof__(var) *)vm_ptr(vm, (uintptr_t)&(var)))
void vm_load(struct vm *vm, u64 gpa, const void *start, const void *end);

/* ---- guest page tables, modes --------------------------------------- */

u64 vm_alloc_page(struct vm *vm);
/* The 4 KiB entry of @gva (4 GiB or above), tables made as needed. */
u64 *vm_pte(struct vm *vm, u64 gva);
void vm_map(struct vm *vm, u64 gva, u64 gpa, size_t size, u64 flags);
void vm_setup_tables(struct vm *vm);

enum {					/* selectors of the lib's GDT */
	SEL_CODE64 = 0x08, SEL_DATA = 0x10, SEL_CODE32 = 0x18,
	SEL_CODE16 = 0x20, SEL_DATA16 = 0x28, SEL_USER_DATA = 0x33,
	SEL_USER_CODE64 = 0x3b, SEL_USER_CODE32 = 0x43, SEL_TSS = 0x48,
	GDT_BYTES = 0x58
};

enum paging { NO_PAGING, PAGING_32, PAGING_PAE };

/* 16-bit code at cs:ip; DS, ES, SS have base 0, SP is 0x7000. */
void vcpu_real_mode(struct vcpu *vcpu, u16 cs, u16 ip);
/* Flat 32-bit code; ESP is the vCPU's stack, EDI @arg. */
void vcpu_protected_mode(struct vcpu *vcpu, const void *eip, u32 arg,
			 enum paging paging);
/* 64-bit code, called with @arg, or ended by a GUEST_DONE when it returns. */
#define vcpu_long_mode(vcpu, fn, arg)					\
	vcpu_long_mode_at(vcpu, (uintptr_t)(fn), (u64)(arg))
void vcpu_long_mode_at(struct vcpu *vcpu, u64 rip, u64 arg);

void get_regs(struct vcpu *vcpu, struct kvm_regs *regs);
void set_regs(struct vcpu *vcpu, const struct kvm_regs *regs);
void get_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs);
void set_sregs(struct vcpu *vcpu, const struct kvm_sregs *sregs);

/* ---- running -------------------------------------------------------- */

enum ucall_cmd { UCALL_NONE, UCALL_SYNC, UCALL_DONE, UCALL_ABORT };

struct ucall {				/* what the guest reports */
	u64 cmd, a, b;			/* SYNC: number, value; ABORT: got, want */
	u64 file, line, text;		/* of ABORT; no file: line is a vector */
};

const char *exit_name(u32 reason);
/* KVM_RUN as it is: 0 or -errno. */
int vcpu_run_raw(struct vcpu *vcpu);
/* What this exit reports, UCALL_NONE if it is none; an ABORT fails the test. */
enum ucall_cmd get_ucall(struct vcpu *vcpu, struct ucall *uc);

void run_at(const char *file, int line, struct vcpu *vcpu, u32 reason);
u64 sync_at(const char *file, int line, struct vcpu *vcpu, u64 want);
void done_at(const char *file, int line, struct vcpu *vcpu);
u8 *mmio_at(const char *file, int line, struct vcpu *vcpu, u64 addr, u32 len,
	    bool write);
u8 *io_at(const char *file, int line, struct vcpu *vcpu, u16 port, u8 size,
	  bool out, u32 count);

/* Run once and require this exit reason. */
#define vcpu_run(v, reason)	run_at(__FILE__, __LINE__, v, reason)
/* Run to the next report: GUEST_SYNC(want), whose value is returned; DONE. */
#define vcpu_expect_sync(v, n)	sync_at(__FILE__, __LINE__, v, n)
#define vcpu_expect_done(v)	done_at(__FILE__, __LINE__, v)
/* Run once and require this access; returns its data to read or fill in. */
#define vcpu_expect_mmio_read(v, gpa, len)				\
	mmio_at(__FILE__, __LINE__, v, gpa, len, false)
#define vcpu_expect_mmio_write(v, gpa, len)				\
	mmio_at(__FILE__, __LINE__, v, gpa, len, true)
#define vcpu_expect_in(v, port, size, count)				\
	io_at(__FILE__, __LINE__, v, port, size, false, count)
#define vcpu_expect_out(v, port, size, count)				\
	io_at(__FILE__, __LINE__, v, port, size, true, count)

/* MMIO memory of the test's making, served from @data. */
struct mmio_dev {
	u64 base;
	u32 size;
	u8 *data;
	u32 reads, writes, bytes_read, bytes_written;
};

/* Is the exit an access of @dev? Then it is served (data filled in or taken). */
bool mmio_dev_serve(struct mmio_dev *dev, struct kvm_run *run);
/* Runs to the next report of the guest, serving @dev; other exits fail. */
#define vcpu_serve_mmio(v, dev, uc)	serve_at(__FILE__, __LINE__, v, dev, uc)
enum ucall_cmd serve_at(const char *file, int line, struct vcpu *vcpu,
			struct mmio_dev *dev, struct ucall *uc);
/*
 * KVM_RUN that only completes the access of the last exit (immediate_exit): the
 * registers are then those behind the instruction.
 */
void vcpu_complete(struct vcpu *vcpu);

/* ---- threads, processes --------------------------------------------- */

struct thread {
	pthread_t id;
	void *(*fn)(void *arg);
	void *arg;
	int cpu;			/* to be pinned to, -1: none */
	bool done;			/* set by the thread when fn is over */
};

int nr_cpus(void);
void pin_to_cpu(int cpu);
void thread_start(struct thread *t, int cpu, void *(*fn)(void *), void *arg);
void thread_kick(struct thread *t);
void thread_join(struct thread *t);
/* For a thread whose vCPU never leaves the guest: kicks until it is over. */
void thread_stop(struct thread *t);

/* A byte pipe between processes or threads: put one, wait for that one. */
struct chan {
	int fd[2];
};

void chan_open(struct chan *c);
void chan_put(struct chan *c, char byte);
void chan_wait(struct chan *c, char byte);
/* Waits for a child process and requires that it ended with EXIT_PASS. */
void child_join(pid_t pid);

/* ---- guest side ----------------------------------------------------- */

#define UCALL_PORT	0x5e7
#define SYNC_PORT	0xe7

struct guest_ex {			/* an exception that GUEST_TRY() took */
	u64 vector;			/* NO_EXCEPTION: it took none */
	u64 error, rip, cr2;
};

#define NO_EXCEPTION	(~0ull)

struct guest_percpu {			/* at GS base, in long mode */
	u64 self, resume;		/* resume: 0 outside GUEST_TRY() */
	struct guest_ex ex;
	u64 kernel_rsp;			/* of guest_user_call() */
	u64 id;
};

enum { DB = 1, BP = 3, OF, BR, UD, NM, DF, TS = 10, NP, SS, GP, PF, AC = 17 };

void guest_ucall(u64 cmd, u64 a, u64 b);
void guest_abort(const char *file, int line, const char *text, u64 got, u64 want)
	__noreturn;

/*
 * Calls fn(arg) at CPL 3 with IOPL 3 (so that it may report). All vCPUs share one
 * TSS, so one vCPU of a VM at a time.
 */
void guest_user_call(void (*fn)(u64 arg), u64 arg);
/*
 * Calls any code, also one that may fault, with RDI = mem and RAX, RCX, RDX = 0;
 * R12 it must keep. Returns the vector, as guest_ex()->vector.
 */
u64 guest_call_try(const void *code, void *mem);

#define GUEST_SYNC(n)		guest_ucall(UCALL_SYNC, n, 0)
#define GUEST_SYNC_VALUE(n, v)	guest_ucall(UCALL_SYNC, n, v)
#define GUEST_DONE()		guest_ucall(UCALL_DONE, 0, 0)
#define GUEST_ASSERT_EQ(got, want) do {					\
	u64 got__ = (u64)(got), want__ = (u64)(want);			\
	if (got__ != want__)						\
		guest_abort(__FILE__, __LINE__, #got " == " #want,	\
			    got__, want__);				\
} while (0)
#define GUEST_ASSERT(cond) do {						\
	if (!(cond))							\
		guest_abort(__FILE__, __LINE__, #cond, 0, 1);		\
} while (0)

static inline struct guest_percpu *guest_percpu(void)
{
	struct guest_percpu *p;

	asm volatile("mov %%gs:0, %0" : "=r"(p));
	return p;
}

static inline volatile struct guest_ex *guest_ex(void)
{
	return &guest_percpu()->ex;
}

/*
 * Runs @insn, which may raise an exception, and goes on after it. The rest is
 * OUTPUTS : INPUTS : CLOBBERS as in asm. Look at guest_ex()->vector then.
 */
#define GUEST_TRY(insn, ...)						\
	asm volatile("movq $-1, %%gs:16\n\t"				\
		     "movq $771f, %%gs:8\n\t"				\
		     insn "\n771:\tmovq $0, %%gs:8" : __VA_ARGS__)

static inline void outb(u16 port, u8 v)
{
	asm volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outl(u16 port, u32 v)
{
	asm volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline u8 inb(u16 port)
{
	u8 v;

	asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline u32 inl(u16 port)
{
	u32 v;

	asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline void cpu_relax(void)
{
	asm volatile("pause" : : : "memory");
}

#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))

/* Code between name[] and name_end[]; start it with .code16 or .code32. */
#define GUEST_ASM(name, ...)						\
	extern const char name[], name##_end[];				\
	asm(".pushsection .text\n.balign 16\n" #name ":\n"		\
	    __VA_ARGS__ "\n" #name "_end:\n.code64\n.popsection\n")
#define GUEST_ASM_SET(symbol, value)	asm(".set " #symbol ", " #value "\n")
#define SYNC_ASM(n)		"mov $" #n ", %al\n out %al, $0xe7\n"

#endif /* SELFTEST_H */
