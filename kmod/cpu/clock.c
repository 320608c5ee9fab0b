// SPDX-License-Identifier: GPL-2.0
/*
 * clock.c - the guest's time stamp counter.  It is the host's, scaled where user
 * space asked for another frequency and the CPU can do that, plus an offset; the
 * CPU computes it so that no read of it exits.  SDM vol. 3C 24.6.5, 25.3.
 *
 * Counters of one machine are in step when their offsets and multipliers are the
 * same.  User space cannot write several of them at one moment; so a write that
 * nearly repeats another vCPU's gives the same offset as that one.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <asm/tsc.h>

#include "../lodge.h"
#include "../irq/lapic.h"
#include "../kick.h"
#include "../vmx/caps.h"
#include "../vmx/insn.h"
#include "../vmx/tsc.h"
#include "clock.h"
#include "hosttime.h"

#define TOLERANCE_PPM	250		/* within this, two frequencies are the same */

static u64 ticks_in(const struct lodge_vcpu *vcpu, u64 ns)
{
	return mul_u64_u32_div(ns, vcpu->tsc_khz, 1000000);
}

/* What a counter that was never touched since then would be. */
static u64 extrapolate(const struct lodge_vcpu *vcpu, const struct lodge_tsc_point *from, u64 ns)
{
	return from->value + ticks_in(vcpu, ns - from->ns);
}

static void write_offset(struct lodge_vcpu *vcpu, u64 offset)
{
	vcpu->tsc_offset = offset;
	vmwrite64(TSC_OFFSET, offset);
}

/* And stay on this CPU, where its counter is the one that counts. */
static void lock_clock(struct lodge_vm *vm)
{
	mutex_lock(&vm->clock_lock);
	preempt_disable();
}

/* Its clock, and its timer, count on what has changed. */
static void unlock_clock(struct lodge_vcpu *vcpu)
{
	preempt_enable();
	mutex_unlock(&vcpu->vm->clock_lock);
	vcpu_request(vcpu, REQ_CLOCK);
	lapic_clock_changed(vcpu);
}

/* Under clock_lock. */
static void change_offset(struct lodge_vcpu *vcpu, u64 offset)
{
	lockdep_assert_held(&vcpu->vm->clock_lock);
	write_offset(vcpu, offset);
	vcpu->tsc_set = (struct lodge_tsc_point) { tsc_of_guest(vcpu), hosttime_ns() };
}

void clock_add_tsc(struct lodge_vcpu *vcpu, u64 ticks)
{
	lock_clock(vcpu->vm);
	change_offset(vcpu, vcpu->tsc_offset + ticks);
	unlock_clock(vcpu);
}

u64 clock_guest_sets(struct lodge_vcpu *vcpu, u64 value)
{
	u64 ticks = value - tsc_of_guest(vcpu);

	clock_add_tsc(vcpu, ticks);
	return ticks;
}

/* Under clock_lock; what the next write by user space is compared with. */
static void remember(struct lodge_vcpu *vcpu, u64 value, u64 ns)
{
	struct lodge_vm *vm = vcpu->vm;

	vm->tsc_last = (struct lodge_tsc_point) { value, ns };
	vm->tsc_last_offset = vcpu->tsc_offset;
	vm->tsc_last_khz = vcpu->tsc_khz;
}

/* Does this value say "in step with the vCPU that was written last"? */
static bool joins(struct lodge_vcpu *vcpu, u64 value, u64 ns)
{
	struct lodge_vm *vm = vcpu->vm;
	u64 second = vcpu->tsc_khz * 1000ull;

	if (vcpu->tsc_khz != vm->tsc_last_khz)
		return false;
	return !value || value - extrapolate(vcpu, &vm->tsc_last, ns) + second < 2 * second;
}

void clock_host_sets(struct lodge_vcpu *vcpu, u64 value)
{
	struct lodge_vm *vm = vcpu->vm;
	u64 offset, ns;

	lock_clock(vm);
	ns = hosttime_ns();
	offset = value - tsc_scale(vcpu, rdtsc());
	if (joins(vcpu, value, ns)) {
		if (!check_tsc_unstable())
			offset = vm->tsc_last_offset;
		else
			/* equal offsets mean nothing when the CPUs' counters differ */
			offset += extrapolate(vcpu, &vm->tsc_last, ns) - value;
	}
	change_offset(vcpu, offset);
	remember(vcpu, value, ns);
	unlock_clock(vcpu);
}

