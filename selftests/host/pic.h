/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pic.h - a machine with the two 8259A of KVM_CREATE_IRQCHIP and how its tests talk to
 * them. The words are those of the data sheet: ICW and OCW, IRR, ISR, IMR. Master:
 * vectors from 0x40, slave: from 0x48, so that IRQ n is vector 0x40 + n.
 */
#ifndef PIC_H
#define PIC_H

#include "agent.h"
#include "apic.h"
#include "events.h"

enum { MASTER = 0x20, SLAVE = 0xa0, ELCR = 0x4d0 };
enum { BASE = 0x40 };

/* OCW2: by number n where it says so. OCW3. */
enum { EOI = 0x20, EOI_OF = 0x60, EOI_ROTATE = 0xa0, EOI_ROTATE_OF = 0xe0, SET_LOWEST = 0xc0,
       AUTO_ROTATE = 0x80, AUTO_FIXED = 0x00, NOTHING = 0x40 };
enum { READ_IRR = 0x0a, READ_ISR = 0x0b, POLL = 0x0c, SPECIAL_MASK = 0x68, NORMAL_MASK = 0x48 };
enum { ICW4 = 1, AUTO_EOI = 2, FULLY_NESTED = 0x10 };

static inline void init_chip(struct vcpu *vcpu, u16 port, u8 icw4)
{
	agent_outb(vcpu, port, 0x11);
	agent_outb(vcpu, port + 1, port == MASTER ? BASE : BASE + 8);
	agent_outb(vcpu, port + 1, port == MASTER ? 4 : 2);
	agent_outb(vcpu, port + 1, ICW4 | icw4);
}

static inline struct vcpu *fresh_machine(void)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu;

	vm_irqchip(vm);
	vm_record_events(vm);
	vcpu = vcpu_create(vm, 0);
	agent_start(vcpu);
	return vcpu;
}

static inline struct vcpu *machine(void)
{
	struct vcpu *vcpu = fresh_machine();

	init_chip(vcpu, MASTER, 0);
	init_chip(vcpu, SLAVE, 0);
	return vcpu;
}

static inline void raise_irq(struct vcpu *vcpu, u32 irq)
{
	CHECK(irq_line(vcpu->vm, irq, 1) >= -1);
}

static inline void lower_irq(struct vcpu *vcpu, u32 irq)
{
	CHECK(irq_line(vcpu->vm, irq, 0) >= -1);
}

static inline void pulse(struct vcpu *vcpu, u32 irq)
{
	raise_irq(vcpu, irq);
	lower_irq(vcpu, irq);
}

/* The guest takes what is pending: IRQs in this order, none with no argument. */
#define EXPECT_IRQS(vcpu, ...) do {					\
	const int irqs__[] = { -1, ##__VA_ARGS__ };			\
	irqs_at(__FILE__, __LINE__, vcpu, irqs__ + 1, ARRAY_SIZE(irqs__) - 1); \
} while (0)

static inline void irqs_at(const char *file, int line, struct vcpu *vcpu, const int *irqs, u64 n)
{
	u8 vectors[16];

	for (u64 i = 0; i < n; i++)
		vectors[i] = BASE + irqs[i];
	guest_var(vcpu->vm, guest_nr_events) = 0;
	agent_window(vcpu);
	events_at(file, line, vcpu->vm, vectors, n);
}

static inline u8 read_irr(struct vcpu *vcpu, u16 port)
{
	agent_outb(vcpu, port, READ_IRR);
	return agent_inb(vcpu, port);
}

static inline u8 read_isr(struct vcpu *vcpu, u16 port)
{
	agent_outb(vcpu, port, READ_ISR);
	return agent_inb(vcpu, port);
}

static inline int get_chip(struct vm *vm, u32 id, struct kvm_irqchip *chip)
{
	chip->chip_id = id;
	return xioctl(vm->fd, KVM_GET_IRQCHIP, (uintptr_t)chip);
}

static inline int set_chip(struct vm *vm, struct kvm_irqchip *chip)
{
	return xioctl(vm->fd, KVM_SET_IRQCHIP, (uintptr_t)chip);
}

static inline struct kvm_pic_state pic_state(struct vcpu *vcpu, u32 id)
{
	struct kvm_irqchip chip;

	CHECK_EQ(get_chip(vcpu->vm, id, &chip), 0);
	return chip.chip.pic;
}

#endif /* PIC_H */
