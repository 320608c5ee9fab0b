/* SPDX-License-Identifier: GPL-2.0 */
/* Says that it spins, and does, on every CPU, with interrupts off. */
#include "guest.inc"

	.code64
	test	%edi, %edi
	jnz	1f
	PRINT	spinning
1:	jmp	1b

	SUBROUTINES

spinning:
	.asciz	"Spinning.\n"
