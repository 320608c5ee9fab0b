// SPDX-License-Identifier: GPL-2.0
/*
 * emulate.c - instructions that touch a device by memory or by a string of port
 * accesses, carried out in software: registers, segments, memory, flags, and the
 * moves and the arithmetic that most instructions are.  emulate_decode.c says
 * what is to be done.  Every instruction reads all it needs before it changes
 * anything, so that it can be stopped at any callback and run again.  SDM
 * vol. 2; segment checks vol. 3A 5.3 and 5.5.
 */
#include "emulate_priv.h"

/* Registers and values by size */

/* AH to BH exist only without a REX prefix. */
static bool is_high_byte(const struct emu_ctx *ctx, unsigned int reg, unsigned int bytes)
{
	return bytes == 1 && reg >= 4 && reg < 8 && !ctx->rex;
}

u64 emu_get_reg(const struct emu_ctx *ctx, unsigned int reg, unsigned int bytes)
{
	if (is_high_byte(ctx, reg, bytes))
		return (ctx->gpr[reg & 3] >> 8) & 0xff;
	return ctx->gpr[reg & 15] & mask_of(bytes);
}

/* A 32-bit result clears the upper half, narrower ones keep what is above. */
void emu_set_reg(struct emu_ctx *ctx, unsigned int reg, u64 value, unsigned int bytes)
{
	u64 *r;

	if (is_high_byte(ctx, reg, bytes)) {
		r = &ctx->gpr[reg & 3];
		*r = (*r & ~0xff00ull) | (value & 0xff) << 8;
		ctx->gpr_dirty |= BIT(reg & 3);
		return;
	}
	r = &ctx->gpr[reg & 15];
	if (bytes == 4)
		*r = (u32)value;
	else
		*r = (*r & ~mask_of(bytes)) | (value & mask_of(bytes));
	ctx->gpr_dirty |= BIT(reg & 15);
}

void emu_add_reg(struct emu_ctx *ctx, unsigned int reg, s64 delta, unsigned int bytes)
{
	emu_set_reg(ctx, reg, ctx->gpr[reg] + delta, bytes);
}

void emu_set_flags(struct emu_ctx *ctx, u64 which, u64 flags)
{
	ctx->rflags = (ctx->rflags & ~which) | (flags & which);
}

enum emu_status emu_finish(struct emu_ctx *ctx)
{
	u64 rip = ctx->rip + ctx->insn_len;

	ctx->rip = ctx->mode64 ? rip : (u32)rip;
	ctx->rflags &= ~(u64)X86_EFLAGS_RF;
	return EMU_OK;
}

/* Memory */

static enum emu_status segment_fault(struct emu_ctx *ctx, int seg)
{
	return raise_error(ctx, seg == EMU_SS ? X86_TRAP_SS : X86_TRAP_GP, 0);
}

static bool in_limit(const struct emu_seg *s, u32 first, u32 last)
{
	u32 top = (s->ar & AR_DB) ? ~0u : 0xffff;

	if (last < first)
		return false;
	/* expand-down: the valid part lies above the limit */
	if (!(s->ar & AR_CODE) && (s->ar & AR_DOWN))
		return first > s->limit && last <= top;
	return last <= s->limit;
}

static bool segment_allows(const struct emu_ctx *ctx, const struct emu_seg *s, bool write)
{
	bool protected_mode = (ctx->cr0 & X86_CR0_PE) && !(ctx->rflags & X86_EFLAGS_VM);

	if (!protected_mode)
		return true;
	if (s->ar & AR_UNUSABLE)
		return false;
	if (s->ar & AR_CODE)
		return !write && (s->ar & AR_READABLE);
	return !write || (s->ar & AR_WRITABLE);
}

/* Does the alignment check, which is for CPL 3, object?  Vol. 3A 6.15, #AC. */
static bool is_misaligned(const struct emu_ctx *ctx, u64 addr, unsigned int len)
{
	/* INS and OUTS come with many elements at once; 32 bytes are two times 16 */
	unsigned int size = (ctx->row->flags & STRING) ? ctx->bytes : len > 16 ? 16 : len;

	return (ctx->rflags & X86_EFLAGS_AC) && (ctx->cr0 & X86_CR0_AM) && ctx->cpl == 3 &&
	       (addr & (size - 1));
}

