// SPDX-License-Identifier: GPL-2.0
/*
 * The command's side of control.h: finds machines and asks them. What a machine says is
 * hostile until it is looked at: its guest may have got hold of it.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "commands.h"
#include "control.h"
#include "err.h"
#include "files.h"

/* A machine that is busy with a dump, or stopped, is not waited for longer. */
#define LIST_TIMEOUT_MS	3000
/* A directory with more sockets than this is not one of ours. */
#define MOST_MACHINES	4096
/*
 * One more than an answer may bring with CONTROL_FILES: an even number, which leaves no room
 * behind it where the kernel could put another that nobody closes.
 */
#define MOST_RECEIVED	(2 + 2 * CONTROL_PIECE)

/* ---- one question ----------------------------------------------------------- */

static void limit(int fd, unsigned int timeout_ms)
{
	struct timeval t = {
		.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000,
	};

	/* 0 is for ever here, too. */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

/* Its directory is this user's alone; so is who listens there. */
static bool is_known(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) && peer.uid == geteuid();
}

static int call(int dir, int pid, unsigned int timeout_ms)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	int error = 0;
	char name[32];

	if (fd < 0)
		return -errno;
	limit(fd, timeout_ms);
	snprintf(name, sizeof(name), "%d.sock", pid);
	control_address(&address, dir, name);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		error = -errno;
	else if (!is_known(fd))
		error = -EPERM;
	if (!error)
		return fd;
	close(fd);
	return error;
}

static int send_request(int fd, const struct control_request *request, int file)
{
	union {
		struct cmsghdr head;
		u8 room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = (void *)request, .iov_len = sizeof(*request) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	memset(&control, 0, sizeof(control));
	if (file >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &file, sizeof(file));
	}
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static void make_showable(char *text, size_t room)
{
	text[room - 1] = '\0';
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

/* Descriptors that came with an answer. */
struct received {
	int file[MOST_RECEIVED];
	unsigned int nr;
	bool more;		/* than there is room for, here or in the process */
};

static void take_files(struct received *files, struct msghdr *msg)
{
	struct cmsghdr *c;

	files->more = msg->msg_flags & MSG_CTRUNC;
	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
		    n > sizeof(files->file) - files->nr * sizeof(int))
			continue;
		memcpy(files->file + files->nr, CMSG_DATA(c), n);
		files->nr += n / sizeof(int);
	}
}

