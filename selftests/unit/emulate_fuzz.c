// SPDX-License-Identifier: GPL-2.0
/*
 * emulate_fuzz.c - any bytes as code, in any mode, with callbacks that succeed or
 * fail as they like: the emulator must keep to its memory, end, and change
 * nothing unless it says so. Class 1 and 2 of the bugs in Documentation.
 *
 * Alone, it runs random inputs (-n, -s). Built with -DFUZZER it is an entry for
 * libFuzzer: make fuzz SECONDS=600.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

#include "../../kmod/cpu/emulate.h"

#define MAX_ITERATIONS	200

/* The input, byte by byte; zeroes when it has run out. */
struct input {
	const u8 *data;
	size_t size, pos;
};

static struct input *in;
static struct emu_ctx ctx;
static bool acted;	/* something that cannot be taken back was done */
static bool failed;	/* a callback did not succeed in this attempt */
static unsigned long outcomes[EMU_UNHANDLED + 1];

#define MUST(cond)	do {						\
	if (!(cond)) {							\
		printf("# %s:%d: must be: %s\n", __FILE__, __LINE__, #cond); \
		show();							\
	}								\
} while (0)

static void show(void)
{
	unsigned int i;

	printf("# rip %#llx flags %#llx length %u:", ctx.rip, ctx.rflags, ctx.insn_len);
	for (i = 0; i < EMU_INSN_MAX; i++)
		printf(" %02x", ctx.insn[i]);
	printf("\n# input:");
	for (i = 0; i < in->size; i++)
		printf("%02x", in->data[i]);
	printf("\n");
	fflush(stdout);
	abort();
}

static u8 take(void)
{
	return in->pos < in->size ? in->data[in->pos++] : 0;
}

static u64 take64(void)
{
	u64 v = 0;
	int i;

	/* one byte says what kind of number, so that short inputs have all kinds */
	switch (take() & 7) {
	case 0:
		return take();
	case 1:
		return -(u64)take();
	case 2:
		return 0x0000800000000000 - take();
	case 3:
		return 0xffff800000000000 + (s8)take();
	case 4:
		return 0x1000 * (u64)take() + (s8)take();
	case 5:
		return 0xffffffff - take();
	}
	for (i = 0; i < 8; i++)
		v = v << 8 | take();
	return v;
}

/* What a callback does; after it acted nothing may follow. */
static enum emu_status outcome(unsigned int len, unsigned int max)
{
	static const enum emu_status some[] = { EMU_FAULT, EMU_STOP, EMU_UNHANDLED };
	u8 b;

	MUST(len > 0 && len <= max);
	MUST(!acted);
	MUST(!failed);
	b = take();
	if (b < 0xe0)
		return EMU_OK;
	failed = true;
	ctx.fault = (struct emu_fault) { .vector = X86_TRAP_PF };
	return some[b % 3];
}

static void fill(void *buf, unsigned int len)
{
	u8 *p = buf;
	u8 b = take();

	while (len--)
		*p++ = b++;
}

static u8 sum_of(const void *buf, unsigned int len)
{
	const u8 *p = buf;
	u8 sum = 0;

	while (len--)
		sum += *p++;
	return sum;
}

static volatile u8 sink;

static enum emu_status op_fetch(struct emu_ctx *c, u64 linear, void *buf, unsigned int len)
{
	enum emu_status st = outcome(len, EMU_INSN_MAX);
	u8 *p = buf;

	MUST(linear / 4096 == (linear + len - 1) / 4096);
	MUST(p >= c->insn && p + len <= c->insn + EMU_INSN_MAX);
	while (len--)
		*p++ = take();
	return st;
}

/* Most of an element: vectors have 32 bytes; INS and OUTS have a page. */
static unsigned int most(const void *buf)
{
	return buf == ctx.io ? EMU_IO_BYTES : 32;
}

static enum emu_status op_read(struct emu_ctx *c, u64 linear, void *buf, unsigned int len,
			       bool write_intent)
{
	enum emu_status st = outcome(len, most(buf));

	if (st == EMU_OK)
		fill(buf, len);
	return st;
}

static enum emu_status op_write(struct emu_ctx *c, u64 linear, const void *buf,
				unsigned int len)
{
	enum emu_status st = outcome(len, most(buf));

	sink = sum_of(buf, len);
	acted = st == EMU_OK;
	return st;
}

