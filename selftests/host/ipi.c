// SPDX-License-Identifier: GPL-2.0
/*
 * ipi - vCPUs that sleep in HLT and what wakes them: every kind of interrupt, and
 * nothing else; and games of two and more that send each other interrupts and sleep
 * in between, undisturbed, moved between CPUs, and interrupted by signals all the
 * time. One lost wake-up ends a game for ever, and the time limit tells.
 */
#include "events.h"
#include "irqsource.h"
#include "state.h"
#include "vthread.h"

#define MSI_VECTOR	0x41
#define LINE_VECTOR	0x42
#define IRQFD_VECTOR	0x43
#define TIMER_VECTOR	0x44
#define BALL		0x51
#define LINE_PIN	5
#define IRQFD_GSI	24
#define MAX_PLAYERS	8

static bool use_x2apic;

static void enable_apic(void)
{
	if (use_x2apic)
		guest_x2apic_enable();
	else
		guest_xapic_enable();
}

static u64 irqs(struct vm *vm, int id, u8 vector)
{
	return READ_ONCE(guest_var(vm, guest_irqs)[id][vector]);
}

/* A machine whose vCPU 0 takes interrupts (counted) and NMIs (recorded). */
static struct vm *machine(bool x2apic, void (*fn)(u64 arg), u64 arg)
{
	struct vm *vm;

	use_x2apic = x2apic;
	vm = vm_create();
	vm_irqchip(vm);
	vm_record_events(vm);
	vm_count_irqs(vm);
	cpuid_leaf(vm->cpuid, 1, 0)->ecx |= BIT(24);	/* TSC deadline timer */
	vcpu_long_mode(vcpu_create(vm, 0), fn, arg);
	return vm;
}

/* ---- what wakes ------------------------------------------------------------------- */

static void guest_sleeps(u64 arg)
{
	enable_apic();
	guest_ioapic_pin(LINE_PIN, 0, LINE_VECTOR);
	for (;;) {
		GUEST_SYNC(1);
		guest_halt();
	}
}

static int wake_fd;

static void by_message(struct vm *vm)
{
	CHECK_EQ(signal_msi(vm, MSI_ADDR, MSI_VECTOR), 1);
}

static void by_line(struct vm *vm)
{
	CHECK_EQ(irq_line(vm, LINE_PIN, 1), 1);
	CHECK_EQ(irq_line(vm, LINE_PIN, 0), 1);
}

static void by_irqfd(struct vm *vm)
{
	signal_eventfd(wake_fd);
}

static void by_nmi(struct vm *vm)
{
	CHECK_EQ(signal_msi(vm, MSI_ADDR, APIC_DM_NMI), 1);
}

static const struct {
	const char *name;
	void (*wake)(struct vm *vm);
	u8 vector;
} wakers[] = {
	{ "message", by_message, MSI_VECTOR }, { "line", by_line, LINE_VECTOR },
	{ "irqfd", by_irqfd, IRQFD_VECTOR }, { "NMI", by_nmi, NMI },
};

static void wake_by_all(bool x2apic)
{
	struct vm *vm = machine(x2apic, guest_sleeps, 0);
	struct routes routes = { 0 };
	struct vthread r;
	u64 n = 1;

	route_all_pins(&routes);
	route_msi(&routes, IRQFD_GSI, MSI_ADDR, IRQFD_VECTOR);
	CHECK_EQ(set_routes(vm, &routes), 0);
	wake_fd = new_eventfd();
	CHECK_EQ(irqfd(vm, wake_fd, IRQFD_GSI, 0, 0), 0);
	vthread_start(&r, vm->vcpus[0], -1);
	vthread_wait_syncs(&r, n);
	for (u64 k = 1; k <= 20; k++)
		for (u64 i = 0; i < ARRAY_SIZE(wakers); i++) {
			test_doing("%s, round %llu", wakers[i].name, (unsigned long long)k);
			vthread_wait_asleep(&r);
			wakers[i].wake(vm);
			vthread_wait_syncs(&r, ++n);
			if (wakers[i].vector == NMI)
				CHECK_EQ(READ_ONCE(guest_var(vm, guest_nr_events)), k);
			else
				CHECK_EQ(irqs(vm, 0, wakers[i].vector), k);
		}
	vthread_stop(&r);
	CHECK_EQ(get_mp_state(vm->vcpus[0]), KVM_MP_STATE_HALTED);
	vm_free(vm);
}

