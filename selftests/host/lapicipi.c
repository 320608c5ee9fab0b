// SPDX-License-Identifier: GPL-2.0
/*
 * lapicipi - who gets an interrupt of the local APIC in the kernel, by what is written
 * to the ICR or sent as a message, and what it does to one that halts or runs. vCPUs
 * are run by one thread as far as possible, so that it is known what is pending where.
 * INIT and SIPI, and the timer, have tests of their own.
 */
#include <sched.h>

#include "lapic.h"

/* ---- the ICR ----------------------------------------------------------- */

/* The register that x2APIC has for it. */
SUBTEST(self_ipi_register)
{
	struct vcpu *vcpu = lapic_new(true);

	for (int v = 0x20; v < 0xff; v += 7)
		msr_wr(vcpu, X2APIC_MSR(APIC_SELF_IPI), v);
	CHECK_EQ(irr_of(vcpu, 0x27), 1);
	CHECK_EQ(irr_of(vcpu, 0x28), 0);
	take_irqs(vcpu);
	for (int v = 0x20; v < 0xff; v++) {
		test_doing("vector %#x", v);
		CHECK_EQ(irqs(vcpu, v), (v - 0x20) % 7 == 0);
	}
	CHECK_EQ(msr_rd(vcpu, X2APIC_MSR(APIC_ICR)), 0);
}

/* Vectors below 16 cannot be sent, and do no harm. */
SUBTEST(class08_illegal_vectors)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		for (int v = 0; v < 16; v++) {
			self_ipi(vcpu, v);
			apic_icr(vcpu, 0, v);
			apic_icr(vcpu, 0, APIC_DM_LOWEST | v);
			if (x2apic)
				msr_wr(vcpu, X2APIC_MSR(APIC_SELF_IPI), v);
			signal_msi(vcpu->vm, MSI_ADDR, v);
			take_irqs(vcpu);
		}
		CHECK_EQ(guest_var(vcpu->vm, guest_nr_events), 0);
		self_ipi(vcpu, 0x20);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x20), 1);
		CHECK_BITS(vcpu, APIC_ISR);
		apic_wr(vcpu, APIC_ESR, 0);
		apic_wr(vcpu, APIC_ESR, 0);
		CHECK_EQ(apic_rd(vcpu, APIC_ESR), 0);
		vm_free(vcpu->vm);
	}
}

/* An LVT error entry with such a vector must not raise the next error (XSA-462). */
SUBTEST(class08_illegal_vectors_with_illegal_error_vector)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		for (int lvt = 0; lvt < 16; lvt++) {
			apic_wr(vcpu, APIC_LVTERR, lvt);
			self_ipi(vcpu, 15 - lvt);
			take_irqs(vcpu);
			apic_wr(vcpu, APIC_ESR, 0);
		}
		CHECK_EQ(guest_var(vcpu->vm, guest_nr_events), 0);
		self_ipi(vcpu, 0x20);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x20), 1);
		vm_free(vcpu->vm);
	}
}

SUBTEST(nmi_by_icr)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		/* Neither TPR nor RFLAGS.IF hold it; its vector is not looked at. */
		apic_wr(vcpu, APIC_TASKPRI, 0xff);
		apic_icr(vcpu, 0, APIC_DEST_SELF | APIC_DM_NMI | 0x77);
		vm_expect_events(vcpu->vm, NMI);
		apic_icr(vcpu, 0, APIC_DM_NMI);
		vm_expect_events(vcpu->vm, NMI, NMI);
		apic_wr(vcpu, APIC_TASKPRI, 0);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x77), 0);
		vm_expect_events(vcpu->vm, NMI, NMI);
		vm_free(vcpu->vm);
	}
}

