// SPDX-License-Identifier: GPL-2.0
/*
 * emulate.c - instructions that touch a device by memory or by a string of port
 * accesses, carried out in software.  First the decoder, driven by two opcode
 * tables at the end; then what each row does.  Every instruction reads all it
 * needs before it changes anything, so that it can be stopped at any callback
 * and run again.  SDM vol. 2; segment checks vol. 3A 5.3 and 5.5.
 *
 * What is not in the tables is EMU_UNHANDLED: far transfers, system
 * instructions, x87, and arithmetic on vectors.
 */
#ifdef __KERNEL__
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#else
#include "shim.h"
#endif

#include "emulate.h"

#define PAGE_BYTES	4096u

#define ARITH_FLAGS (X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | \
		     X86_EFLAGS_ZF | X86_EFLAGS_SF | X86_EFLAGS_OF)

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

/* Access rights of a segment. */
#define AR_TYPE(ar)	((ar) & 15)
#define AR_CODE		BIT(3)		/* of the type */
#define AR_DOWN		BIT(2)		/* data: expand-down */
#define AR_WRITABLE	BIT(1)		/* data */
#define AR_READABLE	BIT(1)		/* code */
#define AR_LONG		BIT(13)
#define AR_DB		BIT(14)
#define AR_UNUSABLE	BIT(16)

/* How an opcode is decoded. */
#define MODRM	BIT(0)
#define BYTE	BIT(1)		/* operand size 1 */
#define IMM8	BIT(2)		/* sign-extended */
#define IMMZ	BIT(3)		/* operand size, at most 4, sign-extended */
#define MOFFS	BIT(4)		/* the address is in the instruction */
#define D64	BIT(5)		/* operand size 8 in 64-bit mode */
#define LOCKS	BIT(6)		/* LOCK is legal with a memory destination */
#define MEMONLY	BIT(7)
#define STRING	BIT(8)		/* takes REP */
#define PREFIX	BIT(9)		/* 66, F2 and F3 select the instruction */
#define OPREG	BIT(10)		/* a register in the opcode's low bits, as rm */

struct emu_row {
	enum emu_status (*fn)(struct emu_ctx *ctx);
	u16 flags;
};

static enum emu_status raise(struct emu_ctx *ctx, u8 vector)
{
	ctx->fault = (struct emu_fault) { .vector = vector };
	return EMU_FAULT;
}

static enum emu_status raise_error(struct emu_ctx *ctx, u8 vector, u32 error)
{
	ctx->fault = (struct emu_fault) {
		.vector = vector, .has_error = true, .error = error,
	};
	return EMU_FAULT;
}

/* Registers and values by size */

static u64 mask_of(unsigned int bytes)
{
	return bytes >= 8 ? ~0ull : (1ull << (8 * bytes)) - 1;
}

static u64 sign_of(unsigned int bytes)
{
	return 1ull << (8 * bytes - 1);
}

static u64 sign_extend(u64 value, unsigned int bytes)
{
	u64 sign = sign_of(bytes);

	value &= mask_of(bytes);
	return (value ^ sign) - sign;
}

/* AH to BH exist only without a REX prefix. */
static bool is_high_byte(const struct emu_ctx *ctx, unsigned int reg, unsigned int bytes)
{
	return bytes == 1 && reg >= 4 && reg < 8 && !ctx->rex;
}

static u64 get_reg(const struct emu_ctx *ctx, unsigned int reg, unsigned int bytes)
{
	if (is_high_byte(ctx, reg, bytes))
		return (ctx->gpr[reg - 4] >> 8) & 0xff;
	return ctx->gpr[reg & 15] & mask_of(bytes);
}

/* A 32-bit result clears the upper half, narrower ones keep what is above. */
static void set_reg(struct emu_ctx *ctx, unsigned int reg, u64 value, unsigned int bytes)
{
	u64 *r;

	if (is_high_byte(ctx, reg, bytes)) {
		r = &ctx->gpr[reg - 4];
		*r = (*r & ~0xff00ull) | (value & 0xff) << 8;
		ctx->gpr_dirty |= BIT(reg - 4);
		return;
	}
	r = &ctx->gpr[reg & 15];
	if (bytes == 4)
		*r = (u32)value;
	else
		*r = (*r & ~mask_of(bytes)) | (value & mask_of(bytes));
	ctx->gpr_dirty |= BIT(reg & 15);
}

static void add_reg(struct emu_ctx *ctx, unsigned int reg, s64 delta, unsigned int bytes)
{
	set_reg(ctx, reg, ctx->gpr[reg] + delta, bytes);
}

static void set_flags(struct emu_ctx *ctx, u64 which, u64 flags)
{
	ctx->rflags = (ctx->rflags & ~which) | (flags & which);
}

static enum emu_status finish(struct emu_ctx *ctx)
{
	u64 rip = ctx->rip + ctx->insn_len;

	ctx->rip = ctx->mode64 ? rip : (u32)rip;
	ctx->rflags &= ~(u64)X86_EFLAGS_RF;
	return EMU_OK;
}

