// SPDX-License-Identifier: GPL-2.0
/*
 * cases.c - random instructions out of the emulator's tables: prefixes in any
 * order, every addressing form, and registers set such that the operand mostly
 * lies in the window of memory, sometimes on its borders or far away.
 */
#include <stdio.h>

#include "unit.h"

const struct pattern patterns[] = {
	{ 0, 0x00, 7, 8, -1, P_RM | P_BYTE | P_LOCK },
	{ 0, 0x01, 7, 8, -1, P_RM | P_LOCK },
	{ 0, 0x02, 8, 8, -1, P_RM | P_BYTE },
	{ 0, 0x03, 8, 8, -1, P_RM },
	{ 0, 0x38, 1, 1, -1, P_RM | P_BYTE },
	{ 0, 0x39, 1, 1, -1, P_RM },
	{ 0, 0x50, 8, 1, -1, P_OPREG | P_STACK | P_D64 },
	{ 0, 0x58, 8, 1, -1, P_OPREG | P_STACK | P_D64 },
	{ 0, 0x63, 1, 1, -1, P_RM | P_ONLY64 | P_NO66 },
	{ 0, 0x68, 1, 1, -1, P_IMMZ | P_STACK | P_D64 },
	{ 0, 0x69, 1, 1, -1, P_RM | P_IMMZ | P_MUL },
	{ 0, 0x6a, 1, 1, -1, P_IMM8 | P_STACK | P_D64 },
	{ 0, 0x6b, 1, 1, -1, P_RM | P_IMM8 | P_MUL },
	{ 0, 0x80, 1, 1, -1, P_RM | P_BYTE | P_IMM8 | P_LOCK },
	{ 0, 0x81, 1, 1, -1, P_RM | P_IMMZ | P_LOCK },
	{ 0, 0x83, 1, 1, -1, P_RM | P_IMM8 | P_LOCK },
	{ 0, 0x84, 1, 1, -1, P_RM | P_BYTE | P_NOAF },
	{ 0, 0x85, 1, 1, -1, P_RM | P_NOAF },
	{ 0, 0x86, 1, 1, -1, P_RM | P_BYTE | P_LOCK },
	{ 0, 0x87, 1, 1, -1, P_RM | P_LOCK },
	{ 0, 0x88, 1, 1, -1, P_RM | P_BYTE },
	{ 0, 0x89, 1, 1, -1, P_RM },
	{ 0, 0x8a, 1, 1, -1, P_RM | P_BYTE },
	{ 0, 0x8b, 1, 1, -1, P_RM },
	{ 0, 0x8f, 1, 1, 0, P_RM | P_STACK | P_D64 },
	{ 0, 0xa0, 1, 1, -1, P_MOFFS | P_BYTE },
	{ 0, 0xa1, 1, 1, -1, P_MOFFS },
	{ 0, 0xa2, 1, 1, -1, P_MOFFS | P_BYTE },
	{ 0, 0xa3, 1, 1, -1, P_MOFFS },
	{ 0, 0xa4, 1, 1, -1, P_STRING | P_BYTE },
	{ 0, 0xa5, 1, 1, -1, P_STRING },
	{ 0, 0xa6, 1, 1, -1, P_STRING | P_BYTE },
	{ 0, 0xa7, 1, 1, -1, P_STRING },
	{ 0, 0xaa, 1, 1, -1, P_STRING | P_BYTE },
	{ 0, 0xab, 1, 1, -1, P_STRING },
	{ 0, 0xac, 1, 1, -1, P_STRING | P_BYTE },
	{ 0, 0xad, 1, 1, -1, P_STRING },
	{ 0, 0xae, 1, 1, -1, P_STRING | P_BYTE },
	{ 0, 0xaf, 1, 1, -1, P_STRING },
	{ 0, 0xc0, 1, 1, -1, P_RM | P_BYTE | P_IMM8 | P_SHIFT },
	{ 0, 0xc1, 1, 1, -1, P_RM | P_IMM8 | P_SHIFT },
	{ 0, 0xc6, 1, 1, 0, P_RM | P_BYTE | P_IMM8 },
	{ 0, 0xc7, 1, 1, 0, P_RM | P_IMMZ },
	{ 0, 0xd0, 2, 2, -1, P_RM | P_BYTE | P_SHIFT },
	{ 0, 0xd1, 2, 2, -1, P_RM | P_SHIFT },
	{ 0, 0xd7, 1, 1, -1, P_BYTE | P_XLAT },
	{ 0, 0xf6, 1, 1, 4, P_RM | P_BYTE | P_MUL },
	{ 0, 0xf6, 1, 1, 5, P_RM | P_BYTE | P_MUL },
	{ 0, 0xf6, 1, 1, 6, P_RM | P_BYTE | P_DIV },
	{ 0, 0xf6, 1, 1, 7, P_RM | P_BYTE | P_DIV },
	{ 0, 0xf7, 1, 1, 4, P_RM | P_MUL },
	{ 0, 0xf7, 1, 1, 5, P_RM | P_MUL },
	{ 0, 0xf7, 1, 1, 6, P_RM | P_DIV },
	{ 0, 0xf7, 1, 1, 7, P_RM | P_DIV },
	{ 0, 0xf6, 1, 1, 0, P_RM | P_BYTE | P_IMM8 | P_NOAF },
	{ 0, 0xf6, 1, 1, 1, P_RM | P_BYTE | P_IMM8 | P_NOAF },
	{ 0, 0xf6, 1, 1, 2, P_RM | P_BYTE | P_LOCK },
	{ 0, 0xf6, 1, 1, 3, P_RM | P_BYTE | P_LOCK },
	{ 0, 0xf7, 1, 1, 0, P_RM | P_IMMZ | P_NOAF },
	{ 0, 0xf7, 1, 1, 1, P_RM | P_IMMZ | P_NOAF },
	{ 0, 0xf7, 1, 1, 2, P_RM | P_LOCK },
	{ 0, 0xf7, 1, 1, 3, P_RM | P_LOCK },
	{ 0, 0xfe, 1, 1, 0, P_RM | P_BYTE | P_LOCK },
	{ 0, 0xfe, 1, 1, 1, P_RM | P_BYTE | P_LOCK },
	{ 0, 0xff, 1, 1, 0, P_RM | P_LOCK },
	{ 0, 0xff, 1, 1, 1, P_RM | P_LOCK },
	{ 0, 0xff, 1, 1, 2, P_RM | P_STACK | P_BRANCH | P_D64 },
	{ 0, 0xff, 1, 1, 4, P_RM | P_BRANCH | P_D64 },
	{ 0, 0xff, 1, 1, 6, P_RM | P_STACK | P_D64 },
	{ 1, 0x0d, 1, 1, -1, P_RM | P_MEM },
	{ 1, 0x10, 4, 1, -1, P_RM | P_MEM | P_VECTOR },
	{ 1, 0x16, 2, 1, -1, P_RM | P_MEM | P_VECTOR },
	{ 1, 0x18, 1, 1, -1, P_RM },
	{ 1, 0x1f, 1, 1, -1, P_RM },
	{ 1, 0x28, 1, 1, -1, P_RM | P_MEM | P_VECTOR },
	{ 1, 0x29, 1, 1, -1, P_RM | P_MEM | P_VECTOR },
	{ 1, 0x2b, 1, 1, -1, P_RM | P_MEM | P_VECTOR },
	{ 1, 0x40, 16, 1, -1, P_RM },
	{ 1, 0x6e, 2, 1, -1, P_RM | P_MEM | P_VECTOR },
	{ 1, 0x7e, 2, 1, -1, P_RM | P_MEM | P_VECTOR },
	{ 1, 0x90, 16, 1, -1, P_RM | P_BYTE },
	{ 1, 0xa3, 1, 1, -1, P_RM | P_BITS | P_ONLYCF },
	{ 1, 0xa4, 2, 8, -1, P_RM | P_IMM8 | P_SHIFT },
	{ 1, 0xa5, 2, 8, -1, P_RM | P_SHIFT },
	{ 1, 0xaf, 1, 1, -1, P_RM | P_MUL },
	{ 1, 0xab, 3, 8, -1, P_RM | P_BITS | P_ONLYCF | P_LOCK },
	{ 1, 0xb0, 1, 1, -1, P_RM | P_BYTE | P_LOCK },
	{ 1, 0xb1, 1, 1, -1, P_RM | P_LOCK },
	{ 1, 0xb6, 2, 1, -1, P_RM },
	{ 1, 0xb8, 1, 1, -1, P_RM | P_F3 },
	{ 1, 0xbc, 2, 1, -1, P_RM },
	{ 1, 0xbc, 2, 1, -1, P_RM | P_F3 },
	{ 1, 0xba, 1, 1, 4, P_RM | P_IMM8 | P_ONLYCF },
	{ 1, 0xba, 1, 1, 5, P_RM | P_IMM8 | P_ONLYCF | P_LOCK },
	{ 1, 0xba, 1, 1, 6, P_RM | P_IMM8 | P_ONLYCF | P_LOCK },
	{ 1, 0xba, 1, 1, 7, P_RM | P_IMM8 | P_ONLYCF | P_LOCK },
	{ 1, 0xbe, 2, 1, -1, P_RM },
	{ 1, 0xc0, 1, 1, -1, P_RM | P_BYTE | P_LOCK },
	{ 1, 0xc1, 1, 1, -1, P_RM | P_LOCK },
	{ 1, 0xc3, 1, 1, -1, P_RM | P_MEM | P_NO66 },
	{ 1, 0xc7, 1, 1, 1, P_RM | P_MEM | P_LOCK | P_NOREXW | P_NO66 },
	{ 1, 0xc7, 1, 1, 1, P_RM | P_MEM | P_LOCK | P_REXW | P_NO66 | P_ONLY64 },
	{ 1, 0xd6, 1, 1, -1, P_RM | P_MEM | P_VECTOR },
	{ 1, 0xe7, 1, 1, -1, P_RM | P_MEM | P_VECTOR },
	{ 1, 0xf0, 1, 1, -1, P_RM | P_MEM | P_VECTOR },
	{ 2, 0x2a, 1, 1, -1, P_RM | P_MEM | P_VECTOR },
	{ 2, 0xf0, 2, 1, -1, P_RM | P_MEM | P_MOVBE },
	{ 2, 0xf9, 1, 1, -1, P_RM | P_MEM | P_NO66 | P_MOVDIRI },
};

