/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the local APIC share; nobody else includes it. */
#ifndef LODGE_IRQ_LAPIC_PRIV_H
#define LODGE_IRQ_LAPIC_PRIV_H

#include <linux/bitops.h>
#include <linux/hrtimer.h>
#include <asm/apicdef.h>
#include <asm/msr-index.h>

#include "lapic.h"

struct lapic_timer {
	struct hrtimer hr;
	ktime_t expires;	/* (V), and its own callback while armed */
	u64 period;		/* (V) ns; 0: nothing counts */
	u64 deadline;		/* (V) guest TSC; cleared by the callback */
	u32 mode;		/* (V) APIC_LVT_TIMER_*: how LVTT was last understood */
	u8 shift;		/* (V) of the divider */
	bool lent;		/* (V) hr stands for the CPU's timer, as long as the vCPU sleeps */
};

struct lodge_lapic {
	struct lodge_vcpu *vcpu;	/* (C) */
	/*
	 * (C) pointer.  The virtual-APIC page: written by the vCPU's task and, while
	 * the guest runs, by the CPU.  Others read single registers of it, and set or
	 * clear bits of the TMR.
	 */
	void *regs;
	bool irr_maybe;			/* (V) IRR may have a bit */
	bool rvi_stale;			/* (V) it may have one that the CPU does not know of */
	unsigned long esr;		/* (A) errors since the ESR was last written */
	unsigned long arrived;		/* (A) bits LAPIC_INIT, LAPIC_SIPI */
	u8 sipi_vector;			/* (A) written before LAPIC_SIPI is set */
	u32 lowest_taken;		/* (A) rough count, to spread lowest priority */
	u32 max_lvt;			/* (V) index of the last LVT entry */
	bool has_deadline, has_x2apic;	/* (V) by CPUID */
	DECLARE_BITMAP(eoi_vectors, 256);	/* (V) their EOI concerns the IOAPIC */
	struct lapic_timer timer;
};

/* Numbers of bits in lodge_lapic.arrived. */
enum { LAPIC_INIT, LAPIC_SIPI };

static inline u32 lapic_get(const struct lodge_lapic *apic, u32 reg)
{
	return READ_ONCE(*(u32 *)(apic->regs + reg));
}

static inline void lapic_put(struct lodge_lapic *apic, u32 reg, u32 value)
{
	WRITE_ONCE(*(u32 *)(apic->regs + reg), value);
}

/* IRR, ISR and TMR: 256 bits in eight registers, each 16 bytes from the last. */
static inline unsigned long *vector_word(const struct lodge_lapic *apic, u32 base, u8 vector)
{
	return apic->regs + base + (vector >> 5) * 0x10;
}

static inline bool vector_test(const struct lodge_lapic *apic, u32 base, u8 vector)
{
	return test_bit(vector & 31, vector_word(apic, base, vector));
}

/* The highest vector of such a set, or -1. */
int vector_highest(const struct lodge_lapic *apic, u32 base);

static inline bool lapic_is_x2(const struct lodge_vcpu *vcpu)
{
	return READ_ONCE(vcpu->apic_base) & X2APIC_ENABLE;
}

static inline bool lapic_is_on(const struct lodge_vcpu *vcpu)
{
	return READ_ONCE(vcpu->apic_base) & MSR_IA32_APICBASE_ENABLE;
}

/* Enabled by the SVR: fixed interrupts are taken, LVT entries can be unmasked. */
static inline bool lapic_is_sw_on(const struct lodge_lapic *apic)
{
	return lapic_get(apic, APIC_SPIV) & APIC_SPIV_APIC_ENABLED;
}

/* lapic.c: any context. */
int lapic_accept(struct lodge_vcpu *vcpu, const struct irq_msg *msg);
/* The source that an LVT entry stands for asks for an interrupt. */
int lapic_local(struct lodge_lapic *apic, u32 lvt);
void lapic_error(struct lodge_lapic *apic, u32 bit);

/* lapic.c: by the vCPU's task. */
u32 lapic_update_ppr(struct lodge_lapic *apic);
void lapic_set_svr(struct lodge_lapic *apic, u32 value);

/* lapic_reg.c: to and from a saved state, unless it is another vCPU's. */
void lapic_show(struct lodge_lapic *apic, struct kvm_lapic_state *out);
bool lapic_can_load(struct lodge_lapic *apic, const struct kvm_lapic_state *in);
void lapic_load(struct lodge_lapic *apic, const struct kvm_lapic_state *in);

/* lapic_dest.c */
void lapic_send(struct lodge_lapic *apic, u32 low, u32 dest);

/* lapic_timer.c; all by the vCPU's task. */
void timer_init(struct lodge_lapic *apic);
void timer_stop(struct lodge_lapic *apic);
void timer_set_mode(struct lodge_lapic *apic);	/* LVTT was written */
void timer_set_count(struct lodge_lapic *apic, u32 count);
void timer_set_divider(struct lodge_lapic *apic, u32 tdcr);
u32 timer_count(struct lodge_lapic *apic);
/* The registers were loaded from outside: count on from @count. */
void timer_restore(struct lodge_lapic *apic, u32 count);

#endif
