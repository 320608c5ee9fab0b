// SPDX-License-Identifier: GPL-2.0
/* Rows of `lodge bench exits`: the guest touches memory that it has not touched before. */
#include <string.h>

#include "bench.h"

/* What the routine goes through in all rounds: arg[1] is its step. */
static u64 area_size(const struct bench_test *t)
{
	return t->rounds * bench_batch(t->row) * t->row->arg[1];
}

static bool fresh(struct bench_test *t)
{
	return bench_area(&t->vm, area_size(t), t->row->needs & HUGE, 0);
}

static bool populated(struct bench_test *t)
{
	if (!fresh(t))
		return false;
	memset(t->vm.area, 1, t->vm.area_size);
	return true;
}

/* The same pages in each round. */
static bool logged(struct bench_test *t)
{
	u64 size = bench_batch(t->row) * PAGE_SIZE;

	if (!bench_area(&t->vm, size, false, KVM_MEM_LOG_DIRTY_PAGES))
		return false;
	memset(t->vm.area, 1, size);
	return true;
}

static void clear_log(struct bench_test *t)
{
	u64 bitmap[8] = { 0 };
	struct kvm_dirty_log log = {
		.slot = BENCH_SLOT_AREA, .dirty_bitmap = bitmap,
	};

	BENCH_IOCTL(&t->vm, t->vm.fd, KVM_GET_DIRTY_LOG, &log);
	t->vm.cpu[0].shared->pointer = BENCH_AREA;
}

#define PAGES	{ BENCH_AREA, PAGE_SIZE }
#define LARGE	{ BENCH_AREA, 2 * MIB }

const struct bench_row bench_rows_memory[] = {
	{
		.name = "page-write-new", .what = "first write to a 4K page that nobody had",
		.code = bench_guest_walk_store, .arg = PAGES, .prepare = fresh,
	}, {
		.name = "page-read-new", .what = "first read of a 4K page that nobody had",
		.code = bench_guest_walk_load, .arg = PAGES, .prepare = fresh,
	}, {
		.name = "page-write", .what = "first write to a 4K page that the process has",
		.code = bench_guest_walk_store, .arg = PAGES, .prepare = populated,
	}, {
		.name = "large-write-new", .what = "first write to a 2M page that nobody had",
		.code = bench_guest_walk_store, .arg = LARGE, .prepare = fresh,
		.batch = 1, .needs = HUGE,
	}, {
		.name = "large-write", .what = "first write to a 2M page that the process has",
		.code = bench_guest_walk_store, .arg = LARGE, .prepare = populated,
		.batch = 1, .needs = HUGE,
	}, {
		.name = "page-write-logged", .what = "first write after the dirty log was taken",
		.code = bench_guest_walk_store, .arg = PAGES, .prepare = logged,
		.needs = NEEDS_NEXT, .next = clear_log,
	},
	{ .name = NULL }
};
