// SPDX-License-Identifier: GPL-2.0
/*
 * Disks from outside: which files are served and to how many, `lodge disk`, sizes that
 * change under a running machine, and partition tables, which are bug class 39 when nobody
 * wrote them in good faith.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_pci.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "commands.h"
#include "disk.h"
#include "disk_table.h"
#include "drive.h"
#include "err.h"

/* ---- what is said -------------------------------------------------------------------- */

static char said[8192];

struct ear {
	int file, old_out, old_err;
};

static void listen_to(struct ear *e)
{
	fflush(stdout);
	e->file = memfd_create("said", MFD_CLOEXEC);
	e->old_out = dup(STDOUT_FILENO);
	e->old_err = dup(STDERR_FILENO);
	dup2(e->file, STDOUT_FILENO);
	dup2(e->file, STDERR_FILENO);
}

static void listened(struct ear *e)
{
	ssize_t n;

	fflush(stdout);
	n = pread(e->file, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	dup2(e->old_out, STDOUT_FILENO);
	dup2(e->old_err, STDERR_FILENO);
	close(e->old_out);
	close(e->old_err);
	close(e->file);
}

#define WORDS	6

/* `lodge disk ...`: the status, and what was said. */
static int disk(const char *a, const char *b, const char *c, const char *d)
{
	char *argv[WORDS] = { "disk", (char *)a, (char *)b, (char *)c, (char *)d };
	struct ear e;
	int argc = 1, status;

	while (argv[argc])
		argc++;
	optind = 0;
	listen_to(&e);
	status = cmd_disk.main(argc, argv);
	listened(&e);
	return status;
}

/* A file that is refused, and why. */
static void refused(const char *path, bool read_only, bool direct, const char *why)
{
	struct disk_config config = { .path = path, .read_only = read_only, .direct = direct };
	struct disk d;
	struct ear e;
	int status;

	listen_to(&e);
	status = disk_open(&d, &config);
	listened(&e);
	disk_close(&d);
	CHECK_EQ(status, STATUS_IMAGE);
	CHECK_HAS(said, why);
	CHECK(strchr(said, '\n') == said + strlen(said) - 1);
}

static u64 size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? ~0ull : (u64)st.st_size;
}

/* ---- opening --------------------------------------------------------------------------- */

static void test_refused_files(void)
{
	struct drive d = { 0 };
	char fifo[80];

	make_image(&d);
	refused("/nowhere/at/all", false, false, "No such file");
	refused("/tmp", true, false, "neither file nor disk");
	refused("/dev/null", false, false, "neither file nor disk");
	snprintf(fifo, sizeof(fifo), "%s.fifo", d.path);
	CHECK(!mkfifo(fifo, 0600));
	refused(fifo, true, false, "neither file nor disk");
	refused(fifo, false, false, "neither file nor disk");
	unlink(fifo);
	CHECK(!ftruncate(d.fd, 0));
	refused(d.path, false, false, "empty");
	CHECK(!ftruncate(d.fd, 1000));
	refused(d.path, false, false, "no multiple of 512");
	CHECK(!ftruncate(d.fd, 4096));
	CHECK_EQ(pwrite(d.fd, "QFI\xfb\0\0\0\3", 8, 0), 8);
	refused(d.path, false, false, "qcow");
	/* root may all, an ordinary user not. */
	fchmod(d.fd, 0400);
	if (geteuid())
		refused(d.path, false, false, ",ro");
	close(d.fd);
	unlink(d.path);
}

static int try_open(struct disk *d, const char *path, bool read_only)
{
	struct disk_config config = { .path = path, .read_only = read_only };
	struct ear e;
	int status;

	listen_to(&e);
	status = disk_open(d, &config);
	listened(&e);
	return status;
}

static void test_one_writer_or_many_readers(void)
{
	struct disk a, b, c;
	struct drive d = { 0 };

	make_image(&d);
	CHECK_EQ(try_open(&a, d.path, false), 0);
	CHECK_EQ(a.size, DISK_BYTES);
	CHECK_EQ(try_open(&b, d.path, false), STATUS_IMAGE);
	CHECK_HAS(said, "uses it");
	CHECK_EQ(try_open(&c, d.path, true), STATUS_IMAGE);
	CHECK_HAS(said, "writes it");
	disk_close(&a);
	disk_close(&b);
	disk_close(&c);
	CHECK_EQ(try_open(&a, d.path, true), 0);
	CHECK_EQ(try_open(&b, d.path, true), 0);
	CHECK_EQ(try_open(&c, d.path, false), STATUS_IMAGE);
	disk_close(&a);
	disk_close(&b);
	disk_close(&c);
	CHECK_EQ(try_open(&a, d.path, false), 0);
	disk_close(&a);
	close(d.fd);
	unlink(d.path);
}

