// SPDX-License-Identifier: GPL-2.0
/*
 * irqfd - eventfds that interrupt a guest (KVM_IRQFD): as messages and through the
 * I/O APIC, level-triggered with a second eventfd that tells of the EOI, with routes
 * that change, and taken down in every order while signals are under way.
 */
#include <fcntl.h>

#include "irqsource.h"
#include "state.h"
#include "vthread.h"

#define MARK_VECTOR	0x21	/* of the lowest priority: it comes last */
#define MSG_VECTOR	0x51
#define OTHER_VECTOR	0x52
#define EDGE_VECTOR	0x61
#define LEVEL_VECTOR	0x62
#define EDGE_PIN	5
#define LEVEL_PIN	10
#define MSG_GSI		24
#define GO		KVM_IRQFD_FLAG_DEASSIGN
#define RESAMPLE	KVM_IRQFD_FLAG_RESAMPLE

static bool use_x2apic;

static void guest_sleeps(u64 arg)
{
	if (use_x2apic)
		guest_x2apic_enable();
	else
		guest_xapic_enable();
	guest_apic_write(APIC_LVT0, APIC_LVT_MASKED);
	guest_ioapic_pin(EDGE_PIN, 0, EDGE_VECTOR);
	guest_ioapic_pin(LEVEL_PIN, 0, IOAPIC_LEVEL | LEVEL_VECTOR);
	GUEST_SYNC(1);
	for (;;)
		guest_halt();
}

struct machine {
	struct vm *vm;
	struct vthread r;
};

static void set_message_route(struct vm *vm, u8 vector)
{
	struct routes routes = { 0 };

	route_all_pins(&routes);
	if (vector)
		route_msi(&routes, MSG_GSI, MSI_ADDR, vector);
	CHECK_EQ(set_routes(vm, &routes), 0);
}

/* A guest that sleeps and counts, its thread running. */
static void start(struct machine *m)
{
	struct vm *vm = vm_create();

	m->vm = vm;
	vm_irqchip(vm);
	vm_count_irqs(vm);
	set_message_route(vm, MSG_VECTOR);
	vcpu_long_mode(vcpu_create(vm, 0), guest_sleeps, 0);
	vthread_start(&m->r, vm->vcpus[0], -1);
	vthread_wait_syncs(&m->r, 1);
}

static void stop(struct machine *m)
{
	vthread_stop(&m->r);
	vm_free(m->vm);
}

static u64 irqs(struct machine *m, u8 vector)
{
	return READ_ONCE(guest_var(m->vm, guest_irqs)[0][vector]);
}

/* What had come before is delivered when this returns. */
static void settle(struct machine *m)
{
	u64 n = irqs(m, MARK_VECTOR);

	CHECK_EQ(signal_msi(m->vm, MSI_ADDR, MARK_VECTOR), 1);
	wait_until(irqs(m, MARK_VECTOR) == n + 1);
}

/* One signal, exactly one interrupt; it may come from a worker of the kernel. */
static void expect_interrupt(struct machine *m, int fd, u8 vector)
{
	u64 n = irqs(m, vector);

	signal_eventfd(fd);
	wait_until(irqs(m, vector) > n);
	settle(m);
	CHECK_EQ(irqs(m, vector), n + 1);
	CHECK_EQ(eventfd_signals(fd), 0);
}

/* ---- arguments ----------------------------------------------------------------- */

SUBTEST(capabilities)
{
	struct vm *vm = vm_create();

	CHECK_EQ(check_cap(vm, KVM_CAP_IRQFD), 1);
	CHECK_EQ(check_cap(vm, KVM_CAP_IRQFD_RESAMPLE), 1);
}

