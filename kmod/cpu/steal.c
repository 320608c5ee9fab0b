// SPDX-License-Identifier: GPL-2.0
/*
 * steal.c - stolen time: a guest that asks for it (MSR 0x4b564d03) finds in a struct
 * of its own for how many nanoseconds this vCPU's task was ready and had no CPU, and
 * whether that is so at this moment.  The first is written before the vCPU runs
 * again; the second by the scheduler's call, where nothing may sleep: if the page
 * is not at hand, the guest does not learn it.
 */
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <asm/kvm_para.h>

#include "../lodge.h"
#include "../kick.h"
#include "../mem/slots.h"
#include "pvmem.h"
#include "steal.h"

/* An aligned struct lies in one page. */
static_assert(sizeof(struct kvm_steal_time) == 64);

bool steal_is_known(void)
{
	return sched_info_on();
}

static u64 run_delay(void)
{
#ifdef CONFIG_SCHED_INFO
	return current->sched_info.run_delay;
#else
	return 0;
#endif
}

static bool is_wanted(const struct lodge_vcpu *vcpu)
{
	return vcpu->steal_msr & KVM_MSR_ENABLED;
}

static gpa_t place(const struct lodge_vcpu *vcpu)
{
	return vcpu->steal_msr & KVM_STEAL_VALID_BITS;
}

bool steal_write_msr(struct lodge_vcpu *vcpu, u64 value)
{
	if (value & KVM_STEAL_RESERVED_MASK)
		return false;
	vcpu->steal_msr = value;
	if (is_wanted(vcpu))
		vcpu_request(vcpu, REQ_STEAL);
	return true;
}

/* Since the last call; another task has another count, which begins here. */
static u64 stolen(struct lodge_vcpu *vcpu)
{
	u64 now = run_delay(), ns = now - vcpu->steal_seen;

	if (vcpu->steal_task != current || now < vcpu->steal_seen)
		ns = 0;
	vcpu->steal_task = current;
	vcpu->steal_seen = now;
	return ns;
}

void steal_update(struct lodge_vcpu *vcpu)
{
	struct kvm_steal_time st;

	if (!is_wanted(vcpu))
		return;
	/* the guest's sum goes on, with the machine, from host to host */
	if (!pvmem_read(vcpu->vm, place(vcpu), &st, sizeof(st)))
		return;
	st.steal += stolen(vcpu);
	st.preempted = 0;
	vcpu->steal_flagged = false;
	pvmem_write_versioned(vcpu, place(vcpu), &st, sizeof(st),
			      offsetof(struct kvm_steal_time, version));
}

void steal_load(struct lodge_vcpu *vcpu)
{
	if (is_wanted(vcpu) && (vcpu->steal_flagged || vcpu->steal_task != current ||
				vcpu->steal_seen != run_delay()))
		vcpu_request(vcpu, REQ_STEAL);
}

void steal_sched_out(struct lodge_vcpu *vcpu)
{
	static const u8 preempted = KVM_VCPU_PREEMPTED;

	/* a process that ends has no memory any more */
	if (!is_wanted(vcpu) || !READ_ONCE(vcpu->preempted) || vcpu->steal_flagged ||
	    current->mm != vcpu->vm->mm)
		return;
	vcpu->steal_flagged =
		mem_write_nofault(vcpu, place(vcpu) + offsetof(struct kvm_steal_time, preempted),
				  &preempted, sizeof(preempted)) == MEM_OK;
	vcpu->stats.preemptions_told += vcpu->steal_flagged;
}
