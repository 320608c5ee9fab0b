// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-net (virtio 1.2, 5.1) with one pair of queues: queue 0 brings frames to the guest,
 * queue 1 takes its frames. What is behind it is a backend (net.h); with a tap, vhost may
 * have both queues instead.
 *
 * A frame for the guest is written into as many of its buffers as it needs and they are
 * given back together. If there are not enough, those at hand stay half-filled, and the
 * backend brings the same frame again when the guest has added some.
 */
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "err.h"
#include "net.h"
#include "vhost_net.h"
#include "virtio.h"

enum { QUEUE_RX, QUEUE_TX, QUEUES };

#define QUEUE_SIZE	256
/* Frames of the guest at once, before everything else has its turn. */
#define BATCH		256
#define HEADER		sizeof(struct virtio_net_hdr_v1)

struct virtio_net {
	struct virtio_device dev;
	struct net_backend *backend;
	struct vhost_net *vhost;	/* or NULL */
	/* All below under the device's lock. */
	bool delegated;			/* vhost has the queues */
	struct virtio_net_config config;
	/* The frame on its way to the guest, and what it has of it. */
	struct vchain first, more;
	struct vring_given taken[QUEUE_SIZE];	/* the first of them is @first */
	unsigned int nr_taken;
	u32 written;			/* of header and frame */
	bool starved;			/* kicks for buffers are wanted */
	struct vchain tx;
};

static struct virtio_net *of(struct virtio_device *dev)
{
	return (struct virtio_net *)dev;
}

/* ---- to the guest ---------------------------------------------------------------- */

/* One more buffer; the guest kicks for new ones only after there was none. */
static bool take_buffer(struct virtio_net *n, struct vchain *c)
{
	struct vring *ring = &n->dev.queue[QUEUE_RX].ring;
	int got = vring_take(ring, c);

	if (!got && vring_want_kicks(ring, true))
		got = vring_take(ring, c);
	if (got < 0)
		virtio_broken(&n->dev, ring->broken);
	if (got > 0 && n->starved)
		vring_want_kicks(ring, false);
	n->starved = !got;
	return got > 0;
}

/* As many bytes from @at on of header and frame as the buffer takes: how many. */
static u32 write_buffer(const struct vchain *c, const struct virtio_net_hdr_v1 *header,
			const void *frame, u32 len, u32 at)
{
	u64 n = 0, off;

	if (at < HEADER)
		n = vchain_write(c, 0, (const u8 *)header + at, HEADER - at);
	off = at + n - HEADER;
	return n + vchain_write(c, n, (const u8 *)frame + off, len - off);
}

/* False: the next buffer is not there yet, or the guest is wrong. */
static bool fill_buffer(struct virtio_net *n, const struct virtio_net_hdr_v1 *header,
			const void *frame, u32 len)
{
	struct vchain *c = n->nr_taken ? &n->more : &n->first;
	u32 done;

	if (!take_buffer(n, c))
		return false;
	if (c->in_len < (n->nr_taken ? 1 : HEADER)) {
		virtio_broken(&n->dev, "a buffer for frames has no room for a header");
		return false;
	}
	done = write_buffer(c, header, frame, len, n->written);
	n->taken[n->nr_taken++] = (struct vring_given){ .head = c->head, .len = done };
	n->written += done;
	return true;
}

static void give_frame(struct virtio_net *n)
{
	u16 buffers = n->nr_taken;

	vchain_write(&n->first, offsetof(struct virtio_net_hdr_v1, num_buffers), &buffers,
		     sizeof(buffers));
	vring_give_all(&n->dev.queue[QUEUE_RX].ring, n->taken, n->nr_taken);
	n->nr_taken = 0;
	n->written = 0;
	virtio_signal(&n->dev, QUEUE_RX);
}

/* Each frame has one buffer; where it does not fit it is lost, and the buffer is not. */
static bool receive_single(struct virtio_net *n, const struct virtio_net_hdr_v1 *header,
			   const void *frame, u32 len)
{
	if (!n->nr_taken) {
		if (!take_buffer(n, &n->first))
			return n->dev.queue[QUEUE_RX].ring.broken;
		n->nr_taken = 1;
	}
	if (n->first.in_len < HEADER + len)
		return true;
	n->taken[0].head = n->first.head;
	n->taken[0].len = write_buffer(&n->first, header, frame, len, 0);
	give_frame(n);
	return true;
}

