// SPDX-License-Identifier: GPL-2.0
/*
 * The directories where the sockets of a user's machines are. Who finds one that is not his
 * alone, or no directory, leaves it. All happens through the descriptor of a directory that
 * was looked at, so that nobody puts another in its place in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"

/* A directory and the name in it; false: there is no such place. */
static bool place(unsigned int nth, const char **in, char *name, size_t room)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	snprintf(name, room, "lodge");
	switch (nth) {
	case 0:
		*in = runtime;
		return runtime && *runtime == '/';
	case 1:
		*in = "/run";
		return true;
	default:
		*in = "/tmp";
		snprintf(name, room, "lodge-%u", geteuid());
		return true;
	}
}

/* In a folder of another user, only root's can be trusted not to change. */
static bool is_safe_parent(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (st.st_uid == geteuid() || !st.st_uid);
}

static int is_ours(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_uid == geteuid() && !(st.st_mode & 077) ? 0 : -EPERM;
}

/* A descriptor or -errno. */
static int open_place(unsigned int nth, bool make)
{
	int parent, fd, error;
	const char *in;
	char name[32];

	if (!place(nth, &in, name, sizeof(name)))
		return -ENOENT;
	parent = open(in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return -errno;
	if (!is_safe_parent(parent)) {
		close(parent);
		return -EPERM;
	}
	error = make && mkdirat(parent, name, 0700) < 0 && errno != EEXIST ? -errno : 0;
	fd = error ? error : openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (!error && fd < 0)
		error = -errno;
	close(parent);
	if (!error)
		error = is_ours(fd);
	if (!error)
		return fd;
	if (fd >= 0)
		close(fd);
	return error;
}

int control_place_make(void)
{
	unsigned int i;
	int fd = -ENOENT;

	for (i = 0; i < CONTROL_PLACES && fd < 0; i++)
		fd = open_place(i, true);
	return fd;
}

static bool is_there_already(const struct control_places *p, int fd)
{
	struct stat a, b;
	unsigned int i;

	if (fstat(fd, &a) < 0)
		return true;
	for (i = 0; i < p->nr; i++)
		if (!fstat(p->fd[i], &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
			return true;
	return false;
}

void control_places_open(struct control_places *p)
{
	unsigned int i;

	p->nr = 0;
	for (i = 0; i < CONTROL_PLACES; i++) {
		int fd = open_place(i, false);

		if (fd >= 0 && is_there_already(p, fd))
			close(fd);
		else if (fd >= 0)
			p->fd[p->nr++] = fd;
	}
}

void control_places_close(struct control_places *p)
{
	while (p->nr)
		close(p->fd[--p->nr]);
}

void control_address(struct sockaddr_un *address, int dir, const char *name)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%.40s", dir, name);
}

bool control_is_left_over(int dir, const char *name)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool refused;

	if (fd < 0)
		return false;
	control_address(&address, dir, name);
	refused = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
		  errno == ECONNREFUSED;
	close(fd);
	return refused;
}
