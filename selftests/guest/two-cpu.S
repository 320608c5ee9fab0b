/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two CPUs hand a counter to and fro: an even count is CPU 0's turn, an odd one
 * CPU 1's. Others halt. Status: 0, or 1 when there are not two CPUs, or 2 when
 * the stacks are the same.
 */
#include "guest.inc"

#define TURNS	400

	.code64
	cmp	$2, %esi
	jae	1f
	EXIT_WITH 1
1:	cmp	$2, %edi
	jb	2f
	hlt

2:	mov	%rsp, stacks(, %rdi, 8)
next:	pause
	mov	count, %eax
	cmp	$TURNS, %eax
	je	done
	mov	%eax, %edx
	and	$1, %edx
	cmp	%edx, %edi
	jne	next
	inc	%eax
	mov	%eax, count
	jmp	next

done:	test	%edi, %edi
	jz	3f
	hlt
3:	mov	stacks, %rax
	cmp	stacks + 8, %rax
	jne	4f
	EXIT_WITH 2
4:	PRINT	both
	EXIT_WITH 0

	SUBROUTINES

both:	.asciz	"Two CPUs counted to 400.\n"
	.balign	8
stacks:	.quad	0, 0
count:	.long	0
