// SPDX-License-Identifier: GPL-2.0
/*
 * The device's side of a virtqueue, against a driver in this file: what an honest one does,
 * each rule that a hostile one can break, and random rings against a second reading of the
 * rules.
 */
#include <stdlib.h>

#include "ring.h"

/* ---- what an honest driver does ------------------------------------------ */

static void test_check(void)
{
	static const struct { u16 size; u64 desc, avail, used; bool ok; } t[] = {
		{ 256, DESCRIPTORS, AVAILABLE, USED, true },
		{ 1, DESCRIPTORS, AVAILABLE, USED, true },
		{ 1024, DESCRIPTORS, AVAILABLE, USED, true },
		{ 0, DESCRIPTORS, AVAILABLE, USED, false },
		{ 3, DESCRIPTORS, AVAILABLE, USED, false },
		{ 2048, DESCRIPTORS, AVAILABLE, USED, false },
		{ 0x8000, DESCRIPTORS, AVAILABLE, USED, false },
		{ 256, DESCRIPTORS + 8, AVAILABLE, USED, false },
		{ 256, DESCRIPTORS, AVAILABLE + 1, USED, false },
		{ 256, DESCRIPTORS, AVAILABLE, USED + 2, false },
		{ 256, DESCRIPTORS, AVAILABLE + 2, USED + 4, true },
		/* to the last byte, and one more */
		{ 4, LOW_SIZE - 64, AVAILABLE, USED, true },
		{ 4, LOW_SIZE - 48, AVAILABLE, USED, false },
		{ 4, DESCRIPTORS, LOW_SIZE - 14, USED, true },
		{ 4, DESCRIPTORS, LOW_SIZE - 12, USED, false },
		{ 4, DESCRIPTORS, AVAILABLE, LOW_SIZE - 40, true },
		{ 4, DESCRIPTORS, AVAILABLE, LOW_SIZE - 36, false },
		{ 4, MEMORY_HIGH_BASE, AVAILABLE, USED, true },
		{ 4, MEMORY_HIGH_BASE - 16, AVAILABLE, USED, false },
		{ 4, ~15ull, AVAILABLE, USED, false },
		{ 4, DESCRIPTORS, ~1ull, USED, false },
		{ 4, DESCRIPTORS, AVAILABLE, ~3ull, false },
	};
	struct bench b;
	unsigned int i;

	bench_open(&b, 256);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		b.r.size = t[i].size;
		b.r.descriptors = t[i].desc;
		b.r.available = t[i].avail;
		b.r.used = t[i].used;
		if (!vring_check(&b.r) != t[i].ok)
			printf("# line %u\n", i);
		CHECK_EQ(!vring_check(&b.r), t[i].ok);
	}
	bench_close(&b);
}

static void test_take_and_give(void)
{
	struct vchain *c;
	struct bench b;

	bench_open(&b, 8);
	c = &b.chain;
	CHECK_EQ(vring_take(&b.r, c), 0);
	put(&b.desc[5], DATA, 16, NEXT, 2);
	put(&b.desc[2], MEMORY_HIGH_BASE + HIGH_SIZE - 7, 7, NEXT, 7);
	put(&b.desc[7], 0, 512, NEXT | IN, 0);
	put(&b.desc[0], LOW_SIZE - 1, 1, IN, 99);
	offer(&b, 5);
	CHECK_EQ(vring_take(&b.r, c), 1);
	CHECK_EQ(c->head, 5);
	CHECK_EQ(c->nr_out, 2);
	CHECK_EQ(c->nr_in, 2);
	CHECK_EQ(c->out_len, 23);
	CHECK_EQ(c->in_len, 513);
	CHECK(c->iov[0].iov_base == b.mem.ram[0].host + DATA && c->iov[0].iov_len == 16);
	CHECK(c->iov[1].iov_base == b.mem.ram[1].host + HIGH_SIZE - 7);
	CHECK(c->iov[2].iov_base == b.mem.ram[0].host && c->iov[2].iov_len == 512);
	CHECK(c->iov[3].iov_base == b.mem.ram[0].host + LOW_SIZE - 1);
	CHECK_EQ(vring_take(&b.r, c), 0);
	put(&b.desc[1], DATA, 1, 0, 0);
	offer(&b, 1);
	CHECK_EQ(vring_take(&b.r, c), 1);
	/* Given back in another order. */
	vring_give(&b.r, 1, 0);
	vring_give(&b.r, 5, 513);
	CHECK_EQ(b.used->idx, 2);
	CHECK_EQ(b.used->ring[0].id, 1);
	CHECK_EQ(b.used->ring[0].len, 0);
	CHECK_EQ(b.used->ring[1].id, 5);
	CHECK_EQ(b.used->ring[1].len, 513);
	CHECK(!b.r.broken);
	bench_close(&b);
}

