// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl.c - the door.  Three kinds of file descriptors (device, machine, vCPU),
 * each with a table of what may be asked of it; an ioctl's number contains its
 * direction and size, so that anything malformed is simply not in the table and
 * gets ENOTTY.  All copying from and to user memory happens here, but for the
 * bitmaps of dirty pages; the rooms below see only kernel memory.  The contract is KVM's
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
#include "cpu/fpu.h"
#include "cpu/mce.h"
#include "cpu/msr.h"
#include "cpu/msr_filter.h"
#include "extension.h"
#include "io/coalesced.h"
#include "io/ioeventfd.h"
#include "ioctl.h"
#include "ioctl_irq.h"
#include "ioctl_time.h"
#include "irq/irqfd.h"
#include "mem/dirty.h"
#include "mem/slots.h"
#include "state.h"
#include "vcpu.h"
#include "vm.h"
#include "vmx/cpu.h"
#include "vmx/inject.h"

#define VCPU_MMAP_PAGES	3	/* kvm_run, the data of port I/O, the ring of coalesced.c */

static long check_extension(void *unused, unsigned long arg)
{
	return extension_check(arg);
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

/* Small fixed-size structs: copy in, call, copy out; state.c knows the rest. */
#define VCPU_GET(name, type)						\
static long vcpu_ioctl_get_##name(void *object, unsigned long arg)	\
{									\
	struct type data;						\
	int err = state_get_##name(object, &data);			\
									\
	if (err)							\
		return err;						\
	return copy_to_user((void __user *)arg, &data, sizeof(data)) ? -EFAULT : 0; \
}

#define VCPU_SET(name, type)	IOCTL_IN(vcpu_ioctl_##name, state_##name, type)

VCPU_GET(regs, kvm_regs)
static VCPU_SET(set_regs, kvm_regs)
VCPU_GET(sregs, kvm_sregs)
static VCPU_SET(set_sregs, kvm_sregs)
VCPU_GET(sregs2, kvm_sregs2)
static VCPU_SET(set_sregs2, kvm_sregs2)
VCPU_GET(debugregs, kvm_debugregs)
static VCPU_SET(set_debugregs, kvm_debugregs)
VCPU_GET(events, kvm_vcpu_events)
static VCPU_SET(set_events, kvm_vcpu_events)
VCPU_GET(lapic, kvm_lapic_state)
static VCPU_SET(set_lapic, kvm_lapic_state)
VCPU_GET(mp_state, kvm_mp_state)
static VCPU_SET(set_mp_state, kvm_mp_state)
static VCPU_SET(set_guest_debug, kvm_guest_debug)
static VCPU_SET(interrupt, kvm_interrupt)
VCPU_GET(xcrs, kvm_xcrs)
static VCPU_SET(set_xcrs, kvm_xcrs)
VCPU_GET(fpu, kvm_fpu)
static VCPU_SET(set_fpu, kvm_fpu)
static VCPU_SET(set_mce, kvm_x86_mce)

static long get_xsave(void *object, unsigned long arg, u32 size)
{
	void *area = kzalloc(size, GFP_KERNEL_ACCOUNT);
	long ret = 0;

	if (!area)
		return -ENOMEM;
	fpu_get_xsave(object, area, size);
	if (copy_to_user((void __user *)arg, area, size))
		ret = -EFAULT;
	kfree(area);
	return ret;
}

static long vcpu_ioctl_get_xsave(void *object, unsigned long arg)
{
	return get_xsave(object, arg, sizeof(struct kvm_xsave));
}

static long vcpu_ioctl_get_xsave2(void *object, unsigned long arg)
{
	return get_xsave(object, arg, extension_check(KVM_CAP_XSAVE2));
}

static long vcpu_ioctl_set_xsave(void *object, unsigned long arg)
{
	u32 size = extension_check(KVM_CAP_XSAVE2);
	void *area = memdup_user((void __user *)arg, size);
	long ret;

	if (IS_ERR(area))
		return PTR_ERR(area);
	ret = fpu_set_xsave(object, area);
	kfree(area);
	return ret;
}

static long vcpu_ioctl_setup_mce(void *object, unsigned long arg)
{
	u64 cap;

	if (copy_from_user(&cap, (void __user *)arg, sizeof(cap)))
		return -EFAULT;
	return mce_configure(object, cap);
}

static long vcpu_ioctl_enable_cap(void *object, unsigned long arg)
{
	struct kvm_enable_cap cap;

	if (copy_from_user(&cap, (void __user *)arg, sizeof(cap)))
		return -EFAULT;
	return extension_enable_vcpu(object, &cap);
}

#define MAX_MSRS	256	/* in one call, as KVM */

/* Each entry in turn, until one is refused: that tells how far it went. */
static long each_msr(void *object, struct kvm_msr_entry *e, u32 count,
		     bool (*fn)(void *object, struct kvm_msr_entry *e))
{
	u32 i;

	for (i = 0; i < count && fn(object, &e[i]); i++)
		;
	return i;
}

static long msrs_ioctl(void *object, unsigned long arg, bool get,
		       bool (*fn)(void *object, struct kvm_msr_entry *e))
{
	struct kvm_msrs __user *user = (void __user *)arg;
	struct kvm_msr_entry *entries;
	struct kvm_msrs head;
	size_t size;
	long ret;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nmsrs >= MAX_MSRS)
		return -E2BIG;
	size = head.nmsrs * sizeof(*entries);
	entries = memdup_user(user->entries, size);
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	ret = each_msr(object, entries, head.nmsrs, fn);
	if (get && copy_to_user(user->entries, entries, size))
		ret = -EFAULT;
	kfree(entries);
	return ret;
}

