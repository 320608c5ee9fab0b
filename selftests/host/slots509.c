// SPDX-License-Identifier: GPL-2.0
/*
 * slots509 - many memory slots: as many as user space has, and thousands. Each is
 * found by the guest; random changes agree with a model; slots go under running
 * vCPUs; a huge sparse one costs no time when it goes (bug classes 14 and 38).
 */
#include <time.h>

#include "memory.h"

#define USER_SLOTS	509

/* Microseconds. */
static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- all at once ------------------------------------------------------- */

/* Slot i, in page 2 * i of the area, so that a gap follows each. */
static u64 gpa_of(u64 i)
{
	return TEST_GPA + 2 * i * PAGE_SIZE;
}

static u64 mmio_reads;

/* Each slot is there and has its number; one page further there is nothing. */
static void guest_visit(u64 n)
{
	for (u64 i = 0; i < n; i++) {
		volatile u64 *p = (u64 *)gpa_of(i);

		GUEST_ASSERT_EQ(p[0], i + 1);
		p[1] = ~i;
		if (i % 64 == 0)
			GUEST_ASSERT_EQ(p[512], ~0ull);
	}
}

/* Runs the guest to its end; reads of nothing give all ones. */
static void run_with_holes(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct ucall uc;

	for (;;) {
		CHECK_EQ(vcpu_run_raw(vcpu), 0);
		if (get_ucall(vcpu, &uc) == UCALL_DONE)
			return;
		CHECK_EQ(run->exit_reason, KVM_EXIT_MMIO);
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		mmio_reads++;
	}
}

static void check_many(u64 n)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 *mem = mem_alloc(n * PAGE_SIZE, MEM_ANON, NULL);
	long start = now(), made, visited;

	/* In an order that is neither up nor down. */
	for (u64 k = 0; k < n; k++) {
		u64 i = k * 7 % n;

		mem[i * 512] = i + 1;
		CHECK_EQ(set_region(vm, i + 1, 0, gpa_of(i), PAGE_SIZE, mem + i * 512), 0);
	}
	made = now();
	vcpu_long_mode(vcpu, guest_visit, n);
	run_with_holes(vcpu);
	visited = now();
	for (u64 i = 0; i < n; i++)
		CHECK_EQ(mem[i * 512 + 1], ~i);
	CHECK_EQ(mmio_reads, (n + 63) / 64);
	vm_free(vm);
	test_diag("%llu slots: made in %ld us, visited in %ld us, freed in %ld us",
		  (unsigned long long)n, made - start, visited - made, now() - visited);
}

SUBTEST(slots_509)
{
	check_many(USER_SLOTS);
}

/* The last number is that of the capability; their count is bounded by memory. */
SUBTEST(slots_4096)
{
	struct vm *vm = vm_create_bare();

	if (check_cap(vm, KVM_CAP_NR_MEMSLOTS) < 4097)
		SKIP("%d slots are all", check_cap(vm, KVM_CAP_NR_MEMSLOTS));
	check_many(4096);
}

SUBTEST(first_and_last_slot_number)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u32 last = check_cap(vm, KVM_CAP_NR_MEMSLOTS) - 1;
	u64 *mem = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);

	CHECK(last >= USER_SLOTS - 1);
	CHECK_EQ(set_region(vm, last, 0, TEST_GPA, PAGE_SIZE, mem), 0);
	CHECK_EQ(guest_write(vcpu, TEST_GPA, 7), 0);
	CHECK_EQ(mem[0], 7);
	CHECK_EQ(set_region(vm, last + 1, 0, 2 * TEST_GPA, PAGE_SIZE, mem), -EINVAL);
	CHECK_EQ(set_region(vm, last, 0, TEST_GPA, 0, NULL), 0);
	CHECK_EQ(set_region(vm, last, 0, TEST_GPA, 0, NULL), -EINVAL);
}

/* ---- random changes against a model ------------------------------------ */

#define GPA_PAGES	96u		/* where slots may be, from TEST_GPA on */
#define HOST_PAGES	64u
#define MODEL_SLOTS	24u
#define MAX_LENGTH	8u

struct model {
	bool used, read_only, logging;
	u32 gpa, host, pages;		/* all in pages */
};

static struct model model[MODEL_SLOTS];

static struct model *slot_at(u32 page)
{
	for (u32 i = 0; i < MODEL_SLOTS; i++)
		if (model[i].used && page - model[i].gpa < model[i].pages)
			return &model[i];
	return NULL;
}

