// SPDX-License-Identifier: GPL-2.0
/*
 * Puts a machine together as the options say: bare CPUs with a flat image, or a PC with its
 * devices and an operating system.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "gdb.h"
#include "run_machine.h"
#include "sandbox.h"
#include "step.h"

static int no_room(const char *what)
{
	return err(STATUS_HOST, "run: no room or memory for %s", what);
}

/* ---- devices ------------------------------------------------------------------ */

static int add_flat_devices(struct run *r)
{
	struct machine *m = &r->machine;

	/* At a prompt stdin has its commands. */
	if (!serial_create(m, r->options.step.wanted ? -1 : STDIN_FILENO, STDOUT_FILENO) ||
	    !exit_port_create(m))
		return no_room("the devices");
	return 0;
}

static int add_console(struct run *r)
{
	struct machine *m = &r->machine;
	struct console_files files = { -1, -1, -1 }, none = files;
	bool virtio = r->options.virtio_console;
	int status = 0;

	if (r->options.step.wanted && !strcmp(r->options.console, "stdio")) {
		files.out_fd = STDOUT_FILENO;
	} else if (strcmp(r->options.console, "none")) {
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

/* ---- the whole ------------------------------------------------------------------ */

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

int run_prepare(struct run *r)
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
	if (!status && o->step.wanted)
		status = step_create(m, &o->step);
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
