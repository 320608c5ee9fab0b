// SPDX-License-Identifier: GPL-2.0
/*
 * What gdb can ask: one function for each packet, found by the packet's beginning in the
 * table at the end. The guest stands still meanwhile; what is asked while it runs is
 * refused. Errors are answered with a number, things unknown with nothing, as the protocol
 * has it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "err.h"
#include "gdb_stub.h"
#include "paging.h"

static void error(struct gdb *g, int nr)
{
	g->reply.len = 0;
	gdb_printf(&g->reply, "E%02x", nr < 0 ? -nr & 0xff : nr);
}

static void ok_or(struct gdb *g, int nr)
{
	if (nr)
		error(g, nr);
	else
		gdb_printf(&g->reply, "OK");
}

static bool skip(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

static bool two_numbers(const char **text, u64 *first, u64 *second)
{
	return gdb_number(text, first) && skip(text, ',') && gdb_number(text, second);
}

static struct cpu *cpu_of(struct gdb *g)
{
	return &g->machine->cpus[g->thread];
}

/* ---- threads ------------------------------------------------------------------- */

#define ALL_THREADS	~0u
#define ANY_THREAD	(~0u - 1)

/* The index of a vCPU, or one of the two above. */
static bool thread_id(struct gdb *g, const char **text, unsigned int *index)
{
	u64 id;

	if (!strncmp(*text, "-1", 2)) {
		*text += 2;
		*index = ALL_THREADS;
		return true;
	}
	if (!gdb_number(text, &id) || id > g->machine->nr_cpus)
		return false;
	*index = id ? id - 1 : ANY_THREAD;
	return true;
}

static void set_thread(struct gdb *g, const char *text)
{
	unsigned int index;
	char what = *text;

	if (what)
		text++;
	if (!thread_id(g, &text, &index) || *text) {
		error(g, EINVAL);
		return;
	}
	if (index < g->machine->nr_cpus && what == 'c')
		g->step_thread = index;
	else if (index < g->machine->nr_cpus)
		g->thread = index;
	ok_or(g, 0);
}

static void thread_alive(struct gdb *g, const char *text)
{
	unsigned int index;

	ok_or(g, !thread_id(g, &text, &index) || index >= g->machine->nr_cpus ? ESRCH : 0);
}

static void first_threads(struct gdb *g, const char *text)
{
	unsigned int i;

	(void)text;
	for (i = 0; i < g->machine->nr_cpus; i++)
		gdb_printf(&g->reply, "%c%x", i ? ',' : 'm', i + 1);
}

static void more_threads(struct gdb *g, const char *text)
{
	(void)text;
	gdb_printf(&g->reply, "l");
}

static void current_thread(struct gdb *g, const char *text)
{
	(void)text;
	gdb_printf(&g->reply, "QC%x", g->thread + 1);
}

static const char *activity(struct cpu *cpu)
{
	static const char * const names[] = {
		[KVM_MP_STATE_RUNNABLE] = "running",
		[KVM_MP_STATE_UNINITIALIZED] = "not started",
		[KVM_MP_STATE_INIT_RECEIVED] = "waits for SIPI",
		[KVM_MP_STATE_HALTED] = "halted",
		[KVM_MP_STATE_SIPI_RECEIVED] = "starting",
	};
	struct kvm_mp_state state;

	if (ioctl(cpu->fd, KVM_GET_MP_STATE, &state) < 0 ||
	    state.mp_state >= ARRAY_SIZE(names))
		return "";
	return names[state.mp_state];
}

static void describe_cpu(struct cpu *cpu, char *text, size_t size)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(cpu->fd, KVM_GET_SREGS, &sregs) < 0 || ioctl(cpu->fd, KVM_GET_REGS, &regs) < 0)
		snprintf(text, size, "CPU %u", cpu->index);
	else
		snprintf(text, size, "CPU %u, %s, %s", cpu->index, activity(cpu),
			 gdb_regs_mode(&sregs, regs.rflags));
}

static void thread_info(struct gdb *g, const char *text)
{
	unsigned int index;
	char info[96];

	if (!thread_id(g, &text, &index) || index >= g->machine->nr_cpus) {
		error(g, ESRCH);
		return;
	}
	describe_cpu(&g->machine->cpus[index], info, sizeof(info));
	gdb_put_hex(&g->reply, info, strlen(info));
}

