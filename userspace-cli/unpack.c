// SPDX-License-Identifier: GPL-2.0
/*
 * Unpacks what Linux kernels are packed with. The libraries do the work; here is what they
 * leave to their callers: the growth of the output, its bound, and the two formats that are
 * mere frames around blocks (lzop's and the old one of lz4).
 */
#include <bzlib.h>
#include <elf.h>
#include <endian.h>
#include <lz4.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "unpack.h"

/* What a decoder may take for itself, beside its output. */
#define DECODER_MEMORY	(512 * MIB)
#define FIRST_ROOM	(64 * KIB)

static const char damaged[] = "its data are damaged";
static const char cut_off[] = "its data end too early";
static const char too_much[] = "its data unpack to more than any kernel has";
static const char no_memory[] = "there is no memory for it";

struct source {
	const u8 *at;
	u64 left;
};

struct sink {
	u8 *data;
	u64 size;
	u64 room;
	u64 limit;
};

/* Makes room for @more bytes, or for some if it is 0: NULL or why not. */
static const char *grow(struct sink *sink, u64 more)
{
	u64 room = sink->room ? sink->room * 2 : FIRST_ROOM;
	u8 *data;

	if (sink->room - sink->size >= more && sink->room > sink->size)
		return NULL;
	if (more > sink->limit - sink->size || sink->size == sink->limit)
		return too_much;
	if (room < sink->size + more)
		room = sink->size + more;
	if (room > sink->limit)
		room = sink->limit;
	data = realloc(sink->data, room);
	if (!data)
		return no_memory;
	sink->data = data;
	sink->room = room;
	return NULL;
}

/* Libraries that count in 32 bits get no more than this at once. */
static unsigned int at_once(u64 n)
{
	return n < GIB ? n : GIB;
}

/* ---- streams ------------------------------------------------------------------- */

static const char *gunzip(struct source *in, struct sink *out)
{
	z_stream z = { .next_in = (u8 *)in->at, .avail_in = at_once(in->left) };
	const char *why = NULL;
	int rc = inflateInit2(&z, 15 + 16);	/* the largest window, gzip's header */

	if (rc != Z_OK)
		return no_memory;
	while (!why && rc == Z_OK) {
		unsigned int room;

		why = grow(out, 0);
		if (why)
			break;
		room = at_once(out->room - out->size);
		z.next_out = out->data + out->size;
		z.avail_out = room;
		rc = inflate(&z, Z_NO_FLUSH);
		out->size += room - z.avail_out;
	}
	inflateEnd(&z);
	if (why || rc == Z_STREAM_END)
		return why;
	return rc == Z_BUF_ERROR ? cut_off : rc == Z_MEM_ERROR ? no_memory : damaged;
}

static const char *bunzip2(struct source *in, struct sink *out)
{
	bz_stream bz = { .next_in = (char *)in->at, .avail_in = at_once(in->left) };
	const char *why = NULL;
	int rc = BZ2_bzDecompressInit(&bz, 0, 0);

	if (rc != BZ_OK)
		return no_memory;
	while (!why && rc == BZ_OK) {
		unsigned int room;

		why = grow(out, 0);
		if (why)
			break;
		room = at_once(out->room - out->size);
		bz.next_out = (char *)out->data + out->size;
		bz.avail_out = room;
		rc = BZ2_bzDecompress(&bz);
		out->size += room - bz.avail_out;
		/* It goes on asking for more input for ever. */
		if (rc == BZ_OK && !bz.avail_in && bz.avail_out)
			why = cut_off;
	}
	BZ2_bzDecompressEnd(&bz);
	if (why || rc == BZ_STREAM_END)
		return why;
	return rc == BZ_MEM_ERROR ? no_memory : damaged;
}

/* For both formats of liblzma. */
static const char *unlzma_stream(lzma_stream *lz, struct source *in, struct sink *out)
{
	const char *why = NULL;
	lzma_ret rc = LZMA_OK;

	lz->next_in = in->at;
	lz->avail_in = in->left;
	while (!why && rc == LZMA_OK) {
		u64 room;

		why = grow(out, 0);
		if (why)
			break;
		room = out->room - out->size;
		lz->next_out = out->data + out->size;
		lz->avail_out = room;
		rc = lzma_code(lz, LZMA_RUN);
		out->size += room - lz->avail_out;
	}
	lzma_end(lz);
	if (why || rc == LZMA_STREAM_END)
		return why;
	if (rc == LZMA_MEM_ERROR || rc == LZMA_MEMLIMIT_ERROR)
		return no_memory;
	return rc == LZMA_BUF_ERROR ? cut_off : damaged;
}

