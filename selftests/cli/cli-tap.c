// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-net with a tap, in a network namespace of the test's own: the test is the guest on
 * the card, and it is the host, with sockets on the tap's address. Skipped where neither
 * root nor a user namespace may make a tap.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_config.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "card.h"

#define VHOST		(BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) | BIT_ULL(VIRTIO_RING_F_EVENT_IDX))
/* Without MSI-X user space serves, also where vhost is. */
#define USUAL		(VHOST | CARD_INTX)
#define SEND_OFFLOADS	(BIT_ULL(VIRTIO_NET_F_CSUM) | BIT_ULL(VIRTIO_NET_F_HOST_TSO4))
#define GET_OFFLOADS	(BIT_ULL(VIRTIO_NET_F_GUEST_CSUM) | BIT_ULL(VIRTIO_NET_F_GUEST_TSO4))

#define TAP		"lodge-test"
#define GUEST		IPV4(10, 9, 0, 2)
#define HOST		IPV4(10, 9, 0, 1)
#define MTU		1400

static const struct net_config tap = { .kind = NET_TAP, .tap = TAP };
static struct card card;

/* ---- the host's side ---------------------------------------------------------------- */

static bool set_up(int fd, const char *name, bool has_address)
{
	struct ifreq r = { .ifr_flags = 0 };
	struct sockaddr_in *a = (struct sockaddr_in *)&r.ifr_addr;

	strcpy(r.ifr_name, name);
	if (has_address) {
		*a = (struct sockaddr_in){ .sin_family = AF_INET,
					   .sin_addr.s_addr = htonl(HOST) };
		if (ioctl(fd, SIOCSIFADDR, &r))
			return false;
		a->sin_addr.s_addr = htonl(0xffffff00);
		if (ioctl(fd, SIOCSIFNETMASK, &r))
			return false;
		r.ifr_mtu = MTU;
		if (ioctl(fd, SIOCSIFMTU, &r))
			return false;
	}
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	return !ioctl(fd, SIOCSIFFLAGS, &r);
}

static bool make_tap(void)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI, .ifr_name = TAP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), tun = open("/dev/net/tun", O_RDWR);
	bool made = fd >= 0 && tun >= 0 && !ioctl(tun, TUNSETIFF, &r) &&
		    !ioctl(tun, TUNSETPERSIST, 1) && set_up(fd, TAP, true) &&
		    set_up(fd, "lo", false);

	close(tun);
	close(fd);
	return made;
}

/* What the host says of itself unasked would take buffers that are counted here. */
static bool be_quiet(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY);
	bool quiet = fd < 0 ? errno == ENOENT : write(fd, "1", 1) == 1;

	close(fd);
	return quiet;
}

static int host_socket(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(7777),
				 .sin_addr.s_addr = htonl(HOST) };
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
	CHECK(!bind(fd, (struct sockaddr *)&a, sizeof(a)));
	return fd;
}

static void to_guest(int fd, const void *data, size_t len)
{
	struct sockaddr_in guest = { .sin_family = AF_INET, .sin_port = htons(5555),
				     .sin_addr.s_addr = htonl(GUEST) };

	CHECK_EQ(sendto(fd, data, len, 0, (struct sockaddr *)&guest, sizeof(guest)), len);
}

static bool is_running(void *arg)
{
	int *fd = arg;
	struct ifreq r = { .ifr_name = TAP };

	return !ioctl(*fd, SIOCGIFFLAGS, &r) && r.ifr_flags & IFF_RUNNING;
}

static bool create(u64 features, u32 buffer, unsigned int nr)
{
	bool created = card_create(&card, &tap, features, buffer, nr);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(created);
	card.ip = GUEST;
	/* The kernel sees the new carrier a little later; this call waits for all of that. */
	CHECK(guest_until(is_running, &fd));
	CHECK(set_up(fd, TAP, false));
	close(fd);
	return created;
}

static u8 host_mac[6];

static struct ends to_host(void)
{
	struct ends e = { .from = GUEST, .to = HOST, .from_port = 5555, .to_port = 7777 };

	memcpy(e.from_mac, card.mac, 6);
	memcpy(e.to_mac, host_mac, 6);
	return e;
}

static void resolve(void)
{
	static struct frame f;
	struct ends e = to_host();

	memset(e.to_mac, 0xff, 6);
	frame_arp(&f, &e, 1);
	card_send(&card, &f);
	do {
		CHECK(card_expect(&card, ETH_P_ARP, 0));
	} while (!failures && card.got.arp_op != 2);
	CHECK_EQ(card.got.from, HOST);
	memcpy(host_mac, card.got.from_mac, 6);
}

