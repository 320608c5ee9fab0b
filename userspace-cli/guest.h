/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a guest with an operating system is made of: the images and where its parts come
 * together in memory at each start.
 */
#ifndef LODGE_CLI_GUEST_H
#define LODGE_CLI_GUEST_H

#include "boot.h"
#include "machine.h"
#include "run_options.h"

struct guest {
	struct boot_request request;
	const struct loader *loader;
	char *command_line;
	struct image file;		/* the kernel as read, */
	struct image unpacked;		/* and what was in it */
	char *found;			/* its name, if it was looked for */
};

/* Reads and judges all images: 0, or a status when the reason has been told. */
int guest_open(struct guest *g, const struct run_options *o);
void guest_close(struct guest *g);

/*
 * Fills @mem as firmware and a boot loader would: tables and the loaded kernel. 0, or a
 * status when the reason has been told.
 */
int guest_load(struct guest *g, struct memory *mem, unsigned int cpus, struct boot_entry *entry);

/* For machine.boot, with the guest as its argument. */
int guest_boot(struct machine *m, void *guest);

#endif
