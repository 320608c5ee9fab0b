// SPDX-License-Identifier: GPL-2.0
/* The guest's memory: one or two ranges of anonymous pages, and who may look at them. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "memory.h"

void *memory_at(const struct memory *mem, u64 gpa, u64 len)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mem->ram); i++) {
		const struct ram *ram = &mem->ram[i];

		if (gpa >= ram->gpa && gpa - ram->gpa <= ram->size &&
		    len <= ram->size - (gpa - ram->gpa) && len)
			return ram->host + (gpa - ram->gpa);
	}
	return NULL;
}

bool memory_read(const struct memory *mem, u64 gpa, void *to, u64 len)
{
	const void *from = memory_at(mem, gpa, len);

	if (from)
		memcpy(to, from, len);
	return from;
}

bool memory_write(const struct memory *mem, u64 gpa, const void *from, u64 len)
{
	void *to = memory_at(mem, gpa, len);

	if (to)
		memcpy(to, from, len);
	return to;
}

void *memory_map(u64 size)
{
	u8 *all = mmap(NULL, size + MEMORY_LARGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	u64 before, behind;

	if (all == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)all & (MEMORY_LARGE - 1);
	behind = MEMORY_LARGE - before;
	if (before)
		munmap(all, before);
	munmap(all + before + size, behind);
	return all + before;
}

static int create_ram(struct ram *ram, u64 gpa, u64 size)
{
	void *host = memory_map(size);

	if (!host)
		return -errno;
	*ram = (struct ram){ .gpa = gpa, .size = size, .host = host };
	return 0;
}

int memory_create(struct memory *mem, u64 size)
{
	u64 low = size < MEMORY_LOW_END ? size : MEMORY_LOW_END;
	int error;

	memset(mem, 0, sizeof(*mem));
	error = create_ram(&mem->ram[0], 0, low);
	if (!error && size > low)
		error = create_ram(&mem->ram[1], MEMORY_HIGH_BASE, size - low);
	mem->size = size;
	return error;
}

void memory_large_pages(struct memory *mem, bool wanted)
{
	unsigned int i;

	/* A host that has none refuses, and nothing is lost. */
	for (i = 0; i < ARRAY_SIZE(mem->ram); i++)
		if (mem->ram[i].size)
			madvise(mem->ram[i].host, mem->ram[i].size,
				wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

void memory_destroy(struct memory *mem)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mem->ram); i++)
		if (mem->ram[i].size)
			munmap(mem->ram[i].host, mem->ram[i].size);
	memset(mem, 0, sizeof(*mem));
}

void memory_clear(struct memory *mem)
{
	unsigned int i;

	/* Private anonymous pages that were given back read as zeroes. */
	for (i = 0; i < ARRAY_SIZE(mem->ram); i++)
		if (mem->ram[i].size &&
		    madvise(mem->ram[i].host, mem->ram[i].size, MADV_DONTNEED))
			memset(mem->ram[i].host, 0, mem->ram[i].size);
}
