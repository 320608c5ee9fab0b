/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flat images: the smallest contract between lodge and a guest.
 *
 * The image is loaded at guest physical 0x10000 and its first byte is the entry
 * point of every CPU, in every mode. Interrupts are off. At the entry
 *
 *	DI, EDI or RDI	is the number of this CPU, from 0,
 *	SI, ESI or RSI	how many CPUs there are,
 *	EBX or RBX	the size of memory in KiB (BX its low 16 bits),
 *
 * and the mode is one of
 *
 *	real		CS = DS = ES = SS = 0x1000, IP = 0, SP = 0xfffe. All CPUs
 *			start with this one stack.
 *	protected	flat 4 GiB segments, no paging, ESP below the image.
 *	long		64-bit code, the first 4 GiB mapped one to one by pages of
 *			2 MiB, RSP below the image.
 *
 * In the last two modes guest physical 0x8000 to 0xffff is the stacks, shared out
 * evenly; below are the tables of cpu_start.h. There is no IDT. The console is a
 * 16550 at port 0x3f8, and a write to port 0xf4 ends the guest with the lowest
 * byte as its status.
 */
#ifndef LODGE_CLI_BOOT_FLAT_H
#define LODGE_CLI_BOOT_FLAT_H

#include "machine.h"

#define FLAT_BASE	0x10000ull
/* Of memory: real mode's stack ends here. */
#define FLAT_LEAST	(128 * KIB)

enum flat_mode { FLAT_REAL, FLAT_PROTECTED, FLAT_LONG };

/* False when there is no mode of that name. */
bool flat_mode_parse(const char *name, enum flat_mode *mode);

/* Loads @path and readies every CPU: 0, or a status with the reason told. */
int flat_boot(struct machine *m, const char *path, enum flat_mode mode);

#endif
