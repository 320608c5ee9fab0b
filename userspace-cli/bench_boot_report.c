// SPDX-License-Identifier: GPL-2.0
/* The table of `lodge bench boot`, and its JSON, whose schema is in lodge(1). */
#include <stdlib.h>
#include <string.h>

#include "bench_boot.h"
#include "bench_report.h"
#include "clock.h"
#include "flight.h"
#include "json.h"
#include "loop.h"

const char *const boot_group_names[BOOT_GROUPS] = {
	[BOOT_TIME] = "time",
	[BOOT_USER] = "user-exits",
	[BOOT_CPU] = "cpu-exits",
	[BOOT_COUNTER] = "counters",
};

/* ---- the rounds -------------------------------------------------------------------- */

static int by_ticks(const void *left, const void *right)
{
	const struct boot_result *a = left, *b = right;

	return a->end.ticks < b->end.ticks ? -1 : a->end.ticks > b->end.ticks;
}

void boot_middle(struct boot_report *report, unsigned int d, struct boot_result *rounds)
{
	unsigned int nr = report->rounds;

	qsort(rounds, nr, sizeof(*rounds), by_ticks);
	report->result[d] = rounds[(nr - 1) / 2];
	report->least[d] = rounds[0].end.ticks;
	report->most[d] = rounds[nr - 1].end.ticks;
}

/* ---- the rows ---------------------------------------------------------------------- */

static void set_row(struct boot_row *row, enum boot_group group, const char *name)
{
	*row = (struct boot_row){ .group = group };
	snprintf(row->name, sizeof(row->name), "%s", name);
}

/* Whether it is worth a row. */
static bool set_value(struct boot_row *row, unsigned int d, double value)
{
	row->has[d] = true;
	row->value[d] = value;
	return value;
}

static unsigned int time_rows(const struct boot_report *report, struct boot_row *row)
{
	static const char *const names[] = { "ticks", "seconds", "ticks-to-init",
					     "seconds-to-init" };
	unsigned int d, i, nr = 0;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		bool some = false;

		set_row(&row[nr], BOOT_TIME, names[i]);
		for (d = 0; d < report->nr_devices; d++) {
			const struct boot_result *r = &report->result[d];
			const struct boot_time *t = i < 2 ? &r->end : &r->init;

			if (t->ticks)
				some |= set_value(&row[nr], d, i % 2 ?
						  (double)t->ns / NS_PER_SECOND : t->ticks);
		}
		nr += some;
	}
	return nr;
}

/* The sum, then each reason. */
static unsigned int user_rows(const struct boot_report *report, struct boot_row *row)
{
	unsigned int d, reason, nr = 1;

	set_row(&row[0], BOOT_USER, "all");
	for (d = 0; d < report->nr_devices; d++)
		set_value(&row[0], d, 0);
	for (reason = 0; reason < MACHINE_EXITS; reason++) {
		const char *name = loop_exit_name(reason);
		bool some = false;
		char number[16];

		snprintf(number, sizeof(number), "%u", reason);
		set_row(&row[nr], BOOT_USER, name ? name : number);
		for (d = 0; d < report->nr_devices; d++) {
			u64 exits = report->result[d].user[reason];

			some |= set_value(&row[nr], d, exits);
			row[0].value[d] += exits;
		}
		nr += some;
	}
	return nr;
}

static unsigned int cpu_rows(const struct boot_report *report, struct boot_row *row)
{
	unsigned int d, reason, nr = 0;

	for (reason = 0; reason < COUNTER_REASONS; reason++) {
		const char *name = flight_known_reason(reason);
		bool some = false;
		char number[16];

		snprintf(number, sizeof(number), "%u", reason);
		set_row(&row[nr], BOOT_CPU, name ? name : number);
		for (d = 0; d < report->nr_devices; d++) {
			const struct counters *c = &report->result[d].counters;

			if (c->has_reasons)
				some |= set_value(&row[nr], d, c->reason[reason]);
		}
		nr += some;
	}
	return nr;
}

static bool counter_value(const struct counters *c, const char *name, u64 *value)
{
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		if (!strcmp(c->row[i].name, name)) {
			*value = c->row[i].value;
			return true;
		}
	return false;
}

