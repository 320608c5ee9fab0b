// SPDX-License-Identifier: GPL-2.0
/*
 * What `lodge stat` and `lodge trace` are made of, without a machine: rings of exits that are
 * written while they are read, or that lie about themselves; files of statistics likewise;
 * symbol tables, whole, cut off and random; and what is printed, drawn and written of it.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands.h"
#include "counts.h"
#include "elf_symbols.h"
#include "err.h"
#include "images.h"
#include "pty.h"
#include "stat_report.h"
#include "trace.h"
#include "units.h"

#define RECORDS		127
#define CPUID		10
#define HLT		12
#define IO		30
#define EPT_VIOLATION	48

/* ---- a ring ----------------------------------------------------------------- */

struct ring {
	struct lodge_flight head;
	struct lodge_flight_record record[RECORDS];
};

static struct ring ring[2];

static void new_ring(struct ring *r, unsigned int cpu)
{
	memset(r, 0x5a, sizeof(*r));
	r->head = (struct lodge_flight){
		.size = sizeof(r->head), .version = 1, .record_size = sizeof(r->record[0]),
		.records = RECORDS, .vcpu = cpu, .tsc_khz = 1000,
	};
}

static struct flight open_ring(const struct ring *r)
{
	struct flight f;

	CHECK(flight_at(&f, r, sizeof(*r)));
	return f;
}

/* All in it follows from its number. */
static struct lodge_flight_record numbered(u64 n)
{
	return (struct lodge_flight_record){
		.entered = 10 * n, .left = 10 * n + 4, .rip = n * 7, .cr3 = ~n,
		.qualification = n ^ 0x1234, .gpa = n << 3, .reason = n % 60,
		.event = n, .cpu = n * 3, .flags = 0,
	};
}

/* As the hypervisor does: the slot, then the count. */
static void put(struct ring *r, const struct lodge_flight_record *record)
{
	u64 n = r->head.count;

	r->record[n % RECORDS] = *record;
	__atomic_store_n(&r->head.count, n + 1, __ATOMIC_RELEASE);
}

static void put_numbered(struct ring *r, unsigned int nr)
{
	while (nr--) {
		struct lodge_flight_record record = numbered(r->head.count);

		put(r, &record);
	}
}

static bool is_numbered(const struct lodge_flight_record *r, u64 n)
{
	struct lodge_flight_record want = numbered(n);

	return !memcmp(r, &want, sizeof(want));
}

static void test_copies(void)
{
	struct lodge_flight_record to[200];
	u64 at = 0, lost = 0;
	struct flight f;
	unsigned int i, n;

	new_ring(&ring[0], 0);
	f = open_ring(&ring[0]);
	CHECK_EQ(flight_copy(&f, &at, to, 200, &lost), 0);
	put_numbered(&ring[0], 5);
	CHECK_EQ(flight_copy(&f, &at, to, 3, &lost), 3);
	CHECK_EQ(at, 3);
	CHECK_EQ(flight_copy(&f, &at, to, 200, &lost), 2);
	CHECK(is_numbered(&to[0], 3) && is_numbered(&to[1], 4));
	CHECK(at == 5 && lost == 0);
	/* One less than it holds is certain. */
	put_numbered(&ring[0], RECORDS - 1);
	CHECK_EQ(flight_copy(&f, &at, to, 200, &lost), RECORDS - 1);
	CHECK(is_numbered(&to[0], 5) && lost == 0);
	put_numbered(&ring[0], RECORDS + 9);
	n = flight_copy(&f, &at, to, 200, &lost);
	CHECK_EQ(n, RECORDS - 1);
	CHECK_EQ(lost, 10);
	for (i = 0; i < n; i++)
		CHECK(is_numbered(&to[i], at - n + i));
	CHECK_EQ(flight_last(&f, to, 16), 16);
	CHECK(is_numbered(&to[15], at - 1) && is_numbered(&to[0], at - 16));
	/* A count that goes back is not one of ours, and no reason to copy anything. */
	ring[0].head.count = 3;
	CHECK_EQ(flight_copy(&f, &at, to, 200, &lost), 0);
	CHECK(at == 3 && lost == 10);
}

