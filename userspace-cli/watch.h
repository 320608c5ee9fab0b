/* SPDX-License-Identifier: GPL-2.0 */
/* Machines whose counters are looked at again and again: what `lodge stat` shows. */
#ifndef LODGE_CLI_WATCH_H
#define LODGE_CLI_WATCH_H

#include "control.h"
#include "counts.h"

struct watched {
	struct control_machine machine;
	struct control_recorders recorders;
	struct counts *last;	/* of each vCPU, at the last look */
	u64 last_ns;
	/* Between the last two looks, or since the machine was made: */
	struct counts *cpu;
	struct counts sum;
	u64 span_ns;
	bool since_start;
};

struct watch {
	struct control_places places;
	bool all;		/* machines of this user, or one */
	struct watched *machine;
	unsigned int nr;
};

/*
 * Opens what there is to look at: one machine by its PID or name, or all of this user. 0,
 * or a status when the reason has been told.
 */
int watch_open(struct watch *w, const char *who);
/*
 * Looks at their counters. Machines that have ended are gone behind it, and with @who NULL
 * those that are new are there. 0 or a status, told.
 */
int watch_look(struct watch *w);
void watch_close(struct watch *w);

#endif
