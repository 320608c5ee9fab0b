/* SPDX-License-Identifier: GPL-2.0 */
/* One 8259A: pure logic, under its owner's lock. */
#ifndef LODGE_IRQ_I8259_H
#define LODGE_IRQ_I8259_H

#include "irq.h"

#define I8259_PINS	8
#define I8259_SPURIOUS	7	/* what it answers when nothing asks any more */

struct i8259 {
	struct kvm_pic_state s;		/* as KVM_GET_IRQCHIP shows it */
	u8 slaves;			/* (C) pins that another chip drives */
	u8 served;			/* ended interrupts, until the owner takes them out */
};

/* The pin that it asks for, or -1. */
int i8259_wanted(const struct i8259 *chip);

/* A line that is high or low now.  enum irq_result, or 1. */
int i8259_drive(struct i8259 *chip, unsigned int pin, bool level);

/* The acknowledge cycle: the pin that i8259_wanted() tells goes into service. */
int i8259_acknowledge(struct i8259 *chip);

/* @data: the second of its two ports. */
u8 i8259_read(struct i8259 *chip, bool data);
void i8259_write(struct i8259 *chip, bool data, u8 value);

#endif
