// SPDX-License-Identifier: GPL-2.0
/*
 * dirtylog - KVM_MEM_LOG_DIRTY_PAGES, KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG: the
 * log has exactly the pages that the guest, or the kernel for it, wrote since the
 * last call; no write is lost, whatever the size of the host's pages, and whoever
 * writes at the same time. Runs with and without page-modification logging.
 */
#include "memory.h"

#define PAGES	512ul
#define SIZE	(PAGES * PAGE_SIZE)
#define LOG	KVM_MEM_LOG_DIRTY_PAGES
#define SLOT	MEM_SLOT

static int set_logging(struct vm *vm, void *mem, bool on)
{
	return set_region(vm, SLOT, on ? LOG : 0, TEST_GPA, SIZE, mem);
}

SUBTEST(mode)
{
	char pml = '?';
	FILE *f = fopen(device_is_kvm() ? "/sys/module/kvm_intel/parameters/pml" :
			"/sys/module/lodge/parameters/pml", "r");

	if (!f)
		SKIP("there is no parameter pml");
	CHECK_EQ(fread(&pml, 1, 1, f), 1);
	test_diag("pml is %c", pml);
	CHECK(pml == 'Y' || pml == 'N');
}

/* ---- what is in the log ------------------------------------------------ */

static void check_exact(enum backing backing)
{
	u8 *mem = mem_alloc(SIZE, backing, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, 0);
	struct vm *vm = vcpu->vm;

	/* All is mapped writable, and known to the TLB, before it is logged. */
	memset(mem, 0, SIZE);
	GUEST_WRITES(vcpu, TEST_GPA, 0, 1, 77, 78, 300, 511);
	CHECK_EQ(get_dirty_log(vm, SLOT, mem), -ENOENT);
	CHECK_EQ(set_logging(vm, mem, true), 0);
	CHECK_CLEAN(vm, SLOT, PAGES);
	for (int round = 0; round < 3; round++) {
		GUEST_WRITES(vcpu, TEST_GPA, 77, 3, 511, 77, 78);
		CHECK_DIRTY(vm, SLOT, PAGES, 3, 77, 78, 511);
		CHECK_CLEAN(vm, SLOT, PAGES);
		GUEST_WRITES(vcpu, TEST_GPA, 0, 64, 63, 127 + round);
		CHECK_DIRTY(vm, SLOT, PAGES, 0, 63, 64, 127 + round);
	}
	CHECK_READ(vcpu, TEST_GPA + 300 * PAGE_SIZE, 5);
	CHECK_CLEAN(vm, SLOT, PAGES);
	CHECK_EQ(set_logging(vm, mem, false), 0);
	CHECK_EQ(get_dirty_log(vm, SLOT, mem), -ENOENT);
	GUEST_WRITES(vcpu, TEST_GPA, 9, 77);
	/* On again: what was written meanwhile does not count. */
	CHECK_EQ(set_logging(vm, mem, true), 0);
	CHECK_CLEAN(vm, SLOT, PAGES);
	GUEST_WRITES(vcpu, TEST_GPA, 9, 10);
	CHECK_DIRTY(vm, SLOT, PAGES, 9, 10);
	/* List positions, plus one, were added: page 77 had 3, 3 * (1 + 4), 2. */
	CHECK_EQ(*(u64 *)(mem + 77 * PAGE_SIZE), 3 + 3 * 5 + 2);
	CHECK_EQ(*(u64 *)(mem + 9 * PAGE_SIZE), 1 + 1);
}

SUBTEST(exact_on_small_pages)
{
	check_exact(MEM_ANON);
}

SUBTEST(exact_on_transparent_huge_pages)
{
	check_exact(MEM_THP);
}

SUBTEST(exact_on_hugetlb)
{
	if (!write_text("/proc/sys/vm/nr_hugepages", "4"))
		SKIP("no hugetlb");
	check_exact(MEM_HUGETLB);
	write_text("/proc/sys/vm/nr_hugepages", "0");
}

SUBTEST(exact_on_memfd)
{
	check_exact(MEM_MEMFD);
}

SUBTEST(reads_and_user_space_are_not_logged)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL), value;
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, LOG);
	u64 bits[BITMAP_WORDS(PAGES)];

	/* A first read that maps a page may map it to be written, and log that. */
	for (u64 i = 0; i < 20; i++) {
		mem[i * 512] = i;
		CHECK_READ(vcpu, TEST_GPA + i * PAGE_SIZE, i);
	}
	CHECK_EQ(get_dirty_log(vcpu->vm, SLOT, bits), 0);
	for (u64 i = 0; i < 20; i++)
		CHECK_READ(vcpu, TEST_GPA + i * PAGE_SIZE, i);
	mem[100 * 512] = 1;
	put_code(mem + 512, 42);
	CHECK_EQ(guest_execute(vcpu, TEST_GPA + PAGE_SIZE, &value), 0);
	CHECK_EQ(value, 42);
	CHECK_CLEAN(vcpu->vm, SLOT, PAGES);
	/* User space wrote to this one, then the guest; and the other way round. */
	mem[7 * 512] = 1;
	GUEST_WRITES(vcpu, TEST_GPA, 7, 8);
	mem[8 * 512] = 1;
	CHECK_DIRTY(vcpu->vm, SLOT, PAGES, 7, 8);
}

