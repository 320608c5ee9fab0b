/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Images of kernels for the tests of the loaders: small ones that are right in all they
 * say, and the packers of the formats that Linux's build knows.
 */
#ifndef LODGE_CLI_IMAGES_H
#define LODGE_CLI_IMAGES_H

#include "cli.h"

/* On the heap and no larger than they are: a byte too far is an error. */
struct blob {
	u8 *data;
	u64 size;
};

struct blob blob(u64 size);
struct blob copy_of(const struct blob *from, u64 size);
void put_number(struct blob *b, u64 at, u64 value, unsigned int bytes);

/* Bytes that differ from their neighbours. */
void fill_data(u8 *data, u64 size);

/* ---- ELF ----------------------------------------------------------------------- */

#define CODE_SIZE	0x400
#define ELF_CODE	0x200		/* in the file */
#define ELF_TEXT	(ELF_CODE + 0x200)	/* in the file, Linux's */
#define ELF_NOTES	(ELF_CODE + CODE_SIZE)	/* in the file, its end */
#define ELF_NOTES_SIZE	44
#define ELF_BASE	0x400000
#define ELF_BSS		0x3000
#define ELF_VIRTUAL	0xffffffff80000000ull
#define ELF_ENTRY	(ELF_BASE + 0x10)
#define ELF_PVH_ENTRY	(ELF_BASE + 0x20)

/* Of 64 or 32 bits, with PVH's note or without, with Linux's text in its code. */
struct blob make_elf(bool is_64, bool note);

/* ---- bzImage ------------------------------------------------------------------- */

/* Offsets in a bzImage, of boot.rst. */
enum {
	BZ_SECTS = 0x1f1, BZ_SYSSIZE = 0x1f4, BZ_FLAG = 0x1fe, BZ_JUMP = 0x200,
	BZ_MAGIC = 0x202, BZ_VERSION = 0x206, BZ_LOADFLAGS = 0x211, BZ_CODE32 = 0x214,
	BZ_RAMDISK = 0x218, BZ_CMDLINE = 0x228, BZ_INITRD_MAX = 0x22c, BZ_ALIGN = 0x230,
	BZ_RELOCATABLE = 0x234, BZ_XLOADFLAGS = 0x236, BZ_CMDLINE_SIZE = 0x238,
	BZ_PAYLOAD = 0x248, BZ_PAYLOAD_LEN = 0x24c, BZ_SETUP_DATA = 0x250,
	BZ_PREF = 0x258, BZ_INIT_SIZE = 0x260, BZ_END = 0x26c, BZ_KERNEL = 1024,
	BZ_PAYLOAD_AT = 0x600,
};

#define BZ_BASE		0x1000000ull
#define BZ_INIT		(2 * MIB)

/* With that as its packed kernel. */
struct blob make_bzimage(const struct blob *payload);

/* ---- multiboot ----------------------------------------------------------------- */

#define MB_HEADER	0x40		/* in the file */
#define MB_OFFSET	0x20		/* what of the file is not loaded */
#define MB_BASE		0x100000
#define MB_SIZE		0x300
#define MB_END		0x8000		/* with bss, from MB_BASE */
#define MB_ENTRY	(MB_BASE + 0x80)
#define MB_ELF_HEADER	(ELF_CODE + 0x40)

/* With addresses in its header, or as ELF. */
struct blob make_multiboot(void);
struct blob make_multiboot_elf(void);
void put_multiboot(struct blob *b, u64 at, u32 flags);

/* ---- packed -------------------------------------------------------------------- */

struct packer {
	const char *name;
	struct blob (*pack)(const struct blob *from);
	bool knows_size;	/* the build appends none */
	bool knows_end;		/* so that an early one is an error */
	bool knows_sum;		/* so that any damage is one */
};

#define PACKERS	8

extern const struct packer packers[PACKERS];

/* Packed, with the size behind it as the kernel's build does. */
struct blob pack(const struct packer *packer, const struct blob *from);

#endif
