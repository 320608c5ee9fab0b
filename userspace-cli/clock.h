/* SPDX-License-Identifier: GPL-2.0 */
/* The host's clock that only goes forward. */
#ifndef LODGE_CLI_CLOCK_H
#define LODGE_CLI_CLOCK_H

#include <time.h>

#include "cli.h"

#define NS_PER_SECOND	1000000000ull
#define NS_PER_MS	1000000ull

static inline u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

#endif