SUBTEST(class32_bad_arguments)
{
	static const u32 flags[] = { BIT(2), BIT(31), ~0u, BIT(4) | GO };
	int null = open("/dev/null", O_RDWR), fd = new_eventfd(), other = new_eventfd();
	struct vm *vm = vm_create();

	vm_irqchip(vm);
	for (u64 i = 0; i < ARRAY_SIZE(flags); i++)
		CHECK_EQ(irqfd(vm, fd, 1, flags[i], other), -EINVAL);
	CHECK_EQ(irqfd(vm, -1, 1, 0, 0), -EBADF);
	CHECK_EQ(irqfd(vm, 999, 1, 0, 0), -EBADF);
	CHECK_EQ(irqfd(vm, null, 1, 0, 0), -EINVAL);
	CHECK_EQ(irqfd(vm, vm->fd, 1, 0, 0), -EINVAL);
	CHECK_EQ(irqfd(vm, fd, 1, RESAMPLE, -1), -EBADF);
	CHECK_EQ(irqfd(vm, fd, 1, RESAMPLE, null), -EINVAL);
	CHECK_EQ(irqfd(vm, null, 1, RESAMPLE, fd), -EINVAL);
	CHECK_EQ(irqfd(vm, -1, 1, GO, 0), -EBADF);
	CHECK_EQ(irqfd(vm, null, 1, GO, 0), -EINVAL);
	CHECK_EQ(xioctl(vm->fd, KVM_IRQFD, 0), -EFAULT);
	/* What is not there may be taken away. */
	CHECK_EQ(irqfd(vm, fd, 1, GO, 0), 0);
	CHECK_EQ(irqfd(vm, fd, ~0u, GO | RESAMPLE, 0), 0);
	/* An eventfd serves one GSI of a machine. */
	CHECK_EQ(irqfd(vm, fd, 1, 0, 0), 0);
	CHECK_EQ(irqfd(vm, fd, 1, 0, 0), -EBUSY);
	CHECK_EQ(irqfd(vm, fd, 2, 0, 0), -EBUSY);
	CHECK_EQ(irqfd(vm, dup(fd), 2, 0, 0), -EBUSY);
	CHECK_EQ(irqfd(vm, fd, 2, RESAMPLE, other), -EBUSY);
	CHECK_EQ(irqfd(vm, fd, 2, GO, 0), 0);
	CHECK_EQ(irqfd(vm, fd, 2, 0, 0), -EBUSY);
	CHECK_EQ(irqfd(vm, dup(fd), 1, GO, 0), 0);
	CHECK_EQ(irqfd(vm, fd, 2, 0, 0), 0);
	CHECK_EQ(irqfd(vm, fd, 2, GO, 0), 0);
	CHECK_EQ(irqfd(vm, fd, 2, RESAMPLE, fd), 0);
	CHECK_EQ(irqfd(vm, fd, 2, GO | RESAMPLE, 999), 0);
}

/* What needs which controller. */
SUBTEST(class32_without_irqchip)
{
	int fd = new_eventfd(), other = new_eventfd();
	struct vm *vm = vm_create();

	CHECK_EQ(irqfd(vm, fd, 1, 0, 0), -EINVAL);
	CHECK_EQ(irqfd(vm, fd, 1, RESAMPLE, other), -EINVAL);
	CHECK_EQ(irqfd(vm, fd, 1, GO, 0), 0);
	CHECK_EQ(irqfd(vm, -1, 1, GO, 0), -EBADF);
	vm_free(vm);
	vm = vm_create();
	vm_split_irqchip(vm, 24);
	CHECK_EQ(irqfd(vm, fd, 1, RESAMPLE, other), -EINVAL);
	CHECK_EQ(irqfd(vm, fd, 1, 0, 0), 0);
	CHECK_EQ(irqfd(vm, fd, 1, 0, 0), -EBUSY);
	CHECK_EQ(irqfd(vm, fd, 1, GO, 0), 0);
}

