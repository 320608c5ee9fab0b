// SPDX-License-Identifier: GPL-2.0
/*
 * emulate_restart.c - random instructions, interrupted at each of their
 * callbacks. Stopped, nothing may have changed, and the second attempt must ask
 * the same questions and end as the undisturbed one did. Failed, nothing may
 * have changed either. No byte of code or of memory is read twice.
 */
#include <stdio.h>

#include "unit.h"

#define CODE_AT		0x18000000u
#define WINDOW_AT	0x40000000u
#define MAX_CALLS	128
#define OUT_OF_BAND	99	/* a vector that the emulator itself never raises */

enum question { FETCH, READ, WRITE, CMPXCHG, PROBE, IN, OUT, READ_XMM, WRITE_XMM };

struct call {
	enum question what;
	u64 where;
	unsigned int len;
};

struct rig {
	struct world w;
	struct emu_ctx ctx;
	struct call call[MAX_CALLS];
	unsigned int calls;
	unsigned int disturb_at;	/* number of a callback */
	enum emu_status disturb_with;	/* EMU_OK: none is disturbed */
	unsigned int io_sum;		/* of all data that went out */
	u8 fetched[64];
};

static struct rig *rig_of(struct emu_ctx *ctx)
{
	return ctx->opaque;
}

/* Every callback begins here. */
static enum emu_status enter(struct rig *r, enum question what, u64 where, unsigned int len)
{
	unsigned int n = r->calls++;

	if (n < MAX_CALLS)
		r->call[n] = (struct call) { what, where, len };
	if (r->disturb_with == EMU_OK || n != r->disturb_at)
		return EMU_OK;
	r->ctx.fault = (struct emu_fault) { .vector = OUT_OF_BAND };
	return r->disturb_with;
}

static enum emu_status check(struct rig *r, u64 addr, unsigned int len, bool write)
{
	u64 first = addr - WINDOW_AT, last = first + len - 1;
	unsigned int pages = write ? WINDOW_WRITABLE : WINDOW_PRESENT;

	if (first < pages * PAGE && last < pages * PAGE)
		return EMU_OK;
	r->ctx.fault = (struct emu_fault) { .vector = X86_TRAP_PF };
	return EMU_FAULT;
}

static enum emu_status op_fetch(struct emu_ctx *ctx, u64 linear, void *buf, unsigned int len)
{
	struct rig *r = rig_of(ctx);
	u64 at = linear - CODE_AT;
	unsigned int i;

	CHECK(at + len <= sizeof(r->fetched));
	for (i = 0; i < len; i++)
		if (r->fetched[at + i]++)
			FAIL("byte %u of the code is fetched twice", (u32)at + i);
	memcpy(buf, r->w.code + at, len);
	return EMU_OK;
}

static enum emu_status op_read(struct emu_ctx *ctx, u64 linear, void *buf, unsigned int len,
			       bool write_intent)
{
	struct rig *r = rig_of(ctx);
	enum emu_status st = enter(r, READ, linear, len);

	CHECK(len && len <= (r->w.pattern >= io_patterns &&
			     r->w.pattern < io_patterns + 4 ? EMU_IO_BYTES : 32));
	if (st == EMU_OK)
		st = check(r, linear, len, write_intent);
	if (st == EMU_OK)
		memcpy(buf, r->w.memory + (linear - WINDOW_AT), len);
	return st;
}

static enum emu_status op_write(struct emu_ctx *ctx, u64 linear, const void *buf,
				unsigned int len)
{
	struct rig *r = rig_of(ctx);
	enum emu_status st = enter(r, WRITE, linear, len);

	if (st == EMU_OK)
		st = check(r, linear, len, true);
	if (st == EMU_OK)
		memcpy(r->w.memory + (linear - WINDOW_AT), buf, len);
	return st;
}

