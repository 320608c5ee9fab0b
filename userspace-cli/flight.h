/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The flight recorder of a vCPU, read from outside: a ring of its last exits that the
 * hypervisor writes at each of them, whoever looks. The layout is <linux/lodge.h>'s.
 *
 * A record is whole once the ring's count is beyond its number, and until the count has gone
 * on by as many as there are in the ring: then its place is being written again. So a reader
 * asks for the count, copies, asks again, and keeps what had its place to itself all the
 * time. Nobody waits for anybody.
 */
#ifndef LODGE_CLI_FLIGHT_H
#define LODGE_CLI_FLIGHT_H

#include <stdio.h>

#include "../uapi/linux/lodge.h"
#include "cli.h"

struct flight {
	const struct lodge_flight *head;	/* shared with the writer; NULL: there is none */
	/* As they were found and checked, for the writer may be hostile: */
	const u8 *first;
	u32 record_size;
	u32 records;		/* at least 2 */
	u32 vcpu;
	u32 tsc_khz;		/* not 0 */
};

/* A ring of @size bytes at @head, checked: false if it is none. */
bool flight_at(struct flight *f, const void *head, size_t size);
/* Maps the ring of LODGE_GET_FLIGHT_FD's descriptor: 0 or -errno. */
int flight_map(struct flight *f, int fd);
void flight_unmap(struct flight *f);

/* How many exits there were ever: the number of the next record. */
u64 flight_count(const struct flight *f);
/*
 * Copies records from number *@at on, no more than @room, and returns how many. *@at goes
 * behind them; *@lost grows by those that are overwritten or may be.
 */
unsigned int flight_copy(const struct flight *f, u64 *at, struct lodge_flight_record *to,
			 unsigned int room, u64 *lost);
/* The newest, the oldest of them first: how many. */
unsigned int flight_last(const struct flight *f, struct lodge_flight_record *to,
			 unsigned int room);

/* Basic exit reasons (SDM vol. 3D appendix C). */
#define FLIGHT_REASONS	80

/* Its name as the kernel has it, such as EPT_VIOLATION, or NULL. */
const char *flight_known_reason(u32 reason);
/* The same, or its number in *@number. */
const char *flight_reason_name(u32 reason, char number[16]);
/* Of a record: that, or VMFAIL. */
const char *flight_name(const struct lodge_flight_record *r, char number[16]);
/* "EPT_VIOLATION rip 0x1000 ...": why it came out, where, and what had gone in. */
void flight_tell(FILE *to, const struct lodge_flight_record *r);
/* The members of a JSON object that say the same. */
void flight_tell_json(FILE *to, const struct lodge_flight_record *r);

#endif
