// SPDX-License-Identifier: GPL-2.0
/*
 * initial - what a vCPU is when KVM_CREATE_VCPU has made it: SDM volume 3,
 * section 9.1.1 and table 9-1, and what KVM's ABI adds to that. The whole of
 * both register structs is compared with one table, so that every device under
 * test gives the same state, to the bit.
 */
#include "selftest.h"

#define MSR_APIC_BASE	0xfee00900ull	/* enabled, of the boot processor */
#define BSP		0x100ull

static const struct kvm_regs reset_regs = {
	.rdx = 0x600,			/* family 6, as long as no CPUID says more */
	.rip = 0xfff0,
	.rflags = 2,
};

#define DATA	{ .limit = 0xffff, .type = 3, .present = 1, .s = 1 }

static const struct kvm_sregs reset_sregs = {
	.cs = { .base = 0xffff0000, .limit = 0xffff, .selector = 0xf000, .type = 11,
		.present = 1, .s = 1 },
	.ds = DATA, .es = DATA, .fs = DATA, .gs = DATA, .ss = DATA,
	.tr = { .limit = 0xffff, .type = 11, .present = 1 },
	.ldt = { .limit = 0xffff, .type = 2, .present = 1 },
	.gdt = { .limit = 0xffff },
	.idt = { .limit = 0xffff },
	.cr0 = X86_CR0_CD | X86_CR0_NW | X86_CR0_ET,
	.apic_base = MSR_APIC_BASE,
};

static void compare(const char *what, const void *got, const void *want, size_t size)
{
	const u8 *a = got, *b = want;

	for (size_t i = 0; i < size; i++)
		if (a[i] != b[i])
			FAIL("%s, byte %zu: expected %#x, got %#x", what, i, b[i], a[i]);
}

static void check_reset(struct vcpu *vcpu, bool boot_processor)
{
	struct kvm_sregs s, want = reset_sregs;
	struct kvm_regs r;

	get_regs(vcpu, &r);
	CHECK_EQ(r.rip, reset_regs.rip);
	CHECK_EQ(r.rflags, reset_regs.rflags);
	CHECK_EQ(r.rdx, reset_regs.rdx);
	compare("kvm_regs", &r, &reset_regs, sizeof(r));
	get_sregs(vcpu, &s);
	if (!boot_processor)
		want.apic_base &= ~BSP;
	CHECK_EQ(s.cr0, want.cr0);
	CHECK_EQ(s.cr4, want.cr4);
	CHECK_EQ(s.efer, want.efer);
	CHECK_EQ(s.apic_base, want.apic_base);
	compare("cs", &s.cs, &want.cs, sizeof(s.cs));
	compare("ds", &s.ds, &want.ds, sizeof(s.ds));
	compare("tr", &s.tr, &want.tr, sizeof(s.tr));
	compare("ldt", &s.ldt, &want.ldt, sizeof(s.ldt));
	compare("kvm_sregs", &s, &want, sizeof(s));
}

SUBTEST(registers_after_create)
{
	struct vm *vm = vm_create();

	/* Each twice: to read changes nothing. */
	for (int id = 0; id < 3; id++) {
		struct vcpu *vcpu = vcpu_create_bare(vm, id);

		test_doing("vCPU %d", id);
		check_reset(vcpu, id == 0);
		check_reset(vcpu, id == 0);
	}
}

SUBTEST(registers_after_create_without_memory)
{
	struct vm *vm = vm_create_bare();

	check_reset(vcpu_create_bare(vm, 0), true);
}

/* KVM_SET_CPUID2 gives the CPU other features, and leaves its state alone. */
SUBTEST(registers_after_set_cpuid2)
{
	struct vm *vm = vm_create();

	check_reset(vcpu_create(vm, 0), true);
}

/* kvm_run is all zeros, but for what KVM_RUN is to read. */
SUBTEST(kvm_run_after_create)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);
	struct kvm_run zero = { 0 };

	compare("kvm_run", vcpu->run, &zero, sizeof(zero));
}

