/* SPDX-License-Identifier: GPL-2.0 */
/* The interrupt controllers of a machine as the client creates, reads and loads them. */
#ifndef LODGE_IRQCHIP_H
#define LODGE_IRQCHIP_H

#include "lodge.h"

/* KVM_CREATE_IRQCHIP, KVM_CAP_SPLIT_IRQCHIP (under vm->lock), KVM_CREATE_PIT2. */
int irqchip_create(struct lodge_vm *vm);
int irqchip_create_split(struct lodge_vm *vm, u64 pins);
int irqchip_create_pit(struct lodge_vm *vm, const struct kvm_pit_config *config);
/* Before the vCPUs go, and after them. */
void irqchip_stop(struct lodge_vm *vm);
void irqchip_destroy(struct lodge_vm *vm);

/* Under vm->lock, before a vCPU is made: the page that shows its APIC. */
int irqchip_prepare_vcpu(struct lodge_vm *vm);

int irqchip_get(struct lodge_vm *vm, struct kvm_irqchip *chip);
int irqchip_set(struct lodge_vm *vm, const struct kvm_irqchip *chip);
int irqchip_set_boot_id(struct lodge_vm *vm, unsigned long id);

#endif
