// SPDX-License-Identifier: GPL-2.0
/* VMX capabilities: tables of names, and how the MSRs are read. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmx_caps.h"

const struct vmx_msr vmx_msrs[] = {
	{ MSR_FEATURE_CONTROL, "IA32_FEATURE_CONTROL" },
	{ MSR_VMX_BASIC, "IA32_VMX_BASIC" },
	{ MSR_VMX_PIN, "IA32_VMX_PINBASED_CTLS" },
	{ MSR_VMX_PROC, "IA32_VMX_PROCBASED_CTLS" },
	{ MSR_VMX_EXIT, "IA32_VMX_EXIT_CTLS" },
	{ MSR_VMX_ENTRY, "IA32_VMX_ENTRY_CTLS" },
	{ MSR_VMX_MISC, "IA32_VMX_MISC" },
	{ 0x486, "IA32_VMX_CR0_FIXED0" },
	{ 0x487, "IA32_VMX_CR0_FIXED1" },
	{ 0x488, "IA32_VMX_CR4_FIXED0" },
	{ 0x489, "IA32_VMX_CR4_FIXED1" },
	{ 0x48a, "IA32_VMX_VMCS_ENUM" },
	{ MSR_VMX_PROC2, "IA32_VMX_PROCBASED_CTLS2" },
	{ MSR_VMX_EPT_VPID, "IA32_VMX_EPT_VPID_CAP" },
	{ MSR_VMX_TRUE_PIN, "IA32_VMX_TRUE_PINBASED_CTLS" },
	{ MSR_VMX_TRUE_PROC, "IA32_VMX_TRUE_PROCBASED_CTLS" },
	{ MSR_VMX_TRUE_EXIT, "IA32_VMX_TRUE_EXIT_CTLS" },
	{ MSR_VMX_TRUE_ENTRY, "IA32_VMX_TRUE_ENTRY_CTLS" },
	{ MSR_VMX_VMFUNC, "IA32_VMX_VMFUNC" },
	{ MSR_VMX_PROC3, "IA32_VMX_PROCBASED_CTLS3" },
	{ MSR_VMX_EXIT2, "IA32_VMX_EXIT_CTLS2" },
};

const unsigned int vmx_nr_msrs = ARRAY_SIZE(vmx_msrs);

static_assert(ARRAY_SIZE(vmx_msrs) <= ARRAY_SIZE(((struct vmx_values *)0)->value),
	      "struct vmx_values holds every MSR");

static const struct vmx_bit feature_control_bits[] = {
	{ 0, "locked by the firmware" },
	{ 1, "VMX inside SMX" },
	{ 2, "VMX outside SMX" },
	{ 0 }
};

static const struct vmx_bit basic_bits[] = {
	{ 48, "VMX structures only below 4 GiB" },
	{ 49, "dual-monitor treatment of SMM" },
	{ 54, "instruction information for INS and OUTS" },
	{ 55, "controls that default to 1 may be 0 (TRUE MSRs)" },
	{ 56, "any exception injected with or without error code" },
	{ 0 }
};

static const struct vmx_bit misc_bits[] = {
	{ 5, "EFER.LMA saved on exits" },
	{ 6, "activity state HLT" },
	{ 7, "activity state shutdown" },
	{ 8, "activity state wait-for-SIPI" },
	{ 14, "Intel PT in VMX operation" },
	{ 15, "IA32_SMBASE readable in SMM" },
	{ 28, "SMIs can stay blocked after VMXOFF" },
	{ 29, "VMWRITE to any field" },
	{ 30, "injection with instruction length 0" },
	{ 0 }
};

static const struct vmx_bit pin_bits[] = {
	{ 0, "external-interrupt exiting" },
	{ 3, "NMI exiting" },
	{ 5, "virtual NMIs" },
	{ 6, "preemption timer" },
	{ 7, "posted interrupts" },
	{ 0 }
};

static const struct vmx_bit proc_bits[] = {
	{ 2, "interrupt-window exiting" },
	{ 3, "TSC offsetting" },
	{ 7, "HLT exiting" },
	{ 9, "INVLPG exiting" },
	{ 10, "MWAIT exiting" },
	{ 11, "RDPMC exiting" },
	{ 12, "RDTSC exiting" },
	{ 15, "CR3-load exiting" },
	{ 16, "CR3-store exiting" },
	{ 17, "tertiary controls" },
	{ 19, "CR8-load exiting" },
	{ 20, "CR8-store exiting" },
	{ 21, "TPR shadow" },
	{ 22, "NMI-window exiting" },
	{ 23, "MOV-DR exiting" },
	{ 24, "unconditional I/O exiting" },
	{ 25, "I/O bitmaps" },
	{ 27, "monitor trap flag" },
	{ 28, "MSR bitmaps" },
	{ 29, "MONITOR exiting" },
	{ 30, "PAUSE exiting" },
	{ 31, "secondary controls" },
	{ 0 }
};

static const struct vmx_bit proc2_bits[] = {
	{ 0, "virtual APIC accesses" },
	{ 1, "EPT" },
	{ 2, "descriptor-table exiting" },
	{ 3, "RDTSCP" },
	{ 4, "virtual x2APIC mode" },
	{ 5, "VPID" },
	{ 6, "WBINVD exiting" },
	{ 7, "unrestricted guest" },
	{ 8, "APIC-register virtualization" },
	{ 9, "virtual-interrupt delivery" },
	{ 10, "PAUSE-loop exiting" },
	{ 11, "RDRAND exiting" },
	{ 12, "INVPCID" },
	{ 13, "VM functions" },
	{ 14, "VMCS shadowing" },
	{ 15, "ENCLS exiting" },
	{ 16, "RDSEED exiting" },
	{ 17, "page-modification logging" },
	{ 18, "EPT violations as #VE" },
	{ 19, "VMX concealed from PT" },
	{ 20, "XSAVES" },
	{ 21, "PASID translation" },
	{ 22, "mode-based execute control" },
	{ 23, "sub-page write permissions" },
	{ 24, "PT with guest physical addresses" },
	{ 25, "TSC scaling" },
	{ 26, "user wait and pause" },
	{ 27, "PCONFIG" },
	{ 28, "ENCLV exiting" },
	{ 30, "bus-lock detection" },
	{ 31, "instruction timeout" },
	{ 0 }
};

static const struct vmx_bit proc3_bits[] = {
	{ 0, "LOADIWKEY exiting" },
	{ 1, "hypervisor-managed linear address translation" },
	{ 2, "EPT paging-write control" },
	{ 3, "guest-paging verification" },
	{ 4, "IPI virtualization" },
	{ 7, "virtual IA32_SPEC_CTRL" },
	{ 0 }
};

static const struct vmx_bit exit_bits[] = {
	{ 2, "save debug controls" },
	{ 9, "64-bit host" },
	{ 12, "load IA32_PERF_GLOBAL_CTRL" },
	{ 15, "acknowledge interrupt on exit" },
	{ 18, "save IA32_PAT" },
	{ 19, "load IA32_PAT" },
	{ 20, "save IA32_EFER" },
	{ 21, "load IA32_EFER" },
	{ 22, "save preemption timer" },
	{ 23, "clear IA32_BNDCFGS" },
	{ 24, "VMX concealed from PT" },
	{ 25, "clear IA32_RTIT_CTL" },
	{ 26, "clear IA32_LBR_CTL" },
	{ 27, "clear UINV" },
	{ 28, "load CET state" },
	{ 29, "load PKRS" },
	{ 30, "save IA32_PERF_GLOBAL_CTRL" },
	{ 31, "secondary exit controls" },
	{ 0 }
};

static const struct vmx_bit entry_bits[] = {
	{ 2, "load debug controls" },
	{ 9, "IA-32e mode guest" },
	{ 10, "entry to SMM" },
	{ 11, "deactivate dual-monitor treatment" },
	{ 13, "load IA32_PERF_GLOBAL_CTRL" },
	{ 14, "load IA32_PAT" },
	{ 15, "load IA32_EFER" },
	{ 16, "load IA32_BNDCFGS" },
	{ 17, "VMX concealed from PT" },
	{ 18, "load IA32_RTIT_CTL" },
	{ 19, "load UINV" },
	{ 20, "load CET state" },
	{ 21, "load IA32_LBR_CTL" },
	{ 22, "load PKRS" },
	{ 0 }
};

static const struct vmx_bit ept_bits[] = {
	{ 0, "execute-only pages" },
	{ 6, "page walk of 4 levels" },
	{ 7, "page walk of 5 levels" },
	{ 8, "uncacheable structures" },
	{ 14, "write-back structures" },
	{ 16, "pages of 2 MiB" },
	{ 17, "pages of 1 GiB" },
	{ 20, "INVEPT" },
	{ 21, "accessed and dirty flags" },
	{ 22, "detailed information on EPT violations" },
	{ 23, "supervisor shadow stack control" },
	{ 25, "INVEPT of one context" },
	{ 26, "INVEPT of all contexts" },
	{ 32, "INVVPID" },
	{ 40, "INVVPID of one address" },
	{ 41, "INVVPID of one context" },
	{ 42, "INVVPID of all contexts" },
	{ 43, "INVVPID of one context but globals" },
	{ 0 }
};

static const struct vmx_bit vmfunc_bits[] = {
	{ 0, "EPTP switching" },
	{ 0 }
};

const struct vmx_word vmx_words[] = {
	{ .name = "feature control", .msr = MSR_FEATURE_CONTROL,
	  .bits = feature_control_bits },
	{ .name = "basic", .msr = MSR_VMX_BASIC, .bits = basic_bits },
	{ .name = "miscellaneous", .msr = MSR_VMX_MISC, .bits = misc_bits },
	{ .name = "pin-based controls", .msr = MSR_VMX_PIN,
	  .true_msr = MSR_VMX_TRUE_PIN, .control = true, .bits = pin_bits },
	{ .name = "primary processor-based controls", .msr = MSR_VMX_PROC,
	  .true_msr = MSR_VMX_TRUE_PROC, .control = true, .bits = proc_bits },
	{ .name = "secondary processor-based controls", .msr = MSR_VMX_PROC2,
	  .control = true, .bits = proc2_bits },
	{ .name = "tertiary processor-based controls", .msr = MSR_VMX_PROC3,
	  .bits = proc3_bits },
	{ .name = "exit controls", .msr = MSR_VMX_EXIT,
	  .true_msr = MSR_VMX_TRUE_EXIT, .control = true, .bits = exit_bits },
	{ .name = "entry controls", .msr = MSR_VMX_ENTRY,
	  .true_msr = MSR_VMX_TRUE_ENTRY, .control = true, .bits = entry_bits },
	{ .name = "EPT and VPID", .msr = MSR_VMX_EPT_VPID, .bits = ept_bits },
	{ .name = "VM functions", .msr = MSR_VMX_VMFUNC, .bits = vmfunc_bits },
};

const unsigned int vmx_nr_words = ARRAY_SIZE(vmx_words);

static bool unreadable(int error, char *why, size_t size)
{
	const char *text;

	if (error == ENOENT || error == ENXIO)
		text = "no msr driver for this CPU: load it (modprobe msr, as root)";
	else if (error == EACCES || error == EPERM)
		text = "not for this user: run as root";
	else if (error == EIO)
		text = "this CPU has no such registers: it has no VT-x";
	else
		text = strerror(error);
	snprintf(why, size, "%s", text);
	return false;
}

bool vmx_read(unsigned int cpu, struct vmx_values *values, char *why,
	      size_t size)
{
	char path[64];
	unsigned int i;
	u64 basic;
	int fd;

	memset(values, 0, sizeof(*values));
	values->cpu = cpu;
	snprintf(path, sizeof(path), "/dev/cpu/%u/msr", cpu);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return unreadable(errno, why, size);
	if (pread(fd, &basic, sizeof(basic), MSR_VMX_BASIC) != sizeof(basic)) {
		int error = errno;

		close(fd);
		return unreadable(error, why, size);
	}
	/* One that cannot be read is one that this CPU has not (it faults). */
	for (i = 0; i < vmx_nr_msrs; i++)
		values->there[i] = pread(fd, &values->value[i], sizeof(u64),
					 vmx_msrs[i].index) == sizeof(u64);
	close(fd);
	return true;
}

bool vmx_value(const struct vmx_values *values, u32 index, u64 *value)
{
	unsigned int i;

	for (i = 0; i < vmx_nr_msrs; i++)
		if (vmx_msrs[i].index == index && values->there[i]) {
			*value = values->value[i];
			return true;
		}
	return false;
}

bool vmx_word_value(const struct vmx_values *values, const struct vmx_word *word,
		    u64 *value)
{
	if (word->true_msr && vmx_value(values, word->true_msr, value))
		return true;
	return vmx_value(values, word->msr, value);
}

const char *vmx_bit_state(const struct vmx_word *word, u64 value,
			  unsigned int bit)
{
	if (!word->control)
		return value & BIT_ULL(bit) ? "yes" : "no";
	if (value & BIT_ULL(bit))
		return "always";
	return value & BIT_ULL(bit + 32) ? "optional" : "no";
}
