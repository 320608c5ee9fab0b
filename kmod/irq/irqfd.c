// SPDX-License-Identifier: GPL-2.0
/*
 * irqfd.c - eventfds that raise a guest's interrupt.  Whoever signals one (a device
 * model, vhost, the interrupt handler of VFIO) runs wake() below, and the interrupt is
 * on its way when the signal returns; no task of the client takes part.  A line that
 * resamples stays high until the guest has served it, which ioapic.c and pic.c report
 * through route.c, and which another eventfd tells those who raised it.  Nothing is
 * signalled here under a spinlock or from wake(), where eventfds do not nest.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/kernel.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../lodge.h"
#include "../compat.h"
#include "irqfd.h"
#include "lapic.h"
#include "route.h"

struct irqfd {
	struct lodge_vm *vm;			/* (C) */
	u32 gsi;				/* (C) */
	struct eventfd_ctx *ctx;		/* (C) signalled to us */
	struct eventfd_ctx *resample_ctx;	/* (C) signalled by us; NULL: edges only */
	wait_queue_entry_t wait;		/* (C) in ctx's queue */
	bool hung_up;				/* (A) set once: ctx's last file is closed */
	struct list_head link;			/* irqfd_lock; in vm->irqfds until detached */
	struct list_head resampler;		/* irqfd_lock, read under srcu */
};

/* Raising */

static void raise(const struct irqfd *f)
{
	if (f->resample_ctx) {
		route_line(f->vm, f->gsi, SOURCE_RESAMPLE, true);
	} else {
		route_line(f->vm, f->gsi, SOURCE_USER, true);
		route_line(f->vm, f->gsi, SOURCE_USER, false);
	}
}

/* Under the lock of the eventfd's queue, with interrupts off. */
static int wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *f = container_of(wait, struct irqfd, wait);
	__poll_t events = key_to_poll(key);
	u64 count;

	if (events & EPOLLHUP) {
		/* leaving the queue takes the lock that our caller holds */
		WRITE_ONCE(f->hung_up, true);
		schedule_work(&f->vm->irqfd_reaper);
	}
	if (!(events & EPOLLIN))
		return 0;
	eventfd_ctx_do_read(f->ctx, &count);
	raise(f);
	/* it is consumed: nobody else need wake up */
	return 1;
}

/* Resampling */

bool irqfd_wants_ack(struct lodge_vm *vm, u32 gsi)
{
	int idx = srcu_read_lock(&vm->srcu);
	const struct irqfd *f;
	bool wanted = false;

	list_for_each_entry_srcu(f, &vm->resamplers, resampler, srcu_read_lock_held(&vm->srcu))
		wanted |= f->gsi == gsi;
	srcu_read_unlock(&vm->srcu, idx);
	return wanted;
}

/*
 * All that resample a GSI drive its line as one: it is lowered once, before the first
 * of them can raise it again.
 */
void irqfd_resample(struct lodge_vm *vm, u32 gsi)
{
	const struct irqfd *f;
	int idx;

	if (!irqfd_wants_ack(vm, gsi))
		return;
	route_line(vm, gsi, SOURCE_RESAMPLE, false);
	idx = srcu_read_lock(&vm->srcu);
	list_for_each_entry_srcu(f, &vm->resamplers, resampler, srcu_read_lock_held(&vm->srcu))
		if (f->gsi == gsi)
			compat_eventfd_signal(f->resample_ctx);
	srcu_read_unlock(&vm->srcu, idx);
}

/* Coming */

/* For the time of one vfs_poll(). */
struct waiter {
	poll_table table;
	struct irqfd *f;
};

static void join_queue(struct file *file, wait_queue_head_t *queue, poll_table *table)
{
	struct irqfd *f = container_of(table, struct waiter, table)->f;

	/* before any reader, who would find a count that was raised already */
	add_wait_queue_priority(queue, &f->wait);
}

static void irqfd_free(struct irqfd *f)
{
	if (!IS_ERR_OR_NULL(f->ctx))
		eventfd_ctx_put(f->ctx);
	if (!IS_ERR_OR_NULL(f->resample_ctx))
		eventfd_ctx_put(f->resample_ctx);
	kfree(f);
}

static struct irqfd *irqfd_alloc(struct lodge_vm *vm, const struct kvm_irqfd *args,
				 struct file *file)
{
	struct irqfd *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	long err = 0;

	if (!f)
		return ERR_PTR(-ENOMEM);
	f->vm = vm;
	f->gsi = args->gsi;
	init_waitqueue_func_entry(&f->wait, wake);
	f->ctx = eventfd_ctx_fileget(file);
	if (IS_ERR(f->ctx))
		err = PTR_ERR(f->ctx);
	else if (args->flags & KVM_IRQFD_FLAG_RESAMPLE)
		f->resample_ctx = eventfd_ctx_fdget(args->resamplefd);
	if (IS_ERR(f->resample_ctx))
		err = PTR_ERR(f->resample_ctx);
	if (!err)
		return f;
	irqfd_free(f);
	return ERR_PTR(err);
}

