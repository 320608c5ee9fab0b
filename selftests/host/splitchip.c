// SPDX-License-Identifier: GPL-2.0
/*
 * splitchip - machines whose local APICs are in the kernel and whose IOAPIC and 8259A are
 * in user space (KVM_CAP_SPLIT_IRQCHIP): which calls then fail with what, ExtINT and EOI
 * by exits. And, for all kinds of machines, in which order things may be made, and which
 * vCPU is the first (KVM_SET_BOOT_CPU_ID, KVM_CAP_MAX_VCPU_ID).
 */
#include "ioapic.h"
#include "pic.h"

enum { VECTOR = 0x61, OTHER = 0x72, SPLIT_PINS = 24, MAX_PINS = 4096 };

static int enable_cap(struct vm *vm, u32 cap, u64 arg)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { arg } };

	return xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&c);
}

static int try_split(struct vm *vm, u64 pins)
{
	return enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, pins);
}

static int create_irqchip(struct vm *vm)
{
	return xioctl(vm->fd, KVM_CREATE_IRQCHIP, 0);
}

/* ---- making them --------------------------------------------------------------------- */

SUBTEST(class12_split_irqchip_arguments)
{
	static const u64 bad[] = { MAX_PINS + 1, 0x10000, BIT(31), BIT(32), ~0ull };
	struct kvm_enable_cap c = { .cap = KVM_CAP_SPLIT_IRQCHIP, .flags = 1, .args = { 24 } };
	struct vm *vm = vm_create_bare();

	CHECK(check_cap(vm, KVM_CAP_SPLIT_IRQCHIP) > 0);
	for (u64 i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_EQ(try_split(vm, bad[i]), -EINVAL);
	for (int bit = 0; bit < 32; bit++) {
		c.flags = BIT(bit);
		CHECK_EQ(xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&c), -EINVAL);
	}
	CHECK_EQ(try_split(vm, 0), 0);
	CHECK_EQ(try_split(vm, MAX_PINS), -EEXIST);
	CHECK_EQ(try_split(vm, MAX_PINS + 1), -EINVAL);
	vm = vm_create_bare();
	CHECK_EQ(try_split(vm, MAX_PINS), 0);
}

SUBTEST(class12_order_of_creation)
{
	struct kvm_lapic_state l;
	struct vcpu *vcpu;
	struct vm *vm;

	/* Twice, and one after the other. */
	vm = vm_create_bare();
	CHECK_EQ(create_irqchip(vm), 0);
	CHECK_EQ(create_irqchip(vm), -EEXIST);
	CHECK_EQ(try_split(vm, 24), -EEXIST);
	vcpu = vcpu_create_bare(vm, 0);
	CHECK_EQ(create_irqchip(vm), -EEXIST);
	CHECK_EQ(try_split(vm, 24), -EEXIST);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_LAPIC, (uintptr_t)&l), 0);
	vm = vm_create_bare();
	CHECK_EQ(try_split(vm, 24), 0);
	CHECK_EQ(create_irqchip(vm), -EEXIST);
	vcpu = vcpu_create_bare(vm, 0);
	CHECK_EQ(create_irqchip(vm), -EEXIST);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_LAPIC, (uintptr_t)&l), 0);
	/* Behind a vCPU, which would not have a local APIC. */
	vm = vm_create_bare();
	vcpu = vcpu_create_bare(vm, 0);
	CHECK_EQ(create_irqchip(vm), -EINVAL);
	CHECK_EQ(try_split(vm, 24), -EEXIST);
	CHECK_EQ(try_split(vm, MAX_PINS + 1), -EINVAL);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_LAPIC, (uintptr_t)&l), -EINVAL);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_LAPIC, (uintptr_t)&l), -EINVAL);
	vcpu_free(vcpu);
	CHECK_EQ(create_irqchip(vm), -EINVAL);	/* the vCPU is there as long as the VM */
	CHECK_EQ(irq_line(vm, 0, 1), -ENXIO);
}

/* The vCPU still runs after calls that came too late. */
SUBTEST(class12_irqchip_behind_a_running_vcpu)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	agent_start(vcpu);
	agent_window(vcpu);
	CHECK_EQ(create_irqchip(vm), -EINVAL);
	CHECK_EQ(try_split(vm, 24), -EEXIST);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 0), -EBUSY);
	agent_window(vcpu);
	vcpu = vcpu_create(vm, 1);
	agent_start(vcpu);
	agent_window(vcpu);
}

struct racer {
	struct vm *vm;
	int ret;
};

