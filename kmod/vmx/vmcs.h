/* SPDX-License-Identifier: GPL-2.0 */
/* The VMCS of a vCPU: birth, constant fields, control words. */
#ifndef LODGE_VMX_VMCS_H
#define LODGE_VMX_VMCS_H

#include "../lodge.h"
#include "caps.h"
#include "insn.h"

int vmcs_alloc(struct vmcs_ctx *ctx);
void vmcs_free(struct vmcs_ctx *ctx);
/* Once, with the VMCS loaded: everything that does not depend on the CPU. */
void vmcs_init(struct lodge_vcpu *vcpu);
/* After the VMCS was loaded on another CPU. */
void vmcs_set_host_cpu(struct lodge_vcpu *vcpu);

/* Which exceptions exit; depends on vcpu->debug. */
void vmcs_set_exceptions(struct lodge_vcpu *vcpu);

/* How long a loop of PAUSEs may spin before it exits: longer, and shorter again. */
void vmcs_grow_ple_window(struct lodge_vcpu *vcpu);
void vmcs_shrink_ple_window(struct lodge_vcpu *vcpu);

/* 0 if there is none left: the vCPU then runs without. */
u16 vpid_alloc(void);
void vpid_free(u16 vpid);
/* Drop the linear translations of this vCPU on this CPU. */
void vpid_flush(struct lodge_vcpu *vcpu);

/* Written only when it changes; a bit that was not granted cannot be asked for. */
static inline void vmcs_set_proc(struct vmcs_ctx *ctx, u32 value)
{
	if (ctx->proc != value) {
		vmwrite32(CPU_BASED_VM_EXEC_CONTROL, value);
		ctx->proc = value;
	}
}

static inline void vmcs_set_pin(struct vmcs_ctx *ctx, u32 value)
{
	if (ctx->pin != value) {
		vmwrite32(PIN_BASED_VM_EXEC_CONTROL, value);
		ctx->pin = value;
	}
}

static inline void vmcs_set_proc2(struct vmcs_ctx *ctx, u32 value)
{
	if (ctx->proc2 != value) {
		vmwrite32(SECONDARY_VM_EXEC_CONTROL, value);
		ctx->proc2 = value;
	}
}

static inline void vmcs_set_entry(struct vmcs_ctx *ctx, u32 value)
{
	if (ctx->entry != value) {
		vmwrite32(VM_ENTRY_CONTROLS, value);
		ctx->entry = value;
	}
}

#endif
