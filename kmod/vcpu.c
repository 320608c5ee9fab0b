// SPDX-License-Identifier: GPL-2.0
/*
 * vcpu.c - a virtual CPU from its creation to its end, and between the two the
 * loop of KVM_RUN: look at what is wanted of it, enter the guest, deal with the
 * exit, until user space is needed or a signal comes.  While a vCPU is loaded,
 * the scheduler tells us when its task leaves or reaches a CPU (preempt
 * notifier), so that the code that runs with it loaded may sleep.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "lodge.h"
#include "break.h"
#include "compat.h"
#include "cpu/clock.h"
#include "cpu/cpuid.h"
#include "cpu/cr.h"
#include "cpu/emulate_ops.h"
#include "cpu/fpu.h"
#include "cpu/msr.h"
#include "cpu/pvclock.h"
#include "cpu/steal.h"
#include "entry_failure.h"
#include "exit.h"
#include "flight.h"
#include "halt.h"
#include "irq/lapic.h"
#include "irq/pv_eoi.h"
#include "irq/vapic.h"
#include "kick.h"
#include "mem/dirty.h"
#include "mem/ept.h"
#include "state.h"
#include "trace.h"
#include "vcpu.h"
#include "vmx/apicv.h"
#include "vmx/cpu.h"
#include "vmx/flight.h"
#include "vmx/inject.h"
#include "vmx/regs.h"
#include "vmx/run.h"
#include "vmx/timer.h"
#include "vmx/vmcs.h"

static void sched_in(struct preempt_notifier *pn, int cpu)
{
	struct lodge_vcpu *vcpu = container_of(pn, struct lodge_vcpu, notifier);

	vmx_load(vcpu);
	clock_load(vcpu);
	WRITE_ONCE(vcpu->preempted, false);
	if (vcpu->vmcs.cpu == cpu)
		vmcs_shrink_ple_window(vcpu);
	steal_load(vcpu);
}

static void sched_out(struct preempt_notifier *pn, struct task_struct *next)
{
	struct lodge_vcpu *vcpu = container_of(pn, struct lodge_vcpu, notifier);

	/* not asleep of its own will */
	if (task_is_running(current))
		WRITE_ONCE(vcpu->preempted, true);
	clock_unload(vcpu);
	steal_sched_out(vcpu);
	vmx_unload(vcpu);
}

static struct preempt_ops preempt_ops = {
	.sched_in = sched_in,
	.sched_out = sched_out,
};

bool vcpu_load(struct lodge_vcpu *vcpu)
{
	bool loaded;

	preempt_disable();
	preempt_notifier_register(&vcpu->notifier);
	vmx_load(vcpu);
	clock_load(vcpu);
	steal_load(vcpu);
	loaded = vcpu->vmcs.cpu == raw_smp_processor_id();
	preempt_enable();
	return loaded;
}

void vcpu_put(struct lodge_vcpu *vcpu)
{
	preempt_disable();
	/* the registers that only the cache knew must be found by the next load */
	if (vcpu->vmcs.cpu == raw_smp_processor_id())
		regs_flush(vcpu);
	clock_unload(vcpu);
	vmx_unload(vcpu);
	preempt_notifier_unregister(&vcpu->notifier);
	preempt_enable();
}

static int alloc_parts(struct lodge_vcpu *vcpu)
{
	vcpu->run_page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	vcpu->pio_page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!vcpu->run_page || !vcpu->pio_page)
		return -ENOMEM;
	vcpu->run = page_address(vcpu->run_page);
	vcpu->pio_data = page_address(vcpu->pio_page);
	if (vmx_has_pml()) {
		vcpu->pml = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
		if (!vcpu->pml)
			return -ENOMEM;
	}
	if (dirty_ring_alloc(vcpu))
		return -ENOMEM;
	if (vcpu->vm->irqchip != IRQCHIP_NONE && lapic_create(vcpu))
		return -ENOMEM;
	return flight_alloc(vcpu) ?: vmcs_alloc(&vcpu->vmcs) ?: fpu_alloc(vcpu) ?:
	       emulate_alloc(vcpu);
}

