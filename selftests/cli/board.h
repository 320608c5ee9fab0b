/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of chips: a machine with interrupts that are written down, its ports, and a
 * clock that stands still but where the test moves it, so that every tick can be told.
 * Programs that use it are linked so that clock_gettime() and timerfd_settime() come here.
 */
#ifndef LODGE_CLI_BOARD_H
#define LODGE_CLI_BOARD_H

#include "devices.h"
#include "rtc_time.h"
#include "units.h"

#define NS		1000000000ll
/* 2024-02-29 23:59:58: what all clocks of the host say at first. */
#define START		(1709251198 * NS)

struct board {
	struct machine m;
	struct cpu cpu;
	struct fake_irqs *irqs;
};

void board_open(struct board *b);
void board_close(struct board *b);

/* Accesses of @size bytes to ports. */
u64 in(struct board *b, u16 port, unsigned int size);
void out(struct board *b, u16 port, u64 value, unsigned int size);

extern s64 host_ns;		/* the time */
extern int timer_flags;		/* of the timer that was set last */
extern unsigned int expiries;	/* of all timers */

/* Time goes by: each timer expires when it is due, and the main thread serves it. */
void go_to(struct machine *m, s64 ns);
void pass(struct machine *m, s64 ns);
/* When the first timer is due, if not after @until; else 0. */
s64 next_timer(s64 until);

#endif
