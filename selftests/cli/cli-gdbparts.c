// SPDX-License-Identifier: GPL-2.0
/*
 * The parts of the gdb server that need no client: packets, page tables, breakpoints, exits
 * of a device that lies (bug class 7). Each is also fed with what is random, against a model
 * of its own where there is one.
 */
#include <errno.h>
#include <stdlib.h>

#include "err.h"
#include "fake_kvm.h"
#include "gdb.h"
#include "gdb_break.h"
#include "gdb_packet.h"
#include "paging.h"
#include "units.h"

/* ---- packets ---------------------------------------------------------------- */

static struct gdb_parser parser;
static struct gdb_reply reply;
static u8 frame[GDB_FRAME_MAX];

static enum gdb_input parse_all(const char *text)
{
	enum gdb_input input;
	size_t n = strlen(text);

	memset(&parser, 0, sizeof(parser));
	CHECK_EQ(gdb_parse(&parser, text, n, &input), n);
	return input;
}

static void test_parse(void)
{
	static const struct { const char *wire; enum gdb_input input; const char *data; } t[] = {
		{ "$OK#9a", GDB_PACKET, "OK" },
		{ "$OK#9A", GDB_PACKET, "OK" },
		{ "$#00", GDB_PACKET, "" },
		{ "$OK#9b", GDB_DAMAGED, "OK" },
		{ "$OK#9g", GDB_DAMAGED, "OK" },
		{ "$OK#g9", GDB_DAMAGED, "OK" },
		{ "$OK#9", GDB_MORE, "OK" },
		{ "OK#9a", GDB_MORE, "" },
		{ "+", GDB_MORE, "" },
		{ "-", GDB_AGAIN, "" },
		{ "\x03", GDB_INTERRUPT, "" },
		{ "noise+$OK#9a", GDB_PACKET, "OK" },
		{ "$half of$OK#9a", GDB_PACKET, "OK" },
		{ "$}]}\x03#60", GDB_DAMAGED, "}#" },
		{ "$}]}\x03#5a", GDB_PACKET, "}#" },
		{ "$\x03-+*#83", GDB_DAMAGED, NULL },
		{ "$\x03-+*#85", GDB_PACKET, "\x03-+*" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		CHECK_EQ(parse_all(t[i].wire), t[i].input);
		if (t[i].input == GDB_PACKET)
			CHECK(!strcmp((char *)parser.data, t[i].data));
	}
}

static void test_parse_stops_at_events(void)
{
	static const char text[] = "+$a#61\x03$b#62";
	enum gdb_input input;
	size_t at;

	memset(&parser, 0, sizeof(parser));
	at = gdb_parse(&parser, text, sizeof(text) - 1, &input);
	CHECK(at == 6 && input == GDB_PACKET && parser.data[0] == 'a');
	at += gdb_parse(&parser, text + at, sizeof(text) - 1 - at, &input);
	CHECK(at == 7 && input == GDB_INTERRUPT);
	at += gdb_parse(&parser, text + at, sizeof(text) - 1 - at, &input);
	CHECK(at == 12 && input == GDB_PACKET && parser.data[0] == 'b' && parser.len == 1);
}

static void test_too_long_class_39(void)
{
	static char text[GDB_PACKET_MAX + 32];
	enum gdb_input input;
	unsigned int extra, i, sum;

	for (extra = 0; extra < 8; extra++) {
		size_t n = GDB_PACKET_MAX - 4 + extra;

		text[0] = '$';
		memset(text + 1, 'x', n);
		for (i = 0, sum = 0; i < n; i++)
			sum += 'x';
		sprintf(text + 1 + n, "#%02x", sum & 0xff);
		memset(&parser, 0, sizeof(parser));
		CHECK_EQ(gdb_parse(&parser, text, n + 4, &input), n + 4);
		CHECK_EQ(input, n > GDB_PACKET_MAX ? GDB_TOO_LONG : GDB_PACKET);
	}
	CHECK_EQ(gdb_parse(&parser, "$OK#9a", 6, &input), 6);
	CHECK_EQ(input, GDB_PACKET);
}

/* What gdb makes of a frame: by the protocol's text, not by the code that made it. */
static size_t decode(const u8 *f, size_t n, u8 *to, size_t room)
{
	size_t i, len = 0;
	unsigned int sum = 0, told;

	CHECK(n >= 4 && f[0] == '$' && f[n - 3] == '#');
	told = strtoul((const char *)f + n - 2, NULL, 16);
	for (i = 1; i < n - 3; i++) {
		u8 c = f[i];

		sum += c;
		CHECK(c != '$' && c != '#');
		if (c == '}') {
			sum += f[++i];
			CHECK(len < room);
			to[len++] = f[i] ^ 0x20;
		} else if (c == '*') {
			unsigned int times = f[++i] - 29;

			sum += f[i];
			CHECK(times >= 3 && f[i] <= 126 && f[i] != '+' && f[i] != '-' && len);
			/* A byte that came escaped is never repeated. */
			CHECK(f[i - 3] != '}');
			while (times-- && len < room) {
				to[len] = to[len - 1];
				len++;
			}
		} else {
			CHECK(len < room);
			to[len++] = c;
		}
	}
	CHECK_EQ(sum & 0xff, told);
	return len;
}

static void random_payload(u8 *data, size_t n)
{
	size_t i;

	/* Few values and long runs. */
	for (i = 0; i < n; i++)
		data[i] = i && random_below(8) ? data[i - 1] :
			  random_below(4) ? (u8)"}$#*0x\x03+"[random_below(8)] :
			  (u8)next_random();
}

static void test_frame_random(void)
{
	static u8 got[GDB_PACKET_MAX];
	unsigned int i, n = rounds(3000);

	for (i = 0; i < n; i++) {
		size_t len;

		reply.len = random_below(i % 100 ? 300 : GDB_PACKET_MAX + 1);
		random_payload(reply.data, reply.len);
		len = gdb_frame(&reply, frame);
		CHECK(len <= sizeof(frame));
		frame[len < sizeof(frame) ? len : sizeof(frame) - 1] = '\0';
		CHECK_EQ(decode(frame, len, got, sizeof(got)), reply.len);
		CHECK(!memcmp(got, reply.data, reply.len));
		if (failures)
			return;
	}
}

static void test_frame_runs(void)
{
	unsigned int n;

	memset(reply.data, '0', sizeof(reply.data));
	for (n = 1; n < 300; n++) {
		u8 got[300];

		reply.len = n;
		frame[gdb_frame(&reply, frame)] = '\0';
		CHECK_EQ(decode(frame, strlen((char *)frame), got, sizeof(got)), n);
	}
	reply.len = 4;
	frame[gdb_frame(&reply, frame)] = '\0';
	CHECK(!strcmp((char *)frame, "$0* #7a"));
}

/* Pieces of any size, as the network brings them. */
static void test_parse_random(void)
{
	static u8 wire[2 * GDB_PACKET_MAX + 8], data[600];
	unsigned int i, n = rounds(3000);

	memset(&parser, 0, sizeof(parser));
	for (i = 0; i < n; i++) {
		enum gdb_input input = GDB_MORE;
		size_t len = random_below(sizeof(data)), w = 0, at = 0, j;
		u8 sum = 0;

		random_payload(data, len);
		wire[w++] = '$';
		for (j = 0; j < len; j++) {
			if (strchr("$#}*", data[j]) && data[j]) {
				wire[w++] = '}';
				wire[w++] = data[j] ^ 0x20;
			} else {
				wire[w++] = data[j];
			}
		}
		for (j = 1; j < w; j++)
			sum += wire[j];
		w += sprintf((char *)wire + w, "#%02x", sum);
		while (at < w && input == GDB_MORE) {
			size_t part = 1 + random_below(w - at);

			at += gdb_parse(&parser, wire + at, part, &input);
		}
		CHECK(at == w && input == GDB_PACKET);
		CHECK(parser.len == len && !memcmp(parser.data, data, len));
		CHECK_EQ(parser.data[len], 0);
	}
}

static void test_parse_noise_class_39(void)
{
	unsigned int i, n = rounds(20000);

	memset(&parser, 0, sizeof(parser));
	for (i = 0; i < n; i++) {
		u8 noise[100];
		enum gdb_input input;
		size_t at = 0, j;

		for (j = 0; j < sizeof(noise); j++)
			noise[j] = random_below(3) ? (u8)"$#}+-\x03*0a"[random_below(9)] :
				   (u8)next_random();
		/* Long ones, too. */
		if (i & 0x200)
			memset(noise, 'x', sizeof(noise));
		while (at < sizeof(noise)) {
			size_t did = gdb_parse(&parser, noise + at, sizeof(noise) - at, &input);

			CHECK(did);
			CHECK(parser.len <= GDB_PACKET_MAX);
			at += did;
		}
	}
}

static void test_numbers(void)
{
	const char *text = "ffffffffffffffff,0012x";
	u8 bytes[3];
	u64 n;

	CHECK(gdb_number(&text, &n) && n == ~0ull && *text == ',');
	text++;
	CHECK(gdb_number(&text, &n) && n == 0x12 && *text == 'x');
	CHECK(!gdb_number(&text, &n) && *text == 'x');
	text = "10000000000000000";
	CHECK(!gdb_number(&text, &n));
	text = "00000000000000000001";
	CHECK(gdb_number(&text, &n) && n == 1);
	CHECK(gdb_unhex("00fFa1", bytes, 3) && bytes[1] == 0xff && bytes[2] == 0xa1);
	CHECK(!gdb_unhex("00f", bytes, 2));
	CHECK(!gdb_unhex("0x", bytes, 1));
}

static void test_reply_is_bounded(void)
{
	unsigned int i;

	reply.len = 0;
	reply.full = false;
	for (i = 0; i < GDB_PACKET_MAX; i++)
		gdb_put(&reply, "x", 1);
	CHECK(!reply.full && reply.len == GDB_PACKET_MAX);
	gdb_put(&reply, "x", 1);
	CHECK(reply.full && reply.len == GDB_PACKET_MAX);
	reply.full = false;
	gdb_put_hex(&reply, "x", 1);
	CHECK(reply.full);
	reply.full = false;
	gdb_printf(&reply, "%s", "x");
	CHECK(reply.full);
	reply.full = false;
	reply.len = GDB_PACKET_MAX - 1;
	gdb_put_hex(&reply, "x", 1);
	CHECK(reply.full && reply.len == GDB_PACKET_MAX - 1);
}

/* ---- page tables --------------------------------------------------------------- */

#define P	1ull
#define LARGE	0x80ull
#define PG	BIT_ULL(31)
#define PSE	BIT_ULL(4)
#define PAE	BIT_ULL(5)
#define LA57	BIT_ULL(12)
#define LMA	BIT_ULL(10)

static struct memory tables;

static void set64(u64 table, unsigned int index, u64 entry)
{
	CHECK(memory_write(&tables, table + 8 * index, &entry, 8));
}

static void set32(u64 table, unsigned int index, u32 entry)
{
	CHECK(memory_write(&tables, table + 4 * index, &entry, 4));
}

#define NOT	(~0ull - 1)

static u64 walk(u64 cr0, u64 cr3, u64 cr4, u64 efer, u64 gva)
{
	struct paging p = { .cr0 = cr0, .cr3 = cr3, .cr4 = cr4, .efer = efer };
	u64 gpa;

	return paging_walk(&p, &tables, gva, &gpa) ? gpa : NOT;
}

static void test_no_paging(void)
{
	CHECK(!memory_create(&tables, MIB));
	CHECK_EQ(walk(1, 0, 0, 0, 0x12345), 0x12345);
	CHECK_EQ(walk(0, 0, PAE, 0, 0xffffffff), 0xffffffff);
	CHECK_EQ(walk(1, 0, 0, 0, 0x100000000), NOT);
	memory_destroy(&tables);
}

static void test_four_levels(void)
{
	u64 top = 0xffffffff80000000;

	CHECK(!memory_create(&tables, MIB));
	set64(0x1000, 511, 0x2000 | P);
	set64(0x2000, 510, 0x3000 | P);
	set64(0x2000, 511, 0x40000000 | P | LARGE | BIT_ULL(63));
	set64(0x3000, 0, 0x4000 | P);
	set64(0x3000, 1, 0x200000 | P | LARGE | 0x1000);	/* PAT's bit */
	set64(0x3000, 2, 0x900000000000 | P);
	set64(0x4000, 5, 0xabcdef000 | P | BIT_ULL(63) | 0xfff0000000000000 | LARGE);
	CHECK_EQ(walk(PG, 0x1000, PAE, LMA, top + 0x5678), 0xabcdef678);
	CHECK_EQ(walk(PG, 0x1fff, PAE, LMA, top + 0x5678), 0xabcdef678);
	CHECK_EQ(walk(PG, 0x1000, PAE, LMA, top + 0x6000), NOT);
	CHECK_EQ(walk(PG, 0x1000, PAE, LMA, top + 0x212345), 0x212345);
	CHECK_EQ(walk(PG, 0x1000, PAE, LMA, top + 0x40123456), 0x40123456);
	CHECK_EQ(walk(PG, 0x1000, PAE, LMA, top + 0x400000), NOT); /* a table that is no memory */
	CHECK_EQ(walk(PG, 0x1000, PAE, LMA, 0), NOT);
	CHECK_EQ(walk(PG, 0x1000, PAE, LMA, 0x0000ffff80005678), NOT);	/* not canonical */
	CHECK_EQ(walk(PG, 0xfffff000, PAE, LMA, top), NOT);
	memory_destroy(&tables);
}

static void test_five_levels(void)
{
	CHECK(!memory_create(&tables, MIB));
	set64(0x1000, 3, 0x2000 | P);
	set64(0x2000, 4, 0x3000 | P);
	set64(0x3000, 5, 0x4000 | P);
	set64(0x4000, 6, 0x5000 | P);
	set64(0x5000, 7, 0x77000 | P);
	set64(0x2000, 5, 0x88000 | P | LARGE);	/* no pages of 512 GiB */
	CHECK_EQ(walk(PG, 0x1000, PAE | LA57, LMA,
		      3ull << 48 | 4ull << 39 | 5ull << 30 | 6 << 21 | 7 << 12 | 0x89), 0x77089);
	CHECK_EQ(walk(PG, 0x1000, PAE | LA57, LMA, 3ull << 48 | 5ull << 39), NOT);
	CHECK_EQ(walk(PG, 0x1000, PAE, LMA, 3ull << 48), NOT);
	CHECK_EQ(walk(PG, 0x1000, PAE | LA57, LMA, BIT_ULL(56)), NOT);
	memory_destroy(&tables);
}

static void test_pae(void)
{
	CHECK(!memory_create(&tables, MIB));
	set64(0x1020, 3, 0x2000 | P);		/* on 32 bytes */
	set64(0x2000, 511, 0x3000 | P);
	set64(0x2000, 510, 0x123400000 | P | LARGE);
	set64(0x3000, 1, 0x456000 | P);
	CHECK_EQ(walk(PG, 0x1020, PAE, 0, 0xffe01234), 0x456234);
	CHECK_EQ(walk(PG, 0x1020, PAE, 0, 0xffd23456), 0x123523456);
	CHECK_EQ(walk(PG, 0x1020, PAE, 0, 0x3fe01234), NOT);
	CHECK_EQ(walk(PG, 0x1020, PAE, 0, 0x1ffe01234), NOT);
	memory_destroy(&tables);
}

static void test_32_bit(void)
{
	CHECK(!memory_create(&tables, MIB));
	set32(0x1000, 0x300, 0x2000 | P);
	set32(0x1000, 0x301, 0x00c00000 | P | LARGE | 0x5 << 13);
	set32(0x2000, 0x3ff, 0xfedcb000 | P);
	CHECK_EQ(walk(PG, 0x1000, 0, 0, 0xc03ff123), 0xfedcb123);
	CHECK_EQ(walk(PG, 0x1000, PSE, 0, 0xc0712345), 0x500f12345);
	/* Without PSE the bit means nothing: a table, which is no memory here. */
	CHECK_EQ(walk(PG, 0x1000, 0, 0, 0xc0712345), NOT);
	CHECK_EQ(walk(PG, 0x1000, 0, 0, 0xc03fe000), NOT);
	memory_destroy(&tables);
}

/* Tables may say anything, of themselves, too: a walk ends, inside of the memory. */
static void test_walk_random_class_39(void)
{
	unsigned int i, j, n = rounds(20000), found = 0;

	CHECK(!memory_create(&tables, 64 * KIB));
	for (i = 0; i < n; i++) {
		u64 cr4 = next_random() & (PSE | PAE | LA57);
		u64 efer = cr4 & PAE ? next_random() & LMA : 0;

		for (j = 0; j < 64; j++)
			set64(random_below(16) * PAGE_SIZE, random_below(512),
			      (random_below(4) ? random_below(16) << 12 : next_random()) |
			      random_below(2));
		found += walk(PG, next_random() & (i & 1 ? 0xffff : ~0ull), cr4, efer,
			      (long long)next_random() >> random_below(64)) != NOT;
	}
	CHECK(found);
	memory_destroy(&tables);
}

/* ---- breakpoints ------------------------------------------------------------------ */

static struct gdb_breaks breaks;
static struct memory mem;
static u8 guest[PAGE_SIZE];

static void fresh(void)
{
	mem = (struct memory){ .ram = { { .gpa = 0x10000, .size = PAGE_SIZE, .host = guest } } };
	memset(&breaks, 0, sizeof(breaks));
	memset(guest, 0x90, sizeof(guest));
}

static void test_soft(void)
{
	u8 seen[4];

	fresh();
	CHECK_EQ(gdb_soft_insert(&breaks, &mem, 0x5010, 0x10010), 0);
	CHECK_EQ(gdb_soft_insert(&breaks, &mem, 0x5010, 0x10010), 0);
	CHECK_EQ(gdb_soft_insert(&breaks, &mem, 0x6000, 0x11000), -EFAULT);
	CHECK(guest[0x10] == 0xcc && breaks.nr_soft == 1);
	CHECK(gdb_soft_at_gva(&breaks, 0x5010) && !gdb_soft_at_gva(&breaks, 0x10010));
	CHECK(gdb_soft_at_gpa(&breaks, 0x10010) && !gdb_soft_at_gpa(&breaks, 0x10011));
	memcpy(seen, guest + 0xf, 4);
	gdb_soft_hide(&breaks, 0x1000f, seen, 4);
	CHECK(seen[0] == 0x90 && seen[1] == 0x90);
	/* gdb writes there: kept for later. */
	guest[0x10] = 0x55;
	gdb_soft_keep(&breaks, &mem, 0x10010, 1);
	CHECK_EQ(guest[0x10], 0xcc);
	CHECK(gdb_soft_remove(&breaks, &mem, 0x5010));
	CHECK(!gdb_soft_remove(&breaks, &mem, 0x5010));
	CHECK_EQ(guest[0x10], 0x55);
}

static void test_soft_shares_a_byte(void)
{
	fresh();
	CHECK_EQ(gdb_soft_insert(&breaks, &mem, 0x5010, 0x10010), 0);
	CHECK_EQ(gdb_soft_insert(&breaks, &mem, 0x7010, 0x10010), 0);
	CHECK(gdb_soft_remove(&breaks, &mem, 0x5010));
	CHECK_EQ(guest[0x10], 0xcc);
	CHECK(gdb_soft_remove(&breaks, &mem, 0x7010));
	CHECK_EQ(guest[0x10], 0x90);
}

static void test_soft_renewed(void)
{
	fresh();
	CHECK_EQ(gdb_soft_insert(&breaks, &mem, 0x5010, 0x10010), 0);
	CHECK_EQ(gdb_soft_insert(&breaks, &mem, 0x7010, 0x10010), 0);
	guest[0x10] = 0x66;		/* the guest has loaded something else */
	gdb_soft_renew(&breaks, &mem);
	CHECK_EQ(guest[0x10], 0xcc);
	gdb_breaks_clear(&breaks, &mem);
	CHECK_EQ(guest[0x10], 0x66);
	/* What the guest put over it last is not undone. */
	CHECK_EQ(gdb_soft_insert(&breaks, &mem, 0x5010, 0x10010), 0);
	guest[0x10] = 0x77;
	CHECK(gdb_soft_remove(&breaks, &mem, 0x5010));
	CHECK_EQ(guest[0x10], 0x77);
	/* After a reset nothing is put back. */
	CHECK_EQ(gdb_soft_insert(&breaks, &mem, 0x5010, 0x10010), 0);
	memset(guest, 0, sizeof(guest));
	gdb_soft_forget(&breaks);
	gdb_breaks_clear(&breaks, &mem);
	CHECK_EQ(guest[0x10], 0);
}

static void test_soft_table_is_full(void)
{
	unsigned int i;

	fresh();
	for (i = 0; i < GDB_SOFT; i++)
		CHECK_EQ(gdb_soft_insert(&breaks, &mem, i, 0x10000 + i), 0);
	CHECK_EQ(gdb_soft_insert(&breaks, &mem, i, 0x10000 + i), -ENOSPC);
	CHECK_EQ(gdb_soft_insert(&breaks, &mem, 5, 0x10005), 0);
	gdb_breaks_clear(&breaks, &mem);
	for (i = 0; i < sizeof(guest); i++)
		CHECK_EQ(guest[i], 0x90);
}

/* Against what the guest's own bytes would be. */
static void test_soft_random(void)
{
	static u8 own[64], seen[64];
	unsigned int i, n = rounds(20000);

	fresh();
	memset(own, 0x90, sizeof(own));
	for (i = 0; i < n; i++) {
		u64 at = random_below(64), alias = random_below(2) << 20;
		u8 byte = random_below(3) ? next_random() : 0xcc;

		switch (random_below(4)) {
		case 0:
			gdb_soft_insert(&breaks, &mem, alias + at, 0x10000 + at);
			break;
		case 1:
			gdb_soft_remove(&breaks, &mem, alias + at);
			break;
		case 2:		/* gdb writes */
			own[at] = byte;
			guest[at] = byte;
			gdb_soft_keep(&breaks, &mem, 0x10000 + at, 1);
			break;
		default:	/* the guest writes and runs, and is stopped */
			if (byte == 0xcc)
				break;
			own[at] = byte;
			guest[at] = byte;
			gdb_soft_renew(&breaks, &mem);
		}
		memcpy(seen, guest, sizeof(seen));
		gdb_soft_hide(&breaks, 0x10000, seen, sizeof(seen));
		CHECK(!memcmp(seen, own, sizeof(own)));
		if (failures)
			return;
	}
	gdb_breaks_clear(&breaks, &mem);
	CHECK(!memcmp(guest, own, sizeof(own)));
}

static void test_hard(void)
{
	struct kvm_guest_debug debug = { .control = 0 };

	fresh();
	gdb_breaks_debug(&breaks, &debug);
	CHECK_EQ(debug.control, 0);
	CHECK_EQ(gdb_hard_insert(&breaks, GDB_BREAK_HARD, 0x1234, 77), 0);
	CHECK_EQ(gdb_hard_insert(&breaks, GDB_BREAK_HARD, 0x1234, 1), 0);
	CHECK_EQ(gdb_hard_insert(&breaks, GDB_WATCH_WRITE, 0x1002, 6), 0);	/* 2 + 4 */
	CHECK_EQ(gdb_hard_insert(&breaks, GDB_WATCH_ACCESS, 0x2001, 2), -ENOSPC); /* 1 + 1 */
	CHECK_EQ(gdb_hard_insert(&breaks, GDB_WATCH_READ, 0x2008, 8), 0);
	gdb_breaks_debug(&breaks, &debug);
	CHECK_EQ(debug.control, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP);
	CHECK_EQ(debug.arch.debugreg[0], 0x1234);
	CHECK_EQ(debug.arch.debugreg[1], 0x1002);
	CHECK_EQ(debug.arch.debugreg[2], 0x1004);
	CHECK_EQ(debug.arch.debugreg[3], 0x2008);
	/* Kinds and sizes: execution, 2 bytes and 4 written, 8 accessed. */
	CHECK_EQ(debug.arch.debugreg[7], 0xbd500000 | 0x600 | 0xaa);
	CHECK(!gdb_hard_hit(&breaks, 0));
	CHECK_EQ(gdb_hard_hit(&breaks, 4)->at, 0x1004);
	CHECK(gdb_hard_remove(&breaks, GDB_WATCH_WRITE, 0x1002, 6));
	CHECK(!gdb_hard_remove(&breaks, GDB_WATCH_WRITE, 0x1002, 6));
	CHECK(!gdb_hard_hit(&breaks, 6));
	CHECK_EQ(gdb_hard_insert(&breaks, GDB_WATCH_ACCESS, 0x2001, 2), 0);
	CHECK_EQ(gdb_hard_insert(&breaks, GDB_WATCH_WRITE, ~0ull, 2), -EINVAL);
	CHECK_EQ(gdb_hard_insert(&breaks, GDB_WATCH_WRITE, 0, 0), -EINVAL);
	CHECK_EQ(gdb_hard_insert(&breaks, GDB_WATCH_WRITE, 0, ~0ull), -ENOSPC);
}

/* ---- the server without a client --------------------------------------------------- */

static struct fake_kvm f;

static void test_where(void)
{
	fake_kvm_create(&f, 1);
	CHECK_EQ(gdb_create(&f.m, "65536"), STATUS_USAGE);
	fake_kvm_free(&f);
	fake_kvm_create(&f, 1);
	CHECK_EQ(gdb_create(&f.m, "tcp:1"), STATUS_USAGE);
	CHECK_EQ(gdb_port(&f.m), 0);
	fake_kvm_free(&f);
	fake_kvm_create(&f, 1);
	CHECK_EQ(gdb_create(&f.m, "0"), 0);
	CHECK(gdb_port(&f.m));
	fake_kvm_free(&f);	/* never run */
}

/* A run page that says anything. */
static void test_lying_device_class_7(void)
{
	unsigned int i, n = rounds(20000);
	struct cpu *cpu;

	fake_kvm_create(&f, 1);
	fake_kvm_program(&f);
	CHECK_EQ(gdb_create(&f.m, "0"), 0);
	cpu = &f.m.cpus[0];
	for (i = 0; i < n; i++) {
		u64 *words = (u64 *)&cpu->run->debug;
		unsigned int j;

		for (j = 0; j < sizeof(cpu->run->debug) / sizeof(*words); j++)
			words[j] = next_random() >> random_below(64);
		cpu->run->debug.arch.exception = random_below(5);
		f.m.debug_exit(f.m.debug_arg, cpu);
	}
	/* Those that are nobody's are the guest's own. */
	CHECK(f.cpu[0].own_db && f.cpu[0].own_int3);
	fake_kvm_free(&f);
}

static const struct unit units[] = {
	{ "parse", test_parse },
	{ "parse_stops_at_events", test_parse_stops_at_events },
	{ "too_long_class_39", test_too_long_class_39 },
	{ "frame_runs", test_frame_runs },
	{ "frame_random", test_frame_random },
	{ "parse_random", test_parse_random },
	{ "parse_noise_class_39", test_parse_noise_class_39 },
	{ "numbers", test_numbers },
	{ "reply_is_bounded", test_reply_is_bounded },
	{ "no_paging", test_no_paging },
	{ "four_levels", test_four_levels },
	{ "five_levels", test_five_levels },
	{ "pae", test_pae },
	{ "32_bit", test_32_bit },
	{ "walk_random_class_39", test_walk_random_class_39 },
	{ "soft", test_soft },
	{ "soft_shares_a_byte", test_soft_shares_a_byte },
	{ "soft_renewed", test_soft_renewed },
	{ "soft_table_is_full", test_soft_table_is_full },
	{ "soft_random", test_soft_random },
	{ "hard", test_hard },
	{ "where", test_where },
	{ "lying_device_class_7", test_lying_device_class_7 },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