/* Memory */

static bool is_canonical(u64 addr)
{
	return (u64)((s64)(addr << 16) >> 16) == addr;
}

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

static enum emu_status linear(struct emu_ctx *ctx, int seg, u64 offset, unsigned int len,
			      bool write, u64 *addr)
{
	const struct emu_seg *s = &ctx->seg[seg];

	if (ctx->mode64) {
		*addr = offset + (seg >= EMU_FS ? s->base : 0);
		if (!is_canonical(*addr) || !is_canonical(*addr + len - 1))
			return segment_fault(ctx, seg);
		return EMU_OK;
	}
	if (!segment_allows(ctx, s, write) || !in_limit(s, offset, (u32)offset + len - 1))
		return segment_fault(ctx, seg);
	*addr = (u32)(s->base + offset);
	return EMU_OK;
}

static enum emu_status read_seg(struct emu_ctx *ctx, int seg, u64 offset, void *buf,
				unsigned int len, bool write_intent)
{
	enum emu_status st;
	u64 addr;

	st = linear(ctx, seg, offset, len, write_intent, &addr);
	return st == EMU_OK ? ctx->ops->read(ctx, addr, buf, len, write_intent) : st;
}

static enum emu_status write_seg(struct emu_ctx *ctx, int seg, u64 offset, const void *buf,
				 unsigned int len)
{
	enum emu_status st;
	u64 addr;

	st = linear(ctx, seg, offset, len, true, &addr);
	return st == EMU_OK ? ctx->ops->write(ctx, addr, buf, len) : st;
}

/* The operand that ModRM names: a register or memory. */
static enum emu_status read_rm(struct emu_ctx *ctx, u64 *value, unsigned int bytes,
			       bool write_intent)
{
	*value = 0;
	if (ctx->has_mem)
		return read_seg(ctx, ctx->mem_seg, ctx->offset, value, bytes, write_intent);
	*value = get_reg(ctx, ctx->rm, bytes);
	return EMU_OK;
}

static enum emu_status write_rm(struct emu_ctx *ctx, u64 value, unsigned int bytes)
{
	if (ctx->has_mem)
		return write_seg(ctx, ctx->mem_seg, ctx->offset, &value, bytes);
	set_reg(ctx, ctx->rm, value, bytes);
	return EMU_OK;
}

/*
 * Replace old by new where ModRM points.  A locked instruction that lost a race
 * is given back to the guest to try again, with nothing changed.
 */
static enum emu_status replace_rm(struct emu_ctx *ctx, u64 old, u64 new, bool locked)
{
	enum emu_status st;
	bool swapped;
	u64 addr;

	if (!locked || !ctx->has_mem)
		return write_rm(ctx, new, ctx->bytes);
	st = linear(ctx, ctx->mem_seg, ctx->offset, ctx->bytes, true, &addr);
	if (st == EMU_OK)
		st = ctx->ops->cmpxchg(ctx, addr, &old, &new, ctx->bytes, &swapped);
	return st == EMU_OK && !swapped ? EMU_REP : st;
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
	enum emu_status st = write_seg(ctx, EMU_SS, rsp, &value, ctx->bytes);

	if (st == EMU_OK)
		add_reg(ctx, RSP, -(s64)ctx->bytes, width);
	return st;
}

/* Flags */

static u64 result_flags(u64 r, unsigned int bytes)
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

static u64 do_add(u64 a, u64 b, bool carry, unsigned int bytes, u64 *flags)
{
	u64 m = mask_of(bytes), r = (a + b + carry) & m;

	a &= m;
	b &= m;
	*flags = result_flags(r, bytes) | ((a ^ b ^ r) & X86_EFLAGS_AF);
	if (r < a || (carry && r == a))
		*flags |= X86_EFLAGS_CF;
	if ((a ^ r) & (b ^ r) & sign_of(bytes))
		*flags |= X86_EFLAGS_OF;
	return r;
}

static u64 do_sub(u64 a, u64 b, bool borrow, unsigned int bytes, u64 *flags)
{
	u64 m = mask_of(bytes), r = (a - b - borrow) & m;

	a &= m;
	b &= m;
	*flags = result_flags(r, bytes) | ((a ^ b ^ r) & X86_EFLAGS_AF);
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
		return do_add(a, b, false, ctx->bytes, flags);
	case ADC:
		return do_add(a, b, carry, ctx->bytes, flags);
	case SBB:
		return do_sub(a, b, carry, ctx->bytes, flags);
	case SUB:
	case CMP:
		return do_sub(a, b, false, ctx->bytes, flags);
	case OR:
		r = a | b;
		break;
	case AND:
		r = a & b;
		break;
	default:
		r = a ^ b;
	}
	*flags = result_flags(r, ctx->bytes);
	return r & mask_of(ctx->bytes);
}

/* One operation with the ModRM operand as destination. */
static enum emu_status alu_to_rm(struct emu_ctx *ctx, int op, u64 src)
{
	enum emu_status st;
	u64 old, new, flags;

