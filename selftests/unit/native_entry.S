/* SPDX-License-Identifier: GPL-2.0 */
/*
 * native_entry.S - run one instruction with all registers and flags given, and
 * take all of them back. The state lies at a fixed address below 2 GiB, so no
 * register is needed to reach it. SDM vol. 2 for the far jumps.
 */
#include "native.h"

#define GPR(n)	(NATIVE_STATE + 8 * (n))

	.text
	.globl native_run
	.type native_run, @function
native_run:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, NATIVE_STATE + NS_HOST_RSP
	cmpl	$0, NATIVE_STATE + NS_AVX
	je	1f
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu	NATIVE_STATE + NS_VECTOR + 32 * \n, %ymm\n
	.endr
	jmp	2f
1:
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movdqu	NATIVE_STATE + NS_VECTOR + 32 * \n, %xmm\n
	.endr
2:
	mov	%ss, NATIVE_STATE + NS_HOST_SS
	pushq	NATIVE_STATE + NS_RFLAGS
	popfq
	/* from here on nothing may change the flags */
	mov	GPR(0), %rax
	mov	GPR(1), %rcx
	mov	GPR(2), %rdx
	mov	GPR(3), %rbx
	mov	GPR(5), %rbp
	mov	GPR(6), %rsi
	mov	GPR(7), %rdi
	mov	GPR(8), %r8
	mov	GPR(9), %r9
	mov	GPR(10), %r10
	mov	GPR(11), %r11
	mov	GPR(12), %r12
	mov	GPR(13), %r13
	mov	GPR(14), %r14
	mov	GPR(15), %r15
	mov	NATIVE_STATE + NS_SS, %ss
	mov	GPR(4), %rsp
	jmp	*NATIVE_STATE + NS_ENTRY

	/* entry for 64-bit code and for compatibility mode */
	.globl native_enter64, native_enter_far
native_enter64:
	jmp	*NATIVE_STATE + NS_CODE
native_enter_far:
	ljmpl	*NATIVE_STATE + NS_CODE

	.globl native_exit_next, native_exit_branch, native_exit_fault
native_exit_next:
	movl	$NATIVE_NEXT, NATIVE_STATE + NS_EXIT
	jmp	native_exit
native_exit_branch:
	movl	$NATIVE_BRANCH, NATIVE_STATE + NS_EXIT
	jmp	native_exit
native_exit_fault:
	movl	$NATIVE_FAULT, NATIVE_STATE + NS_EXIT
native_exit:
	mov	%rax, GPR(0)
	mov	%rcx, GPR(1)
	mov	%rdx, GPR(2)
	mov	%rbx, GPR(3)
	mov	%rsp, GPR(4)
	mov	%rbp, GPR(5)
	mov	%rsi, GPR(6)
	mov	%rdi, GPR(7)
	mov	%r8, GPR(8)
	mov	%r9, GPR(9)
	mov	%r10, GPR(10)
	mov	%r11, GPR(11)
	mov	%r12, GPR(12)
	mov	%r13, GPR(13)
	mov	%r14, GPR(14)
	mov	%r15, GPR(15)
	mov	NATIVE_STATE + NS_HOST_SS, %ss
	mov	NATIVE_STATE + NS_HOST_RSP, %rsp
	pushfq
	popq	NATIVE_STATE + NS_RFLAGS
	/* neither DF nor AC for what follows */
	pushq	$2
	popfq
	cmpl	$0, NATIVE_STATE + NS_AVX
	je	1f
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu	%ymm\n, NATIVE_STATE + NS_VECTOR + 32 * \n
	.endr
	vzeroupper
	jmp	2f
1:
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movdqu	%xmm\n, NATIVE_STATE + NS_VECTOR + 32 * \n
	.endr
2:
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size native_run, . - native_run

	.section .note.GNU-stack, "", @progbits
