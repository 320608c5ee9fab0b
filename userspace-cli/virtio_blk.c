// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-blk (virtio 1.2, 5.2): a disk for the guest. A request is taken off its queue,
 * judged, and handed to the disk's queue of the same number (disk_io.h); when it is done
 * its status is written and the chain given back. The guest's pages are read and written
 * where they are. Header, data and status may lie in any pieces.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "devices.h"
#include "disk_io.h"
#include "err.h"
#include "virtio.h"

#define QUEUE_SIZE	256
#define UNDER_WAY	64	/* requests of one queue */
/* Header and status are pieces, too. Drivers without indirect tables need descriptors. */
#define SEGMENTS	(VRING_PIECES - 2)

/* Of discards and write zeroes: pieces of one request, and sectors of one piece. */
#define RANGES		16
#define DISCARD_SECTORS	(2 * GIB / DISK_SECTOR)
#define ZERO_SECTORS	(128 * MIB / DISK_SECTOR)

/* A status that is not there yet; the guest knows 0 to 2. */
#define PENDING		0xff

struct blk;

struct blk_request {
	struct disk_request io;		/* first: done() gets it */
	struct blk_queue *queue;
	struct blk_request *next;	/* of those that are free */
	u16 head;
	u8 *status;			/* in the guest's memory */
	u32 in_len;
	bool fills;			/* when all goes well all that can be written is */
	unsigned int range, nr_ranges;
	struct virtio_blk_discard_write_zeroes ranges[RANGES];
	struct iovec iov[VRING_PIECES];
};

struct blk_queue {
	struct disk_queue disk;
	struct blk *blk;
	unsigned int index;
	struct blk_request *free;
	struct blk_request request[UNDER_WAY];
};

struct blk {
	struct virtio_device dev;
	struct disk disk;
	int watch_fd;			/* inotify, or -1 */
	bool write_back;		/* what the driver wants, if it may choose */
	char id[VIRTIO_BLK_ID_BYTES];
	struct vchain chain;		/* the one that is looked at */
	unsigned int nr_open;		/* of queue[] */
	struct blk_queue *queue;
};

_Static_assert(QUEUE_SIZE >= VRING_PIECES, "a request has to fit into a queue");

static struct blk *blk_of(struct virtio_device *dev)
{
	return (struct blk *)((u8 *)dev - offsetof(struct blk, dev));
}

/* Without flushes there is nobody to ask for what is only in the host's memory. */
static bool writes_back(const struct blk *b)
{
	return virtio_has(&b->dev, VIRTIO_BLK_F_FLUSH) && b->write_back;
}

static bool on_disk(const struct blk *b, u64 sector, u64 nr)
{
	u64 all = b->disk.size / DISK_SECTOR;

	return sector <= all && nr <= all - sector;
}

/* ---- kinds of requests ------------------------------------------------------------------- */

/* The pieces of @len bytes from byte @skip on; how many pieces. */
static unsigned int cut(struct iovec *to, const struct iovec *from, u64 skip, u64 len)
{
	unsigned int nr = 0;

	for (; len; from++) {
		u64 n = from->iov_len;

		if (skip >= n) {
			skip -= n;
			continue;
		}
		n -= skip;
		if (n > len)
			n = len;
		to[nr++] = (struct iovec){
			.iov_base = (u8 *)from->iov_base + skip,
			.iov_len = n,
		};
		skip = 0;
		len -= n;
	}
	return nr;
}

static u8 transfer(struct blk_request *r, const struct virtio_blk_outhdr *head, u64 len)
{
	struct blk *b = r->queue->blk;

	if (len % DISK_SECTOR || !on_disk(b, head->sector, len / DISK_SECTOR))
		return VIRTIO_BLK_S_IOERR;
	if (!len)
		return VIRTIO_BLK_S_OK;
	r->io.offset = head->sector * DISK_SECTOR;
	r->io.len = len;
	r->io.iov = r->iov;
	r->io.sync = !writes_back(b);
	disk_submit(&r->queue->disk, &r->io);
	return PENDING;
}

