// SPDX-License-Identifier: GPL-2.0
/*
 * picapi - how interrupts of the two 8259A reach a CPU (as ExtINT, through LINT0 of its
 * local APIC or past a disabled one), which accesses of their ports the kernel takes,
 * and KVM_GET_IRQCHIP and KVM_SET_IRQCHIP of them.
 */
#include "pic.h"

enum { SELF_VECTOR = 0x90 };

static void write_lapic(struct vcpu *vcpu, u32 reg, u32 value)
{
	agent_writel(vcpu, APIC_DEFAULT_BASE + reg, value);
}

/* A level, so that every raise asks anew. */
static struct vcpu *level_machine(void)
{
	struct vcpu *vcpu = machine();

	agent_outb(vcpu, ELCR, BIT(5));
	return vcpu;
}

static void expect_level(struct vcpu *vcpu, bool arrives)
{
	raise_irq(vcpu, 5);
	if (arrives)
		EXPECT_IRQS(vcpu, 5);
	else
		EXPECT_IRQS(vcpu);
	lower_irq(vcpu, 5);
	agent_outb(vcpu, MASTER, EOI);
}

/* ---- the way to the CPU ------------------------------------------------------- */

SUBTEST(lint0_decides)
{
	static const struct {
		u32 lvt0;
		bool arrives;
	} cases[] = {
		{ APIC_DM_EXTINT, true }, { APIC_DM_EXTINT | APIC_LVT_MASKED, false },
		{ APIC_DM_EXTINT | 0x33, true }, { APIC_DM_FIXED | 0x61, false },
		{ APIC_DM_NMI, false }, { APIC_DM_EXTINT | APIC_LVT_LEVEL_TRIGGER, true },
		{ APIC_LVT_MASKED, false },
	};
	struct vcpu *vcpu = level_machine();

	for (int enabled = 0; enabled < 2; enabled++) {
		write_lapic(vcpu, APIC_SPIV, enabled ? 0x1ff : 0xff);
		for (u64 i = 0; i < ARRAY_SIZE(cases); i++) {
			/* A local APIC that is off by software masks its LVT for good. */
			const bool arrives = cases[i].arrives && enabled;

			test_doing("LVT0 %#x, local APIC enabled: %d", cases[i].lvt0, enabled);
			write_lapic(vcpu, APIC_LVT0, cases[i].lvt0);
			expect_level(vcpu, arrives);
		}
	}
}

/* As after RESET: off by software, but LINT0 of the first CPU is ExtINT and open. */
SUBTEST(lint0_after_reset)
{
	struct vcpu *vcpu = level_machine();

	CHECK_EQ(agent_readl(vcpu, APIC_DEFAULT_BASE + APIC_LVT0), APIC_DM_EXTINT);
	CHECK_EQ(agent_readl(vcpu, APIC_DEFAULT_BASE + APIC_SPIV), 0xff);
	expect_level(vcpu, true);
}

SUBTEST(lapic_disabled)
{
	struct vcpu *vcpu = level_machine();
	struct kvm_sregs s;

	write_lapic(vcpu, APIC_LVT0, APIC_DM_EXTINT | APIC_LVT_MASKED);
	expect_level(vcpu, false);
	get_sregs(vcpu, &s);
	s.apic_base &= ~APIC_BASE_ENABLE;
	set_sregs(vcpu, &s);
	expect_level(vcpu, true);
	get_sregs(vcpu, &s);
	CHECK_EQ(s.apic_base & APIC_BASE_ENABLE, 0);
}

/* ExtINT comes before what the local APIC has, and no TPR holds it back. */
SUBTEST(before_the_local_apic)
{
	struct vcpu *vcpu = machine();
	struct vm *vm = vcpu->vm;

	write_lapic(vcpu, APIC_SPIV, 0x1ff);
	write_lapic(vcpu, APIC_LVT0, APIC_DM_EXTINT);
	write_lapic(vcpu, APIC_ICR, APIC_DEST_SELF | SELF_VECTOR);
	pulse(vcpu, 3);
	agent_window(vcpu);
	vm_expect_events(vm, BASE + 3, SELF_VECTOR);
	write_lapic(vcpu, APIC_EOI, 0);
	agent_outb(vcpu, MASTER, EOI);
	guest_var(vm, guest_nr_events) = 0;
	write_lapic(vcpu, APIC_TASKPRI, 0xf0);
	write_lapic(vcpu, APIC_ICR, APIC_DEST_SELF | SELF_VECTOR);
	pulse(vcpu, 4);
	agent_window(vcpu);
	vm_expect_events(vm, BASE + 4);
	write_lapic(vcpu, APIC_TASKPRI, 0);
	agent_window(vcpu);
	vm_expect_events(vm, BASE + 4, SELF_VECTOR);
}

