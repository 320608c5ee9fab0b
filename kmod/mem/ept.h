/* SPDX-License-Identifier: GPL-2.0 */
/* Extended page tables: guest physical to host physical. */
#ifndef LODGE_MEM_EPT_H
#define LODGE_MEM_EPT_H

#include "../lodge.h"

#define EPT_LEVEL_4K	1
#define EPT_LEVEL_2M	2
#define EPT_LEVEL_1G	3
#define EPT_ROOT_LEVEL	4

static inline u64 ept_level_pages(int level)
{
	return 1ull << (9 * (level - 1));
}

int ept_init(struct lodge_vm *vm);
/* No vCPU is left. */
void ept_destroy(struct lodge_vm *vm);

/* Enough pages for any single mapping; may sleep. */
int ept_topup(struct lodge_vcpu *vcpu);
void ept_drain(struct lodge_vcpu *vcpu);

/* A mapping to be made: the page of @gfn, or with its neighbours a larger one. */
struct ept_leaf {
	gfn_t gfn;
	u64 pfn;
	int level;		/* the largest that will do */
	bool writable;
	bool dirty;		/* it is mapped in order to be written */
	bool device;		/* registers, not memory */
	bool trap;		/* no memory at all: an entry whose use is an exit of its own */
	bool nx_split;		/* small only because code runs from it: mem/nx_huge.c */
};

/*
 * Under ept_lock, after ept_topup().  True if a mapping that other CPUs may
 * have cached was replaced: call ept_flush() after dropping the lock.
 */
bool ept_map(struct lodge_vcpu *vcpu, const struct ept_leaf *leaf);

/* Withdraw [start, end), wait until no CPU uses it any more; was there anything? */
bool ept_zap(struct lodge_vm *vm, gfn_t start, gfn_t end, bool may_sleep);

/*
 * The next write to a page of [start, end) is to be noticed; large pages become
 * small ones.  May sleep.  True if anything changed: ept_flush() makes it take
 * effect.
 */
bool ept_protect(struct lodge_vm *vm, gfn_t start, gfn_t end);

/* First page of the 2 MiB that were split longest ago so that code can run there. */
bool ept_oldest_nx_split(struct lodge_vm *vm, gfn_t *gfn);

/* Was any page of [start, end) accessed since the last call with clear set? */
bool ept_test_young(struct lodge_vm *vm, gfn_t start, gfn_t end, bool clear);

/* Entries from the root to the last that there is on the way to a page; how many. */
int ept_walk(struct lodge_vm *vm, gfn_t gfn, u64 entries[EPT_ROOT_LEVEL]);
/* What such an entry says beside an address. */
u64 ept_hide_address(u64 entry);

/* Make every CPU drop its translations of this VM before it enters again. */
void ept_flush(struct lodge_vm *vm);
/* Before an entry, interrupts off: catch up with ept_flush(). */
void ept_invalidate(struct lodge_vm *vm);

static inline void ept_sync_cpu(struct lodge_vm *vm)
{
	if (unlikely(vm->ept_gen_seen[raw_smp_processor_id()] != atomic64_read(&vm->ept_gen)))
		ept_invalidate(vm);
}

#endif
