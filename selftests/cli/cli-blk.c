// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-blk on a fake machine, seen from the guest: what is written can be read, and is on
 * the disk when the guest was told so. With io_uring, with threads, past the page cache,
 * and on hosts that fail. Hostile drivers are in cli-blk-hostile.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/loop.h>
#include <linux/virtio_pci.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "drive.h"
#include "err.h"

#define BATCH		12
#define STRIPE		(DISK_SECTORS / 16)

/* ---- the host, which can fail -------------------------------------------------------- */

static struct {
	atomic_int syncs;		/* fdatasync(), and the same through io_uring */
	atomic_int sync_error;		/* of the next one */
	atomic_int allocate_error;	/* of every fallocate() */
	atomic_int short_writes;	/* so many write one sector, or are interrupted */
	atomic_int ring_error;		/* of io_uring_queue_init() */
	atomic_int submit_error;	/* of submit_errors calls */
	atomic_int submit_errors;
	atomic_bool hold_writes;
	sem_t held, release;
	atomic_int writes_over;
	atomic_ullong longest_write;	/* in bytes */
} host;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fallocate(int fd, int mode, off_t offset, off_t len);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t len);
ssize_t __real_pwritev(int fd, const struct iovec *iov, int nr, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int nr, off_t offset);
int __real_io_uring_queue_init(unsigned int entries, struct io_uring *ring, unsigned int flags);
int __wrap_io_uring_queue_init(unsigned int entries, struct io_uring *ring, unsigned int flags);
int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);

int __wrap_fdatasync(int fd)
{
	int error = atomic_exchange(&host.sync_error, 0);

	atomic_fetch_add(&host.syncs, 1);
	errno = error;
	return error ? -1 : __real_fdatasync(fd);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t len)
{
	errno = atomic_load(&host.allocate_error);
	return errno ? -1 : __real_fallocate(fd, mode, offset, len);
}

ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int nr, off_t offset)
{
	int left = atomic_load(&host.short_writes), i;
	u64 len = 0;
	ssize_t n;

	for (i = 0; i < nr; i++)
		len += iov[i].iov_len;
	if (len > atomic_load(&host.longest_write))
		atomic_store(&host.longest_write, len);
	if (atomic_load(&host.hold_writes)) {
		sem_post(&host.held);
		sem_wait(&host.release);
	}
	if (left > 0) {
		atomic_store(&host.short_writes, left - 1);
		if (left % 3) {
			errno = EINTR;
			return -1;
		}
		n = pwrite(fd, iov[0].iov_base, iov[0].iov_len < 100 ? iov[0].iov_len : 100,
			   offset);
	} else {
		n = __real_pwritev(fd, iov, nr, offset);
	}
	atomic_fetch_add(&host.writes_over, 1);
	return n;
}

int __wrap_io_uring_queue_init(unsigned int entries, struct io_uring *ring, unsigned int flags)
{
	int error = atomic_load(&host.ring_error);

	return error ? -error : __real_io_uring_queue_init(entries, ring, flags);
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
	unsigned int i, nr = 0;
	int n;

	if (atomic_load(&host.submit_errors) > 0) {
		atomic_fetch_sub(&host.submit_errors, 1);
		return -atomic_load(&host.submit_error);
	}
	for (i = ring->sq.sqe_head; i != ring->sq.sqe_tail; i++)
		nr += ring->sq.sqes[i & *ring->sq.kring_mask].opcode == IORING_OP_FSYNC;
	n = __real_io_uring_submit(ring);
	atomic_fetch_add(&host.syncs, nr);
	return n;
}

static bool has_io_uring(void)
{
	struct io_uring ring;

	if (__real_io_uring_queue_init(4, &ring, 0))
		return false;
	io_uring_queue_exit(&ring);
	return true;
}

/* ---- against a model ---------------------------------------------------------------------- */

static u8 model[DISK_BYTES];
static u8 buffers[BATCH][STRIPE * 512], wanted[BATCH][STRIPE * 512];
static u8 before[ARENA_SIZE];

/* With some of what is behind it. */
static u64 used_arena(const struct drive *d)
{
	return d->room - ARENA + 64 * KIB;
}

static void random_bytes(u8 *to, u32 len)
{
	u64 value;
	u32 i, n;

	for (i = 0; i < len; i += n) {
		value = next_random();
		n = len - i < sizeof(value) ? len - i : sizeof(value);
		memcpy(to + i, &value, n);
	}
}

