// SPDX-License-Identifier: GPL-2.0
/*
 * fault.c - the guest touched a page that its EPT does not map, or not so.
 * Find the slot, let the kernel fault the page into the process, and map it:
 * as 1 GiB or 2 MiB where slot and process both have it so, else as 4 KiB.  Nothing is
 * pinned: the page may be taken away at any time between the look-up and the
 * mapping, which the invalidation sequence tells (mem/notifier.c); the guest
 * then simply faults again.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>
#include <asm/apicdef.h>

#include "../lodge.h"
#include "../compat.h"
#include "../vmx/caps.h"
#include "dirty.h"
#include "ept.h"
#include "fault.h"
#include "nx_huge.h"
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

/* With mmap_lock: a mapping of registers, or of pages that nobody counts. */
static int find_raw(struct vm_area_struct *vma, struct ept_fault *f)
{
	int err = compat_follow_pfn(vma, f->hva, &f->pfn, &f->writable);

	if (!err && f->write && !f->writable)
		err = -EFAULT;
	if (err) {
		/* not there yet, or not so: its driver may provide it */
		err = fixup_user_fault(vma->vm_mm, f->hva, f->write ? FAULT_FLAG_WRITE : 0, NULL);
		return err ? -EFAULT : -EAGAIN;
	}
	f->page = NULL;
	f->device = !pfn_valid(f->pfn) || PageReserved(pfn_to_page(f->pfn));
	return 0;
}

/*
 * Nothing holds such a page but the mapping itself; the notifier tells when that
 * goes, as for any other.
 */
static int find_unmanaged(struct ept_fault *f)
{
	struct vm_area_struct *vma;
	int err = -EFAULT;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, f->hva);
	if (vma && (vma->vm_flags & (VM_IO | VM_PFNMAP)))
		err = find_raw(vma, f);
	mmap_read_unlock(current->mm);
	return err;
}

/* May sleep.  A read takes write permission along where it costs nothing. */
static int find_page(struct ept_fault *f, bool take_write)
{
	long n = get_user_pages_fast(f->hva, 1, f->write ? FOLL_WRITE : 0, &f->page);

	if (n == -EHWPOISON) {
		/* as if the process had touched it: it may know what to do */
		send_sig_mceerr(BUS_MCEERR_AR, (void __user *)f->hva, PAGE_SHIFT, current);
		return -EAGAIN;
	}
	if (n == 1) {
		f->writable = f->write || (take_write && writable_now(f));
		f->pfn = page_to_pfn(f->page);
		return 0;
	}
	if (fatal_signal_pending(current))
		return -EINTR;
	return find_unmanaged(f);
}

/*
 * By how large a page does the process map this address?  Its tables cannot be
 * freed while interrupts are off here, and the sequence says whether the answer
 * still holds.
 */
static int level_in_process(struct mm_struct *mm, hva_t hva)
{
	int level = EPT_LEVEL_4K;
	unsigned long flags;
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
		level = EPT_LEVEL_1G;
		goto out;
	}
	pmd = READ_ONCE(*pmd_offset(pudp, hva));
	if (pmd_present(pmd) && pmd_leaf(pmd))
		level = EPT_LEVEL_2M;
out:
	local_irq_restore(flags);
	return level;
}

static bool cpu_has_level(int level)
{
	return level == EPT_LEVEL_1G ? vmx_has_ept_1g() : vmx_has_ept_2m();
}

/* Does a page of that size lie within the slot, and alike in guest and process? */
static bool slot_fits(const struct lodge_slot *slot, gfn_t gfn, int level)
{
	u64 pages = ept_level_pages(level);
	gfn_t first = round_down(gfn, pages);

	return first >= slot->base && first + pages <= slot->base + slot->npages &&
	       !(slot_hva(slot, first) & ((pages << PAGE_SHIFT) - 1));
}

/* Under ept_lock, with the sequence checked. */
static int largest_level(struct lodge_vm *vm, const struct lodge_slot *slot,
			 const struct ept_fault *f)
{
	int level;

	/* what is logged is logged by small pages; registers are few */
	if ((slot->flags & KVM_MEM_LOG_DIRTY_PAGES) || !f->page)
		return EPT_LEVEL_4K;
	for (level = level_in_process(vm->mm, f->hva); level > EPT_LEVEL_4K; level--)
		if (cpu_has_level(level) && slot_fits(slot, f->gpa >> PAGE_SHIFT, level))
			break;
	return level;
}

static void choose_level(struct lodge_vm *vm, const struct lodge_slot *slot,
			 const struct ept_fault *f, struct ept_leaf *leaf)
{
	leaf->level = largest_level(vm, slot, f);
	leaf->nx_split = leaf->level > EPT_LEVEL_4K && f->exec && vm->nx_huge;
	if (leaf->nx_split)
		leaf->level = EPT_LEVEL_4K;
}

static void map_page(struct lodge_vcpu *vcpu, const struct lodge_slot *slot,
		     struct ept_fault *f, unsigned long seq)
{
	struct lodge_vm *vm = vcpu->vm;
	struct ept_leaf leaf = {
		.gfn = f->gpa >> PAGE_SHIFT, .pfn = f->pfn,
		.writable = f->writable, .dirty = f->write, .device = f->device,
	};
	bool flush = false;

