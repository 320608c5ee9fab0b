// SPDX-License-Identifier: GPL-2.0
/*
 * slots.c - the guest's physical address space as a sorted table of slots.  A
 * change is made in a copy of the table, which is then published; readers hold
 * SRCU, so that they never wait and may sleep.  A slot that goes is first marked
 * as leaving; once the grace period has passed nobody can map its pages any more,
 * its mappings are withdrawn, and only then does it go from the table.
 *
 * Guest memory is reached through the process's addresses with the kernel's
 * user-copy functions: whatever the process did to its mapping, the worst is an
 * error.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>
#include <asm/processor.h>

#include "../lodge.h"
#include "../trace.h"
#include "dirty.h"
#include "ept.h"
#include "fault.h"
#include "slots.h"

#define SLOT_MAX_PAGES	((1ull << 31) - 1)	/* as KVM's */
#define SLOTS_AT_FIRST	16
#define SLOT_FLAGS	(KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES)

static struct lodge_slots *alloc_slots(int room)
{
	struct lodge_slots *s = kvmalloc(struct_size(s, slot, room), GFP_KERNEL_ACCOUNT);

	if (!s)
		return NULL;
	s->count = 0;
	s->room = room;
	s->hint = 0;
	return s;
}

int slots_init(struct lodge_vm *vm)
{
	struct lodge_slots *s = alloc_slots(SLOTS_AT_FIRST);
	int err = -ENOMEM;

	vm->slots_spare = alloc_slots(SLOTS_AT_FIRST);
	if (s && vm->slots_spare)
		err = init_srcu_struct(&vm->srcu);
	if (err) {
		kvfree(vm->slots_spare);
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
	kvfree(vm->slots_spare);
	xa_destroy(&vm->slot_ids);
	cleanup_srcu_struct(&vm->srcu);
}

static bool slot_has(const struct lodge_slot *slot, gfn_t gfn)
{
	return gfn - slot->base < slot->npages;
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
	struct lodge_slots *s = srcu_dereference(vm->slots, &vm->srcu);
	unsigned int i = READ_ONCE(s->hint);

	if (i < s->count && slot_has(&s->slot[i], gfn))
		return &s->slot[i];
	i = lower_bound(s, gfn);
	if (i >= s->count || !slot_has(&s->slot[i], gfn))
		return NULL;
	/* seldom: most pages are in one slot */
	WRITE_ONCE(s->hint, i);
	return &s->slot[i];
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

/* In a table that nobody reads: old goes, new comes; either may be NULL. */
static void edit(struct lodge_slots *s, const struct lodge_slot *old,
		 const struct lodge_slot *new)
{
	struct lodge_slot *at;

	if (old) {
		at = &s->slot[lower_bound(s, old->base)];
		if (new && new->base == old->base) {
			*at = *new;
			return;
		}
		s->count--;
		memmove(at, at + 1, (s->slot + s->count - at) * sizeof(*at));
	}
	if (new) {
		at = &s->slot[lower_bound(s, new->base)];
		memmove(at + 1, at, (s->slot + s->count - at) * sizeof(*at));
		s->count++;
		*at = *new;
	}
}

/*
 * There are two tables with the same contents.  A change is made in the one that
 * nobody reads, which then takes the other's place; when that one has no reader
 * any more, it is changed alike.
 */
static void publish(struct lodge_vm *vm, const struct lodge_slot *old,
		    const struct lodge_slot *new)
{
	struct lodge_slots *before = current_slots(vm);

	edit(vm->slots_spare, old, new);
	rcu_assign_pointer(vm->slots, vm->slots_spare);
	synchronize_srcu_expedited(&vm->srcu);
	edit(before, old, new);
	vm->slots_spare = before;
}

/* One slot more will fit, so that a change cannot fail half way. */
static int make_room(struct lodge_vm *vm)
{
	struct lodge_slots *s = current_slots(vm);
	struct lodge_slots *a, *b;

	if (s->count < s->room)
		return 0;
	a = alloc_slots(2 * s->room);
	b = alloc_slots(2 * s->room);
	if (!a || !b) {
		kvfree(a);
		kvfree(b);
		return -ENOMEM;
	}
	a->count = s->count;
	b->count = s->count;
	memcpy(a->slot, s->slot, s->count * sizeof(*s->slot));
	memcpy(b->slot, s->slot, s->count * sizeof(*s->slot));
	kvfree(vm->slots_spare);
	vm->slots_spare = a;
	publish(vm, NULL, NULL);
	kvfree(vm->slots_spare);
	vm->slots_spare = b;
	return 0;
}

/*
 * Replace old by new, or by nothing.  While old's mappings are being withdrawn
 * it must stay in the table: if the process takes its memory away meanwhile, the
 * MMU notifier has to find the guest pages that this concerns.
 */
static void replace_slot(struct lodge_vm *vm, const struct lodge_slot *old,
			 const struct lodge_slot *new)
{
	struct lodge_slot leaving = *old;

	leaving.leaving = true;
	publish(vm, old, &leaving);
	ept_zap(vm, old->base, old->base + old->npages, true);
	publish(vm, &leaving, new);
}

/*
 * Dirty logging begins or ends.  The mappings stay; those of a slot that logs no
 * more may be large again, so that small ones of what the process has in large
 * pages are withdrawn.
 */
static void change_flags(struct lodge_vm *vm, const struct lodge_slot *old,
			 const struct lodge_slot *new)
{
	publish(vm, old, new);
	if (new->flags & KVM_MEM_LOG_DIRTY_PAGES)
		dirty_start(vm, new);
	else
		fault_collapse(vm, new);
}

/* No part of this can fail. */
static void apply(struct lodge_vm *vm, const struct lodge_slot *old,
		  const struct lodge_slot *new)
{
	if (!old)
		publish(vm, NULL, new);
	else if (!new->npages)
		replace_slot(vm, old, NULL);
	else if (old->base != new->base)
		replace_slot(vm, old, new);
	else if (old->flags != new->flags)
		change_flags(vm, old, new);
	if (new->npages)
		xa_store(&vm->slot_ids, new->id, xa_mk_value(new->base), GFP_KERNEL_ACCOUNT);
	else
		xa_erase(&vm->slot_ids, new->id);
}

static bool logs(const struct lodge_slot *slot)
{
	return slot && slot->npages && (slot->flags & KVM_MEM_LOG_DIRTY_PAGES);
}

static int check_change(struct lodge_vm *vm, const struct lodge_slot *old,
			const struct lodge_slot *new)
{
	gfn_t apic = APIC_DEFAULT_PHYS_BASE >> PAGE_SHIFT;

	if (!new->npages)
		return old ? 0 : -EINVAL;
	/* there the vCPUs' local APICs are */
	if (vm->apic_access && new->base <= apic && apic < new->base + new->npages)
		return -EEXIST;
	if (old && (old->npages != new->npages || old->hva != new->hva ||
		    ((old->flags ^ new->flags) & KVM_MEM_READONLY)))
		return -EINVAL;
	return overlaps(current_slots(vm), new) ? -EEXIST : 0;
}

/* All the memory that the change takes; what is not used does no harm. */
static int prepare(struct lodge_vm *vm, const struct lodge_slot *old, struct lodge_slot *new)
{
	if (make_room(vm) || xa_reserve(&vm->slot_ids, new->id, GFP_KERNEL_ACCOUNT))
		return -ENOMEM;
	if (logs(old) && logs(new))
		new->dirty = old->dirty;
	else if (logs(new))
		return dirty_alloc_bitmap(vm, new);
	return 0;
}

static int change_slot(struct lodge_vm *vm, struct lodge_slot *new)
{
	const struct lodge_slot *found = find_id(vm, new->id);
	struct lodge_slot copy = found ? *found : (struct lodge_slot) { };
	const struct lodge_slot *old = found ? &copy : NULL;
	int err = check_change(vm, old, new) ?: prepare(vm, old, new);

	if (err)
		return err;
	/* before anything is protected: a write must find the CPU's log on */
	vm->nr_logging += logs(new) - logs(old);
	if (logs(new))
		dirty_update_logging(vm, true);
	apply(vm, old, new);
	if ((!old || old->base != new->base) && READ_ONCE(vm->ept_traps)) {
		/* who saw no slot there has made its entry: fault_trap() */
		synchronize_srcu_expedited(&vm->srcu);
		ept_zap(vm, new->base, new->base + new->npages, true);
	}
	dirty_update_logging(vm, vm->nr_logging);
	if (copy.dirty != new->dirty)
		kvfree(copy.dirty);
	return 0;
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

	if (!err) {
		mutex_lock(&vm->slots_lock);
		err = change_slot(vm, &new);
		mutex_unlock(&vm->slots_lock);
	}
	trace_lodge_memslot(r, err);
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

/*
 * copy_from_user() finds out what the buffer is, which for an instruction or an operand is
 * most of its work: 8 to 16 bytes are two words, which overlap.
 */
static bool read_user(hva_t hva, void *buf, unsigned int len)
{
	u64 first, last;

	if (len < 8 || len > 16)
		return !copy_from_user(buf, (void __user *)hva, len);
	if (get_user(first, (u64 __user *)hva) || get_user(last, (u64 __user *)(hva + len - 8)))
		return false;
	memcpy(buf, &first, 8);
	memcpy(buf + len - 8, &last, 8);
	return true;
}

enum mem_result mem_read(struct lodge_vm *vm, gpa_t gpa, void *buf, unsigned int len)
{
	enum mem_result res = MEM_OK;
	int idx = slots_lock_read(vm);
	hva_t hva;

	if (!find_hva(vm, gpa, false, &hva))
		res = MEM_NO_SLOT;
	else if (!read_user(hva, buf, len))
		res = MEM_FAULT;
	slots_unlock_read(vm, idx);
	return res;
}

enum mem_result mem_read_word(struct lodge_vm *vm, const struct lodge_slot **slot, gpa_t gpa,
			      u64 *word, unsigned int len)
{
	gfn_t gfn = gpa >> PAGE_SHIFT;
	hva_t hva;
	u32 half;

	if (!*slot || !slot_has(*slot, gfn))
		*slot = slots_find(vm, gfn);
	if (!*slot)
		return MEM_NO_SLOT;
	hva = slot_hva(*slot, gfn) + offset_in_page(gpa);
	if (len == 8)
		return get_user(*word, (u64 __user *)hva) ? MEM_FAULT : MEM_OK;
	if (get_user(half, (u32 __user *)hva))
		return MEM_FAULT;
	*word = half;
	return MEM_OK;
}

/* Where it must not sleep, a page that is not there is one that cannot be written. */
static bool write_user(struct lodge_vm *vm, const struct lodge_slot *slot, hva_t hva,
		       const void *buf, unsigned int len, bool may_sleep)
{
	if (may_sleep)
		return !copy_to_user((void __user *)hva, buf, len);
	/* a ring that is full ends the machine, with a message that may sleep */
	if ((slot->flags & KVM_MEM_LOG_DIRTY_PAGES) && vm->ring_entries)
		return false;
	return !copy_to_user_nofault((void __user *)hva, buf, len);
}

static enum mem_result do_write(struct lodge_vcpu *vcpu, gpa_t gpa, const void *buf,
				unsigned int len, bool may_sleep)
{
	enum mem_result res = MEM_OK;
	int idx = slots_lock_read(vcpu->vm);
	const struct lodge_slot *slot;
	hva_t hva;

	slot = find_hva(vcpu->vm, gpa, true, &hva);
	if (!slot)
		res = MEM_NO_SLOT;
	else if (!write_user(vcpu->vm, slot, hva, buf, len, may_sleep))
		res = MEM_FAULT;
	else
		dirty_mark(vcpu, slot, gpa >> PAGE_SHIFT);
	slots_unlock_read(vcpu->vm, idx);
	return res;
}

enum mem_result mem_write(struct lodge_vcpu *vcpu, gpa_t gpa, const void *buf,
			  unsigned int len)
{
	return do_write(vcpu, gpa, buf, len, true);
}

enum mem_result mem_write_nofault(struct lodge_vcpu *vcpu, gpa_t gpa, const void *buf,
				  unsigned int len)
{
	return do_write(vcpu, gpa, buf, len, false);
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
