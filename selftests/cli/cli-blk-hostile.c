// SPDX-License-Identifier: GPL-2.0
/*
 * Drivers that break the rules of virtio-blk: each request gets an answer, and nothing is
 * touched behind the disk or beside the request. That is bug class 39 (device models);
 * requests that change while they are looked at are class 5.
 */
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drive.h"

static u64 size_of(const struct drive *d)
{
	struct stat st;

	return fstat(d->fd, &st) ? ~0ull : (u64)st.st_size;
}

static void hostile_transfers(struct drive *d)
{
	static const struct { u64 sector; u32 len; u8 status; } t[] = {
		{ 0, 512, VIRTIO_BLK_S_OK },
		{ 0, 0, VIRTIO_BLK_S_OK },
		{ DISK_SECTORS - 1, 512, VIRTIO_BLK_S_OK },
		{ DISK_SECTORS, 0, VIRTIO_BLK_S_OK },
		{ DISK_SECTORS - 1, 1024, VIRTIO_BLK_S_IOERR },
		{ DISK_SECTORS, 512, VIRTIO_BLK_S_IOERR },
		{ DISK_SECTORS + 1, 0, VIRTIO_BLK_S_IOERR },
		{ ~0ull, 512, VIRTIO_BLK_S_IOERR },
		{ ~0ull / 512, 512, VIRTIO_BLK_S_IOERR },
		{ BIT_ULL(55), 512, VIRTIO_BLK_S_IOERR },
		{ BIT_ULL(63), 512, VIRTIO_BLK_S_IOERR },
		{ 0, 1, VIRTIO_BLK_S_IOERR },
		{ 0, 511, VIRTIO_BLK_S_IOERR },
		{ 0, 513, VIRTIO_BLK_S_IOERR },
	};
	static u8 data[1024];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		CHECK_EQ(transfer(d, VIRTIO_BLK_T_IN, t[i].sector, data, t[i].len), t[i].status);
		CHECK_EQ(transfer(d, VIRTIO_BLK_T_OUT, t[i].sector, data, t[i].len), t[i].status);
	}
}

