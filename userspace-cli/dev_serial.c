// SPDX-License-Identifier: GPL-2.0
/*
 * The console: the registers of a 16550 that a polling driver needs. Output
 * goes to its file byte by byte, before the guest goes on, so that nothing is
 * lost however the machine ends. Input is read by the main thread into a small
 * ring; while the ring is full the file is left alone. There are no interrupts.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices.h"
#include "err.h"

enum {					/* registers */
	REG_DATA, REG_IER, REG_IIR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR,
	NR_REGS,
	REG_FCR = REG_IIR,		/* when written */
};

#define LCR_DLAB		0x80	/* DATA and IER are the divisor */
#define FCR_ENABLE		0x01
#define IIR_NOTHING		0x01
#define IIR_FIFO		0xc0
#define LSR_INPUT		0x01
#define LSR_OUTPUT_EMPTY	0x60	/* holding and shift register */
#define MSR_CONNECTED		0xb0	/* CTS, DSR, DCD */

#define RING			1024	/* a power of two */

struct serial {
	struct machine *machine;
	int in_fd;
	int out_fd;
	pthread_mutex_t out_lock;	/* bytes of several CPUs one by one */
	pthread_mutex_t lock;		/* of all below; nobody waits with it */
	u8 reg[NR_REGS];		/* what was written, FCR in REG_IIR */
	u8 divisor[2];
	u8 ring[RING];
	unsigned int head, tail;	/* count up for ever; tail is read */
	bool in_ended;
};

/* Waits until the console takes a byte or the machine ends. */
static bool wait_writable(struct serial *s)
{
	struct pollfd fds[] = {
		{ .fd = s->out_fd, .events = POLLOUT },
		{ .fd = s->machine->end_fd, .events = POLLIN },
	};

	while (poll(fds, ARRAY_SIZE(fds), -1) < 0)
		if (errno != EINTR)
			return true;	/* let write() say what is wrong */
	return fds[0].revents;
}

static void put(struct serial *s, u8 byte)
{
	int error = 0;

	pthread_mutex_lock(&s->out_lock);
	do {
		if (!wait_writable(s))
			break;
		error = write(s->out_fd, &byte, 1) < 0 ? errno : 0;
	} while ((error == EINTR || error == EAGAIN) &&
		 !machine_ended(s->machine));
	pthread_mutex_unlock(&s->out_lock);
	if (error && error != EINTR && error != EAGAIN)
		machine_stop(s->machine, END_CONSOLE, STATUS_CONSOLE,
			     "console: output cannot be written: %s: the guest was ended",
			     strerror(error));
}

static u8 get(struct serial *s)
{
	bool was_full = s->head - s->tail == RING;
	u8 byte;

	if (s->head == s->tail)
		return 0;
	byte = s->ring[s->tail++ % RING];
	if (was_full)
		machine_wake(s->machine);
	return byte;
}

static u8 read_reg(struct serial *s, unsigned int reg)
{
	if (reg < ARRAY_SIZE(s->divisor) && s->reg[REG_LCR] & LCR_DLAB)
		return s->divisor[reg];
	switch (reg) {
	case REG_DATA:
		return get(s);
	case REG_IIR:
		return IIR_NOTHING |
		       (s->reg[REG_FCR] & FCR_ENABLE ? IIR_FIFO : 0);
	case REG_LSR:
		return LSR_OUTPUT_EMPTY | (s->head != s->tail ? LSR_INPUT : 0);
	case REG_MSR:
		return MSR_CONNECTED;
	default:
		return s->reg[reg];
	}
}

static void write_reg(struct serial *s, unsigned int reg, u8 value)
{
	bool output = false;

	pthread_mutex_lock(&s->lock);
	if (reg < ARRAY_SIZE(s->divisor) && s->reg[REG_LCR] & LCR_DLAB)
		s->divisor[reg] = value;
	else if (reg == REG_DATA)
		output = true;
	else
		s->reg[reg] = value;
	pthread_mutex_unlock(&s->lock);
	if (output)
		put(s, value);
}

/* Wider accesses are, as on a chipset, bytes at successive ports. */
static void serial_read(void *dev, u64 off, void *data, unsigned int size)
{
	struct serial *s = dev;
	u8 *bytes = data;
	unsigned int i;

	pthread_mutex_lock(&s->lock);
	for (i = 0; i < size; i++)
		bytes[i] = read_reg(s, off + i);
	pthread_mutex_unlock(&s->lock);
}

static void serial_write(void *dev, u64 off, const void *data,
			 unsigned int size)
{
	struct serial *s = dev;
	const u8 *bytes = data;
	unsigned int i;

	for (i = 0; i < size; i++)
		write_reg(s, off + i, bytes[i]);
}

static bool input_wanted(void *arg)
{
	struct serial *s = arg;
	bool wanted;

	pthread_mutex_lock(&s->lock);
	wanted = !s->in_ended && s->head - s->tail < RING;
	pthread_mutex_unlock(&s->lock);
	return wanted;
}

static void input_ready(void *arg, short revents)
{
	struct serial *s = arg;
	unsigned int i, room;
	u8 bytes[RING];
	int error;
	ssize_t n;

	(void)revents;
	pthread_mutex_lock(&s->lock);
	room = RING - (s->head - s->tail);
	pthread_mutex_unlock(&s->lock);

	n = read(s->in_fd, bytes, room);
	error = n < 0 ? errno : 0;

	pthread_mutex_lock(&s->lock);
	for (i = 0; n > 0 && i < n; i++)
		s->ring[s->head++ % RING] = bytes[i];
	/* A file that cannot be read has no more to say. */
	if (!n || (error && error != EINTR && error != EAGAIN))
		s->in_ended = true;
	pthread_mutex_unlock(&s->lock);
}

struct serial *serial_create(struct machine *m, int in_fd, int out_fd)
{
	struct serial *s = calloc(1, sizeof(*s));
	struct bus_range ports = {
		.base = PORT_SERIAL,
		.len = NR_REGS,
		.read = serial_read,
		.write = serial_write,
		.dev = s,
	};
	struct event_source input = {
		.fd = in_fd,
		.wanted = input_wanted,
		.ready = input_ready,
		.arg = s,
	};

	if (!s)
		return NULL;
	s->machine = m;
	s->in_fd = in_fd;
	s->out_fd = out_fd;
	pthread_mutex_init(&s->out_lock, NULL);
	pthread_mutex_init(&s->lock, NULL);
	if (bus_add(&m->ports, &ports) && events_add(&m->events, &input) &&
	    machine_add(m, &(struct machine_part){ .free = free, .arg = s }))
		return s;
	free(s);
	return NULL;
}
