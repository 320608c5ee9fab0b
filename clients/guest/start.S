/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the guest comes up: by its PVH entry (a note in the ELF file tells it to the
 * loader) in 32-bit mode, and the other CPU in real mode by a start-up IPI. Both go to
 * 64-bit mode with the first 4 GiB mapped one to one, and on in guest.c.
 */
#define CR0_PE		0x00000001
#define CR0_PG		0x80000000
#define CR4_PAE		0x20
#define MSR_EFER	0xc0000080
#define EFER_LME	0x100
#define LARGE_PAGE	0x83		/* present, writable, 2 MiB */
#define TABLE		0x03		/* present, writable */
#define CODE64		0x08
#define DATA		0x10
#define CODE32		0x18
#define TRAMPOLINE	0x8000		/* TRAMPOLINE of guest.c */
#define STACK		16384

	.section .note, "a"
	.balign	4
	.long	4, 8, 18		/* name, value, XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.quad	start32

	.text
	.code32
	.globl	start32
start32:
	/* EBX: struct hvm_start_info. Four directories of 512 pages of 2 MiB. */
	mov	$directories, %edi
	mov	$LARGE_PAGE, %eax
	mov	$2048, %ecx
1:	mov	%eax, (%edi)
	add	$0x200000, %eax
	add	$8, %edi
	dec	%ecx
	jnz	1b
	mov	$directories + TABLE, %eax
	mov	$pointers, %edi
	mov	$4, %ecx
2:	mov	%eax, (%edi)
	add	$0x1000, %eax
	add	$8, %edi
	dec	%ecx
	jnz	2b
	movl	$pointers + TABLE, top
	mov	$stacks + STACK, %esp
	mov	%ebx, %edi
	mov	$boot_main, %esi

/* EDI: the argument, ESI: a function, ESP: the stack. Does not come back. */
to_long_mode:
	lgdt	gdt_pointer
	mov	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	$top, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	wrmsr
	mov	%cr0, %eax
	or	$CR0_PG | CR0_PE, %eax
	mov	%eax, %cr0
	ljmp	$CODE64, $start64

	.code64
start64:
	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%esi, %esi
	mov	%edi, %edi
	mov	%esp, %esp
	call	*%rsi
3:	cli
	hlt
	jmp	3b

/* Copied to TRAMPOLINE, where the start-up IPI begins. */
	.code16
	.globl	trampoline, trampoline_end
trampoline:
	cli
	xor	%ax, %ax
	mov	%ax, %ds
	lgdtl	TRAMPOLINE + ap_gdt_pointer - trampoline
	mov	%cr0, %eax
	or	$CR0_PE, %eax
	mov	%eax, %cr0
	ljmpl	$CODE32, $ap32
ap_gdt_pointer:
	.word	gdt_end - gdt - 1
	.long	gdt
trampoline_end:

	.code32
ap32:	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$stacks + 2 * STACK, %esp
	mov	$ap_main, %esi
	jmp	to_long_mode

	.data
	.balign	8
gdt:	.quad	0
	.quad	0x00af9b000000ffff	/* CODE64 */
	.quad	0x00cf93000000ffff	/* DATA */
	.quad	0x00cf9b000000ffff	/* CODE32 */
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.long	gdt

	.bss
	.balign	4096
top:	.skip	4096
pointers:
	.skip	4096
directories:
	.skip	4 * 4096
stacks:	.skip	2 * STACK

	.section .note.GNU-stack, "", @progbits