static void test_indirect(void)
{
	struct bench b;
	unsigned int i;

	bench_open(&b, 4);
	for (i = 0; i < VRING_PIECES; i++)
		put(&b.table[i], DATA + i, 1, (i + 1 < VRING_PIECES ? NEXT : 0) |
		    (i >= 100 ? IN : 0), i + 1);
	/* The flag for writing means nothing in the descriptor of a table. */
	put(&b.desc[3], TABLE, 16 * VRING_PIECES, TAB | IN, 0);
	offer(&b, 3);
	CHECK_EQ(vring_take(&b.r, &b.chain), 1);
	CHECK_EQ(b.chain.nr_out, 100);
	CHECK_EQ(b.chain.nr_in, VRING_PIECES - 100);
	vring_give(&b.r, 3, 0);
	/* Behind direct ones; the table may lie at any address. */
	put(&b.table[1], DATA, 1, 0, 0);
	memmove((u8 *)b.table + 3, b.table, 32);
	put(&b.desc[0], DATA, 5, NEXT, 1);
	put(&b.desc[1], TABLE + 3, 32, TAB, 0);
	offer(&b, 0);
	CHECK_EQ(vring_take(&b.r, &b.chain), 1);
	CHECK_EQ(b.chain.nr_out, 3);
	CHECK_EQ(b.chain.out_len, 7);
	CHECK(!b.r.broken);
	bench_close(&b);
}

static void test_indices_wrap(void)
{
	unsigned int i, size = 4;
	struct bench b;

	bench_open(&b, size);
	for (i = 0; i < size; i++)
		put(&b.desc[i], DATA, 1 + i, 0, 0);
	for (i = 0; i < 0x10000 * 2 + 10; i++) {
		offer(&b, i % size);
		CHECK_EQ(vring_take(&b.r, &b.chain), 1);
		CHECK_EQ(b.chain.out_len, 1 + i % size);
		vring_give(&b.r, b.chain.head, i);
		CHECK_EQ(b.used->idx, (u16)(i + 1));
		CHECK_EQ(b.used->ring[i % size].len, i);
		if (b.r.broken || failures)
			break;
	}
	CHECK(!b.r.broken);
	bench_close(&b);
}

/* ---- who is told when ---------------------------------------------------- */

static void test_flags(void)
{
	struct bench b;

	bench_open(&b, 4);
	put(&b.desc[0], DATA, 1, 0, 0);
	CHECK(!vring_wants_signal(&b.r));
	vring_give(&b.r, 0, 0);
	CHECK(vring_wants_signal(&b.r));
	CHECK(!vring_wants_signal(&b.r));
	b.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	vring_give(&b.r, 0, 0);
	CHECK(!vring_wants_signal(&b.r));
	CHECK(!vring_want_kicks(&b.r, false));
	CHECK_EQ(b.used->flags, VRING_USED_F_NO_NOTIFY);
	CHECK(!vring_want_kicks(&b.r, true));
	CHECK_EQ(b.used->flags, 0);
	offer(&b, 0);
	CHECK(!vring_want_kicks(&b.r, false));
	CHECK(vring_want_kicks(&b.r, true));
	bench_close(&b);
}

