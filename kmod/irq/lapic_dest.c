// SPDX-License-Identifier: GPL-2.0
/*
 * lapic_dest.c - from a destination to local APICs.  Messages come from an ICR,
 * from the IOAPIC or as an MSI, in any context; whom they address is decided by
 * looking at registers of APICs that may change at that moment, as on a real bus.
 * Nothing here takes a lock, and nothing but physical destinations and x2APIC
 * clusters is found without asking every vCPU.  SDM vol. 3A 10.6.2.
 */
#include <linux/kernel.h>

#include "../lodge.h"
#include "../trace.h"
#include "../kick.h"
#include "lapic_priv.h"

#define XAPIC_EVERYBODY		0xffu
#define X2APIC_EVERYBODY	0xffffffffu

static struct lodge_vcpu *vcpu_by_id(struct lodge_vm *vm, u32 id)
{
	return id < LODGE_MAX_VCPU_ID ? xa_load(&vm->vcpu_ids, id) : NULL;
}

/* One that has not been told of x2APIC yet hears its long name, or nobody starts it. */
static bool physical_match(const struct lodge_vcpu *vcpu, u32 dest)
{
	return dest == (u32)vcpu->id ||
	       (!lapic_is_x2(vcpu) && dest == (vcpu->id & 0xff));
}

/* A chip or an MSI with eight bits can mean everybody only by ffh. */
static u32 dest_for(const struct lodge_vcpu *vcpu, const struct irq_msg *msg)
{
	if (msg->dest == XAPIC_EVERYBODY && !msg->ipi && lapic_is_x2(vcpu) &&
	    !READ_ONCE(vcpu->vm->no_broadcast_quirk))
		return X2APIC_EVERYBODY;
	return msg->dest;
}

static bool logical_match(const struct lodge_vcpu *vcpu, u32 dest)
{
	u32 ldr = lapic_get(vcpu->apic, APIC_LDR);

	if (lapic_is_x2(vcpu))
		return ldr >> 16 == dest >> 16 && (ldr & dest & 0xffff);
	ldr >>= 24;
	switch (lapic_get(vcpu->apic, APIC_DFR)) {
	case APIC_DFR_FLAT:
		return ldr & dest;
	case APIC_DFR_CLUSTER:
		return ldr >> 4 == (dest & 0xff) >> 4 && (ldr & dest & 0xf);
	}
	return false;	/* a model that does not exist */
}

bool lapic_is_addressed(struct lodge_vcpu *vcpu, const struct irq_msg *msg)
{
	u32 dest = dest_for(vcpu, msg);

	if (!lapic_is_on(vcpu))
		return false;
	if (dest == (lapic_is_x2(vcpu) || msg->x2apic ? X2APIC_EVERYBODY : XAPIC_EVERYBODY))
		return true;
	return msg->logical ? logical_match(vcpu, dest) : physical_match(vcpu, dest);
}

struct delivery {
	const struct irq_msg *msg;
	struct lodge_vcpu *lowest;	/* the best so far, where only one is to get it */
	int result;
};

static void hand_over(struct delivery *d, struct lodge_vcpu *vcpu)
{
	d->result = max(d->result, 0) + max(lapic_accept(vcpu, d->msg), 0);
}

/* Spread what may go to any one of several: to who had the fewest of such. */
static void consider(struct delivery *d, struct lodge_vcpu *vcpu)
{
	if (d->msg->mode != IRQ_LOWEST)
		hand_over(d, vcpu);
	else if (lapic_is_sw_on(vcpu->apic) &&
		 (!d->lowest || READ_ONCE(vcpu->apic->lowest_taken) <
				READ_ONCE(d->lowest->apic->lowest_taken)))
		d->lowest = vcpu;
}

static int finish(struct delivery *d)
{
	if (d->lowest) {
		WRITE_ONCE(d->lowest->apic->lowest_taken, d->lowest->apic->lowest_taken + 1);
		hand_over(d, d->lowest);
	}
	return d->result;
}

static void ask_everybody(struct lodge_vm *vm, struct delivery *d)
{
	/* pairs with the release in vm_create_vcpu() */
	int i, n = smp_load_acquire(&vm->nr_vcpus);

	for (i = 0; i < n; i++)
		if (lapic_is_addressed(vm->vcpus[i], d->msg))
			consider(d, vm->vcpus[i]);
}

