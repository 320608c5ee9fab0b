// SPDX-License-Identifier: GPL-2.0
/*
 * attr.c - attributes: 64-bit values of a vCPU, or of the device, that have a group
 * and a number instead of an ioctl of their own (KVM_HAS_DEVICE_ATTR and its companions).
 */
#include <linux/kernel.h>
#include <linux/uaccess.h>

#include "lodge.h"
#include "attr.h"
#include "cpu/clock.h"
#include "cpu/cpuid.h"

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

static u64 get_guest_xcr0(struct lodge_vcpu *nobody)
{
	return cpuid_host_xcr0();
}

static const struct attr_row dev_attrs[] = {
	{ 0, KVM_X86_XCOMP_GUEST_SUPP, get_guest_xcr0 },
};

/* The row that user space names, and the address of the value. */
static const struct attr_row *find_row(const struct attr_row *rows, int count,
				       unsigned long arg, u64 __user **value, int *err)
{
	struct kvm_device_attr attr;
	int i;

	*err = -EFAULT;
	if (copy_from_user(&attr, (void __user *)arg, sizeof(attr)))
		return NULL;
	*value = (u64 __user *)(unsigned long)attr.addr;
	*err = -ENXIO;
	for (i = 0; i < count; i++)
		if (rows[i].group == attr.group && rows[i].attr == attr.attr)
			return &rows[i];
	return NULL;
}

static long has_attr(const struct attr_row *rows, int count, unsigned long arg)
{
	u64 __user *value;
	int err;

	return find_row(rows, count, arg, &value, &err) ? 0 : err;
}

static long get_attr(const struct attr_row *rows, int count, void *object, unsigned long arg)
{
	const struct attr_row *row;
	u64 __user *value;
	int err;

	row = find_row(rows, count, arg, &value, &err);
	if (!row)
		return err;
	return put_user(row->get(object), value);
}

long dev_ioctl_has_attr(void *unused, unsigned long arg)
{
	return has_attr(dev_attrs, ARRAY_SIZE(dev_attrs), arg);
}

long dev_ioctl_get_attr(void *unused, unsigned long arg)
{
	return get_attr(dev_attrs, ARRAY_SIZE(dev_attrs), NULL, arg);
}

long vcpu_ioctl_has_attr(void *unused, unsigned long arg)
{
	return has_attr(vcpu_attrs, ARRAY_SIZE(vcpu_attrs), arg);
}

long vcpu_ioctl_get_attr(void *object, unsigned long arg)
{
	return get_attr(vcpu_attrs, ARRAY_SIZE(vcpu_attrs), object, arg);
}

long vcpu_ioctl_set_attr(void *object, unsigned long arg)
{
	const struct attr_row *row;
	u64 __user *value;
	u64 data;
	int err;

	row = find_row(vcpu_attrs, ARRAY_SIZE(vcpu_attrs), arg, &value, &err);
	if (!row)
		return err;
	if (get_user(data, value))
		return -EFAULT;
	row->set(object, data);
	return 0;
}
