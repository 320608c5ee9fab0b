// SPDX-License-Identifier: GPL-2.0
/*
 * hosttime.c - what is known of the host's clock: how long it has been running,
 * and which reading of its time stamp counter belongs to which moment.
 */
#include <linux/ktime.h>
#include <linux/timekeeping.h>

#include "../lodge.h"
#include "hosttime.h"

u64 hosttime_ns(void)
{
	/* the second part is the time that the host has slept */
	return ktime_get_raw_ns() + ktime_to_ns(ktime_mono_to_any(0, TK_OFFS_BOOT));
}
