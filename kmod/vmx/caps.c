// SPDX-License-Identifier: GPL-2.0
/*
 * caps.c - what the CPU offers against what lodge needs.  Every control word is
 * one row: the bits without which there is no lodge, the bits that are taken
 * when they are there, the bits that are turned on and off later, and the bits
 * that must not be stuck at one.  The reader learns here what lodge asks of
 * VT-x, and vmx/vmcs.c may use no control that has not been granted here.
 * SDM vol. 3D appendix A.
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "../lodge.h"
#include "../compat.h"
#include "caps.h"

struct vmx_caps vmx_caps __ro_after_init;

static bool enable_vpid __ro_after_init = true;
module_param_named(vpid, enable_vpid, bool, 0444);
MODULE_PARM_DESC(vpid, "tag the TLB with virtual processor ids (default on)");

static bool enable_ept_ad __ro_after_init = true;
module_param_named(eptad, enable_ept_ad, bool, 0444);
MODULE_PARM_DESC(eptad, "use accessed and dirty bits in EPT entries (default on)");

static bool enable_pml __ro_after_init = true;
module_param_named(pml, enable_pml, bool, 0444);
MODULE_PARM_DESC(pml, "let the CPU log which pages are written (default on)");

static bool enable_tpr_shadow __ro_after_init = true;
module_param_named(tpr_shadow, enable_tpr_shadow, bool, 0444);
MODULE_PARM_DESC(tpr_shadow, "let the CPU keep the guest's task priority (default on)");

static bool flexpriority __ro_after_init = true;
module_param(flexpriority, bool, 0444);
MODULE_PARM_DESC(flexpriority, "let the CPU recognise accesses to the APIC's page (default on)");

static bool enable_x2apic_virt __ro_after_init = true;
module_param(enable_x2apic_virt, bool, 0444);
MODULE_PARM_DESC(enable_x2apic_virt, "let the CPU serve the APIC's MSRs (default on)");

static bool enable_apicv __ro_after_init = true;
module_param(enable_apicv, bool, 0444);
MODULE_PARM_DESC(enable_apicv, "let the CPU deliver virtual and posted interrupts (default on)");

static bool preemption_timer __ro_after_init = true;
module_param(preemption_timer, bool, 0444);
MODULE_PARM_DESC(preemption_timer, "use the CPU's timer for TSC deadlines (default on)");

static bool enable_vnmi __ro_after_init = true;
module_param_named(vnmi, enable_vnmi, bool, 0444);
MODULE_PARM_DESC(vnmi, "let the CPU know when the guest takes NMIs (default on)");

struct control_word {
	const char *name;
	u32 msr;		/* the TRUE variant where the CPU has it */
	u32 true_msr;
	u32 required;		/* refused without */
	u32 wanted;		/* taken when offered */
	u32 dynamic;		/* must be settable, starts clear */
	u32 never;		/* must be clearable, stays clear */
	size_t granted;		/* offset in struct vmx_caps */
};

#define GRANTED(field) offsetof(struct vmx_caps, field)

