// SPDX-License-Identifier: GPL-2.0
/*
 * routing - from a GSI to pins and messages: KVM_SET_GSI_ROUTING, what KVM_IRQ_LINE and
 * KVM_IRQ_LINE_STATUS say of a line, KVM_SIGNAL_MSI, and messages to APIC ids of 32 bits
 * (KVM_CAP_X2APIC_API). Machines whose IOAPIC is in user space are in splitchip.c.
 */
#include <sys/eventfd.h>

#include "ioapic.h"
#include "pic.h"

enum { VECTOR = 0x61, OTHER = 0x72, MAX_ROUTES = 4096 };

/* ---- routes ------------------------------------------------------------------------ */

static struct kvm_irq_routing_entry msi_route(u32 gsi, u64 addr, u32 data)
{
	return (struct kvm_irq_routing_entry){ .gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = addr, .address_hi = addr >> 32, .data = data } };
}

/* Requests of the three chips, as bits of GSIs in the default routing. */
static void check_requests(struct vm *vm, u32 pics, u32 ioapic)
{
	struct kvm_irqchip chip = { };
	struct kvm_ioapic_state s;
	u32 got;

	CHECK_EQ(get_chip(vm, KVM_IRQCHIP_PIC_MASTER, &chip), 0);
	got = chip.chip.pic.irr & ~BIT(2);
	CHECK_EQ(get_chip(vm, KVM_IRQCHIP_PIC_SLAVE, &chip), 0);
	CHECK_EQ(got | chip.chip.pic.irr << 8, pics);
	get_ioapic(vm, &s);
	CHECK_EQ(s.irr, ioapic);
}

/* Edges of the 8259A are latched: forget them. */
static void clear_requests(struct vm *vm)
{
	struct kvm_irqchip chip = { };

	for (u32 id = 0; id < 2; id++) {
		CHECK_EQ(get_chip(vm, id, &chip), 0);
		chip.chip.pic.irr = 0;
		CHECK_EQ(set_chip(vm, &chip), 0);
	}
}

SUBTEST(routes_of_a_new_machine)
{
	struct vm *vm = vm_create();

	vm_irqchip(vm);
	CHECK_EQ(check_cap(vm, KVM_CAP_IRQ_ROUTING), MAX_ROUTES);
	for (u32 gsi = 0; gsi < 40; gsi++) {
		test_doing("GSI %u", gsi);
		irq_line(vm, gsi, 1);
		check_requests(vm, gsi == 2 || gsi > 15 ? 0 : BIT(gsi), gsi > 23 ? 0 : BIT(gsi));
		if (gsi > 23)
			CHECK_EQ(irq_line(vm, gsi, 1), -1);
		irq_line(vm, gsi, 0);
		clear_requests(vm);
	}
}

SUBTEST(class11_lines_that_are_not_there)
{
	static const u32 gsis[] = { 24, 255, 256, 4095, 4096, 4097, 0xffff, 0x10000,
		0x7fffffff, 0x80000000, ~0u };
	struct vm *vm = vm_create();

	vm_irqchip(vm);
	for (u64 i = 0; i < ARRAY_SIZE(gsis); i++) {
		test_doing("GSI %#x", gsis[i]);
		CHECK_EQ(irq_line(vm, gsis[i], 1), -1);
		CHECK_EQ(irq_line(vm, gsis[i], 0), -1);
	}
	check_requests(vm, 0, 0);
}

/* A table takes the place of the one before. */
SUBTEST(routes_replaced)
{
	struct route_table t = { .head.nr = 4 };
	struct vm *vm = vm_create();

	vm_irqchip(vm);
	t.e[0] = chip_route(5, KVM_IRQCHIP_IOAPIC, 7);
	t.e[1] = chip_route(100, KVM_IRQCHIP_IOAPIC, 23);
	t.e[2] = chip_route(MAX_ROUTES - 1, KVM_IRQCHIP_PIC_SLAVE, 3);
	t.e[3] = chip_route(0, KVM_IRQCHIP_PIC_MASTER, 6);
	CHECK_EQ(set_routes(vm, &t), 0);
	irq_line(vm, 5, 1);
	check_requests(vm, 0, BIT(7));
	irq_line(vm, 100, 1);
	check_requests(vm, 0, BIT(7) | BIT(23));
	irq_line(vm, MAX_ROUTES - 1, 1);
	irq_line(vm, 0, 1);
	check_requests(vm, BIT(11) | BIT(6), BIT(7) | BIT(23));
	CHECK_EQ(irq_line(vm, 6, 1), -1);
	CHECK_EQ(irq_line(vm, 7, 1), -1);
	irq_line(vm, 5, 0);
	check_requests(vm, BIT(11) | BIT(6), BIT(23));
	/* None at all. */
	t.head.nr = 0;
	CHECK_EQ(set_routes(vm, &t), 0);
	CHECK_EQ(irq_line(vm, 100, 0), -1);
	check_requests(vm, BIT(11) | BIT(6), BIT(23));
}

