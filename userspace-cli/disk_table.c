// SPDX-License-Identifier: GPL-2.0
/*
 * Reads the partition tables of PCs: the MBR with its chain of logical partitions, and the
 * GPT of UEFI (2.10, 5.3). Nothing is believed: sums are checked, chains have an end, and
 * what lies outside of the disk is said to.
 */
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "disk_table.h"

#define SECTOR		512u
#define LARGE_SECTOR	4096u

/* ---- common ------------------------------------------------------------------------- */

static bool read_at(const struct disk_reader *from, u64 off, void *to, u32 len, bool *failed)
{
	if (off > from->size || len > from->size - off)
		return false;
	if (from->read(from->arg, off, to, len))
		return true;
	*failed = true;
	return false;
}

/* The next place for a partition; NULL: there are too many. */
static struct disk_partition *add(struct disk_table *t, const struct disk_reader *from,
				  unsigned int number, u64 start, u64 nr, u32 sector)
{
	struct disk_partition *p;

	if (t->nr == DISK_PARTITIONS) {
		t->remark = "it has more partitions than are shown";
		return NULL;
	}
	p = &t->partition[t->nr++];
	memset(p, 0, sizeof(*p));
	p->number = number;
	if (__builtin_mul_overflow(start, (u64)sector, &p->start))
		p->start = ~0ull;
	if (__builtin_mul_overflow(nr, (u64)sector, &p->size))
		p->size = ~0ull;
	p->outside = p->start > from->size || p->size > from->size - p->start;
	if (p->outside)
		t->remark = "a partition is not on the disk";
	return p;
}

/* ---- MBR ---------------------------------------------------------------------------- */

#define MBR_ENTRIES	446
#define MBR_MAGIC	510
#define MBR_GPT		0xee

struct mbr_entry {
	u8 boot;
	u8 chs_first[3];
	u8 type;
	u8 chs_last[3];
	u32 start;
	u32 nr;
} __attribute__((packed));

static bool is_extended(u8 type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

static void name_mbr_type(struct disk_partition *p, u8 type)
{
	static const struct { u8 type; const char *name; } types[] = {
		{ 0x05, "extended" }, { 0x0f, "extended" }, { 0x85, "extended" },
		{ 0x06, "FAT16" }, { 0x0e, "FAT16" }, { 0x0b, "FAT32" }, { 0x0c, "FAT32" },
		{ 0x07, "NTFS or exFAT" }, { 0x82, "Linux swap" }, { 0x83, "Linux" },
		{ 0x8e, "Linux LVM" }, { 0xa5, "FreeBSD" }, { 0xee, "protects a GPT" },
		{ 0xef, "EFI system" }, { 0xfd, "Linux RAID" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].type == type) {
			snprintf(p->type, sizeof(p->type), "%s", types[i].name);
			return;
		}
	snprintf(p->type, sizeof(p->type), "0x%02x", type);
}

static struct disk_partition *add_mbr(struct disk_table *t, const struct disk_reader *from,
				      unsigned int number, u64 base, const struct mbr_entry *e)
{
	struct disk_partition *p = add(t, from, number, base + e->start, e->nr, SECTOR);

	if (p) {
		p->bootable = e->boot & 0x80;
		name_mbr_type(p, e->type);
	}
	return p;
}

/* A boot sector has the same magic, and code where the entries would be. */
static bool get_mbr(const u8 *sector, struct mbr_entry entry[4])
{
	unsigned int i;

	if (sector[MBR_MAGIC] != 0x55 || sector[MBR_MAGIC + 1] != 0xaa)
		return false;
	memcpy(entry, sector + MBR_ENTRIES, 4 * sizeof(*entry));
	for (i = 0; i < 4; i++)
		if (entry[i].boot & 0x7f)
			return false;
	return true;
}

static bool is_file_system(const u8 *sector)
{
	return !memcmp(sector + 54, "FAT", 3) || !memcmp(sector + 82, "FAT", 3) ||
	       !memcmp(sector + 3, "NTFS", 4);
}

/* Each link has a partition, relative to itself, and the next link, relative to the first. */
static void read_logical(struct disk_table *t, const struct disk_reader *from, u64 first,
			 bool *failed)
{
	unsigned int number = 5, links;
	struct mbr_entry entry[4];
	u8 sector[SECTOR];
	u64 at = first;

	for (links = 0; links < DISK_PARTITIONS; links++) {
		if (!read_at(from, at * SECTOR, sector, sizeof(sector), failed) ||
		    !get_mbr(sector, entry)) {
			t->remark = "the chain of logical partitions is broken";
			return;
		}
		if (entry[0].type && entry[0].nr &&
		    !add_mbr(t, from, number++, at, &entry[0]))
			return;
		if (!is_extended(entry[1].type) || !entry[1].nr)
			return;
		at = first + entry[1].start;
	}
	t->remark = "the chain of logical partitions has no end";
}

static void read_mbr(struct disk_table *t, const struct disk_reader *from, const u8 *sector,
		     const struct mbr_entry entry[4], bool *failed)
{
	unsigned int i;

	t->kind = "mbr";
	for (i = 0; i < 4; i++)
		if (entry[i].type && entry[i].nr)
			add_mbr(t, from, i + 1, 0, &entry[i]);
	for (i = 0; i < 4; i++)
		if (is_extended(entry[i].type) && entry[i].nr)
			read_logical(t, from, entry[i].start, failed);
	if (!t->nr && is_file_system(sector))
		t->kind = "none";
}

/* ---- GPT ---------------------------------------------------------------------------- */

#define GPT_TABLE_MOST	(1 * MIB)

struct gpt_header {
	char magic[8];
	u32 revision;
	u32 header_size;
	u32 header_crc;
	u32 reserved;
	u64 my_lba;
	u64 other_lba;
	u64 first_usable;
	u64 last_usable;
	u8 disk[16];
	u64 entries_lba;
	u32 nr_entries;
	u32 entry_size;
	u32 entries_crc;
} __attribute__((packed));

struct gpt_entry {
	u8 type[16];
	u8 id[16];
	u64 first, last;
	u64 attributes;
	u16 name[36];
} __attribute__((packed));

static void guid_text(char *to, size_t size, const u8 *g)
{
	snprintf(to, size, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11],
		 g[12], g[13], g[14], g[15]);
}

