/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the main thread does while the vCPUs run: it waits for files to become
 * readable. Signals, the time limit, the machine's end and the console's input
 * are all files here, so nothing happens in a signal handler.
 */
#ifndef LODGE_CLI_EVENTS_H
#define LODGE_CLI_EVENTS_H

#include "cli.h"

#define EVENT_SOURCES	8

struct event_source {
	int fd;
	/* Asked before each wait; NULL: always wanted. */
	bool (*wanted)(void *arg);
	/* The file is readable, at its end, or in error. */
	void (*ready)(void *arg);
	void *arg;
};

struct events {
	struct event_source source[EVENT_SOURCES];
	unsigned int nr_sources;
};

/* False when the table is full. */
bool events_add(struct events *ev, const struct event_source *source);

/* Serves the sources until @stop says so; 0 or -errno of poll(). */
int events_loop(struct events *ev, bool (*stop)(void *arg), void *arg);

#endif
