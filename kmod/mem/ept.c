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
#include <linux/cpu.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
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

/* Guest memory is mapped by it, and not a trap. */
static bool is_page(u64 e, int level)
{
	return (e & VMX_EPT_READABLE_MASK) && is_leaf(e, level);
}

/* Of each size for the machine, of this one table in its struct page. */
static void count_pages(struct lodge_vm *vm, u64 *table, int level, int n)
{
	struct page *page = virt_to_page(table);

	set_page_private(page, page_private(page) + n);
	vm->ept_pages[level - 1] += n;
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
	virt_to_page(table)->index = 0;		/* see note_nx_split() */
	return __pa(table) | VMX_EPT_RWX_MASK;
}

/*
 * The small pages of this table could be one large page, did not code run from them.
 * Such tables are on vm->nx_list by their struct page, whose index is the first gfn
 * with a bit that is never 0.
 */
static void note_nx_split(struct lodge_vm *vm, u64 *table, gfn_t gfn)
{
	struct page *page = virt_to_page(table);

	if (page->index)
		return;
	page->index = round_down(gfn, EPT_ENTRIES) | 1;
	list_add_tail(&page->lru, &vm->nx_list);
	vm->nx_splits++;
}

static void forget_nx_split(struct lodge_vm *vm, struct page *page)
{
	if (!page->index)
		return;
	list_del(&page->lru);
	vm->nx_splits--;
}

bool ept_oldest_nx_split(struct lodge_vm *vm, gfn_t *gfn)
{
	struct page *page;

	spin_lock(&vm->ept_lock);
	page = list_first_entry_or_null(&vm->nx_list, struct page, lru);
	if (page)
		*gfn = page->index & ~1ul;
	spin_unlock(&vm->ept_lock);
	return page;
}

/*
 * Guest memory is write-back.  Where the host snoops its own writes the guest's
 * PAT may choose another type on top; elsewhere it is ignored, or the same page
 * would be cached and uncached at once.  A device's registers are never cached.
 */
static u64 memory_type(bool device)
{
	u64 type = device ? (u64)VMX_EPTP_MT_UC : VMX_EPTP_MT_WB;

	type <<= VMX_EPT_MT_EPTE_SHIFT;
	if (device || !boot_cpu_has(X86_FEATURE_SELFSNOOP))
		type |= VMX_EPT_IPAT_BIT;
	return type;
}

static u64 make_leaf(const struct lodge_vm *vm, const struct ept_leaf *l, int level)
{
	u64 mask = ept_level_pages(level) - 1;
	u64 e;

	/* written but not read is what no page can be: vol. 3C 28.2.3.1 */
	if (l->trap)
		return VMX_EPT_WRITABLE_MASK | VMX_EPT_EXECUTABLE_MASK;
	e = (l->pfn & ~mask) << PAGE_SHIFT | VMX_EPT_READABLE_MASK | memory_type(l->device);
	/* what is mapped for a write is about to be written */
	if (l->writable)
		e |= VMX_EPT_WRITABLE_MASK;
	if (l->dirty && vmx_has_ept_ad())
		e |= VMX_EPT_ACCESS_BIT | VMX_EPT_DIRTY_BIT;
	if (level > EPT_LEVEL_4K)
		e |= EPT_LARGE;
	if (level == EPT_LEVEL_4K || !vm->nx_huge)
		e |= VMX_EPT_EXECUTABLE_MASK;
	return e;
}

int ept_init(struct lodge_vm *vm)
{
	spin_lock_init(&vm->ept_lock);
	INIT_LIST_HEAD(&vm->nx_list);
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
static void drop_table(struct lodge_vm *vm, u64 *table, int level, struct list_head *pages)
{
	int i;

	if (level > EPT_LEVEL_4K)
		for (i = 0; i < EPT_ENTRIES; i++)
			if (is_present(table[i]) && !is_leaf(table[i], level))
				drop_table(vm, table_of(table[i]), level - 1, pages);
	vm->ept_pages[level - 1] -= page_private(virt_to_page(table));
	forget_nx_split(vm, virt_to_page(table));
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
			drop_table(vm, table_of(pdpt[j]), 2, &pages);
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

/* The same memory in pages of the next smaller size. */
static void split_leaf(struct lodge_vm *vm, u64 *table, u64 large, int level)
{
	u64 step = ept_level_pages(level - 1) << PAGE_SHIFT;
	u64 e = large;
	int i;

	if (level - 1 == EPT_LEVEL_4K)
		e = (large & ~EPT_LARGE) | VMX_EPT_EXECUTABLE_MASK;
	for (i = 0; i < EPT_ENTRIES; i++)
		table[i] = e + i * step;
	count_pages(vm, table, level - 1, EPT_ENTRIES);
}

bool ept_map(struct lodge_vcpu *vcpu, const struct ept_leaf *leaf)
{
	struct lodge_vm *vm = vcpu->vm;
	u64 *table = vm->ept_root, *below, *e;
	bool replaced = false;
	u64 old, new;
	int level;

	lockdep_assert_held(&vm->ept_lock);
	for (level = EPT_ROOT_LEVEL; ; level--) {
		e = table + index_at(leaf->gfn, level);
		old = READ_ONCE(*e);
		if (is_present(old) && !is_leaf(old, level)) {
			/* where there are small pages already, this is one of them */
			table = table_of(old);
			continue;
		}
		if (level <= leaf->level)
			break;
		below = take_cached(vcpu);
		if (is_present(old)) {
			split_leaf(vm, below, old, level);
			count_pages(vm, table, level, -1);
		}
		replaced |= is_present(old);
		WRITE_ONCE(*e, make_table(below));
		table = below;
	}
	new = make_leaf(vm, leaf, level);
	/* a right more needs no flush: the fault itself drops the entry, 28.4.3.1 */
	if (is_present(old) && (old & EPT_ADDR) == (new & EPT_ADDR))
		/* and one less would need one: another vCPU may have been quicker */
		new |= old & (VMX_EPT_RWX_MASK | VMX_EPT_ACCESS_BIT | VMX_EPT_DIRTY_BIT);
	else
		replaced |= is_present(old);
	WRITE_ONCE(*e, new);
	count_pages(vm, table, level, is_page(new, level) - is_page(old, level));
	if (leaf->nx_split)
		note_nx_split(vm, table, leaf->gfn);
	return replaced;
}

/*
 * Withdraw the part of [start, end) below one table, which maps gfns from base.
 * Recursion is bounded by the four levels.
 */
static bool zap_table(struct lodge_vm *vm, u64 *table, int level, gfn_t base, gfn_t start,
		      gfn_t end, struct list_head *pages)
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
				zapped |= zap_table(vm, below, level - 1, gfn, start, end, pages);
				continue;
			}
			drop_table(vm, below, level - 1, pages);
		} else {
			count_pages(vm, table, level, -is_page(table[i], level));
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
		zapped |= zap_table(vm, vm->ept_root, EPT_ROOT_LEVEL, 0, start, next, &pages);
		spin_unlock(&vm->ept_lock);
		if (may_sleep)
			cond_resched();
	}
	if (zapped)
		ept_flush(vm);
	free_deferred(&pages);
	return zapped;
}

