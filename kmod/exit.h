/* SPDX-License-Identifier: GPL-2.0 */
/* From a VM exit to what becomes of it. */
#ifndef LODGE_EXIT_H
#define LODGE_EXIT_H

#include "lodge.h"

/* An enum exit_fate, or a negative errno. */
int exit_handle(struct lodge_vcpu *vcpu);
/* The guest is beyond continuing: tell user space that it has shut down. */
int exit_shutdown(struct lodge_vcpu *vcpu);
/* User space wants to see this exit before it is dealt with. */
int exit_stop(struct lodge_vcpu *vcpu);
/* User space steps through the guest, and one step is done. */
int exit_stepped(struct lodge_vcpu *vcpu);
/* User space has to make room for more pages that this vCPU writes. */
int exit_ring_full(struct lodge_vcpu *vcpu);
/* User space's IOAPIC waits for the end of an interrupt. */
int exit_ioapic_eoi(struct lodge_vcpu *vcpu);
/* User space has an interrupt, and the guest takes it now. */
int exit_irq_window(struct lodge_vcpu *vcpu);
/* User space wants to know of each access to the task priority. */
int exit_tpr_access(struct lodge_vcpu *vcpu);

#endif
