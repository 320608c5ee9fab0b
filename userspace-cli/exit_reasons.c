// SPDX-License-Identifier: GPL-2.0
/* Exit reasons and VM-instruction errors in words: two tables. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "exit_reasons.h"

/* @length: SDM volume 3C, 27.2.5: the exit gives the length of its instruction. */
static const struct {
	const char *name;
	const char *meaning;
	bool length;
} reasons[REASON_MOST + 1] = {
	[0] = { "EXCEPTION_NMI",
		"an exception that the exception bitmap asks for, or an NMI" },
	[1] = { "EXTERNAL_INTERRUPT",
		"an interrupt of the host's came while the guest ran: the host serves it" },
	[2] = { "TRIPLE_FAULT",
		"an exception met no working handler, nor did the faults that followed" },
	[3] = { "INIT_SIGNAL", "an INIT signal came" },
	[4] = { "SIPI_SIGNAL", "a start-up message came to a CPU that waited for it" },
	[5] = { "SMI_AFTER_IO", "an SMI came right after an I/O instruction" },
	[6] = { "SMI", "an SMI came" },
	[7] = { "INTERRUPT_WINDOW",
		"the guest can take an interrupt now: one was waiting for that" },
	[8] = { "NMI_WINDOW", "the guest can take an NMI now: one was waiting for that" },
	[9] = { "TASK_SWITCH", "the guest tried a task switch by hardware", .length = true },
	[10] = { "CPUID", "CPUID", .length = true },
	[11] = { "GETSEC", "GETSEC", .length = true },
	[12] = { "HLT", "HLT: the guest waits for an interrupt", .length = true },
	[13] = { "INVD", "INVD", .length = true },
	[14] = { "INVLPG", "INVLPG", .length = true },
	[15] = { "RDPMC", "RDPMC", .length = true },
	[16] = { "RDTSC", "RDTSC", .length = true },
	[17] = { "RSM", "RSM in system-management mode", .length = true },
	[18] = { "VMCALL", "VMCALL: the guest calls its hypervisor", .length = true },
	[19] = { "VMCLEAR", "VMCLEAR", .length = true },
	[20] = { "VMLAUNCH", "VMLAUNCH", .length = true },
	[21] = { "VMPTRLD", "VMPTRLD", .length = true },
	[22] = { "VMPTRST", "VMPTRST", .length = true },
	[23] = { "VMREAD", "VMREAD", .length = true },
	[24] = { "VMRESUME", "VMRESUME", .length = true },
	[25] = { "VMWRITE", "VMWRITE", .length = true },
	[26] = { "VMOFF", "VMXOFF", .length = true },
	[27] = { "VMON", "VMXON", .length = true },
	[28] = { "CR_ACCESS",
		 "an access of a control register that the host wants to see", .length = true },
	[29] = { "DR_ACCESS", "MOV from or to a debug register", .length = true },
	[30] = { "IO_INSTRUCTION", "IN or OUT, or a string form of them", .length = true },
	[31] = { "MSR_READ", "RDMSR of an MSR that the host wants to see", .length = true },
	[32] = { "MSR_WRITE", "WRMSR of an MSR that the host wants to see", .length = true },
	[33] = { "INVALID_STATE",
		 "VM entry failed: a check of the guest's state in the VMCS did (SDM 26.3.1)" },
	[34] = { "MSR_LOAD_FAIL",
		 "VM entry failed: an MSR of its load area could not be loaded (SDM 26.4)" },
	[36] = { "MWAIT_INSTRUCTION", "MWAIT", .length = true },
	[37] = { "MONITOR_TRAP_FLAG", "one instruction was executed, as the host had asked for" },
	[39] = { "MONITOR_INSTRUCTION", "MONITOR", .length = true },
	[40] = { "PAUSE_INSTRUCTION", "PAUSE, or too many of them in a loop", .length = true },
	[41] = { "MCE_DURING_VMENTRY",
		 "VM entry failed: a machine check came (SDM 26.9)" },
	[43] = { "TPR_BELOW_THRESHOLD",
		 "the guest lowered its task priority: an interrupt was waiting for that" },
	[44] = { "APIC_ACCESS", "the page of the local APIC was accessed" },
	[45] = { "EOI_INDUCED", "the guest ended an interrupt whose end the host wants to see" },
	[46] = { "GDTR_IDTR", "LGDT, LIDT, SGDT or SIDT", .length = true },
	[47] = { "LDTR_TR", "LLDT, LTR, SLDT or STR", .length = true },
	[48] = { "EPT_VIOLATION",
		 "the EPT does not allow an access: no page is there yet, or it is watched" },
	[49] = { "EPT_MISCONFIG",
		 "an entry of the EPT is not allowed: so lodge marks pages of devices" },
	[50] = { "INVEPT", "INVEPT", .length = true },
	[51] = { "RDTSCP", "RDTSCP", .length = true },
	[52] = { "PREEMPTION_TIMER", "the time that the host had given the guest is over" },
	[53] = { "INVVPID", "INVVPID", .length = true },
	[54] = { "WBINVD", "WBINVD or WBNOINVD", .length = true },
	[55] = { "XSETBV", "XSETBV", .length = true },
	[56] = { "APIC_WRITE", "a register of the virtual APIC was written that needs the host" },
	[57] = { "RDRAND", "RDRAND", .length = true },
	[58] = { "INVPCID", "INVPCID", .length = true },
	[59] = { "VMFUNC", "VMFUNC that failed or is not allowed", .length = true },
	[60] = { "ENCLS", "ENCLS", .length = true },
	[61] = { "RDSEED", "RDSEED", .length = true },
	[62] = { "PML_FULL", "the CPU's log of written pages is full" },
	[63] = { "XSAVES", "XSAVES", .length = true },
	[64] = { "XRSTORS", "XRSTORS", .length = true },
	[65] = { "PCONFIG", "PCONFIG", .length = true },
	[66] = { "SPP", "sub-page permissions are missing or wrong" },
	[67] = { "UMWAIT", "UMWAIT", .length = true },
	[68] = { "TPAUSE", "TPAUSE", .length = true },
	[69] = { "LOADIWKEY", "LOADIWKEY", .length = true },
	[70] = { "ENCLV", "ENCLV", .length = true },
	[72] = { "ENQCMD", "ENQCMD without a translation of its PASID" },
	[73] = { "ENQCMDS", "ENQCMDS without a translation of its PASID" },
	[74] = { "BUS_LOCK", "an instruction locked the bus" },
	[75] = { "NOTIFY", "the guest opened no window for interrupts in the time allowed" },
	[76] = { "SEAMCALL", "SEAMCALL", .length = true },
	[77] = { "TDCALL", "TDCALL", .length = true },
	[78] = { "RDMSRLIST", "RDMSRLIST", .length = true },
	[79] = { "WRMSRLIST", "WRMSRLIST", .length = true },
};