/* One request within a stripe of the disk that no other of the batch touches. */
static void make_request(struct request *r, unsigned int i,
			 struct virtio_blk_discard_write_zeroes *range, u64 features)
{
	static const u32 types[] = {
		VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_IN,
		VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_FLUSH,
	};
	u64 sector = i * STRIPE + random_below(STRIPE);
	u32 nr = 1 + random_below((i + 1) * STRIPE - sector);
	u8 *at = model + sector * 512;

	*r = (struct request){ .type = types[random_below(ARRAY_SIZE(types))], .sector = sector };
	if ((r->type == VIRTIO_BLK_T_DISCARD && !(features & FEATURE(DISCARD))) ||
	    (r->type == VIRTIO_BLK_T_WRITE_ZEROES && !(features & FEATURE(WRITE_ZEROES))))
		r->type = VIRTIO_BLK_T_IN;
	if (r->type == VIRTIO_BLK_T_IN) {
		r->in = buffers[i];
		r->in_len = nr * 512;
		memcpy(wanted[i], at, nr * 512);
	} else if (r->type == VIRTIO_BLK_T_OUT) {
		random_bytes(buffers[i], nr * 512);
		r->out = buffers[i];
		r->out_len = nr * 512;
		memcpy(at, buffers[i], nr * 512);
	} else if (r->type != VIRTIO_BLK_T_FLUSH) {
		*range = (struct virtio_blk_discard_write_zeroes){ sector, nr, 0 };
		if (r->type == VIRTIO_BLK_T_WRITE_ZEROES)
			range->flags = random_below(2);
		r->out = range;
		r->out_len = sizeof(*range);
		memset(at, 0, nr * 512);
	}
}

/* But for what the device may write, the guest's memory is as it was. */
static void check_arena(struct drive *d, const struct request *r, unsigned int nr)
{
	unsigned int i, j;

	for (i = 0; i < nr; i++)
		for (j = r[i].nr_out; j < r[i].nr; j++)
			memcpy(before + (r[i].piece[j].gpa - ARENA),
			       memory_at(&d->m.memory, r[i].piece[j].gpa, r[i].piece[j].len),
			       r[i].piece[j].len);
	CHECK(!memcmp(before, arena(d), used_arena(d)));
}

static void random_batch(struct drive *d, u64 features)
{
	struct virtio_blk_discard_write_zeroes range[BATCH];
	unsigned int i, nr = 1 + random_below(BATCH);
	struct request r[BATCH];

	clear_arena(d);
	for (i = 0; i < nr; i++) {
		make_request(&r[i], i, &range[i], features);
		submit(d, &d->q[random_below(d->nr_queues)], &r[i]);
	}
	memcpy(before, arena(d), used_arena(d));
	for (i = 0; i < d->nr_queues; i++)
		guest_kick(&d->q[i]);
	wait_for(d, r, nr);
	for (i = 0; i < nr; i++) {
		CHECK_EQ(r[i].status, VIRTIO_BLK_S_OK);
		if (r[i].type == VIRTIO_BLK_T_IN)
			CHECK(!memcmp(buffers[i], wanted[i], r[i].in_len));
	}
	check_arena(d, r, nr);
}

static void check_image(struct drive *d)
{
	u8 *image = malloc(DISK_BYTES);

	CHECK_EQ(pread(d->fd, image, DISK_BYTES, 0), (long long)DISK_BYTES);
	CHECK(!memcmp(image, model, DISK_BYTES));
	free(image);
}

static void run_random_on(struct drive *d, struct disk_config config, u64 features)
{
	unsigned int i;

	memset(model, 0, sizeof(model));
	if (!plug(d, config, features)) {
		/* A file system without O_DIRECT has none to test. */
		CHECK(config.direct);
		printf("# no disk to test\n");
		unplug(d);
		return;
	}
	for (i = 0; i < rounds(40) && !failures; i++)
		random_batch(d, features & guest_features(&d->v));
	CHECK_EQ(flush(d), VIRTIO_BLK_S_OK);
	check_image(d);
	unplug(d);
}

static void run_random(struct disk_config config, u64 features)
{
	struct drive d = { 0 };

	run_random_on(&d, config, features);
}