const unsigned int nr_patterns = ARRAY_SIZE(patterns);

const struct pattern io_patterns[4] = {
	{ 0, 0x6c, 1, 1, -1, P_STRING | P_BYTE },
	{ 0, 0x6d, 1, 1, -1, P_STRING },
	{ 0, 0x6e, 1, 1, -1, P_STRING | P_BYTE },
	{ 0, 0x6f, 1, 1, -1, P_STRING },
};

u64 seed;
static u64 state;

u64 rnd(void)
{
	if (!state)
		state = (seed + 1) * 0x9e3779b97f4a7c15ull;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dull;
}

u32 below(u32 n)
{
	return (rnd() >> 32) * n >> 32;
}

u64 rnd_value(void)
{
	u64 r = rnd();

	switch (below(10)) {
	case 0:
		return 0;
	case 1:
		return ~0ull;
	case 2:
		return 1ull << (r & 63);
	case 3:
		return (1ull << (r & 63)) - 1;
	case 4:
		return r & 0xff;
	case 5:
		return -(r & 0xff);
	case 6:
		return (r & ~0xffffffffull) | 0x80000000u;
	}
	return r;
}

static u64 low_mask(unsigned int bytes)
{
	return bytes >= 8 ? ~0ull : (1ull << 8 * bytes) - 1;
}

