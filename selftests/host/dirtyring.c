// SPDX-License-Identifier: GPL-2.0
/*
 * dirtyring - KVM_CAP_DIRTY_LOG_RING: pages that a vCPU wrote come as entries of a
 * ring in shared memory, which user space harvests and KVM_RESET_DIRTY_RINGS gives
 * back. No write is lost when a ring is full or when vCPUs write meanwhile; what
 * user space writes into a ring harms nobody but itself.
 */
#include <sched.h>

#include "memory.h"

#define PAGES		512ul
#define SIZE		(PAGES * PAGE_SIZE)
#define LOG		KVM_MEM_LOG_DIRTY_PAGES
#define SLOT		MEM_SLOT
#define RING_BYTES	16384u		/* the least that every mode takes */
#define ENTRIES		(RING_BYTES / sizeof(struct kvm_dirty_gfn))
#define RING_OFFSET	(KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_SIZE)

#define DIRTY		KVM_DIRTY_GFN_F_DIRTY
#define RESET		KVM_DIRTY_GFN_F_RESET

struct ring {
	struct kvm_dirty_gfn *e;
	u32 next;			/* to be harvested, counted without an end */
};

static int enable_ring(struct vm *vm, u64 bytes)
{
	return enable_cap_flags(vm, KVM_CAP_DIRTY_LOG_RING, 0, bytes);
}

static int reset_rings(struct vm *vm)
{
	return xioctl(vm->fd, KVM_RESET_DIRTY_RINGS, 0);
}

static void *map_vcpu(struct vcpu *vcpu, int prot, int flags, u64 at, u64 size)
{
	return mmap(NULL, size, prot, flags, vcpu->fd, at);
}

static void ring_map(struct ring *r, struct vcpu *vcpu)
{
	r->e = map_vcpu(vcpu, PROT_READ | PROT_WRITE, MAP_SHARED, RING_OFFSET, RING_BYTES);
	r->next = 0;
	CHECK(r->e != MAP_FAILED);
}

static struct kvm_dirty_gfn *entry(struct ring *r, u32 n)
{
	return &r->e[n % ENTRIES];
}

/* Takes the next entry if there is one: its page goes to the bitmap of @slot. */
static bool harvest_one(struct ring *r, u32 slot, u64 *bitmap, u64 pages)
{
	struct kvm_dirty_gfn *e = entry(r, r->next);

	if (__atomic_load_n(&e->flags, __ATOMIC_ACQUIRE) != DIRTY)
		return false;
	CHECK_EQ(e->slot, slot);
	CHECK(e->offset < pages);
	set_bit(bitmap, e->offset);
	__atomic_store_n(&e->flags, RESET, __ATOMIC_RELEASE);
	r->next++;
	return true;
}

static u32 harvest(struct ring *r, u64 *bitmap, u64 pages)
{
	u32 n = 0;

	while (harvest_one(r, SLOT, bitmap, pages))
		n++;
	return n;
}

static struct vm *vm_with_ring(void)
{
	struct vm *vm = vm_create();

	CHECK_EQ(enable_ring(vm, RING_BYTES), 0);
	return vm;
}

static struct vcpu *vcpu_with_ring(struct ring *r, void *mem, u64 size, u32 flags)
{
	struct vm *vm = vm_with_ring();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	CHECK_EQ(set_region(vm, SLOT, flags, TEST_GPA, size, mem), 0);
	ring_map(r, vcpu);
	return vcpu;
}

/* The ring has these pages and no other; it is empty and reset then. */
static void check_ring_at(const char *file, int line, struct vm *vm, struct ring *r,
			  const u32 *want, int nr)
{
	u64 got[BITMAP_WORDS(PAGES)] = { 0 }, expected[BITMAP_WORDS(PAGES)] = { 0 };
	u32 n = harvest(r, got, PAGES);

	for (int i = 0; i < nr; i++)
		set_bit(expected, want[i]);
	for (u64 i = 0; i < PAGES; i++)
		if (test_bit(got, i) != test_bit(expected, i))
			test_fail(file, line, "page %llu of the slot: expected %s, got %s",
				  (unsigned long long)i,
				  test_bit(expected, i) ? "dirty" : "clean",
				  test_bit(got, i) ? "dirty" : "clean");
	check_eq(file, line, "KVM_RESET_DIRTY_RINGS", reset_rings(vm), n);
	for (u32 i = 0; i < ENTRIES; i++)
		check_eq(file, line, "flags after the reset", r->e[i].flags, 0);
}

