// SPDX-License-Identifier: GPL-2.0
/*
 * fpu.c - the guest's x87, SSE and AVX registers.  The kernel keeps them in an
 * fpstate of its own kind: for the time of KVM_RUN they take the place of the
 * task's, so that a context switch saves and restores them like any other
 * task's.  vmx/run.c switches XCR0 and PKRU around each entry; nothing here
 * knows VMX.
 */
#include <linux/kernel.h>
#include <linux/thread_info.h>
#include <asm/fpu/api.h>

#include "../lodge.h"
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

void fpu_ready(void)
{
	if (unlikely(test_thread_flag(TIF_NEED_FPU_LOAD)))
		switch_fpu_return();
}

/*
 * The sixteen registers by number.  Each case is one instruction, because the
 * register is part of it.
 */
#define EACH_REG(op)							\
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7)			\
	op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)

#define LOAD_XMM(n) case n: asm volatile("movdqu %0, %%xmm" #n : : "m" (*mem)); break;
#define STORE_XMM(n) case n: asm volatile("movdqu %%xmm" #n ", %0" : "=m" (*mem)); break;
#define LOAD_YMM(n) case n: asm volatile("vmovdqu %0, %%ymm" #n : : "m" (*mem)); break;
#define STORE_YMM(n) case n: asm volatile("vmovdqu %%ymm" #n ", %0" : "=m" (*mem)); break;

struct vector { u8 byte[32]; };

static void store_xmm(unsigned int reg, struct vector *mem)
{
	switch (reg) { EACH_REG(STORE_XMM) }
}

static void store_ymm(unsigned int reg, struct vector *mem)
{
	switch (reg) { EACH_REG(STORE_YMM) }
}

static void load_xmm(unsigned int reg, const struct vector *mem)
{
	switch (reg) { EACH_REG(LOAD_XMM) }
}

static void load_ymm(unsigned int reg, const struct vector *mem)
{
	switch (reg) { EACH_REG(LOAD_YMM) }
}

void fpu_read_vector(unsigned int reg, void *buf, unsigned int bytes)
{
	struct vector v = { };

	fpregs_lock();
	fpu_ready();
	if (bytes == 32)
		store_ymm(reg, &v);
	else
		store_xmm(reg, &v);
	fpregs_unlock();
	memcpy(buf, &v, bytes);
}

void fpu_write_vector(unsigned int reg, const void *buf, unsigned int bytes)
{
	struct vector v = { };

	memcpy(&v, buf, bytes);
	fpregs_lock();
	fpu_ready();
	if (bytes == 32)
		load_ymm(reg, &v);
	else
		load_xmm(reg, &v);
	fpregs_unlock();
}
