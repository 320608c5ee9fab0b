// SPDX-License-Identifier: GPL-2.0
/*
 * modes - the modes of a guest: those it is started in, those it goes to by
 * itself, what GET_REGS and GET_SREGS say in each, and the control register
 * writes that the CPU must refuse or take (SDM volume 3, chapters 2, 9 and 20).
 */
#include "selftest.h"

#define SCRATCH		0x7e00		/* real mode: GDT pointer, CR3 */
#define BLOB		0x8000		/* real mode: code, as 0x800:0 */
#define MSR_EFER	"0xc0000080"

struct mode_bits {
	u64 cr0, cr4, efer;		/* of PE PG, PAE PSE, LME LMA */
	u8 l, db;			/* of CS */
};

static void check_mode(struct vcpu *vcpu, const struct mode_bits *m)
{
	struct kvm_sregs s;

	get_sregs(vcpu, &s);
	CHECK_EQ(s.cr0 & (X86_CR0_PE | X86_CR0_PG), m->cr0);
	CHECK_EQ(s.cr4 & (X86_CR4_PAE | X86_CR4_PSE), m->cr4);
	CHECK_EQ(s.efer & (EFER_LME | EFER_LMA), m->efer);
	CHECK_EQ(s.cs.l, m->l);
	CHECK_EQ(s.cs.db, m->db);
}

static const struct mode_bits real_mode;

static const struct mode_bits protected_mode = { .cr0 = X86_CR0_PE, .db = 1 };

static const struct mode_bits paging_32 = {
	.cr0 = X86_CR0_PE | X86_CR0_PG, .cr4 = X86_CR4_PSE, .db = 1,
};

static const struct mode_bits paging_pae = {
	.cr0 = X86_CR0_PE | X86_CR0_PG, .cr4 = X86_CR4_PAE, .db = 1,
};

static const struct mode_bits long_mode = {
	.cr0 = X86_CR0_PE | X86_CR0_PG, .cr4 = X86_CR4_PAE,
	.efer = EFER_LME | EFER_LMA, .l = 1,
};

static const struct mode_bits compat_mode = {
	.cr0 = X86_CR0_PE | X86_CR0_PG, .cr4 = X86_CR4_PAE,
	.efer = EFER_LME | EFER_LMA, .db = 1,
};

/* ---- started in a mode ----------------------------------------------- */

GUEST_ASM(real_code,
	  ".code16\n"
	  "mov $0x1234, %bx\n"
	  "mov %cs, %cx\n"
	  "call 1f\n"
	  SYNC_ASM(1)
	  "hlt\n"
	  SYNC_ASM(2)
	  "1: movw $0x5678, 0x9000\n"
	  "mov %sp, %dx\n"
	  "ret\n");

SUBTEST(start_real)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;

	vm_load(vm, BLOB, real_code, real_code_end);
	vcpu_real_mode(vcpu, BLOB >> 4, 0);
	check_mode(vcpu, &real_mode);
	vcpu_expect_sync(vcpu, 1);
	check_mode(vcpu, &real_mode);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rbx, 0x1234);
	CHECK_EQ(regs.rcx, BLOB >> 4);
	CHECK_EQ(regs.rdx, 0x7000 - 2);
	CHECK_EQ(regs.rsp, 0x7000);
	CHECK_EQ(*(u16 *)vm_ptr(vm, 0x9000), 0x5678);
	vcpu_run(vcpu, KVM_EXIT_HLT);
	/* HLT is over: the next run goes on behind it. */
	vcpu_expect_sync(vcpu, 2);
}

GUEST_ASM(flat_code,
	  ".code32\n"
	  "mov $0x12345678, %ebx\n"
	  "push %edi\n"
	  "pop %ecx\n"
	  "mov %esp, %edx\n"
	  "mov %ebx, 0x300000\n"
	  SYNC_ASM(1)
	  "hlt\n"
	  SYNC_ASM(2));

static void start_protected(enum paging paging, const struct mode_bits *mode)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;

	vcpu_protected_mode(vcpu, flat_code, 0xdeadbeef, paging);
	check_mode(vcpu, mode);
	vcpu_expect_sync(vcpu, 1);
	check_mode(vcpu, mode);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rbx, 0x12345678);
	CHECK_EQ(regs.rcx, 0xdeadbeef);
	CHECK_EQ(regs.rdx, vcpu->stack);
	CHECK_EQ(*(u32 *)vm_ptr(vm, 0x300000), 0x12345678);
	vcpu_run(vcpu, KVM_EXIT_HLT);
	vcpu_expect_sync(vcpu, 2);
}

SUBTEST(start_protected_no_paging)
{
	start_protected(NO_PAGING, &protected_mode);
}

