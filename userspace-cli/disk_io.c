// SPDX-License-Identifier: GPL-2.0
/*
 * Requests to a disk, step by step: what the kernel did only in part goes on where it
 * stopped, what it cannot do is done by other means, and what must be on the disk is
 * synced. How a step reaches the kernel is at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "disk_io.h"
#include "err.h"

/* At a time, so that no guest can keep a thread, or the end of its machine, for long. */
#define STEP_MOST	(4 * MIB)
/* At a time of a request whose memory O_DIRECT does not take. */
#define BOUNCE		(64 * KIB)
#define ZEROES		(1 * MIB)
/* Nothing interrupts a file so often. */
#define INTERRUPTIONS	16

/* Never written: the kernel maps its one page of zeroes here. */
static u8 zeroes[ZEROES] __attribute__((aligned(4096)));

void disk_list_add(struct disk_list *list, struct disk_request *r)
{
	r->next = NULL;
	if (list->first)
		list->last->next = r;
	else
		list->first = r;
	list->last = r;
}

struct disk_request *disk_list_take(struct disk_list *list)
{
	struct disk_request *r = list->first;

	if (r)
		list->first = r->next;
	return r;
}

/* ---- memory ------------------------------------------------------------------------- */

static u64 smaller(u64 a, u64 b)
{
	return a < b ? a : b;
}

/* Takes @len bytes off the front of the pieces, copied to or from @buffer if there is one. */
static void use_up(struct disk_request *r, u64 len, u8 *to, const u8 *from)
{
	while (len && r->nr) {
		u64 n = smaller(len, r->iov->iov_len);

		if (to)
			to = mempcpy(to, r->iov->iov_base, n);
		if (from)
			memcpy(r->iov->iov_base, from, n);
		if (from)
			from += n;
		r->iov->iov_base = (u8 *)r->iov->iov_base + n;
		r->iov->iov_len -= n;
		len -= n;
		if (!r->iov->iov_len) {
			r->iov++;
			r->nr--;
		}
	}
}

/* A write takes its bytes from the pieces when it is over, so that it can go on anywhere. */
static void copy_out(const struct disk_request *r, u8 *to, u64 len)
{
	const struct iovec *iov = r->iov;

	for (; len; iov++) {
		u64 n = smaller(len, iov->iov_len);

		to = mempcpy(to, iov->iov_base, n);
		len -= n;
	}
}

static bool needs_bounce(const struct disk *d, const struct disk_request *r)
{
	unsigned int i;

	for (i = 0; d->direct && i < r->nr; i++)
		if (((uintptr_t)r->iov[i].iov_base | r->iov[i].iov_len) & (d->logical - 1))
			return true;
	return false;
}

/* ---- steps -------------------------------------------------------------------------- */

static bool is_zero(const struct disk_request *r)
{
	return r->op == DISK_ZERO || r->op == DISK_ZERO_UNMAP;
}

/* A step with one piece of memory. */
static void use_one(struct disk_request *r, void *at, u64 most)
{
	r->one = (struct iovec){ .iov_base = at, .iov_len = smaller(r->step.len, most) };
	r->step.iov = &r->one;
	r->step.nr = 1;
}

/* As many whole pieces as are allowed, or a part of the first. */
static void use_pieces(struct disk_request *r)
{
	unsigned int nr = 0;
	u64 len = 0;

	while (nr < r->nr && len + r->iov[nr].iov_len <= STEP_MOST)
		len += r->iov[nr++].iov_len;
	r->step.iov = r->iov;
	r->step.nr = nr;
	if (!nr)
		use_one(r, r->iov->iov_base, STEP_MOST);
}

static void prepare_transfer(struct disk_request *r)
{
	r->step.kind = r->op == DISK_READ ? STEP_READ : STEP_WRITE;
	if (!r->bounce) {
		use_pieces(r);
		return;
	}
	use_one(r, r->bounce, BOUNCE);
	if (r->op == DISK_WRITE)
		copy_out(r, r->bounce, r->one.iov_len);
}

