// SPDX-License-Identifier: GPL-2.0
/*
 * gva.c - from a linear to a guest physical address, as the CPU would do it:
 * four paging modes, permissions, reserved bits, accessed and dirty bits.  The
 * emulator needs it; hardware does it for everything else.  Each entry is read
 * once, judged, and its accessed bit set by compare-and-exchange against the
 * value that was judged.  SDM vol. 3A 4.3 to 4.8.
 */
#include <linux/kernel.h>
#include <asm/processor-flags.h>
#include <asm/msr-index.h>

#include "../lodge.h"
#include "../vmx/regs.h"
#include "gva.h"
#include "slots.h"

#define ENTRY_PRESENT	BIT_ULL(0)
#define ENTRY_WRITABLE	BIT_ULL(1)
#define ENTRY_USER	BIT_ULL(2)
#define ENTRY_ACCESSED	BIT_ULL(5)
#define ENTRY_DIRTY	BIT_ULL(6)
#define ENTRY_LARGE	BIT_ULL(7)
#define ENTRY_NX	BIT_ULL(63)

#define RACE_LIMIT	8

struct walk {
	struct lodge_vcpu *vcpu;
	gva_t gva;
	u32 want;
	/* the paging mode */
	int level;		/* of the table that is read next */
	unsigned int size;	/* bytes of an entry */
	unsigned int bits;	/* of the address that index one table */
	bool long_mode, nxe;
	unsigned long cr0, cr4;
	u64 reserved;		/* bits that must be zero in every entry of eight bytes */
	/* on the way */
	const struct lodge_slot *slot;	/* that of the table before */
	gpa_t table;
	u64 entry;
	gpa_t entry_gpa;
	bool user, writable, nx;	/* what all entries so far allow */
};

static u64 bits_from(int low, int high)
{
	return high < low ? 0 : GENMASK_ULL(high, low);
}

/* Bits that must be zero in an entry of this level. */
static u64 reserved_bits(const struct walk *w, u64 entry)
{
	u64 rsvd;

	if (w->size == 4) {
		/* PSE-36: bits 20:13 are address bits 39:32 */
		if (w->level == 2 && (entry & ENTRY_LARGE) && (w->cr4 & X86_CR4_PSE))
			return bits_from(max(13, 13 + w->vcpu->maxphyaddr - 32), 21);
		return 0;
	}
	rsvd = w->reserved;
	if (!(entry & ENTRY_LARGE))
		return rsvd;
	if (w->level >= 4)
		rsvd |= ENTRY_LARGE;
	else if (w->level > 1)
		rsvd |= bits_from(13, 12 + 9 * (w->level - 1) - 1);
	return rsvd;
}

static bool is_leaf(const struct walk *w)
{
	if (w->level == 1)
		return true;
	if (!(w->entry & ENTRY_LARGE))
		return false;
	return w->size == 8 || (w->cr4 & X86_CR4_PSE);
}

static gpa_t leaf_gpa(const struct walk *w)
{
	u64 mask = (1ull << (12 + w->bits * (w->level - 1))) - 1;
	u64 base;

	if (w->size == 8)
		base = w->entry & GENMASK_ULL(51, 12);
	else if (w->level == 2)
		base = (w->entry & 0xffc00000) | ((w->entry >> 13) & 0xff) << 32;
	else
		base = w->entry & 0xfffff000;
	return (base & ~mask) | (w->gva & mask);
}

/* Protection keys speak only of user pages in long mode: vol. 3A 4.6.2. */
static bool key_forbids(const struct walk *w)
{
	unsigned int key = (w->entry >> 59) & 15;
	u32 rights = w->vcpu->pkru >> (2 * key);

	if (!w->long_mode || !(w->cr4 & X86_CR4_PKE) || !w->user || (w->want & PF_FETCH))
		return false;
	if (rights & 1)
		return true;
	return (w->want & PF_WRITE) && (rights & 2) &&
	       ((w->want & PF_USER) || (w->cr0 & X86_CR0_WP));
}

static bool rights_forbid(const struct walk *w)
{
	bool as_user = w->want & PF_USER;

	if (as_user && !w->user)
		return true;
	if ((w->want & PF_FETCH) && (w->nx || (!as_user && w->user && (w->cr4 & X86_CR4_SMEP))))
		return true;
	if (!as_user && !(w->want & PF_FETCH) && w->user && (w->cr4 & X86_CR4_SMAP) &&
	    !(regs_rflags(w->vcpu) & X86_EFLAGS_AC))
		return true;
	return (w->want & PF_WRITE) && !w->writable && (as_user || (w->cr0 & X86_CR0_WP));
}

static enum gva_result fault(const struct walk *w, u32 why, u32 *error)
{
	*error = why | (w->want & (PF_WRITE | PF_USER));
	if ((w->want & PF_FETCH) && (w->nxe || (w->cr4 & X86_CR4_SMEP)))
		*error |= PF_FETCH;
	return GVA_FAULT;
}

static enum gva_result read_entry(struct walk *w)
{
	unsigned int shift = 12 + w->bits * (w->level - 1);
	u64 index = (w->gva >> shift) & ((1u << w->bits) - 1);

	w->entry_gpa = w->table + index * w->size;
	w->entry = 0;
	/* where there is no memory the bus answers with ones, as it does the CPU */
	switch (mem_read_word(w->vcpu->vm, &w->slot, w->entry_gpa, &w->entry, w->size)) {
	case MEM_OK:
		return GVA_OK;
	case MEM_NO_SLOT:
		w->entry = w->size == 8 ? ~0ull : ~0u;
		return GVA_OK;
	case MEM_FAULT:
		break;
	}
	return GVA_NO_MEMORY;
}

