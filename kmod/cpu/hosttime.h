/* SPDX-License-Identifier: GPL-2.0 */
/* The host's clock beside its time stamp counter. */
#ifndef LODGE_CPU_HOSTTIME_H
#define LODGE_CPU_HOSTTIME_H

#include "../lodge.h"

/* One moment. */
struct hosttime {
	u64 tsc;
	u64 ns;			/* as hosttime_ns() */
	u64 real_ns;		/* wall time */
	struct lodge_pace pace;	/* of the counter */
	bool exact;		/* the host itself reads its clocks from that counter */
};

/* Time since the host's boot, suspend included, at the pace of its raw clock. */
u64 hosttime_ns(void);
void hosttime_sample(struct hosttime *t);
/* num / den nanoseconds a tick; den at most 2^48, or num less than it. */
struct lodge_pace hosttime_pace(u64 num, u64 den);

/* Tell, from a work queue, when the host has changed its clock source or slept. */
int hosttime_init(void (*changed)(void));
void hosttime_exit(void);

#endif
