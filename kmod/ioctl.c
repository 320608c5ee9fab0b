// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl.c - the door.  Three kinds of file descriptors (device, machine, vCPU),
 * each with a table of what may be asked of it; an ioctl's number contains its
 * direction and size, so that anything malformed is simply not in the table and
 * gets ENOTTY.  All copying from and to user memory happens here and in the files
 * beside this one (ioctl_vcpu.c has all of a vCPU's), but for the bitmaps of dirty
 * pages; the rooms below see only kernel memory.  The contract is KVM's
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
#include "attr.h"
#include "cpu/cpuid.h"
#include "cpu/mce.h"
#include "cpu/msr.h"
#include "cpu/msr_filter.h"
#include "extension.h"
#include "io/coalesced.h"
#include "io/ioeventfd.h"
#include "ioctl.h"
#include "ioctl_irq.h"
#include "ioctl_lodge.h"
#include "ioctl_time.h"
#include "ioctl_vcpu.h"
#include "irq/irqfd.h"
#include "mem/dirty.h"
#include "mem/slots.h"
#include "vm.h"

static long check_extension(void *unused, unsigned long arg)
{
	return extension_check(arg);
}

const struct ioctl_row *ioctl_find(const struct ioctl_row *rows, int count, unsigned int cmd)
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
	const struct ioctl_row *row = ioctl_find(rows, count, cmd);

	return row ? row->handler(object, arg) : -ENOTTY;
}

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
	file = anon_inode_getfile("lodge-vcpu", &lodge_vcpu_fops, NULL, O_RDWR);
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
	stats_add_vcpu(vcpu);
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

static long vm_ioctl_enable_cap(void *object, unsigned long arg)
{
	struct kvm_enable_cap cap;

	if (copy_from_user(&cap, (void __user *)arg, sizeof(cap)))
		return -EFAULT;
	return extension_enable(object, &cap);
}

static long vm_ioctl_get_dirty_log(void *object, unsigned long arg)
{
	struct kvm_dirty_log log;

	if (copy_from_user(&log, (void __user *)arg, sizeof(log)))
		return -EFAULT;
	return dirty_get_log(object, &log);
}

static long vm_ioctl_clear_dirty_log(void *object, unsigned long arg)
{
	struct kvm_clear_dirty_log log;

	if (copy_from_user(&log, (void __user *)arg, sizeof(log)))
		return -EFAULT;
	return dirty_clear_log(object, &log);
}

static long vm_ioctl_reset_dirty_rings(void *object, unsigned long unused)
{
	return dirty_reset_rings(object);
}

/* Fixed-size structs again, for the machine. */

static VM_SET(ioeventfd_set, kvm_ioeventfd)
static VM_SET(coalesced_register, kvm_coalesced_mmio_zone)
static VM_SET(coalesced_unregister, kvm_coalesced_mmio_zone)

/* One range of a filter; its bitmap lies elsewhere in user memory. */
static int copy_msr_range(struct lodge_msr_filter *f, const struct kvm_msr_filter_range *r)
{
	size_t size = BITS_TO_LONGS((u64)r->nmsrs) * sizeof(long);
	struct lodge_msr_range *out = &f->range[f->count];
	void *bits;

	if (!r->nmsrs)
		return 0;
	if (!r->flags || (r->flags & ~(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)))
		return -EINVAL;
	if (size > KVM_MSR_FILTER_MAX_BITMAP_SIZE)
		return -EINVAL;
	bits = memdup_user((void __user *)r->bitmap, size);
	if (IS_ERR(bits))
		return PTR_ERR(bits);
	*out = (struct lodge_msr_range) {
		.base = r->base, .count = r->nmsrs, .flags = r->flags, .bits = bits,
	};
	f->count++;
	return 0;
}

static long vm_ioctl_set_msr_filter(void *object, unsigned long arg)
{
	struct lodge_msr_filter *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	struct kvm_msr_filter in;
	long ret = 0;
	int i;

	if (!f)
		return -ENOMEM;
	if (copy_from_user(&in, (void __user *)arg, sizeof(in)))
		ret = -EFAULT;
	else if (in.flags & ~KVM_MSR_FILTER_DEFAULT_DENY)
		ret = -EINVAL;
	for (i = 0; !ret && i < ARRAY_SIZE(in.ranges); i++)
		ret = copy_msr_range(f, &in.ranges[i]);
	f->default_allow = !ret && !(in.flags & KVM_MSR_FILTER_DEFAULT_DENY);
	/* a guest without any MSR is a mistake */
	if (!ret && !f->count && !f->default_allow)
		ret = -EINVAL;
	if (ret)
		msr_filter_free(f);
	else
		msr_filter_install(object, f);
	return ret;
}

