/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ioapic.h - a machine whose lines end at the IOAPIC alone, GSI n at pin n, and how its
 * tests talk to it. The names of registers and bits are those of the 82093AA.
 */
#ifndef IOAPIC_H
#define IOAPIC_H

#include "agent.h"
#include "apic.h"
#include "events.h"

#define IOAPIC		0xfec00000ul
#define WINDOW		(IOAPIC + 0x10)

enum { REG_ID, REG_VERSION, REG_ARB, REG_ENTRY = 0x10 };
enum { PINS = KVM_IOAPIC_NUM_PINS };

/* Of a redirection entry: bits 8 to 16, destination. */
#define LOGICAL		BIT(11)
#define SEND_PENDING	BIT(12)
#define ACTIVE_LOW	BIT(13)
#define REMOTE_IRR	BIT(14)
#define LEVEL		BIT(15)
#define MASKED		BIT(16)
#define TO(id)		((u64)(id) << 56)
#define ENTRY_BITS	(TO(0xff) | 0x1ffff)	/* the rest is reserved */

struct route_table {
	struct kvm_irq_routing head;
	struct kvm_irq_routing_entry e[64];
};

static inline struct kvm_irq_routing_entry chip_route(u32 gsi, u32 chip, u32 pin)
{
	return (struct kvm_irq_routing_entry){ .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin } };
}

static inline int set_routes(struct vm *vm, const struct route_table *t)
{
	return xioctl(vm->fd, KVM_SET_GSI_ROUTING, (uintptr_t)t);
}

static inline void route_to_ioapic(struct vm *vm)
{
	struct route_table t = { .head.nr = PINS };

	for (u32 i = 0; i < PINS; i++)
		t.e[i] = chip_route(i, KVM_IRQCHIP_IOAPIC, i);
	CHECK_EQ(set_routes(vm, &t), 0);
}

/* vCPUs with ids from 0, their local APICs on; NMIs are recorded, IRQs counted. */
static inline struct vm *ioapic_machine(int vcpus)
{
	struct vm *vm = vm_create();

	vm_irqchip(vm);
	vm_record_events(vm);
	vm_count_irqs(vm);
	route_to_ioapic(vm);
	for (int i = 0; i < vcpus; i++) {
		struct vcpu *vcpu = vcpu_create(vm, i);

		agent_start(vcpu);
		agent_call(vcpu, guest_xapic_enable, 0);
	}
	return vm;
}

static inline u32 ioapic_read(struct vcpu *vcpu, u32 reg)
{
	agent_writel(vcpu, IOAPIC, reg);
	return agent_readl(vcpu, WINDOW);
}

static inline void ioapic_write(struct vcpu *vcpu, u32 reg, u32 value)
{
	agent_writel(vcpu, IOAPIC, reg);
	agent_writel(vcpu, WINDOW, value);
}

static inline u64 get_entry(struct vcpu *vcpu, u32 pin)
{
	const u64 low = ioapic_read(vcpu, REG_ENTRY + 2 * pin);

	return low | (u64)ioapic_read(vcpu, REG_ENTRY + 2 * pin + 1) << 32;
}

static inline void set_entry(struct vcpu *vcpu, u32 pin, u64 entry)
{
	ioapic_write(vcpu, REG_ENTRY + 2 * pin + 1, entry >> 32);
	ioapic_write(vcpu, REG_ENTRY + 2 * pin, entry);
}

static inline void lapic_write(struct vcpu *vcpu, u32 reg, u32 value)
{
	agent_writel(vcpu, APIC_DEFAULT_BASE + reg, value);
}

static inline void lapic_eoi(struct vcpu *vcpu)
{
	lapic_write(vcpu, APIC_EOI, 0);
}

/* Without its EOI, the handler of this vector. */
static inline void keep_in_service(struct vm *vm, u8 vector)
{
	guest_var(vm, guest_irq_no_eoi)[vector] = 1;
}

/* The vCPU takes what is pending: how often this vector? There must be no other. */
static inline u64 taken(struct vcpu *vcpu, u8 vector)
{
	u64 *irqs = guest_var(vcpu->vm, guest_irqs)[vcpu->id];
	u64 n;

	agent_window(vcpu);
	n = irqs[vector];
	irqs[vector] = 0;
	for (int i = 0; i < 256; i++)
		if (irqs[i])
			FAIL("vCPU %d took vector %#x, and not only %#x", vcpu->id, i, vector);
	return n;
}

static inline void get_ioapic(struct vm *vm, struct kvm_ioapic_state *s)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	CHECK_EQ(xioctl(vm->fd, KVM_GET_IRQCHIP, (uintptr_t)&chip), 0);
	*s = chip.chip.ioapic;
}

static inline int set_ioapic(struct vm *vm, const struct kvm_ioapic_state *s)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	chip.chip.ioapic = *s;
	return xioctl(vm->fd, KVM_SET_IRQCHIP, (uintptr_t)&chip);
}

#endif /* IOAPIC_H */
