// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-net with user networking: the test is the guest and speaks ARP, DHCP, UDP and TCP
 * through the card, and it is the world, with sockets on 127.0.0.1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "world.h"

/* ---- addresses --------------------------------------------------------------------- */

static void test_arp(void)
{
	CHECK(card_create(&card, &user, USUAL, 2048, 64));
	CHECK_EQ(card.mac[0] & 3, 2);
	ask_router();
	/* After a reset of the machine as before it. */
	fake_reset(&card.m);
	CHECK(guest_find(&card.m, VIRTIO_ID_NET, 0, &card.v));
	CHECK_EQ(guest_status(&card.v), 0);
	CHECK(card_start(&card, USUAL, 2048, 64));
	ask_router();
	card_destroy(&card);
}

static void test_features(void)
{
	struct net_config config = { .kind = NET_USER, .mac = { 2, 1, 2, 3, 4, 5 } };
	u64 features;

	CHECK(card_create(&card, &config, 0, 2048, 1));
	features = guest_features(&card.v);
	/* libslirp wants whole frames with checksums. */
	CHECK_EQ(features & 0xffffff, MERGE | BIT_ULL(VIRTIO_NET_F_MAC) |
		 BIT_ULL(VIRTIO_NET_F_STATUS));
	CHECK(!memcmp(card.mac, config.mac, 6));
	CHECK_EQ(guest_read(&card.m, card.v.config + 6, 2), VIRTIO_NET_S_LINK_UP);
	card_destroy(&card);

	config.kind = NET_NONE;
	CHECK(!card_create(&card, &config, 0, 2048, 1));
}

static void dhcp(u8 kind, u8 answer)
{
	static const u8 cookie[4] = { 99, 130, 83, 99 };
	static struct frame f;
	struct ends e = { .to = 0xffffffff, .from_port = 68, .to_port = 67 };
	u8 message[300] = { 1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78 };
	const u8 *option;
	bool routed = false, named = false;

	memcpy(e.from_mac, card.mac, 6);
	memset(e.to_mac, 0xff, 6);
	memcpy(message + 28, card.mac, 6);
	memcpy(message + 236, cookie, 4);
	memcpy(message + 240, ((u8[]){ 53, 1, kind, 50, 4, 10, 0, 2, 15, 255 }), 10);
	frame_udp(&f, &e, message, sizeof(message));
	card_send(&card, &f);
	CHECK(card_expect(&card, ETH_P_IP, IPPROTO_UDP));
	CHECK(card.got.to_port == 68 && card.got.len >= 250);
	if (card.got.len < 250)
		return;
	CHECK(!memcmp(card.got.data + 4, message + 4, 4));
	CHECK(!memcmp(card.got.data + 16, ((u8[]){ 10, 0, 2, 15 }), 4));
	CHECK_EQ(card.got.data[242], answer);
	for (option = card.got.data + 240; option < card.got.data + card.got.len - 6 &&
	     *option != 255; option += 2 + option[1]) {
		routed |= option[0] == 3 && !memcmp(option + 2, ((u8[]){ 10, 0, 2, 2 }), 4);
		named |= option[0] == 6 && !memcmp(option + 2, ((u8[]){ 10, 0, 2, 3 }), 4);
	}
	CHECK(routed);
	CHECK(named);
}

static void test_dhcp(void)
{
	CHECK(card_create(&card, &user, USUAL, 2048, 64));
	dhcp(1, 2);		/* discover, offer */
	dhcp(3, 5);		/* request, acknowledge */
	card_destroy(&card);
}

/* Neighbours of IPv6 are told of the network without being asked. */
static void test_ipv6(void)
{
	/* A router solicitation from :: to all routers, checksum included. */
	static const u8 ask[] = {
		0x33, 0x33, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd,
		0x60, 0, 0, 0, 0, 8, 58, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 133, 0, 0x7b, 0xb8, 0, 0, 0, 0,
	};
	static const u8 prefix[8] = { 0xfe, 0xc0 };
	static struct frame f = { .len = sizeof(ask) };
	bool found = false;
	unsigned int i;

	CHECK(card_create(&card, &user, USUAL, 2048, 64));
	memcpy(f.data, ask, sizeof(ask));
	card_send(&card, &f);
	CHECK(card_expect(&card, ETH_P_IPV6, 0));
	/* Type 134 behind both headers; the prefix is in an option. */
	CHECK(card.in.len > 70 && card.in.data[54] == 134);
	for (i = 70; i + 8 <= card.in.len; i++)
		found |= !memcmp(card.in.data + i, prefix, 8);
	CHECK(found);
	card_destroy(&card);
}

