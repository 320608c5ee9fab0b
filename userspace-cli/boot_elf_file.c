// SPDX-License-Identifier: GPL-2.0
/* ELF files of kernels: see boot_elf_file.h. */
#include <elf.h>
#include <string.h>

#include "boot_elf_file.h"
#include "err.h"

/* Kernels have a handful; each is looked through for notes. */
#define SEGMENTS_MOST	64

static int cut_off(const struct image *image, const char *what)
{
	return err(STATUS_IMAGE,
		   "%s: is a truncated ELF file: it has %llu bytes and %s is beyond them: get it again",
		   image->path, image->size, what);
}

bool elf_matches(const struct image *image)
{
	return image->size > SELFMAG && !memcmp(image->data, ELFMAG, SELFMAG);
}

struct elf_segment elf_segment(const struct elf_file *elf, unsigned int i)
{
	const u8 *table = elf->image->data + elf->table;

	if (elf->is_64) {
		Elf64_Phdr p;

		memcpy(&p, table + i * sizeof(p), sizeof(p));
		return (struct elf_segment){ p.p_type, p.p_offset, p.p_filesz,
					     p.p_vaddr, p.p_paddr, p.p_memsz, p.p_align };
	} else {
		Elf32_Phdr p;

		memcpy(&p, table + i * sizeof(p), sizeof(p));
		return (struct elf_segment){ p.p_type, p.p_offset, p.p_filesz,
					     p.p_vaddr, p.p_paddr, p.p_memsz, p.p_align };
	}
}

static int check_segments(const struct elf_file *elf)
{
	const struct image *image = elf->image;
	unsigned int i, loads = 0;

	for (i = 0; i < elf->segments; i++) {
		struct elf_segment s = elf_segment(elf, i);

		if (s.type == PT_INTERP)
			return err(STATUS_IMAGE,
				   "%s: is a program for an operating system, no kernel",
				   image->path);
		if (s.type != PT_LOAD && s.type != PT_NOTE)
			continue;
		if (s.offset > image->size || s.file_size > image->size - s.offset)
			return cut_off(image, "a segment");
		if (s.type != PT_LOAD)
			continue;
		if (s.file_size > s.size)
			return err(STATUS_IMAGE,
				   "%s: is a damaged ELF file: a segment has more bytes than memory: get it again",
				   image->path);
		loads += !!s.size;
	}
	if (!loads || loads > PLACE_SEGMENTS)
		return err(STATUS_IMAGE,
			   "%s: is an ELF file with %u segments to load: a kernel has 1 to %u",
			   image->path, loads, PLACE_SEGMENTS);
	return 0;
}

/* The headers of both sizes, as far as they matter. */
struct header {
	u16 type, machine;
	u32 version;
	u64 entry, table;
	unsigned int entries, entry_size;
};

static bool read_header(const struct image *image, bool is_64, struct header *h)
{
	if (is_64) {
		Elf64_Ehdr e;

		if (image->size < sizeof(e))
			return false;
		memcpy(&e, image->data, sizeof(e));
		*h = (struct header){ e.e_type, e.e_machine, e.e_version, e.e_entry, e.e_phoff,
				      e.e_phnum, e.e_phentsize };
	} else {
		Elf32_Ehdr e;

		if (image->size < sizeof(e))
			return false;
		memcpy(&e, image->data, sizeof(e));
		*h = (struct header){ e.e_type, e.e_machine, e.e_version, e.e_entry, e.e_phoff,
				      e.e_phnum, e.e_phentsize };
	}
	return true;
}

/* What it is, by its header. */
static int identify(struct elf_file *elf, const struct image *image, struct header *h)
{
	if (image->size < EI_NIDENT)
		return cut_off(image, "its header");
	*elf = (struct elf_file){
		.image = image,
		.is_64 = image->data[EI_CLASS] == ELFCLASS64,
	};
	if ((!elf->is_64 && image->data[EI_CLASS] != ELFCLASS32) ||
	    image->data[EI_DATA] != ELFDATA2LSB)
		return err(STATUS_IMAGE, "%s: is no ELF file of this kind of machine",
			   image->path);
	if (!read_header(image, elf->is_64, h))
		return cut_off(image, "its header");
	if (h->machine != (elf->is_64 ? EM_X86_64 : EM_386))
		return err(STATUS_IMAGE, "%s: is an ELF file for another machine: use one for x86",
			   image->path);
	if (h->type != ET_EXEC)
		return err(STATUS_IMAGE,
			   "%s: is an ELF file of type %u, no kernel: give the linked vmlinux",
			   image->path, h->type);
	return 0;
}

