// SPDX-License-Identifier: GPL-2.0
/*
 * kick.c - the protocol between a vCPU that may be inside the guest and anybody
 * who wants its attention.  It is Dekker's: the asker writes what it wants and
 * then reads the mode, the vCPU writes the mode and then reads what is wanted,
 * with a full barrier between the two on both sides.  So either the vCPU sees
 * the wish before it enters, or the asker sees that it needs an IPI.  A vCPU that
 * sleeps is the same story with the task's state in place of the mode.  Nothing
 * here ever waits for a vCPU that is outside.
 */
#include <linux/cpumask.h>
#include <linux/percpu.h>
#include <linux/rcuwait.h>
#include <linux/smp.h>
#include <trace/events/ipi.h>

#include "lodge.h"
#include "kick.h"

static DEFINE_PER_CPU(struct cpumask, kick_mask);	/* preemption off */

void vcpu_kick(struct lodge_vcpu *vcpu)
{
	int cpu;

	/* has a full barrier: pairs with set_current_state() in halt.c */
	rcuwait_wake_up(&vcpu->wait);
	/* pairs with vcpu_mode_in_guest() */
	smp_mb();
	/* EXITING: the first asker's IPI serves everybody */
	if (cmpxchg(&vcpu->mode, VCPU_IN_GUEST, VCPU_EXITING) != VCPU_IN_GUEST)
		return;
	cpu = READ_ONCE(vcpu->last_cpu);
	if (cpu >= 0 && cpu != raw_smp_processor_id())
		smp_send_reschedule(cpu);
}

void vm_kick_all(struct lodge_vm *vm)
{
	int i;

	/* pairs with the release in vm_create_vcpu() */
	for (i = smp_load_acquire(&vm->nr_vcpus) - 1; i >= 0; i--)
		vcpu_kick(vm->vcpus[i]);
}

static void arrived(void *unused)
{
	/* that the interrupt was taken is the message */
}

void vm_kick_all_wait(struct lodge_vm *vm)
{
	struct cpumask *mask;
	int i, cpu;

	preempt_disable();
	mask = this_cpu_ptr(&kick_mask);
	cpumask_clear(mask);
	/* pairs with vcpu_mode_in_guest() */
	smp_mb();
	/* pairs with the release in vm_create_vcpu() */
	for (i = smp_load_acquire(&vm->nr_vcpus) - 1; i >= 0; i--) {
		struct lodge_vcpu *vcpu = vm->vcpus[i];

		/* pairs with the release in vcpu_mode_outside() */
		if (smp_load_acquire(&vcpu->mode) == VCPU_OUTSIDE)
			continue;
		cpu = READ_ONCE(vcpu->last_cpu);
		if (cpu >= 0 && cpu != raw_smp_processor_id())
			__cpumask_set_cpu(cpu, mask);
	}
	if (!cpumask_empty(mask))
		smp_call_function_many(mask, arrived, NULL, true);
	preempt_enable();
}
