// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-net and libslirp with hostile guests, which is the test of bug class 39 (device
 * models): chains and frames that are wrong in known ways, and in random ones.
 */
#include <linux/if_ether.h>
#include <linux/virtio_config.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "world.h"

static bool is_broken(void *arg)
{
	return guest_status(arg) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* The device waits for its reset, and works after it. */
static void broken_then_well(void)
{
	CHECK(guest_until(is_broken, &card.v));
	CHECK(card_start(&card, USUAL, 2048, 64));
	ask_router();
}

static void tx_without_header(const struct guest_piece *piece)
{
	CHECK(card_create(&card, &user, USUAL, 2048, 64));
	guest_add(&card.tx, piece, 1);
	guest_kick(&card.tx);
	broken_then_well();
	card_destroy(&card);
}

static void test_short_header(void)
{
	tx_without_header(&(struct guest_piece){ .gpa = CARD_TX, .len = CARD_HEADER - 1 });
	tx_without_header(&(struct guest_piece){ .gpa = CARD_TX, .len = 100, .in = true });
}

static void rx_without_room(const struct guest_piece *piece)
{
	create_flooded(USUAL, 2048, 0);
	guest_add(&card.rx, piece, 1);
	guest_kick(&card.rx);
	flood(0, 0, 1);
	broken_then_well();
	destroy_flooded();
}

static void test_rx_without_room(void)
{
	rx_without_room(&(struct guest_piece){ .gpa = CARD_RX, .len = 11, .in = true });
	rx_without_room(&(struct guest_piece){ .gpa = CARD_RX, .len = 100 });
	rx_without_room(&(struct guest_piece){ .gpa = CARD_MEMORY - 1, .len = 100, .in = true });
}

/* Frames that no card could send are dropped, and the next one is sent. */
static void test_odd_frames(void)
{
	static const u32 sizes[] = { 0, 1, 13, 1519, 9000, 65535, 65536, 0x100000 };
	struct guest_piece pieces[2] = {
		{ .gpa = CARD_TX, .len = CARD_HEADER }, { .gpa = CARD_RX + 0x100000 } };
	unsigned int i;
	u16 head;
	u32 len;

	CHECK(card_create(&card, &user, USUAL, 2048, 64));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		pieces[1].len = sizes[i];
		guest_add(&card.tx, pieces, sizes[i] ? 2 : 1);
		guest_kick(&card.tx);
		CHECK(guest_wait(&card.tx, &head, &len));
	}
	ask_router();
	card_destroy(&card);
}

/* A ring that cannot hold one frame gets its beginning, and what follows comes, too. */
static void test_ring_too_small(void)
{
	unsigned int i;
	u16 head;
	u32 len;

	create_flooded(USUAL, 2048, 64);
	flood(0, 0, 1);
	CHECK(card_expect(&card, ETH_P_IP, IPPROTO_UDP));
	CHECK(guest_negotiate(&card.v, USUAL));
	card.buffer = 12;
	guest_queue(&card.v, 0, 2, CARD_RX_RING, CARD_RX_VECTOR, &card.rx);
	guest_queue(&card.v, 1, CARD_QUEUE, CARD_TX_RING, CARD_TX_VECTOR, &card.tx);
	guest_add_status(&card.v, VIRTIO_CONFIG_S_DRIVER_OK);
	card_add_buffer(&card, 0);
	card_add_buffer(&card, 1);
	guest_kick(&card.rx);
	flood(0, 1, 2);
	for (i = 0; i < 4; i++) {
		CHECK(guest_wait(&card.rx, &head, &len));
		CHECK_EQ(len, 12);
		if (i & 1) {
			card_add_buffer(&card, 0);
			card_add_buffer(&card, 1);
			guest_kick(&card.rx);
		}
	}
	destroy_flooded();
}

/* ---- random guests --------------------------------------------------------------------------- */

static void random_pieces(struct guest_queue *q)
{
	static const u32 sizes[] = { 1, 11, 12, 13, 26, 60, 100, 1500, 1526, 4096, 70000 };
	struct guest_piece pieces[8];
	unsigned int i, nr = 1 + random_below(ARRAY_SIZE(pieces));

	for (i = 0; i < nr; i++)
		pieces[i] = (struct guest_piece){
			.gpa = CARD_RX + random_below(4 * MIB),
			.len = sizes[random_below(ARRAY_SIZE(sizes))],
			/* Mostly as it should be. */
			.in = random_below(64) ? !q->index : random_below(2),
		};
	guest_add(q, pieces, nr);
	if (!random_below(200))
		q->desc[random_below(q->size)].addr = next_random();
	if (!random_below(200))
		q->desc[random_below(q->size)].flags = next_random();
	if (!random_below(1000))
		q->avail->idx += random_below(q->size);
	if (random_below(4))
		guest_kick(q);
}

/* Half right frames of all protocols that libslirp parses. */
static void random_frame(void)
{
	static const u8 protocols[] = { 1, 2, 6, 17, 58 };
	static struct frame f;
	struct ends e = to_host(next_random(), next_random());
	u8 data[200];
	unsigned int i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = next_random();
	switch (random_below(4)) {
	case 0:
		frame_arp(&f, &e, random_below(3));
		break;
	case 1:
		e.to_port = random_below(2) ? 67 : 69;
		frame_udp(&f, &e, data, random_below(sizeof(data)));
		break;
	case 2:
		e.to_port = 1 + random_below(9);
		frame_tcp(&f, &e, next_random(), next_random(), next_random(), data,
			  random_below(100));
		break;
	default:
		frame_echo(&f, &e, data, random_below(sizeof(data)));
		f.data[23] = protocols[random_below(ARRAY_SIZE(protocols))];
	}
	for (i = random_below(3); i; i--)
		f.data[14 + random_below(f.len - 14)] = next_random();
	f.len -= random_below(3) ? 0 : random_below(f.len - 14);
	card_send(&card, &f);
}

static void test_random_chains(void)
{
	unsigned int i, number = 0;

	create_flooded(USUAL, 2048, 16);
	for (i = 0; i < rounds(20000); i++) {
		if (is_broken(&card.v) || !random_below(2000))
			CHECK(card_start(&card, next_random() & (USUAL | INDIRECT), 2048,
					 random_below(32)));
		if (random_below(3))
			random_pieces(random_below(2) ? &card.rx : &card.tx);
		else
			send(flood_fd[0], &number, sizeof(number), MSG_DONTWAIT);
	}
	CHECK(card_start(&card, USUAL, 2048, 64));
	ask_router();
	destroy_flooded();
}

static void test_random_frames(void)
{
	unsigned int i;

	CHECK(card_create(&card, &user, USUAL, 2048, 64));
	for (i = 0; i < rounds(5000); i++) {
		random_frame();
		while (guest_used(&card.rx))
			card_receive(&card);
	}
	CHECK(card_start(&card, USUAL, 2048, 64));
	ask_router();
	card_destroy(&card);
}

static const struct unit units[] = {
	{ "class39_short_header", test_short_header },
	{ "class39_rx_without_room", test_rx_without_room },
	{ "class39_odd_frames", test_odd_frames },
	{ "class39_ring_too_small", test_ring_too_small },
	{ "class39_random_chains", test_random_chains },
	{ "class39_random_frames", test_random_frames },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