void vcpu_free(struct lodge_vcpu *vcpu)
{
	/* its VMCS must be written back before its page is given away */
	vmx_deactivate(&vcpu->vmcs);
	vmcs_free(&vcpu->vmcs);
	vpid_free(vcpu->vpid);
	ept_drain(vcpu);
	lapic_free(vcpu);
	dirty_ring_free(vcpu);
	free_page((unsigned long)vcpu->pml);
	fpu_free(vcpu);
	emulate_free(vcpu);
	flight_free(vcpu);
	entry_failure_free(vcpu);
	break_free(vcpu);
	kvfree(vcpu->cpuid);
	/* user space may still map these two: then they outlive us by its reference */
	if (vcpu->run_page)
		__free_page(vcpu->run_page);
	if (vcpu->pio_page)
		__free_page(vcpu->pio_page);
	kfree(vcpu);
}

struct lodge_vcpu *vcpu_create(struct lodge_vm *vm, int id)
{
	struct lodge_vcpu *vcpu = kzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);
	bool loaded;

	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->last_cpu = -1;
	vcpu->host.cpu = -1;
	vcpu->vmcs.cpu = -1;
	vcpu->eoi_exit = -1;
	vcpu->user_extint = -1;
	rcuwait_init(&vcpu->wait);
	vcpu->tsc_cpu = -1;
	mutex_init(&vcpu->lock);
	INIT_LIST_HEAD(&vcpu->ept_cache);
	preempt_notifier_init(&vcpu->notifier, &preempt_ops);
	if (alloc_parts(vcpu)) {
		vcpu_free(vcpu);
		return ERR_PTR(-ENOMEM);
	}
	vcpu->vpid = vpid_alloc();
	vcpu->maxphyaddr = 36;
	vcpu->cr4_reserved = cpuid_host_cr4_reserved();
	/* a slot may log already, or begin to before this vCPU is in the list */
	if (vcpu->pml)
		vcpu_request(vcpu, REQ_DIRTY_LOGGING);

	loaded = vcpu_load(vcpu);
	if (loaded) {
		vmcs_init(vcpu);
		if (vcpu->apic)
			apicv_init(vcpu, lapic_page(vcpu));
		state_reset(vcpu, false);
		clock_init(vcpu);
	}
	vcpu_put(vcpu);
	if (loaded)
		return vcpu;
	vcpu_free(vcpu);
	return ERR_PTR(-EIO);
}

/* The CPU logs only while somebody reads the log. */
static void update_logging(struct lodge_vcpu *vcpu)
{
	u32 proc2 = vcpu->vmcs.proc2 & ~SECONDARY_EXEC_ENABLE_PML;

	if (READ_ONCE(vcpu->vm->logging))
		proc2 |= SECONDARY_EXEC_ENABLE_PML;
	vmcs_set_proc2(&vcpu->vmcs, proc2);
}

static noinline void serve_requests(struct lodge_vcpu *vcpu)
{
	if (vcpu_take_request(vcpu, REQ_FLUSH_GUEST_TLB))
		vpid_flush(vcpu);
	if (vcpu_take_request(vcpu, REQ_DIRTY_LOGGING))
		update_logging(vcpu);
	if (vcpu_take_request(vcpu, REQ_MSR_FILTER))
		msr_update_bitmap(vcpu);
	if (vcpu_take_request(vcpu, REQ_EOI_VECTORS) && vcpu->apic)
		lapic_update_eoi_vectors(vcpu);
}

/* Interrupts are off, and the mode says that we are in the guest. */
static inline bool must_not_enter(struct lodge_vcpu *vcpu)
{
	return READ_ONCE(vcpu->requests) || compat_work_pending() ||
	       READ_ONCE(vcpu->vm->dead) || vmx_going_down();
}

/*
 * One entry, and the host interrupt that may have ended it.  False if something
 * has to be looked at first.
 */
