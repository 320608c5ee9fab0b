/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A multiboot guest (version 1): checks what it was given, says its command line and what
 * is in its modules.
 * Status: 0, or the number of the check that failed.
 */
#include "../guest/guest.inc"

#define HEADER_MAGIC	0x1badb002
#define HEADER_FLAGS	0x3		/* modules on pages, memory information */
#define LOADER_MAGIC	0x2badb002
#define CR0_PE_AND_PG	0x80000001

/* In the information at EBX. */
#define INFO_FLAGS	0
#define INFO_MEM_UPPER	8
#define INFO_CMDLINE	16
#define INFO_MODS_COUNT	20
#define INFO_MODS_ADDR	24
#define INFO_WANTED	0x4d		/* memory, command line, modules, memory map */

	.section .text.start, "ax"
	.code32
	.balign 4
	.long	HEADER_MAGIC, HEADER_FLAGS, -(HEADER_MAGIC + HEADER_FLAGS)

	.globl	_start
_start:	cmp	$LOADER_MAGIC, %eax
	EXPECT_EQUAL 1
	mov	%cr0, %eax
	and	$CR0_PE_AND_PG, %eax
	cmp	$1, %eax
	EXPECT_EQUAL 2
	mov	$stack_end, %esp
	mov	INFO_FLAGS(%ebx), %eax
	and	$INFO_WANTED, %eax
	cmp	$INFO_WANTED, %eax
	EXPECT_EQUAL 3
	cmpl	$0x400, INFO_MEM_UPPER(%ebx)
	ja	4f
	EXIT_WITH 4
4:	mov	INFO_CMDLINE(%ebx), %esi
	call	line
	mov	INFO_MODS_COUNT(%ebx), %ebp
	mov	INFO_MODS_ADDR(%ebx), %ebx
5:	test	%ebp, %ebp
	jz	7f
	/* start, end, and the module's own command line; its bytes end where it ends */
	testl	$0xfff, (%ebx)
	EXPECT_EQUAL 5
	mov	8(%ebx), %esi
	call	line
	mov	(%ebx), %esi
6:	cmp	4(%ebx), %esi
	jae	8f
	lodsb
	PUT_AL
	jmp	6b
8:	add	$16, %ebx
	dec	%ebp
	jmp	5b
7:	EXIT_WITH 0

/* Prints the string at ESI and ends the line. */
line:	lodsb
	test	%al, %al
	jz	9f
	PUT_AL
	jmp	line
9:	mov	$'\n', %al
	PUT_AL
	ret

	.bss
	.balign	16
	.skip	4096
stack_end:
