// SPDX-License-Identifier: GPL-2.0
/*
 * The serial port: its registers as drivers probe them, interrupts and their order, the
 * FIFO, loopback, and that no byte is lost on its way through them. Random accesses are the
 * test of bug class 39 (device models). What happens to the files is in cli-output.
 */
#include <linux/serial_reg.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "serialport.h"

#define ALL_IER		(UART_IER_MSI | UART_IER_RLSI | UART_IER_THRI | UART_IER_RDI)
#define MCR_ON		(UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2)

/* ---- registers --------------------------------------------------------------- */

static void test_registers(void)
{
	struct console c;
	u16 word = 'x' | 0xf500;

	port_open(&c, false);
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY);
	CHECK_EQ(in_byte(&c, UART_IIR), 0x01);
	CHECK_EQ(in_byte(&c, UART_MSR), 0xb0);
	out_byte(&c, UART_FCR, 0x01);
	CHECK_EQ(in_byte(&c, UART_IIR), 0xc1);
	out_byte(&c, UART_SCR, 0x3c);
	CHECK_EQ(in_byte(&c, UART_SCR), 0x3c);
	/* With the divisor's latch open nothing is printed. */
	out_byte(&c, UART_LCR, 0x83);
	out_byte(&c, UART_DLL, 0x0c);
	out_byte(&c, UART_DLM, 0x01);
	CHECK_EQ(in_byte(&c, UART_DLL), 0x0c);
	CHECK_EQ(in_byte(&c, UART_DLM), 0x01);
	out_byte(&c, UART_LCR, 0x03);
	CHECK_EQ(in_byte(&c, UART_LCR), 0x03);
	CHECK_EQ(in_byte(&c, UART_IER), 0x00);
	out_byte(&c, UART_TX, 'o');
	out_byte(&c, UART_TX, 'k');
	bus_write(&c.m.ports, PORT_SERIAL, &word, 2);
	check_output(&c, "okx");
	CHECK_EQ(in_byte(&c, UART_IER), 0x05);
	out_byte(&c, UART_LSR, 0xff);
	out_byte(&c, UART_MSR, 0xff);
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY);
	CHECK_EQ(in_byte(&c, UART_MSR), 0xb0);
	port_close(&c);
}

/* How drivers tell a 16550A from its ancestors and its descendants. */
static void test_probe(void)
{
	struct console c;

	port_open(&c, true);
	out_byte(&c, UART_IER, 0xff);
	CHECK_EQ(in_byte(&c, UART_IER), 0x0f);
	out_byte(&c, UART_IER, 0);
	CHECK_EQ(in_byte(&c, UART_IER), 0);
	out_byte(&c, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	CHECK_EQ(in_byte(&c, UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
	out_byte(&c, UART_MCR, 0xff);
	CHECK_EQ(in_byte(&c, UART_MCR), 0x1f);
	out_byte(&c, UART_MCR, 0);
	/* No 16650: where its EFR would be is IIR. No 16750: 64 bytes are not to be had. */
	out_byte(&c, UART_FCR, UART_FCR_ENABLE_FIFO);
	out_byte(&c, UART_LCR, UART_LCR_CONF_MODE_B);
	CHECK_EQ(in_byte(&c, UART_EFR), 0xc1);
	out_byte(&c, UART_LCR, 0);
	out_byte(&c, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
	CHECK_EQ(in_byte(&c, UART_IIR) >> 5, 6);
	out_byte(&c, UART_FCR, UART_FCR_TRIGGER_14);
	CHECK_EQ(in_byte(&c, UART_IIR), 0x01);
	port_close(&c);
}

/* ---- interrupts -------------------------------------------------------------- */

static void test_transmit_interrupt(void)
{
	struct console c;

	port_open(&c, true);
	out_byte(&c, UART_MCR, MCR_ON);
	out_byte(&c, UART_FCR, UART_FCR_ENABLE_FIFO);
	in_byte(&c, UART_MSR);
	/* Whoever begins to ask is told at once; to look is to know. */
	out_byte(&c, UART_IER, UART_IER_THRI);
	CHECK(fake_high(c.irqs, IRQ_SERIAL));
	CHECK_EQ(in_byte(&c, UART_IIR), 0xc2);
	CHECK(!fake_high(c.irqs, IRQ_SERIAL));
	CHECK_EQ(in_byte(&c, UART_IIR), 0xc1);
	out_byte(&c, UART_IER, UART_IER_THRI);
	CHECK_EQ(in_byte(&c, UART_IIR), 0xc1);
	out_byte(&c, UART_IER, 0);
	out_byte(&c, UART_IER, UART_IER_THRI);
	CHECK_EQ(in_byte(&c, UART_IIR), 0xc2);
	/* Each burst brings an edge once it is out. */
	fake_rises(c.irqs, IRQ_SERIAL);
	out_byte(&c, UART_TX, 'a');
	out_byte(&c, UART_TX, 'b');
	CHECK_EQ(fake_rises(c.irqs, IRQ_SERIAL), 1);
	CHECK_EQ(in_byte(&c, UART_IIR), 0xc2);
	out_byte(&c, UART_TX, 'c');
	CHECK_EQ(fake_rises(c.irqs, IRQ_SERIAL), 1);
	check_output(&c, "abc");
	port_close(&c);
}

static void test_receive_interrupt(void)
{
	static const struct { u8 fcr; unsigned int level; } t[] = {
		{ UART_FCR_TRIGGER_1, 1 }, { UART_FCR_TRIGGER_4, 4 },
		{ UART_FCR_TRIGGER_8, 8 }, { UART_FCR_TRIGGER_14, 14 },
	};
	struct console c;
	unsigned int i, n;

	port_open(&c, true);
	out_byte(&c, UART_MCR, MCR_ON);
	out_byte(&c, UART_IER, UART_IER_RDI);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		out_byte(&c, UART_FCR, UART_FCR_ENABLE_FIFO | t[i].fcr);
		CHECK(!fake_high(c.irqs, IRQ_SERIAL));
		for (n = 1; n <= 16; n++) {
			type(&c, "x");
			CHECK(fake_high(c.irqs, IRQ_SERIAL));
			/* Below the trigger nothing more comes: the time is out. */
			CHECK_EQ(in_byte(&c, UART_IIR), n < t[i].level ? 0xcc : 0xc4);
		}
		while (in_byte(&c, UART_LSR) & UART_LSR_DR) {
			CHECK(fake_high(c.irqs, IRQ_SERIAL));
			CHECK_EQ(in_byte(&c, UART_RX), 'x');
			n--;
		}
		CHECK_EQ(n, 1);
		CHECK(!fake_high(c.irqs, IRQ_SERIAL));
	}
	/* Without a FIFO there is one byte, and no time that runs out. */
	out_byte(&c, UART_FCR, 0);
	type(&c, "yz");
	CHECK_EQ(in_byte(&c, UART_IIR), 0x04);
	CHECK_EQ(in_byte(&c, UART_RX), 'y');
	CHECK_EQ(in_byte(&c, UART_IIR), 0x04);
	out_byte(&c, UART_IER, 0);
	CHECK(!fake_high(c.irqs, IRQ_SERIAL));
	CHECK_EQ(in_byte(&c, UART_RX), 'z');
	port_close(&c);
}

/* All five reasons at once come one after the other, each gone by what takes it away. */
static void test_priorities(void)
{
	struct console c;

	port_open(&c, true);
	out_byte(&c, UART_FCR, UART_FCR_ENABLE_FIFO);
	out_byte(&c, UART_MCR, UART_MCR_LOOP);
	out_byte(&c, UART_TX, 'a');
	out_byte(&c, UART_LCR, UART_LCR_SBC);
	out_byte(&c, UART_LCR, 0);
	out_byte(&c, UART_MCR, MCR_ON);
	out_byte(&c, UART_IER, ALL_IER);
	CHECK_EQ(in_byte(&c, UART_IIR), 0xc4);
	CHECK_EQ(in_byte(&c, UART_RX), 'a');
	/* The break is in front now. */
	CHECK_EQ(in_byte(&c, UART_IIR), 0xc6);
	CHECK_EQ(in_byte(&c, UART_IIR), 0xc6);
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY | UART_LSR_BI | UART_LSR_DR | UART_LSR_FIFOE);
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY | UART_LSR_DR);
	CHECK_EQ(in_byte(&c, UART_IIR), 0xc4);
	CHECK_EQ(in_byte(&c, UART_RX), 0);
	CHECK_EQ(in_byte(&c, UART_IIR), 0xc2);
	CHECK_EQ(in_byte(&c, UART_IIR), 0xc0);
	CHECK(fake_high(c.irqs, IRQ_SERIAL));
	CHECK_EQ(in_byte(&c, UART_MSR), 0xb0 | UART_MSR_DDCD | UART_MSR_DDSR | UART_MSR_DCTS);
	CHECK_EQ(in_byte(&c, UART_IIR), 0xc1);
	CHECK(!fake_high(c.irqs, IRQ_SERIAL));
	port_close(&c);
}

/* On a PC the interrupt goes through OUT2. */
static void test_out2(void)
{
	struct console c;

	port_open(&c, true);
	out_byte(&c, UART_IER, ALL_IER);
	type(&c, "x");
	CHECK_EQ(in_byte(&c, UART_IIR), 0x04);
	CHECK(!fake_high(c.irqs, IRQ_SERIAL));
	out_byte(&c, UART_MCR, UART_MCR_OUT2);
	CHECK(fake_high(c.irqs, IRQ_SERIAL));
	out_byte(&c, UART_MCR, UART_MCR_OUT2 | UART_MCR_LOOP);
	CHECK(!fake_high(c.irqs, IRQ_SERIAL));
	out_byte(&c, UART_MCR, UART_MCR_OUT2);
	CHECK(fake_high(c.irqs, IRQ_SERIAL));
	fake_reset(&c.m);
	CHECK(!fake_high(c.irqs, IRQ_SERIAL));
	CHECK_EQ(in_byte(&c, UART_IER), 0);
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY);
	port_close(&c);
}

