// SPDX-License-Identifier: GPL-2.0
/*
 * Messages for people: one line, one write, so that lines of several threads
 * and of the guest's console never mix within a line.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "terminal.h"

static void line(const char *fmt, va_list ap)
{
	static const char prefix[] = "lodge: ";
	char text[1024];
	size_t len = sizeof(prefix) - 1;
	int n;

	memcpy(text, prefix, len);
	n = vsnprintf(text + len, sizeof(text) - len - 2, fmt, ap);
	if (n > 0)
		len += strlen(text + len);
	/* Room is left for both characters and the 0 that is not sent. */
	strcpy(text + len, terminal_newline());
	len += strlen(text + len);
	/* There is nobody left to tell when stderr itself fails. */
	if (write(STDERR_FILENO, text, len) < 0)
		return;
}

int err(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
	return status;
}

void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
}