static atomic_bool over;

static void *write_on(void *unused)
{
	(void)unused;
	while (!atomic_load(&over))
		put_numbered(&ring[0], 1 + ring[0].head.count % 50);
	return NULL;
}

/* Whatever the writer does meanwhile, what is copied is whole and in order, and none is missed. */
static void test_class05_copies_while_written(void)
{
	struct lodge_flight_record to[64];
	u64 at = 0, lost = 0, copied = 0;
	unsigned int i, n, enough = rounds(50000);
	pthread_t writer;
	struct flight f;

	new_ring(&ring[0], 0);
	f = open_ring(&ring[0]);
	atomic_store(&over, false);
	CHECK(!pthread_create(&writer, NULL, write_on, NULL));
	while (copied < enough && !failures) {
		CHECK_EQ(at, copied + lost);
		n = flight_copy(&f, &at, to, 1 + random_below(64), &lost);
		copied += n;
		for (i = 0; i < n; i++)
			CHECK(is_numbered(&to[i], at - n + i));
	}
	atomic_store(&over, true);
	pthread_join(writer, NULL);
	CHECK_EQ(at, copied + lost);
	printf("# %llu copied, %llu overwritten\n", copied, lost);
}

/* What the writer says of its ring is taken only if the ring can be so. */
static void test_class39_hostile_rings(void)
{
	static const u32 sizes[] = { 0, 1, 8, 63, 72, 8192, 8193, 0x7fffffff, 0xffffffff };
	unsigned int i, n = rounds(20000);
	struct lodge_flight_record to[16];
	struct flight f;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		new_ring(&ring[0], 0);
		ring[0].head.record_size = sizes[i];
		CHECK(!flight_at(&f, &ring[0], sizeof(ring[0])) || sizes[i] == 72);
		new_ring(&ring[0], 0);
		ring[0].head.records = sizes[i];
		CHECK(!flight_at(&f, &ring[0], sizeof(ring[0])) || sizes[i] - 2 < RECORDS - 1);
	}
	CHECK(!flight_at(&f, &ring[0], 10));
	new_ring(&ring[0], 0);
	ring[0].head.tsc_khz = 0;
	CHECK(!flight_at(&f, &ring[0], sizeof(ring[0])));
	CHECK(!flight_at(&f, &ring[0], 10));
	for (i = 0; i < n; i++) {
		struct ring *copy = malloc(sizeof(*copy));
		u64 at = next_random() >> random_below(64), lost = 0;

		new_ring(copy, 0);
		copy->head.size = 64 + 8 * random_below(30);
		copy->head.record_size = 64 + 8 * random_below(30);
		copy->head.records = random_below(140);
		copy->head.count = next_random() >> random_below(64);
		if (flight_at(&f, copy, sizeof(*copy)))
			CHECK(flight_copy(&f, &at, to, 16, &lost) <= 16);
		free(copy);
	}
	/* Files of others are not mapped: they could become shorter meanwhile. */
	FILE *file = tmpfile();

	CHECK(file && !ftruncate(fileno(file), LODGE_FLIGHT_BYTES));
	CHECK_EQ(flight_map(&f, fileno(file)), -EPROTO);
	CHECK(!f.head);
	fclose(file);
}

/* ---- what is printed ---------------------------------------------------------- */

static char *text;
static size_t text_size;

static FILE *begin_text(void)
{
	text = NULL;
	return open_memstream(&text, &text_size);
}

