// SPDX-License-Identifier: GPL-2.0
/* A thread's wait: poll() over a small table of sources. */
#include <errno.h>

#include "events.h"

bool events_add(struct events *ev, const struct event_source *source)
{
	if (ev->nr_sources == EVENT_SOURCES)
		return false;
	ev->source[ev->nr_sources++] = *source;
	return true;
}

void events_remove(struct events *ev, int fd)
{
	unsigned int i, kept = 0;

	for (i = 0; i < ev->nr_sources; i++)
		if (ev->source[i].fd != fd)
			ev->source[kept++] = ev->source[i];
	ev->nr_sources = kept;
}

/*
 * One wait. What is served is looked up by its descriptor again: those before it may have
 * taken it out of the table.
 */
static int turn(struct events *ev)
{
	struct pollfd fds[EVENT_SOURCES + EVENT_GUESTS];
	unsigned int i, j, nr = ev->nr_sources, guests = 0;
	int timeout_ms = -1;

	for (i = 0; i < nr; i++) {
		const struct event_source *s = &ev->source[i];

		/* poll() passes over a negative descriptor. */
		fds[i].fd = !s->wanted || s->wanted(s->arg) ? s->fd : -1;
		fds[i].events = s->events ? s->events : POLLIN;
		fds[i].revents = 0;
	}
	if (ev->library)
		guests = ev->library->fill(ev->library->arg, fds + nr, EVENT_GUESTS, &timeout_ms);
	if (poll(fds, nr + guests, timeout_ms) < 0)
		return errno == EINTR ? 0 : -errno;
	for (i = 0; i < nr; i++) {
		if (!fds[i].revents)
			continue;
		for (j = 0; j < ev->nr_sources; j++) {
			struct event_source s = ev->source[j];

			if (s.fd == fds[i].fd && (s.events ? s.events : POLLIN) == fds[i].events) {
				s.ready(s.arg, fds[i].revents);
				break;
			}
		}
	}
	if (ev->library)
		ev->library->done(ev->library->arg, fds + nr, guests);
	return 0;
}

int events_loop(struct events *ev, bool (*stop)(void *arg), void *arg)
{
	int error = 0;

	while (!error && !stop(arg))
		error = turn(ev);
	return error;
}
