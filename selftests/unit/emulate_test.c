// SPDX-License-Identifier: GPL-2.0
/*
 * emulate_test.c - the unit tests of the instruction emulator, kmod/cpu/emulate*.c,
 * in user space. Tests whose names begin with classNN are those of the classes of
 * bugs in Documentation. Random ones take their seed from -s, and print it; -n
 * multiplies their number.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"

#define REPORTS	6

static unsigned long failures;

void fail_at(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	if (failures++ >= REPORTS)
		return;
	printf("# %s:%d: ", file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

/* A machine of 192 KiB, in the modes that an instruction can be in. */

#define PAGES	48

enum mode { REAL, V86, PROT16, PROT32, LONG64 };

#define ABSENT	0
#define RO	1
#define RW	2
#define DEVICE	3

static struct machine {
	struct emu_ctx ctx;
	u8 mem[PAGES * PAGE];
	u8 page[PAGES];			/* ABSENT to DEVICE */
	u8 fetched[PAGES * PAGE];
	unsigned int fetches, reads, writes, ins, outs, intents, locked;
	unsigned int last_count;	/* of an INS or OUTS */
	bool lose;			/* locked instructions find another value */
	bool alter;			/* code is other code when it is fetched again */
	u8 vector[16][32];
} m;

static enum emu_status check(u64 addr, unsigned int len, u32 error)
{
	unsigned int i;

	for (i = 0; i < len; i++) {
		u64 page = (addr + i) / PAGE;

		if (page < PAGES && m.page[page] && (!(error & 2) || m.page[page] >= RW))
			continue;
		m.ctx.fault = (struct emu_fault) {
			.vector = X86_TRAP_PF, .has_error = true, .error = error,
			.has_cr2 = true, .cr2 = addr + i,
		};
		return EMU_FAULT;
	}
	return EMU_OK;
}

static enum emu_status op_fetch(struct emu_ctx *ctx, u64 linear, void *buf, unsigned int len)
{
	enum emu_status st = check(linear, len, 16);
	unsigned int i;

	m.fetches++;
	CHECK(len >= 1 && len <= EMU_INSN_MAX);
	CHECK_EQ(linear / PAGE, (linear + len - 1) / PAGE);
	for (i = 0; st == EMU_OK && i < len; i++) {
		((u8 *)buf)[i] = m.mem[linear + i] ^ (m.alter && m.fetched[linear + i] ? 0xff : 0);
		m.fetched[linear + i]++;
	}
	return st;
}

static enum emu_status op_read(struct emu_ctx *ctx, u64 linear, void *buf, unsigned int len,
			       bool write_intent)
{
	enum emu_status st = check(linear, len, write_intent ? 2 : 0);

	m.reads++;
	m.intents += write_intent;
	if (st == EMU_OK)
		memcpy(buf, m.mem + linear, len);
	return st;
}

static enum emu_status op_write(struct emu_ctx *ctx, u64 linear, const void *buf,
				unsigned int len)
{
	enum emu_status st = check(linear, len, 2);

	m.writes++;
	if (st == EMU_OK)
		memcpy(m.mem + linear, buf, len);
	return st;
}

static enum emu_status op_cmpxchg(struct emu_ctx *ctx, u64 linear, const void *old,
				  const void *new, unsigned int len, bool *swapped)
{
	enum emu_status st = check(linear, len, 2);

	m.locked++;
	*swapped = !m.lose;
	if (st == EMU_OK && *swapped) {
		CHECK(!memcmp(m.mem + linear, old, len));
		memcpy(m.mem + linear, new, len);
	}
	return st;
}

static enum emu_status op_probe(struct emu_ctx *ctx, u64 linear, unsigned int len, bool write,
				bool *plain)
{
	enum emu_status st = check(linear, len, write ? 2 : 0);

	*plain = st == EMU_OK && m.page[linear / PAGE] != DEVICE &&
		 m.page[(linear + len - 1) / PAGE] != DEVICE;
	return st;
}

static enum emu_status op_pio_in(struct emu_ctx *ctx, u16 port, unsigned int size, void *buf,
				 unsigned int count)
{
	CHECK(size * count >= 1 && size * count <= EMU_IO_BYTES);
	CHECK_EQ(port, 0x3f8);
	memset(buf, 0xa5, size * count);
	m.ins++;
	m.last_count = count;
	return EMU_OK;
}

static enum emu_status op_pio_out(struct emu_ctx *ctx, u16 port, unsigned int size,
				  const void *buf, unsigned int count)
{
	CHECK(size * count >= 1 && size * count <= EMU_IO_BYTES);
	CHECK_EQ(port, 0x3f8);
	m.outs++;
	m.last_count = count;
	return EMU_OK;
}

static enum emu_status op_read_xmm(struct emu_ctx *ctx, unsigned int reg, void *buf,
				   unsigned int bytes)
{
	CHECK(reg < 16 && (bytes == 16 || bytes == 32));
	memcpy(buf, m.vector[reg], bytes);
	return EMU_OK;
}

static enum emu_status op_write_xmm(struct emu_ctx *ctx, unsigned int reg, const void *buf,
				    unsigned int bytes)
{
	CHECK(reg < 16 && (bytes == 16 || bytes == 32));
	memcpy(m.vector[reg], buf, bytes);
	return EMU_OK;
}

static const struct emu_ops ops = {
	.fetch = op_fetch, .read = op_read, .write = op_write, .cmpxchg = op_cmpxchg,
	.probe = op_probe, .pio_in = op_pio_in, .pio_out = op_pio_out,
	.read_xmm = op_read_xmm, .write_xmm = op_write_xmm,
};

#define CODE_AT	0x1000u

static void begin(enum mode mode)
{
	static const u32 code_ar[] = { 0x93, 0xf3, 0x9b, 0xc09b, 0xa09b };
	bool small = mode <= PROT16, whole = mode >= PROT32;
	int i;

	memset(&m, 0, sizeof(m));
	memset(m.page, RW, sizeof(m.page));
	for (i = 0; i < EMU_NR_SEGS; i++) {
		m.ctx.seg[i].limit = whole ? ~0u : 0xffff;
		m.ctx.seg[i].ar = mode == V86 ? 0xf3 : small ? 0x93 : 0xc093;
	}
	m.ctx.seg[EMU_CS].ar = code_ar[mode];
	m.ctx.cr0 = mode == REAL ? 0 : X86_CR0_PE;
	m.ctx.efer = mode == LONG64 ? EFER_LMA : 0;
	m.ctx.cr4 = X86_CR4_OSFXSR | X86_CR4_OSXSAVE;
	m.ctx.rflags = 2 | (mode == V86 ? X86_EFLAGS_VM : 0);
	m.ctx.cpl = mode == V86 ? 3 : 0;
	m.ctx.rip = CODE_AT;
	m.ctx.gpr[RSP] = 0x8000;
	m.ctx.ops = &ops;
}

static void put(const void *bytes, unsigned int n)
{
	memcpy(m.mem + m.ctx.seg[EMU_CS].base + m.ctx.rip, bytes, n);
}

#define CODE(...) put((const u8 []) { __VA_ARGS__ }, sizeof((const u8 []) { __VA_ARGS__ }))

/* To the end, or to what prevents it. */
static enum emu_status run(void)
{
	enum emu_status st = emu_decode(&m.ctx);

	if (st == EMU_OK) {
		do
			st = emu_execute(&m.ctx);
		while (st == EMU_REP);
	}
	return st;
}

#define RUN(...) ({ CODE(__VA_ARGS__); run(); })

static void expect_fault(enum emu_status st, u8 vector, int error)
{
	CHECK_EQ(st, EMU_FAULT);
	CHECK_EQ(m.ctx.fault.vector, vector);
	CHECK_EQ(m.ctx.fault.has_error, error >= 0);
	if (error >= 0)
		CHECK_EQ(m.ctx.fault.error, error);
	CHECK_EQ(m.ctx.fault.has_cr2, vector == X86_TRAP_PF);
}

#define EXPECT_UD(...) expect_fault(RUN(__VA_ARGS__), X86_TRAP_UD, -1)
#define EXPECT_GP(...) expect_fault(RUN(__VA_ARGS__), X86_TRAP_GP, 0)
#define EXPECT_SS(...) expect_fault(RUN(__VA_ARGS__), X86_TRAP_SS, 0)
#define EXPECT_OK(...) CHECK_EQ(RUN(__VA_ARGS__), EMU_OK)

static u64 load(u32 at, unsigned int n)
{
	u64 v = 0;

	memcpy(&v, m.mem + at, n);
	return v;
}

static void store(u32 at, u64 v, unsigned int n)
{
	memcpy(m.mem + at, &v, n);
}

/* Class 1: what the decoder reads. */