static void test_words(void)
{
	static const struct { struct lodge_flight_record r; const char *text; } t[] = {
		{ { .reason = CPUID, .rip = 0x1000, .cr3 = 0x2000 },
		  "CPUID rip 0x1000 cr3 0x2000" },
		{ { .reason = EPT_VIOLATION, .rip = 1, .qualification = 0x181, .gpa = 0xfee00000,
		    .event = 0x80000030 },
		  "EPT_VIOLATION rip 0x1 cr3 0 qualification 0x181 gpa 0xfee00000; "
		  "went in: interrupt 48" },
		{ { .reason = 33 | 1u << 31, .event = 0x80000b0e },
		  "INVALID_STATE (the entry failed) rip 0 cr3 0; went in: exception 14" },
		{ { .flags = LODGE_FLIGHT_VMFAIL, .qualification = 7 },
		  "VMFAIL error 7 rip 0 cr3 0" },
		{ { .reason = 79 }, "EXIT_79 rip 0 cr3 0" },
		/* What is not valid did not go in. */
		{ { .reason = HLT, .event = 0x30 }, "HLT rip 0 cr3 0" },
	};
	unsigned int i;
	FILE *to;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		to = begin_text();
		flight_tell(to, &t[i].r);
		fclose(to);
		if (strcmp(text, t[i].text)) {
			printf("# \"%s\", expected \"%s\"\n", text, t[i].text);
			failures++;
		}
		free(text);
	}
	to = begin_text();
	flight_tell_json(to, &t[1].r);
	fclose(to);
	CHECK(!strcmp(text, "\"reason\":\"EPT_VIOLATION\",\"number\":48,\"entry_failed\":false,"
		      "\"rip\":\"0x1\",\"cr3\":\"0\",\"qualification\":\"0x181\","
		      "\"gpa\":\"0xfee00000\",\"event\":{\"type\":\"interrupt\",\"vector\":48}"));
	free(text);
}

/* ---- statistics ----------------------------------------------------------------- */

struct stats_file {
	struct kvm_stats_header head;
	struct { struct kvm_stats_desc desc; char name[48]; } d[5];
	u64 value[200];
};

static void add_stat(struct stats_file *f, const char *name, unsigned int size, unsigned int at)
{
	unsigned int i = f->head.num_desc++;

	f->d[i].desc.size = size;
	f->d[i].desc.offset = at * 8;
	strcpy(f->d[i].name, name);
}

static void make_stats(struct stats_file *f, bool lodge)
{
	memset(f, 0, sizeof(*f));
	f->head = (struct kvm_stats_header){
		.name_size = 48, .desc_offset = offsetof(struct stats_file, d),
		.data_offset = offsetof(struct stats_file, value),
	};
	add_stat(f, "exits", 1, 0);
	add_stat(f, "halt_exits", 1, 1);
	f->value[0] = 100;
	f->value[1] = 7;
	if (lodge) {
		add_stat(f, "exits_by_reason", 80, 2);
		add_stat(f, "host_ns_by_reason", 80, 82);
		add_stat(f, "user_exits_by_reason", 38, 162);
		f->value[2 + CPUID] = 60;
		f->value[2 + HLT] = 7;
		f->value[2 + IO] = 33;
		f->value[82 + CPUID] = 6000;
		f->value[82 + HLT] = 500000000;
		f->value[82 + IO] = 100000000;
		f->value[162 + 2] = 33;
	} else {
		add_stat(f, "io_exits", 1, 2);
		f->value[2] = 33;
	}
}

static void test_counts(void)
{
	struct stats_file f;
	u8 order[FLIGHT_REASONS];
	struct counts c, before;
	char number[16];

	make_stats(&f, true);
	CHECK(counts_parse(&f, sizeof(f), &c));
	CHECK(c.by_reason && c.all_exits == 100 && c.halts == 7 && c.to_command == 33);
	CHECK_EQ(counts_order(&c, order), 3);
	CHECK(order[0] == CPUID && order[1] == IO && order[2] == HLT);
	CHECK(!strcmp(counts_name(&c, order[1], number), "IO_INSTRUCTION"));
	before = c;
	f.value[0] += 5;
	f.value[2 + IO] += 5;
	CHECK(counts_parse(&f, sizeof(f), &c));
	counts_subtract(&c, &before);
	CHECK(c.all_exits == 5 && c.exits[IO] == 5 && !c.exits[CPUID]);
	make_stats(&f, false);
	CHECK(counts_parse(&f, sizeof(f), &c));
	CHECK(!c.by_reason && c.all_exits == 100 && counts_order(&c, order) == 2);
	CHECK(!strcmp(counts_name(&c, order[0], number), "io_exits"));
}

