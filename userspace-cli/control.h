/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How commands speak to running machines: each has a socket, PID.sock, in a directory that
 * is its user's alone. A connection carries one message and the answer to it. Both begin
 * with a magic number and a version that keep their places for ever.
 */
#ifndef LODGE_CLI_CONTROL_H
#define LODGE_CLI_CONTROL_H

#include "machine.h"

#define CONTROL_MAGIC	0x67646f6cu	/* "lodg" */
#define CONTROL_VERSION	1

enum control_op {
	CONTROL_INFO = 1,	/* answered with info */
	CONTROL_DUMP = 2,	/* comes with a file: the core goes there */
	CONTROL_FILES = 3,	/* answered with files: the argument is the first vCPU */
	/* Come with a file, written from its beginning; the argument is the vCPU: */
	CONTROL_VMCS = 8,	/* struct vmcs, as many fields as there are */
	CONTROL_ENTRY = 9,	/* struct entry_failure, if an entry has failed */
};

struct control_request {
	u32 magic;
	u16 version;
	u16 op;
	u64 argument;		/* what the operation makes of it, or 0 */
};

struct control_info {
	u64 memory;		/* bytes */
	u64 running_ns;		/* since the machine was made */
	u32 cpus;
	char name[128];		/* of the kernel or the image, without its folder */
};

/* vCPUs in one answer to CONTROL_FILES. */
#define CONTROL_PIECE	16

/*
 * Descriptors come with the answer, those that are there, in this order: with vCPU 0 the
 * machine's statistics (KVM_GET_STATS_FD) come first; then of each vCPU its flight recorder
 * (LODGE_GET_FLIGHT_FD) and its statistics.
 */
struct control_files {
	u32 cpus;		/* that this answer tells of, from the first that was asked for */
	u32 next;		/* the vCPU to ask for next; 0: those were all */
	u8 machine_stats;	/* 0 or 1 */
	u8 flight[CONTROL_PIECE];
	u8 stats[CONTROL_PIECE];
};

struct control_reply {
	u32 magic;
	u16 version;
	u16 op;
	u32 status;		/* of err.h */
	char text[252];		/* why, if status is not 0 */
	union {
		struct control_info info;
		struct control_files files;
	};
};

/* ---- the machine's side: control.c ---- */

struct control;

/*
 * Makes the socket, served by the main thread, gone with the machine; @what is the path of
 * what runs. NULL when there is none: the reason has been told, the machine can do without.
 */
struct control *control_create(struct machine *m, const char *what);
/* The directory, from which the machine's end removes the socket. */
int control_directory(const struct control *c);

/* ---- where sockets are: control_places.c ---- */

#define CONTROL_PLACES	3

struct control_places {
	int fd[CONTROL_PLACES];	/* directories, each once: this user's, closed to others */
	unsigned int nr;
};

void control_places_open(struct control_places *p);
void control_places_close(struct control_places *p);
/* The first that there is or can be made: a descriptor or -errno. */
int control_place_make(void);

struct sockaddr_un;
/* By way of the descriptor, so that a path's length and changes do not matter. */
void control_address(struct sockaddr_un *address, int dir, const char *name);
/* A socket that nobody listens to any more. */
bool control_is_left_over(int dir, const char *name);

/* ---- the command's side: control_client.c ---- */

struct control_machine {
	int dir;		/* of the places */
	int pid;
	struct control_info info;
};

/*
 * The machines of this user that answer, by PID; how many, and the caller frees *@found.
 * Sockets without a machine are removed, machines that do not answer are told of on stderr.
 * -errno if that cannot be found out.
 */
int control_list(const struct control_places *p, struct control_machine **found);

/*
 * Sends a request, with @file unless that is -1, and waits, at most @timeout_ms (0: for
 * ever). 0 with the reply, whose texts are fit to be shown, or -errno: -ECONNREFUSED if
 * nobody listens, -EPROTO if what came is no answer.
 */
int control_ask(int dir, int pid, enum control_op op, int file, unsigned int timeout_ms,
		struct control_reply *reply);

/* The same for an operation with an argument. */
int control_ask_about(const struct control_machine *m, enum control_op op, u64 argument, int file,
		      struct control_reply *reply);

/*
 * What one of those operations writes, up to @room bytes: *@got. 0, or a status when the
 * reason has been told in the name of @command.
 */
struct control_look {
	const char *command;
	enum control_op op;
	u64 argument;
	void *to;
	size_t room;
};

int control_look(const struct control_machine *m, const struct control_look *look, size_t *got);

/*
 * Finds @who by its PID, or by its name if only one has it; NULL: the only one there is.
 * 0, or a status when the reason has been told in the name of @command.
 */
int control_find(const struct control_places *p, const char *command, const char *who,
		 struct control_machine *found);

/* What CONTROL_FILES gives, all pieces of it; -1: there is none. */
struct control_recorder {
	int flight_fd, stats_fd;
};

struct control_recorders {
	int process_fd;		/* becomes readable when the machine's process ends */
	int stats_fd;
	unsigned int nr;
	struct control_recorder *cpu;
};

/* 0, or -errno as control_ask(): the caller closes. -EOPNOTSUPP: *@why says more. */
int control_recorders_open(const struct control_machine *m, struct control_recorders *r,
			   struct control_reply *why);
void control_recorders_close(struct control_recorders *r);

#endif