static enum emu_status address(struct emu_ctx *ctx, int seg, u64 offset, unsigned int len,
			       bool write, u64 *addr)
{
	const struct emu_seg *s = &ctx->seg[seg];

	if (ctx->mode64) {
		*addr = offset + (seg >= EMU_FS ? s->base : 0);
		if (!is_canonical(*addr) || !is_canonical(*addr + len - 1))
			return segment_fault(ctx, seg);
	} else {
		if (!segment_allows(ctx, s, write) || !in_limit(s, offset, (u32)offset + len - 1))
			return segment_fault(ctx, seg);
		*addr = (u32)(s->base + offset);
	}
	return EMU_OK;
}

enum emu_status emu_linear(struct emu_ctx *ctx, int seg, u64 offset, unsigned int len,
			   bool write, u64 *addr)
{
	enum emu_status st = address(ctx, seg, offset, len, write, addr);

	if (st == EMU_OK && is_misaligned(ctx, *addr, len))
		return raise_error(ctx, X86_TRAP_AC, 0);
	return st;
}

enum emu_status emu_linear_aligned(struct emu_ctx *ctx, u64 *addr, unsigned int len, bool write)
{
	enum emu_status st = address(ctx, ctx->mem_seg, ctx->offset, len, write, addr);

	if (st == EMU_OK && (*addr & (len - 1)))
		return raise_error(ctx, X86_TRAP_GP, 0);
	return st;
}

enum emu_status emu_read_seg(struct emu_ctx *ctx, int seg, u64 offset, void *buf,
			     unsigned int len, bool write_intent)
{
	enum emu_status st;
	u64 addr;

	st = emu_linear(ctx, seg, offset, len, write_intent, &addr);
	return st == EMU_OK ? ctx->ops->read(ctx, addr, buf, len, write_intent) : st;
}

enum emu_status emu_write_seg(struct emu_ctx *ctx, int seg, u64 offset, const void *buf,
			      unsigned int len)
{
	enum emu_status st;
	u64 addr;

	st = emu_linear(ctx, seg, offset, len, true, &addr);
	return st == EMU_OK ? ctx->ops->write(ctx, addr, buf, len) : st;
}

/* The operand that ModRM names: a register or memory. */
enum emu_status emu_read_rm(struct emu_ctx *ctx, u64 *value, unsigned int bytes,
			    bool write_intent)
{
	*value = 0;
	if (ctx->has_mem)
		return emu_read_seg(ctx, ctx->mem_seg, ctx->offset, value, bytes, write_intent);
	*value = emu_get_reg(ctx, ctx->rm, bytes);
	return EMU_OK;
}

enum emu_status emu_write_rm(struct emu_ctx *ctx, u64 value, unsigned int bytes)
{
	if (ctx->has_mem)
		return emu_write_seg(ctx, ctx->mem_seg, ctx->offset, &value, bytes);
	emu_set_reg(ctx, ctx->rm, value, bytes);
	return EMU_OK;
}

/*
 * Replace old by new.  A locked instruction that lost a race is given back to the
 * guest to try again, with nothing changed.
 */
static enum emu_status replace(struct emu_ctx *ctx, u64 addr, const void *old,
			       const void *new, unsigned int len, bool locked)
{
	enum emu_status st;
	bool swapped;

	if (!locked)
		return ctx->ops->write(ctx, addr, new, len);
	st = ctx->ops->cmpxchg(ctx, addr, old, new, len, &swapped);
	return st == EMU_OK && !swapped ? EMU_REP : st;
}

enum emu_status emu_replace_rm(struct emu_ctx *ctx, u64 old, u64 new, bool locked)
{
	enum emu_status st;
	u64 addr;

	if (!ctx->has_mem)
		return emu_write_rm(ctx, new, ctx->bytes);
	st = emu_linear(ctx, ctx->mem_seg, ctx->offset, ctx->bytes, true, &addr);
	return st == EMU_OK ? replace(ctx, addr, &old, &new, ctx->bytes, locked) : st;
}