SUBTEST(other_vcpu)
{
	struct vcpu *vcpu = level_machine();
	struct vcpu *other = vcpu_create(vcpu->vm, 1);

	agent_start(other);
	raise_irq(vcpu, 5);
	CHECK_EQ(agent_readl(other, APIC_DEFAULT_BASE + APIC_LVT0), APIC_LVT_MASKED);
	EXPECT_IRQS(other);
	EXPECT_IRQS(vcpu, 5);
	lower_irq(vcpu, 5);
	agent_outb(vcpu, MASTER, EOI);
	write_lapic(vcpu, APIC_LVT0, APIC_DM_EXTINT | APIC_LVT_MASKED);
	write_lapic(other, APIC_SPIV, 0x1ff);
	write_lapic(other, APIC_LVT0, APIC_DM_EXTINT);
	raise_irq(vcpu, 5);
	EXPECT_IRQS(vcpu);
	EXPECT_IRQS(other, 5);
}

SUBTEST(ends_halt)
{
	struct vcpu *vcpu = machine();

	pulse(vcpu, 9);
	agent_halt(vcpu);
	vm_expect_events(vcpu->vm, BASE + 9);
}

static void *halted_vcpu(void *arg)
{
	agent_halt(arg);
	return NULL;
}

SUBTEST(ends_halt_from_another_thread)
{
	struct vcpu *vcpu = machine();
	struct thread t;

	for (u64 i = 0; i < 20; i++) {
		guest_var(vcpu->vm, guest_nr_events) = 0;
		thread_start(&t, -1, halted_vcpu, vcpu);
		if (i & 1)
			sched_yield();
		pulse(vcpu, 3);
		thread_join(&t);
		vm_expect_events(vcpu->vm, BASE + 3);
		agent_outb(vcpu, MASTER, EOI);
	}
}

/* ---- ports -------------------------------------------------------------------- */

/* The chips have an 8-bit bus: a word that fits into their ports does nothing ... */
SUBTEST(class06_wide_port_accesses)
{
	static const u16 ports[] = { MASTER, SLAVE, ELCR };
	struct vcpu *vcpu = machine();

	agent_outb(vcpu, MASTER + 1, 0x12);
	agent_outb(vcpu, SLAVE + 1, 0x34);
	agent_outb(vcpu, ELCR, 0x28);
	for (u64 i = 0; i < ARRAY_SIZE(ports); i++) {
		const u16 port = ports[i];
		u8 *data;

		test_doing("port %#x", port);
		agent_do(vcpu, AGENT_OUT, 2, port, 0x1111);
		CHECK_EQ(agent_do(vcpu, AGENT_IN, 2, port, 0), 0);
		/* ... and what goes beyond them is user space's. */
		agent_order(vcpu, AGENT_OUT, 4, port, 0x11111111);
		CHECK_EQ(*(u32 *)vcpu_expect_out(vcpu, port, 4, 1), 0x11111111);
		vcpu_expect_sync(vcpu, AGENT_SYNC);
		agent_order(vcpu, AGENT_IN, 2, port + 1, 0);
		data = vcpu_expect_in(vcpu, port + 1, 2, 1);
		data[0] = 0x5a;
		data[1] = 0xa5;
		CHECK_EQ(vcpu_expect_sync(vcpu, AGENT_SYNC), 0xa55a);
		agent_order(vcpu, AGENT_OUT, 2, port - 1, 0x1111);
		vcpu_expect_out(vcpu, port - 1, 2, 1);
		vcpu_expect_sync(vcpu, AGENT_SYNC);
		agent_order(vcpu, AGENT_OUT, 1, port + 2, 0x11);
		vcpu_expect_out(vcpu, port + 2, 1, 1);
		vcpu_expect_sync(vcpu, AGENT_SYNC);
	}
	CHECK_EQ(agent_inb(vcpu, MASTER + 1), 0x12);
	CHECK_EQ(agent_inb(vcpu, SLAVE + 1), 0x34);
	CHECK_EQ(agent_inb(vcpu, ELCR), 0x28);
	CHECK_EQ(agent_inb(vcpu, ELCR + 1), 0);
}

