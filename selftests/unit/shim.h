/* SPDX-License-Identifier: GPL-2.0 */
/*
 * shim.h - what kmod/cpu/emulate_priv.h takes from the kernel, for user space: the
 * short type names and a few bits of the architecture (SDM vol. 3A 2.3 to 2.5,
 * 6.3.1; vol. 4, IA32_EFER).
 */
#ifndef LODGE_UNIT_SHIM_H
#define LODGE_UNIT_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;

#define BIT(n)		(1ul << (n))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define X86_EFLAGS_CF	BIT(0)
#define X86_EFLAGS_PF	BIT(2)
#define X86_EFLAGS_AF	BIT(4)
#define X86_EFLAGS_ZF	BIT(6)
#define X86_EFLAGS_SF	BIT(7)
#define X86_EFLAGS_TF	BIT(8)
#define X86_EFLAGS_IF	BIT(9)
#define X86_EFLAGS_DF	BIT(10)
#define X86_EFLAGS_OF	BIT(11)
#define X86_EFLAGS_RF	BIT(16)
#define X86_EFLAGS_VM	BIT(17)
#define X86_EFLAGS_AC	BIT(18)
#define X86_EFLAGS_ID	BIT(21)

#define X86_CR0_PE	BIT(0)
#define X86_CR0_EM	BIT(2)
#define X86_CR0_TS	BIT(3)
#define X86_CR0_AM	BIT(18)
#define X86_CR0_PG	BIT(31)
#define X86_CR4_OSFXSR	BIT(9)
#define X86_CR4_OSXSAVE	BIT(18)

#define X86_TRAP_DE	0
#define X86_TRAP_UD	6
#define X86_TRAP_NM	7
#define X86_TRAP_SS	12
#define X86_TRAP_GP	13
#define X86_TRAP_PF	14
#define X86_TRAP_AC	17

#define EFER_LMA	BIT(10)

#endif