/*
 * Two places in guest memory that KVM needs on CPUs without unrestricted guest, which
 * lodge does not run on: where they are changes nothing, but what could not be there is
 * refused.
 */
static long vm_ioctl_set_tss_addr(void *unused, unsigned long addr)
{
	return addr > (u32)(-3 * PAGE_SIZE) ? -EINVAL : 0;
}

static long vm_ioctl_set_identity_map_addr(void *object, unsigned long arg)
{
	struct lodge_vm *vm = object;
	u64 addr;

	/* pairs with the release in vm_create_vcpu() */
	if (smp_load_acquire(&vm->nr_vcpus))
		return -EINVAL;
	return copy_from_user(&addr, (void __user *)arg, sizeof(addr)) ? -EFAULT : 0;
}

/* A bound for shadow page tables: kept for whoever asks.  EPT's are bounded by memory. */
static long vm_ioctl_set_nr_mmu_pages(void *object, unsigned long pages)
{
	struct lodge_vm *vm = object;

	if (pages < 64 || pages > INT_MAX)
		return -EINVAL;
	WRITE_ONCE(vm->nr_mmu_pages, pages);
	return 0;
}

static long vm_ioctl_get_nr_mmu_pages(void *object, unsigned long unused)
{
	return READ_ONCE(((struct lodge_vm *)object)->nr_mmu_pages);
}

