// SPDX-License-Identifier: GPL-2.0
/*
 * The debug console: one port that takes bytes without any set-up, as Bochs has it. A read
 * tells that it is there.
 */
#include <stdlib.h>
#include <string.h>

#include "devices.h"
#include "err.h"
#include "output.h"

static void debugcon_read(void *dev, u64 off, void *data, unsigned int size)
{
	(void)dev;
	(void)off;
	memset(data, PORT_DEBUG_CONSOLE, size);
}

static void debugcon_write(void *dev, u64 off, const void *data, unsigned int size)
{
	const u8 *bytes = data;
	unsigned int i;

	(void)off;
	for (i = 0; i < size; i++)
		output_byte(dev, bytes[i]);
}

bool debug_console_create(struct machine *m, int out_fd)
{
	struct output *o = calloc(1, sizeof(*o));
	struct bus_range port = {
		.base = PORT_DEBUG_CONSOLE,
		.len = 1,
		.read = debugcon_read,
		.write = debugcon_write,
		.dev = o,
	};
	struct machine_part part = { .free = free, .arg = o };

	if (o) {
		output_init(o, m, "debug console", out_fd);
		if (bus_add(&m->ports, &port) && machine_add(m, &part))
			return true;
	}
	free(o);
	return !err(STATUS_HOST, "debug console: no memory, or no room in the machine");
}
