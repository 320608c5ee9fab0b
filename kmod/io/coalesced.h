/* SPDX-License-Identifier: GPL-2.0 */
/* Writes of a guest that are gathered for user space. */
#ifndef LODGE_IO_COALESCED_H
#define LODGE_IO_COALESCED_H

#include "../lodge.h"

int coalesced_register(struct lodge_vm *vm, const struct kvm_coalesced_mmio_zone *zone);
int coalesced_unregister(struct lodge_vm *vm, const struct kvm_coalesced_mmio_zone *zone);

#endif