/* What the device has to answer, by the rules of the interface. */
static int model_set(u32 slot, const struct model *to)
{
	struct model *m = &model[slot];

	if (!to->pages) {
		if (!m->used)
			return -EINVAL;
		m->used = false;
		return 0;
	}
	if (m->used && (m->pages != to->pages || m->host != to->host ||
			m->read_only != to->read_only))
		return -EINVAL;
	for (u32 i = 0; i < MODEL_SLOTS; i++)
		if (i != slot && model[i].used && model[i].gpa < to->gpa + to->pages &&
		    to->gpa < model[i].gpa + model[i].pages)
			return -EEXIST;
	*m = *to;
	m->used = true;
	return 0;
}

static struct model random_change(u32 slot)
{
	struct model to = model[slot];
	u64 r = test_rand();

	if (!to.used || r % 16 == 0) {
		to.pages = 1 + (r >> 8) % MAX_LENGTH;
		to.host = (r >> 16) % (HOST_PAGES - MAX_LENGTH);
		to.read_only = (r >> 24) % 4 == 0;
		to.logging = (r >> 28) % 4 == 0;
	} else if (r % 4 == 0) {
		to.pages = 0;
	} else if (r % 4 == 1) {
		to.logging = !to.logging;
	} else if (r % 16 == 2) {
		to.read_only = !to.read_only;
	}
	if (!model[slot].used || r % 4 == 3)
		to.gpa = (r >> 32) % (GPA_PAGES - MAX_LENGTH);
	return to;
}

/* What the guest found in each page: its first word, or all ones. */
static u64 found[GPA_PAGES];

static void guest_survey(u64 round)
{
	for (u64 i = 0; i < GPA_PAGES; i++) {
		volatile u64 *p = (u64 *)(TEST_GPA + i * PAGE_SIZE);

		found[i] = p[0];
		if (i % 4 == round % 4)
			p[1] = round << 32 | i;
	}
}

static void check_against_model(struct vcpu *vcpu, u64 *host, u64 round)
{
	const u64 *got = guest_var(vcpu->vm, found);
	u64 expected[HOST_PAGES];

	for (u32 i = 0; i < HOST_PAGES; i++)
		expected[i] = host[i * 512 + 1];
	vcpu_long_mode(vcpu, guest_survey, round);
	run_with_holes(vcpu);
	for (u32 i = 0; i < GPA_PAGES; i++) {
		const struct model *m = slot_at(i);

		test_doing("round %llu, page %u", (unsigned long long)round, i);
		CHECK_EQ(got[i], m ? m->host + i - m->gpa + 1000 : ~0ull);
		if (m && !m->read_only && i % 4 == round % 4)
			expected[m->host + i - m->gpa] = round << 32 | i;
	}
	for (u32 i = 0; i < HOST_PAGES; i++)
		CHECK_EQ(host[i * 512 + 1], expected[i]);
}

static void check_random(enum backing backing, u64 rounds)
{
	u64 *host = mem_alloc(HOST_PAGES * PAGE_SIZE, backing, NULL);
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	for (u32 i = 0; i < HOST_PAGES; i++)
		host[i * 512] = i + 1000;
	for (u64 round = 0; round < rounds; round++) {
		for (int k = 0; k < 4; k++) {
			u32 slot = test_rand() % MODEL_SLOTS;
			struct model to = random_change(slot);
			u32 flags = (to.logging ? KVM_MEM_LOG_DIRTY_PAGES : 0) |
				    (to.read_only ? KVM_MEM_READONLY : 0);

			test_doing("round %llu, slot %u", (unsigned long long)round, slot);
			CHECK_EQ(set_region(vcpu->vm, slot + 1, flags,
					    TEST_GPA + to.gpa * PAGE_SIZE,
					    to.pages * PAGE_SIZE, host + to.host * 512),
				 model_set(slot, &to));
		}
		check_against_model(vcpu, host, round);
	}
}

SUBTEST(class14_random_changes)
{
	check_random(MEM_ANON, 100);
}

SUBTEST(class14_random_changes_of_shared_memory)
{
	check_random(MEM_MEMFD, 50);
}

