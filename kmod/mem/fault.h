/* SPDX-License-Identifier: GPL-2.0 */
/* From an EPT violation to a mapping. */
#ifndef LODGE_MEM_FAULT_H
#define LODGE_MEM_FAULT_H

#include "../lodge.h"

struct ept_fault {
	/* in */
	gpa_t gpa;
	bool write;
	/* found on the way */
	hva_t hva;
	struct page *page;
	bool writable;
};

/* Results beside a negative errno. */
enum { FAULT_RESUME, FAULT_MMIO };

int fault_resolve(struct lodge_vcpu *vcpu, struct ept_fault *f);

#endif
