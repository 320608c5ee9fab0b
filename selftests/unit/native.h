/* SPDX-License-Identifier: GPL-2.0 */
/*
 * native.h - the state that native_entry.S loads and saves, at a fixed address.
 */
#ifndef LODGE_UNIT_NATIVE_H
#define LODGE_UNIT_NATIVE_H

#define NATIVE_STATE	0x10000000	/* one page */
#define NATIVE_CODE	0x18000000	/* two pages of code, then the exits */
#define NATIVE_WINDOW	0x40000000

#define NS_RFLAGS	0x80
#define NS_HOST_RSP	0x88
#define NS_EXIT		0x90
#define NS_HOST_SS	0x94
#define NS_SS		0x96
#define NS_ENTRY	0x98
#define NS_CODE		0xa0	/* address and, for a far jump, selector after 4 bytes */
#define NS_AVX		0xa8
#define NS_VECTOR	0x100

#define NATIVE_NEXT	1
#define NATIVE_BRANCH	2
#define NATIVE_FAULT	3

#ifndef __ASSEMBLER__
#include "shim.h"

struct native_state {
	u64 gpr[16];
	u64 rflags;
	u64 host_rsp;
	u32 exit;
	u16 host_ss, ss;
	u64 entry;
	union {
		u64 code;
		struct {
			u32 far_offset;
			u16 far_selector;
		};
	};
	u32 avx;
	u8 unused[NS_VECTOR - 0xac];
	u8 vector[16][32];
};

#define AT(field, offset) \
	_Static_assert(offsetof(struct native_state, field) == (offset), "see NS_*")
AT(rflags, NS_RFLAGS);
AT(host_rsp, NS_HOST_RSP);
AT(exit, NS_EXIT);
AT(host_ss, NS_HOST_SS);
AT(ss, NS_SS);
AT(entry, NS_ENTRY);
AT(code, NS_CODE);
AT(avx, NS_AVX);
AT(vector, NS_VECTOR);
#undef AT

void native_run(void);
extern char native_enter64[], native_enter_far[];
extern char native_exit_next[], native_exit_branch[], native_exit_fault[];
#endif

#endif
