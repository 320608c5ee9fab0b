/* SPDX-License-Identifier: GPL-2.0 */
/* What `lodge run` says when the machine has ended: in words, or as JSON. */
#ifndef LODGE_CLI_RUN_REPORT_H
#define LODGE_CLI_RUN_REPORT_H

#include "machine.h"

/*
 * The line why it ended, if there is one, and behind a crash of the guest the last exits of the
 * vCPU that met it, where the device has written them down; then with @json one line of JSON
 * (its schema is in lodge-run(1)), or else with @verbose one that counts the exits. On stderr.
 */
void run_report(const struct machine *m, bool json, bool verbose);

#endif
