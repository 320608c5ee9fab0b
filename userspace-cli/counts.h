/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a device has counted of a vCPU, out of the file of KVM_GET_STATS_FD. lodge counts exits
 * by the CPU's reasons and the time that each took; kvm_intel has a few counters, which take
 * the reasons' place here.
 */
#ifndef LODGE_CLI_COUNTS_H
#define LODGE_CLI_COUNTS_H

#include "flight.h"

struct counts {
	bool by_reason;		/* exits[] and host_ns[] are by the CPU's exit reasons */
	u64 exits[FLIGHT_REASONS];
	u64 host_ns[FLIGHT_REASONS];	/* in the host behind such exits */
	u64 all_exits;
	u64 to_command;		/* ends of KVM_RUN; 0 without by_reason */
	u64 halts;
};

/* 0 or -errno; -EPROTO: it is no such file. */
int counts_read(int fd, struct counts *c);
/* The same out of a file that is in memory. */
bool counts_parse(const void *file, size_t size, struct counts *c);

/* *@sum += @c, or what was counted between two looks. */
void counts_add(struct counts *sum, const struct counts *c);
void counts_subtract(struct counts *now, const struct counts *before);

/* The name of exits[@i], NULL if there is no such; @number as for flight_reason_name(). */
const char *counts_name(const struct counts *c, unsigned int i, char number[16]);
/* All of host_ns[]. */
u64 counts_host_ns(const struct counts *c);
/* The indices of those exits[] that are not 0, the largest first: how many. */
unsigned int counts_order(const struct counts *c, u8 order[FLIGHT_REASONS]);

#endif
