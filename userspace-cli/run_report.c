// SPDX-License-Identifier: GPL-2.0
/* How a machine ended and which exits it took, for people and for programs. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "err.h"
#include "json.h"
#include "loop.h"
#include "run_report.h"

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

void run_report(const struct machine *m, bool json, bool verbose)
{
	char *text = NULL;
	size_t size;
	FILE *f;

	if (m->end.text[0])
		note("%s", m->end.text);
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
		fputs("}}\n", f);
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
