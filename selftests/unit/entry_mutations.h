/* SPDX-License-Identifier: GPL-2.0 */
/*
 * entry_mutations.h - one way or more to break each rule of VM entry: a field of a
 * state that can be entered, and what is done to it. Data only: whoever includes
 * this has a VMCS, or a copy of one, to which it can be applied.
 *
 * Most begin with a guest that runs 64-bit code (FROM_64) under the controls that a
 * plain hypervisor uses: EPT, unrestricted guest, VPID, MSR bitmaps, virtual NMIs;
 * PAT, EFER and debug controls loaded. First the controls of off[] are cleared and
 * those of on[] set, then the fields of also[] are written, last the field itself.
 * On a CPU that has less, another rule may be broken first, or none: the model says.
 *
 * lax: the emulated CPU of the tests does not make this check, although the SDM has
 * it; the state is then entered, or a later check fails. There is more that depends
 * on the state: it does not look at an SS with a null selector in 64-bit code, nor,
 * if it has CET, whether an exception has its error code, nor for virtual-interrupt
 * delivery behind posted interrupts without a TPR shadow.
 */
#ifndef LODGE_UNIT_ENTRY_MUTATIONS_H
#define LODGE_UNIT_ENTRY_MUTATIONS_H

#include "../../kmod/vmx/entry_check_priv.h"
#include "entry_apply.h"

enum entry_how {
	SET_TO, SET_BITS, CLEAR_BITS, XOR_BITS,
	SET_TO_PAGE,			/* the address of what the unit test has at value */
	SET_TO_END,			/* value bytes before the end of physical addresses */
};

struct entry_mutation {
	const char *rule;		/* the first that is broken then */
	u32 field;
	u8 how;				/* enum entry_how */
	u64 value;
	u8 from;			/* enum entry_from */
	u8 cpu;				/* CPU_... */
	bool lax;
	struct entry_bits off[2], on[4];
	struct {
		u32 field;
		u64 value;
	} also[3];
};

/* ---- memory of the unit test ---- */

#define AT_LINKED	0x11000		/* a VMCS */
#define AT_CURRENT	0x12000		/* that which is to be entered */

/* Things that an entry refuses. */
#define AT_OTHER_VMCS	0x20000
#define AT_BAD_PDPTES	0x21000
#define AT_BAD_MSRS	0x22000
#define BAD_MSR(n)	(AT_BAD_MSRS + 16 * (n))

#define NOT_CANONICAL	BIT_ULL(60)	/* with 48 bits or 57 */
#define TOO_HIGH	BIT_ULL(59)	/* for a physical address */

static const u32 entry_other_vmcs[1] = { 0x1badbad };

static const u64 entry_bad_pdptes[4] = { 0, 0x1001, 0x1021 /* a reserved bit */, 0 };

static const struct vmx_msr_entry entry_bad_msrs[] = {
	{ .index = MSR_FS_BASE },
	{ .index = MSR_GS_BASE },
	{ .index = 0x800 + 8 },
	{ .index = MSR_IA32_SMM_MONITOR_CTL },
	{ .index = MSR_IA32_UCODE_WRITE },
	{ .index = MSR_LSTAR, .reserved = 1 },
	{ .index = MSR_IA32_VMX_BASIC },
	{ .index = MSR_LSTAR, .value = NOT_CANONICAL },
	{ .index = MSR_IA32_CR_PAT, .value = 2 },
	{ .index = MSR_EFER, .value = EFER_LME | BIT(1) },
	{ .index = MSR_EFER, .value = 0 },
	{ .index = MSR_TSC_AUX, .value = BIT_ULL(32) },
	{ .index = MSR_IA32_DEBUGCTLMSR, .value = BIT_ULL(40) },
	{ .index = MSR_CORE_PERF_GLOBAL_CTRL, .value = BIT_ULL(63) },
	{ .index = MSR_IA32_UCODE_REV },
	{ .index = MSR_MTRRcap },
	{ .index = MSR_IA32_VMX_VMFUNC },
};

/* ---- the table ---- */

#define VALID		INTR_INFO_VALID_MASK
#define CODE		INTR_INFO_DELIVER_CODE_MASK
#define SECONDARY	SECONDARY_VM_EXEC_CONTROL
#define TERTIARY	TERTIARY_VM_EXEC_CONTROL
#define EVENT		VM_ENTRY_INTR_INFO_FIELD
#define BLOCKED		GUEST_INTERRUPTIBILITY_INFO
#define NMI		(VALID | INTR_TYPE_NMI_INTR | 2)
#define IF_SET		{ GUEST_RFLAGS, X86_EFLAGS_FIXED | X86_EFLAGS_IF }
#define NO_UNRESTRICTED	{ { ENTRY_PROC2, SECONDARY_EXEC_UNRESTRICTED_GUEST } }
#define NO_EPT		{ { ENTRY_PROC2, SECONDARY_EXEC_UNRESTRICTED_GUEST | \
			    SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_ENABLE_PML } }

/* An address that a control gives a meaning to. */
#define UNALIGNED(n, f, w, b) \
	{ "controls." n ".aligned", f, SET_BITS, 0x10, .on = { { w, b } } }
#define BEYOND(n, f, w, b) \
	{ "controls." n ".width", f, SET_BITS, TOO_HIGH, .on = { { w, b } } }
/* ... and one that is none. */
#define NONCANONICAL(n, f, ...) \
	{ n, f, SET_TO, NOT_CANONICAL, __VA_ARGS__ }

/* Of a segment's fields, in groups (see entry_check_segments.c). */
#define AR(n, seg, h, v, ...) \
	{ "guest." n, GUEST_ES_AR_BYTES + 2 * (seg), h, v, __VA_ARGS__ }
#define V8086(n, seg, f, v) \
	{ "guest." n, f + 2 * (seg), XOR_BITS, v, .from = FROM_V8086 }
#define TOO_FINE(n, seg, ...) \
	{ "guest." n ".g.clear", GUEST_ES_LIMIT + 2 * (seg), SET_TO, 0xfffffffe, __VA_ARGS__ }
#define BAD_LOAD(n, e, ...) \
	{ "msr_load." n, VM_ENTRY_MSR_LOAD_ADDR, SET_TO_PAGE, BAD_MSR(e), \
	  .also = { { VM_ENTRY_MSR_LOAD_COUNT, 1 } }, __VA_ARGS__ }

enum { AT_ES, AT_CS, AT_SS, AT_DS, AT_FS, AT_GS, AT_LDTR, AT_TR };

/* What posted interrupts need. */
#define WITH_POSTED { { ENTRY_PIN, PIN_BASED_POSTED_INTR }, { ENTRY_PROC, CPU_BASED_TPR_SHADOW }, \
		    { ENTRY_PROC2, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY }, \
		    { ENTRY_EXIT, VM_EXIT_ACK_INTR_ON_EXIT } }
#define WITH_TERTIARY(b) { { ENTRY_PROC, CPU_BASED_ACTIVATE_TERTIARY_CONTROLS }, \
			 { ENTRY_PROC3, b }, { ENTRY_PROC, CPU_BASED_TPR_SHADOW } }
#define WITH_PT { { ENTRY_PROC2, SECONDARY_EXEC_PT_USE_GPA }, \
		{ ENTRY_ENTRY, VM_ENTRY_LOAD_IA32_RTIT_CTL }, \
		{ ENTRY_EXIT, VM_EXIT_CLEAR_IA32_RTIT_CTL } }
