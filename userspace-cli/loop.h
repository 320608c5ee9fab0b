/* SPDX-License-Identifier: GPL-2.0 */
/* The exit loop of one vCPU. */
#ifndef LODGE_CLI_LOOP_H
#define LODGE_CLI_LOOP_H

#include "machine.h"

/* Runs @cpu in the calling thread until it halts or its machine ends. */
void loop_run(struct cpu *cpu);

/* A short name for an exit reason, or NULL when it has none here. */
const char *loop_exit_name(u32 reason);

#endif
