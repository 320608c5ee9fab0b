// SPDX-License-Identifier: GPL-2.0
/*
 * pic.c - two 8259A interrupt controllers, the slave's output on pin 2 of the
 * master, and the chipset's registers that make pins level-triggered (ELCR).
 * Guests come through their ports, devices through route.c; the output is looked
 * at by the vCPU whose local APIC listens to it, which then runs the acknowledge
 * cycle.  What one chip does with its pins is i8259.c's; here are the wires, the
 * ports and the lock.  Nobody is told of an ended interrupt under vm->irq_lock.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../lodge.h"
#include "../io/bus.h"
#include "i8259.h"
#include "lapic.h"
#include "pic.h"
#include "route.h"

enum { MASTER = KVM_IRQCHIP_PIC_MASTER, SLAVE = KVM_IRQCHIP_PIC_SLAVE, NR_CHIPS };

#define CASCADE	2		/* the master's pin that the slave drives */

/* First ports of each chip, command and data, and of the two ELCR. */
static const u16 ranges[] = { 0x20, 0xa0, 0x4d0 };

/* Pins that the chipset lets a guest make level-triggered. */
static const u8 elcr_masks[NR_CHIPS] = { 0xf8, 0xde };

struct pic_ports {
	struct io_dev dev;		/* (C) */
	struct lodge_pic *pic;		/* (C) */
};

struct lodge_pic {
	struct lodge_vm *vm;		/* (C) */
	struct pic_ports ports[ARRAY_SIZE(ranges)];	/* (C) */
	int users;			/* creator, and ports on the bus; bus.c's order */
	struct i8259 chip[NR_CHIPS];	/* irq_lock */
	u8 drivers[NR_CHIPS * I8259_PINS];	/* irq_lock */
	bool output;			/* written irq_lock, read without */
};

/* After anything that may change what the chips ask for. */
static void update(struct lodge_pic *pic)
{
	bool output, rises;

	/* the slave's request is latched by the master, which is edge-triggered here */
	if (i8259_wanted(&pic->chip[SLAVE]) >= 0) {
		i8259_drive(&pic->chip[MASTER], CASCADE, true);
		i8259_drive(&pic->chip[MASTER], CASCADE, false);
	}
	output = i8259_wanted(&pic->chip[MASTER]) >= 0;
	rises = output && !pic->output;
	WRITE_ONCE(pic->output, output);
	if (rises)
		lapic_pic_raised(pic->vm);
}

/* Lets irq_lock go, and tells whoever holds a line that has been served. */
static void unlock(struct lodge_pic *pic, unsigned long flags)
	__releases(&pic->vm->irq_lock)
{
	unsigned long served[NR_CHIPS];
	unsigned int n, pin;

	update(pic);
	for (n = 0; n < NR_CHIPS; n++) {
		served[n] = pic->chip[n].served;
		pic->chip[n].served = 0;
	}
	spin_unlock_irqrestore(&pic->vm->irq_lock, flags);
	for (n = 0; n < NR_CHIPS; n++)
		for_each_set_bit(pin, &served[n], I8259_PINS)
			route_acked(pic->vm, n, pin);
}

int pic_set_line(struct lodge_vm *vm, unsigned int pin, enum irq_source source, bool level)
{
	struct lodge_pic *pic = vm->pic;
	int result;

	lockdep_assert_held(&vm->irq_lock);
	if (WARN_ON_ONCE(pin >= ARRAY_SIZE(pic->drivers)))
		return IRQ_NOBODY;
	level = line_drive(&pic->drivers[pin], source, level);
	result = i8259_drive(&pic->chip[pin / I8259_PINS], pin % I8259_PINS, level);
	update(pic);
	return result;
}

bool pic_pending(struct lodge_vm *vm)
{
	/* pairs with the release in pic_create() */
	struct lodge_pic *pic = smp_load_acquire(&vm->pic);

	return pic && READ_ONCE(pic->output);
}

u8 pic_acknowledge(struct lodge_vm *vm)
{
	struct lodge_pic *pic = vm->pic;
	struct i8259 *chip = &pic->chip[MASTER];
	unsigned long flags;
	int pin;
	u8 vector;

	spin_lock_irqsave(&vm->irq_lock, flags);
	/* what is asked for beyond this one is a new request */
	WRITE_ONCE(pic->output, false);
	pin = i8259_acknowledge(chip);
	if (pin == CASCADE) {
		chip = &pic->chip[SLAVE];
		pin = i8259_acknowledge(chip);
	}
	vector = chip->s.irq_base + (pin < 0 ? I8259_SPURIOUS : pin);
	unlock(pic, flags);
	return vector;
}

static struct lodge_pic *of(struct io_dev *dev)
{
	return container_of(dev, struct pic_ports, dev)->pic;
}

static bool is_elcr(u64 port)
{
	return port >= ranges[2];
}

