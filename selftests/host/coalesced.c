// SPDX-License-Identifier: GPL-2.0
/*
 * coalesced - writes of a guest that wait in a ring for user space to come by
 * (KVM_REGISTER_COALESCED_MMIO): all of them, in order, and none twice; with the
 * ring full they come out as exits.
 */
#include "selftest.h"

#define MAX	KVM_COALESCED_MMIO_MAX
#define PORT	0x5a0

static int zone(struct vm *vm, unsigned long cmd, u64 addr, u32 size, u32 pio)
{
	struct kvm_coalesced_mmio_zone z = { .addr = addr, .size = size, .pio = pio };

	return xioctl(vm->fd, cmd, (uintptr_t)&z);
}

static int add(struct vm *vm, u64 addr, u32 size, u32 pio)
{
	return zone(vm, KVM_REGISTER_COALESCED_MMIO, addr, size, pio);
}

static int del(struct vm *vm, u64 addr, u32 size, u32 pio)
{
	return zone(vm, KVM_UNREGISTER_COALESCED_MMIO, addr, size, pio);
}

static struct kvm_coalesced_mmio_ring *ring_of(struct vcpu *vcpu)
{
	int page = check_cap(vcpu->vm, KVM_CAP_COALESCED_MMIO);

	CHECK(page > 0);
	CHECK((page + 1) * PAGE_SIZE <= (u64)vcpu->vm->mmap_size);
	return (void *)((u8 *)vcpu->run + page * PAGE_SIZE);
}

static struct { u64 addr, count; } todo;

/* Four-byte writes, of their own number. */
static void guest_count_up(u64 arg)
{
	for (;;) {
		GUEST_SYNC(1);
		for (u64 i = 0; i < todo.count; i++) {
			if (todo.addr < 0x10000)
				outl(todo.addr, i);
			else
				*(volatile u32 *)todo.addr = i;
		}
		GUEST_SYNC(2);
	}
}

static struct vcpu *writer(struct vm *vm)
{
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, guest_count_up, 0);
	return vcpu;
}

static void start(struct vcpu *vcpu, u64 addr, u64 count)
{
	vcpu_expect_sync(vcpu, 1);
	guest_var(vcpu->vm, todo).addr = addr;
	guest_var(vcpu->vm, todo).count = count;
}

/* Takes what is in the ring; the values count up from @next. */
static u32 drain(struct kvm_coalesced_mmio_ring *ring, u64 addr, u32 next)
{
	while (ring->first != ring->last) {
		struct kvm_coalesced_mmio *e = &ring->coalesced_mmio[ring->first];

		CHECK_EQ(e->phys_addr, addr);
		CHECK_EQ(e->len, 4);
		CHECK_EQ(*(u32 *)e->data, next++);
		CHECK_EQ(e->pio, addr < 0x10000);
		ring->first = (ring->first + 1) % MAX;
	}
	return next;
}

static void gathered(u64 addr, u32 pio)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = writer(vm);
	struct kvm_coalesced_mmio_ring *ring = ring_of(vcpu);

	CHECK_EQ(add(vm, addr, 8, pio), 0);
	for (int round = 0; round < 5; round++) {
		start(vcpu, addr, MAX / 2);
		vcpu_expect_sync(vcpu, 2);
		CHECK_EQ(drain(ring, addr, 0), MAX / 2);
	}
	/* behind the zone, and across its end */
	for (int off = 6; off <= 8; off += 2) {
		start(vcpu, addr + off, 1);
		if (pio)
			vcpu_expect_out(vcpu, addr + off, 4, 1);
		else
			vcpu_expect_mmio_write(vcpu, addr + off, 4);
		vcpu_expect_sync(vcpu, 2);
	}
	CHECK_EQ(ring->first, ring->last);
	CHECK_EQ(del(vm, addr, 8, pio), 0);
	start(vcpu, addr, 1);
	if (pio)
		vcpu_expect_out(vcpu, addr, 4, 1);
	else
		vcpu_expect_mmio_write(vcpu, addr, 4);
	vcpu_expect_sync(vcpu, 2);
}

SUBTEST(memory)
{
	gathered(MMIO_GPA, 0);
}