#define EXIT_CET { { ENTRY_EXIT, EXIT_LOAD_CET } }
#define ENTRY_CET { { ENTRY_ENTRY, ENTRY_LOAD_CET } }

static const struct entry_mutation entry_mutations[] = {
	/* VM-execution control fields, SDM vol. 3C 26.2.1.1 */
	{ "controls.pin.ones", PIN_BASED_VM_EXEC_CONTROL, CLEAR_BITS, BIT(1) },
	{ "controls.pin.zeros", PIN_BASED_VM_EXEC_CONTROL, SET_BITS, BIT(30) },
	{ "controls.primary.ones", CPU_BASED_VM_EXEC_CONTROL, CLEAR_BITS, BIT(1) },
	{ "controls.primary.zeros", CPU_BASED_VM_EXEC_CONTROL, SET_BITS, BIT(0) },
	{ "controls.secondary.zeros", SECONDARY, SET_BITS, BIT(29) },
	{ "controls.tertiary.zeros", TERTIARY, SET_BITS, BIT_ULL(40),
	  .on = { { ENTRY_PROC, CPU_BASED_ACTIVATE_TERTIARY_CONTROLS } } },
	{ "controls.cr3_target_count", CR3_TARGET_COUNT, SET_TO, 5 },
	UNALIGNED("io_bitmap_a", IO_BITMAP_A, ENTRY_PROC, CPU_BASED_USE_IO_BITMAPS),
	BEYOND("io_bitmap_a", IO_BITMAP_A, ENTRY_PROC, CPU_BASED_USE_IO_BITMAPS),
	UNALIGNED("io_bitmap_b", IO_BITMAP_B, ENTRY_PROC, CPU_BASED_USE_IO_BITMAPS),
	BEYOND("io_bitmap_b", IO_BITMAP_B, ENTRY_PROC, CPU_BASED_USE_IO_BITMAPS),
	UNALIGNED("msr_bitmap", MSR_BITMAP, ENTRY_PROC, CPU_BASED_USE_MSR_BITMAPS),
	BEYOND("msr_bitmap", MSR_BITMAP, ENTRY_PROC, CPU_BASED_USE_MSR_BITMAPS),
	UNALIGNED("virtual_apic", VIRTUAL_APIC_PAGE_ADDR, ENTRY_PROC, CPU_BASED_TPR_SHADOW),
	BEYOND("virtual_apic", VIRTUAL_APIC_PAGE_ADDR, ENTRY_PROC, CPU_BASED_TPR_SHADOW),
	{ "controls.tpr_threshold.reserved", TPR_THRESHOLD, SET_BITS, 0x10,
	  .off = { { ENTRY_PROC2, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY },
		   { ENTRY_PIN, PIN_BASED_POSTED_INTR } },
	  .on = { { ENTRY_PROC, CPU_BASED_TPR_SHADOW } } },
	{ "controls.tpr_threshold.vtpr", TPR_THRESHOLD, SET_TO, 15,
	  .off = { { ENTRY_PROC2, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY |
		     SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES },
		   { ENTRY_PIN, PIN_BASED_POSTED_INTR } },
	  .on = { { ENTRY_PROC, CPU_BASED_TPR_SHADOW } } },
	{ "controls.virtual_nmis", PIN_BASED_VM_EXEC_CONTROL, CLEAR_BITS, PIN_BASED_NMI_EXITING },
	{ "controls.nmi_window", CPU_BASED_VM_EXEC_CONTROL, SET_BITS, CPU_BASED_NMI_WINDOW_EXITING,
	  .off = { { ENTRY_PIN, PIN_BASED_VIRTUAL_NMIS } } },
	UNALIGNED("apic_access", APIC_ACCESS_ADDR, ENTRY_PROC2,
		  SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES),
	BEYOND("apic_access", APIC_ACCESS_ADDR, ENTRY_PROC2,
	       SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES),
	{ "controls.x2apic.tpr_shadow", SECONDARY, SET_BITS,
	  SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE,
	  .off = { { ENTRY_PROC, CPU_BASED_TPR_SHADOW } } },
	{ "controls.apic_registers.tpr_shadow", SECONDARY, SET_BITS,
	  SECONDARY_EXEC_APIC_REGISTER_VIRT, .off = { { ENTRY_PROC, CPU_BASED_TPR_SHADOW } } },
	{ "controls.virtual_interrupts.tpr_shadow", SECONDARY, SET_BITS,
	  SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY, .off = { { ENTRY_PROC, CPU_BASED_TPR_SHADOW } } },
	{ "controls.ipi.tpr_shadow", TERTIARY, SET_BITS, PROC3_IPI,
	  .on = { { ENTRY_PROC, CPU_BASED_ACTIVATE_TERTIARY_CONTROLS } },
	  .off = { { ENTRY_PROC, CPU_BASED_TPR_SHADOW } } },
	{ "controls.x2apic.apic_access", SECONDARY, SET_BITS,
	  SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES,
	  .on = { { ENTRY_PROC, CPU_BASED_TPR_SHADOW },
		  { ENTRY_PROC2, SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE } } },
	{ "controls.virtual_interrupts.external", PIN_BASED_VM_EXEC_CONTROL, CLEAR_BITS,
	  PIN_BASED_EXT_INTR_MASK,
	  .on = { { ENTRY_PROC, CPU_BASED_TPR_SHADOW },
		  { ENTRY_PROC2, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY } } },
	{ "controls.posted.delivery", SECONDARY, CLEAR_BITS, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY,
	  .on = WITH_POSTED },
	{ "controls.posted.acknowledge", VM_EXIT_CONTROLS, CLEAR_BITS, VM_EXIT_ACK_INTR_ON_EXIT,
	  .on = WITH_POSTED },
	{ "controls.posted.vector", POSTED_INTR_NV, SET_BITS, 0x100, .on = WITH_POSTED },
	{ "controls.posted.aligned", POSTED_INTR_DESC_ADDR, SET_BITS, 0x20, .on = WITH_POSTED },
	{ "controls.posted.width", POSTED_INTR_DESC_ADDR, SET_BITS, TOO_HIGH, .on = WITH_POSTED },
	{ "controls.vpid", VIRTUAL_PROCESSOR_ID, SET_TO, 0,
	  .on = { { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_VPID } } },
	{ "controls.eptp.memory_type", EPT_POINTER, XOR_BITS, 1 },
	{ "controls.eptp.levels", EPT_POINTER, CLEAR_BITS, VMX_EPTP_PWL_MASK },
	{ "controls.eptp.accessed_dirty", EPT_POINTER, SET_BITS, VMX_EPTP_AD_ENABLE_BIT,
	  .cpu = CPU_NO_AD },
	{ "controls.eptp.shadow_stack", EPT_POINTER, SET_BITS, BIT(7), .cpu = CPU_NO_ENFORCE },
	{ "controls.eptp.reserved", EPT_POINTER, SET_BITS, BIT(8) },
	{ "controls.eptp.width", EPT_POINTER, SET_BITS, TOO_HIGH },
	{ "controls.pml.ept", SECONDARY, SET_BITS, SECONDARY_EXEC_ENABLE_PML, .off = NO_EPT },
	UNALIGNED("pml", PML_ADDRESS, ENTRY_PROC2, SECONDARY_EXEC_ENABLE_PML),
	BEYOND("pml", PML_ADDRESS, ENTRY_PROC2, SECONDARY_EXEC_ENABLE_PML),
	{ "controls.unrestricted.ept", SECONDARY, CLEAR_BITS, SECONDARY_EXEC_ENABLE_EPT,
	  .off = { { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_PML |
		     SECONDARY_EXEC_MODE_BASED_EPT_EXEC } } },
	{ "controls.mode_based.ept", SECONDARY, SET_BITS, SECONDARY_EXEC_MODE_BASED_EPT_EXEC,
	  .off = { { ENTRY_PROC2, SECONDARY_EXEC_UNRESTRICTED_GUEST | SECONDARY_EXEC_ENABLE_PML |
		     SECONDARY_EXEC_ENABLE_EPT } } },
	{ "controls.spp.ept", SECONDARY, SET_BITS, PROC2_SPP, .off = NO_EPT },
	UNALIGNED("spp", FIELD_SPP_TABLE, ENTRY_PROC2, PROC2_SPP),
	BEYOND("spp", FIELD_SPP_TABLE, ENTRY_PROC2, PROC2_SPP),
	{ "controls.vm_functions.zeros", VM_FUNCTION_CONTROL, SET_BITS, BIT_ULL(63),
	  .on = { { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_VMFUNC } } },
	{ "controls.eptp_switching.ept", VM_FUNCTION_CONTROL, SET_BITS, VMX_VMFUNC_EPTP_SWITCHING,
	  .on = { { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_VMFUNC } }, .off = NO_EPT },
	{ "controls.eptp_list.aligned", EPTP_LIST_ADDRESS, SET_BITS, 0x10,
	  .on = { { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_VMFUNC } },
	  .also = { { VM_FUNCTION_CONTROL, VMX_VMFUNC_EPTP_SWITCHING } } },
	{ "controls.eptp_list.width", EPTP_LIST_ADDRESS, SET_BITS, TOO_HIGH,
	  .on = { { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_VMFUNC } },
	  .also = { { VM_FUNCTION_CONTROL, VMX_VMFUNC_EPTP_SWITCHING } } },
	UNALIGNED("vmread_bitmap", VMREAD_BITMAP, ENTRY_PROC2, SECONDARY_EXEC_SHADOW_VMCS),
	BEYOND("vmread_bitmap", VMREAD_BITMAP, ENTRY_PROC2, SECONDARY_EXEC_SHADOW_VMCS),
	UNALIGNED("vmwrite_bitmap", VMWRITE_BITMAP, ENTRY_PROC2, SECONDARY_EXEC_SHADOW_VMCS),
	BEYOND("vmwrite_bitmap", VMWRITE_BITMAP, ENTRY_PROC2, SECONDARY_EXEC_SHADOW_VMCS),
	UNALIGNED("ve_information", FIELD_VE_INFORMATION, ENTRY_PROC2, PROC2_VE),
	BEYOND("ve_information", FIELD_VE_INFORMATION, ENTRY_PROC2, PROC2_VE),
	{ "controls.pt.tracing", VM_ENTRY_CONTROLS, SET_BITS, VM_ENTRY_LOAD_IA32_RTIT_CTL,
	  .cpu = CPU_TRACES },
	{ "controls.pt.ept", SECONDARY, CLEAR_BITS, SECONDARY_EXEC_ENABLE_EPT,
	  .off = NO_UNRESTRICTED, .on = WITH_PT },
	{ "controls.pt.load", VM_ENTRY_CONTROLS, CLEAR_BITS, VM_ENTRY_LOAD_IA32_RTIT_CTL,
	  .on = WITH_PT },
	{ "controls.pt.clear", VM_EXIT_CONTROLS, CLEAR_BITS, VM_EXIT_CLEAR_IA32_RTIT_CTL,
	  .on = WITH_PT },
	{ "controls.tsc_multiplier", TSC_MULTIPLIER, SET_TO, 0,
	  .on = { { ENTRY_PROC2, SECONDARY_EXEC_TSC_SCALING } } },
	{ "controls.hlat.ept", TERTIARY, SET_BITS, PROC3_HLAT, .off = NO_EPT,
	  .on = WITH_TERTIARY(0) },
	{ "controls.paging_write.ept", TERTIARY, SET_BITS, PROC3_PAGING_WRITE, .off = NO_EPT,
	  .on = WITH_TERTIARY(0) },
	{ "controls.paging_verify.ept", TERTIARY, SET_BITS, PROC3_PAGING_VERIFY, .off = NO_EPT,
	  .on = WITH_TERTIARY(0) },
	{ "controls.hlat.reserved", FIELD_HLAT_POINTER, SET_BITS, BIT(5),
	  .on = WITH_TERTIARY(PROC3_HLAT) },
	{ "controls.hlat.width", FIELD_HLAT_POINTER, SET_BITS, TOO_HIGH,
	  .on = WITH_TERTIARY(PROC3_HLAT) },
	UNALIGNED("low_pasid", FIELD_LOW_PASID_DIRECTORY, ENTRY_PROC2, PROC2_PASID),
	BEYOND("low_pasid", FIELD_LOW_PASID_DIRECTORY, ENTRY_PROC2, PROC2_PASID),
	UNALIGNED("high_pasid", FIELD_HIGH_PASID_DIRECTORY, ENTRY_PROC2, PROC2_PASID),
	BEYOND("high_pasid", FIELD_HIGH_PASID_DIRECTORY, ENTRY_PROC2, PROC2_PASID),
	{ "controls.pid_table.aligned", PID_POINTER_TABLE, SET_BITS, 4,
	  .on = WITH_TERTIARY(PROC3_IPI) },
	{ "controls.pid_table.width", PID_POINTER_TABLE, SET_BITS, TOO_HIGH,
	  .on = WITH_TERTIARY(PROC3_IPI) },
	{ "controls.pid_table.end", PID_POINTER_TABLE, SET_TO_END, 16,
	  .on = WITH_TERTIARY(PROC3_IPI) },

	/* VM-exit control fields, 26.2.1.2 */
	{ "controls.exit.ones", VM_EXIT_CONTROLS, CLEAR_BITS, BIT(0) },
	{ "controls.exit.zeros", VM_EXIT_CONTROLS, SET_BITS, BIT(27) },
	{ "controls.exit2.zeros", FIELD_EXIT_CONTROLS2, SET_BITS, BIT_ULL(40),
	  .on = { { ENTRY_EXIT, EXIT_SECONDARY } } },
	{ "controls.preemption_timer", VM_EXIT_CONTROLS, SET_BITS,
	  VM_EXIT_SAVE_VMX_PREEMPTION_TIMER,
	  .off = { { ENTRY_PIN, PIN_BASED_VMX_PREEMPTION_TIMER } } },
	{ "controls.exit_msr_store.aligned", VM_EXIT_MSR_STORE_ADDR, SET_TO, 8,
	  .also = { { VM_EXIT_MSR_STORE_COUNT, 1 } } },
	{ "controls.exit_msr_store.width", VM_EXIT_MSR_STORE_ADDR, SET_TO, TOO_HIGH,
	  .also = { { VM_EXIT_MSR_STORE_COUNT, 1 } } },
	{ "controls.exit_msr_store.end", VM_EXIT_MSR_STORE_ADDR, SET_TO_END, 16,
	  .also = { { VM_EXIT_MSR_STORE_COUNT, 2 } } },
	{ "controls.exit_msr_load.aligned", VM_EXIT_MSR_LOAD_ADDR, SET_TO, 8,
	  .also = { { VM_EXIT_MSR_LOAD_COUNT, 1 } } },
	{ "controls.exit_msr_load.width", VM_EXIT_MSR_LOAD_ADDR, SET_TO, TOO_HIGH,
	  .also = { { VM_EXIT_MSR_LOAD_COUNT, 1 } } },
	{ "controls.exit_msr_load.end", VM_EXIT_MSR_LOAD_ADDR, SET_TO_END, 16,
	  .also = { { VM_EXIT_MSR_LOAD_COUNT, 2 } } },

	/* VM-entry control fields, 26.2.1.3 */
	{ "controls.entry.ones", VM_ENTRY_CONTROLS, CLEAR_BITS, BIT(0) },
	{ "controls.entry.zeros", VM_ENTRY_CONTROLS, SET_BITS, BIT(31) },
	{ "controls.event.type", EVENT, SET_TO, VALID | INTR_TYPE_RESERVED },
	{ "controls.event.nmi_vector", EVENT, SET_TO, VALID | INTR_TYPE_NMI_INTR | 3 },
	{ "controls.event.exception_vector", EVENT, SET_TO, VALID | INTR_TYPE_HARD_EXCEPTION | 32 },
	{ "controls.event.other_vector", EVENT, SET_TO, VALID | INTR_TYPE_OTHER_EVENT | 1 },
	{ "controls.event.error_code.missing", EVENT, SET_TO,
	  VALID | INTR_TYPE_HARD_EXCEPTION | 13 },
	{ "controls.event.error_code.unexpected", EVENT, SET_TO,
	  VALID | INTR_TYPE_HARD_EXCEPTION | CODE | 6 },
	{ "controls.event.error_code.unexpected", EVENT, SET_TO,
	  VALID | INTR_TYPE_HARD_EXCEPTION | CODE | 13, .from = FROM_REAL },
	{ "controls.event.error_code.unexpected", EVENT, SET_TO,
	  VALID | INTR_TYPE_SOFT_EXCEPTION | CODE | 13 },
	{ "controls.event.reserved", EVENT, SET_TO, VALID | BIT(12) | 0x20 },
	{ "controls.event.error_code.bits", VM_ENTRY_EXCEPTION_ERROR_CODE, SET_TO, BIT(16),
	  .also = { { EVENT, VALID | INTR_TYPE_HARD_EXCEPTION | CODE | 13 } } },
	{ "controls.event.instruction_length", VM_ENTRY_INSTRUCTION_LEN, SET_TO, 16,
	  .also = { { EVENT, VALID | INTR_TYPE_SOFT_INTR | 0x80 } } },
	{ "controls.event.instruction_length", VM_ENTRY_INSTRUCTION_LEN, SET_TO, 16,
	  .also = { { EVENT, VALID | INTR_TYPE_SOFT_EXCEPTION | 3 } } },
	{ "controls.event.instruction_length", VM_ENTRY_INSTRUCTION_LEN, SET_TO, BIT(31),
	  .also = { { EVENT, VALID | INTR_TYPE_PRIV_SW_EXCEPTION | 1 } } },
	{ "controls.event.instruction_length", VM_ENTRY_INSTRUCTION_LEN, SET_TO, 0,
	  .cpu = CPU_NO_LENGTH_0, .also = { { EVENT, VALID | INTR_TYPE_SOFT_INTR | 0x80 },
					    { VM_ENTRY_INSTRUCTION_LEN, 1 } } },
	{ "controls.entry_msr_load.aligned", VM_ENTRY_MSR_LOAD_ADDR, SET_TO, 8,
	  .also = { { VM_ENTRY_MSR_LOAD_COUNT, 1 } } },
	{ "controls.entry_msr_load.width", VM_ENTRY_MSR_LOAD_ADDR, SET_TO, TOO_HIGH,
	  .also = { { VM_ENTRY_MSR_LOAD_COUNT, 1 } } },
	{ "controls.entry_msr_load.end", VM_ENTRY_MSR_LOAD_ADDR, SET_TO_END, 16,
	  .also = { { VM_ENTRY_MSR_LOAD_COUNT, 2 } } },
	/* the emulated CPU finds blocking by SMI missing, which is the guest's state */
	{ "controls.entry.smm", VM_ENTRY_CONTROLS, SET_BITS, VM_ENTRY_SMM, .lax = true },
	{ "controls.entry.dual_monitor", VM_ENTRY_CONTROLS, SET_BITS,
	  VM_ENTRY_DEACT_DUAL_MONITOR },

	/* host control registers and MSRs, 26.2.2 */
	{ "host.cr0.ones", HOST_CR0, CLEAR_BITS, X86_CR0_NE },
	{ "host.cr0.zeros", HOST_CR0, SET_BITS, BIT_ULL(32) },
	{ "host.cr4.ones", HOST_CR4, CLEAR_BITS, X86_CR4_VMXE },
	{ "host.cr4.zeros", HOST_CR4, SET_BITS, BIT_ULL(40) },
	/* the emulated CPU asks only with "load CET state" */
	{ "host.cr4.cet", HOST_CR0, CLEAR_BITS, X86_CR0_WP,
	  .also = { { HOST_CR4, X86_CR4_VMXE | X86_CR4_PAE | CR4_CET } }, .lax = true },
	{ "host.cr3.width", HOST_CR3, SET_BITS, TOO_HIGH },
	NONCANONICAL("host.sysenter_esp", HOST_IA32_SYSENTER_ESP),
	NONCANONICAL("host.sysenter_eip", HOST_IA32_SYSENTER_EIP),
	/* the emulated CPU has the control but not the MSR */
	{ "host.perf_global_ctrl.reserved", HOST_IA32_PERF_GLOBAL_CTRL, SET_BITS, BIT_ULL(63),
	  .on = { { ENTRY_EXIT, VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL } }, .lax = true },
	{ "host.pat", HOST_IA32_PAT, SET_TO, 2 },
	{ "host.efer.reserved", HOST_IA32_EFER, SET_BITS, BIT(1) },
	{ "host.efer.lma", HOST_IA32_EFER, XOR_BITS, EFER_LMA },
	{ "host.efer.lme", HOST_IA32_EFER, XOR_BITS, EFER_LME },
	{ "host.s_cet.reserved", FIELD_HOST_S_CET, SET_BITS, BIT(6), .on = EXIT_CET },
	{ "host.s_cet.reserved", FIELD_HOST_S_CET, SET_BITS, BIT(10) | BIT(11), .on = EXIT_CET },
	/* the emulated CPU takes the low half, and looks at that */
	{ "host.pkrs.reserved", FIELD_HOST_PKRS, SET_BITS, BIT_ULL(32),
	  .on = { { ENTRY_EXIT, EXIT_LOAD_PKRS } }, .lax = true },

	/* host segments, 26.2.3 */
	{ "host.cs.selector", HOST_CS_SELECTOR, SET_BITS, 3 },
	{ "host.ss.selector", HOST_SS_SELECTOR, SET_BITS, 4 },
	{ "host.ds.selector", HOST_DS_SELECTOR, SET_BITS, 3 },
	{ "host.es.selector", HOST_ES_SELECTOR, SET_BITS, 4 },
	{ "host.fs.selector", HOST_FS_SELECTOR, SET_BITS, 1 },
	{ "host.gs.selector", HOST_GS_SELECTOR, SET_BITS, 2 },
	{ "host.tr.selector", HOST_TR_SELECTOR, SET_BITS, 4 },
	{ "host.cs.null", HOST_CS_SELECTOR, SET_TO, 0 },
	{ "host.tr.null", HOST_TR_SELECTOR, SET_TO, 0 },
	{ "host.ss.null", HOST_SS_SELECTOR, SET_TO, 0, .from = FROM_PROTECTED, .cpu = CPU_OLD },
	NONCANONICAL("host.fs.base", HOST_FS_BASE),
	NONCANONICAL("host.gs.base", HOST_GS_BASE),
	NONCANONICAL("host.gdtr.base", HOST_GDTR_BASE),
	NONCANONICAL("host.idtr.base", HOST_IDTR_BASE),
	NONCANONICAL("host.tr.base", HOST_TR_BASE),
	NONCANONICAL("host.ssp_table", FIELD_HOST_SSP_TABLE, .on = EXIT_CET),

	/* address-space size, 26.2.4 */
	{ "host.size.guest_out_of_long_mode", VM_ENTRY_CONTROLS, SET_BITS, VM_ENTRY_IA32E_MODE,
	  .from = FROM_PROTECTED, .cpu = CPU_OLD },
	{ "host.size.out_of_long_mode", VM_EXIT_CONTROLS, SET_BITS, VM_EXIT_HOST_ADDR_SPACE_SIZE,
	  .from = FROM_PROTECTED, .cpu = CPU_OLD,
	  .off = { { ENTRY_EXIT, VM_EXIT_LOAD_IA32_EFER } } },
	{ "host.size.long_mode", VM_EXIT_CONTROLS, CLEAR_BITS, VM_EXIT_HOST_ADDR_SPACE_SIZE,
	  .off = { { ENTRY_EXIT, VM_EXIT_LOAD_IA32_EFER } },
	  .also = { { HOST_SS_SELECTOR, 8 } } },
	{ "host.cr4.pcide", HOST_CR4, SET_BITS, X86_CR4_PCIDE,
	  .from = FROM_PROTECTED, .cpu = CPU_OLD },
	{ "host.rip.high", HOST_RIP, SET_BITS, BIT_ULL(32),
	  .from = FROM_PROTECTED, .cpu = CPU_OLD },
	{ "host.cr4.pae", HOST_CR4, CLEAR_BITS, X86_CR4_PAE },
	NONCANONICAL("host.rip.canonical", HOST_RIP),
	{ "host.s_cet.high", FIELD_HOST_S_CET, SET_BITS, BIT_ULL(32),
	  .from = FROM_PROTECTED, .cpu = CPU_OLD, .on = EXIT_CET },
	{ "host.ssp.high", FIELD_HOST_SSP, SET_BITS, BIT_ULL(32),
	  .from = FROM_PROTECTED, .cpu = CPU_OLD, .on = EXIT_CET },
	NONCANONICAL("host.s_cet.canonical", FIELD_HOST_S_CET, .on = EXIT_CET),
	NONCANONICAL("host.ssp.canonical", FIELD_HOST_SSP, .on = EXIT_CET),
	{ "host.ssp.aligned", FIELD_HOST_SSP, SET_BITS, 1, .on = EXIT_CET },

	/* guest control registers, debug registers and MSRs, 26.3.1.1 */
	{ "guest.cr0.ones", GUEST_CR0, CLEAR_BITS, X86_CR0_NE },
	{ "guest.cr0.ones", GUEST_CR0, CLEAR_BITS, X86_CR0_PG, .off = NO_UNRESTRICTED },
	{ "guest.cr0.zeros", GUEST_CR0, SET_BITS, BIT_ULL(32) },
	{ "guest.cr0.pg", GUEST_CR0, CLEAR_BITS, X86_CR0_PE },
	{ "guest.cr4.ones", GUEST_CR4, CLEAR_BITS, X86_CR4_VMXE },
	{ "guest.cr4.zeros", GUEST_CR4, SET_BITS, BIT_ULL(40) },
	{ "guest.cr4.cet", GUEST_CR0, CLEAR_BITS, X86_CR0_WP,
	  .also = { { GUEST_CR4, X86_CR4_VMXE | X86_CR4_PAE | CR4_CET } } },
	{ "guest.debugctl.reserved", GUEST_IA32_DEBUGCTL, SET_BITS, BIT_ULL(40), .lax = true },
	/* the emulated CPU would run on in a mode that there is not */
	{ "guest.cr0.ia32e", GUEST_CR0, CLEAR_BITS, X86_CR0_PG, .lax = true },
	{ "guest.cr4.ia32e", GUEST_CR4, CLEAR_BITS, X86_CR4_PAE },
	{ "guest.cr4.pcide", GUEST_CR4, SET_BITS, X86_CR4_PCIDE, .from = FROM_PROTECTED },
	{ "guest.cr3.width", GUEST_CR3, SET_BITS, TOO_HIGH },
	{ "guest.dr7.reserved", GUEST_DR7, SET_BITS, BIT_ULL(32) },
	NONCANONICAL("guest.sysenter_esp", GUEST_SYSENTER_ESP),
	NONCANONICAL("guest.sysenter_eip", GUEST_SYSENTER_EIP),
	NONCANONICAL("guest.ssp_table", FIELD_GUEST_SSP_TABLE, .on = ENTRY_CET),
	{ "guest.s_cet.reserved", FIELD_GUEST_S_CET, SET_BITS, BIT(9), .on = ENTRY_CET },
	NONCANONICAL("guest.s_cet.canonical", FIELD_GUEST_S_CET, .on = ENTRY_CET),
	{ "guest.perf_global_ctrl.reserved", GUEST_IA32_PERF_GLOBAL_CTRL, SET_BITS, BIT_ULL(63),
	  .on = { { ENTRY_ENTRY, VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL } }, .lax = true },
	{ "guest.pat", GUEST_IA32_PAT, SET_TO, 2 },
	{ "guest.efer.reserved", GUEST_IA32_EFER, SET_BITS, BIT(1) },
	{ "guest.efer.lma", GUEST_IA32_EFER, XOR_BITS, EFER_LMA },
	{ "guest.efer.lme", GUEST_IA32_EFER, XOR_BITS, EFER_LME },
	{ "guest.bndcfgs.reserved", GUEST_BNDCFGS, SET_BITS, BIT(2),
	  .on = { { ENTRY_ENTRY, VM_ENTRY_LOAD_BNDCFGS } }, .lax = true },
	NONCANONICAL("guest.bndcfgs.base", GUEST_BNDCFGS,
		     .on = { { ENTRY_ENTRY, VM_ENTRY_LOAD_BNDCFGS } }, .lax = true),
	{ "guest.rtit_ctl.reserved", GUEST_IA32_RTIT_CTL, SET_BITS, BIT_ULL(63),
	  .on = { { ENTRY_ENTRY, VM_ENTRY_LOAD_IA32_RTIT_CTL } } },
	{ "guest.lbr_ctl.reserved", FIELD_GUEST_LBR_CTL, SET_BITS, BIT_ULL(63),
	  .on = { { ENTRY_ENTRY, ENTRY_LOAD_LBR_CTL } } },
	{ "guest.pkrs.reserved", FIELD_GUEST_PKRS, SET_BITS, BIT_ULL(32),
	  .on = { { ENTRY_ENTRY, ENTRY_LOAD_PKRS } }, .lax = true },
	{ "guest.uinv.reserved", FIELD_GUEST_UINV, SET_BITS, 0x100,
	  .on = { { ENTRY_ENTRY, ENTRY_LOAD_UINV } } },

	/* guest segments, 26.3.1.2 */
	{ "guest.tr.selector.ti", GUEST_TR_SELECTOR, SET_BITS, 4 },
	{ "guest.ldtr.selector.ti", GUEST_LDTR_SELECTOR, SET_BITS, 4,
	  .also = { { GUEST_LDTR_AR_BYTES, 0x82 }, { GUEST_LDTR_LIMIT, 0xffff } } },
	{ "guest.ss.selector.rpl", GUEST_SS_SELECTOR, XOR_BITS, 1, .off = NO_UNRESTRICTED },
	V8086("cs.base.v8086", AT_CS, GUEST_ES_BASE, 0x10),
	V8086("ss.base.v8086", AT_SS, GUEST_ES_BASE, 1),
	V8086("ds.base.v8086", AT_DS, GUEST_ES_BASE, BIT(20)),
	V8086("es.base.v8086", AT_ES, GUEST_ES_BASE, 8),
	V8086("fs.base.v8086", AT_FS, GUEST_ES_BASE, 0x10),
	V8086("gs.base.v8086", AT_GS, GUEST_ES_BASE, BIT_ULL(40)),
	NONCANONICAL("guest.tr.base", GUEST_TR_BASE),
	NONCANONICAL("guest.fs.base", GUEST_FS_BASE),
	NONCANONICAL("guest.gs.base", GUEST_GS_BASE),
	NONCANONICAL("guest.ldtr.base", GUEST_LDTR_BASE,
		     .also = { { GUEST_LDTR_AR_BYTES, 0x82 }, { GUEST_LDTR_SELECTOR, 0 },
			       { GUEST_LDTR_LIMIT, 0xffff } }),
	{ "guest.cs.base", GUEST_CS_BASE, SET_BITS, BIT_ULL(32) },
	{ "guest.ss.base", GUEST_SS_BASE, SET_BITS, BIT_ULL(32) },
	{ "guest.ds.base", GUEST_DS_BASE, SET_BITS, BIT_ULL(32) },
	{ "guest.es.base", GUEST_ES_BASE, SET_BITS, BIT_ULL(32) },
	V8086("cs.limit.v8086", AT_CS, GUEST_ES_LIMIT, 0x8000),
	V8086("ss.limit.v8086", AT_SS, GUEST_ES_LIMIT, 1),
	V8086("ds.limit.v8086", AT_DS, GUEST_ES_LIMIT, BIT(16)),
	V8086("es.limit.v8086", AT_ES, GUEST_ES_LIMIT, 1),
	V8086("fs.limit.v8086", AT_FS, GUEST_ES_LIMIT, BIT(31)),
	V8086("gs.limit.v8086", AT_GS, GUEST_ES_LIMIT, 1),
	V8086("cs.rights.v8086", AT_CS, GUEST_ES_AR_BYTES, 0x60),
	V8086("ss.rights.v8086", AT_SS, GUEST_ES_AR_BYTES, BIT(12)),
	V8086("ds.rights.v8086", AT_DS, GUEST_ES_AR_BYTES, VMX_AR_UNUSABLE_MASK),
	V8086("es.rights.v8086", AT_ES, GUEST_ES_AR_BYTES, VMX_AR_P_MASK),
	V8086("fs.rights.v8086", AT_FS, GUEST_ES_AR_BYTES, 8),
	V8086("gs.rights.v8086", AT_GS, GUEST_ES_AR_BYTES, BIT(31)),
	AR("cs.type", AT_CS, CLEAR_BITS, 1),
	AR("cs.type", AT_CS, SET_TO, 0xa093, .off = NO_UNRESTRICTED),
	AR("ss.type", AT_SS, CLEAR_BITS, 1),
	AR("ds.type.accessed", AT_DS, CLEAR_BITS, 1),
	AR("ds.type.readable", AT_DS, XOR_BITS, 10),
	AR("es.type.accessed", AT_ES, CLEAR_BITS, 1),
	AR("es.type.readable", AT_ES, XOR_BITS, 10),
	AR("fs.type.accessed", AT_FS, CLEAR_BITS, 1),
	AR("fs.type.readable", AT_FS, XOR_BITS, 10),
	AR("gs.type.accessed", AT_GS, CLEAR_BITS, 1),
	AR("gs.type.readable", AT_GS, XOR_BITS, 10),
	AR("cs.s", AT_CS, CLEAR_BITS, VMX_AR_S_MASK),
	AR("ss.s", AT_SS, CLEAR_BITS, VMX_AR_S_MASK),
	AR("ds.s", AT_DS, CLEAR_BITS, VMX_AR_S_MASK),
	AR("es.s", AT_ES, CLEAR_BITS, VMX_AR_S_MASK),
	AR("fs.s", AT_FS, CLEAR_BITS, VMX_AR_S_MASK),
	AR("gs.s", AT_GS, CLEAR_BITS, VMX_AR_S_MASK),
	AR("cs.dpl.data", AT_CS, SET_TO, 0xa0b3),
	AR("cs.dpl.nonconforming", AT_CS, XOR_BITS, 0x20),
	AR("cs.dpl.conforming", AT_CS, SET_TO, 0xa0bf),
	AR("cs.dpl.conforming", AT_CS, SET_TO, 0xa0bd),
	AR("ss.dpl.rpl", AT_SS, XOR_BITS, 0x20, .off = NO_UNRESTRICTED,
	   .also = { { GUEST_CS_AR_BYTES, 0xa09f } }),
	AR("ss.dpl.real", AT_SS, XOR_BITS, 0x20, .also = { { GUEST_CS_AR_BYTES, 0xa093 } }),
	{ "guest.ds.dpl", GUEST_DS_SELECTOR, SET_BITS, 3, .off = NO_UNRESTRICTED,
	  .also = { { GUEST_DS_AR_BYTES, 0xc0d3 } } },
	{ "guest.es.dpl", GUEST_ES_SELECTOR, SET_BITS, 3, .off = NO_UNRESTRICTED,
	  .also = { { GUEST_ES_AR_BYTES, 0xc0d3 } } },
	{ "guest.fs.dpl", GUEST_FS_SELECTOR, SET_BITS, 1, .off = NO_UNRESTRICTED,
	  .also = { { GUEST_FS_AR_BYTES, 0xc093 } } },
	{ "guest.gs.dpl", GUEST_GS_SELECTOR, SET_BITS, 2, .off = NO_UNRESTRICTED,
	  .also = { { GUEST_GS_AR_BYTES, 0xc09b } } },
	AR("cs.p", AT_CS, CLEAR_BITS, VMX_AR_P_MASK),
	/* CS counts even if it is unusable, and so does TR */
	AR("cs.p", AT_CS, SET_TO, VMX_AR_UNUSABLE_MASK | 0xa01b),
	AR("ss.p", AT_SS, CLEAR_BITS, VMX_AR_P_MASK),
	AR("ds.p", AT_DS, CLEAR_BITS, VMX_AR_P_MASK),
	AR("es.p", AT_ES, CLEAR_BITS, VMX_AR_P_MASK),
	AR("fs.p", AT_FS, CLEAR_BITS, VMX_AR_P_MASK),
	AR("gs.p", AT_GS, CLEAR_BITS, VMX_AR_P_MASK),
	AR("cs.reserved_low", AT_CS, SET_BITS, BIT(8)),
	AR("ss.reserved_low", AT_SS, SET_BITS, BIT(11)),
	AR("ds.reserved_low", AT_DS, SET_BITS, BIT(9)),
	AR("es.reserved_low", AT_ES, SET_BITS, BIT(10)),
	AR("fs.reserved_low", AT_FS, SET_BITS, BIT(8)),
	AR("gs.reserved_low", AT_GS, SET_BITS, BIT(11)),
	AR("cs.d", AT_CS, SET_BITS, VMX_AR_DB_MASK),
	TOO_FINE("cs", AT_CS, .also = { { GUEST_CS_AR_BYTES, 0xa09b } }),
	TOO_FINE("ss", AT_SS, .also = { { GUEST_SS_AR_BYTES, 0xc093 } }),
	TOO_FINE("ds", AT_DS, .also = { { GUEST_DS_AR_BYTES, 0xc093 } }),
	TOO_FINE("es", AT_ES, .also = { { GUEST_ES_AR_BYTES, 0xc093 } }),
	TOO_FINE("fs", AT_FS, .also = { { GUEST_FS_AR_BYTES, 0xc093 } }),
	TOO_FINE("gs", AT_GS, .also = { { GUEST_GS_AR_BYTES, 0xc093 } }),
	AR("cs.g.set", AT_CS, SET_TO, 0x209b, .also = { { GUEST_CS_LIMIT, 0x100fff } }),
	AR("ss.g.set", AT_SS, SET_TO, 0x4093, .also = { { GUEST_SS_LIMIT, 0x100fff } }),
	AR("ds.g.set", AT_DS, SET_TO, 0x4093, .also = { { GUEST_DS_LIMIT, 0x80000fff } }),
	AR("es.g.set", AT_ES, SET_TO, 0x4093, .also = { { GUEST_ES_LIMIT, 0x100fff } }),
	AR("fs.g.set", AT_FS, SET_TO, 0x4093, .also = { { GUEST_FS_LIMIT, 0x100fff } }),
	AR("gs.g.set", AT_GS, SET_TO, 0x4093, .also = { { GUEST_GS_LIMIT, 0x100fff } }),
	AR("cs.reserved_high", AT_CS, SET_BITS, BIT(17)),
	AR("ss.reserved_high", AT_SS, SET_BITS, BIT(18)),
	AR("ds.reserved_high", AT_DS, SET_BITS, BIT(31)),
	AR("es.reserved_high", AT_ES, SET_BITS, BIT(24)),
	AR("fs.reserved_high", AT_FS, SET_BITS, BIT(17)),
	AR("gs.reserved_high", AT_GS, SET_BITS, BIT(17)),
	AR("tr.type", AT_TR, SET_TO, 0x83),
	AR("tr.type", AT_TR, SET_TO, 0x89, .from = FROM_PROTECTED),
	AR("tr.type", AT_TR, SET_TO, VMX_AR_UNUSABLE_MASK | 0x82),
	AR("tr.s", AT_TR, SET_BITS, VMX_AR_S_MASK),
	AR("tr.p", AT_TR, CLEAR_BITS, VMX_AR_P_MASK),
	AR("tr.reserved_low", AT_TR, SET_BITS, BIT(8)),
	AR("tr.g.clear", AT_TR, SET_BITS, VMX_AR_G_MASK, .also = { { GUEST_TR_LIMIT, 0x67 } }),
	{ "guest.tr.g.set", GUEST_TR_LIMIT, SET_TO, 0x100fff,
	  .also = { { GUEST_TR_AR_BYTES, 0x8b } } },
	AR("tr.unusable", AT_TR, SET_BITS, VMX_AR_UNUSABLE_MASK),
	AR("tr.reserved_high", AT_TR, SET_BITS, BIT(17)),
	AR("ldtr.type", AT_LDTR, SET_TO, 0x83),
	AR("ldtr.type", AT_LDTR, SET_TO, 0x83, .from = FROM_V8086),
	AR("ldtr.s", AT_LDTR, SET_TO, 0x92),
	AR("ldtr.p", AT_LDTR, SET_TO, 2),
	AR("ldtr.reserved_low", AT_LDTR, SET_TO, 0x182),
	AR("ldtr.g.clear", AT_LDTR, SET_TO, 0x8082, .also = { { GUEST_LDTR_LIMIT, 0x67 } }),
	{ "guest.ldtr.g.set", GUEST_LDTR_LIMIT, SET_TO, 0x100fff,
	  .also = { { GUEST_LDTR_AR_BYTES, 0x82 } } },
	AR("ldtr.reserved_high", AT_LDTR, SET_TO, 0x20082),

	/* descriptor tables, 26.3.1.3 */
	NONCANONICAL("guest.gdtr.base", GUEST_GDTR_BASE),
	NONCANONICAL("guest.idtr.base", GUEST_IDTR_BASE),
	{ "guest.gdtr.limit", GUEST_GDTR_LIMIT, SET_BITS, BIT(16) },
	{ "guest.idtr.limit", GUEST_IDTR_LIMIT, SET_BITS, BIT(31) },

	/* RIP, RFLAGS and SSP, 26.3.1.4 */
	{ "guest.rip.high", GUEST_RIP, SET_BITS, BIT_ULL(32), .from = FROM_COMPATIBLE },
	NONCANONICAL("guest.rip.width", GUEST_RIP, .lax = true),
	{ "guest.rflags.reserved", GUEST_RFLAGS, SET_BITS, BIT_ULL(22) },
	{ "guest.rflags.reserved", GUEST_RFLAGS, SET_BITS, BIT_ULL(63) },
	{ "guest.rflags.reserved", GUEST_RFLAGS, SET_BITS, BIT(3) },
	{ "guest.rflags.fixed", GUEST_RFLAGS, CLEAR_BITS, X86_EFLAGS_FIXED },
	{ "guest.rflags.vm.ia32e", VM_ENTRY_CONTROLS, SET_BITS, VM_ENTRY_IA32E_MODE,
	  .from = FROM_V8086, .off = { { ENTRY_ENTRY, VM_ENTRY_LOAD_IA32_EFER } },
	  .also = { { GUEST_CR4, X86_CR4_VMXE | X86_CR4_PAE } } },
	{ "guest.rflags.vm.real", GUEST_CR0, CLEAR_BITS, X86_CR0_PE | X86_CR0_PG,
	  .from = FROM_V8086, .lax = true },
	{ "guest.rflags.if", EVENT, SET_TO, VALID | 0x20,
	  .also = { { GUEST_RFLAGS, X86_EFLAGS_FIXED } } },
	{ "guest.ssp.aligned", FIELD_GUEST_SSP, SET_BITS, 2, .on = ENTRY_CET },
	{ "guest.ssp.width", FIELD_GUEST_SSP, SET_TO, NOT_CANONICAL, .on = ENTRY_CET },

	/* state that is in no register, 26.3.1.5 */
	{ "guest.activity.known", GUEST_ACTIVITY_STATE, SET_TO, 4 },
	{ "guest.activity.known", GUEST_ACTIVITY_STATE, SET_TO, GUEST_ACTIVITY_WAIT_SIPI,
	  .cpu = CPU_ACTIVE_ONLY },
	{ "guest.activity.cpl", GUEST_ACTIVITY_STATE, SET_TO, GUEST_ACTIVITY_HLT,
	  .also = { { GUEST_CS_AR_BYTES, 0xa0fb }, { GUEST_SS_AR_BYTES, 0xc0f3 } } },
	{ "guest.activity.blocked", GUEST_ACTIVITY_STATE, SET_TO, GUEST_ACTIVITY_HLT,
	  .also = { { BLOCKED, GUEST_INTR_STATE_MOV_SS } } },
	{ "guest.activity.event.halted", GUEST_ACTIVITY_STATE, SET_TO, GUEST_ACTIVITY_HLT,
	  .also = { { EVENT, VALID | INTR_TYPE_SOFT_INTR | 0x80 },
		    { VM_ENTRY_INSTRUCTION_LEN, 2 } },
	  .lax = true },
	{ "guest.activity.event.halted", GUEST_ACTIVITY_STATE, SET_TO, GUEST_ACTIVITY_HLT,
	  .also = { { EVENT, VALID | INTR_TYPE_HARD_EXCEPTION | 6 } }, .lax = true },
	{ "guest.activity.event.shutdown", GUEST_ACTIVITY_STATE, SET_TO, GUEST_ACTIVITY_SHUTDOWN,
	  .also = { { EVENT, VALID | INTR_TYPE_HARD_EXCEPTION | 1 } } },
	{ "guest.activity.event.shutdown", GUEST_ACTIVITY_STATE, SET_TO, GUEST_ACTIVITY_SHUTDOWN,
	  .also = { { EVENT, VALID | INTR_TYPE_SOFT_INTR | 0x80 },
		    { VM_ENTRY_INSTRUCTION_LEN, 2 } } },
	{ "guest.activity.event.wait_for_sipi", GUEST_ACTIVITY_STATE, SET_TO,
	  GUEST_ACTIVITY_WAIT_SIPI, .also = { { EVENT, NMI } } },
	{ "guest.interruptibility.reserved", BLOCKED, SET_BITS, BIT(5) },
	{ "guest.interruptibility.both", BLOCKED, SET_TO, 3, .also = { IF_SET } },
	{ "guest.interruptibility.sti", BLOCKED, SET_TO, GUEST_INTR_STATE_STI,
	  .also = { { GUEST_RFLAGS, X86_EFLAGS_FIXED } } },
	{ "guest.interruptibility.interrupt", BLOCKED, SET_TO, GUEST_INTR_STATE_MOV_SS,
	  .also = { { EVENT, VALID | 0x20 }, IF_SET } },
	{ "guest.interruptibility.interrupt", BLOCKED, SET_TO, GUEST_INTR_STATE_STI,
	  .also = { { EVENT, VALID | 0x20 }, IF_SET } },
	{ "guest.interruptibility.nmi_mov_ss", BLOCKED, SET_TO, GUEST_INTR_STATE_MOV_SS,
	  .also = { { EVENT, NMI } } },
	{ "guest.interruptibility.smi", BLOCKED, SET_BITS, GUEST_INTR_STATE_SMI },
	/* for which the emulated CPU has no exit qualification of its own */
	{ "guest.interruptibility.nmi_sti", BLOCKED, SET_TO, GUEST_INTR_STATE_STI,
	  .also = { { EVENT, NMI }, IF_SET } },
	{ "guest.interruptibility.virtual_nmi", BLOCKED, SET_TO, GUEST_INTR_STATE_NMI,
	  .on = { { ENTRY_PIN, PIN_BASED_VIRTUAL_NMIS } }, .also = { { EVENT, NMI } },
	  .lax = true },
	{ "guest.interruptibility.enclave_mov_ss", BLOCKED, SET_TO,
	  GUEST_INTR_STATE_ENCLAVE_INTR | GUEST_INTR_STATE_MOV_SS },
	{ "guest.interruptibility.enclave", BLOCKED, SET_TO, GUEST_INTR_STATE_ENCLAVE_INTR,
	  .cpu = CPU_NO_SGX },
	{ "guest.pending_debug.reserved", GUEST_PENDING_DBG_EXCEPTIONS, SET_BITS, BIT(4) },
	/* the emulated CPU looks at the low half only */
	{ "guest.pending_debug.reserved", GUEST_PENDING_DBG_EXCEPTIONS, SET_BITS, BIT_ULL(63),
	  .lax = true },
	{ "guest.pending_debug.bs.missing", BLOCKED, SET_TO, GUEST_INTR_STATE_STI,
	  .also = { { GUEST_RFLAGS, X86_EFLAGS_FIXED | X86_EFLAGS_IF | X86_EFLAGS_TF },
		    { GUEST_IA32_DEBUGCTL, 0 } }, .lax = true },
	{ "guest.pending_debug.bs.unexpected", GUEST_PENDING_DBG_EXCEPTIONS, SET_BITS, BIT(14),
	  .also = { { BLOCKED, GUEST_INTR_STATE_MOV_SS } }, .lax = true },
	{ "guest.pending_debug.rtm.alone", GUEST_PENDING_DBG_EXCEPTIONS, SET_TO, BIT(16),
	  .cpu = CPU_RTM },
	{ "guest.pending_debug.rtm.mov_ss", GUEST_PENDING_DBG_EXCEPTIONS, SET_TO,
	  BIT(16) | BIT(12), .cpu = CPU_RTM, .also = { { BLOCKED, GUEST_INTR_STATE_MOV_SS } } },
	{ "guest.link_pointer.aligned", VMCS_LINK_POINTER, SET_TO, 0x10 },
	{ "guest.link_pointer.width", VMCS_LINK_POINTER, SET_TO, TOO_HIGH },
	{ "guest.link_pointer.revision", VMCS_LINK_POINTER, SET_TO_PAGE, AT_OTHER_VMCS },
	{ "guest.link_pointer.shadow", VMCS_LINK_POINTER, SET_TO_PAGE, AT_LINKED,
	  .on = { { ENTRY_PROC2, SECONDARY_EXEC_SHADOW_VMCS } } },
	{ "guest.link_pointer.current", VMCS_LINK_POINTER, SET_TO_PAGE, AT_CURRENT },

	/* PDPTEs, 26.3.1.6 */
	{ "guest.pdpte_0", GUEST_PDPTR0, SET_TO, 0x1003, .from = FROM_PAE },
	{ "guest.pdpte_1", GUEST_PDPTR1, SET_TO, 0x1005, .from = FROM_PAE },
	{ "guest.pdpte_2", GUEST_PDPTR2, SET_TO, 0x1101, .from = FROM_PAE },
	{ "guest.pdpte_3", GUEST_PDPTR3, SET_TO, TOO_HIGH | 1, .from = FROM_PAE },
	{ "guest.pdptes_in_memory", GUEST_CR3, SET_TO_PAGE, AT_BAD_PDPTES, .from = FROM_PAE,
	  .off = NO_EPT },

	/* MSRs to be loaded, 26.4; the emulated CPU ignores those that it does not know */
	BAD_LOAD("base", 0),
	BAD_LOAD("base", 1),
	BAD_LOAD("x2apic", 2),
	BAD_LOAD("smm", 3, .lax = true),
	BAD_LOAD("microcode", 4, .lax = true),
	BAD_LOAD("reserved", 5),
	BAD_LOAD("read_only", 6),
	BAD_LOAD("canonical", 7),
	BAD_LOAD("pat", 8),
	BAD_LOAD("efer.reserved", 9),
	BAD_LOAD("efer.lme", 10),
	BAD_LOAD("bits", 11, .lax = true),	/* it takes the low half */
	BAD_LOAD("bits", 12, .lax = true),
	BAD_LOAD("bits", 13, .lax = true),
	BAD_LOAD("microcode", 14, .lax = true),
	BAD_LOAD("read_only", 15),
	BAD_LOAD("read_only", 16),
};

#undef VALID
#undef CODE
#undef SECONDARY
#undef TERTIARY
#undef EVENT
#undef BLOCKED
#undef NMI
#undef IF_SET
#undef NO_UNRESTRICTED
#undef NO_EPT
#undef UNALIGNED
#undef BEYOND
#undef NONCANONICAL
#undef AR
#undef V8086
#undef TOO_FINE
#undef BAD_LOAD
#undef WITH_POSTED
#undef WITH_TERTIARY
#undef WITH_PT
#undef EXIT_CET
#undef ENTRY_CET

#endif
