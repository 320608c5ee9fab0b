// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's console on the host's side.
 *
 * stdio: standard input and output. If the input is a terminal, all keys are the guest's
 * but for those behind Ctrl-a (terminal.h).
 * pty: a pseudo terminal, whose name is told. Output that nobody reads waits, the newest
 * 64 KiB of it; what is older is lost.
 * socket=PATH: a unix socket. One client at a time is served, others wait for it to leave.
 * While there is none the newest 64 KiB of output wait; while there is one nothing is lost
 * and the guest waits for a slow one.
 * file=PATH: output only, into a new file.
 *
 * Between the device and a terminal, a pty or a client are pipes and a thread. Input that
 * the guest does not take is dropped once it fills a pipe (64 KiB): the keys behind Ctrl-a
 * are heard even so.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "clock.h"
#include "console.h"
#include "err.h"
#include "files.h"
#include "terminal.h"
#include "worker.h"

#define RING		65536		/* a power of two */
#define CHUNK		4096
#define DRAIN_MS	1000		/* for a reader that stopped reading, at the end */

struct console {
	struct machine *machine;
	struct console_files files;
	struct worker worker;
	bool has_worker;
	/* What is opened here, to be closed; -1: it is not. */
	int to_guest[2];		/* pipe: the device reads [0] */
	int from_guest[2];		/* pipe: the device writes [1] */
	int file_fd;
	int listen_fd;
	int slave_fd;			/* held, or the master would hang up without a reader */
	int peer_fd;			/* client or pty master */
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];	/* of the socket */
	bool terminal;			/* standard input is one */
	struct terminal_filter filter;
	/* Output on its way; the thread's own. */
	unsigned int head, tail;	/* count up for ever; tail goes out next */
	u8 ring[RING];
};

/* ---- output ---------------------------------------------------------------------- */

static void put(struct console *c, const u8 *bytes, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		c->ring[c->head++ % RING] = bytes[i];
	if (c->head - c->tail > RING)
		c->tail = c->head - RING;
}

/* A client that is there is waited for; all others lose what is old. */
static bool output_wanted(void *arg)
{
	struct console *c = arg;
	bool waits = c->listen_fd >= 0 && c->peer_fd >= 0;

	return !waits || c->head - c->tail <= RING - CHUNK;
}

static void output_ready(void *arg, short revents)
{
	struct console *c = arg;
	u8 bytes[CHUNK];
	ssize_t n;

	(void)revents;
	n = read(c->from_guest[0], bytes, sizeof(bytes));
	if (n > 0)
		put(c, bytes, n);
}

static void peer_gone(struct console *c);

static bool peer_wanted(void *arg)
{
	struct console *c = arg;

	return c->head != c->tail;
}

static void peer_writable(void *arg, short revents)
{
	struct console *c = arg;
	unsigned int at = c->tail % RING, n = c->head - c->tail;
	ssize_t done;

	(void)revents;
	if (n > RING - at)
		n = RING - at;
	done = write(c->peer_fd, c->ring + at, n);
	if (done > 0)
		c->tail += done;
	else if (done < 0 && errno != EAGAIN && errno != EINTR)
		peer_gone(c);
}

/* ---- input ------------------------------------------------------------------------- */