#define CHECK_RING(vm, r, ...) do {					\
	const u32 list__[] = { __VA_ARGS__ };				\
	check_ring_at(__FILE__, __LINE__, vm, r, list__, ARRAY_SIZE(list__)); \
} while (0)
#define CHECK_RING_EMPTY(vm, r)	check_ring_at(__FILE__, __LINE__, vm, r, NULL, 0)

/* ---- how to have one --------------------------------------------------- */

SUBTEST(sizes)
{
	static const u64 bad[] = { 0, 1, 16, 2048, 4095, 4097, 3 * 4096, 65536 + 16,
				   0x80000000 - 1 };
	int max, ret;
	struct vm *vm = vm_create_bare();

	max = check_cap(vm, KVM_CAP_DIRTY_LOG_RING);
	CHECK(max >= 65536);
	CHECK_EQ(check_cap(vm, KVM_CAP_DIRTY_LOG_RING_ACQ_REL), max);
	for (u64 i = 0; i < ARRAY_SIZE(bad); i++) {
		test_doing("%#llx bytes", (unsigned long long)bad[i]);
		CHECK_EQ(enable_ring(vm, bad[i]), -EINVAL);
	}
	CHECK_EQ(enable_ring(vm, 2 * max), -E2BIG);
	CHECK_EQ(enable_ring(vm, 1u << 31), -E2BIG);
	/* kvm takes the lower half alone, which is 0. */
	ret = enable_ring(vm, 1ull << 32);
	CHECK(ret == -EINVAL || ret == -E2BIG);
	CHECK_EQ(reset_rings(vm), -EINVAL);	/* none of them was taken */
	for (u64 size = 4096; size <= (u64)max; size *= 2) {
		vm = vm_create_bare();
		ret = enable_ring(vm, size);
		test_doing("%#llx bytes", (unsigned long long)size);
		/* How many entries are kept back depends on the hardware. */
		CHECK(ret == 0 || (ret == -EINVAL && size < RING_BYTES));
		if (!ret)
			CHECK_EQ(enable_ring(vm, size), -EINVAL);	/* once only */
		vm_free(vm);
	}
	vm = vm_create_bare();
	CHECK_EQ(enable_cap_flags(vm, KVM_CAP_DIRTY_LOG_RING_ACQ_REL, 0, max), 0);
	CHECK_EQ(enable_ring(vm, max), -EINVAL);
	vcpu_create_bare(vm, 0);
}

SUBTEST(class12_ring_after_a_vcpu)
{
	struct vm *vm = vm_create_bare();
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);

	CHECK_EQ(enable_ring(vm, RING_BYTES), -EINVAL);
	vcpu_free(vcpu);			/* the vCPU is still there */
	CHECK_EQ(enable_ring(vm, RING_BYTES), -EINVAL);
	CHECK_EQ(reset_rings(vm), -EINVAL);
}

SUBTEST(class15_ring_without_vcpu)
{
	struct vm *vm = vm_with_ring();
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);

	CHECK_EQ(reset_rings(vm), 0);
	CHECK_EQ(set_region(vm, SLOT, LOG, TEST_GPA, SIZE, mem), 0);
	CHECK_EQ(set_region(vm, 0, LOG, 0, RAM_SIZE, vm->ram), 0);
	CHECK_EQ(set_region(vm, SLOT, LOG, 2 * TEST_GPA, SIZE, mem), 0);
	CHECK_EQ(set_region(vm, SLOT, 0, 2 * TEST_GPA, SIZE, mem), 0);
	CHECK_EQ(set_region(vm, SLOT, 0, 2 * TEST_GPA, 0, mem), 0);
	CHECK_EQ(reset_rings(vm), 0);
}

