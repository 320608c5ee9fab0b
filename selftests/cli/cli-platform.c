// SPDX-License-Identifier: GPL-2.0
/*
 * What the guest reads of its machine: the ACPI tables and the MP table. Both are parsed as
 * a guest parses them, by addresses, lengths and sums, and must say what platform.h says,
 * and the same as each other. iasl takes the ACPI tables apart, too, where it is there.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "acpi.h"
#include "err.h"
#include "mptable.h"
#include "platform.h"
#include "units.h"

struct guest {
	struct machine m;
	struct cpu cpu;
	u64 rsdp;
};

static void guest_open(struct guest *g, u64 size)
{
	fake_machine(&g->m, &g->cpu);
	fake_memory(&g->m, size);
}

static void guest_close(struct guest *g)
{
	fake_free(&g->m, &g->cpu);
}

static u64 get(const u8 *at, unsigned int len)
{
	u64 value = 0;

	memcpy(&value, at, len);
	return value;
}

static u8 sum(const u8 *bytes, u64 len)
{
	u8 total = 0;

	while (len--)
		total += *bytes++;
	return total;
}

static const u8 nothing[4096];

/* @len bytes of the guest, all of which are where tables may be. */
static const u8 *bytes_at(struct guest *g, u64 gpa, u64 len, u64 base, u64 size)
{
	const u8 *bytes = memory_at(&g->m.memory, gpa, len);
	bool inside = gpa >= base && len <= size && gpa - base <= size - len;

	CHECK(bytes && inside);
	return bytes && inside ? bytes : nothing;
}

static const u8 *acpi_bytes(struct guest *g, u64 gpa, u64 len)
{
	return bytes_at(g, gpa, len, PLATFORM_ACPI, PLATFORM_ACPI_SIZE);
}

/* ---- ACPI -------------------------------------------------------------------- */

/* A table with the common header, its sum checked. */
static const u8 *table_at(struct guest *g, u64 gpa, const char *signature)
{
	const u8 *t = acpi_bytes(g, gpa, 36);
	u32 len = get(t + 4, 4);

	t = acpi_bytes(g, gpa, len);
	CHECK(!memcmp(t, signature, 4));
	CHECK(len >= 36);
	CHECK_EQ(gpa % 4, 0);
	CHECK_EQ(sum(t, len), 0);
	CHECK(!memcmp(t + 10, "LODGE ", 6));
	return t;
}

/* By the way that guests go: RSDP, XSDT, what is in it. NULL: there is no such table. */
static const u8 *find_table(struct guest *g, const char *signature)
{
	const u8 *rsdp = acpi_bytes(g, g->rsdp, 36), *xsdt, *t;
	unsigned int i, nr;

	CHECK_EQ(g->rsdp % 16, 0);
	CHECK(!memcmp(rsdp, "RSD PTR ", 8));
	CHECK_EQ(rsdp[15], 2);
	CHECK_EQ(get(rsdp + 20, 4), 36);
	CHECK_EQ(sum(rsdp, 20), 0);
	CHECK_EQ(sum(rsdp, 36), 0);
	xsdt = table_at(g, get(rsdp + 24, 8), "XSDT");
	nr = (get(xsdt + 4, 4) - 36) / 8;
	CHECK_EQ(get(xsdt + 4, 4), 36 + nr * 8);
	for (i = 0; i < nr; i++) {
		t = acpi_bytes(g, get(xsdt + 36 + 8 * i, 8), 36);
		if (!memcmp(t, signature, 4))
			return table_at(g, get(xsdt + 36 + 8 * i, 8), signature);
	}
	return NULL;
}

static void acpi_open(struct guest *g, unsigned int cpus)
{
	guest_open(g, 2 * MIB);
	CHECK_EQ(acpi_write(&g->m.memory, cpus, &g->rsdp), 0);
	CHECK_EQ(g->rsdp, PLATFORM_ACPI);
}

/* A generic address in the FADT: in ports. */
static void check_port(const u8 *at, u64 port, unsigned int bits)
{
	CHECK_EQ(at[0], 1);
	CHECK_EQ(at[1], bits);
	CHECK_EQ(at[2], 0);
	CHECK_EQ(get(at + 4, 8), port);
}

