/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Prints what CPUID says: the vendor, the highest leaf, this CPU's APIC id and
 * the hypervisor's name. Every CPU in its turn.
 */
#include "guest.inc"

#define HYPERVISOR_BIT	31

	.code64
	mov	%edi, %r14d
	mov	%esi, %r15d
1:	pause
	cmp	turn, %r14d
	jne	1b

	xor	%eax, %eax
	cpuid
	mov	%eax, %ebp
	mov	%ebx, name
	mov	%edx, name + 4
	mov	%ecx, name + 8
	PRINT	vendor
	PRINT	name
	PRINT	leaves
	mov	%ebp, %eax
	call	hex

	PRINT	apic
	mov	$1, %eax
	cpuid
	shr	$24, %ebx
	mov	%ebx, %eax
	call	decimal

	mov	$1, %eax
	cpuid
	bt	$HYPERVISOR_BIT, %ecx
	jnc	2f
	mov	$0x40000000, %eax
	cpuid
	mov	%ebx, name
	mov	%ecx, name + 4
	mov	%edx, name + 8
	PRINT	hypervisor
	PRINT	name
2:	PRINT	newline

	lea	1(%r14), %eax
	mov	%eax, turn
	cmp	%eax, %r15d
	je	3f
	hlt
3:	EXIT_WITH 0

	SUBROUTINES

vendor:	.asciz	"vendor "
leaves:	.asciz	", highest leaf "
apic:	.asciz	", APIC id "
hypervisor:
	.asciz	", hypervisor "
newline:
	.asciz	"\n"
name:	.skip	13
	.balign	4
turn:	.long	0
