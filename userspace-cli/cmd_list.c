// SPDX-License-Identifier: GPL-2.0
/* `lodge list`: the machines that this user runs now. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "commands.h"
#include "control.h"
#include "err.h"
#include "json.h"

static void print_text(const struct control_machine *m, unsigned int nr)
{
	unsigned int i;

	printf("%7s %4s %8s %11s  %s\n", "PID", "CPUS", "MEMORY", "TIME", "NAME");
	for (i = 0; i < nr; i++) {
		const struct control_info *info = &m[i].info;
		u64 seconds = info->running_ns / NS_PER_SECOND;
		char size[24], time[32];

		if (info->memory % MIB)
			snprintf(size, sizeof(size), "%lluK", info->memory / KIB);
		else
			snprintf(size, sizeof(size), "%lluM", info->memory / MIB);
		snprintf(time, sizeof(time), "%llu:%02llu:%02llu", seconds / 3600,
			 seconds / 60 % 60, seconds % 60);
		printf("%7d %4u %8s %11s  %s\n", m[i].pid, info->cpus, size, time, info->name);
	}
}

static void print_json(const struct control_machine *m, unsigned int nr)
{
	unsigned int i;

	printf("{\"machines\":[");
	for (i = 0; i < nr; i++) {
		const struct control_info *info = &m[i].info;

		printf("%s{\"pid\":%d,\"name\":", i ? "," : "", m[i].pid);
		json_string(stdout, info->name);
		printf(",\"cpus\":%u,\"memory\":%llu,\"seconds\":%llu.%03llu}", info->cpus,
		       info->memory, info->running_ns / NS_PER_SECOND,
		       info->running_ns / NS_PER_MS % 1000);
	}
	printf("]}\n");
}

enum { OPT_JSON = 1 };

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ 0 }
};

static int list_main(int argc, char **argv)
{
	struct control_machine *machines;
	struct control_places places;
	bool json = false;
	int option, nr;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option != OPT_JSON)
			return STATUS_USAGE;
		json = true;
	}
	if (optind < argc)
		return err(STATUS_USAGE, "list: '%s' is too much", argv[optind]);
	control_places_open(&places);
	nr = control_list(&places, &machines);
	if (nr >= 0 && json)
		print_json(machines, nr);
	else if (nr >= 0)
		print_text(machines, nr);
	free(machines);
	control_places_close(&places);
	if (nr < 0)
		return err(STATUS_HOST, "list: the machines cannot be found: %s", strerror(-nr));
	return STATUS_OK;
}

const struct command cmd_list = {
	.name = "list",
	.summary = "tell which machines are running",
	.help =
"usage: lodge list [--json]\n"
"\n"
"Tells of each machine that this user runs its PID, CPUs, memory, how long it\n"
"has been there, and the name of its kernel or image.\n"
"\n"
"  --json           for programs\n"
"\n"
"Machines are found by their sockets, in $XDG_RUNTIME_DIR/lodge, /run/lodge or\n"
"/tmp/lodge-UID.\n",
	.main = list_main,
};
