/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a network device and what is behind it know of each other. Frames are Ethernet
 * without check sequence; a header of virtio-net comes with each, which says what of its
 * checksums and segments is still to be done: all zero if nothing is.
 *
 * All calls in both directions are in the device's worker thread and with its lock held. A
 * backend whose own files wake it takes the lock itself.
 */
#ifndef LODGE_CLI_NET_H
#define LODGE_CLI_NET_H

#include <linux/virtio_net.h>
#include <pthread.h>
#include <sys/uio.h>

#include "devices.h"
#include "events.h"

#define NET_FRAME_LEAST	14		/* without padding: addresses and type */
#define NET_FRAME_MOST	(65535 + 18)	/* one segmentation of TCP, with a VLAN tag */

/* Who gets the frames: the guest. */
struct net_guest {
	pthread_mutex_t *lock;
	/*
	 * False: there is no room now, and the same frame is to come again after
	 * net_backend's room(); else the frame has been taken, or dropped.
	 */
	bool (*receive)(void *arg, const struct virtio_net_hdr_v1 *header, const void *frame,
			u32 len);
	void *arg;
};

struct net_backend {
	/* Made known by the backend when it is created. */
	u16 mtu;		/* 0: as usual */
	u64 offloads;		/* features of virtio-net that it can serve */
	int tap_fd;		/* for vhost; -1: it is no tap */
	bool delegated;		/* vhost reads and writes the tap; under the lock */
	/* The driver took these of them: 0 or -errno. From a vCPU's thread. */
	int (*start)(struct net_backend *b, u64 features);
	/* A frame of the guest, in its memory: to be looked at once. */
	void (*send)(struct net_backend *b, const struct virtio_net_hdr_v1 *header,
		     const struct iovec *iov, unsigned int nr, u64 len);
	/* The guest has room again, or will take no more of what waited (@stop). */
	void (*room)(struct net_backend *b, bool stop);
	void (*free)(struct net_backend *b);
};

/* Both put their files into @ev. NULL: the reason has been told. */
struct net_backend *net_user_create(const struct net_config *config,
				    const struct net_guest *guest, struct events *ev);
struct net_backend *net_tap_create(const struct net_config *config,
				   const struct net_guest *guest, struct events *ev);

#endif
