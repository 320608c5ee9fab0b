/* SPDX-License-Identifier: GPL-2.0 */
/* The local APIC of a vCPU, and how messages reach it. */
#ifndef LODGE_IRQ_LAPIC_H
#define LODGE_IRQ_LAPIC_H

#include "irq.h"

/*
 * From any context, interrupts on or off, with any lock but a LAPIC's own work:
 * to every local APIC that is addressed.  enum irq_result, or how many took it.
 */
int lapic_deliver(struct lodge_vm *vm, const struct irq_msg *msg);

/* Is this vCPU addressed by it?  For choosing whose EOIs are to be reported. */
bool lapic_is_addressed(struct lodge_vcpu *vcpu, const struct irq_msg *msg);

/*
 * Which vectors' EOIs must be told has changed (a redirection entry or a route was
 * written): every vCPU asks route_eoi_vectors() again before it runs on.
 */
void lapic_rescan(struct lodge_vm *vm);

/* The PIC's output has risen: whoever listens to it looks up. */
void lapic_pic_raised(struct lodge_vm *vm);

#endif
