// SPDX-License-Identifier: GPL-2.0
/*
 * `lodge disk`: makes raw images, changes their size and tells what is in them. A file is
 * never overwritten, and none is made smaller while a machine has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "disk.h"
#include "disk_table.h"
#include "err.h"
#include "json.h"

static int file_error(const char *path, const char *what, int error)
{
	return err(STATUS_HOST, "disk: %s: %s: %s", path, what, strerror(error));
}

static int no_disk(const char *path)
{
	return err(STATUS_IMAGE, "disk: %s: is neither a file nor a disk: give a raw image", path);
}

static int get_size(const char *text, u64 *size)
{
	if (parse_size(text, size) && *size && *size <= DISK_MOST && !(*size % DISK_SECTOR))
		return 0;
	return err(STATUS_USAGE,
		   "disk: '%s' is no size for a disk: give bytes in multiples of %u, or K, M or G",
		   text, DISK_SECTOR);
}

/* ---- create --------------------------------------------------------------------------- */

/* A name is on the disk when its directory is. */
static int sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = slash ? strndup(path, slash - path + 1) : strdup(".");
	int fd, error = 0;

	if (!name)
		return -ENOMEM;
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* A directory that may be written and not read has to do without. */
	if (fd >= 0 && fsync(fd))
		error = -errno;
	free(name);
	if (fd >= 0)
		close(fd);
	return error;
}

static int create(const char *path, u64 size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int error = 0;

	if (fd < 0 && errno == EEXIST)
		return err(STATUS_IMAGE,
			   "disk: %s: is there already, and was left alone: give another name",
			   path);
	if (fd < 0)
		return file_error(path, "cannot be made", errno);
	if (ftruncate(fd, size) || fsync(fd))
		error = errno;
	if (!error)
		error = -sync_directory(path);
	close(fd);
	if (!error)
		return STATUS_OK;
	unlink(path);
	return file_error(path, "cannot be made so large", error);
}

/* ---- resize --------------------------------------------------------------------------- */

/*
 * The lock of disks is held by the machine whose disk grows; this one keeps two from
 * changing a size at the same time.
 */
static int lock_size(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_SETLK, &lock) ? errno : 0;
}

static int change_size(const char *path, int fd, u64 size, bool shrink)
{
	bool block, used;
	int error;
	u64 old;

	error = disk_size(fd, &old, &block);
	if (error)
		return error == -EINVAL ? no_disk(path) :
		       file_error(path, "cannot be measured", -error);
	if (block)
		return err(STATUS_IMAGE,
			   "disk: %s: is a device: use what made it, and touch it to have its machine look",
			   path);
	error = lock_size(fd);
	if (error)
		return err(STATUS_IMAGE, "disk: %s: its size is being changed (%s): try again",
			   path, strerror(error));
	error = disk_lock(fd, false);
	used = error == -EWOULDBLOCK;
	if (error && !used)
		return file_error(path, "cannot be locked", -error);
	/* Once more, with the lock. */
	if (disk_size(fd, &old, &block))
		return file_error(path, "cannot be measured", errno);
	if (size < old && !shrink)
		return err(STATUS_IMAGE,
			   "disk: %s: has %llu bytes, and what is behind %llu would be lost: add --shrink to have it so",
			   path, old, size);
	if (size < old && used)
		return err(STATUS_IMAGE,
			   "disk: %s: is in use, and can only grow: end its machine first", path);
	if (ftruncate(fd, size) || fsync(fd))
		return file_error(path, "its size cannot be changed", errno);
	printf("%s: %llu bytes, were %llu\n", path, size, old);
	return STATUS_OK;
}

static int open_image(const char *path, int flags)
{
	/* What is no file could keep the opening waiting. */
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		err(STATUS_IMAGE, "disk: %s: %s: give a raw image", path, strerror(errno));
	return fd;
}

static int resize(const char *path, u64 size, bool shrink)
{
	int fd = open_image(path, O_RDWR), status;

	if (fd < 0)
		return STATUS_IMAGE;
	status = change_size(path, fd, size, shrink);
	/* Now a machine that has it open looks at its size. */
	close(fd);
	return status;
}

/* ---- info ----------------------------------------------------------------------------- */

struct disk_info {
	const char *path;
	const char *format;
	const char *use;
	u64 size, allocated;
	struct disk_table table;
};

static bool read_file(void *arg, u64 off, void *to, u32 len)
{
	const int *fd = arg;
	u8 *p = to;

	while (len) {
		ssize_t n = pread(*fd, p, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n ? errno : EIO;
			return false;
		}
		p += n;
		off += n;
		len -= n;
	}
	return true;
}

/* The locks are taken to see whether that can be, and go when the file is closed. */
static const char *ask_use(int fd)
{
	if (!disk_lock(fd, false))
		return "no";
	return disk_lock(fd, true) ? "written" : "read";
}

static int examine(struct disk_info *info, int fd)
{
	struct disk_reader reader = { .read = read_file, .arg = &fd };
	const char *foreign;
	bool block = false;
	struct stat st;
	u8 head[64];
	int error;

	error = disk_size(fd, &info->size, &block);
	if (error)
		return error == -EINVAL ? no_disk(info->path) :
		       file_error(info->path, "cannot be measured", -error);
	reader.size = info->size;
	info->allocated = !block && !fstat(fd, &st) ? (u64)st.st_blocks * 512 : info->size;
	info->use = ask_use(fd);
	if (info->size >= sizeof(head) && !read_file(&fd, 0, head, sizeof(head)))
		return file_error(info->path, "cannot be read", errno);
	foreign = info->size >= sizeof(head) ? disk_foreign_format(head, sizeof(head)) : NULL;
	info->format = foreign ? foreign : "raw";
	if (!disk_table_read(&info->table, &reader))
		return file_error(info->path, "cannot be read", errno);
	return 0;
}

