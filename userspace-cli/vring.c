// SPDX-License-Identifier: GPL-2.0
/*
 * The device's side of a split virtqueue. The guest may write anything into its rings at
 * any time, so every word is fetched once into a local and judged there. Guest and host
 * are both little endian. What orders the two sides is said where it happens; the driver
 * has the other half of each pair.
 */
#include <stdatomic.h>
#include <string.h>

#include "vring.h"

/* With the word for event indices behind their rings. */
#define AVAILABLE_SIZE(n)	(6 + 2ull * (n))
#define USED_SIZE(n)		(6 + 8ull * (n))

static int broken(struct vring *r, const char *why)
{
	r->broken = why;
	return -1;
}

static struct vring_avail *available(const struct vring *r)
{
	return r->size ? memory_at(r->mem, r->available, AVAILABLE_SIZE(r->size)) : NULL;
}

static struct vring_used *used(const struct vring *r)
{
	return r->size ? memory_at(r->mem, r->used, USED_SIZE(r->size)) : NULL;
}

/* Behind the ring of available chains: which used index the driver wants to hear of. */
static u16 used_event(const struct vring *r, const struct vring_avail *avail)
{
	return __atomic_load_n(&avail->ring[r->size], __ATOMIC_RELAXED);
}

/* Behind the ring of used chains: which available index is to be kicked for. */
static void set_available_event(const struct vring *r, struct vring_used *u, u16 index)
{
	__atomic_store_n((u16 *)&u->ring[r->size], index, __ATOMIC_RELAXED);
}

const char *vring_check(const struct vring *r)
{
	if (!r->size || r->size & (r->size - 1) || r->size > VRING_MOST)
		return "the size of a queue is no power of two, or too large";
	if (r->descriptors % VRING_DESC_ALIGN_SIZE || r->available % VRING_AVAIL_ALIGN_SIZE ||
	    r->used % VRING_USED_ALIGN_SIZE)
		return "a part of a queue is not aligned";
	if (!memory_at(r->mem, r->descriptors, sizeof(struct vring_desc) * r->size) ||
	    !available(r) || !used(r))
		return "a part of a queue is not in memory";
	return NULL;
}

/* ---- taking -------------------------------------------------------------- */

/* A copy that stays what it is: the fence keeps the compiler from looking again. */
static struct vring_desc fetch(const struct vring_desc *table, u32 index)
{
	struct vring_desc d;

	memcpy(&d, (const u8 *)table + sizeof(d) * (size_t)index, sizeof(d));
	atomic_signal_fence(memory_order_seq_cst);
	return d;
}

static int add_piece(struct vring *r, struct vchain *c, const struct vring_desc *d)
{
	bool in = d->flags & VRING_DESC_F_WRITE;
	void *at = memory_at(r->mem, d->addr, d->len);

	if (!d->len)
		return broken(r, "a descriptor has no length");
	if (!at)
		return broken(r, "a descriptor points to what is no memory");
	if (!in && c->nr_in)
		return broken(r, "a descriptor to be read stands behind one to be written");
	/* A loop comes here, too: each of its rounds adds pieces. */
	if (c->nr_out + c->nr_in == VRING_PIECES)
		return broken(r, "a chain of descriptors is a loop, or too long");
	if (c->out_len + c->in_len + d->len > UINT32_MAX)
		return broken(r, "a chain of descriptors has 4 GiB or more");
	c->iov[c->nr_out + c->nr_in] = (struct iovec){ .iov_base = at, .iov_len = d->len };
	if (in) {
		c->nr_in++;
		c->in_len += d->len;
	} else {
		c->nr_out++;
		c->out_len += d->len;
	}
	return 0;
}

/* What is walked: the queue's own table, or an indirect one at the end of a chain. */
struct table {
	const struct vring_desc *at;
	u32 nr;
	bool indirect;
};

static int enter_indirect(struct vring *r, struct table *t, const struct vring_desc *d)
{
	if (!r->indirect)
		return broken(r, "an indirect descriptor, which was not negotiated");
	if (t->indirect)
		return broken(r, "an indirect descriptor in an indirect table");
	if (d->flags & VRING_DESC_F_NEXT)
		return broken(r, "a descriptor goes on behind an indirect one");
	if (!d->len || d->len % sizeof(*d))
		return broken(r, "an indirect table has no whole number of descriptors");
	t->at = memory_at(r->mem, d->addr, d->len);
	if (!t->at)
		return broken(r, "an indirect table is not in memory");
	t->nr = d->len / sizeof(*d);
	t->indirect = true;
	return 0;
}

