// SPDX-License-Identifier: GPL-2.0
/* Walks through page tables: a table of the modes, one loop for all of them, and the words. */
#include "walk.h"

#define CR0_PG		BIT_ULL(31)
#define CR4_PSE		BIT_ULL(4)
#define CR4_PAE		BIT_ULL(5)
#define CR4_LA57	BIT_ULL(12)
#define EFER_LMA	BIT_ULL(10)
#define EFER_NXE	BIT_ULL(11)

#define ENTRY_PRESENT	BIT_ULL(0)
#define ENTRY_WRITE	BIT_ULL(1)
#define ENTRY_USER	BIT_ULL(2)
#define ENTRY_ACCESSED	BIT_ULL(5)
#define ENTRY_DIRTY	BIT_ULL(6)
#define ENTRY_LARGE	BIT_ULL(7)
#define ENTRY_GLOBAL	BIT_ULL(8)
#define ENTRY_NX	BIT_ULL(63)
#define ENTRY_ADDRESS	0x000ffffffffff000ull

/* Of a 4 MiB page's entry: address bits 39:32 stand in 20:13 (PSE-36). */
#define PSE_HIGH_SHIFT	13
#define PSE_HIGH_BITS	8

struct shape {
	const char *mode;
	unsigned int levels;
	unsigned int bits;	/* of the address, a level */
	unsigned int size;	/* of an entry */
	unsigned int large;	/* the highest level whose entries can be pages; 0: none */
	u64 root;
};

struct walker {
	const struct paging *p;
	const struct memory *mem;
	struct shape s;
	unsigned int phys_bits;
	u64 table;
};

static struct shape shape_of(const struct paging *p)
{
	bool five = p->cr4 & CR4_LA57;

	if (p->efer & EFER_LMA)
		return (struct shape){ five ? "5 levels" : "4 levels", five ? 5 : 4, 9, 8, 3,
				       p->cr3 & ENTRY_ADDRESS };
	if (p->cr4 & CR4_PAE)
		return (struct shape){ "PAE", 3, 9, 8, 2, p->cr3 & 0xffffffe0 };
	return (struct shape){ "32-bit", 2, 10, 4, p->cr4 & CR4_PSE ? 2 : 0,
			       p->cr3 & 0xfffff000 };
}

static const char * const table_names[] = { "", "PT", "PD", "PDPT", "PML4", "PML5" };

/* Bits from @low up to @high, both with it. */
static u64 range(unsigned int high, unsigned int low)
{
	return high < low ? 0 : (~0ull >> (63 - high)) & (~0ull << low);
}

/* Those that must be 0 in an entry of 8 bytes: SDM volume 3A, 4.4 and 4.5. */
static u64 reserved_8(const struct walker *k, unsigned int level, bool leaf)
{
	bool long_mode = k->s.levels > 3;
	u64 bits = range(51, k->phys_bits);

	if (!long_mode)
		bits |= range(62, 52);
	if (!(k->p->efer & EFER_NXE))
		bits |= ENTRY_NX;
	if (!long_mode && level == 3)
		return bits | range(2, 1) | range(8, 5) | ENTRY_NX;
	if (level > k->s.large)
		return bits | (long_mode && level > 1 ? ENTRY_LARGE : 0);
	if (leaf && level > 1)
		bits |= range(12 + k->s.bits * (level - 1) - 1, 13);
	return bits;
}

/* In one of 4 bytes that maps 4 MiB: table 4-4. */
static u64 reserved_4(unsigned int phys_bits)
{
	unsigned int high = phys_bits > 40 ? 40 : phys_bits;

	/* What of a page's address is above 32 bits and the CPU has not. */
	return range(21, PSE_HIGH_SHIFT + (high > 32 ? high - 32 : 0));
}

static u64 page_of(const struct shape *s, u64 entry, u64 size)
{
	if (s->size == 4 && size > PAGE_SIZE)
		return (entry & 0xffc00000) |
		       (entry >> PSE_HIGH_SHIFT & (BIT_ULL(PSE_HIGH_BITS) - 1)) << 32;
	return entry & ENTRY_ADDRESS & ~(size - 1);
}

static u64 reserved_bits(const struct walker *k, unsigned int level, bool leaf)
{
	if (k->s.size == 8)
		return reserved_8(k, level, leaf);
	return leaf && level > 1 ? reserved_4(k->phys_bits) : 0;
}

/* One entry: false, with the end, if there is none behind it. */
static bool step(struct walker *k, unsigned int level, struct walk *w)
{
	unsigned int shift = 12 + k->s.bits * (level - 1);
	struct walk_step *st = &w->step[w->steps++];

	*st = (struct walk_step){
		.table = table_names[level],
		.index = w->gva >> shift & (BIT_ULL(k->s.bits) - 1),
	};
	st->at = k->table + (u64)st->index * k->s.size;
	w->end = WALK_NO_MEMORY;
	if (!memory_read(k->mem, st->at, &st->entry, k->s.size))
		return false;
	w->end = WALK_NOT_PRESENT;
	if (!(st->entry & ENTRY_PRESENT))
		return false;
	st->leaf = level == 1 || (level <= k->s.large && st->entry & ENTRY_LARGE);
	w->reserved = st->entry & reserved_bits(k, level, st->leaf);
	w->end = WALK_RESERVED;
	if (w->reserved)
		return false;
	k->table = st->entry & ENTRY_ADDRESS;
	if (!st->leaf)
		return true;
	w->end = WALK_PAGE;
	w->size = BIT_ULL(shift);
	w->gpa = page_of(&k->s, st->entry, w->size) | (w->gva & (w->size - 1));
	return false;
}

