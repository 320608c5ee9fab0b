/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stats.h - what a device counts, by the names of KVM_GET_STATS_FD.
 */
#ifndef SELFTEST_STATS_H
#define SELFTEST_STATS_H

#include "selftest.h"

struct stats {
	int fd;
	struct kvm_stats_header head;
};

/* Of a machine's or a vCPU's descriptor; the test fails if there are none. */
struct stats open_stats(int of);

/* Descriptor number @i; to be freed. */
struct kvm_stats_desc *desc_of(const struct stats *s, u32 i);

/* Value number @index of the one that has this name; -1: there is none. */
long long stat_of(const struct stats *s, const char *name, u32 index);

#endif