static enum emu_status op_cmpxchg(struct emu_ctx *ctx, u64 linear, const void *old,
				  const void *new, unsigned int len, bool *swapped)
{
	struct rig *r = rig_of(ctx);
	enum emu_status st = enter(r, CMPXCHG, linear, len);
	u8 *p = r->w.memory + (linear - WINDOW_AT);

	if (st == EMU_OK)
		st = check(r, linear, len, true);
	if (st != EMU_OK)
		return st;
	*swapped = !memcmp(p, old, len);
	CHECK(*swapped);
	memcpy(p, new, len);
	return st;
}

static enum emu_status op_probe(struct emu_ctx *ctx, u64 linear, unsigned int len, bool write,
				bool *plain)
{
	struct rig *r = rig_of(ctx);
	enum emu_status st = enter(r, PROBE, linear, len);

	*plain = linear & 0x100;
	return st == EMU_OK ? check(r, linear, len, write) : st;
}

static enum emu_status op_pio_in(struct emu_ctx *ctx, u16 port, unsigned int size, void *buf,
				 unsigned int count)
{
	struct rig *r = rig_of(ctx);
	enum emu_status st = enter(r, IN, port, size * count);

	CHECK(size && count && size * count <= EMU_IO_BYTES);
	if (st == EMU_OK)
		memset(buf, 0x5a, size * count);
	return st;
}

static enum emu_status op_pio_out(struct emu_ctx *ctx, u16 port, unsigned int size,
				  const void *buf, unsigned int count)
{
	struct rig *r = rig_of(ctx);
	enum emu_status st = enter(r, OUT, port, size * count);
	unsigned int i;

	CHECK(size && count && size * count <= EMU_IO_BYTES);
	for (i = 0; st == EMU_OK && i < size * count; i++)
		r->io_sum = r->io_sum * 31 + ((const u8 *)buf)[i];
	return st;
}

static enum emu_status op_read_xmm(struct emu_ctx *ctx, unsigned int reg, void *buf,
				   unsigned int bytes)
{
	struct rig *r = rig_of(ctx);
	enum emu_status st = enter(r, READ_XMM, reg, bytes);

	if (st == EMU_OK)
		memcpy(buf, r->w.vector[reg], bytes);
	return st;
}

static enum emu_status op_write_xmm(struct emu_ctx *ctx, unsigned int reg, const void *buf,
				    unsigned int bytes)
{
	struct rig *r = rig_of(ctx);
	enum emu_status st = enter(r, WRITE_XMM, reg, bytes);

	if (st == EMU_OK)
		memcpy(r->w.vector[reg], buf, bytes);
	return st;
}

static const struct emu_ops ops = {
	.fetch = op_fetch, .read = op_read, .write = op_write, .cmpxchg = op_cmpxchg,
	.probe = op_probe, .pio_in = op_pio_in, .pio_out = op_pio_out,
	.read_xmm = op_read_xmm, .write_xmm = op_write_xmm,
};

/* Everything that an instruction can change, but for the buffer of INS and OUTS. */
static bool same_machine(const struct rig *a, const struct rig *b)
{
	return !memcmp(a->ctx.gpr, b->ctx.gpr, sizeof(a->ctx.gpr)) &&
	       a->ctx.rip == b->ctx.rip && a->ctx.rflags == b->ctx.rflags &&
	       !memcmp(a->w.memory, b->w.memory, sizeof(a->w.memory)) &&
	       !memcmp(a->w.vector, b->w.vector, sizeof(a->w.vector)) &&
	       a->io_sum == b->io_sum;
}

static void copy_rig(struct rig *to, const struct rig *from)
{
	/* the buffer at the end of the context carries nothing from call to call */
	to->w = from->w;
	memcpy(&to->ctx, &from->ctx, offsetof(struct emu_ctx, io));
	to->ctx.opaque = to;
	to->io_sum = from->io_sum;
	to->calls = 0;
	to->disturb_with = EMU_OK;
	memcpy(to->fetched, from->fetched, sizeof(to->fetched));
}

static void report(const struct rig *r, const char *what, unsigned int at)
{
	FAIL("%s (callback %u)", what, at);
	print_case(&r->w);
}

