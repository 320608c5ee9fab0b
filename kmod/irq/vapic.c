// SPDX-License-Identifier: GPL-2.0
/*
 * vapic.c - help for clients that patch old guests on CPUs that do not recognise
 * accesses to the APIC's page: such guests use the task priority all the time, and
 * each use costs an exit.  The client can be told of every access, and may put a word
 * of the guest's memory in the register's place; here that word and the register are
 * kept in step, before each entry and after each exit.
 */
#include <linux/kernel.h>
#include <linux/mm.h>

#include "../mem/slots.h"
#include "../vmx/regs.h"
#include "lapic_priv.h"
#include "vapic.h"

int vapic_set_reporting(struct lodge_vcpu *vcpu, const struct kvm_tpr_access_ctl *ctl)
{
	if (ctl->flags)
		return -EINVAL;
	vcpu->tpr_reporting = ctl->enabled;
	return 0;
}

/* The guest still stands at the instruction. */
void vapic_report(struct lodge_vcpu *vcpu, bool write)
{
	if (likely(!vcpu->tpr_reporting))
		return;
	vcpu->tpr_access.rip = regs_rip(vcpu);
	vcpu->tpr_access.write = write;
	vcpu->tpr_access.pending = true;
	vcpu->to_tell = true;
}

int vapic_set_addr(struct lodge_vcpu *vcpu, const struct kvm_vapic_addr *va)
{
	if (!vcpu->apic)
		return -EINVAL;
	/* mem_write() crosses no page */
	if (va->vapic_addr && (offset_in_page(va->vapic_addr) > PAGE_SIZE - sizeof(u32) ||
			       !mem_is_ram(vcpu->vm, va->vapic_addr, true)))
		return -EINVAL;
	vcpu->vapic_addr = va->vapic_addr;
	return 0;
}

/* The layout is KVM's: priority, class of what is in service, highest request. */
void vapic_show(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *apic = vcpu->apic;
	u32 word, isr, irr;

	lapic_gather(vcpu);
	isr = max(vector_highest(apic, APIC_ISR), 0);
	irr = max(vector_highest(apic, APIC_IRR), 0);
	word = (lapic_get(apic, APIC_TASKPRI) & 0xff) | (isr & 0xf0) << 8 | irr << 24;
	mem_write(vcpu, vcpu->vapic_addr, &word, sizeof(word));
}

void vapic_collect(struct lodge_vcpu *vcpu)
{
	u32 word;

	if (mem_read(vcpu->vm, vcpu->vapic_addr, &word, sizeof(word)) == MEM_OK)
		lapic_put(vcpu->apic, APIC_TASKPRI, word & 0xff);
}
