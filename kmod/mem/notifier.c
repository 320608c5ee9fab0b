// SPDX-License-Identifier: GPL-2.0
/*
 * notifier.c - the kernel is about to take a page of the process away (unmap,
 * swap, migrate, KSM, copy-on-write, a change of protection): withdraw it from
 * the guest first.  The guest holds no reference on its pages, so this is what
 * keeps it from using a page that belongs to somebody else by now.
 *
 * Between start and end of an invalidation no mapping may be made from what was
 * looked up before or meanwhile: inval_active is raised at the start, and
 * inval_seq moves at the end; mem/fault.c looks at both under ept_lock.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>

#include "../lodge.h"
#include "../vmx/caps.h"
#include "ept.h"
#include "notifier.h"
#include "slots.h"

/* Call fn for the guest pages of every slot that lies in [start, end). */
static bool walk_slots(struct lodge_vm *vm, hva_t start, hva_t end,
		       bool (*fn)(struct lodge_vm *, gfn_t, gfn_t, bool), bool flag)
{
	int idx = slots_lock_read(vm);
	const struct lodge_slots *s = srcu_dereference(vm->slots, &vm->srcu);
	bool any = false;
	int i;

	for (i = 0; i < s->count; i++) {
		const struct lodge_slot *slot = &s->slot[i];
		hva_t first = max(start, slot->hva);
		hva_t last = min(end, slot->hva + (slot->npages << PAGE_SHIFT));

		if (first >= last)
			continue;
		any |= fn(vm, slot->base + ((first - slot->hva) >> PAGE_SHIFT),
			  slot->base + (PAGE_ALIGN(last - slot->hva) >> PAGE_SHIFT), flag);
	}
	slots_unlock_read(vm, idx);
	return any;
}

static struct lodge_vm *vm_of(struct mmu_notifier *mn)
{
	return container_of(mn, struct lodge_vm, mn);
}

static int range_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct lodge_vm *vm = vm_of(mn);

	spin_lock(&vm->ept_lock);
	vm->inval_active++;
	spin_unlock(&vm->ept_lock);
	walk_slots(vm, range->start, range->end, ept_zap,
		   mmu_notifier_range_blockable(range));
	return 0;
}

static void range_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct lodge_vm *vm = vm_of(mn);

	spin_lock(&vm->ept_lock);
	vm->inval_seq++;
	/* pairs with smp_rmb() in fault_resolve(): the sequence moves first */
	smp_wmb();
	vm->inval_active--;
	spin_unlock(&vm->ept_lock);
}

/* Without accessed bits, a mapping that comes back is the only sign of life. */
static int age(struct mmu_notifier *mn, hva_t start, hva_t end, bool clear)
{
	struct lodge_vm *vm = vm_of(mn);

	if (vmx_has_ept_ad())
		return walk_slots(vm, start, end, ept_test_young, clear);
	return clear && walk_slots(vm, start, end, ept_zap, false);
}

static int clear_flush_young(struct mmu_notifier *mn, struct mm_struct *mm,
			     unsigned long start, unsigned long end)
{
	int young = age(mn, start, end, true);

	if (young)
		ept_flush(vm_of(mn));
	return young;
}

static int clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
		       unsigned long start, unsigned long end)
{
	/* a stale accessed bit in a TLB costs a wrong guess, not a page */
	return age(mn, start, end, true);
}

static int test_young(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long address)
{
	return age(mn, address, address + 1, false);
}

/* The process is gone, its VM may live on in somebody's file table. */
static void release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	ept_zap(vm_of(mn), 0, ~0ull, true);
}

static const struct mmu_notifier_ops ops = {
	.invalidate_range_start = range_start,
	.invalidate_range_end = range_end,
	.clear_flush_young = clear_flush_young,
	.clear_young = clear_young,
	.test_young = test_young,
	.release = release,
};

int notifier_register(struct lodge_vm *vm)
{
	vm->mn.ops = &ops;
	return mmu_notifier_register(&vm->mn, vm->mm);
}

void notifier_unregister(struct lodge_vm *vm)
{
	mmu_notifier_unregister(&vm->mn, vm->mm);
}