/* @files NULL: none are wanted, and the kernel closes those that come. */
static int receive_reply(int fd, struct control_reply *reply, struct received *files)
{
	union {
		struct cmsghdr head;
		u8 room[CMSG_SPACE(MOST_RECEIVED * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = reply, .iov_len = sizeof(*reply) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	memset(reply, 0, sizeof(*reply));
	if (files) {
		files->nr = 0;
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (files && n >= 0)
		take_files(files, &msg);
	if (n < 0)
		return -errno;
	if (!n)
		return -ECONNRESET;
	/* Another version may say no more than why it does not answer. */
	if (n < (ssize_t)offsetof(struct control_reply, info) || reply->magic != CONTROL_MAGIC ||
	    (!reply->status && (n != sizeof(*reply) || reply->version != CONTROL_VERSION)))
		return -EPROTO;
	make_showable(reply->text, sizeof(reply->text));
	return 0;
}

static int ask(int dir, int pid, const struct control_request *request, int file,
	       unsigned int timeout_ms, struct control_reply *reply)
{
	int error, fd = call(dir, pid, timeout_ms);

	if (fd < 0)
		return fd == -EAGAIN ? -ETIMEDOUT : fd;
	error = send_request(fd, request, file);
	if (!error)
		error = receive_reply(fd, reply, NULL);
	close(fd);
	return error == -EAGAIN ? -ETIMEDOUT : error;
}

int control_ask(int dir, int pid, enum control_op op, int file, unsigned int timeout_ms,
		struct control_reply *reply)
{
	struct control_request request = {
		.magic = CONTROL_MAGIC, .version = CONTROL_VERSION, .op = op,
	};
	int error = ask(dir, pid, &request, file, timeout_ms, reply);

	if (!error)
		make_showable(reply->info.name, sizeof(reply->info.name));
	return error;
}

/* It pauses the machine, which may take a while. */
int control_ask_about(const struct control_machine *m, enum control_op op, u64 argument, int file,
		      struct control_reply *reply)
{
	struct control_request request = {
		.magic = CONTROL_MAGIC, .version = CONTROL_VERSION, .op = op,
		.argument = argument,
	};

	return ask(m->dir, m->pid, &request, file, 2 * LIST_TIMEOUT_MS, reply);
}

/* ---- all machines ----------------------------------------------------------- */

/* PID.sock, as control_create() writes it; else 0. */
static int pid_of(const char *name)
{
	char again[32];
	long pid = isdigit((unsigned char)*name) ? strtol(name, NULL, 10) : 0;

	if (pid <= 0 || pid > 0x7fffffff)
		return 0;
	snprintf(again, sizeof(again), "%ld.sock", pid);
	return strcmp(again, name) ? 0 : pid;
}

static bool append(struct control_machine **list, unsigned int *nr, int dir, int pid)
{
	struct control_machine *more;

	/* By powers of two. */
	if (!(*nr & (*nr - 1))) {
		more = realloc(*list, (*nr ? 2 * *nr : 1) * sizeof(**list));
		if (!more)
			return false;
		*list = more;
	}
	(*list)[(*nr)++] = (struct control_machine){ .dir = dir, .pid = pid };
	return true;
}

static int collect(int dir, struct control_machine **list, unsigned int *nr)
{
	int copy = dup(dir), error = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!d) {
		error = -errno;
		if (copy >= 0)
			close(copy);
		return error;
	}
	rewinddir(d);
	while (!error && (entry = readdir(d))) {
		int pid = pid_of(entry->d_name);

		if (pid && *nr == MOST_MACHINES)
			error = -E2BIG;
		else if (pid && !append(list, nr, dir, pid))
			error = -ENOMEM;
	}
	closedir(d);
	return error;
}

/* False: it is not there (any more). */
static bool ask_who(struct control_machine *m)
{
	struct control_reply reply;
	char name[32];
	int error = control_ask(m->dir, m->pid, CONTROL_INFO, -1, LIST_TIMEOUT_MS, &reply);

	m->info = reply.info;
	if (!error && !reply.status)
		return true;
	snprintf(name, sizeof(name), "%d.sock", m->pid);
	if (error == -ECONNREFUSED)
		unlinkat(m->dir, name, 0);
	else if (!error)
		note("machine %d: %s", m->pid, reply.text);
	else if (error == -ETIMEDOUT)
		note("machine %d: does not answer: it writes a dump, or is stopped", m->pid);
	else if (error != -ECONNRESET && error != -ENOENT)
		note("machine %d: cannot be asked: %s", m->pid, strerror(-error));
	return false;
}

static int by_pid(const void *a, const void *b)
{
	const struct control_machine *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

int control_list(const struct control_places *p, struct control_machine **found)
{
	unsigned int i, nr = 0, kept = 0;
	int error = 0;

	*found = NULL;
	for (i = 0; i < p->nr && !error; i++)
		error = collect(p->fd[i], found, &nr);
	if (error) {
		free(*found);
		*found = NULL;
		return error;
	}
	for (i = 0; i < nr; i++)
		if (ask_who(&(*found)[i]))
			(*found)[kept++] = (*found)[i];
	if (kept)
		qsort(*found, kept, sizeof(**found), by_pid);
	return kept;
}

/* ---- one machine ------------------------------------------------------------ */

static int pick(const struct control_machine *m, unsigned int nr, const char *command,
		const char *who, struct control_machine *found)
{
	unsigned int i, named = 0;
	u64 pid = 0;

	if (parse_number(who, 1, 0x7fffffff, &pid))
		for (i = 0; i < nr; i++)
			if ((u64)m[i].pid == pid) {
				*found = m[i];
				return 0;
			}
	for (i = 0; i < nr; i++)
		if (!strcmp(m[i].info.name, who) && !named++)
			*found = m[i];
	if (named > 1)
		return err(STATUS_USAGE,
			   "%s: '%s' is the name of %u machines: give a PID, see 'lodge list'",
			   command, who, named);
	return named ? 0 : err(STATUS_USAGE, "%s: there is no machine '%s': see 'lodge list'",
			       command, who);
}

static int pick_only(const struct control_machine *m, unsigned int nr, const char *command,
		     struct control_machine *found)
{
	if (nr > 1)
		return err(STATUS_USAGE, "%s: there are %u machines: say which, see 'lodge list'",
			   command, nr);
	if (!nr)
		return err(STATUS_USAGE, "%s: there is no machine: see 'lodge list'", command);
	*found = *m;
	return 0;
}

int control_find(const struct control_places *p, const char *command, const char *who,
		 struct control_machine *found)
{
	struct control_machine *machines;
	int status, nr = control_list(p, &machines);

	if (nr < 0)
		return err(STATUS_HOST, "%s: the machines cannot be found: %s", command,
			   strerror(-nr));
	status = who ? pick(machines, nr, command, who, found) :
		 pick_only(machines, nr, command, found);
	free(machines);
	return status;
}

/* ---- what it writes down ---------------------------------------------------- */

static void close_received(const struct received *files)
{
	unsigned int i;

	for (i = 0; i < files->nr; i++)
		close(files->file[i]);
}

/* Gives each descriptor its place; false: it is not what the answer says. */
static bool place_files(const struct control_files *f, u32 first, const struct received *files,
			struct control_recorders *r)
{
	unsigned int i, wanted = !!f->machine_stats, at = 0;

	for (i = 0; i < f->cpus; i++)
		wanted += !!f->flight[i] + !!f->stats[i];
	if (files->more || wanted != files->nr)
		return false;
	if (f->machine_stats && r->stats_fd >= 0)
		return false;
	if (f->machine_stats)
		r->stats_fd = files->file[at++];
	for (i = 0; i < f->cpus; i++) {
		r->cpu[first + i].flight_fd = f->flight[i] ? files->file[at++] : -1;
		r->cpu[first + i].stats_fd = f->stats[i] ? files->file[at++] : -1;
	}
	r->nr = first + f->cpus;
	return true;
}

static bool make_room(struct control_recorders *r, u32 cpus)
{
	struct control_recorder *more;

	if (!cpus || cpus > CONTROL_PIECE)
		return false;
	more = realloc(r->cpu, (r->nr + cpus) * sizeof(*more));
	if (more)
		r->cpu = more;
	return more;
}

/* The process that answers; its end is seen there, however its number is used again. */
static int open_process(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) || peer.pid <= 0)
		return -1;
	return syscall(SYS_pidfd_open, peer.pid, 0);
}

/* One piece, from vCPU number r->nr on; *@next is the one behind it, or 0. */
static int ask_piece(const struct control_machine *m, struct control_recorders *r, u32 *next,
		     struct control_reply *reply)
{
	struct control_request request = {
		.magic = CONTROL_MAGIC, .version = CONTROL_VERSION, .op = CONTROL_FILES,
		.argument = r->nr,
	};
	struct received files = { .nr = 0 };
	int error, fd = call(m->dir, m->pid, LIST_TIMEOUT_MS);

	if (fd < 0)
		return fd;
	if (r->process_fd < 0)
		r->process_fd = open_process(fd);
	error = send_request(fd, &request, -1);
	if (!error)
		error = receive_reply(fd, reply, &files);
	close(fd);
	if (!error && reply->status)
		error = -EOPNOTSUPP;
	if (!error && files.more)
		error = -EMFILE;
	if (!error && (!make_room(r, reply->files.cpus) ||
		       !place_files(&reply->files, r->nr, &files, r)))
		error = -EPROTO;
	if (error)
		close_received(&files);
	*next = error ? 0 : reply->files.next;
	return error;
}

int control_recorders_open(const struct control_machine *m, struct control_recorders *r,
			   struct control_reply *why)
{
	u32 next;
	int error;

	*r = (struct control_recorders){ .process_fd = -1, .stats_fd = -1 };
	do {
		error = ask_piece(m, r, &next, why);
		if (!error && next && (next != r->nr || next >= m->info.cpus))
			error = -EPROTO;
	} while (!error && next);
	if (!error && r->process_fd < 0)
		error = -ECONNRESET;
	if (error)
		control_recorders_close(r);
	return error == -EAGAIN ? -ETIMEDOUT : error;
}

void control_recorders_close(struct control_recorders *r)
{
	while (r->nr) {
		struct control_recorder *cpu = &r->cpu[--r->nr];

		close_fd(&cpu->flight_fd);
		close_fd(&cpu->stats_fd);
	}
	free(r->cpu);
	r->cpu = NULL;
	close_fd(&r->stats_fd);
	close_fd(&r->process_fd);
}
