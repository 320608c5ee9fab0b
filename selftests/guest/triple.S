/* SPDX-License-Identifier: GPL-2.0 */
/* Dies of a triple fault: an exception while there is no IDT at all. */
#include "guest.inc"

	.code64
	PRINT	going
	lidt	empty
	ud2
	EXIT_WITH 1

	SUBROUTINES

going:	.asciz	"Faulting.\n"
empty:	.word	0
	.quad	0
