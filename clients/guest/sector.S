/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The first two sectors of a disk, for a PC's firmware: says by the firmware's own
 * services that it was started, has it read the second sector, says what stands there, and
 * ends by QEMU's exit port.
 */
#define LOAD		0x7c00		/* where firmware puts it; linked there */
#define SECTOR		512
#define PORT_EXIT	0xf4
#define VIDEO_SAY	0x0e		/* of interrupt 0x10: the character in AL */
#define DISK_READ	0x02		/* of interrupt 0x13: AL sectors to ES:BX */

	.code16
	.text
	.globl	_start
_start:	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$LOAD, %sp
	mov	%dl, disk
	mov	$first, %si
	call	say
	mov	$(DISK_READ << 8 | 1), %ax
	mov	$2, %cx			/* cylinder 0, sector 2 */
	xor	%dh, %dh		/* head 0 */
	mov	disk, %dl
	mov	$LOAD + SECTOR, %bx
	int	$0x13
	mov	$1, %al
	jc	1f
	mov	$second, %si
	call	say
	xor	%al, %al
1:	out	%al, $PORT_EXIT
	hlt
	jmp	1b

say:	lodsb
	test	%al, %al
	jz	2f
	mov	$VIDEO_SAY, %ah
	xor	%bx, %bx
	push	%si
	int	$0x10
	pop	%si
	jmp	say
2:	ret

disk:	.byte	0
first:	.asciz	"guest: the first sector\r\n"
	.org	SECTOR - 2
	.word	0xaa55
second:	.asciz	"guest: the second sector\r\nguest: more\r\n"
	/* The firmware keeps back what it said last. */
	.org	2 * SECTOR

	.section .note.GNU-stack, "", @progbits
