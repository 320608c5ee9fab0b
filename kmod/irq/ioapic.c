// SPDX-License-Identifier: GPL-2.0
/*
 * ioapic.c - the 82093AA I/O APIC: 24 pins, each with a redirection entry that says
 * which message its line becomes.  Guests come through its two registers at fec00000h,
 * devices through route.c, and local APICs tell it of ends of interrupts.  It sends by
 * lapic_deliver() and never looks into a local APIC.  What is in the registers is
 * i82093.c's; here are the pins and the lock.
 *
 * As in KVM, the polarity bit means nothing: a line that is high asks.  Everything is
 * under vm->irq_lock, except that nobody is told of an ended interrupt under it.
 */
#include <linux/bitfield.h>
#include <linux/bitops.h>
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../lodge.h"
#include "../io/bus.h"
#include "i82093.h"
#include "ioapic.h"
#include "lapic.h"
#include "route.h"

#define BASE		0xfec00000
#define RANGE		0x100

/* What decides whose EOIs of which vector have to be seen. */
#define ENTRY_EOI	(ENTRY_VECTOR | ENTRY_LOGICAL | ENTRY_LEVEL | ENTRY_DEST)

#define RTC_PIN		8

/* An interrupt that is sent again with so many EOIs in a row pauses. */
#define STORM_EOIS	10000
#define STORM_PAUSE_NS	(10 * NSEC_PER_MSEC)

struct lodge_ioapic {
	struct io_dev dev;		/* (C) */
	struct lodge_vm *vm;		/* (C) */
	struct kvm_ioapic_state s;	/* irq_lock; irr: lines that are high */
	u32 sent;			/* irq_lock; edges among them that became messages */
	u8 drivers[IOAPIC_PINS];	/* irq_lock */
	u16 eois[IOAPIC_PINS];		/* irq_lock; in a row, with the line high */
	struct hrtimer pause;		/* its callback takes irq_lock */
};

static u64 *entry_of(struct lodge_ioapic *io, unsigned int pin)
{
	return &io->s.redirtbl[pin].bits;
}

/* Sends what a pin stands for, if it may. */
static int send(struct lodge_ioapic *io, unsigned int pin)
{
	u64 *entry = entry_of(io, pin);
	struct irq_msg msg = i82093_message(*entry);
	int result;

	if (*entry & ENTRY_MASKED || (msg.level && *entry & ENTRY_REMOTE))
		return IRQ_NOBODY;
	if (!msg.level)
		io->sent |= BIT(pin);
	result = lapic_deliver(io->vm, &msg);
	if (msg.level && result > 0)
		*entry |= ENTRY_REMOTE;
	return result;
}

static int drive(struct lodge_ioapic *io, unsigned int pin, bool level)
{
	bool was = io->s.irr & BIT(pin);

	if (!level) {
		io->s.irr &= ~BIT(pin);
		return 1;
	}
	io->s.irr |= BIT(pin);
	if (was && !(*entry_of(io, pin) & ENTRY_LEVEL))
		return IRQ_COALESCED;
	io->sent &= ~BIT(pin);
	return send(io, pin);
}

int ioapic_set_line(struct lodge_vm *vm, unsigned int pin, enum irq_source source, bool level)
{
	struct lodge_ioapic *io = vm->ioapic;
	struct irq_msg msg = i82093_message(*entry_of(io, pin));

	lockdep_assert_held(&vm->irq_lock);
	level = line_drive(&io->drivers[pin], source, level);
	/*
	 * Guests take two ticks of the clock for one if the second comes before the end of
	 * the first.  A client that asks what becomes of them is told to come again later.
	 */
	if (pin == RTC_PIN && source == SOURCE_USER_ASKS && level && lapic_busy(vm, &msg))
		return IRQ_COALESCED;
	return drive(io, pin, level);
}

/* A level-triggered line that nobody is being served for asks again. */
static bool send_if_asked(struct lodge_ioapic *io, unsigned int pin)
{
	return io->s.irr & BIT(pin) && *entry_of(io, pin) & ENTRY_LEVEL &&
	       send(io, pin) != IRQ_NOBODY;
}

