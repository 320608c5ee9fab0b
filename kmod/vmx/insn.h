/* SPDX-License-Identifier: GPL-2.0 */
/*
 * insn.h - the VMX instructions as C functions.  VMREAD and VMWRITE check the
 * width of a field against its number at compile time (SDM vol. 3C 24.11.2),
 * so that a wrong accessor does not build.  An instruction that fails is a bug
 * of ours, never the guest's; it is reported once and never stops the host.
 */
#ifndef LODGE_VMX_INSN_H
#define LODGE_VMX_INSN_H

#include <linux/build_bug.h>
#include <linux/percpu.h>
#include <linux/types.h>
#include <asm/asm.h>
#include <asm/vmx.h>

/* The head of a VMCS or VMXON region: SDM vol. 3C 24.2. */
struct vmcs {
	u32 revision;
	u32 abort;
	u8 data[];
};

/* Of this CPU since the module was loaded; vCPUs get their parts by vmx_unload(). */
struct vmcs_counts {
	u64 reads, writes;
};

DECLARE_PER_CPU(struct vmcs_counts, vmcs_counts);

/* vmx/cpu.c: says so once, unless the machine is going down. */
void vmx_insn_failed(const char *what, unsigned long arg);

static __always_inline unsigned long vmread_any(unsigned long field)
{
	unsigned long value;

	raw_cpu_inc(vmcs_counts.reads);
	asm goto("1:	vmread %[field], %[value]\n\t"
		 "jna %l[failed]\n\t"
		 _ASM_EXTABLE(1b, %l[failed])
		 : [value] "=r" (value)
		 : [field] "r" (field)
		 : "cc"
		 : failed);
	return value;
failed:
	vmx_insn_failed("vmread", field);
	return 0;
}

/* Of a field that the CPU may not have. */
static __always_inline bool vmread_try(unsigned long field, unsigned long *value)
{
	unsigned long v;

	asm goto("1:	vmread %[field], %[value]\n\t"
		 "jna %l[failed]\n\t"
		 _ASM_EXTABLE(1b, %l[failed])
		 : [value] "=r" (v)
		 : [field] "r" (field)
		 : "cc"
		 : failed);
	*value = v;
	return true;
failed:
	return false;
}

static __always_inline void vmwrite_any(unsigned long field, unsigned long value)
{
	raw_cpu_inc(vmcs_counts.writes);
	asm goto("1:	vmwrite %[value], %[field]\n\t"
		 "jna %l[failed]\n\t"
		 _ASM_EXTABLE(1b, %l[failed])
		 :
		 : [field] "r" (field), [value] "rm" (value)
		 : "cc"
		 : failed);
	return;
failed:
	vmx_insn_failed("vmwrite", field);
}

/* Likewise; it may also be one that cannot be written. */
static __always_inline bool vmwrite_try(unsigned long field, unsigned long value)
{
	asm goto("1:	vmwrite %[value], %[field]\n\t"
		 "jna %l[failed]\n\t"
		 _ASM_EXTABLE(1b, %l[failed])
		 :
		 : [field] "r" (field), [value] "rm" (value)
		 : "cc"
		 : failed);
	return true;
failed:
	return false;
}

enum { VMCS_W16 = 0, VMCS_W64 = 1, VMCS_W32 = 2, VMCS_WNAT = 3 };

/* Bits 14:13 of a field's number are its width; bit 0 is the high half. */
#define VMCS_CHECK(field, width) \
	BUILD_BUG_ON_MSG(!__builtin_constant_p(field) || \
			 (((field) >> 13) & 3) != (width) || ((field) & 1), \
			 "VMCS field accessed with the wrong width")

#define VMCS_ACCESSORS(name, type, width)				\
static __always_inline type vmread##name(unsigned long field)		\
{									\
	VMCS_CHECK(field, width);					\
	return vmread_any(field);					\
}									\
static __always_inline void vmwrite##name(unsigned long field, type value) \
{									\
	VMCS_CHECK(field, width);					\
	vmwrite_any(field, value);					\
}

VMCS_ACCESSORS(16, u16, VMCS_W16)
VMCS_ACCESSORS(32, u32, VMCS_W32)
VMCS_ACCESSORS(64, u64, VMCS_W64)
VMCS_ACCESSORS(l, unsigned long, VMCS_WNAT)

/* Instructions with one memory operand; true when they succeeded. */
#define VMX_MEM_INSN(name, insn)					\
static __always_inline bool name(u64 operand)				\
{									\
	asm goto("1:	" insn " %[op]\n\t"				\
		 "jna %l[failed]\n\t"					\
		 _ASM_EXTABLE(1b, %l[failed])				\
		 :							\
		 : [op] "m" (operand)					\
		 : "cc", "memory"					\
		 : failed);						\
	return true;							\
failed:									\
	return false;							\
}

VMX_MEM_INSN(vmx_vmxon, "vmxon")
VMX_MEM_INSN(vmx_vmclear, "vmclear")
VMX_MEM_INSN(vmx_vmptrld, "vmptrld")

static __always_inline bool vmx_vmxoff(void)
{
	asm goto("1:	vmxoff\n\t"
		 _ASM_EXTABLE(1b, %l[failed])
		 : : : "cc", "memory" : failed);
	return true;
failed:
	return false;
}

/* INVEPT and INVVPID have the same shape: a type and a 128-bit descriptor. */
#define VMX_INV_INSN(name, insn)					\
static __always_inline void name(unsigned long type, u64 lo, u64 hi)	\
{									\
	struct { u64 lo, hi; } desc = { lo, hi };			\
									\
	asm goto("1:	" insn " %[desc], %[type]\n\t"			\
		 "jna %l[failed]\n\t"					\
		 _ASM_EXTABLE(1b, %l[failed])				\
		 :							\
		 : [desc] "m" (desc), [type] "r" (type)			\
		 : "cc", "memory"					\
		 : failed);						\
	return;								\
failed:									\
	vmx_insn_failed(insn, type);					\
}

VMX_INV_INSN(vmx_invept, "invept")
VMX_INV_INSN(vmx_invvpid, "invvpid")

#endif
