/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who gets which part of the guest's memory while an image is loaded: the kernel where it
 * wants to be, an initrd or modules where there is room, and what lodge itself tells the
 * kernel at fixed places at the bottom:
 *
 *	0x0000 to 0x8fff	tables that CPU 0 starts with (GDT, page tables)
 *	0x9000 to 0x9fff	its stack
 *	0xa000 to 0xafff	the record that the kernel is given a pointer to: boot_params,
 *				hvm_start_info or multiboot's
 *	0xb000 to 0xbfff	lists that it points to: memory map, modules, setup_data
 *	0xc000 to 0x1bfff	the command line and the modules' arguments
 *
 * Nothing overlaps and nothing is where there is no memory: whoever asks for such a place
 * gets an error, with the reason told.
 */
#ifndef LODGE_CLI_BOOT_PLACES_H
#define LODGE_CLI_BOOT_PLACES_H

#include "boot.h"

#define PLACE_STACK_END		0xa000ull
#define PLACE_RECORD		0xa000ull
#define PLACE_LISTS		0xb000ull
#define PLACE_STRINGS		0xc000ull
#define PLACE_STRINGS_END	0x1c000ull

/* Segments of a kernel that lodge loads, at most. */
#define PLACE_SEGMENTS		32
#define PLACES			(PLACE_SEGMENTS + BOOT_MODULES + 4)

struct place {
	const char *what;	/* for messages: "the initrd" */
	u64 start;
	u64 size;
};

struct places {
	struct memory *mem;
	const char *path;	/* the kernel's, for messages */
	u64 strings;		/* where the next one goes */
	u64 lists;		/* where the next one goes */
	unsigned int nr;
	struct place place[PLACES];
};

/* Below, int is 0 or a status of err.h when the reason has been told. */
int places_init(struct places *p, struct memory *mem, const char *path);

/* Takes [@start, @start + @size); @what stays the caller's. */
int place_at(struct places *p, const char *what, u64 start, u64 size);

/*
 * Copies @image to whole pages of free memory: as high as it goes with its end at or below
 * @end, or, for @end 0, as low as it goes. Where it is, is in @gpa.
 */
int place_image(struct places *p, const char *what, const struct image *image, u64 end,
		u64 *gpa);

/* Whether that would work. */
bool place_room(const struct places *p, const struct image *image, u64 end);

/* Copies a string or list into its low place. */
int place_string(struct places *p, const char *text, u64 *gpa);
int place_list(struct places *p, const void *data, u64 size, u64 *gpa);

/* Copies the record. */
void place_record(struct places *p, const void *data, u64 size);

#endif
