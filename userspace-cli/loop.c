// SPDX-License-Identifier: GPL-2.0
/*
 * The exit loop: enter the guest, see why it came back, let somebody serve it,
 * enter it again. The table below is the whole of what lodge serves; a guest's
 * ways to die are in fate.c.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "../uapi/linux/lodge.h"
#include "fate.h"
#include "loop.h"

/* What the device says of the data must lie in the pages that it shares. */
static bool io_is_sane(const struct cpu *cpu, u64 offset, u64 size, u64 count)
{
	return (size == 1 || size == 2 || size == 4) &&
	       offset <= cpu->machine->run_size &&
	       size * count <= cpu->machine->run_size - offset;
}

static bool on_io(struct cpu *cpu)
{
	struct bus *bus = &cpu->machine->ports;
	bool out = cpu->run->io.direction == KVM_EXIT_IO_OUT;
	u64 offset = cpu->run->io.data_offset;
	u32 size = cpu->run->io.size;
	u32 count = cpu->run->io.count;
	u16 port = cpu->run->io.port;
	u8 *data;

	if (!io_is_sane(cpu, offset, size, count))
		return fate_bad_run_page(cpu, "port access");
	data = (u8 *)cpu->run + offset;
	/* A string instruction brings many elements for the same port. */
	for (; count; count--, data += size) {
		if (out)
			bus_write(bus, port, data, size);
		else
			bus_read(bus, port, data, size);
	}
	return true;
}

static bool on_mmio(struct cpu *cpu)
{
	struct bus *bus = &cpu->machine->addresses;
	u64 address = cpu->run->mmio.phys_addr;
	u8 *data = cpu->run->mmio.data;
	u32 len = cpu->run->mmio.len;

	if (!len || len > sizeof(cpu->run->mmio.data))
		return fate_bad_run_page(cpu, "memory access");
	if (cpu->run->mmio.is_write)
		bus_write(bus, address, data, len);
	else
		bus_read(bus, address, data, len);
	return true;
}

static bool on_hlt(struct cpu *cpu)
{
	struct machine *m = cpu->machine;

	/* No interrupt can reach it: halted is halted for ever. */
	if (atomic_fetch_add(&m->halted, 1) + 1 == m->nr_cpus)
		machine_stop(m, END_HALT, STATUS_OK, NULL);
	return false;
}

/* A breakpoint or a step of whoever debugs the guest, who lets the CPU go on. */
static bool on_debug(struct cpu *cpu)
{
	struct machine *m = cpu->machine;

	if (!m->debug_exit)
		return fate_unserved(cpu);
	m->debug_exit(m->debug_arg, cpu);
	return true;
}

/* What serves an exit says whether the CPU is to be entered again. */
static const struct {
	const char *name;
	bool (*serve)(struct cpu *cpu);
} exits[MACHINE_EXITS] = {
	[KVM_EXIT_UNKNOWN] = { "unknown", fate_unknown },
	[KVM_EXIT_IO] = { "io", on_io },
	[KVM_EXIT_DEBUG] = { "debug", on_debug },
	[KVM_EXIT_HLT] = { "hlt", on_hlt },
	[KVM_EXIT_MMIO] = { "mmio", on_mmio },
	[KVM_EXIT_SHUTDOWN] = { "shutdown", fate_shutdown },
	[KVM_EXIT_FAIL_ENTRY] = { "fail-entry", fate_fail_entry },
	[KVM_EXIT_INTERNAL_ERROR] = { "internal-error", fate_internal_error },
};

const char *loop_exit_name(u32 reason)
{
	return reason < MACHINE_EXITS ? exits[reason].name : NULL;
}

/* Before the exit is dealt with; whoever asked for it lets the CPU go on. */
static bool on_stop(struct cpu *cpu)
{
	cpu->machine->stop_exit(cpu->machine->stop_arg, cpu);
	return true;
}

static bool serve(struct cpu *cpu)
{
	u32 reason = cpu->run->exit_reason;

	if (reason == LODGE_EXIT_STOP && cpu->machine->stop_exit)
		return on_stop(cpu);
	if (reason >= MACHINE_EXITS)
		reason = MACHINE_EXITS - 1;
	cpu->exits[reason]++;
	return exits[reason].serve ? exits[reason].serve(cpu) : fate_unserved(cpu);
}

void loop_run(struct cpu *cpu)
{
	bool go_on = true;

	while (go_on && !machine_ended(cpu->machine)) {
		if (!ioctl(cpu->fd, KVM_RUN, 0))
			go_on = serve(cpu);
		else if (errno == EINTR)	/* somebody wants something, or nobody does */
			cpu_park(cpu);
		else if (errno != EAGAIN)	/* that one: the start-up message has come */
			go_on = fate_run_error(cpu, errno);
	}
}
