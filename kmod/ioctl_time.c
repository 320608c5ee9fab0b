// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl_time.c - the ioctls of machines and vCPUs that concern time: from user memory
 * and back.  The rows are in ioctl.c; what is done is in cpu/clock.c and cpu/pvclock.c.
 */
#include <linux/kernel.h>
#include <linux/uaccess.h>

#include "lodge.h"
#include "cpu/clock.h"
#include "cpu/pvclock.h"
#include "ioctl_time.h"
#include "vm.h"

long vcpu_ioctl_set_tsc_khz(void *object, unsigned long arg)
{
	return clock_set_khz(object, arg);
}

long vcpu_ioctl_get_tsc_khz(void *object, unsigned long unused)
{
	return ((struct lodge_vcpu *)object)->tsc_khz;
}

long vcpu_ioctl_kvmclock_ctrl(void *object, unsigned long unused)
{
	return pvclock_guest_stopped(object);
}

long vm_ioctl_set_tsc_khz(void *object, unsigned long arg)
{
	return vm_set_tsc_khz(object, arg);
}

long vm_ioctl_get_tsc_khz(void *object, unsigned long unused)
{
	return vm_tsc_khz(object);
}

long vm_ioctl_set_clock(void *object, unsigned long arg)
{
	struct kvm_clock_data data;

	if (copy_from_user(&data, (void __user *)arg, sizeof(data)))
		return -EFAULT;
	return pvclock_set(object, &data);
}

long vm_ioctl_get_clock(void *object, unsigned long arg)
{
	struct kvm_clock_data data;

	pvclock_get(object, &data);
	return copy_to_user((void __user *)arg, &data, sizeof(data)) ? -EFAULT : 0;
}
