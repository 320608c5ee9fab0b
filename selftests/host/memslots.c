// SPDX-License-Identifier: GPL-2.0
/*
 * memslots - KVM_SET_USER_MEMORY_REGION: what it refuses, what the guest sees
 * after an add, move or delete, also while it runs, and that the size of the
 * host's pages makes no difference.
 */
#include <sched.h>

#include "selftest.h"

#define SLOT	1
#define SIZE	(16 * PAGE_SIZE)

/* ---- what is refused -------------------------------------------------- */

SUBTEST(unaligned_is_refused)
{
	struct vm *vm = vm_create_bare();
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);

	for (u64 off = 1; off < PAGE_SIZE; off <<= 1) {
		CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA + off, SIZE / 2, mem), -EINVAL);
		CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE - off, mem), -EINVAL);
		CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE / 2, mem + off), -EINVAL);
	}
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE, mem), 0);
}

SUBTEST(wrap_around_is_refused)
{
	struct vm *vm = vm_create_bare();
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	u64 top = -(u64)SIZE;

	CHECK_EQ(set_region(vm, SLOT, 0, top + PAGE_SIZE, SIZE, mem), -EINVAL);
	CHECK_EQ(set_region(vm, SLOT, 0, -PAGE_SIZE, SIZE, mem), -EINVAL);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, -PAGE_SIZE, mem), -EINVAL);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, 1ull << 63, mem), -EINVAL);
	/* Host addresses that no process has, and a range that leaves them. */
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE, (void *)top), -EINVAL);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE,
			    (void *)0xffff888000000000), -EINVAL);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE,
			    (void *)0x7ffffffff000), -EINVAL);
}

SUBTEST(too_many_pages_is_refused)
{
	struct vm *vm = vm_create_bare();
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	u64 max_pages = (1ull << 31) - 1;	/* KVM_MEM_MAX_NR_PAGES */

	CHECK_EQ(set_region(vm, SLOT, 0, 0, (max_pages + 1) * PAGE_SIZE, mem), -EINVAL);
	/* 2^32 pages and one must not become one page. */
	CHECK_EQ(set_region(vm, SLOT, 0, 0, (BIT(32) + 1) * PAGE_SIZE, mem), -EINVAL);
}

SUBTEST(slot_ids)
{
	struct vm *vm = vm_create_bare();
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	int slots = check_cap(vm, KVM_CAP_NR_MEMSLOTS);
	int spaces = check_cap(vm, KVM_CAP_MULTI_ADDRESS_SPACE);

	CHECK(slots >= 32);
	CHECK_EQ(set_region(vm, slots - 1, 0, TEST_GPA, SIZE, mem), 0);
	CHECK_EQ(set_region(vm, slots, 0, 2 * TEST_GPA, SIZE, mem), -EINVAL);
	CHECK_EQ(set_region(vm, 0xffff, 0, 2 * TEST_GPA, SIZE, mem), -EINVAL);
	/* The upper half is the address space. */
	CHECK_EQ(set_region(vm, (spaces ? spaces : 1) << 16, 0, 2 * TEST_GPA, SIZE,
			    mem), -EINVAL);
	CHECK_EQ(set_region(vm, 0xffffffff, 0, 2 * TEST_GPA, SIZE, mem), -EINVAL);
	CHECK_EQ(set_region(vm, slots - 1, 0, TEST_GPA, 0, mem), 0);
}

SUBTEST(unknown_flags_are_refused)
{
	struct vm *vm = vm_create_bare();
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);

	for (int bit = 2; bit < 32; bit++)
		CHECK_EQ(set_region(vm, SLOT, BIT(bit), TEST_GPA, SIZE, mem), -EINVAL);
}