/* Two GSIs at one pin are one line of user space: what was said last counts. */
SUBTEST(two_gsis_at_one_pin)
{
	struct route_table t = { .head.nr = 2 };
	struct vm *vm = vm_create();

	vm_irqchip(vm);
	t.e[0] = chip_route(40, KVM_IRQCHIP_IOAPIC, 7);
	t.e[1] = chip_route(41, KVM_IRQCHIP_IOAPIC, 7);
	CHECK_EQ(set_routes(vm, &t), 0);
	irq_line(vm, 40, 1);
	irq_line(vm, 41, 1);
	check_requests(vm, 0, BIT(7));
	irq_line(vm, 40, 0);
	check_requests(vm, 0, 0);
}

/* An irqfd with resampling is another source: the line is high while one of them is. */
SUBTEST(two_sources_at_one_pin)
{
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];
	struct kvm_irqfd irqfd = { .fd = eventfd(0, 0), .resamplefd = eventfd(0, 0),
		.gsi = 9, .flags = KVM_IRQFD_FLAG_RESAMPLE };
	struct kvm_ioapic_state s;
	u64 n = 1;

	keep_in_service(vm, VECTOR);
	set_entry(vcpu, 9, MASKED | LEVEL | VECTOR);
	CHECK_EQ(xioctl(vm->fd, KVM_IRQFD, (uintptr_t)&irqfd), 0);
	CHECK_EQ(write(irqfd.fd, &n, 8), 8);
	do
		get_ioapic(vm, &s);
	while (!s.irr);				/* a worker of the kernel does it */
	irq_line(vm, 9, 1);
	irq_line(vm, 9, 0);
	get_ioapic(vm, &s);
	CHECK_EQ(s.irr, BIT(9));
	set_entry(vcpu, 9, LEVEL | VECTOR);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	/* The EOI takes the irqfd's level back, not user space's. */
	irq_line(vm, 9, 1);
	lapic_eoi(vcpu);
	CHECK_EQ(read(irqfd.resamplefd, &n, 8), 8);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	irq_line(vm, 9, 0);
	lapic_eoi(vcpu);
	CHECK_EQ(taken(vcpu, VECTOR), 0);
}

static int try_route(struct vm *vm, struct kvm_irq_routing_entry e)
{
	struct route_table t = { .head.nr = 2 };

	t.e[0] = chip_route(5, KVM_IRQCHIP_IOAPIC, 5);
	t.e[1] = e;
	return set_routes(vm, &t);
}

