// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl.c - the door.  Three kinds of file descriptors (device, machine, vCPU),
 * each with a table of what may be asked of it; an ioctl's number contains its
 * direction and size, so that anything malformed is simply not in the table and
 * gets ENOTTY.  All copying from and to user memory happens here; the rooms
 * below see only kernel memory.  The contract is KVM's
 * (Documentation/virt/kvm/api.rst of the kernel).
 */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <uapi/linux/lodge.h>

#include "lodge.h"
#include "cpu/cpuid.h"
#include "ioctl.h"
#include "mem/slots.h"
#include "state.h"
#include "vcpu.h"
#include "vm.h"
#include "vmx/cpu.h"

#define VCPU_MMAP_PAGES	2	/* kvm_run, and the data of port I/O */

static const struct { int cap, value; } caps[] = {
	{ KVM_CAP_HLT, 1 },
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_EXT_CPUID, 1 },
	{ KVM_CAP_NR_MEMSLOTS, LODGE_MAX_SLOTS },
	{ KVM_CAP_SYNC_MMU, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_INTERNAL_ERROR_DATA, 1 },
	{ KVM_CAP_MAX_VCPUS, LODGE_MAX_VCPUS },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_MAX_VCPU_ID, LODGE_MAX_VCPU_ID },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
};

static long check_extension(void *unused, unsigned long arg)
{
	int i;

	if (arg == KVM_CAP_NR_VCPUS)
		return min_t(int, num_online_cpus(), LODGE_MAX_VCPUS);
	for (i = 0; i < ARRAY_SIZE(caps); i++)
		if (caps[i].cap == arg)
			return caps[i].value;
	return 0;
}

struct ioctl_row {
	unsigned int cmd;
	long (*handler)(void *object, unsigned long arg);
};

static const struct ioctl_row *find_row(const struct ioctl_row *rows, int count,
					unsigned int cmd)
{
	int i;

	for (i = 0; i < count; i++)
		if (rows[i].cmd == cmd)
			return &rows[i];
	return NULL;
}

static long dispatch(const struct ioctl_row *rows, int count, unsigned int cmd,
		     void *object, unsigned long arg)
{
	const struct ioctl_row *row = find_row(rows, count, cmd);

	return row ? row->handler(object, arg) : -ENOTTY;
}

/* vCPU descriptors */

static long vcpu_ioctl_run(void *object, unsigned long arg)
{
	return arg ? -EINVAL : vcpu_run(object);
}

static long vcpu_ioctl_get_regs(void *object, unsigned long arg)
{
	struct kvm_regs regs;

	state_get_regs(object, &regs);
	return copy_to_user((void __user *)arg, &regs, sizeof(regs)) ? -EFAULT : 0;
}

static long vcpu_ioctl_set_regs(void *object, unsigned long arg)
{
	struct kvm_regs regs;

	if (copy_from_user(&regs, (void __user *)arg, sizeof(regs)))
		return -EFAULT;
	state_set_regs(object, &regs);
	return 0;
}

static long vcpu_ioctl_get_sregs(void *object, unsigned long arg)
{
	struct kvm_sregs sregs;

	state_get_sregs(object, &sregs);
	return copy_to_user((void __user *)arg, &sregs, sizeof(sregs)) ? -EFAULT : 0;
}

static long vcpu_ioctl_set_sregs(void *object, unsigned long arg)
{
	struct kvm_sregs sregs;

	if (copy_from_user(&sregs, (void __user *)arg, sizeof(sregs)))
		return -EFAULT;
	return state_set_sregs(object, &sregs);
}

static long vcpu_ioctl_set_cpuid2(void *object, unsigned long arg)
{
	struct kvm_cpuid2 __user *user = (void __user *)arg;
	struct kvm_cpuid_entry2 *table;
	struct kvm_cpuid2 head;
	int err;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nent > LODGE_MAX_CPUID_ENTRIES)
		return -E2BIG;
	table = kvcalloc(head.nent, sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table)
		return -ENOMEM;
	err = -EFAULT;
	if (!copy_from_user(table, user->entries, array_size(head.nent, sizeof(*table))))
		err = cpuid_set(object, table, head.nent);
	if (err)
		kvfree(table);
	return err;
}

static const struct ioctl_row vcpu_rows[] = {
	{ KVM_RUN, vcpu_ioctl_run },
	{ KVM_GET_REGS, vcpu_ioctl_get_regs },
	{ KVM_SET_REGS, vcpu_ioctl_set_regs },
	{ KVM_GET_SREGS, vcpu_ioctl_get_sregs },
	{ KVM_SET_SREGS, vcpu_ioctl_set_sregs },
	{ KVM_SET_CPUID2, vcpu_ioctl_set_cpuid2 },
};