static void test_random_io_uring(void)
{
	if (!has_io_uring())
		printf("# no io_uring: this is threads once more\n");
	run_random((struct disk_config){ 0 }, ALL_FEATURES);
	run_random((struct disk_config){ 0 }, 0);
}

static void test_random_threads(void)
{
	run_random((struct disk_config){ .threads = true }, ALL_FEATURES);
	run_random((struct disk_config){ .threads = true }, FEATURE(WRITE_ZEROES));
}

static void test_random_direct(void)
{
	run_random((struct disk_config){ .direct = true }, ALL_FEATURES);
	run_random((struct disk_config){ .direct = true, .threads = true }, ALL_FEATURES);
}

/* A file as a block device, where one may make such: its path and the test's own file. */
static bool make_device(struct drive *image, struct drive *d)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), nr;

	make_image(image);
	nr = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	snprintf(d->path, sizeof(d->path), "/dev/loop%d", nr);
	d->device = true;
	d->fd = nr < 0 ? -1 : open(d->path, O_RDWR | O_CLOEXEC);
	if (control >= 0)
		close(control);
	if (d->fd >= 0 && !ioctl(d->fd, LOOP_SET_FD, image->fd))
		return true;
	printf("# no loop devices: nothing to test\n");
	return false;
}

static void check_device(bool direct)
{
	struct drive image = { 0 }, d = { 0 };
	struct disk_config twice;
	struct machine other;
	struct cpu cpu;
	int fd, holder;

	if (make_device(&image, &d)) {
		twice = (struct disk_config){ .path = strdup(d.path) };
		fd = dup(d.fd);
		/* The host has it: hands off. */
		holder = open(d.path, O_RDONLY | O_EXCL | O_CLOEXEC);
		CHECK(holder >= 0);
		fake_machine(&other, &cpu);
		CHECK_EQ(virtio_blk_create(&other, &twice), STATUS_IMAGE);
		fake_free(&other, &cpu);
		close(holder);
		run_random_on(&d, (struct disk_config){ .direct = direct }, ALL_FEATURES);
		CHECK(!ioctl(fd, LOOP_CLR_FD));
		close(fd);
		free((char *)twice.path);
	} else if (d.fd >= 0) {
		close(d.fd);
	}
	close(image.fd);
	unlink(image.path);
}

static void test_random_device(void)
{
	check_device(false);
	check_device(true);
}

/* Sectors of 4 KiB: the driver is told, and less is not written past the page cache. */
static void test_large_sectors(void)
{
	struct drive image = { 0 }, d = { 0 };
	u8 data[4096] = { 5 };
	int fd;

	if (make_device(&image, &d) && !ioctl(d.fd, LOOP_SET_BLOCK_SIZE, 4096)) {
		fd = dup(d.fd);
		CHECK(plug(&d, (struct disk_config){ .direct = true }, ALL_FEATURES));
		CHECK_EQ(guest_read(&d.m, d.v.config + offsetof(struct virtio_blk_config,
								blk_size), 4), 4096);
		CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 8, data, 4096), VIRTIO_BLK_S_OK);
		CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 8, data, 512), VIRTIO_BLK_S_IOERR);
		CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 9, data, 4096), VIRTIO_BLK_S_IOERR);
		data[0] = 0;
		CHECK_EQ(transfer(&d, VIRTIO_BLK_T_IN, 8, data, 4096), VIRTIO_BLK_S_OK);
		CHECK_EQ(data[0], 5);
		unplug(&d);
		CHECK(!ioctl(fd, LOOP_CLR_FD));
		close(fd);
	} else if (d.fd >= 0) {
		ioctl(d.fd, LOOP_CLR_FD);
		close(d.fd);
	}
	close(image.fd);
	unlink(image.path);
}

