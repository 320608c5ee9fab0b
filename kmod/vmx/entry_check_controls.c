// SPDX-License-Identifier: GPL-2.0
/*
 * entry_check_controls.c - what VM entry demands of the VM-execution, VM-exit
 * and VM-entry control fields: a table in the order of SDM vol. 3C 26.2.1.1 to
 * 26.2.1.3, and the few rules that are more than a mask.  A broken one is VMfail
 * with error 7.
 */
#include "entry_check_priv.h"

/* The capability MSR says in its low half which bits must be 1 ... */
static bool must_be_one(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(~value & (u32)s->cpu->allowed[row->with.word]);
}

/* ... and in its high half which may be. */
static bool may_be_one(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & ~(s->cpu->allowed[row->with.word] >> 32));
}

/* The newer words are of 64 bits, their MSRs have only the second half of that. */
static bool may_be_one64(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & ~s->cpu->allowed[row->with.word]);
}

static bool cr3_targets(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return value <= (s->cpu->misc >> 16 & 0x1ff);
}

/* Byte 80H of the virtual-APIC page. */
static bool vtpr(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	u64 page = entry_get(s, VIRTUAL_APIC_PAGE_ADDR);
	u8 tpr;

	return !s->cpu->read(s->cpu->opaque, page + 0x80, &tpr, sizeof(tpr)) ||
	       (value & 15) <= tpr >> 4;
}

static bool ept_memory_type(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	switch (value & VMX_EPTP_MT_MASK) {
	case 0:				/* UC */
		return s->cpu->ept_vpid & VMX_EPTP_UC_BIT;
	case 6:				/* WB */
		return s->cpu->ept_vpid & VMX_EPTP_WB_BIT;
	default:
		return false;
	}
}

static bool ept_levels(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	switch (value & VMX_EPTP_PWL_MASK) {
	case VMX_EPTP_PWL_4:
		return s->cpu->ept_vpid & VMX_EPT_PAGE_WALK_4_BIT;
	case VMX_EPTP_PWL_5:
		return s->cpu->ept_vpid & VMX_EPT_PAGE_WALK_5_BIT;
	default:
		return false;
	}
}

static bool ept_accessed_dirty(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & VMX_EPTP_AD_ENABLE_BIT) || s->cpu->ept_vpid & VMX_EPT_AD_BIT;
}

static bool ept_shadow_stack(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & BIT(7)) || s->cpu->ept_vpid & EPT_CAP_SHADOW_STACK;
}

static bool vm_functions(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & ~s->cpu->vmfunc);
}

static bool switches_eptp(const struct entry_state *s)
{
	return entry_get(s, VM_FUNCTION_CONTROL) & VMX_VMFUNC_EPTP_SWITCHING;
}

static bool eptp_switching(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !switches_eptp(s) || entry_on(s, row, value);
}

static bool eptp_list_aligned(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !switches_eptp(s) || entry_zeros(s, row, value);
}

static bool eptp_list_width(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !switches_eptp(s) || entry_width(s, row, value);
}

static bool not_tracing(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !s->cpu->tracing;
}

/* The last entry of the PID-pointer table begins at 8 times the last index. */
static bool pid_table_end(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	u64 last = value + 8 * entry_get(s, LAST_PID_POINTER_INDEX);

	return last >= value && entry_width(s, row, last);
}

/* For MSR areas: arg is the field with the number of entries. */
static bool area_aligned(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !entry_get(s, row->arg) || !(value & 15);
}

static bool area_width(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !entry_get(s, row->arg) || entry_width(s, row, value);
}

static bool area_end(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	u64 count = (u32)entry_get(s, row->arg);
	u64 last = value + 16 * count - 1;

	return !count || (last >= value && entry_width(s, row, last));
}

static bool event_known_type(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	const u64 can = s->cpu->allowed[ENTRY_PROC] >> 32;

	if (event_is(s, INTR_TYPE_OTHER_EVENT))
		return can & CPU_BASED_MONITOR_TRAP_FLAG;
	return !event_is(s, INTR_TYPE_RESERVED);
}

static bool nmi_vector(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !event_is(s, INTR_TYPE_NMI_INTR) || event_vector(s) == 2;
}

static bool exception_vector(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !event_is(s, INTR_TYPE_HARD_EXCEPTION) || event_vector(s) <= 31;
}

static bool other_vector(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !event_is(s, INTR_TYPE_OTHER_EVENT) || event_vector(s) == 0;
}

