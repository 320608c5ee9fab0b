// SPDX-License-Identifier: GPL-2.0
/*
 * irqchip.c - the interrupt controllers of a machine as the client creates, reads
 * and loads them.  What they do is in irq/; here is in which order they may come to
 * be, and who goes when one of them cannot.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <asm/apicdef.h>

#include "lodge.h"
#include "io/bus.h"
#include "irq/ioapic.h"
#include "irq/pic.h"
#include "irq/pit.h"
#include "irq/route.h"
#include "irqchip.h"
#include "mem/slots.h"
#include "vmx/apicv.h"

static int may_create(struct lodge_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	if (vm->irqchip != IRQCHIP_NONE)
		return -EEXIST;
	/* those that are there have been made without a local APIC */
	return vm->nr_vcpus ? -EINVAL : 0;
}

static int create_chips(struct lodge_vm *vm)
{
	int err = route_init(vm, false);

	if (err)
		return err;
	err = pic_create(vm);
	if (err)
		goto no_pic;
	err = ioapic_create(vm);
	if (err)
		goto no_ioapic;
	return 0;

no_ioapic:
	pic_destroy(vm);
no_pic:
	route_destroy(vm);
	return err;
}

int irqchip_create(struct lodge_vm *vm)
{
	int err;

	mutex_lock(&vm->lock);
	err = may_create(vm);
	if (!err)
		err = create_chips(vm);
	if (!err)
		/* pairs with the acquire of whoever asks without the lock */
		smp_store_release(&vm->irqchip, IRQCHIP_KERNEL);
	mutex_unlock(&vm->lock);
	return err;
}

int irqchip_create_split(struct lodge_vm *vm, u64 pins)
{
	int err;

	if (pins > LODGE_MAX_GSIS)
		return -EINVAL;
	/* here KVM says the same whether there are chips already or vCPUs without */
	if (may_create(vm))
		return -EEXIST;
	err = route_init(vm, true);
	if (err)
		return err;
	vm->split_pins = pins;
	smp_store_release(&vm->irqchip, IRQCHIP_SPLIT);	/* likewise */
	return 0;
}

int irqchip_create_pit(struct lodge_vm *vm, const struct kvm_pit_config *config)
{
	int err;

	mutex_lock(&vm->lock);
	err = pit_create(vm, config);
	mutex_unlock(&vm->lock);
	return err;
}

void irqchip_stop(struct lodge_vm *vm)
{
	if (vm->pit)
		pit_stop(vm);
	ioapic_stop(vm);
}

void irqchip_destroy(struct lodge_vm *vm)
{
	route_destroy(vm);
	if (vm->apic_access)
		put_page(vm->apic_access);
}

static bool apic_page_is_taken(struct lodge_vm *vm)
{
	int idx = slots_lock_read(vm);
	bool taken = slots_find(vm, APIC_DEFAULT_PHYS_BASE >> PAGE_SHIFT);

	slots_unlock_read(vm, idx);
	return taken;
}

int irqchip_prepare_vcpu(struct lodge_vm *vm)
{
	struct page *page;

	if (vm->irqchip == IRQCHIP_NONE || !apicv_has_access_page() || vm->apic_access)
		return 0;
	page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!page)
		return -ENOMEM;
	/* from here on no slot can come there: mem/slots.c looks, under slots_lock */
	mutex_lock(&vm->slots_lock);
	if (apic_page_is_taken(vm)) {
		mutex_unlock(&vm->slots_lock);
		put_page(page);
		return -EEXIST;
	}
	vm->apic_access = page;
	mutex_unlock(&vm->slots_lock);
	return 0;
}

int irqchip_get(struct lodge_vm *vm, struct kvm_irqchip *chip)
{
	u32 id = chip->chip_id;

	/* pairs with the release in irqchip_create() */
	if (smp_load_acquire(&vm->irqchip) != IRQCHIP_KERNEL)
		return -ENXIO;
	memset(&chip->chip, 0, sizeof(chip->chip));
	switch (id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		pic_get(vm, id, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		ioapic_get(vm, &chip->chip.ioapic);
		return 0;
	}
	return -EINVAL;
}

int irqchip_set(struct lodge_vm *vm, const struct kvm_irqchip *chip)
{
	/* pairs with the release in irqchip_create() */
	if (smp_load_acquire(&vm->irqchip) != IRQCHIP_KERNEL)
		return -ENXIO;
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		pic_set(vm, chip->chip_id, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		ioapic_set(vm, &chip->chip.ioapic);
		return 0;
	}
	return -EINVAL;
}

int irqchip_set_boot_id(struct lodge_vm *vm, unsigned long id)
{
	int err = -EBUSY;

	mutex_lock(&vm->lock);
	if (!vm->nr_vcpus) {
		vm->boot_id = id;
		err = 0;
	}
	mutex_unlock(&vm->lock);
	return err;
}
