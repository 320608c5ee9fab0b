// SPDX-License-Identifier: GPL-2.0
/*
 * The PCI bus, seen from the guest: configuration space, BARs that move, lines and MSI-X,
 * with virtio-rng as the device.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <sys/eventfd.h>

#include "devices.h"
#include "err.h"
#include "guest.h"
#include "virtio.h"

#define MEMORY_SIZE	(4 * MIB)

struct bench {
	struct machine m;
	struct cpu cpu;
	struct fake_irqs *irqs;
	struct guest_virtio v;
};

static int reset_writes, last_reset_value;

/* In the place of the platform's. */
void pm_reset_write(struct machine *m, u8 value)
{
	(void)m;
	reset_writes++;
	last_reset_value = value;
}

static void bench_open(struct bench *b, unsigned int nr_rng)
{
	memset(b, 0, sizeof(*b));
	fake_machine(&b->m, &b->cpu);
	fake_memory(&b->m, MEMORY_SIZE);
	b->irqs = fake_irqs(&b->m);
	CHECK(pci_create(&b->m));
	for (; nr_rng; nr_rng--)
		CHECK(!virtio_rng_create(&b->m));
}

static void bench_close(struct bench *b)
{
	fake_free(&b->m, &b->cpu);
}

static struct pci_device *device(struct bench *b, unsigned int slot)
{
	return b->m.pci->slot[slot];
}

static u32 config(struct bench *b, unsigned int slot, unsigned int off, unsigned int size)
{
	return guest_config_read(&b->m, slot, off, size);
}

static void set_config(struct bench *b, unsigned int slot, unsigned int off,
		       unsigned int size, u32 value)
{
	guest_config_write(&b->m, slot, off, size, value);
}

/* ---- mechanism 1 --------------------------------------------------------- */

static u32 port_read(struct bench *b, u64 port, unsigned int size)
{
	u32 value = 0;

	bus_read(&b->m.ports, port, &value, size);
	return value;
}

static void port_write(struct bench *b, u64 port, u32 value, unsigned int size)
{
	bus_write(&b->m.ports, port, &value, size);
}

static void test_ports(void)
{
	struct bench b;

	bench_open(&b, 1);
	/* As Linux looks for it. */
	port_write(&b, 0xcfb, 0x01, 1);
	port_write(&b, 0xcf8, 0x80000000, 4);
	CHECK_EQ(port_read(&b, 0xcf8, 4), 0x80000000);
	CHECK_EQ(port_read(&b, 0xcfc, 4), 0x00081b36);
	/* Bytes and words of a register, and no address but as a whole. */
	CHECK_EQ(port_read(&b, 0xcfd, 1), 0x1b);
	CHECK_EQ(port_read(&b, 0xcfe, 2), 0x0008);
	CHECK_EQ(port_read(&b, 0xcfd, 2), 0x081b);
	port_write(&b, 0xcf8, 0xff, 1);
	port_write(&b, 0xcfa, 0xffff, 2);
	CHECK_EQ(port_read(&b, 0xcf8, 4), 0x80000000);
	CHECK_EQ(port_read(&b, 0xcf8, 2), 0xffff);
	/* The byte in its middle is the reset port. */
	reset_writes = 0;
	port_write(&b, 0xcf9, 0x06, 1);
	CHECK_EQ(reset_writes, 1);
	CHECK_EQ(last_reset_value, 0x06);
	port_write(&b, 0xcf9, 0x0e06, 2);
	CHECK_EQ(reset_writes, 1);
	/* Off, another bus, another function, an empty slot. */
	port_write(&b, 0xcf8, 0x00000000, 4);
	CHECK_EQ(port_read(&b, 0xcfc, 4), 0xffffffff);
	port_write(&b, 0xcf8, 0x80010000, 4);
	CHECK_EQ(port_read(&b, 0xcfc, 4), 0xffffffff);
	port_write(&b, 0xcf8, 0x80000100, 4);
	CHECK_EQ(port_read(&b, 0xcfc, 4), 0xffffffff);
	CHECK_EQ(config(&b, 2, 0, 4), 0xffffffff);
	CHECK_EQ(config(&b, 31, 0, 4), 0xffffffff);
	bench_close(&b);
}

