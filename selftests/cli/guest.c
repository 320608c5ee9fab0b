// SPDX-License-Identifier: GPL-2.0
/* The guest's side of PCI and virtio for tests of devices: see guest.h. */
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <time.h>

#include "guest.h"

#define PATIENCE_SECONDS	30

/* ---- configuration space and registers ----------------------------------- */

static void select_register(struct machine *m, unsigned int slot, unsigned int off)
{
	u32 address = 0x80000000 | slot << 11 | (off & 0xfc);

	bus_write(&m->ports, PORT_PCI_ADDRESS, &address, 4);
}

u32 guest_config_read(struct machine *m, unsigned int slot, unsigned int off,
		      unsigned int size)
{
	u32 value = 0;

	select_register(m, slot, off);
	bus_read(&m->ports, PORT_PCI_DATA + (off & 3), &value, size);
	return value;
}

void guest_config_write(struct machine *m, unsigned int slot, unsigned int off,
			unsigned int size, u32 value)
{
	select_register(m, slot, off);
	bus_write(&m->ports, PORT_PCI_DATA + (off & 3), &value, size);
}

u64 guest_read(struct machine *m, u64 address, unsigned int size)
{
	u64 value = 0;

	bus_read(&m->addresses, address, &value, size);
	return value;
}

void guest_write(struct machine *m, u64 address, unsigned int size, u64 value)
{
	bus_write(&m->addresses, address, &value, size);
}

/* ---- a virtio device ----------------------------------------------------- */

static u64 bar_address(struct machine *m, unsigned int slot, unsigned int nr)
{
	unsigned int reg = PCI_BASE_ADDRESS_0 + 4 * nr;

	return (u64)guest_config_read(m, slot, reg + 4, 4) << 32 |
	       (guest_config_read(m, slot, reg, 4) & ~15u);
}

static void vendor_capability(struct guest_virtio *v, unsigned int at)
{
	struct machine *m = v->m;
	unsigned int bar = guest_config_read(m, v->slot, at + VIRTIO_PCI_CAP_BAR, 1);
	u64 off = guest_config_read(m, v->slot, at + VIRTIO_PCI_CAP_OFFSET, 4);

	switch (guest_config_read(m, v->slot, at + VIRTIO_PCI_CAP_CFG_TYPE, 1)) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		v->bar = bar_address(m, v->slot, bar);
		v->common = v->bar + off;
		break;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		v->notify = bar_address(m, v->slot, bar) + off;
		v->notify_step = guest_config_read(m, v->slot, at + VIRTIO_PCI_NOTIFY_CAP_MULT,
						   4);
		break;
	case VIRTIO_PCI_CAP_ISR_CFG:
		v->isr = bar_address(m, v->slot, bar) + off;
		break;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		v->config = bar_address(m, v->slot, bar) + off;
		break;
	case VIRTIO_PCI_CAP_PCI_CFG:
		v->window = at;
		break;
	}
}

static void capability(struct guest_virtio *v, unsigned int at)
{
	u32 table;

	switch (guest_config_read(v->m, v->slot, at, 1)) {
	case PCI_CAP_ID_VNDR:
		vendor_capability(v, at);
		break;
	case PCI_CAP_ID_MSIX:
		table = guest_config_read(v->m, v->slot, at + PCI_MSIX_TABLE, 4);
		v->msix = at;
		v->table = bar_address(v->m, v->slot, table & PCI_MSIX_TABLE_BIR) +
			   (table & PCI_MSIX_TABLE_OFFSET);
		break;
	}
}

