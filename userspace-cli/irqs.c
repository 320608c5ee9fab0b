// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts of a real machine: KVM_IRQ_LINE for lines, one route and one irqfd for each
 * message. A message that is off has no irqfd: what is written to its eventfd stays there,
 * and the device looks whether there is something when the irqfd comes back.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "irqs_kvm.h"

#define PIC_PINS	8
#define MESSAGES	256
#define ROUTES		(2 * PIC_PINS + IRQ_PINS + MESSAGES)

struct message {
	bool used;
	bool routed;
	bool on;
	int eventfd;		/* while it is on */
	u64 address;
	u32 data;
};

struct kvm_irqs {
	struct irqs irqs;
	int vm_fd;
	pthread_mutex_t lock;	/* of all below */
	u64 high[IRQ_PINS];	/* a bit for each source */
	struct message message[MESSAGES];
};

static struct kvm_irqs *of(struct irqs *irqs)
{
	return (struct kvm_irqs *)irqs;
}

static void line(struct irqs *irqs, unsigned int pin, unsigned int source, bool high)
{
	struct kvm_irqs *k = of(irqs);
	struct kvm_irq_level level = { .irq = pin };
	u64 before;

	if (pin >= IRQ_PINS || source >= 64)
		return;
	pthread_mutex_lock(&k->lock);
	before = k->high[pin];
	k->high[pin] = high ? before | BIT_ULL(source) : before & ~BIT_ULL(source);
	level.level = !!k->high[pin];
	/* With the lock: two changes reach the pin in their order. */
	if (level.level != !!before)
		ioctl(k->vm_fd, KVM_IRQ_LINE, &level);
	pthread_mutex_unlock(&k->lock);
}

static void add_pin(struct kvm_irq_routing *table, unsigned int gsi, unsigned int chip,
		    unsigned int pin)
{
	table->entries[table->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

static void add_message(struct kvm_irq_routing *table, unsigned int gsi, const struct message *m)
{
	table->entries[table->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = {
			.address_lo = m->address,
			.address_hi = m->address >> 32,
			.data = m->data,
		},
	};
}

/* Every pin goes where a PC has it, messages come behind them. */
static int set_routes(struct kvm_irqs *k)
{
	struct kvm_irq_routing *table;
	unsigned int i;
	int error;

	table = calloc(1, sizeof(*table) + ROUTES * sizeof(table->entries[0]));
	if (!table)
		return -ENOMEM;
	for (i = 0; i < IRQ_PINS; i++) {
		/* The second PIC hangs on pin 2 of the first. */
		if (i < PIC_PINS && i != 2)
			add_pin(table, i, KVM_IRQCHIP_PIC_MASTER, i);
		else if (i >= PIC_PINS && i < 2 * PIC_PINS)
			add_pin(table, i, KVM_IRQCHIP_PIC_SLAVE, i - PIC_PINS);
		add_pin(table, i, KVM_IRQCHIP_IOAPIC, i);
	}
	for (i = 0; i < MESSAGES; i++)
		if (k->message[i].routed)
			add_message(table, IRQ_PINS + i, &k->message[i]);
	error = ioctl(k->vm_fd, KVM_SET_GSI_ROUTING, table) < 0 ? -errno : 0;
	free(table);
	return error;
}

static int msi_add(struct irqs *irqs)
{
	struct kvm_irqs *k = of(irqs);
	int i, found = -ENOSPC;

	pthread_mutex_lock(&k->lock);
	for (i = 0; i < MESSAGES && found < 0; i++)
		if (!k->message[i].used) {
			k->message[i] = (struct message){ .used = true, .eventfd = -1 };
			found = i;
		}
	pthread_mutex_unlock(&k->lock);
	return found;
}

static int set_irqfd(struct kvm_irqs *k, int msi, int eventfd, u32 flags)
{
	struct kvm_irqfd irqfd = { .fd = eventfd, .gsi = IRQ_PINS + msi, .flags = flags };

	return ioctl(k->vm_fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

static void turn_off(struct kvm_irqs *k, int msi)
{
	struct message *m = &k->message[msi];

	if (m->on)
		set_irqfd(k, msi, m->eventfd, KVM_IRQFD_FLAG_DEASSIGN);
	m->on = false;
}

static void msi_remove(struct irqs *irqs, int msi)
{
	struct kvm_irqs *k = of(irqs);

	pthread_mutex_lock(&k->lock);
	turn_off(k, msi);
	k->message[msi].used = false;
	/* a route without an irqfd does nothing: it goes with the next change */
	k->message[msi].routed = false;
	pthread_mutex_unlock(&k->lock);
}

static int turn_on(struct kvm_irqs *k, int msi, int eventfd, u64 address, u32 data)
{
	struct message *m = &k->message[msi];
	int error = 0;

	if (!m->routed || m->address != address || m->data != data) {
		m->address = address;
		m->data = data;
		m->routed = true;
		error = set_routes(k);
	}
	if (!error && m->on && m->eventfd != eventfd)
		turn_off(k, msi);
	if (!error && !m->on) {
		error = set_irqfd(k, msi, eventfd, 0);
		m->on = !error;
		m->eventfd = eventfd;
	}
	return error;
}

static int msi_set(struct irqs *irqs, int msi, int eventfd, u64 address, u32 data, bool on)
{
	struct kvm_irqs *k = of(irqs);
	int error = 0;

	pthread_mutex_lock(&k->lock);
	if (on)
		error = turn_on(k, msi, eventfd, address, data);
	else
		turn_off(k, msi);
	pthread_mutex_unlock(&k->lock);
	return error;
}

static const struct irqs_ops ops = {
	.line = line,
	.msi_add = msi_add,
	.msi_remove = msi_remove,
	.msi_set = msi_set,
};

struct irqs *irqs_create(int vm_fd)
{
	struct kvm_irqs *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->irqs.ops = &ops;
	k->vm_fd = vm_fd;
	pthread_mutex_init(&k->lock, NULL);
	errno = -set_routes(k);
	if (!errno)
		return &k->irqs;
	free(k);
	return NULL;
}

void irqs_free(struct irqs *irqs)
{
	free(irqs);
}
