// SPDX-License-Identifier: GPL-2.0
/*
 * entry_check_host.c - what VM entry demands of the host-state area, to which
 * the next VM exit will return: a table in the order of SDM vol. 3C 26.2.2 to
 * 26.2.4.  A broken rule is VMfail with error 8.
 */
#include "entry_check_priv.h"

static bool cet_with_wp(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & CR4_CET) || entry_get(s, HOST_CR0) & X86_CR0_WP;
}

/* arg: EFER.LMA or EFER.LME. */
static bool efer_as_size(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & row->arg) == !entry_has(s, ENTRY_EXIT, VM_EXIT_HOST_ADDR_SPACE_SIZE);
}

static bool in_long_mode(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !s->cpu->long_mode || entry_has(s, ENTRY_EXIT, VM_EXIT_HOST_ADDR_SPACE_SIZE);
}

/* arg: the control that only a host in IA-32e mode may have. */
static bool out_of_long_mode(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return s->cpu->long_mode || entry_zeros(s, row, value);
}

#define REGISTERS	"26.2.2"
#define SEGMENTS	"26.2.3"
#define SIZE		"26.2.4"

#define RULE(n, s, t) .rule = { .name = "host." n, .text = t, .sdm = s, .class = ENTRY_HOST }

#define CANONICAL(n, s, f) \
	{ RULE(n, s, "the address is canonical"), .field = f, .holds = entry_canonical }
#define SELECTOR(n, f) \
	{ RULE(n ".selector", SEGMENTS, "RPL and TI of the selector are 0"), \
	  .field = f, .arg = 7, .holds = entry_zeros }
#define LONG	{ ENTRY_EXIT, VM_EXIT_HOST_ADDR_SPACE_SIZE }

