/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's memory as this process sees it. Addresses that come from the guest are
 * hostile: all go through memory_at(), which answers for whole ranges only. What is there
 * may change under the reader's hands at any time: read once, then judge the copy.
 */
#ifndef LODGE_CLI_MEMORY_H
#define LODGE_CLI_MEMORY_H

#include "cli.h"

/* Memory stops here and goes on at 4 GiB: the room between is for devices. */
#define MEMORY_LOW_END		(3 * GIB)
#define MEMORY_HIGH_BASE	(4 * GIB)

/* What the host's large pages and those of a guest's translation hold. */
#define MEMORY_LARGE		(2 * MIB)

struct ram {
	u64 gpa;
	u64 size;
	u8 *host;
};

struct memory {
	u64 size;		/* of both together */
	struct ram ram[2];	/* below and above the room for devices; size 0: not there */
};

/*
 * Where @len bytes at guest physical @gpa are in this process. NULL if one of them is no
 * memory, or @len is 0.
 */
void *memory_at(const struct memory *mem, u64 gpa, u64 len);

/* Copies; false, with nothing copied, unless all of it is memory. */
bool memory_read(const struct memory *mem, u64 gpa, void *to, u64 len);
bool memory_write(const struct memory *mem, u64 gpa, const void *from, u64 len);

/*
 * @size bytes, a multiple of pages, which begin at a border of large pages: there a guest
 * that begins at one, too, can have them as large as the host. NULL, errno says why.
 */
void *memory_map(u64 size);
/* Anonymous pages for @size bytes of guest: 0 or -errno. */
int memory_create(struct memory *mem, u64 size);
/* Before they are used: large ones where the host has them, or each small and by itself. */
void memory_large_pages(struct memory *mem, bool wanted);
void memory_destroy(struct memory *mem);
/* All zeroes again. */
void memory_clear(struct memory *mem);

#endif
