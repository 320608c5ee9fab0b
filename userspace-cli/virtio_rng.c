// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-rng: the host's random numbers for the guest. The kernel's generator never runs
 * dry, so a request is answered at once; large ones get a part, which the driver expects.
 */
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <sys/random.h>

#include "devices.h"
#include "err.h"
#include "virtio.h"

#define QUEUE_SIZE		64
#define PCI_CLASS		0x100000	/* encryption controller: network and computing */
/* getrandom() gives that much in one piece, uninterrupted. */
#define MOST_BYTES		256
/* Looks into the ring for one kick; then others have their turn. */
#define MOST_LOOKS		QUEUE_SIZE

struct rng {
	struct virtio_device dev;
	struct vchain chain;
};

static void answer(struct rng *rng, struct vring *ring)
{
	u8 bytes[MOST_BYTES];
	ssize_t got = getrandom(bytes, sizeof(bytes), 0);

	vring_give(ring, rng->chain.head,
		   got > 0 ? vchain_write(&rng->chain, 0, bytes, got) : 0);
}

static void kicked(struct virtio_device *dev, unsigned int queue)
{
	struct rng *rng = (struct rng *)dev;
	struct vring *ring = &dev->queue[queue].ring;
	unsigned int looks = 0;
	int taken;

	vring_want_kicks(ring, false);
	do {
		taken = vring_take(ring, &rng->chain);
		if (taken > 0)
			answer(rng, ring);
	} while (++looks < MOST_LOOKS &&
		 (taken > 0 || (taken == 0 && vring_want_kicks(ring, true))));
	virtio_signal(dev, queue);
	if (taken < 0)
		virtio_broken(dev, ring->broken);
	else if (looks == MOST_LOOKS)
		virtio_kick(dev, queue);
}

static const struct virtio_kind kind = {
	.name = "rng",
	.id = VIRTIO_ID_RNG,
	.pci_class = PCI_CLASS,
	.kicked = kicked,
};

int virtio_rng_create(struct machine *m)
{
	struct rng *rng = calloc(1, sizeof(*rng));
	struct machine_part part = { .free = free, .arg = rng };
	int status;

	if (!rng)
		return err(STATUS_HOST, "virtio-rng: no memory");
	rng->dev.kind = &kind;
	rng->dev.nr_queues = 1;
	rng->dev.queue_size = QUEUE_SIZE;
	if (!machine_add(m, &part)) {
		free(rng);
		return err(STATUS_HOST, "virtio-rng: the machine is full: give it fewer devices");
	}
	status = virtio_init(&rng->dev, m);
	return status ? status : virtio_add(&rng->dev);
}
