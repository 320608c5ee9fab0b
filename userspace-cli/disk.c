// SPDX-License-Identifier: GPL-2.0
/* Opening disks: what may be served, for how many at once, and in which pieces. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices.h"
#include "disk.h"
#include "disk_io.h"
#include "err.h"

#define DIRECT_MOST	4096	/* no disk has larger sectors */

int disk_size(int fd, u64 *size, bool *block)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	*block = S_ISBLK(st.st_mode);
	if (*block)
		return ioctl(fd, BLKGETSIZE64, size) ? -errno : 0;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*size = st.st_size;
	return 0;
}

int disk_lock(int fd, bool shared)
{
	return flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) ? -errno : 0;
}

const char *disk_foreign_format(const u8 *head, u64 len)
{
	static const struct { const char *name, *magic; unsigned int len; } formats[] = {
		{ "qcow", "QFI\xfb", 4 },
		{ "VMDK", "KDMV", 4 },
		{ "VMDK", "# Disk DescriptorFile", 21 },
		{ "VHDX", "vhdxfile", 8 },
		{ "VHD", "conectix", 8 },
		{ "QED", "QED\0", 4 },
		{ "VDI", "<<< ", 4 },
		{ "gzip", "\x1f\x8b\x08", 3 },
		{ "xz", "\3757zXZ", 6 },
		{ "zstd", "\x28\xb5\x2f\xfd", 4 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(formats); i++)
		if (len >= formats[i].len && !memcmp(head, formats[i].magic, formats[i].len))
			return formats[i].name;
	return NULL;
}

/* ---- opening --------------------------------------------------------------------- */

static int open_file(struct disk *d, int flags)
{
	int fd = open(d->path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int error = errno;
	struct stat st;

	if (fd >= 0) {
		d->fd = fd;
		return 0;
	}
	if (error == EROFS || error == EACCES || error == EPERM)
		return err(STATUS_IMAGE,
			   "disk: %s: %s: mend its rights, or give it with ,ro if it can be read",
			   d->path, strerror(error));
	if (error == EINVAL && d->direct)
		return err(STATUS_IMAGE,
			   "disk: %s: its file system has no O_DIRECT: do without direct",
			   d->path);
	if (error == EBUSY && !stat(d->path, &st) && S_ISBLK(st.st_mode))
		return err(STATUS_IMAGE,
			   "disk: %s: the host uses it: unmount it there, or give it with ,ro",
			   d->path);
	return err(STATUS_IMAGE, "disk: %s: %s: give a raw image or a block device", d->path,
		   strerror(error));
}

/* A device that is mounted, or part of something that is, must not be written. */
static int open_disk(struct disk *d)
{
	int flags = d->read_only ? O_RDONLY : O_RDWR;
	struct stat st;

	if (!d->read_only && !stat(d->path, &st) && S_ISBLK(st.st_mode))
		flags |= O_EXCL;
	return open_file(d, flags | (d->direct ? O_DIRECT : 0));
}

static int lock_disk(struct disk *d)
{
	int error = disk_lock(d->fd, d->read_only);

	if (!error)
		return 0;
	if (error == -EWOULDBLOCK)
		return err(STATUS_IMAGE,
			   "disk: %s: another program %s it: end that one, or make a copy",
			   d->path, d->read_only ? "writes" : "uses");
	return err(STATUS_IMAGE, "disk: %s: cannot be locked: %s: use another file system",
		   d->path, strerror(-error));
}

/* ---- measuring ------------------------------------------------------------------- */

/*
 * What O_DIRECT wants offsets and memory aligned to. The kernel says no to a read that is
 * not, so it is asked: STATX_DIOALIGN is too young.
 */
static u32 direct_unit(int fd)
{
	void *buffer = aligned_alloc(DIRECT_MOST, DIRECT_MOST);
	u32 unit = DISK_SECTOR;

	if (!buffer)
		return DIRECT_MOST;
	/* Into memory that is aligned to no more than the unit that is tried. */
	while (unit < DIRECT_MOST && pread(fd, (u8 *)buffer + unit, unit, 0) < 0)
		unit *= 2;
	free(buffer);
	return unit;
}

static u32 ask_block(int fd, unsigned long request, u32 otherwise)
{
	unsigned int value = 0;

	return ioctl(fd, request, &value) || !value ? otherwise : value;
}

static void measure_pieces(struct disk *d)
{
	struct stat st;

	d->logical = DISK_SECTOR;
	if (d->block) {
		d->logical = ask_block(d->fd, BLKSSZGET, DISK_SECTOR);
		d->physical = ask_block(d->fd, BLKPBSZGET, d->logical);
		d->optimal = ask_block(d->fd, BLKIOOPT, 0);
	} else if (!fstat(d->fd, &st)) {
		d->physical = st.st_blksize;
	}
	if (d->direct && !d->block)
		d->logical = direct_unit(d->fd);
	/* Powers of two, whatever was said. */
	if (d->logical < DISK_SECTOR || d->logical & (d->logical - 1))
		d->logical = DISK_SECTOR;
	if (d->physical < d->logical || d->physical & (d->physical - 1))
		d->physical = d->logical;
}

/*
 * Whether holes can be made. Asked for where none is made: a device first says whether it
 * can at all, then that nothing starts at byte 1; a file has nothing behind its end.
 */
static bool has_holes(const struct disk *d)
{
	u64 range[] = { 1, DISK_SECTOR };

	if (d->block)
		return ioctl(d->fd, BLKDISCARD, range) && errno == EINVAL;
	return !fallocate(d->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, d->size, DIRECT_MOST);
}

static int check_size(const struct disk *d, u64 size)
{
	if (size < d->logical)
		return err(STATUS_IMAGE, "disk: %s: it is empty: see 'lodge help disk'", d->path);
	if (size > DISK_MOST)
		return err(STATUS_IMAGE, "disk: %s: it is too large: give a smaller one", d->path);
	if (size % d->logical)
		return err(STATUS_IMAGE,
			   "disk: %s: its size of %llu bytes is no multiple of %u: is it whole? 'lodge disk resize' makes it longer%s",
			   d->path, size, d->logical, d->direct ? ", or do without direct" : "");
	return 0;
}

static int check_format(const struct disk *d)
{
	u8 *head = aligned_alloc(DIRECT_MOST, DIRECT_MOST);
	const char *format = NULL;
	ssize_t n;

	if (!head)
		return err(STATUS_HOST, "disk: %s: no memory", d->path);
	n = pread(d->fd, head, d->size < DIRECT_MOST ? d->size : DIRECT_MOST, 0);
	if (n > 0)
		format = disk_foreign_format(head, n);
	free(head);
	if (n < 0)
		return err(STATUS_IMAGE, "disk: %s: cannot be read: %s", d->path,
			   strerror(errno));
	if (format)
		return err(STATUS_IMAGE,
			   "disk: %s: holds %s data, and only raw disks are served: convert it first",
			   d->path, format);
	return 0;
}

bool disk_measure(struct disk *d)
{
	u64 old = d->size, size;
	bool block;

	if (disk_size(d->fd, &size, &block) || size > DISK_MOST)
		return false;
	d->size = size - size % d->logical;
	return d->size != old;
}

int disk_open(struct disk *d, const struct disk_config *config)
{
	int status, error;
	u64 size = 0;

	memset(d, 0, sizeof(*d));
	d->path = config->path;
	d->fd = -1;
	d->read_only = config->read_only;
	d->direct = config->direct;
	status = open_disk(d);
	if (status)
		return status;
	error = disk_size(d->fd, &size, &d->block);
	/* It kept the opening of other things from waiting; requests may wait. */
	if (!error && fcntl(d->fd, F_SETFL, d->direct ? O_DIRECT : 0))
		error = -errno;
	if (error)
		return err(STATUS_IMAGE, "disk: %s: %s: give a raw image or a block device",
			   d->path, error == -EINVAL ? "neither file nor disk" :
			   strerror(-error));
	status = lock_disk(d);
	if (status)
		return status;
	measure_pieces(d);
	status = check_size(d, size);
	if (status)
		return status;
	d->size = size;
	d->can_discard = !d->read_only && has_holes(d);
	return check_format(d);
}

void disk_close(struct disk *d)
{
	disk_pool_stop(d);
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}
