/* SPDX-License-Identifier: GPL-2.0 */
/*
 * enter.S - into the guest and back.  The only place where guest values are in
 * all general registers.  The VM exit returns to vmx_exited, because that is
 * what HOST_RIP holds.  SDM vol. 3C 26 and 27.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/ibt.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>
#include <asm/unwind_hints.h>

#define HOST_RSP_FIELD 0x6c14

/* Offsets into the array of registers: REG_* of lodge.h times eight. */
#define RAX 0x00
#define RCX 0x08
#define RDX 0x10
#define RBX 0x18
/* RSP, 0x20, is in the VMCS */
#define RBP 0x28
#define RSI 0x30
#define RDI 0x38
#define R8  0x40
#define R9  0x48
#define R10 0x50
#define R11 0x58
#define R12 0x60
#define R13 0x68
#define R14 0x70
#define R15 0x78

.section .noinstr.text, "ax"

/*
 * bool vmx_enter(unsigned long *regs, bool launched, unsigned long *host_rsp)
 *
 * Returns 0 after a VM exit, 1 if VMLAUNCH or VMRESUME failed.
 */
SYM_FUNC_START(vmx_enter)
	push %rbp
	mov %rsp, %rbp
	push %r15
	push %r14
	push %r13
	push %r12
	push %rbx
	push %rdi

	/* the stack is nearly always as deep as the last time */
	cmp (%rdx), %rsp
	je 1f
	mov %rsp, (%rdx)
	mov $HOST_RSP_FIELD, %eax
	vmwrite %rsp, %rax
1:
	/* launch or resume?  Carry survives the loads, and VERW below */
	bt $0, %esi
	mov %rdi, %rax
	mov RCX(%rax), %rcx
	mov RDX(%rax), %rdx
	mov RBX(%rax), %rbx
	mov RBP(%rax), %rbp
	mov RSI(%rax), %rsi
	mov RDI(%rax), %rdi
	mov R8(%rax), %r8
	mov R9(%rax), %r9
	mov R10(%rax), %r10
	mov R11(%rax), %r11
	mov R12(%rax), %r12
	mov R13(%rax), %r13
	mov R14(%rax), %r14
	mov R15(%rax), %r15
	mov RAX(%rax), %rax

	/* objtool cannot see that a VM exit comes back with this stack */
	UNWIND_HINT_SAVE

	/* nothing of the host's is loaded any more: empty the CPU's buffers */
	CLEAR_CPU_BUFFERS

	jnc .Llaunch
.Lresume:
	vmresume
	jmp .Lfailed
.Llaunch:
	vmlaunch
	jmp .Lfailed

	_ASM_EXTABLE(.Lresume, .Lfailed)
	_ASM_EXTABLE(.Llaunch, .Lfailed)

SYM_INNER_LABEL(vmx_exited, SYM_L_GLOBAL)
	UNWIND_HINT_RESTORE
	ENDBR

	push %rax
	mov 8(%rsp), %rax
	mov %rcx, RCX(%rax)
	mov %rdx, RDX(%rax)
	mov %rbx, RBX(%rax)
	mov %rbp, RBP(%rax)
	mov %rsi, RSI(%rax)
	mov %rdi, RDI(%rax)
	mov %r8, R8(%rax)
	mov %r9, R9(%rax)
	mov %r10, R10(%rax)
	mov %r11, R11(%rax)
	mov %r12, R12(%rax)
	mov %r13, R13(%rax)
	mov %r14, R14(%rax)
	mov %r15, R15(%rax)
	pop RAX(%rax)

	xor %ebx, %ebx
.Lscrub:
	/* no value of the guest's may steer speculation in the host */
	xor %eax, %eax
	xor %ecx, %ecx
	xor %edx, %edx
	xor %esi, %esi
	xor %edi, %edi
	xor %ebp, %ebp
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	xor %r11d, %r11d
	xor %r12d, %r12d
	xor %r13d, %r13d
	xor %r14d, %r14d
	xor %r15d, %r15d

	/* nor may a return address that it left; before the first RET */
	FILL_RETURN_BUFFER %rcx, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, \
			   X86_FEATURE_RSB_VMEXIT_LITE
	/* regs[] is what a vCPU begins with */
	mov (%rsp), %rdi
	call mitigate_exit
	CLEAR_BRANCH_HISTORY_VMEXIT

	mov %ebx, %eax
	add $8, %rsp
	pop %rbx
	pop %r12
	pop %r13
	pop %r14
	pop %r15
	pop %rbp
	RET

.Lfailed:
	mov $1, %ebx
	jmp .Lscrub
SYM_FUNC_END(vmx_enter)

.section .text, "ax"

/*
 * void vmx_call_gate(unsigned long handler)
 *
 * Calls an interrupt handler of the host's as the CPU would have, had it delivered
 * the interrupt that the VM exit has acknowledged instead: with the frame of vol. 3A
 * 6.14.2, interrupts off. The handler's IRET comes back here.
 */
SYM_FUNC_START(vmx_call_gate)
	push %rbp
	mov %rsp, %rbp
	/* in 64-bit mode the CPU aligns the stack first */
	and $-16, %rsp
	push $__KERNEL_DS
	push %rbp
	pushf
	push $__KERNEL_CS
	CALL_NOSPEC rdi
	/* IRET has set RSP to what stood in the frame */
	mov %rbp, %rsp
	pop %rbp
	RET
SYM_FUNC_END(vmx_call_gate)
