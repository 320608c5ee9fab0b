// SPDX-License-Identifier: GPL-2.0
/*
 * clockpage - the memory that kvmclock is written to: pages in the wrong place, half
 * in one and half in none, slots that go away while the clock is armed, what a guest
 * writes there itself, and that user space learns of the writes.
 */
#include "pvclock.h"

/* ---- a guest that is told where ------------------------------------------------- */

static volatile u64 address, address_msr;

/* Writes address to the MSR in each round, then lets the host look. */
static void guest_arms_anywhere(u64 a)
{
	for (;;) {
		wrmsr_try(address_msr, address);
		GUEST_ASSERT_EQ(guest_ex()->vector, NO_EXCEPTION);
		GUEST_SYNC(1);
	}
}

static struct vcpu *anywhere(struct vm *vm)
{
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, guest_arms_anywhere, 0);
	return vcpu;
}

static void arm_at(struct vcpu *vcpu, u32 msr, u64 gpa)
{
	test_doing("MSR %#x, address %#llx", msr, (unsigned long long)gpa);
	guest_var(vcpu->vm, address) = gpa;
	guest_var(vcpu->vm, address_msr) = msr;
	vcpu_expect_sync(vcpu, 1);
	/* and once more, with a reason to write it */
	CHECK_EQ(set_clock(vcpu->vm, SECOND, 0, 0), 0);
	guest_var(vcpu->vm, address_msr) = MSR_SYSENTER_ESP;
	guest_var(vcpu->vm, address) = 0;
	vcpu_expect_sync(vcpu, 1);
}

static void expect_bytes(const u8 *p, u8 want, int n)
{
	for (int i = 0; i < n; i++)
		if (p[i] != want)
			FAIL("byte %d is %#x, not %#x", i, p[i], want);
}

/* ---- places that are wrong ------------------------------------------------------ */

/* The last place where it fits, and the first where it does not. */
SUBTEST(class13_page_crossing)
{
	struct vm *vm = vm_create();
	u8 *mem = vm_add_mem(vm, 1, TEST_GPA, 2 * PAGE_SIZE, MEM_ANON);
	struct vcpu *vcpu = anywhere(vm);
	const int size = sizeof(struct time_info);

	for (int over = 4; over < size; over += 4) {
		memset(mem, 0x5a, 2 * PAGE_SIZE);
		arm_at(vcpu, MSR_TIME_NEW, (TEST_GPA + PAGE_SIZE - size + over) | 1);
		expect_bytes(mem, 0x5a, 2 * PAGE_SIZE);
	}
	memset(mem, 0x5a, 2 * PAGE_SIZE);
	arm_at(vcpu, MSR_TIME_NEW, (TEST_GPA + PAGE_SIZE - size) | 1);
	expect_bytes(mem, 0x5a, PAGE_SIZE - size);
	expect_bytes(mem + PAGE_SIZE, 0x5a, PAGE_SIZE);
	CHECK(((struct time_info *)(mem + PAGE_SIZE - size))->mul & BIT(31));
}

/* Four-byte alignment is what the interface asks for; less harms nobody else. */
SUBTEST(class13_unaligned)
{
	struct vm *vm = vm_create();
	u8 *mem = vm_add_mem(vm, 1, TEST_GPA, PAGE_SIZE, MEM_ANON);
	struct vcpu *vcpu = anywhere(vm);
	const int size = sizeof(struct time_info);

	for (int off = 128; off < 128 + 8; off += 2) {
		memset(mem, 0x5a, PAGE_SIZE);
		arm_at(vcpu, MSR_TIME_NEW, (TEST_GPA + off) | 1);
		expect_bytes(mem, 0x5a, off);
		expect_bytes(mem + off + size, 0x5a, PAGE_SIZE - off - size);
	}
	arm_at(vcpu, MSR_TIME_NEW, 0);
	for (int off = 128; off < 128 + 4; off++) {
		memset(mem, 0x5a, PAGE_SIZE);
		arm_at(vcpu, MSR_WALL_NEW, TEST_GPA + off);
		expect_bytes(mem, 0x5a, off);
		expect_bytes(mem + off + 12, 0x5a, PAGE_SIZE - off - 12);
	}
}

/* A wall clock may lie across two pages; half of it may have no memory. */
SUBTEST(class13_wall_clock_crossing)
{
	struct vm *vm = vm_create();
	u8 *mem = vm_add_mem(vm, 1, TEST_GPA, 2 * PAGE_SIZE, MEM_ANON);
	struct vcpu *vcpu = anywhere(vm);
	struct wall_info *w;

	for (int off = 4; off < 12; off += 4) {
		memset(mem, 0, 2 * PAGE_SIZE);
		w = (struct wall_info *)(mem + PAGE_SIZE - off);
		arm_at(vcpu, MSR_WALL_NEW, TEST_GPA + PAGE_SIZE - off);
		CHECK(w->version && !(w->version & 1));
		CHECK(w->sec && w->nsec < SECOND);
		expect_bytes(mem, 0, PAGE_SIZE - off);
		expect_bytes(mem + PAGE_SIZE - off + 12, 0, PAGE_SIZE - 12);
		memset(mem, 0x5a, 2 * PAGE_SIZE);
		arm_at(vcpu, MSR_WALL_NEW, TEST_GPA + 2 * PAGE_SIZE - off);
		expect_bytes(mem, 0x5a, 2 * PAGE_SIZE - off);
	}
}

