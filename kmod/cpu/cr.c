// SPDX-License-Identifier: GPL-2.0
/*
 * cr.c - control registers, EFER and XCR0: which transitions the architecture
 * allows, and what follows from them.  vmx/regs.c knows how the values reach the
 * VMCS; this file knows when they may.  SDM vol. 3A 2.5, 4.1.2, 9.8.5; vol. 1
 * 13.3.
 */
#include <linux/kernel.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "../lodge.h"
#include "../irq/lapic.h"
#include "../kick.h"
#include "../mem/gva.h"
#include "../vmx/regs.h"
#include "cpuid.h"
#include "cr.h"

#define CR0_DEFINED (X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | \
		     X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | \
		     X86_CR0_PG)
#define EFER_DEFINED (EFER_SCE | EFER_LME | EFER_LMA | EFER_NX)

/* Bits whose change makes the CPU drop translations or reload the PDPTEs. */
#define CR0_PAGING (X86_CR0_PG | X86_CR0_WP | X86_CR0_CD | X86_CR0_NW)
#define CR4_PAGING (X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PCIDE | \
		    X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE)
#define CR4_PDPTR (X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_SMEP)

static bool cr0_valid(unsigned long cr0)
{
	if (cr0 >> 32)
		return false;
	if ((cr0 & X86_CR0_NW) && !(cr0 & X86_CR0_CD))
		return false;
	return !(cr0 & X86_CR0_PG) || (cr0 & X86_CR0_PE);
}

/* EFER.LMA follows CR0.PG while EFER.LME is set: vol. 3A 9.8.5. */
static void switch_long_mode(struct lodge_vcpu *vcpu, bool on)
{
	u32 ar = regs_segment_ar(SEG_TR);

	if (on && (ar & VMX_AR_TYPE_MASK) != VMX_AR_TYPE_BUSY_64_TSS)
		/* the CPU takes the TSS as it is; VM entry wants the 64-bit type */
		vmwrite32(GUEST_TR_AR_BYTES,
			  (ar & ~VMX_AR_TYPE_MASK) | VMX_AR_TYPE_BUSY_64_TSS);
	regs_set_efer(vcpu, on ? vcpu->efer | EFER_LMA : vcpu->efer & ~EFER_LMA);
}

static bool paging_can_start(struct lodge_vcpu *vcpu, unsigned long changed)
{
	unsigned long cr4 = regs_cr4(vcpu);

	if (vcpu->efer & EFER_LME) {
		if (!(changed & X86_CR0_PG))
			return true;
		/* PAE first, and not from a 64-bit code segment */
		return (cr4 & X86_CR4_PAE) && !(regs_segment_ar(SEG_CS) & VMX_AR_L_MASK);
	}
	if ((cr4 & X86_CR4_PAE) && (changed & (X86_CR0_PG | X86_CR0_CD | X86_CR0_NW)))
		return gva_load_pdptrs(vcpu, regs_cr3(vcpu));
	return true;
}

static bool paging_can_stop(struct lodge_vcpu *vcpu)
{
	return !regs_in_64bit(vcpu) && !(regs_cr4(vcpu) & X86_CR4_PCIDE);
}

bool cr0_write(struct lodge_vcpu *vcpu, unsigned long value)
{
	unsigned long old = regs_cr0(vcpu);
	unsigned long cr0 = (value & CR0_DEFINED) | X86_CR0_ET;

	if (!cr0_valid(value))
		return false;
	if ((cr0 & X86_CR0_PG) && !paging_can_start(vcpu, cr0 ^ old))
		return false;
	if (!(cr0 & X86_CR0_PG) && !paging_can_stop(vcpu))
		return false;
	if ((vcpu->efer & EFER_LME) && ((cr0 ^ old) & X86_CR0_PG))
		switch_long_mode(vcpu, cr0 & X86_CR0_PG);
	regs_set_cr0(vcpu, cr0);
	if ((cr0 ^ old) & CR0_PAGING)
		vcpu_request(vcpu, REQ_FLUSH_GUEST_TLB);
	return true;
}

bool cr4_write(struct lodge_vcpu *vcpu, unsigned long value)
{
	unsigned long old = regs_cr4(vcpu), changed = value ^ old;
	bool long_mode = vcpu->efer & EFER_LMA;

	if (value & vcpu->cr4_reserved)
		return false;
	if (long_mode && (!(value & X86_CR4_PAE) || (changed & X86_CR4_LA57)))
		return false;
	if ((changed & value & X86_CR4_PCIDE) && (!long_mode || (regs_cr3(vcpu) & 0xfff)))
		return false;
	if (!long_mode && (vcpu->cr0 & X86_CR0_PG) && (value & X86_CR4_PAE) &&
	    (changed & CR4_PDPTR) && !gva_load_pdptrs(vcpu, regs_cr3(vcpu)))
		return false;
	regs_set_cr4(vcpu, value);
	if (changed & CR4_PAGING)
		vcpu_request(vcpu, REQ_FLUSH_GUEST_TLB);
	return true;
}

unsigned long cr8_read(struct lodge_vcpu *vcpu)
{
	return vcpu->apic ? lapic_get_cr8(vcpu) : vcpu->cr8;
}

bool cr8_write(struct lodge_vcpu *vcpu, unsigned long value)
{
	if (value & ~15ul)
		return false;
	vcpu->cr8 = value;
	if (vcpu->apic)
		lapic_set_cr8(vcpu, value);
	return true;
}

bool efer_write(struct lodge_vcpu *vcpu, u64 value)
{
	u64 changed = value ^ vcpu->efer;

	if (value & ~(u64)EFER_DEFINED)
		return false;
	if ((value & EFER_NX) && !cpuid_guest_has(vcpu, X86_FEATURE_NX))
		return false;
	if ((value & (EFER_LME | EFER_LMA)) && !cpuid_guest_has(vcpu, X86_FEATURE_LM))
		return false;
	if ((vcpu->cr0 & X86_CR0_PG) && (changed & EFER_LME))
		return false;
	/* LMA is the CPU's to set */
	regs_set_efer(vcpu, (value & ~(u64)EFER_LMA) | (vcpu->efer & EFER_LMA));
	if (changed & EFER_NX)
		vcpu_request(vcpu, REQ_FLUSH_GUEST_TLB);
	return true;
}

bool xcr_write(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	u64 avx512 = value & XFEATURE_MASK_AVX512;

	if (index || !(value & XFEATURE_MASK_FP))
		return false;
	if (value & ~(vcpu->guest_xcr0_mask | XFEATURE_MASK_FP))
		return false;
	if ((value & XFEATURE_MASK_YMM) && !(value & XFEATURE_MASK_SSE))
		return false;
	if (avx512 && (avx512 != XFEATURE_MASK_AVX512 || !(value & XFEATURE_MASK_YMM)))
		return false;
	vcpu->xcr0 = value;
	return true;
}

bool cr_state_valid(struct lodge_vcpu *vcpu, const struct kvm_sregs *s)
{
	bool long_mode = (s->efer & EFER_LME) && (s->cr0 & X86_CR0_PG);

	if (!cr0_valid(s->cr0) || (s->cr4 & vcpu->cr4_reserved) ||
	    (s->efer & ~(u64)EFER_DEFINED) || (s->cr8 & ~15ull))
		return false;
	if (!long_mode)
		return !(s->efer & EFER_LMA) && !s->cs.l;
	return (s->efer & EFER_LMA) && (s->cr4 & X86_CR4_PAE) &&
	       !(s->cr3 >> vcpu->maxphyaddr);
}