/* Every kind of write; arguments are those of a sub-page access, too. */
static void guest_write_kinds(u64 gpa)
{
	u64 zero = 0;

	asm volatile("movb $1, (%0)" : : "r"(gpa + 0 * PAGE_SIZE + 4095) : "memory");
	asm volatile("lock incq (%0)" : : "r"(gpa + 1 * PAGE_SIZE) : "memory");
	asm volatile("xchg %0, (%1)" : "+r"(zero) : "r"(gpa + 2 * PAGE_SIZE) : "memory");
	/* Over a page boundary. */
	asm volatile("movq $-1, (%0)" : : "r"(gpa + 5 * PAGE_SIZE - 4) : "memory");
	asm volatile("sidt (%0)" : : "r"(gpa + 7 * PAGE_SIZE) : "memory");
	asm volatile("push $1\n\tpop (%0)" : : "r"(gpa + 9 * PAGE_SIZE) : "memory");
	/* An exchange that fails writes the old value back: dirty as well. */
	asm volatile("xor %%eax, %%eax\n\tlock cmpxchg %0, (%1)"
		     : : "r"(zero), "r"(gpa + 11 * PAGE_SIZE) : "rax", "memory", "cc");
}

SUBTEST(kinds_of_writes)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, 0);

	for (int round = 0; round < 2; round++) {
		CHECK_EQ(set_logging(vcpu->vm, mem, true), 0);
		mem[11 * 512] = 7;
		vcpu_long_mode(vcpu, guest_write_kinds, TEST_GPA);
		vcpu_expect_done(vcpu);
		CHECK_DIRTY(vcpu->vm, SLOT, PAGES, 0, 1, 2, 4, 5, 7, 9, 11);
		CHECK_EQ(set_logging(vcpu->vm, mem, false), 0);
	}
}

/* ---- what the kernel writes for the guest ------------------------------ */

#define INS_COUNT	600u

static void guest_ins(u64 to)
{
	u64 count = INS_COUNT;

	asm volatile("cld\n\trep insw" : "+D"(to), "+c"(count) : "d"(0x3f0) : "memory");
}

/* Runs to the end of the guest, giving it a number for each word it reads. */
static u32 serve_ins(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct ucall uc;
	u16 n = 0;

	for (;;) {
		CHECK_EQ(vcpu_run_raw(vcpu), 0);
		if (get_ucall(vcpu, &uc) == UCALL_DONE)
			return n;
		/* Of a read-only slot: what was read is to be written. */
		if (run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write)
			continue;
		CHECK_EQ(run->exit_reason, KVM_EXIT_IO);
		for (u32 i = 0; i < run->io.count; i++)
			((u16 *)((u8 *)run + run->io.data_offset))[i] = n++;
	}
}

SUBTEST(string_input_is_logged)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, LOG);
	u64 off = 20 * PAGE_SIZE + 3998;

	for (int round = 0; round < 2; round++) {
		vcpu_long_mode(vcpu, guest_ins, TEST_GPA + off);
		CHECK_EQ(serve_ins(vcpu), INS_COUNT);
		for (u32 i = 0; i < INS_COUNT; i++)
			CHECK_EQ(*(u16 *)(mem + off + 2 * i), i);
		CHECK_DIRTY(vcpu->vm, SLOT, PAGES, 20, 21);
		CHECK_CLEAN(vcpu->vm, SLOT, PAGES);
	}
}

static void guest_copy_from_mmio(u64 to)
{
	u64 from = MMIO_GPA;

	asm volatile("cld\n\tmovsq" : "+S"(from), "+D"(to) : : "memory");
}

/* An emulated instruction writes to memory: over the end of a page, too. */
SUBTEST(emulated_write_is_logged)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, LOG);
	u64 value = 0x1122334455667788;

	for (int round = 0; round < 2; round++) {
		vcpu_long_mode(vcpu, guest_copy_from_mmio, TEST_GPA + 3 * PAGE_SIZE - 4);
		memcpy(vcpu_expect_mmio_read(vcpu, MMIO_GPA, 8), &value, 8);
		vcpu_expect_done(vcpu);
		CHECK(!memcmp(mem + 3 * PAGE_SIZE - 4, &value, 8));
		CHECK_DIRTY(vcpu->vm, SLOT, PAGES, 2, 3);
	}
}

