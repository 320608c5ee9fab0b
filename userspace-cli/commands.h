/* SPDX-License-Identifier: GPL-2.0 */
/* The sub-commands: each is one file that describes itself with this struct. */
#ifndef LODGE_CLI_COMMANDS_H
#define LODGE_CLI_COMMANDS_H

#include <getopt.h>

#include "cli.h"

struct command {
	const char *name;
	const char *summary;	/* one line of `lodge help` */
	const char *help;	/* all of `lodge help NAME` */
	/* @argv[0] is the command's name; returns the process's status. */
	int (*main)(int argc, char **argv);
};

extern const struct command cmd_run;
extern const struct command cmd_caps;
extern const struct command cmd_doctor;
extern const struct command cmd_disk;
extern const struct command cmd_list;
extern const struct command cmd_dump;
extern const struct command cmd_bench;
extern const struct command cmd_stat;
extern const struct command cmd_trace;
extern const struct command cmd_vmcs;
extern const struct command cmd_explain;
extern const struct command cmd_step;

/*
 * getopt_long() that tells in words what is wrong with an option. Returns the
 * option's value, -1 at the end, or '?' when the reason has been told.
 */
int next_option(int argc, char **argv, const struct option *options);

/* A number with the suffix K, M or G, or none for bytes. */
bool parse_size(const char *text, u64 *bytes);
/* A whole number from @least to @most. */
bool parse_number(const char *text, u64 least, u64 most, u64 *number);
/* Seconds, at most a year, such as 5 or 0.25. */
bool parse_seconds(const char *text, u64 *ns);

#endif
