// SPDX-License-Identifier: GPL-2.0
/*
 * run.c - one VM entry, from the host's registers to the guest's and back.
 * Three rings of host state: what the VMCS switches by itself (written when it
 * moved), what is switched when a vCPU comes to or leaves a CPU (segments,
 * KERNEL_GS_BASE, descriptor tables), and what is switched around each single
 * entry (XCR0, XSS, PKRU, debug registers, CR2).  Every exit passes through
 * vmx_run(); what it means is decided in exit.c.
 * SDM vol. 3C 26.2.2, 26.3, 27.5.
 */
#include <linux/hw_breakpoint.h>
#include <linux/kernel.h>
#include <linux/mmu_context.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <asm/pkru.h>
#include <asm/tlbflush.h>

#include "../lodge.h"
#include "../compat.h"
#include "cpu.h"
#include "flight.h"
#include "inject.h"
#include "mitigate.h"
#include "msr.h"
#include "regs.h"
#include "run.h"
#include "vmcs.h"

static void put_back_ldt(u16 selector)
{
	asm volatile("lldt %0" : : "rm" (selector));
}

/*
 * The first entry after the vCPU came here.  The VM exit loads zero into DS,
 * ES, FS, GS and LDTR and the bases from the VMCS; what the task had is put
 * back by restore_host().
 */
static noinline void save_host(struct lodge_vcpu *vcpu)
{
	struct vmx_host *h = &vcpu->host;
	u64 base;

	savesegment(fs, h->fs_sel);
	savesegment(gs, h->gs_sel);
	savesegment(ds, h->ds_sel);
	savesegment(es, h->es_sel);
	store_ldt(h->ldt_sel);
	base = __rdmsr(MSR_FS_BASE);
	if (base != h->fs_base) {
		vmwritel(HOST_FS_BASE, base);
		h->fs_base = base;
	}
	base = __rdmsr(MSR_GS_BASE);
	if (base != h->gs_base) {
		vmwritel(HOST_GS_BASE, base);
		h->gs_base = base;
	}
	h->kernel_gs_base = __rdmsr(MSR_KERNEL_GS_BASE);
	native_wrmsrl(MSR_KERNEL_GS_BASE, vcpu->kernel_gs_base);
	h->loaded = true;
}

static void restore_host(struct lodge_vcpu *vcpu)
{
	struct vmx_host *h = &vcpu->host;
	struct desc_ptr idt;

	if (!h->loaded)
		return;
	h->loaded = false;
	vcpu->kernel_gs_base = __rdmsr(MSR_KERNEL_GS_BASE);
	if (h->ldt_sel)
		put_back_ldt(h->ldt_sel);
	/* before KERNEL_GS_BASE: loading a selector writes the base, too */
	if (h->gs_sel)
		load_gs_index(h->gs_sel);
	native_wrmsrl(MSR_KERNEL_GS_BASE, h->kernel_gs_base);
	if (h->fs_sel) {
		loadsegment(fs, h->fs_sel);
		wrmsrl(MSR_FS_BASE, h->fs_base);
	}
	if (h->ds_sel | h->es_sel) {
		loadsegment(ds, h->ds_sel);
		loadsegment(es, h->es_sel);
	}
	/* a VM exit leaves these limits at 67h and ffffh: vol. 3C 27.5.2 */
	invalidate_tss_limit();
	load_fixmap_gdt(raw_smp_processor_id());
	store_idt(&idt);
	idt.size = IDT_ENTRIES * sizeof(gate_desc) - 1;
	load_idt(&idt);
}

void vmx_load(struct lodge_vcpu *vcpu)
{
	int cpu = raw_smp_processor_id();

	if (vcpu->vmcs.cpu != cpu)
		vmx_deactivate(&vcpu->vmcs);
	vmx_activate(&vcpu->vmcs);
	vcpu->vmcs.reads = this_cpu_read(vmcs_counts.reads);
	vcpu->vmcs.writes = this_cpu_read(vmcs_counts.writes);
	vcpu->l1d_used = true;
	if (vcpu->vmcs.cpu != cpu)
		return;		/* VMX is gone; the run loop refuses to enter */
	if (vcpu->host.cpu != cpu)
		vmcs_set_host_cpu(vcpu);
	if (vcpu->last_cpu != cpu) {
		/* translations that it left here may be older than its page tables */
		vpid_flush(vcpu);
		vmx_msrs_changed();
		vcpu->last_cpu = cpu;
	}
}

void vmx_unload(struct lodge_vcpu *vcpu)
{
	restore_host(vcpu);
	vcpu->stats.vmcs_reads += this_cpu_read(vmcs_counts.reads) - vcpu->vmcs.reads;
	vcpu->stats.vmcs_writes += this_cpu_read(vmcs_counts.writes) - vcpu->vmcs.writes;
	vmx_leave_cpu();
}