SUBTEST(class11_bad_entries)
{
	static const u32 bad_types[] = { 0, 3, 0x100, 0x80000001, ~0u };
	static const u32 bad_chips[] = { 3, 4, 0x10000, 0x80000000, ~0u };
	static const u32 bad_gsis[] = { MAX_ROUTES, MAX_ROUTES + 1, 0x10000, 0x7fffffff,
		0x80000000, ~0u };
	const struct kvm_irq_routing_entry good = chip_route(6, KVM_IRQCHIP_IOAPIC, 6);
	struct kvm_irq_routing_entry e;
	struct vm *vm = vm_create();

	vm_irqchip(vm);
	CHECK_EQ(try_route(vm, good), 0);
	for (u64 i = 0; i < ARRAY_SIZE(bad_types); i++) {
		e = good;
		e.type = bad_types[i];
		CHECK_EQ(try_route(vm, e), -EINVAL);
	}
	for (u64 i = 0; i < ARRAY_SIZE(bad_chips); i++)
		CHECK_EQ(try_route(vm, chip_route(6, bad_chips[i], 6)), -EINVAL);
	for (u64 i = 0; i < ARRAY_SIZE(bad_gsis); i++) {
		CHECK_EQ(try_route(vm, chip_route(bad_gsis[i], KVM_IRQCHIP_IOAPIC, 6)), -EINVAL);
		CHECK_EQ(try_route(vm, msi_route(bad_gsis[i], MSI_ADDR, VECTOR)), -EINVAL);
	}
	for (u32 chip = 0; chip < 3; chip++) {
		const u32 pins = chip == KVM_IRQCHIP_IOAPIC ? 24 : 8;

		CHECK_EQ(try_route(vm, chip_route(6, chip, pins - 1)), 0);
		CHECK_EQ(try_route(vm, chip_route(6, chip, pins)), -EINVAL);
		CHECK_EQ(try_route(vm, chip_route(6, chip, ~0u)), -EINVAL);
		CHECK_EQ(try_route(vm, chip_route(6, chip, ~0u - 7)), -EINVAL);
	}
	for (int bit = 0; bit < 32; bit++) {
		e = good;
		e.flags = BIT(bit);
		CHECK_EQ(try_route(vm, e), -EINVAL);
		e = msi_route(6, MSI_ADDR, VECTOR);
		e.flags = BIT(bit);
		CHECK_EQ(try_route(vm, e), e.flags == KVM_MSI_VALID_DEVID ? 0 : -EINVAL);
	}
}

/* One entry a chip for a GSI, and a message is alone. */
SUBTEST(class11_several_entries_for_a_gsi)
{
	const struct kvm_irq_routing_entry msi = msi_route(5, MSI_ADDR, VECTOR);
	struct route_table t = { .head.nr = 3 };
	struct vm *vm = vm_create();

	vm_irqchip(vm);
	t.e[0] = chip_route(50, KVM_IRQCHIP_IOAPIC, 5);
	t.e[1] = chip_route(50, KVM_IRQCHIP_PIC_MASTER, 4);
	t.e[2] = chip_route(50, KVM_IRQCHIP_PIC_SLAVE, 3);
	CHECK_EQ(set_routes(vm, &t), 0);
	irq_line(vm, 50, 1);
	check_requests(vm, BIT(4) | BIT(11), BIT(5));
	CHECK_EQ(try_route(vm, chip_route(5, KVM_IRQCHIP_PIC_MASTER, 5)), 0);
	CHECK_EQ(try_route(vm, chip_route(5, KVM_IRQCHIP_IOAPIC, 5)), -EINVAL);
	CHECK_EQ(try_route(vm, chip_route(5, KVM_IRQCHIP_IOAPIC, 6)), -EINVAL);
	CHECK_EQ(try_route(vm, msi), -EINVAL);
	t.head.nr = 2;
	t.e[0] = msi;
	t.e[1] = chip_route(5, KVM_IRQCHIP_IOAPIC, 5);
	CHECK_EQ(set_routes(vm, &t), -EINVAL);
	t.e[1] = msi;
	CHECK_EQ(set_routes(vm, &t), -EINVAL);
}

SUBTEST(class11_tables)
{
	struct kvm_irq_routing *r = calloc(1, sizeof(*r) +
					   (MAX_ROUTES + 1) * sizeof(r->entries[0]));
	u8 *page = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vm *vm = vm_create_bare();
	struct kvm_irq_routing *end;

	CHECK_EQ(xioctl(vm->fd, KVM_SET_GSI_ROUTING, (uintptr_t)r), -EINVAL);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_GSI_ROUTING, 8), -EFAULT);
	vm_irqchip(vm);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_GSI_ROUTING, 8), -EFAULT);
	for (u32 i = 0; i <= MAX_ROUTES; i++)
		r->entries[i] = msi_route(MAX_ROUTES - 1 - i, MSI_ADDR, VECTOR);
	r->nr = MAX_ROUTES;
	CHECK_EQ(xioctl(vm->fd, KVM_SET_GSI_ROUTING, (uintptr_t)r), 0);
	r->nr = MAX_ROUTES + 1;
	CHECK_EQ(xioctl(vm->fd, KVM_SET_GSI_ROUTING, (uintptr_t)r), -EINVAL);
	r->nr = ~0u;
	CHECK_EQ(xioctl(vm->fd, KVM_SET_GSI_ROUTING, (uintptr_t)r), -EINVAL);
	r->nr = 1;
	for (int bit = 0; bit < 32; bit++) {
		r->flags = BIT(bit);
		CHECK_EQ(xioctl(vm->fd, KVM_SET_GSI_ROUTING, (uintptr_t)r), -EINVAL);
	}
	/* The second of two entries is where no memory is. */
	munmap(page + PAGE_SIZE, PAGE_SIZE);
	end = (void *)(page + PAGE_SIZE - sizeof(*r) - sizeof(r->entries[0]));
	memcpy(end, r, sizeof(*r) + sizeof(r->entries[0]));
	end->flags = 0;
	CHECK_EQ(xioctl(vm->fd, KVM_SET_GSI_ROUTING, (uintptr_t)end), 0);
	end->nr = 2;
	CHECK_EQ(xioctl(vm->fd, KVM_SET_GSI_ROUTING, (uintptr_t)end), -EFAULT);
}