static void test_fadt(void)
{
	struct guest g;
	const u8 *f, *facs;

	acpi_open(&g, 1);
	f = find_table(&g, "FACP");
	CHECK(f && get(f + 4, 4) == 276 && f[8] == 6);
	CHECK_EQ(get(f + 46, 2), IRQ_SCI);
	CHECK_EQ(get(f + 48, 4), 0);		/* no SMI */
	CHECK_EQ(get(f + 56, 4), PORT_PM1_EVENT);
	CHECK_EQ(get(f + 64, 4), PORT_PM1_CONTROL);
	CHECK_EQ(get(f + 76, 4), PORT_PM_TIMER);
	CHECK_EQ(f[88], 4);
	CHECK_EQ(f[89], 2);
	CHECK_EQ(f[91], 4);
	CHECK_EQ(f[92], 0);			/* no general purpose events */
	CHECK_EQ(f[108], 0x32);
	CHECK_EQ(get(f + 109, 2), 0x0005);	/* a serial port; no VGA */
	/* A 32-bit timer, a reset register, a fixed power button; not hardware-reduced. */
	CHECK_EQ(get(f + 112, 4), 0x00000565);
	check_port(f + 116, PORT_RESET, 8);
	CHECK_EQ(f[128], RESET_VALUE);
	check_port(f + 148, PORT_PM1_EVENT, 32);
	check_port(f + 172, PORT_PM1_CONTROL, 16);
	check_port(f + 208, PORT_PM_TIMER, 32);
	CHECK_EQ(get(f + 40, 4), get(f + 140, 8));
	table_at(&g, get(f + 40, 4), "DSDT");
	facs = acpi_bytes(&g, get(f + 36, 4), 64);
	CHECK_EQ(get(f + 36, 4) % 64, 0);
	CHECK(!memcmp(facs, "FACS", 4));
	CHECK_EQ(get(facs + 4, 4), 64);
	CHECK(!find_table(&g, "MCFG"));
	guest_close(&g);
}

static const unsigned int cpu_counts[] = { 1, 2, 4, 64, 254, 255, 256, 300, 2048 };

struct madt_seen {
	unsigned int lapics, x2apics, ioapics, overrides, nmis, x_nmis;
};

static void see_madt_entry(struct madt_seen *s, const u8 *e, unsigned int cpus)
{
	switch (e[0]) {
	case 0:
		CHECK_EQ(e[3], s->lapics++);
		CHECK_EQ(get(e + 4, 4), 1);
		break;
	case 9:
		CHECK_EQ(get(e + 4, 4), 255 + s->x2apics++);
		CHECK_EQ(get(e + 8, 4), 1);
		break;
	case 1:
		s->ioapics++;
		CHECK_EQ(get(e + 4, 4), PLATFORM_IOAPIC);
		CHECK_EQ(get(e + 8, 4), 0);
		CHECK_EQ(e[2], cpus < 255 ? IOAPIC_ID(cpus) : 0);
		break;
	case 2:
		s->overrides++;
		CHECK(e[2] == 0 && e[3] == IRQ_SCI);
		CHECK_EQ(get(e + 4, 4), IRQ_SCI);
		CHECK_EQ(get(e + 8, 2), 0x000d);
		break;
	case 4:
		s->nmis++;
		CHECK(e[2] == 0xff && e[5] == 1);
		break;
	default:
		CHECK_EQ(e[0], 10);
		s->x_nmis++;
		CHECK(get(e + 4, 4) == 0xffffffff && e[8] == 1);
	}
}

static void test_madt(void)
{
	struct guest g;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cpu_counts); i++) {
		unsigned int at, cpus = cpu_counts[i];
		struct madt_seen s = { 0 };
		const u8 *m;

		acpi_open(&g, cpus);
		m = find_table(&g, "APIC");
		CHECK(m && get(m + 36, 4) == PLATFORM_LAPIC && get(m + 40, 4) == 1);
		for (at = 44; m && at < get(m + 4, 4); at += m[at + 1]) {
			CHECK(m[at + 1] >= 6 && at + m[at + 1] <= get(m + 4, 4));
			if (m[at + 1] < 6)
				break;
			see_madt_entry(&s, m + at, cpus);
		}
		CHECK_EQ(s.lapics, cpus < 255 ? cpus : 255);
		CHECK_EQ(s.lapics + s.x2apics, cpus);
		CHECK(s.ioapics == 1 && s.overrides == 1 && s.nmis == 1);
		CHECK_EQ(s.x_nmis, cpus > 255);
		guest_close(&g);
	}
}

