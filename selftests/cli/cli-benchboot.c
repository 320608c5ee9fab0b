// SPDX-License-Identifier: GPL-2.0
/*
 * The parts of `lodge bench boot` and `lodge bench memory` that need no device: what the
 * kernel and the device say, what follows from it, what is printed. Built with the
 * sanitizers.
 */
#include <asm/vmx.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench_boot.h"
#include "bench_memory.h"
#include "flight.h"
#include "units.h"

static bool near(double got, double want)
{
	return fabs(got - want) < 0.000001;
}

/* ---- the kernel's memory --------------------------------------------------------------- */

static const char meminfo_text[] =
	"MemTotal:        1000000 kB\n"
	"MemFree:          500000 kB\n"
	"Buffers:               1 kB\n"
	"Cached:              200 kB\n"
	"SwapCached:          999 kB\n"
	"AnonPages:          3000 kB\n"
	"Slab:              40000 kB\n"
	"SReclaimable:       1234 kB\n"
	"KernelStack:          16 kB\n"
	"PageTables:           50 kB\n"
	"VmallocUsed:          90 kB\n"
	"Percpu:              600 kB\n"
	"HugePages_Total:       7\n";

static const char zoneinfo_text[] =
	"Node 0, zone      DMA\n"
	"  pages free     3840\n"
	"  pagesets\n"
	"    cpu: 0\n"
	"              count: 0\n"
	"              high:  0\n"
	"Node 0, zone    DMA32\n"
	"  pagesets\n"
	"    cpu: 0\n"
	"              count: 33\n"
	"              high:  378\n"
	"    cpu: 1\n"
	"              count: 9\n"
	"  vm stats threshold: 12\n";

static bool read_text(const char *text, struct bench_meminfo *info,
		      bool (*take)(FILE *f, struct bench_meminfo *info))
{
	FILE *f = fmemopen((void *)text, strlen(text), "r");
	bool ok = take(f, info);

	fclose(f);
	return ok;
}

static void test_meminfo(void)
{
	struct bench_meminfo info = { 0 };
	struct memory_result result = { 0 };

	CHECK(read_text(meminfo_text, &info, bench_read_meminfo));
	CHECK_EQ(info.kib[INFO_FREE], 500000);
	CHECK_EQ(info.kib[INFO_ANON], 3000);
	CHECK_EQ(info.kib[INFO_CACHED], 200);
	CHECK_EQ(info.kib[INFO_BUFFERS], 1);
	CHECK_EQ(info.kib[INFO_SLAB], 40000);
	CHECK_EQ(info.kib[INFO_PAGE_TABLES], 50);
	CHECK_EQ(info.kib[INFO_PERCPU], 600);
	CHECK_EQ(info.kib[INFO_STACKS], 16);
	CHECK_EQ(info.kib[INFO_VMALLOC], 90);
	/* An older kernel has not this one. */
	CHECK(!info.has[INFO_SECONDARY]);
	memory_parts(&result, &info);
	CHECK(!result.has[PART_SECONDARY] && result.has[PART_SLAB]);
	CHECK(result.has[PART_PAGES] && result.has[PART_SUM]);
	/* Without this nothing can be said. */
	info = (struct bench_meminfo){ 0 };
	CHECK(!read_text(strstr(meminfo_text, "Buffers"), &info, bench_read_meminfo));
}

static void test_zoneinfo(void)
{
	struct bench_meminfo info = { 0 };

	CHECK(read_text(zoneinfo_text, &info, bench_read_zoneinfo));
	CHECK_EQ(info.listed, 42 * 4);
	CHECK(!read_text("Node 0, zone DMA\n", &info, bench_read_zoneinfo));
	CHECK_EQ(info.listed, 42 * 4);
}

