/* SPDX-License-Identifier: GPL-2.0 */
/* Calls that KVM has not; @object is the machine or the vCPU. */
#ifndef LODGE_IOCTL_LODGE_H
#define LODGE_IOCTL_LODGE_H

long vm_ioctl_walk_ept(void *object, unsigned long arg);

long vcpu_ioctl_get_flight_fd(void *object, unsigned long unused);
long vcpu_ioctl_get_vmcs(void *object, unsigned long arg);
long vcpu_ioctl_get_entry_failure(void *object, unsigned long arg);
long vcpu_ioctl_set_stops(void *object, unsigned long arg);
long vcpu_ioctl_break_vmcs(void *object, unsigned long arg);

#endif
