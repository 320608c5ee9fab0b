/* SPDX-License-Identifier: GPL-2.0 */
/*
 * apic.h - the interrupt controllers of the kernel as tests see them: making them,
 * reading and writing the state of a local APIC, raising lines and messages from
 * user space; in the guest, a local APIC in either mode and gates that count what
 * it delivers. Offsets and bits have the kernel's names (<asm/apicdef.h>).
 */
#ifndef SELFTEST_APIC_H
#define SELFTEST_APIC_H

#include "selftest.h"

/* ---- registers: SDM volume 3, table 11-1 (xAPIC offsets) ------------------- */

#define APIC_ID			0x20
#define APIC_LVR		0x30	/* version */
#define APIC_LVR_DIRECTED_EOI	BIT(24)
#define APIC_TASKPRI		0x80
#define APIC_ARBPRI		0x90
#define APIC_PROCPRI		0xa0
#define APIC_EOI		0xb0
#define APIC_RRR		0xc0
#define APIC_LDR		0xd0
#define APIC_DFR		0xe0
#define APIC_DFR_CLUSTER	0x0fffffffu
#define APIC_DFR_FLAT		0xffffffffu
#define APIC_SPIV		0xf0
#define APIC_SPIV_APIC_ENABLED	0x100
#define APIC_SPIV_FOCUS_DISABLED 0x200
#define APIC_SPIV_DIRECTED_EOI	0x1000
#define APIC_ISR		0x100	/* eight of each, 0x10 apart */
#define APIC_TMR		0x180
#define APIC_IRR		0x200
#define APIC_ESR		0x280
#define APIC_LVTCMCI		0x2f0
#define APIC_ICR		0x300
#define APIC_ICR2		0x310
#define APIC_LVTT		0x320
#define APIC_LVTTHMR		0x330
#define APIC_LVTPC		0x340
#define APIC_LVT0		0x350
#define APIC_LVT1		0x360
#define APIC_LVTERR		0x370
#define APIC_TMICT		0x380
#define APIC_TMCCT		0x390
#define APIC_TDCR		0x3e0
#define APIC_SELF_IPI		0x3f0	/* x2APIC only */

/* ICR, and what of it LVT entries have. */
#define APIC_VECTOR_MASK	0xff
#define APIC_DM_FIXED		0
#define APIC_DM_LOWEST		0x100
#define APIC_DM_SMI		0x200
#define APIC_DM_REMRD		0x300
#define APIC_DM_NMI		0x400
#define APIC_DM_INIT		0x500
#define APIC_DM_STARTUP		0x600
#define APIC_DM_EXTINT		0x700
#define APIC_MODE_MASK		0x700
#define APIC_DEST_PHYSICAL	0
#define APIC_DEST_LOGICAL	0x800
#define APIC_ICR_BUSY		0x1000
#define APIC_INT_ASSERT		0x4000
#define APIC_INT_LEVELTRIG	0x8000
#define APIC_DEST_SELF		0x40000
#define APIC_DEST_ALLINC	0x80000
#define APIC_DEST_ALLBUT	0xc0000
#define APIC_SEND_PENDING	0x1000
#define APIC_INPUT_POLARITY	0x2000
#define APIC_LVT_REMOTE_IRR	0x4000
#define APIC_LVT_LEVEL_TRIGGER	0x8000
#define APIC_LVT_MASKED		0x10000
#define APIC_LVT_TIMER_ONESHOT	0
#define APIC_LVT_TIMER_PERIODIC	0x20000
#define APIC_LVT_TIMER_TSCDEADLINE 0x40000

#define APIC_DEFAULT_BASE	0xfee00000ul
#define APIC_BASE_BSP		BIT(8)
#define APIC_BASE_X2APIC	BIT(10)
#define APIC_BASE_ENABLE	BIT(11)

#define MSR_IA32_APICBASE	0x1b
#define MSR_IA32_TSC_DEADLINE	0x6e0
#define X2APIC_MSR(reg)		(0x800 + ((reg) >> 4))

#define MSI_ADDR		0xfee00000u	/* | APIC id << 12 */

/* ---- host side --------------------------------------------------------------- */

/* KVM_CREATE_IRQCHIP, or KVM_CAP_SPLIT_IRQCHIP; before the vCPUs. */
void vm_irqchip(struct vm *vm);
void vm_split_irqchip(struct vm *vm, int pins);

void get_lapic(struct vcpu *vcpu, struct kvm_lapic_state *s);
void set_lapic(struct vcpu *vcpu, const struct kvm_lapic_state *s);
u32 lapic_reg(const struct kvm_lapic_state *s, u32 reg);
void lapic_set_reg(struct kvm_lapic_state *s, u32 reg, u32 value);
/* The bit of a vector in APIC_ISR, APIC_TMR or APIC_IRR. */
bool lapic_bit(const struct kvm_lapic_state *s, u32 reg, u8 vector);

/* KVM_IRQ_LINE_STATUS: its status, or -errno. */
int irq_line(struct vm *vm, u32 gsi, u32 level);
/* KVM_SIGNAL_MSI: what it returns, or -errno. */
int signal_msi(struct vm *vm, u64 addr, u32 data);
/* Does the module that makes the device have this parameter on (enable_apicv and kin)? */
bool param_on(const char *name);

/*
 * Gates 0x20 to 0xff count in guest_irqs and do the EOI, unless guest_irq_no_eoi
 * says otherwise; 0xff, the spurious vector, counts without EOI. INT 0x80 of user
 * code goes on working. The guest has to enable its APIC and to set RFLAGS.IF.
 */
void vm_count_irqs(struct vm *vm);

/* All of these in the guest's copy: guest_var(vm, guest_irqs)[id][vector]. */
extern u64 guest_irqs[64][256];			/* by vCPU id (below 64) and vector */
extern u8 guest_irq_no_eoi[256];
/* Called with the vector before the EOI; true: the EOI is not to be done. */
extern bool (*guest_on_irq)(u64 vector);
/*
 * By vCPU id: the mode that the functions below believe in. The two ..._enable()
 * set it; user space does when it is user space that changes the mode.
 */
extern bool guest_in_x2apic[64];

/* ---- guest side ---------------------------------------------------------------- */

/* The base MSR as after RESET, software enabled with spurious vector 0xff, TPR 0. */
void guest_xapic_enable(void);
/* The same in x2APIC mode. */
void guest_x2apic_enable(void);

/* @reg: the xAPIC offset; by MMIO or MSR as this vCPU's mode is. */
u32 guest_apic_read(u32 reg);
void guest_apic_write(u32 reg, u32 value);
/* @dest: APIC id or logical id in the mode's format, not shifted; @low: ICR 31:0. */
void guest_apic_icr(u32 dest, u32 low);
void guest_apic_eoi(void);

static inline void guest_sti(void)
{
	asm volatile("sti; nop" : : : "memory");
}

static inline void guest_cli(void)
{
	asm volatile("cli" : : : "memory");
}

/* Halts until an interrupt came; interrupts are on only in HLT itself. */
static inline void guest_halt(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

#endif /* SELFTEST_APIC_H */
