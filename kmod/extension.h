/* SPDX-License-Identifier: GPL-2.0 */
/* KVM's capabilities as lodge has them. */
#ifndef LODGE_EXTENSION_H
#define LODGE_EXTENSION_H

#include "lodge.h"

/* 0: not there. */
int extension_check(unsigned long cap);
int extension_enable(struct lodge_vm *vm, const struct kvm_enable_cap *e);

/* Those that change a vCPU. */
int extension_enable_vcpu(struct lodge_vcpu *vcpu, const struct kvm_enable_cap *e);

#endif
