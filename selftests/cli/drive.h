/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk of a fake machine with its driver, for tests of virtio-blk: an image, four queues,
 * and requests cut into pieces as no real driver does it.
 */
#ifndef LODGE_CLI_DRIVE_H
#define LODGE_CLI_DRIVE_H

#include <linux/virtio_blk.h>

#include "devices.h"
#include "guest.h"

#define DISK_SECTORS	2048ull
#define DISK_BYTES	(DISK_SECTORS * 512)
#define QUEUES		4
#define RING		256
/* Where in the guest's memory the requests are. */
#define ARENA		0x400000
#define ARENA_SIZE	0x200000

#define ALL_FEATURES	(~0ull)
#define FEATURE(name)	BIT_ULL(VIRTIO_BLK_F_##name)

struct drive {
	struct machine m;
	struct cpu cpu;
	struct guest_virtio v;
	struct guest_queue q[QUEUES];
	unsigned int nr_queues;
	char path[64];
	bool device;		/* the path is that of a device, nothing to be removed */
	int fd;			/* of the image, the test's own */
	u64 room;		/* the arena is free from here on */
};

/* Makes an image of zeroes: its path, and the test's own file. */
void make_image(struct drive *d);

/*
 * A machine with the disk, whose driver takes these features of those that are offered;
 * with an image of its own unless there is one. False: it was refused.
 */
bool plug(struct drive *d, struct disk_config config, u64 features);
/* The machine goes, and the image with it. */
void unplug(struct drive *d);
/* Resets the device and starts it with these features. */
bool ready(struct drive *d, u64 features);

/* All that is not a request, byte by byte 0xa5. */
void clear_arena(struct drive *d);
u8 *arena(struct drive *d);

/* ---- requests ------------------------------------------------------------------------------ */

#define PIECES	8

struct request {
	u32 type;
	u64 sector;
	const void *out;	/* behind the header */
	u32 out_len;
	void *in;		/* filled before the status */
	u32 in_len;

	struct guest_queue *q;
	u16 head;
	u8 status;
	bool done;
	struct guest_piece piece[2 * PIECES];
	unsigned int nr, nr_out;
};

/* Puts a request into the arena, in random pieces, and into the queue. */
void submit(struct drive *d, struct guest_queue *q, struct request *r);
/* Waits until all are done. */
void wait_for(struct drive *d, struct request *r, unsigned int nr);
/* Writes to a request's pieces that the device reads. */
void fill(struct drive *d, struct request *r, u64 off, const void *from, u32 len);

/* One request on queue 0 and nothing else: its status. */
u8 ask(struct drive *d, struct request r);
u8 transfer(struct drive *d, u32 type, u64 sector, void *data, u32 len);
u8 flush(struct drive *d);
u8 ask_ranges(struct drive *d, u32 type, const void *ranges, u32 len);
u8 ask_range(struct drive *d, u32 type, u64 sector, u32 nr, u32 flags);

#endif