void walk_guest(const struct paging *p, const struct memory *mem, unsigned int phys_bits,
		u64 gva, struct walk *w)
{
	struct walker k = { .p = p, .mem = mem, .s = shape_of(p), .phys_bits = phys_bits };
	unsigned int level;

	k.table = k.s.root;
	*w = (struct walk){ .mode = k.s.mode, .gva = gva, .end = WALK_NO_ADDRESS };
	if (!paging_is_address(p, gva))
		return;
	if (!(p->cr0 & CR0_PG)) {
		w->end = WALK_UNPAGED;
		w->gpa = gva;
		return;
	}
	for (level = k.s.levels; level && step(&k, level, w); level--)
		;
}

bool walk_arrives(const struct walk *w)
{
	return w->end == WALK_PAGE || w->end == WALK_UNPAGED;
}

/* ---- in words ------------------------------------------------------------------------ */

static const struct { u64 bit; const char *name; } entry_flags[] = {
	{ ENTRY_WRITE, "write" }, { ENTRY_USER, "user" }, { ENTRY_ACCESSED, "accessed" },
};

static void print_flags(FILE *f, const struct walk_step *s)
{
	unsigned int i;

	if (!(s->entry & ENTRY_PRESENT))
		return;
	for (i = 0; i < ARRAY_SIZE(entry_flags); i++)
		if (s->entry & entry_flags[i].bit)
			fprintf(f, " %s", entry_flags[i].name);
	if (s->leaf && s->entry & ENTRY_DIRTY)
		fputs(" dirty", f);
	if (s->leaf && s->entry & ENTRY_GLOBAL)
		fputs(" global", f);
	if (s->entry & ENTRY_NX)
		fputs(" no-execute", f);
}

void walk_print(FILE *f, const struct walk *w)
{
	bool unread = w->end == WALK_NO_MEMORY;
	unsigned int i;

	if (w->end == WALK_NO_ADDRESS) {
		fprintf(f, "  walk %#llx: not an address of this mode\n", w->gva);
		return;
	}
	if (w->end == WALK_UNPAGED) {
		fprintf(f, "  walk %#llx: paging is off\n", w->gva);
		return;
	}
	fprintf(f, "  walk %#llx, %s\n", w->gva, w->mode);
	for (i = 0; i < w->steps; i++) {
		const struct walk_step *s = &w->step[i];

		fprintf(f, "    %-4s [%3u] at %#llx: ", s->table, s->index, s->at);
		if (unread && i + 1 == w->steps) {
			fputs("no memory is there\n", f);
			return;
		}
		fprintf(f, "%#llx", s->entry);
		print_flags(f, s);
		fputs("\n", f);
	}
	if (w->end == WALK_NOT_PRESENT)
		fputs("    not present\n", f);
	else if (w->end == WALK_RESERVED)
		fprintf(f, "    reserved bits are set: %#llx\n", w->reserved);
	else
		fprintf(f, "    -> %#llx, in a page of %llu KiB\n", w->gpa, w->size / KIB);
}

#define EPT_RWX		7ull
#define EPT_LARGE	BIT_ULL(7)
#define EPT_ACCESSED	BIT_ULL(8)
#define EPT_DIRTY	BIT_ULL(9)

void walk_print_ept(FILE *f, const struct lodge_ept_walk *w)
{
	static const char * const tables[4] = { "PML4", "PDPT", "PD", "PT" };
	static const char * const types[8] = { "UC", "WC", "?", "?", "WT", "WP", "WB", "?" };
	unsigned int i;

	fprintf(f, "  EPT of %#llx\n", w->gpa);
	for (i = 0; i < w->levels && i < ARRAY_SIZE(tables); i++) {
		u64 entry = w->entry[i];
		bool leaf = entry & EPT_RWX && (i == 3 || entry & EPT_LARGE);

		fprintf(f, "    %-4s [%3llu]: %#llx %c%c%c", tables[i],
			w->gpa >> (39 - 9 * i) & 511, entry, entry & 1 ? 'r' : '-',
			entry & 2 ? 'w' : '-', entry & 4 ? 'x' : '-');
		if (leaf)
			fprintf(f, " page of %llu KiB, %s", BIT_ULL(39 - 9 * i) / KIB,
				types[entry >> 3 & 7]);
		if (leaf && entry & EPT_ACCESSED)
			fputs(" accessed", f);
		if (leaf && entry & EPT_DIRTY)
			fputs(" dirty", f);
		if (!(entry & EPT_RWX))
			fputs(entry ? " maps nothing" : " not mapped", f);
		fputs("\n", f);
	}
	if (!w->levels)
		fputs("    there are no tables yet\n", f);
	if (w->flags & LODGE_EPT_HIDDEN)
		fputs("    (addresses are hidden)\n", f);
}
