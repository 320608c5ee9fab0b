// SPDX-License-Identifier: GPL-2.0
/*
 * cpu.c - VMX operation on each CPU.  VMX is on only while a VM exists: the
 * first VM executes VMXON on every online CPU, the last one VMXOFF.  Between
 * the two this file follows the CPUs through hotplug, suspend, reboot and
 * kexec, and it keeps the list of VMCSs that are active on each CPU, because an
 * active VMCS must be written back (VMCLEAR) before its CPU or its memory goes.
 * If CR4.VMXE is set by somebody else, VMX is theirs: it is never taken.
 *
 * A CPU that goes offline leaves VMX while user tasks may still be scheduled on
 * it for a moment.  It is marked as leaving; such a task turns VMX on again
 * when it is scheduled in and off when it is scheduled out (vmx_leave_cpu()).
 * SDM vol. 3C 23.6 to 23.8, 24.1, 31.5.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/gfp.h>
#include <linux/percpu.h>
#include <linux/reboot.h>
#include <linux/smp.h>
#include <asm/msr.h>
#include <asm/perf_event.h>
#include <asm/tlbflush.h>

#include "../lodge.h"
#include "../compat.h"
#include "caps.h"
#include "cpu.h"
#include "insn.h"
#include "mitigate.h"
#include "msr.h"

struct vmx_cpu {
	struct vmcs *vmxon_region;	/* there while the CPU may be online */
	struct list_head active;	/* vmcs_ctx.on_cpu, irqs off */
	struct vmcs_ctx *current_ctx;	/* what VMPTRLD made current, irqs off */
	bool on;			/* VMXON has succeeded, irqs off */
	bool leaving;			/* being taken offline */
};

static DEFINE_PER_CPU(struct vmx_cpu, vmx_cpu);
static DEFINE_MUTEX(users_lock);	/* taken inside cpus_read_lock() */
static int users;			/* users_lock; read in hotplug callbacks */
bool vmx_goes_down;
static enum cpuhp_state hotplug_state;

DEFINE_PER_CPU(struct vmcs_counts, vmcs_counts);

void vmx_insn_failed(const char *what, unsigned long arg)
{
	/* VMX is off already when the machine goes down; nothing to report */
	if (!vmx_going_down())
		WARN_ONCE(1, "lodge: %s failed (%#lx)\n", what, arg);
}

/* Translations of an earlier life of this CPU may still be cached: vol. 3C 28.4. */
static void forget_translations(void)
{
	vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0, 0);
	if (vmx_has_vpid())
		vmx_invvpid(VMX_VPID_EXTENT_ALL_CONTEXT, 0, 0);
}

/* With interrupts off. */
static int vmx_on_here(void)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);

	if (c->on)
		return 0;
	if (cr4_read_shadow() & X86_CR4_VMXE)
		return -EBUSY;
	if (!vmx_caps_match_this_cpu())
		return -EIO;
	intel_pt_handle_vmx(1);
	cr4_set_bits(X86_CR4_VMXE);
	if (!vmx_vmxon(__pa(c->vmxon_region))) {
		cr4_clear_bits(X86_CR4_VMXE);
		intel_pt_handle_vmx(0);
		pr_err("VMXON failed on CPU %d\n", raw_smp_processor_id());
		return -EIO;
	}
	c->on = true;
	vmx_msrs_learn();
	forget_translations();
	return 0;
}

/* With interrupts off, on the CPU where the VMCS is active. */
static void deactivate_irqoff(struct vmcs_ctx *ctx)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);

	if (!vmx_vmclear(__pa(ctx->page)))
		vmx_insn_failed("vmclear", __pa(ctx->page));
	if (c->current_ctx == ctx)
		c->current_ctx = NULL;
	list_del(&ctx->on_cpu);
	ctx->launched = false;
	/* pairs with smp_rmb() in vmx_activate(): off the list before it moves */
	smp_wmb();
	WRITE_ONCE(ctx->cpu, -1);
}

/* With interrupts off. */
static void vmx_off_here(void)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);
	struct vmcs_ctx *ctx, *next;

	vmx_msrs_to_host();
	if (!c->on)
		return;
	list_for_each_entry_safe(ctx, next, &c->active, on_cpu)
		deactivate_irqoff(ctx);
	c->on = false;
	if (!vmx_vmxoff())
		vmx_insn_failed("vmxoff", 0);
	cr4_clear_bits(X86_CR4_VMXE);
	intel_pt_handle_vmx(0);
}

void vmx_activate(struct vmcs_ctx *ctx)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);
	unsigned long flags;

	local_irq_save(flags);
	if (!c->on && (vmx_going_down() || vmx_on_here()))
		goto out;	/* ctx->cpu stays -1, and the run loop gives up */
	if (c->current_ctx != ctx) {
		c->current_ctx = NULL;
		if (!vmx_vmptrld(__pa(ctx->page))) {
			vmx_insn_failed("vmptrld", __pa(ctx->page));
			goto out;
		}
		c->current_ctx = ctx;
		mitigate_switch();
	}
	if (ctx->cpu < 0) {
		/* pairs with smp_wmb() in deactivate_irqoff() */
		smp_rmb();
		list_add(&ctx->on_cpu, &c->active);
		ctx->cpu = raw_smp_processor_id();
	}
out:
	local_irq_restore(flags);
}

