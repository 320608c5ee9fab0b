/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's side of PCI and virtio for tests of devices on a fake machine: what a driver
 * does, by the machine's buses and memory alone. It trusts the devices, and checks them.
 */
#ifndef LODGE_CLI_GUEST_H
#define LODGE_CLI_GUEST_H

#include "pci.h"
#include "units.h"
#include "vring.h"

/* ---- configuration space (mechanism 1) and registers --------------------- */

u32 guest_config_read(struct machine *m, unsigned int slot, unsigned int off,
		      unsigned int size);
void guest_config_write(struct machine *m, unsigned int slot, unsigned int off,
			unsigned int size, u32 value);
u64 guest_read(struct machine *m, u64 address, unsigned int size);
void guest_write(struct machine *m, u64 address, unsigned int size, u64 value);

/* ---- a virtio device ----------------------------------------------------- */

struct guest_virtio {
	struct machine *m;
	unsigned int slot;
	u64 bar;			/* where BAR 0 is */
	u64 common, isr, notify, config;	/* addresses; config 0: there is none */
	u32 notify_step;
	u64 table;			/* of MSI-X */
	unsigned int window;		/* the PCI access capability */
	unsigned int msix;		/* that of MSI-X */
};

/*
 * Finds the @nth device of that virtio id, from 0 on, and turns its registers on; false:
 * it is not there, or its capabilities are wrong.
 */
bool guest_find(struct machine *m, unsigned int id, unsigned int nth, struct guest_virtio *v);

/* A field of the common structure, VIRTIO_PCI_COMMON_... */
u32 guest_common(struct guest_virtio *v, unsigned int field, unsigned int size);
void guest_set_common(struct guest_virtio *v, unsigned int field, unsigned int size, u32 value);

u64 guest_features(struct guest_virtio *v);
/* Resets the device and takes these features, with VERSION_1: whether it agrees. */
bool guest_negotiate(struct guest_virtio *v, u64 features);
u8 guest_status(struct guest_virtio *v);
void guest_add_status(struct guest_virtio *v, u8 bits);

/* MSI-X is on; vector @nr sends @data to 0xfee00000, and the mask is off. */
void guest_msix(struct guest_virtio *v, bool on);
void guest_vector(struct guest_virtio *v, unsigned int nr, u32 data);
void guest_mask(struct guest_virtio *v, unsigned int nr, bool masked);

/* ---- a queue ------------------------------------------------------------- */

struct guest_queue {
	struct guest_virtio *v;
	unsigned int index;
	u16 size;
	bool event_index;
	u64 descriptors, available, used;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *ring;
	u16 next;		/* descriptor to use next: round and round */
	u16 seen;		/* used chains seen */
};

#define GUEST_NO_VECTOR		0xffff

/* Bytes that a queue of @size takes in memory, whole pages. */
u64 guest_queue_bytes(u16 size);
/* Its ring at @gpa (of a page) in memory; enables it, with an MSI-X vector or none. */
bool guest_queue(struct guest_virtio *v, unsigned int index, u16 size, u64 gpa, u16 vector,
		 struct guest_queue *q);

struct guest_piece {
	u64 gpa;
	u32 len;
	bool in;		/* the device writes */
};

/* A chain of these, available to the device: its head. */
u16 guest_add(struct guest_queue *q, const struct guest_piece *pieces, unsigned int nr);
/* Tells the device, by its notify register. */
void guest_kick(struct guest_queue *q);
/* Waits for the next used chain, up to some seconds: false, none came. */
bool guest_wait(struct guest_queue *q, u16 *head, u32 *len);
/* A used chain is there and was not waited for yet. */
bool guest_used(struct guest_queue *q);
/* Waits until @sign says so once, up to some seconds: whether it did. */
bool guest_until(bool (*sign)(void *arg), void *arg);

#endif