/* What the code under construction knows of itself. */
struct builder {
	struct world *w;
	unsigned int len;
	u8 rex, lock;
	bool p66, p67;
	int seg_override;
	u32 flags;
	int mod, reg, rm, base, index, scale;
	unsigned int disp_at, disp_len, imm_len;
	bool rip_relative;
	u64 wanted;		/* linear address of the memory operand */
};

static void emit(struct builder *b, u64 value, unsigned int n)
{
	while (n--) {
		b->w->code[b->len++] = value;
		value >>= 8;
	}
}

static bool has_mem(const struct builder *b)
{
	return ((b->flags & P_RM) && b->mod != 3) || (b->flags & P_MOFFS);
}

/* FS belongs to the C library: natively it must stay what it is. */
static void choose_prefixes(struct builder *b)
{
	static const u8 seg_prefix[] = { 0x26, 0x2e, 0x36, 0x3e, 0x65 };
	static const u8 seg_of[] = { EMU_ES, EMU_CS, EMU_SS, EMU_DS, EMU_GS };
	struct world *w = b->w;
	unsigned int n = below(3), i, s;
	u8 p;

	b->seg_override = -1;
	for (i = 0; i < n; i++) {
		switch (below(3)) {
		case 0:
			if ((b->flags & (P_NO66 | P_VECTOR)) ||
			    ((b->flags & P_BRANCH) && w->mode != 16))
				continue;
			p = 0x66;
			b->p66 = true;
			break;
		case 1:
			p = 0x67;
			b->p67 = true;
			break;
		default:
			s = below(5);
			p = seg_prefix[s];
			/* the old four are nothing in 64-bit mode */
			if (w->mode != 64 || seg_of[s] == EMU_GS)
				b->seg_override = seg_of[s];
		}
		emit(b, p, 1);
	}
	if (w->mode == 64)
		w->addr_bytes = b->p67 ? 4 : 8;
	else
		w->addr_bytes = (w->mode == 32) != b->p67 ? 4 : 2;
}

