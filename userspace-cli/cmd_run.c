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
#include "console.h"
#include "control.h"
#include "dump.h"
#include "err.h"
#include "gdb.h"
#include "guest.h"
#include "run_options.h"
#include "run_report.h"
#include "sandbox.h"
#include "terminal.h"

struct run {
	struct run_options options;
	struct machine machine;
	struct guest guest;
	struct console *console;
	struct control *control;	/* or NULL */
	struct dump dump;
};

static int no_room(const char *what)
{
	return err(STATUS_HOST, "run: no room or memory for %s", what);
}

/* ---- devices ------------------------------------------------------------------ */

static int add_flat_devices(struct run *r)
{
	struct machine *m = &r->machine;

	if (!serial_create(m, STDIN_FILENO, STDOUT_FILENO) || !exit_port_create(m))
		return no_room("the devices");
	return 0;
}

static int add_console(struct run *r)
{
	struct machine *m = &r->machine;
	struct console_files files = { -1, -1, -1 }, none = files;
	bool virtio = r->options.virtio_console;
	int status = 0;

	if (strcmp(r->options.console, "none")) {
		status = console_open(m, r->options.console, &r->console);
		if (status)
			return status;
		files = console_files(r->console);
	}
	if (virtio)
		status = virtio_console_create(m, files.in_fd, files.out_fd, files.terminal_fd);
	if (virtio)
		files = none;
	if (!status && !serial_create(m, files.in_fd, files.out_fd))
		status = no_room("the serial port");
	return status;
}

static int add_virtio(struct run *r)
{
	const struct run_options *o = &r->options;
	struct machine *m = &r->machine;
	unsigned int i;
	int status = 0;

	for (i = 0; i < o->nr_disks && !status; i++)
		status = virtio_blk_create(m, &o->disk[i]);
	if (!status && o->net.kind != NET_NONE)
		status = virtio_net_create(m, &o->net);
	if (!status && o->rng)
		status = virtio_rng_create(m);
	return status;
}

static int add_pc_devices(struct run *r)
{
	struct machine *m = &r->machine;
	int status;

	if (!exit_port_create(m))
		return no_room("the exit port");
	if (!debug_console_create(m, STDERR_FILENO) || !rtc_create(m) || !i8042_create(m) ||
	    !pm_create(m) || !pci_create(m))
		return STATUS_HOST;	/* told */
	status = add_console(r);
	if (!status)
		status = add_virtio(r);
	/* The last: the others keep their slots. */
	return status ? status : panic_create(m);
}

/* ---- what happens before and after ---------------------------------------------- */

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

/* From the main thread, with all others there and the guest not yet running. */
static int shut_sandbox(void *arg)
{
	struct run *r = arg;
	struct sandbox_needs needs = {
		.sockets = r->options.net.kind == NET_USER && !r->options.flat,
		.accept = r->options.gdb || !strncmp(r->options.console, "socket=", 7),
		.disks = r->options.nr_disks,
		.link = r->dump.fd >= 0,
		.control = r->control,
		.control_dir = r->control ? control_directory(r->control) : -1,
	};

	return sandbox_enter(&needs);
}

static int boot_flat(struct machine *m, void *arg)
{
	const struct run_options *o = arg;

	return flat_boot(m, o->flat, o->mode);
}

/* ---- the command ---------------------------------------------------------------- */

static int prepare(struct run *r)
{
	const struct run_options *o = &r->options;
	struct machine *m = &r->machine;
	int status;

	status = machine_create(m, &o->machine);
	if (!status)
		status = o->flat ? add_flat_devices(r) : add_pc_devices(r);
	if (status)
		return status;
	m->boot = o->flat ? boot_flat : guest_boot;
	m->boot_arg = o->flat ? (void *)o : &r->guest;
	status = machine_boot(m);
	if (!status && o->gdb)
		status = gdb_create(m, o->gdb);
	if (!status && r->console)
		status = console_start(r->console);
	if (!status)
		r->control = control_create(m, o->flat ? o->flat : r->guest.file.path);
	if (!status && !o->no_sandbox) {
		m->ready = shut_sandbox;
		m->ready_arg = r;
	}
	return status;
}

static int run(struct run *r)
{
	struct machine *m = &r->machine;
	int status = prepare(r);

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

static int run_main(int argc, char **argv)
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
