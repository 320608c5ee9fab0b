// SPDX-License-Identifier: GPL-2.0
/*
 * pic - the two 8259A of KVM_CREATE_IRQCHIP: their commands, requests, priorities and
 * ends of interrupt, by ports and with lines from user space. How their interrupts reach
 * a CPU and what user space sees of them is in picapi.c.
 */
#include "pic.h"

/* ---- initialisation ---------------------------------------------------------- */

SUBTEST(state_of_new_chips)
{
	struct kvm_pic_state want = { .elcr_mask = 0xf8 }, got;
	struct vcpu *vcpu = fresh_machine();

	got = pic_state(vcpu, KVM_IRQCHIP_PIC_MASTER);
	CHECK_EQ(memcmp(&got, &want, sizeof(got)), 0);
	want.elcr_mask = 0xde;
	got = pic_state(vcpu, KVM_IRQCHIP_PIC_SLAVE);
	CHECK_EQ(memcmp(&got, &want, sizeof(got)), 0);
	for (u16 port = MASTER; port <= SLAVE; port += SLAVE - MASTER) {
		CHECK_EQ(agent_inb(vcpu, port), 0);
		CHECK_EQ(agent_inb(vcpu, port + 1), 0);
		CHECK_EQ(read_isr(vcpu, port), 0);
	}
	CHECK_EQ(agent_inb(vcpu, ELCR), 0);
	CHECK_EQ(agent_inb(vcpu, ELCR + 1), 0);
}

static void walk_through_icws(struct vcpu *vcpu, u16 port, u32 id)
{
	agent_outb(vcpu, port + 1, 0x55);
	agent_outb(vcpu, port, SET_LOWEST | 3);
	agent_outb(vcpu, port, SPECIAL_MASK);
	agent_outb(vcpu, port, READ_ISR);
	CHECK_EQ(pic_state(vcpu, id).imr, 0x55);
	CHECK_EQ(pic_state(vcpu, id).priority_add, 4);
	CHECK_EQ(pic_state(vcpu, id).special_mask, 1);
	CHECK_EQ(pic_state(vcpu, id).read_reg_select, 1);

	agent_outb(vcpu, port, 0x11);
	CHECK_EQ(pic_state(vcpu, id).init_state, 1);
	CHECK_EQ(pic_state(vcpu, id).imr, 0);
	CHECK_EQ(pic_state(vcpu, id).priority_add, 0);
	CHECK_EQ(pic_state(vcpu, id).special_mask, 0);
	CHECK_EQ(pic_state(vcpu, id).read_reg_select, 0);
	CHECK_EQ(pic_state(vcpu, id).init4, 1);
	agent_outb(vcpu, port + 1, 0xaf);	/* ICW2: the lower three bits are the IRQ's */
	CHECK_EQ(pic_state(vcpu, id).irq_base, 0xa8);
	CHECK_EQ(pic_state(vcpu, id).init_state, 2);
	agent_outb(vcpu, port + 1, 0xff);	/* ICW3: wires that cannot be changed */
	CHECK_EQ(pic_state(vcpu, id).init_state, 3);
	agent_outb(vcpu, port + 1, ICW4 | AUTO_EOI | FULLY_NESTED);
	CHECK_EQ(pic_state(vcpu, id).init_state, 0);
	CHECK_EQ(pic_state(vcpu, id).auto_eoi, 1);
	CHECK_EQ(pic_state(vcpu, id).special_fully_nested_mode, 1);
	CHECK_EQ(pic_state(vcpu, id).imr, 0);
	agent_outb(vcpu, port + 1, 0xaa);
	CHECK_EQ(agent_inb(vcpu, port + 1), 0xaa);
	/* Without ICW4: its functions are off, and two words end the sequence. */
	agent_outb(vcpu, port, 0x10);
	CHECK_EQ(pic_state(vcpu, id).auto_eoi, 0);
	CHECK_EQ(pic_state(vcpu, id).special_fully_nested_mode, 0);
	agent_outb(vcpu, port + 1, 0x70);
	agent_outb(vcpu, port + 1, 0);
	CHECK_EQ(pic_state(vcpu, id).init_state, 0);
	agent_outb(vcpu, port + 1, 0x5a);
	CHECK_EQ(agent_inb(vcpu, port + 1), 0x5a);
	CHECK_EQ(pic_state(vcpu, id).irq_base, 0x70);
}

