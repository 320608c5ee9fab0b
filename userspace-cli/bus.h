/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A bus: ranges of addresses and who answers there. A machine has two, one of
 * ports and one of physical addresses where no memory is.
 */
#ifndef LODGE_CLI_BUS_H
#define LODGE_CLI_BUS_H

#include <pthread.h>

#include "cli.h"

#define BUS_RANGES	32
#define BUS_NAMED	64

/*
 * @off is relative to the range and off + size never leaves it. @data has
 * @size bytes, 1 to 8, in the guest's byte order. Called from any vCPU's
 * thread: what a device shares between calls it has to lock.
 */
struct bus_range {
	u64 base;
	u64 len;
	void (*read)(void *dev, u64 off, void *data, unsigned int size);
	void (*write)(void *dev, u64 off, const void *data, unsigned int size);
	void *dev;
};

struct bus {
	const char *what;		/* "port" or "address" */
	bool verbose;			/* name what nobody claims */
	struct bus_range range[BUS_RANGES];
	unsigned int nr_ranges;
	pthread_mutex_t lock;		/* of named, nr_named */
	u64 named[BUS_NAMED];		/* unclaimed addresses told already */
	unsigned int nr_named;
};

void bus_init(struct bus *bus, const char *what, bool verbose);

/* Before the first vCPU runs. False: full, empty, wraps, or overlaps another. */
bool bus_add(struct bus *bus, const struct bus_range *range);

/* An access of the guest. What nobody claims reads as all ones. */
void bus_read(struct bus *bus, u64 addr, void *data, unsigned int size);
void bus_write(struct bus *bus, u64 addr, const void *data, unsigned int size);

#endif
