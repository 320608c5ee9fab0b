// SPDX-License-Identifier: GPL-2.0
/*
 * extension.c - KVM's capabilities: which of them lodge has, what each of them
 * answers to KVM_CHECK_EXTENSION, and what KVM_ENABLE_CAP does with those that
 * change a machine.  What is not in the table is not there.
 */
#include <linux/capability.h>
#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <asm/cpufeature.h>

#include "lodge.h"
#include "cpu/clock.h"
#include "cpu/cpuid.h"
#include "extension.h"
#include "irq/route.h"
#include "irqchip.h"
#include "mem/dirty.h"

static int nr_vcpus(void)
{
	return min_t(int, num_online_cpus(), LODGE_MAX_VCPUS);
}

static int enable_exception_payload(struct lodge_vm *vm, const __u64 *args)
{
	vm->exception_payload = args[0];
	return 0;
}

static int enable_triple_fault_event(struct lodge_vm *vm, const __u64 *args)
{
	vm->triple_fault_event = args[0];
	return 0;
}

static int enable_platform_info(struct lodge_vm *vm, const __u64 *args)
{
	vm->platform_info_hidden = !args[0];
	return 0;
}

#define USER_MSR_REASONS (KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | \
			  KVM_MSR_EXIT_REASON_FILTER)

static int enable_user_msrs(struct lodge_vm *vm, const __u64 *args)
{
	if (args[0] & ~(u64)USER_MSR_REASONS)
		return -EINVAL;
	WRITE_ONCE(vm->user_msr_mask, args[0]);
	return 0;
}

/* Of KVM's habits that are no PC's, those that lodge shares by default. */
#define QUIRKS	(KVM_X86_QUIRK_LINT0_REENABLED | KVM_X86_QUIRK_LAPIC_MMIO_HOLE | \
		 KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT | KVM_X86_QUIRK_FIX_HYPERCALL_INSN | \
		 KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS)

static int disable_quirks(struct lodge_vm *vm, const __u64 *args)
{
	vm->quirks_off = args[0] & QUIRKS;
	return 0;
}

static int disable_quirks2(struct lodge_vm *vm, const __u64 *args)
{
	return args[0] & ~(u64)QUIRKS ? -EINVAL : disable_quirks(vm, args);
}

#define MANUAL_PROTECT	(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)

static int enable_manual_protect(struct lodge_vm *vm, const __u64 *args)
{
	/* all pages marked at the start makes sense only if GET clears nothing */
	if ((args[0] & ~(u64)MANUAL_PROTECT) || args[0] == KVM_DIRTY_LOG_INITIALLY_SET)
		return -EINVAL;
	vm->manual_protect = args[0];
	vm->initially_set = args[0] & KVM_DIRTY_LOG_INITIALLY_SET;
	return 0;
}

static int enable_dirty_ring(struct lodge_vm *vm, const __u64 *args)
{
	return dirty_ring_enable(vm, args[0]);
}

static int enable_split_irqchip(struct lodge_vm *vm, const __u64 *args)
{
	return irqchip_create_split(vm, args[0]);
}

#define X2APIC_API	(KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)

