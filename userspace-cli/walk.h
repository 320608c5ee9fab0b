/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way through page tables, entry by entry, for who wants to see where it ends and why:
 * the guest's own in all modes of paging (SDM volume 3A, chapter "Paging"), and the extended
 * ones (volume 3C, 28.3). The tables may say anything; each step is one read.
 */
#ifndef LODGE_CLI_WALK_H
#define LODGE_CLI_WALK_H

#include <stdio.h>

#include "../uapi/linux/lodge.h"
#include "paging.h"

#define WALK_LEVELS	5

/* How a walk ends. */
enum walk_end {
	WALK_PAGE,		/* at a page */
	WALK_UNPAGED,		/* at once: paging is off */
	WALK_NO_ADDRESS,	/* at once: not an address of that mode */
	WALK_NOT_PRESENT,
	WALK_RESERVED,		/* an entry has bits that must be 0 */
	WALK_NO_MEMORY,		/* a table is where no memory is */
};

struct walk_step {
	const char *table;	/* "PML4" ... */
	unsigned int index;
	u64 at;			/* the entry's guest-physical address */
	u64 entry;
	bool leaf;		/* maps a page */
};

struct walk {
	enum walk_end end;
	const char *mode;	/* "4 levels" ... */
	struct walk_step step[WALK_LEVELS];
	unsigned int steps;	/* the last one may not have been read: WALK_NO_MEMORY */
	u64 gva, gpa;		/* gpa and size: of WALK_PAGE and WALK_UNPAGED */
	u64 size;
	u64 reserved;		/* the bits of WALK_RESERVED */
};

/* @phys_bits: how long the guest's physical addresses are (CPUID 0x80000008). */
void walk_guest(const struct paging *p, const struct memory *mem, unsigned int phys_bits,
		u64 gva, struct walk *w);
/* Whether anything is at the end. */
bool walk_arrives(const struct walk *w);
void walk_print(FILE *f, const struct walk *w);

void walk_print_ept(FILE *f, const struct lodge_ept_walk *w);

#endif
