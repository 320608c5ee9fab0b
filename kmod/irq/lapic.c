// SPDX-License-Identifier: GPL-2.0
/*
 * lapic.c - the local APIC: how an interrupt arrives, waits, is chosen, taken and
 * ended.  Senders are anywhere, also in interrupt context: they leave a bit in the
 * vCPU's posted-interrupt descriptor (struct lodge_posted) and make it look up.
 * Everything else, IRR and ISR included, belongs to the vCPU's own task and, while
 * the guest runs with virtual-interrupt delivery, to the CPU.  The registers as
 * such are in lapic_reg.c, destinations in lapic_dest.c, the timer in
 * lapic_timer.c; Documentation/interrupts.rst follows an interrupt through them.
 * SDM vol. 3A 10.8.
 */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <asm/mce.h>
#include <asm/msr.h>

#include "../lodge.h"
#include "../kick.h"
#include "../mem/ept.h"
#include "../trace.h"
#include "../vmx/apicv.h"
#include "../vmx/inject.h"
#include "ioapic.h"
#include "lapic_priv.h"
#include "pic.h"
#include "pv_eoi.h"
#include "route.h"

int vector_highest(const struct lodge_lapic *apic, u32 base)
{
	int word;

	for (word = 7; word >= 0; word--) {
		u32 bits = lapic_get(apic, base + word * 0x10);

		if (bits)
			return word * 32 + __fls(bits);
	}
	return -1;
}

/* ---- arrival: any context ------------------------------------------- */

/*
 * The bit of the vector comes first, ON after it, then the look at where the vCPU
 * is: sync_posted() goes the other way.  Whoever finds ON set already can rely on
 * the one who set it.
 */
static int post(struct lodge_vcpu *vcpu, u8 vector, bool level)
{
	struct lodge_lapic *apic = vcpu->apic;

	if (vector_test(apic, APIC_TMR, vector) != level)
		assign_bit(vector & 31, vector_word(apic, APIC_TMR, vector), level);
	if (!test_and_set_bit(vector, vcpu->posted.requests) &&
	    !test_and_set_bit(POSTED_ON, &vcpu->posted.control))
		apicv_notify(vcpu);
	return 1;
}

static int arrived(struct lodge_vcpu *vcpu, int what)
{
	/* pairs with the barrier of take(): the vector of a SIPI is there first */
	smp_mb__before_atomic();
	set_bit(what, &vcpu->apic->arrived);
	vcpu_request(vcpu, REQ_ARRIVED);
	vcpu_kick(vcpu);
	return 1;
}

void lapic_nmi(struct lodge_vcpu *vcpu)
{
	atomic_inc(&vcpu->nmi_arrived);
	vcpu_request(vcpu, REQ_ARRIVED);
	vcpu_kick(vcpu);
}

int lapic_accept(struct lodge_vcpu *vcpu, const struct irq_msg *msg)
{
	switch (msg->mode) {
	case IRQ_FIXED:
	case IRQ_LOWEST:
		trace_lodge_apic_accept_irq(vcpu->id, msg->mode, msg->level, msg->vector);
		if (!lapic_is_sw_on(vcpu->apic))
			return 0;
		if (msg->vector >= 16)
			return post(vcpu, msg->vector, msg->level);
		lapic_error(vcpu->apic, APIC_ESR_RECVILL);
		return 0;
	case IRQ_NMI:
		lapic_nmi(vcpu);
		return 1;
	case IRQ_INIT:
		/* what was said before it is void */
		clear_bit(LAPIC_SIPI, &vcpu->apic->arrived);
		return arrived(vcpu, LAPIC_INIT);
	case IRQ_STARTUP:
		WRITE_ONCE(vcpu->apic->sipi_vector, msg->vector);
		return arrived(vcpu, LAPIC_SIPI);
	}
	/* there is no SMM, and the PIC speaks for itself: IRQ_EXTINT */
	return IRQ_NOBODY;
}