static void test_read_only(void)
{
	u8 data[512] = { 1 };
	struct drive d = { 0 };

	CHECK(plug(&d, (struct disk_config){ .read_only = true }, ALL_FEATURES));
	CHECK(guest_features(&d.v) & FEATURE(RO));
	CHECK(!(guest_features(&d.v) & (FEATURE(DISCARD) | FEATURE(WRITE_ZEROES))));
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_IN, 0, data, 512), VIRTIO_BLK_S_OK);
	CHECK_EQ(data[0], 0);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 0, data, 512), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(ask_range(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	CHECK_EQ(ask_range(&d, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	CHECK_EQ(flush(&d), VIRTIO_BLK_S_OK);
	unplug(&d);
}

/* ---- `lodge disk` ------------------------------------------------------------------------ */

static void test_create(void)
{
	char path[64], name[80];
	struct rlimit old, low;
	struct stat st;

	snprintf(path, sizeof(path), "%s/cli-disk.XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	CHECK(mkdtemp(path));
	snprintf(name, sizeof(name), "%s/disk.img", path);
	CHECK_EQ(disk("create", name, "3M", NULL), STATUS_OK);
	CHECK(!stat(name, &st));
	CHECK_EQ(st.st_size, 3 * MIB);
	CHECK_EQ(st.st_blocks, 0);
	CHECK_EQ(disk("create", name, "1M", NULL), STATUS_IMAGE);
	CHECK_HAS(said, "is there already");
	CHECK_EQ(size_of(name), 3 * MIB);
	unlink(name);
	CHECK_EQ(disk("create", name, "1000", NULL), STATUS_USAGE);
	CHECK_EQ(disk("create", name, "0", NULL), STATUS_USAGE);
	CHECK_EQ(disk("create", name, "x", NULL), STATUS_USAGE);
	CHECK_EQ(disk("create", name, "17179869183G", NULL), STATUS_USAGE);
	CHECK_EQ(disk("create", name, NULL, NULL), STATUS_USAGE);
	CHECK_EQ(disk("create", name, "1M", "2M"), STATUS_USAGE);
	CHECK_EQ(disk("create", name, "1M", "--shrink"), STATUS_USAGE);
	CHECK_EQ(disk("create", name, "1M", "--what"), STATUS_USAGE);
	CHECK_EQ(disk("make", name, "1M", NULL), STATUS_USAGE);
	CHECK_EQ(disk(NULL, NULL, NULL, NULL), STATUS_USAGE);
	CHECK_EQ(disk("create", "/nowhere/disk", "1M", NULL), STATUS_HOST);
	/* What cannot be made leaves nothing behind. */
	getrlimit(RLIMIT_FSIZE, &old);
	low = old;
	low.rlim_cur = MIB;
	setrlimit(RLIMIT_FSIZE, &low);
	CHECK_EQ(disk("create", name, "2M", NULL), STATUS_HOST);
	setrlimit(RLIMIT_FSIZE, &old);
	CHECK_EQ(access(name, F_OK), -1);
	CHECK(!rmdir(path));
}

static void test_resize(void)
{
	struct drive d = { 0 };
	struct disk used;

	make_image(&d);
	CHECK_EQ(disk("resize", d.path, "2M", NULL), STATUS_OK);
	CHECK_HAS(said, "2097152 bytes, were 1048576");
	CHECK_EQ(size_of(d.path), 2 * MIB);
	CHECK_EQ(disk("resize", d.path, "1M", NULL), STATUS_IMAGE);
	CHECK_HAS(said, "--shrink");
	CHECK_EQ(size_of(d.path), 2 * MIB);
	CHECK_EQ(disk("resize", d.path, "--shrink", "1M"), STATUS_OK);
	CHECK_EQ(size_of(d.path), MIB);
	CHECK_EQ(disk("resize", d.path, "1M", NULL), STATUS_OK);
	CHECK_EQ(disk("resize", d.path, "1000000", NULL), STATUS_USAGE);
	CHECK_EQ(disk("resize", "/nowhere/disk", "1M", NULL), STATUS_IMAGE);
	CHECK_EQ(disk("resize", "/dev/null", "1M", NULL), STATUS_IMAGE);
	CHECK_EQ(disk("resize", d.path, "1M", "--json"), STATUS_USAGE);
	/* In use it can grow. */
	CHECK_EQ(try_open(&used, d.path, false), 0);
	CHECK_EQ(disk("resize", d.path, "512K", "--shrink"), STATUS_IMAGE);
	CHECK_HAS(said, "in use");
	CHECK_EQ(size_of(d.path), MIB);
	CHECK_EQ(disk("resize", d.path, "2M", NULL), STATUS_OK);
	CHECK_EQ(size_of(d.path), 2 * MIB);
	disk_close(&used);
	close(d.fd);
	unlink(d.path);
}

struct wanted_size {
	struct drive *d;
	u64 sectors;
	bool interrupted;
};

static bool has_size(void *arg)
{
	struct wanted_size *w = arg;

	return guest_read(&w->d->m, w->d->v.config, 8) == w->sectors;
}

/* Reading takes it back. */
static bool has_interrupt(void *arg)
{
	struct wanted_size *w = arg;

	w->interrupted |= guest_read(&w->d->m, w->d->v.isr, 1) & VIRTIO_PCI_ISR_CONFIG;
	return w->interrupted;
}

static void test_resize_is_seen(void)
{
	struct wanted_size w;
	struct drive d = { 0 };
	u8 data[512] = { 3 };
	u32 generation;

	CHECK(plug(&d, (struct disk_config){ 0 }, ALL_FEATURES));
	w = (struct wanted_size){ .d = &d, .sectors = 2 * DISK_SECTORS };
	generation = guest_common(&d.v, VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, DISK_SECTORS, data, 512), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(disk("resize", d.path, "2M", NULL), STATUS_OK);
	CHECK(guest_until(has_size, &w));
	CHECK(guest_until(has_interrupt, &w));
	CHECK(guest_common(&d.v, VIRTIO_PCI_COMMON_CFGGENERATION, 1) != generation);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 2 * DISK_SECTORS - 1, data, 512), VIRTIO_BLK_S_OK);
	/* By other means, to a size that is no whole number of sectors. */
	CHECK(!truncate(d.path, MIB / 2 + 100));
	CHECK(!futimens(d.fd, NULL));
	w = (struct wanted_size){ .d = &d, .sectors = DISK_SECTORS / 2 };
	CHECK(guest_until(has_size, &w));
	CHECK(guest_until(has_interrupt, &w));
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_IN, DISK_SECTORS / 2, data, 512), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_IN, DISK_SECTORS / 2 - 1, data, 512), VIRTIO_BLK_S_OK);
	unplug(&d);
}

