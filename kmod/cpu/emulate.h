/* SPDX-License-Identifier: GPL-2.0 */
/*
 * emulate.h - the instruction emulator as a pure unit: CPU state in, effects
 * out, and a table of callbacks for all that is not a register.  It calls
 * nothing else, so it also builds in user space.  Files of it: emulate_decode.c,
 * emulate.c, emulate_bits.c, emulate_string.c, emulate_vector.c.
 */
#ifndef LODGE_CPU_EMULATE_H
#define LODGE_CPU_EMULATE_H

#include <linux/types.h>

#define EMU_INSN_MAX	15
#define EMU_IO_BYTES	4096	/* most data of one batch of INS or OUTS */

enum emu_status {
	EMU_OK,			/* finished, the effects are in the context */
	EMU_REP,		/* iterations done, more to do; RIP still there */
	EMU_FAULT,		/* ctx->fault; nothing of this iteration is done */
	EMU_STOP,		/* a callback waits for data; nothing is done */
	EMU_UNHANDLED,		/* not an instruction for us; nothing is done */
};

struct emu_seg {
	u64 base;
	u32 limit;
	u32 ar;			/* layout of VMX access rights, SDM vol. 3C 24.4.1 */
	u16 selector;
};

struct emu_fault {
	u8 vector;
	bool has_error;
	u32 error;
	bool has_cr2;
	u64 cr2;
};

enum { EMU_ES, EMU_CS, EMU_SS, EMU_DS, EMU_FS, EMU_GS, EMU_NR_SEGS };

struct emu_ctx;

/*
 * Callbacks return EMU_OK, EMU_FAULT (ctx->fault filled in), EMU_STOP or
 * EMU_UNHANDLED.  Addresses are linear; translation, permissions, page borders
 * and devices are theirs.  After EMU_STOP the same instruction is executed again
 * from its decoded form and asks the same questions in the same order.
 */
struct emu_ops {
	enum emu_status (*fetch)(struct emu_ctx *ctx, u64 linear, void *buf, unsigned int len);
	/* write_intent: the operand will be written afterwards */
	enum emu_status (*read)(struct emu_ctx *ctx, u64 linear, void *buf, unsigned int len,
				bool write_intent);
	enum emu_status (*write)(struct emu_ctx *ctx, u64 linear, const void *buf,
				 unsigned int len);
	/* atomic where memory allows it; *swapped: *old was found and replaced */
	enum emu_status (*cmpxchg)(struct emu_ctx *ctx, u64 linear, const void *old,
				   const void *new, unsigned int len, bool *swapped);
	/* would an access succeed, and is all of it plain memory? */
	enum emu_status (*probe)(struct emu_ctx *ctx, u64 linear, unsigned int len, bool write,
				 bool *plain);
	enum emu_status (*pio_in)(struct emu_ctx *ctx, u16 port, unsigned int size, void *buf,
				  unsigned int count);
	enum emu_status (*pio_out)(struct emu_ctx *ctx, u16 port, unsigned int size,
				   const void *buf, unsigned int count);
	enum emu_status (*read_xmm)(struct emu_ctx *ctx, unsigned int reg, void *buf,
				    unsigned int bytes);
	enum emu_status (*write_xmm)(struct emu_ctx *ctx, unsigned int reg, const void *buf,
				     unsigned int bytes);
};

struct emu_row;

struct emu_ctx {
	/* in and out */
	u64 gpr[16];		/* RAX RCX RDX RBX RSP RBP RSI RDI R8 to R15 */
	u64 rip, rflags;
	u32 gpr_dirty;		/* which of gpr[] were written */
	/* in */
	struct emu_seg seg[EMU_NR_SEGS];
	u64 cr0, cr4, efer;
	u8 cpl;
	bool has_tzcnt, has_lzcnt;	/* of the CPU: else these are BSF and BSR */
	const struct emu_ops *ops;
	void *opaque;
	/* out; from here to io the caller clears it before emu_decode() */
	struct emu_fault fault;
	u32 io_ready;		/* elements that pio_in() has, if it has been asked; else 0 */
	/* the instruction; read once, by emu_decode() */
	u8 insn_len;
	u8 insn[EMU_INSN_MAX];
	/* decoded */
	const struct emu_row *row;
	u8 opcode;
	u8 bytes;		/* operand size */
	u8 addr_bytes;
	u8 rex, rep, lock, opsize_prefix;
	u8 vex_bytes;		/* 16 or 32 for a VEX encoding, else 0 */
	s8 seg_override;
	bool mode64;
	bool has_mem;
	bool rip_relative;
	u8 mem_seg;
	u8 modrm, reg, rm;
	u64 offset;		/* of the memory operand in its segment */
	u64 imm;
	/* last, and not cleared with the rest: data of INS and OUTS */
	u8 io[EMU_IO_BYTES];
};

/* Read and decode the instruction at RIP: EMU_OK, EMU_FAULT or EMU_UNHANDLED. */
enum emu_status emu_decode(struct emu_ctx *ctx);
/* Carry it out, or one iteration of it. */
enum emu_status emu_execute(struct emu_ctx *ctx);

#endif
