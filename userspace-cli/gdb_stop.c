// SPDX-License-Identifier: GPL-2.0
/*
 * How the guest stops for a debugger and goes on again. A vCPU that comes to a breakpoint
 * asks all of them to stand still, writes down why, and wakes the server's thread, which
 * waits until they do. More of them may have stopped by themselves until then: gdb is told
 * of the first. A breakpoint of another comes again when it goes on, as its instruction has
 * not been executed; what has been watched has happened, so that is told of later.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "gdb_stub.h"
#include "paging.h"

#define VECTOR_DB	1
#define VECTOR_BP	3
#define DR6_STEP	BIT_ULL(14)
#define SIGNAL_INT	2
#define SIGNAL_TRAP	5

/* ---- a vCPU's debug exit, in its own thread --------------------------------- */

/* Not ours: the guest gets the exception that it has made itself. */
static void hand_on(struct gdb_cpu *c, struct cpu *cpu, u32 flag, u64 dr6)
{
	struct kvm_guest_debug debug = c->debug;
	struct kvm_debugregs regs;

	if (flag == KVM_GUESTDBG_INJECT_DB && !ioctl(cpu->fd, KVM_GET_DEBUGREGS, &regs)) {
		regs.dr6 = dr6;
		ioctl(cpu->fd, KVM_SET_DEBUGREGS, &regs);
	}
	debug.control |= flag;
	ioctl(cpu->fd, KVM_SET_GUEST_DEBUG, &debug);
}

static bool is_our_int3(const struct gdb *g, struct cpu *cpu, u64 pc)
{
	u64 gpa;

	return gdb_soft_at_gva(&g->breaks, pc) ||
	       (g->breaks.nr_soft && paging_translate(cpu, pc, &gpa) &&
		gdb_soft_at_gpa(&g->breaks, gpa));
}

/* Why it stopped; GDB_STOP_NONE: it goes on. */
static struct gdb_stop judge(struct gdb *g, struct gdb_cpu *c, struct cpu *cpu)
{
	/* The page is shared with the device: once. */
	struct kvm_debug_exit_arch why = cpu->run->debug.arch;
	const struct gdb_hard *hit;

	if (why.exception == VECTOR_BP) {
		if (is_our_int3(g, cpu, why.pc))
			return (struct gdb_stop){ .kind = GDB_STOP_SOFT };
		hand_on(c, cpu, KVM_GUESTDBG_INJECT_BP, 0);
		return (struct gdb_stop){ .kind = GDB_STOP_NONE };
	}
	if (why.exception != VECTOR_DB)
		return (struct gdb_stop){ .kind = GDB_STOP_TRAP };
	hit = gdb_hard_hit(&g->breaks, why.dr6);
	if (hit && hit->kind == GDB_BREAK_SOFT)
		return (struct gdb_stop){ .kind = GDB_STOP_SOFT };
	if (hit && hit->kind == GDB_BREAK_HARD)
		return (struct gdb_stop){ .kind = GDB_STOP_HARD };
	if (hit)
		return (struct gdb_stop){
			.kind = GDB_STOP_WATCH, .watch = hit->kind, .address = hit->at,
		};
	if (!(c->debug.control & KVM_GUESTDBG_SINGLESTEP) || !(why.dr6 & DR6_STEP)) {
		hand_on(c, cpu, KVM_GUESTDBG_INJECT_DB, why.dr6);
		return (struct gdb_stop){ .kind = GDB_STOP_NONE };
	}
	/* As long as the device is not told otherwise, it steps on. */
	if (why.pc >= c->action.from && why.pc < c->action.to)
		return (struct gdb_stop){ .kind = GDB_STOP_NONE };
	return (struct gdb_stop){ .kind = GDB_STOP_TRAP };
}

void gdb_debug_exit(void *arg, struct cpu *cpu)
{
	struct gdb *g = arg;
	struct gdb_cpu *c = &g->cpus[cpu->index];
	struct gdb_stop stop;

	pthread_mutex_lock(&g->lock);
	stop = judge(g, c, cpu);
	if (stop.kind != GDB_STOP_NONE) {
		c->stop = stop;
		if (!g->stopping) {
			g->first = cpu->index;
			gdb_hold(g);
			eventfd_write(g->stop_fd, 1);
		}
	}
	pthread_mutex_unlock(&g->lock);
}

/* ---- in the server's thread --------------------------------------------------- */

void gdb_hold(struct gdb *g)
{
	unsigned int i;

	g->stopping = true;
	for (i = 0; i < g->machine->nr_cpus; i++) {
		if (g->cpus[i].held)
			continue;
		g->cpus[i].held = true;
		cpu_pause(&g->machine->cpus[i]);
	}
}