int lapic_local(struct lodge_lapic *apic, u32 lvt)
{
	u32 entry = lapic_get(apic, lvt);
	struct irq_msg msg = {
		.vector = entry & APIC_VECTOR_MASK, .mode = GET_APIC_DELIVERY_MODE(entry),
	};

	if (!lapic_is_on(apic->vcpu) || (entry & APIC_LVT_MASKED))
		return IRQ_NOBODY;
	/* an error entry with an illegal vector must not report itself for ever */
	if (lvt == APIC_LVTERR && msg.vector < 16)
		return IRQ_NOBODY;
	return lapic_accept(apic->vcpu, &msg);
}

void lapic_cmci(struct lodge_vcpu *vcpu)
{
	lapic_local(vcpu->apic, APIC_LVTCMCI);
}

void lapic_error(struct lodge_lapic *apic, u32 bit)
{
	if (!test_and_set_bit(__ffs(bit), &apic->esr))
		lapic_local(apic, APIC_LVTERR);
}

void lapic_rescan(struct lodge_vm *vm)
{
	/* pairs with the release in vm_create_vcpu() */
	int i, n = smp_load_acquire(&vm->nr_vcpus);

	for (i = 0; i < n; i++) {
		vcpu_request(vm->vcpus[i], REQ_EOI_VECTORS);
		vcpu_kick(vm->vcpus[i]);
	}
}

/* Virtual wire: the PIC's output goes to LINT0, or to the CPU if there is no APIC. */
bool lapic_takes_extint(const struct lodge_vcpu *vcpu)
{
	u32 lint0 = lapic_get(vcpu->apic, APIC_LVT0);

	return !lapic_is_on(vcpu) ||
	       (!(lint0 & APIC_LVT_MASKED) && GET_APIC_DELIVERY_MODE(lint0) == IRQ_EXTINT);
}

void lapic_pic_raised(struct lodge_vm *vm)
{
	int i, n = smp_load_acquire(&vm->nr_vcpus);	/* as above */

	for (i = 0; i < n; i++)
		if (lapic_takes_extint(vm->vcpus[i]))
			vcpu_kick(vm->vcpus[i]);
}

void lapic_lint0_nmi(struct lodge_vm *vm)
{
	int i, n = smp_load_acquire(&vm->nr_vcpus);	/* as above */

	for (i = 0; i < n; i++) {
		struct lodge_lapic *apic = vm->vcpus[i]->apic;

		if (GET_APIC_DELIVERY_MODE(lapic_get(apic, APIC_LVT0)) == IRQ_NMI)
			lapic_local(apic, APIC_LVT0);
	}
}

bool lapic_is_handling(struct lodge_vcpu *vcpu, u8 vector)
{
	return vector_test(vcpu->apic, APIC_ISR, vector) ||
	       vector_test(vcpu->apic, APIC_IRR, vector) ||
	       test_bit(vector, vcpu->posted.requests);
}

bool lapic_busy(struct lodge_vm *vm, const struct irq_msg *msg)
{
	int i, n = smp_load_acquire(&vm->nr_vcpus);	/* as above */

	for (i = 0; i < n; i++)
		if (lapic_is_addressed(vm->vcpus[i], msg) &&
		    lapic_is_handling(vm->vcpus[i], msg->vector))
			return true;
	return false;
}

/* ---- waiting and being chosen: the vCPU's task ---------------------- */

/* From the descriptor into the IRR. */
static void sync_posted(struct lodge_lapic *apic)
{
	struct lodge_posted *p = &apic->vcpu->posted;
	int i;

	if (!test_bit(POSTED_ON, &p->control))
		return;
	clear_bit(POSTED_ON, &p->control);
	/* pairs with test_and_set_bit() in post(): a later vector sets ON again */
	smp_mb__after_atomic();
	for (i = 0; i < ARRAY_SIZE(p->requests); i++) {
		unsigned long bits;
		u32 *irr = apic->regs + APIC_IRR + i * 0x20;

		if (!READ_ONCE(p->requests[i]))
			continue;
		bits = xchg(&p->requests[i], 0);
		irr[0] |= (u32)bits;
		irr[4] |= bits >> 32;
	}
	apic->irr_maybe = true;
	apic->rvi_stale = true;
}

