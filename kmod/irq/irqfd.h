/* SPDX-License-Identifier: GPL-2.0 */
/* Eventfds that raise a guest's interrupt, without any task of the client's. */
#ifndef LODGE_IRQ_IRQFD_H
#define LODGE_IRQ_IRQFD_H

#include "irq.h"

/* A machine without any; cannot fail. */
void irqfd_init(struct lodge_vm *vm);
/* KVM_IRQFD. */
int irqfd_set(struct lodge_vm *vm, const struct kvm_irqfd *args);
/* The VM's descriptor is gone: no eventfd reaches it any more. */
void irqfd_release(struct lodge_vm *vm);
/* This GSI has been served: lower its line and tell those who resample. */
void irqfd_resample(struct lodge_vm *vm, u32 gsi);
bool irqfd_wants_ack(struct lodge_vm *vm, u32 gsi);

#endif