static u8 start_read(struct blk_request *r, const struct virtio_blk_outhdr *head,
		     const struct vchain *c)
{
	r->fills = true;
	r->io.op = DISK_READ;
	r->io.nr = cut(r->iov, c->iov + c->nr_out, 0, c->in_len - 1);
	return transfer(r, head, c->in_len - 1);
}

static u8 start_write(struct blk_request *r, const struct virtio_blk_outhdr *head,
		      const struct vchain *c)
{
	if (r->queue->blk->disk.read_only)
		return VIRTIO_BLK_S_IOERR;
	r->io.op = DISK_WRITE;
	r->io.nr = cut(r->iov, c->iov, sizeof(*head), c->out_len - sizeof(*head));
	return transfer(r, head, c->out_len - sizeof(*head));
}

static u8 start_flush(struct blk_request *r, const struct virtio_blk_outhdr *head,
		      const struct vchain *c)
{
	(void)head;
	(void)c;
	r->io.op = DISK_FLUSH;
	r->io.offset = 0;
	r->io.len = 0;
	r->io.sync = false;
	disk_submit(&r->queue->disk, &r->io);
	return PENDING;
}

static u8 start_id(struct blk_request *r, const struct virtio_blk_outhdr *head,
		   const struct vchain *c)
{
	struct blk *b = r->queue->blk;
	u64 len = c->in_len - 1;

	(void)head;
	if (len < sizeof(b->id))
		return VIRTIO_BLK_S_IOERR;
	vchain_write(c, 0, b->id, sizeof(b->id));
	r->fills = len == sizeof(b->id);
	return VIRTIO_BLK_S_OK;
}

/* Sends the next range on its way; false when none is left. */
static bool next_range(struct blk_request *r)
{
	const struct virtio_blk_discard_write_zeroes *range;

	while (r->range < r->nr_ranges) {
		range = &r->ranges[r->range++];
		if (!range->num_sectors)
			continue;
		if (r->io.op != DISK_DISCARD)
			r->io.op = range->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP ?
				   DISK_ZERO_UNMAP : DISK_ZERO;
		r->io.offset = range->sector * DISK_SECTOR;
		r->io.len = (u64)range->num_sectors * DISK_SECTOR;
		disk_submit(&r->queue->disk, &r->io);
		return true;
	}
	return false;
}

/* All ranges are judged before the first is touched. */
static u8 start_ranges(struct blk_request *r, const struct vchain *c, u32 flags, u32 most)
{
	u64 skip = sizeof(struct virtio_blk_outhdr), len = c->out_len - skip;
	struct blk *b = r->queue->blk;
	unsigned int i, nr;

	if (!len || len % sizeof(r->ranges[0]) || len > sizeof(r->ranges))
		return VIRTIO_BLK_S_IOERR;
	nr = len / sizeof(r->ranges[0]);
	vchain_read(c, skip, r->ranges, len);
	for (i = 0; i < nr; i++) {
		if (r->ranges[i].flags & ~flags)
			return VIRTIO_BLK_S_UNSUPP;
		if (r->ranges[i].num_sectors > most ||
		    !on_disk(b, r->ranges[i].sector, r->ranges[i].num_sectors))
			return VIRTIO_BLK_S_IOERR;
	}
	r->range = 0;
	r->nr_ranges = nr;
	r->io.nr = 0;
	r->io.sync = !writes_back(b);
	return next_range(r) ? PENDING : VIRTIO_BLK_S_OK;
}

static u8 start_discard(struct blk_request *r, const struct virtio_blk_outhdr *head,
			const struct vchain *c)
{
	(void)head;
	if (!virtio_has(&r->queue->blk->dev, VIRTIO_BLK_F_DISCARD))
		return VIRTIO_BLK_S_UNSUPP;
	r->io.op = DISK_DISCARD;
	return start_ranges(r, c, 0, DISCARD_SECTORS);
}

static u8 start_zeroes(struct blk_request *r, const struct virtio_blk_outhdr *head,
		       const struct vchain *c)
{
	(void)head;
	if (!virtio_has(&r->queue->blk->dev, VIRTIO_BLK_F_WRITE_ZEROES))
		return VIRTIO_BLK_S_UNSUPP;
	r->io.op = DISK_ZERO;
	return start_ranges(r, c, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP, ZERO_SECTORS);
}

