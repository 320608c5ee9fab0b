/* SPDX-License-Identifier: GPL-2.0 */
/* What a guest can ask of the host by VMCALL. */
#ifndef LODGE_CPU_HYPERCALL_H
#define LODGE_CPU_HYPERCALL_H

#include "../lodge.h"

/* Number and arguments are in the guest's registers, and so is the answer. */
void hypercall(struct lodge_vcpu *vcpu);

#endif
