/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests to a disk that finish later. They go to the kernel through io_uring, or, where
 * that is not to be had and for what it cannot do, to a few threads (disk_pool.c). A queue
 * has no lock: its user's holds for all calls, and the user waits for its event_fd.
 */
#ifndef LODGE_CLI_DISK_IO_H
#define LODGE_CLI_DISK_IO_H

#include <liburing.h>
#include <pthread.h>
#include <sys/uio.h>

#include "disk.h"

enum disk_op {
	DISK_READ,
	DISK_WRITE,
	DISK_FLUSH,		/* what was written before is on the disk */
	DISK_DISCARD,		/* nobody wants to read it again */
	DISK_ZERO,
	DISK_ZERO_UNMAP,	/* zeroes, and the room may be given back */
};

struct disk_request;
struct disk_queue;

/* What the kernel is asked for next. */
struct disk_step {
	enum { STEP_READ, STEP_WRITE, STEP_SYNC, STEP_ALLOCATE, STEP_DISCARD } kind;
	int mode;		/* of fallocate() */
	u64 offset, len;
	const struct iovec *iov;
	unsigned int nr;
};

struct disk_request {
	/* Set by who asks; iov is used up on the way. */
	enum disk_op op;
	bool sync;		/* a write is done when it is on the disk */
	u64 offset, len;	/* bytes, within the disk; something but for DISK_FLUSH */
	struct iovec *iov;	/* together @len bytes */
	unsigned int nr;
	/* Called by disk_reap(): 0 or -errno. It may submit requests again. */
	void (*done)(struct disk_request *r, int error);

	/* The queue's own. */
	struct disk_queue *queue;
	struct disk_request *next;
	struct disk_step step;
	struct iovec one;	/* of a step that has memory of its own */
	u8 *bounce;
	u64 finished;		/* bytes */
	int result;		/* of the step */
	unsigned int interrupted;
	bool by_hand;		/* zeroes have to be written */
	bool syncing;
};

struct disk_list {
	struct disk_request *first, *last;
};

void disk_list_add(struct disk_list *list, struct disk_request *r);
struct disk_request *disk_list_take(struct disk_list *list);

struct disk_queue {
	struct disk *disk;
	int event_fd;		/* readable: disk_reap() has something to do */
	unsigned int under_way;
	bool stopping;
	bool has_ring;
	struct io_uring ring;
	int dead;		/* the ring refuses all: -errno */
	struct disk_list placed; /* in the ring, not yet taken by the kernel */
	pthread_mutex_t lock;	/* of the following */
	struct disk_list finished; /* by threads */
};

/*
 * For up to @depth requests at a time, which the user counts. With @threads no io_uring is
 * tried. 0 or -errno; disk_queue_close() is for those only that were opened, with nothing
 * under way.
 */
int disk_queue_open(struct disk_queue *q, struct disk *d, unsigned int depth, bool threads);
void disk_queue_close(struct disk_queue *q);

/* Adds a request to those that disk_kick() sends on their way. */
void disk_submit(struct disk_queue *q, struct disk_request *r);
void disk_kick(struct disk_queue *q);
/* Calls done() of what has finished; how many that were. */
unsigned int disk_reap(struct disk_queue *q);
/* Waits for all; what goes on in several steps ends with -ECANCELED after one. */
void disk_drain(struct disk_queue *q);

/* ---- disk_pool.c: threads ---- */

/* Starts the disk's threads if it has none: 0 or -errno. */
int disk_pool_start(struct disk *d);
/* With no request left. */
void disk_pool_stop(struct disk *d);
/* A thread makes the step and puts the request into its queue's list of finished ones. */
void disk_pool_add(struct disk *d, struct disk_request *r);

#endif