SUBTEST(start_protected_paging_32)
{
	start_protected(PAGING_32, &paging_32);
}

SUBTEST(start_protected_paging_pae)
{
	start_protected(PAGING_PAE, &paging_pae);
}

static void guest_long(u64 arg)
{
	GUEST_ASSERT_EQ(arg, 0x123456789abcdef0);
	GUEST_SYNC(1);
	asm volatile("hlt");
	GUEST_SYNC(2);
}

SUBTEST(start_long)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, guest_long, 0x123456789abcdef0);
	check_mode(vcpu, &long_mode);
	vcpu_expect_sync(vcpu, 1);
	check_mode(vcpu, &long_mode);
	vcpu_run(vcpu, KVM_EXIT_HLT);
	vcpu_expect_sync(vcpu, 2);
	vcpu_expect_done(vcpu);
}

/* 64-bit code goes to compatibility mode and back by far returns. */
GUEST_ASM(compat_code,
	  ".code64\n"
	  "movabs $0x1122334455667788, %rbx\n"
	  "mov %rbx, %r8\n"
	  "pushq $0x18\n"
	  "pushq $1f\n"
	  "lretq\n"
	  ".code32\n"
	  "1: mov %esp, %ebp\n"
	  "inc %ebx\n"
	  SYNC_ASM(1)
	  "pushl $8\n"
	  "pushl $2f\n"
	  "lret\n"
	  ".code64\n"
	  "2:\n"
	  SYNC_ASM(2)
	  "hlt\n");

SUBTEST(compat_mode_by_guest)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;
	struct kvm_sregs s;

	vcpu_long_mode(vcpu, compat_code, 0);
	vcpu_expect_sync(vcpu, 1);
	check_mode(vcpu, &compat_mode);
	get_sregs(vcpu, &s);
	CHECK_EQ(s.cs.selector, SEL_CODE32);
	vcpu_expect_sync(vcpu, 2);
	check_mode(vcpu, &long_mode);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rbx, 0x55667789);		/* 32-bit INC clears the rest */
	CHECK_EQ(regs.r8, 0x1122334455667788);	/* out of its reach */
	vcpu_run(vcpu, KVM_EXIT_HLT);
}

/* ---- a tour of the modes by the guest itself ------------------------- */

GUEST_ASM(tour,
	  ".code16\n"
	  SYNC_ASM(1)
	  "lgdtl 0x7e00\n"
	  "mov %cr0, %eax\n	or $1, %eax\n	mov %eax, %cr0\n"
	  SYNC_ASM(2)
	  "ljmpl $0x18, $1f\n"
	  ".code32\n"
	  "1: mov $0x10, %eax\n"
	  "mov %eax, %ds\n	mov %eax, %es\n	mov %eax, %ss\n"
	  "mov $0x7000, %esp\n"
	  SYNC_ASM(3)
	  "mov %cr4, %eax\n	or $0x20, %eax\n	mov %eax, %cr4\n"
	  "mov 0x7e08, %eax\n	mov %eax, %cr3\n"
	  "mov $" MSR_EFER ", %ecx\n	rdmsr\n	or $0x100, %eax\n	wrmsr\n"
	  SYNC_ASM(4)
	  "mov %cr0, %eax\n	or $0x80000000, %eax\n	mov %eax, %cr0\n"
	  SYNC_ASM(5)
	  "ljmp $8, $2f\n"
	  ".code64\n"
	  "2: movabs $0x1122334455667788, %r15\n"
	  "lidt 0x7e10\n"
	  SYNC_ASM(6)
	  "pushq $0x18\n	pushq $3f\n	lretq\n"
	  ".code32\n"
	  "3:\n"
	  SYNC_ASM(7)
	  "mov %cr0, %eax\n	and $0x7fffffff, %eax\n	mov %eax, %cr0\n"
	  SYNC_ASM(8)
	  "mov $" MSR_EFER ", %ecx\n	rdmsr\n	and $~0x100, %eax\n	wrmsr\n"
	  "mov %cr4, %eax\n	and $~0x20, %eax\n	mov %eax, %cr4\n"
	  "ljmp $0x20, $(0x8000 + 4f - tour)\n"
	  ".code16\n"
	  "4: mov $0x28, %ax\n"
	  "mov %ax, %ds\n	mov %ax, %es\n	mov %ax, %ss\n"
	  SYNC_ASM(9)
	  "mov %cr0, %eax\n	and $~1, %eax\n	mov %eax, %cr0\n"
	  "ljmp $0x800, $(5f - tour)\n"
	  "5: xor %ax, %ax\n"
	  "mov %ax, %ds\n	mov %ax, %es\n	mov %ax, %ss\n"
	  SYNC_ASM(10)
	  "hlt\n");

