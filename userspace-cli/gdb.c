// SPDX-License-Identifier: GPL-2.0
/*
 * The gdb server's connection and its thread. It waits for a client, for what that says,
 * for a vCPU that stopped, and for the machine's end; it never waits for a client alone.
 * One client is served at a time. When it goes, however it goes, its breakpoints go with
 * it and the guest runs on.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"
#include "err.h"
#include "files.h"
#include "gdb_stub.h"

/* A pipe that is ready takes as much without making us wait. */
#define CHUNK	512

/* ---- to the client --------------------------------------------------------- */

/* False: it is gone, or the machine ends while it does not listen. */
static bool wait_writable(struct gdb *g)
{
	struct pollfd fds[] = {
		{ .fd = g->out_fd, .events = POLLOUT },
		{ .fd = g->end_told ? -1 : g->machine->end_fd, .events = POLLIN },
		{ .fd = g->worker.wake_fd, .events = POLLIN },
	};

	while (poll(fds, ARRAY_SIZE(fds), g->end_told ? 0 : -1) < 0)
		if (errno != EINTR)
			return false;
	return fds[0].revents & POLLOUT;
}

static bool send_all(struct gdb *g, const u8 *bytes, size_t n)
{
	while (n) {
		ssize_t done;

		if (!wait_writable(g))
			return false;
		done = write(g->out_fd, bytes, n < CHUNK ? n : CHUNK);
		if (done < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		if (done > 0) {
			bytes += done;
			n -= done;
		}
	}
	return true;
}

static bool send_reply(struct gdb *g)
{
	if (g->reply.full) {
		g->reply.full = false;
		g->reply.len = 0;
		gdb_printf(&g->reply, "E%02x", EMSGSIZE);
	}
	g->frame_len = gdb_frame(&g->reply, g->frame);
	g->reply.len = 0;
	return send_all(g, g->frame, g->frame_len);
}

/* ---- the client comes and goes ----------------------------------------------- */

static void disconnect(struct gdb *g)
{
	events_remove(&g->worker.events, g->in_fd);
	if (!g->stdio)
		close(g->in_fd);
	g->in_fd = -1;
	g->out_fd = -1;
	gdb_let_go(g);
}

/*
 * A client that got no answer for a while asks again. In a pipe it begins to ask before we
 * are there to read, and two answers to one question would leave it one behind for good.
 */
static bool is_impatient(struct gdb *g)
{
	bool same = g->in.len == g->asked_len && !memcmp(g->in.data, g->asked, g->asked_len);

	if (!g->no_ack && !g->in.acked && same)
		return true;
	g->in.acked = false;
	g->asked_len = g->in.len;
	memcpy(g->asked, g->in.data, g->in.len);
	return false;
}

static bool serve_input(struct gdb *g, enum gdb_input input)
{
	if (input == GDB_PACKET && is_impatient(g))
		return true;
	switch (input) {
	case GDB_PACKET:
	case GDB_TOO_LONG:
		if (!g->no_ack && !send_all(g, (const u8 *)"+", 1))
			return false;
		if (input == GDB_TOO_LONG)
			gdb_printf(&g->reply, "E%02x", E2BIG);
		else if (!gdb_serve(g))
			return !g->hang_up;
		return send_reply(g) && !g->hang_up;
	case GDB_DAMAGED:
		return g->no_ack || send_all(g, (const u8 *)"-", 1);
	case GDB_AGAIN:
		return g->no_ack || send_all(g, g->frame, g->frame_len);
	case GDB_INTERRUPT:
		/* The end is told by its own event. */
		if (!g->running || !gdb_stop_all(g))
			return true;
		gdb_tell_stop(g);
		return send_reply(g);
	default:
		return true;
	}
}

static void on_client(void *arg, short revents)
{
	struct gdb *g = arg;
	u8 bytes[1024];
	ssize_t n = read(g->in_fd, bytes, sizeof(bytes));
	enum gdb_input input;
	size_t at = 0;

	(void)revents;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		disconnect(g);
		return;
	}
	while (at < (size_t)n) {
		at += gdb_parse(&g->in, bytes + at, n - at, &input);
		if (!serve_input(g, input)) {
			disconnect(g);
			return;
		}
	}
}

/* With the guest standing still, as gdb expects it. */
static bool connect_client(struct gdb *g, int in_fd, int out_fd)
{
	struct event_source source = { .fd = in_fd, .ready = on_client, .arg = g };

	if (!events_add(&g->worker.events, &source))
		return false;
	g->in_fd = in_fd;
	g->out_fd = out_fd;
	memset(&g->in, 0, sizeof(g->in));
	g->in.acked = true;
	g->frame_len = 0;
	g->reply.len = 0;
	g->reply.full = false;
	g->no_ack = false;
	g->hang_up = false;
	g->thread = 0;
	g->step_thread = 0;
	snprintf(g->stopped, sizeof(g->stopped), "T05thread:1;");
	return true;
}

static bool no_client(void *arg)
{
	struct gdb *g = arg;

	return g->in_fd < 0 && !g->end_told;
}

static void on_connection(void *arg, short revents)
{
	struct gdb *g = arg;
	int one = 1, fd = accept4(g->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)revents;
	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!gdb_stop_all(g) || !connect_client(g, fd, fd))
		close(fd);
}

/* ---- what the guest does ------------------------------------------------------- */

static void on_stop(void *arg, short revents)
{
	struct gdb *g = arg;
	eventfd_t count;
	bool stopping;

	(void)revents;
	eventfd_read(g->stop_fd, &count);
	pthread_mutex_lock(&g->lock);
	stopping = g->stopping;
	pthread_mutex_unlock(&g->lock);
	/* An interrupt may have been quicker. */
	if (!g->running || !stopping || !gdb_wait_held(g))
		return;
	gdb_tell_stop(g);
	if (!send_reply(g))
		disconnect(g);
}