SUBTEST(initialisation_sequence)
{
	struct vcpu *vcpu = fresh_machine();

	walk_through_icws(vcpu, MASTER, KVM_IRQCHIP_PIC_MASTER);
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_SLAVE).irq_base, 0);
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_SLAVE).imr, 0);
	init_chip(vcpu, MASTER, 0);
	walk_through_icws(vcpu, SLAVE, KVM_IRQCHIP_PIC_SLAVE);
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_MASTER).irq_base, BASE);
	CHECK_EQ(agent_inb(vcpu, MASTER + 1), 0);
}

/* ICW1 in the middle of a sequence starts it again. */
SUBTEST(initialisation_begun_twice)
{
	struct vcpu *vcpu = machine();

	agent_outb(vcpu, MASTER, 0x11);
	agent_outb(vcpu, MASTER + 1, 0x80);
	init_chip(vcpu, MASTER, 0);
	pulse(vcpu, 3);
	EXPECT_IRQS(vcpu, 3);
}

/* ICW1 forgets edges: latched ones, and that the line was high. Levels stay. */
SUBTEST(initialisation_with_requests)
{
	struct vcpu *vcpu = machine();

	agent_outb(vcpu, ELCR, BIT(5));
	raise_irq(vcpu, 4);
	raise_irq(vcpu, 5);
	CHECK_EQ(read_irr(vcpu, MASTER), BIT(4) | BIT(5));
	init_chip(vcpu, MASTER, 0);
	CHECK_EQ(read_irr(vcpu, MASTER), BIT(5));
	CHECK_EQ(agent_inb(vcpu, ELCR), BIT(5));
	EXPECT_IRQS(vcpu, 5);
	lower_irq(vcpu, 5);
	agent_outb(vcpu, MASTER, EOI);
	raise_irq(vcpu, 4);
	EXPECT_IRQS(vcpu, 4);
}

/* INT was up when ICW1 came: whoever takes it gets IRQ 7 of nobody. */
SUBTEST(spurious_irq7)
{
	struct vcpu *vcpu = machine();
	u64 n;

	pulse(vcpu, 4);
	init_chip(vcpu, MASTER, 0);
	CHECK_EQ(read_irr(vcpu, MASTER), 0);
	guest_var(vcpu->vm, guest_nr_events) = 0;
	agent_window(vcpu);
	n = guest_var(vcpu->vm, guest_nr_events);
	/* KVM keeps INT up; a chip that takes it back is right as well. */
	CHECK(n == 1 || (n == 0 && !device_is_kvm()));
	if (n)
		CHECK_EQ(guest_var(vcpu->vm, guest_events)[0].vector, BASE + 7);
	CHECK_EQ(read_isr(vcpu, MASTER), 0);
	pulse(vcpu, 7);
	EXPECT_IRQS(vcpu, 7);
	CHECK_EQ(read_isr(vcpu, MASTER), BIT(7));
}

/* The slave's request is gone when its vector is asked for: IRQ 15 of nobody. */
SUBTEST(spurious_irq15)
{
	struct vcpu *vcpu = machine();

	pulse(vcpu, 10);
	agent_outb(vcpu, SLAVE + 1, BIT(2));
	EXPECT_IRQS(vcpu, 15);
	CHECK_EQ(read_isr(vcpu, SLAVE), 0);
	CHECK_EQ(read_isr(vcpu, MASTER), BIT(2));
	agent_outb(vcpu, MASTER, EOI);
	agent_outb(vcpu, SLAVE + 1, 0);
	EXPECT_IRQS(vcpu, 10);
	agent_outb(vcpu, SLAVE, EOI);
	agent_outb(vcpu, MASTER, EOI);
	/* A level that fell. */
	agent_outb(vcpu, ELCR + 1, BIT(3));
	pulse(vcpu, 11);
	CHECK_EQ(read_irr(vcpu, SLAVE), 0);
	EXPECT_IRQS(vcpu, 15);
	agent_outb(vcpu, MASTER, EOI);
	EXPECT_IRQS(vcpu);
}

