// SPDX-License-Identifier: GPL-2.0
/*
 * A debugger's breakpoints. One in software is known by the address that gdb gave and by
 * the byte's place in memory: two addresses may lead to one byte, which then has INT3 once.
 */
#include <errno.h>
#include <string.h>

#include "gdb_break.h"

#define INT3		0xcc
#define DR7_FIXED	0x400ull	/* always 1 (SDM volume 3B, "Debug Registers") */
#define DR7_EXACT	0x200ull
#define DR7_ENABLE(n)	(2ull << 2 * (n))
#define DR7_TYPE(n, t)	((u64)(t) << (16 + 4 * (n)))
#define DR7_SIZE(n, s)	((u64)(s) << (18 + 4 * (n)))

/* ---- in software ----------------------------------------------------------- */

bool gdb_soft_at_gva(const struct gdb_breaks *b, u64 gva)
{
	unsigned int i;

	for (i = 0; i < b->nr_soft; i++)
		if (b->soft[i].gva == gva)
			return true;
	return false;
}

static const struct gdb_soft *at_gpa(const struct gdb_breaks *b, u64 gpa)
{
	unsigned int i;

	for (i = 0; i < b->nr_soft; i++)
		if (b->soft[i].gpa == gpa)
			return &b->soft[i];
	return NULL;
}

bool gdb_soft_at_gpa(const struct gdb_breaks *b, u64 gpa)
{
	return at_gpa(b, gpa);
}

/* If something else is there, that is the guest's now. */
static void put_in(struct gdb_breaks *b, u64 gpa, u8 *byte)
{
	unsigned int i;
	u8 was = *byte;

	if (was == INT3)
		return;
	for (i = 0; i < b->nr_soft; i++)
		if (b->soft[i].gpa == gpa)
			b->soft[i].original = was;
	*byte = INT3;
}

int gdb_soft_insert(struct gdb_breaks *b, struct memory *mem, u64 gva, u64 gpa)
{
	u8 *byte = memory_at(mem, gpa, 1);
	const struct gdb_soft *same;

	if (!byte)
		return -EFAULT;
	/* Its page may be another by now. */
	gdb_soft_remove(b, mem, gva);
	if (b->nr_soft == GDB_SOFT)
		return -ENOSPC;
	same = at_gpa(b, gpa);
	b->soft[b->nr_soft] = (struct gdb_soft){
		.gva = gva, .gpa = gpa, .original = same ? same->original : *byte,
	};
	b->nr_soft++;
	put_in(b, gpa, byte);
	return 0;
}

static void take_out(struct memory *mem, const struct gdb_soft *soft)
{
	u8 *byte = memory_at(mem, soft->gpa, 1);

	if (byte && *byte == INT3)
		*byte = soft->original;
}

bool gdb_soft_remove(struct gdb_breaks *b, struct memory *mem, u64 gva)
{
	unsigned int i;

	for (i = 0; i < b->nr_soft; i++) {
		struct gdb_soft gone = b->soft[i];

		if (gone.gva != gva)
			continue;
		b->soft[i] = b->soft[--b->nr_soft];
		if (!at_gpa(b, gone.gpa))
			take_out(mem, &gone);
		return true;
	}
	return false;
}

void gdb_soft_renew(struct gdb_breaks *b, struct memory *mem)
{
	unsigned int i;

	for (i = 0; i < b->nr_soft; i++) {
		u8 *byte = memory_at(mem, b->soft[i].gpa, 1);

		if (byte)
			put_in(b, b->soft[i].gpa, byte);
	}
}

void gdb_soft_forget(struct gdb_breaks *b)
{
	b->nr_soft = 0;
}

void gdb_soft_hide(const struct gdb_breaks *b, u64 gpa, u8 *bytes, u64 len)
{
	unsigned int i;

	for (i = 0; i < b->nr_soft; i++) {
		u64 off = b->soft[i].gpa - gpa;

		if (off < len && bytes[off] == INT3)
			bytes[off] = b->soft[i].original;
	}
}

