// SPDX-License-Identifier: GPL-2.0
/*
 * `lodge stat`: what running machines exit for, once or again and again. On a terminal the
 * table stays in its place and q ends it; the terminal's modes are terminal.c's business, so
 * that however this ends, they are as before.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "commands.h"
#include "err.h"
#include "stat_report.h"
#include "terminal.h"

#define CTRL_C		3
#define CTRL_D		4
#define DEFAULT_NS	NS_PER_SECOND

struct stat_options {
	const char *who;
	u64 interval_ns;	/* 0: none was given */
	bool once, json, cpus;
};

/* ---- the screen ------------------------------------------------------------------ */

struct screen {
	bool in_place;		/* each table goes where the last one was */
	bool keys;		/* there is somebody who can press q */
};

static void screen_open(struct screen *s, const struct stat_options *o)
{
	s->in_place = isatty(STDOUT_FILENO) && !o->once && !o->json;
	s->keys = s->in_place && isatty(STDIN_FILENO) && !terminal_raw(STDIN_FILENO);
}

/* As many lines and columns as there are; a raw terminal is told to go back by itself. */
static void show_in_place(const char *text)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	unsigned int row;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	fputs("\033[H", stdout);
	for (row = 1; *text && row < size.ws_row; row++) {
		size_t len = strcspn(text, "\n");

		printf("%.*s\033[K\r\n", (int)(len < size.ws_col ? len : size.ws_col - 1u), text);
		text += len + !!text[len];
	}
	fputs("\033[J", stdout);
}

/* False: the user has had enough. */
static bool wait_for_key(const struct screen *s, u64 until)
{
	struct pollfd key = { .fd = s->keys ? STDIN_FILENO : -1, .events = POLLIN };
	u64 now;
	char c;

	while ((now = now_ns()) < until) {
		if (poll(&key, 1, (until - now) / NS_PER_MS + 1) <= 0 || !key.revents)
			continue;
		if (read(STDIN_FILENO, &c, 1) <= 0 || c == 'q' || c == CTRL_C || c == CTRL_D)
			return false;
	}
	return true;
}

/* ---- tables ---------------------------------------------------------------------- */

static int show(const struct screen *s, const struct stat_options *o, const struct watch *w)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return err(STATUS_HOST, "stat: no memory");
	if (o->json)
		stat_print_json(to, w->machine, w->nr, o->cpus);
	else if (w->all)
		stat_print_all(to, w->machine, w->nr);
	else
		stat_print(to, w->machine, o->cpus);
	if (fclose(to)) {
		free(text);
		return err(STATUS_HOST, "stat: no memory");
	}
	if (s->in_place)
		show_in_place(text);
	else
		fputs(text, stdout);
	free(text);
	/* That it could not be written is main()'s to tell. */
	return fflush(stdout) ? STATUS_CONSOLE : 0;
}

/* Tables until the user, the machine or the output ends it. */
static int follow(const struct screen *s, const struct stat_options *o, struct watch *w)
{
	u64 interval = o->interval_ns ? o->interval_ns : DEFAULT_NS, next = now_ns();
	/* A time that is asked for is the only one that one table tells of. */
	bool silent = o->once && o->interval_ns;
	int status;

	for (;;) {
		status = watch_look(w);
		if (status)
			return status;
		if (!w->all && !w->nr)
			return o->once ? err(STATUS_HOST, "stat: the machine has ended") :
			       (note("stat: the machine has ended"), 0);
		if (!silent)
			status = show(s, o, w);
		if (status || (o->once && !silent))
			return status;
		silent = false;
		next += interval;
		if (next < now_ns())	/* we were stopped */
			next = now_ns() + interval;
		if (!wait_for_key(s, next))
			return 0;
	}
}

/* ---- the command ----------------------------------------------------------------- */

enum { OPT_INTERVAL = 1, OPT_ONCE, OPT_JSON, OPT_CPUS };

static const struct option options[] = {
	{ "interval", required_argument, NULL, OPT_INTERVAL },
	{ "once", no_argument, NULL, OPT_ONCE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "cpus", no_argument, NULL, OPT_CPUS },
	{ 0 }
};

static int parse(struct stat_options *o, int argc, char **argv)
{
	int option;

	while ((option = next_option(argc, argv, options)) != -1) {
		switch (option) {
		case OPT_INTERVAL:
			if (!parse_seconds(optarg, &o->interval_ns) ||
			    o->interval_ns < 10 * NS_PER_MS)
				return err(STATUS_USAGE,
					   "--interval: '%s' is no time: give seconds from 0.01 on",
					   optarg);
			break;
		case OPT_ONCE:
			o->once = true;
			break;
		case OPT_JSON:
			o->json = true;
			break;
		case OPT_CPUS:
			o->cpus = true;
			break;
		default:
			return STATUS_USAGE;
		}
	}
	if (argc - optind > 1)
		return err(STATUS_USAGE, "stat: '%s' is too much", argv[optind + 1]);
	o->who = argv[optind];
	/* Nobody looks: one table, unless more are asked for. */
	if (!o->interval_ns && (!isatty(STDOUT_FILENO) || o->json))
		o->once = true;
	return 0;
}

static int stat_main(int argc, char **argv)
{
	struct stat_options o = { 0 };
	struct screen screen = { 0 };
	struct watch watch;
	int status = parse(&o, argc, argv);

	if (status)
		return status;
	status = watch_open(&watch, o.who);
	if (!status) {
		screen_open(&screen, &o);
		if (screen.in_place)
			fputs("\033[H\033[J", stdout);
		status = follow(&screen, &o, &watch);
		terminal_restore();
	}
	watch_close(&watch);
	return status;
}

const struct command cmd_stat = {
	.name = "stat",
	.summary = "show what running machines exit for",
	.help =
"usage: lodge stat [PID|NAME] [options]\n"
"\n"
"Shows of a machine, as 'lodge list' has it, its exits by reason and the time the\n"
"host took for each; without one a line for each machine of this user. On a\n"
"terminal the table is made anew each second, and q ends it.\n"
"\n"
"  --interval S     each S seconds (1)\n"
"  --once           one table: since the machine was made, or of --interval\n"
"  --cpus           also for each CPU\n"
"  --json           for programs: an object, or one each --interval\n"
"\n"
"The first table is of all the time since the machine was made. Into a file or a\n"
"pipe there is no other, unless --interval asks for more. Times and reasons are\n"
"lodge's; of another device its own counters are shown.\n",
	.main = stat_main,
};