static u8 string[4];

static void rep_out(u64 port)
{
	const u8 *from = string;
	u64 n = 4;

	asm volatile("rep outsb" : "+S"(from), "+c"(n) : "d"(port) : "memory");
}

static void rep_in(u64 port)
{
	u64 n = 4;
	u8 *to = string;

	asm volatile("rep insb" : "+D"(to), "+c"(n) : "d"(port) : "memory");
}

SUBTEST(string_port_accesses)
{
	static const u8 words[4] = { BASE, 4, ICW4, 0x28 };
	struct vcpu *vcpu = fresh_machine();

	memcpy(guest_var(vcpu->vm, string), words, 4);
	agent_outb(vcpu, MASTER, 0x11);
	agent_call(vcpu, rep_out, MASTER + 1);
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_MASTER).irq_base, BASE);
	CHECK_EQ(pic_state(vcpu, KVM_IRQCHIP_PIC_MASTER).imr, 0x28);
	agent_call(vcpu, rep_in, MASTER + 1);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(guest_var(vcpu->vm, string)[i], 0x28);
}

/* ---- state ---------------------------------------------------------------------- */

SUBTEST(class12_calls_without_chips)
{
	struct kvm_irqchip chip = { .chip_id = 0 };
	struct vm *vm = vm_create_bare();

	for (u32 id = 0; id < 4; id++) {
		CHECK_EQ(get_chip(vm, id, &chip), -ENXIO);
		CHECK_EQ(set_chip(vm, &chip), -ENXIO);
	}
	CHECK_EQ(xioctl(vm->fd, KVM_GET_IRQCHIP, 8), -EFAULT);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_IRQCHIP, 8), -EFAULT);
	vm_split_irqchip(vm, 24);
	CHECK_EQ(get_chip(vm, 0, &chip), -ENXIO);
	CHECK_EQ(set_chip(vm, &chip), -ENXIO);
}

SUBTEST(class11_chip_ids)
{
	static const u32 bad[] = { 3, 4, 255, 0x10000, 0x80000000, ~0u };
	struct vcpu *vcpu = machine();
	struct kvm_irqchip chip = { };
	u8 *page = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (u64 i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(get_chip(vcpu->vm, bad[i], &chip), -EINVAL);
		CHECK_EQ(set_chip(vcpu->vm, &chip), -EINVAL);
	}
	for (u32 id = 0; id < 3; id++) {
		CHECK_EQ(get_chip(vcpu->vm, id, &chip), 0);
		CHECK_EQ(set_chip(vcpu->vm, &chip), 0);
	}
	CHECK_EQ(xioctl(vcpu->vm->fd, KVM_GET_IRQCHIP, (uintptr_t)page), -EFAULT);
	CHECK_EQ(xioctl(vcpu->vm->fd, KVM_SET_IRQCHIP, (uintptr_t)page), 0);
	CHECK_EQ(xioctl(vcpu->vm->fd, KVM_GET_IRQCHIP, 8), -EFAULT);
}

/* Behind the chip's own bytes is what user space had there, or nothing. */
SUBTEST(class28_bytes_behind_the_state)
{
	struct vcpu *vcpu = machine();
	struct kvm_irqchip chip;

	for (u32 id = 0; id < 3; id++) {
		const u64 size = id == KVM_IRQCHIP_IOAPIC ? sizeof(chip.chip.ioapic) :
				 sizeof(chip.chip.pic);

		memset(&chip, 0xa5, sizeof(chip));
		CHECK_EQ(get_chip(vcpu->vm, id, &chip), 0);
		CHECK_EQ(chip.chip_id, id);
		for (u64 i = size; i < sizeof(chip.chip); i++)
			CHECK((u8)chip.chip.dummy[i] == 0xa5 || !chip.chip.dummy[i]);
	}
}

