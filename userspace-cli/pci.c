// SPDX-License-Identifier: GPL-2.0
/*
 * The PCI bus: two ports through which configuration space is reached, and a window of
 * addresses in which BARs may move about. The bus's lock covers both; a device is called
 * without it, since it takes its own and may come back here.
 */
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "devices.h"
#include "err.h"
#include "pci.h"

/* The bridge has no registers of its own: a name that no driver looks for. */
#define BRIDGE_VENDOR		0x1b36
#define BRIDGE_DEVICE		0x0008
#define BRIDGE_CLASS		0x060000

#define ADDRESS_ENABLE		0x80000000u
#define ADDRESS_BITS		0x80fffffcu
#define ADDRESS_PORTS		4	/* before those of the data */

#define COMMAND_BITS	(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | \
			 PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)

static u16 get16(const u8 *at)
{
	return at[0] | at[1] << 8;
}

static u32 get32(const u8 *at)
{
	return get16(at) | (u32)get16(at + 2) << 16;
}

static void put16(u8 *at, u16 value)
{
	at[0] = value;
	at[1] = value >> 8;
}

static void put32(u8 *at, u32 value)
{
	put16(at, value);
	put16(at + 2, value >> 16);
}

static unsigned int bar_register(unsigned int bar)
{
	return PCI_BASE_ADDRESS_0 + 8 * bar;
}

/* ---- lines --------------------------------------------------------------- */

