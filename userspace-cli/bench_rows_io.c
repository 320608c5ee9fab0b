// SPDX-License-Identifier: GPL-2.0
/*
 * Rows of `lodge bench exits`: ports and device memory, in user space, behind eventfds and
 * in rings.
 */
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "bench.h"

#define PIC_MASK	0x21

static bool add_eventfd(struct bench_test *t, u64 address, u32 length, u32 flags)
{
	struct kvm_ioeventfd e = { .addr = address, .len = length, .flags = flags };

	t->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (t->fd < 0)
		return bench_refused(&t->vm, "eventfd");
	e.fd = t->fd;
	return BENCH_IOCTL(&t->vm, t->vm.fd, KVM_IOEVENTFD, &e);
}

static bool pio_eventfd(struct bench_test *t)
{
	return add_eventfd(t, t->row->arg[0], 4, KVM_IOEVENTFD_FLAG_PIO);
}

static bool pio_eventfd_any(struct bench_test *t)
{
	return add_eventfd(t, t->row->arg[0], 0, KVM_IOEVENTFD_FLAG_PIO);
}

static bool mmio_eventfd(struct bench_test *t)
{
	return add_eventfd(t, t->row->arg[0], 4, 0);
}

static bool mmio_eventfd_any(struct bench_test *t)
{
	return add_eventfd(t, t->row->arg[0], 0, 0);
}

static bool add_zone(struct bench_test *t, bool pio)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = t->row->arg[0], .size = 4, .pio = pio,
	};

	return t->vm.ring ?
		BENCH_IOCTL(&t->vm, t->vm.fd, KVM_REGISTER_COALESCED_MMIO, &zone) :
		bench_fail(&t->vm, "the vCPU has no ring");
}

static bool mmio_zone(struct bench_test *t)
{
	return add_zone(t, false);
}

static bool pio_zone(struct bench_test *t)
{
	return add_zone(t, true);
}

static void empty_ring(struct bench_test *t)
{
	t->vm.ring->first = t->vm.ring->last;
}

const struct bench_row bench_rows_io[] = {
	{
		.name = "out", .what = "OUT to user space and back",
		.code = bench_guest_out, .arg = { BENCH_PORT },
	}, {
		.name = "in", .what = "IN from user space",
		.code = bench_guest_in, .arg = { BENCH_PORT },
	}, {
		.name = "outsb-64", .what = "REP OUTSB of 64 bytes to user space",
		.code = bench_guest_outsb, .arg = { BENCH_PORT, BENCH_DATA, 64 }, .batch = 1,
	}, {
		.name = "outsb-page", .what = "REP OUTSB of a page to user space",
		.code = bench_guest_outsb, .arg = { BENCH_PORT, BENCH_DATA, 4096 },
		.batch = 1,
	}, {
		.name = "mmio-write", .what = "MMIO write to user space and back",
		.code = bench_guest_store, .arg = { BENCH_MMIO },
	}, {
		.name = "mmio-read", .what = "MMIO read from user space",
		.code = bench_guest_load, .arg = { BENCH_MMIO },
	}, {
		.name = "pio-eventfd", .what = "OUT to an ioeventfd of 4 bytes",
		.code = bench_guest_outl, .arg = { BENCH_PORT },
		.cap = BENCH_CAP(KVM_CAP_IOEVENTFD), .prepare = pio_eventfd,
	}, {
		.name = "pio-eventfd-any", .what = "OUT to an ioeventfd of any length",
		.code = bench_guest_outl, .arg = { BENCH_PORT },
		.cap = BENCH_CAP(KVM_CAP_IOEVENTFD_ANY_LENGTH), .prepare = pio_eventfd_any,
	}, {
		.name = "mmio-eventfd", .what = "MMIO write to an ioeventfd of 4 bytes",
		.code = bench_guest_store, .arg = { BENCH_MMIO },
		.cap = BENCH_CAP(KVM_CAP_IOEVENTFD), .prepare = mmio_eventfd,
	}, {
		.name = "mmio-eventfd-any", .what = "MMIO write to an ioeventfd of any length",
		.code = bench_guest_store, .arg = { BENCH_MMIO },
		.cap = BENCH_CAP(KVM_CAP_IOEVENTFD_ANY_LENGTH), .prepare = mmio_eventfd_any,
	}, {
		.name = "pio-coalesced", .what = "OUT into the ring of coalesced writes",
		.code = bench_guest_outl, .arg = { BENCH_PORT }, .needs = NEEDS_NEXT,
		.cap = BENCH_CAP(KVM_CAP_COALESCED_PIO), .prepare = pio_zone,
		.next = empty_ring,
	}, {
		.name = "mmio-coalesced", .what = "MMIO write into the ring",
		.code = bench_guest_store, .arg = { BENCH_MMIO }, .needs = NEEDS_NEXT,
		.cap = BENCH_CAP(KVM_CAP_COALESCED_MMIO), .prepare = mmio_zone,
		.next = empty_ring,
	}, {
		.name = "pic-out", .what = "OUT to the PIC in the kernel",
		.code = bench_guest_out, .arg = { PIC_MASK, 0xff }, .needs = NEEDS_IRQCHIP,
	},
	{ .name = NULL }
};