static enum emu_status op_cmpxchg(struct emu_ctx *c, u64 linear, const void *old,
				  const void *new, unsigned int len, bool *swapped)
{
	enum emu_status st = outcome(len, 16);

	sink = sum_of(old, len) + sum_of(new, len);
	*swapped = take() & 1;
	acted = st == EMU_OK && *swapped;
	return st;
}

static enum emu_status op_probe(struct emu_ctx *c, u64 linear, unsigned int len, bool write,
				bool *plain)
{
	enum emu_status st = outcome(len, 8);

	*plain = take() & 1;
	return st;
}

static enum emu_status op_pio_in(struct emu_ctx *c, u16 port, unsigned int size, void *buf,
				 unsigned int count)
{
	enum emu_status st;

	MUST(size == 1 || size == 2 || size == 4);
	MUST(buf == c->io);
	st = outcome(size * count, EMU_IO_BYTES);
	if (st == EMU_OK)
		fill(buf, size * count);
	return st;
}

static enum emu_status op_pio_out(struct emu_ctx *c, u16 port, unsigned int size,
				  const void *buf, unsigned int count)
{
	enum emu_status st;

	MUST(size == 1 || size == 2 || size == 4);
	MUST(buf == c->io);
	st = outcome(size * count, EMU_IO_BYTES);
	sink = sum_of(buf, size * count);
	acted = st == EMU_OK;
	return st;
}

static enum emu_status op_read_xmm(struct emu_ctx *c, unsigned int reg, void *buf,
				   unsigned int bytes)
{
	enum emu_status st = outcome(bytes, 32);

	MUST(reg < (c->mode64 ? 16 : 8));
	if (st == EMU_OK)
		fill(buf, bytes);
	return st;
}

static enum emu_status op_write_xmm(struct emu_ctx *c, unsigned int reg, const void *buf,
				    unsigned int bytes)
{
	enum emu_status st = outcome(bytes, 32);

	MUST(reg < (c->mode64 ? 16 : 8));
	sink = sum_of(buf, bytes);
	acted = st == EMU_OK;
	return st;
}

static const struct emu_ops ops = {
	.fetch = op_fetch, .read = op_read, .write = op_write, .cmpxchg = op_cmpxchg,
	.probe = op_probe, .pio_in = op_pio_in, .pio_out = op_pio_out,
	.read_xmm = op_read_xmm, .write_xmm = op_write_xmm,
};

static void take_state(void)
{
	u8 mode = take(), segs = take(), flags = take();
	int i;

	memset(&ctx, 0, offsetof(struct emu_ctx, io));
	for (i = 0; i < 16; i++)
		ctx.gpr[i] = 0x1000 * i + 0x123456789abcdef0 * (mode >> 7);
	/* a few of them are the input's */
	for (i = 0; i < (segs & 3); i++)
		ctx.gpr[take() & 15] = take64();
	for (i = 0; i < EMU_NR_SEGS; i++) {
		ctx.seg[i].limit = ~0u;
		ctx.seg[i].ar = 0xc093;
	}
	if (segs & 4) {
		i = take() % EMU_NR_SEGS;
		ctx.seg[i].base = take64();
		ctx.seg[i].limit = take64();
		ctx.seg[i].ar = take() | (take() & 0xf1) << 12;
	}
	ctx.cr0 = (mode & 3) ? X86_CR0_PE : 0;
	ctx.efer = (mode & 3) == 3 ? EFER_LMA : 0;
	ctx.seg[EMU_CS].ar = 0x9b | ((mode & 3) == 3 ? BIT(13) : (mode & 4) ? BIT(14) : 0) |
			     (ctx.seg[EMU_CS].ar & 4);
	ctx.cpl = (mode & 8) ? 3 : 0;
	ctx.cr0 |= (mode & 0x20) ? X86_CR0_AM : 0;
	ctx.cr4 = (mode & 0x40) ? 0 : X86_CR4_OSFXSR | X86_CR4_OSXSAVE;
	ctx.has_tzcnt = mode & 0x10;
	ctx.has_lzcnt = mode & 0x10;
	ctx.rflags = 2 | (flags & 0xd5) | ((flags & 2) ? X86_EFLAGS_DF : 0) |
		     ((flags & 8) ? X86_EFLAGS_OF : 0) |
		     ((flags & 0x20) && (mode & 0x20) ? X86_EFLAGS_AC : 0) |
		     ((flags & 0x20) && (mode & 3) == 1 ? X86_EFLAGS_VM : 0);
	ctx.rip = (segs & 8) ? take64() : 0x1ff8ull + (segs >> 4);
	if (!ctx.efer)
		ctx.rip = (u32)ctx.rip;
	ctx.ops = &ops;
}

