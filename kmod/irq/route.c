// SPDX-License-Identifier: GPL-2.0
/*
 * route.c - what a line means.  The client's ioctls, irqfd.c and the PIT name lines by
 * number (GSI) and drive them here; the chips say here which pin a guest has served;
 * lapic.c asks here whose ends of interrupts matter.  The table of a machine is never
 * changed, only replaced as a whole; readers hold SRCU and never wait.  A line's level
 * is not kept here: the chips do that, for each source.
 */
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/string.h>

#include "../lodge.h"
#include "../trace.h"
#include "ioapic.h"
#include "irqfd.h"
#include "lapic.h"
#include "pic.h"
#include "pit.h"
#include "route.h"

#define PIC_CHIP_PINS	8	/* of each of the two */

/* Where one GSI goes: to at most one pin of each chip, or it is a message. */
struct route {
	bool is_msi;
	u8 chips;				/* bits by KVM_IRQCHIP_* */
	u8 pin[KVM_NR_IRQCHIPS];		/* the slave PIC's are counted on from 8 */
	s16 next[KVM_NR_IRQCHIPS];		/* the next GSI that goes to this pin, or -1 */
	struct kvm_irq_routing_msi msi;
};

struct route_table {
	u32 count;
	s16 first[KVM_NR_IRQCHIPS][IOAPIC_PINS];	/* GSIs by pin: heads of those lists */
	struct route gsi[];
};

/* Messages (SDM vol. 3A 10.11) */

#define MSI_LOGICAL	BIT(2)	/* of the address */
#define MSI_LOWEST	BIT(3)	/* redirection hint: one of those addressed is enough */
#define MSI_LEVEL	BIT(15)	/* of the data */

static bool msi_valid(struct lodge_vm *vm, const struct kvm_irq_routing_msi *msi)
{
	return !READ_ONCE(vm->x2apic_ids) || !(msi->address_hi & 0xff);
}

static struct irq_msg msi_decode(struct lodge_vm *vm, const struct kvm_irq_routing_msi *msi)
{
	struct irq_msg msg = {
		.dest = (msi->address_lo >> 12) & 0xff,
		.vector = msi->data & 0xff,
		.mode = (msi->data >> 8) & 7,
		.logical = msi->address_lo & MSI_LOGICAL,
		.level = msi->data & MSI_LEVEL,
	};

	if (READ_ONCE(vm->x2apic_ids))
		msg.dest |= msi->address_hi & ~0xffu;
	if ((msi->address_lo & MSI_LOWEST) && msg.mode == IRQ_FIXED)
		msg.mode = IRQ_LOWEST;
	return msg;
}

static int msi_send(struct lodge_vm *vm, const struct kvm_irq_routing_msi *msi)
{
	struct irq_msg msg = msi_decode(vm, msi);

	trace_lodge_msi_set_irq((u64)msi->address_hi << 32 | msi->address_lo, msi->data);
	return lapic_deliver(vm, &msg);
}

int route_msi(struct lodge_vm *vm, const struct kvm_msi *msi)
{
	struct kvm_irq_routing_msi m = {
		.address_lo = msi->address_lo, .address_hi = msi->address_hi, .data = msi->data,
	};

	/* pairs with the release of who gives the machine its chips */
	if (smp_load_acquire(&vm->irqchip) == IRQCHIP_NONE)
		return -EINVAL;
	if ((msi->flags & ~KVM_MSI_VALID_DEVID) || !msi_valid(vm, &m))
		return -EINVAL;
	return msi_send(vm, &m);
}

/* Building a table */

static struct route_table *new_table(u32 count)
{
	struct route_table *t = kvzalloc(struct_size(t, gsi, count), GFP_KERNEL_ACCOUNT);

	if (!t)
		return NULL;
	t->count = count;
	memset(t->first, -1, sizeof(t->first));
	return t;
}

static unsigned int chip_pins(unsigned int chip)
{
	return chip == KVM_IRQCHIP_IOAPIC ? IOAPIC_PINS : PIC_CHIP_PINS;
}

