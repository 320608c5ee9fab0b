// SPDX-License-Identifier: GPL-2.0
/*
 * ACPI tables: what a guest asks first for its CPUs, its interrupts and the way to turn
 * itself off. RSDP, XSDT, FADT, FACS, MADT; the DSDT is compiled out of dsdt.asl.
 *
 * The machine has ACPI's fixed hardware (dev_pm.c) and is not "hardware-reduced": that
 * model forbids what is here anyhow (two PICs, a PIT, a CMOS clock: Linux then leaves all of
 * them alone), needs a GPIO or event device for a power button where fixed hardware needs
 * one bit, has no PM timer, and older systems do not know it. There is no MCFG: PCI is
 * conventional and configured through ports.
 */
#include <string.h>
#include <stdlib.h>

#include "acpi.h"
#include "dsdt.h"
#include "checksum.h"
#include "err.h"
#include "platform.h"

#define PACKED			__attribute__((packed))
#define OEM_ID			"LODGE "
#define OEM_TABLE_ID		"LODGE   "
#define CREATOR			"LDGE"

#define CMOS_CENTURY		0x32

struct rsdp {
	char signature[8];
	u8 checksum;		/* of the 20 bytes of revision 0 */
	char oem_id[6];
	u8 revision;
	u32 rsdt;
	u32 length;
	u64 xsdt;
	u8 extended_checksum;
	u8 reserved[3];
} PACKED;

struct header {
	char signature[4];
	u32 length;
	u8 revision;
	u8 checksum;
	char oem_id[6];
	char oem_table_id[8];
	u32 oem_revision;
	char creator[4];
	u32 creator_revision;
} PACKED;

struct xsdt {
	struct header header;
	u64 table[2];
} PACKED;

/* Generic address structure. */
struct address {
	u8 space;		/* 1: ports */
	u8 bits;
	u8 offset;
	u8 access;		/* 1: bytes, 2: words, 3: double words */
	u64 address;
} PACKED;

#define AT_PORT(port, width, size) \
	((struct address){ .space = 1, .bits = (width), .access = (size), .address = (port) })

struct fadt {
	struct header header;
	u32 facs, dsdt;
	u8 reserved0, profile;
	u16 sci;
	u32 smi_command;	/* 0: ACPI is always on */
	u8 acpi_enable, acpi_disable, s4bios, pstate;
	u32 pm1a_event, pm1b_event, pm1a_control, pm1b_control;
	u32 pm2_control, pm_timer, gpe0, gpe1;
	u8 pm1_event_length, pm1_control_length, pm2_control_length, pm_timer_length;
	u8 gpe0_length, gpe1_length, gpe1_base, cstate;
	u16 c2_latency, c3_latency, flush_size, flush_stride;
	u8 duty_offset, duty_width, day_alarm, month_alarm, century;
	u16 boot_arch;
	u8 reserved1;
	u32 flags;
	struct address reset;
	u8 reset_value;
	u16 arm_boot_arch;
	u8 minor;
	u64 x_facs, x_dsdt;
	struct address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control;
	struct address x_pm2_control, x_pm_timer, x_gpe0, x_gpe1;
	struct address sleep_control, sleep_status;
	u64 hypervisor;
} PACKED;

#define BOOT_LEGACY_DEVICES	0x0001	/* a serial port */
/* Not 0x0002: the i8042 has no keyboard, nobody need look for one. */
#define BOOT_NO_VGA		0x0004

#define FADT_WBINVD		0x00000001
#define FADT_C1			0x00000004
#define FADT_NO_SLEEP_BUTTON	0x00000020
#define FADT_NO_RTC_WAKE	0x00000040
#define FADT_TIMER_32		0x00000100
#define FADT_RESET		0x00000400

/* Latencies that say that there is no such state. */
#define NO_C2			101
#define NO_C3			1001

struct facs {
	char signature[4];
	u32 length;
	u32 hardware_signature, waking_vector, global_lock, flags;
	u64 x_waking_vector;
	u8 version;
	u8 reserved[31];
} PACKED;

