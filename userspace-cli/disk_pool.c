// SPDX-License-Identifier: GPL-2.0
/*
 * A few threads that read, write and sync in the plain way: for hosts whose kernel has no
 * io_uring or forbids it, and for ioctls, which io_uring cannot make.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "disk_io.h"

#define THREADS		4

struct disk_pool {
	int fd;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct disk_list waiting;	/* lock */
	bool over;			/* lock */
	pthread_t thread[THREADS];
	unsigned int nr_threads;
};

static int make_step(int fd, const struct disk_step *s)
{
	u64 range[] = { s->offset, s->len };
	ssize_t n = -1;

	switch (s->kind) {
	case STEP_READ:
		n = preadv(fd, s->iov, s->nr, s->offset);
		break;
	case STEP_WRITE:
		n = pwritev(fd, s->iov, s->nr, s->offset);
		break;
	case STEP_SYNC:
		n = fdatasync(fd);
		break;
	case STEP_ALLOCATE:
		n = fallocate(fd, s->mode, s->offset, s->len);
		break;
	case STEP_DISCARD:
		n = ioctl(fd, BLKDISCARD, range);
		break;
	}
	return n < 0 ? -errno : n;
}

static void *work(void *arg)
{
	struct disk_pool *p = arg;
	struct disk_request *r;
	struct disk_queue *q;

	pthread_mutex_lock(&p->lock);
	while (!p->over) {
		r = disk_list_take(&p->waiting);
		if (!r) {
			pthread_cond_wait(&p->cond, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		q = r->queue;
		r->result = make_step(p->fd, &r->step);
		pthread_mutex_lock(&q->lock);
		disk_list_add(&q->finished, r);
		/* With the lock: who has taken the request may close the queue. */
		eventfd_write(q->event_fd, 1);
		pthread_mutex_unlock(&q->lock);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

void disk_pool_add(struct disk *d, struct disk_request *r)
{
	struct disk_pool *p = d->pool;

	pthread_mutex_lock(&p->lock);
	disk_list_add(&p->waiting, r);
	pthread_cond_signal(&p->cond);
	pthread_mutex_unlock(&p->lock);
}

int disk_pool_start(struct disk *d)
{
	struct disk_pool *p;
	sigset_t all, old;
	int error = 0;

	if (d->pool)
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->fd = d->fd;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->cond, NULL);
	d->pool = p;
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (p->nr_threads < THREADS && !error) {
		error = -pthread_create(&p->thread[p->nr_threads], NULL, work, p);
		if (!error)
			pthread_setname_np(p->thread[p->nr_threads++], "disk");
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	/* One does, too. */
	if (p->nr_threads)
		return 0;
	disk_pool_stop(d);
	return error;
}

void disk_pool_stop(struct disk *d)
{
	struct disk_pool *p = d->pool;
	unsigned int i;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->over = true;
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->nr_threads; i++)
		pthread_join(p->thread[i], NULL);
	pthread_cond_destroy(&p->cond);
	pthread_mutex_destroy(&p->lock);
	free(p);
	d->pool = NULL;
}