SUBTEST(tour_real_protected_long_and_back)
{
	static const struct mode_bits stops[] = {
		{ 0 },
		{ 0 },				/* 1: real mode */
		{ .cr0 = X86_CR0_PE },		/* 2: CS is still 16-bit */
		{ .cr0 = X86_CR0_PE, .db = 1 },
		{ .cr0 = X86_CR0_PE, .cr4 = X86_CR4_PAE, .efer = EFER_LME,
		  .db = 1 },
		{ .cr0 = X86_CR0_PE | X86_CR0_PG, .cr4 = X86_CR4_PAE,
		  .efer = EFER_LME | EFER_LMA, .db = 1 },
		{ .cr0 = X86_CR0_PE | X86_CR0_PG, .cr4 = X86_CR4_PAE,
		  .efer = EFER_LME | EFER_LMA, .l = 1 },
		{ .cr0 = X86_CR0_PE | X86_CR0_PG, .cr4 = X86_CR4_PAE,
		  .efer = EFER_LME | EFER_LMA, .db = 1 },
		{ .cr0 = X86_CR0_PE, .cr4 = X86_CR4_PAE, .efer = EFER_LME,
		  .db = 1 },			/* 8: no paging, no LMA */
		{ .cr0 = X86_CR0_PE },		/* 9: 16-bit protected mode */
		{ 0 },				/* 10: real mode again */
	};
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;
	struct kvm_sregs s;
	u8 *scratch = vm_ptr(vm, SCRATCH);

	*(u16 *)scratch = GDT_BYTES - 1;
	*(u32 *)(scratch + 2) = vm->gdt;
	*(u32 *)(scratch + 8) = vm->pml4;
	*(u16 *)(scratch + 0x10) = 0x3ff;
	vm_load(vm, BLOB, tour, tour_end);
	vcpu_real_mode(vcpu, BLOB >> 4, 0);
	for (u64 stop = 1; stop < ARRAY_SIZE(stops); stop++) {
		vcpu_expect_sync(vcpu, stop);
		check_mode(vcpu, &stops[stop]);
		get_sregs(vcpu, &s);
		CHECK_EQ(s.gdt.base, stop == 1 ? 0 : vm->gdt);
		if (stop == 3)
			CHECK_EQ(s.ss.limit, ~0u);
	}
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.r15, 0x1122334455667788);
	CHECK_EQ(s.cs.base, BLOB);
	CHECK_EQ(s.idt.limit, 0x3ff);
	vcpu_run(vcpu, KVM_EXIT_HLT);
}

/* Protected mode leaves its 4 GiB limit behind in real mode. */
GUEST_ASM(unreal,
	  ".code16\n"
	  "lgdtl 0x7e00\n"
	  "mov %cr0, %eax\n	or $1, %eax\n	mov %eax, %cr0\n"
	  "mov $0x10, %bx\n	mov %bx, %ds\n"
	  "and $~1, %eax\n	mov %eax, %cr0\n"
	  "ljmp $0x800, $(1f - unreal)\n"
	  "1: movl $0x300000, %esi\n"
	  "movl $0xcafe, (%esi)\n"
	  SYNC_ASM(1)
	  "hlt\n");

SUBTEST(big_real_mode)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs s;
	u8 *scratch = vm_ptr(vm, SCRATCH);

	*(u16 *)scratch = GDT_BYTES - 1;
	*(u32 *)(scratch + 2) = vm->gdt;
	vm_load(vm, BLOB, unreal, unreal_end);
	vcpu_real_mode(vcpu, BLOB >> 4, 0);
	vcpu_expect_sync(vcpu, 1);
	get_sregs(vcpu, &s);
	CHECK_EQ(s.cr0 & X86_CR0_PE, 0);
	CHECK_EQ(s.ds.limit, ~0u);
	CHECK_EQ(*(u32 *)vm_ptr(vm, 0x300000), 0xcafe);
}

/* ---- from the reset vector ------------------------------------------- */

GUEST_ASM(rom,
	  ".code16\n"
	  SYNC_ASM(1)
	  "mov %cs:(rom_word - rom), %bx\n"
	  "ljmp $0x800, $0\n"
	  ".balign 2\n"
	  "rom_word: .word 0xb105\n");
GUEST_ASM(rom_next, ".code16\n" SYNC_ASM(2) "hlt\n");

