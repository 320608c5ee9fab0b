// SPDX-License-Identifier: GPL-2.0
/*
 * debug - KVM_SET_GUEST_DEBUG: user space steps the guest, sets breakpoints of its
 * own in it, reflects exceptions into it; the guest's debug registers stay its own
 * and no mix of #DB, #BP, ICEBP, MOV SS and single steps does harm (bug class 26).
 * The test re-arms debugging before each step, as debuggers do.
 */
#include "cpu.h"
#include "events.h"

#define STEP		(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP)
#define HW_BP		(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP)
#define SW_BP		(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP)
#define ALL_FLAGS	(STEP | HW_BP | SW_BP | KVM_GUESTDBG_INJECT_DB | \
			 KVM_GUESTDBG_INJECT_BP | KVM_GUESTDBG_BLOCKIRQ)
#define DR6_RESET	0xffff0ff0ull
#define DR6_BS		BIT(14)
#define DR7_FIXED	BIT(10)

/* Fields of DR7 (SDM 3, 17.2.4): enabled, kind of access, length. */
#define DR7_L(n)	BIT(2 * (n))
#define DR7_GD		BIT(13)
#define DR6_BD		BIT(13)
#define DR7_RW(n, rw)	((u64)(rw) << (16 + 4 * (n)))
#define DR7_LEN(n, len)	((u64)(len) << (18 + 4 * (n)))
enum { ON_EXECUTE, ON_WRITE, ON_IO, ON_ACCESS };

static int try_debug(struct vcpu *vcpu, u32 control)
{
	struct kvm_guest_debug dbg = { .control = control };

	dbg.arch.debugreg[7] = DR7_FIXED;
	return xioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, (uintptr_t)&dbg);
}

static void set_debug(struct vcpu *vcpu, u32 control)
{
	CHECK_EQ(try_debug(vcpu, control), 0);
}

static void set_breakpoint(struct vcpu *vcpu, int n, u64 addr, u64 dr7)
{
	struct kvm_guest_debug dbg = { .control = HW_BP };

	dbg.arch.debugreg[n] = addr;
	dbg.arch.debugreg[7] = DR7_FIXED | DR7_L(n) | dr7;
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, (uintptr_t)&dbg), 0);
}

/* The last exit is one of the debugger's, at this instruction. */
static void check_debug(struct vcpu *vcpu, u64 pc, u32 exception)
{
	struct kvm_debug_exit_arch *d = &vcpu->run->debug.arch;
	struct kvm_regs regs;

	if (vcpu->run->exit_reason != KVM_EXIT_DEBUG)
		FAIL("expected exit DEBUG at %#llx, got %s", pc,
		     exit_name(vcpu->run->exit_reason));
	CHECK_EQ(d->pc, pc);
	CHECK_EQ(d->exception, exception);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rip, pc);
	CHECK_EQ(regs.rflags & X86_EFLAGS_TF, 0);
}

static void expect_debug(struct vcpu *vcpu, const void *pc, u32 exception, u64 dr6)
{
	vcpu_run(vcpu, KVM_EXIT_DEBUG);
	check_debug(vcpu, (uintptr_t)pc, exception);
	if (exception == DB)
		CHECK_EQ(vcpu->run->debug.arch.dr6, DR6_RESET | dr6);
}

/* ---- flags -------------------------------------------------------------- */

GUEST_ASM(idle_code, ".code64\n	nop\nidle_1: nop\nidle_2: nop\n" SYNC_ASM(1)
	  "hlt\n");
extern const char idle_1[], idle_2[];

SUBTEST(flags)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	CHECK(check_cap(vm, KVM_CAP_SET_GUEST_DEBUG) > 0);
	CHECK_EQ(check_cap(vm, KVM_CAP_SET_GUEST_DEBUG2), (int)ALL_FLAGS);
	vcpu_long_mode(vcpu, idle_code, 0);
	set_debug(vcpu, 0);
	set_debug(vcpu, KVM_GUESTDBG_ENABLE);
	set_debug(vcpu, STEP | HW_BP | SW_BP | KVM_GUESTDBG_BLOCKIRQ);
	/* KVM of Linux 6.1 takes flags that it does not know, and forgets them. */
	for (int bit = 0; bit < 32; bit++)
		if (!(BIT(bit) & ALL_FLAGS) && !device_is_kvm())
			CHECK_EQ(try_debug(vcpu, KVM_GUESTDBG_ENABLE | BIT(bit)), -EINVAL);
	set_debug(vcpu, 0);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, 0), -EFAULT);
	vcpu_expect_sync(vcpu, 1);
}

