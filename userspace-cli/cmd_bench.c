// SPDX-License-Identifier: GPL-2.0
/*
 * `lodge bench`: what exits and calls, a boot, and memory cost on a device, or on two in
 * turn.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_boot.h"
#include "bench_memory.h"
#include "bench_report.h"
#include "commands.h"
#include "err.h"

/* ---- options ------------------------------------------------------------------------ */

enum {
	OPT_DEVICE = 1, OPT_VS, OPT_JSON, OPT_ROUNDS,
	OPT_ONLY,
	OPT_MACHINES,
	OPT_RUN,		/* and those behind: of `lodge run`, too */
};

#define EVERYWHERE							\
	{ "device", required_argument, NULL, OPT_DEVICE },		\
	{ "vs", required_argument, NULL, OPT_VS },			\
	{ "json", no_argument, NULL, OPT_JSON },			\
	{ "rounds", required_argument, NULL, OPT_ROUNDS }

static const struct option exits_options[] = {
	EVERYWHERE,
	{ "only", required_argument, NULL, OPT_ONLY },
	{ 0 }
};

static const struct option memory_options[] = {
	EVERYWHERE,
	{ "machines", required_argument, NULL, OPT_MACHINES },
	{ 0 }
};

static const char *const run_names[] = {
	"--initrd", "--append", "--cpus", "--mem", "--timeout", "--unpack",
};

static const struct option boot_options[] = {
	EVERYWHERE,
	{ "initrd", required_argument, NULL, OPT_RUN },
	{ "append", required_argument, NULL, OPT_RUN + 1 },
	{ "cpus", required_argument, NULL, OPT_RUN + 2 },
	{ "mem", required_argument, NULL, OPT_RUN + 3 },
	{ "timeout", required_argument, NULL, OPT_RUN + 4 },
	{ "unpack", no_argument, NULL, OPT_RUN + 5 },
	{ 0 }
};

#define RUN_WORDS	32

struct bench_options {
	const char *device[BENCH_DEVICES];
	unsigned int nr_devices;
	u64 rounds, most_rounds;
	bool json;
	const char *only;
	u64 machines;
	char *run[RUN_WORDS];		/* the command line of a `lodge run` */
	unsigned int nr_run;
};

static bool take_number(const char *option, const char *text, u64 most, u64 *number)
{
	if (parse_number(text, 1, most, number))
		return true;
	return err(STATUS_USAGE, "bench: --%s %s: a number from 1 to %llu", option, text, most),
	       false;
}

static bool add_run(struct bench_options *o, const char *word)
{
	/* There is NULL at its end. */
	if (o->nr_run + 1 == ARRAY_SIZE(o->run))
		return err(STATUS_USAGE, "bench: '%s' is too much", word), false;
	o->run[o->nr_run++] = (char *)word;
	return true;
}

static bool take_option(struct bench_options *o, int option)
{
	switch (option) {
	case OPT_DEVICE:
		o->device[0] = optarg;
		return true;
	case OPT_VS:
		o->device[1] = optarg;
		o->nr_devices = 2;
		return true;
	case OPT_JSON:
		o->json = true;
		return true;
	case OPT_ROUNDS:
		return take_number("rounds", optarg, o->most_rounds, &o->rounds);
	case OPT_ONLY:
		o->only = optarg;
		return true;
	case OPT_MACHINES:
		return take_number("machines", optarg, MEMORY_MOST_MACHINES, &o->machines);
	}
	return add_run(o, run_names[option - OPT_RUN]) && (!optarg || add_run(o, optarg));
}

/* With at most @words that are no options. */
static bool read_options(int argc, char **argv, const struct option *options, int words,
			 struct bench_options *o)
{
	int option;

