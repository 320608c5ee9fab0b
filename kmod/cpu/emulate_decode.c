// SPDX-License-Identifier: GPL-2.0
/*
 * emulate_decode.c - the emulator's decoder: prefixes, one row of the opcode
 * tables, ModRM, addresses and immediates, out of at most 15 bytes that are read
 * once.  SDM vol. 2A, chapter 2 and appendix A.
 *
 * What is not in the tables is EMU_UNHANDLED: far transfers, system
 * instructions, x87, and arithmetic on vectors.
 */
#include "emulate_priv.h"

#define ALU_ROWS(base)							\
	[(base) + 0] = { emu_alu, MODRM | BYTE | LOCKS },		\
	[(base) + 1] = { emu_alu, MODRM | LOCKS },			\
	[(base) + 2] = { emu_alu, MODRM | BYTE },			\
	[(base) + 3] = { emu_alu, MODRM }

#define EIGHT(base, fn, flags)						\
	[(base) + 0] = { fn, flags }, [(base) + 1] = { fn, flags },	\
	[(base) + 2] = { fn, flags }, [(base) + 3] = { fn, flags },	\
	[(base) + 4] = { fn, flags }, [(base) + 5] = { fn, flags },	\
	[(base) + 6] = { fn, flags }, [(base) + 7] = { fn, flags }

static const struct emu_row one_byte[256] = {
	ALU_ROWS(0x00), ALU_ROWS(0x08), ALU_ROWS(0x10), ALU_ROWS(0x18),
	ALU_ROWS(0x20), ALU_ROWS(0x28), ALU_ROWS(0x30),
	/* CMP has no destination to lock */
	[0x38] = { emu_alu, MODRM | BYTE },
	[0x39] = { emu_alu, MODRM },
	[0x3a] = { emu_alu, MODRM | BYTE },
	[0x3b] = { emu_alu, MODRM },
	EIGHT(0x50, emu_push_rm, OPREG | D64),
	EIGHT(0x58, emu_pop_rm, OPREG | D64),
	[0x63] = { emu_movsxd, MODRM },
	[0x68] = { emu_push_imm, IMMZ | D64 },
	[0x69] = { emu_imul, MODRM | IMMZ },
	[0x6a] = { emu_push_imm, IMM8 | D64 },
	[0x6b] = { emu_imul, MODRM | IMM8 },
	[0x6c] = { emu_ins, STRING | BYTE | PORT },
	[0x6d] = { emu_ins, STRING | PORT },
	[0x6e] = { emu_outs, STRING | BYTE | PORT },
	[0x6f] = { emu_outs, STRING | PORT },
	[0x80] = { emu_group1, MODRM | BYTE | IMM8 | LOCKS },
	[0x81] = { emu_group1, MODRM | IMMZ | LOCKS },
	[0x83] = { emu_group1, MODRM | IMM8 | LOCKS },
	[0x84] = { emu_test, MODRM | BYTE },
	[0x85] = { emu_test, MODRM },
	[0x86] = { emu_xchg, MODRM | BYTE | LOCKS },
	[0x87] = { emu_xchg, MODRM | LOCKS },
	[0x88] = { emu_mov_to_rm, MODRM | BYTE },
	[0x89] = { emu_mov_to_rm, MODRM },
	[0x8a] = { emu_mov_to_reg, MODRM | BYTE },
	[0x8b] = { emu_mov_to_reg, MODRM },
	[0x8f] = { emu_pop_rm, MODRM | D64 | POPS },
	[0xa0] = { emu_mov_to_reg, MOFFS | BYTE },
	[0xa1] = { emu_mov_to_reg, MOFFS },
	[0xa2] = { emu_mov_to_rm, MOFFS | BYTE },
	[0xa3] = { emu_mov_to_rm, MOFFS },
	[0xa4] = { emu_movs, STRING | BYTE },
	[0xa5] = { emu_movs, STRING },
	[0xa6] = { emu_cmps, STRING | BYTE },
	[0xa7] = { emu_cmps, STRING },
	[0xaa] = { emu_stos, STRING | BYTE },
	[0xab] = { emu_stos, STRING },
	[0xac] = { emu_lods, STRING | BYTE },
	[0xad] = { emu_lods, STRING },
	[0xae] = { emu_scas, STRING | BYTE },
	[0xaf] = { emu_scas, STRING },
	[0xc0] = { emu_shift, MODRM | BYTE | IMM8 },
	[0xc1] = { emu_shift, MODRM | IMM8 },
	[0xc6] = { emu_mov_imm, MODRM | BYTE | IMM8 },
	[0xc7] = { emu_mov_imm, MODRM | IMMZ },
	[0xd0] = { emu_shift, MODRM | BYTE },
	[0xd1] = { emu_shift, MODRM },
	[0xd2] = { emu_shift, MODRM | BYTE },
	[0xd3] = { emu_shift, MODRM },
	[0xd7] = { emu_xlat, BYTE },
	[0xf6] = { emu_group3, MODRM | BYTE | LOCKS | IMM01 },
	[0xf7] = { emu_group3, MODRM | LOCKS | IMM01 },
	[0xfe] = { emu_group45, MODRM | BYTE | LOCKS },
	[0xff] = { emu_group45, MODRM | LOCKS },
};

