/* SPDX-License-Identifier: GPL-2.0 */
/* The state of a vCPU as KVM's ABI shows it. */
#ifndef LODGE_STATE_H
#define LODGE_STATE_H

#include "lodge.h"

/* The vCPU is loaded and locked in all of these. */
/* As after power-up, or as after an INIT, which leaves a part as it is. */
void state_reset(struct lodge_vcpu *vcpu, bool init);
/* A SIPI has come: run real-mode code in the page of that number. */
void state_startup(struct lodge_vcpu *vcpu, u8 page);
/* REQ_ARRIVED: NMIs, INIT and SIPI. */
void state_arrivals(struct lodge_vcpu *vcpu);
/* Would an interrupt that the client hands over be taken sooner or later? */
bool state_listens_to_user(struct lodge_vcpu *vcpu);
int state_get_lapic(struct lodge_vcpu *vcpu, struct kvm_lapic_state *s);
int state_set_lapic(struct lodge_vcpu *vcpu, const struct kvm_lapic_state *s);
int state_get_regs(struct lodge_vcpu *vcpu, struct kvm_regs *r);
int state_set_regs(struct lodge_vcpu *vcpu, const struct kvm_regs *r);
int state_get_sregs(struct lodge_vcpu *vcpu, struct kvm_sregs *s);
int state_set_sregs(struct lodge_vcpu *vcpu, const struct kvm_sregs *s);
int state_get_sregs2(struct lodge_vcpu *vcpu, struct kvm_sregs2 *s);
int state_set_sregs2(struct lodge_vcpu *vcpu, const struct kvm_sregs2 *s);
int state_get_debugregs(struct lodge_vcpu *vcpu, struct kvm_debugregs *d);
int state_set_debugregs(struct lodge_vcpu *vcpu, const struct kvm_debugregs *d);
int state_get_events(struct lodge_vcpu *vcpu, struct kvm_vcpu_events *e);
int state_set_events(struct lodge_vcpu *vcpu, const struct kvm_vcpu_events *e);
int state_interrupt(struct lodge_vcpu *vcpu, const struct kvm_interrupt *irq);
int state_get_mp_state(struct lodge_vcpu *vcpu, struct kvm_mp_state *s);
int state_set_mp_state(struct lodge_vcpu *vcpu, const struct kvm_mp_state *s);
int state_get_xcrs(struct lodge_vcpu *vcpu, struct kvm_xcrs *x);
int state_set_xcrs(struct lodge_vcpu *vcpu, const struct kvm_xcrs *x);
int state_get_fpu(struct lodge_vcpu *vcpu, struct kvm_fpu *f);
int state_set_fpu(struct lodge_vcpu *vcpu, const struct kvm_fpu *f);
int state_set_mce(struct lodge_vcpu *vcpu, const struct kvm_x86_mce *m);
int state_translate(struct lodge_vcpu *vcpu, struct kvm_translation *t);
int state_set_guest_debug(struct lodge_vcpu *vcpu, const struct kvm_guest_debug *d);

/* When KVM_RUN begins: the guest is to stop after the next instruction. */
void state_arm_step(struct lodge_vcpu *vcpu);

#endif
