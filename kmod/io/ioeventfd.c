// SPDX-License-Identifier: GPL-2.0
/*
 * ioeventfd.c - a guest's write that means nothing but "look": it signals an
 * eventfd, and the guest goes on without user space having been asked.
 */
#include <linux/eventfd.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../lodge.h"
#include "../compat.h"
#include "bus.h"
#include "ioeventfd.h"

struct ioeventfd {
	struct io_dev dev;
	struct eventfd_ctx *ctx;	/* (C) */
	u64 data;			/* (C) */
	bool any_data;			/* (C) */
};

static struct ioeventfd *of(struct io_dev *dev)
{
	return container_of(dev, struct ioeventfd, dev);
}

static bool write(struct io_dev *dev, struct lodge_vcpu *vcpu, u64 addr,
		  const void *data, unsigned int len)
{
	struct ioeventfd *e = of(dev);
	u64 value = 0;

	if (addr != dev->base || (dev->len && len != dev->len))
		return false;
	if (!e->any_data) {
		memcpy(&value, data, min_t(unsigned int, len, sizeof(value)));
		if (value != e->data)
			return false;
	}
	compat_eventfd_signal(e->ctx);
	return true;
}

static void destroy(struct io_dev *dev)
{
	eventfd_ctx_put(of(dev)->ctx);
	kfree(of(dev));
}

static const struct io_ops ops = {
	.write = write,
	.destroy = destroy,
};

/* Would one write go to both? */
static bool collides(const struct ioeventfd *a, const struct ioeventfd *b)
{
	if (a->dev.space != b->dev.space || a->dev.base != b->dev.base)
		return false;
	if (!a->dev.len || !b->dev.len)
		return true;
	return a->dev.len == b->dev.len && (a->any_data || b->any_data || a->data == b->data);
}

static int add(struct lodge_vm *vm, struct ioeventfd *e)
{
	struct io_dev *dev;

	for (dev = bus_next(vm, &ops, NULL); dev; dev = bus_next(vm, &ops, dev))
		if (collides(of(dev), e))
			return -EEXIST;
	return bus_add(vm, &e->dev);
}

static int assign(struct lodge_vm *vm, const struct ioeventfd *wanted)
{
	struct ioeventfd *e = kmemdup(wanted, sizeof(*e), GFP_KERNEL_ACCOUNT);
	int err;

	if (!e)
		return -ENOMEM;
	mutex_lock(&vm->io_lock);
	err = add(vm, e);
	mutex_unlock(&vm->io_lock);
	if (err)
		kfree(e);
	return err;
}

static bool same(const struct ioeventfd *a, const struct ioeventfd *b)
{
	return a->ctx == b->ctx && a->dev.space == b->dev.space &&
	       a->dev.base == b->dev.base && a->dev.len == b->dev.len &&
	       a->any_data == b->any_data && (a->any_data || a->data == b->data);
}

static int deassign(struct lodge_vm *vm, const struct ioeventfd *wanted)
{
	struct io_dev *dev;

	mutex_lock(&vm->io_lock);
	for (dev = bus_next(vm, &ops, NULL); dev; dev = bus_next(vm, &ops, dev))
		if (same(of(dev), wanted))
			break;
	if (dev)
		bus_remove(vm, dev);
	mutex_unlock(&vm->io_lock);
	return dev ? 0 : -ENOENT;
}

#define FLAGS (KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO | \
	       KVM_IOEVENTFD_FLAG_DEASSIGN)

static bool valid(const struct kvm_ioeventfd *args)
{
	bool match = args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH;

	if (args->flags & ~(u32)FLAGS || args->addr + args->len < args->addr)
		return false;
	switch (args->len) {
	case 0:
		return !match;
	case 1:
	case 2:
	case 4:
	case 8:
		return true;
	default:
		return false;
	}
}

int ioeventfd_set(struct lodge_vm *vm, const struct kvm_ioeventfd *args)
{
	struct ioeventfd wanted = {
		.dev = {
			.ops = &ops, .base = args->addr, .len = args->len,
			.space = (args->flags & KVM_IOEVENTFD_FLAG_PIO) ? IO_PORTS : IO_MEMORY,
			.doorbell = !args->len && !(args->flags & KVM_IOEVENTFD_FLAG_PIO),
		},
		.any_data = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH),
		.data = args->datamatch,
	};
	bool go = args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN;
	int err;

	if (!go && !valid(args))
		return -EINVAL;
	wanted.ctx = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(wanted.ctx))
		return PTR_ERR(wanted.ctx);
	err = go ? deassign(vm, &wanted) : assign(vm, &wanted);
	/* what is assigned keeps the reference */
	if (go || err)
		eventfd_ctx_put(wanted.ctx);
	return err;
}
