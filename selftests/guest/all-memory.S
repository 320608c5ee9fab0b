/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Writes to every page of memory from 2 MiB on (up to 4 GiB), so that the host has to
 * have all of it; then reads it again. Status: 0, or 1 if a page has lost its word.
 */
#include "guest.inc"

#define START		0x200000
#define PAGE		0x1000

	.code64
	PRINT	filling
	shl	$10, %rbx		/* the end of memory */
	mov	$START, %edi
1:	mov	%rdi, (%rdi)
	add	$PAGE, %rdi
	cmp	%rbx, %rdi
	jb	1b

	mov	$START, %edi
2:	cmp	%rdi, (%rdi)
	jne	3f
	add	$PAGE, %rdi
	cmp	%rbx, %rdi
	jb	2b
	PRINT	filled
	EXIT_WITH 0
3:	EXIT_WITH 1

	SUBROUTINES

filling: .asciz	"Filling memory.\n"
filled:	.asciz	"All memory is there.\n"