SUBTEST(the_bitmap_is_refused)
{
	struct vm *vm = vm_with_ring();
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	u64 bits[BITMAP_WORDS(PAGES)] = { 0 };

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(set_region(vm, SLOT, i ? LOG : 0, TEST_GPA, SIZE, mem), 0);
		CHECK_EQ(get_dirty_log(vm, SLOT, bits), -ENXIO);
		CHECK_EQ(get_dirty_log(vm, ~0u, NULL), -ENXIO);
		CHECK_EQ(clear_dirty_log(vm, SLOT, 0, 64, bits), -ENXIO);
		CHECK_EQ(clear_dirty_log(vm, SLOT, 1, 64, NULL), -ENXIO);
	}
}

/* ---- the mapping ------------------------------------------------------- */

SUBTEST(what_mmap_refuses)
{
	static const struct { int prot, flags; } bad[] = {
		{ PROT_READ | PROT_WRITE, MAP_PRIVATE }, { PROT_READ, MAP_PRIVATE },
		{ PROT_READ | PROT_EXEC, MAP_SHARED },
		{ PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED },
		{ PROT_READ | PROT_EXEC, MAP_PRIVATE },
	};
	struct vcpu *vcpu = vcpu_create_bare(vm_with_ring(), 0);

	for (u64 i = 0; i < ARRAY_SIZE(bad); i++) {
		test_doing("case %llu", (unsigned long long)i);
		/* All of it; one page; from the run pages on; over the end. */
		CHECK(map_vcpu(vcpu, bad[i].prot, bad[i].flags, RING_OFFSET, RING_BYTES) ==
		      MAP_FAILED);
		CHECK_EQ(errno, EINVAL);
		CHECK(map_vcpu(vcpu, bad[i].prot, bad[i].flags,
			       RING_OFFSET + RING_BYTES - PAGE_SIZE, PAGE_SIZE) == MAP_FAILED);
		CHECK(map_vcpu(vcpu, bad[i].prot, bad[i].flags, RING_OFFSET - PAGE_SIZE,
			       2 * PAGE_SIZE) == MAP_FAILED);
		CHECK(map_vcpu(vcpu, bad[i].prot, bad[i].flags,
			       RING_OFFSET + RING_BYTES - PAGE_SIZE, 2 * PAGE_SIZE) ==
		      MAP_FAILED);
	}
	CHECK(map_vcpu(vcpu, PROT_READ, MAP_SHARED, RING_OFFSET, RING_BYTES) != MAP_FAILED);
}

SUBTEST(class15_mapping_beyond_the_ring)
{
	struct vcpu *vcpu = vcpu_create_bare(vm_with_ring(), 0);
	u8 *before = map_vcpu(vcpu, PROT_READ | PROT_WRITE, MAP_SHARED,
			      RING_OFFSET - PAGE_SIZE, RING_BYTES + 2 * PAGE_SIZE);
	u8 *far = map_vcpu(vcpu, PROT_READ, MAP_SHARED, 1ull << 40, PAGE_SIZE);
	u8 *ring = before + PAGE_SIZE;

	CHECK(before != MAP_FAILED);
	CHECK(!readable(before));
	CHECK(readable(ring));
	CHECK(readable(ring + RING_BYTES - 1));
	CHECK(!readable(ring + RING_BYTES));
	CHECK(far == MAP_FAILED || !readable(far));
	for (u32 i = 0; i < RING_BYTES; i++)
		CHECK_EQ(ring[i], 0);
}

SUBTEST(class15_mapping_without_a_ring)
{
	struct vcpu *vcpu = vcpu_create_bare(vm_create_bare(), 0);
	u8 *p = map_vcpu(vcpu, PROT_READ | PROT_WRITE, MAP_SHARED, RING_OFFSET, RING_BYTES);

	CHECK(p == MAP_FAILED || !readable(p));
}

