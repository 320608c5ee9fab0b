// SPDX-License-Identifier: GPL-2.0
/*
 * Reads how the kernel's memory is used, and reckons what a machine has taken of it. All
 * that the kernel names is a part of its own; what is missing from the free pages and is
 * neither that nor a process's or a file's is the rest: pages that were taken singly.
 */
#include <stdlib.h>
#include <string.h>

#include "bench_memory.h"

static const char *const info_names[NR_INFOS] = {
	[INFO_FREE] = "MemFree",
	[INFO_ANON] = "AnonPages",
	[INFO_CACHED] = "Cached",
	[INFO_BUFFERS] = "Buffers",
	[INFO_SLAB] = "Slab",
	[INFO_PAGE_TABLES] = "PageTables",
	[INFO_SECONDARY] = "SecPageTables",
	[INFO_PERCPU] = "Percpu",
	[INFO_STACKS] = "KernelStack",
	[INFO_VMALLOC] = "VmallocUsed",
};

const char *const memory_part_names[NR_PARTS] = {
	[PART_SLAB] = "slab",
	[PART_PAGE_TABLES] = "page-tables",
	[PART_SECONDARY] = "secondary-tables",
	[PART_PERCPU] = "percpu",
	[PART_STACKS] = "stacks",
	[PART_VMALLOC] = "vmalloc",
	[PART_PAGES] = "pages",
	[PART_SUM] = "sum",
};

const char *const memory_part_whats[NR_PARTS] = {
	[PART_SLAB] = "allocators of objects",
	[PART_PAGE_TABLES] = "page tables of this process",
	[PART_SECONDARY] = "page tables of guests, where they are counted",
	[PART_PERCPU] = "per-CPU variables",
	[PART_STACKS] = "stacks of kernel threads",
	[PART_VMALLOC] = "vmalloc without stacks",
	[PART_PAGES] = "pages taken singly",
	[PART_SUM] = "all together",
};

bool bench_read_meminfo(FILE *f, struct bench_meminfo *info)
{
	char line[256], name[64];
	unsigned int i;
	long long kib;

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63[^:]: %lld", name, &kib) != 2)
			continue;
		for (i = 0; i < NR_INFOS; i++)
			if (!strcmp(name, info_names[i])) {
				info->kib[i] = kib;
				info->has[i] = true;
			}
	}
	for (i = INFO_FREE; i <= INFO_SLAB; i++)
		if (!info->has[i])
			return false;
	return true;
}

/* Each zone has a list for each CPU. */
bool bench_read_zoneinfo(FILE *f, struct bench_meminfo *info)
{
	bool found = false;
	char line[256];
	long long pages;

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " count: %lld", &pages) == 1) {
			info->listed += pages * (s64)(PAGE_SIZE / KIB);
			found = true;
		}
	return found;
}

static double grown(const struct bench_meminfo *before, const struct bench_meminfo *after,
		    enum meminfo what)
{
	return after->kib[what] - before->kib[what];
}

void memory_cost(struct memory_cost *cost, const struct bench_meminfo *before,
		 const struct bench_meminfo *after, unsigned int machines)
{
	double users = grown(before, after, INFO_ANON) + grown(before, after, INFO_CACHED) +
		       grown(before, after, INFO_BUFFERS);
	double sum = -grown(before, after, INFO_FREE) - (after->listed - before->listed) - users;
	double *part = cost->part, known = 0;
	unsigned int i;

	part[PART_SLAB] = grown(before, after, INFO_SLAB);
	part[PART_PAGE_TABLES] = grown(before, after, INFO_PAGE_TABLES);
	part[PART_SECONDARY] = grown(before, after, INFO_SECONDARY);
	part[PART_PERCPU] = grown(before, after, INFO_PERCPU);
	part[PART_STACKS] = grown(before, after, INFO_STACKS);
	/* Stacks come from vmalloc: x86 has had CONFIG_VMAP_STACK for long. */
	part[PART_VMALLOC] = grown(before, after, INFO_VMALLOC) - part[PART_STACKS];
	for (i = 0; i < PART_PAGES; i++)
		known += part[i];
	part[PART_PAGES] = sum - known;
	part[PART_SUM] = sum;
	for (i = 0; i < NR_PARTS; i++)
		part[i] /= machines;
}

static int by_sum(const void *left, const void *right)
{
	const struct memory_cost *a = left, *b = right;

	return a->part[PART_SUM] < b->part[PART_SUM] ? -1 :
	       a->part[PART_SUM] > b->part[PART_SUM];
}

void memory_middle(struct memory_result *result, struct memory_cost *rounds, unsigned int nr)
{
	qsort(rounds, nr, sizeof(*rounds), by_sum);
	result->middle = rounds[(nr - 1) / 2];
	result->least = rounds[0].part[PART_SUM];
	result->most = rounds[nr - 1].part[PART_SUM];
}

void memory_parts(struct memory_result *result, const struct bench_meminfo *info)
{
	static const enum meminfo named[] = {
		[PART_SLAB] = INFO_SLAB,
		[PART_PAGE_TABLES] = INFO_PAGE_TABLES,
		[PART_SECONDARY] = INFO_SECONDARY,
		[PART_PERCPU] = INFO_PERCPU,
		[PART_STACKS] = INFO_STACKS,
		[PART_VMALLOC] = INFO_VMALLOC,
	};
	unsigned int i;

	for (i = 0; i < NR_PARTS; i++)
		result->has[i] = i >= ARRAY_SIZE(named) || info->has[named[i]];
}