static int enable_x2apic_api(struct lodge_vm *vm, const __u64 *args)
{
	if (args[0] & ~(u64)X2APIC_API)
		return -EINVAL;
	if (args[0] & KVM_X2APIC_API_USE_32BIT_IDS)
		vm->x2apic_ids = true;
	if (args[0] & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
		vm->no_broadcast_quirk = true;
	return 0;
}

/* Once; the same again is no error. */
static int enable_max_vcpu_id(struct lodge_vm *vm, const __u64 *args)
{
	if (args[0] > LODGE_MAX_VCPU_ID || (vm->max_id && vm->max_id != args[0]))
		return -EINVAL;
	vm->max_id = args[0];
	return 0;
}

/* MWAIT may stop the CPU: its timer must run on, and its monitor work. */
static int exits_that_can_go(void)
{
	int exits = KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE;

	if (boot_cpu_has(X86_FEATURE_MWAIT) && !boot_cpu_has_bug(X86_BUG_MONITOR) &&
	    boot_cpu_has(X86_FEATURE_ARAT))
		exits |= KVM_X86_DISABLE_EXITS_MWAIT;
	return exits;
}

static int disable_exits(struct lodge_vm *vm, const __u64 *args)
{
	/* a vCPU's controls are written when it is made */
	if (vm->nr_vcpus || (args[0] & ~(u64)exits_that_can_go()))
		return -EINVAL;
	vm->exits_off |= args[0];
	return 0;
}

/* Whoever may crash the host may also let a guest try. */
static int disable_nx_huge_pages(struct lodge_vm *vm, const __u64 *args)
{
	if (args[0])
		return -EINVAL;
	if (!capable(CAP_SYS_BOOT))
		return -EPERM;
	/* what is mapped stays as it is */
	if (vm->nr_vcpus)
		return -EINVAL;
	vm->nx_huge = false;
	return 0;
}

static int has_xsave(void)
{
	return boot_cpu_has(X86_FEATURE_XSAVE);
}

static int xsave_size(void)
{
	return max_t(int, cpuid_xsave_size(), sizeof(struct kvm_xsave));
}

static int can_scale_tsc(void)
{
	return clock_can_scale();
}

#define GUEST_DEBUG	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | \
			 KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW_BP | \
			 KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP | \
			 KVM_GUESTDBG_BLOCKIRQ)

