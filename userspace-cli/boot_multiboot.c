// SPDX-License-Identifier: GPL-2.0
/*
 * Kernels of the Multiboot Specification, version 0.6.96 ("multiboot 1"): what many small
 * kernels and tests are. A header in the first 8 KiB says what the kernel wants; it is
 * loaded as the ELF file that it is, or at addresses in that header. It is entered in 32-bit
 * mode with a record of memory, modules and command line. Modules come after the kernel,
 * the initrd first; a string begins with the path of its file, as kernels expect it.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_elf_file.h"
#include "err.h"
#include "platform.h"

#define SEARCH			8192
#define HEADER_MAGIC		0x1badb002
#define ENTRY_MAGIC		0x2badb002	/* in EAX */

/* The header's flags; lodge refuses what it must not ignore. */
#define WANTS_PAGES		BIT_ULL(0)	/* modules at pages: they always are */
#define WANTS_MEMORY		BIT_ULL(1)	/* to be told: it always is */
#define WANTS_VIDEO		BIT_ULL(2)
#define MUST_UNDERSTAND		0xffff
#define HAS_ADDRESSES		BIT_ULL(16)

struct header {
	u32 magic, flags, checksum;
	u32 header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

/* The record's flags say which of its fields count. */
#define TELLS_MEMORY		BIT_ULL(0)
#define TELLS_COMMAND_LINE	BIT_ULL(2)
#define TELLS_MODULES		BIT_ULL(3)
#define TELLS_MEMORY_MAP	BIT_ULL(6)
#define TELLS_LOADER		BIT_ULL(9)

struct record {
	u32 flags;
	u32 mem_lower, mem_upper;		/* KiB */
	u32 boot_device;
	u32 command_line;
	u32 modules, modules_addr;
	u32 symbols[4];
	u32 map_length, map_addr;
	u32 drives_length, drives_addr;
	u32 config_table;
	u32 loader_name;
	u32 apm_table;
	u8 video[44];
};

static_assert(sizeof(struct record) == 116, "as the specification lays it out");

struct module {
	u32 start, end;
	u32 string;
	u32 reserved;
};

static_assert(sizeof(struct module) == 16, "as the specification lays it out");

struct range {
	u32 size;				/* of what follows */
	u64 base, length;
	u32 type;				/* as in E820 */
} __attribute__((packed));

static_assert(sizeof(struct range) == 24, "as the specification lays it out");

/* ---- the header ---------------------------------------------------------------- */

/* Where it is; what the file is too short for reads as 0. */
static bool find(const struct image *image, struct header *header, u64 *at)
{
	const u64 least = 3 * sizeof(u32);
	u64 end = image->size < SEARCH ? image->size : SEARCH, left;

	for (*at = 0; *at + least <= end; *at += sizeof(u32)) {
		memset(header, 0, sizeof(*header));
		memcpy(header, image->data + *at, least);
		if (header->magic != HEADER_MAGIC ||
		    (u32)(header->magic + header->flags + header->checksum))
			continue;
		left = image->size - *at;
		memcpy(header, image->data + *at,
		       left < sizeof(*header) ? left : sizeof(*header));
		return true;
	}
	return false;
}

static bool matches(const struct image *image)
{
	struct header header;
	u64 at;

	return find(image, &header, &at);
}

static int check_flags(const struct image *image, const struct header *header)
{
	u32 unknown = header->flags & MUST_UNDERSTAND & ~(WANTS_PAGES | WANTS_MEMORY);

	if (unknown & WANTS_VIDEO)
		return err(STATUS_IMAGE,
			   "%s: is a multiboot kernel that demands a video mode: there is no screen: clear bit 2 of its flags",
			   image->path);
	if (unknown)
		return err(STATUS_IMAGE,
			   "%s: is a multiboot kernel that demands what lodge does not have: its flags are %#x",
			   image->path, header->flags);
	return 0;
}

/* ---- into memory --------------------------------------------------------------- */

static int damaged(const struct image *image, const char *what)
{
	return err(STATUS_IMAGE,
		   "%s: is a damaged multiboot kernel: %s: get or build it again", image->path,
		   what);
}

/* A file that is loaded as one piece. */
struct piece {
	u64 offset;
	u64 file_size;
	u64 size;
};

static int find_piece(const struct image *image, const struct header *h, u64 at,
		      struct piece *piece)
{
	u64 left;

	if (h->header_addr < h->load_addr || h->header_addr - h->load_addr > at)
		return damaged(image, "the addresses in its header contradict each other");
	piece->offset = at - (h->header_addr - h->load_addr);
	left = image->size - piece->offset;
	piece->file_size = left;
	if (h->load_end_addr) {
		if (h->load_end_addr <= h->load_addr)
			return damaged(image, "it ends before it begins");
		piece->file_size = h->load_end_addr - h->load_addr;
	}
	if (piece->file_size > left)
		return err(STATUS_IMAGE,
			   "%s: is a truncated multiboot kernel: it has %llu bytes and should have %llu: get it again",
			   image->path, image->size, piece->offset + piece->file_size);
	piece->size = piece->file_size;
	if (h->bss_end_addr) {
		if (h->bss_end_addr < h->load_addr + piece->file_size)
			return damaged(image, "its bss ends before its data");
		piece->size = h->bss_end_addr - h->load_addr;
	}
	if (h->entry_addr < h->load_addr || h->entry_addr - h->load_addr >= piece->file_size)
		return damaged(image, "its entry is not in what it loads");
	return 0;
}

static int load_piece(const struct image *image, const struct header *h, u64 at,
		      struct places *p, struct boot_entry *entry)
{
	struct piece piece = { 0 };
	int status;
	u8 *to;