/* The stack is as wide as SS says, outside 64-bit mode. */
static unsigned int stack_bytes(const struct emu_ctx *ctx)
{
	if (ctx->mode64)
		return 8;
	return (ctx->seg[EMU_SS].ar & AR_DB) ? 4 : 2;
}

static enum emu_status push(struct emu_ctx *ctx, u64 value)
{
	unsigned int width = stack_bytes(ctx);
	u64 rsp = (ctx->gpr[RSP] - ctx->bytes) & mask_of(width);
	enum emu_status st = emu_write_seg(ctx, EMU_SS, rsp, &value, ctx->bytes);

	if (st == EMU_OK)
		emu_add_reg(ctx, RSP, -(s64)ctx->bytes, width);
	return st;
}

/* Flags */

u64 emu_result_flags(u64 r, unsigned int bytes)
{
	u64 flags = 0;
	u8 low = r;

	r &= mask_of(bytes);
	if (!r)
		flags |= X86_EFLAGS_ZF;
	if (r & sign_of(bytes))
		flags |= X86_EFLAGS_SF;
	low ^= low >> 4;
	if (!((0x6996 >> (low & 15)) & 1))
		flags |= X86_EFLAGS_PF;
	return flags;
}

static u64 add(u64 a, u64 b, bool carry, unsigned int bytes, u64 *flags)
{
	u64 m = mask_of(bytes), r = (a + b + carry) & m;

	a &= m;
	b &= m;
	*flags = emu_result_flags(r, bytes) | ((a ^ b ^ r) & X86_EFLAGS_AF);
	if (r < a || (carry && r == a))
		*flags |= X86_EFLAGS_CF;
	if ((a ^ r) & (b ^ r) & sign_of(bytes))
		*flags |= X86_EFLAGS_OF;
	return r;
}

u64 emu_sub(u64 a, u64 b, bool borrow, unsigned int bytes, u64 *flags)
{
	u64 m = mask_of(bytes), r = (a - b - borrow) & m;

	a &= m;
	b &= m;
	*flags = emu_result_flags(r, bytes) | ((a ^ b ^ r) & X86_EFLAGS_AF);
	if (a < b || (borrow && a == b))
		*flags |= X86_EFLAGS_CF;
	if ((a ^ b) & (a ^ r) & sign_of(bytes))
		*flags |= X86_EFLAGS_OF;
	return r;
}

enum { ADD, OR, ADC, SBB, AND, SUB, XOR, CMP };

static u64 alu(const struct emu_ctx *ctx, int op, u64 a, u64 b, u64 *flags)
{
	bool carry = ctx->rflags & X86_EFLAGS_CF;
	u64 r;

	switch (op) {
	case ADD:
		return add(a, b, false, ctx->bytes, flags);
	case ADC:
		return add(a, b, carry, ctx->bytes, flags);
	case SBB:
		return emu_sub(a, b, carry, ctx->bytes, flags);
	case SUB:
	case CMP:
		return emu_sub(a, b, false, ctx->bytes, flags);
	case OR:
		r = a | b;
		break;
	case AND:
		r = a & b;
		break;
	default:
		r = a ^ b;
	}
	*flags = emu_result_flags(r, ctx->bytes);
	return r & mask_of(ctx->bytes);
}

/* One operation with the ModRM operand as destination. */
static enum emu_status alu_to_rm(struct emu_ctx *ctx, int op, u64 src)
{
	enum emu_status st;
	u64 old, new, flags;

	st = emu_read_rm(ctx, &old, ctx->bytes, op != CMP);
	if (st != EMU_OK)
		return st;
	new = alu(ctx, op, old, src, &flags);
	if (op != CMP)
		st = emu_replace_rm(ctx, old, new, ctx->lock);
	if (st != EMU_OK)
		return st;
	emu_set_flags(ctx, ARITH_FLAGS, flags);
	return emu_finish(ctx);
}

