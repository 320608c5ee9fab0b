// SPDX-License-Identifier: GPL-2.0
/*
 * entry_check_guest.c - what VM entry demands of the guest-state area but for
 * its segments: tables in the order of SDM vol. 3C 26.3.1.1 (control and debug
 * registers, MSRs) and 26.3.1.3 to 26.3.1.6 (descriptor tables, RIP and RFLAGS,
 * state that is in no register, PDPTEs).  A broken rule is exit reason 33.
 */
#include "entry_check_priv.h"

/* ---- 26.3.1.1 ---- */

static bool paging_protected(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & X86_CR0_PG) || value & X86_CR0_PE;
}

static bool cet_with_wp(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & CR4_CET) || entry_get(s, GUEST_CR0) & X86_CR0_WP;
}

static bool debugctl(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & ~s->cpu->debugctl);
}

static bool lma_as_mode(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & EFER_LMA) == !s->ia32e;
}

static bool lme_as_lma(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(entry_get(s, GUEST_CR0) & X86_CR0_PG) ||
	       !(value & EFER_LMA) == !(value & EFER_LME);
}

static bool bndcfgs_base(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return entry_is_canonical(s->cpu, value & GENMASK_ULL(63, 12));
}

static bool rtit_ctl(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & ~s->cpu->rtit_ctl);
}

static bool lbr_ctl(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & ~s->cpu->lbr_ctl);
}

/* ---- 26.3.1.4 ---- */

static bool code_is_64(const struct entry_state *s)
{
	return s->ia32e && entry_get(s, GUEST_CS_AR_BYTES) & VMX_AR_L_MASK;
}

static bool rip_high(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return code_is_64(s) || !(value & HIGH_HALF);
}

/* Weaker than canonical: a RIP just behind the lower half is let in. */
static bool above_width_same(const struct entry_cpu *cpu, u64 value)
{
	s64 above = cpu->linear_bits < 64 ? (s64)value >> cpu->linear_bits : 0;

	return above == 0 || above == -1;
}

static bool rip_width(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !code_is_64(s) || above_width_same(s->cpu, value);
}

static bool ssp_width(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return above_width_same(s->cpu, value);
}

static bool v8086_in_ia32e(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !s->v8086 || !s->ia32e;
}

static bool v8086_protected(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !s->v8086 || entry_get(s, GUEST_CR0) & X86_CR0_PE;
}

static bool interrupt_enabled(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !event_is(s, INTR_TYPE_EXT_INTR) || value & X86_EFLAGS_IF;
}

/* ---- 26.3.1.5: the activity state ---- */

static bool activity_known(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	if (value == GUEST_ACTIVITY_ACTIVE)
		return true;
	return value <= GUEST_ACTIVITY_WAIT_SIPI && s->cpu->misc >> (5 + value) & 1;
}

static bool halted_cpl0(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return value != GUEST_ACTIVITY_HLT || !VMX_AR_DPL(entry_get(s, GUEST_SS_AR_BYTES));
}

static bool blocked_is_active(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	u64 blocking = entry_get(s, GUEST_INTERRUPTIBILITY_INFO);

	return value == GUEST_ACTIVITY_ACTIVE ||
	       !(blocking & (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS));
}

/* Interrupts, NMI, #DB, #MC, a pending MTF VM exit. */
static bool halted_event(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	u32 vector = event_vector(s);

	if (value != GUEST_ACTIVITY_HLT || !s->event)
		return true;
	switch (event_type(s)) {
	case INTR_TYPE_EXT_INTR:
	case INTR_TYPE_NMI_INTR:
		return true;
	case INTR_TYPE_HARD_EXCEPTION:
		return vector == 1 || vector == 18;
	case INTR_TYPE_OTHER_EVENT:
		return vector == 0;
	default:
		return false;
	}
}

static bool shutdown_event(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	if (value != GUEST_ACTIVITY_SHUTDOWN || !s->event)
		return true;
	return event_type(s) == INTR_TYPE_NMI_INTR ||
	       (event_type(s) == INTR_TYPE_HARD_EXCEPTION && event_vector(s) == 18);
}

static bool waiting_event(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return value != GUEST_ACTIVITY_WAIT_SIPI || !s->event;
}