struct madt {
	struct header header;
	u32 lapic;
	u32 flags;		/* 1: PICs are there, too */
} PACKED;

enum madt_type {
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_LAPIC_NMI = 4,
	MADT_X2APIC = 9,
	MADT_X2APIC_NMI = 10,
};

#define ENABLED			1
#define ACTIVE_HIGH_LEVEL	0x000d
#define LINT_NMI		1
/* Ids from here on do not fit into a byte, of which all ones means all. */
#define FIRST_X2APIC		255

/* The tables while they grow, at PLATFORM_ACPI. */
struct tables {
	u8 bytes[PLATFORM_ACPI_SIZE];
	u32 used;
};

static u64 address_of(const struct tables *t, const void *table)
{
	return PLATFORM_ACPI + ((const u8 *)table - t->bytes);
}

/* Room of @len bytes; the caller knows that there is as much. */
static void *place(struct tables *t, u32 len, u32 align)
{
	u32 at = (t->used + align - 1) & ~(align - 1);

	t->used = at + len;
	return t->bytes + at;
}

static void *begin(struct tables *t, const char *signature, u8 revision, u32 len)
{
	struct header *h = place(t, len, 16);

	memcpy(h->signature, signature, sizeof(h->signature));
	memcpy(h->oem_id, OEM_ID, sizeof(h->oem_id));
	memcpy(h->oem_table_id, OEM_TABLE_ID, sizeof(h->oem_table_id));
	memcpy(h->creator, CREATOR, sizeof(h->creator));
	h->revision = revision;
	h->oem_revision = 1;
	h->creator_revision = 1;
	return h;
}

/* All from @h on is its. */
static void end(struct tables *t, struct header *h)
{
	h->length = t->bytes + t->used - (u8 *)h;
	h->checksum = checksum(h, h->length);
}

static u64 add_facs(struct tables *t)
{
	struct facs *f = place(t, sizeof(*f), 64);

	memcpy(f->signature, "FACS", 4);
	f->length = sizeof(*f);
	f->version = 2;
	return address_of(t, f);
}

static u64 add_dsdt(struct tables *t)
{
	u8 *dsdt = place(t, sizeof(dsdt_aml_code), 16);

	memcpy(dsdt, dsdt_aml_code, sizeof(dsdt_aml_code));
	return address_of(t, dsdt);
}

static u64 add_fadt(struct tables *t)
{
	u64 facs = add_facs(t), dsdt = add_dsdt(t);
	struct fadt *f = begin(t, "FACP", 6, sizeof(*f));

	f->facs = facs;
	f->dsdt = dsdt;
	f->x_dsdt = dsdt;
	f->sci = IRQ_SCI;
	f->pm1a_event = PORT_PM1_EVENT;
	f->pm1_event_length = 4;
	f->x_pm1a_event = AT_PORT(PORT_PM1_EVENT, 32, 2);
	f->pm1a_control = PORT_PM1_CONTROL;
	f->pm1_control_length = 2;
	f->x_pm1a_control = AT_PORT(PORT_PM1_CONTROL, 16, 2);
	f->pm_timer = PORT_PM_TIMER;
	f->pm_timer_length = 4;
	f->x_pm_timer = AT_PORT(PORT_PM_TIMER, 32, 3);
	f->c2_latency = NO_C2;
	f->c3_latency = NO_C3;
	f->century = CMOS_CENTURY;
	f->boot_arch = BOOT_LEGACY_DEVICES | BOOT_NO_VGA;
	f->flags = FADT_WBINVD | FADT_C1 | FADT_NO_SLEEP_BUTTON | FADT_NO_RTC_WAKE |
		   FADT_TIMER_32 | FADT_RESET;
	f->reset = AT_PORT(PORT_RESET, 8, 1);
	f->reset_value = RESET_VALUE;
	end(t, &f->header);
	return address_of(t, f);
}

