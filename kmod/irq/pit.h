/* SPDX-License-Identifier: GPL-2.0 */
/* The 8254 interval timer, and the speaker port that shows its third channel. */
#ifndef LODGE_IRQ_PIT_H
#define LODGE_IRQ_PIT_H

#include "irq.h"

/* Under vm->lock; on the bus at ports 40h to 43h, and at 61h if that is asked for. */
int pit_create(struct lodge_vm *vm, const struct kvm_pit_config *config);
/* Stops the timer of one that is there; before the bus and the vCPUs go. */
void pit_stop(struct lodge_vm *vm);
void pit_get(struct lodge_vm *vm, struct kvm_pit_state2 *out);
/* @with_flags: else those of before stay, for KVM_SET_PIT has none. */
int pit_set(struct lodge_vm *vm, const struct kvm_pit_state2 *in, bool with_flags);
/* Are ticks that the guest has not taken delivered later? */
int pit_set_reinject(struct lodge_vm *vm, bool reinject);

/* The guest has taken GSI 0; without vm->irq_lock. */
void pit_acked(struct lodge_vm *vm);
/* Does anybody wait for that? */
bool pit_wants_ack(struct lodge_vm *vm);
/* A pin of GSI 0 has been unmasked: what it missed is not made up for.  Any context. */
void pit_unmasked(struct lodge_vm *vm);

#endif