#define VECTOR (MODRM | MEMONLY | SELECT66 | SELECTF)

static const struct emu_row two_byte[256] = {
	[0x0d] = { emu_nothing, MODRM | MEMONLY },
	[0x10] = { emu_vector_move, VECTOR | VEX },
	[0x11] = { emu_vector_move, VECTOR | VEX },
	[0x12] = { emu_vector_move, VECTOR },
	[0x13] = { emu_vector_move, VECTOR },
	[0x16] = { emu_vector_move, VECTOR },
	[0x17] = { emu_vector_move, VECTOR },
	[0x18] = { emu_nothing, MODRM },
	[0x1f] = { emu_nothing, MODRM },
	[0x28] = { emu_vector_move, VECTOR | VEX },
	[0x29] = { emu_vector_move, VECTOR | VEX },
	[0x2b] = { emu_vector_move, VECTOR | VEX },
	EIGHT(0x40, emu_cmovcc, MODRM),
	EIGHT(0x48, emu_cmovcc, MODRM),
	[0x6e] = { emu_vector_move, VECTOR },
	[0x6f] = { emu_vector_move, VECTOR | VEX },
	[0x7e] = { emu_vector_move, VECTOR },
	[0x7f] = { emu_vector_move, VECTOR | VEX },
	EIGHT(0x90, emu_setcc, MODRM | BYTE),
	EIGHT(0x98, emu_setcc, MODRM | BYTE),
	[0xa3] = { emu_bt, MODRM },
	[0xa4] = { emu_shift_double, MODRM | IMM8 },
	[0xa5] = { emu_shift_double, MODRM },
	[0xab] = { emu_bt, MODRM | LOCKS },
	[0xac] = { emu_shift_double, MODRM | IMM8 },
	[0xad] = { emu_shift_double, MODRM },
	[0xaf] = { emu_imul, MODRM },
	[0xb0] = { emu_cmpxchg, MODRM | BYTE | LOCKS },
	[0xb1] = { emu_cmpxchg, MODRM | LOCKS },
	[0xb3] = { emu_bt, MODRM | LOCKS },
	[0xb6] = { emu_mov_extend, MODRM },
	[0xb7] = { emu_mov_extend, MODRM },
	[0xb8] = { emu_popcnt, MODRM | SELECTF },
	[0xba] = { emu_bt_imm, MODRM | IMM8 | LOCKS },
	[0xbb] = { emu_bt, MODRM | LOCKS },
	[0xbc] = { emu_scan, MODRM | SELECTF },
	[0xbd] = { emu_scan, MODRM | SELECTF },
	[0xbe] = { emu_mov_extend, MODRM },
	[0xbf] = { emu_mov_extend, MODRM },
	[0xc0] = { emu_xadd, MODRM | BYTE | LOCKS },
	[0xc1] = { emu_xadd, MODRM | LOCKS },
	[0xc3] = { emu_movnti, MODRM | MEMONLY | SELECT66 | SELECTF },
	[0xc7] = { emu_cmpxchg8b, MODRM | MEMONLY | LOCKS },
	[0xd6] = { emu_vector_move, VECTOR },
	[0xe7] = { emu_vector_move, VECTOR | VEX },
	[0xf0] = { emu_vector_move, VECTOR | VEX },
};

