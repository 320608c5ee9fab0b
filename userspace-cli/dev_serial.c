// SPDX-License-Identifier: GPL-2.0
/*
 * The console: a 16550A. Output is written before the guest goes on (output.h), so the
 * transmitter is always empty. Input is read by the main thread into a ring, and what is
 * in the ring comes into the chip's FIFO as there is room: who sends has a wire that waits,
 * and a FIFO does not overrun but in loopback. While the ring is full the file is left
 * alone.
 *
 * The sender heeds RTS, as one with hardware flow control does, but not before the guest
 * has written to MCR: drivers clear the FIFOs when they start and raise RTS after that, so
 * what was typed before is not lost; and simple guests that poll need not know of RTS.
 */
#include <errno.h>
#include <linux/serial_reg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices.h"
#include "err.h"
#include "output.h"

#define NR_REGS			8
#define FIFO			16
#define RING			1024	/* a power of two */

#define IER_BITS		0x0f
#define FCR_BITS		(UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK)
#define MCR_BITS		0x1f
#define IIR_FIFO		0xc0
#define LSR_EMPTY		(UART_LSR_THRE | UART_LSR_TEMT)
/* Errors that a byte of the FIFO can have. */
#define LSR_OF_BYTE		(UART_LSR_PE | UART_LSR_FE | UART_LSR_BI)
#define MSR_LINES		0xf0
#define MSR_CONNECTED		(UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)

struct received {
	u8 byte;
	u8 errors;			/* as in LSR; gone once it was in front */
};

struct serial {
	struct machine *machine;
	struct output output;
	unsigned int source;		/* of the interrupt's line */
	int in_fd;			/* main thread */
	pthread_mutex_t lock;		/* of all below; nobody waits with it */
	u8 ier, fcr, lcr, mcr, scr;
	u8 divisor[2];
	u8 errors;			/* of LSR, until it is read */
	u8 deltas;			/* of MSR, until it is read */
	bool thr_empty;			/* since IIR told it last, or is to be told again */
	bool heeds_rts;
	bool high;			/* the interrupt's line */
	struct received fifo[FIFO];
	unsigned int nr;		/* in it, the oldest first */
	u8 ring[RING];
	unsigned int head, tail;	/* count up for ever; tail is read */
	bool in_ended;
};

/* ---- interrupts ----------------------------------------------------------- */

static bool has_fifo(const struct serial *s)
{
	return s->fcr & UART_FCR_ENABLE_FIFO;
}

static unsigned int trigger(const struct serial *s)
{
	static const u8 levels[] = { 1, 4, 8, 14 };

	return has_fifo(s) ? levels[s->fcr >> 6] : 1;
}

/*
 * The first of them that wants to be told. Bytes below the FIFO's trigger have no more
 * behind them, or the ring would have filled it up: their time is out at once.
 */
