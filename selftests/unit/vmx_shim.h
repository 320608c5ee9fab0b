/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmx_shim.h - what kmod/vmx/entry_check_priv.h takes from the kernel, for user
 * space: the short type names and the bit macros. The words of VMX and of MSRs come
 * from the kernel's own headers (see the Makefile), and those include nothing else.
 */
#ifndef LODGE_UNIT_VMX_SHIM_H
#define LODGE_UNIT_VMX_SHIM_H

#include <assert.h>
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

#define BIT(n)			(1ul << (n))
#define BIT_ULL(n)		(1ull << (n))
#define GENMASK(h, l)		((~0ul >> (63 - (h))) & (~0ul << (l)))
#define GENMASK_ULL(h, l)	((~0ull >> (63 - (h))) & (~0ull << (l)))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define __aligned(n)		__attribute__((aligned(n)))
#define WARN_ON_ONCE(cond)	((void)(cond))

/* One argument, as in the kernel. */
#undef static_assert
#define static_assert(cond)	_Static_assert(cond, #cond)

#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/vmx.h>

#endif