/* SMI, a reserved mode, ExtINT: nothing that the guest would see. */
SUBTEST(class27_other_delivery_modes)
{
	static const u32 modes[] = { APIC_DM_SMI, APIC_DM_REMRD, APIC_DM_EXTINT };

	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		/* KVM has SMM and enters it, where there is nothing to run here. */
		for (u64 i = device_is_kvm(); i < ARRAY_SIZE(modes); i++) {
			test_doing("mode %#x, x2APIC %d", modes[i], x2apic);
			apic_icr(vcpu, 0, modes[i] | 0x71);
			apic_icr(vcpu, 0, APIC_DEST_SELF | modes[i] | 0x71);
			take_irqs(vcpu);
			CHECK_EQ(irqs(vcpu, 0x71), 0);
		}
		CHECK_EQ(guest_var(vcpu->vm, guest_nr_events), 0);
		self_ipi(vcpu, 0x20);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x20), 1);
		vm_free(vcpu->vm);
	}
}

/* Level-triggered and asserted sets the TMR bit; de-asserted is no interrupt. */
SUBTEST(trigger_mode)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		apic_icr(vcpu, 0, APIC_INT_LEVELTRIG | APIC_INT_ASSERT | 0x51);
		apic_icr(vcpu, 0, APIC_INT_ASSERT | 0x52);
		apic_icr(vcpu, 0, APIC_INT_LEVELTRIG | 0x53);
		CHECK_BITS(vcpu, APIC_IRR, 0x51, 0x52);
		CHECK_BITS(vcpu, APIC_TMR, 0x51);
		CHECK_EQ(apic_rd(vcpu, APIC_TMR + 0x20), BIT(0x11));
		take_irqs(vcpu);
		CHECK_BITS(vcpu, APIC_TMR, 0x51);
		CHECK_BITS(vcpu, APIC_ISR);
		apic_icr(vcpu, 0, APIC_INT_ASSERT | 0x51);
		CHECK_BITS(vcpu, APIC_TMR);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x51), 2);
		CHECK_EQ(irqs(vcpu, 0x53), 0);
		vm_free(vcpu->vm);
	}
}

/* ---- to others --------------------------------------------------------- */

#define CPUS	4

static void make_cpus(struct vm *vm, bool x2apic)
{
	for (int i = 0; i < CPUS; i++)
		apic_enable(lapic_vcpu(vm, i), x2apic);
}

/* Who has the vector pending, as a mask; then it is taken. */
static u32 who_got(struct vm *vm, u8 vector)
{
	u32 mask = 0;

	for (int i = 0; i < CPUS; i++) {
		u64 before = irqs(vm->vcpus[i], vector);

		if (irr_of(vm->vcpus[i], vector))
			mask |= BIT(i);
		take_irqs(vm->vcpus[i]);
		CHECK_EQ(irqs(vm->vcpus[i], vector) - before, mask >> i & 1);
	}
	return mask;
}

static const struct destination {
	u32 dest, low, mask, x2_mask;
} shorthands[] = {
	{ 0, 0, 1, 1 }, { 1, 0, 2, 2 }, { 3, 0, 8, 8 }, { 4, 0, 0, 0 },
	{ 0xfe, 0, 0, 0 }, { 0xff, 0, 15, 0 }, { 0xffffffff, 0, 15, 15 },
	{ 0x100, 0, 1, 0 },	/* xAPIC has but eight bits */
	{ 0, APIC_DEST_SELF, 4, 4 }, { 0xff, APIC_DEST_SELF, 4, 4 },
	{ 1, APIC_DEST_ALLINC, 15, 15 }, { 1, APIC_DEST_ALLBUT, 11, 11 },
	{ 0, APIC_DEST_ALLBUT | APIC_DEST_LOGICAL, 11, 11 },
};

SUBTEST(physical_destinations_and_shorthands)
{
	FOR_BOTH_MODES(x2apic) {
		struct vm *vm = lapic_vm();

		make_cpus(vm, x2apic);
		for (u64 i = 0; i < ARRAY_SIZE(shorthands); i++) {
			const struct destination *d = &shorthands[i];

			test_doing("destination %#x, ICR %#x, x2APIC %d", d->dest, d->low, x2apic);
			apic_icr(vm->vcpus[2], d->dest, d->low | (0x40 + i));
			CHECK_EQ(who_got(vm, 0x40 + i), x2apic ? d->x2_mask : d->mask);
		}
		vm_free(vm);
	}
}

