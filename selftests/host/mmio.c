// SPDX-License-Identifier: GPL-2.0
/*
 * mmio - memory accesses that no slot backs. Most instructions are judged by the
 * CPU itself: the guest runs each one on RAM, which needs no emulation, and on
 * MMIO, with equal contents, and both must leave the same registers, flags and
 * memory. The rest looks at single exits, at borders of pages and slots, and at
 * code that cannot be emulated.
 */
#include "selftest.h"

#define BUF	0x300000ul

/* ---- the exits of plain moves ---------------------------------------- */

static void guest_widths(u64 arg)
{
	u64 v = 0x1122334455667788, r = ~0ull;
	void *p = (void *)(MMIO_GPA + 8);

	asm volatile("movb %b0, (%1)" : : "r"(v), "r"(p) : "memory");
	asm volatile("movw %w0, (%1)" : : "r"(v), "r"(p) : "memory");
	asm volatile("movl %k0, (%1)" : : "r"(v), "r"(p) : "memory");
	asm volatile("movq %q0, (%1)" : : "r"(v), "r"(p) : "memory");
	asm volatile("movb (%1), %b0" : "+r"(r) : "r"(p) : "memory");
	GUEST_ASSERT_EQ(r, 0xffffffffffffff88);
	asm volatile("movw (%1), %w0" : "+r"(r) : "r"(p) : "memory");
	GUEST_ASSERT_EQ(r, 0xffffffffffff7788);
	asm volatile("movl (%1), %k0" : "+r"(r) : "r"(p) : "memory");
	GUEST_ASSERT_EQ(r, 0x55667788);
	asm volatile("movq (%1), %q0" : "+r"(r) : "r"(p) : "memory");
	GUEST_ASSERT_EQ(r, v);
}

SUBTEST(one_exit_for_each_move)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 value = 0x1122334455667788;

	vcpu_long_mode(vcpu, guest_widths, 0);
	for (int len = 1; len <= 8; len *= 2)
		CHECK(!memcmp(vcpu_expect_mmio_write(vcpu, MMIO_GPA + 8, len),
			      &value, len));
	for (int len = 1; len <= 8; len *= 2)
		memcpy(vcpu_expect_mmio_read(vcpu, MMIO_GPA + 8, len), &value, len);
	vcpu_expect_done(vcpu);
}

static void guest_one_read(u64 arg)
{
	u64 v = 1;

	asm volatile("movl (%1), %%eax\n	hlt" : "+a"(v) : "r"(MMIO_GPA));
}

SUBTEST(read_completes_before_immediate_exit)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs before, after;

	vcpu_long_mode(vcpu, guest_one_read, 0);
	*(u32 *)vcpu_expect_mmio_read(vcpu, MMIO_GPA, 4) = 0xfeedbeef;
	get_regs(vcpu, &before);
	vcpu_complete(vcpu);
	get_regs(vcpu, &after);
	CHECK_EQ(after.rax, 0xfeedbeef);
	/* The HLT is next: it ends one byte behind. */
	vcpu_run(vcpu, KVM_EXIT_HLT);
	get_regs(vcpu, &before);
	CHECK_EQ(before.rip, after.rip + 1);
}

SUBTEST(class07_hostile_mmio_fields)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_run *r = vcpu->run;
	u64 value = 0x1122334455667788;

	vcpu_long_mode(vcpu, guest_widths, 0);
	for (int i = 0; i < 8; i++) {
		int len = 1 << i % 4;

		if (i < 4)
			vcpu_expect_mmio_write(vcpu, MMIO_GPA + 8, len);
		else
			memcpy(vcpu_expect_mmio_read(vcpu, MMIO_GPA + 8, len),
			       &value, len);
		r->mmio.len = ~0u;
		r->mmio.phys_addr = ~0ull;
		r->mmio.is_write = ~r->mmio.is_write;
		r->exit_reason = KVM_EXIT_IO;
	}
	vcpu_expect_done(vcpu);
}

/* ---- instructions, MMIO against RAM ---------------------------------- */

struct form {				/* made by FORM() */
	const void *code;
	const char *text;
	u64 flags;			/* that the instruction defines */
};

struct form_regs {
	u64 rax, rbx, rcx, rdx, flags;
};

/*
 * An instruction (or several, with ;) on (%rdi); (%rsi) is RAM. RCX is below 64.
 * ALL, LOGIC, CF and so on say which of the arithmetic flags are defined afterwards.
 */