static void test_memory_cost(void)
{
	struct bench_meminfo before = { .kib = { [INFO_FREE] = 100000, [INFO_SLAB] = 5000 },
					.listed = 400 };
	struct bench_meminfo after = {
		.kib = {
			[INFO_FREE] = 90000, [INFO_ANON] = 1000, [INFO_CACHED] = 20,
			[INFO_BUFFERS] = 4, [INFO_SLAB] = 9000, [INFO_PAGE_TABLES] = 80,
			[INFO_SECONDARY] = 120, [INFO_PERCPU] = 40, [INFO_STACKS] = 160,
			[INFO_VMALLOC] = 200,
		},
		.listed = 100,
	};
	struct memory_cost cost;

	memory_cost(&cost, &before, &after, 10);
	/* 10000 are gone from the free ones, and 300 from the lists; 1024 are others'. */
	CHECK(near(cost.part[PART_SUM], (10000 + 300 - 1024) / 10.0));
	CHECK(near(cost.part[PART_SLAB], 400) && near(cost.part[PART_PAGE_TABLES], 8));
	CHECK(near(cost.part[PART_SECONDARY], 12) && near(cost.part[PART_PERCPU], 4));
	/* Stacks are in VmallocUsed, too, but count once. */
	CHECK(near(cost.part[PART_STACKS], 16) && near(cost.part[PART_VMALLOC], 4));
	CHECK(near(cost.part[PART_PAGES], 927.6 - 400 - 8 - 12 - 4 - 16 - 4));
}

static struct memory_cost cost_of(double sum)
{
	return (struct memory_cost){ .part = { [PART_SLAB] = -sum, [PART_SUM] = sum } };
}

static void test_memory_middle(void)
{
	struct memory_cost odd[] = { cost_of(90), cost_of(100), cost_of(80) };
	struct memory_cost even[] = { cost_of(4), cost_of(3), cost_of(2), cost_of(1) };
	struct memory_result result;

	memory_middle(&result, odd, 3);
	CHECK(near(result.middle.part[PART_SUM], 90) && near(result.middle.part[PART_SLAB], -90));
	CHECK(near(result.least, 80) && near(result.most, 100));
	memory_middle(&result, even, 4);
	CHECK(near(result.middle.part[PART_SUM], 2));
	memory_middle(&result, even, 1);
	CHECK(near(result.least, 1) && near(result.most, 1));
}

static struct memory_result memory_of(double slab, double sum, bool secondary)
{
	struct memory_result r = {
		.middle.part = { [PART_SLAB] = slab, [PART_SECONDARY] = 12, [PART_SUM] = sum },
		.least = sum - 1, .most = sum + 1,
	};

	memset(r.has, true, sizeof(r.has));
	r.has[PART_SECONDARY] = secondary;
	return r;
}

static char *memory_printed(const struct memory_report *report,
			    void (*print)(FILE *f, const struct memory_report *report))
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	print(f, report);
	fclose(f);
	return text;
}

static void test_memory_printing(void)
{
	struct memory_report report = {
		.device = { "/dev/a", "/dev/b" }, .nr_devices = 2, .machines = 32, .rounds = 5,
		.result = { memory_of(20, 100, false), memory_of(80, 400, true) },
	};
	char *text = memory_printed(&report, memory_print_json);

	CHECK_HAS(text, "{\"unit\":\"kib\",\"machines\":32,\"rounds\":5,"
		  "\"devices\":[\"/dev/a\",\"/dev/b\"],"
		  "\"spread\":[{\"min\":99.00,\"max\":101.00},{\"min\":399.00,\"max\":401.00}],"
		  "\"rows\":[{\"name\":\"slab\",\"what\":\"allocators of objects\","
		  "\"values\":[20.00,80.00],\"ratio\":0.250000},");
	CHECK_HAS(text, "\"name\":\"secondary-tables\",\"what\":\"page tables of guests, where "
		  "they are counted\",\"values\":[null,12.00],\"ratio\":null}");
	/* Of next to nothing there is no ratio. */
	CHECK_HAS(text, "\"values\":[0.00,0.00],\"ratio\":null}");
	CHECK_HAS(text, "{\"name\":\"sum\",\"what\":\"all together\",\"values\":[100.00,400.00],"
		  "\"ratio\":0.250000}]}\n");
	free(text);
	text = memory_printed(&report, memory_print);
	CHECK_HAS(text, "part                     /dev/a       /dev/b  ratio  what\n");
	CHECK_HAS(text, "\nslab                       20.0         80.0   0.25  allocators");
	CHECK_HAS(text, "\nsecondary-tables              -         12.0         page tables");
	CHECK_HAS(text, "of 32 machines;\nof 5 rounds");
	CHECK_HAS(text, "/dev/b: sums from 399.0 to 401.0\n");
	free(text);
	report.nr_devices = 1;
	text = memory_printed(&report, memory_print);
	CHECK(!strstr(text, "ratio") && !strstr(text, "/dev/b"));
	CHECK_HAS(text, "\nsum                       100.0  all together\n");
	free(text);
}

/* ---- what devices count ------------------------------------------------------------------ */

