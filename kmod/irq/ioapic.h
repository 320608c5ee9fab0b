/* SPDX-License-Identifier: GPL-2.0 */
/* The 82093AA: 24 pins that become messages to local APICs. */
#ifndef LODGE_IRQ_IOAPIC_H
#define LODGE_IRQ_IOAPIC_H

#include "irq.h"

/* Under vm->lock; on the bus at fec00000h. */
int ioapic_create(struct lodge_vm *vm);
/* Undoes that while there is no vCPU; else it goes with the bus. */
void ioapic_destroy(struct lodge_vm *vm);
/* Stops its timer; before the vCPUs go. */
void ioapic_stop(struct lodge_vm *vm);

/* Under vm->irq_lock.  enum irq_result, or how many local APICs took it. */
int ioapic_set_line(struct lodge_vm *vm, unsigned int pin, enum irq_source source, bool level);

/*
 * A local APIC has seen the end of this vector: takes vm->irq_lock, lets it go to
 * call route_acked() for each pin that it concerns, and sends again what is still
 * asserted.
 */
void ioapic_eoi(struct lodge_vcpu *vcpu, u8 vector);

/* The vectors that this vCPU may get and whose EOI this IOAPIC has to see. */
void ioapic_eoi_vectors(struct lodge_vcpu *vcpu, unsigned long *vectors);

void ioapic_get(struct lodge_vm *vm, struct kvm_ioapic_state *out);
void ioapic_set(struct lodge_vm *vm, const struct kvm_ioapic_state *in);

#endif
