// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a machine: one thread per vCPU, and the main thread waiting for what may
 * end them or take them back to their start.
 *
 * How a stop or a pause is free of races: whoever wants it writes down what he wants
 * (ended, resetting, or a vCPU's pauses), then sets the vCPU's immediate_exit and signals
 * its thread. A vCPU that is inside KVM_RUN leaves it by the signal; one that is on its
 * way there finds immediate_exit and comes back; both come to cpu_park(), which looks at
 * what is wanted. There, under run_lock, immediate_exit is taken back, so that a wish that
 * comes later sets it anew.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "cpu_state.h"
#include "err.h"
#include "files.h"
#include "loop.h"
#include "machine.h"

#define KICK_SIGNAL		SIGUSR1
#define POWER_DOWN_SECONDS	60

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
	int grace_fd;		/* of a guest that was asked to power down */
	bool asked;
	u64 timeout_ns;
	sigset_t old_mask;
	struct sigaction old_kick;
};

/* Being there is all it does: it makes KVM_RUN and write() return EINTR. */
static void on_kick(int sig)
{
	(void)sig;
}

static void kick(struct cpu *cpu)
{
	__atomic_store_n(&cpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	if (cpu->started)
		pthread_kill(cpu->thread, KICK_SIGNAL);
}

static void kick_all(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < m->nr_cpus; i++)
		kick(&m->cpus[i]);
}

/* ---- standing still ------------------------------------------------------- */

static bool must_park(const struct cpu *cpu)
{
	return (cpu->pauses || atomic_load(&cpu->machine->resetting)) &&
	       !machine_ended(cpu->machine);
}

/* Its last exit is finished: an interrupted KVM_RUN has done that before all else. */
void cpu_park(struct cpu *cpu)
{
	struct machine *m = cpu->machine;

	pthread_mutex_lock(&m->run_lock);
	while (must_park(cpu)) {
		/* Once: those that are parked already wait for the same condition. */
		if (!cpu->parked) {
			cpu->parked = true;
			pthread_cond_broadcast(&m->run_cond);
		}
		pthread_cond_wait(&m->run_cond, &m->run_lock);
	}
	cpu->parked = false;
	if (!machine_ended(m))
		__atomic_store_n(&cpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&m->run_lock);
}

void cpu_pause(struct cpu *cpu)
{
	pthread_mutex_lock(&cpu->machine->run_lock);
	cpu->pauses++;
	/* Behind the end they are kicked by stop_cpus(), and their threads may be gone. */
	if (!machine_ended(cpu->machine))
		kick(cpu);
	pthread_mutex_unlock(&cpu->machine->run_lock);
}

void cpu_resume(struct cpu *cpu)
{
	pthread_mutex_lock(&cpu->machine->run_lock);
	cpu->pauses--;
	pthread_cond_broadcast(&cpu->machine->run_cond);
	pthread_mutex_unlock(&cpu->machine->run_lock);
}

/* @until NULL: for ever. True: it stands, and will not enter the guest before it is told to. */
static bool wait_paused(struct cpu *cpu, const struct timespec *until)
{
	struct machine *m = cpu->machine;
	int error = 0;
	bool stands;

	pthread_mutex_lock(&m->run_lock);
	while (cpu->started && !cpu->parked && !machine_ended(m) && !error) {
		if (until)
			error = pthread_cond_clockwait(&m->run_cond, &m->run_lock,
						       CLOCK_MONOTONIC, until);
		else
			pthread_cond_wait(&m->run_cond, &m->run_lock);
	}
	stands = !cpu->started || cpu->parked;
	pthread_mutex_unlock(&m->run_lock);
	return stands;
}

void cpu_wait_paused(struct cpu *cpu)
{
	wait_paused(cpu, NULL);
}

static bool pause_all(struct machine *m, const struct timespec *until)
{
	bool stand = true;
	unsigned int i;

	for (i = 0; i < m->nr_cpus; i++)
		cpu_pause(&m->cpus[i]);
	for (i = 0; i < m->nr_cpus && stand; i++)
		stand = wait_paused(&m->cpus[i], until) || machine_ended(m);
	return stand && !machine_ended(m);
}