/* ---- tests ----------------------------------------------------------------------------- */

static void exchange_frames(void)
{
	static struct frame f;
	u8 data[1200], back[1200];
	struct ends e;
	int fd = host_socket();

	resolve();
	memset(data, 0x77, sizeof(data));
	e = to_host();
	frame_udp(&f, &e, data, sizeof(data));
	card_send(&card, &f);
	CHECK_EQ(recv(fd, back, sizeof(back), 0), sizeof(back));
	CHECK(!memcmp(data, back, sizeof(data)));
	to_guest(fd, data, 900);
	CHECK(card_expect(&card, ETH_P_IP, IPPROTO_UDP));
	CHECK(card.got.len == 900 && !memcmp(card.got.data, data, 900));
	close(fd);
}

static void test_frames(void)
{
	create(USUAL, 2048, 64);
	CHECK(guest_features(&card.v) & BIT_ULL(VIRTIO_NET_F_MTU));
	CHECK_EQ(guest_read(&card.m, card.v.config + 10, 2), MTU);
	exchange_frames();
	card_destroy(&card);
}

/* A checksum that the guest leaves to the host's kernel. */
static void test_send_offload(void)
{
	struct virtio_net_hdr_v1 header = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6 };
	static struct frame f;
	char data[5] = "";
	struct ends e;
	u16 sum;
	int fd = host_socket();

	create(USUAL | SEND_OFFLOADS, 2048, 64);
	CHECK_EQ(card.features & SEND_OFFLOADS, SEND_OFFLOADS);
	resolve();
	e = to_host();
	frame_udp(&f, &e, "data", 4);
	/* What stands there then is the sum of the addresses, protocol and length. */
	sum = ~frame_sum(IPPROTO_UDP + 12, f.data + 26, 8);
	f.data[40] = sum >> 8;
	f.data[41] = sum;
	card_send_with(&card, &header, &f);
	CHECK_EQ(recv(fd, data, 4, 0), 4);
	CHECK(!strcmp(data, "data"));
	/* A header that cannot be is the kernel's to refuse: the frame is lost, no more. */
	header.csum_start = 60000;
	card_send_with(&card, &header, &f);
	header = (struct virtio_net_hdr_v1){ .gso_type = 77, .gso_size = 1 };
	card_send_with(&card, &header, &f);
	frame_udp(&f, &e, "next", 4);
	card_send(&card, &f);
	CHECK_EQ(recv(fd, data, 4, 0), 4);
	CHECK(!strcmp(data, "next"));
	close(fd);
	card_destroy(&card);
}

/* One who did not take the feature gets no work to do, nor does his header say something. */
static void test_not_negotiated(void)
{
	struct virtio_net_hdr_v1 header = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 60000, .gso_type = 99 };
	static struct frame f;
	struct ends e;
	char data[5] = "";
	int fd = host_socket();

	create(USUAL, 2048, 64);
	resolve();
	e = to_host();
	frame_udp(&f, &e, "data", 4);
	card_send_with(&card, &header, &f);
	CHECK_EQ(recv(fd, data, 4, 0), 4);
	to_guest(fd, "back", 4);
	CHECK(card_expect(&card, ETH_P_IP, IPPROTO_UDP));
	CHECK_EQ(card.header.flags, 0);
	CHECK_EQ(card.header.gso_type, 0);
	close(fd);
	card_destroy(&card);
}

static void test_receive_offload(void)
{
	int fd = host_socket();

	create(USUAL | GET_OFFLOADS, 2048, 64);
	CHECK_EQ(card.features & GET_OFFLOADS, GET_OFFLOADS);
	resolve();
	to_guest(fd, "back", 4);
	do {
		CHECK(card_receive(&card));
	} while (!failures && card.got.to_port != 5555);
	CHECK_EQ(card.header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	CHECK_EQ(card.header.csum_start, 34);
	CHECK_EQ(card.header.csum_offset, 6);
	close(fd);
	card_destroy(&card);
}

/* What the guest takes in one piece comes in one piece. */
static void test_large_segments(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(7777),
				 .sin_addr.s_addr = htonl(HOST) };
	int fd, server = socket(AF_INET, SOCK_STREAM, 0);
	static struct frame f;
	static u8 data[4000];
	struct ends e;

	CHECK(!bind(server, (struct sockaddr *)&a, sizeof(a)) && !listen(server, 1));
	create(USUAL | GET_OFFLOADS, 2048, 64);
	resolve();
	e = to_host();
	frame_tcp(&f, &e, TCP_SYN, 1000, 0, NULL, 0);
	card_send(&card, &f);
	do {
		CHECK(card_receive(&card));
	} while (!failures && card.got.to_port != 5555);
	frame_tcp(&f, &e, TCP_ACK, 1001, card.got.seq + 1, NULL, 0);
	card_send(&card, &f);
	fd = accept(server, NULL, NULL);
	CHECK_EQ(send(fd, data, sizeof(data), 0), sizeof(data));
	do {
		CHECK(card_receive(&card));
	} while (!failures && (card.got.to_port != 5555 || !card.got.len));
	CHECK_EQ(card.header.gso_type & ~VIRTIO_NET_HDR_GSO_ECN, VIRTIO_NET_HDR_GSO_TCPV4);
	CHECK(card.got.len > MTU);
	close(fd);
	close(server);
	card_destroy(&card);
}

