// SPDX-License-Identifier: GPL-2.0
/*
 * steal - stolen time: what the guest is told of the time in which its vCPU's thread
 * was ready and another had the CPU, against what the kernel tells of that thread;
 * whether it is told that it is preempted; and places where it cannot be told.
 */
#include "apic.h"
#include "clock.h"
#include "vthread.h"

#define MSR_STEAL	0x4b564d03
#define PREEMPTED	1

struct steal {
	u64 steal;
	u32 version, flags;
	u8 preempted, pad8[3];
	u32 pad[11];
};

static volatile struct steal area __aligned(64);

/* Spins for so many ticks, tells what was stolen, and so on. */
static void guest_spins(u64 ticks)
{
	u32 version = area.version;

	wrmsr_try(MSR_STEAL, (uintptr_t)&area | 1);
	GUEST_ASSERT_EQ(guest_ex()->vector, NO_EXCEPTION);
	GUEST_ASSERT(area.version != version);	/* written before the next instruction */
	GUEST_ASSERT_EQ(rdmsr_try(MSR_STEAL), (uintptr_t)&area | 1);
	for (;;) {
		for (u64 start = rdtsc(); rdtsc() - start < ticks; )
			GUEST_ASSERT_EQ(area.preempted, 0);
		GUEST_ASSERT_EQ(area.version & 1, 0);
		GUEST_SYNC_VALUE(1, area.steal);
	}
}

/* How long this thread has waited for a CPU, as the kernel counts it. */
static u64 run_delay(void)
{
	unsigned long long ran, waited;
	FILE *f = fopen("/proc/thread-self/schedstat", "r");

	if (!f)
		SKIP("the kernel does not count how long threads wait");
	CHECK_EQ(fscanf(f, "%llu %llu", &ran, &waited), 2);
	fclose(f);
	return waited;
}

static struct vcpu *new_vcpu(u64 ms)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu;

	if (!(cpuid_leaf(vm->cpuid, 0x40000001, 0)->eax & BIT(5)))
		SKIP("stolen time is not offered");
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, guest_spins, ms * tsc_khz(vcpu));
	return vcpu;
}

SUBTEST(offered_where_it_is_counted)
{
	struct vm *vm = vm_create();
	bool offered = cpuid_leaf(vm->cpuid, 0x40000001, 0)->eax & BIT(5);

	run_delay();
	CHECK(offered);
}

/* ---- a thread that wants the same CPU ------------------------------------------- */

struct hog {
	struct thread t;
	volatile struct steal *area;	/* to be watched */
	u64 flagged;			/* how often the guest was marked and not before */
	bool stop;
};

static void *take_cpu(void *arg)
{
	struct hog *h = arg;
	u32 version = 0;

	while (!__atomic_load_n(&h->stop, __ATOMIC_RELAXED)) {
		if (!(READ_ONCE(h->area->preempted) & PREEMPTED))
			continue;
		/* it ran meanwhile, and what it was told was written anew */
		h->flagged += READ_ONCE(h->area->version) != version;
		version = READ_ONCE(h->area->version);
	}
	return NULL;
}

static void hog_start(struct hog *h, struct vcpu *vcpu)
{
	*h = (struct hog){ .area = &guest_var(vcpu->vm, area) };
	pin_to_cpu(0);
	thread_start(&h->t, 0, take_cpu, h);
}

static void hog_stop(struct hog *h)
{
	__atomic_store_n(&h->stop, true, __ATOMIC_RELAXED);
	thread_join(&h->t);
}

/* Between two looks of the guest the sum grows as the kernel's count of the thread. */
SUBTEST(grows_with_the_wait)
{
	struct vcpu *vcpu = new_vcpu(15);
	struct hog hog;
	u64 delay[4], first, second;

	hog_start(&hog, vcpu);
	vcpu_expect_sync(vcpu, 1);
	delay[0] = run_delay();
	first = vcpu_expect_sync(vcpu, 1);
	delay[1] = run_delay();
	while (run_delay() - delay[1] < 10000000)
		cpu_relax();
	delay[2] = run_delay();
	second = vcpu_expect_sync(vcpu, 1);
	delay[3] = run_delay();
	hog_stop(&hog);
	test_diag("%llu us stolen", (unsigned long long)(second - first) / 1000);
	/* written at the latest entry, which was after the thread had the CPU again */
	CHECK(second - first >= delay[2] - delay[1]);
	CHECK(second - first <= delay[3] - delay[0]);
}

/* Whoever has the CPU instead sees that the guest is marked; the guest never does. */
SUBTEST(marked_while_preempted)
{
	struct vcpu *vcpu = new_vcpu(30);
	struct hog hog;

	hog_start(&hog, vcpu);
	for (int i = 0; i < 3; i++)
		vcpu_expect_sync(vcpu, 1);
	hog_stop(&hog);
	CHECK(hog.flagged > 1);
	CHECK(guest_var(vcpu->vm, area).version);
}

static void guest_sleeps(u64 a)
{
	wrmsr_try(MSR_STEAL, (uintptr_t)&area | 1);
	GUEST_SYNC(1);
	asm volatile("hlt");
}