SUBTEST(ports)
{
	gathered(PORT, 1);
}

/* The one that finds no room comes out, behind those that wait. */
SUBTEST(full_ring)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = writer(vm);
	struct kvm_coalesced_mmio_ring *ring = ring_of(vcpu);
	u32 next = 0, before;
	struct ucall uc;

	CHECK_EQ(add(vm, MMIO_GPA, PAGE_SIZE, 0), 0);
	start(vcpu, MMIO_GPA, 3 * MAX);
	for (;;) {
		CHECK_EQ(vcpu_run_raw(vcpu), 0);
		before = next;
		next = drain(ring, MMIO_GPA, next);
		if (get_ucall(vcpu, &uc) == UCALL_SYNC)
			break;
		/* KVM's count of the free ones goes wrong where the indices wrap */
		CHECK(device_is_kvm() ? next > before : next == before + MAX - 1);
		CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_MMIO);
		CHECK_EQ(*(u32 *)vcpu->run->mmio.data, next++);
	}
	CHECK_EQ(next, 3 * MAX);
}

SUBTEST(one_ring_for_all)
{
	struct vm *vm = vm_create();
	struct vcpu *a = writer(vm), *b = vcpu_create(vm, 1);

	CHECK_EQ(add(vm, MMIO_GPA, 4, 0), 0);
	vcpu_long_mode(b, guest_count_up, 0);
	start(a, MMIO_GPA, 3);
	vcpu_expect_sync(a, 2);
	CHECK_EQ(ring_of(b)->last, 3);
	CHECK_EQ(drain(ring_of(b), MMIO_GPA, 0), 3);
	CHECK_EQ(ring_of(a)->first, 3);
	start(b, MMIO_GPA, 2);
	vcpu_expect_sync(b, 2);
	CHECK_EQ(drain(ring_of(a), MMIO_GPA, 0), 2);
}

SUBTEST(zones)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = writer(vm);

	CHECK_EQ(add(vm, MMIO_GPA, 4, 2), -EINVAL);
	CHECK_EQ(add(vm, MMIO_GPA, 4, ~0u), -EINVAL);
	CHECK_EQ(del(vm, MMIO_GPA, 4, 2), -EINVAL);
	CHECK_EQ(del(vm, MMIO_GPA, 4, 0), 0);		/* none is there */
	for (u64 i = 0; i < 50; i++)
		CHECK_EQ(add(vm, MMIO_GPA + i * 16, 8, 0), 0);
	CHECK_EQ(del(vm, MMIO_GPA + 16, 4, 0), 0);	/* a part names the whole */
	for (u64 i = 0; i < 50; i++) {
		test_doing("zone %llu", (unsigned long long)i);
		start(vcpu, MMIO_GPA + i * 16, 1);
		if (i == 1)
			vcpu_expect_mmio_write(vcpu, MMIO_GPA + 16, 4);
		vcpu_expect_sync(vcpu, 2);
		CHECK_EQ(drain(ring_of(vcpu), MMIO_GPA + i * 16, 0), i != 1);
	}
}

/* CVE-2019-14821: both indices are in memory that user space writes. */
SUBTEST(class06_hostile_indices)
{
	static const u32 bad[] = { MAX - 1, MAX, MAX + 1, 0x7fffffff, 0x80000000, ~0u };
	struct vm *vm = vm_create();
	struct vcpu *vcpu = writer(vm);
	struct kvm_coalesced_mmio_ring *ring = ring_of(vcpu);

	CHECK_EQ(add(vm, MMIO_GPA, 4, 0), 0);
	for (u64 i = 0; i < ARRAY_SIZE(bad) * ARRAY_SIZE(bad); i++) {
		start(vcpu, MMIO_GPA, 3);
		ring->first = bad[i / ARRAY_SIZE(bad)];
		ring->last = bad[i % ARRAY_SIZE(bad)];
		for (;;) {
			struct ucall uc;

			CHECK_EQ(vcpu_run_raw(vcpu), 0);
			if (get_ucall(vcpu, &uc) == UCALL_SYNC)
				break;
			CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_MMIO);
		}
		ring->first = 0;
		ring->last = 0;
	}
}