SUBTEST(class15_ring_outlives_its_descriptors)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct ring r;
	struct vcpu *vcpu = vcpu_with_ring(&r, mem, SIZE, LOG);

	GUEST_WRITES(vcpu, TEST_GPA, 3, 7);
	vm_free(vcpu->vm);
	CHECK_EQ(entry(&r, 0)->offset, 3);
	CHECK_EQ(entry(&r, 1)->offset, 7);
	memset(r.e, 0xff, RING_BYTES);
	munmap(r.e, RING_BYTES);
}

/* ---- entries ----------------------------------------------------------- */

static void check_entries(enum backing backing)
{
	u8 *mem = mem_alloc(SIZE, backing, NULL);
	struct ring r;
	struct vcpu *vcpu = vcpu_with_ring(&r, mem, SIZE, 0);
	struct vm *vm = vcpu->vm;

	memset(mem, 0, SIZE);
	GUEST_WRITES(vcpu, TEST_GPA, 0, 1, 77, 78, 300, 511);
	CHECK_RING_EMPTY(vm, &r);
	CHECK_EQ(set_region(vm, SLOT, LOG, TEST_GPA, SIZE, mem), 0);
	for (int round = 0; round < 3; round++) {
		CHECK_RING_EMPTY(vm, &r);
		GUEST_WRITES(vcpu, TEST_GPA, 77, 3, 511, 77, 78);
		CHECK_RING(vm, &r, 3, 77, 78, 511);
		GUEST_WRITES(vcpu, TEST_GPA, 0, 64, 63, 127 + round);
		CHECK_RING(vm, &r, 0, 63, 64, 127 + round);
		mem[100 * PAGE_SIZE] = 1;	/* by user space */
		CHECK_READ(vcpu, TEST_GPA + 300 * PAGE_SIZE, 5);
	}
	/* Switched off and on again. */
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE, mem), 0);
	GUEST_WRITES(vcpu, TEST_GPA, 77, 80);
	CHECK_RING_EMPTY(vm, &r);
	CHECK_EQ(set_region(vm, SLOT, LOG, TEST_GPA, SIZE, mem), 0);
	GUEST_WRITES(vcpu, TEST_GPA, 77, 81);
	CHECK_RING(vm, &r, 77, 81);
}

SUBTEST(entries_of_small_pages)
{
	check_entries(MEM_ANON);
}

SUBTEST(entries_of_a_huge_page)
{
	check_entries(MEM_THP);
}

SUBTEST(entry_states)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct ring r;
	struct vcpu *vcpu = vcpu_with_ring(&r, mem, SIZE, LOG);
	struct vm *vm = vcpu->vm;

	GUEST_WRITES(vcpu, TEST_GPA, 10, 11, 12, 13);
	for (u32 i = 0; i < ENTRIES; i++)
		CHECK_EQ(r.e[i].flags, i < 4 ? DIRTY : 0);
	for (u32 i = 0; i < 4; i++) {
		CHECK_EQ(r.e[i].slot, SLOT);
		CHECK_EQ(r.e[i].offset, 10 + i);
	}
	/* Nothing is harvested; only out of order; and then the first two. */
	CHECK_EQ(reset_rings(vm), 0);
	r.e[1].flags = RESET;
	CHECK_EQ(reset_rings(vm), 0);
	CHECK_EQ(r.e[1].flags, RESET);
	r.e[0].flags = RESET | DIRTY;		/* bit 0 does not matter then */
	CHECK_EQ(reset_rings(vm), 2);
	CHECK_EQ(r.e[0].flags, 0);
	CHECK_EQ(r.e[1].flags, 0);
	CHECK_EQ(r.e[2].flags, DIRTY);
	/* 10 and 11 are watched again; 12 and 13 are known already. */
	GUEST_WRITES(vcpu, TEST_GPA, 10, 12, 13);
	CHECK_EQ(r.e[4].flags, DIRTY);
	CHECK_EQ(r.e[4].offset, 10);
	CHECK_EQ(r.e[5].flags, 0);
	r.next = 2;
	CHECK_RING(vm, &r, 10, 12, 13);
	GUEST_WRITES(vcpu, TEST_GPA, 13);
	CHECK_RING(vm, &r, 13);
}