SUBTEST(class14_overlap_is_refused)
{
	struct vm *vm = vm_create_bare();
	u8 *mem = mem_alloc(4 * SIZE, MEM_ANON, NULL);
	static const long at[] = { 0, PAGE_SIZE, SIZE - PAGE_SIZE, -PAGE_SIZE,
				   PAGE_SIZE - SIZE };

	CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, SIZE, mem), 0);
	for (u64 i = 0; i < ARRAY_SIZE(at); i++)
		CHECK_EQ(set_region(vm, 2, 0, TEST_GPA + at[i], SIZE, mem), -EEXIST);
	/* Around it, and within it. */
	CHECK_EQ(set_region(vm, 2, 0, TEST_GPA - SIZE, 3 * SIZE, mem), -EEXIST);
	CHECK_EQ(set_region(vm, 2, 0, TEST_GPA + SIZE / 2, PAGE_SIZE, mem), -EEXIST);
	/* Neighbours touch and do not overlap. */
	CHECK_EQ(set_region(vm, 2, 0, TEST_GPA - SIZE, SIZE, mem), 0);
	CHECK_EQ(set_region(vm, 3, 0, TEST_GPA + SIZE, SIZE, mem), 0);
	/* A move onto another; onto oneself is none. */
	CHECK_EQ(set_region(vm, 3, 0, TEST_GPA + PAGE_SIZE, SIZE, mem), -EEXIST);
	CHECK_EQ(set_region(vm, 3, 0, TEST_GPA + SIZE + PAGE_SIZE, SIZE, mem), 0);
	/* What was deleted is free. */
	CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, 0, mem), 0);
	CHECK_EQ(set_region(vm, 4, 0, TEST_GPA, SIZE, mem), 0);
}

SUBTEST(changes_of_a_slot_that_are_refused)
{
	struct vm *vm = vm_create_bare();
	u8 *mem = mem_alloc(2 * SIZE, MEM_ANON, NULL);
	int ret;

	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE, mem), 0);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE, mem), 0);	/* no change */
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, 2 * SIZE, mem), -EINVAL);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE / 2, mem), -EINVAL);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE, mem + SIZE), -EINVAL);
	CHECK_EQ(set_region(vm, SLOT, KVM_MEM_READONLY, TEST_GPA, SIZE, mem), -EINVAL);
	/* Dirty logging may be offered or not; the slot stays usable. */
	ret = set_region(vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, TEST_GPA, SIZE, mem);
	CHECK(ret == 0 || ret == -EINVAL);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE, mem), 0);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, 0, mem), 0);
}

SUBTEST(delete_of_nothing_is_refused)
{
	struct vm *vm = vm_create_bare();
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);

	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, 0, mem), -EINVAL);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE, mem), 0);
	CHECK_EQ(set_region(vm, SLOT + 1, 0, TEST_GPA, 0, mem), -EINVAL);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, 0, mem), 0);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, 0, mem), -EINVAL);
}

/* ---- what the guest sees ---------------------------------------------- */

/* Reads the 8 bytes at @gpa in the guest; *mmio says that they came as MMIO. */
static u64 *peek_at;

static void guest_peek(u64 arg)
{
	for (;;)
		GUEST_SYNC_VALUE(1, READ_ONCE(*READ_ONCE(peek_at)));
}

static u64 peek(struct vcpu *vcpu, u64 gpa, bool *mmio)
{
	static u64 data;
	struct mmio_dev dev = { gpa, 8, (u8 *)&data };
	struct ucall uc;

	guest_var(vcpu->vm, peek_at) = (u64 *)gpa;
	data = 0xfefefefefefefefe;
	CHECK_EQ(vcpu_serve_mmio(vcpu, &dev, &uc), UCALL_SYNC);
	*mmio = dev.reads;
	return uc.b;
}

#define CHECK_RAM(vcpu, gpa, value) do {				\
	bool mmio__;							\
	CHECK_EQ(peek(vcpu, gpa, &mmio__), value);			\
	CHECK_EQ(mmio__, false);					\
} while (0)
#define CHECK_MMIO(vcpu, gpa) do {					\
	bool mmio__;							\
	CHECK_EQ(peek(vcpu, gpa, &mmio__), 0xfefefefefefefefe);		\
	CHECK_EQ(mmio__, true);						\
} while (0)

