// SPDX-License-Identifier: GPL-2.0
/*
 * The two halves of apic.h: ioctls of the interrupt controllers for the host side
 * of a test, and a driver of the local APIC with counting handlers for the guest.
 */
#include "apic.h"
#include "internal.h"

#define SPURIOUS	0xff
#define FIRST_IRQ	0x20
#define USER_END	0x80	/* the INT that ends guest_user_call() */

u64 guest_irqs[64][256];
u8 guest_irq_no_eoi[256];
bool (*guest_on_irq)(u64 vector);
bool guest_in_x2apic[64];

extern const char irq_stubs[];
void guest_count_irq(struct guest_frame *f);

/* ---- host side --------------------------------------------------------------- */

void vm_irqchip(struct vm *vm)
{
	CHECK_EQ(xioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), 0);
}

void vm_split_irqchip(struct vm *vm, int pins)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { pins } };

	CHECK_EQ(xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&cap), 0);
}

void get_lapic(struct vcpu *vcpu, struct kvm_lapic_state *s)
{
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_LAPIC, (uintptr_t)s), 0);
}

void set_lapic(struct vcpu *vcpu, const struct kvm_lapic_state *s)
{
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_LAPIC, (uintptr_t)s), 0);
}

u32 lapic_reg(const struct kvm_lapic_state *s, u32 reg)
{
	u32 value;

	memcpy(&value, s->regs + reg, sizeof(value));
	return value;
}

void lapic_set_reg(struct kvm_lapic_state *s, u32 reg, u32 value)
{
	memcpy(s->regs + reg, &value, sizeof(value));
}

bool lapic_bit(const struct kvm_lapic_state *s, u32 reg, u8 vector)
{
	return lapic_reg(s, reg + (vector >> 5) * 0x10) >> (vector & 31) & 1;
}

int irq_line(struct vm *vm, u32 gsi, u32 level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };
	int ret = xioctl(vm->fd, KVM_IRQ_LINE_STATUS, (uintptr_t)&line);

	return ret < 0 ? ret : line.status;
}

int signal_msi(struct vm *vm, u64 addr, u32 data)
{
	struct kvm_msi msi = { .address_lo = addr, .address_hi = addr >> 32, .data = data };

	return xioctl(vm->fd, KVM_SIGNAL_MSI, (uintptr_t)&msi);
}

void vm_count_irqs(struct vm *vm)
{
	u64 *idt = vm_ptr(vm, vm->idt);

	for (int i = FIRST_IRQ; i < 256; i++) {
		u64 at = (uintptr_t)irq_stubs + 16 * (i - FIRST_IRQ);

		idt[2 * i] = (at & 0xffff) | SEL_CODE64 << 16 |
			     (i == USER_END ? 0xeeull : 0x8eull) << 40 |
			     (at >> 16 & 0xffff) << 48;
		idt[2 * i + 1] = at >> 32;
	}
}

/* ---- guest side ---------------------------------------------------------------- */

/* The stack is then a struct guest_frame, and aligned as a call wants it. */
asm(".pushsection .text\n"
    "	.balign 16\n"
    "irq_stubs:\n"
    "	.set irq_vector, 0x20\n"
    "	.rept 0xe0\n"
    "	.balign 16\n"
    "	pushq	$0\n"
    "	pushq	$irq_vector\n"
    "	jmp	irq_common\n"
    "	.set irq_vector, irq_vector + 1\n"
    "	.endr\n"
    "irq_common:\n"
    "	push	%rax\n	push	%rcx\n	push	%rdx\n	push	%rsi\n	push	%rdi\n"
    "	push	%r8\n	push	%r9\n	push	%r10\n	push	%r11\n"
    "	cld\n"
    "	mov	%rsp, %rdi\n"
    "	call	guest_count_irq\n"
    "	pop	%r11\n	pop	%r10\n	pop	%r9\n	pop	%r8\n"
    "	pop	%rdi\n	pop	%rsi\n	pop	%rdx\n	pop	%rcx\n	pop	%rax\n"
    "	add	$16, %rsp\n"
    "	iretq\n"
    ".popsection\n");

void guest_count_irq(struct guest_frame *f)
{
	u64 id = guest_percpu()->id;

	if (f->vector == USER_END && (f->cs & 3)) {
		guest_exception(f);
		return;
	}
	if (id < ARRAY_SIZE(guest_irqs))
		WRITE_ONCE(guest_irqs[id][f->vector], guest_irqs[id][f->vector] + 1);
	if (guest_on_irq && guest_on_irq(f->vector))
		return;
	if (f->vector != SPURIOUS && !guest_irq_no_eoi[f->vector])
		guest_apic_eoi();
}

static u64 msr_read(u32 msr)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
	return lo | (u64)hi << 32;
}

static void msr_write(u32 msr, u64 v)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static bool in_x2apic(void)
{
	return guest_in_x2apic[guest_percpu()->id % ARRAY_SIZE(guest_in_x2apic)];
}

u32 guest_apic_read(u32 reg)
{
	u32 v;

	if (in_x2apic())
		return msr_read(X2APIC_MSR(reg));
	asm volatile("movl (%1), %0" : "=r"(v) : "r"(APIC_DEFAULT_BASE + reg) : "memory");
	return v;
}

void guest_apic_write(u32 reg, u32 value)
{
	if (in_x2apic())
		msr_write(X2APIC_MSR(reg), value);
	else
		asm volatile("movl %0, (%1)"
			     : : "r"(value), "r"(APIC_DEFAULT_BASE + reg) : "memory");
}

void guest_apic_icr(u32 dest, u32 low)
{
	if (in_x2apic()) {
		msr_write(X2APIC_MSR(APIC_ICR), (u64)dest << 32 | low);
		return;
	}
	guest_apic_write(APIC_ICR2, dest << 24);
	guest_apic_write(APIC_ICR, low);
}

void guest_apic_eoi(void)
{
	guest_apic_write(APIC_EOI, 0);
}

static void enable_in(bool x2apic)
{
	guest_in_x2apic[guest_percpu()->id % ARRAY_SIZE(guest_in_x2apic)] = x2apic;
	guest_apic_write(APIC_SPIV, APIC_SPIV_APIC_ENABLED | SPURIOUS);
	guest_apic_write(APIC_TASKPRI, 0);
}

void guest_xapic_enable(void)
{
	u64 old = msr_read(MSR_IA32_APICBASE);
	u64 want = APIC_DEFAULT_BASE | APIC_BASE_ENABLE | (old & APIC_BASE_BSP);

	/* From x2APIC mode there is no other way back: SDM volume 3, 11.12.5. */
	if (old & APIC_BASE_X2APIC)
		msr_write(MSR_IA32_APICBASE, want & ~APIC_BASE_ENABLE);
	if (old != want)
		msr_write(MSR_IA32_APICBASE, want);
	enable_in(false);
}

void guest_x2apic_enable(void)
{
	u64 old = msr_read(MSR_IA32_APICBASE);

	if (!(old & APIC_BASE_ENABLE))
		msr_write(MSR_IA32_APICBASE, old | APIC_BASE_ENABLE);
	if (!(old & APIC_BASE_X2APIC))
		msr_write(MSR_IA32_APICBASE, old | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	enable_in(true);
}

bool param_on(const char *name)
{
	char path[100], got = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s",
		 device_is_kvm() ? "kvm_intel" : "lodge", name);
	f = fopen(path, "r");
	if (!f)
		return false;
	got = fgetc(f);
	fclose(f);
	return got == 'Y' || got == '1';
}
