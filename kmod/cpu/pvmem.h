/* SPDX-License-Identifier: GPL-2.0 */
/* Structs that a guest has the host write, at addresses that it gives in an MSR. */
#ifndef LODGE_CPU_PVMEM_H
#define LODGE_CPU_PVMEM_H

#include "../lodge.h"

/* Any place, across the border of a page, too; false: not all of it is memory. */
bool pvmem_read(struct lodge_vm *vm, gpa_t gpa, void *buf, unsigned int len);
bool pvmem_write(struct lodge_vcpu *vcpu, gpa_t gpa, const void *buf, unsigned int len);
/*
 * The struct has its version at this offset; it is odd while the rest is not to be
 * believed.  The new version is left in data.
 */
bool pvmem_write_versioned(struct lodge_vcpu *vcpu, gpa_t gpa, void *data, unsigned int len,
			   unsigned int version_at);

#endif
