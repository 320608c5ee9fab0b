/* SPDX-License-Identifier: GPL-2.0 */
/* Following what the process and the kernel do to guest memory. */
#ifndef LODGE_MEM_NOTIFIER_H
#define LODGE_MEM_NOTIFIER_H

#include "../lodge.h"

/* With mm pinned as current's. */
int notifier_register(struct lodge_vm *vm);
void notifier_unregister(struct lodge_vm *vm);

#endif