SUBTEST(every_interrupt_wakes)
{
	wake_by_all(false);
	wake_by_all(true);
}

static void guest_sleeps_by_timer(u64 deadline)
{
	u64 mode = deadline ? APIC_LVT_TIMER_TSCDEADLINE : APIC_LVT_TIMER_ONESHOT;
	u32 lo, hi;

	enable_apic();
	guest_apic_write(APIC_TDCR, 0xb);	/* divide by 1 */
	guest_apic_write(APIC_LVTT, mode | TIMER_VECTOR);
	for (u64 n = 1; n <= 100; n++) {
		if (deadline) {
			asm volatile("mfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
			lo += 20000;
			hi += lo < 20000;
			asm volatile("wrmsr" : : "c"(MSR_IA32_TSC_DEADLINE),
				     "a"(lo), "d"(hi) : "memory");
		} else {
			guest_apic_write(APIC_TMICT, 100000);
		}
		guest_halt();
		GUEST_ASSERT_EQ(guest_irqs[0][TIMER_VECTOR], n);
	}
}

SUBTEST(its_timer_wakes)
{
	for (int x2apic = 0; x2apic < 2; x2apic++)
		for (u64 deadline = 0; deadline < 2; deadline++) {
			struct vm *vm = machine(x2apic, guest_sleeps_by_timer, deadline);

			vcpu_expect_done(vm->vcpus[0]);
			vm_free(vm);
		}
}

/* ---- what does not wake ------------------------------------------------------------ */

/* The KVM_RUN sleeps and a signal ends it: the vCPU stays where it is. */
static void expect_halted(struct vcpu *vcpu)
{
	struct vthread r;

	vthread_start_once(&r, vcpu, -1);
	vthread_wait_asleep(&r);
	thread_kick(&r.t);
	vthread_join(&r);
	CHECK_EQ(r.ret, -EINTR);
	CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_HALTED);
}

static void guest_sleeps_deaf(u64 arg)
{
	enable_apic();
	for (u64 n = 1;; n++) {
		GUEST_SYNC(1);
		asm volatile("cli; hlt" : : : "memory");
		GUEST_ASSERT_EQ(guest_nr_events, n);
		GUEST_ASSERT_EQ(guest_irqs[0][MSI_VECTOR], n - 1);
		guest_sti();
		guest_cli();
		GUEST_ASSERT_EQ(guest_irqs[0][MSI_VECTOR], n);
	}
}

/* With interrupts disabled one that comes stays pending, and the vCPU asleep. */
SUBTEST(deaf_sleep_ends_by_nmi_only)
{
	for (int x2apic = 0; x2apic < 2; x2apic++) {
		struct vm *vm = machine(x2apic, guest_sleeps_deaf, 0);
		struct vcpu *vcpu = vm->vcpus[0];
		struct vthread r;

		vcpu_expect_sync(vcpu, 1);
		for (int i = 0; i < 3; i++) {
			expect_halted(vcpu);
			by_message(vm);
			expect_halted(vcpu);
			expect_halted(vcpu);
			CHECK_EQ(vcpu_nmi(vcpu), 0);
			vcpu_expect_sync(vcpu, 1);
		}
		/* The same while it sleeps. */
		vthread_start_once(&r, vcpu, -1);
		vthread_wait_asleep(&r);
		by_message(vm);
		vthread_wait_asleep(&r);
		by_nmi(vm);
		vthread_join(&r);
		CHECK_EQ(r.ret, 0);
		vm_free(vm);
	}
}

static void guest_sleeps_at_high_priority(u64 arg)
{
	enable_apic();
	guest_apic_write(APIC_TASKPRI, 0x50);
	GUEST_SYNC(1);
	guest_halt();
	GUEST_ASSERT_EQ(guest_irqs[0][0x60], 1);
	GUEST_ASSERT_EQ(guest_irqs[0][MSI_VECTOR], 0);
	guest_apic_write(APIC_TASKPRI, 0);
	guest_sti();
	GUEST_ASSERT_EQ(guest_irqs[0][MSI_VECTOR], 1);
}

