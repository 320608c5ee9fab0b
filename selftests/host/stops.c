// SPDX-License-Identifier: GPL-2.0
/*
 * stops - KVM_RUN returns at exits before they are dealt with: the client sees the guest
 * as it was, may change it, and lets the exit happen or not. And the way through the EPT,
 * as its owner sees it.
 */
#include <sys/mman.h>

#include "../../uapi/linux/lodge.h"

#include "memory.h"

/* Basic exit reasons: SDM vol. 3D appendix C. */
enum { REASON_CPUID = 10, REASON_IO = 30, REASON_EPT_VIOLATION = 48 };

static int set_stops(struct vcpu *vcpu, u64 low, u64 high)
{
	struct lodge_stops stops = { .size = sizeof(stops), .reasons = { low, high } };

	return xioctl(vcpu->fd, LODGE_SET_STOPS, (uintptr_t)&stops);
}

static void expect_stop(struct vcpu *vcpu, u64 reason)
{
	vcpu_run(vcpu, LODGE_EXIT_STOP);
	CHECK_EQ(vcpu->run->hw.hardware_exit_reason, reason);
}

static u64 leaf_of(u64 leaf)
{
	u32 a = leaf, c = 0;

	asm volatile("cpuid" : "+a"(a), "+c"(c) : : "ebx", "edx");
	return a;
}

/* Leaf 0x40000000's EAX, that of leaf 0, and what an instruction left that was left out. */
static void guest_asks(u64 unused)
{
	GUEST_SYNC_VALUE(1, leaf_of(0x40000000));
	GUEST_SYNC_VALUE(2, leaf_of(0));
	GUEST_SYNC_VALUE(3, leaf_of(0x77));
	GUEST_DONE();
}

SUBTEST(an_exit_waits_for_the_client)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	struct kvm_regs regs;
	u64 rip;

	CHECK_EQ(set_stops(vcpu, BIT(REASON_CPUID), 0), 0);
	vcpu_long_mode(vcpu, guest_asks, 0);
	expect_stop(vcpu, REASON_CPUID);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax, 0x40000000);
	/* asked again, it stands there still, and is dealt with */
	rip = regs.rip;
	CHECK_EQ(vcpu_expect_sync(vcpu, 1), 0x40000001);
	/* with other registers */
	expect_stop(vcpu, REASON_CPUID);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax, 0);
	CHECK(regs.rip != rip);
	regs.rax = 0x40000000;
	set_regs(vcpu, &regs);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), 0x40000001);
	/* or not at all */
	expect_stop(vcpu, REASON_CPUID);
	get_regs(vcpu, &regs);
	regs.rip += 2;
	set_regs(vcpu, &regs);
	CHECK_EQ(vcpu_expect_sync(vcpu, 3), 0x77);
	vcpu_expect_done(vcpu);
}

static void guest_accesses(u64 unused)
{
	asm volatile("outb %%al, $0x11" : : "a"(0x5a));
	*(volatile u32 *)MMIO_GPA = 0x1234;
	GUEST_SYNC_VALUE(1, *(volatile u32 *)MMIO_GPA);
	GUEST_DONE();
}

/* What the exit was for user space it still is afterwards. */
SUBTEST(then_it_goes_to_user_space)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	struct kvm_regs regs;

	vcpu_long_mode(vcpu, guest_accesses, 0);
	CHECK_EQ(set_stops(vcpu, BIT(REASON_IO), 0), 0);
	expect_stop(vcpu, REASON_IO);
	get_regs(vcpu, &regs);
	regs.rax = 0x66;
	set_regs(vcpu, &regs);
	CHECK_EQ(*(u8 *)vcpu_expect_out(vcpu, 0x11, 1, 1), 0x66);
	CHECK_EQ(set_stops(vcpu, BIT(REASON_EPT_VIOLATION), 0), 0);
	expect_stop(vcpu, REASON_EPT_VIOLATION);
	CHECK_EQ(set_stops(vcpu, 0, 0), 0);
	vcpu_expect_mmio_write(vcpu, MMIO_GPA, 4);
	*(u32 *)vcpu_expect_mmio_read(vcpu, MMIO_GPA, 4) = 0x77;
	CHECK_EQ(vcpu_expect_sync(vcpu, 1), 0x77);
	vcpu_expect_done(vcpu);
}

/* It is dealt with, and nothing more is done. */
SUBTEST(and_comes_back_at_once)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	struct kvm_regs regs;

	CHECK_EQ(set_stops(vcpu, BIT(REASON_CPUID), 0), 0);
	vcpu_long_mode(vcpu, guest_asks, 0);
	expect_stop(vcpu, REASON_CPUID);
	vcpu->run->immediate_exit = 1;
	CHECK_EQ(xioctl(vcpu->fd, KVM_RUN, 0), -EINTR);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rax, 0x40000001);
	vcpu->run->immediate_exit = 0;
	CHECK_EQ(vcpu_expect_sync(vcpu, 1), 0x40000001);
}

/* All at once: nothing of what the guest computes changes. */
SUBTEST(every_exit_stops)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	int stops = 0;

	vcpu_long_mode(vcpu, guest_asks, 0);
	CHECK_EQ(set_stops(vcpu, ~0ull, 0xffff), 0);
	for (;;) {
		int ret = xioctl(vcpu->fd, KVM_RUN, 0);

		CHECK_EQ(ret, 0);
		if (vcpu->run->exit_reason != LODGE_EXIT_STOP)
			break;
		stops++;
	}
	CHECK(stops > 1);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
	CHECK_EQ(set_stops(vcpu, 0, 0), 0);
}

