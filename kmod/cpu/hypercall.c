// SPDX-License-Identifier: GPL-2.0
/*
 * hypercall.c - what a guest's kernel can ask of the host by VMCALL: the number in
 * RAX, arguments in RBX, RCX, RDX and RSI, the answer in RAX (KVM's convention; the
 * numbers and errors are those of <linux/kvm_para.h>).  One table; what is not in
 * it does not exist.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/kvm_para.h>
#include <asm/apicdef.h>
#include <asm/kvm_para.h>

#include "../lodge.h"
#include "../irq/lapic.h"
#include "../kick.h"
#include "../trace.h"
#include "../vmx/regs.h"
#include "../yield.h"
#include "cpuid.h"
#include "hypercall.h"
#include "pvclock.h"

#define ALWAYS	-1		/* in place of a feature bit */

static struct lodge_vcpu *by_apic_id(struct lodge_vcpu *vcpu, u64 id)
{
	struct lodge_vcpu *found = NULL;

	if (READ_ONCE(vcpu->vm->irqchip) != IRQCHIP_NONE && id < LODGE_MAX_VCPU_ID)
		found = xa_load(&vcpu->vm->vcpu_ids, id);
	return found;
}

/* Of a virtual APIC that lodge does not have. */
static long poll_irq(struct lodge_vcpu *vcpu, const u64 *args)
{
	return 0;
}

static void give_way(struct lodge_vcpu *vcpu, struct lodge_vcpu *other)
{
	if (other == vcpu || !READ_ONCE(other->preempted))
		return;
	vcpu->stats.yields++;
	if (yield_to_vcpu(other))
		vcpu->stats.yields_done++;
}

static long sched_yield(struct lodge_vcpu *vcpu, const u64 *args)
{
	struct lodge_vcpu *other = by_apic_id(vcpu, args[0]);

	if (other)
		give_way(vcpu, other);
	return 0;
}

/* Out of the halt that it is in, or out of its next one. */
static long kick_cpu(struct lodge_vcpu *vcpu, const u64 *args)
{
	struct lodge_vcpu *other = by_apic_id(vcpu, (u32)args[1]);

	if (!other)
		return 0;
	WRITE_ONCE(other->unhalted, true);
	vcpu_kick(other);
	give_way(vcpu, other);
	return 0;
}

/* An ICR without destination, and a set of APIC ids that begins with args[2]. */
static long send_ipi(struct lodge_vcpu *vcpu, const u64 *args)
{
	unsigned int width = regs_in_64bit(vcpu) ? 64 : 32;
	u64 icr = args[3];
	struct irq_msg msg = {
		.vector = icr & APIC_VECTOR_MASK, .mode = GET_APIC_DELIVERY_MODE(icr),
		.level = icr & APIC_INT_LEVELTRIG, .ipi = true,
	};
	struct lodge_vcpu *other;
	unsigned int i, bit;
	long count = 0;

	if (icr & (APIC_DEST_LOGICAL | APIC_DEST_ALLBUT))
		return -KVM_EINVAL;
	if (READ_ONCE(vcpu->vm->irqchip) == IRQCHIP_NONE)
		return -KVM_EOPNOTSUPP;
	/* the end of a level, which nobody listens to */
	if (msg.level && !(icr & APIC_INT_ASSERT))
		return 0;
	for (i = 0; i < 2; i++) {
		unsigned long set = args[i];

		for_each_set_bit(bit, &set, width) {
			other = by_apic_id(vcpu, (u64)(u32)args[2] + i * width + bit);
			if (other && lapic_deliver_to(other, &msg) > 0)
				count++;
		}
	}
	return count;
}

static long clock_pairing(struct lodge_vcpu *vcpu, const u64 *args)
{
	return pvclock_pair(vcpu, args[0], args[1]);
}

static const struct {
	u32 number;
	int feature;		/* bit of CPUID leaf 0x40000001 */
	long (*call)(struct lodge_vcpu *vcpu, const u64 *args);
} calls[] = {
	{ KVM_HC_VAPIC_POLL_IRQ, ALWAYS, poll_irq },
	{ KVM_HC_KICK_CPU, KVM_FEATURE_PV_UNHALT, kick_cpu },
	{ KVM_HC_CLOCK_PAIRING, ALWAYS, clock_pairing },
	{ KVM_HC_SEND_IPI, KVM_FEATURE_PV_SEND_IPI, send_ipi },
	{ KVM_HC_SCHED_YIELD, KVM_FEATURE_PV_SCHED_YIELD, sched_yield },
};

static long dispatch(struct lodge_vcpu *vcpu, u64 number, const u64 *args)
{
	int i;

	if (regs_cpl(vcpu))
		return -KVM_EPERM;
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].number == number &&
		    (calls[i].feature == ALWAYS || cpuid_pv_allows(vcpu, calls[i].feature)))
			return calls[i].call(vcpu, args);
	return -KVM_ENOSYS;
}

void hypercall(struct lodge_vcpu *vcpu)
{
	u64 mask = regs_in_64bit(vcpu) ? ~0ull : U32_MAX;
	u64 args[] = {
		vcpu->regs[GPR_RBX] & mask, vcpu->regs[GPR_RCX] & mask,
		vcpu->regs[GPR_RDX] & mask, vcpu->regs[GPR_RSI] & mask,
	};

	trace_lodge_hypercall(vcpu->regs[GPR_RAX] & mask, args[0], args[1], args[2], args[3]);
	vcpu->regs[GPR_RAX] = dispatch(vcpu, vcpu->regs[GPR_RAX] & mask, args) & mask;
}
