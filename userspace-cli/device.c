// SPDX-License-Identifier: GPL-2.0
/*
 * The device node: found, opened, asked for the ABI's version. Each thing that
 * can be wrong with it gets a sentence that says how to mend it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"

/*
 * The name of a group, from /etc/group itself: the C library's own way loads
 * shared objects, which a static program cannot.
 */
static void group_name(gid_t gid, char *name, size_t size)
{
	FILE *f = fopen("/etc/group", "re");
	char line[1024];

	snprintf(name, size, "%u", gid);
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		char *second = strchr(line, ':');
		char *third = second ? strchr(second + 1, ':') : NULL;
		char *end;

		if (third && strtoul(third + 1, &end, 10) == gid &&
		    end != third + 1 && *end == ':') {
			*second = '\0';
			snprintf(name, size, "%.*s", (int)size - 1, line);
			break;
		}
	}
	fclose(f);
}

static bool __printf(3, 4) trouble(struct device *dev, enum device_state state,
				   const char *fmt, ...)
{
	int len = snprintf(dev->text, sizeof(dev->text), "%s: ", dev->path);
	va_list ap;

	if (len >= 0 && (size_t)len < sizeof(dev->text)) {
		va_start(ap, fmt);
		vsnprintf(dev->text + len, sizeof(dev->text) - len, fmt, ap);
		va_end(ap);
	}
	dev->state = state;
	device_close(dev);
	return false;
}

static bool no_permission(struct device *dev, const struct stat *st)
{
	char group[64];

	if (!(st->st_mode & (0060)))
		return trouble(dev, DEVICE_DENIED,
			       "permission denied: its mode 0%03o gives it to no group: install lodge's udev rule, or run as root",
			       st->st_mode & 0777);
	group_name(st->st_gid, group, sizeof(group));
	return trouble(dev, DEVICE_DENIED,
		       "permission denied: it belongs to the group %s: join it (usermod -aG %s YOU, as root, then log in again), or run as root",
		       group, group);
}

static bool refused(struct device *dev, int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return trouble(dev, DEVICE_MISSING,
			       "no such device: is its module loaded? ('lodge doctor' tells)");
	case ENXIO:
	case ENODEV:
		return trouble(dev, DEVICE_NO_DRIVER,
			       "the node is there, its driver is not: load the module ('lodge doctor' tells)");
	default:
		return trouble(dev, DEVICE_BROKEN,
			       "cannot be opened: %s: 'lodge doctor' may tell more",
			       strerror(error));
	}
}

bool device_open(struct device *dev, const char *path)
{
	struct stat st;
	int version;

	*dev = (struct device){ .path = path, .fd = -1 };
	if (stat(path, &st) < 0)
		return refused(dev, errno);
	/* Looked at before it is opened: opening a FIFO would wait for ever. */
	if (!S_ISCHR(st.st_mode))
		return trouble(dev, DEVICE_NOT_KVM,
			       "not a character device: give the node of lodge or kvm to --device");
	dev->fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (dev->fd < 0)
		return errno == EACCES || errno == EPERM ?
			no_permission(dev, &st) : refused(dev, errno);
	version = ioctl(dev->fd, KVM_GET_API_VERSION, 0);
	if (version < 0)
		return trouble(dev, DEVICE_NOT_KVM,
			       "does not speak KVM's ABI (%s): give the node of lodge or kvm to --device",
			       strerror(errno));
	if (version != KVM_API_VERSION)
		return trouble(dev, DEVICE_NOT_KVM,
			       "speaks version %d of KVM's ABI, not %d: use a newer module",
			       version, KVM_API_VERSION);
	return true;
}

void device_close(struct device *dev)
{
	if (dev->fd >= 0)
		close(dev->fd);
	dev->fd = -1;
}

int device_cap(const struct device *dev, unsigned long cap)
{
	int value = ioctl(dev->fd, KVM_CHECK_EXTENSION, cap);

	return value < 0 ? 0 : value;
}

int device_create_vm(const struct device *dev, char *text, size_t size)
{
	int fd = ioctl(dev->fd, KVM_CREATE_VM, 0);
	int error = errno;

	if (fd >= 0)
		return fd;
	if (error == EBUSY)
		snprintf(text, size,
			 "%s: makes no VM: VT-x is in use by another hypervisor of this machine: end its VMs, or unload it (modprobe -r kvm_intel), and see the kernel's log",
			 dev->path);
	else
		snprintf(text, size,
			 "%s: makes no VM: %s: the kernel's log (dmesg) may tell more",
			 dev->path, strerror(error));
	return -error;
}
