// SPDX-License-Identifier: GPL-2.0
/* What was counted, as tables for people and as JSON: see stat_report.h. */
#include "clock.h"
#include "json.h"
#include "stat_report.h"

#define REASON_HLT	12	/* SDM vol. 3D appendix C */

static double per_second(u64 n, const struct watched *w)
{
	return w->span_ns ? (double)n * NS_PER_SECOND / w->span_ns : 0;
}

static double percent(u64 part, double whole)
{
	return whole > 0 ? 100.0 * part / whole : 0;
}

/* While it is halted the host has nothing to do for it. */
static u64 asleep_ns(const struct counts *c)
{
	return c->by_reason ? c->host_ns[REASON_HLT] : 0;
}

static u64 busy_ns(const struct counts *c)
{
	return counts_host_ns(c) - asleep_ns(c);
}

/* ---- tables ---------------------------------------------------------------------- */

void stat_print_all(FILE *to, const struct watched *machines, unsigned int nr)
{
	unsigned int i;

	fprintf(to, "%7s %4s %10s %10s %9s %6s  %-20s %s\n", "PID", "CPUS", "EXITS/S", "COMMAND/S",
		"HALTS/S", "HOST%", "MOST OFTEN", "NAME");
	for (i = 0; i < nr; i++) {
		const struct watched *w = &machines[i];
		const struct counts *c = &w->sum;
		double time = (double)w->span_ns * w->recorders.nr;
		u8 order[FLIGHT_REASONS];
		char number[16];

		fprintf(to, "%7d %4u %10.1f ", w->machine.pid, w->recorders.nr,
			per_second(c->all_exits, w));
		if (c->by_reason)
			fprintf(to, "%10.1f %9.1f %6.1f  ", per_second(c->to_command, w),
				per_second(c->halts, w), percent(busy_ns(c), time));
		else
			fprintf(to, "%10s %9.1f %6s  ", "-", per_second(c->halts, w), "-");
		fprintf(to, "%-20s %s\n",
			counts_order(c, order) ? counts_name(c, order[0], number) : "-",
			w->machine.info.name);
	}
}

static void print_sums(FILE *to, const struct watched *w, const struct counts *c, unsigned int cpus)
{
	double time = (double)w->span_ns * cpus;

	fprintf(to, "%.1f exits/s, %.1f halts/s", per_second(c->all_exits, w),
		per_second(c->halts, w));
	if (c->by_reason)
		fprintf(to, ", %.1f to the command/s; "
			"of the time %.1f %% in the host, %.1f %% asleep",
			per_second(c->to_command, w), percent(busy_ns(c), time),
			percent(asleep_ns(c), time));
	fputc('\n', to);
}

static void print_reasons(FILE *to, const struct watched *w, const struct counts *c)
{
	u8 order[FLIGHT_REASONS];
	unsigned int i, n = counts_order(c, order);
	char number[16];

	for (i = 0; i < n; i++) {
		u64 exits = c->exits[order[i]], ns = c->host_ns[order[i]];

		fprintf(to, "  %-24s %12.1f %6.1f", counts_name(c, order[i], number),
			per_second(exits, w), percent(exits, c->all_exits));
		if (c->by_reason)
			fprintf(to, " %12llu %6.1f", ns / exits,
				percent(ns, counts_host_ns(c)));
		fputc('\n', to);
	}
}

void stat_print(FILE *to, const struct watched *w, bool cpus)
{
	const struct control_info *info = &w->machine.info;
	unsigned int i;

	fprintf(to, "machine %d, %s: %u CPUs, %llu MiB; %.1f s%s\n", w->machine.pid, info->name,
		w->recorders.nr, info->memory / MIB, (double)w->span_ns / NS_PER_SECOND,
		w->since_start ? " since it was made" : "");
	print_sums(to, w, &w->sum, w->recorders.nr);
	if (!w->sum.by_reason)
		fputs("its device is not lodge: these are that device's counters, without times\n",
		      to);
	fprintf(to, "\n  %-24s %12s %6s", w->sum.by_reason ? "REASON" : "COUNTER", "EXITS/S", "%");
	fputs(w->sum.by_reason ? "   HOST-NS/EX  HOST%\n" : "\n", to);
	print_reasons(to, w, &w->sum);
	for (i = 0; cpus && i < w->recorders.nr; i++) {
		fprintf(to, "CPU %u: ", i);
		print_sums(to, w, &w->cpu[i], 1);
		print_reasons(to, w, &w->cpu[i]);
	}
}

/* ---- JSON ------------------------------------------------------------------------ */

static void json_counts(FILE *to, const struct counts *c)
{
	u8 order[FLIGHT_REASONS];
	unsigned int i, n = counts_order(c, order);
	char number[16];

	fprintf(to, "\"exits\":%llu,\"halts\":%llu,", c->all_exits, c->halts);
	if (c->by_reason)
		fprintf(to, "\"to_command\":%llu,\"host_ns\":%llu,\"asleep_ns\":%llu,",
			c->to_command, busy_ns(c), asleep_ns(c));
	else
		fputs("\"to_command\":null,\"host_ns\":null,\"asleep_ns\":null,", to);
	fputs("\"reasons\":[", to);
	for (i = 0; i < n; i++) {
		fprintf(to, "%s{\"name\":\"%s\",\"exits\":%llu", i ? "," : "",
			counts_name(c, order[i], number), c->exits[order[i]]);
		if (c->by_reason)
			fprintf(to, ",\"number\":%u,\"host_ns\":%llu}", order[i],
				c->host_ns[order[i]]);
		else
			fputs(",\"number\":null,\"host_ns\":null}", to);
	}
	fputc(']', to);
}

void stat_print_json(FILE *to, const struct watched *machines, unsigned int nr, bool cpus)
{
	unsigned int i, j;

	fputs("{\"machines\":[", to);
	for (i = 0; i < nr; i++) {
		const struct watched *w = &machines[i];

		fprintf(to, "%s{\"pid\":%d,\"name\":", i ? "," : "", w->machine.pid);
		json_string(to, w->machine.info.name);
		fprintf(to, ",\"cpus\":%u,\"seconds\":%llu.%03llu,\"since_start\":%s,",
			w->recorders.nr, w->span_ns / NS_PER_SECOND, w->span_ns / NS_PER_MS % 1000,
			w->since_start ? "true" : "false");
		json_counts(to, &w->sum);
		fputs(",\"vcpus\":[", to);
		for (j = 0; cpus && j < w->recorders.nr; j++) {
			fprintf(to, "%s{\"cpu\":%u,", j ? "," : "", j);
			json_counts(to, &w->cpu[j]);
			fputc('}', to);
		}
		fputs("]}", to);
	}
	fputs("]}\n", to);
}
