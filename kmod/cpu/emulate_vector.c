// SPDX-License-Identifier: GPL-2.0
/*
 * emulate_vector.c - the emulator's moves between memory and vector registers:
 * whole registers of 16 or 32 bytes, and the scalars that are a part of one.
 * SDM vol. 2B and 2C; exceptions vol. 2A 2.4 and 2.5.
 */
#include "emulate_priv.h"

#define STORE	BIT(0)
#define ALIGNED	BIT(1)		/* #GP unless it is */
#define LOW	BIT(2)		/* a load keeps the upper half */
#define HIGH	BIT(3)		/* the upper half; a load keeps the lower */
#define WIDE	BIT(4)		/* twice the bytes with REX.W */

/* The opcode and what precedes it: nothing, 66, F3 or F2. */
static const struct form {
	u8 opcode, prefix, bytes, flags;
} forms[] = {
	{ 0x10, 0, 16 },				/* MOVUPS */
	{ 0x10, 0x66, 16 },				/* MOVUPD */
	{ 0x10, 0xf3, 4 },				/* MOVSS */
	{ 0x10, 0xf2, 8 },				/* MOVSD */
	{ 0x11, 0, 16, STORE },
	{ 0x11, 0x66, 16, STORE },
	{ 0x11, 0xf3, 4, STORE },
	{ 0x11, 0xf2, 8, STORE },
	{ 0x12, 0, 8, LOW },				/* MOVLPS */
	{ 0x12, 0x66, 8, LOW },				/* MOVLPD */
	{ 0x13, 0, 8, STORE },
	{ 0x13, 0x66, 8, STORE },
	{ 0x16, 0, 8, HIGH },				/* MOVHPS */
	{ 0x16, 0x66, 8, HIGH },			/* MOVHPD */
	{ 0x17, 0, 8, STORE | HIGH },
	{ 0x17, 0x66, 8, STORE | HIGH },
	{ 0x28, 0, 16, ALIGNED },			/* MOVAPS */
	{ 0x28, 0x66, 16, ALIGNED },			/* MOVAPD */
	{ 0x29, 0, 16, STORE | ALIGNED },
	{ 0x29, 0x66, 16, STORE | ALIGNED },
	{ 0x2a, 0x66, 16, ALIGNED },			/* MOVNTDQA */
	{ 0x2b, 0, 16, STORE | ALIGNED },		/* MOVNTPS */
	{ 0x2b, 0x66, 16, STORE | ALIGNED },		/* MOVNTPD */
	{ 0x6e, 0x66, 4, WIDE },			/* MOVD, MOVQ */
	{ 0x6f, 0x66, 16, ALIGNED },			/* MOVDQA */
	{ 0x6f, 0xf3, 16 },				/* MOVDQU */
	{ 0x7e, 0x66, 4, STORE | WIDE },		/* MOVD, MOVQ */
	{ 0x7e, 0xf3, 8 },				/* MOVQ */
	{ 0x7f, 0x66, 16, STORE | ALIGNED },
	{ 0x7f, 0xf3, 16, STORE },
	{ 0xd6, 0x66, 8, STORE },			/* MOVQ */
	{ 0xe7, 0x66, 16, STORE | ALIGNED },		/* MOVNTDQ */
	{ 0xf0, 0xf2, 16 },				/* LDDQU */
};

static const struct form *find_form(const struct emu_ctx *ctx)
{
	/* F2 and F3 win over 66 */
	u8 prefix = ctx->rep ? ctx->rep : ctx->opsize_prefix ? 0x66 : 0;
	const struct form *f;

	for (f = forms; f < forms + ARRAY_SIZE(forms); f++)
		if (f->opcode == ctx->opcode && f->prefix == prefix)
			return f;
	return NULL;
}

/* Has the guest enabled what it uses? */
static enum emu_status check_enabled(struct emu_ctx *ctx)
{
	bool enabled = ctx->vex_bytes ? ctx->cr4 & X86_CR4_OSXSAVE :
		       (ctx->cr4 & X86_CR4_OSFXSR) && !(ctx->cr0 & X86_CR0_EM);

	if (!enabled)
		return raise(ctx, X86_TRAP_UD);
	return (ctx->cr0 & X86_CR0_TS) ? raise(ctx, X86_TRAP_NM) : EMU_OK;
}

static enum emu_status store(struct emu_ctx *ctx, const struct form *f, u64 addr,
			     unsigned int bytes)
{
	enum emu_status st;
	u8 data[32] = { };

	st = ctx->ops->read_xmm(ctx, ctx->reg, data, bytes > 16 ? 32 : 16);
	if (st == EMU_OK)
		st = ctx->ops->write(ctx, addr, data + ((f->flags & HIGH) ? 8 : 0), bytes);
	return st;
}

/* What the memory does not fill becomes zero, except for the halves. */
static enum emu_status load(struct emu_ctx *ctx, const struct form *f, u64 addr,
			    unsigned int bytes)
{
	enum emu_status st = EMU_OK;
	u8 data[32] = { };

	if (f->flags & (LOW | HIGH))
		st = ctx->ops->read_xmm(ctx, ctx->reg, data, 16);
	if (st == EMU_OK)
		st = ctx->ops->read(ctx, addr, data + ((f->flags & HIGH) ? 8 : 0), bytes, false);
	if (st == EMU_OK)
		st = ctx->ops->write_xmm(ctx, ctx->reg, data, ctx->vex_bytes ? 32 : 16);
	return st;
}

enum emu_status emu_vector_move(struct emu_ctx *ctx)
{
	const struct form *f = find_form(ctx);
	enum emu_status st;
	unsigned int bytes;
	u64 addr;

	if (!f || (ctx->vex_bytes && f->bytes < 16))
		return EMU_UNHANDLED;
	bytes = ctx->vex_bytes ? ctx->vex_bytes : f->bytes;
	if ((f->flags & WIDE) && (ctx->rex & REX_W))
		bytes = 8;
	st = check_enabled(ctx);
	if (st == EMU_OK && (f->flags & ALIGNED))
		st = emu_linear_aligned(ctx, &addr, bytes, f->flags & STORE);
	else if (st == EMU_OK)
		st = emu_linear(ctx, ctx->mem_seg, ctx->offset, bytes, f->flags & STORE, &addr);
	if (st != EMU_OK)
		return st;
	st = (f->flags & STORE) ? store(ctx, f, addr, bytes) : load(ctx, f, addr, bytes);
	return st == EMU_OK ? emu_finish(ctx) : st;
}
