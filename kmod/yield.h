/* SPDX-License-Identifier: GPL-2.0 */
/* Who may have what a spinning vCPU waits for is let run instead of it. */
#ifndef LODGE_YIELD_H
#define LODGE_YIELD_H

#include "lodge.h"

/* By its own task: the guest spins. */
void yield_on_spin(struct lodge_vcpu *vcpu);
/* To this one, if it wants to run; false: it does not. */
bool yield_to_vcpu(struct lodge_vcpu *target);

#endif