static const char *unlzma(struct source *in, struct sink *out)
{
	lzma_stream lz = LZMA_STREAM_INIT;

	if (lzma_alone_decoder(&lz, DECODER_MEMORY) != LZMA_OK)
		return no_memory;
	return unlzma_stream(&lz, in, out);
}

static const char *unxz(struct source *in, struct sink *out)
{
	lzma_stream lz = LZMA_STREAM_INIT;

	if (lzma_stream_decoder(&lz, DECODER_MEMORY, 0) != LZMA_OK)
		return no_memory;
	return unlzma_stream(&lz, in, out);
}

static const char *unzstd_stream(ZSTD_DStream *zs, struct source *in, struct sink *out)
{
	ZSTD_inBuffer from = { .src = in->at, .size = in->left };
	const char *why;
	size_t rc;

	do {
		ZSTD_outBuffer to;

		why = grow(out, 0);
		if (why)
			return why;
		to = (ZSTD_outBuffer){ .dst = out->data, .size = out->room, .pos = out->size };
		rc = ZSTD_decompressStream(zs, &to, &from);
		if (ZSTD_isError(rc))
			return damaged;
		/* Wants more, there is no more, and it was not for want of room. */
		if (rc && from.pos == from.size && to.pos < to.size)
			return cut_off;
		out->size = to.pos;
	} while (rc);
	return NULL;
}

static const char *unzstd(struct source *in, struct sink *out)
{
	ZSTD_DStream *zs = ZSTD_createDStream();
	const char *why;

	if (!zs)
		return no_memory;
	why = unzstd_stream(zs, in, out);
	ZSTD_freeDStream(zs);
	return why;
}

/* ---- frames around blocks ------------------------------------------------------ */

static const u8 *take(struct source *in, u64 size)
{
	const u8 *at = in->at;

	if (size > in->left)
		return NULL;
	in->at += size;
	in->left -= size;
	return at;
}

static bool take_le32(struct source *in, u32 *value)
{
	const u8 *at = take(in, sizeof(*value));

	if (at)
		memcpy(value, at, sizeof(*value));
	*value = at ? le32toh(*value) : 0;
	return at;
}

static bool take_be32(struct source *in, u32 *value)
{
	bool there = take_le32(in, value);

	*value = __builtin_bswap32(*value);
	return there;
}

/*
 * The frame of `lz4 -l`: its magic, then blocks of 8 MiB each after its packed length, to
 * the file's end. The kernel's build appends 4 bytes, which are too few for a block.
 */
#define LZ4_BLOCK	(8 * MIB)
#define LZ4_LAST	4
#define LZ4_GROWTH	255		/* a byte never becomes more */

static const char *unlz4(struct source *in, struct sink *out)
{
	u32 size;

	take(in, 4);
	while (in->left > LZ4_LAST) {
		u64 room = out->limit - out->size, most;
		const char *why;
		const u8 *block;
		int n;

		if (!take_le32(in, &size))
			return cut_off;
		block = take(in, size);
		if (!block)
			return cut_off;
		if (size > LZ4_COMPRESSBOUND(LZ4_BLOCK))
			return damaged;
		most = LZ4_GROWTH * (u64)size < LZ4_BLOCK ? LZ4_GROWTH * (u64)size : LZ4_BLOCK;
		if (room > most)
			room = most;
		why = grow(out, room);
		if (why)
			return why;
		n = LZ4_decompress_safe((const char *)block, (char *)out->data + out->size,
					size, room);
		if (n < 0)
			return room < most ? too_much : damaged;
		out->size += n;
	}
	return NULL;
}

/* lzop's header, behind the magic. */
#define LZOP_HAS_LEVEL		0x0940	/* its version from which on there is one */
#define LZOP_ADLER_OUT		0x0001
#define LZOP_ADLER_IN		0x0002
#define LZOP_EXTRA		0x0040
#define LZOP_CRC_OUT		0x0100
#define LZOP_CRC_IN		0x0200
#define LZOP_FILTER		0x0800
#define LZOP_MAGIC		9

