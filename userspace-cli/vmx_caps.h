/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The VMX capability MSRs (SDM volume 3D, appendix A), read through the msr
 * driver, and the names of everything in them. Printing is cmd_caps.c's.
 */
#ifndef LODGE_CLI_VMX_CAPS_H
#define LODGE_CLI_VMX_CAPS_H

#include "cli.h"

enum {
	MSR_FEATURE_CONTROL = 0x3a,
	MSR_VMX_BASIC = 0x480,
	MSR_VMX_PIN = 0x481,
	MSR_VMX_PROC = 0x482,
	MSR_VMX_EXIT = 0x483,
	MSR_VMX_ENTRY = 0x484,
	MSR_VMX_MISC = 0x485,
	MSR_VMX_PROC2 = 0x48b,
	MSR_VMX_EPT_VPID = 0x48c,
	MSR_VMX_TRUE_PIN = 0x48d,
	MSR_VMX_TRUE_PROC = 0x48e,
	MSR_VMX_TRUE_EXIT = 0x48f,
	MSR_VMX_TRUE_ENTRY = 0x490,
	MSR_VMX_VMFUNC = 0x491,
	MSR_VMX_PROC3 = 0x492,
	MSR_VMX_EXIT2 = 0x493,
};

struct vmx_msr {
	u32 index;
	const char *name;
};

extern const struct vmx_msr vmx_msrs[];
extern const unsigned int vmx_nr_msrs;

/* What one CPU says, in the order of vmx_msrs. */
struct vmx_values {
	unsigned int cpu;
	bool there[32];
	u64 value[32];
};

struct vmx_bit {
	unsigned int nr;
	const char *name;
};

/* A word of bits with names. */
struct vmx_word {
	const char *name;
	u32 msr;
	u32 true_msr;		/* says it better where it is there, or 0 */
	/*
	 * A control word: bits 31-0 are those that must be 1, bits 63-32 those
	 * that may be. Otherwise each bit is a feature that is there or not.
	 */
	bool control;
	const struct vmx_bit *bits;	/* up to one without a name */
};

extern const struct vmx_word vmx_words[];
extern const unsigned int vmx_nr_words;

/*
 * Reads the MSRs of @cpu. False, with "why: what to do" in @why, when they
 * cannot be read.
 */
bool vmx_read(unsigned int cpu, struct vmx_values *values, char *why,
	      size_t size);

/* The MSR's value; false when this CPU has no such MSR. */
bool vmx_value(const struct vmx_values *values, u32 index, u64 *value);

/* The word's value, from its "true" MSR where there is one. */
bool vmx_word_value(const struct vmx_values *values, const struct vmx_word *word,
		    u64 *value);

/* "always", "optional" or "no" for a control, "yes" or "no" for a feature. */
const char *vmx_bit_state(const struct vmx_word *word, u64 value,
			  unsigned int bit);

#endif
