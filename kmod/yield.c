// SPDX-License-Identifier: GPL-2.0
/*
 * yield.c - a vCPU that spins waits for another one, which most likely was preempted
 * with a lock of the guest's.  Its time is given to such a one.  Everything here is a
 * guess by what others say of themselves at that moment; a wrong one costs time and
 * nothing else.
 */
#include <linux/kernel.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/task.h>

#include "lodge.h"
#include "yield.h"

bool yield_to_vcpu(struct lodge_vcpu *target)
{
	struct task_struct *task;
	bool done;

	/* a task that has ended is freed a grace period after it has left KVM_RUN */
	rcu_read_lock();
	task = READ_ONCE(target->task);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	if (!task)
		return false;
	done = yield_to(task, true) > 0;
	put_task_struct(task);
	return done;
}

void yield_on_spin(struct lodge_vcpu *vcpu)
{
	struct lodge_vm *vm = vcpu->vm;
	/* pairs with the release in vm_create_vcpu() */
	int n = smp_load_acquire(&vm->nr_vcpus);
	int i, at = READ_ONCE(vm->last_boosted);

	/* in turns, so that one who is not the holder does not get it all */
	for (i = 0; i < n; i++) {
		struct lodge_vcpu *other;

		at = at + 1 < n ? at + 1 : 0;
		other = vm->vcpus[at];
		if (other == vcpu || !READ_ONCE(other->preempted))
			continue;
		if (yield_to_vcpu(other)) {
			WRITE_ONCE(vm->last_boosted, at);
			return;
		}
	}
}
