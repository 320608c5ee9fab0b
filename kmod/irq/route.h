/* SPDX-License-Identifier: GPL-2.0 */
/* What a line means: which pins of which chips it goes to, or which message it is. */
#ifndef LODGE_IRQ_ROUTE_H
#define LODGE_IRQ_ROUTE_H

#include "irq.h"

/* The default table of a machine with PIC and IOAPIC; an empty one for a split chip. */
int route_init(struct lodge_vm *vm, bool split);
void route_destroy(struct lodge_vm *vm);

/* KVM_SET_GSI_ROUTING; entries are in kernel memory. */
int route_set(struct lodge_vm *vm, const struct kvm_irq_routing_entry *entries, u32 count);

/*
 * Drive a line; any context.  The best that any of its targets says: enum
 * irq_result, or how many took it.
 */
int route_line(struct lodge_vm *vm, u32 gsi, enum irq_source source, bool level);

/* KVM_SIGNAL_MSI: a message that no line stands for.  As lapic_deliver(), or -EINVAL. */
int route_msi(struct lodge_vm *vm, const struct kvm_msi *msi);

/*
 * A pin of a chip has been served: the guest has ended its interrupt.  Whoever
 * holds the line because of that is told.  Without vm->irq_lock, which those take.
 */
void route_acked(struct lodge_vm *vm, unsigned int chip, unsigned int pin);
/* Would anybody be told? */
bool route_wants_ack(struct lodge_vm *vm, unsigned int chip, unsigned int pin);

/* A guest has unmasked a pin; any context. */
void route_unmasked(struct lodge_vm *vm, unsigned int chip, unsigned int pin);

/*
 * The vectors that this vCPU may get and whose EOI somebody has to see: from the
 * IOAPIC's entries, or with a split chip from level-triggered messages in the table.
 */
void route_eoi_vectors(struct lodge_vcpu *vcpu, unsigned long *vectors);

#endif
