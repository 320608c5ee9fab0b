// SPDX-License-Identifier: GPL-2.0
/* A thread of a device's own around a table of event sources. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "err.h"
#include "worker.h"

static void woken(void *arg, short revents)
{
	struct worker *w = arg;
	eventfd_t count;

	(void)revents;
	eventfd_read(w->wake_fd, &count);
}

static bool is_over(void *arg)
{
	struct worker *w = arg;

	return atomic_load(&w->over);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	int error = events_loop(&w->events, is_over, w);

	if (error)
		note("a device's thread cannot wait: %s: the device is dead", strerror(-error));
	return NULL;
}

int worker_init(struct worker *w)
{
	memset(w, 0, sizeof(*w));
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake_fd < 0)
		return -errno;
	events_add(&w->events, &(struct event_source){
		.fd = w->wake_fd, .ready = woken, .arg = w });
	return 0;
}

int worker_start(struct worker *w, const char *name)
{
	sigset_t all, old;
	int error;

	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&w->thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error)
		return -error;
	pthread_setname_np(w->thread, name);
	w->running = true;
	return 0;
}

void worker_wake(struct worker *w)
{
	/* Full means that the thread has not looked yet, and that is enough. */
	eventfd_write(w->wake_fd, 1);
}

void worker_stop(struct worker *w)
{
	if (w->running) {
		atomic_store(&w->over, true);
		worker_wake(w);
		pthread_join(w->thread, NULL);
		w->running = false;
	}
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	w->wake_fd = -1;
}