static int add_pin(struct route_table *t, u32 gsi, u32 chip, u32 pin)
{
	struct route *r = &t->gsi[gsi];

	if (chip >= KVM_NR_IRQCHIPS || pin >= chip_pins(chip))
		return -EINVAL;
	chip = array_index_nospec(chip, KVM_NR_IRQCHIPS);
	pin = array_index_nospec(pin, IOAPIC_PINS);
	if (r->chips & BIT(chip))
		return -EINVAL;
	r->chips |= BIT(chip);
	r->pin[chip] = chip == KVM_IRQCHIP_PIC_SLAVE ? pin + PIC_CHIP_PINS : pin;
	r->next[chip] = t->first[chip][pin];
	t->first[chip][pin] = gsi;
	return 0;
}

static int add_entry(struct lodge_vm *vm, struct route_table *t,
		     const struct kvm_irq_routing_entry *e)
{
	u32 gsi = array_index_nospec(e->gsi, t->count);
	struct route *r = &t->gsi[gsi];

	if (r->is_msi)
		return -EINVAL;
	switch (e->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		if (e->flags || vm->irqchip != IRQCHIP_KERNEL)
			return -EINVAL;
		return add_pin(t, gsi, e->u.irqchip.irqchip, e->u.irqchip.pin);
	case KVM_IRQ_ROUTING_MSI:
		/* which device sends it does not matter to this machine */
		if ((e->flags & ~KVM_MSI_VALID_DEVID) || r->chips || !msi_valid(vm, &e->u.msi))
			return -EINVAL;
		r->is_msi = true;
		r->msi = e->u.msi;
		return 0;
	default:
		return -EINVAL;
	}
}

static struct route_table *build(struct lodge_vm *vm,
				 const struct kvm_irq_routing_entry *entries, u32 count)
{
	struct route_table *t;
	u32 i, gsis = 0;
	int err = 0;

	for (i = 0; i < count; i++) {
		if (entries[i].gsi >= LODGE_MAX_GSIS)
			return ERR_PTR(-EINVAL);
		gsis = max(gsis, entries[i].gsi + 1);
	}
	t = new_table(gsis);
	if (!t)
		return ERR_PTR(-ENOMEM);
	for (i = 0; !err && i < count; i++)
		err = add_entry(vm, t, &entries[i]);
	if (!err)
		return t;
	kvfree(t);
	return ERR_PTR(err);
}

int route_set(struct lodge_vm *vm, const struct kvm_irq_routing_entry *entries, u32 count)
{
	struct route_table *old, *new;

	/* pairs with the release of who gives the machine its chips */
	if (smp_load_acquire(&vm->irqchip) == IRQCHIP_NONE)
		return -EINVAL;
	new = build(vm, entries, count);
	if (IS_ERR(new))
		return PTR_ERR(new);
	mutex_lock(&vm->irqfd_lock);
	old = rcu_replace_pointer(vm->routes, new, lockdep_is_held(&vm->irqfd_lock));
	mutex_unlock(&vm->irqfd_lock);
	lapic_rescan(vm);
	synchronize_srcu_expedited(&vm->srcu);
	kvfree(old);
	return 0;
}

int route_init(struct lodge_vm *vm, bool split)
{
	struct route_table *t = new_table(split ? 0 : IOAPIC_PINS);
	u32 gsi;

	if (!t)
		return -ENOMEM;
	/* as in a PC, only that there the IOAPIC has the timer at pin 2 */
	for (gsi = 0; gsi < t->count; gsi++) {
		add_pin(t, gsi, KVM_IRQCHIP_IOAPIC, gsi);
		if (gsi < 2 * PIC_CHIP_PINS)	/* chip 0 is the master, 1 the slave */
			add_pin(t, gsi, gsi / PIC_CHIP_PINS, gsi % PIC_CHIP_PINS);
	}
	rcu_assign_pointer(vm->routes, t);
	return 0;
}

void route_destroy(struct lodge_vm *vm)
{
	kvfree(rcu_dereference_protected(vm->routes, 1));
	RCU_INIT_POINTER(vm->routes, NULL);
}

/* Driving a line */

/* Which controller the guest uses is its business: each of them is told. */
static int drive_pins(struct lodge_vm *vm, const struct route *r,
		      enum irq_source source, bool level)
{
	int chip, taken, ret = IRQ_NOBODY;
	unsigned long flags;

