/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest of `lodge bench`: 64-bit code that is copied to BENCH_CODE and runs a routine
 * in rounds, with the time stamp counter read before and after each. bench_guest.h has
 * what it shares with the host.
 *
 * Routines keep RBX, RBP, RSP and R12 to R15. RBP is the vCPU's struct bench_shared. What
 * they return in RAX is added up: it counts if the row says that they take their own time.
 */
#include "bench_guest.h"

#define MSR_APIC_BASE		0x1b
#define MSR_X2APIC_EOI		0x80b
#define MSR_X2APIC_TPR		0x808
#define MSR_X2APIC_SVR		0x80f
#define MSR_X2APIC_ICR		0x830
#define MSR_X2APIC_LVTT		0x832
#define MSR_X2APIC_SELF_IPI	0x83f
#define MSR_TSC_DEADLINE	0x6e0
#define XAPIC			0xfee00000
#define XAPIC_SVR		0xf0
#define SVR			(0x100 | BENCH_VECTOR_SPURIOUS)
#define ICR_SELF		0x40000
#define CR0_CD			(1 << 30)
#define CR4_PSE			(1 << 4)

	/* RAX: the counter, after all before it is done and before all behind it. */
	.macro	STAMP
	lfence
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	lfence
	.endm

	.macro	WRITE_MSR msr
	mov	$\msr, %ecx
	xor	%edx, %edx
	wrmsr
	.endm

	.macro	ENTRY name
	.balign	16
	.globl	bench_guest_\name
	.hidden	bench_guest_\name
bench_guest_\name:
	.endm

	.section .rodata.bench_guest, "a", @progbits
	.balign	64
	.globl	bench_guest
	.hidden	bench_guest
bench_guest:

/* ---- vCPUs begin here ------------------------------------------------------- */

ENTRY main
	call	apic_on
again:
	mov	SHARED_ROUNDS(%rbp), %r15
	mov	$BENCH_RESULTS, %r14d
round:
	cmpq	$0, SHARED_TELL(%rbp)
	je	1f
	out	%al, $BENCH_PORT_NEXT
1:	mov	SHARED_BATCH(%rbp), %r13
	mov	SHARED_ARG0(%rbp), %rdi
	mov	SHARED_ARG1(%rbp), %rsi
	xor	%ebx, %ebx
	STAMP
	mov	%rax, %r12
2:	call	*SHARED_ROUTINE(%rbp)
	add	%rax, %rbx
	dec	%r13
	jnz	2b
	STAMP
	sub	%r12, %rax
	cmpq	$0, SHARED_OWN(%rbp)
	cmovne	%rbx, %rax
	mov	%rax, (%r14)
	add	$8, %r14
	dec	%r15
	jnz	round
	out	%al, $BENCH_PORT_DONE
	jmp	again

ENTRY spin
	call	apic_on
	incq	SHARED_COUNT(%rbp)
1:	jmp	1b

ENTRY sleep
	call	apic_on
	incq	SHARED_COUNT(%rbp)
1:	hlt
	jmp	1b

/* The local APIC as the host wants it. */
apic_on:
	cmpq	$BENCH_APIC_X, SHARED_APIC(%rbp)
	jb	1f
	je	xapic_on
	mov	$MSR_APIC_BASE, %ecx
	rdmsr
	or	$0xc00, %eax
	wrmsr
	mov	$SVR, %eax
	WRITE_MSR MSR_X2APIC_SVR
	xor	%eax, %eax
	WRITE_MSR MSR_X2APIC_TPR
	mov	SHARED_LVTT(%rbp), %eax
	WRITE_MSR MSR_X2APIC_LVTT
1:	ret

xapic_on:
	mov	$XAPIC, %eax
	movl	$SVR, XAPIC_SVR(%rax)
	ret

/* ---- interrupts and exceptions ----------------------------------------------- */

ENTRY trap
	out	%al, $BENCH_PORT_TRAP
	jmp	bench_guest_trap