/*
 * The entry of TEST_GVA is in page 4 of the slot: the CPU sets its bits A and D.
 * Walks count as writes where EPT has such bits itself (SDM volume 3, section
 * 29.3.5), so the log may have the page when nothing changed; not the reverse.
 */
#define PTE_A	BIT(5)
#define PTE_D	BIT(6)

static u64 *table_in_slot(struct vcpu *vcpu, u8 *mem)
{
	u64 *pml4 = vm_ptr(vcpu->vm, vcpu->vm->pml4);
	u64 *pdpt = vm_ptr(vcpu->vm, pml4[TEST_GVA >> 39] & PTE_ADDR);

	pdpt[TEST_GVA >> 30 & 511] = (TEST_GPA + 3 * PAGE_SIZE) | PTE_P | PTE_W;
	*(u64 *)(mem + 3 * PAGE_SIZE) = (TEST_GPA + 4 * PAGE_SIZE) | PTE_P | PTE_W;
	return (u64 *)(mem + 4 * PAGE_SIZE);
}

static bool slot_page_is_dirty(struct vm *vm, u64 page)
{
	u64 bitmap[BITMAP_WORDS(PAGES)];

	CHECK_EQ(get_dirty_log(vm, SLOT, bitmap), 0);
	return test_bit(bitmap, page);
}

SUBTEST(accessed_and_dirty_bits_are_logged)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, 0);
	u64 *pte = table_in_slot(vcpu, mem), value;

	for (int round = 0; round < 3; round++) {
		/* Tables have been walked before the log begins. */
		CHECK_EQ(set_logging(vcpu->vm, mem, round != 0), 0);
		*pte = (TEST_GPA + 9 * PAGE_SIZE) | PTE_P | PTE_W;
		CHECK_EQ(guest_read(vcpu, TEST_GVA, &value), 0);
		CHECK_EQ(*pte & (PTE_A | PTE_D), PTE_A);
		if (round)
			CHECK(slot_page_is_dirty(vcpu->vm, 4));
		CHECK_EQ(guest_write(vcpu, TEST_GVA, 1), 0);
		CHECK_EQ(*pte & (PTE_A | PTE_D), PTE_A | PTE_D);
		if (round)
			CHECK(slot_page_is_dirty(vcpu->vm, 4));
	}
}

/* The kernel walks for an instruction that it emulates, and sets the bits. */
SUBTEST(walk_of_the_emulator_is_logged)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, LOG);
	u64 *pte = table_in_slot(vcpu, mem);

	for (int round = 0; round < 2; round++) {
		CHECK_EQ(set_logging(vcpu->vm, mem, false), 0);
		CHECK_EQ(set_logging(vcpu->vm, mem, true), 0);
		*pte = (TEST_GPA + 9 * PAGE_SIZE) | PTE_P | PTE_W;
		vcpu_long_mode(vcpu, guest_copy_from_mmio, TEST_GVA);
		memset(vcpu_expect_mmio_read(vcpu, MMIO_GPA, 8), 0x55, 8);
		vcpu_expect_done(vcpu);
		CHECK_EQ(*pte & (PTE_A | PTE_D), PTE_A | PTE_D);
		CHECK_EQ(*(u64 *)(mem + 9 * PAGE_SIZE), 0x5555555555555555);
		CHECK(slot_page_is_dirty(vcpu->vm, 4));
	}
}

/*
 * The RAM that the guest itself lives in: page tables, descriptors, stacks, code.
 * Whatever has changed there must be in the log.
 */
SUBTEST(no_change_of_the_guests_own_memory_is_missed)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 pages = RAM_SIZE / PAGE_SIZE, changed = 0;
	u64 bitmap[BITMAP_WORDS(RAM_SIZE / PAGE_SIZE)];
	u8 *copy = malloc(RAM_SIZE);

	CHECK_EQ(set_region(vm, 0, LOG, 0, RAM_SIZE, vm->ram), 0);
	vm_add_mem(vm, SLOT, TEST_GPA, SIZE, MEM_ANON);
	for (int round = 0; round < 3; round++) {
		CHECK_EQ(get_dirty_log(vm, 0, bitmap), 0);
		vcpu_long_mode(vcpu, guest_write_kinds, TEST_GPA);
		memcpy(copy, vm->ram, RAM_SIZE);
		vcpu_expect_done(vcpu);
		CHECK_EQ(get_dirty_log(vm, 0, bitmap), 0);
		for (u64 i = 0; i < pages; i++) {
			bool same = !memcmp(copy + i * PAGE_SIZE,
					    vm->ram + i * PAGE_SIZE, PAGE_SIZE);

			test_doing("page %#llx", (unsigned long long)i);
			CHECK(same || test_bit(bitmap, i));
			changed += !same;
		}
	}
	CHECK(changed > 3);
}

/* ---- slots ------------------------------------------------------------- */

