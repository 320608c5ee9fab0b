/* SPDX-License-Identifier: GPL-2.0 */
/* Changes of mode: what a guest may write to its control registers. */
#ifndef LODGE_CPU_CR_H
#define LODGE_CPU_CR_H

#include "../lodge.h"

/* False: the write is illegal and the guest gets #GP(0); nothing has changed. */
bool cr0_write(struct lodge_vcpu *vcpu, unsigned long value);
bool cr4_write(struct lodge_vcpu *vcpu, unsigned long value);
unsigned long cr8_read(struct lodge_vcpu *vcpu);
bool cr8_write(struct lodge_vcpu *vcpu, unsigned long value);
bool efer_write(struct lodge_vcpu *vcpu, u64 value);
bool xcr_write(struct lodge_vcpu *vcpu, u32 index, u64 value);

/* The same judgement over a whole state that user space wants to set. */
bool cr_state_valid(struct lodge_vcpu *vcpu, const struct kvm_sregs *s);

static inline bool is_canonical(u64 addr)
{
	return (u64)((s64)(addr << 16) >> 16) == addr;
}

/* The address that has the same low 48 bits. */
static inline u64 make_canonical(u64 addr)
{
	return (s64)(addr << 16) >> 16;
}

#endif
