// SPDX-License-Identifier: GPL-2.0
/*
 * Finds the device behind an address. The table is fixed before the guest
 * runs, so looking into it needs no lock.
 */
#include <string.h>

#include "bus.h"
#include "err.h"

void bus_init(struct bus *bus, const char *what, bool verbose)
{
	memset(bus, 0, sizeof(*bus));
	bus->what = what;
	bus->verbose = verbose;
	pthread_mutex_init(&bus->lock, NULL);
}

bool bus_add(struct bus *bus, const struct bus_range *range)
{
	u64 last = range->base + range->len - 1;
	unsigned int i;

	if (bus->nr_ranges == BUS_RANGES || !range->len || last < range->base)
		return false;
	for (i = 0; i < bus->nr_ranges; i++) {
		const struct bus_range *r = &bus->range[i];

		if (range->base <= r->base + r->len - 1 && r->base <= last)
			return false;
	}
	bus->range[bus->nr_ranges++] = *range;
	return true;
}

static const struct bus_range *find(const struct bus *bus, u64 addr)
{
	unsigned int i;

	for (i = 0; i < bus->nr_ranges; i++) {
		const struct bus_range *r = &bus->range[i];

		if (addr >= r->base && addr - r->base < r->len)
			return r;
	}
	return NULL;
}

/* True when one device has, or nobody has, all @size bytes at @addr. */
static bool undivided(const struct bus *bus, u64 addr, unsigned int size)
{
	const struct bus_range *r = find(bus, addr);
	unsigned int i;

	for (i = 1; i < size; i++)
		if (find(bus, addr + i) != r)
			return false;
	return true;
}

/* Says once per address what the guest looked for in vain. */
static void unclaimed(struct bus *bus, u64 addr, unsigned int size, bool write)
{
	unsigned int i;

	if (!bus->verbose)
		return;
	pthread_mutex_lock(&bus->lock);
	for (i = 0; i < bus->nr_named; i++)
		if (bus->named[i] == addr)
			break;
	if (i == bus->nr_named && i < BUS_NAMED) {
		bus->named[bus->nr_named++] = addr;
		note("guest: %s %#llx: %s of %u byte%s, nothing is there%s",
		     bus->what, (unsigned long long)addr,
		     write ? "write" : "read", size, size == 1 ? "" : "s",
		     i == BUS_NAMED - 1 ? " (further ones are not named)" : "");
	}
	pthread_mutex_unlock(&bus->lock);
}

void bus_read(struct bus *bus, u64 addr, void *data, unsigned int size)
{
	const struct bus_range *r = find(bus, addr);
	u8 *bytes = data;
	unsigned int i;

	/* Over a device's edge a chipset takes an access apart. */
	if (!undivided(bus, addr, size)) {
		for (i = 0; i < size; i++)
			bus_read(bus, addr + i, bytes + i, 1);
		return;
	}
	memset(data, 0xff, size);
	if (r && r->read)
		r->read(r->dev, addr - r->base, data, size);
	else if (!r)
		unclaimed(bus, addr, size, false);
}

void bus_write(struct bus *bus, u64 addr, const void *data, unsigned int size)
{
	const struct bus_range *r = find(bus, addr);
	const u8 *bytes = data;
	unsigned int i;

	if (!undivided(bus, addr, size)) {
		for (i = 0; i < size; i++)
			bus_write(bus, addr + i, bytes + i, 1);
		return;
	}
	if (r && r->write)
		r->write(r->dev, addr - r->base, data, size);
	else if (!r)
		unclaimed(bus, addr, size, true);
}
