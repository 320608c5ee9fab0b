// SPDX-License-Identifier: GPL-2.0
/* `lodge vmcs`: the VMCS of a vCPU of a machine that runs, in words. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "commands.h"
#include "control.h"
#include "err.h"
#include "json.h"
#include "vmcs.h"

struct look {
	struct control_machine machine;
	u64 cpu;
	bool json;
	u64 diff_ns;		/* 0: no --diff */
};

static int take(const struct look *l, struct vmcs *v)
{
	struct control_look look = {
		.command = "vmcs", .op = CONTROL_VMCS, .argument = l->cpu,
		.to = v, .room = sizeof(*v),
	};
	size_t got;
	int status = control_look(&l->machine, &look, &got);

	if (status)
		return status;
	/* It comes from another process. */
	if (got < sizeof(v->head) || v->head.fields > VMCS_MOST_FIELDS ||
	    got != offsetof(struct vmcs, field[v->head.fields]))
		return err(STATUS_HOST, "vmcs: machine %d: what it gives is no VMCS",
			   l->machine.pid);
	return 0;
}

static void json_head(const struct look *l)
{
	printf("{\"pid\":%d,\"name\":", l->machine.pid);
	json_string(stdout, l->machine.info.name);
	printf(",\"cpu\":%llu,", l->cpu);
}

static int show(const struct look *l, struct vmcs *v)
{
	int status = take(l, v);

	if (status)
		return status;
	if (l->json) {
		json_head(l);
		fputs("\"fields\":", stdout);
		vmcs_json(stdout, v);
		puts("}");
	} else {
		printf("machine %d, CPU %llu\n\n", l->machine.pid, l->cpu);
		vmcs_print(stdout, v, NULL);
	}
	return 0;
}

static int show_changes(const struct look *l, struct vmcs *before, struct vmcs *after)
{
	struct timespec t = {
		.tv_sec = l->diff_ns / NS_PER_SECOND, .tv_nsec = l->diff_ns % NS_PER_SECOND,
	};
	int status = take(l, before);

	if (!status)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
	if (!status)
		status = take(l, after);
	if (status)
		return status;
	if (l->json) {
		json_head(l);
		fputs("\"changes\":", stdout);
		vmcs_json_changes(stdout, before, after);
		puts("}");
		return 0;
	}
	printf("machine %d, CPU %llu: what changed in %g s\n", l->machine.pid, l->cpu,
	       (double)l->diff_ns / NS_PER_SECOND);
	if (!vmcs_print_changes(stdout, before, after))
		puts("  nothing");
	return 0;
}

enum { OPT_JSON = 1, OPT_CPU, OPT_DIFF };

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "cpu", required_argument, NULL, OPT_CPU },
	{ "diff", optional_argument, NULL, OPT_DIFF },
	{ 0 }
};

static int take_option(struct look *l, int option)
{
	switch (option) {
	case OPT_JSON:
		l->json = true;
		return 0;
	case OPT_CPU:
		if (parse_number(optarg, 0, MACHINE_MAX_CPUS - 1, &l->cpu))
			return 0;
		return err(STATUS_USAGE, "--cpu: '%s' cannot be: give a number from 0 to %u",
			   optarg, MACHINE_MAX_CPUS - 1);
	case OPT_DIFF:
		if (parse_seconds(optarg ? optarg : "1", &l->diff_ns))
			return 0;
		return err(STATUS_USAGE, "--diff: '%s' is no time: give seconds above 0", optarg);
	default:
		return STATUS_USAGE;	/* told */
	}
}

static int vmcs_main(int argc, char **argv)
{
	struct vmcs *v = calloc(2, sizeof(*v));
	struct control_places places;
	struct look l = { .cpu = 0 };
	int option, status = 0;

	while (!status && (option = next_option(argc, argv, options)) != -1)
		status = take_option(&l, option);
	if (!status && argc - optind > 1)
		status = err(STATUS_USAGE, "vmcs: '%s' is too much", argv[optind + 1]);
	if (!status && !v)
		status = err(STATUS_HOST, "vmcs: no memory");
	if (!status) {
		control_places_open(&places);
		status = control_find(&places, "vmcs", argv[optind], &l.machine);
		if (!status)
			status = l.diff_ns ? show_changes(&l, v, v + 1) : show(&l, v);
		control_places_close(&places);
	}
	free(v);
	return status;
}

const struct command cmd_vmcs = {
	.name = "vmcs",
	.summary = "show the VMCS of a running machine's CPU",
	.help =
"usage: lodge vmcs [PID|NAME] [--cpu N] [--diff[=S]] [--json]\n"
"\n"
"Shows what the processor knows of a CPU of a running machine: every field of its\n"
"VMCS in the groups of the SDM, with the meaning of the bits. The guest stands\n"
"still meanwhile, then goes on. Addresses of the host are (hidden) but to root.\n"
"\n"
"  PID|NAME         as 'lodge list' has them; may be left away if there is one\n"
"  --cpu N          (0)\n"
"  --diff[=S]       the fields that change within S seconds (1)\n"
"  --json           for programs\n"
"\n"
"The machine has to run on lodge: other devices do not show it.\n",
	.main = vmcs_main,
};
