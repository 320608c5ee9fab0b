/* SPDX-License-Identifier: GPL-2.0 */
/* The names of a guest's addresses, out of the symbol table of its ELF file (vmlinux). */
#ifndef LODGE_CLI_ELF_SYMBOLS_H
#define LODGE_CLI_ELF_SYMBOLS_H

#include "boot.h"

struct symbol {
	u64 address, size;	/* size 0: up to the next one */
	const char *name;	/* not empty, of any bytes */
};

struct symbols {
	struct image image;	/* where the names are */
	struct symbol *list;	/* by their addresses, each address once */
	unsigned int nr;
};

/* Reads the file: 0, or a status of err.h when the reason has been told. */
int symbols_open(struct symbols *s, const char *path);
/* The same of a file that is there; it stays the caller's until symbols_close(). */
int symbols_load(struct symbols *s);
void symbols_close(struct symbols *s);

/* The index of the one that has @address in it, or -1. */
int symbols_find(const struct symbols *s, u64 address);

#endif
