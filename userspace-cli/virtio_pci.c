// SPDX-License-Identifier: GPL-2.0
/*
 * The transport of virtio over PCI (virtio 1.2, 4.1), modern devices only. One BAR has the
 * four structures, a page each; kicks come through ioeventfds where a virtual machine is,
 * so that nobody leaves the kernel for them but the device's worker. Interrupts are MSI-X
 * messages, or INTA# with the ISR byte.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "err.h"
#include "pci.h"
#include "virtio.h"

#define VENDOR			0x1af4
#define FIRST_DEVICE		0x1040	/* plus the kind's id */
#define REVISION		1	/* modern */

#define BAR			0
#define BAR_SIZE		(4 * PAGE_SIZE)
#define COMMON			(0 * PAGE_SIZE)
#define ISR			(1 * PAGE_SIZE)
#define CONFIG			(2 * PAGE_SIZE)
#define NOTIFY			(3 * PAGE_SIZE)
#define NOTIFY_STEP		4

struct virtio_pci {
	struct pci_device pci;
	char name[24];
	struct virtio_device *dev;
	unsigned int window;		/* the capability through which the BAR is reached */

	/* ---- under the device's lock --------------------------------------------- */
	u32 offered_select, taken_select;
	u16 queue_select;
	bool running;
	u64 kicks_at;			/* where the ioeventfds are, 0: nowhere */

	pthread_mutex_t irq_lock;	/* of the below; between the device's lock and PCI's */
	u8 isr;
	u16 config_vector;
	u16 vector[VIRTIO_QUEUES];
};

static struct virtio_pci *of(const struct virtio_device *dev)
{
	return dev->transport_data;
}

int machine_ioeventfd(struct machine *m, u64 address, int fd, bool on)
{
	struct kvm_ioeventfd io = {
		.addr = address,
		.fd = fd,
		.flags = on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
	};

	if (m->vm_fd < 0)
		return -ENODEV;
	return ioctl(m->vm_fd, KVM_IOEVENTFD, &io) < 0 ? -errno : 0;
}

/* ---- interrupts ---------------------------------------------------------- */

static void interrupt(struct virtio_pci *vp, const u16 *vector, u8 isr)
{
	pthread_mutex_lock(&vp->irq_lock);
	if (pci_msix_enabled(&vp->pci)) {
		if (*vector < vp->pci.nr_vectors)
			eventfd_write(vp->pci.vector[*vector].fd, 1);
	} else {
		vp->isr |= isr;
		pci_line(&vp->pci, true);
	}
	pthread_mutex_unlock(&vp->irq_lock);
}

static void queue_interrupt(struct virtio_device *dev, unsigned int queue)
{
	interrupt(of(dev), &of(dev)->vector[queue], 1);
}

static void config_interrupt(struct virtio_device *dev)
{
	interrupt(of(dev), &of(dev)->config_vector, VIRTIO_PCI_ISR_CONFIG);
}

static bool call_fd_works(struct virtio_device *dev, unsigned int queue)
{
	struct virtio_queue *q = &dev->queue[queue];

	return pci_msix_enabled(&of(dev)->pci) && q->call_fd != q->idle_fd;
}

/* What there is no vector of is none. */
static u16 real_vector(const struct virtio_pci *vp, u16 vector)
{
	return vector < vp->pci.nr_vectors ? vector : VIRTIO_MSI_NO_VECTOR;
}

static void set_queue_vector(struct virtio_pci *vp, unsigned int queue, u16 vector)
{
	struct virtio_queue *q = &vp->dev->queue[queue];

	pthread_mutex_lock(&vp->irq_lock);
	vp->vector[queue] = real_vector(vp, vector);
	q->call_fd = vp->vector[queue] == VIRTIO_MSI_NO_VECTOR ?
		     q->idle_fd : vp->pci.vector[vector].fd;
	pthread_mutex_unlock(&vp->irq_lock);
}

static void set_config_vector(struct virtio_pci *vp, u16 vector)
{
	pthread_mutex_lock(&vp->irq_lock);
	vp->config_vector = real_vector(vp, vector);
	pthread_mutex_unlock(&vp->irq_lock);
}

/* Reading is what acknowledges. */
static u8 read_isr(struct virtio_pci *vp)
{
	u8 isr;

	pthread_mutex_lock(&vp->irq_lock);
	isr = vp->isr;
	vp->isr = 0;
	pci_line(&vp->pci, false);
	pthread_mutex_unlock(&vp->irq_lock);
	return isr;
}

/* ---- kicks --------------------------------------------------------------- */