/* ---- loopback, errors -------------------------------------------------------- */

static void test_loopback(void)
{
	struct console c;
	unsigned int i;

	port_open(&c, true);
	out_byte(&c, UART_FCR, UART_FCR_ENABLE_FIFO);
	out_byte(&c, UART_MCR, UART_MCR_LOOP);
	type(&c, "outside");
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY);
	for (i = 0; i < 17; i++)
		out_byte(&c, UART_TX, 'a' + i);
	/* The 17th is one too many: it is told, and lost. */
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY | UART_LSR_DR | UART_LSR_OE);
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY | UART_LSR_DR);
	for (i = 0; i < 16; i++)
		CHECK_EQ(in_byte(&c, UART_RX), 'a' + i);
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY);
	/* Without a FIFO it is the older that is lost. */
	out_byte(&c, UART_FCR, 0);
	out_byte(&c, UART_TX, 'a');
	out_byte(&c, UART_TX, 'b');
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY | UART_LSR_DR | UART_LSR_OE);
	CHECK_EQ(in_byte(&c, UART_RX), 'b');
	check_output(&c, "");
	out_byte(&c, UART_MCR, UART_MCR_RTS);
	CHECK_EQ(in_byte(&c, UART_RX), 'o');
	CHECK_EQ(in_byte(&c, UART_RX), 'u');
	port_close(&c);
}

