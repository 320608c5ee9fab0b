/* SPDX-License-Identifier: GPL-2.0 */
/* A machine with all that the options of `lodge run` ask for. */
#ifndef LODGE_CLI_RUN_MACHINE_H
#define LODGE_CLI_RUN_MACHINE_H

#include "console.h"
#include "control.h"
#include "dump.h"
#include "guest.h"
#include "run_options.h"

struct run {
	struct run_options options;
	struct machine machine;
	struct guest guest;
	struct console *console;
	struct control *control;	/* or NULL */
	struct dump dump;
};

/*
 * Makes the machine out of r->options, r->guest and r->dump and loads the guest: 0, or a
 * status when the reason has been told. In both cases machine_destroy() frees it.
 */
int run_prepare(struct run *r);

#endif