SUBTEST(class13_no_memory_there)
{
	static const u64 places[] = {
		MMIO_GPA, RAM_SIZE, BIT(36), BIT(45), BIT(52), BIT(63), -64ull, -2ull, -8ull,
	};
	static const u32 msrs[] = { MSR_TIME_NEW, MSR_TIME_OLD, MSR_WALL_NEW, MSR_WALL_OLD };
	struct vcpu *vcpu = anywhere(vm_create());

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
		for (unsigned int k = 0; k < ARRAY_SIZE(msrs); k++)
			arm_at(vcpu, msrs[k], places[i] | (k < 2));
	arm_at(vcpu, MSR_TIME_NEW, (uintptr_t)&pages[0] | 1);
	CHECK(guest_var(vcpu->vm, pages[0]).version);
}

/* ---- memory that goes away, or is not the host's to write -------------------------- */

/* The slot goes while the clock is armed, and comes back elsewhere. */
SUBTEST(class13_slot_deleted_while_armed)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = anywhere(vm);
	u8 *old, *new = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);

	old = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);
	CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, PAGE_SIZE, old), 0);
	arm_at(vcpu, MSR_TIME_NEW, TEST_GPA | 1);
	CHECK(((struct time_info *)old)->version);
	CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, 0, old), 0);
	memset(old, 0x5a, PAGE_SIZE);
	CHECK_EQ(set_clock(vm, SECOND, 0, 0), 0);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(xioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0), 0);
	vcpu_expect_sync(vcpu, 1);
	expect_bytes(old, 0x5a, PAGE_SIZE);
	CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, PAGE_SIZE, new), 0);
	CHECK_EQ(set_clock(vm, SECOND, 0, 0), 0);
	vcpu_expect_sync(vcpu, 1);
	expect_bytes(old, 0x5a, PAGE_SIZE);
	CHECK(((struct time_info *)new)->version);
}

/* Its memory goes, the slot stays. */
SUBTEST(class13_memory_unmapped)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = anywhere(vm);
	u8 *mem = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);

	CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, PAGE_SIZE, mem), 0);
	arm_at(vcpu, MSR_TIME_NEW, TEST_GPA | 1);
	CHECK_EQ(munmap(mem, PAGE_SIZE), 0);
	CHECK_EQ(set_clock(vm, SECOND, 0, 0), 0);
	vcpu_expect_sync(vcpu, 1);
	arm_at(vcpu, MSR_WALL_NEW, TEST_GPA);
	CHECK(mmap(mem, PAGE_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem);
	CHECK_EQ(set_clock(vm, SECOND, 0, 0), 0);
	vcpu_expect_sync(vcpu, 1);
	CHECK(((struct time_info *)mem)->version);
}

/* What the host writes for a guest is a write like the guest's own. */
SUBTEST(class13_read_only_slot)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = anywhere(vm);
	u8 *mem = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);

	memset(mem, 0x5a, PAGE_SIZE);
	CHECK_EQ(set_region(vm, 1, KVM_MEM_READONLY, TEST_GPA, PAGE_SIZE, mem), 0);
	arm_at(vcpu, MSR_WALL_NEW, TEST_GPA);
	arm_at(vcpu, MSR_TIME_NEW, TEST_GPA | 1);
	/* KVM of Linux 6.1 does not look at the slot's flag for the second */
	if (!device_is_kvm())
		expect_bytes(mem, 0x5a, PAGE_SIZE);
}

/* The page is the guest's: nothing that it writes there is believed. */
SUBTEST(class13_page_scribbled_on)
{
	struct vcpu *vcpu = new_vcpu(MSR_TIME_NEW);
	volatile u8 *page = (u8 *)&guest_var(vcpu->vm, pages[0]);

	for (int i = 0; i < 8; i++) {
		for (unsigned int k = 0; k < sizeof(struct time_info); k++)
			page[k] = i ? test_rand() : 0xff;
		CHECK_EQ(set_clock(vcpu->vm, SECOND * i, 0, 0), 0);
		check_clock(vcpu);
		CHECK_EQ(guest_var(vcpu->vm, pages[0]).version & 1, 0);
		CHECK_EQ(guest_var(vcpu->vm, pages[0]).flags & ~STOPPED, stable_here());
	}
}

/* The page is memory that was written: a client that copies the machine must know. */
SUBTEST(page_is_logged_as_dirty)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = anywhere(vm);
	u8 *mem = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);
	u64 bits = 0;
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = &bits };

	CHECK_EQ(set_region(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, TEST_GPA, PAGE_SIZE, mem), 0);
	arm_at(vcpu, MSR_TIME_NEW, TEST_GPA | 1);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(xioctl(vm->fd, KVM_GET_DIRTY_LOG, (uintptr_t)&log), 0);
		CHECK_EQ(bits, i != 1);
		if (i == 0)
			continue;
		CHECK_EQ(set_clock(vm, SECOND, 0, 0), 0);
		vcpu_expect_sync(vcpu, 1);
	}
}

static volatile u64 stop;

static void *replace_slots(void *arg)
{
	struct vm *vm = arg;
	u8 *mem = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, PAGE_SIZE, mem), 0);
		CHECK_EQ(set_clock(vm, SECOND, 0, 0), 0);
		CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, 0, mem), 0);
	}
	return NULL;
}

/* All at once: the slot comes and goes, the clock is set, the guest runs. */
SUBTEST(class13_slot_storm)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = anywhere(vm);
	struct thread t;

	guest_var(vm, address) = TEST_GPA | 1;
	guest_var(vm, address_msr) = MSR_TIME_NEW;
	thread_start(&t, nr_cpus() - 1, replace_slots, vm);
	for (int i = 0; i < 300; i++)
		vcpu_expect_sync(vcpu, 1);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	thread_join(&t);
}