static long vcpu_file_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct ioctl_row *row = find_row(vcpu_rows, ARRAY_SIZE(vcpu_rows), cmd);
	struct lodge_vcpu *vcpu = file->private_data;
	long ret = -EIO;

	if (vcpu->vm->mm != current->mm || READ_ONCE(vcpu->vm->dead))
		return -EIO;
	if (!row)
		return -ENOTTY;
	if (mutex_lock_killable(&vcpu->lock))
		return -EINTR;
	if (vcpu_load(vcpu))
		ret = row->handler(vcpu, arg);
	/* the machine reboots: what was read of the vCPU since may be void */
	if (vmx_going_down())
		ret = -EIO;
	vcpu_put(vcpu);
	mutex_unlock(&vcpu->lock);
	return ret;
}

static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct lodge_vcpu *vcpu = vmf->vma->vm_file->private_data;

	if (vmf->pgoff >= VCPU_MMAP_PAGES)
		return VM_FAULT_SIGBUS;
	vmf->page = vmf->pgoff ? vcpu->pio_page : vcpu->run_page;
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct lodge_vcpu *vcpu = file->private_data;

	/* NULL: the file was made, but the vCPU was not */
	if (vcpu)
		vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vcpu_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vcpu_mmap,
	.release = vcpu_release,
	.llseek = noop_llseek,
};

/* Machine descriptors */

/* The descriptor comes first, so that nothing can fail once the vCPU is there. */
static long vm_ioctl_create_vcpu(void *object, unsigned long arg)
{
	struct lodge_vm *vm = object;
	struct lodge_vcpu *vcpu;
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = anon_inode_getfile("lodge-vcpu", &vcpu_fops, NULL, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	vcpu = vm_create_vcpu(vm, arg);
	if (IS_ERR(vcpu)) {
		fput(file);
		put_unused_fd(fd);
		return PTR_ERR(vcpu);
	}
	vm_get(vm);
	file->private_data = vcpu;
	fd_install(fd, file);
	return fd;
}

static long vm_ioctl_set_user_memory_region(void *object, unsigned long arg)
{
	struct kvm_userspace_memory_region region;

	if (copy_from_user(&region, (void __user *)arg, sizeof(region)))
		return -EFAULT;
	return slots_set_region(object, &region);
}

static const struct ioctl_row vm_rows[] = {
	{ KVM_CREATE_VCPU, vm_ioctl_create_vcpu },
	{ KVM_SET_USER_MEMORY_REGION, vm_ioctl_set_user_memory_region },
	{ KVM_CHECK_EXTENSION, check_extension },
};

static long vm_file_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct lodge_vm *vm = file->private_data;

	if (vm->mm != current->mm || READ_ONCE(vm->dead))
		return -EIO;
	return dispatch(vm_rows, ARRAY_SIZE(vm_rows), cmd, vm, arg);
}

static int vm_release(struct inode *inode, struct file *file)
{
	vm_put(file->private_data);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vm_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = vm_release,
	.llseek = noop_llseek,
};

/* The device */

static long dev_ioctl_get_api_version(void *unused, unsigned long arg)
{
	return arg ? -EINVAL : KVM_API_VERSION;
}

static long dev_ioctl_get_vcpu_mmap_size(void *unused, unsigned long arg)
{
	return arg ? -EINVAL : VCPU_MMAP_PAGES * PAGE_SIZE;
}

static long dev_ioctl_get_version(void *unused, unsigned long arg)
{
	return arg ? -EINVAL : LODGE_VERSION;
}

static long dev_ioctl_create_vm(void *unused, unsigned long type)
{
	struct lodge_vm *vm;
	int fd;

	if (type)
		return -EINVAL;
	vm = vm_create();
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	fd = anon_inode_getfd("lodge-vm", &vm_fops, vm, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		vm_put(vm);
	return fd;
}

static long dev_ioctl_get_supported_cpuid(void *unused, unsigned long arg)
{
	struct kvm_cpuid2 __user *user = (void __user *)arg;
	struct kvm_cpuid_entry2 *table;
	struct kvm_cpuid2 head;
	long ret = 0;
	u32 room;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	room = min_t(u32, head.nent, LODGE_MAX_CPUID_ENTRIES);
	table = kvcalloc(LODGE_MAX_CPUID_ENTRIES, sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table)
		return -ENOMEM;
	head.nent = cpuid_supported(table, LODGE_MAX_CPUID_ENTRIES);
	if (head.nent > room)
		ret = -E2BIG;
	else if (copy_to_user(user, &head, sizeof(head)) ||
		 copy_to_user(user->entries, table, head.nent * sizeof(*table)))
		ret = -EFAULT;
	kvfree(table);
	return ret;
}

static const struct ioctl_row dev_rows[] = {
	{ KVM_GET_API_VERSION, dev_ioctl_get_api_version },
	{ KVM_CREATE_VM, dev_ioctl_create_vm },
	{ KVM_CHECK_EXTENSION, check_extension },
	{ KVM_GET_VCPU_MMAP_SIZE, dev_ioctl_get_vcpu_mmap_size },
	{ KVM_GET_SUPPORTED_CPUID, dev_ioctl_get_supported_cpuid },
	{ LODGE_GET_VERSION, dev_ioctl_get_version },
};

static long dev_file_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dispatch(dev_rows, ARRAY_SIZE(dev_rows), cmd, NULL, arg);
}

const struct file_operations lodge_dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dev_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};