SUBTEST(interrupt_below_the_priority_wakes_nobody)
{
	for (int x2apic = 0; x2apic < 2; x2apic++) {
		struct vm *vm = machine(x2apic, guest_sleeps_at_high_priority, 0);
		struct vcpu *vcpu = vm->vcpus[0];

		vcpu_expect_sync(vcpu, 1);
		expect_halted(vcpu);
		by_message(vm);
		expect_halted(vcpu);
		CHECK_EQ(signal_msi(vm, MSI_ADDR, 0x60), 1);
		vcpu_expect_done(vcpu);
		vm_free(vm);
	}
}

/* Nor does a line that is masked, or a message to somebody else. */
SUBTEST(interrupts_of_others_wake_nobody)
{
	struct vm *vm = machine(false, guest_sleeps, 0);
	struct vcpu *vcpu = vm->vcpus[0];
	struct routes routes = { 0 };

	route_all_pins(&routes);	/* the PICs would wake it */
	CHECK_EQ(set_routes(vm, &routes), 0);
	vcpu_expect_sync(vcpu, 1);
	expect_halted(vcpu);
	CHECK_EQ(signal_msi(vm, MSI_ADDR | 7 << 12, MSI_VECTOR), 0);
	for (int pin = 3; pin < IOAPIC_PINS; pin++)
		if (pin != LINE_PIN)
			irq_line(vm, pin, 1);
	expect_halted(vcpu);
	by_line(vm);
	vcpu_expect_sync(vcpu, 1);
}

/* ---- HLT at its edges ---------------------------------------------------------------- */

static bool eoi_after_record(struct event_frame *f)
{
	if (f->vector >= 32)
		guest_apic_eoi();
	return false;
}

/* STI lets HLT begin before an interrupt that was there already: SDM 2B, STI. */
static void guest_halts_with_one_pending(u64 id)
{
	u64 after;

	enable_apic();
	for (u64 n = 0; n < 50; n++) {
		guest_apic_icr(id, APIC_INT_ASSERT | IRQ);
		asm volatile("lea 1f(%%rip), %0\n	sti\n	hlt\n1:	cli"
			     : "=r"(after) : : "memory");
		GUEST_ASSERT_EQ(guest_nr_events, n + 1);
		GUEST_ASSERT_EQ(guest_events[n].rip, after);
	}
}

SUBTEST(pending_interrupt_ends_hlt_at_once)
{
	for (int x2apic = 0; x2apic < 2; x2apic++) {
		struct vm *vm = machine(x2apic, guest_halts_with_one_pending, 0);

		vm_record_events(vm);
		guest_var(vm, guest_on_event) = eoi_after_record;
		vcpu_expect_done(vm->vcpus[0]);
		vm_free(vm);
	}
}

/* User space may put to sleep who runs, and wake who sleeps. */
static void guest_reports(u64 arg)
{
	enable_apic();
	guest_sti();
	for (;;)
		GUEST_SYNC_VALUE(2, guest_irqs[0][MSI_VECTOR]);
}

SUBTEST(user_space_sets_the_state)
{
	struct vm *vm = machine(false, guest_reports, 0);
	struct vcpu *vcpu = vm->vcpus[0];
	struct vthread r;

	CHECK_EQ(vcpu_expect_sync(vcpu, 2), 0);
	for (u64 i = 1; i < 4; i++) {
		CHECK_EQ(set_mp_state(vcpu, KVM_MP_STATE_HALTED), 0);
		expect_halted(vcpu);
		CHECK_EQ(set_mp_state(vcpu, KVM_MP_STATE_RUNNABLE), 0);
		CHECK_EQ(vcpu_expect_sync(vcpu, 2), i - 1);
		CHECK_EQ(set_mp_state(vcpu, KVM_MP_STATE_HALTED), 0);
		vthread_start_once(&r, vcpu, -1);
		vthread_wait_asleep(&r);
		by_message(vm);
		vthread_join(&r);
		CHECK_EQ(r.ret, 0);
		CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_RUNNABLE);
		CHECK_EQ(vcpu_expect_sync(vcpu, 2), i);
	}
	vm_free(vm);
	/* One that waits, with an interrupt pending from before. */
	vm = machine(false, guest_reports, 0);
	vcpu = vm->vcpus[0];
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), 0);
	by_message(vm);
	CHECK_EQ(set_mp_state(vcpu, KVM_MP_STATE_HALTED), 0);
	vcpu_expect_sync(vcpu, 2);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), 1);
}