#define FORM(group, defined, insn)					\
	asm(".pushsection .text\n771: " insn "\n	ret\n.popsection\n" \
	    ".pushsection .rodata\n772: .asciz \"" insn "\"\n.popsection\n" \
	    ".pushsection forms_" #group ", \"a\"\n"			\
	    ".quad 771b, 772b, flags_" #defined "\n.popsection\n")
GUEST_ASM_SET(flags_ALL, 0xcd5);	/* CF PF AF ZF SF DF OF */
GUEST_ASM_SET(flags_LOGIC, 0xcc5);	/* not AF */
GUEST_ASM_SET(flags_CF, 0x401);		/* bit tests: CF, and DF as always */
GUEST_ASM_SET(flags_SHIFT, 0x4c5);	/* by more than one: not OF, not AF */
GUEST_ASM_SET(flags_SCAN, 0x440);	/* ZF */
GUEST_ASM_SET(flags_COUNT, 0x441);	/* ZF and CF */
GUEST_ASM_SET(flags_MUL, 0xc01);	/* CF OF */
GUEST_ASM_SET(flags_NONE, 0x400);

FORM(mov, ALL, "movb (%rdi), %al");
FORM(mov, ALL, "movb (%rdi), %ah");
FORM(mov, ALL, "movb (%rdi), %r8b; movzbl %r8b, %eax");
FORM(mov, ALL, "movw (%rdi), %ax");
FORM(mov, ALL, "movl (%rdi), %eax");
FORM(mov, ALL, "movq (%rdi), %rax");
FORM(mov, ALL, "movq (%rdi), %r15; movq %r15, %rbx");
FORM(mov, ALL, "movl 8(%rdi,%rcx,4), %edx");
FORM(mov, ALL, "movl -8(%rdi), %edx");
FORM(mov, ALL, "movl 0x100(%rdi), %edx");
FORM(mov, ALL, "movl (%edi), %ebx");
FORM(mov, ALL, "movb %al, (%rdi)");
FORM(mov, ALL, "movb %ah, (%rdi)");
FORM(mov, ALL, "movb %bh, 3(%rdi)");
FORM(mov, ALL, "mov %eax, %r9d; movb %r9b, (%rdi)");
FORM(mov, ALL, "movw %ax, (%rdi)");
FORM(mov, ALL, "movl %eax, (%rdi)");
FORM(mov, ALL, "movq %rax, (%rdi)");
FORM(mov, ALL, "movq %rbx, (%rdi,%rcx,8)");
FORM(mov, ALL, "movb $0x5a, (%rdi)");
FORM(mov, ALL, "movw $0x1234, (%rdi)");
FORM(mov, ALL, "movl $0x12345678, (%rdi)");
FORM(mov, ALL, "movq $-2, (%rdi)");
FORM(mov, ALL, "movq $0x7fffffff, 1(%rdi)");
FORM(mov, ALL, "movw (%rdi), %r10w; movw %r10w, 5(%rdi)");

FORM(extend, ALL, "movzbw (%rdi), %ax");
FORM(extend, ALL, "movzbl (%rdi), %eax");
FORM(extend, ALL, "movzbq (%rdi), %rax");
FORM(extend, ALL, "movzwl (%rdi), %eax");
FORM(extend, ALL, "movzwq (%rdi), %rax");
FORM(extend, ALL, "movsbw (%rdi), %ax");
FORM(extend, ALL, "movsbl (%rdi), %eax");
FORM(extend, ALL, "movsbq (%rdi), %rax");
FORM(extend, ALL, "movswl (%rdi), %eax");
FORM(extend, ALL, "movswq (%rdi), %rax");
FORM(extend, ALL, "movslq (%rdi), %rax");

FORM(rmw, ALL, "xchgb %al, (%rdi)");
FORM(rmw, ALL, "xchgw %ax, (%rdi)");
FORM(rmw, ALL, "xchgl %eax, (%rdi)");
FORM(rmw, ALL, "xchgq %rax, (%rdi)");
FORM(rmw, ALL, "addb %al, (%rdi)");
FORM(rmw, ALL, "addw %ax, (%rdi)");
FORM(rmw, ALL, "addl %eax, (%rdi)");
FORM(rmw, ALL, "addq %rax, (%rdi)");
FORM(rmw, ALL, "lock addl %ebx, (%rdi)");
FORM(rmw, ALL, "addl $-1, (%rdi)");
FORM(rmw, ALL, "addl $0x12345678, (%rdi)");
FORM(rmw, ALL, "addq $-128, (%rdi)");
FORM(rmw, ALL, "adcl %eax, (%rdi)");
FORM(rmw, ALL, "subl %eax, (%rdi)");
FORM(rmw, ALL, "sbbq %rax, (%rdi)");
FORM(rmw, ALL, "addb (%rdi), %al");
FORM(rmw, ALL, "addl (%rdi), %eax");
FORM(rmw, ALL, "subq (%rdi), %rax");
FORM(rmw, ALL, "cmpb %al, (%rdi)");
FORM(rmw, ALL, "cmpl %eax, (%rdi)");
FORM(rmw, ALL, "cmpq (%rdi), %rax");
FORM(rmw, ALL, "cmpb $0x40, (%rdi)");
FORM(rmw, ALL, "cmpl $0x40, (%rdi)");
FORM(rmw, LOGIC, "orb %al, (%rdi)");
FORM(rmw, LOGIC, "orl %eax, (%rdi)");
FORM(rmw, LOGIC, "lock orq %rax, (%rdi)");
FORM(rmw, LOGIC, "orl $0x80, (%rdi)");
FORM(rmw, LOGIC, "orl (%rdi), %eax");
FORM(rmw, LOGIC, "andb $0xf, (%rdi)");
FORM(rmw, LOGIC, "andw %ax, (%rdi)");
FORM(rmw, LOGIC, "andl $0x0f0f0f0f, (%rdi)");
FORM(rmw, LOGIC, "andq %rax, (%rdi)");
FORM(rmw, LOGIC, "andl (%rdi), %eax");
FORM(rmw, LOGIC, "xorl %eax, (%rdi)");
FORM(rmw, LOGIC, "xorb (%rdi), %al");
FORM(rmw, LOGIC, "testb %al, (%rdi)");
FORM(rmw, LOGIC, "testl %eax, (%rdi)");
FORM(rmw, LOGIC, "testb $0x81, (%rdi)");
FORM(rmw, LOGIC, "testl $0x80000001, (%rdi)");
FORM(rmw, ALL, "incl (%rdi)");
FORM(rmw, ALL, "decb (%rdi)");
FORM(rmw, ALL, "lock incq (%rdi)");
FORM(rmw, ALL, "negl (%rdi)");
FORM(rmw, ALL, "notl (%rdi)");
FORM(rmw, CF, "btl $5, (%rdi)");
FORM(rmw, CF, "btsl $5, (%rdi)");
FORM(rmw, CF, "btrl $37, (%rdi)");
FORM(rmw, CF, "btcq $63, (%rdi)");
FORM(rmw, CF, "lock btsl $31, (%rdi)");
FORM(rmw, CF, "btsl %ecx, (%rdi)");
FORM(rmw, CF, "btrq %rcx, (%rdi)");
FORM(rmw, CF, "neg %rcx; btsl %ecx, (%rdi)");
FORM(rmw, CF, "btw %cx, (%rdi)");
FORM(rmw, ALL, "cmpxchgb %bl, (%rdi)");
FORM(rmw, ALL, "cmpxchgw %bx, (%rdi)");
FORM(rmw, ALL, "cmpxchgl %ebx, (%rdi)");
FORM(rmw, ALL, "lock cmpxchgl %ebx, (%rdi)");
FORM(rmw, ALL, "lock cmpxchgq %rbx, (%rdi)");
FORM(rmw, ALL, "xaddl %eax, (%rdi)");
FORM(rmw, ALL, "lock xaddq %rbx, (%rdi)");

FORM(rmw, ALL, "lock cmpxchg8b (%rdi)");
FORM(rmw, ALL, "mov (%rsi), %rax; cmpxchg8b 8(%rdi)");

FORM(shift, LOGIC, "shlb $1, (%rdi)");
FORM(shift, SHIFT, "shll $5, (%rdi)");
FORM(shift, SHIFT, "shrw $3, (%rdi)");
FORM(shift, SHIFT, "sarq $40, (%rdi)");
FORM(shift, LOGIC, "sarl $1, (%rdi)");
FORM(shift, CF, "mov $5, %cl; rolb %cl, (%rdi)");
FORM(shift, CF, "rorl $9, (%rdi)");
FORM(shift, CF, "rclw $4, (%rdi)");
FORM(shift, CF, "rcrq $33, (%rdi)");
FORM(shift, SHIFT, "mov $3, %cl; shrl %cl, (%rdi)");
FORM(shift, ALL, "xor %ecx, %ecx; mov %eax, %eax; shlq %cl, (%rdi)");
FORM(shift, SHIFT, "shldl $7, %eax, (%rdi)");
FORM(shift, SHIFT, "shrdq $50, %rbx, (%rdi)");
FORM(shift, SHIFT, "mov $9, %cl; shldw %cl, %dx, (%rdi)");
FORM(shift, MUL, "imull (%rdi), %eax");
FORM(shift, MUL, "imulq $-77, (%rdi), %rdx");
FORM(shift, MUL, "imulw $1234, (%rdi), %bx");
FORM(shift, MUL, "mulb (%rdi)");
FORM(shift, MUL, "mull (%rdi)");
FORM(shift, MUL, "imulq (%rdi)");
FORM(shift, NONE, "movl $7, %edx; orb $16, 3(%rdi); divl (%rdi)");
FORM(shift, NONE, "movb $77, (%rdi); movzbl %al, %eax; divb (%rdi)");
FORM(shift, NONE, "orq $2, (%rdi); andq $255, (%rdi); sar $8, %rax; "
		   "cqto; idivq (%rdi)");
FORM(shift, SCAN, "bsfl (%rdi), %eax");
FORM(shift, SCAN, "bsrq (%rdi), %rbx");
FORM(shift, SCAN, "bsfw (%rdi), %dx");

FORM(other, ALL, "sete (%rdi)");
FORM(other, ALL, "setnl 7(%rdi)");
FORM(other, ALL, "cmovbl (%rdi), %eax");
FORM(other, ALL, "cmovnsq (%rdi), %rbx");
FORM(other, ALL, "movbe (%rdi), %eax");
FORM(other, ALL, "movbe %rbx, (%rdi)");
FORM(other, ALL, "movnti %eax, (%rdi)");
FORM(other, ALL, "movnti %rbx, (%rdi)");
FORM(other, ALL, "mov %rdi, %rbx; xlatb; xor %ebx, %ebx");
FORM(other, ALL, "prefetcht0 (%rdi); movl (%rdi), %eax");

/*
 * What the emulator of KVM 6.1 lacks or takes for another instruction: POPCNT is
 * not in its tables, LZCNT and TZCNT are BSR and BSF to it, MOVBE has no
 * 16-bit form, vectors are moved whole.
 */
FORM(lodge, ALL, "movbe (%rdi), %dx");
FORM(lodge, ALL, "popcntl (%rdi), %eax");
FORM(lodge, ALL, "popcntq (%rdi), %rbx");
FORM(lodge, COUNT, "lzcntl (%rdi), %eax");
FORM(lodge, COUNT, "tzcntq (%rdi), %rbx");
FORM(lodge, COUNT, "movw $0, (%rdi); tzcntw (%rdi), %ax");
FORM(lodge, ALL, "lock cmpxchg16b (%rdi)");
FORM(lodge, ALL, "mov (%rdi), %rax; mov 8(%rdi), %rdx; cmpxchg16b (%rdi)");
FORM(lodge, ALL, "movups (%rsi), %xmm0; movss (%rdi), %xmm0; movups %xmm0, (%rsi)");
FORM(lodge, ALL, "movups (%rsi), %xmm0; movsd (%rdi), %xmm0; movups %xmm0, (%rsi)");
FORM(lodge, ALL, "movups (%rsi), %xmm3; movlps (%rdi), %xmm3; movups %xmm3, (%rsi)");
FORM(lodge, ALL, "movups (%rsi), %xmm3; movhps (%rdi), %xmm3; movups %xmm3, (%rsi)");
FORM(lodge, ALL, "movups (%rsi), %xmm4; movq (%rdi), %xmm4; movups %xmm4, (%rsi)");
FORM(lodge, ALL, "movups (%rsi), %xmm4; movd (%rdi), %xmm4; movups %xmm4, (%rsi)");
FORM(lodge, ALL, "movups (%rsi), %xmm5; movss %xmm5, (%rdi)");
FORM(lodge, ALL, "movups (%rsi), %xmm5; movsd %xmm5, (%rdi)");
FORM(lodge, ALL, "movups (%rsi), %xmm6; movhps %xmm6, (%rdi)");
FORM(lodge, ALL, "movups (%rsi), %xmm6; movlpd %xmm6, (%rdi)");
FORM(lodge, ALL, "movups (%rsi), %xmm8; movq %xmm8, (%rdi)");
FORM(lodge, ALL, "movups (%rsi), %xmm8; movd %xmm8, (%rdi)");
FORM(lodge, ALL, "lddqu 5(%rdi), %xmm1; movups %xmm1, (%rsi)");
FORM(lodge, ALL, "movntdqa (%rdi), %xmm1; movups %xmm1, (%rsi)");

FORM(stack, ALL, "pushq (%rdi); popq %rax");
FORM(stack, ALL, "pushw (%rdi); popw %ax");
FORM(stack, ALL, "pushq %rbx; popq (%rdi)");
FORM(stack, ALL, "pushw %bx; popw (%rdi)");
FORM(stack, ALL, "mov %rsp, %r8; lea 16(%rdi), %rsp; push %rax; push %rbx; pop %rcx; "
		  "mov %r8, %rsp");

FORM(string, ALL, "stosb");
FORM(string, ALL, "stosw");
FORM(string, ALL, "stosl");
FORM(string, ALL, "stosq");
FORM(string, ALL, "rep stosb");
FORM(string, ALL, "rep stosl");
FORM(string, ALL, "rep stosq");
FORM(string, ALL, "std; rep stosw; cld");
FORM(string, ALL, "movsb");
FORM(string, ALL, "movsl");
FORM(string, ALL, "rep movsb");
FORM(string, ALL, "rep movsw");
FORM(string, ALL, "rep movsq");
FORM(string, ALL, "std; rep movsl; cld");
FORM(string, ALL, "xchg %rsi, %rdi; rep movsb");
FORM(string, ALL, "xchg %rsi, %rdi; rep movsl");
FORM(string, ALL, "xchg %rsi, %rdi; rep movsq");
FORM(string, ALL, "xchg %rsi, %rdi; std; rep movsb; cld");
FORM(string, ALL, "lea 256(%rdi), %rsi; rep movsl");
FORM(string, ALL, "lea 1(%rdi), %rsi; rep movsb");
FORM(string, ALL, "xchg %rsi, %rdi; lodsb");
FORM(string, ALL, "xchg %rsi, %rdi; lodsq");
FORM(string, ALL, "xchg %rsi, %rdi; rep lodsl");

FORM(string, ALL, "cmpsb");
FORM(string, ALL, "cmpsq");
FORM(string, ALL, "repe cmpsb");
FORM(string, ALL, "repne cmpsl");
FORM(string, ALL, "scasb");
FORM(string, ALL, "repne scasb");
FORM(string, ALL, "repe scasl");

FORM(sse, ALL, "movups (%rdi), %xmm0; movups %xmm0, (%rsi)");
FORM(sse, ALL, "movdqu (%rdi), %xmm9; movups %xmm9, (%rsi)");
FORM(sse, ALL, "movaps (%rdi), %xmm0; movups %xmm0, (%rsi)");
FORM(sse, ALL, "movdqa (%rdi), %xmm7; movups %xmm7, (%rsi)");
FORM(sse, ALL, "movups (%rsi), %xmm0; movups %xmm0, (%rdi)");
FORM(sse, ALL, "movups (%rsi), %xmm1; movdqu %xmm1, 3(%rdi)");
FORM(sse, ALL, "movups (%rsi), %xmm2; movaps %xmm2, (%rdi)");
FORM(sse, ALL, "movups (%rsi), %xmm12; movdqa %xmm12, 16(%rdi)");
FORM(sse, ALL, "movups (%rsi), %xmm1; movntps %xmm1, (%rdi)");
FORM(sse, ALL, "movups (%rsi), %xmm1; movntdq %xmm1, (%rdi)");

#define TABLE(group)							\
	extern const struct form __start_forms_##group[],		\
				 __stop_forms_##group[]
TABLE(mov);
TABLE(extend);
TABLE(rmw);
TABLE(shift);
TABLE(other);
TABLE(lodge);
TABLE(stack);
TABLE(string);
TABLE(sse);

#define AREA	2048			/* bytes of each copy, target at the middle */
#define AUX	(BUF + 0x10000)		/* (%rsi) of the RAM run, then of the other */

static struct form_regs form_regs[2];

/* Loads the registers, runs the code, stores the registers. */
GUEST_ASM(form_runner,
	  "push %rbx\n	push %rbp\n	push %r12\n	push %r13\n"
	  "push %r14\n	push %r15\n"
	  "mov %rsi, %r14\n	mov %rdx, %r13\n	mov %rcx, %rsi\n"
	  "mov (%r14), %rax\n	mov 8(%r14), %rbx\n"
	  "mov 16(%r14), %rcx\n	mov 24(%r14), %rdx\n"
	  "pushq 32(%r14)\n	popfq\n"
	  "call *%r13\n"
	  "pushfq\n	popq 32(%r14)\n"
	  "mov %rax, (%r14)\n	mov %rbx, 8(%r14)\n"
	  "mov %rcx, 16(%r14)\n	mov %rdx, 24(%r14)\n"
	  "pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n"
	  "pop %rbp\n	pop %rbx\n"
	  "ret\n");

static void run_form(u64 mem, struct form_regs *regs, const void *code, u64 aux)
{
	((void (*)(u64 mem, struct form_regs *regs, const void *code, u64 aux))
	 (uintptr_t)form_runner)(mem, regs, code, aux);
}

static void guest_form(u64 code)
{
	for (;;) {
		GUEST_SYNC(1);
		run_form(BUF + AREA / 2, &form_regs[0], (void *)code, AUX + AREA / 2);
		run_form(MMIO_GPA + AREA / 2, &form_regs[1], (void *)code,
			 AUX + AREA + AREA / 2);
		GUEST_SYNC(2);
	}
}

/* Registers of the round: random, then RAX equal to memory, zeros, ones. */
static struct form_regs choose_regs(int round, const u8 *mem)
{
	struct form_regs r = { test_rand(), test_rand(), test_rand() % 64,
			       test_rand(), 2 | (test_rand() & 0x8d5) };

	if (round == 1)
		memcpy(&r.rax, mem, 8);
	else if (round == 2)
		r.rax = 0;
	else if (round == 3)
		r.rax = ~0ull;
	return r;
}

static void check_form(struct vcpu *vcpu, const struct form *f, int round, u8 *mmio)
{
	struct vm *vm = vcpu->vm;
	u8 *ram = vm_ptr(vm, BUF), *aux = vm_ptr(vm, AUX);
	struct mmio_dev dev = { MMIO_GPA, AREA, mmio };
	struct form_regs in, out[2];
	struct ucall uc;

	CHECK_EQ(vcpu_serve_mmio(vcpu, &dev, &uc), UCALL_SYNC);
	CHECK_EQ(uc.a, 1);
	for (int i = 0; i < AREA; i++) {
		mmio[i] = test_rand();
		aux[i] = test_rand();
	}
	memcpy(ram, mmio, AREA);
	memcpy(aux + AREA, aux, AREA);
	in = choose_regs(round, ram + AREA / 2);
	guest_var(vm, form_regs)[0] = in;
	guest_var(vm, form_regs)[1] = in;

	CHECK_EQ(vcpu_serve_mmio(vcpu, &dev, &uc), UCALL_SYNC);
	CHECK_EQ(uc.a, 2);
	memcpy(out, guest_var(vm, form_regs), sizeof(out));
	CHECK(in.rcx == 0 || dev.reads + dev.writes > 0);
	CHECK_EQ(out[1].rax, out[0].rax);
	CHECK_EQ(out[1].rbx, out[0].rbx);
	CHECK_EQ(out[1].rcx, out[0].rcx);
	CHECK_EQ(out[1].rdx, out[0].rdx);
	CHECK_EQ(out[1].flags & f->flags, out[0].flags & f->flags);
	CHECK(!memcmp(mmio, ram, AREA));
	CHECK(!memcmp(aux + AREA, aux, AREA));
}

static void check_forms(const struct form *f, const struct form *end)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	static u8 mmio[AREA];

	for (; f < end; f++) {
		test_doing("%s", f->text);
		vcpu_long_mode(vcpu, guest_form, f->code);
		for (int round = 0; round < 6; round++)
			check_form(vcpu, f, round, mmio);
	}
}