void machine_pause(struct machine *m)
{
	pause_all(m, NULL);
}

bool machine_pause_within(struct machine *m, unsigned int seconds)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	return pause_all(m, &until);
}

void machine_resume(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < m->nr_cpus; i++)
		cpu_resume(&m->cpus[i]);
}

/* ---- resets ------------------------------------------------------------------ */

void machine_reset(struct machine *m)
{
	if (m->no_reboot) {
		machine_stop(m, END_RESET, STATUS_OK, NULL);
		return;
	}
	pthread_mutex_lock(&m->run_lock);
	atomic_store(&m->resetting, true);
	kick_all(m);
	pthread_mutex_unlock(&m->run_lock);
	machine_wake(m);
}

static int reset_cpus(struct machine *m)
{
	unsigned int i;
	int error = 0;

	for (i = 0; i < m->nr_cpus && !error; i++)
		error = cpu_state_set(&m->cpus[i], m->cpus[i].birth);
	return !error && m->birth ? chips_state_set(m, m->birth) : error;
}

/* The main thread's part. Parts come first: they stop what they do to the memory. */
static void do_reset(struct machine *m)
{
	unsigned int i;
	int error;

	machine_pause(m);
	if (machine_ended(m))
		return;
	for (i = 0; i < m->nr_parts; i++)
		if (m->part[i].reset)
			m->part[i].reset(m->part[i].arg);
	memory_clear(&m->memory);
	error = reset_cpus(m);
	if (error)
		machine_stop(m, END_HOST, STATUS_HOST, "reset: a vCPU's state cannot be set: %s",
			     strerror(-error));
	else if (m->boot(m, m->boot_arg))
		machine_stop(m, END_HOST, STATUS_HOST, "reset: the guest cannot be loaded again");
	atomic_store(&m->resetting, false);
	machine_resume(m);
}

/* ---- what the main thread waits for ------------------------------------------ */

/*
 * Pages for the frame of a signal and for last words: when the host has no more memory, a
 * thread whose stack needs another page to be told so is killed instead.
 */
static __attribute__((noinline)) void touch_stack(void)
{
	volatile char room[16 * 4096];
	size_t i;

	for (i = 0; i < sizeof(room); i += 4096)
		room[i] = 0;
}

static void *cpu_thread(void *arg)
{
	struct cpu *cpu = arg;
	struct machine *m = cpu->machine;

	touch_stack();
	loop_run(cpu);
	/* One that never comes back stands still, too. */
	pthread_mutex_lock(&m->run_lock);
	cpu->parked = true;
	pthread_cond_broadcast(&m->run_cond);
	pthread_mutex_unlock(&m->run_lock);
	return NULL;
}

/* The first time the guest is asked; then it is ended. */
static bool asks_guest(struct running *r, int nr)
{
	struct itimerspec grace = { .it_value.tv_sec = POWER_DOWN_SECONDS };
	struct machine *m = r->machine;

	if (nr != SIGTERM || !m->power_button || r->asked)
		return false;
	r->asked = true;
	m->power_button(m->power_button_arg);
	return !timerfd_settime(r->grace_fd, 0, &grace, NULL);
}

static void on_grace(void *arg, short revents)
{
	struct running *r = arg;

	(void)revents;
	machine_stop(r->machine, END_SIGNAL, STATUS_SIGNAL + SIGTERM,
		     "run: ended by SIGTERM: the guest did not power down within %d s",
		     POWER_DOWN_SECONDS);
}

static void on_signal(void *arg, short revents)
{
	struct running *r = arg;
	struct signalfd_siginfo info;
	const char *name = "a signal";
	unsigned int i;

	(void)revents;
	if (read(r->signal_fd, &info, sizeof(info)) != sizeof(info) ||
	    asks_guest(r, info.ssi_signo))
		return;
	for (i = 0; i < ARRAY_SIZE(end_signals); i++)
		if (info.ssi_signo == (u32)end_signals[i].nr)
			name = end_signals[i].name;
	machine_stop(r->machine, END_SIGNAL, STATUS_SIGNAL + info.ssi_signo,
		     "run: ended by %s: the guest was still running", name);
}

