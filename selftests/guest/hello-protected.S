/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A 32-bit guest without paging. It checks that it is so, that its segments are
 * flat (a store just below the image arrives there), and that ESP is below the
 * image. Status: 0, or the number of the check that failed.
 */
#include "guest.inc"

#define IMAGE		0x10000
#define CR0_PE		1
#define CR0_PE_AND_PG	0x80000001

	.code32
	mov	%cr0, %eax
	and	$CR0_PE_AND_PG, %eax
	cmp	$CR0_PE, %eax
	EXPECT_EQUAL 1
	cmp	$IMAGE, %esp
	EXPECT_EQUAL 2
	push	$0x5a5aa5a5
	cmpl	$0x5a5aa5a5, %ds:IMAGE - 4
	EXPECT_EQUAL 3
	pop	%eax
	/* All of a flat segment's selectors can be loaded again from the GDT. */
	mov	%ds, %ax
	mov	%ax, %es
	ljmp	$0x08, $1f

1:	mov	$greeting, %esi
2:	lodsb
	test	%al, %al
	jz	3f
	PUT_AL
	jmp	2b
3:	EXIT_WITH 0

greeting:
	.asciz	"Hello from a guest in protected mode.\n"