SUBTEST(add_move_delete)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL), *other;
	u64 to = TEST_GPA + 8 * PAGE_SIZE;		/* overlaps its old place */

	mem[0] = 0x1111;
	mem[SIZE / 8 - 1] = 0x2222;
	vcpu_long_mode(vcpu, guest_peek, 0);
	CHECK_MMIO(vcpu, TEST_GPA);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE, mem), 0);
	CHECK_RAM(vcpu, TEST_GPA, 0x1111);
	CHECK_RAM(vcpu, TEST_GPA + SIZE - 8, 0x2222);
	CHECK_MMIO(vcpu, TEST_GPA + SIZE);

	CHECK_EQ(set_region(vm, SLOT, 0, to, SIZE, mem), 0);
	CHECK_MMIO(vcpu, TEST_GPA);
	CHECK_RAM(vcpu, to, 0x1111);
	CHECK_RAM(vcpu, to + SIZE - 8, 0x2222);

	CHECK_EQ(set_region(vm, SLOT, 0, to, 0, mem), 0);
	CHECK_MMIO(vcpu, to);
	CHECK_MMIO(vcpu, to + SIZE - 8);

	/* Added again: the memory kept its content; other memory has its own. */
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE, mem), 0);
	CHECK_RAM(vcpu, TEST_GPA, 0x1111);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, 0, mem), 0);
	other = mem_alloc(SIZE, MEM_ANON, NULL);
	other[0] = 0x3333;
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE, other), 0);
	CHECK_RAM(vcpu, TEST_GPA, 0x3333);
}

static void guest_poke(u64 gpa)
{
	*(volatile u64 *)gpa += 1;
}

SUBTEST(guest_writes_survive_delete_and_add)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);

	for (u64 i = 1; i <= 5; i++) {
		CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE, mem), 0);
		vcpu_long_mode(vcpu, guest_poke, TEST_GPA);
		vcpu_expect_done(vcpu);
		CHECK_EQ(mem[0], i);
		CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, 0, mem), 0);
		CHECK_EQ(mem[0], i);
	}
}

SUBTEST(class14_alias_of_one_memory_in_two_slots)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);

	CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, SIZE, mem), 0);
	CHECK_EQ(set_region(vm, 2, KVM_MEM_READONLY, 2 * TEST_GPA, SIZE, mem), 0);
	vcpu_long_mode(vcpu, guest_poke, TEST_GPA);
	vcpu_expect_done(vcpu);
	vcpu_long_mode(vcpu, guest_peek, 0);
	CHECK_RAM(vcpu, TEST_GPA, 1);
	CHECK_RAM(vcpu, 2 * TEST_GPA, 1);
	mem[0] = 7;
	CHECK_RAM(vcpu, TEST_GPA, 7);
	CHECK_RAM(vcpu, 2 * TEST_GPA, 7);
	/* One goes, the other stays. */
	CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, 0, mem), 0);
	CHECK_MMIO(vcpu, TEST_GPA);
	CHECK_RAM(vcpu, 2 * TEST_GPA, 7);
}

SUBTEST(neighbours)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *a = vm_add_mem(vm, 1, TEST_GPA, PAGE_SIZE, MEM_ANON);
	u8 *b = vm_add_mem(vm, 2, TEST_GPA + PAGE_SIZE, PAGE_SIZE, MEM_ANON);

	memcpy(a + PAGE_SIZE - 4, "\x11\x22\x33\x44", 4);
	memcpy(b, "\x55\x66\x77\x88", 4);
	vcpu_long_mode(vcpu, guest_peek, 0);
	CHECK_RAM(vcpu, TEST_GPA + PAGE_SIZE - 4, 0x8877665544332211);
	vm_del_mem(vm, 1);
	CHECK_RAM(vcpu, TEST_GPA + PAGE_SIZE, *(u64 *)b);
	CHECK_MMIO(vcpu, TEST_GPA);
}

