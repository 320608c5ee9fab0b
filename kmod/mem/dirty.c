// SPDX-License-Identifier: GPL-2.0
/*
 * dirty.c - which pages of guest memory were written, for migration and the
 * like.  A write is noticed in one of three ways: by the fault of a page that is
 * mapped read-only, by the CPU's log of the dirty bits that it sets (PML, SDM
 * vol. 3C 28.2.5), or because we make it ourselves for the guest.  It is
 * remembered in the slot's bitmap, or in a ring of the vCPU that user space
 * reads without a call.
 *
 * No write may be lost.  The rule: whoever makes a page writable, or writes to
 * it, marks it afterwards; whoever collects marks clears them first, takes the
 * right to write unnoticed away after that (ept_protect()), and tells user space
 * only when no CPU can have kept it (ept_flush()).
 */
#include <linux/bitmap.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "../lodge.h"
#include "../kick.h"
#include "../vmx/caps.h"
#include "../vmx/insn.h"
#include "dirty.h"
#include "ept.h"
#include "slots.h"

#define PML_ENTRIES	512

/* What one entry can add: a full log, and a batch of emulated instructions. */
#define RING_RESERVED	(PML_ENTRIES + 192)

static void ring_push(struct lodge_vcpu *vcpu, u32 slot, u64 offset)
{
	struct lodge_ring *r = &vcpu->ring;
	struct kvm_dirty_gfn *e = &r->gfns[r->head & r->mask];

	if (r->head - READ_ONCE(r->tail) > r->mask) {
		vm_kill(vcpu->vm, "the dirty ring of vCPU %d is too small", vcpu->id);
		return;
	}
	e->slot = slot;
	e->offset = offset;
	/* user space that sees the flag sees the rest */
	smp_store_release(&e->flags, KVM_DIRTY_GFN_F_DIRTY);
	/* pairs with the acquire in reset_ring() */
	smp_store_release(&r->head, r->head + 1);
}

void dirty_mark(struct lodge_vcpu *vcpu, const struct lodge_slot *slot, gfn_t gfn)
{
	if (likely(!(slot->flags & KVM_MEM_LOG_DIRTY_PAGES)))
		return;
	if (vcpu->vm->ring_entries)
		ring_push(vcpu, slot->id, gfn - slot->base);
	else if (slot->dirty)
		set_bit(gfn - slot->base, slot->dirty);	/* orders the write before it */
}

void dirty_drain_pml(struct lodge_vcpu *vcpu)
{
	unsigned int i = vmread16(GUEST_PML_INDEX);
	const struct lodge_slot *slot;
	int idx;

	if (i == PML_ENTRIES - 1)
		return;
	/* it counts down, and past zero where the log is full */
	i = i < PML_ENTRIES ? i + 1 : 0;
	idx = slots_lock_read(vcpu->vm);
	for (; i < PML_ENTRIES; i++) {
		gfn_t gfn = vcpu->pml[i] >> PAGE_SHIFT;

		slot = slots_find(vcpu->vm, gfn);
		if (slot)
			dirty_mark(vcpu, slot, gfn);
	}
	slots_unlock_read(vcpu->vm, idx);
	vmwrite16(GUEST_PML_INDEX, PML_ENTRIES - 1);
}

/* Under slots_lock: every vCPU writes its log out on the way out of the guest. */
static void collect_logs(struct lodge_vm *vm)
{
	if (vmx_has_pml())
		vm_kick_all_wait(vm);
}

static void protect_marked(struct lodge_vm *vm, const struct lodge_slot *slot,
			   const unsigned long *bits, u64 first, u64 count)
{
	unsigned long start = 0, end;
	bool changed = false;

	for (;; start = end) {
		start = find_next_bit(bits, count, start);
		if (start >= count)
			break;
		end = find_next_zero_bit(bits, count, start);
		changed |= ept_protect(vm, slot->base + first + start, slot->base + first + end);
	}
	if (changed)
		ept_flush(vm);
}

static size_t bitmap_bytes(u64 pages)
{
	return BITS_TO_LONGS(pages) * sizeof(long);
}

