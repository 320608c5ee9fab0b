// SPDX-License-Identifier: GPL-2.0
/*
 * loops - guests that never leave by themselves: each must let go at a signal and
 * die with its process. Among them exceptions whose delivery raises the same
 * exception again, which hold a CPU for ever unless they are intercepted
 * (CVE-2015-5307, CVE-2015-8104).
 */
#include <signal.h>

#include "selftest.h"

/*
 * The device may also end such a guest: an exception that comes while the same
 * exception is being delivered is an exit that it need not know to go on from.
 */
static bool may_give_up;

static void *run_until_kicked(void *arg)
{
	struct vcpu *vcpu = arg;
	int ret;

	/* String I/O comes out to be served and goes on; the rest stays in. */
	do
		ret = vcpu_run_raw(vcpu);
	while (!ret && (vcpu->run->exit_reason == KVM_EXIT_IO ||
			vcpu->run->exit_reason == KVM_EXIT_MMIO));
	if (!ret && may_give_up &&
	    vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		return NULL;
	if (!ret)
		FAIL("expected -EINTR, got exit %s", exit_name(vcpu->run->exit_reason));
	CHECK_EQ(ret, -EINTR);
	return NULL;
}

/* Once by a signal, twice in a row; once by the end of its process. */
static void check_lets_go(struct vcpu *(*make)(void))
{
	struct vcpu *vcpu = make();
	struct thread t;
	struct chan c;
	pid_t pid;

	for (int i = 0; i < 2; i++) {
		vcpu->run->immediate_exit = 0;
		thread_start(&t, nr_cpus() - 1, run_until_kicked, vcpu);
		usleep(30000);			/* let it loop for a while */
		thread_stop(&t);
	}
	vm_free(vcpu->vm);

	chan_open(&c);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		vcpu = make();
		chan_put(&c, 'r');
		run_until_kicked(vcpu);
		CHECK(may_give_up);
		pause();
	}
	chan_wait(&c, 'r');
	usleep(30000);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

#define LOOP_SUBTEST(name, make)					\
	SUBTEST(name)							\
	{								\
		check_lets_go(make);					\
	}

static struct vcpu *new_vcpu(const void *code, u64 arg)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	vcpu_long_mode(vcpu, code, arg);
	return vcpu;
}

/* ---- plain loops ------------------------------------------------------ */

GUEST_ASM(jump_code, ".code64\n	cli\n1: jmp 1b\n");

static struct vcpu *make_jump(void)
{
	return new_vcpu(jump_code, 0);
}

LOOP_SUBTEST(jump_with_interrupts_off, make_jump)

GUEST_ASM(cpuid_code, ".code64\n1: xor %eax, %eax\n	cpuid\n	jmp 1b\n");

static struct vcpu *make_cpuid(void)
{
	return new_vcpu(cpuid_code, 0);
}

/* Each round is an exit that the kernel handles without user space. */
LOOP_SUBTEST(exits_that_stay_in_the_kernel, make_cpuid)

GUEST_ASM(outs_code, ".code64\n	mov $0x300000, %esi\n	mov $-1, %rcx\n"
	  "	mov $0x80, %edx\n	rep outsb\n");

static struct vcpu *make_outs(void)
{
	return new_vcpu(outs_code, 0);
}

LOOP_SUBTEST(string_output_for_ever, make_outs)

GUEST_ASM(stos_code, ".code64\n	std\n	mov $-1, %rcx\n"
	  "1: mov %edi, %edi\n	rep stosb\n	jmp 1b\n");

static struct vcpu *make_stos(void)
{
	return new_vcpu(stos_code, MMIO_GPA + 0x10000);
}

LOOP_SUBTEST(string_to_mmio_for_ever, make_stos)

/* The handler returns to the instruction that faulted. */
GUEST_ASM(ud_code, ".code64\n	ud2\n");
GUEST_ASM(return_code, ".code64\n	iretq\n");
GUEST_ASM(return_error_code, ".code64\n	add $8, %rsp\n	iretq\n");

struct gate {
	u16 offset0, selector;
	u8 ist, type;
	u16 offset16;
	u32 offset32, reserved;
} __packed;

