/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat.h - what differs between the kernels that lodge builds for (6.1 to
 * 6.12), and the few lines of the kernel's own guest-entry bookkeeping that
 * live in KVM's private header.  The only LINUX_VERSION_CODE of the tree is
 * here.  Nothing here knows a type of lodge.
 */
#ifndef LODGE_COMPAT_H
#define LODGE_COMPAT_H

#include <linux/context_tracking.h>
#include <linux/ftrace.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/syscore_ops.h>
#include <linux/sched/signal.h>
#include <linux/task_work.h>
#include <linux/version.h>
#include <linux/vtime.h>
#include <asm/cpufeature.h>
#include <asm/apic.h>
#include <asm/irq_vectors.h>
#include <asm/nmi.h>
#include <asm/reboot.h>
#include <asm/vmx.h>

#ifndef CONFIG_PREEMPT_NOTIFIERS
#error "lodge needs CONFIG_PREEMPT_NOTIFIERS (enable KVM as a module to get it)"
#endif
#ifndef CONFIG_USER_RETURN_NOTIFIER
#error "lodge needs CONFIG_USER_RETURN_NOTIFIER (enable KVM as a module to get it)"
#endif
#ifndef CONFIG_MMU_NOTIFIER
#error "lodge needs CONFIG_MMU_NOTIFIER"
#endif

/* rcu_virt_note_context_switch() lost its argument after 6.1. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#define compat_rcu_note_guest() rcu_virt_note_context_switch(smp_processor_id())
#else
#define compat_rcu_note_guest() rcu_virt_note_context_switch()
#endif

/* 6.3 made the flags of a mapping read-only but by functions. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define compat_vm_flags_clear(vma, flags) ((vma)->vm_flags &= ~(flags))
#else
#define compat_vm_flags_clear(vma, flags) vm_flags_clear(vma, flags)
#endif

/* Later kernels let the exit half say whether RCU was told already. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
static __always_inline void compat_context_tracking_exit(void)
{
	context_tracking_guest_exit();
}
#else
static __always_inline void compat_context_tracking_exit(void)
{
	if (!context_tracking_guest_exit()) {
		instrumentation_begin();
		compat_rcu_note_guest();
		instrumentation_end();
	}
}
#endif

/*
 * Tell lockdep, context tracking and RCU that interrupts are about to be
 * enabled by entering the guest, and the reverse.  Guest mode is a quiescent
 * state like user mode.  Both run with interrupts off; between them only
 * noinstr code may run.
 */
static __always_inline void compat_guest_enter(bool tell_rcu)
{
	instrumentation_begin();
	trace_hardirqs_on_prepare();
	lockdep_hardirqs_on_prepare();
	instrumentation_end();
	if (!context_tracking_guest_enter() && tell_rcu) {
		instrumentation_begin();
		compat_rcu_note_guest();
		instrumentation_end();
	}
	lockdep_hardirqs_on(CALLER_ADDR0);
}

static __always_inline void compat_guest_exit(void)
{
	lockdep_hardirqs_off(CALLER_ADDR0);
	compat_context_tracking_exit();
	instrumentation_begin();
	trace_hardirqs_off_finish();
	instrumentation_end();
}

/*
 * Must the task leave the guest for the kernel's sake?  The kernel's helper for
 * this wants KVM's own struct and runs what is not exported, so task work is
 * left to the return to user mode (compat_restart()).  What else sets
 * NOTIFY_RESUME (a restartable sequence that was migrated, a memory group over
 * its limit) concerns user mode alone and keeps until then.
 */
static inline bool compat_task_work(void)
{
	return test_thread_flag(TIF_NOTIFY_RESUME) && task_work_pending(current);
}

/*
 * What a system call returns that is to begin again, unseen by its caller, once
 * task work is done: restarts come with signals, and this is one that is none.
 */
static inline int compat_restart(void)
{
	set_thread_flag(TIF_NOTIFY_SIGNAL);
	return -ERESTARTNOINTR;
}

static inline bool compat_work_pending(void)
{
	const unsigned long any = _TIF_NEED_RESCHED | _TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL |
				  _TIF_NOTIFY_RESUME;

	if (likely(!(read_thread_flags() & any)))
		return false;
	return need_resched() || signal_pending(current) || compat_task_work();
}