	st = read_rm(ctx, &old, ctx->bytes, op != CMP);
	if (st != EMU_OK)
		return st;
	new = alu(ctx, op, old, src, &flags);
	if (op != CMP)
		st = replace_rm(ctx, old, new, ctx->lock);
	if (st != EMU_OK)
		return st;
	set_flags(ctx, ARITH_FLAGS, flags);
	return finish(ctx);
}

/* 00 to 3f: the operation is in bits 5:3, the direction in bit 1. */
static enum emu_status do_alu(struct emu_ctx *ctx)
{
	int op = (ctx->opcode >> 3) & 7;
	enum emu_status st;
	u64 a, b, flags;

	if (!(ctx->opcode & 2))
		return alu_to_rm(ctx, op, get_reg(ctx, ctx->reg, ctx->bytes));
	st = read_rm(ctx, &b, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	a = alu(ctx, op, get_reg(ctx, ctx->reg, ctx->bytes), b, &flags);
	if (op != CMP)
		set_reg(ctx, ctx->reg, a, ctx->bytes);
	set_flags(ctx, ARITH_FLAGS, flags);
	return finish(ctx);
}

static enum emu_status do_group1(struct emu_ctx *ctx)
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

	st = read_rm(ctx, &value, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	set_flags(ctx, ARITH_FLAGS, result_flags(value & src, ctx->bytes));
	return finish(ctx);
}

static enum emu_status do_test(struct emu_ctx *ctx)
{
	return test_rm(ctx, get_reg(ctx, ctx->reg, ctx->bytes));
}

/* NOT, NEG, INC and DEC: one operand, read, changed and written. */
static enum emu_status change_rm(struct emu_ctx *ctx, u64 which, u64 (*fn)(u64, u8, u64 *))
{
	u64 old, new, flags = 0;
	enum emu_status st;

	st = read_rm(ctx, &old, ctx->bytes, true);
	if (st != EMU_OK)
		return st;
	new = fn(old, ctx->bytes, &flags);
	st = replace_rm(ctx, old, new, ctx->lock);
	if (st != EMU_OK)
		return st;
	set_flags(ctx, which, flags);
	return finish(ctx);
}

static u64 not_fn(u64 v, u8 bytes, u64 *flags)
{
	return ~v & mask_of(bytes);
}

static u64 neg_fn(u64 v, u8 bytes, u64 *flags)
{
	return do_sub(0, v, false, bytes, flags);
}

static u64 inc_fn(u64 v, u8 bytes, u64 *flags)
{
	return do_add(v, 1, false, bytes, flags);
}

static u64 dec_fn(u64 v, u8 bytes, u64 *flags)
{
	return do_sub(v, 1, false, bytes, flags);
}

static enum emu_status do_group3(struct emu_ctx *ctx)
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
	return EMU_UNHANDLED;
}

static enum emu_status jump_rm(struct emu_ctx *ctx, bool call)
{
	u64 next = ctx->rip + ctx->insn_len, target;
	enum emu_status st;

	st = read_rm(ctx, &target, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	if (ctx->mode64 ? !is_canonical(target) : target > ctx->seg[EMU_CS].limit)
		return raise_error(ctx, X86_TRAP_GP, 0);
	if (call)
		st = push(ctx, ctx->mode64 ? next : (u32)next);
	if (st != EMU_OK)
		return st;
	finish(ctx);
	ctx->rip = target;
	return EMU_OK;
}

static enum emu_status push_rm(struct emu_ctx *ctx)
{
	enum emu_status st;
	u64 value;

	st = read_rm(ctx, &value, ctx->bytes, false);
	if (st == EMU_OK)
		st = push(ctx, value);
	return st == EMU_OK ? finish(ctx) : st;
}

static enum emu_status do_group45(struct emu_ctx *ctx)
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
	return op == 6 ? push_rm(ctx) : EMU_UNHANDLED;
}

static enum emu_status do_push_imm(struct emu_ctx *ctx)
{
	enum emu_status st = push(ctx, ctx->imm);

	return st == EMU_OK ? finish(ctx) : st;
}

/* POP: an address that uses RSP uses the value after the pop. */
static enum emu_status do_pop_rm(struct emu_ctx *ctx)
{
	unsigned int width = stack_bytes(ctx);
	enum emu_status st;
	u64 value = 0;

	if ((ctx->row->flags & MODRM) && (ctx->reg & 7))
		return EMU_UNHANDLED;
	st = read_seg(ctx, EMU_SS, ctx->gpr[RSP] & mask_of(width), &value, ctx->bytes, false);
	if (st == EMU_OK && !ctx->has_mem)
		add_reg(ctx, RSP, ctx->bytes, width);
	if (st == EMU_OK)
		st = write_rm(ctx, value, ctx->bytes);
	if (st != EMU_OK)
		return st;
	if (ctx->has_mem)
		add_reg(ctx, RSP, ctx->bytes, width);
	return finish(ctx);
}

static enum emu_status do_mov_to_rm(struct emu_ctx *ctx)
{
	enum emu_status st = write_rm(ctx, get_reg(ctx, ctx->reg, ctx->bytes), ctx->bytes);

