/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ELF files of kernels, of 32 and 64 bits alike: their segments into guest memory at
 * physical addresses, and their notes.
 */
#ifndef LODGE_CLI_BOOT_ELF_FILE_H
#define LODGE_CLI_BOOT_ELF_FILE_H

#include "boot_places.h"

struct elf_segment {
	u32 type;
	u64 offset, file_size;		/* both within the file */
	u64 vaddr, paddr, size, align;
};

struct elf_file {
	const struct image *image;
	bool is_64;
	u64 entry;
	u64 table;			/* of program headers, as a whole in the file */
	unsigned int segments;
};

bool elf_matches(const struct image *image);

/* A kernel's file, by its header alone, for whoever wants no segments: 0 or a status. */
int elf_identify(struct elf_file *elf, const struct image *image);
/* Checks it all: 0, or a status of err.h when the reason has been told. */
int elf_open(struct elf_file *elf, const struct image *image);

struct elf_segment elf_segment(const struct elf_file *elf, unsigned int i);

/* The note of that owner and type: its contents or NULL. */
const u8 *elf_note(const struct elf_file *elf, const char *owner, u32 type, u64 *size);

/* What is loaded has that text in it. */
bool elf_has_text(const struct elf_file *elf, const char *text);

/* All of its segments: 0, or a status when the reason has been told. */
int elf_load(const struct elf_file *elf, struct places *places);

/*
 * Where a program that is entered at @address starts: as physical address in one of the
 * segments' code, or else as virtual one. False: nowhere.
 */
bool elf_entry(const struct elf_file *elf, u64 address, u64 *gpa);

#endif
