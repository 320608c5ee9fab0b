/* SPDX-License-Identifier: GPL-2.0 */
/* Which pages of guest memory were written. */
#ifndef LODGE_MEM_DIRTY_H
#define LODGE_MEM_DIRTY_H

#include "../lodge.h"

struct lodge_slot;

/*
 * The page has been written, or made writable, by this vCPU: call it afterwards,
 * inside slots_lock_read().
 */
void dirty_mark(struct lodge_vcpu *vcpu, const struct lodge_slot *slot, gfn_t gfn);
/* After an exit, before the vCPU counts as outside: take over what the CPU logged. */
void dirty_drain_pml(struct lodge_vcpu *vcpu);

/* The ioctls; the bitmap is copied from and to user memory here. */
int dirty_get_log(struct lodge_vm *vm, const struct kvm_dirty_log *log);
int dirty_clear_log(struct lodge_vm *vm, const struct kvm_clear_dirty_log *log);
int dirty_reset_rings(struct lodge_vm *vm);

/* For mem/slots.c, under slots_lock: the bitmap that a slot's flags ask for. */
int dirty_alloc_bitmap(struct lodge_vm *vm, struct lodge_slot *slot);
/* Does any slot log now?  The CPU's log is on only then. */
void dirty_update_logging(struct lodge_vm *vm, bool any);
/* The slot in the table logs from now on. */
void dirty_start(struct lodge_vm *vm, const struct lodge_slot *slot);

/* Rings, whose size is fixed under vm->lock before the first vCPU. */
int dirty_ring_enable(struct lodge_vm *vm, u64 bytes);
int dirty_ring_alloc(struct lodge_vcpu *vcpu);
void dirty_ring_free(struct lodge_vcpu *vcpu);
/* So full that the next entry might not find room. */
bool dirty_ring_full(const struct lodge_vcpu *vcpu);
int dirty_ring_pages(const struct lodge_vm *vm);
struct page *dirty_ring_page(const struct lodge_vcpu *vcpu, unsigned long n);

#endif
