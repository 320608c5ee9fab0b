/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The user's terminal while a guest has it: every key goes to the guest, but those behind
 * the escape key. However the process ends, short of SIGKILL, the terminal is as before.
 */
#ifndef LODGE_CLI_TERMINAL_H
#define LODGE_CLI_TERMINAL_H

#include "cli.h"

#define TERMINAL_ESCAPE		0x01	/* Ctrl-a */

/* What keys behind the escape key ask for; several may come at once. */
enum {
	TERMINAL_QUIT = 1,	/* x */
	TERMINAL_HELP = 2,	/* h */
	TERMINAL_POWER = 4,	/* p: the power button */
};

struct terminal_filter {
	bool escaped;		/* the last key was the escape key */
	unsigned int asked;	/* TERMINAL_* since the user of this last looked */
};

extern const char terminal_help[];

/*
 * What of @n keys at @in is the guest's: that goes to @out, which has room for @n and may
 * be @in; how many it is. Nothing behind a wish to quit is for the guest.
 */
size_t terminal_filter(struct terminal_filter *f, const u8 *in, size_t n, u8 *out);

/*
 * Gives the terminal @fd to the guest, once in a process: 0 or -errno. While the process
 * is stopped (SIGTSTP) the shell has it.
 */
int terminal_raw(int fd);
/* Gives it back to the user; what was typed and not yet read is dropped. At exit, too. */
void terminal_restore(void);

/* The end of a line of lodge's own on stderr: a raw terminal wants two characters. */
const char *terminal_newline(void);

/*
 * An eventfd that is written when a window changes its size (SIGWINCH); from the first
 * call on, for one reader. -errno if there is none to be had.
 */
int terminal_resize_fd(void);

#endif
