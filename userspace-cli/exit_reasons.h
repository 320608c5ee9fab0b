/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Why a guest was left, and why it could not be entered: the names of exit reasons (SDM
 * volume 3D, appendix C) and of VM-instruction errors (volume 3C, 30.4), and a sentence for
 * each that says what it means.
 */
#ifndef LODGE_CLI_EXIT_REASONS_H
#define LODGE_CLI_EXIT_REASONS_H

#include "cli.h"

/* Basic exit reasons that the command uses by number. */
enum {
	REASON_EXCEPTION_NMI = 0,
	REASON_EXTERNAL_INTERRUPT = 1,
	REASON_SIPI = 4,
	REASON_TASK_SWITCH = 9,
	REASON_INVLPG = 14,
	REASON_CR_ACCESS = 28,
	REASON_DR_ACCESS = 29,
	REASON_IO = 30,
	REASON_INVALID_STATE = 33,
	REASON_MSR_LOADING = 34,
	REASON_MWAIT = 36,
	REASON_MACHINE_CHECK = 41,
	REASON_APIC_ACCESS = 44,
	REASON_VIRTUAL_EOI = 45,
	REASON_GDTR_IDTR = 46,
	REASON_LDTR_TR = 47,
	REASON_EPT_VIOLATION = 48,
	REASON_EPT_MISCONFIG = 49,
	REASON_PREEMPTION_TIMER = 52,
	REASON_APIC_WRITE = 56,
	REASON_PML_FULL = 62,
	REASON_NOTIFY = 75,
};

#define REASON_MOST		79u	/* the highest that the SDM names */
/* Of the 32 bits that a VMCS has: the basic reason, and flags. */
#define REASON_BASIC		0xffffu
#define REASON_ENTRY_FAILED	(1u << 31)

/* Its name, such as EPT_VIOLATION, or NULL. Flags in @reason are not looked at. */
const char *exit_reason_name(u32 reason);
/* What it means, with bit 31 that of a failed entry; NULL if the SDM does not name it. */
const char *exit_reason_meaning(u32 reason);
/* The basic reason of that number, or of the name that begins so ("io"); -1: none or several. */
int exit_reason_find(const char *text);

/* The instruction's length in the VMCS is that of the instruction that exited. */
bool exit_reason_is_instruction(u32 reason);

/* VM-instruction errors, from 1; NULL if the SDM does not name it. */
const char *vm_instruction_error(u64 number);

#endif