static inline bool enter_guest(struct lodge_vcpu *vcpu)
{
	preempt_disable();
	if (unlikely(vcpu->vmcs.cpu != raw_smp_processor_id())) {
		preempt_enable();
		/* at a reboot that is as it should be, and handle_work() says so */
		if (!vmx_going_down())
			vm_kill(vcpu->vm, "VMX could not be turned on where vCPU %d runs",
				vcpu->id);
		return false;
	}
	if (unlikely(READ_ONCE(vcpu->requests)))
		serve_requests(vcpu);
	local_irq_disable();
	vcpu_mode_in_guest(vcpu);
	if (unlikely(must_not_enter(vcpu))) {
		vcpu_mode_outside(vcpu);
		local_irq_enable();
		preempt_enable();
		return false;
	}
	fpu_ready();
	if (vcpu->apic)
		lapic_entry(vcpu);
	vmx_timer_entry(vcpu);
	ept_sync_cpu(vcpu->vm);
	if (unlikely(vcpu->timer_due))
		lapic_timer_wait(vcpu);
	if (trace_lodge_entry_enabled())
		trace_lodge_entry(vcpu->id, regs_rip(vcpu));
	vtime_account_guest_enter();
	vmx_run(vcpu);
	vcpu->has_run = true;
	/* before anybody can think that this vCPU is done with it */
	if (unlikely(vcpu->vmcs.proc2 & SECONDARY_EXEC_ENABLE_PML))
		dirty_drain_pml(vcpu);
	vcpu_mode_outside(vcpu);
	/* the host's interrupts, while the tick still counts as the guest's */
	vmx_take_interrupt(vcpu);
	vtime_account_guest_exit();
	local_irq_enable();
	preempt_enable();
	return true;
}

/* Signals, rescheduling, task work: all that user mode would have done. */
static int handle_work(struct lodge_vcpu *vcpu)
{
	if (READ_ONCE(vcpu->vm->dead) || vmx_going_down())
		return -EIO;
	if (signal_pending(current)) {
		vcpu->run->exit_reason = KVM_EXIT_INTR;
		return -EINTR;
	}
	if (unlikely(compat_task_work()))
		return compat_restart();
	cond_resched();
	return 0;
}

/* A PIC of the client's has something, and this vCPU is where it goes. */
static inline bool user_waits(struct lodge_vcpu *vcpu)
{
	return READ_ONCE(vcpu->run->request_interrupt_window) && !vcpu->vm->pic &&
	       state_listens_to_user(vcpu);
}

/* What came of an exit beside what its handler said; the weightiest first. */
static noinline int tell_user(struct lodge_vcpu *vcpu)
{
	if (vcpu->eoi_exit >= 0)
		return exit_ioapic_eoi(vcpu);
	if (vcpu->triple_fault)
		return exit_shutdown(vcpu);
	if (vcpu->tpr_access.pending)
		return exit_tpr_access(vcpu);
	if (vcpu->debug.stepped)
		return exit_stepped(vcpu);
	vcpu->to_tell = false;
	return EXIT_RESUME;
}

/* Is there anything to be told before the guest runs on? */
static inline int settle(struct lodge_vcpu *vcpu)
{
	int ret;

	if (unlikely(vcpu->to_tell)) {
		ret = tell_user(vcpu);
		if (ret != EXIT_RESUME)
			return ret;
	}
	if (unlikely(vcpu->ring.gfns) && dirty_ring_full(vcpu))
		return exit_ring_full(vcpu);
	vcpu->user_waits = user_waits(vcpu);
	if (unlikely(vcpu->user_waits) && inject_irq_now(vcpu))
		return exit_irq_window(vcpu);
	return EXIT_RESUME;
}

/* Requests are served in any state: a vCPU that sleeps would not see them. */
static void serve_idle(struct lodge_vcpu *vcpu)
{
	preempt_disable();
	if (vcpu->vmcs.cpu == raw_smp_processor_id())
		serve_requests(vcpu);
	preempt_enable();
	if (!READ_ONCE(vcpu->requests))
		halt_wait(vcpu);
}

/* What the guest reads in its memory; that may fault, so it is not done at the entry. */
static inline void tell_guest(struct lodge_vcpu *vcpu)
{
	if (unlikely(pvclock_due(vcpu)))
		pvclock_update(vcpu);
	if (unlikely(READ_ONCE(vcpu->requests)) && vcpu_take_request(vcpu, REQ_STEAL))
		steal_update(vcpu);
	if (unlikely(vcpu->vapic_addr))
		vapic_show(vcpu);
}

