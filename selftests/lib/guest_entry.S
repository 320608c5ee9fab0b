/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest side in assembly: the 256 exception stubs of long mode, the way to user
 * code and back. The offsets from GS are those of struct guest_percpu.
 */
#define RESUME		8
#define EX_VECTOR	16
#define KERNEL_RSP	48
#define USER_DATA	0x33
#define USER_CODE64	0x3b
#define EFLAGS_IOPL	0x3000

	.text
	.balign 16
	.globl guest_vectors
guest_vectors:
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
	jmp	common
	.set vector, vector + 1
	.endr

common:
	push	%rax
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	cld
	mov	%rsp, %rdi
	call	guest_exception
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp
	iretq

	/* Where a guest function returns to that did not say GUEST_DONE(). */
	.globl guest_returned
guest_returned:
	call	guest_end

	/* void guest_user_call(void (*fn)(u64 arg), u64 arg) */
	.globl guest_user_call
guest_user_call:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, %gs:KERNEL_RSP
	lea	-1024(%rsp), %rcx
	mov	%rdi, %rax
	mov	%rsi, %rdi
	pushq	$USER_DATA
	push	%rcx
	pushfq
	orq	$EFLAGS_IOPL, (%rsp)
	pushq	$USER_CODE64
	pushq	$1f
	iretq
1:	call	*%rax
	int	$0x80

	/* guest_exception() comes here from that INT. */
	.globl guest_user_back
guest_user_back:
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

	/*
	 * u64 guest_call_try(const void *code, void *mem): calls any code with RDI
	 * = mem and RAX, RCX, RDX = 0, and takes an exception of it as GUEST_TRY()
	 * does. The code may leave RSP, RBX and RBP anywhere; it keeps R12.
	 */
	.globl guest_call_try
guest_call_try:
	push	%r12
	push	%rbx
	push	%rbp
	mov	%rsp, %r12
	mov	%rdi, %r11
	mov	%rsi, %rdi
	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	movq	$-1, %gs:EX_VECTOR
	movq	$1f, %gs:RESUME
	call	*%r11
1:	mov	%r12, %rsp
	movq	$0, %gs:RESUME
	mov	%gs:EX_VECTOR, %rax
	pop	%rbp
	pop	%rbx
	pop	%r12
	ret

	.section .note.GNU-stack, "", @progbits
