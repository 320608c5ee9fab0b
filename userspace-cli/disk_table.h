/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Partition tables, for people who look at a disk. A table was written by whoever had the
 * disk before, a guest for one: each number in it may be wrong.
 */
#ifndef LODGE_CLI_DISK_TABLE_H
#define LODGE_CLI_DISK_TABLE_H

#include "cli.h"

#define DISK_PARTITIONS	128

struct disk_partition {
	unsigned int number;
	u64 start, size;	/* bytes */
	bool bootable;
	bool outside;		/* of the disk, in part or as a whole */
	char type[40];		/* in words if it is known, else a number */
	char name[112];		/* UTF-8 without control characters, or empty */
};

struct disk_table {
	const char *kind;	/* "none", "mbr" or "gpt" */
	const char *remark;	/* what is wrong with it, or NULL */
	unsigned int nr;
	struct disk_partition partition[DISK_PARTITIONS];
};

/* What a table is read from. */
struct disk_reader {
	u64 size;
	/* All @len bytes; false: that failed. Asked for what is within the size only. */
	bool (*read)(void *arg, u64 off, void *to, u32 len);
	void *arg;
};

/* False when reading failed. */
bool disk_table_read(struct disk_table *t, const struct disk_reader *from);

#endif