/* ---- registers ----------------------------------------------------------------- */

static void read_registers(struct gdb *g, const char *text)
{
	struct gdb_regs *r = &g->regs[0];
	u8 value[GDB_REG_MOST];
	unsigned int nr, size;
	int bad = gdb_regs_get(cpu_of(g), r);

	(void)text;
	if (bad) {
		error(g, bad);
		return;
	}
	for (nr = 0; (size = gdb_reg_read(r, g->avx, nr, value)); nr++)
		gdb_put_hex(&g->reply, value, size);
}

static void read_register(struct gdb *g, const char *text)
{
	struct gdb_regs *r = &g->regs[0];
	u8 value[GDB_REG_MOST];
	unsigned int size = 0;
	u64 nr;
	int bad = gdb_regs_get(cpu_of(g), r);

	if (!bad && gdb_number(&text, &nr) && !*text && nr <= 0xffff)
		size = gdb_reg_read(r, g->avx, nr, value);
	if (!size)
		error(g, bad ? bad : EINVAL);
	gdb_put_hex(&g->reply, value, size);
}

/* Changes one, or with @all as many as @text has. */
static int change(struct gdb *g, unsigned int nr, const char *text, bool all)
{
	struct gdb_regs *old = &g->regs[0], *r = &g->regs[1];
	u8 value[GDB_REG_MOST];
	int bad = gdb_regs_get(cpu_of(g), old);
	unsigned int size;

	if (bad)
		return bad;
	*r = *old;
	do {
		size = gdb_reg_read(r, g->avx, nr, value);
		if (!size || strlen(text) < 2 * size || !gdb_unhex(text, value, size))
			return -EINVAL;
		gdb_reg_write(r, g->avx, nr++, value);
		text += 2 * size;
	} while (*text && all);
	return *text ? -EINVAL : gdb_regs_put(cpu_of(g), old, r);
}

static void write_registers(struct gdb *g, const char *text)
{
	ok_or(g, change(g, 0, text, true));
}

static void write_register(struct gdb *g, const char *text)
{
	u64 nr;

	if (!gdb_number(&text, &nr) || nr > 0xffff || *text != '=')
		error(g, EINVAL);
	else
		ok_or(g, change(g, nr, text + 1, false));
}

/* ---- memory -------------------------------------------------------------------- */

/* ADDRESS,LENGTH and behind it @end, where *@text is then. */
static bool address_length(const char **text, char end, u64 *address, u64 *len)
{
	if (!two_numbers(text, address, len) || **text != end)
		return false;
	if (end)
		(*text)++;
	return true;
}

static void hide(void *arg, u64 gpa, u8 *bytes, u64 len)
{
	const struct gdb *g = arg;

	gdb_soft_hide(&g->breaks, gpa, bytes, len);
}

static void keep(void *arg, u64 gpa, u8 *bytes, u64 len)
{
	struct gdb *g = arg;

	(void)bytes;
	gdb_soft_keep(&g->breaks, &g->machine->memory, gpa, len);
}

static u64 copy(struct gdb *g, u64 gva, void *bytes, u64 len, bool write)
{
	struct paging_copy c = {
		.write = write, .bytes = bytes, .len = len,
		.each = write ? keep : hide, .arg = g,
	};
	u64 done;

	pthread_mutex_lock(&g->lock);
	done = paging_copy(cpu_of(g), gva, &c);
	pthread_mutex_unlock(&g->lock);
	return done;
}

static void read_memory(struct gdb *g, const char *text)
{
	u8 bytes[GDB_PACKET_MAX / 2];
	u64 address, len, done;

	if (!address_length(&text, '\0', &address, &len)) {
		error(g, EINVAL);
		return;
	}
	/* Less than was asked for is fine. */
	if (len > sizeof(bytes))
		len = sizeof(bytes);
	done = copy(g, address, bytes, len, false);
	if (len && !done)
		error(g, EFAULT);
	else
		gdb_put_hex(&g->reply, bytes, done);
}

static void store(struct gdb *g, u64 address, void *bytes, u64 len)
{
	ok_or(g, copy(g, address, bytes, len, true) == len ? 0 : EFAULT);
}

