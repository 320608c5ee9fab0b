// SPDX-License-Identifier: GPL-2.0
/*
 * Attempts of attempt.h. All lies below 1 MiB, so that real mode reaches it: the
 * code, the HLTs of the vectors, and an IDT for 32 and 64 bits each.
 */
#include "attempt.h"

#define IDT32_GPA	0x5000ul
#define IDT64_GPA	0x6000ul
#define CODE_GPA	0x8000ul
#define HLT_GPA		0x9000ul	/* of vector n: 16 * n behind it */
#define STACK_TOP	0xb000ul
#define NR_VECTORS	32

static void make_tables(struct vm *vm)
{
	u8 *hlt = vm_ptr(vm, HLT_GPA);
	u32 *ivt = vm_ptr(vm, 0);
	u64 *idt32 = vm_ptr(vm, IDT32_GPA), *idt64 = vm_ptr(vm, IDT64_GPA);

	memset(hlt, 0xf4, NR_VECTORS * 16);
	for (u64 i = 0; i < NR_VECTORS; i++) {
		u64 at = HLT_GPA + 16 * i;

		ivt[i] = at;
		idt32[i] = at | SEL_CODE32 << 16 | 0x8eull << 40;
		idt64[2 * i] = at | SEL_CODE64 << 16 | 0x8eull << 40;
		idt64[2 * i + 1] = 0;
	}
}

void attempt_prepare(struct attempt *a, struct vcpu *vcpu, enum cpu_mode mode,
		     const void *code, size_t size)
{
	struct kvm_sregs *s = &a->before;

	a->vcpu = vcpu;
	a->mode = mode;
	make_tables(vcpu->vm);
	memcpy(vm_ptr(vcpu->vm, CODE_GPA), code, size);
	*((u8 *)vm_ptr(vcpu->vm, CODE_GPA) + size) = 0xf4;
	if (mode == REAL)
		vcpu_real_mode(vcpu, 0, CODE_GPA);
	else if (mode == LONG)
		vcpu_long_mode_at(vcpu, CODE_GPA, 0);
	else
		vcpu_protected_mode(vcpu, (void *)CODE_GPA, 0,
				    mode == PROTECTED ? NO_PAGING : PAGING_PAE);
	get_regs(vcpu, &a->regs);
	a->regs.rsp = mode == REAL ? 0x7000 : STACK_TOP;
	get_sregs(vcpu, s);
	if (mode != REAL) {
		s->idt.base = mode == LONG ? IDT64_GPA : IDT32_GPA;
		s->idt.limit = NR_VECTORS * (mode == LONG ? 16 : 8) - 1;
	}
}

bool attempt_run(struct attempt *a)
{
	struct vcpu *vcpu = a->vcpu;
	u64 at;

	set_sregs(vcpu, &a->before);
	set_regs(vcpu, &a->regs);
	CHECK_EQ(vcpu_run_raw(vcpu), 0);
	get_sregs(vcpu, &a->after);
	get_regs(vcpu, &a->regs);
	if (vcpu->run->exit_reason != KVM_EXIT_HLT)
		return false;
	at = a->regs.rip - 1 - HLT_GPA;
	a->vector = at < 16 * NR_VECTORS ? at / 16 : NO_EXCEPTION;
	a->error = 0;
	if (a->vector != NO_EXCEPTION && a->mode != REAL)
		memcpy(&a->error, vm_ptr(vcpu->vm, a->regs.rsp), a->mode == LONG ? 8 : 4);
	return true;
}
