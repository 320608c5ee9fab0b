/* SPDX-License-Identifier: GPL-2.0 */
/* Why a VM entry failed. */
#ifndef LODGE_ENTRY_FAILURE_H
#define LODGE_ENTRY_FAILURE_H

#include "lodge.h"

struct lodge_entry_finding;
struct lodge_entry_failure;

/* Which rules the VMCS breaks now. */
void entry_failure_look(struct lodge_vcpu *vcpu, u32 reason);
/* An entry has failed: find out why, note it, and say so in the log. */
void entry_failure_note(struct lodge_vcpu *vcpu, u32 reason);
void entry_failure_free(struct lodge_vcpu *vcpu);

/* What was noted last; -ENOENT if nothing was. How many findings there are. */
int entry_failure_get(struct lodge_vcpu *vcpu, struct lodge_entry_failure *head);
/* One of them; @hide: without the host's addresses. */
void entry_failure_finding(struct lodge_vcpu *vcpu, int n, bool hide,
			   struct lodge_entry_finding *out);

#endif