static void test_event_index_kicks(void)
{
	struct bench b;

	bench_open(&b, 4);
	b.r.event_index = true;
	put(&b.desc[0], DATA, 1, 0, 0);
	offer(&b, 0);
	offer(&b, 0);
	CHECK_EQ(vring_take(&b.r, &b.chain), 1);
	CHECK(vring_want_kicks(&b.r, true));
	CHECK_EQ(*avail_event(&b), 1);
	CHECK_EQ(vring_take(&b.r, &b.chain), 1);
	CHECK(!vring_want_kicks(&b.r, true));
	CHECK_EQ(*avail_event(&b), 2);
	vring_give(&b.r, 0, 0);
	offer(&b, 0);
	CHECK_EQ(vring_take(&b.r, &b.chain), 1);
	CHECK(!vring_want_kicks(&b.r, false));
	CHECK_EQ(*avail_event(&b), 2);
	CHECK_EQ(b.used->flags, 0);
	bench_close(&b);
}

/* The driver is told when the index has gone past the one that it named. */
static void test_event_index_signals(void)
{
	unsigned int i, j, given;
	struct bench b;

	bench_open(&b, 4);
	b.r.event_index = true;
	for (i = 0; i < rounds(20000); i++) {
		u16 event = b.r.next_used + random_below(12) - 6;
		bool want = false;

		*used_event(&b) = event;
		given = random_below(6);
		for (j = 0; j < given; j++) {
			want |= b.r.next_used == event;
			vring_give(&b.r, 0, 0);
		}
		CHECK_EQ(vring_wants_signal(&b.r), want);
		/* Flags do not count. */
		b.avail->flags = random_below(2);
	}
	/* 65536 and more without anybody having asked: something is to be told. */
	for (i = 0; i < 0x10000; i++)
		vring_give(&b.r, 0, 0);
	*used_event(&b) = b.r.next_used + 100;
	CHECK(vring_wants_signal(&b.r));
	CHECK(!vring_wants_signal(&b.r));
	bench_close(&b);
}

/* ---- rules that are broken ----------------------------------------------- */

static void jump(struct bench *b) { b->avail->idx = 5; }
static void head_out(struct bench *b) { offer(b, 4); }
static void head_far(struct bench *b) { offer(b, 0xffff); }

static void next_out(struct bench *b)
{
	put(&b->desc[0], DATA, 1, NEXT, 4);
	offer(b, 0);
}

static void itself(struct bench *b)
{
	put(&b->desc[0], DATA, 1, NEXT, 0);
	offer(b, 0);
}

static void circle(struct bench *b)
{
	put(&b->desc[0], DATA, 1, NEXT, 1);
	put(&b->desc[1], DATA, 1, NEXT, 2);
	put(&b->desc[2], DATA, 1, NEXT, 1);
	offer(b, 0);
}

static void in_before_out(struct bench *b)
{
	put(&b->desc[0], DATA, 1, NEXT | IN, 1);
	put(&b->desc[1], DATA, 1, 0, 0);
	offer(b, 0);
}

static void one(struct bench *b, u64 addr, u32 len, u16 flags)
{
	put(&b->desc[1], addr, len, flags, 0);
	offer(b, 1);
}

static void no_length(struct bench *b) { one(b, DATA, 0, 0); }
static void no_length_in(struct bench *b) { one(b, DATA, 0, IN); }
static void beyond(struct bench *b) { one(b, LOW_SIZE - 1, 2, 0); }
static void in_hole(struct bench *b) { one(b, MEMORY_LOW_END, 1, IN); }
static void over_hole(struct bench *b) { one(b, MEMORY_HIGH_BASE - 1, 2, IN); }
static void above(struct bench *b) { one(b, MEMORY_HIGH_BASE + HIGH_SIZE, 1, 0); }
static void wraps(struct bench *b) { one(b, ~0ull, 2, 0); }
static void longest(struct bench *b) { one(b, DATA, ~0u, 0); }