/* What does not fit is lost, as on a line without flow control. */
static void to_guest(struct console *c, const u8 *bytes, size_t n)
{
	while (n) {
		ssize_t done = write(c->to_guest[1], bytes, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return;
		bytes += done;
		n -= done;
	}
}

static void peer_readable(void *arg, short revents)
{
	struct console *c = arg;
	u8 bytes[CHUNK];
	ssize_t n;

	(void)revents;
	n = read(c->peer_fd, bytes, sizeof(bytes));
	if (n > 0)
		to_guest(c, bytes, n);
	else if (!n || (errno != EAGAIN && errno != EINTR))
		peer_gone(c);
}

static void obey(struct console *c)
{
	unsigned int asked = c->filter.asked;

	c->filter.asked = 0;
	if (asked & TERMINAL_HELP && write(STDERR_FILENO, terminal_help,
					   strlen(terminal_help)) < 0)
		return;
	if (asked & TERMINAL_POWER) {
		if (c->machine->power_button)
			c->machine->power_button(c->machine->power_button_arg);
		else
			note("console: this machine has no power button: Ctrl-a x ends it");
	}
	if (asked & TERMINAL_QUIT)
		machine_stop(c->machine, END_USER, STATUS_OK, "run: ended by Ctrl-a x");
}

/* A program in the background that reads its terminal is stopped: so is this one. */
static ssize_t read_terminal(u8 *bytes, size_t size)
{
	sigset_t ttin, old;
	ssize_t n;
	int error;

	sigemptyset(&ttin);
	sigaddset(&ttin, SIGTTIN);
	pthread_sigmask(SIG_UNBLOCK, &ttin, &old);
	n = read(STDIN_FILENO, bytes, size);
	error = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = error;
	return n;
}

static void terminal_ready(void *arg, short revents)
{
	struct console *c = arg;
	u8 bytes[CHUNK];
	ssize_t n;

	(void)revents;
	n = read_terminal(bytes, sizeof(bytes));
	if (n > 0) {
		to_guest(c, bytes, terminal_filter(&c->filter, bytes, n, bytes));
		obey(c);
	} else if (!n || (errno != EAGAIN && errno != EINTR)) {
		/* The terminal is gone: so is the guest's input. */
		events_remove(&c->worker.events, STDIN_FILENO);
		close_fd(&c->to_guest[1]);
	}
}

/* ---- clients ------------------------------------------------------------------------- */

static bool watch_peer(struct console *c)
{
	return events_add(&c->worker.events, &(struct event_source){
			.fd = c->peer_fd, .ready = peer_readable, .arg = c }) &&
	       events_add(&c->worker.events, &(struct event_source){
			.fd = c->peer_fd, .events = POLLOUT, .wanted = peer_wanted,
			.ready = peer_writable, .arg = c });
}

static void peer_gone(struct console *c)
{
	events_remove(&c->worker.events, c->peer_fd);
	close_fd(&c->peer_fd);
}

static bool client_wanted(void *arg)
{
	struct console *c = arg;

	return c->peer_fd < 0;
}

static void client_ready(void *arg, short revents)
{
	struct console *c = arg;

	(void)revents;
	c->peer_fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (c->peer_fd >= 0 && !watch_peer(c))
		peer_gone(c);
}

/* ---- opening --------------------------------------------------------------------------- */

static int host_error(const char *what)
{
	return err(STATUS_HOST, "--console: %s: %s: raise the limit of open files (ulimit -n)",
		   what, strerror(errno));
}

/* The device's ends block, the thread's do not. */
static int open_pipe(int fds[2], unsigned int ours)
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		return host_error("no pipe");
	if (fcntl(fds[ours], F_SETFL, O_NONBLOCK) < 0)
		return host_error("a pipe");
	return 0;
}

static int open_worker(struct console *c)
{
	int error = worker_init(&c->worker);

	errno = -error;
	c->has_worker = !error;
	return error ? host_error("no eventfd") : 0;
}

/* For what is behind a thread in both directions. */
static int open_pump(struct console *c)
{
	int status = open_worker(c);

	if (!status)
		status = open_pipe(c->to_guest, 1);
	if (!status)
		status = open_pipe(c->from_guest, 0);
	if (!status)
		events_add(&c->worker.events, &(struct event_source){
			.fd = c->from_guest[0], .wanted = output_wanted,
			.ready = output_ready, .arg = c });
	c->files.in_fd = c->to_guest[0];
	c->files.out_fd = c->from_guest[1];
	return status;
}

static int open_stdio(struct console *c, const char *unused)
{
	int status;

	(void)unused;
	c->files.in_fd = STDIN_FILENO;
	c->files.out_fd = STDOUT_FILENO;
	if (isatty(STDOUT_FILENO))
		c->files.terminal_fd = STDOUT_FILENO;
	if (!isatty(STDIN_FILENO))
		return 0;
	c->terminal = true;
	if (c->files.terminal_fd < 0)
		c->files.terminal_fd = STDIN_FILENO;
	status = open_worker(c);
	if (!status)
		status = open_pipe(c->to_guest, 1);
	c->files.in_fd = c->to_guest[0];
	if (!status)
		events_add(&c->worker.events, &(struct event_source){
			.fd = STDIN_FILENO, .ready = terminal_ready, .arg = c });
	return status;
}

static int open_pty(struct console *c, const char *unused)
{
	struct termios modes;
	char name[64];

	(void)unused;
	c->peer_fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (c->peer_fd < 0 || grantpt(c->peer_fd) < 0 || unlockpt(c->peer_fd) < 0 ||
	    ptsname_r(c->peer_fd, name, sizeof(name)))
		return err(STATUS_HOST, "--console: no pty: %s: is /dev/pts mounted?",
			   strerror(errno));
	c->slave_fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->slave_fd < 0 || tcgetattr(c->slave_fd, &modes) < 0)
		return err(STATUS_HOST, "--console: %s: %s: is /dev/pts mounted?", name,
			   strerror(errno));
	/* What the guest writes is not to be echoed to it as if it were typed. */
	cfmakeraw(&modes);
	tcsetattr(c->slave_fd, TCSANOW, &modes);
	if (open_pump(c))
		return STATUS_HOST;
	watch_peer(c);
	note("console: %s", name);
	return 0;
}

/* A socket that nobody listens to any more is left over from one that was killed. */
static bool is_left_over(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool refused;

	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
		  errno == ECONNREFUSED;
	close(fd);
	errno = EADDRINUSE;
	return refused;
}

static int listen_at(int fd, const struct sockaddr_un *address)
{
	const struct sockaddr *a = (const struct sockaddr *)address;
	struct stat st;

	/* The mode of the file that bind() makes: it is the user's alone. */
	fchmod(fd, 0600);
	if (bind(fd, a, sizeof(*address)) < 0) {
		if (errno != EADDRINUSE || lstat(address->sun_path, &st) < 0 ||
		    !S_ISSOCK(st.st_mode) || !is_left_over(address))
			return -errno;
		if (unlink(address->sun_path) < 0 || bind(fd, a, sizeof(*address)) < 0)
			return -errno;
	}
	return listen(fd, 8) < 0 ? -errno : 0;
}

