/* SPDX-License-Identifier: GPL-2.0 */
/* A virtqueue in memory that has a hole, for the tests of vring.c. */
#ifndef LODGE_CLI_RING_H
#define LODGE_CLI_RING_H

#include "units.h"
#include "vring.h"

#define LOW_SIZE	(64 * KIB)
#define HIGH_SIZE	(16 * KIB)
#define DESCRIPTORS	0x1000ull
#define AVAILABLE	0x6000ull
#define USED		0x8000ull
#define TABLE		0xb000ull	/* indirect */
#define DATA		0xc000ull

#define NEXT	VRING_DESC_F_NEXT
#define IN	VRING_DESC_F_WRITE
#define TAB	VRING_DESC_F_INDIRECT

struct bench {
	struct memory mem;
	struct vring r;
	struct vchain chain;
	struct vring_desc *desc, *table;
	struct vring_avail *avail;
	struct vring_used *used;
};

/* Behind the ends of the memory nothing may be touched. */
void bench_open(struct bench *b, u16 size);
void bench_close(struct bench *b);

void put(struct vring_desc *d, u64 addr, u32 len, u16 flags, u16 next);
/* The chain becomes available. */
void offer(struct bench *b, u16 head);

/* The words for event indices behind the two rings. */
static inline u16 *used_event(struct bench *b)
{
	return &b->avail->ring[b->r.size];
}

static inline u16 *avail_event(struct bench *b)
{
	return (u16 *)&b->used->ring[b->r.size];
}

#endif