static void table_odd(struct bench *b) { one(b, TABLE, 17, TAB); }
static void table_empty(struct bench *b) { one(b, TABLE, 0, TAB); }
static void table_out(struct bench *b) { one(b, LOW_SIZE - 16, 32, TAB); }
static void table_next(struct bench *b) { one(b, TABLE, 16, TAB | NEXT); }

static void table_denied(struct bench *b)
{
	b->r.indirect = false;
	put(&b->table[0], DATA, 1, 0, 0);
	one(b, TABLE, 16, TAB);
}

static void table_in_table(struct bench *b)
{
	put(&b->table[0], TABLE, 16, TAB, 0);
	one(b, TABLE, 16, TAB);
}

static void table_next_out(struct bench *b)
{
	put(&b->table[0], DATA, 1, NEXT, 1);
	one(b, TABLE, 16, TAB);
}

static void table_circle(struct bench *b)
{
	put(&b->table[0], DATA, 1, NEXT | IN, 1);
	put(&b->table[1], DATA, 1, NEXT | IN, 0);
	one(b, TABLE, 32, TAB);
}

static void too_many(struct bench *b)
{
	unsigned int i;

	for (i = 0; i <= VRING_PIECES; i++)
		put(&b->table[i], DATA, 1, i < VRING_PIECES ? NEXT : 0, i + 1);
	one(b, TABLE, 16 * (VRING_PIECES + 1), TAB);
}

static void test_broken(void)
{
	static const struct {
		void (*prepare)(struct bench *b);
		const char *why;
	} t[] = {
		{ jump, "jumped" },
		{ head_out, "beyond its table" },
		{ head_far, "beyond its table" },
		{ next_out, "beyond its table" },
		{ itself, "a loop" },
		{ circle, "a loop" },
		{ in_before_out, "behind one to be written" },
		{ no_length, "no length" },
		{ no_length_in, "no length" },
		{ beyond, "no memory" },
		{ in_hole, "no memory" },
		{ over_hole, "no memory" },
		{ above, "no memory" },
		{ wraps, "no memory" },
		{ longest, "no memory" },
		{ table_odd, "no whole number" },
		{ table_empty, "no whole number" },
		{ table_out, "not in memory" },
		{ table_next, "goes on behind" },
		{ table_denied, "not negotiated" },
		{ table_in_table, "in an indirect table" },
		{ table_next_out, "beyond its table" },
		{ table_circle, "a loop" },
		{ too_many, "too long" },
	};
	struct bench b;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		bench_open(&b, 4);
		t[i].prepare(&b);
		CHECK_EQ(vring_take(&b.r, &b.chain), -1);
		CHECK_HAS(b.r.broken ? b.r.broken : "(nothing)", t[i].why);
		/* And that is that. */
		CHECK_EQ(vring_take(&b.r, &b.chain), -1);
		vring_give(&b.r, 0, 0);
		CHECK_EQ(b.used->idx, 0);
		CHECK(!vring_wants_signal(&b.r));
		CHECK(!vring_want_kicks(&b.r, true));
		bench_close(&b);
	}
}

