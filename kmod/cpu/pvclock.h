/* SPDX-License-Identifier: GPL-2.0 */
/* kvmclock: a clock that the guest reads from a page of its own and its counter. */
#ifndef LODGE_CPU_PVCLOCK_H
#define LODGE_CPU_PVCLOCK_H

#include <linux/bitops.h>
#include <linux/jiffies.h>

#include "../lodge.h"

int pvclock_init(void);
void pvclock_exit(void);
void pvclock_vm_init(struct lodge_vm *vm);
void pvclock_vm_exit(struct lodge_vm *vm);

void pvclock_get(struct lodge_vm *vm, struct kvm_clock_data *data);
int pvclock_set(struct lodge_vm *vm, const struct kvm_clock_data *data);
/* The guest's own clock will tell it that it was stopped.  EINVAL: it has none. */
int pvclock_guest_stopped(struct lodge_vcpu *vcpu);

/* The MSRs by which a guest says where it wants its clocks. */
bool pvclock_read_msr(struct lodge_vcpu *vcpu, u32 index, u64 *value);
bool pvclock_write_msr(struct lodge_vcpu *vcpu, u32 index, u64 value, bool host);

/* KVM_HC_CLOCK_PAIRING: wall time and the guest's counter, of one moment; its answer. */
long pvclock_pair(struct lodge_vcpu *vcpu, gpa_t gpa, u64 type);

/* Before an entry; sleeps. */
void pvclock_update(struct lodge_vcpu *vcpu);

/* Is it to be called?  Without an anchor the page is a guess that grows old. */
static inline bool pvclock_due(struct lodge_vcpu *vcpu)
{
	if (test_bit(REQ_CLOCK, &vcpu->requests))
		return true;
	return (vcpu->pvclock_msr & 1) && !READ_ONCE(vcpu->vm->anchor.on) &&
	       time_after(jiffies, vcpu->pvclock_time + HZ);
}

#endif
