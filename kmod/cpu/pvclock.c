// SPDX-License-Identifier: GPL-2.0
/*
 * pvclock.c - kvmclock: nanoseconds since the machine was made, which a guest reads
 * without an exit.  A page of each vCPU holds a reading of its time stamp counter,
 * the time that belongs to it, and the counter's pace.
 *
 * Where the host's clock is its counter, and the vCPUs' counters are in step, all
 * pages are computed from one reading, the anchor, so that no vCPU ever sees
 * another's past; then the page says that its neighbour's counter will do
 * (PVCLOCK_TSC_STABLE_BIT).  The anchor moves only while no vCPU of the machine is in
 * the guest: each finds REQ_CLOCK before it enters, and waits for clock_lock.
 * Else each page has a reading of its own, renewed on another CPU and every second.
 *
 * The clock runs with the host's raw clock, whatever steers its wall clock.
 */
#include <linux/kernel.h>
#include <linux/kvm_para.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <asm/kvm_para.h>
#include <asm/pvclock.h>

#include "../lodge.h"
#include "../kick.h"
#include "../vmx/tsc.h"
#include "clock.h"
#include "cpuid.h"
#include "hosttime.h"
#include "pvclock.h"
#include "pvmem.h"

#define CLOCK_FLAGS (KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

static LIST_HEAD(machines);
static DEFINE_MUTEX(machines_lock);	/* the list; outside every vm->clock_lock */

/* Under clock_lock: no vCPU enters the guest before it has been let go. */
static void stop_vcpus(struct lodge_vm *vm)
{
	int i;

	/* pairs with the release in vm_create_vcpu() */
	for (i = smp_load_acquire(&vm->nr_vcpus) - 1; i >= 0; i--)
		vcpu_request(vm->vcpus[i], REQ_CLOCK);
	vm_kick_all_wait(vm);
}

static bool can_anchor(struct lodge_vm *vm, const struct hosttime *now)
{
	return now->exact && !vm->old_kvmclock && clock_all_in_step(vm);
}

static void set_anchor(struct lodge_vm *vm, struct hosttime *now)
{
	lockdep_assert_held(&vm->clock_lock);
	stop_vcpus(vm);
	hosttime_sample(now);
	WRITE_ONCE(vm->anchor.on, can_anchor(vm, now));
	vm->anchor.tsc = now->tsc;
	vm->anchor.ns = now->ns;
	vm->anchor.pace = now->pace;
}

/* What the counters and the host allow may have changed since somebody looked. */
static void review(struct lodge_vm *vm, struct hosttime *now)
{
	hosttime_sample(now);
	if (can_anchor(vm, now) != vm->anchor.on)
		set_anchor(vm, now);
}

/* Under clock_lock. */
static u64 clock_at(struct lodge_vm *vm, const struct hosttime *now)
{
	const struct lodge_anchor *a = &vm->anchor;

	if (!a->on)
		return now->ns + vm->clock_offset;
	return a->ns + vm->clock_offset +
	       pvclock_scale_delta(now->tsc - a->tsc, a->pace.mul, a->pace.shift);
}

/* The host has another clock source, or has slept. */
static void host_changed(void)
{
	struct hosttime now;
	struct lodge_vm *vm;

	mutex_lock(&machines_lock);
	list_for_each_entry(vm, &machines, clocks) {
		mutex_lock(&vm->clock_lock);
		set_anchor(vm, &now);
		mutex_unlock(&vm->clock_lock);
	}
	mutex_unlock(&machines_lock);
}

int pvclock_init(void)
{
	return hosttime_init(host_changed);
}

void pvclock_exit(void)
{
	hosttime_exit();
}

void pvclock_vm_init(struct lodge_vm *vm)
{
	vm->clock_offset = -hosttime_ns();
	mutex_lock(&machines_lock);
	list_add(&vm->clocks, &machines);
	mutex_unlock(&machines_lock);
}

void pvclock_vm_exit(struct lodge_vm *vm)
{
	mutex_lock(&machines_lock);
	list_del(&vm->clocks);
	mutex_unlock(&machines_lock);
}

void pvclock_get(struct lodge_vm *vm, struct kvm_clock_data *data)
{
	struct hosttime now;

	memset(data, 0, sizeof(*data));
	mutex_lock(&vm->clock_lock);
	review(vm, &now);
	data->clock = clock_at(vm, &now);
	if (vm->anchor.on) {
		data->flags = CLOCK_FLAGS;
		data->realtime = now.real_ns;
		data->host_tsc = now.tsc;
	}
	mutex_unlock(&vm->clock_lock);
}

int pvclock_set(struct lodge_vm *vm, const struct kvm_clock_data *data)
{
	struct hosttime now;
	u64 ns = data->clock;

	/* only REALTIME is looked at; the others may come from KVM_GET_CLOCK */
	if (data->flags & ~CLOCK_FLAGS)
		return -EINVAL;
	mutex_lock(&vm->clock_lock);
	set_anchor(vm, &now);
	/* it was then; forward only */
	if ((data->flags & KVM_CLOCK_REALTIME) && now.real_ns > data->realtime)
		ns += now.real_ns - data->realtime;
	vm->clock_offset = ns - now.ns;
	mutex_unlock(&vm->clock_lock);
	return 0;
}

int pvclock_guest_stopped(struct lodge_vcpu *vcpu)
{
	if (!(vcpu->pvclock_msr & 1))
		return -EINVAL;
	vcpu->pvclock_stopped = true;
	vcpu_request(vcpu, REQ_CLOCK);
	return 0;
}