static void test_modem_lines(void)
{
	struct console c;

	port_open(&c, true);
	CHECK_EQ(in_byte(&c, UART_MSR), 0xb0);
	out_byte(&c, UART_MCR, UART_MCR_LOOP);
	CHECK_EQ(in_byte(&c, UART_MSR), UART_MSR_DDCD | UART_MSR_DDSR | UART_MSR_DCTS);
	out_byte(&c, UART_MCR, UART_MCR_LOOP | UART_MCR_DTR);
	CHECK_EQ(in_byte(&c, UART_MSR), UART_MSR_DSR | UART_MSR_DDSR);
	out_byte(&c, UART_MCR, UART_MCR_LOOP | UART_MCR_RTS);
	CHECK_EQ(in_byte(&c, UART_MSR), UART_MSR_CTS | UART_MSR_DCTS | UART_MSR_DDSR);
	/* The bell counts when it stops. */
	out_byte(&c, UART_MCR, UART_MCR_LOOP | UART_MCR_RTS | UART_MCR_OUT1);
	CHECK_EQ(in_byte(&c, UART_MSR), UART_MSR_CTS | UART_MSR_RI);
	out_byte(&c, UART_MCR, UART_MCR_LOOP | UART_MCR_RTS);
	CHECK_EQ(in_byte(&c, UART_MSR), UART_MSR_CTS | UART_MSR_TERI);
	out_byte(&c, UART_MCR, UART_MCR_LOOP | UART_MCR_RTS | UART_MCR_OUT2);
	CHECK_EQ(in_byte(&c, UART_MSR), UART_MSR_CTS | UART_MSR_DCD | UART_MSR_DDCD);
	port_close(&c);
}

/* The guest's own comes back in loopback, and else goes nowhere. */
static void test_break(void)
{
	struct console c;

	port_open(&c, true);
	out_byte(&c, UART_FCR, UART_FCR_ENABLE_FIFO);
	out_byte(&c, UART_IER, UART_IER_RLSI);
	out_byte(&c, UART_MCR, UART_MCR_LOOP);
	out_byte(&c, UART_LCR, UART_LCR_SBC);
	CHECK_EQ(in_byte(&c, UART_IIR), 0xc6);
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY | UART_LSR_BI | UART_LSR_DR | UART_LSR_FIFOE);
	CHECK_EQ(in_byte(&c, UART_IIR), 0xc1);
	out_byte(&c, UART_TX, 't');
	CHECK_EQ(in_byte(&c, UART_RX), 0);
	CHECK_EQ(in_byte(&c, UART_RX), 't');
	/* Only its beginning counts. */
	out_byte(&c, UART_LCR, UART_LCR_SBC);
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY);
	out_byte(&c, UART_LCR, 0);
	/* Behind a byte it shows when that is taken. */
	out_byte(&c, UART_TX, 'u');
	out_byte(&c, UART_LCR, UART_LCR_SBC);
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY | UART_LSR_DR | UART_LSR_FIFOE);
	CHECK_EQ(in_byte(&c, UART_RX), 'u');
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY | UART_LSR_BI | UART_LSR_DR | UART_LSR_FIFOE);
	CHECK_EQ(in_byte(&c, UART_RX), 0);
	out_byte(&c, UART_LCR, 0);
	out_byte(&c, UART_MCR, MCR_ON);
	out_byte(&c, UART_LCR, UART_LCR_SBC);
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY);
	port_close(&c);
}

/* ---- no byte is lost --------------------------------------------------------- */

static void test_input(void)
{
	u8 bytes[3000], got[3000];
	unsigned int n = 0, i;
	struct console c;
	u64 count;

	port_open(&c, false);
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = next_random();
	CHECK_EQ(write(c.in[1], bytes, sizeof(bytes)), sizeof(bytes));
	while (n < sizeof(got)) {
		while (feed(&c))
			if (n + 1025 >= sizeof(got))
				break;
		/* Full: only a byte taken makes room, and the wait is told. */
		if (n + 1026 < sizeof(got)) {
			CHECK(!feed(&c));
			while (read(c.m.wake_fd, &count, 8) == 8)
				;
			got[n++] = in_byte(&c, UART_RX);
			CHECK_EQ(read(c.m.wake_fd, &count, 8), 8);
		}
		while (in_byte(&c, UART_LSR) & UART_LSR_DR && n < sizeof(got))
			got[n++] = in_byte(&c, UART_RX);
	}
	CHECK(!memcmp(got, bytes, sizeof(bytes)));
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY);
	CHECK_EQ(in_byte(&c, UART_RX), 0);
	port_close(&c);
}

