// SPDX-License-Identifier: GPL-2.0
/*
 * What a machine shows of itself that is longer than an answer: it is written into a file of
 * memory that comes with the question, and read there.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control.h"
#include "err.h"

static int tell(const struct control_look *look, const struct control_machine *m, int error)
{
	if (error == -ECONNRESET || error == -ECONNREFUSED || error == -ENOENT)
		return err(STATUS_HOST, "%s: machine %d has ended", look->command, m->pid);
	if (error == -ETIMEDOUT)
		return err(STATUS_HOST,
			   "%s: machine %d does not answer: it writes a dump, or is stopped",
			   look->command, m->pid);
	return err(STATUS_HOST, "%s: machine %d: %s", look->command, m->pid, strerror(-error));
}

int control_look(const struct control_machine *m, const struct control_look *look, size_t *got)
{
	int file = memfd_create("lodge", MFD_CLOEXEC), error, status = 0;
	struct control_reply reply;
	ssize_t n = 0;

	if (file < 0)
		return err(STATUS_HOST, "%s: no memory: %s", look->command, strerror(errno));
	memset(look->to, 0, look->room);
	error = control_ask_about(m, look->op, look->argument, file, &reply);
	if (error)
		status = tell(look, m, error);
	else if (reply.status)
		status = err(STATUS_HOST, "%s: %s", look->command, reply.text);
	else
		n = pread(file, look->to, look->room, 0);
	if (!status && n < 0)
		status = err(STATUS_HOST, "%s: %s", look->command, strerror(errno));
	close(file);
	*got = n > 0 ? n : 0;
	return status;
}