/* Nothing counts without KVM_GUESTDBG_ENABLE. */
SUBTEST(flags_without_enable)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, idle_code, 0);
	set_debug(vcpu, KVM_GUESTDBG_SINGLESTEP);
	vcpu_expect_sync(vcpu, 1);
}

SUBTEST(turned_off_again)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, idle_code, 0);
	set_debug(vcpu, STEP);
	expect_debug(vcpu, idle_1, DB, DR6_BS);
	set_debug(vcpu, 0);
	vcpu_expect_sync(vcpu, 1);
	vcpu_run(vcpu, KVM_EXIT_HLT);
}

/* ---- single steps -------------------------------------------------------- */

/* An instruction, and behind it a place where a step must end. */
#define STEP_ASM(insn)	insn "\n771:\n"					\
	".pushsection step_pcs, \"a\"\n	.quad 771b\n.popsection\n"

extern const u64 __start_step_pcs[], __stop_step_pcs[];
extern const char step_mmio_write[];

static u8 buffer[64];

GUEST_ASM(step_code,
	  ".code64\n"
	  STEP_ASM("nop")
	  STEP_ASM("cpuid")
	  STEP_ASM("mov %cr0, %rax")
	  STEP_ASM("mov %rax, %cr0")
	  STEP_ASM("mov %cr3, %rax")
	  STEP_ASM("mov %rax, %cr3")
	  STEP_ASM("mov %dr7, %rax")
	  STEP_ASM("mov $0xc0000082, %ecx")
	  STEP_ASM("rdmsr")
	  STEP_ASM("wrmsr")
	  STEP_ASM("rdtsc")
	  STEP_ASM("mov $0x42, %al")
	  STEP_ASM("out %al, $0x80")
	  STEP_ASM("in $0x80, %al")
	  STEP_ASM("step_mmio_write: mov %al, (%rsi)")
	  STEP_ASM("mov (%rsi), %al")
	  STEP_ASM("pushfq")
	  STEP_ASM("popfq")
	  STEP_ASM("sti")
	  STEP_ASM("nop")
	  STEP_ASM("cli")
	  STEP_ASM("mov %ss, %eax")
	  /* No step ends between MOV SS and the next (SDM 3, 6.8.3). */
	  "mov %eax, %ss\n"
	  STEP_ASM("nop")
	  STEP_ASM("mov $3, %ecx")
	  STEP_ASM("mov %r8, %rdi")
	  /* A repeated string instruction is stepped by rounds. */
	  "771: .pushsection step_pcs, \"a\"\n	.quad 771b, 771b\n.popsection\n"
	  STEP_ASM("rep stosb")
	  STEP_ASM("mov %rsp, %rax")
	  STEP_ASM("push $0x10")
	  STEP_ASM("push %rax")
	  STEP_ASM("pushfq")
	  STEP_ASM("push $0x8")
	  STEP_ASM("push $step_after_iret")
	  "iretq\n"
	  "int3\n"
	  "step_after_iret:\n"
	  STEP_ASM("")
	  STEP_ASM("nop")
	  STEP_ASM("mov %dr6, %rax")
	  "hlt\n");

/* One step, with what the instruction wants of user space. */
static void one_step(struct vcpu *vcpu)
{
	static u8 data[8];
	struct mmio_dev dev = { .base = MMIO_GPA, .size = 8, .data = data };
	struct kvm_run *r = vcpu->run;

	set_debug(vcpu, STEP);
	do {
		CHECK_EQ(vcpu_run_raw(vcpu), 0);
	} while (mmio_dev_serve(&dev, r) ||
		 (r->exit_reason == KVM_EXIT_IO && r->io.port == 0x80));
}

SUBTEST(single_steps_over_everything)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;

	vcpu_long_mode(vcpu, step_code, 0);
	get_regs(vcpu, &regs);
	regs.rsi = MMIO_GPA;
	regs.r8 = (uintptr_t)buffer;
	set_regs(vcpu, &regs);
	for (const u64 *pc = __start_step_pcs; pc < __stop_step_pcs; pc++) {
		test_doing("step %d", (int)(pc - __start_step_pcs));
		/* KVM of Linux 6.1 misses the end of an MMIO write. */
		if (device_is_kvm() && pc[-1] == (uintptr_t)step_mmio_write)
			continue;
		one_step(vcpu);
		check_debug(vcpu, *pc, DB);
		CHECK_EQ(vcpu->run->debug.arch.dr6, DR6_RESET | DR6_BS);
	}
	vcpu_run(vcpu, KVM_EXIT_HLT);
	get_regs(vcpu, &regs);
	/* The guest's own DR6 does not tell of the debugger. */
	CHECK_EQ(regs.rax, DR6_RESET);
}

