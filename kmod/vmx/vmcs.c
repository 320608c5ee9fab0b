// SPDX-License-Identifier: GPL-2.0
/*
 * vmcs.c - the control structure of a vCPU: its pages, the control words that
 * caps.c negotiated, and the host fields that never or seldom change.  The
 * reader learns here what every VM of lodge has in common.  Which guest state
 * goes in is the business of regs.c and of the rooms above.
 * SDM vol. 3C 24 and appendix B.
 */
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <asm/cpu_entry_area.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/segment.h>
#include <asm/trapnr.h>

#include "../lodge.h"
#include "../compat.h"
#include "caps.h"
#include "msr.h"
#include "run.h"
#include "vmcs.h"

/*
 * Exceptions that end in the host.  #DB and #AC because a guest can make them
 * recur without ever completing an instruction, so that nothing else would get
 * it out; #MC because it is the host's; #UD for VMMCALL (exit.c).
 */
#define EXCEPTIONS (BIT(X86_TRAP_DB) | BIT(X86_TRAP_AC) | BIT(X86_TRAP_MC) | BIT(X86_TRAP_UD))

static unsigned int ple_gap = 128;
module_param(ple_gap, uint, 0444);
MODULE_PARM_DESC(ple_gap, "most ticks between two PAUSEs of a loop; 0: let it spin (default 128)");

static unsigned int ple_window = 4096;
module_param(ple_window, uint, 0444);
MODULE_PARM_DESC(ple_window, "ticks that a loop of PAUSEs may spin (default 4096)");

static unsigned int ple_window_grow = 2;
module_param(ple_window_grow, uint, 0444);
MODULE_PARM_DESC(ple_window_grow, "factor by which the window grows with an exit (default 2)");

static unsigned int ple_window_shrink;
module_param(ple_window_shrink, uint, 0444);
MODULE_PARM_DESC(ple_window_shrink, "divisor when the vCPU is scheduled again; 0: back to ple_window (default 0)");

static unsigned int ple_window_max = UINT_MAX;
module_param(ple_window_max, uint, 0444);
MODULE_PARM_DESC(ple_window_max, "largest window (default: no limit)");

static void set_ple_window(struct lodge_vcpu *vcpu, u64 window)
{
	window = clamp_t(u64, window, ple_window, max(ple_window, ple_window_max));
	if (window == vcpu->ple_window)
		return;
	vcpu->ple_window = window;
	vmwrite32(PLE_WINDOW, window);
}

/* Whoever has spun for that long may spin for longer the next time. */
void vmcs_grow_ple_window(struct lodge_vcpu *vcpu)
{
	if (ple_window_grow < ple_window)
		set_ple_window(vcpu, (u64)vcpu->ple_window * max(ple_window_grow, 1u));
	else
		set_ple_window(vcpu, (u64)vcpu->ple_window + ple_window_grow);
}

void vmcs_shrink_ple_window(struct lodge_vcpu *vcpu)
{
	if (!(vcpu->vmcs.proc2 & SECONDARY_EXEC_PAUSE_LOOP_EXITING))
		return;
	if (!ple_window_shrink)
		set_ple_window(vcpu, ple_window);
	else if (ple_window_shrink < ple_window)
		set_ple_window(vcpu, vcpu->ple_window / ple_window_shrink);
	else
		set_ple_window(vcpu, vcpu->ple_window - min(ple_window_shrink, vcpu->ple_window));
}

void vmcs_set_exceptions(struct lodge_vcpu *vcpu)
{
	u32 bitmap = EXCEPTIONS;

	if (vcpu->debug.control & KVM_GUESTDBG_USE_SW_BP)
		bitmap |= BIT(X86_TRAP_BP);
	vmwrite32(EXCEPTION_BITMAP, bitmap);
}

static DECLARE_BITMAP(vpids, VMX_NR_VPIDS);	/* vpids_lock; bit 0 is the host's */
static DEFINE_SPINLOCK(vpids_lock);

