// SPDX-License-Identifier: GPL-2.0
/*
 * regs.c - control, segment and debug registers between what the guest
 * believes and what the VMCS holds.  The two differ: the CPU demands CR0.NE and
 * CR4.VMXE in VMX operation and the host wants CR4.MCE, while the guest reads
 * its own value through the read shadows.  Callers have checked the values; no
 * file here judges what a guest may do.  SDM vol. 3C 23.8, 24.4, 24.6.6, 25.3.
 */
#include <linux/kernel.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "../lodge.h"
#include "caps.h"
#include "inject.h"
#include "regs.h"
#include "vmcs.h"

/* Bits that a guest changes without an exit, because nothing here depends on them. */
#define CR0_OWNED (X86_CR0_TS | X86_CR0_MP | X86_CR0_EM | X86_CR0_WP | X86_CR0_AM)
#define CR4_OWNED (X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PCE | \
		   X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | X86_CR4_PGE | X86_CR4_FSGSBASE)

/* Never given to the hardware: a guest must not run the host's caches down. */
#define CR0_WITHHELD (X86_CR0_CD | X86_CR0_NW)

unsigned long regs_cr0(struct lodge_vcpu *vcpu)
{
	return (vcpu->cr0 & ~CR0_OWNED) | (vmreadl(GUEST_CR0) & CR0_OWNED);
}

unsigned long regs_cr3(struct lodge_vcpu *vcpu)
{
	return vmreadl(GUEST_CR3);
}

static unsigned long cr4_owned(struct lodge_vcpu *vcpu)
{
	return CR4_OWNED & ~vcpu->cr4_reserved;
}

unsigned long regs_cr4(struct lodge_vcpu *vcpu)
{
	unsigned long owned = ~vmreadl(CR4_GUEST_HOST_MASK);

	return (vcpu->cr4 & ~owned) | (vmreadl(GUEST_CR4) & owned);
}

void regs_set_cr0(struct lodge_vcpu *vcpu, unsigned long cr0)
{
	/* unrestricted guest frees PE and PG from the fixed bits: vol. 3C 26.3.1.1 */
	unsigned long must = vmx_caps.cr0_fixed0 & ~(X86_CR0_PE | X86_CR0_PG);

	vcpu->cr0 = cr0;
	vmwritel(CR0_GUEST_HOST_MASK, ~CR0_OWNED);
	vmwritel(CR0_READ_SHADOW, cr0);
	vmwritel(GUEST_CR0, (cr0 & ~CR0_WITHHELD) | must);
}

void regs_set_cr3(struct lodge_vcpu *vcpu, unsigned long cr3)
{
	vmwritel(GUEST_CR3, cr3);
}

void regs_set_cr4(struct lodge_vcpu *vcpu, unsigned long cr4)
{
	vcpu->cr4 = cr4;
	vmwritel(CR4_GUEST_HOST_MASK, ~cr4_owned(vcpu));
	vmwritel(CR4_READ_SHADOW, cr4);
	/* machine checks are the host's business, whatever the guest thinks */
	vmwritel(GUEST_CR4, cr4 | vmx_caps.cr4_fixed0 | X86_CR4_MCE);
}

void regs_set_efer(struct lodge_vcpu *vcpu, u64 efer)
{
	u32 entry = vcpu->vmcs.entry & ~VM_ENTRY_IA32E_MODE;

	vcpu->efer = efer;
	vmwrite64(GUEST_IA32_EFER, efer);
	if (efer & EFER_LMA)
		entry |= VM_ENTRY_IA32E_MODE;
	vmcs_set_entry(&vcpu->vmcs, entry);
}

void regs_set_dr7(struct lodge_vcpu *vcpu, unsigned long dr7)
{
	vcpu->dr7 = dr7;
	dr7 = regs_effective_dr7(vcpu);
	vcpu->has_breakpoints = dr7 & DR7_ENABLED;
	vmwritel(GUEST_DR7, dr7);
}

unsigned long regs_effective_dr7(const struct lodge_vcpu *vcpu)
{
	return (vcpu->debug.control & KVM_GUESTDBG_USE_HW_BP) ? vcpu->debug.dr7 : vcpu->dr7;
}

const unsigned long *regs_effective_dr(const struct lodge_vcpu *vcpu)
{
	return (vcpu->debug.control & KVM_GUESTDBG_USE_HW_BP) ? vcpu->debug.dr : vcpu->dr;
}

/* The fields of a segment are two apart, in the order of SEG_*. */
u64 regs_segment_base(int seg)
{
	return vmread_any(GUEST_ES_BASE + 2 * seg);
}

u32 regs_segment_limit(int seg)
{
	return vmread_any(GUEST_ES_LIMIT + 2 * seg);
}

u32 regs_segment_ar(int seg)
{
	return vmread_any(GUEST_ES_AR_BYTES + 2 * seg);
}