static void check_logical(struct vm *vm, const struct destination *d, u64 n)
{
	for (u64 i = 0; i < n; i++) {
		test_doing("destination %#x", d[i].dest);
		apic_icr(vm->vcpus[0], d[i].dest, APIC_DEST_LOGICAL | (0x40 + i));
		CHECK_EQ(who_got(vm, 0x40 + i), d[i].mask);
	}
}

SUBTEST(logical_destinations_flat)
{
	static const struct destination to[] = {
		{ 1, .mask = 1 }, { 4, .mask = 4 }, { 6, .mask = 6 }, { 0xf0, .mask = 0 },
		{ 0xff, .mask = 15 }, { 0x0f, .mask = 15 }, { 0, .mask = 0 },
		{ 0x18, .mask = 8 },
	};
	struct vm *vm = lapic_vm();

	make_cpus(vm, false);
	for (int i = 0; i < CPUS; i++)
		apic_wr(vm->vcpus[i], APIC_LDR, BIT(24 + i));
	check_logical(vm, to, ARRAY_SIZE(to));
}

SUBTEST(logical_destinations_in_clusters)
{
	/* Two in cluster 1, two in cluster 2. */
	static const u8 ldr[CPUS] = { 0x11, 0x12, 0x21, 0x24 };
	static const struct destination to[] = {
		{ 0x11, .mask = 1 }, { 0x13, .mask = 3 }, { 0x25, .mask = 12 },
		{ 0x22, .mask = 0 }, { 0x31, .mask = 0 }, { 0x1f, .mask = 3 },
		{ 0xff, .mask = 15 }, { 0x20, .mask = 0 },
	};
	struct vm *vm = lapic_vm();

	make_cpus(vm, false);
	for (int i = 0; i < CPUS; i++) {
		apic_wr(vm->vcpus[i], APIC_DFR, APIC_DFR_CLUSTER);
		apic_wr(vm->vcpus[i], APIC_LDR, (u32)ldr[i] << 24);
	}
	check_logical(vm, to, ARRAY_SIZE(to));
}

SUBTEST(logical_destinations_of_x2apic)
{
	static const struct destination to[] = {
		{ 1, .mask = 1 }, { 5, .mask = 5 }, { 0xf, .mask = 15 }, { 0x10, .mask = 0 },
		{ 0x10001, .mask = 0 }, { 0xffffffff, .mask = 15 }, { 0, .mask = 0 },
		{ 0xff, .mask = 15 },
	};
	struct vm *vm = lapic_vm();

	make_cpus(vm, true);
	check_logical(vm, to, ARRAY_SIZE(to));
}

/* One of those named gets it: which one is not said. */
SUBTEST(lowest_priority)
{
	FOR_BOTH_MODES(x2apic) {
		struct vm *vm = lapic_vm();
		u32 got;

		make_cpus(vm, x2apic);
		for (int i = 0; i < CPUS && !x2apic; i++)
			apic_wr(vm->vcpus[i], APIC_LDR, BIT(24 + i));
		for (int v = 0x40; v < 0x50; v++) {
			u32 named = (v & 15) ? v & 15 : 15;

			test_doing("to %#x, x2APIC %d", named, x2apic);
			apic_icr(vm->vcpus[0], named, APIC_DEST_LOGICAL | APIC_DM_LOWEST | v);
			got = who_got(vm, v);
			CHECK_EQ(__builtin_popcount(got), 1);
			CHECK_EQ(got & ~named, 0);
		}
		apic_icr(vm->vcpus[0], 2, APIC_DM_LOWEST | 0x51);
		CHECK_EQ(who_got(vm, 0x51), 4);
		vm_free(vm);
	}
}

/* NMIs to all but oneself; each of the others takes one. */
SUBTEST(nmi_to_all_others)
{
	FOR_BOTH_MODES(x2apic) {
		struct vm *vm = lapic_vm();

		make_cpus(vm, x2apic);
		apic_icr(vm->vcpus[1], 0, APIC_DEST_ALLBUT | APIC_DM_NMI);
		for (int i = 0; i < CPUS; i++) {
			u64 before = guest_var(vm, guest_nr_events);

			test_doing("vCPU %d, x2APIC %d", i, x2apic);
			take_irqs(vm->vcpus[i]);
			CHECK_EQ(guest_var(vm, guest_nr_events) - before, i != 1);
		}
		vm_free(vm);
	}
}