/* The second half of the bitmap's memory, for one caller at a time. */
static unsigned long *snapshot_of(const struct lodge_slot *slot)
{
	return slot->dirty + BITS_TO_LONGS(slot->npages);
}

/* Take the marks, so that they are told once; or give them back. */
static int take_log(struct lodge_vm *vm, const struct lodge_slot *slot, void __user *to)
{
	unsigned long *bits = snapshot_of(slot);
	u64 i, n = BITS_TO_LONGS(slot->npages);

	for (i = 0; i < n; i++)
		bits[i] = slot->dirty[i] ? xchg(&slot->dirty[i], 0) : 0;
	protect_marked(vm, slot, bits, 0, slot->npages);
	if (!copy_to_user(to, bits, bitmap_bytes(slot->npages)))
		return 0;
	for (i = 0; i < n; i++)
		atomic_long_or(bits[i], (atomic_long_t *)&slot->dirty[i]);
	return -EFAULT;
}

static int get_log(struct lodge_vm *vm, const struct kvm_dirty_log *log)
{
	const struct lodge_slot *slot = slots_find_id(vm, log->slot);

	if (!slot || !slot->dirty)
		return -ENOENT;
	collect_logs(vm);
	if (!vm->manual_protect)
		return take_log(vm, slot, log->dirty_bitmap);
	return copy_to_user(log->dirty_bitmap, slot->dirty, bitmap_bytes(slot->npages)) ?
	       -EFAULT : 0;
}

int dirty_get_log(struct lodge_vm *vm, const struct kvm_dirty_log *log)
{
	int err;

	if (vm->ring_entries)
		return -ENXIO;
	if (log->slot >= LODGE_MAX_SLOTS)
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	err = get_log(vm, log);
	mutex_unlock(&vm->slots_lock);
	return err;
}

/* Whole words, but for the end of the slot. */
static bool range_valid(const struct lodge_slot *slot, const struct kvm_clear_dirty_log *log)
{
	if (log->first_page > slot->npages || log->num_pages > slot->npages - log->first_page)
		return false;
	return !(log->num_pages & 63) || log->num_pages == slot->npages - log->first_page;
}

static int clear_log(struct lodge_vm *vm, const struct kvm_clear_dirty_log *log)
{
	const struct lodge_slot *slot = slots_find_id(vm, log->slot);
	unsigned long *bits, *dirty;
	u64 i;

	if (!slot || !slot->dirty)
		return -ENOENT;
	if (!range_valid(slot, log))
		return -EINVAL;
	bits = snapshot_of(slot);
	dirty = slot->dirty + log->first_page / BITS_PER_LONG;
	if (copy_from_user(bits, log->dirty_bitmap, bitmap_bytes(log->num_pages)))
		return -EFAULT;
	collect_logs(vm);
	for (i = 0; i < BITS_TO_LONGS(log->num_pages); i++)
		bits[i] &= atomic_long_fetch_andnot(bits[i], (atomic_long_t *)&dirty[i]);
	protect_marked(vm, slot, bits, log->first_page, log->num_pages);
	return 0;
}

int dirty_clear_log(struct lodge_vm *vm, const struct kvm_clear_dirty_log *log)
{
	int err;

	if (vm->ring_entries)
		return -ENXIO;
	if (log->slot >= LODGE_MAX_SLOTS || (log->first_page & 63))
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	err = clear_log(vm, log);
	mutex_unlock(&vm->slots_lock);
	return err;
}

int dirty_alloc_bitmap(struct lodge_vm *vm, struct lodge_slot *slot)
{
	slot->dirty = NULL;
	if (!(slot->flags & KVM_MEM_LOG_DIRTY_PAGES) || vm->ring_entries)
		return 0;
	slot->dirty = kvcalloc(2 * BITS_TO_LONGS(slot->npages), sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!slot->dirty)
		return -ENOMEM;
	if (vm->initially_set)
		bitmap_set(slot->dirty, 0, slot->npages);
	return 0;
}