/* ---- 26.3.1.5: interruptibility; arg: the bits in question ---- */

static bool not_both(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return (value & row->arg) != row->arg;
}

static bool sti_with_if(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & row->arg) || entry_get(s, GUEST_RFLAGS) & X86_EFLAGS_IF;
}

static bool free_for_interrupt(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & row->arg) || !event_is(s, INTR_TYPE_EXT_INTR);
}

static bool free_for_nmi(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & row->arg) || !event_is(s, INTR_TYPE_NMI_INTR);
}

static bool sti_for_nmi(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !s->cpu->sti_blocks_nmi || free_for_nmi(s, row, value);
}

static bool enclave_has_sgx(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & row->arg) || s->cpu->sgx;
}

/* ---- 26.3.1.5: pending debug exceptions ---- */

#define PENDING_ENABLED	BIT(12)
#define PENDING_BS	BIT(14)
#define PENDING_RTM	BIT(16)

static bool pending_known(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	const u64 optional = s->cpu->pending_debug & (BIT(11) | PENDING_RTM);

	return !(value & ~(GENMASK_ULL(3, 0) | PENDING_ENABLED | PENDING_BS | optional));
}

/* With debug exceptions held up, a single step must not get lost, nor be made up. */
static bool step_held_up(const struct entry_state *s)
{
	u64 blocking = entry_get(s, GUEST_INTERRUPTIBILITY_INFO);

	return blocking & (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS) ||
	       entry_get(s, GUEST_ACTIVITY_STATE) == GUEST_ACTIVITY_HLT;
}

static bool single_steps(const struct entry_state *s)
{
	return entry_get(s, GUEST_RFLAGS) & X86_EFLAGS_TF &&
	       !(entry_get(s, GUEST_IA32_DEBUGCTL) & DEBUGCTLMSR_BTF);
}

static bool step_pending(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !step_held_up(s) || !single_steps(s) || value & PENDING_BS;
}

static bool no_step_pending(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !step_held_up(s) || single_steps(s) || !(value & PENDING_BS);
}

static bool rtm_alone(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & PENDING_RTM) ||
	       (value & PENDING_ENABLED && !(value & (GENMASK(11, 0) | GENMASK(15, 13))));
}

static bool rtm_unblocked(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !(value & PENDING_RTM) ||
	       !(entry_get(s, GUEST_INTERRUPTIBILITY_INFO) & GUEST_INTR_STATE_MOV_SS);
}

/* ---- 26.3.1.5: the VMCS link pointer ---- */

static bool no_link(u64 value)
{
	return value == ~0ull;
}

static bool link_aligned(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return no_link(value) || entry_zeros(s, row, value);
}

static bool link_width(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return no_link(value) || entry_width(s, row, value);
}

/* The first four bytes of the VMCS there; arg: those of their bits that count. */
static bool link_header(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	u32 header, want = s->cpu->basic & GENMASK(30, 0);

	if (no_link(value) || !s->cpu->read(s->cpu->opaque, value, &header, sizeof(header)))
		return true;
	if (entry_has(s, ENTRY_PROC2, SECONDARY_EXEC_SHADOW_VMCS))
		want |= BIT(31);
	return (header & row->arg) == (want & row->arg);
}

static bool link_other(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return no_link(value) || value != s->cpu->current_vmcs;
}

/* ---- 26.3.1.6 ---- */

static bool pae_paging(const struct entry_state *s)
{
	return entry_get(s, GUEST_CR0) & X86_CR0_PG && entry_get(s, GUEST_CR4) & X86_CR4_PAE &&
	       !s->ia32e;
}

/* SDM vol. 3A 4.4.1 */
static bool pdpte_is_valid(const struct entry_state *s, u64 pdpte)
{
	return !(pdpte & 1) ||
	       !(pdpte & (entry_beyond(s->cpu) | GENMASK_ULL(8, 5) | GENMASK_ULL(2, 1)));
}

static bool pdpte(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	return !pae_paging(s) || pdpte_is_valid(s, value);
}

