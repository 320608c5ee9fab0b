/* SPDX-License-Identifier: GPL-2.0 */
/* What the command line of `lodge run` asks for. */
#ifndef LODGE_CLI_RUN_OPTIONS_H
#define LODGE_CLI_RUN_OPTIONS_H

#include "boot.h"
#include "boot_flat.h"
#include "devices.h"
#include "step.h"

#define RUN_DISKS	8

struct run_options {
	struct machine_config machine;
	const char *flat;		/* an image without an operating system; or: */
	enum flat_mode mode;
	const char *kernel;		/* NULL: one is looked for */
	const char *initrd;
	const char *append;
	bool unpack;			/* the kernel out of a bzImage, here */
	char *module[BOOT_MODULES];	/* FILE[,ARGUMENTS] */
	unsigned int nr_modules;
	struct disk_config disk[RUN_DISKS];
	unsigned int nr_disks;
	struct net_config net;
	const char *console;
	bool virtio_console;
	bool rng;
	const char *gdb;
	const char *dump;
	struct step_config step;
	u64 timeout_ns;
	bool json;
	bool dry_run;
	bool no_sandbox;
};

/* 0, or a status of err.h when the reason has been told. */
int run_options_parse(struct run_options *o, int argc, char **argv);

#endif