/* #DF, #TS, #NP, #SS, #GP, #PF and #AC. */
#define ERROR_CODE_VECTORS (BIT(8) | GENMASK(14, 10) | BIT(17))

static bool protected_mode(const struct entry_state *s)
{
	return !s->unrestricted || entry_get(s, GUEST_CR0) & X86_CR0_PE;
}

static bool error_code_due(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	if (!event_is(s, INTR_TYPE_HARD_EXCEPTION) || !protected_mode(s) ||
	    event_vector(s) > 31 || s->cpu->basic & BASIC_ERROR_CODES)
		return true;
	return !(ERROR_CODE_VECTORS >> event_vector(s) & 1) ||
	       s->event & INTR_INFO_DELIVER_CODE_MASK;
}

static bool error_code_allowed(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	if (!(s->event & INTR_INFO_DELIVER_CODE_MASK))
		return true;
	if (!event_is(s, INTR_TYPE_HARD_EXCEPTION) || !protected_mode(s))
		return false;
	return s->cpu->basic & BASIC_ERROR_CODES ||
	       (event_vector(s) <= 31 && ERROR_CODE_VECTORS >> event_vector(s) & 1);
}

static bool event_reserved(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(s->event & INTR_INFO_RESVD_BITS_MASK);
}

static bool error_code_bits(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(s->event & INTR_INFO_DELIVER_CODE_MASK) || !(value & GENMASK(31, 16));
}

/* Events that an instruction causes: RIP is taken to its end. */
static bool event_length(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	if (!event_is(s, INTR_TYPE_SOFT_INTR) && !event_is(s, INTR_TYPE_PRIV_SW_EXCEPTION) &&
	    !event_is(s, INTR_TYPE_SOFT_EXCEPTION))
		return true;
	return value <= 15 && (value || s->cpu->misc & MISC_ZERO_LENGTH);
}

/* Rows.  Those of one kind have a short form. */

#define EXECUTION	"26.2.1.1"
#define EXIT		"26.2.1.2"
#define ENTRY		"26.2.1.3"

#define RULE(n, s, t) \
	.rule = { .name = "controls." n, .text = t, .sdm = s, .class = ENTRY_CONTROLS }

#define FIXED_ONES(n, s, f, w) \
	{ RULE(n ".ones", s, "bits that the CPU fixes to 1 are 1"), \
	  .field = f, .with.word = w, .holds = must_be_one }
#define FIXED_ZEROS(n, s, f, w) \
	{ RULE(n ".zeros", s, "bits that the CPU does not allow are 0"), \
	  .field = f, .with.word = w, .holds = may_be_one }

#define PAGE_ALIGNED(n, f, w, b) \
	{ RULE(n ".aligned", EXECUTION, "the address is a multiple of 4096"), \
	  .field = f, .when = { w, b }, .arg = 0xfff, .holds = entry_zeros }
#define IN_WIDTH(n, f, w, b) \
	{ RULE(n ".width", EXECUTION, "the address is in the CPU's physical-address width"), \
	  .field = f, .when = { w, b }, .holds = entry_width }

/* Control b of word w, in field f, demands all of b2 in word w2. */
#define NEEDS(n, t, f, w, b, w2, b2) \
	{ RULE(n, EXECUTION, t), \
	  .field = f, .when = { w, b }, .with = { w2, b2 }, .holds = entry_on }
/* The same, for both in the secondary controls. */
#define NEEDS_EPT(n, t, b) \
	NEEDS(n, t " needs \"enable EPT\"", SECONDARY_VM_EXEC_CONTROL, ENTRY_PROC2, b, \
	      ENTRY_PROC2, SECONDARY_EXEC_ENABLE_EPT)

#define MSR_AREA(n, s, t, h, f, c) \
	{ RULE(n, s, t), .field = f, .arg = c, .holds = h }

