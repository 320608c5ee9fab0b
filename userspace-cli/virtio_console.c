// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-console (virtio 1.2, 5.3) with one port: queue 0 brings input to the guest, queue
 * 1 output from it.
 *
 * Input is read only into a buffer that the guest has given. Output is copied and its
 * buffers go back at once; while it cannot be written no more is taken, so that the guest
 * waits and nothing is lost. No lock is held while a file is read or written: a reset
 * never waits for a terminal.
 */
#include <errno.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "devices.h"
#include "err.h"
#include "terminal.h"
#include "virtio.h"

enum { QUEUE_IN, QUEUE_OUT, QUEUES };

#define QUEUE_SIZE	128
#define INPUT		4096
#define OUTPUT		65536		/* a power of two */
/* One write: what a terminal takes without making the writer wait. */
#define WRITE_MOST	256
#define DRAIN_MS	1000

struct virtio_console {
	struct virtio_device dev;
	int in_fd, out_fd, terminal_fd;
	struct virtio_console_config config;
	/* Under the device's lock. */
	struct vchain in;		/* a buffer for input, if has_in */
	bool has_in;
	struct vchain out;		/* output of which out_done is copied, if has_out */
	bool has_out;
	u64 out_done;
	/* The thread's own: nobody else looks at it before the thread is gone. */
	bool in_ended;
	u8 input[INPUT];		/* read, and not the guest's yet */
	unsigned int in_at, in_end;
	u8 output[OUTPUT];
	unsigned int head, tail;	/* count up for ever; tail is written next */
};

static struct virtio_console *of(struct virtio_device *dev)
{
	return (struct virtio_console *)dev;
}

/* ---- output ---------------------------------------------------------------------- */

/* As much of the chain at hand as there is room for: false if some is left. */
static bool copy_out(struct virtio_console *c)
{
	while (c->out_done < c->out.out_len) {
		unsigned int at = c->head % OUTPUT;
		unsigned int room = OUTPUT - (c->head - c->tail);

		if (room > OUTPUT - at)
			room = OUTPUT - at;
		if (!room)
			return false;
		room = vchain_read(&c->out, c->out_done, c->output + at, room);
		c->head += room;
		c->out_done += room;
	}
	return true;
}

/* One chain further: false when there is none, or no room. */
static bool take_out(struct virtio_console *c)
{
	struct vring *ring = &c->dev.queue[QUEUE_OUT].ring;

	if (!c->has_out) {
		int got = vring_take(ring, &c->out);

		if (got < 0)
			virtio_broken(&c->dev, ring->broken);
		if (got <= 0)
			return false;
		c->has_out = true;
		c->out_done = 0;
	}
	if (!copy_out(c))
		return false;
	c->has_out = false;
	vring_give(ring, c->out.head, 0);
	return true;
}

/* With the lock, in the thread. */
static void take_output(struct virtio_console *c)
{
	struct vring *ring = &c->dev.queue[QUEUE_OUT].ring;
	unsigned int taken = 0;

	if (!c->dev.started)
		return;
	vring_want_kicks(ring, false);
	do {
		while (taken <= ring->size && take_out(c))
			taken++;
		/* What waits for room is looked at when there is. */
	} while (!c->has_out && taken <= ring->size && vring_want_kicks(ring, true));
	/* A guest that never stops lets the input and others have their turn. */
	if (taken > ring->size)
		virtio_kick(&c->dev, QUEUE_OUT);
	if (taken)
		virtio_signal(&c->dev, QUEUE_OUT);
}

static void output_failed(struct virtio_console *c, int error)
{
	c->tail = c->head;
	machine_stop(c->dev.machine, END_CONSOLE, STATUS_CONSOLE,
		     "console: output cannot be written: %s: the guest was ended",
		     strerror(error));
}

static void write_some(struct virtio_console *c)
{
	unsigned int at = c->tail % OUTPUT, n = c->head - c->tail;
	ssize_t done;

	if (n > OUTPUT - at)
		n = OUTPUT - at;
	if (n > WRITE_MOST)
		n = WRITE_MOST;
	done = write(c->out_fd, c->output + at, n);
	if (done > 0)
		c->tail += done;
	else if (done < 0 && errno != EAGAIN && errno != EINTR)
		output_failed(c, errno);
}

static bool output_wanted(void *arg)
{
	struct virtio_console *c = arg;

	return c->head != c->tail;
}

static void output_ready(void *arg, short revents)
{
	struct virtio_console *c = arg;

	(void)revents;
	write_some(c);
	/* Chains that waited for room go on when half of it is free. */
	if (c->head - c->tail > OUTPUT / 2)
		return;
	pthread_mutex_lock(&c->dev.lock);
	if (c->has_out)
		take_output(c);
	pthread_mutex_unlock(&c->dev.lock);
}

/* ---- input ------------------------------------------------------------------------- */

/* Whether there is a buffer. With the lock. */
static bool take_in(struct virtio_console *c)
{
	struct vring *ring = &c->dev.queue[QUEUE_IN].ring;
	int got;

	if (!c->dev.started || !c->dev.queue[QUEUE_IN].enabled)
		return false;
	if (c->has_in)
		return true;
	vring_want_kicks(ring, false);
	got = vring_take(ring, &c->in);
	if (!got && vring_want_kicks(ring, true))
		got = vring_take(ring, &c->in);
	if (got < 0)
		virtio_broken(&c->dev, ring->broken);
	if (got > 0 && !c->in.in_len) {
		virtio_broken(&c->dev, "a buffer for input has no room");
		got = -1;
	}
	c->has_in = got > 0;
	return c->has_in;
}

