// SPDX-License-Identifier: GPL-2.0
/*
 * The MP table (Intel's MultiProcessor Specification 1.4) for guests without ACPI: the
 * CPUs, two buses, the I/O APIC and which interrupt comes to which of its pins. It says the
 * same as the MADT (acpi.c) and the _PRT (dsdt.asl).
 */
#include <stdlib.h>
#include <string.h>

#include "checksum.h"
#include "err.h"
#include "irqs.h"
#include "mptable.h"
#include "platform.h"

#define PACKED		__attribute__((packed))

struct floating {
	char signature[4];
	u32 table;
	u8 length;		/* in 16 bytes */
	u8 revision;		/* 1.x */
	u8 checksum;
	u8 features[5];		/* all 0: a table is there, interrupts come as virtual wire */
} PACKED;

struct header {
	char signature[4];
	u16 length;
	u8 revision;
	u8 checksum;
	char oem[8];
	char product[12];
	u32 oem_table;
	u16 oem_length;
	u16 entries;
	u32 lapic;
	u16 extended_length;
	u8 extended_checksum;
	u8 reserved;
} PACKED;

enum entry_type { ENTRY_CPU, ENTRY_BUS, ENTRY_IOAPIC, ENTRY_INTERRUPT, ENTRY_LOCAL };

struct entry_cpu {
	u8 type, id, version, flags;
	u32 signature, features, reserved[2];
} PACKED;

#define CPU_ENABLED		1
#define CPU_BOOTS		2
#define CPU_FEATURES		0x201	/* an FPU, an APIC: CPUID tells the rest */
#define CPU_SIGNATURE		0x600	/* of its family */
#define LAPIC_VERSION		0x14
#define IOAPIC_VERSION		0x11

struct entry_bus {
	u8 type, id;
	char name[6];
} PACKED;

struct entry_ioapic {
	u8 type, id, version, flags;
	u32 address;
} PACKED;

/* Of the I/O APIC's pins and of the CPUs' own. */
struct entry_interrupt {
	u8 type, kind;
	u16 flags;
	u8 bus, irq, apic, pin;
} PACKED;

enum interrupt_kind { KIND_INT, KIND_NMI, KIND_SMI, KIND_EXTINT };

#define AS_THE_BUS		0x0
#define ACTIVE_HIGH_LEVEL	0xd
#define ACTIVE_LOW_LEVEL	0xf

/* PCI's ids are the numbers of its buses. */
#define BUS_PCI			0
#define BUS_ISA			1
#define ISA_IRQS		16
#define ISA_CASCADE		2	/* where the second PIC hangs */
#define PCI_SLOTS		32
#define PCI_PINS		4
#define ALL_CPUS		0xff
/* Ids behind these are not for a byte. */
#define MOST_CPUS		254

struct table {
	u8 bytes[PLATFORM_MPTABLE_SIZE];
	u32 used;
	unsigned int entries;
};

static void add(struct table *t, const void *entry, u32 len)
{
	memcpy(t->bytes + t->used, entry, len);
	t->used += len;
	t->entries++;
}

static void add_cpus(struct table *t, unsigned int cpus)
{
	unsigned int i;

	for (i = 0; i < cpus; i++) {
		struct entry_cpu e = {
			.type = ENTRY_CPU,
			.id = i,
			.version = LAPIC_VERSION,
			.flags = CPU_ENABLED | (i ? 0 : CPU_BOOTS),
			.signature = CPU_SIGNATURE,
			.features = CPU_FEATURES,
		};

		add(t, &e, sizeof(e));
	}
}

static void add_bus(struct table *t, u8 id, const char *name)
{
	struct entry_bus e = { .type = ENTRY_BUS, .id = id };

	memcpy(e.name, name, sizeof(e.name));
	add(t, &e, sizeof(e));
}

static void add_ioapic(struct table *t, u8 id)
{
	struct entry_ioapic e = {
		.type = ENTRY_IOAPIC,
		.id = id,
		.version = IOAPIC_VERSION,
		.flags = 1,
		.address = PLATFORM_IOAPIC,
	};

	add(t, &e, sizeof(e));
}

static void add_pins(struct table *t, u8 ioapic)
{
	struct entry_interrupt e = { .type = ENTRY_INTERRUPT, .kind = KIND_INT, .apic = ioapic };
	unsigned int i, slot, pin;

	e.bus = BUS_PCI;
	e.flags = ACTIVE_LOW_LEVEL;
	for (slot = 0; slot < PCI_SLOTS; slot++)
		for (pin = 0; pin < PCI_PINS; pin++) {
			e.irq = slot << 2 | pin;
			e.pin = IRQ_PCI(slot, pin);
			add(t, &e, sizeof(e));
		}
	e.bus = BUS_ISA;
	for (i = 0; i < ISA_IRQS; i++) {
		if (i == ISA_CASCADE)
			continue;
		e.flags = i == IRQ_SCI ? ACTIVE_HIGH_LEVEL : AS_THE_BUS;
		e.irq = i;
		e.pin = i;
		add(t, &e, sizeof(e));
	}
}

/* LINT0 of the CPUs is the PICs' output, LINT1 is NMI. */
static void add_local(struct table *t)
{
	struct entry_interrupt e = {
		.type = ENTRY_LOCAL,
		.kind = KIND_EXTINT,
		.bus = BUS_ISA,
		.apic = ALL_CPUS,
	};

	add(t, &e, sizeof(e));
	e.kind = KIND_NMI;
	e.pin = 1;
	add(t, &e, sizeof(e));
}

static void build(struct table *t, unsigned int cpus)
{
	struct floating *f = (struct floating *)t->bytes;
	struct header *h = (struct header *)(f + 1);

	t->used = sizeof(*f) + sizeof(*h);
	add_cpus(t, cpus);
	add_bus(t, BUS_PCI, "PCI   ");
	add_bus(t, BUS_ISA, "ISA   ");
	add_ioapic(t, IOAPIC_ID(cpus));
	add_pins(t, IOAPIC_ID(cpus));
	add_local(t);

	memcpy(h->signature, "PCMP", sizeof(h->signature));
	h->length = t->used - sizeof(*f);
	h->revision = 4;
	memcpy(h->oem, "LODGE   ", sizeof(h->oem));
	memcpy(h->product, "LODGE       ", sizeof(h->product));
	h->entries = t->entries;
	h->lapic = PLATFORM_LAPIC;
	h->checksum = checksum(h, h->length);

	memcpy(f->signature, "_MP_", sizeof(f->signature));
	f->table = PLATFORM_MPTABLE + sizeof(*f);
	f->length = 1;
	f->revision = 4;
	f->checksum = checksum(f, sizeof(*f));
}

int mptable_write(struct memory *mem, unsigned int cpus)
{
	struct table *t;
	bool written;

	if (!cpus || cpus > MOST_CPUS)
		return err(STATUS_USAGE, "MP table: %u CPUs: give 1 to %u", cpus, MOST_CPUS);
	t = calloc(1, sizeof(*t));
	if (!t)
		return err(STATUS_HOST, "MP table: no memory for it: free some");
	build(t, cpus);
	written = memory_write(mem, PLATFORM_MPTABLE, t->bytes, t->used);
	free(t);
	if (!written)
		return err(STATUS_USAGE,
			   "MP table: the guest has no memory at %#llx for it: give it more (--mem)",
			   PLATFORM_MPTABLE);
	return 0;
}
