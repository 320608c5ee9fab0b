// SPDX-License-Identifier: GPL-2.0
/*
 * Linux bzImages: the file that a kernel's build makes and /boot has. It begins with code
 * for real mode, which is skipped but for the header in it; then comes the kernel, packed,
 * with the code that unpacks it, entered in 64-bit mode. bzimage_unpack() takes the kernel
 * out, so that the guest need not unpack it. What the fields mean is in Linux's
 * Documentation/arch/x86/boot.rst.
 */
#include <stdlib.h>
#include <string.h>

#include "boot_linux.h"
#include "err.h"
#include "platform.h"
#include "unpack.h"

#define SECTOR			512
#define SECTORS_IF_ZERO		4
#define HEADER			0x1f1		/* in the file and in boot_params */
#define HEADER_JUMP		0x201		/* how far the header reaches behind 0x202 */
#define HEADER_MAGIC		0x202
#define HEADER_MOST		0x290		/* there boot_params goes on with other things */
#define ENTRY_64		0x200		/* from where the kernel is loaded */

/* Protocols, and where their headers end at least. */
#define PROTOCOL_OLDEST		0x0206		/* knows the length of command lines */
#define PROTOCOL_PAYLOAD	0x0208
#define PROTOCOL_64		0x020c
#define END_PAYLOAD		0x250
#define END_64			0x268

/* No kernel is larger, nor asks for more. */
#define UNPACKED_MOST		GIB
#define ALIGNMENT_MOST		GIB

struct bzimage {
	struct setup_header hdr;
	u64 header_end;
	u64 kernel;			/* in the file, behind the code for real mode */
	u64 kernel_size;
};

static bool matches(const struct image *image)
{
	return image->size >= HEADER_MAGIC + 4 &&
	       !memcmp(image->data + HEADER_MAGIC, "HdrS", 4);
}

static int cut_off(const struct image *image, u64 wants)
{
	return err(STATUS_IMAGE,
		   "%s: is a truncated bzImage: it has %llu bytes and should have %llu: get it again",
		   image->path, image->size, wants);
}

static int damaged(const struct image *image, const char *what)
{
	return err(STATUS_IMAGE, "%s: is a damaged bzImage: %s: get it again", image->path,
		   what);
}

/* All that is common to both ways: header and kernel are in the file as a whole. */
static int parse(const struct image *image, struct bzimage *bz)
{
	struct setup_header *hdr = &bz->hdr;
	u64 size;

	bz->header_end = HEADER_MAGIC + image->data[HEADER_JUMP];
	if (bz->header_end > image->size)
		return cut_off(image, bz->header_end);
	if (bz->header_end > HEADER_MOST)
		return damaged(image, "its header is too long");
	size = bz->header_end - HEADER;
	memset(hdr, 0, sizeof(*hdr));
	memcpy(hdr, image->data + HEADER, size < sizeof(*hdr) ? size : sizeof(*hdr));
	if (hdr->version < PROTOCOL_OLDEST)
		return err(STATUS_IMAGE,
			   "%s: is a kernel for boot protocol %u.%02u: lodge needs %u.%02u, of Linux 2.6.22",
			   image->path, hdr->version >> 8, hdr->version & 0xff,
			   PROTOCOL_OLDEST >> 8, PROTOCOL_OLDEST & 0xff);
	if (!(hdr->loadflags & LOADED_HIGH))
		return err(STATUS_IMAGE, "%s: is a zImage: build it as bzImage", image->path);
	bz->kernel = ((hdr->setup_sects ? hdr->setup_sects : SECTORS_IF_ZERO) + 1) * SECTOR;
	bz->kernel_size = hdr->syssize * 16ull;
	if (bz->kernel + bz->kernel_size > image->size)
		return cut_off(image, bz->kernel + bz->kernel_size);
	return 0;
}

/* ---- booted as it is ----------------------------------------------------------- */