static const char *lzop_header(struct source *in, u32 *flags)
{
	const u8 *at;
	bool level;
	u32 extra;

	take(in, LZOP_MAGIC);
	at = take(in, 4);			/* versions of lzop and of its library */
	if (!at)
		return cut_off;
	level = (at[0] << 8 | at[1]) >= LZOP_HAS_LEVEL;
	/* The version that unpacks it, and level; between them the method. */
	if (!take(in, level ? 4 : 1) || !take_be32(in, flags))
		return cut_off;
	if (*flags & LZOP_FILTER)
		return "it was packed with a filter";
	at = take(in, level ? 13 : 9);		/* mode, times, and the name's length */
	if (!at || !take(in, at[level ? 12 : 8]) || !take(in, 4))
		return cut_off;
	if (*flags & LZOP_EXTRA &&
	    (!take_be32(in, &extra) || !take(in, extra) || !take(in, 4)))
		return cut_off;
	return NULL;
}

/* One block of @size bytes, which its length has announced. */
static const char *lzop_block(struct source *in, struct sink *out, u32 flags, u32 size)
{
	u32 packed, adler = 0, unused;
	lzo_uint done = size;
	const char *why;
	const u8 *block;

	if (!take_be32(in, &packed) || (flags & LZOP_ADLER_OUT && !take_be32(in, &adler)) ||
	    (flags & LZOP_CRC_OUT && !take_be32(in, &unused)))
		return cut_off;
	if (packed > size)
		return damaged;
	/* Blocks that did not shrink are as they were. */
	if (packed < size && ((flags & LZOP_ADLER_IN && !take_be32(in, &unused)) ||
			      (flags & LZOP_CRC_IN && !take_be32(in, &unused))))
		return cut_off;
	block = take(in, packed);
	if (!block)
		return cut_off;
	why = grow(out, size);
	if (why)
		return why;
	if (packed == size)
		memcpy(out->data + out->size, block, size);
	else if (lzo1x_decompress_safe(block, packed, out->data + out->size, &done, NULL) !=
		 LZO_E_OK || done != size)
		return damaged;
	if (flags & LZOP_ADLER_OUT && adler32(1, out->data + out->size, size) != adler)
		return damaged;
	out->size += size;
	return NULL;
}

static const char *unlzo(struct source *in, struct sink *out)
{
	const char *why;
	u32 flags, size;

	if (lzo_init() != LZO_E_OK)
		return no_memory;
	why = lzop_header(in, &flags);
	while (!why) {
		if (!take_be32(in, &size))
			return cut_off;
		if (!size)
			return NULL;
		why = lzop_block(in, out, flags, size);
	}
	return why;
}

static const char *copy(struct source *in, struct sink *out)
{
	const char *why = grow(out, in->left);

	if (!why) {
		memcpy(out->data, in->at, in->left);
		out->size = in->left;
	}
	return why;
}

/* ---- all of them --------------------------------------------------------------- */

#define MAGIC(bytes)	bytes, sizeof(bytes) - 1

static const struct format {
	const char *name;
	const char *magic;
	unsigned int len;
	const char *(*unpack)(struct source *in, struct sink *out);
} formats[] = {
	{ "gzip", MAGIC("\x1f\x8b"), gunzip },
	{ "bzip2", MAGIC("BZh"), bunzip2 },
	{ "xz", MAGIC("\xfd\067zXZ\0"), unxz },
	{ "lzo", MAGIC("\x89LZO\0\r\n\x1a\n"), unlzo },
	{ "lz4", MAGIC("\x02\x21\x4c\x18"), unlz4 },
	{ "zstd", MAGIC("\x28\xb5\x2f\xfd"), unzstd },
	{ "ELF", MAGIC(ELFMAG), copy },
	/* No magic: the usual parameters, and a dictionary of whole 64 KiB. */
	{ "lzma", MAGIC("\x5d\0\0"), unlzma },
};

static const struct format *find(const u8 *data, u64 size)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(formats); i++)
		if (size > formats[i].len && !memcmp(data, formats[i].magic, formats[i].len))
			return &formats[i];
	return NULL;
}

const char *unpack_format(const u8 *data, u64 size)
{
	const struct format *format = find(data, size);

	return format ? format->name : NULL;
}

const char *unpack(const u8 *data, u64 size, u64 limit, u8 **out, u64 *out_size)
{
	const struct format *format = find(data, size);
	struct source in = { .at = data, .left = size };
	struct sink sink = { .limit = limit };
	const char *why;

	if (!format)
		return "it is packed in a way that lodge does not know";
	why = format->unpack(&in, &sink);
	if (!why && !sink.size)
		why = "there is nothing in it";
	if (why) {
		free(sink.data);
		return why;
	}
	*out = sink.data;
	*out_size = sink.size;
	return NULL;
}