static void test_headers(void)
{
	struct bench b;

	bench_open(&b, 1);
	CHECK_EQ(config(&b, 0, PCI_CLASS_DEVICE, 2), 0x0600);
	CHECK_EQ(config(&b, 0, PCI_HEADER_TYPE, 1), 0);
	CHECK_EQ(config(&b, 0, PCI_INTERRUPT_PIN, 1), 0);
	CHECK_EQ(config(&b, 1, PCI_VENDOR_ID, 4), 0x10441af4);
	CHECK_EQ(config(&b, 1, PCI_REVISION_ID, 1), 1);
	CHECK_EQ(config(&b, 1, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x10441af4);
	CHECK_EQ(config(&b, 1, PCI_HEADER_TYPE, 1), 0);
	CHECK_EQ(config(&b, 1, PCI_COMMAND, 2), 0);
	CHECK_EQ(config(&b, 1, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	CHECK_EQ(config(&b, 1, PCI_INTERRUPT_PIN, 1), 1);
	CHECK_EQ(config(&b, 1, PCI_INTERRUPT_LINE, 1), IRQ_PCI(1, 0));
	bench_close(&b);
}

/* The bits that a guest may change: nothing but these. */
static void test_writable_bits(void)
{
	static const struct { unsigned int off; u32 bits; } t[] = {
		{ PCI_COMMAND, 0x0546 },
		{ PCI_CACHE_LINE_SIZE, 0xff },
		{ PCI_BASE_ADDRESS_0, 0xffffc000 }, { PCI_BASE_ADDRESS_1, 0xffffffff },
		{ PCI_BASE_ADDRESS_2, 0xfffff000 }, { PCI_BASE_ADDRESS_3, 0xffffffff },
		{ PCI_INTERRUPT_LINE, 0xff },
	};
	unsigned int off, i;
	struct bench b;
	u32 bits, old;

	bench_open(&b, 1);
	for (off = 0; off < PCI_STD_HEADER_SIZEOF; off += 4) {
		old = config(&b, 1, off, 4);
		set_config(&b, 1, off, 4, ~old);
		for (i = 0, bits = 0; i < ARRAY_SIZE(t); i++)
			if (t[i].off == off)
				bits = t[i].bits;
		CHECK_EQ(config(&b, 1, off, 4) ^ old, bits);
		set_config(&b, 1, off, 4, old);
		set_config(&b, 0, off, 4, ~config(&b, 0, off, 4));
	}
	/* The bridge has none of its own but these. */
	CHECK_EQ(config(&b, 0, PCI_COMMAND, 2), 0x0546);
	CHECK_EQ(config(&b, 0, PCI_BASE_ADDRESS_0, 4), 0);
	CHECK_EQ(config(&b, 0, PCI_INTERRUPT_LINE, 1), 0);
	bench_close(&b);
}

/* Only what may change does, whatever is written in whatever width. */
static void test_config_sweep(void)
{
	static const unsigned int sizes[] = { 1, 2, 4 };
	unsigned int i, slot, off;
	struct pci_device *dev;
	struct bench b;

	bench_open(&b, 2);
	for (i = 0; i < rounds(20000); i++) {
		unsigned int size = sizes[random_below(3)];
		u32 value = random_below(4) ? next_random() : random_below(2) ? 0 : ~0u;

		slot = random_below(4);
		off = random_below(256) & -size;
		if (random_below(2))
			set_config(&b, slot, off, size, value);
		else
			config(&b, slot, off, size);
		port_write(&b, PORT_PCI_ADDRESS + random_below(5), next_random(), size);
		guest_read(&b.m, PLATFORM_PCI_BASE + random_below(16 * PAGE_SIZE), size);
	}
	for (slot = 0; slot < 3; slot++) {
		dev = device(&b, slot);
		for (off = 0; off < PCI_CONFIG_SIZE; off++)
			CHECK_EQ((dev->config[off] ^ dev->birth[off]) & ~dev->writable[off] &
				 ~(off == PCI_STATUS ? PCI_STATUS_INTERRUPT : 0), 0);
	}
	/* And a reset takes all back. */
	fake_reset(&b.m);
	for (slot = 0; slot < 3; slot++)
		CHECK(!memcmp(device(&b, slot)->config, device(&b, slot)->birth,
			      PCI_CONFIG_SIZE));
	CHECK_EQ(port_read(&b, PORT_PCI_ADDRESS, 4), 0);
	bench_close(&b);
}

/* ---- BARs ---------------------------------------------------------------- */

static void test_bar_sizes(void)
{
	u64 home[2][2], size[2][2];
	unsigned int i, j;
	struct bench b;

	bench_open(&b, 2);
	for (i = 0; i < 2; i++) {
		for (j = 0; j < 2; j++) {
			unsigned int reg = PCI_BASE_ADDRESS_0 + 8 * j;
			u32 low = config(&b, i + 1, reg, 4), high = config(&b, i + 1, reg + 4, 4);

			CHECK_EQ(low & 15, PCI_BASE_ADDRESS_MEM_TYPE_64);
			set_config(&b, i + 1, reg, 4, ~0u);
			set_config(&b, i + 1, reg + 4, 4, ~0u);
			size[i][j] = -((u64)config(&b, i + 1, reg + 4, 4) << 32 |
				       (config(&b, i + 1, reg, 4) & ~15u));
			set_config(&b, i + 1, reg, 4, low);
			set_config(&b, i + 1, reg + 4, 4, high);
			home[i][j] = (u64)high << 32 | (low & ~15u);
			CHECK(home[i][j] >= PLATFORM_PCI_BASE);
			CHECK(home[i][j] + size[i][j] <= PLATFORM_PCI_END);
			CHECK_EQ(home[i][j] % size[i][j], 0);
		}
		CHECK_EQ(size[i][0], 4 * PAGE_SIZE);
		CHECK_EQ(size[i][1], PAGE_SIZE);
		/* The third is not there. */
		set_config(&b, i + 1, PCI_BASE_ADDRESS_4, 4, ~0u);
		CHECK_EQ(config(&b, i + 1, PCI_BASE_ADDRESS_4, 4), 0);
	}
	CHECK(home[0][0] + size[0][0] <= home[0][1] && home[0][1] + size[0][1] <= home[1][0]);
	bench_close(&b);
}

static bool answers(struct bench *b, u64 bar)
{
	return guest_read(&b->m, bar + VIRTIO_PCI_COMMON_NUMQ, 2) == 1;
}

static void test_bar_moves(void)
{
	u64 there = 0xd0000000;
	struct bench b;

	bench_open(&b, 1);
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 0, &b.v));
	CHECK(answers(&b, b.v.bar));
	set_config(&b, 1, PCI_COMMAND, 2, 0);
	CHECK(!answers(&b, b.v.bar));
	CHECK_EQ(guest_read(&b.m, b.v.bar, 4), 0xffffffff);
	set_config(&b, 1, PCI_BASE_ADDRESS_0, 4, there);
	set_config(&b, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	CHECK(!answers(&b, b.v.bar));
	CHECK(answers(&b, there));
	CHECK_EQ(guest_read(&b.m, there + 4 * PAGE_SIZE, 4), 0xffffffff);
	/* Over its end, byte by byte. */
	CHECK_EQ(guest_read(&b.m, there - 2, 4), 0x0000ffff);
	/* The window's last pages, and beyond. */
	set_config(&b, 1, PCI_BASE_ADDRESS_0, 4, PLATFORM_PCI_END - 4 * PAGE_SIZE);
	CHECK(answers(&b, PLATFORM_PCI_END - 4 * PAGE_SIZE));
	set_config(&b, 1, PCI_BASE_ADDRESS_0, 4, PLATFORM_PCI_END);
	CHECK_EQ(pci_bar_address(device(&b, 1), 0), 0);
	set_config(&b, 1, PCI_BASE_ADDRESS_0, 4, 0x1000000);
	CHECK_EQ(pci_bar_address(device(&b, 1), 0), 0);
	set_config(&b, 1, PCI_BASE_ADDRESS_0, 4, there);
	set_config(&b, 1, PCI_BASE_ADDRESS_1, 4, 1);
	CHECK_EQ(pci_bar_address(device(&b, 1), 0), 0);
	CHECK(!answers(&b, there));
	bench_close(&b);
}

static void test_full_bus(void)
{
	struct bench b;
	unsigned int i;

	bench_open(&b, 0);
	b.irqs->fail_adds = 1;
	CHECK_EQ(virtio_rng_create(&b.m), STATUS_HOST);
	CHECK_EQ(config(&b, 1, 0, 4), 0xffffffff);
	for (i = 1; i < PCI_SLOTS; i++)
		CHECK_EQ(virtio_rng_create(&b.m), 0);
	CHECK_EQ(virtio_rng_create(&b.m), STATUS_USAGE);
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 30, &b.v));
	CHECK(!guest_find(&b.m, VIRTIO_ID_RNG, 31, &b.v));
	bench_close(&b);
}

