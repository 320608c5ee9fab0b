// SPDX-License-Identifier: GPL-2.0
/*
 * The console: keys behind the escape key, the terminal's modes through all ends of a
 * process, and the places where a console can be.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "console.h"
#include "err.h"
#include "guest.h"
#include "pty.h"
#include "terminal.h"

/* ---- keys ------------------------------------------------------------------------------- */

static void filter(const char *in, const char *want, unsigned int asked)
{
	size_t len = strlen(in), split, n;

	/* Wherever the input is split, and in place. */
	for (split = 0; split <= len; split++) {
		struct terminal_filter f = { .escaped = false };
		u8 keys[64];

		memcpy(keys, in, len);
		n = terminal_filter(&f, keys, split, keys);
		n += terminal_filter(&f, keys + split, len - split, keys + n);
		CHECK_EQ(n, strlen(want));
		CHECK(!memcmp(keys, want, strlen(want)));
		CHECK_EQ(f.asked, asked);
	}
}

static void test_filter(void)
{
	filter("", "", 0);
	filter("plain", "plain", 0);
	filter("a\x01xb", "a", TERMINAL_QUIT);
	filter("a\x01hb", "ab", TERMINAL_HELP);
	filter("a\x01?b", "ab", TERMINAL_HELP);
	filter("\x01p", "", TERMINAL_POWER);
	filter("\x01\x01", "\x01", 0);
	filter("\x01\x01x", "\x01x", 0);
	filter("\x01\x01\x01x", "\x01", TERMINAL_QUIT);
	filter("\x01zb", "b", 0);
	filter("\x01h\x01p\x01x\x01h", "", TERMINAL_HELP | TERMINAL_POWER | TERMINAL_QUIT);
	filter("x\x03\x1a\xff", "x\x03\x1a\xff", 0);
	filter("\x01", "", 0);
}

static void test_filter_random(void)
{
	static const u8 keys[] = { 1, 1, 'x', 'h', 'p', 'a', 0, 255 };
	unsigned int i, j;

	for (i = 0; i < rounds(20000); i++) {
		struct terminal_filter one = { .escaped = false }, other = one;
		u8 in[32], a[32], b[32];
		size_t len = random_below(sizeof(in)), split = random_below(len + 1), n, m;

		for (j = 0; j < len; j++)
			in[j] = keys[random_below(sizeof(keys))];
		n = terminal_filter(&one, in, len, a);
		m = terminal_filter(&other, in, split, b);
		m += terminal_filter(&other, in + split, len - split, b + m);
		CHECK(n == m && n <= len && !memcmp(a, b, n));
		CHECK(one.asked == other.asked && one.escaped == other.escaped);
	}
}

/* ---- the terminal's modes --------------------------------------------------------------- */

/* A child whose controlling terminal is the pty, with it raw; @then is what it does next. */
static pid_t raw_child(void (*then)(void))
{
	pid_t pid = fork();

	if (pid)
		return pid;
	/* A shell has a test in the background ignore these two. */
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	/* It does not outlive the test. */
	close(master);
	setsid();
	ioctl(slave, TIOCSCTTY, 0);
	dup2(slave, STDIN_FILENO);
	dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
	if (terminal_raw(STDIN_FILENO))
		_exit(99);
	then();
	exit(0);
}

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

static void exit_at_once(void) { exit(3); }
static void abort_at_once(void) { abort(); }
static void fault(void) { *(volatile int *)16 = 1; }

/* Ends that come from inside. */
static void test_restored_by_itself(void)
{
	static void (* const ends[])(void) = { exit_at_once, abort_at_once, fault };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		pid_t pid;

		open_pty();
		pid = raw_child(ends[i]);
		CHECK_EQ(waitpid(pid, NULL, 0), pid);
		CHECK(is_cooked(NULL));
		close_pty();
	}
}

/* Each signal that ends a process, but for the one that nobody can catch. */
static void test_restored_by_signals(void)
{
	static const int signals[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGUSR1,
		SIGSEGV, SIGUSR2, SIGALRM, SIGTERM, SIGSTKFLT, SIGXCPU, SIGXFSZ, SIGVTALRM,
		SIGPROF, SIGIO, SIGPWR, SIGSYS,
	};
	unsigned int i;
	int status;

	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		pid_t pid;

		open_pty();
		pid = raw_child(wait_for_ever);
		CHECK(guest_until(is_raw, NULL));
		kill(pid, signals[i]);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		/* Not hidden: who waits sees the signal (or what ASan makes of it). */
		CHECK((WIFSIGNALED(status) && WTERMSIG(status) == signals[i]) ||
		      (WIFEXITED(status) && WEXITSTATUS(status)));
		CHECK(is_cooked(NULL));
		close_pty();
	}
}

