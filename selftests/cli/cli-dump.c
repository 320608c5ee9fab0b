// SPDX-License-Identifier: GPL-2.0
/*
 * The ELF core of a guest: read by its headers, and by readelf and gdb where they are; that
 * it has holes; and that nothing is left of one that could not be written.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* That of <sys/user.h> is written differently. */
#undef PAGE_SIZE
#include "dump.h"
#include "err.h"
#include "fake_kvm.h"
#include "recorders.h"
#include "units.h"

static struct fake_kvm f;
static char path[32];
static u8 *core;
static size_t size;

static void begin(void)
{
	fake_kvm_create(&f, 2);
	f.cpu[0].regs.rip = 0xffffffff81234567;
	f.cpu[0].regs.rsp = 0x8888;
	f.cpu[1].regs.rdi = 0xd1;
	f.cpu[1].sregs.gs.base = 0x6666;
	memcpy(memory_at(&f.m.memory, 0x5000, 4), "abcd", 4);
	memcpy(memory_at(&f.m.memory, FAKE_MEMORY - 4, 4), "last", 4);
}

static int new_file(void)
{
	strcpy(path, "/tmp/lodge-dump-XXXXXX");
	return mkstemp(path);
}

static void read_core(int fd)
{
	struct stat st;

	CHECK(!fstat(fd, &st));
	size = st.st_size;
	core = malloc(size);
	CHECK_EQ(pread(fd, core, size, 0), size);
}

/* A note of that name and number, or NULL: where it is aligned, until the next call. */
static const void *find_note(const char *name, unsigned int nr, size_t *len)
{
	static u64 note[2048];
	const Elf64_Ehdr *head = (const void *)core;
	const Elf64_Phdr *segment = (const void *)(core + head->e_phoff);
	const u8 *at = core + segment->p_offset, *end = at + segment->p_filesz;

	CHECK_EQ(segment->p_type, PT_NOTE);
	while (at + sizeof(Elf64_Nhdr) <= end) {
		const Elf64_Nhdr *n = (const void *)at;
		const u8 *text = at + sizeof(*n), *data = text + ((n->n_namesz + 3) & ~3u);

		at = data + ((n->n_descsz + 3) & ~3u);
		CHECK(at <= end);
		if (strcmp((const char *)text, name) || nr--)
			continue;
		*len = n->n_descsz;
		CHECK(*len <= sizeof(note));
		memcpy(note, data, *len < sizeof(note) ? *len : sizeof(note));
		return note;
	}
	CHECK(at == end);
	return NULL;
}

static void check_memory(void)
{
	const Elf64_Ehdr *head = (const void *)core;
	const Elf64_Phdr *s = (const void *)(core + head->e_phoff);
	unsigned int i, found = 0;

	for (i = 1; i < head->e_phnum; i++) {
		const struct ram *ram = &f.m.memory.ram[i - 1];

		if (!ram->size)
			continue;
		found++;
		CHECK(s[i].p_type == PT_LOAD && s[i].p_paddr == ram->gpa);
		CHECK(s[i].p_filesz == ram->size && s[i].p_memsz == ram->size);
		CHECK(s[i].p_offset % PAGE_SIZE == 0);
		CHECK(s[i].p_offset + ram->size <= size);
		CHECK(!memcmp(core + s[i].p_offset, ram->host, ram->size));
	}
	CHECK(found);
}

static void check_core(void)
{
	const Elf64_Ehdr *head = (const void *)core;
	const u64 *regs;
	const u32 *system;
	size_t len;

	CHECK(size > sizeof(*head) && !memcmp(head->e_ident, ELFMAG, SELFMAG));
	CHECK(head->e_type == ET_CORE && head->e_machine == EM_X86_64);
	check_memory();
	regs = find_note("CORE", 0, &len);
	CHECK(regs && len == sizeof(struct elf_prstatus));
	regs = (const void *)&((const struct elf_prstatus *)regs)->pr_reg;
	CHECK(regs[16] == 0xffffffff81234567 && regs[19] == 0x8888);
	regs = find_note("CORE", 1, &len);
	CHECK_EQ(((const struct elf_prstatus *)regs)->pr_pid, 2);
	regs = (const void *)&((const struct elf_prstatus *)regs)->pr_reg;
	CHECK(regs[14] == 0xd1 && regs[22] == 0x6666);
	CHECK(!find_note("CORE", 2, &len));
	system = find_note("QEMU", 0, &len);
	CHECK(system && len == 440 && system[0] == 1 && system[1] == 440);
	/* CR3, behind the tables' registers. */
	CHECK_EQ(system[(440 - 24) / 4], 0x1000);
	CHECK(find_note("QEMU", 1, &len));
	free(core);
}