static struct i8259 *chip_at(struct lodge_pic *pic, u64 port)
{
	bool slave = is_elcr(port) ? port & 1 : port >= ranges[SLAVE];

	return &pic->chip[slave];
}

static bool covers(const struct io_dev *dev, u64 port, unsigned int len)
{
	return port + len <= dev->base + dev->len;
}

static u8 read_byte(struct lodge_pic *pic, u64 port)
{
	struct i8259 *chip = chip_at(pic, port);

	if (is_elcr(port))
		return chip->s.elcr;
	/* polled, the slave takes its request back */
	if (chip == &pic->chip[SLAVE] && chip->s.poll)
		pic->chip[MASTER].s.irr &= ~BIT(CASCADE);
	return i8259_read(chip, port & 1);
}

static void write_byte(struct lodge_pic *pic, u64 port, u8 value)
{
	struct i8259 *chip = chip_at(pic, port);
	unsigned long unmasked = chip->s.imr;
	unsigned int pin;

	if (is_elcr(port)) {
		chip->s.elcr = value & chip->s.elcr_mask;
		return;
	}
	i8259_write(chip, port & 1, value);
	unmasked &= ~chip->s.imr;
	for_each_set_bit(pin, &unmasked, I8259_PINS)
		route_unmasked(pic->vm, chip - pic->chip, pin);
}

/* Wider accesses within a chip's ports are taken, as KVM does, and mean nothing. */
static bool read(struct io_dev *dev, struct lodge_vcpu *vcpu, u64 port,
		 void *data, unsigned int len)
{
	struct lodge_pic *pic = of(dev);
	unsigned long flags;

	if (!covers(dev, port, len))
		return false;
	memset(data, 0, len);
	if (len != 1)
		return true;
	spin_lock_irqsave(&pic->vm->irq_lock, flags);
	*(u8 *)data = read_byte(pic, port);
	unlock(pic, flags);
	return true;
}

static bool write(struct io_dev *dev, struct lodge_vcpu *vcpu, u64 port,
		  const void *data, unsigned int len)
{
	struct lodge_pic *pic = of(dev);
	unsigned long flags;

	if (!covers(dev, port, len))
		return false;
	if (len != 1)
		return true;
	spin_lock_irqsave(&pic->vm->irq_lock, flags);
	write_byte(pic, port, *(const u8 *)data);
	unlock(pic, flags);
	return true;
}

static void put(struct lodge_pic *pic)
{
	if (!--pic->users)
		kfree(pic);
}

static void destroy(struct io_dev *dev)
{
	put(of(dev));
}

static const struct io_ops ops = {
	.read = read,
	.write = write,
	.destroy = destroy,
};

static int add_ports(struct lodge_pic *pic)
{
	int i, err;

	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		struct pic_ports *p = &pic->ports[i];

		p->pic = pic;
		p->dev = (struct io_dev) {
			.ops = &ops, .base = ranges[i], .len = 2, .space = IO_PORTS,
		};
		err = bus_add(pic->vm, &p->dev);
		if (err)
			goto fail;
		pic->users++;
	}
	return 0;
fail:
	while (--i >= 0)
		bus_remove(pic->vm, &pic->ports[i].dev);
	return err;
}

int pic_create(struct lodge_vm *vm)
{
	struct lodge_pic *pic = kzalloc(sizeof(*pic), GFP_KERNEL_ACCOUNT);
	int i, err;

	if (!pic)
		return -ENOMEM;
	pic->vm = vm;
	for (i = 0; i < NR_CHIPS; i++)
		pic->chip[i].s.elcr_mask = elcr_masks[i];
	pic->chip[MASTER].slaves = BIT(CASCADE);
	pic->users = 1;
	mutex_lock(&vm->io_lock);
	err = add_ports(pic);
	if (!err)
		/* pairs with the acquire in pic_pending() */
		smp_store_release(&vm->pic, pic);
	put(pic);
	mutex_unlock(&vm->io_lock);
	return err;
}

void pic_destroy(struct lodge_vm *vm)
{
	struct lodge_pic *pic = vm->pic;
	int i;

	WRITE_ONCE(vm->pic, NULL);
	mutex_lock(&vm->io_lock);
	pic->users++;
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		bus_remove(vm, &pic->ports[i].dev);
	put(pic);
	mutex_unlock(&vm->io_lock);
}

void pic_get(struct lodge_vm *vm, unsigned int chip, struct kvm_pic_state *out)
{
	unsigned long flags;

	spin_lock_irqsave(&vm->irq_lock, flags);
	*out = vm->pic->chip[chip].s;
	spin_unlock_irqrestore(&vm->irq_lock, flags);
}

void pic_set(struct lodge_vm *vm, unsigned int chip, const struct kvm_pic_state *in)
{
	unsigned long flags;

	spin_lock_irqsave(&vm->irq_lock, flags);
	vm->pic->chip[chip].s = *in;
	unlock(vm->pic, flags);
}