/* ---- games ---------------------------------------------------------------------------- */

enum { PLAIN, MOVED, KICKED };

static struct game {
	u64 players, rounds;
	bool x2apic, spin;
	int how;
} game;

static void wait_for_ball(u64 id, u64 n)
{
	u64 *balls = &guest_irqs[id][BALL];

	if (game.spin) {
		guest_sti();
		while (READ_ONCE(*balls) < n)
			cpu_relax();
		guest_cli();
	} else {
		while (READ_ONCE(*balls) < n)
			guest_halt();
	}
	GUEST_ASSERT_EQ(*balls, n);
}

/* Each waits for its interrupt and sends the next one its; 0 begins. */
static void guest_plays(u64 id)
{
	u64 next = (id + 1) % game.players;

	enable_apic();
	GUEST_SYNC(1);
	for (u64 n = 1; n <= game.rounds; n++) {
		if (id)
			wait_for_ball(id, n);
		guest_apic_icr(next, APIC_INT_ASSERT | BALL);
		if (!id)
			wait_for_ball(0, n);
	}
}

static void play(const struct game *g)
{
	struct vthread r[MAX_PLAYERS];
	u64 disturbed = 0;
	struct vm *vm;

	test_doing("%llu players, %llu rounds, %s, %s, kind %d",
		   (unsigned long long)g->players, (unsigned long long)g->rounds,
		   g->x2apic ? "x2APIC" : "xAPIC", g->spin ? "spinning" : "sleeping", g->how);
	game = *g;
	vm = machine(g->x2apic, guest_plays, 0);
	for (u64 i = 1; i < g->players; i++)
		vcpu_create_started(vm, i, guest_plays, i);
	/* All can be interrupted before the first sends. */
	for (int i = g->players - 1; i >= 0; i--) {
		vthread_start(&r[i], vm->vcpus[i], g->how == MOVED ? -1 : i % nr_cpus());
		if (i)
			vthread_wait_syncs(&r[i], 1);
	}
	if (g->how == MOVED)
		disturbed = vthreads_move_until_done(r, g->players);
	else if (g->how == KICKED)
		disturbed = vthreads_kick_until_done(r, g->players);
	else
		for (u64 i = 0; i < g->players; i++)
			vthread_join(&r[i]);
	for (u64 i = 0; i < g->players; i++)
		CHECK_EQ(irqs(vm, i, BALL), g->rounds);
	if (g->how)
		test_diag("%llu times %s", (unsigned long long)disturbed,
			  g->how == MOVED ? "moved" : "kicked");
	vm_free(vm);
}

/* Both modes of the APIC; fewer rounds with kernels that check all they do. */
static void play_both(u64 players, u64 rounds, bool spin, int how)
{
	if (kernel_is_debugging())
		rounds = rounds / 10 + 1;
	struct game g = { .players = players, .rounds = rounds, .spin = spin, .how = how };

	for (int x2apic = 0; x2apic < 2; x2apic++) {
		g.x2apic = x2apic;
		play(&g);
	}
}

/* With one CPU a spinning vCPU may last until the clock's tick. */
static u64 spin_rounds(u64 n)
{
	return nr_cpus() > 1 ? n : n / 50 + 1;
}

SUBTEST(two_sleep_between)
{
	play_both(2, 3000, false, PLAIN);
}

SUBTEST(two_spin_between)
{
	play_both(2, spin_rounds(3000), true, PLAIN);
}

SUBTEST(ring_of_eight)
{
	play_both(8, 300, false, PLAIN);
}

SUBTEST(class37_two_sleep_and_are_moved)
{
	play_both(2, 3000, false, MOVED);
}

SUBTEST(class37_two_spin_and_are_moved)
{
	play_both(2, spin_rounds(3000), true, MOVED);
}

SUBTEST(class37_two_sleep_and_are_kicked)
{
	play_both(2, 2000, false, KICKED);
}

SUBTEST(class37_two_spin_and_are_kicked)
{
	play_both(2, spin_rounds(2000), true, KICKED);
}

/* ROUNDS=n in the environment: another number. */
SUBTEST(million_rounds)
{
	const char *rounds = getenv("ROUNDS");

	struct game g = { .players = 2, .x2apic = true, .rounds = 1000000 };

	if (rounds)
		g.rounds = strtoull(rounds, NULL, 0);
	play(&g);
}