/* A table that was refused leaves the old one as it is. */
SUBTEST(class11_refused_table_changes_nothing)
{
	struct vm *vm = vm_create();

	vm_irqchip(vm);
	CHECK_EQ(try_route(vm, chip_route(30, KVM_IRQCHIP_IOAPIC, 6)), 0);
	CHECK_EQ(try_route(vm, chip_route(31, KVM_IRQCHIP_IOAPIC, 24)), -EINVAL);
	irq_line(vm, 30, 1);
	check_requests(vm, 0, BIT(6));
	CHECK_EQ(irq_line(vm, 31, 1), -1);
}

static struct kvm_irq_routing_entry random_entry(void)
{
	static const u32 gsis[] = { 0, 1, 2, 3, 4, 5, 6, 7, MAX_ROUTES - 1, MAX_ROUTES };
	const u64 r = test_rand();
	const u32 gsi = gsis[(r & 0xff) % (r >> 40 & 7 ? 9 : 10)];

	if (r >> 8 & 1)
		return msi_route(gsi, MSI_ADDR, r >> 16 & 0xff);
	return chip_route(gsi, (r >> 16 & 0xff) % (r >> 48 & 7 ? 3 : 4), (r >> 24 & 0xff) %
			  (r >> 51 & 7 ? 8 : 30));
}

/* May both be routes of one GSI? */
static bool go_together(const struct kvm_irq_routing_entry *a,
			const struct kvm_irq_routing_entry *b)
{
	return a->type == KVM_IRQ_ROUTING_IRQCHIP && b->type == KVM_IRQ_ROUTING_IRQCHIP &&
	       a->u.irqchip.irqchip != b->u.irqchip.irqchip;
}

static bool entry_ok(const struct route_table *t, u32 n)
{
	static const u32 pins[] = { 8, 8, 24 };
	const struct kvm_irq_routing_entry *e = &t->e[n];

	if (e->gsi >= MAX_ROUTES)
		return false;
	for (u32 i = 0; i < n; i++)
		if (t->e[i].gsi == e->gsi && !go_together(&t->e[i], e))
			return false;
	if (e->type == KVM_IRQ_ROUTING_MSI)
		return true;
	return e->u.irqchip.irqchip < 3 && e->u.irqchip.pin < pins[e->u.irqchip.irqchip];
}

SUBTEST(class11_random_tables)
{
	struct vm *vm = vm_create();
	u32 good = 0;

	vm_irqchip(vm);
	for (int i = 0; i < 300; i++) {
		struct route_table t = { .head.nr = test_rand() % 7 };
		bool ok = true;

		test_doing("table %d", i);
		for (u32 n = 0; n < t.head.nr; n++) {
			t.e[n] = random_entry();
			ok = ok && entry_ok(&t, n);
		}
		CHECK_EQ(set_routes(vm, &t), ok ? 0 : -EINVAL);
		good += ok;
		for (u32 n = 0; n < t.head.nr; n++)
			irq_line(vm, t.e[n].gsi, n & 1);
	}
	CHECK(good > 20 && good < 280);
}

/* ---- lines -------------------------------------------------------------------------- */