static void name_gpt_type(struct disk_partition *p, const u8 *guid)
{
	static const struct { const char *guid, *name; } types[] = {
		{ "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "EFI system" },
		{ "21686148-6449-6e6f-744e-656564454649", "BIOS boot" },
		{ "0fc63daf-8483-4772-8e79-3d69d8477de4", "Linux" },
		{ "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "Linux root (x86-64)" },
		{ "933ac7e1-2eb4-4f13-b844-0e14e2aef915", "Linux home" },
		{ "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "Linux swap" },
		{ "e6d6d379-f507-44c2-a23c-238f2a3df928", "Linux LVM" },
		{ "a19d880f-05fc-4d3b-a006-743f0f84911e", "Linux RAID" },
		{ "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "Microsoft data" },
		{ "e3c9e316-0b5c-4db8-817d-f92df00215ae", "Microsoft reserved" },
	};
	unsigned int i;

	guid_text(p->type, sizeof(p->type), guid);
	for (i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(p->type, types[i].guid)) {
			snprintf(p->type, sizeof(p->type), "%s", types[i].name);
			return;
		}
}

/* UTF-16 to UTF-8. What a terminal would obey, and halves of pairs, become '?'. */
static void gpt_name(char *to, const u16 *name, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr && name[i]; i++) {
		u32 c = name[i];

		if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000))
			c = '?';
		if (c < 0x80) {
			*to++ = c;
		} else if (c < 0x800) {
			*to++ = 0xc0 | c >> 6;
			*to++ = 0x80 | (c & 0x3f);
		} else {
			*to++ = 0xe0 | c >> 12;
			*to++ = 0x80 | (c >> 6 & 0x3f);
			*to++ = 0x80 | (c & 0x3f);
		}
	}
	*to = '\0';
}

static void add_gpt(struct disk_table *t, const struct disk_reader *from, unsigned int number,
		    const struct gpt_entry *e, u32 sector)
{
	static const u8 unused[16];
	struct disk_partition *p;
	u16 name[ARRAY_SIZE(e->name)];
	u64 nr = e->last - e->first + 1;

	if (!memcmp(e->type, unused, sizeof(unused)))
		return;
	if (e->last < e->first || !nr) {
		t->remark = "a partition ends before it starts";
		return;
	}
	p = add(t, from, number, e->first, nr, sector);
	if (!p)
		return;
	p->bootable = e->attributes & BIT_ULL(2);
	name_gpt_type(p, e->type);
	memcpy(name, e->name, sizeof(name));
	gpt_name(p->name, name, ARRAY_SIZE(name));
}

static bool get_header(const struct disk_reader *from, struct gpt_header *h, u64 lba, u32 sector,
		       bool *failed)
{
	u8 copy[LARGE_SECTOR];
	u32 crc;

	/* A sector's number comes from the disk's size: the product does not overflow. */
	if (!read_at(from, lba * sector, copy, sector, failed))
		return false;
	memcpy(h, copy, sizeof(*h));
	if (memcmp(h->magic, "EFI PART", sizeof(h->magic)) || h->my_lba != lba ||
	    h->header_size < sizeof(*h) || h->header_size > sector)
		return false;
	memset(copy + offsetof(struct gpt_header, header_crc), 0, sizeof(h->header_crc));
	crc = crc32(0, copy, h->header_size);
	return crc == h->header_crc;
}

/* Twice over the entries: they are shown when their sum is right. */
static bool read_entries(struct disk_table *t, const struct disk_reader *from,
			 const struct gpt_header *h, u32 sector, bool *failed)
{
	u64 len = (u64)h->nr_entries * h->entry_size, base, off;
	u8 piece[LARGE_SECTOR];
	u32 crc = 0, n, i;

	/* A power of two, so that pieces hold whole entries. */
	if (h->entry_size < sizeof(struct gpt_entry) || h->entry_size & (h->entry_size - 1) ||
	    h->entry_size > sizeof(piece) || len > GPT_TABLE_MOST ||
	    __builtin_mul_overflow(h->entries_lba, (u64)sector, &base) || base > from->size)
		return false;
	for (off = 0; off < len; off += n) {
		n = len - off < sizeof(piece) ? len - off : sizeof(piece);
		if (!read_at(from, base + off, piece, n, failed))
			return false;
		crc = crc32(crc, piece, n);
	}
	if (crc != h->entries_crc)
		return false;
	for (off = 0; off < len; off += n) {
		n = len - off < sizeof(piece) ? len - off : sizeof(piece);
		if (!read_at(from, base + off, piece, n, failed))
			return false;
		for (i = 0; i < n; i += h->entry_size) {
			struct gpt_entry e;

			memcpy(&e, piece + i, sizeof(e));
			add_gpt(t, from, (off + i) / h->entry_size + 1, &e, sector);
		}
	}
	return true;
}

static bool try_gpt(struct disk_table *t, const struct disk_reader *from, u64 lba, u32 sector,
		    bool *failed)
{
	struct gpt_header h;

	t->nr = 0;
	t->remark = NULL;
	if (!get_header(from, &h, lba, sector, failed) ||
	    !read_entries(t, from, &h, sector, failed))
		return false;
	t->kind = "gpt";
	if (lba != 1)
		t->remark = "its first copy is damaged: this is the second";
	else if (!t->remark && h.other_lba < from->size / sector - 1)
		t->remark = "the disk has grown: its second copy is not at the end";
	return true;
}

static bool read_gpt(struct disk_table *t, const struct disk_reader *from, bool *failed)
{
	static const u32 sectors[] = { SECTOR, LARGE_SECTOR };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sectors); i++)
		if (try_gpt(t, from, 1, sectors[i], failed))
			return true;
	for (i = 0; i < ARRAY_SIZE(sectors); i++)
		if (from->size >= 2 * sectors[i] &&
		    try_gpt(t, from, from->size / sectors[i] - 1, sectors[i], failed))
			return true;
	t->nr = 0;
	t->remark = NULL;
	return false;
}

bool disk_table_read(struct disk_table *t, const struct disk_reader *from)
{
	struct mbr_entry entry[4];
	bool failed = false, gpt = false;
	u8 sector[SECTOR];
	unsigned int i;

	memset(t, 0, sizeof(*t));
	t->kind = "none";
	if (!read_at(from, 0, sector, sizeof(sector), &failed) || !get_mbr(sector, entry))
		return !failed;
	for (i = 0; i < 4; i++)
		gpt |= entry[i].type == MBR_GPT;
	if (gpt && read_gpt(t, from, &failed))
		return !failed;
	read_mbr(t, from, sector, entry, &failed);
	if (gpt)
		t->remark = "it promises a GPT, and there is no sound one";
	return !failed;
}
