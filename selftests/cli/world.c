// SPDX-License-Identifier: GPL-2.0
/* A card with user networking and the world behind it: see world.h. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "world.h"

const struct net_config user = { .kind = NET_USER };
static const u8 router[6] = { 0x52, 0x55, 10, 0, 2, 2 };
struct card card;

struct ends to_host(u16 from_port, u16 to_port)
{
	struct ends e = {
		.from = GUEST, .to = HOST, .from_port = from_port, .to_port = to_port };

	memcpy(e.from_mac, card.mac, 6);
	memcpy(e.to_mac, router, 6);
	return e;
}

int impatient(int fd)
{
	struct timeval limit = { .tv_sec = 10 };

	CHECK(!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
	return fd;
}

int host_socket(int type, u16 *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = impatient(socket(AF_INET, type | SOCK_CLOEXEC, 0));

	CHECK(!bind(fd, (struct sockaddr *)&a, len));
	if (type == SOCK_STREAM)
		CHECK(!listen(fd, 4));
	CHECK(!getsockname(fd, (struct sockaddr *)&a, &len));
	*port = ntohs(a.sin_port);
	return fd;
}

void host_connect(int fd, u16 port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	CHECK(!connect(fd, (struct sockaddr *)&a, sizeof(a)));
}

u16 free_port(int type)
{
	u16 port;

	close(host_socket(type, &port));
	return port;
}

void send_question(void)
{
	static struct frame f;
	struct ends e = to_host(0, 0);

	memset(e.to_mac, 0xff, 6);
	frame_arp(&f, &e, 1);
	card_send(&card, &f);
}

void ask_router(void)
{
	send_question();
	CHECK(card_expect(&card, ETH_P_ARP, 0));
	CHECK_EQ(card.got.arp_op, 2);
	CHECK_EQ(card.got.from, HOST);
	CHECK(!memcmp(card.got.from_mac, router, 6));
}

int flood_fd[2];

bool create_flooded(u64 features, u32 buffer, unsigned int nr)
{
	struct net_config config = { .kind = NET_USER, .nr_publishes = 2 };
	unsigned int i;
	bool created;

	for (i = 0; i < 2; i++)
		config.publish[i] = (struct net_publish){
			.host_address = htonl(INADDR_LOOPBACK),
			.host_port = free_port(SOCK_DGRAM), .guest_port = FLOOD_PORT + i,
			.udp = true };
	created = card_create(&card, &config, features, buffer, nr);
	CHECK(created);
	for (i = 0; i < 2; i++) {
		flood_fd[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		host_connect(flood_fd[i], config.publish[i].host_port);
	}
	return created;
}

void destroy_flooded(void)
{
	close(flood_fd[0]);
	close(flood_fd[1]);
	card_destroy(&card);
}

void flood(unsigned int port, unsigned int first, unsigned int nr)
{
	unsigned int i;

	for (i = first; i < first + nr; i++)
		CHECK_EQ(send(flood_fd[port], &i, sizeof(i), 0), sizeof(i));
}
