/* SPDX-License-Identifier: GPL-2.0 */
/* Ends of interrupts that a guest writes into its memory instead of the EOI register. */
#ifndef LODGE_IRQ_PV_EOI_H
#define LODGE_IRQ_PV_EOI_H

#include "lapic.h"

/* MSR 0x4b564d04; false: #GP. */
bool pv_eoi_write_msr(struct lodge_vcpu *vcpu, u64 value);

/* Before an entry, interrupts off: the interrupt in service may be ended this way. */
void pv_eoi_offer(struct lodge_vcpu *vcpu);
/* After an exit, if that was offered: what has the guest done?  May sleep. */
void pv_eoi_collect(struct lodge_vcpu *vcpu);

#endif