static void choose_rep(struct builder *b)
{
	struct world *w = b->w;
	bool any = b->flags & P_STRING;
	/* elsewhere only where no CPU reads it as a hint for transactions */
	bool hint = w->pattern->map == 0 && !(b->flags & P_LOCK) && !below(16);

	if ((any && below(2)) || hint) {
		if (!below(8))
			emit(b, below(2) ? 0xf2 : 0xf3, 1);
		w->prefix_rep = below(2) ? 0xf2 : 0xf3;
		emit(b, w->prefix_rep, 1);
		if (!any)
			w->prefix_rep = 0;
	}
}

static void choose_modrm(struct builder *b)
{
	struct world *w = b->w;
	const struct pattern *p = w->pattern;

	b->mod = 3;
	if (!(b->flags & P_RM))
		return;
	b->mod = below(4);
	if (b->mod == 3 && ((b->flags & P_MEM) || below(3)))
		b->mod = below(3);
	b->reg = p->ext >= 0 ? p->ext : (int)below(8);
	b->rm = below(8);
	w->modrm = b->mod << 6 | b->reg << 3 | b->rm;
	/* of the first group, and only there, the reg field decides on LOCK */
	if (p->map == 0 && p->opcode >= 0x80 && p->opcode <= 0x83 && b->reg == 7)
		b->flags &= ~(u32)P_LOCK;
}

static void choose_rex(struct builder *b)
{
	if (b->w->mode != 64 || (below(5) < 2 && !(b->flags & P_REXW)))
		return;
	b->rex = 0x40 | below(16) | ((b->flags & P_REXW) ? 8 : 0);
	if (b->flags & P_NOREXW)
		b->rex &= ~8;
}

static void choose_bytes(struct builder *b)
{
	struct world *w = b->w;

	if (b->flags & P_BYTE)
		w->bytes = 1;
	else if (w->mode == 64 && (b->rex & 8))
		w->bytes = 8;
	else if (w->mode == 64)
		w->bytes = b->p66 ? 2 : (b->flags & P_D64) ? 8 : 4;
	else
		w->bytes = (w->mode == 32) != b->p66 ? 4 : 2;
}

/* Which of none, 66, F3 and F2 makes a vector move of the opcode, as in VEX. */
static u8 choose_selector(const struct builder *b)
{
	switch (b->w->opcode) {
	case 0x10: case 0x11:
		return below(4);
	case 0x6f: case 0x7e: case 0x7f:
		return 1 + below(2);
	case 0x2a: case 0x6e: case 0xd6: case 0xe7:
		return 1;
	case 0xf0:
		return 3;
	default:
		return below(2);
	}
}

/* The emulator has by VEX what moves whole registers. */
static bool can_be_vex(const struct builder *b, u8 selector)
{
	switch (b->w->opcode) {
	case 0x10: case 0x11:
		return selector < 2;
	case 0x12: case 0x13: case 0x16: case 0x17: case 0x6e: case 0x7e: case 0xd6:
		return false;
	default:
		/* 32 bytes of VMOVNTDQA came later */
		return b->w->pattern->map == 1 || __builtin_cpu_supports("avx2");
	}
}