/* ---- from the queue and back ---------------------------------------------------------------- */

/* @c has room for the status. Its status, or PENDING. */
static u8 start_request(struct blk_request *r, const struct vchain *c)
{
	static const struct {
		u32 type;
		u8 (*start)(struct blk_request *r, const struct virtio_blk_outhdr *head,
			    const struct vchain *c);
	} types[] = {
		{ VIRTIO_BLK_T_IN, start_read },
		{ VIRTIO_BLK_T_OUT, start_write },
		{ VIRTIO_BLK_T_FLUSH, start_flush },
		{ VIRTIO_BLK_T_GET_ID, start_id },
		{ VIRTIO_BLK_T_DISCARD, start_discard },
		{ VIRTIO_BLK_T_WRITE_ZEROES, start_zeroes },
	};
	const struct iovec *last = &c->iov[c->nr_out + c->nr_in - 1];
	struct virtio_blk_outhdr head;
	unsigned int i;

	r->head = c->head;
	r->status = (u8 *)last->iov_base + last->iov_len - 1;
	r->in_len = c->in_len;
	r->fills = c->in_len == 1;
	r->nr_ranges = 0;
	if (vchain_read(c, 0, &head, sizeof(head)) < sizeof(head))
		return VIRTIO_BLK_S_IOERR;
	for (i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].type == head.type)
			return types[i].start(r, &head, c);
	return VIRTIO_BLK_S_UNSUPP;
}

static struct blk_request *take_free(struct blk_queue *q)
{
	struct blk_request *r = q->free;

	if (r)
		q->free = r->next;
	return r;
}

/*
 * The used length promises that so many bytes were written from the first on; the status
 * is the last of all that can be.
 */
static void answer(struct blk_request *r, u8 status)
{
	struct blk_queue *q = r->queue;
	struct vring *ring = &q->blk->dev.queue[q->index].ring;
	bool filled = r->fills && (status == VIRTIO_BLK_S_OK || r->in_len == 1);

	/* A driver that resets the device has the memory back. */
	if (!q->disk.stopping) {
		__atomic_store_n(r->status, status, __ATOMIC_RELAXED);
		vring_give(ring, r->head, filled ? r->in_len : 0);
	}
	r->next = q->free;
	q->free = r;
}

static void done(struct disk_request *io, int error)
{
	struct blk_request *r = (struct blk_request *)io;

	if (!error && next_range(r))
		return;
	answer(r, !error ? VIRTIO_BLK_S_OK :
	       error == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR);
}

/* Until the ring is empty (0), no more can be under way or are wanted (1), or -1: broken. */
static int take_chains(struct blk_queue *q, unsigned int *budget)
{
	struct blk *b = q->blk;
	struct vring *ring = &b->dev.queue[q->index].ring;
	struct blk_request *r;
	int n;
	u8 s;

	while (q->free && *budget) {
		n = vring_take(ring, &b->chain);
		if (n <= 0)
			return n;
		if (!b->chain.in_len) {
			ring->broken = "a request has no room for its status";
			return -1;
		}
		--*budget;
		r = take_free(q);
		s = start_request(r, &b->chain);
		if (s != PENDING)
			answer(r, s);
	}
	return 1;
}

/*
 * Takes what is there and gives back what is done. A guest that adds chains as fast as they
 * are taken does not keep the thread here: after a ring full of them others have their turn.
 */
static void serve(struct blk_queue *q)
{
	struct virtio_device *dev = &q->blk->dev;
	struct virtio_queue *vq = &dev->queue[q->index];
	unsigned int budget = vq->ring.size, rounds = vq->ring.size;
	int n;

	do {
		vring_want_kicks(&vq->ring, false);
		n = take_chains(q, &budget);
		disk_kick(&q->disk);
		disk_reap(&q->disk);
		if (n < 0) {
			virtio_broken(dev, vq->ring.broken);
			return;
		}
		/* With none free the next that is done comes back here. */
		if (n ? !q->free : !vring_want_kicks(&vq->ring, true))
			break;
		if (!budget || !--rounds) {
			virtio_kick(dev, q->index);
			break;
		}
	} while (true);
	virtio_signal(dev, q->index);
}