/* 00 to 3f: the operation is in bits 5:3, the direction in bit 1. */
enum emu_status emu_alu(struct emu_ctx *ctx)
{
	int op = (ctx->opcode >> 3) & 7;
	enum emu_status st;
	u64 a, b, flags;

	if (!(ctx->opcode & 2))
		return alu_to_rm(ctx, op, emu_get_reg(ctx, ctx->reg, ctx->bytes));
	st = emu_read_rm(ctx, &b, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	a = alu(ctx, op, emu_get_reg(ctx, ctx->reg, ctx->bytes), b, &flags);
	if (op != CMP)
		emu_set_reg(ctx, ctx->reg, a, ctx->bytes);
	emu_set_flags(ctx, ARITH_FLAGS, flags);
	return emu_finish(ctx);
}

enum emu_status emu_group1(struct emu_ctx *ctx)
{
	int op = ctx->reg & 7;

	if (op == CMP && ctx->lock)
		return raise(ctx, X86_TRAP_UD);
	return alu_to_rm(ctx, op, ctx->imm);
}

static enum emu_status test_rm(struct emu_ctx *ctx, u64 src)
{
	enum emu_status st;
	u64 value;

	st = emu_read_rm(ctx, &value, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	emu_set_flags(ctx, ARITH_FLAGS, emu_result_flags(value & src, ctx->bytes));
	return emu_finish(ctx);
}

enum emu_status emu_test(struct emu_ctx *ctx)
{
	return test_rm(ctx, emu_get_reg(ctx, ctx->reg, ctx->bytes));
}

/* NOT, NEG, INC and DEC: one operand, read, changed and written. */
static enum emu_status change_rm(struct emu_ctx *ctx, u64 which, u64 (*fn)(u64, u8, u64 *))
{
	u64 old, new, flags = 0;
	enum emu_status st;

	st = emu_read_rm(ctx, &old, ctx->bytes, true);
	if (st != EMU_OK)
		return st;
	new = fn(old, ctx->bytes, &flags);
	st = emu_replace_rm(ctx, old, new, ctx->lock);
	if (st != EMU_OK)
		return st;
	emu_set_flags(ctx, which, flags);
	return emu_finish(ctx);
}

static u64 not_fn(u64 v, u8 bytes, u64 *flags)
{
	return ~v & mask_of(bytes);
}

static u64 neg_fn(u64 v, u8 bytes, u64 *flags)
{
	return emu_sub(0, v, false, bytes, flags);
}

static u64 inc_fn(u64 v, u8 bytes, u64 *flags)
{
	return add(v, 1, false, bytes, flags);
}

static u64 dec_fn(u64 v, u8 bytes, u64 *flags)
{
	return emu_sub(v, 1, false, bytes, flags);
}

enum emu_status emu_group3(struct emu_ctx *ctx)
{
	switch (ctx->reg & 7) {
	case 0:
	case 1:
		return ctx->lock ? raise(ctx, X86_TRAP_UD) : test_rm(ctx, ctx->imm);
	case 2:
		return change_rm(ctx, 0, not_fn);
	case 3:
		return change_rm(ctx, ARITH_FLAGS, neg_fn);
	}
	if (ctx->lock)
		return raise(ctx, X86_TRAP_UD);
	return (ctx->reg & 2) ? emu_divide(ctx, ctx->reg & 1) : emu_multiply(ctx, ctx->reg & 1);
}

static enum emu_status jump_rm(struct emu_ctx *ctx, bool call)
{
	u64 next = ctx->rip + ctx->insn_len, target;
	enum emu_status st;

	st = emu_read_rm(ctx, &target, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	if (ctx->mode64 ? !is_canonical(target) : target > ctx->seg[EMU_CS].limit)
		return raise_error(ctx, X86_TRAP_GP, 0);
	if (call)
		st = push(ctx, ctx->mode64 ? next : (u32)next);
	if (st != EMU_OK)
		return st;
	emu_finish(ctx);
	ctx->rip = target;
	return EMU_OK;
}

enum emu_status emu_push_rm(struct emu_ctx *ctx)
{
	enum emu_status st;
	u64 value;

