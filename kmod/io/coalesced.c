// SPDX-License-Identifier: GPL-2.0
/*
 * coalesced.c - writes that need no answer are gathered in a ring which user
 * space empties whenever it comes by: at its next exit, or before it looks at the
 * device.  There is one ring for a VM, in a page that every vCPU's mapping shows.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../lodge.h"
#include "bus.h"
#include "coalesced.h"

#define MAX_ZONES	1000

struct coalesced_zone {
	struct io_dev dev;
	u32 size;			/* (C) */
};

static struct coalesced_zone *of(struct io_dev *dev)
{
	return container_of(dev, struct coalesced_zone, dev);
}

static bool contains(const struct coalesced_zone *z, u64 addr, u64 len)
{
	return addr + len >= addr && addr >= z->dev.base &&
	       addr + len <= z->dev.base + z->size;
}

/* Both indices are user space's to write: used once, and only within bounds. */
static bool push(struct kvm_coalesced_mmio_ring *ring, const struct kvm_coalesced_mmio *entry)
{
	u32 last = READ_ONCE(ring->last), first = READ_ONCE(ring->first);
	u32 next = (last + 1) % KVM_COALESCED_MMIO_MAX;

	if (last >= KVM_COALESCED_MMIO_MAX || next == first % KVM_COALESCED_MMIO_MAX)
		return false;
	ring->coalesced_mmio[last] = *entry;
	/* user space that sees the index sees the entry */
	smp_store_release(&ring->last, next);
	return true;
}

static bool write(struct io_dev *dev, struct lodge_vcpu *vcpu, u64 addr,
		  const void *data, unsigned int len)
{
	struct kvm_coalesced_mmio entry = {
		.phys_addr = addr, .len = len, .pio = dev->space == IO_PORTS,
	};
	struct lodge_vm *vm = vcpu->vm;
	bool done;

	if (len > sizeof(entry.data) || !contains(of(dev), addr, len))
		return false;
	memcpy(entry.data, data, len);
	spin_lock(&vm->coalesced_lock);
	done = push(page_address(vm->coalesced_page), &entry);
	spin_unlock(&vm->coalesced_lock);
	return done;
}

static void destroy(struct io_dev *dev)
{
	kfree(of(dev));
}

static const struct io_ops ops = {
	.write = write,
	.destroy = destroy,
};

static int add(struct lodge_vm *vm, struct coalesced_zone *z)
{
	struct io_dev *dev;
	int n = 0;

	for (dev = bus_next(vm, &ops, NULL); dev; dev = bus_next(vm, &ops, dev))
		n++;
	return n < MAX_ZONES ? bus_add(vm, &z->dev) : -ENOSPC;
}

int coalesced_register(struct lodge_vm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	struct coalesced_zone *z;
	int err;

	if (zone->pio > 1)
		return -EINVAL;
	z = kzalloc(sizeof(*z), GFP_KERNEL_ACCOUNT);
	if (!z)
		return -ENOMEM;
	z->size = zone->size;
	z->dev = (struct io_dev) {
		.ops = &ops, .base = zone->addr, .len = zone->size,
		.space = zone->pio ? IO_PORTS : IO_MEMORY,
	};
	mutex_lock(&vm->io_lock);
	err = add(vm, z);
	mutex_unlock(&vm->io_lock);
	if (err)
		kfree(z);
	return err;
}

/* Every zone that the given one lies in goes. */
int coalesced_unregister(struct lodge_vm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	enum io_space space = zone->pio ? IO_PORTS : IO_MEMORY;
	struct io_dev *dev, *next;

	if (zone->pio > 1)
		return -EINVAL;
	mutex_lock(&vm->io_lock);
	for (dev = bus_next(vm, &ops, NULL); dev; dev = next) {
		next = bus_next(vm, &ops, dev);
		if (dev->space == space && contains(of(dev), zone->addr, zone->size))
			bus_remove(vm, dev);
	}
	mutex_unlock(&vm->io_lock);
	return 0;
}