static int highest_request(struct lodge_lapic *apic)
{
	int vector = apic->irr_maybe ? vector_highest(apic, APIC_IRR) : -1;

	apic->irr_maybe = vector >= 0;
	return vector;
}

/* SDM vol. 3A 10.8.3.1. */
u32 lapic_update_ppr(struct lodge_lapic *apic)
{
	int isr = vector_highest(apic, APIC_ISR);
	u8 ppr = lapic_get(apic, APIC_TASKPRI);

	if (isr >= 0 && (isr & 0xf0) > (ppr & 0xf0))
		ppr = isr & 0xf0;
	lapic_put(apic, APIC_PROCPRI, ppr);
	return ppr;
}

/* The request that is above all that is going on, or -1. */
static int deliverable(struct lodge_lapic *apic)
{
	int vector = highest_request(apic);

	if (vector < 0 || !lapic_is_on(apic->vcpu))
		return -1;
	return (vector & 0xf0) > (lapic_update_ppr(apic) & 0xf0) ? vector : -1;
}

static void take(struct lodge_lapic *apic, u8 vector)
{
	struct lodge_vcpu *vcpu = apic->vcpu;

	__clear_bit(vector & 31, vector_word(apic, APIC_IRR, vector));
	__set_bit(vector & 31, vector_word(apic, APIC_ISR, vector));
	lapic_update_ppr(apic);
	vcpu->irq_injected = true;
	vcpu->irq = vector;
}

/* The PIC is here, or the client's, which has acknowledged it and told the vector. */
static bool pic_asks(struct lodge_vcpu *vcpu)
{
	if (!vcpu->vm->pic)
		return vcpu->user_extint >= 0 && lapic_takes_extint(vcpu);
	return pic_pending(vcpu->vm) && lapic_takes_extint(vcpu);
}

static void take_from_pic(struct lodge_vcpu *vcpu)
{
	if (!inject_irq_now(vcpu)) {
		vcpu->irq_waiting = true;
		return;
	}
	vcpu->irq = vcpu->vm->pic ? pic_acknowledge(vcpu->vm) : vcpu->user_extint;
	vcpu->user_extint = -1;
	vcpu->irq_injected = true;
}

/* The guest is to exit when it lowers its priority so far that something fits. */
static u8 threshold(struct lodge_lapic *apic)
{
	int irr = highest_request(apic);
	u8 tpr = lapic_get(apic, APIC_TASKPRI);

	return irr >= 0 && tpr >> 4 >= irr >> 4 ? irr >> 4 : 0;
}

/* A debugger that steps wants none. */
static bool irqs_held(const struct lodge_vcpu *vcpu)
{
	return vcpu->debug.control & KVM_GUESTDBG_BLOCKIRQ;
}

void lapic_entry(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *apic = vcpu->apic;
	int vector;

	sync_posted(apic);
	vcpu->irq_waiting = false;
	if (unlikely(irqs_held(vcpu)))
		return;
	if (unlikely(pic_asks(vcpu)))
		take_from_pic(vcpu);
	if (apicv_delivers(vcpu)) {
		if (apic->rvi_stale)
			apicv_set_rvi(vcpu, highest_request(apic));
		apic->rvi_stale = false;
		return;
	}
	vector = deliverable(apic);
	if (vector >= 0 && inject_irq_now(vcpu))
		take(apic, vector);
	else if (vector >= 0)
		vcpu->irq_waiting = true;
	apicv_set_threshold(vcpu, threshold(apic));
	pv_eoi_offer(vcpu);
}

void lapic_gather(struct lodge_vcpu *vcpu)
{
	sync_posted(vcpu->apic);
}