SUBTEST(reset_vector)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);
	u8 *mem = mem_alloc(0x10000, MEM_ANON, NULL);
	struct kvm_regs regs;
	struct kvm_sregs s;

	/* The vCPU as it was made: SDM volume 3, table 9-1. */
	get_regs(vcpu, &regs);
	get_sregs(vcpu, &s);
	CHECK_EQ(regs.rip, 0xfff0);
	CHECK_EQ(regs.rflags, 2);
	CHECK_EQ(s.cs.base, 0xffff0000);
	CHECK_EQ(s.cs.selector, 0xf000);
	CHECK_EQ(s.cs.limit, 0xffff);
	CHECK_EQ(s.ds.base, 0);
	CHECK_EQ(s.ds.limit, 0xffff);
	CHECK_EQ(s.cr0, 0x60000010);
	CHECK_EQ(s.cr4, 0);
	CHECK_EQ(s.efer, 0);
	CHECK_EQ(s.idt.limit, 0xffff);
	CHECK_EQ(s.gdt.limit, 0xffff);

	memcpy(mem, rom, rom_end - rom);
	memcpy(mem + 0xfff0, "\xe9\x0d\x00", 3);	/* jmp 0x0000 */
	CHECK_EQ(set_region(vm, 1, KVM_MEM_READONLY, 0xffff0000, 0x10000, mem), 0);
	vm_load(vm, BLOB, rom_next, rom_next_end);
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_sync(vcpu, 2);
	get_regs(vcpu, &regs);
	get_sregs(vcpu, &s);
	CHECK_EQ(regs.rbx & 0xffff, 0xb105);
	CHECK_EQ(s.cs.base, BLOB);
	vcpu_run(vcpu, KVM_EXIT_HLT);
}

/* ---- interrupts and exceptions in real mode -------------------------- */

#define IVT_HANDLER(n)							\
	"ivt_" #n ": mov $" #n ", %bl\n jmp ivt_common\n"

GUEST_ASM(ivt_code,
	  ".code16\n"
	  "int $0x21\n"				/* bl, and CX the flags within */
	  SYNC_ASM(1)
	  "sti\n	int3\n"
	  SYNC_ASM(2)
	  "cli\n"
	  "xor %dx, %dx\n	xor %ax, %ax\n	xor %si, %si\n	div %si\n"
	  SYNC_ASM(3)
	  "ud2\n"
	  SYNC_ASM(4)
	  "mov 0xffff, %ax\n	.byte 0x66, 0x90\n"	/* beyond the limit */
	  SYNC_ASM(5)
	  "hlt\n"
	  "ivt_common:\n"
	  "pushf\n	pop %cx\n"
	  "mov %sp, %bp\n"
	  "mov (%bp), %di\n"			/* return IP */
	  "cmpb $0x21, %bl\n	je 1f\n"
	  "cmpb $3, %bl\n	je 1f\n"
	  "addw $2, (%bp)\n"			/* faults: over 2 bytes */
	  "cmpb $13, %bl\n	jne 1f\n"
	  "addw $1, (%bp)\n"			/* mov 0xffff,%ax is 3 */
	  "1: iret\n"
	  IVT_HANDLER(0) IVT_HANDLER(3) IVT_HANDLER(6) IVT_HANDLER(13)
	  IVT_HANDLER(0x21));

extern const char ivt_0[], ivt_3[], ivt_6[], ivt_13[], ivt_0x21[];

static void set_ivt(struct vm *vm, int vector, const char *handler)
{
	u32 *ivt = vm_ptr(vm, 0);

	ivt[vector] = (BLOB >> 4) << 16 | (handler - ivt_code);
}

SUBTEST(real_mode_interrupts)
{
	static const u8 vectors[] = { 0x21, 3, 0, 6, 13 };
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;

	set_ivt(vm, 0, ivt_0);
	set_ivt(vm, 3, ivt_3);
	set_ivt(vm, 6, ivt_6);
	set_ivt(vm, 13, ivt_13);
	set_ivt(vm, 0x21, ivt_0x21);
	vm_load(vm, BLOB, ivt_code, ivt_code_end);
	vcpu_real_mode(vcpu, BLOB >> 4, 0);
	for (u64 i = 0; i < ARRAY_SIZE(vectors); i++) {
		vcpu_expect_sync(vcpu, i + 1);
		get_regs(vcpu, &regs);
		CHECK_EQ(regs.rbx & 0xff, vectors[i]);
		CHECK_EQ(regs.rcx & X86_EFLAGS_IF, 0);
		CHECK_EQ(regs.rsp, 0x7000);
		/* IRET brought the flags back: IF was set around INT3 only. */
		CHECK_EQ(!!(regs.rflags & X86_EFLAGS_IF), i == 1);
		if (i == 0)
			CHECK_EQ(regs.rdi & 0xffff, 2);
	}
	vcpu_run(vcpu, KVM_EXIT_HLT);
}

