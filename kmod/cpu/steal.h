/* SPDX-License-Identifier: GPL-2.0 */
/* Stolen time: how long a vCPU would have run, had it had a CPU. */
#ifndef LODGE_CPU_STEAL_H
#define LODGE_CPU_STEAL_H

#include "../lodge.h"

/* Does this kernel count it? */
bool steal_is_known(void);
/* False: a reserved bit. */
bool steal_write_msr(struct lodge_vcpu *vcpu, u64 value);

/* REQ_STEAL, before an entry; sleeps. */
void steal_update(struct lodge_vcpu *vcpu);

/* Its task comes to a CPU; is driven from it by others, or sleeps.  Preemption is off. */
void steal_load(struct lodge_vcpu *vcpu);
void steal_sched_out(struct lodge_vcpu *vcpu);

#endif
