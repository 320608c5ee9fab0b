// SPDX-License-Identifier: GPL-2.0
/*
 * initstate - what INIT does to a processor and what it leaves alone: SDM volume 3,
 * table 9-1 and section 11.12.5 for x2APIC mode. Every part of the state is filled
 * first, and afterwards compared with that of a processor that never ran.
 */
#include "apic.h"
#include "state.h"
#include "vthread.h"

#define CACHE_OFF	(X86_CR0_CD | X86_CR0_NW)

/* MSRs that INIT does not touch, and a value for each. */
static const struct { u32 index; u64 value; } kept_msrs[] = {
	{ MSR_SYSENTER_CS, 0x1234 }, { MSR_SYSENTER_ESP, 0x11223344 },
	{ MSR_SYSENTER_EIP, 0x55667788 }, { MSR_STAR, 0x0011223344556677 },
	{ MSR_LSTAR, 0x7fff12345678 }, { MSR_CSTAR, 0x7fff87654321 },
	{ MSR_FMASK, 0x4700 }, { MSR_KERNEL_GS_BASE, 0x7fff00001000 },
	{ MSR_TSC_AUX, 0x4321 }, { MSR_PAT, 0x0006000607040607 },
	{ MSR_MTRR_DEF_TYPE, 0xc06 }, { MSR_MTRR_BASE0, 0x10000006 },
	{ MSR_MTRR_MASK0, 0xff0000800 }, { MSR_MTRR_FIX64K, 0x0606060606060606 },
	{ MSR_TSC_ADJUST, 0x123456789 },
};

static void fill_msrs(struct vcpu *vcpu)
{
	for (u64 i = 0; i < ARRAY_SIZE(kept_msrs); i++)
		set_msr(vcpu, kept_msrs[i].index, kept_msrs[i].value);
}

static void expect_msrs(struct vcpu *vcpu)
{
	for (u64 i = 0; i < ARRAY_SIZE(kept_msrs); i++) {
		test_doing("MSR %#x", kept_msrs[i].index);
		CHECK_EQ(get_msr(vcpu, kept_msrs[i].index), kept_msrs[i].value);
	}
}

static void guest_nothing(u64 arg)
{
}

/* Long mode with no register that is as RESET leaves it; CR0.CD and NW as asked. */
static void fill_registers(struct vcpu *vcpu, u64 cr0)
{
	struct kvm_debugregs d = { .db = { 0x1000, 0x2000, 0x3000, 0x4000 },
		.dr6 = 0xffff4ff1, .dr7 = 0x4aa };
	struct kvm_sregs s;
	struct kvm_regs r;

	vcpu_long_mode(vcpu, guest_nothing, 7);
	get_sregs(vcpu, &s);
	s.cr0 |= cr0;
	s.cr2 = 0xabcdef000;
	s.cr8 = 5;
	s.cr4 |= X86_CR4_DE | X86_CR4_OSXSAVE;
	s.efer |= BIT(0);
	s.fs.base = 0x1234567;
	s.ldt = (struct kvm_segment){ .base = 0x5000, .limit = 0xff, .selector = 0x50,
		.type = 2, .present = 1 };
	set_sregs(vcpu, &s);
	for (u64 i = 0; i < 16; i++)
		(&r.rax)[i] = 0x101010101010101 * (i + 1);
	r.rip = (uintptr_t)guest_nothing;
	r.rflags = X86_EFLAGS_FIXED | X86_EFLAGS_CF | X86_EFLAGS_DF | X86_EFLAGS_IF;
	set_regs(vcpu, &r);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_DEBUGREGS, (uintptr_t)&d), 0);
}

static void expect_registers(struct vcpu *vcpu, struct vcpu *fresh, u64 cr0)
{
	struct kvm_sregs s, want;
	struct kvm_debugregs d;
	struct kvm_regs r;

	get_sregs(fresh, &want);
	CHECK_EQ(want.cr0, X86_CR0_ET | CACHE_OFF);
	get_sregs(vcpu, &s);
	CHECK_EQ(s.cr0, X86_CR0_ET | cr0);
	s.cr0 = want.cr0;
	CHECK_EQ(s.cr2, 0);
	CHECK_EQ(s.cr3, 0);
	CHECK_EQ(s.cr4, 0);
	CHECK_EQ(s.cr8, 0);
	CHECK_EQ(s.efer, 0);
	CHECK_EQ(s.apic_base, want.apic_base);
	CHECK(!memcmp(&s, &want, sizeof(s)));

	get_regs(vcpu, &r);
	CHECK_EQ(r.rip, 0xfff0);
	CHECK_EQ(r.rflags, X86_EFLAGS_FIXED);
	CHECK_EQ(r.rdx, cpuid_leaf(vcpu->vm->cpuid, 1, 0)->eax);
	r.rdx = 0;
	for (u64 i = 0; i < 16; i++)
		CHECK_EQ((&r.rax)[i], 0);

	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_DEBUGREGS, (uintptr_t)&d), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(d.db[i], 0);
	CHECK_EQ(d.dr6, 0xffff0ff0);
	CHECK_EQ(d.dr7, 0x400);
}