static const struct control_word words[] = {
	{
		.name = "pin-based",
		.msr = MSR_IA32_VMX_PINBASED_CTLS,
		.true_msr = MSR_IA32_VMX_TRUE_PINBASED_CTLS,
		.required = PIN_BASED_EXT_INTR_MASK | PIN_BASED_NMI_EXITING |
			PIN_BASED_VIRTUAL_NMIS,
		.wanted = PIN_BASED_POSTED_INTR | PIN_BASED_VMX_PREEMPTION_TIMER,
		.granted = GRANTED(pin),
	}, {
		.name = "processor-based",
		.msr = MSR_IA32_VMX_PROCBASED_CTLS,
		.true_msr = MSR_IA32_VMX_TRUE_PROCBASED_CTLS,
		.required = CPU_BASED_HLT_EXITING | CPU_BASED_MWAIT_EXITING |
			CPU_BASED_MONITOR_EXITING | CPU_BASED_RDPMC_EXITING |
			CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING |
			CPU_BASED_MOV_DR_EXITING | CPU_BASED_UNCOND_IO_EXITING |
			CPU_BASED_USE_MSR_BITMAPS | CPU_BASED_USE_TSC_OFFSETTING |
			CPU_BASED_ACTIVATE_SECONDARY_CONTROLS,
		.wanted = CPU_BASED_TPR_SHADOW,
		.dynamic = CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING,
		.never = CPU_BASED_CR3_LOAD_EXITING | CPU_BASED_CR3_STORE_EXITING |
			CPU_BASED_INVLPG_EXITING,
		.granted = GRANTED(proc),
	}, {
		.name = "secondary",
		.msr = MSR_IA32_VMX_PROCBASED_CTLS2,
		.true_msr = MSR_IA32_VMX_PROCBASED_CTLS2,
		.required = SECONDARY_EXEC_ENABLE_EPT |
			SECONDARY_EXEC_UNRESTRICTED_GUEST,
		.wanted = SECONDARY_EXEC_ENABLE_VPID | SECONDARY_EXEC_ENABLE_RDTSCP |
			SECONDARY_EXEC_ENABLE_INVPCID | SECONDARY_EXEC_XSAVES |
			SECONDARY_EXEC_WBINVD_EXITING | SECONDARY_EXEC_TSC_SCALING |
			SECONDARY_EXEC_RDRAND_EXITING | SECONDARY_EXEC_RDSEED_EXITING |
			SECONDARY_EXEC_ENABLE_PML |
			SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES |
			SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE |
			SECONDARY_EXEC_APIC_REGISTER_VIRT |
			SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY |
			SECONDARY_EXEC_PAUSE_LOOP_EXITING,
		.granted = GRANTED(proc2),
	}, {
		.name = "VM-exit",
		.msr = MSR_IA32_VMX_EXIT_CTLS,
		.true_msr = MSR_IA32_VMX_TRUE_EXIT_CTLS,
		.required = VM_EXIT_HOST_ADDR_SPACE_SIZE | VM_EXIT_SAVE_DEBUG_CONTROLS |
			VM_EXIT_SAVE_IA32_PAT | VM_EXIT_LOAD_IA32_PAT |
			VM_EXIT_SAVE_IA32_EFER | VM_EXIT_LOAD_IA32_EFER |
			VM_EXIT_ACK_INTR_ON_EXIT,
		.granted = GRANTED(exit),
	}, {
		.name = "VM-entry",
		.msr = MSR_IA32_VMX_ENTRY_CTLS,
		.true_msr = MSR_IA32_VMX_TRUE_ENTRY_CTLS,
		.required = VM_ENTRY_LOAD_DEBUG_CONTROLS | VM_ENTRY_LOAD_IA32_PAT |
			VM_ENTRY_LOAD_IA32_EFER,
		.dynamic = VM_ENTRY_IA32E_MODE,
		.granted = GRANTED(entry),
	},
};

static int refuse(const char *why)
{
	pr_err("cannot load: %s\n", why);
	return -EOPNOTSUPP;
}

/* Firmware decides whether VMXON works at all: SDM vol. 3C 23.7. */
static int check_cpu(void)
{
	u64 fc;

	if (boot_cpu_data.cpuid_level < 1 || !(cpuid_ecx(1) & BIT(5)))
		return refuse("this CPU has no VT-x (CPUID.1:ECX.VMX is clear)");
	if (rdmsrl_safe(MSR_IA32_FEAT_CTL, &fc))
		return refuse("IA32_FEATURE_CONTROL cannot be read");
	if (!(fc & FEAT_CTL_LOCKED))
		return refuse("VT-x is not enabled (IA32_FEATURE_CONTROL is not locked)");
	if (!(fc & FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX))
		return refuse("VT-x is disabled by firmware (feature control locked without VMX)");
	if (compat_fred_active())
		return refuse("the kernel uses FRED, which is not supported (boot with fred=off)");
	return 0;
}