/* A driver that clears the FIFOs when it starts loses nothing of what was typed before. */
static void test_typed_early(void)
{
	struct console c;
	char got[12] = "";
	unsigned int i;

	port_open(&c, true);
	out_byte(&c, UART_MCR, 0);
	type(&c, "hello");
	out_byte(&c, UART_FCR, UART_FCR_ENABLE_FIFO);
	out_byte(&c, UART_FCR,
		 UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
	out_byte(&c, UART_FCR, 0);
	in_byte(&c, UART_LSR);
	in_byte(&c, UART_RX);
	in_byte(&c, UART_IIR);
	in_byte(&c, UART_MSR);
	out_byte(&c, UART_FCR, UART_FCR_ENABLE_FIFO);
	out_byte(&c, UART_IER, UART_IER_RDI);
	CHECK(!fake_high(c.irqs, IRQ_SERIAL));
	out_byte(&c, UART_MCR, MCR_ON);
	CHECK(fake_high(c.irqs, IRQ_SERIAL));
	for (i = 0; i < 5; i++)
		got[i] = in_byte(&c, UART_RX);
	CHECK(!strcmp(got, "hello"));
	/* And what is on the way at a reset comes after it, 16 bytes excepted. */
	out_byte(&c, UART_FCR, UART_FCR_ENABLE_FIFO);
	type(&c, "0123456789abcdefgh");
	fake_reset(&c.m);
	CHECK_EQ(in_byte(&c, UART_RX), 'g');
	CHECK_EQ(in_byte(&c, UART_RX), 'h');
	port_close(&c);
}

/* A driver as they are: asleep until the line rises, then busy until IIR has no more. */
struct driver {
	struct console *c;
	u8 got[1 << 16];
	unsigned int nr_got, nr_sent, to_send;
};

static u8 sent_byte(unsigned int i)
{
	return i * 7 + (i >> 8);
}

static void serve_interrupt(struct driver *d)
{
	unsigned int i;
	u8 iir;

	while (!((iir = in_byte(d->c, UART_IIR)) & UART_IIR_NO_INT)) {
		switch (iir & UART_IIR_ID) {
		case UART_IIR_RDI:
		case UART_IIR_RX_TIMEOUT:
			while (in_byte(d->c, UART_LSR) & UART_LSR_DR)
				d->got[d->nr_got++] = in_byte(d->c, UART_RX);
			break;
		case UART_IIR_THRI:
			for (i = 0; i < 16 && d->nr_sent < d->to_send; i++)
				out_byte(d->c, UART_TX, sent_byte(d->nr_sent++));
			if (d->nr_sent == d->to_send)
				out_byte(d->c, UART_IER, UART_IER_RDI);
			break;
		default:
			CHECK(!"an interrupt that was not asked for");
			return;
		}
	}
}

static void test_driver_random(void)
{
	static struct driver d;
	unsigned int sent_in = 0, total = sizeof(d.got), seen = 0, i;
	u8 bytes[600], said[4096];
	struct console c;
	ssize_t n;

	port_open(&c, true);
	d = (struct driver){ .c = &c };
	out_byte(&c, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
	out_byte(&c, UART_IER, UART_IER_RDI);
	out_byte(&c, UART_MCR, MCR_ON);
	in_byte(&c, UART_MSR);
	while (d.nr_got < total || d.nr_sent < total) {
		unsigned int len = random_below(sizeof(bytes));

		if (len > total - sent_in)
			len = total - sent_in;
		for (i = 0; i < len; i++)
			bytes[i] = sent_byte(sent_in + i) ^ 0x55;
		n = write(c.in[1], bytes, len);
		sent_in += n > 0 ? n : 0;
		if (next_random() & 1)
			feed(&c);
		if (!(next_random() & 7) && d.to_send < total) {
			d.to_send += random_below(100);
			if (d.to_send > total)
				d.to_send = total;
			out_byte(&c, UART_IER, UART_IER_RDI | UART_IER_THRI);
		}
		/* An edge must have brought the driver here. */
		if (fake_rises(c.irqs, IRQ_SERIAL))
			serve_interrupt(&d);
		CHECK(!fake_high(c.irqs, IRQ_SERIAL));
		n = read(c.out[0], said, sizeof(said));
		for (i = 0; n > 0 && i < n; i++)
			CHECK_EQ(said[i], sent_byte(seen++));
		if (failures)
			break;
	}
	for (i = 0; i < d.nr_got && !failures; i++)
		CHECK_EQ(d.got[i], sent_byte(i) ^ 0x55);
	CHECK_EQ(seen, total);
	port_close(&c);
}

/* What the guest clears is what the FIFO has, not what is behind it. */
static void test_clear(void)
{
	struct console c;

	port_open(&c, true);
	out_byte(&c, UART_FCR, UART_FCR_ENABLE_FIFO);
	type(&c, "0123456789abcdefgh");
	out_byte(&c, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_XMIT);
	CHECK_EQ(in_byte(&c, UART_RX), '0');
	out_byte(&c, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	CHECK_EQ(in_byte(&c, UART_RX), 'h');
	type(&c, "xy");
	out_byte(&c, UART_FCR, 0);
	CHECK_EQ(in_byte(&c, UART_LSR), EMPTY);
	port_close(&c);
}

/* ---- wild accesses ----------------------------------------------------------- */

static void test_random(void)
{
	static const unsigned int sizes[] = { 1, 2, 4 };
	unsigned int i, n = rounds(200000);
	struct console c;
	u8 said[4096];

	port_open(&c, true);
	for (i = 0; i < n; i++) {
		unsigned int size = sizes[random_below(3)];
		u64 value = next_random(), port = 0x3f0 + random_below(24);
		u8 iir, mcr;

		if (value >> 32 & 1)
			bus_write(&c.m.ports, port, &value, size);
		else
			bus_read(&c.m.ports, port, &value, size);
		if (value >> 40 & 1 && write(c.in[1], &value, 8) > 0)
			feed(&c);
		if (!(value >> 41 & 0x7fff))
			fake_reset(&c.m);
		if (i % 512 == 0)
			while (read(c.out[0], said, sizeof(said)) > 0)
				;
		/* The line says what IIR says, if MCR lets it out. */
		mcr = in_byte(&c, UART_MCR);
		value = fake_high(c.irqs, IRQ_SERIAL);
		iir = in_byte(&c, UART_IIR);
		CHECK_EQ(value, !(iir & 1) && (mcr & 0x18) == 0x08);
		if (failures)
			break;
	}
	CHECK(!machine_ended(&c.m));
	port_close(&c);
}

static void *disturb(void *arg)
{
	struct console *c = arg;
	unsigned int i;

	for (i = 0; i < 20000; i++) {
		out_byte(c, UART_IER, i);
		in_byte(c, UART_IIR);
		in_byte(c, UART_LSR);
		in_byte(c, UART_RX);
	}
	return NULL;
}

/* Two CPUs and the main thread at once; every byte is there in the end. */
static void test_many_threads(void)
{
	pthread_t other, reader;
	struct console c;
	unsigned int i;
	void *total;

	port_open(&c, true);
	out_byte(&c, UART_MCR, MCR_ON);
	CHECK(!pthread_create(&reader, NULL, drain, &c));
	CHECK(!pthread_create(&other, NULL, disturb, &c));
	for (i = 0; i < 20000; i++) {
		out_byte(&c, UART_TX, '.');
		if (write(c.in[1], "abc", 3) == 3)
			fake_poll(&c.m);
	}
	pthread_join(other, NULL);
	out_byte(&c, UART_TX, '!');
	pthread_join(reader, &total);
	CHECK_EQ((unsigned long)total, 20001);
	port_close(&c);
}

static const struct unit tests[] = {
	{ "registers", test_registers },
	{ "probe", test_probe },
	{ "transmit_interrupt", test_transmit_interrupt },
	{ "receive_interrupt", test_receive_interrupt },
	{ "priorities", test_priorities },
	{ "out2", test_out2 },
	{ "loopback", test_loopback },
	{ "modem_lines", test_modem_lines },
	{ "break", test_break },
	{ "input", test_input },
	{ "typed_early", test_typed_early },
	{ "clear", test_clear },
	{ "driver_random", test_driver_random },
	{ "serial_random_class_39", test_random },
	{ "many_threads_class_37", test_many_threads },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, tests, ARRAY_SIZE(tests));
}
