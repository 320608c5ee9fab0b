/* SPDX-License-Identifier: GPL-2.0 */
/*
 * events.h - a guest that writes down every event it takes: exceptions, NMIs,
 * interrupts, in the order in which their handlers began. For tests of delivery;
 * others are served by GUEST_TRY() alone, which goes on working here.
 */
#ifndef SELFTEST_EVENTS_H
#define SELFTEST_EVENTS_H

#include "selftest.h"

/* What the stubs of events_entry.S have on the stack. */
struct event_frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, error, rip, cs, rflags, rsp, ss;
};

struct guest_event {
	u64 vector, error, rip, cs, rflags, rsp, cr2, dr6;
};

/* In the guest's copy: guest_var(vm, guest_nr_events) and so on. */
extern struct guest_event guest_events[64];
extern u64 guest_nr_events;
/*
 * Called in the guest after an event was written down; true: handled, return to
 * what the frame says. Else a pending GUEST_TRY() gets it; else exceptions that
 * are faults end the test, and others just return.
 */
extern bool (*guest_on_event)(struct event_frame *f);

/* Lets all 256 gates of the VM's IDT lead to the recorder. */
void vm_record_events(struct vm *vm);
/* The gate of one vector: its code, its stack (IST, 0: none) and who may INT it. */
void vm_set_gate(struct vm *vm, u8 vector, const void *code, u8 ist, u8 dpl);
/* Another IST stack of the TSS. */
void vm_set_ist(struct vm *vm, int ist, u64 top);
/* The recorder's stub of a vector, for vm_set_gate(). */
const void *event_stub(u8 vector);

int vcpu_interrupt(struct vcpu *vcpu, u32 vector);
int vcpu_nmi(struct vcpu *vcpu);
/* The events so far are these vectors, in this order. */
#define vm_expect_events(vm, ...) do {					\
	const u8 want__[] = { __VA_ARGS__ };				\
	events_at(__FILE__, __LINE__, vm, want__, sizeof(want__));	\
} while (0)
void events_at(const char *file, int line, struct vm *vm, const u8 *want, u64 n);

enum { NMI = 2, IRQ = 0x40 };		/* IRQ: the tests' interrupt vector */

#endif /* SELFTEST_EVENTS_H */
