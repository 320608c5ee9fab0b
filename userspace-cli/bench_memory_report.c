// SPDX-License-Identifier: GPL-2.0
/* The table of `lodge bench memory`, and its JSON, whose schema is in lodge(1). */
#include "bench_memory.h"
#include "bench_report.h"

/* Below this much a ratio says nothing. */
#define LEAST_KIB	1

static const double *value_of(const struct memory_result *r, unsigned int part)
{
	return r->has[part] ? &r->middle.part[part] : NULL;
}

/* The first device's by the second's; 0 if there is none to tell. */
static double part_ratio(const struct memory_report *report, unsigned int part)
{
	const double *a = value_of(&report->result[0], part);
	const double *b = value_of(&report->result[1], part);

	if (report->nr_devices < 2 || !a || !b || *a < LEAST_KIB || *b < LEAST_KIB)
		return 0;
	return *a / *b;
}

static void print_part(FILE *f, const struct memory_report *report, unsigned int part)
{
	double ratio = part_ratio(report, part);
	unsigned int i;

	fprintf(f, "%-18s", memory_part_names[part]);
	for (i = 0; i < report->nr_devices; i++) {
		const double *kib = value_of(&report->result[i], part);

		if (kib)
			fprintf(f, " %12.1f", *kib);
		else
			fprintf(f, " %12s", "-");
	}
	if (ratio > 0)
		fprintf(f, " %6.*f", bench_places(ratio), ratio);
	else if (report->nr_devices > 1)
		fprintf(f, " %6s", "");
	fprintf(f, "  %s\n", memory_part_whats[part]);
}

void memory_print(FILE *f, const struct memory_report *report)
{
	unsigned int i;

	fprintf(f, "%-18s", "part");
	for (i = 0; i < report->nr_devices; i++)
		fprintf(f, " %12s", report->device[i]);
	fprintf(f, "%s  what\n", report->nr_devices > 1 ? "  ratio" : "");
	for (i = 0; i < NR_PARTS; i++)
		print_part(f, report, i);
	fprintf(f, "KiB of the kernel's memory for a machine with one vCPU, of %u machines;\n"
		"of %u rounds the one in the middle.\n", report->machines, report->rounds);
	for (i = 0; i < report->nr_devices; i++)
		fprintf(f, "%s: sums from %.1f to %.1f\n", report->device[i],
			report->result[i].least, report->result[i].most);
}

static void json_part(FILE *f, const struct memory_report *report, unsigned int part)
{
	unsigned int i;

	fprintf(f, "{\"name\":\"%s\",\"what\":\"%s\",\"values\":[", memory_part_names[part],
		memory_part_whats[part]);
	for (i = 0; i < report->nr_devices; i++) {
		const double *kib = value_of(&report->result[i], part);

		if (i)
			putc(',', f);
		if (kib)
			fprintf(f, "%.2f", *kib);
		else
			fputs("null", f);
	}
	putc(']', f);
	bench_json_ratio(f, "ratio", part_ratio(report, part));
	putc('}', f);
}

void memory_print_json(FILE *f, const struct memory_report *report)
{
	unsigned int i;

	fprintf(f, "{\"unit\":\"kib\",\"machines\":%u,\"rounds\":%u", report->machines,
		report->rounds);
	bench_json_devices(f, report->device, report->nr_devices);
	fputs(",\"spread\":[", f);
	for (i = 0; i < report->nr_devices; i++)
		fprintf(f, "%s{\"min\":%.2f,\"max\":%.2f}", i ? "," : "",
			report->result[i].least, report->result[i].most);
	fputs("],\"rows\":[", f);
	for (i = 0; i < NR_PARTS; i++) {
		if (i)
			putc(',', f);
		json_part(f, report, i);
	}
	fputs("]}\n", f);
}