/* ---- partition tables -------------------------------------------------------------------- */

#define IMAGE	(2 * MIB)

static u8 image[IMAGE];

static bool read_image(void *arg, u64 off, void *to, u32 len)
{
	const u64 *size = arg;

	if (off > *size || len > *size - off) {
		failures++;
		return false;
	}
	memcpy(to, image + off, len);
	return true;
}

static const struct disk_table *look(u64 size)
{
	static struct disk_table t;
	struct disk_reader reader = { .size = size, .read = read_image, .arg = &size };

	CHECK(disk_table_read(&t, &reader));
	return &t;
}

static void put32(u64 off, u32 value)
{
	memcpy(image + off, &value, sizeof(value));
}

static void put64(u64 off, u64 value)
{
	memcpy(image + off, &value, sizeof(value));
}

static void mbr_entry(u64 sector, unsigned int nr, u8 boot, u8 type, u32 start, u32 len)
{
	u64 at = sector * 512 + 446 + 16 * nr;

	image[sector * 512 + 510] = 0x55;
	image[sector * 512 + 511] = 0xaa;
	image[at] = boot;
	image[at + 4] = type;
	put32(at + 8, start);
	put32(at + 12, len);
}

static void gpt_sums(u32 sector, u64 lba, u32 entries, u32 size)
{
	u64 at = lba * sector, table;

	memcpy(&table, image + at + 72, 8);
	put32(at + 88, crc32(0, image + table * sector, entries * size));
	put32(at + 16, 0);
	put32(at + 16, crc32(0, image + at, 92));
}