bool lapic_has_interrupt(struct lodge_vcpu *vcpu)
{
	/* the CPU's timer stands still while nobody is in the guest */
	if (vcpu->timer_tsc && rdtsc() >= vcpu->timer_tsc)
		lapic_timer_ended(vcpu);
	sync_posted(vcpu->apic);
	/* the CPU may have set bits of the IRR while the guest ran */
	if (apicv_delivers(vcpu))
		vcpu->apic->irr_maybe = true;
	return deliverable(vcpu->apic) >= 0 || pic_asks(vcpu);
}

/* ---- the end of an interrupt ---------------------------------------- */

void lapic_eoi_done(struct lodge_vcpu *vcpu, u8 vector)
{
	if (!test_bit(vector, vcpu->apic->eoi_vectors))
		return;
	if (vcpu->vm->irqchip != IRQCHIP_SPLIT) {
		ioapic_eoi(vcpu, vector);
		return;
	}
	/* the IOAPIC is the client's */
	vcpu->eoi_exit = vector;
	vcpu->to_tell = true;
}

void lapic_eoi(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *apic = vcpu->apic;
	int vector = vector_highest(apic, APIC_ISR);

	/* guests end interrupts that they never had, when they set an IOAPIC up */
	if (vector < 0)
		return;
	trace_lodge_eoi(vcpu->id, vector);
	__clear_bit(vector & 31, vector_word(apic, APIC_ISR, vector));
	if (apicv_delivers(vcpu))
		apicv_set_svi(vcpu, vector_highest(apic, APIC_ISR));
	lapic_update_ppr(apic);
	lapic_eoi_done(vcpu, vector);
}

void lapic_update_eoi_vectors(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *apic = vcpu->apic;
	DECLARE_BITMAP(old, 256);
	unsigned int vector;

	bitmap_copy(old, apic->eoi_vectors, 256);
	bitmap_zero(apic->eoi_vectors, 256);
	if (lapic_is_on(vcpu))
		route_eoi_vectors(vcpu, apic->eoi_vectors);
	/* an entry that went elsewhere still waits for the end of what it sent here */
	for_each_set_bit(vector, old, 256)
		if (vcpu->vm->ioapic && lapic_is_handling(vcpu, vector))
			__set_bit(vector, apic->eoi_vectors);
	apicv_set_eoi_vectors(vcpu, apic->eoi_vectors);
}

/* ---- INIT and SIPI --------------------------------------------------- */

static bool take_arrived(struct lodge_vcpu *vcpu, int what)
{
	if (!test_and_clear_bit(what, &vcpu->apic->arrived))
		return false;
	smp_mb__after_atomic();	/* pairs with the barrier of arrived() */
	return true;
}

bool lapic_take_init(struct lodge_vcpu *vcpu)
{
	return take_arrived(vcpu, LAPIC_INIT);
}

bool lapic_take_sipi(struct lodge_vcpu *vcpu, u8 *vector)
{
	if (!take_arrived(vcpu, LAPIC_SIPI))
		return false;
	*vector = READ_ONCE(vcpu->apic->sipi_vector);
	return true;
}

bool lapic_has_arrivals(struct lodge_vcpu *vcpu)
{
	return READ_ONCE(vcpu->apic->arrived);
}

bool lapic_has_init(struct lodge_vcpu *vcpu)
{
	return test_bit(LAPIC_INIT, &vcpu->apic->arrived);
}

void lapic_set_init(struct lodge_vcpu *vcpu, bool init)
{
	if (init)
		arrived(vcpu, LAPIC_INIT);
	else
		clear_bit(LAPIC_INIT, &vcpu->apic->arrived);
}

void lapic_set_sipi(struct lodge_vcpu *vcpu)
{
	arrived(vcpu, LAPIC_SIPI);
}

void lapic_set_sipi_vector(struct lodge_vcpu *vcpu, u8 vector)
{
	WRITE_ONCE(vcpu->apic->sipi_vector, vector);
}

/* ---- priority, mode, life -------------------------------------------- */

u8 lapic_get_cr8(struct lodge_vcpu *vcpu)
{
	return (lapic_get(vcpu->apic, APIC_TASKPRI) & 0xff) >> 4;
}

