// SPDX-License-Identifier: GPL-2.0
/* Ethernet frames for the tests of network devices: see frames.h. */
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "frames.h"

#define ETH		14
#define IP		20
#define TRANSPORT	(ETH + IP)

static void put16(u8 *at, u16 value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static void put32(u8 *at, u32 value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static u16 get16(const u8 *at)
{
	return at[0] << 8 | at[1];
}

static u32 get32(const u8 *at)
{
	return (u32)get16(at) << 16 | get16(at + 2);
}

u16 frame_sum(u32 before, const void *data, u32 len)
{
	const u8 *bytes = data;
	u64 sum = before;
	u32 i;

	for (i = 0; i + 1 < len; i += 2)
		sum += get16(bytes + i);
	if (len & 1)
		sum += bytes[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Addresses, protocol and length, as UDP and TCP sum them up. */
static u32 pseudo_sum(const u8 *ip, u32 len)
{
	return (u16)~frame_sum(0, ip + 12, 8) + ip[9] + len;
}

/* ---- building ----------------------------------------------------------------- */

static void ethernet(struct frame *f, const struct ends *e, u16 type)
{
	memset(f->data, 0, ETH + IP + 20);
	memcpy(f->data, e->to_mac, 6);
	memcpy(f->data + 6, e->from_mac, 6);
	put16(f->data + 12, type);
}

static void ipv4(struct frame *f, const struct ends *e, u8 protocol, u32 len)
{
	u8 *ip = f->data + ETH;

	ethernet(f, e, ETH_P_IP);
	ip[0] = 0x45;
	put16(ip + 2, IP + len);
	ip[8] = 64;
	ip[9] = protocol;
	put32(ip + 12, e->from);
	put32(ip + 16, e->to);
	put16(ip + 10, frame_sum(0, ip, IP));
	f->len = ETH + IP + len;
}

void frame_arp(struct frame *f, const struct ends *e, u16 op)
{
	u8 *arp = f->data + ETH;

	ethernet(f, e, ETH_P_ARP);
	put16(arp, 1);
	put16(arp + 2, ETH_P_IP);
	arp[4] = 6;
	arp[5] = 4;
	put16(arp + 6, op);
	memcpy(arp + 8, e->from_mac, 6);
	put32(arp + 14, e->from);
	if (op == 2)
		memcpy(arp + 18, e->to_mac, 6);
	put32(arp + 24, e->to);
	f->len = ETH + 28;
}

void frame_udp(struct frame *f, const struct ends *e, const void *data, u32 len)
{
	u8 *udp = f->data + TRANSPORT;

	ipv4(f, e, IPPROTO_UDP, 8 + len);
	put16(udp, e->from_port);
	put16(udp + 2, e->to_port);
	put16(udp + 4, 8 + len);
	put16(udp + 6, 0);
	memcpy(udp + 8, data, len);
	put16(udp + 6, frame_sum(pseudo_sum(f->data + ETH, 8 + len), udp, 8 + len));
}

void frame_echo(struct frame *f, const struct ends *e, const void *data, u32 len)
{
	u8 *icmp = f->data + TRANSPORT;

	ipv4(f, e, IPPROTO_ICMP, 8 + len);
	memset(icmp, 0, 8);
	icmp[0] = 8;
	memcpy(icmp + 8, data, len);
	put16(icmp + 2, frame_sum(0, icmp, 8 + len));
}

void frame_tcp(struct frame *f, const struct ends *e, u8 flags, u32 seq, u32 ack,
	       const void *data, u32 len)
{
	u8 *tcp = f->data + TRANSPORT;

	ipv4(f, e, IPPROTO_TCP, 20 + len);
	put16(tcp, e->from_port);
	put16(tcp + 2, e->to_port);
	put32(tcp + 4, seq);
	put32(tcp + 8, ack);
	tcp[12] = 5 << 4;
	tcp[13] = flags;
	put16(tcp + 14, 65535);
	if (len)
		memcpy(tcp + 20, data, len);
	put16(tcp + 16, frame_sum(pseudo_sum(f->data + ETH, 20 + len), tcp, 20 + len));
}

/* ---- reading ------------------------------------------------------------------ */

static void read_arp(struct packet *p, const u8 *arp, u32 len)
{
	if (len < 28)
		return;
	p->good = get16(arp) == 1 && get16(arp + 2) == ETH_P_IP;
	p->arp_op = get16(arp + 6);
	p->from = get32(arp + 14);
	p->to = get32(arp + 24);
}

static void read_transport(struct packet *p, const u8 *ip, const u8 *at, u32 len)
{
	u32 head = p->protocol == IPPROTO_TCP && len >= 20 ? (at[12] >> 4) * 4 : 8;
	u32 before = p->protocol == IPPROTO_ICMP ? 0 : pseudo_sum(ip, len);

	if (len < 8 || len < head)
		return;
	p->good = !frame_sum(before, at, len) ||
		  (p->protocol == IPPROTO_UDP && !get16(at + 6));
	p->icmp_type = at[0];
	p->from_port = get16(at);
	p->to_port = get16(at + 2);
	if (p->protocol == IPPROTO_TCP && len >= 20) {
		p->seq = get32(at + 4);
		p->ack = get32(at + 8);
		p->tcp_flags = at[13];
	}
	p->data = at + head;
	p->len = len - head;
}

static void read_ipv4(struct packet *p, const u8 *ip, u32 len)
{
	u32 head = (ip[0] & 15) * 4;

	if (len < IP || head < IP || get16(ip + 2) > len || get16(ip + 2) < head ||
	    frame_sum(0, ip, head))
		return;
	p->protocol = ip[9];
	p->from = get32(ip + 12);
	p->to = get32(ip + 16);
	read_transport(p, ip, ip + head, get16(ip + 2) - head);
}

void packet_read(struct packet *p, const struct frame *f)
{
	*p = (struct packet){ .type = 0 };
	if (f->len < ETH)
		return;
	memcpy(p->from_mac, f->data + 6, 6);
	p->type = get16(f->data + 12);
	if (p->type == ETH_P_ARP)
		read_arp(p, f->data + ETH, f->len - ETH);
	else if (p->type == ETH_P_IP && f->len > ETH)
		read_ipv4(p, f->data + ETH, f->len - ETH);
	else
		p->good = true;		/* for all that is known here */
}