#define FORMS_SUBTEST(name, group)					\
	SUBTEST(name)							\
	{								\
		check_forms(__start_forms_##group, __stop_forms_##group); \
	}

FORMS_SUBTEST(forms_of_mov, mov)
FORMS_SUBTEST(forms_that_extend, extend)
FORMS_SUBTEST(forms_that_modify, rmw)
FORMS_SUBTEST(forms_that_shift_and_multiply, shift)
FORMS_SUBTEST(forms_of_other_kinds, other)
FORMS_SUBTEST(forms_on_the_stack, stack)
FORMS_SUBTEST(forms_of_strings, string)
FORMS_SUBTEST(forms_of_16_bytes, sse)

SUBTEST(forms_that_kvm_lacks)
{
	if (device_is_kvm())
		SKIP("the emulator of KVM 6.1 does not have them");
	check_forms(__start_forms_lodge, __stop_forms_lodge);
}

/* ---- borders --------------------------------------------------------- */

struct access {
	u64 addr, value;
	u8 size;
	bool write;
};

static struct access access_job;

static void guest_access(u64 arg)
{
	struct access *a = &access_job;
	u64 v = a->value;

	if (a->size == 2 && a->write)
		asm volatile("movw %w0, (%1)" : : "r"(v), "r"(a->addr) : "memory");
	else if (a->size == 4 && a->write)
		asm volatile("movl %k0, (%1)" : : "r"(v), "r"(a->addr) : "memory");
	else if (a->write)
		asm volatile("movq %q0, (%1)" : : "r"(v), "r"(a->addr) : "memory");
	else if (a->size == 2)
		asm volatile("movzwl (%1), %k0" : "=r"(v) : "r"(a->addr) : "memory");
	else if (a->size == 4)
		asm volatile("movl (%1), %k0" : "=r"(v) : "r"(a->addr) : "memory");
	else
		asm volatile("movq (%1), %q0" : "=r"(v) : "r"(a->addr) : "memory");
	a->value = v;
}

/* An access of @size bytes at @addr; its bytes are @first's last and @second's. */
static void check_split(struct vcpu *vcpu, u64 addr, u8 size, struct mmio_dev *dev,
			u8 *first, u8 *second)
{
	u32 n = PAGE_SIZE - (addr & (PAGE_SIZE - 1));
	struct vm *vm = vcpu->vm;
	struct access *job = &guest_var(vm, access_job);
	u8 bytes[8], got[8] = { 0 };
	struct ucall uc;
	u64 v = 0;

	for (int write = 0; write < 2; write++) {
		for (int i = 0; i < size; i++)
			bytes[i] = test_rand();
		memcpy(&v, bytes, size);
		if (!write) {
			memcpy(first + PAGE_SIZE - n, bytes, n);
			memcpy(second, bytes + n, size - n);
		}
		*job = (struct access){ addr, write ? v : 0, size, write };
		vcpu_long_mode(vcpu, guest_access, 0);
		CHECK_EQ(vcpu_serve_mmio(vcpu, dev, &uc), UCALL_DONE);
		if (!write) {
			CHECK_EQ(job->value, v);
		} else {
			memcpy(got, first + PAGE_SIZE - n, n);
			memcpy(got + n, second, size - n);
			CHECK(!memcmp(got, bytes, size));
		}
	}
}

static void check_page_border(u64 first_gpa, u64 second_gpa)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	static u8 mmio[4 * PAGE_SIZE];
	struct mmio_dev dev = { MMIO_GPA, sizeof(mmio), mmio };
	u8 *first = first_gpa >= MMIO_GPA ? mmio + (first_gpa - MMIO_GPA) :
		    vm_ptr(vm, first_gpa);
	u8 *second = second_gpa >= MMIO_GPA ? mmio + (second_gpa - MMIO_GPA) :
		     vm_ptr(vm, second_gpa);

	vm_map(vm, TEST_GVA, first_gpa, PAGE_SIZE, PTE_P | PTE_W);
	vm_map(vm, TEST_GVA + PAGE_SIZE, second_gpa, PAGE_SIZE, PTE_P | PTE_W);
	for (int size = 2; size <= 8; size *= 2)
		for (int n = 1; n < size; n++)
			check_split(vcpu, TEST_GVA + PAGE_SIZE - n, size, &dev, first,
				    second);
}

