// SPDX-License-Identifier: GPL-2.0
/*
 * slots.c - the guest's physical address space as a sorted table of slots.  A
 * change builds a new table and publishes it; readers hold SRCU, so that they
 * never wait and may sleep.  A slot that goes is first marked as leaving; once
 * the grace period has passed nobody can map its pages any more, its mappings are
 * withdrawn, and only then does it go from the table.
 *
 * Guest memory is reached through the process's addresses with the kernel's
 * user-copy functions: whatever the process did to its mapping, the worst is an
 * error.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/processor.h>

#include "../lodge.h"
#include "dirty.h"
#include "ept.h"
#include "fault.h"
#include "slots.h"

#define SLOT_MAX_PAGES	((1ull << 31) - 1)	/* as KVM's */
#define SLOT_FLAGS	(KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES)

static struct lodge_slots *alloc_slots(int count)
{
	struct lodge_slots *s = kvmalloc(struct_size(s, slot, count), GFP_KERNEL_ACCOUNT);

	if (s)
		s->count = count;
	return s;
}

int slots_init(struct lodge_vm *vm)
{
	struct lodge_slots *s = alloc_slots(0);
	int err;

	if (!s)
		return -ENOMEM;
	err = init_srcu_struct(&vm->srcu);
	if (err) {
		kvfree(s);
		return err;
	}
	rcu_assign_pointer(vm->slots, s);
	xa_init_flags(&vm->slot_ids, XA_FLAGS_ACCOUNT);
	return 0;
}

void slots_destroy(struct lodge_vm *vm)
{
	struct lodge_slots *s = rcu_dereference_protected(vm->slots, 1);
	int i;

	for (i = 0; i < s->count; i++)
		kvfree(s->slot[i].dirty);
	kvfree(s);
	xa_destroy(&vm->slot_ids);
	cleanup_srcu_struct(&vm->srcu);
}