/* An NMI in its handler, another that waits, an exception on its way, a shadow. */
static void fill_events(struct vcpu *vcpu)
{
	struct kvm_vcpu_events e;

	get_events(vcpu, &e);
	e.exception.injected = 1;
	e.exception.nr = UD;
	e.nmi.masked = 1;
	e.nmi.pending = 1;
	e.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	e.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	set_events(vcpu, &e);
}

static void expect_no_events(struct vcpu *vcpu)
{
	struct kvm_vcpu_events e;

	get_events(vcpu, &e);
	CHECK_EQ(e.exception.injected, 0);
	CHECK_EQ(e.interrupt.injected, 0);
	CHECK_EQ(e.interrupt.shadow, 0);
	CHECK_EQ(e.nmi.injected, 0);
	CHECK_EQ(e.nmi.pending, 0);
	CHECK_EQ(e.nmi.masked, 0);
	CHECK_EQ(e.smi.latched_init, 0);
}

static void fill_xsave(struct vcpu *vcpu, struct kvm_xsave *x)
{
	set_xcr0(vcpu, 7);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_XSAVE, (uintptr_t)x), 0);
	x->region[0] = 0x01235b7f;		/* FCW, FSW */
	x->region[6] = 0x3fc0;			/* MXCSR */
	for (int i = 40; i < 104; i++)		/* XMM registers */
		x->region[i] = 0x5a5a0000 + i;
	x->region[128] = 7;			/* XSTATE_BV: x87, SSE, AVX */
	for (int i = 144; i < 208; i++)		/* upper halves of YMM */
		x->region[i] = 0xa5a50000 + i;
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_XSAVE, (uintptr_t)x), 0);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_XSAVE, (uintptr_t)x), 0);
	CHECK_EQ(x->region[40], 0x5a5a0000 + 40);
}

static void expect_xsave(struct vcpu *vcpu, const struct kvm_xsave *want)
{
	struct kvm_xsave x;
	struct kvm_xcrs c;

	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_XSAVE, (uintptr_t)&x), 0);
	for (u64 i = 0; i < ARRAY_SIZE(x.region); i++) {
		test_doing("word %llu of XSAVE", (unsigned long long)i);
		CHECK_EQ(x.region[i], want->region[i]);
	}
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_XCRS, (uintptr_t)&c), 0);
	CHECK_EQ(c.xcrs[0].value, 7);
}

static void init(struct vcpu *vcpu)
{
	CHECK_EQ(signal_msi(vcpu->vm, MSI_ADDR | vcpu->id << 12, APIC_DM_INIT), 1);
	CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_INIT_RECEIVED);
}

static struct vm *machine(void)
{
	struct vm *vm = vm_create();

	vm_irqchip(vm);
	for (int i = 0; i < 3; i++)
		vcpu_create(vm, i);
	CHECK_EQ(set_mp_state(vm->vcpus[1], KVM_MP_STATE_RUNNABLE), 0);
	return vm;
}

SUBTEST(registers)
{
	static const u64 cr0[] = { 0, X86_CR0_CD, CACHE_OFF };
	struct vm *vm = machine();

	for (u64 i = 0; i < ARRAY_SIZE(cr0); i++) {
		test_doing("CR0 %#llx", (unsigned long long)cr0[i]);
		fill_registers(vm->vcpus[1], cr0[i]);
		init(vm->vcpus[1]);
		expect_registers(vm->vcpus[1], vm->vcpus[2], cr0[i]);
	}
}

SUBTEST(msrs_stay)
{
	struct vm *vm = machine();
	struct vcpu *vcpu = vm->vcpus[1];
	u64 tsc;

	fill_registers(vcpu, 0);
	fill_msrs(vcpu);
	tsc = get_msr(vcpu, MSR_TSC);
	init(vcpu);
	expect_msrs(vcpu);
	CHECK(get_msr(vcpu, MSR_TSC) > tsc);
}