/* A file of statistics with one descriptor behind the other, and then the values. */
struct stats {
	struct kvm_stats_header head;
	struct {
		struct kvm_stats_desc desc;
		char name[COUNTER_NAME];
	} row[8];
	u64 value[2048];
};

#define REASONS	(KVM_STATS_TYPE_LINEAR_HIST | KVM_STATS_UNIT_NONE)

static void add_stat(struct stats *s, const char *name, u32 flags, u16 size, u32 offset)
{
	unsigned int i = s->head.num_desc++;

	s->row[i].desc.flags = flags;
	s->row[i].desc.size = size;
	s->row[i].desc.offset = offset;
	strcpy(s->row[i].name, name);
}

static void fill_stats(struct stats *s)
{
	unsigned int i;

	*s = (struct stats){ .head = {
		.name_size = COUNTER_NAME, .desc_offset = offsetof(struct stats, row),
		.data_offset = offsetof(struct stats, value) } };
	add_stat(s, "exits", KVM_STATS_TYPE_CUMULATIVE, 1, 0);
	add_stat(s, "blocking", KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_BOOLEAN, 1, 8);
	add_stat(s, "halt_wait_ns", KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_SECONDS, 1, 8);
	add_stat(s, "halt_wait_hist", KVM_STATS_TYPE_LOG_HIST | KVM_STATS_UNIT_SECONDS, 32, 8);
	add_stat(s, "exits_by_reason", REASONS, COUNTER_REASONS + 2, 16);
	add_stat(s, "user_exits_by_reason", REASONS, 4, 16);
	add_stat(s, "io_exits", KVM_STATS_TYPE_CUMULATIVE, 1, 8);
	for (i = 0; i < ARRAY_SIZE(s->value); i++)
		s->value[i] = 100 + i;
}

static bool take_stats(struct counters *c, const struct stats *s, size_t size)
{
	int fd = memfd_create("stats", MFD_CLOEXEC);
	bool ok;

	CHECK(write(fd, s, size) == (ssize_t)size);
	ok = counters_add(c, fd);
	close(fd);
	return ok;
}

static void test_counters(void)
{
	struct counters c = { 0 };
	struct stats s;

	fill_stats(&s);
	CHECK(take_stats(&c, &s, sizeof(s)));
	CHECK_EQ(c.nr, 2);
	CHECK(!strcmp(c.row[0].name, "exits") && !strcmp(c.row[1].name, "io_exits"));
	CHECK_EQ(c.row[0].value, 100);
	CHECK_EQ(c.row[1].value, 101);
	CHECK(c.has_reasons);
	CHECK_EQ(c.reason[0], 102);
	CHECK_EQ(c.reason[COUNTER_REASONS - 2], 100 + COUNTER_REASONS);
	/* Those that have no place of their own. */
	CHECK_EQ(c.reason[COUNTER_REASONS - 1], 3 * (102 + COUNTER_REASONS));
	/* Another vCPU's. */
	CHECK(take_stats(&c, &s, sizeof(s)));
	CHECK_EQ(c.nr, 2);
	CHECK_EQ(c.row[1].value, 202);
	CHECK_EQ(c.reason[0], 204);
}

static void test_bad_counters(void)
{
	struct stats good, s;
	struct counters c = { 0 };

	fill_stats(&good);
#define BAD(change) do { s = good; s.change; CHECK(!take_stats(&c, &s, sizeof(s))); } while (0)
	BAD(head.name_size = 0);
	BAD(head.name_size = COUNTER_NAME + 1);
	BAD(head.num_desc = ~0u);
	BAD(head.desc_offset = ~0u);
	BAD(head.data_offset = sizeof(s));
	BAD(row[0].desc.offset = ~0u);
	BAD(row[4].desc.size = 0);
	BAD(row[4].desc.size = ~0);
	/* So many are there, but nobody has so many reasons. */
	BAD(row[4].desc.size = 1500);
#undef BAD
	CHECK(!take_stats(&c, &good, sizeof(good.head) - 1));
	CHECK(!take_stats(&c, &good, offsetof(struct stats, value)));
	/* A name that does not end is cut. */
	s = good;
	memset(s.row[0].name, 'x', COUNTER_NAME);
	c = (struct counters){ 0 };
	CHECK(take_stats(&c, &s, sizeof(s)));
	CHECK_EQ(strlen(c.row[0].name), COUNTER_NAME - 1);
	/* More names than there is room for. */
	c.nr = COUNTERS;
	CHECK(!take_stats(&c, &good, sizeof(good)));
}

