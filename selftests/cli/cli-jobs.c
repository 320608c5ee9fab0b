// SPDX-License-Identifier: GPL-2.0
/*
 * The console on a terminal that a shell hands to and fro: jobs in the foreground and in the
 * background, terminals that go away, users who want to be left alone. A child plays the
 * shell, with the pty as its controlling terminal, and a child of that is the job.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "console.h"
#include "guest.h"
#include "pty.h"
#include "terminal.h"

/* Rather a test that fails than one that hangs. */
#define PATIENCE_SECONDS	20

static int to_job[2], from_job[2];

/* ---- the job's side ----------------------------------------------------------------- */

static void tell(void)
{
	if (write(from_job[1], "", 1) != 1)
		exit(90);
}

static void listen_up(void)
{
	char byte;

	if (read(to_job[0], &byte, 1) != 1)
		exit(91);
}

/* Tells that the terminal is raw, and then answers whatever it is told, for ever. */
static void raw_job(void)
{
	if (terminal_raw(STDIN_FILENO))
		exit(1);
	for (;;) {
		tell();
		listen_up();
	}
}

static void raw_job_that_ends(void)
{
	if (terminal_raw(STDIN_FILENO))
		exit(1);
	tell();
	listen_up();
}

static void nohup_job(void)
{
	signal(SIGHUP, SIG_IGN);
	raw_job();
}

static struct machine m;
static struct cpu cpu;
static struct console *console;

static void open_console(void)
{
	fake_machine(&m, &cpu);
	if (console_open(&m, "stdio", &console) || console_start(console))
		exit(2);
	tell();
}

static void console_job(void)
{
	open_console();
	listen_up();
}

/* Ends when the guest's input does. */
static void console_job_without_hangup(void)
{
	char byte;

	signal(SIGHUP, SIG_IGN);
	open_console();
	if (read(console_files(console).in_fd, &byte, 1))
		exit(3);
	tell();
}

static bool ended(void *arg)
{
	return machine_ended(arg);
}

static void console_job_until_quit(void)
{
	dup2(slave, STDERR_FILENO);
	open_console();
	if (!guest_until(ended, &m) || m.end.kind != END_USER)
		exit(3);
	fake_free(&m, &cpu);
}

static void newline_job(void)
{
	int null = open("/dev/null", O_WRONLY);

	dup2(slave, STDERR_FILENO);
	CHECK(!strcmp(terminal_newline(), "\n"));
	CHECK(!terminal_raw(STDIN_FILENO));
	CHECK(!strcmp(terminal_newline(), "\r\n"));
	dup2(null, STDERR_FILENO);
	CHECK(!strcmp(terminal_newline(), "\n"));
	dup2(slave, STDERR_FILENO);
	terminal_restore();
	CHECK(!strcmp(terminal_newline(), "\n"));
	if (failures)
		exit(4);
}

static void short_job(void)
{
	if (terminal_raw(STDIN_FILENO))
		exit(1);
	terminal_restore();
}

/* ---- the shell's side --------------------------------------------------------------- */

static void give_terminal_to(pid_t group)
{
	CHECK(!tcsetpgrp(slave, group));
}

/* In the foreground. */
static pid_t start(void (*job)(void))
{
	pid_t pid;

	CHECK(!pipe(to_job) && !pipe(from_job));
	pid = fork();
	if (!pid) {
		signal(SIGTTOU, SIG_DFL);
		signal(SIGHUP, SIG_DFL);
		close(master);
		close(to_job[1]);
		close(from_job[0]);
		failures = 0;
		alarm(PATIENCE_SECONDS);
		listen_up();
		job();
		exit(0);
	}
	close(to_job[0]);
	close(from_job[1]);
	setpgid(pid, pid);
	give_terminal_to(pid);
	CHECK_EQ(write(to_job[1], "", 1), 1);
	return pid;
}

/* The job has told something, or is gone. */
static bool told(void)
{
	char byte;

	return read(from_job[0], &byte, 1) == 1;
}

static bool answers(void)
{
	return write(to_job[1], "", 1) == 1 && told();
}

static void expect_end(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
}

static void expect_stop(pid_t pid, int sig)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == sig);
}

