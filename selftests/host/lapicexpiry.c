// SPDX-License-Identifier: GPL-2.0
/*
 * lapicexpiry - the timer of the local APIC in the kernel when the guest is not just
 * running: it expires while the guest halts or is outside KVM_RUN, and user space
 * reads it, moves it to another machine and arms it.
 */
#include "lapictimer.h"

/* ---- while the guest halts, and while it does not run ------------------ */

static void guest_halts_one_shot(u64 count)
{
	u64 n = fired(), start;

	guest_apic_write(APIC_LVTT, TIMER);
	for (int i = 1; i <= 4; i++) {
		start = rdtsc();
		guest_apic_write(APIC_TMICT, count);
		guest_halt();
		GUEST_ASSERT_EQ(fired(), n + i);
		guest_not_before(start, count);
	}
}

static void guest_halts_periodic(u64 count)
{
	u64 n = fired(), start = rdtsc();

	guest_apic_write(APIC_LVTT, PERIODIC | TIMER);
	guest_apic_write(APIC_TMICT, count);
	for (int i = 1; i <= 6; i++) {
		guest_halt();
		GUEST_ASSERT(fired() >= n + i);
		guest_not_before(start, i * count);
	}
	guest_apic_write(APIC_TMICT, 0);
	guest_sti();
	guest_cli();
}

static void guest_halts_deadline(u64 us)
{
	u64 n = fired(), at;

	guest_on_irq = guest_notes_time;
	guest_apic_write(APIC_LVTT, DEADLINE | TIMER);
	for (int i = 1; i <= 4; i++) {
		at = rdtsc() + to_ticks(us * 1000);
		set_deadline(at);
		guest_halt();
		GUEST_ASSERT_EQ(fired(), n + i);
		GUEST_ASSERT(fired_at >= at);
		GUEST_ASSERT_EQ(deadline(), 0);
	}
}

SUBTEST(the_timer_ends_a_halt)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic);

		call(vcpu, guest_halts_one_shot, 1000);
		call(vcpu, guest_halts_one_shot, 500000);
		call(vcpu, guest_halts_periodic, 400000);
		call(vcpu, guest_halts_deadline, 2);
		call(vcpu, guest_halts_deadline, 500);
		vm_free(vcpu->vm);
	}
}

static void guest_arms(u64 count)
{
	guest_apic_write(APIC_LVTT, TIMER);
	guest_apic_write(APIC_TMICT, count);
}

static void guest_arms_deadline(u64 us)
{
	guest_apic_write(APIC_LVTT, DEADLINE | TIMER);
	set_deadline(rdtsc() + to_ticks(us * 1000));
}

/* It expires while user space has the vCPU, and is delivered when it runs again. */
SUBTEST(expired_outside_the_guest)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic);

		for (int i = 1; i <= 3; i++) {
			call(vcpu, guest_arms, 200000);
			host_passes(1000);
			CHECK_EQ(irqs(vcpu, TIMER), 2 * i - 2);
			take_irqs(vcpu);
			CHECK_EQ(irqs(vcpu, TIMER), 2 * i - 1);
			call(vcpu, guest_arms_deadline, 200);
			host_passes(1000);
			take_irqs(vcpu);
			CHECK_EQ(irqs(vcpu, TIMER), 2 * i);
		}
		vm_free(vcpu->vm);
	}
}

/* A machine that goes away with its timers running. */
SUBTEST(freed_while_armed)
{
	for (int i = 0; i < 8; i++) {
		struct vcpu *vcpu = timer_new(i & 1);

		if (i & 2)
			call(vcpu, guest_arms, i & 4 ? 300000 : 1);
		else
			call(vcpu, guest_arms_deadline, i & 4 ? 300 : 1);
		if (i & 1)
			apic_wr(vcpu, APIC_LVTT, PERIODIC | TIMER);
		vm_free(vcpu->vm);
		host_passes(400);
	}
}

/* ---- read and written by user space ------------------------------------ */

static void guest_awaits_one_more(u64 n)
{
	guest_await(n);
}

SUBTEST(the_count_in_get_lapic)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic);
		struct kvm_lapic_state s, t;

		call(vcpu, guest_arms, 2000000000);
		get_lapic(vcpu, &s);
		get_lapic(vcpu, &t);
		CHECK_EQ(lapic_reg(&s, APIC_TMICT), 2000000000);
		CHECK(lapic_reg(&s, APIC_TMCCT) < 2000000000);
		CHECK(lapic_reg(&s, APIC_TMCCT) > 1000000000);
		CHECK(lapic_reg(&t, APIC_TMCCT) < lapic_reg(&s, APIC_TMCCT));
		CHECK(apic_rd(vcpu, APIC_TMCCT) < lapic_reg(&t, APIC_TMCCT));
		call(vcpu, guest_arms_deadline, 100000);
		get_lapic(vcpu, &s);
		CHECK_EQ(lapic_reg(&s, APIC_TMCCT), 0);
		CHECK_EQ(lapic_reg(&s, APIC_TMICT), 0);
		vm_free(vcpu->vm);
	}
}

