// SPDX-License-Identifier: GPL-2.0
/*
 * halt.c - a vCPU that has nothing to do.  Its task looks for a while, in the hope
 * that what it waits for comes soon, and then sleeps until somebody kicks it.  No
 * wake-up is missed: the sleeper announces itself before it looks for the last time,
 * the waker leaves its message before it looks for a sleeper (kick.c).
 */
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/rcuwait.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>

#include "lodge.h"
#include "compat.h"
#include "halt.h"
#include "irq/lapic.h"
#include "vmx/cpu.h"
#include "trace.h"
#include "vmx/inject.h"

static unsigned int halt_poll_ns = 200000;
module_param(halt_poll_ns, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns, "longest look before a halted vCPU sleeps (default 200000)");

static unsigned int halt_poll_ns_grow = 2;
module_param(halt_poll_ns_grow, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns_grow, "factor by which a look that was too short grows (default 2)");

static unsigned int halt_poll_ns_grow_start = 10000;
module_param(halt_poll_ns_grow_start, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns_grow_start, "length of the first look (default 10000)");

static unsigned int halt_poll_ns_shrink;
module_param(halt_poll_ns_shrink, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns_shrink, "divisor for a look that was in vain; 0: none (default 0)");

static bool is_woken(struct lodge_vcpu *vcpu)
{
	if (vcpu->ex.pending || vcpu->ex.injected)
		return true;
	if (vcpu->nmi_injected || (vcpu->nmi_pending && inject_nmi_allowed(vcpu)))
		return true;
	return vcpu->irq_injected ||
	       (vcpu->apic && lapic_has_interrupt(vcpu) && inject_irq_now(vcpu));
}

bool halt_is_over(struct lodge_vcpu *vcpu)
{
	/* only INIT and SIPI, which are requests, start the others */
	if ((vcpu->mp_state == KVM_MP_STATE_HALTED ||
	     vcpu->mp_state == KVM_MP_STATE_AP_RESET_HOLD) &&
	    (READ_ONCE(vcpu->unhalted) || is_woken(vcpu))) {
		WRITE_ONCE(vcpu->unhalted, false);
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	}
	return vcpu->mp_state == KVM_MP_STATE_RUNNABLE;
}

static bool must_look(struct lodge_vcpu *vcpu)
{
	return READ_ONCE(vcpu->requests) || signal_pending(current) || compat_task_work() ||
	       READ_ONCE(vcpu->vm->dead) || vmx_going_down() || halt_is_over(vcpu);
}

static u64 ns_since(ktime_t start)
{
	return ktime_to_ns(ktime_sub(ktime_get(), start));
}

static bool poll(struct lodge_vcpu *vcpu, ktime_t start)
{
	ktime_t end = ktime_add_ns(start, vcpu->halt_poll_ns);

	vcpu->stats.polls++;
	do {
		if (must_look(vcpu)) {
			vcpu->stats.polls_hit++;
			stat_add_ns(&vcpu->stats.poll_hit_ns, vcpu->stats.poll_hit_hist,
				    ns_since(start));
			return true;
		}
		cpu_relax();
		/* nobody else is to wait for what is only a guess */
	} while (!need_resched() && single_task_running() && ktime_before(ktime_get(), end));
	stat_add_ns(&vcpu->stats.poll_miss_ns, vcpu->stats.poll_miss_hist, ns_since(start));
	return false;
}

static void sleep(struct lodge_vcpu *vcpu)
{
	ktime_t start = ktime_get();

	vcpu->stats.sleeping = 1;
	if (vcpu->apic)
		lapic_timer_sleep(vcpu);
	prepare_to_rcuwait(&vcpu->wait);
	for (;;) {
		/* a full barrier: pairs with that of rcuwait_wake_up() */
		set_current_state(TASK_INTERRUPTIBLE);
		if (must_look(vcpu))
			break;
		schedule();
	}
	finish_rcuwait(&vcpu->wait);
	vcpu->stats.sleeping = 0;
	vcpu->stats.wakeups++;
	stat_add_ns(&vcpu->stats.sleep_ns, vcpu->stats.sleep_hist, ns_since(start));
	if (vcpu->apic)
		lapic_timer_wake(vcpu);
}

static void grow(struct lodge_vcpu *vcpu, unsigned int limit)
{
	unsigned int factor = READ_ONCE(halt_poll_ns_grow);
	u64 ns = max_t(u64, (u64)vcpu->halt_poll_ns * factor, READ_ONCE(halt_poll_ns_grow_start));

	if (factor)
		vcpu->halt_poll_ns = min_t(u64, ns, limit);
}

static void shrink(struct lodge_vcpu *vcpu)
{
	unsigned int divisor = READ_ONCE(halt_poll_ns_shrink);

	vcpu->halt_poll_ns = divisor ? vcpu->halt_poll_ns / divisor : 0;
}

/* Look longer next time if that would have spared the sleep. */
static void learn(struct lodge_vcpu *vcpu, ktime_t start, bool slept)
{
	unsigned int limit = READ_ONCE(halt_poll_ns);
	u64 ns = ns_since(start);

	trace_lodge_vcpu_wakeup(ns, slept);

	if (vcpu->halt_poll_ns > limit)
		vcpu->halt_poll_ns = limit;
	else if (slept && ns > limit)
		shrink(vcpu);
	else if (slept && vcpu->halt_poll_ns < limit)
		grow(vcpu, limit);
}

void halt_wait(struct lodge_vcpu *vcpu)
{
	ktime_t start = ktime_get();
	bool slept = false;

	if (!vcpu->halt_poll_ns || !vcpu->poll_control || !poll(vcpu, start)) {
		sleep(vcpu);
		slept = true;
	}
	if (vcpu->mp_state == KVM_MP_STATE_RUNNABLE || vcpu->mp_state == KVM_MP_STATE_HALTED)
		learn(vcpu, start, slept);
}