static void class01_page_crossing_fetch(void)
{
	unsigned int in_first;

	/* mov [rip+disp32], imm32: ten bytes, with the second page absent */
	for (in_first = 1; in_first <= 12; in_first++) {
		begin(LONG64);
		m.page[2] = ABSENT;
		m.ctx.rip = 2 * PAGE - in_first;
		put("\xc7\x05\x00\x40\x00\x00\x78\x56\x34\x12", 10);
		if (in_first >= 10) {
			CHECK_EQ(run(), EMU_OK);
			CHECK_EQ(m.ctx.insn_len, 10);
			CHECK_EQ(load(2 * PAGE - in_first + 10 + 0x4000, 4), 0x12345678);
			continue;
		}
		expect_fault(run(), X86_TRAP_PF, 16);
		CHECK_EQ(m.ctx.fault.cr2, 2 * PAGE);
		CHECK_EQ(m.ctx.rip, 2 * PAGE - in_first);
		CHECK_EQ(m.ctx.insn_len, in_first);
		m.page[2] = RO;
		m.ctx.insn_len = 0;
		memset(m.fetched, 0, sizeof(m.fetched));
		CHECK_EQ(run(), EMU_OK);
		CHECK_EQ(m.ctx.insn_len, 10);
	}
}

static void class01_fifteen_bytes(void)
{
	enum mode mode;
	unsigned int prefixes, at_border;

	for (mode = REAL; mode <= LONG64; mode++) {
		for (prefixes = 0; prefixes < 20; prefixes++) {
			for (at_border = 0; at_border < 2; at_border++) {
				begin(mode);
				m.page[2] = at_border ? ABSENT : RW;
				m.ctx.rip = at_border ? 2 * PAGE - 15 : CODE_AT;
				memset(m.mem + m.ctx.rip, 0x3e, 15);
				if (prefixes < 15)
					memcpy(m.mem + m.ctx.rip + prefixes, "\x8a\x07", 2);
				if (prefixes <= 13)
					CHECK_EQ(run(), EMU_OK);
				else
					expect_fault(run(), X86_TRAP_GP, 0);
				CHECK(m.ctx.insn_len <= EMU_INSN_MAX);
			}
		}
	}
}

static void class01_code_limit(void)
{
	unsigned int inside;
	enum mode mode;

	for (mode = REAL; mode <= PROT32; mode++) {
		for (inside = 0; inside <= 4; inside++) {
			begin(mode);
			m.ctx.seg[EMU_CS].base = 0x2000;
			m.ctx.rip = 0x4ff;
			m.ctx.seg[EMU_CS].limit = 0x4ff + inside - 1;
			CODE(0xc6, 0x07, 0x55);
			if (inside >= 3)
				CHECK_EQ(run(), EMU_OK);
			else
				expect_fault(run(), X86_TRAP_GP, 0);
		}
		/* the last bytes of 4 GiB are code too */
		begin(PROT32);
		m.ctx.seg[EMU_CS].base = 0x2000;
		m.ctx.rip = 0xfffffffe;
		memcpy(m.mem + 0x1ffe, "\x8a\x07", 2);
		CHECK_EQ(run(), EMU_OK);
	}
}

static unsigned int times = 1;
static const char *skip_reason;

static void native(unsigned int mode, unsigned int cases)
{
	const char *why;

	if (!native_available(mode, &why)) {
		skip_reason = why;
		return;
	}
	native_cases = 0;
	native_faults = 0;
	native_skipped = 0;
	native_either = 0;
	native_compare(mode, cases * times);
	printf("# %lu compared, %lu of them faults, %lu ambiguous; %lu left out\n", native_cases,
	       native_faults, native_either, native_skipped);
	CHECK(native_cases > cases / 10 * 9);
	CHECK(native_either < native_cases / 100);
}

static void class01_native_64(void)
{
	native(64, 300000);
}

static void class01_native_32(void)
{
	native(32, 200000);
}

static void class01_native_16(void)
{
	native(16, 100000);
}

/* Class 2: nothing is carried out that was not decoded. */