/* Who sleeps was not preempted. */
SUBTEST(not_marked_while_asleep)
{
	struct vm *vm = vm_create();
	struct vthread r;
	struct vcpu *vcpu;

	vm_irqchip(vm);
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, guest_sleeps, 0);
	vthread_start(&r, vcpu, -1);
	vthread_wait_syncs(&r, 1);
	vthread_wait_asleep(&r);
	CHECK(guest_var(vm, area).version);
	CHECK_EQ(guest_var(vm, area).preempted, 0);
	vthread_stop(&r);
}

static void *run_once(void *vcpu)
{
	vcpu_expect_sync(vcpu, 1);
	return NULL;
}

/* The time that one thread has waited is not stolen from what another runs. */
SUBTEST(another_thread_has_another_count)
{
	struct vcpu *vcpu = new_vcpu(15);
	u64 sum, waited = run_delay();
	struct hog hog;
	struct thread t;

	/* this thread waits for long, ... */
	hog_start(&hog, vcpu);
	while (run_delay() - waited < 50000000)
		cpu_relax();
	hog_stop(&hog);
	thread_start(&t, 0, run_once, vcpu);
	thread_join(&t);
	sum = guest_var(vcpu->vm, area).steal;
	/* ... and runs the vCPU that another ran before. */
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_sync(vcpu, 1);
	/* KVM of Linux 6.1 takes the difference of the two threads' counts */
	if (!device_is_kvm())
		CHECK(guest_var(vcpu->vm, area).steal - sum < 40000000);
}

/* A guest that was copied with its memory goes on from the sum that it had. */
SUBTEST(goes_on_from_the_sum)
{
	struct vcpu *vcpu = new_vcpu(0);
	volatile struct steal *s = &guest_var(vcpu->vm, area);
	u64 sum;

	s->version = 0xfffffffd;
	vcpu_expect_sync(vcpu, 1);
	s->steal = BIT(40);
	set_msr(vcpu, MSR_STEAL, get_msr(vcpu, MSR_STEAL));
	sum = vcpu_expect_sync(vcpu, 1);
	CHECK(sum >= BIT(40) && sum < BIT(40) + 60000000000ull);
	CHECK_EQ(s->version & 1, 0);
	CHECK_EQ(s->flags, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(s->pad); i++)
		CHECK_EQ(s->pad[i], 0);
}

/* ---- the MSR -------------------------------------------------------------------- */

static void guest_writes_reserved(u64 a)
{
	for (int bit = 1; bit < 6; bit++) {
		wrmsr_try(MSR_STEAL, (uintptr_t)&area | BIT(bit));
		GUEST_ASSERT_EQ(guest_ex()->vector, GP);
		wrmsr_try(MSR_STEAL, (uintptr_t)&area | BIT(bit) | 1);
		GUEST_ASSERT_EQ(guest_ex()->vector, GP);
	}
	GUEST_ASSERT_EQ(rdmsr_try(MSR_STEAL), 0);
}

SUBTEST(reserved_bits)
{
	struct vcpu *vcpu = new_vcpu(0);

	for (int bit = 1; bit < 6; bit++)
		CHECK_EQ(set_msr_raw(vcpu, MSR_STEAL, (uintptr_t)&area | BIT(bit) | 1), 0);
	CHECK_EQ(get_msr(vcpu, MSR_STEAL), 0);
	vcpu_long_mode(vcpu, guest_writes_reserved, 0);
	vcpu_expect_done(vcpu);
}

static void guest_idles(u64 a)
{
	for (;;)
		GUEST_SYNC(1);
}

/* Off, and on again by user space that restores a vCPU. */
SUBTEST(disarmed_and_armed_by_user_space)
{
	struct vcpu *vcpu = new_vcpu(0);
	volatile struct steal *s = &guest_var(vcpu->vm, area);
	struct msr_list list;
	bool found = false;

	get_msr_list(vcpu->vm->dev_fd, KVM_GET_MSR_INDEX_LIST, &list);
	for (u32 i = 0; i < list.nmsrs; i++)
		found |= list.index[i] == MSR_STEAL;
	CHECK(found);
	vcpu_long_mode(vcpu, guest_idles, 0);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(s->version, 0);
	set_msr(vcpu, MSR_STEAL, (uintptr_t)&area | 1);
	vcpu_expect_sync(vcpu, 1);
	CHECK(s->version);
	set_msr(vcpu, MSR_STEAL, (uintptr_t)&area);
	memset((void *)s, 0x5a, sizeof(*s));
	set_msr(vcpu, MSR_STEAL, (uintptr_t)&area);
	vcpu_expect_sync(vcpu, 1);
	for (unsigned int i = 0; i < sizeof(*s); i++)
		CHECK_EQ(((u8 *)s)[i], 0x5a);
}

/* ---- structs in the wrong place ------------------------------------------------- */

