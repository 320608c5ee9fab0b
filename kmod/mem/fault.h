/* SPDX-License-Identifier: GPL-2.0 */
/* From an EPT violation to a mapping. */
#ifndef LODGE_MEM_FAULT_H
#define LODGE_MEM_FAULT_H

#include "../lodge.h"

struct ept_fault {
	/* in */
	gpa_t gpa;
	bool write, exec;
	/* found on the way */
	hva_t hva;
	struct page *page;	/* NULL: not memory that the kernel counts references of */
	u64 pfn;
	bool writable;
	bool device;
	bool no_slot;
};

/* Results beside a negative errno. */
enum { FAULT_RESUME, FAULT_MMIO };

int fault_resolve(struct lodge_vcpu *vcpu, struct ept_fault *f);

/*
 * There is a doorbell where no slot is: the next access of that page exits as one to a
 * misconfigured entry, for which nobody has to be asked whether it is memory.
 */
void fault_trap(struct lodge_vcpu *vcpu, gpa_t gpa);

struct lodge_slot;

/* Small mappings of what the process has in large pages go, to come back large. */
void fault_collapse(struct lodge_vm *vm, const struct lodge_slot *slot);

#endif
