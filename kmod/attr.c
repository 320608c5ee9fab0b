// SPDX-License-Identifier: GPL-2.0
/*
 * attr.c - attributes: 64-bit values of a vCPU that have a group and a number
 * instead of an ioctl of their own (KVM_HAS_DEVICE_ATTR and its companions).
 */
#include <linux/kernel.h>
#include <linux/uaccess.h>

#include "lodge.h"
#include "attr.h"
#include "cpu/clock.h"

struct attr_row {
	u32 group;
	u64 attr;
	u64 (*get)(struct lodge_vcpu *vcpu);
	void (*set)(struct lodge_vcpu *vcpu, u64 value);
};

static u64 get_tsc_offset(struct lodge_vcpu *vcpu)
{
	return vcpu->tsc_offset;
}

static const struct attr_row vcpu_attrs[] = {
	{ KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, get_tsc_offset, clock_set_offset },
};

/* The row that user space names, and the address of the value. */
static const struct attr_row *find_row(unsigned long arg, u64 __user **value, int *err)
{
	struct kvm_device_attr attr;
	int i;

	*err = -EFAULT;
	if (copy_from_user(&attr, (void __user *)arg, sizeof(attr)))
		return NULL;
	*value = (u64 __user *)(unsigned long)attr.addr;
	*err = -ENXIO;
	for (i = 0; i < ARRAY_SIZE(vcpu_attrs); i++)
		if (vcpu_attrs[i].group == attr.group && vcpu_attrs[i].attr == attr.attr)
			return &vcpu_attrs[i];
	return NULL;
}

long vcpu_ioctl_has_attr(void *unused, unsigned long arg)
{
	u64 __user *value;
	int err;

	return find_row(arg, &value, &err) ? 0 : err;
}

long vcpu_ioctl_get_attr(void *object, unsigned long arg)
{
	const struct attr_row *row;
	u64 __user *value;
	int err;

	row = find_row(arg, &value, &err);
	if (!row)
		return err;
	return put_user(row->get(object), value);
}

long vcpu_ioctl_set_attr(void *object, unsigned long arg)
{
	const struct attr_row *row;
	u64 __user *value;
	u64 data;
	int err;

	row = find_row(arg, &value, &err);
	if (!row)
		return err;
	if (get_user(data, value))
		return -EFAULT;
	row->set(object, data);
	return 0;
}