/* Without EPT they are in the host's memory, where CR3 says. */
static bool pdptes_in_memory(const struct entry_state *s, const struct entry_row *row, u64 value)
{
	u64 pdptes[4];
	unsigned int i;

	if (!pae_paging(s) ||
	    !s->cpu->read(s->cpu->opaque, value & GENMASK_ULL(31, 5), pdptes, sizeof(pdptes)))
		return true;
	for (i = 0; i < ARRAY_SIZE(pdptes); i++)
		if (!pdpte_is_valid(s, pdptes[i]))
			return false;
	return true;
}

#define REGISTERS	"26.3.1.1"
#define TABLES		"26.3.1.3"
#define FLAGS		"26.3.1.4"
#define OTHER		"26.3.1.5"
#define PDPTES		"26.3.1.6"

/* Exit qualifications, SDM vol. 3C 26.7. */
#define QUALIFIED(n, s, t, q) .rule = { \
	.name = "guest." n, .text = t, .sdm = s, .class = ENTRY_GUEST, .qualification = q }
#define RULE(n, s, t) QUALIFIED(n, s, t, ENTRY_FAIL_DEFAULT)

#define CANONICAL(n, s, f) \
	{ RULE(n, s, "the address is canonical"), .field = f, .holds = entry_canonical }
#define LIMIT(n, f) \
	{ RULE(n, TABLES, "bits 31:16 are 0"), \
	  .field = f, .arg = GENMASK(31, 16), .holds = entry_zeros }
#define ACTIVITY(n, t, h) \
	{ RULE("activity." n, OTHER, t), .field = GUEST_ACTIVITY_STATE, .holds = h }
#define BLOCKING(n, t, a, h) \
	{ RULE("interruptibility." n, OTHER, t), \
	  .field = GUEST_INTERRUPTIBILITY_INFO, .arg = a, .holds = h }
#define PENDING(n, t, h) \
	{ RULE("pending_debug." n, OTHER, t), \
	  .field = GUEST_PENDING_DBG_EXCEPTIONS, .holds = h }
#define LINK(n, t, a, h) \
	{ QUALIFIED("link_pointer." n, OTHER, t, ENTRY_FAIL_VMCS_LINK_PTR), \
	  .field = VMCS_LINK_POINTER, .arg = a, .holds = h }
#define PDPTE(n, f) \
	{ QUALIFIED(n, PDPTES, "with PAE paging, one that is present has no reserved bit set", \
		    ENTRY_FAIL_PDPTE), \
	  .field = f, .when = { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_EPT }, .holds = pdpte }

