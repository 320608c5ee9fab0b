/* SPDX-License-Identifier: GPL-2.0 */
/*
 * entry_apply.h - the table of entry_mutations.h applied to a VMCS: to the one that the
 * unit test of the model makes up, and, for who has nothing of the kernel's headers, to a
 * list of fields as LODGE_GET_VMCS gives it.
 */
#ifndef LODGE_UNIT_ENTRY_APPLY_H
#define LODGE_UNIT_ENTRY_APPLY_H

#include <stdbool.h>
#include <linux/types.h>

/* The mode in which the guest is. */
enum entry_from { FROM_64, FROM_COMPATIBLE, FROM_PAE, FROM_PROTECTED, FROM_V8086, FROM_REAL,
		  NR_FROM };

/* What the CPU must be like for it. */
#define CPU_OLD		(1u << 0)	/* not in IA-32e mode, and so its host */
#define CPU_NO_AD	(1u << 1)	/* no accessed and dirty flags for EPT */
#define CPU_NO_ENFORCE	(1u << 2)	/* of shadow stacks by EPT */
#define CPU_TRACES	(1u << 3)	/* the host, by Intel PT */
#define CPU_NO_SGX	(1u << 4)
#define CPU_NO_LENGTH_0	(1u << 5)	/* of an instruction that causes an event */
#define CPU_ACTIVE_ONLY	(1u << 6)	/* no other activity state */
#define CPU_RTM		(1u << 7)	/* it has restricted transactional memory */

struct entry_mutation;
struct vmcs_image;
struct lodge_vmcs_field;

/* What else a change depends on. */
struct entry_place {
	unsigned int physical_bits;
	/* Where a page of the unit test's memory is: AT_..., to an address. */
	__u64 (*page)(void *opaque, __u64 at);
	void *opaque;
};

/* Everything but the field itself; the field. What the CPU does not have stays so. */
void entry_prepare(const struct entry_mutation *m, struct vmcs_image *vmcs);
void entry_break(const struct entry_mutation *m, struct vmcs_image *vmcs,
		 const struct entry_place *place);

/* ---- the table for others ---- */

struct entry_case {
	const char *rule;		/* the first that is broken then */
	__u32 field;
	enum entry_from from;
	__u8 cpu;			/* CPU_... */
	bool lax;			/* the emulated CPU does not check it */
	__u64 page;			/* of which contents its value is the address, or 0 */
};

/* False behind the last. */
bool entry_case(unsigned int i, struct entry_case *c);
/*
 * How a VMCS of @count fields has to be changed for it: how many fields, each with its
 * new value in out[]; -1 if they are more than max.
 */
int entry_changes(unsigned int i, const struct lodge_vmcs_field *fields, __u32 count,
		  const struct entry_place *place, struct lodge_vmcs_field *out, int max);
/* Contents of a page of memory; NULL if the table does not say. */
const void *entry_page(__u64 at, unsigned long *size);

#endif