static void test_core(void)
{
	struct stat st;
	int fd = new_file();

	begin();
	/* Something longer was there. */
	CHECK_EQ(pwrite(fd, "x", 1, 64 * MIB), 1);
	CHECK_EQ(dump_write(&f.m, fd), 0);
	CHECK(!fstat(fd, &st));
	CHECK(st.st_size > (off_t)FAKE_MEMORY && st.st_size < (off_t)(FAKE_MEMORY + MIB));
	CHECK(st.st_blocks * 512 < (off_t)MIB);
	read_core(fd);
	check_core();
	close(fd);
	unlink(path);
	fake_kvm_free(&f);
}

/* A vCPU that has a flight recorder leaves its ring, one that has none nothing. */
static void test_rings(void)
{
	struct lodge_flight *head = mmap(NULL, LODGE_FLIGHT_BYTES, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct recorders *r = calloc(1, sizeof(*r) + 2 * sizeof(r->cpu[0]));
	const struct lodge_flight *note;
	int fd = new_file();
	size_t len;

	begin();
	memset(head, 0x77, LODGE_FLIGHT_BYTES);
	*head = (struct lodge_flight){ .size = 64, .record_size = 64, .records = 127, .vcpu = 1,
				       .tsc_khz = 1, .count = 5 };
	r->nr = 2;
	r->stats_fd = -1;
	r->cpu[0] = (struct recorder){ .flight_fd = -1, .stats_fd = -1 };
	r->cpu[1] = r->cpu[0];
	CHECK(flight_at(&r->cpu[1].flight, head, LODGE_FLIGHT_BYTES));
	f.m.recorders = r;
	CHECK_EQ(dump_write(&f.m, fd), 0);
	read_core(fd);
	note = find_note("LODGE", 0, &len);
	CHECK(note && len == LODGE_FLIGHT_BYTES && !memcmp(note, head, len));
	CHECK(!find_note("LODGE", 1, &len));
	check_core();
	close(fd);
	unlink(path);
	fake_kvm_free(&f);
}

/* Memory above the room for devices, and pages in every pattern. */
static void test_random(void)
{
	unsigned int i, n = rounds(5);

	for (i = 0; i < n; i++) {
		struct ram *high = &f.m.memory.ram[1];
		unsigned int j, pages = random_below(3000);
		int fd = new_file();

		begin();
		*high = (struct ram){ .gpa = 4 * GIB, .size = 2 * MIB };
		high->host = mmap(NULL, high->size, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (j = 0; j < pages; j++) {
			struct ram *ram = &f.m.memory.ram[random_below(2)];

			ram->host[random_below(ram->size)] = next_random();
		}
		CHECK_EQ(dump_write(&f.m, fd), 0);
		read_core(fd);
		check_core();
		close(fd);
		unlink(path);
		fake_kvm_free(&f);
	}
}

static int pipe_fd[2];

static void *drain(void *arg)
{
	size_t *n = arg;
	ssize_t got;

	core = malloc(FAKE_MEMORY + MIB);
	while ((got = read(pipe_fd[0], core + *n, FAKE_MEMORY + MIB - *n)) > 0)
		*n += got;
	return NULL;
}

static void test_pipe(void)
{
	pthread_t reader;

	begin();
	size = 0;
	CHECK(!pipe(pipe_fd));
	CHECK(!pthread_create(&reader, NULL, drain, &size));
	CHECK_EQ(dump_write(&f.m, pipe_fd[1]), 0);
	close(pipe_fd[1]);
	pthread_join(reader, NULL);
	close(pipe_fd[0]);
	check_core();
	fake_kvm_free(&f);
}

/* A file that cannot grow is as a disk that is full. */
static void test_full_disk(void)
{
	struct rlimit old, limit;
	struct dump d;
	struct stat st;

	begin();
	memset(memory_at(&f.m.memory, 0, FAKE_MEMORY), 0x55, FAKE_MEMORY);
	close(new_file());
	CHECK_EQ(dump_open(&d, path), STATUS_USAGE);	/* not over another */
	unlink(path);
	CHECK_EQ(dump_open(&d, path), 0);
	CHECK(stat(path, &st) < 0 && errno == ENOENT);
	signal(SIGXFSZ, SIG_IGN);
	CHECK(!getrlimit(RLIMIT_FSIZE, &old));
	limit = old;
	limit.rlim_cur = 3 * MIB;
	CHECK(!setrlimit(RLIMIT_FSIZE, &limit));
	CHECK_EQ(dump_write(&f.m, d.fd), STATUS_HOST);
	CHECK(!setrlimit(RLIMIT_FSIZE, &old));
	CHECK(!fstat(d.fd, &st) && !st.st_size);
	dump_close(&d, false);
	CHECK(stat(path, &st) < 0 && errno == ENOENT);
	/* One that says so at the first byte. */
	CHECK_EQ(dump_open(&d, "/dev/full"), 0);
	CHECK_EQ(dump_write(&f.m, d.fd), STATUS_HOST);
	dump_close(&d, false);
	CHECK(!stat("/dev/full", &st));
	CHECK_EQ(dump_open(&d, "/nowhere/at/all"), STATUS_HOST);
	dump_close(&d, false);
	fake_kvm_free(&f);
}

static void test_kept(void)
{
	struct dump d;
	struct stat st;

	begin();
	close(new_file());
	unlink(path);
	CHECK_EQ(dump_open(&d, path), 0);
	CHECK_EQ(dump_write(&f.m, d.fd), 0);
	dump_close(&d, true);
	CHECK(!stat(path, &st) && st.st_size && (st.st_mode & 0777) == 0600);
	unlink(path);
	fake_kvm_free(&f);
}

static char said[64 * 1024];

static bool tool(const char *name, const char *format)
{
	char line[512], command[256];
	size_t n;
	FILE *from;

	snprintf(line, sizeof(line), "command -v %s >/dev/null", name);
	if (system(line)) {
		printf("# there is no %s here\n", name);
		return false;
	}
	snprintf(command, sizeof(command), "%s %s %s 2>&1 </dev/null", name, format, path);
	from = popen(command, "r");
	n = from ? fread(said, 1, sizeof(said) - 1, from) : 0;
	said[n] = '\0';
	if (from)
		pclose(from);
	return true;
}

static void test_tools(void)
{
	int fd = new_file();

	begin();
	CHECK_EQ(dump_write(&f.m, fd), 0);
	close(fd);
	if (tool("readelf", "-hln")) {
		CHECK_HAS(said, "CORE (Core file)");
		CHECK_HAS(said, "NT_PRSTATUS");
		CHECK_HAS(said, "LOAD");
		CHECK(!strcasestr(said, "warning") && !strcasestr(said, "error"));
	}
	if (tool("gdb", "-nx -q -batch -ex 'p/x $pc' -ex 'x/s 0x5000' -ex 'thread 2' "
		 "-ex 'p/x $rdi' -ex 'p/x $gs_base' -c")) {
		CHECK_HAS(said, "0xffffffff81234567");
		CHECK_HAS(said, "\"abcd\"");
		CHECK_HAS(said, "0xd1\n");
		CHECK_HAS(said, "0x6666\n");
		if (failures)
			printf("# %s\n", said);
	}
	unlink(path);
	fake_kvm_free(&f);
}

static const struct unit units[] = {
	{ "core", test_core },
	{ "rings", test_rings },
	{ "random", test_random },
	{ "pipe", test_pipe },
	{ "full_disk", test_full_disk },
	{ "kept", test_kept },
	{ "tools", test_tools },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
