/* SPDX-License-Identifier: GPL-2.0 */
/* A pseudo terminal and what is read from files, for tests of the console. */
#ifndef LODGE_CLI_PTY_H
#define LODGE_CLI_PTY_H

#include <stdbool.h>
#include <stddef.h>

/* As many bytes as wanted, or fewer if no more come within some seconds. */
size_t read_all(int fd, void *to, size_t len);
/* Checks that they come next. */
void expect_text(int fd, const char *text);

/* The one of the test that runs, with the modes of a shell. */
extern int master, slave;

void open_pty(void);
void close_pty(void);

/* Its modes: for guest_until(), too. */
bool is_raw(void *unused);
bool is_cooked(void *unused);

#endif
