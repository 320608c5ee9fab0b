/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the prompt share: step.c, step_show.c, step_commands.c, step_regs.c. */
#ifndef LODGE_CLI_STEP_PRIV_H
#define LODGE_CLI_STEP_PRIV_H

#include <stdio.h>

#include "step.h"
#include "vmcs.h"

struct step {
	struct machine *machine;
	struct cpu *cpu;
	struct step_config config;
	int stop_fd;		/* the vCPU's thread says that it has stopped */
	int in_fd;
	bool terminal;		/* in_fd is one: what is typed is seen already */
	bool at_end;		/* of the commands */
	bool stopped;		/* the vCPU waits for a command */
	char line[512];		/* what was read and is not yet done */
	size_t len;
	FILE *out;
	u64 number;		/* of this stop, from 1 */
	/* As the vCPU stands: */
	u32 reason;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct vmcs vmcs;	/* no fields where it could not be had */
	/* As it was at the last stop: */
	struct kvm_regs old_regs;
	struct kvm_sregs old_sregs;
};

/* ---- step.c ---- */

/* Lets the guest go on to the next of these reasons. */
void step_go(struct step *s, const u64 stops[2]);
void step_quit(struct step *s);

/* ---- step_commands.c ---- */

/* One line of the user's. */
void step_command(struct step *s, char *line);

/* ---- step_show.c ---- */

/* The exit at which the vCPU stands. */
void step_show(struct step *s);
/* Walks from an address of the guest's to memory, and on through the EPT. */
void step_show_walk(struct step *s, u64 gva);
void step_show_ept(struct step *s, u64 gpa);

/* ---- step_regs.c ---- */

/* Those that differ from the last stop. */
void step_regs_changed(struct step *s);
void step_regs_all(struct step *s);
/* False: there is none of that name. */
bool step_reg_get(const struct step *s, const char *name, u64 *value);
/* 0 or -errno: -ENOENT, no such register; -ERANGE: the value is too large for it. */
int step_reg_set(struct step *s, const char *name, u64 value);

#endif
