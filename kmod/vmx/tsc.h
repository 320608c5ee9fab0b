/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's time stamp counter, computed as the CPU does it for RDTSC in the
 * guest: SDM vol. 3C 24.6.5 and 25.3.
 */
#ifndef LODGE_VMX_TSC_H
#define LODGE_VMX_TSC_H

#include <linux/ktime.h>
#include <linux/math64.h>
#include <asm/msr.h>

#include "../lodge.h"

#define TSC_MULT_SHIFT	48		/* the multiplier is a fixed-point number */

static inline u64 tsc_scale(const struct lodge_vcpu *vcpu, u64 host)
{
	return vcpu->tsc_mult ? mul_u64_u64_shr(host, vcpu->tsc_mult, TSC_MULT_SHIFT) : host;
}

static inline u64 tsc_of_guest(const struct lodge_vcpu *vcpu)
{
	return tsc_scale(vcpu, rdtsc()) + vcpu->tsc_offset;
}

/* How long that many ticks of the guest's take; at most some centuries. */
static inline u64 tsc_to_ns(const struct lodge_vcpu *vcpu, u64 ticks)
{
	u64 ms, rest;

	ms = div64_u64_rem(ticks, vcpu->tsc_khz ?: 1, &rest);
	if (ms > KTIME_MAX / 2 / NSEC_PER_MSEC)
		return KTIME_MAX / 2;
	return ms * NSEC_PER_MSEC + div64_u64(rest * NSEC_PER_MSEC, vcpu->tsc_khz ?: 1);
}

#endif