/* ---- requests, masks, service -------------------------------------------------- */

SUBTEST(each_irq)
{
	struct vcpu *vcpu = machine();

	for (u32 irq = 0; irq < 16; irq++) {
		const u16 port = irq < 8 ? MASTER : SLAVE;

		if (irq == 2)			/* the cascade */
			continue;
		test_doing("IRQ %u", irq);
		pulse(vcpu, irq);
		CHECK_EQ(read_irr(vcpu, port), BIT(irq & 7));
		CHECK_EQ(read_irr(vcpu, MASTER), BIT(irq < 8 ? irq : 2));
		CHECK_EQ(read_isr(vcpu, port), 0);
		EXPECT_IRQS(vcpu, irq);
		CHECK_EQ(read_irr(vcpu, port), 0);
		CHECK_EQ(read_isr(vcpu, port), BIT(irq & 7));
		CHECK_EQ(read_isr(vcpu, MASTER), BIT(irq < 8 ? irq : 2));
		agent_outb(vcpu, port, EOI);
		agent_outb(vcpu, MASTER, EOI);
		CHECK_EQ(read_isr(vcpu, port), 0);
		CHECK_EQ(read_isr(vcpu, MASTER), 0);
		EXPECT_IRQS(vcpu);
	}
}

SUBTEST(masks)
{
	struct vcpu *vcpu = machine();

	for (int i = 0; i < 8; i++) {
		agent_outb(vcpu, MASTER + 1, BIT(i));
		agent_outb(vcpu, SLAVE + 1, ~BIT(i));
		CHECK_EQ(agent_inb(vcpu, MASTER + 1), BIT(i));
		CHECK_EQ(agent_inb(vcpu, SLAVE + 1), (u8)~BIT(i));
	}
	agent_outb(vcpu, MASTER + 1, 0xff);
	agent_outb(vcpu, SLAVE + 1, 0xff);
	pulse(vcpu, 3);
	pulse(vcpu, 9);
	CHECK_EQ(read_irr(vcpu, MASTER), BIT(3));
	CHECK_EQ(read_irr(vcpu, SLAVE), BIT(1));
	EXPECT_IRQS(vcpu);
	agent_outb(vcpu, MASTER + 1, 0);
	EXPECT_IRQS(vcpu, 3);
	agent_outb(vcpu, MASTER, EOI);
	/* The master hears of the slave's request when that is unmasked. */
	agent_outb(vcpu, MASTER + 1, BIT(2));
	agent_outb(vcpu, SLAVE + 1, 0);
	EXPECT_IRQS(vcpu);
	CHECK_EQ(read_irr(vcpu, MASTER), BIT(2));
	agent_outb(vcpu, MASTER + 1, 0);
	EXPECT_IRQS(vcpu, 9);
}

SUBTEST(edges_are_latched_once)
{
	struct vcpu *vcpu = machine();

	raise_irq(vcpu, 6);
	raise_irq(vcpu, 6);
	EXPECT_IRQS(vcpu, 6);
	agent_outb(vcpu, MASTER, EOI);
	raise_irq(vcpu, 6);			/* still high: no edge */
	EXPECT_IRQS(vcpu);
	lower_irq(vcpu, 6);
	for (int i = 0; i < 3; i++)
		pulse(vcpu, 6);
	EXPECT_IRQS(vcpu, 6);
	/* In service a new edge waits for the EOI. */
	pulse(vcpu, 6);
	CHECK_EQ(read_irr(vcpu, MASTER), BIT(6));
	EXPECT_IRQS(vcpu);
	agent_outb(vcpu, MASTER, EOI);
	EXPECT_IRQS(vcpu, 6);
}

