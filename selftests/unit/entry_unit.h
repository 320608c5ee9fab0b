/* SPDX-License-Identifier: GPL-2.0 */
/*
 * entry_unit.h - shared by the files of the test of the model of VM entry's checks:
 * a VMCS, the CPU and the memory that go with it, and the program that makes valid
 * ones.
 */
#ifndef LODGE_UNIT_ENTRY_UNIT_H
#define LODGE_UNIT_ENTRY_UNIT_H

#include "vmx_shim.h"

#include "../../kmod/vmx/entry_check_priv.h"
#include "entry_mutations.h"

/* What is where in the sample's memory; one page each. */
#define AT_VIRTUAL_APIC	0x10000u
#define AT_PDPTES	0x13000u	/* valid ones */
#define AT_MSRS		0x14000u	/* entries that can be loaded */
#define MSRS		4

struct sample {
	struct vmcs_image vmcs;
	struct entry_cpu cpu;
	enum entry_from from;
	u8 vtpr;
	u32 linked;			/* the first bytes of the VMCS there */
	u64 pdpte[4];
	struct vmx_msr_entry msr[MSRS];
};

extern u64 seed;
u64 rnd(void);
u32 below(u32 n);

static inline bool one_in(u32 n)
{
	return below(n) == 0;
}

static inline u64 get(const struct sample *s, u32 field)
{
	return vmcs_image_get(&s->vmcs, field);
}

void set(struct sample *s, u32 field, u64 value);
void set_bits(struct sample *s, u32 field, u64 bits, bool on);

/* A CPU that has everything, and any CPU. */
void build_whole_cpu(struct sample *s, bool long_mode);
void build_any_cpu(struct sample *s, bool long_mode);
/* A state that can be entered: the same one for each mode, or any. */
void build_plain(struct sample *s, enum entry_from from);
void build_any(struct sample *s, enum entry_from from);

#endif
