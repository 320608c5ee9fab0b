/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device that is played: vCPUs that execute a handful of x86's instructions from the
 * machine's memory, with what KVM_SET_GUEST_DEBUG does to them. A program that uses it is
 * linked with --wrap=ioctl.
 *
 * 90 NOP, EB jump, CC INT3, F4 HLT, 48 FF 04 25 INC and 48 8B 04 25 MOV to RAX of 8 bytes
 * at a 32-bit address; all else stops the vCPU as an unknown exit.
 */
#ifndef LODGE_CLI_FAKE_KVM_H
#define LODGE_CLI_FAKE_KVM_H

#include <stdatomic.h>

#include "machine.h"

#define FAKE_CPUS	4
#define FAKE_CODE	0xffffffff81000000ull	/* virtual, with holes and borders: */
#define FAKE_PHYS	0x100000ull		/* page 0 */
#define FAKE_PHYS_1	0x105000ull		/* page 1; page 2 is not mapped */
#define FAKE_PHYS_4	0x106000ull		/* page 4; page 3 is where no memory is */
#define FAKE_LARGE	0x200000ull		/* 2 MiB, mapped at FAKE_CODE + this */
#define FAKE_MEMORY	(8 * MIB)

struct fake_cpu {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xsave xsave;
	struct kvm_xcrs xcrs;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debugregs;
	struct kvm_guest_debug debug;
	u64 kernel_gs_base;
	atomic_uint own_int3;	/* that came to the guest */
	atomic_uint own_db;
	atomic_ullong executed;	/* instructions */
};

struct fake_kvm {
	struct machine m;
	struct fake_cpu cpu[FAKE_CPUS];
	bool translates;	/* has KVM_TRANSLATE */
	bool refuses_debug;	/* KVM_SET_GUEST_DEBUG fails */
	bool forgives;		/* what is no instruction is none, or HLT */
	/* Calls on a vCPU that KVM has not: what ioctl() returns, with errno. NULL: ENOTTY. */
	int (*more)(struct cpu *cpu, unsigned long cmd, void *arg);
	pthread_t main;
	bool running;
};

/* With page tables, all vCPUs in 64-bit mode at FAKE_CODE + 0x100 * index. */
void fake_kvm_create(struct fake_kvm *f, unsigned int cpus);
/* The page tables, for who has cleared the memory. */
void fake_kvm_tables(struct fake_kvm *f);
/* machine_run() in a thread. */
void fake_kvm_start(struct fake_kvm *f);
void fake_kvm_free(struct fake_kvm *f);

/*
 * A program: CPU 0 counts in 8 bytes at 0x800, reads those at 0x808, and turns; CPU 1 turns;
 * at 0x200 is an INT3 of the guest's own. All behind FAKE_CODE.
 */
void fake_kvm_program(struct fake_kvm *f);
/* A byte of page 0. */
u8 *fake_kvm_code(struct fake_kvm *f, u64 gva);
/* Waits until the vCPU has executed something more. */
bool fake_kvm_moves(struct fake_kvm *f, unsigned int cpu);
/* Two looks with a while between them; wrong only if it does move. */
bool fake_kvm_stands(struct fake_kvm *f, unsigned int cpu);

#endif
