// SPDX-License-Identifier: GPL-2.0
/*
 * `lodge run`: makes a machine from the options, runs it, tells how it ended. A machine is
 * either bare CPUs with a flat image, or a PC with an operating system.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "err.h"
#include "run.h"
#include "run_machine.h"
#include "run_report.h"
#include "terminal.h"

/* ---- the end ----------------------------------------------------------------------- */

static bool has_crashed(enum end_kind kind)
{
	return kind == END_SHUTDOWN || kind == END_ENTRY_FAILED ||
	       kind == END_INTERNAL_ERROR || kind == END_UNKNOWN_EXIT || kind == END_PANIC;
}

static void dump(struct run *r)
{
	bool keep = r->dump.fd >= 0 && has_crashed(r->machine.end.kind) &&
		    !dump_write(&r->machine, r->dump.fd);

	dump_close(&r->dump, keep);
	if (keep)
		note("run: the guest's memory and CPUs are in %s", r->dump.path);
}

/* ---- the command ---------------------------------------------------------------- */

static int run(struct run *r)
{
	struct machine *m = &r->machine;
	int status = run_prepare(r);

	if (!status) {
		machine_run(m, r->options.timeout_ns);
		terminal_restore();
		dump(r);
		run_report(m, r->options.json, r->options.machine.verbose);
		status = m->end.status;
	}
	machine_destroy(m);
	return status;
}

/* Does all that can be done without a machine, and tells what would be run. */
static int dry_run(struct run *r)
{
	const struct run_options *o = &r->options;
	struct memory mem = { 0 };
	struct boot_entry entry;
	int status = 0;

	if (memory_create(&mem, o->machine.memory))
		return err(STATUS_HOST, "memory: %llu KiB cannot be had",
			   o->machine.memory / KIB);
	if (!o->flat)
		status = guest_load(&r->guest, &mem, o->machine.cpus, &entry);
	if (!status && o->flat)
		printf("flat image %s, %u CPUs, %llu KiB\n", o->flat, o->machine.cpus,
		       o->machine.memory / KIB);
	else if (!status)
		printf("%s %s, %llu bytes, entry %#llx; initrd %llu bytes; %u CPUs, %llu KiB; %s\n",
		       r->guest.loader->name, r->guest.file.path, r->guest.file.size, entry.rip,
		       r->guest.request.initrd.size, o->machine.cpus, o->machine.memory / KIB,
		       r->guest.command_line);
	memory_destroy(&mem);
	return status;
}

int run_main(int argc, char **argv)
{
	struct run *r = calloc(1, sizeof(*r));
	int status;

	if (!r)
		return err(STATUS_HOST, "run: no memory");
	r->dump.fd = -1;
	status = run_options_parse(&r->options, argc, argv);
	if (!status && !r->options.flat)
		status = guest_open(&r->guest, &r->options);
	if (!status && r->options.dry_run) {
		status = dry_run(r);
	} else if (!status) {
		if (r->options.dump)
			status = dump_open(&r->dump, r->options.dump);
		if (!status)
			status = run(r);
	}
	guest_close(&r->guest);
	dump_close(&r->dump, false);
	free(r);
	return status;
}

const struct command cmd_run = {
	.name = "run",
	.summary = "run a guest",
	.help =
"usage: lodge run [KERNEL] [options]          a PC with an operating system\n"
"       lodge run --flat IMAGE [options]      bare CPUs\n"
"\n"
"  --initrd FILE    --append TEXT    --module FILE[,ARGS]    for the kernel\n"
"  --unpack         unpack a bzImage here, not in the guest\n"
"  --mem SIZE       such as 64M or 2G (512M; flat: 64M)      --cpus N    (1)\n"
"  --disk FILE[,ro][,direct]          a raw image or block device; repeatable\n"
"  --net user|tap=IF|none             network (user)\n"
"  --publish [ADDR:]HOST:GUEST[/udp]  a guest's port on the host; repeatable\n"
"  --console stdio|pty|socket=PATH|file=PATH|none[,virtio]   (stdio)\n"
"  --rng            entropy from the host\n"
"  --mode real|protected|long         how the CPUs start with --flat (long)\n"
"  --device FILE    the hypervisor's device (" DEVICE_DEFAULT ")\n"
"  --timeout S      end the guest after S seconds\n"
"  --no-reboot      end when the guest resets itself\n"
"  --gdb[=PORT|stdio]                 wait for a debugger (1234)\n"
"  --dump-on-crash FILE               an ELF core of a guest that crashes\n"
"  --verbose        --json           --dry-run              --no-sandbox\n"
"\n"
"Ctrl-a x ends the guest, Ctrl-a h helps. The status is the guest's own, 0 when\n"
"it powered down, or: 64 usage, 65 image, 66 device, 67 host, 68 triple fault,\n"
"69 failed entry, 70 internal error, 71 unknown exit, 72 console, 73 panic,\n"
"124 timeout, 128+N signal. Without KERNEL one is looked for. See lodge-run(1).\n",
	.main = run_main,
};
