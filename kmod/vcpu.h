/* SPDX-License-Identifier: GPL-2.0 */
/* The life of a virtual CPU. */
#ifndef LODGE_VCPU_H
#define LODGE_VCPU_H

#include <linux/signal_types.h>

#include "lodge.h"

struct lodge_vcpu *vcpu_create(struct lodge_vm *vm, int id);
void vcpu_free(struct lodge_vcpu *vcpu);

/*
 * Under vcpu->lock: bring its VMCS to this CPU and keep it there; and let go.
 * False if VMX is not to be had; vcpu_put() follows in any case.
 */
bool vcpu_load(struct lodge_vcpu *vcpu);
void vcpu_put(struct lodge_vcpu *vcpu);

/* What KVM_RUN blocks, instead of what its task does; NULL: no difference. */
void vcpu_set_sigmask(struct lodge_vcpu *vcpu, const sigset_t *mask);

/* KVM_RUN, loaded. */
int vcpu_run(struct lodge_vcpu *vcpu);

#endif
