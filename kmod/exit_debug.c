// SPDX-License-Identifier: GPL-2.0
/*
 * exit_debug.c - exits that debugging causes: #DB and #BP, where user space steps a
 * guest or has breakpoints in it, and the guest's own use of the debug registers.
 * exit.c has the table that leads here.
 */
#include <linux/kernel.h>
#include <linux/nospec.h>

#include "lodge.h"
#include "exit.h"
#include "exit_priv.h"
#include "vmx/inject.h"
#include "vmx/regs.h"
#include "vmx/vmcs.h"

int exit_debug(struct lodge_vcpu *vcpu, u8 vector, unsigned long dr6)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_DEBUG;
	memset(&run->debug, 0, sizeof(run->debug));
	run->debug.arch.exception = vector;
	run->debug.arch.pc = regs_linear_rip(vcpu);
	if (vector == X86_TRAP_DB) {
		run->debug.arch.dr6 = dr6 | DR6_ALWAYS_ONE;
		run->debug.arch.dr7 = vmreadl(GUEST_DR7);
	}
	/* another KVM_RUN means another step */
	vcpu->debug.step_rip = run->debug.arch.pc;
	vcpu->debug.arm = true;
	return EXIT_TO_USER;
}

int exit_stepped(struct lodge_vcpu *vcpu)
{
	vcpu->debug.stepped = false;
	return exit_debug(vcpu, X86_TRAP_DB, DR_STEP);
}

int exit_db(struct lodge_vcpu *vcpu, u32 type)
{
	unsigned long why = vcpu->exit_qual & (DR_TRAP_BITS | DR_BD | DR_STEP);

	if (vcpu->debug.control & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP))
		return exit_debug(vcpu, X86_TRAP_DB, why);
	/* ICEBP has an instruction to step over: vol. 3C 27.2.4 */
	if (type == INTR_TYPE_PRIV_SW_EXCEPTION)
		regs_set_rip(vcpu, regs_rip(vcpu) + vcpu->exit_insn_len);
	/* entry insists on a pending trap where TF meets a shadow: 26.3.1.5 */
	else if ((regs_rflags(vcpu) & X86_EFLAGS_TF) &&
		 (vmread32(GUEST_INTERRUPTIBILITY_INFO) &
		  (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)))
		vmwritel(GUEST_PENDING_DBG_EXCEPTIONS, DR_STEP);
	inject_db(vcpu, why);
	return EXIT_RESUME;
}

static bool write_dr(struct lodge_vcpu *vcpu, int dr, unsigned long value)
{
	if (dr < 4) {
		vcpu->dr[array_index_nospec(dr, 4)] = value;
		return true;
	}
	if (value >> 32)
		return false;
	if (dr == 6)
		vcpu->dr6 = (value & DR6_WRITABLE) | DR6_ALWAYS_ONE;
	else
		regs_set_dr7(vcpu, (value & DR7_WRITABLE) | DR7_ALWAYS_ONE);
	return true;
}

static unsigned long read_dr(struct lodge_vcpu *vcpu, int dr)
{
	if (dr < 4)
		return vcpu->dr[array_index_nospec(dr, 4)];
	return dr == 6 ? vcpu->dr6 : vcpu->dr7;
}

/* Faults in the order of vol. 3B 17.2 and vol. 3C 25.1.3. */
int exit_dr(struct lodge_vcpu *vcpu)
{
	unsigned long q = vcpu->exit_qual;
	int dr = q & DEBUG_REG_ACCESS_NUM, reg = DEBUG_REG_ACCESS_REG(q);
	unsigned long value;

	if (dr == 4 || dr == 5) {
		if (regs_cr4(vcpu) & X86_CR4_DE)
			return exit_ud(vcpu);
		dr += 2;
	}
	if (regs_cpl(vcpu)) {
		inject_gp(vcpu);
		return EXIT_RESUME;
	}
	if (regs_effective_dr7(vcpu) & DR7_GD) {
		if (vcpu->debug.control & KVM_GUESTDBG_USE_HW_BP)
			return exit_debug(vcpu, X86_TRAP_DB, DR_BD);
		inject_db(vcpu, DR_BD);
		return EXIT_RESUME;
	}
	if (q & TYPE_MOV_FROM_DR) {
		regs_set_gpr(vcpu, reg, read_dr(vcpu, dr));
		return skip_and_resume(vcpu);
	}
	value = regs_gpr(vcpu, reg);
	return skip_or_gp(vcpu, write_dr(vcpu, dr, regs_in_64bit(vcpu) ? value : (u32)value));
}