/* What KVM_IRQ_LINE_STATUS says of a chip: accepted, coalesced, masked. */
SUBTEST(line_status)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry e[2];
	} r = { .head = { .nr = 2 } };
	struct vcpu *vcpu = machine();
	struct vm *vm = vcpu->vm;

	for (int i = 0; i < 2; i++) {
		r.e[i].gsi = i ? 11 : 5;
		r.e[i].type = KVM_IRQ_ROUTING_IRQCHIP;
		r.e[i].u.irqchip.irqchip = i;
		r.e[i].u.irqchip.pin = i ? 3 : 5;
	}
	CHECK_EQ(xioctl(vm->fd, KVM_SET_GSI_ROUTING, (uintptr_t)&r), 0);
	for (int i = 0; i < 2; i++) {
		const u32 gsi = r.e[i].gsi;
		const u16 port = i ? SLAVE : MASTER;

		test_doing("GSI %u", gsi);
		CHECK_EQ(irq_line(vm, gsi, 1), 1);
		CHECK_EQ(irq_line(vm, gsi, 1), 1);	/* no edge, so nothing is lost */
		CHECK_EQ(irq_line(vm, gsi, 0), 1);
		CHECK_EQ(irq_line(vm, gsi, 1), 0);
		EXPECT_IRQS(vcpu, gsi);
		CHECK_EQ(irq_line(vm, gsi, 0), 1);
		CHECK_EQ(irq_line(vm, gsi, 1), 1);
		CHECK_EQ(irq_line(vm, gsi, 0), 1);
		agent_outb(vcpu, port + 1, 0xff);
		CHECK_EQ(irq_line(vm, gsi, 1), -1);
		CHECK_EQ(irq_line(vm, gsi, 0), -1);
		agent_outb(vcpu, port + 1, 0);
		agent_outb(vcpu, port, EOI);
		agent_outb(vcpu, MASTER, EOI);
		EXPECT_IRQS(vcpu, gsi);
		agent_outb(vcpu, port, EOI);
		agent_outb(vcpu, MASTER, EOI);
		agent_outb(vcpu, ELCR + i, BIT(gsi & 7));
		CHECK_EQ(irq_line(vm, gsi, 1), 1);
		CHECK_EQ(irq_line(vm, gsi, 1), 0);
		CHECK_EQ(irq_line(vm, gsi, 0), 1);
		CHECK_EQ(irq_line(vm, gsi, 0), 1);
	}
}

SUBTEST(elcr)
{
	struct vcpu *vcpu = machine();

	agent_outb(vcpu, ELCR, 0xff);
	agent_outb(vcpu, ELCR + 1, 0xff);
	/* 0, 1, 2, 8 and 13 are the system board's own, and edges. */
	CHECK_EQ(agent_inb(vcpu, ELCR), 0xf8);
	CHECK_EQ(agent_inb(vcpu, ELCR + 1), 0xde);
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_MASTER).elcr, 0xf8);
	agent_outb(vcpu, ELCR, 0x28);
	agent_outb(vcpu, ELCR + 1, 0x42);
	CHECK_EQ(agent_inb(vcpu, ELCR), 0x28);
	CHECK_EQ(agent_inb(vcpu, ELCR + 1), 0x42);
	agent_outb(vcpu, ELCR + 1, 0);
	CHECK_EQ(agent_inb(vcpu, ELCR + 1), 0);
	CHECK_EQ(agent_inb(vcpu, ELCR), 0x28);
}