/* While it is stopped the shell has the terminal, and then it is the guest's again. */
static void test_stop_and_continue(void)
{
	pid_t pid;
	int status;

	open_pty();
	pid = raw_child(wait_for_ever);
	CHECK(guest_until(is_raw, NULL));
	kill(pid, SIGTSTP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	CHECK(is_cooked(NULL));
	kill(pid, SIGCONT);
	CHECK(guest_until(is_raw, NULL));
	kill(pid, SIGTERM);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(is_cooked(NULL));
	close_pty();
}

static void restore_and_wait(void)
{
	terminal_restore();
	wait_for_ever();
}

/* Given back for good: a SIGCONT afterwards does not take it again. */
static void test_continue_after_the_end(void)
{
	pid_t pid;
	int status;

	open_pty();
	CHECK(write(master, "typed ahead", 11) == 11);
	pid = raw_child(restore_and_wait);
	kill(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	kill(pid, SIGCONT);
	CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	CHECK(guest_until(is_cooked, NULL));
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	CHECK(is_cooked(NULL));
	close_pty();
}

/* ---- where a console can be ------------------------------------------------------------- */

static struct machine m;
static struct cpu cpu;
static struct console *console;
static struct console_files files;

static int open_console(const char *where)
{
	int status;

	fake_machine(&m, &cpu);
	status = console_open(&m, where, &console);
	if (status) {
		CHECK(!console);
		fake_free(&m, &cpu);
		return status;
	}
	files = console_files(console);
	CHECK_EQ(console_start(console), 0);
	return 0;
}

static void say(const char *text)
{
	CHECK_EQ(write(files.out_fd, text, strlen(text)), strlen(text));
}

static void test_bad_names(void)
{
	static const char * const bad[] = {
		"", "std", "stdio ", "pty=", "socket", "socket=", "file", "file=",
		"file=/nowhere/at/all", "socket=/nowhere/at/all",
	};
	unsigned int i;
	char too_long[200] = "socket=/tmp/";

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_EQ(open_console(bad[i]), STATUS_USAGE);
	memset(too_long + strlen(too_long), 'x', sizeof(too_long) - 1 - strlen(too_long));
	CHECK_EQ(open_console(too_long), STATUS_USAGE);
}

static char path[64], where[80];

static void temporary_path(const char *kind)
{
	char name[] = "/tmp/lodge-cli-XXXXXX";

	CHECK(mkdtemp(name));
	snprintf(path, sizeof(path), "%s/console", name);
	snprintf(where, sizeof(where), "%s%s", kind, path);
}

static void remove_path(void)
{
	unlink(path);
	*strrchr(path, '/') = 0;
	CHECK(!rmdir(path));
}

static void test_file(void)
{
	int fd;

	temporary_path("file=");
	CHECK_EQ(open_console(where), 0);
	CHECK_EQ(files.in_fd, -1);
	say("once ");
	say("upon");
	fake_free(&m, &cpu);
	fd = open(path, O_RDONLY);
	expect_text(fd, "once upon");
	close(fd);
	/* Another run writes it anew. */
	CHECK_EQ(open_console(where), 0);
	fake_free(&m, &cpu);
	fd = open(path, O_RDONLY);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 0);
	close(fd);
	remove_path();
}

static int client(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	if (!connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return fd;
	close(fd);
	return -1;
}

static void test_socket(void)
{
	struct stat st;
	int one, two;

	temporary_path("socket=");
	CHECK_EQ(open_console(where), 0);
	CHECK(!stat(path, &st) && (st.st_mode & 0777) == 0600);
	say("before ");
	one = client();
	expect_text(one, "before ");
	say("while");
	expect_text(one, "while");
	CHECK_EQ(write(one, "keys", 4), 4);
	expect_text(files.in_fd, "keys");
	/* A second one waits for the first to leave. */
	two = client();
	CHECK(two >= 0);
	say("yours");
	expect_text(one, "yours");
	close(one);
	CHECK_EQ(write(two, "more", 4), 4);
	expect_text(files.in_fd, "more");
	say("last words");
	fake_free(&m, &cpu);
	expect_text(two, "last words");
	close(two);
	CHECK(stat(path, &st) < 0);
	remove_path();
}

/* One that was killed leaves its socket behind, one that runs has it. */
static void test_socket_taken(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	temporary_path("socket=");
	strcpy(a.sun_path, path);
	CHECK(!bind(fd, (struct sockaddr *)&a, sizeof(a)) && !listen(fd, 1));
	CHECK_EQ(open_console(where), STATUS_USAGE);
	close(fd);
	CHECK_EQ(open_console(where), 0);
	fake_free(&m, &cpu);
	/* A file that is no socket is somebody's. */
	close(open(path, O_CREAT | O_WRONLY, 0600));
	CHECK_EQ(open_console(where), STATUS_USAGE);
	CHECK(!access(path, F_OK));
	remove_path();
}

/* A client that reads slowly gets every byte; without one the guest goes on for ever. */
static void test_socket_bulk(void)
{
	static u8 out[1 << 20], in[1 << 20];
	size_t sent = 0, got = 0;
	unsigned int i;
	int fd;

	for (i = 0; i < sizeof(out); i++)
		out[i] = i ^ i >> 8;
	temporary_path("socket=");
	CHECK_EQ(open_console(where), 0);
	/* Nobody reads: more than all buffers hold must not make the writer wait. */
	CHECK_EQ(write(files.out_fd, out, sizeof(out)), sizeof(out));
	fd = client();
	CHECK(fd >= 0);
	/* The newest, up to a marker, is there. */
	say("\nmarker\n");
	for (i = 0; i < 200000 && (got < 8 || memcmp(in + got - 8, "\nmarker\n", 8)); i++)
		if (read_all(fd, in + got, 1) == 1)
			got++;
		else
			break;
	CHECK(got >= 8 && got <= 65536 + 65536 + 8);
	fcntl(files.out_fd, F_SETFL, O_NONBLOCK);
	for (got = 0; got < sizeof(in) && !failures;) {
		ssize_t n = write(files.out_fd, out + sent, sizeof(out) - sent);

		if (n > 0)
			sent += n;
		n = read_all(fd, in + got, 1 + random_below(5000) % (sizeof(in) - got));
		CHECK(n > 0);
		got += n;
	}
	CHECK(!memcmp(in, out, sizeof(in)));
	fake_free(&m, &cpu);
	close(fd);
	remove_path();
}

/* Input that the guest does not take fills a pipe, no more. */
static void test_input_dropped(void)
{
	static u8 keys[300000];
	int fd;

	temporary_path("socket=");
	CHECK_EQ(open_console(where), 0);
	fd = client();
	CHECK_EQ(write(fd, keys, sizeof(keys)), sizeof(keys));
	/* The client is served all the same. */
	say("still here");
	expect_text(fd, "still here");
	close(fd);
	fake_free(&m, &cpu);
	remove_path();
}

/* A client that is slow has still all of it when the machine has ended. */
static void *read_slowly(void *arg)
{
	struct timespec pause = { .tv_nsec = 50000000 };
	static u8 bytes[65536];
	int fd = *(int *)arg;
	size_t got = 0;
	ssize_t n;

	nanosleep(&pause, NULL);
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		got += n;
	return (void *)got;
}

static void test_socket_slow_at_the_end(void)
{
	static const u8 bytes[4096];
	size_t said = 0;
	pthread_t reader;
	ssize_t n;
	void *got;
	int fd;

	temporary_path("socket=");
	CHECK_EQ(open_console(where), 0);
	fd = client();
	say("first");
	expect_text(fd, "first");
	/* Until it is all full: socket, console and pipe. */
	while (poll(&(struct pollfd){ .fd = files.out_fd, .events = POLLOUT }, 1, 200) > 0) {
		n = write(files.out_fd, bytes, sizeof(bytes));
		CHECK(n > 0);
		said += n;
	}
	CHECK(said > 2 * 65536);
	CHECK(!pthread_create(&reader, NULL, read_slowly, &fd));
	fake_free(&m, &cpu);
	pthread_join(reader, &got);
	CHECK_EQ((size_t)got, said);
	close(fd);
	remove_path();
}

/* The pty's other side, by the name that is told on stderr, which is a pipe meanwhile. */
static int open_console_pty(void)
{
	static const char before[] = "lodge: console: ";
	char text[256] = "";
	int fds[2], fd, error = dup(STDERR_FILENO);

	CHECK(!pipe(fds));
	dup2(fds[1], STDERR_FILENO);
	CHECK_EQ(open_console("pty"), 0);
	dup2(error, STDERR_FILENO);
	CHECK(read(fds[0], text, sizeof(text) - 1) > 0);
	CHECK_HAS(text, before);
	close(fds[0]);
	close(fds[1]);
	close(error);
	text[strcspn(text, "\n")] = 0;
	fd = open(text + strlen(before), O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static void test_pty(void)
{
	int other, fd = open_console_pty();

	say("a\nb");
	expect_text(fd, "a\nb");
	CHECK_EQ(write(fd, "\x03\r", 2), 2);
	expect_text(files.in_fd, "\x03\r");
	/* A reader that leaves may come back. */
	other = open(ttyname(fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
	close(fd);
	say("again");
	expect_text(other, "again");
	close(other);
	fake_free(&m, &cpu);
}

/* Nobody reads, and nobody waits. */
static void test_pty_unread(void)
{
	static u8 out[300000];
	int fd = open_console_pty();

	close(fd);
	CHECK_EQ(write(files.out_fd, out, sizeof(out)), sizeof(out));
	fake_free(&m, &cpu);
}

/* ---- standard input --------------------------------------------------------------------- */

static bool pressed;

static void power_button(void *arg)
{
	(void)arg;
	pressed = true;
}

static bool ended(void *arg)
{
	return machine_ended(arg);
}

/* In a child, whose terminal is the pty. */
static void stdio_child(void)
{
	char text[3] = "";
	int status;

	dup2(slave, STDOUT_FILENO);
	dup2(slave, STDERR_FILENO);
	failures = 0;
	fake_machine(&m, &cpu);
	m.power_button = power_button;
	status = console_open(&m, "stdio", &console) || console_start(console);
	files = console_files(console);
	/* The parent waits for this before it types. */
	if (write(files.out_fd, "ready", 5) != 5 || status)
		exit(1);
	if (read_all(files.in_fd, text, 2) != 2 || strcmp(text, "\x03\x01"))
		exit(2);
	if (!guest_until(ended, &m) || m.end.kind != END_USER || !pressed)
		exit(3);
	fake_free(&m, &cpu);
	exit(failures ? 4 : 0);
}

static void test_stdio_terminal(void)
{
	char text[512] = "";
	pid_t pid;
	int status;

	open_pty();
	pid = fork();
	if (!pid) {
		close(master);
		setsid();
		ioctl(slave, TIOCSCTTY, 0);
		dup2(slave, STDIN_FILENO);
		stdio_child();
	}
	expect_text(master, "ready");
	CHECK(is_raw(NULL));
	CHECK_EQ(write(master, "\x03\x01\x01\x01h\x01p", 7), 7);
	CHECK_EQ(read_all(master, text, strlen(terminal_help)), strlen(terminal_help));
	CHECK_HAS(text, "Ctrl-a x");
	CHECK_EQ(write(master, "\x01x", 2), 2);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK(is_cooked(NULL));
	close_pty();
}

/* No terminal: nothing between it and the device, and Ctrl-a is a byte like others. */
static void test_stdio_pipe(void)
{
	int in = dup(STDIN_FILENO), fds[2];

	CHECK(!pipe(fds));
	dup2(fds[0], STDIN_FILENO);
	CHECK_EQ(open_console("stdio"), 0);
	CHECK_EQ(files.in_fd, STDIN_FILENO);
	CHECK_EQ(files.out_fd, STDOUT_FILENO);
	fake_free(&m, &cpu);
	dup2(in, STDIN_FILENO);
	close(in);
	close(fds[0]);
	close(fds[1]);
}

static const struct unit units[] = {
	{ "filter", test_filter },
	{ "filter_random", test_filter_random },
	{ "restored_by_itself", test_restored_by_itself },
	{ "restored_by_signals", test_restored_by_signals },
	{ "stop_and_continue", test_stop_and_continue },
	{ "continue_after_the_end", test_continue_after_the_end },
	{ "bad_names", test_bad_names },
	{ "file", test_file },
	{ "socket", test_socket },
	{ "socket_taken", test_socket_taken },
	{ "socket_bulk", test_socket_bulk },
	{ "socket_slow_at_the_end", test_socket_slow_at_the_end },
	{ "input_dropped", test_input_dropped },
	{ "pty", test_pty },
	{ "pty_unread", test_pty_unread },
	{ "stdio_terminal", test_stdio_terminal },
	{ "stdio_pipe", test_stdio_pipe },
};

int main(int argc, char **argv)
{
	struct rlimit none = { .rlim_cur = 0 };

	/* Children that die on purpose leave no cores. */
	setrlimit(RLIMIT_CORE, &none);
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