static void hostile_ranges(struct drive *d, u32 type)
{
	static const struct virtio_blk_discard_write_zeroes many[64];
	struct virtio_blk_discard_write_zeroes two[] = {
		{ 0, DISK_SECTORS, 0 }, { DISK_SECTORS, 1, 0 },
	};
	bool discard = type == VIRTIO_BLK_T_DISCARD;
	u32 mark = 0x12345678, seen = 0;

	CHECK_EQ(ask_range(d, type, 0, 0, 0), VIRTIO_BLK_S_OK);
	CHECK_EQ(ask_range(d, type, DISK_SECTORS, 0, 0), VIRTIO_BLK_S_OK);
	CHECK_EQ(ask_range(d, type, 0, 8, 0), VIRTIO_BLK_S_OK);
	CHECK_EQ(ask_range(d, type, 0, 8, 1), discard ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_OK);
	CHECK_EQ(ask_range(d, type, 0, 8, 2), VIRTIO_BLK_S_UNSUPP);
	CHECK_EQ(ask_range(d, type, DISK_SECTORS, 1, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(ask_range(d, type, 1, DISK_SECTORS, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(ask_range(d, type, ~0ull, 2, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(ask_range(d, type, BIT_ULL(55), 1, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(ask_range(d, type, 0, ~0u, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(ask_ranges(d, type, many, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(ask_ranges(d, type, many, 15), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(ask_ranges(d, type, many, 17), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(ask_ranges(d, type, many, 16 * 16), VIRTIO_BLK_S_OK);
	CHECK_EQ(ask_ranges(d, type, many, 17 * 16), VIRTIO_BLK_S_IOERR);
	/* The second is wrong: the first has not been touched. */
	CHECK_EQ(pwrite(d->fd, &mark, 4, 4096), 4);
	CHECK_EQ(ask_ranges(d, type, two, sizeof(two)), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(pread(d->fd, &seen, 4, 4096), 4);
	CHECK_EQ(seen, mark);
	two[1].sector--;
	CHECK_EQ(ask_ranges(d, type, two, sizeof(two)), VIRTIO_BLK_S_OK);
	CHECK_EQ(pread(d->fd, &seen, 4, 4096), 4);
	CHECK_EQ(seen, 0);
}

/* A chain of raw pieces at the arena's beginning; the last byte of all is the status. */
static u8 raw(struct drive *d, u32 out, u32 in)
{
	struct guest_piece piece[2];
	unsigned int nr = 0;
	u8 *at = arena(d);
	u32 used;
	u16 head;

	clear_arena(d);
	memset(at, 0, out);
	if (out)
		piece[nr++] = (struct guest_piece){ ARENA, out, false };
	if (in)
		piece[nr++] = (struct guest_piece){ ARENA + 4096, in, true };
	guest_add(&d->q[0], piece, nr);
	guest_kick(&d->q[0]);
	CHECK(guest_wait(&d->q[0], &head, &used));
	return at[4096 + in - 1];
}

static bool needs_reset(void *arg)
{
	struct drive *d = arg;

	return guest_status(&d->v) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void test_hostile_requests(void)
{
	u8 id[32];
	struct drive d = { 0 };
	u32 type;

	CHECK(plug(&d, (struct disk_config){ 0 }, ALL_FEATURES));
	hostile_transfers(&d);
	hostile_ranges(&d, VIRTIO_BLK_T_WRITE_ZEROES);
	if (guest_features(&d.v) & FEATURE(DISCARD))
		hostile_ranges(&d, VIRTIO_BLK_T_DISCARD);
	for (type = 2; type < 40; type++)
		if (type != VIRTIO_BLK_T_FLUSH && type != VIRTIO_BLK_T_GET_ID &&
		    type != VIRTIO_BLK_T_DISCARD && type != VIRTIO_BLK_T_WRITE_ZEROES)
			CHECK_EQ(transfer(&d, type, 0, id, 20), VIRTIO_BLK_S_UNSUPP);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_GET_ID, 0, id, 19), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_GET_ID, 0, id, 0), VIRTIO_BLK_S_IOERR);
	/* No header, half a header, no data. */
	CHECK_EQ(raw(&d, 0, 1), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(raw(&d, 15, 1), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(raw(&d, 15, 513), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(raw(&d, 16, 513), VIRTIO_BLK_S_OK);
	CHECK_EQ(size_of(&d), DISK_BYTES);
	/* No room for the status: there is nothing to answer with. */
	guest_add(&d.q[0], &(struct guest_piece){ ARENA, 16, false }, 1);
	guest_kick(&d.q[0]);
	CHECK(guest_until(needs_reset, &d));
	CHECK(ready(&d, ALL_FEATURES));
	CHECK_EQ(raw(&d, 16, 513), VIRTIO_BLK_S_OK);
	unplug(&d);
}

/* A disk so large that the limits of one range matter. */
static void test_limits_of_ranges(void)
{
	u32 most = offsetof(struct virtio_blk_config, max_write_zeroes_sectors);
	struct drive d = { 0 };

	make_image(&d);
	CHECK(!ftruncate(d.fd, 8 * GIB));
	CHECK(plug(&d, (struct disk_config){ 0 }, ALL_FEATURES));
	most = guest_read(&d.m, d.v.config + most, 4);
	CHECK_EQ(ask_range(&d, VIRTIO_BLK_T_WRITE_ZEROES, 8, most, 1), VIRTIO_BLK_S_OK);
	CHECK_EQ(ask_range(&d, VIRTIO_BLK_T_WRITE_ZEROES, 8, most + 1, 1), VIRTIO_BLK_S_IOERR);
	if (guest_features(&d.v) & FEATURE(DISCARD)) {
		most = offsetof(struct virtio_blk_config, max_discard_sectors);
		most = guest_read(&d.m, d.v.config + most, 4);
		CHECK_EQ(ask_range(&d, VIRTIO_BLK_T_DISCARD, 8, most, 0), VIRTIO_BLK_S_OK);
		CHECK_EQ(ask_range(&d, VIRTIO_BLK_T_DISCARD, 8, most + 1, 0), VIRTIO_BLK_S_IOERR);
	}
	unplug(&d);
}

/* Headers, ranges and pieces without sense: an answer to each, and no byte elsewhere. */
static void test_random_requests(void)
{
	static const u32 types[] = { 0, 1, 4, 8, 11, 13 };
	static u8 data[65536];
	struct drive d = { 0 };
	unsigned int i, j;

	CHECK(plug(&d, (struct disk_config){ .threads = next_random() & 1 }, ALL_FEATURES));
	for (i = 0; i < rounds(1500) && !failures; i++) {
		struct request r = {
			.type = random_below(20) ? types[random_below(6)] : next_random(),
			.sector = random_below(4) ? random_below(DISK_SECTORS + 10) :
				  next_random() >> random_below(64),
			.out = data,
			.out_len = random_below(3) ? random_below(9) * 16 : random_below(20000),
			.in = data,
			.in_len = random_below(3) ? random_below(20) * 512 : random_below(20000),
		};

		for (j = 0; j < 128; j++)
			data[j] = random_below(3) ? 0 : next_random() >> 20;
		CHECK(ask(&d, r) <= VIRTIO_BLK_S_UNSUPP);
	}
	CHECK_EQ(size_of(&d), DISK_BYTES);
	unplug(&d);
}

struct flipper {
	struct drive *d;
	u64 gpa;
	atomic_bool over;
};

static void *flip(void *arg)
{
	struct flipper *f = arg;
	u64 *at = memory_at(&f->d->m.memory, f->gpa, 16);

	while (!atomic_load(&f->over)) {
		__atomic_store_n(at, 8, __ATOMIC_RELAXED);
		__atomic_store_n(at + 1, 8, __ATOMIC_RELAXED);
		__atomic_store_n(at, BIT_ULL(40), __ATOMIC_RELAXED);
		__atomic_store_n(at + 1, 0xffffffff, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* What is judged is what is done: @type with a changing sector, or range. */
static void race(struct drive *d, u32 type, u64 gpa)
{
	struct guest_piece piece[] = {
		{ ARENA, 16, false }, { ARENA + 4096, 16, false }, { ARENA + 8192, 1, true },
	};
	struct flipper f = { .d = d, .gpa = gpa };
	unsigned int i, nr = 3, ok = 0, times = rounds(300);
	pthread_t thread;
	u32 used;
	u16 head;

	clear_arena(d);
	*(u32 *)arena(d) = type;
	*(u64 *)(arena(d) + 8) = 0;
	if (type == VIRTIO_BLK_T_OUT)
		piece[1].len = 512;
	pthread_create(&thread, NULL, flip, &f);
	for (i = 0; i < times; i++) {
		arena(d)[8192] = 0xee;
		guest_add(&d->q[0], piece, nr);
		guest_kick(&d->q[0]);
		if (!guest_wait(&d->q[0], &head, &used))
			break;
		CHECK(arena(d)[8192] <= VIRTIO_BLK_S_UNSUPP);
		ok += arena(d)[8192] == VIRTIO_BLK_S_OK;
	}
	atomic_store(&f.over, true);
	pthread_join(thread, NULL);
	CHECK_EQ(i, times);
	printf("# %u of %u were good when they were looked at\n", ok, times);
	CHECK_EQ(size_of(d), DISK_BYTES);
}

static void test_requests_change(void)
{
	struct drive d = { 0 };

	CHECK(plug(&d, (struct disk_config){ 0 }, ALL_FEATURES));
	race(&d, VIRTIO_BLK_T_WRITE_ZEROES, ARENA + 4096);
	race(&d, VIRTIO_BLK_T_OUT, ARENA + 8);
	unplug(&d);
}

static const struct unit units[] = {
	{ "class05_disk_requests_change_under_the_device", test_requests_change },
	{ "class39_hostile_disk_requests", test_hostile_requests },
	{ "class39_disk_ranges_beyond_the_limits", test_limits_of_ranges },
	{ "class39_random_disk_requests", test_random_requests },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
