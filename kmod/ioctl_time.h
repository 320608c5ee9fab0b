/* SPDX-License-Identifier: GPL-2.0 */
/* Handlers of ioctl.c's tables that concern time. */
#ifndef LODGE_IOCTL_TIME_H
#define LODGE_IOCTL_TIME_H

long vcpu_ioctl_set_tsc_khz(void *object, unsigned long arg);
long vcpu_ioctl_get_tsc_khz(void *object, unsigned long arg);
long vcpu_ioctl_kvmclock_ctrl(void *object, unsigned long arg);
long vm_ioctl_set_tsc_khz(void *object, unsigned long arg);
long vm_ioctl_get_tsc_khz(void *object, unsigned long arg);
long vm_ioctl_set_clock(void *object, unsigned long arg);
long vm_ioctl_get_clock(void *object, unsigned long arg);

#endif