/* With mmap_lock held: the page frame behind an address that has no struct page. */
static inline int compat_follow_pfn(struct vm_area_struct *vma, unsigned long addr,
				    u64 *pfn, bool *writable)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
	spinlock_t *lock;	/* the page table's */
	pte_t *pte;
	int err = follow_pte(vma->vm_mm, addr, &pte, &lock);

	if (err)
		return err;
	*pfn = pte_pfn(*pte);
	*writable = pte_write(*pte);
	__acquire(lock);	/* for sparse: it is held where there was no error */
	pte_unmap_unlock(pte, lock);
#else
	struct follow_pfnmap_args args = { .vma = vma, .address = addr };
	int err = follow_pfnmap_start(&args);

	if (err)
		return err;
	*pfn = args.pfn;
	*writable = args.writable;
	follow_pfnmap_end(&args);
#endif
	return 0;
}

/* It lost its count. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define compat_eventfd_signal(ctx) ((void)eventfd_signal(ctx, 1))
#else
#define compat_eventfd_signal(ctx) eventfd_signal(ctx)
#endif

/* Renamed after 6.1. */
#ifndef SECONDARY_EXEC_XSAVES
#define SECONDARY_EXEC_XSAVES SECONDARY_EXEC_ENABLE_XSAVES
#endif

/*
 * Suspend and resume callbacks of the last CPU.  Later kernels (and their
 * stable series) pass the callbacks an argument; kmod/Makefile looks which.
 */
#ifdef LODGE_SYSCORE_HAS_DATA
#define COMPAT_SYSCORE(name, suspend_fn, resume_fn)			\
	static int name##_suspend(void *unused) { return suspend_fn(); }	\
	static void name##_resume(void *unused) { resume_fn(); }	\
	static const struct syscore_ops name##_ops = {			\
		.suspend = name##_suspend, .resume = name##_resume,	\
	};								\
	static struct syscore name = { .ops = &name##_ops }
#define compat_register_syscore(s)	register_syscore(s)
#define compat_unregister_syscore(s)	unregister_syscore(s)
#else
#define COMPAT_SYSCORE(name, suspend_fn, resume_fn)			\
	static struct syscore_ops name = { .suspend = suspend_fn, .resume = resume_fn }
#define compat_register_syscore(s)	register_syscore_ops(s)
#define compat_unregister_syscore(s)	unregister_syscore_ops(s)
#endif

/* The name tells that user space can write it at any time: read it once. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define compat_immediate_exit(run) READ_ONCE((run)->immediate_exit)
#else
#define compat_immediate_exit(run) READ_ONCE((run)->immediate_exit__unsafe)
#endif

/*
 * 6.1 leaves VMX operation in its crash and reboot paths wherever CR4.VMXE is
 * set.  Later kernels want to be told how; the slot has one owner, so it is
 * taken only while VMX is really on.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#define compat_register_emergency(cb)	((void)(cb))
#define compat_unregister_emergency(cb)	((void)(cb))
#else
#define compat_register_emergency(cb)	cpu_emergency_register_virt_callback(cb)
#define compat_unregister_emergency(cb)	cpu_emergency_unregister_virt_callback(cb)
#endif

/*
 * "int $2" and "int $18" below rely on the IDT; with FRED there is none.
 */
static inline bool compat_fred_active(void)
{
#ifdef X86_FEATURE_FRED
	return cpu_feature_enabled(X86_FEATURE_FRED);
#else
	return false;
#endif
}

/* The kernel has a vector for posted interrupts where it was built with KVM. */
#ifdef POSTED_INTR_VECTOR
#define COMPAT_POSTED_VECTOR	POSTED_INTR_VECTOR
#else
#define COMPAT_POSTED_VECTOR	0
#endif

static inline void compat_send_posted(int cpu)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	apic->send_IPI_mask(cpumask_of(cpu), COMPAT_POSTED_VECTOR);
#else
	__apic_send_IPI_mask(cpumask_of(cpu), COMPAT_POSTED_VECTOR);
#endif
}

/*
 * Hand an NMI (or machine check) that ended the guest to the host's handler.
 * The INT must come before interrupts are enabled: the IRET of an interrupt
 * handler would end the NMI blocking too early (SDM vol. 3A 6.7.1).
 */
static __always_inline void compat_host_nmi(void)
{
	asm volatile("int $2" : : : "memory");
}

static __always_inline void compat_host_mce(void)
{
#ifdef CONFIG_X86_MCE
	asm volatile("int $18" : : : "memory");
#endif
}

#endif