static const struct {
	int cap, value;
	int (*ask)(void);	/* instead of value */
	int (*enable)(struct lodge_vm *vm, const __u64 *args);	/* under vm->lock */
} caps[] = {
	{ KVM_CAP_IRQCHIP, 1 },
	{ KVM_CAP_HLT, 1 },
	{ KVM_CAP_MMU_SHADOW_CACHE_CONTROL, 1 },
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_SET_TSS_ADDR, 1 },
	{ KVM_CAP_VAPIC, 1 },
	{ KVM_CAP_EXT_CPUID, 1 },
	{ KVM_CAP_CLOCKSOURCE, 1 },
	{ KVM_CAP_NR_VCPUS, 0, nr_vcpus },
	{ KVM_CAP_NR_MEMSLOTS, LODGE_MAX_SLOTS },
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_COALESCED_MMIO, KVM_COALESCED_MMIO_PAGE_OFFSET },
	{ KVM_CAP_SYNC_MMU, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_USER_NMI, 1 },
	{ KVM_CAP_IRQ_ROUTING, LODGE_MAX_GSIS },
	{ KVM_CAP_IRQ_INJECT_STATUS, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_PIT, 1 },
	{ KVM_CAP_REINJECT_CONTROL, 1 },
	{ KVM_CAP_PIT2, 1 },
	{ KVM_CAP_PIT_STATE2, 1 },
	{ KVM_CAP_SET_BOOT_CPU_ID, 1 },
	{ KVM_CAP_MCE, LODGE_MCE_BANKS },
	{ KVM_CAP_IRQFD, 1 },
	{ KVM_CAP_IOEVENTFD, 1 },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 },
	{ KVM_CAP_ADJUST_CLOCK,
	  KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC },
	{ KVM_CAP_INTERNAL_ERROR_DATA, 1 },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_DEBUGREGS, 1 },
	{ KVM_CAP_X86_ROBUST_SINGLESTEP, 1 },
	{ KVM_CAP_XSAVE, 1 },
	{ KVM_CAP_ASYNC_PF, 1 },
	{ KVM_CAP_XCRS, 0, has_xsave },
	{ KVM_CAP_TSC_CONTROL, 0, can_scale_tsc },
	{ KVM_CAP_GET_TSC_KHZ, 1 },
	{ KVM_CAP_TSC_DEADLINE_TIMER, 1 },
	{ KVM_CAP_MAX_VCPUS, LODGE_MAX_VCPUS },
	{ KVM_CAP_SYNC_REGS, KVM_SYNC_X86_VALID_FIELDS },
	{ KVM_CAP_KVMCLOCK_CTRL, 1 },
	{ KVM_CAP_SIGNAL_MSI, 1 },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_IRQFD_RESAMPLE, 1 },
	{ KVM_CAP_EXT_EMUL_CPUID, 1 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_IOEVENTFD_NO_LENGTH, 1 },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 },
	{ KVM_CAP_DISABLE_QUIRKS, 1, NULL, disable_quirks },
	{ KVM_CAP_IOAPIC_POLARITY_IGNORED, 1 },
	{ KVM_CAP_SPLIT_IRQCHIP, 1, NULL, enable_split_irqchip },
	{ KVM_CAP_VCPU_ATTRIBUTES, 1 },
	{ KVM_CAP_MAX_VCPU_ID, LODGE_MAX_VCPU_ID, NULL, enable_max_vcpu_id },
	{ KVM_CAP_X2APIC_API, X2APIC_API, NULL, enable_x2apic_api },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_X86_DISABLE_EXITS, 0, exits_that_can_go, disable_exits },
	{ KVM_CAP_GET_MSR_FEATURES, 1 },
	{ KVM_CAP_MSR_PLATFORM_INFO, 1, NULL, enable_platform_info },
	{ KVM_CAP_COALESCED_PIO, 1 },
	{ KVM_CAP_ASYNC_PF_INT, 1 },
	{ KVM_CAP_EXCEPTION_PAYLOAD, 1, NULL, enable_exception_payload },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, MANUAL_PROTECT, NULL, enable_manual_protect },
	{ KVM_CAP_X86_USER_SPACE_MSR, 1, NULL, enable_user_msrs },
	{ KVM_CAP_X86_MSR_FILTER, 1 },
	{ KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1 },
	{ KVM_CAP_DIRTY_LOG_RING, LODGE_MAX_RING_BYTES, NULL, enable_dirty_ring },
	{ KVM_CAP_SET_GUEST_DEBUG2, GUEST_DEBUG },
	{ KVM_CAP_SREGS2, 1 },
	{ KVM_CAP_BINARY_STATS_FD, 1 },
	{ KVM_CAP_XSAVE2, 0, xsave_size },
	{ KVM_CAP_SYS_ATTRIBUTES, 1 },
	{ KVM_CAP_DISABLE_QUIRKS2, QUIRKS, NULL, disable_quirks2 },
	{ KVM_CAP_VM_TSC_CONTROL, 0, can_scale_tsc },
	{ KVM_CAP_VM_DISABLE_NX_HUGE_PAGES, 1, NULL, disable_nx_huge_pages },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1, NULL, enable_triple_fault_event },
	{ KVM_CAP_DIRTY_LOG_RING_ACQ_REL, LODGE_MAX_RING_BYTES, NULL, enable_dirty_ring },
};

int extension_check(unsigned long cap)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(caps); i++)
		if (caps[i].cap == cap)
			return caps[i].ask ? caps[i].ask() : caps[i].value;
	return 0;
}

int extension_enable(struct lodge_vm *vm, const struct kvm_enable_cap *e)
{
	int i, err = -EINVAL;

	if (e->flags)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		if (caps[i].cap != e->cap || !caps[i].enable)
			continue;
		mutex_lock(&vm->lock);
		err = caps[i].enable(vm, e->args);
		mutex_unlock(&vm->lock);
	}
	return err;
}

int extension_enable_vcpu(struct lodge_vcpu *vcpu, const struct kvm_enable_cap *e)
{
	if (e->flags || e->cap != KVM_CAP_ENFORCE_PV_FEATURE_CPUID)
		return -EINVAL;
	cpuid_pv_enforce(vcpu, e->args[0]);
	return 0;
}
