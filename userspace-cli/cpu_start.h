/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The state in which CPUs start. In guest physical memory that takes: the GDT at 0x1000
 * (selectors 0x08: 32-bit code, 0x10: 64-bit code, 0x18: data, all of them flat) and for
 * 64-bit starts page tables at 0x2000 to 0x7fff, which map the first 4 GiB one to one by
 * pages of 2 MiB.
 */
#ifndef LODGE_CLI_CPU_START_H
#define LODGE_CLI_CPU_START_H

#include "boot.h"
#include "machine.h"

/* Once for all CPUs. */
void cpu_write_tables(struct memory *mem);

/* What firmware leaves in a CPU's MSRs: memory is cached, string instructions are fast. */
void cpu_set_up(struct cpu *cpu);

/* 0, or a status of err.h when the reason has been told. */
int cpu_start(struct cpu *cpu, enum entry_mode mode, const struct kvm_regs *regs);
/* In real mode, with all segments at @base, below 1 MiB. */
int cpu_start_real(struct cpu *cpu, u64 base, const struct kvm_regs *regs);

#endif