void dirty_update_logging(struct lodge_vm *vm, bool any)
{
	int i;

	if (vm->logging == any || !vmx_has_pml())
		return;
	WRITE_ONCE(vm->logging, any);
	/* pairs with the release in vm_create_vcpu() */
	for (i = smp_load_acquire(&vm->nr_vcpus) - 1; i >= 0; i--)
		vcpu_request(vm->vcpus[i], REQ_DIRTY_LOGGING);
	vm_kick_all_wait(vm);
}

void dirty_start(struct lodge_vm *vm, const struct lodge_slot *slot)
{
	/* where all is marked as written, protection begins when the marks go */
	if (slot->dirty && vm->initially_set)
		return;
	if (ept_protect(vm, slot->base, slot->base + slot->npages))
		ept_flush(vm);
}

int dirty_ring_alloc(struct lodge_vcpu *vcpu)
{
	u32 entries = vcpu->vm->ring_entries;

	if (!entries)
		return 0;
	vcpu->ring.gfns = __vmalloc(entries * sizeof(struct kvm_dirty_gfn),
				    GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!vcpu->ring.gfns)
		return -ENOMEM;
	vcpu->ring.mask = entries - 1;
	return 0;
}

void dirty_ring_free(struct lodge_vcpu *vcpu)
{
	vfree(vcpu->ring.gfns);
}

bool dirty_ring_full(const struct lodge_vcpu *vcpu)
{
	const struct lodge_ring *r = &vcpu->ring;

	return r->gfns && r->head - READ_ONCE(r->tail) >= r->mask + 1 - RING_RESERVED;
}

int dirty_ring_pages(const struct lodge_vm *vm)
{
	return vm->ring_entries * sizeof(struct kvm_dirty_gfn) / PAGE_SIZE;
}

struct page *dirty_ring_page(const struct lodge_vcpu *vcpu, unsigned long n)
{
	return vmalloc_to_page((void *)vcpu->ring.gfns + n * PAGE_SIZE);
}

int dirty_ring_enable(struct lodge_vm *vm, u64 bytes)
{
	u64 entries = bytes / sizeof(struct kvm_dirty_gfn);

	if (!is_power_of_2(bytes) || bytes < PAGE_SIZE || entries <= RING_RESERVED)
		return -EINVAL;
	if (bytes > U32_MAX)
		return -EINVAL;
	if (bytes > LODGE_MAX_RING_BYTES)
		return -E2BIG;
	if (vm->ring_entries || vm->nr_vcpus)
		return -EINVAL;
	vm->ring_entries = entries;
	return 0;
}

/* What user space wrote into its copy of an entry may be anything. */
static bool protect_entry(struct lodge_vm *vm, u32 id, u64 offset)
{
	const struct lodge_slot *slot = slots_find_id(vm, id);

	if (!slot || offset >= slot->npages)
		return false;
	return ept_protect(vm, slot->base + offset, slot->base + offset + 1);
}

/* Entries that user space has done with, up to the first that it has not. */
static u32 reset_ring(struct lodge_vm *vm, struct lodge_ring *r, bool *changed)
{
	u32 n = 0;

	/* pairs with the release in ring_push() */
	while (r->tail != smp_load_acquire(&r->head)) {
		struct kvm_dirty_gfn *e = &r->gfns[r->tail & r->mask];
		u64 offset = READ_ONCE(e->offset);
		u32 slot = READ_ONCE(e->slot);

		if (!(READ_ONCE(e->flags) & KVM_DIRTY_GFN_F_RESET))
			break;
		WRITE_ONCE(e->flags, 0);
		*changed |= protect_entry(vm, slot, offset);
		/* the vCPU may use the entry again */
		smp_store_release(&r->tail, r->tail + 1);
		n++;
		cond_resched();
	}
	return n;
}

int dirty_reset_rings(struct lodge_vm *vm)
{
	bool changed = false;
	u32 n = 0;
	int i;

	if (!vm->ring_entries)
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	/* pairs with the release in vm_create_vcpu() */
	for (i = smp_load_acquire(&vm->nr_vcpus) - 1; i >= 0; i--)
		n += reset_ring(vm, &vm->vcpus[i]->ring, &changed);
	if (changed)
		ept_flush(vm);
	mutex_unlock(&vm->slots_lock);
	return n;
}
