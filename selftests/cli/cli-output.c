// SPDX-License-Identifier: GPL-2.0
/*
 * The files of the console: they end, fill up and go away. Nothing is lost that somebody may
 * still read, nobody is held up for ever, and the main thread does not turn in circles.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "serialport.h"
#include "err.h"

static void test_end_of_input(void)
{
	struct console c;

	port_open(&c, false);
	/* At its end the file is asked no more. */
	close(c.in[1]);
	c.in[1] = open("/dev/null", O_RDONLY);
	CHECK_EQ(fake_poll(&c.m), 1);
	CHECK_EQ(fake_poll(&c.m), 0);
	CHECK(!feed(&c));
	port_close(&c);
}

static void test_lost_output(void)
{
	struct console c;

	port_open(&c, false);
	close(c.out[0]);
	c.out[0] = open("/dev/null", O_RDONLY);
	out_byte(&c, UART_TX, 'x');
	CHECK(machine_ended(&c.m));
	CHECK_EQ(c.m.end.status, STATUS_CONSOLE);
	/* Once the machine has ended a full console holds nobody up. */
	port_close(&c);
	port_open(&c, false);
	while (write(c.out[1], "xxxxxxxx", 8) > 0)
		;
	machine_stop(&c.m, END_TIMEOUT, STATUS_TIMEOUT, NULL);
	out_byte(&c, UART_TX, 'x');
	port_close(&c);
}

static void *end_soon(void *arg)
{
	struct console *c = arg;

	usleep(1000);
	machine_stop(&c->m, END_TIMEOUT, STATUS_TIMEOUT, NULL);
	return NULL;
}

/* The machine's end frees who waits for a full file, before it or in it. */
static void test_end_while_full(void)
{
	struct console c;
	pthread_t other;
	unsigned int i;

	port_open_waiting(&c);
	CHECK(!fcntl(c.out[1], F_SETFL, O_NONBLOCK));
	while (write(c.out[1], "xxxxxxxx", 8) > 0)
		;
	CHECK(!fcntl(c.out[1], F_SETFL, 0));
	CHECK(!pthread_create(&other, NULL, end_soon, &c));
	for (i = 0; i < 3; i++)
		out_byte(&c, UART_TX, 'y');
	CHECK(machine_ended(&c.m));
	pthread_join(other, NULL);
	port_close(&c);
}

/* A full file holds the guest up and loses nothing, be it one that waits or not. */
static void test_full_output(void)
{
	struct console c;
	pthread_t reader;
	unsigned int i, mode;
	void *total;

	for (mode = 0; mode < 2; mode++) {
		if (mode)
			port_open(&c, false);
		else
			port_open_waiting(&c);
		CHECK(!pthread_create(&reader, NULL, drain, &c));
		for (i = 0; i < 100000; i++)
			out_byte(&c, UART_TX, '.');
		out_byte(&c, UART_TX, '!');
		pthread_join(reader, &total);
		CHECK_EQ((unsigned long)total, 100001);
		port_close(&c);
	}
}

/* Input that fails: a terminal whose other end is gone leaves its last word, and no more. */
static void test_input_hangs_up(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), slave;
	struct machine m;
	struct cpu cpu;
	unsigned int i;
	u8 value = 0;

	fake_machine(&m, &cpu);
	CHECK(master >= 0 && !grantpt(master) && !unlockpt(master));
	CHECK(serial_create(&m, master, -1));
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	CHECK_EQ(write(slave, "x\n", 2), 2);
	CHECK(fake_poll(&m) > 0);
	bus_read(&m.ports, PORT_SERIAL + UART_RX, &value, 1);
	CHECK_EQ(value, 'x');
	close(slave);
	for (i = 0; i < 3; i++)
		fake_poll(&m);
	CHECK_EQ(fake_poll(&m), 0);
	CHECK(!machine_ended(&m));
	close(master);
	fake_free(&m, &cpu);
}

static void test_no_files(void)
{
	struct machine m;
	struct cpu cpu;
	u8 value = 'x';

	fake_machine(&m, &cpu);
	CHECK(serial_create(&m, -1, -1));
	CHECK_EQ(m.events.nr_sources, 0);
	bus_write(&m.ports, PORT_SERIAL, &value, 1);
	bus_read(&m.ports, PORT_SERIAL + UART_LSR, &value, 1);
	CHECK_EQ(value, EMPTY);
	CHECK(!machine_ended(&m));
	/* The ports are taken. */
	CHECK(!serial_create(&m, -1, -1));
	fake_free(&m, &cpu);
}

static const struct unit tests[] = {
	{ "end_of_input", test_end_of_input },
	{ "lost_output", test_lost_output },
	{ "end_while_full", test_end_while_full },
	{ "full_output", test_full_output },
	{ "input_hangs_up", test_input_hangs_up },
	{ "no_files", test_no_files },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, tests, ARRAY_SIZE(tests));
}