SUBTEST(class06_mmio_from_ram_into_mmio)
{
	check_page_border(BUF, MMIO_GPA);
}

SUBTEST(class06_mmio_from_mmio_into_ram)
{
	check_page_border(MMIO_GPA + PAGE_SIZE, BUF);
}

SUBTEST(class06_mmio_over_two_mmio_pages)
{
	check_page_border(MMIO_GPA + 2 * PAGE_SIZE, MMIO_GPA);
}

SUBTEST(over_the_end_of_a_slot)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *mem = vm_add_mem(vm, 1, TEST_GPA, PAGE_SIZE, MEM_ANON);
	static u8 mmio[PAGE_SIZE];
	struct mmio_dev dev = { TEST_GPA + PAGE_SIZE, sizeof(mmio), mmio };

	for (int size = 2; size <= 8; size *= 2)
		for (int n = 1; n < size; n++)
			check_split(vcpu, TEST_GPA + PAGE_SIZE - n, size, &dev, mem,
				    mmio);
}

static void guest_unmapped_half(u64 addr)
{
	u64 v = 0;

	/* The second page is not mapped: #PF, and no half of a write is seen. */
	GUEST_TRY("movl %k0, (%1)", : "r"(v), "r"(addr) : "memory");
	GUEST_ASSERT_EQ(guest_ex()->vector, PF);
	GUEST_ASSERT_EQ(guest_ex()->error, 2);
	GUEST_ASSERT_EQ(guest_ex()->cr2, TEST_GVA + PAGE_SIZE);
	GUEST_TRY("movl (%1), %k0", "+r"(v) : "r"(addr) : "memory");
	GUEST_ASSERT_EQ(guest_ex()->vector, PF);
	GUEST_ASSERT_EQ(guest_ex()->error, 0);
	GUEST_ASSERT_EQ(guest_ex()->cr2, TEST_GVA + PAGE_SIZE);
}