/* ---- a clock that the test puts forward ---------------------------------------------------- */

static time_t seconds_ahead;

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	int error = __real_clock_gettime(id, t);

	if (id == CLOCK_MONOTONIC)
		t->tv_sec += __atomic_load_n(&seconds_ahead, __ATOMIC_RELAXED);
	return error;
}

/* Routers also speak unasked, every ten minutes at the latest. */
static void test_ipv6_unasked(void)
{
	CHECK(card_create(&card, &user, USUAL, 2048, 64));
	ask_router();
	__atomic_fetch_add(&seconds_ahead, 601, __ATOMIC_RELAXED);
	/* The worker that waits has set its wait by the clock as it was. */
	send_question();
	CHECK(card_expect(&card, ETH_P_IPV6, 0));
	CHECK(card.in.len > 54 && card.in.data[54] == 134);
	card_destroy(&card);
}

/* ---- data ----------------------------------------------------------------------------- */

static void test_echo(void)
{
	static struct frame f;
	struct ends e = to_host(0, 0);
	u8 data[1000];

	CHECK(card_create(&card, &user, USUAL, 2048, 64));
	e = to_host(0, 0);
	memset(data, 0x5a, sizeof(data));
	frame_echo(&f, &e, data, sizeof(data));
	card_send(&card, &f);
	CHECK(card_expect(&card, ETH_P_IP, IPPROTO_ICMP));
	CHECK_EQ(card.got.icmp_type, 0);
	CHECK(card.got.len == sizeof(data) && !memcmp(card.got.data, data, sizeof(data)));
	card_destroy(&card);
}

static void udp_round(int fd, u16 port, u32 len)
{
	struct sockaddr_in peer;
	socklen_t peer_len = sizeof(peer);
	u8 data[2048], back[2048];
	static struct frame f;
	struct ends e = to_host(5000, port);
	ssize_t n;
	u32 i;

	for (i = 0; i < len; i++)
		data[i] = next_random();
	frame_udp(&f, &e, data, len);
	card_send(&card, &f);
	n = recvfrom(fd, back, sizeof(back), 0, (struct sockaddr *)&peer, &peer_len);
	CHECK_EQ(n, len);
	CHECK(!memcmp(data, back, len));
	for (i = 0; i < len; i++)
		back[i] ^= 0xff;
	CHECK_EQ(sendto(fd, back, len, 0, (struct sockaddr *)&peer, peer_len), len);
	CHECK(card_expect(&card, ETH_P_IP, IPPROTO_UDP));
	CHECK(card.got.from == HOST && card.got.from_port == port && card.got.to_port == 5000);
	CHECK(card.got.len == len && !memcmp(card.got.data, back, len));
}

static void udp_with(u64 features, u32 buffer, unsigned int nr)
{
	static const u32 sizes[] = { 1, 17, 18, 100, 1000, 1471, 1472 };
	unsigned int i;
	u16 port;
	int fd = host_socket(SOCK_DGRAM, &port);

	CHECK(card_create(&card, &user, features, buffer, nr));
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		udp_round(fd, port, sizes[i]);
	card_destroy(&card);
	close(fd);
}

static void test_udp(void)
{
	udp_with(USUAL, 2048, 64);
}

