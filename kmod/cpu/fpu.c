// SPDX-License-Identifier: GPL-2.0
/*
 * fpu.c - the guest's x87, SSE and AVX registers.  The kernel keeps them in an
 * fpstate of its own kind: for the time of KVM_RUN they take the place of the
 * task's, so that a context switch saves and restores them like any other
 * task's.  vmx/run.c switches XCR0 and PKRU around each entry; nothing here
 * knows VMX.
 */
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/thread_info.h>
#include <asm/fpu/api.h>

#include "../lodge.h"
#include "cpuid.h"
#include "fpu.h"

int fpu_alloc(struct lodge_vcpu *vcpu)
{
	return fpu_alloc_guest_fpstate(&vcpu->fpu) ? 0 : -ENOMEM;
}

void fpu_free(struct lodge_vcpu *vcpu)
{
	if (vcpu->fpu.fpstate)
		fpu_free_guest_fpstate(&vcpu->fpu);
}

void fpu_enter(struct lodge_vcpu *vcpu)
{
	fpu_swap_kvm_fpstate(&vcpu->fpu, true);
}

void fpu_leave(struct lodge_vcpu *vcpu)
{
	fpu_swap_kvm_fpstate(&vcpu->fpu, false);
}

/* The guest's registers are in its fpstate: nobody is in KVM_RUN. */
void fpu_get_xsave(struct lodge_vcpu *vcpu, void *buf, u32 size)
{
	fpu_copy_guest_fpstate_to_uabi(&vcpu->fpu, buf, size,
				       vcpu->guest_xcr0_mask | XFEATURE_MASK_FPSSE, vcpu->pkru);
}

int fpu_set_xsave(struct lodge_vcpu *vcpu, const void *buf)
{
	u64 allowed = cpuid_host_xcr0() | XFEATURE_MASK_FPSSE;

	return fpu_copy_uabi_to_guest_fpstate(&vcpu->fpu, buf, allowed, &vcpu->pkru);
}

/* struct kvm_fpu is the legacy region in other clothes: SDM vol. 1 table 10-2. */
int fpu_get(struct lodge_vcpu *vcpu, struct kvm_fpu *out)
{
	struct kvm_xsave *area = kzalloc(sizeof(*area), GFP_KERNEL_ACCOUNT);
	struct fxregs_state *fx = (struct fxregs_state *)area;

	if (!area)
		return -ENOMEM;
	fpu_get_xsave(vcpu, area, sizeof(*area));
	memset(out, 0, sizeof(*out));
	memcpy(out->fpr, fx->st_space, sizeof(out->fpr));
	out->fcw = fx->cwd;
	out->fsw = fx->swd;
	out->ftwx = fx->twd;
	out->last_opcode = fx->fop;
	out->last_ip = fx->rip;
	out->last_dp = fx->rdp;
	memcpy(out->xmm, fx->xmm_space, sizeof(out->xmm));
	out->mxcsr = fx->mxcsr;
	kfree(area);
	return 0;
}

int fpu_set(struct lodge_vcpu *vcpu, const struct kvm_fpu *in)
{
	struct kvm_xsave *area = kzalloc(sizeof(*area), GFP_KERNEL_ACCOUNT);
	struct xregs_state *x = (struct xregs_state *)area;
	struct fxregs_state *fx = (struct fxregs_state *)area;
	int err;

	if (!area)
		return -ENOMEM;
	fpu_get_xsave(vcpu, area, sizeof(*area));
	memcpy(fx->st_space, in->fpr, sizeof(in->fpr));
	fx->cwd = in->fcw;
	fx->swd = in->fsw;
	fx->twd = in->ftwx;
	fx->fop = in->last_opcode;
	fx->rip = in->last_ip;
	fx->rdp = in->last_dp;
	/* MXCSR stays: clients of KVM, which takes no notice of it, leave it zero */
	memcpy(fx->xmm_space, in->xmm, sizeof(in->xmm));
	if (boot_cpu_has(X86_FEATURE_XSAVE))
		x->header.xfeatures |= XFEATURE_MASK_FPSSE;
	err = fpu_set_xsave(vcpu, area);
	kfree(area);
	return err;
}

/* The register is part of the instruction, so each has functions of its own. */
struct vector { u8 byte[32]; };

struct vector_ops {
	void (*load_xmm)(const struct vector *mem);
	void (*store_xmm)(struct vector *mem);
	void (*load_ymm)(const struct vector *mem);
	void (*store_ymm)(struct vector *mem);
};

#define VECTOR_REGISTER(n)						\
static void load_xmm##n(const struct vector *mem)			\
{									\
	asm volatile("movdqu %0, %%xmm" #n : : "m" (*mem));		\
}									\
static void store_xmm##n(struct vector *mem)				\
{									\
	asm volatile("movdqu %%xmm" #n ", %0" : "=m" (*mem));		\
}									\
static void load_ymm##n(const struct vector *mem)			\
{									\
	asm volatile("vmovdqu %0, %%ymm" #n : : "m" (*mem));		\
}									\
static void store_ymm##n(struct vector *mem)				\
{									\
	asm volatile("vmovdqu %%ymm" #n ", %0" : "=m" (*mem));		\
}

VECTOR_REGISTER(0) VECTOR_REGISTER(1) VECTOR_REGISTER(2) VECTOR_REGISTER(3)
VECTOR_REGISTER(4) VECTOR_REGISTER(5) VECTOR_REGISTER(6) VECTOR_REGISTER(7)
VECTOR_REGISTER(8) VECTOR_REGISTER(9) VECTOR_REGISTER(10) VECTOR_REGISTER(11)
VECTOR_REGISTER(12) VECTOR_REGISTER(13) VECTOR_REGISTER(14) VECTOR_REGISTER(15)

#define OPS(n) { load_xmm##n, store_xmm##n, load_ymm##n, store_ymm##n }

static const struct vector_ops vectors[16] = {
	OPS(0), OPS(1), OPS(2), OPS(3), OPS(4), OPS(5), OPS(6), OPS(7),
	OPS(8), OPS(9), OPS(10), OPS(11), OPS(12), OPS(13), OPS(14), OPS(15),
};

void fpu_read_vector(unsigned int reg, void *buf, unsigned int bytes)
{
	const struct vector_ops *ops = &vectors[array_index_nospec(reg, 16)];
	struct vector v = { };

	fpregs_lock();
	fpu_ready();
	if (bytes == 32)
		ops->store_ymm(&v);
	else
		ops->store_xmm(&v);
	fpregs_unlock();
	memcpy(buf, &v, bytes);
}

void fpu_write_vector(unsigned int reg, const void *buf, unsigned int bytes)
{
	const struct vector_ops *ops = &vectors[array_index_nospec(reg, 16)];
	struct vector v = { };

	memcpy(&v, buf, bytes);
	fpregs_lock();
	fpu_ready();
	if (bytes == 32)
		ops->load_ymm(&v);
	else
		ops->load_xmm(&v);
	fpregs_unlock();
}
