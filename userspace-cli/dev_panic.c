// SPDX-License-Identifier: GPL-2.0
/*
 * The panic device (pvpanic on PCI): one byte by which a guest's kernel tells that it
 * panicked, before it does anything about that itself. A read tells which events it may
 * send. With that the machine ends; a kernel that has another one ready to look into its
 * crash is left to do so.
 */
#include <misc/pvpanic.h>
#include <stdlib.h>
#include <string.h>

#include "devices.h"
#include "err.h"
#include "pci.h"

/* The names that drivers know it by. */
#define PANIC_VENDOR		0x1b36
#define PANIC_DEVICE		0x0011
#define PANIC_SUBSYSTEM_VENDOR	0x1af4
#define PANIC_SUBSYSTEM		0x1100

#define PCI_CLASS		0x088000	/* a system peripheral of no other kind */

#define EVENTS			(PVPANIC_PANICKED | PVPANIC_CRASH_LOADED)

struct panic {
	struct pci_device dev;
	struct machine *machine;
	atomic_bool told;	/* of a crash kernel, since the start: a guest repeats itself */
};

static void panic_read(struct pci_device *dev, u64 off, void *data, unsigned int size)
{
	(void)dev;
	memset(data, 0, size);
	if (off == 0)
		*(u8 *)data = EVENTS;
}

static void panic_write(struct pci_device *dev, u64 off, const void *data, unsigned int size)
{
	struct panic *p = dev->arg;
	u8 events = off == 0 ? *(const u8 *)data : 0;

	(void)size;
	if (events & PVPANIC_PANICKED)
		machine_stop(p->machine, END_PANIC, STATUS_PANIC,
			     "guest: its kernel panicked: its console tells why: a picture of it is kept with --dump-on-crash FILE");
	else if (events & PVPANIC_CRASH_LOADED && !atomic_exchange(&p->told, true))
		note("guest: its kernel panicked and starts its crash kernel");
}

static void panic_reset(void *arg)
{
	struct panic *p = arg;

	atomic_store(&p->told, false);
}

static void panic_free(void *arg)
{
	struct panic *p = arg;

	pci_remove(&p->dev);
	free(p);
}

int panic_create(struct machine *m)
{
	struct panic *p = calloc(1, sizeof(*p));
	struct machine_part part = { .reset = panic_reset, .free = panic_free, .arg = p };

	if (!p)
		return err(STATUS_HOST, "panic device: no memory");
	p->machine = m;
	p->dev = (struct pci_device){
		.name = "panic device",
		.vendor = PANIC_VENDOR,
		.id = PANIC_DEVICE,
		.subsystem_vendor = PANIC_SUBSYSTEM_VENDOR,
		.subsystem = PANIC_SUBSYSTEM,
		.class = PCI_CLASS,
		.bar[0] = { .size = PAGE_SIZE, .read = panic_read, .write = panic_write },
		.arg = p,
	};
	if (!machine_add(m, &part)) {
		free(p);
		return err(STATUS_HOST, "panic device: the machine is full: give it fewer devices");
	}
	return pci_add(m, &p->dev);
}