GUEST_ASM(halt_code, ".code64\n	nop\nhalt_1: hlt\nhalt_2: nop\nhalt_3: nop\n"
	  SYNC_ASM(1));
extern const char halt_1[], halt_2[], halt_3[];

/* HLT is an exit of its own; the step goes on behind it. */
SUBTEST(single_step_over_hlt)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, halt_code, 0);
	one_step(vcpu);
	check_debug(vcpu, (uintptr_t)halt_1, DB);
	one_step(vcpu);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_HLT);
	one_step(vcpu);
	if (vcpu->run->debug.arch.pc == (uintptr_t)halt_2)
		one_step(vcpu);
	check_debug(vcpu, (uintptr_t)halt_3, DB);
}

static u64 after_fault;

static bool skip_fault(struct event_frame *f)
{
	if (f->vector != PF)
		return false;
	f->rip = after_fault;
	return true;
}

GUEST_ASM(fault_code, ".code64\n	nop\nfault_1: mov (%rsi), %al\nfault_2: nop\n"
	  "fault_3: nop\n" SYNC_ASM(1));
extern const char fault_1[], fault_2[], fault_3[];

/* Steps end in the handler or behind its IRET: the fault itself comes once. */
SUBTEST(single_step_over_a_page_fault)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_run *r = vcpu->run;
	struct kvm_regs regs;
	int steps = 0;

	vm_record_events(vm);
	guest_var(vm, guest_on_event) = skip_fault;
	guest_var(vm, after_fault) = (uintptr_t)fault_2;
	vcpu_long_mode(vcpu, fault_code, 0);
	get_regs(vcpu, &regs);
	regs.rsi = TEST_GVA;
	set_regs(vcpu, &regs);
	one_step(vcpu);
	check_debug(vcpu, (uintptr_t)fault_1, DB);
	do {
		CHECK(steps++ < 1000);
		one_step(vcpu);
		CHECK_EQ(r->exit_reason, KVM_EXIT_DEBUG);
	} while (r->debug.arch.pc != (uintptr_t)fault_3);
	vm_expect_events(vm, PF);
	CHECK_EQ(guest_var(vm, guest_events)[0].cr2, TEST_GVA);
	set_debug(vcpu, 0);
	vcpu_expect_sync(vcpu, 1);
}

/* ---- breakpoints in the code --------------------------------------------- */

GUEST_ASM(int3_code, ".code64\n	nop\nint3_1: int3\nint3_2: nop\n"
	  "int3_3: int3\nint3_4: " SYNC_ASM(1));
extern const char int3_1[], int3_2[], int3_3[], int3_4[];

SUBTEST(software_breakpoints)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;

	vm_record_events(vm);
	vcpu_long_mode(vcpu, int3_code, 0);
	set_debug(vcpu, SW_BP);
	expect_debug(vcpu, int3_1, BP, 0);
	/* As long as the instruction is there, it comes again. */
	expect_debug(vcpu, int3_1, BP, 0);
	get_regs(vcpu, &regs);
	regs.rip++;
	set_regs(vcpu, &regs);
	expect_debug(vcpu, int3_3, BP, 0);
	vm_expect_events(vm);
	/* It was the guest's own: it gets it, with RIP behind INT3. */
	set_debug(vcpu, SW_BP | KVM_GUESTDBG_INJECT_BP);
	vcpu_expect_sync(vcpu, 1);
	vm_expect_events(vm, BP);
	CHECK_EQ(guest_var(vm, guest_events)[0].rip, (uintptr_t)int3_4);
}

SUBTEST(int3_without_debugging_is_the_guests)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vm_record_events(vm);
	vcpu_long_mode(vcpu, int3_code, 0);
	set_debug(vcpu, HW_BP);
	vcpu_expect_sync(vcpu, 1);
	vm_expect_events(vm, BP, BP);
	CHECK_EQ(guest_var(vm, guest_events)[0].rip, (uintptr_t)int3_2);
}