void lapic_set_cr8(struct lodge_vcpu *vcpu, u8 cr8)
{
	lapic_put(vcpu->apic, APIC_TASKPRI, cr8 << 4);
	lapic_update_ppr(vcpu->apic);
}

static enum apicv_mode mode_of(const struct lodge_vcpu *vcpu)
{
	if (!lapic_is_on(vcpu) || irqs_held(vcpu))
		return APICV_NONE;
	if (lapic_is_x2(vcpu))
		return APICV_X2APIC;
	return (vcpu->apic_base & PAGE_MASK) == APIC_DEFAULT_PHYS_BASE ?
	       APICV_XAPIC : APICV_NONE;
}

static void set_id(struct lodge_lapic *apic)
{
	struct lodge_vcpu *vcpu = apic->vcpu;

	if (!lapic_is_x2(vcpu)) {
		lapic_put(apic, APIC_ID, (u32)vcpu->id << 24);
		return;
	}
	lapic_put(apic, APIC_ID, vcpu->id);
	lapic_put(apic, APIC_LDR, (vcpu->id >> 4) << 16 | BIT(vcpu->id & 15));
}

/*
 * The EPT is the machine's, not the vCPU's: the page whose accesses the CPU
 * recognises may be there only while every vCPU's controls make it do so, or it
 * would be plain memory to the others.
 */
static void set_controls(struct lodge_vcpu *vcpu, enum apicv_mode mode)
{
	gfn_t gfn = APIC_DEFAULT_PHYS_BASE >> PAGE_SHIFT;
	bool elsewhere = mode != APICV_XAPIC;
	struct lodge_vm *vm = vcpu->vm;

	if (elsewhere && !vcpu->apic_elsewhere) {
		atomic_inc(&vm->apics_elsewhere);
		ept_zap(vm, gfn, gfn + 1, true);
	}
	apicv_set_mode(vcpu, mode);
	if (!elsewhere && vcpu->apic_elsewhere)
		atomic_dec(&vm->apics_elsewhere);
	vcpu->apic_elsewhere = elsewhere;
}

static void mode_changed(struct lodge_vcpu *vcpu)
{
	set_id(vcpu->apic);
	/* the CPU's idea of what waits and of what is in service */
	vcpu->apic->irr_maybe = true;
	set_controls(vcpu, mode_of(vcpu));
	vcpu->apic->rvi_stale = true;
	if (apicv_delivers(vcpu))
		apicv_set_svi(vcpu, vector_highest(vcpu->apic, APIC_ISR));
	vcpu_request(vcpu, REQ_EOI_VECTORS);
	vcpu_request(vcpu, REQ_MSR_FILTER);
}

void lapic_debug_changed(struct lodge_vcpu *vcpu)
{
	mode_changed(vcpu);
}

void lapic_base_changed(struct lodge_vcpu *vcpu, u64 old, bool host)
{
	/* turned on again it is as after power-up: vol. 3A 10.4.3 */
	if (!host && lapic_is_on(vcpu) && !(old & MSR_IA32_APICBASE_ENABLE))
		lapic_reset(vcpu, true);
	else if ((old ^ vcpu->apic_base) & ~(u64)MSR_IA32_APICBASE_BSP)
		mode_changed(vcpu);
}

void lapic_set_svr(struct lodge_lapic *apic, u32 value)
{
	u32 lvt;
	u32 i;

	lapic_put(apic, APIC_SPIV, value);
	if (value & APIC_SPIV_APIC_ENABLED)
		return;
	/* vol. 3A 10.4.7.2 */
	for (i = 0; i <= apic->max_lvt; i++) {
		lvt = i < 6 ? APIC_LVTT + i * 0x10 : APIC_LVTCMCI;
		lapic_put(apic, lvt, lapic_get(apic, lvt) | APIC_LVT_MASKED);
	}
}