ENTRY irq
	push	%rax
	push	%rcx
	push	%rdx
	STAMP
	mov	%rax, SHARED_STAMP(%rbp)
	incq	SHARED_COUNT(%rbp)
	xor	%eax, %eax
	WRITE_MSR MSR_X2APIC_EOI
	pop	%rdx
	pop	%rcx
	pop	%rax
	iretq

ENTRY irq_eoi
	push	%rax
	push	%rcx
	push	%rdx
	push	%r8
	STAMP
	mov	%rax, %r8
	xor	%eax, %eax
	WRITE_MSR MSR_X2APIC_EOI
	STAMP
	sub	%r8, %rax
	mov	%rax, SHARED_STAMP(%rbp)
	incq	SHARED_COUNT(%rbp)
	pop	%r8
	pop	%rdx
	pop	%rcx
	pop	%rax
	iretq

ENTRY irq_back
	push	%rax
	push	%rcx
	push	%rdx
	incq	SHARED_COUNT(%rbp)
	xor	%eax, %eax
	WRITE_MSR MSR_X2APIC_EOI
	mov	$BENCH_VECTOR, %eax
	WRITE_MSR MSR_X2APIC_ICR
	pop	%rdx
	pop	%rcx
	pop	%rax
	iretq

ENTRY irq_spurious
	iretq

/* ---- routines: nothing --------------------------------------------------------- */

ENTRY empty
	xor	%eax, %eax
	ret

ENTRY empty_timed
	STAMP
	mov	%rax, %r8
	xor	%eax, %eax
	mov	$MSR_X2APIC_EOI, %ecx
	xor	%edx, %edx
	STAMP
	sub	%r8, %rax
	ret

/* ---- routines: an instruction -------------------------------------------------- */

ENTRY cpuid
	mov	%rbx, %r8
	mov	%edi, %eax
	xor	%ecx, %ecx
	cpuid
	mov	%r8, %rbx
	ret

/* A hypercall's arguments are RBX, RCX, RDX and RSI: this number takes none. */
ENTRY vmcall
	mov	%rdi, %rax
	vmcall
	ret

ENTRY rdmsr
	mov	%edi, %ecx
	rdmsr
	ret

ENTRY wrmsr
	mov	%edi, %ecx
	mov	%esi, %eax
	mov	%rsi, %rdx
	shr	$32, %rdx
	wrmsr
	ret

/* There and back again: two exits where the bit is the host's. */
ENTRY cr0
	mov	%cr0, %rax
	xor	%rdi, %rax
	mov	%rax, %cr0
	xor	%rdi, %rax
	mov	%rax, %cr0
	ret

ENTRY cr4
	mov	%cr4, %rax
	xor	%rdi, %rax
	mov	%rax, %cr4
	xor	%rdi, %rax
	mov	%rax, %cr4
	ret

ENTRY cr3
	mov	%cr3, %rax
	mov	%rax, %cr3
	ret

ENTRY cr8
	mov	%rdi, %cr8
	ret

ENTRY xsetbv
	xor	%ecx, %ecx
	mov	%edi, %eax
	xor	%edx, %edx
	xsetbv
	ret

ENTRY wbinvd
	wbinvd
	ret

ENTRY invlpg
	invlpg	(%rdi)
	ret

ENTRY hlt
	hlt
	ret

/* ---- routines: ports and memory -------------------------------------------------- */

ENTRY out
	mov	%edi, %edx
	mov	%esi, %eax
	out	%al, %dx
	ret

ENTRY outl
	mov	%edi, %edx
	out	%eax, %dx
	ret

ENTRY in
	mov	%edi, %edx
	in	%dx, %al
	ret

ENTRY outsb
	mov	SHARED_ARG0(%rbp), %edx
	mov	SHARED_ARG1(%rbp), %rsi
	mov	SHARED_ARG2(%rbp), %rcx
	rep outsb
	ret

ENTRY store
	mov	%esi, (%rdi)
	ret

ENTRY load
	mov	(%rdi), %eax
	ret

