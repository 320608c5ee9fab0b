// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a machine: one thread per vCPU, and the main thread waiting for what may
 * end them. How a stop is free of races: whoever ends the machine sets m->ended
 * and wakes the main thread; the main thread sets immediate_exit of every vCPU
 * and then signals its thread. A vCPU that is inside KVM_RUN leaves it by the
 * signal; one that is on its way there finds immediate_exit and comes back.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "err.h"
#include "loop.h"
#include "machine.h"

#define KICK_SIGNAL	SIGUSR1

/* The signals that ask for the end. */
static const struct { int nr; const char *name; } end_signals[] = {
	{ SIGINT, "SIGINT" },
	{ SIGTERM, "SIGTERM" },
	{ SIGHUP, "SIGHUP" },
};

struct running {
	struct machine *machine;
	int signal_fd;
	int timer_fd;
	u64 timeout_ns;
	sigset_t old_mask;
	struct sigaction old_kick;
	unsigned int started;
};

/* Being there is all it does: it makes KVM_RUN and write() return EINTR. */
static void on_kick(int sig)
{
	(void)sig;
}

static void *cpu_thread(void *arg)
{
	struct cpu *cpu = arg;

	loop_run(cpu);
	return NULL;
}

static void on_signal(void *arg)
{
	struct running *r = arg;
	struct signalfd_siginfo info;
	const char *name = "a signal";
	unsigned int i;

	if (read(r->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	for (i = 0; i < ARRAY_SIZE(end_signals); i++)
		if (info.ssi_signo == (u32)end_signals[i].nr)
			name = end_signals[i].name;
	machine_stop(r->machine, END_SIGNAL, STATUS_SIGNAL + info.ssi_signo,
		     "run: ended by %s: the guest was still running", name);
}

static void on_timer(void *arg)
{
	struct running *r = arg;
	u64 count;

	if (read(r->timer_fd, &count, sizeof(count)) != sizeof(count))
		return;
	machine_stop(r->machine, END_TIMEOUT, STATUS_TIMEOUT,
		     "run: ended after %g s by --timeout: the guest was still running",
		     (double)r->timeout_ns / 1e9);
}

static void on_wake(void *arg)
{
	struct machine *m = arg;
	u64 count;

	if (read(m->wake_fd, &count, sizeof(count)) < 0)
		return;
}

static bool is_over(void *arg)
{
	return machine_ended(arg);
}

static bool watch(struct running *r)
{
	struct machine *m = r->machine;
	struct itimerspec limit = {
		.it_value.tv_sec = r->timeout_ns / 1000000000,
		.it_value.tv_nsec = r->timeout_ns % 1000000000,
	};
	struct sigaction kick = { .sa_handler = on_kick };
	sigset_t mask;
	unsigned int i;

	/* Before the threads start: they inherit the mask. */
	sigemptyset(&mask);
	for (i = 0; i < ARRAY_SIZE(end_signals); i++)
		sigaddset(&mask, end_signals[i].nr);
	pthread_sigmask(SIG_BLOCK, &mask, &r->old_mask);
	sigaction(KICK_SIGNAL, &kick, &r->old_kick);

	r->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	r->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return r->signal_fd >= 0 && r->timer_fd >= 0 &&
	       !timerfd_settime(r->timer_fd, 0, &limit, NULL) &&
	       events_add(&m->events, &(struct event_source){
			.fd = m->wake_fd, .ready = on_wake, .arg = m }) &&
	       events_add(&m->events, &(struct event_source){
			.fd = r->signal_fd, .ready = on_signal, .arg = r }) &&
	       events_add(&m->events, &(struct event_source){
			.fd = r->timer_fd, .ready = on_timer, .arg = r });
}

static void start_cpus(struct running *r)
{
	struct machine *m = r->machine;

	for (; r->started < m->nr_cpus; r->started++) {
		struct cpu *cpu = &m->cpus[r->started];
		int error = pthread_create(&cpu->thread, NULL, cpu_thread, cpu);

		if (error) {
			machine_stop(m, END_HOST, STATUS_HOST,
				     "run: no thread for CPU %u: %s: give fewer --cpus or raise the limit (ulimit -u)",
				     r->started, strerror(error));
			return;
		}
	}
}

static void stop_cpus(struct running *r)
{
	struct machine *m = r->machine;
	unsigned int i;

	for (i = 0; i < r->started; i++) {
		__atomic_store_n(&m->cpus[i].run->immediate_exit, 1,
				 __ATOMIC_SEQ_CST);
		pthread_kill(m->cpus[i].thread, KICK_SIGNAL);
	}
	for (i = 0; i < r->started; i++)
		pthread_join(m->cpus[i].thread, NULL);
}

void machine_run(struct machine *m, u64 timeout_ns)
{
	struct running r = {
		.machine = m,
		.signal_fd = -1,
		.timer_fd = -1,
		.timeout_ns = timeout_ns,
	};
	int error = 0;

	if (watch(&r)) {
		start_cpus(&r);
		error = events_loop(&m->events, is_over, m);
	} else {
		error = -errno;
	}
	if (error)
		machine_stop(m, END_HOST, STATUS_HOST, "run: cannot wait: %s",
			     strerror(-error));
	stop_cpus(&r);
	if (r.signal_fd >= 0)
		close(r.signal_fd);
	if (r.timer_fd >= 0)
		close(r.timer_fd);
	sigaction(KICK_SIGNAL, &r.old_kick, NULL);
	pthread_sigmask(SIG_SETMASK, &r.old_mask, NULL);
}