SUBTEST(class12_lines_without_chips_or_vcpus)
{
	struct kvm_irq_level line = { .irq = 5, .level = 1 };
	struct kvm_ioapic_state s;
	struct vm *vm = vm_create();

	CHECK_EQ(irq_line(vm, 5, 1), -ENXIO);
	CHECK_EQ(xioctl(vm->fd, KVM_IRQ_LINE, (uintptr_t)&line), -ENXIO);
	CHECK_EQ(xioctl(vm->fd, KVM_IRQ_LINE, 8), -EFAULT);
	CHECK_EQ(xioctl(vm->fd, KVM_IRQ_LINE_STATUS, 8), -EFAULT);
	CHECK_EQ(signal_msi(vm, MSI_ADDR, VECTOR), -EINVAL);
	CHECK_EQ(xioctl(vm->fd, KVM_SIGNAL_MSI, 8), -EFAULT);
	vm_irqchip(vm);
	route_to_ioapic(vm);
	get_ioapic(vm, &s);
	s.redirtbl[5].bits = VECTOR;
	s.redirtbl[6].bits = TO(0xff) | LEVEL | VECTOR;
	CHECK_EQ(set_ioapic(vm, &s), 0);
	CHECK_EQ(irq_line(vm, 5, 1), -1);
	CHECK_EQ(irq_line(vm, 6, 1), -1);
	CHECK_EQ(signal_msi(vm, MSI_ADDR, VECTOR), -1);
}

/* Any level but 0 is high; KVM_IRQ_LINE does not tell, and leaves its argument alone. */
SUBTEST(line_levels)
{
	static const u32 levels[] = { 1, 2, 0x80, 0x100, 0x80000000, ~0u };
	struct vm *vm = ioapic_machine(1);
	struct vcpu *vcpu = vm->vcpus[0];

	set_entry(vcpu, 5, VECTOR);
	for (u64 i = 0; i < ARRAY_SIZE(levels); i++) {
		struct kvm_irq_level line = { .irq = 5, .level = levels[i] };

		CHECK_EQ(irq_line(vm, 5, levels[i]), 1);
		CHECK_EQ(irq_line(vm, 5, 1), 0);
		CHECK_EQ(irq_line(vm, 5, 0), 1);
		CHECK_EQ(taken(vcpu, VECTOR), 1);
		CHECK_EQ(xioctl(vm->fd, KVM_IRQ_LINE, (uintptr_t)&line), 0);
		CHECK_EQ(line.irq, 5);
		line.level = 0;
		CHECK_EQ(xioctl(vm->fd, KVM_IRQ_LINE, (uintptr_t)&line), 0);
		CHECK_EQ(taken(vcpu, VECTOR), 1);
	}
}

/* With several chips at a line the status is the sum of those that did not ignore it. */
SUBTEST(line_status_of_two_chips)
{
	struct vcpu *vcpu = machine();
	struct vm *vm = vcpu->vm;

	vm_count_irqs(vm);
	agent_call(vcpu, guest_xapic_enable, 0);
	set_entry(vcpu, 5, VECTOR);
	CHECK_EQ(irq_line(vm, 5, 1), 2);
	CHECK_EQ(irq_line(vm, 5, 1), 1);	/* the IOAPIC saw no edge, nor lost one the 8259 */
	CHECK_EQ(irq_line(vm, 5, 0), 2);
	CHECK_EQ(irq_line(vm, 5, 1), 1);	/* lost by the 8259 */
	CHECK_EQ(irq_line(vm, 5, 0), 2);
	agent_outb(vcpu, MASTER + 1, 0xff);
	CHECK_EQ(irq_line(vm, 5, 1), 1);
	CHECK_EQ(irq_line(vm, 5, 0), 1);
	set_entry(vcpu, 5, MASKED | VECTOR);
	CHECK_EQ(irq_line(vm, 5, 1), -1);
	CHECK_EQ(irq_line(vm, 5, 0), 1);
	CHECK_EQ(irq_line(vm, 16, 1), -1);
	CHECK_EQ(irq_line(vm, 16, 0), 1);
}

/* ---- messages ------------------------------------------------------------------------- */

#define MSI_TO(id)	(MSI_ADDR | (u64)((id) & 0xff) << 12)
#define MSI_LOGICAL	BIT(2)
#define MSI_HINT	BIT(3)		/* redirection: to one of them */

