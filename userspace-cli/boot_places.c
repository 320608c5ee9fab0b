// SPDX-License-Identifier: GPL-2.0
/* Who gets which part of the guest's memory while an image is loaded: see boot_places.h. */
#include <string.h>

#include "boot_places.h"
#include "err.h"
#include "platform.h"

static u64 pages(u64 size)
{
	return (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

static u64 in_mib(u64 size)
{
	return (size + MIB - 1) / MIB;
}

static void add(struct places *p, const char *what, u64 start, u64 size)
{
	p->place[p->nr++] = (struct place){ .what = what, .start = start, .size = size };
}

int places_init(struct places *p, struct memory *mem, const char *path)
{
	*p = (struct places){
		.mem = mem,
		.path = path,
		.strings = PLACE_STRINGS,
		.lists = PLACE_LISTS,
	};
	if (!memory_at(mem, 0, PLACE_STRINGS_END))
		return err(STATUS_IMAGE,
			   "%s: %llu KiB of memory hold no kernel: give more with --mem",
			   path, mem->size / KIB);
	add(p, "what lodge tells the kernel", 0, PLACE_STRINGS_END);
	add(p, "what a PC has below 1 MiB", PLATFORM_LOW_END,
	    PLATFORM_HIGH - PLATFORM_LOW_END);
	return 0;
}

/* The first place in the way of [@start, @start + @size), which does not wrap. */
static const struct place *in_the_way(const struct places *p, u64 start, u64 size)
{
	unsigned int i;

	for (i = 0; i < p->nr; i++) {
		const struct place *place = &p->place[i];

		if (start < place->start + place->size && place->start < start + size)
			return place;
	}
	return NULL;
}

int place_at(struct places *p, const char *what, u64 start, u64 size)
{
	const struct place *other;

	if (!memory_at(p->mem, start, size)) {
		if (size <= MEMORY_LOW_END && start <= MEMORY_LOW_END - size)
			return err(STATUS_IMAGE,
				   "%s: %s does not fit into %llu MiB of memory, it ends at %llu MiB: give more with --mem",
				   p->path, what, p->mem->size / MIB, in_mib(start + size));
		return err(STATUS_IMAGE,
			   "%s: %s wants %#llx bytes at %#llx, where no memory is: it is damaged or for another machine",
			   p->path, what, size, start);
	}
	other = in_the_way(p, start, size);
	if (other)
		return err(STATUS_IMAGE,
			   "%s: %s at %#llx to %#llx is in the way of %s at %#llx to %#llx: it is damaged or for another machine",
			   p->path, what, start, start + size - 1, other->what, other->start,
			   other->start + other->size - 1);
	if (p->nr == PLACES)
		return err(STATUS_IMAGE, "%s: it has too many parts: no more than %u",
			   p->path, PLACES);
	add(p, what, start, size);
	return 0;
}

/* Each turn leaves one place behind, so there are no more turns than places. */
static bool find_below(const struct places *p, u64 size, u64 end, u64 *gpa)
{
	const struct place *other;

	for (;;) {
		if (end < size)
			return false;
		*gpa = (end - size) & ~(PAGE_SIZE - 1);
		if (!memory_at(p->mem, *gpa, size))
			return false;
		other = in_the_way(p, *gpa, size);
		if (!other)
			return *gpa >= PLATFORM_HIGH;
		end = other->start;
	}
}

/* Behind all that is there. */
static u64 highest_end(const struct places *p)
{
	u64 end = 0;
	unsigned int i;

	for (i = 0; i < p->nr; i++)
		if (end < p->place[i].start + p->place[i].size)
			end = p->place[i].start + p->place[i].size;
	return pages(end);
}

/* Behind the kernel, or else where there is room. */
static bool find_above(const struct places *p, u64 size, u64 *gpa)
{
	const struct place *other;

	*gpa = highest_end(p);
	if (memory_at(p->mem, *gpa, size))
		return true;
	*gpa = PLATFORM_HIGH;
	while (memory_at(p->mem, *gpa, size)) {
		other = in_the_way(p, *gpa, size);
		if (!other)
			return true;
		*gpa = pages(other->start + other->size);
	}
	return false;
}

/* How large memory would have to be for @size bytes more above all that is there. */
static int no_room(const struct places *p, const char *what, u64 size, u64 end)
{
	u64 needed = highest_end(p) + size;
	u64 most = end && end < MEMORY_LOW_END ? end : MEMORY_LOW_END;

	if (needed > p->mem->size && needed <= most)
		return err(STATUS_IMAGE,
			   "%s: does not fit into %llu MiB of memory with %s: together they take %llu MiB: give --mem %lluM or more",
			   p->path, p->mem->size / MIB, what, in_mib(needed), in_mib(needed));
	return err(STATUS_IMAGE,
		   "%s: there is no place for %s of %llu MiB where the kernel can take it, not with more memory either: use a smaller one",
		   p->path, what, in_mib(size));
}

static bool find(const struct places *p, u64 size, u64 end, u64 *gpa)
{
	u64 low_end = p->mem->ram[0].size & ~(PAGE_SIZE - 1);

	if (!end)
		return find_above(p, size, gpa);
	if (end < MEMORY_HIGH_BASE && end > low_end)
		end = low_end;
	return find_below(p, size, end, gpa);
}

bool place_room(const struct places *p, const struct image *image, u64 end)
{
	u64 gpa;

	return find(p, pages(image->size), end, &gpa);
}

int place_image(struct places *p, const char *what, const struct image *image, u64 end,
		u64 *gpa)
{
	u64 size = pages(image->size);
	int status;

	if (!size)
		return err(STATUS_IMAGE, "%s: is empty: was it built?", image->path);
	if (!find(p, size, end, gpa))
		return no_room(p, what, size, end);
	status = place_at(p, what, *gpa, size);
	if (!status)
		memory_write(p->mem, *gpa, image->data, image->size);
	return status;
}

int place_string(struct places *p, const char *text, u64 *gpa)
{
	u64 size = strlen(text) + 1;

	if (size > PLACE_STRINGS_END - p->strings)
		return err(STATUS_IMAGE,
			   "%s: the command line is too long: with all arguments no more than %llu bytes",
			   p->path, PLACE_STRINGS_END - PLACE_STRINGS - 1);
	*gpa = p->strings;
	p->strings += size;
	memory_write(p->mem, *gpa, text, size);
	return 0;
}

int place_list(struct places *p, const void *data, u64 size, u64 *gpa)
{
	if (size > PLACE_STRINGS - p->lists)
		return err(STATUS_IMAGE, "%s: there is too much to tell it: use fewer modules",
			   p->path);
	*gpa = p->lists;
	p->lists += (size + 15) & ~15ull;
	if (size)
		memory_write(p->mem, *gpa, data, size);
	return 0;
}

void place_record(struct places *p, const void *data, u64 size)
{
	memory_write(p->mem, PLACE_RECORD, data, size);
}
