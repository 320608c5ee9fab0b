/* SPDX-License-Identifier: GPL-2.0 */
/* What the guest's CPUID says: the device's offer, and who each CPU is. */
#ifndef LODGE_CLI_CPUID_H
#define LODGE_CLI_CPUID_H

#include "device.h"

struct kvm_cpuid2;

/* KVM_GET_SUPPORTED_CPUID, to be freed; NULL with errno. */
struct kvm_cpuid2 *cpuid_supported(const struct device *dev);

/*
 * Makes @cpuid that of CPU @index of @cpus: APIC ids and topology, that it is a guest's,
 * and whether its APIC knows deadlines.
 */
void cpuid_for_cpu(struct kvm_cpuid2 *cpuid, unsigned int index,
		   unsigned int cpus, bool deadline);

#endif