/* A driver may put header and frame into pieces as it likes. */
static void test_pieces(void)
{
	static const u32 cuts[][5] = {
		{ 0 }, { 12 }, { 1, 12 }, { 5, 20 }, { 11, 13 }, { 26 }, { 1, 2, 11, 12, 13 },
	};
	static struct frame f;
	struct ends e;
	unsigned int i, nr;
	char back[8] = "";
	u16 port;
	int fd = host_socket(SOCK_DGRAM, &port);

	CHECK(card_create(&card, &user, USUAL, 2048, 64));
	e = to_host(5000, port);
	for (i = 0; i < ARRAY_SIZE(cuts); i++) {
		for (nr = 0; nr < ARRAY_SIZE(cuts[i]) && cuts[i][nr]; nr++)
			;
		snprintf(back, sizeof(back), "cut %u", i);
		frame_udp(&f, &e, back, sizeof(back));
		card_send_cut(&card, &f, cuts[i], nr);
		CHECK_EQ(recv(fd, back, sizeof(back), 0), sizeof(back));
		CHECK(!memcmp(back, "cut ", 4) && back[4] == '0' + (char)i);
	}
	card_destroy(&card);
	close(fd);
}

/* Each frame takes many buffers, and is seen as a whole or not at all. */
static void test_merged_buffers(void)
{
	udp_with(USUAL, 12, 256);
	udp_with(MERGE, 100, 40);
	udp_with(MERGE, 13, 200);
}

static void test_single_buffers(void)
{
	udp_with(0, 1526, 2);
	udp_with(EVENTS, 4096, 3);
}

/* ---- TCP ------------------------------------------------------------------------------- */

struct stream {
	struct ends e;
	u32 seq, ack;
	bool ended;
};

static void tcp_send(struct stream *s, u8 flags, const void *data, u32 len)
{
	static struct frame f;

	frame_tcp(&f, &s->e, flags, s->seq, s->ack, data, len);
	s->seq += len + !!(flags & (TCP_SYN | TCP_FIN));
	card_send(&card, &f);
}

/* The next segment of the stream that brings something new, acknowledged: its data's length. */
static u32 tcp_receive(struct stream *s)
{
	for (;;) {
		if (!card_expect(&card, ETH_P_IP, IPPROTO_TCP) || card.got.tcp_flags & TCP_RST) {
			CHECK(!"the stream goes on");
			s->ended = true;
			return 0;
		}
		if (card.got.to_port != s->e.from_port || card.got.seq != s->ack)
			continue;
		s->ack += card.got.len + !!(card.got.tcp_flags & (TCP_SYN | TCP_FIN));
		s->ended |= card.got.tcp_flags & TCP_FIN;
		if (card.got.len || card.got.tcp_flags & (TCP_SYN | TCP_FIN))
			return card.got.len;
	}
}

static void tcp_open(struct stream *s, u16 from_port, u16 to_port)
{
	*s = (struct stream){ .e = to_host(from_port, to_port), .seq = 1000 };
	tcp_send(s, TCP_SYN, NULL, 0);
	CHECK(card_expect(&card, ETH_P_IP, IPPROTO_TCP));
	s->ack = card.got.seq + 1;
	CHECK_EQ(card.got.tcp_flags & (TCP_SYN | TCP_ACK), TCP_SYN | TCP_ACK);
	CHECK_EQ(card.got.ack, s->seq);
	tcp_send(s, TCP_ACK, NULL, 0);
}

static u8 pattern(u32 at)
{
	return at ^ at >> 8 ^ at >> 16;
}

/* @len bytes from a socket of the host's to the guest. */
static void tcp_download(struct stream *s, int fd, u32 len)
{
	u32 sent = 0, got = 0, i;
	u8 data[4096];
	bool right = true;

	while (got < len && !s->ended) {
		/* The host never waits: we are both ends. */
		while (sent < len) {
			u32 n = len - sent < sizeof(data) ? len - sent : sizeof(data);
			ssize_t done;

			for (i = 0; i < n; i++)
				data[i] = pattern(sent + i);
			done = send(fd, data, n, MSG_DONTWAIT);
			if (done <= 0)
				break;
			sent += done;
		}
		i = tcp_receive(s);
		for (u32 j = 0; j < i; j++)
			right &= card.got.data[j] == pattern(got + j);
		got += i;
		tcp_send(s, TCP_ACK, NULL, 0);
	}
	CHECK_EQ(got, len);
	CHECK(right);
}