	return st == EMU_OK ? finish(ctx) : st;
}

/* Four or eight bytes, in 16-bit code too; no form has 66, F2 or F3. */
static enum emu_status do_movnti(struct emu_ctx *ctx)
{
	if (ctx->opsize_prefix || ctx->rep)
		return EMU_UNHANDLED;
	if (ctx->bytes == 2)
		ctx->bytes = 4;
	return do_mov_to_rm(ctx);
}

static enum emu_status do_mov_to_reg(struct emu_ctx *ctx)
{
	enum emu_status st;
	u64 value;

	st = read_rm(ctx, &value, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	set_reg(ctx, ctx->reg, value, ctx->bytes);
	return finish(ctx);
}

static enum emu_status do_mov_imm(struct emu_ctx *ctx)
{
	enum emu_status st;

	if (ctx->reg & 7)
		return EMU_UNHANDLED;
	st = write_rm(ctx, ctx->imm, ctx->bytes);
	return st == EMU_OK ? finish(ctx) : st;
}

/* MOVZX and MOVSX: opcode bit 0 is the size of the source, bit 3 the sign. */
static enum emu_status do_mov_extend(struct emu_ctx *ctx)
{
	unsigned int bytes = (ctx->opcode & 1) ? 2 : 1;
	enum emu_status st;
	u64 value;

	st = read_rm(ctx, &value, bytes, false);
	if (st != EMU_OK)
		return st;
	if (ctx->opcode & 8)
		value = sign_extend(value, bytes);
	set_reg(ctx, ctx->reg, value, ctx->bytes);
	return finish(ctx);
}

static enum emu_status do_movsxd(struct emu_ctx *ctx)
{
	unsigned int bytes = ctx->bytes == 2 ? 2 : 4;
	enum emu_status st;
	u64 value;

	if (!ctx->mode64)
		return EMU_UNHANDLED;	/* ARPL */
	st = read_rm(ctx, &value, bytes, false);
	if (st != EMU_OK)
		return st;
	set_reg(ctx, ctx->reg, sign_extend(value, bytes), ctx->bytes);
	return finish(ctx);
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

static enum emu_status do_movbe(struct emu_ctx *ctx)
{
	enum emu_status st;
	u64 value;

	if (ctx->opcode & 1) {
		value = swap_bytes(get_reg(ctx, ctx->reg, ctx->bytes), ctx->bytes);
		st = write_rm(ctx, value, ctx->bytes);
	} else {
		st = read_rm(ctx, &value, ctx->bytes, false);
		if (st == EMU_OK)
			set_reg(ctx, ctx->reg, swap_bytes(value, ctx->bytes), ctx->bytes);
	}
	return st == EMU_OK ? finish(ctx) : st;
}

/* XCHG with memory is locked with or without the prefix. */
static enum emu_status do_xchg(struct emu_ctx *ctx)
{
	u64 old, new = get_reg(ctx, ctx->reg, ctx->bytes);
	enum emu_status st;

	st = read_rm(ctx, &old, ctx->bytes, true);
	if (st == EMU_OK)
		st = replace_rm(ctx, old, new, true);
	if (st != EMU_OK)
		return st;
	set_reg(ctx, ctx->reg, old, ctx->bytes);
	return finish(ctx);
}

static enum emu_status do_xadd(struct emu_ctx *ctx)
{
	u64 old, sum, flags;
	enum emu_status st;

	st = read_rm(ctx, &old, ctx->bytes, true);
	if (st != EMU_OK)
		return st;
	sum = do_add(old, get_reg(ctx, ctx->reg, ctx->bytes), false, ctx->bytes, &flags);
	if (ctx->has_mem) {
		st = replace_rm(ctx, old, sum, ctx->lock);
		if (st != EMU_OK)
			return st;
		set_reg(ctx, ctx->reg, old, ctx->bytes);
	} else {
		/* with both the same register, the sum is what stays */
		set_reg(ctx, ctx->reg, old, ctx->bytes);
		set_reg(ctx, ctx->rm, sum, ctx->bytes);
	}
	set_flags(ctx, ARITH_FLAGS, flags);
	return finish(ctx);
}

/* The destination is written in any case: with what it held if it differed. */
static enum emu_status do_cmpxchg(struct emu_ctx *ctx)
{
	u64 old, flags, accumulator = get_reg(ctx, RAX, ctx->bytes);
	enum emu_status st;
	bool equal;

	st = read_rm(ctx, &old, ctx->bytes, true);
	if (st != EMU_OK)
		return st;
	do_sub(accumulator, old, false, ctx->bytes, &flags);
	equal = old == accumulator;
	if (equal || ctx->has_mem)
		st = replace_rm(ctx, old, equal ? get_reg(ctx, ctx->reg, ctx->bytes) : old,
				ctx->lock);
	if (st != EMU_OK)
		return st;
	if (!equal)
		set_reg(ctx, RAX, old, ctx->bytes);
	set_flags(ctx, ARITH_FLAGS, flags);
	return finish(ctx);
}

/* CMPXCHG8B; its 16-byte form is not for devices. */
static enum emu_status do_cmpxchg8b(struct emu_ctx *ctx)
{
	u64 expected = (u32)ctx->gpr[RAX] | ctx->gpr[RDX] << 32;
	u64 new = (u32)ctx->gpr[RBX] | ctx->gpr[RCX] << 32;
	enum emu_status st;
	u64 old;

