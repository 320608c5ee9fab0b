// SPDX-License-Identifier: GPL-2.0
/* Images of kernels for the tests of the loaders: see images.h. */
#include <asm/bootparam.h>
#include <bzlib.h>
#include <elf.h>
#include <lz4.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "images.h"
#include "units.h"

/* ---- images -------------------------------------------------------------------- */

struct blob blob(u64 size)
{
	struct blob b = { .data = calloc(1, size ? size : 1), .size = size };

	if (!b.data)
		abort();
	return b;
}

struct blob copy_of(const struct blob *from, u64 size)
{
	struct blob b = { .data = malloc(size ? size : 1), .size = size };

	if (!b.data)
		abort();
	memcpy(b.data, from->data, size);
	return b;
}

void put_number(struct blob *b, u64 at, u64 value, unsigned int bytes)
{
	if (at + bytes > b->size)
		abort();
	memcpy(b->data + at, &value, bytes);
}

void fill_data(u8 *data, u64 size)
{
	u64 i;

	for (i = 0; i < size; i++)
		data[i] = i * 7 + (i >> 8) + 1;
}

struct blob make_elf(bool is_64, bool note)
{
	struct blob b = blob(ELF_NOTES + (note ? ELF_NOTES_SIZE : 0));
	Elf64_Ehdr h = { .e_type = ET_EXEC, .e_machine = is_64 ? EM_X86_64 : EM_386,
		.e_version = 1, .e_entry = ELF_ENTRY, .e_ehsize = sizeof(h),
		.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = note ? 2 : 1 };
	Elf64_Phdr p[2] = {
		{ .p_type = PT_LOAD, .p_offset = ELF_CODE, .p_filesz = CODE_SIZE,
		  .p_paddr = ELF_BASE, .p_vaddr = is_64 ? ELF_VIRTUAL : 0xc0000000,
		  .p_memsz = CODE_SIZE + ELF_BSS, .p_align = 0x1000 },
		{ .p_type = PT_NOTE, .p_offset = ELF_NOTES, .p_filesz = ELF_NOTES_SIZE,
		  .p_align = 4 },
	};
	/* One of somebody else before it. */
	static const u32 notes[] = { 6, 4, 18, 0x756e694c, 0x78, 5,
				     4, 4, 18, 0x6e6558, ELF_PVH_ENTRY };
	unsigned int i;

	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = is_64 ? ELFCLASS64 : ELFCLASS32;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	h.e_phoff = is_64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
	if (is_64) {
		memcpy(b.data, &h, sizeof(h));
		memcpy(b.data + sizeof(h), p, sizeof(p));
	} else {
		Elf32_Ehdr h32 = { .e_type = ET_EXEC, .e_machine = EM_386, .e_version = 1,
			.e_entry = h.e_entry, .e_phoff = h.e_phoff, .e_phnum = h.e_phnum,
			.e_phentsize = sizeof(Elf32_Phdr) };

		memcpy(h32.e_ident, h.e_ident, sizeof(h.e_ident));
		memcpy(b.data, &h32, sizeof(h32));
		for (i = 0; i < 2; i++) {
			Elf32_Phdr q = { p[i].p_type, p[i].p_offset, p[i].p_vaddr,
				p[i].p_paddr, p[i].p_filesz, p[i].p_memsz, 0, p[i].p_align };

			memcpy(b.data + sizeof(h32) + i * sizeof(q), &q, sizeof(q));
		}
	}
	if (note)
		memcpy(b.data + ELF_NOTES, notes, sizeof(notes));
	fill_data(b.data + ELF_CODE, CODE_SIZE);
	strcpy((char *)b.data + ELF_TEXT, "Linux version 9.9 ");
	return b;
}

struct blob make_bzimage(const struct blob *payload)
{
	u64 size = (BZ_PAYLOAD_AT + payload->size + 15) & ~15ull;
	struct blob b = blob(BZ_KERNEL + size);

