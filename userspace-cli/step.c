// SPDX-License-Identifier: GPL-2.0
/* The two threads of a prompt: who stops, who reads commands, and what goes on afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "err.h"
#include "exit_reasons.h"
#include "files.h"
#include "step_priv.h"

bool step_parse_reasons(char *text, u64 stops[2], const char **wrong)
{
	char *word;

	stops[0] = 0;
	stops[1] = 0;
	while ((word = strsep(&text, ","))) {
		int reason = exit_reason_find(word);

		*wrong = word;
		if (reason < 0)
			return false;
		stops[reason / 64] |= BIT_ULL(reason % 64);
	}
	return true;
}

/* ---- in the vCPU's thread ---------------------------------------------------------- */

static void stop_exit(void *arg, struct cpu *cpu)
{
	struct step *s = arg;

	cpu_pause(cpu);
	eventfd_write(s->stop_fd, 1);
	cpu_park(cpu);
}

/* ---- in the main thread ------------------------------------------------------------ */

static bool set_stops(struct step *s, const u64 stops[2])
{
	struct lodge_stops stop = {
		.size = sizeof(stop), .reasons = { stops[0], stops[1] },
	};

	return !ioctl(s->cpu->fd, LODGE_SET_STOPS, &stop);
}

static void failed(struct step *s, const char *what)
{
	machine_stop(s->machine, END_HOST, STATUS_HOST, "step: %s: %s", what, strerror(errno));
}

void step_go(struct step *s, const u64 stops[2])
{
	if (!set_stops(s, stops)) {
		failed(s, "the stops cannot be set");
		return;
	}
	s->old_regs = s->regs;
	s->old_sregs = s->sregs;
	s->stopped = false;
	fflush(s->out);
	cpu_resume(s->cpu);
}

void step_quit(struct step *s)
{
	s->stopped = false;
	machine_stop(s->machine, END_USER, STATUS_OK, NULL);
}

static void prompt(struct step *s)
{
	fputs("(step) ", s->out);
	fflush(s->out);
}

/* The next line into @line; false: there is none yet, or no more. */
static bool next_line(struct step *s, char line[sizeof(s->line)])
{
	char *end = memchr(s->line, '\n', s->len);
	size_t n = end ? (size_t)(end - s->line) : s->len;

	/* One that is too long goes in pieces, the last one may have no end. */
	if (!end && s->len < sizeof(s->line) - 1 && !(s->at_end && s->len))
		return false;
	memcpy(line, s->line, n);
	line[n] = '\0';
	n += !!end;
	memmove(s->line, s->line + n, s->len - n);
	s->len -= n;
	return true;
}

static void serve_lines(struct step *s)
{
	char line[sizeof(s->line)];

	while (s->stopped && next_line(s, line)) {
		if (!s->terminal)
			fprintf(s->out, "%s\n", line);
		step_command(s, line);
		if (s->stopped)
			prompt(s);
	}
	if (s->stopped && s->at_end) {
		fputs("\n", s->out);
		step_quit(s);
	}
	fflush(s->out);
}

static bool is_wanted(void *arg)
{
	const struct step *s = arg;

	return s->stopped && !s->at_end;
}

static void on_input(void *arg, short revents)
{
	struct step *s = arg;
	ssize_t n = read(s->in_fd, s->line + s->len, sizeof(s->line) - 1 - s->len);

	(void)revents;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	s->at_end = n <= 0;
	s->len += n > 0 ? n : 0;
	serve_lines(s);
}

static void on_stop(void *arg, short revents)
{
	struct step *s = arg;
	eventfd_t unused;

	(void)revents;
	if (eventfd_read(s->stop_fd, &unused) || machine_ended(s->machine))
		return;
	s->reason = s->cpu->run->hw.hardware_exit_reason & REASON_BASIC;
	if (ioctl(s->cpu->fd, KVM_GET_REGS, &s->regs) < 0 ||
	    ioctl(s->cpu->fd, KVM_GET_SREGS, &s->sregs) < 0) {
		failed(s, "the registers cannot be read");
		return;
	}
	if (vmcs_get(s->cpu->fd, &s->vmcs))
		s->vmcs.head.fields = 0;
	s->number++;
	s->stopped = true;
	step_show(s);
	prompt(s);
	serve_lines(s);
}

/* ---- the beginning and the end ------------------------------------------------------- */

static void free_step(void *arg)
{
	struct step *s = arg;

	if (s->config.commands)
		close_fd(&s->in_fd);
	close_fd(&s->stop_fd);
	free(s);
}

static int open_commands(struct step *s)
{
	s->in_fd = STDIN_FILENO;
	if (s->config.commands)
		s->in_fd = open(s->config.commands, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (s->in_fd < 0)
		return err(STATUS_USAGE, "--commands: %s: %s", s->config.commands,
			   strerror(errno));
	s->terminal = isatty(s->in_fd);
	return 0;
}

static int start(struct step *s)
{
	struct machine *m = s->machine;
	struct event_source stops = { .ready = on_stop, .arg = s };
	struct event_source input = { .wanted = is_wanted, .ready = on_input, .arg = s };
	int status = open_commands(s);

	if (status)
		return status;
	s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	stops.fd = s->stop_fd;
	input.fd = s->in_fd;
	if (s->stop_fd < 0 || !events_add(&m->events, &stops) ||
	    !events_add(&m->events, &input))
		return err(STATUS_HOST, "step: no room for the prompt");
	if (!set_stops(s, s->config.stops))
		return err(STATUS_DEVICE, "step: %s: the stops cannot be set: %s",
			   m->device.path, strerror(errno));
	if (ioctl(s->cpu->fd, KVM_GET_REGS, &s->old_regs) < 0 ||
	    ioctl(s->cpu->fd, KVM_GET_SREGS, &s->old_sregs) < 0)
		return err(STATUS_HOST, "step: the registers cannot be read: %s",
			   strerror(errno));
	m->stop_exit = stop_exit;
	m->stop_arg = s;
	return 0;
}

int step_create(struct machine *m, const struct step_config *config)
{
	struct machine_part part = { .free = free_step };
	struct step *s;

	if (ioctl(m->device.fd, LODGE_GET_VERSION, 0) < 0)
		return err(STATUS_DEVICE,
			   "step: %s cannot stop a guest at its exits: that is lodge's alone",
			   m->device.path);
	s = calloc(1, sizeof(*s));
	if (!s)
		return err(STATUS_HOST, "step: no memory");
	*s = (struct step){
		.machine = m, .cpu = &m->cpus[0], .config = *config,
		.stop_fd = -1, .in_fd = -1, .out = stdout,
	};
	part.arg = s;
	if (!machine_add(m, &part)) {
		free(s);
		return err(STATUS_HOST, "step: no room for the prompt");
	}
	return start(s);
}
