/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A debugger at the machine: a server of gdb's remote protocol. All vCPUs stand still
 * together and run together; each is a thread for gdb, numbered from 1.
 */
#ifndef LODGE_CLI_GDB_H
#define LODGE_CLI_GDB_H

#include "machine.h"

#define GDB_PORT	1234

/*
 * After machine_boot(), before machine_run(): the guest then stands at its first
 * instruction until gdb lets it go. @where is a port of 127.0.0.1 (0: one that is free),
 * "stdio" for the files 0 and 1, or NULL for GDB_PORT. The server ends with the machine.
 * 0, or a status when the reason has been told.
 */
int gdb_create(struct machine *m, const char *where);

/* Where the machine's server listens; 0: nowhere. */
unsigned int gdb_port(const struct machine *m);

#endif