static void write_memory(struct gdb *g, const char *text)
{
	u8 bytes[GDB_PACKET_MAX / 2];
	u64 address, len;

	if (!address_length(&text, ':', &address, &len) || len > sizeof(bytes) ||
	    strlen(text) != 2 * len || !gdb_unhex(text, bytes, len))
		error(g, EINVAL);
	else
		store(g, address, bytes, len);
}

static void write_bytes(struct gdb *g, const char *text)
{
	u64 address, len;

	if (!address_length(&text, ':', &address, &len) ||
	    (size_t)(g->in.data + g->in.len - (const u8 *)text) != len)
		error(g, EINVAL);
	else
		store(g, address, (void *)text, len);
}

/* ---- breakpoints --------------------------------------------------------------- */

/* Where nothing is mapped yet (a kernel that has not begun), a debug register serves. */
static int insert_soft(struct gdb *g, u64 address)
{
	u64 gpa;
	int bad;

	if (!paging_translate(cpu_of(g), address, &gpa))
		return gdb_hard_insert(&g->breaks, GDB_BREAK_SOFT, address, 1) ? -EFAULT : 0;
	bad = gdb_soft_insert(&g->breaks, &g->machine->memory, address, gpa);
	if (!bad)
		gdb_hard_remove(&g->breaks, GDB_BREAK_SOFT, address, 1);
	return bad;
}

static bool parse_break(const char *text, u64 *kind, u64 *address, u64 *len)
{
	return gdb_number(&text, kind) && skip(&text, ',') &&
	       address_length(&text, '\0', address, len);
}

/* False: it has been answered, or an unknown kind gets the empty answer. */
static bool take_break(struct gdb *g, const char *text, u64 *kind, u64 *address, u64 *len)
{
	/* No conditions and commands were offered. */
	if (parse_break(text, kind, address, len))
		return *kind < GDB_BREAK_KINDS;
	error(g, EINVAL);
	return false;
}

static void insert_break(struct gdb *g, const char *text)
{
	u64 kind, address, len;
	int bad;

	if (!take_break(g, text, &kind, &address, &len))
		return;
	pthread_mutex_lock(&g->lock);
	if (kind == GDB_BREAK_SOFT)
		bad = insert_soft(g, address);
	else
		bad = gdb_hard_insert(&g->breaks, kind, address, len);
	pthread_mutex_unlock(&g->lock);
	ok_or(g, bad);
}

/* One that is not there may have gone with a reset of the guest. */
static void remove_break(struct gdb *g, const char *text)
{
	u64 kind, address, len;

	if (!take_break(g, text, &kind, &address, &len))
		return;
	pthread_mutex_lock(&g->lock);
	if (kind == GDB_BREAK_SOFT)
		gdb_soft_remove(&g->breaks, &g->machine->memory, address);
	gdb_hard_remove(&g->breaks, kind, address, len);
	pthread_mutex_unlock(&g->lock);
	ok_or(g, 0);
}

/* ---- going on ------------------------------------------------------------------ */

static void go(struct gdb *g, const struct gdb_action *actions)
{
	int bad = gdb_go(g, actions);

	if (bad)
		error(g, bad);
}

/* The old c and s, which may say where: an s leaves the others standing. */
static void go_from(struct gdb *g, const char *text, bool step)
{
	struct gdb_action actions[MACHINE_MAX_CPUS] = { 0 };
	struct gdb_regs *old = &g->regs[0], *r = &g->regs[1];
	struct cpu *cpu = &g->machine->cpus[g->step_thread];
	unsigned int i;
	int bad = 0;
	u64 address;

	if (*text) {
		if (!gdb_number(&text, &address) || *text)
			bad = -EINVAL;
		if (!bad)
			bad = gdb_regs_get(cpu, old);
		if (!bad) {
			*r = *old;
			r->pc = address;
			bad = gdb_regs_put(cpu, old, r);
		}
	}
	if (bad) {
		error(g, bad);
		return;
	}
	for (i = 0; i < g->machine->nr_cpus; i++)
		actions[i].what = step ? GDB_STAND : GDB_GO;
	if (step)
		actions[g->step_thread].what = GDB_STEP;
	go(g, actions);
}

static void go_on(struct gdb *g, const char *text)
{
	go_from(g, text, false);
}

static void step(struct gdb *g, const char *text)
{
	go_from(g, text, true);
}

