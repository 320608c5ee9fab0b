/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest's virtual addresses, for who looks at it from outside: by its page tables as they
 * are in its memory. No right is judged and no bit set; the tables may say anything.
 */
#ifndef LODGE_CLI_PAGING_H
#define LODGE_CLI_PAGING_H

#include "machine.h"

struct paging {
	u64 cr0, cr3, cr4, efer;
};

/* Whether an address of the guest can be that in the mode it is in. */
bool paging_is_address(const struct paging *p, u64 gva);

/* The guest physical address; false: nothing is mapped there. */
bool paging_walk(const struct paging *p, const struct memory *mem, u64 gva, u64 *gpa);

/* The same for a vCPU that stands still, by the device if it can. */
bool paging_translate(struct cpu *cpu, u64 gva, u64 *gpa);

/*
 * Copies as much as is there in one piece, over borders of pages, and returns how much.
 * @each is told of every piece: it is in memory at @gpa, and at @bytes the caller's.
 */
struct paging_copy {
	bool write;
	u8 *bytes;
	u64 len;
	void (*each)(void *arg, u64 gpa, u8 *bytes, u64 len);	/* or NULL */
	void *arg;
};

u64 paging_copy(struct cpu *cpu, u64 gva, const struct paging_copy *copy);

#endif
