/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A multiboot kernel that counts 20 ticks of its local APIC's timer, one each millisecond. It
 * works with interrupts off and looks only now and then whether one waits, as kernels
 * do that hold a lock. Status: 0.
 */
#include "guest.inc"

#define LOADED_AT	0x100000
#define STACK		0x90000
#define TICKS		20

#define MAGIC		0x1badb002
#define HAS_ADDRESSES	0x10000

#define CODE		0x08
#define DATA		0x10

#define APIC		0xfee00000
#define APIC_EOI	(APIC + 0xb0)
#define APIC_SPURIOUS	(APIC + 0xf0)
#define APIC_TIMER	(APIC + 0x320)
#define APIC_LINT0	(APIC + 0x350)
#define APIC_COUNT	(APIC + 0x380)
#define APIC_DIVIDE	(APIC + 0x3e0)
#define APIC_ON		0x1ff		/* with vector 255 for spurious interrupts */
#define MASKED		0x10000
#define PERIODIC	0x20000
#define BY_ONE		0xb
#define MILLISECOND	1000000		/* the timer runs at 1 GHz */

#define VECTOR		0x40

	.code32
	.long	MAGIC
	.long	HAS_ADDRESSES
	.long	-(MAGIC + HAS_ADDRESSES)
	.long	LOADED_AT, LOADED_AT, end, end, start

start:	lgdt	gdt_pointer
	ljmp	$CODE, $1f
1:	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$STACK, %esp

	/* The gate's halves, as the linker cannot split an address. */
	mov	$tick, %eax
	mov	%ax, idt + VECTOR * 8
	shr	$16, %eax
	mov	%ax, idt + VECTOR * 8 + 6
	lidt	idt_pointer

	xor	%ebx, %ebx
	movl	$APIC_ON, APIC_SPURIOUS
	movl	$MASKED, APIC_LINT0	/* that is the PICs */
	movl	$BY_ONE, APIC_DIVIDE
	movl	$PERIODIC + VECTOR, APIC_TIMER
	movl	$MILLISECOND, APIC_COUNT

work:	mov	$1000, %ecx
	loop	.
	sti
	nop
	cli
	cmp	$TICKS, %ebx
	jb	work
	movl	$0, APIC_COUNT
	EXIT_WITH 0

tick:	inc	%ebx
	movl	$0, APIC_EOI
	iret

	.balign	8
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* code, 32-bit, 4 GiB */
	.quad	0x00cf93000000ffff	/* data */
gdt_pointer:
	.word	gdt_pointer - gdt - 1
	.long	gdt
idt_pointer:
	.word	idt_end - idt - 1
	.long	idt
	.balign	8
idt:	.fill	VECTOR, 8, 0
	.word	0, CODE, 0x8e00, 0	/* an interrupt gate; tick's address is put in */
idt_end:
end:
