/* SPDX-License-Identifier: GPL-2.0 */
/* Instructions that the CPU could not carry out: run the emulator on them. */
#ifndef LODGE_CPU_EMULATE_OPS_H
#define LODGE_CPU_EMULATE_OPS_H

#include "../lodge.h"

int emulate_alloc(struct lodge_vcpu *vcpu);
void emulate_free(struct lodge_vcpu *vcpu);

enum emulate_result {
	EMULATE_DONE,		/* finished, or a fault is queued: enter the guest */
	EMULATE_READ,		/* kvm_run asks user space for data */
	EMULATE_WRITE,		/* finished; kvm_run hands data to user space */
	EMULATE_CANNOT,		/* unknown instruction, its bytes are in vcpu->emu */
	EMULATE_NO_MEMORY,	/* the process has no page there: EFAULT */
};

/* The instruction at RIP. */
enum emulate_result emulate_insn(struct lodge_vcpu *vcpu);
/*
 * The same, after an EPT violation at this address: the CPU has translated that access.
 * @device: no slot is there.
 */
enum emulate_result emulate_access(struct lodge_vcpu *vcpu, gpa_t gpa, bool device);
/* #UD at RIP: AMD's VMMCALL becomes VMCALL; EMULATE_CANNOT: it is another one. */
enum emulate_result emulate_fix_vmmcall(struct lodge_vcpu *vcpu);
/* Once user space has answered EMULATE_READ. */
enum emulate_result emulate_again(struct lodge_vcpu *vcpu);
/* The next piece of an EMULATE_WRITE; EMULATE_DONE when all is sent. */
enum emulate_result emulate_next_write(struct lodge_vcpu *vcpu);

#endif