static void emit_vex(struct builder *b, u8 selector)
{
	struct world *w = b->w;
	u8 last = 0x78 | (below(2) << 2) | selector;

	w->has_vex = true;
	b->rex = w->mode == 64 ? below(8) : 0;
	if (!(b->rex & 3) && w->pattern->map == 1 && below(2)) {
		emit(b, 0xc5, 1);
		emit(b, ((b->rex & 4) ? 0 : 0x80) | last, 1);
	} else {
		emit(b, 0xc4, 1);
		/* outside 64-bit mode the B bit is nothing */
		emit(b, ((~b->rex & 7) << 5 | w->pattern->map) ^
		     (w->mode != 64 && below(2) ? 0x20 : 0), 1);
		emit(b, last | (below(2) << 7), 1);
	}
	emit(b, w->opcode, 1);
}

static void emit_opcode(struct builder *b)
{
	struct world *w = b->w;
	static const u8 prefix[] = { 0, 0x66, 0xf3, 0xf2 };
	u8 selector;

	if (b->flags & P_VECTOR) {
		selector = choose_selector(b);
		if (w->avx && can_be_vex(b, selector) && below(2)) {
			emit_vex(b, selector);
			return;
		}
		/* F2 and F3 win over 66 */
		if (selector > 1 && !below(4))
			emit(b, 0x66, 1);
		if (selector)
			emit(b, prefix[selector], 1);
	}
	if (b->flags & P_F3)
		emit(b, 0xf3, 1);
	if (b->rex)
		emit(b, b->rex, 1);
	if (w->pattern->map)
		emit(b, 0x0f, 1);
	if (w->pattern->map == 2)
		emit(b, 0x38, 1);
	emit(b, w->opcode, 1);
}

static int rex_b(const struct builder *b)
{
	return (b->rex & 1) ? 8 : 0;
}

static void choose_form16(struct builder *b)
{
	static const s8 base[8] = { RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX };
	static const s8 index[8] = { RSI, RDI, RSI, RDI, -1, -1, -1, -1 };

	b->base = base[b->rm];
	b->index = index[b->rm];
	b->disp_len = b->mod;
	if (!b->mod && b->rm == 6) {
		b->base = -1;
		b->disp_len = 2;
	}
}

static void choose_form(struct builder *b)
{
	u8 sib;

	b->base = b->rm | rex_b(b);
	b->disp_len = b->mod == 2 ? 4 : b->mod;
	if (b->rm == 4) {
		sib = rnd();
		emit(b, sib, 1);
		b->base = (sib & 7) | rex_b(b);
		b->index = ((sib >> 3) & 7) | ((b->rex & 2) ? 8 : 0);
		b->scale = sib >> 6;
		if (b->index == RSP)
			b->index = -1;
	}
	if (!b->mod && (b->rm == 4 ? (b->base & 7) : b->rm) == 5) {
		b->rip_relative = b->rm == 5 && b->w->mode == 64;
		b->base = -1;
		b->disp_len = 4;
	}
}

static void emit_modrm(struct builder *b)
{
	struct world *w = b->w;

	b->base = -1;
	b->index = -1;
	emit(b, w->modrm, 1);
	if (b->mod == 3)
		return;
	if (w->addr_bytes == 2)
		choose_form16(b);
	else
		choose_form(b);
	b->disp_at = b->len;
	emit(b, rnd(), b->disp_len);
}

static int segment_of(const struct builder *b)
{
	if (b->seg_override >= 0)
		return b->seg_override;
	return b->base == RSP || b->base == RBP ? EMU_SS : EMU_DS;
}

static u64 segment_base(const struct world *w, int seg)
{
	return w->mode != 64 || seg >= EMU_FS ? w->seg[seg].base : 0;
}

/* Mostly in the window; at its borders; in no page at all; not canonical. */
static u64 choose_linear(const struct world *w)
{
	switch (below(32)) {
	case 0:
		return w->window + WINDOW_WRITABLE * PAGE - below(20);
	case 1:
		return w->window + WINDOW_PRESENT * PAGE - below(20);
	case 2:
		return w->window + below(WINDOW_PAGES * PAGE);
	case 3:
		return w->window - below(20);
	case 4:
		if (w->mode == 64)
			return (below(2) ? 0x800000000000 : 0xffff800000000000) - below(2) -
			       (below(4) ? 0x100 : 0);
		break;
	case 5: case 6: case 7:
		return w->window + PAGE - below(20);
	}
	/* aligned ones for the vectors that want it */
	return w->window + (below((WINDOW_WRITABLE * PAGE - 600) / 32) + 9) * 32 +
	       (below(2) ? below(32) : 0);
}

