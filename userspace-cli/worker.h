/* SPDX-License-Identifier: GPL-2.0 */
/* A thread of a device's own, which waits for the device's files and serves them. */
#ifndef LODGE_CLI_WORKER_H
#define LODGE_CLI_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "events.h"

struct worker {
	struct events events;	/* filled before the start, then by the thread itself */
	int wake_fd;
	atomic_bool over;
	bool running;
	pthread_t thread;
};

/* Makes what it needs, without the thread: 0 or -errno. */
int worker_init(struct worker *w);
/* Starts the thread, named @name (up to 15 letters): 0 or -errno. */
int worker_start(struct worker *w, const char *name);
/* Makes the thread ask its sources again; from any thread. */
void worker_wake(struct worker *w);
/* Ends the thread and waits for that; what worker_init() made goes, too. */
void worker_stop(struct worker *w);

#endif