SUBTEST(injected_debug_exception)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vm_record_events(vm);
	vcpu_long_mode(vcpu, idle_code, 0);
	set_debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_DB);
	/* One at a time. */
	CHECK_EQ(try_debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_DB), -EBUSY);
	CHECK_EQ(try_debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_BP), -EBUSY);
	vcpu_expect_sync(vcpu, 1);
	vm_expect_events(vm, DB);
	CHECK_EQ(guest_var(vm, guest_events)[0].rip, (uintptr_t)idle_code);
	CHECK_EQ(guest_var(vm, guest_events)[0].dr6, DR6_RESET);
}

/* ---- breakpoints in the debug registers ----------------------------------- */

static u32 watched[2];

GUEST_ASM(hw_code, ".code64\n"
	  "nop\n"
	  "hw_1: nop\n"
	  "mov (%rsi), %rax\n"
	  "hw_2: mov %rax, (%rsi)\n"
	  "hw_3: movl $1, 4(%rsi)\n"
	  "hw_4: movb $1, (%rsi)\n"
	  "hw_5: " SYNC_ASM(1));
extern const char hw_1[], hw_2[], hw_3[], hw_4[], hw_5[];

static struct vcpu *hw_vcpu(void)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;

	vcpu_long_mode(vcpu, hw_code, 0);
	get_regs(vcpu, &regs);
	regs.rsi = (uintptr_t)watched;
	set_regs(vcpu, &regs);
	return vcpu;
}

SUBTEST(execute_breakpoint)
{
	for (int n = 0; n < 4; n++) {
		struct vcpu *vcpu = hw_vcpu();
		struct kvm_regs regs;

		test_doing("DR%d", n);
		set_breakpoint(vcpu, n, (uintptr_t)hw_1, 0);
		expect_debug(vcpu, hw_1, DB, BIT(n));
		CHECK_EQ(vcpu->run->debug.arch.dr7, DR7_FIXED | DR7_L(n));
		/* RF lets the instruction pass (SDM 3, 17.3.1.1). */
		get_regs(vcpu, &regs);
		regs.rflags |= X86_EFLAGS_RF;
		set_regs(vcpu, &regs);
		vcpu_expect_sync(vcpu, 1);
		vm_free(vcpu->vm);
	}
}

SUBTEST(write_watchpoint)
{
	struct vcpu *vcpu = hw_vcpu();

	set_breakpoint(vcpu, 1, (uintptr_t)watched, DR7_RW(1, ON_WRITE) | DR7_LEN(1, 3));
	expect_debug(vcpu, hw_3, DB, BIT(1));
	/* A trap: the write is done, and it does not come again. */
	expect_debug(vcpu, hw_5, DB, BIT(1));
	vcpu_expect_sync(vcpu, 1);
}

SUBTEST(access_watchpoint)
{
	struct vcpu *vcpu = hw_vcpu();

	set_breakpoint(vcpu, 3, (uintptr_t)&watched[1], DR7_RW(3, ON_ACCESS) | DR7_LEN(3, 3));
	expect_debug(vcpu, hw_2, DB, BIT(3));
	expect_debug(vcpu, hw_3, DB, BIT(3));
	expect_debug(vcpu, hw_4, DB, BIT(3));
	vcpu_expect_sync(vcpu, 1);
}

/* The guest's registers: its own values, which do nothing for the moment. */
static void guest_own_breakpoint(u64 arg)
{
	u64 v;

	asm volatile("mov %0, %%dr0" : : "r"(watched));
	asm volatile("mov %0, %%dr2" : : "r"(0x1234ul));
	write_dr7(DR7_FIXED | DR7_L(0) | DR7_RW(0, ON_WRITE) | DR7_LEN(0, 3));
	GUEST_SYNC(1);
	/* User space has set other ones by now. */
	asm volatile("mov %%dr0, %0" : "=r"(v));
	GUEST_ASSERT_EQ(v, (uintptr_t)watched);
	asm volatile("mov %%dr1, %0" : "=r"(v));
	GUEST_ASSERT_EQ(v, 0);
	GUEST_ASSERT_EQ(read_dr6(), DR6_RESET);
	GUEST_ASSERT_EQ(read_dr7(), DR7_FIXED | DR7_L(0) | DR7_RW(0, ON_WRITE) |
			DR7_LEN(0, 3));
	WRITE_ONCE(watched[0], 1);
	asm volatile("mov %0, %%dr2" : : "r"(0x5678ul));
	GUEST_SYNC(2);
	asm volatile("mov %%dr2, %0" : "=r"(v));
	GUEST_ASSERT_EQ(v, 0x5678);
	GUEST_ASSERT_EQ(READ_ONCE(guest_nr_events), 0);
	WRITE_ONCE(watched[0], 2);
	GUEST_ASSERT_EQ(READ_ONCE(guest_nr_events), 1);
	GUEST_ASSERT_EQ(guest_events[0].vector, DB);
	GUEST_ASSERT_EQ(guest_events[0].dr6, DR6_RESET | 1);
}

