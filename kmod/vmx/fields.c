// SPDX-License-Identifier: GPL-2.0
/*
 * fields.c - the table of the fields of a VMCS, and how one is found in it by
 * its encoding (SDM vol. 3C appendix B).  Calls nothing, knows no vCPU.
 */
#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <asm/vmx.h>
#else
#include "vmx_shim.h"
#endif

#include "fields.h"

const struct vmcs_field_info vmcs_fields[] = {
	/* 16-bit control fields */
	{ VIRTUAL_PROCESSOR_ID, VMCS_EXECUTION, "vpid" },
	{ POSTED_INTR_NV, VMCS_EXECUTION, "posted_interrupt_vector" },
	{ FIELD_EPTP_INDEX, VMCS_EXECUTION, "eptp_index" },
	{ FIELD_HLAT_PREFIX_SIZE, VMCS_EXECUTION, "hlat_prefix_size" },
	{ LAST_PID_POINTER_INDEX, VMCS_EXECUTION, "last_pid_index" },
	/* 16-bit guest state */
	{ GUEST_ES_SELECTOR, VMCS_GUEST, "guest_es_selector" },
	{ GUEST_CS_SELECTOR, VMCS_GUEST, "guest_cs_selector" },
	{ GUEST_SS_SELECTOR, VMCS_GUEST, "guest_ss_selector" },
	{ GUEST_DS_SELECTOR, VMCS_GUEST, "guest_ds_selector" },
	{ GUEST_FS_SELECTOR, VMCS_GUEST, "guest_fs_selector" },
	{ GUEST_GS_SELECTOR, VMCS_GUEST, "guest_gs_selector" },
	{ GUEST_LDTR_SELECTOR, VMCS_GUEST, "guest_ldtr_selector" },
	{ GUEST_TR_SELECTOR, VMCS_GUEST, "guest_tr_selector" },
	{ GUEST_INTR_STATUS, VMCS_GUEST, "guest_interrupt_status" },
	{ GUEST_PML_INDEX, VMCS_GUEST, "guest_pml_index" },
	{ FIELD_GUEST_UINV, VMCS_GUEST, "guest_uinv" },
	/* 16-bit host state */
	{ HOST_ES_SELECTOR, VMCS_HOST, "host_es_selector" },
	{ HOST_CS_SELECTOR, VMCS_HOST, "host_cs_selector" },
	{ HOST_SS_SELECTOR, VMCS_HOST, "host_ss_selector" },
	{ HOST_DS_SELECTOR, VMCS_HOST, "host_ds_selector" },
	{ HOST_FS_SELECTOR, VMCS_HOST, "host_fs_selector" },
	{ HOST_GS_SELECTOR, VMCS_HOST, "host_gs_selector" },
	{ HOST_TR_SELECTOR, VMCS_HOST, "host_tr_selector" },
	/* 64-bit control fields */
	{ IO_BITMAP_A, VMCS_EXECUTION, "io_bitmap_a_address" },
	{ IO_BITMAP_B, VMCS_EXECUTION, "io_bitmap_b_address" },
	{ MSR_BITMAP, VMCS_EXECUTION, "msr_bitmap_address" },
	{ VM_EXIT_MSR_STORE_ADDR, VMCS_EXIT, "exit_msr_store_address" },
	{ VM_EXIT_MSR_LOAD_ADDR, VMCS_EXIT, "exit_msr_load_address" },
	{ VM_ENTRY_MSR_LOAD_ADDR, VMCS_ENTRY, "entry_msr_load_address" },
	{ FIELD_EXECUTIVE_VMCS, VMCS_EXECUTION, "executive_vmcs_pointer" },
	{ PML_ADDRESS, VMCS_EXECUTION, "pml_address" },
	{ TSC_OFFSET, VMCS_EXECUTION, "tsc_offset" },
	{ VIRTUAL_APIC_PAGE_ADDR, VMCS_EXECUTION, "virtual_apic_address" },
	{ APIC_ACCESS_ADDR, VMCS_EXECUTION, "apic_access_address" },
	{ POSTED_INTR_DESC_ADDR, VMCS_EXECUTION, "posted_interrupt_address" },
	{ VM_FUNCTION_CONTROL, VMCS_EXECUTION, "vm_function_controls" },
	{ EPT_POINTER, VMCS_EXECUTION, "eptp" },
	{ EOI_EXIT_BITMAP0, VMCS_EXECUTION, "eoi_exit_bitmap_0" },
	{ EOI_EXIT_BITMAP1, VMCS_EXECUTION, "eoi_exit_bitmap_1" },
	{ EOI_EXIT_BITMAP2, VMCS_EXECUTION, "eoi_exit_bitmap_2" },
	{ EOI_EXIT_BITMAP3, VMCS_EXECUTION, "eoi_exit_bitmap_3" },
	{ EPTP_LIST_ADDRESS, VMCS_EXECUTION, "eptp_list_address" },
	{ VMREAD_BITMAP, VMCS_EXECUTION, "vmread_bitmap_address" },
	{ VMWRITE_BITMAP, VMCS_EXECUTION, "vmwrite_bitmap_address" },
	{ FIELD_VE_INFORMATION, VMCS_EXECUTION, "ve_information_address" },
	{ XSS_EXIT_BITMAP, VMCS_EXECUTION, "xss_exit_bitmap" },
	{ ENCLS_EXITING_BITMAP, VMCS_EXECUTION, "encls_exit_bitmap" },
	{ FIELD_SPP_TABLE, VMCS_EXECUTION, "spp_table_pointer" },
	{ TSC_MULTIPLIER, VMCS_EXECUTION, "tsc_multiplier" },
	{ TERTIARY_VM_EXEC_CONTROL, VMCS_EXECUTION, "tertiary_controls" },
	{ FIELD_ENCLV_EXIT_BITMAP, VMCS_EXECUTION, "enclv_exit_bitmap" },
	{ FIELD_LOW_PASID_DIRECTORY, VMCS_EXECUTION, "low_pasid_directory" },
	{ FIELD_HIGH_PASID_DIRECTORY, VMCS_EXECUTION, "high_pasid_directory" },
	{ FIELD_SHARED_EPTP, VMCS_EXECUTION, "shared_eptp" },
	{ FIELD_PCONFIG_EXIT_BITMAP, VMCS_EXECUTION, "pconfig_exit_bitmap" },
	{ FIELD_HLAT_POINTER, VMCS_EXECUTION, "hlat_pointer" },
	{ PID_POINTER_TABLE, VMCS_EXECUTION, "pid_table_address" },
	{ FIELD_EXIT_CONTROLS2, VMCS_EXIT, "secondary_exit_controls" },
	{ FIELD_SPEC_CTRL_MASK, VMCS_EXECUTION, "spec_ctrl_mask" },
	{ FIELD_SPEC_CTRL_SHADOW, VMCS_EXECUTION, "spec_ctrl_shadow" },
	/* 64-bit information */
	{ GUEST_PHYSICAL_ADDRESS, VMCS_INFORMATION, "guest_physical_address" },
	/* 64-bit guest state */
	{ VMCS_LINK_POINTER, VMCS_GUEST, "vmcs_link_pointer" },
	{ GUEST_IA32_DEBUGCTL, VMCS_GUEST, "guest_debugctl" },
	{ GUEST_IA32_PAT, VMCS_GUEST, "guest_pat" },
	{ GUEST_IA32_EFER, VMCS_GUEST, "guest_efer" },
	{ GUEST_IA32_PERF_GLOBAL_CTRL, VMCS_GUEST, "guest_perf_global_ctrl" },
	{ GUEST_PDPTR0, VMCS_GUEST, "guest_pdpte_0" },
	{ GUEST_PDPTR1, VMCS_GUEST, "guest_pdpte_1" },
	{ GUEST_PDPTR2, VMCS_GUEST, "guest_pdpte_2" },
	{ GUEST_PDPTR3, VMCS_GUEST, "guest_pdpte_3" },
	{ GUEST_BNDCFGS, VMCS_GUEST, "guest_bndcfgs" },
	{ GUEST_IA32_RTIT_CTL, VMCS_GUEST, "guest_rtit_ctl" },
	{ FIELD_GUEST_LBR_CTL, VMCS_GUEST, "guest_lbr_ctl" },
	{ FIELD_GUEST_PKRS, VMCS_GUEST, "guest_pkrs" },
	/* 64-bit host state */
	{ HOST_IA32_PAT, VMCS_HOST, "host_pat" },
	{ HOST_IA32_EFER, VMCS_HOST, "host_efer" },
	{ HOST_IA32_PERF_GLOBAL_CTRL, VMCS_HOST, "host_perf_global_ctrl" },
	{ FIELD_HOST_PKRS, VMCS_HOST, "host_pkrs" },
	/* 32-bit control fields */
	{ PIN_BASED_VM_EXEC_CONTROL, VMCS_EXECUTION, "pin_controls" },
	{ CPU_BASED_VM_EXEC_CONTROL, VMCS_EXECUTION, "primary_controls" },
	{ EXCEPTION_BITMAP, VMCS_EXECUTION, "exception_bitmap" },
	{ PAGE_FAULT_ERROR_CODE_MASK, VMCS_EXECUTION, "page_fault_mask" },
	{ PAGE_FAULT_ERROR_CODE_MATCH, VMCS_EXECUTION, "page_fault_match" },
	{ CR3_TARGET_COUNT, VMCS_EXECUTION, "cr3_target_count" },
	{ VM_EXIT_CONTROLS, VMCS_EXIT, "exit_controls" },
	{ VM_EXIT_MSR_STORE_COUNT, VMCS_EXIT, "exit_msr_store_count" },
	{ VM_EXIT_MSR_LOAD_COUNT, VMCS_EXIT, "exit_msr_load_count" },
	{ VM_ENTRY_CONTROLS, VMCS_ENTRY, "entry_controls" },
	{ VM_ENTRY_MSR_LOAD_COUNT, VMCS_ENTRY, "entry_msr_load_count" },
	{ VM_ENTRY_INTR_INFO_FIELD, VMCS_ENTRY, "entry_interruption_info" },
	{ VM_ENTRY_EXCEPTION_ERROR_CODE, VMCS_ENTRY, "entry_error_code" },
	{ VM_ENTRY_INSTRUCTION_LEN, VMCS_ENTRY, "entry_instruction_length" },
	{ TPR_THRESHOLD, VMCS_EXECUTION, "tpr_threshold" },
	{ SECONDARY_VM_EXEC_CONTROL, VMCS_EXECUTION, "secondary_controls" },
	{ PLE_GAP, VMCS_EXECUTION, "ple_gap" },
	{ PLE_WINDOW, VMCS_EXECUTION, "ple_window" },
	{ NOTIFY_WINDOW, VMCS_EXECUTION, "notify_window" },
	/* 32-bit information */
	{ VM_INSTRUCTION_ERROR, VMCS_INFORMATION, "instruction_error" },
	{ VM_EXIT_REASON, VMCS_INFORMATION, "exit_reason" },
	{ VM_EXIT_INTR_INFO, VMCS_INFORMATION, "exit_interruption_info" },
	{ VM_EXIT_INTR_ERROR_CODE, VMCS_INFORMATION, "exit_interruption_error_code" },
	{ IDT_VECTORING_INFO_FIELD, VMCS_INFORMATION, "idt_vectoring_info" },
	{ IDT_VECTORING_ERROR_CODE, VMCS_INFORMATION, "idt_vectoring_error_code" },
	{ VM_EXIT_INSTRUCTION_LEN, VMCS_INFORMATION, "exit_instruction_length" },
	{ VMX_INSTRUCTION_INFO, VMCS_INFORMATION, "exit_instruction_info" },
	/* 32-bit guest state */
	{ GUEST_ES_LIMIT, VMCS_GUEST, "guest_es_limit" },
	{ GUEST_CS_LIMIT, VMCS_GUEST, "guest_cs_limit" },
	{ GUEST_SS_LIMIT, VMCS_GUEST, "guest_ss_limit" },
	{ GUEST_DS_LIMIT, VMCS_GUEST, "guest_ds_limit" },
	{ GUEST_FS_LIMIT, VMCS_GUEST, "guest_fs_limit" },
	{ GUEST_GS_LIMIT, VMCS_GUEST, "guest_gs_limit" },
	{ GUEST_LDTR_LIMIT, VMCS_GUEST, "guest_ldtr_limit" },
	{ GUEST_TR_LIMIT, VMCS_GUEST, "guest_tr_limit" },
	{ GUEST_GDTR_LIMIT, VMCS_GUEST, "guest_gdtr_limit" },
	{ GUEST_IDTR_LIMIT, VMCS_GUEST, "guest_idtr_limit" },
	{ GUEST_ES_AR_BYTES, VMCS_GUEST, "guest_es_access_rights" },
	{ GUEST_CS_AR_BYTES, VMCS_GUEST, "guest_cs_access_rights" },
	{ GUEST_SS_AR_BYTES, VMCS_GUEST, "guest_ss_access_rights" },
	{ GUEST_DS_AR_BYTES, VMCS_GUEST, "guest_ds_access_rights" },
	{ GUEST_FS_AR_BYTES, VMCS_GUEST, "guest_fs_access_rights" },
	{ GUEST_GS_AR_BYTES, VMCS_GUEST, "guest_gs_access_rights" },
	{ GUEST_LDTR_AR_BYTES, VMCS_GUEST, "guest_ldtr_access_rights" },
	{ GUEST_TR_AR_BYTES, VMCS_GUEST, "guest_tr_access_rights" },
	{ GUEST_INTERRUPTIBILITY_INFO, VMCS_GUEST, "guest_interruptibility" },
	{ GUEST_ACTIVITY_STATE, VMCS_GUEST, "guest_activity" },
	{ FIELD_GUEST_SMBASE, VMCS_GUEST, "guest_smbase" },
	{ GUEST_SYSENTER_CS, VMCS_GUEST, "guest_sysenter_cs" },
	{ VMX_PREEMPTION_TIMER_VALUE, VMCS_GUEST, "guest_preemption_timer" },
	/* 32-bit host state */
	{ HOST_IA32_SYSENTER_CS, VMCS_HOST, "host_sysenter_cs" },
	/* natural-width control fields */
	{ CR0_GUEST_HOST_MASK, VMCS_EXECUTION, "cr0_mask" },
	{ CR4_GUEST_HOST_MASK, VMCS_EXECUTION, "cr4_mask" },
	{ CR0_READ_SHADOW, VMCS_EXECUTION, "cr0_shadow" },
	{ CR4_READ_SHADOW, VMCS_EXECUTION, "cr4_shadow" },
	{ CR3_TARGET_VALUE0, VMCS_EXECUTION, "cr3_target_0" },
	{ CR3_TARGET_VALUE1, VMCS_EXECUTION, "cr3_target_1" },
	{ CR3_TARGET_VALUE2, VMCS_EXECUTION, "cr3_target_2" },
	{ CR3_TARGET_VALUE3, VMCS_EXECUTION, "cr3_target_3" },
	/* natural-width information */
	{ EXIT_QUALIFICATION, VMCS_INFORMATION, "exit_qualification" },
	{ FIELD_IO_RCX, VMCS_INFORMATION, "io_rcx" },
	{ FIELD_IO_RSI, VMCS_INFORMATION, "io_rsi" },
	{ FIELD_IO_RDI, VMCS_INFORMATION, "io_rdi" },
	{ FIELD_IO_RIP, VMCS_INFORMATION, "io_rip" },
	{ GUEST_LINEAR_ADDRESS, VMCS_INFORMATION, "guest_linear_address" },
	/* natural-width guest state */
	{ GUEST_CR0, VMCS_GUEST, "guest_cr0" },
	{ GUEST_CR3, VMCS_GUEST, "guest_cr3" },
	{ GUEST_CR4, VMCS_GUEST, "guest_cr4" },
	{ GUEST_ES_BASE, VMCS_GUEST, "guest_es_base" },
	{ GUEST_CS_BASE, VMCS_GUEST, "guest_cs_base" },
	{ GUEST_SS_BASE, VMCS_GUEST, "guest_ss_base" },
	{ GUEST_DS_BASE, VMCS_GUEST, "guest_ds_base" },
	{ GUEST_FS_BASE, VMCS_GUEST, "guest_fs_base" },
	{ GUEST_GS_BASE, VMCS_GUEST, "guest_gs_base" },
	{ GUEST_LDTR_BASE, VMCS_GUEST, "guest_ldtr_base" },
	{ GUEST_TR_BASE, VMCS_GUEST, "guest_tr_base" },
	{ GUEST_GDTR_BASE, VMCS_GUEST, "guest_gdtr_base" },
	{ GUEST_IDTR_BASE, VMCS_GUEST, "guest_idtr_base" },
	{ GUEST_DR7, VMCS_GUEST, "guest_dr7" },
	{ GUEST_RSP, VMCS_GUEST, "guest_rsp" },
	{ GUEST_RIP, VMCS_GUEST, "guest_rip" },
	{ GUEST_RFLAGS, VMCS_GUEST, "guest_rflags" },
	{ GUEST_PENDING_DBG_EXCEPTIONS, VMCS_GUEST, "guest_pending_debug" },
	{ GUEST_SYSENTER_ESP, VMCS_GUEST, "guest_sysenter_esp" },
	{ GUEST_SYSENTER_EIP, VMCS_GUEST, "guest_sysenter_eip" },
	{ FIELD_GUEST_S_CET, VMCS_GUEST, "guest_s_cet" },
	{ FIELD_GUEST_SSP, VMCS_GUEST, "guest_ssp" },
	{ FIELD_GUEST_SSP_TABLE, VMCS_GUEST, "guest_ssp_table" },
	/* natural-width host state */
	{ HOST_CR0, VMCS_HOST, "host_cr0" },
	{ HOST_CR3, VMCS_HOST, "host_cr3" },
	{ HOST_CR4, VMCS_HOST, "host_cr4" },
	{ HOST_FS_BASE, VMCS_HOST, "host_fs_base" },
	{ HOST_GS_BASE, VMCS_HOST, "host_gs_base" },
	{ HOST_TR_BASE, VMCS_HOST, "host_tr_base" },
	{ HOST_GDTR_BASE, VMCS_HOST, "host_gdtr_base" },
	{ HOST_IDTR_BASE, VMCS_HOST, "host_idtr_base" },
	{ HOST_IA32_SYSENTER_ESP, VMCS_HOST, "host_sysenter_esp" },
	{ HOST_IA32_SYSENTER_EIP, VMCS_HOST, "host_sysenter_eip" },
	{ HOST_RSP, VMCS_HOST, "host_rsp" },
	{ HOST_RIP, VMCS_HOST, "host_rip" },
	{ FIELD_HOST_S_CET, VMCS_HOST, "host_s_cet" },
	{ FIELD_HOST_SSP, VMCS_HOST, "host_ssp" },
	{ FIELD_HOST_SSP_TABLE, VMCS_HOST, "host_ssp_table" },
};

static_assert(ARRAY_SIZE(vmcs_fields) == VMCS_FIELDS);

int vmcs_field_index(u32 encoding)
{
	int low = 0, high = VMCS_FIELDS - 1;

	while (low <= high) {
		int middle = (low + high) / 2;

		if (vmcs_fields[middle].encoding == encoding)
			return middle;
		if (vmcs_fields[middle].encoding < encoding)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return -1;
}

u64 vmcs_image_get(const struct vmcs_image *image, u32 encoding)
{
	int index = vmcs_field_index(encoding);

	return index >= 0 && vmcs_image_has(image, index) ? image->value[index] : 0;
}
