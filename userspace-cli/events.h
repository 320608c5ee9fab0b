/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A thread's wait: for files to become readable or writable. Signals, time limits, the
 * machine's end, kicks of a device and the console's input are all files here, so nothing
 * happens in a signal handler. The main thread has one table, each worker (worker.h) its
 * own. Only the thread that waits changes its table, or others before it waits.
 */
#ifndef LODGE_CLI_EVENTS_H
#define LODGE_CLI_EVENTS_H

#include <poll.h>

#include "cli.h"

#define EVENT_SOURCES	64
/* Of these, descriptors that libraries bring for one wait. */
#define EVENT_GUESTS	1024

struct event_source {
	int fd;
	short events;		/* of poll(); 0 stands for POLLIN */
	/* Asked before each wait; NULL: always wanted. */
	bool (*wanted)(void *arg);
	/* Ready, at its end, or in error: @revents says. */
	void (*ready)(void *arg, short revents);
	void *arg;
};

/* For a library that has its own list of descriptors (libslirp). */
struct event_library {
	/* Puts up to @room into @fds, may shorten *@timeout_ms (-1: for ever); how many. */
	unsigned int (*fill)(void *arg, struct pollfd *fds, unsigned int room, int *timeout_ms);
	/* After each wait, with the same descriptors. */
	void (*done)(void *arg, const struct pollfd *fds, unsigned int nr);
	void *arg;
};

struct events {
	struct event_source source[EVENT_SOURCES];
	unsigned int nr_sources;
	const struct event_library *library;	/* or NULL */
};

/* False when the table is full. */
bool events_add(struct events *ev, const struct event_source *source);
/* All sources of @fd. */
void events_remove(struct events *ev, int fd);

/* Serves the sources until @stop says so; 0 or -errno of poll(). */
int events_loop(struct events *ev, bool (*stop)(void *arg), void *arg);

#endif