	st = emu_read_rm(ctx, &value, ctx->bytes, false);
	if (st == EMU_OK)
		st = push(ctx, value);
	return st == EMU_OK ? emu_finish(ctx) : st;
}

enum emu_status emu_group45(struct emu_ctx *ctx)
{
	u64 all_but_carry = ARITH_FLAGS & ~(u64)X86_EFLAGS_CF;
	int op = ctx->reg & 7;

	if (op == 0)
		return change_rm(ctx, all_but_carry, inc_fn);
	if (op == 1)
		return change_rm(ctx, all_but_carry, dec_fn);
	if (ctx->lock || (ctx->row->flags & BYTE))
		return raise(ctx, X86_TRAP_UD);
	/* PUSH can be narrow in 64-bit mode, near branches cannot */
	if (ctx->mode64 && (ctx->bytes == 4 || op == 2 || op == 4))
		ctx->bytes = 8;
	if (op == 2 || op == 4)
		return jump_rm(ctx, op == 2);
	return op == 6 ? emu_push_rm(ctx) : EMU_UNHANDLED;
}

enum emu_status emu_push_imm(struct emu_ctx *ctx)
{
	enum emu_status st = push(ctx, ctx->imm);

	return st == EMU_OK ? emu_finish(ctx) : st;
}

/* POP: an address that uses RSP uses the value after the pop. */
enum emu_status emu_pop_rm(struct emu_ctx *ctx)
{
	unsigned int width = stack_bytes(ctx);
	enum emu_status st;
	u64 value = 0;

	if ((ctx->row->flags & MODRM) && (ctx->reg & 7))
		return EMU_UNHANDLED;
	st = emu_read_seg(ctx, EMU_SS, ctx->gpr[RSP] & mask_of(width), &value, ctx->bytes, false);
	if (st == EMU_OK && !ctx->has_mem)
		emu_add_reg(ctx, RSP, ctx->bytes, width);
	if (st == EMU_OK)
		st = emu_write_rm(ctx, value, ctx->bytes);
	if (st != EMU_OK)
		return st;
	if (ctx->has_mem)
		emu_add_reg(ctx, RSP, ctx->bytes, width);
	return emu_finish(ctx);
}

enum emu_status emu_mov_to_rm(struct emu_ctx *ctx)
{
	enum emu_status st = emu_write_rm(ctx, emu_get_reg(ctx, ctx->reg, ctx->bytes), ctx->bytes);

	return st == EMU_OK ? emu_finish(ctx) : st;
}

/* MOVNTI, MOVDIRI: 4 or 8 bytes, in 16-bit code too; no form has 66, F2 or F3. */
enum emu_status emu_movnti(struct emu_ctx *ctx)
{
	if (ctx->opsize_prefix || ctx->rep)
		return EMU_UNHANDLED;
	if (ctx->bytes == 2)
		ctx->bytes = 4;
	return emu_mov_to_rm(ctx);
}

enum emu_status emu_mov_to_reg(struct emu_ctx *ctx)
{
	enum emu_status st;
	u64 value;

	st = emu_read_rm(ctx, &value, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	emu_set_reg(ctx, ctx->reg, value, ctx->bytes);
	return emu_finish(ctx);
}

enum emu_status emu_mov_imm(struct emu_ctx *ctx)
{
	enum emu_status st;

	if (ctx->reg & 7)
		return EMU_UNHANDLED;
	st = emu_write_rm(ctx, ctx->imm, ctx->bytes);
	return st == EMU_OK ? emu_finish(ctx) : st;
}

/* MOVZX and MOVSX: opcode bit 0 is the size of the source, bit 3 the sign. */
enum emu_status emu_mov_extend(struct emu_ctx *ctx)
{
	unsigned int bytes = (ctx->opcode & 1) ? 2 : 1;
	enum emu_status st;
	u64 value;

	st = emu_read_rm(ctx, &value, bytes, false);
	if (st != EMU_OK)
		return st;
	if (ctx->opcode & 8)
		value = sign_extend(value, bytes);
	emu_set_reg(ctx, ctx->reg, value, ctx->bytes);
	return emu_finish(ctx);
}

enum emu_status emu_movsxd(struct emu_ctx *ctx)
{
	unsigned int bytes = ctx->bytes == 2 ? 2 : 4;
	enum emu_status st;
	u64 value;