static struct gate *gate(struct vm *vm, int vector)
{
	return (struct gate *)vm_ptr(vm, vm->idt) + vector;
}

static void set_handler(struct vm *vm, int vector, const char *code)
{
	gate(vm, vector)->offset0 = (uintptr_t)code;
	gate(vm, vector)->offset16 = (uintptr_t)code >> 16;
}

static struct vcpu *make_ud(void)
{
	struct vcpu *vcpu = new_vcpu(ud_code, 0);

	set_handler(vcpu->vm, UD, return_code);
	return vcpu;
}

LOOP_SUBTEST(class25_invalid_opcode_again_and_again, make_ud)

GUEST_ASM(pf_code, ".code64\n	movabs $0x4000000000, %rax\n	mov (%rax), %rax\n");

static struct vcpu *make_pf(void)
{
	struct vcpu *vcpu = new_vcpu(pf_code, 0);

	set_handler(vcpu->vm, PF, return_error_code);
	return vcpu;
}

LOOP_SUBTEST(class25_page_fault_again_and_again, make_pf)

/* ---- exceptions that raise themselves --------------------------------- */

/*
 * The stack of the #DB handler is always the same (IST), and a breakpoint lies on
 * the words that the delivery writes: each delivery raises the next #DB.
 */
GUEST_ASM(db_code,
	  ".code64\n"
	  "mov %rdi, %dr0\n"
	  "mov %rsi, %rax\n"
	  "mov %rax, %dr7\n"
	  "mov %eax, (%rdi)\n"			/* the first one */
	  "1: jmp 1b\n");

static struct vcpu *make_db(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	struct vm *vm = vcpu->vm;
	struct kvm_sregs s;
	struct kvm_regs regs;
	u64 ist;

	vcpu_long_mode(vcpu, db_code, 0);
	get_sregs(vcpu, &s);
	memcpy(&ist, (u8 *)vm_ptr(vm, s.tr.base) + 36, 8);
	gate(vm, DB)->ist = 1;
	set_handler(vm, DB, return_code);
	get_regs(vcpu, &regs);
	regs.rdi = ist - 8;			/* where SS is pushed */
	/* DR7: global breakpoint 0, on writes, of 8 bytes; GE and bit 10. */
	regs.rsi = 0x402 | 0x200 | 1ull << 16 | 2ull << 18;
	set_regs(vcpu, &regs);
	return vcpu;
}

LOOP_SUBTEST(class25_debug_exception_raises_itself, make_db)

/*
 * In 32-bit code at CPL 3 with alignment checks on, the handler of #AC runs at
 * CPL 3 too, on the same, odd stack: its own delivery raises #AC.
 */
GUEST_ASM(ac_code,
	  ".code32\n"
	  "pushf\n"
	  "orl $0x40000, (%esp)\n"
	  "popf\n"
	  "sub $1, %esp\n"
	  "push %eax\n"
	  "1: jmp 1b\n");

static void make_idt32(struct vm *vm, int vector, const char *code)
{
	u32 *g = (u32 *)vm_ptr(vm, vm->idt) + 2 * vector;
	u32 at = (uintptr_t)code;

	g[0] = SEL_USER_CODE32 << 16 | (at & 0xffff);
	g[1] = (at & 0xffff0000) | 0xee00;
}

static struct vcpu *make_ac(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	struct kvm_sregs s;

	vcpu_protected_mode(vcpu, ac_code, 0, NO_PAGING);
	memset(vm_ptr(vcpu->vm, vcpu->vm->idt), 0, PAGE_SIZE);
	make_idt32(vcpu->vm, AC, ac_code);
	get_sregs(vcpu, &s);
	s.cr0 |= X86_CR0_AM;
	s.cs.selector = SEL_USER_CODE32;
	s.cs.dpl = 3;
	s.ss.selector = SEL_USER_DATA;
	s.ss.dpl = 3;
	s.ds = s.ss;
	s.es = s.ss;
	s.fs = s.ss;
	s.gs = s.ss;
	s.idt.limit = 8 * 32 - 1;
	set_sregs(vcpu, &s);
	may_give_up = true;
	return vcpu;
}

LOOP_SUBTEST(class25_alignment_check_raises_itself, make_ac)
