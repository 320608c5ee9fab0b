/* SPDX-License-Identifier: GPL-2.0 */
/* CPU state between the guest's view of it and the VMCS; the VMCS is loaded. */
#ifndef LODGE_VMX_REGS_H
#define LODGE_VMX_REGS_H

#include <linux/percpu.h>
#include <asm/debugreg.h>
#include <asm/special_insns.h>

#include "../lodge.h"
#include "insn.h"

/* Debug registers, SDM vol. 3B 17.2; what asm/debugreg.h does not name. */
#define DR_BD		BIT(13)		/* DR6: a debug register was touched under GD */
#define DR7_GD		BIT(13)
#define DR7_ENABLED	0xff
#define DR6_ALWAYS_ONE	0xffff0ff0ul
#define DR6_WRITABLE	(DR_TRAP_BITS | DR_BD | DR_STEP | DR_SWITCH)
#define DR7_ALWAYS_ONE	0x400ul
#define DR7_WRITABLE	0xffff2bfful

/* Bits of lodge_vcpu.reg_avail and .reg_dirty. */
#define CACHED_RIP	BIT(0)
#define CACHED_RSP	BIT(1)
#define CACHED_RFLAGS	BIT(2)

static inline unsigned long regs_rip(struct lodge_vcpu *vcpu)
{
	if (!(vcpu->reg_avail & CACHED_RIP)) {
		vcpu->rip = vmreadl(GUEST_RIP);
		vcpu->reg_avail |= CACHED_RIP;
	}
	return vcpu->rip;
}

static inline void regs_set_rip(struct lodge_vcpu *vcpu, unsigned long rip)
{
	vcpu->rip = rip;
	vcpu->reg_avail |= CACHED_RIP;
	vcpu->reg_dirty |= CACHED_RIP;
}

static inline unsigned long regs_rsp(struct lodge_vcpu *vcpu)
{
	if (!(vcpu->reg_avail & CACHED_RSP)) {
		vcpu->regs[GPR_RSP] = vmreadl(GUEST_RSP);
		vcpu->reg_avail |= CACHED_RSP;
	}
	return vcpu->regs[GPR_RSP];
}

static inline void regs_set_rsp(struct lodge_vcpu *vcpu, unsigned long rsp)
{
	vcpu->regs[GPR_RSP] = rsp;
	vcpu->reg_avail |= CACHED_RSP;
	vcpu->reg_dirty |= CACHED_RSP;
}

static inline unsigned long regs_rflags(struct lodge_vcpu *vcpu)
{
	if (!(vcpu->reg_avail & CACHED_RFLAGS)) {
		vcpu->rflags = vmreadl(GUEST_RFLAGS);
		vcpu->reg_avail |= CACHED_RFLAGS;
	}
	return vcpu->rflags;
}

static inline void regs_set_rflags(struct lodge_vcpu *vcpu, unsigned long rflags)
{
	vcpu->rflags = rflags;
	vcpu->reg_avail |= CACHED_RFLAGS;
	vcpu->reg_dirty |= CACHED_RFLAGS;
}

static inline unsigned long regs_gpr(struct lodge_vcpu *vcpu, int reg)
{
	return reg == GPR_RSP ? regs_rsp(vcpu) : vcpu->regs[reg];
}

static inline void regs_set_gpr(struct lodge_vcpu *vcpu, int reg, unsigned long value)
{
	if (reg == GPR_RSP)
		regs_set_rsp(vcpu, value);
	else
		vcpu->regs[reg] = value;
}

/* The value of EDX:EAX, as RDMSR, WRMSR and XSETBV use it. */
static inline u64 regs_edx_eax(struct lodge_vcpu *vcpu)
{
	return (u32)vcpu->regs[GPR_RAX] | ((u64)(u32)vcpu->regs[GPR_RDX] << 32);
}

/* Before an entry: what the cache changed goes into the VMCS. */
static inline void regs_flush(struct lodge_vcpu *vcpu)
{
	if (vcpu->reg_dirty & CACHED_RIP)
		vmwritel(GUEST_RIP, vcpu->rip);
	if (unlikely(vcpu->reg_dirty & ~(u32)CACHED_RIP)) {
		if (vcpu->reg_dirty & CACHED_RSP)
			vmwritel(GUEST_RSP, vcpu->regs[GPR_RSP]);
		if (vcpu->reg_dirty & CACHED_RFLAGS)
			vmwritel(GUEST_RFLAGS, vcpu->rflags);
	}
	vcpu->reg_dirty = 0;
}

unsigned long regs_cr0(struct lodge_vcpu *vcpu);
unsigned long regs_cr3(struct lodge_vcpu *vcpu);
unsigned long regs_cr4(struct lodge_vcpu *vcpu);
void regs_set_cr0(struct lodge_vcpu *vcpu, unsigned long cr0);
void regs_set_cr3(struct lodge_vcpu *vcpu, unsigned long cr3);
void regs_set_cr4(struct lodge_vcpu *vcpu, unsigned long cr4);
void regs_set_efer(struct lodge_vcpu *vcpu, u64 efer);
void regs_set_dr7(struct lodge_vcpu *vcpu, unsigned long dr7);
/* The breakpoints in force: the guest's, or those of its debugger. */
unsigned long regs_effective_dr7(const struct lodge_vcpu *vcpu);
const unsigned long *regs_effective_dr(const struct lodge_vcpu *vcpu);
void regs_get_segment(struct lodge_vcpu *vcpu, int seg, struct kvm_segment *out);
void regs_set_segment(struct lodge_vcpu *vcpu, int seg, const struct kvm_segment *in);
u64 regs_segment_base(int seg);
u32 regs_segment_ar(int seg);
u32 regs_segment_limit(int seg);
u16 regs_segment_selector(int seg);
int regs_cpl(struct lodge_vcpu *vcpu);
unsigned long regs_linear_rip(struct lodge_vcpu *vcpu);
/* Is the guest in 64-bit mode proper, not in compatibility mode? */
bool regs_in_64bit(struct lodge_vcpu *vcpu);
/* After a VM exit that stands for a finished instruction. */
void regs_skip_insn(struct lodge_vcpu *vcpu);
/* The instruction at RIP was carried out by software, RIP set already. */
void regs_insn_done(struct lodge_vcpu *vcpu);

#endif