u64 vmx_get_kernel_gs_base(struct lodge_vcpu *vcpu)
{
	u64 base = vcpu->kernel_gs_base;

	if (vcpu->host.loaded)
		rdmsrl(MSR_KERNEL_GS_BASE, base);
	return base;
}

void vmx_set_kernel_gs_base(struct lodge_vcpu *vcpu, u64 base)
{
	if (vcpu->host.loaded)
		wrmsrl(MSR_KERNEL_GS_BASE, base);
	vcpu->kernel_gs_base = base;
}

/* What the VM exit is to load, if the scheduler or a TLB flush changed it. */
static __always_inline void refresh_host_fields(struct vmx_host *h)
{
	unsigned long cr3 = __get_current_cr3_fast();
	unsigned long cr4 = cr4_read_shadow();

	if (cr3 != h->cr3) {
		vmwritel(HOST_CR3, cr3);
		h->cr3 = cr3;
	}
	if (cr4 != h->cr4) {
		vmwritel(HOST_CR4, cr4);
		h->cr4 = cr4;
	}
}

/*
 * XCR0 and XSS say what XSAVE touches; with CR4.OSXSAVE clear, which is no bit that a
 * guest changes without an exit, it has no XSAVE.  The host sets both once, at boot.
 */
static bool shares_xstate(const struct lodge_vcpu *vcpu)
{
	return !(vcpu->cr4 & X86_CR4_OSXSAVE) ||
	       (vcpu->xcr0 == vmx_host_xcr0 && vcpu->xss == vmx_host_xss);
}

static noinline void xstate_to_guest(struct lodge_vcpu *vcpu)
{
	if (vcpu->xcr0 != vmx_host_xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, vcpu->xcr0);
	if (vcpu->xss != vmx_host_xss)
		wrmsrl(MSR_IA32_XSS, vcpu->xss);
}

static noinline void xstate_to_host(struct lodge_vcpu *vcpu)
{
	if (vcpu->xss != vmx_host_xss)
		wrmsrl(MSR_IA32_XSS, vmx_host_xss);
	if (vcpu->xcr0 != vmx_host_xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, vmx_host_xcr0);
}

/* PKRU is checked by the guest's accesses. */
static bool has_pkru(const struct lodge_vcpu *vcpu)
{
	return cpu_feature_enabled(X86_FEATURE_PKU) &&
	       ((vcpu->cr4 & X86_CR4_PKE) || (vcpu->xcr0 & XFEATURE_MASK_PKRU));
}

/*
 * Debug registers are loaded only where a breakpoint is enabled; the guest reads
 * and writes its own by an exit, and DR7 comes from the VMCS.
 */
static noinline void debug_to_guest(struct lodge_vcpu *vcpu)
{
	const unsigned long *dr = regs_effective_dr(vcpu);

	set_debugreg(0ul, 7);
	set_debugreg(dr[0], 0);
	set_debugreg(dr[1], 1);
	set_debugreg(dr[2], 2);
	set_debugreg(dr[3], 3);
	set_debugreg(DR6_RESERVED, 6);
}

static noinline void debug_to_host(void)
{
	set_debugreg(0ul, 0);
	set_debugreg(0ul, 1);
	set_debugreg(0ul, 2);
	set_debugreg(0ul, 3);
	set_debugreg(DR6_RESERVED, 6);
}

static __always_inline bool is_host_nmi(u32 info)
{
	return (info & (INTR_INFO_VALID_MASK | INTR_INFO_INTR_TYPE_MASK)) ==
	       (INTR_INFO_VALID_MASK | INTR_TYPE_NMI_INTR);
}

static __always_inline bool is_host_mce(u32 info)
{
	return (info & (INTR_INFO_VALID_MASK | INTR_INFO_INTR_TYPE_MASK |
			INTR_INFO_VECTOR_MASK)) ==
	       (INTR_INFO_VALID_MASK | INTR_TYPE_HARD_EXCEPTION | X86_TRAP_MC);
}

/* An NMI or machine check that ended the guest belongs to the host, now. */
static __always_inline void take_host_events(struct lodge_vcpu *vcpu)
{
	u16 reason = vcpu->exit_reason;

	if (reason == EXIT_REASON_EXCEPTION_NMI) {
		vcpu->exit_intr_info = vmread_any(VM_EXIT_INTR_INFO);
		if (is_host_nmi(vcpu->exit_intr_info))
			compat_host_nmi();
		else if (is_host_mce(vcpu->exit_intr_info))
			compat_host_mce();
	} else if (unlikely(reason == EXIT_REASON_MCE_DURING_VMENTRY)) {
		compat_host_mce();
	}
}

/* Between the two halves of the bookkeeping the kernel thinks a guest runs. */
static noinstr void enter_and_leave(struct lodge_vcpu *vcpu)
{
	unsigned long now = jiffies;

	/* enter.S finds the vCPU by its registers */
	BUILD_BUG_ON(offsetof(struct lodge_vcpu, regs));
	/* RCU counts in ticks: more often it need not be told */
	compat_guest_enter(vcpu->rcu_told != now);
	vcpu->rcu_told = now;
	if (vcpu->cr2 != native_read_cr2())
		native_write_cr2(vcpu->cr2);
	mitigate_load_guest(vcpu);
	vcpu->fail = vmx_enter(vcpu->regs, vcpu->vmcs.launched, &vcpu->host.rsp);
	vcpu->cr2 = native_read_cr2();
	if (likely(!vcpu->fail)) {
		vcpu->exit_reason = vmread_any(VM_EXIT_REASON);
		take_host_events(vcpu);
	}
	compat_guest_exit();
}

/* What every handler may want; fields that few want are read by those. */
static void read_exit(struct lodge_vcpu *vcpu)
{
	vcpu->reg_avail = 0;
	vcpu->exit_gpa = 0;
	if (unlikely(vcpu->fail)) {
		vcpu->insn_error = vmread32(VM_INSTRUCTION_ERROR);
		vcpu->exit_reason = 0;
		vcpu->idt_info = 0;
		return;
	}
	vcpu->exit_qual = vmreadl(EXIT_QUALIFICATION);
	vcpu->exit_insn_len = vmread32(VM_EXIT_INSTRUCTION_LEN);
	vcpu->idt_info = vmread32(IDT_VECTORING_INFO_FIELD);
	/* it has launched and delivered nothing (vol. 3C 26.8); the event is looked at yet */
	if (unlikely(vcpu->exit_reason & VMX_EXIT_REASONS_FAILED_VMENTRY))
		return;
	vcpu->vmcs.launched = true;
	if (vcpu->exit_reason == EXIT_REASON_EPT_VIOLATION ||
	    vcpu->exit_reason == EXIT_REASON_EPT_MISCONFIG)
		vcpu->exit_gpa = vmread64(GUEST_PHYSICAL_ADDRESS);
	inject_recover(vcpu);
}

/* The exit has taken the interrupt from the host's APIC: vol. 3C 27.2.2. */
void vmx_call_interrupt(void)
{
	struct desc_ptr idt;
	gate_desc *gate;
	u32 info;

	info = vmread32(VM_EXIT_INTR_INFO);
	if (!(info & INTR_INFO_VALID_MASK))
		return;
	store_idt(&idt);
	gate = (gate_desc *)idt.address + (info & INTR_INFO_VECTOR_MASK);
	vmx_call_gate(gate_offset(gate));
}

void vmx_settle(struct lodge_vcpu *vcpu)
{
	if (!vcpu->host.loaded)
		save_host(vcpu);
	refresh_host_fields(&vcpu->host);
	regs_flush(vcpu);
}

void vmx_run(struct lodge_vcpu *vcpu)
{
	/* a VM exit clears it, and perf may have set it since the last one */
	unsigned long host_debugctl = __rdmsr(MSR_IA32_DEBUGCTLMSR);
	bool xstate = !shares_xstate(vcpu), pkru = has_pkru(vcpu);
	bool debug = vcpu->has_breakpoints;
	u32 host_pkru = 0;

	if (unlikely(!vcpu->host.loaded))
		save_host(vcpu);
	vmx_msrs_to_guest(vcpu);
	refresh_host_fields(&vcpu->host);
	inject_commit(vcpu);
	regs_flush(vcpu);
	if (unlikely(xstate))
		xstate_to_guest(vcpu);
	if (unlikely(pkru)) {
		host_pkru = rdpkru();
		wrpkru(vcpu->pkru);
	}
	if (unlikely(debug))
		debug_to_guest(vcpu);
	flight_entry(vcpu);
	mitigate_entry(vcpu);

	enter_and_leave(vcpu);

	if (unlikely(host_debugctl))
		update_debugctlmsr(host_debugctl);
	if (unlikely(debug))
		debug_to_host();
	/* the exit has set DR7 to 400h: the host's breakpoints are off */
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
	if (unlikely(pkru)) {
		vcpu->pkru = rdpkru();
		wrpkru(host_pkru);
	}
	if (unlikely(xstate))
		xstate_to_host(vcpu);
	read_exit(vcpu);
	flight_exit(vcpu);
}
