/* SPDX-License-Identifier: GPL-2.0 */
/*
 * `lodge bench boot`: how long a guest with an operating system takes from its first
 * instruction to its end, and how often it comes out meanwhile.
 */
#ifndef LODGE_CLI_BENCH_BOOT_H
#define LODGE_CLI_BENCH_BOOT_H

#include <stdio.h>

#include "bench_counters.h"
#include "run_machine.h"

#define BOOT_MOST_ROUNDS	50
#define BOOT_WHY		576

/* Of the time stamp counter, and the clock's nanoseconds. */
struct boot_time {
	u64 ticks, ns;
};

struct boot_result {
	struct boot_time end;		/* since the first KVM_RUN */
	struct boot_time init;		/* when the kernel had come to its init; 0: not seen */
	u64 user[MACHINE_EXITS];	/* exits to this command */
	struct counters counters;
	char why[BOOT_WHY];		/* not empty: it did not come to its end as it should */
};

/*
 * Runs the guest of @r on a device, in a process of its own. 0, or a status when the reason
 * has been told.
 */
int boot_measure(struct boot_result *result, struct run *r, const char *device);

/* ---- what is said of it ----------------------------------------------------------- */

struct boot_report {
	const char *device[2];
	unsigned int nr_devices;
	const char *kernel;
	unsigned int rounds;
	struct boot_result result[2];	/* of the round in the middle, by its ticks */
	u64 least[2], most[2];		/* ticks of all rounds */
};

/* Puts the middle of the rounds of device @d into the report. Sorts them. */
void boot_middle(struct boot_report *report, unsigned int d, struct boot_result *rounds);

enum boot_group {
	BOOT_TIME,
	BOOT_USER,
	BOOT_CPU,
	BOOT_COUNTER,
	BOOT_GROUPS,
};

extern const char *const boot_group_names[BOOT_GROUPS];

struct boot_row {
	enum boot_group group;
	char name[COUNTER_NAME];
	bool has[2];			/* the device tells it */
	double value[2];
};

#define BOOT_ROWS	(8 + MACHINE_EXITS + COUNTER_REASONS + 2 * COUNTERS)

/* What there is to tell, at most BOOT_ROWS. Rows that are 0 everywhere are left out. */
unsigned int boot_rows(const struct boot_report *report, struct boot_row *row);
/* The first device's by the second's; 0 if there is none to tell. */
double boot_ratio(const struct boot_report *report, const struct boot_row *row);

void boot_print(FILE *f, const struct boot_report *report);
void boot_print_json(FILE *f, const struct boot_report *report);

#endif
