// SPDX-License-Identifier: GPL-2.0
/* Looking at machines' counters: see watch.h. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "watch.h"

static void forget(struct watched *w)
{
	control_recorders_close(&w->recorders);
	free(w->last);
	free(w->cpu);
}

static bool has_ended(const struct watched *w)
{
	struct pollfd process = { .fd = w->recorders.process_fd, .events = POLLIN };

	return poll(&process, 1, 0) > 0;
}

static int cannot(const struct control_machine *m, int error, const struct control_reply *reply)
{
	if (error == -EOPNOTSUPP)
		return err(STATUS_HOST, "stat: machine %d: %s", m->pid, reply->text);
	if (error == -ECONNRESET || error == -ECONNREFUSED || error == -ENOENT)
		return err(STATUS_HOST, "stat: machine %d has ended", m->pid);
	return err(STATUS_HOST, "stat: machine %d: %s", m->pid, strerror(-error));
}

static bool has_statistics(const struct watched *w)
{
	unsigned int i;

	for (i = 0; i < w->recorders.nr; i++)
		if (w->recorders.cpu[i].stats_fd < 0)
			return false;
	return true;
}

static int add(struct watch *w, const struct control_machine *m)
{
	struct watched *more = realloc(w->machine, (w->nr + 1) * sizeof(*more)), *new;
	struct control_reply reply;
	int error;

	if (!more)
		return err(STATUS_HOST, "stat: no memory");
	w->machine = more;
	new = &more[w->nr];
	*new = (struct watched){ .machine = *m };
	error = control_recorders_open(m, &new->recorders, &reply);
	if (error)
		return cannot(m, error, &reply);
	new->last = calloc(new->recorders.nr, sizeof(*new->last));
	new->cpu = calloc(new->recorders.nr, sizeof(*new->cpu));
	w->nr++;
	if (!new->last || !new->cpu)
		return err(STATUS_HOST, "stat: no memory");
	if (!has_statistics(new))
		return err(STATUS_HOST,
			   "stat: machine %d: its device keeps no statistics: a newer one does",
			   m->pid);
	return 0;
}

static void drop(struct watch *w, unsigned int i)
{
	forget(&w->machine[i]);
	w->nr--;
	memmove(&w->machine[i], &w->machine[i + 1], (w->nr - i) * sizeof(w->machine[0]));
}

int watch_open(struct watch *w, const char *who)
{
	struct control_machine found = { 0 };
	int status;

	*w = (struct watch){ .all = !who };
	control_places_open(&w->places);
	if (!who)
		return 0;
	status = control_find(&w->places, "stat", who, &found);
	return status ? status : add(w, &found);
}

void watch_close(struct watch *w)
{
	while (w->nr)
		drop(w, w->nr - 1);
	free(w->machine);
	w->machine = NULL;
	control_places_close(&w->places);
}

/* ---- who is there ------------------------------------------------------------- */

static struct watched *find(struct watch *w, const struct control_machine *m)
{
	unsigned int i;

	for (i = 0; i < w->nr; i++)
		if (w->machine[i].machine.pid == m->pid && w->machine[i].machine.dir == m->dir)
			return &w->machine[i];
	return NULL;
}

/* One that cannot be looked at is told of, each time, and the others are shown. */
static int list_again(struct watch *w)
{
	struct control_machine *found;
	int i, nr = control_list(&w->places, &found);

	if (nr < 0)
		return err(STATUS_HOST, "stat: the machines cannot be found: %s", strerror(-nr));
	for (i = 0; i < nr; i++) {
		struct watched *known = find(w, &found[i]);

		if (known)
			known->machine.info = found[i].info;
		else if (add(w, &found[i]) && find(w, &found[i]))
			drop(w, w->nr - 1);
	}
	free(found);
	return 0;
}

/* ---- one look ----------------------------------------------------------------- */

static int look_at(struct watched *w)
{
	bool first = !w->last_ns;
	u64 now = now_ns();
	unsigned int i;

	memset(&w->sum, 0, sizeof(w->sum));
	for (i = 0; i < w->recorders.nr; i++) {
		int error = counts_read(w->recorders.cpu[i].stats_fd, &w->cpu[i]);
		struct counts read = w->cpu[i];

		if (error)
			return error;
		counts_subtract(&w->cpu[i], &w->last[i]);
		counts_add(&w->sum, &w->cpu[i]);
		w->last[i] = read;
	}
	w->since_start = first;
	w->span_ns = first ? w->machine.info.running_ns : now - w->last_ns;
	w->last_ns = now;
	return 0;
}

int watch_look(struct watch *w)
{
	unsigned int i;
	int error;

	/* What has ended can be taken for a new one of the same number. */
	for (i = w->nr; i--;)
		if (has_ended(&w->machine[i]))
			drop(w, i);
	if (w->all && list_again(w))
		return STATUS_HOST;
	for (i = w->nr; i--;) {
		error = look_at(&w->machine[i]);
		if (!error)
			continue;
		err(STATUS_HOST, "stat: machine %d: its statistics cannot be read: %s",
		    w->machine[i].machine.pid, strerror(-error));
		if (!w->all)
			return STATUS_HOST;
		drop(w, i);
	}
	return 0;
}