u16 regs_segment_selector(int seg)
{
	return vmread_any(GUEST_ES_SELECTOR + 2 * seg);
}

void regs_get_segment(struct lodge_vcpu *vcpu, int seg, struct kvm_segment *out)
{
	u32 ar = regs_segment_ar(seg);

	*out = (struct kvm_segment) {
		.base = regs_segment_base(seg),
		.limit = regs_segment_limit(seg),
		.selector = regs_segment_selector(seg),
		.type = ar & VMX_AR_TYPE_MASK,
		.s = !!(ar & VMX_AR_S_MASK),
		.dpl = VMX_AR_DPL(ar),
		/* the present bit of an unusable segment means nothing: say 0 */
		.present = !(ar & VMX_AR_UNUSABLE_MASK),
		.avl = (ar >> 12) & 1,
		.l = !!(ar & VMX_AR_L_MASK),
		.db = !!(ar & VMX_AR_DB_MASK),
		.g = !!(ar & VMX_AR_G_MASK),
		.unusable = !!(ar & VMX_AR_UNUSABLE_MASK),
	};
}

static u32 access_rights(const struct kvm_segment *in)
{
	if (in->unusable || !in->present)
		return VMX_AR_UNUSABLE_MASK;
	return (in->type & 15) | (in->s & 1) << 4 | (in->dpl & 3) << 5 |
	       VMX_AR_P_MASK | (in->avl & 1) << 12 | (in->l & 1) << 13 |
	       (in->db & 1) << 14 | (in->g & 1) << 15;
}

void regs_set_segment(struct lodge_vcpu *vcpu, int seg, const struct kvm_segment *in)
{
	u32 ar = access_rights(in);

	/* user space often leaves the accessed bit clear, the CPU never does */
	if (seg < SEG_LDTR && !(ar & VMX_AR_UNUSABLE_MASK))
		ar |= VMX_AR_TYPE_ACCESSES_MASK;
	/* CPL lives in SS.DPL even while SS itself is unusable */
	if (seg == SEG_SS && (ar & VMX_AR_UNUSABLE_MASK))
		ar |= (in->dpl & 3) << VMX_AR_DPL_SHIFT;
	vmwrite_any(GUEST_ES_SELECTOR + 2 * seg, in->selector);
	vmwrite_any(GUEST_ES_BASE + 2 * seg, in->base);
	vmwrite_any(GUEST_ES_LIMIT + 2 * seg, in->limit);
	vmwrite_any(GUEST_ES_AR_BYTES + 2 * seg, ar);
}

int regs_cpl(struct lodge_vcpu *vcpu)
{
	return VMX_AR_DPL(regs_segment_ar(SEG_SS));
}

bool regs_in_64bit(struct lodge_vcpu *vcpu)
{
	return (vcpu->efer & EFER_LMA) && (regs_segment_ar(SEG_CS) & VMX_AR_L_MASK);
}

unsigned long regs_linear_rip(struct lodge_vcpu *vcpu)
{
	unsigned long rip = regs_rip(vcpu);

	return regs_in_64bit(vcpu) ? rip : (u32)(rip + regs_segment_base(SEG_CS));
}

#define SHADOW (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)

/* Seldom, and by itself: the rest needs no registers for it. */
static noinline void end_shadow_and_trap(struct lodge_vcpu *vcpu)
{
	u32 state = vmread32(GUEST_INTERRUPTIBILITY_INFO);
	unsigned long rflags = regs_rflags(vcpu);

	if (state & SHADOW)
		vmwrite32(GUEST_INTERRUPTIBILITY_INFO, state & ~SHADOW);
	if (rflags & X86_EFLAGS_RF)
		regs_set_rflags(vcpu, rflags & ~X86_EFLAGS_RF);
	if (!(rflags & X86_EFLAGS_TF))
		return;
	if (vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP) {
		vcpu->debug.stepped = true;
		vcpu->to_tell = true;
	} else {
		inject_db(vcpu, DR_STEP);
	}
}

void regs_insn_done(struct lodge_vcpu *vcpu)
{
	if (unlikely((regs_rflags(vcpu) & (X86_EFLAGS_RF | X86_EFLAGS_TF)) ||
		     (vmread32(GUEST_INTERRUPTIBILITY_INFO) & SHADOW)))
		end_shadow_and_trap(vcpu);
}

void regs_skip_insn(struct lodge_vcpu *vcpu)
{
	unsigned long old = regs_rip(vcpu);
	unsigned long rip = old + vcpu->exit_insn_len;

	/* only a carry out of bit 31 can leave a 32-bit RIP: no need to ask else */
	if (unlikely((old ^ rip) >> 31) && !regs_in_64bit(vcpu))
		rip = (u32)rip;
	regs_set_rip(vcpu, rip);
	regs_insn_done(vcpu);
}