/* An x2APIC's logical id is made from its id: 16 to a cluster, vol. 3A 10.12.10.2. */
static void ask_cluster(struct lodge_vm *vm, struct delivery *d)
{
	unsigned long members = d->msg->dest & 0xffff;
	u32 first = d->msg->dest >> 16 << 4;
	unsigned int bit;

	for_each_set_bit(bit, &members, 16) {
		struct lodge_vcpu *vcpu = vcpu_by_id(vm, first + bit);

		if (vcpu && lapic_is_x2(vcpu) && lapic_is_addressed(vcpu, d->msg))
			consider(d, vcpu);
	}
}

static bool may_mean_everybody(const struct irq_msg *msg)
{
	return msg->dest == XAPIC_EVERYBODY || msg->dest == X2APIC_EVERYBODY;
}

/*
 * What is said if nobody is addressed, as KVM says it: a destination that does not exist
 * is like one that has it pending already; with everybody addressed, nobody is nobody.
 */
static int in_vain(struct lodge_vm *vm, const struct irq_msg *msg)
{
	u32 all = READ_ONCE(vm->no_broadcast_quirk) ? X2APIC_EVERYBODY : XAPIC_EVERYBODY;

	return msg->dest == all || !READ_ONCE(vm->nr_vcpus) ? IRQ_NOBODY : IRQ_COALESCED;
}

int lapic_deliver(struct lodge_vm *vm, const struct irq_msg *msg)
{
	struct delivery d = { .msg = msg, .result = in_vain(vm, msg) };
	struct lodge_vcpu *vcpu;

	if (READ_ONCE(vm->irqchip) == IRQCHIP_NONE)
		return IRQ_NOBODY;
	if (may_mean_everybody(msg)) {
		ask_everybody(vm, &d);
	} else if (!msg->logical) {
		/* ids above 255 share their low bits in xAPIC mode: those are out of reach */
		vcpu = vcpu_by_id(vm, msg->dest);
		if (vcpu && lapic_is_addressed(vcpu, msg))
			consider(&d, vcpu);
	} else if (msg->ipi && msg->dest > 0xff) {
		ask_cluster(vm, &d);
	} else {
		ask_everybody(vm, &d);
	}
	return finish(&d);
}

int lapic_deliver_to(struct lodge_vcpu *vcpu, const struct irq_msg *msg)
{
	return lapic_is_on(vcpu) ? lapic_accept(vcpu, msg) : IRQ_NOBODY;
}

static void send_shorthand(struct lodge_lapic *apic, const struct irq_msg *msg, bool self)
{
	struct delivery d = { .msg = msg, .result = IRQ_NOBODY };
	struct lodge_vm *vm = apic->vcpu->vm;
	int i, n = smp_load_acquire(&vm->nr_vcpus);	/* as above */

	for (i = 0; i < n; i++)
		if (lapic_is_on(vm->vcpus[i]) && (self || vm->vcpus[i] != apic->vcpu))
			consider(&d, vm->vcpus[i]);
	finish(&d);
}

/* Only these have a vector of their own that must be a legal one. */
static bool has_vector(const struct irq_msg *msg)
{
	return msg->mode == IRQ_FIXED || msg->mode == IRQ_LOWEST;
}

void lapic_send(struct lodge_lapic *apic, u32 low, u32 dest)
{
	struct irq_msg msg = {
		.dest = dest, .vector = low & APIC_VECTOR_MASK,
		.mode = GET_APIC_DELIVERY_MODE(low),
		.logical = low & APIC_DEST_LOGICAL, .ipi = true,
		.x2apic = lapic_is_x2(apic->vcpu), .level = low & APIC_INT_LEVELTRIG,
	};

	trace_lodge_apic_ipi(low, dest);
	/* nothing is asserted; with INIT it once reset arbitration ids */
	if (msg.level && !(low & APIC_INT_ASSERT) && (has_vector(&msg) || msg.mode == IRQ_INIT))
		return;
	if (has_vector(&msg) && msg.vector < 16) {
		lapic_error(apic, APIC_ESR_SENDILL);
		return;
	}
	switch (low & APIC_DEST_ALLBUT) {
	case 0:
		lapic_deliver(apic->vcpu->vm, &msg);
		break;
	case APIC_DEST_SELF:
		lapic_accept(apic->vcpu, &msg);
		break;
	case APIC_DEST_ALLINC:
		send_shorthand(apic, &msg, true);
		break;
	case APIC_DEST_ALLBUT:
		send_shorthand(apic, &msg, false);
		break;
	}
}
