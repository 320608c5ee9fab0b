/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every CPU halts. The last one has something to say first: a machine of which
 * one CPU halts has to go on.
 */
#include "guest.inc"

	.code64
	lea	1(%rdi), %rax
	cmp	%rax, %rsi
	jne	1f
	/* Wait until all others are on their way to the HLT. */
2:	pause
	mov	on_the_way, %eax
	cmp	%eax, %edi
	jne	2b
	PRINT	last
	hlt

1:	lock incl on_the_way
	hlt
	EXIT_WITH 1

	SUBROUTINES

last:	.asciz	"Good night.\n"
	.balign	4
on_the_way:
	.long	0
