/* SPDX-License-Identifier: GPL-2.0 */
/* What CPUID says: to user space about this host, and to a guest. */
#ifndef LODGE_CPU_CPUID_H
#define LODGE_CPU_CPUID_H

#include "../lodge.h"

void cpuid_init(void);
/* All supported leaves; returns their number, at most max are written. */
int cpuid_supported(struct kvm_cpuid_entry2 *out, int max);
/* Takes over the table on success. */
int cpuid_set(struct lodge_vcpu *vcpu, struct kvm_cpuid_entry2 *table, int count);
/* The table as the guest sees it now; 0 or E2BIG, count is what there is. */
int cpuid_get(struct lodge_vcpu *vcpu, struct kvm_cpuid_entry2 *out, u32 room, u32 *count);
/* May the guest use MONITOR and MWAIT, going by CPUID? */
bool cpuid_guest_mwait(struct lodge_vcpu *vcpu);
bool cpuid_offers_xsaves(void);
/* Bytes of XSAVE's standard format for all that a guest can be given. */
u32 cpuid_xsave_size(void);
/* The CPUID instruction. */
void cpuid_execute(struct lodge_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);
/* One bit of what the guest was given, by X86_FEATURE_* of the host's words. */
bool cpuid_guest_has(struct lodge_vcpu *vcpu, unsigned int feature);
/* CR4 bits that this host or this lodge cannot give anybody. */
unsigned long cpuid_host_cr4_reserved(void);
/* XCR0 bits that a guest can be given. */
u64 cpuid_host_xcr0(void);

/* May the guest use this paravirtual feature (KVM_FEATURE_*)? */
bool cpuid_pv_allows(struct lodge_vcpu *vcpu, unsigned int feature);
/* From now on only what its CPUID names. */
void cpuid_pv_enforce(struct lodge_vcpu *vcpu, bool on);

/* Family, model and stepping, which a processor shows after its reset. */
u32 cpuid_signature(struct lodge_vcpu *vcpu);

#endif