	if (!ctx->mode64)
		return EMU_UNHANDLED;	/* ARPL */
	st = emu_read_rm(ctx, &value, bytes, false);
	if (st != EMU_OK)
		return st;
	emu_set_reg(ctx, ctx->reg, sign_extend(value, bytes), ctx->bytes);
	return emu_finish(ctx);
}

static u64 swap_bytes(u64 v, unsigned int bytes)
{
	u64 r = 0;

	while (bytes--) {
		r = r << 8 | (v & 0xff);
		v >>= 8;
	}
	return r;
}

enum emu_status emu_movbe(struct emu_ctx *ctx)
{
	enum emu_status st;
	u64 value;

	if (ctx->rep)
		return EMU_UNHANDLED;	/* CRC32 */
	if (ctx->opcode & 1) {
		value = swap_bytes(emu_get_reg(ctx, ctx->reg, ctx->bytes), ctx->bytes);
		st = emu_write_rm(ctx, value, ctx->bytes);
	} else {
		st = emu_read_rm(ctx, &value, ctx->bytes, false);
		if (st == EMU_OK)
			emu_set_reg(ctx, ctx->reg, swap_bytes(value, ctx->bytes), ctx->bytes);
	}
	return st == EMU_OK ? emu_finish(ctx) : st;
}

enum emu_status emu_xlat(struct emu_ctx *ctx)
{
	u64 offset = (ctx->gpr[RBX] + (u8)ctx->gpr[RAX]) & mask_of(ctx->addr_bytes);
	enum emu_status st;
	u64 value = 0;

	st = emu_read_seg(ctx, ctx->mem_seg, offset, &value, 1, false);
	if (st != EMU_OK)
		return st;
	emu_set_reg(ctx, RAX, value, 1);
	return emu_finish(ctx);
}

/* XCHG with memory is locked with or without the prefix. */
enum emu_status emu_xchg(struct emu_ctx *ctx)
{
	u64 old, new = emu_get_reg(ctx, ctx->reg, ctx->bytes);
	enum emu_status st;

	st = emu_read_rm(ctx, &old, ctx->bytes, true);
	if (st == EMU_OK)
		st = emu_replace_rm(ctx, old, new, true);
	if (st != EMU_OK)
		return st;
	emu_set_reg(ctx, ctx->reg, old, ctx->bytes);
	return emu_finish(ctx);
}

enum emu_status emu_xadd(struct emu_ctx *ctx)
{
	u64 old, sum, flags;
	enum emu_status st;

	st = emu_read_rm(ctx, &old, ctx->bytes, true);
	if (st != EMU_OK)
		return st;
	sum = add(old, emu_get_reg(ctx, ctx->reg, ctx->bytes), false, ctx->bytes, &flags);
	if (ctx->has_mem) {
		st = emu_replace_rm(ctx, old, sum, ctx->lock);
		if (st != EMU_OK)
			return st;
		emu_set_reg(ctx, ctx->reg, old, ctx->bytes);
	} else {
		/* with both the same register, the sum is what stays */
		emu_set_reg(ctx, ctx->reg, old, ctx->bytes);
		emu_set_reg(ctx, ctx->rm, sum, ctx->bytes);
	}
	emu_set_flags(ctx, ARITH_FLAGS, flags);
	return emu_finish(ctx);
}

/* The destination is written in any case: with what it held if it differed. */
enum emu_status emu_cmpxchg(struct emu_ctx *ctx)
{
	u64 old, flags, accumulator = emu_get_reg(ctx, RAX, ctx->bytes);
	enum emu_status st;
	bool equal;