SUBTEST(msi_destinations)
{
	struct vm *vm = ioapic_machine(3);

	for (u32 id = 0; id < 256; id++) {
		test_doing("destination %u", id);
		CHECK_EQ(signal_msi(vm, MSI_TO(id), VECTOR), id < 3 ? 1 : id == 0xff ? 3 : 0);
		for (u32 i = 0; i < 3 && (id < 4 || id == 0xff); i++)
			CHECK_EQ(taken(vm->vcpus[i], VECTOR), id == i || id == 0xff);
	}
	for (u32 i = 0; i < 3; i++)
		lapic_write(vm->vcpus[i], APIC_LDR, BIT(i + 1) << 24);
	for (u32 dest = 0; dest < 16; dest++) {
		const u32 who = dest >> 1 & 7;

		test_doing("logical destination %#x", dest);
		CHECK_EQ(signal_msi(vm, MSI_TO(dest) | MSI_LOGICAL, VECTOR),
			 __builtin_popcount(who));
		for (u32 i = 0; i < 3; i++)
			CHECK_EQ(taken(vm->vcpus[i], VECTOR), who >> i & 1);
	}
	CHECK_EQ(signal_msi(vm, MSI_TO(0xff) | MSI_LOGICAL, VECTOR), 3);
}

static u32 who_took(struct vm *vm, u8 vector)
{
	u32 who = 0;

	for (int i = 0; i < vm->nr_vcpus; i++)
		who |= taken(vm->vcpus[i], vector) << i;
	return who;
}

/* To one of several: by the delivery mode, or by the hint in the address. */
SUBTEST(msi_to_one_of_several)
{
	struct vm *vm = ioapic_machine(3);

	for (u32 i = 0; i < 3; i++)
		lapic_write(vm->vcpus[i], APIC_LDR, BIT(i) << 24);
	for (u32 i = 0; i < 8; i++) {
		const u8 vector = 0x50 + i;
		u32 who;

		test_doing("vector %#x", vector);
		CHECK_EQ(signal_msi(vm, MSI_TO(6) | MSI_LOGICAL, APIC_DM_LOWEST | vector), 1);
		who = who_took(vm, vector);
		CHECK(who == 2 || who == 4);
		CHECK_EQ(signal_msi(vm, MSI_TO(5) | MSI_LOGICAL | MSI_HINT, vector), 1);
		who = who_took(vm, vector);
		CHECK(who == 1 || who == 4);
		CHECK_EQ(signal_msi(vm, MSI_TO(1) | MSI_HINT, vector), 1);
		CHECK_EQ(who_took(vm, vector), 2);
	}
}

SUBTEST(msi_delivery_modes)
{
	struct vm *vm = ioapic_machine(2);
	struct kvm_mp_state s;

	CHECK_EQ(signal_msi(vm, MSI_TO(0), APIC_DM_NMI | VECTOR), 1);
	agent_readl(vm->vcpus[0], IOAPIC);
	vm_expect_events(vm, NMI);
	CHECK_EQ(signal_msi(vm, MSI_TO(0), APIC_DM_EXTINT | VECTOR), 0);
	CHECK_EQ(who_took(vm, VECTOR), 0);
	CHECK_EQ(signal_msi(vm, MSI_TO(1), APIC_DM_INIT), 1);
	CHECK_EQ(xioctl(vm->vcpus[1]->fd, KVM_GET_MP_STATE, (uintptr_t)&s), 0);
	CHECK_EQ(s.mp_state, KVM_MP_STATE_INIT_RECEIVED);
	/* A level is sent like an edge. */
	CHECK_EQ(signal_msi(vm, MSI_TO(0), APIC_INT_LEVELTRIG | APIC_INT_ASSERT | VECTOR), 1);
	CHECK_EQ(taken(vm->vcpus[0], VECTOR), 1);
	lapic_write(vm->vcpus[0], APIC_SPIV, 0xff);
	CHECK_EQ(signal_msi(vm, MSI_TO(0), VECTOR), 0);
}