/*
 * Hardware takes its time for an interrupt that is still asked for when it ends; here
 * it would come before the guest's next instruction.  A guest that does not know how to
 * serve it gets somewhere all the same.
 */
static void send_again(struct lodge_ioapic *io, unsigned int pin)
{
	if (++io->eois[pin] < STORM_EOIS) {
		if (!send_if_asked(io, pin))
			io->eois[pin] = 0;
		return;
	}
	io->eois[pin] = 0;
	hrtimer_start(&io->pause, ns_to_ktime(STORM_PAUSE_NS), HRTIMER_MODE_REL);
}

static enum hrtimer_restart pause_is_over(struct hrtimer *timer)
{
	struct lodge_ioapic *io = container_of(timer, struct lodge_ioapic, pause);
	unsigned long flags;
	unsigned int pin;

	spin_lock_irqsave(&io->vm->irq_lock, flags);
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		send_if_asked(io, pin);
	spin_unlock_irqrestore(&io->vm->irq_lock, flags);
	return HRTIMER_NORESTART;
}

/*
 * Whoever holds a line is told before the line is looked at again: a device that has
 * been served lowers it meanwhile, and one that wants more raises it.
 */
void ioapic_eoi(struct lodge_vcpu *vcpu, u8 vector)
{
	struct lodge_vm *vm = vcpu->vm;
	struct lodge_ioapic *io = vm->ioapic;
	unsigned long pins = 0, flags;
	unsigned int pin;

	spin_lock_irqsave(&vm->irq_lock, flags);
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if (FIELD_GET(ENTRY_VECTOR, *entry_of(io, pin)) == vector)
			pins |= BIT(pin);
	spin_unlock_irqrestore(&vm->irq_lock, flags);
	for_each_set_bit(pin, &pins, IOAPIC_PINS)
		route_acked(vm, KVM_IRQCHIP_IOAPIC, pin);
	spin_lock_irqsave(&vm->irq_lock, flags);
	for_each_set_bit(pin, &pins, IOAPIC_PINS) {
		*entry_of(io, pin) &= ~ENTRY_REMOTE;
		send_again(io, pin);
	}
	spin_unlock_irqrestore(&vm->irq_lock, flags);
}

/*
 * What is in service may have been sent to another vCPU than the entry names by now, so
 * as long as its end is awaited nobody's may be missed.
 */
static bool wants_eoi(struct lodge_vcpu *vcpu, u64 entry, unsigned int pin)
{
	struct irq_msg msg = i82093_message(entry);

	if (entry & ENTRY_REMOTE)
		return true;
	return (msg.level || route_wants_ack(vcpu->vm, KVM_IRQCHIP_IOAPIC, pin)) &&
	       lapic_is_addressed(vcpu, &msg);
}

void ioapic_eoi_vectors(struct lodge_vcpu *vcpu, unsigned long *vectors)
{
	struct lodge_vm *vm = vcpu->vm;
	unsigned long flags;
	unsigned int pin;

	spin_lock_irqsave(&vm->irq_lock, flags);
	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		u64 entry = *entry_of(vm->ioapic, pin);

		if (wants_eoi(vcpu, entry, pin))
			__set_bit(FIELD_GET(ENTRY_VECTOR, entry), vectors);
	}
	spin_unlock_irqrestore(&vm->irq_lock, flags);
}

static void entry_changed(struct lodge_ioapic *io, const struct i82093_change *c)
{
	/* before anything is sent by the new entry */
	if ((c->old ^ c->new) & ENTRY_EOI)
		lapic_rescan(io->vm);
	if (c->old & ~c->new & ENTRY_MASKED)
		route_unmasked(io->vm, KVM_IRQCHIP_IOAPIC, c->pin);
	send_if_asked(io, c->pin);
}

static struct lodge_ioapic *of(struct io_dev *dev)
{
	return container_of(dev, struct lodge_ioapic, dev);
}

/* The base address is the state's, as in KVM: elsewhere it does not answer. */
static bool covers(const struct lodge_ioapic *io, u64 addr, unsigned int len)
{
	return addr - READ_ONCE(io->s.base_address) < RANGE &&
	       addr + len <= io->dev.base + io->dev.len;
}

