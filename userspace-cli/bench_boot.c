// SPDX-License-Identifier: GPL-2.0
/*
 * Boots a guest as `lodge run` does, sandbox and all, and measures it. Each boot has a process
 * of its own, for a sandbox is for good, and so that none finds what another has left.
 */
#include <errno.h>
#include <linux/serial_reg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_boot.h"
#include "bench_vm.h"
#include "clock.h"
#include "err.h"

struct boot {
	struct run *run;
	struct boot_result *result;	/* shared with the parent */
	struct boot_time start, init;
	struct counter_files files;
	struct bus_range serial;	/* as it was */
	u8 lcr;
	int (*ready)(void *arg);	/* as it was */
};

static struct boot_time now(void)
{
	return (struct boot_time){ .ticks = bench_now(), .ns = now_ns() };
}

static struct boot_time since(const struct boot_time *start, const struct boot_time *end)
{
	return (struct boot_time){ end->ticks - start->ticks, end->ns - start->ns };
}

/* ---- its init ----------------------------------------------------------------------- */

/*
 * Linux opens the console for its first process right before it starts that; the driver then
 * enables the receiver's interrupts, for the first time but for its tests of the register, in
 * which it has the transmitter's bit, too.
 */
static bool opens_console(const struct boot *b, u64 off, u8 value)
{
	u8 receive = UART_IER_RDI | UART_IER_RLSI;

	return off == UART_IER && !(b->lcr & UART_LCR_DLAB) &&
	       (value & (receive | UART_IER_THRI)) == receive;
}

static void serial_write(void *dev, u64 off, const void *data, unsigned int size)
{
	u8 value = *(const u8 *)data;
	struct boot *b = dev;

	if (off == UART_LCR)
		b->lcr = value;
	else if (!b->init.ticks && opens_console(b, off, value))
		b->init = now();
	b->serial.write(b->serial.dev, off, data, size);
}

static void serial_read(void *dev, u64 off, void *data, unsigned int size)
{
	struct boot *b = dev;

	b->serial.read(b->serial.dev, off, data, size);
}

/* Stands between the guest and its serial port. */
static void listen_to_serial(struct boot *b)
{
	struct bus *ports = &b->run->machine.ports;
	unsigned int i;

	for (i = 0; i < ports->nr_ranges; i++) {
		struct bus_range *range = &ports->range[i];

		if (range->base != PORT_SERIAL)
			continue;
		b->serial = *range;
		range->read = serial_read;
		range->write = serial_write;
		range->dev = b;
	}
}

/* ---- a boot ------------------------------------------------------------------------- */

/* All threads are there. */
static int begin(void *arg)
{
	struct boot *b = arg;
	int status = b->ready ? b->ready(b->run) : 0;

	b->start = now();
	return status;
}

static void judge(struct boot *b)
{
	const struct machine_end *end = &b->run->machine.end;
	struct boot_result *r = b->result;

	if (end->kind == END_POWER_OFF || end->kind == END_RESET ||
	    (end->kind == END_EXIT && !end->status))
		return;
	snprintf(r->why, sizeof(r->why), "%s", end->text);
	if (!r->why[0])
		snprintf(r->why, sizeof(r->why), "the guest ended with status %d", end->status);
}

static int run_guest(struct boot *b)
{
	struct machine *m = &b->run->machine;
	struct boot_result *r = b->result;
	struct boot_time end;
	unsigned int i, reason;
	int status = run_prepare(b->run);

	if (!status) {
		b->ready = m->ready;
		m->ready = begin;
		m->ready_arg = b;
		listen_to_serial(b);
		counters_open(&b->files, m);
		machine_run(m, b->run->options.timeout_ns);
		end = now();
		r->end = since(&b->start, &end);
		if (b->init.ticks)
			r->init = since(&b->start, &b->init);
		for (i = 0; i < m->nr_cpus; i++)
			for (reason = 0; reason < MACHINE_EXITS; reason++)
				r->user[reason] += m->cpus[i].exits[reason];
		judge(b);
		if (!counters_read(&r->counters, &b->files) && !r->why[0])
			strcpy(r->why, "its statistics make no sense");
		counters_close(&b->files);
	}
	machine_destroy(m);
	return status;
}

static int wait_for(pid_t child, const char *device)
{
	int how;

	while (waitpid(child, &how, 0) < 0)
		if (errno != EINTR)
			return err(STATUS_HOST, "bench: waitpid: %s", strerror(errno));
	if (WIFEXITED(how))
		return WEXITSTATUS(how);
	return err(STATUS_HOST, "bench: %s: the process of the guest died by signal %d",
		   device, WTERMSIG(how));
}

int boot_measure(struct boot_result *result, struct run *r, const char *device)
{
	struct boot_result *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct boot b = { .run = r, .result = shared };
	pid_t child;
	int status;

	if (shared == MAP_FAILED)
		return err(STATUS_HOST, "bench: no memory");
	r->options.machine.device = device;
	fflush(NULL);
	child = fork();
	if (!child)
		_exit(run_guest(&b));
	status = child < 0 ? err(STATUS_HOST, "bench: fork: %s", strerror(errno)) :
		 wait_for(child, device);
	*result = *shared;
	munmap(shared, sizeof(*shared));
	if (!status && result->why[0])
		status = err(STATUS_HOST, "bench: %s: %s: see it with 'lodge run'", device,
			     result->why);
	return status;
}