/* Any number is a GSI; one without a route interrupts nobody. */
SUBTEST(class11_gsi_without_route)
{
	static const u32 gsis[] = { 100, 4095, 4096, 0x7fffffff, 0x80000000, ~0u };
	struct machine m;
	int fd = new_eventfd(), resample = new_eventfd();

	start(&m);
	for (u64 i = 0; i < ARRAY_SIZE(gsis); i++) {
		test_doing("GSI %#x", gsis[i]);
		CHECK_EQ(irqfd(m.vm, fd, gsis[i], 0, 0), 0);
		signal_eventfd(fd);
		CHECK_EQ(irqfd(m.vm, fd, gsis[i], GO, 0), 0);
		CHECK_EQ(irqfd(m.vm, fd, gsis[i], RESAMPLE, resample), 0);
		signal_eventfd(fd);
		CHECK_EQ(irqfd(m.vm, fd, gsis[i], GO, 0), 0);
		settle(&m);
	}
	CHECK_EQ(eventfd_signals(resample), 0);
	stop(&m);
}

/* ---- delivery -------------------------------------------------------------------- */

static void deliver_both_ways(void)
{
	int msg = new_eventfd(), edge = new_eventfd(), more = new_eventfd();
	struct machine m;

	start(&m);
	CHECK_EQ(irqfd(m.vm, msg, MSG_GSI, 0, 0), 0);
	CHECK_EQ(irqfd(m.vm, more, MSG_GSI, 0, 0), 0);
	CHECK_EQ(irqfd(m.vm, edge, EDGE_PIN, 0, 0), 0);
	for (int i = 0; i < 50; i++) {
		expect_interrupt(&m, msg, MSG_VECTOR);
		expect_interrupt(&m, edge, EDGE_VECTOR);
		expect_interrupt(&m, more, MSG_VECTOR);
	}
	CHECK_EQ(irqs(&m, MSG_VECTOR), 100);
	CHECK_EQ(irqs(&m, EDGE_VECTOR), 50);
	stop(&m);
}

SUBTEST(each_signal_is_one_interrupt)
{
	deliver_both_ways();
	use_x2apic = true;
	deliver_both_ways();
}

/* Many signals in one write are one. */
SUBTEST(a_write_of_any_number)
{
	static const u64 values[] = { 1, 2, 1000, 1ull << 40, ~1ull };
	int msg = new_eventfd();
	struct machine m;

	start(&m);
	CHECK_EQ(irqfd(m.vm, msg, MSG_GSI, 0, 0), 0);
	for (u64 i = 0; i < ARRAY_SIZE(values); i++) {
		CHECK_EQ(write(msg, &values[i], 8), 8);
		settle(&m);
		CHECK_EQ(irqs(&m, MSG_VECTOR), i + 1);
		CHECK_EQ(eventfd_signals(msg), 0);
	}
	stop(&m);
}

SUBTEST(signalled_before_it_is_assigned)
{
	static const u8 vectors[] = { MSG_VECTOR, EDGE_VECTOR };
	struct machine m;

	start(&m);
	for (int i = 0; i < 2; i++) {
		int fd = new_eventfd(), gsi = i ? EDGE_PIN : MSG_GSI;

		signal_eventfd(fd);
		signal_eventfd(fd);
		CHECK_EQ(irqfd(m.vm, fd, gsi, 0, 0), 0);
		wait_until(irqs(&m, vectors[i]) > 0);
		settle(&m);
		CHECK_EQ(irqs(&m, vectors[i]), 1);
		expect_interrupt(&m, fd, vectors[i]);
		CHECK_EQ(irqfd(m.vm, fd, gsi, GO, 0), 0);
		/* From now on it is an eventfd like any other, ... */
		signal_eventfd(fd);
		settle(&m);
		CHECK_EQ(irqs(&m, vectors[i]), 2);
		/* ... and what it counted meanwhile is not lost. */
		CHECK_EQ(irqfd(m.vm, fd, gsi, 0, 0), 0);
		wait_until(irqs(&m, vectors[i]) == 3);
	}
	stop(&m);
}

