/* SPDX-License-Identifier: GPL-2.0 */
/* Opening a device that speaks KVM's ABI, and saying why it cannot be used. */
#ifndef LODGE_CLI_DEVICE_H
#define LODGE_CLI_DEVICE_H

#include "cli.h"

#define DEVICE_DEFAULT	"/dev/lodge"

enum device_state {
	DEVICE_OPEN,
	DEVICE_MISSING,		/* no such file */
	DEVICE_DENIED,		/* not for this user */
	DEVICE_NO_DRIVER,	/* a node, but no driver behind it */
	DEVICE_NOT_KVM,		/* something else */
	DEVICE_BROKEN,		/* any other error */
};

struct device {
	const char *path;
	int fd;			/* -1 unless open */
	enum device_state state;
	char text[512];		/* unless open: "PATH: why: what to do" */
};

/* True when the device is open. Every reason for not being so has its text. */
bool device_open(struct device *dev, const char *path);
void device_close(struct device *dev);

/* KVM_CHECK_EXTENSION of the device; what it does not know is 0. */
int device_cap(const struct device *dev, unsigned long cap);

/*
 * KVM_CREATE_VM: the file, or -errno with the reason in @text as in struct
 * device.
 */
int device_create_vm(const struct device *dev, char *text, size_t size);

#endif