void vmx_deactivate_here(struct vmcs_ctx *ctx)
{
	unsigned long flags;

	local_irq_save(flags);
	if (ctx->cpu == raw_smp_processor_id())
		deactivate_irqoff(ctx);
	local_irq_restore(flags);
}

static void deactivate_ipi(void *ctx)
{
	vmx_deactivate_here(ctx);
}

void vmx_deactivate(struct vmcs_ctx *ctx)
{
	int cpu = READ_ONCE(ctx->cpu);

	/* a CPU that went offline has deactivated all that was active there */
	if (cpu >= 0)
		smp_call_function_single(cpu, deactivate_ipi, ctx, 1);
}

void vmx_leave_cpu(void)
{
	unsigned long flags;

	if (likely(!this_cpu_read(vmx_cpu.leaving)))
		return;
	local_irq_save(flags);
	vmx_off_here();
	local_irq_restore(flags);
}

static void on_ipi(void *result)
{
	int err = vmx_on_here();

	if (err)
		atomic_cmpxchg((atomic_t *)result, 0, err);
}

static void off_ipi(void *unused)
{
	vmx_off_here();
}

/* Called by the kernel on each CPU that stops, NMIs included: only instructions. */
static void emergency_off(void)
{
	WRITE_ONCE(vmx_goes_down, true);
	if (!this_cpu_read(vmx_cpu.on))
		return;
	this_cpu_write(vmx_cpu.on, false);
	vmx_vmxoff();
	cr4_clear_bits(X86_CR4_VMXE);
}

static int users_get(void)
{
	atomic_t err = ATOMIC_INIT(0);

	if (vmx_going_down())
		return -EBUSY;
	if (users++)
		return 0;
	on_each_cpu(on_ipi, &err, 1);
	if (!atomic_read(&err)) {
		compat_register_emergency(emergency_off);
		return 0;
	}
	on_each_cpu(off_ipi, NULL, 1);
	users--;
	if (atomic_read(&err) == -EBUSY)
		pr_warn_ratelimited("VMX is in use by another hypervisor; if it is KVM, stop its VMs or unload it (rmmod kvm_intel)\n");
	return atomic_read(&err);
}

int vmx_cpus_get(void)
{
	int err;

	cpus_read_lock();
	mutex_lock(&users_lock);
	err = users_get();
	mutex_unlock(&users_lock);
	cpus_read_unlock();
	return err;
}

void vmx_cpus_put(void)
{
	cpus_read_lock();
	mutex_lock(&users_lock);
	if (!--users) {
		compat_unregister_emergency(emergency_off);
		on_each_cpu(off_ipi, NULL, 1);
	}
	mutex_unlock(&users_lock);
	cpus_read_unlock();
}

/* The hotplug core holds the lock that everybody else takes for reading. */
static int cpu_comes(unsigned int cpu)
{
	int err = 0;

	local_irq_disable();
	this_cpu_write(vmx_cpu.leaving, false);
	if (users && !vmx_going_down())
		err = vmx_on_here();
	local_irq_enable();
	return err;
}

static int cpu_goes(unsigned int cpu)
{
	local_irq_disable();
	this_cpu_write(vmx_cpu.leaving, true);
	vmx_off_here();
	local_irq_enable();
	return 0;
}

/* The other CPUs are offline by now, through the callback above. */
static int suspend_last_cpu(void)
{
	vmx_off_here();
	return 0;
}

static void resume_first_cpu(void)
{
	if (users && !vmx_going_down() && vmx_on_here())
		pr_err("VMX could not be turned on again after suspend\n");
}

COMPAT_SYSCORE(suspend, suspend_last_cpu, resume_first_cpu);

/* Firmware and the next kernel must find VMX off, or INIT would be blocked. */
static int reboot_comes(struct notifier_block *nb, unsigned long event, void *unused)
{
	WRITE_ONCE(vmx_goes_down, true);
	on_each_cpu(off_ipi, NULL, 1);
	return NOTIFY_OK;
}

static struct notifier_block reboot_nb = { .notifier_call = reboot_comes };

static void free_regions(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		free_page((unsigned long)per_cpu(vmx_cpu, cpu).vmxon_region);
		per_cpu(vmx_cpu, cpu).vmxon_region = NULL;
	}
}

static int alloc_regions(void)
{
	struct vmcs *region;
	int cpu;

	for_each_possible_cpu(cpu) {
		INIT_LIST_HEAD(&per_cpu(vmx_cpu, cpu).active);
		region = (struct vmcs *)get_zeroed_page(GFP_KERNEL);
		if (!region) {
			free_regions();
			return -ENOMEM;
		}
		region->revision = vmx_basic_vmcs_revision_id(vmx_caps.basic);
		per_cpu(vmx_cpu, cpu).vmxon_region = region;
	}
	return 0;
}

int vmx_cpus_init(void)
{
	int err = alloc_regions();

	if (err)
		return err;
	err = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "lodge:online", cpu_comes, cpu_goes);
	if (err < 0) {
		free_regions();
		return err;
	}
	hotplug_state = err;
	compat_register_syscore(&suspend);
	register_reboot_notifier(&reboot_nb);
	return 0;
}

void vmx_cpus_exit(void)
{
	unregister_reboot_notifier(&reboot_nb);
	compat_unregister_syscore(&suspend);
	cpuhp_remove_state(hotplug_state);
	free_regions();
}