static void class02_not_decoded(void)
{
	static const u8 none[][3] = {
		{ 0x0f, 0x05 }, { 0x0f, 0x0b }, { 0xcc }, { 0xf4 },
		{ 0xd9, 0x00 }, { 0xd8, 0x00 },
		{ 0x0f, 0x38, 0x00 }, { 0xea }, { 0x9a }, { 0x62, 0xf1, 0x7c },
		{ 0xc4, 0xe2, 0x79 }, { 0xc5, 0xf0, 0x10 }, { 0xc5, 0xf8, 0xc3 },
		{ 0x0f, 0xff }, { 0xcf }, { 0x0f, 0x01, 0x00 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(none); i++) {
		begin(LONG64);
		put(none[i], 3);
		CHECK_EQ(emu_decode(&m.ctx), EMU_UNHANDLED);
		CHECK(m.ctx.insn_len >= 3);	/* the bytes are there to be shown */
		CHECK_EQ(emu_execute(&m.ctx), EMU_UNHANDLED);
		CHECK_EQ(m.ctx.rip, CODE_AT);
	}
	begin(LONG64);
	m.page[1] = ABSENT;
	CHECK_EQ(emu_decode(&m.ctx), EMU_FAULT);
	CHECK_EQ(emu_execute(&m.ctx), EMU_UNHANDLED);
	begin(LONG64);
	CODE(0xf0, 0x8b, 0x00);
	CHECK_EQ(emu_decode(&m.ctx), EMU_FAULT);
	CHECK_EQ(emu_execute(&m.ctx), EMU_UNHANDLED);
	/* not even decoded once */
	begin(LONG64);
	CHECK_EQ(emu_execute(&m.ctx), EMU_UNHANDLED);
	CHECK_EQ(m.reads + m.writes + m.ins + m.outs, 0);
}

/* Prefixes of 64-bit mode, and the way into the other maps. */
static bool no_opcode(u8 b)
{
	return (b & 0xe7) == 0x26 || (b & 0xf0) == 0x40 || (b & 0xfc) == 0x64 || b == 0x0f ||
	       b == 0xf0 || b == 0xf2 || b == 0xf3 || (b & 0xfe) == 0xc4;
}

/* VEX has the vector moves of the second map, and nothing else of it. */
static void class02_vex_opcodes(void)
{
	static const u8 ours[] = { 0x10, 0x11, 0x28, 0x29, 0x2b, 0x6f, 0x7f, 0xe7, 0xf0 };
	unsigned int opcode, pp, form;
	enum emu_status st;

	for (opcode = 0; opcode < 256; opcode++) {
		for (pp = 0; pp < 4; pp++) {
			for (form = 0; form < 2; form++) {
				begin(LONG64);
				if (form)
					CODE(0xc4, 0xe1, 0x78 | pp, opcode, 0x03);
				else
					CODE(0xc5, 0xf8 | pp, opcode, 0x03);
				st = run();
				if (st != EMU_UNHANDLED && !memchr(ours, opcode, sizeof(ours)))
					FAIL("VEX %u %02x: status %d", pp, opcode, st);
			}
		}
	}
}

/* Is there any prefix with which these bytes are an instruction of ours? */
static bool any_form(unsigned int map, u8 opcode, u8 modrm)
{
	static const u8 prefixes[] = { 0, 0x66, 0xf3, 0xf2 };
	unsigned int i;
	enum emu_status st;

	if (map == 0 && no_opcode(opcode))
		return false;

	for (i = 0; i < ARRAY_SIZE(prefixes); i++) {
		u8 code[12] = { prefixes[i] }, *p = code + (prefixes[i] ? 1 : 0);

		if (map)
			*p++ = 0x0f;
		if (map == 2)
			*p++ = 0x38;
		*p++ = opcode;
		*p++ = modrm;
		begin(LONG64);
		m.ctx.gpr[RDX] = 0x3f8;
		put(code, sizeof(code));
		st = run();
		if (st == EMU_OK || (st == EMU_FAULT && m.ctx.fault.vector != X86_TRAP_UD))
			return true;
	}
	return false;
}

static void class02_every_row_is_compared(void)
{
	unsigned int map, opcode, ext, rows = 0;
	const char *why;
	bool has_row;

	if (!native_available(32, &why)) {
		skip_reason = why;
		return;
	}
	for (map = 0; map < 3; map++) {
		for (opcode = 0; opcode < 256; opcode++) {
			bool ours = false, seen = false;

			for (ext = 0; ext < 8; ext++) {
				has_row = any_form(map, opcode, 7 | ext << 3) ||
					  any_form(map, opcode, 0xc7 | ext << 3);
				ours |= has_row;
				seen |= native_seen[map][opcode][ext];
				/* the field selects the instruction in these */
				if (has_row && !native_seen[map][opcode][ext] && map == 0 &&
				    (opcode & 0xfc) == 0x80)
					FAIL("%02x /%u was never compared", opcode, ext);
			}
			rows += ours;
			/* MOVDIRI, which few CPUs have */
			if (map == 2 && opcode == 0xf9 && !cpu_has_movdiri())
				continue;
			if (map == 0 && opcode >= 0x6c && opcode <= 0x6f)
				continue;	/* ports: have their own tests */
			if (ours && !seen)
				FAIL("map %u %02x was never compared with the CPU", map, opcode);
			if (seen && !ours)
				FAIL("map %u %02x is not reached any more", map, opcode);
		}
	}
	printf("# %u opcodes\n", rows);
	CHECK(rows >= 174);
}

/* Class 4: addresses that are not canonical. */

static const struct {
	u64 addr;
	bool good;
} borders[] = {
	{ 0x00007fffffffffff, true }, { 0x0000800000000000, false },
	{ 0xffff800000000000, true }, { 0xffff7fffffffffff, false },
	{ 0x8000000000000000, false }, { 0x0001000000000000, false },
	{ 0xffffffffffffffff, true }, { 0, true },
};

static void class04_branch_targets(void)
{
	static const u8 forms[][2] = {
		{ 0xff, 0xe0 }, { 0xff, 0xd0 },	/* jmp rax, call rax */
		{ 0xff, 0x23 }, { 0xff, 0x13 },	/* jmp [rbx], call [rbx] */
	};
	unsigned int i, f;

	for (i = 0; i < ARRAY_SIZE(borders); i++) {
		for (f = 0; f < ARRAY_SIZE(forms); f++) {
			begin(LONG64);
			m.ctx.gpr[RBX] = 0x5000;
			m.ctx.gpr[RAX] = borders[i].addr;
			store(0x5000, borders[i].addr, 8);
			put(forms[f], 2);
			if (borders[i].good) {
				CHECK_EQ(run(), EMU_OK);
				CHECK_EQ(m.ctx.rip, borders[i].addr);
				continue;
			}
			expect_fault(run(), X86_TRAP_GP, 0);
			CHECK_EQ(m.ctx.rip, CODE_AT);
			CHECK_EQ(m.ctx.gpr[RSP], 0x8000);
			CHECK_EQ(m.writes, 0);
		}
	}
	/* elsewhere it is the limit of the code segment */
	begin(PROT32);
	m.ctx.seg[EMU_CS].limit = 0x5fff;
	m.ctx.gpr[RAX] = 0x6000;
	EXPECT_GP(0xff, 0xd0);
	CHECK_EQ(m.ctx.gpr[RSP], 0x8000);
	m.ctx.gpr[RAX] = 0x5fff;
	m.ctx.insn_len = 0;
	EXPECT_OK(0xff, 0xe0);
	CHECK_EQ(m.ctx.rip, 0x5fff);
}

/* In 64-bit mode the target has 64 bits, whatever 66 says: vol. 2A, JMP and CALL. */
static void class04_branch_width(void)
{
	begin(LONG64);
	m.ctx.gpr[RAX] = 0x123456789abc;
	EXPECT_OK(0x66, 0xff, 0xe0);
	CHECK_EQ(m.ctx.rip, 0x123456789abc);
	begin(LONG64);
	m.ctx.gpr[RAX] = 0x123456789abc;
	EXPECT_OK(0x66, 0xff, 0xd0);
	CHECK_EQ(m.ctx.rip, 0x123456789abc);
	CHECK_EQ(m.ctx.gpr[RSP], 0x7ff8);
	CHECK_EQ(load(0x7ff8, 8), CODE_AT + 3);
	begin(PROT32);
	m.ctx.gpr[RAX] = 0x12345678;
	EXPECT_OK(0x66, 0xff, 0xd0);
	CHECK_EQ(m.ctx.rip, 0x5678);
	CHECK_EQ(m.ctx.gpr[RSP], 0x7ffe);
	begin(REAL);
	m.ctx.gpr[RAX] = 0x12345678;
	EXPECT_OK(0xff, 0xe0);
	CHECK_EQ(m.ctx.rip, 0x5678);
	begin(REAL);
	m.ctx.gpr[RAX] = 0x12345678;
	EXPECT_GP(0x66, 0xff, 0xe0);
}

static void class04_operands(void)
{
	unsigned int i, seg;

	for (i = 0; i < ARRAY_SIZE(borders); i++) {
		begin(LONG64);
		m.ctx.gpr[RAX] = borders[i].addr;
		CODE(0x8a, 0x08);
		if (!borders[i].good)
			expect_fault(run(), X86_TRAP_GP, 0);
		else if (borders[i].addr)
			expect_fault(run(), X86_TRAP_PF, 0);
		else
			CHECK_EQ(run(), EMU_OK);
		begin(LONG64);
		m.ctx.gpr[RBP] = borders[i].addr;
		CODE(0x8a, 0x4d, 0x00);
		if (!borders[i].good)
			expect_fault(run(), X86_TRAP_SS, 0);
		for (seg = EMU_FS; seg <= EMU_GS; seg++) {
			begin(LONG64);
			m.ctx.gpr[RBP] = 0x1000;
			m.ctx.seg[seg].base = borders[i].addr - 0x1000;
			CODE(seg == EMU_FS ? 0x64 : 0x65, 0x8a, 0x4d, 0x00);
			if (!borders[i].good)
				expect_fault(run(), X86_TRAP_GP, 0);
		}
	}
	/* its last byte counts as well */
	begin(LONG64);
	m.ctx.gpr[RAX] = 0x00007ffffffffff9;
	EXPECT_GP(0x48, 0x8b, 0x08);
	m.ctx.gpr[RAX] = 0x00007ffffffffff8;
	memset(&m.ctx.row, 0, offsetof(struct emu_ctx, io) - offsetof(struct emu_ctx, row));
	expect_fault(run(), X86_TRAP_PF, 0);
	/* the stack */
	begin(LONG64);
	m.ctx.gpr[RSP] = 0x0000800000000004;
	EXPECT_SS(0x50);
	CHECK_EQ(m.ctx.gpr[RSP], 0x0000800000000004);
	begin(LONG64);
	m.ctx.gpr[RSP] = 0xffff7ffffffffffc;
	EXPECT_SS(0x58);
}

static void class04_fetch(void)
{
	begin(LONG64);
	m.ctx.rip = 0x0000800000000000;
	expect_fault(run(), X86_TRAP_GP, 0);
	CHECK_EQ(m.fetches, 0);
	begin(LONG64);
	m.ctx.rip = 0xffff7fffffffffff;
	expect_fault(run(), X86_TRAP_GP, 0);
	CHECK_EQ(m.fetches, 0);
}

/* Class 5: read once. */

static void class05_code_is_fetched_once(void)
{
	enum mode mode;
	unsigned int i;

	for (mode = REAL; mode <= LONG64; mode++) {
		begin(mode);
		m.alter = true;
		m.ctx.rip = 2 * PAGE - 2;
		m.ctx.gpr[RCX] = 100;
		m.ctx.gpr[RDI] = 0x5000;
		m.ctx.gpr[RAX] = 0x77;
		CODE(0x3e, 0xf3, 0xaa);		/* rep stosb over two pages */
		CHECK_EQ(run(), EMU_OK);
		CHECK_EQ(load(0x5000 + 99, 1), 0x77);
		CHECK_EQ(m.fetches, 2);
		for (i = 0; i < sizeof(m.fetched); i++)
			CHECK(m.fetched[i] <= 1);
		/* the code changes after it was decoded */
		begin(mode);
		CODE(0x86, 0x07);		/* xchg */
		CHECK_EQ(emu_decode(&m.ctx), EMU_OK);
		CODE(0xcc, 0xcc);
		CHECK_EQ(emu_execute(&m.ctx), EMU_OK);
		CHECK_EQ(m.ctx.rip, CODE_AT + 2);
		CHECK_EQ(m.fetches, 1);
	}
}

static void class05_restart(void)
{
	restart_random(40000 * times);
}

/* Class 6: sizes of data. */

static void begin_ins(enum mode mode, u64 rdi, u64 count)
{
	begin(mode);
	m.ctx.gpr[RDX] = 0x3f8;
	m.ctx.gpr[RDI] = rdi;
	m.ctx.gpr[RSI] = rdi;
	m.ctx.gpr[RCX] = count;
}

static void class06_ins_fault_comes_first(void)
{
	/* not writable: by page, by its second page, by segment, by limit */
	begin_ins(LONG64, 0x5000, 10);
	m.page[5] = RO;
	expect_fault(RUN(0xf3, 0x6c), X86_TRAP_PF, 2);
	CHECK_EQ(m.ins, 0);
	begin_ins(LONG64, 0x5ffe, 10);
	m.page[6] = ABSENT;
	expect_fault(RUN(0xf3, 0x6d), X86_TRAP_PF, 2);
	CHECK_EQ(m.ctx.fault.cr2, 0x6000);
	CHECK_EQ(m.ins, 0);
	begin_ins(PROT32, 0x5000, 10);
	m.ctx.seg[EMU_ES].ar &= ~2u;
	EXPECT_GP(0xf3, 0x6c);
	CHECK_EQ(m.ins, 0);
	begin_ins(REAL, 0xffff, 10);
	EXPECT_GP(0xf3, 0x6d);
	CHECK_EQ(m.ins, 0);
	CHECK_EQ(m.ctx.gpr[RCX], 10);
	/* and OUTS reads before it writes */
	begin_ins(PROT32, 0x5000, 10);
	m.page[5] = ABSENT;
	expect_fault(RUN(0xf3, 0x6e), X86_TRAP_PF, 0);
	CHECK_EQ(m.outs, 0);
}

struct batch {
	u8 opcode, prefix;
	u32 offset, count;
	u64 flags;
	u8 page;
	u32 limit;
	u32 first;		/* elements of the first batch */
};

static void batch_case(const struct batch *t)
{
	u32 size = t->opcode & 1 ? 4 : 1, bytes = t->first * size;
	bool down = t->flags & X86_EFLAGS_DF, input = t->opcode < 0x6e;
	u8 code[2] = { t->prefix, t->opcode };
	enum emu_status st;

	begin_ins(PROT32, t->offset, t->count);
	memset(m.page + 5, t->page, 2);
	m.ctx.seg[EMU_ES].limit = t->limit;
	m.ctx.rflags |= t->flags;
	put(t->prefix ? code : code + 1, t->prefix ? 2 : 1);
	CHECK_EQ(emu_decode(&m.ctx), EMU_OK);
	st = emu_execute(&m.ctx);
	CHECK_EQ(st, t->prefix && t->first < t->count ? EMU_REP : EMU_OK);
	CHECK_EQ(m.last_count, t->first);
	CHECK_EQ(m.ins + m.outs, 1);
	CHECK_EQ(m.ctx.gpr[input ? RDI : RSI], t->offset + (down ? -bytes : bytes));
	CHECK_EQ(m.ctx.gpr[RCX], t->count - (t->prefix ? t->first : 0));
	if (!input)
		return;
	CHECK_EQ(load(t->offset, 1), 0xa5);
	if (!down) {
		CHECK_EQ(load(t->offset + bytes - 1, 1), 0xa5);
		CHECK_EQ(load(t->offset + bytes, 1), 0);
	}
}

static void class06_batches(void)
{
	static const struct batch t[] = {
		{ 0x6c, 0xf3, 0x5000, 4096, 0, RW, ~0u, 4096 },
		{ 0x6c, 0xf3, 0x5000, 5000, 0, RW, ~0u, 4096 },
		{ 0x6c, 0xf3, 0x5001, 5000, 0, RW, ~0u, 4095 },
		{ 0x6d, 0xf3, 0x5000, 5000, 0, RW, ~0u, 1024 },
		{ 0x6d, 0xf3, 0x5ff0, 100, 0, RW, ~0u, 4 },
		{ 0x6d, 0xf3, 0x5ff1, 100, 0, RW, ~0u, 3 },
		{ 0x6d, 0xf3, 0x5ffd, 100, 0, RW, ~0u, 1 },
		{ 0x6d, 0xf2, 0x5000, 7, 0, RW, ~0u, 7 },
		{ 0x6d, 0, 0x5000, 7, 0, RW, ~0u, 1 },
		{ 0x6c, 0xf3, 0x5000, 7, X86_EFLAGS_DF, RW, ~0u, 1 },
		{ 0x6c, 0xf3, 0x5000, 7, X86_EFLAGS_TF, RW, ~0u, 1 },
		{ 0x6c, 0xf3, 0x5000, 7, 0, DEVICE, ~0u, 1 },
		{ 0x6c, 0xf3, 0x5000, 7, 0, RW, 0x5004, 1 },
		{ 0x6c, 0xf3, 0x5000, 7, 0, RW, 0x5006, 7 },
		{ 0x6f, 0xf3, 0x5000, 5000, 0, RW, ~0u, 1024 },
		{ 0x6e, 0xf3, 0x5000, 5000, 0, RW, ~0u, 4096 },
		{ 0x6f, 0xf3, 0x5ff1, 100, 0, RW, ~0u, 3 },
		{ 0x6f, 0xf3, 0x5000, 7, 0, DEVICE, ~0u, 1 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++)
		batch_case(&t[i]);
	/* no 64-bit ports; 16 bits of address wrap */
	begin_ins(LONG64, 0x5000, 3);
	EXPECT_OK(0xf3, 0x48, 0x6d);
	CHECK_EQ(m.ctx.gpr[RDI], 0x500c);
	begin_ins(REAL, 0xfffe, 4);
	EXPECT_OK(0xf3, 0x6c);
	CHECK_EQ(m.ctx.gpr[RDI], 2);
	CHECK_EQ(m.ins, 2);
}

/* Segments. */

/* mov cl, [eax] or mov [eax], cl or their like, by the segment's limit */
static void limit_case(u32 ar, u32 limit, u32 offset, unsigned int len, bool good)
{
	static const u8 code[9][3] = { [1] = { 0x8a, 0x08 }, [2] = { 0x66, 0x8b, 0x08 },
				       [4] = { 0x8b, 0x08 } };

	begin(PROT32);
	m.ctx.seg[EMU_DS].ar = ar;
	m.ctx.seg[EMU_DS].limit = limit;
	m.ctx.gpr[RAX] = offset;
	put(code[len], 3);
	if (good)
		CHECK_EQ(run(), EMU_OK);
	else
		expect_fault(run(), X86_TRAP_GP, 0);
}

static void segment_limits(void)
{
	limit_case(0x4093, 0x5000, 0x5000, 1, true);
	limit_case(0x4093, 0x5000, 0x5001, 1, false);
	limit_case(0x4093, 0x5000, 0x5000, 2, false);
	limit_case(0x4093, 0x5003, 0x5000, 4, true);
	limit_case(0x4093, 0x5002, 0x5000, 4, false);
	limit_case(0x4093, 0, 0, 1, true);
	limit_case(0x4093, 0, 0, 2, false);
	limit_case(0x4093, ~0u, 0xfffffffe, 4, false);
	/* expand-down: above the limit, up to 4 GiB or 64 KiB */
	limit_case(0x4097, 0x4fff, 0x5000, 4, true);
	limit_case(0x4097, 0x4fff, 0x4fff, 1, false);
	limit_case(0x4097, 0x4fff, 0x4ffe, 4, false);
	limit_case(0x4097, 0, 0, 1, false);
	limit_case(0x4097, 0, 1, 1, true);
	limit_case(0x4097, 0xffff, 0x10000, 4, true);
	limit_case(0x0097, 0x4fff, 0xfffe, 2, true);
	limit_case(0x0097, 0x4fff, 0xfffe, 4, false);
	limit_case(0x0097, 0x4fff, 0x10000, 1, false);
	/* the same bit of a code segment means conforming */
	limit_case(0x409f, 0x4fff, 0x4ffc, 4, true);
	limit_case(0x409f, 0x4fff, 0x5000, 4, false);
}

static void segment_types(void)
{
	static const struct {
		u32 ar;
		bool read, write;
	} t[] = {
		{ 0xc091, true, false }, { 0xc093, true, true }, { 0xc099, false, false },
		{ 0xc09b, true, false }, { 0x1c093, false, false },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		begin(PROT32);
		m.ctx.seg[EMU_DS].ar = t[i].ar;
		CODE(0x8b, 0x08);
		if (t[i].read)
			CHECK_EQ(run(), EMU_OK);
		else
			expect_fault(run(), X86_TRAP_GP, 0);
		begin(PROT32);
		m.ctx.seg[EMU_DS].ar = t[i].ar;
		CODE(0x89, 0x08);
		if (t[i].write)
			CHECK_EQ(run(), EMU_OK);
		else
			expect_fault(run(), X86_TRAP_GP, 0);
		/* an instruction that does both must not even read */
		begin(PROT32);
		m.ctx.seg[EMU_DS].ar = t[i].ar;
		CODE(0x01, 0x08);
		if (!t[i].write) {
			expect_fault(run(), X86_TRAP_GP, 0);
			CHECK_EQ(m.reads, 0);
		}
		/* 64-bit mode and real mode do not look */
		begin(LONG64);
		m.ctx.seg[EMU_DS].ar = t[i].ar;
		m.ctx.seg[EMU_DS].limit = 0;
		m.ctx.seg[EMU_DS].base = 0x1234567;
		EXPECT_OK(0x01, 0x08);
		begin(REAL);
		m.ctx.seg[EMU_DS].ar = 0x9b;
		EXPECT_OK(0x01, 0x07);
	}
	/* SS has its own vector */
	begin(PROT32);
	m.ctx.seg[EMU_SS].limit = 0x1000;
	EXPECT_SS(0x50);
	begin(PROT32);
	m.ctx.seg[EMU_SS].ar |= 0x10000;
	m.ctx.gpr[RBP] = 0x5000;
	EXPECT_SS(0x8a, 0x45, 0x00);
	/* code is not writable through CS */
	begin(PROT32);
	EXPECT_GP(0x2e, 0x89, 0x08);
}

static void write_intent(void)
{
	/* what is written later must fault as a write when it is read */
	begin(LONG64);
	m.ctx.gpr[RBX] = 0x5000;
	m.page[5] = RO;
	expect_fault(RUN(0x01, 0x03), X86_TRAP_PF, 2);
	CHECK_EQ(m.intents, 1);
	CHECK_EQ(m.writes, 0);
	begin(LONG64);
	m.ctx.gpr[RBX] = 0x5000;
	m.page[5] = RO;
	EXPECT_OK(0x39, 0x03);			/* cmp */
	CHECK_EQ(m.intents, 0);
	begin(LONG64);
	m.ctx.gpr[RBX] = 0x5000;
	m.page[5] = RO;
	expect_fault(RUN(0x0f, 0xb1, 0x0b), X86_TRAP_PF, 2);	/* cmpxchg */
	begin(LONG64);
	m.ctx.gpr[RBX] = 0x5000;
	m.page[5] = RO;
	EXPECT_OK(0x0f, 0xba, 0x23, 1);		/* bt */
	begin(LONG64);
	m.ctx.gpr[RBX] = 0x5000;
	m.page[5] = RO;
	expect_fault(RUN(0x0f, 0xba, 0x2b, 1), X86_TRAP_PF, 2);	/* bts */
}

/* Real mode and its like. */

static void real_mode(void)
{
	begin(REAL);
	m.ctx.seg[EMU_DS].base = 0x10000;
	m.ctx.gpr[RBX] = 0xffff8000;
	m.ctx.gpr[RSI] = 0xffff9000;
	store(0x11000, 0xbeef, 2);
	EXPECT_OK(0x8b, 0x00);			/* mov ax, [bx+si]: wraps */
	CHECK_EQ(m.ctx.gpr[RAX], 0xbeef);
	begin(REAL);
	m.ctx.gpr[RBX] = 0xffff;
	EXPECT_GP(0x8b, 0x07);			/* over the end of the segment */
	begin(REAL);
	m.ctx.gpr[RBP] = 0xffff;
	EXPECT_SS(0x8b, 0x46, 0x00);
	begin(REAL);
	m.ctx.gpr[RAX] = 0x10000;
	EXPECT_GP(0x67, 0x8b, 0x00);		/* 32-bit address beyond 64 KiB */
	begin(REAL);
	m.ctx.seg[EMU_SS].base = 0x10000;
	m.ctx.gpr[RSP] = 0x55550000;
	m.ctx.gpr[RAX] = 0x12345678;
	EXPECT_OK(0x50);			/* SP wraps, the rest of ESP stays */
	CHECK_EQ(m.ctx.gpr[RSP], 0x5555fffe);
	CHECK_EQ(load(0x1fffe, 2), 0x5678);
	begin(REAL);
	m.ctx.seg[EMU_SS].base = 0x10000;
	m.ctx.gpr[RSP] = 1;
	EXPECT_SS(0x50);			/* a word at ffff */
	begin(REAL);
	m.ctx.gpr[RSP] = 0x8000;
	m.ctx.gpr[RAX] = 0x12345678;
	EXPECT_OK(0x66, 0x50);
	CHECK_EQ(m.ctx.gpr[RSP], 0x7ffc);
	CHECK_EQ(load(0x7ffc, 4), 0x12345678);
	begin(V86);
	m.ctx.seg[EMU_DS].ar = 0xf1;		/* of no account */
	EXPECT_OK(0x89, 0x07);
	begin(V86);
	m.ctx.gpr[RBX] = 0xffff;
	EXPECT_GP(0x89, 0x07);
	/* C4 and C5 are LES and LDS there, whatever follows */
	begin(REAL);
	CHECK_EQ(RUN(0xc5, 0xf8, 0x10, 0x07), EMU_UNHANDLED);
	begin(V86);
	CHECK_EQ(RUN(0xc5, 0xf8, 0x10, 0x07), EMU_UNHANDLED);
	begin(PROT16);
	EXPECT_OK(0xc5, 0xf8, 0x10, 0x07);
}

static void real_mode_addressing(void)
{
	/* BX 100 BP 200 SI 10 DI 20 */
	static const struct {
		u8 modrm;
		u16 disp;
		u16 offset;
		u8 seg;
	} t[] = {
		{ 0x00, 0, 0x110, EMU_DS }, { 0x01, 0, 0x120, EMU_DS }, { 0x02, 0, 0x210, EMU_SS },
		{ 0x03, 0, 0x220, EMU_SS }, { 0x04, 0, 0x010, EMU_DS }, { 0x05, 0, 0x020, EMU_DS },
		{ 0x06, 0x321, 0x321, EMU_DS }, { 0x07, 0, 0x100, EMU_DS },
		{ 0x46, 0xff, 0x1ff, EMU_SS }, { 0x47, 0x7f, 0x17f, EMU_DS },
		{ 0x86, 0xff00, 0x100, EMU_SS }, { 0x80, 0x8000, 0x8110, EMU_DS },
		{ 0x42, 0x80, 0x190, EMU_SS },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		begin(REAL);
		m.ctx.seg[EMU_DS].base = 0x10000;
		m.ctx.seg[EMU_SS].base = 0x20000;
		m.ctx.gpr[RBX] = 0x100;
		m.ctx.gpr[RBP] = 0x200;
		m.ctx.gpr[RSI] = 0x10;
		m.ctx.gpr[RDI] = 0x20;
		store((t[i].seg == EMU_DS ? 0x10000 : 0x20000) + t[i].offset, 0x7e, 1);
		CODE(0x8a, t[i].modrm, t[i].disp, t[i].disp >> 8);
		CHECK_EQ(run(), EMU_OK);
		CHECK_EQ(m.ctx.gpr[RAX], 0x7e);
	}
}

/* LOCK. */

static bool lock_is_legal(unsigned int map, u8 op, unsigned int ext)
{
	if (map == 0 && op < 0x38 && (op & 7) < 2)
		return true;	/* ADD OR ADC SBB AND SUB XOR */
	if (map == 0 && (op == 0x80 || op == 0x81 || op == 0x83))
		return ext != 7;
	if (map == 0 && (op == 0xf6 || op == 0xf7))
		return ext == 2 || ext == 3;
	if (map == 0 && (op == 0xfe || op == 0xff))
		return ext < 2;
	if (map == 0)
		return op == 0x86 || op == 0x87;
	if (map == 1 && op == 0xba)
		return ext > 4;
	if (map == 1 && op == 0xc7)
		return ext == 1;
	return map == 1 && (op == 0xab || op == 0xb3 || op == 0xbb || op == 0xb0 || op == 0xb1 ||
			    op == 0xc0 || op == 0xc1);
}

static void lock_one(unsigned int map, u8 op, unsigned int ext, bool reg)
{
	bool legal = !reg && lock_is_legal(map, op, ext);
	u8 modrm = ext << 3 | (reg ? 0xc7 : 7);
	u8 code[12] = { 0xf0 }, *p = code + 1;
	enum emu_status st;

	if (!any_form(map, op, modrm))
		return;
	if (map)
		*p++ = 0x0f;
	if (map == 2)
		*p++ = 0x38;
	*p++ = op;
	*p = modrm;
	begin(LONG64);
	put(code, sizeof(code));
	st = run();
	if (legal) {
		CHECK_EQ(st, EMU_OK);
		CHECK_EQ(m.locked, 1);
		CHECK_EQ(m.writes, 0);
	} else {
		expect_fault(st, X86_TRAP_UD, -1);
		CHECK_EQ(m.reads + m.writes + m.locked, 0);
	}
	if (failures)
		printf("#   lock, map %u opcode %02x /%u %s\n", map, op, ext,
		       reg ? "register" : "memory");
}

static void lock_legality(void)
{
	unsigned int map, op, ext;

	for (map = 0; map < 3; map++) {
		for (op = 0; op < 256 && !failures; op++) {
			for (ext = 0; ext < 8; ext++) {
				lock_one(map, op, ext, false);
				lock_one(map, op, ext, true);
			}
		}
	}
}

/* Another CPU was faster: nothing has happened, and the guest tries again. */
static void lock_lost(void)
{
	static const u8 code[][5] = {
		{ 0xf0, 0x01, 0x0b }, { 0xf0, 0x0f, 0xc1, 0x0b }, { 0xf0, 0x0f, 0xb1, 0x0b },
		{ 0x87, 0x0b }, { 0xf0, 0x0f, 0xab, 0x0b }, { 0xf0, 0x0f, 0xc7, 0x0b },
		{ 0xf0, 0xff, 0x03 }, { 0xf0, 0xf7, 0x1b }, { 0xf0, 0x48, 0x0f, 0xc7, 0x0b },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(code); i++) {
		begin(LONG64);
		m.ctx.gpr[RBX] = 0x5000;
		m.ctx.gpr[RCX] = 0x55;
		store(0x5000, 0x1234, 8);
		m.lose = true;
		put(code[i], 5);
		CHECK_EQ(emu_decode(&m.ctx), EMU_OK);
		CHECK_EQ(emu_execute(&m.ctx), EMU_REP);
		CHECK_EQ(m.ctx.rip, CODE_AT);
		CHECK_EQ(m.ctx.rflags, 2);
		CHECK_EQ(m.ctx.gpr_dirty, 0);
		CHECK_EQ(load(0x5000, 8), 0x1234);
		m.lose = false;
		CHECK_EQ(emu_execute(&m.ctx), EMU_OK);
		CHECK_EQ(m.locked, 2);
	}
}

/* REP. */

static void rep_count_zero(void)
{
	static const u8 ops_[] = { 0x6c, 0x6d, 0x6e, 0x6f, 0xa4, 0xa5, 0xa6, 0xa7,
				   0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops_); i++) {
		begin(LONG64);
		memset(m.page + 5, ABSENT, 20);
		m.ctx.gpr[RSI] = 0x5000;
		m.ctx.gpr[RDI] = 0x6000;
		EXPECT_OK(0xf3, ops_[i]);
		CHECK_EQ(m.ctx.rip, CODE_AT + 2);
		CHECK_EQ(m.ctx.gpr[RSI], 0x5000);
		CHECK_EQ(m.ctx.gpr[RDI], 0x6000);
		CHECK_EQ(m.ctx.rflags, 2);
		/* only as many bits as the address size has */
		begin(LONG64);
		m.ctx.gpr[RCX] = 0xfffffff00000000;
		EXPECT_OK(0x67, 0xf3, ops_[i]);
		begin(REAL);
		m.ctx.gpr[RCX] = 0xffff0000;
		EXPECT_OK(0xf3, ops_[i]);
		CHECK_EQ(m.reads + m.writes + m.ins + m.outs, 0);
	}
}

static void rep_directions(void)
{
	begin(REAL);
	m.ctx.rflags |= X86_EFLAGS_DF;
	m.ctx.seg[EMU_DS].base = 0x10000;
	m.ctx.seg[EMU_ES].base = 0x20000;
	m.ctx.gpr[RCX] = 0xabcd0003;
	m.ctx.gpr[RSI] = 0x11110002;
	m.ctx.gpr[RDI] = 0x22220000;
	store(0x10002, 0x1111, 2);
	store(0x10000, 0x2222, 2);
	store(0x1fffe, 0x3333, 2);
	EXPECT_OK(0xf3, 0xa5);
	CHECK_EQ(load(0x20000, 2), 0x1111);
	CHECK_EQ(load(0x2fffe, 2), 0x2222);
	CHECK_EQ(load(0x2fffc, 2), 0x3333);
	CHECK_EQ(m.ctx.gpr[RCX], 0xabcd0000);
	CHECK_EQ(m.ctx.gpr[RSI], 0x1111fffc);
	CHECK_EQ(m.ctx.gpr[RDI], 0x2222fffa);
	/* a fault in the middle leaves what was done */
	begin(LONG64);
	m.page[6] = ABSENT;
	m.ctx.gpr[RCX] = 10;
	m.ctx.gpr[RDI] = 0x5ff0;
	expect_fault(RUN(0xf3, 0xab), X86_TRAP_PF, 2);
	CHECK_EQ(m.ctx.gpr[RCX], 6);
	CHECK_EQ(m.ctx.gpr[RDI], 0x6000);
	CHECK_EQ(m.ctx.rip, CODE_AT);
	/* one iteration at a time, RIP still there */
	begin(LONG64);
	m.ctx.gpr[RCX] = 2;
	m.ctx.gpr[RDI] = 0x5000;
	m.ctx.rflags |= X86_EFLAGS_RF;
	CODE(0xf3, 0xaa);
	CHECK_EQ(emu_decode(&m.ctx), EMU_OK);
	CHECK_EQ(emu_execute(&m.ctx), EMU_REP);
	CHECK_EQ(m.ctx.rip, CODE_AT);
	CHECK_EQ(emu_execute(&m.ctx), EMU_OK);
	CHECK_EQ(m.ctx.rip, CODE_AT + 2);
	CHECK_EQ(m.ctx.rflags & X86_EFLAGS_RF, 0);
}

static void rep_compare_ends(void)
{
	static const struct {
		u8 prefix;
		const char *data;
		u64 left;
		bool zf;
	} t[] = {
		{ 0xf3, "aaaab", 0, false }, { 0xf3, "aabaa", 2, false },
		{ 0xf3, "aaaaa", 0, true }, { 0xf3, "b", 4, false },
		{ 0xf2, "bbabb", 2, true }, { 0xf2, "bbbbb", 0, false },
		{ 0xf2, "bbbba", 0, true }, { 0xf2, "a", 4, true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		begin(LONG64);
		memcpy(m.mem + 0x5000, t[i].data, strlen(t[i].data));
		m.ctx.gpr[RAX] = 'a';
		m.ctx.gpr[RCX] = 5;
		m.ctx.gpr[RDI] = 0x5000;
		EXPECT_OK(t[i].prefix, 0xae);
		CHECK_EQ(m.ctx.gpr[RCX], t[i].left);
		CHECK_EQ(m.ctx.gpr[RDI], 0x5005 - t[i].left);
		CHECK_EQ(!!(m.ctx.rflags & X86_EFLAGS_ZF), t[i].zf);
		begin(LONG64);
		memcpy(m.mem + 0x5000, t[i].data, strlen(t[i].data));
		memset(m.mem + 0x6000, 'a', 5);
		m.ctx.gpr[RCX] = 5;
		m.ctx.gpr[RSI] = 0x6000;
		m.ctx.gpr[RDI] = 0x5000;
		EXPECT_OK(t[i].prefix, 0xa6);
		CHECK_EQ(m.ctx.gpr[RCX], t[i].left);
		CHECK_EQ(!!(m.ctx.rflags & X86_EFLAGS_ZF), t[i].zf);
	}
}

/* Registers. */

static void high_byte_registers(void)
{
	begin(LONG64);
	m.ctx.gpr[RAX] = 0x1122334455667788;
	m.ctx.gpr[RSP] = 0x5000;
	m.ctx.gpr[RBX] = 0x5000;
	EXPECT_OK(0x88, 0x23);			/* mov [rbx], ah */
	CHECK_EQ(load(0x5000, 1), 0x77);
	begin(LONG64);
	m.ctx.gpr[RSP] = 0x1234567890abcdef;
	m.ctx.gpr[RBX] = 0x5000;
	EXPECT_OK(0x40, 0x88, 0x23);		/* mov [rbx], spl */
	CHECK_EQ(load(0x5000, 1), 0xef);
	begin(LONG64);
	m.ctx.gpr[RDX] = 0x1122334455667788;
	store(0x5000, 0xee, 1);
	m.ctx.gpr[RBX] = 0x5000;
	EXPECT_OK(0x8a, 0x33);			/* mov dh, [rbx] */
	CHECK_EQ(m.ctx.gpr[RDX], 0x112233445566ee88);
	CHECK_EQ(m.ctx.gpr_dirty, BIT(RDX));
	begin(LONG64);
	m.ctx.gpr[RSI] = 0x1122334455667788;
	store(0x5000, 0xee, 1);
	m.ctx.gpr[RBX] = 0x5000;
	EXPECT_OK(0x40, 0x8a, 0x33);		/* mov sil, [rbx] */
	CHECK_EQ(m.ctx.gpr[RSI], 0x11223344556677ee);
	CHECK_EQ(m.ctx.gpr_dirty, BIT(RSI));
}

static void register_aliases(void)
{
	begin(LONG64);
	m.ctx.gpr[RAX] = 5;
	EXPECT_OK(0x48, 0x0f, 0xc1, 0xc0);	/* xadd rax, rax */
	CHECK_EQ(m.ctx.gpr[RAX], 10);
	begin(LONG64);
	m.ctx.gpr[RAX] = 0x0305;
	EXPECT_OK(0x0f, 0xc0, 0xe0);		/* xadd al, ah */
	CHECK_EQ(m.ctx.gpr[RAX], 0x0508);
	begin(LONG64);
	m.ctx.gpr[RAX] = 0x0305;
	EXPECT_OK(0x86, 0xe0);			/* xchg al, ah */
	CHECK_EQ(m.ctx.gpr[RAX], 0x0503);
	begin(LONG64);
	m.ctx.gpr[RAX] = 0x0305;
	m.ctx.gpr[RBX] = 0x77;
	EXPECT_OK(0x0f, 0xb0, 0xdc);		/* cmpxchg ah, bl: differs */
	CHECK_EQ(m.ctx.gpr[RAX], 0x0303);
	CHECK_EQ(m.ctx.rflags & X86_EFLAGS_ZF, 0);
	begin(LONG64);
	m.ctx.gpr[RAX] = 0xaaaaaaaa00000001;
	m.ctx.gpr[RCX] = 0xbbbbbbbb00000001;
	m.ctx.gpr[RDX] = 0xcccccccc00000002;
	EXPECT_OK(0x0f, 0xb1, 0xd1);		/* cmpxchg ecx, edx: equal */
	CHECK_EQ(m.ctx.gpr[RCX], 2);
	CHECK_EQ(m.ctx.gpr[RAX], 0xaaaaaaaa00000001);
	/* CMPXCHG reads and writes memory also where it differs */
	begin(LONG64);
	m.ctx.gpr[RBX] = 0x5000;
	store(0x5000, 7, 4);
	EXPECT_OK(0x0f, 0xb1, 0x0b);
	CHECK_EQ(m.writes, 1);
	CHECK_EQ(m.ctx.gpr[RAX], 7);
}

static void stack_pointer(void)
{
	begin(LONG64);
	m.ctx.gpr[RSP] = 0x5000;
	store(0x5000, 0x1122334455667788, 8);
	EXPECT_OK(0x8f, 0x04, 0x24);		/* pop [rsp]: the address after it */
	CHECK_EQ(load(0x5008, 8), 0x1122334455667788);
	CHECK_EQ(m.ctx.gpr[RSP], 0x5008);
	begin(LONG64);
	m.ctx.gpr[RSP] = 0x5000;
	store(0x5000, 0xbeef, 2);
	EXPECT_OK(0x66, 0x8f, 0x44, 0x24, 0x10);	/* pop word [rsp+16] */
	CHECK_EQ(load(0x5012, 2), 0xbeef);
	begin(LONG64);
	m.ctx.gpr[RSP] = 0x5000;
	store(0x5000, 0x6000, 8);
	EXPECT_OK(0x5c);			/* pop rsp */
	CHECK_EQ(m.ctx.gpr[RSP], 0x6000);
	begin(LONG64);
	m.ctx.gpr[RSP] = 0x5000;
	EXPECT_OK(0x54);			/* push rsp */
	CHECK_EQ(load(0x4ff8, 8), 0x5000);
	begin(LONG64);
	m.ctx.gpr[RSP] = 0x5000;
	store(0x5000, 0x77, 8);
	EXPECT_OK(0xff, 0x34, 0x24);		/* push [rsp] */
	CHECK_EQ(load(0x4ff8, 8), 0x77);
	begin(LONG64);
	m.ctx.gpr[RSP] = 0x5000;
	store(0x5000, 0x2000, 8);
	EXPECT_OK(0xff, 0x14, 0x24);		/* call [rsp] */
	CHECK_EQ(m.ctx.rip, 0x2000);
	CHECK_EQ(load(0x4ff8, 8), CODE_AT + 3);
	/* the destination of POP faults: nothing has moved */
	begin(LONG64);
	m.ctx.gpr[RSP] = 0x5000;
	m.ctx.gpr[RBX] = 0x6000;
	m.page[6] = RO;
	expect_fault(RUN(0x8f, 0x03), X86_TRAP_PF, 2);
	CHECK_EQ(m.ctx.gpr[RSP], 0x5000);
	CHECK_EQ(m.ctx.gpr_dirty, 0);
}

/* What the CPU at hand may do in another way than the SDM says. */
static void by_the_book(void)
{
	begin(LONG64);
	store(0x5000, 0x8001, 2);
	m.page[6] = ABSENT;
	m.ctx.gpr[RBX] = 0x5ffe;
	store(0x5ffe, 0x8001, 2);
	m.ctx.gpr[RCX] = 0x1111111111111111;
	EXPECT_OK(0x66, 0x63, 0x0b);		/* movsxd cx, word [rbx] */
	CHECK_EQ(m.ctx.gpr[RCX], 0x1111111111118001);
	begin(LONG64);
	CHECK_EQ(RUN(0x66, 0x0f, 0xc3, 0x0b), EMU_UNHANDLED);	/* no such MOVNTI */
	begin(LONG64);
	CHECK_EQ(RUN(0xf3, 0x0f, 0xe7, 0x0b), EMU_UNHANDLED);
	begin(LONG64);
	CHECK_EQ(RUN(0xf2, 0x0f, 0x28, 0x0b), EMU_UNHANDLED);
	/* the old segment prefixes void neither FS nor GS */
	begin(LONG64);
	m.ctx.seg[EMU_FS].base = 0x5000;
	store(0x5000, 0x99, 1);
	EXPECT_OK(0x64, 0x2e, 0x8a, 0x03);
	CHECK_EQ(m.ctx.gpr[RAX], 0x99);
	/* vector moves that must be aligned */
	begin(LONG64);
	m.ctx.gpr[RBX] = 0x5008;
	EXPECT_GP(0x0f, 0x28, 0x03);
	begin(LONG64);
	m.ctx.gpr[RBX] = 0x5010;
	EXPECT_GP(0xc5, 0xfc, 0x28, 0x03);	/* 32 bytes */
	begin(LONG64);
	m.ctx.gpr[RBX] = 0x5008;
	EXPECT_OK(0x66, 0xf3, 0x0f, 0x6f, 0x03);	/* F3 wins: unaligned */
	/* VEX clears the upper half, the old encoding does not */
	begin(LONG64);
	memset(m.vector, 0xff, sizeof(m.vector));
	m.ctx.gpr[RBX] = 0x5000;
	EXPECT_OK(0x0f, 0x28, 0x03);
	CHECK_EQ(m.vector[0][16], 0xff);
	begin(LONG64);
	memset(m.vector, 0xff, sizeof(m.vector));
	m.ctx.gpr[RBX] = 0x5000;
	EXPECT_OK(0xc5, 0xf8, 0x28, 0x03);
	CHECK_EQ(m.vector[0][16], 0);
	/* outside 64-bit mode VEX.B selects nothing */
	begin(PROT32);
	m.ctx.gpr[RBX] = 0x5000;
	m.ctx.gpr[11] = 0x900000;
	EXPECT_OK(0xc4, 0xc1, 0x78, 0x28, 0x03);
}

/* For CPL 3 with CR0.AM and EFLAGS.AC, and only for what memory the CPU reads. */
static void alignment_check(void)
{
	static const struct {
		u8 code[5];
		u32 offset;
		int vector;
	} t[] = {
		{ { 0x8b, 0x03 }, 2, X86_TRAP_AC }, { { 0x8b, 0x03 }, 4, -1 },
		{ { 0x48, 0x8b, 0x03 }, 4, X86_TRAP_AC }, { { 0x8a, 0x03 }, 1, -1 },
		{ { 0x0f, 0xb6, 0x03 }, 1, -1 }, { { 0x0f, 0xb7, 0x03 }, 1, X86_TRAP_AC },
		{ { 0x01, 0x03 }, 1, X86_TRAP_AC }, { { 0xff, 0x33 }, 4, X86_TRAP_AC },
		{ { 0xab }, 2, X86_TRAP_AC }, { { 0xf3, 0xaa }, 1, -1 },
		{ { 0x0f, 0x10, 0x03 }, 8, X86_TRAP_AC }, { { 0x0f, 0x28, 0x03 }, 8, X86_TRAP_GP },
		{ { 0xf3, 0x0f, 0x10, 0x03 }, 4, -1 },
		{ { 0xf2, 0x0f, 0x10, 0x03 }, 4, X86_TRAP_AC },
		{ { 0xc5, 0xfc, 0x10, 0x03 }, 16, -1 }, { { 0x0f, 0xc7, 0x0b }, 4, X86_TRAP_AC },
		{ { 0x48, 0x0f, 0xc7, 0x0b }, 8, X86_TRAP_GP }, { { 0x67, 0x6d }, 2, X86_TRAP_AC },
		{ { 0xf3, 0x6c }, 1, -1 },
	};
	unsigned int i, off;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		/* off: 0 all of them are on, 1 to 3 one is not */
		for (off = 0; off < 4; off++) {
			begin(LONG64);
			m.ctx.gpr[RBX] = 0x5000 + t[i].offset;
			m.ctx.gpr[RDI] = 0x5000 + t[i].offset;
			m.ctx.gpr[RDX] = 0x3f8;
			m.ctx.gpr[RCX] = 3;
			m.ctx.cpl = off == 1 ? 2 : 3;
			m.ctx.cr0 |= off == 2 ? 0 : X86_CR0_AM;
			m.ctx.rflags |= off == 3 ? 0 : X86_EFLAGS_AC;
			put(t[i].code, 5);
			if (t[i].vector < 0 || (off && t[i].vector == X86_TRAP_AC))
				CHECK_EQ(run(), EMU_OK);
			else
				expect_fault(run(), t[i].vector, 0);
			CHECK(!off || t[i].vector != X86_TRAP_GP || !m.reads);
		}
	}
}

static void divide_errors(void)
{
	static const struct {
		u8 code[3];
		u64 rax, rdx, by;
		bool good;
		u64 quotient, remainder;
	} t[] = {
		{ { 0x48, 0xf7, 0x33 }, 7, 0, 0, false },
		{ { 0x48, 0xf7, 0x33 }, 7, 0, 2, true, 3, 1 },
		{ { 0x48, 0xf7, 0x33 }, 0, 2, 2, false },
		{ { 0x48, 0xf7, 0x33 }, ~0ull, 1, 2, true, ~0ull, 1 },
		{ { 0x48, 0xf7, 0x33 }, 5, ~1ull, ~0ull, true, ~0ull, 4 },
		{ { 0x48, 0xf7, 0x3b }, 1ull << 63, ~0ull, ~0ull, false },
		{ { 0x48, 0xf7, 0x3b }, 1ull << 63, ~0ull, 1, true, 1ull << 63, 0 },
		{ { 0x48, 0xf7, 0x3b }, 0, 1ull << 63, 1ull << 63, false },
		{ { 0x48, 0xf7, 0x3b }, -7ull, ~0ull, 2, true, -3ull, -1ull },
		{ { 0x48, 0xf7, 0x3b }, 7, 0, -2ull, true, -3ull, 1 },
		{ { 0xf7, 0x3b }, 0x80000000, 0xffffffff, 0xffffffff, false },
		{ { 0xf7, 0x3b }, 0, 0x80000000, 0x80000000, false },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		begin(LONG64);
		m.ctx.gpr[RAX] = t[i].rax;
		m.ctx.gpr[RDX] = t[i].rdx;
		m.ctx.gpr[RBX] = 0x5000;
		store(0x5000, t[i].by, 8);
		put(t[i].code, 3);
		if (!t[i].good) {
			expect_fault(run(), X86_TRAP_DE, -1);
			CHECK_EQ(m.ctx.gpr[RAX], t[i].rax);
			CHECK_EQ(m.ctx.gpr_dirty, 0);
			continue;
		}
		CHECK_EQ(run(), EMU_OK);
		CHECK_EQ(m.ctx.gpr[RAX], t[i].quotient);
		CHECK_EQ(m.ctx.gpr[RDX], t[i].remainder);
	}
	/* AX into AL and AH */
	begin(LONG64);
	m.ctx.gpr[RAX] = 0x0200;
	m.ctx.gpr[RBX] = 2;
	expect_fault(RUN(0xf6, 0xf3), X86_TRAP_DE, -1);
	/* a divisor that cannot be read comes first */
	begin(LONG64);
	m.page[5] = ABSENT;
	m.ctx.gpr[RBX] = 0x5000;
	expect_fault(RUN(0xf7, 0x33), X86_TRAP_PF, 0);
}

/* Which of none, 66, F3 and F2 make a move of ours, by bits 0 to 3. */
static void class02_vector_prefixes(void)
{
	static const struct {
		u8 opcode, prefixes, vex;
	} t[] = {
		{ 0x10, 15, 3 }, { 0x11, 15, 3 }, { 0x12, 3, 0 }, { 0x13, 3, 0 },
		{ 0x16, 3, 0 }, { 0x17, 3, 0 }, { 0x28, 3, 3 }, { 0x29, 3, 3 },
		{ 0x2a, 0, 0 }, { 0x2b, 3, 3 }, { 0x6e, 2, 0 }, { 0x6f, 6, 6 },
		{ 0x7e, 6, 0 }, { 0x7f, 6, 6 }, { 0xd6, 2, 0 }, { 0xe7, 2, 2 },
		{ 0xf0, 8, 8 },
	};
	static const u8 prefix[] = { 0x3e, 0x66, 0xf3, 0xf2 };
	unsigned int i, p;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		for (p = 0; p < 4; p++) {
			begin(LONG64);
			CHECK_EQ(RUN(prefix[p], 0x0f, t[i].opcode, 0x03),
				 (t[i].prefixes >> p) & 1 ? EMU_OK : EMU_UNHANDLED);
			begin(LONG64);
			CHECK_EQ(RUN(0xc5, 0xf8 | p, t[i].opcode, 0x03),
				 (t[i].vex >> p) & 1 ? EMU_OK : EMU_UNHANDLED);
			/* between registers there is nothing to emulate */
			begin(LONG64);
			CHECK_EQ(RUN(prefix[p], 0x0f, t[i].opcode, 0xc3), EMU_UNHANDLED);
			/* MOVNTDQA alone has three bytes of opcode */
			begin(LONG64);
			CHECK_EQ(RUN(prefix[p], 0x0f, 0x38, t[i].opcode, 0x03),
				 t[i].opcode == 0x2a && p == 1 ? EMU_OK :
				 (t[i].opcode == 0xf0 && p < 2) ? EMU_OK : EMU_UNHANDLED);
		}
	}
}

