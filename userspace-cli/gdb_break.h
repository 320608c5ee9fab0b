/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A debugger's breakpoints: INT3 in the guest's memory, and what the four debug registers
 * watch. Whoever calls has locked the table; the guest's memory is changed only while all
 * vCPUs stand still.
 */
#ifndef LODGE_CLI_GDB_BREAK_H
#define LODGE_CLI_GDB_BREAK_H

#include <linux/kvm.h>

#include "memory.h"

#define GDB_SOFT	1024
#define GDB_HARD	4

/* As gdb numbers them. */
enum gdb_break_kind {
	GDB_BREAK_SOFT, GDB_BREAK_HARD, GDB_WATCH_WRITE, GDB_WATCH_READ, GDB_WATCH_ACCESS,
	GDB_BREAK_KINDS,
};

struct gdb_soft {
	u64 gva;
	u64 gpa;
	u8 original;
};

struct gdb_hard {
	bool used;
	enum gdb_break_kind kind;
	u64 base, len;		/* what gdb asked for */
	u64 at, size;		/* the part of it that this register watches */
};

struct gdb_breaks {
	struct gdb_soft soft[GDB_SOFT];
	unsigned int nr_soft;
	struct gdb_hard hard[GDB_HARD];
};

/* INT3 at @gva, which is at @gpa: 0 or -errno. Once more is no error. */
int gdb_soft_insert(struct gdb_breaks *b, struct memory *mem, u64 gva, u64 gpa);
/* False: there is none. */
bool gdb_soft_remove(struct gdb_breaks *b, struct memory *mem, u64 gva);
/* Those that the guest has written over are put in again. */
void gdb_soft_renew(struct gdb_breaks *b, struct memory *mem);
/* The memory is new: without what was put in. */
void gdb_soft_forget(struct gdb_breaks *b);
bool gdb_soft_at_gva(const struct gdb_breaks *b, u64 gva);
bool gdb_soft_at_gpa(const struct gdb_breaks *b, u64 gpa);

/* @bytes, read from @gpa, become those of the guest. */
void gdb_soft_hide(const struct gdb_breaks *b, u64 gpa, u8 *bytes, u64 len);
/* After a write at @gpa: what was written is the guest's, INT3 stays in place. */
void gdb_soft_keep(struct gdb_breaks *b, struct memory *mem, u64 gpa, u64 len);

/* -ENOSPC: there are four of them; -EINVAL: no such thing. */
int gdb_hard_insert(struct gdb_breaks *b, enum gdb_break_kind kind, u64 base, u64 len);
bool gdb_hard_remove(struct gdb_breaks *b, enum gdb_break_kind kind, u64 base, u64 len);
/* The one that DR6 tells of, or NULL. */
const struct gdb_hard *gdb_hard_hit(const struct gdb_breaks *b, u64 dr6);

void gdb_breaks_clear(struct gdb_breaks *b, struct memory *mem);
/* Fills in the registers, and in control what it takes. */
void gdb_breaks_debug(const struct gdb_breaks *b, struct kvm_guest_debug *debug);

#endif
