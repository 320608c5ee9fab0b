// SPDX-License-Identifier: GPL-2.0
/*
 * fault.c - the guest touched a page that its EPT does not map, or not so.
 * Find the slot, let the kernel fault the page into the process, and map it:
 * as 2 MiB where slot and process both have it so, else as 4 KiB.  Nothing is
 * pinned: the page may be taken away at any time between the look-up and the
 * mapping, which the invalidation sequence tells (mem/notifier.c); the guest
 * then simply faults again.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>

#include "../lodge.h"
#include "../vmx/caps.h"
#include "ept.h"
#include "fault.h"
#include "slots.h"

static bool writable_now(struct ept_fault *f)
{
	struct page *page;

	if (!get_user_pages_fast_only(f->hva, 1, FOLL_WRITE, &page))
		return false;
	put_page(f->page);
	f->page = page;
	return true;
}

/* May sleep.  A read takes write permission along where it costs nothing. */
static int find_page(struct ept_fault *f, bool slot_writable)
{
	long n = get_user_pages_fast(f->hva, 1, f->write ? FOLL_WRITE : 0, &f->page);

	if (n == -EHWPOISON) {
		/* as if the process had touched it: it may know what to do */
		send_sig_mceerr(BUS_MCEERR_AR, (void __user *)f->hva, PAGE_SHIFT, current);
		return -EAGAIN;
	}
	if (n != 1)
		return fatal_signal_pending(current) ? -EINTR : -EFAULT;
	f->writable = f->write || (slot_writable && writable_now(f));
	return 0;
}

/*
 * Does the process map this address by a large page?  Its tables cannot be
 * freed while interrupts are off here, and the sequence says whether the answer
 * still holds.
 */
static bool process_maps_2m(struct mm_struct *mm, hva_t hva)
{
	unsigned long flags;
	bool large = false;
	pgd_t *pgd;
	p4d_t *p4d;
	pud_t *pudp, pud;
	pmd_t pmd;

	local_irq_save(flags);
	pgd = pgd_offset(mm, hva);
	if (pgd_none(READ_ONCE(*pgd)))
		goto out;
	p4d = p4d_offset(pgd, hva);
	if (p4d_none(READ_ONCE(*p4d)) || !p4d_present(READ_ONCE(*p4d)))
		goto out;
	pudp = pud_offset(p4d, hva);
	pud = READ_ONCE(*pudp);
	if (!pud_present(pud))
		goto out;
	if (pud_leaf(pud)) {
		large = true;
		goto out;
	}
	pmd = READ_ONCE(*pmd_offset(pudp, hva));
	large = pmd_present(pmd) && pmd_leaf(pmd);
out:
	local_irq_restore(flags);
	return large;
}

/* Under ept_lock, with the sequence checked. */
static int choose_level(struct lodge_vm *vm, const struct lodge_slot *slot,
			const struct ept_fault *f)
{
	u64 pages = ept_level_pages(EPT_LEVEL_2M);
	gfn_t first = round_down(f->gpa >> PAGE_SHIFT, pages);

	if (!vmx_has_ept_2m())
		return EPT_LEVEL_4K;
	if (first < slot->base || first + pages > slot->base + slot->npages)
		return EPT_LEVEL_4K;
	if ((slot_hva(slot, first)) & (PMD_SIZE - 1))
		return EPT_LEVEL_4K;
	return process_maps_2m(vm->mm, f->hva) ? EPT_LEVEL_2M : EPT_LEVEL_4K;
}

static void map_page(struct lodge_vcpu *vcpu, const struct lodge_slot *slot,
		     struct ept_fault *f, unsigned long seq)
{
	struct lodge_vm *vm = vcpu->vm;
	u64 pfn = page_to_pfn(f->page);
	gfn_t gfn = f->gpa >> PAGE_SHIFT;
	bool flush = false;
	u64 mask;
	int level;

	spin_lock(&vm->ept_lock);
	if (!vm->inval_active && vm->inval_seq == seq) {
		level = choose_level(vm, slot, f);
		mask = ept_level_pages(level) - 1;
		flush = ept_map(vcpu, gfn & ~mask, pfn & ~mask, level, f->writable);
	}
	spin_unlock(&vm->ept_lock);
	if (flush)
		ept_flush(vm);
}

static int resolve_in_slot(struct lodge_vcpu *vcpu, const struct lodge_slot *slot,
			   struct ept_fault *f)
{
	bool slot_writable = !(slot->flags & KVM_MEM_READONLY);
	unsigned long seq;
	int err;

	/* the guest comes back when the table has settled */
	if (slot->leaving)
		return FAULT_RESUME;
	if (f->write && !slot_writable)
		return FAULT_MMIO;
	f->hva = slot_hva(slot, f->gpa >> PAGE_SHIFT);
	err = ept_topup(vcpu);
	if (err)
		return err;
	seq = READ_ONCE(vcpu->vm->inval_seq);
	/* pairs with smp_wmb() in range_end(): the page is looked up after this */
	smp_rmb();
	err = find_page(f, slot_writable);
	if (err)
		return err == -EAGAIN ? FAULT_RESUME : err;
	map_page(vcpu, slot, f, seq);
	/* the guest may write from now on, without the process's page tables knowing */
	if (f->writable)
		SetPageDirty(f->page);
	put_page(f->page);
	return FAULT_RESUME;
}

int fault_resolve(struct lodge_vcpu *vcpu, struct ept_fault *f)
{
	int idx = slots_lock_read(vcpu->vm);
	const struct lodge_slot *slot = slots_find(vcpu->vm, f->gpa >> PAGE_SHIFT);
	int ret = slot ? resolve_in_slot(vcpu, slot, f) : FAULT_MMIO;

	slots_unlock_read(vcpu->vm, idx);
	return ret;
}
