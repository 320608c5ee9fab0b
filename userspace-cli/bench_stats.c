// SPDX-License-Identifier: GPL-2.0
/* Quartiles, ratios and their geometric mean. */
#include <math.h>
#include <stdlib.h>

#include "bench_stats.h"

static int compare(const void *left, const void *right)
{
	s64 a = *(const s64 *)left, b = *(const s64 *)right;

	return a < b ? -1 : a > b;
}

/* @part quarters of the way through sorted samples, between two if it falls there. */
static double quarter(const s64 *sorted, unsigned int nr, unsigned int part)
{
	unsigned int steps = (nr - 1) * part, at = steps / 4;
	double rest = (steps % 4) / 4.0;

	if (!(steps % 4))
		return sorted[at];
	return sorted[at] * (1 - rest) + sorted[at + 1] * rest;
}

void bench_spread(struct bench_spread *s, s64 *total, s64 *empty, unsigned int nr,
		  unsigned int batch)
{
	double off, *value[] = { &s->min, &s->q1, &s->median, &s->q3, &s->max };
	unsigned int i;

	qsort(total, nr, sizeof(*total), compare);
	qsort(empty, nr, sizeof(*empty), compare);
	off = quarter(empty, nr, 2);
	for (i = 0; i < ARRAY_SIZE(value); i++) {
		*value[i] = (quarter(total, nr, i) - off) / batch;
		if (*value[i] < 0)
			*value[i] = 0;
	}
}

double bench_ratio(const struct bench_spread *a, const struct bench_spread *b)
{
	if (a->median < BENCH_NO_EXIT && b->median < BENCH_NO_EXIT)
		return 0;
	/* Where only one leaves the guest the other still takes a tick. */
	return (a->median < 1 ? 1 : a->median) / (b->median < 1 ? 1 : b->median);
}

void bench_mean_add(struct bench_mean *mean, double ratio)
{
	if (ratio <= 0)
		return;
	mean->sum += log(ratio);
	mean->nr++;
}

double bench_mean(const struct bench_mean *mean)
{
	return mean->nr ? exp(mean->sum / mean->nr) : 0;
}