static int open_socket(struct console *c, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int error;

	if (strlen(path) >= sizeof(address.sun_path))
		return err(STATUS_USAGE,
			   "--console: socket=%s: a socket's path has at most %zu characters: give a shorter one",
			   path, sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	c->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->listen_fd < 0)
		return host_error("no socket");
	error = listen_at(c->listen_fd, &address);
	if (error)
		return err(STATUS_USAGE, "--console: socket=%s: %s: give another path", path,
			   strerror(-error));
	strcpy(c->path, path);
	if (open_pump(c))
		return STATUS_HOST;
	events_add(&c->worker.events, &(struct event_source){
		.fd = c->listen_fd, .wanted = client_wanted, .ready = client_ready, .arg = c });
	return 0;
}

static int open_file(struct console *c, const char *path)
{
	c->file_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (c->file_fd < 0)
		return err(STATUS_USAGE, "--console: file=%s: %s: give another path", path,
			   strerror(errno));
	c->files.out_fd = c->file_fd;
	return 0;
}

static const struct {
	const char *name;
	bool has_path;
	int (*open)(struct console *c, const char *path);
} kinds[] = {
	{ "stdio", false, open_stdio },
	{ "pty", false, open_pty },
	{ "socket=", true, open_socket },
	{ "file=", true, open_file },
};

static int open_kind(struct console *c, const char *where)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t len = strlen(kinds[i].name);

		if (kinds[i].has_path ? !strncmp(where, kinds[i].name, len) && where[len] :
		    !strcmp(where, kinds[i].name))
			return kinds[i].open(c, where + len);
	}
	return err(STATUS_USAGE,
		   "--console: '%s' is no console: give stdio, pty, socket=PATH or file=PATH",
		   where);
}

/* ---- the end ------------------------------------------------------------------------------ */

static u64 now_ms(void)
{
	return now_ns() / NS_PER_MS;
}

/*
 * What the guest has said goes out, if somebody takes it soon. Nobody is waited for at a
 * pty, where nobody may be.
 */
static void drain(struct console *c)
{
	struct pollfd peer = { .fd = c->peer_fd, .events = POLLOUT };
	struct pollfd device = { .fd = c->from_guest[0], .events = POLLIN };
	u64 now = now_ms(), end = now + (c->slave_fd >= 0 ? 0 : DRAIN_MS);

	for (; c->peer_fd >= 0 && now <= end; now = now_ms()) {
		while (c->head - c->tail <= RING - CHUNK && poll(&device, 1, 0) > 0 &&
		       device.revents & POLLIN)
			output_ready(c, POLLIN);
		if (c->head == c->tail || poll(&peer, 1, end - now) <= 0)
			return;
		peer_writable(c, POLLOUT);
	}
}

static void console_free(void *arg)
{
	struct console *c = arg;
	unsigned int i;

	if (c->has_worker)
		worker_stop(&c->worker);
	if (c->terminal)
		terminal_restore();
	drain(c);
	if (c->path[0])
		unlink(c->path);
	for (i = 0; i < 2; i++) {
		close_fd(&c->to_guest[i]);
		close_fd(&c->from_guest[i]);
	}
	close_fd(&c->file_fd);
	close_fd(&c->listen_fd);
	close_fd(&c->peer_fd);
	close_fd(&c->slave_fd);
	free(c);
}

int console_open(struct machine *m, const char *where, struct console **console)
{
	struct console *c = calloc(1, sizeof(*c));
	struct machine_part part = { .free = console_free, .arg = c };
	int *fds[] = {
		&c->to_guest[0], &c->to_guest[1], &c->from_guest[0], &c->from_guest[1],
		&c->file_fd, &c->listen_fd, &c->slave_fd, &c->peer_fd,
	};
	unsigned int i;
	int status;

	*console = c;
	if (!c)
		return err(STATUS_HOST, "--console: no memory");
	c->machine = m;
	c->files = (struct console_files){ .in_fd = -1, .out_fd = -1, .terminal_fd = -1 };
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		*fds[i] = -1;
	status = open_kind(c, where);
	if (!status && machine_add(m, &part))
		return 0;
	if (!status)
		status = err(STATUS_HOST, "--console: the machine has no room for it");
	console_free(c);
	*console = NULL;
	return status;
}

struct console_files console_files(const struct console *c)
{
	return c->files;
}

int console_start(struct console *c)
{
	int error = c->terminal ? terminal_raw(STDIN_FILENO) : 0;

	if (error)
		return err(STATUS_HOST, "--console: the terminal cannot be made raw: %s",
			   strerror(-error));
	if (c->has_worker)
		error = worker_start(&c->worker, "console");
	if (error)
		return err(STATUS_HOST, "--console: no thread: %s", strerror(-error));
	return 0;
}
