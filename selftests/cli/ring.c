// SPDX-License-Identifier: GPL-2.0
/* A virtqueue in memory that has a hole: see ring.h. */
#include <stdlib.h>

#include "ring.h"

void bench_open(struct bench *b, u16 size)
{
	memset(b, 0, sizeof(*b));
	b->mem.ram[0] = (struct ram){ .size = LOW_SIZE,
				      .host = aligned_alloc(PAGE_SIZE, LOW_SIZE) };
	b->mem.ram[1] = (struct ram){ .gpa = MEMORY_HIGH_BASE, .size = HIGH_SIZE,
				      .host = aligned_alloc(PAGE_SIZE, HIGH_SIZE) };
	memset(b->mem.ram[0].host, 0, LOW_SIZE);
	memset(b->mem.ram[1].host, 0, HIGH_SIZE);
	b->r = (struct vring){
		.mem = &b->mem, .size = size, .indirect = true, .signalled_valid = true,
		.descriptors = DESCRIPTORS, .available = AVAILABLE, .used = USED,
	};
	b->desc = (struct vring_desc *)(b->mem.ram[0].host + DESCRIPTORS);
	b->table = (struct vring_desc *)(b->mem.ram[0].host + TABLE);
	b->avail = (struct vring_avail *)(b->mem.ram[0].host + AVAILABLE);
	b->used = (struct vring_used *)(b->mem.ram[0].host + USED);
	CHECK(!vring_check(&b->r));
}

void bench_close(struct bench *b)
{
	free(b->mem.ram[0].host);
	free(b->mem.ram[1].host);
}

void put(struct vring_desc *d, u64 addr, u32 len, u16 flags, u16 next)
{
	*d = (struct vring_desc){ .addr = addr, .len = len, .flags = flags, .next = next };
}

void offer(struct bench *b, u16 head)
{
	b->avail->ring[b->avail->idx % b->r.size] = head;
	b->avail->idx++;
}