SUBTEST(levels)
{
	struct vcpu *vcpu = machine();

	agent_outb(vcpu, ELCR, BIT(5));
	agent_outb(vcpu, ELCR + 1, BIT(4));
	for (u32 irq = 5; irq <= 12; irq += 7) {
		const u16 port = irq < 8 ? MASTER : SLAVE;

		test_doing("IRQ %u", irq);
		raise_irq(vcpu, irq);
		EXPECT_IRQS(vcpu, irq);
		CHECK_EQ(read_irr(vcpu, port), BIT(irq & 7));	/* the line, not a latch */
		EXPECT_IRQS(vcpu);
		agent_outb(vcpu, port, EOI);
		agent_outb(vcpu, MASTER, EOI);
		EXPECT_IRQS(vcpu, irq);
		lower_irq(vcpu, irq);
		CHECK_EQ(read_irr(vcpu, port), 0);
		agent_outb(vcpu, port, EOI);
		agent_outb(vcpu, MASTER, EOI);
		EXPECT_IRQS(vcpu);
	}
	pulse(vcpu, 5);				/* gone before anybody looked */
	EXPECT_IRQS(vcpu);
}

/* ---- priorities ------------------------------------------------------------------ */

SUBTEST(nesting)
{
	struct vcpu *vcpu = machine();

	pulse(vcpu, 5);
	pulse(vcpu, 3);
	EXPECT_IRQS(vcpu, 3);
	pulse(vcpu, 4);
	EXPECT_IRQS(vcpu);
	pulse(vcpu, 1);
	EXPECT_IRQS(vcpu, 1);
	CHECK_EQ(read_isr(vcpu, MASTER), BIT(3) | BIT(1));
	agent_outb(vcpu, MASTER, EOI);		/* of the highest: 1 */
	CHECK_EQ(read_isr(vcpu, MASTER), BIT(3));
	EXPECT_IRQS(vcpu);
	agent_outb(vcpu, MASTER, EOI);
	EXPECT_IRQS(vcpu, 4);
	agent_outb(vcpu, MASTER, EOI);
	EXPECT_IRQS(vcpu, 5);
	agent_outb(vcpu, MASTER, EOI);
	CHECK_EQ(read_isr(vcpu, MASTER), 0);
	agent_outb(vcpu, MASTER, EOI);		/* of none */
	EXPECT_IRQS(vcpu);
}

/* The slave's requests are the master's IRQ 2, and nest among themselves only ... */
SUBTEST(cascade)
{
	struct vcpu *vcpu = machine();

	for (u32 irq = 3; irq < 16; irq++)
		pulse(vcpu, irq);
	for (u32 irq = 8; irq < 16; irq++) {
		EXPECT_IRQS(vcpu, irq);
		agent_outb(vcpu, SLAVE, EOI);
		EXPECT_IRQS(vcpu);
		agent_outb(vcpu, MASTER, EOI);
	}
	for (u32 irq = 3; irq < 8; irq++) {
		EXPECT_IRQS(vcpu, irq);
		agent_outb(vcpu, MASTER, EOI);
	}
	pulse(vcpu, 12);
	EXPECT_IRQS(vcpu, 12);
	pulse(vcpu, 9);				/* ... behind the master's EOI ... */
	EXPECT_IRQS(vcpu);
	pulse(vcpu, 1);
	EXPECT_IRQS(vcpu, 1);
	agent_outb(vcpu, MASTER, EOI);
	agent_outb(vcpu, MASTER, EOI);
	EXPECT_IRQS(vcpu, 9);
	CHECK_EQ(read_isr(vcpu, SLAVE), BIT(4) | BIT(1));
}

/* ... or at once, in special fully nested mode. */
SUBTEST(special_fully_nested_mode)
{
	struct vcpu *vcpu = machine();

	init_chip(vcpu, MASTER, FULLY_NESTED);
	pulse(vcpu, 12);
	EXPECT_IRQS(vcpu, 12);
	pulse(vcpu, 14);
	EXPECT_IRQS(vcpu);
	pulse(vcpu, 9);
	EXPECT_IRQS(vcpu, 9);
	CHECK_EQ(read_isr(vcpu, SLAVE), BIT(4) | BIT(1));
	CHECK_EQ(read_isr(vcpu, MASTER), BIT(2));
	agent_outb(vcpu, SLAVE, EOI);
	EXPECT_IRQS(vcpu);
	agent_outb(vcpu, SLAVE, EOI);
	EXPECT_IRQS(vcpu, 14);
}

