/* SPDX-License-Identifier: GPL-2.0 */
/*
 * String output. A text of more than two pages by one REP OUTSB from an address
 * that is not aligned, then a line backwards (DF set), then one by REP OUTSW:
 * each word's bytes go to two ports, so only every second one is printed.
 */
#include "guest.inc"

#define COUNT	9000
#define BUFFER	0x200ffd

	.code64
	/* "abc...xyz\nabc...": line after line of 26 letters. */
	mov	$BUFFER, %edi
	mov	$COUNT, %ecx
	xor	%edx, %edx
1:	lea	'a'(%rdx), %eax
	inc	%edx
	cmp	$27, %edx
	jne	2f
	mov	$'\n', %al
	xor	%edx, %edx
2:	stosb
	loop	1b

	mov	$BUFFER, %esi
	mov	$COUNT, %ecx
	mov	$CONSOLE, %edx
	rep outsb
	test	%ecx, %ecx
	jnz	wrong
	cmp	$BUFFER + COUNT, %rsi
	jne	wrong

	mov	$backwards_end - 1, %esi
	mov	$backwards_end - backwards, %ecx
	std
	rep outsb
	cld
	cmp	$backwards - 1, %rsi
	jne	wrong

	/* The second byte of a word is the interrupt-enable register's. */
	mov	$words, %esi
	mov	$(words_end - words) / 2, %ecx
	rep outsw
	EXIT_WITH 0

wrong:	EXIT_WITH 1

backwards:
	.ascii	"\n.sdrawkcab dnA\n"
backwards_end:
	.balign	2
words:	.ascii	"A.n.d. .w.o.r.d.s...\n."
words_end:
