/* SPDX-License-Identifier: GPL-2.0 */
/*
 * entry_words.h - what the emulator (Bochs 3.0) writes into its log when it refuses an
 * entry, by the rule that the model names. Of the rows that match a rule, in the shell's
 * way, the first is the one; %s is the register that the rule is about, in capitals.
 *
 * Some of its words stand for several rules, and some name a register wrongly: that is
 * how it has them.
 */
#ifndef LODGE_HOST_ENTRY_WORDS_H
#define LODGE_HOST_ENTRY_WORDS_H

struct entry_words {
	const char *rule;		/* without its class */
	const char *words;
};

static const struct entry_words controls_words[] = {
	{ "pin.ones", "VMX pin-based controls allowed 0-settings" },
	{ "pin.zeros", "VMX pin-based controls allowed 1-settings" },
	{ "primary.ones", "VMX proc-based controls allowed 0-settings" },
	{ "primary.zeros", "VMX proc-based controls allowed 1-settings" },
	{ "secondary.zeros", "VMX secondary controls allowed 1-settings" },
	{ "tertiary.zeros", "VMX tertiary controls allowed 1-settings" },
	{ "exit.ones", "VMX vmexit controls allowed 0-settings" },
	{ "exit.zeros", "VMX vmexit controls allowed 1-settings" },
	{ "exit2.zeros", "VMX vmexit secondary controls allowed 1-settings" },
	{ "entry.ones", "VMX vmentry controls allowed 0-settings" },
	{ "entry.zeros", "VMX vmentry controls allowed 1-settings" },
	{ "entry.dual_monitor", "VMENTRY from outside SMM with dual-monitor treatment enabled" },
	{ "cr3_target_count", "too may CR3 targets" },
	{ "io_bitmap_a.*", "I/O bitmap A phy addr malformed" },
	{ "io_bitmap_b.*", "I/O bitmap B phy addr malformed" },
	{ "msr_bitmap.*", "MSR bitmap phy addr malformed" },
	{ "virtual_apic.*", "virtual apic phy addr malformed" },
	{ "tpr_threshold.reserved", "TPR threshold too big" },
	{ "tpr_threshold.vtpr", "TPR threshold > TPR shadow" },
	{ "virtual_nmis", "misconfigured virtual NMI control" },
	{ "nmi_window", "misconfigured virtual NMI control" },
	{ "apic_access.*", "apic access page phy addr malformed" },
	{ "*.tpr_shadow", "APIC virtualization is enabled without TPR shadow" },
	{ "x2apic.apic_access",
	  "virtualize X2APIC mode enabled together with APIC access virtualization" },
	{ "virtual_interrupts.external", "virtual interrupt delivery must be set together with "
	  "external interrupt exiting" },
	{ "posted.delivery",
	  "posted interrupts must be enabled together with virtual interrupt delivery" },
	{ "posted.acknowledge",
	  "posted interrupts must be enabled together 'ack interrupt on exit'" },
	{ "posted.vector", "posted interrupts notification vector 256 must be 0-255" },
	{ "posted.*", "Posted Interrupt Descriptor phy addr malformed" },
	{ "vpid", "guest VPID == 0" },
	{ "eptp.*", "invalid EPTPTR value" },
	{ "pml.ept", "PML is enabled without EPT" },
	{ "pml.*", "PML base phy addr malformed" },
	{ "unrestricted.ept", "unrestricted guest without EPT" },
	{ "mode_based.ept", "MBE is enabled without EPT" },
	{ "spp.ept", "SPP is enabled without EPT" },
	{ "spp.*", "SPP base phy addr malformed" },
	{ "vm_functions.zeros", "VM Functions control reserved bits set" },
	{ "eptp_switching.ept", "EPTP-SWITCHING: EPT disabled" },
	{ "eptp_list.*", "EPTP-SWITCHING: eptp list phy addr malformed" },
	{ "vmread_bitmap.*", "VMREAD bitmap phy addr malformed" },
	{ "vmwrite_bitmap.*", "VMWRITE bitmap phy addr malformed" },
	{ "ve_information.*", "broken #VE information address" },
	{ "tsc_multiplier", "TSC multiplier should be non zero" },
	{ "preemption_timer", "save_VMX_preemption_timer VMEXIT control is set but "
	  "VMX_preemption_timer VMEXEC control is clear" },
	{ "exit_msr_store.end", "VMEXIT CTRL: msr store addr too high" },
	{ "exit_msr_store.*", "VMEXIT CTRL: msr store addr malformed" },
	{ "exit_msr_load.end", "VMEXIT CTRL: msr load addr too high" },
	{ "exit_msr_load.*", "VMEXIT CTRL: msr load addr malformed" },
	{ "entry_msr_load.end", "VMENTRY CTRL: msr load addr too high" },
	{ "entry_msr_load.*", "VMENTRY CTRL: msr load addr malformed" },
	{ "event.type", "bad injected event type" },
	{ "event.other_vector", "bad MTF injection with vector=1" },
	{ "event.*_vector", "bad injected event vector" },
	{ "event.error_code.bits", "bad error code 0x00010000 for injected event 13" },
	{ "event.error_code.*", "broken error code" },
	{ "event.reserved", "broken interruption info field" },
	{ "event.instruction_length", "bad injected event instr length" },
	{}
};

static const struct entry_words host_words[] = {
	{ "cr0.*", "host state invalid CR0" },
	{ "cr3.*", "host state invalid CR3" },
	{ "cr4.pae", "host CR4.PAE=0 with x86-64 host" },
	{ "cr4.*", "host state invalid CR4" },
	{ "sysenter_e?p", "host %s_MSR non canonical" },
	{ "pat", "invalid Memory Type in host MSR_PAT" },
	{ "efer.reserved", "host EFER reserved bits set" },
	{ "efer.*", "host EFER (0x" },	/* inconsistent value */
	{ "s_cet.*", "host IA32_S_CET invalid" },
	{ "ssp_table", "host INTERRUPT_SSP_TABLE_ADDR non canonical or invalid" },
	{ "es.selector", "host segreg 0 TI/RPL != 0" },
	{ "cs.selector", "host segreg 1 TI/RPL != 0" },
	{ "ss.selector", "host segreg 2 TI/RPL != 0" },
	{ "ds.selector", "host segreg 3 TI/RPL != 0" },
	{ "fs.selector", "host segreg 4 TI/RPL != 0" },
	{ "gs.selector", "host segreg 5 TI/RPL != 0" },
	{ "tr.selector", "invalid host TR selector" },
	{ "tr.null", "invalid host TR selector" },
	{ "cs.null", "host CS selector 0" },
	{ "*.base", "host %s BASE non canonical" },
	{ "size.long_mode", "x86-64 host control invalid on VMENTRY" },
	{ "rip.canonical", "host RIP non-canonical" },
	{ "rip.high", "host RIP > 32 bit" },
	{}
};