static void vectors_not_enabled(void)
{
	begin(LONG64);
	m.ctx.cr4 = X86_CR4_OSXSAVE;
	EXPECT_UD(0x0f, 0x28, 0x03);
	begin(LONG64);
	m.ctx.cr0 |= X86_CR0_EM;
	EXPECT_UD(0x0f, 0x28, 0x03);
	begin(LONG64);
	m.ctx.cr4 = X86_CR4_OSFXSR;
	EXPECT_UD(0xc5, 0xf8, 0x28, 0x03);
	begin(LONG64);
	m.ctx.cr0 |= X86_CR0_TS;
	expect_fault(RUN(0x0f, 0x28, 0x03), X86_TRAP_NM, -1);
	begin(LONG64);
	m.ctx.cr0 |= X86_CR0_TS;
	expect_fault(RUN(0xc5, 0xf8, 0x28, 0x03), X86_TRAP_NM, -1);
	CHECK_EQ(m.reads + m.writes, 0);
	/* before the address is looked at */
	begin(LONG64);
	m.ctx.cr0 |= X86_CR0_TS;
	m.ctx.gpr[RBX] = 0x0000800000000000;
	expect_fault(RUN(0x0f, 0x10, 0x03), X86_TRAP_NM, -1);
}

/* Parts of a register: what a load clears, and what it keeps. */
static void vector_parts(void)
{
	static const struct {
		u8 code[5];
		u64 low, high;
	} t[] = {
		{ { 0xf3, 0x0f, 0x10, 0x03 }, 0x55667788, 0 },
		{ { 0xf2, 0x0f, 0x10, 0x03 }, 0x1122334455667788, 0 },
		{ { 0x66, 0x0f, 0x6e, 0x03 }, 0x55667788, 0 },
		{ { 0x66, 0x48, 0x0f, 0x6e, 0x03 }, 0x1122334455667788, 0 },
		{ { 0xf3, 0x0f, 0x7e, 0x03 }, 0x1122334455667788, 0 },
		{ { 0x0f, 0x12, 0x03 }, 0x1122334455667788, ~0ull },
		{ { 0x0f, 0x16, 0x03 }, ~0ull, 0x1122334455667788 },
	};
	unsigned int i;
	u64 v[4];

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		begin(LONG64);
		memset(m.vector, 0xff, sizeof(m.vector));
		m.ctx.gpr[RBX] = 0x5000;
		store(0x5000, 0x1122334455667788, 8);
		put(t[i].code, 5);
		CHECK_EQ(run(), EMU_OK);
		memcpy(v, m.vector[0], sizeof(v));
		CHECK_EQ(v[0], t[i].low);
		CHECK_EQ(v[1], t[i].high);
		CHECK_EQ(v[2], ~0ull);	/* of no account to the old encoding */
	}
}

