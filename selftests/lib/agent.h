/* SPDX-License-Identifier: GPL-2.0 */
/*
 * agent.h - a guest that makes one access after the other as the host side of the
 * test orders them: for tests of devices, which are then a script on one side only.
 * Interrupts are off but where the order says so. The gates are the test's choice:
 * vm_record_events() or vm_count_irqs().
 */
#ifndef SELFTEST_AGENT_H
#define SELFTEST_AGENT_H

#include "selftest.h"

enum agent_what {
	AGENT_IN, AGENT_OUT, AGENT_READ, AGENT_WRITE,	/* @size, @addr, @value */
	AGENT_WINDOW,			/* takes all interrupts that are pending */
	AGENT_HALT,			/* HLT with interrupts on: until one came */
	AGENT_CALL,			/* calls the guest function @addr with @value */
};

struct agent_order {
	u64 what, size, addr, value;
};

/* 64-bit code, interrupts off; the vCPU runs, whatever it was (KVM_SET_MP_STATE). */
void agent_start(struct vcpu *vcpu);
/* Orders and waits for the end of it; returns what was read. */
u64 agent_do(struct vcpu *vcpu, enum agent_what what, u32 size, u64 addr, u64 value);
/* In two steps, for exits in between: the caller runs the vCPU, then AGENT_SYNC. */
void agent_order(struct vcpu *vcpu, enum agent_what what, u32 size, u64 addr, u64 value);

#define AGENT_SYNC	0xa9e7		/* the GUEST_SYNC() behind every order */

static inline u8 agent_inb(struct vcpu *vcpu, u16 port)
{
	return agent_do(vcpu, AGENT_IN, 1, port, 0);
}

static inline void agent_outb(struct vcpu *vcpu, u16 port, u8 value)
{
	agent_do(vcpu, AGENT_OUT, 1, port, value);
}

static inline u32 agent_readl(struct vcpu *vcpu, u64 gpa)
{
	return agent_do(vcpu, AGENT_READ, 4, gpa, 0);
}

static inline void agent_writel(struct vcpu *vcpu, u64 gpa, u32 value)
{
	agent_do(vcpu, AGENT_WRITE, 4, gpa, value);
}

static inline void agent_window(struct vcpu *vcpu)
{
	agent_do(vcpu, AGENT_WINDOW, 0, 0, 0);
}

static inline void agent_halt(struct vcpu *vcpu)
{
	agent_do(vcpu, AGENT_HALT, 0, 0, 0);
}

#define agent_call(vcpu, fn, arg)	agent_do(vcpu, AGENT_CALL, 0, (uintptr_t)(fn), arg)

#endif /* SELFTEST_AGENT_H */