static void tcp_upload(struct stream *s, int fd, u32 len)
{
	u8 data[1000], back[1000];
	u32 at, i;

	for (at = 0; at < len; at += sizeof(data)) {
		for (i = 0; i < sizeof(data); i++)
			data[i] = pattern(at + i);
		tcp_send(s, TCP_ACK, data, sizeof(data));
		CHECK_EQ(recv(fd, back, sizeof(back), MSG_WAITALL), sizeof(back));
		CHECK(!memcmp(data, back, sizeof(back)));
	}
}

static void tcp_with(u64 features, u32 buffer, unsigned int nr, u32 len)
{
	struct stream s;
	u8 byte;
	u16 port;
	int fd, server = host_socket(SOCK_STREAM, &port);

	CHECK(card_create(&card, &user, features, buffer, nr));
	tcp_open(&s, 6000, port);
	fd = impatient(accept(server, NULL, NULL));
	tcp_upload(&s, fd, 20000);
	tcp_download(&s, fd, len);
	shutdown(fd, SHUT_WR);
	while (!s.ended)
		tcp_receive(&s);
	tcp_send(&s, TCP_ACK | TCP_FIN, NULL, 0);
	CHECK_EQ(recv(fd, &byte, 1, 0), 0);
	close(fd);
	close(server);
	card_destroy(&card);
}

static void test_tcp(void)
{
	tcp_with(USUAL, 2048, 256, 1 << 20);
}

/* Two buffers: nearly all of the time the world waits for the guest. */
static void test_tcp_few_buffers(void)
{
	tcp_with(0, 1600, 2, 100000);
	tcp_with(USUAL, 200, 9, 100000);
}

/* ---- ports of the host that are the guest's -------------------------------------------- */

static void test_publish(void)
{
	struct net_config config = { .kind = NET_USER, .nr_publishes = 2 };
	static struct frame f;
	int fd = impatient(socket(AF_INET, SOCK_STREAM, 0));
	int udp = impatient(socket(AF_INET, SOCK_DGRAM, 0));
	struct stream s = { .seq = 7 };
	char text[3] = "";

	config.publish[0] = (struct net_publish){ .host_address = htonl(INADDR_LOOPBACK),
		.host_port = free_port(SOCK_STREAM), .guest_port = 80 };
	config.publish[1] = (struct net_publish){
		.host_port = free_port(SOCK_DGRAM), .guest_port = 53, .udp = true };
	CHECK(card_create(&card, &config, USUAL, 2048, 64));

	host_connect(fd, config.publish[0].host_port);
	CHECK(card_expect(&card, ETH_P_IP, IPPROTO_TCP));
	CHECK_EQ(card.got.tcp_flags & (TCP_SYN | TCP_ACK), TCP_SYN);
	CHECK_EQ(card.got.to_port, 80);
	s.e = to_host(80, card.got.from_port);
	s.e.to = card.got.from;
	s.ack = card.got.seq + 1;
	tcp_send(&s, TCP_SYN | TCP_ACK, NULL, 0);
	tcp_send(&s, TCP_ACK, "hi", 2);
	CHECK_EQ(recv(fd, text, 2, MSG_WAITALL), 2);
	CHECK(!strcmp(text, "hi"));

	host_connect(udp, config.publish[1].host_port);
	CHECK_EQ(send(udp, "ask", 3, 0), 3);
	CHECK(card_expect(&card, ETH_P_IP, IPPROTO_UDP));
	CHECK(card.got.to_port == 53 && card.got.len == 3 && !memcmp(card.got.data, "ask", 3));
	s.e = to_host(53, card.got.from_port);
	s.e.to = card.got.from;
	frame_udp(&f, &s.e, "ok", 2);
	card_send(&card, &f);
	CHECK_EQ(recv(udp, text, 2, 0), 2);
	CHECK(!strcmp(text, "ok"));
	card_destroy(&card);
	close(udp);
	close(fd);
}

