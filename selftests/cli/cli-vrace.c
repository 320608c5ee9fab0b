// SPDX-License-Identifier: GPL-2.0
/*
 * The device's side of a virtqueue with a driver that runs at the same time: one that
 * changes what is being read, and ones that sleep whenever they may.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ring.h"

/* ---- a driver that runs at the same time --------------------------------- */

struct race {
	struct bench b;
	bool begun, over;
	int kick_fd, call_fd;
	unsigned int requests;
};

/* Changes a descriptor and its table between good and hostile as fast as it goes. */
static void *flip(void *arg)
{
	struct race *race = arg;
	volatile struct vring_desc *d = &race->b.desc[0], *t = &race->b.table[0];

	__atomic_store_n(&race->begun, true, __ATOMIC_RELAXED);
	while (!__atomic_load_n(&race->over, __ATOMIC_RELAXED)) {
		d->len = 0x10000000;
		d->addr = ~0ull;
		t->addr = MEMORY_LOW_END;
		d->flags = 0;
		t->len = ~0u;
		d->addr = DATA;
		t->addr = DATA;
		d->len = 32;
		t->len = 8;
		d->addr = TABLE;
		d->flags = TAB;
	}
	return NULL;
}

/* Bug class 5: what was judged is what is used. */
static void test_double_fetch(void)
{
	struct race race = { .over = false };
	struct bench *b = &race.b;
	unsigned int i, j, taken = 0;
	pthread_t thread;

	bench_open(b, 4);
	CHECK(!pthread_create(&thread, NULL, flip, &race));
	while (!__atomic_load_n(&race.begun, __ATOMIC_RELAXED))
		;
	/* Until it has met both kinds, on a machine with one CPU, too. */
	for (i = 0; i < rounds(100000) || (!taken && i < rounds(100000000)); i++) {
		b->r.broken = NULL;
		b->avail->idx = b->r.next_available + 1;
		b->avail->ring[b->r.next_available % 4] = 0;
		if (vring_take(&b->r, &b->chain) <= 0)
			continue;
		for (j = 0; j < b->chain.nr_out + b->chain.nr_in; j++) {
			const struct iovec *v = &b->chain.iov[j];
			u8 *low = b->mem.ram[0].host;

			CHECK((u8 *)v->iov_base >= low && v->iov_len && v->iov_len <= LOW_SIZE &&
			      (u8 *)v->iov_base + v->iov_len <= low + LOW_SIZE);
		}
		vring_give(&b->r, 0, 0);
		taken++;
	}
	__atomic_store_n(&race.over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	CHECK(taken);
	bench_close(b);
}

/* Up to some seconds; false: nobody wrote to it. */
static bool wait_event(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	eventfd_t count;

	return poll(&pfd, 1, 20000) == 1 && !eventfd_read(fd, &count);
}

static void *serve(void *arg)
{
	struct race *race = arg;
	struct vring *r = &race->b.r;
	unsigned int served = 0;

	while (served < race->requests && !r->broken) {
		while (vring_take(r, &race->b.chain) > 0) {
			vring_give(r, race->b.chain.head, ++served);
			if (vring_wants_signal(r))
				eventfd_write(race->call_fd, 1);
		}
		if (served < race->requests && !vring_want_kicks(r, true) &&
		    !wait_event(race->kick_fd))
			break;
	}
	return (void *)(uintptr_t)served;
}

/* Both sides sleep whenever they may: one signal lost, and both sleep for ever. */
static void test_nobody_oversleeps(void)
{
	struct race race = { .requests = rounds(10000) };
	struct bench *b = &race.b;
	unsigned int sent = 0, seen = 0;
	pthread_t thread;
	void *served;
	u16 event, old;

	bench_open(b, 4);
	b->r.event_index = true;
	race.kick_fd = eventfd(0, EFD_NONBLOCK);
	race.call_fd = eventfd(0, EFD_NONBLOCK);
	put(&b->desc[0], DATA, 1, 0, 0);
	CHECK(!pthread_create(&thread, NULL, serve, &race));
	while (seen < race.requests) {
		old = sent;
		while (sent < race.requests && sent - seen < 4) {
			b->avail->ring[sent % 4] = 0;
			sent++;
			__atomic_store_n(&b->avail->idx, (u16)sent, __ATOMIC_RELEASE);
		}
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		event = __atomic_load_n(avail_event(b), __ATOMIC_RELAXED);
		if (old != (u16)sent && vring_need_event(event, sent, old))
			eventfd_write(race.kick_fd, 1);
		while (seen != sent && __atomic_load_n(&b->used->idx, __ATOMIC_ACQUIRE) !=
		       (u16)seen) {
			CHECK_EQ(b->used->ring[seen % 4].len, seen + 1);
			seen++;
		}
		__atomic_store_n(used_event(b), (u16)seen, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (seen == sent || __atomic_load_n(&b->used->idx, __ATOMIC_ACQUIRE) != (u16)seen)
			continue;
		if (!wait_event(race.call_fd)) {
			CHECK(!"nobody called");
			break;
		}
	}
	pthread_join(thread, &served);
	CHECK_EQ((uintptr_t)served, race.requests);
	CHECK(!b->r.broken);
	close(race.kick_fd);
	close(race.call_fd);
	bench_close(b);
}

/* ---- both write, then look: one at least has to see -------------------------- */

struct litmus {
	struct bench b;
	unsigned int round;		/* that the device's thread may do */
	unsigned int done;		/* rounds that it did */
	unsigned int rounds;
	bool signals;			/* or kicks */
	bool device_saw;
};

static void wait_for(unsigned int *word, unsigned int value)
{
	unsigned int spins = 0;

	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		if (!(++spins % 256))
			sched_yield();
}

static void *litmus_device(void *arg)
{
	struct litmus *l = arg;
	struct vring *r = &l->b.r;
	unsigned int i;

	for (i = 1; i <= l->rounds; i++) {
		wait_for(&l->round, i);
		if (l->signals) {
			vring_give(r, 0, 0);
			l->device_saw = vring_wants_signal(r);
		} else {
			r->next_available = i - 1;
			l->device_saw = vring_want_kicks(r, true);
		}
		__atomic_store_n(&l->done, i, __ATOMIC_RELEASE);
	}
	return NULL;
}

/*
 * The driver's part: with kicks it makes a chain available and looks for the wish to be
 * kicked, with signals it makes its wish and looks for a used chain. Chance decides how
 * near to each other the two come: -n for more rounds.
 */
static void litmus(bool signals)
{
	struct litmus l = { .rounds = rounds(20000), .signals = signals };
	unsigned int i, both = 0, none = 0;
	u16 *said, *looked, *wish;
	pthread_t thread;

	bench_open(&l.b, 4);
	l.b.r.event_index = true;
	said = signals ? used_event(&l.b) : &l.b.avail->idx;
	looked = signals ? &l.b.used->idx : avail_event(&l.b);
	wish = signals ? said : looked;
	CHECK(!pthread_create(&thread, NULL, litmus_device, &l));
	for (i = 1; i <= l.rounds; i++) {
		volatile unsigned int delay = random_below(128);
		bool saw;

		__atomic_store_n(wish, (u16)(i + 0x4000), __ATOMIC_RELAXED);
		__atomic_store_n(&l.round, i, __ATOMIC_RELEASE);
		while (delay)
			delay--;
		__atomic_store_n(said, (u16)(signals ? i - 1 : i), __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		saw = __atomic_load_n(looked, __ATOMIC_RELAXED) == (u16)(signals ? i : i - 1);
		wait_for(&l.done, i);
		both += saw && l.device_saw;
		none += !saw && !l.device_saw;
	}
	pthread_join(thread, NULL);
	printf("# of %u rounds both saw in %u, none in %u\n", l.rounds, both, none);
	CHECK_EQ(none, 0);
	bench_close(&l.b);
}

static void test_kicks_are_seen(void)
{
	litmus(false);
}

static void test_signals_are_seen(void)
{
	litmus(true);
}

static const struct unit units[] = {
	{ "nobody_oversleeps", test_nobody_oversleeps },
	{ "kicks_are_seen", test_kicks_are_seen },
	{ "signals_are_seen", test_signals_are_seen },
	{ "class05_descriptor_changes", test_double_fetch },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
