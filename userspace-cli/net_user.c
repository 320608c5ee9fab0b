// SPDX-License-Identifier: GPL-2.0
/*
 * User networking: libslirp plays a network with a router, DHCP and DNS, and speaks to the
 * world through sockets of this process. It needs no rights. The guest is 10.0.2.15 (by
 * DHCP) and fec0::/64 (by router advertisement), the host is 10.0.2.2 and fec0::2, where
 * the host's own loopback answers, the name server is 10.0.2.3 and fec0::3.
 *
 * All of it happens in the device's worker: the wait asks libslirp for its descriptors and
 * timers. Frames for a guest without buffers wait here, and while some do, nothing more is
 * read from the sockets: TCP's windows then slow the senders down.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "net.h"

/* Ethernet's, with a VLAN tag: what a card without offloads sends. */
#define FRAME_MOST	1518
/* For a guest that is slow; more than that a card would lose, too. */
#define WAITING		256

struct frame {
	u32 len;
	u8 data[FRAME_MOST];
};

struct timer {
	SlirpTimerId id;
	void *arg;
	int64_t when_ms;		/* -1: not set */
	bool used;
};

struct net_user {
	struct net_backend backend;
	struct net_guest guest;
	struct event_library library;
	Slirp *slirp;
	struct timer timer[SLIRP_TIMER_NUM];
	/* The descriptors of the wait that goes on. */
	struct pollfd *fds;
	unsigned int nr_fds, room_fds;
	bool filled;
	unsigned int head, tail;	/* of waiting; count up for ever */
	struct frame waiting[WAITING];
};

static struct net_user *of(struct net_backend *b)
{
	return (struct net_user *)b;
}

/* ---- time --------------------------------------------------------------------- */

static int64_t clock_ns(void *arg)
{
	(void)arg;
	return now_ns();
}

static int64_t clock_ms(void)
{
	return now_ns() / NS_PER_MS;
}

static void *timer_new(SlirpTimerId id, void *timer_arg, void *arg)
{
	struct net_user *n = arg;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(n->timer); i++)
		if (!n->timer[i].used) {
			n->timer[i] = (struct timer){
				.id = id, .arg = timer_arg, .when_ms = -1, .used = true };
			return &n->timer[i];
		}
	return NULL;
}

static void timer_free(void *timer, void *arg)
{
	struct timer *t = timer;

	(void)arg;
	if (t)
		t->used = false;
}

static void timer_mod(void *timer, int64_t when_ms, void *arg)
{
	struct timer *t = timer;

	(void)arg;
	if (t)
		t->when_ms = when_ms;
}

static void shorten(int *timeout_ms, int64_t wait_ms)
{
	if (wait_ms < 0)
		wait_ms = 0;
	if (wait_ms > INT32_MAX)
		wait_ms = INT32_MAX;
	if (*timeout_ms < 0 || wait_ms < *timeout_ms)
		*timeout_ms = wait_ms;
}

static void run_timers(struct net_user *n)
{
	int64_t now = clock_ms();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(n->timer); i++) {
		struct timer *t = &n->timer[i];

		if (!t->used || t->when_ms < 0 || t->when_ms > now)
			continue;
		t->when_ms = -1;
		slirp_handle_timer(n->slirp, t->id, t->arg);
	}
}

/* ---- frames ------------------------------------------------------------------- */

static bool deliver(struct net_user *n, const void *frame, u32 len)
{
	static const struct virtio_net_hdr_v1 nothing_to_do;

	return n->guest.receive(n->guest.arg, &nothing_to_do, frame, len);
}

static void deliver_waiting(struct net_user *n)
{
	while (n->head != n->tail) {
		const struct frame *f = &n->waiting[n->tail % WAITING];

		if (!deliver(n, f->data, f->len))
			return;
		n->tail++;
	}
}

/* From libslirp. It is told that all is well even if not: it would fill the log. */
static ssize_t receive(const void *frame, size_t len, void *arg)
{
	struct net_user *n = arg;
	struct frame *f;

	if (len > FRAME_MOST || (n->head == n->tail && deliver(n, frame, len)) ||
	    n->head - n->tail == WAITING)
		return len;
	f = &n->waiting[n->head++ % WAITING];
	f->len = len;
	memcpy(f->data, frame, len);
	return len;
}

static void send_frame(struct net_backend *b, const struct virtio_net_hdr_v1 *header,
		       const struct iovec *iov, unsigned int nr, u64 len)
{
	u8 frame[FRAME_MOST];
	unsigned int i;
	size_t at = 0;

	(void)header;		/* without offloads it has nothing to say */
	if (len < NET_FRAME_LEAST || len > FRAME_MOST)
		return;
	/* A copy: the guest must not change what is being parsed. */
	for (i = 0; i < nr; at += iov[i++].iov_len)
		memcpy(frame + at, iov[i].iov_base, iov[i].iov_len);
	slirp_input(of(b)->slirp, frame, len);
}

static void room(struct net_backend *b, bool stop)
{
	if (stop)
		of(b)->tail = of(b)->head;
	else
		deliver_waiting(of(b));
}

static int start(struct net_backend *b, u64 features)
{
	(void)b;
	(void)features;
	return 0;
}

/* ---- the wait ------------------------------------------------------------------ */

/* The same questions in two tongues. */
static const struct { int slirp; short poll; } words[] = {
	{ SLIRP_POLL_IN, POLLIN },
	{ SLIRP_POLL_OUT, POLLOUT },
	{ SLIRP_POLL_PRI, POLLPRI },
	{ SLIRP_POLL_ERR, POLLERR },
	{ SLIRP_POLL_HUP, POLLHUP },
};