static void attach_kicks(struct virtio_pci *vp, u64 at, bool on)
{
	unsigned int i;

	/* One that cannot be had is written by the BAR instead. */
	for (i = 0; i < vp->dev->nr_queues; i++)
		machine_ioeventfd(vp->dev->machine, at + NOTIFY + i * NOTIFY_STEP,
				  vp->dev->queue[i].kick_fd, on);
}

/* With the device's lock: the ioeventfds are where the BAR is, while they are wanted. */
static void update_kicks(struct virtio_pci *vp)
{
	u64 at = vp->running ? pci_bar_address(&vp->pci, BAR) : 0;

	if (at == vp->kicks_at)
		return;
	if (vp->kicks_at)
		attach_kicks(vp, vp->kicks_at, false);
	vp->kicks_at = at;
	if (at)
		attach_kicks(vp, at, true);
}

static void running(struct virtio_device *dev, bool on)
{
	of(dev)->running = on;
	update_kicks(of(dev));
}

/* ---- the common structure ------------------------------------------------ */

static void read_common(struct virtio_pci *vp, struct virtio_pci_common_cfg *c)
{
	struct virtio_device *dev = vp->dev;
	unsigned int n = vp->queue_select;
	const struct virtio_queue *q;

	*c = (struct virtio_pci_common_cfg){
		.device_feature_select = vp->offered_select,
		.guest_feature_select = vp->taken_select,
		.msix_config = vp->config_vector,
		.num_queues = dev->nr_queues,
		.device_status = dev->status,
		.config_generation = dev->generation,
		.queue_select = vp->queue_select,
		.queue_msix_vector = VIRTIO_MSI_NO_VECTOR,
	};
	if (vp->offered_select < 2)
		c->device_feature = virtio_features(dev) >> 32 * vp->offered_select;
	if (vp->taken_select < 2)
		c->guest_feature = dev->features >> 32 * vp->taken_select;
	if (n >= dev->nr_queues)
		return;
	q = &dev->queue[n];
	c->queue_size = q->ring.size;
	c->queue_msix_vector = vp->vector[n];
	c->queue_enable = q->enabled;
	c->queue_notify_off = n;
	c->queue_desc_lo = q->ring.descriptors;
	c->queue_desc_hi = q->ring.descriptors >> 32;
	c->queue_avail_lo = q->ring.available;
	c->queue_avail_hi = q->ring.available >> 32;
	c->queue_used_lo = q->ring.used;
	c->queue_used_hi = q->ring.used >> 32;
}

static void set_half(u64 *all, bool high, u32 value)
{
	*all = high ? (*all & 0xffffffff) | (u64)value << 32 : (*all & ~0xffffffffull) | value;
}

static void write_queue(struct virtio_pci *vp, unsigned int field, u32 value)
{
	struct virtio_queue *q;

	if (vp->queue_select >= vp->dev->nr_queues)
		return;
	q = &vp->dev->queue[vp->queue_select];
	if (field == VIRTIO_PCI_COMMON_Q_MSIX)
		set_queue_vector(vp, vp->queue_select, value);
	/* The rest is what the device goes by from the moment it is enabled. */
	if (q->enabled)
		return;
	switch (field) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		q->ring.size = value;
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if (value == 1)
			virtio_enable_queue(vp->dev, vp->queue_select);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		set_half(&q->ring.descriptors, field & 4, value);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		set_half(&q->ring.available, field & 4, value);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		set_half(&q->ring.used, field & 4, value);
		break;
	}
}

static void write_device(struct virtio_pci *vp, unsigned int field, u32 value)
{
	u64 features = vp->dev->features;

	switch (field) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		vp->offered_select = value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		vp->taken_select = value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		if (vp->taken_select >= 2)
			break;
		set_half(&features, vp->taken_select, value);
		virtio_set_features(vp->dev, features);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		set_config_vector(vp, value);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		virtio_set_status(vp->dev, value);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		vp->queue_select = value;
		break;
	}
}

/* How long the field at @off is; 0: none that can be written begins there. */
static unsigned int field_size(unsigned int off)
{
	switch (off) {
	case VIRTIO_PCI_COMMON_STATUS:
		return 1;
	case VIRTIO_PCI_COMMON_MSIX:
	case VIRTIO_PCI_COMMON_Q_SELECT:
	case VIRTIO_PCI_COMMON_Q_SIZE:
	case VIRTIO_PCI_COMMON_Q_MSIX:
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return 2;
	case VIRTIO_PCI_COMMON_DFSELECT:
	case VIRTIO_PCI_COMMON_GFSELECT:
	case VIRTIO_PCI_COMMON_GF:
		return 4;
	}
	return off >= VIRTIO_PCI_COMMON_Q_DESCLO && off <= VIRTIO_PCI_COMMON_Q_USEDHI &&
	       off % 4 == 0 ? 4 : 0;
}