/* Of the address only destination and mode count; of the upper half nothing. */
SUBTEST(class11_msi_addresses_and_flags)
{
	static const u64 addrs[] = { 0, 0xfff00000, 0x80000000, 0xfee00ff3, 0x123456780fe00000,
		0xffffffff00000000 };
	struct vm *vm = ioapic_machine(1);
	struct kvm_msi msi = { .address_lo = MSI_ADDR, .data = VECTOR };

	for (u64 i = 0; i < ARRAY_SIZE(addrs); i++) {
		test_doing("address %#llx", (unsigned long long)addrs[i]);
		CHECK_EQ(signal_msi(vm, addrs[i], VECTOR), 1);
		CHECK_EQ(taken(vm->vcpus[0], VECTOR), 1);
	}
	CHECK_EQ(signal_msi(vm, MSI_ADDR, 0xffff0000 | VECTOR), 1);
	CHECK_EQ(taken(vm->vcpus[0], VECTOR), 1);
	for (int bit = 0; bit < 32; bit++) {
		msi.flags = BIT(bit);
		msi.devid = ~0u;
		CHECK_EQ(xioctl(vm->fd, KVM_SIGNAL_MSI, (uintptr_t)&msi),
			 msi.flags == KVM_MSI_VALID_DEVID ? 1 : -EINVAL);
	}
	CHECK_EQ(taken(vm->vcpus[0], VECTOR), 1);
}

/* Any message at all: no harm to the host. The guest is not run any more. */
SUBTEST(class11_random_messages)
{
	struct vm *vm = ioapic_machine(2);

	for (int i = 0; i < 1000; i++) {
		const int ret = signal_msi(vm, test_rand(), test_rand());

		CHECK(ret >= -1 && ret <= 2);
	}
}

/* A message has no level: each "high" sends one, each "low" is ignored. */
SUBTEST(msi_routes)
{
	struct route_table t = { .head.nr = 4 };
	struct vm *vm = ioapic_machine(2);

	t.e[0] = msi_route(3, MSI_TO(0), VECTOR);
	t.e[1] = msi_route(24, MSI_TO(1), OTHER);
	t.e[2] = msi_route(MAX_ROUTES - 1, MSI_TO(0xff), VECTOR);
	t.e[3] = msi_route(25, MSI_TO(7), VECTOR);
	CHECK_EQ(set_routes(vm, &t), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(irq_line(vm, 3, 1), 1);
		CHECK_EQ(who_took(vm, VECTOR), 1);
	}
	CHECK_EQ(irq_line(vm, 3, 0), -1);
	CHECK_EQ(irq_line(vm, 24, 1), 1);
	CHECK_EQ(who_took(vm, OTHER), 2);
	CHECK_EQ(irq_line(vm, MAX_ROUTES - 1, 1), 2);
	CHECK_EQ(who_took(vm, VECTOR), 3);
	CHECK_EQ(irq_line(vm, 25, 1), 0);
	CHECK_EQ(irq_line(vm, 26, 1), -1);
}

/* ---- APIC ids of 32 bits ------------------------------------------------------------------ */

static int x2apic_api(struct vm *vm, u64 flags)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X2APIC_API, .args = { flags } };

	return xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&cap);
}

enum { BIG_ID = 257 };

/* vCPUs 0, 1 and BIG_ID, in x2APIC mode. */
static struct vm *big_machine(u64 flags)
{
	static const int ids[] = { 0, 1, BIG_ID };
	struct kvm_enable_cap max = { .cap = KVM_CAP_MAX_VCPU_ID, .args = { BIG_ID + 1 } };
	struct vm *vm = vm_create();

	CHECK_EQ(xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&max), 0);
	vm_irqchip(vm);
	vm_count_irqs(vm);
	CHECK_EQ(x2apic_api(vm, flags), 0);
	for (u32 i = 0; i < 3; i++) {
		struct vcpu *vcpu = vcpu_create(vm, ids[i]);
		struct guest_percpu *p = vm_ptr(vm, vcpu->percpu);

		p->id = i;			/* where the library counts it */
		vcpu->id = i;
		agent_start(vcpu);
		agent_call(vcpu, guest_x2apic_enable, 0);
	}
	return vm;
}

SUBTEST(x2apic_api_flags)
{
	struct vm *vm = vm_create_bare();
	const u64 known = check_cap(vm, KVM_CAP_X2APIC_API);

	CHECK_EQ(known & 3, 3);
	for (int bit = 2; bit < 64; bit++)
		if (!(known & BIT(bit)))
			CHECK_EQ(x2apic_api(vm, BIT(bit)), -EINVAL);
	for (u64 flags = 0; flags < 4; flags++)
		CHECK_EQ(x2apic_api(vm, flags), 0);
}

