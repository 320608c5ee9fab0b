// SPDX-License-Identifier: GPL-2.0
/*
 * The exit port: by one OUT of 1, 2 or 4 bytes a guest says that it is done
 * and how it went.
 */
#include "devices.h"

static void exit_write(void *dev, u64 off, const void *data, unsigned int size)
{
	const u8 *value = data;

	(void)size;
	if (off == 0)
		machine_stop(dev, END_EXIT, value[0], NULL);
}

bool exit_port_create(struct machine *m)
{
	return bus_add(&m->ports, &(struct bus_range){
		.base = PORT_EXIT,
		.len = 4,
		.write = exit_write,
		.dev = m,
	});
}