SUBTEST(memory_above_4_gib)
{
	static const u64 gpas[] = { 4ull << 30, 5ull << 30, 511ull << 30,
				    (1ull << 35) - SIZE };
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, guest_peek, 0);
	for (u64 i = 0; i < ARRAY_SIZE(gpas); i++) {
		u64 *mem = vm_add_mem(vm, i + 1, gpas[i], SIZE, MEM_ANON);
		u64 gva = TEST_GVA + i * SIZE;

		mem[0] = 100 + i;
		vm_map(vm, gva, gpas[i], SIZE, PTE_P | PTE_W);
		CHECK_RAM(vcpu, gva, 100 + i);
	}
}

/* ---- many slots ------------------------------------------------------- */

#define MANY	509

static void guest_sum(u64 n)
{
	u64 sum = 0;

	for (u64 i = 0; i < n; i++)
		sum += *(volatile u64 *)(TEST_GPA + 2 * i * PAGE_SIZE);
	GUEST_SYNC_VALUE(1, sum);
}

SUBTEST(many_slots)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int n = check_cap(vm, KVM_CAP_NR_MEMSLOTS) - 1;
	u64 want = 0;
	u8 *mem;

	if (n > MANY)
		n = MANY;
	mem = mem_alloc(n * PAGE_SIZE, MEM_ANON, NULL);
	/* In an order that is neither up nor down; with a gap between each two. */
	for (u64 k = 0; k < (u64)n; k++) {
		u64 i = k * 7 % n;

		*(u64 *)(mem + i * PAGE_SIZE) = i * i + 1;
		want += i * i + 1;
		CHECK_EQ(set_region(vm, i + 1, 0, TEST_GPA + 2 * i * PAGE_SIZE,
				    PAGE_SIZE, mem + i * PAGE_SIZE), 0);
	}
	vcpu_long_mode(vcpu, guest_sum, n);
	CHECK_EQ(vcpu_expect_sync(vcpu, 1), want);
	vcpu_long_mode(vcpu, guest_peek, 0);
	for (u64 k = 0; k < (u64)n; k++) {
		u64 i = k * 5 % n, gpa = TEST_GPA + 2 * i * PAGE_SIZE;

		CHECK_EQ(set_region(vm, i + 1, 0, gpa, 0, NULL), 0);
		if (k % 16)
			continue;
		CHECK_MMIO(vcpu, gpa);
	}
}

/* ---- host page sizes -------------------------------------------------- */

#define BIG	(2 * SZ_2M)

/* Each page gets its index by host or guest; the other one reads it back. */
static void guest_check_and_fill(u64 base)
{
	for (u64 off = 0; off < BIG; off += PAGE_SIZE) {
		volatile u64 *p = (u64 *)(base + off);

		GUEST_ASSERT_EQ(p[off / PAGE_SIZE % 512], off + 5);
		p[511] = base + off;
	}
}

static void check_backing(enum backing backing)
{
	/* The last two cannot be mapped by large pages: unlike alignment. */
	static const u64 gpas[] = { TEST_GPA, TEST_GPA + SZ_2M,
				    TEST_GPA + PAGE_SIZE, TEST_GPA + SZ_2M / 2 };
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *mem = mem_alloc(BIG, backing, NULL);

	for (u64 i = 0; i < ARRAY_SIZE(gpas); i++) {
		for (u64 off = 0; off < BIG; off += PAGE_SIZE) {
			((u64 *)(mem + off))[511] = 0;
			((u64 *)(mem + off))[off / PAGE_SIZE % 512] = off + 5;
		}
		CHECK_EQ(set_region(vm, SLOT, 0, gpas[i], BIG, mem), 0);
		vcpu_long_mode(vcpu, guest_check_and_fill, gpas[i]);
		vcpu_expect_done(vcpu);
		for (u64 off = 0; off < BIG; off += PAGE_SIZE)
			CHECK_EQ(((u64 *)(mem + off))[511], gpas[i] + off);
		CHECK_EQ(set_region(vm, SLOT, 0, gpas[i], 0, mem), 0);
	}
}

