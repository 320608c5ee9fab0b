/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a device counts of a machine and its vCPUs, as KVM_GET_STATS_FD gives it: any
 * device's counters, by the names that it has for them.
 */
#ifndef LODGE_CLI_BENCH_COUNTERS_H
#define LODGE_CLI_BENCH_COUNTERS_H

#include "machine.h"

#define COUNTERS	96
#define COUNTER_NAME	48
/* Basic exit reasons of the CPU; those behind are counted in the last. */
#define COUNTER_REASONS	80

struct counters {
	struct {
		char name[COUNTER_NAME];
		u64 value;
	} row[COUNTERS];
	unsigned int nr;
	bool has_reasons;		/* it tells of exits by their reasons */
	u64 reason[COUNTER_REASONS];
};

/*
 * Adds what a file of statistics has: counters that only grow and have no unit, and the
 * exits by reason. False when it makes no sense.
 */
bool counters_add(struct counters *c, int fd);

/* The files of a machine's statistics: -1 where there is none. */
struct counter_files {
	int vm_fd;
	int cpu_fd[MACHINE_MAX_CPUS];
	unsigned int nr_cpus;
};

void counters_open(struct counter_files *files, const struct machine *m);
/* False when one made no sense. */
bool counters_read(struct counters *c, const struct counter_files *files);
void counters_close(struct counter_files *files);

#endif
