/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a console's bytes go. They are written before the guest goes on, so that none is
 * lost however the machine ends; a file that does not take them holds the guest up, and one
 * that cannot be written ends the machine.
 */
#ifndef LODGE_CLI_OUTPUT_H
#define LODGE_CLI_OUTPUT_H

#include "machine.h"

struct output {
	struct machine *machine;
	const char *name;	/* for messages */
	pthread_mutex_t lock;	/* bytes of several CPUs go one by one */
	int fd;			/* -1: what is written is dropped */
	bool asks;		/* write() might wait: ask with poll() before */
};

void output_init(struct output *o, struct machine *m, const char *name, int fd);
void output_byte(struct output *o, u8 byte);

#endif