	spin_lock(&vm->ept_lock);
	if (!vm->inval_active && vm->inval_seq == seq) {
		choose_level(vm, slot, f, &leaf);
		flush = ept_map(vcpu, &leaf);
		if (f->write)
			dirty_mark(vcpu, slot, leaf.gfn);
	}
	spin_unlock(&vm->ept_lock);
	if (flush)
		ept_flush(vm);
	if (leaf.nx_split)
		nx_huge_recover_later(vm);
}

/*
 * May a read be given the right to write as well?  Not in a read-only slot, nor
 * where a fault is all that tells of a write.
 */
static bool may_take_write(const struct lodge_slot *slot)
{
	return !(slot->flags & KVM_MEM_READONLY) &&
	       (!(slot->flags & KVM_MEM_LOG_DIRTY_PAGES) || vmx_has_pml());
}

static int resolve_in_slot(struct lodge_vcpu *vcpu, const struct lodge_slot *slot,
			   struct ept_fault *f)
{
	unsigned long seq;
	int err;

	/* the guest comes back when the table has settled */
	if (slot->leaving)
		return FAULT_RESUME;
	if (f->write && (slot->flags & KVM_MEM_READONLY))
		return FAULT_MMIO;
	f->hva = slot_hva(slot, f->gpa >> PAGE_SHIFT);
	err = ept_topup(vcpu);
	if (err)
		return err;
	seq = READ_ONCE(vcpu->vm->inval_seq);
	/* pairs with smp_wmb() in range_end(): the page is looked up after this */
	smp_rmb();
	err = find_page(f, may_take_write(slot));
	if (err)
		return err == -EAGAIN ? FAULT_RESUME : err;
	/* registers have no such reason to be mapped for more than was asked */
	f->writable &= f->write || may_take_write(slot);
	map_page(vcpu, slot, f, seq);
	if (!f->page)
		return FAULT_RESUME;
	/* the guest may write from now on, without the process's page tables knowing */
	if (f->writable)
		SetPageDirty(f->page);
	put_page(f->page);
	return FAULT_RESUME;
}

/*
 * The page by whose address the CPU recognises the local APIC.  Nothing is ever read
 * from it or written to it, as long as the controls of all vCPUs agree.
 */
static bool map_apic_page(struct lodge_vcpu *vcpu)
{
	struct lodge_vm *vm = vcpu->vm;
	struct ept_leaf leaf = {
		.gfn = APIC_DEFAULT_PHYS_BASE >> PAGE_SHIFT,
		.pfn = page_to_pfn(vm->apic_access), .level = EPT_LEVEL_4K,
		.writable = true, .dirty = true,
	};
	bool map, flush = false;

	if (ept_topup(vcpu))
		return false;
	spin_lock(&vm->ept_lock);
	map = !atomic_read(&vm->apics_elsewhere);
	if (map)
		flush = ept_map(vcpu, &leaf);
	spin_unlock(&vm->ept_lock);
	if (flush)
		ept_flush(vm);
	return map;
}

int fault_resolve(struct lodge_vcpu *vcpu, struct ept_fault *f)
{
	const struct lodge_slot *slot;
	int idx, ret;

	if (vcpu->vm->apic_access && (f->gpa & PAGE_MASK) == APIC_DEFAULT_PHYS_BASE)
		return map_apic_page(vcpu) ? FAULT_RESUME : FAULT_MMIO;
	idx = slots_lock_read(vcpu->vm);
	slot = slots_find(vcpu->vm, f->gpa >> PAGE_SHIFT);
	f->no_slot = !slot;
	ret = slot ? resolve_in_slot(vcpu, slot, f) : FAULT_MMIO;
	slots_unlock_read(vcpu->vm, idx);
	return ret;
}

void fault_trap(struct lodge_vcpu *vcpu, gpa_t gpa)
{
	struct ept_leaf leaf = { .gfn = gpa >> PAGE_SHIFT, .level = EPT_LEVEL_4K, .trap = true };
	struct lodge_vm *vm = vcpu->vm;
	int idx;

	if (ept_topup(vcpu))
		return;
	WRITE_ONCE(vm->ept_traps, true);
	/* a slot that comes waits for this reader, and then withdraws what is there */
	idx = slots_lock_read(vm);
	if (!slots_find(vm, leaf.gfn)) {
		spin_lock(&vm->ept_lock);
		ept_map(vcpu, &leaf);
		spin_unlock(&vm->ept_lock);
	}
	slots_unlock_read(vm, idx);
}

static bool is_large(struct lodge_vm *vm, const struct lodge_slot *slot, gfn_t gfn)
{
	return slot_fits(slot, gfn, EPT_LEVEL_2M) &&
	       level_in_process(vm->mm, slot_hva(slot, gfn)) > EPT_LEVEL_4K;
}

void fault_collapse(struct lodge_vm *vm, const struct lodge_slot *slot)
{
	u64 step = ept_level_pages(EPT_LEVEL_2M);
	gfn_t end = slot->base + slot->npages, gfn = slot->base, next;

	for (; gfn < end; gfn = next) {
		next = min(round_down(gfn, step) + step, end);
		if (!is_large(vm, slot, gfn))
			continue;
		/* one withdrawal for as many as lie side by side */
		while (next < end && is_large(vm, slot, next))
			next = min(next + step, end);
		ept_zap(vm, gfn, next, true);
	}
}
