// SPDX-License-Identifier: GPL-2.0
/*
 * emulate_string.c - the emulator's string instructions, with memory and with
 * ports, one iteration at a time; only INS and OUTS on plain memory take more at
 * once.  SDM vol. 2B, REP.
 */
#include "emulate_priv.h"

u64 emu_rep_count(const struct emu_ctx *ctx)
{
	return ctx->rep ? ctx->gpr[RCX] & mask_of(ctx->addr_bytes) : 1;
}

static u64 string_offset(const struct emu_ctx *ctx, int reg)
{
	return ctx->gpr[reg] & mask_of(ctx->addr_bytes);
}

static s64 string_step(const struct emu_ctx *ctx)
{
	return (ctx->rflags & X86_EFLAGS_DF) ? -(s64)ctx->bytes : ctx->bytes;
}

/* n elements are done: is the instruction? */
static enum emu_status string_done(struct emu_ctx *ctx, u64 n, bool stop)
{
	if (ctx->rep) {
		emu_add_reg(ctx, RCX, -(s64)n, ctx->addr_bytes);
		if (emu_rep_count(ctx) && !stop)
			return EMU_REP;
	}
	return emu_finish(ctx);
}

enum emu_status emu_movs(struct emu_ctx *ctx)
{
	s64 step = string_step(ctx);
	enum emu_status st;
	u64 value = 0;

	st = emu_read_seg(ctx, ctx->mem_seg, string_offset(ctx, RSI), &value, ctx->bytes, false);
	if (st == EMU_OK)
		st = emu_write_seg(ctx, EMU_ES, string_offset(ctx, RDI), &value, ctx->bytes);
	if (st != EMU_OK)
		return st;
	emu_add_reg(ctx, RSI, step, ctx->addr_bytes);
	emu_add_reg(ctx, RDI, step, ctx->addr_bytes);
	return string_done(ctx, 1, false);
}

enum emu_status emu_stos(struct emu_ctx *ctx)
{
	u64 value = ctx->gpr[RAX];
	enum emu_status st;

	st = emu_write_seg(ctx, EMU_ES, string_offset(ctx, RDI), &value, ctx->bytes);
	if (st != EMU_OK)
		return st;
	emu_add_reg(ctx, RDI, string_step(ctx), ctx->addr_bytes);
	return string_done(ctx, 1, false);
}

enum emu_status emu_lods(struct emu_ctx *ctx)
{
	enum emu_status st;
	u64 value = 0;

	st = emu_read_seg(ctx, ctx->mem_seg, string_offset(ctx, RSI), &value, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	emu_set_reg(ctx, RAX, value, ctx->bytes);
	emu_add_reg(ctx, RSI, string_step(ctx), ctx->addr_bytes);
	return string_done(ctx, 1, false);
}

/* CMPS and SCAS end early when ZF is not what the prefix repeats on. */
static enum emu_status compare_done(struct emu_ctx *ctx, u64 a, u64 b)
{
	u64 flags;
	bool equal;

	emu_sub(a, b, false, ctx->bytes, &flags);
	emu_set_flags(ctx, ARITH_FLAGS, flags);
	equal = flags & X86_EFLAGS_ZF;
	emu_add_reg(ctx, RDI, string_step(ctx), ctx->addr_bytes);
	return string_done(ctx, 1, equal != (ctx->rep == 0xf3));
}

enum emu_status emu_cmps(struct emu_ctx *ctx)
{
	enum emu_status st;
	u64 a = 0, b = 0;

	st = emu_read_seg(ctx, ctx->mem_seg, string_offset(ctx, RSI), &a, ctx->bytes, false);
	if (st == EMU_OK)
		st = emu_read_seg(ctx, EMU_ES, string_offset(ctx, RDI), &b, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	emu_add_reg(ctx, RSI, string_step(ctx), ctx->addr_bytes);
	return compare_done(ctx, a, b);
}

enum emu_status emu_scas(struct emu_ctx *ctx)
{
	enum emu_status st;
	u64 b = 0;

	st = emu_read_seg(ctx, EMU_ES, string_offset(ctx, RDI), &b, ctx->bytes, false);
	return st == EMU_OK ? compare_done(ctx, emu_get_reg(ctx, RAX, ctx->bytes), b) : st;
}

/*
 * How many elements of INS or OUTS go at once: as many as lie in one page of
 * plain memory, upwards; one where that is not so, or while the guest steps.
 */
static enum emu_status io_batch(struct emu_ctx *ctx, int seg, u64 offset, bool write, u64 *n)
{
	u64 addr, want = emu_rep_count(ctx), room;
	enum emu_status st;
	bool plain;

	*n = 1;
	st = emu_linear(ctx, seg, offset, ctx->bytes, write, &addr);
	if (st == EMU_OK)
		st = ctx->ops->probe(ctx, addr, ctx->bytes, write, &plain);
	if (st != EMU_OK || !plain || (ctx->rflags & (X86_EFLAGS_DF | X86_EFLAGS_TF)))
		return st;
	room = (PAGE_BYTES - (addr & (PAGE_BYTES - 1))) / ctx->bytes;
	if (want > room)
		want = room;
	/* the client may have changed the count since it was asked for so many */
	if (ctx->io_ready && want > ctx->io_ready)
		want = ctx->io_ready;
	/* the address wraps, or the segment ends: one at a time up to there */
	if (want < 2 || offset + want * ctx->bytes - 1 > mask_of(ctx->addr_bytes) ||
	    emu_linear(ctx, seg, offset, want * ctx->bytes, write, &addr) != EMU_OK)
		return EMU_OK;
	*n = want;
	return EMU_OK;
}

enum emu_status emu_ins(struct emu_ctx *ctx)
{
	u64 offset = string_offset(ctx, RDI), n;
	enum emu_status st;

	/* a fault must come before the device has been asked */
	st = io_batch(ctx, EMU_ES, offset, true, &n);
	if (st == EMU_OK)
		st = ctx->ops->pio_in(ctx, ctx->gpr[RDX], ctx->bytes, ctx->io, n);
	if (st == EMU_OK)
		st = emu_write_seg(ctx, EMU_ES, offset, ctx->io, n * ctx->bytes);
	if (st != EMU_OK)
		return st;
	emu_add_reg(ctx, RDI, string_step(ctx) * (s64)n, ctx->addr_bytes);
	return string_done(ctx, n, false);
}

enum emu_status emu_outs(struct emu_ctx *ctx)
{
	u64 offset = string_offset(ctx, RSI), n;
	enum emu_status st;

	st = io_batch(ctx, ctx->mem_seg, offset, false, &n);
	if (st == EMU_OK)
		st = emu_read_seg(ctx, ctx->mem_seg, offset, ctx->io, n * ctx->bytes, false);
	if (st == EMU_OK)
		st = ctx->ops->pio_out(ctx, ctx->gpr[RDX], ctx->bytes, ctx->io, n);
	if (st != EMU_OK)
		return st;
	emu_add_reg(ctx, RSI, string_step(ctx) * (s64)n, ctx->addr_bytes);
	return string_done(ctx, n, false);
}
