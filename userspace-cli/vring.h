/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The split virtqueue of virtio 1.2 (2.7), the device's side. A pure unit: it reads and
 * writes guest memory and nothing else. All that stands in the rings is hostile: each word
 * is read once and judged, and a chain is handed out only when every byte of it is memory.
 */
#ifndef LODGE_CLI_VRING_H
#define LODGE_CLI_VRING_H

#include <sys/uio.h>

/* The layouts and flags; its own struct vring is of no use here. */
#define vring linux_vring
#include <linux/virtio_ring.h>
#undef vring

#include "memory.h"

#define VRING_MOST		1024	/* descriptors; a power of two */
/* Pieces of one chain: what one request may be made of. */
#define VRING_PIECES		256

struct vring {
	const struct memory *mem;
	u16 size;		/* a power of two up to VRING_MOST */
	bool indirect;		/* VIRTIO_RING_F_INDIRECT_DESC was negotiated */
	bool event_index;	/* VIRTIO_RING_F_EVENT_IDX was */
	u64 descriptors;	/* guest physical, of the three parts */
	u64 available;
	u64 used;

	u16 next_available;	/* chains taken so far, modulo 2^16 */
	u16 next_used;		/* chains given back */
	u16 signalled_used;	/* next_used when the guest was last told */
	bool signalled_valid;
	const char *broken;	/* why nothing is taken any more, or NULL */
};

/* A request: first what the device reads, then what it writes. */
struct vchain {
	u16 head;
	unsigned int nr_out, nr_in;
	u64 out_len, in_len;
	struct iovec iov[VRING_PIECES];	/* nr_out for reading, then nr_in for writing */
};

/* The three parts must be aligned and in memory: NULL, or why they are not. */
const char *vring_check(const struct vring *r);

/* 1: a chain; 0: none there; -1: the guest broke the rules, r->broken tells which. */
int vring_take(struct vring *r, struct vchain *chain);

/* Gives a chain back with @len bytes written into it. In any order. */
void vring_give(struct vring *r, u16 head, u32 len);

/* A chain and how much was written into it. */
struct vring_given {
	u16 head;
	u32 len;
};

/* Gives back up to r->size chains that belong together: the guest sees all, or none. */
void vring_give_all(struct vring *r, const struct vring_given *given, unsigned int nr);

/* Whether the guest wants to be told of what was given since this was last asked. */
bool vring_wants_signal(struct vring *r);

/*
 * Asks the guest to kick, or not to. After vring_want_kicks(true) one has to look for
 * chains again: true when one came meanwhile.
 */
bool vring_want_kicks(struct vring *r, bool want);

/* Copies between a chain's pieces from byte @off on, and a buffer: how many it was. */
u64 vchain_read(const struct vchain *c, u64 off, void *to, u64 len);
u64 vchain_write(const struct vchain *c, u64 off, const void *from, u64 len);

#endif
