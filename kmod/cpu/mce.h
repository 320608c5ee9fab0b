/* SPDX-License-Identifier: GPL-2.0 */
/* The machine-check registers of a guest. */
#ifndef LODGE_CPU_MCE_H
#define LODGE_CPU_MCE_H

#include <asm/mce.h>

#include "../lodge.h"

/* What KVM_X86_SETUP_MCE may give beside the number of banks. */
#define MCE_CAP_SUPPORTED	(MCG_CTL_P | MCG_SER_P | MCG_CMCI_P)

void mce_reset(struct lodge_vcpu *vcpu);
int mce_configure(struct lodge_vcpu *vcpu, u64 cap);
int mce_stage(struct lodge_vcpu *vcpu, const struct kvm_x86_mce *m);

/* MCG_*, MCi_* and MCi_CTL2; host: user space asks, which may set what the CPU sets. */
bool mce_read(struct lodge_vcpu *vcpu, u32 index, u64 *value, bool host);
bool mce_write(struct lodge_vcpu *vcpu, u32 index, u64 value, bool host);

#endif
