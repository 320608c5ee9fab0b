// SPDX-License-Identifier: GPL-2.0
/*
 * emulate_bits.c - the emulator's instructions on bits, bit tests, scans, shifts
 * and rotates, and those that multiply and divide.  Where the SDM leaves a flag
 * undefined it keeps or gets what is cheapest.  SDM vol. 2.
 */
#include "emulate_priv.h"

/* BT, BTS, BTR, BTC: the operation is in two bits of the opcode or of ModRM. */
static enum emu_status bit_op(struct emu_ctx *ctx, int op, unsigned int bit)
{
	enum emu_status st;
	u64 old, new, m = 1ull << bit;

	st = emu_read_rm(ctx, &old, ctx->bytes, op != 0);
	if (st != EMU_OK)
		return st;
	new = op == 1 ? old | m : op == 2 ? old & ~m : old ^ m;
	if (op)
		st = emu_replace_rm(ctx, old, new, ctx->lock);
	if (st != EMU_OK)
		return st;
	emu_set_flags(ctx, X86_EFLAGS_CF, (old & m) ? X86_EFLAGS_CF : 0);
	return emu_finish(ctx);
}

/* With a register, the bit may lie far from the address, to either side. */
enum emu_status emu_bt(struct emu_ctx *ctx)
{
	u64 index = sign_extend(emu_get_reg(ctx, ctx->reg, ctx->bytes), ctx->bytes);
	unsigned int bits = 8 * ctx->bytes;
	u64 offset = ctx->offset;
	enum emu_status st;
	int op = (ctx->opcode >> 3) & 3;

	if (op == 0 && ctx->lock)
		return raise(ctx, X86_TRAP_UD);
	if (ctx->has_mem) {
		s64 units = (s64)index >> (ctx->bytes == 8 ? 6 : ctx->bytes == 4 ? 5 : 4);

		ctx->offset = (offset + units * ctx->bytes) & mask_of(ctx->addr_bytes);
	}
	st = bit_op(ctx, op, index & (bits - 1));
	ctx->offset = offset;	/* it may be executed again */
	return st;
}

enum emu_status emu_bt_imm(struct emu_ctx *ctx)
{
	int op = (ctx->reg & 7) - 4;

	if (op < 0 || (op == 0 && ctx->lock))
		return raise(ctx, X86_TRAP_UD);
	return bit_op(ctx, op, ctx->imm & (8 * ctx->bytes - 1));
}

/* BSF and BSR, or with F3 TZCNT and LZCNT on a CPU that has them. */
enum emu_status emu_scan(struct emu_ctx *ctx)
{
	bool up = !(ctx->opcode & 1);
	bool count = ctx->rep == 0xf3 && (up ? ctx->has_tzcnt : ctx->has_lzcnt);
	unsigned int bits = 8 * ctx->bytes, n = bits;
	enum emu_status st;
	u64 value;

	st = emu_read_rm(ctx, &value, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	if (value && up)
		n = __builtin_ctzll(value);
	else if (value)
		n = 63u - __builtin_clzll(value);
	if (value && count && !up)
		n = bits - 1 - n;
	/* the scans leave their destination alone when there is nothing to find */
	if (value || count)
		emu_set_reg(ctx, ctx->reg, n, ctx->bytes);
	if (count)
		emu_set_flags(ctx, X86_EFLAGS_CF | X86_EFLAGS_ZF,
			      (value ? 0 : X86_EFLAGS_CF) | (n ? 0 : X86_EFLAGS_ZF));
	else
		emu_set_flags(ctx, X86_EFLAGS_ZF, value ? 0 : X86_EFLAGS_ZF);
	return emu_finish(ctx);
}

enum emu_status emu_popcnt(struct emu_ctx *ctx)
{
	enum emu_status st;
	unsigned int n = 0;
	u64 value;

	if (ctx->rep != 0xf3)
		return EMU_UNHANDLED;
	st = emu_read_rm(ctx, &value, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	for (; value; value &= value - 1)
		n++;
	emu_set_reg(ctx, ctx->reg, n, ctx->bytes);
	emu_set_flags(ctx, ARITH_FLAGS, n ? 0 : X86_EFLAGS_ZF);
	return emu_finish(ctx);
}

/* In the order of the reg field; SHLD and SHRD have none. The odd ones go right. */
enum { ROL, ROR, RCL, RCR, SHL, SHR, SAL, SAR, SHLD, SHRD };

/* One step; the lowest bit of fill comes in where nothing else does. */
static u64 shift_once(int op, u64 v, u64 fill, unsigned int bytes, bool *carry)
{
	u64 top = sign_of(bytes);
	bool out = v & ((op & 1) ? 1 : top), in = fill & 1;

	if (op <= ROR)
		in = out;
	else if (op <= RCR)
		in = *carry;
	else if (op == SAR)
		in = v & top;
	*carry = out;
	return (op & 1) ? v >> 1 | (in ? top : 0) : (v << 1 & mask_of(bytes)) | in;
}

static enum emu_status shift_rm(struct emu_ctx *ctx, int op, u64 src, unsigned int count)
{
	unsigned int bits = 8 * ctx->bytes, i, from;
	bool carry = ctx->rflags & X86_EFLAGS_CF;
	u64 old, new, flags, top = sign_of(ctx->bytes);
	enum emu_status st;

