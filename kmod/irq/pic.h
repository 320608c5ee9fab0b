/* SPDX-License-Identifier: GPL-2.0 */
/* Two 8259 interrupt controllers, cascaded as in a PC. */
#ifndef LODGE_IRQ_PIC_H
#define LODGE_IRQ_PIC_H

#include "irq.h"

/* Under vm->lock; on the bus at ports 20h, 21h, a0h, a1h, 4d0h, 4d1h. */
int pic_create(struct lodge_vm *vm);
/* Undoes that while there is no vCPU; else it goes with the bus. */
void pic_destroy(struct lodge_vm *vm);

/* Under vm->irq_lock; pins of the slave are 8 to 15.  enum irq_result, or 1. */
int pic_set_line(struct lodge_vm *vm, unsigned int pin, enum irq_source source, bool level);

/* Without a lock: does its output ask for an interrupt? */
bool pic_pending(struct lodge_vm *vm);
/* The CPU's acknowledge cycle: takes vm->irq_lock, gives the vector. */
u8 pic_acknowledge(struct lodge_vm *vm);

/* chip: KVM_IRQCHIP_PIC_MASTER or _SLAVE */
void pic_get(struct lodge_vm *vm, unsigned int chip, struct kvm_pic_state *out);
void pic_set(struct lodge_vm *vm, unsigned int chip, const struct kvm_pic_state *in);

#endif