	fill_data(b.data + BZ_KERNEL, size);
	put_number(&b, BZ_SECTS, 1, 1);
	put_number(&b, BZ_SYSSIZE, size / 16, 4);
	put_number(&b, BZ_FLAG, 0xaa55, 2);
	put_number(&b, BZ_JUMP, 0xeb | (BZ_END - BZ_MAGIC) << 8, 2);
	memcpy(b.data + BZ_MAGIC, "HdrS", 4);
	put_number(&b, BZ_VERSION, 0x20f, 2);
	put_number(&b, BZ_LOADFLAGS, LOADED_HIGH, 1);
	put_number(&b, BZ_INITRD_MAX, 0x7fffffff, 4);
	put_number(&b, BZ_ALIGN, 0x200000, 4);
	put_number(&b, BZ_RELOCATABLE, 1, 1);
	put_number(&b, BZ_XLOADFLAGS, XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G, 2);
	put_number(&b, BZ_CMDLINE_SIZE, 2047, 4);
	put_number(&b, BZ_PAYLOAD, BZ_PAYLOAD_AT, 4);
	put_number(&b, BZ_PAYLOAD_LEN, payload->size, 4);
	put_number(&b, BZ_SETUP_DATA, 0x1234, 8);
	put_number(&b, BZ_RAMDISK, 0x1234, 8);
	put_number(&b, BZ_PREF, BZ_BASE, 8);
	put_number(&b, BZ_INIT_SIZE, BZ_INIT, 4);
	memcpy(b.data + BZ_KERNEL + BZ_PAYLOAD_AT, payload->data, payload->size);
	return b;
}

void put_multiboot(struct blob *b, u64 at, u32 flags)
{
	put_number(b, at, 0x1badb002, 4);
	put_number(b, at + 4, flags, 4);
	put_number(b, at + 8, -(0x1badb002 + flags), 4);
}

struct blob make_multiboot(void)
{
	struct blob b = blob(MB_OFFSET + MB_SIZE + 0xe0);

	fill_data(b.data, b.size);
	put_multiboot(&b, MB_HEADER, 0x10003);
	put_number(&b, MB_HEADER + 12, MB_BASE + MB_HEADER - MB_OFFSET, 4);
	put_number(&b, MB_HEADER + 16, MB_BASE, 4);
	put_number(&b, MB_HEADER + 20, MB_BASE + MB_SIZE, 4);
	put_number(&b, MB_HEADER + 24, MB_BASE + MB_END, 4);
	put_number(&b, MB_HEADER + 28, MB_ENTRY, 4);
	return b;
}

struct blob make_multiboot_elf(void)
{
	struct blob b = make_elf(false, false);

	put_multiboot(&b, MB_ELF_HEADER, 3);
	return b;
}

/* ---- packers ------------------------------------------------------------------- */

static struct blob pack_gzip(const struct blob *from)
{
	struct blob b = blob(from->size * 2 + 4096);
	z_stream z = { .next_in = from->data, .avail_in = from->size,
		       .next_out = b.data, .avail_out = b.size };

	CHECK_EQ(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	CHECK_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
	b.size = z.total_out;
	deflateEnd(&z);
	return b;
}

static struct blob pack_bzip2(const struct blob *from)
{
	struct blob b = blob(from->size * 2 + 4096);
	unsigned int size = b.size;

	CHECK_EQ(BZ2_bzBuffToBuffCompress((char *)b.data, &size, (char *)from->data,
					  from->size, 1, 0, 0), BZ_OK);
	b.size = size;
	return b;
}

static struct blob pack_lzma(const struct blob *from)
{
	struct blob b = blob(from->size * 2 + 4096);
	lzma_stream lz = LZMA_STREAM_INIT;
	lzma_options_lzma options;

	lzma_lzma_preset(&options, 1);
	options.dict_size = 256 * KIB;
	CHECK_EQ(lzma_alone_encoder(&lz, &options), LZMA_OK);
	lz.next_in = from->data;
	lz.avail_in = from->size;
	lz.next_out = b.data;
	lz.avail_out = b.size;
	CHECK_EQ(lzma_code(&lz, LZMA_FINISH), LZMA_STREAM_END);
	b.size = lz.total_out;
	lzma_end(&lz);
	return b;
}

/* As the kernel's build does, with the filter for x86. */
static struct blob pack_xz(const struct blob *from)
{
	struct blob b = blob(from->size * 2 + 4096);
	lzma_options_lzma options;
	lzma_filter filters[] = {
		{ .id = LZMA_FILTER_X86 },
		{ .id = LZMA_FILTER_LZMA2, .options = &options },
		{ .id = LZMA_VLI_UNKNOWN },
	};
	size_t size = 0;

