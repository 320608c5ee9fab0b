/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The devices that `lodge run` can put into a machine. Each is a file of its
 * own that puts itself on the machine's buses; false means there is no room.
 */
#ifndef LODGE_CLI_DEVICES_H
#define LODGE_CLI_DEVICES_H

#include "machine.h"

#define SERIAL_PORT	0x3f8
#define EXIT_PORT	0xf4

struct serial;

/* A 16550 at SERIAL_PORT that speaks to two files; NULL: no room or memory. */
struct serial *serial_create(struct machine *m, int in_fd, int out_fd);
void serial_free(struct serial *s);

/* A write to EXIT_PORT ends the machine with the value as its status. */
bool exit_port_create(struct machine *m);

#endif