SUBTEST(specific_eoi)
{
	struct vcpu *vcpu = machine();

	pulse(vcpu, 6);
	EXPECT_IRQS(vcpu, 6);
	pulse(vcpu, 4);
	EXPECT_IRQS(vcpu, 4);
	agent_outb(vcpu, MASTER, EOI_OF | 6);
	CHECK_EQ(read_isr(vcpu, MASTER), BIT(4));
	agent_outb(vcpu, MASTER, EOI_OF | 5);
	CHECK_EQ(read_isr(vcpu, MASTER), BIT(4));
	agent_outb(vcpu, MASTER, NOTHING | 4);
	CHECK_EQ(read_isr(vcpu, MASTER), BIT(4));
	agent_outb(vcpu, MASTER, EOI_OF | 4);
	CHECK_EQ(read_isr(vcpu, MASTER), 0);
}

SUBTEST(rotation)
{
	struct vcpu *vcpu = machine();

	agent_outb(vcpu, MASTER, SET_LOWEST | 4);	/* now 5 6 7 0 1 2 3 4 */
	for (u32 irq = 3; irq < 8; irq++)
		pulse(vcpu, irq);
	EXPECT_IRQS(vcpu, 5);
	agent_outb(vcpu, MASTER, EOI);
	EXPECT_IRQS(vcpu, 6);
	agent_outb(vcpu, MASTER, EOI_ROTATE);		/* 7 0 1 2 3 4 5 6 */
	CHECK_EQ(read_isr(vcpu, MASTER), 0);
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_MASTER).priority_add, 7);
	EXPECT_IRQS(vcpu, 7);
	agent_outb(vcpu, MASTER, EOI_ROTATE_OF | 7);	/* 0 ... 7 */
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_MASTER).priority_add, 0);
	pulse(vcpu, 7);
	EXPECT_IRQS(vcpu, 3);
	agent_outb(vcpu, MASTER, EOI_ROTATE_OF | 3);	/* 4 5 6 7 0 1 2 3 */
	pulse(vcpu, 3);
	EXPECT_IRQS(vcpu, 4);
	agent_outb(vcpu, MASTER, EOI);
	EXPECT_IRQS(vcpu, 7);
	agent_outb(vcpu, MASTER, EOI);
	EXPECT_IRQS(vcpu, 3);
	/* An EOI of nothing does not rotate. */
	agent_outb(vcpu, MASTER, EOI);
	agent_outb(vcpu, MASTER, EOI_ROTATE);
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_MASTER).priority_add, 4);
	/* The slave's order is its own. */
	agent_outb(vcpu, SLAVE, SET_LOWEST | 0);
	pulse(vcpu, 8);
	pulse(vcpu, 15);
	EXPECT_IRQS(vcpu, 15);
}

SUBTEST(automatic_eoi)
{
	struct vcpu *vcpu = machine();

	init_chip(vcpu, MASTER, AUTO_EOI);
	init_chip(vcpu, SLAVE, AUTO_EOI);
	for (u32 irq = 3; irq < 16; irq += 3)		/* 3 6 9 12 15 */
		pulse(vcpu, irq);
	EXPECT_IRQS(vcpu, 9, 12, 15, 3, 6);
	CHECK_EQ(read_isr(vcpu, MASTER) | read_isr(vcpu, SLAVE), 0);
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_MASTER).priority_add, 0);
	/* With rotation the one just served becomes the lowest. */
	agent_outb(vcpu, MASTER, AUTO_ROTATE);
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_MASTER).rotate_on_auto_eoi, 1);
	pulse(vcpu, 4);
	EXPECT_IRQS(vcpu, 4);
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_MASTER).priority_add, 5);
	pulse(vcpu, 4);
	pulse(vcpu, 6);
	EXPECT_IRQS(vcpu, 6, 4);
	agent_outb(vcpu, MASTER, AUTO_FIXED);
	pulse(vcpu, 1);
	EXPECT_IRQS(vcpu, 1);
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_MASTER).priority_add, 5);
}