static void *racing_irqchip(void *arg)
{
	struct racer *r = arg;

	r->ret = create_irqchip(r->vm);
	return NULL;
}

/* Whoever is first: the vCPU has a local APIC exactly if the machine has the chips. */
SUBTEST(class12_irqchip_and_vcpu_at_once)
{
	struct kvm_lapic_state l;

	for (int i = 0; i < 50; i++) {
		struct racer r = { .vm = vm_create_bare() };
		struct vcpu *vcpu;
		struct thread t;

		thread_start(&t, -1, racing_irqchip, &r);
		if (i & 1)
			sched_yield();
		vcpu = vcpu_create_bare(r.vm, 0);
		thread_join(&t);
		CHECK(r.ret == 0 || r.ret == -EINVAL);
		CHECK_EQ(xioctl(vcpu->fd, KVM_GET_LAPIC, (uintptr_t)&l), r.ret);
		vm_free(r.vm);
	}
}

/*
 * The CPU knows accesses of the APIC by a page that the kernel puts there, with the first
 * vCPU: memory of user space and this page exclude each other. Without local APICs the
 * address is one like any other.
 */
SUBTEST(class12_memory_at_the_page_of_the_apic)
{
	void *mem = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);
	struct vm *vm = vm_create_bare();

	CHECK_EQ(set_region(vm, 1, 0, APIC_DEFAULT_BASE, PAGE_SIZE, mem), 0);
	vcpu_create_bare(vm, 0);
	CHECK_EQ(set_region(vm, 1, 0, APIC_DEFAULT_BASE, 0, mem), 0);
	CHECK_EQ(set_region(vm, 1, 0, APIC_DEFAULT_BASE, PAGE_SIZE, mem), 0);
	for (int split = 0; split < 2; split++) {
		vm = vm_create_bare();
		CHECK_EQ(split ? try_split(vm, SPLIT_PINS) : create_irqchip(vm), 0);
		CHECK_EQ(set_region(vm, 1, 0, APIC_DEFAULT_BASE, PAGE_SIZE, mem), 0);
		CHECK_EQ(xioctl(vm->fd, KVM_CREATE_VCPU, 0), -EEXIST);
		CHECK_EQ(set_region(vm, 1, 0, APIC_DEFAULT_BASE, 0, mem), 0);
		vcpu_create_bare(vm, 0);
		CHECK_EQ(set_region(vm, 1, 0, APIC_DEFAULT_BASE, PAGE_SIZE, mem), -EEXIST);
		CHECK_EQ(set_region(vm, 1, 0, APIC_DEFAULT_BASE + PAGE_SIZE, PAGE_SIZE, mem), 0);
		vcpu_create_bare(vm, 1);
	}
}

/* ---- calls and accesses --------------------------------------------------------------- */

static struct vm *split_machine(int vcpus, int pins)
{
	struct vm *vm = vm_create();

	vm_split_irqchip(vm, pins);
	vm_record_events(vm);
	vm_count_irqs(vm);
	for (int i = 0; i < vcpus; i++) {
		struct vcpu *vcpu = vcpu_create(vm, i);

		agent_start(vcpu);
		agent_call(vcpu, guest_xapic_enable, 0);
	}
	return vm;
}

SUBTEST(split_machine_calls)
{
	struct kvm_irqfd irqfd = { .fd = 0, .gsi = 5, .flags = KVM_IRQFD_FLAG_RESAMPLE };
	struct route_table t = { .head.nr = 1 };
	struct vm *vm = split_machine(1, SPLIT_PINS);
	struct kvm_irqchip chip = { };

	for (u32 id = 0; id < 4; id++) {
		CHECK_EQ(get_chip(vm, id, &chip), -ENXIO);
		CHECK_EQ(set_chip(vm, &chip), -ENXIO);
	}
	/* No routes but those that user space sets, and they are messages. */
	for (u32 gsi = 0; gsi < 26; gsi++)
		CHECK_EQ(irq_line(vm, gsi, 1), -1);
	for (u32 id = 0; id < 4; id++) {
		t.e[0] = chip_route(5, id, 5);
		CHECK_EQ(set_routes(vm, &t), -EINVAL);
	}
	CHECK_EQ(xioctl(vm->fd, KVM_IRQFD, (uintptr_t)&irqfd), -EINVAL);
	CHECK_EQ(signal_msi(vm, MSI_ADDR, VECTOR), 1);
	CHECK_EQ(taken(vm->vcpus[0], VECTOR), 1);
	CHECK_EQ(try_split(vm, SPLIT_PINS), -EEXIST);
}