static void kicked(struct virtio_device *dev, unsigned int queue)
{
	if (queue < blk_of(dev)->nr_open)
		serve(&blk_of(dev)->queue[queue]);
}

/* In the worker's thread: the disk is done with something. */
static void completed(void *arg, short revents)
{
	struct blk_queue *q = arg;
	struct virtio_device *dev = &q->blk->dev;

	(void)revents;
	pthread_mutex_lock(&dev->lock);
	if (dev->started && dev->queue[q->index].enabled)
		serve(q);
	else
		disk_reap(&q->disk);
	pthread_mutex_unlock(&dev->lock);
}

/* ---- the device ---------------------------------------------------------------------------- */

static int start(struct virtio_device *dev)
{
	(void)dev;
	return 0;
}

static void stop(struct virtio_device *dev)
{
	struct blk *b = blk_of(dev);
	unsigned int i;

	for (i = 0; i < b->nr_open; i++)
		disk_drain(&b->queue[i].disk);
	b->write_back = true;
}

static void fill_config(const struct blk *b, struct virtio_blk_config *c)
{
	const struct disk *d = &b->disk;

	memset(c, 0, sizeof(*c));
	c->capacity = d->size / DISK_SECTOR;
	c->seg_max = SEGMENTS;
	c->blk_size = d->logical;
	c->physical_block_exp = __builtin_ctz(d->physical / d->logical);
	c->min_io_size = d->physical / d->logical;
	c->opt_io_size = d->optimal / d->logical;
	c->wce = writes_back(b);
	c->num_queues = b->dev.nr_queues;
	c->max_discard_sectors = DISCARD_SECTORS;
	c->max_discard_seg = RANGES;
	c->discard_sector_alignment = d->physical / DISK_SECTOR;
	c->max_write_zeroes_sectors = ZERO_SECTORS;
	c->max_write_zeroes_seg = RANGES;
	c->write_zeroes_may_unmap = 1;
}

static void read_config(struct virtio_device *dev, u32 off, void *data, u32 len)
{
	struct virtio_blk_config config;

	memset(data, 0, len);
	if (off >= sizeof(config))
		return;
	if (len > sizeof(config) - off)
		len = sizeof(config) - off;
	fill_config(blk_of(dev), &config);
	memcpy(data, (u8 *)&config + off, len);
}

static void write_config(struct virtio_device *dev, u32 off, const void *data, u32 len)
{
	const u32 wce = offsetof(struct virtio_blk_config, wce);

	if (virtio_has(dev, VIRTIO_BLK_F_CONFIG_WCE) && off <= wce && wce - off < len)
		blk_of(dev)->write_back = ((const u8 *)data)[wce - off];
}

static const struct virtio_kind blk_kind = {
	.name = "blk",
	.id = VIRTIO_ID_BLOCK,
	.pci_class = 0x018000,		/* mass storage of no kind of its own */
	.read_config = read_config,
	.write_config = write_config,
	.start = start,
	.stop = stop,
	.kicked = kicked,
};

/* In the worker's thread: somebody has closed the file who could write, or touched it. */
static void file_changed(void *arg, short revents)
{
	struct blk *b = arg;
	u8 events[4096];

	(void)revents;
	while (read(b->watch_fd, events, sizeof(events)) > 0)
		;
	pthread_mutex_lock(&b->dev.lock);
	if (disk_measure(&b->disk))
		virtio_config_changed(&b->dev);
	pthread_mutex_unlock(&b->dev.lock);
}

/*
 * A change of the size is nothing that inotify tells apart from the guest's own writes. So
 * what is waited for is that another one closes the file, or sets its times.
 */
static int watch_file(struct blk *b)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", b->disk.fd);
	b->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (b->watch_fd < 0 ||
	    inotify_add_watch(b->watch_fd, path, IN_CLOSE_WRITE | IN_ATTRIB) < 0) {
		note("disk: %s: inotify: %s: the guest will not see a change of its size",
		     b->disk.path, strerror(errno));
		return 0;
	}
	return events_add(&b->dev.worker.events, &(struct event_source){
		.fd = b->watch_fd, .ready = file_changed, .arg = b }) ? 0 : -ENOSPC;
}