SUBTEST(guest_keeps_its_debug_registers)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vm_record_events(vm);
	vcpu_long_mode(vcpu, guest_own_breakpoint, 0);
	vcpu_expect_sync(vcpu, 1);
	set_breakpoint(vcpu, 1, MMIO_GPA, 0);
	vcpu_expect_sync(vcpu, 2);
	set_debug(vcpu, 0);
	vcpu_expect_done(vcpu);
}

/* The debugger's general detect: the guest's next access of a debug register. */
GUEST_ASM(gd_code, ".code64\n	nop\ngd_1: mov %dr0, %rax\ngd_2: nop\n" SYNC_ASM(1));
extern const char gd_1[], gd_2[];

SUBTEST(general_detect)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	struct kvm_regs regs;

	vcpu_long_mode(vcpu, gd_code, 0);
	set_breakpoint(vcpu, 0, MMIO_GPA, DR7_GD);
	expect_debug(vcpu, gd_1, DB, DR6_BD);
	/* it comes as often as the instruction is tried */
	expect_debug(vcpu, gd_1, DB, DR6_BD);
	set_breakpoint(vcpu, 0, MMIO_GPA, 0);
	vcpu_expect_sync(vcpu, 1);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax & ~0xffull, 0);
}

/* ---- interrupts held back -------------------------------------------------- */

SUBTEST(nmi_waits_for_blockirq)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vm_record_events(vm);
	vcpu_long_mode(vcpu, idle_code, 0);
	set_debug(vcpu, STEP | KVM_GUESTDBG_BLOCKIRQ);
	CHECK_EQ(vcpu_nmi(vcpu), 0);
	expect_debug(vcpu, idle_1, DB, DR6_BS);
	expect_debug(vcpu, idle_2, DB, DR6_BS);
	vm_expect_events(vm);
	set_debug(vcpu, 0);
	vcpu_expect_sync(vcpu, 1);
	vm_expect_events(vm, NMI);
	CHECK_EQ(guest_var(vm, guest_events)[0].rip, (uintptr_t)idle_2);
}

/* ---- the matrix of class 26 -------------------------------------------------- */

#define SET_TF	"pushfq\n orl $0x100, (%rsp)\n popfq\n"
#define WATCH_RSI "mov %rsi, %dr0\n mov $0xf0401, %eax\n mov %rax, %dr7\n"
#define MIX(name, code)							\
	GUEST_ASM(mix_##name, ".code64\nmov %ss, %ecx\n mov %rcx, (%rsi)\n" code	\
		  "\nnop\n pushfq\n andl $~0x100, (%rsp)\n popfq\n"		\
		  "xor %eax, %eax\n mov %rax, %dr7\n" SYNC_ASM(1))

MIX(icebp, ".byte 0xf1");
MIX(int3, "int3");
MIX(int1_imm, "int $1");
MIX(tf, SET_TF "nop");
MIX(tf_icebp, SET_TF ".byte 0xf1");
MIX(tf_int3, SET_TF "int3");
MIX(tf_mov_ss, SET_TF "mov %ecx, %ss\n nop");
MIX(tf_mov_ss_icebp, SET_TF "mov %ecx, %ss\n .byte 0xf1");
MIX(tf_mov_ss_int3, SET_TF "mov %ecx, %ss\n int3");
MIX(tf_mov_ss_cpuid, SET_TF "mov %ss, %esi\n mov %esi, %ss\n cpuid");
MIX(tf_mov_ss_out, SET_TF "mov %ecx, %ss\n out %al, $0x80");
MIX(tf_sti, SET_TF "sti\n nop\n cli");
MIX(tf_sti_cpuid, SET_TF "sti\n cpuid\n cli");
MIX(tf_sti_out, SET_TF "sti\n out %al, $0x80\n cli");
MIX(tf_sti_hlt, SET_TF "sti\n hlt\n cli");
MIX(watch_mov_ss, WATCH_RSI "mov (%rsi), %ss\n nop");
MIX(watch_mov_ss_icebp, WATCH_RSI "mov (%rsi), %ss\n .byte 0xf1");
MIX(watch_mov_ss_int3, WATCH_RSI "mov (%rsi), %ss\n int3");
MIX(watch_mov_ss_int1, WATCH_RSI "mov (%rsi), %ss\n int $1");
MIX(watch_mov_ss_hlt, WATCH_RSI "mov (%rsi), %ss\n hlt");
MIX(watch_mov_ss_cpuid, WATCH_RSI "mov (%rsi), %ss\n cpuid");