SUBTEST(mmio_into_unmapped_page_faults)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vm_map(vm, TEST_GVA, MMIO_GPA, PAGE_SIZE, PTE_P | PTE_W);
	vcpu_long_mode(vcpu, guest_unmapped_half, TEST_GVA + PAGE_SIZE - 2);
	vcpu_expect_done(vcpu);
}

static void user_touch(u64 addr)
{
	GUEST_TRY("movl $1, (%0)", : "r"(addr) : "memory");
	GUEST_ASSERT_EQ(guest_ex()->vector, PF);
	GUEST_ASSERT_EQ(guest_ex()->error, 7);
	GUEST_ASSERT_EQ(guest_ex()->cr2, TEST_GVA);
}

static void guest_user_touch(u64 addr)
{
	guest_user_call(user_touch, addr);
	/* Read-only for the supervisor, whose CR0.WP is set. */
	GUEST_TRY("rep stosb", : "D"(addr + PAGE_SIZE), "c"(4ull), "a"(0) : "memory");
	GUEST_ASSERT_EQ(guest_ex()->vector, PF);
	GUEST_ASSERT_EQ(guest_ex()->error, 3);
}

/* The guest's own page protection comes before any exit. */
SUBTEST(mmio_obeys_guest_page_rights)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vm_map(vm, TEST_GVA, MMIO_GPA, PAGE_SIZE, PTE_P | PTE_W);
	vm_map(vm, TEST_GVA + PAGE_SIZE, MMIO_GPA, PAGE_SIZE, PTE_P);
	vcpu_long_mode(vcpu, guest_user_touch, TEST_GVA);
	vcpu_expect_done(vcpu);
}