/* C and S name a signal, which a guest has no use for. */
static void with_signal(struct gdb *g, const char *text, bool is_step)
{
	u64 nr;

	if (!gdb_number(&text, &nr) || (*text && !skip(&text, ';')))
		error(g, EINVAL);
	else
		go_from(g, text, is_step);
}

static void go_on_signal(struct gdb *g, const char *text)
{
	with_signal(g, text, false);
}

static void step_signal(struct gdb *g, const char *text)
{
	with_signal(g, text, true);
}

static void cont_offers(struct gdb *g, const char *text)
{
	(void)text;
	gdb_printf(&g->reply, "vCont;c;C;s;S;r");
}

/* One action of vCont, up to its thread. */
static bool parse_action(const char **text, struct gdb_action *action)
{
	char what = **text;
	u64 nr;

	if (!what)
		return false;
	(*text)++;
	*action = (struct gdb_action){ .what = what == 'c' || what == 'C' ? GDB_GO : GDB_STEP };
	switch (what) {
	case 'c':
	case 's':
		return true;
	case 'C':
	case 'S':
		return gdb_number(text, &nr);
	case 'r':
		return two_numbers(text, &action->from, &action->to);
	default:
		return false;
	}
}

/* Of several actions for a vCPU the first counts. */
static void cont(struct gdb *g, const char *text)
{
	struct gdb_action actions[MACHINE_MAX_CPUS] = { 0 }, action;
	bool given[MACHINE_MAX_CPUS] = { 0 };
	unsigned int i, index;

	while (skip(&text, ';')) {
		index = ALL_THREADS;
		if (!parse_action(&text, &action) ||
		    (skip(&text, ':') && !thread_id(g, &text, &index))) {
			error(g, EINVAL);
			return;
		}
		if (index == ANY_THREAD)
			index = g->thread;
		for (i = 0; i < g->machine->nr_cpus; i++) {
			if (given[i] || (index != ALL_THREADS && index != i))
				continue;
			given[i] = true;
			actions[i] = action;
		}
	}
	if (*text)
		error(g, EINVAL);
	else
		go(g, actions);
}

/* ---- the end ------------------------------------------------------------------- */

static void detach(struct gdb *g, const char *text)
{
	(void)text;
	ok_or(g, 0);
	g->hang_up = true;
}

static void kill_guest(struct gdb *g, const char *text)
{
	(void)text;
	machine_stop(g->machine, END_SIGNAL, STATUS_SIGNAL + SIGKILL,
		     "run: ended by the debugger: the guest was still running");
	g->hang_up = true;
}

static void kill_process(struct gdb *g, const char *text)
{
	kill_guest(g, text);
	ok_or(g, 0);
}

/* ---- questions ----------------------------------------------------------------- */

static void why_stopped(struct gdb *g, const char *text)
{
	(void)text;
	gdb_printf(&g->reply, "%s", g->stopped);
}

static void supported(struct gdb *g, const char *text)
{
	(void)text;
	gdb_printf(&g->reply,
		   "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;swbreak+;hwbreak+;vContSupported+;multiprocess-",
		   GDB_PACKET_MAX);
}

static void no_ack_mode(struct gdb *g, const char *text)
{
	(void)text;
	g->no_ack = true;
	ok_or(g, 0);
}

/* So that a gdb that quits leaves the guest running. */
static void attached(struct gdb *g, const char *text)
{
	(void)text;
	gdb_printf(&g->reply, "1");
}

static void description(struct gdb *g, const char *text)
{
	u64 offset, len, size = strlen(g->description);

	if (!address_length(&text, '\0', &offset, &len) || offset > size) {
		error(g, EINVAL);
		return;
	}
	if (len > sizeof(g->reply.data) - 1)
		len = sizeof(g->reply.data) - 1;
	if (len > size - offset)
		len = size - offset;
	gdb_printf(&g->reply, "%c", offset + len < size ? 'm' : 'l');
	gdb_put(&g->reply, g->description + offset, len);
}

/* ---- monitor ------------------------------------------------------------------- */

static void say(struct gdb *g, const char *text)
{
	gdb_put_hex(&g->reply, text, strlen(text));
}

static void monitor_cpus(struct gdb *g)
{
	unsigned int i;

	for (i = 0; i < g->machine->nr_cpus; i++) {
		char text[96];

		describe_cpu(&g->machine->cpus[i], text, sizeof(text));
		say(g, text);
		say(g, "\n");
	}
}