/* Far from any border, whatever a string instruction may walk. */
static u64 safe_linear(const struct world *w)
{
	return w->window + PAGE / 4 + below(PAGE / 2) + (below(2) ? 0 : PAGE / 2);
}

static void set_low(u64 *reg, u64 value, unsigned int bytes)
{
	*reg = (*reg & ~low_mask(bytes)) | (value & low_mask(bytes));
}

static u64 read_disp(const struct builder *b)
{
	u64 v = 0;
	unsigned int i;

	for (i = 0; i < b->disp_len; i++)
		v |= (u64)b->w->code[b->disp_at + i] << (8 * i);
	if (b->disp_len && b->disp_len < 8 && (v >> (8 * b->disp_len - 1)))
		v |= ~low_mask(b->disp_len);
	return v;
}

static void write_disp(struct builder *b, u64 v)
{
	memcpy(b->w->code + b->disp_at, &v, b->disp_len);
}

/* Make the operand's address the wanted one, if the form allows it. */
static void aim(struct builder *b)
{
	struct world *w = b->w;
	u64 offset = b->wanted - segment_base(w, segment_of(b)), ea;

	if (b->flags & P_MOFFS) {
		write_disp(b, offset);
		return;
	}
	/* what is left for the displacement must fit in it */
	if (b->base < 0 && b->index >= 0 && w->addr_bytes == 8)
		w->gpr[b->index] = below(1 << 20);
	ea = read_disp(b);
	if (b->index >= 0)
		ea += w->gpr[b->index] << b->scale;
	if (b->rip_relative)
		ea += w->rip + b->len + b->imm_len;
	if (b->base >= 0)
		ea += w->gpr[b->base];
	if (b->base >= 0 && b->base != b->index &&
	    !((b->flags & P_STACK) && b->base == RSP))
		set_low(&w->gpr[b->base], w->gpr[b->base] + offset - ea, w->addr_bytes);
	else if (b->disp_len >= 2)
		write_disp(b, read_disp(b) + offset - ea);
}

/* The bytes of the operand, where they lie in the window. */
static u8 *operand(struct builder *b, unsigned int len)
{
	u64 at = b->wanted - b->w->window;

	return at < WINDOW_WRITABLE * PAGE - len ? b->w->memory + at : NULL;
}

/* A dividend that mostly fits, and now and then is just too large. */
static void prepare_division(struct builder *b)
{
	struct world *w = b->w;
	u64 high = (b->reg & 1) ? -(u64)below(2) : 0;

	if (!below(4))
		high += below(300);
	if (w->bytes == 1)
		set_low(&w->gpr[RAX], high << 8 | (w->gpr[RAX] & 0xff), 2);
	else if ((has_mem(b) ? b->base != RDX && b->index != RDX : (b->rm | rex_b(b)) != RDX))
		set_low(&w->gpr[RDX], high, w->bytes);
}

static void prepare_pair(struct builder *b, u8 *m)
{
	struct world *w = b->w;
	unsigned int half = w->bytes == 8 ? 8 : 4;

	if (below(2))
		return;
	memcpy(m, &w->gpr[RAX], half);
	memcpy(m + half, &w->gpr[RDX], half);
}

/* What makes the interesting outcome likely. */
static void prepare_operands(struct builder *b)
{
	struct world *w = b->w;
	int rm = b->rm | rex_b(b), reg = b->reg | ((b->rex & 4) ? 8 : 0);
	u8 *m = has_mem(b) ? operand(b, 16) : NULL;
	u64 v;

	if (m && !below(2)) {
		v = rnd_value();
		memcpy(m, &v, 8);
	}
	if ((b->flags & P_BITS) && has_mem(b) && reg != b->base && reg != b->index)
		set_low(&w->gpr[reg], (u64)below(2000) - 1000, w->bytes);
	if (w->pattern->map == 1 && (w->opcode & 0xfe) == 0xb0 && m && below(2))
		memcpy(m, &w->gpr[RAX], w->bytes);
	if (w->pattern->map == 1 && w->opcode == 0xc7 && m)
		prepare_pair(b, m);
	if (b->flags & P_DIV)
		prepare_division(b);
	if (b->flags & P_XLAT)
		set_low(&w->gpr[RBX], b->wanted - segment_base(w, segment_of(b)) -
			(u8)w->gpr[RAX], w->addr_bytes);
	if (!(b->flags & P_BRANCH))
		return;
	if (m)
		memcpy(m, &w->target, 8);
	else if (!has_mem(b))
		w->gpr[rm] = w->target;
}

