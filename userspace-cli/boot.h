/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Loaders: an image becomes guest memory and the state that CPU 0 starts in. They know
 * nothing of virtual machines, so that tests and fuzzers call them as they are. Images are
 * hostile until checked: every number in them may be wrong.
 */
#ifndef LODGE_CLI_BOOT_H
#define LODGE_CLI_BOOT_H

#include "memory.h"

/* A file, read as a whole. */
struct image {
	const char *path;	/* for messages */
	const u8 *data;
	u64 size;
};

#define BOOT_MODULES	16

struct boot_module {
	struct image image;
	const char *arguments;	/* or NULL */
};

/* What is to be booted. */
struct boot_request {
	struct image kernel;
	struct image initrd;		/* size 0: none; a module where there are modules */
	struct boot_module module[BOOT_MODULES];	/* multiboot's and PVH's */
	unsigned int nr_modules;
	const char *append;		/* the command line, "" for none */
	u64 acpi_rsdp;			/* where that table is, 0: there is none */
};

enum entry_mode {
	ENTRY_PROTECTED,	/* flat 4 GiB segments, no paging, A20 is not an issue */
	ENTRY_LONG,		/* 64-bit, the first 4 GiB mapped one to one */
};

/* How CPU 0 starts; the registers not named are 0, interrupts are off. */
struct boot_entry {
	enum entry_mode mode;
	u64 rip;
	u64 rax, rbx, rsi, rsp;
};

struct loader {
	const char *name;	/* "Linux bzImage", for what is told */
	/* Looks like one, though it may be broken. */
	bool (*matches)(const struct image *image);
	/* 0, or a status of err.h when the reason has been told. */
	int (*load)(const struct boot_request *request, struct memory *mem,
		    struct boot_entry *entry);
};

extern const struct loader loader_bzimage;	/* boot_bzimage.c */
extern const struct loader loader_elf;		/* boot_elf.c: vmlinux, by its PVH note or not */
extern const struct loader loader_multiboot;	/* boot_multiboot.c: version 1 */

/* The one that matches, multiboot before ELF; NULL: none does. */
const struct loader *loader_find(const struct image *image);

/* Reads a file as a whole: 0, or a status when the reason has been told. */
int image_read(struct image *image, const char *path, u64 most);
void image_free(struct image *image);

/*
 * The ELF kernel inside of a bzImage, unpacked: 0, or a status when the reason has been
 * told. @elf gets memory of its own; its path is that of @bzimage.
 */
int bzimage_unpack(const struct image *bzimage, struct image *elf);

/* E820 entries for a machine with such memory (platform.h has the places). */
struct e820_range {
	u64 base;
	u64 size;
	u32 type;		/* 1: usable, 2: reserved, 3: ACPI tables */
};

#define E820_RANGES	8

unsigned int e820_ranges(const struct memory *mem, struct e820_range ranges[E820_RANGES]);

#endif