/* A kernel that cannot allocate: zeroes are written. */
static void test_zeroes_by_hand(void)
{
	struct drive d = { 0 };

	atomic_store(&host.allocate_error, EOPNOTSUPP);
	run_random((struct disk_config){ .threads = true }, ALL_FEATURES);
	atomic_store(&host.allocate_error, 0);
	/* It was there when the disk was opened. */
	CHECK(plug(&d, (struct disk_config){ .threads = true }, ALL_FEATURES));
	atomic_store(&host.allocate_error, EOPNOTSUPP);
	if (guest_features(&d.v) & FEATURE(DISCARD))
		CHECK_EQ(ask_range(&d, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	CHECK_EQ(ask_range(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 2048, 1), VIRTIO_BLK_S_OK);
	atomic_store(&host.allocate_error, 0);
	unplug(&d);
}

/* More requests than the device has under way at a time, in one queue. */
static void test_many_under_way(void)
{
	static struct request r[120];
	static u8 data[120][512];
	struct drive d = { 0 };
	unsigned int i, k;

	for (k = 0; k < 2; k++) {
		CHECK(plug(&d, (struct disk_config){ .threads = k }, ALL_FEATURES));
		for (i = 0; i < DISK_SECTORS; i++)
			CHECK_EQ(pwrite(d.fd, &i, sizeof(i), i * 512ull), sizeof(i));
		for (i = 0; i < ARRAY_SIZE(r); i++) {
			r[i] = (struct request){ .type = VIRTIO_BLK_T_IN, .sector = 17 * i,
						 .in = data[i], .in_len = 512 };
			/* Two pieces each: the ring has room for that. */
			r[i].q = &d.q[1];
			r[i].piece[0] = (struct guest_piece){ ARENA + i * 1024, 16, false };
			r[i].piece[1] = (struct guest_piece){ ARENA + i * 1024 + 64, 513, true };
			r[i].nr_out = 1;
			r[i].nr = 2;
			fill(&d, &r[i], 0, &(struct virtio_blk_outhdr){ .sector = 17 * i }, 16);
			r[i].head = guest_add(&d.q[1], r[i].piece, 2);
		}
		guest_kick(&d.q[1]);
		wait_for(&d, r, ARRAY_SIZE(r));
		for (i = 0; i < ARRAY_SIZE(r); i++) {
			CHECK_EQ(r[i].status, VIRTIO_BLK_S_OK);
			CHECK_EQ(*(u32 *)data[i], 17 * i);
		}
		unplug(&d);
	}
}

/* From there and to there, in one piece each and not over it. */
#define LARGE		(6 * MIB)
#define LARGE_FROM	(4 * MIB)
#define LARGE_TO	(10 * MIB)

static u8 ask_large(struct drive *d, u32 type, bool in, u64 gpa, u64 len)
{
	struct guest_piece piece[] = {
		{ 0x100000, 16, false }, { gpa, 8192, in }, { gpa + 8192, len - 8192, in },
		{ 0x101000, 1, true },
	};
	struct virtio_blk_outhdr head = { .type = type, .sector = 1 };
	u8 status = 0xee;
	u32 used;
	u16 got;

	memory_write(&d->m.memory, 0x100000, &head, sizeof(head));
	guest_add(&d->q[3], piece, ARRAY_SIZE(piece));
	guest_kick(&d->q[3]);
	CHECK(guest_wait(&d->q[3], &got, &used));
	memory_read(&d->m.memory, 0x101000, &status, 1);
	return status;
}

/* What is long goes in steps: a guest's request keeps nobody for long. */
static void test_large_requests(void)
{
	struct drive d = { 0 };
	unsigned int k;

	for (k = 0; k < 2; k++) {
		make_image(&d);
		CHECK(!ftruncate(d.fd, 8 * MIB));
		CHECK(plug(&d, (struct disk_config){ .threads = k }, ALL_FEATURES));
		random_bytes(memory_at(&d.m.memory, LARGE_FROM, LARGE), LARGE);
		atomic_store(&host.longest_write, 0);
		CHECK_EQ(ask_large(&d, VIRTIO_BLK_T_OUT, false, LARGE_FROM, LARGE),
			 VIRTIO_BLK_S_OK);
		CHECK(host.longest_write <= 4 * MIB);
		CHECK_EQ(!!host.longest_write, k || !has_io_uring());
		CHECK_EQ(ask_large(&d, VIRTIO_BLK_T_IN, true, LARGE_TO, LARGE), VIRTIO_BLK_S_OK);
		CHECK(!memcmp(memory_at(&d.m.memory, LARGE_FROM, LARGE),
			      memory_at(&d.m.memory, LARGE_TO, LARGE), LARGE));
		unplug(&d);
	}
}

/* ---- what the guest is told --------------------------------------------------------------- */

static void test_configuration(void)
{
	struct virtio_blk_config c;
	struct drive d = { 0 };
	char id[20], name[21];
	unsigned int i;

	CHECK(plug(&d, (struct disk_config){ 0 }, ALL_FEATURES));
	for (i = 0; i < sizeof(c); i++)
		((u8 *)&c)[i] = guest_read(&d.m, d.v.config + i, 1);
	CHECK_EQ(c.capacity, DISK_SECTORS);
	CHECK_EQ(c.seg_max, 254);
	CHECK_EQ(c.blk_size, 512);
	CHECK_EQ(c.num_queues, QUEUES);
	CHECK_EQ(c.wce, 1);
	CHECK(c.max_discard_sectors && c.max_discard_seg && c.max_write_zeroes_sectors);
	/* Behind its end it is zeroes. */
	CHECK_EQ(guest_read(&d.m, d.v.config + sizeof(c) + 4, 4), 0);
	CHECK_EQ(ask(&d, (struct request){ .type = VIRTIO_BLK_T_GET_ID, .in = id, .in_len = 20 }),
		 VIRTIO_BLK_S_OK);
	snprintf(name, sizeof(name), "%s", strrchr(d.path, '/') + 1);
	CHECK(!strncmp(id, name, sizeof(id)));
	unplug(&d);
}

static void check_syncs(bool threads)
{
	struct drive d = { 0 };
	u8 sector[512] = { 1 };
	int syncs;

	CHECK(plug(&d, (struct disk_config){ .threads = threads }, ALL_FEATURES));
	atomic_store(&host.syncs, 0);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 1, sector, 512), VIRTIO_BLK_S_OK);
	CHECK_EQ(host.syncs, 0);
	CHECK_EQ(flush(&d), VIRTIO_BLK_S_OK);
	CHECK_EQ(host.syncs, 1);
	/* The driver wants no cache: each write is on the disk. */
	guest_write(&d.m, d.v.config + offsetof(struct virtio_blk_config, wce), 1, 0);
	CHECK_EQ(guest_read(&d.m, d.v.config + offsetof(struct virtio_blk_config, wce), 1), 0);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 1, sector, 512), VIRTIO_BLK_S_OK);
	CHECK_EQ(host.syncs, 2);
	CHECK_EQ(ask_range(&d, VIRTIO_BLK_T_WRITE_ZEROES, 1, 8, 0), VIRTIO_BLK_S_OK);
	CHECK_EQ(host.syncs, 3);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_IN, 1, sector, 512), VIRTIO_BLK_S_OK);
	CHECK_EQ(host.syncs, 3);
	/* A driver that knows no flushes. */
	CHECK(ready(&d, ALL_FEATURES & ~FEATURE(FLUSH)));
	CHECK_EQ(guest_read(&d.m, d.v.config + offsetof(struct virtio_blk_config, wce), 1), 0);
	syncs = host.syncs;
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 1, sector, 512), VIRTIO_BLK_S_OK);
	CHECK_EQ(host.syncs, syncs + 1);
	unplug(&d);
}

