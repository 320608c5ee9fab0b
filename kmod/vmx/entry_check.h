/* SPDX-License-Identifier: GPL-2.0 */
/*
 * entry_check.h - the checks that VM entry makes, as a model: a copy of a VMCS
 * and what there is to know of the CPU go in, the rules that it breaks come out,
 * by name.  SDM vol. 3C 26.2 (controls and host state), 26.3.1 (guest state) and
 * 26.4 (the MSRs that an entry loads), for a host outside of SMM.  What 26.1 asks
 * (the instruction's own conditions, as the launch state) is not here.
 *
 * It calls nothing but what struct entry_cpu has, so it also builds in user
 * space.  Files of it: entry_check.c, entry_check_controls.c, entry_check_host.c,
 * entry_check_guest.c, entry_check_segments.c, entry_check_msrs.c.
 */
#ifndef LODGE_VMX_ENTRY_CHECK_H
#define LODGE_VMX_ENTRY_CHECK_H

#include <linux/types.h>

#include "fields.h"

/* The words of control bits. */
enum entry_word {
	ENTRY_PIN,		/* pin-based VM-execution controls */
	ENTRY_PROC,		/* primary processor-based */
	ENTRY_PROC2,		/* secondary processor-based */
	ENTRY_PROC3,		/* tertiary processor-based */
	ENTRY_EXIT,		/* primary VM-exit controls */
	ENTRY_EXIT2,		/* secondary VM-exit controls */
	ENTRY_ENTRY,		/* VM-entry controls */
	ENTRY_WORDS
};

/* What the model must know of the CPU. */
struct entry_cpu {
	/*
	 * Each word's capability MSR (the one called TRUE where IA32_VMX_BASIC[55]
	 * is 1), SDM vol. 3D A.3 to A.5, and the others, A.1 and A.6 to A.11.  Zero
	 * for an MSR that the CPU does not have.
	 */
	u64 allowed[ENTRY_WORDS];
	u64 basic, misc, ept_vpid, vmfunc;
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;

	/* The bits that these may have set. */
	u64 efer, debugctl, perf_global_ctrl, rtit_ctl, lbr_ctl;
	u64 pending_debug;	/* of bits 11 and 16: bus lock, RTM */
	u64 cr3_high;		/* of CR3 above the physical-address width: LAM */

	u8 physical_bits;	/* MAXPHYADDR */
	u8 linear_bits;		/* 48, or 57 with CR4.LA57 */
	bool long_mode;		/* it runs in IA-32e mode: EFER.LMA */
	bool sgx;
	bool tracing;		/* IA32_RTIT_CTL.TraceEn is 1 */
	bool sti_blocks_nmi;	/* no NMI is injected behind STI: some CPUs, 26.3.1.5 */

	u64 current_vmcs;	/* physical address of the VMCS that is to be entered */

	/* Memory by physical address.  False: not readable, nothing is said then. */
	bool (*read)(void *opaque, u64 address, void *to, unsigned int len);
	void *opaque;
};

/* How the CPU tells that a rule is broken. */
enum entry_class {
	ENTRY_CONTROLS,		/* VMfail with error 7 */
	ENTRY_HOST,		/* VMfail with error 8 */
	ENTRY_GUEST,		/* exit reason 33 */
	ENTRY_MSR_LOAD,		/* exit reason 34, qualification: which entry */
};

struct entry_rule {
	const char *name;	/* never changes, as guest.rflags.reserved */
	const char *text;	/* what must hold, in a sentence */
	const char *sdm;	/* section of vol. 3C */
	u8 class;		/* enum entry_class */
	u8 qualification;	/* exit qualification that goes with reason 33 */
};

struct entry_finding {
	const struct entry_rule *rule;
	u32 field;		/* encoding of the field that is to blame */
	u32 index;		/* ENTRY_MSR_LOAD: of the entry, from 1 as the CPU counts */
	u64 value;		/* of the field; of the MSR */
};

/*
 * The rules that are broken, at most max of them: how many there are in out[].
 * First those of controls, then of the host, of the guest, of MSRs: a CPU goes on
 * to the guest's only when there is nothing wrong with controls and host, and to
 * MSRs only when there is nothing wrong with the guest.  Within a class the SDM
 * lets it check in any order, and so between controls and host; here all is in
 * the order of the SDM's paragraphs.  Rules on fields that are not present are
 * left out.
 */
int entry_check(const struct vmcs_image *vmcs, const struct entry_cpu *cpu,
		struct entry_finding *out, int max);

/* The rules one by one, NULL behind the last. */
const struct entry_rule *entry_rule(unsigned int index);

#endif