SUBTEST(a_hundred)
{
	struct routes *routes = calloc(1, sizeof(*routes) + 100 * sizeof(routes->entry[0]));
	struct machine m;
	int fd[100];

	start(&m);
	for (int i = 0; i < 100; i++) {
		fd[i] = new_eventfd();
		route_msi(routes, 1000 + i * 30, MSI_ADDR, 0x70 + i);
		CHECK_EQ(irqfd(m.vm, fd[i], 1000 + i * 30, 0, 0), 0);
	}
	CHECK_EQ(set_routes(m.vm, routes), 0);
	for (int i = 0; i < 300; i++)
		signal_eventfd(fd[i * 37 % 100]);
	settle(&m);
	for (int i = 0; i < 100; i++)
		CHECK(irqs(&m, 0x70 + i) >= 1);
	for (int i = 0; i < 100; i++)
		expect_interrupt(&m, fd[i], 0x70 + i);
	stop(&m);
}

/* ---- routes that change ------------------------------------------------------------ */

SUBTEST(a_new_route_counts_at_once)
{
	int fd = new_eventfd();
	struct machine m;

	start(&m);
	CHECK_EQ(irqfd(m.vm, fd, MSG_GSI, 0, 0), 0);
	for (u64 i = 1; i <= 10; i++) {
		set_message_route(m.vm, MSG_VECTOR);
		expect_interrupt(&m, fd, MSG_VECTOR);
		set_message_route(m.vm, OTHER_VECTOR);
		expect_interrupt(&m, fd, OTHER_VECTOR);
		set_message_route(m.vm, 0);
		signal_eventfd(fd);
		CHECK_EQ(irqfd(m.vm, fd, MSG_GSI, GO, 0), 0);	/* waits for workers */
		settle(&m);
		CHECK_EQ(irqs(&m, MSG_VECTOR), i);
		CHECK_EQ(irqs(&m, OTHER_VECTOR), i);
		CHECK_EQ(irqfd(m.vm, fd, MSG_GSI, 0, 0), 0);
	}
	stop(&m);
}

struct signaller {
	struct thread t;
	struct machine *m;
	int fd;
	u64 count;
};

/* Signals, and waits for each to arrive as the one or as the other. */
static void *signal_and_wait(void *arg)
{
	struct signaller *s = arg;

	for (u64 n = 1; n <= s->count; n++) {
		signal_eventfd(s->fd);
		wait_until(irqs(s->m, MSG_VECTOR) + irqs(s->m, OTHER_VECTOR) >= n);
		CHECK_EQ(irqs(s->m, MSG_VECTOR) + irqs(s->m, OTHER_VECTOR), n);
	}
	return NULL;
}

SUBTEST(class32_routes_change_under_fire)
{
	struct signaller s = { .count = 500 };
	struct machine m;
	u64 changes = 0;

	start(&m);
	s.m = &m;
	s.fd = new_eventfd();
	CHECK_EQ(irqfd(m.vm, s.fd, MSG_GSI, 0, 0), 0);
	thread_start(&s.t, nr_cpus() - 1, signal_and_wait, &s);
	while (!__atomic_load_n(&s.t.done, __ATOMIC_ACQUIRE))
		set_message_route(m.vm, ++changes & 1 ? OTHER_VECTOR : MSG_VECTOR);
	thread_join(&s.t);
	settle(&m);
	CHECK_EQ(irqs(&m, MSG_VECTOR) + irqs(&m, OTHER_VECTOR), s.count);
	test_diag("%llu changes", (unsigned long long)changes);
	stop(&m);
}

/* ---- level-triggered, with resampling ------------------------------------------------ */

static void wait_signal(int fd)
{
	u64 n;

	wait_until((n = eventfd_signals(fd)) > 0);
	CHECK_EQ(n, 1);
}

SUBTEST(eoi_signals_and_lowers_the_line)
{
	int fd = new_eventfd(), resample = new_eventfd();
	struct machine m;

	start(&m);
	CHECK_EQ(irqfd(m.vm, fd, LEVEL_PIN, RESAMPLE, resample), 0);
	CHECK_EQ(eventfd_signals(resample), 0);
	for (u64 i = 1; i <= 50; i++) {
		signal_eventfd(fd);
		wait_signal(resample);
		settle(&m);
		CHECK_EQ(irqs(&m, LEVEL_VECTOR), i);
	}
	CHECK_EQ(eventfd_signals(resample), 0);
	stop(&m);
}

