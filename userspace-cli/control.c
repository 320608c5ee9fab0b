// SPDX-License-Identifier: GPL-2.0
/*
 * The machine's side of control.h. The main thread serves it and is never held up by a
 * client: a connection has one message, which is there as a whole or not at all, and one
 * answer, which fits into the socket or is lost. Of clients that say nothing there are a
 * few; a new one takes the place of the oldest. Only the machine's own user and root are
 * heard.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "dump.h"
#include "entry_failure.h"
#include "err.h"
#include "recorders.h"
#include "vmcs.h"

#define CLIENTS		4
#define REST_SECONDS	3
/* One more than a request may bring, so that too many are seen; the kernel closes the rest. */
#define MOST_FILES	2
/* That an answer may bring. */
#define MOST_SENT	(1 + 2 * CONTROL_PIECE)

struct client {
	struct control *control;
	int fd;			/* -1: nobody */
	u64 since;		/* connections count up */
};

struct control {
	struct machine *machine;
	char what[sizeof(((struct control_info *)NULL)->name)];
	u64 start_ns;
	uid_t uid;
	int dir;
	int listen_fd;
	char name[32];		/* in dir, empty: not yet there */
	u64 connections;
	struct client client[CLIENTS];
	/* Of the request that is served: */
	u64 argument;
	int send[MOST_SENT];	/* descriptors that go with the answer */
	unsigned int nr_send;
};

struct incoming {
	struct control_request request;
	size_t len;
	bool whole;
	int file[MOST_FILES];
	unsigned int nr_files;
	bool more_files;
};

/* ---- what can be asked ------------------------------------------------------ */

static int __printf(2, 3) refuse(struct control_reply *reply, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reply->text, sizeof(reply->text), fmt, ap);
	va_end(ap);
	return STATUS_HOST;
}

static int give_info(struct control *c, int file, struct control_reply *reply)
{
	(void)file;
	reply->info.cpus = c->machine->nr_cpus;
	reply->info.memory = c->machine->memory.size;
	reply->info.running_ns = now_ns() - c->start_ns;
	strcpy(reply->info.name, c->what);
	return STATUS_OK;
}

/* Any other could hold up whoever writes, or take the core to a place of its own. */
static bool is_fit_for_a_dump(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && !(flags & (O_APPEND | O_PATH)) &&
	       !fstat(fd, &st) && S_ISREG(st.st_mode);
}

static int make_dump(struct control *c, int file, struct control_reply *reply)
{
	struct machine *m = c->machine;
	int status;

	if (!is_fit_for_a_dump(file))
		return refuse(reply,
			      "dump: a core goes to a regular file only: name one that is not there yet");
	if (machine_pause_within(m, REST_SECONDS))
		status = dump_save(m, file, reply->text, sizeof(reply->text));
	else
		status = refuse(reply, "dump: the machine does not stand still: %s",
				machine_ended(m) ? "it ends" :
				"a CPU waits for its console to be read");
	machine_resume(m);
	return status;
}

/* A flag for whoever takes them out of the answer again. */
static u8 send_file(struct control *c, int fd)
{
	if (fd < 0)
		return 0;
	c->send[c->nr_send++] = fd;
	return 1;
}

static int give_files(struct control *c, int file, struct control_reply *reply)
{
	const struct recorders *r = c->machine->recorders;
	struct control_files *f = &reply->files;
	unsigned int i, left;

	(void)file;
	if (!r || c->argument >= r->nr)
		return refuse(reply, "the machine has nothing written down of CPU %llu",
			      c->argument);
	left = r->nr - c->argument;
	f->cpus = left < CONTROL_PIECE ? left : CONTROL_PIECE;
	f->next = left > CONTROL_PIECE ? c->argument + CONTROL_PIECE : 0;
	f->machine_stats = c->argument ? 0 : send_file(c, r->stats_fd);
	for (i = 0; i < f->cpus; i++) {
		f->flight[i] = send_file(c, r->cpu[c->argument + i].flight_fd);
		f->stats[i] = send_file(c, r->cpu[c->argument + i].stats_fd);
	}
	return STATUS_OK;
}

/* Takes what the device says of a vCPU that stands still, and writes it. */
static int give_of_cpu(struct control *c, int file, struct control_reply *reply,
		       ssize_t (*get)(struct cpu *cpu, void **what))
{
	struct machine *m = c->machine;
	void *what = NULL;
	ssize_t n = 0;
	int status = STATUS_OK;

	if (!is_fit_for_a_dump(file))
		return refuse(reply, "what was asked for goes to a regular file only");
	if (c->argument >= m->nr_cpus)
		return refuse(reply, "the machine has no CPU %llu: it has %u", c->argument,
			      m->nr_cpus);
	if (machine_pause_within(m, REST_SECONDS))
		n = get(&m->cpus[c->argument], &what);
	else
		status = refuse(reply, "the machine does not stand still: %s",
				machine_ended(m) ? "it ends" :
				"a CPU waits for its console to be read");
	machine_resume(m);
	if (n == -ENOTTY || n == -EINVAL)
		status = refuse(reply, "%s does not show it: that is lodge's alone",
				m->device.path);
	else if (n < 0)
		status = refuse(reply, "the device does not show it: %s", strerror(-n));
	else if (n && pwrite(file, what, n, 0) != n)
		status = refuse(reply, "what was asked for cannot be written");
	free(what);
	return status;
}