SUBTEST(backed_by_4k_pages)
{
	check_backing(MEM_ANON);
}

SUBTEST(backed_by_transparent_huge_pages)
{
	check_backing(MEM_THP);
}

SUBTEST(backed_by_hugetlb)
{
	if (!write_text("/proc/sys/vm/nr_hugepages", "4"))
		SKIP("no hugetlb");
	check_backing(MEM_HUGETLB);
}

SUBTEST(backed_by_memfd)
{
	check_backing(MEM_MEMFD);
}

/* A huge page of the host must not show the guest more than the slot. */
SUBTEST(class14_huge_page_beyond_the_slot)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *mem = mem_alloc(BIG, MEM_THP, NULL);
	u64 half = SZ_2M / 2, other = 0x77;
	u64 *page = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);

	for (u64 off = 0; off < BIG; off += PAGE_SIZE)
		*(u64 *)(mem + off) = off + 1;
	*page = other;
	/* The middle: half of the first huge page, half of the second. */
	CHECK_EQ(set_region(vm, 1, 0, TEST_GPA + half, SZ_2M, mem + half), 0);
	CHECK_EQ(set_region(vm, 2, 0, TEST_GPA + half + SZ_2M, PAGE_SIZE, page), 0);
	vcpu_long_mode(vcpu, guest_peek, 0);
	CHECK_RAM(vcpu, TEST_GPA + half, half + 1);
	CHECK_RAM(vcpu, TEST_GPA + SZ_2M, SZ_2M + 1);
	CHECK_RAM(vcpu, TEST_GPA + SZ_2M + half - PAGE_SIZE, SZ_2M + half - PAGE_SIZE + 1);
	CHECK_MMIO(vcpu, TEST_GPA + half - PAGE_SIZE);
	CHECK_MMIO(vcpu, TEST_GPA);
	CHECK_RAM(vcpu, TEST_GPA + SZ_2M + half, other);
	CHECK_MMIO(vcpu, TEST_GPA + SZ_2M + half + PAGE_SIZE);
}

/* ---- under a running vCPU --------------------------------------------- */

struct runner {
	struct thread thread;
	struct vcpu *vcpu;
	bool stop;
	u64 mmio_exits;
};

/* Runs the guest until told to stop; MMIO reads give all ones. */
static void *runner_main(void *arg)
{
	struct runner *r = arg;
	struct kvm_run *run = r->vcpu->run;
	struct ucall uc;

	while (!READ_ONCE(r->stop)) {
		int ret = vcpu_run_raw(r->vcpu);

		if (ret == -EINTR) {
			run->immediate_exit = 0;
			continue;
		}
		/* Between munmap() and the delete there is no memory. */
		if (ret == -EFAULT)
			continue;
		CHECK_EQ(ret, 0);
		if (run->exit_reason == KVM_EXIT_MMIO) {
			memset(run->mmio.data, 0xff, 8);
			__atomic_fetch_add(&r->mmio_exits, 1, __ATOMIC_SEQ_CST);
			continue;
		}
		if (get_ucall(r->vcpu, &uc) == UCALL_NONE)
			FAIL("unexpected exit %s", exit_name(run->exit_reason));
	}
	return NULL;
}

static void runner_start(struct runner *r, struct vcpu *vcpu)
{
	*r = (struct runner){ .vcpu = vcpu };
	thread_start(&r->thread, nr_cpus() - 1, runner_main, r);
}

static void runner_stop(struct runner *r)
{
	WRITE_ONCE(r->stop, true);
	thread_stop(&r->thread);
}

