/* SPDX-License-Identifier: GPL-2.0 */
/* Model-specific registers as the guest sees them. */
#ifndef LODGE_CPU_MSR_H
#define LODGE_CPU_MSR_H

#include "../lodge.h"

struct msr_row;

struct msr_access {
	u32 index;
	bool host;			/* user space asks, not the guest */
	u64 value;
	const struct msr_row *row;	/* found by msr_read() and msr_write() */
};

/* All but MSR_OK are #GP for the guest, unless user space wants to see them first. */
enum msr_result {
	MSR_OK,
	MSR_UNKNOWN,		/* no such MSR */
	MSR_INVALID,		/* not for this guest, or not this value */
	MSR_FILTERED,		/* user space forbids it */
};

enum msr_result msr_read(struct lodge_vcpu *vcpu, struct msr_access *a);
enum msr_result msr_write(struct lodge_vcpu *vcpu, struct msr_access *a);

/* How many there are; at most max are stored. */
int msr_list_saved(u32 *out, int max);
int msr_list_features(u32 *out, int max);
/* What a feature MSR tells of this host. */
bool msr_read_feature(u32 index, u64 *value);

/* Which MSRs need no exit: after a reset, and when REQ_MSR_FILTER is served. */
void msr_update_bitmap(struct lodge_vcpu *vcpu);
/* Values at reset. */
void msr_reset(struct lodge_vcpu *vcpu);
bool msr_set_apic_base(struct lodge_vcpu *vcpu, u64 value, bool host);

#endif
