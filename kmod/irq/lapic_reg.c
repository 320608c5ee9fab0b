// SPDX-License-Identifier: GPL-2.0
/*
 * lapic_reg.c - the registers of the local APIC as the guest sees them, in memory
 * (xAPIC) and as MSRs (x2APIC), and as user space saves them.  One table says for
 * each register who may read and write it and what a write does; all ways in end
 * there.  SDM vol. 3A table 10-1, 10-6 and 10.12.1.
 */
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <linux/string.h>

#include "../lodge.h"
#include "../trace.h"
#include "../vmx/apicv.h"
#include "lapic_priv.h"
#include "vapic.h"

enum reg_flags {
	R = BIT(0),		/* may be read */
	W = BIT(1),		/* may be written */
	NOX = BIT(2),		/* not in xAPIC mode */
	NO2 = BIT(3),		/* not in x2APIC mode */
	RO2 = BIT(4),		/* read-only there */
	ZERO2 = BIT(5),		/* there only zero may be written */
};

struct apic_reg {
	u8 flags;
	u32 valid;		/* bits that can be written; others: ignored, or #GP */
	void (*write)(struct lodge_lapic *apic, u32 reg, u32 value);
	u32 (*read)(struct lodge_lapic *apic);	/* NULL: as it stands in the page */
};

static void write_plain(struct lodge_lapic *apic, u32 reg, u32 value)
{
	lapic_put(apic, reg, value);
}

/* The CPU may have stored what the guest wrote: it is as it was. */
static void write_id(struct lodge_lapic *apic, u32 reg, u32 value)
{
	lapic_put(apic, APIC_ID, (u32)apic->vcpu->id << 24);
}

static void write_tpr(struct lodge_lapic *apic, u32 reg, u32 value)
{
	lapic_put(apic, APIC_TASKPRI, value);
	vapic_report(apic->vcpu, true);
}

static u32 read_tpr(struct lodge_lapic *apic)
{
	vapic_report(apic->vcpu, false);
	return lapic_get(apic, APIC_TASKPRI);
}

static void write_eoi(struct lodge_lapic *apic, u32 reg, u32 value)
{
	lapic_eoi(apic->vcpu);
}

static void write_dfr(struct lodge_lapic *apic, u32 reg, u32 value)
{
	lapic_put(apic, APIC_DFR, value | 0x0fffffff);
	lapic_rescan(apic->vcpu->vm);
}

static void write_ldr(struct lodge_lapic *apic, u32 reg, u32 value)
{
	lapic_put(apic, APIC_LDR, value);
	lapic_rescan(apic->vcpu->vm);
}

static void write_svr(struct lodge_lapic *apic, u32 reg, u32 value)
{
	if (!(lapic_get(apic, APIC_LVR) & APIC_LVR_DIRECTED_EOI))
		value &= ~APIC_SPIV_DIRECTED_EOI;
	lapic_set_svr(apic, value);
}

/* A write shows what has gathered since the last one: vol. 3A 10.5.3. */
static void write_esr(struct lodge_lapic *apic, u32 reg, u32 value)
{
	lapic_put(apic, APIC_ESR, xchg(&apic->esr, 0));
}

static void write_icr(struct lodge_lapic *apic, u32 reg, u32 value)
{
	value &= ~APIC_ICR_BUSY;
	lapic_put(apic, APIC_ICR, value);
	lapic_send(apic, value, lapic_get(apic, APIC_ICR2) >> 24);
}

static void write_self_ipi(struct lodge_lapic *apic, u32 reg, u32 value)
{
	lapic_send(apic, APIC_DEST_SELF | (value & APIC_VECTOR_MASK), 0);
}

static void write_lvt(struct lodge_lapic *apic, u32 reg, u32 value)
{
	if (!lapic_is_sw_on(apic))
		value |= APIC_LVT_MASKED;
	lapic_put(apic, reg, value);
}

static void write_lvtt(struct lodge_lapic *apic, u32 reg, u32 value)
{
	if (!apic->has_deadline)
		value &= ~(u32)APIC_LVT_TIMER_TSCDEADLINE;
	write_lvt(apic, reg, value);
	timer_set_mode(apic);
}