/* What this machine's CPU need not have. */
static void other_cpus(void)
{
	unsigned int with;

	for (with = 0; with < 2; with++) {
		begin(LONG64);
		m.ctx.has_tzcnt = with;
		m.ctx.has_lzcnt = with;
		m.ctx.gpr[RBX] = 0x5000;
		store(0x5000, 0x80, 4);
		EXPECT_OK(0xf3, 0x0f, 0xbd, 0x03);	/* LZCNT, or BSR */
		CHECK_EQ(m.ctx.gpr[RAX], with ? 24 : 7);
		begin(LONG64);
		m.ctx.has_tzcnt = with;
		m.ctx.has_lzcnt = with;
		m.ctx.gpr[RAX] = 0x77;
		m.ctx.gpr[RBX] = 0x5000;
		EXPECT_OK(0xf3, 0x0f, 0xbc, 0x03);	/* TZCNT, or BSF that finds none */
		CHECK_EQ(m.ctx.gpr[RAX], with ? 32 : 0x77);
	}
	begin(LONG64);
	m.ctx.gpr[RAX] = 0x1122334455667788;
	m.ctx.gpr[RBX] = 0x5000;
	EXPECT_OK(0x48, 0x0f, 0x38, 0xf9, 0x03);	/* MOVDIRI */
	CHECK_EQ(load(0x5000, 8), 0x1122334455667788);
	begin(LONG64);
	CHECK_EQ(RUN(0x66, 0x0f, 0x38, 0xf9, 0x03), EMU_UNHANDLED);
	begin(LONG64);
	CHECK_EQ(RUN(0xf2, 0x0f, 0x38, 0xf1, 0x03), EMU_UNHANDLED);	/* CRC32 */
	begin(LONG64);
	CHECK_EQ(RUN(0x0f, 0xb8, 0x03), EMU_UNHANDLED);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
#define TEST(name) { #name, name }
	TEST(class01_page_crossing_fetch),
	TEST(class01_fifteen_bytes),
	TEST(class01_code_limit),
	TEST(class01_native_64),
	TEST(class01_native_32),
	TEST(class01_native_16),
	TEST(class02_not_decoded),
	TEST(class02_vex_opcodes),
	TEST(class02_vector_prefixes),
	TEST(class02_every_row_is_compared),
	TEST(class04_branch_targets),
	TEST(class04_branch_width),
	TEST(class04_operands),
	TEST(class04_fetch),
	TEST(class05_code_is_fetched_once),
	TEST(class05_restart),
	TEST(class06_ins_fault_comes_first),
	TEST(class06_batches),
	TEST(segment_limits),
	TEST(segment_types),
	TEST(write_intent),
	TEST(real_mode),
	TEST(real_mode_addressing),
	TEST(lock_legality),
	TEST(lock_lost),
	TEST(rep_count_zero),
	TEST(rep_directions),
	TEST(rep_compare_ends),
	TEST(high_byte_registers),
	TEST(register_aliases),
	TEST(stack_pointer),
	TEST(by_the_book),
	TEST(alignment_check),
	TEST(divide_errors),
	TEST(vectors_not_enabled),
	TEST(vector_parts),
	TEST(other_cpus),
};

int main(int argc, char **argv)
{
	unsigned int i, bad = 0;
	int c;

	seed = (u64)time(NULL) << 16 ^ getpid();
	while ((c = getopt(argc, argv, "d:s:n:")) != -1) {
		if (c == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (c == 'n')
			times = strtoul(optarg, NULL, 0);
		else if (c != 'd')
			return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%zu\n# seed %llu\n", ARRAY_SIZE(tests), seed);
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		failures = 0;
		skip_reason = NULL;
		tests[i].run();
		if (failures > REPORTS)
			printf("# %lu failures in all\n", failures);
		printf("%s %u %s%s%s\n", failures ? "not ok" : "ok", i + 1, tests[i].name,
		       skip_reason ? " # SKIP " : "", skip_reason ? skip_reason : "");
		bad += !!failures;
	}
	return bad ? 1 : 0;
}