bool gdb_wait_held(struct gdb *g)
{
	unsigned int i;

	for (i = 0; i < g->machine->nr_cpus; i++)
		cpu_wait_paused(&g->machine->cpus[i]);
	if (machine_ended(g->machine))
		return false;
	pthread_mutex_lock(&g->lock);
	g->stopping = false;
	pthread_mutex_unlock(&g->lock);
	g->running = false;
	return true;
}

bool gdb_stop_all(struct gdb *g)
{
	/* Threads that have ended take no signals. */
	if (machine_ended(g->machine))
		return false;
	pthread_mutex_lock(&g->lock);
	gdb_hold(g);
	pthread_mutex_unlock(&g->lock);
	return gdb_wait_held(g);
}

void gdb_tell_stop(struct gdb *g)
{
	static const char * const watches[GDB_BREAK_KINDS] = {
		[GDB_WATCH_WRITE] = "watch",
		[GDB_WATCH_READ] = "rwatch",
		[GDB_WATCH_ACCESS] = "awatch",
	};
	struct gdb_stop stop;
	char why[32] = "";

	pthread_mutex_lock(&g->lock);
	if (g->cpus[g->first].stop.kind != GDB_STOP_NONE)
		g->thread = g->first;
	stop = g->cpus[g->thread].stop;
	g->cpus[g->thread].stop.kind = GDB_STOP_NONE;
	pthread_mutex_unlock(&g->lock);
	g->step_thread = g->thread;

	if (stop.kind == GDB_STOP_SOFT)
		snprintf(why, sizeof(why), "swbreak:;");
	else if (stop.kind == GDB_STOP_HARD)
		snprintf(why, sizeof(why), "hwbreak:;");
	else if (stop.kind == GDB_STOP_WATCH)
		snprintf(why, sizeof(why), "%s:%llx;", watches[stop.watch], stop.address);
	snprintf(g->stopped, sizeof(g->stopped), "T%02x%sthread:%x;",
		 stop.kind == GDB_STOP_NONE ? SIGNAL_INT : SIGNAL_TRAP, why, g->thread + 1);
	gdb_printf(&g->reply, "%s", g->stopped);
}

/* Something was watched of which gdb does not know: that comes first. */
static bool has_more(struct gdb *g)
{
	unsigned int i;

	for (i = 0; i < g->machine->nr_cpus; i++) {
		if (g->cpus[i].stop.kind == GDB_STOP_WATCH) {
			g->first = i;
			return true;
		}
		g->cpus[i].stop.kind = GDB_STOP_NONE;
	}
	return false;
}

static int tell_device(struct gdb *g, unsigned int index, const struct gdb_action *action)
{
	struct gdb_cpu *c = &g->cpus[index];
	struct kvm_guest_debug debug = { .control = 0 };

	gdb_breaks_debug(&g->breaks, &debug);
	/* The step shall not lead into the handler of an interrupt. */
	if (action->what == GDB_STEP)
		debug.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP |
				 (g->can & KVM_GUESTDBG_BLOCKIRQ);
	if (ioctl(g->machine->cpus[index].fd, KVM_SET_GUEST_DEBUG, &debug) < 0)
		return -errno;
	c->debug = debug;
	c->action = *action;
	return 0;
}

static void release(struct gdb *g, unsigned int index)
{
	if (!g->cpus[index].held)
		return;
	g->cpus[index].held = false;
	cpu_resume(&g->machine->cpus[index]);
}

static int start(struct gdb *g, const struct gdb_action *actions)
{
	unsigned int i, going = 0;
	int error = 0;

	gdb_soft_renew(&g->breaks, &g->machine->memory);
	for (i = 0; i < g->machine->nr_cpus && !error; i++) {
		if (actions[i].what == GDB_STAND)
			continue;
		error = tell_device(g, i, &actions[i]);
		going++;
	}
	if (error || !going)
		return error ? error : -EINVAL;
	for (i = 0; i < g->machine->nr_cpus; i++)
		if (actions[i].what != GDB_STAND)
			release(g, i);
	return 0;
}

int gdb_go(struct gdb *g, const struct gdb_action *actions)
{
	int error = 0;

	pthread_mutex_lock(&g->lock);
	if (has_more(g)) {
		g->stopping = true;
		eventfd_write(g->stop_fd, 1);
	} else {
		error = start(g, actions);
	}
	g->running = !error;
	pthread_mutex_unlock(&g->lock);
	return error;
}

void gdb_let_go(struct gdb *g)
{
	static const struct gdb_action action = { .what = GDB_GO };
	unsigned int i;

	if (!gdb_stop_all(g))
		return;
	pthread_mutex_lock(&g->lock);
	gdb_breaks_clear(&g->breaks, &g->machine->memory);
	for (i = 0; i < g->machine->nr_cpus; i++) {
		g->cpus[i].stop.kind = GDB_STOP_NONE;
		tell_device(g, i, &action);
		release(g, i);
	}
	g->running = true;
	pthread_mutex_unlock(&g->lock);
}
