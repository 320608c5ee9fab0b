// SPDX-License-Identifier: GPL-2.0
/*
 * ept.c - the extended page tables of a VM: their entries, how they grow, how
 * they are withdrawn, and how CPUs are made to forget.  Tables grow when the
 * guest touches memory (mem/fault.c) and shrink when the process or a slot
 * takes memory away; entries change only under vm->ept_lock.  A table page is
 * freed only after every CPU that could be walking it has dropped it.
 *
 * Forgetting is a generation count: a withdrawal bumps vm->ept_gen and kicks
 * the vCPUs that are inside the guest; before an entry each CPU compares the
 * count with the one it saw last and executes INVEPT if they differ.
 * SDM vol. 3C 28.2 and 28.4.
 */
#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <asm/cpufeature.h>

#include "../lodge.h"
#include "../kick.h"
#include "../vmx/caps.h"
#include "../vmx/insn.h"
#include "ept.h"

#define EPT_LARGE	BIT_ULL(7)
#define EPT_ADDR	GENMASK_ULL(51, 12)
#define EPT_ENTRIES	512

static bool is_present(u64 e)
{
	return e & VMX_EPT_RWX_MASK;
}

static bool is_leaf(u64 e, int level)
{
	return level == EPT_LEVEL_4K || (e & EPT_LARGE);
}

static u64 *table_of(u64 e)
{
	return __va(e & EPT_ADDR);
}

static unsigned int index_at(gfn_t gfn, int level)
{
	return (gfn >> (9 * (level - 1))) & (EPT_ENTRIES - 1);
}

static u64 make_table(u64 *table)
{
	return __pa(table) | VMX_EPT_RWX_MASK;
}

/*
 * Guest memory is write-back.  Where the host snoops its own writes the guest's
 * PAT may choose another type on top; elsewhere it is ignored, or the same page
 * would be cached and uncached at once.
 */
static u64 make_leaf(u64 pfn, int level, bool writable)
{
	u64 e = pfn << PAGE_SHIFT | VMX_EPT_READABLE_MASK | VMX_EPT_EXECUTABLE_MASK |
		(u64)VMX_EPTP_MT_WB << VMX_EPT_MT_EPTE_SHIFT;

	if (writable)
		e |= VMX_EPT_WRITABLE_MASK;
	if (level > EPT_LEVEL_4K)
		e |= EPT_LARGE;
	if (!boot_cpu_has(X86_FEATURE_SELFSNOOP))
		e |= VMX_EPT_IPAT_BIT;
	return e;
}

int ept_init(struct lodge_vm *vm)
{
	spin_lock_init(&vm->ept_lock);
	/* one ahead of ept_gen_seen: the root's address may have had an earlier life */
	atomic64_set(&vm->ept_gen, 1);
	vm->ept_gen_seen = kvcalloc(nr_cpu_ids, sizeof(u64), GFP_KERNEL_ACCOUNT);
	vm->ept_root = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vm->ept_gen_seen || !vm->ept_root) {
		kvfree(vm->ept_gen_seen);
		free_page((unsigned long)vm->ept_root);
		return -ENOMEM;
	}
	vm->eptp = __pa(vm->ept_root) | VMX_EPTP_MT_WB | VMX_EPTP_PWL_4;
	if (vmx_has_ept_ad())
		vm->eptp |= VMX_EPTP_AD_ENABLE_BIT;
	return 0;
}

/* Table pages on their way out hang together by their struct page. */
static void defer_free(u64 *table, struct list_head *pages)
{
	list_add(&virt_to_page(table)->lru, pages);
}

static void free_deferred(struct list_head *pages)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

/* Everything below an entry goes; at most three levels deep. */
static void drop_table(u64 *table, int level, struct list_head *pages)
{
	int i;

	if (level > EPT_LEVEL_4K)
		for (i = 0; i < EPT_ENTRIES; i++)
			if (is_present(table[i]) && !is_leaf(table[i], level))
				drop_table(table_of(table[i]), level - 1, pages);
	defer_free(table, pages);
}

void ept_destroy(struct lodge_vm *vm)
{
	int i, j;

	/* in pieces of at most 1 GiB of guest memory, so that the CPU is shared */
	for (i = 0; i < EPT_ENTRIES; i++) {
		u64 *pdpt = is_present(vm->ept_root[i]) ? table_of(vm->ept_root[i]) : NULL;

		for (j = 0; pdpt && j < EPT_ENTRIES; j++) {
			LIST_HEAD(pages);

			if (!is_present(pdpt[j]) || is_leaf(pdpt[j], 3))
				continue;
			drop_table(table_of(pdpt[j]), 2, &pages);
			free_deferred(&pages);
			cond_resched();
		}
		free_page((unsigned long)pdpt);
	}
	free_page((unsigned long)vm->ept_root);
	kvfree(vm->ept_gen_seen);
}

int ept_topup(struct lodge_vcpu *vcpu)
{
	struct page *page;

	while (vcpu->ept_cached < EPT_ROOT_LEVEL - 1) {
		page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!page)
			return -ENOMEM;
		list_add(&page->lru, &vcpu->ept_cache);
		vcpu->ept_cached++;
	}
	return 0;
}

static u64 *take_cached(struct lodge_vcpu *vcpu)
{
	struct page *page = list_first_entry(&vcpu->ept_cache, struct page, lru);

	list_del(&page->lru);
	vcpu->ept_cached--;
	return page_address(page);
}

void ept_drain(struct lodge_vcpu *vcpu)
{
	free_deferred(&vcpu->ept_cache);
	vcpu->ept_cached = 0;
}