static void guest_ins(u64 to)
{
	u64 count = 64;

	asm volatile("cld\n\trep insl" : "+D"(to), "+c"(count) : "d"(0x3f0) : "memory");
}

/* What the kernel writes for an instruction of the guest. */
SUBTEST(string_input_makes_entries)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct ring r;
	struct vcpu *vcpu = vcpu_with_ring(&r, mem, SIZE, LOG);
	struct kvm_run *run = vcpu->run;
	struct ucall uc;

	for (int round = 0; round < 2; round++) {
		vcpu_long_mode(vcpu, guest_ins, TEST_GPA + 8 * PAGE_SIZE - 100);
		CHECK_EQ(vcpu_run_raw(vcpu), 0);
		while (get_ucall(vcpu, &uc) == UCALL_NONE) {
			CHECK_EQ(run->exit_reason, KVM_EXIT_IO);
			memset((u8 *)run + run->io.data_offset, 0x33, run->io.count * 4);
			CHECK_EQ(vcpu_run_raw(vcpu), 0);
		}
		CHECK_EQ(mem[8 * PAGE_SIZE + 100], 0x33);
		CHECK_RING(vcpu->vm, &r, 7, 8);
	}
}

SUBTEST(each_vcpu_has_its_own_ring)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct ring r[2];
	struct vcpu *vcpu = vcpu_with_ring(&r[0], mem, SIZE, LOG);
	struct vcpu *other = vcpu_create(vcpu->vm, 1);
	u64 bits[2][BITMAP_WORDS(PAGES)] = { 0 };

	ring_map(&r[1], other);
	GUEST_WRITES(vcpu, TEST_GPA, 1, 2);
	GUEST_WRITES(other, TEST_GPA, 70, 71, 72);
	CHECK_EQ(harvest(&r[0], bits[0], PAGES), 2);
	CHECK_EQ(harvest(&r[1], bits[1], PAGES), 3);
	CHECK_EQ(bits[0][0], BIT(1) | BIT(2));
	CHECK_EQ(bits[1][1], BIT(6) | BIT(7) | BIT(8));
	CHECK_EQ(reset_rings(vcpu->vm), 5);	/* one call for all */
	GUEST_WRITES(other, TEST_GPA, 1);
	CHECK_RING(vcpu->vm, &r[1], 1);
	CHECK_RING_EMPTY(vcpu->vm, &r[0]);
}

/* ---- a ring that is full ----------------------------------------------- */

#define MANY		(3 * ENTRIES)

static u64 filled;

static void guest_fill(u64 gpa)
{
	for (u64 i = 0; i < MANY; i++) {
		*(volatile u64 *)(gpa + i * PAGE_SIZE) = i + 1;
		WRITE_ONCE(filled, i + 1);
	}
}

/* Nothing of the guest runs while its ring is full. */
static void check_is_full(struct vcpu *vcpu)
{
	u64 at = guest_var(vcpu->vm, filled);
	struct kvm_regs before, after;

	get_regs(vcpu, &before);
	for (int i = 0; i < 3; i++)
		vcpu_run(vcpu, KVM_EXIT_DIRTY_RING_FULL);
	get_regs(vcpu, &after);
	CHECK(!memcmp(&before, &after, sizeof(before)));
	CHECK_EQ(guest_var(vcpu->vm, filled), at);
}

