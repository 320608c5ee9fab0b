// SPDX-License-Identifier: GPL-2.0
/* The table of `lodge bench exits`, and its JSON, whose schema is in lodge(1). */
#include "bench_report.h"
#include "json.h"

#define COUNT	"%10.0f"

double bench_line_ratio(const struct bench_report *report, const struct bench_line *line)
{
	if (report->nr_devices < 2 || line->result[0].state != BENCH_MEASURED ||
	    line->result[1].state != BENCH_MEASURED)
		return 0;
	return bench_ratio(&line->result[0].ticks, &line->result[1].ticks);
}

double bench_report_mean(const struct bench_report *report)
{
	struct bench_mean mean = { 0 };
	unsigned int i;

	for (i = 0; i < report->nr_lines; i++)
		bench_mean_add(&mean, bench_line_ratio(report, &report->line[i]));
	return bench_mean(&mean);
}

/* ---- for people -------------------------------------------------------------------- */

void bench_print_head(FILE *f, const struct bench_report *report)
{
	fprintf(f, "%-20s %-12s %10s %10s %10s %10s %10s%s\n", "row", "device", "median",
		"min", "q1", "q3", "max", report->nr_devices > 1 ? "  ratio" : "");
	fflush(f);
}

int bench_places(double ratio)
{
	return ratio < 0.1 ? 4 : 2;
}

static void print_result(FILE *f, const struct bench_result *r)
{
	const struct bench_spread *t = &r->ticks;

	if (r->state == BENCH_MEASURED)
		fprintf(f, COUNT " " COUNT " " COUNT " " COUNT " " COUNT, t->median,
			t->min, t->q1, t->q3, t->max);
	else
		fprintf(f, "%s: %s", r->state == BENCH_SKIPPED ? "skipped" : "failed",
			r->why);
}

void bench_print_line(FILE *f, const struct bench_report *report,
		      const struct bench_line *line)
{
	double ratio = bench_line_ratio(report, line);
	unsigned int i;

	for (i = 0; i < report->nr_devices; i++) {
		fprintf(f, "%-20s %-12s ", i ? "" : line->row->name, report->device[i]);
		print_result(f, &line->result[i]);
		if (ratio > 0 && i)
			fprintf(f, " %6.*f", bench_places(ratio), ratio);
		putc('\n', f);
	}
	fflush(f);
}

void bench_print_end(FILE *f, const struct bench_report *report)
{
	double mean = bench_report_mean(report);

	fprintf(f, "Ticks of the time stamp counter for one of each, of %u rounds.\n",
		report->rounds);
	if (mean > 0)
		fprintf(f, "Geometric mean of the ratios: %.2f\n", mean);
}

/* ---- for programs ------------------------------------------------------------------- */

static void json_result(FILE *f, const struct bench_result *r)
{
	static const char *const states[] = {
		[BENCH_MEASURED] = "measured",
		[BENCH_SKIPPED] = "skipped",
		[BENCH_FAILED] = "failed",
	};
	const struct bench_spread *t = &r->ticks;

	fprintf(f, "{\"state\":\"%s\"", states[r->state]);
	if (r->state == BENCH_MEASURED) {
		fprintf(f, ",\"median\":%.2f,\"min\":%.2f,\"q1\":%.2f,\"q3\":%.2f,\"max\":%.2f",
			t->median, t->min, t->q1, t->q3, t->max);
	} else {
		fputs(",\"reason\":", f);
		json_string(f, r->why);
	}
	putc('}', f);
}

void bench_json_ratio(FILE *f, const char *name, double ratio)
{
	if (ratio > 0)
		fprintf(f, ",\"%s\":%.6f", name, ratio);
	else
		fprintf(f, ",\"%s\":null", name);
}

void bench_json_devices(FILE *f, const char *const *device, unsigned int nr)
{
	unsigned int i;

	fputs(",\"devices\":[", f);
	for (i = 0; i < nr; i++) {
		if (i)
			putc(',', f);
		json_string(f, device[i]);
	}
	putc(']', f);
}

static void json_line(FILE *f, const struct bench_report *report,
		      const struct bench_line *line)
{
	unsigned int i;

	fputs("{\"name\":", f);
	json_string(f, line->row->name);
	fputs(",\"what\":", f);
	json_string(f, line->row->what);
	fprintf(f, ",\"batch\":%u,\"results\":[", bench_batch(line->row));
	for (i = 0; i < report->nr_devices; i++) {
		if (i)
			putc(',', f);
		json_result(f, &line->result[i]);
	}
	putc(']', f);
	bench_json_ratio(f, "ratio", bench_line_ratio(report, line));
	putc('}', f);
}

void bench_print_json(FILE *f, const struct bench_report *report)
{
	unsigned int i;

	fprintf(f, "{\"unit\":\"tsc-ticks\",\"rounds\":%u", report->rounds);
	bench_json_devices(f, report->device, report->nr_devices);
	fputs(",\"rows\":[", f);
	for (i = 0; i < report->nr_lines; i++) {
		if (i)
			putc(',', f);
		json_line(f, report, &report->line[i]);
	}
	putc(']', f);
	bench_json_ratio(f, "geometric_mean", bench_report_mean(report));
	fputs("}\n", f);
}