void gdb_soft_keep(struct gdb_breaks *b, struct memory *mem, u64 gpa, u64 len)
{
	unsigned int i;
	u8 *byte;

	/* All are read before any is put in: several may share a byte. */
	for (i = 0; i < b->nr_soft; i++) {
		byte = memory_at(mem, b->soft[i].gpa, 1);
		if (byte && b->soft[i].gpa - gpa < len)
			b->soft[i].original = *byte;
	}
	for (i = 0; i < b->nr_soft; i++) {
		byte = memory_at(mem, b->soft[i].gpa, 1);
		if (byte && b->soft[i].gpa - gpa < len)
			*byte = INT3;
	}
}

/* ---- in hardware ------------------------------------------------------------- */

/* The largest aligned piece at the start of a range that one register can watch. */
static u64 piece(u64 at, u64 len)
{
	u64 size = 8;

	while (size > len || at % size)
		size /= 2;
	return size;
}

static bool is_same(const struct gdb_hard *h, enum gdb_break_kind kind, u64 base, u64 len)
{
	return h->used && h->kind == kind && h->base == base && h->len == len;
}

static struct gdb_hard *free_one(struct gdb_breaks *b)
{
	unsigned int i;

	for (i = 0; i < GDB_HARD; i++)
		if (!b->hard[i].used)
			return &b->hard[i];
	return NULL;
}

static bool is_code(enum gdb_break_kind kind)
{
	return kind == GDB_BREAK_SOFT || kind == GDB_BREAK_HARD;
}

int gdb_hard_insert(struct gdb_breaks *b, enum gdb_break_kind kind, u64 base, u64 len)
{
	u64 at, size, end;

	if (is_code(kind))
		len = 1;
	end = base + len;
	if (!len || end < base)
		return -EINVAL;
	gdb_hard_remove(b, kind, base, len);
	for (at = base; at < end; at += size) {
		struct gdb_hard *h = free_one(b);

		if (!h) {
			gdb_hard_remove(b, kind, base, len);
			return -ENOSPC;
		}
		size = piece(at, end - at);
		*h = (struct gdb_hard){
			.used = true, .kind = kind, .base = base, .len = len,
			.at = at, .size = size,
		};
	}
	return 0;
}

bool gdb_hard_remove(struct gdb_breaks *b, enum gdb_break_kind kind, u64 base, u64 len)
{
	bool found = false;
	unsigned int i;

	if (is_code(kind))
		len = 1;
	for (i = 0; i < GDB_HARD; i++)
		if (is_same(&b->hard[i], kind, base, len)) {
			b->hard[i].used = false;
			found = true;
		}
	return found;
}

const struct gdb_hard *gdb_hard_hit(const struct gdb_breaks *b, u64 dr6)
{
	unsigned int i;

	/* A bit of DR6 may be set for a register that is not in use. */
	for (i = 0; i < GDB_HARD; i++)
		if (b->hard[i].used && dr6 & BIT_ULL(i))
			return &b->hard[i];
	return NULL;
}

/* ---- both ---------------------------------------------------------------------- */

void gdb_breaks_clear(struct gdb_breaks *b, struct memory *mem)
{
	while (b->nr_soft)
		gdb_soft_remove(b, mem, b->soft[b->nr_soft - 1].gva);
	memset(b->hard, 0, sizeof(b->hard));
}

static u64 type_of(enum gdb_break_kind kind)
{
	if (is_code(kind))
		return 0;
	/* The hardware cannot watch reads alone. gdb looks whether the value changed. */
	return kind == GDB_WATCH_WRITE ? 1 : 3;
}

void gdb_breaks_debug(const struct gdb_breaks *b, struct kvm_guest_debug *debug)
{
	static const u8 sizes[] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
	u64 dr7 = DR7_FIXED | DR7_EXACT;
	bool any = false;
	unsigned int i;

	for (i = 0; i < GDB_HARD; i++) {
		const struct gdb_hard *h = &b->hard[i];

		if (!h->used)
			continue;
		any = true;
		debug->arch.debugreg[i] = h->at;
		dr7 |= DR7_ENABLE(i) | DR7_TYPE(i, type_of(h->kind)) |
		       DR7_SIZE(i, sizes[h->size]);
	}
	debug->arch.debugreg[7] = dr7;
	if (any)
		debug->control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
	if (b->nr_soft)
		debug->control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP;
}
