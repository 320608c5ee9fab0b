// SPDX-License-Identifier: GPL-2.0
/*
 * msr_filter.c - which MSRs user space lets its guest reach
 * (KVM_X86_SET_MSR_FILTER).  A filter is built, published as a whole, and read
 * under the VM's SRCU; every vCPU then brings its bitmap of MSRs that need no
 * exit up to date before it enters again.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "../lodge.h"
#include "../kick.h"
#include "msr_filter.h"

void msr_filter_free(struct lodge_msr_filter *f)
{
	int i;

	if (!f)
		return;
	for (i = 0; i < f->count; i++)
		kfree(f->range[i].bits);
	kfree(f);
}

void msr_filter_install(struct lodge_vm *vm, struct lodge_msr_filter *f)
{
	struct lodge_msr_filter *old;
	int i;

	mutex_lock(&vm->lock);
	old = rcu_replace_pointer(vm->msr_filter, f, lockdep_is_held(&vm->lock));
	synchronize_srcu_expedited(&vm->srcu);
	for (i = 0; i < vm->nr_vcpus; i++)
		vcpu_request(vm->vcpus[i], REQ_MSR_FILTER);
	/* when user space hears of it, no guest runs by the old one */
	vm_kick_all_wait(vm);
	mutex_unlock(&vm->lock);
	msr_filter_free(old);
}

static bool lookup(const struct lodge_msr_filter *f, u32 index, u32 access)
{
	int i;

	for (i = 0; i < f->count; i++) {
		const struct lodge_msr_range *r = &f->range[i];
		u32 bit = index - r->base;

		if (bit < r->count && (r->flags & access))
			return test_bit(array_index_nospec(bit, r->count), r->bits);
	}
	return f->default_allow;
}

bool msr_filter_allows(struct lodge_vm *vm, u32 index, u32 access)
{
	const struct lodge_msr_filter *f;
	bool allowed = true;
	int idx;

	/* the x2APIC's registers are the interrupt controller's business */
	if (index >= 0x800 && index <= 0x8ff)
		return true;
	/* no filter, the usual case: nothing to hold on to */
	if (likely(!rcu_access_pointer(vm->msr_filter)))
		return true;
	idx = srcu_read_lock(&vm->srcu);
	f = srcu_dereference(vm->msr_filter, &vm->srcu);
	if (f)
		allowed = lookup(f, index, access);
	srcu_read_unlock(&vm->srcu, idx);
	return allowed;
}
