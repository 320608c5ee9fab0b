// SPDX-License-Identifier: GPL-2.0
/*
 * Rows of `lodge bench exits`: the local APIC's registers and timer, interrupts that the
 * guest sends and those that the host sends.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"

#define X2APIC(reg)	(0x800 + (reg) / 16)
#define XAPIC(reg)	(0xfee00000u + (reg))
/* SDM volume 3A, table 11-1. */
#define REG_ID		0x20
#define REG_TPR		0x80
#define REG_EOI		0xb0
#define REG_ICR		0x300
#define REG_TMICT	0x380
#define REG_TMCCT	0x390
#define LVT_MASKED	0x10000
#define LVT_DEADLINE	0x40000

#define MSI_ADDRESS	0xfee00000	/* to the APIC with id 0 */
#define MSI_GSI		24
/* So many ticks away nothing comes; the CPU's own timer counts no further than to 32 bits. */
#define AHEAD		(1ull << 31)
#define FAR		(1ull << 40)

/* ---- CPU 1 -------------------------------------------------------------------- */

static bool wait_for_count(struct bench_cpu *cpu, u64 count)
{
	volatile u64 *now = &cpu->shared->count;

	while (*now != count) {
		if (cpu->vm->ending || cpu->over)
			return bench_fail(cpu->vm, "the guest's CPU %u hangs", cpu->index);
		sched_yield();
	}
	return true;
}

/* CPU 1 is there before CPU 0 sends anything to it. */
static bool start_other(struct bench_test *t, const u8 *entry, unsigned int host_cpu)
{
	struct bench_cpu *other = &t->vm.cpu[1];

	if (!bench_cpu_create(&t->vm, entry, true))
		return false;
	other->shared->apic = BENCH_APIC_X2;
	other->shared->lvtt = LVT_MASKED;
	return bench_run_thread(other, bench_host_cpu(host_cpu)) && wait_for_count(other, 1);
}

static bool other_spins(struct bench_test *t)
{
	return start_other(t, bench_guest_spin, 1);
}

static bool other_sleeps(struct bench_test *t)
{
	return start_other(t, bench_guest_sleep, 1);
}

static bool other_sleeps_here(struct bench_test *t)
{
	return start_other(t, bench_guest_sleep, 0);
}

/* CPU 0 in a thread of its own keeps to its host CPU. */
static bool nothing(struct bench_test *t)
{
	return !t->vm.failed;
}

/* ---- interrupts from the host --------------------------------------------------- */

static bool add_irqfd(struct bench_test *t)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} routing = {
		.head.nr = 1,
		.entry = {
			.gsi = MSI_GSI, .type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = MSI_ADDRESS, .data = BENCH_VECTOR },
		},
	};
	struct kvm_irqfd irqfd = { .gsi = MSI_GSI };

	t->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (t->fd < 0)
		return bench_refused(&t->vm, "eventfd");
	irqfd.fd = t->fd;
	return BENCH_IOCTL(&t->vm, t->vm.fd, KVM_SET_GSI_ROUTING, &routing) &&
	       BENCH_IOCTL(&t->vm, t->vm.fd, KVM_IRQFD, &irqfd);
}

/* Of a guest whose time can be compared with the host's. */
static bool add_irqfd_in_time(struct bench_test *t)
{
	return bench_cpu_host_time(&t->vm.cpu[0]) && add_irqfd(t);
}

static void send(struct bench_test *t)
{
	u64 one = 1;

	if (write(t->fd, &one, sizeof(one)) != sizeof(one))
		bench_refused(&t->vm, "an eventfd's write");
}

static bool wake(struct bench_test *t)
{
	struct bench_cpu *cpu = &t->vm.cpu[0];
	unsigned int i, times = t->rounds * bench_batch(t->row);

	for (i = 0; i < times; i++) {
		if (!bench_wait_asleep(cpu))
			return false;
		cpu->shared->sent = bench_now();
		send(t);
		if (!wait_for_count(cpu, i + 1))
			return false;
	}
	return true;
}

#define TAKES_IRQS	(NEEDS_X2APIC | NEEDS_IRQS)