/* Two partitions, the second of which has a name that terminals would obey. */
static void make_gpt(u32 sector, u64 lba, u64 table)
{
	static const u8 linux_type[16] = { 0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47,
					   0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4 };
	static const u16 name[] = { 'a', 0x1b, 0xe9, 0x20ac, 0xd800, 0 };
	u64 at = lba * sector, entry = table * sector;

	mbr_entry(0, 0, 0, 0xee, 1, 0xffffffff);
	memcpy(image + at, "EFI PART", 8);
	put32(at + 8, 0x10000);
	put32(at + 12, 92);
	put64(at + 24, lba);
	put64(at + 32, IMAGE / sector - 1);
	put64(at + 72, table);
	put32(at + 80, 128);
	put32(at + 84, 128);
	memcpy(image + entry, linux_type, 16);
	put64(entry + 32, 64);
	put64(entry + 40, 127);
	memset(image + entry + 128, 0xab, 16);
	put64(entry + 128 + 32, 128);
	put64(entry + 128 + 40, 200);
	memcpy(image + entry + 128 + 56, name, sizeof(name));
	gpt_sums(sector, lba, 128, 128);
}

static void test_mbr(void)
{
	const struct disk_table *t;

	memset(image, 0, IMAGE);
	CHECK(!strcmp(look(IMAGE)->kind, "none"));
	CHECK(!strcmp(look(512)->kind, "none"));
	CHECK(!strcmp(look(100)->kind, "none"));
	mbr_entry(0, 0, 0x80, 0x83, 8, 16);
	mbr_entry(0, 2, 0, 0x0f, 100, 1000);
	mbr_entry(100, 0, 0, 0x82, 1, 10);
	mbr_entry(100, 1, 0, 0x05, 50, 100);
	mbr_entry(150, 0, 0, 0x77, 1, 10);
	t = look(IMAGE);
	CHECK(!strcmp(t->kind, "mbr") && !t->remark);
	CHECK_EQ(t->nr, 4);
	CHECK(t->partition[0].bootable && t->partition[0].start == 8 * 512);
	CHECK(!strcmp(t->partition[0].type, "Linux"));
	CHECK_EQ(t->partition[1].number, 3);
	CHECK_EQ(t->partition[2].number, 5);
	CHECK_EQ(t->partition[2].start, 101 * 512);
	CHECK_EQ(t->partition[3].start, 151 * 512);
	CHECK(!strcmp(t->partition[3].type, "0x77"));
	/* A link to itself, one to nowhere, one outside. */
	mbr_entry(150, 1, 0, 0x05, 50, 100);
	CHECK_HAS(look(IMAGE)->remark, "more partitions");
	mbr_entry(150, 0, 0, 0, 0, 0);
	CHECK_HAS(look(IMAGE)->remark, "no end");
	mbr_entry(150, 1, 0, 0x05, 60, 100);
	CHECK_HAS(look(IMAGE)->remark, "broken");
	mbr_entry(150, 1, 0, 0x05, 0xffffffff, 100);
	CHECK_HAS(look(IMAGE)->remark, "broken");
	mbr_entry(150, 1, 0, 0, 0, 0);
	mbr_entry(0, 1, 0, 0x83, 0xffffffff, 0xffffffff);
	CHECK_HAS(look(IMAGE)->remark, "not on the disk");
	CHECK(look(IMAGE)->partition[1].outside);
	/* A boot sector that has code there. */
	image[446] = 0x33;
	CHECK(!strcmp(look(IMAGE)->kind, "none"));
}

static void test_gpt(void)
{
	const struct disk_table *t;
	unsigned int k;

	for (k = 0; k < 2; k++) {
		u32 sector = k ? 4096 : 512;

		memset(image, 0, IMAGE);
		make_gpt(sector, 1, 2);
		t = look(IMAGE);
		CHECK(!strcmp(t->kind, "gpt") && !t->remark);
		CHECK_EQ(t->nr, 2);
		CHECK(!strcmp(t->partition[0].type, "Linux"));
		CHECK_EQ(t->partition[0].start, 64 * sector);
		CHECK_EQ(t->partition[0].size, 64 * sector);
		CHECK(!strncmp(t->partition[1].type, "abababab-", 9));
		CHECK(!strcmp(t->partition[1].name, "a?\xc3\xa9\xe2\x82\xac?"));
		/* The copy at the end takes over. */
		make_gpt(sector, IMAGE / sector - 1, IMAGE / sector - 40);
		image[sector + 50] ^= 1;
		t = look(IMAGE);
		CHECK(!strcmp(t->kind, "gpt") && t->nr == 2);
		CHECK_HAS(t->remark, "first copy");
		image[IMAGE - 40 * sector + 3] ^= 1;
		t = look(IMAGE);
		CHECK(!strcmp(t->kind, "mbr"));
		CHECK_HAS(t->remark, "no sound one");
	}
}

