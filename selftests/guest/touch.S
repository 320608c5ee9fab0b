/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Maps a page of 4 KiB, at a linear address that is not its physical one, writes to it and
 * reads what is there. It says when it is about to, by a number at port 0x80.
 * Status: 0, or 1 if it read something else.
 */
#include "guest.inc"

#define PROGRESS	0x80
#define PRESENT_WRITE	3
#define PAGE		0x1234000	/* of memory that nobody has used yet */
#define LINEAR		0x8000000000	/* the second entry of the PML4 */
#define WORD		0x6567646f6c	/* "lodge" */

	.code64
	/* The tables are used once beforehand, so that the next fault is the page's. */
	mov	%cr3, %rbx
	movq	$pdpt + PRESENT_WRITE, 8(%rbx)
	mov	pdpt, %rax
	mov	pd, %rax
	mov	pt, %rax
	mov	$1, %al
	out	%al, $PROGRESS

	movabs	$LINEAR, %rdi
	movabs	$WORD, %rax
	mov	%rax, (%rdi)
	mov	(%rdi), %rcx
	cmp	%rax, %rcx
	mov	$2, %al
	out	%al, $PROGRESS
	EXPECT_EQUAL 1
	EXIT_WITH 0

	.balign	4096
pdpt:	.quad	pd + PRESENT_WRITE
	.balign	4096
pd:	.quad	pt + PRESENT_WRITE
	.balign	4096
pt:	.quad	PAGE + PRESENT_WRITE
	.balign	4096