/* Drivers write whole fields, and may take the two halves of an address for one. */
static void write_common(struct virtio_pci *vp, u64 off, const void *data, unsigned int size)
{
	u32 value = 0;

	if (size == 8 && off >= VIRTIO_PCI_COMMON_Q_DESCLO) {
		write_common(vp, off, data, 4);
		write_common(vp, off + 4, (const u8 *)data + 4, 4);
		return;
	}
	if (off >= sizeof(struct virtio_pci_common_cfg) || size != field_size(off))
		return;
	memcpy(&value, data, size);
	if (off >= VIRTIO_PCI_COMMON_Q_SIZE)
		write_queue(vp, off, value);
	else
		write_device(vp, off, value);
}

/* ---- the BAR ------------------------------------------------------------- */

static void read_locked(struct virtio_pci *vp, u64 off, void *data, unsigned int size)
{
	struct virtio_pci_common_cfg common;
	struct virtio_device *dev = vp->dev;
	u8 isr;

	if (off < COMMON + sizeof(common) && size <= sizeof(common) - off) {
		read_common(vp, &common);
		memcpy(data, (u8 *)&common + off, size);
	} else if (off == ISR) {
		isr = read_isr(vp);
		memcpy(data, &isr, 1);
	} else if (off >= CONFIG && off < CONFIG + dev->config_size &&
		   size <= CONFIG + dev->config_size - off && dev->kind->read_config) {
		dev->kind->read_config(dev, off - CONFIG, data, size);
	}
}

static void write_locked(struct virtio_pci *vp, u64 off, const void *data, unsigned int size)
{
	struct virtio_device *dev = vp->dev;

	if (off < COMMON + sizeof(struct virtio_pci_common_cfg))
		write_common(vp, off - COMMON, data, size);
	else if (off >= CONFIG && off < CONFIG + dev->config_size &&
		 size <= CONFIG + dev->config_size - off && dev->kind->write_config)
		dev->kind->write_config(dev, off - CONFIG, data, size);
}

static void bar_read(struct pci_device *pci, u64 off, void *data, unsigned int size)
{
	struct virtio_pci *vp = pci->arg;

	/* What has no meaning is 0. */
	memset(data, 0, size);
	pthread_mutex_lock(&vp->dev->lock);
	read_locked(vp, off, data, size);
	pthread_mutex_unlock(&vp->dev->lock);
}

static void bar_write(struct pci_device *pci, u64 off, const void *data, unsigned int size)
{
	struct virtio_pci *vp = pci->arg;

	/* No lock for a kick: nobody waits for the worker. */
	if (off >= NOTIFY) {
		if (off % NOTIFY_STEP == 0 && (off - NOTIFY) / NOTIFY_STEP < vp->dev->nr_queues)
			virtio_kick(vp->dev, (off - NOTIFY) / NOTIFY_STEP);
		return;
	}
	pthread_mutex_lock(&vp->dev->lock);
	write_locked(vp, off, data, size);
	pthread_mutex_unlock(&vp->dev->lock);
}

/* ---- configuration space ------------------------------------------------- */

/* Where the guest's window points to; false: nowhere. */
static bool window(struct virtio_pci *vp, u64 *off, unsigned int *len)
{
	unsigned int cap = vp->window;

	*off = pci_config_get(&vp->pci, cap + VIRTIO_PCI_CAP_OFFSET, 4);
	*len = pci_config_get(&vp->pci, cap + VIRTIO_PCI_CAP_LENGTH, 4);
	return pci_config_get(&vp->pci, cap + VIRTIO_PCI_CAP_BAR, 1) == 2 * BAR &&
	       (*len == 1 || *len == 2 || *len == 4) && *off % *len == 0 &&
	       *off < BAR_SIZE && *len <= BAR_SIZE - *off;
}

static bool touches_window(struct virtio_pci *vp, unsigned int off, unsigned int size)
{
	unsigned int data = vp->window + offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);

	return off < data + 4 && off + size > data;
}

static void config_reading(struct pci_device *pci, unsigned int off, unsigned int size)
{
	struct virtio_pci *vp = pci->arg;
	unsigned int len;
	u32 value = 0;
	u64 at;

	if (!touches_window(vp, off, size) || !window(vp, &at, &len))
		return;
	bar_read(pci, at, &value, len);
	pci_config_set(pci, vp->window + offsetof(struct virtio_pci_cfg_cap, pci_cfg_data), 4,
		       value);
}