static void end(pid_t pid, int sig)
{
	kill(pid, sig);
	kill(pid, SIGCONT);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

static void as_shell(void (*shell)(void))
{
	pid_t pid;
	int status;

	open_pty();
	pid = fork();
	if (!pid) {
		setsid();
		ioctl(slave, TIOCSCTTY, 0);
		dup2(slave, STDIN_FILENO);
		signal(SIGTTOU, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		signal(SIGPIPE, SIG_IGN);
		failures = 0;
		alarm(PATIENCE_SECONDS);
		shell();
		fflush(stdout);
		_exit(failures ? 1 : 0);
	}
	close(master);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	close(slave);
}

/* ---- tests ------------------------------------------------------------------------------ */

/* Continued in the background it leaves the terminal to the shell; in the foreground not. */
static void shell_continues(void)
{
	pid_t pid = start(raw_job);

	CHECK(told());
	CHECK(is_raw(NULL));
	kill(pid, SIGTSTP);
	expect_stop(pid, SIGSTOP);
	CHECK(is_cooked(NULL));
	give_terminal_to(getpgrp());
	kill(pid, SIGCONT);
	CHECK(answers());
	CHECK(is_cooked(NULL));
	give_terminal_to(pid);
	kill(pid, SIGCONT);
	CHECK(answers());
	CHECK(is_raw(NULL));
	end(pid, SIGTERM);
	CHECK(is_cooked(NULL));
}

/* Its last act, for which it must not be stopped. */
static void shell_ends_in_background(void)
{
	pid_t pid = start(raw_job_that_ends);

	CHECK(told());
	give_terminal_to(getpgrp());
	CHECK_EQ(write(to_job[1], "", 1), 1);
	expect_end(pid);
	CHECK(is_cooked(NULL));
}

/* What is typed is the shell's: who reads it from the background is stopped. */
static void shell_types(void)
{
	pid_t pid = start(console_job);

	CHECK(told());
	give_terminal_to(getpgrp());
	CHECK_EQ(write(master, "x", 1), 1);
	expect_stop(pid, SIGTTIN);
	end(pid, SIGKILL);
}

static void shell_hangs_up(void)
{
	pid_t pid = start(nohup_job);

	CHECK(told());
	kill(pid, SIGHUP);
	CHECK(answers());
	CHECK(is_raw(NULL));
	end(pid, SIGTERM);
	CHECK(is_cooked(NULL));
}

/* The guest's input ends, and the guest goes on. */
static void shell_loses_terminal(void)
{
	pid_t pid = start(console_job_without_hangup);

	CHECK(told());
	close(master);
	CHECK(told());
	expect_end(pid);
}

static void shell_asks_for_power(void)
{
	pid_t pid = start(console_job_until_quit);
	char text[128] = "";

	CHECK(told());
	CHECK_EQ(write(master, "\x01p", 2), 2);
	CHECK(read_all(master, text, 60) == 60);
	CHECK_HAS(text, "no power button");
	CHECK_EQ(write(master, "\x01x", 2), 2);
	expect_end(pid);
}

static void shell_looks_at_newlines(void)
{
	expect_end(start(newline_job));
}

static bool has_typed_line(void *arg)
{
	int n = 0;

	(void)arg;
	return !ioctl(slave, FIONREAD, &n) && n == 7;
}

/* Keys that the guest did not take are no commands for the shell. */
static void shell_finds_nothing_typed(void)
{
	CHECK_EQ(write(master, "rm all\n", 7), 7);
	CHECK(guest_until(has_typed_line, NULL));
	expect_end(start(short_job));
	CHECK(!has_typed_line(NULL));
}

static void test_continued(void) { as_shell(shell_continues); }
static void test_end_in_background(void) { as_shell(shell_ends_in_background); }
static void test_typed_for_the_shell(void) { as_shell(shell_types); }
static void test_nohup(void) { as_shell(shell_hangs_up); }
static void test_terminal_gone(void) { as_shell(shell_loses_terminal); }
static void test_no_power_button(void) { as_shell(shell_asks_for_power); }
static void test_newlines(void) { as_shell(shell_looks_at_newlines); }
static void test_typed_ahead(void) { as_shell(shell_finds_nothing_typed); }

static const struct unit units[] = {
	{ "continued", test_continued },
	{ "end_in_background", test_end_in_background },
	{ "typed_for_the_shell", test_typed_for_the_shell },
	{ "nohup", test_nohup },
	{ "terminal_gone", test_terminal_gone },
	{ "no_power_button", test_no_power_button },
	{ "newlines", test_newlines },
	{ "typed_ahead", test_typed_ahead },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