/* Allowed-0 bits are in the low half, allowed-1 bits in the high half. */
static int negotiate(const struct control_word *w, struct vmx_caps *caps, bool quiet)
{
	bool has_true = caps->basic & BIT_ULL(55);
	u32 msr = has_true ? w->true_msr : w->msr;
	u32 need = w->required | w->dynamic;
	u64 allowed = 0;
	u32 must, may;

	if (rdmsrl_safe(msr, &allowed) && !quiet)
		pr_err("cannot load: no capability MSR %#x for %s controls\n", msr, w->name);
	must = allowed;
	may = allowed >> 32;
	if ((may & need) != need || (must & (w->never | w->dynamic))) {
		if (!quiet)
			pr_err("cannot load: %s controls: missing %#x, stuck at one %#x\n",
			       w->name, need & ~may, must & (w->never | w->dynamic));
		return -EOPNOTSUPP;
	}
	*(u32 *)((void *)caps + w->granted) = (((w->required | w->wanted) & may) | must) &
					      ~w->dynamic;
	return 0;
}

static int read_words(struct vmx_caps *caps, bool quiet)
{
	int i, err;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		err = negotiate(&words[i], caps, quiet);
		if (err)
			return err;
	}
	return 0;
}

static void read_msrs(struct vmx_caps *caps)
{
	memset(caps, 0, sizeof(*caps));
	/* a CPU without the MSR leaves a zero, and the checks below refuse it */
	rdmsrl_safe(MSR_IA32_VMX_BASIC, &caps->basic);
	rdmsrl_safe(MSR_IA32_VMX_MISC, &caps->misc);
	rdmsrl_safe(MSR_IA32_VMX_EPT_VPID_CAP, &caps->ept_vpid);
	rdmsrl_safe(MSR_IA32_VMX_CR0_FIXED0, &caps->cr0_fixed0);
	rdmsrl_safe(MSR_IA32_VMX_CR0_FIXED1, &caps->cr0_fixed1);
	rdmsrl_safe(MSR_IA32_VMX_CR4_FIXED0, &caps->cr4_fixed0);
	rdmsrl_safe(MSR_IA32_VMX_CR4_FIXED1, &caps->cr4_fixed1);
}

/* The reasons people meet, in words and before the general check of words[]. */
static int check_features(const struct vmx_caps *caps)
{
	u64 proc = 0, proc2 = 0;

	rdmsrl_safe(MSR_IA32_VMX_PROCBASED_CTLS, &proc);
	if ((proc >> 32) & CPU_BASED_ACTIVATE_SECONDARY_CONTROLS)
		rdmsrl_safe(MSR_IA32_VMX_PROCBASED_CTLS2, &proc2);
	if (vmx_basic_vmcs_size(caps->basic) > PAGE_SIZE)
		return refuse("a VMCS is larger than a page on this CPU");
	if (((caps->basic >> 50) & 0xf) != VMX_EPTP_MT_WB)
		return refuse("the CPU does not want its VMCS in write-back memory");
	if (!((proc2 >> 32) & SECONDARY_EXEC_ENABLE_EPT))
		return refuse("no EPT: this CPU has no extended page tables");
	if (!((proc2 >> 32) & SECONDARY_EXEC_UNRESTRICTED_GUEST))
		return refuse("no unrestricted guest: this CPU cannot run a guest in real mode");
	if (!(caps->ept_vpid & VMX_EPT_PAGE_WALK_4_BIT))
		return refuse("EPT has no 4-level page walk");
	if (!(caps->ept_vpid & VMX_EPTP_WB_BIT))
		return refuse("EPT paging structures cannot be write-back");
	if (!(caps->ept_vpid & VMX_EPT_INVEPT_BIT) ||
	    !(caps->ept_vpid & VMX_EPT_EXTENT_GLOBAL_BIT))
		return refuse("no INVEPT: mappings could never be withdrawn");
	return 0;
}

