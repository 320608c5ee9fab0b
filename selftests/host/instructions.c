// SPDX-License-Identifier: GPL-2.0
/*
 * instructions - those that VT-x makes exit, or may: each is run at CPL 0 and at
 * CPL 3 and must end as it would on a machine with the guest's CPUID, that is by
 * itself, by #UD or by #GP. Whatever it is, the guest goes on behind it, and a
 * user of the guest cannot stop it (bug class 27). With single-stepping on, the
 * step of an instruction that exits is not lost (bug class 26).
 */
#include "selftest.h"

enum { RAN = 1, BY_UD = 2, BY_GP = 4 };

struct insn {				/* made by INSN() */
	const void *code;
	const char *text;
	u64 kernel, user;		/* how it may end, at CPL 0 and 3 */
};

/* (%rdi) is 64 bytes of zeros, RAX, RCX and RDX are 0; RBX is the test's. */
#define INSN(insn, kernel, user)					\
	asm(".pushsection .text\n771: " insn "\n	ret\n.popsection\n" \
	    ".pushsection .rodata\n772: .asciz \"" insn "\"\n.popsection\n" \
	    ".pushsection insns, \"a\"\n"				\
	    ".quad 771b, 772b, " #kernel ", " #user "\n.popsection\n")
GUEST_ASM_SET(RAN, 1);
GUEST_ASM_SET(BY_UD, 2);
GUEST_ASM_SET(BY_GP, 4);

/* VMX is off in the guest: CR4.VMXE is 0 even where CPUID offers it. */
INSN("vmclear (%rdi)", BY_UD, BY_UD);
INSN("vmlaunch", BY_UD, BY_UD);
INSN("vmresume", BY_UD, BY_UD);
INSN("vmptrld (%rdi)", BY_UD, BY_UD);
INSN("vmptrst (%rdi)", BY_UD, BY_UD);
INSN("vmread %rax, (%rdi)", BY_UD, BY_UD);
INSN("vmwrite (%rdi), %rax", BY_UD, BY_UD);
INSN("vmxoff", BY_UD, BY_UD);
INSN("vmxon (%rdi)", BY_UD, BY_UD);
INSN("invept (%rdi), %rax", BY_UD, BY_UD);
INSN("invvpid (%rdi), %rax", BY_UD, BY_UD);
INSN("vmfunc", BY_UD, BY_UD);
INSN("vmcall", RAN | BY_UD, RAN | BY_UD);
INSN(".byte 0x0f, 0x01, 0xd9 /* vmmcall */", RAN | BY_UD, RAN | BY_UD);
INSN("getsec", BY_UD, BY_UD);
INSN("rsm", BY_UD, BY_UD);
INSN("encls", BY_UD, BY_UD | BY_GP);
INSN(".byte 0x0f, 0x01, 0xc5 /* pconfig */", BY_UD, BY_UD | BY_GP);

INSN("cpuid", RAN, RAN);
INSN("pause", RAN, RAN);
INSN("rdtsc", RAN, RAN);
INSN("rdtscp", RAN | BY_UD, RAN | BY_UD);
INSN("rdpmc", RAN | BY_GP, BY_GP);
INSN("monitor", RAN | BY_UD, BY_UD);
INSN("mwait", RAN | BY_UD, BY_UD);
INSN("rdrand %eax", RAN | BY_UD, RAN | BY_UD);
INSN("rdseed %eax", RAN | BY_UD, RAN | BY_UD);
INSN("invd", RAN, BY_GP);
INSN("wbinvd", RAN, BY_GP);
INSN("invlpg (%rdi)", RAN, BY_GP);
INSN("invpcid (%rdi), %rax", RAN | BY_UD, BY_UD | BY_GP);
INSN("xsetbv", BY_UD, BY_UD);		/* CR4.OSXSAVE is 0 */
INSN("xgetbv", BY_UD, BY_UD);
INSN("xsaves (%rdi)", BY_UD, BY_UD);
INSN("xrstors (%rdi)", BY_UD, BY_UD);
INSN(".byte 0x66, 0x0f, 0xae, 0xf1 /* tpause */", RAN | BY_UD | BY_GP, RAN | BY_UD | BY_GP);
INSN("clts", RAN, BY_GP);
INSN("lmsw %ax", RAN, BY_GP);
INSN("smsw %eax", RAN, RAN);
INSN("mov %cr0, %rax", RAN, BY_GP);
INSN("mov %cr3, %rax; mov %rax, %cr3", RAN, BY_GP);
INSN("mov %cr4, %rax; mov %rax, %cr4", RAN, BY_GP);
INSN("mov %cr8, %rax", RAN, BY_GP);
INSN("mov %rax, %cr8", RAN, BY_GP);
INSN("mov %rax, %dr0", RAN, BY_GP);
INSN("mov %dr6, %rax", RAN, BY_GP);
INSN("mov %dr7, %rax", RAN, BY_GP);
INSN("rdmsr", BY_GP | RAN, BY_GP);
INSN("mov $0xc0000082, %ecx; rdmsr", RAN, BY_GP);
INSN("mov $0xc0000082, %ecx; wrmsr", RAN, BY_GP);
INSN("mov $0x12345678, %ecx; rdmsr", BY_GP, BY_GP);
INSN("sgdt (%rdi)", RAN, RAN);
INSN("sidt (%rdi)", RAN, RAN);
INSN("sldt (%rdi)", RAN, RAN);
INSN("str (%rdi)", RAN, RAN);
INSN("sgdt (%rdi); lgdt (%rdi)", RAN, BY_GP);
INSN("sidt (%rdi); lidt (%rdi)", RAN, BY_GP);
INSN("xor %eax, %eax; lldt %ax", RAN, BY_GP);
INSN("ud2", BY_UD, BY_UD);
INSN("swapgs; swapgs", RAN, BY_GP);

extern const struct insn __start_insns[], __stop_insns[];

static u8 area[64] __aligned(64);
static u64 ended;			/* vector that the instruction raised */
static const void *code_to_run;

static void run_insn(u64 arg)
{
	ended = guest_call_try(code_to_run, area);
}

static void guest_insn(u64 user)
{
	for (u64 i = 0; i < sizeof(area); i++)
		area[i] = 0;
	if (user)
		guest_user_call(run_insn, 0);
	else
		run_insn(0);
	GUEST_SYNC_VALUE(1, ended);
}

static u64 outcome(u64 vector)
{
	if (vector == NO_EXCEPTION)
		return RAN;
	if (vector == UD)
		return BY_UD;
	return vector == GP ? BY_GP : 0;
}

static void check_insns(bool user)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_run *r = vcpu->run;
	struct ucall uc;

	for (const struct insn *i = __start_insns; i < __stop_insns; i++) {
		u64 allowed = user ? i->user : i->kernel;

		test_doing("%s at CPL %d", i->text, user ? 3 : 0);
		guest_var(vm, code_to_run) = i->code;
		vcpu_long_mode(vcpu, guest_insn, user);
		/* A lower CR8 is told to user space; nothing else comes out. */
		do
			CHECK_EQ(vcpu_run_raw(vcpu), 0);
		while (r->exit_reason == KVM_EXIT_SET_TPR);
		if (get_ucall(vcpu, &uc) != UCALL_SYNC)
			FAIL("expected the guest to go on, got exit %s",
			     exit_name(r->exit_reason));
		if (!(outcome(uc.b) & allowed))
			FAIL("expected outcomes %#llx (1 runs, 2 #UD, 4 #GP), got vector %lld",
			     (unsigned long long)allowed, (long long)uc.b);
	}
}

