/* SPDX-License-Identifier: GPL-2.0 */
/* The MP table, for guests that know no ACPI. */
#ifndef LODGE_CLI_MPTABLE_H
#define LODGE_CLI_MPTABLE_H

#include "memory.h"

/*
 * Puts it at PLATFORM_MPTABLE; it says what the ACPI tables say. 0, or a status of err.h
 * when the reason has been told.
 */
int mptable_write(struct memory *mem, unsigned int cpus);

#endif