const struct bench_row bench_rows_irq[] = {
	{
		.name = "self-ipi", .what = "self-IPI until its handler has returned",
		.code = bench_guest_self_ipi, .needs = TAKES_IRQS, .arg = { BENCH_VECTOR },
	}, {
		.name = "self-icr", .what = "the same by the ICR",
		.code = bench_guest_self_icr, .needs = TAKES_IRQS, .arg = { BENCH_VECTOR },
	}, {
		.name = "ipi-running", .what = "IPI to a CPU that runs, and one back",
		.code = bench_guest_ipi, .needs = TAKES_IRQS | NEEDS_CPUS,
		.prepare = other_spins, .beside = nothing, .lvtt = LVT_MASKED,
	}, {
		.name = "ipi-halted", .what = "IPI to a CPU that halted, and one back to one",
		.code = bench_guest_ipi_sleep, .needs = TAKES_IRQS | NEEDS_CPUS, .batch = 4,
		.prepare = other_sleeps, .beside = nothing, .lvtt = LVT_MASKED,
	}, {
		.name = "ipi-halted-here", .what = "the same, both on one CPU of the host",
		.code = bench_guest_ipi_sleep, .needs = TAKES_IRQS, .batch = 4,
		.prepare = other_sleeps_here, .beside = nothing, .lvtt = LVT_MASKED,
	}, {
		.name = "irqfd-running", .what = "OUT to user space, which signals an irqfd",
		.code = bench_guest_kick, .needs = TAKES_IRQS,
		.cap = BENCH_CAP(KVM_CAP_IRQFD), .prepare = add_irqfd, .next = send,
	}, {
		.name = "irqfd-halted", .what = "irqfd until the handler of a CPU that halted",
		.code = bench_guest_woken, .needs = TAKES_IRQS | OWN_TIME, .batch = 1,
		.cap = BENCH_CAP(KVM_CAP_VCPU_ATTRIBUTES), .prepare = add_irqfd_in_time,
		.beside = wake,
	}, {
		.name = "eoi", .what = "x2APIC EOI of an interrupt",
		.code = bench_guest_eoi, .empty = bench_guest_empty_timed,
		.needs = TAKES_IRQS | OWN_TIME,
	}, {
		.name = "eoi-nothing", .what = "x2APIC EOI with nothing in service",
		.code = bench_guest_wrmsr, .needs = NEEDS_X2APIC, .arg = { X2APIC(REG_EOI) },
	}, {
		.name = "x2apic-tpr", .what = "x2APIC TPR written",
		.code = bench_guest_wrmsr, .needs = NEEDS_X2APIC, .arg = { X2APIC(REG_TPR) },
	}, {
		.name = "x2apic-icr-read", .what = "x2APIC ICR read",
		.code = bench_guest_rdmsr, .needs = NEEDS_X2APIC, .arg = { X2APIC(REG_ICR) },
	}, {
		.name = "x2apic-timer", .what = "x2APIC initial count written",
		.code = bench_guest_wrmsr, .needs = NEEDS_X2APIC, .lvtt = LVT_MASKED,
		.arg = { X2APIC(REG_TMICT), 0xffffffff },
	}, {
		.name = "x2apic-timer-read", .what = "x2APIC current count read",
		.code = bench_guest_rdmsr, .needs = NEEDS_X2APIC, .lvtt = LVT_MASKED,
		.arg = { X2APIC(REG_TMCCT) },
	}, {
		.name = "xapic-eoi", .what = "xAPIC EOI with nothing in service",
		.code = bench_guest_store, .needs = NEEDS_XAPIC, .arg = { XAPIC(REG_EOI) },
	}, {
		.name = "xapic-tpr", .what = "xAPIC TPR written",
		.code = bench_guest_store, .needs = NEEDS_XAPIC, .arg = { XAPIC(REG_TPR) },
	}, {
		.name = "xapic-id-read", .what = "xAPIC ID read",
		.code = bench_guest_load, .needs = NEEDS_XAPIC, .arg = { XAPIC(REG_ID) },
	}, {
		.name = "xapic-timer", .what = "xAPIC initial count written",
		.code = bench_guest_store, .needs = NEEDS_XAPIC,
		.arg = { XAPIC(REG_TMICT), 0xffffffff },
	}, {
		.name = "xapic-timer-read", .what = "xAPIC current count read",
		.code = bench_guest_load, .needs = NEEDS_XAPIC, .arg = { XAPIC(REG_TMCCT) },
	}, {
		.name = "deadline", .what = "TSC deadline written",
		.code = bench_guest_deadline, .needs = NEEDS_X2APIC, .arg = { AHEAD },
		.lvtt = LVT_DEADLINE | BENCH_VECTOR,
		.cap = BENCH_CAP(KVM_CAP_TSC_DEADLINE_TIMER),
	}, {
		.name = "deadline-far", .what = "one too far for the CPU's own timer",
		.code = bench_guest_deadline, .needs = NEEDS_X2APIC, .arg = { FAR },
		.lvtt = LVT_DEADLINE | BENCH_VECTOR,
		.cap = BENCH_CAP(KVM_CAP_TSC_DEADLINE_TIMER),
	}, {
		.name = "deadline-late", .what = "TSC deadline until the handler, CPU running",
		.code = bench_guest_expiry, .needs = TAKES_IRQS | OWN_TIME,
		.arg = { 20000 }, .lvtt = LVT_DEADLINE | BENCH_VECTOR,
		.cap = BENCH_CAP(KVM_CAP_TSC_DEADLINE_TIMER),
	}, {
		.name = "deadline-late-halted", .what = "the same, CPU halted",
		.code = bench_guest_expiry, .needs = TAKES_IRQS | OWN_TIME, .batch = 4,
		.arg = { 200000, 1 }, .lvtt = LVT_DEADLINE | BENCH_VECTOR,
		.cap = BENCH_CAP(KVM_CAP_TSC_DEADLINE_TIMER),
	},
	{ .name = NULL }
};