/* Ports and memory of the chips that are user space's, with any machine but the full one. */
SUBTEST(chips_of_user_space)
{
	static const u16 ports[] = { MASTER, MASTER + 1, SLAVE, SLAVE + 1, ELCR, ELCR + 1,
		0x40, 0x43, 0x61 };

	for (int split = 0; split < 2; split++) {
		struct vm *vm = vm_create();
		struct vcpu *vcpu;

		if (split)
			vm_split_irqchip(vm, SPLIT_PINS);
		vcpu = vcpu_create(vm, 0);
		agent_start(vcpu);
		for (u64 i = 0; i < ARRAY_SIZE(ports); i++) {
			agent_order(vcpu, AGENT_IN, 1, ports[i], 0);
			vcpu_expect_in(vcpu, ports[i], 1, 1);
			vcpu_expect_sync(vcpu, AGENT_SYNC);
		}
		agent_order(vcpu, AGENT_READ, 4, WINDOW, 0);
		vcpu_expect_mmio_read(vcpu, WINDOW, 4);
		vcpu_expect_sync(vcpu, AGENT_SYNC);
	}
}

/* ---- ExtINT from user space -------------------------------------------------------------- */

/* KVM_INTERRUPT is the 8259A's vector: one waits until LINT0 lets it in. */
SUBTEST(extint_of_user_space)
{
	struct vm *vm = split_machine(1, SPLIT_PINS);
	struct vcpu *vcpu = vm->vcpus[0];

	vm_record_events(vm);
	lapic_write(vcpu, APIC_LVT0, APIC_DM_EXTINT);
	CHECK_EQ(vcpu_interrupt(vcpu, 256), -EINVAL);
	CHECK_EQ(vcpu_interrupt(vcpu, VECTOR), 0);
	CHECK_EQ(vcpu_interrupt(vcpu, OTHER), -EEXIST);
	agent_window(vcpu);
	vm_expect_events(vm, VECTOR);
	CHECK_EQ(vcpu_interrupt(vcpu, OTHER), 0);
	agent_halt(vcpu);
	vm_expect_events(vm, VECTOR, OTHER);
	lapic_write(vcpu, APIC_LVT0, APIC_DM_EXTINT | APIC_LVT_MASKED);
	CHECK_EQ(vcpu_interrupt(vcpu, VECTOR), 0);
	agent_window(vcpu);
	vm_expect_events(vm, VECTOR, OTHER);
	CHECK_EQ(vcpu_interrupt(vcpu, OTHER), -EEXIST);
}