static bool receive_merged(struct virtio_net *n, const struct virtio_net_hdr_v1 *header,
			   const void *frame, u32 len)
{
	const struct vring *ring = &n->dev.queue[QUEUE_RX].ring;

	while (n->written < HEADER + len) {
		/* All there can be are not enough: it gets the beginning. */
		if (n->nr_taken == ring->size)
			break;
		if (!fill_buffer(n, header, frame, len))
			return ring->broken;
	}
	give_frame(n);
	return true;
}

static bool receive(void *arg, const struct virtio_net_hdr_v1 *header, const void *frame, u32 len)
{
	struct virtio_net *n = arg;
	const struct virtio_queue *q = &n->dev.queue[QUEUE_RX];
	struct virtio_net_hdr_v1 copy = *header;

	/* As with a card that is off. */
	if (!n->dev.started || n->delegated || !q->enabled || q->ring.broken ||
	    len > NET_FRAME_MOST)
		return true;
	/* One who did not ask for checksums does not know these flags. */
	if (!virtio_has(&n->dev, VIRTIO_NET_F_GUEST_CSUM))
		memset(&copy, 0, sizeof(copy));
	copy.num_buffers = 1;
	if (virtio_has(&n->dev, VIRTIO_NET_F_MRG_RXBUF))
		return receive_merged(n, &copy, frame, len);
	return receive_single(n, &copy, frame, len);
}

/* ---- from the guest --------------------------------------------------------------- */

/* The pieces behind the header: how many. */
static unsigned int skip_header(const struct vchain *c, struct iovec *iov)
{
	unsigned int i, nr = 0;
	size_t skip = HEADER;

	for (i = 0; i < c->nr_out; i++) {
		size_t here = c->iov[i].iov_len < skip ? c->iov[i].iov_len : skip;

		skip -= here;
		if (c->iov[i].iov_len > here)
			iov[nr++] = (struct iovec){
				.iov_base = (u8 *)c->iov[i].iov_base + here,
				.iov_len = c->iov[i].iov_len - here,
			};
	}
	return nr;
}

static void send_chain(struct virtio_net *n, const struct vchain *c)
{
	struct iovec iov[VRING_PIECES];
	struct virtio_net_hdr_v1 header;
	u64 len;

	if (vchain_read(c, 0, &header, HEADER) < HEADER) {
		virtio_broken(&n->dev, "a frame is shorter than its header");
		return;
	}
	if (!virtio_has(&n->dev, VIRTIO_NET_F_CSUM))
		memset(&header, 0, sizeof(header));
	len = c->out_len - HEADER;
	if (len >= NET_FRAME_LEAST && len <= NET_FRAME_MOST)
		n->backend->send(n->backend, &header, iov, skip_header(c, iov), len);
}

static void send_all(struct virtio_net *n)
{
	struct vring *ring = &n->dev.queue[QUEUE_TX].ring;
	unsigned int sent = 0;
	int got;

	vring_want_kicks(ring, false);
	do {
		while (sent < BATCH && (got = vring_take(ring, &n->tx)) > 0) {
			send_chain(n, &n->tx);
			vring_give(ring, n->tx.head, 0);
			sent++;
		}
	} while (sent < BATCH && vring_want_kicks(ring, true));
	if (sent == BATCH)
		virtio_kick(&n->dev, QUEUE_TX);
	else if (got < 0)
		virtio_broken(&n->dev, ring->broken);
	virtio_signal(&n->dev, QUEUE_TX);
}

/* ---- the device -------------------------------------------------------------------- */

static void kicked(struct virtio_device *dev, unsigned int queue)
{
	struct virtio_net *n = of(dev);

	if (queue == QUEUE_TX)
		send_all(n);
	else
		n->backend->room(n->backend, false);
}

static void read_config(struct virtio_device *dev, u32 off, void *data, u32 len)
{
	const struct virtio_net_config *config = &of(dev)->config;

	if (off <= sizeof(*config) && len <= sizeof(*config) - off)
		memcpy(data, (const u8 *)config + off, len);
}

/* Nothing in it is the driver's to write. */
static void write_config(struct virtio_device *dev, u32 off, const void *data, u32 len)
{
	(void)dev;
	(void)off;
	(void)data;
	(void)len;
}

