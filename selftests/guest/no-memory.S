/* SPDX-License-Identifier: GPL-2.0 */
/* Jumps to where there is no memory: nothing can be executed there. */
#include "guest.inc"

	.code64
	mov	$EMPTY_ADDRESS, %eax
	jmp	*%rax
