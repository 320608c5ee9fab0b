// SPDX-License-Identifier: GPL-2.0
/*
 * i8259.c - one 8259A interrupt controller: which of eight pins comes first, and
 * the command words that say so.  Called by pic.c, which has two of them and the
 * lock; nothing here knows a machine.  "Data sheet" is Intel's, order number
 * 231468; the section is named where it decides.  As in KVM, an edge stays
 * requested when its line falls before it was acknowledged, so that a pulse is
 * never lost, and ICW1's single mode and level mode, which no PC has, are ignored.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>

#include "i8259.h"
#include "irq.h"

#define NO_RANK	I8259_PINS

/* Bits of the initialisation and operation command words. */
enum { ICW1 = 0x10, ICW1_ICW4 = 0x01, ICW4_AUTO_EOI = 0x02, ICW4_NESTED = 0x10 };
enum { OCW2_ROTATE = 0x80, OCW2_SPECIFIC = 0x40, OCW2_EOI = 0x20, OCW2_PIN = 0x07 };
enum { OCW3 = 0x08, OCW3_POLL = 0x04 };
enum { OCW3_SET_MASK = 0x40, OCW3_MASK = 0x20, OCW3_SET_READ = 0x02, OCW3_READ_ISR = 0x01 };
#define POLL_REQUEST	0x80

/* What the data port takes next: kvm_pic_state.init_state. */
enum { TAKES_MASK, TAKES_ICW2, TAKES_ICW3, TAKES_ICW4 };

/* The most urgent of the pins in @bits; 0 is the highest rank. */
static unsigned int best_rank(const struct kvm_pic_state *s, u8 bits)
{
	return bits ? __ffs(ror8(bits, s->priority_add & 7)) : NO_RANK;
}

static unsigned int pin_of_rank(const struct kvm_pic_state *s, unsigned int rank)
{
	return (rank + s->priority_add) & 7;
}

/* Pins in service that hold back others; data sheet, "Special Mask Mode". */
static u8 in_service(const struct kvm_pic_state *s)
{
	return s->special_mask ? s->isr & ~s->imr : s->isr;
}

int i8259_wanted(const struct i8259 *chip)
{
	const struct kvm_pic_state *s = &chip->s;
	unsigned int rank = best_rank(s, s->irr & ~s->imr);
	u8 busy = in_service(s);

	/* "Special Fully Nested Mode": a slave's request may interrupt its last one */
	if (s->special_fully_nested_mode)
		busy &= ~chip->slaves;
	return rank < best_rank(s, busy) ? pin_of_rank(s, rank) : -1;
}

int i8259_drive(struct i8259 *chip, unsigned int pin, bool level)
{
	struct kvm_pic_state *s = &chip->s;
	u8 bit = BIT(pin), before = s->irr;
	bool by_level = s->elcr & bit;
	bool asks = level && (by_level || !(s->last_irr & bit));

	s->last_irr = level ? s->last_irr | bit : s->last_irr & ~bit;
	if (asks)
		s->irr |= bit;
	else if (by_level)
		s->irr &= ~bit;
	if (s->imr & bit)
		return IRQ_NOBODY;
	return asks && before & bit ? IRQ_COALESCED : 1;
}

static void end(struct i8259 *chip, unsigned int pin)
{
	chip->s.isr &= ~BIT(pin);
	chip->served |= BIT(pin);
}

/* Data sheet, "Interrupt Sequence" and "Automatic End of Interrupt Mode". */
int i8259_acknowledge(struct i8259 *chip)
{
	struct kvm_pic_state *s = &chip->s;
	int pin = i8259_wanted(chip);

	if (pin < 0)
		return pin;
	s->isr |= BIT(pin);
	if (!(s->elcr & BIT(pin)))
		s->irr &= ~BIT(pin);
	if (s->auto_eoi) {
		if (s->rotate_on_auto_eoi)
			s->priority_add = (pin + 1) & 7;
		end(chip, pin);
	}
	return pin;
}

/*
 * ICW1 forgets what edges asked for and, as KVM does, keeps what is in service.
 * A request that is dropped will not be ended, so whoever waits for that is told.
 */
static void begin_init(struct i8259 *chip, u8 value)
{
	struct kvm_pic_state *s = &chip->s;
	u8 dropped = s->irr & ~s->elcr;

	s->irr &= ~dropped;
	s->isr &= ~dropped;
	chip->served |= dropped;
	s->last_irr = 0;
	s->imr = 0;
	s->priority_add = 0;
	s->special_mask = 0;
	s->read_reg_select = 0;
	s->init4 = value & ICW1_ICW4;
	if (!s->init4) {
		s->special_fully_nested_mode = 0;
		s->auto_eoi = 0;
	}
	s->init_state = TAKES_ICW2;
}

/* End of interrupt and rotation: data sheet, figure "Operation Command Word Format". */
static void write_ocw2(struct i8259 *chip, u8 value)
{
	struct kvm_pic_state *s = &chip->s;
	bool rotate = value & OCW2_ROTATE, eoi = value & OCW2_EOI;
	unsigned int pin = value & OCW2_PIN;

	if (!(value & OCW2_SPECIFIC)) {
		unsigned int rank = best_rank(s, in_service(s));

		if (!eoi)
			s->rotate_on_auto_eoi = rotate;
		if (!eoi || rank == NO_RANK)
			return;
		pin = pin_of_rank(s, rank);
	}
	if (rotate)
		s->priority_add = (pin + 1) & 7;
	if (eoi)
		end(chip, pin);
}

static void write_ocw3(struct kvm_pic_state *s, u8 value)
{
	if (value & OCW3_POLL)
		s->poll = 1;
	if (value & OCW3_SET_READ)
		s->read_reg_select = value & OCW3_READ_ISR;
	if (value & OCW3_SET_MASK)
		s->special_mask = !!(value & OCW3_MASK);
}

static void write_data(struct kvm_pic_state *s, u8 value)
{
	switch (s->init_state) {
	case TAKES_MASK:
		s->imr = value;
		break;
	case TAKES_ICW2:
		s->irq_base = value & ~7;
		s->init_state = TAKES_ICW3;
		break;
	case TAKES_ICW3:	/* the cascade is wired */
		s->init_state = s->init4 ? TAKES_ICW4 : TAKES_MASK;
		break;
	case TAKES_ICW4:
		s->special_fully_nested_mode = !!(value & ICW4_NESTED);
		s->auto_eoi = !!(value & ICW4_AUTO_EOI);
		s->init_state = TAKES_MASK;
		break;
	}
}

void i8259_write(struct i8259 *chip, bool data, u8 value)
{
	if (data)
		write_data(&chip->s, value);
	else if (value & ICW1)
		begin_init(chip, value);
	else if (value & OCW3)
		write_ocw3(&chip->s, value);
	else
		write_ocw2(chip, value);
}

/* An acknowledge cycle by a read; data sheet, "Poll Command". */
static u8 poll(struct i8259 *chip)
{
	int pin = i8259_acknowledge(chip);

	chip->s.poll = 0;
	return pin < 0 ? I8259_SPURIOUS : POLL_REQUEST | pin;
}

u8 i8259_read(struct i8259 *chip, bool data)
{
	if (chip->s.poll)
		return poll(chip);
	if (data)
		return chip->s.imr;
	return chip->s.read_reg_select ? chip->s.isr : chip->s.irr;
}