static bool line_is_high(struct vm *vm, int pin)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	CHECK_EQ(xioctl(vm->fd, KVM_GET_IRQCHIP, (uintptr_t)&chip), 0);
	return chip.chip.ioapic.irr & BIT(pin);
}

/* Without EOI the line stays up: no second interrupt, no signal. */
SUBTEST(level_stays_until_eoi)
{
	int fd = new_eventfd(), resample = new_eventfd();
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct machine m;

	start(&m);
	guest_var(m.vm, guest_irq_no_eoi)[LEVEL_VECTOR] = 1;
	CHECK_EQ(irqfd(m.vm, fd, LEVEL_PIN, RESAMPLE, resample), 0);
	signal_eventfd(fd);
	wait_until(irqs(&m, LEVEL_VECTOR) == 1);
	signal_eventfd(fd);
	CHECK_EQ(xioctl(m.vm->fd, KVM_GET_IRQCHIP, (uintptr_t)&chip), 0);
	CHECK(chip.chip.ioapic.irr & BIT(LEVEL_PIN));
	CHECK(chip.chip.ioapic.redirtbl[LEVEL_PIN].fields.remote_irr);
	CHECK_EQ(eventfd_signals(resample), 0);
	/* Taken away it lowers the line, and signals nothing. */
	CHECK_EQ(irqfd(m.vm, fd, LEVEL_PIN, GO, 0), 0);
	CHECK(!line_is_high(m.vm, LEVEL_PIN));
	CHECK_EQ(eventfd_signals(resample), 0);
	CHECK_EQ(irqs(&m, LEVEL_VECTOR), 1);
	stop(&m);
}

SUBTEST(several_share_a_level)
{
	int fd[3], resample[3];
	struct machine m;

	start(&m);
	for (int i = 0; i < 3; i++) {
		fd[i] = new_eventfd();
		resample[i] = new_eventfd();
		CHECK_EQ(irqfd(m.vm, fd[i], LEVEL_PIN, RESAMPLE, resample[i]), 0);
	}
	/* All are told, whoever it was. */
	for (u64 k = 1; k <= 30; k++) {
		signal_eventfd(fd[k % 3]);
		for (int i = 0; i < 3; i++)
			wait_signal(resample[i]);
		settle(&m);
		CHECK_EQ(irqs(&m, LEVEL_VECTOR), k);
	}
	CHECK_EQ(irqfd(m.vm, fd[0], LEVEL_PIN, GO, 0), 0);
	signal_eventfd(fd[0]);
	signal_eventfd(fd[1]);
	wait_signal(resample[1]);
	wait_signal(resample[2]);
	settle(&m);
	CHECK_EQ(eventfd_signals(resample[0]), 0);
	CHECK_EQ(irqs(&m, LEVEL_VECTOR), 31);
	stop(&m);
}

/* Closed, it is taken away when the kernel comes to it, and the line falls. */
SUBTEST(closing_lowers_the_line)
{
	int fd = new_eventfd(), resample = new_eventfd();
	struct machine m;

	start(&m);
	guest_var(m.vm, guest_irq_no_eoi)[LEVEL_VECTOR] = 1;
	CHECK_EQ(irqfd(m.vm, fd, LEVEL_PIN, RESAMPLE, resample), 0);
	signal_eventfd(fd);
	wait_until(irqs(&m, LEVEL_VECTOR) == 1);
	CHECK(line_is_high(m.vm, LEVEL_PIN));
	close(fd);
	wait_until(!line_is_high(m.vm, LEVEL_PIN));
	CHECK_EQ(eventfd_signals(resample), 0);
	stop(&m);
}