/* Index of the first slot whose end is above gfn. */
static int lower_bound(const struct lodge_slots *s, gfn_t gfn)
{
	int lo = 0, hi = s->count;

	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (s->slot[mid].base + s->slot[mid].npages <= gfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct lodge_slot *slots_find(struct lodge_vm *vm, gfn_t gfn)
{
	const struct lodge_slots *s = srcu_dereference(vm->slots, &vm->srcu);
	int i = lower_bound(s, gfn);

	if (i < s->count && s->slot[i].base <= gfn)
		return &s->slot[i];
	return NULL;
}

/* Under slots_lock. */
static struct lodge_slots *current_slots(struct lodge_vm *vm)
{
	return rcu_dereference_protected(vm->slots, lockdep_is_held(&vm->slots_lock));
}

static const struct lodge_slot *find_id(struct lodge_vm *vm, u32 id)
{
	const struct lodge_slots *s = current_slots(vm);
	void *base = xa_load(&vm->slot_ids, id);

	return base ? &s->slot[lower_bound(s, xa_to_value(base))] : NULL;
}

const struct lodge_slot *slots_find_id(struct lodge_vm *vm, u32 id)
{
	return find_id(vm, id);
}

static bool overlaps(const struct lodge_slots *s, const struct lodge_slot *new)
{
	int i = lower_bound(s, new->base);

	for (; i < s->count && s->slot[i].base < new->base + new->npages; i++)
		if (s->slot[i].id != new->id)
			return true;
	return false;
}

/* A copy of the table without old and with new; either may be NULL. */
static struct lodge_slots *rebuild(const struct lodge_slots *s,
				   const struct lodge_slot *old,
				   const struct lodge_slot *new)
{
	int head = old ? old - s->slot : s->count;
	int tail = s->count - head - !!old, at;
	struct lodge_slots *t = alloc_slots(head + tail + !!new);

	if (!t)
		return NULL;
	memcpy(t->slot, s->slot, head * sizeof(*t->slot));
	memcpy(t->slot + head, s->slot + s->count - tail, tail * sizeof(*t->slot));
	if (!new)
		return t;
	/* the last place is free yet */
	t->count--;
	at = lower_bound(t, new->base);
	memmove(t->slot + at + 1, t->slot + at, (t->count - at) * sizeof(*t->slot));
	t->slot[at] = *new;
	t->count++;
	return t;
}

/* After this no reader uses the old table any more. */
static void publish(struct lodge_vm *vm, struct lodge_slots *t)
{
	struct lodge_slots *s = current_slots(vm);

	rcu_assign_pointer(vm->slots, t);
	synchronize_srcu_expedited(&vm->srcu);
	kvfree(s);
}

/* The same table with one slot marked as leaving. */
static struct lodge_slots *mark_leaving(const struct lodge_slots *s,
					const struct lodge_slot *old)
{
	struct lodge_slot marked = *old;

	marked.leaving = true;
	return rebuild(s, old, &marked);
}

/*
 * Replace old by new, or by nothing.  While old's mappings are being withdrawn
 * it must stay in the table: if the process takes its memory away meanwhile, the
 * MMU notifier has to find the guest pages that this concerns.  Both tables are
 * made first, so that a failure leaves the slot where it was.
 */
static int replace_slot(struct lodge_vm *vm, const struct lodge_slot *old,
			const struct lodge_slot *new)
{
	struct lodge_slots *leaving = mark_leaving(current_slots(vm), old);
	struct lodge_slots *after = rebuild(current_slots(vm), old, new);
	gfn_t base = old->base;
	u64 npages = old->npages;

	if (!leaving || !after) {
		kvfree(leaving);
		kvfree(after);
		return -ENOMEM;
	}
	publish(vm, leaving);
	ept_zap(vm, base, base + npages, true);
	publish(vm, after);
	return 0;
}

static int insert_slot(struct lodge_vm *vm, const struct lodge_slot *new)
{
	struct lodge_slots *t = rebuild(current_slots(vm), NULL, new);

	if (!t || xa_reserve(&vm->slot_ids, new->id, GFP_KERNEL_ACCOUNT)) {
		kvfree(t);
		return -ENOMEM;
	}
	publish(vm, t);
	return 0;
}

/*
 * Dirty logging begins or ends.  The mappings stay; those of a slot that logs no
 * more may be large again, so that small ones of what the process has in large
 * pages are withdrawn.
 */
static int change_flags(struct lodge_vm *vm, const struct lodge_slot *old,
			const struct lodge_slot *new)
{
	struct lodge_slots *t = rebuild(current_slots(vm), old, new);

	if (!t)
		return -ENOMEM;
	publish(vm, t);
	if (new->flags & KVM_MEM_LOG_DIRTY_PAGES)
		dirty_start(vm, new);
	else
		fault_collapse(vm, new);
	return 0;
}

static int apply(struct lodge_vm *vm, const struct lodge_slot *old,
		 const struct lodge_slot *new)
{
	if (!old)
		return insert_slot(vm, new);
	if (!new->npages)
		return replace_slot(vm, old, NULL);
	if (old->base != new->base)
		return replace_slot(vm, old, new);
	return old->flags == new->flags ? 0 : change_flags(vm, old, new);
}

/* The place of an id is reserved before, so that this cannot fail. */
static void note_id(struct lodge_vm *vm, const struct lodge_slot *new)
{
	if (new->npages)
		xa_store(&vm->slot_ids, new->id, xa_mk_value(new->base), GFP_KERNEL_ACCOUNT);
	else
		xa_erase(&vm->slot_ids, new->id);
}

static bool logs(u32 flags)
{
	return flags & KVM_MEM_LOG_DIRTY_PAGES;
}

static int change_slot(struct lodge_vm *vm, struct lodge_slot *new)
{
	const struct lodge_slot *old = find_id(vm, new->id);
	unsigned long *old_dirty = old ? old->dirty : NULL;
	bool logged = old && logs(old->flags);
	bool logging = new->npages && logs(new->flags);
	int err;

	if (!old && !new->npages)
		return -EINVAL;
	if (old && new->npages && (old->npages != new->npages || old->hva != new->hva ||
				   ((old->flags ^ new->flags) & KVM_MEM_READONLY)))
		return -EINVAL;
	if (new->npages && overlaps(current_slots(vm), new))
		return -EEXIST;
	if (logged && logging)
		new->dirty = old_dirty;
	else if (logging && dirty_alloc_bitmap(vm, new))
		return -ENOMEM;
	/* before anything is protected: a write must find the CPU's log on */
	if (logging)
		dirty_update_logging(vm, true);
	/* from here on old is gone, unless this fails */
	err = apply(vm, old, new);
	if (!err) {
		note_id(vm, new);
		vm->nr_logging += logging - logged;
	}
	dirty_update_logging(vm, vm->nr_logging);
	if (new->dirty != old_dirty)
		kvfree(err ? new->dirty : old_dirty);
	return err;
}

static int check_region(const struct kvm_userspace_memory_region *r)
{
	if (r->flags & ~SLOT_FLAGS)
		return -EINVAL;
	/* bits 31:16 would name another address space; there is one */
	if (r->slot >= LODGE_MAX_SLOTS)
		return -EINVAL;
	if ((r->memory_size | r->guest_phys_addr | r->userspace_addr) & ~PAGE_MASK)
		return -EINVAL;
	if (r->guest_phys_addr + r->memory_size < r->guest_phys_addr)
		return -EINVAL;
	if (r->memory_size >> PAGE_SHIFT > SLOT_MAX_PAGES)
		return -EINVAL;
	if (!access_ok((void __user *)(unsigned long)r->userspace_addr, r->memory_size))
		return -EINVAL;
	if (r->memory_size &&
	    (r->guest_phys_addr + r->memory_size - 1) >> boot_cpu_data.x86_phys_bits)
		return -EINVAL;
	return 0;
}

int slots_set_region(struct lodge_vm *vm, const struct kvm_userspace_memory_region *r)
{
	struct lodge_slot new = {
		.base = r->guest_phys_addr >> PAGE_SHIFT,
		.npages = r->memory_size >> PAGE_SHIFT,
		.hva = r->userspace_addr,
		.id = r->slot,
		.flags = r->flags,
	};
	int err = check_region(r);

	if (err)
		return err;
	mutex_lock(&vm->slots_lock);
	err = change_slot(vm, &new);
	mutex_unlock(&vm->slots_lock);
	return err;
}

/* The slot and user address of a guest access; NULL where there is no memory for it. */
static const struct lodge_slot *find_hva(struct lodge_vm *vm, gpa_t gpa, bool write, hva_t *hva)
{
	const struct lodge_slot *slot = slots_find(vm, gpa >> PAGE_SHIFT);

	if (!slot || (write && (slot->flags & KVM_MEM_READONLY)))
		return NULL;
	*hva = slot_hva(slot, gpa >> PAGE_SHIFT) + offset_in_page(gpa);
	return slot;
}

bool mem_is_ram(struct lodge_vm *vm, gpa_t gpa, bool write)
{
	int idx = slots_lock_read(vm);
	hva_t hva;
	bool ram = find_hva(vm, gpa, write, &hva);

	slots_unlock_read(vm, idx);
	return ram;
}

enum mem_result mem_read(struct lodge_vm *vm, gpa_t gpa, void *buf, unsigned int len)
{
	enum mem_result res = MEM_OK;
	int idx = slots_lock_read(vm);
	hva_t hva;

	if (!find_hva(vm, gpa, false, &hva))
		res = MEM_NO_SLOT;
	else if (copy_from_user(buf, (void __user *)hva, len))
		res = MEM_FAULT;
	slots_unlock_read(vm, idx);
	return res;
}

enum mem_result mem_write(struct lodge_vcpu *vcpu, gpa_t gpa, const void *buf,
			  unsigned int len)
{
	enum mem_result res = MEM_OK;
	int idx = slots_lock_read(vcpu->vm);
	const struct lodge_slot *slot;
	hva_t hva;

	slot = find_hva(vcpu->vm, gpa, true, &hva);
	if (!slot)
		res = MEM_NO_SLOT;
	else if (copy_to_user((void __user *)hva, buf, len))
		res = MEM_FAULT;
	else
		dirty_mark(vcpu, slot, gpa >> PAGE_SHIFT);
	slots_unlock_read(vcpu->vm, idx);
	return res;
}

#define DEFINE_CMPXCHG_USER(bits)					\
static int cmpxchg_user##bits(u##bits __user *ptr, u64 *old, u64 new)	\
{									\
	u##bits found = *old;						\
									\
	if (!user_access_begin(ptr, sizeof(*ptr)))			\
		return -EFAULT;						\
	unsafe_try_cmpxchg_user(ptr, &found, (u##bits)new, fault);	\
	user_access_end();						\
	*old = found;							\
	return 0;							\
fault:									\
	user_access_end();						\
	return -EFAULT;							\
}

DEFINE_CMPXCHG_USER(8)
DEFINE_CMPXCHG_USER(16)
DEFINE_CMPXCHG_USER(32)
DEFINE_CMPXCHG_USER(64)

static int cmpxchg_user(hva_t hva, u64 *old, u64 new, unsigned int len)
{
	switch (len) {
	case 1:
		return cmpxchg_user8((u8 __user *)hva, old, new);
	case 2:
		return cmpxchg_user16((u16 __user *)hva, old, new);
	case 4:
		return cmpxchg_user32((u32 __user *)hva, old, new);
	case 8:
		return cmpxchg_user64((u64 __user *)hva, old, new);
	default:
		return -EINVAL;
	}
}

/*
 * The compare-and-exchange goes to the process's mapping and may find its page
 * gone or write-protected: then it is faulted in once and tried again.
 */
static enum mem_result cmpxchg_at(hva_t hva, u64 *old, u64 new, unsigned int len)
{
	struct page *page;

	if (!cmpxchg_user(hva, old, new, len))
		return MEM_OK;
	if (get_user_pages_fast(hva, 1, FOLL_WRITE, &page) != 1)
		return MEM_FAULT;
	put_page(page);
	return cmpxchg_user(hva, old, new, len) ? MEM_FAULT : MEM_OK;
}

enum mem_result mem_cmpxchg(struct lodge_vcpu *vcpu, gpa_t gpa, u64 *old, u64 new,
			    unsigned int len)
{
	enum mem_result res = MEM_NO_SLOT;
	int idx = slots_lock_read(vcpu->vm);
	const struct lodge_slot *slot;
	hva_t hva;

	slot = find_hva(vcpu->vm, gpa, true, &hva);
	if (slot)
		res = cmpxchg_at(hva, old, new, len);
	if (res == MEM_OK)
		dirty_mark(vcpu, slot, gpa >> PAGE_SHIFT);
	slots_unlock_read(vcpu->vm, idx);
	return res;
}
