/* SPDX-License-Identifier: GPL-2.0 */
/*
 * `lodge bench memory`: what a virtual machine with one vCPU takes of the kernel's memory,
 * from what the kernel says of its free pages and of some of its uses of them.
 */
#ifndef LODGE_CLI_BENCH_MEMORY_H
#define LODGE_CLI_BENCH_MEMORY_H

#include <stdio.h>

#include "bench_vm.h"

#define MEMORY_MACHINES		32
#define MEMORY_MOST_MACHINES	256
/* Made before, and not measured: they take what earlier ones have left behind. */
#define MEMORY_FIRST		8
#define MEMORY_ROUNDS		5
#define MEMORY_MOST_ROUNDS	50

/* ---- what the kernel says ------------------------------------------------------- */

/* Of /proc/meminfo, in KiB. */
enum meminfo {
	INFO_FREE,
	/* Pages of processes and files. */
	INFO_ANON,
	INFO_CACHED,
	INFO_BUFFERS,
	/* The kernel's. */
	INFO_SLAB,
	INFO_PAGE_TABLES,
	INFO_SECONDARY,
	INFO_PERCPU,
	INFO_STACKS,
	INFO_VMALLOC,
	NR_INFOS,
};

struct bench_meminfo {
	s64 kib[NR_INFOS];
	bool has[NR_INFOS];		/* old kernels have not all */
	s64 listed;			/* KiB on lists of CPUs: free, but not in INFO_FREE */
};

/* Adds what the files say to all zeroes; false when what is needed is not there. */
bool bench_read_meminfo(FILE *f, struct bench_meminfo *info);
bool bench_read_zoneinfo(FILE *f, struct bench_meminfo *info);

/* ---- what a machine takes -------------------------------------------------------- */

enum memory_part {
	PART_SLAB,
	PART_PAGE_TABLES,
	PART_SECONDARY,
	PART_PERCPU,
	PART_STACKS,
	PART_VMALLOC,
	PART_PAGES,			/* the rest */
	PART_SUM,
	NR_PARTS,
};

/* KiB for one machine. */
struct memory_cost {
	double part[NR_PARTS];
};

extern const char *const memory_part_names[NR_PARTS], *const memory_part_whats[NR_PARTS];

/* The difference, divided by @machines. */
void memory_cost(struct memory_cost *cost, const struct bench_meminfo *before,
		 const struct bench_meminfo *after, unsigned int machines);

struct memory_result {
	bool has[NR_PARTS];		/* the kernel tells it */
	struct memory_cost middle;	/* of the round in the middle, by their sums */
	double least, most;		/* sums of all rounds */
};

/* Takes the middle out of @nr > 0 rounds, which it sorts. */
void memory_middle(struct memory_result *result, struct memory_cost *rounds, unsigned int nr);
/* Which parts the kernel names. */
void memory_parts(struct memory_result *result, const struct bench_meminfo *info);

/* False, with the reason in @why, when it could not be done. */
bool bench_memory_measure(struct memory_result *result, const struct device *device,
			  unsigned int machines, unsigned int rounds, char why[BENCH_WHY]);

/* ---- what is said of it ----------------------------------------------------------- */

struct memory_report {
	const char *device[2];
	unsigned int nr_devices;
	unsigned int machines, rounds;
	struct memory_result result[2];
};

void memory_print(FILE *f, const struct memory_report *report);
void memory_print_json(FILE *f, const struct memory_report *report);

#endif