SUBTEST(real_mode_idt_limit_shutdown)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs s;

	vm_load(vm, BLOB, ivt_code, ivt_code_end);
	vcpu_real_mode(vcpu, BLOB >> 4, 0);
	get_sregs(vcpu, &s);
	s.idt.limit = 3;		/* no vector but 0: INT, #GP, #DF, over */
	set_sregs(vcpu, &s);
	vcpu_run(vcpu, KVM_EXIT_SHUTDOWN);
}

static void guest_triple_fault(u64 arg)
{
	struct { u16 limit; u64 base; } __packed idt = { 0, 0 };

	asm volatile("lidt %0\n	ud2" : : "m"(idt));
}

SUBTEST(long_mode_triple_fault_shutdown)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, guest_triple_fault, 0);
	vcpu_run(vcpu, KVM_EXIT_SHUTDOWN);
}

/* ---- control registers ----------------------------------------------- */

static inline u64 read_cr0(void)
{
	u64 v;

	asm volatile("mov %%cr0, %0" : "=r"(v));
	return v;
}

static inline u64 read_cr3(void)
{
	u64 v;

	asm volatile("mov %%cr3, %0" : "=r"(v));
	return v;
}

static inline u64 read_cr4(void)
{
	u64 v;

	asm volatile("mov %%cr4, %0" : "=r"(v));
	return v;
}

#define EXPECT_GP(insn, ...) do {					\
	GUEST_TRY(insn, __VA_ARGS__);					\
	GUEST_ASSERT_EQ(guest_ex()->vector, GP);			\
	GUEST_ASSERT_EQ(guest_ex()->error, 0);				\
} while (0)
#define EXPECT_OK(insn, ...) do {					\
	GUEST_TRY(insn, __VA_ARGS__);					\
	GUEST_ASSERT_EQ(guest_ex()->vector, NO_EXCEPTION);		\
} while (0)

static void guest_bad_cr0(u64 arg)
{
	u64 cr0 = read_cr0();

	EXPECT_GP("mov %0, %%cr0", : "r"(cr0 & ~X86_CR0_PE));
	EXPECT_GP("mov %0, %%cr0", : "r"(cr0 & ~X86_CR0_PG));
	EXPECT_GP("mov %0, %%cr0", : "r"((cr0 | X86_CR0_NW) & ~X86_CR0_CD));
	EXPECT_GP("mov %0, %%cr0", : "r"(cr0 | BIT(32)));
	EXPECT_GP("mov %0, %%cr0", : "r"(cr0 | BIT(63)));
	GUEST_ASSERT_EQ(read_cr0(), cr0);
	GUEST_SYNC_VALUE(1, cr0);
}

SUBTEST(cr0_writes_that_must_fault)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs s;
	u64 cr0;

	vcpu_long_mode(vcpu, guest_bad_cr0, 0);
	cr0 = vcpu_expect_sync(vcpu, 1);
	get_sregs(vcpu, &s);
	CHECK_EQ(s.cr0, cr0);
	vcpu_expect_done(vcpu);
}

static void guest_good_cr0(u64 arg)
{
	u64 cr0 = read_cr0();
	static const u64 toggled[] = {
		X86_CR0_WP, X86_CR0_MP, X86_CR0_EM, X86_CR0_AM, X86_CR0_TS,
		X86_CR0_CD, X86_CR0_CD | X86_CR0_NW, X86_CR0_NE,
	};

	for (u64 i = 0; i < ARRAY_SIZE(toggled); i++) {
		u64 want = cr0 ^ toggled[i];

		EXPECT_OK("mov %0, %%cr0", : "r"(want));
		GUEST_ASSERT_EQ(read_cr0(), want);
		GUEST_SYNC_VALUE(1, want);
		GUEST_ASSERT_EQ(read_cr0(), want);
	}
	/* Reserved bits of the lower half are not taken but do not fault. */
	EXPECT_OK("mov %0, %%cr0", : "r"(cr0 | BIT(28)));
	GUEST_ASSERT_EQ(read_cr0(), cr0);
}

SUBTEST(cr0_writes_that_must_work)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs s;

	vcpu_long_mode(vcpu, guest_good_cr0, 0);
	for (int i = 0; i < 8; i++) {
		u64 want = vcpu_expect_sync(vcpu, 1);

		get_sregs(vcpu, &s);
		CHECK_EQ(s.cr0, want);
	}
	vcpu_expect_done(vcpu);
}

static u64 maxphyaddr;