/* ---- AML --------------------------------------------------------------------- */

static const u8 *dsdt_of(struct guest *g, u32 *len)
{
	const u8 *f = find_table(g, "FACP"), *d;

	d = table_at(g, f ? get(f + 140, 8) : 0, "DSDT");
	*len = get(d + 4, 4);
	return d;
}

/* The only place in the DSDT where these bytes are, or NULL. */
static const u8 *only(const u8 *dsdt, u32 len, const void *bytes, u32 nr)
{
	const u8 *first = memmem(dsdt, len, bytes, nr);

	CHECK(first && !memmem(first + 1, dsdt + len - first - 1, bytes, nr));
	return first;
}

/* An integer as AML has it; *@at goes behind it. */
static u64 aml_integer(const u8 **at)
{
	static const u8 lengths[] = { [0x0a] = 1, [0x0b] = 2, [0x0c] = 4, [0x0e] = 8 };
	const u8 *p = *at;

	if (*p <= 1) {
		*at = p + 1;
		return *p;
	}
	CHECK(*p < sizeof(lengths) && lengths[*p]);
	if (*p >= sizeof(lengths) || !lengths[*p])
		return ~0ull;
	*at = p + 1 + lengths[*p];
	return get(p + 1, lengths[*p]);
}

/* Into a package; how many elements it has. */
static unsigned int aml_package(const u8 **at)
{
	const u8 *p = *at;

	CHECK_EQ(p[0], 0x12);
	p += 2 + (p[1] >> 6);		/* the length's own length is in its first byte */
	*at = p + 1;
	return *p;
}

static void test_prt(void)
{
	unsigned int slot, pin;
	const u8 *d, *at;
	struct guest g;
	u32 len;

	acpi_open(&g, 2);
	d = dsdt_of(&g, &len);
	at = only(d, len, "_PRT", 4);
	if (at) {
		at += 4;
		CHECK_EQ(aml_package(&at), 32 * 4);
		for (slot = 0; slot < 32; slot++)
			for (pin = 0; pin < 4; pin++) {
				CHECK_EQ(aml_package(&at), 4);
				CHECK_EQ(aml_integer(&at), slot << 16 | 0xffff);
				CHECK_EQ(aml_integer(&at), pin);
				CHECK_EQ(aml_integer(&at), 0);
				CHECK_EQ(aml_integer(&at), IRQ_PCI(slot, pin));
			}
	}
	at = only(d, len, "_S5_", 4);
	if (at) {
		at += 4;
		CHECK_EQ(aml_package(&at), 4);
		CHECK_EQ(aml_integer(&at), PM_SLEEP_TYPE_S5);
	}
	guest_close(&g);
}

