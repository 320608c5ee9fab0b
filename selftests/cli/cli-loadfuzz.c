// SPDX-License-Identifier: GPL-2.0
/*
 * Hostile images for the loaders (bug class 42): good ones are cut off at every byte, get
 * numbers that cannot be, and random bits. Each refusal is one line that names the image,
 * and what is loaded nevertheless is in memory as a whole.
 */
#include <stdlib.h>

#include "err.h"
#include "loading.h"
#include "platform.h"

/* ---- hostile images ------------------------------------------------------------ */

#define VICTIMS	6

/* One of each kind, without much that is no header. */
static struct blob victim(unsigned int i)
{
	struct blob elf = make_elf(true, true), packed, b;

	packed = pack(&packers[0], &elf);
	switch (i) {
	case 0:
		b = make_bzimage(&packed);
		break;
	case 1:
		b = copy_of(&elf, elf.size);
		break;
	case 2:
		b = make_elf(false, true);
		break;
	case 3:
		b = make_elf(true, false);
		break;
	case 4:
		b = make_multiboot();
		break;
	default:
		b = make_multiboot_elf();
	}
	free(elf.data);
	free(packed.data);
	return b;
}

/* Whatever is in it: a status and one line, or a place to start at and an initrd in memory. */
static int try(const struct blob *b)
{
	static u64 disk[700];
	struct boot_request request = request_of(b);
	const struct loader *loader;
	int status;

	/* Not what the last one left there. */
	disk[0]++;
	disk[ARRAY_SIZE(disk) - 1]--;
	request.initrd = (struct image){ "the/initrd", (u8 *)disk, sizeof(disk) };
	loader = loader_find(&request.kernel);
	if (!loader)
		return -1;
	status = loader->load(&request, &memory, &entry);
	check_said(status, "the/");
	if (status)
		return status;
	CHECK(memory_at(&memory, entry.rip, 1));
	if (entry.mode == ENTRY_LONG)
		check_told(&request);
	else if (loader == &loader_elf)
		check_bytes(guest(guest(entry.rbx + 16, 8), 8), disk, sizeof(disk));
	else
		check_bytes(guest(guest(entry.rbx + 24, 4), 4), disk, sizeof(disk));
	return 0;
}

static void try_unpack(const struct blob *b)
{
	struct image image = image_of(b, NAME), elf;
	int status = bzimage_unpack(&image, &elf);

	check_said(status, NAME);
	CHECK(status ? !elf.data : elf.size > 4);
	image_free(&elf);
}

/* Behind the headers not every byte, unless there is time. */
#define CUT_ALL		0x280

static void test_cut_off(void)
{
	u64 size, step = rounds(1) > 1 ? 1 : 13;
	unsigned int i;

	want_memory(32 * MIB);
	for (i = 0; i < VICTIMS; i++) {
		struct blob whole = victim(i);

		CHECK_EQ(try(&whole), 0);
		for (size = 0; size < whole.size; size += size < CUT_ALL ? 1 : step) {
			struct blob b = copy_of(&whole, size);

			/* What an address header does not load may be missing. */
			CHECK(try(&b) || (i == 4 && size >= MB_OFFSET + MB_SIZE));
			if (!i)
				try_unpack(&b);
			free(b.data);
		}
		free(whole.data);
	}
}

/* Numbers at which sums overflow, and those around what is right. */
static u64 extreme(const struct blob *b)
{
	const u64 base[] = { 0, BIT_ULL(7), BIT_ULL(8), BIT_ULL(15), BIT_ULL(16), BIT_ULL(31),
		BIT_ULL(32), BIT_ULL(63), memory.size, memory.size - BZ_INIT, b->size,
		b->size / 16, MEMORY_LOW_END, MEMORY_HIGH_BASE, PAGE_SIZE, BZ_BASE, ELF_BASE,
		MB_BASE, PLATFORM_LOW_END, PLATFORM_HIGH, ELF_VIRTUAL };

	return base[random_below(ARRAY_SIZE(base))] + random_below(5) - 2;
}

/* Where the numbers are. */
static u64 somewhere(unsigned int i, const struct blob *b)
{
	static const struct { u64 start, size; } headers[VICTIMS] = {
		{ BZ_SECTS, BZ_END - BZ_SECTS }, { 0, 192 }, { 0, 192 },
		{ 0, 192 }, { MB_HEADER, 32 }, { 0, 120 },
	};

	if ((i == 1 || i == 2) && !random_below(3))
		return ELF_NOTES + random_below(ELF_NOTES_SIZE - 8);
	if (!random_below(4))
		return random_below(b->size - 8);
	return headers[i].start + random_below(headers[i].size);
}

static void test_extremes(void)
{
	static const unsigned int bytes[] = { 1, 2, 4, 8 };
	unsigned int i, n, round;

	want_memory(32 * MIB);
	for (round = 0; round < rounds(2500); round++) {
		struct blob b;

		i = round % VICTIMS;
		b = victim(i);
		for (n = 1 + random_below(3); n; n--)
			put_number(&b, somewhere(i, &b), extreme(&b), bytes[random_below(4)]);
		try(&b);
		if (!i)
			try_unpack(&b);
		free(b.data);
	}
}

static void test_bit_flips(void)
{
	unsigned int i, n, round;

	want_memory(32 * MIB);
	for (round = 0; round < rounds(2500); round++) {
		struct blob b;

		i = round % VICTIMS;
		b = victim(i);
		for (n = 1 + random_below(4); n; n--)
			b.data[somewhere(i, &b)] ^= 1 << random_below(8);
		try(&b);
		if (!i)
			try_unpack(&b);
		free(b.data);
	}
}

/* ---- all of them --------------------------------------------------------------- */

static const struct unit tests[] = {
	{ "class42_images_cut_off", test_cut_off },
	{ "class42_images_extremes", test_extremes },
	{ "class42_images_bit_flips", test_bit_flips },
};

int main(int argc, char **argv)
{
	return loading_main(argc, argv, tests, ARRAY_SIZE(tests));
}