	if ((ctx->reg & 7) != 1 || ctx->bytes == 8)
		return EMU_UNHANDLED;
	ctx->bytes = 8;
	st = read_rm(ctx, &old, 8, true);
	if (st == EMU_OK)
		st = replace_rm(ctx, old, old == expected ? new : old, ctx->lock);
	ctx->bytes = 4;
	if (st != EMU_OK)
		return st;
	if (old != expected) {
		set_reg(ctx, RAX, (u32)old, 4);
		set_reg(ctx, RDX, old >> 32, 4);
	}
	set_flags(ctx, X86_EFLAGS_ZF, old == expected ? X86_EFLAGS_ZF : 0);
	return finish(ctx);
}

/* BT, BTS, BTR, BTC: the operation is in two bits of the opcode or of ModRM. */
static enum emu_status bit_op(struct emu_ctx *ctx, int op, unsigned int bit)
{
	enum emu_status st;
	u64 old, new, m = 1ull << bit;

	st = read_rm(ctx, &old, ctx->bytes, op != 0);
	if (st != EMU_OK)
		return st;
	new = op == 1 ? old | m : op == 2 ? old & ~m : old ^ m;
	if (op)
		st = replace_rm(ctx, old, new, ctx->lock);
	if (st != EMU_OK)
		return st;
	set_flags(ctx, X86_EFLAGS_CF, (old & m) ? X86_EFLAGS_CF : 0);
	return finish(ctx);
}

/* With a register, the bit may lie far from the address, to either side. */
static enum emu_status do_bt(struct emu_ctx *ctx)
{
	u64 index = sign_extend(get_reg(ctx, ctx->reg, ctx->bytes), ctx->bytes);
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

static enum emu_status do_bt_imm(struct emu_ctx *ctx)
{
	int op = (ctx->reg & 7) - 4;

	if (op < 0 || (op == 0 && ctx->lock))
		return raise(ctx, X86_TRAP_UD);
	return bit_op(ctx, op, ctx->imm & (8 * ctx->bytes - 1));
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

static enum emu_status do_setcc(struct emu_ctx *ctx)
{
	enum emu_status st = write_rm(ctx, condition(ctx, ctx->opcode & 15), 1);

	return st == EMU_OK ? finish(ctx) : st;
}

/* The source is read, and a 32-bit destination cleared above, in any case. */
static enum emu_status do_cmovcc(struct emu_ctx *ctx)
{
	enum emu_status st;
	u64 value;

	st = read_rm(ctx, &value, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	if (!condition(ctx, ctx->opcode & 15))
		value = get_reg(ctx, ctx->reg, ctx->bytes);
	set_reg(ctx, ctx->reg, value, ctx->bytes);
	return finish(ctx);
}

/* Prefetches, cache line flushes and NOPs with an operand touch nothing. */
static enum emu_status do_nothing(struct emu_ctx *ctx)
{
	return finish(ctx);
}

/* Vector moves: which of the four prefixes (none, 66, F3, F2) an opcode has. */
static bool vector_form(const struct emu_ctx *ctx, bool *aligned)
{
	bool f3 = ctx->rep == 0xf3, p66 = ctx->opsize_prefix && !f3;	/* F3 wins */

	if (ctx->rep == 0xf2)
		return false;
	*aligned = true;
	switch (ctx->opcode) {
	case 0x10: case 0x11:		/* MOVUPS, MOVUPD */
		*aligned = false;
		return !f3;
	case 0x28: case 0x29: case 0x2b:	/* MOVAPS, MOVAPD, MOVNTPS, MOVNTPD */
		return !f3;
	case 0x6f: case 0x7f:		/* MOVDQA, MOVDQU */
		*aligned = p66;
		return p66 || f3;
	default:			/* MOVNTDQ */
		return p66;
	}
}

static enum emu_status do_vector_move(struct emu_ctx *ctx)
{
	unsigned int bytes = ctx->vex_bytes ? ctx->vex_bytes : 16;
	bool to_mem = ctx->opcode & 1 && ctx->opcode != 0x6f;
	enum emu_status st;
	u8 data[32] = { };
	bool aligned;
	u64 addr;