/* Under irqfd_lock. */
static int attach(struct irqfd *f, struct file *file)
{
	struct waiter waiter = { .f = f };
	struct lodge_vm *vm = f->vm;
	const struct irqfd *other;

	list_for_each_entry(other, &vm->irqfds, link)
		if (other->ctx == f->ctx)
			return -EBUSY;
	list_add_tail(&f->link, &vm->irqfds);
	if (f->resample_ctx) {
		list_add_tail_rcu(&f->resampler, &vm->resamplers);
		lapic_rescan(vm);
	}
	init_poll_funcptr(&waiter.table, join_queue);
	/* what was signalled before is an interrupt, too */
	if (vfs_poll(file, &waiter.table) & EPOLLIN)
		raise(f);
	return 0;
}

static bool allowed(struct lodge_vm *vm, const struct kvm_irqfd *args)
{
	/* pairs with the release of who gives the machine its chips */
	enum lodge_irqchip chips = smp_load_acquire(&vm->irqchip);

	/* what a client's own IOAPIC serves is not told here */
	if (args->flags & KVM_IRQFD_FLAG_RESAMPLE)
		return chips == IRQCHIP_KERNEL;
	return chips != IRQCHIP_NONE;
}

static int assign(struct lodge_vm *vm, const struct kvm_irqfd *args)
{
	struct file *file;
	struct irqfd *f;
	int err;

	if (!allowed(vm, args))
		return -EINVAL;
	file = fget(args->fd);
	if (!file)
		return -EBADF;
	f = irqfd_alloc(vm, args, file);
	err = PTR_ERR_OR_ZERO(f);
	if (!err) {
		mutex_lock(&vm->irqfd_lock);
		err = attach(f, file);
		mutex_unlock(&vm->irqfd_lock);
		if (err)
			irqfd_free(f);
	}
	/* not before: it cannot hang up while it is being attached */
	fput(file);
	return err;
}

/* Going */

/* Under irqfd_lock.  When it returns, wake() does not run and will not any more. */
static void detach(struct irqfd *f, struct list_head *gone)
{
	u64 count;

	eventfd_ctx_remove_wait_queue(f->ctx, &f->wait, &count);
	if (f->resample_ctx)
		list_del_rcu(&f->resampler);
	list_move_tail(&f->link, gone);
}

static bool any_resamples(const struct list_head *gone)
{
	const struct irqfd *f;

	list_for_each_entry(f, gone, link)
		if (f->resample_ctx)
			return true;
	return false;
}

/* Under irqfd_lock, so that nobody joins a GSI whose line is being lowered for good. */
static void bury(struct lodge_vm *vm, struct list_head *gone)
{
	struct irqfd *f, *next;

	if (any_resamples(gone)) {
		synchronize_srcu_expedited(&vm->srcu);
		lapic_rescan(vm);
	}
	list_for_each_entry_safe(f, next, gone, link) {
		if (f->resample_ctx && !irqfd_wants_ack(vm, f->gsi))
			route_line(vm, f->gsi, SOURCE_RESAMPLE, false);
		irqfd_free(f);
	}
}

static int deassign(struct lodge_vm *vm, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(args->fd);
	struct irqfd *f, *next;
	LIST_HEAD(gone);

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	mutex_lock(&vm->irqfd_lock);
	list_for_each_entry_safe(f, next, &vm->irqfds, link)
		if (f->ctx == ctx && f->gsi == args->gsi)
			detach(f, &gone);
	bury(vm, &gone);
	mutex_unlock(&vm->irqfd_lock);
	eventfd_ctx_put(ctx);
	return 0;
}

/* The closed eventfds of one machine; none of them is signalled by user space again. */
static void reap(struct work_struct *work)
{
	struct lodge_vm *vm = container_of(work, struct lodge_vm, irqfd_reaper);
	struct irqfd *f, *next;
	LIST_HEAD(gone);

	mutex_lock(&vm->irqfd_lock);
	list_for_each_entry_safe(f, next, &vm->irqfds, link)
		if (READ_ONCE(f->hung_up))
			detach(f, &gone);
	bury(vm, &gone);
	mutex_unlock(&vm->irqfd_lock);
}

void irqfd_init(struct lodge_vm *vm)
{
	mutex_init(&vm->irqfd_lock);
	INIT_LIST_HEAD(&vm->irqfds);
	INIT_LIST_HEAD(&vm->resamplers);
	INIT_WORK(&vm->irqfd_reaper, reap);
}

void irqfd_release(struct lodge_vm *vm)
{
	struct irqfd *f, *next;
	LIST_HEAD(gone);

	mutex_lock(&vm->irqfd_lock);
	list_for_each_entry_safe(f, next, &vm->irqfds, link)
		detach(f, &gone);
	bury(vm, &gone);
	mutex_unlock(&vm->irqfd_lock);
	/* nobody is left who could schedule it, but it may wait for the lock even now */
	cancel_work_sync(&vm->irqfd_reaper);
}

#define FLAGS (KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE)

int irqfd_set(struct lodge_vm *vm, const struct kvm_irqfd *args)
{
	if (args->flags & ~(u32)FLAGS)
		return -EINVAL;
	return args->flags & KVM_IRQFD_FLAG_DEASSIGN ? deassign(vm, args) : assign(vm, args);
}
