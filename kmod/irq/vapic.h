/* SPDX-License-Identifier: GPL-2.0 */
/* The task priority, where the client has put a word of memory in its place. */
#ifndef LODGE_IRQ_VAPIC_H
#define LODGE_IRQ_VAPIC_H

#include "lapic.h"

/* KVM_TPR_ACCESS_REPORTING, KVM_SET_VAPIC_ADDR */
int vapic_set_reporting(struct lodge_vcpu *vcpu, const struct kvm_tpr_access_ctl *ctl);
int vapic_set_addr(struct lodge_vcpu *vcpu, const struct kvm_vapic_addr *va);

/* The guest uses the register, and lodge carries that out. */
void vapic_report(struct lodge_vcpu *vcpu, bool write);

/* With an address: before an entry, and after an exit; may sleep. */
void vapic_show(struct lodge_vcpu *vcpu);
void vapic_collect(struct lodge_vcpu *vcpu);

#endif
