/* SPDX-License-Identifier: GPL-2.0 */
/* Gives back what comes in by the console, up to a byte 4 (Ctrl-D). */
#include "guest.inc"

	.code64
1:	call	get
	cmp	$4, %al
	je	2f
	call	put
	jmp	1b
2:	EXIT_WITH 0

	SUBROUTINES
