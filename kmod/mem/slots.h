/* SPDX-License-Identifier: GPL-2.0 */
/* Memory slots: which guest physical pages are which pages of the process. */
#ifndef LODGE_MEM_SLOTS_H
#define LODGE_MEM_SLOTS_H

#include <linux/srcu.h>

#include "../lodge.h"

struct lodge_slot {
	gfn_t base;
	u64 npages;
	hva_t hva;
	u32 id;
	u32 flags;		/* KVM_MEM_* */
	bool leaving;		/* no new mapping; old ones are being withdrawn */
	unsigned long *dirty;	/* (A) a bit for each page, and room for a copy; or NULL */
};

/* Nobody changes the one that is published, but for the bitmaps and the hint. */
struct lodge_slots {
	int count, room;
	int hint;			/* where a page was last found; any number is good */
	struct lodge_slot slot[];	/* ordered by base, no two overlap */
};

int slots_init(struct lodge_vm *vm);
void slots_destroy(struct lodge_vm *vm);
int slots_set_region(struct lodge_vm *vm, const struct kvm_userspace_memory_region *r);

/*
 * Inside slots_lock_read(): the slot of a page or NULL, and the address of its
 * page in the process.
 */
const struct lodge_slot *slots_find(struct lodge_vm *vm, gfn_t gfn);

/* Under slots_lock. */
const struct lodge_slot *slots_find_id(struct lodge_vm *vm, u32 id);

static inline hva_t slot_hva(const struct lodge_slot *slot, gfn_t gfn)
{
	return slot->hva + ((gfn - slot->base) << PAGE_SHIFT);
}

static inline int slots_lock_read(struct lodge_vm *vm)
{
	return srcu_read_lock(&vm->srcu);
}

static inline void slots_unlock_read(struct lodge_vm *vm, int idx)
{
	srcu_read_unlock(&vm->srcu, idx);
}

/* What became of an access to guest physical memory. */
enum mem_result {
	MEM_OK,
	MEM_NO_SLOT,		/* no slot there, or a read-only one written */
	MEM_FAULT,		/* the process has no page there */
};

/* Within one page; they may sleep and take the slots themselves. */
enum mem_result mem_read(struct lodge_vm *vm, gpa_t gpa, void *buf, unsigned int len);
/*
 * Inside slots_lock_read(): an aligned word of 4 or 8 bytes.  *slot is where the last one was,
 * or NULL, and where this one is afterwards.
 */
enum mem_result mem_read_word(struct lodge_vm *vm, const struct lodge_slot **slot, gpa_t gpa,
			      u64 *word, unsigned int len);
enum mem_result mem_write(struct lodge_vcpu *vcpu, gpa_t gpa, const void *buf,
			  unsigned int len);
/* The same where nothing may sleep; MEM_FAULT, too, where the page is not at hand. */
enum mem_result mem_write_nofault(struct lodge_vcpu *vcpu, gpa_t gpa, const void *buf,
				  unsigned int len);
/* Naturally aligned, 1 to 8 bytes; *old is replaced by what was found. */
enum mem_result mem_cmpxchg(struct lodge_vcpu *vcpu, gpa_t gpa, u64 *old, u64 new,
			    unsigned int len);
/* Would an access reach memory?  For choosing between memory and device. */
bool mem_is_ram(struct lodge_vm *vm, gpa_t gpa, bool write);

#endif