static void add_cpu(struct tables *t, u32 id)
{
	if (id < FIRST_X2APIC) {
		u8 *e = place(t, 8, 1);

		e[0] = MADT_LAPIC;
		e[1] = 8;
		e[2] = id;		/* of the processor, then of its APIC */
		e[3] = id;
		e[4] = ENABLED;
	} else {
		u32 *e = place(t, 16, 1);
		u32 entry[4] = { MADT_X2APIC | 16 << 8, id, ENABLED, id };

		memcpy(e, entry, sizeof(entry));
	}
}

/* NMIs come to LINT1 of each CPU, as firmware has it. */
static void add_nmis(struct tables *t, unsigned int cpus)
{
	static const u8 all[6] = { MADT_LAPIC_NMI, 6, 0xff, 0, 0, LINT_NMI };
	static const u8 x_all[12] = {
		MADT_X2APIC_NMI, 12, 0, 0, 0xff, 0xff, 0xff, 0xff, LINT_NMI,
	};

	memcpy(place(t, sizeof(all), 1), all, sizeof(all));
	if (cpus > FIRST_X2APIC)
		memcpy(place(t, sizeof(x_all), 1), x_all, sizeof(x_all));
}

/*
 * ISA's interrupts are the pins of the same number, the timer's, too: only that of ACPI
 * itself is not what ISA's are.
 */
static u64 add_madt(struct tables *t, unsigned int cpus)
{
	struct madt *m = begin(t, "APIC", 4, sizeof(*m));
	static const u8 sci[10] = {
		MADT_OVERRIDE, 10, 0, IRQ_SCI, IRQ_SCI, 0, 0, 0, ACTIVE_HIGH_LEVEL,
	};
	u32 ioapic[3] = { MADT_IOAPIC | 12 << 8, PLATFORM_IOAPIC, 0 };
	unsigned int i;

	m->lapic = PLATFORM_LAPIC;
	m->flags = 1;
	for (i = 0; i < cpus; i++)
		add_cpu(t, i);
	if (IOAPIC_ID(cpus) < 255)	/* with more CPUs ids are not of one kind */
		ioapic[0] |= IOAPIC_ID(cpus) << 16;
	memcpy(place(t, sizeof(ioapic), 1), ioapic, sizeof(ioapic));
	memcpy(place(t, sizeof(sci), 1), sci, sizeof(sci));
	add_nmis(t, cpus);
	end(t, &m->header);
	return address_of(t, m);
}

static void build(struct tables *t, unsigned int cpus)
{
	struct rsdp *r = place(t, sizeof(*r), 16);
	struct xsdt *x;
	u64 fadt, madt;

	fadt = add_fadt(t);
	madt = add_madt(t, cpus);
	x = begin(t, "XSDT", 1, sizeof(*x));
	x->table[0] = fadt;
	x->table[1] = madt;
	end(t, &x->header);

	memcpy(r->signature, "RSD PTR ", sizeof(r->signature));
	memcpy(r->oem_id, OEM_ID, sizeof(r->oem_id));
	r->revision = 2;
	r->length = sizeof(*r);
	r->xsdt = address_of(t, x);
	r->checksum = checksum(r, 20);
	r->extended_checksum = checksum(r, sizeof(*r));
}

/* More CPUs than this are not described: the rest of the tables needs its room, too. */
#define MOST_CPUS	2048

int acpi_write(struct memory *mem, unsigned int cpus, u64 *rsdp)
{
	struct tables *t;
	bool written;

	if (!cpus || cpus > MOST_CPUS)
		return err(STATUS_USAGE, "ACPI tables: %u CPUs: give 1 to %u", cpus, MOST_CPUS);
	t = calloc(1, sizeof(*t));
	if (!t)
		return err(STATUS_HOST, "ACPI tables: no memory for them: free some");
	build(t, cpus);
	written = memory_write(mem, PLATFORM_ACPI, t->bytes, t->used);
	free(t);
	if (!written)
		return err(STATUS_USAGE,
			   "ACPI tables: the guest has no memory at %#llx for them: give it more (--mem)",
			   PLATFORM_ACPI);
	*rsdp = PLATFORM_ACPI;
	return 0;
}