SUBTEST(read_only_slot_is_never_dirty)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, KVM_MEM_READONLY);
	struct vm *vm = vcpu->vm;

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(set_region(vm, SLOT, KVM_MEM_READONLY | LOG, TEST_GPA, SIZE, mem), 0);
		CHECK_READ(vcpu, TEST_GPA, 0);
		vcpu_long_mode(vcpu, guest_ins, TEST_GPA + PAGE_SIZE);
		/* It is memory to read; a write goes to user space. */
		CHECK_EQ(serve_ins(vcpu), INS_COUNT);
		CHECK_EQ(mem[512], 0);
		CHECK_CLEAN(vm, SLOT, PAGES);
		CHECK_EQ(set_region(vm, SLOT, KVM_MEM_READONLY, TEST_GPA, SIZE, mem), 0);
		CHECK_EQ(get_dirty_log(vm, SLOT, mem), -ENOENT);
	}
	/* With the log, too, a slot cannot become writable. */
	CHECK_EQ(set_region(vm, SLOT, LOG, TEST_GPA, SIZE, mem), -EINVAL);
}

SUBTEST(class14_deleted_slot_takes_its_log_along)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, LOG);
	u64 bitmap[BITMAP_WORDS(PAGES)];

	for (int i = 0; i < 3; i++) {
		GUEST_WRITES(vcpu, TEST_GPA, 1, 2, 3);
		CHECK_EQ(set_region(vcpu->vm, SLOT, 0, TEST_GPA, 0, mem), 0);
		CHECK_EQ(get_dirty_log(vcpu->vm, SLOT, bitmap), -ENOENT);
		CHECK_EQ(set_region(vcpu->vm, SLOT, LOG, TEST_GPA, SIZE, mem), 0);
		CHECK_CLEAN(vcpu->vm, SLOT, PAGES);
	}
}

SUBTEST(class14_moved_slot_keeps_its_log)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, LOG);
	u64 to = TEST_GPA + 2 * SIZE;

	GUEST_WRITES(vcpu, TEST_GPA, 1, 5);
	CHECK_EQ(set_region(vcpu->vm, SLOT, LOG, to, SIZE, mem), 0);
	GUEST_WRITES(vcpu, to, 7);
	CHECK_DIRTY(vcpu->vm, SLOT, PAGES, 1, 5, 7);
	GUEST_WRITES(vcpu, to, 5);
	CHECK_DIRTY(vcpu->vm, SLOT, PAGES, 5);
	/* A move may switch the log off in the same step. */
	CHECK_EQ(set_region(vcpu->vm, SLOT, 0, TEST_GPA, SIZE, mem), 0);
	CHECK_EQ(get_dirty_log(vcpu->vm, SLOT, mem), -ENOENT);
}

SUBTEST(one_memory_in_two_slots)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, LOG);
	u64 to = TEST_GPA + 2 * SIZE;

	CHECK_EQ(set_region(vcpu->vm, 7, LOG, to, SIZE / 2, mem + SIZE / 2), 0);
	GUEST_WRITES(vcpu, TEST_GPA, 300);
	GUEST_WRITES(vcpu, to, 0, 1);
	CHECK_DIRTY(vcpu->vm, SLOT, PAGES, 300);
	CHECK_DIRTY(vcpu->vm, 7, PAGES / 2, 0, 1);
	/* The log of one is switched off, the other goes on. */
	CHECK_EQ(set_region(vcpu->vm, SLOT, 0, TEST_GPA, SIZE, mem), 0);
	GUEST_WRITES(vcpu, TEST_GPA, 301);
	GUEST_WRITES(vcpu, to, 2);
	CHECK_DIRTY(vcpu->vm, 7, PAGES / 2, 2);
}

/* ---- sizes and arguments ----------------------------------------------- */

SUBTEST(what_get_refuses)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vm *vm = vm_create_bare();
	u32 slots = check_cap(vm, KVM_CAP_NR_MEMSLOTS);
	u32 spaces = check_cap(vm, KVM_CAP_MULTI_ADDRESS_SPACE);
	u64 bitmap[BITMAP_WORDS(PAGES)];

	CHECK_EQ(get_dirty_log(vm, SLOT, bitmap), -ENOENT);
	CHECK_EQ(set_logging(vm, mem, false), 0);
	CHECK_EQ(get_dirty_log(vm, SLOT, bitmap), -ENOENT);
	CHECK_EQ(set_logging(vm, mem, true), 0);
	CHECK_EQ(get_dirty_log(vm, SLOT, bitmap), 0);
	CHECK_EQ(get_dirty_log(vm, SLOT + 1, bitmap), -ENOENT);
	CHECK_EQ(get_dirty_log(vm, slots - 1, bitmap), -ENOENT);
	CHECK_EQ(get_dirty_log(vm, slots, bitmap), -EINVAL);
	CHECK_EQ(get_dirty_log(vm, 0xffff, bitmap), -EINVAL);
	CHECK_EQ(get_dirty_log(vm, (spaces ? spaces : 1) << 16 | SLOT, bitmap), -EINVAL);
	CHECK_EQ(get_dirty_log(vm, ~0u, bitmap), -EINVAL);
	CHECK_EQ(get_dirty_log(vm, SLOT, NULL), -EFAULT);
	CHECK_EQ(get_dirty_log(vm, SLOT, (void *)0xffff888000000000), -EFAULT);
	CHECK_EQ(xioctl(vm->fd, KVM_GET_DIRTY_LOG, 0), -EFAULT);
	CHECK_EQ(xioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, 0), -EFAULT);
}

