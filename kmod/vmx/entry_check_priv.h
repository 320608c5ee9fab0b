/* SPDX-License-Identifier: GPL-2.0 */
/*
 * entry_check_priv.h - shared by the files of the model of VM entry's checks and
 * by nobody else: what a row of their tables says, and the questions that rows
 * of all the tables ask.
 */
#ifndef LODGE_VMX_ENTRY_CHECK_PRIV_H
#define LODGE_VMX_ENTRY_CHECK_PRIV_H

#ifdef __KERNEL__
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/vmx.h>
#else
#include "vmx_shim.h"
#endif

#include "entry_check.h"

/* Bits that not every kernel's headers name. */
#define CR4_CET			BIT(23)
#define PROC2_VE		BIT(18)		/* EPT-violation #VE */
#define PROC2_PASID		BIT(21)		/* PASID translation */
#define PROC2_SPP		BIT(23)		/* sub-page write permissions for EPT */
#define PROC3_HLAT		BIT(1)
#define PROC3_PAGING_WRITE	BIT(2)		/* EPT paging-write control */
#define PROC3_PAGING_VERIFY	BIT(3)		/* guest-paging verification */
#define PROC3_IPI		BIT(4)		/* IPI virtualization */
#define EXIT_LOAD_CET		BIT(28)
#define EXIT_LOAD_PKRS		BIT(29)
#define EXIT_SECONDARY		BIT(31)
#define ENTRY_LOAD_UINV		BIT(19)
#define ENTRY_LOAD_CET		BIT(20)
#define ENTRY_LOAD_LBR_CTL	BIT(21)
#define ENTRY_LOAD_PKRS		BIT(22)
#define MISC_ZERO_LENGTH	BIT(30)		/* IA32_VMX_MISC: SDM vol. 3D A.6 */
#define BASIC_32BIT		BIT_ULL(48)	/* IA32_VMX_BASIC: A.1 */
#define BASIC_ERROR_CODES	BIT_ULL(56)	/* any exception may have an error code */
#define EPT_CAP_SHADOW_STACK	BIT(23)		/* IA32_VMX_EPT_VPID_CAP: A.10 */

#define HIGH_HALF		GENMASK_ULL(63, 32)

/* What the rules look at. */
struct entry_state {
	const struct vmcs_image *vmcs;
	const struct entry_cpu *cpu;
	u64 control[ENTRY_WORDS];	/* zero for a word that is not activated */
	u32 event;			/* VM-entry interruption information; 0: not valid */
	bool ia32e, v8086, unrestricted;
};

struct entry_bits {
	u8 word;			/* enum entry_word */
	u32 bits;
};

struct entry_row {
	struct entry_rule rule;
	u32 field;			/* its value is judged, it is blamed */
	struct entry_bits when;		/* the rule applies if all of these controls are 1 */
	struct entry_bits unless;	/* ... and none of these */
	struct entry_bits with;		/* for entry_on(), entry_off() and the like */
	u64 arg;
	bool (*holds)(const struct entry_state *s, const struct entry_row *row, u64 value);
};

struct entry_table {
	const struct entry_row *rows;
	unsigned int count;
};

extern const struct entry_table entry_controls;
extern const struct entry_table entry_host;
extern const struct entry_table entry_guest_registers;
extern const struct entry_table entry_segments;
extern const struct entry_table entry_guest_state;

/* entry_check_msrs.c: the VM-entry MSR-load area. */
int entry_check_msrs(const struct entry_state *s, struct entry_finding *out, int max);
const struct entry_rule *entry_msr_rule(unsigned int index);

static inline u64 entry_get(const struct entry_state *s, u32 field)
{
	return vmcs_image_get(s->vmcs, field);
}

static inline bool entry_has(const struct entry_state *s, u8 word, u32 bits)
{
	return (s->control[word] & bits) == bits;
}

/* Type of the event to be injected, INTR_TYPE_...; only if there is one. */
static inline u32 event_type(const struct entry_state *s)
{
	return s->event & INTR_INFO_INTR_TYPE_MASK;
}

static inline u32 event_vector(const struct entry_state *s)
{
	return s->event & INTR_INFO_VECTOR_MASK;
}

static inline bool event_is(const struct entry_state *s, u32 type)
{
	return s->event && event_type(s) == type;
}

bool entry_is_canonical(const struct entry_cpu *cpu, u64 address);
bool entry_is_pat(u64 value);
/* Bits of an address that only a CPU with more address lines could have. */
u64 entry_beyond(const struct entry_cpu *cpu);

/* For rows: the value of the row's field ... */
typedef bool entry_holds_t(const struct entry_state *s, const struct entry_row *row, u64 value);
entry_holds_t entry_zeros;	/* has no bit of arg */
entry_holds_t entry_ones;	/* has all bits of arg */
entry_holds_t entry_nonzero;
entry_holds_t entry_canonical;
entry_holds_t entry_width;	/* is an address of this CPU */
entry_holds_t entry_pat;	/* has eight memory types */
entry_holds_t entry_cet;	/* is a value for IA32_S_CET */
entry_holds_t entry_cr3;
entry_holds_t entry_cr0_ones;	/* the bits that are fixed in VMX operation */
entry_holds_t entry_cr0_zeros;
entry_holds_t entry_cr4_ones;
entry_holds_t entry_cr4_zeros;
entry_holds_t entry_efer;	/* and the other MSRs: the CPU has these bits */
entry_holds_t entry_perf_global_ctrl;
/* ... and the controls of the row's with: */
entry_holds_t entry_on;		/* are all 1 */
entry_holds_t entry_off;	/* are all 0 */

#endif