/* A chain that says 4 GiB, though all of it is memory. */
static void test_4_gib(void)
{
	static const u64 size = 64 * MIB;
	struct bench b;
	unsigned int i;
	u8 *low, *high;

	bench_open(&b, 4);
	low = b.mem.ram[0].host;
	high = b.mem.ram[1].host;
	CHECK(!memory_create(&b.mem, size));
	memcpy(b.mem.ram[0].host, low, LOW_SIZE);
	b.table = (struct vring_desc *)(b.mem.ram[0].host + TABLE);
	for (i = 0; i < 64; i++)
		put(&b.table[i], 0, size, i < 63 ? NEXT : 0, i + 1);
	put((struct vring_desc *)(b.mem.ram[0].host + DESCRIPTORS), TABLE, 64 * 16, TAB, 0);
	((struct vring_avail *)(b.mem.ram[0].host + AVAILABLE))->idx = 1;
	CHECK_EQ(vring_take(&b.r, &b.chain), -1);
	CHECK_HAS(b.r.broken ? b.r.broken : "(nothing)", "4 GiB");
	b.r.broken = NULL;
	b.table[63].len = size - 1;
	CHECK_EQ(vring_take(&b.r, &b.chain), 1);
	CHECK_EQ(b.chain.out_len, 0xffffffff);
	memory_destroy(&b.mem);
	free(low);
	free(high);
}

/* The same chain again and again, none given back: no device may collect them for ever. */
static void test_under_way(void)
{
	struct bench b;
	unsigned int i;

	bench_open(&b, 4);
	put(&b.desc[0], DATA, 1, 0, 0);
	for (i = 0; i < 4; i++) {
		offer(&b, 0);
		CHECK_EQ(vring_take(&b.r, &b.chain), 1);
	}
	offer(&b, 0);
	CHECK_EQ(vring_take(&b.r, &b.chain), -1);
	CHECK_HAS(b.r.broken ? b.r.broken : "(nothing)", "under way");
	bench_close(&b);
}

/* ---- random rings against a second reading of the rules ------------------ */

static bool is_ram(u64 gpa, u64 len)
{
	u64 i;

	/* Byte by byte would be plain; the ends and the sum do, with no range between. */
	for (i = 0; i < 2; i++) {
		u64 base = i ? MEMORY_HIGH_BASE : 0, end = i ? base + HIGH_SIZE : LOW_SIZE;

		if (len && gpa >= base && gpa < end && len <= end - gpa)
			return true;
	}
	return false;
}

struct reading {
	unsigned int nr;
	u64 gpa[VRING_PIECES];
	u32 len[VRING_PIECES];
	bool in[VRING_PIECES];
};

/* What a chain says, as the specification's text has it; false: it must be refused. */
static bool read_chain(struct bench *b, u32 index, struct reading *x)
{
	const struct vring_desc *table = b->desc;
	u32 entries = b->r.size;
	bool inside = false;

	for (x->nr = 0;;) {
		struct vring_desc d;

		if (index >= entries)
			return false;
		memcpy(&d, (const u8 *)table + 16 * index, 16);
		if (d.flags & TAB) {
			if (inside || !b->r.indirect || d.flags & NEXT || d.len % 16 ||
			    !is_ram(d.addr, d.len))
				return false;
			table = memory_at(&b->mem, d.addr, d.len);
			entries = d.len / 16;
			inside = true;
			index = 0;
			continue;
		}
		if (!is_ram(d.addr, d.len) || x->nr == VRING_PIECES)
			return false;
		x->gpa[x->nr] = d.addr;
		x->len[x->nr] = d.len;
		x->in[x->nr] = d.flags & IN;
		if (x->nr && x->in[x->nr - 1] && !x->in[x->nr])
			return false;
		x->nr++;
		if (!(d.flags & NEXT))
			return true;
		index = d.next;
	}
}

static u8 touched;

/* Every byte is there: the sanitizer would say. */
static void check_chain(struct bench *b, const struct reading *x)
{
	const struct vchain *c = &b->chain;
	u64 out = 0, in = 0;
	unsigned int i;

	CHECK_EQ(c->nr_out + c->nr_in, x->nr);
	if (c->nr_out + c->nr_in != x->nr)
		return;
	for (i = 0; i < x->nr; i++) {
		u8 *at = c->iov[i].iov_base;

		CHECK(at == memory_at(&b->mem, x->gpa[i], x->len[i]));
		CHECK_EQ(c->iov[i].iov_len, x->len[i]);
		CHECK_EQ(i >= c->nr_out, x->in[i]);
		touched ^= at[0] ^ at[x->len[i] - 1];
		*(x->in[i] ? &in : &out) += x->len[i];
	}
	CHECK_EQ(c->out_len, out);
	CHECK_EQ(c->in_len, in);
}