/* On the address that was named, and on no other of this host. */
static void test_publish_at_one_address(void)
{
	struct net_config config = { .kind = NET_USER, .nr_publishes = 1 };
	struct sockaddr_in other = { .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1) };
	int fd = impatient(socket(AF_INET, SOCK_STREAM, 0));

	config.publish[0] = (struct net_publish){ .host_address = htonl(INADDR_LOOPBACK),
		.host_port = free_port(SOCK_STREAM), .guest_port = 80 };
	CHECK(card_create(&card, &config, USUAL, 2048, 64));
	other.sin_port = htons(config.publish[0].host_port);
	CHECK(connect(fd, (struct sockaddr *)&other, sizeof(other)) < 0);
	CHECK_EQ(errno, ECONNREFUSED);
	card_destroy(&card);
	close(fd);
}

static void test_publish_taken(void)
{
	struct net_config config = { .kind = NET_USER, .nr_publishes = 1 };
	int fd;

	config.publish[0].host_address = htonl(INADDR_LOOPBACK);
	fd = host_socket(SOCK_STREAM, &config.publish[0].host_port);
	CHECK(!card_create(&card, &config, USUAL, 2048, 64));
	close(fd);
}

/* ---- buffers and interrupts -------------------------------------------------------------- */

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/*
 * Without buffers frames wait in their order, and nobody spins. Of each port so many as its
 * socket holds; together they are more than the device would.
 */
#define WAITING		200

static void test_waits_for_buffers(void)
{
	struct timespec pause = { .tv_nsec = 300000000 };
	unsigned int i, port, number, next[2] = { 1, 1 };
	double before;

	create_flooded(USUAL, 2048, 0);
	for (i = 0; i < 2; i++)
		card_add_buffer(&card, i);
	guest_kick(&card.rx);
	/* ARP first: the sender does not know the guest yet. */
	flood(0, 0, 1);
	CHECK(card_expect(&card, ETH_P_IP, IPPROTO_UDP));
	/* Both buffers are filled and stay so; all others wait. */
	before = cpu_seconds();
	flood(0, 1, WAITING);
	nanosleep(&pause, NULL);
	flood(1, 1, WAITING);
	nanosleep(&pause, NULL);
	CHECK(cpu_seconds() - before < 0.3);
	for (i = 0; i < 2 * WAITING && card_expect(&card, ETH_P_IP, IPPROTO_UDP); i++) {
		port = card.got.to_port - FLOOD_PORT;
		memcpy(&number, card.got.data, sizeof(number));
		CHECK_EQ(number, next[port & 1]++);
	}
	CHECK_EQ(i, 2 * WAITING);
	destroy_flooded();
}

/* Too small a buffer costs the frame, not the buffer, and what fits comes after it. */
static void test_single_too_small(void)
{
	u8 large[500] = { 0 };

	create_flooded(0, 100, 4);
	flood(0, 0, 1);
	CHECK(card_expect(&card, ETH_P_IP, IPPROTO_UDP));
	CHECK_EQ(send(flood_fd[0], large, sizeof(large), 0), sizeof(large));
	flood(0, 1, 1);
	/* Nothing else comes before it. */
	CHECK(card_receive(&card) && card.got.good);
	CHECK_EQ(card.got.len, sizeof(unsigned int));
	destroy_flooded();
}

/* Two of the three buffers that a frame needs are filled: a reset forgets them. */
static void test_reset_amid_frame(void)
{
	CHECK(card_create(&card, &user, USUAL, 20, 2));
	send_question();
	CHECK(!guest_used(&card.rx));
	CHECK(card_start(&card, USUAL, 2048, 64));
	ask_router();
	CHECK_EQ(card.header.num_buffers, 1);
	card_destroy(&card);
}

/* The worker has been round once more: whatever was in a socket before has been read. */
static void go_round(void)
{
	send_question();
	send_question();
}

/* What waits for buffers is for the driver that asked for it, not for the next one. */
static void test_reset_while_waiting(void)
{
	static struct frame f;
	struct ends e;

	CHECK(card_create(&card, &user, USUAL, 2048, 1));
	send_question();
	send_question();
	CHECK(card_start(&card, USUAL, 2048, 64));
	e = to_host(0, 0);
	frame_echo(&f, &e, "still", 5);
	card_send(&card, &f);
	/* Neither of the answers by ARP comes before it. */
	CHECK(card_receive(&card));
	CHECK_EQ(card.got.protocol, IPPROTO_ICMP);
	card_destroy(&card);
}