static bool end_wanted(void *arg)
{
	struct gdb *g = arg;

	return !g->end_told;
}

/* As a process that has exited, whether gdb waits for an answer or not. */
static void tell_end(struct gdb *g)
{
	int status;

	if (g->end_told)
		return;
	g->end_told = true;
	if (g->in_fd < 0 || !g->running)
		return;
	pthread_mutex_lock(&g->machine->end_lock);
	status = g->machine->end.status;
	pthread_mutex_unlock(&g->machine->end_lock);
	g->reply.len = 0;
	gdb_printf(&g->reply, "W%02x", status & 0xff);
	send_reply(g);
}

static void on_end(void *arg, short revents)
{
	struct gdb *g = arg;

	(void)revents;
	tell_end(g);
	if (g->in_fd >= 0)
		disconnect(g);
}

/* ---- of the machine --------------------------------------------------------------- */

/* The memory is about to be new: INT3 goes, what the debug registers watch stays. */
static void gdb_reset(void *arg)
{
	struct gdb *g = arg;

	pthread_mutex_lock(&g->lock);
	gdb_soft_forget(&g->breaks);
	pthread_mutex_unlock(&g->lock);
}

static void gdb_free(void *arg)
{
	struct gdb *g = arg;

	worker_stop(&g->worker);
	/* The thread may have ended before it saw the machine's end. */
	if (machine_ended(g->machine))
		tell_end(g);
	if (!g->stdio)
		close_fd(&g->in_fd);
	close_fd(&g->listen_fd);
	close_fd(&g->stop_fd);
	free(g->description);
	g->machine->debug_exit = NULL;
	g->machine->debug_arg = NULL;
	free(g);
}

static int open_port(struct gdb *g, const char *where)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(GDB_PORT),
	};
	socklen_t len = sizeof(address);
	int one = 1;
	u64 port;

	if (where) {
		if (!parse_number(where, 0, 65535, &port))
			return err(STATUS_USAGE,
				   "--gdb: '%s' is no port: give a number from 1 to 65535, or stdio",
				   where);
		address.sin_port = htons(port);
	}
	g->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (g->listen_fd < 0 ||
	    setsockopt(g->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(g->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(g->listen_fd, 1) < 0 ||
	    getsockname(g->listen_fd, (struct sockaddr *)&address, &len) < 0)
		return err(STATUS_HOST, "--gdb: port %u cannot be had: %s: give another",
			   ntohs(address.sin_port), strerror(errno));
	g->port = ntohs(address.sin_port);
	return 0;
}

/* What the thread waits for; that it stands still is for gdb_create() to see to. */
static bool add_sources(struct gdb *g)
{
	struct events *ev = &g->worker.events;

	return events_add(ev, &(struct event_source){
			.fd = g->stop_fd, .ready = on_stop, .arg = g }) &&
	       events_add(ev, &(struct event_source){
			.fd = g->machine->end_fd, .wanted = end_wanted, .ready = on_end,
			.arg = g }) &&
	       (g->stdio ? connect_client(g, STDIN_FILENO, STDOUT_FILENO) :
		events_add(ev, &(struct event_source){
			.fd = g->listen_fd, .wanted = no_client, .ready = on_connection,
			.arg = g }));
}

static struct gdb *make(struct machine *m)
{
	struct gdb *g = calloc(1, sizeof(*g));
	struct machine_part part = { .reset = gdb_reset, .free = gdb_free, .arg = g };

	if (!g)
		return NULL;
	g->machine = m;
	g->listen_fd = -1;
	g->in_fd = -1;
	g->out_fd = -1;
	g->worker.wake_fd = -1;
	pthread_mutex_init(&g->lock, NULL);
	g->can = device_cap(&m->device, KVM_CAP_SET_GUEST_DEBUG2);
	g->avx = gdb_regs_have_avx(m);
	g->description = gdb_regs_description(g->avx);
	g->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (g->description && g->stop_fd >= 0 && machine_add(m, &part))
		return g;
	free(g->description);
	close_fd(&g->stop_fd);
	free(g);
	return NULL;
}

int gdb_create(struct machine *m, const char *where)
{
	struct gdb *g;
	int status, error;

	if (device_cap(&m->device, KVM_CAP_SET_GUEST_DEBUG) <= 0)
		return err(STATUS_DEVICE,
			   "--gdb: %s cannot debug a guest: use a newer module", m->device.path);
	g = make(m);
	if (!g)
		return err(STATUS_HOST, "--gdb: no memory for the debugger's server");
	g->stdio = where && !strcmp(where, "stdio");
	status = g->stdio ? 0 : open_port(g, where);
	if (status)
		return status;
	gdb_hold(g);
	g->stopping = false;
	error = worker_init(&g->worker);
	if (!error && !add_sources(g))
		error = -ENOSPC;
	if (!error)
		error = worker_start(&g->worker, "gdb");
	if (error)
		return err(STATUS_HOST, "--gdb: no thread for the debugger's server: %s",
			   strerror(-error));
	m->debug_arg = g;
	m->debug_exit = gdb_debug_exit;
	if (!g->stdio)
		note("gdb: the guest waits for a debugger: in gdb, give target remote :%u",
		     g->port);
	return 0;
}

unsigned int gdb_port(const struct machine *m)
{
	const struct gdb *g = m->debug_exit == gdb_debug_exit ? m->debug_arg : NULL;

	return g ? g->port : 0;
}