static u64 random_address(void)
{
	static const u64 bases[] = {
		0, LOW_SIZE, DATA, TABLE, DESCRIPTORS, MEMORY_LOW_END, MEMORY_HIGH_BASE,
		MEMORY_HIGH_BASE + HIGH_SIZE, ~0ull,
	};
	u64 base = random_below(16) ? bases[2 + random_below(3)] :
				      bases[random_below(ARRAY_SIZE(bases))];

	return base + random_below(256) - (random_below(8) ? 0 : 128);
}

static void random_desc(struct vring_desc *d, u16 entries)
{
	u16 flags = 0;

	flags |= random_below(8) < 5 ? NEXT : 0;
	flags |= random_below(4) ? 0 : IN;
	flags |= random_below(10) ? 0 : TAB;
	if (!random_below(50))
		flags = next_random();
	put(d, random_address(), random_below(40) ? 1 + random_below(256) : next_random(),
	    flags, random_below(entries + !random_below(10)));
	if (flags & TAB && random_below(4)) {
		d->addr = TABLE + 16 * random_below(8);
		d->len = 16 * random_below(40);
		d->flags &= ~NEXT;
	}
}

static void random_ring(struct bench *b)
{
	unsigned int i;

	for (i = 0; i < b->r.size; i++)
		random_desc(&b->desc[i], b->r.size);
	for (i = 0; i < 48; i++)
		random_desc(&b->table[i], 40);
	for (i = 0; i < b->r.size; i++)
		b->avail->ring[i] = random_below(b->r.size + !random_below(20));
	b->avail->idx = b->r.next_available + random_below(b->r.size + 1) +
			!random_below(100);
	b->avail->flags = next_random();
	if (!random_below(1000))
		b->avail->idx = next_random();
}

static void test_random_rings(void)
{
	unsigned int i, takes, taken = 0, refused = 0;
	static struct reading x;
	struct bench b;

	bench_open(&b, 4);
	for (i = 0; i < rounds(15000) && !failures; i++) {
		b.r.size = 1 << random_below(7);
		b.r.indirect = random_below(4);
		b.r.event_index = random_below(2);
		b.r.broken = NULL;
		b.r.next_available = next_random();
		b.r.next_used = b.r.next_available;
		random_ring(&b);
		for (takes = 0; takes <= b.r.size; takes++) {
			u16 there = b.avail->idx - b.r.next_available;
			u16 head = b.avail->ring[b.r.next_available % b.r.size];
			bool good = there <= b.r.size && read_chain(&b, head, &x);
			int got = vring_take(&b.r, &b.chain);

			CHECK_EQ(got, !there ? 0 : good ? 1 : -1);
			CHECK_EQ(!!b.r.broken, got < 0);
			if (got <= 0)
				break;
			check_chain(&b, &x);
			vring_give(&b.r, b.chain.head, b.chain.in_len);
			vring_wants_signal(&b.r);
			vring_want_kicks(&b.r, random_below(2));
			taken++;
		}
		CHECK(takes <= b.r.size);
		refused += !!b.r.broken;
	}
	printf("# %u chains taken, %u rings refused\n", taken, refused);
	CHECK(taken > 1000 && refused > 1000);
	bench_close(&b);
}