int elf_identify(struct elf_file *elf, const struct image *image)
{
	struct header h;

	return identify(elf, image, &h);
}

int elf_open(struct elf_file *elf, const struct image *image)
{
	struct header h;
	int status = identify(elf, image, &h);
	u64 size;

	if (status)
		return status;
	size = elf->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	if (!h.entries || h.entry_size != size)
		return err(STATUS_IMAGE, "%s: is an ELF file without segments: nothing to load",
			   image->path);
	if (h.entries > SEGMENTS_MOST)
		return err(STATUS_IMAGE,
			   "%s: is an ELF file with %u segments, no kernel: a kernel has no more than %u",
			   image->path, h.entries, SEGMENTS_MOST);
	if (h.table > image->size || h.entries * size > image->size - h.table)
		return cut_off(image, "its list of segments");
	elf->entry = h.entry;
	elf->table = h.table;
	elf->segments = h.entries;
	return check_segments(elf);
}

/* ---- what is in it ------------------------------------------------------------- */

static u64 up(u64 n, u64 align)
{
	return (n + align - 1) & ~(align - 1);
}

/* The headers of notes are the same in both sizes; all in it has 32 bits. */
static const u8 *find_note(const u8 *data, u64 size, u64 align, const char *owner, u32 type,
			   u64 *note_size)
{
	u64 at = 0;

	while (at <= size && size - at >= sizeof(Elf32_Nhdr)) {
		u64 name = at + sizeof(Elf32_Nhdr), desc;
		Elf32_Nhdr note;

		memcpy(&note, data + at, sizeof(note));
		desc = up(name + note.n_namesz, align);
		at = up(desc + note.n_descsz, align);
		if (desc > size || note.n_descsz > size - desc)
			break;
		if (note.n_type != type || note.n_namesz != strlen(owner) + 1 ||
		    memcmp(data + name, owner, note.n_namesz))
			continue;
		*note_size = note.n_descsz;
		return data + desc;
	}
	return NULL;
}

const u8 *elf_note(const struct elf_file *elf, const char *owner, u32 type, u64 *size)
{
	const u8 *found = NULL;
	unsigned int i;

	for (i = 0; i < elf->segments && !found; i++) {
		struct elf_segment s = elf_segment(elf, i);

		if (s.type == PT_NOTE)
			found = find_note(elf->image->data + s.offset, s.file_size,
					  s.align == 8 ? 8 : 4, owner, type, size);
	}
	return found;
}

bool elf_has_text(const struct elf_file *elf, const char *text)
{
	unsigned int i;

	for (i = 0; i < elf->segments; i++) {
		struct elf_segment s = elf_segment(elf, i);

		if (s.type == PT_LOAD && memmem(elf->image->data + s.offset, s.file_size, text,
						strlen(text)))
			return true;
	}
	return false;
}

/* ---- into memory --------------------------------------------------------------- */

int elf_load(const struct elf_file *elf, struct places *places)
{
	unsigned int i;
	int status;
	u8 *to;

	for (i = 0; i < elf->segments; i++) {
		struct elf_segment s = elf_segment(elf, i);

		if (s.type != PT_LOAD || !s.size)
			continue;
		status = place_at(places, "a segment", s.paddr, s.size);
		if (status)
			return status;
		to = memory_at(places->mem, s.paddr, s.size);
		memcpy(to, elf->image->data + s.offset, s.file_size);
		memset(to + s.file_size, 0, s.size - s.file_size);
	}
	return 0;
}

bool elf_entry(const struct elf_file *elf, u64 address, u64 *gpa)
{
	bool virtual;
	unsigned int i;

	for (virtual = false; ; virtual = true) {
		for (i = 0; i < elf->segments; i++) {
			struct elf_segment s = elf_segment(elf, i);
			u64 start = virtual ? s.vaddr : s.paddr;

			if (s.type != PT_LOAD || address < start ||
			    address - start >= s.file_size)
				continue;
			*gpa = s.paddr + (address - start);
			return true;
		}
		if (virtual)
			return false;
	}
}
