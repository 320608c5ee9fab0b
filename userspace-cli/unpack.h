/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Unpacks what Linux kernels are packed with, from buffer to buffer. The data are hostile:
 * what comes out is bounded, and what is damaged is told.
 */
#ifndef LODGE_CLI_UNPACK_H
#define LODGE_CLI_UNPACK_H

#include "cli.h"

/*
 * Told apart by their first bytes: gzip, bzip2, lzma, xz, lzo, lz4 (in the frames of
 * `lz4 -l`), zstd, or an ELF file that is not packed at all. Whatever follows the packed
 * data is left alone. NULL: *@out has @out_size bytes, for free(); else the reason in a few
 * words. No more than @limit bytes ever come out.
 */
const char *unpack(const u8 *data, u64 size, u64 limit, u8 **out, u64 *out_size);

/* Its name, or NULL. */
const char *unpack_format(const u8 *data, u64 size);

#endif