/* ---- read-only slots -------------------------------------------------- */

static void guest_read_only(u64 arg)
{
	volatile u32 *p = (u32 *)TEST_GPA;

	GUEST_ASSERT_EQ(p[0], 0x11111111);
	p[0] = 0x22222222;
	GUEST_ASSERT_EQ(p[0], 0x11111111);
	asm volatile("lock addl $1, (%0)" : : "r"(p) : "memory");
	GUEST_ASSERT_EQ(p[0], 0x11111111);
	asm volatile("rep movsl" : : "D"(p), "S"(BUF), "c"(2ull) : "memory");
	GUEST_ASSERT_EQ(p[1], 0);
}

SUBTEST(write_to_read_only_slot_is_mmio)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u32 *mem = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);
	u8 data[8] = { 0 };
	struct mmio_dev dev = { TEST_GPA, sizeof(data), data };
	struct ucall uc;

	mem[0] = 0x11111111;
	memcpy(vm_ptr(vm, BUF), "abcdefgh", 8);
	CHECK_EQ(set_region(vm, 1, KVM_MEM_READONLY, TEST_GPA, PAGE_SIZE, mem), 0);
	vcpu_long_mode(vcpu, guest_read_only, 0);
	CHECK_EQ(*(u32 *)vcpu_expect_mmio_write(vcpu, TEST_GPA, 4), 0x22222222);
	CHECK_EQ(*(u32 *)vcpu_expect_mmio_write(vcpu, TEST_GPA, 4), 0x11111112);
	CHECK_EQ(vcpu_serve_mmio(vcpu, &dev, &uc), UCALL_DONE);
	CHECK_EQ(dev.bytes_written, 8);
	CHECK_EQ(dev.reads, 0);
	CHECK(!memcmp(dev.data, "abcdefgh", 8));
	CHECK_EQ(mem[0], 0x11111111);
	CHECK_EQ(mem[1], 0);
}

