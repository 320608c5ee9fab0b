// SPDX-License-Identifier: GPL-2.0
/*
 * The terminal's modes, and the keys behind the escape key.
 *
 * All that a signal handler needs is in a few static variables that are written before the
 * handlers are there, and what handlers do is allowed in them (tcsetattr(), kill(), ...;
 * signal-safety(7)). A process has one terminal, so these may be static.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include "terminal.h"

const char terminal_help[] =
"\r\n"
"Ctrl-a x       end the guest at once\r\n"
"Ctrl-a p       press its power button\r\n"
"Ctrl-a Ctrl-a  send Ctrl-a\r\n"
"Ctrl-a h       this help\r\n";

/* ---- keys --------------------------------------------------------------------- */

static const struct { u8 key; unsigned int wish; } wishes[] = {
	{ 'x', TERMINAL_QUIT },
	{ 'h', TERMINAL_HELP },
	{ '?', TERMINAL_HELP },
	{ 'p', TERMINAL_POWER },
};

static unsigned int wish_of(u8 key)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wishes); i++)
		if (wishes[i].key == key)
			return wishes[i].wish;
	return 0;
}

size_t terminal_filter(struct terminal_filter *f, const u8 *in, size_t n, u8 *out)
{
	size_t i, kept = 0;

	for (i = 0; i < n && !(f->asked & TERMINAL_QUIT); i++) {
		u8 key = in[i];

		if (!f->escaped && key == TERMINAL_ESCAPE) {
			f->escaped = true;
			continue;
		}
		/* A key without a meaning is dropped with the escape key before it. */
		if (!f->escaped || key == TERMINAL_ESCAPE)
			out[kept++] = key;
		else
			f->asked |= wish_of(key);
		f->escaped = false;
	}
	return kept;
}

/* ---- modes -------------------------------------------------------------------- */

static int terminal = -1;		/* the one that is the guest's */
static struct termios users_modes, guests_modes;
static volatile sig_atomic_t raw;	/* it has the guest's modes now */
static volatile sig_atomic_t over;	/* and will not have them again */
static struct sigaction before[_NSIG];	/* who had the fatal signals */
static volatile sig_atomic_t resize_fd = -1;

/* These would leave a raw terminal behind. */
static const int fatal[] = {
	SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGALRM,
	SIGTERM, SIGSTKFLT, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSYS,
	SIGUSR1, SIGUSR2,
};

/* A process in the background may not change modes; with this blocked, it may. */
static void set_modes(const struct termios *modes)
{
	sigset_t ttou, old;
	int error = errno;

	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &ttou, &old);
	tcsetattr(terminal, TCSANOW, modes);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = error;
}

static void give_back(void)
{
	if (!raw)
		return;
	/* Only then: another thread's signal may end the process between the two. */
	set_modes(&users_modes);
	raw = 0;
}

void terminal_restore(void)
{
	over = 1;
	/* Keys that were meant for the guest; in the background they are the shell's. */
	if (raw && tcgetpgrp(terminal) == getpgrp())
		tcflush(terminal, TCIFLUSH);
	give_back();
}

static bool is_fault(int sig, const siginfo_t *info)
{
	return info->si_code > 0 &&
	       (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL);
}

/* The signal then does what it did before; a fault happens again by itself. */
static void on_fatal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	give_back();
	sigaction(sig, &before[sig], NULL);
	if (!is_fault(sig, info))
		raise(sig);
}

/* Stopped inside, the process goes on with the line behind kill(). */
static void on_stop(int sig)
{
	int error = errno;

	(void)sig;
	give_back();
	kill(getpid(), SIGSTOP);
	errno = error;
}

/* Also after a SIGSTOP, behind which the shell took its own modes. */
static void on_continue(int sig)
{
	(void)sig;
	if (over || tcgetpgrp(terminal) != getpgrp())
		return;
	raw = 1;
	set_modes(&guests_modes);
}

static void on_resize(int sig)
{
	int error = errno;

	(void)sig;
	if (resize_fd >= 0)
		eventfd_write(resize_fd, 1);
	errno = error;
}

static void handle(int sig, void (*handler)(int sig))
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };

	sigfillset(&action.sa_mask);
	sigaction(sig, &action, NULL);
}

static void handle_fatal(int sig)
{
	struct sigaction action = { .sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO };

	sigfillset(&action.sa_mask);
	/* One that the user wants ignored, as nohup(1) does, stays so. */
	if (!sigaction(sig, NULL, &before[sig]) && before[sig].sa_handler != SIG_IGN)
		sigaction(sig, &action, NULL);
}

static void handle_all(void)
{
	unsigned int i;

	atexit(terminal_restore);
	for (i = 0; i < ARRAY_SIZE(fatal); i++)
		handle_fatal(fatal[i]);
	handle(SIGTSTP, on_stop);
	handle(SIGCONT, on_continue);
}

int terminal_raw(int fd)
{
	if (terminal >= 0)
		return -EBUSY;
	if (tcgetattr(fd, &users_modes) < 0)
		return -errno;
	guests_modes = users_modes;
	cfmakeraw(&guests_modes);
	terminal = fd;
	handle_all();
	/* First: a signal may come in between. */
	raw = 1;
	return tcsetattr(fd, TCSANOW, &guests_modes) < 0 ? -errno : 0;
}

const char *terminal_newline(void)
{
	return raw && isatty(STDERR_FILENO) ? "\r\n" : "\n";
}

int terminal_resize_fd(void)
{
	if (resize_fd < 0) {
		resize_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (resize_fd < 0)
			return -errno;
		handle(SIGWINCH, on_resize);
	}
	return resize_fd;
}