/* To ask for segments alone is to ask for nothing. */
static void test_segments_without_checksums(void)
{
	create(USUAL | BIT_ULL(VIRTIO_NET_F_GUEST_TSO4), 2048, 64);
	CHECK(card.features & BIT_ULL(VIRTIO_NET_F_GUEST_TSO4));
	exchange_frames();
	card_destroy(&card);
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void expect_no_spinning(void)
{
	struct timespec pause = { .tv_nsec = 300000000 };
	double before = cpu_seconds();

	nanosleep(&pause, NULL);
	CHECK(cpu_seconds() - before < 0.03);
}

/* A frame that nobody answers; behind two of them the worker has been round once more. */
static void go_round(void)
{
	static struct frame f;
	struct ends e = to_host();
	unsigned int i;

	frame_arp(&f, &e, 77);
	for (i = 0; i < 2; i++)
		card_send(&card, &f);
}

/* The frame that had been read for one driver is not the next one's. */
static void test_reset_while_waiting(void)
{
	unsigned int i, number = 0;
	int fd = host_socket();

	create(USUAL, 2048, 1);
	resolve();
	/* One has the buffer, one is read, one waits in the interface's queue. */
	for (i = 0; i < 3; i++) {
		to_guest(fd, &i, sizeof(i));
		go_round();
	}
	CHECK(card_start(&card, USUAL, 2048, 64));
	to_guest(fd, &i, sizeof(i));
	CHECK(card_expect(&card, ETH_P_IP, IPPROTO_UDP));
	memcpy(&number, card.got.data, sizeof(number));
	/* What was in the queue may have come between the drivers, to a card that was off. */
	CHECK(number >= 2);
	close(fd);
	card_destroy(&card);
}

/* More than the worker takes at a time, and the guest has no reason to kick. */
static void test_many_at_once(void)
{
	unsigned int i, number;
	int fd = host_socket();

	create(USUAL, 2048, 1);
	resolve();
	for (i = 0; i < 45; i++)
		to_guest(fd, &i, sizeof(i));
	go_round();
	for (i = 1; i < 64; i++)
		card_add_buffer(&card, i);
	card_kick(&card, &card.rx);
	for (i = 0; i < 45 && !failures; i++) {
		CHECK(card_expect(&card, ETH_P_IP, IPPROTO_UDP));
		memcpy(&number, card.got.data, sizeof(number));
		CHECK_EQ(number, i);
	}
	close(fd);
	card_destroy(&card);
}

/* While the guest has no buffers frames wait in the interface's own queue. */
static void waits_for_buffers(u64 features)
{
	unsigned int i, number;
	int fd = host_socket();

	create(features, 100, 3);
	resolve();
	for (i = 0; i < 100; i++)
		to_guest(fd, &i, sizeof(i));
	expect_no_spinning();
	for (i = 0; i < 100 && !failures; i++) {
		CHECK(card_expect(&card, ETH_P_IP, IPPROTO_UDP));
		memcpy(&number, card.got.data, sizeof(number));
		CHECK_EQ(number, i);
	}
	close(fd);
	card_destroy(&card);
}

static void test_waits_for_buffers(void)
{
	waits_for_buffers(USUAL);
}

static void refused(const char *name)
{
	struct net_config config = { .kind = NET_TAP, .tap = name };

	CHECK(!card_create(&card, &config, USUAL, 2048, 64));
}

static void test_refused(void)
{
	refused("");
	refused("nothere");
	refused("a-name-that-is-too-long");
	refused("lo");
	create(USUAL, 2048, 64);
	card_destroy(&card);
}

static void test_busy(void)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI, .ifr_name = TAP };
	int fd = open("/dev/net/tun", O_RDWR);

	CHECK(!ioctl(fd, TUNSETIFF, &r));
	refused(TAP);
	close(fd);
}