/* The windows of the PCI bus, and the ports of what else is there. */
static void test_resources(void)
{
	static const struct { u16 port; u8 len; } ports[] = {
		{ PORT_PCI_ADDRESS, 8 }, { PORT_SERIAL, 8 }, { PORT_RTC, 2 },
		{ PORT_DEBUG_CONSOLE, 1 }, { PORT_EXIT, 4 }, { PORT_PM1_EVENT, 16 },
	};
	static const u8 memory_head[] = { 0x87, 0x17, 0x00, 0x00 };
	const u8 *d, *at;
	struct guest g;
	unsigned int i;
	u32 len;

	acpi_open(&g, 2);
	d = dsdt_of(&g, &len);
	at = only(d, len, memory_head, sizeof(memory_head));
	if (at) {
		CHECK_EQ(get(at + 10, 4), PLATFORM_PCI_BASE);
		CHECK_EQ(get(at + 14, 4), PLATFORM_PCI_END - 1);
		CHECK_EQ(get(at + 22, 4), PLATFORM_PCI_END - PLATFORM_PCI_BASE);
	}
	for (i = 0; i < ARRAY_SIZE(ports); i++) {
		u8 io[] = {
			0x47, 1, ports[i].port & 0xff, ports[i].port >> 8,
			ports[i].port & 0xff, ports[i].port >> 8, 1, ports[i].len,
		};

		only(d, len, io, sizeof(io));
	}
	/* Interrupts, as bits. */
	only(d, len, "\x22\x10\x00", 3);
	only(d, len, "\x22\x00\x01", 3);
	CHECK(IRQ_SERIAL == 4 && IRQ_RTC == 8);
	/* The windows of ports are all that the bus has not got itself. */
	only(d, len, "\x00\x00\x00\x00\xf7\x0c\x00\x00\xf8\x0c", 10);
	only(d, len, "\x00\x00\x00\x0d\xff\xff\x00\x00\x00\xf3", 10);
	CHECK(PORT_PCI_ADDRESS == 0xcf8 && PORT_PCI_DATA + 4 == 0xd00);
	guest_close(&g);
}

static void save(const char *dir, const char *name, const u8 *bytes, u32 len)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	if (fd >= 0)
		close(fd);
}

/* Taken apart and put together again they are the same, and iasl finds nothing to say. */
static void test_iasl(void)
{
	static const char script[] =
		"set -e; cd %s; "
		"for t in facp apic dsdt; do iasl -d $t.aml >$t.log 2>&1; done; "
		"! grep -E 'Error|Warning|Invalid|overrun' *.dsl *.log | grep -v ' 0 '; "
		"for t in facp apic dsdt; do tail -c +37 $t.aml >$t.before; "
		"iasl -ve -p $t $t.dsl >$t.log 2>&1; "
		"tail -c +37 $t.aml | cmp - $t.before; done";
	char dir[] = "/tmp/cli-platform.XXXXXX", command[1024];
	const u8 *d, *facp, *apic;
	struct guest g;
	u32 len;

	if (system("command -v iasl >/dev/null")) {
		printf("# iasl is not there\n");
		return;
	}
	CHECK(mkdtemp(dir));
	acpi_open(&g, 300);
	facp = find_table(&g, "FACP");
	apic = find_table(&g, "APIC");
	d = dsdt_of(&g, &len);
	save(dir, "dsdt.aml", d, len);
	save(dir, "facp.aml", facp, get(facp + 4, 4));
	save(dir, "apic.aml", apic, get(apic + 4, 4));
	snprintf(command, sizeof(command), script, dir);
	CHECK(!system(command));
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	CHECK(!system(command));
	guest_close(&g);
}

/* ---- the MP table ------------------------------------------------------------ */

static const u8 *mp_bytes(struct guest *g, u64 gpa, u64 len)
{
	return bytes_at(g, gpa, len, PLATFORM_MPTABLE, PLATFORM_MPTABLE_SIZE);
}

/* As guests look for it: every 16 bytes, by its sum. */
static const u8 *find_mp(struct guest *g)
{
	const u8 *f;
	u64 gpa;

	for (gpa = 0xf0000; gpa < 0x100000; gpa += 16) {
		f = mp_bytes(g, gpa, 16);
		if (!memcmp(f, "_MP_", 4) && !sum(f, 16))
			return f;
	}
	return NULL;
}

struct mp_seen {
	unsigned int cpus, ioapics, locals;
	u64 isa, buses;			/* bits */
	u64 pci[4];			/* a bit for each slot, by pin */
};

static void see_interrupt(struct mp_seen *s, const u8 *e)
{
	if (e[4] == 0) {
		CHECK(get(e + 2, 2) == 0xf && e[5] < 128);
		CHECK_EQ(e[7], IRQ_PCI(e[5] >> 2, e[5] & 3));
		s->pci[e[5] & 3] |= BIT_ULL(e[5] >> 2);
	} else {
		CHECK(e[4] == 1 && e[5] < 16);
		CHECK_EQ(e[7], e[5]);
		CHECK_EQ(get(e + 2, 2), e[5] == IRQ_SCI ? 0xd : 0);
		CHECK(!(s->isa & BIT_ULL(e[5])));
		s->isa |= BIT_ULL(e[5]);
	}
}

