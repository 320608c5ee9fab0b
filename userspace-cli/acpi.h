/* SPDX-License-Identifier: GPL-2.0 */
/* The ACPI tables of a machine that is a PC. */
#ifndef LODGE_CLI_ACPI_H
#define LODGE_CLI_ACPI_H

#include "memory.h"

/*
 * Puts them at PLATFORM_ACPI, for CPUs whose APIC ids count from 0. *@rsdp: where the first
 * is. 0, or a status of err.h when the reason has been told.
 */
int acpi_write(struct memory *mem, unsigned int cpus, u64 *rsdp);

#endif
