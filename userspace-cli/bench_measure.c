// SPDX-License-Identifier: GPL-2.0
/*
 * Measures a row: makes its machine, runs its rounds, first empty and then for good, and
 * gives what is left. The first round is to warm up and does not count.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define BATCH		16
#define LIMIT_SECONDS	60

static const struct bench_row *const tables[] = {
	bench_rows_cpu, bench_rows_io, bench_rows_memory, bench_rows_irq, bench_rows_host,
};

const struct bench_row *bench_row(unsigned int nr)
{
	const struct bench_row *row;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tables); i++)
		for (row = tables[i]; row->name; row++)
			if (!nr--)
				return row;
	return NULL;
}

unsigned int bench_row_count(void)
{
	unsigned int nr = 0;

	while (bench_row(nr))
		nr++;
	return nr;
}

unsigned int bench_batch(const struct bench_row *row)
{
	if (row->once)
		return 1;
	return row->batch ? row->batch : BATCH;
}

/* ---- what it takes ----------------------------------------------------------------- */

int bench_host_cpu(unsigned int nr)
{
	cpu_set_t set;
	int cpu;

	if (sched_getaffinity(0, sizeof(set), &set))
		return -1;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set) && !nr--)
			return cpu;
	return -1;
}

static bool has_needs(const struct bench_row *row, const struct device *device,
		      char *why)
{
	bool chips = row->needs & (NEEDS_IRQCHIP | NEEDS_X2APIC | NEEDS_XAPIC);

	if (chips && !device_cap(device, KVM_CAP_IRQCHIP))
		snprintf(why, BENCH_WHY, "the device has no KVM_CAP_IRQCHIP");
	else if (row->cap.name && !device_cap(device, row->cap.nr))
		snprintf(why, BENCH_WHY, "the device has no %s", row->cap.name);
	else if (row->needs & NEEDS_CPUS && bench_host_cpu(1) < 0)
		snprintf(why, BENCH_WHY, "it takes two CPUs of the host");
	return !why[0];
}

/* ---- in the guest ------------------------------------------------------------------- */

static void call_next(void *arg)
{
	struct bench_test *t = arg;

	t->row->next(t);
}

static bool make_machine(struct bench_test *t)
{
	const struct bench_row *row = t->row;

	if (!bench_vm_create(&t->vm, t->device,
			     row->needs & (NEEDS_IRQCHIP | NEEDS_X2APIC | NEEDS_XAPIC)))
		return false;
	t->vm.next = row->next ? call_next : NULL;
	t->vm.next_arg = t;
	bench_watch(&t->vm, LIMIT_SECONDS);
	return bench_cpu_create(&t->vm, bench_guest_main, row->needs & NEEDS_IRQS) &&
	       (!row->prepare || row->prepare(t));
}

static void set_shared(struct bench_test *t, const u8 *routine, bool empty)
{
	const struct bench_row *row = t->row;
	struct bench_shared *sh = t->vm.cpu[0].shared;
	unsigned int needs = row->needs;

	sh->rounds = t->rounds;
	sh->batch = bench_batch(row);
	sh->routine = bench_address(routine);
	sh->own_time = !!(needs & OWN_TIME);
	sh->tell = !empty && needs & NEEDS_NEXT;
	memcpy(sh->arg, row->arg, sizeof(sh->arg));
	sh->pointer = row->arg[0];
	sh->apic = needs & NEEDS_X2APIC ? BENCH_APIC_X2 :
		   needs & NEEDS_XAPIC ? BENCH_APIC_X : BENCH_APIC_NONE;
	sh->lvtt = row->lvtt;
}

/* Lets vCPU 0 run all rounds of a routine. */
static bool run_rounds(struct bench_test *t, const u8 *routine, bool empty, s64 *ticks)
{
	struct bench_cpu *cpu = &t->vm.cpu[0];
	bool ok;

	set_shared(t, routine, empty);
	if (empty || !t->row->beside) {
		ok = bench_run(cpu);
	} else {
		ok = bench_run_thread(cpu, bench_host_cpu(0)) && t->row->beside(t);
		if (cpu->has_thread)
			ok = bench_join(cpu, !ok) && ok;
	}
	return ok && memory_read(&t->vm.memory, BENCH_RESULTS, ticks,
				 t->rounds * sizeof(*ticks));
}

static bool measure_guest(struct bench_test *t, s64 *ticks, s64 *empty)
{
	const struct bench_row *row = t->row;

	return make_machine(t) &&
	       run_rounds(t, row->empty ? row->empty : bench_guest_empty, true, empty) &&
	       run_rounds(t, row->code, false, ticks) &&
	       (!(row->needs & HUGE) || bench_area_is_huge(&t->vm));
}

/* ---- in the host -------------------------------------------------------------------- */

static bool measure_host(struct bench_test *t, s64 *ticks, s64 *empty)
{
	unsigned int i;
	u64 start;

	if (!(t->row->needs & NO_VM) && !make_machine(t))
		return false;
	for (i = 0; i < t->rounds; i++) {
		start = bench_now();
		empty[i] = bench_now() - start;
	}
	for (i = 0; i < t->rounds; i++)
		if (!t->row->once(t, &ticks[i]))
			return false;
	return true;
}

/* ---- both --------------------------------------------------------------------------- */

void bench_measure(struct bench_result *result, const struct bench_row *row,
		   const struct device *device, unsigned int rounds)
{
	struct bench_test t = {
		.row = row, .device = device, .rounds = rounds + 1, .fd = -1,
		.vm = { .device = device, .fd = -1 },
	};
	s64 ticks[BENCH_MOST_ROUNDS + 1], empty[BENCH_MOST_ROUNDS + 1];
	bool ok;

	*result = (struct bench_result){ .state = BENCH_SKIPPED };
	if (!has_needs(row, device, result->why))
		return;
	ok = row->once ? measure_host(&t, ticks, empty) : measure_guest(&t, ticks, empty);
	bench_watch(NULL, 0);
	bench_vm_destroy(&t.vm);
	if (t.fd >= 0)
		close(t.fd);
	if (ok) {
		bench_spread(&result->ticks, ticks + 1, empty + 1, rounds, bench_batch(row));
		result->state = BENCH_MEASURED;
	} else {
		snprintf(result->why, sizeof(result->why), "%s", t.vm.why);
		result->state = BENCH_FAILED;
	}
}