/* The registers are 32 bits wide; narrow and wide accesses see what fits. */
static bool read(struct io_dev *dev, struct lodge_vcpu *vcpu, u64 addr,
		 void *data, unsigned int len)
{
	struct lodge_ioapic *io = of(dev);
	unsigned long flags;
	u32 value;

	if (!covers(io, addr, len))
		return false;
	spin_lock_irqsave(&io->vm->irq_lock, flags);
	value = i82093_read(&io->s, addr % RANGE);
	spin_unlock_irqrestore(&io->vm->irq_lock, flags);
	memset(data, 0, len);
	memcpy(data, &value, min_t(unsigned int, len, sizeof(value)));
	return true;
}

static bool write(struct io_dev *dev, struct lodge_vcpu *vcpu, u64 addr,
		  const void *data, unsigned int len)
{
	struct lodge_ioapic *io = of(dev);
	struct i82093_change change;
	unsigned long flags;
	u32 value = 0;

	if (!covers(io, addr, len))
		return false;
	memcpy(&value, data, min_t(unsigned int, len, sizeof(value)));
	spin_lock_irqsave(&io->vm->irq_lock, flags);
	if (i82093_write(&io->s, addr % RANGE, value, &change))
		entry_changed(io, &change);
	spin_unlock_irqrestore(&io->vm->irq_lock, flags);
	return true;
}

static void destroy(struct io_dev *dev)
{
	hrtimer_cancel(&of(dev)->pause);
	kfree(of(dev));
}

static const struct io_ops ops = {
	.read = read,
	.write = write,
	.destroy = destroy,
};

int ioapic_create(struct lodge_vm *vm)
{
	struct lodge_ioapic *io = kzalloc(sizeof(*io), GFP_KERNEL_ACCOUNT);
	int pin, err;

	if (!io)
		return -ENOMEM;
	io->vm = vm;
	io->s.base_address = BASE;
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		*entry_of(io, pin) = ENTRY_MASKED;
	hrtimer_init(&io->pause, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	io->pause.function = pause_is_over;
	io->dev = (struct io_dev) { .ops = &ops, .base = BASE, .len = RANGE, .space = IO_MEMORY };
	mutex_lock(&vm->io_lock);
	err = bus_add(vm, &io->dev);
	mutex_unlock(&vm->io_lock);
	if (err)
		kfree(io);
	else
		smp_store_release(&vm->ioapic, io);	/* vm->irqchip says that it is there */
	return err;
}

void ioapic_destroy(struct lodge_vm *vm)
{
	struct lodge_ioapic *io = vm->ioapic;

	WRITE_ONCE(vm->ioapic, NULL);
	mutex_lock(&vm->io_lock);
	bus_remove(vm, &io->dev);
	mutex_unlock(&vm->io_lock);
}

void ioapic_stop(struct lodge_vm *vm)
{
	if (vm->ioapic)
		hrtimer_cancel(&vm->ioapic->pause);
}

void ioapic_get(struct lodge_vm *vm, struct kvm_ioapic_state *out)
{
	struct lodge_ioapic *io = vm->ioapic;
	unsigned long flags;

	spin_lock_irqsave(&vm->irq_lock, flags);
	*out = io->s;
	out->irr &= ~io->sent;
	spin_unlock_irqrestore(&vm->irq_lock, flags);
}

/* What was high and not sent is raised again, now that the entries are there. */
void ioapic_set(struct lodge_vm *vm, const struct kvm_ioapic_state *in)
{
	struct lodge_ioapic *io = vm->ioapic;
	unsigned long high = in->irr, flags;
	unsigned int pin;

	spin_lock_irqsave(&vm->irq_lock, flags);
	io->s = *in;
	io->s.irr = 0;
	io->sent = 0;
	lapic_rescan(vm);
	for_each_set_bit(pin, &high, IOAPIC_PINS)
		drive(io, pin, true);
	spin_unlock_irqrestore(&vm->irq_lock, flags);
}