/* One entry; how long it is. */
static unsigned int see_entry(struct mp_seen *s, const u8 *e, unsigned int cpus)
{
	switch (e[0]) {
	case 0:
		CHECK_EQ(e[1], s->cpus);
		CHECK_EQ(e[3], s->cpus ? 1 : 3);
		s->cpus++;
		return 20;
	case 1:
		CHECK(!memcmp(e + 2, e[1] ? "ISA   " : "PCI   ", 6));
		s->buses |= BIT_ULL(e[1]);
		break;
	case 2:
		CHECK(e[1] == IOAPIC_ID(cpus) && e[3] == 1);
		CHECK_EQ(get(e + 4, 4), PLATFORM_IOAPIC);
		s->ioapics++;
		break;
	case 3:
		CHECK(e[1] == 0 && e[6] == IOAPIC_ID(cpus));
		see_interrupt(s, e);
		break;
	default:
		CHECK(e[0] == 4 && e[6] == 0xff);
		CHECK_EQ(e[1], e[7] ? 1 : 3);
		s->locals++;
		break;
	}
	return 8;
}

static void test_mptable(void)
{
	unsigned int i, n, cpus;
	const u8 *f, *t, *e;
	struct mp_seen s;
	struct guest g;

	for (i = 0; i < ARRAY_SIZE(cpu_counts) && cpu_counts[i] < 255; i++) {
		cpus = cpu_counts[i];
		memset(&s, 0, sizeof(s));
		guest_open(&g, MIB);
		CHECK_EQ(mptable_write(&g.m.memory, cpus), 0);
		f = find_mp(&g);
		CHECK(f && f[8] == 1 && f[9] == 4 && !get(f + 11, 5));
		t = mp_bytes(&g, f ? get(f + 4, 4) : 0, 44);
		t = mp_bytes(&g, f ? get(f + 4, 4) : 0, get(t + 4, 2));
		CHECK(!memcmp(t, "PCMP", 4) && t[6] == 4);
		CHECK_EQ(sum(t, get(t + 4, 2)), 0);
		CHECK_EQ(get(t + 36, 4), PLATFORM_LAPIC);
		e = t + 44;
		for (n = get(t + 34, 2); n && e < t + get(t + 4, 2); n--)
			e += see_entry(&s, e, cpus);
		CHECK(!n && e == t + get(t + 4, 2));
		CHECK(s.cpus == cpus && s.ioapics == 1 && s.locals == 2 && s.buses == 3);
		CHECK_EQ(s.isa, 0xfffb);
		for (n = 0; n < 4; n++)
			CHECK_EQ(s.pci[n], 0xffffffff);
		guest_close(&g);
	}
}

/* ---- machines that they do not fit ------------------------------------------- */

static void test_refused(void)
{
	struct guest g;

	guest_open(&g, MIB);
	CHECK_EQ(acpi_write(&g.m.memory, 0, &g.rsdp), STATUS_USAGE);
	CHECK_EQ(acpi_write(&g.m.memory, 2049, &g.rsdp), STATUS_USAGE);
	CHECK_EQ(acpi_write(&g.m.memory, ~0u, &g.rsdp), STATUS_USAGE);
	CHECK_EQ(mptable_write(&g.m.memory, 0), STATUS_USAGE);
	CHECK_EQ(mptable_write(&g.m.memory, 255), STATUS_USAGE);
	CHECK_EQ(sum(memory_at(&g.m.memory, 0, MIB), MIB), 0);
	guest_close(&g);
	guest_open(&g, 640 * KIB);
	CHECK_EQ(acpi_write(&g.m.memory, 1, &g.rsdp), STATUS_USAGE);
	CHECK_EQ(mptable_write(&g.m.memory, 1), STATUS_USAGE);
	guest_close(&g);
}

static const struct unit tests[] = {
	{ "fadt", test_fadt },
	{ "madt", test_madt },
	{ "prt", test_prt },
	{ "resources", test_resources },
	{ "iasl", test_iasl },
	{ "mptable", test_mptable },
	{ "refused", test_refused },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, tests, ARRAY_SIZE(tests));
}