/* What has been read goes into as many buffers as it needs. */
static void give_input(struct virtio_console *c)
{
	bool given = false;

	while (c->in_at != c->in_end && take_in(c)) {
		u32 n = vchain_write(&c->in, 0, c->input + c->in_at, c->in_end - c->in_at);

		c->in_at += n;
		c->has_in = false;
		vring_give(&c->dev.queue[QUEUE_IN].ring, c->in.head, n);
		given = true;
	}
	if (given)
		virtio_signal(&c->dev, QUEUE_IN);
}

static bool input_wanted(void *arg)
{
	struct virtio_console *c = arg;
	bool wanted;

	pthread_mutex_lock(&c->dev.lock);
	give_input(c);
	wanted = !c->in_ended && c->in_at == c->in_end && take_in(c);
	pthread_mutex_unlock(&c->dev.lock);
	return wanted;
}

static void input_ready(void *arg, short revents)
{
	struct virtio_console *c = arg;
	ssize_t n;

	(void)revents;
	n = read(c->in_fd, c->input, sizeof(c->input));
	if (n > 0) {
		c->in_at = 0;
		c->in_end = n;
	} else if (!n || (errno != EINTR && errno != EAGAIN)) {
		/* A file that cannot be read has no more to say. */
		c->in_ended = true;
	}
	pthread_mutex_lock(&c->dev.lock);
	give_input(c);
	pthread_mutex_unlock(&c->dev.lock);
}

/* ---- size ------------------------------------------------------------------------------ */

/* False if there is none. */
static bool read_size(struct virtio_console *c)
{
	struct winsize size;

	if (c->terminal_fd < 0 || ioctl(c->terminal_fd, TIOCGWINSZ, &size) < 0)
		return false;
	c->config.cols = size.ws_col;
	c->config.rows = size.ws_row;
	return true;
}

static void resized(void *arg, short revents)
{
	struct virtio_console *c = arg;
	u64 count;

	(void)revents;
	if (read(terminal_resize_fd(), &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&c->dev.lock);
	if (read_size(c))
		virtio_config_changed(&c->dev);
	pthread_mutex_unlock(&c->dev.lock);
}

/* ---- the device -------------------------------------------------------------------------- */

static void read_config(struct virtio_device *dev, u32 off, void *data, u32 len)
{
	if (off <= sizeof(of(dev)->config) && len <= sizeof(of(dev)->config) - off)
		memcpy(data, (u8 *)&of(dev)->config + off, len);
}

static void write_config(struct virtio_device *dev, u32 off, const void *data, u32 len)
{
	(void)dev;
	(void)off;
	(void)data;
	(void)len;
}

/* What was copied is written, what was read waits for the next driver. */
static void stop(struct virtio_device *dev)
{
	of(dev)->has_in = false;
	of(dev)->has_out = false;
}

static void kicked(struct virtio_device *dev, unsigned int queue)
{
	/* Input buffers: the thread is awake now and asks for them before its next wait. */
	if (queue == QUEUE_OUT)
		take_output(of(dev));
}

static const struct virtio_kind kind = {
	.name = "console",
	.id = VIRTIO_ID_CONSOLE,
	.pci_class = 0x078000,		/* a simple communication controller, of no kind */
	.read_config = read_config,
	.write_config = write_config,
	.stop = stop,
	.kicked = kicked,
};

/* The thread is gone: what the guest has said is written, if somebody takes it soon. */
static void console_free(void *arg)
{
	struct virtio_console *c = arg;
	struct pollfd out = { .fd = c->out_fd, .events = POLLOUT };

	while (c->head != c->tail && poll(&out, 1, DRAIN_MS) > 0)
		write_some(c);
	free(c);
}

static int add_sources(struct virtio_console *c)
{
	struct events *ev = &c->dev.worker.events;
	bool added = true;

	if (c->in_fd >= 0)
		added = events_add(ev, &(struct event_source){
			.fd = c->in_fd, .wanted = input_wanted, .ready = input_ready, .arg = c });
	if (c->out_fd >= 0)
		added = added && events_add(ev, &(struct event_source){
			.fd = c->out_fd, .events = POLLOUT, .wanted = output_wanted,
			.ready = output_ready, .arg = c });
	if (c->terminal_fd >= 0)
		added = added && terminal_resize_fd() >= 0 && events_add(ev, &(struct event_source){
			.fd = terminal_resize_fd(), .ready = resized, .arg = c });
	return added ? 0 : err(STATUS_HOST, "console: no room for its files");
}

int virtio_console_create(struct machine *m, int in_fd, int out_fd, int terminal_fd)
{
	struct virtio_console *c = calloc(1, sizeof(*c));
	struct machine_part part = { .free = console_free, .arg = c };
	int status;

	if (!c)
		return err(STATUS_HOST, "console: no memory");
	c->in_fd = in_fd;
	c->out_fd = out_fd;
	c->terminal_fd = terminal_fd;
	c->dev.kind = &kind;
	c->dev.config_size = sizeof(c->config);
	c->dev.nr_queues = QUEUES;
	c->dev.queue_size = QUEUE_SIZE;
	if (read_size(c))
		c->dev.offered |= BIT_ULL(VIRTIO_CONSOLE_F_SIZE);
	if (!machine_add(m, &part)) {
		free(c);
		return err(STATUS_HOST, "console: the machine has no room for it");
	}
	status = virtio_init(&c->dev, m);
	if (!status)
		status = add_sources(c);
	return status ? status : virtio_add(&c->dev);
}