static bool get_msr(void *object, struct kvm_msr_entry *e)
{
	struct msr_access a = { .index = e->index, .host = true };
	bool ok = msr_read(object, &a) == MSR_OK;

	e->data = a.value;
	return ok;
}

static bool set_msr(void *object, struct kvm_msr_entry *e)
{
	struct msr_access a = { .index = e->index, .host = true, .value = e->data };

	return msr_write(object, &a) == MSR_OK;
}

static long vcpu_ioctl_get_msrs(void *object, unsigned long arg)
{
	return msrs_ioctl(object, arg, true, get_msr);
}

static long vcpu_ioctl_set_msrs(void *object, unsigned long arg)
{
	return msrs_ioctl(object, arg, false, set_msr);
}

static long vcpu_ioctl_get_cpuid2(void *object, unsigned long arg)
{
	struct kvm_cpuid2 __user *user = (void __user *)arg;
	struct kvm_cpuid_entry2 *table;
	struct kvm_cpuid2 head;
	u32 count;
	long ret;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	table = kvcalloc(LODGE_MAX_CPUID_ENTRIES, sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table)
		return -ENOMEM;
	ret = cpuid_get(object, table, min_t(u32, head.nent, LODGE_MAX_CPUID_ENTRIES), &count);
	head.nent = count;
	/* the count is told in any case */
	if (copy_to_user(user, &head, sizeof(head)) ||
	    (!ret && copy_to_user(user->entries, table, count * sizeof(*table))))
		ret = -EFAULT;
	kvfree(table);
	return ret;
}

/* Some clients pass whatever their caller had in the register: not looked at. */
static long vcpu_ioctl_nmi(void *object, unsigned long unused)
{
	inject_nmi(object);
	return 0;
}