	lzma_lzma_preset(&options, 1);
	options.dict_size = 256 * KIB;
	CHECK_EQ(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, from->data,
					   from->size, b.data, &size, b.size), LZMA_OK);
	b.size = size;
	return b;
}

static void put_be32(struct blob *b, u64 *at, u32 value)
{
	put_number(b, *at, __builtin_bswap32(value), 4);
	*at += 4;
}

/* As lzop does, in blocks of 256 KiB; what does not shrink is stored. */
static struct blob pack_lzo(const struct blob *from)
{
	static u8 work[LZO1X_1_MEM_COMPRESS], packed[300 * KIB];
	static const u8 head[] = { 0x89, 'L', 'Z', 'O', 0, '\r', '\n', 0x1a, '\n',
		0x10, 0x40, 0x20, 0xa0, 0x09, 0x40, 1, 5, 3, 0, 0, 3,
		0, 0, 0x81, 0xa4, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'k', 9, 9, 9, 9 };
	struct blob b = blob(from->size * 2 + 4096);
	u64 at = sizeof(head), done;

	memcpy(b.data, head, sizeof(head));
	for (done = 0; done < from->size; ) {
		u64 n = from->size - done < 256 * KIB ? from->size - done : 256 * KIB;
		lzo_uint size = 0;

		lzo1x_1_compress(from->data + done, n, packed, &size, work);
		put_be32(&b, &at, n);
		put_be32(&b, &at, size < n ? size : n);
		put_be32(&b, &at, adler32(1, from->data + done, n));
		if (size < n)	/* flags of the header: the packed bytes' as well */
			put_be32(&b, &at, 0xbadbad);
		memcpy(b.data + at, size < n ? packed : from->data + done, size < n ? size : n);
		at += size < n ? size : n;
		done += n;
	}
	put_be32(&b, &at, 0);
	b.size = at;
	return b;
}

/* In smaller blocks than those of `lz4 -l`. */
static struct blob pack_lz4(const struct blob *from)
{
	struct blob b = blob(from->size * 2 + 4096);
	u64 at = 4, done;

	put_number(&b, 0, 0x184c2102, 4);
	for (done = 0; done < from->size; ) {
		u64 n = from->size - done < 256 * KIB ? from->size - done : 256 * KIB;
		int size = LZ4_compress_default((char *)from->data + done,
						(char *)b.data + at + 4, n, b.size - at - 4);

		CHECK(size > 0);
		put_number(&b, at, size, 4);
		at += 4 + size;
		done += n;
	}
	b.size = at;
	return b;
}

static struct blob pack_zstd(const struct blob *from)
{
	struct blob b = blob(from->size * 2 + 4096);

	b.size = ZSTD_compress(b.data, b.size, from->data, from->size, 3);
	CHECK(!ZSTD_isError(b.size));
	return b;
}

static struct blob pack_not(const struct blob *from)
{
	return copy_of(from, from->size);
}

const struct packer packers[PACKERS] = {
	{ "gzip", pack_gzip, true, true, true },
	{ "bzip2", pack_bzip2, false, true, true },
	{ "lzma", pack_lzma, false, true, false },
	{ "xz", pack_xz, false, true, true },
	{ "lzo", pack_lzo, false, true, true },
	{ "lz4", pack_lz4, false, false, false },
	{ "zstd", pack_zstd, false, true, false },
	{ "ELF", pack_not, true, false, false },
};

struct blob pack(const struct packer *packer, const struct blob *from)
{
	struct blob packed = packer->pack(from), b;

	b = blob(packed.size + (packer->knows_size ? 0 : 4));
	memcpy(b.data, packed.data, packed.size);
	if (!packer->knows_size)
		put_number(&b, packed.size, from->size, 4);
	free(packed.data);
	return b;
}
