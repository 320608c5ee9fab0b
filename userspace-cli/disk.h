/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A raw file or a block device as a disk: opened, locked against a second user, measured.
 * What is read from and written to it goes through the queues of disk_io.h.
 */
#ifndef LODGE_CLI_DISK_H
#define LODGE_CLI_DISK_H

#include <stdatomic.h>

#include "cli.h"

#define DISK_SECTOR	512
/* off_t ends there. */
#define DISK_MOST	(BIT_ULL(63) - DISK_SECTOR)

struct disk_config;
struct disk_pool;

struct disk {
	const char *path;	/* for messages */
	int fd;
	bool read_only;
	bool block;		/* a device, no file */
	bool direct;		/* O_DIRECT: @logical is what memory and offsets align to */
	bool can_discard;
	u32 logical;		/* bytes: the smallest piece that is written as it is */
	u32 physical;		/* bytes: the smallest that is written without reading */
	u32 optimal;		/* bytes that are best written at once, or 0 */
	u64 size;		/* bytes, whole sectors */
	atomic_bool lost;	/* a sync failed: nobody knows what is on the disk since */
	atomic_bool told;	/* of the first error */
	struct disk_pool *pool;	/* threads for what the kernel cannot do by itself, or NULL */
};

/*
 * Opens what @config names; in any case disk_close() frees what there is. 0, or a status
 * of err.h when the reason has been told.
 */
int disk_open(struct disk *d, const struct disk_config *config);
void disk_close(struct disk *d);

/* Measures again what may have grown or shrunk: true when it has. */
bool disk_measure(struct disk *d);

/* ---- for those who only look ---- */

/* Bytes of a file or block device: 0 or -errno, -EINVAL when it is neither. */
int disk_size(int fd, u64 *size, bool *block);

/*
 * Takes the lock that everybody holds who uses a disk, shared by those who read: 0 or
 * -errno, -EWOULDBLOCK when another has it. It goes with the file.
 */
int disk_lock(int fd, bool shared);

/* The name of a format that is not raw but looks it, from a file's first bytes, or NULL. */
const char *disk_foreign_format(const u8 *head, u64 len);

#endif
