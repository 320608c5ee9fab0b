// SPDX-License-Identifier: GPL-2.0
/* The main thread's wait: poll() over a small table of sources. */
#include <errno.h>
#include <poll.h>

#include "events.h"

bool events_add(struct events *ev, const struct event_source *source)
{
	if (ev->nr_sources == EVENT_SOURCES)
		return false;
	ev->source[ev->nr_sources++] = *source;
	return true;
}

int events_loop(struct events *ev, bool (*stop)(void *arg), void *arg)
{
	struct pollfd fds[EVENT_SOURCES];
	unsigned int i;

	while (!stop(arg)) {
		for (i = 0; i < ev->nr_sources; i++) {
			struct event_source *s = &ev->source[i];

			/* poll() passes over a negative descriptor. */
			fds[i].fd = !s->wanted || s->wanted(s->arg) ? s->fd : -1;
			fds[i].events = POLLIN;
			fds[i].revents = 0;
		}
		if (poll(fds, ev->nr_sources, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		for (i = 0; i < ev->nr_sources; i++)
			if (fds[i].revents)
				ev->source[i].ready(ev->source[i].arg);
	}
	return 0;
}