	st = emu_read_rm(ctx, &old, ctx->bytes, true);
	if (st != EMU_OK)
		return st;
	count &= ctx->bytes == 8 ? 63 : 31;
	for (i = 0, new = old; i < count; i++) {
		from = ((op & 1) ? i : bits - 1 - i) & (bits - 1);
		new = shift_once(op, new, src >> from, ctx->bytes, &carry);
	}
	/* memory is written in any case, and a 32-bit register cleared above */
	st = emu_write_rm(ctx, new, ctx->bytes);
	if (st != EMU_OK)
		return st;
	flags = emu_result_flags(new, ctx->bytes) | (carry ? X86_EFLAGS_CF : 0);
	if ((op & 1) ? !(new & top) != !(new & (top >> 1)) : !(new & top) == carry)
		flags |= X86_EFLAGS_OF;
	if (count)
		emu_set_flags(ctx, op <= RCR ? X86_EFLAGS_CF | X86_EFLAGS_OF : ARITH_FLAGS, flags);
	return emu_finish(ctx);
}

/* C0 and C1 have an immediate, D0 and D1 shift once, D2 and D3 by CL. */
enum emu_status emu_shift(struct emu_ctx *ctx)
{
	unsigned int count = 1;

	if (ctx->row->flags & IMM8)
		count = ctx->imm;
	else if (ctx->opcode & 2)
		count = ctx->gpr[RCX];
	return shift_rm(ctx, ctx->reg & 7, 0, count);
}

/* SHLD and SHRD: the register's bits come in. */
enum emu_status emu_shift_double(struct emu_ctx *ctx)
{
	return shift_rm(ctx, (ctx->opcode & 8) ? SHRD : SHLD,
			emu_get_reg(ctx, ctx->reg, ctx->bytes),
			(ctx->row->flags & IMM8) ? ctx->imm : ctx->gpr[RCX]);
}

static bool fits(unsigned __int128 p, unsigned int bytes)
{
	return (__int128)p == (s64)sign_extend(p, bytes);
}

static void set_overflow(struct emu_ctx *ctx, bool overflow)
{
	u64 flags = X86_EFLAGS_CF | X86_EFLAGS_OF;

	emu_set_flags(ctx, flags, overflow ? flags : 0);
}

/* The double-width accumulator: AX, or DX and AX in their sizes. */
static void set_pair(struct emu_ctx *ctx, u64 low, u64 high)
{
	if (ctx->bytes == 1) {
		emu_set_reg(ctx, RAX, (low & 0xff) | high << 8, 2);
		return;
	}
	emu_set_reg(ctx, RAX, low, ctx->bytes);
	emu_set_reg(ctx, RDX, high, ctx->bytes);
}

static unsigned __int128 product(u64 a, u64 b, unsigned int bytes, bool is_signed)
{
	if (is_signed)
		return (__int128)(s64)sign_extend(a, bytes) * (s64)sign_extend(b, bytes);
	return (unsigned __int128)a * b;
}

/* IMUL with a register as destination: by it, or by an immediate. */
enum emu_status emu_imul(struct emu_ctx *ctx)
{
	bool has_imm = ctx->row->flags & (IMM8 | IMMZ);
	unsigned __int128 p;
	enum emu_status st;
	u64 value;

	st = emu_read_rm(ctx, &value, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	p = product(value, has_imm ? ctx->imm : emu_get_reg(ctx, ctx->reg, ctx->bytes),
		    ctx->bytes, true);
	emu_set_reg(ctx, ctx->reg, p, ctx->bytes);
	set_overflow(ctx, !fits(p, ctx->bytes));
	return emu_finish(ctx);
}

enum emu_status emu_multiply(struct emu_ctx *ctx, bool is_signed)
{
	unsigned __int128 p;
	enum emu_status st;
	u64 value, high;

	st = emu_read_rm(ctx, &value, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	p = product(value, emu_get_reg(ctx, RAX, ctx->bytes), ctx->bytes, is_signed);
	high = (u64)(p >> (8 * ctx->bytes)) & mask_of(ctx->bytes);
	set_pair(ctx, p, high);
	set_overflow(ctx, is_signed ? !fits(p, ctx->bytes) : high);
	return emu_finish(ctx);
}

/* By hand: the kernel has no division of 128 bits.  False if it does not fit. */
static bool divide(unsigned __int128 n, u64 d, u64 *quotient, u64 *remainder)
{
	u64 rem = n >> 64, low = n;
	bool above;
	int i;

	if (rem >= d)
		return false;
	for (i = 0; i < 64; i++) {
		above = rem >> 63;
		rem = rem << 1 | low >> 63;
		low <<= 1;
		if (above || rem >= d) {
			rem -= d;
			low |= 1;
		}
	}
	*quotient = low;
	*remainder = rem;
	return true;
}

enum emu_status emu_divide(struct emu_ctx *ctx, bool is_signed)
{
	unsigned int bytes = ctx->bytes;
	unsigned __int128 n = emu_get_reg(ctx, RAX, bytes == 1 ? 2 : bytes);
	bool negative = false, differ = false;
	u64 d, q, r, most = mask_of(bytes);
	enum emu_status st;

	st = emu_read_rm(ctx, &d, bytes, false);
	if (st != EMU_OK)
		return st;
	if (bytes > 1)
		n |= (unsigned __int128)emu_get_reg(ctx, RDX, bytes) << (8 * bytes);
	if (is_signed) {
		negative = (n >> (16 * bytes - 1)) & 1;
		differ = negative != !!(d & sign_of(bytes));
		if (negative)
			n = (((unsigned __int128)1 << (16 * bytes - 1)) << 1) - n;
		if (d & sign_of(bytes))
			d = -d & mask_of(bytes);
		most = sign_of(bytes) - !differ;
	}
	if (!divide(n, d, &q, &r) || q > most)
		return raise(ctx, X86_TRAP_DE);
	set_pair(ctx, differ ? -q : q, (negative ? -r : r) & mask_of(bytes));
	return emu_finish(ctx);
}