SUBTEST(class15_full_ring)
{
	u8 *mem = mem_alloc(MANY * PAGE_SIZE, MEM_ANON, NULL);
	u64 bits[BITMAP_WORDS(MANY)] = { 0 }, least = ENTRIES, total = 0;
	struct ring r;
	struct vcpu *vcpu = vcpu_with_ring(&r, mem, MANY * PAGE_SIZE, LOG);
	struct ucall uc;
	u32 n;

	vcpu_long_mode(vcpu, guest_fill, TEST_GPA);
	for (;;) {
		CHECK_EQ(vcpu_run_raw(vcpu), 0);
		if (get_ucall(vcpu, &uc) == UCALL_DONE)
			break;
		CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_DIRTY_RING_FULL);
		check_is_full(vcpu);
		n = harvest(&r, bits, MANY);
		/* Harvested is not reset yet. */
		check_is_full(vcpu);
		CHECK_EQ(reset_rings(vcpu->vm), n);
		total += n;
		if (n < least)
			least = n;
	}
	total += harvest(&r, bits, MANY);
	/* A write that waits for the ring may come twice: tried, reset, done. */
	CHECK(total >= MANY && total < MANY + MANY / 8);
	for (u64 i = 0; i < MANY; i++) {
		CHECK(test_bit(bits, i));
		CHECK_EQ(*(u64 *)(mem + i * PAGE_SIZE), i + 1);
	}
	/* It must be of use, so not be full with a few entries. */
	test_diag("full with %llu of %llu entries", (unsigned long long)least,
		  (unsigned long long)ENTRIES);
	CHECK(least >= ENTRIES / 4);
}

/* Harvesting a little is enough to go on, for as long. */
SUBTEST(class15_full_ring_reset_by_halves)
{
	u8 *mem = mem_alloc(MANY * PAGE_SIZE, MEM_ANON, NULL);
	u64 bits[BITMAP_WORDS(MANY)] = { 0 }, done = 0;
	struct ring r;
	struct vcpu *vcpu = vcpu_with_ring(&r, mem, MANY * PAGE_SIZE, LOG);
	struct ucall uc;

	vcpu_long_mode(vcpu, guest_fill, TEST_GPA);
	for (;;) {
		u32 n = 0;

		CHECK_EQ(vcpu_run_raw(vcpu), 0);
		if (get_ucall(vcpu, &uc) == UCALL_DONE)
			break;
		CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_DIRTY_RING_FULL);
		while (n < ENTRIES / 2 && harvest_one(&r, SLOT, bits, MANY))
			n++;
		CHECK(n > 0);
		CHECK_EQ(reset_rings(vcpu->vm), n);
		done += n;
	}
	done += harvest(&r, bits, MANY);
	CHECK(done >= MANY && done < MANY + MANY / 8);
	for (u64 i = 0; i < MANY; i++)
		CHECK(test_bit(bits, i));
}

/* ---- what user space writes there -------------------------------------- */

struct forged {
	u32 slot;
	u64 offset;
};

static const struct forged forged[] = {
	{ SLOT, PAGES }, { SLOT, PAGES - 1 }, { SLOT, ~0ull }, { SLOT, 1ull << 63 },
	{ SLOT, 1ull << 32 }, { SLOT, -64ull }, { SLOT, (1ull << 52) - 1 },
	{ 0, 0 }, { 5, 0 }, { 0xffff, 0 }, { 0x7fff, 0 }, { 0x8000, 0 },
	{ 1 << 16 | SLOT, 0 }, { 2 << 16 | SLOT, 0 }, { 0xffff0000u | SLOT, 0 },
	{ ~0u, ~0ull },
};

SUBTEST(class15_forged_entries)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct ring r;
	struct vcpu *vcpu = vcpu_with_ring(&r, mem, SIZE, LOG);
	struct vm *vm = vcpu->vm;

	for (u64 i = 0; i < ARRAY_SIZE(forged); i++) {
		u32 n = r.next;

		test_doing("slot %#x, offset %#llx", forged[i].slot,
			   (unsigned long long)forged[i].offset);
		GUEST_WRITES(vcpu, TEST_GPA, 1, 2, 3);
		for (u32 k = 0; k < 3; k++) {
			CHECK_EQ(entry(&r, n + k)->flags, DIRTY);
			entry(&r, n + k)->slot = forged[i].slot;
			/* Neighbours, so that what joins them has to look out. */
			entry(&r, n + k)->offset = forged[i].offset + (k + i) % 3;
			entry(&r, n + k)->flags = i & 1 ? ~0u : RESET;
		}
		CHECK_EQ(reset_rings(vm), 3);
		r.next += 3;
		/* The true pages were not reset; switching the log off and on does. */
		CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, SIZE, mem), 0);
		CHECK_EQ(set_region(vm, SLOT, LOG, TEST_GPA, SIZE, mem), 0);
	}
	GUEST_WRITES(vcpu, TEST_GPA, 4, 5);
	CHECK_RING(vm, &r, 4, 5);
}

