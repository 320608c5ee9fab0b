/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A PCI bus with 32 slots behind a host bridge, which is in slot 0: configuration
 * mechanism 1, type 0 headers, memory BARs of 64 bits, INTA# and MSI-X. There is no
 * firmware, so a device has its BARs and its interrupt line from the beginning.
 */
#ifndef LODGE_CLI_PCI_H
#define LODGE_CLI_PCI_H

#include <pthread.h>
#include <stdatomic.h>

#include "machine.h"
#include "platform.h"

#define PCI_SLOTS		32
#define PCI_BARS		3	/* 0, 2 and 4: each takes two registers */
#define PCI_CONFIG_SIZE		256
#define PCI_VECTORS		32

/* All slots use INTA#. */
#define PCI_PIN_A		0

struct pci_device;

struct pci_bar {
	u64 size;		/* a power of two from 4 KiB on; 0: there is none */
	u64 home;		/* where it is after power on */
	/* The bus's lock is not held; off + size is in the BAR. */
	void (*read)(struct pci_device *dev, u64 off, void *data, unsigned int size);
	void (*write)(struct pci_device *dev, u64 off, const void *data, unsigned int size);
};

/* One message: what the guest put into the table, and the eventfd that sends it. */
struct pci_vector {
	u32 entry[4];		/* address, its upper half, data, control */
	int fd;
	int msi;		/* of machine->irqs */
	bool on;		/* fd sends */
};

struct pci_device {
	/* Set before pci_add(). */
	const char *name;
	u16 vendor, id, subsystem_vendor, subsystem;
	u8 revision;
	u32 class;		/* class, subclass, interface */
	unsigned int nr_vectors; /* of MSI-X, 0: it has none; their BAR is number 1 */
	struct pci_bar bar[PCI_BARS];
	/* Configuration space is about to be read, or was written. Or NULL. */
	void (*reading)(struct pci_device *dev, unsigned int off, unsigned int size);
	void (*written)(struct pci_device *dev, unsigned int off, unsigned int size);
	void *arg;

	struct pci *pci;
	unsigned int slot;
	unsigned int source;	/* of its line */
	u8 birth[PCI_CONFIG_SIZE];	/* configuration after power on */
	u8 writable[PCI_CONFIG_SIZE];	/* the guest may change these bits */
	unsigned int next_cap;	/* where there is room */
	unsigned int last_cap;	/* the one to be linked with the next, 0: none */
	unsigned int msix_cap;
	atomic_bool msix;	/* MSI-X is enabled; changes with the lock */

	/* ---- under the bus's lock ---- */
	u8 config[PCI_CONFIG_SIZE];
	struct pci_vector vector[PCI_VECTORS];
	bool asserted;		/* INTA#, as the device wants it */
	bool line;		/* and as it is */
};

struct pci {
	struct machine *machine;
	pthread_mutex_t lock;	/* taken after a device's own, before that of irqs */
	u32 address;		/* PORT_PCI_ADDRESS */
	u64 next_home;		/* of BARs */
	struct pci_device *slot[PCI_SLOTS];	/* fixed before the guest runs */
	struct pci_device bridge;
};

/*
 * Puts a device into the first free slot: 0, or a status of err.h when the reason has been
 * told. Capabilities are added afterwards, all before the guest runs. The machine's reset
 * takes configuration space and MSI-X back; pci_remove() frees what pci_add() made.
 */
int pci_add(struct machine *m, struct pci_device *dev);
void pci_remove(struct pci_device *dev);

/*
 * A capability of @size bytes, the first two of which are filled in here; @writable has as
 * many bytes, or is NULL. Where it is; 0: there is no room.
 */
unsigned int pci_add_capability(struct pci_device *dev, u8 id, const void *bytes,
				const void *writable, unsigned int size);

/* Configuration space as the device itself sees it: 1, 2 or 4 bytes. */
u32 pci_config_get(struct pci_device *dev, unsigned int off, unsigned int size);
void pci_config_set(struct pci_device *dev, unsigned int off, unsigned int size, u32 value);

/* Where a BAR is; 0: the guest does not see it. */
u64 pci_bar_address(struct pci_device *dev, unsigned int bar);

/* INTA#'s level, from any thread. It stays off the wire while MSI-X is enabled. */
void pci_line(struct pci_device *dev, bool high);

static inline bool pci_msix_enabled(const struct pci_device *dev)
{
	return atomic_load(&dev->msix);
}

/* ---- in pci_msix.c ---- */

/* For pci_add(): the BAR, and when that has its place the rest: 0 or a status. */
void pci_msix_prepare(struct pci_device *dev);
int pci_msix_create(struct pci_device *dev);
void pci_msix_free(struct pci_device *dev);
/* With the bus's lock: the control word in configuration space has changed. */
void pci_msix_control(struct pci_device *dev);
/* With the bus's lock: after power on. */
void pci_msix_reset(struct pci_device *dev);

#endif