static void test_class39_hostile_counts(void)
{
	unsigned int i, n = rounds(20000);
	struct stats_file f;
	struct counts c;
	u8 *copy;

	for (i = 0; i < n; i++) {
		size_t size = random_below(4) ? sizeof(f) : random_below(sizeof(f));
		unsigned int j;

		make_stats(&f, true);
		for (j = random_below(6); j; j--) {
			size_t at = random_below(offsetof(struct stats_file, value));

			((u8 *)&f)[at] = next_random();
		}
		copy = malloc(size ? size : 1);
		memcpy(copy, &f, size);
		counts_parse(copy, size, &c);
		free(copy);
	}
}

static struct watched machine_of(struct counts *cpu, bool lodge)
{
	struct watched w = { .machine.pid = 42, .machine.info.memory = 64 * MIB };
	struct stats_file f;

	strcpy(w.machine.info.name, "vm\"linuz");
	make_stats(&f, lodge);
	CHECK(counts_parse(&f, sizeof(f), cpu));
	w.recorders.nr = 1;
	w.cpu = cpu;
	w.sum = *cpu;
	w.span_ns = 2000000000;
	return w;
}

static void test_stat_tables(void)
{
	struct counts cpu;
	struct watched w = machine_of(&cpu, true);
	FILE *to = begin_text();

	stat_print(to, &w, true);
	fclose(to);
	CHECK_HAS(text, "machine 42, vm\"linuz: 1 CPUs, 64 MiB; 2.0 s\n");
	CHECK_HAS(text, "50.0 exits/s, 3.5 halts/s, 16.5 to the command/s; "
		  "of the time 5.0 % in the host, 25.0 % asleep\n");
	CHECK_HAS(text, "\n  IO_INSTRUCTION                   16.5   33.0      3030303   16.7\n");
	CHECK_HAS(text, "CPU 0: 50.0 exits/s");
	free(text);
	to = begin_text();
	stat_print_all(to, &w, 1);
	fclose(to);
	CHECK_HAS(text, "\n     42    1       50.0       16.5       3.5    5.0  "
		  "CPUID                vm\"linuz\n");
	free(text);
	to = begin_text();
	stat_print_json(to, &w, 1, false);
	fclose(to);
	CHECK_HAS(text, "{\"machines\":[{\"pid\":42,\"name\":\"vm\\\"linuz\",\"cpus\":1,"
		  "\"seconds\":2.000,\"since_start\":false,\"exits\":100,\"halts\":7,"
		  "\"to_command\":33,\"host_ns\":100006000,\"asleep_ns\":500000000,"
		  "\"reasons\":[{\"name\":\"CPUID\",\"exits\":60,\"number\":10,\"host_ns\":6000},");
	CHECK_HAS(text, "],\"vcpus\":[]}]}\n");
	free(text);
	w = machine_of(&cpu, false);
	to = begin_text();
	stat_print(to, &w, false);
	stat_print_json(to, &w, 1, true);
	fclose(to);
	CHECK_HAS(text, "its device is not lodge");
	CHECK_HAS(text, "io_exits");
	CHECK_HAS(text, "\"host_ns\":null");
	CHECK_HAS(text, "\"vcpus\":[{\"cpu\":0,\"exits\":100,");
	free(text);
}

/* Waits until the text is on the terminal. */
static bool shows(const char *what)
{
	char seen[4096] = "";
	size_t n = 0;

	while (n < sizeof(seen) - 1 && !strstr(seen, what) && read_all(master, seen + n, 1) == 1)
		n++;
	return strstr(seen, what);
}