SUBTEST(interrupt_window_of_user_space)
{
	struct vm *vm = split_machine(1, SPLIT_PINS);
	struct vcpu *vcpu = vm->vcpus[0];
	struct kvm_run *run = vcpu->run;

	vm_record_events(vm);
	lapic_write(vcpu, APIC_LVT0, APIC_DM_EXTINT);
	CHECK_EQ(run->ready_for_interrupt_injection, 0);
	CHECK_EQ(run->if_flag, 0);
	run->request_interrupt_window = 1;
	agent_order(vcpu, AGENT_WINDOW, 0, 0, 0);
	vcpu_run(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(run->ready_for_interrupt_injection, 1);
	CHECK_EQ(run->if_flag, 1);
	CHECK_EQ(vcpu_interrupt(vcpu, VECTOR), 0);
	run->request_interrupt_window = 0;
	vcpu_expect_sync(vcpu, AGENT_SYNC);
	vm_expect_events(vm, VECTOR);
}

/* ---- EOIs for the IOAPIC of user space ------------------------------------------------------ */

#define MSI_LEVEL	(APIC_INT_LEVELTRIG | APIC_INT_ASSERT)

/* The vCPUs then run, with nothing pending, so that they know. */
static void route_msi(struct vm *vm, u32 gsi, u32 id, u32 data)
{
	struct route_table t = { .head.nr = 1 };

	t.e[0].gsi = gsi;
	t.e[0].type = KVM_IRQ_ROUTING_MSI;
	t.e[0].u.msi.address_lo = MSI_ADDR | id << 12;
	t.e[0].u.msi.data = data;
	CHECK_EQ(set_routes(vm, &t), 0);
	for (int i = 0; i < vm->nr_vcpus; i++)
		agent_window(vm->vcpus[i]);
}

/* Takes one interrupt of @vector at @gsi; its EOI comes to user space or not. */
static void expect_eoi(struct vm *vm, struct vcpu *vcpu, u32 gsi, u8 vector, bool exits)
{
	guest_var(vm, guest_irqs)[vcpu->id][vector] = 0;
	CHECK_EQ(irq_line(vm, gsi, 1), 1);
	agent_order(vcpu, AGENT_WINDOW, 0, 0, 0);
	if (exits) {
		vcpu_run(vcpu, KVM_EXIT_IOAPIC_EOI);
		CHECK_EQ(vcpu->run->eoi.vector, vector);
	}
	vcpu_expect_sync(vcpu, AGENT_SYNC);
	CHECK_EQ(guest_var(vm, guest_irqs)[vcpu->id][vector], 1);
}

SUBTEST(eoi_of_levels_exits)
{
	struct vm *vm = split_machine(2, SPLIT_PINS);
	struct vcpu *vcpu = vm->vcpus[0];

	for (u32 gsi = 0; gsi < SPLIT_PINS; gsi += 23) {
		test_doing("GSI %u", gsi);
		route_msi(vm, gsi, 0, MSI_LEVEL | VECTOR);
		expect_eoi(vm, vcpu, gsi, VECTOR, true);
		expect_eoi(vm, vcpu, gsi, VECTOR, true);
		route_msi(vm, gsi, 0, VECTOR);		/* an edge */
		expect_eoi(vm, vcpu, gsi, VECTOR, false);
		route_msi(vm, gsi, 0, MSI_LEVEL | OTHER);
		expect_eoi(vm, vcpu, gsi, OTHER, true);
		route_msi(vm, gsi, 1, MSI_LEVEL | VECTOR);
		expect_eoi(vm, vm->vcpus[1], gsi, VECTOR, true);
	}
	/* Beyond the pins that were reserved it is a device's message. */
	route_msi(vm, SPLIT_PINS, 0, MSI_LEVEL | VECTOR);
	expect_eoi(vm, vcpu, SPLIT_PINS, VECTOR, false);
}

SUBTEST(number_of_reserved_routes)
{
	/* KVM takes 4096, but keeps 8 bits of the number: no more is tried. */
	static const int pins[] = { 0, 1, 5, 255 };

	for (u64 i = 0; i < ARRAY_SIZE(pins); i++) {
		struct vm *vm = split_machine(1, pins[i]);

		test_doing("%d pins", pins[i]);
		for (u32 gsi = 0; gsi < 7; gsi++) {
			route_msi(vm, gsi, 0, MSI_LEVEL | VECTOR);
			expect_eoi(vm, vm->vcpus[0], gsi, VECTOR, (int)gsi < pins[i]);
		}
		for (u32 gsi = 254; gsi < 256; gsi++) {
			route_msi(vm, gsi, 0, MSI_LEVEL | VECTOR);
			expect_eoi(vm, vm->vcpus[0], gsi, VECTOR, (int)gsi < pins[i]);
		}
		vm_free(vm);
	}
}

/* The guest's own EOI, step by step: the exit is behind the instruction. */
SUBTEST(eoi_exit_by_hand)
{
	struct vm *vm = split_machine(1, SPLIT_PINS);
	struct vcpu *vcpu = vm->vcpus[0];

	keep_in_service(vm, VECTOR);
	keep_in_service(vm, OTHER);
	route_msi(vm, 4, 0, MSI_LEVEL | VECTOR);
	CHECK_EQ(irq_line(vm, 4, 1), 1);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	CHECK_EQ(signal_msi(vm, MSI_ADDR, OTHER), 1);
	CHECK_EQ(taken(vcpu, OTHER), 1);
	lapic_eoi(vcpu);			/* OTHER: an edge */
	agent_order(vcpu, AGENT_WRITE, 4, APIC_DEFAULT_BASE + APIC_EOI, 0);
	vcpu_run(vcpu, KVM_EXIT_IOAPIC_EOI);
	CHECK_EQ(vcpu->run->eoi.vector, VECTOR);
	/* The level is still high: user space sends it again. */
	CHECK_EQ(irq_line(vm, 4, 1), 1);
	vcpu_expect_sync(vcpu, AGENT_SYNC);
	CHECK_EQ(taken(vcpu, VECTOR), 1);
	/* A route changed in service: nobody waits for this EOI any more. */
	route_msi(vm, 4, 0, OTHER);
	lapic_eoi(vcpu);
	CHECK_EQ(taken(vcpu, VECTOR), 0);
}

SUBTEST(eoi_exit_in_x2apic_mode)
{
	struct vm *vm = split_machine(1, SPLIT_PINS);
	struct vcpu *vcpu = vm->vcpus[0];

	agent_call(vcpu, guest_x2apic_enable, 0);
	route_msi(vm, 4, 0, MSI_LEVEL | VECTOR);
	expect_eoi(vm, vcpu, 4, VECTOR, true);
	route_msi(vm, 4, 0, VECTOR);
	expect_eoi(vm, vcpu, 4, VECTOR, false);
}

/* ---- vCPU ids ------------------------------------------------------------------------ */

static bool is_bsp(struct vcpu *vcpu)
{
	struct kvm_sregs s;

	get_sregs(vcpu, &s);
	return s.apic_base & APIC_BASE_BSP;
}

static u32 mp_state(struct vcpu *vcpu)
{
	struct kvm_mp_state s;

	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_MP_STATE, (uintptr_t)&s), 0);
	return s.mp_state;
}

