/* SPDX-License-Identifier: GPL-2.0 */
/* Descriptors: -1 stands for none. */
#ifndef LODGE_CLI_FILES_H
#define LODGE_CLI_FILES_H

#include <unistd.h>

/* Closes it if there is one; afterwards there is none. */
static inline void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

#endif
