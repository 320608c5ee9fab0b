// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - loading and unloading: a list walked forward, and backward again.
 * Loading turns nothing on; VMX operation begins with the first machine.
 */
#include <linux/ctype.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/slab.h>

#include "lodge.h"
#include "cpu/cpuid.h"
#include "cpu/pvclock.h"
#include "ioctl.h"
#include "stats.h"
#include "vmx/caps.h"
#include "vmx/cpu.h"
#include "vmx/mitigate.h"
#include "vmx/msr.h"

static char *device = "lodge";
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "name of the device node (default lodge)");

static struct miscdevice misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.fops = &lodge_dev_fops,
	.mode = 0660,
};

static bool exists(const char *folder, const char *name)
{
	char *path = kasprintf(GFP_KERNEL, "%s/%s", folder, name);
	struct path found;
	bool there = path && !kern_path(path, 0, &found);

	if (there)
		path_put(&found);
	kfree(path);
	return there;
}

/* By another driver of this class, or any other node. */
static bool name_is_taken(const char *name)
{
	return exists("/sys/class/misc", name) || exists("/dev", name);
}

/* The driver core would dump a stack where a word will do. */
static int check_name(const char *name)
{
	const char *c;

	/* the kernel's isalnum() takes letters of Latin-1, too */
	for (c = name; isascii(*c) && (isalnum(*c) || *c == '-' || *c == '_'); c++)
		;
	if (c == name || *c || c - name > 32) {
		pr_err("cannot load: device=%s is no name for a node (use letters, digits, - and _)\n",
		       name);
		return -EINVAL;
	}
	if (name_is_taken(name)) {
		pr_err("cannot load: /dev/%s exists already; choose another device= or unload its owner\n",
		       name);
		return -EBUSY;
	}
	return 0;
}

static int device_init(void)
{
	int err = check_name(device);

	if (err)
		return err;
	misc.name = device;
	return misc_register(&misc);
}

static void device_exit(void)
{
	misc_deregister(&misc);
}

static int features_init(void)
{
	vmx_msrs_init();
	cpuid_init();
	return 0;
}

static int report(void)
{
	vmx_caps_report();
	if (IS_ENABLED(CONFIG_LODGE_BREAK))
		pr_notice("built for tests (CONFIG_LODGE_BREAK): root can crash this host with it\n");
	return 0;
}

static const struct {
	int (*init)(void);
	void (*exit)(void);
} steps[] = {
	{ vmx_caps_probe, NULL },
	{ features_init, NULL },
	{ mitigate_init, mitigate_free },
	{ vmx_cpus_init, vmx_cpus_exit },
	{ pvclock_init, pvclock_exit },
	{ stats_init, stats_exit },
	{ device_init, device_exit },	/* from here on there are callers */
	{ report, NULL },
};

static void undo(int from)
{
	while (--from >= 0)
		if (steps[from].exit)
			steps[from].exit();
}

static int __init lodge_init(void)
{
	int i, err;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		err = steps[i].init();
		if (err) {
			undo(i);
			return err;
		}
	}
	return 0;
}

static void __exit lodge_exit(void)
{
	undo(ARRAY_SIZE(steps));
}

module_init(lodge_init);
module_exit(lodge_exit);

MODULE_DESCRIPTION("A small hypervisor for Intel VT-x that speaks KVM's ABI");
MODULE_LICENSE("GPL");
MODULE_ALIAS("devname:lodge");