/* 0f 38 */
static const struct emu_row three_byte[256] = {
	[0x2a] = { emu_vector_move, VECTOR | VEX },
	[0xf0] = { emu_movbe, MODRM | MEMONLY | SELECTF },
	[0xf1] = { emu_movbe, MODRM | MEMONLY | SELECTF },
	[0xf9] = { emu_movnti, MODRM | MEMONLY | SELECT66 | SELECTF },
};

/* The cursor of the decoder; bytes beyond what was fetched are fetched now. */
struct cursor {
	unsigned int pos, have;
	enum emu_status st;
};

/* Up to a page border first, so that a page which is not needed cannot fault. */
static enum emu_status fetch_more(struct emu_ctx *ctx, struct cursor *c)
{
	unsigned int len = EMU_INSN_MAX - c->have, room;
	u64 offset = ctx->rip + c->have, addr;
	enum emu_status st;

	if (!len)
		return raise_error(ctx, X86_TRAP_GP, 0);
	if (ctx->mode64) {
		addr = offset;
		if (!is_canonical(addr))
			return raise_error(ctx, X86_TRAP_GP, 0);
	} else {
		if ((u32)offset > ctx->seg[EMU_CS].limit)
			return raise_error(ctx, X86_TRAP_GP, 0);
		if (len > ctx->seg[EMU_CS].limit - (u32)offset)
			len = ctx->seg[EMU_CS].limit - (u32)offset + 1;
		addr = (u32)(ctx->seg[EMU_CS].base + (u32)offset);
	}
	room = PAGE_BYTES - (addr & (PAGE_BYTES - 1));
	if (len > room)
		len = room;
	st = ctx->ops->fetch(ctx, addr, ctx->insn + c->have, len);
	if (st == EMU_OK)
		c->have += len;
	return st;
}

/* The next n bytes as a number; zero once the status is bad. */
static u64 take(struct emu_ctx *ctx, struct cursor *c, unsigned int n)
{
	u64 value = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (c->st == EMU_OK && c->pos == c->have)
			c->st = fetch_more(ctx, c);
		if (c->st != EMU_OK)
			return 0;
		value |= (u64)ctx->insn[c->pos++] << (8 * i);
	}
	return value;
}

/* Returns the first byte that is no prefix. */
static u8 take_prefixes(struct emu_ctx *ctx, struct cursor *c)
{
	bool addr_prefix = false;
	u8 b;

	for (;;) {
		b = take(ctx, c, 1);
		if (b == 0x66)
			ctx->opsize_prefix = 1;
		else if (b == 0x67)
			addr_prefix = true;
		else if (b == 0xf2 || b == 0xf3)
			ctx->rep = b;
		else if (b == 0xf0)
			ctx->lock = 1;
		else if ((b & 0xe7) == 0x26)
			/* nothing in 64-bit mode, and FS or GS before it stays */
			ctx->seg_override = ctx->mode64 ? ctx->seg_override : (b >> 3) & 3;
		else if (b == 0x64 || b == 0x65)
			ctx->seg_override = EMU_FS + (b & 1);
		else if (!ctx->mode64 || (b & 0xf0) != 0x40)
			break;
		/* REX counts only right before the opcode */
		ctx->rex = ctx->mode64 && (b & 0xf0) == 0x40 ? b : 0;
		if (c->st != EMU_OK)
			return 0;
	}
	if (ctx->mode64)
		ctx->addr_bytes = addr_prefix ? 4 : 8;
	else
		ctx->addr_bytes = !(ctx->seg[EMU_CS].ar & AR_DB) == !addr_prefix ? 2 : 4;
	return b;
}

/* VEX, two or three bytes: as the prefixes that it stands for.  SDM vol. 2A 2.3. */
static const struct emu_row *take_vex(struct emu_ctx *ctx, struct cursor *c, u8 first)
{
	static const u8 rep_of[4] = { 0, 0, 0xf3, 0xf2 };
	u8 b = take(ctx, c, 1), map = 1;
	const struct emu_row *row;

	if (ctx->rex || ctx->lock || ctx->rep || ctx->opsize_prefix)
		return NULL;
	ctx->rex = (~b >> 5) & REX_R;
	if (first == 0xc4) {
		ctx->rex |= (~b >> 5) & (REX_X | REX_B);
		map = b & 0x1f;
		b = take(ctx, c, 1);
	}
	/* vvvv names a register that moves to and from memory do not have */
	if (map < 1 || map > 2 || (b & 0x78) != 0x78)
		return NULL;
	/* eight registers, in modes that have no more */
	ctx->rex = ctx->mode64 ? ctx->rex | 0x40 : 0;
	ctx->vex_bytes = (b & 4) ? 32 : 16;
	ctx->opsize_prefix = (b & 3) == 1;
	ctx->rep = rep_of[b & 3];
	ctx->opcode = take(ctx, c, 1);
	row = map == 1 ? &two_byte[ctx->opcode] : &three_byte[ctx->opcode];
	return (row->flags & VEX) ? row : NULL;
}

