/* SPDX-License-Identifier: GPL-2.0 */
/* Where the guest's console goes: --console stdio|pty|socket=PATH|file=PATH. */
#ifndef LODGE_CLI_CONSOLE_H
#define LODGE_CLI_CONSOLE_H

#include "machine.h"

struct console;

/* What a device is made with. */
struct console_files {
	int in_fd;		/* -1: there is no input */
	int out_fd;
	int terminal_fd;	/* whose size is the console's, or -1 */
};

/*
 * Before the devices that use it are created, so that it outlives them: it goes with the
 * machine. 0, or a status of err.h when the reason has been told.
 */
int console_open(struct machine *m, const char *where, struct console **console);
struct console_files console_files(const struct console *c);

/* From here on the terminal is the guest's: 0, or a status when the reason has been told. */
int console_start(struct console *c);

#endif