	if (!vector_form(ctx, &aligned))
		return EMU_UNHANDLED;
	if (ctx->opcode == 0x7f)
		to_mem = true;
	st = linear(ctx, ctx->mem_seg, ctx->offset, bytes, to_mem, &addr);
	if (st != EMU_OK)
		return st;
	if (aligned && (addr & (bytes - 1)))
		return raise_error(ctx, X86_TRAP_GP, 0);
	st = to_mem ? ctx->ops->read_xmm(ctx, ctx->reg, data, bytes) :
		      ctx->ops->read(ctx, addr, data, bytes, false);
	if (st == EMU_OK)
		st = to_mem ? ctx->ops->write(ctx, addr, data, bytes) :
			      ctx->ops->write_xmm(ctx, ctx->reg, data,
						  ctx->vex_bytes ? 32 : 16);
	return st == EMU_OK ? finish(ctx) : st;
}

/* Strings */

static u64 rep_count(const struct emu_ctx *ctx)
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
		add_reg(ctx, RCX, -(s64)n, ctx->addr_bytes);
		if (rep_count(ctx) && !stop)
			return EMU_REP;
	}
	return finish(ctx);
}

static enum emu_status do_movs(struct emu_ctx *ctx)
{
	s64 step = string_step(ctx);
	enum emu_status st;
	u64 value = 0;

	st = read_seg(ctx, ctx->mem_seg, string_offset(ctx, RSI), &value, ctx->bytes, false);
	if (st == EMU_OK)
		st = write_seg(ctx, EMU_ES, string_offset(ctx, RDI), &value, ctx->bytes);
	if (st != EMU_OK)
		return st;
	add_reg(ctx, RSI, step, ctx->addr_bytes);
	add_reg(ctx, RDI, step, ctx->addr_bytes);
	return string_done(ctx, 1, false);
}

static enum emu_status do_stos(struct emu_ctx *ctx)
{
	u64 value = ctx->gpr[RAX];
	enum emu_status st;

	st = write_seg(ctx, EMU_ES, string_offset(ctx, RDI), &value, ctx->bytes);
	if (st != EMU_OK)
		return st;
	add_reg(ctx, RDI, string_step(ctx), ctx->addr_bytes);
	return string_done(ctx, 1, false);
}

static enum emu_status do_lods(struct emu_ctx *ctx)
{
	enum emu_status st;
	u64 value = 0;

	st = read_seg(ctx, ctx->mem_seg, string_offset(ctx, RSI), &value, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	set_reg(ctx, RAX, value, ctx->bytes);
	add_reg(ctx, RSI, string_step(ctx), ctx->addr_bytes);
	return string_done(ctx, 1, false);
}

/* CMPS and SCAS end early when ZF is not what the prefix repeats on. */
static enum emu_status compare_done(struct emu_ctx *ctx, u64 a, u64 b)
{
	u64 flags;
	bool equal;

	do_sub(a, b, false, ctx->bytes, &flags);
	set_flags(ctx, ARITH_FLAGS, flags);
	equal = flags & X86_EFLAGS_ZF;
	add_reg(ctx, RDI, string_step(ctx), ctx->addr_bytes);
	return string_done(ctx, 1, equal != (ctx->rep == 0xf3));
}

static enum emu_status do_cmps(struct emu_ctx *ctx)
{
	enum emu_status st;
	u64 a = 0, b = 0;

	st = read_seg(ctx, ctx->mem_seg, string_offset(ctx, RSI), &a, ctx->bytes, false);
	if (st == EMU_OK)
		st = read_seg(ctx, EMU_ES, string_offset(ctx, RDI), &b, ctx->bytes, false);
	if (st != EMU_OK)
		return st;
	add_reg(ctx, RSI, string_step(ctx), ctx->addr_bytes);
	return compare_done(ctx, a, b);
}

static enum emu_status do_scas(struct emu_ctx *ctx)
{
	enum emu_status st;
	u64 b = 0;

	st = read_seg(ctx, EMU_ES, string_offset(ctx, RDI), &b, ctx->bytes, false);
	return st == EMU_OK ? compare_done(ctx, get_reg(ctx, RAX, ctx->bytes), b) : st;
}

/*
 * How many elements of INS or OUTS go at once: as many as lie in one page of
 * plain memory, upwards; one where that is not so, or while the guest steps.
 */
static enum emu_status io_batch(struct emu_ctx *ctx, int seg, u64 offset, bool write, u64 *n)
{
	u64 addr, want = rep_count(ctx), room;
	enum emu_status st;
	bool plain;

	*n = 1;
	st = linear(ctx, seg, offset, ctx->bytes, write, &addr);
	if (st == EMU_OK)
		st = ctx->ops->probe(ctx, addr, ctx->bytes, write, &plain);
	if (st != EMU_OK || !plain || (ctx->rflags & (X86_EFLAGS_DF | X86_EFLAGS_TF)))
		return st;
	room = (PAGE_BYTES - (addr & (PAGE_BYTES - 1))) / ctx->bytes;
	if (want > room)
		want = room;
	/* the address wraps, or the segment ends: one at a time up to there */
	if (want < 2 || offset + want * ctx->bytes - 1 > mask_of(ctx->addr_bytes) ||
	    linear(ctx, seg, offset, want * ctx->bytes, write, &addr) != EMU_OK)
		return EMU_OK;
	*n = want;
	return EMU_OK;
}

static enum emu_status do_ins(struct emu_ctx *ctx)
{
	u64 offset = string_offset(ctx, RDI), n;
	enum emu_status st;