/* With the lock: the wire follows what the device wants and the guest allows. */
static void update_line(struct pci_device *dev)
{
	struct irqs *irqs = dev->pci->machine->irqs;
	bool line = dev->asserted && !dev->msix &&
		    !(get16(dev->config + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE);

	if (line == dev->line)
		return;
	dev->line = line;
	irqs_line(irqs, IRQ_PCI(dev->slot, PCI_PIN_A), dev->source, line);
}

void pci_line(struct pci_device *dev, bool high)
{
	pthread_mutex_lock(&dev->pci->lock);
	dev->asserted = high;
	update_line(dev);
	pthread_mutex_unlock(&dev->pci->lock);
}

/* ---- configuration space ------------------------------------------------- */

u32 pci_config_get(struct pci_device *dev, unsigned int off, unsigned int size)
{
	u32 value = 0;

	pthread_mutex_lock(&dev->pci->lock);
	memcpy(&value, dev->config + off, size);
	pthread_mutex_unlock(&dev->pci->lock);
	return value;
}

void pci_config_set(struct pci_device *dev, unsigned int off, unsigned int size, u32 value)
{
	pthread_mutex_lock(&dev->pci->lock);
	memcpy(dev->config + off, &value, size);
	pthread_mutex_unlock(&dev->pci->lock);
}

static void config_read(struct pci_device *dev, unsigned int off, void *data,
			unsigned int size)
{
	u8 *status = dev->config + PCI_STATUS;

	if (dev->reading)
		dev->reading(dev, off, size);
	pthread_mutex_lock(&dev->pci->lock);
	*status &= ~PCI_STATUS_INTERRUPT;
	if (dev->asserted && !dev->msix)
		*status |= PCI_STATUS_INTERRUPT;
	memcpy(data, dev->config + off, size);
	pthread_mutex_unlock(&dev->pci->lock);
}

static void config_write(struct pci_device *dev, unsigned int off, const u8 *data,
			 unsigned int size)
{
	unsigned int i;

	pthread_mutex_lock(&dev->pci->lock);
	for (i = 0; i < size; i++) {
		u8 bits = dev->writable[off + i];

		dev->config[off + i] = (dev->config[off + i] & ~bits) | (data[i] & bits);
	}
	if (dev->nr_vectors && off < dev->msix_cap + 4 && off + size > dev->msix_cap)
		pci_msix_control(dev);
	update_line(dev);
	pthread_mutex_unlock(&dev->pci->lock);
	if (dev->written)
		dev->written(dev, off, size);
}

/* ---- mechanism 1 --------------------------------------------------------- */

/* The device that the address register tells of, and which of its registers; or NULL. */
static struct pci_device *addressed(struct pci *pci, unsigned int *off)
{
	u32 address;

	pthread_mutex_lock(&pci->lock);
	address = pci->address;
	pthread_mutex_unlock(&pci->lock);
	*off = address & 0xfc;
	/* One bus, and devices with one function. */
	if (!(address & ADDRESS_ENABLE) || address & 0x00ff0700)
		return NULL;
	return pci->slot[address >> 11 & 31];
}

static void ports_read(void *arg, u64 port, void *data, unsigned int size)
{
	struct pci *pci = arg;
	struct pci_device *dev;
	unsigned int off;

	if (port == 0 && size == 4) {
		pthread_mutex_lock(&pci->lock);
		memcpy(data, &pci->address, size);
		pthread_mutex_unlock(&pci->lock);
	} else if (port >= ADDRESS_PORTS) {
		dev = addressed(pci, &off);
		if (dev)
			config_read(dev, off + port - ADDRESS_PORTS, data, size);
	}
}

static void ports_write(void *arg, u64 port, const void *data, unsigned int size)
{
	struct pci *pci = arg;
	struct pci_device *dev;
	unsigned int off;

	/* The address is written as a whole; one of its bytes is another register. */
	if (port == 0 && size == 4) {
		pthread_mutex_lock(&pci->lock);
		memcpy(&pci->address, data, size);
		pci->address &= ADDRESS_BITS;
		pthread_mutex_unlock(&pci->lock);
	} else if (port == PORT_RESET - PORT_PCI_ADDRESS && size == 1) {
		pm_reset_write(pci->machine, *(const u8 *)data);
	} else if (port >= ADDRESS_PORTS) {
		dev = addressed(pci, &off);
		if (dev)
			config_write(dev, off + port - ADDRESS_PORTS, data, size);
	}
}

/* ---- BARs ---------------------------------------------------------------- */

/* With the lock. What leaves the window is not decoded any more. */
static u64 bar_address(const struct pci_device *dev, unsigned int bar)
{
	const u8 *reg = dev->config + bar_register(bar);
	u64 size = dev->bar[bar].size;
	u64 at = (u64)get32(reg + 4) << 32 | (get32(reg) & PCI_BASE_ADDRESS_MEM_MASK);

	if (!size || !(get16(dev->config + PCI_COMMAND) & PCI_COMMAND_MEMORY) ||
	    at < PLATFORM_PCI_BASE || at > PLATFORM_PCI_END - size)
		return 0;
	return at;
}

u64 pci_bar_address(struct pci_device *dev, unsigned int bar)
{
	u64 at;

	pthread_mutex_lock(&dev->pci->lock);
	at = bar_address(dev, bar);
	pthread_mutex_unlock(&dev->pci->lock);
	return at;
}

/* Who has all of an access; where BARs lie over each other, the first slot does. */
static struct pci_device *find(struct pci *pci, u64 addr, unsigned int size,
			       unsigned int *bar, u64 *off)
{
	struct pci_device *found = NULL;
	unsigned int i, b;

	pthread_mutex_lock(&pci->lock);
	for (i = 0; i < PCI_SLOTS && !found; i++) {
		for (b = 0; pci->slot[i] && b < PCI_BARS && !found; b++) {
			u64 at = bar_address(pci->slot[i], b);

			if (!at || addr < at || addr - at > pci->slot[i]->bar[b].size - size)
				continue;
			found = pci->slot[i];
			*bar = b;
			*off = addr - at;
		}
	}
	pthread_mutex_unlock(&pci->lock);
	return found;
}

static void window_read(void *arg, u64 off, void *data, unsigned int size)
{
	struct pci_device *dev;
	unsigned int i, bar;
	u64 at;

	dev = find(arg, PLATFORM_PCI_BASE + off, size, &bar, &at);
	if (dev)
		dev->bar[bar].read(dev, at, data, size);
	else	/* over an edge: byte by byte, as the bus does it */
		for (i = 0; size > 1 && i < size; i++)
			window_read(arg, off + i, (u8 *)data + i, 1);
}

static void window_write(void *arg, u64 off, const void *data, unsigned int size)
{
	struct pci_device *dev;
	unsigned int i, bar;
	u64 at;

	dev = find(arg, PLATFORM_PCI_BASE + off, size, &bar, &at);
	if (dev)
		dev->bar[bar].write(dev, at, data, size);
	else
		for (i = 0; size > 1 && i < size; i++)
			window_write(arg, off + i, (const u8 *)data + i, 1);
}

/* ---- devices ------------------------------------------------------------- */

static bool place_bar(struct pci *pci, struct pci_device *dev, unsigned int bar)
{
	u64 size = dev->bar[bar].size, home = (pci->next_home + size - 1) & -size;
	u8 *reg = dev->birth + bar_register(bar);
	u8 *bits = dev->writable + bar_register(bar);

	if (size < PAGE_SIZE || size & (size - 1) || home > PLATFORM_PCI_END - size)
		return false;
	dev->bar[bar].home = home;
	pci->next_home = home + size;
	put32(reg, (u32)home | PCI_BASE_ADDRESS_MEM_TYPE_64);
	put32(reg + 4, home >> 32);
	put32(bits, (u32)-size & PCI_BASE_ADDRESS_MEM_MASK);
	put32(bits + 4, -size >> 32);
	return true;
}

static void fill_header(struct pci_device *dev)
{
	u8 *birth = dev->birth, *writable = dev->writable;

	memset(birth, 0, sizeof(dev->birth));
	memset(writable, 0, sizeof(dev->writable));
	put16(birth + PCI_VENDOR_ID, dev->vendor);
	put16(birth + PCI_DEVICE_ID, dev->id);
	put32(birth + PCI_CLASS_REVISION, dev->class << 8 | dev->revision);
	put16(birth + PCI_SUBSYSTEM_VENDOR_ID, dev->subsystem_vendor);
	put16(birth + PCI_SUBSYSTEM_ID, dev->subsystem);
	put16(writable + PCI_COMMAND, COMMAND_BITS);
	writable[PCI_CACHE_LINE_SIZE] = 0xff;
	dev->next_cap = PCI_STD_HEADER_SIZEOF;
	dev->last_cap = 0;
}

/* The bridge does not interrupt. */
static void fill_interrupt(struct pci_device *dev)
{
	dev->birth[PCI_INTERRUPT_LINE] = IRQ_PCI(dev->slot, PCI_PIN_A);
	dev->birth[PCI_INTERRUPT_PIN] = PCI_PIN_A + 1;
	dev->writable[PCI_INTERRUPT_LINE] = 0xff;
	dev->source = irqs_source(dev->pci->machine->irqs);
}

unsigned int pci_add_capability(struct pci_device *dev, u8 id, const void *bytes,
				const void *writable, unsigned int size)
{
	unsigned int at = dev->next_cap;

	if (size > PCI_CONFIG_SIZE - at)
		return 0;
	memcpy(dev->birth + at, bytes, size);
	if (writable)
		memcpy(dev->writable + at, writable, size);
	dev->birth[at + PCI_CAP_LIST_ID] = id;
	dev->birth[at + PCI_CAP_LIST_NEXT] = 0;
	if (dev->last_cap)
		dev->birth[dev->last_cap + PCI_CAP_LIST_NEXT] = at;
	else
		dev->birth[PCI_CAPABILITY_LIST] = at;
	dev->birth[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	dev->last_cap = at;
	dev->next_cap = (at + size + 3) & ~3u;
	memcpy(dev->config, dev->birth, sizeof(dev->config));
	return at;
}

int pci_add(struct machine *m, struct pci_device *dev)
{
	struct pci *pci = m->pci;
	unsigned int i;
	int status;

	if (!pci || !m->irqs)
		return err(STATUS_HOST, "%s: this machine has no PCI bus: do without it",
			   dev->name);
	for (dev->slot = 0; dev->slot < PCI_SLOTS && pci->slot[dev->slot]; dev->slot++)
		;
	if (dev->slot == PCI_SLOTS)
		return err(STATUS_USAGE, "%s: the PCI bus is full: give the machine fewer devices",
			   dev->name);
	dev->pci = pci;
	fill_header(dev);
	fill_interrupt(dev);
	if (dev->nr_vectors)
		pci_msix_prepare(dev);
	for (i = 0; i < PCI_BARS; i++)
		if (dev->bar[i].size && !place_bar(pci, dev, i))
			return err(STATUS_HOST, "%s: no room for its registers: do without it",
				   dev->name);
	memcpy(dev->config, dev->birth, sizeof(dev->config));
	pci->slot[dev->slot] = dev;
	status = dev->nr_vectors ? pci_msix_create(dev) : 0;
	if (status)
		pci_remove(dev);
	return status;
}

void pci_remove(struct pci_device *dev)
{
	struct pci *pci = dev->pci;

	if (!pci || pci->slot[dev->slot] != dev)
		return;
	pci_line(dev, false);
	if (dev->nr_vectors)
		pci_msix_free(dev);
	pthread_mutex_lock(&pci->lock);
	pci->slot[dev->slot] = NULL;
	pthread_mutex_unlock(&pci->lock);
}

static void reset(void *arg)
{
	struct pci *pci = arg;
	unsigned int i;

	pthread_mutex_lock(&pci->lock);
	pci->address = 0;
	for (i = 0; i < PCI_SLOTS; i++) {
		struct pci_device *dev = pci->slot[i];

		if (!dev)
			continue;
		memcpy(dev->config, dev->birth, sizeof(dev->config));
		if (dev->nr_vectors)
			pci_msix_reset(dev);
		dev->asserted = false;
		update_line(dev);
	}
	pthread_mutex_unlock(&pci->lock);
}

static void free_bus(void *arg)
{
	struct pci *pci = arg;

	pci->machine->pci = NULL;
	pthread_mutex_destroy(&pci->lock);
	free(pci);
}

static void add_bridge(struct pci *pci)
{
	struct pci_device *dev = &pci->bridge;

	*dev = (struct pci_device){
		.name = "host bridge",
		.vendor = BRIDGE_VENDOR,
		.id = BRIDGE_DEVICE,
		.class = BRIDGE_CLASS,
		.pci = pci,
	};
	fill_header(dev);
	memcpy(dev->config, dev->birth, sizeof(dev->config));
	pci->slot[0] = dev;
}

static bool no_bus(const char *why)
{
	err(STATUS_HOST, "PCI bus: %s", why);
	return false;
}

bool pci_create(struct machine *m)
{
	struct pci *pci = calloc(1, sizeof(*pci));
	struct machine_part part = { .reset = reset, .free = free_bus, .arg = pci };
	struct bus_range ports = {
		.base = PORT_PCI_ADDRESS, .len = 8,
		.read = ports_read, .write = ports_write, .dev = pci,
	};
	struct bus_range window = {
		.base = PLATFORM_PCI_BASE, .len = PLATFORM_PCI_END - PLATFORM_PCI_BASE,
		.read = window_read, .write = window_write, .dev = pci,
	};

	if (!pci)
		return no_bus("no memory");
	pci->machine = m;
	pci->next_home = PLATFORM_PCI_BASE;
	pthread_mutex_init(&pci->lock, NULL);
	add_bridge(pci);
	if (bus_add(&m->ports, &ports) && bus_add(&m->addresses, &window) &&
	    machine_add(m, &part)) {
		m->pci = pci;
		return true;
	}
	free(pci);
	return no_bus("its addresses are taken, or the machine is full");
}
