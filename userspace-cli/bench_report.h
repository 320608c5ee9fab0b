/* SPDX-License-Identifier: GPL-2.0 */
/* What `lodge bench exits` measured, as a table for people or as JSON for programs. */
#ifndef LODGE_CLI_BENCH_REPORT_H
#define LODGE_CLI_BENCH_REPORT_H

#include <stdio.h>

#include "bench.h"

#define BENCH_DEVICES	2

struct bench_line {
	const struct bench_row *row;
	struct bench_result result[BENCH_DEVICES];
};

struct bench_report {
	const char *device[BENCH_DEVICES];
	unsigned int nr_devices;
	unsigned int rounds;
	struct bench_line *line;
	unsigned int nr_lines;
};

/* Of a line: the first device's by the second's; 0 if there is none to tell. */
double bench_line_ratio(const struct bench_report *report, const struct bench_line *line);
/* Of all of them; 0 as above. */
double bench_report_mean(const struct bench_report *report);

/* For people: the head, each line as it comes, and what is below. */
void bench_print_head(FILE *f, const struct bench_report *report);
void bench_print_line(FILE *f, const struct bench_report *report,
		      const struct bench_line *line);
void bench_print_end(FILE *f, const struct bench_report *report);

/* For programs: one line. */
void bench_print_json(FILE *f, const struct bench_report *report);

/* Digits of a ratio that are worth printing. */
int bench_places(double ratio);
/* Members that all reports have: ,"devices":[...] and ,"NAME":RATIO; 0 is null. */
void bench_json_devices(FILE *f, const char *const *device, unsigned int nr);
void bench_json_ratio(FILE *f, const char *name, double ratio);

#endif