static const struct entry_words guest_words[] = {
	{ "cr0.pg", "unrestricted guest CR0.PG without CR0.PE" },
	{ "cr0.*", "guest invalid CR0" },
	{ "cr3.*", "guest invalid CR3" },
	{ "cr4.ia32e", "guest CR4.PAE=0 in x86-64 mode" },
	{ "cr4.pcide", "CR4.PCIDE set in 32-bit guest" },
	{ "cr4.cet", "guest CR4.CET=1 when CR0.WP=0" },
	{ "cr4.*", "guest invalid CR4" },
	{ "dr7.*", "guest invalid DR7" },
	{ "sysenter_e?p", "guest %s_MSR non canonical" },
	{ "ssp_table", "guest INTERRUPT_SSP_TABLE_ADDR non canonical or invalid" },
	{ "s_cet.reserved", "guest IA32_S_CET invalid" },
	{ "s_cet.canonical", "guest IA32_S_CET/EB_LEG_BITMAP_BASE non canonical or invalid" },
	{ "ssp.aligned", "guest SSP[1:0] not zero" },
	{ "ssp.*", "guest SSP non canonical or invalid" },
	{ "pat", "invalid Memory Type in guest MSR_PAT" },
	{ "efer.reserved", "guest EFER reserved bits set" },
	{ "efer.lma", "guest EFER.LMA doesn't match x86_64_guest" },
	{ "efer.lme", "guest EFER (0x" },	/* inconsistent value */
	{ "uinv.reserved", "guest INTR.UINV=" },
	{ "ss.selector.rpl", "guest CS.RPL != SS.RPL" },
	{ "*.selector.ti", "guest %s.TI set" },
	{ "*.base.v8086", "v8086 guest bad %s.BASE" },
	{ "*.limit.v8086", "v8086 guest %s.LIMIT != 0xFFFF" },
	{ "*.rights.v8086", "v8086 guest %s.AR != 0xF3" },
	{ "[gi]dtr.base", "guest IDTR/IDTR.BASE non canonical" },
	{ "[gi]dtr.limit", "guest GDTR/IDTR limit > 0xFFFF" },
	{ "*tr.base", "guest %s.BASE non canonical" },
	{ "[fg]s.base", "guest %s.BASE non canonical" },
	{ "?s.base", "guest %s.BASE > 32 bit" },
	{ "[cs]s.type", "guest %s.TYPE" },
	{ "*.type.accessed", "guest %s not ACCESSED" },
	{ "*.type.readable", "guest CODE segment %s not READABLE" },
	{ "ldtr.type", "guest incorrect LDTR type (3)" },
	{ "tr.unusable", "guest TR invalid" },
	{ "tr.type", "guest incorrect TR type" },
	{ "*tr.s", "guest %s is not system segment" },
	{ "?s.s", "guest %s not segment" },
	{ "cs.dpl.data", "unrestricted guest CS.DPL != 0" },
	{ "cs.dpl.nonconforming", "guest non-conforming CS.DPL <> SS.DPL" },
	{ "cs.dpl.conforming", "guest non-conforming CS.DPL > SS.DPL" },	/* so it says */
	{ "ss.dpl.rpl", "guest SS.RPL <> SS.DPL" },
	{ "ss.dpl.real", "unrestricted guest SS.DPL != 0" },
	{ "?s.dpl", "guest non-conforming %s.RPL < %s.DPL" },
	{ "*.p", "guest %s not present" },
	{ "cs.d", "x86_64 guest wrong CS.D_B/L" },
	{ "*.reserved_*", "guest %s.AR/LIMIT malformed" },
	{ "*.g.*", "guest %s.AR/LIMIT malformed" },
	{ "rip.high", "guest RIP > 32 bit" },
	{ "rflags.reserved", "RFLAGS reserved bits are set" },
	{ "rflags.fixed", "RFLAGS[1] cleared" },
	{ "rflags.vm.ia32e", "Enter to x86-64 guest with RFLAGS.VM" },
	{ "rflags.if", "guest interrupts blocked when injecting external interrupt" },
	{ "activity.known", "guest activity state" },
	{ "activity.cpl", "guest HLT state with SS.DPL=3" },
	{ "activity.blocked", "interruptibility state broken when entering non active CPU state" },
	{ "activity.event.shutdown",
	  "Only NMI or #MC guest interruption is allowed when entering shutdown state" },
	{ "activity.event.wait_for_sipi",
	  "No guest interruptions are allowed when entering Wait-For-Sipi state" },
	{ "interruptibility.sti", "can't be blocked by STI when EFLAGS.IF = 0" },
	{ "interruptibility.interrupt",
	  "guest interrupts blocked when injecting external interrupt" },
	{ "interruptibility.nmi_*", "guest interrupts blocked when injecting NMI" },
	{ "interruptibility.smi", "SMI blocked when not in SMM mode" },
	{ "interruptibility.*", "guest interruptibility state broken" },
	{ "pending_debug.*", "guest tmpDR6 reserved bits" },
	{ "link_pointer.revision", "link pointer incorrect revision ID" },
	{ "link_pointer.shadow", "link pointer must indicate shadow VMCS revision ID" },
	{ "link_pointer.*", "link pointer malformed" },
	{ "pdpte_?", "EPT Guest State PDPTRs Checks Failed" },
	{ "pdptes_in_memory", "Guest State PDPTRs Checks Failed" },
	{}
};

static const struct entry_words msr_load_words[] = {
	{ "base", "LoadMSRs 1: unable to restore FSBASE or GSBASE" },
	{ "x2apic", "LoadMSRs 1: unable to restore X2APIC range MSR 808" },
	{ "reserved", "LoadMSRs 1: broken msr index 0x1c0000082" },
	{ "canonical", "LoadMSRs 1: unable to set up MSR c0000082" },
	{ "pat", "LoadMSRs 1: unable to set up MSR 277" },
	{ "efer.*", "LoadMSRs 1: unable to set up MSR c0000080" },
	{ "*", "LoadMSRs 1: unable to set up MSR" },
	{}
};

#endif