static void print_text(const struct disk_info *info)
{
	const struct disk_table *t = &info->table;
	unsigned int i;

	printf("%s\n  format     %s\n  size       %llu bytes (%.4g MiB)\n", info->path,
	       info->format, info->size, (double)info->size / MIB);
	printf("  allocated  %llu bytes\n  in use     %s\n  table      %s%s%s\n",
	       info->allocated, info->use, t->kind, t->remark ? ": " : "",
	       t->remark ? t->remark : "");
	for (i = 0; i < t->nr; i++) {
		const struct disk_partition *p = &t->partition[i];

		printf("  %3u  start %llu  size %llu  %s%s%s%s%s\n", p->number, p->start, p->size,
		       p->type, p->name[0] ? "  " : "", p->name,
		       p->bootable ? "  (bootable)" : "", p->outside ? "  (not on the disk)" : "");
	}
}

static void print_json(const struct disk_info *info)
{
	const struct disk_table *t = &info->table;
	unsigned int i;

	printf("{\"file\": ");
	json_string(stdout, info->path);
	printf(", \"format\": \"%s\", \"size\": %llu, \"allocated\": %llu, \"in_use\": \"%s\", ",
	       info->format, info->size, info->allocated, info->use);
	printf("\"table\": \"%s\", \"remark\": ", t->kind);
	if (t->remark)
		json_string(stdout, t->remark);
	else
		printf("null");
	printf(", \"partitions\": [");
	for (i = 0; i < t->nr; i++) {
		const struct disk_partition *p = &t->partition[i];

		printf("%s{\"number\": %u, \"start\": %llu, \"size\": %llu, \"type\": ",
		       i ? ", " : "", p->number, p->start, p->size);
		json_string(stdout, p->type);
		printf(", \"name\": ");
		json_string(stdout, p->name);
		printf(", \"bootable\": %s, \"outside\": %s}", p->bootable ? "true" : "false",
		       p->outside ? "true" : "false");
	}
	printf("]}\n");
}

static int tell(const char *path, bool json)
{
	struct disk_info *info = calloc(1, sizeof(*info));
	int fd, status = STATUS_IMAGE;

	if (!info)
		return file_error(path, "cannot be looked at", ENOMEM);
	info->path = path;
	fd = open_image(path, O_RDONLY);
	if (fd >= 0) {
		status = examine(info, fd);
		close(fd);
	}
	if (!status && json)
		print_json(info);
	else if (!status)
		print_text(info);
	free(info);
	return status;
}

/* ---- the command ---------------------------------------------------------------------- */

enum { OPT_SHRINK = 1, OPT_JSON };

static const struct option options[] = {
	{ "shrink", no_argument, NULL, OPT_SHRINK },
	{ "json", no_argument, NULL, OPT_JSON },
	{ 0 }
};

static int usage(void)
{
	return err(STATUS_USAGE,
		   "disk: give 'create FILE SIZE', 'resize FILE SIZE' or 'info FILE': see 'lodge help disk'");
}

static int disk_main(int argc, char **argv)
{
	bool shrink = false, json = false;
	const char *verb, *path;
	int option, nr;
	u64 size;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == '?')
			return STATUS_USAGE;
		shrink |= option == OPT_SHRINK;
		json |= option == OPT_JSON;
	}
	/* A file at its limit is an error of the call, told in words. */
	signal(SIGXFSZ, SIG_IGN);
	nr = argc - optind;
	verb = nr ? argv[optind] : "";
	path = nr > 1 ? argv[optind + 1] : NULL;
	if (!strcmp(verb, "info") && nr == 2 && !shrink)
		return tell(path, json);
	if (nr != 3 || json)
		return usage();
	if (!strcmp(verb, "create") && !shrink)
		return get_size(argv[optind + 2], &size) ? STATUS_USAGE : create(path, size);
	if (!strcmp(verb, "resize"))
		return get_size(argv[optind + 2], &size) ? STATUS_USAGE :
		       resize(path, size, shrink);
	return usage();
}

const struct command cmd_disk = {
	.name = "disk",
	.summary = "make raw disk images, change their size, look at them",
	.help =
"usage: lodge disk create FILE SIZE\n"
"       lodge disk resize FILE SIZE [--shrink]\n"
"       lodge disk info FILE [--json]\n"
"\n"
"create makes a raw image that takes no room before it is written. It never\n"
"overwrites a file.\n"
"\n"
"resize changes the size of an image. It may grow while a machine uses it: the\n"
"guest sees that at once. What is cut off is lost, so that needs --shrink, and\n"
"a machine must not use it.\n"
"\n"
"info tells the size, what of it is allocated, whether a machine reads or\n"
"writes it now, and its partitions.\n"
"\n"
"  SIZE             bytes in multiples of 512, or with K, M or G\n"
"  --shrink         cut off what is behind SIZE\n"
"  --json           for programs\n",
	.main = disk_main,
};