/* In 32-bit modes C4 and C5 are LES and LDS unless a register form follows. */
static bool is_vex(struct emu_ctx *ctx, struct cursor *c, u8 b)
{
	if ((b & 0xfe) != 0xc4 || !(ctx->cr0 & X86_CR0_PE) || (ctx->rflags & X86_EFLAGS_VM))
		return false;
	if (ctx->mode64)
		return true;
	if (c->pos == c->have)
		c->st = fetch_more(ctx, c);
	return c->st == EMU_OK && (ctx->insn[c->pos] & 0xc0) == 0xc0;
}

static const struct emu_row *take_opcode(struct emu_ctx *ctx, struct cursor *c)
{
	u8 b = take_prefixes(ctx, c);

	if (is_vex(ctx, c, b))
		return take_vex(ctx, c, b);
	ctx->opcode = b;
	if (b != 0x0f)
		return &one_byte[b];
	ctx->opcode = take(ctx, c, 1);
	if (ctx->opcode != 0x38)
		return &two_byte[ctx->opcode];
	ctx->opcode = take(ctx, c, 1);
	return &three_byte[ctx->opcode];
}

static void settle_operand_size(struct emu_ctx *ctx)
{
	u16 flags = ctx->row->flags;
	bool p66 = ctx->opsize_prefix && !(flags & SELECT66);

	if (flags & BYTE)
		ctx->bytes = 1;
	else if (ctx->mode64 && (ctx->rex & REX_W))
		ctx->bytes = 8;
	else if (ctx->mode64)
		ctx->bytes = p66 ? 2 : (flags & D64) ? 8 : 4;
	else
		ctx->bytes = !(ctx->seg[EMU_CS].ar & AR_DB) == !p66 ? 2 : 4;
	/* the string port instructions know no 64-bit size */
	if ((flags & PORT) && ctx->bytes == 8)
		ctx->bytes = 4;
}

static void take_address16(struct emu_ctx *ctx, struct cursor *c, int mod, int rm)
{
	static const s8 base[8] = { RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX };
	static const s8 index[8] = { RSI, RDI, RSI, RDI, -1, -1, -1, -1 };
	u64 offset = 0;

	if (mod == 0 && rm == 6) {
		offset = take(ctx, c, 2);
	} else {
		offset = ctx->gpr[base[rm]] + (index[rm] < 0 ? 0 : ctx->gpr[index[rm] & 15]);
		if (rm == 2 || rm == 3 || rm == 6)
			ctx->mem_seg = EMU_SS;
		if (mod)
			offset += sign_extend(take(ctx, c, mod), mod);
	}
	ctx->offset = offset & 0xffff;
}

/* base and index with scale; RSP cannot index.  Returns the base or -1. */
static int take_sib(struct emu_ctx *ctx, struct cursor *c, int mod, u64 *offset)
{
	u8 sib = take(ctx, c, 1);
	int index = ((sib >> 3) & 7) | ((ctx->rex & REX_X) ? 8 : 0);
	int base = (sib & 7) | ((ctx->rex & REX_B) ? 8 : 0);

	if (index != RSP)
		*offset += ctx->gpr[index] << (sib >> 6);
	return (sib & 7) == 5 && !mod ? -1 : base;
}

