// SPDX-License-Identifier: GPL-2.0
/*
 * The panic device, as Linux's driver finds and uses it, and as a hostile guest does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <misc/pvpanic.h>
#include <unistd.h>

#include "devices.h"
#include "err.h"
#include "guest.h"

struct bench {
	struct machine m;
	struct cpu cpu;
	unsigned int slot;
	u64 bar;
};

static void begin(struct bench *b)
{
	fake_machine(&b->m, &b->cpu);
	fake_irqs(&b->m);
	CHECK(pci_create(&b->m));
	CHECK(!virtio_rng_create(&b->m));
	CHECK(!panic_create(&b->m));
	/* As pci_enable_device() and pcim_iomap() have it. */
	b->slot = 2;
	guest_config_write(&b->m, b->slot, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	b->bar = guest_config_read(&b->m, b->slot, PCI_BASE_ADDRESS_0, 4) &
		 PCI_BASE_ADDRESS_MEM_MASK;
}

static void end(struct bench *b)
{
	fake_free(&b->m, &b->cpu);
}

static void test_found(void)
{
	struct bench b;

	begin(&b);
	CHECK_EQ(guest_config_read(&b.m, b.slot, PCI_VENDOR_ID, 4), 0x00111b36);
	CHECK_EQ(guest_config_read(&b.m, b.slot, PCI_CLASS_REVISION, 4), 0x08800000);
	CHECK(b.bar);
	CHECK_EQ(guest_read(&b.m, b.bar, 1), PVPANIC_PANICKED | PVPANIC_CRASH_LOADED);
	CHECK_EQ(guest_read(&b.m, b.bar, 4), PVPANIC_PANICKED | PVPANIC_CRASH_LOADED);
	CHECK_EQ(guest_read(&b.m, b.bar + 1, 1), 0);
	CHECK(!machine_ended(&b.m));
	end(&b);
}

static void test_panic(void)
{
	struct bench b;

	begin(&b);
	guest_write(&b.m, b.bar, 1, PVPANIC_PANICKED);
	CHECK(machine_ended(&b.m));
	CHECK_EQ(b.m.end.kind, END_PANIC);
	CHECK_EQ(b.m.end.status, STATUS_PANIC);
	CHECK_EQ(STATUS_PANIC, 73);
	CHECK_HAS(b.m.end.text, "guest: its kernel panicked");
	end(&b);
}

/* Lines on stderr while @tell runs. */
static unsigned int lines_of(void (*tell)(struct bench *b), struct bench *b)
{
	int said[2], saved = dup(STDERR_FILENO);
	char text[4096];
	unsigned int nr = 0;
	ssize_t i, n;

	CHECK(!pipe2(said, O_NONBLOCK) && dup2(said[1], STDERR_FILENO) >= 0);
	tell(b);
	CHECK(dup2(saved, STDERR_FILENO) >= 0);
	n = read(said[0], text, sizeof(text));
	for (i = 0; i < n; i++)
		nr += text[i] == '\n';
	close(said[0]);
	close(said[1]);
	close(saved);
	return nr;
}

static void tell_crash(struct bench *b)
{
	unsigned int i;

	for (i = 0; i < 1000; i++)
		guest_write(&b->m, b->bar, 1, PVPANIC_CRASH_LOADED);
}

/* The crash kernel looks into it itself; a guest that repeats it is heard once. */
static void test_class35_crash_kernel(void)
{
	struct bench b;

	begin(&b);
	CHECK_EQ(lines_of(tell_crash, &b), 1);
	CHECK(!machine_ended(&b.m));
	fake_reset(&b.m);
	guest_config_write(&b.m, b.slot, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	CHECK_EQ(lines_of(tell_crash, &b), 1);
	guest_write(&b.m, b.bar, 1, PVPANIC_CRASH_LOADED | PVPANIC_PANICKED);
	CHECK_EQ(b.m.end.kind, END_PANIC);
	end(&b);
}

/* Events that it does not have, other registers, other sizes, all of the page. */
static void test_class39_random(void)
{
	static const unsigned int sizes[] = { 1, 2, 4, 8 };
	unsigned int i, n = rounds(20000);
	struct bench b;

	begin(&b);
	guest_write(&b.m, b.bar, 1, 0);
	guest_write(&b.m, b.bar, 1, 0xfc);
	guest_write(&b.m, b.bar + 1, 1, PVPANIC_PANICKED);
	for (i = 0; i < n; i++) {
		unsigned int size = sizes[random_below(4)];
		u64 off = random_below(PAGE_SIZE + 8), value = next_random();

		if (off == 0)
			value &= ~3ull;
		if (value >> 40 & 1)
			guest_write(&b.m, b.bar + off, size, value);
		else
			guest_read(&b.m, b.bar + off, size);
	}
	CHECK(!machine_ended(&b.m));
	guest_write(&b.m, b.bar, 8, next_random() | PVPANIC_PANICKED);
	CHECK_EQ(b.m.end.kind, END_PANIC);
	end(&b);
}

static void test_no_bus(void)
{
	struct bench b;

	fake_machine(&b.m, &b.cpu);
	CHECK_EQ(panic_create(&b.m), STATUS_HOST);
	end(&b);
}

static const struct unit units[] = {
	{ "found", test_found },
	{ "panic", test_panic },
	{ "class35_crash_kernel", test_class35_crash_kernel },
	{ "class39_random", test_class39_random },
	{ "no_bus", test_no_bus },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