/* Page counts around those of a word and of a page of bits. */
static const u32 sizes[] = { 1, 2, 63, 64, 65, 127, 128, 129, 511, 512, 513 };

SUBTEST(class15_sizes_of_the_log)
{
	u8 *mem = mem_alloc(2 * SIZE, MEM_ANON, NULL);
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	for (u64 i = 0; i < ARRAY_SIZE(sizes); i++) {
		u32 n = sizes[i], words = BITMAP_WORDS(n);
		u64 *edge = buffer_at_the_edge(words);

		test_doing("%u pages", n);
		CHECK_EQ(set_region(vm, SLOT, LOG, TEST_GPA, n * PAGE_SIZE, mem), 0);
		CHECK_CLEAN(vm, SLOT, n);
		GUEST_WRITES(vcpu, TEST_GPA, 0, n - 1);
		CHECK_DIRTY(vm, SLOT, n, 0, n - 1);
		/* The first page behind it is nobody's. */
		vcpu_long_mode(vcpu, guest_copy_from_mmio, TEST_GPA + (n - 1) * PAGE_SIZE);
		vcpu_expect_mmio_read(vcpu, MMIO_GPA, 8);
		vcpu_expect_done(vcpu);
		CHECK_EQ(get_dirty_log(vm, SLOT, edge), 0);
		CHECK_EQ(edge[words - 1], BIT((n - 1) % 64));
		CHECK_EQ(get_dirty_log(vm, SLOT, edge + 1), -EFAULT);
		CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, 0, mem), 0);
	}
}

/* ---- KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 --------------------------------- */

#define MANUAL		KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE
#define ALL_SET		KVM_DIRTY_LOG_INITIALLY_SET

static int enable_manual(struct vm *vm, u64 arg)
{
	return enable_cap_flags(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0, arg);
}

SUBTEST(manual_protect_how_to_enable)
{
	struct vm *vm = vm_create_bare();

	CHECK_EQ(check_cap(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2), MANUAL | ALL_SET);
	CHECK_EQ(enable_manual(vm, ALL_SET), -EINVAL);
	CHECK_EQ(enable_manual(vm, 4), -EINVAL);
	CHECK_EQ(enable_manual(vm, MANUAL | 4), -EINVAL);
	CHECK_EQ(enable_manual(vm, BIT(63)), -EINVAL);
	CHECK_EQ(enable_cap_flags(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 1, MANUAL), -EINVAL);
	CHECK_EQ(enable_manual(vm, 0), 0);
	CHECK_EQ(enable_manual(vm, MANUAL), 0);
	CHECK_EQ(enable_manual(vm, MANUAL | ALL_SET), 0);
	CHECK_EQ(enable_manual(vm, 0), 0);
}

static void check_manual(enum backing backing)
{
	u8 *mem = mem_alloc(SIZE, backing, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, 0);
	u64 bits[BITMAP_WORDS(PAGES)] = { BIT(3) | BIT(5) };
	struct vm *vm = vcpu->vm;

	memset(mem, 0, SIZE);
	GUEST_WRITES(vcpu, TEST_GPA, 3, 100);
	CHECK_EQ(enable_manual(vm, MANUAL), 0);
	CHECK_EQ(set_logging(vm, mem, true), 0);
	CHECK_CLEAN(vm, SLOT, PAGES);
	GUEST_WRITES(vcpu, TEST_GPA, 3, 4, 100);
	/* Reading does not clear. */
	CHECK_DIRTY(vm, SLOT, PAGES, 3, 4, 100);
	CHECK_DIRTY(vm, SLOT, PAGES, 3, 4, 100);
	CHECK_EQ(clear_dirty_log(vm, SLOT, 0, 64, bits), 0);
	CHECK_DIRTY(vm, SLOT, PAGES, 4, 100);
	/* What is cleared is watched again; what was not is there anyway. */
	GUEST_WRITES(vcpu, TEST_GPA, 3, 4, 6, 100);
	CHECK_DIRTY(vm, SLOT, PAGES, 3, 4, 6, 100);
	CHECK_EQ(clear_dirty_log(vm, SLOT, 0, 64, bits), 0);
	CHECK_DIRTY(vm, SLOT, PAGES, 4, 6, 100);
	/* The bits are those from first_page on. */
	bits[0] = BIT(100 - 64);
	CHECK_EQ(clear_dirty_log(vm, SLOT, 64, 64, bits), 0);
	CHECK_DIRTY(vm, SLOT, PAGES, 4, 6);
	memset(bits, 0xff, sizeof(bits));
	CHECK_EQ(clear_dirty_log(vm, SLOT, 0, PAGES, bits), 0);
	CHECK_CLEAN(vm, SLOT, PAGES);
	GUEST_WRITES(vcpu, TEST_GPA, 4, 100, 511);
	CHECK_DIRTY(vm, SLOT, PAGES, 4, 100, 511);
	CHECK_EQ(*(u64 *)(mem + 100 * PAGE_SIZE), 2 + 3 + 4 + 2);
}

