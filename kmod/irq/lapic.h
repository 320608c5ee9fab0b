/* SPDX-License-Identifier: GPL-2.0 */
/* The local APIC of a vCPU, and how messages reach it. */
#ifndef LODGE_IRQ_LAPIC_H
#define LODGE_IRQ_LAPIC_H

#include "irq.h"

/*
 * From any context, interrupts on or off: to every local APIC that is addressed.
 * enum irq_result, or how many took it.
 */
int lapic_deliver(struct lodge_vm *vm, const struct irq_msg *msg);

/* The same, to this one, whatever the message says of its destination. */
int lapic_deliver_to(struct lodge_vcpu *vcpu, const struct irq_msg *msg);

/* Is this vCPU addressed by it?  For choosing whose EOIs are to be reported. */
bool lapic_is_addressed(struct lodge_vcpu *vcpu, const struct irq_msg *msg);
/* Has it this vector pending, or in service? */
bool lapic_is_handling(struct lodge_vcpu *vcpu, u8 vector);

/*
 * Which vectors' EOIs must be told has changed (a redirection entry or a route was
 * written): every vCPU asks route_eoi_vectors() again before it runs on.
 */
void lapic_rescan(struct lodge_vm *vm);

/*
 * Has anybody who is addressed its vector pending or in service?  As it looks just now
 * to somebody who is not that vCPU.
 */
bool lapic_busy(struct lodge_vm *vm, const struct irq_msg *msg);

/*
 * The PIT has ticked; any context.  An NMI for every vCPU whose LINT0 delivers one: the
 * NMI watchdog of guests that have wired the timer there.
 */
void lapic_lint0_nmi(struct lodge_vm *vm);

/* The PIC's output has risen: whoever listens to it looks up. */
void lapic_pic_raised(struct lodge_vm *vm);

/* A machine check that somebody may want to know of: the LVT entry for these. */
void lapic_cmci(struct lodge_vcpu *vcpu);

/* An NMI from anywhere but the guest's own state. */
void lapic_nmi(struct lodge_vcpu *vcpu);

/* The rest is the vCPU's own. */

int lapic_create(struct lodge_vcpu *vcpu);
void lapic_free(struct lodge_vcpu *vcpu);
/* At power-up, or at an INIT, which leaves the mode and the id alone. */
void lapic_reset(struct lodge_vcpu *vcpu, bool init);

/* Before an entry, interrupts off and the mode IN_GUEST: what is pending goes in. */
void lapic_entry(struct lodge_vcpu *vcpu);
/* What has arrived so far is in the IRR now. */
void lapic_gather(struct lodge_vcpu *vcpu);
/* Is there an interrupt that would be taken if RFLAGS allow it?  For a halted vCPU. */
bool lapic_has_interrupt(struct lodge_vcpu *vcpu);

/* Does the PIC's output reach the CPU? */
bool lapic_takes_extint(const struct lodge_vcpu *vcpu);

/* What arrived since the last call; each is told once. */
bool lapic_take_init(struct lodge_vcpu *vcpu);
bool lapic_take_sipi(struct lodge_vcpu *vcpu, u8 *vector);
bool lapic_has_arrivals(struct lodge_vcpu *vcpu);
/* As user space sees what waits, and puts it back. */
bool lapic_has_init(struct lodge_vcpu *vcpu);
void lapic_set_init(struct lodge_vcpu *vcpu, bool init);
void lapic_set_sipi(struct lodge_vcpu *vcpu);
void lapic_set_sipi_vector(struct lodge_vcpu *vcpu, u8 vector);

/* REQ_EOI_VECTORS */
void lapic_update_eoi_vectors(struct lodge_vcpu *vcpu);

u8 lapic_get_cr8(struct lodge_vcpu *vcpu);
void lapic_set_cr8(struct lodge_vcpu *vcpu, u8 cr8);

/* vcpu->apic_base has a new, valid value. */
void lapic_base_changed(struct lodge_vcpu *vcpu, u64 old, bool host);

/* An access of the guest's; false: that is not the local APIC. */
bool lapic_mmio_read(struct lodge_vcpu *vcpu, gpa_t gpa, void *data, unsigned int len);
bool lapic_mmio_write(struct lodge_vcpu *vcpu, gpa_t gpa, const void *data, unsigned int len);
/* False: #GP. */
bool lapic_msr_read(struct lodge_vcpu *vcpu, u32 msr, u64 *value);
bool lapic_msr_write(struct lodge_vcpu *vcpu, u32 msr, u64 value);
/* Has this x2APIC register, as the bitmap of MSRs needs to know it. */
bool lapic_msr_readable(struct lodge_vcpu *vcpu, u32 msr);

/* The CPU has virtualised a part, and the rest is ours. */
void lapic_eoi_done(struct lodge_vcpu *vcpu, u8 vector);
void lapic_write_done(struct lodge_vcpu *vcpu, u32 reg);
/* A plain EOI, without looking at the instruction's data. */
void lapic_eoi(struct lodge_vcpu *vcpu);

/* The CPU's timer, which stood for the APIC's, has ended. */
void lapic_timer_ended(struct lodge_vcpu *vcpu);
/* The CPU's timer has ended the guest, on time or a little early. */
void lapic_timer_exit(struct lodge_vcpu *vcpu);
/* With interrupts off, before an entry: until it is time. */
void lapic_timer_wait(struct lodge_vcpu *vcpu);
/* It does not count while the vCPU sleeps: something else has to, and no more. */
void lapic_timer_sleep(struct lodge_vcpu *vcpu);
void lapic_timer_wake(struct lodge_vcpu *vcpu);

u64 lapic_get_deadline(struct lodge_vcpu *vcpu);
void lapic_set_deadline(struct lodge_vcpu *vcpu, u64 deadline);
/* The guest's clock has changed: the deadline is another moment now. */
void lapic_clock_changed(struct lodge_vcpu *vcpu);

void lapic_get_state(struct lodge_vcpu *vcpu, struct kvm_lapic_state *out);
int lapic_set_state(struct lodge_vcpu *vcpu, const struct kvm_lapic_state *in);

/* The page of its registers, for the CPU to use. */
void *lapic_page(const struct lodge_vcpu *vcpu);

/* KVM_GUESTDBG_BLOCKIRQ has come or gone. */
void lapic_debug_changed(struct lodge_vcpu *vcpu);

/* CPUID, or which machine checks there are, has changed. */
void lapic_mce_changed(struct lodge_vcpu *vcpu);
void lapic_cpuid_changed(struct lodge_vcpu *vcpu, bool has_deadline, bool has_x2apic);

#endif
