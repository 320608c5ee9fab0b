// SPDX-License-Identifier: GPL-2.0
/*
 * irqstorm - interrupts from everywhere at once. Each sender has a vector of its own
 * on each vCPU and sends the next one when the guest has counted the last, so that
 * the counts are exact: none lost, none twice. Meanwhile routes change, signals make
 * KVM_RUN return, threads move. And vCPUs that spin on too few CPUs.
 */
#include "irqsource.h"
#include "vthread.h"

#define VCPUS		2
#define MSI_VECTOR	0x41
#define LINE_VECTOR	0x52
#define MSG_FD_VECTOR	0x63
#define EDGE_FD_VECTOR	0x74
#define LEVEL_FD_VECTOR	0x85
#define IPI_VECTOR	0x96
#define END_VECTOR	0x22
#define LINE_PIN	4	/* + vCPU */
#define EDGE_PIN	8
#define LEVEL_PIN	12
#define MSG_GSI		24

enum { CALM, KICKED, MOVED, REROUTED };

static struct {
	bool x2apic, sleep;
	u64 ipis;
} setup;
static u64 the_end;

/* ---- guest ----------------------------------------------------------------------- */

static void wait_a_little(void)
{
	if (setup.sleep) {
		guest_halt();
		return;
	}
	guest_sti();
	cpu_relax();
	guest_cli();
}

/* Plays with the other vCPU as ipi.c does, while all else interrupts. */
static void guest_in_storm(u64 id)
{
	u64 *mine = guest_irqs[id], *others = guest_irqs[!id];

	if (setup.x2apic)
		guest_x2apic_enable();
	else
		guest_xapic_enable();
	guest_apic_write(APIC_LVT0, APIC_LVT_MASKED);
	for (u64 i = 0; !id && i < VCPUS; i++) {
		guest_ioapic_pin(LINE_PIN + i, i, LINE_VECTOR + i);
		guest_ioapic_pin(EDGE_PIN + i, i, EDGE_FD_VECTOR + i);
		guest_ioapic_pin(LEVEL_PIN + i, i, IOAPIC_LEVEL | (LEVEL_FD_VECTOR + i));
	}
	GUEST_SYNC(1);
	for (u64 n = 1; n <= setup.ipis; n++) {
		while (id && READ_ONCE(mine[IPI_VECTOR]) < n)
			wait_a_little();
		guest_apic_icr(!id, APIC_INT_ASSERT | IPI_VECTOR);
		while (!id && READ_ONCE(mine[IPI_VECTOR]) < n)
			wait_a_little();
		GUEST_ASSERT_EQ(READ_ONCE(mine[IPI_VECTOR]), n);
		GUEST_ASSERT(READ_ONCE(others[IPI_VECTOR]) <= n + 1);
	}
	while (!READ_ONCE(the_end))
		wait_a_little();
}

/* ---- senders ------------------------------------------------------------------------ */

struct sender {
	struct thread t;
	struct vm *vm;
	int vcpu, fd, resample;
	u64 count;
	const struct kind *kind;
};

static void by_message(struct sender *s)
{
	CHECK_EQ(signal_msi(s->vm, MSI_ADDR | s->vcpu << 12, MSI_VECTOR + s->vcpu), 1);
}

static void by_line(struct sender *s)
{
	CHECK_EQ(irq_line(s->vm, LINE_PIN + s->vcpu, 1), 1);
	CHECK(irq_line(s->vm, LINE_PIN + s->vcpu, 0) >= 0);
}

static void by_eventfd(struct sender *s)
{
	signal_eventfd(s->fd);
}

/* Also the EOI of the last one has to have come. */
static void by_level(struct sender *s)
{
	u64 n;

	signal_eventfd(s->fd);
	wait_until((n = eventfd_signals(s->resample)) > 0);
	CHECK_EQ(n, 1);
}

