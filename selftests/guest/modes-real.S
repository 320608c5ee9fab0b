/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From real mode to long mode, by the shortest way (SDM volume 3A, 9.8.5). It tells how far
 * it is as firmware does, by a number at port 0x80: 1 in real mode, 2 in protected mode, 3 in
 * compatibility mode, 4 in 64-bit mode.
 */
#include "guest.inc"

#define LOADED_AT	0x10000		/* the segment's base */
#define PROGRESS	0x80

/* Memory that is all zeroes, one page each. */
#define PML4		0x2000
#define PDPT		0x3000
#define PD		0x4000
#define PRESENT_WRITE	3
#define LARGE_PAGE	0x80

#define MSR_EFER	0xc0000080
#define EFER_LME	0x100
#define CR0_PE		1
#define CR0_PG_BIT	31
#define CR4_PAE		0x20

#define CODE32		0x08
#define DATA		0x10
#define CODE64		0x18

.macro PROGRESS_IS number
	mov	$\number, %al
	out	%al, $PROGRESS
.endm

	.code16
	PROGRESS_IS 1
	lgdtl	gdt_pointer
	mov	%cr0, %eax
	or	$CR0_PE, %al
	mov	%eax, %cr0
	ljmpl	$CODE32, $LOADED_AT + protected

	.code32
protected:
	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	PROGRESS_IS 2
	movl	$PDPT + PRESENT_WRITE, PML4
	movl	$PD + PRESENT_WRITE, PDPT
	movl	$LARGE_PAGE + PRESENT_WRITE, PD
	mov	%cr4, %eax
	or	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	$PML4, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	wrmsr
	mov	%cr0, %eax
	bts	$CR0_PG_BIT, %eax
	mov	%eax, %cr0
	PROGRESS_IS 3
	ljmp	$CODE64, $LOADED_AT + long

	.code64
long:
	PROGRESS_IS 4
	EXIT_WITH 0

	.balign	8
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* code, 32-bit, 4 GiB */
	.quad	0x00cf93000000ffff	/* data */
	.quad	0x00af9b000000ffff	/* code, 64-bit */
gdt_pointer:
	.word	gdt_pointer - gdt - 1
	.long	LOADED_AT + gdt
