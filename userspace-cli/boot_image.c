// SPDX-License-Identifier: GPL-2.0
/*
 * What all loaders start from: files in memory, the one loader that fits an image, and
 * the memory map that a guest is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "err.h"
#include "platform.h"

/* ---- files --------------------------------------------------------------------- */

/* The room to begin with when nobody knows how much there is. */
#define FIRST_ROOM	MIB

static int too_large(const char *path, u64 most)
{
	return err(STATUS_IMAGE, "%s: is larger than %llu MiB: is it the right file?", path,
		   most / MIB);
}

/* Of @room bytes at @data, *@done are there; reads until all are or the file ends. */
static int read_some(int fd, u8 *data, u64 room, u64 *done)
{
	ssize_t n;

	while (*done < room) {
		n = read(fd, data + *done, room - *done);
		if (n > 0)
			*done += n;
		else if (!n || errno != EINTR)
			return n ? -errno : 0;
	}
	return 0;
}

static int read_all(int fd, u64 room, u64 most, struct image *image)
{
	u8 *data = NULL, *more;
	u64 done = 0;
	int error;

	for (;;) {
		/* One byte beyond the most says that there is too much. */
		if (room > most + 1)
			room = most + 1;
		more = realloc(data, room);
		if (!more) {
			free(data);
			return -ENOMEM;
		}
		data = more;
		error = read_some(fd, data, room, &done);
		if (error || done < room || room > most)
			break;
		room *= 2;
	}
	image->data = data;
	image->size = done;
	return error;
}

static int read_open(struct image *image, int fd, u64 most)
{
	const char *path = image->path;
	struct stat st;
	bool regular;
	int error;

	if (fstat(fd, &st) < 0)
		return err(STATUS_IMAGE, "%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return err(STATUS_IMAGE, "%s: is a directory: give the file itself", path);
	regular = S_ISREG(st.st_mode);
	if (regular && (u64)st.st_size > most)
		return too_large(path, most);
	error = read_all(fd, regular ? (u64)st.st_size + 1 : FIRST_ROOM, most, image);
	if (error)
		return err(STATUS_IMAGE, "%s: cannot be read: %s", path, strerror(-error));
	if (image->size > most)
		return too_large(path, most);
	if (!image->size)
		return err(STATUS_IMAGE, "%s: is empty: was it built?", path);
	if (regular && image->size != (u64)st.st_size)
		return err(STATUS_IMAGE,
			   "%s: changed while it was read: try again when nobody writes it",
			   path);
	return 0;
}

int image_read(struct image *image, const char *path, u64 most)
{
	int fd, status;

	*image = (struct image){ .path = path };
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err(STATUS_IMAGE, "%s: cannot be opened: %s", path, strerror(errno));
	status = read_open(image, fd, most);
	close(fd);
	if (status)
		image_free(image);
	return status;
}

void image_free(struct image *image)
{
	free((void *)image->data);
	image->data = NULL;
	image->size = 0;
}

/* ---- loaders ------------------------------------------------------------------- */

const struct loader *loader_find(const struct image *image)
{
	static const struct loader * const loaders[] = {
		&loader_bzimage,
		&loader_multiboot,
		&loader_elf,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(loaders); i++)
		if (loaders[i]->matches(image))
			return loaders[i];
	return NULL;
}

/* ---- the memory map ------------------------------------------------------------ */

enum { USABLE = 1, RESERVED = 2, ACPI = 3 };

unsigned int e820_ranges(const struct memory *mem, struct e820_range ranges[E820_RANGES])
{
	const struct e820_range all[] = {
		{ 0, PLATFORM_LOW_END, USABLE },
		{ PLATFORM_LOW_END, 0xa0000 - PLATFORM_LOW_END, RESERVED },
		{ PLATFORM_ACPI, PLATFORM_ACPI_SIZE, ACPI },
		{ PLATFORM_MPTABLE, PLATFORM_MPTABLE_SIZE, RESERVED },
		{ PLATFORM_HIGH, MEMORY_LOW_END - PLATFORM_HIGH, USABLE },
		/* Interrupt controllers and what KVM puts beside them. */
		{ PLATFORM_IOAPIC, 4 * GIB - PLATFORM_IOAPIC, RESERVED },
		{ MEMORY_HIGH_BASE, mem->ram[1].size, USABLE },
	};
	u64 end = mem->ram[0].size;
	unsigned int i, nr = 0;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		struct e820_range range = all[i];

		if (range.base < MEMORY_LOW_END) {
			if (range.base >= end)
				continue;
			if (range.size > end - range.base)
				range.size = end - range.base;
		}
		if (range.size)
			ranges[nr++] = range;
	}
	return nr;
}
