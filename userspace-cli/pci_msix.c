// SPDX-License-Identifier: GPL-2.0
/*
 * MSI-X: a table of messages in a BAR, and who may send them. A vector is an eventfd that
 * sends the message without this process (irqs.h). While it is masked, what was written
 * into its eventfd stays there: that is its pending bit.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "err.h"
#include "pci.h"

#define MSIX_BAR		1
#define MSIX_BAR_REGISTER	(2 * MSIX_BAR)
#define MSIX_BAR_SIZE		PAGE_SIZE
#define PBA_OFFSET		0x800
#define ENTRY_CONTROL		(PCI_MSIX_ENTRY_VECTOR_CTRL / 4)

static u16 control(const struct pci_device *dev)
{
	return dev->config[dev->msix_cap + PCI_MSIX_FLAGS] |
	       dev->config[dev->msix_cap + PCI_MSIX_FLAGS + 1] << 8;
}

static bool masked(const struct pci_device *dev, const struct pci_vector *v)
{
	return !dev->msix || control(dev) & PCI_MSIX_FLAGS_MASKALL ||
	       v->entry[ENTRY_CONTROL] & PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

/* With the lock: the message is as the table has it, or is kept back. */
static void update(struct pci_device *dev, struct pci_vector *v)
{
	struct irqs *irqs = dev->pci->machine->irqs;
	bool on = !masked(dev, v);
	int error;

	if (!on && !v->on)
		return;
	error = irqs->ops->msi_set(irqs, v->msi, v->fd,
				   (u64)v->entry[1] << 32 | v->entry[0], v->entry[2], on);
	v->on = on && !error;
	/* A message that goes nowhere is the guest's own affair. */
	if (error && error != -EINVAL)
		machine_stop(dev->pci->machine, END_HOST, STATUS_HOST,
			     "%s: an interrupt cannot be set up: %s: the guest was ended",
			     dev->name, strerror(-error));
}

void pci_msix_control(struct pci_device *dev)
{
	bool enabled = control(dev) & PCI_MSIX_FLAGS_ENABLE;
	unsigned int i;
	eventfd_t count;

	/* What was sent before was sent to nobody. */
	if (enabled && !dev->msix)
		for (i = 0; i < dev->nr_vectors; i++)
			eventfd_read(dev->vector[i].fd, &count);
	atomic_store(&dev->msix, enabled);
	for (i = 0; i < dev->nr_vectors; i++)
		update(dev, &dev->vector[i]);
}

void pci_msix_reset(struct pci_device *dev)
{
	unsigned int i;

	for (i = 0; i < dev->nr_vectors; i++) {
		memset(dev->vector[i].entry, 0, sizeof(dev->vector[i].entry));
		dev->vector[i].entry[ENTRY_CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
	pci_msix_control(dev);
}

/* ---- the BAR ------------------------------------------------------------- */

static bool pending(struct pci_device *dev, struct pci_vector *v)
{
	struct pollfd pfd = { .fd = v->fd, .events = POLLIN };

	return masked(dev, v) && poll(&pfd, 1, 0) > 0;
}

static u64 pending_bits(struct pci_device *dev)
{
	unsigned int i;
	u64 bits = 0;

	for (i = 0; i < dev->nr_vectors; i++)
		if (pending(dev, &dev->vector[i]))
			bits |= BIT_ULL(i);
	return bits;
}

/* One byte of the table; the rest of the BAR reads as zeroes. */
static u8 *table_byte(struct pci_device *dev, u64 off)
{
	unsigned int nr = off / PCI_MSIX_ENTRY_SIZE;

	return nr < dev->nr_vectors ?
	       (u8 *)dev->vector[nr].entry + off % PCI_MSIX_ENTRY_SIZE : NULL;
}

static void bar_read(struct pci_device *dev, u64 off, void *data, unsigned int size)
{
	u8 *bytes = data;
	unsigned int i;
	u64 bits;

	memset(data, 0, size);
	pthread_mutex_lock(&dev->pci->lock);
	if (off >= PBA_OFFSET && off + size <= PBA_OFFSET + sizeof(bits)) {
		bits = pending_bits(dev);
		memcpy(data, (u8 *)&bits + (off - PBA_OFFSET), size);
	}
	for (i = 0; i < size; i++) {
		u8 *at = table_byte(dev, off + i);

		if (at)
			bytes[i] = *at;
	}
	pthread_mutex_unlock(&dev->pci->lock);
}

static void bar_write(struct pci_device *dev, u64 off, const void *data, unsigned int size)
{
	const u8 *bytes = data;
	unsigned int i;

	pthread_mutex_lock(&dev->pci->lock);
	for (i = 0; i < size; i++) {
		u8 *at = table_byte(dev, off + i);

		if (at)
			*at = bytes[i];
	}
	/* An access is at most 8 bytes: it touches one vector, or the edge of two. */
	for (i = off / PCI_MSIX_ENTRY_SIZE;
	     i < dev->nr_vectors && i <= (off + size - 1) / PCI_MSIX_ENTRY_SIZE; i++) {
		dev->vector[i].entry[ENTRY_CONTROL] &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
		update(dev, &dev->vector[i]);
	}
	pthread_mutex_unlock(&dev->pci->lock);
}

/* ---- making and unmaking ------------------------------------------------- */

static int make_vector(struct pci_device *dev, struct pci_vector *v)
{
	struct irqs *irqs = dev->pci->machine->irqs;

	v->entry[ENTRY_CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	v->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (v->fd < 0)
		return err(STATUS_HOST, "%s: %s: raise the limit of open files (ulimit -n)",
			   dev->name, strerror(errno));
	v->msi = irqs->ops->msi_add(irqs);
	if (v->msi < 0)
		return err(STATUS_HOST, "%s: no interrupt is left: give the machine fewer devices",
			   dev->name);
	return 0;
}

void pci_msix_prepare(struct pci_device *dev)
{
	unsigned int i;

	for (i = 0; i < PCI_VECTORS; i++)
		dev->vector[i] = (struct pci_vector){ .fd = -1, .msi = -1 };
	dev->bar[MSIX_BAR] = (struct pci_bar){
		.size = MSIX_BAR_SIZE, .read = bar_read, .write = bar_write,
	};
}

int pci_msix_create(struct pci_device *dev)
{
	const u16 writable[6] = { [1] = PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL };
	const u32 cap[3] = {
		(dev->nr_vectors - 1) << 16,
		MSIX_BAR_REGISTER,
		PBA_OFFSET | MSIX_BAR_REGISTER,
	};
	unsigned int i;
	int status = 0;

	for (i = 0; i < dev->nr_vectors && !status; i++)
		status = make_vector(dev, &dev->vector[i]);
	if (status)
		return status;
	dev->msix_cap = pci_add_capability(dev, PCI_CAP_ID_MSIX, cap, writable, sizeof(cap));
	return 0;
}

void pci_msix_free(struct pci_device *dev)
{
	struct irqs *irqs = dev->pci->machine->irqs;
	unsigned int i;

	for (i = 0; i < dev->nr_vectors; i++) {
		struct pci_vector *v = &dev->vector[i];

		if (v->msi >= 0)
			irqs->ops->msi_remove(irqs, v->msi);
		if (v->fd >= 0)
			close(v->fd);
		v->msi = -1;
		v->fd = -1;
	}
}