static void test_flush(void)
{
	check_syncs(false);
	check_syncs(true);
}

/* What could not be synced is forgotten by the kernel, which calls the next sync fine. */
static void test_lost_writes_stay_lost(void)
{
	struct drive d = { 0 };
	u8 sector[512] = { 1 };

	CHECK(plug(&d, (struct disk_config){ .threads = true }, ALL_FEATURES));
	CHECK_EQ(flush(&d), VIRTIO_BLK_S_OK);
	atomic_store(&host.sync_error, EIO);
	CHECK_EQ(flush(&d), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(flush(&d), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 1, sector, 512), VIRTIO_BLK_S_OK);
	CHECK_EQ(flush(&d), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_IN, 1, sector, 512), VIRTIO_BLK_S_OK);
	unplug(&d);
}

/* ---- a host that fails ---------------------------------------------------------------------- */

static void test_short_writes_go_on(void)
{
	u8 data[8192], back[8192];
	struct drive d = { 0 };

	random_bytes(data, sizeof(data));
	CHECK(plug(&d, (struct disk_config){ .threads = true }, ALL_FEATURES));
	atomic_store(&host.short_writes, 20);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 3, data, sizeof(data)), VIRTIO_BLK_S_OK);
	CHECK_EQ(host.short_writes, 0);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_IN, 3, back, sizeof(back)), VIRTIO_BLK_S_OK);
	CHECK(!memcmp(data, back, sizeof(data)));
	/* For ever is too long. */
	atomic_store(&host.short_writes, 1000000);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 3, data, sizeof(data)), VIRTIO_BLK_S_IOERR);
	atomic_store(&host.short_writes, 0);
	unplug(&d);
}