static void prepare_string(struct builder *b)
{
	struct world *w = b->w;
	int src_seg = b->seg_override >= 0 ? b->seg_override : EMU_DS;
	/* of two bad addresses, either may be reported: one is good */
	bool odd = below(2);
	u64 from = odd ? choose_linear(w) : safe_linear(w);
	u64 to = odd ? safe_linear(w) : choose_linear(w);
	u8 *f, *t;

	if (w->prefix_rep)
		set_low(&w->gpr[RCX], below(4) ? below(20) : below(4), w->addr_bytes);
	set_low(&w->gpr[RSI], from - segment_base(w, src_seg), w->addr_bytes);
	set_low(&w->gpr[RDI], to - segment_base(w, EMU_ES), w->addr_bytes);
	if ((w->opcode | 1) != 0xa7 && (w->opcode | 1) != 0xaf)
		return;
	/* comparisons: long runs of equal or of different elements */
	if (from - w->window < 200 || from - w->window >= WINDOW_WRITABLE * PAGE - 200 ||
	    to - w->window < 200 || to - w->window >= WINDOW_WRITABLE * PAGE - 200)
		return;
	f = w->memory + (from - w->window);
	t = w->memory + (to - w->window);
	w->gpr[RAX] = 0x0101010101010101ull * below(256);
	memset(f - 160, w->gpr[RAX] + below(2), 320);
	memset(t - 160, w->gpr[RAX], 320);
	t[(int)below(160) - 80] ^= below(2);
}

static unsigned int immediate_len(const struct world *w)
{
	if (w->pattern->flags & P_IMM8)
		return 1;
	if (!(w->pattern->flags & P_IMMZ))
		return 0;
	return w->bytes == 8 ? 4 : w->bytes;
}

/* Registers, flags and vectors; later some of the registers get a meaning. */
static void random_state(struct world *w)
{
	unsigned int i;
	u64 v;

	for (i = 0; i < 16; i++)
		w->gpr[i] = rnd_value();
	w->rflags = (rnd() & 0xcd5) | X86_EFLAGS_IF | 2 | (below(2) ? X86_EFLAGS_ID : 0) |
		    (below(8) ? 0 : X86_EFLAGS_AC);
	for (i = 0; i < 8 && (w->pattern->flags & P_VECTOR); i++) {
		v = rnd();
		memcpy(w->vector[below(16)] + 8 * below(4), &v, 8);
	}
}

static void emit_all_prefixes(struct builder *b)
{
	struct world *w = b->w;

	/* a REX before another prefix is nothing; DS is nothing in 64-bit mode */
	if (w->mode == 64 && !(b->flags & P_VECTOR) && !below(20))
		emit(b, 0x3e00 | 0x40 | below(16), 2);
	choose_prefixes(b);
	choose_rep(b);
	choose_modrm(b);
	choose_rex(b);
	choose_bytes(b);
	if ((b->flags & P_LOCK) && has_mem(b) && !below(3))
		emit(b, 0xf0, 1);
}

void make_case(struct world *w, const struct pattern *p)
{
	struct builder b = { .w = w, .flags = p->flags, .base = -1, .index = -1 };
	/* of two bad addresses, either may be reported: one is good */
	bool odd = below(2);
	u64 stack, imm = rnd_value();

	w->pattern = p;
	w->opcode = p->opcode + below(p->count) * p->step;
	w->prefix_rep = 0;
	w->has_vex = false;
	w->modrm = 0;
	random_state(w);
	emit_all_prefixes(&b);
	emit_opcode(&b);
	b.wanted = odd || !(b.flags & P_STACK) ? choose_linear(w) : safe_linear(w);
	stack = odd && has_mem(&b) ? safe_linear(w) : choose_linear(w);
	b.imm_len = immediate_len(w);
	if (b.flags & P_RM)
		emit_modrm(&b);
	if (b.flags & P_MOFFS) {
		b.disp_len = w->addr_bytes;
		b.disp_at = b.len;
		emit(&b, 0, b.disp_len);
	}
	if (b.flags & P_STACK)
		set_low(&w->gpr[RSP], stack - segment_base(w, EMU_SS), w->mode == 64 ? 8 : 4);
	if (has_mem(&b))
		aim(&b);
	/* of 16 bits, more of these leaves an undefined result */
	if ((b.flags & P_SHIFT) && p->map == 1 && w->bytes == 2) {
		w->gpr[RCX] &= ~16ull;
		imm &= ~16ull;
	}
	emit(&b, imm, b.imm_len);
	prepare_operands(&b);
	if (b.flags & P_STRING)
		prepare_string(&b);
	w->code_len = b.len;
}