/* All entries are given back, though none was ever dirty. */
SUBTEST(class15_forged_whole_ring)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct ring r;
	struct vcpu *vcpu = vcpu_with_ring(&r, mem, SIZE, LOG);
	int ret;

	for (int round = 0; round < 4; round++) {
		for (u32 i = 0; i < ENTRIES; i++)
			r.e[i] = (struct kvm_dirty_gfn){ .flags = RESET, .slot = SLOT,
				.offset = round & 1 ? test_rand() : i };
		ret = reset_rings(vcpu->vm);
		CHECK(ret >= 0 && ret <= (int)ENTRIES);
		vcpu_long_mode(vcpu, guest_fill, TEST_GPA);
		/* User space has broken its own ring: it may never be empty again. */
		CHECK_EQ(vcpu_run_raw(vcpu), 0);
		CHECK(vcpu->run->exit_reason == KVM_EXIT_DIRTY_RING_FULL ||
		      vcpu->run->exit_reason == KVM_EXIT_MMIO);
	}
}

SUBTEST(class15_entries_of_a_slot_that_went)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	u64 bits[BITMAP_WORDS(PAGES)] = { 0 };
	struct ring r;
	struct vcpu *vcpu = vcpu_with_ring(&r, mem, SIZE, LOG);
	struct vm *vm = vcpu->vm;

	GUEST_WRITES(vcpu, TEST_GPA, 1, 511);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, 0, mem), 0);
	CHECK_EQ(harvest(&r, bits, PAGES), 2);
	CHECK_EQ(reset_rings(vm), 2);
	/* A shorter one in its place; entries of the longer one. */
	CHECK_EQ(set_region(vm, SLOT, LOG, TEST_GPA, SIZE, mem), 0);
	GUEST_WRITES(vcpu, TEST_GPA, 1, 511);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, 0, mem), 0);
	CHECK_EQ(set_region(vm, SLOT, LOG, TEST_GPA, 2 * PAGE_SIZE, mem), 0);
	CHECK_EQ(harvest(&r, bits, PAGES), 2);
	CHECK_EQ(reset_rings(vm), 2);
	GUEST_WRITES(vcpu, TEST_GPA, 0, 1);
	CHECK_RING(vm, &r, 0, 1);
}

struct scribbler {
	struct thread thread;
	struct ring *ring;
	bool stop;
};

/* Anything at any time; one entry is left alone now and then, to end a reset. */
static void *scribble(void *arg)
{
	struct scribbler *s = arg;
	u64 rand = seed | 1;

	while (!READ_ONCE(s->stop)) {
		for (u32 i = 0; i < ENTRIES; i++) {
			rand ^= rand << 13;
			rand ^= rand >> 7;
			rand ^= rand << 17;
			WRITE_ONCE(s->ring->e[i].flags, rand & 3 & (rand >> 40));
			WRITE_ONCE(s->ring->e[i].slot, rand & 4 ? SLOT : rand >> 32);
			WRITE_ONCE(s->ring->e[i].offset, rand & 8 ? rand >> 54 : rand);
		}
		sched_yield();
	}
	return NULL;
}

SUBTEST(class07_ring_scribbled_on_while_it_is_used)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct ring r;
	struct vcpu *vcpu = vcpu_with_ring(&r, mem, SIZE, LOG);
	struct scribbler s = { .ring = &r };
	struct ucall uc;

	thread_start(&s.thread, nr_cpus() - 1, scribble, &s);
	for (int i = 0; i < 100; i++) {
		vcpu_long_mode(vcpu, guest_fill, TEST_GPA);
		CHECK_EQ(vcpu_run_raw(vcpu), 0);
		CHECK(vcpu->run->exit_reason == KVM_EXIT_DIRTY_RING_FULL ||
		      vcpu->run->exit_reason == KVM_EXIT_MMIO ||
		      get_ucall(vcpu, &uc) == UCALL_DONE);
		CHECK(reset_rings(vcpu->vm) >= 0);
		sched_yield();
	}
	WRITE_ONCE(s.stop, true);
	thread_join(&s.thread);
}

