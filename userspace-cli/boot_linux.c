// SPDX-License-Identifier: GPL-2.0
/* What Linux is told at its 64-bit entry: see boot_linux.h. */
#include <string.h>
#include <sys/random.h>

#include "boot_linux.h"
#include "err.h"

/* Not every <asm/bootparam.h> has it. */
#ifndef SETUP_RNG_SEED
#define SETUP_RNG_SEED		9
#endif
#define SEED_SIZE		32

#define LOADER_WITHOUT_NUMBER	0xff
#define VIDEO_MODE_NORMAL	0xffff

int linux_command_line(const struct boot_request *request, u64 most)
{
	u64 len = strlen(request->append);

	if (len > most)
		return err(STATUS_IMAGE,
			   "%s: the command line has %llu bytes and the kernel takes %llu: make it shorter",
			   request->kernel.path, len, most);
	return 0;
}

static int place_initrd(const struct boot_request *request, struct places *places,
			struct boot_params *params)
{
	struct setup_header *hdr = &params->hdr;
	const struct ram *high = &places->mem->ram[1];
	const struct image *initrd = &request->initrd;
	u64 gpa, size = initrd->size, end = hdr->initrd_addr_max + 1ull;
	int status;

	/* Whatever the image says. */
	hdr->ramdisk_image = 0;
	hdr->ramdisk_size = 0;
	if (!size)
		return 0;
	if (hdr->xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G && high->size &&
	    !place_room(places, initrd, end))
		end = high->gpa + (high->size & ~(PAGE_SIZE - 1));
	status = place_image(places, "the initrd", initrd, end, &gpa);
	if (status)
		return status;
	hdr->ramdisk_image = gpa;
	hdr->ramdisk_size = size;
	params->ext_ramdisk_image = gpa >> 32;
	params->ext_ramdisk_size = size >> 32;
	return 0;
}

/* A kernel that knows no such entry skips it; without random numbers there is none. */
static int place_seed(struct places *places, struct boot_params *params)
{
	struct {
		struct setup_data head;
		u8 seed[SEED_SIZE];
	} entry = { .head = { .type = SETUP_RNG_SEED, .len = SEED_SIZE } };
	u64 gpa;
	int status;

	params->hdr.setup_data = 0;
	if (getrandom(entry.seed, SEED_SIZE, 0) != SEED_SIZE)
		return 0;
	status = place_list(places, &entry, sizeof(entry), &gpa);
	if (!status)
		params->hdr.setup_data = gpa;
	explicit_bzero(&entry, sizeof(entry));
	return status;
}

static void tell_memory(const struct memory *mem, struct boot_params *params)
{
	struct e820_range ranges[E820_RANGES];
	unsigned int i;

	params->e820_entries = e820_ranges(mem, ranges);
	for (i = 0; i < params->e820_entries; i++)
		params->e820_table[i] = (struct boot_e820_entry){
			.addr = ranges[i].base,
			.size = ranges[i].size,
			.type = ranges[i].type,
		};
}

int linux_tell(const struct boot_request *request, struct places *places,
	       struct boot_params *params, struct boot_entry *entry)
{
	struct setup_header *hdr = &params->hdr;
	u64 command_line = 0;
	int status;

	if (request->nr_modules)
		return err(STATUS_IMAGE,
			   "%s: Linux takes no modules beside its initrd: give them to a multiboot kernel",
			   request->kernel.path);
	status = linux_command_line(request, hdr->cmdline_size);
	if (!status)
		status = place_string(places, request->append, &command_line);
	if (!status)
		status = place_initrd(request, places, params);
	if (!status)
		status = place_seed(places, params);
	if (status)
		return status;
	tell_memory(places->mem, params);
	hdr->cmd_line_ptr = command_line;
	hdr->type_of_loader = LOADER_WITHOUT_NUMBER;
	hdr->vid_mode = VIDEO_MODE_NORMAL;
	params->acpi_rsdp_addr = request->acpi_rsdp;
	place_record(places, params, sizeof(*params));
	entry->mode = ENTRY_LONG;
	entry->rsi = PLACE_RECORD;
	entry->rsp = PLACE_STACK_END;
	return 0;
}