	/* a fault must come before the device has been asked */
	st = io_batch(ctx, EMU_ES, offset, true, &n);
	if (st == EMU_OK)
		st = ctx->ops->pio_in(ctx, ctx->gpr[RDX], ctx->bytes, ctx->io, n);
	if (st == EMU_OK)
		st = write_seg(ctx, EMU_ES, offset, ctx->io, n * ctx->bytes);
	if (st != EMU_OK)
		return st;
	add_reg(ctx, RDI, string_step(ctx) * (s64)n, ctx->addr_bytes);
	return string_done(ctx, n, false);
}

static enum emu_status do_outs(struct emu_ctx *ctx)
{
	u64 offset = string_offset(ctx, RSI), n;
	enum emu_status st;

	st = io_batch(ctx, ctx->mem_seg, offset, false, &n);
	if (st == EMU_OK)
		st = read_seg(ctx, ctx->mem_seg, offset, ctx->io, n * ctx->bytes, false);
	if (st == EMU_OK)
		st = ctx->ops->pio_out(ctx, ctx->gpr[RDX], ctx->bytes, ctx->io, n);
	if (st != EMU_OK)
		return st;
	add_reg(ctx, RSI, string_step(ctx) * (s64)n, ctx->addr_bytes);
	return string_done(ctx, n, false);
}

/* The decoder */

#define ALU_ROWS(base)							\
	[(base) + 0] = { do_alu, MODRM | BYTE | LOCKS },		\
	[(base) + 1] = { do_alu, MODRM | LOCKS },			\
	[(base) + 2] = { do_alu, MODRM | BYTE },			\
	[(base) + 3] = { do_alu, MODRM }

#define EIGHT(base, fn, flags)						\
	[(base) + 0] = { fn, flags }, [(base) + 1] = { fn, flags },	\
	[(base) + 2] = { fn, flags }, [(base) + 3] = { fn, flags },	\
	[(base) + 4] = { fn, flags }, [(base) + 5] = { fn, flags },	\
	[(base) + 6] = { fn, flags }, [(base) + 7] = { fn, flags }

static const struct emu_row one_byte[256] = {
	ALU_ROWS(0x00), ALU_ROWS(0x08), ALU_ROWS(0x10), ALU_ROWS(0x18),
	ALU_ROWS(0x20), ALU_ROWS(0x28), ALU_ROWS(0x30),
	/* CMP has no destination to lock */
	[0x38] = { do_alu, MODRM | BYTE },
	[0x39] = { do_alu, MODRM },
	[0x3a] = { do_alu, MODRM | BYTE },
	[0x3b] = { do_alu, MODRM },
	EIGHT(0x50, push_rm, OPREG | D64),
	EIGHT(0x58, do_pop_rm, OPREG | D64),
	[0x63] = { do_movsxd, MODRM },
	[0x68] = { do_push_imm, IMMZ | D64 },
	[0x6a] = { do_push_imm, IMM8 | D64 },
	[0x6c] = { do_ins, STRING | BYTE },
	[0x6d] = { do_ins, STRING },
	[0x6e] = { do_outs, STRING | BYTE },
	[0x6f] = { do_outs, STRING },
	[0x80] = { do_group1, MODRM | BYTE | IMM8 | LOCKS },
	[0x81] = { do_group1, MODRM | IMMZ | LOCKS },
	[0x83] = { do_group1, MODRM | IMM8 | LOCKS },
	[0x84] = { do_test, MODRM | BYTE },
	[0x85] = { do_test, MODRM },
	[0x86] = { do_xchg, MODRM | BYTE | LOCKS },
	[0x87] = { do_xchg, MODRM | LOCKS },
	[0x88] = { do_mov_to_rm, MODRM | BYTE },
	[0x89] = { do_mov_to_rm, MODRM },
	[0x8a] = { do_mov_to_reg, MODRM | BYTE },
	[0x8b] = { do_mov_to_reg, MODRM },
	[0x8f] = { do_pop_rm, MODRM | D64 },
	[0xa0] = { do_mov_to_reg, MOFFS | BYTE },
	[0xa1] = { do_mov_to_reg, MOFFS },
	[0xa2] = { do_mov_to_rm, MOFFS | BYTE },
	[0xa3] = { do_mov_to_rm, MOFFS },
	[0xa4] = { do_movs, STRING | BYTE },
	[0xa5] = { do_movs, STRING },
	[0xa6] = { do_cmps, STRING | BYTE },
	[0xa7] = { do_cmps, STRING },
	[0xaa] = { do_stos, STRING | BYTE },
	[0xab] = { do_stos, STRING },
	[0xac] = { do_lods, STRING | BYTE },
	[0xad] = { do_lods, STRING },
	[0xae] = { do_scas, STRING | BYTE },
	[0xaf] = { do_scas, STRING },
	[0xc6] = { do_mov_imm, MODRM | BYTE | IMM8 },
	[0xc7] = { do_mov_imm, MODRM | IMMZ },
	[0xf6] = { do_group3, MODRM | BYTE | LOCKS },	/* TEST has an immediate */
	[0xf7] = { do_group3, MODRM | LOCKS },
	[0xfe] = { do_group45, MODRM | BYTE | LOCKS },
	[0xff] = { do_group45, MODRM | LOCKS },
};

#define VECTOR (MODRM | MEMONLY | PREFIX)

static const struct emu_row two_byte[256] = {
	[0x0d] = { do_nothing, MODRM | MEMONLY },
	[0x10] = { do_vector_move, VECTOR },
	[0x11] = { do_vector_move, VECTOR },
	[0x18] = { do_nothing, MODRM },
	[0x1f] = { do_nothing, MODRM },
	[0x28] = { do_vector_move, VECTOR },
	[0x29] = { do_vector_move, VECTOR },
	[0x2b] = { do_vector_move, VECTOR },
	EIGHT(0x40, do_cmovcc, MODRM),
	EIGHT(0x48, do_cmovcc, MODRM),
	[0x6f] = { do_vector_move, VECTOR },
	[0x7f] = { do_vector_move, VECTOR },
	EIGHT(0x90, do_setcc, MODRM | BYTE),
	EIGHT(0x98, do_setcc, MODRM | BYTE),
	[0xa3] = { do_bt, MODRM },
	[0xab] = { do_bt, MODRM | LOCKS },
	[0xb0] = { do_cmpxchg, MODRM | BYTE | LOCKS },
	[0xb1] = { do_cmpxchg, MODRM | LOCKS },
	[0xb3] = { do_bt, MODRM | LOCKS },
	[0xb6] = { do_mov_extend, MODRM },
	[0xb7] = { do_mov_extend, MODRM },
	[0xba] = { do_bt_imm, MODRM | IMM8 | LOCKS },
	[0xbb] = { do_bt, MODRM | LOCKS },
	[0xbe] = { do_mov_extend, MODRM },
	[0xbf] = { do_mov_extend, MODRM },
	[0xc0] = { do_xadd, MODRM | BYTE | LOCKS },
	[0xc1] = { do_xadd, MODRM | LOCKS },
	[0xc3] = { do_movnti, MODRM | MEMONLY | PREFIX },
	[0xc7] = { do_cmpxchg8b, MODRM | MEMONLY | LOCKS },
	[0xe7] = { do_vector_move, VECTOR },
};

static const struct emu_row movbe = { do_movbe, MODRM | MEMONLY };

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

