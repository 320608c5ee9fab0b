/* SPDX-License-Identifier: GPL-2.0 */
/* The host's clock beside its time stamp counter. */
#ifndef LODGE_CPU_HOSTTIME_H
#define LODGE_CPU_HOSTTIME_H

#include "../lodge.h"

/* Time since the host's boot, suspend included, at the pace of its raw clock. */
u64 hosttime_ns(void);

#endif
