// SPDX-License-Identifier: GPL-2.0
/* How a machine ended and which exits it took, for people and for programs. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "entry_failure.h"
#include "err.h"
#include "json.h"
#include "loop.h"
#include "recorders.h"
#include "run_report.h"

#define LAST_EXITS	16

static const char *end_name(enum end_kind kind)
{
	static const char * const names[] = {
		[END_NONE] = "none",
		[END_EXIT] = "exit",
		[END_POWER_OFF] = "power-off",
		[END_RESET] = "reset",
		[END_HALT] = "halt",
		[END_SHUTDOWN] = "shutdown",
		[END_ENTRY_FAILED] = "entry-failed",
		[END_INTERNAL_ERROR] = "internal-error",
		[END_UNKNOWN_EXIT] = "unknown-exit",
		[END_PANIC] = "panic",
		[END_CONSOLE] = "console",
		[END_HOST] = "host",
		[END_USER] = "user",
		[END_TIMEOUT] = "timeout",
		[END_SIGNAL] = "signal",
	};

	return names[kind];
}

/* Calls @tell for each exit reason that was seen, with the sum of all CPUs. */
static void each_exit(const struct machine *m, FILE *f,
		      void (*tell)(FILE *f, bool first, const char *name, u64 n))
{
	char number[16];
	bool first = true;
	unsigned int reason, i;

	for (reason = 0; reason < MACHINE_EXITS; reason++) {
		const char *name = loop_exit_name(reason);
		u64 n = 0;

		for (i = 0; i < m->nr_cpus; i++)
			n += m->cpus[i].exits[reason];
		if (!n)
			continue;
		snprintf(number, sizeof(number), "%u", reason);
		tell(f, first, name ? name : number, n);
		first = false;
	}
}

static void tell_words(FILE *f, bool first, const char *name, u64 n)
{
	fprintf(f, "%s%s %llu", first ? " " : ", ", name, n);
}

static void tell_json(FILE *f, bool first, const char *name, u64 n)
{
	fprintf(f, "%s\"%s\":%llu", first ? "" : ",", name, n);
}

/* ---- the last exits ------------------------------------------------------------ */

/* The exit to the command with which a guest ends so; 0: none. */
static u32 crash_of(enum end_kind kind)
{
	switch (kind) {
	case END_SHUTDOWN:
		return KVM_EXIT_SHUTDOWN;
	case END_ENTRY_FAILED:
		return KVM_EXIT_FAIL_ENTRY;
	case END_INTERNAL_ERROR:
		return KVM_EXIT_INTERNAL_ERROR;
	default:
		return 0;
	}
}

struct last_exits {
	unsigned int cpu;
	unsigned int nr;
	u32 tsc_khz;
	struct lodge_flight_record record[LAST_EXITS];
};

/* Those of the first vCPU that ended so. */
static void find_last(const struct machine *m, struct last_exits *last)
{
	u32 crash = crash_of(m->end.kind);
	unsigned int i;

	last->nr = 0;
	for (i = 0; crash && m->recorders && i < m->recorders->nr; i++) {
		const struct flight *ring = &m->recorders->cpu[i].flight;

		if (!m->cpus[i].exits[crash])
			continue;
		last->cpu = i;
		last->tsc_khz = ring->tsc_khz;
		if (ring->head)
			last->nr = flight_last(ring, last->record, LAST_EXITS);
		return;
	}
}

/* One line each: how long before the last one the guest was left, and why. */
static void tell_last(const struct last_exits *last)
{
	unsigned int i;

	if (last->nr)
		note("run: the last exits of CPU %u, and when, in microseconds:", last->cpu);
	for (i = 0; i < last->nr; i++) {
		const struct lodge_flight_record *r = &last->record[i];
		double us = (double)(last->record[last->nr - 1].left - r->left) * 1000 /
			    last->tsc_khz;
		char *text = NULL;
		size_t size;
		FILE *f = open_memstream(&text, &size);

		if (!f)
			return;
		flight_tell(f, r);
		if (!fclose(f))
			note("run: %12.3f %s", i + 1 == last->nr ? 0 : -us, text);
		free(text);
	}
}

static void put_last(FILE *f, const struct last_exits *last)
{
	unsigned int i;

	fputs(",\"last_exits\":[", f);
	for (i = 0; i < last->nr; i++) {
		fprintf(f, "%s{\"cpu\":%u,", i ? "," : "", last->cpu);
		flight_tell_json(f, &last->record[i]);
		fputc('}', f);
	}
	fputc(']', f);
}

/* ---- all of it ----------------------------------------------------------------- */

void run_report(const struct machine *m, bool json, bool verbose)
{
	struct last_exits last;
	char *text = NULL;
	size_t size;
	FILE *f;

	if (m->end.text[0])
		note("%s", m->end.text);
	if (m->end.entry)
		entry_failure_tell(stderr, m->end.entry, "lodge: entry: ");
	find_last(m, &last);
	tell_last(&last);
	if (!json && !verbose)
		return;
	/* Built in memory, so that the line goes out whole. */
	f = open_memstream(&text, &size);
	if (!f)
		return;
	if (json) {
		fprintf(f, "{\"end\":\"%s\",\"status\":%d,\"message\":",
			end_name(m->end.kind), m->end.status);
		json_string(f, m->end.text);
		fputs(",\"exits\":{", f);
		each_exit(m, f, tell_json);
		fputc('}', f);
		put_last(f, &last);
		if (m->end.entry) {
			fputs(",\"entry_failure\":", f);
			entry_failure_json(f, m->end.entry);
		}
		fputs("}\n", f);
	} else {
		fprintf(f, "lodge: run: %s, status %d; exits:",
			end_name(m->end.kind), m->end.status);
		each_exit(m, f, tell_words);
		fputs("\n", f);
	}
	if (!fclose(f) && write(STDERR_FILENO, text, size) < 0)
		size = 0;
	free(text);
}
