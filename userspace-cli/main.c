// SPDX-License-Identifier: GPL-2.0
/* The command `lodge`: finds the sub-command and hands over. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "err.h"

static const struct command * const commands[] = {
	&cmd_run,
	&cmd_step,
	&cmd_list,
	&cmd_dump,
	&cmd_vmcs,
	&cmd_explain,
	&cmd_stat,
	&cmd_trace,
	&cmd_caps,
	&cmd_bench,
	&cmd_disk,
	&cmd_doctor,
};

static void print_usage(FILE *f)
{
	unsigned int i;

	fputs("usage: lodge COMMAND [options]\n\n", f);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(f, "  %-8s %s\n", commands[i]->name,
			commands[i]->summary);
	fputs("  help     tell about a command: lodge help COMMAND\n"
	      "\n  --version, --help\n", f);
}

static const struct command *find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static int unknown(const char *name)
{
	return err(STATUS_USAGE, "%s: there is no such command: see 'lodge help'",
		   name);
}

static int cmd_help(int argc, char **argv)
{
	const struct command *command;

	if (argc > 2)
		return err(STATUS_USAGE,
			   "help: '%s' is too much: give one command", argv[2]);
	if (argc < 2) {
		print_usage(stdout);
		return STATUS_OK;
	}
	command = find(argv[1]);
	if (!command)
		return unknown(argv[1]);
	fputs(command->help, stdout);
	return STATUS_OK;
}

/*
 * With one of the three standard files closed, the next file opened would take
 * its place and be read or written as the console. Something that can be
 * neither is put there instead.
 */
static void hold_standard_files(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			exit(STATUS_HOST);
}

static int dispatch(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		print_usage(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") ||
	    !strcmp(argv[1], "-h"))
		return cmd_help(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--version")) {
		printf("lodge %s\n", LODGE_CLI_VERSION);
		return STATUS_OK;
	}
	command = find(argv[1]);
	if (!command)
		return unknown(argv[1]);
	if (argc == 3 && !strcmp(argv[2], "--help")) {
		fputs(command->help, stdout);
		return STATUS_OK;
	}
	return command->main(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	int status;

	hold_standard_files();
	/* A reader that went away is an error of write(), told in words. */
	signal(SIGPIPE, SIG_IGN);
	/* So is a file at its limit. */
	signal(SIGXFSZ, SIG_IGN);
	status = dispatch(argc, argv);
	/* Output that never arrived is a failure, however well it was made. */
	if (fflush(stdout) || ferror(stdout))
		return err(STATUS_CONSOLE, "output cannot be written: %s",
			   strerror(errno));
	return status;
}