/* An edge is served when its interrupt ends, as a level is; who has another pin is not told. */
SUBTEST(eoi_of_an_edge_signals)
{
	int fd[2], resample[2];
	struct machine m;

	start(&m);
	for (int i = 0; i < 2; i++) {
		fd[i] = new_eventfd();
		resample[i] = new_eventfd();
		CHECK_EQ(irqfd(m.vm, fd[i], i ? LEVEL_PIN : EDGE_PIN, RESAMPLE, resample[i]), 0);
	}
	for (u64 i = 1; i <= 20; i++) {
		signal_eventfd(fd[0]);
		wait_signal(resample[0]);
		settle(&m);
		CHECK_EQ(irqs(&m, EDGE_VECTOR), i);
		CHECK_EQ(eventfd_signals(resample[1]), 0);
		signal_eventfd(fd[1]);
		wait_signal(resample[1]);
		settle(&m);
		CHECK_EQ(irqs(&m, LEVEL_VECTOR), i);
		CHECK_EQ(eventfd_signals(resample[0]), 0);
	}
	stop(&m);
}

/* User space holds the same line up: the interrupt comes again after each EOI. */
SUBTEST(level_shared_with_user_space)
{
	int fd = new_eventfd(), resample = new_eventfd();
	struct machine m;
	u64 n;

	start(&m);
	CHECK_EQ(irqfd(m.vm, fd, LEVEL_PIN, RESAMPLE, resample), 0);
	CHECK(irq_line(m.vm, LEVEL_PIN, 1) >= 0);
	wait_until(irqs(&m, LEVEL_VECTOR) >= 20);
	signal_eventfd(fd);
	wait_until(eventfd_signals(resample) > 0);
	n = irqs(&m, LEVEL_VECTOR);
	wait_until(irqs(&m, LEVEL_VECTOR) >= n + 20);
	CHECK(irq_line(m.vm, LEVEL_PIN, 0) >= 0);
	settle(&m);
	settle(&m);		/* one may have been pending behind the first */
	n = irqs(&m, LEVEL_VECTOR);
	eventfd_signals(resample);
	signal_eventfd(fd);
	wait_signal(resample);
	settle(&m);
	CHECK_EQ(irqs(&m, LEVEL_VECTOR), n + 1);
	stop(&m);
}

/* ---- the end ------------------------------------------------------------------------- */

struct fire {
	struct thread t;
	int fd[2];
	bool stop;
	u64 signals;
};

