// SPDX-License-Identifier: GPL-2.0
/*
 * Page tables read from outside: none, 32-bit, PAE, 4 and 5 levels, with large pages (SDM
 * volume 3A, chapter "Paging"). The device is asked first, since it knows the CPU best.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "paging.h"

#define CR0_PG		BIT_ULL(31)
#define CR4_PSE		BIT_ULL(4)
#define CR4_PAE		BIT_ULL(5)
#define CR4_LA57	BIT_ULL(12)
#define EFER_LMA	BIT_ULL(10)

#define ENTRY_PRESENT	BIT_ULL(0)
#define ENTRY_LARGE	BIT_ULL(7)
#define ENTRY_ADDRESS	0x000ffffffffff000ull

/* How the tables of a mode look. */
struct shape {
	unsigned int levels;
	unsigned int bits;	/* of the address, a level */
	unsigned int size;	/* of an entry */
	unsigned int large;	/* the highest level whose entries can be pages */
	u64 root;		/* what CR3 says of the first table */
};

static struct shape shape_of(const struct paging *p)
{
	if (p->efer & EFER_LMA)
		return (struct shape){
			.levels = p->cr4 & CR4_LA57 ? 5 : 4,
			.bits = 9, .size = 8, .large = 3,
			.root = p->cr3 & ENTRY_ADDRESS,
		};
	if (p->cr4 & CR4_PAE)
		return (struct shape){
			.levels = 3, .bits = 9, .size = 8, .large = 2,
			.root = p->cr3 & 0xffffffe0,
		};
	return (struct shape){
		.levels = 2, .bits = 10, .size = 4,
		.large = p->cr4 & CR4_PSE ? 2 : 0,
		.root = p->cr3 & 0xfffff000,
	};
}

bool paging_is_address(const struct paging *p, u64 gva)
{
	unsigned int bits = p->cr4 & CR4_LA57 ? 57 : 48;
	u64 high = ~0ull << (bits - 1);

	if (!(p->cr0 & CR0_PG) || !(p->efer & EFER_LMA))
		return gva <= 0xffffffff;
	return !(gva & high) || (gva & high) == high;
}

/* A page of 4 MiB may lie above 4 GiB (PSE-36). */
static u64 page_of(const struct shape *s, u64 entry, u64 size)
{
	if (s->size == 4 && size > PAGE_SIZE)
		return (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32;
	return entry & ENTRY_ADDRESS & ~(size - 1);
}

bool paging_walk(const struct paging *p, const struct memory *mem, u64 gva, u64 *gpa)
{
	struct shape s = shape_of(p);
	u64 table = s.root;
	unsigned int level;

	if (!paging_is_address(p, gva))
		return false;
	*gpa = gva;
	if (!(p->cr0 & CR0_PG))
		return true;
	for (level = s.levels; level; level--) {
		unsigned int shift = 12 + s.bits * (level - 1);
		u64 index = gva >> shift & (BIT_ULL(s.bits) - 1);
		u64 entry = 0;

		if (!memory_read(mem, table + index * s.size, &entry, s.size) ||
		    !(entry & ENTRY_PRESENT))
			return false;
		if (level == 1 || (level <= s.large && entry & ENTRY_LARGE)) {
			u64 size = BIT_ULL(shift);

			*gpa = page_of(&s, entry, size) | (gva & (size - 1));
			return true;
		}
		table = entry & ENTRY_ADDRESS;
	}
	return false;
}

/* By the device, or by hand where it has no service for it. */
static bool translate(struct cpu *cpu, const struct paging *p, u64 gva, u64 *gpa)
{
	struct kvm_translation t = { .linear_address = gva };

	if (!paging_is_address(p, gva))
		return false;
	if (ioctl(cpu->fd, KVM_TRANSLATE, &t) < 0)
		return paging_walk(p, &cpu->machine->memory, gva, gpa);
	*gpa = t.physical_address;
	return t.valid;
}

static bool get_paging(struct cpu *cpu, struct paging *p)
{
	struct kvm_sregs sregs;

	if (ioctl(cpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return false;
	*p = (struct paging){
		.cr0 = sregs.cr0, .cr3 = sregs.cr3, .cr4 = sregs.cr4, .efer = sregs.efer,
	};
	return true;
}

bool paging_translate(struct cpu *cpu, u64 gva, u64 *gpa)
{
	struct paging p;

	return get_paging(cpu, &p) && translate(cpu, &p, gva, gpa);
}

u64 paging_copy(struct cpu *cpu, u64 gva, const struct paging_copy *copy)
{
	struct memory *mem = &cpu->machine->memory;
	struct paging p;
	u64 gpa, done = 0;

	if (!get_paging(cpu, &p))
		return 0;
	while (done < copy->len) {
		u64 at = gva + done;
		u64 n = PAGE_SIZE - at % PAGE_SIZE;

		if (n > copy->len - done)
			n = copy->len - done;
		/* The address space has an end. */
		if (at < gva || !translate(cpu, &p, at, &gpa))
			break;
		if (!(copy->write ? memory_write(mem, gpa, copy->bytes + done, n) :
				    memory_read(mem, gpa, copy->bytes + done, n)))
			break;
		if (copy->each)
			copy->each(copy->arg, gpa, copy->bytes + done, n);
		done += n;
	}
	return done;
}
