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
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "err.h"

/* A machine that is busy with a dump, or stopped, is not waited for longer. */
#define LIST_TIMEOUT_MS	3000
/* A directory with more sockets than this is not one of ours. */
#define MOST_MACHINES	4096

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

static int receive_reply(int fd, struct control_reply *reply)
{
	ssize_t n;

	memset(reply, 0, sizeof(*reply));
	do
		n = recv(fd, reply, sizeof(*reply), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (!n)
		return -ECONNRESET;
	/* Another version may say no more than why it does not answer. */
	if (n < (ssize_t)offsetof(struct control_reply, info) || reply->magic != CONTROL_MAGIC ||
	    (!reply->status && (n != sizeof(*reply) || reply->version != CONTROL_VERSION)))
		return -EPROTO;
	make_showable(reply->text, sizeof(reply->text));
	make_showable(reply->info.name, sizeof(reply->info.name));
	return 0;
}

int control_ask(int dir, int pid, enum control_op op, int file, unsigned int timeout_ms,
		struct control_reply *reply)
{
	struct control_request request = {
		.magic = CONTROL_MAGIC, .version = CONTROL_VERSION, .op = op,
	};
	int error, fd = call(dir, pid, timeout_ms);

	if (fd < 0)
		return fd == -EAGAIN ? -ETIMEDOUT : fd;
	error = send_request(fd, &request, file);
	if (!error)
		error = receive_reply(fd, reply);
	close(fd);
	return error == -EAGAIN ? -ETIMEDOUT : error;
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