	spin_lock_irqsave(&vm->irq_lock, flags);
	for (chip = 0; chip < KVM_NR_IRQCHIPS; chip++) {
		if (!(r->chips & BIT(chip)))
			continue;
		taken = chip == KVM_IRQCHIP_IOAPIC ?
			ioapic_set_line(vm, r->pin[chip], source, level) :
			pic_set_line(vm, r->pin[chip], source, level);
		if (taken >= 0)
			ret = max(ret, 0) + taken;
	}
	spin_unlock_irqrestore(&vm->irq_lock, flags);
	return ret;
}

int route_line(struct lodge_vm *vm, u32 gsi, enum irq_source source, bool level)
{
	int idx = srcu_read_lock(&vm->srcu), ret = IRQ_NOBODY;
	const struct route_table *t = srcu_dereference(vm->routes, &vm->srcu);
	const struct route *r;

	trace_lodge_set_irq(gsi, level, source);
	if (gsi < t->count) {
		r = &t->gsi[array_index_nospec(gsi, t->count)];
		if (!r->is_msi)
			ret = drive_pins(vm, r, source, level);
		/* the format of addresses may have changed since it was set */
		else if (level && msi_valid(vm, &r->msi))
			ret = msi_send(vm, &r->msi);
	}
	srcu_read_unlock(&vm->srcu, idx);
	return ret;
}

/* The way back */

/* The first GSI that goes to this pin, or -1; the slave's pins from 0 or from 8. */
static int first_gsi(const struct route_table *t, unsigned int chip, unsigned int pin)
{
	return t->first[chip][pin % chip_pins(chip)];
}

void route_acked(struct lodge_vm *vm, unsigned int chip, unsigned int pin)
{
	int gsi, idx = srcu_read_lock(&vm->srcu);
	const struct route_table *t = srcu_dereference(vm->routes, &vm->srcu);

	for (gsi = first_gsi(t, chip, pin); gsi >= 0; gsi = t->gsi[gsi].next[chip]) {
		irqfd_resample(vm, gsi);
		if (gsi == 0)
			pit_acked(vm);
	}
	srcu_read_unlock(&vm->srcu, idx);
}

void route_unmasked(struct lodge_vm *vm, unsigned int chip, unsigned int pin)
{
	int gsi, idx = srcu_read_lock(&vm->srcu);
	const struct route_table *t = srcu_dereference(vm->routes, &vm->srcu);

	for (gsi = first_gsi(t, chip, pin); gsi >= 0; gsi = t->gsi[gsi].next[chip])
		if (gsi == 0)
			pit_unmasked(vm);
	srcu_read_unlock(&vm->srcu, idx);
}

bool route_wants_ack(struct lodge_vm *vm, unsigned int chip, unsigned int pin)
{
	int gsi, idx = srcu_read_lock(&vm->srcu);
	const struct route_table *t = srcu_dereference(vm->routes, &vm->srcu);
	bool wanted = false;

	for (gsi = first_gsi(t, chip, pin); gsi >= 0; gsi = t->gsi[gsi].next[chip])
		wanted |= irqfd_wants_ack(vm, gsi) || (gsi == 0 && pit_wants_ack(vm));
	srcu_read_unlock(&vm->srcu, idx);
	return wanted;
}

void route_eoi_vectors(struct lodge_vcpu *vcpu, unsigned long *vectors)
{
	struct lodge_vm *vm = vcpu->vm;
	const struct route_table *t;
	struct irq_msg msg;
	int idx;
	u32 i;

	if (vm->irqchip == IRQCHIP_KERNEL) {
		ioapic_eoi_vectors(vcpu, vectors);
		return;
	}
	idx = srcu_read_lock(&vm->srcu);
	t = srcu_dereference(vm->routes, &vm->srcu);
	for (i = 0; i < min(t->count, vm->split_pins); i++) {
		msg = msi_decode(vm, &t->gsi[i].msi);
		/* what is in service may have been sent before the route was changed */
		if (t->gsi[i].is_msi && msg.level && (lapic_is_addressed(vcpu, &msg) ||
						      lapic_is_handling(vcpu, msg.vector)))
			__set_bit(msg.vector, vectors);
	}
	srcu_read_unlock(&vm->srcu, idx);
}