bool guest_find(struct machine *m, unsigned int id, unsigned int nth, struct guest_virtio *v)
{
	u32 name = (0x1040 + id) << 16 | 0x1af4;
	unsigned int slot, at, left = 48;

	for (slot = 0; slot < PCI_SLOTS; slot++)
		if (guest_config_read(m, slot, PCI_VENDOR_ID, 4) == name && !nth--)
			break;
	if (slot == PCI_SLOTS)
		return false;
	*v = (struct guest_virtio){ .m = m, .slot = slot };
	at = guest_config_read(m, slot, PCI_CAPABILITY_LIST, 1);
	for (; at && left; left--) {
		capability(v, at);
		at = guest_config_read(m, slot, at + PCI_CAP_LIST_NEXT, 1);
	}
	guest_config_write(m, slot, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	return left && v->common && v->notify && v->isr && v->window && v->msix;
}

u32 guest_common(struct guest_virtio *v, unsigned int field, unsigned int size)
{
	return guest_read(v->m, v->common + field, size);
}

void guest_set_common(struct guest_virtio *v, unsigned int field, unsigned int size, u32 value)
{
	guest_write(v->m, v->common + field, size, value);
}

u64 guest_features(struct guest_virtio *v)
{
	u64 features;

	guest_set_common(v, VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	features = (u64)guest_common(v, VIRTIO_PCI_COMMON_DF, 4) << 32;
	guest_set_common(v, VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	return features | guest_common(v, VIRTIO_PCI_COMMON_DF, 4);
}

u8 guest_status(struct guest_virtio *v)
{
	return guest_common(v, VIRTIO_PCI_COMMON_STATUS, 1);
}

void guest_add_status(struct guest_virtio *v, u8 bits)
{
	guest_set_common(v, VIRTIO_PCI_COMMON_STATUS, 1, guest_status(v) | bits);
}

bool guest_negotiate(struct guest_virtio *v, u64 features)
{
	features |= BIT_ULL(VIRTIO_F_VERSION_1);
	guest_set_common(v, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	CHECK_EQ(guest_status(v), 0);
	guest_add_status(v, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	guest_add_status(v, VIRTIO_CONFIG_S_DRIVER);
	guest_set_common(v, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	guest_set_common(v, VIRTIO_PCI_COMMON_GF, 4, features);
	guest_set_common(v, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	guest_set_common(v, VIRTIO_PCI_COMMON_GF, 4, features >> 32);
	guest_add_status(v, VIRTIO_CONFIG_S_FEATURES_OK);
	return guest_status(v) & VIRTIO_CONFIG_S_FEATURES_OK;
}

void guest_msix(struct guest_virtio *v, bool on)
{
	guest_config_write(v->m, v->slot, v->msix + PCI_MSIX_FLAGS, 2,
			   on ? PCI_MSIX_FLAGS_ENABLE : 0);
}

void guest_mask(struct guest_virtio *v, unsigned int nr, bool masked)
{
	guest_write(v->m, v->table + nr * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL, 4,
		    masked);
}

void guest_vector(struct guest_virtio *v, unsigned int nr, u32 data)
{
	u64 entry = v->table + nr * PCI_MSIX_ENTRY_SIZE;

	guest_mask(v, nr, true);
	guest_write(v->m, entry + PCI_MSIX_ENTRY_LOWER_ADDR, 4, 0xfee00000);
	guest_write(v->m, entry + PCI_MSIX_ENTRY_UPPER_ADDR, 4, 0);
	guest_write(v->m, entry + PCI_MSIX_ENTRY_DATA, 4, data);
	guest_mask(v, nr, false);
}

/* ---- a queue ------------------------------------------------------------- */

static u64 ring_offset(u16 size)
{
	return (16ull * size + 6 + 2 * size + PAGE_SIZE - 1) & -PAGE_SIZE;
}

u64 guest_queue_bytes(u16 size)
{
	return (ring_offset(size) + 6 + 8 * size + PAGE_SIZE - 1) & -PAGE_SIZE;
}

static void set_address(struct guest_virtio *v, unsigned int field, u64 gpa)
{
	guest_set_common(v, field, 4, gpa);
	guest_set_common(v, field + 4, 4, gpa >> 32);
}

bool guest_queue(struct guest_virtio *v, unsigned int index, u16 size, u64 gpa, u16 vector,
		 struct guest_queue *q)
{
	u8 *at = memory_at(&v->m->memory, gpa, guest_queue_bytes(size));
	u64 features = 0;

	if (!at)
		return false;
	memset(at, 0, guest_queue_bytes(size));
	guest_set_common(v, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	features = guest_common(v, VIRTIO_PCI_COMMON_GF, 4);
	*q = (struct guest_queue){
		.v = v, .index = index, .size = size,
		.event_index = features & BIT_ULL(VIRTIO_RING_F_EVENT_IDX),
		.descriptors = gpa,
		.available = gpa + 16ull * size,
		.used = gpa + ring_offset(size),
	};
	q->desc = (struct vring_desc *)at;
	q->avail = (struct vring_avail *)(at + 16ull * size);
	q->ring = (struct vring_used *)(at + ring_offset(size));
	guest_set_common(v, VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
	guest_set_common(v, VIRTIO_PCI_COMMON_Q_SIZE, 2, size);
	set_address(v, VIRTIO_PCI_COMMON_Q_DESCLO, q->descriptors);
	set_address(v, VIRTIO_PCI_COMMON_Q_AVAILLO, q->available);
	set_address(v, VIRTIO_PCI_COMMON_Q_USEDLO, q->used);
	guest_set_common(v, VIRTIO_PCI_COMMON_Q_MSIX, 2, vector);
	guest_set_common(v, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	return guest_common(v, VIRTIO_PCI_COMMON_Q_ENABLE, 2) == 1 &&
	       guest_common(v, VIRTIO_PCI_COMMON_Q_MSIX, 2) == vector;
}

u16 guest_add(struct guest_queue *q, const struct guest_piece *pieces, unsigned int nr)
{
	u16 head = q->next % q->size, idx = q->avail->idx;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct vring_desc *d = &q->desc[q->next++ % q->size];

		d->addr = pieces[i].gpa;
		d->len = pieces[i].len;
		d->flags = (pieces[i].in ? VRING_DESC_F_WRITE : 0) |
			   (i + 1 < nr ? VRING_DESC_F_NEXT : 0);
		d->next = q->next % q->size;
	}
	q->avail->ring[idx % q->size] = head;
	__atomic_store_n(&q->avail->idx, idx + 1, __ATOMIC_SEQ_CST);
	return head;
}

void guest_kick(struct guest_queue *q)
{
	guest_set_common(q->v, VIRTIO_PCI_COMMON_Q_SELECT, 2, q->index);
	guest_write(q->v->m, q->v->notify + q->v->notify_step *
		    guest_common(q->v, VIRTIO_PCI_COMMON_Q_NOFF, 2), 2, q->index);
}

bool guest_used(struct guest_queue *q)
{
	return __atomic_load_n(&q->ring->idx, __ATOMIC_ACQUIRE) != q->seen;
}

bool guest_until(bool (*sign)(void *arg), void *arg)
{
	struct timespec now, pause = { .tv_nsec = 50000 };
	time_t end;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + PATIENCE_SECONDS;
	while (now.tv_sec < end) {
		if (sign(arg))
			return true;
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
	}
	return false;
}

static bool is_used(void *arg)
{
	return guest_used(arg);
}

bool guest_wait(struct guest_queue *q, u16 *head, u32 *len)
{
	const struct vring_used_elem *e = &q->ring->ring[q->seen % q->size];

	if (!guest_until(is_used, q))
		return false;
	q->seen++;
	*head = e->id;
	*len = e->len;
	/* The next one is to be told of, too. */
	if (q->event_index)
		__atomic_store_n(&q->avail->ring[q->size], q->seen, __ATOMIC_SEQ_CST);
	return true;
}
