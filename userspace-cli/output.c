// SPDX-License-Identifier: GPL-2.0
/*
 * Writes a console's bytes so that the machine's end is never held up by a file that takes
 * none: the wait is a poll() that knows of the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "output.h"

static bool might_wait(int fd)
{
	struct stat st;

	return !(fcntl(fd, F_GETFL) & O_NONBLOCK) && (fstat(fd, &st) || !S_ISREG(st.st_mode));
}

void output_init(struct output *o, struct machine *m, const char *name, int fd)
{
	o->machine = m;
	o->name = name;
	o->fd = fd;
	o->asks = fd >= 0 && might_wait(fd);
	pthread_mutex_init(&o->lock, NULL);
}

/* Waits until the file takes a byte; false: it will not, or the machine has ended before. */
static bool wait_writable(struct output *o)
{
	struct pollfd fds[] = {
		{ .fd = o->fd, .events = POLLOUT },
		{ .fd = o->machine->end_fd, .events = POLLIN },
	};

	while (poll(fds, ARRAY_SIZE(fds), -1) < 0)
		if (errno != EINTR)
			return true;	/* let write() say what is wrong */
	return fds[0].revents;
}

static bool again(int error)
{
	return error == EINTR || error == EAGAIN;
}

void output_byte(struct output *o, u8 byte)
{
	bool ask;
	int error;

	pthread_mutex_lock(&o->lock);
	ask = o->asks;
	for (error = EAGAIN; o->fd >= 0 && again(error); ask = true) {
		if (ask && !wait_writable(o))
			break;
		error = write(o->fd, &byte, 1) < 0 ? errno : 0;
		if (again(error) && machine_ended(o->machine))
			break;
	}
	if (error && !again(error))
		machine_stop(o->machine, END_CONSOLE, STATUS_CONSOLE,
			     "%s: output cannot be written: %s: the guest was ended",
			     o->name, strerror(error));
	pthread_mutex_unlock(&o->lock);
}
