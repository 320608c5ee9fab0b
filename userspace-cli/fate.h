/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a guest dies, in words: every exit that is no service ends the machine
 * with a line that says what happened, where, and what to look at. Each returns
 * false: the CPU is not entered again.
 */
#ifndef LODGE_CLI_FATE_H
#define LODGE_CLI_FATE_H

#include "err.h"
#include "machine.h"

bool fate_shutdown(struct cpu *cpu);
bool fate_fail_entry(struct cpu *cpu);
bool fate_internal_error(struct cpu *cpu);
bool fate_unknown(struct cpu *cpu);
/* An exit reason that lodge has no service for. */
bool fate_unserved(struct cpu *cpu);
/* The device left nonsense in the run page. */
bool fate_bad_run_page(struct cpu *cpu, const char *what);
/* KVM_RUN itself failed. */
bool fate_run_error(struct cpu *cpu, int error);

/* The hardware's reason of a failed VM entry in words (SDM volume 3C). */
const char *fate_entry_reason(u64 reason);

#endif