static void no_byte_twice(const struct rig *r)
{
	unsigned int i, j, n = r->calls < MAX_CALLS ? r->calls : MAX_CALLS;

	for (i = 0; i < n; i++) {
		for (j = i + 1; j < n; j++) {
			if (r->call[i].what != READ || r->call[j].what != READ)
				continue;
			/* two operands, as those of CMPS, may well be the same */
			if ((r->w.pattern->flags & (P_STRING | P_STACK)))
				continue;
			report(r, "memory is read twice", j);
		}
	}
}

/* One iteration, disturbed at one callback, against the undisturbed one. */
static void disturb(const struct rig *before, const struct rig *after, enum emu_status expected,
		    unsigned int at, enum emu_status with)
{
	static struct rig r;
	struct call first[MAX_CALLS];
	enum emu_status st;

	copy_rig(&r, before);
	r.disturb_at = at;
	r.disturb_with = with;
	st = emu_execute(&r.ctx);
	if (st != with || (with == EMU_FAULT && r.ctx.fault.vector != OUT_OF_BAND))
		report(before, "the status of a callback is lost", at);
	if (!same_machine(before, &r))
		report(before, "something changed although nothing may be done", at);
	if (with != EMU_STOP)
		return;
	memcpy(first, r.call, sizeof(first[0]) * (at + 1));
	r.calls = 0;
	r.disturb_with = EMU_OK;
	if (emu_execute(&r.ctx) != expected)
		report(before, "the second attempt ends otherwise", at);
	if (memcmp(first, r.call, sizeof(first[0]) * (at + 1)))
		report(before, "the second attempt asks other questions", at);
	if (!same_machine(after, &r))
		report(before, "the second attempt has another result", at);
}

static void disturb_everywhere(const struct rig *before, const struct rig *after,
			       enum emu_status st)
{
	unsigned int at, n = after->calls;

	CHECK(n < MAX_CALLS);
	no_byte_twice(after);
	/* a fault of its own is an end like the others */
	if (st == EMU_FAULT && !same_machine(before, after))
		report(before, "something changed with a fault", 0);
	for (at = 0; at < n; at++) {
		disturb(before, after, st, at, EMU_STOP);
		disturb(before, after, st, at, EMU_FAULT);
		disturb(before, after, st, at, EMU_UNHANDLED);
	}
}

static void random_segments(struct world *w)
{
	int i;

	for (i = 0; i < EMU_NR_SEGS; i++)
		w->seg[i] = (struct emu_seg) {
			.base = WINDOW_AT - below(2 * PAGE), .ar = 0xc0f3,
			.limit = below(4) ? ~0u : 2 * PAGE,
		};
	w->seg[EMU_CS] = (struct emu_seg) {
		.base = w->mode == 64 ? 0 : CODE_AT, .limit = 0xffff,
		.ar = w->mode == 64 ? 0xa0fb : w->mode == 32 ? 0x40fb : 0xfb,
	};
}

static void one_case(struct rig *before, struct rig *after)
{
	struct world *w = &before->w;
	unsigned int pattern = below(nr_patterns + ARRAY_SIZE(io_patterns));
	enum emu_status st;
	int i;

	w->mode = 16 << below(3);
	random_segments(w);
	w->rip = CODE_AT - w->seg[EMU_CS].base;
	make_case(w, pattern < nr_patterns ? &patterns[pattern] :
		  &io_patterns[pattern - nr_patterns]);
	memset(before->fetched, 0, sizeof(before->fetched));
	load_world(&before->ctx, w, &ops, before);
	if (emu_decode(&before->ctx) != EMU_OK)
		return;
	for (i = 0, st = EMU_REP; st == EMU_REP && i < 4; i++) {
		copy_rig(after, before);
		st = emu_execute(&after->ctx);
		disturb_everywhere(before, after, st);
		copy_rig(before, after);
	}
}

void restart_random(unsigned int cases)
{
	static struct rig before, after;
	unsigned int i;

	before.w.window = WINDOW_AT;
	before.w.target = 0x100;
	before.w.avx = true;
	for (i = 0; i < sizeof(before.w.memory); i++)
		before.w.memory[i] = rnd();
	while (cases--)
		one_case(&before, &after);
}