/* ---- code ------------------------------------------------------------- */

/* movl $0x12345678, 0x10(%rdi), then hlt; with up to 8 idle prefixes before. */
static const u8 store_insn[] = { 0xc7, 0x47, 0x10, 0x78, 0x56, 0x34, 0x12, 0xf4 };

/* The instruction itself lies on two pages that are not neighbours. */
SUBTEST(class01_page_crossing_fetch)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *first = vm_ptr(vm, BUF + 8 * PAGE_SIZE), *second = vm_ptr(vm, BUF);
	u8 code[16], *data;

	vm_map(vm, TEST_GVA, BUF + 8 * PAGE_SIZE, PAGE_SIZE, PTE_P);
	vm_map(vm, TEST_GVA + PAGE_SIZE, BUF, PAGE_SIZE, PTE_P);
	for (u32 prefixes = 0; prefixes <= 8; prefixes += 4) {
		u32 len = prefixes + sizeof(store_insn);

		memset(code, 0x3e, prefixes);
		memcpy(code + prefixes, store_insn, sizeof(store_insn));
		for (u32 n = 0; n <= len; n++) {
			memcpy(first + PAGE_SIZE - n, code, n);
			memcpy(second, code + n, len - n);
			vcpu_long_mode_at(vcpu, TEST_GVA + PAGE_SIZE - n, MMIO_GPA);
			data = vcpu_expect_mmio_write(vcpu, MMIO_GPA + 0x10, 4);
			CHECK_EQ(*(u32 *)data, 0x12345678);
			vcpu_run(vcpu, KVM_EXIT_HLT);
		}
	}
}

static void guest_too_long(u64 arg)
{
	/* 9 prefixes and 7 bytes are 16, one too many: #GP by the CPU. */
	GUEST_TRY(".fill 9, 1, 0x3e\n	movl $1, 0x10(%0)", : "D"(MMIO_GPA));
	GUEST_ASSERT_EQ(guest_ex()->vector, GP);
}

SUBTEST(class01_instruction_of_16_bytes)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, guest_too_long, 0);
	vcpu_expect_done(vcpu);
}

/* KVM cannot emulate code that has to be fetched from MMIO; it says so. */
SUBTEST(code_in_mmio_is_an_internal_error)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;

	vcpu_long_mode_at(vcpu, MMIO_GPA, 0);
	vcpu_run(vcpu, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(vcpu->run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rip, MMIO_GPA);
}

GUEST_ASM(fld_code, ".code64\n	fldl (%rdi)\n	hlt\n");