/* Signals through descriptors of its own, whatever becomes of the others. */
static void *keep_firing(void *arg)
{
	struct fire *f = arg;
	u64 one = 1;

	while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE)) {
		for (int i = 0; i < 2; i++)
			/* Full, when nobody reads it any more. */
			if (write(f->fd[i], &one, 8) != 8)
				CHECK_EQ(errno, EAGAIN);
		__atomic_add_fetch(&f->signals, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

enum { CLOSE_FDS, DEASSIGN, END_VCPU, CLOSE_VM, STEPS };

static void one_step(struct machine *m, int step, const int *fd, const int *gsi)
{
	if (step == CLOSE_FDS) {
		close(fd[0]);
		close(fd[1]);
	} else if (step == DEASSIGN) {
		/* With the descriptor or the machine gone there is nothing to do. */
		for (int i = 0; i < 2; i++)
			irqfd(m->vm, fd[i], gsi[i], GO, 0);
	} else if (step == END_VCPU) {
		vthread_stop(&m->r);
		munmap(m->vm->vcpus[0]->run, m->vm->mmap_size);
		close(m->vm->vcpus[0]->fd);
	} else {
		close(m->vm->fd);
	}
}

/* @fire_ends: the only other descriptors of the eventfds are closed before all. */
static void take_down(const int *order, bool fire_ends)
{
	const int gsi[2] = { MSG_GSI, EDGE_PIN };
	struct fire f = { 0 };
	struct machine m;
	int fd[2];

	start(&m);
	for (int i = 0; i < 2; i++) {
		fd[i] = new_eventfd();
		f.fd[i] = dup(fd[i]);
		CHECK_EQ(irqfd(m.vm, fd[i], gsi[i], 0, 0), 0);
	}
	thread_start(&f.t, nr_cpus() - 1, keep_firing, &f);
	wait_until(irqs(&m, MSG_VECTOR) > 2 && irqs(&m, EDGE_VECTOR) > 2);
	for (int i = 0; i <= STEPS; i++) {
		if (i == (fire_ends ? 0 : STEPS)) {
			__atomic_store_n(&f.stop, true, __ATOMIC_RELEASE);
			thread_join(&f.t);
			close(f.fd[0]);
			close(f.fd[1]);
		}
		if (i < STEPS)
			one_step(&m, order[i], fd, gsi);
	}
	for (int i = 0; i < m.vm->nr_regions; i++)
		munmap(m.vm->regions[i].hva, m.vm->regions[i].size);
	close(m.vm->dev_fd);
}

SUBTEST(class32_taken_down_in_every_order)
{
	for (int code = 0; code < STEPS * STEPS * STEPS * STEPS; code++) {
		int order[STEPS], seen = 0;

		for (int i = 0, c = code; i < STEPS; i++, c /= STEPS) {
			order[i] = c % STEPS;
			seen |= 1 << order[i];
		}
		if (seen != (1 << STEPS) - 1)
			continue;	/* not a permutation */
		test_doing("order %d %d %d %d", order[0], order[1], order[2], order[3]);
		take_down(order, false);
		take_down(order, true);
	}
}

/* Assigned and taken away all the time while signals come. */
SUBTEST(class32_comes_and_goes_under_fire)
{
	const int gsi[2] = { MSG_GSI, EDGE_PIN };
	struct fire f = { 0 };
	struct machine m;
	u64 n;

	start(&m);
	for (int i = 0; i < 2; i++)
		f.fd[i] = new_eventfd();
	thread_start(&f.t, nr_cpus() - 1, keep_firing, &f);
	for (int k = 0; k < 60; k++)
		for (int i = 0; i < 2; i++) {
			CHECK_EQ(irqfd(m.vm, f.fd[i], gsi[i], 0, 0), 0);
			n = irqs(&m, MSG_VECTOR) + irqs(&m, EDGE_VECTOR);
			wait_until(irqs(&m, MSG_VECTOR) + irqs(&m, EDGE_VECTOR) > n);
			CHECK_EQ(irqfd(m.vm, f.fd[i], gsi[i], GO, 0), 0);
			/* Not one more after that. */
			settle(&m);
			n = irqs(&m, MSG_VECTOR) + irqs(&m, EDGE_VECTOR);
			settle(&m);
			CHECK_EQ(irqs(&m, MSG_VECTOR) + irqs(&m, EDGE_VECTOR), n);
		}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELEASE);
	thread_join(&f.t);
	stop(&m);
}

SUBTEST(class32_resampling_comes_and_goes_under_fire)
{
	int resample[2] = { new_eventfd(), new_eventfd() };
	struct fire f = { 0 };
	struct machine m;

	start(&m);
	for (int i = 0; i < 2; i++)
		f.fd[i] = new_eventfd();
	thread_start(&f.t, nr_cpus() - 1, keep_firing, &f);
	for (int k = 0; k < 40; k++) {
		u64 n = irqs(&m, LEVEL_VECTOR);

		for (int i = 0; i < 2; i++)
			CHECK_EQ(irqfd(m.vm, f.fd[i], LEVEL_PIN, RESAMPLE, resample[i]), 0);
		wait_until(irqs(&m, LEVEL_VECTOR) > n);
		wait_until(eventfd_signals(resample[0]) > 0);
		for (int i = 0; i < 2; i++)
			CHECK_EQ(irqfd(m.vm, f.fd[i ^ (k & 1)], LEVEL_PIN, GO, 0), 0);
		settle(&m);
	}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELEASE);
	thread_join(&f.t);
	stop(&m);
}