#define MIXED(name)	{ #name, mix_##name }
static const struct {
	const char *name;
	const void *code;
} mixes[] = {
	MIXED(icebp), MIXED(int3), MIXED(int1_imm), MIXED(tf), MIXED(tf_icebp),
	MIXED(tf_int3), MIXED(tf_mov_ss), MIXED(tf_mov_ss_icebp), MIXED(tf_mov_ss_int3),
	MIXED(tf_mov_ss_cpuid), MIXED(tf_mov_ss_out), MIXED(tf_sti), MIXED(tf_sti_cpuid),
	MIXED(tf_sti_out), MIXED(tf_sti_hlt), MIXED(watch_mov_ss),
	MIXED(watch_mov_ss_icebp), MIXED(watch_mov_ss_int3), MIXED(watch_mov_ss_int1),
	MIXED(watch_mov_ss_hlt), MIXED(watch_mov_ss_cpuid),
};

/* Runs to the end, whatever the debugger sees; one that gets stuck stops. */
static void run_mix(struct vcpu *vcpu, u32 control)
{
	struct kvm_run *r = vcpu->run;
	u64 last = 0;
	struct ucall uc;
	int exits = 0;

	do {
		CHECK(exits++ < 1000);
		set_debug(vcpu, control);
		CHECK_EQ(vcpu_run_raw(vcpu), 0);
		if (r->exit_reason == KVM_EXIT_DEBUG) {
			/* An ICEBP or INT3, which stays where it is: it is the guest's. */
			if (r->debug.arch.pc == last || r->debug.arch.exception == BP)
				control = 0;
			last = r->debug.arch.pc;
		} else if (r->exit_reason != KVM_EXIT_HLT && r->exit_reason != KVM_EXIT_IO) {
			FAIL("expected the guest to go on, got %s",
			     exit_name(r->exit_reason));
		}
	} while (get_ucall(vcpu, &uc) != UCALL_SYNC);
	CHECK_EQ(uc.a, 1);
}

static void run_mixes(u32 control)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;

	vm_record_events(vm);
	for (u64 i = 0; i < ARRAY_SIZE(mixes); i++) {
		test_doing("%s with flags %#x", mixes[i].name, control);
		set_debug(vcpu, 0);
		guest_var(vm, guest_nr_events) = 0;
		vcpu_long_mode(vcpu, mixes[i].code, 0);
		get_regs(vcpu, &regs);
		regs.rsi = (uintptr_t)buffer;
		set_regs(vcpu, &regs);
		run_mix(vcpu, control);
		if (!control)
			CHECK(guest_var(vm, guest_nr_events) > 0);
	}
}

SUBTEST(class26_matrix_without_debugging)
{
	run_mixes(0);
}

SUBTEST(class26_matrix_single_stepped)
{
	run_mixes(STEP);
}

SUBTEST(class26_matrix_with_software_breakpoints)
{
	run_mixes(SW_BP);
}

SUBTEST(class26_matrix_with_hardware_breakpoints)
{
	run_mixes(HW_BP);
}

SUBTEST(class26_matrix_with_everything)
{
	run_mixes(STEP | SW_BP | HW_BP);
}

/* ICEBP is a #DB of its own: RIP behind it, nothing in DR6 (SDM 3, 6.15). */
SUBTEST(class26_icebp_is_delivered_once)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;

	vm_record_events(vm);
	vcpu_long_mode(vcpu, mix_icebp, 0);
	get_regs(vcpu, &regs);
	regs.rsi = (uintptr_t)buffer;
	set_regs(vcpu, &regs);
	vcpu_expect_sync(vcpu, 1);
	vm_expect_events(vm, DB);
	CHECK_EQ(guest_var(vm, guest_events)[0].dr6, DR6_RESET);
	CHECK_EQ(*(u8 *)vm_ptr(vm, guest_var(vm, guest_events)[0].rip - 1), 0xf1);
}
