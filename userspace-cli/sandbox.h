/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is left to the process once a machine is made: the system calls that serve a
 * running guest, and none that open files, start programs or gain rights.
 */
#ifndef LODGE_CLI_SANDBOX_H
#define LODGE_CLI_SANDBOX_H

#include "cli.h"

struct sandbox_needs {
	bool sockets;		/* user networking makes connections while it runs */
	bool accept;		/* a console's socket, or a debugger's, is listened to */
	bool disks;
	bool link;		/* a dump gets its name at the end */
	bool control;		/* control.h's socket is listened to, and goes at the end */
	int control_dir;	/* with control: the only directory where anything is removed */
};

/*
 * For all threads that there are, and those to come: 0, or a status of err.h when the
 * reason has been told. There is no way back.
 */
int sandbox_enter(const struct sandbox_needs *needs);

#endif
