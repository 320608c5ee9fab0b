/* SPDX-License-Identifier: GPL-2.0 */
/* The guest's time stamp counter. */
#ifndef LODGE_CPU_CLOCK_H
#define LODGE_CPU_CLOCK_H

#include "../lodge.h"

/* The vCPU is loaded in all of these. */
u64 clock_tsc(struct lodge_vcpu *vcpu);
/* By how much the counter was moved. */
u64 clock_set_tsc(struct lodge_vcpu *vcpu, u64 value);
void clock_add_tsc(struct lodge_vcpu *vcpu, u64 ticks);
/* 0 stands for the host's frequency; EINVAL if the CPU cannot scale to it. */
int clock_set_khz(struct lodge_vcpu *vcpu, u32 khz);
void clock_reset(struct lodge_vcpu *vcpu);

bool clock_can_scale(void);
bool clock_khz_valid(u32 khz);

#endif