/*
 * In special mask mode what is in service and masked holds nobody back (data sheet,
 * "Special Mask Mode"). KVM of Linux 6.1 keeps the bit and does nothing with it.
 */
SUBTEST(special_mask_mode)
{
	struct vcpu *vcpu = machine();

	pulse(vcpu, 3);
	EXPECT_IRQS(vcpu, 3);
	pulse(vcpu, 5);
	agent_outb(vcpu, MASTER + 1, BIT(3));
	EXPECT_IRQS(vcpu);
	agent_outb(vcpu, MASTER, 0x08);			/* OCW3 without ESMM: no change */
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_MASTER).special_mask, 0);
	agent_outb(vcpu, MASTER, SPECIAL_MASK);
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_MASTER).special_mask, 1);
	agent_outb(vcpu, MASTER, 0x08);
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_MASTER).special_mask, 1);
	if (!device_is_kvm())
		EXPECT_IRQS(vcpu, 5);
	agent_outb(vcpu, MASTER, NORMAL_MASK);
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_MASTER).special_mask, 0);
	agent_outb(vcpu, MASTER, EOI_OF | 3);
	if (device_is_kvm())
		EXPECT_IRQS(vcpu, 5);
	CHECK_EQ(read_isr(vcpu, MASTER), BIT(5));
}

/*
 * A poll says which IRQ would come. Bit 7, that there is one, is of the data sheet,
 * but KVM of Linux 6.1 leaves it clear, and does the EOI too: neither matters here.
 */
SUBTEST(polling)
{
	struct vcpu *vcpu = machine();

	pulse(vcpu, 6);
	pulse(vcpu, 4);
	agent_outb(vcpu, MASTER, POLL);
	CHECK_EQ(agent_inb(vcpu, MASTER) & 7, 4);
	agent_outb(vcpu, MASTER, EOI);
	CHECK_EQ(read_irr(vcpu, MASTER), BIT(6));	/* one read is a poll, the next is not */
	CHECK_EQ(read_isr(vcpu, MASTER), 0);
	agent_outb(vcpu, MASTER, POLL);
	CHECK_EQ(agent_inb(vcpu, MASTER + 1) & 7, 6);	/* at either port */
	agent_outb(vcpu, MASTER, EOI);
	CHECK_EQ(agent_inb(vcpu, MASTER + 1), 0);
	EXPECT_IRQS(vcpu);
	/* The master says 2, then the slave what it has. */
	pulse(vcpu, 11);
	agent_outb(vcpu, MASTER, POLL);
	CHECK_EQ(agent_inb(vcpu, MASTER) & 7, 2);
	agent_outb(vcpu, SLAVE, POLL);
	CHECK_EQ(agent_inb(vcpu, SLAVE) & 7, 3);
	agent_outb(vcpu, SLAVE, EOI);
	agent_outb(vcpu, MASTER, EOI);
	CHECK_EQ(read_irr(vcpu, SLAVE) | read_isr(vcpu, SLAVE), 0);
	CHECK_EQ(read_irr(vcpu, MASTER) | read_isr(vcpu, MASTER), 0);
	EXPECT_IRQS(vcpu);
	agent_outb(vcpu, MASTER, POLL);
	CHECK_EQ(agent_inb(vcpu, MASTER) & 0x80, 0);
	pulse(vcpu, 4);
	EXPECT_IRQS(vcpu, 4);
}

/* ---- against a model ----------------------------------------------------------------- */

struct model {
	u8 irr, imr, isr, line, elcr, first;	/* first: the highest priority */
};

static int rank(u8 bits, u8 first)
{
	int i = 0;

	while (i < 8 && !(bits >> ((first + i) & 7) & 1))
		i++;
	return i;
}

/* The IRQ a chip asks for, -1: none. */
static int asks_for(const struct model *m)
{
	int i = rank(m->irr & ~m->imr, m->first);

	return i < rank(m->isr, m->first) ? (m->first + i) & 7 : -1;
}

