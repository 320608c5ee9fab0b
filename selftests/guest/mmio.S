/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where no memory is and no device: reads of every width give ones, writes are
 * lost, at an address and at a port. Status: 0, or the number of the check.
 */
#include "guest.inc"

#define ONES	0xffffffffffffffff

	.code64
	mov	$EMPTY_ADDRESS, %ebx
	xor	%eax, %eax
	mov	(%rbx), %al
	cmp	$0xff, %eax
	EXPECT_EQUAL 1
	xor	%eax, %eax
	mov	(%rbx), %ax
	cmp	$0xffff, %eax
	EXPECT_EQUAL 2
	mov	(%rbx), %eax
	cmp	$0xffffffff, %eax
	EXPECT_EQUAL 3
	mov	(%rbx), %rax
	cmp	$ONES, %rax
	EXPECT_EQUAL 4

	mov	$0x5a, %eax
	mov	%al, (%rbx)
	mov	%ax, 2(%rbx)
	mov	%eax, 4(%rbx)
	mov	%rax, 8(%rbx)
	mov	8(%rbx), %rax
	cmp	$ONES, %rax
	EXPECT_EQUAL 5

	mov	$EMPTY_PORT, %dx
	xor	%eax, %eax
	in	%dx, %al
	cmp	$0xff, %eax
	EXPECT_EQUAL 6
	xor	%eax, %eax
	in	%dx, %ax
	cmp	$0xffff, %eax
	EXPECT_EQUAL 7
	xor	%eax, %eax
	in	%dx, %eax
	cmp	$0xffffffff, %eax
	EXPECT_EQUAL 8
	xor	%eax, %eax
	out	%eax, %dx
	in	%dx, %al
	cmp	$0xff, %al
	EXPECT_EQUAL 9

	/* A word over the console's last register: 0x3ff is there, 0x400 not. */
	mov	$CONSOLE + 7, %dx
	mov	$0x3c, %al
	out	%al, %dx
	in	%dx, %ax
	cmp	$0xff3c, %ax
	EXPECT_EQUAL 10

	PRINT	nothing
	EXIT_WITH 0

	SUBROUTINES

nothing:
	.asciz	"Nothing is there.\n"