	if (at + sizeof(*h) > image->size)
		return damaged(image, "its header is cut off");
	status = find_piece(image, h, at, &piece);
	if (!status)
		status = place_at(p, "the kernel", h->load_addr, piece.size);
	if (status)
		return status;
	to = memory_at(p->mem, h->load_addr, piece.size);
	memcpy(to, image->data + piece.offset, piece.file_size);
	memset(to + piece.file_size, 0, piece.size - piece.file_size);
	entry->rip = h->entry_addr;
	return 0;
}

static int load_elf(const struct image *image, struct places *p, struct boot_entry *entry)
{
	struct elf_file elf;
	int status;

	if (!elf_matches(image))
		return damaged(image, "it is no ELF file and does not say where to load it");
	status = elf_open(&elf, image);
	if (!status)
		status = elf_load(&elf, p);
	if (status)
		return status;
	if (!elf_entry(&elf, elf.entry, &entry->rip) || entry->rip >= MEMORY_HIGH_BASE)
		return damaged(image, "its entry is not in what it loads");
	return 0;
}

/* ---- the record ---------------------------------------------------------------- */

/* "PATH ARGUMENTS", as programs have their own name first. */
static int place_words(struct places *p, const char *path, const char *arguments, u32 *addr)
{
	bool more = arguments && *arguments;
	char *text;
	u64 gpa;
	int status;

	if (asprintf(&text, "%s%s%s", path, more ? " " : "", more ? arguments : "") < 0)
		return err(STATUS_HOST, "%s: there is no memory for its command line", path);
	status = place_string(p, text, &gpa);
	free(text);
	*addr = status ? 0 : gpa;
	return status;
}

static int place_module(struct places *p, const struct image *image, const char *arguments,
			struct module *module)
{
	int status = place_words(p, image->path, arguments, &module->string);
	u64 gpa = 0;

	if (!status)
		status = place_image(p, "a module", image, 0, &gpa);
	module->start = gpa;
	module->end = gpa + image->size;
	return status;
}

static int tell_modules(const struct boot_request *request, struct places *p,
			struct record *record)
{
	struct module list[BOOT_MODULES + 1] = { 0 };
	unsigned int i, nr = 0;
	int status = 0;
	u64 gpa;

	if (request->initrd.size)
		status = place_module(p, &request->initrd, NULL, &list[nr++]);
	for (i = 0; i < request->nr_modules && !status; i++)
		status = place_module(p, &request->module[i].image,
				      request->module[i].arguments, &list[nr++]);
	if (!status)
		status = place_list(p, list, nr * sizeof(list[0]), &gpa);
	if (status)
		return status;
	record->flags |= TELLS_MODULES;
	record->modules = nr;
	record->modules_addr = gpa;
	return 0;
}

static int tell_memory(struct places *p, struct record *record)
{
	const struct ram *low = &p->mem->ram[0];
	struct e820_range ranges[E820_RANGES];
	struct range list[E820_RANGES];
	unsigned int i, nr = e820_ranges(p->mem, ranges);
	int status;
	u64 gpa;

	for (i = 0; i < nr; i++)
		list[i] = (struct range){
			.size = sizeof(list[i]) - sizeof(list[i].size),
			.base = ranges[i].base,
			.length = ranges[i].size,
			.type = ranges[i].type,
		};
	status = place_list(p, list, nr * sizeof(list[0]), &gpa);
	if (status)
		return status;
	record->flags |= TELLS_MEMORY | TELLS_MEMORY_MAP;
	record->mem_lower = ranges[0].size / KIB;
	if (low->size > PLATFORM_HIGH)
		record->mem_upper = (low->size - PLATFORM_HIGH) / KIB;
	record->map_length = nr * sizeof(list[0]);
	record->map_addr = gpa;
	return 0;
}

static int tell(const struct boot_request *request, struct places *p)
{
	struct record record = { .flags = TELLS_COMMAND_LINE | TELLS_LOADER };
	u64 name = 0;
	int status;

	status = place_words(p, request->kernel.path, request->append, &record.command_line);
	if (!status)
		status = place_string(p, "lodge", &name);
	record.loader_name = name;
	if (!status)
		status = tell_memory(p, &record);
	if (!status)
		status = tell_modules(request, p, &record);
	if (!status)
		place_record(p, &record, sizeof(record));
	return status;
}

static int load(const struct boot_request *request, struct memory *mem,
		struct boot_entry *entry)
{
	const struct image *image = &request->kernel;
	struct places places;
	struct header header;
	int status;
	u64 at;

	memset(entry, 0, sizeof(*entry));
	if (!find(image, &header, &at))
		return err(STATUS_IMAGE, "%s: has no multiboot header", image->path);
	status = check_flags(image, &header);
	if (!status)
		status = places_init(&places, mem, image->path);
	if (status)
		return status;
	if (header.flags & HAS_ADDRESSES)
		status = load_piece(image, &header, at, &places, entry);
	else
		status = load_elf(image, &places, entry);
	if (!status)
		status = tell(request, &places);
	if (status)
		return status;
	entry->mode = ENTRY_PROTECTED;
	entry->rax = ENTRY_MAGIC;
	entry->rbx = PLACE_RECORD;
	entry->rsp = PLACE_STACK_END;
	return 0;
}

const struct loader loader_multiboot = {
	.name = "multiboot kernel",
	.matches = matches,
	.load = load,
};