static void model_line(struct model m[2], u32 irq, bool high)
{
	struct model *c = &m[irq / 8];
	const u8 bit = BIT(irq & 7);

	if (c->elcr & bit)
		c->irr = high ? c->irr | bit : c->irr & ~bit;
	else if (high && !(c->line & bit))
		c->irr |= bit;
	c->line = high ? c->line | bit : c->line & ~bit;
}

static void model_eoi(struct model *c, u8 ocw2)
{
	const bool specific = ocw2 & 0x40;
	int irq = specific ? ocw2 & 7 : (c->first + rank(c->isr, c->first)) & 7;

	if ((ocw2 & 0xe0) == SET_LOWEST) {
		c->first = ((ocw2 & 7) + 1) & 7;
		return;
	}
	if (!specific && !c->isr)
		return;
	c->isr &= ~BIT(irq);
	if (ocw2 & 0x80)
		c->first = (irq + 1) & 7;
}

static int model_ack(struct model *c)
{
	int irq = asks_for(c);

	if (irq < 0)
		return 7;
	c->isr |= BIT(irq);
	if (!(c->elcr & BIT(irq)))
		c->irr &= ~BIT(irq);
	return irq;
}

static u64 model_window(struct model m[2], u8 *vectors)
{
	u64 n = 0;

	while (asks_for(&m[0]) >= 0) {
		int irq = model_ack(&m[0]);

		if (irq == 2)
			irq = 8 + model_ack(&m[1]);
		CHECK(n < 32);
		vectors[n++] = BASE + irq;
		if (asks_for(&m[1]) >= 0)
			m[0].irr |= BIT(2);
	}
	return n;
}

static void random_step(struct vcpu *vcpu, struct model m[2])
{
	static const u8 ocw2s[] = { EOI, EOI, EOI, EOI_OF, EOI_ROTATE, EOI_ROTATE_OF,
		SET_LOWEST };
	const u64 r = test_rand();
	const int chip = r >> 8 & 1;
	const u16 port = chip ? SLAVE : MASTER;
	u32 irq = r >> 16 & 15;
	u8 ocw2;

	if ((r & 7) < 4) {
		bool high = r >> 24 & 1;

		if (irq == 2)
			irq = 3;
		model_line(m, irq, high);
		CHECK(irq_line(vcpu->vm, irq, high) >= -1);
	} else if ((r & 7) == 4) {
		m[chip].imr = r >> 32 & r >> 40;
		agent_outb(vcpu, port + 1, m[chip].imr);
	} else {
		ocw2 = ocw2s[(r >> 32) % ARRAY_SIZE(ocw2s)];
		if (ocw2 & 0x40)
			ocw2 |= irq & 7;
		model_eoi(&m[chip], ocw2);
		agent_outb(vcpu, port, ocw2);
	}
	if (asks_for(&m[1]) >= 0)
		m[0].irr |= BIT(2);
}

SUBTEST(random_use_as_a_model_does)
{
	struct model m[2] = { { .elcr = 0x28 }, { .elcr = 0x52 } };
	struct vcpu *vcpu = machine();
	u8 vectors[32];

	agent_outb(vcpu, ELCR, m[0].elcr);
	agent_outb(vcpu, ELCR + 1, m[1].elcr);
	for (int i = 0; i < 600; i++) {
		u64 n;

		test_doing("step %d", i);
		random_step(vcpu, m);
		if (i % 4 == 0) {
			guest_var(vcpu->vm, guest_nr_events) = 0;
			n = model_window(m, vectors);
			agent_window(vcpu);
			events_at(__FILE__, __LINE__, vcpu->vm, vectors, n);
		}
		for (int chip = 0; chip < 2; chip++) {
			struct kvm_pic_state s = pic_state(vcpu, chip);

			CHECK_EQ(s.irr, m[chip].irr);
			CHECK_EQ(s.isr, m[chip].isr);
			CHECK_EQ(s.imr, m[chip].imr);
			CHECK_EQ(s.priority_add, m[chip].first);
		}
	}
}
