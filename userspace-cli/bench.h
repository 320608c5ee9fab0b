/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rows of `lodge bench exits`: what there is to be measured, how it is done, and what
 * came out. Each row is an entry of a table in a file bench_rows_*.c: a routine of the
 * guest's, or a function here that does something once and tells how long it took.
 */
#ifndef LODGE_CLI_BENCH_H
#define LODGE_CLI_BENCH_H

#include "bench_stats.h"
#include "bench_vm.h"

#define BENCH_ROUNDS		15
#define BENCH_MOST_ROUNDS	200

enum bench_needs {
	NEEDS_IRQCHIP	= 1 << 0,	/* interrupt controllers in the kernel */
	NEEDS_X2APIC	= 1 << 1,	/* ... and the APIC on, in this mode */
	NEEDS_XAPIC	= 1 << 2,	/* ... or in this one */
	NEEDS_IRQS	= 1 << 3,	/* the guest takes interrupts */
	NEEDS_CPUS	= 1 << 4,	/* two host CPUs */
	NEEDS_NEXT	= 1 << 5,	/* next() before each round */
	OWN_TIME	= 1 << 6,	/* the routine itself tells how long it took */
	NO_VM		= 1 << 7,	/* host: no machine is made before */
	HUGE		= 1 << 8,	/* the area is made of huge pages, in the end */
};

struct bench_test;

struct bench_row {
	const char *name;
	const char *what;		/* one line for people */
	unsigned int needs;
	struct { unsigned int nr; const char *name; } cap;	/* name NULL: none */
	unsigned int batch;		/* operations in a round; 0: 16 */
	u32 lvtt;
	u64 arg[3];
	const u8 *code;			/* in the guest, or */
	const u8 *empty;		/* what is taken off it, if not bench_guest_empty */
	bool (*once)(struct bench_test *t, s64 *ticks);	/* in the host */
	/* Once, before the guest runs. Or NULL. */
	bool (*prepare)(struct bench_test *t);
	/* Before each round, or where the guest's routine asks. Or NULL. */
	void (*next)(struct bench_test *t);
	/* In the main thread, while vCPU 0 runs in another. Or NULL. */
	bool (*beside)(struct bench_test *t);
};

#define BENCH_CAP(name)	{ name, #name }

/* A row that is being measured on a device. */
struct bench_test {
	const struct bench_row *row;
	const struct device *device;
	unsigned int rounds;		/* with one at the beginning that does not count */
	struct bench_vm vm;
	int fd;				/* the row's own, or -1 */
	unsigned int nr;		/* the row's own */
};

enum bench_state {
	BENCH_MEASURED,
	BENCH_SKIPPED,
	BENCH_FAILED,
};

struct bench_result {
	enum bench_state state;
	struct bench_spread ticks;	/* of a row that was measured */
	char why[BENCH_WHY];		/* of any other */
};

/* The tables, each of which ends with a row without a name. */
extern const struct bench_row bench_rows_cpu[], bench_rows_io[], bench_rows_memory[],
	bench_rows_irq[], bench_rows_host[];

/* All of them: the row of that number, or NULL behind the last. */
const struct bench_row *bench_row(unsigned int nr);
unsigned int bench_row_count(void);

/* The @nr-th of the CPUs that this process may use, or -1. */
int bench_host_cpu(unsigned int nr);

/* How often a round does it. */
unsigned int bench_batch(const struct bench_row *row);

/* Measures a row on an open device. */
void bench_measure(struct bench_result *result, const struct bench_row *row,
		   const struct device *device, unsigned int rounds);

#endif
