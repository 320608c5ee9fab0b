/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reads a decimal number and a newline from the console and leaves with it, by
 * the narrowest OUT that holds it: byte, word or doubleword.
 */
#include "guest.inc"

	.code64
	xor	%ebx, %ebx
next:	call	get
	cmp	$'\n', %al
	je	done
	sub	$'0', %al
	movzx	%al, %eax
	imul	$10, %ebx
	add	%eax, %ebx
	jmp	next

done:	mov	%ebx, %eax
	cmp	$0xff, %eax
	ja	1f
	out	%al, $EXIT
1:	cmp	$0xffff, %eax
	ja	2f
	out	%ax, $EXIT
2:	out	%eax, $EXIT

	SUBROUTINES