SUBTEST(state_round_trip)
{
	struct kvm_pic_state s = { .imr = 0x81, .isr = 0x10, .irr = 0x22, .last_irr = 0x20,
		.priority_add = 3, .irq_base = 0x68, .read_reg_select = 1, .special_mask = 1,
		.rotate_on_auto_eoi = 1, .init4 = 1 };
	struct vcpu *vcpu = machine();
	struct kvm_irqchip chip = { };

	for (u32 id = 0; id < 2; id++) {
		struct kvm_pic_state got, other = pic_state(vcpu, !id);

		s.elcr_mask = id ? 0xde : 0xf8;
		s.elcr = id ? 0x42 : 0x28;
		for (s.init_state = 0; s.init_state < 4; s.init_state++) {
			chip.chip_id = id;
			chip.chip.pic = s;
			CHECK_EQ(set_chip(vcpu->vm, &chip), 0);
			got = pic_state(vcpu, id);
			CHECK_EQ(memcmp(&got, &s, sizeof(s)), 0);
		}
		/* The other chip hears of a request of the slave at most. */
		got = pic_state(vcpu, !id);
		other.irr = got.irr;
		CHECK_EQ(memcmp(&got, &other, sizeof(got)), 0);
		chip.chip.pic.init_state = 0;
		CHECK_EQ(set_chip(vcpu->vm, &chip), 0);
		CHECK_EQ(agent_inb(vcpu, id ? SLAVE : MASTER), 0x10);
		CHECK_EQ(agent_inb(vcpu, id ? SLAVE + 1 : MASTER + 1), 0x81);
	}
}

/* A machine in the middle of interrupts goes on in another one. */
SUBTEST(state_moved_to_another_machine)
{
	struct vcpu *from = machine(), *to = fresh_machine();
	struct kvm_irqchip chip = { };

	agent_outb(from, ELCR + 1, BIT(4));
	pulse(from, 9);
	EXPECT_IRQS(from, 9);
	pulse(from, 3);
	pulse(from, 10);
	raise_irq(from, 12);
	pulse(from, 5);
	agent_outb(from, MASTER + 1, BIT(5));
	for (u32 id = 0; id < 2; id++) {
		CHECK_EQ(get_chip(from->vm, id, &chip), 0);
		CHECK_EQ(set_chip(to->vm, &chip), 0);
	}
	EXPECT_IRQS(to);
	agent_outb(to, SLAVE, EOI);
	agent_outb(to, MASTER, EOI);
	EXPECT_IRQS(to, 10);
	agent_outb(to, SLAVE, EOI);
	agent_outb(to, MASTER, EOI);
	EXPECT_IRQS(to, 12);
	lower_irq(to, 12);
	agent_outb(to, SLAVE, EOI);
	agent_outb(to, MASTER, EOI);
	EXPECT_IRQS(to, 3);
	agent_outb(to, MASTER, EOI);
	EXPECT_IRQS(to);
	agent_outb(to, MASTER + 1, 0);
	EXPECT_IRQS(to, 5);
}

/* A request that user space writes into IRR is one for the CPU. */
SUBTEST(state_with_a_request)
{
	struct vcpu *vcpu = machine();
	struct kvm_irqchip chip = { };

	CHECK_EQ(get_chip(vcpu->vm, KVM_IRQCHIP_PIC_MASTER, &chip), 0);
	chip.chip.pic.irr = BIT(6);
	CHECK_EQ(set_chip(vcpu->vm, &chip), 0);
	EXPECT_IRQS(vcpu, 6);
	CHECK_EQ(get_chip(vcpu->vm, KVM_IRQCHIP_PIC_SLAVE, &chip), 0);
	chip.chip.pic.irr = BIT(5);
	CHECK_EQ(set_chip(vcpu->vm, &chip), 0);
	EXPECT_IRQS(vcpu, 13);
}