SUBTEST(manual_protect)
{
	check_manual(MEM_ANON);
}

SUBTEST(manual_protect_of_a_huge_page)
{
	check_manual(MEM_THP);
}

/* The call is of most use with the capability, and works without it. */
SUBTEST(clear_without_manual_protect)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, LOG);
	u64 bits[BITMAP_WORDS(PAGES)] = { BIT(3) };

	for (int round = 0; round < 2; round++) {
		GUEST_WRITES(vcpu, TEST_GPA, 3, 4);
		CHECK_EQ(clear_dirty_log(vcpu->vm, SLOT, 0, PAGES, bits), 0);
		CHECK_DIRTY(vcpu->vm, SLOT, PAGES, 4);
		GUEST_WRITES(vcpu, TEST_GPA, 3);
		CHECK_DIRTY(vcpu->vm, SLOT, PAGES, 3);
	}
}

static void check_initially_set(enum backing backing)
{
	u8 *mem = mem_alloc(SIZE, backing, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, 0);
	u64 bits[BITMAP_WORDS(PAGES)];
	struct vm *vm = vcpu->vm;

	memset(mem, 0, SIZE);
	GUEST_WRITES(vcpu, TEST_GPA, 3, 100);
	CHECK_EQ(enable_manual(vm, MANUAL | ALL_SET), 0);
	CHECK_EQ(set_logging(vm, mem, true), 0);
	CHECK_EQ(get_dirty_log(vm, SLOT, bits), 0);
	for (u64 i = 0; i < PAGES; i++)
		CHECK(test_bit(bits, i));
	/* Only the first 64 are cleared, so only they are watched so far. */
	CHECK_EQ(clear_dirty_log(vm, SLOT, 0, 64, bits), 0);
	GUEST_WRITES(vcpu, TEST_GPA, 3, 100);
	CHECK_EQ(get_dirty_log(vm, SLOT, bits), 0);
	CHECK_EQ(bits[0], BIT(3));
	CHECK_EQ(bits[1], ~0ull);
	CHECK_EQ(clear_dirty_log(vm, SLOT, 0, PAGES, bits), 0);
	CHECK_CLEAN(vm, SLOT, PAGES);
	GUEST_WRITES(vcpu, TEST_GPA, 3, 100, 200, 511);
	CHECK_DIRTY(vm, SLOT, PAGES, 3, 100, 200, 511);
}

SUBTEST(initially_all_set)
{
	check_initially_set(MEM_ANON);
}

SUBTEST(initially_all_set_on_a_huge_page)
{
	check_initially_set(MEM_THP);
}

/* All set means: the pages of the slot, not the rest of the last word. */
SUBTEST(class15_initially_set_sizes)
{
	u8 *mem = mem_alloc(2 * SIZE, MEM_ANON, NULL);
	struct vm *vm = vm_create_bare();

	CHECK_EQ(enable_manual(vm, MANUAL | ALL_SET), 0);
	for (u64 i = 0; i < ARRAY_SIZE(sizes); i++) {
		u32 n = sizes[i], words = BITMAP_WORDS(n);
		u64 bits[BITMAP_WORDS(2 * PAGES)] = { 0 };

		test_doing("%u pages", n);
		CHECK_EQ(set_region(vm, SLOT, LOG, TEST_GPA, n * PAGE_SIZE, mem), 0);
		CHECK_EQ(get_dirty_log(vm, SLOT, bits), 0);
		for (u64 k = 0; k < words * 64; k++)
			CHECK_EQ(test_bit(bits, k), k < n);
		CHECK_EQ(clear_dirty_log(vm, SLOT, 0, n, bits), 0);
		CHECK_CLEAN(vm, SLOT, n);
		CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, 0, mem), 0);
	}
}

struct range {
	u64 first;
	u32 num;
	int ret;
};

