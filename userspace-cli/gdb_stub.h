/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the gdb server share: gdb.c has the connection and the thread,
 * gdb_commands.c what is asked, gdb_stop.c how the guest stops and goes on.
 */
#ifndef LODGE_CLI_GDB_STUB_H
#define LODGE_CLI_GDB_STUB_H

#include "gdb.h"
#include "gdb_break.h"
#include "gdb_packet.h"
#include "gdb_regs.h"
#include "worker.h"

/* Why a vCPU stopped. */
enum gdb_stop_kind {
	GDB_STOP_NONE,
	GDB_STOP_TRAP,		/* a step, or a reason unknown here */
	GDB_STOP_SOFT,
	GDB_STOP_HARD,
	GDB_STOP_WATCH,
};

struct gdb_stop {
	enum gdb_stop_kind kind;
	enum gdb_break_kind watch;	/* of GDB_STOP_WATCH */
	u64 address;
};

/* What a vCPU is to do when the guest goes on. */
struct gdb_action {
	enum { GDB_STAND, GDB_GO, GDB_STEP } what;
	u64 from, to;		/* steps go on as long as rip is in here */
};

struct gdb_cpu {
	bool held;		/* paused by us */
	struct gdb_action action;
	struct gdb_stop stop;
	struct kvm_guest_debug debug;	/* as the device was told last */
};

struct gdb {
	struct machine *machine;
	struct worker worker;
	int listen_fd;
	unsigned int port;
	int in_fd, out_fd;	/* of the client, -1: there is none */
	bool stdio;
	int stop_fd;		/* readable: a vCPU has stopped the guest */
	u32 can;		/* flags of KVM_SET_GUEST_DEBUG that the device has */

	/* The thread's own. */
	struct gdb_parser in;
	struct gdb_reply reply;
	u8 frame[GDB_FRAME_MAX];	/* the last one, gdb may want it again */
	size_t frame_len;
	u8 asked[GDB_PACKET_MAX];	/* the packet served last */
	size_t asked_len;
	bool no_ack;
	bool running;		/* as gdb knows it */
	bool hang_up;		/* behind the answer: gdb is done */
	bool end_told;
	char stopped[64];	/* why, as gdb was told last */
	unsigned int thread;	/* that gdb speaks of: index of a vCPU */
	unsigned int step_thread; /* what the old c and s act on */
	bool avx;
	char *description;
	struct gdb_regs regs[2]; /* while one is changed: old and new */

	/* With the vCPUs' threads, and the main thread's resets. */
	pthread_mutex_t lock;
	struct gdb_breaks breaks;
	bool stopping;		/* all are asked to stand, gdb does not know yet */
	unsigned int first;	/* whose stop gdb is told of */
	struct gdb_cpu cpus[MACHINE_MAX_CPUS];
};

/* ---- gdb_stop.c ---- */

/* m->debug_exit. */
void gdb_debug_exit(void *arg, struct cpu *cpu);
/* Asks all vCPUs to stand still; with the lock held, without waiting. */
void gdb_hold(struct gdb *g);
/* They stand now: false if the machine ended meanwhile. */
bool gdb_wait_held(struct gdb *g);
/* Both; as long as the machine has not ended. */
bool gdb_stop_all(struct gdb *g);
/* The answer that says why the guest stopped. */
void gdb_tell_stop(struct gdb *g);
/*
 * Lets the vCPUs go on as actions[] says; 0 or -errno, with none of them running. The
 * guest may have stopped again before it ran: then there is a stop to be told of.
 */
int gdb_go(struct gdb *g, const struct gdb_action *actions);
/* Without breakpoints, as if there had been no debugger. */
void gdb_let_go(struct gdb *g);

/* ---- gdb_commands.c ---- */

/* Serves the packet in g->in: true if g->reply is to be sent. */
bool gdb_serve(struct gdb *g);

#endif
