// SPDX-License-Identifier: GPL-2.0
/* `lodge bench`: what exits and calls cost on a device, or on two in turn. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_report.h"
#include "commands.h"
#include "err.h"

enum { OPT_DEVICE = 1, OPT_VS, OPT_JSON, OPT_ONLY, OPT_ROUNDS };

static const struct option options[] = {
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "vs", required_argument, NULL, OPT_VS },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "only", required_argument, NULL, OPT_ONLY },
	{ "rounds", required_argument, NULL, OPT_ROUNDS },
	{ 0 }
};

struct bench_options {
	const char *device[BENCH_DEVICES];
	const char *only;
	u64 rounds;
	bool json;
};

static bool read_options(int argc, char **argv, struct bench_options *o)
{
	int option;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == OPT_DEVICE)
			o->device[0] = optarg;
		else if (option == OPT_VS)
			o->device[1] = optarg;
		else if (option == OPT_JSON)
			o->json = true;
		else if (option == OPT_ONLY)
			o->only = optarg;
		else if (option != OPT_ROUNDS)
			return false;
		else if (!parse_number(optarg, 1, BENCH_MOST_ROUNDS, &o->rounds))
			return err(STATUS_USAGE, "bench: --rounds %s: a number from 1 to %d",
				   optarg, BENCH_MOST_ROUNDS), false;
	}
	return true;
}

/* ---- which rows -------------------------------------------------------------------- */

/* One of several patterns with commas between them. */
static bool wanted(const struct bench_row *row, const char *only)
{
	char pattern[128];
	size_t len;

	for (; *only; only += len + !!only[len]) {
		len = strcspn(only, ",");
		snprintf(pattern, sizeof(pattern), "%.*s", (int)len, only);
		if (!fnmatch(pattern, row->name, 0))
			return true;
	}
	return false;
}

/* Each pattern has to be there for something. */
static bool check_patterns(const char *only)
{
	const struct bench_row *row;
	char pattern[128];
	unsigned int i;
	size_t len;

	do {
		len = strcspn(only, ",");
		snprintf(pattern, sizeof(pattern), "%.*s", (int)len, only);
		for (i = 0; (row = bench_row(i)); i++)
			if (wanted(row, pattern))
				break;
		if (!row)
			return err(STATUS_USAGE,
				   "bench: --only %s: there is no such row: see 'lodge bench rows'",
				   pattern), false;
		only += len + !!only[len];
	} while (*only);
	return true;
}

static void choose_rows(struct bench_report *report, const char *only)
{
	const struct bench_row *row;
	unsigned int i;

	for (i = 0; (row = bench_row(i)); i++)
		if (!only || wanted(row, only))
			report->line[report->nr_lines++].row = row;
}

/* ---- measuring --------------------------------------------------------------------- */

static int measure(struct bench_report *report, const struct device *devices, bool json)
{
	unsigned int i, d, failed = 0;

	if (!json)
		bench_print_head(stdout, report);
	for (i = 0; i < report->nr_lines; i++) {
		struct bench_line *line = &report->line[i];

		for (d = 0; d < report->nr_devices; d++) {
			bench_measure(&line->result[d], line->row, &devices[d],
				      report->rounds);
			failed += line->result[d].state == BENCH_FAILED;
		}
		if (!json)
			bench_print_line(stdout, report, line);
	}
	if (json)
		bench_print_json(stdout, report);
	else
		bench_print_end(stdout, report);
	if (failed)
		return err(STATUS_HOST, "bench: %u could not be measured", failed);
	return STATUS_OK;
}

static int exits_with(struct bench_report *report, const struct bench_options *o)
{
	struct device devices[BENCH_DEVICES];
	unsigned int d;
	int status = STATUS_OK;

	for (d = 0; d < report->nr_devices; d++)
		devices[d] = (struct device){ .fd = -1 };
	for (d = 0; d < report->nr_devices && !status; d++)
		if (!device_open(&devices[d], report->device[d]))
			status = err(STATUS_DEVICE, "%s", devices[d].text);
	if (!status)
		status = measure(report, devices, o->json);
	for (d = 0; d < report->nr_devices; d++)
		device_close(&devices[d]);
	return status;
}

static int bench_exits(int argc, char **argv)
{
	struct bench_options o = { .device = { DEVICE_DEFAULT }, .rounds = BENCH_ROUNDS };
	struct bench_report report = { 0 };
	int status;

	if (!read_options(argc, argv, &o))
		return STATUS_USAGE;
	if (optind < argc)
		return err(STATUS_USAGE, "bench: '%s' is too much", argv[optind]);
	if (o.only && !check_patterns(o.only))
		return STATUS_USAGE;
	memcpy(report.device, o.device, sizeof(report.device));
	report.nr_devices = o.device[1] ? 2 : 1;
	report.rounds = o.rounds;
	report.line = calloc(bench_row_count(), sizeof(*report.line));
	if (!report.line)
		return err(STATUS_HOST, "bench: no memory");
	choose_rows(&report, o.only);
	status = exits_with(&report, &o);
	free(report.line);
	return status;
}

static int bench_rows(int argc, char **argv)
{
	const struct bench_row *row;
	unsigned int i;

	if (argc > 1)
		return err(STATUS_USAGE, "bench: '%s' is too much", argv[1]);
	for (i = 0; (row = bench_row(i)); i++)
		printf("%-20s %s\n", row->name, row->what);
	return STATUS_OK;
}

static int bench_main(int argc, char **argv)
{
	static const struct { const char *name; int (*main)(int argc, char **argv); } sub[] = {
		{ "exits", bench_exits },
		{ "rows", bench_rows },
	};
	unsigned int i;

	if (argc < 2)
		return err(STATUS_USAGE, "bench: give exits or rows: see 'lodge help bench'");
	for (i = 0; i < ARRAY_SIZE(sub); i++)
		if (!strcmp(argv[1], sub[i].name)) {
			/* Messages about options name the command. */
			argv[1] = argv[0];
			return sub[i].main(argc - 1, argv + 1);
		}
	return err(STATUS_USAGE, "bench: there is no '%s': see 'lodge help bench'", argv[1]);
}

const struct command cmd_bench = {
	.name = "bench",
	.summary = "measure what exits and calls cost",
	.help =
"usage: lodge bench exits [options]\n"
"       lodge bench rows\n"
"\n"
"Measures what guests and callers wait for, row by row, each in a small machine\n"
"of its own, in ticks of the time stamp counter: cycles of a fixed frequency on\n"
"a processor, instructions in the emulated host of `make bench`.\n"
"\n"
"  exits            measure; rows that the device or this machine cannot do are\n"
"                   skipped, with the reason\n"
"  rows             tell the names of all rows, and what they measure\n"
"\n"
"  --device FILE    the hypervisor's device (" DEVICE_DEFAULT ")\n"
"  --vs FILE        another one, each row on both in turn, with ratios\n"
"  --only PATTERN   these rows only: shell patterns, commas between them\n"
"  --rounds N       as many for each row (15)\n"
"  --json           one object of JSON on stdout\n"
"\n"
"The status is 0, 66 when a device cannot be used, 67 when rows failed.\n",
	.main = bench_main,
};
