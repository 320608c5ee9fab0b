/* SPDX-License-Identifier: GPL-2.0 */
/* The checksum of firmware's tables, ACPI's and the MP table's. */
#ifndef LODGE_CLI_CHECKSUM_H
#define LODGE_CLI_CHECKSUM_H

#include "cli.h"

/* The byte that makes the sum of all of them 0. */
static inline u8 checksum(const void *data, u32 len)
{
	const u8 *bytes = data;
	u8 sum = 0;

	while (len--)
		sum += *bytes++;
	return -sum;
}

#endif