/* ---- what only the guest can see --------------------------------------- */

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}

#define READ_REG(name)	({ u64 v__; asm volatile("mov %%" name ", %0" : "=r"(v__)); v__; })

static const struct { u32 msr; u64 value; } reset_msrs[] = {
	{ 0x174, 0 }, { 0x175, 0 }, { 0x176, 0 },	/* SYSENTER */
	{ 0x277, 0x0007040600070406 },			/* PAT: SDM 3, 12.12.4 */
	{ 0xc0000081, 0 }, { 0xc0000082, 0 }, { 0xc0000083, 0 }, { 0xc0000084, 0 },
	{ 0xc0000102, 0 },				/* kernel GS base */
};

static void guest_reset_state(u64 apic_base)
{
	struct { u8 b[512]; } __attribute__((aligned(16))) fx;

	GUEST_ASSERT_EQ(READ_REG("dr0"), 0);
	GUEST_ASSERT_EQ(READ_REG("dr1"), 0);
	GUEST_ASSERT_EQ(READ_REG("dr2"), 0);
	GUEST_ASSERT_EQ(READ_REG("dr3"), 0);
	GUEST_ASSERT_EQ(READ_REG("dr6"), 0xffff0ff0);
	GUEST_ASSERT_EQ(READ_REG("dr7"), 0x400);
	GUEST_ASSERT_EQ(READ_REG("cr2"), 0);
	GUEST_ASSERT_EQ(READ_REG("cr8"), 0);
	for (u64 i = 0; i < ARRAY_SIZE(reset_msrs); i++)
		GUEST_ASSERT_EQ(rdmsr(reset_msrs[i].msr), reset_msrs[i].value);
	GUEST_ASSERT_EQ(rdmsr(0x1b), apic_base);
	asm volatile("fxsave64 %0" : "=m"(fx));
	GUEST_ASSERT_EQ(*(u32 *)(fx.b + 24), 0x1f80);		/* MXCSR */
	GUEST_ASSERT_EQ(fx.b[4], 0);				/* x87: all empty */
	for (int i = 32; i < 160 + 256; i++)			/* ST and XMM registers */
		GUEST_ASSERT_EQ(fx.b[i], 0);
}

/* Nothing of the host's registers, or of a vCPU before, is in a new one. */
SUBTEST(class28_guest_sees_reset_state)
{
	struct vm *vm = vm_create();

	for (int i = 0; i < 5; i++) {
		/* The host's registers hold something, in this thread and others. */
		asm volatile("pcmpeqd %%xmm0, %%xmm0\n	movdqa %%xmm0, %%xmm15\n"
			     "fldpi" : : : "memory");
		vcpu_create(vm, i);
		vcpu_long_mode(vm->vcpus[i], guest_reset_state, i ? MSR_APIC_BASE & ~BSP :
			       MSR_APIC_BASE);
		vcpu_expect_done(vm->vcpus[i]);
		asm volatile("fstp %%st(0)" : : : "memory");
	}
}

static void guest_xcr0(u64 arg)
{
	u64 cr4;
	u32 lo, hi;

	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" : : "r"(cr4 | X86_CR4_OSXSAVE));
	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	GUEST_ASSERT_EQ((u64)hi << 32 | lo, 1);
}

SUBTEST(xcr0_after_create)
{
	struct vm *vm = vm_create();
	bool has = false;

	for (u32 i = 0; i < vm->cpuid->nent; i++)
		has |= vm->cpuid->entries[i].function == 1 &&
		       (vm->cpuid->entries[i].ecx & BIT(26));
	if (!has)
		SKIP("the device offers no XSAVE");
	vcpu_long_mode(vcpu_create(vm, 0), guest_xcr0, 0);
	vcpu_expect_done(vm->vcpus[0]);
}