SUBTEST(class02_undecodable_instruction_on_mmio)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_run *r = vcpu->run;
	struct kvm_regs regs;

	vcpu_long_mode(vcpu, fld_code, MMIO_GPA);
	vcpu_run(vcpu, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(r->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	CHECK(r->emulation_failure.ndata >= 3);
	CHECK(r->emulation_failure.flags &
	      KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES);
	CHECK(r->emulation_failure.insn_size >= 2);
	CHECK(r->emulation_failure.insn_size <= 15);
	CHECK(!memcmp(r->emulation_failure.insn_bytes, fld_code, 2));
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rip, (uintptr_t)fld_code);
	/* The VM is not lost: with RAM there, the same instruction goes on. */
	regs.rdi = BUF;
	set_regs(vcpu, &regs);
	vcpu_run(vcpu, KVM_EXIT_HLT);
}

static void user_fld(u64 addr)
{
	GUEST_TRY("fldl (%0)", : "r"(addr));
	GUEST_ASSERT_EQ(guest_ex()->vector, UD);
}

static void guest_user_fld(u64 addr)
{
	guest_user_call(user_fld, addr);
}

/* A guest's user must not be able to stop the guest (CVE-2014-7842). */
SUBTEST(class27_undecodable_instruction_at_cpl3)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, guest_user_fld, MMIO_GPA);
	vcpu_expect_done(vcpu);
}

/*
 * Another vCPU rewrites the instruction all the time: what is fetched, decoded
 * and carried out must be one of the two, whole. %esi chooses the other byte.
 */
GUEST_ASM(rewritten,
	  ".code64\n"
	  "mov $0x41414141, %eax\n"
	  "rewritten_insn: movl %eax, (%rdi)\n"	/* 89 07, or 88 07: movb */
	  "jmp rewritten_insn\n");
GUEST_ASM(rewriter,
	  ".code64\n"
	  "1: movb $0x88, (%rdi)\n	movb $0x89, (%rdi)\n	jmp 1b\n");
extern const char rewritten_insn[];

static void *run_rewriter(void *arg)
{
	CHECK_EQ(vcpu_run_raw(arg), -EINTR);
	return NULL;
}

SUBTEST(class05_instruction_rewritten_by_another_vcpu)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0), *other = vcpu_create(vm, 1);
	struct kvm_run *r = vcpu->run;
	struct thread t;

	vcpu_long_mode(vcpu, rewritten, MMIO_GPA);
	vcpu_long_mode(other, rewriter, rewritten_insn);
	thread_start(&t, nr_cpus() - 1, run_rewriter, other);
	for (int i = 0; i < 1000; i++) {
		vcpu_run(vcpu, KVM_EXIT_MMIO);
		CHECK_EQ(r->mmio.phys_addr, MMIO_GPA);
		CHECK(r->mmio.is_write);
		CHECK(r->mmio.len == 1 || r->mmio.len == 4);
		CHECK(!memcmp(r->mmio.data, "AAAA", r->mmio.len));
	}
	thread_stop(&t);
}

/* ---- other modes ------------------------------------------------------ */

GUEST_ASM(mmio_real,
	  ".code16\n"
	  "mov $0xb800, %ax\n	mov %ax, %ds\n	mov %ax, %es\n"
	  "movw $0x1234, 0x10\n"
	  "mov 0x12, %al\n"
	  "mov $0x20, %di\n	mov $2, %cx\n	cld\n"
	  "rep stosb\n"
	  "hlt\n");

SUBTEST(real_mode_video_memory)
{
	struct vm *vm = vm_create_bare();
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);
	u8 *mem = vm_add_mem(vm, 0, 0, 0xa0000, MEM_ANON);
	u8 data[2] = { 0 };
	struct mmio_dev dev = { 0xb8020, sizeof(data), data };

	memcpy(mem + 0x8000, mmio_real, mmio_real_end - mmio_real);
	vcpu_real_mode(vcpu, 0x800, 0);
	CHECK_EQ(*(u16 *)vcpu_expect_mmio_write(vcpu, 0xb8010, 2), 0x1234);
	*vcpu_expect_mmio_read(vcpu, 0xb8012, 1) = 0x77;
	while (dev.bytes_written < 2) {
		CHECK_EQ(vcpu_run_raw(vcpu), 0);
		CHECK(mmio_dev_serve(&dev, vcpu->run));
	}
	CHECK(dev.data[0] == 0x77 && dev.data[1] == 0x77);
	vcpu_run(vcpu, KVM_EXIT_HLT);
}

GUEST_ASM(mmio_32,
	  ".code32\n"
	  "movl $0x11223344, (%edi)\n"
	  "movb 4(%edi), %ah\n"
	  "pushl (%edi)\n"
	  "popl %ebx\n"
	  "hlt\n");

static void check_mmio_32(enum paging paging)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;

	vcpu_protected_mode(vcpu, mmio_32, MMIO_GPA, paging);
	CHECK_EQ(*(u32 *)vcpu_expect_mmio_write(vcpu, MMIO_GPA, 4), 0x11223344);
	*vcpu_expect_mmio_read(vcpu, MMIO_GPA + 4, 1) = 0x99;
	*(u32 *)vcpu_expect_mmio_read(vcpu, MMIO_GPA, 4) = 0xabcdef01;
	vcpu_run(vcpu, KVM_EXIT_HLT);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax & 0xff00, 0x9900);
	CHECK_EQ(regs.rbx, 0xabcdef01);
}

SUBTEST(protected_mode_no_paging)
{
	check_mmio_32(NO_PAGING);
}

SUBTEST(protected_mode_paging_32)
{
	check_mmio_32(PAGING_32);
}

SUBTEST(protected_mode_paging_pae)
{
	check_mmio_32(PAGING_PAE);
}
