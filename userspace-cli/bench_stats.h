/* SPDX-License-Identifier: GPL-2.0 */
/* The arithmetic of `lodge bench`: orders of samples, ratios, their geometric mean. Pure. */
#ifndef LODGE_CLI_BENCH_STATS_H
#define LODGE_CLI_BENCH_STATS_H

#include "cli.h"

/* Of one operation, in ticks. */
struct bench_spread {
	double min;
	double q1;
	double median;
	double q3;
	double max;
};

/*
 * @total are @nr > 0 times of @batch operations each, with the same number of empty ones
 * in @empty: the median of these is taken off. Sorts both. What takes less than nothing
 * has taken nothing.
 */
void bench_spread(struct bench_spread *s, s64 *total, s64 *empty, unsigned int nr,
		  unsigned int batch);

/*
 * How much a takes of what b takes; 0 where a ratio says nothing, as neither leaves the
 * guest: both take less than BENCH_NO_EXIT ticks.
 */
#define BENCH_NO_EXIT	32
double bench_ratio(const struct bench_spread *a, const struct bench_spread *b);

/* A geometric mean, from all zeroes; a ratio of 0 does not count, and none give 0. */
struct bench_mean {
	double sum;
	unsigned int nr;
};

void bench_mean_add(struct bench_mean *mean, double ratio);
double bench_mean(const struct bench_mean *mean);

#endif