static long vcpu_ioctl_translate(void *object, unsigned long arg)
{
	struct kvm_translation t;
	int err;

	if (copy_from_user(&t, (void __user *)arg, sizeof(t)))
		return -EFAULT;
	err = state_translate(object, &t);
	if (err)
		return err;
	return copy_to_user((void __user *)arg, &t, sizeof(t)) ? -EFAULT : 0;
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
	{ KVM_GET_SREGS2, vcpu_ioctl_get_sregs2 },
	{ KVM_SET_SREGS2, vcpu_ioctl_set_sregs2 },
	{ KVM_GET_DEBUGREGS, vcpu_ioctl_get_debugregs },
	{ KVM_SET_DEBUGREGS, vcpu_ioctl_set_debugregs },
	{ KVM_GET_VCPU_EVENTS, vcpu_ioctl_get_events },
	{ KVM_SET_VCPU_EVENTS, vcpu_ioctl_set_events },
	{ KVM_GET_LAPIC, vcpu_ioctl_get_lapic },
	{ KVM_SET_LAPIC, vcpu_ioctl_set_lapic },
	{ KVM_GET_MP_STATE, vcpu_ioctl_get_mp_state },
	{ KVM_SET_MP_STATE, vcpu_ioctl_set_mp_state },
	{ KVM_SET_GUEST_DEBUG, vcpu_ioctl_set_guest_debug },
	{ KVM_INTERRUPT, vcpu_ioctl_interrupt },
	{ KVM_NMI, vcpu_ioctl_nmi },
	{ KVM_TRANSLATE, vcpu_ioctl_translate },
	{ KVM_GET_FPU, vcpu_ioctl_get_fpu },
	{ KVM_SET_FPU, vcpu_ioctl_set_fpu },
	{ KVM_GET_XSAVE, vcpu_ioctl_get_xsave },
	{ KVM_GET_XSAVE2, vcpu_ioctl_get_xsave2 },
	{ KVM_SET_XSAVE, vcpu_ioctl_set_xsave },
	{ KVM_GET_XCRS, vcpu_ioctl_get_xcrs },
	{ KVM_SET_XCRS, vcpu_ioctl_set_xcrs },
	{ KVM_GET_MSRS, vcpu_ioctl_get_msrs },
	{ KVM_SET_MSRS, vcpu_ioctl_set_msrs },
	{ KVM_GET_CPUID2, vcpu_ioctl_get_cpuid2 },
	{ KVM_SET_CPUID2, vcpu_ioctl_set_cpuid2 },
	{ KVM_GET_TSC_KHZ, vcpu_ioctl_get_tsc_khz },
	{ KVM_SET_TSC_KHZ, vcpu_ioctl_set_tsc_khz },
	{ KVM_HAS_DEVICE_ATTR, vcpu_ioctl_has_attr },
	{ KVM_GET_DEVICE_ATTR, vcpu_ioctl_get_attr },
	{ KVM_SET_DEVICE_ATTR, vcpu_ioctl_set_attr },
	{ KVM_ENABLE_CAP, vcpu_ioctl_enable_cap },
	{ KVM_KVMCLOCK_CTRL, vcpu_ioctl_kvmclock_ctrl },
	{ KVM_X86_SETUP_MCE, vcpu_ioctl_setup_mce },
	{ KVM_X86_SET_MCE, vcpu_ioctl_set_mce },
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

static bool in_ring(const struct lodge_vcpu *vcpu, unsigned long pgoff)
{
	return pgoff >= KVM_DIRTY_LOG_PAGE_OFFSET &&
	       pgoff - KVM_DIRTY_LOG_PAGE_OFFSET < dirty_ring_pages(vcpu->vm);
}

static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct lodge_vcpu *vcpu = vmf->vma->vm_file->private_data;

	if (in_ring(vcpu, vmf->pgoff))
		vmf->page = dirty_ring_page(vcpu, vmf->pgoff - KVM_DIRTY_LOG_PAGE_OFFSET);
	else if (vmf->pgoff == KVM_COALESCED_MMIO_PAGE_OFFSET)
		vmf->page = vcpu->vm->coalesced_page;
	else if (vmf->pgoff < VCPU_MMAP_PAGES)
		vmf->page = vmf->pgoff ? vcpu->pio_page : vcpu->run_page;
	else
		return VM_FAULT_SIGBUS;
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct lodge_vcpu *vcpu = file->private_data;

	/* a private copy of a ring would never be seen here */
	if ((in_ring(vcpu, vma->vm_pgoff) || in_ring(vcpu, vma->vm_pgoff + vma_pages(vma) - 1)) &&
	    ((vma->vm_flags & VM_EXEC) || !(vma->vm_flags & VM_SHARED)))
		return -EINVAL;
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
#define VM_SET(name, type)	IOCTL_IN(vm_ioctl_##name, name, type)

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

static const struct ioctl_row vm_rows[] = {
	{ KVM_CREATE_VCPU, vm_ioctl_create_vcpu },
	{ KVM_SET_USER_MEMORY_REGION, vm_ioctl_set_user_memory_region },
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
	return msrs_ioctl(unused, arg, true, get_feature_msr);
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
