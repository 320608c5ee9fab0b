// SPDX-License-Identifier: GPL-2.0
/*
 * A trace as a JSON file that Perfetto (ui.perfetto.dev) and Chrome (about:tracing) open: the
 * format of "Trace Event" files. Each vCPU is a track; on it the guest's time and the host's
 * are slices side by side, the latter with the name of the exit that they are behind.
 */
#include "json.h"
#include "trace.h"

static double us_since_start(const struct trace *t, u64 tsc)
{
	return trace_us(t, trace_ticks(t, t->start, tsc));
}

static int perfetto_begin(struct trace *t)
{
	unsigned int i;

	fprintf(t->to, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
		"{\"ph\":\"M\",\"pid\":%d,\"name\":\"process_name\",\"args\":{\"name\":", t->pid);
	json_string(t->to, t->machine);
	fputs("}}", t->to);
	for (i = 0; i < t->cpus; i++)
		fprintf(t->to, ",\n{\"ph\":\"M\",\"pid\":%d,\"tid\":%u,\"name\":\"thread_name\","
			"\"args\":{\"name\":\"CPU %u\"}}",
			t->pid, i, i);
	return 0;
}

static void slice(struct trace *t, unsigned int cpu, const char *name, u64 from, u64 to)
{
	fprintf(t->to, ",\n{\"ph\":\"X\",\"pid\":%d,\"tid\":%u,\"ts\":%.3f,"
		"\"dur\":%.3f,\"name\":\"%s\"",
		t->pid, cpu, us_since_start(t, from), trace_us(t, trace_ticks(t, from, to)), name);
}

static void perfetto_exit(struct trace *t, const struct trace_exit *e)
{
	const struct lodge_flight_record *r = &e->record, *before = e->before;
	char number[16];

	if (e->lost)
		fprintf(t->to, ",\n{\"ph\":\"i\",\"s\":\"t\",\"pid\":%d,\"tid\":%u,\"ts\":%.3f,"
			"\"name\":\"%llu exits lost\"}",
			t->pid, e->cpu, us_since_start(t, r->entered), e->lost);
	if (before) {
		slice(t, e->cpu, flight_name(before, number), before->left, r->entered);
		fputs(",\"cat\":\"host\",\"args\":{", t->to);
		flight_tell_json(t->to, before);
		if (t->symbols) {
			fputs(",\"symbol\":\"", t->to);
			trace_put_symbol(t, t->to, before->rip);
			fputc('"', t->to);
		}
		fputs("}}", t->to);
	}
	slice(t, e->cpu, "guest", r->entered, r->left);
	fprintf(t->to, ",\"cat\":\"guest\",\"args\":{\"host_cpu\":%u}}", r->cpu);
}

static void perfetto_end(struct trace *t)
{
	fprintf(t->to, "\n],\"otherData\":{\"exits\":\"%llu\",\"lost\":\"%llu\"}}\n",
		t->exits, t->lost);
}

const struct trace_format trace_perfetto = {
	.name = "perfetto", .begin = perfetto_begin, .exit = perfetto_exit, .end = perfetto_end,
};
