// SPDX-License-Identifier: GPL-2.0
/* Times and symbols for all forms of a trace, and the one that people read. */
#include <ctype.h>

#include "trace.h"

u64 trace_ticks(const struct trace *t, u64 from, u64 to)
{
	u64 month = 31ull * 24 * 3600 * 1000 * t->tsc_khz;

	if (to <= from)
		return 0;
	return to - from < month ? to - from : month;
}

double trace_us(const struct trace *t, u64 ticks)
{
	return 1000.0 * ticks / t->tsc_khz;
}

bool trace_put_symbol(const struct trace *t, FILE *to, u64 address)
{
	int i = t->symbols ? symbols_find(t->symbols, address) : -1;
	const char *c;

	if (i < 0)
		return false;
	for (c = t->symbols->list[i].name; *c; c++)
		fputc(isprint((unsigned char)*c) && *c != '"' && *c != '\\' ? *c : '?', to);
	if (address != t->symbols->list[i].address)
		fprintf(to, "+%#llx", address - t->symbols->list[i].address);
	return true;
}

/* ---- text ------------------------------------------------------------------------ */

static int text_begin(struct trace *t)
{
	fprintf(t->to, "# machine %d, %s: %u CPUs. Microseconds: since the trace began;\n"
		"# of the host before the entry; of the guest. Then why it came out.\n#%13s %4s %11s %11s  %s\n",
		t->pid, t->machine, t->cpus, "TIME", "CPU", "HOST", "GUEST", "EXIT");
	return 0;
}

static void text_exit(struct trace *t, const struct trace_exit *e)
{
	const struct lodge_flight_record *r = &e->record;

	if (e->lost)
		fprintf(t->to, "# CPU %u: %llu exits were overwritten before they could be read\n",
			e->cpu, e->lost);
	fprintf(t->to, "%14.3f %4u ", trace_us(t, trace_ticks(t, t->start, r->left)), e->cpu);
	if (e->before)
		fprintf(t->to, "%11.3f ", trace_us(t, trace_ticks(t, e->before->left, r->entered)));
	else
		fprintf(t->to, "%11s ", "-");
	fprintf(t->to, "%11.3f  ", trace_us(t, trace_ticks(t, r->entered, r->left)));
	flight_tell(t->to, r);
	if (t->symbols) {
		fputs(" at ", t->to);
		if (!trace_put_symbol(t, t->to, r->rip))
			fputc('?', t->to);
	}
	fputc('\n', t->to);
}

static void text_end(struct trace *t)
{
	fprintf(t->to,
		"# %llu exits in %.3f s; %llu more were overwritten before they could be read\n",
		t->exits, trace_us(t, trace_ticks(t, t->start, t->stop)) / 1e6, t->lost);
}

const struct trace_format trace_text = {
	.name = "text", .begin = text_begin, .exit = text_exit, .end = text_end,
};