static const struct kind {
	const char *name;
	u8 vector;		/* + vCPU: an EOI is for all pins of its vector */
	void (*send)(struct sender *s);
	int gsi;
	u32 flags;
} kinds[] = {
	{ "message", MSI_VECTOR, by_message, -1 },
	{ "line", LINE_VECTOR, by_line, -1 },
	{ "message by eventfd", MSG_FD_VECTOR, by_eventfd, MSG_GSI },
	{ "edge by eventfd", EDGE_FD_VECTOR, by_eventfd, EDGE_PIN },
	{ "level by eventfd", LEVEL_FD_VECTOR, by_level, LEVEL_PIN, KVM_IRQFD_FLAG_RESAMPLE },
};

#define SENDERS	(VCPUS * ARRAY_SIZE(kinds))

static void *send_all(void *arg)
{
	struct sender *s = arg;
	u64 *count = &guest_var(s->vm, guest_irqs)[s->vcpu][s->kind->vector + s->vcpu];

	for (u64 n = 1; n <= s->count; n++) {
		s->kind->send(s);
		wait_until(READ_ONCE(*count) >= n);
		if (READ_ONCE(*count) != n)
			FAIL("%s to vCPU %d: expected %llu, got %llu", s->kind->name, s->vcpu,
			     (unsigned long long)n, (unsigned long long)READ_ONCE(*count));
	}
	return NULL;
}

static void start_sender(struct sender *s, struct vm *vm, u64 i, u64 count)
{
	*s = (struct sender){ .vm = vm, .vcpu = i % VCPUS, .count = count,
			      .kind = &kinds[i / VCPUS], .fd = -1 };
	if (s->kind->gsi >= 0) {
		s->fd = new_eventfd();
		s->resample = new_eventfd();
		CHECK_EQ(irqfd(vm, s->fd, s->kind->gsi + s->vcpu, s->kind->flags,
			       s->resample), 0);
	}
	thread_start(&s->t, i % nr_cpus(), send_all, s);
}

/* ---- disturbances --------------------------------------------------------------------- */

/* The same routes in another order, with a varying number of others around. */
static void change_routes(struct vm *vm, u64 round)
{
	struct routes r = { 0 };

	for (u64 i = 0; i < round % 30; i++)
		route_msi(&r, 100 + i * (1 + round % 7), MSI_ADDR, 0x30);
	if (round & 1)
		route_all_pins(&r);
	for (u64 i = 0; i < VCPUS; i++)
		route_msi(&r, MSG_GSI + i, MSI_ADDR | i << 12, MSG_FD_VECTOR + i);
	if (!(round & 1))
		route_all_pins(&r);
	CHECK_EQ(set_routes(vm, &r), 0);
}

static void move_once(struct vthread *r, u64 round)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(round % nr_cpus(), &set);
	if (r->tid)
		CHECK_EQ(sched_setaffinity(r->tid, sizeof(set), &set), 0);
}

static void disturb_once(struct vm *vm, struct vthread *r, int how, u64 round)
{
	if (how == REROUTED)
		change_routes(vm, round);
	for (int i = 0; i < VCPUS; i++)
		if (how == KICKED)
			thread_kick(&r[i].t);
		else if (how == MOVED)
			move_once(&r[i], round + i);
	sched_yield();
}

static bool all_sent(struct sender *s)
{
	for (u64 i = 0; i < SENDERS; i++)
		if (!__atomic_load_n(&s[i].t.done, __ATOMIC_ACQUIRE))
			return false;
	return true;
}

static struct vm *storm_machine(bool x2apic, bool sleep, u64 ipis)
{
	struct vm *vm;

	setup.x2apic = x2apic;
	setup.sleep = sleep;
	setup.ipis = ipis;
	vm = vm_create();
	vm_irqchip(vm);
	vm_count_irqs(vm);
	change_routes(vm, 0);
	for (u64 i = 0; i < VCPUS; i++)
		vcpu_create_started(vm, i, guest_in_storm, i);
	return vm;
}

static void end_guest(struct vm *vm, struct vthread *r)
{
	WRITE_ONCE(guest_var(vm, the_end), 1);
	for (int i = 0; i < VCPUS; i++)
		CHECK_EQ(signal_msi(vm, MSI_ADDR | i << 12, END_VECTOR), 1);
	for (int i = 0; i < VCPUS; i++)
		vthread_join(&r[i]);
}

