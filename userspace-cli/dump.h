/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A picture of the guest in a file: an ELF core that gdb, readelf and crash open. Memory is
 * there by physical addresses, pages of zeroes are holes in the file.
 */
#ifndef LODGE_CLI_DUMP_H
#define LODGE_CLI_DUMP_H

#include "machine.h"

/*
 * All vCPUs stand still, or have ended. Writes from the file's beginning; what cannot seek
 * gets the zeroes, too. 0, or a status when the reason has been told: the file is empty then.
 */
int dump_write(struct machine *m, int fd);
/* The same, with the reason as a text for somebody else. */
int dump_save(struct machine *m, int fd, char *why, size_t room);

struct dump {
	const char *path;
	int fd;			/* -1: none */
	bool nameless;		/* gets its name when it is kept */
};

/*
 * Opens the file while that is still allowed, without a name as long as nothing is in it:
 * 0, or a status when the reason has been told.
 */
int dump_open(struct dump *d, const char *path);
/*
 * Closes it; it is kept only with @keep: 0, or a status when it is told why that was not
 * possible. In a sandbox that takes linkat().
 */
int dump_close(struct dump *d, bool keep);

#endif
