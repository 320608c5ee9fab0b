/* SPDX-License-Identifier: GPL-2.0 */
/* The registers of asynchronous page faults, of which there are none. */
#ifndef LODGE_CPU_ASYNC_PF_H
#define LODGE_CPU_ASYNC_PF_H

#include "../lodge.h"
#include "msr.h"

/* MSR_KVM_ASYNC_PF_EN, _INT and _ACK; false: #GP. */
bool async_pf_read(struct lodge_vcpu *vcpu, struct msr_access *a);
bool async_pf_write(struct lodge_vcpu *vcpu, const struct msr_access *a);

#endif