static void test_no_bus(void)
{
	struct machine m;
	struct cpu cpu;

	fake_machine(&m, &cpu);
	fake_memory(&m, MEMORY_SIZE);
	CHECK_EQ(virtio_rng_create(&m), STATUS_HOST);
	CHECK(pci_create(&m));
	/* Nor is a bus without interrupts of use. */
	CHECK_EQ(virtio_rng_create(&m), STATUS_HOST);
	CHECK(!pci_create(&m));
	CHECK_EQ(guest_config_read(&m, 0, PCI_CLASS_DEVICE, 2), 0x0600);
	fake_free(&m, &cpu);
}

/* ---- interrupts ---------------------------------------------------------- */

static void test_line(void)
{
	unsigned int pin = IRQ_PCI(2, 0);
	struct bench b;

	bench_open(&b, 2);
	pci_line(device(&b, 2), true);
	CHECK(fake_high(b.irqs, pin));
	CHECK(!fake_high(b.irqs, IRQ_PCI(1, 0)));
	CHECK(config(&b, 2, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	CHECK(!(config(&b, 1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT));
	/* Kept off the wire: the status bit says what is behind. */
	set_config(&b, 2, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	CHECK(!fake_high(b.irqs, pin));
	CHECK(config(&b, 2, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	set_config(&b, 2, PCI_COMMAND, 2, 0);
	CHECK(fake_high(b.irqs, pin));
	/* MSI-X takes its place. */
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 1, &b.v));
	guest_msix(&b.v, true);
	CHECK(!fake_high(b.irqs, pin));
	guest_msix(&b.v, false);
	CHECK(fake_high(b.irqs, pin));
	pci_line(device(&b, 2), false);
	CHECK(!fake_high(b.irqs, pin));
	CHECK_EQ(config(&b, 2, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, 0);
	/* A reset lets it fall. */
	pci_line(device(&b, 2), true);
	fake_reset(&b.m);
	CHECK(!fake_high(b.irqs, pin));
	bench_close(&b);
}

static u64 sent(struct bench *b, unsigned int vector)
{
	return fake_sent(b->irqs, device(b, 1)->vector[vector].msi);
}

static u32 pending(struct bench *b)
{
	return guest_read(&b->m, b->v.table + 0x800, 8);
}

/* Two vectors, that are on: what the second sends. */
static struct fake_message *open_msix(struct bench *b)
{
	bench_open(b, 1);
	CHECK(guest_find(&b->m, VIRTIO_ID_RNG, 0, &b->v));
	CHECK_EQ(config(b, 1, b->v.msix + PCI_MSIX_FLAGS, 2), 1);
	CHECK_EQ(guest_read(&b->m, b->v.table + PCI_MSIX_ENTRY_VECTOR_CTRL, 4), 1);
	guest_vector(&b->v, 0, 0x41);
	guest_vector(&b->v, 1, 0x42);
	CHECK(!b->irqs->message[device(b, 1)->vector[1].msi].on);
	/* What is sent before it is on is sent to nobody. */
	eventfd_write(device(b, 1)->vector[1].fd, 1);
	guest_msix(&b->v, true);
	return &b->irqs->message[device(b, 1)->vector[1].msi];
}

static void test_msix(void)
{
	struct fake_message *message;
	struct pci_device *dev;
	struct bench b;

	message = open_msix(&b);
	dev = device(&b, 1);
	CHECK(message->on);
	CHECK_EQ(message->address, 0xfee00000);
	CHECK_EQ(message->data, 0x42);
	CHECK_EQ(sent(&b, 1), 0);
	eventfd_write(dev->vector[1].fd, 1);
	CHECK_EQ(sent(&b, 1), 1);
	CHECK_EQ(sent(&b, 0), 0);
	/* The vector's mask. */
	guest_mask(&b.v, 1, true);
	CHECK(!message->on);
	eventfd_write(dev->vector[1].fd, 1);
	CHECK_EQ(pending(&b), 2);
	guest_mask(&b.v, 1, false);
	CHECK_EQ(pending(&b), 0);
	CHECK_EQ(sent(&b, 1), 1);
	/* The function's. */
	set_config(&b, 1, b.v.msix + PCI_MSIX_FLAGS, 2,
		   PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	CHECK(!message->on);
	eventfd_write(dev->vector[0].fd, 1);
	CHECK_EQ(pending(&b), 1);
	guest_msix(&b.v, true);
	CHECK_EQ(sent(&b, 0), 1);
	/* Another message, though the mask is off. */
	guest_write(&b.m, b.v.table + 16 + PCI_MSIX_ENTRY_DATA, 4, 0x43);
	CHECK_EQ(message->data, 0x43);
	/* The control word's other bits and the size of the table are fixed. */
	guest_write(&b.m, b.v.table + 16 + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, ~1u);
	CHECK_EQ(guest_read(&b.m, b.v.table + 16 + PCI_MSIX_ENTRY_VECTOR_CTRL, 4), 0);
	guest_write(&b.m, b.v.table + 0x800, 8, ~0ull);
	CHECK_EQ(pending(&b), 0);
	fake_reset(&b.m);
	CHECK(!message->on);
	CHECK(!pci_msix_enabled(dev));
	CHECK_EQ(dev->vector[1].entry[2], 0);
	bench_close(&b);
}

static const struct unit units[] = {
	{ "ports", test_ports },
	{ "headers", test_headers },
	{ "writable_bits", test_writable_bits },
	{ "bar_sizes", test_bar_sizes },
	{ "bar_moves", test_bar_moves },
	{ "full_bus", test_full_bus },
	{ "no_bus", test_no_bus },
	{ "line", test_line },
	{ "msix", test_msix },
	{ "class39_config_sweep", test_config_sweep },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