SUBTEST(class27_every_exiting_instruction_at_cpl0)
{
	check_insns(false);
}

SUBTEST(class27_every_exiting_instruction_at_cpl3)
{
	check_insns(true);
}

static void user_hlt(u64 arg)
{
	GUEST_TRY("hlt");
	GUEST_ASSERT_EQ(guest_ex()->vector, GP);
}

static void guest_user_hlt(u64 arg)
{
	guest_user_call(user_hlt, 0);
}

SUBTEST(class27_hlt_at_cpl3)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, guest_user_hlt, 0);
	vcpu_expect_done(vcpu);
}

/* ---- CPUID ------------------------------------------------------------ */

static struct { u32 function, index, a, b, c, d; } leaf;

static void guest_cpuid(u64 arg)
{
	for (;;) {
		GUEST_SYNC(1);
		asm volatile("cpuid" : "=a"(leaf.a), "=b"(leaf.b), "=c"(leaf.c),
			     "=d"(leaf.d) : "a"(leaf.function), "c"(leaf.index));
		GUEST_SYNC(2);
	}
}

/* What SET_CPUID2 was given, but for the bits that follow CR4 and the vCPU. */
SUBTEST(cpuid_as_set)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, guest_cpuid, 0);
	for (u32 i = 0; i < vm->cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &vm->cpuid->entries[i];
		u32 c_mask = ~0u, d_mask = ~0u, b_mask = ~0u;

		test_doing("leaf %#x index %u", e->function, e->index);
		vcpu_expect_sync(vcpu, 1);
		guest_var(vm, leaf).function = e->function;
		guest_var(vm, leaf).index = e->index;
		vcpu_expect_sync(vcpu, 2);
		if (e->function == 1) {
			c_mask = (u32)~BIT(27);	/* OSXSAVE */
			d_mask = (u32)~BIT(9);	/* APIC */
		} else if (e->function == 7 && !e->index) {
			c_mask = (u32)~BIT(4);	/* OSPKE */
		} else if (e->function == 0xd) {
			b_mask = 0;			/* sizes by XCR0, XSS */
		} else if (e->function == 0xb || e->function == 0x1f) {
			d_mask = 0;			/* the vCPU's APIC id */
		}
		CHECK_EQ(guest_var(vm, leaf).a, e->eax);
		CHECK_EQ(guest_var(vm, leaf).b & b_mask, e->ebx & b_mask);
		CHECK_EQ(guest_var(vm, leaf).c & c_mask, e->ecx & c_mask);
		CHECK_EQ(guest_var(vm, leaf).d & d_mask, e->edx & d_mask);
	}
}

