/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the loaders share: memory that faults at its edges, what lodge said
 * about an image, and what the guest was told, read back as a kernel would.
 */
#ifndef LODGE_CLI_LOADING_H
#define LODGE_CLI_LOADING_H

#include <asm/bootparam.h>

#include "boot.h"
#include "images.h"
#include "units.h"

/* units_main() with lodge's own words caught. */
int loading_main(int argc, char **argv, const struct unit *units, unsigned int nr);

/* ---- what lodge says ----------------------------------------------------------- */

extern char said[4096];

/* Reads it: one line about @path, or with @status 0 none at all. */
void check_said(int status, const char *path);

/* ---- memory -------------------------------------------------------------------- */

extern struct memory memory;

/* Memory of that size, all zeroes. */
void want_memory(u64 size);

/* What is there. */
u64 guest(u64 gpa, unsigned int bytes);
void check_string(u64 gpa, const char *want);
void check_bytes(u64 gpa, const void *want, u64 size);

/* ---- loading ------------------------------------------------------------------- */

#define NAME	"the/image"

extern struct boot_entry entry;

struct image image_of(const struct blob *b, const char *path);
struct boot_request request_of(const struct blob *kernel);

/* By that loader and no other, into memory that has other things behind kernels' code. */
#define OLD_CONTENTS	0xa5a5a5a5

int load(const struct boot_request *request, const struct loader *loader);

/* A lie told to a loader that must see it, and a word of what it says then. */
struct lie {
	u64 at;
	unsigned int bytes;
	u64 value;
	const char *text;
};

void tell_lies(const struct blob *truth, const struct loader *loader,
	       const struct lie *lies, unsigned int nr);

/* ---- what kernels are told ----------------------------------------------------- */

/* Linux, at its 64-bit entry. */
const struct boot_params *told(void);
u64 initrd_address(const struct boot_params *p);
u64 initrd_size(const struct boot_params *p);
void check_told(const struct boot_request *request);

/* Kernels that are entered as PVH has it. */
void check_pvh(const struct boot_request *request, unsigned int modules);
void check_pvh_module(unsigned int i, const struct blob *b, const char *arguments);

/* The code of make_elf() and an entry point. */
void check_elf_loaded(const struct blob *b, u64 rip);

#endif
