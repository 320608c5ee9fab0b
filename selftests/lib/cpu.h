/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cpu.h - what tests of the CPU itself share: control registers and MSRs from
 * inside the guest, features from CPUID, checks of single instructions.
 */
#ifndef SELFTEST_CPU_H
#define SELFTEST_CPU_H

#include "selftest.h"

enum { REG_EAX, REG_EBX, REG_ECX, REG_EDX };

/* Does the guest's CPUID, as vcpu_create() sets it, have this bit? */
static inline bool cpuid_has(struct vm *vm, u32 function, u32 index, int reg, int bit)
{
	for (u32 i = 0; i < vm->cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &vm->cpuid->entries[i];

		if (e->function == function && e->index == index)
			return (&e->eax)[reg] >> bit & 1;
	}
	return false;
}

/* Takes the bit out of what vcpu_create() will set. */
static inline void cpuid_clear(struct vm *vm, u32 function, u32 index, int reg, int bit)
{
	for (u32 i = 0; i < vm->cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &vm->cpuid->entries[i];

		if (e->function == function && e->index == index)
			(&e->eax)[reg] &= ~(u32)BIT(bit);
	}
}

/* The pages of the lower 4 GiB become the supervisor's, as SMEP and SMAP want. */
static inline void make_supervisor_pages(struct vm *vm)
{
	u64 *pdpt = vm_ptr(vm, *(u64 *)vm_ptr(vm, vm->pml4) & PTE_ADDR);

	for (int i = 0; i < 4; i++) {
		u64 *pd = vm_ptr(vm, pdpt[i] & PTE_ADDR);

		for (int k = 0; k < 512; k++)
			pd[k] &= ~PTE_U;
	}
}

/* ---- guest side ------------------------------------------------------- */

#define READ_CR(name)							\
static inline u64 read_##name(void)					\
{									\
	u64 v;								\
									\
	asm volatile("mov %%" #name ", %0" : "=r"(v) : : "memory");	\
	return v;							\
}									\
static inline void write_##name(u64 v)					\
{									\
	asm volatile("mov %0, %%" #name : : "r"(v) : "memory");		\
}

READ_CR(cr0)
READ_CR(cr2)
READ_CR(cr3)
READ_CR(cr4)
READ_CR(cr8)
READ_CR(dr6)
READ_CR(dr7)

#undef READ_CR

static inline u64 rdmsr_try(u32 msr)
{
	u32 lo = 0, hi = 0;

	GUEST_TRY("rdmsr", "+a"(lo), "+d"(hi) : "c"(msr) : "memory");
	return lo | (u64)hi << 32;
}

static inline void wrmsr_try(u32 msr, u64 v)
{
	GUEST_TRY("wrmsr", : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static inline void invlpg(u64 gva)
{
	asm volatile("invlpg (%0)" : : "r"(gva) : "memory");
}

/* The instruction (as for GUEST_TRY) must raise #GP with error code 0. */
#define EXPECT_GP(insn, ...) do {					\
	GUEST_TRY(insn, ##__VA_ARGS__);					\
	GUEST_ASSERT_EQ(guest_ex()->vector, GP);			\
	GUEST_ASSERT_EQ(guest_ex()->error, 0);				\
} while (0)
#define EXPECT_VECTOR(v, insn, ...) do {				\
	GUEST_TRY(insn, ##__VA_ARGS__);					\
	GUEST_ASSERT_EQ(guest_ex()->vector, v);				\
} while (0)
#define EXPECT_OK(insn, ...)	EXPECT_VECTOR(NO_EXCEPTION, insn, ##__VA_ARGS__)

#endif /* SELFTEST_CPU_H */
