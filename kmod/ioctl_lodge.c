// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl_lodge.c - the calls that KVM has not, for whoever wants to see what happens in a
 * machine: uapi/linux/lodge.h.  They show; that KVM_RUN stops at exits is all that they
 * change.
 */
#include <linux/align.h>
#include <linux/capability.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/lodge.h>

#include "lodge.h"
#include "break.h"
#include "entry_failure.h"
#include "flight.h"
#include "ioctl_lodge.h"
#include "mem/ept.h"
#include "vmx/vmcs_dump.h"

/*
 * Structs begin with their size as the client knows them: the part that lodge knows is
 * copied in, and @size is the client's.
 */
static long take_struct(void *to, size_t known, void __user *from, u32 *size)
{
	if (get_user(*size, (u32 __user *)from))
		return -EFAULT;
	if (*size < known || *size > PAGE_SIZE || !IS_ALIGNED(*size, sizeof(u64)))
		return -EINVAL;
	return copy_struct_from_user(to, known, from, *size);
}

/* Where the host's kernel and its pages lie is not for everybody. */
static bool hides_addresses(void)
{
	return !capable(CAP_SYS_ADMIN);
}

long vcpu_ioctl_get_flight_fd(void *object, unsigned long unused)
{
	return flight_get_fd(object);
}

/* More than any CPU has: four widths, four kinds, 32 numbers each. */
#define MAX_VMCS_FIELDS	512

long vcpu_ioctl_get_vmcs(void *object, unsigned long arg)
{
	struct lodge_vmcs __user *user = (void __user *)arg;
	struct lodge_vmcs_field *fields;
	struct lodge_vmcs head;
	u32 count, size;
	long ret;

	ret = take_struct(&head, sizeof(head), user, &size);
	if (ret)
		return ret;
	fields = kvcalloc(MAX_VMCS_FIELDS, sizeof(*fields), GFP_KERNEL_ACCOUNT);
	if (!fields)
		return -ENOMEM;
	count = min(vmcs_dump(object, hides_addresses(), fields, MAX_VMCS_FIELDS), MAX_VMCS_FIELDS);
	if (count > head.fields)
		ret = -E2BIG;
	else if (copy_to_user((void __user *)user + size, fields, count * sizeof(*fields)))
		ret = -EFAULT;
	if (put_user(count, &user->fields))
		ret = -EFAULT;
	kvfree(fields);
	return ret;
}

long vcpu_ioctl_set_stops(void *object, unsigned long arg)
{
	struct lodge_vcpu *vcpu = object;
	struct lodge_stops stops;
	u32 size;
	long err;

	err = take_struct(&stops, sizeof(stops), (void __user *)arg, &size);
	if (err)
		return err;
	if (stops.reserved || (stops.reasons[1] & ~GENMASK_ULL(STAT_EXIT_REASONS - 65, 0)))
		return -EINVAL;
	memcpy(vcpu->stops, stops.reasons, sizeof(vcpu->stops));
	vcpu->has_stops = stops.reasons[0] | stops.reasons[1];
	return 0;
}

long vcpu_ioctl_get_entry_failure(void *object, unsigned long arg)
{
	struct lodge_entry_failure __user *user = (void __user *)arg;
	struct lodge_entry_finding one;
	struct lodge_entry_failure head;
	u32 size, room;
	int count, i;
	long err;

	err = take_struct(&head, sizeof(head), user, &size);
	if (err)
		return err;
	count = entry_failure_get(object, &head);
	if (count < 0)
		return count;
	room = head.findings;
	head.findings = count;
	if (copy_to_user(user, &head, sizeof(head)))
		return -EFAULT;
	if (count > room)
		return -E2BIG;
	for (i = 0; i < count; i++) {
		entry_failure_finding(object, i, hides_addresses(), &one);
		if (copy_to_user((void __user *)user + size + i * sizeof(one), &one, sizeof(one)))
			return -EFAULT;
	}
	return 0;
}

long vcpu_ioctl_break_vmcs(void *object, unsigned long arg)
{
	struct lodge_vmcs_field fields[LODGE_MAX_BROKEN];
	struct lodge_break head;
	u32 size;
	long err;

	err = take_struct(&head, sizeof(head), (void __user *)arg, &size);
	if (err)
		return err;
	if (!head.fields || head.fields > LODGE_MAX_BROKEN)
		return -EINVAL;
	if (copy_from_user(fields, (void __user *)arg + size, head.fields * sizeof(*fields)))
		return -EFAULT;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	return break_next_entry(object, fields, head.fields);
}

long vm_ioctl_walk_ept(void *object, unsigned long arg)
{
	struct lodge_ept_walk walk;
	u32 size, i;
	long err;

	err = take_struct(&walk, sizeof(walk), (void __user *)arg, &size);
	if (err)
		return err;
	if (walk.reserved || walk.gpa >> PAGE_SHIFT >= ept_level_pages(EPT_ROOT_LEVEL + 1))
		return -EINVAL;
	walk.flags = hides_addresses() ? LODGE_EPT_HIDDEN : 0;
	walk.levels = ept_walk(object, walk.gpa >> PAGE_SHIFT, walk.entry);
	for (i = 0; walk.flags && i < walk.levels; i++)
		walk.entry[i] = ept_hide_address(walk.entry[i]);
	for (i = walk.levels; i < ARRAY_SIZE(walk.entry); i++)
		walk.entry[i] = 0;
	return copy_to_user((void __user *)arg, &walk, sizeof(walk)) ? -EFAULT : 0;
}
