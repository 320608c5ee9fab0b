// SPDX-License-Identifier: GPL-2.0
/*
 * `lodge trace`: the exits of a running machine, read out of its vCPUs' flight recorders for as
 * long as somebody wants them. The machine is not held up and knows nothing of it; so what is
 * not read in time is overwritten, and counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "commands.h"
#include "control.h"
#include "err.h"
#include "files.h"
#include "trace.h"

static const struct trace_format * const formats[] = { &trace_text, &trace_perfetto, &trace_html };

struct trace_command {
	const char *who, *output, *vmlinux;
	const struct trace_format *format;
	u64 ns;			/* 0: until it is ended */
	struct control_places places;
	struct control_machine machine;
	struct control_recorders recorders;
	struct flight *rings;	/* of each vCPU, mapped */
	struct symbols symbols;
	struct trace trace;
	bool is_new;		/* the output is a file that was made for it */
	int write_error;	/* errno of the output */
	int signal_fd;
};

/* ---- the machine ----------------------------------------------------------------- */

static int map_ring(struct trace_command *c, unsigned int i)
{
	int error, fd = c->recorders.cpu[i].flight_fd;

	if (fd < 0)
		return err(STATUS_DEVICE,
			   "trace: machine %d: its device has no flight recorder: lodge's has, see 'lodge help run'",
			   c->machine.pid);
	error = flight_map(&c->rings[i], fd);
	if (error)
		return err(STATUS_HOST, "trace: machine %d: the flight recorder of CPU %u: %s",
			   c->machine.pid, i, error == -EPROTO ? "is none that this lodge knows" :
			   strerror(-error));
	return 0;
}

static int open_machine(struct trace_command *c)
{
	struct control_reply reply;
	unsigned int i;
	int error, status = control_find(&c->places, "trace", c->who, &c->machine);

	if (status)
		return status;
	error = control_recorders_open(&c->machine, &c->recorders, &reply);
	if (error == -EOPNOTSUPP)
		return err(STATUS_HOST, "trace: machine %d: %s", c->machine.pid, reply.text);
	if (error == -ECONNRESET || error == -ECONNREFUSED || error == -ENOENT)
		return err(STATUS_HOST, "trace: machine %d has ended", c->machine.pid);
	if (error)
		return err(STATUS_HOST, "trace: machine %d: %s", c->machine.pid, strerror(-error));
	c->rings = calloc(c->recorders.nr, sizeof(*c->rings));
	if (!c->rings)
		return err(STATUS_HOST, "trace: no memory");
	for (i = 0; i < c->recorders.nr && !status; i++)
		status = map_ring(c, i);
	return status;
}

/* ---- where it goes --------------------------------------------------------------- */

static int open_output(struct trace_command *c)
{
	struct stat st;
	int fd;

	if (!c->output) {
		c->trace.to = stdout;
		return 0;
	}
	fd = open(c->output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
	c->is_new = fd >= 0;
	if (fd < 0 && errno == EEXIST) {
		fd = open(c->output, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		if (fd >= 0 && (fstat(fd, &st) || S_ISREG(st.st_mode))) {
			close(fd);
			return err(STATUS_USAGE,
				   "trace: '%s' is there already: name a file that is not",
				   c->output);
		}
	}
	c->trace.to = fd < 0 ? NULL : fdopen(fd, "w");
	if (c->trace.to)
		return 0;
	err(STATUS_HOST, "trace: '%s' cannot be written: %s", c->output, strerror(errno));
	close_fd(&fd);
	return STATUS_HOST;
}

/* What is there only in part is of no use to anybody. */
static int close_output(struct trace_command *c, int status)
{
	/* main() looks after stdout. */
	if (!c->output)
		return status;
	if (fclose(c->trace.to) && !c->write_error)
		c->write_error = errno;
	if (c->write_error)
		status = err(STATUS_HOST, "trace: '%s' cannot be written: %s%s", c->output,
			     strerror(c->write_error), c->is_new ? ": there is none now" : "");
	if (status && c->is_new && unlink(c->output))
		note("trace: '%s' cannot be removed: %s", c->output, strerror(errno));
	return status;
}

/* ---- recording ------------------------------------------------------------------- */

/* False: what is written fails. */
static bool is_written(struct trace_command *c)
{
	if (ferror(c->trace.to) && !c->write_error)
		c->write_error = errno ? errno : EIO;
	return !c->write_error;
}

/* The sooner, the more there was. */
static u64 pause_ns(unsigned int fill)
{
	return fill >= 64 ? 0 : fill >= 16 ? NS_PER_MS / 20 : fill ? NS_PER_MS / 4 : NS_PER_MS;
}

enum wait_end { GO_ON, TIME_IS_UP, MACHINE_ENDED };

static enum wait_end wait_a_while(const struct trace_command *c, u64 ns, u64 until)
{
	struct pollfd fds[] = {
		{ .fd = c->signal_fd, .events = POLLIN },
		{ .fd = c->recorders.process_fd, .events = POLLIN },
	};
	struct timespec t = { .tv_nsec = ns };
	int n = ppoll(fds, ARRAY_SIZE(fds), &t, NULL);

	if (n > 0 && fds[0].revents)
		return TIME_IS_UP;
	if (n > 0 && fds[1].revents)
		return MACHINE_ENDED;
	return until && now_ns() >= until ? TIME_IS_UP : GO_ON;
}

static void record(struct trace_command *c, struct trace_rings *rings)
{
	u64 until = c->ns ? now_ns() + c->ns : 0, slack = c->trace.tsc_khz;
	struct trace *t = &c->trace;
	enum wait_end end = GO_ON;
	unsigned int fill;

	t->start = __builtin_ia32_rdtsc();
	while (end == GO_ON) {
		/* Within a millisecond an exit is written down. */
		fill = trace_rings_take(rings, t, __builtin_ia32_rdtsc() - slack);
		if (!c->output && c->format == &trace_text)
			fflush(t->to);
		if (!is_written(c))
			break;
		end = wait_a_while(c, pause_ns(fill), until);
	}
	trace_rings_take(rings, t, ~0ull);
	t->stop = __builtin_ia32_rdtsc();
	if (end == MACHINE_ENDED)
		note("trace: machine %d has ended", c->machine.pid);
}

/* These end the trace, not what has come of it. */
static int catch_signals(struct trace_command *c)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	c->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return c->signal_fd < 0 ? err(STATUS_HOST, "trace: %s", strerror(errno)) : 0;
}

static int run(struct trace_command *c)
{
	struct trace *t = &c->trace;
	struct trace_rings *rings;
	int status = open_output(c);

	if (status)
		return status;
	t->format = c->format;
	t->machine = c->machine.info.name;
	t->pid = c->machine.pid;
	t->cpus = c->recorders.nr;
	t->tsc_khz = c->rings[0].tsc_khz;
	t->symbols = c->vmlinux ? &c->symbols : NULL;
	rings = trace_rings_create(c->rings, c->recorders.nr);
	status = rings ? catch_signals(c) : err(STATUS_HOST, "trace: no memory");
	if (!status)
		status = t->format->begin(t);
	if (!status)
		record(c, rings);
	t->format->end(t);
	if (fflush(t->to))
		is_written(c);
	trace_rings_free(rings);
	if (!status && t->lost)
		note("trace: %llu exits were overwritten before they could be read, %llu were read",
		     t->lost, t->exits);
	return close_output(c, status);
}

/* ---- the command ----------------------------------------------------------------- */

enum { OPT_SECONDS = 1, OPT_OUTPUT, OPT_FORMAT, OPT_VMLINUX };

static const struct option options[] = {
	{ "seconds", required_argument, NULL, OPT_SECONDS },
	{ "output", required_argument, NULL, OPT_OUTPUT },
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ "vmlinux", required_argument, NULL, OPT_VMLINUX },
	{ 0 }
};

