// SPDX-License-Identifier: GPL-2.0
/*
 * ELF kernels. One with Xen's note PHYS32_ENTRY is entered in 32-bit mode as PVH has it (Xen,
 * docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h): EBX points to a record of where
 * everything is. Linux has that note if it was built with CONFIG_PVH. A Linux without it is
 * entered in 64-bit mode at the file's entry point, with its boot_params.
 */
#include <assert.h>
#include <string.h>

#include "boot_elf_file.h"
#include "boot_linux.h"
#include "err.h"

#define NOTE_OWNER		"Xen"
#define NOTE_PHYS32_ENTRY	18

/* In every Linux: the beginning of /proc/version. */
#define LINUX_TEXT		"Linux version "

#define START_MAGIC		0x336ec578
#define START_VERSION		1		/* has a memory map */

struct start_info {
	u32 magic, version, flags, nr_modules;
	u64 modules;
	u64 command_line;
	u64 rsdp;
	u64 memory_map;
	u32 memory_map_entries, reserved;
};

static_assert(sizeof(struct start_info) == 56, "as Xen lays it out");

struct start_module {
	u64 address, size, command_line, reserved;
};

static_assert(sizeof(struct start_module) == 32, "as Xen lays it out");

struct start_memory {
	u64 address, size;
	u32 type, reserved;		/* types as in E820 */
};

static_assert(sizeof(struct start_memory) == 24, "as Xen lays it out");

/* ---- PVH ----------------------------------------------------------------------- */

static int place_module(struct places *p, const char *what, const struct image *image,
			const char *arguments, struct start_module *module)
{
	int status = 0;

	if (arguments)
		status = place_string(p, arguments, &module->command_line);
	/* Kernels remember in 32 bits where they are. */
	if (!status)
		status = place_image(p, what, image, MEMORY_LOW_END, &module->address);
	module->size = image->size;
	return status;
}

/* The initrd is the first module, if there is one. */
static int place_modules(const struct boot_request *request, struct places *p,
			 struct start_info *info)
{
	struct start_module list[BOOT_MODULES + 1] = { 0 };
	unsigned int i, nr = 0;
	int status = 0;

	if (request->initrd.size)
		status = place_module(p, "the initrd", &request->initrd, NULL, &list[nr++]);
	for (i = 0; i < request->nr_modules && !status; i++)
		status = place_module(p, "a module", &request->module[i].image,
				      request->module[i].arguments, &list[nr++]);
	if (status || !nr)
		return status;
	info->nr_modules = nr;
	return place_list(p, list, nr * sizeof(list[0]), &info->modules);
}

static int place_memory_map(struct places *p, struct start_info *info)
{
	struct start_memory list[E820_RANGES] = { 0 };
	struct e820_range ranges[E820_RANGES];
	unsigned int i;

	info->memory_map_entries = e820_ranges(p->mem, ranges);
	for (i = 0; i < info->memory_map_entries; i++) {
		list[i].address = ranges[i].base;
		list[i].size = ranges[i].size;
		list[i].type = ranges[i].type;
	}
	return place_list(p, list, info->memory_map_entries * sizeof(list[0]),
			  &info->memory_map);
}

static int tell_pvh(const struct boot_request *request, const struct elf_file *elf,
		    struct places *p, struct boot_entry *entry)
{
	struct start_info info = {
		.magic = START_MAGIC,
		.version = START_VERSION,
		.rsdp = request->acpi_rsdp,
	};
	int status = 0;

	if (elf_has_text(elf, LINUX_TEXT))
		status = linux_command_line(request, LINUX_COMMAND_LINE);
	if (!status)
		status = place_string(p, request->append, &info.command_line);
	if (!status)
		status = place_memory_map(p, &info);
	if (!status)
		status = place_modules(request, p, &info);
	if (status)
		return status;
	place_record(p, &info, sizeof(info));
	entry->mode = ENTRY_PROTECTED;
	entry->rbx = PLACE_RECORD;
	entry->rsp = PLACE_STACK_END;
	return 0;
}

/* ---- Linux --------------------------------------------------------------------- */

static int tell_linux(const struct boot_request *request, struct places *p,
		      struct boot_entry *entry)
{
	/* What a header would say that the file does not have. */
	struct boot_params params = {
		.hdr = {
			.boot_flag = 0xaa55,
			.header = 0x53726448,	/* HdrS */
			.version = 0x020c,
			.loadflags = LOADED_HIGH,
			.xloadflags = XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G,
			.cmdline_size = LINUX_COMMAND_LINE,
			.initrd_addr_max = 0x7fffffff,
		},
	};

	return linux_tell(request, p, &params, entry);
}

/* ---- both ---------------------------------------------------------------------- */

/* Where it is entered by its note; false when it has none. */
static bool note_entry(const struct elf_file *elf, u64 *address)
{
	u64 size;
	const u8 *note = elf_note(elf, NOTE_OWNER, NOTE_PHYS32_ENTRY, &size);

	*address = 0;
	if (!note)
		return false;
	/* Of another length it is nowhere, which is told. */
	if (size == sizeof(u32) || size == sizeof(u64))
		memcpy(address, note, size);
	return true;
}

static int load(const struct boot_request *request, struct memory *mem,
		struct boot_entry *entry)
{
	const char *path = request->kernel.path;
	struct places places;
	struct elf_file elf;
	u64 address;
	bool pvh;
	int status;

	memset(entry, 0, sizeof(*entry));
	status = elf_open(&elf, &request->kernel);
	if (status)
		return status;
	pvh = note_entry(&elf, &address);
	if (!pvh && (!elf.is_64 || !elf_has_text(&elf, LINUX_TEXT)))
		return err(STATUS_IMAGE,
			   "%s: is an ELF file, but neither a 64-bit Linux nor a kernel with an entry for PVH or multiboot",
			   path);
	status = places_init(&places, mem, path);
	if (!status)
		status = elf_load(&elf, &places);
	if (status)
		return status;
	if (!elf_entry(&elf, pvh ? address : elf.entry, &entry->rip) ||
	    entry->rip >= MEMORY_HIGH_BASE)
		return err(STATUS_IMAGE,
			   "%s: is a damaged ELF file: its entry is not in what it loads: get it again",
			   path);
	return pvh ? tell_pvh(request, &elf, &places, entry) :
	       tell_linux(request, &places, entry);
}

const struct loader loader_elf = {
	.name = "ELF kernel",
	.matches = elf_matches,
	.load = load,
};
