/* SPDX-License-Identifier: GPL-2.0 */
/* The few short words of the kernel that every file of the command uses. */
#ifndef LODGE_CLI_H
#define LODGE_CLI_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

/* Printed with %llx and the like: u64 is unsigned long long everywhere. */
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT_ULL(n)	(1ull << (n))
#define KIB		BIT_ULL(10)
#define MIB		BIT_ULL(20)
#define GIB		BIT_ULL(30)
#define PAGE_SIZE	(4 * KIB)

#define __printf(fmt, args) __attribute__((__format__(printf, fmt, args)))

#endif