SUBTEST(class14_read_only_never_changes)
{
	struct vm *vm = vm_create_bare();
	u8 *mem = mem_alloc(SZ_2M, MEM_ANON, NULL);
	static const u32 writable[] = { 0, KVM_MEM_LOG_DIRTY_PAGES };
	static const u32 read_only[] = { KVM_MEM_READONLY,
					 KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES };

	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < 2; k++) {
			u64 to = TEST_GPA + k * SZ_2M;

			/* Neither in place nor by a move. */
			CHECK_EQ(set_region(vm, 1, writable[i], TEST_GPA, SZ_2M, mem), 0);
			CHECK_EQ(set_region(vm, 1, read_only[k], to, SZ_2M, mem), -EINVAL);
			CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, 0, mem), 0);
			CHECK_EQ(set_region(vm, 1, read_only[k], TEST_GPA, SZ_2M, mem), 0);
			CHECK_EQ(set_region(vm, 1, writable[i], to, SZ_2M, mem), -EINVAL);
			CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, 0, mem), 0);
		}
	}
}

/* ---- under a running vCPU ---------------------------------------------- */

#define HOT		32u		/* slots the guest goes round */

/* A write reaches memory, or nothing; a read gives the write, or all ones. */
static void guest_hammer(u64 arg)
{
	u64 id = guest_percpu()->id;

	for (u64 n = 1;; n++) {
		for (u64 i = 0; i < HOT; i++) {
			volatile u64 *p = (u64 *)gpa_of(i) + 1 + id;
			u64 v;

			*p = n;
			v = *p;
			GUEST_ASSERT(v == n || v == ~0ull || v < n);
		}
		WRITE_ONCE(guest_rounds[id], n);
	}
}

/*
 * Slots that the guest uses go and come. What is deleted has had its last write
 * when the call returns: its memory stands still until it is a slot again.
 */
SUBTEST(class14_delete_of_many_under_running_vcpus)
{
	u64 *mem = mem_alloc(HOT * PAGE_SIZE, MEM_ANON, NULL);
	struct vm *vm = vm_create();
	struct runner r[2] = { 0 };

	for (u64 i = 0; i < HOT; i++)
		CHECK_EQ(set_region(vm, i + 1, 0, gpa_of(i), PAGE_SIZE, mem + i * 512), 0);
	for (u64 i = 0; i < 2; i++) {
		struct vcpu *vcpu = vcpu_create(vm, i);

		vcpu_long_mode(vcpu, guest_hammer, 0);
		runner_start(&r[i], vcpu, i);
	}
	for (int round = 0; round < 40; round++) {
		u64 first = test_rand() % HOT, n = 1 + test_rand() % 6, frozen[8][2];

		for (u64 k = 0; k < n; k++) {
			u64 i = (first + k) % HOT;

			CHECK_EQ(set_region(vm, i + 1, 0, gpa_of(i), 0, NULL), 0);
			memcpy(frozen[k], mem + i * 512 + 1, 16);
		}
		wait_rounds(r[round % 2].vcpu, 1);
		for (u64 k = 0; k < n; k++) {
			u64 i = (first + k) % HOT;

			CHECK(!memcmp(frozen[k], mem + i * 512 + 1, 16));
			CHECK_EQ(set_region(vm, i + 1, 0, gpa_of(i), PAGE_SIZE,
					    mem + i * 512), 0);
		}
	}
	for (int i = 0; i < 2; i++)
		runner_stop(&r[i]);
	CHECK(r[0].mmios + r[1].mmios > 0);
}

/* ---- a huge slot ------------------------------------------------------- */

#define HUGE_SLOT	(256ull << 30)
#define HUGE_GPA	(64ull << 30)
#define TOUCHES		64u

