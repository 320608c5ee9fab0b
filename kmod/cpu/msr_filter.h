/* SPDX-License-Identifier: GPL-2.0 */
/* Which MSRs user space lets its guest reach. */
#ifndef LODGE_CPU_MSR_FILTER_H
#define LODGE_CPU_MSR_FILTER_H

#include "../lodge.h"

struct lodge_msr_range {
	u32 base, count;
	u32 flags;		/* KVM_MSR_FILTER_READ, _WRITE */
	unsigned long *bits;	/* 1: allowed */
};

/* Immutable once installed. */
struct lodge_msr_filter {
	bool default_allow;
	int count;
	struct lodge_msr_range range[KVM_MSR_FILTER_MAX_RANGES];
};

/* Takes the filter over; NULL allows everything. */
void msr_filter_install(struct lodge_vm *vm, struct lodge_msr_filter *f);
void msr_filter_free(struct lodge_msr_filter *f);

/* access: KVM_MSR_FILTER_READ or _WRITE. */
bool msr_filter_allows(struct lodge_vm *vm, u32 index, u32 access);

#endif