/* Another machine, whose timer is set by KVM_SET_LAPIC alone. */
static u64 resume(struct vcpu *vcpu, struct kvm_lapic_state *s, u32 lvtt, u32 initial,
		  u32 current)
{
	u64 start = host_ns(), n = irqs(vcpu, TIMER);

	lapic_set_reg(s, APIC_LVTT, lvtt | TIMER);
	lapic_set_reg(s, APIC_TMICT, initial);
	lapic_set_reg(s, APIC_TMCCT, current);
	set_lapic(vcpu, s);
	call(vcpu, guest_awaits_one_more, n + 1);
	return host_ns() - start;
}

SUBTEST(the_count_goes_on_in_another_machine)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic), *other = timer_new(x2apic);
		struct kvm_lapic_state s;

		call(vcpu, guest_arms, 2000000000);
		get_lapic(vcpu, &s);
		/* What is left of it counts, as long as that is possible. */
		CHECK(resume(other, &s, 0, 2000000000, 500000) >= 490000);
		CHECK(resume(other, &s, 0, 500000, 2000000000) >= 490000);
		CHECK(resume(other, &s, PERIODIC, 600000, 400000) >= 390000);
		call(other, guest_awaits_one_more, irqs(other, TIMER) + 2);
		vm_free(vcpu->vm);
		vm_free(other->vm);
	}
}

SUBTEST(the_deadline_is_in_the_list)
{
	struct msr_list list;
	bool found = false;

	get_msr_list(open_device(), KVM_GET_MSR_INDEX_LIST, &list);
	for (u32 i = 0; i < list.nmsrs; i++)
		found = found || list.index[i] == MSR_IA32_TSC_DEADLINE;
	CHECK(found);
}

SUBTEST(the_deadline_in_msrs)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic);
		struct kvm_lapic_state s;
		u64 at;

		set_msr(vcpu, MSR_IA32_TSC_DEADLINE, 12345);
		CHECK_EQ(get_msr(vcpu, MSR_IA32_TSC_DEADLINE), 0);
		call(vcpu, guest_arms_deadline, 40000);
		at = get_msr(vcpu, MSR_IA32_TSC_DEADLINE);
		CHECK_EQ(msr_rd(vcpu, MSR_IA32_TSC_DEADLINE), at);
		get_lapic(vcpu, &s);
		set_lapic(vcpu, &s);
		CHECK_EQ(get_msr(vcpu, MSR_IA32_TSC_DEADLINE), at);
		set_msr(vcpu, MSR_IA32_TSC_DEADLINE, at + 1000000000000);
		CHECK_EQ(msr_rd(vcpu, MSR_IA32_TSC_DEADLINE), at + 1000000000000);
		CHECK_EQ(irqs(vcpu, TIMER), 0);
		set_msr(vcpu, MSR_IA32_TSC_DEADLINE, get_msr(vcpu, MSR_TSC) + 40000);
		call(vcpu, guest_awaits_one_more, 1);
		CHECK_EQ(get_msr(vcpu, MSR_IA32_TSC_DEADLINE), 0);
		set_msr(vcpu, MSR_IA32_TSC_DEADLINE, 1);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, TIMER), 2);
		set_msr(vcpu, MSR_IA32_TSC_DEADLINE, get_msr(vcpu, MSR_TSC) + patience(40000));
		set_msr(vcpu, MSR_IA32_TSC_DEADLINE, 0);
		call(vcpu, guest_quiet, 500);
		vm_free(vcpu->vm);
	}
}

/* ---- several vCPUs ----------------------------------------------------- */

static void *run_to_sync(void *arg)
{
	vcpu_expect_sync((struct vcpu *)arg, 1);
	return NULL;
}

SUBTEST(each_vcpu_has_its_own)
{
	struct vm *vm = timer_vm();
	struct thread t[3];

	for (int i = 0; i < 3; i++) {
		struct vcpu *vcpu = lapic_vcpu(vm, i);

		guest_var(vm, tsc_khz) = xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
		apic_enable(vcpu, i == 1);
		apic_wr(vcpu, APIC_TDCR, DIV_1);
		remote_set(vcpu, OP_CALL, (uintptr_t)guest_halts_periodic,
			   patience(400000 + 200000 * i), 0);
	}
	for (int i = 0; i < 3; i++)
		thread_start(&t[i], -1, run_to_sync, vm->vcpus[i]);
	for (int i = 0; i < 3; i++) {
		thread_join(&t[i]);
		CHECK(irqs(vm->vcpus[i], TIMER) >= 6);
	}
}

/* Its thread goes from CPU to CPU while it halts and while it waits. */
SUBTEST(class37_armed_while_it_moves)
{
	if (nr_cpus() < 2)
		SKIP("one CPU");
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = timer_new(x2apic);
		struct thread t;
		cpu_set_t set;

		remote_set(vcpu, OP_CALL, (uintptr_t)guest_halts_deadline, 500, 0);
		thread_start(&t, 0, run_to_sync, vcpu);
		for (int i = 0; !__atomic_load_n(&t.done, __ATOMIC_ACQUIRE); i++) {
			CPU_ZERO(&set);
			CPU_SET(i & 1, &set);
			pthread_setaffinity_np(t.id, sizeof(set), &set);
			host_passes(50);
		}
		thread_join(&t);
		CHECK_EQ(irqs(vcpu, TIMER), 4);
		vm_free(vcpu->vm);
	}
}