/* A file that may not grow: half a request is written, and the error is told. */
static void test_limit_of_the_file(void)
{
	struct rlimit old, low;
	u8 data[8192], back[8192];
	struct drive d = { 0 };
	unsigned int k;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	low = old;
	low.rlim_cur = 100 * 512;
	random_bytes(data, sizeof(data));
	for (k = 0; k < 2; k++) {
		CHECK(plug(&d, (struct disk_config){ .threads = k }, ALL_FEATURES));
		setrlimit(RLIMIT_FSIZE, &low);
		CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 84, data, 8192), VIRTIO_BLK_S_OK);
		CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 92, data, 8192), VIRTIO_BLK_S_IOERR);
		CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 100, data, 512), VIRTIO_BLK_S_IOERR);
		setrlimit(RLIMIT_FSIZE, &old);
		CHECK_EQ(transfer(&d, VIRTIO_BLK_T_IN, 84, back, 8192), VIRTIO_BLK_S_OK);
		CHECK(!memcmp(data, back, 8 * 512));
		unplug(&d);
	}
}

/* Somebody cuts the file off under the machine, which has not looked yet. */
static void test_short_file(void)
{
	u8 data[8192] = { 0 };
	struct drive d = { 0 };
	unsigned int k;

	for (k = 0; k < 2; k++) {
		CHECK(plug(&d, (struct disk_config){ .threads = k }, ALL_FEATURES));
		CHECK(!ftruncate(d.fd, 100 * 512));
		CHECK_EQ(transfer(&d, VIRTIO_BLK_T_IN, 84, data, 8192), VIRTIO_BLK_S_OK);
		CHECK_EQ(transfer(&d, VIRTIO_BLK_T_IN, 92, data, 8192), VIRTIO_BLK_S_IOERR);
		CHECK_EQ(transfer(&d, VIRTIO_BLK_T_IN, 100, data, 512), VIRTIO_BLK_S_IOERR);
		unplug(&d);
	}
}

/* io_uring is not there, is out of memory for a moment, or is forbidden later. */
static void test_io_uring_refused(void)
{
	u8 data[512] = { 7 }, back[512] = { 0 };
	struct drive d = { 0 };

	atomic_store(&host.ring_error, EPERM);
	run_random((struct disk_config){ 0 }, ALL_FEATURES);
	atomic_store(&host.ring_error, 0);
	if (!has_io_uring())
		return;
	CHECK(plug(&d, (struct disk_config){ 0 }, ALL_FEATURES));
	atomic_store(&host.submit_error, EAGAIN);
	atomic_store(&host.submit_errors, 5);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 9, data, 512), VIRTIO_BLK_S_OK);
	CHECK_EQ(host.submit_errors, 0);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_IN, 9, back, 512), VIRTIO_BLK_S_OK);
	CHECK(!memcmp(data, back, 512));
	atomic_store(&host.submit_error, EPERM);
	atomic_store(&host.submit_errors, 1);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 9, data, 512), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 9, data, 512), VIRTIO_BLK_S_IOERR);
	unplug(&d);
}

/* ---- the driver goes away ------------------------------------------------------------------ */

struct goer {
	struct drive *d;
	sem_t going;
	int writes_over;	/* when the reset was done */
};