u16 vpid_alloc(void)
{
	unsigned long vpid;

	if (!vmx_has_vpid())
		return 0;
	spin_lock(&vpids_lock);
	vpid = find_next_zero_bit(vpids, VMX_NR_VPIDS, 1);
	if (vpid < VMX_NR_VPIDS)
		__set_bit(vpid, vpids);
	else
		vpid = 0;
	spin_unlock(&vpids_lock);
	return vpid;
}

void vpid_free(u16 vpid)
{
	if (!vpid)
		return;
	spin_lock(&vpids_lock);
	__clear_bit(vpid, vpids);
	spin_unlock(&vpids_lock);
}

void vpid_flush(struct lodge_vcpu *vcpu)
{
	/* without a VPID every entry and exit flushes */
	if (!vcpu->vpid)
		return;
	vcpu->stats.tlb_flushes++;
	if (vmx_caps.invvpid_single)
		vmx_invvpid(VMX_VPID_EXTENT_SINGLE_CONTEXT, vcpu->vpid, 0);
	else
		vmx_invvpid(VMX_VPID_EXTENT_ALL_CONTEXT, 0, 0);
}

int vmcs_alloc(struct vmcs_ctx *ctx)
{
	ctx->cpu = -1;
	ctx->page = (struct vmcs *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	ctx->msr_bitmap = (unsigned long *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!ctx->page || !ctx->msr_bitmap) {
		vmcs_free(ctx);
		return -ENOMEM;
	}
	ctx->page->revision = vmx_basic_vmcs_revision_id(vmx_caps.basic);
	vmx_msr_bitmap_init(ctx->msr_bitmap);
	return 0;
}

void vmcs_free(struct vmcs_ctx *ctx)
{
	free_page((unsigned long)ctx->page);
	free_page((unsigned long)ctx->msr_bitmap);
	ctx->page = NULL;
	ctx->msr_bitmap = NULL;
}

static void init_controls(struct lodge_vcpu *vcpu)
{
	struct vmcs_ctx *ctx = &vcpu->vmcs;

	/* what is masked here is turned on when it is needed: by a local APIC, its timer, ... */
	ctx->pin = vmx_caps.pin & ~(PIN_BASED_POSTED_INTR | PIN_BASED_VMX_PREEMPTION_TIMER);
	ctx->proc = vmx_caps.proc & ~CPU_BASED_TPR_SHADOW;
	/* ... by its mode, by dirty logging, and by CPUID */
	ctx->proc2 = vmx_caps.proc2 & ~(SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES |
					SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE |
					SECONDARY_EXEC_APIC_REGISTER_VIRT |
					SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY |
					SECONDARY_EXEC_ENABLE_PML |
					SECONDARY_EXEC_RDRAND_EXITING |
					SECONDARY_EXEC_RDSEED_EXITING);
	ctx->exit = vmx_caps.exit;
	ctx->entry = vmx_caps.entry;
	if (!vcpu->vpid)
		ctx->proc2 &= ~SECONDARY_EXEC_ENABLE_VPID;
	if (!ple_gap || (vcpu->vm->exits_off & KVM_X86_DISABLE_EXITS_PAUSE))
		ctx->proc2 &= ~SECONDARY_EXEC_PAUSE_LOOP_EXITING;
	if (vcpu->vm->exits_off & KVM_X86_DISABLE_EXITS_HLT)
		ctx->proc &= ~CPU_BASED_HLT_EXITING;
	if (vcpu->vm->exits_off & KVM_X86_DISABLE_EXITS_MWAIT)
		ctx->proc &= ~(CPU_BASED_MWAIT_EXITING | CPU_BASED_MONITOR_EXITING);

	vmwrite32(PIN_BASED_VM_EXEC_CONTROL, ctx->pin);
	vmwrite32(CPU_BASED_VM_EXEC_CONTROL, ctx->proc);
	vmwrite32(SECONDARY_VM_EXEC_CONTROL, ctx->proc2);
	vmwrite32(VM_EXIT_CONTROLS, ctx->exit);
	vmwrite32(VM_ENTRY_CONTROLS, ctx->entry);
	vmcs_set_exceptions(vcpu);
	/* mask and match zero: page faults follow their bit above, vol. 3C 24.6.3 */
	vmwrite32(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmwrite32(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmwrite32(CR3_TARGET_COUNT, 0);
	vmwrite32(VM_EXIT_MSR_STORE_COUNT, 0);
	vmwrite32(VM_EXIT_MSR_LOAD_COUNT, 0);
	vmwrite32(VM_ENTRY_MSR_LOAD_COUNT, 0);
	vmwrite32(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmwrite64(VMCS_LINK_POINTER, ~0ull);
	vmwrite64(MSR_BITMAP, __pa(ctx->msr_bitmap));
	vmwrite64(EPT_POINTER, vcpu->vm->eptp);
	if (vcpu->vpid)
		vmwrite16(VIRTUAL_PROCESSOR_ID, vcpu->vpid);
	if (ctx->proc2 & SECONDARY_EXEC_XSAVES)
		vmwrite64(XSS_EXIT_BITMAP, 0);
	if (ctx->proc2 & SECONDARY_EXEC_PAUSE_LOOP_EXITING) {
		vcpu->ple_window = ple_window;
		vmwrite32(PLE_GAP, ple_gap);
		vmwrite32(PLE_WINDOW, ple_window);
	}
	if (vcpu->pml) {
		vmwrite64(PML_ADDRESS, __pa(vcpu->pml));
		vmwrite16(GUEST_PML_INDEX, PAGE_SIZE / sizeof(u64) - 1);
	}
}

/*
 * Selectors with RPL or TI set are refused by VM entry, so user selectors are
 * zero here and put back by run.c.
 */
static void init_host(void)
{
	struct desc_ptr idt;
	u64 value;

	vmwrite16(HOST_CS_SELECTOR, __KERNEL_CS);
	vmwrite16(HOST_SS_SELECTOR, __KERNEL_DS);
	vmwrite16(HOST_DS_SELECTOR, 0);
	vmwrite16(HOST_ES_SELECTOR, 0);
	vmwrite16(HOST_FS_SELECTOR, 0);
	vmwrite16(HOST_GS_SELECTOR, 0);
	/* run.c writes them when they differ from what it knows: zero */
	vmwritel(HOST_FS_BASE, 0);
	vmwritel(HOST_GS_BASE, 0);
	vmwrite16(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	vmwritel(HOST_CR0, read_cr0() & ~X86_CR0_TS);
	vmwritel(HOST_RIP, (unsigned long)vmx_exited);
	store_idt(&idt);
	vmwritel(HOST_IDTR_BASE, idt.address);
	rdmsrl(MSR_IA32_SYSENTER_CS, value);
	vmwrite32(HOST_IA32_SYSENTER_CS, value);
	rdmsrl(MSR_IA32_SYSENTER_EIP, value);
	vmwritel(HOST_IA32_SYSENTER_EIP, value);
	rdmsrl(MSR_IA32_CR_PAT, value);
	vmwrite64(HOST_IA32_PAT, value);
	rdmsrl(MSR_EFER, value);
	vmwrite64(HOST_IA32_EFER, value);
}

void vmcs_init(struct lodge_vcpu *vcpu)
{
	init_controls(vcpu);
	init_host();
	vmwrite32(GUEST_SYSENTER_CS, 0);
	vmwritel(GUEST_SYSENTER_ESP, 0);
	vmwritel(GUEST_SYSENTER_EIP, 0);
	vmwrite64(GUEST_IA32_DEBUGCTL, 0);
	vmwrite32(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmwrite32(GUEST_INTERRUPTIBILITY_INFO, 0);
	vmwritel(GUEST_PENDING_DBG_EXCEPTIONS, 0);
}

void vmcs_set_host_cpu(struct lodge_vcpu *vcpu)
{
	int cpu = raw_smp_processor_id();
	u64 value;

	vmwritel(HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	vmwritel(HOST_GDTR_BASE, (unsigned long)get_current_gdt_ro());
	rdmsrl(MSR_IA32_SYSENTER_ESP, value);
	vmwritel(HOST_IA32_SYSENTER_ESP, value);
	vcpu->host.cpu = cpu;
}
