/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A vCPU's registers as gdb numbers and names them. One table says what there is: the
 * target description and the packets are made from it.
 *
 * The description is that of a 64-bit CPU whatever mode the guest is in, as modes change
 * while gdb does not ask again. rip is the linear address of the next instruction: in real
 * mode that is CS's base and IP, in 64-bit mode RIP itself, so that breakpoints and the
 * memory at rip agree everywhere. All else is as the registers are; a guest of 32 or 16
 * bits has zeroes in the upper parts.
 */
#ifndef LODGE_CLI_GDB_REGS_H
#define LODGE_CLI_GDB_REGS_H

#include "machine.h"

#define GDB_REG_MOST	16	/* bytes of the largest register */

struct gdb_regs {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xsave xsave;
	u64 pc;
	u64 kernel_gs_base;
	u16 tags;		/* of the x87's registers, 2 bits each */
	u8 ymm_high[16][16];
};

/* Whether the machine's vCPUs have YMM registers. */
bool gdb_regs_have_avx(const struct machine *m);

/* The vCPU stands still. 0 or -errno; put writes only what differs from @old. */
int gdb_regs_get(struct cpu *cpu, struct gdb_regs *r);
int gdb_regs_put(struct cpu *cpu, const struct gdb_regs *old, struct gdb_regs *r);

/* Bytes of the register @nr, 0: there is none; its value in little endian. */
unsigned int gdb_reg_read(const struct gdb_regs *r, bool avx, unsigned int nr,
			  u8 value[GDB_REG_MOST]);
/* The same; @value has as many bytes. */
unsigned int gdb_reg_write(struct gdb_regs *r, bool avx, unsigned int nr,
			   const u8 value[GDB_REG_MOST]);

/* The target description, or NULL when there is no memory. */
char *gdb_regs_description(bool avx);

/* "64-bit mode", "real mode"... */
const char *gdb_regs_mode(const struct kvm_sregs *sregs, u64 rflags);

#endif