	if (ctx->rex || ctx->lock || ctx->rep || ctx->opsize_prefix)
		return NULL;
	ctx->rex = (~b >> 5) & REX_R;
	if (first == 0xc4) {
		ctx->rex |= (~b >> 5) & (REX_X | REX_B);
		map = b & 0x1f;
		b = take(ctx, c, 1);
	}
	/* vvvv names a register that moves to and from memory do not have */
	if (map != 1 || (b & 0x78) != 0x78)
		return NULL;
	/* eight registers, in modes that have no more */
	ctx->rex = ctx->mode64 ? ctx->rex | 0x40 : 0;
	ctx->vex_bytes = (b & 4) ? 32 : 16;
	ctx->opsize_prefix = (b & 3) == 1;
	ctx->rep = rep_of[b & 3];
	ctx->opcode = take(ctx, c, 1);
	return two_byte[ctx->opcode].fn == do_vector_move ? &two_byte[ctx->opcode] : NULL;
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
	/* F2 makes another instruction of these two */
	return (ctx->opcode & 0xfe) == 0xf0 && !ctx->rep ? &movbe : NULL;
}

static void settle_operand_size(struct emu_ctx *ctx)
{
	u16 flags = ctx->row->flags;
	bool p66 = ctx->opsize_prefix && !(flags & PREFIX);

	if (flags & BYTE)
		ctx->bytes = 1;
	else if (ctx->mode64 && (ctx->rex & REX_W))
		ctx->bytes = 8;
	else if (ctx->mode64)
		ctx->bytes = p66 ? 2 : (flags & D64) ? 8 : 4;
	else
		ctx->bytes = !(ctx->seg[EMU_CS].ar & AR_DB) == !p66 ? 2 : 4;
	/* the string port instructions know no 64-bit size */
	if ((ctx->row->fn == do_ins || ctx->row->fn == do_outs) && ctx->bytes == 8)
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
		offset = ctx->gpr[base[rm]] + (index[rm] < 0 ? 0 : ctx->gpr[index[rm]]);
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
		offset += ctx->gpr[base];
	if (base == RSP || base == RBP)
		ctx->mem_seg = EMU_SS;
	/* POP addresses with the stack pointer that it leaves behind */
	if (base == RSP && ctx->row->fn == do_pop_rm)
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
	if (ctx->row->fn == do_group3 && (ctx->reg & 7) < 2)
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
	if (!(flags & (STRING | PREFIX)))
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

enum emu_status emu_execute(struct emu_ctx *ctx)
{
	if (!ctx->row)
		return EMU_UNHANDLED;
	if ((ctx->row->flags & STRING) && !rep_count(ctx))
		return finish(ctx);
	return ctx->row->fn(ctx);
}