	st = emu_read_rm(ctx, &old, ctx->bytes, true);
	if (st != EMU_OK)
		return st;
	emu_sub(accumulator, old, false, ctx->bytes, &flags);
	equal = old == accumulator;
	if (equal || ctx->has_mem)
		st = emu_replace_rm(ctx, old,
				    equal ? emu_get_reg(ctx, ctx->reg, ctx->bytes) : old,
				    ctx->lock);
	if (st != EMU_OK)
		return st;
	if (!equal)
		emu_set_reg(ctx, RAX, old, ctx->bytes);
	emu_set_flags(ctx, ARITH_FLAGS, flags);
	return emu_finish(ctx);
}

/* CMPXCHG8B, and CMPXCHG16B, whose operand must be aligned. */
enum emu_status emu_cmpxchg8b(struct emu_ctx *ctx)
{
	unsigned int half = ctx->bytes == 8 ? 8 : 4;
	u64 found[2] = { }, old[2], new[2];
	enum emu_status st;
	bool equal;
	u64 addr;

	if ((ctx->reg & 7) != 1)
		return EMU_UNHANDLED;
	if (half == 8)
		st = emu_linear_aligned(ctx, &addr, 16, true);
	else
		st = emu_linear(ctx, ctx->mem_seg, ctx->offset, 8, true, &addr);
	if (st == EMU_OK)
		st = ctx->ops->read(ctx, addr, found, 2 * half, true);
	if (st != EMU_OK)
		return st;
	old[0] = half == 8 ? found[0] : (u32)found[0];
	old[1] = half == 8 ? found[1] : found[0] >> 32;
	equal = old[0] == emu_get_reg(ctx, RAX, half) && old[1] == emu_get_reg(ctx, RDX, half);
	new[0] = emu_get_reg(ctx, RBX, half);
	new[1] = emu_get_reg(ctx, RCX, half);
	if (half == 4)
		new[0] |= new[1] << 32;
	st = replace(ctx, addr, found, equal ? new : found, 2 * half, ctx->lock);
	if (st != EMU_OK)
		return st;
	if (!equal) {
		emu_set_reg(ctx, RAX, old[0], half);
		emu_set_reg(ctx, RDX, old[1], half);
	}
	emu_set_flags(ctx, X86_EFLAGS_ZF, equal ? X86_EFLAGS_ZF : 0);
	return emu_finish(ctx);
}

static bool condition(const struct emu_ctx *ctx, int cc)
{
	u64 f = ctx->rflags;
	bool less = !(f & X86_EFLAGS_SF) != !(f & X86_EFLAGS_OF);
	bool value = false;

	switch (cc >> 1) {
	case 0:
		value = f & X86_EFLAGS_OF;
		break;
	case 1:
		value = f & X86_EFLAGS_CF;
		break;
	case 2:
		value = f & X86_EFLAGS_ZF;
		break;
	case 3:
		value = f & (X86_EFLAGS_CF | X86_EFLAGS_ZF);
		break;
	case 4:
		value = f & X86_EFLAGS_SF;
		break;
	case 5:
		value = f & X86_EFLAGS_PF;
		break;
	case 6:
		value = less;
		break;
	case 7:
		value = less || (f & X86_EFLAGS_ZF);
		break;
	}
	return value != (cc & 1);
}

enum emu_status emu_setcc(struct emu_ctx *ctx)
{
	enum emu_status st = emu_write_rm(ctx, condition(ctx, ctx->opcode & 15), 1);

	return st == EMU_OK ? emu_finish(ctx) : st;
}

/* The source is read, and a 32-bit destination cleared above, in any case. */
enum emu_status emu_cmovcc(struct emu_ctx *ctx)
{
	enum emu_status st;
	u64 value;

	st = emu_read_rm(ctx, &value, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	if (!condition(ctx, ctx->opcode & 15))
		value = emu_get_reg(ctx, ctx->reg, ctx->bytes);
	emu_set_reg(ctx, ctx->reg, value, ctx->bytes);
	return emu_finish(ctx);
}

/* Prefetches, cache line flushes and NOPs with an operand touch nothing. */
enum emu_status emu_nothing(struct emu_ctx *ctx)
{
	return emu_finish(ctx);
}

enum emu_status emu_execute(struct emu_ctx *ctx)
{
	if (!ctx->row)
		return EMU_UNHANDLED;
	if ((ctx->row->flags & STRING) && !emu_rep_count(ctx))
		return emu_finish(ctx);
	return ctx->row->fn(ctx);
}
