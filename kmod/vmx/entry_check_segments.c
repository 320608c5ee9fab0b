// SPDX-License-Identifier: GPL-2.0
/*
 * entry_check_segments.c - what VM entry demands of the guest's segment
 * registers: a table in the order of SDM vol. 3C 26.3.1.2.  A broken rule is exit
 * reason 33.
 *
 * Fields of segments come in groups of one encoding each for ES, CS, SS, DS, FS,
 * GS, LDTR and TR, two apart; a row's arg is the segment's number in them.
 */
#include "entry_check_priv.h"

enum { ES, CS, SS, DS, FS, GS, LDTR, TR };

#define SELECTOR(seg)	(GUEST_ES_SELECTOR + 2 * (seg))
#define BASE(seg)	(GUEST_ES_BASE + 2 * (seg))
#define LIMIT(seg)	(GUEST_ES_LIMIT + 2 * (seg))
#define RIGHTS(seg)	(GUEST_ES_AR_BYTES + 2 * (seg))

static u64 rights(const struct entry_state *s, unsigned int seg)
{
	return entry_get(s, RIGHTS(seg));
}

static unsigned int type(u64 ar)
{
	return ar & VMX_AR_TYPE_MASK;
}

static unsigned int rpl(u64 selector)
{
	return selector & 3;
}

/* Bits of a segment that nobody can use are not looked at; CS and TR always are. */
static bool counts(const struct entry_state *s, unsigned int seg)
{
	if (s->v8086 && seg < LDTR)
		return false;
	return seg == CS || seg == TR || !(rights(s, seg) & VMX_AR_UNUSABLE_MASK);
}

/* ---- selectors ---- */

static bool selector_ti(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !counts(s, row->arg) || !(value & BIT(2));
}

static bool ss_rpl(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return s->v8086 || s->unrestricted ||
	       rpl(value) == rpl(entry_get(s, GUEST_CS_SELECTOR));
}

/* ---- bases and limits ---- */

static bool v8086_base(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !s->v8086 || value == (entry_get(s, SELECTOR(row->arg)) & 0xffff) << 4;
}

/* Those of TR, FS and GS count whatever is said of the segment. */
static bool ldtr_base(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !counts(s, LDTR) || entry_is_canonical(s->cpu, value);
}

/* In virtual-8086 mode there is a rule of its own. */
static bool base_high(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !counts(s, row->arg) || !(value & HIGH_HALF);
}

static bool v8086_limit(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !s->v8086 || value == 0xffff;
}

/* ---- access rights ---- */

/* Present, a segment, DPL 3, read/write, accessed. */
static bool v8086_rights(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !s->v8086 || value == 0xf3;
}

static bool cs_type(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	u32 types = BIT(9) | BIT(11) | BIT(13) | BIT(15);

	if (s->unrestricted)
		types |= BIT(3);
	return s->v8086 || types >> type(value) & 1;
}

static bool ss_type(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !counts(s, SS) || type(value) == 3 || type(value) == 7;
}

static bool accessed(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !counts(s, row->arg) || value & VMX_AR_TYPE_ACCESSES_MASK;
}

static bool readable(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !counts(s, row->arg) || !(value & VMX_AR_TYPE_CODE_MASK) ||
	       value & VMX_AR_TYPE_READABLE_MASK;
}

static bool is_segment(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !counts(s, row->arg) || value & VMX_AR_S_MASK;
}

static bool cs_dpl_data(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return s->v8086 || type(value) != 3 || VMX_AR_DPL(value) == 0;
}

static bool cs_dpl_other(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	if (s->v8086 || (type(value) != 9 && type(value) != 11))
		return true;
	return VMX_AR_DPL(value) == VMX_AR_DPL(rights(s, SS));
}

static bool cs_dpl_conforming(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	if (s->v8086 || (type(value) != 13 && type(value) != 15))
		return true;
	return VMX_AR_DPL(value) <= VMX_AR_DPL(rights(s, SS));
}

/* This one is the CPL, and so it counts in an unusable SS as well. */
static bool ss_dpl_rpl(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return s->v8086 || s->unrestricted ||
	       VMX_AR_DPL(value) == rpl(entry_get(s, GUEST_SS_SELECTOR));
}

static bool ss_dpl_real(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	if (s->v8086 || (type(rights(s, CS)) != 3 && entry_get(s, GUEST_CR0) & X86_CR0_PE))
		return true;
	return VMX_AR_DPL(value) == 0;
}

/* Of data and non-conforming code. */
static bool data_dpl(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	if (s->unrestricted || !counts(s, row->arg) || type(value) > 11)
		return true;
	return VMX_AR_DPL(value) >= rpl(entry_get(s, SELECTOR(row->arg)));
}