static void guest_cr3_cr4(u64 arg)
{
	u64 cr3 = read_cr3(), cr4 = read_cr4();

	EXPECT_GP("mov %0, %%cr4", : "r"(cr4 & ~X86_CR4_PAE));
	EXPECT_GP("mov %0, %%cr4", : "r"(cr4 | BIT(31)));
	EXPECT_GP("mov %0, %%cr4", : "r"(cr4 | BIT(63)));
	EXPECT_GP("mov %0, %%cr4", : "r"(cr4 ^ X86_CR4_LA57));
	EXPECT_GP("mov %0, %%cr3", : "r"(cr3 | BIT(63)));
	EXPECT_GP("mov %0, %%cr3", : "r"(cr3 | BIT(maxphyaddr)));
	GUEST_ASSERT_EQ(read_cr3(), cr3);
	GUEST_ASSERT_EQ(read_cr4(), cr4);
	EXPECT_OK("mov %0, %%cr4", : "r"(cr4 | X86_CR4_PGE));
	GUEST_ASSERT_EQ(read_cr4(), cr4 | X86_CR4_PGE);
	EXPECT_OK("mov %0, %%cr4", : "r"(cr4 | X86_CR4_TSD | X86_CR4_DE));
	GUEST_ASSERT_EQ(read_cr4(), cr4 | X86_CR4_TSD | X86_CR4_DE);
	EXPECT_OK("mov %0, %%cr4", : "r"(cr4));
	EXPECT_OK("mov %0, %%cr3", : "r"(cr3 | X86_CR3_PCD));
	GUEST_ASSERT_EQ(read_cr3(), cr3 | X86_CR3_PCD);
}

SUBTEST(cr3_cr4_writes)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	maxphyaddr = 36;
	for (u32 i = 0; i < vm->cpuid->nent; i++)
		if (vm->cpuid->entries[i].function == 0x80000008)
			maxphyaddr = vm->cpuid->entries[i].eax & 0xff;
	guest_var(vm, maxphyaddr) = maxphyaddr;
	vcpu_long_mode(vcpu, guest_cr3_cr4, 0);
	vcpu_expect_done(vcpu);
}

static void guest_cr8(u64 arg)
{
	u64 v;

	EXPECT_GP("mov %0, %%cr8", : "r"(16ull));
	EXPECT_OK("mov %0, %%cr8", : "r"(5ull));
	asm volatile("mov %%cr8, %0" : "=r"(v));
	GUEST_ASSERT_EQ(v, 5);
	GUEST_SYNC(1);
	EXPECT_OK("mov %0, %%cr8", : "r"(3ull));
	asm volatile("mov %%cr8, %0" : "=r"(v));
	GUEST_ASSERT_EQ(v, 3);
}

SUBTEST(cr8)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs s;

	vcpu_long_mode(vcpu, guest_cr8, 0);
	vcpu_expect_sync(vcpu, 1);
	get_sregs(vcpu, &s);
	CHECK_EQ(s.cr8, 5);
	CHECK_EQ(vcpu->run->cr8, 5);
	/* Without an in-kernel local APIC, user space is told of a lower TPR. */
	vcpu_run(vcpu, KVM_EXIT_SET_TPR);
	CHECK_EQ(vcpu->run->cr8, 3);
	vcpu_expect_done(vcpu);
}

static void guest_efer(u64 arg)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(0xc0000080));
	GUEST_ASSERT_EQ(lo, EFER_LME | EFER_LMA | EFER_NX);
	GUEST_ASSERT_EQ(hi, 0);
	EXPECT_GP("wrmsr", : "c"(0xc0000080), "a"(lo & ~EFER_LME), "d"(0));
	EXPECT_GP("wrmsr", : "c"(0xc0000080), "a"(lo | BIT(1)), "d"(0));
	EXPECT_GP("wrmsr", : "c"(0xc0000080), "a"(lo), "d"(1));
	EXPECT_OK("wrmsr", : "c"(0xc0000080), "a"(lo | 1), "d"(0));
	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(0xc0000080));
	GUEST_ASSERT_EQ(lo, EFER_LME | EFER_LMA | EFER_NX | 1);
}

SUBTEST(efer_writes)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs s;

	vcpu_long_mode(vcpu, guest_efer, 0);
	vcpu_expect_done(vcpu);
	get_sregs(vcpu, &s);
	CHECK_EQ(s.efer, EFER_LME | EFER_LMA | EFER_NX | 1);
}