SUBTEST(boot_cpu)
{
	struct kvm_lapic_state l;

	for (u32 boot = 0; boot < 3; boot++) {
		struct vm *vm = vm_create_bare();

		test_doing("boot CPU %u", boot);
		CHECK_EQ(check_cap(vm, KVM_CAP_SET_BOOT_CPU_ID), 1);
		vm_irqchip(vm);
		CHECK_EQ(xioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 77), 0);
		CHECK_EQ(xioctl(vm->fd, KVM_SET_BOOT_CPU_ID, boot), 0);
		for (u32 id = 0; id < 3; id++) {
			struct vcpu *vcpu = vcpu_create_bare(vm, id);

			CHECK_EQ(is_bsp(vcpu), id == boot);
			CHECK_EQ(mp_state(vcpu), id == boot ? KVM_MP_STATE_RUNNABLE :
				 KVM_MP_STATE_UNINITIALIZED);
			get_lapic(vcpu, &l);
			CHECK_EQ(lapic_reg(&l, APIC_LVT0), id == boot ? APIC_DM_EXTINT :
				 APIC_LVT_MASKED);
			CHECK_EQ(xioctl(vm->fd, KVM_SET_BOOT_CPU_ID, boot), -EBUSY);
		}
	}
}

/* Without the chips every vCPU runs, and one of them is the first all the same. */
SUBTEST(boot_cpu_without_chips)
{
	struct vm *vm = vm_create_bare();

	CHECK_EQ(xioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 1), 0);
	for (u32 id = 0; id < 2; id++) {
		struct vcpu *vcpu = vcpu_create_bare(vm, id);

		CHECK_EQ(is_bsp(vcpu), id == 1);
		CHECK_EQ(mp_state(vcpu), KVM_MP_STATE_RUNNABLE);
	}
}

static int create_vcpu(struct vm *vm, u64 id)
{
	int fd = xioctl(vm->fd, KVM_CREATE_VCPU, id);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

SUBTEST(class12_max_vcpu_id)
{
	struct vm *vm = vm_create_bare();
	const int max = check_cap(vm, KVM_CAP_MAX_VCPU_ID);

	CHECK(max >= check_cap(vm, KVM_CAP_MAX_VCPUS));
	CHECK_EQ(enable_cap(vm, KVM_CAP_MAX_VCPU_ID, max + 1), -EINVAL);
	CHECK_EQ(enable_cap(vm, KVM_CAP_MAX_VCPU_ID, ~0ull), -EINVAL);
	CHECK_EQ(enable_cap(vm, KVM_CAP_MAX_VCPU_ID, 10), 0);
	CHECK_EQ(enable_cap(vm, KVM_CAP_MAX_VCPU_ID, 10), 0);
	CHECK_EQ(enable_cap(vm, KVM_CAP_MAX_VCPU_ID, 11), -EINVAL);
	CHECK_EQ(enable_cap(vm, KVM_CAP_MAX_VCPU_ID, 9), -EINVAL);
	CHECK_EQ(create_vcpu(vm, 10), -EINVAL);
	CHECK_EQ(create_vcpu(vm, 9), 0);
	CHECK_EQ(create_vcpu(vm, 9), -EEXIST);
	/* With the first vCPU the limit is what it is. */
	vm = vm_create_bare();
	vm_irqchip(vm);
	CHECK_EQ(create_vcpu(vm, max), -EINVAL);
	CHECK_EQ(create_vcpu(vm, max - 1), 0);
	CHECK_EQ(enable_cap(vm, KVM_CAP_MAX_VCPU_ID, 10), -EINVAL);
	CHECK_EQ(enable_cap(vm, KVM_CAP_MAX_VCPU_ID, max), 0);
}