static void *go_away(void *arg)
{
	struct goer *g = arg;

	sem_post(&g->going);
	guest_set_common(&g->d->v, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	g->writes_over = atomic_load(&host.writes_over);
	return NULL;
}

/* A reset waits for what is under way, and nothing comes to the guest's memory behind it. */
static void test_reset_waits(void)
{
	static u8 data[4096];
	struct request r = { .type = VIRTIO_BLK_T_OUT, .out = data, .out_len = sizeof(data) };
	struct drive d = { 0 };
	struct goer g = { .d = &d };
	pthread_t thread;
	unsigned int i;

	sem_init(&host.held, 0, 0);
	sem_init(&host.release, 0, 0);
	sem_init(&g.going, 0, 0);
	CHECK(plug(&d, (struct disk_config){ .threads = true }, ALL_FEATURES));
	atomic_store(&host.writes_over, 0);
	atomic_store(&host.hold_writes, true);
	submit(&d, &d.q[2], &r);
	guest_kick(&d.q[2]);
	sem_wait(&host.held);
	atomic_store(&host.hold_writes, false);
	memcpy(before, arena(&d), used_arena(&d));
	pthread_create(&thread, NULL, go_away, &g);
	sem_wait(&g.going);
	/* Time enough for a reset that does not wait. */
	for (i = 0; i < 1000; i++)
		sched_yield();
	sem_post(&host.release);
	pthread_join(thread, NULL);
	CHECK_EQ(g.writes_over, 1);
	CHECK(!memcmp(before, arena(&d), used_arena(&d)));
	/* It starts again as if nothing had been. */
	CHECK(ready(&d, ALL_FEATURES));
	CHECK_EQ(transfer(&d, VIRTIO_BLK_T_OUT, 0, data, 4096), VIRTIO_BLK_S_OK);
	unplug(&d);
}

static void reset_in_the_middle(struct drive *d)
{
	struct virtio_blk_discard_write_zeroes range[BATCH];
	struct request r[BATCH];
	unsigned int i;

	clear_arena(d);
	for (i = 0; i < BATCH; i++) {
		make_request(&r[i], i, &range[i], ALL_FEATURES);
		submit(d, &d->q[i % QUEUES], &r[i]);
		guest_kick(&d->q[i % QUEUES]);
	}
	for (i = random_below(100); i; i--)
		sched_yield();
	/* By the driver, or of the whole machine. */
	if (random_below(2))
		guest_set_common(&d->v, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	else
		fake_reset(&d->m);
	memcpy(before, arena(d), used_arena(d));
	for (i = 0; i < 100; i++)
		sched_yield();
	CHECK(!memcmp(before, arena(d), used_arena(d)));
	CHECK(guest_find(&d->m, VIRTIO_ID_BLOCK, 0, &d->v));
	CHECK(ready(d, ALL_FEATURES));
}

static void test_resets_in_the_middle(void)
{
	struct drive d = { 0 };
	unsigned int i, k;

	for (k = 0; k < 2; k++) {
		CHECK(plug(&d, (struct disk_config){ .threads = k }, ALL_FEATURES));
		for (i = 0; i < rounds(30) && !failures; i++)
			reset_in_the_middle(&d);
		CHECK_EQ(flush(&d), VIRTIO_BLK_S_OK);
		unplug(&d);
	}
}

static int next_file(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

/* The machine ends with requests under way, and leaves no file open. */
static void test_end_in_the_middle(void)
{
	int first = next_file();
	static struct request r[BATCH];
	static u8 data[BATCH][4096];
	struct drive d = { 0 };
	unsigned int i, k;

	for (k = 0; k < 20; k++) {
		CHECK(plug(&d, (struct disk_config){ .threads = k % 2 }, ALL_FEATURES));
		for (i = 0; i < BATCH; i++) {
			r[i] = (struct request){ .type = VIRTIO_BLK_T_OUT, .out = data[i],
						 .out_len = 4096, .sector = 8 * i };
			submit(&d, &d.q[i % QUEUES], &r[i]);
			guest_kick(&d.q[i % QUEUES]);
		}
		unplug(&d);
	}
	CHECK_EQ(next_file(), first);
}

static const struct unit units[] = {
	{ "random_requests_io_uring", test_random_io_uring },
	{ "random_requests_threads", test_random_threads },
	{ "random_requests_direct", test_random_direct },
	{ "random_requests_block_device", test_random_device },
	{ "large_sectors", test_large_sectors },
	{ "zeroes_by_hand", test_zeroes_by_hand },
	{ "more_requests_than_fit", test_many_under_way },
	{ "large_requests", test_large_requests },
	{ "configuration", test_configuration },
	{ "flush_reaches_the_disk", test_flush },
	{ "lost_writes_stay_lost", test_lost_writes_stay_lost },
	{ "short_writes_go_on", test_short_writes_go_on },
	{ "limit_of_the_file", test_limit_of_the_file },
	{ "short_file", test_short_file },
	{ "io_uring_refused", test_io_uring_refused },
	{ "reset_waits", test_reset_waits },
	{ "resets_in_the_middle", test_resets_in_the_middle },
	{ "end_in_the_middle", test_end_in_the_middle },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
