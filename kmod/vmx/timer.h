/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The CPU's own timer, which counts while the guest runs and ends it: SDM vol. 3C
 * 25.5.1.  It costs nothing to set and one exit when it ends, and it stands still
 * outside the guest, so a vCPU that sleeps needs another one.
 */
#ifndef LODGE_VMX_TIMER_H
#define LODGE_VMX_TIMER_H

#include <asm/msr.h>
#include <asm/tsc.h>

#include "../lodge.h"
#include "caps.h"
#include "vmcs.h"

/* It counts at the TSC's rate divided by this power of two. */
static inline unsigned int vmx_timer_shift(void)
{
	return vmx_caps.misc & 0x1f;
}

/* Can it count so many ticks of the host's TSC? */
static inline bool vmx_timer_can(u64 ticks)
{
	return (vmx_caps.pin & PIN_BASED_VMX_PREEMPTION_TIMER) && !check_tsc_unstable() &&
	       ticks >> vmx_timer_shift() < U32_MAX;
}

/* Before an entry: what is left until shortly before vcpu->timer_tsc, or nothing at all. */
static inline void vmx_timer_entry(struct lodge_vcpu *vcpu)
{
	u32 on = vcpu->timer_tsc ? PIN_BASED_VMX_PREEMPTION_TIMER : 0;
	u64 now, end;

	vmcs_set_pin(&vcpu->vmcs, (vcpu->vmcs.pin & ~PIN_BASED_VMX_PREEMPTION_TIMER) | on);
	if (likely(!on))
		return;
	now = rdtsc();
	end = vcpu->timer_tsc - vcpu->timer_advance;
	vmwrite32(VMX_PREEMPTION_TIMER_VALUE, now >= end ? 0 :
		  ((end - now) >> vmx_timer_shift()) + 1);
}

#endif
