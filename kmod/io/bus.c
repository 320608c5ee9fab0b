// SPDX-License-Identifier: GPL-2.0
/*
 * bus.c - the devices that the kernel serves, found by address: one sorted table
 * for ports, one for memory.  Ranges may overlap, and a device may decline a
 * write, which then goes to the next one and at last to user space.  A table is
 * replaced when a device comes; a device that goes leaves a hole in it, so that
 * leaving needs no memory.  Readers hold SRCU.
 */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "../lodge.h"
#include "bus.h"

#define IO_MAX_DEVS	65536

struct io_slot {
	u64 base;
	u64 reach;			/* highest last address up to this entry */
	struct io_dev *dev;		/* NULL: it has gone */
};

struct io_table {
	int count;
	struct io_slot slot[];		/* by base */
};

static u64 last_address(const struct io_dev *dev)
{
	return dev->base + (dev->len ? dev->len - 1 : 0);
}

int bus_init(struct lodge_vm *vm)
{
	int i;

	mutex_init(&vm->io_lock);
	for (i = 0; i < ARRAY_SIZE(vm->io); i++) {
		struct io_table *t = kvzalloc(sizeof(*t), GFP_KERNEL_ACCOUNT);

		if (!t) {
			while (--i >= 0)
				kvfree(rcu_dereference_protected(vm->io[i], 1));
			return -ENOMEM;
		}
		rcu_assign_pointer(vm->io[i], t);
	}
	return 0;
}

void bus_destroy(struct lodge_vm *vm)
{
	int i, j;

	for (i = 0; i < ARRAY_SIZE(vm->io); i++) {
		struct io_table *t = rcu_dereference_protected(vm->io[i], 1);

		for (j = 0; j < t->count; j++)
			if (t->slot[j].dev)
				t->slot[j].dev->ops->destroy(t->slot[j].dev);
		kvfree(t);
	}
}

static struct io_table *table_of(struct lodge_vm *vm, enum io_space space)
{
	return rcu_dereference_protected(vm->io[space], lockdep_is_held(&vm->io_lock));
}

/* Without the holes, and with one device more at its place. */
static void fill(struct io_table *new, const struct io_table *old, struct io_dev *dev)
{
	struct io_slot *out = new->slot;
	u64 reach = 0;
	int i;

	for (i = 0; i <= old->count; i++) {
		if (dev && (i == old->count || old->slot[i].base > dev->base)) {
			reach = max(reach, last_address(dev));
			*out++ = (struct io_slot) { dev->base, reach, dev };
			dev = NULL;
		}
		if (i == old->count || !old->slot[i].dev)
			continue;
		reach = max(reach, last_address(old->slot[i].dev));
		*out++ = (struct io_slot) { old->slot[i].base, reach, old->slot[i].dev };
	}
	new->count = out - new->slot;
}