static void write_tmict(struct lodge_lapic *apic, u32 reg, u32 value)
{
	timer_set_count(apic, value);
}

static void write_tdcr(struct lodge_lapic *apic, u32 reg, u32 value)
{
	lapic_put(apic, APIC_TDCR, value);
	timer_set_divider(apic, value);
}

#define LVT_PLAIN	(APIC_VECTOR_MASK | APIC_LVT_MASKED | APIC_SEND_PENDING)
#define LVT_MODE	(LVT_PLAIN | APIC_MODE_MASK)
#define LVT_PIN		(LVT_MODE | APIC_INPUT_POLARITY | APIC_LVT_REMOTE_IRR | \
			 APIC_LVT_LEVEL_TRIGGER)
#define ICR_VALID	(APIC_VECTOR_MASK | APIC_DM_FIXED_MASK | APIC_DEST_LOGICAL | \
			 APIC_ICR_BUSY | APIC_INT_ASSERT | APIC_INT_LEVELTRIG | APIC_DEST_ALLBUT)
#define SVR_VALID	(APIC_VECTOR_MASK | APIC_SPIV_APIC_ENABLED | \
			 APIC_SPIV_FOCUS_DISABLED | APIC_SPIV_DIRECTED_EOI)

/* By number: bits 11:4 of the address, bits 7:0 of the MSR. */
static const struct apic_reg regs[0x40] = {
	/* the id is the vCPU's and does not change: 10.4.6 */
	[APIC_ID >> 4]		= { R | W | RO2, 0, write_id },
	[APIC_LVR >> 4]		= { R },
	[APIC_TASKPRI >> 4]	= { R | W, 0xff, write_tpr, read_tpr },
	[APIC_ARBPRI >> 4]	= { R | NO2 },
	[APIC_PROCPRI >> 4]	= { R, .read = lapic_update_ppr },
	[APIC_EOI >> 4]		= { W | ZERO2, ~0u, write_eoi },
	[APIC_RRR >> 4]		= { R | NO2 },
	[APIC_LDR >> 4]		= { R | W | RO2, APIC_LDR_MASK, write_ldr },
	[APIC_DFR >> 4]		= { R | W | NO2, ~0u, write_dfr },
	[APIC_SPIV >> 4]	= { R | W, SVR_VALID, write_svr },
	[APIC_ISR >> 4 ... (APIC_ISR >> 4) + 7] = { R },
	[APIC_TMR >> 4 ... (APIC_TMR >> 4) + 7] = { R },
	[APIC_IRR >> 4 ... (APIC_IRR >> 4) + 7] = { R },
	[APIC_ESR >> 4]		= { R | W | ZERO2, ~0u, write_esr },
	[APIC_LVTCMCI >> 4]	= { R | W, LVT_MODE, write_lvt },
	/* in memory, what is reserved is stored as written: KVM's guests may see it */
	[APIC_ICR >> 4]		= { R | W, ~0u, write_icr },
	[APIC_ICR2 >> 4]	= { R | W | NO2, 0xff000000, write_plain },
	[APIC_LVTT >> 4]	= { R | W, LVT_PLAIN | 3 << 17, write_lvtt },
	[APIC_LVTTHMR >> 4]	= { R | W, LVT_MODE, write_lvt },
	[APIC_LVTPC >> 4]	= { R | W, LVT_MODE, write_lvt },
	[APIC_LVT0 >> 4]	= { R | W, LVT_PIN, write_lvt },
	[APIC_LVT1 >> 4]	= { R | W, LVT_PIN, write_lvt },
	[APIC_LVTERR >> 4]	= { R | W, LVT_PLAIN, write_lvt },
	[APIC_TMICT >> 4]	= { R | W, ~0u, write_tmict },
	[APIC_TMCCT >> 4]	= { R, .read = timer_count },
	[APIC_TDCR >> 4]	= { R | W, 0xb, write_tdcr },
	[APIC_SELF_IPI >> 4]	= { W | NOX, APIC_VECTOR_MASK, write_self_ipi },
};