/* What the first has, in its order, then what only the other has. */
static unsigned int counter_rows(const struct boot_report *report, struct boot_row *row)
{
	unsigned int d, e, i, nr = 0;
	u64 value;

	for (d = 0; d < report->nr_devices; d++)
		for (i = 0; i < report->result[d].counters.nr; i++) {
			const char *name = report->result[d].counters.row[i].name;
			bool some = false;

			if (d && counter_value(&report->result[0].counters, name, &value))
				continue;
			set_row(&row[nr], BOOT_COUNTER, name);
			for (e = 0; e < report->nr_devices; e++)
				if (counter_value(&report->result[e].counters, name, &value))
					some |= set_value(&row[nr], e, value);
			nr += some;
		}
	return nr;
}

unsigned int boot_rows(const struct boot_report *report, struct boot_row *row)
{
	unsigned int nr = time_rows(report, row);

	nr += user_rows(report, row + nr);
	nr += cpu_rows(report, row + nr);
	return nr + counter_rows(report, row + nr);
}

double boot_ratio(const struct boot_report *report, const struct boot_row *row)
{
	if (report->nr_devices < 2 || !row->has[0] || !row->has[1] ||
	    row->value[0] <= 0 || row->value[1] <= 0)
		return 0;
	return row->value[0] / row->value[1];
}

/* ---- for people --------------------------------------------------------------------- */

/* Digits behind the point. */
static int digits(const struct boot_row *row)
{
	return row->group == BOOT_TIME && !strncmp(row->name, "seconds", 7) ? 3 : 0;
}

static void print_row(FILE *f, const struct boot_report *report, const struct boot_row *row)
{
	double ratio = boot_ratio(report, row);
	unsigned int d;

	fprintf(f, "%-11s %-26s", boot_group_names[row->group], row->name);
	for (d = 0; d < report->nr_devices; d++) {
		if (row->has[d])
			fprintf(f, " %14.*f", digits(row), row->value[d]);
		else
			fprintf(f, " %14s", "-");
	}
	if (ratio > 0)
		fprintf(f, " %6.*f", bench_places(ratio), ratio);
	putc('\n', f);
}

void boot_print(FILE *f, const struct boot_report *report)
{
	struct boot_row row[BOOT_ROWS];
	unsigned int nr = boot_rows(report, row), i;

	fprintf(f, "%-11s %-26s", "of", "row");
	for (i = 0; i < report->nr_devices; i++)
		fprintf(f, " %14s", report->device[i]);
	fputs(report->nr_devices > 1 ? "  ratio\n" : "\n", f);
	for (i = 0; i < nr; i++)
		print_row(f, report, &row[i]);
	fprintf(f, "%s, from its first instruction to its end; ", report->kernel);
	fprintf(f, "of %u round%s the one in the middle.\n", report->rounds,
		report->rounds > 1 ? "s" : "");
	for (i = 0; i < report->nr_devices && report->rounds > 1; i++)
		fprintf(f, "%s: from %llu to %llu ticks\n", report->device[i], report->least[i],
			report->most[i]);
}

/* ---- for programs -------------------------------------------------------------------- */

static void json_row(FILE *f, const struct boot_report *report, const struct boot_row *row)
{
	unsigned int d;

	fprintf(f, "{\"of\":\"%s\",\"name\":", boot_group_names[row->group]);
	json_string(f, row->name);
	fputs(",\"values\":[", f);
	for (d = 0; d < report->nr_devices; d++) {
		if (d)
			putc(',', f);
		if (row->has[d])
			fprintf(f, "%.*f", digits(row), row->value[d]);
		else
			fputs("null", f);
	}
	putc(']', f);
	bench_json_ratio(f, "ratio", boot_ratio(report, row));
	putc('}', f);
}

void boot_print_json(FILE *f, const struct boot_report *report)
{
	struct boot_row row[BOOT_ROWS];
	unsigned int nr = boot_rows(report, row), i;

	fprintf(f, "{\"unit\":\"tsc-ticks\",\"rounds\":%u,\"kernel\":", report->rounds);
	json_string(f, report->kernel);
	bench_json_devices(f, report->device, report->nr_devices);
	fputs(",\"spread\":[", f);
	for (i = 0; i < report->nr_devices; i++)
		fprintf(f, "%s{\"min\":%llu,\"max\":%llu}", i ? "," : "", report->least[i],
			report->most[i]);
	fputs("],\"rows\":[", f);
	for (i = 0; i < nr; i++) {
		if (i)
			putc(',', f);
		json_row(f, report, &row[i]);
	}
	fputs("]}\n", f);
}
