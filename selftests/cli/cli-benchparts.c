// SPDX-License-Identifier: GPL-2.0
/*
 * The parts of `lodge bench` that need no device: its arithmetic, its table of rows, what
 * it prints. Built with the sanitizers.
 */
#include <math.h>
#include <stdlib.h>

#include "bench_report.h"
#include "units.h"

static bool near(double got, double want)
{
	return fabs(got - want) < 0.000001;
}

/* ---- the arithmetic ---------------------------------------------------------- */

static void test_spread_of_one(void)
{
	struct bench_spread s;
	s64 total[] = { 1700 }, empty[] = { 100 };

	bench_spread(&s, total, empty, 1, 16);
	CHECK(near(s.min, 100) && near(s.q1, 100) && near(s.median, 100));
	CHECK(near(s.q3, 100) && near(s.max, 100));
}

static void test_spread_between_samples(void)
{
	struct bench_spread s;
	s64 total[] = { 40, 10, 30, 20 }, empty[] = { 2, 0, 4, 2 };

	bench_spread(&s, total, empty, 4, 2);
	CHECK(near(s.min, 4));
	CHECK(near(s.q1, (17.5 - 2) / 2));
	CHECK(near(s.median, 11.5));
	CHECK(near(s.q3, (32.5 - 2) / 2));
	CHECK(near(s.max, 19));
}

/* The order in which samples came says nothing, and one that is far off little. */
static void test_spread_of_any_order(void)
{
	enum { NR = 15 };
	struct bench_spread s;
	s64 total[NR], empty[NR];
	unsigned int times = rounds(200), i, j;

	while (times--) {
		for (i = 0; i < NR; i++) {
			total[i] = 1000 + i;
			empty[i] = 5;
		}
		total[NR - 1] = 1000000000;
		for (i = NR - 1; i; i--) {
			s64 t = total[i];

			j = random_below(i + 1);
			total[i] = total[j];
			total[j] = t;
		}
		bench_spread(&s, total, empty, NR, 1);
		CHECK(near(s.min, 995) && near(s.q1, 998.5) && near(s.median, 1002));
		CHECK(near(s.q3, 1005.5) && near(s.max, 999999995));
	}
}

static void test_spread_below_nothing(void)
{
	struct bench_spread s;
	s64 total[] = { 10, -5, 12 }, empty[] = { 11, 11, 11 };

	bench_spread(&s, total, empty, 3, 1);
	CHECK(near(s.min, 0) && near(s.median, 0) && near(s.max, 1));
}

static struct bench_spread all(double ticks)
{
	return (struct bench_spread){ ticks, ticks, ticks, ticks, ticks };
}

static double ratio(double a, double b)
{
	struct bench_spread left = all(a), right = all(b);

	return bench_ratio(&left, &right);
}

static void test_ratios(void)
{
	CHECK(near(ratio(500, 1000), 0.5));
	CHECK(near(ratio(1000, 500), 2));
	/* Neither has left the guest. */
	CHECK(near(ratio(BENCH_NO_EXIT - 1, 1), 0));
	CHECK(near(ratio(0, 0), 0));
	/* Only one has. */
	CHECK(near(ratio(0, 1000), 0.001));
	CHECK(near(ratio(1000, 0), 1000));
	CHECK(near(ratio(4, BENCH_NO_EXIT), 4.0 / BENCH_NO_EXIT));
}

static void test_mean(void)
{
	struct bench_mean mean = { 0 };

	CHECK(near(bench_mean(&mean), 0));
	bench_mean_add(&mean, 0);
	CHECK(near(bench_mean(&mean), 0));
	bench_mean_add(&mean, 0.25);
	CHECK(near(bench_mean(&mean), 0.25));
	bench_mean_add(&mean, 4);
	bench_mean_add(&mean, 0);
	CHECK(near(bench_mean(&mean), 1));
	bench_mean_add(&mean, 8);
	CHECK(near(bench_mean(&mean), 2));
}

/* ---- the table ------------------------------------------------------------------ */

