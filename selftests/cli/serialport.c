// SPDX-License-Identifier: GPL-2.0
/* For tests of the serial port: see serialport.h. */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "serialport.h"

static void open_port(struct console *c, bool irqs, int out_flags)
{
	fake_machine(&c->m, &c->cpu);
	c->irqs = irqs ? fake_irqs(&c->m) : NULL;
	CHECK(!pipe2(c->in, O_NONBLOCK) && !pipe2(c->out, O_NONBLOCK));
	CHECK(!fcntl(c->out[1], F_SETFL, out_flags));
	CHECK(serial_create(&c->m, c->in[0], c->out[1]));
}

void port_open(struct console *c, bool irqs)
{
	open_port(c, irqs, O_NONBLOCK);
}

void port_open_waiting(struct console *c)
{
	open_port(c, false, 0);
}

void port_close(struct console *c)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		close(c->in[i]);
		close(c->out[i]);
	}
	fake_free(&c->m, &c->cpu);
}

u8 in_byte(struct console *c, unsigned int reg)
{
	u8 value = 0;

	bus_read(&c->m.ports, PORT_SERIAL + reg, &value, 1);
	return value;
}

void out_byte(struct console *c, unsigned int reg, u8 value)
{
	bus_write(&c->m.ports, PORT_SERIAL + reg, &value, 1);
}

bool feed(struct console *c)
{
	return fake_ready(&c->m, c->in[0], POLLIN);
}

void type(struct console *c, const char *text)
{
	CHECK_EQ(write(c->in[1], text, strlen(text)), strlen(text));
	CHECK(feed(c));
}

void check_output(struct console *c, const char *text)
{
	char said[64];
	ssize_t n = read(c->out[0], said, sizeof(said) - 1);

	said[n < 0 ? 0 : n] = 0;
	if (strcmp(said, text)) {
		printf("# output is \"%s\", expected \"%s\"\n", said, text);
		failures++;
	}
}

void *drain(void *arg)
{
	struct console *c = arg;
	struct pollfd fd = { .fd = c->out[0], .events = POLLIN };
	unsigned long total = 0;
	char said[4096];
	ssize_t n;

	while (poll(&fd, 1, 2000) == 1) {
		n = read(c->out[0], said, sizeof(said));
		if (n > 0 && memchr(said, '!', n))
			return (void *)(total + n);
		total += n > 0 ? n : 0;
	}
	return NULL;
}