static const struct ioctl_row vm_rows[] = {
	{ KVM_CREATE_VCPU, vm_ioctl_create_vcpu },
	{ KVM_SET_USER_MEMORY_REGION, vm_ioctl_set_user_memory_region },
	{ KVM_GET_STATS_FD, vm_ioctl_get_stats_fd },
	{ KVM_SET_NR_MMU_PAGES, vm_ioctl_set_nr_mmu_pages },
	{ KVM_GET_NR_MMU_PAGES, vm_ioctl_get_nr_mmu_pages },
	{ KVM_SET_TSS_ADDR, vm_ioctl_set_tss_addr },
	{ KVM_SET_IDENTITY_MAP_ADDR, vm_ioctl_set_identity_map_addr },
	{ KVM_CHECK_EXTENSION, check_extension },
	{ KVM_ENABLE_CAP, vm_ioctl_enable_cap },
	{ KVM_SET_TSC_KHZ, vm_ioctl_set_tsc_khz },
	{ KVM_GET_TSC_KHZ, vm_ioctl_get_tsc_khz },
	{ KVM_GET_CLOCK, vm_ioctl_get_clock },
	{ KVM_SET_CLOCK, vm_ioctl_set_clock },
	{ KVM_X86_SET_MSR_FILTER, vm_ioctl_set_msr_filter },
	{ KVM_CREATE_IRQCHIP, vm_ioctl_create_irqchip },
	{ KVM_GET_IRQCHIP, vm_ioctl_get_irqchip },
	{ KVM_SET_IRQCHIP, vm_ioctl_irqchip_set },
	{ KVM_CREATE_PIT, vm_ioctl_create_pit },
	{ KVM_CREATE_PIT2, vm_ioctl_irqchip_create_pit },
	{ KVM_GET_PIT, vm_ioctl_get_pit },
	{ KVM_SET_PIT, vm_ioctl_set_pit },
	{ KVM_GET_PIT2, vm_ioctl_get_pit2 },
	{ KVM_SET_PIT2, vm_ioctl_set_pit2 },
	{ KVM_REINJECT_CONTROL, vm_ioctl_reinject_control },
	{ KVM_SET_BOOT_CPU_ID, vm_ioctl_set_boot_cpu_id },
	{ KVM_IOEVENTFD, vm_ioctl_ioeventfd_set },
	{ KVM_IRQFD, vm_ioctl_irqfd_set },
	{ KVM_SET_GSI_ROUTING, vm_ioctl_set_gsi_routing },
	{ KVM_IRQ_LINE, vm_ioctl_irq_line },
	{ KVM_IRQ_LINE_STATUS, vm_ioctl_irq_line_status },
	{ KVM_SIGNAL_MSI, vm_ioctl_route_msi },
	{ KVM_REGISTER_COALESCED_MMIO, vm_ioctl_coalesced_register },
	{ KVM_UNREGISTER_COALESCED_MMIO, vm_ioctl_coalesced_unregister },
	{ KVM_GET_DIRTY_LOG, vm_ioctl_get_dirty_log },
	{ KVM_CLEAR_DIRTY_LOG, vm_ioctl_clear_dirty_log },
	{ KVM_RESET_DIRTY_RINGS, vm_ioctl_reset_dirty_rings },
	{ LODGE_WALK_EPT, vm_ioctl_walk_ept },
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
	irqfd_release(file->private_data);
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
	struct file *file;
	int fd;

	if (type)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	vm = vm_create();
	if (IS_ERR(vm)) {
		put_unused_fd(fd);
		return PTR_ERR(vm);
	}
	file = anon_inode_getfile("lodge-vm", &vm_fops, vm, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		vm_put(vm);
		return PTR_ERR(file);
	}
	/* once it is installed, another thread may close it */
	stats_add_vm(vm, fd);
	fd_install(fd, file);
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

/* There is no instruction that runs here without the host's CPU having it. */
static long dev_ioctl_get_emulated_cpuid(void *unused, unsigned long arg)
{
	struct kvm_cpuid2 __user *user = (void __user *)arg;
	struct kvm_cpuid2 head;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (!head.nent)
		return -E2BIG;
	head.nent = 0;
	return copy_to_user(user, &head, sizeof(head)) ? -EFAULT : 0;
}

static long msr_list_ioctl(unsigned long arg, int (*list)(u32 *out, int max))
{
	struct kvm_msr_list __user *user = (void __user *)arg;
	u32 indices[LODGE_MAX_MSR_LIST];
	int count = list(indices, ARRAY_SIZE(indices));
	struct kvm_msr_list head;
	u32 room;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	room = head.nmsrs;
	head.nmsrs = count;
	if (copy_to_user(user, &head, sizeof(head)))
		return -EFAULT;
	if (room < count)
		return -E2BIG;
	return copy_to_user(user->indices, indices, count * sizeof(u32)) ? -EFAULT : 0;
}

static long dev_ioctl_get_msr_index_list(void *unused, unsigned long arg)
{
	return msr_list_ioctl(arg, msr_list_saved);
}

static long dev_ioctl_get_msr_feature_index_list(void *unused, unsigned long arg)
{
	return msr_list_ioctl(arg, msr_list_features);
}

static bool get_feature_msr(void *unused, struct kvm_msr_entry *e)
{
	u64 value = 0;
	bool ok = msr_read_feature(e->index, &value);

	e->data = value;
	return ok;
}

static long dev_ioctl_get_msrs(void *unused, unsigned long arg)
{
	return ioctl_msrs(unused, arg, true, get_feature_msr);
}

static long dev_ioctl_get_mce_cap(void *unused, unsigned long arg)
{
	u64 cap = MCE_CAP_SUPPORTED;

	return copy_to_user((void __user *)arg, &cap, sizeof(cap)) ? -EFAULT : 0;
}

static const struct ioctl_row dev_rows[] = {
	{ KVM_GET_API_VERSION, dev_ioctl_get_api_version },
	{ KVM_CREATE_VM, dev_ioctl_create_vm },
	{ KVM_CHECK_EXTENSION, check_extension },
	{ KVM_GET_VCPU_MMAP_SIZE, dev_ioctl_get_vcpu_mmap_size },
	{ KVM_GET_SUPPORTED_CPUID, dev_ioctl_get_supported_cpuid },
	{ KVM_GET_EMULATED_CPUID, dev_ioctl_get_emulated_cpuid },
	{ KVM_GET_MSR_INDEX_LIST, dev_ioctl_get_msr_index_list },
	{ KVM_GET_MSR_FEATURE_INDEX_LIST, dev_ioctl_get_msr_feature_index_list },
	{ KVM_GET_MSRS, dev_ioctl_get_msrs },
	{ KVM_X86_GET_MCE_CAP_SUPPORTED, dev_ioctl_get_mce_cap },
	{ KVM_HAS_DEVICE_ATTR, dev_ioctl_has_attr },
	{ KVM_GET_DEVICE_ATTR, dev_ioctl_get_attr },
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
