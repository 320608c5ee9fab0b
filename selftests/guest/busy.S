/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Says that it is busy, and then leaves the guest over and over: CPU 0 by CPUID and by asking
 * the console, up to a byte 4 (Ctrl-D); others by CPUID.
 */
#include "guest.inc"

	.code64
	test	%edi, %edi
	jnz	2f
	PRINT	busy
1:	xor	%eax, %eax
	xor	%ecx, %ecx
	cpuid
	mov	$CONSOLE_STATUS, %dx
	in	%dx, %al
	test	$STATUS_INPUT, %al
	jz	1b
	call	get
	cmp	$4, %al
	jne	1b
	EXIT_WITH 0

2:	xor	%eax, %eax
	xor	%ecx, %ecx
	cpuid
	pause
	jmp	2b

	SUBROUTINES

busy:	.asciz	"Busy.\n"