static const struct entry_row registers[] = {
	{ RULE("cr0.ones", REGISTERS,
	       "bits that are fixed to 1 are 1, but for PE and PG in an unrestricted guest"),
	  .field = GUEST_CR0, .arg = X86_CR0_PE | X86_CR0_PG, .holds = entry_cr0_ones },
	{ RULE("cr0.zeros", REGISTERS, "bits that are fixed to 0 in VMX operation are 0"),
	  .field = GUEST_CR0, .holds = entry_cr0_zeros },
	{ RULE("cr0.pg", REGISTERS, "CR0.PG is only 1 with CR0.PE"),
	  .field = GUEST_CR0, .holds = paging_protected },
	{ RULE("cr4.ones", REGISTERS, "bits that are fixed to 1 in VMX operation are 1"),
	  .field = GUEST_CR4, .holds = entry_cr4_ones },
	{ RULE("cr4.zeros", REGISTERS, "bits that are fixed to 0 in VMX operation are 0"),
	  .field = GUEST_CR4, .holds = entry_cr4_zeros },
	{ RULE("cr4.cet", REGISTERS, "CR4.CET is only 1 with CR0.WP"),
	  .field = GUEST_CR4, .holds = cet_with_wp },
	{ RULE("debugctl.reserved", REGISTERS, "bits that the CPU does not have are 0"),
	  .field = GUEST_IA32_DEBUGCTL, .when = { ENTRY_ENTRY, VM_ENTRY_LOAD_DEBUG_CONTROLS },
	  .holds = debugctl },
	{ RULE("cr0.ia32e", REGISTERS, "CR0.PG is 1 in a guest in IA-32e mode"),
	  .field = GUEST_CR0, .when = { ENTRY_ENTRY, VM_ENTRY_IA32E_MODE },
	  .arg = X86_CR0_PG, .holds = entry_ones },
	{ RULE("cr4.ia32e", REGISTERS, "CR4.PAE is 1 in a guest in IA-32e mode"),
	  .field = GUEST_CR4, .when = { ENTRY_ENTRY, VM_ENTRY_IA32E_MODE },
	  .arg = X86_CR4_PAE, .holds = entry_ones },
	{ RULE("cr4.pcide", REGISTERS, "CR4.PCIDE is 0 unless the guest is in IA-32e mode"),
	  .field = GUEST_CR4, .unless = { ENTRY_ENTRY, VM_ENTRY_IA32E_MODE },
	  .arg = X86_CR4_PCIDE, .holds = entry_zeros },
	{ RULE("cr3.width", REGISTERS, "the address is in the CPU's physical-address width"),
	  .field = GUEST_CR3, .holds = entry_cr3 },
	{ RULE("dr7.reserved", REGISTERS, "bits 63:32 are 0"),
	  .field = GUEST_DR7, .when = { ENTRY_ENTRY, VM_ENTRY_LOAD_DEBUG_CONTROLS },
	  .arg = HIGH_HALF, .holds = entry_zeros },
	CANONICAL("sysenter_esp", REGISTERS, GUEST_SYSENTER_ESP),
	CANONICAL("sysenter_eip", REGISTERS, GUEST_SYSENTER_EIP),
	{ RULE("ssp_table", REGISTERS, "the address is canonical"),
	  .field = FIELD_GUEST_SSP_TABLE, .when = { ENTRY_ENTRY, ENTRY_LOAD_CET },
	  .holds = entry_canonical },
	{ RULE("s_cet.reserved", REGISTERS,
	       "bits 9:6 are 0, and not both SUPPRESS and TRACKER are 1"),
	  .field = FIELD_GUEST_S_CET, .when = { ENTRY_ENTRY, ENTRY_LOAD_CET },
	  .holds = entry_cet },
	{ RULE("s_cet.canonical", REGISTERS, "the value is a canonical address"),
	  .field = FIELD_GUEST_S_CET, .when = { ENTRY_ENTRY, ENTRY_LOAD_CET },
	  .holds = entry_canonical },
	{ RULE("perf_global_ctrl.reserved", REGISTERS, "bits that the CPU does not have are 0"),
	  .field = GUEST_IA32_PERF_GLOBAL_CTRL,
	  .when = { ENTRY_ENTRY, VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL },
	  .holds = entry_perf_global_ctrl },
	{ RULE("pat", REGISTERS, "each byte is a memory type: 0, 1 or 4 to 7"),
	  .field = GUEST_IA32_PAT, .when = { ENTRY_ENTRY, VM_ENTRY_LOAD_IA32_PAT },
	  .holds = entry_pat },
	{ RULE("efer.reserved", REGISTERS, "bits that the CPU does not have are 0"),
	  .field = GUEST_IA32_EFER, .when = { ENTRY_ENTRY, VM_ENTRY_LOAD_IA32_EFER },
	  .holds = entry_efer },
	{ RULE("efer.lma", REGISTERS, "EFER.LMA is the control \"IA-32e mode guest\""),
	  .field = GUEST_IA32_EFER, .when = { ENTRY_ENTRY, VM_ENTRY_LOAD_IA32_EFER },
	  .holds = lma_as_mode },
	{ RULE("efer.lme", REGISTERS, "EFER.LME is EFER.LMA if CR0.PG is 1"),
	  .field = GUEST_IA32_EFER, .when = { ENTRY_ENTRY, VM_ENTRY_LOAD_IA32_EFER },
	  .holds = lme_as_lma },
	{ RULE("bndcfgs.reserved", REGISTERS, "bits 11:2 are 0"),
	  .field = GUEST_BNDCFGS, .when = { ENTRY_ENTRY, VM_ENTRY_LOAD_BNDCFGS },
	  .arg = GENMASK(11, 2), .holds = entry_zeros },
	{ RULE("bndcfgs.base", REGISTERS, "bits 63:12 are a canonical address"),
	  .field = GUEST_BNDCFGS, .when = { ENTRY_ENTRY, VM_ENTRY_LOAD_BNDCFGS },
	  .holds = bndcfgs_base },
	{ RULE("rtit_ctl.reserved", REGISTERS, "bits that the CPU does not have are 0"),
	  .field = GUEST_IA32_RTIT_CTL, .when = { ENTRY_ENTRY, VM_ENTRY_LOAD_IA32_RTIT_CTL },
	  .holds = rtit_ctl },
	{ RULE("lbr_ctl.reserved", REGISTERS, "bits that the CPU does not have are 0"),
	  .field = FIELD_GUEST_LBR_CTL, .when = { ENTRY_ENTRY, ENTRY_LOAD_LBR_CTL },
	  .holds = lbr_ctl },
	{ RULE("pkrs.reserved", REGISTERS, "bits 63:32 are 0"),
	  .field = FIELD_GUEST_PKRS, .when = { ENTRY_ENTRY, ENTRY_LOAD_PKRS },
	  .arg = HIGH_HALF, .holds = entry_zeros },
	{ RULE("uinv.reserved", REGISTERS, "bits 15:8 are 0"),
	  .field = FIELD_GUEST_UINV, .when = { ENTRY_ENTRY, ENTRY_LOAD_UINV },
	  .arg = 0xff00, .holds = entry_zeros },
};