/* Until the guest went round its loop at least twice more. */
static void wait_rounds(struct vm *vm, u64 *counter)
{
	u64 *p = vm_ptr(vm, (uintptr_t)counter), from = READ_ONCE(*p);

	while (READ_ONCE(*p) < from + 2)
		sched_yield();
}

static u64 rounds;
static u64 seen_ram, seen_mmio;

/* Writes a new number and reads it back: it is there, or the read was MMIO. */
static void guest_hammer(u64 gpa)
{
	volatile u64 *p = (u64 *)gpa;

	for (;;) {
		u64 n = ++rounds, v;

		*p = n;
		v = *p;
		if (v == ~0ull)
			WRITE_ONCE(seen_mmio, seen_mmio + 1);
		else
			WRITE_ONCE(seen_ram, seen_ram + 1);
	}
}

SUBTEST(class14_delete_under_a_running_vcpu)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL), last;
	struct runner r;

	vcpu_long_mode(vcpu, guest_hammer, TEST_GPA);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE, mem), 0);
	runner_start(&r, vcpu);
	for (int i = 0; i < 30; i++) {
		u64 exits, ram;

		/* Once the delete has returned, no write arrives any more. */
		wait_rounds(vm, &seen_ram);
		CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, 0, mem), 0);
		last = READ_ONCE(mem[0]);
		exits = READ_ONCE(r.mmio_exits);
		wait_rounds(vm, &seen_mmio);
		CHECK(READ_ONCE(r.mmio_exits) > exits);
		CHECK_EQ(READ_ONCE(mem[0]), last);

		/* And once the add has returned, none misses. */
		CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE, mem), 0);
		wait_rounds(vm, &rounds);
		ram = guest_var(vm, seen_mmio);
		wait_rounds(vm, &rounds);
		CHECK_EQ(READ_ONCE(guest_var(vm, seen_mmio)), ram);
		CHECK(READ_ONCE(mem[0]) > last);
	}
	runner_stop(&r);
}

SUBTEST(class17_no_stale_mapping_after_delete_and_munmap)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct runner r;

	vcpu_long_mode(vcpu, guest_hammer, TEST_GPA);
	runner_start(&r, vcpu);
	for (int i = 0; i < 30; i++) {
		u64 *mem = mem_alloc(SZ_2M, i & 1 ? MEM_THP : MEM_ANON, NULL), *again;

		CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SZ_2M, mem), 0);
		wait_rounds(vm, &seen_ram);
		CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, 0, mem), 0);
		munmap(mem, SZ_2M);
		/* New pages, likely the same frames: the guest must not be in. */
		again = mem_alloc(SZ_2M, MEM_ANON, NULL);
		for (u64 k = 0; k < SZ_2M / 8; k += 512)
			again[k] = 0;
		wait_rounds(vm, &seen_mmio);
		for (u64 k = 0; k < SZ_2M / 8; k += 512)
			CHECK_EQ(again[k], 0);
		munmap(again, SZ_2M);
	}
	runner_stop(&r);
}

struct unmapper {
	struct thread thread;
	struct chan go;
	u8 *mem;
	u64 *again;			/* other memory, for the same frames */
};

#define RACE_SIZE	(2 * PAGE_SIZE)	/* few: the race is short */
#define PATTERN		0x5a5a5a5a5a5a5a5a

static void *unmap_and_reuse(void *arg)
{
	struct unmapper *u = arg;

	chan_wait(&u->go, 'g');
	munmap(u->mem, RACE_SIZE);
	for (u64 k = 0; k < RACE_SIZE / 8; k++)
		u->again[k] = PATTERN;
	return NULL;
}

/* Writes to all pages, over and over. */
static void guest_spray(u64 gpa)
{
	for (;;) {
		rounds++;
		for (u64 i = 0; i < RACE_SIZE; i += PAGE_SIZE)
			*(volatile u64 *)(gpa + i + 8) = rounds;
	}
}