static int walk(struct vring *r, struct vchain *c, u32 index)
{
	struct table t = {
		.at = memory_at(r->mem, r->descriptors, sizeof(struct vring_desc) * r->size),
		.nr = r->size,
	};
	struct vring_desc d;
	int error;

	if (!t.at)
		return broken(r, "the descriptors are not in memory");
	do {
		if (index >= t.nr)
			return broken(r, "a descriptor's number is beyond its table");
		d = fetch(t.at, index);
		index = d.next;
		if (d.flags & VRING_DESC_F_INDIRECT) {
			error = enter_indirect(r, &t, &d);
			index = 0;
			d.flags = VRING_DESC_F_NEXT;
		} else {
			error = add_piece(r, c, &d);
		}
	} while (!error && d.flags & VRING_DESC_F_NEXT);
	return error;
}

int vring_take(struct vring *r, struct vchain *c)
{
	struct vring_avail *avail = available(r);
	u16 there;

	if (r->broken)
		return -1;
	if (!avail)
		return broken(r, "the ring of available chains is not in memory");
	/* Acquire: the chains that the index tells of are read after it. */
	there = __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE) - r->next_available;
	if (!there)
		return 0;
	if (there > r->size)
		return broken(r, "the index of available chains jumped");
	/* No chain is without a descriptor of its own until it was given back. */
	if ((u16)(r->next_available - r->next_used) >= r->size)
		return broken(r, "more chains are under way than the queue has descriptors");
	c->head = __atomic_load_n(&avail->ring[r->next_available & (r->size - 1)],
				  __ATOMIC_RELAXED);
	c->nr_out = 0;
	c->nr_in = 0;
	c->out_len = 0;
	c->in_len = 0;
	if (walk(r, c, c->head))
		return -1;
	r->next_available++;
	return 1;
}

/* ---- giving back --------------------------------------------------------- */

void vring_give_all(struct vring *r, const struct vring_given *given, unsigned int nr)
{
	struct vring_used *u = used(r);
	unsigned int i;

	if (r->broken || !u)
		return;
	for (i = 0; i < nr; i++) {
		struct vring_used_elem *e = &u->ring[r->next_used & (r->size - 1)];

		__atomic_store_n(&e->id, given[i].head, __ATOMIC_RELAXED);
		__atomic_store_n(&e->len, given[i].len, __ATOMIC_RELAXED);
		r->next_used++;
		/* Once around without anybody having asked: too many to tell what is new. */
		if (r->next_used == r->signalled_used)
			r->signalled_valid = false;
	}
	/* Release: who sees the index sees the elements, and the data written before. */
	__atomic_store_n(&u->idx, r->next_used, __ATOMIC_RELEASE);
}

void vring_give(struct vring *r, u16 head, u32 len)
{
	vring_give_all(r, &(struct vring_given){ .head = head, .len = len }, 1);
}

bool vring_wants_signal(struct vring *r)
{
	struct vring_avail *avail = available(r);
	u16 old = r->signalled_used;
	bool valid = r->signalled_valid;

	if (r->broken || !avail)
		return false;
	r->signalled_used = r->next_used;
	r->signalled_valid = true;
	if (valid && old == r->next_used)
		return false;
	/*
	 * Our index first, the driver's wish then. The driver writes its wish and looks for
	 * our index then: one of us sees what the other wrote.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	if (!r->event_index)
		return !(__atomic_load_n(&avail->flags, __ATOMIC_RELAXED) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	return !valid || vring_need_event(used_event(r, avail), r->next_used, old);
}

bool vring_want_kicks(struct vring *r, bool want)
{
	struct vring_avail *avail = available(r);
	struct vring_used *u = used(r);

	if (r->broken || !avail || !u)
		return false;
	/* With event indices, one that is not moved lets no kick come. */
	if (!r->event_index)
		__atomic_store_n(&u->flags, want ? 0 : VRING_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
	else if (want)
		set_available_event(r, u, r->next_available);
	if (!want)
		return false;
	/* The wish first, the driver's index then; as above with the sides exchanged. */
	atomic_thread_fence(memory_order_seq_cst);
	return __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE) != r->next_available;
}

/* ---- data ---------------------------------------------------------------- */

/* One of @to and @from is NULL: the pieces take its place. */
static u64 copy(const struct iovec *iov, unsigned int nr, u64 off, u8 *to, const u8 *from,
		u64 len)
{
	unsigned int i;
	u64 done = 0;

	for (i = 0; i < nr && done < len; i++) {
		u64 n = iov[i].iov_len;
		u8 *at;

		if (off >= n) {
			off -= n;
			continue;
		}
		at = (u8 *)iov[i].iov_base + off;
		n -= off;
		if (n > len - done)
			n = len - done;
		if (to)
			memcpy(to + done, at, n);
		else
			memcpy(at, from + done, n);
		done += n;
		off = 0;
	}
	return done;
}

u64 vchain_read(const struct vchain *c, u64 off, void *to, u64 len)
{
	return copy(c->iov, c->nr_out, off, to, NULL, len);
}

u64 vchain_write(const struct vchain *c, u64 off, const void *from, u64 len)
{
	return copy(c->iov + c->nr_out, c->nr_in, off, NULL, from, len);
}
