// SPDX-License-Identifier: GPL-2.0
/*
 * agent.c - runs a list of steps inside the emulated host and reports to the
 * outside: every line of the steps' output, how each step ended, and every
 * record of the kernel's log.
 *
 * Started by /init with the name of the list. One step a line, fields parted by
 * tabs:
 *
 *	run|gate ID SECONDS PROGRAM [ARGUMENT...]
 *
 * Called as insmod it is that, in place of busybox's: that one tries a module
 * that refuses a second time by another system call, and the log has all twice.
 *
 * A gate that fails skips the steps up to the next gate. A step that outlives
 * its seconds is killed with everything it started.
 *
 * Reports leave through port 0xe9, which the emulator prints at once and
 * unbuffered: nothing is lost when the host dies, and no baud rate slows it.
 * One report a line:
 *
 *	@hello				the agent lives
 *	@begin ID TSC			a step starts
 *	> TEXT				a line of its output
 *	@end ID HOW TSC MS		exit:N signal:N timeout, emulated time used
 *	@skip ID			not run, its gate failed
 *	@stray ID N			N processes of the step had to be killed
 *	@busy ID N			the module is still in use after the step
 *	@tick				a second went by
 *	kLEVEL USEC TEXT		a record of the kernel's log
 *	@lost				the kernel's log was overrun
 *	@done				all steps are through
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT		0xe9
#define MAX_ARGS	64
#define MAX_OUTPUT	1000000		/* of one step; the rest is dropped */
#define REAP_MS		5000
#define BUSY_MS		2000

static int kmsg_in, kmsg_out;

static void put(const char *s, size_t n)
{
	asm volatile("rep outsb" : "+S"(s), "+c"(n) : "d"(PORT) : "memory");
}

__attribute__((format(printf, 1, 2)))
static void report(const char *fmt, ...)
{
	char buf[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf) - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(buf) - 2)
		n = sizeof(buf) - 2;
	buf[n] = '\n';
	put(buf, n + 1);
}

static uint64_t tsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* Passes on what the kernel logged since the last call. */
static void relay_kmsg(void)
{
	char buf[8192];
	ssize_t n;

	for (;;) {
		char *text, *end;
		unsigned int prio;
		unsigned long long usec;

		n = read(kmsg_in, buf, sizeof(buf) - 1);
		if (n < 0 && errno == EPIPE) {
			report("@lost");
			continue;
		}
		if (n <= 0)
			return;
		buf[n] = 0;
		text = strchr(buf, ';');
		if (!text || sscanf(buf, "%u,%*u,%llu", &prio, &usec) != 2)
			continue;
		end = strchr(text, '\n');	/* the rest is the device's properties */
		if (end)
			*end = 0;
		report("k%u %llu %s", prio & 7, usec, text + 1);
	}
}

static void mark(const char *what, const char *id)
{
	char buf[256];
	int n = snprintf(buf, sizeof(buf), "<5>lodge-test: %s %s\n", what, id);

	/* One write is one record; dprintf() would seek first, and fail. */
	if (write(kmsg_out, buf, n) != n)
		report("> agent: cannot write to the kernel's log");
	relay_kmsg();
}

struct lines {
	char buf[4096];
	size_t fill, total;
};

static void flush_line(struct lines *l)
{
	if (l->total <= MAX_OUTPUT) {
		put("> ", 2);
		put(l->buf, l->fill);
		put("\n", 1);
	}
	l->fill = 0;
}

/* False at the end of the output. */
static bool relay_output(struct lines *l, int fd)
{
	char buf[4096];
	ssize_t i, n = read(fd, buf, sizeof(buf));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	for (i = 0; i < n; i++) {
		if (l->total++ == MAX_OUTPUT)
			report("> (more output than the harness takes; the rest is dropped)");
		if (buf[i] == '\n') {
			flush_line(l);
			continue;
		}
		if (l->fill == sizeof(l->buf))
			flush_line(l);
		l->buf[l->fill++] = buf[i];
	}
	return n > 0;
}

static void __attribute__((noreturn)) child(int out, char **argv)
{
	int null = open("/dev/null", O_RDONLY);

	setsid();
	dup2(null, 0);
	dup2(out, 1);
	dup2(out, 2);
	closefrom(3);
	/* a process that may use ports costs the kernel more on its way to user space */
	ioperm(PORT, 1, 0);
	execvp(argv[0], argv);
	dprintf(2, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/*
 * Kills and collects every process but init and this one. What the step left
 * behind must be gone before the next starts; processes that cannot die are
 * given up on and counted.
 */
static int clean_up(void)
{
	long long end = now_ms() + REAP_MS;
	int killed = 0;

	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid > 0)
			continue;
		if (pid < 0)
			return killed;		/* no children left */
		if (kill(-1, SIGKILL) == 0 && !killed)
			killed = 1;
		if (now_ms() > end)
			return killed + 1;
		usleep(1000);
	}
}

static int module_users(void)
{
	char buf[32] = "";
	int fd = open("/sys/module/lodge/refcnt", O_RDONLY);

	if (fd < 0)
		return 0;
	if (read(fd, buf, sizeof(buf) - 1) < 0)
		buf[0] = 0;
	close(fd);
	return atoi(buf);
}

