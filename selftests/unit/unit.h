/* SPDX-License-Identifier: GPL-2.0 */
/*
 * unit.h - shared by the emulator's test programs: random numbers, checks, and
 * random instructions with a machine state in which they make sense.
 */
#ifndef LODGE_UNIT_H
#define LODGE_UNIT_H

#include "shim.h"

#include "../../kmod/cpu/emulate.h"

#define PAGE		4096u

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

extern u64 seed;
u64 rnd(void);
u32 below(u32 n);
/* More often than by chance a value at some border. */
u64 rnd_value(void);

/* Fails the running test; after some reports it only counts. */
void fail_at(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
#define FAIL(...)	fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(cond)	do {						\
	if (!(cond))							\
		FAIL("expected: %s", #cond);				\
} while (0)
#define CHECK_EQ(got, want)	do {					\
	unsigned long long g = (got), w = (want);			\
									\
	if (g != w)							\
		FAIL("%s is %#llx, expected %#llx", #got, g, w);	\
} while (0)

/* An instruction of the emulator's tables, for the generator. */
struct pattern {
	u8 map;			/* 0: one byte, 1: 0f, 2: 0f 38 */
	u8 opcode, count, step;
	s8 ext;			/* the reg field of ModRM, or -1 */
	u32 flags;
};

#define P_RM		BIT(0)	/* has a ModRM */
#define P_BYTE		BIT(1)
#define P_IMM8		BIT(2)
#define P_IMMZ		BIT(3)
#define P_MOFFS		BIT(4)
#define P_LOCK		BIT(5)
#define P_MEM		BIT(6)	/* no register form */
#define P_STRING	BIT(7)
#define P_STACK		BIT(8)
#define P_D64		BIT(9)
#define P_VECTOR	BIT(10)
#define P_BRANCH	BIT(11)
#define P_BITS		BIT(12)	/* the register operand is a bit number */
#define P_ONLY64	BIT(13)
#define P_NOREXW	BIT(14)
#define P_NO66		BIT(15)
#define P_MOVBE		BIT(16)
#define P_OPREG		BIT(17)
#define P_NOAF		BIT(18)	/* leaves AF undefined */
#define P_ONLYCF	BIT(19)	/* leaves all but CF and ZF undefined */
#define P_F3		BIT(20)	/* F3 is part of the opcode */
#define P_REXW		BIT(21)	/* and so is REX.W */
#define P_SHIFT		BIT(22)
#define P_MUL		BIT(23)
#define P_DIV		BIT(24)
#define P_XLAT		BIT(25)
#define P_MOVDIRI	BIT(26)

extern const struct pattern patterns[];
extern const unsigned int nr_patterns;
/* INS and OUTS, which no process can execute */
extern const struct pattern io_patterns[4];

/* Pages of the window: two to read and write, one to read, one absent. */
#define WINDOW_PAGES	4
#define WINDOW_PRESENT	3
#define WINDOW_WRITABLE	2

/* The machine in which random instructions run. */
struct world {
	unsigned int mode;		/* 64, 32 or 16 */
	struct emu_seg seg[EMU_NR_SEGS];
	u64 rip;			/* of the instruction */
	u64 target;			/* RIP to which branches go */
	u64 window;			/* linear */
	bool avx, movbe, movdiri;
	u8 memory[WINDOW_PRESENT * PAGE];
	u8 vector[16][32];
	u64 gpr[16], rflags;
	/* made by make_case() */
	const struct pattern *pattern;
	u8 opcode, bytes, addr_bytes, prefix_rep, modrm, code_len;
	bool has_vex;
	u8 code[32];
};

/* Fill in code, registers, flags, vectors and the memory operand. */
void make_case(struct world *w, const struct pattern *p);
/* The context in which the emulator sees it, as the kernel would fill it in. */
void load_world(struct emu_ctx *ctx, const struct world *w, const struct emu_ops *ops,
		void *opaque);
u64 undefined_flags(const struct world *w);
void print_case(const struct world *w);

/* emulate_restart.c */
void restart_random(unsigned int cases);

/* emulate_native.c */
bool native_available(unsigned int mode, const char **why);
void native_compare(unsigned int mode, unsigned int cases);
extern unsigned long native_cases, native_faults, native_skipped, native_either;
/* by map, opcode and reg field: compared with the CPU at least once */
extern bool native_seen[3][256][8];
bool cpu_has_movdiri(void);

#endif