/* An id that was written is the one that interrupts are sent to. */
SUBTEST(a_written_id_is_the_address)
{
	struct vm *vm = lapic_vm();

	make_cpus(vm, false);
	apic_wr(vm->vcpus[1], APIC_ID, 0x55000000);
	if (apic_rd(vm->vcpus[1], APIC_ID) != 0x55000000)
		SKIP("the id cannot be written");
	apic_icr(vm->vcpus[0], 0x55, 0x41);
	CHECK_EQ(who_got(vm, 0x41), 2);
	apic_icr(vm->vcpus[0], 1, 0x42);
	CHECK_EQ(who_got(vm, 0x42), 0);
	apic_icr(vm->vcpus[1], 2, 0x43);
	CHECK_EQ(who_got(vm, 0x43), 4);
	apic_icr(vm->vcpus[0], 0xff, 0x44);
	CHECK_EQ(who_got(vm, 0x44), 15);
}

/* ---- messages from user space, halts ----------------------------------- */

SUBTEST(messages_are_seen_before_they_are_taken)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		CHECK_EQ(signal_msi(vcpu->vm, MSI_ADDR, 0x41), 1);
		CHECK_EQ(signal_msi(vcpu->vm, MSI_ADDR, 0x8000 | 0x4000 | 0x99), 1);
		CHECK_BITS(vcpu, APIC_IRR, 0x41, 0x99);
		CHECK_BITS(vcpu, APIC_TMR, 0x99);
		CHECK_EQ(irqs(vcpu, 0x41), 0);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x41), 1);
		CHECK_EQ(irqs(vcpu, 0x99), 1);
		CHECK_BITS(vcpu, APIC_ISR);
		vm_free(vcpu->vm);
	}
}

/* HLT is done in the kernel, and ends when there is something to take. */
SUBTEST(halt_ends_with_an_interrupt)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		for (int i = 1; i < 10; i++) {
			self_ipi(vcpu, 0x61);
			remote_ok(vcpu, OP_HALT, 0, 0);
			CHECK_EQ(irqs(vcpu, 0x61), i);
			CHECK_EQ(signal_msi(vcpu->vm, MSI_ADDR, 0x62), 1);
			remote_ok(vcpu, OP_HALT, 0, 0);
			CHECK_EQ(irqs(vcpu, 0x62), i);
		}
		vm_free(vcpu->vm);
	}
}

static void *run_halt(void *arg)
{
	vcpu_expect_sync((struct vcpu *)arg, 1);
	return NULL;
}

static struct kvm_mp_state mp_state(struct vcpu *vcpu)
{
	struct kvm_mp_state s;

	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_MP_STATE, (uintptr_t)&s), 0);
	return s;
}

static u64 halt_announced;

static void guest_announces_halt(u64 tpr)
{
	guest_apic_write(APIC_TASKPRI, tpr);
	WRITE_ONCE(halt_announced, 1);
	guest_halt();
}

/* One that sleeps is woken by a message, but not by one that TPR holds back. */
SUBTEST(messages_wake_a_halted_vcpu)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);
		struct thread t;

		for (int i = 1; i < 5; i++) {
			guest_var(vcpu->vm, halt_announced) = 0;
			remote_set(vcpu, OP_CALL, (uintptr_t)guest_announces_halt, 0x70, 0);
			thread_start(&t, -1, run_halt, vcpu);
			while (!READ_ONCE(guest_var(vcpu->vm, halt_announced)))
				sched_yield();
			CHECK_EQ(signal_msi(vcpu->vm, MSI_ADDR, 0x71), 1);
			CHECK_EQ(irqs(vcpu, 0x71), 0);
			CHECK_EQ(signal_msi(vcpu->vm, MSI_ADDR, 0x81), 1);
			thread_join(&t);
			CHECK_EQ(irqs(vcpu, 0x81), i);
			CHECK_EQ(irqs(vcpu, 0x71), 0);
			CHECK_EQ(mp_state(vcpu).mp_state, KVM_MP_STATE_RUNNABLE);
		}
		apic_wr(vcpu, APIC_TASKPRI, 0);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x71), 1);
		vm_free(vcpu->vm);
	}
}