/* The row, or NULL if there is no such register in this mode. */
static const struct apic_reg *find_reg(struct lodge_lapic *apic, u32 reg, u8 access)
{
	bool x2 = lapic_is_x2(apic->vcpu);
	const struct apic_reg *row;

	if (reg >> 4 >= ARRAY_SIZE(regs))
		return NULL;
	row = &regs[array_index_nospec(reg >> 4, ARRAY_SIZE(regs))];
	if (!(row->flags & access) || (row->flags & (x2 ? NO2 : NOX)))
		return NULL;
	if (x2 && access == W && (row->flags & RO2))
		return NULL;
	if (reg == APIC_LVTCMCI && apic->max_lvt < 6)
		return NULL;
	return row;
}

static u32 read_reg(struct lodge_lapic *apic, const struct apic_reg *row, u32 reg)
{
	return row->read ? row->read(apic) : lapic_get(apic, reg);
}

/* ---- xAPIC: memory --------------------------------------------------- */

static bool in_page(const struct lodge_vcpu *vcpu, gpa_t gpa)
{
	return vcpu->apic && ((gpa ^ vcpu->apic_base) & PAGE_MASK) == 0;
}

/* Turned off, or reached by MSRs only: KVM lets the hole show, as a quirk. */
static bool is_hole(const struct lodge_vcpu *vcpu)
{
	return !lapic_is_on(vcpu) || lapic_is_x2(vcpu);
}

static bool hole_is_ours(const struct lodge_vcpu *vcpu)
{
	return !(vcpu->vm->quirks_off & KVM_X86_QUIRK_LAPIC_MMIO_HOLE);
}

bool lapic_mmio_read(struct lodge_vcpu *vcpu, gpa_t gpa, void *data, unsigned int len)
{
	struct lodge_lapic *apic = vcpu->apic;
	const struct apic_reg *row;
	u32 reg = gpa & 0xff0, value = 0;

	if (!in_page(vcpu, gpa))
		return false;
	if (is_hole(vcpu)) {
		memset(data, 0xff, len);
		return hole_is_ours(vcpu);
	}
	row = find_reg(apic, reg, R);
	if (row)
		value = read_reg(apic, row, reg);
	trace_lodge_apic(0, reg, value);
	/* only the first four bytes of sixteen are a register: vol. 3A 10.4.1 */
	memset(data, 0, len);
	if ((gpa & 15) < 4)
		memcpy(data, (u8 *)&value + (gpa & 15), min_t(unsigned int, len, 4 - (gpa & 15)));
	return true;
}

static void write_xapic(struct lodge_lapic *apic, u32 reg, u32 value)
{
	const struct apic_reg *row = find_reg(apic, reg, W);

	trace_lodge_apic(1, reg, value);
	if (row)
		row->write(apic, reg, value & row->valid);
}

bool lapic_mmio_write(struct lodge_vcpu *vcpu, gpa_t gpa, const void *data, unsigned int len)
{
	u32 value;

	if (!in_page(vcpu, gpa))
		return false;
	if (is_hole(vcpu))
		return hole_is_ours(vcpu);
	/* other accesses than aligned words are undefined there: to no effect */
	if (len == 4 && !(gpa & 15)) {
		memcpy(&value, data, 4);
		write_xapic(vcpu->apic, gpa & 0xff0, value);
	}
	return true;
}

void lapic_write_done(struct lodge_vcpu *vcpu, u32 reg)
{
	/* the CPU has stored the value already: as if it came just now */
	write_xapic(vcpu->apic, reg, lapic_get(vcpu->apic, reg));
}

/* ---- x2APIC: MSRs ----------------------------------------------------- */

static u32 reg_of_msr(u32 msr)
{
	return (msr - APIC_BASE_MSR) << 4;
}

/* 64 bits, the only register that has so many; the CPU wants them in one piece. */
static u64 get_icr(struct lodge_lapic *apic)
{
	return lapic_get(apic, APIC_ICR) | (u64)lapic_get(apic, APIC_ICR + 4) << 32;
}

static bool set_icr(struct lodge_lapic *apic, u64 value)
{
	if ((u32)value & ~ICR_VALID)
		return false;
	lapic_put(apic, APIC_ICR, (u32)value & ~APIC_ICR_BUSY);
	lapic_put(apic, APIC_ICR + 4, value >> 32);
	lapic_send(apic, value, value >> 32);
	return true;
}