static int add_poll(int fd, int events, void *arg)
{
	struct net_user *n = arg;
	unsigned int i;
	short asked = 0;

	/* As many as a process may usually open: the oldest wait until others are closed. */
	if (n->nr_fds == n->room_fds)
		return -1;
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (events & words[i].slirp)
			asked |= words[i].poll;
	n->fds[n->nr_fds] = (struct pollfd){ .fd = fd, .events = asked };
	return n->nr_fds++;
}

static int revents_of(int index, void *arg)
{
	struct net_user *n = arg;
	unsigned int i;
	int answer = 0;

	if (index < 0 || (unsigned int)index >= n->nr_fds)
		return 0;
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (n->fds[index].revents & words[i].poll)
			answer |= words[i].slirp;
	return answer;
}

static unsigned int fill(void *arg, struct pollfd *fds, unsigned int room_fds, int *timeout_ms)
{
	struct net_user *n = arg;
	u32 wait_ms = UINT32_MAX;
	unsigned int i;

	pthread_mutex_lock(n->guest.lock);
	n->fds = fds;
	n->nr_fds = 0;
	n->room_fds = room_fds;
	/* With frames waiting libslirp stands still, but for what the guest sends. */
	n->filled = n->head == n->tail;
	if (n->filled) {
		slirp_pollfds_fill(n->slirp, &wait_ms, add_poll, n);
		if (wait_ms != UINT32_MAX)
			shorten(timeout_ms, wait_ms);
		for (i = 0; i < ARRAY_SIZE(n->timer); i++)
			if (n->timer[i].used && n->timer[i].when_ms >= 0)
				shorten(timeout_ms, n->timer[i].when_ms - clock_ms());
	}
	pthread_mutex_unlock(n->guest.lock);
	return n->nr_fds;
}

static void done(void *arg, const struct pollfd *fds, unsigned int nr)
{
	struct net_user *n = arg;

	(void)fds;
	(void)nr;
	if (!n->filled)
		return;
	pthread_mutex_lock(n->guest.lock);
	slirp_pollfds_poll(n->slirp, 0, revents_of, n);
	run_timers(n);
	pthread_mutex_unlock(n->guest.lock);
}

/* ---- making ---------------------------------------------------------------------- */

/* What a guest does wrong is its own matter: a line for each would flood the terminal. */
static void guest_error(const char *text, void *arg)
{
	(void)text;
	(void)arg;
}

static void ignore_fd(int fd, void *arg)
{
	(void)fd;
	(void)arg;
}

/* All of libslirp runs in the thread that waits. */
static void ignore(void *arg)
{
	(void)arg;
}

static const SlirpCb callbacks = {
	.send_packet = receive,
	.guest_error = guest_error,
	.clock_get_ns = clock_ns,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = ignore_fd,
	.unregister_poll_fd = ignore_fd,
	.notify = ignore,
	.timer_new_opaque = timer_new,
};

static struct in_addr v4(const char *text)
{
	struct in_addr a = { .s_addr = inet_addr(text) };

	return a;
}

static struct in6_addr v6(const char *text)
{
	struct in6_addr a;

	inet_pton(AF_INET6, text, &a);
	return a;
}

static bool publish(struct net_user *n, const struct net_publish *p)
{
	struct in_addr host = { .s_addr = p->host_address };

	/* To whom DHCP gives its first address. */
	if (!slirp_add_hostfwd(n->slirp, p->udp, host, p->host_port, v4("10.0.2.15"),
			       p->guest_port))
		return true;
	err(STATUS_HOST, "--publish: port %u%s of this host cannot be had: %s: give another",
	    p->host_port, p->udp ? "/udp" : "", strerror(errno));
	return false;
}

static bool make_slirp(struct net_user *n, const struct net_config *config)
{
	SlirpConfig slirp = {
		.version = 4,
		.in_enabled = true,
		.vnetwork = v4("10.0.2.0"),
		.vnetmask = v4("255.255.255.0"),
		.vhost = v4("10.0.2.2"),
		.vdhcp_start = v4("10.0.2.15"),
		.vnameserver = v4("10.0.2.3"),
		.in6_enabled = true,
		.vprefix_addr6 = v6("fec0::"),
		.vprefix_len = 64,
		.vhost6 = v6("fec0::2"),
		.vnameserver6 = v6("fec0::3"),
	};
	unsigned int i;

	n->slirp = slirp_new(&slirp, &callbacks, n);
	if (!n->slirp) {
		err(STATUS_HOST, "--net: libslirp %s cannot start: use --net tap=IF or none",
		    slirp_version_string());
		return false;
	}
	for (i = 0; i < config->nr_publishes; i++)
		if (!publish(n, &config->publish[i]))
			return false;
	return true;
}

static void net_user_free(struct net_backend *b)
{
	if (of(b)->slirp)
		slirp_cleanup(of(b)->slirp);
	free(b);
}

struct net_backend *net_user_create(const struct net_config *config,
				    const struct net_guest *guest, struct events *ev)
{
	struct net_user *n = calloc(1, sizeof(*n));

	if (!n) {
		err(STATUS_HOST, "--net: no memory");
		return NULL;
	}
	n->guest = *guest;
	n->backend = (struct net_backend){
		.tap_fd = -1,
		.start = start,
		.send = send_frame,
		.room = room,
		.free = net_user_free,
	};
	if (!make_slirp(n, config)) {
		net_user_free(&n->backend);
		return NULL;
	}
	n->library = (struct event_library){ .fill = fill, .done = done, .arg = n };
	ev->library = &n->library;
	return &n->backend;
}