/* The main thread does it, and the vCPUs stand still before and behind it. */
static void monitor_reset(struct gdb *g)
{
	struct machine *m = g->machine;
	bool started;

	pthread_mutex_lock(&m->run_lock);
	started = m->cpus[0].started;
	pthread_mutex_unlock(&m->run_lock);
	if (!started) {
		say(g, "the guest has not been started yet: try again\n");
		return;
	}
	machine_reset(m);
	pthread_mutex_lock(&m->run_lock);
	while (atomic_load(&m->resetting) && !machine_ended(m))
		pthread_cond_wait(&m->run_cond, &m->run_lock);
	pthread_mutex_unlock(&m->run_lock);
	say(g, "the guest was reset and stands at its first instruction\n");
	say(g, "now give: maintenance flush register-cache\n");
}

static void monitor_help(struct gdb *g);

static const struct { const char *name, *help; void (*run)(struct gdb *g); } monitor[] = {
	{ "help", "this list", monitor_help },
	{ "cpus", "what the CPUs do", monitor_cpus },
	{ "reset", "resets the guest, without breakpoints in software", monitor_reset },
};

static void monitor_help(struct gdb *g)
{
	unsigned int i;
	char line[96];

	for (i = 0; i < ARRAY_SIZE(monitor); i++) {
		snprintf(line, sizeof(line), "%-7s%s\n", monitor[i].name, monitor[i].help);
		say(g, line);
	}
}

static void monitor_command(struct gdb *g, const char *text)
{
	size_t n = strlen(text) / 2;
	char name[32] = "";
	unsigned int i;

	if (n >= sizeof(name) || !gdb_unhex(text, name, n)) {
		say(g, "no such command: give monitor help\n");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(monitor); i++)
		if (!strcmp(name, monitor[i].name)) {
			monitor[i].run(g);
			return;
		}
	say(g, "no such command: give monitor help\n");
}

/* ---- all of them --------------------------------------------------------------- */

#define LONE	1	/* nothing comes behind the name */
#define ANYTIME	2	/* also while the guest runs */

/* What begins with another's name stands before it. */
static const struct {
	const char *name;
	void (*serve)(struct gdb *g, const char *rest);
	unsigned int flags;
} packets[] = {
	{ "?", why_stopped, LONE },
	{ "D", detach, 0 },
	{ "G", write_registers, 0 },
	{ "H", set_thread, 0 },
	{ "M", write_memory, 0 },
	{ "P", write_register, 0 },
	{ "QStartNoAckMode", no_ack_mode, LONE },
	{ "S", step_signal, 0 },
	{ "C", go_on_signal, 0 },
	{ "T", thread_alive, 0 },
	{ "X", write_bytes, 0 },
	{ "Z", insert_break, 0 },
	{ "c", go_on, 0 },
	{ "g", read_registers, LONE },
	{ "k", kill_guest, LONE | ANYTIME },
	{ "m", read_memory, 0 },
	{ "p", read_register, 0 },
	{ "qAttached", attached, 0 },
	{ "qC", current_thread, LONE },
	{ "qRcmd,", monitor_command, 0 },
	{ "qSupported", supported, 0 },
	{ "qThreadExtraInfo,", thread_info, 0 },
	{ "qXfer:features:read:target.xml:", description, 0 },
	{ "qfThreadInfo", first_threads, LONE },
	{ "qsThreadInfo", more_threads, LONE },
	{ "s", step, 0 },
	{ "vCont?", cont_offers, LONE },
	{ "vCont", cont, 0 },
	{ "vKill;", kill_process, ANYTIME },
	{ "z", remove_break, 0 },
};

bool gdb_serve(struct gdb *g)
{
	const char *text = (const char *)g->in.data;
	bool was_running = g->running;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(packets); i++) {
		const char *name = packets[i].name;
		size_t len = strlen(name);

		if (strncmp(text, name, len) || (packets[i].flags & LONE && text[len]))
			continue;
		if (was_running && !(packets[i].flags & ANYTIME))
			error(g, EBUSY);
		else
			packets[i].serve(g, text + len);
		break;
	}
	/* What lets the guest run is answered when it stops, a kill without a word not at all. */
	return g->reply.len || !(g->hang_up || (g->running && !was_running));
}