/* `lodge stat` in a child whose terminal is the pty, in a place without machines. */
static pid_t start_live(const char *home)
{
	char name[] = "stat", option[] = "--interval", time[] = "0.05";
	char *argv[4] = { name, option, time };
	pid_t child = fork();

	if (child)
		return child;
	setenv("XDG_RUNTIME_DIR", home, 1);
	dup2(slave, STDIN_FILENO);
	dup2(slave, STDOUT_FILENO);
	optind = 0;
	_exit(cmd_stat.main(3, argv));
}

/* However it ends, its terminal is as before. */
static void test_live(void)
{
	static const struct { const char *key; int signal, status; } t[] = {
		{ "q", 0, 0 }, { "\003", 0, 0 }, { "xq", 0, 0 }, { "", SIGTERM, SIGTERM },
		{ "", SIGINT, SIGINT },
	};
	char home[] = "/tmp/lodge-test-XXXXXX";
	unsigned int i;
	int status;
	pid_t child;

	CHECK(mkdtemp(home));
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		open_pty();
		child = start_live(home);
		CHECK(shows("NAME") && is_raw(NULL));
		CHECK(shows("NAME"));		/* and again */
		CHECK_EQ(write(master, t[i].key, strlen(t[i].key)), strlen(t[i].key));
		if (t[i].signal)
			kill(child, t[i].signal);
		CHECK(waitpid(child, &status, 0) == child && status == t[i].status);
		CHECK(is_cooked(NULL));
		close_pty();
	}
	CHECK(!rmdir(home));
}

/* ---- symbols -------------------------------------------------------------------- */

#define SYMBOLS	6

/* An ELF kernel with a symbol table behind it. */
static struct blob make_symbols(bool is_64)
{
	static const char names[] = "\0start\0middle\0of<b>\0data";
	static const struct { u64 at, size; u32 name; u8 type; } t[SYMBOLS] = {
		{ 0 }, { 0x2000, 0x100, 1, STT_FUNC }, { 0x1000, 0, 7, STT_NOTYPE },
		{ 0x3000, 0x10, 14, STT_FUNC }, { 0x2000, 0, 7, STT_NOTYPE },
		{ 0x1800, 8, 20, STT_OBJECT },
	};
	struct blob elf = make_elf(is_64, true), b;
	u64 sym = is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	u64 sec = is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
	u64 symbols = (elf.size + 7) & ~7ull, strings = symbols + SYMBOLS * sym;
	u64 table = (strings + sizeof(names) + 7) & ~7ull, at;
	unsigned int i, word = is_64 ? 8 : 4;

	b = blob(table + 3 * sec);
	memset(b.data, 0, b.size);
	memcpy(b.data, elf.data, elf.size);
	free(elf.data);
	for (i = 0; i < SYMBOLS; i++) {
		at = symbols + i * sym;
		put_number(&b, at, t[i].name, 4);
		put_number(&b, at + (is_64 ? 8 : 4), t[i].at, word);
		put_number(&b, at + (is_64 ? 16 : 8), t[i].size, word);
		put_number(&b, at + (is_64 ? 4 : 12), t[i].type, 1);
		put_number(&b, at + (is_64 ? 6 : 14), i ? 1 : 0, 2);
	}
	memcpy(b.data + strings, names, sizeof(names));
	put_number(&b, is_64 ? 0x28 : 0x20, table, word);
	put_number(&b, is_64 ? 0x3a : 0x2e, sec, 2);
	put_number(&b, is_64 ? 0x3c : 0x30, 3, 2);
	for (i = 1; i < 3; i++) {
		at = table + i * sec;
		put_number(&b, at + 4, i == 1 ? SHT_SYMTAB : SHT_STRTAB, 4);
		put_number(&b, at + (is_64 ? 0x18 : 0x10), i == 1 ? symbols : strings, word);
		put_number(&b, at + (is_64 ? 0x20 : 0x14),
			   i == 1 ? SYMBOLS * sym : sizeof(names), word);
		put_number(&b, at + (is_64 ? 0x28 : 0x18), i == 1 ? 2 : 0, 4);
	}
	return b;
}