/* ---- while vCPUs write ------------------------------------------------- */

static u64 full_exits;

static void on_full(struct runner *r)
{
	CHECK_EQ(r->vcpu->run->exit_reason, KVM_EXIT_DIRTY_RING_FULL);
	__atomic_fetch_add(&full_exits, 1, __ATOMIC_RELAXED);
}

#define MAX_PAGES	(4 * PAGES)

/* Harvest, reset, and only then read the pages: in this order none is lost. */
static void copy_rings(struct shadow *s, struct ring *r)
{
	u64 bits[BITMAP_WORDS(MAX_PAGES)] = { 0 };
	u32 n = 0;

	for (int i = 0; i < s->nr; i++)
		n += harvest(&r[i], bits, s->pages);
	CHECK_EQ(reset_rings(s->vm), n);
	for (u64 i = 0; i < s->pages; i++)
		if (test_bit(bits, i))
			shadow_copy(s, i);
}

static void shadow_with_rings(struct shadow *s, struct ring *r, int nr, enum backing backing,
			      u64 pages)
{
	u8 *mem = mem_alloc(pages * PAGE_SIZE, backing, NULL);
	struct vm *vm = vm_with_ring();

	memset(mem, 0, pages * PAGE_SIZE);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, pages * PAGE_SIZE, mem), 0);
	shadow_create(s, vm, mem, TEST_GPA, pages, nr);
	for (int i = 0; i < nr; i++)
		ring_map(&r[i], s->runners[i].vcpu);
	shadow_start(s, on_full);
	for (int i = 0; i < nr; i++)
		wait_rounds(s->runners[i].vcpu, 1);
	/* The log begins while they write; the copy begins with all of it. */
	CHECK_EQ(set_region(vm, SLOT, LOG, TEST_GPA, pages * PAGE_SIZE, mem), 0);
	for (u64 i = 0; i < pages; i++)
		shadow_copy(s, i);
}

/* All that was written must be in the copy now. */
static void compare(struct shadow *s, struct ring *r)
{
	shadow_pause(s);
	copy_rings(s, r);
	shadow_check(s);
	shadow_resume(s);
}

static void finish(struct shadow *s, struct ring *r)
{
	shadow_stop(s);
	copy_rings(s, r);
	shadow_check(s);
	test_diag("%llu pages were copied, %llu times was a ring full",
		  (unsigned long long)s->copied, (unsigned long long)full_exits);
}

static void check_shadow(int nr, u64 pages, int rounds)
{
	struct ring r[2];
	struct shadow s;

	/* So few pages never fill a ring, which a wait would not end. */
	CHECK(pages <= ENTRIES / 4);
	shadow_with_rings(&s, r, nr, MEM_ANON, pages);
	for (int i = 1; i <= rounds; i++) {
		copy_rings(&s, r);
		if (i % 8 == 0)
			wait_rounds(s.runners[i / 8 % nr].vcpu, 1);
		/* Often, as the next write to a page would hide a lost one. */
		if (i % 20 == 0)
			compare(&s, r);
	}
	finish(&s, r);
}

SUBTEST(class17_no_write_is_lost)
{
	check_shadow(2, 256, 400);
}

SUBTEST(class17_no_write_is_lost_on_few_pages)
{
	check_shadow(1, 2, 800);
}

/* There are more pages than both rings have room for. */
SUBTEST(class17_no_write_is_lost_in_a_full_ring)
{
	struct ring r[2];
	struct shadow s;

	shadow_with_rings(&s, r, 2, MEM_THP, MAX_PAGES);
	for (int i = 0; i < 8; i++) {
		u64 seen = __atomic_load_n(&full_exits, __ATOMIC_RELAXED);

		while (__atomic_load_n(&full_exits, __ATOMIC_RELAXED) == seen)
			sched_yield();
		copy_rings(&s, r);
		compare(&s, r);
	}
	finish(&s, r);
}