void load_world(struct emu_ctx *ctx, const struct world *w, const struct emu_ops *ops,
		void *opaque)
{
	memset(ctx, 0, offsetof(struct emu_ctx, io));
	memcpy(ctx->gpr, w->gpr, sizeof(ctx->gpr));
	memcpy(ctx->seg, w->seg, sizeof(ctx->seg));
	ctx->rip = w->rip;
	ctx->rflags = w->rflags;
	ctx->cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_AM;
	ctx->cr4 = X86_CR4_OSFXSR | X86_CR4_OSXSAVE;
	ctx->has_tzcnt = __builtin_cpu_supports("bmi");
	ctx->has_lzcnt = __builtin_cpu_supports("lzcnt");
	ctx->efer = EFER_LMA;
	ctx->cpl = 3;
	ctx->ops = ops;
	ctx->opaque = opaque;
}

/* Without a count nothing changes; with one, rotates have CF and a little more. */
static u64 undefined_by_shift(const struct world *w)
{
	const struct pattern *p = w->pattern;
	unsigned int ext = (w->modrm >> 3) & 7, count;
	u64 flags = 0;

	count = (p->flags & P_IMM8) ? w->code[w->code_len - 1] :
		p->map == 0 && w->opcode < 0xd2 ? 1 : w->gpr[RCX];
	count &= w->bytes == 8 ? 63 : 31;
	if (!count)
		return 0;
	if (p->map == 1 || ext >= 4) {
		flags |= X86_EFLAGS_AF;
		if (count >= 8 * w->bytes)
			flags |= X86_EFLAGS_CF;
	}
	return flags | (count == 1 ? 0 : X86_EFLAGS_OF);
}

u64 undefined_flags(const struct world *w)
{
	const u64 all = 0x8d5, pf_af_sf = X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_SF;
	const struct pattern *p = w->pattern;
	int op = -1;

	if (p->flags & P_SHIFT)
		return undefined_by_shift(w);
	if (p->flags & P_MUL)
		return pf_af_sf | X86_EFLAGS_ZF;
	if (p->flags & P_DIV)
		return all;
	/* scans define ZF, and counts CF as well */
	if (p->map == 1 && (w->opcode & 0xfe) == 0xbc)
		return pf_af_sf | X86_EFLAGS_OF | ((p->flags & P_F3) ? 0 : X86_EFLAGS_CF);

	if (p->flags & P_ONLYCF)
		return X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_SF | X86_EFLAGS_OF;
	if (p->flags & P_NOAF)
		return X86_EFLAGS_AF;
	if (p->map == 0 && w->opcode < 0x40)
		op = w->opcode >> 3;
	else if (p->map == 0 && (w->opcode & 0xfc) == 0x80)
		op = (w->modrm >> 3) & 7;
	/* OR, AND and XOR */
	return op == 1 || op == 4 || op == 6 ? X86_EFLAGS_AF : 0;
}

void print_case(const struct world *w)
{
	unsigned int i;

	printf("#   %u-bit code:", w->mode);
	for (i = 0; i < w->code_len; i++)
		printf(" %02x", w->code[i]);
	printf("  at %#llx flags %#llx\n#  ", w->rip, w->rflags);
	for (i = 0; i < 16; i++)
		printf(" r%u=%llx", i, w->gpr[i]);
	printf("\n");
	for (i = 0; i < EMU_NR_SEGS && w->mode != 64; i++)
		printf("#   segment %u: base %#llx limit %#x rights %#x\n", i, w->seg[i].base,
		       w->seg[i].limit, w->seg[i].ar);
}