/* The guest gets any chip to work again. */
static void mend(struct vcpu *vcpu)
{
	for (int chip = 0; chip < 2; chip++) {
		const u16 port = chip ? SLAVE : MASTER;

		agent_outb(vcpu, ELCR + chip, 0);
		agent_inb(vcpu, port);			/* ends a poll */
		init_chip(vcpu, port, 0);
		for (int i = 0; i < 8; i++)
			agent_outb(vcpu, port, EOI_OF | i);
	}
	for (u32 irq = 0; irq < 16; irq++)
		lower_irq(vcpu, irq);
	agent_window(vcpu);				/* maybe a spurious one */
	CHECK(guest_var(vcpu->vm, guest_nr_events) <= 1);
	agent_outb(vcpu, MASTER, EOI_OF | 2);
	pulse(vcpu, 4);
	EXPECT_IRQS(vcpu, 4);
	agent_outb(vcpu, MASTER, EOI);
	pulse(vcpu, 13);
	EXPECT_IRQS(vcpu, 13);
	agent_outb(vcpu, SLAVE, EOI);
	agent_outb(vcpu, MASTER, EOI);
}

static void use_ports(struct vcpu *vcpu)
{
	static const u8 words[] = { READ_IRR, POLL, READ_ISR, EOI, EOI_ROTATE, EOI_OF | 5,
		EOI_ROTATE_OF | 6, SET_LOWEST | 2, POLL };

	for (u64 i = 0; i < ARRAY_SIZE(words); i++) {
		agent_outb(vcpu, MASTER, words[i]);
		agent_outb(vcpu, SLAVE, words[i]);
		agent_inb(vcpu, MASTER + (i & 1));
		agent_inb(vcpu, SLAVE + (i & 1));
	}
	agent_outb(vcpu, MASTER + 1, 0);
	agent_outb(vcpu, SLAVE + 1, 0);
}

SUBTEST(class11_states_that_no_chip_has)
{
	struct vcpu *vcpu = machine();
	struct kvm_irqchip chip;

	for (int i = 0; i < 30; i++) {
		u8 *p = (u8 *)&chip.chip.pic;

		test_doing("state %d", i);
		for (int id = 0; id < 2; id++) {
			memset(&chip, i ? 0 : 0xff, sizeof(chip));
			for (u64 k = 0; i && k < sizeof(chip.chip.pic); k++)
				p[k] = test_rand() >> 16;
			chip.chip_id = id;
			CHECK_EQ(set_chip(vcpu->vm, &chip), 0);
		}
		for (u32 irq = 0; irq < 16; irq++)
			raise_irq(vcpu, irq);
		use_ports(vcpu);
		guest_var(vcpu->vm, guest_nr_events) = 0;
		mend(vcpu);
	}
}

/* ---- all at once ------------------------------------------------------------------ */

static void guest_hammer(u64 n)
{
	for (u64 i = 0; i < n; i++) {
		outb(MASTER, i & 1 ? EOI : READ_ISR);
		outb(SLAVE, EOI_ROTATE);
		outb(MASTER + 1, i);
		outb(SLAVE + 1, ~i);
		inb(MASTER);
		outb(ELCR, i);
		if (i % 16 == 0)
			outb(SLAVE, POLL);
	}
}

static void *hammering_vcpu(void *arg)
{
	agent_call((struct vcpu *)arg, guest_hammer, 400);
	return NULL;
}

SUBTEST(class37_ports_lines_and_states_at_once)
{
	struct vcpu *vcpu = machine();
	struct kvm_irqchip chip = { };
	struct thread t;
	u32 n = 0;

	thread_start(&t, -1, hammering_vcpu, vcpu);
	while (!__atomic_load_n(&t.done, __ATOMIC_ACQUIRE)) {
		irq_line(vcpu->vm, n % 16, n >> 4 & 1);
		if (n % 8 == 0) {
			CHECK_EQ(get_chip(vcpu->vm, n >> 3 & 1, &chip), 0);
			CHECK_EQ(set_chip(vcpu->vm, &chip), 0);
		}
		if (n++ % 64 == 0)
			sched_yield();
	}
	thread_join(&t);
	guest_var(vcpu->vm, guest_nr_events) = 0;
	mend(vcpu);
}
