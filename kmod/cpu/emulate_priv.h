/* SPDX-License-Identifier: GPL-2.0 */
/*
 * emulate_priv.h - shared by the files of the instruction emulator and by nobody
 * else: what a row of the opcode tables says, the words for registers, memory and
 * faults, and one handler for each kind of instruction.
 *
 * Registers and segments are indexed by what the guest's code says, but always
 * through a mask or a type that cannot exceed the array, so that there is no
 * bounds check past which a CPU could speculate.
 */
#ifndef LODGE_CPU_EMULATE_PRIV_H
#define LODGE_CPU_EMULATE_PRIV_H

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
#define SELECT66 BIT(9)		/* 66 selects the instruction, not its operand size */
#define SELECTF	BIT(10)		/* F2 and F3 select the instruction */
#define OPREG	BIT(11)		/* a register in the opcode's low bits, as rm */
#define VEX	BIT(12)		/* has an encoding by VEX */
#define PORT	BIT(13)		/* no operand of 64 bits */
#define POPS	BIT(14)		/* an address with RSP uses what it will be */
#define IMM01	BIT(15)		/* an immediate if the reg field is 0 or 1 */

struct emu_row {
	enum emu_status (*fn)(struct emu_ctx *ctx);
	u16 flags;
};

static inline enum emu_status raise(struct emu_ctx *ctx, u8 vector)
{
	ctx->fault = (struct emu_fault) { .vector = vector };
	return EMU_FAULT;
}

static inline enum emu_status raise_error(struct emu_ctx *ctx, u8 vector, u32 error)
{
	ctx->fault = (struct emu_fault) {
		.vector = vector, .has_error = true, .error = error,
	};
	return EMU_FAULT;
}

static inline u64 mask_of(unsigned int bytes)
{
	return bytes >= 8 ? ~0ull : (1ull << (8 * bytes)) - 1;
}

static inline u64 sign_of(unsigned int bytes)
{
	return 1ull << (8 * bytes - 1);
}

static inline u64 sign_extend(u64 value, unsigned int bytes)
{
	u64 sign = sign_of(bytes);

	value &= mask_of(bytes);
	return (value ^ sign) - sign;
}

static inline bool is_canonical(u64 addr)
{
	return (u64)((s64)(addr << 16) >> 16) == addr;
}

/* emulate.c: registers */
u64 emu_get_reg(const struct emu_ctx *ctx, unsigned int reg, unsigned int bytes);
void emu_set_reg(struct emu_ctx *ctx, unsigned int reg, u64 value, unsigned int bytes);
void emu_add_reg(struct emu_ctx *ctx, unsigned int reg, s64 delta, unsigned int bytes);
void emu_set_flags(struct emu_ctx *ctx, u64 which, u64 flags);
/* on to the next instruction; always EMU_OK */
enum emu_status emu_finish(struct emu_ctx *ctx);

/* emulate.c: memory, and the operand that ModRM names */
enum emu_status emu_linear(struct emu_ctx *ctx, int seg, u64 offset, unsigned int len,
			   bool write, u64 *addr);
/* of the ModRM operand, which must be aligned to its size: #GP */
enum emu_status emu_linear_aligned(struct emu_ctx *ctx, u64 *addr, unsigned int len, bool write);
enum emu_status emu_read_seg(struct emu_ctx *ctx, int seg, u64 offset, void *buf,
			     unsigned int len, bool write_intent);
enum emu_status emu_write_seg(struct emu_ctx *ctx, int seg, u64 offset, const void *buf,
			      unsigned int len);
enum emu_status emu_read_rm(struct emu_ctx *ctx, u64 *value, unsigned int bytes,
			    bool write_intent);
enum emu_status emu_write_rm(struct emu_ctx *ctx, u64 value, unsigned int bytes);
enum emu_status emu_replace_rm(struct emu_ctx *ctx, u64 old, u64 new, bool locked);

/* emulate.c: arithmetic */
u64 emu_result_flags(u64 r, unsigned int bytes);
u64 emu_sub(u64 a, u64 b, bool borrow, unsigned int bytes, u64 *flags);

/* emulate_string.c: iterations that are left, or 1 without REP */
u64 emu_rep_count(const struct emu_ctx *ctx);

/* emulate_bits.c: of F6 and F7, /4 to /7 */
enum emu_status emu_multiply(struct emu_ctx *ctx, bool is_signed);
enum emu_status emu_divide(struct emu_ctx *ctx, bool is_signed);

/* The handlers, in the order of the files. */
enum emu_status emu_alu(struct emu_ctx *ctx);
enum emu_status emu_group1(struct emu_ctx *ctx);
enum emu_status emu_test(struct emu_ctx *ctx);
enum emu_status emu_group3(struct emu_ctx *ctx);
enum emu_status emu_push_rm(struct emu_ctx *ctx);
enum emu_status emu_group45(struct emu_ctx *ctx);
enum emu_status emu_push_imm(struct emu_ctx *ctx);
enum emu_status emu_pop_rm(struct emu_ctx *ctx);
enum emu_status emu_mov_to_rm(struct emu_ctx *ctx);
enum emu_status emu_movnti(struct emu_ctx *ctx);
enum emu_status emu_mov_to_reg(struct emu_ctx *ctx);
enum emu_status emu_mov_imm(struct emu_ctx *ctx);
enum emu_status emu_mov_extend(struct emu_ctx *ctx);
enum emu_status emu_movsxd(struct emu_ctx *ctx);
enum emu_status emu_movbe(struct emu_ctx *ctx);
enum emu_status emu_xlat(struct emu_ctx *ctx);
enum emu_status emu_xchg(struct emu_ctx *ctx);
enum emu_status emu_xadd(struct emu_ctx *ctx);
enum emu_status emu_cmpxchg(struct emu_ctx *ctx);
enum emu_status emu_cmpxchg8b(struct emu_ctx *ctx);
enum emu_status emu_setcc(struct emu_ctx *ctx);
enum emu_status emu_cmovcc(struct emu_ctx *ctx);
enum emu_status emu_nothing(struct emu_ctx *ctx);

enum emu_status emu_bt(struct emu_ctx *ctx);
enum emu_status emu_bt_imm(struct emu_ctx *ctx);
enum emu_status emu_scan(struct emu_ctx *ctx);
enum emu_status emu_popcnt(struct emu_ctx *ctx);
enum emu_status emu_shift(struct emu_ctx *ctx);
enum emu_status emu_shift_double(struct emu_ctx *ctx);
enum emu_status emu_imul(struct emu_ctx *ctx);

enum emu_status emu_vector_move(struct emu_ctx *ctx);

enum emu_status emu_movs(struct emu_ctx *ctx);
enum emu_status emu_stos(struct emu_ctx *ctx);
enum emu_status emu_lods(struct emu_ctx *ctx);
enum emu_status emu_cmps(struct emu_ctx *ctx);
enum emu_status emu_scas(struct emu_ctx *ctx);
enum emu_status emu_ins(struct emu_ctx *ctx);
enum emu_status emu_outs(struct emu_ctx *ctx);

#endif
