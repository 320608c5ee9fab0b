/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A 16-bit guest. It checks its segments and the stack, then greets through
 * DS:SI. Status: 0, or the number of the check that failed.
 */
#include "guest.inc"

#define SEGMENT		0x1000

	.code16
	mov	%cs, %ax
	cmp	$SEGMENT, %ax
	EXPECT_EQUAL 1
	mov	%ds, %cx
	cmp	%cx, %ax
	EXPECT_EQUAL 2
	mov	%ss, %cx
	cmp	%cx, %ax
	EXPECT_EQUAL 3
	cmp	$0xfffe, %sp
	EXPECT_EQUAL 4
	smsw	%ax
	and	$1, %ax
	cmp	$0, %ax
	EXPECT_EQUAL 5

	mov	$greeting, %si
	call	print
	EXIT_WITH 0

print:	cld
1:	lodsb
	test	%al, %al
	jz	2f
	PUT_AL
	jmp	1b
2:	ret

greeting:
	.asciz	"Hello from a guest in real mode.\n"