/* From now on the first write to the page is noticed: by a fault, or by PML. */
static bool protect_leaf(u64 *e, bool pml)
{
	u64 bit = pml ? VMX_EPT_DIRTY_BIT : VMX_EPT_WRITABLE_MASK;

	if (!(READ_ONCE(*e) & bit))
		return false;
	/* the CPU may be setting bits beside it */
	clear_bit(ilog2(bit), (unsigned long *)e);
	return true;
}

struct protect {
	gfn_t at, end;		/* what is left to do */
	u64 *spare;		/* a page for a table, while one is needed */
	bool want_spare;
	bool changed;
};

/* A large page gives way to small ones, or, with no memory for their table, goes. */
static void protect_large(struct lodge_vm *vm, struct protect *p, u64 *table, int level,
			  bool must_go)
{
	u64 *e = table + index_at(p->at, level);

	if (!p->spare && !must_go) {
		p->want_spare = true;
		return;
	}
	p->changed = true;
	count_pages(vm, table, level, -is_page(*e, level));
	if (!p->spare) {
		WRITE_ONCE(*e, 0);
		return;
	}
	split_leaf(vm, p->spare, *e, level);
	WRITE_ONCE(*e, make_table(p->spare));
	p->spare = NULL;
}

/* One piece of the work under ept_lock: to the end of a table at most. */
static void protect_some(struct lodge_vm *vm, struct protect *p, bool must_go)
{
	u64 *table = vm->ept_root, *e;
	gfn_t end;
	int level;

	for (level = EPT_ROOT_LEVEL; level > EPT_LEVEL_4K; level--) {
		e = table + index_at(p->at, level);
		if (!is_present(*e)) {
			p->at = (p->at | (ept_level_pages(level) - 1)) + 1;
			return;
		}
		if (is_leaf(*e, level)) {
			protect_large(vm, p, table, level, must_go);
			return;
		}
		table = table_of(*e);
	}
	for (end = min(p->end, (p->at | (EPT_ENTRIES - 1)) + 1); p->at < end; p->at++) {
		e = table + index_at(p->at, EPT_LEVEL_4K);
		if (is_present(*e))
			p->changed |= protect_leaf(e, vmx_has_pml());
	}
}

bool ept_protect(struct lodge_vm *vm, gfn_t start, gfn_t end)
{
	struct protect p = {
		.at = start, .end = min(end, ept_level_pages(EPT_ROOT_LEVEL + 1)),
	};

	while (p.at < p.end) {
		bool must_go = p.want_spare;

		if (p.want_spare && !p.spare)
			p.spare = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
		p.want_spare = false;
		spin_lock(&vm->ept_lock);
		protect_some(vm, &p, must_go);
		spin_unlock(&vm->ept_lock);
		cond_resched();
	}
	free_page((unsigned long)p.spare);
	return p.changed;
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

int ept_walk(struct lodge_vm *vm, gfn_t gfn, u64 entries[EPT_ROOT_LEVEL])
{
	u64 *table = vm->ept_root;
	int level, n = 0;

	spin_lock(&vm->ept_lock);
	for (level = EPT_ROOT_LEVEL; level; level--) {
		u64 e = READ_ONCE(table[index_at(gfn, level)]);

		entries[n++] = e;
		if (!is_present(e) || is_leaf(e, level))
			break;
		table = table_of(e);
	}
	spin_unlock(&vm->ept_lock);
	return n;
}

u64 ept_hide_address(u64 entry)
{
	return entry & ~EPT_ADDR;
}

void ept_flush(struct lodge_vm *vm)
{
	/* before the modes are read: pairs with vcpu_mode_in_guest() */
	atomic64_inc(&vm->ept_gen);
	vm_kick_all_wait(vm);
}

void ept_invalidate(struct lodge_vm *vm)
{
	u64 *seen = &vm->ept_gen_seen[raw_smp_processor_id()];
	u64 gen = atomic64_read(&vm->ept_gen);

	if (vmx_caps.ept_vpid & VMX_EPT_EXTENT_CONTEXT_BIT)
		vmx_invept(VMX_EPT_EXTENT_CONTEXT, vm->eptp, 0);
	else
		vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0, 0);
	*seen = gen;
}
