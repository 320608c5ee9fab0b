/* SPDX-License-Identifier: GPL-2.0 */
/* Interrupt controllers at the door: rows of ioctl.c that stand in a file of their own. */
#ifndef LODGE_IOCTL_IRQ_H
#define LODGE_IOCTL_IRQ_H

long vm_ioctl_irqchip_create_pit(void *object, unsigned long arg);
long vm_ioctl_irqchip_set(void *object, unsigned long arg);
long vm_ioctl_irqfd_set(void *object, unsigned long arg);
long vm_ioctl_route_msi(void *object, unsigned long arg);
long vm_ioctl_create_irqchip(void *object, unsigned long arg);
long vm_ioctl_set_boot_cpu_id(void *object, unsigned long arg);
long vm_ioctl_get_irqchip(void *object, unsigned long arg);
long vm_ioctl_create_pit(void *object, unsigned long arg);
long vm_ioctl_get_pit2(void *object, unsigned long arg);
long vm_ioctl_set_pit2(void *object, unsigned long arg);
long vm_ioctl_get_pit(void *object, unsigned long arg);
long vm_ioctl_set_pit(void *object, unsigned long arg);
long vm_ioctl_reinject_control(void *object, unsigned long arg);
long vm_ioctl_set_gsi_routing(void *object, unsigned long arg);
long vm_ioctl_irq_line(void *object, unsigned long arg);
long vm_ioctl_irq_line_status(void *object, unsigned long arg);

#endif