/* Whatever a file holds, nothing is read or written where it must not be. */
static void test_random_counters(void)
{
	unsigned int times = rounds(3000), i, at;
	struct counters c;
	struct stats s;

	while (times--) {
		fill_stats(&s);
		for (i = random_below(6) + 1; i; i--) {
			at = random_below(offsetof(struct stats, value));
			((u8 *)&s)[at] = random_below(256);
		}
		c = (struct counters){ 0 };
		take_stats(&c, &s, sizeof(s) - (random_below(2) ? random_below(sizeof(s)) : 0));
		CHECK(c.nr <= COUNTERS);
	}
}

static void test_reason_names(void)
{
	CHECK(!strcmp(flight_known_reason(EXIT_REASON_EPT_VIOLATION), "EPT_VIOLATION"));
	CHECK(!flight_known_reason(COUNTER_REASONS - 1));
}

/* ---- boots ---------------------------------------------------------------------------------- */

static struct boot_report *boots(void)
{
	struct boot_report *report = calloc(1, sizeof(*report));
	struct boot_result *a = &report->result[0], *b = &report->result[1];

	report->device[0] = "/dev/a";
	report->device[1] = "/dev/b";
	report->nr_devices = 2;
	report->kernel = "a \"kernel\"";
	report->rounds = 3;
	report->least[0] = 900;
	report->most[0] = 1100;
	a->end = (struct boot_time){ 1000, 2500000000ull };
	b->end = (struct boot_time){ 2000, 5000000000ull };
	/* The other's was not seen. */
	a->init = (struct boot_time){ 500, 1250000000ull };
	a->user[KVM_EXIT_IO] = 30;
	b->user[KVM_EXIT_IO] = 40;
	b->user[KVM_EXIT_MMIO] = 10;
	a->counters = (struct counters){
		.row = { { "exits", 100 }, { "none", 0 }, { "mine", 5 } }, .nr = 3,
		.has_reasons = true,
		.reason = { [EXIT_REASON_EPT_VIOLATION] = 70, [COUNTER_REASONS - 1] = 1 },
	};
	b->counters = (struct counters){
		.row = { { "yours", 6 }, { "exits", 400 }, { "none", 0 } }, .nr = 3,
	};
	return report;
}

static void check_boot_row(const struct boot_row *row, enum boot_group group, const char *name,
			   double a, double b)
{
	double want[2] = { a, b };
	unsigned int d;

	CHECK_EQ(row->group, group);
	CHECK(!strcmp(row->name, name));
	/* -1: is not told. */
	for (d = 0; d < 2; d++) {
		CHECK_EQ(row->has[d], want[d] >= 0);
		CHECK(want[d] < 0 || near(row->value[d], want[d]));
	}
}

static void test_boot_rows(void)
{
	static struct boot_row row[BOOT_ROWS];
	struct boot_report *report = boots();
	unsigned int nr = boot_rows(report, row), i = 0;

	check_boot_row(&row[i++], BOOT_TIME, "ticks", 1000, 2000);
	check_boot_row(&row[i++], BOOT_TIME, "seconds", 2.5, 5);
	check_boot_row(&row[i++], BOOT_TIME, "ticks-to-init", 500, -1);
	check_boot_row(&row[i++], BOOT_TIME, "seconds-to-init", 1.25, -1);
	check_boot_row(&row[i++], BOOT_USER, "all", 30, 50);
	check_boot_row(&row[i++], BOOT_USER, "io", 30, 40);
	check_boot_row(&row[i++], BOOT_USER, "mmio", 0, 10);
	check_boot_row(&row[i++], BOOT_CPU, "EPT_VIOLATION", 70, -1);
	check_boot_row(&row[i++], BOOT_CPU, "79", 1, -1);
	check_boot_row(&row[i++], BOOT_COUNTER, "exits", 100, 400);
	check_boot_row(&row[i++], BOOT_COUNTER, "mine", 5, -1);
	check_boot_row(&row[i++], BOOT_COUNTER, "yours", -1, 6);
	CHECK_EQ(nr, i);
	CHECK(near(boot_ratio(report, &row[0]), 0.5));
	CHECK(near(boot_ratio(report, &row[2]), 0));
	CHECK(near(boot_ratio(report, &row[6]), 0));
	report->nr_devices = 1;
	CHECK(near(boot_ratio(report, &row[0]), 0));
	CHECK_EQ(boot_rows(report, row), 10);
	free(report);
}

