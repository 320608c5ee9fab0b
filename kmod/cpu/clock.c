// SPDX-License-Identifier: GPL-2.0
/*
 * clock.c - the guest's time stamp counter.  It is the host's, scaled where user
 * space asked for another frequency and the CPU can do that, plus an offset; the
 * CPU computes it so that no read of it exits.  SDM vol. 3C 24.6.5, 25.3.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "../lodge.h"
#include "../vmx/caps.h"
#include "../vmx/insn.h"
#include "clock.h"

#define MULT_SHIFT	48		/* the multiplier is a fixed-point number */
#define TOLERANCE_PPM	250		/* within this, two frequencies are the same */

static u64 scaled_host_tsc(struct lodge_vcpu *vcpu)
{
	u64 tsc = rdtsc();

	return vcpu->tsc_mult ? mul_u64_u64_shr(tsc, vcpu->tsc_mult, MULT_SHIFT) : tsc;
}

u64 clock_tsc(struct lodge_vcpu *vcpu)
{
	return scaled_host_tsc(vcpu) + vcpu->tsc_offset;
}

void clock_add_tsc(struct lodge_vcpu *vcpu, u64 ticks)
{
	vcpu->tsc_offset += ticks;
	vmwrite64(TSC_OFFSET, vcpu->tsc_offset);
}

u64 clock_set_tsc(struct lodge_vcpu *vcpu, u64 value)
{
	u64 ticks = value - clock_tsc(vcpu);

	clock_add_tsc(vcpu, ticks);
	return ticks;
}

static bool near_host(u32 khz)
{
	u64 slack = div_u64((u64)tsc_khz * TOLERANCE_PPM, 1000000);

	return khz >= tsc_khz - slack && khz <= tsc_khz + slack;
}

bool clock_can_scale(void)
{
	return vmx_caps.proc2 & SECONDARY_EXEC_TSC_SCALING;
}

static void set_multiplier(struct lodge_vcpu *vcpu, u64 mult)
{
	vcpu->tsc_mult = mult;
	if (clock_can_scale())
		vmwrite64(TSC_MULTIPLIER, mult ? mult : BIT_ULL(MULT_SHIFT));
}

bool clock_khz_valid(u32 khz)
{
	/* 16 bits before the point is what the multiplier has */
	return !khz || near_host(khz) ||
	       (clock_can_scale() && tsc_khz && khz < INT_MAX &&
		khz / tsc_khz < BIT(64 - MULT_SHIFT));
}

int clock_set_khz(struct lodge_vcpu *vcpu, u32 khz)
{
	u64 now = clock_tsc(vcpu);

	if (!clock_khz_valid(khz))
		return -EINVAL;
	if (!khz)
		khz = tsc_khz;
	if (near_host(khz))
		set_multiplier(vcpu, 0);
	else
		set_multiplier(vcpu, mul_u64_u32_div(BIT_ULL(MULT_SHIFT), khz, tsc_khz));
	vcpu->tsc_khz = khz;
	/* it runs on from where it was */
	clock_set_tsc(vcpu, now);
	return 0;
}

void clock_reset(struct lodge_vcpu *vcpu)
{
	vcpu->tsc_khz = tsc_khz;
	set_multiplier(vcpu, 0);
	vcpu->tsc_adjust = 0;
	/* the guest's counter begins at zero */
	vcpu->tsc_offset = -rdtsc();
	vmwrite64(TSC_OFFSET, vcpu->tsc_offset);
}
