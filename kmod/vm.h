/* SPDX-License-Identifier: GPL-2.0 */
/* The life of a machine. */
#ifndef LODGE_VM_H
#define LODGE_VM_H

#include "lodge.h"

struct lodge_vm *vm_create(void);
void vm_get(struct lodge_vm *vm);
void vm_put(struct lodge_vm *vm);

/* The new vCPU is in the machine and holds a reference on it, or an errno. */
struct lodge_vcpu *vm_create_vcpu(struct lodge_vm *vm, unsigned long id);

/* The TSC's frequency for vCPUs that are made from now on; 0: the host's. */
int vm_set_tsc_khz(struct lodge_vm *vm, u32 khz);
u32 vm_tsc_khz(struct lodge_vm *vm);

#endif
