// SPDX-License-Identifier: GPL-2.0
/* A virtio network card with a small driver, for tests: see card.h. */
#include <linux/if_ether.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <stdlib.h>

#include "card.h"

#define PATIENCE	1000	/* packets passed over */

void card_add_buffer(struct card *c, unsigned int index)
{
	struct guest_piece piece = {
		.gpa = CARD_RX + (u64)index * c->buffer, .len = c->buffer, .in = true };

	guest_add(&c->rx, &piece, 1);
}

bool card_start(struct card *c, u64 features, u32 buffer, unsigned int nr)
{
	bool good, msix = !(features & CARD_INTX);
	unsigned int i;

	c->features = features & guest_features(&c->v);
	c->buffer = buffer;
	c->told[0] = 0;
	c->told[1] = 0;
	good = guest_negotiate(&c->v, c->features);
	guest_msix(&c->v, msix);
	for (i = 0; i < 3 && msix; i++)
		guest_vector(&c->v, i, 0x40 + i);
	if (msix)
		guest_set_common(&c->v, VIRTIO_PCI_COMMON_MSIX, 2, CARD_CONFIG_VECTOR);
	good = good && guest_queue(&c->v, 0, CARD_QUEUE, CARD_RX_RING,
				   msix ? CARD_RX_VECTOR : GUEST_NO_VECTOR, &c->rx) &&
	       guest_queue(&c->v, 1, CARD_QUEUE, CARD_TX_RING,
			   msix ? CARD_TX_VECTOR : GUEST_NO_VECTOR, &c->tx);
	if (!good)
		return false;
	for (i = 0; i < nr; i++)
		card_add_buffer(c, i);
	guest_add_status(&c->v, VIRTIO_CONFIG_S_DRIVER_OK);
	for (i = 0; i < 6; i++)
		c->mac[i] = guest_read(&c->m, c->v.config + i, 1);
	return true;
}

bool card_create(struct card *c, const struct net_config *config, u64 features, u32 buffer,
		 unsigned int nr)
{
	memset(c, 0, sizeof(*c));
	fake_machine(&c->m, &c->cpu);
	fake_memory(&c->m, CARD_MEMORY);
	c->irqs = fake_irqs(&c->m);
	c->ip = IPV4(10, 0, 2, 15);
	if (pci_create(&c->m) && !virtio_net_create(&c->m, config) &&
	    guest_find(&c->m, VIRTIO_ID_NET, 0, &c->v) && card_start(c, features, buffer, nr))
		return true;
	fake_free(&c->m, &c->cpu);
	return false;
}

void card_destroy(struct card *c)
{
	fake_free(&c->m, &c->cpu);
}

void card_kick(struct card *c, struct guest_queue *q)
{
	u16 now = q->avail->idx, before = c->told[q->index];
	bool wanted;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->event_index)
		wanted = vring_need_event(*(volatile u16 *)&q->ring->ring[q->size], now, before);
	else
		wanted = !(*(volatile u16 *)&q->ring->flags & VRING_USED_F_NO_NOTIFY);
	c->told[q->index] = now;
	if (wanted)
		guest_kick(q);
}

/* ---- sending ------------------------------------------------------------------- */

static void send_cut(struct card *c, const struct virtio_net_hdr_v1 *header,
		     const struct frame *f, const u32 *cut, unsigned int nr)
{
	struct guest_piece pieces[6];
	u32 at = 0, len, end = CARD_HEADER + f->len;
	unsigned int i;
	u16 head;

	CHECK(memory_write(&c->m.memory, CARD_TX, header, CARD_HEADER));
	CHECK(memory_write(&c->m.memory, CARD_TX + CARD_HEADER, f->data, f->len));
	for (i = 0; i <= nr; i++) {
		len = (i < nr ? cut[i] : end) - at;
		pieces[i] = (struct guest_piece){ .gpa = CARD_TX + at, .len = len };
		at += len;
	}
	guest_add(&c->tx, pieces, i);
	card_kick(c, &c->tx);
	CHECK(guest_wait(&c->tx, &head, &len));
	CHECK_EQ(len, 0);
}

void card_send_with(struct card *c, const struct virtio_net_hdr_v1 *header,
		    const struct frame *f)
{
	send_cut(c, header, f, (u32[]){ CARD_HEADER }, 1);
}

void card_send_cut(struct card *c, const struct frame *f, const u32 *cut, unsigned int nr)
{
	static const struct virtio_net_hdr_v1 nothing;

	send_cut(c, &nothing, f, cut, nr);
}

void card_send(struct card *c, const struct frame *f)
{
	static const struct virtio_net_hdr_v1 nothing;

	card_send_with(c, &nothing, f);
}

/* ---- receiving ------------------------------------------------------------------ */

/* Adds one buffer's bytes to the frame at hand, and gives the buffer again. */
static void take_buffer(struct card *c, u16 head, u32 len, u32 skip)
{
	struct guest_piece piece = {
		.gpa = c->rx.desc[head].addr, .len = c->buffer, .in = true };

	CHECK(len >= skip && len <= c->buffer && c->in.len + len - skip <= FRAME_ROOM);
	if (len < skip || len > c->buffer || c->in.len + len - skip > FRAME_ROOM)
		return;
	memory_read(&c->m.memory, piece.gpa + skip, c->in.data + c->in.len, len - skip);
	c->in.len += len - skip;
	guest_add(&c->rx, &piece, 1);
}

bool card_receive(struct card *c)
{
	unsigned int i;
	u16 head;
	u32 len;

	c->in.len = 0;
	if (!guest_wait(&c->rx, &head, &len))
		return false;
	memory_read(&c->m.memory, c->rx.desc[head].addr, &c->header, CARD_HEADER);
	take_buffer(c, head, len, CARD_HEADER);
	CHECK(c->header.num_buffers >= 1);
	for (i = 1; i < c->header.num_buffers; i++) {
		/* All of them are given back together. */
		CHECK(guest_used(&c->rx));
		if (!guest_wait(&c->rx, &head, &len))
			return false;
		take_buffer(c, head, len, 0);
	}
	card_kick(c, &c->rx);
	packet_read(&c->got, &c->in);
	return true;
}

static void answer_arp(struct card *c)
{
	struct ends e = { .from = c->ip, .to = c->got.from };
	struct frame f;

	if (c->got.type != ETH_P_ARP || c->got.arp_op != 1 || c->got.to != c->ip)
		return;
	memcpy(e.from_mac, c->mac, 6);
	memcpy(e.to_mac, c->got.from_mac, 6);
	frame_arp(&f, &e, 2);
	card_send(c, &f);
}

bool card_expect(struct card *c, u16 type, u8 protocol)
{
	unsigned int i;

	for (i = 0; i < PATIENCE && card_receive(c); i++) {
		if (c->got.type == type && (type != ETH_P_IP || c->got.protocol == protocol)) {
			CHECK(c->got.good);
			return c->got.good;
		}
		answer_arp(c);
	}
	return false;
}
