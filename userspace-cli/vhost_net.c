// SPDX-License-Identifier: GPL-2.0
/*
 * vhost-net: the kernel moves frames between a tap and the guest's queues, without this
 * process. It is told where the guest's memory and rings are, waits for the queues' kicks
 * and writes their interrupts. All of its checks of the guest are its own.
 */
/* First: it takes the name of the kernel's struct vring. */
#include "vhost_net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define QUEUES	2

/* Without these it could not have a queue of a driver that took what we offer. */
#define NEEDED	(BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) | \
		 BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | BIT_ULL(VIRTIO_RING_F_EVENT_IDX))

struct vhost_net {
	int fd;
	int tap_fd;
	int error_fd;
	u64 features;
};

void vhost_net_close(struct vhost_net *v)
{
	if (!v)
		return;
	if (v->error_fd >= 0)
		close(v->error_fd);
	if (v->fd >= 0)
		close(v->fd);
	free(v);
}

struct vhost_net *vhost_net_open(int tap_fd)
{
	struct vhost_net *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->tap_fd = tap_fd;
	v->error_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	v->fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
	if (v->error_fd >= 0 && v->fd >= 0 && !ioctl(v->fd, VHOST_SET_OWNER, 0) &&
	    !ioctl(v->fd, VHOST_GET_FEATURES, &v->features) &&
	    (v->features & NEEDED) == NEEDED)
		return v;
	vhost_net_close(v);
	return NULL;
}

int vhost_net_error_fd(const struct vhost_net *v)
{
	return v->error_fd;
}

static bool set_memory(struct vhost_net *v, const struct memory *mem)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[ARRAY_SIZE(mem->ram)];
	} table = { .head.nregions = 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mem->ram); i++)
		if (mem->ram[i].size)
			table.region[table.head.nregions++] = (struct vhost_memory_region){
				.guest_phys_addr = mem->ram[i].gpa,
				.memory_size = mem->ram[i].size,
				.userspace_addr = (uintptr_t)mem->ram[i].host,
			};
	return !ioctl(v->fd, VHOST_SET_MEM_TABLE, &table);
}

/* Each part was found to be memory, as a whole, when the queue was enabled. */
static u64 host_address(const struct vring *r, u64 gpa)
{
	return (uintptr_t)memory_at(r->mem, gpa, 1);
}

static bool set_queue(struct vhost_net *v, struct virtio_queue *q, unsigned int index)
{
	struct vhost_vring_state size = { .index = index, .num = q->ring.size };
	struct vhost_vring_state base = { .index = index, .num = q->ring.next_available };
	struct vhost_vring_addr where = {
		.index = index,
		.desc_user_addr = host_address(&q->ring, q->ring.descriptors),
		.avail_user_addr = host_address(&q->ring, q->ring.available),
		.used_user_addr = host_address(&q->ring, q->ring.used),
	};
	struct vhost_vring_file call = { .index = index, .fd = q->call_fd };
	struct vhost_vring_file kick = { .index = index, .fd = q->kick_fd };
	struct vhost_vring_file error = { .index = index, .fd = v->error_fd };

	return !ioctl(v->fd, VHOST_SET_VRING_NUM, &size) &&
	       !ioctl(v->fd, VHOST_SET_VRING_BASE, &base) &&
	       !ioctl(v->fd, VHOST_SET_VRING_ADDR, &where) &&
	       !ioctl(v->fd, VHOST_SET_VRING_ERR, &error) &&
	       !ioctl(v->fd, VHOST_SET_VRING_CALL, &call) &&
	       !ioctl(v->fd, VHOST_SET_VRING_KICK, &kick);
}

/* With -1 the queue stands still when this returns. */
static bool set_backend(struct vhost_net *v, unsigned int index, int fd)
{
	struct vhost_vring_file backend = { .index = index, .fd = fd };

	return !ioctl(v->fd, VHOST_NET_SET_BACKEND, &backend);
}

static bool set_all(struct vhost_net *v, struct virtio_device *dev)
{
	u64 features = dev->features & v->features;
	unsigned int i;

	if (ioctl(v->fd, VHOST_SET_FEATURES, &features) || !set_memory(v, dev->memory))
		return false;
	for (i = 0; i < QUEUES; i++)
		if (!set_queue(v, &dev->queue[i], i))
			return false;
	for (i = 0; i < QUEUES; i++)
		if (!set_backend(v, i, v->tap_fd))
			return false;
	return true;
}

int vhost_net_start(struct vhost_net *v, struct virtio_device *dev)
{
	unsigned int i;
	int error;

	for (i = 0; i < QUEUES; i++)
		if (!dev->queue[i].enabled || !dev->transport->call_fd_works(dev, i))
			return -ENOTSUP;
	for (i = 0; i < QUEUES; i++)
		atomic_store(&dev->queue[i].delegated, true);
	if (set_all(v, dev))
		return 0;
	error = -errno;
	for (i = 0; i < QUEUES; i++) {
		set_backend(v, i, -1);
		atomic_store(&dev->queue[i].delegated, false);
	}
	return error;
}

static void take_back(struct vhost_net *v, struct virtio_queue *q, unsigned int index)
{
	struct vhost_vring_file nothing = { .index = index, .fd = VHOST_FILE_UNBIND };
	struct vhost_vring_state base = { .index = index };
	u16 used;

	set_backend(v, index, -1);
	ioctl(v->fd, VHOST_SET_VRING_KICK, &nothing);
	ioctl(v->fd, VHOST_SET_VRING_CALL, &nothing);
	if (!ioctl(v->fd, VHOST_GET_VRING_BASE, &base))
		q->ring.next_available = base.num;
	/* The kernel's count of what was given back is in the ring alone. */
	if (memory_read(q->ring.mem, q->ring.used + offsetof(struct vring_used, idx), &used,
			sizeof(used)))
		q->ring.next_used = used;
	q->ring.signalled_used = q->ring.next_used;
	q->ring.signalled_valid = false;
	atomic_store(&q->delegated, false);
}

void vhost_net_stop(struct vhost_net *v, struct virtio_device *dev)
{
	unsigned int i;

	for (i = 0; i < QUEUES; i++)
		take_back(v, &dev->queue[i], i);
}
