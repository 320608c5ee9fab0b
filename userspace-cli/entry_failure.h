/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Why a vCPU could not be entered: the checks of the SDM that its VMCS fails, as lodge finds
 * them (LODGE_GET_ENTRY_FAILURE), and how that is told.
 */
#ifndef LODGE_CLI_ENTRY_FAILURE_H
#define LODGE_CLI_ENTRY_FAILURE_H

#include <stdio.h>

#include "../uapi/linux/lodge.h"
#include "cli.h"

struct entry_failure {
	struct lodge_entry_failure head;
	struct lodge_entry_finding finding[LODGE_MAX_FINDINGS];
};

/* 0 or -errno: -ENOENT, none has failed; -ENOTTY or -EINVAL: the device does not know. */
int entry_failure_get(int cpu_fd, struct entry_failure *e);

/* Makes what somebody else has written fit to be shown; false: it is none. */
bool entry_failure_check(struct entry_failure *e);

/* A line on what it is, then one for each finding, with @indent before each. */
void entry_failure_tell(FILE *f, const struct entry_failure *e, const char *indent);
/* An object of JSON. */
void entry_failure_json(FILE *f, const struct entry_failure *e);

#endif