/* Without a usable INVVPID, a VPID would only keep stale translations. */
static void settle_vpid(struct vmx_caps *caps)
{
	u64 inv = caps->ept_vpid >> 32;

	caps->invvpid_single = inv & VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT;
	if (!enable_vpid || !(inv & VMX_VPID_INVVPID_BIT) ||
	    !(inv & VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT))
		caps->proc2 &= ~SECONDARY_EXEC_ENABLE_VPID;
}

/*
 * Each step needs the one before: vol. 3C 26.2.1.1.  Delivery without the registers
 * would exit for every read, so lodge takes both or none.
 */
static void settle_apic(struct vmx_caps *caps)
{
	u32 delivery = SECONDARY_EXEC_APIC_REGISTER_VIRT | SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY;

	if (!enable_tpr_shadow)
		caps->proc &= ~CPU_BASED_TPR_SHADOW;
	if (!(caps->proc & CPU_BASED_TPR_SHADOW))
		caps->proc2 &= ~(SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES |
				 SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE | delivery);
	if (!flexpriority)
		caps->proc2 &= ~SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES;
	if (!enable_x2apic_virt)
		caps->proc2 &= ~SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE;
	if (!enable_apicv || (caps->proc2 & delivery) != delivery)
		caps->proc2 &= ~delivery;
	if (!(caps->proc2 & delivery) || !COMPAT_POSTED_VECTOR)
		caps->pin &= ~PIN_BASED_POSTED_INTR;
}

static void settle(struct vmx_caps *caps)
{
	if (!enable_vnmi)
		caps->pin &= ~PIN_BASED_VIRTUAL_NMIS;
	if (!preemption_timer)
		caps->pin &= ~PIN_BASED_VMX_PREEMPTION_TIMER;
	settle_vpid(caps);
	settle_apic(caps);
}

bool vmx_has_ept_ad(void)
{
	return enable_ept_ad && (vmx_caps.ept_vpid & VMX_EPT_AD_BIT);
}

/* It logs the setting of dirty bits, so there must be some: vol. 3C 28.2.5. */
bool vmx_has_pml(void)
{
	return enable_pml && vmx_has_ept_ad() && (vmx_caps.proc2 & SECONDARY_EXEC_ENABLE_PML);
}

int vmx_caps_probe(void)
{
	int err = check_cpu();

	if (err)
		return err;
	read_msrs(&vmx_caps);
	err = check_features(&vmx_caps);
	if (!err)
		err = read_words(&vmx_caps, false);
	if (!err)
		settle(&vmx_caps);
	return err;
}

void vmx_caps_report(void)
{
	pr_info("VT-x with EPT (2M pages %s, A/D bits %s), unrestricted guest, VPID %s, APICv %s; controls pin %#x proc %#x proc2 %#x exit %#x entry %#x\n",
		vmx_has_ept_2m() ? "yes" : "no", vmx_has_ept_ad() ? "yes" : "no",
		vmx_has_vpid() ? "yes" : "no",
		vmx_caps.pin & PIN_BASED_POSTED_INTR ? "yes" : "no", vmx_caps.pin, vmx_caps.proc,
		vmx_caps.proc2, vmx_caps.exit, vmx_caps.entry);
}

bool vmx_caps_match_this_cpu(void)
{
	struct vmx_caps here;

	read_msrs(&here);
	if (!read_words(&here, true)) {
		settle(&here);
		if (!memcmp(&here, &vmx_caps, sizeof(here)))
			return true;
	}
	pr_err("CPU %d has other VMX capabilities than the CPU that loaded the module\n",
	       raw_smp_processor_id());
	return false;
}
