/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the device writes down of a running machine, for whoever may look at it: each vCPU's
 * flight recorder, and the statistics of vCPUs and machine. The descriptors are asked for
 * when the machine is made, since behind the sandbox's door there are no new ones.
 */
#ifndef LODGE_CLI_RECORDERS_H
#define LODGE_CLI_RECORDERS_H

#include "flight.h"

struct machine;

struct recorder {
	int flight_fd;		/* -1: the device has none; so with those below */
	int stats_fd;
	struct flight flight;	/* mapped, if there is one */
};

struct recorders {
	int stats_fd;		/* of the machine */
	unsigned int nr;
	struct recorder cpu[];	/* of each vCPU */
};

/* NULL: no memory. What the device has not, or cannot give, is left out. */
struct recorders *recorders_create(const struct machine *m);
void recorders_free(struct recorders *r);

#endif