/* The guest sees a page of every 4 GiB; MAP_NORESERVE memory costs nothing. */
static struct vcpu *sparse_machine(u8 **mem)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 step = HUGE_SLOT / TOUCHES;
	long start = now();
	u64 value;

	*mem = mmap(NULL, HUGE_SLOT, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (*mem == MAP_FAILED)
		SKIP("no room for 256 GiB: %s", strerror(errno));
	madvise(*mem, HUGE_SLOT, MADV_NOHUGEPAGE);
	CHECK_EQ(set_region(vm, MEM_SLOT, 0, HUGE_GPA, HUGE_SLOT, *mem), 0);
	test_diag("256 GiB made in %ld us", now() - start);
	for (u64 i = 0; i < TOUCHES; i++) {
		u64 gva = TEST_GVA + i * PAGE_SIZE;

		vm_map(vm, gva, HUGE_GPA + i * step + i * PAGE_SIZE, PAGE_SIZE, PTE_P | PTE_W);
		CHECK_EQ(guest_write(vcpu, gva, i + 1), 0);
		CHECK_EQ(*(u64 *)(*mem + i * step + i * PAGE_SIZE), i + 1);
	}
	/* Its first and its last page. */
	vm_map(vm, TEST_GVA, HUGE_GPA, PAGE_SIZE, PTE_P | PTE_W);
	CHECK_EQ(guest_read(vcpu, TEST_GVA, &value), 0);
	CHECK_EQ(value, 1);
	vm_map(vm, TEST_GVA + SZ_2M, HUGE_GPA + HUGE_SLOT - PAGE_SIZE, PAGE_SIZE,
	       PTE_P | PTE_W);
	CHECK_EQ(guest_write(vcpu, TEST_GVA + SZ_2M, 0x99), 0);
	CHECK_EQ(*(u64 *)(*mem + HUGE_SLOT - PAGE_SIZE), 0x99);
	return vcpu;
}

#define LIMIT	500000			/* us, where some thousands are needed */

SUBTEST(class38_huge_sparse_slot_is_deleted_at_once)
{
	u8 *mem;
	struct vcpu *vcpu = sparse_machine(&mem);
	long start = now(), took;
	u64 value;

	CHECK_EQ(set_region(vcpu->vm, MEM_SLOT, 0, HUGE_GPA, 0, mem), 0);
	took = now() - start;
	test_diag("256 GiB deleted in %ld us", took);
	CHECK(took < patience(LIMIT));
	/* And it is gone. */
	vcpu_long_mode(vcpu, guest_visit, 0);
	vcpu_expect_done(vcpu);
	CHECK_EQ(set_region(vcpu->vm, MEM_SLOT, 0, HUGE_GPA, HUGE_SLOT, mem), 0);
	CHECK_EQ(guest_read(vcpu, TEST_GVA, &value), 0);
	CHECK_EQ(value, 1);
}

SUBTEST(class38_huge_sparse_machine_is_destroyed_at_once)
{
	u8 *mem;
	struct vcpu *vcpu = sparse_machine(&mem);
	long start = now(), took;

	vm_free(vcpu->vm);
	took = now() - start;
	test_diag("machine with 256 GiB destroyed in %ld us", took);
	CHECK(took < patience(LIMIT));
}

SUBTEST(class38_munmap_of_a_huge_sparse_slot)
{
	u8 *mem;
	struct vcpu *vcpu = sparse_machine(&mem);
	long start = now(), took;
	u64 value;

	CHECK_EQ(munmap(mem, HUGE_SLOT), 0);
	took = now() - start;
	test_diag("256 GiB unmapped in %ld us", took);
	CHECK(took < patience(LIMIT));
	CHECK_EQ(guest_read(vcpu, TEST_GVA, &value), -EFAULT);
}

/* Logging it needs a bitmap of 8 MiB, twice; the guest may have 64 pages dirty. */
SUBTEST(class38_log_of_a_huge_sparse_slot)
{
	u64 pages = HUGE_SLOT / PAGE_SIZE, dirty = 0;
	u64 *bits = malloc(pages / 8);
	long start, took;
	struct vcpu *vcpu;
	u8 *mem;

	vcpu = sparse_machine(&mem);
	start = now();
	CHECK_EQ(set_region(vcpu->vm, MEM_SLOT, KVM_MEM_LOG_DIRTY_PAGES, HUGE_GPA, HUGE_SLOT,
			    mem), 0);
	for (u64 i = 0; i < TOUCHES; i++)
		CHECK_EQ(guest_write(vcpu, TEST_GVA + i * PAGE_SIZE, i), 0);
	CHECK_EQ(get_dirty_log(vcpu->vm, MEM_SLOT, bits), 0);
	CHECK_EQ(set_region(vcpu->vm, MEM_SLOT, 0, HUGE_GPA, HUGE_SLOT, mem), 0);
	took = now() - start;
	test_diag("256 GiB logged in %ld us", took);
	for (u64 i = 0; i < pages / 64; i++)
		dirty += __builtin_popcountll(bits[i]);
	CHECK_EQ(dirty, TOUCHES);
	for (u64 i = 0; i < TOUCHES; i++)
		CHECK(test_bit(bits, i * (pages / TOUCHES) + i));
	CHECK(took < patience(2 * LIMIT));
}