/* Without the format the upper half of the address is ignored: 257 is 1. */
SUBTEST(msi_to_big_ids)
{
	struct vm *vm = big_machine(0);
	const u64 addr = MSI_TO(BIG_ID & 0xff) | (u64)(BIG_ID & ~0xff) << 32;

	CHECK_EQ(signal_msi(vm, addr, VECTOR), 1);
	CHECK_EQ(who_took(vm, VECTOR), 2);
	CHECK_EQ(signal_msi(vm, MSI_TO(0xff), VECTOR), 3);
	CHECK_EQ(who_took(vm, VECTOR), 7);
	vm = big_machine(KVM_X2APIC_API_USE_32BIT_IDS);
	CHECK_EQ(signal_msi(vm, addr, VECTOR), 1);
	CHECK_EQ(who_took(vm, VECTOR), 4);
	CHECK_EQ(signal_msi(vm, MSI_TO(1), VECTOR), 1);
	CHECK_EQ(who_took(vm, VECTOR), 2);
	CHECK_EQ(signal_msi(vm, MSI_TO(0xff), VECTOR), 3);	/* the quirk */
	CHECK_EQ(who_took(vm, VECTOR), 7);
	CHECK_EQ(signal_msi(vm, MSI_TO(2) | 0x100ull << 32, VECTOR), 0);
	CHECK_EQ(signal_msi(vm, MSI_TO(0) | 0xffffff00ull << 32, VECTOR), 0);
}

/* The lowest byte of the upper half is reserved then. */
SUBTEST(class11_msi_of_32_bits)
{
	struct vm *vm = big_machine(KVM_X2APIC_API_USE_32BIT_IDS);

	for (int bit = 0; bit < 8; bit++) {
		const u64 addr = MSI_TO(1) | BIT(32 + bit);

		CHECK_EQ(signal_msi(vm, addr, VECTOR), -EINVAL);
		CHECK_EQ(try_route(vm, msi_route(30, addr, VECTOR)), -EINVAL);
	}
	CHECK_EQ(try_route(vm, msi_route(30, MSI_TO(BIG_ID) | 0x100ull << 32, VECTOR)), 0);
	CHECK_EQ(irq_line(vm, 30, 1), 1);
	CHECK_EQ(who_took(vm, VECTOR), 4);
	/* Nor is one sent that came when the byte meant nothing. */
	vm = big_machine(0);
	CHECK_EQ(try_route(vm, msi_route(30, MSI_TO(1) | BIT(32), VECTOR)), 0);
	CHECK_EQ(irq_line(vm, 30, 1), 1);
	CHECK_EQ(who_took(vm, VECTOR), 2);
	CHECK_EQ(x2apic_api(vm, KVM_X2APIC_API_USE_32BIT_IDS), 0);
	CHECK_EQ(irq_line(vm, 30, 1), -1);
	CHECK_EQ(who_took(vm, VECTOR), 0);
}

SUBTEST(broadcast_of_messages)
{
	struct vm *vm = big_machine(KVM_X2APIC_API_USE_32BIT_IDS |
				    KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK);

	CHECK_EQ(signal_msi(vm, MSI_TO(0xff), VECTOR), 0);
	CHECK_EQ(who_took(vm, VECTOR), 0);
	CHECK_EQ(signal_msi(vm, MSI_TO(0xff) | 0xffffff00ull << 32, VECTOR), 3);
	CHECK_EQ(who_took(vm, VECTOR), 7);
	/* Logical: cluster 0, CPUs 0 to 7. */
	CHECK_EQ(signal_msi(vm, MSI_TO(0xff) | MSI_LOGICAL, VECTOR), 2);
	CHECK_EQ(who_took(vm, VECTOR), 3);
	/* Cluster 16 is ids 256 to 271. */
	CHECK_EQ(signal_msi(vm, MSI_TO(2) | MSI_LOGICAL | 0x100000ull << 32, VECTOR), 1);
	CHECK_EQ(who_took(vm, VECTOR), 4);
}