static int start(struct virtio_device *dev)
{
	struct virtio_net *n = of(dev);
	int error = n->backend->start(n->backend, dev->features);

	if (error)
		return error;
	n->starved = true;
	n->delegated = n->vhost && !vhost_net_start(n->vhost, dev);
	n->backend->delegated = n->delegated;
	return 0;
}

static void take_back(struct virtio_net *n)
{
	if (n->delegated)
		vhost_net_stop(n->vhost, &n->dev);
	n->delegated = false;
	n->backend->delegated = false;
}

static void stop(struct virtio_device *dev)
{
	struct virtio_net *n = of(dev);

	take_back(n);
	n->nr_taken = 0;
	n->written = 0;
	n->backend->room(n->backend, true);
}

static const struct virtio_kind kind = {
	.name = "net",
	.id = VIRTIO_ID_NET,
	.pci_class = 0x020000,		/* Ethernet */
	.read_config = read_config,
	.write_config = write_config,
	.start = start,
	.stop = stop,
	.kicked = kicked,
};

static void vhost_failed(void *arg, short revents)
{
	struct virtio_net *n = arg;
	eventfd_t count;

	(void)revents;
	pthread_mutex_lock(&n->dev.lock);
	if (!eventfd_read(vhost_net_error_fd(n->vhost), &count) && n->delegated) {
		take_back(n);
		virtio_broken(&n->dev, "vhost found a queue broken");
	}
	pthread_mutex_unlock(&n->dev.lock);
}

/* ---- making ------------------------------------------------------------------------ */

static void net_free(void *arg)
{
	struct virtio_net *n = arg;

	vhost_net_close(n->vhost);
	if (n->backend)
		n->backend->free(n->backend);
	free(n);
}

/* One of those that nobody hands out: the second bit of the first byte says so. */
static int choose_mac(struct virtio_net *n, const u8 mac[ETH_ALEN])
{
	static const u8 none[ETH_ALEN];
	u8 *chosen = n->config.mac;

	memcpy(chosen, mac, ETH_ALEN);
	if (memcmp(mac, none, ETH_ALEN))
		return 0;
	if (getrandom(chosen, ETH_ALEN, 0) != ETH_ALEN)
		return err(STATUS_HOST, "--net: no random numbers: %s", strerror(errno));
	chosen[0] = (chosen[0] & ~1) | 2;
	return 0;
}

static int connect_backend(struct virtio_net *n, const struct net_config *config)
{
	struct net_guest guest = { .lock = &n->dev.lock, .receive = receive, .arg = n };
	struct events *ev = &n->dev.worker.events;

	n->backend = config->kind == NET_TAP ? net_tap_create(config, &guest, ev) :
					       net_user_create(config, &guest, ev);
	if (!n->backend)
		return STATUS_HOST;
	if (n->backend->tap_fd >= 0)
		n->vhost = vhost_net_open(n->backend->tap_fd);
	if (n->vhost)
		events_add(ev, &(struct event_source){
			.fd = vhost_net_error_fd(n->vhost), .ready = vhost_failed, .arg = n });
	n->config.status = VIRTIO_NET_S_LINK_UP;
	n->config.max_virtqueue_pairs = 1;
	n->config.mtu = n->backend->mtu;
	n->dev.offered = n->backend->offloads | BIT_ULL(VIRTIO_NET_F_MAC) |
			 BIT_ULL(VIRTIO_NET_F_STATUS) | BIT_ULL(VIRTIO_NET_F_MRG_RXBUF);
	if (n->backend->mtu)
		n->dev.offered |= BIT_ULL(VIRTIO_NET_F_MTU);
	return 0;
}

int virtio_net_create(struct machine *m, const struct net_config *config)
{
	struct machine_part part = { .free = net_free };
	struct virtio_net *n;
	int status;

	if (config->kind == NET_NONE)
		return 0;
	n = calloc(1, sizeof(*n));
	part.arg = n;
	if (!n || !machine_add(m, &part)) {
		free(n);
		return err(STATUS_HOST, "--net: no room for the device");
	}
	n->dev.kind = &kind;
	n->dev.config_size = offsetof(struct virtio_net_config, speed);
	n->dev.nr_queues = QUEUES;
	n->dev.queue_size = QUEUE_SIZE;
	status = choose_mac(n, config->mac);
	if (!status)
		status = virtio_init(&n->dev, m);
	if (!status)
		status = connect_backend(n, config);
	return status ? status : virtio_add(&n->dev);
}