bool ept_map(struct lodge_vcpu *vcpu, gfn_t gfn, u64 pfn, int level, bool writable)
{
	u64 *e = vcpu->vm->ept_root + index_at(gfn, EPT_ROOT_LEVEL);
	u64 new = make_leaf(pfn, level, writable);
	bool replaced = false;
	u64 old;
	int l;

	lockdep_assert_held(&vcpu->vm->ept_lock);
	for (l = EPT_ROOT_LEVEL; l > level; l--) {
		old = READ_ONCE(*e);
		if (!is_present(old) || is_leaf(old, l)) {
			/* a large page gives way to a table of smaller ones */
			replaced |= is_present(old);
			WRITE_ONCE(*e, make_table(take_cached(vcpu)));
		}
		e = table_of(*e) + index_at(gfn, l - 1);
	}
	old = READ_ONCE(*e);
	if (is_present(old) && !is_leaf(old, level))
		return replaced;	/* small pages are there already: as good */
	/* a right more needs no flush: the fault itself drops the entry, 28.4.3.1 */
	replaced |= is_present(old) && (old & EPT_ADDR) != (new & EPT_ADDR);
	WRITE_ONCE(*e, new);
	return replaced;
}

/*
 * Withdraw the part of [start, end) below one table, which maps gfns from base.
 * Recursion is bounded by the four levels.
 */
static bool zap_table(u64 *table, int level, gfn_t base, gfn_t start, gfn_t end,
		      struct list_head *pages)
{
	u64 span = ept_level_pages(level);
	bool zapped = false;
	gfn_t gfn;
	int i;

	for (i = start > base ? (start - base) / span : 0; i < EPT_ENTRIES; i++) {
		gfn = base + i * span;
		if (gfn >= end)
			break;
		if (!is_present(table[i]))
			continue;
		if (!is_leaf(table[i], level)) {
			u64 *below = table_of(table[i]);

			if (gfn < start || gfn + span > end) {
				zapped |= zap_table(below, level - 1, gfn, start, end, pages);
				continue;
			}
			drop_table(below, level - 1, pages);
		}
		WRITE_ONCE(table[i], 0);
		zapped = true;
	}
	return zapped;
}

/*
 * To the end of what one hold of the lock withdraws: 1 GiB, or the 512 GiB that
 * a root entry covers where it is empty.  Nobody fills it meanwhile: the slot is
 * gone, or an invalidation is active.
 */
static u64 zap_step(struct lodge_vm *vm, gfn_t start)
{
	u64 root_entry = READ_ONCE(vm->ept_root[index_at(start, EPT_ROOT_LEVEL)]);
	u64 step = ept_level_pages(is_present(root_entry) ? EPT_ROOT_LEVEL - 1 : EPT_ROOT_LEVEL);

	return step - (start & (step - 1));
}

bool ept_zap(struct lodge_vm *vm, gfn_t start, gfn_t end, bool may_sleep)
{
	LIST_HEAD(pages);
	bool zapped = false;
	gfn_t next;

	end = min(end, ept_level_pages(EPT_ROOT_LEVEL + 1));
	for (; start < end; start = next) {
		next = min(start + zap_step(vm, start), end);
		spin_lock(&vm->ept_lock);
		zapped |= zap_table(vm->ept_root, EPT_ROOT_LEVEL, 0, start, next, &pages);
		spin_unlock(&vm->ept_lock);
		if (may_sleep)
			cond_resched();
	}
	if (zapped)
		ept_flush(vm);
	free_deferred(&pages);
	return zapped;
}

static bool young_table(u64 *table, int level, gfn_t base, gfn_t start, gfn_t end, bool clear)
{
	u64 span = ept_level_pages(level);
	bool young = false;
	gfn_t gfn;
	int i;

	for (i = start > base ? (start - base) / span : 0; i < EPT_ENTRIES; i++) {
		gfn = base + i * span;
		if (gfn >= end)
			break;
		if (!is_present(table[i]))
			continue;
		if (!is_leaf(table[i], level)) {
			young |= young_table(table_of(table[i]), level - 1, gfn, start, end, clear);
			continue;
		}
		young |= !!(table[i] & VMX_EPT_ACCESS_BIT);
		/* the CPU may be setting the dirty bit beside it */
		if (clear && (table[i] & VMX_EPT_ACCESS_BIT))
			clear_bit(ilog2(VMX_EPT_ACCESS_BIT), (unsigned long *)&table[i]);
	}
	return young;
}

bool ept_test_young(struct lodge_vm *vm, gfn_t start, gfn_t end, bool clear)
{
	bool young;

	spin_lock(&vm->ept_lock);
	young = young_table(vm->ept_root, EPT_ROOT_LEVEL, 0, start, end, clear);
	spin_unlock(&vm->ept_lock);
	return young;
}

void ept_flush(struct lodge_vm *vm)
{
	/* before the modes are read: pairs with vcpu_mode_in_guest() */
	atomic64_inc(&vm->ept_gen);
	vm_kick_all_wait(vm);
}

void ept_sync_cpu(struct lodge_vm *vm)
{
	u64 *seen = &vm->ept_gen_seen[raw_smp_processor_id()];
	u64 gen = atomic64_read(&vm->ept_gen);

	if (likely(*seen == gen))
		return;
	if (vmx_caps.ept_vpid & VMX_EPT_EXTENT_CONTEXT_BIT)
		vmx_invept(VMX_EPT_EXTENT_CONTEXT, vm->eptp, 0);
	else
		vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0, 0);
	*seen = gen;
}