static int load(struct symbols *s, const struct blob *b)
{
	*s = (struct symbols){ .image = { "test", b->data, b->size } };
	return symbols_load(s);
}

static void check_name(const struct symbols *s, u64 address, const char *want)
{
	int i = symbols_find(s, address);
	const char *have = i < 0 ? "none" : s->list[i].name;

	if (strcmp(have, want)) {
		printf("# %#llx is at %s, expected %s\n", address, have, want);
		failures++;
	}
}

static void test_symbols(void)
{
	unsigned int wide;
	struct symbols s;
	struct blob b;

	for (wide = 0; wide < 2; wide++) {
		b = make_symbols(wide);
		CHECK_EQ(load(&s, &b), 0);
		CHECK_EQ(s.nr, 3);
		check_name(&s, 0xfff, "none");
		check_name(&s, 0x1000, "middle");
		check_name(&s, 0x1fff, "middle");
		/* Of two the one with a size. */
		check_name(&s, 0x2000, "start");
		check_name(&s, 0x20ff, "start");
		check_name(&s, 0x2100, "none");
		check_name(&s, 0x300f, "of<b>");
		check_name(&s, 0x3010, "none");
		check_name(&s, ~0ull, "none");
		free(s.list);
		free(b.data);
	}
	b = make_elf(true, true);
	CHECK_EQ(load(&s, &b), STATUS_IMAGE);
	free(b.data);
	CHECK_EQ(symbols_open(&s, "/none/such"), STATUS_IMAGE);
	CHECK_EQ(symbols_open(&s, "/dev/null"), STATUS_IMAGE);
	CHECK_EQ(symbols_open(&s, "/proc/self/exe"), STATUS_IMAGE);
}

/* Cut off at each byte, and with bytes that are something else: no byte beyond is read. */
static void test_class39_hostile_symbols(void)
{
	unsigned int i, j, n = rounds(20000), loaded = 0;
	struct symbols s;
	u64 size;
	int null = open("/dev/null", O_WRONLY), said = dup(STDERR_FILENO);

	/* What it says of each is not looked at here. */
	dup2(null, STDERR_FILENO);
	for (i = 0; i < 2; i++) {
		struct blob whole = make_symbols(i), b;

		for (size = 0; size < whole.size; size++) {
			b = copy_of(&whole, size);
			CHECK(load(&s, &b) == STATUS_IMAGE);
			free(b.data);
		}
		free(whole.data);
	}
	for (i = 0; i < n; i++) {
		struct blob b = make_symbols(random_below(2));

		for (j = 1 + random_below(4); j; j--) {
			/* The head, or what is behind the kernel proper. */
			u64 at = random_below(2) ? random_below(64) :
				 b.size - 1 - random_below(b.size - ELF_NOTES - ELF_NOTES_SIZE);

			b.data[at] = next_random();
		}
		if (!load(&s, &b)) {
			loaded++;
			for (j = 0; j < s.nr; j++)
				CHECK(strlen(s.list[j].name) > 0 &&
				      symbols_find(&s, s.list[j].address) >= -1);
			free(s.list);
		}
		free(b.data);
	}
	dup2(said, STDERR_FILENO);
	close(null);
	close(said);
	CHECK(loaded && loaded < n);
}

/* ---- traces --------------------------------------------------------------------- */

static struct symbols symbols;
static struct blob symbols_blob;
static struct trace trace;

static void begin_trace(const struct trace_format *format)
{
	symbols_blob = make_symbols(true);
	CHECK_EQ(load(&symbols, &symbols_blob), 0);
	new_ring(&ring[0], 0);
	new_ring(&ring[1], 1);
	trace = (struct trace){
		.format = format, .to = begin_text(), .machine = "a<b>&\"c", .pid = 42, .cpus = 2,
		.tsc_khz = 1000, .start = 1000, .symbols = &symbols,
	};
}