/* What is to be added to the guest's clock to have the time of day. */
static void write_wall_clock(struct lodge_vcpu *vcpu, gpa_t gpa)
{
	struct lodge_vm *vm = vcpu->vm;
	struct pvclock_wall_clock wall;
	struct hosttime now;
	u64 ns;

	mutex_lock(&vm->clock_lock);
	vm->wall_clock = gpa;
	review(vm, &now);
	ns = now.real_ns - clock_at(vm, &now);
	mutex_unlock(&vm->clock_lock);
	wall.sec = div_u64_rem(ns, NSEC_PER_SEC, &wall.nsec);
	if (gpa)
		pvmem_write_versioned(vcpu, gpa, &wall, sizeof(wall), 0);
}

static bool is_wall_clock(u32 index)
{
	return index == MSR_KVM_WALL_CLOCK || index == MSR_KVM_WALL_CLOCK_NEW;
}

static bool has_msr(struct lodge_vcpu *vcpu, u32 index)
{
	bool old = index == MSR_KVM_WALL_CLOCK || index == MSR_KVM_SYSTEM_TIME;

	return cpuid_pv_allows(vcpu, old ? KVM_FEATURE_CLOCKSOURCE : KVM_FEATURE_CLOCKSOURCE2);
}

bool pvclock_read_msr(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	if (!has_msr(vcpu, index))
		return false;
	*value = is_wall_clock(index) ? READ_ONCE(vcpu->vm->wall_clock) : vcpu->pvclock_msr;
	return true;
}

bool pvclock_write_msr(struct lodge_vcpu *vcpu, u32 index, u64 value, bool host)
{
	struct lodge_vm *vm = vcpu->vm;

	if (!has_msr(vcpu, index))
		return false;
	if (is_wall_clock(index)) {
		write_wall_clock(vcpu, value);
		return true;
	}
	/* a guest that knows only these does not know what "stable" means */
	if (!vcpu->id && !host) {
		mutex_lock(&vm->clock_lock);
		vm->old_kvmclock = index == MSR_KVM_SYSTEM_TIME;
		mutex_unlock(&vm->clock_lock);
	}
	vcpu->pvclock_msr = value;
	vcpu_request(vcpu, REQ_CLOCK);
	return true;
}

/* The vCPU's counter and the time that belongs to it. */
static void fill(struct lodge_vcpu *vcpu, struct pvclock_vcpu_time_info *info)
{
	struct lodge_vm *vm = vcpu->vm;
	struct lodge_anchor a;
	struct hosttime now;

	mutex_lock(&vm->clock_lock);
	review(vm, &now);
	a = vm->anchor;
	if (!a.on)
		a = (struct lodge_anchor) { .tsc = now.tsc, .ns = now.ns, .pace = now.pace };
	*info = (struct pvclock_vcpu_time_info) {
		.tsc_timestamp = tsc_scale(vcpu, a.tsc) + vcpu->tsc_offset,
		.system_time = a.ns + vm->clock_offset,
		.tsc_to_system_mul = a.pace.mul,
		.tsc_shift = a.pace.shift,
		.flags = a.on ? PVCLOCK_TSC_STABLE_BIT : 0,
	};
	mutex_unlock(&vm->clock_lock);
	if (vcpu->tsc_mult) {
		/* the guest's ticks are tsc_mult / 2^48 of the host's; mul has 32 bits of it */
		struct lodge_pace p = hosttime_pace((u64)a.pace.mul << (TSC_MULT_SHIFT - 32),
						    vcpu->tsc_mult);

		info->tsc_to_system_mul = p.mul;
		info->tsc_shift = a.pace.shift + p.shift;
	}
}

void pvclock_update(struct lodge_vcpu *vcpu)
{
	gpa_t gpa = vcpu->pvclock_msr & ~1ull;
	struct pvclock_vcpu_time_info info;
	u8 old_flags;

	/* first: who asks meanwhile asks for another time */
	vcpu_take_request(vcpu, REQ_CLOCK);
	vcpu->pvclock_time = jiffies;
	/* without a page of its own it matters to those who share an anchor with it */
	if (!(vcpu->pvclock_msr & 1) && !READ_ONCE(vcpu->vm->anchor.on))
		return;
	fill(vcpu, &info);
	if (!(vcpu->pvclock_msr & 1) || offset_in_page(gpa) + sizeof(info) > PAGE_SIZE)
		return;
	if (!pvmem_read(vcpu->vm, gpa + offsetof(struct pvclock_vcpu_time_info, flags),
			&old_flags, sizeof(old_flags)))
		return;
	/* the guest clears that one when it has seen it */
	info.flags |= old_flags & PVCLOCK_GUEST_STOPPED;
	if (vcpu->pvclock_stopped)
		info.flags |= PVCLOCK_GUEST_STOPPED;
	if (pvmem_write_versioned(vcpu, gpa, &info, sizeof(info), 0))
		vcpu->pvclock_stopped = false;
}

long pvclock_pair(struct lodge_vcpu *vcpu, gpa_t gpa, u64 type)
{
	struct kvm_clock_pairing pair = { };
	struct hosttime now;
	u32 nsec;

	if (type != KVM_CLOCK_PAIRING_WALLCLOCK)
		return -KVM_EOPNOTSUPP;
	hosttime_sample(&now);
	/* two readings, one after the other, are not worth more than the guest's own */
	if (!now.exact)
		return -KVM_EOPNOTSUPP;
	pair.sec = div_u64_rem(now.real_ns, NSEC_PER_SEC, &nsec);
	pair.nsec = nsec;
	pair.tsc = tsc_scale(vcpu, now.tsc) + vcpu->tsc_offset;
	return pvmem_write(vcpu, gpa, &pair, sizeof(pair)) ? 0 : -KVM_EFAULT;
}
