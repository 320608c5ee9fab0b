/* SPDX-License-Identifier: GPL-2.0 */
/* For tests of the serial port: a machine with one, between two pipes. */
#ifndef LODGE_CLI_SERIALPORT_H
#define LODGE_CLI_SERIALPORT_H

#include <linux/serial_reg.h>

#include "devices.h"
#include "units.h"

#define EMPTY		(UART_LSR_THRE | UART_LSR_TEMT)

struct console {
	struct machine m;
	struct cpu cpu;
	struct fake_irqs *irqs;
	int in[2], out[2];	/* the test's own ends never wait */
};

void port_open(struct console *c, bool irqs);
/* A write to the output waits while the pipe is full. */
void port_open_waiting(struct console *c);
void port_close(struct console *c);

/* The guest's accesses. */
u8 in_byte(struct console *c, unsigned int reg);
void out_byte(struct console *c, unsigned int reg, u8 value);

/* What the main thread does when its wait says that there is input. */
bool feed(struct console *c);
/* Writes and feeds. */
void type(struct console *c, const char *text);
/* What has come out since the last time; fewer than 64 bytes. */
void check_output(struct console *c, const char *text);

/* A thread: reads the output up to an exclamation mark, and returns how much there was. */
void *drain(void *console);

#endif
