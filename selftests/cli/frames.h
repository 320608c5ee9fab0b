/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ethernet frames for the tests of network devices: builds and reads ARP, IPv4, ICMP, UDP
 * and TCP, as small as they can be. Addresses and ports are in host order.
 */
#ifndef LODGE_CLI_FRAMES_H
#define LODGE_CLI_FRAMES_H

#include "cli.h"

#define FRAME_ROOM	70000

struct frame {
	u32 len;
	u8 data[FRAME_ROOM];
};

struct ends {			/* of a packet */
	u8 from_mac[6], to_mac[6];
	u32 from, to;
	u16 from_port, to_port;
};

#define IPV4(a, b, c, d)	((u32)(a) << 24 | (b) << 16 | (c) << 8 | (d))

/* What a frame is; the parts that it has not are 0. */
struct packet {
	u16 type;		/* ETH_P_... */
	u8 protocol;		/* IPPROTO_... */
	u8 from_mac[6];
	u32 from, to;
	u16 from_port, to_port;
	u16 arp_op;
	u8 icmp_type;
	u8 tcp_flags;
	u32 seq, ack;
	bool good;		/* lengths and checksums are right */
	u32 len;		/* of the data */
	const u8 *data;		/* in the frame */
};

void packet_read(struct packet *p, const struct frame *f);

void frame_arp(struct frame *f, const struct ends *e, u16 op);
void frame_udp(struct frame *f, const struct ends *e, const void *data, u32 len);
void frame_echo(struct frame *f, const struct ends *e, const void *data, u32 len);

#define TCP_FIN		1
#define TCP_SYN		2
#define TCP_RST		4
#define TCP_ACK		16

void frame_tcp(struct frame *f, const struct ends *e, u8 flags, u32 seq, u32 ack,
	       const void *data, u32 len);

/* The Internet checksum, of what was summed up before and @len bytes. */
u16 frame_sum(u32 before, const void *data, u32 len);

#endif
