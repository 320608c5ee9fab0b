// SPDX-License-Identifier: GPL-2.0
/*
 * What kernels are packed with: each format there and back, bounded, cut off at every byte
 * and damaged (bug class 42); and bzImages whose kernel is taken out.
 */
#include <elf.h>
#include <stdlib.h>

#include "err.h"
#include "loading.h"
#include "unpack.h"

/* ---- packed kernels ------------------------------------------------------------ */

#define LIMIT	MIB

static const char *unpacked(const struct blob *b, struct blob *out)
{
	*out = (struct blob){ 0 };
	return unpack(b->data, b->size, LIMIT, &out->data, &out->size);
}

/* What packs well, and what does not pack at all. */
static struct blob make_content(u64 size)
{
	struct blob b = blob(size);
	u64 i;

	fill_data(b.data, size);
	for (i = size / 3; i < size / 2; i++)
		b.data[i] = next_random();
	memcpy(b.data, ELFMAG, SELFMAG);
	return b;
}

static void test_unpack(void)
{
	static const u64 sizes[] = { 300, 300 * KIB };
	struct blob content, b, out;
	unsigned int i, j;

	for (i = 0; i < PACKERS; i++) {
		for (j = 0; j < ARRAY_SIZE(sizes); j++) {
			content = make_content(sizes[j]);
			b = pack(&packers[i], &content);
			CHECK(!strcmp(unpack_format(b.data, b.size), packers[i].name));
			CHECK(!unpacked(&b, &out));
			CHECK_EQ(out.size, content.size);
			CHECK(out.size == content.size &&
			      !memcmp(out.data, content.data, out.size));
			free(out.data);
			free(content.data);
			free(b.data);
		}
		content = blob(LIMIT + 1);
		memcpy(content.data, ELFMAG, SELFMAG);
		b = pack(&packers[i], &content);
		CHECK_HAS(unpacked(&b, &out) ?: "", "more than any kernel has");
		CHECK(!out.data);
		free(content.data);
		free(b.data);
	}
	CHECK(!unpack_format((const u8 *)"hello", 5));
	CHECK_HAS(unpack((const u8 *)"hello", 5, LIMIT, &out.data, &out.size), "does not know");
}

static void test_sums(void)
{
	struct blob content = blob(100000), b, out;
	unsigned int i;
	u64 at;

	/* So that there is nothing but bytes that could be others. */
	for (at = 0; at < content.size; at++)
		content.data[at] = next_random();
	for (i = 0; i < PACKERS; i++) {
		if (!packers[i].knows_sum)
			continue;
		b = packers[i].pack(&content);
		CHECK(!unpacked(&b, &out));
		free(out.data);
		b.data[b.size / 2] ^= 1;
		CHECK(unpacked(&b, &out));
		free(b.data);
	}
	free(content.data);
}

static void test_bzimage_unpack(void)
{
	struct blob elf = make_elf(true, true);
	struct image unpacked_elf, image;
	struct boot_request request;
	struct blob b, payload;
	unsigned int i;
	int status;

	want_memory(64 * MIB);
	for (i = 0; i < PACKERS; i++) {
		payload = pack(&packers[i], &elf);
		b = make_bzimage(&payload);
		image = image_of(&b, NAME);
		status = bzimage_unpack(&image, &unpacked_elf);
		check_said(status, NAME);
		CHECK_EQ(status, 0);
		CHECK(unpacked_elf.size == elf.size &&
		      !memcmp(unpacked_elf.data, elf.data, elf.size));
		request = request_of(&elf);
		request.kernel = unpacked_elf;
		CHECK_EQ(load(&request, &loader_elf), 0);
		check_elf_loaded(&elf, ELF_PVH_ENTRY);
		image_free(&unpacked_elf);
		free(payload.data);
		free(b.data);
	}
	free(elf.data);
}

static void test_bzimage_unpack_lies(void)
{
	static const struct lie lies[] = {
		{ BZ_VERSION, 2, 0x207, "does not say where" },
		{ BZ_JUMP + 1, 1, 0x4d, "does not say where" },
		{ BZ_PAYLOAD, 4, ~0u, "is not in the file" },
		{ BZ_PAYLOAD_LEN, 4, ~0u, "is not in the file" },
		{ BZ_PAYLOAD_LEN, 4, 0, "lodge does not know" },
		{ BZ_PAYLOAD_LEN, 4, 100, "its data end too early" },
		{ BZ_KERNEL + BZ_PAYLOAD_AT + 100, 1, 0, "its data are damaged" },
		{ BZ_PAYLOAD, 4, 0, "lodge does not know" },
		{ BZ_MAGIC, 4, 0, "is no bzImage" },
	};
	struct blob hello = blob(300), packed = pack(&packers[3], &hello);
	struct blob truth = make_bzimage(&packed);
	struct image image, elf;
	unsigned int i;

	image = image_of(&truth, NAME);
	check_said(bzimage_unpack(&image, &elf), NAME);
	CHECK_HAS(said, "is no ELF file");
	free(truth.data);
	free(packed.data);
	free(hello.data);
	hello = make_content(100000);
	packed = pack(&packers[3], &hello);
	truth = make_bzimage(&packed);
	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		struct blob b = copy_of(&truth, truth.size);

		image = image_of(&b, NAME);
		put_number(&b, lies[i].at, lies[i].value, lies[i].bytes);
		check_said(bzimage_unpack(&image, &elf), NAME);
		CHECK_HAS(said, lies[i].text);
		CHECK(!elf.data);
		free(b.data);
	}
	free(truth.data);
	free(packed.data);
	free(hello.data);
}

/* Nothing but an error may come of a beginning, and anything of damage. */
static void test_unpack_hostile(void)
{
	struct blob content = make_content(700), whole, b, out;
	unsigned int i, n, round;
	u64 size;

	for (i = 0; i < PACKERS; i++) {
		whole = packers[i].pack(&content);
		for (size = 0; size < whole.size; size++) {
			b = copy_of(&whole, size);
			CHECK(unpacked(&b, &out) || !packers[i].knows_end);
			free(out.data);
			free(b.data);
		}
		for (round = 0; round < rounds(60); round++) {
			b = copy_of(&whole, whole.size);
			for (n = 1 + random_below(4); n; n--)
				b.data[random_below(random_below(2) ? 64 : b.size)] ^=
					1 << random_below(8);
			if (!unpacked(&b, &out))
				CHECK(out.size && out.size <= LIMIT);
			free(out.data);
			free(b.data);
		}
		free(whole.data);
	}
	free(content.data);
}

/* ---- all of them --------------------------------------------------------------- */

static const struct unit tests[] = {
	{ "unpack", test_unpack },
	{ "sums", test_sums },
	{ "bzimage_unpack", test_bzimage_unpack },
	{ "class42_bzimage_unpack_lies", test_bzimage_unpack_lies },
	{ "class42_unpack_hostile", test_unpack_hostile },
};

int main(int argc, char **argv)
{
	return loading_main(argc, argv, tests, ARRAY_SIZE(tests));
}
