/* SPDX-License-Identifier: GPL-2.0 */
/* The guest's time stamp counter. */
#ifndef LODGE_CPU_CLOCK_H
#define LODGE_CPU_CLOCK_H

#include "../lodge.h"

/* The vCPU is loaded in all of these. */
/* The guest writes it: this counter alone moves.  Returns by how much. */
u64 clock_guest_sets(struct lodge_vcpu *vcpu, u64 value);
void clock_add_tsc(struct lodge_vcpu *vcpu, u64 ticks);
/*
 * User space writes it.  A value that another vCPU has or would have by now, give
 * or take a second, or zero, means: in step with the others.
 */
void clock_host_sets(struct lodge_vcpu *vcpu, u64 value);
/* KVM_VCPU_TSC_OFFSET: what is added to the host's counter, scaled. */
void clock_set_offset(struct lodge_vcpu *vcpu, u64 offset);
/* 0 stands for the host's frequency; EINVAL if the CPU cannot scale to it. */
int clock_set_khz(struct lodge_vcpu *vcpu, u32 khz);
/* A new vCPU: at the frequency of its machine, in step with the others. */
void clock_init(struct lodge_vcpu *vcpu);
/* Do the counters of all vCPUs agree?  Under vm->clock_lock. */
bool clock_all_in_step(struct lodge_vm *vm);

/* Its task comes to a CPU, and leaves it; preemption is off. */
void clock_load(struct lodge_vcpu *vcpu);
void clock_unload(struct lodge_vcpu *vcpu);

bool clock_can_scale(void);
bool clock_khz_valid(u32 khz);

#endif