static u64 spin_seen;

static void guest_spins_for_irqs(u64 n)
{
	u64 id = guest_percpu()->id;

	guest_sti();
	while (READ_ONCE(guest_irqs[id][0x66]) < n) {
		WRITE_ONCE(spin_seen, READ_ONCE(guest_irqs[id][0x66]) + 1);
		cpu_relax();
	}
	guest_cli();
}

/* One that runs gets each of them without an exit of its own making. */
SUBTEST(messages_interrupt_a_running_vcpu)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);
		struct vm *vm = vcpu->vm;
		struct thread t;

		guest_var(vm, spin_seen) = 0;
		remote_set(vcpu, OP_CALL, (uintptr_t)guest_spins_for_irqs, 20, 0);
		thread_start(&t, -1, run_halt, vcpu);
		for (u64 i = 1; i <= 20; i++) {
			while (READ_ONCE(guest_var(vm, spin_seen)) != i)
				sched_yield();
			CHECK_EQ(signal_msi(vm, MSI_ADDR, 0x66), 1);
		}
		thread_join(&t);
		CHECK_EQ(irqs(vcpu, 0x66), 20);
		vm_free(vm);
	}
}

/* ---- between vCPUs that run ----------------------------------------------- */

#define BALLS		150

/* Throws the ball to the other when it has come; every other time it halts for it. */
static void guest_plays(u64 other)
{
	u64 id = guest_percpu()->id;

	for (u64 n = 1; n <= BALLS; n++) {
		if (id < other || n > 1)
			guest_apic_icr(other, APIC_DM_FIXED | 0x67);
		while (READ_ONCE(guest_irqs[id][0x67]) < n) {
			if (n & 1) {
				guest_halt();
			} else {
				guest_sti();
				cpu_relax();
				guest_cli();
			}
		}
	}
	if (id > other)
		guest_apic_icr(other, APIC_DM_FIXED | 0x67);
}

/* The two have their balls; the second has one to give back at the end. */
SUBTEST(class37_two_vcpus_play_ball)
{
	FOR_BOTH_MODES(x2apic) {
		struct vm *vm = lapic_vm();
		struct thread t[2];

		for (int i = 0; i < 2; i++) {
			apic_enable(lapic_vcpu(vm, i), x2apic);
			remote_set(vm->vcpus[i], OP_CALL, (uintptr_t)guest_plays, !i, 0);
		}
		for (int i = 0; i < 2; i++)
			thread_start(&t[i], i % nr_cpus(), run_halt, vm->vcpus[i]);
		for (int i = 0; i < 2; i++)
			thread_join(&t[i]);
		for (int i = 0; i < 2; i++)
			CHECK_EQ(irqs(vm->vcpus[i], 0x67), BALLS);
		vm_free(vm);
	}
}

static void move_to(struct thread *t, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK_EQ(pthread_setaffinity_np(t->id, sizeof(set), &set), 0);
}

/* The CPU that is to be notified is another each time. */
SUBTEST(class37_messages_to_a_vcpu_that_moves)
{
	if (nr_cpus() < 2)
		SKIP("one CPU");
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);
		struct vm *vm = vcpu->vm;
		struct thread t;

		guest_var(vm, spin_seen) = 0;
		remote_set(vcpu, OP_CALL, (uintptr_t)guest_spins_for_irqs, 100, 0);
		thread_start(&t, 0, run_halt, vcpu);
		for (u64 i = 1; i <= 100; i++) {
			while (READ_ONCE(guest_var(vm, spin_seen)) != i)
				sched_yield();
			if (i & 1)
				move_to(&t, i >> 1 & 1);
			CHECK_EQ(signal_msi(vm, MSI_ADDR, 0x66), 1);
		}
		thread_join(&t);
		CHECK_EQ(irqs(vcpu, 0x66), 100);
		vm_free(vm);
	}
}
