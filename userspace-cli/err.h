/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the command says when something is wrong, and the exit statuses it says
 * it with. The statuses are documented in lodge(1) and never change meaning.
 */
#ifndef LODGE_CLI_ERR_H
#define LODGE_CLI_ERR_H

#include "cli.h"

enum status {
	STATUS_OK = 0,
	STATUS_NOT_READY = 1,	/* doctor: something is missing */
	STATUS_USAGE = 64,	/* options that make no sense */
	STATUS_IMAGE = 65,	/* an image that cannot be used */
	STATUS_DEVICE = 66,	/* no usable device */
	STATUS_HOST = 67,	/* this machine or the device refused something */
	STATUS_SHUTDOWN = 68,	/* guest: triple fault */
	STATUS_ENTRY = 69,	/* guest: the CPU refused to enter it */
	STATUS_INTERNAL = 70,	/* guest: did what the device cannot do */
	STATUS_EXIT_REASON = 71, /* guest: an exit that lodge does not know */
	STATUS_CONSOLE = 72,	/* the console's output cannot be written */
	STATUS_PANIC = 73,	/* guest: its kernel panicked */
	STATUS_TIMEOUT = 124,	/* as timeout(1) */
	STATUS_SIGNAL = 128,	/* plus the signal's number, as in a shell */
};

/*
 * Writes "lodge: TEXT\n" on stderr in one piece and returns @status. The text
 * is "what: why: what to do".
 */
int __printf(2, 3) err(int status, const char *fmt, ...);

/* The same line for what is no error. */
void __printf(1, 2) note(const char *fmt, ...);

#endif