static ssize_t get_vmcs(struct cpu *cpu, void **what)
{
	struct vmcs *v = calloc(1, sizeof(*v));
	int error;

	*what = v;
	if (!v)
		return -ENOMEM;
	error = vmcs_get(cpu->fd, v);
	return error ? error : (ssize_t)offsetof(struct vmcs, field[v->head.fields]);
}

static int give_vmcs(struct control *c, int file, struct control_reply *reply)
{
	return give_of_cpu(c, file, reply, get_vmcs);
}

static ssize_t get_entry(struct cpu *cpu, void **what)
{
	struct entry_failure *e = calloc(1, sizeof(*e));
	int error;

	*what = e;
	if (!e)
		return -ENOMEM;
	error = entry_failure_get(cpu->fd, e);
	/* Nothing is what there is to be said then. */
	if (error == -ENOENT)
		return 0;
	return error ? error : (ssize_t)sizeof(*e);
}

static int give_entry(struct control *c, int file, struct control_reply *reply)
{
	return give_of_cpu(c, file, reply, get_entry);
}

static const struct {
	bool takes_file;
	bool takes_argument;
	int (*serve)(struct control *c, int file, struct control_reply *reply);
} ops[] = {
	[CONTROL_INFO] = { false, false, give_info },
	[CONTROL_DUMP] = { true, false, make_dump },
	[CONTROL_FILES] = { false, true, give_files },
	[CONTROL_VMCS] = { true, true, give_vmcs },
	[CONTROL_ENTRY] = { true, true, give_entry },
};

/* ---- messages --------------------------------------------------------------- */

/* What came is not to be answered: it may be meant for somebody else. */
static bool is_noise(const struct incoming *in)
{
	return in->len < offsetof(struct control_request, op) ||
	       in->request.magic != CONTROL_MAGIC;
}

static int serve(struct control *c, const struct incoming *in, struct control_reply *reply)
{
	const struct control_request *r = &in->request;
	bool takes_file;

	if (r->version != CONTROL_VERSION)
		return refuse(reply,
			      "the machine speaks version %u of its protocol, not %u: use the lodge that runs it",
			      CONTROL_VERSION, r->version);
	if (!in->whole || in->len != sizeof(*r) || in->more_files)
		return refuse(reply, "the request is not as long as it should be");
	reply->op = r->op;
	if (r->op >= ARRAY_SIZE(ops) || !ops[r->op].serve)
		return refuse(reply, "the machine has no operation %u: it runs an older lodge",
			      r->op);
	takes_file = ops[r->op].takes_file;
	if ((r->argument && !ops[r->op].takes_argument) || in->nr_files != takes_file)
		return refuse(reply, "the request has not the files or the argument it should");
	c->argument = r->argument;
	return ops[r->op].serve(c, takes_file ? in->file[0] : -1, reply);
}

static void take_files(struct incoming *in, struct msghdr *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
		    n > sizeof(in->file))
			continue;
		memcpy(in->file, CMSG_DATA(c), n);
		in->nr_files = n / sizeof(int);
	}
}

