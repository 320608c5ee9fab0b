// SPDX-License-Identifier: GPL-2.0
/* For tests of chips: see board.h. */
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>

#include "board.h"

/* ---- a clock that the test moves --------------------------------------------- */

#define TIMERS		1024

s64 host_ns;
static s64 timer_at[TIMERS];	/* by descriptor; 0: not set */
int timer_flags;
unsigned int expiries;

int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new,
			   struct itimerspec *old);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *new,
			   struct itimerspec *old);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	s64 ns = __atomic_load_n(&host_ns, __ATOMIC_RELAXED);

	(void)id;
	ts->tv_sec = ns / NS;
	ts->tv_nsec = ns % NS;
	return 0;
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new,
			   struct itimerspec *old)
{
	const struct itimerspec off = { .it_value = { 0, 0 } };
	const struct timespec *at = &new->it_value;

	CHECK(flags & TFD_TIMER_ABSTIME && !old);
	timer_flags = flags;
	CHECK(fd >= 0 && fd < TIMERS && at->tv_nsec >= 0 && at->tv_nsec < NS && at->tv_sec >= 0);
	__atomic_store_n(&timer_at[fd], at->tv_sec * NS + at->tv_nsec, __ATOMIC_RELAXED);
	return __real_timerfd_settime(fd, TFD_TIMER_ABSTIME, &off, NULL);
}

/* Its descriptor is readable, as that of a timer that has expired. */
static void expire(int fd)
{
	const struct itimerspec past = { .it_value = { 0, 1 } };

	timer_at[fd] = 0;
	__real_timerfd_settime(fd, TFD_TIMER_ABSTIME, &past, NULL);
	expiries++;
}

static int first_timer(s64 until)
{
	int fd, first = -1;

	for (fd = 0; fd < TIMERS; fd++)
		if (timer_at[fd] && timer_at[fd] <= until &&
		    (first < 0 || timer_at[fd] < timer_at[first]))
			first = fd;
	return first;
}

void go_to(struct machine *m, s64 ns)
{
	int fd;

	while ((fd = first_timer(ns)) >= 0) {
		if (timer_at[fd] > host_ns)
			host_ns = timer_at[fd];
		expire(fd);
		CHECK(fake_poll(m) > 0);
	}
	host_ns = ns;
}

s64 next_timer(s64 until)
{
	int fd = first_timer(until);

	return fd < 0 ? 0 : timer_at[fd];
}

void pass(struct machine *m, s64 ns)
{
	go_to(m, host_ns + ns);
}

/* ---- the machine ------------------------------------------------------------- */

void board_open(struct board *b)
{
	host_ns = START;
	memset(timer_at, 0, sizeof(timer_at));
	fake_machine(&b->m, &b->cpu);
	b->irqs = fake_irqs(&b->m);
	b->m.no_reboot = true;
}

void board_close(struct board *b)
{
	fake_free(&b->m, &b->cpu);
}

u64 in(struct board *b, u16 port, unsigned int size)
{
	u64 value = 0;

	bus_read(&b->m.ports, port, &value, size);
	return value;
}

void out(struct board *b, u16 port, u64 value, unsigned int size)
{
	bus_write(&b->m.ports, port, &value, size);
}