SUBTEST(fpu_stays)
{
	struct vm *vm = machine();
	struct kvm_xsave x;

	fill_registers(vm->vcpus[1], 0);
	fill_xsave(vm->vcpus[1], &x);
	init(vm->vcpus[1]);
	expect_xsave(vm->vcpus[1], &x);
}

SUBTEST(events_are_gone)
{
	struct vm *vm = machine();

	fill_registers(vm->vcpus[1], 0);
	fill_events(vm->vcpus[1]);
	init(vm->vcpus[1]);
	expect_no_events(vm->vcpus[1]);
}

/* All registers of the APIC but its id become as after RESET. */
static void fill_lapic(struct vcpu *vcpu)
{
	static const struct { u32 reg, value; } regs[] = {
		{ APIC_TASKPRI, 0x30 }, { APIC_LDR, 0x02000000 }, { APIC_DFR, APIC_DFR_CLUSTER },
		{ APIC_SPIV, 0x1ef }, { APIC_LVTT, 0x31 }, { APIC_LVT0, 0x700 },
		{ APIC_LVT1, 0x400 }, { APIC_LVTERR, 0x32 }, { APIC_LVTPC, 0x33 },
		{ APIC_LVTTHMR, 0x34 }, { APIC_TDCR, 0xb }, { APIC_TMICT, 0x7fffffff },
		{ APIC_IRR + 0x30, 0x80 }, { APIC_ISR + 0x20, 0x100 }, { APIC_ICR, 0x4041 },
		{ APIC_ICR2, 0x02000000 },
	};
	struct kvm_lapic_state s;

	get_lapic(vcpu, &s);
	for (u64 i = 0; i < ARRAY_SIZE(regs); i++)
		lapic_set_reg(&s, regs[i].reg, regs[i].value);
	set_lapic(vcpu, &s);
	get_lapic(vcpu, &s);
	CHECK_EQ(lapic_reg(&s, APIC_SPIV), 0x1ef);
	CHECK_EQ(lapic_reg(&s, APIC_IRR + 0x30), 0x80);
}

static void expect_lapic(struct vcpu *vcpu, struct vcpu *fresh)
{
	struct kvm_lapic_state s, want;

	get_lapic(fresh, &want);
	get_lapic(vcpu, &s);
	CHECK_EQ(lapic_reg(&s, APIC_ID), vcpu->id << 24);
	for (u32 reg = APIC_LVR; reg < KVM_APIC_REG_SIZE; reg += 0x10) {
		test_doing("APIC register %#x", reg);
		CHECK_EQ(lapic_reg(&s, reg), lapic_reg(&want, reg));
	}
}

SUBTEST(apic_is_reset)
{
	struct vm *vm = machine();

	fill_lapic(vm->vcpus[1]);
	init(vm->vcpus[1]);
	expect_lapic(vm->vcpus[1], vm->vcpus[2]);
}

/* Neither the mode nor, in x2APIC mode, the ids change. */
SUBTEST(x2apic_mode_stays)
{
	struct vm *vm = machine();
	struct vcpu *vcpu = vm->vcpus[1];
	struct kvm_lapic_state s;
	u64 base;

	base = get_msr(vcpu, MSR_APIC_BASE) | APIC_BASE_X2APIC;
	set_msr(vcpu, MSR_APIC_BASE, base);
	get_lapic(vcpu, &s);
	lapic_set_reg(&s, APIC_SPIV, 0x1ef);
	lapic_set_reg(&s, APIC_TASKPRI, 0x40);
	set_lapic(vcpu, &s);
	init(vcpu);
	CHECK_EQ(get_msr(vcpu, MSR_APIC_BASE), base);
	get_lapic(vcpu, &s);
	CHECK_EQ(lapic_reg(&s, APIC_ID), 1 << 24);
	CHECK_EQ(lapic_reg(&s, APIC_LDR), 2);
	CHECK_EQ(lapic_reg(&s, APIC_SPIV), 0xff);
	CHECK_EQ(lapic_reg(&s, APIC_TASKPRI), 0);
}

SUBTEST(disabled_apic_takes_no_init)
{
	struct vm *vm = machine();
	struct vcpu *vcpu = vm->vcpus[1];
	u64 base = get_msr(vcpu, MSR_APIC_BASE);

	set_msr(vcpu, MSR_APIC_BASE, base & ~APIC_BASE_ENABLE);
	CHECK_EQ(signal_msi(vm, MSI_ADDR | 1 << 12, APIC_DM_INIT), 0);
	CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_RUNNABLE);
	set_msr(vcpu, MSR_APIC_BASE, base);
	init(vcpu);
}