/* What may not change unless something was done. */
struct registers {
	u64 gpr[16], rip, rflags;
	u32 dirty;
};

static struct registers registers(void)
{
	struct registers r = { .rip = ctx.rip, .rflags = ctx.rflags, .dirty = ctx.gpr_dirty };

	memcpy(r.gpr, ctx.gpr, sizeof(r.gpr));
	return r;
}

static void must_be_same(const struct registers *r)
{
	MUST(!memcmp(r->gpr, ctx.gpr, sizeof(r->gpr)));
	MUST(r->rip == ctx.rip);
	MUST(r->rflags == ctx.rflags);
	MUST(r->dirty == ctx.gpr_dirty);
}

static void must_be_marked(const struct registers *r)
{
	int i;

	for (i = 0; i < 16; i++)
		MUST(r->gpr[i] == ctx.gpr[i] || (ctx.gpr_dirty & BIT(i)));
	if (!ctx.mode64)
		for (i = 8; i < 16; i++)
			MUST(r->gpr[i] == ctx.gpr[i]);
	MUST(!((r->rflags ^ ctx.rflags) & ~0x108d5ull));
}

static enum emu_status attempt(void)
{
	struct registers before = registers();
	enum emu_status st;

	acted = false;
	failed = false;
	st = emu_execute(&ctx);
	MUST((unsigned int)st <= EMU_UNHANDLED);
	outcomes[st]++;
	if (st == EMU_OK || st == EMU_REP) {
		MUST(!failed);
		must_be_marked(&before);
		if (st == EMU_REP)
			MUST(ctx.rip == before.rip);
	} else {
		must_be_same(&before);
		MUST(!acted);
	}
	return st;
}

static void one_input(const u8 *data, size_t size)
{
	struct input input = { .data = data, .size = size };
	struct registers before;
	unsigned int i;
	enum emu_status st;

	in = &input;
	take_state();
	before = registers();
	acted = false;
	failed = false;
	st = emu_decode(&ctx);
	MUST(st == EMU_OK || st == EMU_FAULT || st == EMU_STOP || st == EMU_UNHANDLED);
	MUST(ctx.insn_len <= EMU_INSN_MAX);
	must_be_same(&before);
	if (st == EMU_OK)
		MUST(ctx.insn_len > 0);
	outcomes[st]++;
	for (i = 0; i < MAX_ITERATIONS; i++) {
		st = attempt();
		if (st != EMU_REP && st != EMU_STOP)
			break;
	}
}

#ifdef FUZZER
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (size <= 256)
		one_input(data, size);
	return 0;
}
#else
static u64 state;

static u64 rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dull;
}

/* Random bytes, with prefixes and opcodes more often than by chance. */
static size_t make_input(u8 *data, size_t max)
{
	static const u8 likely[] = {
		0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x0f, 0x48, 0x41, 0x64, 0x2e, 0xc4, 0xc5, 0xff,
		0x8f, 0xa5, 0xa7, 0xab, 0x6d, 0x6f, 0x38, 0xc1, 0xb1, 0xba, 0x83, 0x24, 0x05,
	};
	size_t i, n = 16 + rnd() % (max - 16);

	for (i = 0; i < n; i += 8) {
		u64 v = rnd();

		memcpy(data + i, &v, 8);
	}
	for (i = rnd() % 8; i--;)
		data[rnd() % 24] = likely[rnd() % sizeof(likely)];
	return n;
}

int main(int argc, char **argv)
{
	unsigned long n = 3000000, i;
	u64 seed = (u64)time(NULL) << 16 ^ getpid();
	u8 data[96];
	int c;

	while ((c = getopt(argc, argv, "d:s:n:")) != -1) {
		if (c == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (c == 'n')
			n = strtoul(optarg, NULL, 0);
		else if (c != 'd')
			return 1;
	}
	state = (seed + 1) * 0x9e3779b97f4a7c15ull;
	printf("KTAP version 1\n1..1\n# seed %llu\n", seed);
	fflush(stdout);
	for (i = 0; i < n; i++)
		one_input(data, make_input(data, sizeof(data) - 8));
	printf("# %lu inputs: finished %lu, repeating %lu, faults %lu, stopped %lu, not ours %lu\n",
	       n, outcomes[EMU_OK], outcomes[EMU_REP], outcomes[EMU_FAULT], outcomes[EMU_STOP],
	       outcomes[EMU_UNHANDLED]);
	printf("ok 1 class01_class02_random_code\n");
	return 0;
}
#endif
