/* SPDX-License-Identifier: GPL-2.0 */
/* The descriptor of a vCPU. */
#ifndef LODGE_IOCTL_VCPU_H
#define LODGE_IOCTL_VCPU_H

#include <linux/fs.h>
#include <linux/kvm.h>

#define VCPU_MMAP_PAGES	3	/* kvm_run, the data of port I/O, the ring of coalesced.c */

/* Its private_data is the vCPU, or NULL while there is none yet. */
extern const struct file_operations lodge_vcpu_fops;

/* KVM_GET_MSRS and KVM_SET_MSRS: fn for each entry, until it refuses one. */
long ioctl_msrs(void *object, unsigned long arg, bool get,
		bool (*fn)(void *object, struct kvm_msr_entry *e));

#endif
