/* SPDX-License-Identifier: GPL-2.0 */
/* A virtio network card on a fake machine, with a small driver, for tests. */
#ifndef LODGE_CLI_CARD_H
#define LODGE_CLI_CARD_H

#include <linux/virtio_net.h>

#include "devices.h"
#include "frames.h"
#include "guest.h"

#define CARD_QUEUE	256
#define CARD_HEADER	sizeof(struct virtio_net_hdr_v1)

/* Where things are in the guest's memory. */
#define CARD_RX_RING	0x10000
#define CARD_TX_RING	0x20000
#define CARD_TX		0x100000	/* a frame of any size */
#define CARD_RX		0x200000	/* all buffers */
#define CARD_MEMORY	(16 * MIB)

/* Among the features: no MSI-X, so that interrupts are INTA# and vhost is not used. */
#define CARD_INTX	BIT_ULL(63)

enum { CARD_RX_VECTOR, CARD_TX_VECTOR, CARD_CONFIG_VECTOR };

struct card {
	struct machine m;
	struct cpu cpu;
	struct fake_irqs *irqs;
	struct guest_virtio v;
	struct guest_queue rx, tx;
	u64 features;
	u16 told[2];			/* chains that the device was last kicked for */
	u32 buffer;			/* bytes of each for receiving */
	u8 mac[6];
	u32 ip;				/* ours, for ARP */
	/* What came last. */
	struct virtio_net_hdr_v1 header;
	struct frame in;
	struct packet got;
};

/*
 * A machine with such a card, and a driver that takes @features of those offered and gives
 * @nr buffers. False, with nothing left over: the card cannot be made.
 */
bool card_create(struct card *c, const struct net_config *config, u64 features, u32 buffer,
		 unsigned int nr);
void card_destroy(struct card *c);

/* The driver's start alone, after a reset. */
bool card_start(struct card *c, u64 features, u32 buffer, unsigned int nr);
/* One more buffer for receiving, not yet kicked for; @index says where it is. */
void card_add_buffer(struct card *c, unsigned int index);

/* As drivers do: if the device wants to be kicked for what was added since the last time. */
void card_kick(struct card *c, struct guest_queue *q);

void card_send(struct card *c, const struct frame *f);
void card_send_with(struct card *c, const struct virtio_net_hdr_v1 *header,
		    const struct frame *f);
/* Header and frame in pieces that end at @cut, and the rest: no more than 6 altogether. */
void card_send_cut(struct card *c, const struct frame *f, const u32 *cut, unsigned int nr);

/* The next frame, its buffers given again: false, none came. */
bool card_receive(struct card *c);
/*
 * The next packet of that type (and protocol, if IPv4), in c->got: others are passed over,
 * who asks for our address by ARP is answered.
 */
bool card_expect(struct card *c, u16 type, u8 protocol);

#endif