static void guest_clts_lmsw_smsw(u64 arg)
{
	u64 cr0 = read_cr0(), v;
	u16 msw;

	asm volatile("mov %0, %%cr0" : : "r"(cr0 | X86_CR0_TS));
	asm volatile("clts");
	GUEST_ASSERT_EQ(read_cr0(), cr0);
	/* LMSW takes MP, EM, TS; it can set PE but not clear it. */
	asm volatile("lmsw %w0" : : "r"(X86_CR0_TS | X86_CR0_EM));
	GUEST_ASSERT_EQ(read_cr0(), (cr0 & ~X86_CR0_MP) | X86_CR0_TS | X86_CR0_EM);
	asm volatile("lmsw %w0" : : "r"(0xfff0 | X86_CR0_MP));
	GUEST_ASSERT_EQ(read_cr0(), cr0);
	msw = X86_CR0_TS | X86_CR0_MP;
	asm volatile("lmsw %0" : : "m"(msw));
	GUEST_ASSERT_EQ(read_cr0(), cr0 | X86_CR0_TS);
	asm volatile("smsw %0" : "=r"(v));
	GUEST_ASSERT_EQ(v, cr0 | X86_CR0_TS);
	asm volatile("smsw %0" : "=m"(msw));
	GUEST_ASSERT_EQ(msw, (u16)(cr0 | X86_CR0_TS));
	GUEST_TRY("movups %%xmm0, %%xmm1");
	GUEST_ASSERT_EQ(guest_ex()->vector, NM);
	asm volatile("clts");
	EXPECT_OK("movups %%xmm0, %%xmm1");
}

SUBTEST(clts_lmsw_smsw)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, guest_clts_lmsw_smsw, 0);
	vcpu_expect_done(vcpu);
}

GUEST_ASM(lmsw_real,
	  ".code16\n"
	  "lgdtl 0x7e00\n"
	  "mov $1, %ax\n	lmsw %ax\n"
	  SYNC_ASM(1)
	  "xor %ax, %ax\n	lmsw %ax\n"	/* does not clear PE */
	  SYNC_ASM(2));

SUBTEST(lmsw_enters_protected_mode)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs s;

	vm_load(vm, BLOB, lmsw_real, lmsw_real_end);
	vcpu_real_mode(vcpu, BLOB >> 4, 0);
	for (int i = 1; i <= 2; i++) {
		vcpu_expect_sync(vcpu, i);
		get_sregs(vcpu, &s);
		CHECK_EQ(s.cr0 & X86_CR0_PE, X86_CR0_PE);
	}
}

/* PAE paging takes its four top entries when CR3 is loaded (SDM 3, 4.4.1). */
GUEST_ASM(pae_code,
	  ".code32\n"
	  "mov %cr3, %ebx\n"
	  "mov (%ebx), %eax\n	mov %eax, 8(%ebx)\n"	/* 1G.. as 0.. */
	  "movl $0x11223344, 0x300000\n"
	  "mov %ebx, %cr3\n"
	  "mov 0x40300000, %edx\n"
	  SYNC_ASM(1)
	  "orl $2, 8(%ebx)\n"			/* reserved in a PDPTE */
	  "mov %ebx, %cr3\n"
	  SYNC_ASM(2));

SUBTEST(pae_pdptes_follow_cr3)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;

	vcpu_protected_mode(vcpu, pae_code, 0, PAGING_PAE);
	vcpu_expect_sync(vcpu, 1);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rdx, 0x11223344);
	/* #GP, which has no handler here. */
	vcpu_run(vcpu, KVM_EXIT_SHUTDOWN);
}

/* ---- the guest's own TLB --------------------------------------------- */

static void guest_remap(u64 other_gpa)
{
	volatile u64 *p = (u64 *)TEST_GVA;
	u64 *pte = (u64 *)(TEST_GVA + PAGE_SIZE);	/* its page table */

	GUEST_ASSERT_EQ(*p, 1);
	*pte = other_gpa | PTE_P | PTE_W;
	asm volatile("invlpg (%0)" : : "r"(p) : "memory");
	GUEST_ASSERT_EQ(*p, 2);
	*pte = (other_gpa - PAGE_SIZE) | PTE_P | PTE_W;
	asm volatile("mov %%cr3, %%rax\n	mov %%rax, %%cr3" : : : "rax", "memory");
	GUEST_ASSERT_EQ(*p, 1);
}

SUBTEST(invlpg_and_cr3_flush)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 *pml4 = vm_ptr(vm, vm->pml4), table;

	*(u64 *)vm_ptr(vm, 0x300000) = 1;
	*(u64 *)vm_ptr(vm, 0x301000) = 2;
	vm_map(vm, TEST_GVA, 0x300000, PAGE_SIZE, PTE_P | PTE_W);
	table = pml4[TEST_GVA >> 39 & 511];
	for (int shift = 30; shift > 12; shift -= 9)
		table = ((u64 *)vm_ptr(vm, table & PTE_ADDR))[TEST_GVA >> shift & 511];
	vm_map(vm, TEST_GVA + PAGE_SIZE, table & PTE_ADDR, PAGE_SIZE, PTE_P | PTE_W);
	vcpu_long_mode(vcpu, guest_remap, 0x301000);
	vcpu_expect_done(vcpu);
}