bool lapic_msr_readable(struct lodge_vcpu *vcpu, u32 msr)
{
	const struct apic_reg *row = find_reg(vcpu->apic, reg_of_msr(msr), R);

	return row && row->read != timer_count;
}

bool lapic_msr_read(struct lodge_vcpu *vcpu, u32 msr, u64 *value)
{
	struct lodge_lapic *apic = vcpu->apic;
	const struct apic_reg *row;
	u32 reg = reg_of_msr(msr);

	if (!apic || !lapic_is_x2(vcpu))
		return false;
	row = find_reg(apic, reg, R);
	if (!row)
		return false;
	*value = reg == APIC_ICR ? get_icr(apic) : read_reg(apic, row, reg);
	return true;
}

bool lapic_msr_write(struct lodge_vcpu *vcpu, u32 msr, u64 value)
{
	struct lodge_lapic *apic = vcpu->apic;
	const struct apic_reg *row;
	u32 reg = reg_of_msr(msr);

	if (!apic || !lapic_is_x2(vcpu))
		return false;
	row = find_reg(apic, reg, W);
	if (!row)
		return false;
	if (reg == APIC_ICR)
		return set_icr(apic, value);
	if (value & ~(u64)row->valid || (value && (row->flags & ZERO2)))
		return false;
	row->write(apic, reg, value);
	return true;
}

/* ---- as user space saves it ------------------------------------------ */

static u32 *word(void *page, u32 reg)
{
	return page + reg;
}

/* The id as it stands in a saved state: in the upper byte, or all 32 bits. */
static u32 shown_id(const struct lodge_vcpu *vcpu)
{
	return lapic_is_x2(vcpu) && READ_ONCE(vcpu->vm->x2apic_ids) ? vcpu->id :
								      (u32)vcpu->id << 24;
}

void lapic_show(struct lodge_lapic *apic, struct kvm_lapic_state *out)
{
	memcpy(out->regs, apic->regs, sizeof(out->regs));
	*word(out->regs, APIC_TMCCT) = timer_count(apic);
	*word(out->regs, APIC_ID) = shown_id(apic->vcpu);
	if (lapic_is_x2(apic->vcpu)) {
		*word(out->regs, APIC_ICR2) = lapic_get(apic, APIC_ICR + 4);
		*word(out->regs, APIC_ICR + 4) = 0;
	}
}

/* What user space hands over is made into what the guest could have written. */
static void load_reg(struct lodge_lapic *apic, u32 reg, const struct kvm_lapic_state *in)
{
	u32 value = *word((void *)in->regs, reg);
	u8 flags = regs[reg >> 4].flags;

	if (flags & W)
		value &= regs[reg >> 4].valid;
	lapic_put(apic, reg, value);
}

bool lapic_can_load(struct lodge_lapic *apic, const struct kvm_lapic_state *in)
{
	return !lapic_is_x2(apic->vcpu) || !READ_ONCE(apic->vcpu->vm->x2apic_ids) ||
	       *word((void *)in->regs, APIC_ID) == shown_id(apic->vcpu);
}

void lapic_load(struct lodge_lapic *apic, const struct kvm_lapic_state *in)
{
	bool x2 = lapic_is_x2(apic->vcpu);
	u32 lvr = lapic_get(apic, APIC_LVR), ldr = lapic_get(apic, APIC_LDR);
	u32 reg;

	for (reg = 0; reg < sizeof(in->regs); reg += 0x10)
		load_reg(apic, reg, in);
	/* what the vCPU is decides these */
	lapic_put(apic, APIC_ID, x2 ? apic->vcpu->id : (u32)apic->vcpu->id << 24);
	lapic_put(apic, APIC_LVR, lvr);
	if (x2)
		lapic_put(apic, APIC_LDR, ldr);
	else
		lapic_put(apic, APIC_DFR, lapic_get(apic, APIC_DFR) | 0x0fffffff);
	lapic_put(apic, APIC_ICR + 4, x2 ? *word((void *)in->regs, APIC_ICR2) : 0);
}
