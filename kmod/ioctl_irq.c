// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl_irq.c - the ioctls of a machine that concern its interrupt controllers: from
 * user memory and back.  The rows are in ioctl.c; what is done is in irqchip.c and irq/.
 */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "lodge.h"
#include "ioctl.h"
#include "ioctl_irq.h"
#include "irq/irqfd.h"
#include "irq/pit.h"
#include "irq/route.h"
#include "irqchip.h"

VM_SET(irqchip_create_pit, kvm_pit_config)
VM_SET(irqchip_set, kvm_irqchip)
VM_SET(irqfd_set, kvm_irqfd)
VM_SET(route_msi, kvm_msi)

long vm_ioctl_create_irqchip(void *object, unsigned long unused)
{
	return irqchip_create(object);
}

long vm_ioctl_set_boot_cpu_id(void *object, unsigned long id)
{
	return irqchip_set_boot_id(object, id);
}

/* In and out: which chip is asked for stands in the struct. */
long vm_ioctl_get_irqchip(void *object, unsigned long arg)
{
	struct kvm_irqchip chip;
	int err;

	if (copy_from_user(&chip, (void __user *)arg, sizeof(chip)))
		return -EFAULT;
	err = irqchip_get(object, &chip);
	if (err)
		return err;
	return copy_to_user((void __user *)arg, &chip, sizeof(chip)) ? -EFAULT : 0;
}

/* The first interface had no way to say anything about the speaker. */
long vm_ioctl_create_pit(void *object, unsigned long unused)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	return irqchip_create_pit(object, &config);
}

long vm_ioctl_get_pit2(void *object, unsigned long arg)
{
	struct lodge_vm *vm = object;
	struct kvm_pit_state2 state;

	if (!vm->pit)
		return -ENXIO;
	memset(&state, 0, sizeof(state));
	pit_get(vm, &state);
	return copy_to_user((void __user *)arg, &state, sizeof(state)) ? -EFAULT : 0;
}

long vm_ioctl_set_pit2(void *object, unsigned long arg)
{
	struct lodge_vm *vm = object;
	struct kvm_pit_state2 state;

	if (copy_from_user(&state, (void __user *)arg, sizeof(state)))
		return -EFAULT;
	return pit_set(vm, &state, true);
}

/* The old state is the beginning of the new one. */
long vm_ioctl_get_pit(void *object, unsigned long arg)
{
	struct lodge_vm *vm = object;
	struct kvm_pit_state2 state;

	/* its argument is read first, as KVM does, though nothing in it counts */
	if (copy_from_user(&state, (void __user *)arg, sizeof(struct kvm_pit_state)))
		return -EFAULT;
	if (!vm->pit)
		return -ENXIO;
	pit_get(vm, &state);
	return copy_to_user((void __user *)arg, &state, sizeof(struct kvm_pit_state)) ? -EFAULT : 0;
}

long vm_ioctl_set_pit(void *object, unsigned long arg)
{
	struct lodge_vm *vm = object;
	struct kvm_pit_state2 state = { };

	if (copy_from_user(&state, (void __user *)arg, sizeof(struct kvm_pit_state)))
		return -EFAULT;
	return pit_set(vm, &state, false);
}

long vm_ioctl_reinject_control(void *object, unsigned long arg)
{
	struct kvm_reinject_control control;
	struct lodge_vm *vm = object;

	if (copy_from_user(&control, (void __user *)arg, sizeof(control)))
		return -EFAULT;
	return pit_set_reinject(vm, control.pit_reinject);
}

long vm_ioctl_set_gsi_routing(void *object, unsigned long arg)
{
	struct kvm_irq_routing __user *user = (void __user *)arg;
	struct kvm_irq_routing_entry *entries;
	struct kvm_irq_routing head;
	long ret;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nr > LODGE_MAX_GSIS || head.flags)
		return -EINVAL;
	entries = vmemdup_user(user->entries, array_size(head.nr, sizeof(*entries)));
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	ret = route_set(object, entries, head.nr);
	kvfree(entries);
	return ret;
}

static long irq_line(struct lodge_vm *vm, unsigned long arg, bool tell)
{
	struct kvm_irq_level line;

	if (copy_from_user(&line, (void __user *)arg, sizeof(line)))
		return -EFAULT;
	/* pairs with the release of who gives the machine its chips */
	if (smp_load_acquire(&vm->irqchip) == IRQCHIP_NONE)
		return -ENXIO;
	line.status = route_line(vm, line.irq, tell ? SOURCE_USER_ASKS : SOURCE_USER, line.level);
	return tell && copy_to_user((void __user *)arg, &line, sizeof(line)) ? -EFAULT : 0;
}

long vm_ioctl_irq_line(void *object, unsigned long arg)
{
	return irq_line(object, arg, false);
}

long vm_ioctl_irq_line_status(void *object, unsigned long arg)
{
	return irq_line(object, arg, true);
}
