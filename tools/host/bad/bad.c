// SPDX-License-Identifier: GPL-2.0
/*
 * bad.c - a module that does on loading what its parameter says and no module
 * should, so that the harness can be seen to notice.  Never built or loaded by
 * anything but tools/host/selfcheck.py.
 */
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static char *what = "";
module_param(what, charp, 0);

static DEFINE_SPINLOCK(lock);

static void leak(void)
{
	static struct kmem_cache *cache;

	cache = kmem_cache_create("lodge_bad", 128, 0, 0, NULL);
	if (cache && kmem_cache_alloc(cache, GFP_KERNEL))
		kmem_cache_destroy(cache);
}

static void atomic_sleep(void)
{
	spin_lock(&lock);
	schedule_timeout_uninterruptible(2);
	spin_unlock(&lock);
}

static void spin(bool irqs_off)
{
	if (irqs_off)
		local_irq_disable();
	else
		preempt_disable();
	for (;;)
		cpu_relax();
}

static int __init bad_init(void)
{
	if (!strcmp(what, "warn"))
		WARN_ON(1);
	else if (!strcmp(what, "oops"))
		*(int *)8 = 1;
	else if (!strcmp(what, "panic"))
		panic("asked to");
	else if (!strcmp(what, "leak"))
		leak();
	else if (!strcmp(what, "atomic"))
		atomic_sleep();
	else if (!strcmp(what, "spin"))
		spin(false);
	else if (!strcmp(what, "dead"))
		spin(true);
	return -ECANCELED;
}
module_init(bad_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("does what a module must not");
