/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtio device (virtio 1.2) without its transport: what the kinds of devices (blk, net,
 * console, rng) share. Each device has a worker thread; there its queues' kicks arrive, so
 * that no vCPU waits for a request. The transport (virtio_pci.c) is behind a few functions.
 */
#ifndef LODGE_CLI_VIRTIO_H
#define LODGE_CLI_VIRTIO_H

#include <pthread.h>

#include "machine.h"
#include "vring.h"
#include "worker.h"

#define VIRTIO_QUEUES		16

struct virtio_device;

/* What a kind of device is; all of it is called with the device's lock held. */
struct virtio_kind {
	const char *name;		/* "blk" */
	u16 id;				/* linux/virtio_ids.h */
	u32 pci_class;			/* class, subclass, interface: 24 bits */
	void (*read_config)(struct virtio_device *dev, u32 off, void *data, u32 len);
	void (*write_config)(struct virtio_device *dev, u32 off, const void *data, u32 len);
	/* The driver is ready, dev->features is what it took: 0 or -errno. */
	int (*start)(struct virtio_device *dev);
	/* Reset, or the end: when this returns nothing of the device touches guest memory. */
	void (*stop)(struct virtio_device *dev);
	/* In the worker's thread: the queue may have new chains. */
	void (*kicked)(struct virtio_device *dev, unsigned int queue);
};

struct virtio_queue {
	struct virtio_device *device;
	struct vring ring;
	bool enabled;
	u16 most;			/* descriptors offered */
	int kick_fd;			/* eventfd: the guest has kicked */
	int call_fd;			/* eventfd: written, it interrupts if call_fd_works() */
	int idle_fd;			/* call_fd, as long as the transport has none */
	/* Somebody else (vhost) waits for kick_fd, kicked() is not called. Cleared by resets. */
	atomic_bool delegated;
};

/* What a transport does for a device. */
struct virtio_transport {
	/* A queue's interrupt, from any thread. */
	void (*interrupt)(struct virtio_device *dev, unsigned int queue);
	/* The interrupt for changes of the configuration. */
	void (*config_interrupt)(struct virtio_device *dev);
	/* True when a write to call_fd alone interrupts the guest (for vhost). */
	bool (*call_fd_works)(struct virtio_device *dev, unsigned int queue);
	/* The device has started, or is about to stop: kicks are wanted or not. */
	void (*running)(struct virtio_device *dev, bool on);
	/* The device was reset. */
	void (*reset)(struct virtio_device *dev);
	void (*free)(struct virtio_device *dev);
};

struct virtio_device {
	/* Set before virtio_add(). */
	const struct virtio_kind *kind;
	u64 offered;			/* features; the ring's and VERSION_1 are added */
	u32 config_size;
	unsigned int nr_queues;
	u16 queue_size;			/* of each, a power of two */

	struct machine *machine;
	const struct memory *memory;
	struct worker worker;		/* more sources may be added before virtio_add() returns */
	pthread_mutex_t lock;		/* of all below and of the kind's own state */
	u64 features;			/* what the driver took */
	u8 status;
	u8 generation;			/* of the configuration */
	bool started;
	bool told_broken;		/* since the last reset */
	unsigned int nr_told;		/* in all */
	struct virtio_queue queue[VIRTIO_QUEUES];
	const struct virtio_transport *transport;
	void *transport_data;
};

/*
 * Two steps: after virtio_init() the kind adds its own files to dev->worker.events, then
 * virtio_add() puts the device on the machine's PCI bus and starts its worker. 0, or a
 * status of err.h when the reason has been told. The machine's end stops and frees what
 * these two made; the struct itself is the kind's, in a machine_part added before.
 */
int virtio_init(struct virtio_device *dev, struct machine *m);
int virtio_add(struct virtio_device *dev);

static inline bool virtio_has(const struct virtio_device *dev, unsigned int feature)
{
	return dev->features & BIT_ULL(feature);
}

/* ---- for kinds: with the lock held, and so for as short as can be ---- */

/* Interrupts the guest if it wants to hear of what was given back. */
void virtio_signal(struct virtio_device *dev, unsigned int queue);
/*
 * Has the queue kicked again, after everybody else who waits for the lock or the worker.
 * What kicked() does at once must be bounded: the guest may add chains as fast as it goes.
 */
void virtio_kick(struct virtio_device *dev, unsigned int queue);
/* The configuration changed: tells the driver. */
void virtio_config_changed(struct virtio_device *dev);
/* The guest broke the rules: the device stops until it is reset; told once. */
void virtio_broken(struct virtio_device *dev, const char *why);

/* ---- for transports: with the lock held ---- */

u64 virtio_features(const struct virtio_device *dev);	/* all that are offered */
/* What the driver takes, until it has said that this is all. */
void virtio_set_features(struct virtio_device *dev, u64 features);
void virtio_set_status(struct virtio_device *dev, u8 status);
/* The driver has filled in where queue's ring is. */
void virtio_enable_queue(struct virtio_device *dev, unsigned int queue);

/* In virtio_pci.c: sets dev->transport; 0, or a status when the reason has been told. */
int virtio_pci_create(struct virtio_device *dev);

#endif
