// SPDX-License-Identifier: GPL-2.0
/*
 * Reads the rings of several vCPUs as one sequence. A ring is in order by itself; between
 * rings an exit may become visible later than another one that came after it. So what is new
 * waits a while, sorted, for older ones of other vCPUs.
 */
#include <stdlib.h>

#include "trace.h"

/* With more than this nothing waits: times that cannot be would hold it up for ever. */
#define WAITING_MOST	65536
#define AT_ONCE		512

struct lane {
	struct flight ring;
	u64 at;			/* the number of the next record */
	u64 lost;		/* before that, not yet told */
	struct lodge_flight_record before;
	bool known;		/* what is before it */
};

struct waiting {
	u64 nr;			/* in the order in which they came */
	u64 lost;
	unsigned int lane;
	struct lodge_flight_record record;
};

struct trace_rings {
	unsigned int nr;
	u64 came;
	struct waiting *waiting;
	unsigned int nr_waiting, room;
	struct lodge_flight_record copied[AT_ONCE];
	struct lane lane[];
};

struct trace_rings *trace_rings_create(const struct flight *rings, unsigned int nr)
{
	struct trace_rings *r = calloc(1, sizeof(*r) + nr * sizeof(r->lane[0]));
	unsigned int i;

	if (!r)
		return NULL;
	r->nr = nr;
	r->room = 2 * AT_ONCE;
	r->waiting = calloc(r->room, sizeof(*r->waiting));
	if (!r->waiting) {
		free(r);
		return NULL;
	}
	for (i = 0; i < nr; i++) {
		r->lane[i].ring = rings[i];
		r->lane[i].at = flight_count(&rings[i]);
	}
	return r;
}

void trace_rings_free(struct trace_rings *r)
{
	if (!r)
		return;
	free(r->waiting);
	free(r);
}

/* ---- what waits ------------------------------------------------------------------ */

static int by_time(const void *a, const void *b)
{
	const struct waiting *x = a, *y = b;

	if (x->record.left != y->record.left)
		return x->record.left < y->record.left ? -1 : 1;
	return x->nr < y->nr ? -1 : x->nr > y->nr;
}

static void give(struct trace_rings *r, struct trace *t, const struct waiting *w)
{
	struct lane *lane = &r->lane[w->lane];
	struct trace_exit e = { .cpu = w->lane, .lost = w->lost, .record = w->record };

	if (lane->known && !w->lost)
		e.before = &lane->before;
	t->exits++;
	t->lost += w->lost;
	t->format->exit(t, &e);
	lane->before = w->record;
	lane->known = true;
}

static void settle(struct trace_rings *r, struct trace *t, u64 settled)
{
	unsigned int i, kept = 0;

	if (!r->nr_waiting)
		return;
	qsort(r->waiting, r->nr_waiting, sizeof(*r->waiting), by_time);
	if (r->nr_waiting > WAITING_MOST)
		settled = ~0ull;
	for (i = 0; i < r->nr_waiting && r->waiting[i].record.left <= settled; i++)
		give(r, t, &r->waiting[i]);
	for (; i < r->nr_waiting; i++)
		r->waiting[kept++] = r->waiting[i];
	r->nr_waiting = kept;
}

/* Without more memory nothing waits. */
static bool make_room(struct trace_rings *r, unsigned int more)
{
	struct waiting *larger;
	unsigned int room = r->room;

	while (room - r->nr_waiting < more)
		room *= 2;
	if (room == r->room)
		return true;
	larger = realloc(r->waiting, room * sizeof(*larger));
	if (!larger)
		return false;
	r->waiting = larger;
	r->room = room;
	return true;
}

/* ---- the rings ------------------------------------------------------------------- */

static unsigned int take_lane(struct trace_rings *r, struct trace *t, unsigned int i)
{
	struct lane *lane = &r->lane[i];
	unsigned int j, n = flight_copy(&lane->ring, &lane->at, r->copied, AT_ONCE, &lane->lost);

	if (!make_room(r, n))
		settle(r, t, ~0ull);
	for (j = 0; j < n; j++) {
		r->waiting[r->nr_waiting++] = (struct waiting){
			.nr = r->came++, .lost = lane->lost, .lane = i, .record = r->copied[j],
		};
		lane->lost = 0;
	}
	return n;
}

unsigned int trace_rings_take(struct trace_rings *r, struct trace *t, u64 settled)
{
	unsigned int i, n, most = 0;

	for (i = 0; i < r->nr; i++) {
		n = take_lane(r, t, i) * 256ull / r->lane[i].ring.records;
		if (n > most)
			most = n;
	}
	settle(r, t, settled);
	/* What was lost behind the last that is known. */
	for (i = 0; settled == ~0ull && i < r->nr; i++) {
		t->lost += r->lane[i].lost;
		r->lane[i].lost = 0;
	}
	return most;
}
