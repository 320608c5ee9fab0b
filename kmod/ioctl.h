/* SPDX-License-Identifier: GPL-2.0 */
/* The door: file operations of the device node. */
#ifndef LODGE_IOCTL_H
#define LODGE_IOCTL_H

#include <linux/fs.h>

extern const struct file_operations lodge_dev_fops;

#endif