/*
 * The memory of a slot goes while the slot is being deleted: whichever comes
 * first, the guest must be out of the pages when munmap() returns.
 */
SUBTEST(class17_delete_races_with_munmap)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct unmapper u;
	struct runner r;

	chan_open(&u.go);
	vcpu_long_mode(vcpu, guest_spray, TEST_GPA);
	runner_start(&r, vcpu);
	pin_to_cpu(0);
	for (int i = 0; i < 40; i++) {
		u.mem = mem_alloc(RACE_SIZE, MEM_ANON, NULL);
		u.again = mem_alloc(RACE_SIZE, MEM_ANON, NULL);
		CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, RACE_SIZE, u.mem), 0);
		wait_rounds(vm, &rounds);
		thread_start(&u.thread, 0, unmap_and_reuse, &u);
		/* It runs as soon as the delete has to wait for anything. */
		chan_put(&u.go, 'g');
		CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, 0, u.mem), 0);
		thread_join(&u.thread);
		for (u64 k = 0; k < RACE_SIZE / 8; k++)
			CHECK_EQ(u.again[k], PATTERN);
		munmap(u.again, RACE_SIZE);
	}
	runner_stop(&r);
}

#define A	TEST_GPA
#define B	(TEST_GPA + SZ_2M)

/* Writes to both places; exactly one of them is memory at a time. */
static void guest_two_places(u64 arg)
{
	for (;;) {
		*(volatile u64 *)A = ++rounds;
		*(volatile u64 *)(B + 8) = rounds;
	}
}

SUBTEST(class14_move_under_a_running_vcpu)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL), frozen;
	struct runner r;

	vcpu_long_mode(vcpu, guest_two_places, 0);
	CHECK_EQ(set_region(vm, SLOT, 0, A, SIZE, mem), 0);
	runner_start(&r, vcpu);
	for (int i = 0; i < 30; i++) {
		bool at_b = !(i & 1);

		CHECK_EQ(set_region(vm, SLOT, 0, at_b ? B : A, SIZE, mem), 0);
		/* The word of the old place stands still, the other one moves. */
		frozen = READ_ONCE(mem[at_b ? 0 : 1]);
		wait_rounds(vm, &rounds);
		CHECK_EQ(READ_ONCE(mem[at_b ? 0 : 1]), frozen);
		CHECK(READ_ONCE(mem[at_b ? 1 : 0]) > frozen);
	}
	runner_stop(&r);
}

/* A guest verifies its memory while other slots come and go. */
static void guest_verify(u64 gpa)
{
	volatile u64 *p = (u64 *)gpa;

	for (;;) {
		u64 n = ++rounds;

		for (u64 i = 0; i < SIZE / 8; i += 64)
			p[i] = n + i;
		for (u64 i = 0; i < SIZE / 8; i += 64)
			GUEST_ASSERT_EQ(p[i], n + i);
	}
}

SUBTEST(class14_other_slots_come_and_go)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct runner r;

	vm_add_mem(vm, SLOT, TEST_GPA, SIZE, MEM_ANON);
	vcpu_long_mode(vcpu, guest_verify, TEST_GPA);
	runner_start(&r, vcpu);
	for (int i = 0; i < 60; i++) {
		u32 slot = 2 + i % 8;
		u64 gpa = 2 * TEST_GPA + slot * SZ_2M;

		CHECK_EQ(set_region(vm, slot, 0, gpa, SIZE, mem), 0);
		CHECK_EQ(set_region(vm, slot, 0, gpa + SIZE, SIZE, mem), 0);
		CHECK_EQ(set_region(vm, slot, 0, gpa, 0, mem), 0);
		if (i % 10 == 0)
			wait_rounds(vm, &rounds);
	}
	runner_stop(&r);
	CHECK_EQ(r.mmio_exits, 0);
}