static u8 interrupt_id(const struct serial *s)
{
	if (s->ier & UART_IER_RLSI && s->errors)
		return UART_IIR_RLSI;
	if (s->ier & UART_IER_RDI && s->nr >= trigger(s))
		return UART_IIR_RDI;
	if (s->ier & UART_IER_RDI && s->nr)
		return UART_IIR_RX_TIMEOUT;
	if (s->ier & UART_IER_THRI && s->thr_empty)
		return UART_IIR_THRI;
	if (s->ier & UART_IER_MSI && s->deltas)
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

/* On a PC, OUT2 lets the interrupt out; in loopback that output is off, too. */
static void update_line(struct serial *s)
{
	bool high = interrupt_id(s) != UART_IIR_NO_INT &&
		    (s->mcr & (UART_MCR_OUT2 | UART_MCR_LOOP)) == UART_MCR_OUT2;

	if (s->machine->irqs && high != s->high)
		irqs_line(s->machine->irqs, IRQ_SERIAL, s->source, high);
	s->high = high;
}

/* ---- receiver ------------------------------------------------------------- */

/* The byte in front shows its errors in LSR, once. */
static void show_front(struct serial *s)
{
	if (!s->nr)
		return;
	s->errors |= s->fifo[0].errors;
	s->fifo[0].errors = 0;
}

static void receive(struct serial *s, u8 byte, u8 errors)
{
	unsigned int depth = has_fifo(s) ? FIFO : 1;

	if (s->nr >= depth) {
		s->errors |= UART_LSR_OE;
		if (has_fifo(s))
			return;		/* the new byte is the one that is lost */
		s->nr = 0;
	}
	s->fifo[s->nr++] = (struct received){ byte, errors };
	show_front(s);
}

static void from_ring(struct serial *s)
{
	bool was_full = s->head - s->tail == RING;

	receive(s, s->ring[s->tail++ % RING], 0);
	if (was_full)
		machine_wake(s->machine);
}

/* What the other side may send, it does. */
static void refill(struct serial *s)
{
	unsigned int depth = has_fifo(s) ? FIFO : 1;

	if (s->mcr & UART_MCR_LOOP || (s->heeds_rts && !(s->mcr & UART_MCR_RTS)))
		return;
	while (s->nr < depth && s->head != s->tail)
		from_ring(s);
}

static u8 take(struct serial *s)
{
	u8 byte = s->fifo[0].byte;
	unsigned int i;

	if (!s->nr)
		return 0;
	s->nr--;
	for (i = 0; i < s->nr; i++)
		s->fifo[i] = s->fifo[i + 1];
	show_front(s);
	refill(s);
	return byte;
}

/* ---- registers -------------------------------------------------------------- */

static u8 read_iir(struct serial *s)
{
	u8 id = interrupt_id(s);

	if (id == UART_IIR_THRI)
		s->thr_empty = false;
	return id | (has_fifo(s) ? IIR_FIFO : 0);
}

static u8 read_lsr(struct serial *s)
{
	u8 lsr = LSR_EMPTY | s->errors | (s->nr ? UART_LSR_DR : 0);
	bool in_fifo = s->errors & LSR_OF_BYTE;
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		in_fifo |= s->fifo[i].errors;
	s->errors = 0;
	return lsr | (in_fifo && has_fifo(s) ? UART_LSR_FIFOE : 0);
}

/* The wires that come in; in loopback they are those that go out. */
static u8 modem_lines(const struct serial *s)
{
	u8 mcr = s->mcr;

	if (!(mcr & UART_MCR_LOOP))
		return MSR_CONNECTED;
	return (mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) | (mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
	       (mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) | (mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0);
}

static u8 read_msr(struct serial *s)
{
	u8 msr = modem_lines(s) | s->deltas;

	s->deltas = 0;
	return msr;
}

static u8 read_reg(struct serial *s, unsigned int reg)
{
	if (reg < ARRAY_SIZE(s->divisor) && s->lcr & UART_LCR_DLAB)
		return s->divisor[reg];
	switch (reg) {
	case UART_RX:
		return take(s);
	case UART_IER:
		return s->ier;
	case UART_IIR:
		return read_iir(s);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return read_lsr(s);
	case UART_MSR:
		return read_msr(s);
	default:
		return s->scr;
	}
}

static void write_ier(struct serial *s, u8 value)
{
	/* Empty it is: whoever begins to ask is told. */
	if (value & ~s->ier & UART_IER_THRI)
		s->thr_empty = true;
	s->ier = value & IER_BITS;
}

static void write_fcr(struct serial *s, u8 value)
{
	bool on = value & UART_FCR_ENABLE_FIFO;

	/* To turn the FIFOs on or off empties them. */
	if (on != has_fifo(s) || value & UART_FCR_CLEAR_RCVR)
		s->nr = 0;
	s->fcr = on ? value & FCR_BITS : 0;
}

static void write_lcr(struct serial *s, u8 value)
{
	if (value & ~s->lcr & UART_LCR_SBC && s->mcr & UART_MCR_LOOP)
		receive(s, 0, UART_LSR_BI);
	s->lcr = value;
}

static void write_mcr(struct serial *s, u8 value)
{
	u8 before = modem_lines(s), now;

	s->mcr = value & MCR_BITS;
	s->heeds_rts = true;
	now = modem_lines(s);
	s->deltas |= ((before ^ now) & (MSR_LINES & ~UART_MSR_RI)) >> 4;
	if (before & ~now & UART_MSR_RI)
		s->deltas |= UART_MSR_TERI;
}

/* True: the byte goes out, by the caller, who holds no lock then. */
static bool write_reg(struct serial *s, unsigned int reg, u8 value)
{
	if (reg < ARRAY_SIZE(s->divisor) && s->lcr & UART_LCR_DLAB) {
		s->divisor[reg] = value;
		return false;
	}
	switch (reg) {
	case UART_TX:
		if (!(s->mcr & UART_MCR_LOOP))
			return true;
		receive(s, value, 0);
		s->thr_empty = true;
		break;
	case UART_IER:
		write_ier(s, value);
		break;
	case UART_FCR:
		write_fcr(s, value);
		break;
	case UART_LCR:
		write_lcr(s, value);
		break;
	case UART_MCR:
		write_mcr(s, value);
		break;
	case UART_SCR:
		s->scr = value;
		break;
	}
	return false;
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
	update_line(s);
	pthread_mutex_unlock(&s->lock);
}

static void serial_write(void *dev, u64 off, const void *data, unsigned int size)
{
	struct serial *s = dev;
	const u8 *bytes = data;
	unsigned int i;

	pthread_mutex_lock(&s->lock);
	for (i = 0; i < size; i++) {
		if (write_reg(s, off + i, bytes[i])) {
			pthread_mutex_unlock(&s->lock);
			output_byte(&s->output, bytes[i]);
			pthread_mutex_lock(&s->lock);
			s->thr_empty = true;
		}
		refill(s);
		update_line(s);
	}
	pthread_mutex_unlock(&s->lock);
}

/* ---- the main thread's part ------------------------------------------------------ */

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
	/* A file that cannot be read has no more to say; nor is it asked again. */
	if (!n || (error && error != EINTR && error != EAGAIN))
		s->in_ended = true;
	refill(s);
	update_line(s);
	pthread_mutex_unlock(&s->lock);
}

static bool listen_to(struct serial *s, int in_fd)
{
	struct event_source input = {
		.fd = in_fd,
		.wanted = input_wanted,
		.ready = input_ready,
		.arg = s,
	};

	s->in_fd = in_fd;
	return in_fd < 0 || events_add(&s->machine->events, &input);
}

/* What the other side has sent and the FIFO did not have yet is still on its way. */
static void serial_reset(void *arg)
{
	struct serial *s = arg;

	pthread_mutex_lock(&s->lock);
	s->ier = 0;
	s->fcr = 0;
	s->lcr = 0;
	s->mcr = 0;
	s->scr = 0;
	memset(s->divisor, 0, sizeof(s->divisor));
	s->errors = 0;
	s->deltas = 0;
	s->thr_empty = false;
	s->heeds_rts = false;
	s->nr = 0;
	update_line(s);
	refill(s);
	pthread_mutex_unlock(&s->lock);
}

bool serial_create(struct machine *m, int in_fd, int out_fd)
{
	struct serial *s = calloc(1, sizeof(*s));
	struct bus_range ports = {
		.base = PORT_SERIAL,
		.len = NR_REGS,
		.read = serial_read,
		.write = serial_write,
		.dev = s,
	};
	struct machine_part part = { .reset = serial_reset, .free = free, .arg = s };

	if (!s)
		return false;
	s->machine = m;
	if (m->irqs)
		s->source = irqs_source(m->irqs);
	output_init(&s->output, m, "console", out_fd);
	pthread_mutex_init(&s->lock, NULL);
	if (bus_add(&m->ports, &ports) && listen_to(s, in_fd) && machine_add(m, &part))
		return true;
	free(s);
	return false;
}
