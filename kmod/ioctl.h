/* SPDX-License-Identifier: GPL-2.0 */
/* The door: file operations of the device node. */
#ifndef LODGE_IOCTL_H
#define LODGE_IOCTL_H

#include <linux/fs.h>

/*
 * What an ioctl with a struct of fixed size is: the struct is copied in and handed to
 * @call, with the object that the file stands for.
 */
#define IOCTL_IN(function, call, type)					\
long function(void *object, unsigned long arg)				\
{									\
	struct type data;						\
									\
	if (copy_from_user(&data, (void __user *)arg, sizeof(data)))	\
		return -EFAULT;						\
	return call(object, &data);					\
}

/* Of a machine. */
#define VM_SET(name, type)	IOCTL_IN(vm_ioctl_##name, name, type)

struct ioctl_row {
	unsigned int cmd;
	long (*handler)(void *object, unsigned long arg);
};

/* The row of that number, or NULL. */
const struct ioctl_row *ioctl_find(const struct ioctl_row *rows, int count, unsigned int cmd);

extern const struct file_operations lodge_dev_fops;

#endif