const char *exit_reason_name(u32 reason)
{
	reason &= REASON_BASIC;
	return reason <= REASON_MOST ? reasons[reason].name : NULL;
}

const char *exit_reason_meaning(u32 reason)
{
	u32 basic = reason & REASON_BASIC;

	if (reason & REASON_ENTRY_FAILED && basic != REASON_INVALID_STATE &&
	    basic != REASON_MSR_LOADING && basic != REASON_MACHINE_CHECK)
		return NULL;
	return basic <= REASON_MOST ? reasons[basic].meaning : NULL;
}

/* Whether a name begins with @text, in which case does not matter and - may stand for _. */
static bool begins(const char *name, const char *text)
{
	for (; *text; text++, name++)
		if (toupper((unsigned char)*text) != *name && (*text != '-' || *name != '_'))
			return false;
	return true;
}

int exit_reason_find(const char *text)
{
	unsigned long number;
	int found = -1;
	unsigned int i;
	char *end;

	if (isdigit((unsigned char)*text)) {
		number = strtoul(text, &end, 0);
		return *end || number > REASON_MOST ? -1 : (int)number;
	}
	for (i = 0; i <= REASON_MOST && *text; i++) {
		if (!reasons[i].name || !begins(reasons[i].name, text))
			continue;
		if (strlen(text) == strlen(reasons[i].name))
			return i;
		found = found == -1 ? (int)i : -2;
	}
	return found < 0 ? -1 : found;
}

bool exit_reason_is_instruction(u32 reason)
{
	return reason <= REASON_MOST && reasons[reason].length;
}

static const char * const instruction_errors[] = {
	[1] = "VMCALL in VMX root operation",
	[2] = "VMCLEAR with an invalid address",
	[3] = "VMCLEAR with the VMXON pointer",
	[4] = "VMLAUNCH with a VMCS that is not clear",
	[5] = "VMRESUME with a VMCS that was not launched",
	[6] = "VMRESUME after VMXOFF",
	[7] = "invalid control fields in the VMCS",
	[8] = "invalid host state in the VMCS",
	[9] = "VMPTRLD with an invalid address",
	[10] = "VMPTRLD with the VMXON pointer",
	[11] = "VMPTRLD with a wrong VMCS revision",
	[12] = "access to a VMCS field that does not exist",
	[13] = "VMWRITE to a read-only VMCS field",
	[15] = "VMXON in VMX root operation",
	[16] = "VM entry with an invalid executive VMCS pointer",
	[17] = "VM entry with an executive VMCS that was not launched",
	[18] = "VM entry with an executive VMCS pointer that is not the VMXON pointer",
	[19] = "VMCALL with a VMCS that is not clear",
	[20] = "VMCALL with invalid exit controls in the VMCS",
	[22] = "VMCALL with a wrong MSEG revision",
	[23] = "VMXOFF under the dual-monitor treatment of SMM",
	[24] = "VMCALL with invalid SMM-monitor features",
	[25] = "VM entry from SMM with invalid execution controls in the executive VMCS",
	[26] = "VM entry with events blocked by MOV SS",
	[28] = "invalid operand of INVEPT or INVVPID",
};

const char *vm_instruction_error(u64 number)
{
	return number < ARRAY_SIZE(instruction_errors) ? instruction_errors[number] : NULL;
}
