/* SPDX-License-Identifier: GPL-2.0 */
/* The tables and the JSON of `lodge stat`. */
#ifndef LODGE_CLI_STAT_REPORT_H
#define LODGE_CLI_STAT_REPORT_H

#include <stdio.h>

#include "watch.h"

/* A line for each. */
void stat_print_all(FILE *to, const struct watched *machines, unsigned int nr);
/* One in full: exits by reason; with @cpus those of each vCPU, too. */
void stat_print(FILE *to, const struct watched *w, bool cpus);
/* One line (its schema is in lodge(1)). */
void stat_print_json(FILE *to, const struct watched *machines, unsigned int nr, bool cpus);

#endif