/* ---- single-stepping -------------------------------------------------- */

GUEST_ASM(step_code,
	  ".code64\n"
	  "push %rdi\n	popfq\n"		/* TF from here on */
	  "nop\n"
	  "step_1: out %al, $0x80\n"
	  "step_2: in $0x80, %al\n"
	  "step_3: mov %al, (%rsi)\n"
	  "step_4: mov (%rsi), %al\n"
	  "step_5: xor %eax, %eax\n"
	  "step_6: cpuid\n"
	  "step_7: mov %cr0, %rax\n"
	  "step_8: mov %rax, %cr0\n"
	  "step_9: xor %eax, %eax\n"
	  "step_10: rdtsc\n"
	  "step_11: hlt\n");
extern const char step_1[], step_2[], step_3[], step_4[], step_5[], step_6[],
	step_7[], step_8[], step_9[], step_10[], step_11[];

/* Records where each #DB of a single step came. */
static u64 steps[32], step_dr6[32], nr_steps;

void step_handler(u64 rip);

void step_handler(u64 rip)
{
	u64 dr6, reset = 0xffff0ff0;

	asm volatile("mov %%dr6, %0" : "=r"(dr6));
	asm volatile("mov %0, %%dr6" : : "r"(reset));
	if (nr_steps < ARRAY_SIZE(steps)) {
		steps[nr_steps] = rip;
		step_dr6[nr_steps++] = dr6;
	}
}

GUEST_ASM(step_entry,
	  ".code64\n"
	  "push %rax\n	push %rcx\n	push %rdx\n	push %rsi\n	push %rdi\n"
	  "push %r8\n	push %r9\n	push %r10\n	push %r11\n"
	  "mov 72(%rsp), %rdi\n"
	  "call step_handler\n"
	  "pop %r11\n	pop %r10\n	pop %r9\n	pop %r8\n"
	  "pop %rdi\n	pop %rsi\n	pop %rdx\n	pop %rcx\n	pop %rax\n"
	  "iretq\n");

SUBTEST(class26_single_step_over_exits)
{
	static const char *const traps[] = { step_1, step_2, step_3, step_4, step_5,
		step_6, step_7, step_8, step_9, step_10, step_11 };
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *gate = (u8 *)vm_ptr(vm, vm->idt) + 16 * DB;
	u32 handler = (uintptr_t)step_entry, n, last = 0;
	struct kvm_regs regs;

	memcpy(gate, &handler, 2);
	memcpy(gate + 6, (u8 *)&handler + 2, 2);
	vcpu_long_mode(vcpu, step_code, 2 | X86_EFLAGS_TF);
	get_regs(vcpu, &regs);
	regs.rsi = MMIO_GPA;
	set_regs(vcpu, &regs);
	vcpu_expect_out(vcpu, 0x80, 1, 1);
	*vcpu_expect_in(vcpu, 0x80, 1, 1) = 0x42;
	CHECK_EQ(*vcpu_expect_mmio_write(vcpu, MMIO_GPA, 1), 0x42);
	*vcpu_expect_mmio_read(vcpu, MMIO_GPA, 1) = 0x43;
	vcpu_run(vcpu, KVM_EXIT_HLT);

	/* One trap behind each instruction from the NOP to before the HLT. */
	n = guest_var(vm, nr_steps);
	for (u32 i = 0, k = 0; i < ARRAY_SIZE(traps); i++) {
		/* KVM of Linux 6.1 misses the one behind an MMIO write. */
		if (device_is_kvm() && traps[i] == step_4 &&
		    guest_var(vm, steps)[k] != (uintptr_t)step_4)
			continue;
		test_doing("trap %u", k);
		CHECK(k < n);
		CHECK_EQ(guest_var(vm, steps)[k], (uintptr_t)traps[i]);
		CHECK(guest_var(vm, step_dr6)[k] & BIT(14));	/* BS */
		last = ++k;
	}
	CHECK_EQ(n, last);
}
