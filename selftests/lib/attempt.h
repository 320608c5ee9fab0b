/* SPDX-License-Identifier: GPL-2.0 */
/*
 * attempt.h - one instruction in a mode of one's choice, and what became of it.
 * The code ends with HLT, and every vector leads to a HLT of its own, so that an
 * attempt ends in KVM_EXIT_HLT whatever happens, in real, protected and long mode.
 */
#ifndef SELFTEST_ATTEMPT_H
#define SELFTEST_ATTEMPT_H

#include "selftest.h"

enum cpu_mode { REAL, PROTECTED, PROTECTED_PAE, LONG };

struct attempt {
	struct vcpu *vcpu;
	enum cpu_mode mode;
	struct kvm_sregs before, after;
	struct kvm_regs regs;		/* to start with; then those at the end */
	u64 vector, error;		/* NO_EXCEPTION: the code ran to its end */
};

/* Puts the vCPU into the mode, with code[] in guest memory; change it then. */
void attempt_prepare(struct attempt *a, struct vcpu *vcpu, enum cpu_mode mode,
		     const void *code, size_t size);
/* Runs it. False: the exit was another than HLT (see vcpu->run). */
bool attempt_run(struct attempt *a);

#endif /* SELFTEST_ATTEMPT_H */
