/* SPDX-License-Identifier: GPL-2.0 */
/* Running a machine by its options: `lodge run`, and `lodge step`, which adds a prompt. */
#ifndef LODGE_CLI_RUN_H
#define LODGE_CLI_RUN_H

/* The process's status. @argv[0] is "run" or "step". */
int run_main(int argc, char **argv);

#endif
