// SPDX-License-Identifier: GPL-2.0
/*
 * The harness: runs every SUBTEST() of the program in a child process of its
 * own with a time limit, and writes KTAP. It knows nothing of virtual machines.
 */
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/random.h>
#include <time.h>

#include "internal.h"

const char *device = "/dev/lodge";
u64 seed;
static u64 rand_state;
static int time_limit = 60;
static const char *pattern = "*";
static char *skip_reason;		/* shared with the children */
static char doing[128];

#define SKIP_REASON_MAX	256

u64 test_rand(void)
{
	rand_state ^= rand_state << 13;
	rand_state ^= rand_state >> 7;
	rand_state ^= rand_state << 17;
	return rand_state;
}

bool device_is_kvm(void)
{
	return !strcmp(device, "/dev/kvm");
}

bool kernel_is_debugging(void)
{
	return access("/sys/kernel/debug/kmemleak", F_OK) == 0;
}

long patience(long limit)
{
	return kernel_is_debugging() ? 20 * limit : limit;
}

long read_number(const char *path, long missing)
{
	FILE *f = fopen(path, "r");
	long n;

	if (!f)
		return missing;
	if (fscanf(f, "%ld", &n) != 1)
		n = missing;
	fclose(f);
	return n;
}

bool write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	bool ok;

	if (!f)
		return false;
	ok = fputs(text, f) >= 0;
	return !fclose(f) && ok;
}

void test_diag(const char *fmt, ...)
{
	va_list ap;

	flockfile(stdout);
	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	funlockfile(stdout);
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	test_diag("%s:%d: %s%s%s", file, line, text, doing[0] ? ", in case " : "",
		  doing);
	_exit(EXIT_FAIL);
}

void test_doing(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(doing, sizeof(doing), fmt, ap);
	va_end(ap);
}

void test_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(skip_reason, SKIP_REASON_MAX, fmt, ap);
	va_end(ap);
	fflush(stdout);
	_exit(EXIT_SKIP);
}

/* A number as a reader wants it: an errno by name, small ones in decimal. */
static const char *number(char *buf, size_t size, long long n)
{
	const char *name = n < 0 && n > -200 ? strerrorname_np(-n) : NULL;

	if (name)
		snprintf(buf, size, "-%s", name);
	else if (n > -4096 && n < 4096)
		snprintf(buf, size, "%lld", n);
	else
		snprintf(buf, size, "%#llx", n);
	return buf;
}

void check_eq(const char *file, int line, const char *what, long long got,
	      long long want)
{
	char a[32], b[32];

	if (got != want)
		test_fail(file, line, "%s: expected %s, got %s", what,
			  number(a, sizeof(a), want), number(b, sizeof(b), got));
}

/* Waits for a child's end; kills it and returns -1 after the time limit. */
static int wait_limited(pid_t pid)
{
	struct timespec limit = { .tv_sec = patience(time_limit) };
	int status;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (sigtimedwait(&set, NULL, &limit) == SIGCHLD)
			continue;
		kill(-pid, SIGKILL);
		waitpid(pid, &status, 0);
		return -1;
	}
	kill(-pid, SIGKILL);		/* what the subtest left running */
	return status;
}

static void run_child(const struct subtest *t, const sigset_t *old)
{
	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, old, NULL);
	t->fn();
	fflush(stdout);
	_exit(EXIT_PASS);
}

static int run_one(const struct subtest *t, int nr)
{
	sigset_t set, old;
	int status;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &old);
	skip_reason[0] = 0;
	rand_state = seed * 2 + 1;
	fflush(stdout);
	pid = fork();
	if (!pid)
		run_child(t, &old);
	setpgid(pid, pid);
	status = pid < 0 ? -1 : wait_limited(pid);

	if (status == -1)
		test_diag(pid < 0 ? "cannot fork" : "timed out after %d s",
			  (int)patience(time_limit));
	else if (WIFSIGNALED(status))
		test_diag("killed by signal %d", WTERMSIG(status));
	status = status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAIL;
	if (status == EXIT_SKIP)
		printf("ok %d %s # SKIP %s\n", nr, t->name, skip_reason);
	else
		printf("%s %d %s\n", status ? "not ok" : "ok", nr, t->name);
	fflush(stdout);
	return status;
}

static int by_line(const void *a, const void *b)
{
	return (*(const struct subtest *const *)a)->line -
	       (*(const struct subtest *const *)b)->line;
}

static void usage(const char *name)
{
	fprintf(stderr, "usage: %s [-l] [-d DEVICE] [-t PATTERN] [-s SEED] [-T SECONDS]\n",
		name);
	exit(2);
}

static bool parse_args(int argc, char **argv)
{
	bool list = false;
	int c;

	if (getrandom(&seed, 4, 0) != 4)
		seed = time(NULL);
	while ((c = getopt(argc, argv, "d:t:s:T:l")) != -1) {
		if (c == 'd')
			device = optarg;
		else if (c == 't')
			pattern = optarg;
		else if (c == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (c == 'T')
			time_limit = atoi(optarg);
		else if (c == 'l')
			list = true;
		else
			usage(argv[0]);
	}
	return list;
}

int main(int argc, char **argv)
{
	const struct subtest *tests[__stop_subtests - __start_subtests];
	bool list = parse_args(argc, argv);
	int n = 0, i, status, worst = EXIT_PASS, skipped = 0;

	for (const struct subtest *t = __start_subtests; t < __stop_subtests; t++)
		if (!fnmatch(pattern, t->name, 0))
			tests[n++] = t;
	qsort(tests, n, sizeof(tests[0]), by_line);
	for (i = 0; list && i < n; i++)
		puts(tests[i]->name);
	if (list)
		return EXIT_PASS;

	skip_reason = mmap(NULL, SKIP_REASON_MAX, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (skip_reason == MAP_FAILED)
		return EXIT_FAIL;
	printf("KTAP version 1\n1..%d\n# device %s, seed %llu\n", n, device,
	       (unsigned long long)seed);
	for (i = 0; i < n; i++) {
		status = run_one(tests[i], i + 1);
		skipped += status == EXIT_SKIP;
		if (status != EXIT_PASS && status != EXIT_SKIP)
			worst = EXIT_FAIL;
	}
	if (!n)
		return EXIT_FAIL;
	return skipped == n ? EXIT_SKIP : worst;
}