static void random_headers(u64 features)
{
	static const u8 data[2000];
	static struct frame f;
	struct virtio_net_hdr_v1 header;
	unsigned int i, j;

	create(features | SEND_OFFLOADS | GET_OFFLOADS, 300, 128);
	resolve();
	for (i = 0; i < rounds(3000); i++) {
		struct ends e = to_host();
		u8 *bytes = (u8 *)&header;

		for (j = 0; j < sizeof(header); j++)
			bytes[j] = random_below(2) ? next_random() : random_below(5);
		frame_udp(&f, &e, data, random_below(sizeof(data)));
		/* The kernel's vhost stops at headers that are wrong, until a reset. */
		if (!(features & CARD_INTX))
			memset(&header, 0, sizeof(header));
		for (j = random_below(4); j; j--)
			f.data[random_below(f.len)] = next_random();
		card_send_with(&card, &header, &f);
		while (guest_used(&card.rx))
			card_receive(&card);
	}
	resolve();
	card_destroy(&card);
}

static void test_random(void)
{
	random_headers(USUAL);
}

/* Somebody deletes the interface: the guest goes on, and nobody spins. */
static void test_interface_gone(void)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} request = {
		.head = { .nlmsg_len = sizeof(request), .nlmsg_type = RTM_DELLINK,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
	};
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	static struct frame f;
	char answer[512];
	struct ends e;

	create(USUAL, 2048, 64);
	resolve();
	request.info.ifi_index = if_nametoindex(TAP);
	CHECK_EQ(send(fd, &request, sizeof(request), 0), sizeof(request));
	CHECK(recv(fd, answer, sizeof(answer), 0) > 0);
	CHECK(!if_nametoindex(TAP));
	expect_no_spinning();
	e = to_host();
	frame_udp(&f, &e, "lost", 4);
	card_send(&card, &f);
	CHECK(!(guest_status(&card.v) & VIRTIO_CONFIG_S_NEEDS_RESET));
	card_destroy(&card);
	close(fd);
	CHECK(make_tap());
}

/* ---- vhost: where there is none, user space does all of this, too ------------------------- */

/* The queues go to the kernel and come back with each start. */
static void test_vhost(void)
{
	unsigned int i;

	if (access("/dev/vhost-net", R_OK | W_OK))
		printf("# no vhost here\n");
	create(VHOST, 2048, 64);
	for (i = 0; i < 4 && !failures; i++) {
		exchange_frames();
		CHECK(card_start(&card, i & 1 ? VHOST : USUAL, 2048, 64));
	}
	exchange_frames();
	card_destroy(&card);
	waits_for_buffers(VHOST);
}

static bool is_broken(void *arg)
{
	return guest_status(arg) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void test_vhost_broken(void)
{
	struct guest_piece piece = { .gpa = CARD_TX, .len = 100 };

	create(VHOST, 2048, 64);
	exchange_frames();
	piece.gpa = CARD_MEMORY;
	guest_add(&card.tx, &piece, 1);
	guest_kick(&card.tx);
	CHECK(guest_until(is_broken, &card.v));
	CHECK(card_start(&card, VHOST, 2048, 64));
	exchange_frames();
	card_destroy(&card);
}

static void test_vhost_random(void)
{
	random_headers(VHOST);
}

static const struct unit units[] = {
	{ "frames", test_frames },
	{ "send_offload", test_send_offload },
	{ "not_negotiated", test_not_negotiated },
	{ "receive_offload", test_receive_offload },
	{ "large_segments", test_large_segments },
	{ "segments_without_checksums", test_segments_without_checksums },
	{ "reset_while_waiting", test_reset_while_waiting },
	{ "many_at_once", test_many_at_once },
	{ "waits_for_buffers", test_waits_for_buffers },
	{ "refused", test_refused },
	{ "busy", test_busy },
	{ "class39_random_headers", test_random },
	{ "interface_gone", test_interface_gone },
	{ "vhost", test_vhost },
	{ "class39_vhost_broken", test_vhost_broken },
	{ "class39_vhost_random_frames", test_vhost_random },
};

int main(int argc, char **argv)
{
	if ((unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET)) || !be_quiet() ||
	    !make_tap()) {
		printf("KTAP version 1\n1..0 # SKIP no tap can be made here: %s\n",
		       strerror(errno));
		return 4;
	}
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