static void end_trace(void)
{
	trace.stop = 9000;
	trace.format->end(&trace);
	fclose(trace.to);
	free(symbols.list);
	free(symbols_blob.data);
}

static void put_exit(unsigned int cpu, u64 entered, u64 left, u32 reason, u64 rip)
{
	struct lodge_flight_record r = { .entered = entered, .left = left, .reason = reason,
					 .rip = rip };

	put(&ring[cpu], &r);
}

/* Two vCPUs whose exits become visible out of order; then one that loses some. */
static void record_some(void)
{
	struct flight f[2] = { open_ring(&ring[0]), open_ring(&ring[1]) };
	struct trace_rings *rings;
	unsigned int i;

	put_exit(0, 10, 20, HLT, 1);	/* from before */
	rings = trace_rings_create(f, 2);
	CHECK_EQ(trace.format->begin(&trace), 0);
	put_exit(0, 1000, 1100, CPUID, 0x2000);
	put_exit(0, 1200, 1500, IO, 0x3004);
	CHECK_EQ(trace_rings_take(rings, &trace, 1400), 2 * 256 / RECORDS);
	CHECK_EQ(trace.exits, 1);
	put_exit(1, 1000, 1450, HLT, 0x9000);
	trace_rings_take(rings, &trace, 1600);
	CHECK_EQ(trace.exits, 3);
	put_exit(1, 2450, 2550, HLT, 0x1234);
	for (i = 0; i < 2 * RECORDS; i++)
		put_exit(0, 3000 + 10 * i, 3004 + 10 * i, EPT_VIOLATION, 0x1000);
	trace_rings_take(rings, &trace, ~0ull);
	CHECK_EQ(trace.exits, 4 + RECORDS - 1);
	CHECK_EQ(trace.lost, RECORDS + 1);
	trace_rings_free(rings);
}

static void test_trace_text(void)
{
	const char *first, *second, *third;

	begin_trace(&trace_text);
	record_some();
	end_trace();
	CHECK_HAS(text, "# machine 42, a<b>&\"c: 2 CPUs.");
	first = strstr(text, "       100.000    0           -     100.000  "
		       "CPUID rip 0x2000 cr3 0 at start\n");
	second = strstr(text, "       450.000    1           -     450.000  "
			"HLT rip 0x9000 cr3 0 at ?\n");
	third = strstr(text, "       500.000    0     100.000     300.000  "
		       "IO_INSTRUCTION rip 0x3004 cr3 0 at of<b>+0x4\n");
	CHECK(first && second && third && first < second && second < third);
	CHECK_HAS(text, "      1550.000    1    1000.000     100.000  "
		  "HLT rip 0x1234 cr3 0 at middle+0x234\n");
	CHECK_HAS(text, "\n# CPU 0: 128 exits were overwritten before they could be read\n");
	CHECK_HAS(text, "# 130 exits in 0.008 s; 128 more were overwritten");
	if (failures)
		printf("# %.1500s\n", text);
	free(text);
}

/* A reader of JSON that knows nothing but its brackets and strings. */
static bool is_json(const char *t)
{
	char open[64];
	unsigned int depth = 0;

	for (; *t; t++) {
		if (*t == '"') {
			for (t++; *t && *t != '"'; t++)
				if ((unsigned char)*t < ' ' || (*t == '\\' && !*++t))
					return false;
			if (!*t)
				return false;
		} else if (*t == '{' || *t == '[') {
			if (depth == sizeof(open))
				return false;
			open[depth++] = *t;
		} else if (*t == '}' || *t == ']') {
			if (!depth || open[--depth] != *t - 2)
				return false;
		} else if (*t == ',' && strchr(",]}", t[1 + (t[1] == '\n')])) {
			return false;
		}
	}
	return !depth;
}

