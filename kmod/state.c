// SPDX-License-Identifier: GPL-2.0
/*
 * state.c - registers between a vCPU and the structs of KVM's ABI, and the
 * state after a reset (SDM vol. 3A table 9-1).  Callers hold the vCPU's lock
 * and have it loaded; user memory is ioctl.c's business.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "lodge.h"
#include "cpu/cr.h"
#include "cpu/msr.h"
#include "kick.h"
#include "mem/gva.h"
#include "state.h"
#include "vmx/regs.h"
#include "vmx/vmcs.h"

/* Where each register of struct kvm_regs lives in ours. */
static const struct { u8 offset, reg; } gprs[] = {
#define ROW(field, reg) { offsetof(struct kvm_regs, field), reg }
	ROW(rax, GPR_RAX), ROW(rbx, GPR_RBX), ROW(rcx, GPR_RCX), ROW(rdx, GPR_RDX),
	ROW(rsi, GPR_RSI), ROW(rdi, GPR_RDI), ROW(rsp, GPR_RSP), ROW(rbp, GPR_RBP),
	ROW(r8, GPR_R8), ROW(r9, GPR_R9), ROW(r10, GPR_R10), ROW(r11, GPR_R11),
	ROW(r12, GPR_R12), ROW(r13, GPR_R13), ROW(r14, GPR_R14), ROW(r15, GPR_R15),
#undef ROW
};

/* And each segment. */
static const struct { u16 offset; u8 seg; } segments[] = {
#define SEG(field, seg) { offsetof(struct kvm_sregs, field), seg }
	SEG(cs, SEG_CS), SEG(ds, SEG_DS), SEG(es, SEG_ES), SEG(fs, SEG_FS),
	SEG(gs, SEG_GS), SEG(ss, SEG_SS), SEG(tr, SEG_TR), SEG(ldt, SEG_LDTR),
#undef SEG
};

void state_get_regs(struct lodge_vcpu *vcpu, struct kvm_regs *r)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(gprs); i++)
		*(__u64 *)((void *)r + gprs[i].offset) = regs_gpr(vcpu, gprs[i].reg);
	r->rip = regs_rip(vcpu);
	r->rflags = regs_rflags(vcpu);
}

void state_set_regs(struct lodge_vcpu *vcpu, const struct kvm_regs *r)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(gprs); i++)
		regs_set_gpr(vcpu, gprs[i].reg, *(__u64 *)((void *)r + gprs[i].offset));
	regs_set_rip(vcpu, r->rip);
	/* bit 1 is always one, and VM entry insists: vol. 3C 26.3.1.4 */
	regs_set_rflags(vcpu, r->rflags | X86_EFLAGS_FIXED);
	/* an event that was to be delivered belonged to the old state */
	vcpu->event.valid = false;
	vcpu->requeued.valid = false;
}

void state_get_sregs(struct lodge_vcpu *vcpu, struct kvm_sregs *s)
{
	int i;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < ARRAY_SIZE(segments); i++)
		regs_get_segment(vcpu, segments[i].seg, (void *)s + segments[i].offset);
	s->gdt.base = vmreadl(GUEST_GDTR_BASE);
	s->gdt.limit = vmread32(GUEST_GDTR_LIMIT);
	s->idt.base = vmreadl(GUEST_IDTR_BASE);
	s->idt.limit = vmread32(GUEST_IDTR_LIMIT);
	s->cr0 = regs_cr0(vcpu);
	s->cr2 = vcpu->cr2;
	s->cr3 = regs_cr3(vcpu);
	s->cr4 = regs_cr4(vcpu);
	s->cr8 = vcpu->cr8;
	s->efer = vcpu->efer;
	s->apic_base = vcpu->apic_base;
}

static bool is_pae(const struct kvm_sregs *s)
{
	return (s->cr0 & X86_CR0_PG) && (s->cr4 & X86_CR4_PAE) && !(s->efer & EFER_LMA);
}

int state_set_sregs(struct lodge_vcpu *vcpu, const struct kvm_sregs *s)
{
	int i;

	if (!cr_state_valid(vcpu, s) || !msr_apic_base_valid(vcpu, s->apic_base))
		return -EINVAL;
	vcpu->apic_base = s->apic_base;
	vmwritel(GUEST_GDTR_BASE, s->gdt.base);
	vmwrite32(GUEST_GDTR_LIMIT, s->gdt.limit);
	vmwritel(GUEST_IDTR_BASE, s->idt.base);
	vmwrite32(GUEST_IDTR_LIMIT, s->idt.limit);
	for (i = 0; i < ARRAY_SIZE(segments); i++)
		regs_set_segment(vcpu, segments[i].seg, (void *)s + segments[i].offset);
	vcpu->cr2 = s->cr2;
	vcpu->cr8 = s->cr8;
	regs_set_cr3(vcpu, s->cr3);
	regs_set_cr0(vcpu, s->cr0 | X86_CR0_ET);
	regs_set_cr4(vcpu, s->cr4);
	regs_set_efer(vcpu, s->efer);
	/* malformed entries are the guest's to meet; absent memory is no error here */
	if (is_pae(s))
		gva_load_pdptrs(vcpu, s->cr3);
	vcpu_request(vcpu, REQ_FLUSH_GUEST_TLB);
	return 0;
}

static struct kvm_segment real_segment(u16 selector, u64 base, u8 type)
{
	return (struct kvm_segment) {
		.base = base, .limit = 0xffff, .selector = selector,
		.type = type, .present = 1, .s = 1,
	};
}

void state_reset(struct lodge_vcpu *vcpu)
{
	struct kvm_segment code = real_segment(0xf000, 0xffff0000, 11);
	struct kvm_segment data = real_segment(0, 0, 3);
	struct kvm_segment ldt = { .limit = 0xffff, .type = 2, .present = 1 };
	struct kvm_segment tss = { .limit = 0xffff, .type = 11, .present = 1 };
	int seg;

	memset(vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs[GPR_RDX] = 0x600;	/* family 6, as the SDM's example */
	regs_set_rsp(vcpu, 0);
	regs_set_rip(vcpu, 0xfff0);
	regs_set_rflags(vcpu, X86_EFLAGS_FIXED);
	for (seg = SEG_ES; seg <= SEG_GS; seg++)
		regs_set_segment(vcpu, seg, seg == SEG_CS ? &code : &data);
	regs_set_segment(vcpu, SEG_LDTR, &ldt);
	regs_set_segment(vcpu, SEG_TR, &tss);
	vmwritel(GUEST_GDTR_BASE, 0);
	vmwrite32(GUEST_GDTR_LIMIT, 0xffff);
	vmwritel(GUEST_IDTR_BASE, 0);
	vmwrite32(GUEST_IDTR_LIMIT, 0xffff);
	vcpu->cr2 = 0;
	vcpu->cr8 = 0;
	vcpu->xcr0 = XFEATURE_MASK_FP;
	regs_set_cr3(vcpu, 0);
	regs_set_cr0(vcpu, X86_CR0_CD | X86_CR0_NW | X86_CR0_ET);
	regs_set_cr4(vcpu, 0);
	regs_set_efer(vcpu, 0);
	vcpu->dr6 = DR6_ALWAYS_ONE;
	regs_set_dr7(vcpu, DR7_ALWAYS_ONE);
	msr_reset(vcpu);
}