static void arm_at(struct vcpu *vcpu, u64 gpa)
{
	test_doing("address %#llx", (unsigned long long)gpa);
	set_msr(vcpu, MSR_STEAL, gpa | 1);
	vcpu_expect_sync(vcpu, 1);
}

static struct vcpu *idler(void)
{
	struct vcpu *vcpu = new_vcpu(0);

	vcpu_long_mode(vcpu, guest_idles, 0);
	return vcpu;
}

SUBTEST(class13_no_memory_there)
{
	static const u64 places[] = {
		MMIO_GPA, RAM_SIZE, BIT(36), BIT(45), BIT(52), BIT(63), -64ull,
	};
	struct vcpu *vcpu = idler();

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
		arm_at(vcpu, places[i]);
	arm_at(vcpu, (uintptr_t)&area);
	CHECK(guest_var(vcpu->vm, area).version);
}

/* Nothing beyond its 64 bytes, the last of a page included. */
SUBTEST(class13_end_of_page)
{
	struct vcpu *vcpu = idler();
	u8 *mem = vm_add_mem(vcpu->vm, 1, TEST_GPA, 2 * PAGE_SIZE, MEM_ANON);

	memset(mem, 0x5a, 2 * PAGE_SIZE);
	arm_at(vcpu, TEST_GPA + PAGE_SIZE - 64);
	for (unsigned int i = 0; i < 2 * PAGE_SIZE; i++)
		if (i < PAGE_SIZE - 64 || i >= PAGE_SIZE)
			CHECK_EQ(mem[i], 0x5a);
	CHECK_EQ(((struct steal *)(mem + PAGE_SIZE - 64))->preempted, 0);
}

SUBTEST(class13_slot_deleted_while_armed)
{
	struct vcpu *vcpu = idler();
	struct vm *vm = vcpu->vm;
	u8 *old = mem_alloc(PAGE_SIZE, MEM_ANON, NULL), *new = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);

	CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, PAGE_SIZE, old), 0);
	arm_at(vcpu, TEST_GPA);
	CHECK(((struct steal *)old)->version);
	CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, 0, old), 0);
	memset(old, 0x5a, PAGE_SIZE);
	arm_at(vcpu, TEST_GPA);
	CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, PAGE_SIZE, new), 0);
	arm_at(vcpu, TEST_GPA);
	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		CHECK_EQ(old[i], 0x5a);
	CHECK(((struct steal *)new)->version);
}

SUBTEST(class13_memory_unmapped)
{
	struct vcpu *vcpu = idler();
	u8 *mem = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);

	CHECK_EQ(set_region(vcpu->vm, 1, 0, TEST_GPA, PAGE_SIZE, mem), 0);
	arm_at(vcpu, TEST_GPA);
	CHECK_EQ(munmap(mem, PAGE_SIZE), 0);
	arm_at(vcpu, TEST_GPA);
	CHECK(mmap(mem, PAGE_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem);
	arm_at(vcpu, TEST_GPA);
	CHECK(((struct steal *)mem)->version);
}

SUBTEST(class13_read_only_slot)
{
	struct vcpu *vcpu = idler();
	u8 *mem = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);

	memset(mem, 0x5a, PAGE_SIZE);
	CHECK_EQ(set_region(vcpu->vm, 1, KVM_MEM_READONLY, TEST_GPA, PAGE_SIZE, mem), 0);
	arm_at(vcpu, TEST_GPA);
	/* KVM of Linux 6.1 does not look at the slot's flag */
	for (unsigned int i = 0; i < PAGE_SIZE && !device_is_kvm(); i++)
		CHECK_EQ(mem[i], 0x5a);
}

struct storm {
	struct thread t;
	struct vm *vm;
	bool stop;
};

static void *replace_slots(void *arg)
{
	struct storm *s = arg;
	u8 *mem = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		CHECK_EQ(set_region(s->vm, 1, 0, TEST_GPA, PAGE_SIZE, mem), 0);
		CHECK_EQ(set_region(s->vm, 1, 0, TEST_GPA, 0, mem), 0);
	}
	return NULL;
}

/* On one CPU, so that the vCPU is preempted all the time while its slot goes. */
SUBTEST(class13_slot_storm)
{
	struct vcpu *vcpu = idler();
	struct storm s = { .vm = vcpu->vm };

	pin_to_cpu(0);
	set_msr(vcpu, MSR_STEAL, TEST_GPA | 1);
	thread_start(&s.t, 0, replace_slots, &s);
	for (int i = 0; i < 300; i++)
		vcpu_expect_sync(vcpu, 1);
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	thread_join(&s.t);
}

SUBTEST(struct_is_logged_as_dirty)
{
	struct vcpu *vcpu = idler();
	u8 *mem = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);
	u64 bits = 0;
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = &bits };

	CHECK_EQ(set_region(vcpu->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, TEST_GPA, PAGE_SIZE, mem), 0);
	arm_at(vcpu, TEST_GPA);
	CHECK_EQ(xioctl(vcpu->vm->fd, KVM_GET_DIRTY_LOG, (uintptr_t)&log), 0);
	CHECK_EQ(bits, 1);
}
