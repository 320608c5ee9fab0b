/* SPDX-License-Identifier: GPL-2.0 */
/*
 * `lodge trace`: what is between the rings of a machine's vCPUs and the forms in which their
 * exits can be had. Who reads the rings gives each form the exits in the order of time.
 */
#ifndef LODGE_CLI_TRACE_H
#define LODGE_CLI_TRACE_H

#include <stdio.h>

#include "elf_symbols.h"
#include "flight.h"

struct trace_exit {
	unsigned int cpu;
	u64 lost;		/* so many exits before this one are not known */
	struct lodge_flight_record record;
	/* The one before it on this vCPU; NULL: not known. */
	const struct lodge_flight_record *before;
};

struct trace;

struct trace_format {
	const char *name;
	/* 0, or a status when the reason has been told. */
	int (*begin)(struct trace *t);
	void (*exit)(struct trace *t, const struct trace_exit *e);
	/* Also without a begin() that was well. */
	void (*end)(struct trace *t);
};

struct trace {
	const struct trace_format *format;
	FILE *to;
	const char *machine;	/* its name */
	int pid;
	unsigned int cpus;
	u32 tsc_khz;
	u64 start, stop;	/* by the host's TSC: when it began and ended */
	u64 exits, lost;
	const struct symbols *symbols;	/* NULL: none */
	void *state;		/* of the format */
};

extern const struct trace_format trace_text, trace_perfetto, trace_html;

/* ---- what forms share: trace.c ---- */

/* Ticks from @from to @to, 0 if that is not later; no longer than a month. */
u64 trace_ticks(const struct trace *t, u64 from, u64 to);
double trace_us(const struct trace *t, u64 ticks);
/* Prints the symbol's name with what is not printable as ?, and the offset; false: none. */
bool trace_put_symbol(const struct trace *t, FILE *to, u64 address);

/* ---- the rings: trace_rings.c ---- */

struct trace_rings;

/* Rings from their next exit on; NULL: no memory. The rings stay the caller's. */
struct trace_rings *trace_rings_create(const struct flight *rings, unsigned int nr);
void trace_rings_free(struct trace_rings *r);
/*
 * Takes what is new, and gives @t what nothing older can come before any more: what left the
 * guest before @settled. The most that a ring had, in parts of 256 of what it holds.
 */
unsigned int trace_rings_take(struct trace_rings *r, struct trace *t, u64 settled);

#endif
