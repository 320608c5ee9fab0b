/* SPDX-License-Identifier: GPL-2.0 */
/* A card with user networking, and the world behind it: sockets on 127.0.0.1. */
#ifndef LODGE_CLI_WORLD_H
#define LODGE_CLI_WORLD_H

#include "card.h"

#define MERGE		BIT_ULL(VIRTIO_NET_F_MRG_RXBUF)
#define EVENTS		BIT_ULL(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT	BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC)
#define USUAL		(MERGE | EVENTS)

#define GUEST		IPV4(10, 0, 2, 15)
#define HOST		IPV4(10, 0, 2, 2)

extern const struct net_config user;
extern struct card card;

/* From the guest to the host. */
struct ends to_host(u16 from_port, u16 to_port);

/* A socket that gives up after some seconds: @fd itself. */
int impatient(int fd);
/* A socket of the host's on a free port of 127.0.0.1. */
int host_socket(int type, u16 *port);
void host_connect(int fd, u16 port);
u16 free_port(int type);

/* Who is 10.0.2.2? The answer is on its way when this returns: libslirp gives it at once. */
void send_question(void);
/* The same, and the answer is right. */
void ask_router(void);

/* A guest that publishes two UDP ports, into which the test sends numbers. */
#define FLOOD_PORT	9

extern int flood_fd[2];

bool create_flooded(u64 features, u32 buffer, unsigned int nr);
void destroy_flooded(void);
void flood(unsigned int port, unsigned int first, unsigned int nr);

#endif