/* Sums are right, numbers are not. */
static void test_hostile_tables(void)
{
	static const u16 fields[] = { 12, 24, 32, 72, 80, 84, 1024 + 32, 1024 + 40, 0 };
	unsigned int i, j;

	for (i = 0; i < rounds(1000) && !failures; i++) {
		u64 size = random_below(3) ? IMAGE : random_below(IMAGE);

		memset(image, 0, 64 * KIB);
		memset(image + IMAGE - 64 * KIB, 0, 64 * KIB);
		make_gpt(512, 1, 2);
		for (j = 0; j < 3; j++) {
			u64 at = fields[random_below(ARRAY_SIZE(fields))];

			put32(at >= 1024 ? at : 512 + at, next_random() >> random_below(64));
		}
		for (j = random_below(4); j; j--)
			mbr_entry(random_below(4) * 3, random_below(4), random_below(2) * 128,
				  random_below(2) ? 0x05 : next_random(),
				  random_below(2) ? random_below(100) : next_random(),
				  next_random());
		put32(512 + 88, crc32(0, image + 1024, 128 * 128));
		put32(512 + 16, 0);
		memcpy(&j, image + 512 + 12, 4);
		put32(512 + 16, crc32(0, image + 512, j < 512 ? j : 92));
		CHECK(look(size)->nr <= DISK_PARTITIONS);
	}
}

static void test_info(void)
{
	struct disk used;
	struct drive d = { 0 };
	struct stat st;
	char text[100];

	make_image(&d);
	memset(image, 0, IMAGE);
	make_gpt(512, 1, 2);
	CHECK_EQ(pwrite(d.fd, image, 64 * KIB, 0), 64 * KIB);
	fsync(d.fd);
	CHECK(!fstat(d.fd, &st));
	CHECK_EQ(disk("info", d.path, NULL, NULL), STATUS_OK);
	CHECK_HAS(said, "1048576 bytes");
	snprintf(text, sizeof(text), "allocated  %llu bytes", (u64)st.st_blocks * 512);
	CHECK_HAS(said, text);
	CHECK_HAS(said, "in use     no");
	CHECK_HAS(said, "table      gpt");
	CHECK_EQ(try_open(&used, d.path, true), 0);
	CHECK_EQ(disk("info", d.path, NULL, NULL), STATUS_OK);
	CHECK_HAS(said, "in use     read");
	disk_close(&used);
	CHECK_EQ(try_open(&used, d.path, false), 0);
	CHECK_EQ(disk("info", "--json", d.path, NULL), STATUS_OK);
	CHECK_HAS(said, "\"in_use\": \"written\", \"table\": \"gpt\"");
	CHECK_HAS(said, "{\"number\": 1, \"start\": 32768, \"size\": 32768, ");
	CHECK_HAS(said, "\"type\": \"Linux\", \"name\": \"\", \"bootable\": false, ");
	disk_close(&used);
	CHECK_EQ(pwrite(d.fd, "QFI\xfb", 4, 0), 4);
	CHECK_EQ(disk("info", d.path, NULL, NULL), STATUS_OK);
	CHECK_HAS(said, "qcow");
	CHECK(!ftruncate(d.fd, 0));
	CHECK_EQ(disk("info", d.path, NULL, NULL), STATUS_OK);
	CHECK_EQ(disk("info", "/dev/null", NULL, NULL), STATUS_IMAGE);
	CHECK_EQ(disk("info", "/nowhere/disk", NULL, NULL), STATUS_IMAGE);
	CHECK_EQ(disk("info", d.path, "--shrink", NULL), STATUS_USAGE);
	close(d.fd);
	unlink(d.path);
}

static const struct unit units[] = {
	{ "refused_files", test_refused_files },
	{ "one_writer_or_many_readers", test_one_writer_or_many_readers },
	{ "read_only", test_read_only },
	{ "disk_create", test_create },
	{ "disk_resize", test_resize },
	{ "disk_info", test_info },
	{ "resize_is_seen_by_the_guest", test_resize_is_seen },
	{ "mbr", test_mbr },
	{ "gpt", test_gpt },
	{ "class39_hostile_partition_tables", test_hostile_tables },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