/* ---- what GET and SET carry ------------------------------------------ */

GUEST_ASM(regs_code,
	  ".code64\n"
	  "regs_again:\n"
	  "not %rbx\n	not %rcx\n	not %rdx\n	not %rsi\n	not %rdi\n"
	  "not %rsp\n	not %rbp\n	not %r8\n	not %r9\n	not %r10\n"
	  "not %r11\n	not %r12\n	not %r13\n	not %r14\n	not %r15\n"
	  "not %rax\n"
	  "out %al, $0xe7\n"
	  "jmp regs_again\n");

SUBTEST(all_registers_both_ways)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs in, out;
	u64 *a = (u64 *)&in, *b = (u64 *)&out;

	vcpu_long_mode(vcpu, regs_code, 0);
	get_regs(vcpu, &in);
	for (int i = 0; i < 16; i++)
		a[i] = test_rand();
	in.rflags = 0x2 | X86_EFLAGS_CF | X86_EFLAGS_OF | X86_EFLAGS_DF |
		    X86_EFLAGS_ID;
	for (int round = 0; round < 3; round++) {
		set_regs(vcpu, &in);
		get_regs(vcpu, &out);
		CHECK(!memcmp(&in, &out, sizeof(in)));
		vcpu_run(vcpu, KVM_EXIT_IO);
		get_regs(vcpu, &out);
		for (int i = 0; i < 16; i++)
			CHECK_EQ(b[i], ~a[i]);
		CHECK_EQ(out.rflags, in.rflags);
		for (int i = 0; i < 16; i++)
			a[i] = test_rand();
		in.rip = (uintptr_t)regs_code;
	}
}

static void check_sregs_round_trip(struct vcpu *vcpu)
{
	struct kvm_sregs in, out;

	get_sregs(vcpu, &in);
	in.cr2 = 0x123456789000;
	in.fs.base = 0x12345000;
	in.gs.limit = 0xfff;
	in.gs.g = 0;
	in.gdt.base = 0x5000;
	in.gdt.limit = 0x77;
	in.idt.base = 0x6000;
	in.idt.limit = 0x88;
	in.ldt = (struct kvm_segment){ .selector = 0x50, .base = 0x7000,
		.limit = 0x1f, .type = 2, .present = 1 };
	in.tr.base = 0x9000;
	in.tr.limit = 0x67;
	in.cr8 = 9;
	set_sregs(vcpu, &in);
	get_sregs(vcpu, &out);
	CHECK(!memcmp(&in, &out, sizeof(in)));
}

SUBTEST(sregs_round_trip_in_every_mode)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_real_mode(vcpu, BLOB >> 4, 0);
	check_sregs_round_trip(vcpu);
	for (int paging = NO_PAGING; paging <= PAGING_PAE; paging++) {
		vcpu_protected_mode(vcpu, flat_code, 0, paging);
		check_sregs_round_trip(vcpu);
	}
	vcpu_long_mode(vcpu, guest_long, 0);
	check_sregs_round_trip(vcpu);
}

static int try_sregs(struct vcpu *vcpu, const struct kvm_sregs *s)
{
	return xioctl(vcpu->fd, KVM_SET_SREGS, (uintptr_t)s);
}

SUBTEST(sregs_that_cannot_be)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs good, bad;

	vcpu_long_mode(vcpu, guest_long, 0x123456789abcdef0);
	get_sregs(vcpu, &good);
	bad = good;
	bad.cr4 |= BIT(31);
	CHECK_EQ(try_sregs(vcpu, &bad), -EINVAL);
	bad = good;
	bad.cr4 &= ~X86_CR4_PAE;
	CHECK_EQ(try_sregs(vcpu, &bad), -EINVAL);
	bad = good;
	bad.efer &= ~EFER_LMA;
	CHECK_EQ(try_sregs(vcpu, &bad), -EINVAL);
	bad = good;
	bad.cr3 |= BIT(62);
	CHECK_EQ(try_sregs(vcpu, &bad), -EINVAL);
	bad = good;
	bad.cr0 |= BIT(40);
	CHECK_EQ(try_sregs(vcpu, &bad), -EINVAL);
	/* None of them left a trace. */
	get_sregs(vcpu, &bad);
	CHECK(!memcmp(&good, &bad, sizeof(good)));
	vcpu_expect_sync(vcpu, 1);
}