static void take_address(struct emu_ctx *ctx, struct cursor *c, int mod, int rm)
{
	int base = rm | ((ctx->rex & REX_B) ? 8 : 0);
	bool no_base = rm == 5 && !mod;
	bool relative = no_base && ctx->mode64;
	u64 offset = 0;

	if (rm == 4)
		base = take_sib(ctx, c, mod, &offset);
	if (no_base)
		base = -1;
	if (base >= 0)
		offset += ctx->gpr[base & 15];
	if (base == RSP || base == RBP)
		ctx->mem_seg = EMU_SS;
	/* POP addresses with the stack pointer that it leaves behind */
	if (base == RSP && (ctx->row->flags & POPS))
		offset += ctx->bytes;
	if (mod == 1)
		offset += sign_extend(take(ctx, c, 1), 1);
	else if (mod == 2 || base < 0)
		offset += sign_extend(take(ctx, c, 4), 4);
	ctx->offset = offset;
	/* the end of the instruction is known when all of it was taken */
	ctx->rip_relative = relative;
}

static void take_modrm(struct emu_ctx *ctx, struct cursor *c)
{
	int mod, rm;

	ctx->modrm = take(ctx, c, 1);
	mod = ctx->modrm >> 6;
	rm = ctx->modrm & 7;
	ctx->reg = ((ctx->modrm >> 3) & 7) | ((ctx->rex & REX_R) ? 8 : 0);
	ctx->rm = rm | ((ctx->rex & REX_B) ? 8 : 0);
	ctx->has_mem = mod != 3;
	if (!ctx->has_mem)
		return;
	if (ctx->addr_bytes == 2)
		take_address16(ctx, c, mod, rm);
	else
		take_address(ctx, c, mod, rm);
}

static void take_immediate(struct emu_ctx *ctx, struct cursor *c)
{
	u16 flags = ctx->row->flags;
	unsigned int bytes = 0;

	/* TEST is the one of its group that has an immediate */
	if ((flags & IMM01) && (ctx->reg & 7) < 2)
		flags |= ctx->bytes == 1 ? IMM8 : IMMZ;
	if (flags & IMM8)
		bytes = 1;
	else if (flags & IMMZ)
		bytes = ctx->bytes == 8 ? 4 : ctx->bytes;
	if (bytes)
		ctx->imm = sign_extend(take(ctx, c, bytes), bytes);
}

static void take_operands(struct emu_ctx *ctx, struct cursor *c)
{
	ctx->mem_seg = EMU_DS;
	if (ctx->row->flags & MODRM)
		take_modrm(ctx, c);
	if (ctx->row->flags & OPREG)
		ctx->rm = (ctx->opcode & 7) | ((ctx->rex & REX_B) ? 8 : 0);
	if (ctx->row->flags & MOFFS) {
		ctx->has_mem = true;
		ctx->offset = take(ctx, c, ctx->addr_bytes);
		ctx->reg = RAX;
	}
	take_immediate(ctx, c);
	if (ctx->rip_relative)
		ctx->offset += ctx->rip + c->pos;
	ctx->offset &= mask_of(ctx->addr_bytes);
	if (ctx->seg_override >= 0)
		ctx->mem_seg = ctx->seg_override;
}

static enum emu_status check_prefixes(struct emu_ctx *ctx)
{
	u16 flags = ctx->row->flags;

	if (ctx->lock && !((flags & LOCKS) && ctx->has_mem))
		return raise(ctx, X86_TRAP_UD);
	if ((flags & MEMONLY) && !ctx->has_mem)
		return EMU_UNHANDLED;
	/* elsewhere F2 and F3 are hints or nothing */
	if (!(flags & (STRING | SELECTF)))
		ctx->rep = 0;
	return EMU_OK;
}

enum emu_status emu_decode(struct emu_ctx *ctx)
{
	struct cursor c = { };

	ctx->mode64 = (ctx->efer & EFER_LMA) && (ctx->seg[EMU_CS].ar & AR_LONG);
	ctx->seg_override = -1;
	ctx->row = take_opcode(ctx, &c);
	if (c.st == EMU_OK && ctx->row && ctx->row->fn) {
		settle_operand_size(ctx);
		take_operands(ctx, &c);
	} else if (c.st == EMU_OK) {
		c.st = EMU_UNHANDLED;
	}
	/* what could be read is shown to whoever asks, decoded or not */
	ctx->insn_len = c.st == EMU_OK ? c.pos : c.have;
	if (c.st == EMU_OK)
		c.st = check_prefixes(ctx);
	/* there is nothing to carry out */
	if (c.st != EMU_OK)
		ctx->row = NULL;
	return c.st;
}