static void check_row(const struct bench_row *row)
{
	unsigned int modes = row->needs & (NEEDS_X2APIC | NEEDS_XAPIC);

	CHECK(strlen(row->name) <= 20);
	CHECK(!strpbrk(row->name, ",*?[ \""));
	CHECK(row->what && strlen(row->what) <= 57);
	/* In the guest or in the host. */
	CHECK(!row->code != !row->once);
	CHECK(modes != (NEEDS_X2APIC | NEEDS_XAPIC));
	/* Handlers do their EOI by MSR. */
	CHECK(!(row->needs & NEEDS_IRQS) || row->needs & NEEDS_X2APIC);
	CHECK(!(row->needs & NEEDS_NEXT) || row->next);
	CHECK(!(row->needs & HUGE) || row->prepare);
	CHECK(!row->once || !(row->beside || row->next || row->batch));
	CHECK(!(row->needs & NO_VM) || (row->once && !row->prepare));
	if (row->code)
		CHECK(row->code > bench_guest && row->code < bench_guest_end);
}

static void test_rows(void)
{
	const struct bench_row *row;
	unsigned int i, j;

	CHECK(bench_row_count() > 60);
	CHECK(!bench_row(bench_row_count()));
	CHECK(!bench_row(~0u));
	for (i = 0; (row = bench_row(i)); i++) {
		check_row(row);
		for (j = 0; j < i; j++)
			CHECK(strcmp(row->name, bench_row(j)->name));
	}
}

/* What the assembler believes of the struct is so, and all has its place in the guest. */
static void test_layout(void)
{
#define SAME(member, offset) CHECK_EQ(offsetof(struct bench_shared, member), offset)
	SAME(rounds, SHARED_ROUNDS);
	SAME(batch, SHARED_BATCH);
	SAME(routine, SHARED_ROUTINE);
	SAME(own_time, SHARED_OWN);
	SAME(tell, SHARED_TELL);
	SAME(arg[0], SHARED_ARG0);
	SAME(arg[1], SHARED_ARG1);
	SAME(arg[2], SHARED_ARG2);
	SAME(pointer, SHARED_POINTER);
	SAME(apic, SHARED_APIC);
	SAME(lvtt, SHARED_LVTT);
	SAME(sent, SHARED_SENT);
	SAME(stamp, SHARED_STAMP);
	SAME(count, SHARED_COUNT);
#undef SAME
	CHECK((BENCH_MOST_ROUNDS + 1) * sizeof(u64) <= BENCH_DATA - BENCH_RESULTS);
	CHECK(BENCH_SHARED + BENCH_CPUS * PAGE_SIZE <= BENCH_RESULTS);
	CHECK(BENCH_CODE + (bench_guest_end - bench_guest) <=
	      BENCH_STACK - BENCH_CPUS * (long)PAGE_SIZE);
}

/* ---- what is printed ---------------------------------------------------------------- */

static const struct bench_row first = { .name = "one", .what = "a \"row\"", .batch = 4 };
static const struct bench_row second = { .name = "two", .what = "another" };

static char *printed(const struct bench_report *report,
		     void (*print)(FILE *f, const struct bench_report *report))
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	print(f, report);
	fclose(f);
	return text;
}

static void print_lines(FILE *f, const struct bench_report *report)
{
	unsigned int i;

	for (i = 0; i < report->nr_lines; i++)
		bench_print_line(f, report, &report->line[i]);
	bench_print_end(f, report);
}

