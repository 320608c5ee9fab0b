/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest that stops at its VM exits (LODGE_SET_STOPS), before anything is done about them,
 * and a prompt to look at it and to change it. The vCPU's thread tells the main thread of a
 * stop and stands still, as for a dump; commands are carried out in the main thread.
 */
#ifndef LODGE_CLI_STEP_H
#define LODGE_CLI_STEP_H

#include "machine.h"

struct step_config {
	bool wanted;
	u64 stops[2];		/* exit reasons to stop at, a bit each */
	const char *commands;	/* a file with commands, or NULL: stdin */
};

/* "io,cpuid" into a bit for each; false, with the word that is none in *@wrong. */
bool step_parse_reasons(char *text, u64 stops[2], const char **wrong);

/*
 * Of a machine with one vCPU that has not run yet: 0, or a status when the reason has been
 * told. The machine frees what there is.
 */
int step_create(struct machine *m, const struct step_config *config);

#endif
