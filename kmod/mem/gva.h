/* SPDX-License-Identifier: GPL-2.0 */
/* The guest's own page tables, walked in software. */
#ifndef LODGE_MEM_GVA_H
#define LODGE_MEM_GVA_H

#include "../lodge.h"

/* Bits of a page-fault error code, SDM vol. 3A 4.7; also what is asked for. */
#define PF_PRESENT	BIT(0)
#define PF_WRITE	BIT(1)
#define PF_USER		BIT(2)
#define PF_RESERVED	BIT(3)
#define PF_FETCH	BIT(4)
#define PF_PKEY		BIT(5)
/* Not an access of the guest's: rights do not matter and nothing is marked. */
#define PF_PEEK		BIT(31)

enum gva_result {
	GVA_OK,
	GVA_FAULT,		/* the guest gets #PF with *error */
	GVA_RACE,		/* its tables keep changing: let the guest try again */
	GVA_NO_MEMORY,		/* a table lies where the process has no memory */
};

/* want: PF_WRITE, PF_USER, PF_FETCH as they apply to the access, or PF_PEEK. */
enum gva_result gva_translate(struct lodge_vcpu *vcpu, gva_t gva, u32 want,
			      gpa_t *gpa, u32 *error);

/* The four PDPTEs that the CPU holds for a PAE guest. */
u64 gva_pdptr(int i);
void gva_set_pdptr(int i, u64 value);

/* Load the four PDPTEs that CR3 points to; false if one is malformed or absent. */
bool gva_load_pdptrs(struct lodge_vcpu *vcpu, unsigned long cr3);

#endif
