/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of exit.c share; nobody else includes it. */
#ifndef LODGE_EXIT_PRIV_H
#define LODGE_EXIT_PRIV_H

#include "vmx/inject.h"
#include "vmx/regs.h"

static inline int skip_and_resume(struct lodge_vcpu *vcpu)
{
	regs_skip_insn(vcpu);
	return EXIT_RESUME;
}

/* The instruction is done, or it was illegal and the guest gets #GP(0). */
static inline int skip_or_gp(struct lodge_vcpu *vcpu, bool done)
{
	if (done)
		regs_skip_insn(vcpu);
	else
		inject_gp(vcpu);
	return EXIT_RESUME;
}

static inline int exit_ud(struct lodge_vcpu *vcpu)
{
	inject_ud(vcpu);
	return EXIT_RESUME;
}

/* #DB, of the type that the exit tells; #BP or #DB to user space; an access of DR0 to DR7. */
int exit_db(struct lodge_vcpu *vcpu, u32 type);
int exit_debug(struct lodge_vcpu *vcpu, u8 vector, unsigned long dr6);
int exit_dr(struct lodge_vcpu *vcpu);

#endif
