/* SPDX-License-Identifier: GPL-2.0 */
/* The interrupts of a machine that has its controllers in the kernel. */
#ifndef LODGE_CLI_IRQS_KVM_H
#define LODGE_CLI_IRQS_KVM_H

#include "irqs.h"

/* After KVM_CREATE_IRQCHIP; NULL with errno. */
struct irqs *irqs_create(int vm_fd);
void irqs_free(struct irqs *irqs);

#endif
