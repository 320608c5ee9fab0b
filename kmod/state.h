/* SPDX-License-Identifier: GPL-2.0 */
/* The state of a vCPU as KVM's ABI shows it. */
#ifndef LODGE_STATE_H
#define LODGE_STATE_H

#include "lodge.h"

/* The vCPU is loaded and locked in all of these. */
void state_reset(struct lodge_vcpu *vcpu);
void state_get_regs(struct lodge_vcpu *vcpu, struct kvm_regs *r);
void state_set_regs(struct lodge_vcpu *vcpu, const struct kvm_regs *r);
void state_get_sregs(struct lodge_vcpu *vcpu, struct kvm_sregs *s);
int state_set_sregs(struct lodge_vcpu *vcpu, const struct kvm_sregs *s);

#endif
