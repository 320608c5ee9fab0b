/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For machines with more than 3 GiB: memory goes on at 4 GiB. The guest maps the
 * GiB from there with a page directory of its own, and writes and reads the first
 * and the last bytes of that memory, which must not be those of low memory.
 * Status: 0, or the number of the check that failed.
 */
#include "guest.inc"

#define LOW_KIB		(3 * 1024 * 1024)
#define DIRECTORY	0x200000
#define TABLE_FLAGS	0x3		/* present, writable */
#define PAGE_FLAGS	0x83		/* present, writable, 2 MiB */

	.code64
	mov	%rbx, %r12
	sub	$LOW_KIB, %r12		/* KiB above 4 GiB */
	ja	1f
	EXIT_WITH 1
1:	mov	%cr3, %rax
	mov	(%rax), %rax
	and	$~0xfff, %rax		/* the page-directory-pointer table */
	movq	$DIRECTORY | TABLE_FLAGS, 4 * 8(%rax)

	mov	$DIRECTORY, %edi
	mov	$512, %ecx
	mov	$1 << 32 | PAGE_FLAGS, %rax
2:	stosq
	add	$0x200000, %rax
	loop	2b

	mov	$1 << 32, %r13
	shl	$10, %r12
	add	%r13, %r12		/* the end of memory */
	movq	$0x1111, 0x300000
	movq	$0x2222, (%r13)
	movq	$0x3333, -8(%r12)
	cmpq	$0x1111, 0x300000
	EXPECT_EQUAL 2
	cmpq	$0x2222, (%r13)
	EXPECT_EQUAL 3
	cmpq	$0x3333, -8(%r12)
	EXPECT_EQUAL 4
	/* Behind the end there is nothing. */
	cmpq	$-1, (%r12)
	EXPECT_EQUAL 5
	/* Nor in the hole. */
	mov	$0xc0000000, %eax
	cmpq	$-1, (%rax)
	EXPECT_EQUAL 6
	PRINT	high
	EXIT_WITH 0

	SUBROUTINES

high:	.asciz	"Memory goes on at 4 GiB.\n"
