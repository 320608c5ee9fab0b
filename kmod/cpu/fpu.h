/* SPDX-License-Identifier: GPL-2.0 */
/* The guest's floating-point and vector state. */
#ifndef LODGE_CPU_FPU_H
#define LODGE_CPU_FPU_H

#include <linux/thread_info.h>
#include <asm/fpu/api.h>

#include "../lodge.h"

int fpu_alloc(struct lodge_vcpu *vcpu);
void fpu_free(struct lodge_vcpu *vcpu);
/* Around KVM_RUN: the guest's registers instead of the task's, and back. */
void fpu_enter(struct lodge_vcpu *vcpu);
void fpu_leave(struct lodge_vcpu *vcpu);
/* With interrupts off, before an entry: make sure that they really are loaded. */
static inline void fpu_ready(void)
{
	if (unlikely(test_thread_flag(TIF_NEED_FPU_LOAD)))
		switch_fpu_return();
}

/* Outside KVM_RUN: the standard format of XSAVE, and the older struct. */
void fpu_get_xsave(struct lodge_vcpu *vcpu, void *buf, u32 size);
int fpu_set_xsave(struct lodge_vcpu *vcpu, const void *buf);
int fpu_get(struct lodge_vcpu *vcpu, struct kvm_fpu *out);
int fpu_set(struct lodge_vcpu *vcpu, const struct kvm_fpu *in);
/* One vector register, 16 or 32 bytes; between fpu_enter() and fpu_leave(). */
void fpu_read_vector(unsigned int reg, void *buf, unsigned int bytes);
void fpu_write_vector(unsigned int reg, const void *buf, unsigned int bytes);

#endif