int bus_add(struct lodge_vm *vm, struct io_dev *dev)
{
	struct io_table *old = table_of(vm, dev->space), *new;

	if (old->count >= IO_MAX_DEVS)
		return -ENOSPC;
	new = kvmalloc(struct_size(new, slot, old->count + 1), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	fill(new, old, dev);
	WRITE_ONCE(vm->io_devs[dev->space], vm->io_devs[dev->space] + 1);
	WRITE_ONCE(vm->doorbells, vm->doorbells + dev->doorbell);
	rcu_assign_pointer(vm->io[dev->space], new);
	synchronize_srcu_expedited(&vm->srcu);
	kvfree(old);
	return 0;
}

void bus_remove(struct lodge_vm *vm, struct io_dev *dev)
{
	struct io_table *t = table_of(vm, dev->space);
	int i;

	for (i = 0; i < t->count; i++)
		if (t->slot[i].dev == dev)
			WRITE_ONCE(t->slot[i].dev, NULL);
	WRITE_ONCE(vm->io_devs[dev->space], vm->io_devs[dev->space] - 1);
	WRITE_ONCE(vm->doorbells, vm->doorbells - dev->doorbell);
	synchronize_srcu_expedited(&vm->srcu);
	dev->ops->destroy(dev);
}

struct io_dev *bus_next(struct lodge_vm *vm, const struct io_ops *ops, struct io_dev *from)
{
	bool passed = !from;
	int i, j;

	for (i = 0; i < ARRAY_SIZE(vm->io); i++) {
		struct io_table *t = table_of(vm, i);

		for (j = 0; j < t->count; j++) {
			struct io_dev *dev = t->slot[j].dev;

			if (dev && passed && dev->ops == ops)
				return dev;
			passed |= dev && dev == from;
		}
	}
	return NULL;
}

/* The last entry that begins at addr or below, or -1. */
static int last_below(const struct io_table *t, u64 addr)
{
	int lo = 0, hi = t->count;

	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (t->slot[mid].base <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo - 1;
}

struct access {
	struct lodge_vcpu *vcpu;
	u64 addr;
	void *data;
	unsigned int len;
	bool write;
};

static bool offer(struct io_dev *dev, const struct access *a)
{
	if (last_address(dev) < a->addr)
		return false;
	/* a write is handed over as const */
	if (a->write)
		return dev->ops->write(dev, a->vcpu, a->addr, a->data, a->len);
	return dev->ops->read && dev->ops->read(dev, a->vcpu, a->addr, a->data, a->len);
}

static bool find_taker(enum io_space space, const struct access *a)
{
	struct lodge_vm *vm = a->vcpu->vm;
	const struct io_table *t;
	bool taken = false;
	int idx, i;

	/* a machine without such devices does not pay for them */
	if (!READ_ONCE(vm->io_devs[space]))
		return false;
	idx = srcu_read_lock(&vm->srcu);
	t = srcu_dereference(vm->io[space], &vm->srcu);
	i = last_below(t, a->addr);
	for (; !taken && i >= 0 && t->slot[i].reach >= a->addr; i--) {
		struct io_dev *dev = READ_ONCE(t->slot[i].dev);

		taken = dev && offer(dev, a);
	}
	srcu_read_unlock(&vm->srcu, idx);
	return taken;
}

bool bus_read(struct lodge_vcpu *vcpu, enum io_space space, u64 addr,
	      void *data, unsigned int len)
{
	struct access a = { .vcpu = vcpu, .addr = addr, .data = data, .len = len };

	return find_taker(space, &a);
}

bool bus_write(struct lodge_vcpu *vcpu, enum io_space space, u64 addr,
	       const void *data, unsigned int len)
{
	struct access a = {
		.vcpu = vcpu, .addr = addr, .data = (void *)data, .len = len, .write = true,
	};

	return find_taker(space, &a);
}

/* Inside SRCU. */
static struct io_dev *find_doorbell(struct lodge_vm *vm, gpa_t gpa)
{
	const struct io_table *t = srcu_dereference(vm->io[IO_MEMORY], &vm->srcu);
	int i;

	for (i = last_below(t, gpa); i >= 0 && t->slot[i].base == gpa; i--) {
		struct io_dev *dev = READ_ONCE(t->slot[i].dev);

		if (dev && dev->doorbell)
			return dev;
	}
	return NULL;
}

bool bus_has_doorbell(struct lodge_vm *vm, gpa_t gpa)
{
	bool found;
	int idx;

	if (!READ_ONCE(vm->doorbells))
		return false;
	idx = srcu_read_lock(&vm->srcu);
	found = find_doorbell(vm, gpa);
	srcu_read_unlock(&vm->srcu, idx);
	return found;
}

bool bus_ring(struct lodge_vcpu *vcpu, gpa_t gpa)
{
	int idx = srcu_read_lock(&vcpu->vm->srcu);
	struct io_dev *dev = find_doorbell(vcpu->vm, gpa);
	bool rung = dev && dev->ops->write(dev, vcpu, gpa, NULL, 0);

	srcu_read_unlock(&vcpu->vm->srcu, idx);
	return rung;
}
