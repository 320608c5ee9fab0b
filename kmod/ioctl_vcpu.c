// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl_vcpu.c - the descriptor of a vCPU: its table of ioctls, from user memory and
 * back, under the vCPU's lock and with it loaded; and the pages that it can be mapped
 * as.  What is done is in vcpu.c, state.c and the floors below.
 */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
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
#include "extension.h"
#include "ioctl.h"
#include "ioctl_lodge.h"
#include "ioctl_time.h"
#include "ioctl_vcpu.h"
#include "irq/vapic.h"
#include "mem/dirty.h"
#include "state.h"
#include "vcpu.h"
#include "vm.h"
#include "vmx/cpu.h"
#include "vmx/inject.h"

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
static IOCTL_IN(vcpu_ioctl_set_vapic_addr, vapic_set_addr, kvm_vapic_addr)

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

static long vcpu_ioctl_tpr_reporting(void *object, unsigned long arg)
{
	struct kvm_tpr_access_ctl ctl;
	int err;

	if (copy_from_user(&ctl, (void __user *)arg, sizeof(ctl)))
		return -EFAULT;
	err = vapic_set_reporting(object, &ctl);
	if (err)
		return err;
	return copy_to_user((void __user *)arg, &ctl, sizeof(ctl)) ? -EFAULT : 0;
}

/* No struct at all: no mask. */
static long vcpu_ioctl_set_signal_mask(void *object, unsigned long arg)
{
	struct kvm_signal_mask __user *user = (void __user *)arg;
	struct kvm_signal_mask head;
	sigset_t mask;

	if (!user) {
		vcpu_set_sigmask(object, NULL);
		return 0;
	}
	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.len != sizeof(mask))
		return -EINVAL;
	if (copy_from_user(&mask, user->sigset, sizeof(mask)))
		return -EFAULT;
	vcpu_set_sigmask(object, &mask);
	return 0;
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

long ioctl_msrs(void *object, unsigned long arg, bool get,
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
	return ioctl_msrs(object, arg, true, get_msr);
}

static long vcpu_ioctl_set_msrs(void *object, unsigned long arg)
{
	return ioctl_msrs(object, arg, false, set_msr);
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
	{ KVM_TPR_ACCESS_REPORTING, vcpu_ioctl_tpr_reporting },
	{ KVM_SET_VAPIC_ADDR, vcpu_ioctl_set_vapic_addr },
	{ KVM_SET_SIGNAL_MASK, vcpu_ioctl_set_signal_mask },
	{ KVM_GET_STATS_FD, vcpu_ioctl_get_stats_fd },
	{ LODGE_GET_FLIGHT_FD, vcpu_ioctl_get_flight_fd },
	{ LODGE_GET_VMCS, vcpu_ioctl_get_vmcs },
	{ LODGE_SET_STOPS, vcpu_ioctl_set_stops },
	{ LODGE_BREAK_VMCS, vcpu_ioctl_break_vmcs },
	{ LODGE_GET_ENTRY_FAILURE, vcpu_ioctl_get_entry_failure },
};

static long vcpu_file_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct ioctl_row *row = ioctl_find(vcpu_rows, ARRAY_SIZE(vcpu_rows), cmd);
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

const struct file_operations lodge_vcpu_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vcpu_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vcpu_mmap,
	.release = vcpu_release,
	.llseek = noop_llseek,
};