/* Each call a page, or whatever RSI is, further. */
ENTRY walk_store
	mov	SHARED_POINTER(%rbp), %rax
	mov	%esi, (%rax)
	add	%rsi, %rax
	mov	%rax, SHARED_POINTER(%rbp)
	ret

ENTRY walk_load
	mov	SHARED_POINTER(%rbp), %rax
	mov	(%rax), %ecx
	add	%rsi, %rax
	mov	%rax, SHARED_POINTER(%rbp)
	ret

/* ---- routines: interrupts, which are on -------------------------------------------- */

	/* Until an interrupt has come since R8 was read. */
	.macro	UNTIL_IRQ
9:	cmp	SHARED_COUNT(%rbp), %r8
	je	9b
	.endm

ENTRY self_ipi
	mov	SHARED_COUNT(%rbp), %r8
	mov	%edi, %eax
	WRITE_MSR MSR_X2APIC_SELF_IPI
	UNTIL_IRQ
	ret

ENTRY self_icr
	mov	SHARED_COUNT(%rbp), %r8
	lea	ICR_SELF(%rdi), %eax
	WRITE_MSR MSR_X2APIC_ICR
	UNTIL_IRQ
	ret

/* Its own time: that of the EOI in the handler. */
ENTRY eoi
	mov	SHARED_COUNT(%rbp), %r8
	mov	$BENCH_VECTOR_EOI, %eax
	WRITE_MSR MSR_X2APIC_SELF_IPI
	UNTIL_IRQ
	mov	SHARED_STAMP(%rbp), %rax
	ret

/* RDI ticks from now; nobody waits for it. */
ENTRY deadline
	STAMP
	add	%rdi, %rax
	mov	%rax, %rdx
	shr	$32, %rdx
	mov	$MSR_TSC_DEADLINE, %ecx
	wrmsr
	ret

/* Its own time: from RDI ticks from now to the handler. */
ENTRY expiry
	mov	SHARED_COUNT(%rbp), %r8
	STAMP
	add	%rdi, %rax
	mov	%rax, %r9
	mov	%rax, %rdx
	shr	$32, %rdx
	mov	$MSR_TSC_DEADLINE, %ecx
	test	%rsi, %rsi
	jnz	1f
	wrmsr
	UNTIL_IRQ
	jmp	2f
1:	cli
	wrmsr
	sti
	hlt
2:	mov	SHARED_STAMP(%rbp), %rax
	sub	%r9, %rax
	ret

/* Its own time: from the host's sending of an interrupt to the handler. */
ENTRY woken
	mov	SHARED_COUNT(%rbp), %r8
9:	cli
	cmp	SHARED_COUNT(%rbp), %r8
	jne	1f
	sti
	hlt
	jmp	9b
1:	sti
	mov	SHARED_STAMP(%rbp), %rax
	sub	SHARED_SENT(%rbp), %rax
	ret

/* To CPU 1, which sends one back. */
ENTRY ipi
	mov	SHARED_COUNT(%rbp), %r8
	mov	$MSR_X2APIC_ICR, %ecx
	mov	$BENCH_VECTOR_BACK, %eax
	mov	$1, %edx
	wrmsr
	UNTIL_IRQ
	ret

ENTRY ipi_sleep
	mov	SHARED_COUNT(%rbp), %r8
	mov	$MSR_X2APIC_ICR, %ecx
	mov	$BENCH_VECTOR_BACK, %eax
	mov	$1, %edx
	cli
	wrmsr
9:	sti
	hlt
	cli
	cmp	SHARED_COUNT(%rbp), %r8
	je	9b
	sti
	ret

/* To user space, which sends an interrupt. */
ENTRY kick
	mov	SHARED_COUNT(%rbp), %r8
	out	%al, $BENCH_PORT_NEXT
	UNTIL_IRQ
	ret

	.globl	bench_guest_end
	.hidden	bench_guest_end
bench_guest_end:

	.section .note.GNU-stack, "", @progbits