static void expect_counts(struct vm *vm, u64 each)
{
	for (u64 i = 0; i < SENDERS; i++) {
		u64 id = i % VCPUS;

		test_doing("%s to vCPU %d", kinds[i / VCPUS].name, (int)id);
		CHECK_EQ(guest_var(vm, guest_irqs)[id][kinds[i / VCPUS].vector + id], each);
		CHECK_EQ(guest_var(vm, guest_irqs)[!id][kinds[i / VCPUS].vector + id], 0);
	}
	for (int i = 0; i < VCPUS; i++) {
		test_doing("vCPU %d", i);
		CHECK_EQ(guest_var(vm, guest_irqs)[i][IPI_VECTOR], setup.ipis);
		CHECK_EQ(guest_var(vm, guest_irqs)[i][0xff], 0);
		CHECK_EQ(guest_var(vm, guest_irqs)[i][0x30], 0);
	}
}

static void storm(bool x2apic, bool sleep, int how, u64 each)
{
	struct sender s[SENDERS];
	struct vthread r[VCPUS];
	struct vm *vm;
	u64 rounds;

	test_doing("%s, %s, %llu each", x2apic ? "x2APIC" : "xAPIC",
		   sleep ? "sleeping" : "spinning", (unsigned long long)each);
	vm = storm_machine(x2apic, sleep, 2 * each);
	/* vCPU 0 sends first, so it starts last. */
	for (int i = VCPUS - 1; i >= 0; i--) {
		vthread_start(&r[i], vm->vcpus[i], how == MOVED ? -1 : i % nr_cpus());
		vthread_wait_syncs(&r[i], 1);
	}
	for (u64 i = 0; i < SENDERS; i++)
		start_sender(&s[i], vm, i, each);
	for (rounds = 0; !all_sent(s); rounds++)
		disturb_once(vm, r, how, rounds);
	for (u64 i = 0; i < SENDERS; i++)
		thread_join(&s[i].t);
	end_guest(vm, r);
	expect_counts(vm, each);
	if (how)
		test_diag("%llu disturbances", (unsigned long long)rounds);
	vm_free(vm);
}

static void all_storms(int how, u64 each)
{
	if (kernel_is_debugging())
		each = each / 10 + 1;
	for (int x2apic = 0; x2apic < 2; x2apic++) {
		storm(x2apic, true, how, each);
		/* Who spins on a CPU that all share makes the others wait for a tick. */
		storm(x2apic, false, how, nr_cpus() > 1 ? each : each / 10 + 1);
	}
}

SUBTEST(class37_from_everywhere)
{
	all_storms(CALM, 100);
}

SUBTEST(class37_from_everywhere_to_kicked_vcpus)
{
	all_storms(KICKED, 100);
}

SUBTEST(class37_from_everywhere_to_moved_vcpus)
{
	all_storms(MOVED, 100);
}

SUBTEST(class09_eois_while_routes_change)
{
	all_storms(REROUTED, 100);
}

/* ---- more spinning vCPUs than CPUs ------------------------------------------------------ */

#define SPINNERS	4

static u64 turn, turns;

static void guest_spins_for_its_turn(u64 id)
{
	while (READ_ONCE(turn) < turns) {
		if (READ_ONCE(turn) % SPINNERS == id)
			WRITE_ONCE(turn, turn + 1);
		else
			cpu_relax();
	}
}

SUBTEST(spinning_vcpus_make_progress)
{
	struct vthread r[SPINNERS];
	struct vm *vm;

	turns = 400;
	vm = vm_create();
	vm_irqchip(vm);
	for (int i = 0; i < SPINNERS; i++)
		vcpu_create_started(vm, i, guest_spins_for_its_turn, i);
	for (int i = 0; i < SPINNERS; i++)
		vthread_start(&r[i], vm->vcpus[i], -1);
	for (int i = 0; i < SPINNERS; i++)
		vthread_join(&r[i]);
	CHECK(guest_var(vm, turn) >= turns);
}
