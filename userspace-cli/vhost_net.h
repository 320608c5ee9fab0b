/* SPDX-License-Identifier: GPL-2.0 */
/* The queues of a virtio-net device with a tap, served by the host's kernel. */
#ifndef LODGE_CLI_VHOST_NET_H
#define LODGE_CLI_VHOST_NET_H

#include "virtio.h"

struct vhost_net;

/* NULL: there is no vhost here that can do what is needed, and user space serves. */
struct vhost_net *vhost_net_open(int tap_fd);
void vhost_net_close(struct vhost_net *v);

/* Readable once vhost has found that the guest breaks the rules. */
int vhost_net_error_fd(const struct vhost_net *v);

/*
 * With the device's lock. From the start on the kernel has queues 0 and 1: 0, or -errno
 * and they are where they were. The stop takes them back as far as they have come.
 */
int vhost_net_start(struct vhost_net *v, struct virtio_device *dev);
void vhost_net_stop(struct vhost_net *v, struct virtio_device *dev);

#endif