static int check_64(const struct image *image, const struct bzimage *bz)
{
	const struct setup_header *hdr = &bz->hdr;

	if (hdr->version < PROTOCOL_64 || !(hdr->xloadflags & XLF_KERNEL_64))
		return err(STATUS_IMAGE,
			   "%s: is a kernel without a 64-bit entry: use one for x86-64, of Linux 3.8 or later",
			   image->path);
	if (bz->header_end < END_64)
		return damaged(image, "its header is too short");
	if (bz->kernel_size <= ENTRY_64 || bz->kernel_size > hdr->init_size)
		return damaged(image, "its sizes contradict each other");
	if (hdr->relocatable_kernel &&
	    (!hdr->kernel_alignment || hdr->kernel_alignment > ALIGNMENT_MOST ||
	     hdr->kernel_alignment & (hdr->kernel_alignment - 1)))
		return damaged(image, "its alignment cannot be");
	return 0;
}

/* Where it likes to be; below that it would move itself there. */
static u64 address(const struct setup_header *hdr)
{
	u64 align = hdr->relocatable_kernel ? hdr->kernel_alignment : 1;
	u64 at = hdr->pref_address;

	if (hdr->relocatable_kernel && at < PLATFORM_HIGH)
		at = PLATFORM_HIGH;
	/* One that wraps around is nowhere, too. */
	return at > ~0ull - align ? at : (at + align - 1) & ~(align - 1);
}

static int load(const struct boot_request *request, struct memory *mem,
		struct boot_entry *entry)
{
	const struct image *image = &request->kernel;
	struct boot_params params = { 0 };
	struct places places;
	struct bzimage bz;
	u64 at, size;
	int status;

	memset(entry, 0, sizeof(*entry));
	status = parse(image, &bz);
	if (!status)
		status = check_64(image, &bz);
	if (!status)
		status = places_init(&places, mem, image->path);
	if (status)
		return status;
	at = address(&bz.hdr);
	status = place_at(&places, "the kernel", at, bz.hdr.init_size);
	if (status)
		return status;
	memory_write(mem, at, image->data + bz.kernel, bz.kernel_size);
	/* With fields that are newer than this program. */
	size = bz.header_end - HEADER;
	memcpy((u8 *)&params + HEADER, image->data + HEADER, size);
	params.hdr.code32_start = at;
	entry->rip = at + ENTRY_64;
	return linux_tell(request, &places, &params, entry);
}

const struct loader loader_bzimage = {
	.name = "Linux bzImage",
	.matches = matches,
	.load = load,
};

/* ---- the kernel in it ---------------------------------------------------------- */

int bzimage_unpack(const struct image *bzimage, struct image *elf)
{
	struct bzimage bz;
	const char *why;
	u8 *data = NULL;
	u64 size = 0;
	int status;

	*elf = (struct image){ .path = bzimage->path };
	if (!matches(bzimage))
		return err(STATUS_IMAGE, "%s: is no bzImage", bzimage->path);
	status = parse(bzimage, &bz);
	if (status)
		return status;
	if (bz.hdr.version < PROTOCOL_PAYLOAD || bz.header_end < END_PAYLOAD)
		return err(STATUS_IMAGE,
			   "%s: does not say where in it the packed kernel is: boot it as it is",
			   bzimage->path);
	if (bz.hdr.payload_offset > bz.kernel_size ||
	    bz.hdr.payload_length > bz.kernel_size - bz.hdr.payload_offset)
		return damaged(bzimage, "its packed kernel is not in the file");
	why = unpack(bzimage->data + bz.kernel + bz.hdr.payload_offset, bz.hdr.payload_length,
		     UNPACKED_MOST, &data, &size);
	if (why)
		return err(STATUS_IMAGE, "%s: the kernel in it cannot be unpacked: %s",
			   bzimage->path, why);
	elf->data = data;
	elf->size = size;
	if (loader_elf.matches(elf))
		return 0;
	image_free(elf);
	return err(STATUS_IMAGE, "%s: the kernel in it is no ELF file: boot it as it is",
		   bzimage->path);
}
