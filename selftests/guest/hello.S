/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The demonstration: a 64-bit guest that makes sure it is where it should be
 * before it says so. It checks that the CPU is in long mode with paging on, that
 * 64-bit arithmetic works, that its last KiB of memory keeps what is written,
 * and that two addresses are not one. CPU 0 then greets. Status: 0, or the number
 * of the check that failed.
 */
#include "guest.inc"

#define MSR_EFER	0xc0000080
#define EFER_LMA_BIT	10
#define CR0_PG_BIT	31
#define PATTERN		0x0123456789abcdef

	.code64
	mov	$MSR_EFER, %ecx
	rdmsr
	bt	$EFER_LMA_BIT, %eax
	jc	1f
	EXIT_WITH 1
1:	mov	%cr0, %rax
	bt	$CR0_PG_BIT, %rax
	jc	1f
	EXIT_WITH 2

	/* 0x0123456789abcdef squared, lower and upper half. */
1:	mov	$PATTERN, %rax
	mul	%rax
	mov	$0xdca5e20890f2a521, %rcx
	cmp	%rcx, %rax
	EXPECT_EQUAL 3
	mov	$0x00014b66dc33f6ac, %rcx
	cmp	%rcx, %rdx
	EXPECT_EQUAL 3

	/* The last KiB of memory, when it is below the hole at 3 GiB. */
	cmp	$3 * 1024 * 1024, %rbx
	ja	2f
	mov	%rbx, %r9
	shl	$10, %r9
	mov	$PATTERN, %rax
	mov	%rax, -1024(%r9)
	not	%rax
	mov	%rax, -8(%r9)
	not	%rax
	cmp	-1024(%r9), %rax
	EXPECT_EQUAL 4
	not	%rax
	cmp	-8(%r9), %rax
	EXPECT_EQUAL 4

	/* One speaks for all. */
2:	test	%edi, %edi
	jz	3f
	hlt
3:	mov	%rsi, %r10
	PRINT	greeting
	mov	%r10, %rax
	call	decimal
	PRINT	cpus
	mov	%rbx, %rax
	call	decimal
	PRINT	memory
	EXIT_WITH 0

	SUBROUTINES

greeting:
	.asciz	"Hello from a guest in long mode. CPUs: "
cpus:	.asciz	", memory: "
memory:	.asciz	" KiB.\n"