static const struct entry_row state[] = {
	/* ---- 26.3.1.3: descriptor-table registers ---- */
	CANONICAL("gdtr.base", TABLES, GUEST_GDTR_BASE),
	CANONICAL("idtr.base", TABLES, GUEST_IDTR_BASE),
	LIMIT("gdtr.limit", GUEST_GDTR_LIMIT),
	LIMIT("idtr.limit", GUEST_IDTR_LIMIT),

	/* ---- 26.3.1.4: RIP, RFLAGS and SSP ---- */
	{ RULE("rip.high", FLAGS, "bits 63:32 are 0 unless the guest runs 64-bit code"),
	  .field = GUEST_RIP, .holds = rip_high },
	{ RULE("rip.width", FLAGS,
	       "in 64-bit code, the bits above the linear-address width are all the same"),
	  .field = GUEST_RIP, .holds = rip_width },
	{ RULE("rflags.reserved", FLAGS, "bits 63:22, 15, 5 and 3 are 0"),
	  .field = GUEST_RFLAGS, .holds = entry_zeros,
	  .arg = GENMASK_ULL(63, 22) | BIT(15) | BIT(5) | BIT(3) },
	{ RULE("rflags.fixed", FLAGS, "bit 1 is 1"),
	  .field = GUEST_RFLAGS, .arg = X86_EFLAGS_FIXED, .holds = entry_ones },
	{ RULE("rflags.vm.ia32e", FLAGS, "RFLAGS.VM is 0 in a guest in IA-32e mode"),
	  .field = GUEST_RFLAGS, .holds = v8086_in_ia32e },
	{ RULE("rflags.vm.real", FLAGS, "RFLAGS.VM is 0 in a guest with CR0.PE 0"),
	  .field = GUEST_RFLAGS, .holds = v8086_protected },
	{ RULE("rflags.if", FLAGS, "RFLAGS.IF is 1 if an external interrupt is injected"),
	  .field = GUEST_RFLAGS, .holds = interrupt_enabled },
	{ RULE("ssp.aligned", FLAGS, "the address is a multiple of 4"),
	  .field = FIELD_GUEST_SSP, .when = { ENTRY_ENTRY, ENTRY_LOAD_CET },
	  .arg = 3, .holds = entry_zeros },
	{ RULE("ssp.width", FLAGS, "the bits above the linear-address width are all the same"),
	  .field = FIELD_GUEST_SSP, .when = { ENTRY_ENTRY, ENTRY_LOAD_CET }, .holds = ssp_width },

	/* ---- 26.3.1.5: non-register state ---- */
	ACTIVITY("known", "the state is one that the CPU has", activity_known),
	ACTIVITY("cpl", "a halted guest has SS.DPL 0", halted_cpl0),
	ACTIVITY("blocked", "a guest with blocking by STI or by MOV SS is active",
		 blocked_is_active),
	ACTIVITY("event.halted", "a halted guest takes only interrupts, NMI, #DB, #MC and MTF",
		 halted_event),
	ACTIVITY("event.shutdown", "a guest in shutdown takes only NMI and #MC", shutdown_event),
	ACTIVITY("event.wait_for_sipi", "a guest that waits for SIPI takes no event",
		 waiting_event),

	BLOCKING("reserved", "bits 31:5 are 0", GENMASK(31, 5), entry_zeros),
	BLOCKING("both", "blocking is not both by STI and by MOV SS",
		 GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS, not_both),
	BLOCKING("sti", "blocking by STI is only there with RFLAGS.IF", GUEST_INTR_STATE_STI,
		 sti_with_if),
	BLOCKING("interrupt", "an external interrupt meets no blocking by STI or by MOV SS",
		 GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS, free_for_interrupt),
	BLOCKING("nmi_mov_ss", "an NMI meets no blocking by MOV SS", GUEST_INTR_STATE_MOV_SS,
		 free_for_nmi),
	BLOCKING("smi", "no blocking by SMI outside of SMM", GUEST_INTR_STATE_SMI, entry_zeros),
	{ QUALIFIED("interruptibility.nmi_sti", OTHER,
		    "an NMI meets no blocking by STI, on CPUs that ask for that", ENTRY_FAIL_NMI),
	  .field = GUEST_INTERRUPTIBILITY_INFO, .arg = GUEST_INTR_STATE_STI, .holds = sti_for_nmi },
	{ RULE("interruptibility.virtual_nmi", OTHER,
	       "with \"virtual NMIs\", an NMI meets no blocking by NMI"),
	  .field = GUEST_INTERRUPTIBILITY_INFO, .when = { ENTRY_PIN, PIN_BASED_VIRTUAL_NMIS },
	  .arg = GUEST_INTR_STATE_NMI, .holds = free_for_nmi },
	BLOCKING("enclave_mov_ss", "an interruption of an enclave excludes blocking by MOV SS",
		 GUEST_INTR_STATE_ENCLAVE_INTR | GUEST_INTR_STATE_MOV_SS, not_both),
	BLOCKING("enclave", "an enclave is interrupted only on a CPU with SGX",
		 GUEST_INTR_STATE_ENCLAVE_INTR, enclave_has_sgx),

	PENDING("reserved", "bits that the CPU does not have are 0", pending_known),
	PENDING("bs.missing",
		"BS is 1 in a guest that steps through blocking by STI or MOV SS, or a halt",
		step_pending),
	PENDING("bs.unexpected",
		"BS is 0 in one that does not step and has blocking by STI or MOV SS, or halts",
		no_step_pending),
	PENDING("rtm.alone", "RTM goes with bit 12 and with no other", rtm_alone),
	PENDING("rtm.mov_ss", "RTM excludes blocking by MOV SS", rtm_unblocked),

	LINK("aligned", "the address, if there is one, is a multiple of 4096", 0xfff, link_aligned),
	LINK("width", "the address, if there is one, is in the CPU's physical-address width", 0,
	     link_width),
	LINK("revision", "the VMCS there has this CPU's revision identifier", GENMASK(30, 0),
	     link_header),
	LINK("shadow", "the VMCS there is a shadow VMCS if and only if \"VMCS shadowing\" is 1",
	     BIT(31), link_header),
	LINK("current", "the VMCS there is another one", 0, link_other),

	/* ---- 26.3.1.6: page-directory-pointer-table entries ---- */
	PDPTE("pdpte_0", GUEST_PDPTR0),
	PDPTE("pdpte_1", GUEST_PDPTR1),
	PDPTE("pdpte_2", GUEST_PDPTR2),
	PDPTE("pdpte_3", GUEST_PDPTR3),
	{ QUALIFIED("pdptes_in_memory", PDPTES,
		    "with PAE paging and no EPT, those present that CR3 points to are valid",
		    ENTRY_FAIL_PDPTE),
	  .field = GUEST_CR3, .unless = { ENTRY_PROC2, SECONDARY_EXEC_ENABLE_EPT },
	  .holds = pdptes_in_memory },
};

const struct entry_table entry_guest_registers = { registers, ARRAY_SIZE(registers) };
const struct entry_table entry_guest_state = { state, ARRAY_SIZE(state) };