/* All that there can be has room. */
static void test_most_boot_rows(void)
{
	static struct boot_row row[BOOT_ROWS];
	struct boot_report *report = boots();
	unsigned int d, i;

	for (d = 0; d < 2; d++) {
		struct boot_result *r = &report->result[d];

		r->init = r->end;
		r->counters.has_reasons = true;
		r->counters.nr = COUNTERS;
		for (i = 0; i < COUNTERS; i++) {
			snprintf(r->counters.row[i].name, COUNTER_NAME, "%u-%u", d, i);
			r->counters.row[i].value = 1;
		}
		for (i = 0; i < COUNTER_REASONS; i++)
			r->counters.reason[i] = 1;
		for (i = 0; i < MACHINE_EXITS; i++)
			r->user[i] = 1;
	}
	i = boot_rows(report, row);
	CHECK_EQ(i, 4 + 1 + MACHINE_EXITS + COUNTER_REASONS + 2 * COUNTERS);
	CHECK(i <= BOOT_ROWS);
	free(report);
}

static void test_boot_middle(void)
{
	struct boot_report *report = boots();
	struct boot_result *rounds3 = calloc(3, sizeof(*rounds3));

	rounds3[0].end.ticks = 30;
	rounds3[1].end.ticks = 10;
	rounds3[2].end.ticks = 20;
	rounds3[2].user[KVM_EXIT_IO] = 7;
	boot_middle(report, 1, rounds3);
	CHECK_EQ(report->result[1].end.ticks, 20);
	CHECK_EQ(report->result[1].user[KVM_EXIT_IO], 7);
	CHECK_EQ(report->least[1], 10);
	CHECK_EQ(report->most[1], 30);
	CHECK_EQ(report->result[0].end.ticks, 1000);
	free(rounds3);
	free(report);
}

static char *boot_printed(const struct boot_report *report,
			  void (*print)(FILE *f, const struct boot_report *report))
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	print(f, report);
	fclose(f);
	return text;
}

static void test_boot_printing(void)
{
	struct boot_report *report = boots();
	char *text = boot_printed(report, boot_print_json);

	CHECK_HAS(text, "{\"unit\":\"tsc-ticks\",\"rounds\":3,\"kernel\":\"a \\\"kernel\\\"\","
		  "\"devices\":[\"/dev/a\",\"/dev/b\"],\"spread\":[{\"min\":900,\"max\":1100},"
		  "{\"min\":0,\"max\":0}],\"rows\":[{\"of\":\"time\",\"name\":\"ticks\","
		  "\"values\":[1000,2000],\"ratio\":0.500000},");
	CHECK_HAS(text, "{\"of\":\"time\",\"name\":\"seconds\",\"values\":[2.500,5.000],");
	CHECK_HAS(text, "{\"of\":\"cpu-exits\",\"name\":\"EPT_VIOLATION\",\"values\":[70,null],"
		  "\"ratio\":null}");
	CHECK_HAS(text, "\"values\":[null,6],\"ratio\":null}]}\n");
	free(text);
	text = boot_printed(report, boot_print);
	CHECK_HAS(text, "of          row                                /dev/a         /dev/b"
		  "  ratio\n");
	CHECK_HAS(text, "time        ticks                                1000           2000"
		  "   0.50\n");
	CHECK_HAS(text, "time        seconds-to-init                     1.250              -\n");
	CHECK_HAS(text, "a \"kernel\", from its first instruction to its end; of 3 rounds the");
	CHECK_HAS(text, "/dev/a: from 900 to 1100 ticks\n");
	free(text);
	report->nr_devices = 1;
	report->rounds = 1;
	text = boot_printed(report, boot_print);
	CHECK(!strstr(text, "ratio") && !strstr(text, "/dev/b") && !strstr(text, "ticks\n/"));
	CHECK_HAS(text, "of 1 round the one in the middle.\n");
	free(text);
	free(report);
}

static const struct unit units[] = {
	{ "meminfo", test_meminfo },
	{ "zoneinfo", test_zoneinfo },
	{ "memory_cost", test_memory_cost },
	{ "memory_middle", test_memory_middle },
	{ "memory_printing", test_memory_printing },
	{ "counters", test_counters },
	{ "bad_counters", test_bad_counters },
	{ "random_counters", test_random_counters },
	{ "reason_names", test_reason_names },
	{ "boot_rows", test_boot_rows },
	{ "most_boot_rows", test_most_boot_rows },
	{ "boot_middle", test_boot_middle },
	{ "boot_printing", test_boot_printing },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