static void test_printing(void)
{
	struct bench_line lines[] = {
		{ .row = &first, .result = { { .ticks = all(500) }, { .ticks = all(2000) } } },
		{ .row = &second, .result = { { .state = BENCH_SKIPPED, .why = "not \"here\"" },
					      { .state = BENCH_FAILED, .why = "it broke" } } },
	};
	struct bench_report report = {
		.device = { "/dev/a", "/dev/b" }, .nr_devices = 2, .rounds = 9,
		.line = lines, .nr_lines = 2,
	};
	char *text = printed(&report, bench_print_json);

	CHECK(!strcmp(text,
		      "{\"unit\":\"tsc-ticks\",\"rounds\":9,\"devices\":[\"/dev/a\",\"/dev/b\"],"
		      "\"rows\":[{\"name\":\"one\",\"what\":\"a \\\"row\\\"\",\"batch\":4,"
		      "\"results\":[{\"state\":\"measured\",\"median\":500.00,\"min\":500.00,"
		      "\"q1\":500.00,\"q3\":500.00,\"max\":500.00},{\"state\":\"measured\","
		      "\"median\":2000.00,\"min\":2000.00,\"q1\":2000.00,\"q3\":2000.00,"
		      "\"max\":2000.00}],\"ratio\":0.250000},{\"name\":\"two\","
		      "\"what\":\"another\",\"batch\":16,\"results\":[{\"state\":\"skipped\","
		      "\"reason\":\"not \\\"here\\\"\"},{\"state\":\"failed\","
		      "\"reason\":\"it broke\"}],\"ratio\":null}],"
		      "\"geometric_mean\":0.250000}\n"));
	free(text);
	text = printed(&report, print_lines);
	CHECK_HAS(text, "one                  /dev/a              500        500");
	CHECK_HAS(text, "   0.25\n");
	CHECK_HAS(text, "two                  /dev/a       skipped: not \"here\"\n");
	CHECK_HAS(text, "/dev/b       failed: it broke\n");
	CHECK_HAS(text, "of 9 rounds");
	CHECK_HAS(text, "ratios: 0.25\n");
	free(text);
}

static void test_printing_of_one_device(void)
{
	struct bench_line line = { .row = &second, .result = { { .ticks = all(12.4) } } };
	struct bench_report report = {
		.device = { "/dev/a" }, .nr_devices = 1, .rounds = 1, .line = &line,
		.nr_lines = 1,
	};
	char *text = printed(&report, bench_print_json);

	CHECK_HAS(text, "\"devices\":[\"/dev/a\"]");
	CHECK_HAS(text, "\"median\":12.40");
	CHECK_HAS(text, "\"ratio\":null}],\"geometric_mean\":null}\n");
	free(text);
	text = printed(&report, print_lines);
	CHECK(!strstr(text, "ratio"));
	free(text);
}

static void test_printing_of_small_ratios(void)
{
	struct bench_line line = {
		.row = &first, .result = { { .ticks = all(50) }, { .ticks = all(4000) } },
	};
	struct bench_report report = {
		.device = { "/dev/a", "/dev/b" }, .nr_devices = 2, .rounds = 1, .line = &line,
		.nr_lines = 1,
	};
	char *text = printed(&report, print_lines);

	CHECK_HAS(text, " 0.0125\n");
	free(text);
}

/* One figure has no ratio, and does not count in the mean. */
static void test_half_a_line(void)
{
	struct bench_line lines[] = {
		{ .row = &first, .result = { { .ticks = all(500) }, { .ticks = all(1000) } } },
		{ .row = &second, .result = { { .state = BENCH_SKIPPED },
					      { .ticks = all(1000) } } },
		{ .row = &second, .result = { { .ticks = all(1000) },
					      { .state = BENCH_FAILED } } },
	};
	struct bench_report report = { .nr_devices = 2, .line = lines, .nr_lines = 3 };

	CHECK(near(bench_line_ratio(&report, &lines[0]), 0.5));
	CHECK(near(bench_line_ratio(&report, &lines[1]), 0));
	CHECK(near(bench_line_ratio(&report, &lines[2]), 0));
	CHECK(near(bench_report_mean(&report), 0.5));
	report.nr_devices = 1;
	CHECK(near(bench_line_ratio(&report, &lines[0]), 0));
	CHECK(near(bench_report_mean(&report), 0));
}

static const struct unit units[] = {
	{ "spread_of_one", test_spread_of_one },
	{ "spread_between_samples", test_spread_between_samples },
	{ "spread_of_any_order", test_spread_of_any_order },
	{ "spread_below_nothing", test_spread_below_nothing },
	{ "ratios", test_ratios },
	{ "mean", test_mean },
	{ "rows", test_rows },
	{ "layout", test_layout },
	{ "half_a_line", test_half_a_line },
	{ "printing", test_printing },
	{ "printing_of_one_device", test_printing_of_one_device },
	{ "printing_of_small_ratios", test_printing_of_small_ratios },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