	o->device[0] = DEVICE_DEFAULT;
	o->nr_devices = 1;
	while ((option = next_option(argc, argv, options)) != -1)
		if (option == '?' || !take_option(o, option))
			return false;
	if (optind + words < argc)
		return err(STATUS_USAGE, "bench: '%s' is too much", argv[optind + words]), false;
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

static int open_devices(struct device *devices, const struct bench_options *o)
{
	unsigned int d;

	for (d = 0; d < o->nr_devices; d++)
		devices[d] = (struct device){ .fd = -1 };
	for (d = 0; d < o->nr_devices; d++)
		if (!device_open(&devices[d], o->device[d]))
			return err(STATUS_DEVICE, "%s", devices[d].text);
	return STATUS_OK;
}

static void close_devices(struct device *devices, const struct bench_options *o)
{
	unsigned int d;

	for (d = 0; d < o->nr_devices; d++)
		device_close(&devices[d]);
}

static int bench_exits(int argc, char **argv)
{
	struct bench_options o = { .rounds = BENCH_ROUNDS, .most_rounds = BENCH_MOST_ROUNDS };
	struct device devices[BENCH_DEVICES];
	struct bench_report report = { 0 };
	int status;

	if (!read_options(argc, argv, exits_options, 0, &o))
		return STATUS_USAGE;
	if (o.only && !check_patterns(o.only))
		return STATUS_USAGE;
	memcpy(report.device, o.device, sizeof(report.device));
	report.nr_devices = o.nr_devices;
	report.rounds = o.rounds;
	report.line = calloc(bench_row_count(), sizeof(*report.line));
	if (!report.line)
		return err(STATUS_HOST, "bench: no memory");
	choose_rows(&report, o.only);
	status = open_devices(devices, &o);
	if (!status)
		status = measure(&report, devices, o.json);
	close_devices(devices, &o);
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

/* ---- boots --------------------------------------------------------------------------- */

/* All rounds, the devices in turn. */
static int boot_all(struct boot_report *report, struct run *r, struct boot_result *rounds)
{
	unsigned int i, d;
	int status = 0;

	for (i = 0; i < report->rounds && !status; i++)
		for (d = 0; d < report->nr_devices && !status; d++)
			status = boot_measure(&rounds[d * report->rounds + i], r,
					      report->device[d]);
	for (d = 0; d < report->nr_devices && !status; d++)
		boot_middle(report, d, &rounds[d * report->rounds]);
	return status;
}

/* @r has the options, and its guest is to be closed. */
static int boots_with(struct run *r, const struct bench_options *o)
{
	struct boot_result *rounds = calloc(o->nr_devices * o->rounds, sizeof(*rounds));
	struct boot_report *report = calloc(1, sizeof(*report));
	struct device devices[BENCH_DEVICES];
	int status = open_devices(devices, o);

	/* Each boot opens its own: this was to see whether it can. */
	close_devices(devices, o);
	if (!status)
		status = guest_open(&r->guest, &r->options);
	if (!status && (!rounds || !report))
		status = err(STATUS_HOST, "bench: no memory");
	if (!status) {
		memcpy(report->device, o->device, sizeof(report->device));
		report->nr_devices = o->nr_devices;
		report->rounds = o->rounds;
		report->kernel = r->guest.file.path;
		status = boot_all(report, r, rounds);
	}
	if (!status)
		(o->json ? boot_print_json : boot_print)(stdout, report);
	free(report);
	free(rounds);
	return status;
}

static int bench_boot(int argc, char **argv)
{
	static const char *const always[] = {
		"bench", "--net", "none", "--console", "none", "--no-reboot", "--timeout", "600",
	};
	struct bench_options o = { .rounds = 1, .most_rounds = BOOT_MOST_ROUNDS };
	struct run *r = calloc(1, sizeof(*r));
	unsigned int i;
	int status;

	if (!r)
		return err(STATUS_HOST, "bench: no memory");
	for (i = 0; i < ARRAY_SIZE(always); i++)
		add_run(&o, always[i]);
	status = read_options(argc, argv, boot_options, 1, &o) ? STATUS_OK : STATUS_USAGE;
	if (!status && optind < argc && !(add_run(&o, "--") && add_run(&o, argv[optind])))
		status = STATUS_USAGE;
	/* Another command line is read from its beginning. */
	optind = 0;
	if (!status)
		status = run_options_parse(&r->options, o.nr_run, o.run);
	r->dump.fd = -1;
	if (!status)
		status = boots_with(r, &o);
	guest_close(&r->guest);
	free(r);
	return status;
}

/* ---- memory -------------------------------------------------------------------------- */

static int bench_memory(int argc, char **argv)
{
	struct bench_options o = {
		.rounds = MEMORY_ROUNDS, .most_rounds = MEMORY_MOST_ROUNDS,
		.machines = MEMORY_MACHINES,
	};
	struct memory_report report = { 0 };
	struct device devices[BENCH_DEVICES];
	char why[BENCH_WHY];
	unsigned int d;
	int status;

	if (!read_options(argc, argv, memory_options, 0, &o))
		return STATUS_USAGE;
	memcpy(report.device, o.device, sizeof(report.device));
	report.nr_devices = o.nr_devices;
	report.machines = o.machines;
	report.rounds = o.rounds;
	status = open_devices(devices, &o);
	for (d = 0; d < o.nr_devices && !status; d++)
		if (!bench_memory_measure(&report.result[d], &devices[d], o.machines, o.rounds,
					  why))
			status = err(STATUS_HOST, "bench: %s: %s", o.device[d], why);
	if (!status)
		(o.json ? memory_print_json : memory_print)(stdout, &report);
	close_devices(devices, &o);
	return status;
}

/* ---- the command ---------------------------------------------------------------------- */

static int bench_main(int argc, char **argv)
{
	static const struct { const char *name; int (*main)(int argc, char **argv); } sub[] = {
		{ "exits", bench_exits },
		{ "boot", bench_boot },
		{ "memory", bench_memory },
		{ "rows", bench_rows },
	};
	unsigned int i;

	if (argc < 2)
		return err(STATUS_USAGE,
			   "bench: give exits, boot, memory or rows: see 'lodge help bench'");
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
	.summary = "measure what exits, a boot and memory cost",
	.help =
"usage: lodge bench exits [options]\n"
"       lodge bench boot [KERNEL] [options]\n"
"       lodge bench memory [options]\n"
"       lodge bench rows\n"
"\n"
"  exits            what guests and callers wait for, row by row, each in a\n"
"                   small machine of its own; what cannot be done is skipped\n"
"  boot             a guest's way from its first instruction to its end, to\n"
"                   which it is to come by itself: time and exits\n"
"  memory           what a machine with one vCPU takes of the kernel's memory\n"
"  rows             tell the names of the rows of exits, and what they measure\n"
"\n"
"  --device FILE    the hypervisor's device (" DEVICE_DEFAULT ")\n"
"  --vs FILE        another one, both in turn, with ratios\n"
"  --rounds N       as many for each row (15), boots (1), or looks (5)\n"
"  --json           one object of JSON on stdout\n"
"  --only PATTERN   exits: these rows only: shell patterns, commas between them\n"
"  --machines N     memory: of as many machines (32)\n"
"  --initrd FILE --append TEXT --unpack --cpus N --mem SIZE --timeout S\n"
"                   boot: as with lodge run\n"
"\n"
"Times are ticks of the time stamp counter: cycles of a fixed frequency, or, in\n"
"the emulated host of `make bench`, instructions. The status is 0, 66 when a\n"
"device cannot be used, 67 when something could not be measured.\n",
	.main = bench_main,
};
