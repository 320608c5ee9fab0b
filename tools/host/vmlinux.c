// SPDX-License-Identifier: GPL-2.0
/*
 * Takes the ELF kernel out of a bzImage with the CLI's own code, for tools that look into
 * it: vmlinux BZIMAGE ELF.
 */
#include <stdio.h>

#include "boot.h"
#include "err.h"

#define MOST	(256u << 20)

int main(int argc, char **argv)
{
	struct image packed, elf;
	FILE *to;
	int bad;

	if (argc != 3) {
		fprintf(stderr, "usage: vmlinux BZIMAGE ELF\n");
		return STATUS_USAGE;
	}
	bad = image_read(&packed, argv[1], MOST);
	if (!bad)
		bad = bzimage_unpack(&packed, &elf);
	if (bad)
		return bad;
	to = fopen(argv[2], "w");
	if (!to || fwrite(elf.data, 1, elf.size, to) != elf.size || fclose(to)) {
		perror(argv[2]);
		return STATUS_HOST;
	}
	image_free(&elf);
	image_free(&packed);
	return 0;
}
