// SPDX-License-Identifier: GPL-2.0
/*
 * Reads an ELF file's symbol table. The file's head is checked where kernels are loaded
 * (boot_elf_file.h); every place that the sections name is checked here before it is read.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "boot_elf_file.h"
#include "elf_symbols.h"
#include "err.h"

/* A kernel with all of its debugging information. */
#define FILE_MOST	(4 * GIB)

struct section {
	u32 type, link;
	u64 offset, size;
};

struct sections {
	const struct image *image;
	bool is_64;
	u64 table;
	unsigned int nr;
};

static int damaged(const struct image *image, const char *what)
{
	return err(STATUS_IMAGE, "%s: is a truncated or damaged ELF file: %s: get it again",
		   image->path, what);
}

static bool is_inside(const struct image *image, u64 offset, u64 size)
{
	return offset <= image->size && size <= image->size - offset;
}

/* The head itself is known to be in the file. */
static bool find_table(struct sections *s, const struct elf_file *elf)
{
	const struct image *image = elf->image;
	u64 entry_size, size = elf->is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);

	*s = (struct sections){ .image = image, .is_64 = elf->is_64 };
	if (elf->is_64) {
		Elf64_Ehdr e;

		memcpy(&e, image->data, sizeof(e));
		s->table = e.e_shoff;
		s->nr = e.e_shnum;
		entry_size = e.e_shentsize;
	} else {
		Elf32_Ehdr e;

		memcpy(&e, image->data, sizeof(e));
		s->table = e.e_shoff;
		s->nr = e.e_shnum;
		entry_size = e.e_shentsize;
	}
	return !s->nr || (entry_size == size && is_inside(image, s->table, s->nr * size));
}

static struct section section(const struct sections *s, unsigned int i)
{
	const u8 *table = s->image->data + s->table;
	Elf64_Shdr h;
	Elf32_Shdr n;

	if (s->is_64) {
		memcpy(&h, table + i * sizeof(h), sizeof(h));
		return (struct section){ h.sh_type, h.sh_link, h.sh_offset, h.sh_size };
	}
	memcpy(&n, table + i * sizeof(n), sizeof(n));
	return (struct section){ n.sh_type, n.sh_link, n.sh_offset, n.sh_size };
}

struct entry {
	u64 address, size;
	u32 name;
	u8 info;
	u16 section;
};

static struct entry entry(const struct sections *s, const struct section *table, u64 i)
{
	const u8 *at = s->image->data + table->offset;
	Elf64_Sym e;
	Elf32_Sym n;

	if (s->is_64) {
		memcpy(&e, at + i * sizeof(e), sizeof(e));
		return (struct entry){ e.st_value, e.st_size, e.st_name, e.st_info, e.st_shndx };
	}
	memcpy(&n, at + i * sizeof(n), sizeof(n));
	return (struct entry){ n.st_value, n.st_size, n.st_name, n.st_info, n.st_shndx };
}

/* Code, also that of assembly without a type; no files, sections, data or mere numbers. */
static bool is_code(const struct entry *e)
{
	unsigned int type = e->info & 15;

	return (type == STT_FUNC || type == STT_NOTYPE) && e->section != SHN_UNDEF &&
	       e->section < SHN_LORESERVE;
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	/* Of several names for one place the one that says how long it is. */
	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void sort(struct symbols *s)
{
	unsigned int i, kept = 0;

	if (s->nr)
		qsort(s->list, s->nr, sizeof(*s->list), by_address);
	for (i = 0; i < s->nr; i++)
		if (!kept || s->list[kept - 1].address != s->list[i].address)
			s->list[kept++] = s->list[i];
	s->nr = kept;
}

static int take(struct symbols *s, const struct sections *sections, const struct section *table)
{
	u64 i, nr = table->size / (sections->is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym));
	struct section names;

	if (!is_inside(&s->image, table->offset, table->size))
		return damaged(&s->image, "its symbols are beyond its end");
	if (table->link >= sections->nr)
		return damaged(&s->image, "its symbols have no names");
	names = section(sections, table->link);
	/* The last name ends with the section, if not before. */
	if (names.type != SHT_STRTAB || !names.size ||
	    !is_inside(&s->image, names.offset, names.size) ||
	    s->image.data[names.offset + names.size - 1])
		return damaged(&s->image, "its symbols' names are not all there");
	s->list = calloc(nr ? nr : 1, sizeof(*s->list));
	if (!s->list || nr > ~0u)
		return err(STATUS_HOST, "%s: no memory for its symbols", s->image.path);
	for (i = 0; i < nr; i++) {
		struct entry e = entry(sections, table, i);
		const char *name = (const char *)s->image.data + names.offset + e.name;

		if (is_code(&e) && e.name < names.size && *name)
			s->list[s->nr++] = (struct symbol){ e.address, e.size, name };
	}
	sort(s);
	return 0;
}

int symbols_load(struct symbols *s)
{
	struct sections sections;
	struct elf_file elf;
	unsigned int i;
	int status;

	s->list = NULL;
	s->nr = 0;
	if (!elf_matches(&s->image))
		return err(STATUS_IMAGE, "%s: is no ELF file: give the vmlinux of the guest",
			   s->image.path);
	/* a file of symbols alone will do, too: it may have nothing to load */
	status = elf_identify(&elf, &s->image);
	if (status)
		return status;
	if (!find_table(&sections, &elf))
		return damaged(&s->image, "its sections are beyond its end");
	for (i = 0; i < sections.nr && !s->list && !status; i++) {
		struct section table = section(&sections, i);

		if (table.type == SHT_SYMTAB)
			status = take(s, &sections, &table);
	}
	if (!status && !s->nr)
		status = err(STATUS_IMAGE,
			     "%s: has no symbols: give a vmlinux that is not stripped",
			     s->image.path);
	if (status) {
		free(s->list);
		s->list = NULL;
		s->nr = 0;
	}
	return status;
}

int symbols_open(struct symbols *s, const char *path)
{
	int status;

	*s = (struct symbols){ 0 };
	status = image_read(&s->image, path, FILE_MOST);
	if (!status)
		status = symbols_load(s);
	if (status)
		symbols_close(s);
	return status;
}

void symbols_close(struct symbols *s)
{
	free(s->list);
	s->list = NULL;
	s->nr = 0;
	image_free(&s->image);
}

int symbols_find(const struct symbols *s, u64 address)
{
	unsigned int low = 0, high = s->nr;

	/* The first that begins behind the address. */
	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (s->list[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return -1;
	low--;
	if (s->list[low].size && address - s->list[low].address >= s->list[low].size)
		return -1;
	/* The last one of all has to say how long it is. */
	if (!s->list[low].size && low + 1 == s->nr && address - s->list[low].address >= PAGE_SIZE)
		return -1;
	return low;
}