/* False: nothing is there yet. */
static bool receive(int fd, struct incoming *in)
{
	union {
		struct cmsghdr head;
		u8 room[CMSG_SPACE(MOST_FILES * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = &in->request, .iov_len = sizeof(in->request) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	memset(in->file, 0xff, sizeof(in->file));
	in->nr_files = 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	in->len = n < 0 ? 0 : n;
	in->whole = n >= 0 && !(msg.msg_flags & MSG_TRUNC);
	in->more_files = n >= 0 && msg.msg_flags & MSG_CTRUNC;
	if (n >= 0)
		take_files(in, &msg);
	return true;
}

/* ---- clients ---------------------------------------------------------------- */

static void drop(struct client *client)
{
	if (client->fd < 0)
		return;
	events_remove(&client->control->machine->events, client->fd);
	close(client->fd);
	client->fd = -1;
}

/* Who does not wait for it, goes without. */
static void answer(struct client *client, struct control_reply *reply)
{
	struct control *c = client->control;
	union {
		struct cmsghdr head;
		u8 room[CMSG_SPACE(MOST_SENT * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = reply, .iov_len = sizeof(*reply) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (c->nr_send) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(c->nr_send * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(c->nr_send * sizeof(int));
		memcpy(CMSG_DATA(&control.head), c->send, c->nr_send * sizeof(int));
	}
	if (sendmsg(client->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		errno = 0;
}

static void on_request(void *arg, short revents)
{
	struct client *client = arg;
	struct control_reply reply = { .magic = CONTROL_MAGIC, .version = CONTROL_VERSION };
	struct incoming in = { 0 };
	unsigned int i;

	(void)revents;
	if (!receive(client->fd, &in))
		return;
	if (!is_noise(&in)) {
		client->control->nr_send = 0;
		reply.status = serve(client->control, &in, &reply);
		answer(client, &reply);
	}
	for (i = 0; i < in.nr_files; i++)
		close(in.file[i]);
	drop(client);
}

static bool may_ask(const struct control *c, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
	       (peer.uid == c->uid || peer.uid == 0);
}

static struct client *make_room(struct control *c)
{
	struct client *oldest = &c->client[0];
	unsigned int i;

	for (i = 0; i < CLIENTS; i++) {
		if (c->client[i].fd < 0)
			return &c->client[i];
		if (c->client[i].since < oldest->since)
			oldest = &c->client[i];
	}
	drop(oldest);
	return oldest;
}

static void on_connection(void *arg, short revents)
{
	struct control *c = arg;
	struct event_source source = { .ready = on_request };
	int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *client;

	(void)revents;
	if (fd < 0)
		return;
	if (!may_ask(c, fd)) {
		close(fd);
		return;
	}
	client = make_room(c);
	source.fd = fd;
	source.arg = client;
	if (!events_add(&c->machine->events, &source)) {
		close(fd);
		return;
	}
	client->fd = fd;
	client->since = ++c->connections;
}

/* ---- the socket ------------------------------------------------------------- */

static void control_free(void *arg)
{
	struct control *c = arg;
	unsigned int i;

	for (i = 0; i < CLIENTS; i++)
		drop(&c->client[i]);
	if (c->name[0])
		unlinkat(c->dir, c->name, 0);
	if (c->listen_fd >= 0) {
		events_remove(&c->machine->events, c->listen_fd);
		close(c->listen_fd);
	}
	if (c->dir >= 0)
		close(c->dir);
	free(c);
}

/*
 * It gets its name when it is listened to: one that refuses connections is left over from a
 * process that was killed, and whoever finds it may remove it.
 */
static int listen_in(struct control *c)
{
	char name[sizeof(c->name)], first[sizeof(c->name)];
	struct sockaddr_un address;
	struct stat st;

	snprintf(name, sizeof(name), "%d.sock", getpid());
	snprintf(first, sizeof(first), "%d.new", getpid());
	/* In another name space of PIDs there may be a machine of that number. */
	if (!fstatat(c->dir, name, &st, AT_SYMLINK_NOFOLLOW) && !control_is_left_over(c->dir, name))
		return -EEXIST;
	unlinkat(c->dir, first, 0);
	control_address(&address, c->dir, first);
	/* The mode of the file that bind() makes. */
	if (fchmod(c->listen_fd, 0600) < 0 ||
	    bind(c->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (listen(c->listen_fd, CLIENTS) < 0 || renameat(c->dir, first, c->dir, name) < 0) {
		int error = -errno;

		unlinkat(c->dir, first, 0);
		return error;
	}
	strcpy(c->name, name);
	return 0;
}

static int open_socket(struct control *c)
{
	struct event_source source = { .ready = on_connection, .arg = c };

	c->dir = control_place_make();
	if (c->dir < 0)
		return c->dir;
	c->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->listen_fd < 0)
		return -errno;
	source.fd = c->listen_fd;
	if (!events_add(&c->machine->events, &source))
		return -ENOSPC;
	return listen_in(c);
}

struct control *control_create(struct machine *m, const char *what)
{
	struct control *c = calloc(1, sizeof(*c));
	struct machine_part part = { .free = control_free, .arg = c };
	const char *slash = strrchr(what, '/');
	unsigned int i;
	int error;

	if (!c) {
		note("run: no control socket: no memory");
		return NULL;
	}
	c->machine = m;
	c->uid = geteuid();
	c->start_ns = now_ns();
	c->dir = -1;
	c->listen_fd = -1;
	snprintf(c->what, sizeof(c->what), "%s", slash ? slash + 1 : what);
	for (i = 0; i < CLIENTS; i++)
		c->client[i] = (struct client){ .control = c, .fd = -1 };
	error = open_socket(c);
	if (!error && !machine_add(m, &part))
		error = -ENOSPC;
	if (!error)
		return c;
	note("run: no control socket: %s: 'lodge list' and 'lodge dump' will not know this machine",
	     strerror(-error));
	control_free(c);
	return NULL;
}

int control_directory(const struct control *c)
{
	return c->dir;
}