/* Does its client want to see this exit before it is dealt with? */
static inline bool stops_here(const struct lodge_vcpu *vcpu)
{
	u32 reason = vcpu->exit_reason;		/* with flags, it is none of them */

	return vcpu->has_stops && !vcpu->fail && reason < STAT_EXIT_REASONS &&
	       (vcpu->stops[array_index_nospec(reason, STAT_EXIT_REASONS) / 64] >> reason % 64 & 1);
}

static int run_loop(struct lodge_vcpu *vcpu)
{
	bool entered = false;
	int ret;

	for (;;) {
		/* an entry has looked itself, and come out for nothing of this */
		if (unlikely(!entered)) {
			ret = handle_work(vcpu);
			if (ret)
				return ret;
		}
		if (unlikely(READ_ONCE(vcpu->requests)) && vcpu_take_request(vcpu, REQ_ARRIVED))
			state_arrivals(vcpu);
		ret = settle(vcpu);
		if (ret != EXIT_RESUME)
			return ret;
		tell_guest(vcpu);
		if (unlikely(vcpu->mp_state != KVM_MP_STATE_RUNNABLE) && !halt_is_over(vcpu)) {
			entered = false;
			serve_idle(vcpu);
			continue;
		}
		if (breaks_entry(vcpu))
			break_apply(vcpu);
		entered = enter_guest(vcpu);
		if (unlikely(!entered))
			continue;
		if (unlikely(vcpu->pv_eoi_offered))
			pv_eoi_collect(vcpu);
		if (unlikely(vcpu->vapic_addr))
			vapic_collect(vcpu);
		ret = unlikely(stops_here(vcpu)) ? exit_stop(vcpu) : exit_handle(vcpu);
		if (breaks_entry(vcpu))
			break_undo(vcpu);
		if (ret != EXIT_RESUME && !vcpu->triple_fault)
			return ret;
	}
}

/* Finish what the last exit to user space began. */
static int finish_exit(struct lodge_vcpu *vcpu)
{
	int (*complete)(struct lodge_vcpu *vcpu) = vcpu->complete;

	if (!complete)
		return EXIT_RESUME;
	vcpu->complete = NULL;
	return complete(vcpu);
}

#define SYNC_FIELDS (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

/* User space may be writing there at this moment: each struct is copied first. */
static int take_registers(struct lodge_vcpu *vcpu, u64 dirty)
{
	struct kvm_sync_regs *shared = &vcpu->run->s.regs;
	int err = 0;

	if (dirty & KVM_SYNC_X86_REGS) {
		struct kvm_regs regs;

		memcpy(&regs, &shared->regs, sizeof(regs));
		err = state_set_regs(vcpu, &regs);
	}
	if (!err && (dirty & KVM_SYNC_X86_SREGS)) {
		struct kvm_sregs sregs;

		memcpy(&sregs, &shared->sregs, sizeof(sregs));
		err = state_set_sregs(vcpu, &sregs);
	}
	if (!err && (dirty & KVM_SYNC_X86_EVENTS)) {
		struct kvm_vcpu_events events;

		memcpy(&events, &shared->events, sizeof(events));
		err = state_set_events(vcpu, &events);
	}
	return err;
}

static void show_registers(struct lodge_vcpu *vcpu, u64 wanted)
{
	struct kvm_sync_regs *shared = &vcpu->run->s.regs;

	if (wanted & KVM_SYNC_X86_REGS)
		state_get_regs(vcpu, &shared->regs);
	if (wanted & KVM_SYNC_X86_SREGS)
		state_get_sregs(vcpu, &shared->sregs);
	if (wanted & KVM_SYNC_X86_EVENTS)
		state_get_events(vcpu, &shared->events);
}

/* Most of this is for clients that have the interrupt controllers themselves. */
static void report(struct lodge_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->if_flag = !!(regs_rflags(vcpu) & X86_EFLAGS_IF);
	run->ready_for_interrupt_injection = vcpu->vm->pic ||
		(state_listens_to_user(vcpu) && inject_irq_now(vcpu));
	run->flags = 0;
	run->cr8 = cr8_read(vcpu);
	run->apic_base = vcpu->apic_base;
	show_registers(vcpu, READ_ONCE(run->kvm_valid_regs));
}

