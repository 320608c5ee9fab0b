/* SPDX-License-Identifier: GPL-2.0 */
/* Model-specific registers as the guest sees them. */
#ifndef LODGE_CPU_MSR_H
#define LODGE_CPU_MSR_H

#include "../lodge.h"

/* False: there is no such MSR, or the value is not allowed; the guest gets #GP. */
bool msr_read(struct lodge_vcpu *vcpu, u32 index, u64 *value);
bool msr_write(struct lodge_vcpu *vcpu, u32 index, u64 value);
/* Values at reset. */
void msr_reset(struct lodge_vcpu *vcpu);
bool msr_apic_base_valid(struct lodge_vcpu *vcpu, u64 value);

#endif