/* The last reference may be dropped a moment after the last process is gone. */
static void check_users(const char *id)
{
	long long end = now_ms() + BUSY_MS;
	int users;

	while ((users = module_users()) > 0) {
		if (now_ms() > end) {
			report("@busy %s %d", id, users);
			return;
		}
		usleep(1000);
	}
}

/* What a process of the step left to itself; whoever waits for its end sees it. */
static void reap_orphans(pid_t step)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid ||
		    info.si_pid == step)
			return;
		waitpid(info.si_pid, NULL, WNOHANG);
	}
}

/* Relays until the step's process ends; true if it had to be killed for time. */
static bool watch(pid_t pid, int out, int seconds, int *status)
{
	static struct lines l;
	long long end = now_ms() + seconds * 1000ll, tick = now_ms() + 1000;
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	bool late = false, open = true;

	l.fill = 0;
	l.total = 0;
	for (;;) {
		struct pollfd p[] = {
			{ .fd = pidfd, .events = POLLIN },
			{ .fd = open ? out : -1, .events = POLLIN },
			{ .fd = kmsg_in, .events = POLLIN },
		};

		poll(p, 3, 200);
		reap_orphans(pid);
		if (p[2].revents)
			relay_kmsg();
		if (p[1].revents)
			open = relay_output(&l, out);
		if (p[0].revents)
			break;
		if (now_ms() >= tick) {
			report("@tick");
			tick = now_ms() + 1000;
		}
		if (now_ms() >= end && !late) {
			late = true;
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
			end += REAP_MS;
		} else if (now_ms() >= end) {
			break;			/* it cannot be killed */
		}
	}
	*status = 0;
	waitpid(pid, status, late ? WNOHANG : 0);
	close(pidfd);
	fcntl(out, F_SETFL, O_NONBLOCK);
	while (open && l.total < MAX_OUTPUT) {
		size_t before = l.total;

		open = relay_output(&l, out);
		if (l.total == before)
			break;
	}
	if (l.fill)
		flush_line(&l);
	return late;
}

/* Returns 0 if the step's program ended with exit status 0. */
static int run_step(const char *id, int seconds, char **argv)
{
	long long start = now_ms();
	char how[32] = "timeout";
	int out[2], status, stray;
	pid_t pid;
	bool late;

	mark("begin", id);
	report("@begin %s %llu", id, (unsigned long long)tsc());
	if (pipe2(out, O_CLOEXEC)) {
		report("@end %s exit:127 0 0", id);
		return 1;
	}
	pid = fork();
	if (!pid)
		child(out[1], argv);
	close(out[1]);
	late = watch(pid, out[0], seconds, &status);
	close(out[0]);
	stray = clean_up();
	if (stray && !late)
		report("@stray %s %d", id, stray);
	check_users(id);
	if (!late && WIFSIGNALED(status))
		snprintf(how, sizeof(how), "signal:%d", WTERMSIG(status));
	else if (!late)
		snprintf(how, sizeof(how), "exit:%d", WEXITSTATUS(status));
	mark("end", id);
	report("@end %s %s %llu %lld", id, how, (unsigned long long)tsc(),
	       now_ms() - start);
	return late || status;
}

static int split(char *line, char **field, int max)
{
	int n = 0;

	line[strcspn(line, "\n")] = 0;
	while (n < max - 1 && (field[n] = strsep(&line, "\t")))
		n++;
	field[n] = NULL;
	return n;
}

/* insmod FILE [PARAMETER=VALUE...] */
static int load_module(int argc, char **argv)
{
	char params[4096] = "";
	int fd, i;

	fd = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	for (i = 2; i < argc; i++) {
		size_t n = strlen(params);

		snprintf(params + n, sizeof(params) - n, "%s ", argv[i]);
	}
	if (fd < 0 || syscall(SYS_finit_module, fd, params, 0)) {
		fprintf(stderr, "insmod: %s: %s\n", argc > 1 ? argv[1] : "which module?",
			strerror(errno));
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	char *line = NULL, *field[MAX_ARGS];
	bool shut = false;
	size_t size = 0;
	FILE *list;

	if (!strcmp(basename(argv[0]), "insmod"))
		return load_module(argc, argv);
	if (ioperm(PORT, 1, 1)) {
		perror("agent: ioperm");
		return 1;
	}
	report("@hello");
	kmsg_in = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	kmsg_out = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	list = fopen(argc > 1 ? argv[1] : "", "re");
	if (kmsg_in < 0 || kmsg_out < 0 || !list) {
		report("> agent: cannot open the kernel's log or the list of steps");
		return 1;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	relay_kmsg();
	while (getline(&line, &size, list) > 0) {
		bool gate;

		if (split(line, field, MAX_ARGS) < 4)
			continue;
		gate = !strcmp(field[0], "gate");
		if (gate)
			shut = false;
		if (shut) {
			report("@skip %s", field[1]);
			continue;
		}
		if (run_step(field[1], atoi(field[2]), field + 3) && gate)
			shut = true;
	}
	relay_kmsg();
	report("@done");
	return 0;
}
