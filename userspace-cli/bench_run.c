// SPDX-License-Identifier: GPL-2.0
/*
 * Running the vCPUs of `lodge bench`: KVM_RUN until the guest says that it is done, in
 * this thread or in one of its own, and the end of those that never come to one.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench_vm.h"
#include "loop.h"

/* The machine that the time limit is for. */
static struct bench_vm *_Atomic watched;

/* ---- ending what does not end ---------------------------------------------------- */

/* Takes a vCPU out of the guest, or keeps it from going there. */
static void kick(struct bench_cpu *cpu)
{
	cpu->run->immediate_exit = 1;
	if (cpu->has_thread)
		pthread_kill(cpu->thread, SIGUSR1);
}

static void on_alarm(int sig)
{
	struct bench_vm *vm = watched;
	unsigned int i;

	if (sig != SIGALRM || !vm)
		return;
	vm->ending = true;
	for (i = 0; i < vm->nr_cpus; i++)
		if (vm->cpu[i].run)
			kick(&vm->cpu[i]);
}

void bench_watch(struct bench_vm *vm, unsigned int seconds)
{
	struct sigaction action = { .sa_handler = on_alarm };

	alarm(0);
	watched = vm;
	if (!seconds)
		return;
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	alarm(seconds);
}

/* ---- the loop ---------------------------------------------------------------------- */

static bool guest_trapped(struct bench_cpu *cpu)
{
	struct kvm_regs regs = { .rsp = 0 };
	u64 frame[2] = { 0 };

	ioctl(cpu->fd, KVM_GET_REGS, &regs);
	memory_read(&cpu->vm->memory, regs.rsp, frame, sizeof(frame));
	/* Where it came from is the first word, or the one behind the error code. */
	return bench_fail(cpu->vm, "the guest took an exception at %#llx",
			  frame[0] < BENCH_CODE ? frame[1] : frame[0]);
}

static bool guest_died(struct bench_cpu *cpu)
{
	const struct kvm_run *run = cpu->run;
	const char *name = loop_exit_name(run->exit_reason);

	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		return bench_fail(cpu->vm, "the CPU refused to enter the guest (%#llx)",
				  run->fail_entry.hardware_entry_failure_reason);
	return bench_fail(cpu->vm, "the guest came out for good: %s (exit reason %u)",
			  name ? name : "unknown", run->exit_reason);
}

static bool run_failed(struct bench_cpu *cpu)
{
	if (cpu->stop)
		return false;
	if (cpu->vm->ending)
		return bench_fail(cpu->vm, "it did not come to its end in time");
	/* A signal that is not for the guest, a vCPU that has just been woken. */
	if (errno == EINTR || errno == EAGAIN)
		return true;
	return bench_refused(cpu->vm, "KVM_RUN");
}

bool bench_run(struct bench_cpu *cpu)
{
	struct kvm_run *run = cpu->run;
	struct bench_vm *vm = cpu->vm;

	for (;;) {
		if (ioctl(cpu->fd, KVM_RUN, 0) < 0) {
			if (!run_failed(cpu))
				return false;
			continue;
		}
		if (run->exit_reason == KVM_EXIT_MMIO || run->exit_reason == KVM_EXIT_HLT)
			continue;
		if (run->exit_reason != KVM_EXIT_IO)
			return guest_died(cpu);
		if (run->io.port == BENCH_PORT_DONE)
			return true;
		if (run->io.port == BENCH_PORT_NEXT && vm->next)
			vm->next(vm->next_arg);
		if (vm->failed)
			return false;
		if (run->io.port == BENCH_PORT_TRAP)
			return guest_trapped(cpu);
	}
}

/* ---- threads ------------------------------------------------------------------------- */

static void *thread_main(void *arg)
{
	struct bench_cpu *cpu = arg;

	cpu->tid = syscall(SYS_gettid);
	cpu->ok = bench_run(cpu);
	cpu->over = true;
	return NULL;
}

bool bench_run_thread(struct bench_cpu *cpu, int host_cpu)
{
	pthread_attr_t attr;
	cpu_set_t set;
	sigset_t mask;
	int error;

	cpu->tid = 0;
	cpu->stop = false;
	cpu->over = false;
	pthread_attr_init(&attr);
	/* The main thread has it, and then sends word to the others. */
	sigemptyset(&mask);
	sigaddset(&mask, SIGALRM);
	pthread_attr_setsigmask_np(&attr, &mask);
	CPU_ZERO(&set);
	if (host_cpu >= 0) {
		CPU_SET(host_cpu, &set);
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	}
	error = pthread_create(&cpu->thread, &attr, thread_main, cpu);
	pthread_attr_destroy(&attr);
	cpu->has_thread = !error;
	return !error || bench_fail(cpu->vm, "pthread_create: %s", strerror(error));
}

/* The state of a thread, a letter as ps(1) has it. */
static char thread_state(int tid)
{
	char path[64], text[256] = "", *end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	/* Behind the name, which may have anything in it. */
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : 0;
}

bool bench_wait_asleep(struct bench_cpu *cpu)
{
	while (!cpu->vm->ending && !cpu->over) {
		if (cpu->tid && thread_state(cpu->tid) == 'S')
			return true;
		sched_yield();
	}
	return bench_fail(cpu->vm, "the guest did not halt in time");
}

bool bench_join(struct bench_cpu *cpu, bool stop)
{
	if (stop) {
		cpu->stop = true;
		kick(cpu);
	}
	pthread_join(cpu->thread, NULL);
	cpu->has_thread = false;
	cpu->run->immediate_exit = 0;
	return stop || cpu->ok;
}
