/* SPDX-License-Identifier: GPL-2.0 */
/* The flight recorder of a vCPU, and who may look at it. */
#ifndef LODGE_FLIGHT_H
#define LODGE_FLIGHT_H

#include "lodge.h"

struct seq_file;

int flight_alloc(struct lodge_vcpu *vcpu);
void flight_free(struct lodge_vcpu *vcpu);
/* LODGE_GET_FLIGHT_FD: a descriptor, or an errno. */
long flight_get_fd(struct lodge_vcpu *vcpu);
/* The same for people. */
int flight_show(struct seq_file *m, void *unused);

#endif