void clock_set_offset(struct lodge_vcpu *vcpu, u64 offset)
{
	lock_clock(vcpu->vm);
	change_offset(vcpu, offset);
	remember(vcpu, vcpu->tsc_set.value, vcpu->tsc_set.ns);
	unlock_clock(vcpu);
}

bool clock_all_in_step(struct lodge_vm *vm)
{
	/* pairs with the release in vm_create_vcpu() */
	int i, n = smp_load_acquire(&vm->nr_vcpus);

	lockdep_assert_held(&vm->clock_lock);
	for (i = 1; i < n; i++)
		if (vm->vcpus[i]->tsc_offset != vm->vcpus[0]->tsc_offset ||
		    vm->vcpus[i]->tsc_mult != vm->vcpus[0]->tsc_mult)
			return false;
	return n;
}

static bool near_host(u32 khz)
{
	u64 slack = div_u64((u64)tsc_khz * TOLERANCE_PPM, 1000000);

	return khz >= tsc_khz - slack && khz <= tsc_khz + slack;
}

bool clock_can_scale(void)
{
	return vmx_caps.proc2 & SECONDARY_EXEC_TSC_SCALING;
}

bool clock_khz_valid(u32 khz)
{
	/* 16 bits before the point is what the multiplier has */
	return !khz || near_host(khz) ||
	       (clock_can_scale() && tsc_khz && khz < INT_MAX &&
		khz / tsc_khz < BIT(64 - TSC_MULT_SHIFT));
}

static void set_pace(struct lodge_vcpu *vcpu, u32 khz)
{
	u64 mult = 0;

	if (!khz)
		khz = tsc_khz;
	if (!near_host(khz))
		mult = mul_u64_u32_div(BIT_ULL(TSC_MULT_SHIFT), khz, tsc_khz);
	lock_clock(vcpu->vm);
	vcpu->tsc_khz = khz;
	vcpu->tsc_mult = mult;
	if (clock_can_scale())
		vmwrite64(TSC_MULTIPLIER, mult ? mult : BIT_ULL(TSC_MULT_SHIFT));
	unlock_clock(vcpu);
}

int clock_set_khz(struct lodge_vcpu *vcpu, u32 khz)
{
	u64 now = tsc_of_guest(vcpu);

	if (!clock_khz_valid(khz))
		return -EINVAL;
	set_pace(vcpu, khz);
	/* it runs on from where it was; a client that does so for all has them in step */
	clock_host_sets(vcpu, now);
	return 0;
}

void clock_init(struct lodge_vcpu *vcpu)
{
	/* the machine has checked its frequency */
	set_pace(vcpu, vcpu->vm->tsc_khz);
	clock_host_sets(vcpu, 0);
}

/*
 * The host's counters agree, or the kernel says that they do not.  Then the
 * guest's is made to have counted at its pace since it was last set, whatever
 * this CPU's counter did; back it never goes.
 */
void clock_load(struct lodge_vcpu *vcpu)
{
	int cpu = raw_smp_processor_id();
	u64 value;

	if (likely(vcpu->tsc_cpu == cpu) || vcpu->vmcs.cpu != cpu)
		return;
	if (unlikely(check_tsc_unstable()) && vcpu->tsc_cpu >= 0) {
		value = extrapolate(vcpu, &vcpu->tsc_set, hosttime_ns());
		write_offset(vcpu, max(value, vcpu->tsc_left) - tsc_scale(vcpu, rdtsc()));
	}
	vcpu->tsc_cpu = cpu;
	/* whose counter may be another one */
	if (!READ_ONCE(vcpu->vm->anchor.on))
		vcpu_request(vcpu, REQ_CLOCK);
}

void clock_unload(struct lodge_vcpu *vcpu)
{
	if (unlikely(check_tsc_unstable()))
		vcpu->tsc_left = tsc_of_guest(vcpu);
}
