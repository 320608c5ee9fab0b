/* SPDX-License-Identifier: GPL-2.0 */
/* How one task makes another task's vCPU look up; Documentation/requests.rst. */
#ifndef LODGE_KICK_H
#define LODGE_KICK_H

#include <linux/bitops.h>

#include "lodge.h"

/* Ask for something; the vCPU sees it before its next entry at the latest. */
static inline void vcpu_request(struct lodge_vcpu *vcpu, enum lodge_request req)
{
	set_bit(req, &vcpu->requests);
}

static inline bool vcpu_take_request(struct lodge_vcpu *vcpu, enum lodge_request req)
{
	return test_bit(req, &vcpu->requests) && test_and_clear_bit(req, &vcpu->requests);
}

/* With interrupts off, by the vCPU's own task: from here on it needs an IPI. */
static inline void vcpu_mode_in_guest(struct lodge_vcpu *vcpu)
{
	/* full barrier: mode before requests, ept_gen and dead are looked at */
	smp_store_mb(vcpu->mode, VCPU_IN_GUEST);
}

static inline void vcpu_mode_outside(struct lodge_vcpu *vcpu)
{
	/* a kick that sees this may rely on the guest's accesses being over */
	smp_store_release(&vcpu->mode, VCPU_OUTSIDE);
}

/* Make sure that it passes through its run loop; does not wait. */
void vcpu_kick(struct lodge_vcpu *vcpu);
/* The same for all, and wait until none runs guest code from before the call. */
void vm_kick_all_wait(struct lodge_vm *vm);

#endif