static bool present(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !counts(s, row->arg) || value & VMX_AR_P_MASK;
}

static bool reserved_low(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !counts(s, row->arg) || !(value & GENMASK(11, 8));
}

static bool cs_size(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return s->v8086 || !s->ia32e || !(value & VMX_AR_L_MASK) || !(value & VMX_AR_DB_MASK);
}

static bool granular(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !counts(s, row->arg) || !(value & VMX_AR_G_MASK) ||
	       (entry_get(s, LIMIT(row->arg)) & 0xfff) == 0xfff;
}

static bool not_granular(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !counts(s, row->arg) || value & VMX_AR_G_MASK ||
	       !(entry_get(s, LIMIT(row->arg)) & GENMASK(31, 20));
}

static bool reserved_high(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !counts(s, row->arg) || !(value & GENMASK_ULL(63, 17));
}

static bool tr_type(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return type(value) == VMX_AR_TYPE_BUSY_32_TSS ||
	       (!s->ia32e && type(value) == VMX_AR_TYPE_BUSY_16_TSS);
}

static bool ldtr_type(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !counts(s, LDTR) || type(value) == VMX_AR_TYPE_LDT;
}

static bool is_system(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !counts(s, row->arg) || !(value & VMX_AR_S_MASK);
}

static bool usable(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & VMX_AR_UNUSABLE_MASK);
}

/* Rows: first the field, then what is asked of it, in the words of the SDM. */

#define ROW(n, f, seg, t, h) \
	{ .rule = { .name = "guest." n, .text = t, .sdm = "26.3.1.2", .class = ENTRY_GUEST }, \
	  .field = f(seg), .arg = seg, .holds = h }

#define TI(n, seg)		ROW(n ".selector.ti", SELECTOR, seg, "TI is 0", selector_ti)
#define V8086_BASE(n, seg) \
	ROW(n ".base.v8086", BASE, seg, \
	    "in virtual-8086 mode the base is 16 times the selector", v8086_base)
#define CANONICAL(n, seg, h)	ROW(n ".base", BASE, seg, "the base is canonical", h)
#define HIGH_ZERO(n, seg)	ROW(n ".base", BASE, seg, "bits 63:32 of the base are 0", base_high)
#define V8086_LIMIT(n, seg) \
	ROW(n ".limit.v8086", LIMIT, seg, "in virtual-8086 mode the limit is ffff", v8086_limit)
#define V8086_RIGHTS(n, seg) \
	ROW(n ".rights.v8086", RIGHTS, seg, \
	    "in virtual-8086 mode the access rights are f3", v8086_rights)
#define ACCESSED(n, seg)	ROW(n ".type.accessed", RIGHTS, seg, "it is accessed", accessed)
#define READABLE(n, seg) \
	ROW(n ".type.readable", RIGHTS, seg, "if it is code it is readable", readable)
#define IS_SEGMENT(n, seg)	ROW(n ".s", RIGHTS, seg, "it is code or data: S is 1", is_segment)
#define IS_SYSTEM(n, seg)	ROW(n ".s", RIGHTS, seg, "it is of the system: S is 0", is_system)
#define DATA_DPL(n, seg) \
	ROW(n ".dpl", RIGHTS, seg, \
	    "DPL is not below RPL, unless the guest is unrestricted or this conforming code", \
	    data_dpl)
#define PRESENT(n, seg)		ROW(n ".p", RIGHTS, seg, "it is present: P is 1", present)
#define RESERVED_LOW(n, seg)	ROW(n ".reserved_low", RIGHTS, seg, "bits 11:8 are 0", reserved_low)
#define G_CLEAR(n, seg) \
	ROW(n ".g.clear", RIGHTS, seg, "G is 0 if one of the limit's bits 11:0 is 0", granular)
#define G_SET(n, seg) \
	ROW(n ".g.set", RIGHTS, seg, "G is 1 if one of the limit's bits 31:20 is 1", not_granular)
#define RESERVED_HIGH(n, seg) \
	ROW(n ".reserved_high", RIGHTS, seg, "bits 31:17 are 0", reserved_high)