/*
 * A vCPU that was never started waits for INIT, and then lets its client see: KVM's
 * clients know to come back on EAGAIN.
 */
static int run_uninitialized(struct lodge_vcpu *vcpu)
{
	int ret;

	for (;;) {
		ret = handle_work(vcpu);
		if (ret)
			return ret;
		if (vcpu_take_request(vcpu, REQ_ARRIVED)) {
			state_arrivals(vcpu);
			if (vcpu->mp_state != KVM_MP_STATE_UNINITIALIZED)
				return -EAGAIN;
		}
		tell_guest(vcpu);
		serve_idle(vcpu);
	}
}

/* Between loading and unloading the guest's floating-point registers. */
static int run_prepared(struct lodge_vcpu *vcpu)
{
	int ret = finish_exit(vcpu);

	if (ret != EXIT_RESUME && !vcpu->triple_fault)
		return ret;
	if (compat_immediate_exit(vcpu->run))
		return -EINTR;
	if (unlikely(vcpu->mp_state == KVM_MP_STATE_UNINITIALIZED))
		return run_uninitialized(vcpu);
	state_arm_step(vcpu);
	return run_loop(vcpu);
}

/* The reason stands where user space can write. */
static void count_user_exit(struct lodge_vcpu *vcpu, int ret)
{
	u32 reason = ret == -EINTR ? KVM_EXIT_INTR : READ_ONCE(vcpu->run->exit_reason);

	if ((ret == EXIT_TO_USER || ret == -EINTR) && reason < STAT_USER_REASONS)
		vcpu->stats.to_user[array_index_nospec(reason, STAT_USER_REASONS)]++;
}

void vcpu_set_sigmask(struct lodge_vcpu *vcpu, const sigset_t *mask)
{
	vcpu->has_sigmask = mask;
	if (!mask)
		return;
	vcpu->sigmask = *mask;
	sigdelsetmask(&vcpu->sigmask, sigmask(SIGKILL) | sigmask(SIGSTOP));
}

/* The old mask lies where the kernel looks for the one that a task sleeps without. */
static void block_signals(struct lodge_vcpu *vcpu)
{
	if (unlikely(vcpu->has_sigmask))
		sigprocmask(SIG_SETMASK, &vcpu->sigmask, &current->real_blocked);
}

static void unblock_signals(struct lodge_vcpu *vcpu)
{
	if (likely(!vcpu->has_sigmask))
		return;
	sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
	sigemptyset(&current->real_blocked);
}

static int run_with_fpu(struct lodge_vcpu *vcpu)
{
	int ret;

	fpu_enter(vcpu);
	WRITE_ONCE(vcpu->task, current);
	ret = run_prepared(vcpu);
	WRITE_ONCE(vcpu->task, NULL);
	flight_pause(vcpu);
	fpu_leave(vcpu);
	return ret;
}

int vcpu_run(struct lodge_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 dirty = READ_ONCE(run->kvm_dirty_regs);
	int ret;

	if ((READ_ONCE(run->kvm_valid_regs) | dirty) & ~(u64)SYNC_FIELDS)
		return -EINVAL;
	if (unlikely(dirty)) {
		ret = take_registers(vcpu, dirty);
		if (ret)
			return ret;
		run->kvm_dirty_regs = 0;
	}
	/* where the interrupt controller is the client's, the task priority is, too */
	if (!vcpu->apic && !cr8_write(vcpu, READ_ONCE(run->cr8)))
		return -EINVAL;
	block_signals(vcpu);
	/* nothing to finish, and the guest is not to run */
	if (!vcpu->complete && compat_immediate_exit(run))
		ret = -EINTR;
	else
		ret = run_with_fpu(vcpu);
	unblock_signals(vcpu);
	count_user_exit(vcpu, ret);
	trace_lodge_userspace_exit(vcpu->run->exit_reason, min(ret, 0));
	report(vcpu);
	/* neither fate is an error, and EXIT_RESUME does not get here */
	return ret == EXIT_TO_USER ? 0 : ret;
}