/* Of a slot with 130 pages. */
static const struct range ranges[] = {
	{ 0, 130, 0 }, { 64, 66, 0 }, { 128, 2, 0 }, { 0, 64, 0 }, { 64, 64, 0 },
	{ 0, 128, 0 }, { 0, 0, 0 }, { 64, 0, 0 }, { 128, 0, 0 },
	{ 1, 64, -EINVAL }, { 63, 64, -EINVAL }, { 130, 0, -EINVAL },
	{ 0, 1, -EINVAL }, { 0, 63, -EINVAL }, { 0, 65, -EINVAL }, { 0, 129, -EINVAL },
	{ 0, 131, -EINVAL }, { 0, 192, -EINVAL }, { 64, 65, -EINVAL }, { 64, 67, -EINVAL },
	{ 64, 128, -EINVAL }, { 128, 1, -EINVAL }, { 128, 3, -EINVAL }, { 128, 64, -EINVAL },
	{ 192, 0, -EINVAL }, { 192, 64, -EINVAL }, { 0, ~0u, -EINVAL },
	{ 64, ~0u - 63, -EINVAL }, { 64, ~0u - 61, -EINVAL },
	{ 1ull << 63, 64, -EINVAL }, { -64ull, 64, -EINVAL }, { -64ull, 194, -EINVAL },
	{ 1ull << 32, 130, -EINVAL }, { 1ull << 58, 64, -EINVAL },
};

SUBTEST(class15_ranges_of_clear)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, 130 * PAGE_SIZE, LOG);
	struct vm *vm = vcpu->vm;
	u64 bits[64];				/* more than any range */

	CHECK_EQ(enable_manual(vm, MANUAL), 0);
	memset(bits, 0xff, sizeof(bits));
	for (u64 i = 0; i < ARRAY_SIZE(ranges); i++) {
		const struct range *r = &ranges[i];
		u64 got[3];

		test_doing("first %#llx, number %u", (unsigned long long)r->first, r->num);
		GUEST_WRITES(vcpu, TEST_GPA, 0, 63, 64, 127, 128, 129);
		CHECK_DIRTY(vm, SLOT, 130, 0, 63, 64, 127, 128, 129);
		CHECK_EQ(clear_dirty_log(vm, SLOT, r->first, r->num, bits), r->ret);
		CHECK_EQ(get_dirty_log(vm, SLOT, got), 0);
		for (u64 k = 0; k < 192; k++) {
			bool cleared = !r->ret && k >= r->first && k < r->first + r->num;
			bool written = k % 64 == 0 || k % 64 == 63 || k == 129;

			CHECK_EQ(test_bit(got, k), written && k < 130 && !cleared);
		}
	}
}

SUBTEST(what_clear_refuses)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vm *vm = vm_create_bare();
	u32 slots = check_cap(vm, KVM_CAP_NR_MEMSLOTS);
	u32 spaces = check_cap(vm, KVM_CAP_MULTI_ADDRESS_SPACE);
	u64 *edge = buffer_at_the_edge(4), bits[BITMAP_WORDS(PAGES)] = { 0 };

	CHECK_EQ(enable_manual(vm, MANUAL), 0);
	CHECK_EQ(clear_dirty_log(vm, SLOT, 0, 64, bits), -ENOENT);
	CHECK_EQ(set_logging(vm, mem, false), 0);
	CHECK_EQ(clear_dirty_log(vm, SLOT, 0, 64, bits), -ENOENT);
	CHECK_EQ(set_logging(vm, mem, true), 0);
	CHECK_EQ(clear_dirty_log(vm, SLOT, 0, 64, bits), 0);
	CHECK_EQ(clear_dirty_log(vm, slots, 0, 64, bits), -EINVAL);
	CHECK_EQ(clear_dirty_log(vm, 0xffff, 0, 64, bits), -EINVAL);
	CHECK_EQ(clear_dirty_log(vm, (spaces ? spaces : 1) << 16, 0, 64, bits), -EINVAL);
	CHECK_EQ(clear_dirty_log(vm, SLOT, 0, 64, NULL), -EFAULT);
	CHECK_EQ(clear_dirty_log(vm, SLOT, 0, 64, (void *)-PAGE_SIZE), -EFAULT);
	/* The buffer is as long as the range says, and no longer. */
	CHECK_EQ(clear_dirty_log(vm, SLOT, 0, 256, edge), 0);
	CHECK_EQ(clear_dirty_log(vm, SLOT, 64, 256, edge), 0);
	CHECK_EQ(clear_dirty_log(vm, SLOT, 0, 320, edge), -EFAULT);
}

/* ---- while others write ------------------------------------------------ */

enum how { AUTO, MANUAL_CLEAR, INITIALLY_SET };

/* Copies what the log has. With manual protection: first clear, then copy. */
static void copy_dirty(struct shadow *s, enum how how)
{
	u64 bits[BITMAP_WORDS(PAGES)];
	u64 from = 0;
	u32 num = s->pages;

	CHECK_EQ(get_dirty_log(s->vm, SLOT, bits), 0);
	if (how != AUTO) {
		/* In parts, as for long slots. */
		if (test_rand() & 1) {
			from = test_rand() % (s->pages / 64) * 64;
			num = 64;
		}
		CHECK_EQ(clear_dirty_log(s->vm, SLOT, from, num, bits + from / 64), 0);
	}
	for (u64 i = from; i < from + num; i++)
		if (test_bit(bits, i))
			shadow_copy(s, i);
}

