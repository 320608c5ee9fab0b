// SPDX-License-Identifier: GPL-2.0
/*
 * CPUID of the guest. The device says what it can offer; what differs from CPU
 * to CPU (SDM volume 2A, CPUID: leaves 1, 4, 0xb and 0x1f) is put in here. The
 * CPUs are cores of one package, one thread each.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "cpuid.h"

#define CPUID_1_EDX_HTT		BIT_ULL(28)
#define CPUID_1_ECX_TSC_DEADLINE BIT_ULL(24)
#define CPUID_1_ECX_HYPERVISOR	BIT_ULL(31)
#define CPUID_TOPOLOGY_SMT	1
#define LEVELS			2	/* cores, and the end of the list */
#define CPUID_TOPOLOGY_CORE	2
/* More than any CPU has; a device that wants more is out of its mind. */
#define CPUID_MOST		4096

static bool has(const struct kvm_cpuid2 *cpuid, u32 function, u32 index)
{
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return true;
	return false;
}

/*
 * Devices list the leaves of topology with their first sub-leaf only, for they know none.
 * There is room for LEVELS more of each.
 */
static void add_levels(struct kvm_cpuid2 *cpuid)
{
	static const u32 functions[] = { 0xb, 0x1f };
	unsigned int i;
	u32 index;

	for (i = 0; i < ARRAY_SIZE(functions); i++)
		for (index = 1; index <= LEVELS && has(cpuid, functions[i], 0); index++)
			if (!has(cpuid, functions[i], index))
				cpuid->entries[cpuid->nent++] = (struct kvm_cpuid_entry2){
					.function = functions[i],
					.index = index,
					.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
				};
}

struct kvm_cpuid2 *cpuid_supported(const struct device *dev)
{
	unsigned int room;

	/* E2BIG says that there is more than room, not how much more. */
	for (room = 64; room <= CPUID_MOST; room *= 2) {
		struct kvm_cpuid2 *cpuid;

		cpuid = calloc(1, sizeof(*cpuid) +
			       (room + 2 * LEVELS) * sizeof(cpuid->entries[0]));
		if (!cpuid)
			return NULL;
		cpuid->nent = room;
		if (!ioctl(dev->fd, KVM_GET_SUPPORTED_CPUID, cpuid)) {
			if (cpuid->nent <= room) {
				add_levels(cpuid);
				return cpuid;
			}
			errno = EINVAL;
		}
		free(cpuid);
		if (errno != E2BIG)
			return NULL;
	}
	return NULL;
}

/* Bits needed to number @cpus CPUs. */
static unsigned int id_bits(unsigned int cpus)
{
	unsigned int bits = 0;

	while ((1u << bits) < cpus)
		bits++;
	return bits;
}

static void leaf_1(struct kvm_cpuid_entry2 *e, unsigned int index,
		   unsigned int cpus, bool deadline)
{
	/* The device leaves it to its user to say that this is no bare CPU. */
	e->ecx |= CPUID_1_ECX_HYPERVISOR;
	if (deadline)
		e->ecx |= CPUID_1_ECX_TSC_DEADLINE;
	/* EBX: 31-24 initial APIC id, 23-16 ids in the package. */
	e->ebx &= 0x0000ffff;
	e->ebx |= index << 24 | (1u << id_bits(cpus)) << 16;
	if (cpus > 1)
		e->edx |= CPUID_1_EDX_HTT;
	else
		e->edx &= ~CPUID_1_EDX_HTT;
}

static void leaf_topology(struct kvm_cpuid_entry2 *e, unsigned int index,
			  unsigned int cpus)
{
	static const struct { u32 type; bool all; } level[] = {
		{ CPUID_TOPOLOGY_SMT, false },
		{ CPUID_TOPOLOGY_CORE, true },
	};

	e->edx = index;
	e->eax = 0;
	e->ebx = 0;
	e->ecx = e->index & 0xff;
	if (e->index >= ARRAY_SIZE(level))
		return;
	e->eax = level[e->index].all ? id_bits(cpus) : 0;
	e->ebx = level[e->index].all ? cpus : 1;
	e->ecx |= level[e->index].type << 8;
}

/* EAX: 31-26 cores of the package less 1, 25-14 CPUs that share this cache less 1. */
static void leaf_cache(struct kvm_cpuid_entry2 *e, unsigned int cpus)
{
	u32 ids = 1u << id_bits(cpus), level = e->eax >> 5 & 7;

	if (!(e->eax & 0x1f))
		return;			/* the list's end */
	e->eax &= 0x3fff;
	e->eax |= (ids > 64 ? 63 : ids - 1) << 26;
	if (level >= 3)
		e->eax |= (ids - 1) << 14;
}

void cpuid_for_cpu(struct kvm_cpuid2 *cpuid, unsigned int index,
		   unsigned int cpus, bool deadline)
{
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == 1)
			leaf_1(e, index, cpus, deadline);
		else if (e->function == 4)
			leaf_cache(e, cpus);
		else if (e->function == 0xb || e->function == 0x1f)
			leaf_topology(e, index, cpus);
	}
}