/* Nothing but noise, and parts of the ring anywhere: only the memory's ends matter. */
static void test_random_noise(void)
{
	unsigned int i, j;
	struct bench b;

	bench_open(&b, 4);
	for (i = 0; i < rounds(800); i++) {
		u64 *words = (u64 *)b.mem.ram[0].host;

		for (j = 0; j < LOW_SIZE / 8; j += 1 + random_below(16))
			words[j] = random_below(4) ? next_random() & 0x0003ffff0000ffff : 0;
		b.r = (struct vring){
			.mem = &b.mem,
			.size = 1 << random_below(11),
			.indirect = true,
			.event_index = random_below(2),
			.descriptors = random_address() & ~15ull,
			.available = random_address() & ~1ull,
			.used = random_address() & ~3ull,
		};
		if (vring_check(&b.r))
			continue;
		for (j = 0; j < 2000 && vring_take(&b.r, &b.chain) > 0; j++) {
			CHECK(b.chain.nr_out + b.chain.nr_in <= VRING_PIECES);
			vring_give(&b.r, b.chain.head, 1);
			vring_want_kicks(&b.r, random_below(2));
			vring_wants_signal(&b.r);
		}
	}
	bench_close(&b);
}

/* ---- data ---------------------------------------------------------------- */

static void test_copies(void)
{
	static u8 pattern[256 * 64], got[256 * 64], model[256 * 64];
	unsigned int i, j, round;
	struct vchain c;

	for (round = 0; round < rounds(300); round++) {
		u64 total = 0, off, len, fit;
		u8 *pieces[VRING_PIECES];

		c.nr_out = random_below(VRING_PIECES / 2);
		c.nr_in = random_below(VRING_PIECES / 2);
		for (i = 0; i < c.nr_out + c.nr_in; i++) {
			c.iov[i].iov_len = 1 + random_below(64);
			pieces[i] = malloc(c.iov[i].iov_len);
			c.iov[i].iov_base = pieces[i];
			for (j = 0; j < c.iov[i].iov_len; j++)
				pieces[i][j] = next_random();
		}
		for (i = 0; i < c.nr_out; i++) {
			memcpy(model + total, pieces[i], c.iov[i].iov_len);
			total += c.iov[i].iov_len;
		}
		off = random_below(total + 10);
		len = random_below(sizeof(got));
		fit = off >= total ? 0 : len < total - off ? len : total - off;
		CHECK_EQ(vchain_read(&c, off, got, len), fit);
		CHECK(!memcmp(got, model + off, fit));
		for (i = c.nr_out, total = 0; i < c.nr_out + c.nr_in; i++) {
			memcpy(model + total, pieces[i], c.iov[i].iov_len);
			total += c.iov[i].iov_len;
		}
		for (j = 0; j < sizeof(pattern); j++)
			pattern[j] = next_random();
		off = random_below(total + 10);
		fit = off >= total ? 0 : len < total - off ? len : total - off;
		memcpy(model + off, pattern, fit);
		CHECK_EQ(vchain_write(&c, off, pattern, len), fit);
		for (i = c.nr_out, total = 0; i < c.nr_out + c.nr_in; i++) {
			CHECK(!memcmp(model + total, pieces[i], c.iov[i].iov_len));
			total += c.iov[i].iov_len;
		}
		CHECK_EQ(vchain_read(&c, ~0ull, got, len), 0);
		for (i = 0; i < c.nr_out + c.nr_in; i++)
			free(pieces[i]);
	}
}

static const struct unit units[] = {
	{ "check", test_check },
	{ "take_and_give", test_take_and_give },
	{ "indirect", test_indirect },
	{ "indices_wrap", test_indices_wrap },
	{ "flags", test_flags },
	{ "event_index_kicks", test_event_index_kicks },
	{ "event_index_signals", test_event_index_signals },
	{ "copies", test_copies },
	{ "class39_rules_of_chains", test_broken },
	{ "class39_chain_of_4_gib", test_4_gib },
	{ "class39_too_many_under_way", test_under_way },
	{ "class39_random_rings", test_random_rings },
	{ "class39_random_noise", test_random_noise },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
