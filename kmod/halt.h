/* SPDX-License-Identifier: GPL-2.0 */
/* A vCPU that waits: halted, or not started yet. */
#ifndef LODGE_HALT_H
#define LODGE_HALT_H

#include "lodge.h"

/*
 * By its own task, while mp_state is not RUNNABLE: may it go on?  Then it is
 * RUNNABLE from here on.
 */
bool halt_is_over(struct lodge_vcpu *vcpu);
/* Until that may be so, or something else is to be looked at. */
void halt_wait(struct lodge_vcpu *vcpu);

#endif