static int open_queue(struct blk *b, unsigned int index, bool threads)
{
	struct blk_queue *q = &b->queue[index];
	int error = disk_queue_open(&q->disk, &b->disk, UNDER_WAY, threads);
	unsigned int i;

	if (error)
		return error;
	b->nr_open++;
	q->blk = b;
	q->index = index;
	for (i = 0; i < UNDER_WAY; i++) {
		q->request[i].queue = q;
		q->request[i].io.done = done;
		q->request[i].next = q->free;
		q->free = &q->request[i];
	}
	return events_add(&b->dev.worker.events, &(struct event_source){
		.fd = q->disk.event_fd, .ready = completed, .arg = q }) ? 0 : -ENOSPC;
}

static int open_queues(struct blk *b, bool threads)
{
	unsigned int i;
	int error = 0;

	b->queue = calloc(b->dev.nr_queues, sizeof(*b->queue));
	if (!b->queue)
		return -ENOMEM;
	for (i = 0; i < b->dev.nr_queues && !error; i++)
		error = open_queue(b, i, threads);
	return error;
}

static void free_blk(void *arg)
{
	struct blk *b = arg;

	while (b->nr_open)
		disk_queue_close(&b->queue[--b->nr_open].disk);
	free(b->queue);
	if (b->watch_fd >= 0)
		close(b->watch_fd);
	disk_close(&b->disk);
	free(b);
}

/* The guest finds it as /dev/disk/by-id/virtio-NAME: the file's name, as far as it goes. */
static void name_disk(struct blk *b)
{
	const char *slash = strrchr(b->disk.path, '/');
	const char *name = slash ? slash + 1 : b->disk.path;
	unsigned int i;

	for (i = 0; i < sizeof(b->id) && name[i]; i++)
		b->id[i] = name[i] > ' ' && name[i] < 0x7f ? name[i] : '_';
}

static u64 features(const struct disk *d)
{
	u64 f = BIT_ULL(VIRTIO_BLK_F_SEG_MAX) | BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) |
		BIT_ULL(VIRTIO_BLK_F_TOPOLOGY) | BIT_ULL(VIRTIO_BLK_F_FLUSH) |
		BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE) | BIT_ULL(VIRTIO_BLK_F_MQ);

	if (d->read_only)
		return f | BIT_ULL(VIRTIO_BLK_F_RO);
	if (d->can_discard)
		f |= BIT_ULL(VIRTIO_BLK_F_DISCARD);
	return f | BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES);
}

static int prepare_device(struct blk *b, struct machine *m)
{
	b->dev.kind = &blk_kind;
	b->dev.offered = features(&b->disk);
	b->dev.config_size = sizeof(struct virtio_blk_config);
	b->dev.queue_size = QUEUE_SIZE;
	b->dev.nr_queues = m->nr_cpus < VIRTIO_QUEUES ? m->nr_cpus : VIRTIO_QUEUES;
	if (!b->dev.nr_queues)
		b->dev.nr_queues = 1;
	b->write_back = true;
	name_disk(b);
	return virtio_init(&b->dev, m);
}

int virtio_blk_create(struct machine *m, const struct disk_config *config)
{
	struct blk *b = calloc(1, sizeof(*b));
	struct machine_part part = { .free = free_blk, .arg = b };
	int status, error;

	if (!b || !machine_add(m, &part)) {
		free(b);
		return err(STATUS_HOST, "disk: %s: too many devices, or no memory: use fewer",
			   config->path);
	}
	b->watch_fd = -1;
	b->disk.fd = -1;
	status = disk_open(&b->disk, config);
	if (!status)
		status = prepare_device(b, m);
	if (status)
		return status;
	error = open_queues(b, config->threads);
	if (!error)
		error = watch_file(b);
	if (error)
		return err(STATUS_HOST, "disk: %s: its queues cannot be made: %s", config->path,
			   strerror(-error));
	return virtio_add(&b->dev);
}
