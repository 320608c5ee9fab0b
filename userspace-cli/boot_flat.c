// SPDX-License-Identifier: GPL-2.0
/* Loads a flat image and makes the CPUs as boot_flat.h promises. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot_flat.h"
#include "cpu_start.h"
#include "err.h"

#define STACK_BASE	0x8000ull	/* to FLAT_BASE */
#define REAL_SP		0xfffe
#define RFLAGS_ALWAYS	BIT_ULL(1)

bool flat_mode_parse(const char *name, enum flat_mode *mode)
{
	static const char * const names[] = {
		[FLAT_REAL] = "real",
		[FLAT_PROTECTED] = "protected",
		[FLAT_LONG] = "long",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i])) {
			*mode = i;
			return true;
		}
	return false;
}

/* ---- the image ---------------------------------------------------------- */

static int too_large(const struct machine *m, const char *path)
{
	return err(STATUS_IMAGE,
		   "%s: the image does not fit into memory, %llu KiB from %#llx: give more with --mem (no more than 3G of it hold an image)",
		   path, (m->memory.ram[0].size - FLAT_BASE) / KIB, FLAT_BASE);
}

/* Fills memory from FLAT_BASE up to the file's end. */
static int read_image(struct machine *m, const char *path, int fd,
		      const struct stat *st)
{
	u64 room = m->memory.ram[0].size - FLAT_BASE, done = 0;
	u8 *to = memory_at(&m->memory, FLAT_BASE, room);
	u8 beyond;
	ssize_t n;

	if (S_ISREG(st->st_mode) && (u64)st->st_size > room)
		return too_large(m, path);
	do {
		/* With memory full, one byte more decides. */
		n = done < room ? read(fd, to + done, room - done) :
		    read(fd, &beyond, 1);
		if (n < 0 && errno != EINTR)
			return err(STATUS_IMAGE, "%s: cannot be read: %s",
				   path, strerror(errno));
		if (n > 0 && done == room)
			return too_large(m, path);
		if (n > 0)
			done += n;
	} while (n);
	if (!done)
		return err(STATUS_IMAGE,
			   "%s: the image is empty: was it built?", path);
	if (S_ISREG(st->st_mode) && done < (u64)st->st_size)
		return err(STATUS_IMAGE,
			   "%s: the image shrank while it was read: try again when nobody writes it",
			   path);
	return 0;
}

static int load_image(struct machine *m, const char *path)
{
	struct stat st;
	int fd, status;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err(STATUS_IMAGE, "%s: the image cannot be opened: %s",
			   path, strerror(errno));
	if (fstat(fd, &st) < 0)
		status = err(STATUS_IMAGE, "%s: %s", path, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		status = err(STATUS_IMAGE,
			     "%s: is a directory: give the image itself", path);
	else
		status = read_image(m, path, fd, &st);
	close(fd);
	return status;
}

/* ---- the CPUs ----------------------------------------------------------- */

static int start_cpu(struct machine *m, unsigned int index, enum flat_mode mode)
{
	u64 stack = (FLAT_BASE - STACK_BASE) / m->nr_cpus / 16 * 16;
	struct kvm_regs regs = {
		.rip = FLAT_BASE,
		.rsp = FLAT_BASE - index * stack,
		.rdi = index,
		.rsi = m->nr_cpus,
		.rbx = m->memory.size / KIB,
		.rflags = RFLAGS_ALWAYS,
	};

	if (mode == FLAT_REAL) {
		regs.rip = 0;
		regs.rsp = REAL_SP;
		return cpu_start_real(&m->cpus[index], FLAT_BASE, &regs);
	}
	return cpu_start(&m->cpus[index],
			 mode == FLAT_LONG ? ENTRY_LONG : ENTRY_PROTECTED, &regs);
}

int flat_boot(struct machine *m, const char *path, enum flat_mode mode)
{
	int status = load_image(m, path);
	unsigned int i;

	if (mode != FLAT_REAL)
		cpu_write_tables(&m->memory);
	for (i = 0; i < m->nr_cpus && !status; i++)
		status = start_cpu(m, i, mode);
	return status;
}