static enum gva_result set_bits(struct walk *w, u64 bits)
{
	u64 old = w->entry;

	switch (mem_cmpxchg(w->vcpu, w->entry_gpa, &old, old | bits, w->size)) {
	case MEM_OK:
		return old == w->entry ? GVA_OK : GVA_RACE;
	case MEM_NO_SLOT:	/* tables in ROM keep their bits as they are */
		return GVA_OK;
	case MEM_FAULT:
		break;
	}
	return GVA_NO_MEMORY;
}

/* They mostly are there already. */
static enum gva_result mark_used(struct walk *w, u64 bits)
{
	if ((w->entry & bits) == bits || (w->want & PF_PEEK))
		return GVA_OK;
	return set_bits(w, bits);
}

static enum gva_result finish(struct walk *w, gpa_t *gpa, u32 *error)
{
	if (!(w->want & PF_PEEK)) {
		if (rights_forbid(w))
			return fault(w, PF_PRESENT, error);
		if (key_forbids(w))
			return fault(w, PF_PRESENT | PF_PKEY, error);
	}
	*gpa = leaf_gpa(w);
	return mark_used(w, ENTRY_ACCESSED | ((w->want & PF_WRITE) ? ENTRY_DIRTY : 0));
}

static enum gva_result walk_levels(struct walk *w, gpa_t *gpa, u32 *error)
{
	enum gva_result res;

	for (;; w->level--) {
		res = read_entry(w);
		if (res != GVA_OK)
			return res;
		if (!(w->entry & ENTRY_PRESENT))
			return fault(w, 0, error);
		if (w->entry & reserved_bits(w, w->entry))
			return fault(w, PF_PRESENT | PF_RESERVED, error);
		w->user &= !!(w->entry & ENTRY_USER);
		w->writable &= !!(w->entry & ENTRY_WRITABLE);
		w->nx |= w->nxe && w->size == 8 && (w->entry & ENTRY_NX);
		if (is_leaf(w))
			return finish(w, gpa, error);
		res = mark_used(w, ENTRY_ACCESSED);
		if (res != GVA_OK)
			return res;
		w->table = w->entry & (w->size == 8 ? GENMASK_ULL(51, 12) : 0xfffff000);
	}
}

static enum gva_result walk_tables(struct walk *w, gpa_t *gpa, u32 *error)
{
	int idx = slots_lock_read(w->vcpu->vm);
	enum gva_result res;

	w->slot = NULL;
	res = walk_levels(w, gpa, error);
	slots_unlock_read(w->vcpu->vm, idx);
	return res;
}

u64 gva_pdptr(int i)
{
	return vmread_any(GUEST_PDPTR0 + 2 * i);
}

void gva_set_pdptr(int i, u64 value)
{
	vmwrite_any(GUEST_PDPTR0 + 2 * i, value);
}

/* Where the walk begins; false if a PDPTE says "not present". */
static bool start(struct walk *w)
{
	unsigned long cr3 = regs_cr3(w->vcpu);
	u64 pdptr;

	w->long_mode = w->vcpu->efer & EFER_LMA;
	w->nxe = w->vcpu->efer & EFER_NX;
	w->size = 8;
	w->bits = 9;
	w->user = true;
	w->writable = true;
	w->nx = false;
	w->reserved = bits_from(w->vcpu->maxphyaddr, w->long_mode ? 51 : 62);
	if (!w->nxe)
		w->reserved |= ENTRY_NX;
	if (w->long_mode) {
		w->level = (w->cr4 & X86_CR4_LA57) ? 5 : 4;
		w->table = cr3 & GENMASK_ULL(51, 12);
		return true;
	}
	w->level = 2;
	if (w->cr4 & X86_CR4_PAE) {
		pdptr = gva_pdptr((w->gva >> 30) & 3);
		w->table = pdptr & GENMASK_ULL(51, 12);
		return pdptr & ENTRY_PRESENT;
	}
	w->size = 4;
	w->bits = 10;
	w->table = cr3 & 0xfffff000;
	return true;
}

enum gva_result gva_translate(struct lodge_vcpu *vcpu, gva_t gva, u32 want,
			      gpa_t *gpa, u32 *error)
{
	struct walk w = {
		.vcpu = vcpu, .gva = gva, .want = want,
		.cr0 = regs_cr0(vcpu), .cr4 = regs_cr4(vcpu),
	};
	enum gva_result res = GVA_RACE;
	int i;

	if (!(w.cr0 & X86_CR0_PG)) {
		*gpa = (u32)gva;
		return GVA_OK;
	}
	/* another vCPU may change an entry under us, but not forever at our cost */
	for (i = 0; i < RACE_LIMIT && res == GVA_RACE; i++) {
		if (!start(&w))
			return fault(&w, 0, error);
		res = walk_tables(&w, gpa, error);
	}
	return res;
}

bool gva_load_pdptrs(struct lodge_vcpu *vcpu, unsigned long cr3)
{
	u64 rsvd = bits_from(vcpu->maxphyaddr, 63) | 0x1e6;	/* vol. 3A 4.4.1 */
	u64 pdptr[4];
	int i;

	if (mem_read(vcpu->vm, cr3 & 0xffffffe0, pdptr, sizeof(pdptr)) != MEM_OK)
		return false;
	for (i = 0; i < 4; i++)
		if ((pdptr[i] & ENTRY_PRESENT) && (pdptr[i] & rsvd))
			return false;
	for (i = 0; i < 4; i++)
		gva_set_pdptr(i, pdptr[i]);
	return true;
}
