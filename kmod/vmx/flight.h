/* SPDX-License-Identifier: GPL-2.0 */
/* The flight recorder's pen: short, as it writes at each exit. */
#ifndef LODGE_VMX_FLIGHT_H
#define LODGE_VMX_FLIGHT_H

#include <linux/nospec.h>
#include <asm/msr.h>

#include <uapi/linux/lodge.h>

#include "../lodge.h"
#include "regs.h"

/* What the host did between two entries is put down to the exit that was first. */
static inline void flight_host_time(struct lodge_vcpu *vcpu, u64 now)
{
	u16 reason = vcpu->exit_reason;

	if (likely(reason < STAT_EXIT_REASONS))
		vcpu->stats.host_ticks[array_index_nospec(reason, STAT_EXIT_REASONS)] +=
			now - vcpu->flight.left;
}

static inline void flight_entry(struct lodge_vcpu *vcpu)
{
	u64 now = rdtsc();

	vcpu->flight.next->entered = now;
	if (likely(vcpu->flight.left))
		flight_host_time(vcpu, now);
}

/* KVM_RUN ends; what comes is the client's time. */
static inline void flight_pause(struct lodge_vcpu *vcpu)
{
	if (vcpu->flight.left)
		flight_host_time(vcpu, rdtsc());
	vcpu->flight.left = 0;
}

/* With the VMCS as the exit has left it. */
static inline void flight_exit(struct lodge_vcpu *vcpu)
{
	struct lodge_flight_ring *f = &vcpu->flight;
	struct lodge_flight_record *r = f->next;

	f->left = rdtsc();
	r->left = f->left;
	r->rip = regs_rip(vcpu);
	r->cr3 = vmreadl(GUEST_CR3);
	r->gpa = vcpu->exit_gpa;
	r->event = vcpu->entering ? vcpu->entry_info : 0;
	r->cpu = vcpu->vmcs.cpu;
	r->reason = vcpu->exit_reason;
	r->flags = 0;
	r->qualification = vcpu->exit_qual;
	if (unlikely(vcpu->fail)) {
		r->flags = LODGE_FLIGHT_VMFAIL;
		r->qualification = vcpu->insn_error;
	}
	f->next = unlikely(r + 1 == f->end) ? f->first : r + 1;
	/* pairs with whoever reads the count, copies, and reads it again */
	smp_store_release(&f->head->count, f->head->count + 1);
}

#endif
