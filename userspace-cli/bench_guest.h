/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the code of `lodge bench` in the guest (bench_guest.S) and that in the host agree
 * on: where things are in the guest's memory, its ports, its interrupts, and the block by
 * which a vCPU is told what to measure. Read by the assembler, too.
 */
#ifndef LODGE_CLI_BENCH_GUEST_H
#define LODGE_CLI_BENCH_GUEST_H

/* Guest physical, which is virtual, too. Below 0x8000: see cpu_start.h. */
#define BENCH_IDT	0x8000
#define BENCH_SHARED	0x9000	/* a page for each vCPU */
#define BENCH_RESULTS	0xb000	/* of vCPU 0: ticks of each round */
#define BENCH_DATA	0xd000	/* a page, for string instructions */
#define BENCH_CODE	0x10000
#define BENCH_STACK	0x20000	/* below it vCPU 0's, a page below vCPU 1's */
#define BENCH_MEMORY	0x200000
/* More memory, for rows about it. Behind it is room for devices. */
#define BENCH_AREA	0x10000000
#define BENCH_MMIO	0xd0000000

#define BENCH_PORT_DONE	0x10	/* all rounds are over */
#define BENCH_PORT_NEXT	0x11	/* a round begins, and the host wants to know */
#define BENCH_PORT_TRAP	0x12	/* an exception came, which none should */
#define BENCH_PORT	0x20a	/* that nobody has */

#define BENCH_VECTOR	0x40	/* is counted, with the time when it came */
#define BENCH_VECTOR_EOI 0x41	/* ... with how long its EOI took */
#define BENCH_VECTOR_BACK 0x42	/* sends BENCH_VECTOR back to CPU 0 */
#define BENCH_VECTOR_SPURIOUS 0xff

/* Offsets in struct bench_shared. */
#define SHARED_ROUNDS	0x00
#define SHARED_BATCH	0x08
#define SHARED_ROUTINE	0x10
#define SHARED_OWN	0x18
#define SHARED_TELL	0x20
#define SHARED_ARG0	0x28
#define SHARED_ARG1	0x30
#define SHARED_ARG2	0x38
#define SHARED_POINTER	0x40
#define SHARED_APIC	0x48
#define SHARED_LVTT	0x50
#define SHARED_SENT	0x58
#define SHARED_STAMP	0x60
#define SHARED_COUNT	0x68

/* SHARED_APIC */
#define BENCH_APIC_NONE	0
#define BENCH_APIC_X	1
#define BENCH_APIC_X2	2

#ifndef __ASSEMBLER__
#include "cli.h"

/* Written by the host before the guest runs, but for what is said. */
struct bench_shared {
	u64 rounds;
	u64 batch;		/* calls of the routine in each */
	u64 routine;		/* what is measured */
	u64 own_time;		/* its result is what it took; or the clock around it is read */
	u64 tell;		/* BENCH_PORT_NEXT is wanted */
	u64 arg[3];
	u64 pointer;		/* of routines that go through memory: where they are */
	u64 apic;
	u64 lvtt;		/* the timer's entry of the local vector table */
	u64 sent;		/* when the host sent an interrupt */
	u64 stamp;		/* by the guest: when the last interrupt came */
	u64 count;		/* by the guest: interrupts */
};

/* The image, for BENCH_CODE. It runs anywhere. */
extern const u8 bench_guest[], bench_guest_end[];
/* Entries of vCPUs: RBP is their struct bench_shared, RSP their stack. */
extern const u8 bench_guest_main[];	/* rounds, for ever */
extern const u8 bench_guest_spin[];	/* turns, interruptible */
extern const u8 bench_guest_sleep[];	/* halts, interruptible */
/* Interrupts and exceptions. */
extern const u8 bench_guest_trap[], bench_guest_irq[], bench_guest_irq_eoi[],
	bench_guest_irq_back[], bench_guest_irq_spurious[];
/* Routines that cost nothing: what is left of others when these are taken off. */
extern const u8 bench_guest_empty[], bench_guest_empty_timed[];
/* Routines: arg[0] and arg[1] are RDI and RSI. */
extern const u8 bench_guest_cpuid[], bench_guest_vmcall[], bench_guest_rdmsr[],
	bench_guest_wrmsr[], bench_guest_cr0[], bench_guest_cr3[], bench_guest_cr4[],
	bench_guest_cr8[], bench_guest_xsetbv[], bench_guest_wbinvd[], bench_guest_invlpg[],
	bench_guest_out[], bench_guest_outl[], bench_guest_in[], bench_guest_outsb[],
	bench_guest_store[], bench_guest_load[], bench_guest_hlt[];
extern const u8 bench_guest_walk_store[], bench_guest_walk_load[];
extern const u8 bench_guest_self_ipi[], bench_guest_self_icr[], bench_guest_eoi[],
	bench_guest_deadline[], bench_guest_expiry[], bench_guest_woken[],
	bench_guest_ipi[], bench_guest_ipi_sleep[], bench_guest_kick[];
#endif

#endif