static void prepare(struct disk_request *r)
{
	struct disk_step *s = &r->step;

	s->offset = r->offset + r->finished;
	s->len = r->len - r->finished;
	if (r->op == DISK_FLUSH || r->syncing) {
		s->kind = STEP_SYNC;
	} else if (r->op == DISK_READ || r->op == DISK_WRITE) {
		prepare_transfer(r);
	} else if (r->by_hand) {
		s->kind = STEP_WRITE;
		use_one(r, zeroes, ZEROES);
	} else if (r->op == DISK_DISCARD && r->queue->disk->block) {
		s->kind = STEP_DISCARD;
	} else {
		s->kind = STEP_ALLOCATE;
		s->mode = FALLOC_FL_KEEP_SIZE |
			  (r->op == DISK_ZERO ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE);
	}
}

/* Some bytes went over: true when there are more. */
static bool transferred(struct disk_request *r, u64 n)
{
	if (r->bounce && r->op == DISK_READ)
		use_up(r, n, NULL, r->bounce);
	else if (!r->by_hand)
		use_up(r, n, NULL, NULL);
	r->finished += n;
	return r->finished < r->len;
}

/*
 * The step is over. True when the request needs another; otherwise *@error is how it went.
 * Once a sync has failed the kernel has forgotten what it could not write, and would call
 * the next one a success: from then on all fail.
 */
static bool goes_on(struct disk_request *r, int *error)
{
	struct disk *d = r->queue->disk;
	int n = r->result;

	*error = n < 0 ? n : 0;
	if (n == -EINTR)
		return ++r->interrupted < INTERRUPTIONS;
	if (r->step.kind == STEP_SYNC) {
		if (n < 0)
			atomic_store(&d->lost, true);
		if (atomic_load(&d->lost))
			*error = -EIO;
		return false;
	}
	if (n == -EOPNOTSUPP && is_zero(r) && !r->by_hand) {
		r->by_hand = true;
		return true;
	}
	if (r->step.kind == STEP_READ || r->step.kind == STEP_WRITE) {
		/* The file's end came before the disk's. */
		if (!n)
			*error = -EIO;
		if (n > 0 && transferred(r, n))
			return true;
	}
	r->syncing = !*error && r->sync && (r->op == DISK_WRITE || is_zero(r));
	return r->syncing;
}

/* ---- errors ------------------------------------------------------------------------- */

static const char *op_name(enum disk_op op)
{
	return op == DISK_READ ? "read" : op == DISK_FLUSH ? "sync" : "write";
}

/* A person learns of the first error; the guest of all. */
static void tell(const struct disk_request *r, int error)
{
	struct disk *d = r->queue->disk;

	if (!error || error == -ECANCELED || error == -EOPNOTSUPP ||
	    atomic_exchange(&d->told, true))
		return;
	note("disk: %s: a %s at %#llx failed: %s: the guest gets an I/O error", d->path,
	     op_name(r->op), r->offset + r->finished, strerror(-error));
}

static void finish(struct disk_queue *q, struct disk_request *r, int error)
{
	tell(r, error);
	free(r->bounce);
	r->bounce = NULL;
	q->under_way--;
	r->done(r, error);
}

/* ---- to the kernel and back ------------------------------------------------------------ */

static void place(struct disk_queue *q, struct disk_request *r)
{
	const struct disk_step *s = &r->step;
	int fd = q->disk->fd;
	struct io_uring_sqe *sqe;

	if (!q->has_ring || s->kind == STEP_DISCARD) {
		disk_pool_add(q->disk, r);
		return;
	}
	/* There is one for each request of the queue. */
	sqe = io_uring_get_sqe(&q->ring);
	if (s->kind == STEP_READ)
		io_uring_prep_readv(sqe, fd, s->iov, s->nr, s->offset);
	else if (s->kind == STEP_WRITE)
		io_uring_prep_writev(sqe, fd, s->iov, s->nr, s->offset);
	else if (s->kind == STEP_SYNC)
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
	else
		io_uring_prep_fallocate(sqe, fd, s->mode, s->offset, s->len);
	io_uring_sqe_set_data(sqe, r);
	disk_list_add(&q->placed, r);
}

/* The step's result is for disk_reap() to find. */
static void fail(struct disk_queue *q, struct disk_request *r, int error)
{
	r->result = error;
	pthread_mutex_lock(&q->lock);
	disk_list_add(&q->finished, r);
	eventfd_write(q->event_fd, 1);
	pthread_mutex_unlock(&q->lock);
}

static void start_step(struct disk_queue *q, struct disk_request *r)
{
	prepare(r);
	if (q->dead)
		fail(q, r, q->dead);
	else
		place(q, r);
}