static void on_timer(void *arg, short revents)
{
	struct running *r = arg;
	u64 count;

	(void)revents;
	if (read(r->timer_fd, &count, sizeof(count)) != sizeof(count))
		return;
	machine_stop(r->machine, END_TIMEOUT, STATUS_TIMEOUT,
		     "run: ended after %g s by --timeout: the guest was still running",
		     (double)r->timeout_ns / 1e9);
}

static void on_wake(void *arg, short revents)
{
	struct machine *m = arg;
	u64 count;

	(void)revents;
	if (read(m->wake_fd, &count, sizeof(count)) < 0)
		return;
	if (atomic_load(&m->resetting) && !machine_ended(m))
		do_reset(m);
}

static bool is_over(void *arg)
{
	return machine_ended(arg);
}

static bool watch(struct running *r)
{
	struct machine *m = r->machine;
	struct itimerspec limit = {
		.it_value.tv_sec = r->timeout_ns / NS_PER_SECOND,
		.it_value.tv_nsec = r->timeout_ns % NS_PER_SECOND,
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
	r->grace_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return r->signal_fd >= 0 && r->timer_fd >= 0 && r->grace_fd >= 0 &&
	       !timerfd_settime(r->timer_fd, 0, &limit, NULL) &&
	       events_add(&m->events, &(struct event_source){
			.fd = m->wake_fd, .ready = on_wake, .arg = m }) &&
	       events_add(&m->events, &(struct event_source){
			.fd = r->signal_fd, .ready = on_signal, .arg = r }) &&
	       events_add(&m->events, &(struct event_source){
			.fd = r->timer_fd, .ready = on_timer, .arg = r }) &&
	       events_add(&m->events, &(struct event_source){
			.fd = r->grace_fd, .ready = on_grace, .arg = r });
}

/* All threads are there before the first instruction of the guest. */
static void start_cpus(struct machine *m)
{
	unsigned int i;

	touch_stack();
	for (i = 0; i < m->nr_cpus; i++)
		cpu_pause(&m->cpus[i]);
	for (i = 0; i < m->nr_cpus; i++) {
		struct cpu *cpu = &m->cpus[i];
		int error;

		pthread_mutex_lock(&m->run_lock);
		error = pthread_create(&cpu->thread, NULL, cpu_thread, cpu);
		cpu->started = !error;
		pthread_mutex_unlock(&m->run_lock);
		if (error) {
			machine_stop(m, END_HOST, STATUS_HOST,
				     "run: no thread for CPU %u: %s: give fewer --cpus or raise the limit (ulimit -u)",
				     i, strerror(error));
			return;
		}
	}
	for (i = 0; i < m->nr_cpus; i++)
		cpu_wait_paused(&m->cpus[i]);
	if (m->ready && m->ready(m->ready_arg))
		machine_stop(m, END_HOST, STATUS_HOST, NULL);
	machine_resume(m);
}

static void stop_cpus(struct machine *m)
{
	unsigned int i;

	pthread_mutex_lock(&m->run_lock);
	kick_all(m);
	pthread_cond_broadcast(&m->run_cond);
	pthread_mutex_unlock(&m->run_lock);
	for (i = 0; i < m->nr_cpus; i++)
		if (m->cpus[i].started)
			pthread_join(m->cpus[i].thread, NULL);
}

void machine_run(struct machine *m, u64 timeout_ns)
{
	struct running r = {
		.machine = m,
		.signal_fd = -1,
		.timer_fd = -1,
		.grace_fd = -1,
		.timeout_ns = timeout_ns,
	};
	int error = 0;

	if (watch(&r)) {
		start_cpus(m);
		error = events_loop(&m->events, is_over, m);
	} else {
		error = -errno;
	}
	if (error)
		machine_stop(m, END_HOST, STATUS_HOST, "run: cannot wait: %s",
			     strerror(-error));
	stop_cpus(m);
	close_fd(&r.signal_fd);
	close_fd(&r.timer_fd);
	close_fd(&r.grace_fd);
	sigaction(KICK_SIGNAL, &r.old_kick, NULL);
	pthread_sigmask(SIG_SETMASK, &r.old_mask, NULL);
}
