/* SPDX-License-Identifier: GPL-2.0 */
/*
 * internal.h - what the files of the library share and tests need not know.
 */
#ifndef SELFTEST_INTERNAL_H
#define SELFTEST_INTERNAL_H

#include "selftest.h"

/* What guest_entry.S has on the stack when it calls guest_exception(). */
struct guest_frame {
	u64 r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
	u64 vector, error, rip, cs, rflags, rsp, ss;
};

extern const char guest_vectors[], guest_returned[], guest_user_back[];

void guest_exception(struct guest_frame *f);
void guest_end(void);

/* The vCPU whose KVM_RUN this thread is in, for the signal handler. */
extern __thread struct vcpu *current_vcpu;

/* The subtests of the program, from their section. */
extern const struct subtest __start_subtests[], __stop_subtests[];

#endif /* SELFTEST_INTERNAL_H */