static void config_written(struct pci_device *pci, unsigned int off, unsigned int size)
{
	struct virtio_pci *vp = pci->arg;
	unsigned int len;
	u32 value;
	u64 at;

	if (off < PCI_STD_HEADER_SIZEOF) {
		/* The BAR may be elsewhere now. */
		pthread_mutex_lock(&vp->dev->lock);
		update_kicks(vp);
		pthread_mutex_unlock(&vp->dev->lock);
	} else if (touches_window(vp, off, size) && window(vp, &at, &len)) {
		value = pci_config_get(pci, vp->window +
				       offsetof(struct virtio_pci_cfg_cap, pci_cfg_data), 4);
		bar_write(pci, at, &value, len);
	}
}

static unsigned int add_structure(struct virtio_pci *vp, u8 type, u32 off, u32 len)
{
	const struct virtio_pci_notify_cap cap = {
		.cap = {
			.cap_len = type == VIRTIO_PCI_CAP_NOTIFY_CFG ?
				   sizeof(cap) : sizeof(cap.cap),
			.cfg_type = type,
			.bar = 2 * BAR,
			.offset = off,
			.length = len,
		},
		.notify_off_multiplier = NOTIFY_STEP,
	};

	return pci_add_capability(&vp->pci, PCI_CAP_ID_VNDR, &cap, NULL, cap.cap.cap_len);
}

static bool add_capabilities(struct virtio_pci *vp)
{
	const struct virtio_pci_cfg_cap window_cap = {
		.cap.cap_len = sizeof(window_cap),
		.cap.cfg_type = VIRTIO_PCI_CAP_PCI_CFG,
	};
	const struct virtio_pci_cfg_cap writable = {
		.cap.bar = 0xff,
		.cap.offset = ~0u,
		.cap.length = ~0u,
		.pci_cfg_data = { 0xff, 0xff, 0xff, 0xff },
	};

	vp->window = pci_add_capability(&vp->pci, PCI_CAP_ID_VNDR, &window_cap, &writable,
					sizeof(window_cap));
	return vp->window &&
	       add_structure(vp, VIRTIO_PCI_CAP_COMMON_CFG, COMMON,
			     sizeof(struct virtio_pci_common_cfg)) &&
	       add_structure(vp, VIRTIO_PCI_CAP_ISR_CFG, ISR, 1) &&
	       add_structure(vp, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY,
			     NOTIFY_STEP * VIRTIO_QUEUES) &&
	       (!vp->dev->config_size ||
		add_structure(vp, VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG, vp->dev->config_size));
}

/* ---- making and unmaking ------------------------------------------------- */

static void reset(struct virtio_device *dev)
{
	struct virtio_pci *vp = of(dev);
	unsigned int i;

	vp->offered_select = 0;
	vp->taken_select = 0;
	vp->queue_select = 0;
	set_config_vector(vp, VIRTIO_MSI_NO_VECTOR);
	for (i = 0; i < dev->nr_queues; i++)
		set_queue_vector(vp, i, VIRTIO_MSI_NO_VECTOR);
	read_isr(vp);
}

static void free_transport(struct virtio_device *dev)
{
	struct virtio_pci *vp = of(dev);

	pci_remove(&vp->pci);
	pthread_mutex_destroy(&vp->irq_lock);
	free(vp);
	dev->transport = NULL;
	dev->transport_data = NULL;
}

static const struct virtio_transport transport = {
	.interrupt = queue_interrupt,
	.config_interrupt = config_interrupt,
	.call_fd_works = call_fd_works,
	.running = running,
	.reset = reset,
	.free = free_transport,
};

int virtio_pci_create(struct virtio_device *dev)
{
	struct virtio_pci *vp = calloc(1, sizeof(*vp));
	int status;

	if (!vp)
		return err(STATUS_HOST, "virtio-%s: no memory", dev->kind->name);
	vp->pci = (struct pci_device){
		.name = vp->name,
		.vendor = VENDOR,
		.id = FIRST_DEVICE + dev->kind->id,
		.subsystem_vendor = VENDOR,
		.subsystem = FIRST_DEVICE + dev->kind->id,
		.revision = REVISION,
		.class = dev->kind->pci_class,
		.nr_vectors = dev->nr_queues + 1,
		.bar[BAR] = { .size = BAR_SIZE, .read = bar_read, .write = bar_write },
		.reading = config_reading,
		.written = config_written,
		.arg = vp,
	};
	snprintf(vp->name, sizeof(vp->name), "virtio-%s", dev->kind->name);
	vp->dev = dev;
	pthread_mutex_init(&vp->irq_lock, NULL);
	dev->transport_data = vp;
	dev->transport = &transport;
	status = pci_add(dev->machine, &vp->pci);
	if (!status && !add_capabilities(vp))
		status = err(STATUS_HOST, "virtio-%s: no room in its configuration space",
			     dev->kind->name);
	if (status)
		free_transport(dev);
	else
		reset(dev);
	return status;
}
