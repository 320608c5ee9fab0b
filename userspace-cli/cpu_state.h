/* SPDX-License-Identifier: GPL-2.0 */
/* All of a vCPU's state, taken once and given back: what a reset takes it back to. */
#ifndef LODGE_CLI_CPU_STATE_H
#define LODGE_CLI_CPU_STATE_H

#include "machine.h"

struct cpu_state;

/* To be freed with free(); NULL with errno. */
struct cpu_state *cpu_state_get(struct cpu *cpu);
/* 0 or -errno. */
int cpu_state_set(struct cpu *cpu, const struct cpu_state *state);

/* The same for the interrupt controllers and the timer of a machine. */
struct chips_state;

struct chips_state *chips_state_get(struct machine *m);
int chips_state_set(struct machine *m, const struct chips_state *state);

#endif