static void test_trace_perfetto(void)
{
	begin_trace(&trace_perfetto);
	record_some();
	end_trace();
	CHECK(is_json(text));
	CHECK_HAS(text, "\"name\":\"process_name\",\"args\":{\"name\":\"a<b>&\\\"c\"}");
	CHECK_HAS(text, "\"tid\":1,\"name\":\"thread_name\",\"args\":{\"name\":\"CPU 1\"}");
	CHECK_HAS(text, "{\"ph\":\"X\",\"pid\":42,\"tid\":0,\"ts\":200.000,"
		  "\"dur\":300.000,\"name\":\"guest\"");
	CHECK_HAS(text, "{\"ph\":\"X\",\"pid\":42,\"tid\":0,\"ts\":100.000,"
		  "\"dur\":100.000,\"name\":\"CPUID\",\"cat\":\"host\"");
	CHECK_HAS(text, "\"symbol\":\"start\"");
	CHECK_HAS(text, "\"name\":\"128 exits lost\"");
	CHECK_HAS(text, "\"otherData\":{\"exits\":\"130\",\"lost\":\"128\"}");
	free(text);
}

static void test_trace_html(void)
{
	begin_trace(&trace_html);
	record_some();
	end_trace();
	CHECK_HAS(text, "<h1>Exits of a&#60;b&#62;&#38;&#34;c</h1>");
	CHECK_HAS(text, "130 exits; 1.");
	CHECK_HAS(text, "128 more exits were overwritten");
	CHECK_HAS(text, "EPT_VIOLATION</span>");
	CHECK_HAS(text, "<h2>Time in the host by reason</h2>");
	CHECK_HAS(text, "1.000 ms, 2 exits</text>");
	CHECK_HAS(text, ">of&#60;b&#62;</text>");
	CHECK_HAS(text, "<p>1 exits were at no symbol.</p>");
	CHECK(!strstr(text, "http") && !strstr(text, "<script"));
	free(text);
	/* One that cannot begin ends all the same, and without symbols there are none. */
	begin_trace(&trace_html);
	trace.symbols = NULL;
	record_some();
	end_trace();
	CHECK(!strstr(text, "by guest symbol"));
	free(text);
}

/* Times that cannot be: nothing runs for ever, and brackets stay closed. */
static void test_class39_hostile_times(void)
{
	static const struct trace_format *const formats[] = {
		&trace_text, &trace_perfetto, &trace_html };
	unsigned int i, j, n = rounds(300);

	for (i = 0; i < n && !failures; i++) {
		struct trace_rings *rings;
		struct flight f[2];

		begin_trace(formats[i % 3]);
		f[0] = open_ring(&ring[0]);
		f[1] = open_ring(&ring[1]);
		rings = trace_rings_create(f, 2);
		CHECK_EQ(trace.format->begin(&trace), 0);
		for (j = random_below(300); j; j--) {
			struct lodge_flight_record r;
			u64 *word = (u64 *)&r;
			unsigned int k;

			for (k = 0; k < sizeof(r) / 8; k++)
				word[k] = next_random() >> random_below(64);
			put(&ring[random_below(2)], &r);
			if (!random_below(50))
				trace_rings_take(rings, &trace, next_random() >> random_below(64));
		}
		trace_rings_take(rings, &trace, ~0ull);
		CHECK_EQ(trace.exits + trace.lost, ring[0].head.count + ring[1].head.count);
		trace_rings_free(rings);
		end_trace();
		if (trace.format == &trace_perfetto)
			CHECK(is_json(text));
		free(text);
	}
}

static const struct unit units[] = {
	{ "copies", test_copies },
	{ "class05_copies_while_written", test_class05_copies_while_written },
	{ "class39_hostile_rings", test_class39_hostile_rings },
	{ "words", test_words },
	{ "counts", test_counts },
	{ "class39_hostile_counts", test_class39_hostile_counts },
	{ "stat_tables", test_stat_tables },
	{ "live", test_live },
	{ "symbols", test_symbols },
	{ "class39_hostile_symbols", test_class39_hostile_symbols },
	{ "trace_text", test_trace_text },
	{ "trace_perfetto", test_trace_perfetto },
	{ "trace_html", test_trace_html },
	{ "class39_hostile_times", test_class39_hostile_times },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