static int take_format(struct trace_command *c, const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(formats); i++)
		if (!strcmp(formats[i]->name, name)) {
			c->format = formats[i];
			return 0;
		}
	return err(STATUS_USAGE, "--format: there is no '%s': give text, perfetto or html", name);
}

static int take_option(struct trace_command *c, int option)
{
	switch (option) {
	case OPT_SECONDS:
		return parse_seconds(optarg, &c->ns) ? 0 :
		       err(STATUS_USAGE,
			   "--seconds: '%s' is no time: give seconds such as 5 or 0.25", optarg);
	case OPT_OUTPUT:
		c->output = optarg;
		return 0;
	case OPT_FORMAT:
		return take_format(c, optarg);
	case OPT_VMLINUX:
		c->vmlinux = optarg;
		return 0;
	default:
		return STATUS_USAGE;
	}
}

static int parse(struct trace_command *c, int argc, char **argv)
{
	int option, status = 0;

	c->format = &trace_text;
	while (!status && (option = next_option(argc, argv, options)) != -1)
		status = take_option(c, option);
	if (status)
		return status;
	if (argc - optind > 1)
		return err(STATUS_USAGE, "trace: '%s' is too much", argv[optind + 1]);
	if (c->format != &trace_text && !c->output && isatty(STDOUT_FILENO))
		return err(STATUS_USAGE, "trace: %s is for a program: name a file with --output",
			   c->format->name);
	c->who = argv[optind];
	return 0;
}

static void clean_up(struct trace_command *c)
{
	unsigned int i;

	for (i = 0; c->rings && i < c->recorders.nr; i++)
		flight_unmap(&c->rings[i]);
	free(c->rings);
	control_recorders_close(&c->recorders);
	control_places_close(&c->places);
	symbols_close(&c->symbols);
	close_fd(&c->signal_fd);
}

static int trace_main(int argc, char **argv)
{
	struct trace_command c = {
		.signal_fd = -1, .recorders = { .process_fd = -1, .stats_fd = -1 },
	};
	int status = parse(&c, argc, argv);

	if (status)
		return status;
	if (c.vmlinux)
		status = symbols_open(&c.symbols, c.vmlinux);
	if (!status) {
		control_places_open(&c.places);
		status = open_machine(&c);
	}
	if (!status)
		status = run(&c);
	clean_up(&c);
	return status;
}

const struct command cmd_trace = {
	.name = "trace",
	.summary = "record the exits of a running machine",
	.help =
"usage: lodge trace [PID|NAME] [options]\n"
"\n"
"Records the exits of a machine, as 'lodge list' has it (if there is but one it\n"
"need not be named), out of the flight recorders of its CPUs, which lodge's\n"
"device keeps. Ctrl-c ends it, and so does the machine's end.\n"
"\n"
"  --seconds S      end after S seconds\n"
"  --output FILE    a new file (stdout)\n"
"  --format text    a line for each exit (the default)\n"
"  --format perfetto     a JSON file for ui.perfetto.dev or about:tracing\n"
"  --format html    a page with drawings for a browser\n"
"  --vmlinux FILE   an ELF file with the guest's symbols\n"
"\n"
"The machine is not held up. Exits that were overwritten before they could be\n"
"read are counted.\n",
	.main = trace_main,
};