void disk_submit(struct disk_queue *q, struct disk_request *r)
{
	r->queue = q;
	r->finished = 0;
	r->interrupted = 0;
	r->by_hand = false;
	r->syncing = false;
	r->bounce = NULL;
	q->under_way++;
	if ((r->op == DISK_READ || r->op == DISK_WRITE) && needs_bounce(q->disk, r)) {
		r->bounce = aligned_alloc(4096, BOUNCE);
		if (!r->bounce) {
			r->step.kind = STEP_WRITE;
			fail(q, r, -ENOMEM);
			return;
		}
	}
	start_step(q, r);
}

void disk_kick(struct disk_queue *q)
{
	struct disk_request *r;
	int n;

	while (q->placed.first && !q->dead) {
		n = io_uring_submit(&q->ring);
		if (n == -EINTR)
			continue;
		/* Short of memory for a moment: disk_reap() asks again. */
		if (n == -EAGAIN || n == -EBUSY || !n) {
			eventfd_write(q->event_fd, 1);
			return;
		}
		for (; n > 0; n--)
			disk_list_take(&q->placed);
		if (n < 0) {
			q->dead = n;
			note("disk: %s: io_uring: %s: the disk is dead", q->disk->path,
			     strerror(-n));
		}
	}
	while (q->dead && (r = disk_list_take(&q->placed)))
		fail(q, r, q->dead);
}

static void settle(struct disk_queue *q, struct disk_request *r)
{
	int error;

	if (!goes_on(r, &error))
		finish(q, r, error);
	else if (q->stopping)
		finish(q, r, -ECANCELED);
	else
		start_step(q, r);
}

static struct disk_request *take_finished(struct disk_queue *q)
{
	struct io_uring_cqe *cqe;
	struct disk_request *r;

	if (q->has_ring && !io_uring_peek_cqe(&q->ring, &cqe)) {
		r = io_uring_cqe_get_data(cqe);
		r->result = cqe->res;
		io_uring_cqe_seen(&q->ring, cqe);
		return r;
	}
	pthread_mutex_lock(&q->lock);
	r = disk_list_take(&q->finished);
	pthread_mutex_unlock(&q->lock);
	return r;
}

unsigned int disk_reap(struct disk_queue *q)
{
	unsigned int most = q->under_way, nr = 0;
	struct disk_request *r;
	eventfd_t count;

	/* First, so that what finishes from here on makes it readable again. */
	eventfd_read(q->event_fd, &count);
	while (nr < most && (r = take_finished(q))) {
		settle(q, r);
		nr++;
	}
	if (nr && nr == most && q->under_way)
		eventfd_write(q->event_fd, 1);
	disk_kick(q);
	return nr;
}

void disk_drain(struct disk_queue *q)
{
	struct pollfd wait = { .fd = q->event_fd, .events = POLLIN };

	q->stopping = true;
	disk_kick(q);
	disk_reap(q);
	while (q->under_way) {
		poll(&wait, 1, -1);
		disk_reap(q);
	}
	q->stopping = false;
}

/* ---- queues ---------------------------------------------------------------------------- */

/* It knows fallocate() since 5.6, and all else that is needed then, too. */
static bool ring_suffices(struct io_uring *ring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	bool suffices = probe && io_uring_opcode_supported(probe, IORING_OP_FALLOCATE);

	io_uring_free_probe(probe);
	return suffices;
}

static bool open_ring(struct disk_queue *q, unsigned int depth)
{
	if (io_uring_queue_init(depth, &q->ring, 0))
		return false;
	if (ring_suffices(&q->ring) && !io_uring_register_eventfd(&q->ring, q->event_fd))
		return true;
	io_uring_queue_exit(&q->ring);
	return false;
}

int disk_queue_open(struct disk_queue *q, struct disk *d, unsigned int depth, bool threads)
{
	int error = 0;

	memset(q, 0, sizeof(*q));
	q->disk = d;
	q->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->event_fd < 0)
		return -errno;
	pthread_mutex_init(&q->lock, NULL);
	q->has_ring = !threads && open_ring(q, depth);
	if (!q->has_ring || (d->block && d->can_discard))
		error = disk_pool_start(d);
	if (error)
		disk_queue_close(q);
	return error;
}

void disk_queue_close(struct disk_queue *q)
{
	if (q->has_ring)
		io_uring_queue_exit(&q->ring);
	pthread_mutex_destroy(&q->lock);
	close(q->event_fd);
}
