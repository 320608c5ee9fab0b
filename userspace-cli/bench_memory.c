// SPDX-License-Identifier: GPL-2.0
/*
 * Measures what machines take of the kernel's memory: makes some, lets each guest run and
 * touch a few pages, then looks at how many pages are free, makes as many as were asked for,
 * and looks again. Machines made before the first look fill what others have left behind, and
 * so do not count.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_memory.h"

#define AREA		(8 * MIB)
#define TOUCHED		16
#define LIMIT_SECONDS	60

/* ---- looking ---------------------------------------------------------------------- */

/* What cannot be read is a failure of @vm. */
static bool read_file(const char *path, struct bench_meminfo *info,
		      bool (*take)(FILE *f, struct bench_meminfo *info), struct bench_vm *vm)
{
	FILE *f = fopen(path, "re");
	bool ok;

	if (!f)
		return bench_refused(vm, path);
	ok = take(f, info);
	fclose(f);
	return ok || bench_fail(vm, "%s: does not tell what is needed", path);
}

/*
 * CPUs count for themselves, and tell of it late: whoever reads this file makes them tell.
 * It is root's alone; others have figures that are off by some hundred KiB for each CPU.
 */
static void gather_counters(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_RDONLY | O_CLOEXEC);
	char byte;

	if (fd < 0)
		return;
	if (read(fd, &byte, 1) < 0)
		errno = 0;
	close(fd);
}

static bool look(struct bench_meminfo *info, struct bench_vm *vm)
{
	*info = (struct bench_meminfo){ 0 };
	gather_counters();
	return read_file("/proc/zoneinfo", info, bench_read_zoneinfo, vm) &&
	       read_file("/proc/meminfo", info, bench_read_meminfo, vm);
}

/* ---- machines --------------------------------------------------------------------- */

static bool make_machine(struct bench_vm *vm, const struct device *device)
{
	struct bench_shared *sh;

	if (!bench_vm_create(vm, device, true) || !bench_area(vm, AREA, false, 0) ||
	    !bench_cpu_create(vm, bench_guest_main, false))
		return false;
	sh = vm->cpu[0].shared;
	sh->rounds = 1;
	sh->batch = TOUCHED;
	sh->routine = bench_address(bench_guest_walk_store);
	sh->arg[0] = BENCH_AREA;
	sh->arg[1] = PAGE_SIZE;
	sh->pointer = BENCH_AREA;
	bench_watch(vm, LIMIT_SECONDS);
	return bench_run(&vm->cpu[0]);
}

/* The first @to, of which *@made are there; the reason of one that fails is in @why. */
static bool make_machines(struct bench_vm *vm, unsigned int *made, unsigned int to,
			  const struct device *device, char *why)
{
	while (*made < to) {
		struct bench_vm *next = &vm[(*made)++];

		if (!make_machine(next, device)) {
			memcpy(why, next->why, BENCH_WHY);
			return false;
		}
	}
	return true;
}

static bool look_at(struct bench_meminfo *info, struct bench_vm *vm, char *why)
{
	if (look(info, vm))
		return true;
	memcpy(why, vm->why, BENCH_WHY);
	return false;
}

static bool measure_round(struct bench_meminfo *before, struct bench_meminfo *after,
			  struct bench_vm *vm, unsigned int machines,
			  const struct device *device, char *why)
{
	unsigned int made = 0;
	bool ok;

	ok = make_machines(vm, &made, MEMORY_FIRST, device, why) &&
	     look_at(before, vm, why) &&
	     make_machines(vm, &made, MEMORY_FIRST + machines, device, why) &&
	     look_at(after, vm, why);
	bench_watch(NULL, 0);
	while (made)
		bench_vm_destroy(&vm[--made]);
	return ok;
}

bool bench_memory_measure(struct memory_result *result, const struct device *device,
			  unsigned int machines, unsigned int rounds, char why[BENCH_WHY])
{
	struct bench_vm *vm = calloc(MEMORY_FIRST + machines, sizeof(*vm));
	struct memory_cost cost[MEMORY_MOST_ROUNDS];
	struct bench_meminfo before, after;
	unsigned int i;

	if (!vm) {
		snprintf(why, BENCH_WHY, "no memory");
		return false;
	}
	for (i = 0; i < rounds; i++) {
		if (!measure_round(&before, &after, vm, machines, device, why))
			break;
		memory_cost(&cost[i], &before, &after, machines);
	}
	free(vm);
	if (i < rounds)
		return false;
	memory_middle(result, cost, rounds);
	memory_parts(result, &after);
	return true;
}
