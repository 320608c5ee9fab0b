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
#include <linux/timer.h>

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

static void spin_preemption_off(void)
{
	spin(false);
}

static void spin_irqs_off(void)
{
	spin(true);
}

static void warn(void)
{
	WARN_ON(1);
}

static void oops(void)
{
	*(int *)8 = 1;
}

static void ask_for_panic(void)
{
	panic("asked to");
}

/* What follows only a debugging kernel notices. */

static void use_after_free(void)
{
	char *p = kmalloc(64, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(p);
	kfree(p);
	OPTIMIZER_HIDE_VAR(p);
	if (p)
		READ_ONCE(*p);
}

static void shift_too_far(void)
{
	int by = 40;

	OPTIMIZER_HIDE_VAR(by);
	by = 1 << by;
	OPTIMIZER_HIDE_VAR(by);
}

static DEFINE_MUTEX(one);
static DEFINE_MUTEX(two);

static void locks_in_both_orders(void)
{
	mutex_lock(&one);
	mutex_lock(&two);
	mutex_unlock(&two);
	mutex_unlock(&one);
	mutex_lock(&two);
	mutex_lock(&one);
	mutex_unlock(&one);
	mutex_unlock(&two);
}

static void sleep_without_preemption(void)
{
	preempt_disable();
	might_sleep();
	preempt_enable();
}

static void rcu_without_lock(void)
{
	static int __rcu *pointer;

	OPTIMIZER_HIDE_VAR(pointer);
	if (rcu_dereference(pointer))
		cpu_relax();
}

static void never_called(struct timer_list *timer)
{
}

static void free_active_timer(void)
{
	struct timer_list *timer = kmalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return;
	timer_setup(timer, never_called, 0);
	mod_timer(timer, jiffies + 1000 * HZ);
	kfree(timer);
}

/* Some, because a forgotten register may still refer to one. */
static void forget_memory(void)
{
	int i;

	for (i = 0; i < 8; i++) {
		void *p = kmalloc(100, GFP_KERNEL);

		OPTIMIZER_HIDE_VAR(p);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} deeds[] = {
	{ "warn", warn },
	{ "oops", oops },
	{ "panic", ask_for_panic },
	{ "leak", leak },
	{ "atomic", atomic_sleep },
	{ "spin", spin_preemption_off },
	{ "dead", spin_irqs_off },
	{ "kasan", use_after_free },
	{ "ubsan", shift_too_far },
	{ "lockdep", locks_in_both_orders },
	{ "sleep", sleep_without_preemption },
	{ "rcu", rcu_without_lock },
	{ "odebug", free_active_timer },
	{ "kmemleak", forget_memory },
};

static int __init bad_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(deeds); i++)
		if (!strcmp(what, deeds[i].name))
			deeds[i].run();
	return -ECANCELED;
}
module_init(bad_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("does what a module must not");