static void copy_rest(struct shadow *s, enum how how)
{
	u64 bits[BITMAP_WORDS(PAGES)];

	CHECK_EQ(get_dirty_log(s->vm, SLOT, bits), 0);
	if (how != AUTO)
		CHECK_EQ(clear_dirty_log(s->vm, SLOT, 0, s->pages, bits), 0);
	for (u64 i = 0; i < s->pages; i++)
		if (test_bit(bits, i))
			shadow_copy(s, i);
}

static void check_shadow(int nr, enum how how, enum backing backing, u64 pages, int rounds)
{
	u8 *mem = mem_alloc(SIZE, backing, NULL);
	struct vm *vm = vm_create();
	struct shadow s;

	memset(mem, 0, SIZE);
	if (how != AUTO)
		CHECK_EQ(enable_manual(vm, how == MANUAL_CLEAR ? MANUAL : MANUAL | ALL_SET), 0);
	CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, pages * PAGE_SIZE, mem), 0);
	shadow_create(&s, vm, mem, TEST_GPA, pages, nr);
	shadow_start(&s, NULL);
	for (int i = 0; i < nr; i++)
		wait_rounds(s.runners[i].vcpu, 1);
	/* The log begins while they write; the copy begins with all of it. */
	CHECK_EQ(set_region(vm, SLOT, LOG, TEST_GPA, pages * PAGE_SIZE, mem), 0);
	for (u64 i = 0; i < pages; i++)
		shadow_copy(&s, i);
	for (int i = 1; i <= rounds; i++) {
		copy_dirty(&s, how);
		if (i % 8 == 0)
			wait_rounds(s.runners[i / 8 % nr].vcpu, 1);
		/* Often, as the next write to a page would hide a lost one. */
		if (i % 20)
			continue;
		shadow_pause(&s);
		copy_rest(&s, how);
		shadow_check(&s);
		shadow_resume(&s);
	}
	shadow_stop(&s);
	copy_rest(&s, how);
	shadow_check(&s);
	CHECK_CLEAN(vm, SLOT, pages);
	test_diag("%llu pages were copied", (unsigned long long)s.copied);
}

SUBTEST(class17_no_write_is_lost)
{
	check_shadow(2, AUTO, MEM_ANON, 320, 400);
}

SUBTEST(class17_no_write_is_lost_with_manual_clear)
{
	check_shadow(2, MANUAL_CLEAR, MEM_ANON, 320, 400);
}

SUBTEST(class17_no_write_is_lost_initially_set)
{
	check_shadow(2, INITIALLY_SET, MEM_ANON, 320, 300);
}

SUBTEST(class17_no_write_is_lost_on_a_huge_page)
{
	check_shadow(2, AUTO, MEM_THP, 512, 100);
	check_shadow(2, INITIALLY_SET, MEM_THP, 512, 100);
}

/* One vCPU, few pages: a page is written again at once when it was cleared. */
SUBTEST(class17_no_write_is_lost_on_few_pages)
{
	check_shadow(1, AUTO, MEM_ANON, 2, 800);
	check_shadow(1, MANUAL_CLEAR, MEM_ANON, 64, 300);
}

/* The log goes on and off, the slot away and back, under writers. */
SUBTEST(class15_log_switched_under_writers)
{
	u8 *mem = mem_alloc(SIZE, MEM_THP, NULL);
	struct vm *vm = vm_create();
	u64 bits[BITMAP_WORDS(PAGES)];
	struct shadow s;

	memset(mem, 0, SIZE);
	CHECK_EQ(set_logging(vm, mem, false), 0);
	shadow_create(&s, vm, mem, TEST_GPA, PAGES, 2);
	shadow_start(&s, NULL);
	for (int i = 0; i < 60; i++) {
		CHECK_EQ(set_logging(vm, mem, true), 0);
		for (u64 k = 0; i == 59 && k < PAGES; k++)
			shadow_copy(&s, k);
		if (i % 4 == 0)
			wait_rounds(s.runners[i / 4 % 2].vcpu, 1);
		if (i == 59)
			break;
		CHECK_EQ(get_dirty_log(vm, SLOT, bits), 0);
		if (i % 3 == 0)
			CHECK_EQ(set_region(vm, SLOT, 0, TEST_GPA, 0, mem), 0);
		else
			CHECK_EQ(set_logging(vm, mem, false), 0);
		CHECK_EQ(get_dirty_log(vm, SLOT, bits), -ENOENT);
	}
	shadow_stop(&s);
	copy_rest(&s, AUTO);
	shadow_check(&s);
}