static const struct entry_row rows[] = {
	/* ---- 26.2.2: control registers and MSRs ---- */
	{ RULE("cr0.ones", REGISTERS, "bits that are fixed to 1 in VMX operation are 1"),
	  .field = HOST_CR0, .holds = entry_cr0_ones },
	{ RULE("cr0.zeros", REGISTERS, "bits that are fixed to 0 in VMX operation are 0"),
	  .field = HOST_CR0, .holds = entry_cr0_zeros },
	{ RULE("cr4.ones", REGISTERS, "bits that are fixed to 1 in VMX operation are 1"),
	  .field = HOST_CR4, .holds = entry_cr4_ones },
	{ RULE("cr4.zeros", REGISTERS, "bits that are fixed to 0 in VMX operation are 0"),
	  .field = HOST_CR4, .holds = entry_cr4_zeros },
	{ RULE("cr4.cet", REGISTERS, "CR4.CET is only 1 with CR0.WP"),
	  .field = HOST_CR4, .holds = cet_with_wp },
	{ RULE("cr3.width", REGISTERS, "the address is in the CPU's physical-address width"),
	  .field = HOST_CR3, .holds = entry_cr3 },
	CANONICAL("sysenter_esp", REGISTERS, HOST_IA32_SYSENTER_ESP),
	CANONICAL("sysenter_eip", REGISTERS, HOST_IA32_SYSENTER_EIP),
	{ RULE("perf_global_ctrl.reserved", REGISTERS, "bits that the CPU does not have are 0"),
	  .field = HOST_IA32_PERF_GLOBAL_CTRL,
	  .when = { ENTRY_EXIT, VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL },
	  .holds = entry_perf_global_ctrl },
	{ RULE("pat", REGISTERS, "each byte is a memory type: 0, 1 or 4 to 7"),
	  .field = HOST_IA32_PAT, .when = { ENTRY_EXIT, VM_EXIT_LOAD_IA32_PAT },
	  .holds = entry_pat },
	{ RULE("efer.reserved", REGISTERS, "bits that the CPU does not have are 0"),
	  .field = HOST_IA32_EFER, .when = { ENTRY_EXIT, VM_EXIT_LOAD_IA32_EFER },
	  .holds = entry_efer },
	{ RULE("efer.lma", REGISTERS, "EFER.LMA is the control \"host address-space size\""),
	  .field = HOST_IA32_EFER, .when = { ENTRY_EXIT, VM_EXIT_LOAD_IA32_EFER },
	  .arg = EFER_LMA, .holds = efer_as_size },
	{ RULE("efer.lme", REGISTERS, "EFER.LME is the control \"host address-space size\""),
	  .field = HOST_IA32_EFER, .when = { ENTRY_EXIT, VM_EXIT_LOAD_IA32_EFER },
	  .arg = EFER_LME, .holds = efer_as_size },
	{ RULE("s_cet.reserved", REGISTERS,
	       "bits 9:6 are 0, and not both SUPPRESS and TRACKER are 1"),
	  .field = FIELD_HOST_S_CET, .when = { ENTRY_EXIT, EXIT_LOAD_CET }, .holds = entry_cet },
	{ RULE("pkrs.reserved", REGISTERS, "bits 63:32 are 0"),
	  .field = FIELD_HOST_PKRS, .when = { ENTRY_EXIT, EXIT_LOAD_PKRS },
	  .arg = HIGH_HALF, .holds = entry_zeros },

	/* ---- 26.2.3: segments and descriptor tables ---- */
	SELECTOR("cs", HOST_CS_SELECTOR),
	SELECTOR("ss", HOST_SS_SELECTOR),
	SELECTOR("ds", HOST_DS_SELECTOR),
	SELECTOR("es", HOST_ES_SELECTOR),
	SELECTOR("fs", HOST_FS_SELECTOR),
	SELECTOR("gs", HOST_GS_SELECTOR),
	SELECTOR("tr", HOST_TR_SELECTOR),
	{ RULE("cs.null", SEGMENTS, "the selector is not 0"),
	  .field = HOST_CS_SELECTOR, .holds = entry_nonzero },
	{ RULE("tr.null", SEGMENTS, "the selector is not 0"),
	  .field = HOST_TR_SELECTOR, .holds = entry_nonzero },
	{ RULE("ss.null", SEGMENTS, "the selector is not 0, unless the host is one of 64 bits"),
	  .field = HOST_SS_SELECTOR, .unless = LONG, .holds = entry_nonzero },
	CANONICAL("fs.base", SEGMENTS, HOST_FS_BASE),
	CANONICAL("gs.base", SEGMENTS, HOST_GS_BASE),
	CANONICAL("gdtr.base", SEGMENTS, HOST_GDTR_BASE),
	CANONICAL("idtr.base", SEGMENTS, HOST_IDTR_BASE),
	CANONICAL("tr.base", SEGMENTS, HOST_TR_BASE),
	{ RULE("ssp_table", SEGMENTS, "the address is canonical"),
	  .field = FIELD_HOST_SSP_TABLE, .when = { ENTRY_EXIT, EXIT_LOAD_CET },
	  .holds = entry_canonical },

	/*
	 * ---- 26.2.4: address-space size ----
	 * That "IA-32e mode guest" needs "host address-space size" follows from the
	 * first three.
	 */
	{ RULE("size.guest_out_of_long_mode", SIZE,
	       "\"IA-32e mode guest\" is 0 if the host is not in IA-32e mode"),
	  .field = VM_ENTRY_CONTROLS, .arg = VM_ENTRY_IA32E_MODE, .holds = out_of_long_mode },
	{ RULE("size.out_of_long_mode", SIZE,
	       "\"host address-space size\" is 0 if the host is not in IA-32e mode"),
	  .field = VM_EXIT_CONTROLS, .arg = VM_EXIT_HOST_ADDR_SPACE_SIZE,
	  .holds = out_of_long_mode },
	{ RULE("size.long_mode", SIZE,
	       "\"host address-space size\" is 1 if the host is in IA-32e mode"),
	  .field = VM_EXIT_CONTROLS, .holds = in_long_mode },
	{ RULE("cr4.pcide", SIZE, "CR4.PCIDE is 0 unless the host is one of 64 bits"),
	  .field = HOST_CR4, .unless = LONG, .arg = X86_CR4_PCIDE, .holds = entry_zeros },
	{ RULE("rip.high", SIZE, "bits 63:32 are 0 unless the host is one of 64 bits"),
	  .field = HOST_RIP, .unless = LONG, .arg = HIGH_HALF, .holds = entry_zeros },
	{ RULE("cr4.pae", SIZE, "CR4.PAE is 1 if the host is one of 64 bits"),
	  .field = HOST_CR4, .when = LONG, .arg = X86_CR4_PAE, .holds = entry_ones },
	{ RULE("rip.canonical", SIZE, "the address is canonical"),
	  .field = HOST_RIP, .when = LONG, .holds = entry_canonical },
	{ RULE("s_cet.high", SIZE, "bits 63:32 are 0 unless the host is one of 64 bits"),
	  .field = FIELD_HOST_S_CET, .when = { ENTRY_EXIT, EXIT_LOAD_CET }, .unless = LONG,
	  .arg = HIGH_HALF, .holds = entry_zeros },
	{ RULE("ssp.high", SIZE, "bits 63:32 are 0 unless the host is one of 64 bits"),
	  .field = FIELD_HOST_SSP, .when = { ENTRY_EXIT, EXIT_LOAD_CET }, .unless = LONG,
	  .arg = HIGH_HALF, .holds = entry_zeros },
	{ RULE("s_cet.canonical", SIZE, "the value is a canonical address"),
	  .field = FIELD_HOST_S_CET, .holds = entry_canonical,
	  .when = { ENTRY_EXIT, EXIT_LOAD_CET | VM_EXIT_HOST_ADDR_SPACE_SIZE } },
	{ RULE("ssp.canonical", SIZE, "the address is canonical"),
	  .field = FIELD_HOST_SSP, .holds = entry_canonical,
	  .when = { ENTRY_EXIT, EXIT_LOAD_CET | VM_EXIT_HOST_ADDR_SPACE_SIZE } },
	{ RULE("ssp.aligned", SIZE, "the address is a multiple of 4"),
	  .field = FIELD_HOST_SSP, .when = { ENTRY_EXIT, EXIT_LOAD_CET },
	  .arg = 3, .holds = entry_zeros },
};

const struct entry_table entry_host = { rows, ARRAY_SIZE(rows) };
