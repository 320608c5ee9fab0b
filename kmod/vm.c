// SPDX-License-Identifier: GPL-2.0
/*
 * vm.c - a machine: memory, vCPUs, and the process that it belongs to.  It lives
 * as long as any of its file descriptors; vCPUs live as long as it, whatever
 * becomes of their own descriptors, so that nobody who walks the list of vCPUs
 * ever meets one that is going away.
 */
#include <linux/debugfs.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <asm/tsc.h>

#include "lodge.h"
#include "cpu/clock.h"
#include "cpu/msr_filter.h"
#include "cpu/pvclock.h"
#include "io/bus.h"
#include "irq/irqfd.h"
#include "irqchip.h"
#include "mem/ept.h"
#include "mem/notifier.h"
#include "mem/nx_huge.h"
#include "mem/slots.h"
#include "vcpu.h"
#include "vm.h"
#include "vmx/cpu.h"

struct lodge_vm *vm_create(void)
{
	struct lodge_vm *vm = kvzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	int err = -ENOMEM;

	if (!vm)
		return ERR_PTR(err);
	refcount_set(&vm->users, 1);
	mutex_init(&vm->lock);
	mutex_init(&vm->slots_lock);
	mutex_init(&vm->clock_lock);
	spin_lock_init(&vm->coalesced_lock);
	spin_lock_init(&vm->irq_lock);
	irqfd_init(vm);
	nx_huge_init(vm);
	xa_init(&vm->vcpu_ids);
	vm->coalesced_page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!vm->coalesced_page)
		goto no_page;
	vm->mm = current->mm;
	vm->creator = task_tgid_nr(current);
	mmgrab(vm->mm);
	err = ept_init(vm);
	if (err)
		goto no_ept;
	err = slots_init(vm);
	if (err)
		goto no_slots;
	err = bus_init(vm);
	if (err)
		goto no_bus;
	err = vmx_cpus_get();
	if (err)
		goto no_vmx;
	err = notifier_register(vm);
	if (err)
		goto no_notifier;
	preempt_notifier_inc();
	pvclock_vm_init(vm);
	return vm;

no_notifier:
	vmx_cpus_put();
no_vmx:
	bus_destroy(vm);
no_bus:
	slots_destroy(vm);
no_slots:
	ept_destroy(vm);
no_ept:
	mmdrop(vm->mm);
	__free_page(vm->coalesced_page);
no_page:
	kvfree(vm);
	return ERR_PTR(err);
}

static void vm_destroy(struct lodge_vm *vm)
{
	int i;

	/* waits for whoever is reading there */
	debugfs_remove(vm->debugfs);
	irqchip_stop(vm);
	pvclock_vm_exit(vm);
	preempt_notifier_dec();
	notifier_unregister(vm);
	nx_huge_stop(vm);
	for (i = 0; i < vm->nr_vcpus; i++)
		vcpu_free(vm->vcpus[i]);
	vmx_cpus_put();
	xa_destroy(&vm->vcpu_ids);
	bus_destroy(vm);
	irqchip_destroy(vm);
	__free_page(vm->coalesced_page);
	msr_filter_free(rcu_dereference_protected(vm->msr_filter, 1));
	slots_destroy(vm);
	ept_destroy(vm);
	mmdrop(vm->mm);
	kvfree(vm);
}

void vm_get(struct lodge_vm *vm)
{
	refcount_inc(&vm->users);
}

void vm_put(struct lodge_vm *vm)
{
	if (refcount_dec_and_test(&vm->users))
		vm_destroy(vm);
}

int vm_set_tsc_khz(struct lodge_vm *vm, u32 khz)
{
	if (!clock_khz_valid(khz))
		return -EINVAL;
	mutex_lock(&vm->lock);
	vm->tsc_khz = khz;
	mutex_unlock(&vm->lock);
	return 0;
}

u32 vm_tsc_khz(struct lodge_vm *vm)
{
	return READ_ONCE(vm->tsc_khz) ?: tsc_khz;
}

/* Under vm->lock. */
static int check_id(struct lodge_vm *vm, unsigned long id)
{
	if (id >= (vm->max_id ?: LODGE_MAX_VCPU_ID) || vm->nr_vcpus == LODGE_MAX_VCPUS)
		return -EINVAL;
	return xa_load(&vm->vcpu_ids, id) ? -EEXIST : irqchip_prepare_vcpu(vm);
}

struct lodge_vcpu *vm_create_vcpu(struct lodge_vm *vm, unsigned long id)
{
	struct lodge_vcpu *vcpu;
	int err;

	mutex_lock(&vm->lock);
	err = check_id(vm, id);
	if (err) {
		vcpu = ERR_PTR(err);
		goto out;
	}
	/* from now on it is what it is */
	vm->max_id = vm->max_id ?: LODGE_MAX_VCPU_ID;
	vcpu = vcpu_create(vm, id);
	if (IS_ERR(vcpu))
		goto out;
	err = xa_err(xa_store(&vm->vcpu_ids, id, vcpu, GFP_KERNEL_ACCOUNT));
	if (err) {
		vcpu_free(vcpu);
		vcpu = ERR_PTR(err);
		goto out;
	}
	vm->vcpus[vm->nr_vcpus] = vcpu;
	/* whoever counts it finds it complete: pairs with the acquires in kick.c */
	smp_store_release(&vm->nr_vcpus, vm->nr_vcpus + 1);
out:
	mutex_unlock(&vm->lock);
	return vcpu;
}
