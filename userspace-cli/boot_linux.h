/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What Linux is told at its 64-bit entry, whatever file it came in: the boot_params of
 * <asm/bootparam.h> (Documentation/arch/x86/boot.rst of Linux, "64-bit Boot Protocol").
 */
#ifndef LODGE_CLI_BOOT_LINUX_H
#define LODGE_CLI_BOOT_LINUX_H

#include <asm/bootparam.h>

#include "boot_places.h"

/* What Linux keeps of a command line, when its image does not say. */
#define LINUX_COMMAND_LINE	2047

/*
 * With the kernel in its place: the initrd, the command line, the memory map and random
 * numbers. @params->hdr says what the kernel can take; the rest of @params is 0. Then
 * @entry is complete but for rip. 0, or a status when the reason has been told.
 */
int linux_tell(const struct boot_request *request, struct places *places,
	       struct boot_params *params, struct boot_entry *entry);

/* An error when the command line is longer than @most. */
int linux_command_line(const struct boot_request *request, u64 most);

#endif