static const struct entry_row rows[] = {
	/* ---- 26.2.1.1: VM-execution control fields ---- */
	FIXED_ONES("pin", EXECUTION, PIN_BASED_VM_EXEC_CONTROL, ENTRY_PIN),
	FIXED_ZEROS("pin", EXECUTION, PIN_BASED_VM_EXEC_CONTROL, ENTRY_PIN),
	FIXED_ONES("primary", EXECUTION, CPU_BASED_VM_EXEC_CONTROL, ENTRY_PROC),
	FIXED_ZEROS("primary", EXECUTION, CPU_BASED_VM_EXEC_CONTROL, ENTRY_PROC),
	{ RULE("secondary.zeros", EXECUTION, "bits that the CPU does not allow are 0"),
	  .field = SECONDARY_VM_EXEC_CONTROL,
	  .when = { ENTRY_PROC, CPU_BASED_ACTIVATE_SECONDARY_CONTROLS },
	  .with.word = ENTRY_PROC2, .holds = may_be_one },
	{ RULE("tertiary.zeros", EXECUTION, "bits that the CPU does not allow are 0"),
	  .field = TERTIARY_VM_EXEC_CONTROL,
	  .when = { ENTRY_PROC, CPU_BASED_ACTIVATE_TERTIARY_CONTROLS },
	  .with.word = ENTRY_PROC3, .holds = may_be_one64 },
	{ RULE("cr3_target_count", EXECUTION, "there are no more CR3 targets than the CPU has"),
	  .field = CR3_TARGET_COUNT, .holds = cr3_targets },
	PAGE_ALIGNED("io_bitmap_a", IO_BITMAP_A, ENTRY_PROC, CPU_BASED_USE_IO_BITMAPS),
	IN_WIDTH("io_bitmap_a", IO_BITMAP_A, ENTRY_PROC, CPU_BASED_USE_IO_BITMAPS),
	PAGE_ALIGNED("io_bitmap_b", IO_BITMAP_B, ENTRY_PROC, CPU_BASED_USE_IO_BITMAPS),
	IN_WIDTH("io_bitmap_b", IO_BITMAP_B, ENTRY_PROC, CPU_BASED_USE_IO_BITMAPS),
	PAGE_ALIGNED("msr_bitmap", MSR_BITMAP, ENTRY_PROC, CPU_BASED_USE_MSR_BITMAPS),
	IN_WIDTH("msr_bitmap", MSR_BITMAP, ENTRY_PROC, CPU_BASED_USE_MSR_BITMAPS),
	PAGE_ALIGNED("virtual_apic", VIRTUAL_APIC_PAGE_ADDR, ENTRY_PROC, CPU_BASED_TPR_SHADOW),
	IN_WIDTH("virtual_apic", VIRTUAL_APIC_PAGE_ADDR, ENTRY_PROC, CPU_BASED_TPR_SHADOW),
	{ RULE("tpr_threshold.reserved", EXECUTION,
	       "bits 31:4 are 0 unless virtual interrupts are delivered"),
	  .field = TPR_THRESHOLD, .when = { ENTRY_PROC, CPU_BASED_TPR_SHADOW },
	  .unless = { ENTRY_PROC2, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY },
	  .arg = GENMASK(31, 4), .holds = entry_zeros },
	{ RULE("tpr_threshold.vtpr", EXECUTION,
	       "it is not above bits 7:4 of VTPR if nothing more of the APIC is virtual"),
	  .field = TPR_THRESHOLD, .when = { ENTRY_PROC, CPU_BASED_TPR_SHADOW },
	  .unless = { ENTRY_PROC2, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY |
		      SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES },
	  .holds = vtpr },
	NEEDS("virtual_nmis", "\"virtual NMIs\" needs \"NMI exiting\"",
	      PIN_BASED_VM_EXEC_CONTROL, ENTRY_PIN, PIN_BASED_VIRTUAL_NMIS,
	      ENTRY_PIN, PIN_BASED_NMI_EXITING),
	NEEDS("nmi_window", "\"NMI-window exiting\" needs \"virtual NMIs\"",
	      CPU_BASED_VM_EXEC_CONTROL, ENTRY_PROC, CPU_BASED_NMI_WINDOW_EXITING,
	      ENTRY_PIN, PIN_BASED_VIRTUAL_NMIS),
	PAGE_ALIGNED("apic_access", APIC_ACCESS_ADDR, ENTRY_PROC2,
		     SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES),
	IN_WIDTH("apic_access", APIC_ACCESS_ADDR, ENTRY_PROC2,
		 SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES),
	NEEDS("x2apic.tpr_shadow", "\"virtualize x2APIC mode\" needs \"use TPR shadow\"",
	      SECONDARY_VM_EXEC_CONTROL, ENTRY_PROC2, SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE,
	      ENTRY_PROC, CPU_BASED_TPR_SHADOW),
	NEEDS("apic_registers.tpr_shadow",
	      "\"APIC-register virtualization\" needs \"use TPR shadow\"",
	      SECONDARY_VM_EXEC_CONTROL, ENTRY_PROC2, SECONDARY_EXEC_APIC_REGISTER_VIRT,
	      ENTRY_PROC, CPU_BASED_TPR_SHADOW),
	NEEDS("virtual_interrupts.tpr_shadow",
	      "\"virtual-interrupt delivery\" needs \"use TPR shadow\"",
	      SECONDARY_VM_EXEC_CONTROL, ENTRY_PROC2, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY,
	      ENTRY_PROC, CPU_BASED_TPR_SHADOW),
	NEEDS("ipi.tpr_shadow", "\"IPI virtualization\" needs \"use TPR shadow\"",
	      TERTIARY_VM_EXEC_CONTROL, ENTRY_PROC3, PROC3_IPI,
	      ENTRY_PROC, CPU_BASED_TPR_SHADOW),
	{ RULE("x2apic.apic_access", EXECUTION,
	       "\"virtualize x2APIC mode\" excludes \"virtualize APIC accesses\""),
	  .field = SECONDARY_VM_EXEC_CONTROL,
	  .when = { ENTRY_PROC2, SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE },
	  .with = { ENTRY_PROC2, SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES }, .holds = entry_off },
	NEEDS("virtual_interrupts.external",
	      "\"virtual-interrupt delivery\" needs \"external-interrupt exiting\"",
	      SECONDARY_VM_EXEC_CONTROL, ENTRY_PROC2, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY,
	      ENTRY_PIN, PIN_BASED_EXT_INTR_MASK),
	NEEDS("posted.delivery",
	      "\"process posted interrupts\" needs \"virtual-interrupt delivery\"",
	      PIN_BASED_VM_EXEC_CONTROL, ENTRY_PIN, PIN_BASED_POSTED_INTR,
	      ENTRY_PROC2, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY),
	NEEDS("posted.acknowledge",
	      "\"process posted interrupts\" needs \"acknowledge interrupt on exit\"",
	      PIN_BASED_VM_EXEC_CONTROL, ENTRY_PIN, PIN_BASED_POSTED_INTR,
	      ENTRY_EXIT, VM_EXIT_ACK_INTR_ON_EXIT),
	{ RULE("posted.vector", EXECUTION, "the notification vector is at most 255"),
	  .field = POSTED_INTR_NV, .when = { ENTRY_PIN, PIN_BASED_POSTED_INTR },
	  .arg = 0xff00, .holds = entry_zeros },
	{ RULE("posted.aligned", EXECUTION, "the address is a multiple of 64"),
	  .field = POSTED_INTR_DESC_ADDR, .when = { ENTRY_PIN, PIN_BASED_POSTED_INTR },
	  .arg = 0x3f, .holds = entry_zeros },
	IN_WIDTH("posted", POSTED_INTR_DESC_ADDR, ENTRY_PIN, PIN_BASED_POSTED_INTR),
	{ RULE("vpid", EXECUTION, "the VPID is not 0, which is the host's"),
	  .field = VIRTUAL_PROCESSOR_ID, .when = { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_VPID },
	  .holds = entry_nonzero },
	{ RULE("eptp.memory_type", EXECUTION, "the memory type is one that the CPU has for EPT"),
	  .field = EPT_POINTER, .when = { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_EPT },
	  .holds = ept_memory_type },
	{ RULE("eptp.levels", EXECUTION, "the page-walk length is one that the CPU has"),
	  .field = EPT_POINTER, .when = { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_EPT },
	  .holds = ept_levels },
	{ RULE("eptp.accessed_dirty", EXECUTION,
	       "accessed and dirty flags are only used if the CPU has them"),
	  .field = EPT_POINTER, .when = { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_EPT },
	  .holds = ept_accessed_dirty },
	{ RULE("eptp.shadow_stack", EXECUTION,
	       "supervisor shadow-stack pages are only enforced if the CPU can do that"),
	  .field = EPT_POINTER, .when = { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_EPT },
	  .holds = ept_shadow_stack },
	{ RULE("eptp.reserved", EXECUTION, "bits 11:8 are 0"),
	  .field = EPT_POINTER, .when = { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_EPT },
	  .arg = 0xf00, .holds = entry_zeros },
	IN_WIDTH("eptp", EPT_POINTER, ENTRY_PROC2, SECONDARY_EXEC_ENABLE_EPT),
	NEEDS_EPT("pml.ept", "\"enable PML\"", SECONDARY_EXEC_ENABLE_PML),
	PAGE_ALIGNED("pml", PML_ADDRESS, ENTRY_PROC2, SECONDARY_EXEC_ENABLE_PML),
	IN_WIDTH("pml", PML_ADDRESS, ENTRY_PROC2, SECONDARY_EXEC_ENABLE_PML),
	NEEDS_EPT("unrestricted.ept", "\"unrestricted guest\"",
		  SECONDARY_EXEC_UNRESTRICTED_GUEST),
	NEEDS_EPT("mode_based.ept", "\"mode-based execute control for EPT\"",
		  SECONDARY_EXEC_MODE_BASED_EPT_EXEC),
	NEEDS_EPT("spp.ept", "\"sub-page write permissions for EPT\"", PROC2_SPP),
	PAGE_ALIGNED("spp", FIELD_SPP_TABLE, ENTRY_PROC2, PROC2_SPP),
	IN_WIDTH("spp", FIELD_SPP_TABLE, ENTRY_PROC2, PROC2_SPP),
	{ RULE("vm_functions.zeros", EXECUTION, "only functions are enabled that the CPU has"),
	  .field = VM_FUNCTION_CONTROL, .when = { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_VMFUNC },
	  .holds = vm_functions },
	{ RULE("eptp_switching.ept", EXECUTION, "EPTP switching needs \"enable EPT\""),
	  .field = VM_FUNCTION_CONTROL, .when = { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_VMFUNC },
	  .with = { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_EPT }, .holds = eptp_switching },
	{ RULE("eptp_list.aligned", EXECUTION, "the address is a multiple of 4096"),
	  .field = EPTP_LIST_ADDRESS, .when = { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_VMFUNC },
	  .arg = 0xfff, .holds = eptp_list_aligned },
	{ RULE("eptp_list.width", EXECUTION, "the address is in the CPU's physical-address width"),
	  .field = EPTP_LIST_ADDRESS, .when = { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_VMFUNC },
	  .holds = eptp_list_width },
	PAGE_ALIGNED("vmread_bitmap", VMREAD_BITMAP, ENTRY_PROC2, SECONDARY_EXEC_SHADOW_VMCS),
	IN_WIDTH("vmread_bitmap", VMREAD_BITMAP, ENTRY_PROC2, SECONDARY_EXEC_SHADOW_VMCS),
	PAGE_ALIGNED("vmwrite_bitmap", VMWRITE_BITMAP, ENTRY_PROC2, SECONDARY_EXEC_SHADOW_VMCS),
	IN_WIDTH("vmwrite_bitmap", VMWRITE_BITMAP, ENTRY_PROC2, SECONDARY_EXEC_SHADOW_VMCS),
	PAGE_ALIGNED("ve_information", FIELD_VE_INFORMATION, ENTRY_PROC2, PROC2_VE),
	IN_WIDTH("ve_information", FIELD_VE_INFORMATION, ENTRY_PROC2, PROC2_VE),
	{ RULE("pt.tracing", EXECUTION, "\"load IA32_RTIT_CTL\" is 0 while the host is traced"),
	  .field = VM_ENTRY_CONTROLS, .when = { ENTRY_ENTRY, VM_ENTRY_LOAD_IA32_RTIT_CTL },
	  .holds = not_tracing },
	NEEDS_EPT("pt.ept", "\"Intel PT uses guest physical addresses\"",
		  SECONDARY_EXEC_PT_USE_GPA),
	NEEDS("pt.load",
	      "\"Intel PT uses guest physical addresses\" needs \"load IA32_RTIT_CTL\"",
	      SECONDARY_VM_EXEC_CONTROL, ENTRY_PROC2, SECONDARY_EXEC_PT_USE_GPA,
	      ENTRY_ENTRY, VM_ENTRY_LOAD_IA32_RTIT_CTL),
	NEEDS("pt.clear",
	      "\"Intel PT uses guest physical addresses\" needs \"clear IA32_RTIT_CTL\"",
	      SECONDARY_VM_EXEC_CONTROL, ENTRY_PROC2, SECONDARY_EXEC_PT_USE_GPA,
	      ENTRY_EXIT, VM_EXIT_CLEAR_IA32_RTIT_CTL),
	{ RULE("tsc_multiplier", EXECUTION, "the multiplier is not 0"),
	  .field = TSC_MULTIPLIER, .when = { ENTRY_PROC2, SECONDARY_EXEC_TSC_SCALING },
	  .holds = entry_nonzero },
	NEEDS("hlat.ept", "\"enable HLAT\" needs \"enable EPT\"",
	      TERTIARY_VM_EXEC_CONTROL, ENTRY_PROC3, PROC3_HLAT,
	      ENTRY_PROC2, SECONDARY_EXEC_ENABLE_EPT),
	NEEDS("paging_write.ept", "\"EPT paging-write control\" needs \"enable EPT\"",
	      TERTIARY_VM_EXEC_CONTROL, ENTRY_PROC3, PROC3_PAGING_WRITE,
	      ENTRY_PROC2, SECONDARY_EXEC_ENABLE_EPT),
	NEEDS("paging_verify.ept", "\"guest-paging verification\" needs \"enable EPT\"",
	      TERTIARY_VM_EXEC_CONTROL, ENTRY_PROC3, PROC3_PAGING_VERIFY,
	      ENTRY_PROC2, SECONDARY_EXEC_ENABLE_EPT),
	{ RULE("hlat.reserved", EXECUTION, "bits 2:0 and 11:5 are 0"),
	  .field = FIELD_HLAT_POINTER, .when = { ENTRY_PROC3, PROC3_HLAT },
	  .arg = 0xfe7, .holds = entry_zeros },
	IN_WIDTH("hlat", FIELD_HLAT_POINTER, ENTRY_PROC3, PROC3_HLAT),
	PAGE_ALIGNED("low_pasid", FIELD_LOW_PASID_DIRECTORY, ENTRY_PROC2, PROC2_PASID),
	IN_WIDTH("low_pasid", FIELD_LOW_PASID_DIRECTORY, ENTRY_PROC2, PROC2_PASID),
	PAGE_ALIGNED("high_pasid", FIELD_HIGH_PASID_DIRECTORY, ENTRY_PROC2, PROC2_PASID),
	IN_WIDTH("high_pasid", FIELD_HIGH_PASID_DIRECTORY, ENTRY_PROC2, PROC2_PASID),
	{ RULE("pid_table.aligned", EXECUTION, "the address is a multiple of 8"),
	  .field = PID_POINTER_TABLE, .when = { ENTRY_PROC3, PROC3_IPI },
	  .arg = 7, .holds = entry_zeros },
	IN_WIDTH("pid_table", PID_POINTER_TABLE, ENTRY_PROC3, PROC3_IPI),
	{ RULE("pid_table.end", EXECUTION,
	       "the table's last entry is in the CPU's physical-address width"),
	  .field = PID_POINTER_TABLE, .when = { ENTRY_PROC3, PROC3_IPI },
	  .holds = pid_table_end },

	/* ---- 26.2.1.2: VM-exit control fields ---- */
	FIXED_ONES("exit", EXIT, VM_EXIT_CONTROLS, ENTRY_EXIT),
	FIXED_ZEROS("exit", EXIT, VM_EXIT_CONTROLS, ENTRY_EXIT),
	{ RULE("exit2.zeros", EXIT, "bits that the CPU does not allow are 0"),
	  .field = FIELD_EXIT_CONTROLS2, .when = { ENTRY_EXIT, EXIT_SECONDARY },
	  .with.word = ENTRY_EXIT2, .holds = may_be_one64 },
	{ RULE("preemption_timer", EXIT,
	       "\"save VMX-preemption timer value\" needs \"activate VMX-preemption timer\""),
	  .field = VM_EXIT_CONTROLS, .when = { ENTRY_EXIT, VM_EXIT_SAVE_VMX_PREEMPTION_TIMER },
	  .with = { ENTRY_PIN, PIN_BASED_VMX_PREEMPTION_TIMER }, .holds = entry_on },
	MSR_AREA("exit_msr_store.aligned", EXIT, "the address is a multiple of 16",
		 area_aligned, VM_EXIT_MSR_STORE_ADDR, VM_EXIT_MSR_STORE_COUNT),
	MSR_AREA("exit_msr_store.width", EXIT, "the address is in the CPU's physical-address width",
		 area_width, VM_EXIT_MSR_STORE_ADDR, VM_EXIT_MSR_STORE_COUNT),
	MSR_AREA("exit_msr_store.end", EXIT,
		 "the area's last byte is in the CPU's physical-address width",
		 area_end, VM_EXIT_MSR_STORE_ADDR, VM_EXIT_MSR_STORE_COUNT),
	MSR_AREA("exit_msr_load.aligned", EXIT, "the address is a multiple of 16",
		 area_aligned, VM_EXIT_MSR_LOAD_ADDR, VM_EXIT_MSR_LOAD_COUNT),
	MSR_AREA("exit_msr_load.width", EXIT, "the address is in the CPU's physical-address width",
		 area_width, VM_EXIT_MSR_LOAD_ADDR, VM_EXIT_MSR_LOAD_COUNT),
	MSR_AREA("exit_msr_load.end", EXIT,
		 "the area's last byte is in the CPU's physical-address width",
		 area_end, VM_EXIT_MSR_LOAD_ADDR, VM_EXIT_MSR_LOAD_COUNT),

	/* ---- 26.2.1.3: VM-entry control fields ---- */
	FIXED_ONES("entry", ENTRY, VM_ENTRY_CONTROLS, ENTRY_ENTRY),
	FIXED_ZEROS("entry", ENTRY, VM_ENTRY_CONTROLS, ENTRY_ENTRY),
	{ RULE("event.type", ENTRY, "the interruption type is none that is reserved"),
	  .field = VM_ENTRY_INTR_INFO_FIELD, .holds = event_known_type },
	{ RULE("event.nmi_vector", ENTRY, "an NMI has vector 2"),
	  .field = VM_ENTRY_INTR_INFO_FIELD, .holds = nmi_vector },
	{ RULE("event.exception_vector", ENTRY, "a hardware exception has a vector up to 31"),
	  .field = VM_ENTRY_INTR_INFO_FIELD, .holds = exception_vector },
	{ RULE("event.other_vector", ENTRY, "another event has vector 0: a pending MTF VM exit"),
	  .field = VM_ENTRY_INTR_INFO_FIELD, .holds = other_vector },
	{ RULE("event.error_code.missing", ENTRY,
	       "an exception that has an error code delivers one, in protected mode"),
	  .field = VM_ENTRY_INTR_INFO_FIELD, .holds = error_code_due },
	{ RULE("event.error_code.unexpected", ENTRY,
	       "only an exception that has an error code delivers one, in protected mode"),
	  .field = VM_ENTRY_INTR_INFO_FIELD, .holds = error_code_allowed },
	{ RULE("event.reserved", ENTRY, "bits 30:12 are 0"),
	  .field = VM_ENTRY_INTR_INFO_FIELD, .holds = event_reserved },
	{ RULE("event.error_code.bits", ENTRY,
	       "bits 31:16 of an error code that is delivered are 0"),
	  .field = VM_ENTRY_EXCEPTION_ERROR_CODE, .holds = error_code_bits },
	{ RULE("event.instruction_length", ENTRY,
	       "an event's instruction has 1 to 15 bytes, or 0 if the CPU takes that"),
	  .field = VM_ENTRY_INSTRUCTION_LEN, .holds = event_length },
	MSR_AREA("entry_msr_load.aligned", ENTRY, "the address is a multiple of 16",
		 area_aligned, VM_ENTRY_MSR_LOAD_ADDR, VM_ENTRY_MSR_LOAD_COUNT),
	MSR_AREA("entry_msr_load.width", ENTRY,
		 "the address is in the CPU's physical-address width",
		 area_width, VM_ENTRY_MSR_LOAD_ADDR, VM_ENTRY_MSR_LOAD_COUNT),
	MSR_AREA("entry_msr_load.end", ENTRY,
		 "the area's last byte is in the CPU's physical-address width",
		 area_end, VM_ENTRY_MSR_LOAD_ADDR, VM_ENTRY_MSR_LOAD_COUNT),
	{ RULE("entry.smm", ENTRY, "\"entry to SMM\" is 0 outside of SMM"),
	  .field = VM_ENTRY_CONTROLS, .arg = VM_ENTRY_SMM, .holds = entry_zeros },
	{ RULE("entry.dual_monitor", ENTRY,
	       "\"deactivate dual-monitor treatment\" is 0 outside of SMM"),
	  .field = VM_ENTRY_CONTROLS, .arg = VM_ENTRY_DEACT_DUAL_MONITOR, .holds = entry_zeros },
};

const struct entry_table entry_controls = { rows, ARRAY_SIZE(rows) };
