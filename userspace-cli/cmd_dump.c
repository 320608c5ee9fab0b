// SPDX-License-Identifier: GPL-2.0
/*
 * `lodge dump`: an ELF core of a machine that runs. The file is opened here, by the rights of
 * who asks, and handed to the machine, which can open nothing itself.
 */
#include <errno.h>
#include <string.h>

#include "commands.h"
#include "control.h"
#include "dump.h"
#include "err.h"

/* However long it takes: the machine's end is heard of. */
static int order(const struct control_machine *m, int file)
{
	struct control_reply reply;
	int error = control_ask(m->dir, m->pid, CONTROL_DUMP, file, 0, &reply);

	if (error == -ECONNRESET || error == -ECONNREFUSED || error == -ENOENT)
		return err(STATUS_HOST, "dump: machine %d ended before the core was written",
			   m->pid);
	if (error)
		return err(STATUS_HOST, "dump: machine %d: %s", m->pid, strerror(-error));
	return reply.status ? err(STATUS_HOST, "%s", reply.text) : STATUS_OK;
}

static const struct option options[] = {
	{ 0 }
};

static int dump_main(int argc, char **argv)
{
	struct control_places places;
	struct control_machine machine = { 0 };
	struct dump dump;
	int status;

	if (next_option(argc, argv, options) != -1)
		return STATUS_USAGE;
	if (argc - optind != 2)
		return err(STATUS_USAGE, "dump: give a machine and a file: see 'lodge help dump'");
	control_places_open(&places);
	status = control_find(&places, "dump", argv[optind], &machine);
	if (!status)
		status = dump_open(&dump, argv[optind + 1]);
	if (!status) {
		status = order(&machine, dump.fd);
		if (dump_close(&dump, !status))
			status = STATUS_HOST;
	}
	control_places_close(&places);
	return status;
}

const struct command cmd_dump = {
	.name = "dump",
	.summary = "write an ELF core of a running machine",
	.help =
"usage: lodge dump PID|NAME FILE\n"
"\n"
"Writes what the CPUs and the memory of a running machine hold to FILE, which\n"
"must not be there yet. Its guest stands still meanwhile, then goes on. gdb and\n"
"crash read the file.\n"
"\n"
"  PID|NAME         as 'lodge list' has them\n",
	.main = dump_main,
};