/* It tells which LVT entries there are, and whether a guest may end without broadcast. */
static void set_version(struct lodge_lapic *apic)
{
	u32 version = 0x14 | apic->max_lvt << 16;

	/* an IOAPIC of the client's may take EOIs by itself; ours needs the broadcast */
	if (apic->has_x2apic && !apic->vcpu->vm->ioapic)
		version |= APIC_LVR_DIRECTED_EOI;
	lapic_put(apic, APIC_LVR, version);
}

static void reset_registers(struct lodge_lapic *apic)
{
	struct lodge_vcpu *vcpu = apic->vcpu;
	u32 ldr = lapic_get(apic, APIC_LDR);

	memset(apic->regs, 0, PAGE_SIZE);
	set_version(apic);
	lapic_put(apic, APIC_DFR, APIC_DFR_FLAT);
	if (lapic_is_x2(vcpu))
		lapic_put(apic, APIC_LDR, ldr);
	lapic_set_svr(apic, 0xff);
	/* a PC's firmware would do this; KVM_X86_QUIRK_LINT0_REENABLED */
	if (vcpu->id == vcpu->vm->boot_id &&
	    !(vcpu->vm->quirks_off & KVM_X86_QUIRK_LINT0_REENABLED))
		lapic_put(apic, APIC_LVT0, IRQ_EXTINT << 8);
}

void lapic_reset(struct lodge_vcpu *vcpu, bool init)
{
	struct lodge_lapic *apic = vcpu->apic;

	timer_stop(apic);
	sync_posted(apic);
	if (!init)
		apic->arrived = 0;
	apic->esr = 0;
	reset_registers(apic);
	timer_set_mode(apic);
	timer_set_divider(apic, 0);
	mode_changed(vcpu);
}

/* A CMCI entry comes with machine checks that can be corrected. */
static u32 last_lvt(const struct lodge_vcpu *vcpu)
{
	return vcpu->mcg_cap & MCG_CMCI_P ? 6 : 5;
}

void lapic_cpuid_changed(struct lodge_vcpu *vcpu, bool has_deadline, bool has_x2apic)
{
	struct lodge_lapic *apic = vcpu->apic;

	apic->has_deadline = has_deadline;
	apic->has_x2apic = has_x2apic;
	set_version(apic);
}

void lapic_mce_changed(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *apic = vcpu->apic;

	apic->max_lvt = last_lvt(vcpu);
	set_version(apic);
	lapic_put(apic, APIC_LVTCMCI, APIC_LVT_MASKED);
}

int lapic_create(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *apic = kzalloc(sizeof(*apic), GFP_KERNEL_ACCOUNT);

	if (!apic)
		return -ENOMEM;
	apic->regs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!apic->regs) {
		kfree(apic);
		return -ENOMEM;
	}
	apic->vcpu = vcpu;
	apic->max_lvt = last_lvt(vcpu);
	timer_init(apic);
	vcpu->apic = apic;
	return 0;
}

void lapic_free(struct lodge_vcpu *vcpu)
{
	if (!vcpu->apic)
		return;
	timer_stop(vcpu->apic);
	free_page((unsigned long)vcpu->apic->regs);
	kfree(vcpu->apic);
}

void *lapic_page(const struct lodge_vcpu *vcpu)
{
	return vcpu->apic->regs;
}

/* ---- saved and loaded ------------------------------------------------ */

void lapic_get_state(struct lodge_vcpu *vcpu, struct kvm_lapic_state *out)
{
	sync_posted(vcpu->apic);
	lapic_update_ppr(vcpu->apic);
	lapic_show(vcpu->apic, out);
}

int lapic_set_state(struct lodge_vcpu *vcpu, const struct kvm_lapic_state *in)
{
	struct lodge_lapic *apic = vcpu->apic;

	if (!lapic_can_load(apic, in))
		return -EINVAL;
	/* what is on its way belongs to the state that goes */
	sync_posted(apic);
	timer_stop(apic);
	lapic_load(apic, in);
	timer_restore(apic, *(u32 *)(in->regs + APIC_TMCCT));
	lapic_update_ppr(apic);
	mode_changed(vcpu);
	return 0;
}
