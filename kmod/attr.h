/* SPDX-License-Identifier: GPL-2.0 */
/* Attributes: values that have no ioctl of their own. */
#ifndef LODGE_ATTR_H
#define LODGE_ATTR_H

/* Ioctl handlers of a vCPU's descriptor; arg points to a kvm_device_attr. */
long vcpu_ioctl_has_attr(void *object, unsigned long arg);
long vcpu_ioctl_get_attr(void *object, unsigned long arg);
long vcpu_ioctl_set_attr(void *object, unsigned long arg);

/* The device's. */
long dev_ioctl_has_attr(void *unused, unsigned long arg);
long dev_ioctl_get_attr(void *unused, unsigned long arg);

#endif
