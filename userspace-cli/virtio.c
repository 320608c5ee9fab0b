// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a virtio device: from its driver's first status bit over features, queues
 * and kicks to its reset. One lock for each device covers it all, so that a reset in one
 * vCPU's thread finds the worker either outside of the kind's code or waits for it.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "err.h"
#include "files.h"
#include "virtio.h"

/* Lines about one device's guest that breaks the rules again and again. */
#define MOST_TOLD	16

u64 virtio_features(const struct virtio_device *dev)
{
	return dev->offered | BIT_ULL(VIRTIO_F_VERSION_1) |
	       BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | BIT_ULL(VIRTIO_RING_F_EVENT_IDX);
}

void virtio_set_features(struct virtio_device *dev, u64 features)
{
	if (!(dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
		dev->features = features;
}

/* ---- interrupts ---------------------------------------------------------- */

void virtio_signal(struct virtio_device *dev, unsigned int queue)
{
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK && dev->queue[queue].enabled &&
	    vring_wants_signal(&dev->queue[queue].ring))
		dev->transport->interrupt(dev, queue);
}

void virtio_kick(struct virtio_device *dev, unsigned int queue)
{
	/* Full means that nobody has looked yet, and that is enough. */
	eventfd_write(dev->queue[queue].kick_fd, 1);
}

void virtio_config_changed(struct virtio_device *dev)
{
	dev->generation++;
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		dev->transport->config_interrupt(dev);
}

/* Nothing is taken from any queue until the driver resets the device. */
static void need_reset(struct virtio_device *dev, const char *why)
{
	unsigned int i;

	for (i = 0; i < dev->nr_queues; i++)
		if (!dev->queue[i].ring.broken)
			dev->queue[i].ring.broken = why;
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		dev->transport->config_interrupt(dev);
}

void virtio_broken(struct virtio_device *dev, const char *why)
{
	if (dev->told_broken)
		return;
	dev->told_broken = true;
	if (dev->nr_told++ < MOST_TOLD)
		note("virtio-%s: the guest broke the rules: %s: the device waits for its reset%s",
		     dev->kind->name, why,
		     dev->nr_told == MOST_TOLD ? " (further ones are not told)" : "");
	need_reset(dev, why);
}

/* ---- status -------------------------------------------------------------- */

static bool features_fit(const struct virtio_device *dev)
{
	return !(dev->features & ~virtio_features(dev)) && virtio_has(dev, VIRTIO_F_VERSION_1);
}

void virtio_enable_queue(struct virtio_device *dev, unsigned int queue)
{
	struct virtio_queue *q = &dev->queue[queue];
	const char *wrong;

	/* The kind looks at its queues once, when it starts. */
	if (q->enabled || dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		return;
	wrong = q->ring.size > q->most ? "a queue is larger than offered" : vring_check(&q->ring);
	if (wrong)
		virtio_broken(dev, wrong);
	else
		q->enabled = true;
}

static void start(struct virtio_device *dev)
{
	unsigned int i;
	int error = 0;

	if (!(dev->status & VIRTIO_CONFIG_S_FEATURES_OK) ||
	    dev->status & (VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED))
		return;
	for (i = 0; i < dev->nr_queues; i++) {
		struct vring *ring = &dev->queue[i].ring;

		ring->indirect = virtio_has(dev, VIRTIO_RING_F_INDIRECT_DESC);
		ring->event_index = virtio_has(dev, VIRTIO_RING_F_EVENT_IDX);
		ring->signalled_valid = true;
	}
	dev->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	if (dev->kind->start)
		error = dev->kind->start(dev);
	if (error) {
		note("virtio-%s: it cannot start: %s: the guest has to do without it",
		     dev->kind->name, strerror(-error));
		need_reset(dev, "the device could not start");
		return;
	}
	dev->started = true;
	dev->transport->running(dev, true);
	/* What was added and kicked for before now was not looked at. */
	for (i = 0; i < dev->nr_queues; i++)
		if (dev->queue[i].enabled)
			virtio_kick(dev, i);
	worker_wake(&dev->worker);
}

static void stop(struct virtio_device *dev)
{
	if (!dev->started)
		return;
	dev->transport->running(dev, false);
	if (dev->kind->stop)
		dev->kind->stop(dev);
	dev->started = false;
	worker_wake(&dev->worker);
}

static void reset(struct virtio_device *dev)
{
	unsigned int i;
	eventfd_t count;

	stop(dev);
	for (i = 0; i < dev->nr_queues; i++) {
		struct virtio_queue *q = &dev->queue[i];

		q->ring = (struct vring){ .mem = dev->memory, .size = q->most };
		q->enabled = false;
		atomic_store(&q->delegated, false);
		eventfd_read(q->kick_fd, &count);
	}
	dev->features = 0;
	dev->status = 0;
	dev->told_broken = false;
	if (dev->transport)
		dev->transport->reset(dev);
}

/* A driver sets one bit after the other, and takes none back but all. */
void virtio_set_status(struct virtio_device *dev, u8 status)
{
	u8 fresh = status & ~dev->status;

	if (!status) {
		reset(dev);
		return;
	}
	if (!features_fit(dev))
		fresh &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	dev->status |= fresh & (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
				VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_FAILED);
	if (fresh & VIRTIO_CONFIG_S_FAILED)
		stop(dev);
	else if (fresh & VIRTIO_CONFIG_S_DRIVER_OK)
		start(dev);
}

/* ---- the worker's side --------------------------------------------------- */

static bool kicks_wanted(void *arg)
{
	struct virtio_queue *q = arg;

	return !atomic_load(&q->delegated);
}

static void on_kick(void *arg, short revents)
{
	struct virtio_queue *q = arg;
	struct virtio_device *dev = q->device;
	eventfd_t count;

	(void)revents;
	pthread_mutex_lock(&dev->lock);
	/* Somebody may have taken the kicks over while we waited: this one is his, too. */
	if (!atomic_load(&q->delegated) && !eventfd_read(q->kick_fd, &count) &&
	    dev->started && q->enabled && !q->ring.broken)
		dev->kind->kicked(dev, q - dev->queue);
	pthread_mutex_unlock(&dev->lock);
}

/* ---- making and unmaking ------------------------------------------------- */

static void machine_was_reset(void *arg)
{
	struct virtio_device *dev = arg;

	pthread_mutex_lock(&dev->lock);
	reset(dev);
	pthread_mutex_unlock(&dev->lock);
}

static void free_device(void *arg)
{
	struct virtio_device *dev = arg;
	unsigned int i;

	/* As in a reset: a kind may need its worker to stop. */
	pthread_mutex_lock(&dev->lock);
	stop(dev);
	pthread_mutex_unlock(&dev->lock);
	worker_stop(&dev->worker);
	if (dev->transport)
		dev->transport->free(dev);
	for (i = 0; i < dev->nr_queues; i++) {
		close_fd(&dev->queue[i].kick_fd);
		close_fd(&dev->queue[i].idle_fd);
	}
	pthread_mutex_destroy(&dev->lock);
}

static bool make_queue(struct virtio_device *dev, struct virtio_queue *q)
{
	struct event_source kicks = {
		.fd = q->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.wanted = kicks_wanted,
		.ready = on_kick,
		.arg = q,
	};

	q->device = dev;
	q->most = dev->queue_size;
	q->idle_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->call_fd = q->idle_fd;
	return q->kick_fd >= 0 && q->idle_fd >= 0 && events_add(&dev->worker.events, &kicks);
}

static int no_files(const struct virtio_device *dev)
{
	return err(STATUS_HOST, "virtio-%s: %s: raise the limit of open files (ulimit -n)",
		   dev->kind->name, strerror(errno));
}

static int make_queues(struct virtio_device *dev)
{
	struct machine_part part = {
		.reset = machine_was_reset, .free = free_device, .arg = dev,
	};
	unsigned int i;

	for (i = 0; i < dev->nr_queues; i++)
		if (!make_queue(dev, &dev->queue[i]))
			return no_files(dev);
	if (!machine_add(dev->machine, &part))
		return err(STATUS_HOST, "virtio-%s: the machine is full: give it fewer devices",
			   dev->kind->name);
	return 0;
}

int virtio_init(struct virtio_device *dev, struct machine *m)
{
	unsigned int i;
	int status;

	if (dev->nr_queues > VIRTIO_QUEUES || dev->queue_size > VRING_MOST)
		return err(STATUS_HOST, "virtio-%s: its queues are too many or too large",
			   dev->kind->name);
	dev->machine = m;
	dev->memory = &m->memory;
	for (i = 0; i < dev->nr_queues; i++) {
		dev->queue[i].kick_fd = -1;
		dev->queue[i].idle_fd = -1;
	}
	errno = -worker_init(&dev->worker);
	if (errno)
		return no_files(dev);
	pthread_mutex_init(&dev->lock, NULL);
	status = make_queues(dev);
	if (status)
		free_device(dev);
	else
		reset(dev);
	return status;
}

int virtio_add(struct virtio_device *dev)
{
	char name[16];
	int status, error;

	status = virtio_pci_create(dev);
	if (status)
		return status;
	snprintf(name, sizeof(name), "virtio-%s", dev->kind->name);
	error = worker_start(&dev->worker, name);
	if (error)
		return err(STATUS_HOST, "virtio-%s: no thread: %s: raise the limit (ulimit -u)",
			   dev->kind->name, strerror(-error));
	return 0;
}
