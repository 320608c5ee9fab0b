/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What /dev/lodge offers beyond KVM's ABI.  Everything that KVM has keeps its
 * number, struct and meaning from <linux/kvm.h>; only what KVM has not may
 * stand here, under an ioctl type of its own so that the two can never meet.
 */
#ifndef _UAPI_LINUX_LODGE_H
#define _UAPI_LINUX_LODGE_H

#include <linux/ioctl.h>
#include <linux/kvm.h>

/* KVM owns type 0xAE; lodge's own calls have this one. */
#define LODGE_IOCTL_TYPE 0xEB

/*
 * LODGE_GET_VERSION: (device) the version of this header that the module was
 * built from.  KVM answers ENOTTY, so a client can tell the two apart.
 */
#define LODGE_GET_VERSION	_IO(LODGE_IOCTL_TYPE, 0x00)
#define LODGE_VERSION		1

#endif
