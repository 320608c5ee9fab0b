/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The 256 stubs of the recorder in long mode. They save all registers, so that a
 * hook of the test may see and change what was interrupted.
 */
	.text
	.balign 16
	.globl event_stubs
event_stubs:
	.set vector, 0
	.rept 256
	.balign 16
	/* The CPU itself pushes an error code for these (SDM 3, table 6-1). */
	.if vector != 8 && vector < 10 || vector == 15 || vector == 16 || vector > 17
	.if vector != 21 && vector != 29 && vector != 30
	pushq	$0
	.endif
	.endif
	pushq	$vector
	jmp	record
	.set vector, vector + 1
	.endr

record:
	push	%rax
	push	%rcx
	push	%rdx
	push	%rbx
	push	%rbp
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	cld
	mov	%rsp, %rdi
	mov	%rsp, %rbx
	and	$-16, %rsp
	call	guest_record_event
	mov	%rbx, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rbp
	pop	%rbx
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp
	.globl event_iret
event_iret:
	iretq

	.section .note.GNU-stack, "", @progbits
