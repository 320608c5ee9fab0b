/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a console's bytes go. They are written before the guest goes on, so that none is
 * lost however the machine ends; a file that does not take them holds the guest up. But
 * for a terminal made for the guest (pty), which is there before anybody reads it: what
 * finds no room there is dropped.
 */
#ifndef LODGE_CLI_OUTPUT_H
#define LODGE_CLI_OUTPUT_H

#include "machine.h"

struct output {
	struct machine *machine;
	const char *name;	/* for messages */
	pthread_mutex_t lock;	/* of all below; bytes of several CPUs go one by one */
	int fd;			/* -1: what is written is dropped */
	bool asks;		/* write() might wait: ask with poll() before */
	bool detachable;	/* who reads may go away, and that is no error */
	bool drops;		/* what finds no room: a terminal that maybe nobody reads */
};

void output_init(struct output *o, struct machine *m, const char *name, int fd);
/* Another file; with @detachable an error is the end of this file only, not the machine's. */
void output_attach(struct output *o, int fd, bool detachable);
void output_byte(struct output *o, u8 byte);

#endif