static const struct entry_row rows[] = {
	TI("tr", TR), TI("ldtr", LDTR),
	ROW("ss.selector.rpl", SELECTOR, SS,
	    "RPL is that of CS, unless the guest is unrestricted", ss_rpl),

	V8086_BASE("cs", CS), V8086_BASE("ss", SS), V8086_BASE("ds", DS),
	V8086_BASE("es", ES), V8086_BASE("fs", FS), V8086_BASE("gs", GS),
	CANONICAL("tr", TR, entry_canonical), CANONICAL("fs", FS, entry_canonical),
	CANONICAL("gs", GS, entry_canonical), CANONICAL("ldtr", LDTR, ldtr_base),
	HIGH_ZERO("cs", CS), HIGH_ZERO("ss", SS), HIGH_ZERO("ds", DS), HIGH_ZERO("es", ES),

	V8086_LIMIT("cs", CS), V8086_LIMIT("ss", SS), V8086_LIMIT("ds", DS),
	V8086_LIMIT("es", ES), V8086_LIMIT("fs", FS), V8086_LIMIT("gs", GS),

	/* ---- access rights of CS, SS, DS, ES, FS and GS ---- */
	V8086_RIGHTS("cs", CS), V8086_RIGHTS("ss", SS), V8086_RIGHTS("ds", DS),
	V8086_RIGHTS("es", ES), V8086_RIGHTS("fs", FS), V8086_RIGHTS("gs", GS),
	ROW("cs.type", RIGHTS, CS,
	    "the type is 9, 11, 13 or 15: accessed code; or 3 in an unrestricted guest", cs_type),
	ROW("ss.type", RIGHTS, SS, "the type is 3 or 7: accessed data to write", ss_type),
	ACCESSED("ds", DS), READABLE("ds", DS), ACCESSED("es", ES), READABLE("es", ES),
	ACCESSED("fs", FS), READABLE("fs", FS), ACCESSED("gs", GS), READABLE("gs", GS),
	IS_SEGMENT("cs", CS), IS_SEGMENT("ss", SS), IS_SEGMENT("ds", DS),
	IS_SEGMENT("es", ES), IS_SEGMENT("fs", FS), IS_SEGMENT("gs", GS),
	ROW("cs.dpl.data", RIGHTS, CS, "DPL is 0 if the type is 3", cs_dpl_data),
	ROW("cs.dpl.nonconforming", RIGHTS, CS,
	    "DPL is that of SS if this is non-conforming code", cs_dpl_other),
	ROW("cs.dpl.conforming", RIGHTS, CS,
	    "DPL is not above that of SS if this is conforming code", cs_dpl_conforming),
	ROW("ss.dpl.rpl", RIGHTS, SS, "DPL is RPL, unless the guest is unrestricted", ss_dpl_rpl),
	ROW("ss.dpl.real", RIGHTS, SS, "DPL is 0 if CR0.PE is 0 or CS has type 3", ss_dpl_real),
	DATA_DPL("ds", DS), DATA_DPL("es", ES), DATA_DPL("fs", FS), DATA_DPL("gs", GS),
	PRESENT("cs", CS), PRESENT("ss", SS), PRESENT("ds", DS),
	PRESENT("es", ES), PRESENT("fs", FS), PRESENT("gs", GS),
	RESERVED_LOW("cs", CS), RESERVED_LOW("ss", SS), RESERVED_LOW("ds", DS),
	RESERVED_LOW("es", ES), RESERVED_LOW("fs", FS), RESERVED_LOW("gs", GS),
	ROW("cs.d", RIGHTS, CS, "D is 0 in 64-bit code", cs_size),
	G_CLEAR("cs", CS), G_CLEAR("ss", SS), G_CLEAR("ds", DS),
	G_CLEAR("es", ES), G_CLEAR("fs", FS), G_CLEAR("gs", GS),
	G_SET("cs", CS), G_SET("ss", SS), G_SET("ds", DS),
	G_SET("es", ES), G_SET("fs", FS), G_SET("gs", GS),
	RESERVED_HIGH("cs", CS), RESERVED_HIGH("ss", SS), RESERVED_HIGH("ds", DS),
	RESERVED_HIGH("es", ES), RESERVED_HIGH("fs", FS), RESERVED_HIGH("gs", GS),

	/* ---- of TR ---- */
	ROW("tr.type", RIGHTS, TR, "the type is 11, or 3 in a guest out of IA-32e mode: busy TSS",
	    tr_type),
	IS_SYSTEM("tr", TR), PRESENT("tr", TR), RESERVED_LOW("tr", TR),
	G_CLEAR("tr", TR), G_SET("tr", TR),
	ROW("tr.unusable", RIGHTS, TR, "it is usable", usable),
	RESERVED_HIGH("tr", TR),

	/* ---- of LDTR ---- */
	ROW("ldtr.type", RIGHTS, LDTR, "the type is 2: LDT", ldtr_type),
	IS_SYSTEM("ldtr", LDTR), PRESENT("ldtr", LDTR), RESERVED_LOW("ldtr", LDTR),
	G_CLEAR("ldtr", LDTR), G_SET("ldtr", LDTR), RESERVED_HIGH("ldtr", LDTR),
};

const struct entry_table entry_segments = { rows, ARRAY_SIZE(rows) };