SUBTEST(class29_stops_of_any_size)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	struct { struct lodge_stops s; u64 more; } s = { 0 };

	CHECK_EQ(set_stops(vcpu, 0, 0x10000), -EINVAL);
	CHECK_EQ(set_stops(vcpu, 0, BIT(63)), -EINVAL);
	for (u32 size = 0; size < 40; size++) {
		s.s.size = size;
		CHECK_EQ(xioctl(vcpu->fd, LODGE_SET_STOPS, (uintptr_t)&s),
			 size < sizeof(s.s) || size % 8 ? -EINVAL : 0);
	}
	s.s.size = sizeof(s);
	s.more = 1;
	CHECK_EQ(xioctl(vcpu->fd, LODGE_SET_STOPS, (uintptr_t)&s), -E2BIG);
	s.s.size = sizeof(s.s);
	s.s.reserved = 1;
	CHECK_EQ(xioctl(vcpu->fd, LODGE_SET_STOPS, (uintptr_t)&s), -EINVAL);
	CHECK_EQ(xioctl(vcpu->fd, LODGE_SET_STOPS, 0), -EFAULT);
	vcpu_long_mode(vcpu, guest_asks, 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 1), 0x40000001);
}

/* ---- the way through the EPT ---------------------------------------------------- */

/* Bits of an entry: SDM vol. 3C 28.2.2. */
enum { EPT_READ = BIT(0), EPT_WRITE = BIT(1), EPT_EXEC = BIT(2), EPT_LARGE = BIT(7) };
#define EPT_ADDRESS	0x000ffffffffff000ull

static struct lodge_ept_walk walk(struct vcpu *vcpu, u64 gpa)
{
	struct lodge_ept_walk w = { .size = sizeof(w), .gpa = gpa };

	CHECK_EQ(xioctl(vcpu->vm->fd, LODGE_WALK_EPT, (uintptr_t)&w), 0);
	CHECK_EQ(w.size, sizeof(w));
	CHECK_EQ(w.gpa, gpa);
	CHECK(w.levels >= 1 && w.levels <= 4);
	return w;
}

SUBTEST(the_way_to_a_page)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	struct lodge_ept_walk w;

	vm_add_mem(vcpu->vm, MEM_SLOT, TEST_GPA, 4 * PAGE_SIZE, MEM_ANON);
	w = walk(vcpu, TEST_GPA);
	CHECK_EQ(w.entry[w.levels - 1], 0);
	CHECK_EQ(guest_write(vcpu, TEST_GPA, 1), 0);
	w = walk(vcpu, TEST_GPA + 0x123);
	CHECK_EQ(w.levels, 4);
	CHECK_EQ(w.flags, 0);
	for (u32 i = 0; i < 4; i++) {
		CHECK_EQ(w.entry[i] & (EPT_READ | EPT_WRITE), EPT_READ | EPT_WRITE);
		CHECK(w.entry[i] & EPT_ADDRESS);
	}
	/* its neighbour was not touched */
	w = walk(vcpu, TEST_GPA + PAGE_SIZE);
	CHECK_EQ(w.levels, 4);
	CHECK_EQ(w.entry[3], 0);
	/* and it goes with its slot */
	vm_del_mem(vcpu->vm, MEM_SLOT);
	w = walk(vcpu, TEST_GPA);
	CHECK_EQ(w.entry[w.levels - 1], 0);
	/* the last that there can be */
	w = walk(vcpu, (1ull << 48) - 1);
	CHECK_EQ(w.levels, 1);
}

/* Where the host's pages lie is for nobody but root. */
SUBTEST(class28_an_ordinary_user_walks)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	struct lodge_ept_walk all, w;

	vm_add_mem(vcpu->vm, MEM_SLOT, TEST_GPA, PAGE_SIZE, MEM_ANON);
	CHECK_EQ(guest_write(vcpu, TEST_GPA, 1), 0);
	all = walk(vcpu, TEST_GPA);
	CHECK_EQ(seteuid(65534), 0);
	w = walk(vcpu, TEST_GPA);
	CHECK_EQ(seteuid(0), 0);
	CHECK_EQ(w.flags, LODGE_EPT_HIDDEN);
	CHECK_EQ(w.levels, 4);
	for (u32 i = 0; i < 4; i++)
		CHECK_EQ(w.entry[i], all.entry[i] & ~EPT_ADDRESS);
}

SUBTEST(class29_walks_of_any_size)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	struct { struct lodge_ept_walk w; u64 more; } s = { 0 };
	int fd = vcpu->vm->fd;

	for (u32 size = 0; size < 72; size++) {
		s.w.size = size;
		CHECK_EQ(xioctl(fd, LODGE_WALK_EPT, (uintptr_t)&s),
			 size < sizeof(s.w) || size % 8 || size > sizeof(s) ? -EINVAL : 0);
		if (size == sizeof(s))
			break;
	}
	s.more = 1;
	CHECK_EQ(xioctl(fd, LODGE_WALK_EPT, (uintptr_t)&s), -E2BIG);
	s.w.size = sizeof(s.w);
	s.w.reserved = 1;
	CHECK_EQ(xioctl(fd, LODGE_WALK_EPT, (uintptr_t)&s), -EINVAL);
	s.w.reserved = 0;
	s.w.gpa = 1ull << 48;
	CHECK_EQ(xioctl(fd, LODGE_WALK_EPT, (uintptr_t)&s), -EINVAL);
	s.w.gpa = ~0ull;
	CHECK_EQ(xioctl(fd, LODGE_WALK_EPT, (uintptr_t)&s), -EINVAL);
	CHECK_EQ(xioctl(fd, LODGE_WALK_EPT, 0), -EFAULT);
}
