// SPDX-License-Identifier: GPL-2.0
/* A pseudo terminal for tests of the console: see pty.h. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "pty.h"
#include "units.h"

/* Rather a test that fails than one that hangs. */
#define PATIENCE_MS	10000

size_t read_all(int fd, void *to, size_t len)
{
	struct pollfd in = { .fd = fd, .events = POLLIN };
	size_t got = 0;
	ssize_t n;

	while (got < len && poll(&in, 1, PATIENCE_MS) > 0) {
		n = read(fd, (char *)to + got, len - got);
		if (n <= 0)
			break;
		got += n;
	}
	return got;
}

void expect_text(int fd, const char *text)
{
	char got[256] = "";

	CHECK_EQ(read_all(fd, got, strlen(text)), strlen(text));
	CHECK_HAS(got, text);
}

int master, slave;

bool is_raw(void *unused)
{
	struct termios t;

	(void)unused;
	tcgetattr(slave, &t);
	return !(t.c_lflag & (ICANON | ECHO | ISIG));
}

bool is_cooked(void *unused)
{
	struct termios t;

	(void)unused;
	tcgetattr(slave, &t);
	return (t.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG) &&
	       t.c_oflag & OPOST;
}

void open_pty(void)
{
	struct termios t;

	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(!grantpt(master) && !unlockpt(master));
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(!tcgetattr(slave, &t));
	t.c_lflag |= ICANON | ECHO | ISIG;
	t.c_oflag |= OPOST;
	tcsetattr(slave, TCSANOW, &t);
	CHECK(is_cooked(NULL));
}

void close_pty(void)
{
	close(slave);
	close(master);
}