static bool kicks_wanted(const struct guest_queue *q)
{
	return !(*(volatile u16 *)&q->ring->flags & VRING_USED_F_NO_NOTIFY);
}

static bool kicks_end(const struct guest_queue *q)
{
	u64 end = now_ns() + 10 * NS_PER_SECOND;

	while (kicks_wanted(q) && now_ns() < end)
		sched_yield();
	return !kicks_wanted(q);
}

/* New buffers are nobody's concern before they are needed. */
static void test_kicks_for_buffers(void)
{
	create_flooded(MERGE, 2048, 2);
	flood(0, 0, 1);
	CHECK(card_expect(&card, ETH_P_IP, IPPROTO_UDP));
	CHECK(!kicks_wanted(&card.rx));
	flood(0, 1, 3);
	go_round();
	CHECK(kicks_wanted(&card.rx));
	CHECK(card_expect(&card, ETH_P_IP, IPPROTO_UDP));
	CHECK(card_expect(&card, ETH_P_IP, IPPROTO_UDP));
	CHECK(card_expect(&card, ETH_P_IP, IPPROTO_UDP));
	/* the worker says so when it has been round once more */
	CHECK(kicks_end(&card.rx));
	destroy_flooded();
}

/* As many frames as fit are sent, and the device hears of those that come after them. */
static void test_full_ring(void)
{
	struct guest_piece piece = { .gpa = CARD_TX, .len = CARD_HEADER + 60 };
	unsigned int i, round;
	u16 head;
	u32 len;

	CHECK(card_create(&card, &user, MERGE, 2048, 16));
	for (round = 0; round < 2; round++) {
		for (i = 0; i < CARD_QUEUE; i++)
			guest_add(&card.tx, &piece, 1);
		card_kick(&card, &card.tx);
		for (i = 0; i < CARD_QUEUE && !failures; i++)
			CHECK(guest_wait(&card.tx, &head, &len));
		/* This takes the device's lock, so the worker is through. */
		guest_read(&card.m, card.v.common + VIRTIO_PCI_COMMON_STATUS, 1);
	}
	ask_router();
	card_destroy(&card);
}

static void test_one_signal_for_many(void)
{
	struct guest_piece piece = { .gpa = CARD_TX, .len = CARD_HEADER + 60 };
	u64 sent;
	unsigned int i;
	u16 head;
	u32 len;

	CHECK(card_create(&card, &user, MERGE, 2048, 16));
	fake_sent(card.irqs, CARD_TX_VECTOR);
	for (i = 0; i < 100; i++)
		guest_add(&card.tx, &piece, 1);
	guest_kick(&card.tx);
	for (i = 0; i < 100; i++)
		CHECK(guest_wait(&card.tx, &head, &len));
	/* This takes the device's lock, so the worker has given its signal. */
	guest_read(&card.m, card.v.common + VIRTIO_PCI_COMMON_STATUS, 1);
	sent = fake_sent(card.irqs, CARD_TX_VECTOR);
	CHECK(sent >= 1 && sent <= 2);
	card_destroy(&card);
}

static const struct unit units[] = {
	{ "features", test_features },
	{ "arp", test_arp },
	{ "dhcp", test_dhcp },
	{ "ipv6", test_ipv6 },
	{ "ipv6_unasked", test_ipv6_unasked },
	{ "echo", test_echo },
	{ "udp", test_udp },
	{ "pieces", test_pieces },
	{ "merged_buffers", test_merged_buffers },
	{ "single_buffers", test_single_buffers },
	{ "tcp", test_tcp },
	{ "tcp_few_buffers", test_tcp_few_buffers },
	{ "publish", test_publish },
	{ "publish_at_one_address", test_publish_at_one_address },
	{ "publish_taken", test_publish_taken },
	{ "waits_for_buffers", test_waits_for_buffers },
	{ "single_too_small", test_single_too_small },
	{ "reset_amid_frame", test_reset_amid_frame },
	{ "reset_while_waiting", test_reset_while_waiting },
	{ "kicks_for_buffers", test_kicks_for_buffers },
	{ "full_ring", test_full_ring },
	{ "one_signal_for_many", test_one_signal_for_many },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
